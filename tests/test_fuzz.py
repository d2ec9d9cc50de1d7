"""Every reader of foreign files, given files that were damaged at random.

A reader returns, or raises the project's own error in one sentence. It opens nothing outside the
folder it was given, and starts, imports and unpickles nothing. 300 damaged files a reader;
``pytest -m soak`` tries 10,000.
"""

import contextlib
import functools
import hashlib
import io
import itertools
import json
import os
import random
import shutil
import sys
import tarfile
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.study_files import write_study
from transfer.archives import open_array
from transfer.deploy.costs.table import read_costs
from transfer.deploy.driving.table import read_drives
from transfer.deploy.reestimation.table import read_reestimation
from transfer.errors import TransferError
from transfer.figures.draw import read_published
from transfer.folding import fold, write_log, write_predictions, write_row, write_test_labels
from transfer.networks.architecture import Architecture, feature_shape, weight_shapes
from transfer.networks.weights import read_classifier, read_weights, write_weights
from transfer.results import (
    LOG_COLUMNS,
    RUN_COLUMNS,
    read_log,
    read_predictions,
    read_runs,
    read_test_clusters,
    read_test_labels,
)
from transfer.scores.agreement import read_agreement
from transfer.scores.agreement import read_predictions as read_predicted
from transfer.scores.similarity import read_similarity
from transfer.scores.table import read_scores
from transfer.study_file import planned_runs
from transfer.tasks import download
from transfer.tasks.dataset import Split, load_dataset, write_dataset
from transfer.tasks.imports.drives import read_udacity, tub_reader
from transfer.tasks.imports.images import read_images
from transfer.tasks.imports.listing import holds_images, read_csv_list, read_image_folders
from transfer.training.checkpoint import read_checkpoint, write_checkpoint

FEW, MANY = 300, 10_000
RESULTS = Path(__file__).parents[1] / "experiments-results"
SMALL = Architecture(n=1)
RUN = "A3B_s0"

#: What damage at random would take long to find.
TOKENS = (
    *(
        b"../../etc/passwd",
        b"/etc/passwd",
        b"\\..\\x",
        b"\0",
        b"\n",
        b"\r",
        b",",
        b'"',
        b"\xff\xfe",
    ),
    *(b"-1", b"0", b"nan", b"1e999", b"9" * 30, b"9" * 5000, b"0x" + b"f" * 5000, b"null", b"true"),
    *(b"[" * 2000, b"{}", b"[]", b'"\\ud800"', b"'O'", b"'|V0'", b"\x7f\xff\xff\xff", b"\xff" * 8),
)

_ALLOWED: list[str] = []  # folders that may be opened; empty: nobody is watched
_SEEN: list[str] = []
_FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "exec")
_FORBIDDEN += ("pickle.find_class", "import", "socket.connect", "ctypes.dlopen", "os.remove")


def _watch(event, arguments):
    if not _ALLOWED:
        return
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if not any(path == folder or path.startswith(folder + "/") for folder in _ALLOWED):
            _SEEN.append(f"open {path}")
    elif event in _FORBIDDEN:
        _SEEN.append(f"{event} {arguments!r:.200}")


