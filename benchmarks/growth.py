"""Time and memory against the number of images, of runs and of workers.

``python -m benchmarks.growth`` trains networks for one epoch on random images, measures seconds and
the peak memory of a worker, and writes ``results/growth.csv`` and ``results/growth.png``. Memory is
what a worker has for itself (RssAnon of Linux): pages of the memory-mapped images are the system's
to take back, and shared by all workers.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.figures import draw_growth
from benchmarks.steps import HERE, machine
from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.results import read_runs
from transfer.tables import format_number
from transfer.tasks.dataset import Split, write_dataset

PUBLISHED = 56_172  # training images of the published data
IMAGES = (1_000, 4_000, 16_000, PUBLISHED)
RUNS = (1, 2, 4, 8)
_SECONDS_BETWEEN_LOOKS = 0.1
_FEW = 256


def random_data(folder: Path, images: int) -> Path:
    """A data set of random images; a few for validation and test."""
    path = folder / f"random-{images}"
    if not path.exists():
        rng = np.random.default_rng(0)
        splits = {}
        for name, count in (("train", images), ("valid", _FEW), ("test", _FEW)):
            pixels = rng.integers(0, 256, (count, 45, 80, 3), dtype=np.uint8)
            splits[name] = Split(pixels, np.arange(count) % 3)
        recipe = {"generator": "random", "seed": 0}
        write_dataset(path, splits, name="random", classes=("a", "b", "c"), recipe=recipe)
    return path


def study(out: Path, data: Path, kinds: str, size: str, seeds: int, workers: int) -> dict:
    """One epoch of each network: seconds of the command, of a network, and peak memory, MiB."""
    command = [sys.executable, "-m", "transfer", "study", "--data", str(data), "--out", str(out)]
    command += ["--kinds", kinds, "--n", "7", "--seeds", f"0-{seeds - 1}", "--epochs", "1"]
    command += ["--input", size, "--workers", str(workers)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    watch = _Watch(process.pid)
    watch.start()
    _, errors = process.communicate()
    seconds = time.perf_counter() - start
    watch.join()
    if process.returncode != 0:
        raise TransferError(f"The benchmark of growth failed: {errors.decode().splitlines()[-1]}")
    runs = read_runs(out)
    return {
        "networks": len(runs),
        "workers": workers,
        "seconds": seconds,
        "network_seconds": float(runs["seconds"].mean()),
        "worker_mib": watch.peak / 1024,
    }


class _Watch(threading.Thread):
    """Peak private memory, KiB, of the largest descendant of a process."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak = pid, 0

    def run(self) -> None:
        while os.path.exists(f"/proc/{self.pid}/task") and not _ended(self.pid):
            for child in _descendants(self.pid):
                self.peak = max(self.peak, _field(child, "RssAnon"))
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _ended(pid: int) -> bool:
    return "Z" in _line(pid, "State")


def _line(pid: int, name: str) -> str:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return "Z"
    return next((line for line in lines if line.startswith(f"{name}:")), "")


def _field(pid: int, name: str) -> int:
    words = _line(pid, name).split()
    return int(words[1]) if len(words) > 1 else 0


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    found = [int(child) for child in children]
    return found + [far for child in found for far in _descendants(child)]


def measure(folder: Path) -> pd.DataFrame:
    """One row a study; ``axis`` says what grows."""
    rows = []
    for size, kinds, counts in (
        ("48x80", "baseB", IMAGES),
        ("48x80", "AnB", IMAGES),
        ("224x224", "baseB", (IMAGES[0], IMAGES[1], IMAGES[-1])),
    ):
        for count in counts:
            out = folder / f"{kinds}-{size}-{count}"
            found = study(out, random_data(folder, count), kinds, size, 1, 1)
            rows.append({"axis": "images", "kind": kinds, "input": size, "images": count, **found})
    for workers in (1, 2):
        for runs in RUNS:
            out = folder / f"runs-{runs}-{workers}"
            found = study(out, random_data(folder, IMAGES[1]), "baseB", "48x80", runs, workers)
            rows.append(
                {"axis": "runs", "kind": "baseB", "input": "48x80", "images": IMAGES[1], **found}
            )
    return pd.DataFrame(rows).assign(machine=machine())


def main() -> None:
    """Measure, print, write the CSV, and draw the figure from it."""
    with tempfile.TemporaryDirectory() as temporary:
        table = measure(Path(temporary))
    text = table.to_csv(index=False, float_format=format_number, lineterminator="\n")
    path = HERE / "results" / "growth.csv"
    write_atomically(path, text)
    print(table.drop(columns=["axis", "machine"]).to_string(index=False, float_format="%.1f"))
    draw_growth(path)


if __name__ == "__main__":
    main()
