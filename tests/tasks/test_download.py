"""The archive is resumed where it was cut and unpacked only if it is what it should be."""

import hashlib
import io
import re
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.dataset import SPLITS
from transfer.tasks.download import DEFAULT_URL, download


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def arrays():
    rng = np.random.default_rng(0)
    files = {}
    for split in SPLITS:
        files[f"{split}_data.npy"] = npy(rng.integers(0, 256, (60, 10800), np.uint8))
        files[f"{split}_labels.npy"] = npy(np.arange(60)[:, None] % 3)
    return files


def archive(files, mode="w", extra=()):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"data/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member, io.BytesIO(b"\0" * member.size))
    return stream.getvalue()


WHOLE = archive(arrays())  # about 2 MB


class Server:
    """What is served, how, and what was asked."""

    def __init__(self):
        self.content, self.ranges, self.status = WHOLE, True, 200
        self.cuts = []  # after how many bytes the next connections are cut
        self.kind, self.length, self.strong = "application/x-tar", True, True
        self.location = ""
        self.asked = []


@contextmanager
def serving(server):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            server.asked.append((wanted, self.headers.get("If-Range")))
            digest = hashlib.sha256(server.content).hexdigest()[:12]
            etag = f'"{digest}"' if server.strong else f'W/"{digest}"'
            total, start, status = len(server.content), 0, server.status
            if wanted and server.ranges and self.headers.get("If-Range") in (None, etag):
                start, status = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]), 206
                if start >= total:
                    status = 416
            self.send_response(status)
            self.send_header("Content-Type", server.kind)
            self.send_header("ETag", etag)
            if server.location:
                self.send_header("Location", server.location)
            if server.length:
                self.send_header("Content-Length", str(total - start))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.end_headers()
            if status < 400:
                end = start + server.cuts.pop(0) if server.cuts else total
                self.wfile.write(server.content[start:end])

        def log_message(self, *_):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.handle_error = lambda *_: None  # a client that hangs up is part of the tests
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{web.server_port}/data.tar"
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def url(server):
    with serving(server) as address:
        yield address


def assert_complete(tmp_path, out):
    for name, content in arrays().items():
        assert (out / name).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def refused(tmp_path, url, match, **options):
    with pytest.raises(TransferError, match=match) as error:
        download(tmp_path / "set", url, **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "set").exists()
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("length", [True, False])
def test_the_archive_becomes_a_data_set(tmp_path, server, url, mode, length):
    server.content, server.length = archive(arrays(), mode), length
    dataset = download(tmp_path / "set", url)
    assert dataset.name == "set"
    assert len(dataset.train.images) == 60
    assert_complete(tmp_path, tmp_path / "set")


def test_a_cut_connection_is_taken_up_where_it_ended(tmp_path, server, url):
    server.cuts = [700_000, 500_000]
    download(tmp_path / "set", url)
    assert [wanted for wanted, _ in server.asked] == [None, "bytes=700000-", "bytes=1200000-"]
    assert server.asked[1][1] is not None  # If-Range
    assert_complete(tmp_path, tmp_path / "set")


def test_a_second_call_goes_on_where_the_first_gave_up(tmp_path, server, url):
    server.cuts = [700_000, 0]
    refused(tmp_path, url, "Received: 700000, then the connection was cut; run the same command")
    assert (tmp_path / "set.tar.part").stat().st_size == 700_000
    download(tmp_path / "set", url)
    assert server.asked[-1][0] == "bytes=700000-"
    assert_complete(tmp_path, tmp_path / "set")


def test_without_ranges_the_archive_starts_anew(tmp_path, server, url):
    server.cuts, server.ranges = [700_000], False
    download(tmp_path / "set", url)
    assert_complete(tmp_path, tmp_path / "set")


def test_an_archive_that_changed_meanwhile_starts_anew(tmp_path, server, url):
    server.content, server.cuts = b"old" * 400_000, [700_000, 0]
    refused(tmp_path, url, "cut")
    server.content = WHOLE
    download(tmp_path / "set", url)
    assert_complete(tmp_path, tmp_path / "set")


def test_a_weak_validator_is_not_used(tmp_path, server, url):
    server.cuts, server.strong = [700_000], False
    download(tmp_path / "set", url)
    assert server.asked[1] == ("bytes=700000-", None)
    assert_complete(tmp_path, tmp_path / "set")


def test_a_part_of_another_address_is_not_used(tmp_path, server, url):
    server.content, server.cuts = b"other" * 400_000, [700_000, 0]
    refused(tmp_path, url + "?other", "cut")
    server.content = WHOLE
    download(tmp_path / "set", url)
    assert server.asked[-1][0] is None
    assert_complete(tmp_path, tmp_path / "set")


def test_a_missing_archive_is_named(tmp_path, server, url):
    server.status = 404
    refused(tmp_path, url, "HTTP 404 .* --url")


def test_another_protocol_is_not_followed(tmp_path, server, url):
    server.status, server.location = 302, "ftp://127.0.0.1:9/data.tar"
    refused(tmp_path, url, "Expected an http or https address. Received: 'ftp:")


def test_a_redirection_to_the_web_is_followed(tmp_path, server, url):
    first = Server()
    first.status, first.location = 302, url
    with serving(first) as address:
        download(tmp_path / "set", address)
    assert_complete(tmp_path, tmp_path / "set")


