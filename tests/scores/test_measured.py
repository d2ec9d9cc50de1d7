"""Accuracies with what they might have been, against the variances of the statistics."""

import numpy as np
import pytest

from tests.made_study import make_study, run_of
from transfer.errors import TransferError
from transfer.results import read_runs
from transfer.scores.agreement import measured
from transfer.statistics.comparison import read_tested


def test_means_are_those_of_the_table_and_other_runs_are_left_out(tmp_path):
    accuracies = {("AnB", n): 0.5 + 0.03 * n for n in range(6)} | {("AnB+", 3): 0.7}
    for seed in range(2):
        accuracies[run_of("AnB", 3, seed, bn="legacy")] = 0.1
        accuracies[run_of("AnB", 3, seed, fraction=0.1)] = 0.1
    folder = make_study(tmp_path / "made", accuracies)
    runs = read_runs(folder).query("bn != 'legacy' and fraction == 1 and n > 0")
    frozen, tuned = measured(folder)
    assert (frozen.kind, tuned.kind) == ("AnB", "AnB+")
    assert frozen.n.tolist() == [1, 2, 3, 4, 5]  # n = 0 is the stem alone
    expected = runs[runs["kind"] == "AnB"].groupby("n")["test_balanced_accuracy"].mean()
    assert frozen.mean == pytest.approx(expected.to_numpy())
    assert frozen.seeds == 3
    assert frozen.drawn.shape == (2000, 5)


def test_other_images_move_the_means_as_their_variance_says(tmp_path):
    folder = make_study(tmp_path / "made", {("AnB", 1): 0.6, ("AnB", 2): 0.7}, (0,), noise=0.2)
    (found,) = measured(folder, draws=4000)
    tested = read_tested(folder)
    covariance = tested.accuracies(list(tested.right)).covariance()
    expected = (covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]) ** 0.5
    assert (found.drawn[:, 1] - found.drawn[:, 0]).std() == pytest.approx(expected, rel=0.1)
    assert found.drawn.mean(0) == pytest.approx(found.mean, abs=0.002)
    assert found.seeds == 1


def test_every_n_sees_the_same_images(tmp_path):
    folder = make_study(tmp_path / "made", {("AnB", n): 0.6 for n in (1, 2)}, (0,), noise=0.0)
    (found,) = measured(folder)
    np.testing.assert_allclose(found.drawn[:, 0], found.drawn[:, 1], atol=1e-6)
    assert found.drawn[:, 0].std() > 0.005


def test_seeds_that_differ_widen_what_might_have_been(tmp_path):
    apart = {run_of("AnB", 1, seed): 0.5 + 0.1 * seed for seed in range(3)}
    alike = {run_of("AnB", 2, seed): 0.6 for seed in range(3)}
    (found,) = measured(make_study(tmp_path / "made", apart | alike))
    middle = np.quantile(found.drawn, [0.25, 0.75], axis=0)
    spread = middle[1] - middle[0]
    # Half of a Student's t of 2 degrees of freedom lies within 0.816 standard errors.
    assert spread[0] == pytest.approx(2 * 0.816 * 0.1 / np.sqrt(3), rel=0.15)
    assert spread[1] < spread[0] / 4


def test_the_same_seed_gives_the_same_draws(tmp_path):
    folder = make_study(tmp_path / "made", {("AnB", 1): 0.6})
    once, again, other = (measured(folder, draws=50, seed=s)[0].drawn for s in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(TransferError, match="study"):
        measured(tmp_path)
