"""Tables: one writer for all, under a lock; nothing is lost and nothing doubled."""

import doctest
import multiprocessing
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from transfer import tables
from transfer.errors import TransferError
from transfer.tables import read_table, upsert, write_table

FORK = multiprocessing.get_context("fork")


def frame(**columns):
    return pd.DataFrame(columns)


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(tables).failed == 0


def test_rows_with_equal_keys_are_replaced_and_the_others_stay_as_written(tmp_path):
    path = tmp_path / "deploy.csv"
    path.write_text('run,format,ms,note\nbaseB_s0,keras,1.234567890123,"a, b"\nA3B_s0,keras,2,\n')
    upsert(path, frame(run=["A3B_s0", "A3B_s0"], format=["keras", "onnx"], ms=[3.0, 1 / 3]),
           ("run", "format"))  # fmt: skip
    assert path.read_text() == (
        "run,format,ms,note\n"
        'baseB_s0,keras,1.234567890123,"a, b"\n'
        "A3B_s0,keras,3,\n"
        "A3B_s0,onnx,0.333333,\n"
    )


def test_the_same_rows_again_change_no_byte(tmp_path):
    path = tmp_path / "deploy.csv"
    rows = frame(run=["sliced-10_s0", "A3B_s0"], seed=[0, 0], ms=[1 / 3, np.nan])
    before = upsert(path, rows, ("run",)).read_bytes()
    assert upsert(path, rows, ("run",)).read_bytes() == before
    assert upsert(path, rows.iloc[::-1], ("run",)).read_bytes() == before


def test_many_rows_of_one_key_are_replaced_by_as_many_as_there_are(tmp_path):
    path = tmp_path / "driving.csv"
    upsert(path, frame(network=["a"] * 3 + ["b"], track=[0, 1, 2, 0]), ("network",))
    upsert(path, frame(network=["a"] * 2, track=[7, 5]), ("network",))
    assert path.read_text() == "network,track\na,7\na,5\nb,0\n"


def test_a_new_column_is_empty_in_older_rows(tmp_path):
    path = tmp_path / "t.csv"
    upsert(path, frame(run=["a"], x=[1]), ("run",))
    upsert(path, frame(run=["b"], x=[2], y=[3]), ("run",))
    assert path.read_text() == "run,x,y\na,1,\nb,2,3\n"


def put(path, names):
    for name in names:
        upsert(path, frame(run=[name], value=[1.5]), ("run",))


def test_two_processes_at_once_lose_no_row(tmp_path):
    path = tmp_path / "deploy.csv"
    names = [[f"A{n}B+_s{seed}" for n in range(14)] for seed in range(2)]
    processes = [FORK.Process(target=put, args=(path, some)) for some in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    expected = [name for pair in zip(*names, strict=True) for name in pair]
    assert read_table(path, ["run"], {})["run"].tolist() == expected


@pytest.mark.parametrize("content", ["", "other\n1\n", "run,a\n1\n1,2,3\n", "\x00\xff"])
def test_a_table_that_cannot_be_read_is_left_alone(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(TransferError, match=r"t\.csv"):
        upsert(path, frame(run=["a"]), ("run",))
    assert path.read_text() == content


def test_too_many_cells_are_refused_before_they_are_parsed(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",".join("abc"[i % 3] + str(i) for i in range(65)) + "\n1\n")
    with pytest.raises(TransferError, match="missing or malformed"):
        read_table(path, ["a0"], {})
    path.write_text("a,b\n" + "\n" * 9_000_000)
    with pytest.raises(TransferError, match="missing or malformed"):
        read_table(path, ["a"], {})


def test_text_that_pandas_would_take_for_missing_is_text(tmp_path):
    path = write_table(tmp_path / "t.csv", frame(name=["NA", "None", ""], n=[1.0, np.nan, 2.0]))
    found = read_table(path, ["name", "n"], {"name": "string", "n": "Int64"})
    assert found["name"].tolist() == ["NA", "None", ""]
    assert found["n"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(("columns", "refused"), [(64, False), (65, True)])
def test_a_table_has_at_most_64_columns(tmp_path, columns, refused):
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{i}" for i in range(columns)) + "\n" + "1," * (columns - 1) + "1\n")
    with pytest.raises(TransferError) if refused else nullcontext():
        assert read_table(path, ["c0"], {"c0": "int64"})["c0"].tolist() == [1]
