"""How often verdicts are false, and how often they find what is true: simulated studies.

``python -m benchmarks.verdicts`` simulates studies of baseB and thirteen networks, asks for both
verdicts by the present rules and by those they replaced, and writes ``results/verdicts.csv`` and
``results/verdicts.png``. A study has frames in recordings of 70, alike in time. Its networks err on
the same frames, on frames of their own, and on frames of a single run; and seeds differ.

Rules, for a margin of one point:

- ``new``: balanced accuracy, clusters of frames, pooled variances. Both are step-down tests with
  the joint correlation.
- ``sequence``: the same, but in a fixed sequence until the first failure, ``general`` from n = 1
  up, ``cut`` from n = 13 down.
- ``old``: accuracy, images resampled in blocks of 20, seeds paired, Student's t with one degree of
  freedom less than seeds. ``cut`` is the smallest n that passes by itself.

Columns: ``false``, the share of studies with a false verdict; ``true``, with a true one; ``full``,
with all that is true; ``blocks``, the mean number of blocks that are general, or cut off.
"""

import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import signal, special

from benchmarks import figures
from transfer.files import write_atomically
from transfer.statistics.accuracies import clusters_of, measure
from transfer.statistics.differences import correlation, difference
from transfer.statistics.rules import step_down
from transfer.statistics.seeds import seed_variance
from transfer.tables import format_number

RESULTS = Path(__file__).parent / "results"
MARGIN, LEVEL = 0.01, 0.05
BLOCKS = 13
STUDIES = 300
#: The true difference from baseB, n = 1 to 13, of the frozen networks that ``general`` asks about.
#: The slices that ``cut`` asks about have the same in reverse. A difference of exactly the margin
#: is the hardest of false claims.
SCENARIOS = {
    "at the margin": [-0.01] * BLOCKS,
    "equal up to 6": [0.0] * 6 + [-0.01, -0.015, -0.02, -0.03, -0.05, -0.1, -0.2],
    "all equal": [0.0] * BLOCKS,
    # As the committed slices: the last ones fall off, too, which ends a sequence from 13 down.
    "hump": [-0.015, 0.0, 0.01, 0.015, 0.015, 0.015, 0.01, 0.0, -0.01, -0.02, -0.03, -0.1, -0.5],
}
SEED_SD = 0.006
RECORDING, MEMORY = 70, 0.85  # frames; correlation of neighbours
#: Shares of the difficulty of a frame that are one network's, and one run's. As on the committed
#: simulated drives, they give a standard error over images of 0.5 points, and 0.5 of a single run.
OF_NETWORK, OF_RUN = 0.1, 0.15
_CLASS_SHARES = (0.55, 0.3, 0.15)
_RECALL = np.array([0.88, 0.82, 0.76])  # of baseB
_DRAWS = 1000


