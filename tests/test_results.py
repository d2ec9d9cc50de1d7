"""The files of a study: written whole, read back, refused in one sentence when not ours."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from transfer.errors import TransferError
from transfer.folding import write_log, write_predictions, write_row
from transfer.results import (
    RUN_COLUMNS,
    read_log,
    read_predictions,
    read_runs,
    read_test_labels,
    working,
)


def row(run="A3B_s0", kind="AnB", n=3):
    values = {"string": "x", "Int64": 1, "int64": 1, "float64": 0.5}
    filled = {column: values[dtype] for column, dtype in RUN_COLUMNS.items()}
    return {
        **filled,
        "run": run,
        "kind": kind,
        "n": n,
        "bn": "inference",
        "fraction": 1.0,
        "seed": 0,
    }


def test_rows_are_read_back_in_the_order_of_the_protocol(tmp_path):
    write_row(tmp_path, row("A7B_s0", "AnB", 7))
    write_row(tmp_path, row())
    write_row(tmp_path, row("baseB_s0", "baseB", None) | {"bn": ""})
    runs = read_runs(tmp_path)
    assert runs["run"].tolist() == ["baseB_s0", "A3B_s0", "A7B_s0"]
    assert runs["n"].isna().tolist() == [True, False, False]
    assert list(runs.columns)[:20] == list(RUN_COLUMNS)[:20]


@pytest.mark.parametrize(
    ("column", "value"),
    [("kind", "BnB"), ("n", 4), ("seed", 1), ("bn", "legacy"), ("fraction", 0.5)],
)
def test_a_row_that_says_something_else_than_its_name_is_refused(tmp_path, column, value):
    pd.DataFrame([row() | {column: value}]).to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(TransferError, match="that the name of each run says"):
        read_runs(tmp_path)


def test_a_run_counts_once(tmp_path):
    pd.DataFrame([row(), row()]).to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(TransferError, match="a run twice"):
        read_runs(tmp_path)


def test_a_table_of_an_older_version_lacks_columns_that_are_then_missing(tmp_path):
    table = pd.DataFrame([row()])
    later = ["last_val_accuracy", "last_test_accuracy", "last_test_balanced_accuracy"]
    later += ["threads", "tensorflow", "machine", "backbone"]
    assert list(table.columns)[-len(later) :] == later
    table.drop(columns=later).to_csv(tmp_path / "runs.csv", index=False)
    read = read_runs(tmp_path)
    assert list(read.columns) == list(RUN_COLUMNS)
    assert read[later].replace("", pd.NA).isna().all(axis=None)
    write_row(tmp_path, row("A7B_s0", "AnB", 7))
    both = read_runs(tmp_path)
    assert both.dtypes.to_dict() == read.dtypes.to_dict()
    assert both["threads"].isna().tolist() == [True, False]
    table.drop(columns="seconds").to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(TransferError, match="column seconds"):
        read_runs(tmp_path)


def test_a_log_is_read_back(tmp_path):
    columns = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
    write_log(tmp_path, "baseB_s0", [dict.fromkeys(columns, 1.0)])
    assert read_log(tmp_path, "baseB_s0")["epoch"].tolist() == [1]


@pytest.mark.parametrize("content", ["", "run,kind\na,b\n", "\x00\x01", "run\n" * 3])
def test_a_table_that_is_not_ours_is_said(tmp_path, content):
    (tmp_path / "runs.csv").write_text(content)
    with pytest.raises(TransferError, match=r"runs\.csv"):
        read_runs(tmp_path)


def test_pickled_labels_are_refused(tmp_path):
    np.savez(tmp_path / "predictions.npz", labels=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TransferError, match="Cannot read labels .* never loaded"):
        read_test_labels(tmp_path)


@pytest.mark.parametrize("labels", [np.zeros(3), np.zeros((3, 1), np.int64)])
def test_labels_of_another_kind_are_refused(tmp_path, labels):
    np.savez(tmp_path / "predictions.npz", labels=labels)
    with pytest.raises(TransferError, match="Expected int64"):
        read_test_labels(tmp_path)


def test_a_truncated_archive_is_refused(tmp_path):
    path = tmp_path / "predictions.npz"
    np.savez(path, labels=np.arange(1000))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(TransferError, match="Cannot read .* damaged archive"):
        read_test_labels(tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.npy", b"")
    with pytest.raises(TransferError, match="no array labels"):
        read_test_labels(tmp_path)


def test_predictions_are_kept_small_and_without_loss(tmp_path):
    """The formula in the module's docstring, which needs numpy alone."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet((0.2, 0.1, 0.1), 4000).astype(np.float32).round(4)
    write_predictions(tmp_path, "A3B_s0", probabilities)
    found = read_predictions(tmp_path, "A3B_s0")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, probabilities)
    path = working(tmp_path, "predictions", "A3B_s0.npz")
    units = np.load(path)["A3B_s0"].astype(int)
    units[:, 0] -= units[:, 1:].sum(axis=1)
    np.testing.assert_allclose(units / 10_000, probabilities, atol=1e-7)
    np.savez_compressed(tmp_path / "plain.npz", probabilities)
    assert path.stat().st_size < 0.6 * (tmp_path / "plain.npz").stat().st_size


@pytest.mark.parametrize(
    "kept", [np.zeros((3, 3)), np.zeros(3, "<u2"), np.zeros((3, 0), "<u2"), np.ones((3, 3), "<u2")]
)
def test_predictions_of_another_form_are_refused(tmp_path, kept):
    np.savez(tmp_path / "predictions.npz", A3B_s0=kept)
    with pytest.raises(TransferError, match=r"Expected .* A3B_s0 in .* to train it again"):
        read_predictions(tmp_path, "A3B_s0")


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_compressions_than_numpys_are_refused(tmp_path, compression):
    content = io.BytesIO()
    np.save(content, np.full((3, 3), 1, np.uint16))
    with zipfile.ZipFile(tmp_path / "predictions.npz", "w", compression) as file:
        file.writestr("baseB_s0.npy", content.getvalue())
    with pytest.raises(TransferError, match="compression"):
        read_predictions(tmp_path, "baseB_s0")
