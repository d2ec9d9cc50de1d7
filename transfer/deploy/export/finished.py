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
from transfer.study_file import Settings, data_path, model_path, read_settings
from transfer.tasks.dataset import HEIGHT, WIDTH, Dataset, load_recorded


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
