"""Heat maps of similarity: every block of one network against every block of another."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures import style

_LABELS = {"cka": "linear CKA", "debiased_cka": "linear CKA, debiased", "svcca": "SVCCA"}


@style.styled
def heat_maps(table: pd.DataFrame, measure: str = "debiased_cka", title: str = "") -> Figure:
    """One map a pair, 0 (nothing in common, and debiased values below) to 1.

    ``table``: as from `transfer.scores.similarity.read_similarity`; nothing else is read.
    ``measure``: {"cka", "debiased_cka", "svcca"}.
    Raises `TransferError` if the table is empty or the measure not one of its columns.
    """
    if table.empty or measure not in _LABELS:
        raise TransferError(
            f"Expected similarities of at least one pair, measured by {', '.join(_LABELS)}. "
            f"Received: {len(table)} rows, {measure!r}."
        )
    pairs = list(dict.fromkeys(table["pair"]))
    figure = Figure(figsize=(2.05 * len(pairs) + 0.5, style.COLUMN - 0.9))
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    # cividis looks alike with and without red-green vision, and in grey.
    look: Any = {"vmin": 0, "vmax": 1, "cmap": "cividis", "origin": "lower"}
    for axes, pair in zip(panels, pairs, strict=True):
        of_pair = table[table["pair"] == pair]
        values = of_pair.pivot(index="block_b", columns="block_a", values=measure)
        drawn = axes.imshow(values.to_numpy(float), **look)
        axes.spines[:].set_visible(True)
        first, _, second = str(pair).partition(" | ")
        axes.set_xlabel(f"{first}, block")
        axes.set_ylabel(f"{second}, block")
        for axis, blocks in ((axes.xaxis, values.columns), (axes.yaxis, values.index)):
            axis.set_ticks(range(0, len(blocks), 3), [str(b or "stem") for b in blocks[::3]])
    figure.colorbar(drawn, ax=list(panels), label=_LABELS[measure], shrink=0.8)
    style.set_title(figure, title, f"Pooled features of the same images: {_LABELS[measure]}")
    return figure