sys.addaudithook(_watch)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """``content`` after one to four random changes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        if rng.random() < 0.5:  # headers are small and come first
            at = min(at, rng.randrange(160))
        length = rng.choice((1, 1, 2, 4, 8, 64, 512))
        change = rng.randrange(7)
        if change == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1 and at < len(data):
            data[at] = rng.randrange(256)
        elif change == 2:
            del data[at : at + length]
        elif change == 3:
            data[at:at] = rng.choice(TOKENS)
        elif change == 4:
            token = rng.choice(TOKENS)
            data[at : at + len(token)] = token
        elif change == 5:
            other = rng.randrange(len(data) + 1)
            data[at:at] = data[other : other + length]
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


# One function a reader: it makes good files in a folder and returns the path to damage, and what
# reads it.


def npy(folder):
    np.save(folder / "a.npy", np.arange(24, dtype=np.uint8).reshape(4, 6))
    return folder / "a.npy", lambda: open_array(folder / "a.npy", np.uint8, (2,)).sum()


def dataset(folder, name):
    rng = np.random.default_rng(0)
    splits = {
        split: Split(
            rng.integers(0, 255, (6, 2, 3, 3), dtype=np.uint8), np.arange(6) % 3, np.full(6, number)
        )
        for number, split in enumerate(("train", "valid", "test"))
    }
    out = folder / "set"
    write_dataset(
        out, splits, name="x", height=2, width=3, classes=("a", "b", "c"), recipe={"seed": 1}
    )
    return out / name, lambda: load_dataset(out).train.images.sum()


def keras_3_weights(folder):
    rng = np.random.default_rng(0)
    weights = {k: rng.random(s, np.float32) for k, s in weight_shapes(SMALL).items()}
    write_weights(folder / "a.weights.h5", weights, SMALL)
    return folder / "a.weights.h5", lambda: read_weights(folder / "a.weights.h5", SMALL, head=True)


def keras_2_weights(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv1", b"conv1_bn"]
        for name, shape in weight_shapes(SMALL).items():
            layer, weight = name.split("/")
            data = np.full(shape, 0.5, np.float32)
            pressed = {"compression": "gzip", "shuffle": True} if weight == "kernel" else {}
            file.create_dataset(f"{layer}/{layer}/{weight}:0", data=data, **pressed)
    return folder / "a.h5", lambda: read_weights(folder / "a.h5", SMALL)


def classifier(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        kernel = np.full((feature_shape(SMALL, SMALL.depth)[-1], 7), 0.5, np.float32)
        file.create_dataset("layers/dense/vars/0", data=kernel, compression="gzip")
        file.create_dataset("layers/dense/vars/1", data=np.zeros(7, np.float32))
    return folder / "a.h5", lambda: read_classifier(folder / "a.h5", SMALL)


def scores(folder):
    lines = ["block,score,value,seconds", "0,logme,0.5,0.1", "1,logme,0.6,0.2"]
    (folder / "scores.csv").write_text("\n".join(lines) + "\n")
    return folder / "scores.csv", lambda: read_scores(folder)


def committed(folder, name, read):
    """The first lines of a committed table."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    with (RESULTS / name if "/" in name else RESULTS / "lanes-fractals" / name).open("rb") as file:
        path.write_bytes(b"".join(itertools.islice(file, 4)))
    return path, lambda: read(folder)


def published(folder):
    (folder / "a.csv").write_text("network,block,test_accuracy\nAnB,1,0.713\nbaseB,0,0.909\n")
    return folder / "a.csv", lambda: read_published(folder / "a.csv")


def csv_list(folder):
    folder = folder / "set"
    (folder / "a").mkdir(parents=True)
    names = [f"a/{label}_{number}.png" for label in ("cup", "plate") for number in range(20)]
    for name in names:
        (folder / name).touch()
    lines = [f"{name},{name[2:5]},{number // 4}" for number, name in enumerate(names)]
    (folder / "list.csv").write_text("\n".join(["path,label,group", *lines]) + "\n")

    def read():
        inside(read_csv_list(folder / "list.csv"))

    return folder / "list.csv", read


def tub_2(folder, name):
    folder = folder / "tub"
    (folder / "images").mkdir(parents=True)
    lines = [[], {}, {}, {}, {"paths": ["catalog_0.catalog"], "deleted_indexes": [1]}]
    (folder / "manifest.json").write_text("\n".join(map(json.dumps, lines)))
    records = [
        {
            **{"_index": i, "_session_id": "s", "_timestamp_ms": 50 * i, "user/mode": "user"},
            **{"cam/image_array": f"{i}.jpg", "user/angle": 0.1 * i},
        }
        for i in range(4)
    ]
    (folder / "catalog_0.catalog").write_text("\n".join(map(json.dumps, records)))
    return folder / name, lambda: inside(tub_reader(folder)(folder))


def tub_1(folder):
    folder = folder / "tub"
    folder.mkdir()
    record = {"cam/image_array": "0.jpg", "user/angle": 0.5, "user/mode": "user", "milliseconds": 9}
    (folder / "record_0.json").write_text(json.dumps(record))
    return folder / "record_0.json", lambda: inside(tub_reader(folder)(folder))


def udacity(folder):
    (folder / "IMG").mkdir()
    (folder / "IMG" / "center_2016_12_01_13_30_48_287.jpg").write_bytes(b"")
    line = "C:\\IMG\\center_2016_12_01_13_30_48_287.jpg, left.jpg, right.jpg, 0.5, 1, 0, 30\n"
    (folder / "driving_log.csv").write_text(
        "center,left,right,steering,throttle,brake,speed\n" + line * 3
    )
    return folder / "driving_log.csv", lambda: inside(read_udacity(folder))


