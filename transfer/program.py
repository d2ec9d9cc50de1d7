"""What the program is called where it runs, and how it speaks at a terminal."""

import ctypes
import os
import shlex
import signal
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

_FOLDER = Path(__file__).parents[1]
CUT_MEANWHILE = (
    "a file of the data set became shorter while it was read. Put it back, then give the same "
    "command again."
)


def command(*words: object) -> str:
    """A command as a person types it here, each word quoted where a shell needs it."""
    installed = Path(sys.argv[0]).stem == "feature-transfer"
    name = "feature-transfer" if installed else "python -m transfer"
    return " ".join([name, *(shlex.quote(str(word)) for word in words)])


def how_to_install(extra: str) -> str:
    """The command that installs an optional part: "export", "ray", "tensorboard" or "notebooks"."""
    if (_FOLDER / "requirements-extras.txt").is_file():
        return "make extras"
    return f"pip install 'feature-transfer[{extra}]'"


def wrapped(sentences: Iterable[str]) -> list[str]:
    """Sentences in lines of 88 characters; commands on one line each, to be copied."""
    lines = []
    for sentence in sentences:
        if sentence.startswith(command()):
            lines.append(f"  {sentence}")
        else:
            lines += textwrap.wrap(sentence, 88, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def plain(text: str) -> str:
    r"""The text with every control character shown as its escape.

    Names come from files, folders and JSON of other people: none may move the cursor, clear the
    screen or reverse the direction of writing. Line breaks stay.

    >>> plain("left\x1b[2J")
    'left\\x1b[2J'
    """
    return "".join(
        char if char.isprintable() or char in "\n\u00a0" else ascii(char)[1:-1] for char in text
    )


def say(*lines: str, error: bool = False) -> None:
    """Print lines, without control characters, on standard output or standard error."""
    for line in lines:
        print(plain(line), file=sys.stderr if error else sys.stdout)


def end_where_a_file_is_cut() -> None:
    """Where an array on disk is cut while it is mapped, end with a sentence and exit code 1.

    The system sends SIGBUS. A handler of Python's would run after the instruction that cannot be
    carried out, which is never; this one runs at once.
    """
    if not hasattr(signal, "SIGBUS"):
        return
    message = f"error: {CUT_MEANWHILE[0].upper()}{CUT_MEANWHILE[1:]}\n".encode()

    def end(number: int) -> None:
        os.write(2, message)
        os._exit(1)

    _kept.append(ctypes.CFUNCTYPE(None, ctypes.c_int)(end))
    ctypes.CDLL(None).signal(int(signal.SIGBUS), _kept[-1])


_kept: list[object] = []  # the system calls it, Python must not discard it
