"""Studies that go on until they are decided, simulated: how often false, and at what cost.

``python -m benchmarks.until_decided`` plays `transfer.studies.adaptive.plan` on simulated studies
and writes ``results/until_decided.csv``. Frames are alike in time, and networks err on the same
frames, on frames of their own and on frames of a single run, as in ``benchmarks/verdicts.py``.

Rules, for a margin of one point:

- ``until decided``: as the program does, at most six looks, each at 1.52 %.
- ``until decided, 5 % a look``: the same without an adjustment for looking repeatedly.
- ``six looks``: the four networks of the start are looked at with 2, 3, 4, 6, 8 and 12 seeds,
  whatever is seen. Harder than what the program does, which stops where seeds do not help.
- ``six looks, 5 % a look``: the same without the adjustment.
- ``grid``: AnB and sliced for every n of 1 to 13, three seeds, 81 runs, one look at 5 %.

Columns: ``false_general`` and ``false_cut``, shares of studies that made a false claim at any look,
with 95 % bounds (Clopper and Pearson 1934) of the larger as ``low`` and ``high``; ``general`` and
``cut``, shares that ended with some n general, or with a slice to keep; ``blocks``, mean number of
general blocks; ``kept``, mean n of the slice to keep, 14 where there is none; ``decided_cut`` and
``decided_general``, shares with nothing left open; ``runs`` and ``looks``, means.
"""

import zlib
from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy import special, stats

from benchmarks.verdicts import MARGIN, RESULTS, _labels, _noise
from transfer.files import write_atomically
from transfer.runs import BLOCKS, Run
from transfer.statistics.accuracies import clusters_of
from transfer.statistics.comparison import BASE, LEVEL, LEVEL_OF_A_LOOK, LOOKS, Key, Tested, compare
from transfer.studies.adaptive import START, plan, start
from transfer.tables import format_number

_NONE = BLOCKS + 1  # the slice to keep, where there is none
#: True differences from baseB, n = 1 to 13, of AnB and of sliced-n. The last three are as measured
#: on simulated drives with both sources, and on real drives.
SCENARIOS: dict[str, tuple[list[float], list[float]]] = {
    "at the margin": ([-0.01] * 13, [-0.01] * 13),
    "edge at the margin": ([0.02] * 6 + [-0.01] * 7, [-0.01] * 6 + [0.02] * 7),
    "clear": (
        [0.0] * 9 + [-0.04, -0.06, -0.1, -0.3],
        [-0.5, -0.1, -0.06, -0.04] + [0.01] * 6 + [0.0, -0.01, -0.03],
    ),
    "lanes, fractals": (
        [-0.02] * 4 + [-0.03, -0.02, -0.02, -0.02, -0.03, -0.02, -0.02, -0.02, -0.05],
        [-0.56, -0.11, -0.04, -0.03, -0.013, 0.003, 0.008, 0.01, 0.005, 0.005, 0.006, 0.008, 0.0],
    ),
    "lanes, imagenet": (
        [-0.005, -0.008, -0.01, 0, -0.005, -0.005, 0.005, 0.004, 0, -0.004, -0.01, -0.01, -0.3],
        [-0.56, -0.11, -0.05, -0.03, -0.007, -0.005, 0.007, 0.01, 0.01, 0.013, 0.009, 0.004, -0.01],
    ),
    "real drives": (
        [0.01, 0.015, 0.025, 0.025, 0.035, 0.045, 0.06, 0.058, 0.055, 0.05, 0.038, 0.018, -0.17],
        [-0.16, -0.055, -0.037, 0.02, 0.03, 0.058, 0.08, 0.08, 0.084, 0.084, 0.08, 0.02, 0.003],
    ),
}
_RECALL = np.array([0.88, 0.82, 0.76])  # of baseB
_OF_RUN = 0.15
#: Share of the difficulty of a frame that is one network's: the standard error over images of a
#: difference is then 0.5 points on simulated drives, and 1.3 on real ones.
_LANES = {"sd": 0.006, "images": 4000, "of_network": 0.1}
_REAL = {"sd": 0.018, "images": 1600, "of_network": 0.3}
_GRID = (
    *(Run("baseB", None, seed) for seed in range(3)),
    *(
        Run(kind, n, seed, bn)
        for kind, bn in START
        for n, seed in product(range(1, BLOCKS + 1), range(3))
    ),
)


