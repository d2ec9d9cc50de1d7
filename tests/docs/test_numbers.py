"""Every number with a decimal point in README and results page is that of a committed table.

A claim is a pattern of the text and what its groups must be, computed from the tables. A number
that no claim covers fails too, so that nobody adds one without its source.
"""

import functools
import re
from pathlib import Path

import pandas as pd

from transfer.answers.answer import answer

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments-results"
BENCHMARKS = ROOT / "benchmarks" / "results"
PAGES = ("README.md", "docs/results.md")
#: Numbers that are names: versions, widths, learning rates, and those in code.
_NAMES = re.compile(
    r"```.*?```|`[^`]*`|\]\([^)]*\)|Keras [\d.]+( to [\d.]+)?|Python [\d.]+|TensorFlow [\d.]+"
    r"|[Aa]lpha [\d.]+|version [\d.]+",
    re.DOTALL,
)


@functools.cache
def runs(study):
    """Rows on all training images."""
    frame = pd.read_csv(RESULTS / study / "runs.csv", keep_default_na=True)
    return frame[frame["fraction"] == 1].fillna({"bn": ""})


def points(study, network, bn="", column="test_balanced_accuracy"):
    """Mean over seeds of a network, of 100; ``network`` as ``A7B`` or ``baseB``."""
    frame = runs(study)
    names = frame["run"].str.replace(r"(_legacy|_adapt)?_s\d+$", "", regex=True)
    semantics = frame["bn"] if bn else frame["bn"].where(frame["bn"] == "", bn)
    chosen = frame[(names == network) & (semantics == bn)]
    assert len(chosen), f"{study} has no {network} {bn}"
    return 100 * chosen[column].mean()


def below_base(study, kind, bn, blocks=range(1, 14)):
    """Mean over n of a frozen kind minus baseB, in points."""
    base = points(study, "baseB")
    names = [kind.replace("n", str(n)) for n in blocks]
    return sum(points(study, name, bn) - base for name in names) / len(names)


@functools.cache
def verdict(study):
    """The answer of a study."""
    return answer(RESULTS / study)


def baseline(study, name):
    """Balanced accuracy of a baseline, of 100."""
    table = pd.read_csv(RESULTS / study / "baselines.csv").set_index("baseline")
    return 100 * table.loc[name, "balanced_accuracy"]


@functools.cache
def published():
    return pd.read_csv(RESULTS / "published" / "all_experiments.csv")
