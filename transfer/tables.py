"""CSV tables beside a study's runs.csv: read with a bound on their size, written atomically."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.errors import TransferError
from transfer.files import read_bytes, write_atomically
from transfer.results import format_number

MOST_BYTES = 16 << 20


def read_table(
    path: str | Path, columns: Sequence[str], types: Mapping[str, Any], remedy: str = ""
) -> pd.DataFrame:
    """The columns of a table, in this order.

    Parameters
    ----------
    path : path
    columns : sequence of str
        Others may be in the file and are left out.
    types : mapping
        What columns are converted to, as for ``DataFrame.astype``.
    remedy : str
        A sentence for the reader of the error.

    Raises
    ------
    TransferError
        If the file is missing, larger than 16 MiB, or not a table of these columns and types.
    """
    try:
        frame = pd.read_csv(io.BytesIO(read_bytes(path, MOST_BYTES)), usecols=list(columns))
        return frame[list(columns)].astype(dict(types))
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise TransferError(
            f"Expected a table of {', '.join(columns)} in {path}. It is missing or malformed. "
            f"{remedy}".rstrip()
        ) from error


def write_table(path: str | Path, frame: pd.DataFrame) -> Path:
    """Write the table atomically, numbers with six significant digits. Returns its path."""
    text = frame.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(path, text)
    return Path(path)
