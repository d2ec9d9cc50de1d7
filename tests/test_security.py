"""What SECURITY.md says: bombs are refused unread, and nothing of Keras' loaders is used on files
from elsewhere. The pins with hashes are the pins without.
"""

import gzip
import io
import json
import os
import re
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from transfer.archives import open_array, read_npz
from transfer.errors import TransferError
from transfer.files import read_json
from transfer.networks.architecture import Architecture, weight_shapes
from transfer.networks.weights import read_weights
from transfer.results import RUN_COLUMNS, read_predictions, read_runs
from transfer.runs import parse_run
from transfer.tasks.dataset import load_dataset
from transfer.tasks.download import _unpack

ROOT = Path(__file__).parents[1]
SMALL = Architecture(n=1)


def grown(function):
    """Megabytes that ``function`` needs beyond those here already; it must refuse."""

    def largest_in_a_child(call):
        child = os.fork()
        if child == 0:
            try:
                call()
                os._exit(1)
            except TransferError:
                os._exit(0)
            finally:
                os._exit(2)
        _, status, used = os.wait4(child, 0)
        assert status == 0
        return used.ru_maxrss / 1024  # Linux counts in KiB

    def nothing():
        raise TransferError("nothing")

    return largest_in_a_child(function) - largest_in_a_child(nothing)


def npy_header(shape):
    stream = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def weight_file(path, **options):
    """A weight file whose first array is made with ``options``."""
    with h5py.File(path, "w") as file:
        for number, (name, shape) in enumerate(weight_shapes(SMALL).items()):
            layer, weight = name.split("/")
            more = options if number == 0 else {}
            file.create_dataset(
                f"{layer}/{layer}/{weight}:0", **{"shape": shape, "dtype": "f4", **more}
            )
    return path


# Bombs: a few bytes that declare gigabytes.


def test_an_array_of_impossible_shape_is_refused_in_a_short_sentence(tmp_path):
    path = tmp_path / "a.npy"
    for shape in ((1 << 62, 1 << 62), (10**3000, 10**3000), (1 << 40,)):
        path.write_bytes(npy_header(shape))
        with pytest.raises(TransferError) as raised:
            open_array(path, np.floating, (1, 2))
        assert len(str(raised.value)) < 1000


def test_predictions_that_declare_a_terabyte_are_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "predictions.npz", "w") as archive:
        archive.writestr("A3B_s0.npy", npy_header((1 << 30, 256)) + bytes(16))
    assert grown(lambda: read_predictions(tmp_path, "A3B_s0")) < 16


def test_an_archive_that_unpacks_to_more_than_the_bound_is_refused_unread():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("array.npy", bytes(1 << 20))
    with pytest.raises(ValueError, match="more than 1024 bytes"):
        read_npz(stream, 1024)


def test_the_bound_of_an_archive_is_on_all_arrays_together():
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(600, np.uint8), b=np.zeros(600, np.uint8))
    sizes = [member.file_size for member in zipfile.ZipFile(stream).infolist()]
    assert set(read_npz(stream, sum(sizes))) == {"a", "b"}
    with pytest.raises(ValueError, match="more than"):
        read_npz(stream, sum(sizes) - 1)


def test_a_small_array_in_a_chunk_of_gigabytes_is_refused_unread(tmp_path):
    chunk = {"maxshape": (None,) * 4, "chunks": (1 << 9, 1 << 9, 1 << 9, 4)}
    path = weight_file(tmp_path / "a.h5", **chunk)
    with pytest.raises(TransferError, match="small chunks"):
        read_weights(path, SMALL)