def test_a_web_page_is_not_an_archive(tmp_path, server, url):
    server.kind = "text/html; charset=utf-8"
    refused(tmp_path, url, "a web page; a Dropbox address must end in dl=1")


@pytest.mark.parametrize("content", [b"", b"not a tar" * 1000, b"\x1f\x8b\x08" + b"\0" * 600])
def test_something_else_is_not_an_archive(tmp_path, server, url, content):
    server.content = content
    refused(tmp_path, url, "Expected a tar archive")
    assert list(tmp_path.iterdir()) == []  # nothing that would be taken up again


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_cut_at_its_source_is_refused(tmp_path, server, url, mode):
    whole = archive(arrays(), mode)
    server.content = whole[: len(whole) // 2]
    refused(tmp_path, url, "Expected a tar archive|truncated|not there")


def test_a_damaged_gzip_is_not_kept_to_fail_again(tmp_path, server, url):
    server.content = b"\x1f\x8b\x00" + b"x" * 1000  # a compression method that does not exist
    refused(tmp_path, url, "a damaged one")
    assert list(tmp_path.iterdir()) == []


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (member("../escaped.npy"), "nothing was unpacked"),
        (member("data/../../train_data.npy"), "nothing was unpacked"),
        (member("/tmp/escaped.npy"), "nothing was unpacked"),
        (member("data/link.npy", tarfile.SYMTYPE, "/etc/passwd"), "a link, a device"),
        (member("data/link.npy", tarfile.LNKTYPE, "data/train_data.npy"), "a link, a device"),
        (member("data/pipe", tarfile.FIFOTYPE), "a link, a device"),
        (member("data/device", tarfile.CHRTYPE), "a link, a device"),
        (member("other/train_data.npy"), "repeated"),
        (member("data/large", size=6_000_000), "too large"),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path, server, url, hostile, message):
    server.content = archive(arrays(), "w:gz", [hostile])
    refused(tmp_path, url, message, max_bytes=5_000_000)
    assert list(tmp_path.iterdir()) == []


def raw(info, content=b""):
    """One member as it stands in an archive, whatever tarfile itself would refuse to write."""
    return info.tobuf(tarfile.GNU_FORMAT) + content.ljust(-(-len(content) // 512) * 512, b"\0")


END = bytes(1024)


def test_a_folder_of_negative_size_does_not_raise_the_bound(tmp_path, server, url):
    negative = raw(member("data", tarfile.DIRTYPE, size=-(1 << 40)))
    server.content = negative + archive(arrays())
    refused(tmp_path, url, "negative size", max_bytes=len(server.content) + 10_000)


def test_a_sparse_file_is_refused(tmp_path, server, url):
    sparse = member("data/train_data.npy", tarfile.GNUTYPE_SPARSE)
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[386:398] = header[398:410] = b"%011o\0" % 0  # offset and length of the only piece
    header[483:495] = b"%011o\0" % (1 << 30)  # the size that the file will have
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    server.content = bytes(header) + END
    refused(tmp_path, url, "a sparse file")


def test_a_sparse_file_of_the_newer_kind_is_refused(tmp_path, server, url):
    sparse = member("data/train_data.npy", size=512)
    sparse.pax_headers = {"GNU.sparse.size": str(1 << 30), "GNU.sparse.map": "0,0"}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(sparse, io.BytesIO(bytes(512)))
    server.content = stream.getvalue()
    refused(tmp_path, url, "a sparse file")


def test_a_full_disk_does_not_cost_the_archive(tmp_path, server, url, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", full)
        refused(tmp_path, url, "No space left")
    download(tmp_path / "set", url)
    assert len(server.asked) == 1
    assert_complete(tmp_path, tmp_path / "set")


def test_files_nobody_asked_for_stay_in_the_archive(tmp_path, server, url):
    server.content = archive(arrays(), extra=[member("data/notes.txt", size=10)])
    download(tmp_path / "set", url)
    assert_complete(tmp_path, tmp_path / "set")


def test_an_incomplete_archive_is_refused(tmp_path, server, url):
    files = arrays()
    del files["valid_labels.npy"]
    server.content = archive(files)
    refused(tmp_path, url, r"Expected valid_labels\.npy")


def test_arrays_that_are_no_data_set_are_refused(tmp_path, server, url):
    server.content = archive(arrays() | {"test_labels.npy": npy(np.full(60, 7))})
    refused(tmp_path, url, "labels 0..2")


@pytest.mark.parametrize("length", [True, False])
def test_too_large_an_archive_is_refused(tmp_path, server, url, length):
    server.length = length
    refused(tmp_path, url, "Expected .*1000000 bytes", max_bytes=1_000_000)


def test_an_occupied_folder_is_refused_before_anything_is_fetched(tmp_path, server, url):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine").touch()
    with pytest.raises(TransferError, match="holds something"):
        download(tmp_path / "set", url)
    assert server.asked == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://host/x", "data.tar", "http://"])
def test_only_web_addresses_are_fetched(tmp_path, address):
    refused(tmp_path, address, "http or https")


def test_a_server_that_is_not_there_is_named(tmp_path):
    with serving(Server()) as address:
        pass
    refused(tmp_path, address, "refused; run the same command again")


def test_the_default_address_is_the_file_not_its_page():
    assert DEFAULT_URL.endswith("data.tar?dl=1")
