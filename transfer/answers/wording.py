"""How numbers are put into sentences: points, spans of n, sample sizes."""

from collections.abc import Iterable


def points(difference: float) -> str:
    """A difference of accuracies in points, signed: 0.0234 is ``+2.3``, and never ``-0.0``.

    >>> points(-0.0001)
    '+0.0'
    """
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def spans(numbers: Iterable[int]) -> str:
    """Whole numbers in rising order, neighbours drawn together.

    >>> spans([1, 2, 3, 4, 7])
    '1-4, 7'
    >>> spans([1, 2, 7])
    '1, 2, 7'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = []
    for run in runs:
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(number) for number in run]
    return ", ".join(parts)


def about(count: int) -> str:
    """Two digits: a sample size worked out from one estimate is no better known than that."""
    if count > 1_000_000:  # the difference seen is all but the margin itself
        return "more than a million"
    return f"about {int(float(f'{count:.2g}')):,}"


def count_seeds(seeds: int) -> str:
    """``one seed`` or ``3 seeds``."""
    return "one seed" if seeds == 1 else f"{seeds} seeds"


def file_size(size: float) -> str:
    """Bytes as a person reads them.

    >>> file_size(21_400)
    '21 kB'
    >>> file_size(212_000)
    '0.21 MB'
    """
    return f"{size / 1e3:.0f} kB" if size < 1e5 else f"{size / 1e6:.2f} MB"


def within(margin: float) -> str:
    """A margin of accuracy in points: ``within 1 point``, ``within 0.5 points``."""
    return f"within {100 * margin:g} {'point' if margin == 0.01 else 'points'}"
