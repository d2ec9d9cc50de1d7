"""Repeated looks: six at 5 % each make too many false claims, six at the level of a look do not."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.until_decided import Simulated, cell, play
from transfer.statistics.comparison import LEVEL_OF_A_LOOK, LOOKS


def test_the_level_of_a_look_is_pococks():
    """Sums of independent normal steps, all false: 5 % exceed the bound at any of six looks."""
    steps = np.random.default_rng(0).standard_normal((400_000, LOOKS)).cumsum(1)
    largest = (steps / np.sqrt(np.arange(1, LOOKS + 1))).max(1)
    assert (largest > stats.norm.isf(LEVEL_OF_A_LOOK)).mean() == pytest.approx(0.05, abs=0.002)
    assert (largest > stats.norm.isf(0.05)).mean() > 0.12


@pytest.mark.slow
def test_looking_until_decided_makes_no_more_false_claims_than_one_look():
    rules = ["until decided", "until decided, 5 % a look"]
    kept, unadjusted = cell("at the margin", rules, 150, images=1000, sd=0.018)
    assert max(kept["false_general"], kept["false_cut"]) < 0.09  # 5 % and two standard errors
    assert max(unadjusted["false_general"], unadjusted["false_cut"]) > 0.09


def test_a_clear_study_is_decided_rightly_in_less_than_half_of_the_grid():
    setting = {"sd": 0.001, "images": 20000, "of_network": 0.01}
    study = Simulated("clear", *setting.values(), "equal", True, 0)
    seen, runs, left = play(study, "until decided")
    assert seen[-1] == (9, 5)
    assert not left
    assert runs < 81 / 2


def test_a_simulated_study_is_a_function_of_its_key():
    first, again, other = (
        Simulated("clear", 0.006, 1000, 0.1, "unequal", True, key) for key in (1, 1, 2)
    )
    run = ("AnB", 7, "inference"), 0
    again.right(("sliced", 3, ""), 1)  # the order in which runs are asked for is nothing to them
    assert (first.right(*run) == again.right(*run)).all()
    assert (first.right(*run) != other.right(*run)).any()
