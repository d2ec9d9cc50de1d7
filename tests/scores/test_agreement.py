"""Rank correlations against scipy; agreement of made-up scores with made-up accuracies."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from transfer.errors import TransferError
from transfer.scores.agreement import COLUMNS, Measured, agreement, kendall_tau, weighted_tau
from transfer.scores.table import DEPTH

values = st.lists(st.integers(0, 6), min_size=4, max_size=14)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_both_taus_are_those_of_scipy_ties_included(data):
    x = np.array(data.draw(values), float)
    y = np.array(data.draw(st.lists(st.integers(0, 6), min_size=len(x), max_size=len(x))), float)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(kendall_tau(x[None], y[None])[0])
        return
    assert kendall_tau(x[None], y[None])[0] == pytest.approx(stats.kendalltau(x, y).statistic)
    assert weighted_tau(x[None], y[None])[0] == pytest.approx(stats.weightedtau(x, y).statistic)


def test_many_rows_at_once_are_each_row():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 5, 13))
    for measure in (kendall_tau, weighted_tau):
        rows = [measure(a[None], b[None])[0] for a, b in zip(x, y, strict=True)]
        assert measure(x, y) == pytest.approx(rows)


def accuracies(of_n, kind="AnB", spread=0.0, seeds=3):
    """Measured accuracies whose draws scatter by ``spread``."""
    n, mean = np.array(list(of_n)), np.array(list(of_n.values()))
    drawn = mean + np.random.default_rng(0).normal(0, spread, (500, len(n)))
    return Measured(kind, n, mean, drawn, seeds)


def table(**scores):
    return pd.DataFrame(
        [
            {"block": block, "score": name, "value": value, "seconds": 0.0}
            for name, of_blocks in scores.items()
            for block, value in of_blocks.items()
        ]
    )


def of_score(found, name):
    return found.set_index("score").loc[name]


ACCURACY = {n: 0.5 + 0.1 * np.sin(n) for n in range(1, 14)}
BOUNDS = ["tau_low", "tau_high", "tau_low_n", "tau_high_n"]


def test_a_score_in_the_order_of_accuracy_agrees_wholly_and_in_every_draw():
    same = {n: np.exp(10 * a) for n, a in ACCURACY.items()}
    scores = table(same=same, opposite={n: -v for n, v in same.items()})
    found = agreement(scores, [accuracies(ACCURACY)])
    assert tuple(found.columns) == COLUMNS
    for name, tau in (("same", 1), ("opposite", -1)):
        row = of_score(found, name)
        assert row[["tau", *BOUNDS]].tolist() == pytest.approx([tau] * 5)
    assert of_score(found, "same")[f"weighted_{BOUNDS[0]}"] == pytest.approx(1)


def test_noise_in_the_accuracies_opens_the_first_interval_and_drawing_n_the_second():
    rng = np.random.default_rng(1)
    score = {n: a + rng.normal(0, 0.05) for n, a in ACCURACY.items()}
    exact, noisy = (
        of_score(agreement(table(x=score), [accuracies(ACCURACY, spread=s)]), "x")
        for s in (0.0, 0.03)
    )
    assert exact["tau_low"] == exact["tau"] == exact["tau_high"] == noisy["tau"]
    assert exact["tau_low_n"] < exact["tau"] < exact["tau_high_n"]
    assert noisy["tau_low"] < noisy["tau"]
    assert noisy["tau_low_n"] < noisy["tau_low"]
    assert noisy["tau_high_n"] > noisy["tau_high"]


def test_the_interval_of_an_unrelated_score_holds_zero_and_is_the_same_every_time():
    noise = dict(zip(ACCURACY, np.random.default_rng(1).standard_normal(13), strict=True))
    once, again = (agreement(table(x=noise), [accuracies(ACCURACY)]) for _ in range(2))
    assert of_score(once, "x")["tau_low_n"] < 0 < of_score(once, "x")["tau_high_n"]
    pd.testing.assert_frame_equal(once, again)


def test_draws_are_correlated_with_the_score_as_scipy_would():
    score = dict(zip(ACCURACY, np.random.default_rng(2).standard_normal(13), strict=True))
    drawn = accuracies(ACCURACY, spread=0.05)
    found = of_score(agreement(table(x=score), [drawn]), "x")
    x = list(score.values())
    for name, measure in (("", stats.kendalltau), ("weighted_", stats.weightedtau)):
        taus = [measure(x, row).statistic for row in drawn.drawn]
        expected = np.quantile(taus, [0.025, 0.975])
        assert found[[f"{name}tau_low", f"{name}tau_high"]].tolist() == pytest.approx(expected)


def test_every_kind_has_its_rows_and_depth_is_the_control():
    rising = {n: n / 14 for n in range(1, 14)}
    falling = {n: -a for n, a in rising.items()}
    both = [accuracies(rising), accuracies(falling, "sliced", seeds=1)]
    found = agreement(table(x=ACCURACY), both).set_index(["kind", "score"])
    assert found["tau"].loc["AnB", DEPTH] == pytest.approx(1)
    assert found["tau"].loc["sliced", DEPTH] == pytest.approx(-1)
    assert found["seeds"].to_dict()["sliced", "x"] == 1


def test_a_score_is_compared_with_depth_draw_by_draw():
    score = dict(zip(ACCURACY, np.random.default_rng(2).standard_normal(13), strict=True))
    drawn = accuracies(ACCURACY, spread=0.05)
    found = agreement(table(x=score), [drawn])
    row, control = of_score(found, "x"), of_score(found, DEPTH)
    assert row["over_depth"] == pytest.approx(row["tau"] - control["tau"])
    gains = [
        stats.kendalltau(list(score.values()), y).statistic - stats.kendalltau(drawn.n, y).statistic
        for y in drawn.drawn
    ]
    expected = np.quantile(gains, [0.025, 0.975])
    assert row[["over_depth_low", "over_depth_high"]].tolist() == pytest.approx(expected)
    assert control[["over_depth", "over_depth_low", "over_depth_high"]].tolist() == [0, 0, 0]


def test_only_blocks_that_have_both_are_compared():
    scores = table(same={n: n for n in range(14)}, leep={13: 1.0})
    found = agreement(scores, [accuracies({2: 0.1, 3: 0.2, 7: 0.3, 13: 0.4, 14: 0.1})])
    assert found[["score", "blocks", "tau"]].values.tolist() == [["same", 4, 1], [DEPTH, 4, 1]]


def test_a_score_that_is_the_same_everywhere_has_no_tau():
    found = agreement(table(flat=dict.fromkeys(ACCURACY, 0.0)), [accuracies(ACCURACY)])
    assert of_score(found, "flat")[["tau", *BOUNDS, "weighted_tau"]].isna().all()


def test_three_values_of_n_are_refused():
    with pytest.raises(TransferError, match="4 or more values of n"):
        agreement(table(same=ACCURACY), [accuracies({1: 0.1, 2: 0.2, 3: 0.3})])
