"""Does the ``fast`` protocol reach the accuracy of the ``reference`` protocol?

``python -m benchmarks.protocols``: every network that is in a fast and in a reference study of the
same data and source, with the same seeds, compared on the same test images. Non-inferiority by half
a point, one-sided 95 %, images resampled in blocks of neighbours and seeds by Student's t.
"""

from pathlib import Path

import pandas as pd

from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.results import read_runs
from transfer.runs import parse_run
from transfer.statistics.comparison import blocks_of_neighbours, right_on_test_images
from transfer.statistics.intervals import non_inferior
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
    both = [read_runs(folder) for folder in (fast, reference)]
    names = set(both[0]["run"]) & set(both[1]["run"])
    both = [runs[runs["run"].isin(names)].sort_values("seed") for runs in both]
    rows = []
    for _, ours in both[0].groupby(["kind", "n", "bn", "fraction"], dropna=False):
        theirs = both[1][both[1]["run"].isin(ours["run"])]
        if len(ours) < _LEAST_SEEDS:
            continue
        a, b = right_on_test_images(fast, ours), right_on_test_images(reference, theirs)
        seen = non_inferior(a, b, margin=MARGIN, blocks=blocks_of_neighbours(a.shape[1]))
        rows.append(
            {
                "study": fast.name,
                "network": parse_run(str(ours["run"].iloc[0])).network,
                "seeds": len(ours),
                "fast": a.mean(),
                "reference": b.mean(),
                "difference": seen.difference.estimate,
                "low": seen.difference.low,
                "high": seen.difference.high,
                "margin": MARGIN,
                "outcome": seen.outcome,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Compare, print, and write ``benchmarks/results/protocols.csv``."""
    table = pd.concat([compare(STUDIES / fast, STUDIES / slow) for fast, slow in PAIRS])
    print(table.to_string(index=False, float_format=format_number))
    text = table.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(RESULTS / "protocols.csv", text)


if __name__ == "__main__":
    main()
