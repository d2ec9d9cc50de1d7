"""Does the ``fast`` protocol reach the accuracy of the ``reference`` protocol?

``python -m benchmarks.protocols``: every network that is in a fast and in a reference study of the
same data and source, with the same seeds, compared on the same test images. Non-inferiority by half
a point of balanced accuracy, one-sided 95 %, each network by itself.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.runs import Run
from transfer.statistics.comparison import judge, read_tested
from transfer.statistics.differences import difference
from transfer.statistics.seeds import seed_variance
from transfer.study_file import read_settings
from transfer.tables import format_number

RESULTS = Path(__file__).parent / "results"
STUDIES = Path(__file__).parents[1] / "experiments-results"
PAIRS = (
    ("lanes-fractals", "lanes-fractals-reference"),
    ("donkey-imagenet-fast", "donkey-imagenet"),
)
MARGIN = 0.005
_LEAST_SEEDS = 5


def compare(fast: Path, reference: Path) -> pd.DataFrame:
    """One row a network that both studies trained with at least five common seeds.

    Raises
    ------
    TransferError
        If a folder holds no study, or the two are not of the same data and source.
    """
    one, other = (read_settings(folder) for folder in (fast, reference))
    if (one.data_sha256, one.source) != (other.data_sha256, other.source):
        raise TransferError(f"Expected the same data set and source in {fast} and {reference}.")
    ours, theirs = read_tested(fast), read_tested(reference)
    keys, right = [], []
    for key in set(ours.right) & set(theirs.right):
        seeds = sorted(set(ours.right[key][0]) & set(theirs.right[key][0]))
        if len(seeds) >= _LEAST_SEEDS:
            keys.append(key)
            for own, runs in (ours.right[key], theirs.right[key]):
                right.append(runs[[own.index(seed) for seed in seeds]])
    if not keys:
        raise TransferError(f"Expected networks with {_LEAST_SEEDS} common seeds in both studies.")
    accuracies = ours.measure(right)
    first = np.arange(0, len(right), 2)
    seen = difference(accuracies, seed_variance(accuracies.by_seed), first, first + 1)
    low, high = seen.interval(0.9)
    judged = judge(seen, MARGIN)
    rows = []
    for place, (kind, n, bn) in enumerate(keys):
        rows.append(
            {
                "study": fast.name,
                "network": Run(kind, n, 0, bn).network,
                "seeds": accuracies.seeds[2 * place],
                "fast": accuracies.mean[2 * place],
                "reference": accuracies.mean[2 * place + 1],
                "difference": seen.estimate[place],
                "low": low[place],
                "high": high[place],
                "margin": MARGIN,
                "outcome": judged[place].outcome,
            }
        )
    return pd.DataFrame(rows).sort_values("network", ignore_index=True)


def main() -> None:
    """Compare, print, and write ``benchmarks/results/protocols.csv``."""
    table = pd.concat([compare(STUDIES / fast, STUDIES / slow) for fast, slow in PAIRS])
    print(table.to_string(index=False, float_format=format_number))
    text = table.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(RESULTS / "protocols.csv", text)


if __name__ == "__main__":
    main()
