"""How far a score can be trusted: does it rank the values of n as measured accuracy does?

Kendall's tau counts the pairs of n that both order alike; the weighted tau counts pairs among the
best more (Vigna 2015). Any two quantities that rise with depth agree: the control is `DEPTH`, n
itself as a score. `write_record` writes the tables of the committed studies anew.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.runs import KERAS_3
from transfer.scores import prediction
from transfer.scores.table import DEPTH, read_scores
from transfer.statistics.comparison import read_tested
from transfer.statistics.differences import difference
from transfer.statistics.seeds import seed_variance
from transfer.tables import read_table, write_table

#: Kinds whose accuracy scores are compared with; AnB with BatchNorm semantics ``inference``.
MEASURED_KINDS = ("AnB", "AnB+", "sliced")
_FEWEST = 4  # values of n
_TAUS = tuple(
    f"{measure}tau{bound}"
    for measure in ("", "weighted_")
    for bound in ("", "_low", "_high", "_low_n", "_high_n")
)
COLUMNS = (
    *("score", "kind", "blocks", "seeds", *_TAUS),
    *("over_depth", "over_depth_low", "over_depth_high"),
)
FOLDER = "agreement"
_AGREEMENT_TYPES = {
    "study": "string",
    **dict.fromkeys(COLUMNS, "float64"),
    **dict.fromkeys(("score", "kind"), "string"),
    **dict.fromkeys(("blocks", "seeds"), "int64"),
}
_PREDICTION_TYPES = {
    "study": "string",
    **dict.fromkeys(prediction.COLUMNS, "float64"),
    "question": "string",
    **dict.fromkeys(("predicted", "answer_low", "answer_high"), "int64"),
    "right": "bool",
}


@dataclass(frozen=True, eq=False)
class Measured:
    """Balanced test accuracy of one kind of network at every n that was run, n = 1 and above."""

    kind: str
    n: np.ndarray  #: int (k,), in rising order
    mean: np.ndarray  #: float (k,): mean over seeds, 0..1
    #: float (draws, k), means with other test images and other seeds; see `measured`
    drawn: np.ndarray
    seeds: int  #: the fewest of any n. With one, ``drawn`` knows of other images only.


def measured(study_dir: str | Path, draws: int = 2000, seed: int = 0) -> list[Measured]:
    """Balanced accuracies of each of `MEASURED_KINDS`, trained on all images.

    A draw is normal, with the covariance that shared test images give to the means; each n is moved
    by a Student's t besides, scaled by its standard error over seeds.
    """
    tested = read_tested(study_dir)
    networks = []
    for kind, bn in itertools.product(MEASURED_KINDS, KERAS_3):
        keys = [key for key in tested.family(kind, bn) if key[1]]
        if not keys:
            continue
        accuracies = tested.accuracies(keys)
        mean, covariance = accuracies.mean, accuracies.covariance()
        spread = seed_variance(accuracies.by_seed)
        by_seeds = difference(accuracies, spread, np.arange(len(keys)), None).by_seeds
        rng = np.random.default_rng(seed)
        drawn = rng.multivariate_normal(mean, covariance, draws, method="eigh")
        if spread.known:
            drawn += np.sqrt(by_seeds) * rng.standard_t(spread.df, drawn.shape)
        n = np.array([key[1] for key in keys])
        networks.append(Measured(kind, n, mean, drawn, int(accuracies.seeds.min())))
    return networks


def agreement(scores: pd.DataFrame, accuracies: Sequence[Measured], seed: int = 0) -> pd.DataFrame:
    """Rank correlation of every score with measured test accuracy, across n; `DEPTH` last.

    Intervals are 95 % percentiles of the draws of `Measured`: ``tau_low``, ``tau_high`` with other
    test images and seeds (draws add noise, so they lean towards 0); ``tau_low_n``, ``tau_high_n``
    with n drawn with replacement too, as if neighbours were independent: too narrow for other
    networks. ``over_depth``: tau minus that of the control, draw by draw. Needs four values of n.
    """
    blocks = sorted(set(scores["block"]))
    values = {
        str(name): group.set_index("block")["value"]
        for name, group in scores.groupby("score", sort=False)
    } | {DEPTH: pd.Series(blocks, index=blocks, dtype=float)}
    rows = []
    for accuracy in accuracies:
        for name, value in values.items():
            places = [place for place, n in enumerate(accuracy.n) if n in value.index]
            if len(places) < _FEWEST:
                continue
            n, mean, drawn = accuracy.n[places], accuracy.mean[places], accuracy.drawn[:, places]
            x = value.loc[n].to_numpy(float)
            taus = _with_intervals(x, mean, drawn, seed)
            taus += _over_depth(x, n.astype(float), mean, drawn)
            rows.append((name, accuracy.kind, len(places), accuracy.seeds, *taus))
    if not rows:
        raise TransferError(
            f"Expected scores and measured accuracies of {_FEWEST} or more values of n. "
            "Received: fewer in common; run more of --n."
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _with_intervals(x: np.ndarray, y: np.ndarray, drawn: np.ndarray, seed: int) -> list[float]:
    """Both taus of (x, y), each with its two intervals."""
    again = np.random.default_rng(seed).integers(0, len(x), drawn.shape)
    scores = np.broadcast_to(x, drawn.shape)
    numbers: list[float] = []
    for measure in (kendall_tau, weighted_tau):
        numbers.append(float(measure(x[None], y[None])[0]))
        numbers += _interval(measure(scores, drawn))
        numbers += _interval(measure(x[again], np.take_along_axis(drawn, again, axis=1)))
    return numbers


def _over_depth(x: np.ndarray, n: np.ndarray, y: np.ndarray, drawn: np.ndarray) -> list[float]:
    """Kendall's tau of (x, y) minus that of (n, y), with its interval over draws of y."""
    every = np.vstack([y, drawn])
    of_score, of_depth = (kendall_tau(np.broadcast_to(v, every.shape), every) for v in (x, n))
    difference = of_score - of_depth
    return [float(difference[0]), *_interval(difference[1:])]


