"""How far a score can be trusted: does it rank the values of n as measured accuracy does?

A score that knows where to cut must rise and fall with accuracy across the blocks of one network.
Kendall's tau counts the pairs of n that both order alike; the weighted tau counts pairs among the
best more (Vigna 2015), as is usual for such scores across models.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from transfer.errors import TransferError

#: Kinds whose accuracy is compared; AnB with BatchNorm semantics ``inference``.
MEASURED_KINDS = ("AnB", "AnB+", "sliced")
_FEWEST = 4  # values of n
COLUMNS = (
    "score", "kind", "blocks", "tau", "tau_low", "tau_high",
    "weighted_tau", "weighted_tau_low", "weighted_tau_high",
)  # fmt: skip


def agreement(
    scores: pd.DataFrame,
    runs: pd.DataFrame,
    *,
    kinds: Sequence[str] = MEASURED_KINDS,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Rank correlation of every score with measured test accuracy, across n.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns ``block``, ``score``, ``value``, as in scores.csv. Scores with fewer than four
        blocks (LEEP and NCE have one) are left out.
    runs : pandas.DataFrame
        As from `transfer.results.read_runs`. Used are runs on all training images; accuracy of
        one n is the mean over its seeds.
    kinds : names of kinds
        A kind with fewer than four values of n is left out.
    draws, seed, level : int, int, float
        The interval is a percentile bootstrap over the values of n: points (score, accuracy) are
        drawn with replacement. It holds the noise of a measured accuracy as far as it scatters
        the points; neighbouring blocks are taken as independent, which makes it too narrow.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, one row a score and kind. NaN where a score or accuracy is the same for
        every n.

    Raises
    ------
    TransferError
        If no kind and score have four values of n in common.
    """
    used = runs[(runs["fraction"] == 1.0) & runs["bn"].isin(["", "inference"])]
    rows = []
    for kind in kinds:
        accuracy = used[used["kind"] == kind].groupby("n")["test_accuracy"].mean()
        for score, of_score in scores.groupby("score", sort=False):
            value = of_score.set_index("block")["value"]
            common = [n for n in accuracy.index if n in value.index]
            if len(common) < _FEWEST:
                continue
            x = value.loc[common].to_numpy(float)
            y = accuracy.loc[common].to_numpy(float)
            rows.append((score, kind, len(common), *_with_intervals(x, y, draws, seed, level)))
    if not rows:
        raise TransferError(
            f"Expected scores and measured accuracies of {_FEWEST} or more values of n. "
            "Received: fewer in common; run more of --n."
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _with_intervals(
    x: np.ndarray, y: np.ndarray, draws: int, seed: int, level: float
) -> tuple[float, ...]:
    drawn = np.random.default_rng(seed).integers(0, len(x), (draws, len(x)))
    found: list[float] = []
    for measure in (kendall_tau, weighted_tau):
        many = measure(x[drawn], y[drawn])
        many = many[np.isfinite(many)]  # a draw of one n many times has no order
        bounds = (0.5 - level / 2, 0.5 + level / 2)
        low, high = np.quantile(many, bounds) if len(many) else (np.nan, np.nan)
        found += [float(measure(x[None], y[None])[0]), float(low), float(high)]
    return tuple(found)


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
