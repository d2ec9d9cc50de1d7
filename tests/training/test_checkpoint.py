"""One file holds everything; a damaged newest one falls back to the previous one."""

import numpy as np
import pytest

from transfer.training.checkpoint import read_checkpoint, remove_checkpoint, write_checkpoint


@pytest.fixture
def twice(tmp_path):
    path = tmp_path / "run.checkpoint"
    for epoch in (1, 2):
        write_checkpoint(path, {"weights/a": np.full(3, epoch, np.float32)}, {"epoch": epoch})
    return path


def test_what_is_written_is_read(twice):
    arrays, facts = read_checkpoint(twice)
    assert facts == {"epoch": 2}
    np.testing.assert_array_equal(arrays["weights/a"], np.full(3, 2, np.float32))


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_a_damaged_checkpoint_falls_back_to_the_previous(twice, damage):
    content = bytearray(twice.read_bytes())
    if damage == "gone":
        twice.unlink()
    else:
        content[len(content) // 2] ^= 1
        kept = {"cut": len(content) // 2, "flip": len(content), "empty": 0}[damage]
        twice.write_bytes(content[:kept])
    assert read_checkpoint(twice)[1] == {"epoch": 1}


def test_without_any_there_is_none(tmp_path, twice):
    assert read_checkpoint(tmp_path / "other.checkpoint") is None
    remove_checkpoint(twice)
    assert read_checkpoint(twice) is None
    assert list(tmp_path.iterdir()) == []