def inside(source):
    for image in source.images:
        parts = image.split("/")
        assert not {"", ".", ".."} & set(parts), image
        assert not set(image) & set("\\\0"), image


def read_image(path):
    for _, error in read_images([path], 5, 8).unreadable:
        raise error


def image(folder, kind):
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"a.{kind}")
    return folder / f"a.{kind}", lambda: read_image(folder / f"a.{kind}")


def rotated(folder):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (16, 12), (9, 99, 199)).save(folder / "a.jpg", exif=turned)
    return folder / "a.jpg", lambda: read_image(folder / "a.jpg")


def image_folders(folder):
    for label in ("train/left", "train/right", "test/left", "test/right"):
        (folder / "set" / label).mkdir(parents=True)
        (folder / "set" / label / "0.png").touch()
    (folder / "names").write_bytes(b"left")

    def read():  # the content is the name of a class
        name = os.fsdecode((folder / "names").read_bytes().replace(b"/", b"_")[:99])
        made = folder / "set" / "train" / name.replace("\0", "")
        new = not made.exists()
        made.mkdir(exist_ok=True)
        (made / "0.png").touch()
        try:
            if holds_images(folder / "set"):
                inside(read_image_folders(folder / "set"))
        except TransferError as error:  # the command line makes one line of it
            raise TransferError(" ".join(str(error).split())) from error
        finally:
            if new:
                shutil.rmtree(made)

    return folder / "names", read


