"""Every command in docs/ is run, at a small size, or named below with the reason why not.

Commands are the lines after ``$`` in blocks fenced as ``console``. They run in the order of the
pages, the recipes where the tutorial ends, in a folder that holds ``photos``. Each is forked:
``python -m transfer`` itself is run in test_newcomer.py.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from transfer.networks.sources import find_source

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: What is added to a command that begins so, to make it small. Nothing else is changed.
SMALLER = {
    "python -m transfer study": "--epochs 1 --batch 16 --workers 1",
}
#: Changes of what a command asks for, where it asks for hours.
INSTEAD = {
    "--preset quick --out": "--preset quick --n 7 --seeds 0 --out",  # 4 networks for 24
    "--seeds 0,1,2 --kinds baseB,sliced": "--seeds 0,1 --kinds baseB,sliced --n 7",
    "--kinds baseB,sliced --out": "--kinds baseB,sliced --n 7 --seeds 0 --out",
    "--kinds baseB,AnB --bn": "--kinds baseB,AnB --n 1 --seeds 0 --bn",
    "--kinds baseB,AnB,AnB+ --train": "--kinds baseB,AnB,AnB+ --n 1 --seeds 0 --train",
    "--budget 60": "--budget 0.01",  # no round; tests/studies/test_adaptive.py does some
}
NOT_RUN = {
    "make extras": "downloads packages",
    ".venv/bin/pip install jupyterlab": "downloads packages",
    ".venv/bin/jupyter lab notebooks": "opens a browser and does not end",
    "make setup": "downloads packages; it is how this test's own environment is made",
    "make setup TENSORFLOW='tensorflow[and-cuda]'": "downloads packages for a GPU",
    "python -m transfer study --data data/photos --source imagenet "
    "--out experiments-results/photos-imagenet": "downloads weights",
    "python -m transfer study --data data/photos --backbone mobilenet_v2 --source imagenet "
    "--out experiments-results/photos-v2": "downloads weights",
}
#: Commands that need what may not be installed, and the package that is needed.
NEEDS = {".tflite": "ai_edge_litert", ".onnx": "tf2onnx"}
PAGES = ("tutorial.md", "how-to.md")


def commands(page):
    """The commands of a page, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```", (DOCS / page).read_text(), re.S | re.M)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def installed(package):
    import importlib.util

    return importlib.util.find_spec(package) is not None


def test_no_page_hides_a_command_from_this_test():
    for path in DOCS.glob("*.md"):
        text = path.read_text()
        fences = re.findall(r"^```([a-z]*)\n(.*?)^```", text, re.S | re.M)
        for language, block in fences:
            if language == "console":
                assert path.name in PAGES, f"{path.name} has commands that nobody runs"
                assert all(line.startswith("$ ") for line in block.splitlines()), block
            elif path.name in PAGES:
                assert not re.search(r"^(python|make|pip|\.venv)", block, re.M), block


def test_what_is_not_run_stands_in_the_pages():
    every = {command for page in PAGES for command in commands(page)}
    assert set(NOT_RUN) <= every
    text = "\n".join(every)
    assert all(begin in text for begin in (*SMALLER, *INSTEAD))


@pytest.mark.slow
def test_the_commands_of_the_pages_run(photos, tmp_path, forker):
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(find_source("fractals", 0.25)[1], tmp_path / "weights.h5")
    left_out = []
    for command in (command for page in PAGES for command in commands(page)):
        missing = [package for end, package in NEEDS.items() if end in command]
        if command in NOT_RUN:
            continue
        if not all(map(installed, missing)):
            left_out.append(command)
            continue
        run(command, tmp_path, forker)
    if left_out:
        pytest.skip(f"the others ran; these need requirements-export.txt: {'; '.join(left_out)}")


def run(command, folder, forker):
    for long, short in INSTEAD.items():
        command = command.replace(long, short)
    for begin, more in SMALLER.items():
        if command.startswith(begin):
            command += f" {more}"
    python, module, program, *arguments = shlex.split(command)
    assert (python, module, program) == ("python", "-m", "transfer"), command
    forker.start(arguments, folder, out := folder / "stdout", errors := folder / "stderr")
    code = forker.wait()
    # A check may find that drawn shapes resemble each other: exit code 1 is its answer.
    expected = (0, 1) if "data check" in command else (0,)
    assert code in expected, f"{command}\n{out.read_text()}\n{errors.read_text()}"
    assert "Traceback" not in errors.read_text(), f"{command}\n{errors.read_text()}"
