"""What transfer gains over baseB when there are few training images: the numbers."""

from pathlib import Path

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.results import as_keras_3, read_runs
from transfer.statistics.comparison import BASE, Key, read_tested
from transfer.statistics.differences import difference
from transfer.statistics.seeds import seed_variance
from transfer.wording import spans

KINDS_OF_GAIN = {"AnB": "inference", "AnB+": ""}  # with their semantics of BatchNorm


def has_sizes(runs: pd.DataFrame) -> bool:
    """Whether AnB or AnB+ was run on several shares of the training images."""
    transferred = _transferred(runs)
    return any(
        transferred.loc[transferred["kind"] == kind, "fraction"].nunique() > 1
        for kind in KINDS_OF_GAIN
    )


def gains(study_dir: str | Path, metric: str = "balanced") -> pd.DataFrame:
    """Accuracy of AnB and AnB+ minus baseB's, by the number of training images.

    A gain is the mean over the n that were run at every size, ``n`` as text. A seed that lacks one
    of them is left out at that size. ``low``, ``high``: 95 % over seeds and test images.
    """
    runs = read_runs(study_dir)
    transferred = _transferred(runs)
    sizes = runs.groupby("fraction")["train_images"].first()
    tested = {size: read_tested(study_dir, metric, size) for size in sizes.index}
    rows: list[tuple[object, ...]] = []
    for kind, bn in KINDS_OF_GAIN.items():
        of_kind = transferred[transferred["kind"] == kind]
        number = of_kind["fraction"].nunique()
        sizes_of_n = of_kind.groupby("n")["fraction"].nunique()
        common = [int(n) for n in sizes_of_n.index[sizes_of_n == number]]
        if number < 2 or not common:
            continue
        keys: list[Key] = [(kind, n, bn) for n in common]
        networks, bases, images = [], [], []
        for size in sorted(of_kind["fraction"].unique()):
            right = tested[size].right
            base = right.get(BASE)
            seeds = sorted(set.intersection(*(set(right[key][0]) for key in keys)))
            if base is None or not seeds:
                continue
            of_n = [right[key][1][[right[key][0].index(s) for s in seeds]] for key in keys]
            networks.append(np.mean(of_n, axis=0))
            bases.append(base[1])
            images.append(int(sizes[size]))
        if not networks:
            continue
        accuracies = next(iter(tested.values())).measure([*networks, *bases])
        places = np.arange(len(networks))
        seen = difference(
            accuracies, seed_variance(accuracies.by_seed), places, places + len(networks)
        )
        named = [kind] * len(images), [spans(common)] * len(images), images
        rows += zip(*named, seen.estimate, *seen.interval(), seen.fewest_seeds, strict=True)
    columns = ["kind", "n", "train_images", "gain", "low", "high", "seeds"]
    table = pd.DataFrame(rows, columns=columns)
    if table["train_images"].nunique() < 2:
        raise TransferError(
            "Expected baseB with AnB or AnB+ of one n on two shares of the training images or "
            "more: run the study with --train-fraction 0.1,0.25,1."
        )
    return table


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


def _transferred(runs: pd.DataFrame) -> pd.DataFrame:
    return as_keras_3(runs[runs["kind"].isin(KINDS_OF_GAIN)])
