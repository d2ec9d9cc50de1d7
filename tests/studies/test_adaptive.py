"""Which runs come next, where a verdict is open, and when a study stops."""

import numpy as np
import pytest

from tests.made_study import make_study
from transfer.answers.answer import answer
from transfer.errors import TransferError
from transfer.results import finished, read_runs
from transfer.runs import Run
from transfer.statistics import comparison
from transfer.statistics.comparison import LEVEL, LEVEL_OF_A_LOOK, LOOKS, read_tested
from transfer.studies import adaptive
from transfer.studies.adaptive import perform_until_decided, plan, start
from transfer.studies.ask import ask
from transfer.study_file import asked_of, read_calls, read_settings, rounds, write_study_file

LABELS = np.arange(3000) % 3
FALLS_AFTER = {"sliced": lambda n: 0.8 if n >= 6 else 0.6, "AnB": lambda n: 0.8 if n <= 10 else 0.6}
STUDY = ask("quick", protocol="fast")


def measured(accuracies, noise=0.002):
    """Networks with these accuracies, by (kind, n): seeds are as many as there are."""
    rng = np.random.default_rng(0)
    hard = rng.random(len(LABELS))
    right = {}
    for (kind, n), of_seeds in accuracies.items():
        runs = [hard + rng.normal(0, noise, len(LABELS)) < accuracy for accuracy in of_seeds]
        key = (kind, n, "inference" if kind == "AnB" else "")
        right[key] = tuple(range(len(runs))), np.array(runs)
    return comparison.Tested(right, LABELS, np.arange(len(LABELS)), 3, "balanced", LEVEL_OF_A_LOOK)


def around(accuracy, seeds=2, spread=0.001):
    return accuracy + spread * np.linspace(-1, 1, seeds)


def networks(runs):
    return {(run.kind, run.n) for run in runs}


def after_start(**kinds):
    """The start, with accuracies of each n; baseB has 0.8."""
    study = {("baseB", None): around(0.8, 4)}
    for kind, accuracies in kinds.items():
        study |= {(kind, n): around(accuracy) for n, accuracy in accuracies.items()}
    return measured(study)


def test_it_starts_with_two_n_of_each_verdict_and_more_seeds_of_what_all_are_compared_with():
    runs = start()
    assert networks(runs) == {
        ("baseB", None),
        *(("sliced", n) for n in (5, 9)),
        *(("AnB", n) for n in (7, 11)),
    }
    assert sum(run.kind == "baseB" for run in runs) == 4
    assert len(runs) == 4 + 4 * 2


def test_another_backbone_starts_at_the_same_share_of_its_depth_and_ends_at_its_last_block():
    assert networks(start(17)) == {
        ("baseB", None),
        *(("sliced", n) for n in (7, 12)),
        *(("AnB", n) for n in (9, 14)),
    }
    rows = after_start(sliced={7: 0.8, 12: 0.8}, AnB={9: 0.8, 14: 0.8})
    ahead = plan(rows, 0.01, blocks=17)
    assert networks(ahead.runs) == {("sliced", 3), ("AnB", 16)}
    assert ("AnB", 17, "inference") in ahead.open


def test_between_what_is_shown_and_what_is_not_the_middle_comes_next():
    ahead = plan(after_start(sliced={5: 0.6, 9: 0.8}, AnB={7: 0.8, 11: 0.6}), 0.01)
    assert {("sliced", 7), ("AnB", 9)} == networks(ahead.runs)
    assert {key[:2] for key in ahead.open} == {
        *(("sliced", n) for n in (6, 7, 8)),
        *(("AnB", n) for n in (8, 9, 10)),
    }


def test_beyond_the_last_that_is_shown_the_rest_is_halved():
    ahead = plan(after_start(sliced={5: 0.8, 9: 0.8}, AnB={7: 0.8, 11: 0.8}), 0.01)
    assert networks(ahead.runs) == {("sliced", 2), ("AnB", 12)}


def test_both_are_decided_where_neighbours_differ():
    ahead = plan(after_start(sliced={5: 0.6, 6: 0.8}, AnB={10: 0.8, 11: 0.6}), 0.01)
    assert ahead == adaptive.Plan((), ())