class Simulated:
    """A study whose runs come into being when they are asked for.

    Parameters
    ----------
    scenario : str
        A key of `SCENARIOS`.
    sd : float
        Standard deviation over seeds, 0..1 units.
    images : int
    of_network : float
        Share of the difficulty of a frame that is one network's.
    variances : str
        ``equal``, ``unequal`` or ``worse is noisier``.
    dependent : bool
        Frames are alike in time.
    key : int
        Everything random is a function of it.
    """

    def __init__(
        self,
        scenario: str,
        sd: float,
        images: int,
        of_network: float,
        variances: str,
        dependent: bool,
        key: int,
    ) -> None:
        self.labels = _labels(images)
        self.key, self.dependent, self.of_network = key, dependent, of_network
        self.common = self._draw("all", 1 - of_network - _OF_RUN)
        self.runs: dict[tuple[Key, int], np.ndarray] = {}
        self.networks: dict[Key, np.ndarray] = {}
        truth = dict(zip(START, reversed(SCENARIOS[scenario]), strict=True))
        self.truth: dict[Key, float] = {BASE: 0.0}
        for (kind, bn), differences in truth.items():
            self.truth |= {(kind, n, bn): d for n, d in enumerate(differences, 1)}
        self.sd = dict.fromkeys(self.truth, sd)
        for network, difference in self.truth.items():
            if variances == "unequal":
                self.sd[network] *= np.exp(0.5 * self._rng("sd", network).normal())
            elif variances == "worse is noisier" and difference < 0:
                self.sd[network] *= 2

    def _rng(self, *name: object) -> np.random.Generator:
        return np.random.default_rng([self.key, zlib.crc32(repr(name).encode())])

    def _draw(self, name: object, share: float) -> np.ndarray:
        noise = _noise(self._rng("frames", name), self.labels.shape, self.dependent)
        return noise * np.float32(share**0.5)

    def right(self, network: Key, seed: int) -> np.ndarray:
        """Which test images a run gets right, bool (images,)."""
        if network not in self.networks:
            self.networks[network] = self.common + self._draw(network, self.of_network)
        if (network, seed) not in self.runs:
            score = self.networks[network] + self._draw((network, seed), _OF_RUN)
            off = self.sd[network] * self._rng("seed", network, seed).normal()
            limit = special.ndtri((_RECALL + self.truth[network] + off).clip(1e-6, 1 - 1e-6))
            self.runs[network, seed] = score < limit.astype(np.float32)[self.labels]
        return self.runs[network, seed]

    def tested(self, runs: Iterable[Run], error: float) -> Tested:
        """What is known when these runs are finished."""
        seeds: dict[Key, list[int]] = {}
        for run in sorted(runs, key=lambda run: run.seed):
            seeds.setdefault((run.kind, run.n, run.bn), []).append(run.seed)
        right = {
            network: (tuple(own), np.array([self.right(network, seed) for seed in own]))
            for network, own in seeds.items()
        }
        return Tested(right, self.labels, clusters_of(len(self.labels)), 3, "balanced", error)

    def false(self, blocks: int, kept: int) -> tuple[bool, bool]:
        """Whether claims are false: blocks that are general, and the slice to keep."""
        general = blocks > 0 and self.truth["AnB", blocks, "inference"] <= -MARGIN
        return general, kept < _NONE and self.truth["sliced", kept, ""] <= -MARGIN


def claims(tested: Tested) -> tuple[int, int]:
    """Blocks said to be general, and n of the slice to keep, by the rules of the verdict."""
    shown: dict[str, list[bool]] = {}
    tried: dict[str, list[int]] = {}
    for kind, bn in START:
        compared = compare(tested, tested.family(kind, bn), BASE, MARGIN)
        tried[kind] = [key[1] or 0 for key in compared]
        shown[kind] = [comparison.outcome == "shown" for comparison in compared.values()]
    general, cut = (
        [n for n, ok in zip(tried[kind], shown[kind], strict=True) if ok]
        for kind in ("AnB", "sliced")
    )
    return max(general, default=0), min(cut, default=_NONE)


