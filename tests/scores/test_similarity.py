"""CKA and SVCCA: Gram matrices as oracle, invariances; networks compared block by block."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.network import random_weights
from transfer.networks.sources import find_source
from transfer.networks.weights import read_weights, write_weights
from transfer.scores.representation import feature_function
from transfer.scores.similarity import (
    COLUMNS,
    MEASURES,
    centred,
    cka,
    compare_networks,
    debiased_cka,
    read_similarity,
    svcca,
    write_similarity,
)


def related(n=60, d=8, e=5, seed=0, offset=5.0):
    """Features that share two directions."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 2))
    x = shared @ rng.standard_normal((2, d)) + rng.standard_normal((n, d)) + offset
    y = shared @ rng.standard_normal((2, e)) + rng.standard_normal((n, e)) - offset
    return x, y


def both(x, y):
    return centred(x), centred(y)


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
    assert cka(*both(x, y)) == pytest.approx(gram_cka(x, y))


@pytest.mark.parametrize("n", [4, 7, 60])
def test_debiased_cka_is_the_unbiased_hsic_of_gram_matrices(n):
    x, y = related(n)
    assert debiased_cka(*both(x, y)) == pytest.approx(gram_debiased(x, y))


def test_svcca_is_the_mean_of_cosines_between_principal_subspaces():
    x, y = related(d=4, e=3)
    basis_x, basis_y = (linalg.orth(a - a.mean(0)) for a in (x, y))
    angles = linalg.subspace_angles(basis_x, basis_y)
    assert svcca(*both(x, y), kept=1.0) == pytest.approx(np.cos(angles).mean())


def test_svcca_leaves_out_directions_with_little_variance():
    x, _ = related(d=4)
    rng = np.random.default_rng(1)
    noise_x, noise_y = 1e-3 * rng.standard_normal((2, 60, 6))
    found = svcca(*both(np.hstack([x, noise_x]), np.hstack([x, noise_y])))
    assert found == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_representation_is_wholly_similar_to_itself(measure):
    x, _ = related()
    assert measure(*both(x, x)) == pytest.approx(1)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_rotation_scale_and_shift_change_nothing(measure):
    x, y = related()
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((8, 8)))[0]
    expected = measure(*both(x, y))
    assert measure(*both(1e3 * x @ rotation - 40, y)) == pytest.approx(expected)
    assert measure(*both(x, 1e-3 * y)) == pytest.approx(expected)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_it_does_not_matter_which_comes_first(measure):
    x, y = related()
    assert measure(*both(x, y)) == pytest.approx(measure(*both(y, x)))


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
        assert -1 <= measure(*both(scale * x, y)) <= 1


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_what_does_not_vary_resembles_nothing(measure):
    x, _ = related()
    assert measure(*both(np.full((60, 4), 0.1), x)) == 0


def test_unrelated_features_are_unrelated_only_after_debiasing():
    rng = np.random.default_rng(5)
    draws = [rng.standard_normal((2, 20, 100)) for _ in range(30)]
    assert np.mean([cka(*both(*draw)) for draw in draws]) > 0.5
    assert abs(np.mean([debiased_cka(*both(*draw)) for draw in draws])) < 0.02


def test_too_few_or_other_samples_are_refused():
    x, y = related()
    with pytest.raises(TransferError, match="4 images"):
        centred(x[:3])
    with pytest.raises(TransferError, match="same images"):
        cka(centred(x), centred(y[:-1]))
    with pytest.raises(TransferError, match="finite"):
        centred(np.full((60, 2), np.inf))


ARCHITECTURE = Architecture(image_size=(33, 40), input_size=(48, 64))
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 33, 40, 3), dtype=np.uint8)
SAME, OTHER = "baseA | baseA", "baseA | random"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    random = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    write_weights(random, random_weights(ARCHITECTURE, 1), ARCHITECTURE)
    return find_source("fractals", 0.25)[1], random


@pytest.fixture(scope="module")
def table(paths):
    pairs = {SAME: (paths[0], paths[0]), OTHER: paths}
    return compare_networks(IMAGES, ARCHITECTURE, pairs)


def cell(table, pair, a, b):
    return table.set_index(["pair", "block_a", "block_b"]).loc[(pair, a, b)]


def test_every_pair_of_blocks_of_every_pair_of_networks_has_a_row(table):
    assert tuple(table.columns) == COLUMNS
    assert table.groupby("pair").size().to_dict() == {SAME: 14 * 14, OTHER: 14 * 14}
    assert table[list(MEASURES)].abs().max().max() <= 1


def test_a_network_is_wholly_similar_to_itself_block_by_block(table):
    diagonal = table.query("pair == @SAME and block_a == block_b")
    assert diagonal[list(MEASURES)].to_numpy() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("a", "b"), [(0, 3), (7, 2), (13, 13)])
def test_a_cell_is_the_measure_of_the_two_blocks_features(table, paths, a, b):
    first, second = (
        feature_function(ARCHITECTURE, read_weights(path, ARCHITECTURE))(IMAGES) for path in paths
    )
    for name, measure in MEASURES.items():
        expected = measure(centred(first[a]), centred(second[b]))
        assert cell(table, OTHER, a, b)[name] == pytest.approx(expected, abs=1e-5)


def test_missing_weights_are_said_before_anything_is_run(paths, tmp_path):
    with pytest.raises(TransferError, match="nowhere"):
        compare_networks(IMAGES, ARCHITECTURE, {SAME: (paths[0], tmp_path / "nowhere.h5")})


def test_a_written_table_can_be_read_and_no_other(tmp_path, table):
    write_similarity(tmp_path, table.assign(pair="another"))
    write_similarity(tmp_path, table)
    found = read_similarity(tmp_path)
    assert set(found["pair"]) == {"another", *table["pair"]}
    found = found[found["pair"] != "another"]
    table = table.sort_values("pair", kind="stable")
    assert found["pair"].tolist() == table["pair"].tolist()
    np.testing.assert_allclose(found[list(MEASURES)], table[list(MEASURES)], rtol=1e-5)
    for content in ("", "pair,cka\nx,1\n", ",".join(COLUMNS) + "\nx,a,1,1,1,1\n"):
        (tmp_path / "similarity.csv").write_text(content)
        with pytest.raises(TransferError, match="missing or malformed"):
            read_similarity(tmp_path)
