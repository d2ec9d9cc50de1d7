"""Write docs/reference/ from the docstrings and from --help: python docs/make_reference.py

Nothing of the package but its command line is imported: docstrings are read from the source.
"""

import argparse
import ast
import os
from collections.abc import Iterator
from pathlib import Path

os.environ["COLUMNS"] = "92"  # argparse wraps at the width of the terminal

from transfer.cli import make_parser
from transfer.files import write_atomically

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
#: Modules that notebooks and scripts call; the others serve these.
MODULES = (
    *(
        "api",
        "errors",
        "runs",
        "results",
        "tasks.dataset",
        "tasks.lanes.generate",
        "tasks.imports.importers",
    ),
    *("tasks.checks.check", "tasks.checks.leakage", "networks.architecture", "networks.backbone"),
    *("networks.network", "networks.transplant", "networks.sources", "networks.weights"),
    *("studies.ask", "studies.study", "statistics.comparison", "statistics.rules"),
    *("scores.representation", "scores.attention", "figures.draw", "answers.answer"),
    *("deploy.export.open", "deploy.export.write"),
    "deploy.export.runtimes",
)
_MADE = "*Written by `python docs/make_reference.py`; do not edit.*"


def commands() -> str:
    """Every command with its help, as Markdown."""
    parts = ["# Commands", _MADE]
    for parser in _parsers(make_parser()):
        name = parser.prog.removeprefix("python -m ")
        parts.append(f"## {name}\n\n```\n{parser.format_help().rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _parsers(below)


def python() -> str:
    """Every public function and class of `MODULES` with signature and docstring, as Markdown."""
    parts = ["# Python", _MADE]
    for module in MODULES:
        path = ROOT / "transfer" / f"{module.replace('.', '/')}.py"
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        parts.append(f"## transfer.{module}")
        if text := ast.get_docstring(tree):
            parts.append(_fenced(text))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                parts.append(f"### {module.rpartition('.')[2]}.{node.name}")
                parts.append(f"```python\n{_signature(node, source.splitlines())}\n```")
                if text := ast.get_docstring(node):
                    parts.append(_fenced(text))
    return "\n\n".join(parts) + "\n"


def _signature(node: ast.FunctionDef | ast.ClassDef, lines: list[str]) -> str:
    """A function's first lines; a class with its fields and what is said of each beside it."""
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"def {node.name}({ast.unparse(node.args)}){returns}"
    bases = ", ".join(map(ast.unparse, node.bases))
    fields: list[str] = []
    for part in (part for part in node.body if isinstance(part, ast.AnnAssign)):
        start = part.lineno - 1
        while lines[start - 1].strip().startswith("#:"):
            start -= 1
        fields += lines[start : part.end_lineno]
    return "\n".join([f"class {node.name}{f'({bases})' if bases else ''}", *fields])


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```"


if __name__ == "__main__":
    write_atomically(REFERENCE / "commands.md", commands())
    write_atomically(REFERENCE / "python.md", python())
