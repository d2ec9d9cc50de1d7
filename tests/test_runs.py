"""The vocabulary: names parse back, studies expand with what they depend on."""

import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.errors import TransferError
from transfer.runs import (
    BN_SEMANTICS,
    FROZEN_KINDS,
    KINDS,
    PRESETS,
    PROTOCOLS,
    Protocol,
    Run,
    Study,
    parse_run,
)


@st.composite
def runs(draw) -> Run:
    kind = draw(st.sampled_from(sorted(KINDS)))
    base = kind in ("baseB", "baseB+")
    n = None if base else draw(st.integers(1 if kind == "sliced" else 0, 13))
    bn = draw(st.sampled_from(BN_SEMANTICS)) if kind in FROZEN_KINDS else ""
    fraction = draw(st.one_of(st.just(1.0), st.integers(1, 999_999).map(lambda k: k / 1_000_000)))
    return Run(kind, n, draw(st.integers(0, 10**9 - 1)), bn, fraction)


@given(runs())
def test_a_name_parses_back_to_its_run(run):
    assert parse_run(run.name) == run


@given(runs(), runs())
def test_two_runs_never_share_a_name(a, b):
    assert (a.name == b.name) == (a == b)


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_one_sentence(text):
    try:
        run = parse_run(text)
    except TransferError as error:
        message = str(error)
    else:
        message = ""
        assert run.name == text
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("baseB_s0", Run("baseB")),
        ("baseB+_s2", Run("baseB+", seed=2)),
        ("A3B+_s1", Run("AnB+", 3, 1)),
        ("A3B_s1", Run("AnB", 3, 1, "inference")),
        ("A3B_legacy_s1", Run("AnB", 3, 1, "legacy")),
        ("B13B_f0.25_s0", Run("BnB", 13, 0, "inference", 0.25)),
        ("R0B_adapt_f0.1_s7", Run("RnB", 0, 7, "adapt", 0.1)),
        ("A@5B_s0", Run("A@nB", 5, 0, "inference")),
        ("sliced-8_s0", Run("sliced", 8)),
    ],
)
def test_names_are_those_of_the_field(name, run):
    assert run.name == name
    assert parse_run(name) == run


@pytest.mark.parametrize(
    "name",
    [
        *("A100B_s0", "sliced-0_s0", "baseA_s0", "A3B", "A03B_s0", "A3B_inference_s0"),
        *("A3B+_legacy_s0", "../A3B_s0", "A3B_s0\n", "A3B_f1.0_s0", "A3B_f0.250_s0"),
        *("A3B_s00", "A٣B_s0", ""),
    ],
)
def test_what_is_not_a_name_is_refused(name):
    with pytest.raises(TransferError):
        parse_run(name)


def test_selffer_networks_need_baseb_of_their_seed_and_fraction():
    assert Run("BnB", 3, 2, "legacy", 0.5).depends_on == (Run("baseB", seed=2, fraction=0.5),)


def test_expansion_adds_what_is_needed_before_what_needs_it():
    study = Study(
        ("BnB", "AnB"), (1, 2), (0, 1), PROTOCOLS["reference"], bn=("inference", "legacy")
    )
    expanded = study.runs()
    assert len(expanded) == len(set(expanded)) == 2 * (1 + 4 + 4)
    for position, run in enumerate(expanded):
        assert set(run.depends_on) <= set(expanded[:position])


def test_the_paper_preset_is_the_published_setting():
    study = PRESETS["paper"].study
    assert (study.alpha, study.input_size, study.n) == (1.0, (224, 224), tuple(range(1, 14)))
    assert study.protocol.name == "reference"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "fast"),
        ({"epochs": 9}, "fast-e9"),
        ({"batch": 16}, "fast-b16"),
        ({"epochs": 500, "batch": 16}, "fast-e500-b16"),
        ({"learning_rate": 0.2}, "custom"),
    ],
)
def test_the_name_of_a_protocol_says_what_was_changed(changes, name):
    protocol = dataclasses.replace(PROTOCOLS["fast"], **changes)
    assert protocol.name == name
    assert Protocol.of(protocol.values()) == protocol
    assert PROTOCOLS["reference"].name == "reference"


def test_the_vocabulary_does_not_import_tensorflow():
    code = "import sys, transfer.runs, transfer.results; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
