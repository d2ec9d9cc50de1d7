"""From what is asked to what is run: the data set, the source, and ``study.json``."""

import dataclasses
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from transfer import __version__, study_file
from transfer.archives import MAX_ARRAY_BYTES
from transfer.errors import TransferError
from transfer.files import WORKING, exclusively, refuse_links, remove_temporaries, sha256_of
from transfer.folding import write_test_labels
from transfer.machine import cores, machine, versions_of
from transfer.networks.sources import find_source
from transfer.progress import quietly
from transfer.results import folded_runs, names_in, read_runs, working
from transfer.runs import Protocol, Study
from transfer.tables import is_formula
from transfer.tasks.dataset import Dataset, content_hash, load_dataset
from transfer.tasks.lanes.generate import generate

_LIBRARIES = ("tensorflow-cpu", "tensorflow", "keras", "numpy", "scipy", "pandas", "h5py")
#: Threads of a worker process in a new study, whatever the machine: the last bits of a result
#: depend on it. At these sizes a second thread gains next to nothing.
_THREADS = 1
#: What must agree between two calls on one folder, and what it is called in words.
_COMPARED = {
    "data_sha256": "data set",
    "classes": "list of classes",
    "backbone": "backbone",
    "alpha": "alpha",
    "input": "input",
    "protocol": "protocol",
    "source": "source",
}


def simulated_data(images: dict[str, int], seed: int = 0) -> Path:
    """The folder of a simulated data set of this size, generated if it is not there yet."""
    name = f"lanes-{images['train']}-{images['valid']}-{images['test']}-s{seed}"
    path = Path("data") / name
    with exclusively(path.with_name(f".{name}.lock")):  # another study may be making the same
        if not path.exists():
            remove_temporaries(path.parent, name)
            generate(path, **images, seed=seed)
    return path


def prepare(
    out: Path,
    study: Study,
    data: Path,
    workers: int = 1,
    engine: str = "local",
    record: Mapping[str, Any] | None = None,
) -> study_file.Context:
    """Check the inputs before anything is trained, and bring ``study.json`` up to date.

    ``workers``, ``engine``, ``record``: for the record of this call.
    """
    refuse_links(out)
    dataset = load_dataset(data)
    if study.protocol.batch > len(dataset.train.labels):
        raise TransferError(
            f"Expected --batch of at most {len(dataset.train.labels)}, the training images in "
            f"{data}. Received: {study.protocol.batch}."
        )
    images, classes = len(dataset.test.labels), len(dataset.classes)
    if 2 * images * classes > MAX_ARRAY_BYTES:
        raise TransferError(
            f"Expected at most {MAX_ARRAY_BYTES // 2:,} test images times classes in {data}, since "
            f"every prediction is kept. Received: {images:,} images of {classes:,} classes."
        )
    asked = _settings_of(study, dataset)
    if (out / "study.json").exists():  # before weights are fetched
        _refuse_contradiction(out, study_file.read_settings(out), asked)
    source_path = None
    if any(run.needs_base_a for run in study.runs()):
        with quietly():  # TensorFlow greets when it is loaded to read shapes
            name, source_path = find_source(study.source, study.alpha, study.backbone)
        if is_formula(name):  # it will stand in tables
            raise TransferError(f"Expected a weight file that is not called like a formula: {name}")
        asked = dataclasses.replace(asked, source=study_file.Source(name, sha256_of(source_path)))
    call = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        **study_file.asked_of(study),
        "data": str(data),
        "source": study.source,
        "engine": engine,
        "workers": workers,
        **(record or {}),
        **environment(),
    }
    _refuse_foreign(out)
    if folded_runs(out) or names_in(out, "rows"):
        read_runs(out)  # a table that is damaged is said before anything is trained
    # Another study may begin in the same folder.
    with exclusively(working(out, "locks", "study.lock")):
        remove_temporaries(out, "study.json")
        remove_temporaries(working(out, "predictions"), "labels.npz")
        settings, calls = asked, []
        if (out / "study.json").exists():
            settings, calls = study_file.read_settings(out), study_file.read_calls(out)
            _refuse_contradiction(out, settings, asked)
            settings = dataclasses.replace(settings, source=settings.source or asked.source)
        study_file.write_study_file(out, settings, [*calls, call])
        write_test_labels(out, dataset.test.labels, dataset.test_clusters)
    return study_file.Context(out, data, source_path, settings)


def _settings_of(study: Study, dataset: Dataset) -> study_file.Settings:
    return study_file.Settings(
        dataset.name,
        content_hash(dataset),
        {name: len(split.labels) for name, split in dataset.splits.items()},
        tuple(dataset.classes),
        study.backbone,
        study.alpha,
        study.input_size,
        study.protocol,
        _THREADS,
    )


def environment() -> dict[str, Any]:
    """Versions and machine, for the record."""
    versions = {"feature-transfer": __version__, "python": platform.python_version()}
    versions |= versions_of(_LIBRARIES)  # the GPU or the CPU build of TensorFlow is not there
    return {"versions": versions, "machine": machine(), "processors": cores()}


def _refuse_foreign(out: Path) -> None:
    """Refuse a folder of something else; what a study left that was killed early is accepted."""
    if (out / "study.json").exists() or not out.exists():
        return
    if not out.is_dir() or any(
        path.name != WORKING and not path.name.startswith(".study.json.") for path in out.iterdir()
    ):
        if (out / "study.json").exists():  # written by another process between the two looks
            return
        what = "holds other files" if out.is_dir() else "is a file"
        raise TransferError(f"Expected a new folder or the folder of a study. {out} {what}.")


def _refuse_contradiction(
    out: Path, settings: study_file.Settings, asked: study_file.Settings
) -> None:
    for attribute, words in _COMPARED.items():
        ours, theirs = getattr(settings, attribute), getattr(asked, attribute)
        if attribute == "source":
            if ours is None or theirs is None or ours.sha256 == theirs.sha256:
                continue
        elif ours == theirs:
            continue
        raise TransferError(
            f"The study in {out} was made with the {words} {_words(settings, attribute)}, not "
            f"{_words(asked, attribute)}. Give another --out."
        )


def _words(settings: study_file.Settings, attribute: str) -> str:
    """A setting as it stands in a sentence."""
    value = getattr(settings, attribute)
    if attribute == "data_sha256":
        return f"{settings.dataset} ({value[:8]}...)"
    if isinstance(value, Protocol):
        return value.name
    if isinstance(value, study_file.Source):
        return f"{value.name} ({value.sha256[:8]}...)"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))[:200]
    return str(value)
