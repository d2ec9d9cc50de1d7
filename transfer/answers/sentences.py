"""The answer in a person's words: a sentence each, and what speaks against it."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from transfer.answers.reading import Reading, name_of
from transfer.deploy.costs.table import on_all_images, read_costs
from transfer.networks.backbone import backbone_in
from transfer.results import read_failures
from transfer.statistics.comparison import (
    BASE,
    FEWEST_IMAGES,
    LEVEL,
    Comparison,
    Key,
    behind_the_best,
)
from transfer.statistics.differences import images_to_decide, seeds_to_decide
from transfer.wording import file_sizes, hundred, one_or_more, part_of, percent, spans

_FORMATS = ("litert-int8", "litert", "onnx")


def warnings(study: Reading) -> list[str]:
    """What makes the answer doubtful, a sentence or two each."""
    checks = (nothing_learnt, _failed, _weak_control, _one_seed, _few_images, _unfinished)
    return [warning for check in checks if (warning := check(study))]


def _failed(study: Reading) -> str:
    failures = read_failures(study.folder)
    if not failures:
        return ""
    run, reason = next(iter(failures.items()))
    return (
        f"Runs that failed are missing here: {len(failures)}. {run}: {reason.rstrip('.')}. The "
        "same study command tries them again."
    )


def nothing_learnt(study: Reading) -> str:
    """A warning if no network is shown to have learnt the task; "" otherwise.

    At 5 % for all networks together (Bonferroni): of many that guess, one is far above by chance.
    """
    best = max(study.means, key=study.mean)
    least = 1 - LEVEL / len(study.means)
    if any(mean.probability_above(study.floor) >= least for mean in study.means.values()):
        return ""
    return (
        f"Nothing has learnt the task yet: the best network, {name_of(best)}, has "
        f"{hundred(study.mean(best))} of 100, and always answering the commonest class has "
        f"{hundred(study.floor)}. Look at the labels on the contact sheet, then try more images or "
        "more --epochs."
    )


def _weak_control(study: Reading) -> str:
    if BASE not in study.means or nothing_learnt(study):
        return ""
    words, pixels = study.pixels or ("always answering the commonest class", study.floor)
    if study.means[BASE].probability_above(pixels) >= 1 - LEVEL:
        return ""
    return (
        f"baseB is weak: it has {hundred(study.mean(BASE))} of 100, and {words} {hundred(pixels)}. "
        "A network that is as good as baseB may still be poor."
    )


def base_has_not_learnt(study: Reading) -> str:
    """A sentence if baseB has not learnt the task, or so little that all is as good; "" otherwise.

    Where baseB is ahead of answering one class by less than the margin, that answer is as good.
    """
    if study.tested.above_floor(BASE, study.margin):
        return ""
    what = "has not learnt the task"
    if study.tested.above_floor(BASE):
        what = f"is not shown to be {one_or_more(study.margin)} better than no network"
    return (
        f"baseB {what}: it has {hundred(study.mean(BASE))} of 100, and always answering the "
        f"commonest class {hundred(study.floor)}. Nothing can be judged against it; try more "
        "images or more --epochs."
    )


def _one_seed(study: Reading) -> str:
    if any(len(seeds) > 1 for seeds, _ in study.tested.right.values()):
        return ""
    return "One seed: trained again, networks would differ. Nothing is claimed; try --seeds 0,1,2."


def _few_images(study: Reading) -> str:
    rare = study.tested.rare
    if not rare:
        return ""
    name = study.classes[rare[0]] if rare[0] < len(study.classes) else rare[0]
    return (
        f"Too few test images of {name}: {int((study.tested.labels == rare[0]).sum())}. Nothing is "
        f"claimed with fewer than {FEWEST_IMAGES} of a class."
    )


def _unfinished(study: Reading) -> str:
    last = study.runs["best_epoch"] == study.runs["epochs"]
    networks = last.groupby([study.runs[c] for c in ("kind", "n", "bn")], dropna=False).mean()
    count, total = int((networks > 0.5).sum()), len(networks)
    if not count:
        return ""
    which = "every network" if count == total else f"{count} of {total} networks"
    return (
        f"Not finished: {which} improved up to the last epoch; try --epochs "
        f"{2 * int(study.runs['epochs'].max())}."
    )


def cut_in_words(study: Reading) -> tuple[int | None, list[str]]:
    """Where to cut: the n of the slice to keep, None if there is none, and why."""
    tested = study.of_kind("sliced", "")
    if not tested:
        return None, ["Where to cut was not tried: --kinds baseB,sliced answers it."]
    shown = [n for n, comparison in tested.items() if comparison.outcome == "shown"]
    if shown:
        return shown[0], _keep(study, shown[0], tested[shown[0]])
    left = [n for n, comparison in tested.items() if comparison.outcome == "undecided"]
    if not left:
        return None, [
            f"Keep the whole network: every slice that was tried (n = {spans(tested)}) is shown to "
            f"be worse than baseB by more than {one_or_more(study.margin)}."
        ]
    near = nearest(tested)
    return None, [f"Where to cut is open. {_nearest(study, ('sliced', near, ''), tested[near])}."]


def nearest(tested: Mapping[int, Comparison]) -> int:
    """Of the networks that are undecided, the n of the one most probably as good as baseB."""
    left = [n for n, comparison in tested.items() if comparison.outcome == "undecided"]
    return max(left, key=lambda n: (tested[n].probability, -n))


def _keep(study: Reading, n: int, comparison: Comparison) -> list[str]:
    key: Key = ("sliced", n, "")
    blocks = backbone_in(study.runs).blocks
    kept = f"Keep {n} of {blocks} blocks (sliced-{n})." if n < blocks else "Nothing can be cut."
    subject = "It" if n < blocks else "The whole source network"
    how = "better than" if comparison.at_least > 0.0005 else "as good as"
    needs = _needs(study, key)
    return [
        kept,
        f"{subject} is {how} the whole network trained from scratch "
        f"({_scores(study, key)} of 100, {_bound(comparison)})"
        f"{f' and needs {needs}' if needs else ''}.",
    ]


def _scores(study: Reading, key: Key) -> str:
    return f"{hundred(study.mean(key))} against {hundred(study.mean(BASE))}"


def _bound(comparison: Comparison) -> str:
    low = comparison.at_least
    if abs(low) < 0.0005:
        return "at worst equal"
    return f"at least {hundred(low)} more" if low > 0 else f"at worst {hundred(-low)} less"


def _needs(study: Reading, key: Key) -> str:
    """What a network needs beside baseB, in words; "" if it needs no less."""
    sizes = [rows["file_bytes"].median() for rows in files_of(study.folder, key)[1]]
    parts = [file_sizes(*sizes)] if sizes else []
    shares = saves(study, key)
    for column, what in (("parameters", "weights"), ("multiply_adds", "work")):
        parts += [f"{part_of(shares[column])} of the {what}"] if column in shares else []
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def files_of(study_dir: Path, key: Key) -> tuple[str, list[pd.DataFrame]]:
    """A format in which a network and baseB were measured, and their rows; "" and none."""
    table = on_all_images(read_costs(study_dir))
    for name in _FORMATS:
        rows = table[table["format"] == name]
        mine = rows[(rows["kind"] == key[0]) & (rows["n"] == key[1])]
        base = rows[rows["kind"] == "baseB"]
        if len(mine) and len(base):
            return name, [mine, base]
    return "", []


def saves(study: Reading, key: Key) -> dict[str, float]:
    """Parameters, multiply-adds and bytes of a network as shares of baseB's, where below 1."""
    mine, base = study.runs_of(key).iloc[0], study.runs_of(BASE).iloc[0]
    numbers = {c: (float(mine[c]), float(base[c])) for c in ("parameters", "multiply_adds")}
    if files := files_of(study.folder, key)[1]:
        numbers["bytes"] = files[0]["file_bytes"].median(), files[1]["file_bytes"].median()
    return {what: own / whole for what, (own, whole) in numbers.items() if 0 < own < whole}


