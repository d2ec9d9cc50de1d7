"""A study from what is asked to its finished rows: what notebooks and commands call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from transfer.errors import RunsFailed, TransferError
from transfer.files import exclusively
from transfer.folding import fold
from transfer.machine import cores
from transfer.program import say
from transfer.results import finished, folded_runs, names_in, read_runs, working
from transfer.runs import PRESETS, Run, Study
from transfer.studies.ask import ask_run, check_where
from transfer.studies.engines.dispatch import Failures, do_all
from transfer.studies.engines.local import processes
from transfer.studies.setup import environment, prepare, simulated_data
from transfer.study_file import data_path, read_settings
from transfer.tasks.checks.baselines import write_baselines
from transfer.tasks.checks.check import copies_and_constants, shared_recordings
from transfer.tasks.dataset import Dataset, content_hash, load_dataset


def perform(
    out: str | Path,
    study: Study,
    data: str | Path | None = None,
    preset: str = "quick",
    workers: int | None = None,
    engine: str = "local",
    address: str | None = None,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Do what is missing of a study and nothing else.

    ``data``: None: simulated drives of the size of ``preset``. ``workers``: None: one a core.
    ``engine``: ``local``, or ``ray`` at ``address`` (``HOST:PORT``, ``auto`` or None: this
    machine). ``record``: what else ``study.json`` shall say. `RunsFailed` if runs fail; the others
    are done.
    """
    out = Path(out)
    check_where(workers, engine, address)
    if engine == "ray":  # an extra: said to be missing before anything is made
        from transfer.studies.engines import ray
    runs = study.runs()
    folder = Path(data) if data is not None else simulated_data(PRESETS[preset].images)
    context = prepare(out, study, folder, workers or cores(), engine, record)
    dataset = load_dataset(folder)
    missing = [run for run in runs if not finished(out, run)]
    where = "on Ray" if engine == "ray" else f"{workers or cores()} workers"
    say(
        f"{out}: {len(runs)} runs, {len(missing)} to do, {where}, "
        f"{study.protocol.name} protocol, data {folder}",
        error=True,
    )
    failures: Failures = {}
    if missing:
        findings = copies_and_constants(dataset)
        warnings = [*shared_recordings(dataset), *findings.problems, *findings.notes]
        warnings += _other_versions(out)
        say(*(f"warning: {warning}" for warning in warnings), error=True)
        size = (context, len(missing), workers)
        engaged: Any = ray.cluster(*size, address) if engine == "ray" else processes(*size)
        with engaged as pool:
            failures = do_all(missing, pool, context, len(runs))
        _refuse_changed(out, folder, context.settings.data_sha256, missing)
    _discard_features(working(out, "features"))
    fold(out)
    write_baselines(out, dataset)
    if failures:
        raise RunsFailed(_sentence_of(failures, len(runs)))
    say(*(f"warning: {warning}" for warning in learnt_nothing(out, dataset)), error=True)


def _refuse_changed(out: Path, data: Path, sha256: str, trained: list[Run]) -> None:
    """Forget runs that were trained while somebody changed the data set."""
    if content_hash(load_dataset(data)) == sha256:
        return
    for run in trained:
        working(out, "rows", f"{run.name}.json").unlink(missing_ok=True)
    raise TransferError(
        f"The data set in {data} was changed while the study ran, so the runs of this call are not "
        "kept. Put the data set back and give the same command, or give another --out."
    )


def _sentence_of(failures: dict[str, str], runs: int) -> str:
    """Which runs failed and why, the first three by name, and what to do."""
    first = [f"{run}: {reason.rstrip('.')}" for run, reason in list(failures.items())[:3]]
    more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
    return (
        f"{len(failures)} of {runs} runs failed or were left out. {'; '.join(first)}{more}. "
        "The others are done; the same command tries these again."
    )


def _other_versions(out: Path) -> list[str]:
    """A sentence if finished runs may have been trained otherwise than new ones will be."""
    if not (folded_runs(out) or names_in(out, "rows")):
        return []
    versions = environment()["versions"]
    ours = versions.get("tensorflow") or versions.get("tensorflow-cpu")
    others = sorted(set(read_runs(out)["tensorflow"]) - {ours})
    theirs = [f"TensorFlow {other or 'of a version not recorded'}" for other in others]
    if read_settings(out).threads is None:
        theirs.append("a number of threads not recorded")
    if not theirs:
        return []
    return [
        f"Runs of this study were trained with {' and '.join(theirs)}, new ones will be with "
        f"TensorFlow {ours}: their accuracies may differ by that alone."
    ]


def perform_run(
    out: str | Path,
    name: str,
    data: str | Path | None = None,
    workers: int | None = None,
    **settings: Any,
) -> None:
    """Do one run, and the baseB that it copies from if that is missing.

    ``settings``: as for `ask_run`; the data set and the other settings are those of the study in
    ``out``.
    """
    study = ask_run(name, out, **settings)
    if data is None and (Path(out) / "study.json").exists():
        data = data_path(out)
    perform(out, study, data, workers=workers)


def learnt_nothing(out: Path, data: Dataset) -> list[str]:
    """A sentence for each baseB that may do no better than always naming the commonest class.

    No other check of a study notices labels that are shuffled. A run is warned of if the lower end
    of its validation accuracy's 95 % interval does not lie above the share of the commonest class.
    """
    counts = np.bincount(data.valid.labels, minlength=len(data.classes))
    images, commonest = int(counts.sum()), int(counts.argmax())
    share = counts[commonest] / images
    warnings = []
    for run in read_runs(out).query("kind == 'baseB'").itertuples():
        right = round(run.val_accuracy * images)
        if binomtest(right, images).proportion_ci(0.95, method="wilson").low <= share:
            warnings.append(
                f"{run.run} is right on {run.val_accuracy:.3f} of the validation images, always "
                f"{data.classes[commonest]} on {share:.3f}: it is not shown to have learnt "
                "anything. Too few images or epochs, or labels that are shuffled?"
            )
    return warnings


def _discard_features(folder: Path) -> None:
    """Remove gigabytes that are quickly computed again; another study may be writing some."""
    for lock in folder.glob("*.lock"):
        with exclusively(lock):
            for kept in folder.glob(f"{lock.name.split('-')[0]}-*.npy*"):
                kept.unlink(missing_ok=True)
