"""The reference is that of this source, links lead somewhere, and the version is one."""

import ast
import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

import transfer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "92")
        spec.loader.exec_module(module)
        yield module


FRESH = "run: .venv/bin/python docs/make_reference.py"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help otherwise")
def test_the_commands_are_those_of_this_source(reference):
    assert (DOCS / "reference/commands.md").read_text() == reference.commands(), FRESH


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="ast may unparse otherwise")
def test_the_functions_are_those_of_this_source(reference):
    assert (DOCS / "reference/python.md").read_text() == reference.python(), FRESH


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere():
    for path in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            if target.startswith("http"):
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            assert file.is_file(), f"{path.name}: {target}"
            assert not anchor or anchor in anchors(file.read_text()), f"{path.name}: {target}"


def test_there_is_one_version():
    version = transfer.__version__
    cited = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.*)$", cited, re.M)[1] == version
    date = re.search(r'^date-released: "(.*)"$', cited, re.M)[1]
    released = re.findall(r"^## \[(\d.*)\] - (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert released[0] == (version, date)


def test_the_papers_it_builds_on_are_cited():
    cited = (ROOT / "CITATION.cff").read_text()
    assert "https://arxiv.org/abs/1411.1792" in cited  # Yosinski et al. 2014
    assert "https://arxiv.org/abs/1704.04861" in cited  # Howard et al. 2017


def test_whatever_a_module_imports_at_its_start_is_declared():
    """Imports inside functions are of extras or of what TensorFlow brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[>=<;[ ]", text)[0] for text in project["dependencies"]}
    called = {"PIL": "pillow", "sklearn": "scikit-learn", "tensorflow": "tensorflow-cpu"}
    missing = set()
    for path in (ROOT / "transfer").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in (name.split(".")[0] for name in names):
                if name not in sys.stdlib_module_names and name != "transfer":
                    missing |= {called.get(name, name)} - declared
    assert not missing
