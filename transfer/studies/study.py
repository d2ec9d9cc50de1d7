"""A study from what is asked to its finished rows: what notebooks and commands call."""

import sys
from pathlib import Path

from transfer.errors import UsageError
from transfer.files import exclusively
from transfer.results import finished, write_runs
from transfer.runs import PRESETS, Study
from transfer.studies.local import default_workers, run_study
from transfer.studies.setup import prepare, simulated_data


def perform(
    out: str | Path,
    study: Study,
    data: str | Path | None = None,
    preset: str = "quick",
    workers: int | None = None,
) -> None:
    """Do what is missing of a study and nothing else.

    Parameters
    ----------
    out : path
        Folder of the study; finished runs in it are kept, and skipped.
    study : Study
        As from `transfer.studies.ask.ask`.
    data : path or None
        Folder of the data set; None: simulated drives of the preset's size.
    preset : str
        Whose sizes the simulated drives have.
    workers : int or None
        Processes; None: one a core.

    Raises
    ------
    TransferError
        If the data, the source or the folder is at fault, or a run fails.
    """
    out = Path(out)
    if workers is not None and not 1 <= workers <= 1024:
        raise UsageError(f"Expected --workers of 1 or more. Received: {workers}.")
    runs = study.runs()
    folder = Path(data) if data is not None else simulated_data(PRESETS[preset].images)
    context = prepare(out, study, folder)
    missing = sum(not finished(out, run) for run in runs)
    print(
        f"{out}: {len(runs)} runs, {missing} to do, {workers or default_workers()} workers, "
        f"{study.protocol.name} protocol, data {folder}",
        file=sys.stderr,
    )
    run_study(runs, context, workers)
    _discard_features(out / "features")
    write_runs(out)


def _discard_features(folder: Path) -> None:
    """Gigabytes, and quickly computed again; another study in the folder may be writing some."""
    for lock in folder.glob("*.lock"):
        with exclusively(lock):
            for kept in folder.glob(f"{lock.name.split('-')[0]}-*.npy"):
                kept.unlink(missing_ok=True)