def _interval(taus: np.ndarray) -> list[float]:
    taus = taus[np.isfinite(taus)]  # a draw of one n many times has no order
    if not len(taus):
        return [np.nan, np.nan]
    return [float(bound) for bound in np.quantile(taus, (0.025, 0.975))]


# scipy.stats has both taus for one pair of rows; here are thousands, fifty times faster.


def kendall_tau(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row: pairs in the same order minus pairs in the other.

    ``x``, ``y``: float (rows, n).
    Returns -1 to 1; NaN where all of x or all of y are equal (Kendall 1945).
    """
    return _tau(x, y, np.ones_like(x, dtype=float))


def weighted_tau(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weighted tau of each row, additive hyperbolic weights, as ``scipy.stats.weightedtau``.

    The pair (i, j) weighs 1 / (r_i + 1) + 1 / (r_j + 1), r the rank from the best, 0; the mean of
    ranking by x (ties by y) and ranking by y (ties by x) (Vigna 2015). Arguments as `kendall_tau`.
    """
    by_x = _tau(x, y, 1 / (1.0 + _ranks(x, y)))
    by_y = _tau(x, y, 1 / (1.0 + _ranks(y, x)))
    return (by_x + by_y) / 2


def _tau(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    pairs = weight[:, :, None] + weight[:, None, :]  # (rows, n, n); the diagonal has no sign
    sign_x = np.sign(x[:, :, None] - x[:, None, :])
    sign_y = np.sign(y[:, :, None] - y[:, None, :])
    both = (pairs * sign_x * sign_y).sum((1, 2))
    norm = np.sqrt((pairs * sign_x**2).sum((1, 2)) * (pairs * sign_y**2).sum((1, 2)))
    return np.divide(both, norm, out=np.full(len(norm), np.nan), where=norm > 0)


def _ranks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rank of each value in its row from the largest, 0; ties by ``second``."""
    order = np.lexsort((second, first), axis=1)[:, ::-1]
    return np.argsort(order, axis=1)


def write_record(results: str | Path) -> list[Path]:
    """Compare every study of a folder that has ``scores.csv`` with its scores; two tables."""
    results = Path(results)
    studies = sorted(path.parent for path in results.glob("*/scores.csv"))
    if not studies:
        raise TransferError(
            f"Expected a study with scores.csv in {results}. There is none; "
            "`python -m transfer scores --out STUDY_DIR` writes it."
        )
    agreements, predictions = {}, {}
    for study in studies:
        scores = read_scores(study)
        agreements[study.name] = agreement(scores, measured(study))
        predictions[study.name] = prediction.check_predictions(scores, study)
    if all(table.empty for table in predictions.values()):
        raise TransferError(
            f"Expected a study in {results} with baseB and every AnB or sliced-n, n = 1 to 13, "
            "of two seeds or more. There is none."
        )
    folder = results / FOLDER
    return [
        _write(folder / "agreement.csv", agreements, _AGREEMENT_TYPES),
        _write(folder / "predictions.csv", predictions, _PREDICTION_TYPES),
    ]


def _write(path: Path, tables: Mapping[str, pd.DataFrame], types: Mapping[str, str]) -> Path:
    filled = {study: table for study, table in tables.items() if not table.empty}
    table = pd.concat(filled, names=["study"]).reset_index("study").astype(dict(types))
    return write_table(path, table)


def read_agreement(results: str | Path) -> pd.DataFrame:
    """``RESULTS/agreement/agreement.csv``."""
    return _read(Path(results) / FOLDER / "agreement.csv", _AGREEMENT_TYPES)


def read_predictions(results: str | Path) -> pd.DataFrame:
    """``RESULTS/agreement/predictions.csv``."""
    return _read(Path(results) / FOLDER / "predictions.csv", _PREDICTION_TYPES)


def _read(path: Path, types: Mapping[str, str]) -> pd.DataFrame:
    frame = read_table(path, list(types), types)
    if frame.empty:
        raise TransferError(f"Expected rows in {path}. It is empty, missing or malformed.")
    return frame
