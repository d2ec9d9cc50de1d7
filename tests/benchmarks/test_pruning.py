"""Magnitude pruning: the published schedule, the smallest weights, and they stay away."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.pruning import (
    COLUMNS,
    compare,
    file_weights,
    main,
    mask,
    prunable,
    prune,
    pruned_name,
    read_pruning,
    sparsity_at,
    sparsity_for,
)
from tests.measured_study import LABELS, answers, measured_study
from transfer.deploy.costs.measure import weight_bytes
from transfer.deploy.costs.table import write_exported
from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.network import random_weights
from transfer.results import read_predictions
from transfer.runs import Protocol
from transfer.statistics.accuracies import measure
from transfer.statistics.comparison import image_clusters
from transfer.tasks.dataset import load_dataset


def test_sparsity_rises_along_the_cubic_of_zhu_and_gupta():
    """s_t = s_f + (s_i - s_f) (1 - t / T)^3 with s_i = 0 and T two thirds of the steps."""
    steps, final = 300, 0.9
    for step in (0, 10, 77, 199):
        expected = final + (0 - final) * (1 - step / 200) ** 3
        assert sparsity_at(step, steps, final) == pytest.approx(expected)
    assert sparsity_at(200, steps, final) == sparsity_at(300, steps, final) == final


def test_the_smallest_go():
    weights = np.array([[0.3, -0.1], [0.02, -2.0]], np.float32)
    np.testing.assert_array_equal(mask(weights, 0.5), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(mask(weights, 0.0), np.ones((2, 2)))
    ties = mask(np.ones((10, 10), np.float32), 0.37)
    assert ties.sum() == 63


def test_a_pruned_network_has_as_many_weights_as_the_slice():
    whole = Architecture()
    for n in (7, 10):
        aim = file_weights(Architecture(n))
        sparsity = sparsity_for(whole, aim)
        zeros = sum(
            round(sparsity * np.prod(value.shape))
            for name, value in random_weights(whole, 0).items()
            if prunable(name)
        )
        assert file_weights(whole) - zeros == pytest.approx(aim, abs=13)  # rounding, a layer each
        assert file_weights(whole) == weight_bytes(whole, "litert") / 4


def test_what_pruning_cannot_reach_is_none():
    assert sparsity_for(Architecture(), file_weights(Architecture(4))) is None
    assert sparsity_for(Architecture(7), file_weights(Architecture(13))) is None


def test_training_goes_on_and_zeros_stay_zeros(small_data):
    architecture = Architecture(n=2)
    data = load_dataset(small_data)
    start = random_weights(architecture, 1)
    protocol = Protocol("one_cycle", 0.05, 0.9, True, 16, 3)
    found = prune(architecture, start, data, protocol, 0.75, seed=0)
    for name, value in found.items():
        if prunable(name):
            assert (value == 0).mean() == pytest.approx(0.75, abs=1 / value.size)
            assert not np.array_equal(value[value != 0], start[name][value != 0])
        elif name.endswith("kernel"):
            assert (value != 0).all()


def test_a_size_out_of_reach_is_one_sentence_and_nothing_is_written(tmp_path):
    study = measured_study(tmp_path / "own", {("sliced", 7): (0.82, None, 120_000, 2.0, 2e6)})
    for like, sentence in (("x", "error: invalid"), ("7", "error: Expected baseB")):
        with pytest.raises(SystemExit, match=sentence):
            main([str(study), "--like", like])
    assert not (study / "pruning.csv").exists()


NETWORKS = {
    ("baseB", None): (0.80, None, 800_000, 4.0, 9e6),
    ("sliced", 7): (0.82, None, 120_000, 2.0, 2e6),
}


@pytest.fixture
def study(tmp_path):
    own = measured_study(tmp_path / "own", NETWORKS)
    rows = []
    for seed in range(3):
        probabilities, hit = answers(0.75, seed + 20)
        name = pruned_name(f"baseB_s{seed}", 7)
        write_exported(own, name, "litert", probabilities)
        values = (f"baseB_s{seed}", seed, 7, "litert", 0.9, 30_000, 9e6, 800_000, 130_000, hit, 4)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    pd.DataFrame(rows).to_csv(own / "pruning.csv", index=False)
    return own


def test_pruned_networks_are_compared_with_the_slice(study):
    table = compare(study).set_index("network")
    assert list(table.index) == ["sliced-n", "baseB, pruned"]
    pruned = np.array([answers(0.75, seed + 20)[0].argmax(1) == LABELS for seed in range(3)])
    sliced = np.array([read_predictions(study, f"sliced-7_s{s}").argmax(1) for s in range(3)])
    expected = measure([pruned, sliced == LABELS], LABELS, image_clusters(study), 3).mean
    line = table.loc["baseB, pruned"]
    assert line["minus"] == pytest.approx(expected[0] - expected[1])
    assert line["low"] < line["minus"] < line["high"] < 0
    assert table["accuracy"].tolist() == pytest.approx(expected[::-1])
    assert line["gzip_bytes"] == 130_000


def test_a_narrower_network_beside_is_compared_with_the_slice_too(study, tmp_path):
    narrow = {("baseB", None): (0.8205, None, 119_000, 1.0, 5e5)}
    beside = measured_study(tmp_path / "light", narrow, alpha=0.1)
    line = compare(study, [beside]).set_index("network").loc["baseB, alpha 0.1"]
    assert line["weights"] == 119_000 // 4
    assert line["low"] < line["minus"] < line["high"]


def test_networks_of_fewer_images_are_left_out(study):
    expected = compare(study)
    costs = pd.read_csv(study / "deploy.csv")
    some = costs.assign(run=[f"{run[:-3]}_f0.25{run[-3:]}" for run in costs["run"]])
    pd.concat([costs, some]).to_csv(study / "deploy.csv", index=False)
    pd.testing.assert_frame_equal(compare(study), expected)


def test_predictions_of_another_pruned_network_are_refused(study):
    name = pruned_name("baseB_s0", 7)
    write_exported(study, name, "litert", answers(0.5, 0)[0])
    with pytest.raises(TransferError, match="Measure .* again"):
        compare(study)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",".join(COLUMNS) + "\nx\n"])
def test_a_table_that_is_not_ours_is_said(tmp_path, text):
    (tmp_path / "pruning.csv").write_text(text)
    with pytest.raises(TransferError, match=r"pruning\.csv"):
        read_pruning(tmp_path)


def test_a_run_that_leads_out_of_the_folder_is_refused(study):
    table = pd.read_csv(study / "pruning.csv").assign(run="../../baseB_s0")
    table.to_csv(study / "pruning.csv", index=False)
    with pytest.raises(TransferError, match="pruning.csv"):
        read_pruning(study)
