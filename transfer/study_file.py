"""study.json: settings, written once, and calls that asked for runs; what workers are told."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.errors import TransferError
from transfer.files import read_json, write_atomically
from transfer.runs import BN_SEMANTICS, KINDS, Protocol, Run, Study, parse_run
from transfer.tables import is_formula

_MOST_RUNS = 200_000  # of one call: a damaged file could ask for billions
_MOST_CLASSES = 1000
#: Traced graphs that a worker keeps, as each holds memory; the longest unused is dropped.
GRAPHS_KEPT = 4


@dataclass(frozen=True)
class Source:
    """The weights of baseA: their name and the SHA-256 of their file."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Settings:
    """Everything that the results of a study depend on."""

    dataset: str
    data_sha256: str  #: `transfer.tasks.dataset.content_hash`
    images: dict[str, int]  #: how many are in ``train``, ``valid`` and ``test``
    classes: tuple[str, ...]  #: their names, in the order of the labels
    backbone: str
    alpha: float  #: width multiplier
    input_size: tuple[int, int]  #: height and width the images are resized to
    protocol: Protocol
    threads: int | None  #: of a worker process; None in studies made before this was recorded
    source: Source | None = None  #: None as long as no run has needed baseA

    @property
    def input(self) -> str:
        """``HxW``, as on the command line."""
        return "x".join(map(str, self.input_size))


def write_study_file(
    study_dir: Path, settings: Settings, calls: Iterable[Mapping[str, Any]]
) -> None:
    """Write ``study.json``."""
    content = {
        "dataset": {
            "name": settings.dataset,
            "sha256": settings.data_sha256,
            "images": settings.images,
            "classes": list(settings.classes),
        },
        "source": dataclasses.asdict(settings.source) if settings.source else None,
        "backbone": settings.backbone,
        "alpha": settings.alpha,
        "input": settings.input,
        "protocol": settings.protocol.values(),
        "threads": settings.threads,
        "calls": list(calls),
    }
    write_atomically(study_dir / "study.json", json.dumps(content, indent=1) + "\n")


def read_settings(study_dir: str | Path) -> Settings:
    """What the results of a study depend on."""
    path = Path(study_dir) / "study.json"
    if not path.exists():
        raise TransferError(f"There is no study in {study_dir}: expected study.json in it.")
    content = read_json(path)
    try:
        dataset, source = content["dataset"], content["source"]
        height, width = (int(side) for side in content["input"].split("x"))
        settings = Settings(
            str(dataset["name"]),
            str(dataset["sha256"]),
            {str(split): int(count) for split, count in dataset["images"].items()},
            tuple(str(name) for name in dataset["classes"]),
            str(content["backbone"]),
            float(content["alpha"]),
            (height, width),
            Protocol.of(content["protocol"]),
            None if content["threads"] is None else int(content["threads"]),
            None if source is None else Source(str(source["name"]), str(source["sha256"])),
        )
        _check(settings)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise TransferError(
            f"Expected the settings of a study in {path}: {what:.200}. Restore the file, or give "
            "another folder."
        ) from error
    return settings


def _check(settings: Settings) -> None:
    """Raise a ValueError if a value can be that of no study."""
    protocol = settings.protocol
    numbers = [value for value in protocol.values().values() if not isinstance(value, str | None)]
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in numbers):
        raise ValueError("its protocol holds something other than finite numbers")
    if not all(isinstance(v, int) and v >= 1 for v in (protocol.batch, protocol.epochs)):
        raise ValueError("its batch and epochs are not whole numbers of 1 or more")
    if not 2 <= len(settings.classes) <= _MOST_CLASSES:
        raise ValueError(f"it has not 2 to {_MOST_CLASSES} classes")
    if settings.threads is not None and not 1 <= settings.threads <= 1024:
        raise ValueError("its number of threads is not of 1 to 1024")
    names = [settings.dataset, *([settings.source.name] if settings.source else ())]
    if any(map(is_formula, names)):
        raise ValueError("its data set or source is called like a formula")
    if not 0 < settings.alpha <= 2:
        raise ValueError("its alpha is not above 0 and at most 2")


def read_calls(study_dir: str | Path) -> list[dict[str, Any]]:
    """The calls of a study, oldest first; at least one."""
    path = Path(study_dir) / "study.json"
    calls = read_json(path).get("calls")
    if not isinstance(calls, list) or not calls or not all(isinstance(c, dict) for c in calls):
        raise TransferError(f"Expected a list of calls in {path}. It is missing or empty.")
    return calls


def rounds(study_dir: str | Path) -> int:
    """Rounds that were begun of a study that goes on until it is decided; 0 for other studies."""
    path = Path(study_dir) / "study.json"
    if not path.exists():
        return 0
    numbers = [call["round"] for call in read_calls(study_dir) if "round" in call]
    if not all(type(number) is int and 1 <= number <= 1000 for number in numbers):
        raise TransferError(f"Expected rounds of 1 or more in the calls of {path}.")
    return max(numbers, default=0)


def recorded_margin(study_dir: str | Path) -> float:
    """The margin of a study that goes on until it is decided, 0..1 units; 0.01 for others."""
    calls = read_calls(study_dir) if rounds(study_dir) else []
    margin = next((call.get("margin") for call in calls if "round" in call), 0.01)
    if not isinstance(margin, float) or not 0 < margin < 1:
        path = Path(study_dir) / "study.json"
        raise TransferError(f"Expected margins between 0 and 1 in the calls of {path}.")
    return margin


def data_path(study_dir: str | Path) -> str:
    """The folder where the last call found the data set."""
    return str(read_calls(study_dir)[-1].get("data", ""))


def asked_of(study: Study) -> dict[str, Any]:
    """The part of a call that says which networks it asked for."""
    listed = {"runs": [run.name for run in study.listed]} if study.listed else {}
    return listed | {
        "kinds": list(study.kinds),
        "n": list(study.n),
        "seeds": list(study.seeds),
        "bn": list(study.bn),
        "fractions": list(study.fractions),
    }


def planned_runs(study_dir: str | Path) -> list[Run]:
    """The union of the runs that the calls of a study asked for, with those they depend on."""
    settings, calls = read_settings(study_dir), read_calls(study_dir)
    try:
        asked = [_study_of(call, settings).runs() for call in calls]
    except (KeyError, TypeError, ValueError, TransferError) as error:
        raise TransferError(
            f"Expected kinds, n, seeds, bn and fractions of networks in each call of "
            f"{Path(study_dir) / 'study.json'}: {error!s:.200}"
        ) from error
    return list(dict.fromkeys(run for runs in asked for run in runs))


def _study_of(call: Mapping[str, Any], settings: Settings) -> Study:
    kinds, n, seeds, bn, fractions = (
        call[key] for key in ("kinds", "n", "seeds", "bn", "fractions")
    )
    if math.prod(max(1, len(part)) for part in (kinds, n, seeds, bn, fractions)) > _MOST_RUNS:
        raise ValueError(f"more than {_MOST_RUNS} runs.")
    if not all(type(number) is int for number in [*n, *seeds]):
        raise ValueError("n and seeds are not whole numbers.")
    if not (set(kinds) <= set(KINDS) and set(bn) <= set(BN_SEMANTICS)):
        raise ValueError("a kind or a semantics of BatchNorm is not known.")
    return Study(
        tuple(kinds),
        tuple(n),
        tuple(seeds),
        settings.protocol,
        tuple(bn),
        tuple(float(fraction) for fraction in fractions),
        settings.alpha,
        settings.input_size,
        listed=tuple(parse_run(str(name)) for name in call.get("runs", ())),
        backbone=settings.backbone,
    )


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
