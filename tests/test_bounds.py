"""Whatever the folder of a study holds, reading it takes at most the memory that is stated: a GiB.

As for the sources of data sets: each case runs in a process whose address space has a limit.
"""

import functools
import hashlib
import io
import struct
import sys
import zlib

import h5py
import numpy as np
import pytest

from tests.bounded import under_the_bound
from transfer.networks.architecture import Architecture, weight_shapes
from transfer.results import LOG_COLUMNS, RUN_COLUMNS
from transfer.tables import _MOST_CELLS, MOST_BYTES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and RLIMIT_AS")

READERS = """
import pandas
from transfer import archives, results, study_file, tables
pandas.read_csv(__import__("io").StringIO("a,b\\n1,2"), dtype="string")
"""
WEIGHTS = """
from transfer.networks.architecture import Architecture, weight_shapes
from transfer.networks.weights import read_weights
weight_shapes(Architecture(n=1))
"""
CHECKPOINT = "from transfer.training.checkpoint import read_checkpoint"


def packed_weights(path, times):
    """A weight file whose first array is deflated so many times over: a GiB in a megabyte."""
    with h5py.File(path, "w") as file:
        for number, (name, shape) in enumerate(weight_shapes(Architecture(n=1)).items()):
            layer, weight = name.split("/")
            where = f"{layer}/{layer}/{weight}:0"
            if number:
                file.create_dataset(where, shape, "f4")
                continue
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk(shape)
            for _ in range(times):
                plist.set_deflate(9)
            space = h5py.h5s.create_simple(shape)
            group = file.create_group(f"{layer}/{layer}")
            array = h5py.h5d.create(
                group.id, f"{weight}:0".encode(), h5py.h5t.IEEE_F32LE, space, plist
            )
            array.write_direct_chunk((0,) * len(shape), bomb(times))
    return path


@functools.cache
def bomb(times):
    """A GiB of zeros, deflated so many times over."""
    if times > 1:
        return zlib.compress(bomb(times - 1), 9)
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()


@pytest.mark.parametrize("times", [1, 2])
def test_weights_that_unpack_to_gigabytes_are_refused(tmp_path, times):
    path = packed_weights(tmp_path / "a.h5", times)
    said = under_the_bound(path, WEIGHTS, "read_weights(path, Architecture(n=1))", most=64 << 20)
    assert "without compression" in said


def write_checkpoint_of(path, size):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, facts=np.frombuffer(b"{}", np.uint8), a=np.zeros(size, np.uint8))
    path.write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
    return path


@pytest.mark.slow
def test_the_largest_checkpoint_is_read_in_the_bound_and_a_larger_one_is_none(tmp_path):
    call = "found = read_checkpoint(path); print(found and len(found[0]['a']))"
    path = write_checkpoint_of(tmp_path / "a.checkpoint", (512 << 20) - 1000)
    assert under_the_bound(path, CHECKPOINT, call) == f"{(512 << 20) - 1000}\n"
    path = write_checkpoint_of(tmp_path / "a.checkpoint", 2 << 30)
    assert under_the_bound(path, CHECKPOINT, call) == "None\n"


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["", "1", "run_of_a_name"])
def test_the_largest_tables_of_a_study_are_read_in_the_bound(tmp_path, cell):
    for name, columns, read in (
        ("runs.csv", [*RUN_COLUMNS], "read_runs"),
        ("epochs.csv", ["run", *LOG_COLUMNS], "read_epochs"),
    ):
        line = ",".join([cell] * len(columns)) + "\n"
        header = ",".join(columns) + "\n"
        lines = min((MOST_BYTES - len(header)) // len(line), _MOST_CELLS // len(columns) - 1)
        (tmp_path / name).write_text(header + line * lines)
        said = under_the_bound(tmp_path, READERS, f"results.{read}(path)")
        assert said.startswith("refused:"), said


def test_a_forged_directory_is_not_read(tmp_path):
    path = tmp_path / "predictions.npz"
    with open(path, "wb") as file:  # sparse: a directory as long as the file, 4 GiB less a little
        file.seek(0xFFFFFFFE)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 0xFFFFFFFE, 0, 0))
    said = under_the_bound(tmp_path, READERS, "results.read_predictions(path, 'A3B_s0')", 64 << 20)
    assert "a directory of more than 16777216 bytes" in said


def test_an_archive_may_be_larger_than_the_memory_that_reading_takes(tmp_path):
    kept = np.random.default_rng(0).integers(0, 10_000, (1 << 19, 16)).astype("<u2")  # 16 MiB
    arrays = {f"A3B_s{seed}": kept[:, [0, *range(1, 16)]] for seed in range(12)}
    np.savez(tmp_path / "predictions.npz", **arrays)
    call = "print(archives.read_member(path / 'predictions.npz', 'A3B_s11').shape)"
    assert under_the_bound(tmp_path, READERS, call, 64 << 20) == "(524288, 16)\n"


@pytest.mark.slow
def test_the_largest_predictions_are_read_in_the_bound(tmp_path):
    kept = np.zeros((1 << 17, 1000), "<u2")  # 250 MiB
    np.savez_compressed(tmp_path / "predictions.npz", A3B_s0=kept)
    call = "print(results.read_predictions(path, 'A3B_s0').shape)"
    assert under_the_bound(tmp_path, READERS, call) == "(131072, 1000)\n"
