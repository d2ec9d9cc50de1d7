"""A folder of images unknown to the project goes to an exported network with three commands."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs.conftest import CLASSES
from transfer.deploy.export.runtimes import open_exported
from transfer.results import read_predictions, read_runs, read_test_labels
from transfer.studies.ask import ask
from transfer.tasks.dataset import load_dataset

ROOT = Path(__file__).parents[2]
ENDS_SOON = ("--n", "7", "--epochs", "1", "--batch", "16")


def transfer(folder, *arguments):
    """Standard output of a command that must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "transfer", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_three_commands_lead_from_a_folder_to_an_exported_network(tmp_path, photos):
    said = transfer(tmp_path, "data", "import", photos, "--out", "data/photos")
    assert "dropped 1: image missing or unreadable" in said
    assert "cup/b-01.png" in said
    assert Image.open(tmp_path / "data/photos/contact-sheet.png").size[0] > 400
    data = load_dataset(tmp_path / "data/photos")
    assert data.classes == CLASSES

    study = "experiments-results/photos"
    said = transfer(
        tmp_path,
        *("study", "--data", "data/photos", "--preset", "quick", *ENDS_SOON),
        "--out",
        study,
    )
    assert "\nVerdict\n" in said
    runs = read_runs(tmp_path / study)["run"]
    assert set(runs) == {run.name for run in ask("quick", n="7").runs()}
    assert f"\nDetails\nphotos: {len(runs)} runs on all training images" in said
    np.testing.assert_array_equal(read_test_labels(tmp_path / study), data.test.labels)
    for run in runs:
        probabilities = read_predictions(tmp_path / study, run)
        assert probabilities.shape == (len(data.test.labels), len(CLASSES))
    assert (tmp_path / study / "figures/accuracy_against_n.png").is_file()

    next_step = said.partition("\nNext step\n")[2]
    command = re.search(r"^  (python -m transfer export .*)$", next_step, re.MULTILINE)
    # One epoch may not be enough to learn the task: then nothing is recommended, and that is said.
    assert command or "learnt the task" in said or "To learn where" in next_step, said
    if command:
        words = shlex.split(command[1])[3:]
    else:  # nothing is recommended: any network must be exportable all the same
        words = ["export", f"{study}/sliced-7_s0", "--out", "sliced-7.tflite"]
    out = Path(words[-1])
    try:
        import ai_edge_litert  # noqa: F401
    except ImportError:  # the same command to the format that needs no extra package
        out = out.with_suffix(".keras")
    transfer(tmp_path, *words[:-1], out)
    exported = open_exported(tmp_path / out)
    assert exported.metadata["classes"] == list(CLASSES)
    assert exported.predict(data.test.images[:2]).shape == (2, 5)
    assert json.loads((tmp_path / f"{out}.json").read_text())["classes"] == list(CLASSES)

    recorded = read_runs(tmp_path / study).set_index("run")["test_accuracy"]
    for network in (f"{study}/sliced-7_s0", out):
        said = transfer(tmp_path, "predict", network, "data/photos", "--out", "predictions.csv")
        run = exported.metadata["run"] if network == out else "sliced-7_s0"
        assert float(re.search("accuracy ([0-9.]+)", said)[1]) == pytest.approx(
            recorded[run], abs=0.02
        )

    said = transfer(tmp_path, "report", study)
    page = (tmp_path / study / "report.html").read_text()
    assert all(name in page for name in CLASSES)
