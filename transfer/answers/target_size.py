"""The figure of the target's size: what transfer gains when there are few training images."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer.answers.statistics import t_interval
from transfer.answers.style import KIND_LABELS, KIND_STYLE, RC
from transfer.errors import TransferError

_KINDS = ("AnB", "AnB+")


def gains(runs: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of AnB and AnB+ minus baseB's, by the number of training images.

    A gain is the mean over the n that were run at every size, seed by seed.

    Parameters
    ----------
    runs : pandas.DataFrame
        As from `read_runs`, with several values of ``fraction``.

    Returns
    -------
    pandas.DataFrame
        Columns ``kind``, ``n`` (as text), ``train_images``, ``gain``, ``low``, ``high`` (95 % over
        seeds, NaN for one seed), ``seeds``.

    Raises
    ------
    TransferError
        If baseB or the kinds were not run at two sizes with a common seed.
    """
    runs = runs[runs["bn"].isin(["", "inference"])]
    base = runs[runs["kind"] == "baseB"].set_index(["fraction", "seed"])["test_accuracy"]
    rows = []
    for kind in _KINDS:
        of_kind = runs[runs["kind"] == kind]
        sizes = of_kind.groupby("n")["fraction"].nunique()
        common = sorted(sizes.index[(sizes == sizes.max()) & (sizes > 1)])
        of_kind = of_kind[of_kind["n"].isin(common)]
        for (fraction, images), group in of_kind.groupby(["fraction", "train_images"]):
            means = group.groupby("seed")["test_accuracy"].mean()
            gained = [
                mean - base[fraction, s] for s, mean in means.items() if (fraction, s) in base
            ]
            if gained:
                mean, low, high = t_interval(gained)
                ns = ", ".join(str(n) for n in common)
                rows.append((kind, ns, images, mean, low, high, len(gained)))
    columns = ["kind", "n", "train_images", "gain", "low", "high", "seeds"]
    table = pd.DataFrame(rows, columns=columns)
    if table["train_images"].nunique() < 2:
        raise TransferError(
            "Expected baseB with AnB or AnB+ on two shares of the training images or more: "
            "run the study with --train-fraction 0.1,0.25,1."
        )
    return table


def gain_against_images(runs: pd.DataFrame, title: str = "") -> Figure:
    """Gain of AnB and AnB+ over baseB, in points, against the number of training images.

    Arguments and errors as in `gains`.
    """
    table = gains(runs)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(4.4, 3.0), dpi=200, layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(0, color="black", lw=1, label="baseB")
        for kind, group in table.groupby("kind"):
            colour, marker = KIND_STYLE[str(kind)]
            label = f"{KIND_LABELS[str(kind)]}, mean of n = {group['n'].iloc[0]}"
            x, y = group["train_images"].to_numpy(float), 100 * group["gain"]
            axes.plot(x, y, color=colour, marker=marker, markersize=4, lw=1, label=label)
            low, high = (100 * group[column] for column in ("low", "high"))
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        sizes = np.unique(table["train_images"])
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("training images of the target task")
        axes.set_ylabel("gain over baseB, points")
        axes.grid(axis="y", linewidth=0.4, alpha=0.5)
        seeds = table["seeds"]
        low, high = seeds.min(), seeds.max()
        note = f"95 % intervals over {low if low == high else f'{low} to {high}'} seeds"
        if high == 1:
            note = "one seed, no intervals"
        figure.suptitle(f"{title} ({note})" if title else note, fontsize=8, x=0.02, ha="left")
        figure.legend(loc="outside lower center", frameon=False, fontsize=7)
    return figure
