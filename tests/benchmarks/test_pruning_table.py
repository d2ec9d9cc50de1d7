"""Cut, narrower or pruned: compared on the same images, and who wins is said only if shown."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.pruning_table import (
    COLUMNS,
    MAGNITUDE,
    NARROW,
    NARROW_FAST,
    SLICED,
    compare_pruning,
    pruned_name,
    pruning_in_words,
    read_pruning,
)
from tests.measured_study import LABELS, answers, measured_study
from transfer.deploy.costs.table import exported_path, on_all_images, read_costs
from transfer.errors import TransferError
from transfer.figures.draw import draw_figures
from transfer.results import read_predictions, write_array
from transfer.statistics.comparison import blocks_of_neighbours
from transfer.statistics.intervals import paired_bootstrap

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
        write_array(exported_path(own, name, "litert"), probabilities)
        values = (f"baseB_s{seed}", seed, 7, "litert", 0.9, 30_000, 9e6, 800_000, 130_000, hit, 4)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    pd.DataFrame(rows).to_csv(own / "pruning.csv", index=False)
    return own


def right(study, run):
    return read_predictions(study, run).argmax(1) == LABELS


def test_pruned_networks_are_compared_with_the_slice_seed_by_seed(study):
    table = compare_pruning(study).set_index("way")
    assert list(table.index) == [SLICED, MAGNITUDE]
    pruned = np.array([answers(0.75, seed + 20)[0].argmax(1) == LABELS for seed in range(3)])
    sliced = np.array([right(study, f"sliced-7_s{seed}") for seed in range(3)])
    expected = paired_bootstrap(pruned, sliced, blocks=blocks_of_neighbours(len(LABELS)))
    line = table.loc[MAGNITUDE]
    assert (line["minus"], line["minus_low"]) == (expected.estimate, expected.low)
    assert line["gzip_bytes"] == 130_000
    (sentence,) = pruning_in_words(study)
    assert "sliced-7 wins" in sentence


def test_a_narrower_network_counts_where_its_cost_is_equal(study):
    beside = {("baseB", None): (0.8205, None, 119_000, 1.0, 5e5)}
    measured_study(study.parent / "light", beside, alpha=0.1)
    as_fast = {("baseB", None): (0.9, None, 300_000, 2.0, 2.1e6)}
    measured_study(study.parent / "fast", as_fast, alpha=0.19)
    wider = {("baseB", None): (0.9, None, 121_000, 2.0, 2.0e6)}
    measured_study(study.parent / "wide", wider, alpha=0.5)
    table = compare_pruning(study).set_index("way")
    assert table["alpha"].to_dict() == {
        SLICED: 0.25,
        NARROW: 0.1,
        NARROW_FAST: 0.19,
        MAGNITUDE: 0.25,
    }
    (sentence,) = pruning_in_words(study)
    assert f"{NARROW} (alpha 0.1) 0.81" in sentence
    assert "no difference shown" in sentence
    assert "wins over sliced-7" in sentence


def test_the_figure_is_drawn_from_the_tables(study):
    assert "pruning.png" in {path.name for path in draw_figures(study)}


def test_nothing_pruned_is_nothing_said(tmp_path):
    assert pruning_in_words(measured_study(tmp_path / "own", NETWORKS)) == []


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",".join(COLUMNS) + "\nx\n"])
def test_a_table_that_is_not_ours_is_said(tmp_path, text):
    (tmp_path / "pruning.csv").write_text(text)
    with pytest.raises(TransferError, match=r"pruning\.csv"):
        read_pruning(tmp_path)


def test_networks_of_fewer_images_are_left_out(study):
    expected = compare_pruning(study)
    costs = read_costs(study)
    some = costs.assign(run=[f"{run[:-3]}_f0.25{run[-3:]}" for run in costs["run"]])
    pd.concat([costs, some]).to_csv(study / "deploy.csv", index=False)
    assert set(on_all_images(read_costs(study))["run"]) == set(costs["run"])
    pd.testing.assert_frame_equal(compare_pruning(study), expected)


def test_predictions_of_another_pruned_network_are_refused(study):
    name = pruned_name("baseB_s0", 7)
    write_array(exported_path(study, name, "litert"), answers(0.5, 0)[0])
    with pytest.raises(TransferError, match="Measure it again"):
        compare_pruning(study)


def test_a_run_that_leads_out_of_the_folder_is_refused(study):
    table = pd.read_csv(study / "pruning.csv").assign(run="../../baseB_s0")
    table.to_csv(study / "pruning.csv", index=False)
    with pytest.raises(TransferError, match="pruning.csv"):
        read_pruning(study)