def best_in_words(study: Reading, key: Key) -> str:
    """How far the best network is ahead of another one; "" if there is no other."""
    if len(study.means) == 1:
        return ""
    best, ahead, low = behind_the_best(study.tested, key)
    if best == key:
        return f"No network scored higher{' than baseB' if key == BASE else ''}."
    than = " than baseB" if key == BASE else ""
    if low > 0:
        more = f"is {hundred(ahead)} better{than}, by at least {hundred(low)}"
    else:
        more = f"has {hundred(ahead)} more{than}, which may be chance"
    return f"The best network, {name_of(best)}, {more}."


def general_in_words(study: Reading, bn: str) -> tuple[int | None, str]:
    """How many blocks are general: the number shown, None if that is open, and a sentence."""
    tested = {n: c for n, c in study.of_kind("AnB", bn).items() if n > 0}
    if not tested:
        return None, "How many blocks are general was not tried: --kinds baseB,AnB answers it."
    under = "" if bn == "inference" else f" (BatchNorm {bn})"
    shown = [n for n, comparison in tested.items() if comparison.outcome == "shown"]
    if shown:
        n = shown[-1]
        blocks = "Block 1" if n == 1 else f"Blocks 1 to {n}"
        return n, (
            f"{blocks} of the source can stay frozen{under}: A{n}B is as good as baseB "
            f"({_scores(study, ('AnB', n, bn))}, {_bound(tested[n])})."
        )
    if all(comparison.outcome == "shown not" for comparison in tested.values()):
        worse = f"worse than baseB by more than {one_or_more(study.margin)}"
        return 0, f"Frozen blocks cost accuracy{under}: AnB is {worse} at n = {spans(tested)}."
    near = nearest(tested)
    return None, (
        f"How many blocks can stay frozen{under} is open. "
        f"{_nearest(study, ('AnB', near, bn), tested[near])}."
    )


def _nearest(study: Reading, key: Key, comparison: Comparison) -> str:
    name = f"{name_of(key)} comes nearest ({_scores(study, key)})"
    if comparison.probability >= 1 - comparison.error:
        why = (
            "of several n that are tried one may pass by chance"
            if comparison.enough
            else "more seeds or images are needed"
        )
        return f"{name}: alone it would pass, but {why}"
    return f"{name}, as good as baseB with a probability of {percent(comparison.probability)}"


def what_would_decide(study: Reading, key: Key, comparison: Comparison) -> str:
    """What decides in four studies of five, if the difference seen is the true one; a clause."""
    seen, value, level = comparison.difference, -comparison.margin, comparison.level
    seeds = seeds_to_decide(seen, value, level)
    times = images_to_decide(seen, value, level)
    ways = []
    if seeds is not None:
        runs = [study.runs_of(part) for part in (key, BASE)]
        seconds = sum(max(seeds - len(part), 0) * part["seconds"].mean() for part in runs)
        cost = f", {seconds / 60:.0f} minutes more" if seconds > 90 else ""
        ways.append(f"about {seeds} seeds (now {int(seen.fewest_seeds)}{cost})")
    if times is not None:
        ways.append(f"{times:.2g} times the test images")
    if not ways:
        return "its difference is too near the margin to be decided soon"
    return f"{' or '.join(ways)} would decide it"
