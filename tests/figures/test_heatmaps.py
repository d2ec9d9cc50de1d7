"""Heat maps against the measures applied to features, and figures drawn from the table alone."""

import numpy as np
import pandas as pd
import pytest

from transfer.errors import TransferError
from transfer.figures.heatmaps import (
    COLUMNS,
    compare_networks,
    heat_maps,
    read_similarity,
    write_similarity,
)
from transfer.networks.architecture import Architecture
from transfer.networks.mobilenet import random_weights
from transfer.networks.sources import find_source
from transfer.networks.weights import read_weights, write_weights
from transfer.scores.representation import feature_function
from transfer.scores.similarity import MEASURES, pair_moments

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
    moments = pair_moments(first[a], second[b])
    for name, measure in MEASURES.items():
        assert cell(table, OTHER, a, b)[name] == pytest.approx(measure(moments), abs=1e-5)


def test_missing_weights_are_said_before_anything_is_run(paths, tmp_path):
    with pytest.raises(TransferError, match="nowhere"):
        compare_networks(IMAGES, ARCHITECTURE, {SAME: (paths[0], tmp_path / "nowhere.h5")})


def test_a_written_table_can_be_read_and_no_other(tmp_path, table):
    write_similarity(tmp_path, table)
    found = read_similarity(tmp_path)
    assert found["pair"].tolist() == table["pair"].tolist()
    np.testing.assert_allclose(found[list(MEASURES)], table[list(MEASURES)], rtol=1e-5)
    for content in ("", "pair,cka\nx,1\n", ",".join(COLUMNS) + "\nx,a,1,1,1,1\n"):
        (tmp_path / "similarity.csv").write_text(content)
        with pytest.raises(TransferError, match="missing or malformed"):
            read_similarity(tmp_path)


def test_the_maps_show_the_table(table):
    figure = heat_maps(table, "cka")
    same, other, bar = figure.axes
    for axes, pair in ((same, SAME), (other, OTHER)):
        drawn = axes.images[0].get_array()  # row: block of B; column: block of A
        assert drawn[2, 7] == pytest.approx(cell(table, pair, 7, 2)["cka"])
        assert axes.get_xlabel() == "baseA, block"
    assert other.get_ylabel() == "random, block"
    assert bar.get_ylabel() == "linear CKA"


def test_what_cannot_be_drawn_is_refused(table):
    with pytest.raises(TransferError, match="cosine"):
        heat_maps(table, "cosine")
    with pytest.raises(TransferError, match="0 rows"):
        heat_maps(pd.DataFrame(columns=list(COLUMNS)))
