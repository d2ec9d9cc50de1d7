"""What all runs of a study share. No TensorFlow here: the parent of the workers needs it too."""

from dataclasses import dataclass
from pathlib import Path

from transfer.runs import Protocol, Run

#: Traced graphs that a worker keeps, as each holds memory; the longest unused is dropped.
GRAPHS_KEPT = 4


@dataclass(frozen=True)
class Context:
    """What all runs of a study share; small enough to be sent to a worker process."""

    study_dir: Path
    data: Path
    dataset: str
    source: str
    source_path: Path | None  #: weight file of baseA, or None if no run needs one
    protocol: Protocol
    alpha: float
    input_size: tuple[int, int]
    threads: int = 1  #: of a worker: the last bits of a result depend on it


def model_path(study_dir: Path, run: Run) -> Path:
    """Where the weights of a finished run are."""
    return study_dir / "models" / f"{run.name}.weights.h5"
