"""What transfer gains over baseB when there are few training images: the numbers."""

import pandas as pd

from transfer.answers.wording import count_seeds, points, spans
from transfer.errors import TransferError
from transfer.statistics.intervals import t_interval

KINDS_OF_GAIN = ("AnB", "AnB+")


def has_sizes(runs: pd.DataFrame) -> bool:
    """Whether AnB or AnB+ was run on several shares of the training images."""
    transferred = _transferred(runs)
    return any(
        transferred.loc[transferred["kind"] == kind, "fraction"].nunique() > 1
        for kind in KINDS_OF_GAIN
    )


def gains(runs: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of AnB and AnB+ minus baseB's, by the number of training images.

    A gain is the mean over the n that were run at every size, seed by seed. Seeds that lack baseB
    at a size, or one of these n, are left out there.

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
    base = runs[runs["kind"] == "baseB"].set_index(["fraction", "seed"])["test_accuracy"]
    transferred = _transferred(runs)
    rows = []
    for kind in KINDS_OF_GAIN:
        of_kind = transferred[transferred["kind"] == kind]
        sizes = of_kind["fraction"].nunique()
        sizes_of_n = of_kind.groupby("n")["fraction"].nunique()
        common = [int(n) for n in sizes_of_n.index[sizes_of_n == sizes]]
        if sizes < 2 or not common:
            continue
        keys = ["fraction", "train_images", "seed"]
        table = of_kind.pivot_table("test_accuracy", keys, "n")[common].dropna()
        for (_, images), group in table.groupby(["fraction", "train_images"]):
            gained = [
                float(accuracies.mean() - base[fraction, seed])
                for (fraction, _, seed), accuracies in group.iterrows()
                if (fraction, seed) in base
            ]
            if gained:
                rows.append((kind, spans(common), images, *t_interval(gained), len(gained)))
    columns = ["kind", "n", "train_images", "gain", "low", "high", "seeds"]
    found = pd.DataFrame(rows, columns=columns)
    if found["train_images"].nunique() < 2:
        raise TransferError(
            "Expected baseB with AnB or AnB+ of one n on two shares of the training images or "
            "more: run the study with --train-fraction 0.1,0.25,1."
        )
    return found


def without_base(runs: pd.DataFrame) -> list[str]:
    """A sentence if runs on part of the training images lack the baseB to compare with."""
    base = runs[runs["kind"] == "baseB"]
    known = set(zip(base["fraction"], base["seed"], strict=True))
    part = runs[runs["fraction"] < 1]
    asked = set(zip(part["fraction"], part["seed"], strict=True))
    missing = sorted(asked - known)
    if not missing:
        return []
    fractions = ",".join(f"{f:g}" for f in sorted({f for f, _ in missing}))
    seeds = ",".join(str(s) for s in sorted({s for _, s in missing}))
    return [
        f"baseB is missing on shares of the training images ({fractions}; seeds {seeds}), so the "
        f"gain there is not known: --kinds baseB --train-fraction {fractions} --seeds {seeds} "
        "adds it."
    ]


def gain_in_words(runs: pd.DataFrame) -> list[str]:
    """One sentence a kind: the gain over baseB at every size; nothing if there are no sizes."""
    if not has_sizes(runs):
        return []
    try:
        table = gains(runs)
    except TransferError:  # baseB is missing, which `without_base` says
        return without_base(runs)
    sentences = []
    for kind, group in table.groupby("kind"):
        parts = []
        for row in group.itertuples():
            bounds = f"{points(row.low)} to {points(row.high)}, " if row.seeds > 1 else ""
            seeds = count_seeds(row.seeds)
            parts.append(f"{points(row.gain)} points with {row.train_images:,} ({bounds}{seeds})")
        sentences.append(
            f"{kind} minus baseB by the number of training images, mean over n = "
            f"{group['n'].iloc[0]}: {'; '.join(parts)} (95 % over seeds)."
        )
    return sentences + without_base(runs)


def _transferred(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["kind"].isin(KINDS_OF_GAIN) & runs["bn"].isin(["", "inference"])]