def play(study: Simulated, rule: str) -> tuple[list[tuple[int, int]], int, tuple[Key, ...]]:
    """A study by one of the rules: claims at every look, runs, and what is open at the end."""
    if rule == "grid":
        tested = study.tested(_GRID, LEVEL)
        return [claims(tested)], len(_GRID), plan(tested, MARGIN).open
    error = LEVEL if "5 %" in rule else LEVEL_OF_A_LOOK
    done, seen = set(start()), []
    for look in range(LOOKS):
        if rule.startswith("six looks"):
            done = _with_seeds((2, 3, 4, 6, 8, 12)[look])
        tested = study.tested(done, error)
        seen.append(claims(tested))
        ahead = plan(tested, MARGIN)
        if rule.startswith("until") and (not ahead.runs or look == LOOKS - 1):
            break
        done |= set(ahead.runs)
    return seen, sum(len(seeds) for seeds, _ in tested.right.values()), ahead.open


def _with_seeds(count: int) -> set[Run]:
    return {
        Run(run.kind, run.n, seed, run.bn)
        for run in start()
        for seed in range(count * (2 if run.kind == "baseB" else 1))
    }


def cell(
    scenario: str,
    rules: Sequence[str],
    studies: int,
    sd: float = 0.006,
    images: int = 4000,
    of_network: float = 0.1,
    variances: str = "equal",
    dependent: bool = True,
) -> list[dict[str, object]]:
    """Rows of the table, one a rule; all rules see the same studies."""
    setting = (scenario, sd, images, of_network, variances, dependent)
    key = zlib.crc32(repr(setting).encode())
    simulated = [Simulated(*setting, key + number) for number in range(studies)]
    rows = []
    for rule in rules:
        played = [play(study, rule) for study in simulated]
        false = np.array(
            [
                np.any([study.false(*claim) for claim in seen], axis=0)
                for study, (seen, _, _) in zip(simulated, played, strict=True)
            ]
        )
        bounds = stats.binomtest(int(false.sum(0).max()), studies).proportion_ci(method="exact")
        last = np.array([seen[-1] for seen, _, _ in played])
        left = [{key[0] for key in still} for _, _, still in played]
        rows.append(
            {
                "scenario": scenario,
                "rule": rule,
                "images": images,
                "frames": "alike in recordings" if dependent else "independent",
                "sd": sd,
                "variances": variances,
                "studies": studies,
                "false_general": false[:, 0].mean(),
                "false_cut": false[:, 1].mean(),
                "low": bounds.low,
                "high": bounds.high,
                "general": (last[:, 0] > 0).mean(),
                "cut": (last[:, 1] < _NONE).mean(),
                "blocks": last[:, 0].mean(),
                "kept": last[:, 1].mean(),
                "decided_cut": np.mean(["sliced" not in kinds for kinds in left]),
                "decided_general": np.mean(["AnB" not in kinds for kinds in left]),
                "runs": np.mean([runs for _, runs, _ in played]),
                "looks": np.mean([len(seen) for seen, _, _ in played]),
            }
        )
    return rows


def table(size: int = 200, power: int = 80) -> pd.DataFrame:
    """Every cell, with this many simulated studies for errors, and for power.

    The two cells with the most false claims have three times as many.
    """
    rows = []
    rows += cell("at the margin", ["until decided, 5 % a look"], size)
    for scenario in ("at the margin", "edge at the margin"):
        for setting in (
            {},
            {"variances": "unequal"},
            {"variances": "worse is noisier"},
            {"images": 1000},
            {"sd": 0.018},
            _REAL,
        ):
            most = scenario == "at the margin" and setting == {"variances": "unequal"}
            rows += cell(scenario, ["until decided"], 3 * size if most else size, **setting)
    looks = ["six looks", "six looks, 5 % a look"]
    rows += cell("at the margin", looks, size)
    rows += cell("at the margin", looks[:1], 3 * size, sd=0.018, dependent=False)
    rows += cell("at the margin", looks[1:], size, sd=0.018, dependent=False)
    compared = ["until decided", "grid"]
    rows += cell("clear", compared, power)
    rows += cell("clear", compared, power // 2, images=20000)
    for scenario in ("lanes, fractals", "lanes, imagenet"):
        rows += cell(scenario, compared, power, **_LANES)  # type: ignore[arg-type]
    rows += cell("real drives", compared, power, **_REAL)  # type: ignore[arg-type]
    return pd.DataFrame(rows)


def main() -> None:
    frame = table()
    text = frame.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(RESULTS / "until_decided.csv", text)
    print(frame.to_string(index=False))


if __name__ == "__main__":
    main()
