"""From what is asked to what is run: the data set, the source, and ``study.json``.

A study that is repeated must be the same study: asked for another data set, source or protocol in
the same folder, it refuses.
"""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transfer import __version__
from transfer.errors import TransferError
from transfer.files import exclusively, remove_temporaries, sha256_of
from transfer.machine import cores
from transfer.networks.architecture import Architecture
from transfer.networks.sources import find_source
from transfer.networks.weights import read_weights
from transfer.results import read_study, write_array, write_study
from transfer.runs import Study
from transfer.studies.context import Context
from transfer.tasks.dataset import content_hash, load_dataset
from transfer.tasks.lanes.generate import generate

_LIBRARIES = ("tensorflow-cpu", "tensorflow", "keras", "numpy", "scipy", "pandas", "h5py")
#: Parts of study.json that cannot change between two calls on one folder.
_FIXED = ("dataset", "alpha", "input", "protocol")


def simulated_data(images: dict[str, int], seed: int = 0) -> Path:
    """The folder of a simulated data set of this size, generated if it is not there yet."""
    name = f"lanes-{images['train']}-{images['valid']}-{images['test']}-s{seed}"
    path = Path("data") / name
    with exclusively(path.with_name(f".{name}.lock")):  # another study may be making the same
        if not path.exists():
            remove_temporaries(path.parent, name)
            generate(path, **images, seed=seed)
    return path


def prepare(out: Path, study: Study, data: Path) -> Context:
    """Check the inputs of a study before anything is trained, and write ``study.json``.

    Parameters
    ----------
    out : Path
        Folder of the study, new or of the same study.
    study : Study
    data : Path
        Folder of the data set.

    Raises
    ------
    TransferError
        If the data set or the source is at fault, or ``out`` holds a study that contradicts.
    """
    dataset = load_dataset(data)
    runs = study.runs()
    source, source_path = "", None
    resolved: dict[str, Any] = {
        "dataset": {
            "name": dataset.name,
            "path": str(data),
            "sha256": content_hash(dataset),
            "images": {
                name: len(split.labels)
                for name, split in zip(
                    ("train", "valid", "test"),
                    (dataset.train, dataset.valid, dataset.test),
                    strict=True,
                )
            },
            "classes": list(dataset.classes),
        },
        "alpha": study.alpha,
        "input": "x".join(map(str, study.input_size)),
        "protocol": study.protocol.values(),
    }
    if any(run.needs_base_a for run in runs):
        source, source_path = find_source(study.source, study.alpha)
        read_weights(source_path, Architecture(alpha=study.alpha))
        resolved["source"] = {"name": source, "sha256": sha256_of(source_path)}
    _refuse_foreign(out)
    with exclusively(out / "locks" / "study.lock"):  # another study may begin in the same folder
        remove_temporaries(out, "study.json")
        remove_temporaries(out / "predictions", "labels.npz")
        _refuse_contradiction(out, resolved)
        _keep_source(out, resolved)
        _record(out, study, resolved)
        write_array(out / "predictions" / "labels.npz", dataset.test.labels)
    return Context(
        out,
        data,
        dataset.name,
        source,
        source_path,
        study.protocol,
        study.alpha,
        study.input_size,
    )


def _record(out: Path, study: Study, resolved: dict[str, Any]) -> None:
    """Add what was asked and where it runs, and write ``study.json``."""
    resolved["asked"] = {
        "kinds": list(study.kinds),
        "n": list(study.n),
        "seeds": list(study.seeds),
        "bn": list(study.bn),
        "fractions": list(study.fractions),
        "runs": len(study.runs()),
    }
    resolved["environment"] = environment()
    write_study(out, resolved)


def environment() -> dict[str, Any]:
    """Versions and machine, for the record."""
    found = {"feature-transfer": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except ModuleNotFoundError:  # PackageNotFoundError: the GPU or the CPU build is not there
            continue
    return {
        "versions": found,
        "machine": f"{platform.system()} {platform.machine()}",
        "processors": cores(),
    }


def _refuse_foreign(out: Path) -> None:
    """Refuse a folder of something else; one where a study was killed at its start is none."""
    if (out / "study.json").exists() or not out.exists():
        return
    if not out.is_dir() or any(
        path.name != "locks" and not path.name.startswith(".study.json.") for path in out.iterdir()
    ):
        if (out / "study.json").exists():  # written by another process between the two looks
            return
        raise TransferError(
            f"Expected a new folder or the folder of a study. {out} holds other files."
        )


def _refuse_contradiction(out: Path, resolved: dict[str, Any]) -> None:
    if not (out / "study.json").exists():
        return
    there = read_study(out)
    for part in (*_FIXED, "source"):
        asked, held = _essence(resolved.get(part)), _essence(there.get(part))
        if asked is not None and held is not None and asked != held:
            raise TransferError(
                f"The study in {out} was made with another {part}: {held!s:.200}. "
                f"Asked for: {asked!s:.200}. Give another --out."
            )


def _essence(part: Any) -> Any:
    """What must agree: of a data set or a source its content, not where it lies."""
    return part["sha256"] if isinstance(part, dict) and "sha256" in part else part


def _keep_source(out: Path, resolved: dict[str, Any]) -> None:
    """A repeated call that needs no source does not forget the one the study has."""
    if "source" not in resolved and (out / "study.json").exists():
        there = read_study(out).get("source")
        if there:
            resolved["source"] = there
