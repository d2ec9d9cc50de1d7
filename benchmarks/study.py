"""Whole networks of a study: ours with the `fast` protocol, the peers with the `reference` one.

``python -m benchmarks.study``: a sample of a full study (baseB and BnB, AnB, AnB+, sliced at
n = 4, 10, one seed, simulated drives of the preset `full`) trained by ours on all cores and by
plain Keras and PyTorch with as many threads. Scaled up to the study of these kinds, n = 1 to 13,
three seeds: a kind's mean over the sampled n stands for its thirteen networks.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.steps import HERE, TORCH_PYTHON, TORCH_READY, machine
from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.machine import cores
from transfer.networks.architecture import Architecture
from transfer.networks.sources import find_source
from transfer.networks.weights import read_weights
from transfer.results import read_runs
from transfer.runs import BLOCKS, FROZEN_KINDS, PRESETS, Run, parse_run
from transfer.studies.setup import simulated_data
from transfer.tables import format_number

N = (4, 10)
KINDS = ("BnB", "AnB", "AnB+", "sliced")
SEEDS = 3
_PEERS = ("Keras", "PyTorch, channels last")


def ours(protocol: str, data: Path, folder: Path) -> tuple[pd.DataFrame, float]:
    """Rows of the sample, and the seconds of the whole study, scaled from the command's own."""
    out = folder / protocol
    command = [sys.executable, "-m", "transfer", "study", "--preset", "full", "--data", str(data)]
    command += ["--kinds", ",".join(("baseB", *KINDS)), "--n", ",".join(map(str, N))]
    start = time.perf_counter()
    _run([*command, "--seeds", "0", "--protocol", protocol, "--out", str(out)])
    wall = time.perf_counter() - start
    runs = read_runs(out)
    runs["network"] = [parse_run(name).network for name in runs["run"]]
    rows = runs[["network", "seconds", "epochs", "test_accuracy"]].assign(peer=f"ours, {protocol}")
    return rows, wall * scaled(rows) / rows["seconds"].sum()  # networks run side by side


def peer(name: str, data: Path, base_a: Path) -> pd.DataFrame:
    """Rows of the sample, one network after another on all cores."""
    asked = ["baseB:0", *(f"{kind}:{n}" for kind in KINDS for n in N)]
    torch = name.startswith("PyTorch")
    script = "torch_study.py" if torch else "keras_study.py"
    command = [str(TORCH_PYTHON) if torch else sys.executable, str(HERE / "peers" / script)]
    printed = _run([*command, str(data), str(base_a), str(cores()), ",".join(asked)])
    rows = pd.DataFrame(json.loads(printed.splitlines()[-1]))
    pairs = zip(rows["kind"], rows["n"], strict=True)
    rows["network"] = [_network(kind, n) for kind, n in pairs]
    return rows.drop(columns=["kind", "n"]).assign(peer=name)


def _network(kind: str, n: int) -> str:
    return Run(kind, n or None, bn="inference" if kind in FROZEN_KINDS else "").network


def scaled(rows: pd.DataFrame) -> float:
    """Seconds of the whole study, networks one after another; see the module's first lines."""
    kinds = rows["network"].str.replace(r"\d+", "n", regex=True)
    means = rows["seconds"].groupby(kinds).mean()
    return float(SEEDS * (means["baseB"] + BLOCKS * means.drop("baseB").sum()))


def _run(command: list[str]) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "OMP_"))}
    environment = {**kept, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TransferError(f"The benchmark {' '.join(command[:3])} failed: {last}")
    return done.stdout


def main() -> None:
    """Measure, print, and write ``benchmarks/results/study.csv``."""
    data = simulated_data(PRESETS["full"].images)
    names = [name for name in _PEERS if TORCH_READY.exists() or not name.startswith("PyTorch")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        base_a = read_weights(find_source("fractals", 0.25)[1], Architecture())
        np.savez(folder / "base_a.npz", **base_a)  # type: ignore[arg-type]
        done = [ours(protocol, data, folder) for protocol in ("fast", "reference")]
        peers = [peer(name, data, folder / "base_a.npz") for name in names]
    done += [(rows, scaled(rows)) for rows in peers]
    tables = [rows for rows, _ in done]
    whole = {rows["peer"].iloc[0]: seconds for rows, seconds in done}
    fastest = whole["ours, fast"]
    table = pd.concat(tables, ignore_index=True)
    table["scaled_seconds"] = table["peer"].map(whole)
    table["ratio"] = table["scaled_seconds"] / fastest
    table["machine"] = machine()
    text = table.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(HERE / "results" / "study.csv", text)
    print(table.pivot(index="network", columns="peer", values="seconds").round(1).to_string())
    print(table.pivot(index="network", columns="peer", values="test_accuracy").round(3).to_string())
    for name, seconds in whole.items():
        Console().print(
            f"{name}: {seconds / 60:.0f} minutes for {SEEDS * (1 + BLOCKS * len(KINDS))} networks, "
            f"{seconds / fastest:.1f} times ours, fast"
        )


if __name__ == "__main__":
    main()
