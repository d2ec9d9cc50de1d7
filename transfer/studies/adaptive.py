"""A study that goes on until it is decided: which runs next, or why it stops.

Two verdicts are wanted: where to cut (sliced-n) and how many blocks are general (AnB). The **edge**
of a verdict is the n after the last one shown to be as good as baseB. If n between the two have not
been tried, the middle one is; if the edge is undecided and more seeds can decide it, it gets them,
at most twice as many as it has. A verdict is **decided** when the edge is shown to be worse than
baseB by more than the margin, or there is no n beyond, and no n between is left.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError
from transfer.networks.backbone import backbone_of
from transfer.results import finished, read_runs
from transfer.runs import BLOCKS, Run, Study, parse_runs
from transfer.statistics.comparison import (
    BASE,
    LEVEL_OF_A_LOOK,
    LOOKS,
    Comparison,
    Key,
    Tested,
    compare,
    read_tested,
)
from transfer.statistics.differences import seeds_to_decide
from transfer.studies.engines.dispatch import cost
from transfer.studies.study import perform
from transfer.study_file import read_calls, read_settings, rounds
from transfer.wording import one_or_more

#: The two verdicts, and the n that a study of MobileNet v1 starts with; for other backbones, the
#: blocks at the same share of the depth.
START: dict[tuple[str, str], tuple[int, ...]] = {
    ("sliced", ""): (5, 9),
    ("AnB", "inference"): (7, 11),
}
_SEEDS = 2  #: of a network when it is first tried
_BASE_SEEDS = 2  #: runs of baseB for each of the network with the most: all are compared with it
_MOST_SEEDS = 16


@dataclass(frozen=True)
class Plan:
    """The runs of the next round, and the networks about which a verdict is not decided."""

    runs: tuple[Run, ...]
    open: tuple[Key, ...]


def start(blocks: int = BLOCKS) -> tuple[Run, ...]:
    """The runs of the first round for a backbone of this many blocks."""
    return _runs(
        {
            (kind, round(n * blocks / BLOCKS), bn): _SEEDS
            for (kind, bn), tried in START.items()
            for n in tried
        }
    )


def plan(tested: Tested, margin: float, blocks: int = BLOCKS) -> Plan:
    """What a study needs next, from its rows alone."""
    wanted: dict[Key, int] = {}
    left: list[Key] = []
    for kind, bn in START:
        family = [key for key in tested.family(kind, bn) if key[1]]
        compared = compare(tested, family, BASE, margin)
        by_n = {int(key[1] or 0): comparison for key, comparison in compared.items()}
        seeds, undecided = _next(by_n, kind, blocks)
        wanted |= {(kind, n, bn): number for n, number in seeds.items()}
        left += [(kind, n, bn) for n in undecided]
    if not wanted:
        return Plan((), tuple(left))
    done = {(*key, seed) for key, (seeds, _) in tested.right.items() for seed in seeds}
    runs = [run for run in _runs(wanted) if (run.kind, run.n, run.bn, run.seed) not in done]
    return Plan(tuple(runs), tuple(left))


def _next(
    compared: Mapping[int, Comparison], kind: str, blocks: int
) -> tuple[dict[int, int], list[int]]:
    """Of one verdict: seeds wanted by n, and the n about which it is open."""
    step = 1 if kind == "AnB" else -1  # towards what is harder to show
    tried = sorted(compared, key=lambda n: step * n)
    outcome = {n: compared[n].outcome for n in tried}
    shown = [n for n in tried if outcome[n] == "shown"]
    if not shown and kind == "sliced":  # look around the likeliest
        edge = max(tried, key=lambda n: (compared[n].probability, -n))
        around: tuple[int, ...] = _neighbours(edge, tried, blocks)
        left = [n for n in tried if outcome[n] == "undecided"]
        left.sort(key=lambda n: -compared[n].probability)
    else:
        last, beyond = shown[-1] if shown else 0, blocks + 1 if step > 0 else 0
        after = [n for n in tried if step * n > step * last]
        edge = after[0] if after else beyond
        around = (last,)
        worse = [n for n in after if outcome[n] == "shown not"]
        left = list(range(last + step, worse[0] if worse else beyond, step))
    between = [(edge + n) // 2 for n in around if abs(edge - n) > 1]
    if outcome.get(edge) == "undecided":
        more = _more_seeds(compared[edge])
        likely = compared[edge].difference.estimate > -compared[edge].margin
        if more and (likely or not between):
            return {edge: more}, left
    return dict.fromkeys(between, _SEEDS), left


def _neighbours(n: int, tried: Iterable[int], blocks: int) -> tuple[int, int]:
    """The n that were tried next below and above; 0 and ``blocks + 1`` where there is none."""
    below = max((other for other in tried if other < n), default=0)
    return below, min((other for other in tried if other > n), default=blocks + 1)


def _more_seeds(comparison: Comparison) -> int | None:
    """Seeds for the next look, at most twice as many; None if it is likelier that none decides."""
    seen = dataclasses.replace(comparison.difference, df=np.inf)
    needed = seeds_to_decide(seen, -comparison.margin, comparison.level, power=0.5)
    if needed is None or needed > _MOST_SEEDS:
        return None
    return min(needed, 2 * int(seen.fewest_seeds))


def _runs(seeds: Mapping[Key, int]) -> tuple[Run, ...]:
    """The runs of these networks, and of baseB as many as they need."""
    everything = {BASE: _BASE_SEEDS * max(seeds.values()), **seeds}
    return tuple(Run(k, n, s, bn) for (k, n, bn), count in everything.items() for s in range(count))


@dataclass(frozen=True)
class Stop:
    """Why a study stopped, a clause ("": both verdicts are decided), and what is open."""

    reason: str
    open: tuple[Key, ...]


def perform_until_decided(
    out: str | Path, study: Study, margin: float = 0.01, budget: float | None = None, **where: Any
) -> Stop:
    """Do one round after the other until both verdicts are decided.

    Of ``study`` the settings are taken; its kinds, n and seeds are not. ``budget``: minutes of
    training, the sum over all runs in ``out``. A round that is expected to need more than is left
    is not begun; the first is, since nothing is known before. ``**where``: as for `perform`.
    """
    out = Path(out)
    _check_margin(out, margin)
    blocks = backbone_of(study.backbone).blocks
    while True:
        number, runs, left = _next_round(out, margin, blocks)
        missing = [run for run in runs if not finished(out, run)]
        if not missing:
            return Stop("more runs would not decide it" if left else "", left)
        if number > LOOKS:
            return Stop(f"{LOOKS} rounds are done, and more would raise the error above 5 %", left)
        begun = (out / "study.json").exists() and not read_runs(out).empty
        if budget is not None and number > rounds(out) and begun:
            minutes, spent = _minutes(out, missing)
            if spent + minutes > budget:
                return Stop(
                    f"the next round of {len(missing)} runs needs about {minutes:.0f} min, and "
                    f"{max(budget - spent, 0):.0f} of {budget:g} are left",
                    left,
                )
        perform(out, _asking(study, runs), record={"round": number, "margin": margin}, **where)


def _check_margin(out: Path, margin: float) -> None:
    """Rounds that are judged by two margins would have another error than the 5 % promised."""
    calls = read_calls(out) if rounds(out) else []
    for other in (call.get("margin") for call in calls if "round" in call):
        if other != margin:
            before = one_or_more(other) if isinstance(other, float) else f"{other!r:.20}"
            raise TransferError(
                f"Expected the margin of the earlier rounds in {out}: {before}. Received: "
                f"{one_or_more(margin)}. Give the same --margin, or another --out."
            )


def _next_round(
    out: Path, margin: float, blocks: int
) -> tuple[int, tuple[Run, ...], tuple[Key, ...]]:
    """Number and runs of the round to do, and what is open; a round that has begun is ended."""
    number, runs = rounds(out), start(blocks)
    if number:
        begun = next(call for call in reversed(read_calls(out)) if call.get("round") == number)
        runs = tuple(parse_runs(begun.get("runs", ()), out / "study.json"))
    if not all(finished(out, run) for run in runs):
        return max(number, 1), runs, ()
    ahead = plan(dataclasses.replace(read_tested(out), error=LEVEL_OF_A_LOOK), margin, blocks)
    return number + 1, ahead.runs, ahead.open


def _asking(study: Study, runs: tuple[Run, ...]) -> Study:
    """A study of these runs and no others."""
    numbers = dict.fromkeys(run.n for run in runs if run.n is not None)
    return dataclasses.replace(
        study,
        kinds=tuple(dict.fromkeys(run.kind for run in runs)),
        n=tuple(numbers),
        seeds=tuple(dict.fromkeys(run.seed for run in runs)),
        bn=("inference",),
        fractions=(1.0,),
        listed=runs,
    )


def _minutes(out: Path, missing: Sequence[Run]) -> tuple[float, float]:
    """Minutes that runs will take, by what the finished ones took, and minutes spent on those."""
    settings, rows = read_settings(out), read_runs(out)
    spent = float(rows["seconds"].sum()) / 60
    known = sum(cost(run, settings) for run in parse_runs(rows["run"], out / "runs.csv"))
    return spent / known * sum(cost(run, settings) for run in missing), spent