def test_a_group_that_holds_itself_many_times_is_not_walked_forever(tmp_path):
    path = weight_file(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        for number in range(50):  # 50 ** 8 paths
            file[f"again_{number}"] = file["/"]
    with pytest.raises(TransferError, match="at most 20000 entries"):
        read_weights(path, SMALL)


def test_an_extended_header_of_an_archive_is_not_read_whole(tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 32 << 20
    with gzip.open(tmp_path / "a.tar", "wb", compresslevel=1) as stream:
        stream.write(header.tobuf())
        stream.write(bytes(header.size))
    with pytest.raises(TransferError, match="Expected a tar archive"):
        _unpack(tmp_path / "a.tar", tmp_path, "http://x", 1 << 30)


def test_extended_headers_one_after_another_are_refused(tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 512
    record = b"11 path=ab\n".ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes((header.tobuf() + record) * 5000)
    with pytest.raises(TransferError, match="in the archive of|Expected a tar archive"):
        _unpack(tmp_path / "a.tar", tmp_path, "http://x", 1 << 30)


def test_a_table_of_many_columns_is_refused(tmp_path):
    (tmp_path / "runs.csv").write_text(",".join([*RUN_COLUMNS, *map(str, range(100_000))]) + "\n")
    assert grown(lambda: read_runs(tmp_path)) < 16


def test_a_pipe_or_a_device_in_place_of_a_file_is_refused(tmp_path, small_data):
    os.mkfifo(tmp_path / "study.json")
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    (tmp_path / "set").mkdir()
    os.mkfifo(tmp_path / "set" / "dataset.json")
    for read in (
        lambda: read_json(tmp_path / "study.json"),
        lambda: read_json(tmp_path / "endless.json"),
        lambda: load_dataset(tmp_path / "set"),
    ):
        with pytest.raises(TransferError, match="Expected a plain file"):
            read()
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(TransferError, match="Expected a plain file"):
        open_array(tmp_path / "a.npy", np.uint8, (1,))


@pytest.mark.parametrize("name", ["../A3B_s0", "A3B_s0/../../x", "/etc/passwd", "A3B_s0\0", ""])
def test_a_run_name_that_is_a_path_is_no_run(name, tmp_path):
    with pytest.raises(TransferError, match="Expected the name of a run"):
        parse_run(name)
    with pytest.raises(TransferError):
        read_predictions(tmp_path, name)


# Keras: what its loaders were made to do. Ours reads arrays by name and shape.


def whole_model(path, config, marker):
    """A file of Keras 3 around hostile ``config``; as .h5 a whole model with the same."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
            archive.write(weight_file(path.with_suffix(".inside")), "model.weights.h5")
        return path
    weight_file(path)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["training_config"] = json.dumps(config)
    return path


def calls(module, name, marker):
    """A configuration that makes a credulous loader call a function of the system."""
    return {
        "class_name": "Lambda",
        "module": "keras.layers",
        "config": {
            "name": "x",
            "function": {"class_name": "function", "module": module, "config": name},
            "arguments": {"path": str(marker), "command": f"touch {marker}"},
        },
    }


HOSTILE = {
    "CVE-2025-1550": lambda marker: calls("os", "system", marker),
    "CVE-2025-8747": lambda marker: calls("keras.utils", "get_file", marker),
    "CVE-2025-9905": lambda marker: {  # Lambda with marshalled code in a whole .h5 model
        "class_name": "Lambda",
        "config": {"function": ["4wAAAAA=", None, None], "function_type": "lambda"},
    },
    "CVE-2025-9906": lambda marker: calls("keras.config", "enable_unsafe_deserialization", marker),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("cve", HOSTILE)
def test_the_configuration_of_a_model_is_never_looked_at(tmp_path, cve, suffix):
    marker = tmp_path / "marker"
    path = whole_model(tmp_path / f"a{suffix}", HOSTILE[cve](marker), marker)
    if suffix == ".keras":  # a zip archive is no weight file
        with pytest.raises(TransferError, match="Expected a Keras weight file"):
            read_weights(path, SMALL)
    else:  # the arrays are read as if the configuration were not there
        assert set(read_weights(path, SMALL)) == set(weight_shapes(SMALL, head=False))
    assert not marker.exists()


def test_a_declared_shape_of_gigabytes_allocates_nothing(tmp_path):  # CVE-2026-0897
    path = weight_file(tmp_path / "a.h5", shape=(1 << 20, 1 << 20, 3, 8), chunks=(64, 64, 3, 8))
    assert path.stat().st_size < 1 << 20
    assert grown(lambda: read_weights(path, SMALL)) < 64


@pytest.mark.parametrize("how", ["storage", "virtual", "link"])
def test_an_array_in_another_file_is_not_read(tmp_path, how):  # CVE-2026-1669
    first, shape = next(iter(weight_shapes(SMALL).items()))
    count = int(np.prod(shape))
    (tmp_path / "secret").write_bytes(np.arange(count, dtype="f4").tobytes())
    path = weight_file(tmp_path / "a.h5")
    with h5py.File(path, "a") as file, h5py.File(tmp_path / "secret.h5", "w") as other:
        other["x"] = np.zeros(shape, "f4")
        del file["conv1"]
        name = "conv1/conv1/kernel:0"
        if how == "storage":
            outside = [(str(tmp_path / "secret"), 0, 4 * count)]
            file.create_dataset(name, shape, "f4", external=outside)
        elif how == "virtual":
            layout = h5py.VirtualLayout(shape, "f4")
            layout[...] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", shape)
            file.create_virtual_dataset(name, layout)
        else:
            file[name] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "x")
    with pytest.raises(TransferError, match=f"points to another file|{first} is missing"):
        read_weights(path, SMALL)


def test_one_module_calls_the_loader_of_keras_and_none_unpickles():
    callers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "transfer").rglob("*.py")
        if re.search(r"\bload_model\(|import pickle|\bmodel_from_(json|config)", path.read_text())
    }
    assert callers <= {"transfer/deploy/export/runtimes.py"}


def test_the_pins_with_hashes_are_the_pins():
    def pins(path):
        found = re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(), re.MULTILINE)
        return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found}

    plain, hashed = pins(ROOT / "requirements.txt"), pins(ROOT / "requirements-hashed.txt")
    assert plain <= hashed
    assert {name for name, _ in hashed - plain} == {"setuptools", "wheel"}
    blocks = (ROOT / "requirements-hashed.txt").read_text().split("==")[1:]
    assert all("--hash=sha256:" in block for block in blocks)
