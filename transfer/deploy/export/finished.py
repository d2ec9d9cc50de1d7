"""A finished run of a study: what is recorded about it, its weights, its data set."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.networks.backbone import Architecture
from transfer.networks.weights import read_weights
from transfer.program import command
from transfer.results import read_runs, to_repeat
from transfer.runs import Run, parse_run
from transfer.study_file import data_path, model_path, read_settings
from transfer.tasks.dataset import HEIGHT, WIDTH, Dataset, load_recorded


@dataclass(frozen=True)
class Finished:
    """A run and what its study says about it.

    ``input_size``: height and width the images are resized to.
    ``test_accuracy``: as in runs.csv, 0..1.
    ``data_path``, ``data_sha256``: the data set of the study: where it was, and its content.
    """

    study_dir: Path
    run: Run
    backbone: str
    alpha: float
    input_size: tuple[int, int]
    classes: tuple[str, ...]
    test_accuracy: float
    weights_sha256: str
    data_path: str
    data_sha256: str

    def architecture(self, image_size: tuple[int, int] = (HEIGHT, WIDTH)) -> Architecture:
        """The network's shape, for images of this height and width."""
        return Architecture(
            self.run.depth,
            self.alpha,
            self.input_size,
            image_size,
            len(self.classes),
            self.backbone,
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
    settings, runs = read_settings(study_dir), read_runs(study_dir)
    row = runs[runs["run"] == run.name]
    if row.empty:
        raise TransferError(
            f"Expected a finished run {run.name} in {study_dir}. It has none of that name; "
            f"`{command('run', run.name, '--out', study_dir)}` trains it."
        )
    return Finished(
        study_dir,
        run,
        settings.backbone,
        settings.alpha,
        settings.input_size,
        settings.classes,
        float(row["test_accuracy"].iloc[0]),
        str(row["weights_sha256"].iloc[0]),
        data_path(study_dir),
        settings.data_sha256,
    )


def open_data(finished: Finished, data: str | Path | None = None) -> Dataset:
    """The data set the run was trained on, in ``data`` or where the study found it."""
    return load_recorded(finished.data_path if data is None else data, finished.data_sha256)
