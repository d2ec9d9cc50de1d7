"""study.json: what is written is read back, what is no study is refused in one sentence."""

import json

import pytest

from tests.study_files import SETTINGS, call_for, write_study
from transfer.errors import TransferError
from transfer.runs import parse_run
from transfer.study_file import planned_runs, read_calls, read_settings


def names(runs):
    return {run.name for run in runs}


def changed(folder, change):
    """Apply ``change`` to the content of study.json."""
    path = folder / "study.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("settings", [{}, {"threads": None, "source": None}, {"threads": 4}])
def test_settings_are_read_back(tmp_path, settings):
    write_study(tmp_path, **settings)
    read = read_settings(tmp_path)
    assert read.threads == settings.get("threads", 1)
    assert read.source == settings.get("source", SETTINGS.source)
    assert read.protocol == SETTINGS.protocol
    assert (read.input, read.classes) == ("48x80", ("forward", "left", "right"))


def test_the_plan_is_the_union_of_the_calls(tmp_path):
    first = call_for([parse_run("A3B_s0"), parse_run("baseB_s0")])
    second = call_for([parse_run("A3B_s0"), parse_run("B7B_legacy_s1")])
    write_study(tmp_path, first, second)
    assert len(read_calls(tmp_path)) == 2
    # The second asks for AnB and BnB at n = 3, 7 and seeds 0, 1, under both semantics.
    grid = {
        f"{kind}{n}B{bn}_s{seed}"
        for kind in "AB"
        for n in (3, 7)
        for bn in ("", "_legacy")
        for seed in (0, 1)
    }
    assert names(planned_runs(tmp_path)) == grid | {"baseB_s0", "baseB_s1"}


@pytest.mark.parametrize(
    "key", ["dataset", "source", "backbone", "alpha", "input", "protocol", "threads"]
)
def test_a_study_without_a_setting_is_refused(tmp_path, key):
    write_study(tmp_path)
    changed(tmp_path, lambda content: content.pop(key))
    with pytest.raises(TransferError, match=f"settings of a study in .*'{key}' is missing"):
        read_settings(tmp_path)


def test_an_empty_object_is_no_study(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(TransferError, match="settings of a study"):
        read_settings(tmp_path)
    with pytest.raises(TransferError, match="list of calls"):
        read_calls(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("batch", "x"), ("epochs", 0), ("epochs", 2.5), ("decay", float("inf")), ("patience", [])],
)
def test_a_protocol_of_something_else_is_refused(tmp_path, key, value):
    write_study(tmp_path)
    changed(tmp_path, lambda content: content["protocol"].update({key: value}))
    with pytest.raises(TransferError, match="settings of a study"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    "call",
    [
        {"kinds": ["baseC"]},
        {"n": [100], "kinds": ["AnB"], "bn": ["inference"]},
        {"n": [2.0], "kinds": ["AnB"]},
        {"seeds": [-1]},
        {"seeds": list(range(500)), "n": list(range(500)), "kinds": ["AnB"]},
        {"bn": None},
        {"bn": ["frozen"]},
        {"fractions": ["half"]},
    ],
)
def test_a_call_for_what_is_no_network_is_refused(tmp_path, call):
    write_study(tmp_path, {**call_for([parse_run("baseB_s0")]), **call})
    with pytest.raises(TransferError, match="in each call of"):
        planned_runs(tmp_path)
