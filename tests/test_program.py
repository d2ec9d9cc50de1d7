"""One place says what the program is called, and nothing a file says controls the terminal."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer import program
from transfer.program import command, how_to_install, plain, say


@pytest.mark.parametrize(
    ("started_as", "name"),
    [
        ("/home/me/.local/bin/feature-transfer", "feature-transfer"),
        ("feature-transfer.exe", "feature-transfer"),
        ("/src/transfer/__main__.py", "python -m transfer"),
        ("", "python -m transfer"),
    ],
)
def test_a_command_is_named_as_the_program_was_started(monkeypatch, started_as, name):
    monkeypatch.setattr(sys, "argv", [started_as])
    assert command("run", "A3B_s0", "--out", "my study") == f"{name} run A3B_s0 --out 'my study'"


def test_an_extra_is_installed_by_make_in_a_checkout_and_by_pip_elsewhere(monkeypatch, tmp_path):
    assert how_to_install("export") == "make extras"
    monkeypatch.setattr(program, "_FOLDER", tmp_path)
    assert how_to_install("export") == "pip install 'feature-transfer[export]'"


@given(st.text())
def test_only_printable_text_and_line_breaks_are_said(text):
    shown = plain(text).replace("\n", "").replace("\u00a0", "")
    assert not shown or shown.isprintable()
    if text.isprintable():
        assert shown == text


def test_escapes_and_reversed_writing_are_shown(capsys):
    say("left\x1b[2J\rright\u202eevil", "ä 猫")
    assert capsys.readouterr().out == "left\\x1b[2J\\rright\\u202eevil\nä 猫\n"
