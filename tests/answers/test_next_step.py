"""The next step says as much as the study allows, and its command is one that works."""

import shlex

import numpy as np
import pytest

from transfer.answers.next_step import next_step
from transfer.cli import make_parser
from transfer.folding import write_predictions, write_row, write_test_labels
from transfer.results import RUN_COLUMNS
from transfer.runs import parse_run

LABELS = np.arange(1000) % 5


def write(folder, accuracies):
    """A study whose networks are right on the first so many of a thousand images of five classes.

    The same images are right in each network, so differences are exact multiples of a thousandth.
    """
    write_test_labels(folder, LABELS)
    for name, (right, valid) in accuracies.items():
        order = np.random.default_rng(0).permutation(1000)
        said = np.where(order < right, LABELS, (LABELS + 1) % 5)
        write_predictions(folder, name, np.eye(5, dtype=np.float32)[said])
        run = parse_run(name)
        row = {c: "" if kind == "string" else 0 for c, kind in RUN_COLUMNS.items()}
        facts = {"run": name, "kind": run.kind, "n": run.n, "seed": run.seed, "fraction": 1.0}
        facts |= {"test_low": right / 1000 - 0.03, "val_accuracy": valid}
        write_row(folder, row | facts | {"test_accuracy": right / 1000})
    return folder


def exported(lines):
    """The parsed export command among the lines."""
    (command,) = [line for line in lines if line.startswith("python -m transfer export")]
    return make_parser().parse_args(shlex.split(command)[3:])


def test_the_smallest_cut_that_passes_is_exported_by_its_best_validation(tmp_path):
    accuracies = {f"baseB_s{s}": (800, 0.8) for s in range(2)}
    accuracies |= {f"sliced-4_s{s}": (700, 0.9) for s in range(2)}
    accuracies |= {"sliced-7_s0": (810, 0.8), "sliced-7_s1": (812, 0.85)}
    accuracies |= {f"sliced-10_s{s}": (850, 0.9) for s in range(2)}
    lines = next_step(write(tmp_path / "my study", accuracies))
    assert lines[0] == "Cut after block 7; export with:"
    assert exported(lines).run == tmp_path / "my study" / "sliced-7_s1"
    assert str(exported(lines).out) == "sliced-7.tflite"
    assert "other seeds" not in " ".join(lines)


def test_one_seed_is_said_to_be_one(tmp_path):
    accuracies = {"baseB_s0": (800, 0.8), "sliced-13_s0": (810, 0.8)}
    lines = next_step(write(tmp_path, accuracies))
    assert lines[0].startswith("Nothing can be cut")
    assert "--seeds 0,1,2" in lines[-1]


def test_an_undecided_study_gives_a_hint_that_is_named_so(tmp_path):
    accuracies = {"baseB_s0": (800, 0.8), "sliced-4_s0": (700, 0.8)}
    accuracies |= {"sliced-7_s0": (790, 0.8), "sliced-10_s0": (785, 0.8)}
    lines = next_step(write(tmp_path, accuracies))
    assert "not decided" in lines[0]
    assert "--seeds 0,1,2" in lines[0]
    assert lines[1].startswith("A hint, not shown")
    assert "sliced-7" in lines[1]
    assert exported(lines).run == tmp_path / "sliced-7_s0"


def test_where_no_cut_is_free_nothing_is_exported(tmp_path):
    lines = next_step(write(tmp_path, {"baseB_s0": (800, 0.8), "sliced-4_s0": (600, 0.8)}))
    assert "No cut" in lines[0]
    assert "export" not in " ".join(lines)


@pytest.mark.parametrize("names", [["baseB_s0"], ["sliced-4_s0"]])
def test_what_is_missing_is_asked_for(tmp_path, names):
    lines = next_step(write(tmp_path, dict.fromkeys(names, (800, 0.8))))
    assert "--kinds baseB,sliced" in lines[0]


def test_a_base_that_has_learnt_nothing_leads_to_no_export(tmp_path):
    accuracies = {"baseB_s0": (220, 0.2), "sliced-1_s0": (240, 0.2)}  # one of five: 0.2
    (line,) = next_step(write(tmp_path, accuracies))
    assert "worth nothing yet" in line
    assert "(0.200)" in line
