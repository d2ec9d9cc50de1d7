"""CSV tables of a study: read with a bound on their size, changed under a lock, written whole."""

import contextlib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.errors import TransferError
from transfer.files import exclusively, lock_beside, read_bytes, write_atomically
from transfer.runs import KINDS, parse_run

MOST_BYTES = 64 << 20
# A hostile table could ask pandas for gigabytes: many short lines under a wide header.
_MOST_CELLS, _MOST_COLUMNS = 16_000_000, 64


def format_number(value: float) -> str:
    """Six significant digits: enough for any accuracy, and the same text on every machine."""
    return f"{value:.6g}"


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a cell for a formula, which may start a program.

    >>> [is_formula(text) for text in ("=cmd|' /C calc'!A0", "@SUM(1)", "-1", "left")]
    [True, True, False, False]
    """
    return text.startswith(("=", "+", "-", "@")) and not re.fullmatch(r"[+-][\d.]+", text)


def read_table(
    path: str | Path,
    columns: Sequence[str],
    types: Mapping[str, Any],
    remedy: str = "",
    optional: Collection[str] = (),
) -> pd.DataFrame:
    """The columns of a table, in this order; others may be in the file and are left out.

    ``types``: as for ``DataFrame.astype``; an empty cell is a missing value, but "" in a column of
    the type ``string``. ``remedy``: a sentence for the reader of the error. ``optional``: columns
    that the table may lack: all their values are then missing.
    """
    texts = {column: "string" for column, kind in types.items() if kind == "string"}
    empty = {column: [""] for column in columns if column not in texts}
    expected = f"a table of {', '.join(columns)}"
    try:
        frame = _parsed(path, usecols=set(columns).__contains__, dtype=texts, na_values=empty)
        for column in set(optional) - set(frame.columns):
            frame[column] = "" if column in texts else None
        for column in columns:
            if column not in frame:
                expected = f"a table with the column {column}"
                raise ValueError(expected)
        return frame[list(columns)].astype(dict(types))
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise TransferError(
            f"Expected {expected} in {path}. It is missing or malformed. {remedy}".rstrip()
        ) from error


def _parsed(path: str | Path, **options: Any) -> pd.DataFrame:
    text = read_bytes(path, MOST_BYTES)
    columns = text.partition(b"\n")[0].count(b",") + 1
    rows = text.count(b"\n") + text.count(b"\r")
    if columns > _MOST_COLUMNS or rows * columns > _MOST_CELLS:
        raise ValueError("too many rows or columns")
    return pd.read_csv(io.BytesIO(text), keep_default_na=False, **options)


def write_table(path: str | Path, frame: pd.DataFrame) -> Path:
    """Write the table atomically, numbers with six significant digits. Returns its path."""
    write_atomically(path, _text(frame))
    return Path(path)


def _text(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, float_format=format_number, lineterminator="\n")


def upsert(
    path: str | Path, rows: pd.DataFrame, keys: Sequence[str], keep: Collection[str] | None = None
) -> Path:
    """Put rows into a table that other processes may be changing too, as `merge` does."""
    path = Path(path)
    with exclusively(lock_beside(path)):
        return merge(path, rows, keys, keep)


def merge(
    path: Path, rows: pd.DataFrame, keys: Sequence[str], keep: Collection[str] | None = None
) -> Path:
    """Put rows into a table; whoever calls it holds the lock that guards the table.

    Rows whose keys equal those of a new row are replaced; the others stay as they are written. The
    result is sorted by the keys: runs in the order of the protocol, numbers in text by their value.
    ``keep``: values of the first key; rows of others are dropped.
    """
    new = pd.read_csv(io.StringIO(_text(rows)), dtype="str", keep_default_na=False)
    try:
        old = _parsed(path, dtype="str")
        same = pd.MultiIndex.from_frame(old[list(keys)])
    except FileNotFoundError:
        old, same = new.iloc[:0], pd.MultiIndex.from_frame(new[list(keys)].iloc[:0])
    except (OSError, ValueError, LookupError) as error:
        raise TransferError(
            f"Expected a table with the columns {', '.join(keys)} in {path}. It cannot be read: "
            "mend it, or remove it to begin anew."
        ) from error
    stay = ~same.isin(pd.MultiIndex.from_frame(new[list(keys)]))
    if keep is not None:
        stay &= old[keys[0]].isin(keep).to_numpy()
    both = pd.concat([new.iloc[:0], old[stay], new]).fillna("")
    places = both[list(keys)].map(place).apply(tuple, axis=1)
    return write_table(path, both.iloc[sorted(range(len(both)), key=list(places).__getitem__)])


def place(text: str) -> tuple[Any, ...]:
    """What names are sorted by: runs first, in the order of the protocol, seed last.

    Other text follows, numbers in it by their value.

    >>> sorted(["sliced-10_s0", "probe-10", "baseB_s0", "sliced-9_s0", "probe-9"], key=place)
    ['baseB_s0', 'sliced-9_s0', 'sliced-10_s0', 'probe-9', 'probe-10']
    """
    with contextlib.suppress(TransferError):
        run = parse_run(text)
        n = -1 if run.n is None else run.n
        return 0, list(KINDS).index(run.kind), run.bn, run.fraction, n, run.seed
    parts = re.split(r"(\d+)", text)
    return 1, *(int(part) if i % 2 else part for i, part in enumerate(parts))
