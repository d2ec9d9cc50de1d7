"""Magnitude pruning: the published schedule, the smallest weights, and they stay away."""

import numpy as np
import pytest

from benchmarks.pruning import (
    file_weights,
    mask,
    prunable,
    prune,
    sparsity_at,
    sparsity_for,
)
from transfer.cli import main
from transfer.deploy.costs.measure import weight_bytes
from transfer.networks.architecture import Architecture
from transfer.networks.mobilenet import random_weights
from transfer.runs import Protocol
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
            for name, value in random_weights(whole, np.random.SeedSequence(0)).items()
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
    start = random_weights(architecture, np.random.SeedSequence(1))
    protocol = Protocol("short", "one_cycle", 0.05, 0.9, True, 16, 3)
    found = prune(architecture, start, data, protocol, 0.75, seed=0)
    for name, value in found.items():
        if prunable(name):
            assert (value == 0).mean() == pytest.approx(0.75, abs=1 / value.size)
            assert not np.array_equal(value[value != 0], start[name][value != 0])
        elif name.endswith("kernel"):
            assert (value != 0).all()


def test_a_size_out_of_reach_is_one_line_and_nothing_is_written(own_study, capsys):
    for like in ("14", "x"):
        with pytest.raises(SystemExit) as stopped:
            main(["prune", str(own_study), "--like", like])
        assert stopped.value.code == 2
    with pytest.raises(SystemExit) as stopped:  # no baseB, or an extra is not installed
        main(["prune", str(own_study), "--like", "7"])
    assert stopped.value.code == 1
    assert capsys.readouterr().err.count("error: ") == 3
    assert not (own_study / "pruning.csv").exists()
