"""Heat maps of similarity: every block of one network against every block of another.

::

    OUT/similarity.csv    pair,block_a,block_b,cka,debiased_cka,svcca

Networks are compared on the same images, pooled features, the stem as block 0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures.style import COLUMN, RC, set_title
from transfer.networks.architecture import Architecture
from transfer.networks.weights import read_weights
from transfer.scores.representation import batch_size, feature_function, stream
from transfer.scores.similarity import MEASURES, similarity_maps
from transfer.tables import read_table, write_table

COLUMNS = ("pair", "block_a", "block_b", *MEASURES)
_LABELS = {"cka": "linear CKA", "debiased_cka": "linear CKA, debiased", "svcca": "SVCCA"}


def compare_networks(
    images: np.ndarray, architecture: Architecture, pairs: Mapping[str, tuple[Path, Path]]
) -> pd.DataFrame:
    """Similarity of two networks by block, for one or more pairs.

    Parameters
    ----------
    images : uint8 (N, height, width, 3)
        Four or more; SVCCA needs many more images than channels.
    architecture : Architecture
    pairs : mapping of a name such as ``baseA | baseB_s0`` to two Keras weight files
        Names in the form ``A | B`` label the axes of `heat_maps`.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, one row a pair of blocks.

    Raises
    ------
    TransferError
        If weights are missing or do not fit, or there are fewer than four images.
    """
    # All files first: a missing one is said before anything slow begins.
    weights = {path: read_weights(path, architecture) for both in pairs.values() for path in both}
    networks = {path: feature_function(architecture, found) for path, found in weights.items()}
    batch = batch_size(architecture)
    tables = {}
    for name, both in pairs.items():
        batches = zip(*(stream(images, networks[path], batch) for path in both), strict=True)
        maps = similarity_maps(batches, tuple(MEASURES))
        a, b = np.indices(maps["cka"].shape)
        columns = {measure: of_measure.ravel() for measure, of_measure in maps.items()}
        tables[name] = pd.DataFrame({"block_a": a.ravel(), "block_b": b.ravel(), **columns})
    return pd.concat(tables, names=["pair"]).reset_index("pair")[list(COLUMNS)]


def write_similarity(out: str | Path, table: pd.DataFrame) -> Path:
    """Write ``OUT/similarity.csv`` atomically; six significant digits. Returns its path."""
    return write_table(Path(out) / "similarity.csv", table)


def read_similarity(out: str | Path) -> pd.DataFrame:
    """``OUT/similarity.csv`` as from `compare_networks`.

    Raises
    ------
    TransferError
        If the file is missing, larger than 16 MiB or not a table of similarities.
    """
    path = Path(out) / "similarity.csv"
    types = {"pair": "string", "block_a": "int64", "block_b": "int64"}
    frame = read_table(path, COLUMNS, {**dict.fromkeys(MEASURES, "float64"), **types})
    if frame.empty or frame.isna().any(axis=None):
        raise TransferError(f"Expected similarities in {path}. It is empty, missing or malformed.")
    return frame


def heat_maps(table: pd.DataFrame, measure: str = "debiased_cka", title: str = "") -> Figure:
    """One map a pair, 0 (nothing in common, and debiased values below) to 1.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `read_similarity`; nothing else is looked at.
    measure : name in `transfer.scores.similarity.MEASURES`
    title : str

    Raises
    ------
    TransferError
        If the table is empty or the measure not one of its columns.
    """
    if table.empty or measure not in MEASURES:
        raise TransferError(
            f"Expected similarities of at least one pair, measured by {', '.join(MEASURES)}. "
            f"Received: {len(table)} rows, {measure!r}."
        )
    pairs = list(dict.fromkeys(table["pair"]))
    with mpl.rc_context({**RC, "axes.spines.top": True, "axes.spines.right": True}):
        figure = Figure(figsize=(2.05 * len(pairs) + 0.5, COLUMN - 0.9), dpi=200)
        figure.set_layout_engine("constrained")
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        # cividis looks alike with and without red-green vision, and in grey.
        look: Any = {"vmin": 0, "vmax": 1, "cmap": "cividis", "origin": "lower"}
        for axes, pair in zip(panels, pairs, strict=True):
            of_pair = table[table["pair"] == pair]
            values = of_pair.pivot(index="block_b", columns="block_a", values=measure)
            drawn = axes.imshow(values.to_numpy(float), **look)
            first, _, second = str(pair).partition(" | ")
            axes.set_xlabel(f"{first}, block")
            axes.set_ylabel(f"{second}, block")
            for axis, blocks in ((axes.xaxis, values.columns), (axes.yaxis, values.index)):
                axis.set_ticks(range(0, len(blocks), 3), [str(b or "stem") for b in blocks[::3]])
        figure.colorbar(drawn, ax=list(panels), label=_LABELS[measure], shrink=0.8)
        set_title(figure, title, f"Pooled features of the same images: {_LABELS[measure]}")
    return figure
