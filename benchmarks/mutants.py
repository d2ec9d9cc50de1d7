"""How many small errors in the code do its tests notice?

``make mutants`` changes one place of a module at a time with Cosmic Ray (``<`` to ``<=``, 1 to 2, a
decorator removed, ...) and runs the tests that belong to the module. A mutant that no test notices
has survived. ``make mutants ROOMS="splits freeze" MOST=50`` does less.

A seeded sample of the mutants of each module is tried, at most one of a place and a kind of change;
types in signatures are left out, as changing one fails on import. The work is done in a copy,
``build/mutants``, and goes on where it was stopped. Once tests have changed, survivors are tried
again. ``benchmarks/results/mutants.csv`` holds the scores; survivors are printed.
"""

import argparse
import ast
import csv
import hashlib
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import pytest
from cosmic_ray.commands import init
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "mutants"
TABLE = ROOT / "benchmarks" / "results" / "mutants.csv"
#: What tests load that is not ours; no copy of ours may be loaded before a mutant is in its place.
LOADED = (
    *("h5py", "hypothesis", "keras", "pandas", "PIL.Image", "scipy.stats", "sklearn.metrics"),
    "statsmodels.api",
)
_MOST_MEMORY = 12 << 30  # address space of the tests: a mutant may drop the bound of a reader
COLUMNS = ("room", "module", "mutants", "tried", "killed")


@dataclass(frozen=True)
class Subject:
    """A module, or one function of it, and the tests that belong to it."""

    module: str
    tests: str
    function: str | None = None


def _subjects(folder: str, modules: str, tests: str) -> list[Subject]:
    return [Subject(f"{folder}/{module}.py", tests) for module in modules.split()]


_STATISTICS = "accuracies intervals differences seeds gain comparison rules"
ROOMS = {
    "freeze": [
        *_subjects("transfer/networks", "transplant", "tests/networks/test_transplant.py"),
        Subject("transfer/studies/execute.py", "tests/studies/test_audit.py", "audit"),
    ],
    "splits": [
        *(
            Subject("transfer/tasks/dataset.py", "tests/tasks/test_balance.py", function)
            for function in ("equals", "stratified_fraction", "shuffled_classes")
        ),
        *_subjects(
            "transfer/tasks/imports",
            "splits",
            "tests/tasks/imports/test_splits.py tests/tasks/imports/test_stretches.py "
            "tests/tasks/imports/test_drives.py",
        ),
    ],
    "readers": [
        *_subjects(
            "transfer",
            "archives",
            "tests/test_archives.py tests/test_results.py tests/test_security.py",
        ),
        *_subjects("transfer", "tables", "tests/test_tables.py tests/test_results.py"),
        *_subjects(
            "transfer/networks", "weights", "tests/networks/test_weights.py tests/test_security.py"
        ),
        *_subjects("transfer/tasks/imports", "listing", "tests/tasks/imports/test_listing.py"),
    ],
    "statistics": [
        *_subjects("transfer/training", "evaluation", "tests/training/test_evaluation.py"),
        *_subjects("transfer/statistics", _STATISTICS, "tests/statistics"),
    ],
}


