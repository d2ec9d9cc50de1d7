"""Images a second of training, ours and the peers', on the same work in one run.

Every measurement is a process of its own with the same number of threads. The peers take turns, so
that a noisy machine is noisy for all; medians and ratios are reported.
"""

import contextlib
import itertools
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.machine import cores
from transfer.progress import track
from transfer.tables import format_number

HERE = Path(__file__).parent
TORCH_PYTHON = HERE / ".venv/bin/python"
TORCH_READY = HERE / ".venv/ready"  # written when its installation is complete
_ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}
#: As many processes as threads, of one thread each, at the same time: how a study runs.
PROCESSES = ("ours, a process a thread", "ours, a process a thread, A1B to A13B")
#: Name, script, and environment: oneDNN is what TensorFlow chooses unless said.
PEERS: dict[str, tuple[str, dict[str, str]]] = {
    "ours": ("ours.py", _ONEDNN),
    PROCESSES[0]: ("ours.py", _ONEDNN),
    "Keras fit": ("keras_fit.py", {}),
    "Keras fit, oneDNN on": ("keras_fit.py", _ONEDNN),
    "Keras fit, Python generator": ("keras_generator.py", {}),
    "PyTorch, channels last": ("torch_plain.py", {}),
    "limit: float32 matrix product": ("matrix_product.py", {}),
}
OURS_FROZEN = "ours, A1B to A13B"
#: The thirteen AnB networks together, three epochs each, images a second.
FROZEN: dict[str, tuple[str, dict[str, str]]] = {
    OURS_FROZEN: ("ours_frozen.py", _ONEDNN),
    PROCESSES[1]: ("ours_frozen.py", _ONEDNN),
    "Keras fit, A1B to A13B": ("keras_fit_frozen.py", {}),
    "Keras fit, oneDNN on, A1B to A13B": ("keras_fit_frozen.py", _ONEDNN),
}
_SECONDS_AT_MOST = 900


def measure(peer: str, alpha: float, threads: int, seconds: float) -> float | None:
    """Images a second of one peer; None if it needs PyTorch and PyTorch is not installed.

    Raises
    ------
    TransferError
        If the peer's process fails.
    """
    script, extra = (PEERS | FROZEN)[peer]
    python = sys.executable
    if script.startswith("torch"):
        if not TORCH_READY.exists():
            return None
        python = str(TORCH_PYTHON)
    processes, threads = (threads, 1) if peer in PROCESSES else (1, threads)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "OMP_"))}
    command = [python, str(HERE / "peers" / script), str(alpha), str(threads), str(seconds)]
    environment = {**kept, **extra, "PYTHONPATH": str(HERE.parent)}
    with ThreadPoolExecutor(processes) as pool:
        return sum(pool.map(lambda _: _rate(command, environment), range(processes)))


def _rate(command: list[str], environment: dict[str, str]) -> float:
    script = Path(command[1]).name
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_SECONDS_AT_MOST
        )
    except subprocess.TimeoutExpired as error:
        raise TransferError(f"The benchmark {script} took over {_SECONDS_AT_MOST} s.") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TransferError(f"The benchmark {script} failed: {last}")
    return float(json.loads(done.stdout.splitlines()[-1])["images_per_second"])


def compare(
    alphas: list[float], threads: list[int], repetitions: int, seconds: float
) -> pd.DataFrame:
    """Measure every peer ``repetitions`` times, in turns; networks with frozen blocks at the
    first alpha only.

    Returns
    -------
    pandas.DataFrame
        Columns ``alpha``, ``threads``, ``peer``, ``images_per_second`` (median), ``lowest``,
        ``highest``, ``ratio`` (ours to the peer: the median over repetitions of the ratio within
        one turn), ``processes_ratio`` (the same of a process a thread to the peer; more than one
        thread only).
    """
    turns = list(itertools.product(alphas, threads, range(repetitions), PEERS))
    turns += list(itertools.product(alphas[:1], threads, range(repetitions), FROZEN))
    turns = [turn for turn in turns if turn[1] > 1 or turn[3] not in PROCESSES]
    rows = []
    for alpha, count, turn, peer in track(turns, len(turns), "measuring"):
        rate = measure(peer, alpha, count, seconds)
        if rate is not None:
            rows.append((alpha, count, turn, peer in FROZEN, peer, rate))
    columns = ["alpha", "threads", "turn", "frozen", "peer", "rate"]
    table = pd.DataFrame(rows, columns=columns)
    table["ratio"] = _rate_of(table, ("ours", OURS_FROZEN)) / table["rate"]
    table["processes_ratio"] = _rate_of(table, PROCESSES) / table["rate"]
    return (
        table.groupby(["alpha", "threads", "peer"], sort=False)
        .agg(
            images_per_second=("rate", "median"),
            lowest=("rate", "min"),
            highest=("rate", "max"),
            ratio=("ratio", "median"),
            processes_ratio=("processes_ratio", "median"),
        )
        .reset_index()
    )


def _rate_of(table: pd.DataFrame, peers: tuple[str, ...]) -> NDArray[np.float64]:
    """For every row, the rate of the one of ``peers`` in the same turn; NaN without one."""
    same = ["alpha", "threads", "turn", "frozen"]
    rates = table[table["peer"].isin(peers)].set_index(same)["rate"]
    return rates.reindex(pd.MultiIndex.from_frame(table[same])).to_numpy()


def machine() -> str:
    """Processor and versions, for the record."""
    names = Path("/proc/cpuinfo").read_text().splitlines() if os.name == "posix" else []
    model = next((n.split(":")[1].strip() for n in names if n.startswith("model name")), "")
    libraries = []
    for name in ("tensorflow-cpu", "tensorflow", "keras", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            libraries.append(f"{name} {version(name)}")
    pinned = (HERE.parent / "requirements-bench.txt").read_text().splitlines()
    libraries += [line.replace("==", " ") for line in pinned if line.startswith("torch==")]
    return f"{model or platform.machine()}, {cores()} cores; {', '.join(libraries)}"


def run(threads: list[int], repetitions: int, seconds: float) -> None:
    """Measure, write ``benchmarks/results/steps.csv`` and print the table."""
    table = compare([0.25, 1.0], threads, repetitions, seconds)
    described = table.assign(machine=machine(), repetitions=repetitions)
    text = described.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(HERE / "results" / "steps.csv", text)
    shown = Table(title=f"training, images a second ({machine()})", box=None, pad_edge=False)
    ratios = ("ours / peer", "a process a thread / peer")
    for column in ("alpha", "threads", "peer", "images/s", "lowest to highest", *ratios):
        shown.add_column(column, justify="left" if column == "peer" else "right")
    for row in table.itertuples():
        shown.add_row(
            f"{row.alpha:g}",
            str(row.threads),
            str(row.peer),
            f"{row.images_per_second:,.0f}",
            f"{row.lowest:,.0f} to {row.highest:,.0f}",
            f"{row.ratio:.2f}",
            "" if np.isnan(row.processes_ratio) else f"{row.processes_ratio:.2f}",
        )
    console = Console()
    console.print(shown)
    if not TORCH_READY.exists():
        console.print("PyTorch was not measured, it is not installed: make bench sets it up.")
