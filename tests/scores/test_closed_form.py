"""Closed-form scores against slow direct formulas, known limits and invariances."""

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.covariance import LedoitWolf

from tests.made_features import moments
from transfer.scores.closed_form import (
    MOMENT_SCORES,
    class_separation,
    h_score,
    h_score_regularised,
    logme,
    transrate,
)


def problem(n=200, d=6, classes=3, distance=1.0, seed=0):
    """Gaussian classes whose means are ``distance`` apart, of different sizes."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n, p=np.arange(1, classes + 1) / (classes * (classes + 1) / 2))
    means = distance * rng.standard_normal((classes, d))
    mixing = rng.standard_normal((d, d))
    return (means[labels] + rng.standard_normal((n, d))) @ mixing + 2, labels


def score(function, features, labels):
    return function(moments(features, labels, int(labels.max()) + 1))


def largest_evidence(features, y):
    """Maximum over alpha and beta of log N(y; 0, I / beta + F F^T / alpha), a sample."""
    n = len(y)

    def minus(logs):
        alpha, beta = np.exp(logs)
        covariance = np.eye(n) / beta + features @ features.T / alpha
        return -stats.multivariate_normal.logpdf(y, cov=covariance) / n

    starts = [(0.0, 0.0), (4.0, 1.0), (-2.0, 3.0)]
    return -min(optimize.minimize(minus, s, method="Nelder-Mead").fun for s in starts)


@pytest.mark.parametrize("distance", [0.3, 2.0])
def test_logme_is_the_largest_evidence_of_a_gaussian_process(distance):
    features, labels = problem(n=40, d=3, distance=distance)
    expected = np.mean([largest_evidence(features, (labels == c) * 1.0) for c in range(3)])
    assert score(logme, features, labels) == pytest.approx(expected, abs=1e-4)


def test_logme_is_where_the_papers_fixed_point_ends():
    features, labels = problem(n=300, distance=2.0)
    n, d = features.shape
    values, vectors = np.linalg.eigh(features.T @ features)
    found = []
    for label in range(3):
        y = (labels == label) * 1.0
        alpha = beta = 1.0
        for _ in range(500):
            m = vectors @ (beta * vectors.T @ (features.T @ y) / (alpha + beta * values))
            gamma = (beta * values / (alpha + beta * values)).sum()
            alpha, beta = gamma / (m @ m), (n - gamma) / ((features @ m - y) ** 2).sum()
        evidence = (
            n / 2 * np.log(beta) + d / 2 * np.log(alpha) - n / 2 * np.log(2 * np.pi)
            - beta / 2 * ((features @ m - y) ** 2).sum() - alpha / 2 * m @ m
            - 0.5 * np.log(alpha + beta * values).sum()
        )  # fmt: skip
        found.append(evidence / n)
    assert score(logme, features, labels) == pytest.approx(np.mean(found), abs=1e-4)


def test_logme_stays_finite_where_the_labels_are_linear_in_the_features():
    labels = np.arange(100) % 2
    features = np.eye(2)[labels]
    assert 5 < score(logme, features, labels) < 100


def test_h_score_is_the_trace_of_its_definition():
    features, labels = problem()
    of_class = np.stack([features[labels == c].mean(0) for c in range(3)])[labels]
    expected = np.trace(np.linalg.inv(np.cov(features.T)) @ np.cov(of_class.T))
    assert score(h_score, features, labels) == pytest.approx(expected)


def test_the_regularised_h_score_shrinks_as_sklearn_does():
    features, labels = problem(n=60, d=20)
    shrunk = LedoitWolf().fit(features)
    of_class = np.stack([features[labels == c].mean(0) for c in range(3)])[labels]
    between = np.cov(of_class.T, bias=True)
    expected = (1 - shrunk.shrinkage_) * np.trace(np.linalg.inv(shrunk.covariance_) @ between)
    assert score(h_score_regularised, features, labels) == pytest.approx(expected)


def test_h_scores_reach_classes_minus_one_when_nothing_varies_within_a_class():
    labels = np.arange(90) % 3
    features = np.random.default_rng(0).standard_normal((3, 8))[labels]
    assert score(h_score, features, labels) == pytest.approx(2)
    assert score(class_separation, features, labels) == pytest.approx(1)


def test_the_h_score_of_noise_is_its_bias():
    rng = np.random.default_rng(3)
    features, labels = rng.standard_normal((4000, 20)), rng.integers(0, 3, 4000)
    assert score(h_score, features, labels) == pytest.approx(2 * 20 / 4000, rel=0.5)


def test_without_more_samples_than_channels_only_the_regularised_h_score_tells_noise():
    rng = np.random.default_rng(4)
    features, labels = rng.standard_normal((30, 50)), np.arange(30) % 3
    assert score(h_score, features, labels) == pytest.approx(2)
    assert score(h_score_regularised, features, labels) < 1


def test_transrate_is_the_papers_listing():
    features, labels = problem()
    z = features - features.mean(0)

    def rate(rows):
        gram = rows.T @ rows / (len(rows) * 1e-4)
        return 0.5 * np.linalg.slogdet(np.eye(z.shape[1]) + gram)[1]

    expected = rate(z) - np.mean([rate(z[labels == c]) for c in range(3)])
    assert score(transrate, features, labels) == pytest.approx(expected)


def test_class_separation_is_the_share_of_variance_of_a_one_way_anova():
    features, labels = problem(d=1)
    groups = [features[labels == c, 0] for c in range(3)]
    f = stats.f_oneway(*groups).statistic
    assert score(class_separation, features, labels) == pytest.approx(
        f * 2 / (f * 2 + len(labels) - 3)
    )


@pytest.mark.parametrize("name", MOMENT_SCORES)
def test_every_score_falls_when_labels_are_permuted(name):
    features, labels = problem(n=600, distance=2.0)
    permuted = np.random.default_rng(0).permutation(labels)
    function = MOMENT_SCORES[name]
    assert score(function, features, labels) > score(function, features, permuted)


@pytest.mark.parametrize("name", MOMENT_SCORES)
def test_every_score_rises_with_the_distance_of_the_classes(name):
    found = [score(MOMENT_SCORES[name], *problem(distance=x)) for x in (0.0, 1.0, 3.0)]
    assert found == sorted(found)


@pytest.mark.parametrize("name", MOMENT_SCORES)
def test_no_score_changes_when_features_are_rotated(name):
    features, labels = problem()
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    expected = score(MOMENT_SCORES[name], features, labels)
    assert score(MOMENT_SCORES[name], features @ rotation, labels) == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(set(MOMENT_SCORES) - {"transrate"}))
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_no_score_but_transrate_changes_with_the_scale(name, scale):
    features, labels = problem()
    expected = score(MOMENT_SCORES[name], features, labels)
    found = score(MOMENT_SCORES[name], scale * features, labels)
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_h_score_does_not_change_under_any_invertible_map():
    features, labels = problem()
    mixed = features @ np.random.default_rng(2).standard_normal((6, 6))
    assert score(h_score, mixed, labels) == pytest.approx(score(h_score, features, labels))


@pytest.mark.parametrize("name", sorted(set(MOMENT_SCORES) - {"h_score_regularised"}))
def test_channels_that_are_always_zero_change_nothing(name):  # but the target of the shrinkage
    features, labels = problem()
    wider = np.hstack([features, np.zeros((len(features), 4))])
    expected = score(MOMENT_SCORES[name], features, labels)
    assert score(MOMENT_SCORES[name], wider, labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", MOMENT_SCORES)
def test_features_that_do_not_vary_have_a_finite_score(name):
    labels = np.arange(20) % 2
    for value in (0.0, 3.0):
        assert np.isfinite(score(MOMENT_SCORES[name], np.full((20, 4), value), labels))
