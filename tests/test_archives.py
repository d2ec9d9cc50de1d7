"""A .npy file is read as numpy reads it, or refused in one sentence."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.archives import open_array
from transfer.errors import TransferError

ARRAY = np.arange(24, dtype=np.uint8).reshape(4, 6)


def saved(tmp_path, array, **options):
    path = tmp_path / "array.npy"
    np.save(path, array, **options)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.dtype(">i4")])
def test_an_array_of_the_expected_kind_is_mapped_as_numpy_reads_it(tmp_path, dtype):
    path = saved(tmp_path, ARRAY.astype(dtype))
    array = open_array(path, np.integer, (2,))
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    np.testing.assert_array_equal(array, np.load(path))


def test_format_two_is_read_too(tmp_path):
    path = tmp_path / "array.npy"
    with open(path, "wb") as stream:
        np.lib.format.write_array(stream, ARRAY, version=(2, 0))
    np.testing.assert_array_equal(open_array(path, np.uint8, (2,)), ARRAY)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (ARRAY.astype(float), "Expected integer .* Received: float64"),
        (ARRAY[0], "Expected 2 dimension"),
        (np.zeros((0, 3), int), "at least one element"),
        (np.asfortranarray(ARRAY.astype(int)), "Fortran order"),
        (np.array([[{"a": 1}]]), "pickled Python objects"),
    ],
)
def test_another_array_is_refused(tmp_path, array, message):
    with pytest.raises(TransferError, match=message):
        open_array(saved(tmp_path, array, allow_pickle=True), np.integer, (2,))


def test_a_cut_file_is_named_truncated(tmp_path):
    path = saved(tmp_path, ARRAY)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TransferError, match="Expected 24 bytes .* Received: 23; .* truncated"):
        open_array(path, np.uint8, (2,))


def test_a_file_longer_than_declared_is_refused(tmp_path):
    path = saved(tmp_path, ARRAY)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(TransferError, match="longer"):
        open_array(path, np.uint8, (2,))


@pytest.mark.parametrize("shape", ["(-1, -24)", "(99999999999, 99999999999)", "(True, 24)"])
def test_a_hostile_shape_is_refused(tmp_path, shape):
    path = saved(tmp_path, ARRAY)
    content = path.read_bytes()
    header = content[10:128].replace(b"(4, 6)", shape.encode()).rstrip()
    path.write_bytes(content[:10] + header.ljust(117) + b"\n" + content[128:])
    with pytest.raises(TransferError):
        open_array(path, np.uint8, (2,))


def test_a_header_larger_than_any_real_one_is_not_read(tmp_path):
    path = tmp_path / "array.npy"
    path.write_bytes(b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little"))
    with pytest.raises(TransferError, match="a header of 2147483648 bytes"):
        open_array(path, np.uint8, (2,))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04pickle", b"\x93NUMPY\x01\x00"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "array.npy"
    path.write_bytes(content)
    with pytest.raises(TransferError, match="Expected a .npy file"):
        open_array(path, np.uint8, (2,))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "absent.npy", tmp_path):
        with pytest.raises(TransferError, match="Expected a (.npy|plain) file"):
            open_array(path, np.uint8, (2,))


@given(position=st.integers(0, 151), value=st.integers(0, 255))
def test_one_wrong_byte_never_ends_in_a_traceback(tmp_path_factory, position, value):
    path = saved(tmp_path_factory.mktemp("npy"), ARRAY)
    content = bytearray(path.read_bytes())
    content[position] = value
    path.write_bytes(content)
    with contextlib.suppress(TransferError):
        assert open_array(path, np.integer, (1, 2)).size > 0
