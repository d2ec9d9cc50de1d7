"""Heat maps show the table of similarities and nothing else."""

import numpy as np
import pandas as pd
import pytest

from transfer.errors import TransferError
from transfer.figures.heatmaps import heat_maps
from transfer.scores.similarity import COLUMNS

SAME, OTHER = "baseA | baseA", "baseA | random"


@pytest.fixture(scope="module")
def table():
    """14 by 14 blocks of two pairs, every number another."""
    a, b = np.indices((14, 14)).reshape(2, -1)
    tables = [pd.DataFrame({"pair": pair, "block_a": a, "block_b": b}) for pair in (SAME, OTHER)]
    frame = pd.concat(tables, ignore_index=True)
    drawn = np.random.default_rng(0).random((len(frame), 3))
    return frame.join(pd.DataFrame(drawn, columns=list(COLUMNS[3:])))


def cell(table, pair, a, b):
    return table.set_index(["pair", "block_a", "block_b"]).loc[(pair, a, b)]


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
