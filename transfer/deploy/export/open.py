"""Open a network to run it: a run of a study, or an exported file.

The configuration of a ``.keras`` file could name code to run and is not looked at: the network is
built from what the metadata say. ``.tflite`` and ``.onnx`` hold no code.
"""

import tempfile
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from transfer.deploy.export import runtimes
from transfer.errors import TransferError
from transfer.networks.backbone import DEFAULT, Architecture
from transfer.networks.weights import read_weights
from transfer.program import command
from transfer.results import read_runs, to_repeat
from transfer.runs import Run, parse_run, parse_runs
from transfer.study_file import Settings, data_path, model_path, read_settings
from transfer.tasks.dataset import HEIGHT, WIDTH, Dataset, check_description, load_recorded

_WEIGHTS = "model.weights.h5"  # as Keras names them in its archive
_MAX_WEIGHT_BYTES = 128 << 20


@dataclass(frozen=True)
class Finished:
    """A run, and the settings of its study."""

    study_dir: Path
    run: Run
    settings: Settings

    def architecture(self, image_size: tuple[int, int] = (HEIGHT, WIDTH)) -> Architecture:
        """The network's shape, for images of this height and width."""
        settings = self.settings
        size, classes = settings.input_size, len(settings.classes)
        return Architecture(
            self.run.depth, settings.alpha, size, image_size, classes, settings.backbone
        )

    def weights(self) -> dict[str, np.ndarray]:
        """All weights, float32, keyed ``layer/weight``; an error if they are missing or damaged."""
        path = model_path(self.study_dir, self.run)
        if not path.is_file():
            raise TransferError(
                f"Expected the weights of {self.run.name} at {path}. They are not there: weights "
                f"are not under version control. {to_repeat(self.study_dir, self.run.name)}"
            )
        return read_weights(path, self.architecture(), head=True)


def read_finished(path: str | Path) -> Finished:
    """What is recorded about the run ``STUDY_DIR/RUN_NAME``."""
    path = Path(path)
    run, study_dir = parse_run(path.name), path.parent
    settings = read_settings(study_dir)
    if not read_runs(study_dir)["run"].eq(run.name).any():
        raise TransferError(
            f"Expected a finished run {run.name} in {study_dir}. It has none of that name; "
            f"`{command('run', run.name, '--out', study_dir)}` trains it."
        )
    return Finished(study_dir, run, settings)


def open_data(finished: Finished, data: str | Path | None = None) -> Dataset:
    """The data set the run was trained on, in ``data`` or where the study found it."""
    folder = data_path(finished.study_dir) if data is None else data
    return load_recorded(folder, finished.settings.data_sha256)


def is_exported(path: Path) -> bool:
    """Whether the name is that of an exported file, not of a run."""
    return path.suffix in runtimes.SUFFIXES.values()


def open_network(
    path: str | Path, image_size: tuple[int, int] | None = None, data: str | Path | None = None
) -> runtimes.Opened:
    """A network that is ready to run, and what it says about itself, checked.

    ``path``: an exported file, or ``STUDY_DIR/RUN_NAME``. ``image_size``: height and width of the
    images that a run will be given; None: those of its study's data set, in ``data`` or where the
    study found it.
    """
    path = Path(path)
    if not is_exported(path):
        finished = read_finished(path)
        if image_size is None:
            dataset = open_data(finished, data)
            image_size = dataset.height, dataset.width
        about = {
            "run": finished.run.name,
            "format": "keras",
            "classes": list(finished.settings.classes),
        }
        return _built(
            finished.architecture(image_size),
            finished.weights(),
            about | {"image_size": list(image_size)},
        )
    if not path.is_file():
        raise TransferError(f"Expected an exported network at {path}. It is not there.")
    if path.suffix == runtimes.SUFFIXES["keras"]:
        return _open_keras(path)
    opened = runtimes.open_exported(path)
    _check(opened.metadata, path)
    return opened


def _check(about: dict[str, Any], path: Path) -> None:
    """Raise a `TransferError` unless the metadata are those of an exported network."""
    sides = about.get("image_size")
    if not isinstance(sides, list) or len(sides) != 2:
        raise TransferError(
            f"Expected a network that `export` has written in {path}. It does not say what images "
            "it takes."
        )
    height, width = sides
    check_description(str(path), "network", height, width, about.get("classes"))
    parse_runs([about.get("run")], f"the metadata of {path}")


def _open_keras(path: Path) -> runtimes.Opened:
    try:
        about = runtimes.metadata_of_archive(path)
        _check(about, path)
        (run,) = parse_runs([about["run"]], str(path))
        height, width = about["input_size"]
        architecture = Architecture(
            run.depth,
            about["alpha"],
            (height, width),
            (about["image_size"][0], about["image_size"][1]),
            len(about["classes"]),
            about.get("backbone", DEFAULT),
        )
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            if archive.getinfo(_WEIGHTS).file_size > _MAX_WEIGHT_BYTES:
                raise TransferError(f"Expected weights of at most 128 MiB in {path}.")
            inside = Path(folder) / _WEIGHTS
            inside.write_bytes(archive.read(_WEIGHTS))
            weights = read_weights(inside, architecture, head=True)
    except TransferError:
        raise
    except Exception as error:  # damaged archives and JSON of other shapes raise anything
        raise TransferError(
            f"Expected a network that `export` has written in {path}. It is damaged, or another "
            "file."
        ) from error
    return _built(architecture, weights, about)


def _built(
    architecture: Architecture, weights: dict[str, np.ndarray], about: dict[str, Any]
) -> runtimes.Opened:
    from transfer.networks.network import build
    from transfer.networks.transplant import set_weights

    model = build(architecture)
    set_weights(model, weights)

    return runtimes.Opened(partial(runtimes.in_batches, model.predict_on_batch), about)
