"""The answer of a study in words, each with the numbers behind it and never more than they allow.

Networks are compared with baseB on the same test images and tested for non-inferiority, one-sided
95 %:

- ``general up to n``: the largest n up to which A1B, A2B, ... all pass. The sequence ends at the
  first that does not, so the chance of a wrong claim is 5 % for the sequence, not for each n.
- ``cut after n``: the smallest sliced-n that passes, each n tested by itself.

What was measured besides (deploy.csv, driving.csv, reestimation.csv) is put into words where it
was: which file to choose for a device, how networks drive, what new BatchNorm statistics gain.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from transfer.answers.deployed import (
    choice_in_words,
    driving_in_words,
    reestimation_in_words,
)
from transfer.answers.wording import about, count_seeds, points, spans
from transfer.deploy.reestimation.table import read_reestimation
from transfer.results import read_runs, read_test_labels
from transfer.runs import BLOCKS, BN_SEMANTICS, FROZEN_KINDS, Run
from transfer.statistics.comparison import Key, compare_with_base, difference, networks, paired
from transfer.statistics.gain import gain_in_words
from transfer.statistics.intervals import (
    Comparison,
    Difference,
    interval,
    mcnemar_exact,
    needed_to_decide,
)
from transfer.study_file import read_settings


def verdict(
    study_dir: str | Path, margin: float = 0.01, beside: Sequence[str | Path] = ()
) -> list[str]:
    """The verdict of a study, one or more sentences a string.

    Parameters
    ----------
    study_dir : path
        Folder of a study.
    margin : float
        How much worse than baseB still counts as equal, in units of accuracy (0.01: one point).
    beside : sequence of path
        Other measured studies of the same data set, whose exported files enter the choice.

    Raises
    ------
    TransferError
        If the folder holds no study, or its predictions do not belong to its ``runs.csv``.
    """
    folder = Path(study_dir)
    if not (folder / "runs.csv").exists() and (folder / "all_experiments.csv").exists():
        return [
            f"{folder.name} holds accuracies without predictions: which images each network gets "
            "right is not known, so that no two networks can be compared on the same images."
        ]
    all_runs = read_runs(folder)
    runs = all_runs[all_runs["fraction"] == 1.0]
    base = runs[runs["kind"] == "baseB"]
    name = read_settings(folder).dataset
    if base.empty:
        return [f"{name}: baseB on all training images is missing, so nothing can be compared."]
    compared = compare_with_base(folder, margin, ("AnB", "sliced"))
    sentences = [_introduction(name, runs, base, len(read_test_labels(folder)), margin)]
    sentences += _about_seeds(runs, base)
    sentences.append(_fine_tuned(folder, runs, base))
    for kind in _WHAT_IT_ASKS:
        sentences += _against_base(folder, runs, base, kind)
    ran = {key[2] for key in compared if key[0] == "AnB"}
    for bn in [bn for bn in BN_SEMANTICS if bn in ran] or [""]:
        sentences += _general(_of(compared, "AnB", bn), bn)
    sentences += _semantics(folder, runs)
    sentences += _cut(_of(compared, "sliced", ""))
    sentences += choice_in_words(folder, margin, beside)
    sentences += driving_in_words(folder)
    if (folder / "reestimation.csv").exists():
        sentences += reestimation_in_words(read_reestimation(folder / "reestimation.csv"))
    return sentences + gain_in_words(all_runs)


def _of(compared: dict[Key, Comparison], kind: str, bn: str) -> dict[int, Comparison]:
    return {
        key[1]: comparison
        for key, comparison in sorted(compared.items(), key=lambda item: item[0][1] or 0)
        if key[0] == kind and key[2] == bn and key[1] is not None
    }


def _introduction(
    name: str, runs: pd.DataFrame, base: pd.DataFrame, images: int, margin: float
) -> str:
    low, high = interval(base)
    over = "over test images" if len(base) == 1 else f"over {len(base)} seeds"
    return (
        f"{name}: {len(runs)} runs on all training images, {images} test images. baseB has "
        f"{base['test_accuracy'].mean():.3f} (95 % {low:.3f} to {high:.3f}, {over}). A network "
        f"counts as equal if it is not worse by more than {100 * margin:g} "
        f"{'point' if margin == 0.01 else 'points'} (one-sided 95 %)."
    )


def _about_seeds(runs: pd.DataFrame, base: pd.DataFrame) -> list[str]:
    """One seed tells nothing of another; which networks that concerns is said.

    What counts is the seeds that baseB has too: only these are compared.
    """
    seeds = [len(set(group["seed"]) & set(base["seed"])) for _, group in networks(runs)]
    single = seeds.count(1)
    if not single:
        return []
    if single < len(seeds):
        return [
            f"{single} of {len(seeds)} networks have one seed that baseB has too: what follows "
            "holds for these on other images of the same kind, not for another seed."
        ]
    return [
        "One seed each: what follows holds for these networks on other images of the same "
        "kind; another seed would give other networks, and how different is not known."
    ]


def _fine_tuned(folder: Path, runs: pd.DataFrame, base: pd.DataFrame) -> str:
    """Does starting from baseA help at all? A difference, not a test of non-inferiority."""
    tuned = runs[runs["kind"] == "baseB+"]
    both = paired(folder, tuned, base)
    seen = difference(folder, tuned, base)
    if both is None or seen is None:
        return "baseB+ is missing: whether a start from baseA helps is not answered."
    helps = "helps" if seen.low > 0 else "harms" if seen.high < 0 else "makes no proven difference"
    p = ""
    if seen.seeds == 1:
        p = f"; McNemar p = {mcnemar_exact(*both):.2g}, frames as independent"
    return (
        f"A start from baseA {helps}: baseB+ minus baseB is {points(seen.estimate)} points "
        f"({_bounds(seen)}, two-sided 95 %{p})."
    )


_WHAT_IT_ASKS = {
    "BnB": "Does cutting the network alone cost anything (co-adaptation)?",
    "BnB+": "Does fine-tuning after such a cut mend it?",
    "AnB+": "Does fine-tuning from n blocks of baseA beat baseB?",
    "RnB": "How far do frozen random blocks go?",
    "A@nB": "Is it enough to tune one block of baseA?",
}


def _against_base(folder: Path, runs: pd.DataFrame, base: pd.DataFrame, kind: str) -> list[str]:
    """Where a kind is above and below baseB, each n by itself; nothing if it was not run."""
    seen: dict[int, Difference] = {}
    for (_, n, bn), group in networks(runs[runs["kind"] == kind]):
        found = difference(folder, group, base) if bn in ("", "inference") else None
        if found is not None and n is not None:
            seen[n] = found
    if not seen:
        return []
    above = [n for n, d in seen.items() if d.low > 0]
    below = [n for n, d in seen.items() if d.high < 0]
    parts = [f"above baseB for n = {spans(above)}"] if above else []
    parts += [f"below baseB for n = {spans(below)}"] if below else []
    if len(above) + len(below) < len(seen):
        parts.append("not to be told from baseB for the others" if parts else "no difference shown")
    best, worst = (pick(seen, key=lambda n: seen[n].estimate) for pick in (max, min))
    shown = [("highest ", best), ("lowest ", worst)] if best != worst else [("", best)]
    ends = "; ".join(
        f"{word}{_name(kind, n)} {points(seen[n].estimate)} ({_bounds(seen[n])})"
        for word, n in shown
    )
    return [
        f"{_WHAT_IT_ASKS[kind]} {kind}: {', '.join(parts)} (two-sided 95 %, each n by itself; "
        f"{ends} points)."
    ]


def _semantics(folder: Path, runs: pd.DataFrame) -> list[str]:
    """What another semantics of the frozen BatchNorm does to AnB, n by n."""
    frozen = runs[runs["kind"] == "AnB"]
    sentences = []
    for bn in ("legacy", "adapt"):
        seen = []
        for n in sorted(set(frozen["n"])):
            here = frozen[frozen["n"] == n]
            found = difference(folder, here[here["bn"] == bn], here[here["bn"] == "inference"])
            seen += [found] if found is not None else []
        if seen:
            lower, higher = sum(d.high < 0 for d in seen), sum(d.low > 0 for d in seen)
            mean = sum(d.estimate for d in seen) / len(seen)
            sentences.append(
                f"AnB with {bn} BatchNorm minus AnB with inference BatchNorm: {points(mean)} "
                f"points on average over n; lower at {lower} and higher at {higher} of "
                f"{len(seen)} n (two-sided 95 %)."
            )
    return sentences


def _general(tested: dict[int, Comparison], bn: str) -> list[str]:
    """General up to n: A1B, A2B, ... until the first that is not non-inferior."""
    tested = {n: comparison for n, comparison in tested.items() if n > 0}
    if not tested:
        return ["AnB is missing: how many blocks are general is not answered."]
    semantics = f" (BatchNorm {bn})"
    passed, stop = _sequence(tested, list(tested))
    gaps = sorted(set(range(1, max(tested) + 1)) - set(tested))
    said = f"General up to n = {passed[-1]}" if passed else "No n is shown to be general"
    if passed and gaps:
        said += f", of the n that were run ({spans(tested)})"
    return [f"{said}{semantics}. {_evidence(tested, passed, stop, 'AnB')}"]


def _cut(tested: dict[int, Comparison]) -> list[str]:
    """Cut after n: the smallest sliced-n that is not worse than baseB."""
    if not tested:
        return ["sliced-n is missing: after which block to cut is not answered."]
    passed = [n for n, comparison in tested.items() if comparison.outcome == "non-inferior"]
    below = [n for n in tested if not passed or n < passed[0]]
    said = f"Cut after n = {passed[0]}" if passed else "No cut is shown to be free"
    if passed and passed[0] == BLOCKS:
        said += " (nothing is cut)"
    if passed and set(tested) != set(range(1, BLOCKS + 1)):
        said += f", of the n that were run ({spans(tested)})"
    stop = below[-1] if below else None
    sentences = [f"{said}. {_evidence(tested, passed[:1], stop, 'sliced')}"]
    if passed:
        sentences.append(
            f"Of {len(tested)} sliced-n, each tested by itself, those that pass are n = "
            f"{spans(passed)}: {'a pass' if len(passed) == 1 else 'the smallest'} among "
            f"{len(tested)} tests can be luck where its neighbours do not pass."
        )
    return sentences


def _sequence(tested: dict[int, Comparison], order: list[int]) -> tuple[list[int], int | None]:
    """The n that pass before the first that does not, and that one (None: all pass)."""
    passed: list[int] = []
    for n in order:
        if tested[n].outcome != "non-inferior":
            return passed, n
        passed.append(n)
    return passed, None


def _evidence(tested: dict[int, Comparison], passed: list[int], stop: int | None, kind: str) -> str:
    parts = []
    if passed:
        shown = [
            f"{_name(kind, n)} {points(tested[n].difference.estimate)} "
            f"(at least {points(tested[n].difference.low)})"
            for n in passed
        ]
        parts.append(f"Points against baseB: {'; '.join(shown)}.")
    if stop is None:
        return " ".join([*parts, "Every n that was run passes."])
    seen = tested[stop].difference
    name = _name(kind, stop)
    ends = f"{points(seen.low)} to {points(seen.high)}, one-sided 95 % each"
    bounds = f"{points(seen.estimate)} points ({ends})"
    if tested[stop].outcome == "inferior":
        parts.append(f"{name} is worse by more than the margin: {bounds}.")
    else:
        parts.append(f"{name} is undecided: {bounds}. {_what_would_decide(tested[stop])}")
    return " ".join(parts)


def _what_would_decide(comparison: Comparison) -> str:
    """Sample sizes for 80 % power, if the true difference is the one seen."""
    images, seeds = needed_to_decide(comparison)
    seen = comparison.difference
    ways = []
    if images is not None:
        ways.append(
            f"{about(images)} test images with {count_seeds(seen.seeds)} (now {seen.images:,})"
        )
    if seeds is not None:
        ways.append(f"about {seeds} seeds on these images (now {seen.seeds})")
    if abs(seen.estimate + comparison.margin) < 1e-9:
        return (
            "The difference seen is the margin itself: were it the true one, nothing would decide."
        )
    if not ways:
        return "Neither more images nor more seeds alone would decide it; both are needed."
    text = f"If that is the true difference, {' or '.join(ways)} would decide it (power 80 %)."
    if seen.seeds == 1:
        text += " How many seeds would is not known from one; three or more would tell."
    return text


def _name(kind: str, n: int) -> str:
    return Run(kind, n, bn="inference" if kind in FROZEN_KINDS else "").network


def _bounds(difference: Difference) -> str:
    return f"{points(difference.low)} to {points(difference.high)}"
