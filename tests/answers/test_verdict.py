"""The verdict says what the data allow, with the numbers behind it, and no more."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.study_files import write_study
from transfer.answers.verdict import _what_would_decide, verdict
from transfer.cli import main
from transfer.errors import TransferError
from transfer.folding import write_predictions, write_row, write_test_labels
from transfer.results import RUN_COLUMNS, read_predictions
from transfer.runs import FROZEN_KINDS, Run
from transfer.statistics.comparison import FRAMES_A_BLOCK, compare_with_base
from transfer.statistics.intervals import non_inferior

RESULTS = Path(__file__).parents[2] / "experiments-results"
LABELS = np.arange(4000) % 3


def study(folder, accuracies, seeds=(0,)):
    """A study whose networks are right on a given share of the images, chosen by the run's name."""
    write_study(folder, dataset="stripes")
    write_test_labels(folder, LABELS.astype(np.int64))
    blank = dict.fromkeys(RUN_COLUMNS, 0) | {
        column: "" for column, dtype in RUN_COLUMNS.items() if dtype == "string"
    }
    for (kind, n), accuracy in accuracies.items():
        for seed in seeds:
            run = Run(kind, n, seed, "inference" if kind in FROZEN_KINDS else "")
            rng = np.random.default_rng([seed, *run.name.encode()])
            # Most images are easy or hard for every network, as real ones are.
            easy = np.random.default_rng(0).random(len(LABELS))
            right = easy + rng.normal(0, 0.02, len(LABELS)) < accuracy
            answers = np.where(right, LABELS, (LABELS + 1) % 3)
            probabilities = np.eye(3, dtype=np.float32)[answers]
            write_predictions(folder, run.name, probabilities)
            named = {"run": run.name, "kind": kind, "n": n, "seed": seed, "bn": run.bn}
            numbers = {"test_accuracy": right.mean(), "test_low": 0.7, "test_high": 0.9}
            write_row(folder, blank | named | numbers | {"fraction": 1.0})
    return folder


GENERAL_TO_4 = {("baseB", None): 0.8} | {
    ("AnB", n): accuracy for n, accuracy in {1: 0.82, 4: 0.82, 7: 0.6, 10: 0.82}.items()
}


def said(sentences, word):
    return next(sentence for sentence in sentences if word in sentence)


def test_general_ends_at_the_first_network_that_is_worse(tmp_path):
    sentence = said(verdict(study(tmp_path, GENERAL_TO_4)), "general up to".capitalize())
    assert "General up to n = 4, of the n that were run (1, 4, 7, 10)" in sentence
    assert "A7B is worse by more than the margin" in sentence
    assert "A10B" not in sentence


def test_cut_is_at_the_smallest_slice_that_is_not_worse(tmp_path):
    accuracies = {("baseB", None): 0.8, ("sliced", 13): 0.83, ("sliced", 10): 0.6}
    accuracies |= {("sliced", 7): 0.83, ("sliced", 4): 0.6}
    sentences = verdict(study(tmp_path, accuracies))
    sentence = said(sentences, "Cut after")
    assert "Cut after n = 7, of the n that were run (4, 7, 10, 13)" in sentence
    assert "sliced-4 is worse by more than the margin" in sentence
    assert "those that pass are n = 7, 13" in said(sentences, "each tested by itself, those")
    none = verdict(study(tmp_path / "none", {("baseB", None): 0.8, ("sliced", 4): 0.6}))
    assert said(none, "No cut is shown to be free")


def test_what_the_data_cannot_decide_is_called_undecided_with_what_would(tmp_path):
    sentences = verdict(study(tmp_path, {("baseB", None): 0.8, ("AnB", 1): 0.792}))
    sentence = said(sentences, "No n is shown")
    assert "A1B is undecided" in sentence
    assert "test images with one seed (now 4,000)" in sentence
    assert "three or more would tell" in sentence


def test_one_seed_is_called_one_seed_and_three_are_not(tmp_path):
    assert said(verdict(study(tmp_path / "one", GENERAL_TO_4)), "One seed each")
    three = verdict(study(tmp_path / "three", GENERAL_TO_4, seeds=(0, 1, 2)))
    assert not any("One seed" in sentence for sentence in three)
    assert "over 3 seeds" in three[0]


@pytest.mark.parametrize(("accuracy", "word"), [(0.9, "helps"), (0.7, "harms"), (0.8, "no proven")])
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_whether_a_start_from_base_a_helps_is_said(accuracy, word, seeds, tmp_path):
    accuracies = {("baseB", None): 0.8, ("baseB+", None): accuracy}
    sentence = said(verdict(study(tmp_path, accuracies, seeds)), "A start from baseA")
    assert word in sentence
    assert ("McNemar" in sentence) == (len(seeds) == 1)


def test_a_network_with_one_seed_beside_others_with_three_is_pointed_out(tmp_path):
    folder = study(tmp_path, {("baseB", None): 0.8}, seeds=(0, 1, 2))
    sentences = verdict(study(folder, {("AnB", 1): 0.82}))
    assert "1 of 2 networks have one seed" in said(sentences, "one seed")


def test_what_transfer_gains_with_few_images_is_said(tmp_path):
    folder = study(tmp_path, {("baseB", None): 0.8, ("AnB+", 4): 0.81}, seeds=(0, 1, 2))
    blank = {c: "" if d == "string" else 0 for c, d in RUN_COLUMNS.items()}
    for kind, n, accuracy in (("baseB", None, 0.5), ("AnB+", 4, 0.6)):
        for seed in range(3):
            run = Run(kind, n, seed, fraction=0.1)
            named = {"run": run.name, "kind": kind, "n": n, "seed": seed, "fraction": 0.1}
            write_row(folder, blank | named | {"test_accuracy": accuracy, "train_images": 400})
    sentence = said(verdict(folder), "by the number of training images")
    assert "AnB+ minus baseB" in sentence
    assert "+10.0 points with 400 (+10.0 to +10.0, 3 seeds)" in sentence


