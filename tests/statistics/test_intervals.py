"""Intervals over seeds alone, against scipy."""

import numpy as np
import pytest
from scipy import stats

from transfer.errors import TransferError
from transfer.statistics.intervals import t_interval


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
