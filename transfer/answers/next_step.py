"""What to do after a study: which network to take away, or what would show which."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.answers.wording import points
from transfer.program import command, how_to_install
from transfer.results import read_runs, read_test_labels
from transfer.runs import BLOCKS
from transfer.statistics.comparison import compare_with_base
from transfer.statistics.intervals import Comparison

_SEEDS = "0,1,2"  # what is asked for where one seed does not decide


def next_step(study_dir: str | Path, margin: float = 0.01) -> list[str]:
    """The next step, as much as the study allows; each item a sentence or a command.

    If baseB is not shown to have learnt anything: that, and nothing else.
    If a sliced-n is shown to be no worse than baseB: the smallest, and the command that exports
    it. If none is shown but some could be: how to decide, and the best of them by its estimate,
    named as not shown. The seed to export is the one with the highest validation accuracy.

    Parameters
    ----------
    study_dir : path
        Folder of a study.
    margin : float
        How much worse than baseB still counts as equal, in units of accuracy.

    Raises
    ------
    TransferError
        As `transfer.answers.verdict.verdict`.
    """
    folder = Path(study_dir)
    runs = read_runs(folder)
    runs = runs[runs["fraction"] == 1.0]
    tested = {
        key[1]: comparison
        for key, comparison in compare_with_base(folder, margin, ("sliced",)).items()
        if key[1] is not None
    }
    if not tested:
        return ["To learn where to cut, repeat the command with --kinds baseB,sliced."]
    base = runs[runs["kind"] == "baseB"]
    largest = float(np.bincount(read_test_labels(folder)).max() / len(read_test_labels(folder)))
    if not (base["test_low"] > largest).any():
        return [
            f"baseB is not shown to be better than always answering the commonest class "
            f"({largest:.3f}): what equals it is worth nothing yet. More --epochs or more images, "
            "and a look at the labels on the contact sheet, come before any cut."
        ]
    passed = sorted(n for n, c in tested.items() if c.outcome == "non-inferior")
    if passed:
        n = passed[0]
        cut = "Nothing can be cut" if n == BLOCKS else f"Cut after block {n}"
        return [f"{cut}; export with:", *_export(folder, runs, n), *_one_seed(tested[n])]
    open_n = {n: c for n, c in tested.items() if c.outcome == "undecided"}
    if not open_n:
        return [
            "No cut that was run keeps the accuracy of baseB: each is worse by more than the "
            "margin. Try other --n, or another --source."
        ]
    seeds = max(c.difference.seeds for c in open_n.values())
    more = f"--seeds {_SEEDS}" if seeds < 3 else f"--seeds 0-{2 * seeds - 1}"
    best = max(open_n, key=lambda n: (open_n[n].difference.estimate, -n))
    seen = open_n[best].difference
    return [
        f"Where to cut is not decided. Repeat the command with {more}: what is finished is kept; "
        "or import more test images.",
        f"A hint, not shown: of the cuts that could be free, sliced-{best} did best, "
        f"{points(seen.estimate)} points against baseB ({points(seen.low)} to "
        f"{points(seen.high)}). To try it on a device all the same:",
        *_export(folder, runs, best),
    ]


def _export(folder: Path, runs: pd.DataFrame, n: int) -> list[str]:
    """The command that exports sliced-n, and what it needs."""
    of = runs[(runs["kind"] == "sliced") & (runs["n"] == n)].sort_values("seed")
    run = str(of["run"].loc[of["val_accuracy"].idxmax()])
    line = command("export", folder / run, "--out", f"sliced-{n}.tflite")
    if find_spec("ai_edge_litert") is None:
        return [line, f"(needs once: {how_to_install('export')})"]
    return [line]


def _one_seed(comparison: Comparison) -> list[str]:
    if comparison.difference.seeds > 1:
        return []
    return [
        f"That holds for these networks; whether it holds for other seeds, --seeds {_SEEDS} tells."
    ]
