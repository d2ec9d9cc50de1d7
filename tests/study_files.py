"""The files of a study in tests: study.json made up, and results without what holds a time."""

import dataclasses
import re
from pathlib import Path

from transfer.runs import PROTOCOLS, Run
from transfer.study_file import Settings, Source, write_study_file

SETTINGS = Settings(
    dataset="made",
    data_sha256="ab" * 32,
    images={"train": 90, "valid": 30, "test": 30},
    classes=("forward", "left", "right"),
    backbone="mobilenet",
    alpha=0.25,
    input_size=(48, 80),
    protocol=PROTOCOLS["fast"],
    threads=1,
    source=Source("fractals", "cd" * 32),
)


RESULTS = Path(__file__).parents[1] / "experiments-results"


def committed(file: str) -> list[Path]:
    """The committed studies that have this file, as the README beside them lists them.

    Studies that a user trained there are none of them.
    """
    names = re.findall(r"`([\w.-]+)/`", (RESULTS / "README.md").read_text(encoding="utf-8"))
    return [RESULTS / name for name in sorted(set(names)) if (RESULTS / name / file).exists()]


def call_for(runs: list[Run], data: str = "data/made") -> dict:
    """A call that asks for the smallest grid with these runs in it."""
    return {
        "when": "2026-01-01T00:00:00+00:00",
        "kinds": sorted({run.kind for run in runs}),
        "n": sorted({run.n for run in runs if run.n is not None}),
        "seeds": sorted({run.seed for run in runs}),
        "bn": sorted({run.bn for run in runs if run.bn}),
        "fractions": sorted({run.fraction for run in runs}),
        "data": data,
        "versions": {"keras": "3"},
        "machine": "Linux x86_64",
        "processors": 2,
    }


def write_study(folder: Path, *calls: dict, **settings: object) -> None:
    """Write study.json: `SETTINGS` with changes, and calls (none: one that asks for baseB)."""
    changed = dataclasses.replace(SETTINGS, **settings)
    write_study_file(folder, changed, calls or [call_for([Run("baseB")])])


def results(study: Path) -> dict[str, bytes]:
    """Content of the tables, weights and predictions, by their path in the study."""
    found = {}
    for pattern in ("*.csv", "models/*", "*.npz"):
        for path in study.glob(pattern):
            content = path.read_bytes()
            if path.suffix == ".csv":
                lines = [line.split(b",") for line in content.splitlines()]
                timed = lines[0].index(b"seconds") if b"seconds" in lines[0] else None
                kept = [[c for i, c in enumerate(line) if i != timed] for line in lines]
                content = b"\n".join(map(b",".join, kept))
            found[str(path.relative_to(study))] = content
    return found


def files(study: Path) -> set[str]:
    """All files below the study, hidden ones included."""
    return {str(path.relative_to(study)) for path in study.rglob("*") if path.is_file()}