def test_the_command_prints_it_wrapped_and_writes_nothing(tmp_path, capsys):
    folder = study(tmp_path, GENERAL_TO_4)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    main(["verdict", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(" ".join(lines).split()) == " ".join(verdict(folder))
    assert max(map(len, lines)) <= 88
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    main(["verdict", str(folder), "--margin", "0.3"])
    assert "General up to n = 10" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("margin", ["0", "1", "-0.01", "nan"])
def test_a_margin_out_of_range_is_refused(margin, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["verdict", str(tmp_path), "--margin", margin])
    assert end.value.code == 2
    assert "margin" in capsys.readouterr().err


def test_missing_kinds_are_said(tmp_path):
    text = " ".join(verdict(study(tmp_path / "base", {("baseB", None): 0.8})))
    for kind in ("baseB+", "AnB", "sliced-n"):
        assert f"{kind} is missing" in text
    assert "baseB on all training images is missing" in verdict(
        study(tmp_path / "none", {("AnB", 1): 0.8})
    )[0]  # fmt: skip


def test_the_comparison_is_the_paired_one_of_the_predictions(tmp_path):
    folder = study(tmp_path, GENERAL_TO_4)
    a, b = (
        read_predictions(folder, run).argmax(1) == LABELS for run in ("A4B_s0", "baseB_s0")
    )  # fmt: skip
    blocks = np.arange(len(LABELS)) // FRAMES_A_BLOCK
    assert compare_with_base(folder)["AnB", 4, "inference"] == non_inferior(a, b, blocks=blocks)


def test_where_a_kind_is_above_and_below_base_b_is_said(tmp_path):
    accuracies = {("baseB", None): 0.8, ("AnB+", 1): 0.8, ("AnB+", 4): 0.85, ("AnB+", 7): 0.7}
    sentence = said(verdict(study(tmp_path, accuracies, seeds=(0, 1, 2))), "AnB+: above")
    assert "above baseB for n = 4, below baseB for n = 7, not to be told" in sentence
    assert "highest A4B+" in sentence
    assert "lowest A7B+" in sentence


def test_what_legacy_batch_norm_does_is_said(tmp_path):
    folder = study(tmp_path, GENERAL_TO_4)
    for n in (1, 4, 7, 10):
        run = Run("AnB", n, bn="legacy")
        answers = np.where(np.arange(len(LABELS)) % 2, LABELS, (LABELS + 1) % 3)
        probabilities = np.eye(3, dtype=np.float32)[answers]
        write_predictions(folder, run.name, probabilities)
        blank = {c: "" if d == "string" else 0 for c, d in RUN_COLUMNS.items()}
        named = {"run": run.name, "kind": "AnB", "n": n, "seed": 0, "bn": "legacy"}
        write_row(folder, blank | named | {"test_accuracy": 0.5, "fraction": 1.0})
    assert "lower at 4 and higher at 0 of 4 n" in said(verdict(folder), "legacy BatchNorm minus")


def test_a_larger_margin_never_makes_it_less_general(tmp_path):
    folder = study(tmp_path, GENERAL_TO_4)
    strict, lax = (compare_with_base(folder, margin) for margin in (0.01, 0.3))
    for key, comparison in strict.items():
        assert comparison.outcome != "non-inferior" or lax[key].outcome == "non-inferior"
    assert "General up to n = 10" in " ".join(verdict(folder, 0.3))


def test_predictions_of_another_training_are_refused(tmp_path):
    folder = study(tmp_path, GENERAL_TO_4)
    other = read_predictions(folder, "A7B_s0")
    write_predictions(folder, "A4B_s0", other)
    with pytest.raises(TransferError, match=r"A4B_s0 .* runs\.csv says"):
        verdict(folder)
    write_predictions(folder, "A4B_s0", other[:100])
    with pytest.raises(TransferError, match="Expected 4000 predictions"):
        verdict(folder)


def test_published_accuracies_alone_decide_nothing_and_that_is_said():
    (sentence,) = verdict(RESULTS / "published")
    assert "without predictions" in sentence


def test_a_folder_without_a_study_is_said(tmp_path):
    with pytest.raises(TransferError, match="study"):
        verdict(tmp_path)


def test_a_verdict_needs_no_tensorflow():
    script = (
        "import sys; from transfer.cli import main;"
        f"main(['verdict', {str(RESULTS / 'published')!r}]);"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_stem_alone_does_not_end_the_sequence(tmp_path):
    """General up to n begins with A1B: protocol.md, and what predictions are compared with."""
    accuracies = {("baseB", None): 0.8, ("AnB", 0): 0.6, ("AnB", 1): 0.82, ("AnB", 2): 0.82}
    assert "General up to n = 2" in said(verdict(study(tmp_path, accuracies)), "General")


def test_seeds_that_base_b_lacks_do_not_count(tmp_path):
    study(tmp_path, {("baseB", None): 0.8}, seeds=(0,))
    study(tmp_path, {("sliced", 8): 0.82}, seeds=(0, 1, 2))
    assert any(sentence.startswith("One seed each") for sentence in verdict(tmp_path))


def test_the_margin_itself_is_never_decided():
    right = np.ones(2000, bool)
    fewer = right.copy()
    fewer[:20] = False
    sentence = _what_would_decide(non_inferior(fewer, right, margin=0.01))
    assert "nothing would decide" in sentence
