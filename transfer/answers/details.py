"""The numbers behind an answer, and what else a study shows."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from transfer.answers.deployed import choice_in_words, driving_in_words, reestimation_in_words
from transfer.answers.reading import Reading, name_of
from transfer.answers.sentences import nearest, what_would_decide
from transfer.deploy.reestimation.table import read_reestimation
from transfer.errors import TransferError
from transfer.runs import KERAS_3
from transfer.statistics.comparison import BASE, LEVEL, LOOKS, Key
from transfer.statistics.differences import Difference, difference
from transfer.statistics.gain import gains, has_sizes, without_base
from transfer.statistics.seeds import seed_variance
from transfer.wording import count_seeds, hundred, one_or_more, percent, points, spans

_METRICS = {
    "balanced": "balanced accuracy, the mean over classes of the share of images found",
    "accuracy": "accuracy, the share of all images found",
}
_WHAT_IT_ASKS = {
    "baseB+": "Does a start from baseA help?",
    "BnB": "Does cutting the network alone cost anything (co-adaptation)?",
    "BnB+": "Does fine-tuning after such a cut mend it?",
    "AnB+": "Does fine-tuning from n blocks of baseA beat baseB?",
    "RnB": "How far do frozen random blocks go?",
    "A@nB": "Is it enough to tune one block of baseA?",
}


def details(study: Reading, beside: Sequence[str | Path] = ()) -> list[str]:
    """Paragraphs with the numbers behind the answer."""
    lines = [_introduction(study)]
    for bn in study.semantics:
        under = f" (BatchNorm {bn})" if len(study.semantics) > 1 else ""
        lines += _against_base(study, "AnB", bn, f"AnB{under}: blocks of baseA frozen")
    lines += _against_base(study, "sliced", "", "sliced-n: baseA cut after block n")
    for kind in _WHAT_IT_ASKS:
        lines += _above_and_below(study, kind)
    lines += _semantics(study)
    if study.tested.metric == "balanced" and not study.runs.empty:
        lines += choice_in_words(study.folder, study.margin, beside)
    lines += driving_in_words(study.folder)
    if (study.folder / "reestimation.csv").exists():
        lines += reestimation_in_words(read_reestimation(study.folder / "reestimation.csv"))
    return lines + _gain(study)


def _introduction(study: Reading) -> str:
    images, clusters = len(study.tested.labels), len(np.unique(study.tested.clusters))
    grouped = f" in {clusters} segments or recordings" if clusters < images else ""
    base = repeated = ""
    if study.tested.error < LEVEL:
        repeated = (
            f" The study chose its runs by its results, in up to {LOOKS} rounds: each time a "
            f"verdict has an error of {100 * study.tested.error:.1f} %, so that all have 5 %."
        )
    if BASE in study.means:
        low, high = study.means[BASE].interval()
        base = (
            f" baseB has {hundred(study.mean(BASE))} (95 % {hundred(low)} to {hundred(high)}, "
            f"{count_seeds(int(study.means[BASE].seeds))})."
        )
    return (
        f"{study.name}: {len(study.runs)} runs on all training images, {images:,} test images"
        f"{grouped}. Numbers are {_METRICS[study.tested.metric]}, of 100.{base} As good as baseB "
        f"is what is not worse by more than {one_or_more(study.margin)}. Intervals hold for other "
        f"seeds and other test images of the same kind, and for this protocol ({study.protocol})."
        f"{repeated}"
    )


def _against_base(study: Reading, kind: str, bn: str, what: str) -> list[str]:
    """Every n of a kind: how far from baseB, and how probable it is that it is as good."""
    tested = study.of_kind(kind, bn)
    if not tested:
        return []
    numbers = "; ".join(
        f"{n} {points(c.difference.estimate)} ({_bounds(c.difference)}, {percent(c.probability)})"
        for n, c in tested.items()
    )
    shown = [n for n, c in tested.items() if c.outcome == "shown"]
    which = f"n = {spans(shown)}" if shown else "none"
    lines = [
        f"{what}. n, points against baseB (95 % for each n alone, probability of being as good): "
        f"{numbers}. Shown to be as good, all n at once: {which}."
    ]
    undecided = any(n and c.outcome == "undecided" for n, c in tested.items())
    if undecided and not shown and bn in KERAS_3:
        n = nearest({n: c for n, c in tested.items() if n})
        key: Key = (kind, n, bn)
        lines.append(f"{name_of(key)} is open: {what_would_decide(study, key, tested[n])}.")
    return lines


def _above_and_below(study: Reading, kind: str) -> list[str]:
    """Where a kind is above and below baseB, each n by itself; nothing if it was not run."""
    keys = [key for key in study.compared if key[0] == kind and key[2] in KERAS_3]
    seen = {key: study.compared[key].difference for key in keys}
    if not seen:
        return []
    above = [key for key, d in seen.items() if d.interval()[0] > 0]
    below = [key for key, d in seen.items() if d.interval()[1] < 0]
    parts = [
        f"{word} baseB{_at(shown)}" for word, shown in (("above", above), ("below", below)) if shown
    ]
    if len(above) + len(below) < len(seen):
        parts.append("no difference shown for the others" if parts else "no difference shown")
    ends = dict.fromkeys(pick(seen, key=lambda key: seen[key].estimate) for pick in (max, min))
    numbers = "; ".join(
        f"{name_of(key)} {points(seen[key].estimate)} ({_bounds(seen[key])})" for key in ends
    )
    each = ", each n by itself" if len(seen) > 1 else ""
    most = "highest and lowest: " if len(ends) > 1 else ""
    return [f"{_WHAT_IT_ASKS[kind]} {kind}: {', '.join(parts)} (95 %{each}; {most}{numbers})."]


def _at(keys: list[Key]) -> str:
    n = [key[1] for key in keys if key[1] is not None]
    return f" for n = {spans(n)}" if n else ""


def _semantics(study: Reading) -> list[str]:
    """What another semantics of the frozen BatchNorm does to AnB, and to its control BnB."""
    lines = []
    right = study.tested.right
    for kind, bn in product(("AnB", "BnB"), ("legacy", "adapt")):
        family = study.tested.family(kind, bn)
        n = [key[1] for key in family if (kind, key[1], "inference") in right]
        if not n:
            continue
        keys = [(kind, each, semantics) for semantics in (bn, "inference") for each in n]
        accuracies = study.tested.accuracies(keys)
        places = np.arange(len(n))
        seen = difference(accuracies, seed_variance(accuracies.by_seed), places, places + len(n))
        low, high = seen.interval()
        lines.append(
            f"{kind} with {bn} BatchNorm minus {kind} with inference BatchNorm: "
            f"{points(float(seen.estimate.mean()))} points in the mean over n; lower at "
            f"{int((high < 0).sum())} and higher at {int((low > 0).sum())} of {len(n)} n (95 %, "
            "each n by itself)."
        )
    return lines


def _gain(study: Reading) -> list[str]:
    """One sentence a kind: the gain over baseB at every size; nothing if there are no sizes."""
    if not has_sizes(study.every_run):
        return []
    missing = without_base(study.every_run)
    try:
        by_size = gains(study.folder, study.tested.metric)
    except TransferError:  # baseB is missing, which the sentence in `missing` says
        return missing
    sentences = []
    for kind, group in by_size.groupby("kind"):
        parts = "; ".join(
            f"{points(row.gain)} points with {row.train_images:,} ({points(row.low)} to "
            f"{points(row.high)}, {count_seeds(row.seeds)})"
            for row in group.itertuples()
        )
        sentences.append(
            f"{kind} minus baseB by the number of training images, mean over n = "
            f"{group['n'].iloc[0]}: {parts} (95 %)."
        )
    return sentences + missing


def _bounds(difference: Difference) -> str:
    low, high = difference.interval()
    return f"{points(low)} to {points(high)}"


def table(study: Reading) -> list[dict[str, object]]:
    """Every network against baseB, a row each, in numbers."""
    rows: list[dict[str, object]] = []
    for key, comparison in study.compared.items():
        low, high = comparison.difference.interval()
        rows.append(
            {
                "network": name_of(key),
                "bn": key[2],
                "accuracy": study.mean(key),
                "difference": comparison.difference.estimate,
                "low": float(low),
                "high": float(high),
                "probability": comparison.probability,
                "outcome": comparison.outcome,
            }
        )
    return rows
