"""``reestimation.csv``: accuracy with BatchNorm statistics as trained and re-estimated; its figure.

Written by `transfer.deploy.reestimation.measure`.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.answers.wording import count_seeds, points, spans
from transfer.errors import TransferError
from transfer.figures.style import COLUMN, RC, label_blocks, legend_below, set_title
from transfer.runs import BLOCKS
from transfer.statistics.intervals import t_interval
from transfer.tables import read_table

#: ``layers``: which were re-estimated, ``frozen`` or ``all``; ``split``: where accuracy was
#: measured; ``before`` and ``after``: accuracy, 0..1.
COLUMNS = ("run", "kind", "n", "bn", "seed", "layers", "images", "split", "before", "after")
_BN_STYLE = {
    "inference": ("#0072B2", "o", "inference (Keras 3)"),
    "legacy": ("#D55E00", "s", "legacy (Keras 2.1.3 to 2.3.1)"),
    "adapt": ("#009E73", "^", "adapt (PyTorch)"),
}


def read_reestimation(path: str | Path) -> pd.DataFrame:
    """The table as a data frame with the columns `COLUMNS`.

    Raises
    ------
    TransferError
        If it is missing or not one of ours.
    """
    types = {"bn": "string", "n": "Int64", "before": float, "after": float}
    frame = read_table(path, COLUMNS, types).fillna({"bn": ""})
    if not frame[["before", "after"]].stack().between(0, 1).all():
        raise TransferError(f"Expected a table with accuracies from 0 to 1 in {path}.")
    if not frame["n"].dropna().between(0, BLOCKS).all():
        raise TransferError(f"Expected a table with n from 0 to {BLOCKS} in {path}.")
    return frame


def gains_of_reestimation(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy after minus before, mean over seeds.

    Returns
    -------
    pandas.DataFrame
        Columns ``kind``, ``bn``, ``layers``, ``n``, ``before``, ``after``, ``gain``, ``low``,
        ``high`` (95 % over seeds, NaN for one), ``seeds``.
    """
    rows = []
    for key, group in frame.groupby(["kind", "bn", "layers", "n"], sort=False, dropna=False):
        gained = (group["after"] - group["before"]).to_numpy()
        means = (group["before"].mean(), group["after"].mean())
        rows.append((*key, *means, *t_interval(gained), len(group)))
    columns = ["kind", "bn", "layers", "n", "before", "after", "gain", "low", "high", "seeds"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})


def reestimation_in_words(frame: pd.DataFrame) -> list[str]:
    """One sentence a kind and semantics: the gain on average over n, and where it is shown."""
    table = gains_of_reestimation(frame)
    sentences = []
    for (kind, bn, layers), group in table.groupby(["kind", "bn", "layers"], sort=False):
        name = f"{kind} ({bn})" if bn else "baseA under a ridge probe" if kind == "probe" else kind
        up = [int(n) for n in group.loc[group["low"] > 0, "n"].dropna()]
        down = [int(n) for n in group.loc[group["high"] < 0, "n"].dropna()]
        shown = [f"up at n = {spans(up)}"] if up else []
        shown += [f"down at n = {spans(down)}"] if down else []
        which = "its frozen layers'" if layers == "frozen" else "all"
        least, most = group["seeds"].min(), group["seeds"].max()
        seeds = count_seeds(least) if least == most else f"{least} to {most} seeds"
        sentences.append(
            f"{name}, {which} statistics re-estimated: {points(group['gain'].mean())} points on "
            f"average ({group['before'].mean():.3f} to {group['after'].mean():.3f}, {seeds}"
            + (f"; 95 % over seeds, each n by itself: {', '.join(shown)})." if shown else ").")
        )
    return sentences


def reestimation_against_n(frame: pd.DataFrame, title: str = "") -> Figure:
    """Accuracy against n before (dashed) and after re-estimation: AnB above, baseA's probe below.

    Raises
    ------
    TransferError
        If there is neither AnB nor a probe in the table.
    """
    table = gains_of_reestimation(frame)
    frozen = table[(table["kind"] == "AnB") & (table["layers"] == "frozen")]
    probe = table[table["kind"] == "probe"]
    parts = [part for part in (frozen, probe) if not part.empty]
    if not parts:
        raise TransferError("Expected AnB or a probe in the table of re-estimation.")
    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN, 0.8 + 1.7 * len(parts)), dpi=200, layout="constrained")
        all_axes = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
        for axes, part in zip(all_axes, parts, strict=True):
            if part is probe:
                _draw_pair(axes, part, "black", "x", "baseA, nothing trained")
                axes.set_ylabel("ridge probe, validation")
            else:
                for bn, (colour, marker, label) in _BN_STYLE.items():
                    if (part["bn"] == bn).any():
                        _draw_pair(axes, part[part["bn"] == bn], colour, marker, f"AnB, {label}")
                axes.set_ylabel("test accuracy")
            axes.grid(axis="y", linewidth=0.4, alpha=0.5)
        label_blocks(all_axes[-1], BLOCKS)
        images = ", ".join(f"{count:,}" for count in sorted(set(frame["images"])))
        note = f"dashed: statistics as trained; solid: re-estimated on {images} images"
        set_title(figure, title, note)
        legend_below(figure, columns=1)
    return figure


def _draw_pair(axes: Axes, rows: pd.DataFrame, colour: str, marker: str, label: str) -> None:
    rows = rows.sort_values("n")
    n = rows["n"].to_numpy(float)
    before, after = (rows[column].to_numpy(float) for column in ("before", "after"))
    axes.plot(n, before, color=colour, marker=marker, linestyle="--", fillstyle="none", alpha=0.8)
    axes.plot(n, after, color=colour, marker=marker, label=label)
    half = np.nan_to_num((rows["high"] - rows["low"]).to_numpy(float) / 2)
    if half.any():  # of the gain: what re-estimation adds, seed by seed
        axes.fill_between(n, after - half, after + half, color=colour, alpha=0.15, linewidth=0)
