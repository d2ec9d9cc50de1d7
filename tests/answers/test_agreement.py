"""Rank correlations against scipy; the table of a study against what it was made of."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from transfer.answers.agreement import COLUMNS, agreement, kendall_tau, weighted_tau
from transfer.errors import TransferError

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


def study(accuracies, kind="AnB", bn="inference", seeds=1, fraction=1.0):
    return pd.DataFrame(
        [
            {"kind": kind, "n": n, "seed": s, "bn": bn, "fraction": fraction, "test_accuracy": a}
            for n, a in accuracies.items()
            for s in range(seeds)
        ]
    ).astype({"n": "Int64"})


def table(**scores):
    return pd.DataFrame(
        [
            {"block": block, "score": name, "value": value, "seconds": 0.0}
            for name, of_blocks in scores.items()
            for block, value in of_blocks.items()
        ]
    )


ACCURACY = {n: 0.5 + 0.1 * np.sin(n) for n in range(1, 14)}


def test_a_score_in_the_order_of_accuracy_agrees_wholly_and_in_every_draw():
    same = {n: np.exp(10 * a) for n, a in ACCURACY.items()}
    found = agreement(table(same=same, opposite={n: -v for n, v in same.items()}), study(ACCURACY))
    assert tuple(found.columns) == COLUMNS
    columns = ["tau", "tau_low", "tau_high", "weighted_tau"]
    assert found.loc[0, columns].tolist() == pytest.approx([1, 1, 1, 1])
    assert found.loc[1, columns[:3]].tolist() == pytest.approx([-1, -1, -1])


def test_the_interval_of_noise_holds_zero_and_is_the_same_every_time():
    noise = dict(zip(ACCURACY, np.random.default_rng(1).standard_normal(13), strict=True))
    found = agreement(table(noise=noise), study(ACCURACY))
    assert found.loc[0, "tau_low"] < 0 < found.loc[0, "tau_high"]
    assert found.loc[0, "tau_low"] <= found.loc[0, "tau"] <= found.loc[0, "tau_high"]
    pd.testing.assert_frame_equal(found, agreement(table(noise=noise), study(ACCURACY)))


def test_seeds_are_averaged_and_other_runs_are_left_out():
    runs = pd.concat(
        [
            study(ACCURACY, seeds=1),
            study({n: a + 0.02 for n, a in ACCURACY.items()}).assign(seed=1),
            study({n: -n for n in ACCURACY}, bn="legacy"),
            study({n: -n for n in ACCURACY}, fraction=0.1),
            study({n: 0.9 - a for n, a in ACCURACY.items()}, kind="AnB+", bn=""),
        ]
    )
    found = agreement(table(same=ACCURACY), runs).set_index("kind")["tau"]
    assert found.to_dict() == pytest.approx({"AnB": 1, "AnB+": -1})


def test_only_blocks_that_have_both_are_compared():
    scores = table(same={n: n for n in range(14)}, leep={13: 1.0})
    found = agreement(scores, study({0: 0.1, 3: 0.2, 7: 0.3, 13: 0.4}))
    assert found[["score", "blocks", "tau"]].values.tolist() == [["same", 4, 1.0]]


def test_a_score_that_is_the_same_everywhere_has_no_tau():
    found = agreement(table(flat=dict.fromkeys(ACCURACY, 0.0)), study(ACCURACY))
    assert found.loc[0, ["tau", "tau_low", "weighted_tau"]].isna().all()


def test_three_values_of_n_are_refused():
    with pytest.raises(TransferError, match="4 or more values of n"):
        agreement(table(same=ACCURACY), study({1: 0.1, 2: 0.2, 3: 0.3}))
