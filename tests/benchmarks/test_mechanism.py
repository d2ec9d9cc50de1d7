"""What benchmarks.mechanism calls the distance of two sets of moments."""

import numpy as np
import pytest
from scipy import integrate, stats

from benchmarks.mechanism import divergence


@pytest.mark.parametrize("moments", [(0.0, 1.0, 0.0, 1.0), (0.3, 0.5, -0.2, 2.0), (2, 3, 1, 0.4)])
def test_the_divergence_is_that_of_two_normal_distributions(moments):
    mean, variance, other_mean, other_variance = moments
    one = stats.norm(mean, np.sqrt(variance))
    other = stats.norm(other_mean, np.sqrt(other_variance))
    expected, _ = integrate.quad(
        lambda x: one.pdf(x) * (one.logpdf(x) - other.logpdf(x)), -30, 30, limit=500
    )
    assert divergence(*map(np.asarray, moments)) == pytest.approx(expected, abs=1e-8)
