"""Files are written whole, with the rights a person asked for; a lock has one holder."""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from transfer.errors import TransferError
from transfer.files import exclusively, is_locked, new_folder, write_atomically

FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_folders_and_locks_have_the_rights_that_the_umask_leaves(tmp_path, umask):
    write_atomically(tmp_path / "file", "content")
    with new_folder(tmp_path / "folder") as folder:
        (folder / "file").write_text("")
    with exclusively(tmp_path / "lock"):
        pass
    rights = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    file = 0o666 & ~umask
    assert rights == {"file": file, "lock": file, "folder": 0o777 & ~umask}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_file_and_then_its_folder_are_synced_before_and_after_the_renaming(tmp_path, monkeypatch):
    """Without the first a crash leaves an empty file, without the second the old one or none."""
    done = []

    def name_of(descriptor):
        return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name

    replace = Path.replace

    def renamed(path, target):
        done.append(("rename", Path(target).name))
        return replace(path, target)

    def synced(descriptor):
        done.append(("sync", name_of(descriptor)))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_atomically(tmp_path / "file", "content")
    (_, temporary), *rest = done
    assert temporary.startswith(".file.")
    assert done[0][0] == "sync"
    assert rest == [("rename", "file"), ("sync", tmp_path.name)]


def hold(path, ready):
    with exclusively(path):
        ready.send("held")
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock ``tmp_path / "lock"``."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=hold, args=(tmp_path / "lock", theirs), daemon=True)
    process.start()
    assert ours.recv() == "held"
    yield process
    process.kill()
    process.join()


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    path = tmp_path / "lock"
    assert is_locked(path)
    with exclusively(path, wait=False) as held:
        assert held is False
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert not is_locked(path)
    with exclusively(path, wait=False) as held:
        assert held is True


def test_a_lock_file_keeps_what_it_holds(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("content")
    os.link(precious, tmp_path / "lock")
    with exclusively(tmp_path / "lock"):
        pass
    assert precious.read_text() == "content"


def test_a_link_in_place_of_a_lock_is_refused(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(TransferError, match="^Cannot write .*lock: "),
        exclusively(tmp_path / "lock"),
    ):
        pass
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "elsewhere").write_text("content")
    assert not is_locked(tmp_path / "lock")
    with pytest.raises(TransferError), exclusively(tmp_path / "lock", wait=False):
        pass


def test_looking_at_a_lock_makes_no_file(tmp_path):
    assert not is_locked(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []
