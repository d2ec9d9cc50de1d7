"""What a person asks for, in words, made into a `Study`."""

import contextlib
import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transfer.errors import TransferError, UsageError
from transfer.networks.backbone import BACKBONES, Architecture, backbone_of, check_run
from transfer.networks.sources import refuse_missing
from transfer.runs import BN_SEMANTICS, KINDS, PRESETS, PROTOCOLS, Study, parse_run
from transfer.study_file import read_calls, read_settings

_MOST_NUMBERS = 1000  # of a range


def ask(
    preset: str | Study,
    *,
    kinds: str | None = None,
    n: str | None = None,
    seeds: str | None = None,
    bn: str | None = None,
    fractions: str | None = None,
    source: str | None = None,
    backbone: str | None = None,
    alpha: float | None = None,
    input: str | None = None,
    protocol: str | None = None,
    epochs: int | None = None,
    batch: int | None = None,
) -> Study:
    """A preset, or another study, with the parts a person wants otherwise.

    The parts are written as on the command line; None leaves a part as it is.

    >>> ask("quick", kinds="baseB,AnB", n="1-3,7", seeds="0,1").n
    (1, 2, 3, 7)

    Raises `UsageError` if a part cannot be understood.
    """
    if isinstance(preset, str) and preset not in PRESETS:
        raise UsageError(f"Expected a preset of {', '.join(PRESETS)}. Received: {preset!r}.")
    study = PRESETS[preset].study if isinstance(preset, str) else preset
    changes: dict[str, object] = {}
    if kinds is not None:
        changes["kinds"] = _names(kinds, tuple(KINDS), "kinds")
    if n is not None:
        changes["n"] = _integers(n, "n")
    if seeds is not None:
        changes["seeds"] = _integers(seeds, "seeds")
    if bn is not None:
        changes["bn"] = _names(bn, BN_SEMANTICS, "bn")
    if fractions is not None:
        changes["fractions"] = _fractions(fractions)
    if source is not None:
        refuse_missing(source)
        changes["source"] = source
    if backbone is not None and backbone != study.backbone:
        with _as_usage_error():
            usual = backbone_of(backbone)
        changes["backbone"] = backbone
        if usual.alpha is None or study.alpha == BACKBONES[study.backbone].alpha:
            changes["alpha"] = usual.alpha or 1.0  # else the preset wants a width of its own
        if isinstance(preset, str):  # its first n and its steps, over the blocks of this backbone
            first, second = study.n[:2]
            steps = [*range(first, usual.blocks + 1, second - first), usual.blocks]
            changes = {"n": tuple(dict.fromkeys(steps))} | changes
    if alpha is not None:
        changes["alpha"] = alpha
    if input is not None:
        changes["input_size"] = _size(input)
    base = PROTOCOLS[protocol] if protocol is not None else study.protocol
    for name, value in (("epochs", epochs), ("batch", batch)):
        if value is not None:
            if value < 1:
                raise UsageError(f"Expected --{name} of 1 or more. Received: {value}.")
            base = dataclasses.replace(base, **{name: value})  # type: ignore[arg-type]
    asked = dataclasses.replace(study, protocol=base, **changes)  # type: ignore[arg-type]
    with _as_usage_error():
        for run in asked.runs():
            check_run(run, asked.backbone)
        Architecture(None, asked.alpha, asked.input_size, backbone=asked.backbone)
    return asked


