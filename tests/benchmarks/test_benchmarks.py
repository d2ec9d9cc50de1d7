"""The benchmark's peers train the same network on the same work."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.steps import PEERS, TORCH_PYTHON, TORCH_READY
from transfer.networks.architecture import Architecture, parameters

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted({script for script, _ in PEERS.values()}))
def test_a_peer_has_our_parameters_and_reports_a_rate(script):
    python = sys.executable
    if script == "torch_plain.py":
        if not TORCH_READY.exists():
            pytest.skip("PyTorch is not installed: make bench sets it up")
        python = str(TORCH_PYTHON)
    command = [python, str(ROOT / "benchmarks/peers" / script), "0.25", "1", "0.1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["parameters"] == parameters(Architecture())
    assert report["images_per_second"] > 0


@pytest.mark.parametrize(
    "name", ["figures", "growth", "protocols", "steps", "study", "until_decided", "verdicts"]
)
def test_a_benchmark_finds_what_it_measures(name):
    importlib.import_module(f"benchmarks.{name}")
