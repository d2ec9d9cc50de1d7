"""What all runs of a study share. No TensorFlow here: the parent of the workers needs it too."""

from dataclasses import dataclass
from pathlib import Path

from transfer.runs import Run
from transfer.study_file import Settings

#: Traced graphs that a worker keeps, as each holds memory; the longest unused is dropped.
GRAPHS_KEPT = 4


@dataclass(frozen=True)
class Context:
    """What all runs of a study share; small enough to be sent to a worker process."""

    study_dir: Path
    data: Path
    source_path: Path | None  #: weight file of baseA, or None if no run needs one
    settings: Settings

    @property
    def threads(self) -> int:
        """Threads of a worker; one where an old study does not say."""
        return self.settings.threads or 1


def model_path(study_dir: Path, run: Run) -> Path:
    """Where the weights of a finished run are."""
    return study_dir / "models" / f"{run.name}.weights.h5"
