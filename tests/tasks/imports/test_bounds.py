"""Whatever a source holds, reading it takes at most the memory that is stated: a GiB.

Each case runs in a process of its own whose address space has a limit: where memory were taken
beyond it, Python would raise a MemoryError, not the project's own error.
"""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from tests.bounded import under_the_bound
from transfer.tasks.imports.recordings import MAX_RECORDS, MOST_BYTES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and RLIMIT_AS")

IMPORTS = """
from transfer.tasks.imports import drives, images, importers, listing, splits
import sklearn.model_selection
images.read_images([], 4, 4)  # its threads are there, and Pillow's decoders
"""
READ_TUB = "print(len(drives.tub_reader(path)(path).images))"
RECORD = '{"_index": 1, "_timestamp_ms": 1, "cam/image_array": "1.jpg", "user/angle": 0, "x": %s}'


def write_tub(folder, lines=(), names=("a.catalog",), deleted="[]"):
    folder.mkdir()
    (folder / "a.catalog").write_text("\n".join(lines))
    last = f'{{"paths": {json.dumps(names)}, "deleted_indexes": {deleted}}}'
    (folder / "manifest.json").write_text(f"[]\n{last}\n")
    return folder


def test_a_record_of_millions_of_objects_is_refused(tmp_path):
    tub = write_tub(tmp_path / "tub", [RECORD % ("[" + "{}," * 22_000_000 + "{}]")])
    assert "lines of at most" in under_the_bound(tub, IMPORTS, READ_TUB, most=64 << 20)


def test_a_manifest_of_millions_of_objects_stays_in_the_bound(tmp_path):
    tub = write_tub(tmp_path / "tub", [RECORD % 1], deleted="[" + "{}," * 2_700_000 + "{}]")
    assert under_the_bound(tub, IMPORTS, READ_TUB) == "1\n"


def test_a_catalog_named_eight_times_is_read_not_once(tmp_path):
    tub = write_tub(tmp_path / "tub", [RECORD % 1] * 1000, names=["a.catalog"] * 8)
    assert "every catalog once" in under_the_bound(tub, IMPORTS, READ_TUB, most=64 << 20)


def test_a_list_of_two_letter_lines_is_refused(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"a\n" * (32 << 20))
    call = "print(len(listing.read_csv_list(path).images))"
    assert "path and label" in under_the_bound(tmp_path / "list.csv", IMPORTS, call, most=64 << 20)


def test_a_cell_that_never_ends_is_refused(tmp_path):
    (tmp_path / "list.csv").write_bytes(b'path,label\n"' + b'\n","' * (16 << 20))
    call = "print(len(listing.read_csv_list(path).images))"
    assert "comma-separated" in under_the_bound(tmp_path / "list.csv", IMPORTS, call, most=64 << 20)


@pytest.mark.slow
def test_a_log_of_two_letter_lines_is_refused(tmp_path):
    (tmp_path / "driving_log.csv").write_bytes(b"a\n" * (32 << 20))
    call = "print(drives.read_udacity(path))"
    assert f"at most {MAX_RECORDS}" in under_the_bound(tmp_path, IMPORTS, call, most=64 << 20)


@pytest.mark.slow
def test_the_longest_list_is_listed_and_split_in_the_bound(tmp_path):
    lines = (f"some/folder/image_{i}.jpg,{'ab'[i % 2]}\n" for i in range(MAX_RECORDS))
    with (tmp_path / "list.csv").open("w") as stream:
        stream.write("path,label\n")
        stream.writelines(lines)
    call = "print(splits.split_listing(listing.read_csv_list(path)).frames)"
    assert under_the_bound(tmp_path / "list.csv", IMPORTS, call) == "True\n"
    with (tmp_path / "list.csv").open("a") as stream:
        stream.write("one/more.jpg,a\n")
    assert f"at most {MAX_RECORDS}" in under_the_bound(tmp_path / "list.csv", IMPORTS, call)


@pytest.mark.slow
def test_the_longest_tub_is_read_in_the_bound(tmp_path):
    line = '{"_timestamp_ms": %d.5, "cam/image_array": "%d_cam-image.jpg", "user/angle": 0.%d}'
    names = [f"{part}.catalog" for part in range(10)]
    tub = write_tub(tmp_path / "tub", names=names)
    for part, name in enumerate(names):
        numbers = range(part * 100_000, part * 100_000 + 100_000)
        (tub / name).write_text("\n".join(line % (50 * i, i, i) for i in numbers))
    assert under_the_bound(tub, IMPORTS, READ_TUB) == f"{MAX_RECORDS}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mode", "pixels", "options"),
    [
        ("png", "RGB", MOST_BYTES // 8, {}),
        ("png", "RGBA", MOST_BYTES // 12, {}),
        ("png", "I;16", MOST_BYTES // 20, {}),
        ("tiff", "RGB", MOST_BYTES // 8, {"compression": "tiff_lzw"}),
        ("webp", "RGB", MOST_BYTES // 24, {"lossless": True}),
        ("jpg", "RGB", MOST_BYTES // 7, {"progressive": True}),
        ("jpg", "RGB", 16_000**2, {}),
    ],
)
def test_the_largest_image_is_decoded_in_the_bound(tmp_path, kind, mode, pixels, options):
    side = int(pixels**0.5)
    path = tmp_path / f"a.{kind}"
    Image.fromarray(np.zeros((8, 8), np.uint16 if mode == "I;16" else np.uint8)).convert(
        mode
    ).resize((side, side), Image.Resampling.NEAREST).save(path, **options)
    call = "print(len(images.read_images([path] * 4, 45, 80).kept))"  # four threads, one at a time
    assert under_the_bound(path, IMPORTS, call) == "4\n"
