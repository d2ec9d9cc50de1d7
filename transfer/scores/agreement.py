"""How far a score can be trusted: does it rank the values of n as measured accuracy does?

A score that knows where to cut must rise and fall with accuracy across the blocks of one network.
Kendall's tau counts the pairs of n that both order alike; the weighted tau counts pairs among the
best more (Vigna 2015), as is usual for such scores across models.

Values of n are few and not independent: n blocks are the first n of n + 1, so that neighbours
resemble each other in score and in accuracy. Whatever rises with depth agrees with whatever else
does. The control is `DEPTH`: n itself as a score, which looks at no image.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.scores.measured import Measured

DEPTH = "depth"  #: name of the control
_FEWEST = 4  # values of n
_BOUNDS = ("tau_low", "tau_high", "tau_low_n", "tau_high_n")
COLUMNS = (
    "score", "kind", "blocks", "seeds", "tau", *_BOUNDS,
    "weighted_tau", *(f"weighted_{bound}" for bound in _BOUNDS),
    "over_depth", "over_depth_low", "over_depth_high",
)  # fmt: skip


def agreement(
    scores: pd.DataFrame, accuracies: Sequence[Measured], *, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Rank correlation of every score with measured test accuracy, across n.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns ``block``, ``score``, ``value``, as in scores.csv. Scores with fewer than four
        blocks (LEEP and NCE have one) are left out.
    accuracies : sequence of Measured
        As from `transfer.scores.measured.measured`. A kind with fewer than four values of n is
        left out.
    seed : int
        Of the resampling of n.
    level : float
        Of both intervals, percentiles of the draws of `Measured`.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, one row a score and kind, `DEPTH` last.

        ``tau_low``, ``tau_high``
            Other test images and seeds, these n: what is known of this network on these data. A
            draw adds noise to accuracies that have noise already, so that draws lean towards 0
            and tau can lie at the upper end of its interval, or beyond it.
        ``tau_low_n``, ``tau_high_n``
            The n are drawn with replacement too. Neighbouring n are taken as independent, which
            makes it too narrow as a statement about other networks.
        ``over_depth``, ``over_depth_low``, ``over_depth_high``
            Tau minus that of the control, draw by draw, with the first kind of interval.

        Scores are taken as they are: their own noise, from the training images, is not resampled.
        NaN where a score or accuracy is the same for every n.

    Raises
    ------
    TransferError
        If no kind and score have four values of n in common.
    """
    rows = []
    for of_kind in accuracies:
        for score, value in _values(scores):
            places = [place for place, n in enumerate(of_kind.n) if n in value.index]
            if len(places) < _FEWEST:
                continue
            n = of_kind.n[places]
            x = value.loc[n].to_numpy(float)
            mean, drawn = of_kind.mean[places], of_kind.drawn[:, places]
            taus = _with_intervals(x, mean, drawn, seed, level)
            over = _over(x, n.astype(float), mean, drawn, level)
            rows.append((score, of_kind.kind, len(places), of_kind.seeds, *taus, *over))
    if not rows:
        raise TransferError(
            f"Expected scores and measured accuracies of {_FEWEST} or more values of n. "
            "Received: fewer in common; run more of --n."
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _values(scores: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """Every score by block, and the control."""
    found = [
        (str(name), of_score.set_index("block")["value"])
        for name, of_score in scores.groupby("score", sort=False)
    ]
    blocks = sorted(set(scores["block"]))
    return [*found, (DEPTH, pd.Series(blocks, index=blocks, dtype=float))]


def _with_intervals(
    x: np.ndarray, y: np.ndarray, drawn: np.ndarray, seed: int, level: float
) -> tuple[float, ...]:
    """Both taus of (x, y), each with its two intervals."""
    again = np.random.default_rng(seed).integers(0, len(x), drawn.shape)
    scores = np.broadcast_to(x, drawn.shape)
    found: list[float] = []
    for measure in (kendall_tau, weighted_tau):
        found.append(float(measure(x[None], y[None])[0]))
        found += _interval(measure(scores, drawn), level)
        found += _interval(measure(x[again], np.take_along_axis(drawn, again, axis=1)), level)
    return tuple(found)


def _over(
    x: np.ndarray, control: np.ndarray, y: np.ndarray, drawn: np.ndarray, level: float
) -> tuple[float, ...]:
    """Kendall's tau of (x, y) minus that of (control, y), with its interval over draws of y."""
    found = float(kendall_tau(x[None], y[None])[0] - kendall_tau(control[None], y[None])[0])
    first, second = (
        kendall_tau(np.broadcast_to(score, drawn.shape), drawn) for score in (x, control)
    )
    return found, *_interval(first - second, level)


def _interval(taus: np.ndarray, level: float) -> list[float]:
    taus = taus[np.isfinite(taus)]  # a draw of one n many times has no order
    if not len(taus):
        return [np.nan, np.nan]
    return [float(bound) for bound in np.quantile(taus, (0.5 - level / 2, 0.5 + level / 2))]


def kendall_tau(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row: pairs in the same order minus pairs in the other.

    Parameters
    ----------
    x, y : float (rows, n)

    Returns
    -------
    float64 (rows,)
        -1 to 1; NaN where all of x or all of y are equal (Kendall 1945).
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
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(first.shape[1])[None], axis=1)
    return ranks
