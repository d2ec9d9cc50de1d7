"""Intervals over seeds alone, against scipy."""

import numpy as np
import pytest
from scipy import stats

from tests.made_study import make_study, run_of
from transfer.errors import TransferError
from transfer.results import read_runs, working
from transfer.statistics.intervals import t_interval, with_intervals


def test_the_t_interval_is_that_of_scipy():
    values = [0.71, 0.74, 0.72, 0.70]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    mean, low, high = t_interval(values)
    assert mean == pytest.approx(np.mean(values))
    assert (low, high) == pytest.approx(expected)


def test_one_value_has_no_interval_and_none_has_no_mean():
    mean, low, high = t_interval([0.7])
    assert mean == 0.7
    assert np.isnan([low, high]).all()
    with pytest.raises(TransferError, match="one or more"):
        t_interval([])


def test_every_run_has_the_interval_of_its_network_and_its_share_of_the_images(tmp_path):
    networks = {("baseB", None): 0.8, ("AnB", 3): 0.7, ("AnB", 5): 0.5}
    tenths = {run_of("baseB", None, seed, fraction=0.1): 0.6 for seed in range(3)}
    study = make_study(tmp_path, networks | tenths)
    runs = with_intervals(study, read_runs(study))
    assert (runs["low"] < runs["high"]).all()
    for _, own in runs.groupby(["kind", "n", "fraction"], dropna=False):
        mean = own["test_balanced_accuracy"].mean()
        assert own["low"].nunique() == own["high"].nunique() == 1
        assert own["low"].iloc[0] + own["high"].iloc[0] == pytest.approx(2 * mean)
    for path in working(study, "predictions").glob("*_f0.1_*"):
        path.unlink()
    again = with_intervals(study, read_runs(study))
    assert again.loc[again["fraction"] == 0.1, ["low", "high"]].isna().all(axis=None)
    assert again.loc[again["fraction"] == 1.0, "low"].equals(runs.loc[runs["fraction"] == 1, "low"])