def ask_run(name: str, out: str | Path, **settings: Any) -> Study:
    """One run by its name, with every setting taken from the study in ``out`` if there is one.

    In a new folder the settings are those of the preset ``quick``. ``**settings``: parts that a
    person gives nevertheless, as for `ask`; `prepare` refuses those that are not the study's.
    """
    with _as_usage_error():
        run = parse_run(name)
    study = PRESETS["quick"].study
    if (Path(out) / "study.json").exists():
        settled = read_settings(out)
        sources = [str(call["source"]) for call in reversed(read_calls(out)) if call.get("source")]
        if settled.source:  # a call for baseB alone may have named another
            name_of_it = settled.source.name
            sources = [given for given in sources if name_of_it in (given, Path(given).name)]
            sources.append(name_of_it)
        source = next(iter(sources), study.source)
        study = dataclasses.replace(
            study,
            protocol=settled.protocol,
            backbone=settled.backbone,
            alpha=settled.alpha,
            input_size=settled.input_size,
            source=source,
        )
    study = dataclasses.replace(
        study,
        kinds=(run.kind,),
        n=() if run.n is None else (run.n,),
        seeds=(run.seed,),
        bn=(run.bn,) if run.bn else (),
        fractions=(run.fraction,),
    )
    return ask(study, **settings)


def check_where(workers: int | None, engine: str, address: str | None) -> None:
    """Raise a `UsageError` if these do not say where the runs of a study can be done."""
    if workers is not None and not 1 <= workers <= 1024:
        raise UsageError(f"Expected --workers of 1 to 1024. Received: {workers}.")
    if engine not in ("local", "ray"):
        raise UsageError(f"Expected --engine of local, ray. Received: {engine!r}.")
    if address is not None and engine != "ray":
        raise UsageError("Expected --engine ray with --address.")
    if address not in (None, "auto") and not re.fullmatch(r"[^/]+:[0-9]+", str(address)):
        raise UsageError(f"Expected --address HOST:PORT or auto. Received: {address:.100}.")


def check_until_decided(
    until_decided: bool, margin: float | None, budget: float | None, **others: object
) -> None:
    """Raise a `UsageError` if a study cannot go on until it is decided as it is asked for."""
    if not until_decided:
        for name, value in (("margin", margin), ("budget", budget)):
            if value is not None:
                raise UsageError(f"Expected --until-decided with --{name}.")
        return
    for name in ("kinds", "n", "seeds", "bn", "train_fraction"):
        if others.get(name) is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--until-decided chooses what is run: leave out --{option}.")
    if margin is not None and not 0.1 <= margin <= 50:
        raise UsageError(f"Expected --margin in points, from 0.1 to 50. Received: {margin:g}.")
    if budget is not None and not 0 < budget < math.inf:
        raise UsageError(f"Expected --budget in minutes, above 0. Received: {budget:g}.")


@contextlib.contextmanager
def _as_usage_error() -> Iterator[None]:
    """What the block finds at fault came from the command line."""
    try:
        yield
    except TransferError as error:
        raise UsageError(str(error)) from error


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _names(text: str, known: tuple[str, ...], option: str) -> tuple[str, ...]:
    parts = _parts(text)
    for part in parts or [""]:
        if part not in known:
            raise UsageError(f"Expected --{option} of {', '.join(known)}. Received: {part!r}.")
    return tuple(dict.fromkeys(parts))


def _integers(text: str, option: str) -> tuple[int, ...]:
    """``1,4,7`` and ``1-13``."""
    numbers: list[int] = []
    for part in _parts(text) or [""]:
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)
        if not match or (match[2] and not 0 <= int(match[2]) - int(match[1]) < _MOST_NUMBERS):
            raise UsageError(
                f"Expected --{option} such as 1,4,7 or 1-13, at most {_MOST_NUMBERS} numbers a "
                f"range, each below a million. Received: {text!r}."
            )
        numbers.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(dict.fromkeys(numbers))


def _fractions(text: str) -> tuple[float, ...]:
    try:
        fractions = tuple(dict.fromkeys(float(part) for part in _parts(text)))
    except ValueError:
        fractions = ()
    if not fractions:
        raise UsageError(f"Expected --train-fraction such as 0.1,0.25,1. Received: {text!r}.")
    return fractions


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not match:
        raise UsageError(f"Expected --input HxW such as 48x80. Received: {text!r}.")
    return int(match[1]), int(match[2])