def _labels(images: int) -> np.ndarray:
    """Classes in stretches of 25 frames."""
    rng = np.random.default_rng(images)
    return np.repeat(rng.choice(3, -(-images // 25), p=_CLASS_SHARES), 25)[:images]


def _noise(rng: np.random.Generator, shape: tuple[int, ...], dependent: bool) -> np.ndarray:
    """Standard normal noise float32 ``shape``, its last axis alike in time within recordings."""
    images = shape[-1]
    if not dependent:
        return rng.standard_normal(shape, np.float32)
    recordings = -(-images // RECORDING)
    noise = rng.standard_normal((*shape[:-1], recordings, RECORDING), np.float32)
    noise[..., 1:] *= np.float32(1 - MEMORY**2) ** 0.5
    noise = signal.lfilter([1], np.array([1, -MEMORY], np.float32), noise)
    return noise.reshape(*shape[:-1], -1)[..., :images]


def simulate(
    differences: np.ndarray, seeds: int, images: int, dependent: bool, variances: str, key: int
) -> Iterator[np.ndarray]:
    """Simulated studies: which images each run gets right, bool (networks, seeds, images).

    The last network is baseB. The expected recall of each class is exactly that of baseB plus the
    difference; a run of any seed is off by the same in every class.
    """
    rng = np.random.default_rng(key)
    truth = np.append(differences, 0.0)
    labels = _labels(images)
    for _ in range(STUDIES):
        sd = np.full(len(truth), SEED_SD)
        if variances == "unequal":
            sd *= np.exp(rng.normal(0, 0.5, len(truth)))
        elif variances == "worse is noisier":
            sd *= np.where(truth < 0, 2, 1)
        shift = truth[:, None] + rng.normal(0, 1, (len(truth), seeds)) * sd[:, None]
        score = _noise(rng, (len(truth), seeds, images), dependent) * np.float32(OF_RUN**0.5)
        score += _noise(rng, (len(truth), 1, images), dependent) * np.float32(OF_NETWORK**0.5)
        score += _noise(rng, (images,), dependent) * np.float32((1 - OF_RUN - OF_NETWORK) ** 0.5)
        limit = special.ndtri((_RECALL + shift[..., None]).clip(1e-6, 1 - 1e-6))
        yield score < np.take(limit.astype(np.float32), labels, axis=-1)


def new(right: np.ndarray, labels: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, ...]:
    """p-values that each network is worse by the margin, alone and adjusted for all."""
    accuracies = measure(list(right), labels, clusters, classes=3)
    spread = seed_variance(accuracies.by_seed)
    networks = np.arange(BLOCKS)
    p = 1 - difference(accuracies, spread, networks, BLOCKS).probability_above(-MARGIN)
    return p, step_down(p, correlation(accuracies, spread, networks, BLOCKS))


def old(right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Which networks the replaced rule passed, each n by itself."""
    seeds, images = right.shape[1:]
    block = np.arange(images) // max(1, min(20, images // 30))
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    sums = np.add.reduceat(right, starts, axis=2, dtype=np.int32)
    pairs = sums[:-1] - sums[-1]  # (networks, seeds, blocks)
    sizes = np.bincount(block).astype(float)
    count = len(sizes)
    estimate = pairs.sum(2).mean(1) / images
    means = (weights @ pairs.mean(1).T) / (weights @ sizes)[:, None]  # (draws, networks)
    deviations = (means - estimate) * np.sqrt(count / (count - 1))
    sd = (pairs.sum(2) / images).std(1, ddof=1)
    t = np.random.default_rng(1).standard_t(seeds - 1, (len(weights), 1))
    return estimate + np.quantile(deviations + sd / seeds**0.5 * t, LEVEL, axis=0) > -MARGIN


def _block_weights(images: int) -> np.ndarray:
    count = int(np.ceil(images / max(1, min(20, images // 30))))
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _DRAWS)


def cell(scenario: str, seeds: int, images: int, dependent: bool, variances: str) -> list[dict]:
    """Rows of the table, one a statement and rule."""
    truth = np.array(SCENARIOS[scenario])
    labels, clusters = _labels(images), clusters_of(images)
    weights = _block_weights(images)
    setting = {
        "scenario": scenario,
        "seeds": seeds,
        "images": images,
        "frames": "alike in recordings" if dependent else "independent",
        "variances": variances,
    }
    key = zlib.crc32(repr(setting).encode())
    claims: dict[tuple[str, str], list[int]] = {}
    for right in simulate(truth, seeds, images, dependent, variances, key):
        p, adjusted = new(right, labels, clusters)
        alone = old(right, weights)
        both = {"new": adjusted <= LEVEL, "sequence": np.logical_and.accumulate(p <= LEVEL)}
        rules = {"general": {"old": np.logical_and.accumulate(alone)}, "cut": {"old": alone}}
        for statement, more in rules.items():
            for rule, passed in {**both, **more}.items():
                claimed = int((passed * np.arange(1, 14)).max())
                claims.setdefault((statement, rule), []).append(claimed)
    # A claim is a place: n of AnB, or 14 - n of sliced-n. It is false if that network is worse; if
    # `general` comes from a sequence, it speaks of all networks up to it.
    acceptable = truth > -MARGIN
    upto = int(np.logical_and.accumulate(acceptable).sum())
    farthest = int((acceptable * np.arange(1, 14)).max())
    rows = []
    for (statement, rule), places in claims.items():
        place = np.array(places)
        if statement == "general" and rule != "new":
            false, most = place > upto, upto
        else:
            false, most = (place > 0) & ~np.append(False, acceptable)[place], farthest
        true = (place > 0) & ~false
        rows.append(
            {"statement": statement, "rule": rule}
            | setting
            | {
                "studies": len(place),
                "false": false.mean(),
                "true": true.mean(),
                "full": (true & (place == most)).mean(),
                "blocks": place.mean(),
            }
        )
    return rows


def settings() -> Iterator[tuple[str, int, int, bool, str]]:
    """Every cell of the table."""
    for scenario, seeds in product(SCENARIOS, (2, 3, 5)):
        for images in (1000, 4000):
            yield scenario, seeds, images, True, "equal"
        yield scenario, seeds, 4000, False, "equal"
        for variances in ("unequal", "worse is noisier"):
            yield scenario, seeds, 4000, True, variances


def main() -> None:
    rows = [row for setting in settings() for row in cell(*setting)]
    table = pd.DataFrame(rows)
    text = table.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(RESULTS / "verdicts.csv", text)
    print(table.to_string(index=False))
    print(*figures.draw_verdicts(RESULTS / "verdicts.csv"))


if __name__ == "__main__":
    main()
