"""How well scores and predictions agree with the committed studies: two tables.

Written anew with ``python -c "from transfer.scores.record import write_record;
write_record('experiments-results')"``.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from transfer.errors import TransferError
from transfer.scores import agreement, prediction
from transfer.scores.table import read_scores
from transfer.tables import read_table, write_table

FOLDER = "agreement"
_AGREEMENT_TYPES = {
    "study": "string",
    **dict.fromkeys(agreement.COLUMNS, "float64"),
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
        agreements[study.name] = agreement.agreement(scores, agreement.measured(study))
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