def test_all_that_can_be_cut_and_all_that_can_be_frozen_is_decided():
    assert plan(after_start(sliced={1: 0.8}, AnB={13: 0.8}), 0.01) == adaptive.Plan((), ())


def test_an_edge_that_more_seeds_would_decide_gets_them_and_so_does_base():
    study = after_start(sliced={5: 0.6, 6: 0.8}, AnB={10: 0.8, 11: 0.6})
    noisy = np.array([0.812, 0.796])  # its seeds differ, so it is undecided
    key = ("AnB", 11, "inference")
    study.right[key] = measured({("AnB", 11): noisy}).right[key]
    ahead = plan(study, 0.01)
    assert {("AnB", 11)} <= {key[:2] for key in ahead.open}
    assert {run.name for run in ahead.runs} == {"baseB_s4", "baseB_s5", "A11B_s2"}


def test_an_edge_just_at_the_margin_gets_no_more_seeds():
    study = after_start(sliced={5: 0.6, 6: 0.8}, AnB={10: 0.8, 11: 0.79})
    ahead = plan(study, 0.01)
    assert ahead.runs == ()
    assert [key[:2] for key in ahead.open] == [("AnB", n) for n in (11, 12, 13)]


def test_the_plan_depends_on_the_rows_alone_and_not_on_their_order():
    study = after_start(sliced={5: 0.6, 9: 0.8}, AnB={7: 0.8, 11: 0.6})
    turned = dict(reversed(study.right.items()))
    other = comparison.Tested(turned, study.labels, study.clusters, 3, "balanced", study.error)
    assert plan(other, 0.01) == plan(study, 0.01) == plan(study, 0.01)


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """A study whose runs are made up: folder, and how many may be made before it is killed."""
    left = {"runs": 1000}

    def perform(out, study, record, **where):
        settings = None
        if (out / "study.json").exists():
            settings, calls = read_settings(out), read_calls(out)
        else:
            make_study(out, {})
            settings, calls = read_settings(out), []
        call = {**read_calls(out)[-1], **asked_of(study), **record}
        missing = [run for run in study.runs() if not finished(out, run)]
        write_study_file(out, settings, [*calls, call])
        for run in missing:
            if not left["runs"]:
                raise KeyboardInterrupt
            left["runs"] -= 1
            accuracy = FALLS_AFTER[run.kind](run.n) if run.n else 0.8
            kept = read_calls(out)
            make_study(out, {run: accuracy}, noise=0.001)
            write_study_file(out, settings, kept)

    monkeypatch.setattr(adaptive, "perform", perform)
    return tmp_path / "study", left


def planned(out):
    """The rounds and their runs."""
    return {call["round"]: tuple(call["runs"]) for call in read_calls(out)}


def test_it_finds_both_edges_and_reads_them_at_the_level_of_a_look(trained):
    out, _ = trained
    stop = perform_until_decided(out, STUDY)
    assert stop == adaptive.Stop("", ())
    right = read_tested(out).right
    assert {n for kind, n, _ in right if kind == "sliced"} >= {5, 6}
    assert {n for kind, n, _ in right if kind == "AnB"} >= {10, 11}
    assert sum(len(seeds) for seeds, _ in right.values()) <= 27  # a third of 81
    assert read_tested(out).error == LEVEL_OF_A_LOOK < LEVEL
    assert 1 < rounds(out) <= LOOKS


def test_killed_at_any_run_it_asks_for_the_same_runs(trained, tmp_path):
    whole, left = trained
    perform_until_decided(whole, STUDY)
    killed = tmp_path / "killed"
    kills = 0
    while True:
        left["runs"] = 3
        try:
            perform_until_decided(killed, STUDY)
        except KeyboardInterrupt:
            kills += 1
            continue
        break
    assert kills > 4
    union = {}
    for call in read_calls(killed):
        union.setdefault(call["round"], tuple(call["runs"]))
    assert union == planned(whole)
    assert read_tested(killed).right.keys() == read_tested(whole).right.keys()


