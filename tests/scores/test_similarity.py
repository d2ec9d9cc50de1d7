"""CKA and SVCCA: Gram matrices as oracle, streams against all samples at once, invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from transfer.errors import TransferError
from transfer.scores.similarity import (
    MEASURES,
    cka,
    debiased_cka,
    pair_moments,
    similarity_maps,
    svcca,
)


def related(n=60, d=8, e=5, seed=0, offset=5.0):
    """Features that share two directions."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 2))
    x = shared @ rng.standard_normal((2, d)) + rng.standard_normal((n, d)) + offset
    y = shared @ rng.standard_normal((2, e)) + rng.standard_normal((n, e)) - offset
    return x, y


def gram_cka(x, y):
    n = len(x)
    h = np.eye(n) - 1 / n
    k, m = h @ x @ x.T @ h, h @ y @ y.T @ h
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


def hsic_1(k, m):
    """Song et al. 2012, equation 5, word by word."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    return (
        np.trace(k @ m)
        + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (one @ k @ m @ one)
    ) / (n * (n - 3))


def gram_debiased(x, y):
    k, m = x @ x.T, y @ y.T
    return hsic_1(k, m) / np.sqrt(hsic_1(k, k) * hsic_1(m, m))


@pytest.mark.parametrize("n", [4, 7, 60])
def test_cka_is_that_of_centred_gram_matrices(n):
    x, y = related(n)
    assert cka(pair_moments(x, y)) == pytest.approx(gram_cka(x, y))


@pytest.mark.parametrize("n", [4, 7, 60])
def test_debiased_cka_is_the_unbiased_hsic_of_gram_matrices(n):
    x, y = related(n)
    assert debiased_cka(pair_moments(x, y)) == pytest.approx(gram_debiased(x, y))


def test_svcca_is_the_mean_of_cosines_between_principal_subspaces():
    x, y = related(d=4, e=3)
    basis_x, basis_y = (linalg.orth(a - a.mean(0)) for a in (x, y))
    angles = linalg.subspace_angles(basis_x, basis_y)
    assert svcca(pair_moments(x, y), kept=1.0) == pytest.approx(np.cos(angles).mean())


def test_svcca_leaves_out_directions_with_little_variance():
    x, _ = related(d=4)
    rng = np.random.default_rng(1)
    noise_x, noise_y = 1e-3 * rng.standard_normal((2, 60, 6))
    found = svcca(pair_moments(np.hstack([x, noise_x]), np.hstack([x, noise_y])))
    assert found == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("batch", [1, 4, 17, 59])
def test_a_stream_gives_what_all_samples_at_once_give(batch):
    x, y = (a.astype(np.float32) for a in related())
    blocks_a, blocks_b = [x, y[:, :3]], [y, x[:, 2:], x]
    starts = range(0, 60, batch)
    stream = (
        ([a[s : s + batch] for a in blocks_a], [b[s : s + batch] for b in blocks_b]) for s in starts
    )
    maps = similarity_maps(stream)
    for name, measure in MEASURES.items():
        whole = [[measure(pair_moments(a, b)) for b in blocks_b] for a in blocks_a]
        assert maps[name].shape == (2, 3)
        assert maps[name] == pytest.approx(np.array(whole), abs=1e-5)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_representation_is_wholly_similar_to_itself(measure):
    x, _ = related()
    assert measure(pair_moments(x, x)) == pytest.approx(1)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_rotation_scale_and_shift_change_nothing(measure):
    x, y = related()
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((8, 8)))[0]
    expected = measure(pair_moments(x, y))
    assert measure(pair_moments(1e3 * x @ rotation - 40, y)) == pytest.approx(expected)
    assert measure(pair_moments(x, 1e-3 * y)) == pytest.approx(expected)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_it_does_not_matter_which_comes_first(measure):
    x, y = related()
    assert measure(pair_moments(x, y)) == pytest.approx(measure(pair_moments(y, x)))


@given(
    n=st.integers(4, 12),
    d=st.integers(1, 40),
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    dead=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_four_samples_are_enough_for_finite_values(n, d, seed, scale, dead):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d + 1))
    if dead:  # ReLU6 can leave a channel at zero for a whole batch
        x[:, 0] = 0
    for measure in MEASURES.values():
        assert -1 <= measure(pair_moments(scale * x, y)) <= 1


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_what_does_not_vary_resembles_nothing(measure):
    x, _ = related()
    assert measure(pair_moments(np.full((60, 4), 0.1), x)) == 0


def test_unrelated_features_are_unrelated_only_after_debiasing():
    rng = np.random.default_rng(5)
    draws = [rng.standard_normal((2, 20, 100)) for _ in range(30)]
    assert np.mean([cka(pair_moments(*draw)) for draw in draws]) > 0.5
    assert abs(np.mean([debiased_cka(pair_moments(*draw)) for draw in draws])) < 0.02


def test_too_few_or_other_samples_are_refused():
    x, y = related()
    with pytest.raises(TransferError, match="4 samples"):
        pair_moments(x[:3], y[:3])
    with pytest.raises(TransferError, match="same images"):
        pair_moments(x, y[:-1])
    with pytest.raises(TransferError, match="finite"):
        pair_moments(np.full((60, 2), np.inf), y)
