"""The command line: help at once, and every mistake is one line and an exit code."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import transfer
from tests.made_study import make_study
from transfer.cli import main, make_parser
from transfer.errors import RunsFailed


def ends(capsys, *arguments):
    """Exit code and standard error of a command that must fail with one line."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    errors = capsys.readouterr().err.strip()
    assert errors.startswith("error: ")
    assert len(errors.splitlines()) == 1
    return stopped.value.code, errors


def test_help_teaches_and_imports_nothing_heavy():
    script = (
        "import sys; from transfer.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'numpy', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "baseA cut after block n" in done.stdout


def test_the_help_of_an_option_begins_with_what_it_is():
    commands = make_parser()._subparsers._group_actions[0].choices
    parsers = [*commands.values(), *commands["data"]._subparsers._group_actions[0].choices.values()]
    helps = [action.help for parser in parsers for action in parser._actions if action.help]
    assert len(helps) > 60
    words = ("of ", "to ", "at ", "default", "another ", "each ", "e.g.")
    assert [text for text in helps if text.startswith(words)] == []


def test_the_version_and_the_name_after_pip_install(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/feature-transfer"])
    for arguments, text in (
        (["--version"], f"feature-transfer {transfer.__version__}"),
        (["--help"], "usage: feature-transfer [-h]"),
        (["drive", "--help"], "usage: feature-transfer drive [-h]"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
        assert text in capsys.readouterr().out


def test_nothing_a_folder_or_a_file_is_called_controls_the_terminal(capsys, tmp_path):
    evil = tmp_path / "a\x1b[31m\r\u202eb"
    for arguments in (["verdict", evil], ["data", "check", evil], ["export", evil / "x.png"]):
        _, error = ends(capsys, *arguments, *(["--out", evil] if arguments[0] == "export" else []))
        assert error.isprintable()
    assert ends(capsys, "status", evil)[1].count("\\x1b[31m") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["study"],
        ["study", "--out", "x", "--kinds", "baseC"],
        ["study", "--out", "x", "--n", "14", "--kinds", "AnB"],
        ["study", "--out", "x", "--workers", "0"],
        ["study", "--out", "x", "--alpha", "0"],
        ["study", "--out", "x", "--input", "2x2"],
        ["study", "--out", "x", "--alpha", "0.01"],
        ["study", "--out", "x", "--seeds", "0-100000"],
        ["study", "--out", "x", "--margin", "1"],
        ["study", "--out", "x", "--budget", "9"],
        ["study", "--out", "x", "--until-decided", "--n", "3"],
        ["study", "--out", "x", "--until-decided", "--seeds", "0-2"],
        ["study", "--out", "x", "--until-decided", "--kinds", "AnB"],
        ["study", "--out", "x", "--until-decided", "--train-fraction", "0.1"],
        ["study", "--out", "x", "--until-decided", "--bn", "legacy"],
        ["study", "--out", "x", "--until-decided", "--margin", "0.01"],
        ["study", "--out", "x", "--until-decided", "--budget", "0"],
        ["study", "--out", "x", "--until-decided", "--budget", "nan"],
        ["run", "A14B_s0", "--out", "x"],
        ["data", "lanes", "--out", "x", "--train", "2"],
        ["data", "lanes", "--out", "x", "--seed", "-1"],
        ["data", "import", "y", "--out", "x", "--size", "45"],
        ["data", "import", "y", "--out", "x", "--size", "0x80"],
        ["verdict", "x", "--margin", "0.01"],
        ["verdict", "x", "--margin", "nan"],
        ["verdict", "x", "--margin", "-1"],
        ["verdict", "x", "--metric", "f1"],
        ["export", "x/network", "--out", "x"],
        ["measure", "x", "network"],
        ["measure", "x", "--calls", "199"],
        ["reestimate", "x", "--images", "0"],
        ["drive", "forward", "--out", "x", "--laps", "nan"],
        ["drive", "forward", "--out", "x", "--tracks", "0"],
        ["bench", "--threads", "1,0"],
    ],
)
def test_mistakes_of_the_command_line_end_with_2(capsys, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert ends(capsys, *arguments)[0] == 2
    assert not (tmp_path / "x").exists()


def test_mistakes_of_the_input_end_with_1(capsys, tmp_path, small_data):
    out = tmp_path / "out"
    damaged = tmp_path / "weights.h5"
    damaged.write_bytes(b"not a weight file")
    for arguments in (
        ["figures", tmp_path / "nowhere"],
        ["data", "check", tmp_path / "nowhere"],
        ["data", "import", tmp_path / "nowhere", "--out", out],
        ["study", "--data", tmp_path / "nowhere", "--out", out],
        ["study", "--data", small_data, "--source", tmp_path / "none.h5", "--out", out],
        ["study", "--data", small_data, "--source", damaged, "--out", out],
        ["study", "--data", small_data, "--alpha", "0.5", "--out", out],
    ):
        assert ends(capsys, *arguments)[0] == 1
    assert not out.exists()


def test_small_mistakes_are_said_as_they_are(capsys, tmp_path, small_data):
    out, whole, file = (tmp_path / name for name in ("out", "model.keras", "file"))
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("config.json", "{}")
    file.write_text("")
    study = ["study", "--data", small_data, "--out", out, "--kinds", "baseB"]
    for arguments, code, words in (
        ([*study, "--batch", "97"], 1, "Expected --batch of at most 96, the training images in"),
        ([*study, "--source", "nope.h5"], 1, "There is no file nope.h5."),
        ([*study[:-1], "AnB", "--source", whole], 1, "model.keras is a whole model; load it in"),
        ([*study, "--alpha", "0.01"], 2, "Expected --alpha of 0.03125 to 2. Received: 0.01."),
        ([*study, "--seeds", "0-100000"], 2, "at most 1000 numbers a range"),
        (["study", "--data", small_data, "--out", file], 1, f"{file} is a file."),
        (["data", "lanes", "--out", file], 1, "It is a file;"),
        (["export", tmp_path / "no/A3B_s0", "--out", out / "a.keras"], 1, "There is no study in"),
    ):
        ended, error = ends(capsys, *arguments)
        assert (ended, words in error) == (code, True), error
    assert sorted(tmp_path.iterdir()) == [file, whole]


def test_an_array_that_is_cut_while_it_is_read_ends_with_one_sentence(tmp_path, small_data):
    """The system sends SIGBUS, which ends a process at once."""
    code = (
        "import os, sys; from transfer.archives import open_array; import numpy as np;"
        "from transfer.program import end_where_a_file_is_cut; end_where_a_file_is_cut();"
        "array = open_array(sys.argv[1], np.uint8, (2,)); os.truncate(sys.argv[1], 100);"
        "print(array.sum())"
    )
    path = shutil.copy(small_data / "train_data.npy", tmp_path)
    ended = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: A file of the data set became shorter while it was read")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("damage", ["missing", "dtype", "row", "label", "unequal", "empty", "cut"])
def test_a_damaged_data_set_ends_with_1(capsys, tmp_path, small_data, damage):
    data = tmp_path / "data"
    data.mkdir()
    for path in small_data.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    images, labels = np.load(data / "train_data.npy"), np.load(data / "train_labels.npy")
    if damage == "missing":
        (data / "test_labels.npy").unlink()
    elif damage == "dtype":
        np.save(data / "train_data.npy", images.astype(np.float32))
    elif damage == "row":
        np.save(data / "train_data.npy", images[:, :-1])
    elif damage == "label":
        np.save(data / "train_labels.npy", labels + 1)
    elif damage == "unequal":
        np.save(data / "train_labels.npy", labels[1:])
    elif damage == "empty":
        np.save(data / "train_labels.npy", np.zeros_like(labels))
    else:
        content = (data / "train_data.npy").read_bytes()
        (data / "train_data.npy").write_bytes(content[: len(content) // 2])
    code, message = ends(capsys, "study", "--data", data, "--out", tmp_path / "out")
    assert code == 1
    assert "Expected" in message
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_with_1_and_leaves_no_half_file(capsys, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    out = tmp_path / "drives"
    code, message = ends(
        capsys,
        *("data", "lanes", "--out", out, "--train", 30, "--valid", 30, "--test", 30),
    )
    assert code == 1
    assert "No space left" in message
    assert not out.exists()


def test_a_folder_with_other_files_is_not_touched(capsys, tmp_path, small_data):
    (tmp_path / "letter.txt").write_text("dear")
    assert ends(capsys, "study", "--data", small_data, "--out", tmp_path)[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("command", [["data", "check"], ["verdict"], ["report"], ["status"]])
def test_a_name_too_long_for_a_path_is_one_line(capsys, command):
    assert ends(capsys, *command, "a" * 300)[0] == 1


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("verdict", "runs.csv"),
        ("figures", "runs.csv"),
        ("report", "runs.csv"),
        ("status", "study.json"),
    ],
)
def test_a_folder_without_a_study_is_one_sentence(capsys, tmp_path, command, file):
    nowhere = tmp_path / "nowhere"
    sentence = f"error: There is no study in {nowhere}: expected {file} in it."
    assert ends(capsys, command, nowhere) == (1, sentence)
    assert not nowhere.exists()


@pytest.mark.parametrize("kinds", [[("baseB", None), ("AnB", 4)], [("AnB", 4)], []])
def test_a_study_some_of_whose_runs_failed_is_told_before_it_ends_with_1(
    capsys, tmp_path, monkeypatch, kinds
):
    out = make_study(tmp_path / "study", dict.fromkeys(kinds, 0.8))

    def fail(*_, **__):
        raise RunsFailed("1 of 3 runs failed.")

    monkeypatch.setattr("transfer.studies.study.perform", fail)
    with pytest.raises(SystemExit) as stopped:
        main(["study", "--out", str(out)])
    printed = capsys.readouterr()
    assert stopped.value.code == 1
    assert printed.err.endswith("error: 1 of 3 runs failed.\n")
    if kinds:
        assert "Verdict" in printed.out
        assert "accuracy_against_n.png" in printed.out
        assert "A4B" in printed.out
    else:
        assert f"note: No run of the study in {out} is finished." in printed.err


def test_a_reader_that_has_gone_ends_the_command_quietly_as_other_programs(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    study = Path(__file__).parents[2] / "experiments-results/lanes-alpha-0.1"
    command = [sys.executable, "-m", "transfer", "verdict", study]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_run_no_protocol_knows_in_a_table_is_the_fault_of_the_file(capsys, tmp_path):
    study = Path(__file__).parents[2] / "experiments-results/lanes-alpha-0.1"
    text = (study / "runs.csv").read_text().replace("baseB_s0", "baseX_s0", 1)
    (tmp_path / "runs.csv").write_text(text)
    code, error = ends(capsys, "figures", tmp_path)
    assert code == 1
    assert str(tmp_path / "runs.csv") in error


def test_class_names_of_a_data_set_cannot_control_the_terminal(capsys, tmp_path, small_data):
    data = shutil.copytree(small_data, tmp_path / "data")
    text = (data / "dataset.json").read_text().replace('"left"', r'"left\u001b[2J"')
    (data / "dataset.json").write_text(text)
    with contextlib.suppress(SystemExit):
        main(["data", "check", str(data)])
    said = capsys.readouterr()
    assert "\\x1b[2J" in said.out + said.err
    assert "\x1b" not in said.out + said.err
