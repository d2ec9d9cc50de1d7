"""Somebody else's study: links in it are not followed, and its tables are not believed."""

from base64 import b64encode

import pytest

from tests.made_study import make_study
from tests.study_files import write_study
from transfer.cli import main
from transfer.errors import TransferError
from transfer.figures.draw import draw_figures
from transfer.folding import fold, write_log
from transfer.results import LOG_COLUMNS, names_in, read_log, read_predictions, read_runs
from transfer.studies.ask import ask
from transfer.studies.setup import prepare
from transfer.study_file import read_settings
from transfer.tasks.dataset import content_hash, load_dataset

KINDS = {("baseB", None): 0.8, ("AnB", 3): 0.7}


@pytest.fixture
def study(tmp_path):
    folder = make_study(tmp_path / "study", KINDS)
    for run in names_in(folder, "rows"):
        write_log(folder, run, [dict.fromkeys(LOG_COLUMNS, 1.0)])
    fold(folder)
    return folder


FOLDERS = ["working", "models", "figures", "working/features", "working/locks", "working/rows"]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_linked_folder_is_refused_and_what_it_leads_to_is_left_alone(
    study, tmp_path, small_data, name
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in ("0-0.lock", "0-0-0-train.npy", "a.png"):
        (elsewhere / file).write_text("precious")
    there = study / name
    there.parent.mkdir(exist_ok=True)
    if there.exists():
        there.rename(tmp_path / "moved")
    there.symlink_to(elsewhere)
    for do in (
        lambda: prepare(study, ask("quick"), small_data),
        lambda: read_runs(study),
        lambda: draw_figures(study),
        lambda: fold(study),
    ):
        with pytest.raises(TransferError, match=f"{name}. Received: a link, which is not followed"):
            do()
    assert {path.read_text() for path in elsewhere.iterdir()} == {"precious"}
    assert len(list(elsewhere.iterdir())) == 3


@pytest.mark.parametrize("name", ["runs.csv", "study.json", "epochs.csv", "predictions.npz"])
def test_a_linked_file_is_not_opened(study, tmp_path, name):
    path = study / name
    if path.exists():
        path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    read = {
        "runs.csv": lambda: read_runs(study),
        "study.json": lambda: read_settings(study),
        "epochs.csv": lambda: read_log(study, "baseB_s0"),
        "predictions.npz": lambda: read_predictions(study, "baseB_s0"),
    }
    with pytest.raises(TransferError, match=f"{name}. Received: a link"):
        read[name]()


def test_a_linked_picture_is_not_put_into_the_report(study, tmp_path, capsys):
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\n secret")
    (study / "figures").mkdir()
    (study / "figures" / "attention.png").symlink_to(tmp_path / "secret.png")
    main(["report", str(study)])
    assert "attention.png. Received: a link" in capsys.readouterr().err
    assert b64encode(b" secret").decode()[1:-3] not in (study / "report.html").read_text()


def change(study, run, column, value):
    """Give a run another value in ``runs.csv``."""
    lines = [line.split(",") for line in (study / "runs.csv").read_text().splitlines()]
    row = next(line for line in lines if line[0] == run)
    row[lines[0].index(column)] = value
    (study / "runs.csv").write_text("\n".join(map(",".join, lines)) + "\n")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("test_low", "0.9", "inside its interval"),
        ("test_high", "", "inside its interval"),
        ("test_low", "-0.5", "inside its interval"),
        ("val_accuracy", "", "val_accuracy"),
        ("val_accuracy", "1.5", "val_accuracy"),
        ("test_balanced_accuracy", "inf", "test_balanced_accuracy"),
        ("kind", "BnB", "that the name of each run says"),
        ("dataset", "=cmd|'/C calc'!A0", "is a formula"),
        ("source", "@SUM(A1:A9)", "is a formula"),
        ("run", "=cmd_s0", "Expected the name of a run"),
    ],
)
def test_a_row_that_contradicts_itself_is_one_sentence_before_anything_is_done(
    study, small_data, capsys, column, value, words
):
    change(study, "A3B_s0", column, value)
    with pytest.raises(TransferError, match=words):
        read_runs(study)
    for command in ("verdict", "report", "figures"):
        with pytest.raises(SystemExit) as ended:
            main([command, str(study)])
        assert ended.value.code == 1
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    write_study(study, data_sha256=content_hash(load_dataset(small_data)))
    with pytest.raises(TransferError, match=words):
        prepare(study, ask("quick", kinds="baseB"), small_data)