def test_what_is_decided_is_not_trained_again(trained):
    out, left = trained
    perform_until_decided(out, STUDY)
    before = read_calls(out)
    left["runs"] = 0
    assert perform_until_decided(out, STUDY) == adaptive.Stop("", ())
    assert read_calls(out) == before


def test_a_study_that_already_decides_is_no_adaptive_study(trained):
    out, left = trained
    decided = {("baseB", None): 0.8}
    decided |= {("sliced", n): FALLS_AFTER["sliced"](n) for n in (5, 6, 9)}
    decided |= {("AnB", n): FALLS_AFTER["AnB"](n) for n in (7, 10, 11)}
    make_study(out, decided, seeds=range(4), noise=0.001)
    left["runs"] = 0
    assert perform_until_decided(out, STUDY) == adaptive.Stop("", ())
    assert rounds(out) == 0
    assert read_tested(out).error == LEVEL


def test_the_budget_ends_it_and_a_greater_one_goes_on(trained):
    out, _ = trained
    # Every made-up run has 0.5 seconds: the twelve of the start have 0.1 minutes.
    stop = perform_until_decided(out, STUDY, budget=0.11)
    assert "0 of 0.11 are left" in stop.reason
    assert stop.open
    assert rounds(out) == 1
    assert perform_until_decided(out, STUDY, budget=10).open == ()


def test_the_budget_holds_where_nothing_is_open_but_runs_are_planned(trained, monkeypatch):
    out, _ = trained
    perform_until_decided(out, STUDY, budget=0.11)
    some = (Run("sliced", 3),)
    monkeypatch.setattr(adaptive, "plan", lambda tested, margin, blocks: adaptive.Plan(some, ()))
    assert "are left" in perform_until_decided(out, STUDY, budget=0.05).reason
    assert rounds(out) == 1


def test_another_margin_than_that_of_earlier_rounds_is_refused(trained):
    out, _ = trained
    perform_until_decided(out, STUDY, budget=0.11)
    with pytest.raises(TransferError, match="earlier rounds in .*: 1 point. Received: 2 points"):
        perform_until_decided(out, STUDY, margin=0.02)
    assert rounds(out) == 1


def test_it_stops_after_the_last_look(trained, monkeypatch):
    out, _ = trained
    monkeypatch.setattr(adaptive, "LOOKS", 2)
    stop = perform_until_decided(out, STUDY)
    assert rounds(out) == 2
    assert stop.open
    assert "2 rounds" in stop.reason


def test_the_next_step_is_the_command_that_goes_on(trained, monkeypatch):
    out, _ = trained
    monkeypatch.setitem(FALLS_AFTER, "sliced", lambda n: 0.787)
    perform_until_decided(out, STUDY, budget=0.11)
    (step,) = answer(out).next_step
    assert "--budget" in step
    assert "--seeds" not in step


def test_rounds_that_are_no_numbers_are_refused(trained):
    out, _ = trained
    perform_until_decided(out, STUDY)
    calls = [{**call, "round": "2"} for call in read_calls(out)]
    write_study_file(out, read_settings(out), calls)
    with pytest.raises(TransferError, match="Expected rounds"):
        rounds(out)


def test_a_round_is_a_call_that_plans_its_runs_and_no_others(trained):
    from transfer.study_file import planned_runs

    out, _ = trained
    perform_until_decided(out, STUDY)
    names = {run.name for run in planned_runs(out)}
    assert names == {name for runs in planned(out).values() for name in runs}
    assert Run("AnB", 7, 0, "inference").name in names


@pytest.mark.slow
def test_the_command_trains_the_start_and_says_what_is_open(small_data, tmp_path, forker):
    out = tmp_path / "study"
    options = ["--data", str(small_data), "--epochs", "1", "--batch", "16", "--input", "32x32"]
    command = ["study", "--until-decided", "--budget", "0.001", *options, "--out", out]
    forker.start(command, out=tmp_path / "said")
    assert forker.wait() == 0
    said = " ".join((tmp_path / "said").read_text().split())
    assert {run.name for run in start()} == set(read_runs(out)["run"])
    assert "Stopped (12 runs, " in said
    assert "of 0.001 are left" in said
    assert "Where to cut is " in said
