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


def hundred(share: float) -> str:
    """A share of 1 as one of 100, with one digit: 0.9041 is ``90.4``.

    >>> hundred(-0.0004)
    '0.0'
    """
    return f"{round(100 * share, 1) + 0.0:.1f}"


_PARTS = {
    "half": 1 / 2,
    "a third": 1 / 3,
    "two thirds": 2 / 3,
    "a quarter": 1 / 4,
    "three quarters": 3 / 4,
    "a fifth": 1 / 5,
    "a tenth": 1 / 10,
}


def part_of(share: float) -> str:
    """A share in words where they come within a tenth of it, and in percent otherwise.

    >>> part_of(0.49), part_of(0.21), part_of(0.86)
    ('half', 'a fifth', '86 %')
    """
    words, near = min(_PARTS.items(), key=lambda item: abs(item[1] / share - 1))
    return words if abs(near / share - 1) < 0.07 else f"{100 * share:.2g} %"


def one_or_more(margin: float) -> str:
    """A margin in points: ``1 point``, ``0.5 points``."""
    return f"{100 * margin:g} {'point' if margin == 0.01 else 'points'}"


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


def file_sizes(small: float, large: float) -> str:
    """Two sizes in the unit of the larger.

    >>> file_sizes(75_300, 870_000)
    '75 kB instead of 870'
    """
    unit, name, digits = (1e3, "kB", 0) if large < 1e6 else (1e6, "MB", 2)
    return f"{small / unit:.{digits}f} {name} instead of {large / unit:.{digits}f}"


def percent(share: float) -> str:
    """A probability in percent; never a certainty.

    >>> percent(0.9999), percent(0.684)
    ('over 99 %', '68 %')
    """
    if not 0.01 <= share <= 0.99:
        return "over 99 %" if share > 0.5 else "under 1 %"
    return f"{100 * share:.0f} %"


def within(margin: float) -> str:
    """A margin of accuracy in points: ``within 1 point``, ``within 0.5 points``."""
    return f"within {one_or_more(margin)}"