def study(folder, name):
    text = {column: "" for column, kind in RUN_COLUMNS.items() if kind == "string"}
    numbers = {column: 0.5 for column, kind in RUN_COLUMNS.items() if kind == "float64"}
    counts = {column: 1 for column, kind in RUN_COLUMNS.items() if kind.lower() == "int64"}
    facts = {"run": RUN, "kind": "AnB", "n": 3, "seed": 0, "bn": "inference"}
    write_row(folder, {**text, **numbers, **counts, **facts})
    write_log(folder, RUN, [dict.fromkeys(LOG_COLUMNS, 1.5) | {"epoch": e} for e in (1, 2)])
    write_predictions(folder, RUN, np.full((6, 3), 1 / 3, np.float32))
    write_test_labels(folder, np.arange(6) % 3, np.arange(6) // 2)
    if not name.startswith("working"):
        fold(folder)
    write_study(folder)
    readers = {
        "runs.csv": lambda: read_runs(folder),
        "epochs.csv": lambda: read_log(folder, RUN),
        "predictions.npz": lambda: (read_predictions(folder, RUN), read_test_clusters(folder)),
        f"working/logs/{RUN}.csv": lambda: read_log(folder, RUN),
        f"working/rows/{RUN}.json": lambda: read_runs(folder),
        f"working/predictions/{RUN}.npz": lambda: read_predictions(folder, RUN),
        "working/predictions/labels.npz": lambda: read_test_labels(folder),
        "study.json": lambda: planned_runs(folder),
    }
    return folder / name, readers[name]


def checkpoint(folder, signed):
    path = folder / "a.checkpoint"
    arrays = {"weights/a": np.ones((3, 4), np.float32), "dropout": np.zeros(2, np.uint32)}
    write_checkpoint(path, arrays, {"epochs": [{"epoch": 1}], "best_epoch": 1})

    def read():
        if signed:  # as somebody would who wants it to be believed
            content = path.read_bytes()[32:]
            path.write_bytes(hashlib.sha256(content).digest() + content)
        return read_checkpoint(path)

    return path, read


def archive(folder, mode):
    path = folder / "a.tar"
    with tarfile.open(path, f"w:{mode}", format=tarfile.PAX_FORMAT) as tar:
        for split in ("train", "valid", "test"):
            for what in ("data", "labels"):
                stream = io.BytesIO()
                np.save(stream, np.zeros(3, np.uint8))
                member = tarfile.TarInfo(f"{split}_{what}.npy")
                member.size = stream.tell()
                member.pax_headers = {"comment": "é"}
                stream.seek(0)
                tar.addfile(member, stream)
    (folder / "out").mkdir()

    def read():
        try:
            download._unpack(path, folder / "out", "http://x", 1 << 20)
        finally:
            assert all(entry.name in download._FILES for entry in os.scandir(folder / "out"))

    return path, read


def notes(folder):
    part = folder / "a.tar.part"
    part.write_bytes(b"x")
    facts = {"url": "http://x/a", "total": 9, "validator": '"abc"'}
    download._notes(part).write_text(json.dumps(facts))

    def read():
        have, found = download._resume_point("http://x/a", part)
        assert have in (0, 1)
        assert type(found.get("total")) in (int, type(None))
        assert "\n" not in str(found.get("validator"))

    return download._notes(part), read


READERS = {
    "npy": npy,
    "images": functools.partial(dataset, name="train_data.npy"),
    "labels": functools.partial(dataset, name="valid_labels.npy"),
    "recordings": functools.partial(dataset, name="test_recordings.npy"),
    "dataset.json": functools.partial(dataset, name="dataset.json"),
    ".weights.h5": keras_3_weights,
    ".h5": keras_2_weights,
    "classifier": classifier,
    "tub manifest": functools.partial(tub_2, name="manifest.json"),
    "tub catalog": functools.partial(tub_2, name="catalog_0.catalog"),
    "tub record": tub_1,
    "driving_log.csv": udacity,
    "image folders": image_folders,
    "png": functools.partial(image, kind="png"),
    **{kind: functools.partial(image, kind=kind) for kind in ("jpeg", "webp", "bmp", "gif")},
    "tiff": functools.partial(image, kind="tiff"),
    "jpeg, turned": rotated,
    "list of images": csv_list,
    "runs.csv": functools.partial(study, name="runs.csv"),
    "epochs.csv": functools.partial(study, name="epochs.csv"),
    "predictions.npz": functools.partial(study, name="predictions.npz"),
    "logs": functools.partial(study, name=f"working/logs/{RUN}.csv"),
    "rows": functools.partial(study, name=f"working/rows/{RUN}.json"),
    "predictions": functools.partial(study, name=f"working/predictions/{RUN}.npz"),
    "test labels": functools.partial(study, name="working/predictions/labels.npz"),
    "study.json": functools.partial(study, name="study.json"),
    "scores.csv": scores,
    "deploy.csv": functools.partial(committed, name="deploy.csv", read=read_costs),
    "driving.csv": functools.partial(
        committed, name="driving.csv", read=lambda folder: read_drives(folder / "driving.csv")
    ),
    "reestimation.csv": functools.partial(
        committed,
        name="reestimation.csv",
        read=lambda folder: read_reestimation(folder / "reestimation.csv"),
    ),
    "agreement.csv": functools.partial(
        committed, name="agreement/agreement.csv", read=read_agreement
    ),
    "predictions.csv": functools.partial(
        committed, name="agreement/predictions.csv", read=read_predicted
    ),
    "similarity.csv": functools.partial(committed, name="similarity.csv", read=read_similarity),
    "published numbers": published,
    "checkpoint": functools.partial(checkpoint, signed=False),
    "signed checkpoint": functools.partial(checkpoint, signed=True),
    "tar": functools.partial(archive, mode=""),
    "tar.gz": functools.partial(archive, mode="gz"),
    "download notes": notes,
}

#: Damage is met by an older checkpoint, or by beginning anew.
NEVER_REFUSED = ("download notes", "checkpoint", "signed checkpoint")


def _check_sentence(case, message):
    assert "\n" not in message, (case, message)
    assert 0 < len(message) < 3000, (case, message[:3000])


def fuzz(reader, folder, cases, seed=0):
    """Damage a good file ``cases`` times; returns how often it was refused."""
    path, read = READERS[reader](folder)
    good = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(TransferError):
            read()  # whatever is imported late is imported now
        refused = 0
        for case in range(cases):
            content = damaged(good, random.Random(f"{reader} {seed} {case}"))
            path.unlink()  # a mapped array may still look at the old content
            path.write_bytes(content)
            _SEEN.clear()
            _ALLOWED[:] = [os.path.abspath(folder)]
            try:
                read()
            except TransferError as error:
                refused += 1
                _check_sentence(case, str(error))
            except Exception as error:
                raise AssertionError(f"case {case} of {reader}: {error!r}") from error
            finally:
                _ALLOWED.clear()
            allowed = ("os.remove",) if reader == "image folders" else ()
            seen = [event for event in _SEEN if not event.startswith(allowed)]
            assert seen == [], (case, seen)
    return refused


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(tmp_path, reader):
    assert fuzz(reader, tmp_path, FEW) > 0 or reader in NEVER_REFUSED


@pytest.mark.soak
@pytest.mark.parametrize("reader", READERS)
def test_ten_thousand_damaged_files(tmp_path, reader):
    print(f"{reader}: {fuzz(reader, tmp_path, MANY, seed=1)} of {MANY} refused")