def main() -> None:
    """Try the mutants of the rooms that are asked for, and write their scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", default=[], help="default: all")
    parser.add_argument("--most", type=int, default=100, help="mutants of a module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds of a mutant")
    asked = parser.parse_args()
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}
    for module in LOADED:
        importlib.import_module(module)
    for room in asked.rooms or ROOMS:
        for subject in ROOMS[room]:
            _try(room, subject, asked.most, asked.seed, asked.timeout)


def _try(room: str, subject: Subject, most: int, seed: int, timeout: float) -> None:
    folder = COPY / subject.module.replace("/", "-")
    for name in ("transfer", "tests", "benchmarks"):
        shutil.rmtree(folder / name, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", ".venv", "original")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for path in (*ROOT.glob("requirements*.txt"), ROOT / "pyproject.toml"):
        shutil.copy(path, folder)
    os.environ["PYTHONPATH"] = str(folder)
    os.chdir(folder)
    if not _pass(subject.tests, 10 * timeout):  # it would be taken for a kill
        raise SystemExit(f"The tests {subject.tests} fail on the code as it is.")
    code = hashlib.sha256(Path(subject.module).read_bytes()).hexdigest()[:16]
    session, counted = (Path(f"{code}-{most}-{seed}.{end}") for end in ("sqlite", "mutants"))
    with use_db(session, WorkDB.Mode.create) as work:
        if not counted.exists():
            init([Path(subject.module)], work, {})
            counted.write_text(str(_keep_sample(work, subject, most, seed)))
        _try_survivors_again(work, _digest_of_tests(subject))
        for item in work.pending_work_items:
            (mutation,) = item.mutations
            operator = get_operator(mutation.operator_name)()
            with use_mutation(mutation.module_path, operator, mutation.occurrence) as codes:
                survived = _pass(subject.tests, timeout)
            outcome = TestOutcome.SURVIVED if survived else TestOutcome.KILLED
            changed = "\n".join(unified_diff(codes[0].splitlines(), codes[1].splitlines(), n=0))
            result = WorkResult(WorkerOutcome.NORMAL, "", outcome, changed)
            work.set_result(item.job_id, result)
        results = [(job, result) for job, result in work.results]
        killed = sum(result.is_killed for _, result in results)
        mutants = int(counted.read_text())
        _record(room, subject, mutants, len(results), killed)
        print(f"{room}: {subject.module}: {killed} of {len(results)} killed ({mutants} in all)")
        for _, result in results:
            if result.test_outcome == TestOutcome.SURVIVED:
                lines = [line for line in str(result.diff).splitlines() if line[:1] in "@-+"]
                print("\n".join(lines[2:]), flush=True)


def _pass(tests: str, timeout: float) -> bool:
    """Whether all tests pass in the working folder.

    They are run in a child that has loaded what is not ours already, as that takes the longest.
    """
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.path.insert(0, os.getcwd())
        os._exit(pytest.main(["-x", "-p", "no:cacheprovider", *tests.split()]))
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status == 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _keep_sample(work: WorkDB, subject: Subject, most: int, seed: int) -> int:
    """Leave a sample of the work, by the seed; returns what it is a sample of.

    Of a place and a kind of change, ``<`` to ``<=`` or to ``>`` say, one is taken.
    """
    rng = random.Random(seed)
    lines = _types(Path(subject.module).read_text())
    kinds: dict[tuple[object, ...], list] = {}
    for item in sorted(work.work_items, key=lambda item: _place(item.mutations[0])):
        (mutation,) = item.mutations
        inside = subject.function in (None, mutation.definition_name)
        if inside and not any(first <= mutation.start_pos < last for first, last in lines):
            kind = mutation.operator_name.split("_")[0]
            kinds.setdefault((mutation.start_pos, kind), []).append(item)
    chosen = [rng.choice(items) for items in kinds.values()]
    work.clear()
    work.add_work_items(rng.sample(chosen, min(most, len(chosen))))
    return len(chosen)


def _place(mutation) -> tuple[object, ...]:
    return mutation.start_pos, mutation.operator_name, mutation.occurrence


def _types(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where the types of arguments, results and variables begin and end."""
    types = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation:
            types.append(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns:
            types.append(node.returns)
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in types
    ]


def _digest_of_tests(subject: Subject) -> str:
    digest = hashlib.sha256()
    for test in subject.tests.split():
        for path in sorted(Path(test).rglob("*.py")) or [Path(test)]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _try_survivors_again(work: WorkDB, tests: str) -> None:
    """Where other tests were run before, forget who survived them."""
    note = Path(work.name()).with_suffix(".tests")
    if note.exists() and note.read_text() != tests:
        survivors = [j for j, r in work.results if r.test_outcome == TestOutcome.SURVIVED]
        items = [item for item in work.work_items if item.job_id in survivors]
        kept = [item for item in work.work_items if item.job_id not in survivors]
        results = [(job, result) for job, result in work.results if job not in survivors]
        work.clear()
        work.add_work_items([*kept, *items])
        for job, result in results:
            work.set_result(job, result)
    note.write_text(tests)


def _record(room: str, subject: Subject, mutants: int, tried: int, killed: int) -> None:
    named = subject.module + (f" {subject.function}" if subject.function else "")
    rows = {}
    if TABLE.exists():
        with TABLE.open(newline="") as stream:
            rows = {row["module"]: list(row.values()) for row in csv.DictReader(stream)}
    rows[named] = [room, named, str(mutants), str(tried), str(killed)]
    with TABLE.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *sorted(rows.values())])


if __name__ == "__main__":
    main()
