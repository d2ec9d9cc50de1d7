"""The laws of the house, read from the imports themselves.

A room imports only from rooms below it, no module is part of a circle, the rooms that only read
results never load TensorFlow, and only the command line blames the command line.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: The rooms from the ground up. Rooms of one floor do not import each other.
FLOORS = (
    ("errors", "machine", "progress"),
    ("program",),
    ("wording",),
    ("files",),
    ("runs",),
    ("tables",),
    ("archives",),
    ("results",),
    ("folding", "study_file"),
    ("statistics",),
    ("tasks",),
    ("networks",),
    ("training",),
    ("studies",),
    ("scores",),
    ("deploy",),
    ("figures",),
    ("answers",),
    ("report",),
    ("api",),
    ("cli",),
)
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
READERS = ("statistics", "figures", "answers", "report")  #: never load TensorFlow
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "transfer").rglob("*.py"))
}


def imports_of(path: Path, everywhere: bool = True) -> set[str]:
    """Modules that a file imports, everywhere in it or only at its start."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (deeper & set(MODULES)) or {node.module}
    return names


def room_of(module: str) -> str | None:
    """``statistics`` for ``transfer.statistics.intervals``; None outside and at the top."""
    parts = module.split(".")
    return parts[1] if parts[0] == "transfer" and len(parts) > 1 else None


def test_every_module_is_in_a_room_of_the_plan():
    rooms = {room_of(module) for module in MODULES} - {None, "__main__"}
    assert rooms == set(HEIGHT)


def test_a_room_imports_only_from_rooms_below_it():
    upwards = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        for name in imports_of(path)
        if (room := room_of(module)) in HEIGHT
        and (other := room_of(name)) in HEIGHT
        and other != room
        and HEIGHT[other] >= HEIGHT[room]
    ]
    assert not upwards


def test_no_module_is_part_of_a_circle():
    """The package's own face hands names on lazily, and is left out."""
    graph = {
        module: imports_of(path) & set(MODULES) - {"transfer"}
        for module, path in MODULES.items()
        if module != "transfer"
    }
    left = dict(graph)
    while True:
        free = [module for module, needs in left.items() if not needs & set(left) - {module}]
        if not free:
            break
        for module in free:
            del left[module]
    assert not left


@pytest.mark.parametrize("room", READERS)
def test_rooms_that_only_read_results_never_load_tensorflow(room):
    """Neither at import, whatever other rooms they use, nor later inside a function."""
    mine = [module for module in MODULES if room_of(module) == room]
    for module in mine:
        heavy = {name for name in imports_of(MODULES[module]) if name.split(".")[0] in HEAVY}
        assert not heavy, module
    code = f"import sys, {', '.join(mine)}; print(sorted({set(HEAVY)} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


HEAVY = ("tensorflow", "keras")


def test_only_the_command_line_says_that_the_command_line_is_at_fault():
    blaming = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and ast.unparse(node.exc.func) == "UsageError"
    }
    assert {m for m in blaming if room_of(m) != "cli"} <= {"transfer.studies.ask"}


def test_the_package_imports_nothing_of_tests_or_benchmarks_but_the_benchmark_command():
    foreign = {
        module: names
        for module, path in MODULES.items()
        if (names := {n for n in imports_of(path) if n.split(".")[0] in ("tests", "benchmarks")})
    }
    assert set(foreign) <= {"transfer.cli.study"}


def test_every_test_function_with_an_assertion_is_collected():
    """A function named without ``test_`` that asserts and that nobody calls never runs."""
    lost = []
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if (
                isinstance(node, ast.FunctionDef)
                and not node.name.startswith(("test", "_"))
                and not node.decorator_list
                and any(isinstance(inner, ast.Assert) for inner in ast.walk(node))
                and text.count(node.name) == 1
            ):
                called = subprocess.run(
                    ["git", "grep", "-l", node.name, "--", "tests"],
                    capture_output=True,
                    text=True,
                    cwd=ROOT,
                    check=False,
                ).stdout.split()
                if len(called) < 2:
                    lost.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not lost
