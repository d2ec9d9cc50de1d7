"""The first screen: the numbers of the tables, bars that are shares, colours that are findings."""

import pandas as pd
import pytest

from tests.reported_study import every_run, make_data, make_study
from tests.study_files import committed
from transfer.answers.answer import Answer, answer
from transfer.deploy.costs.table import COLUMNS
from transfer.networks.backbone import backbone_in
from transfer.report.summary import card, read_facts, segments, slice_of
from transfer.report.write import write_report


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("summary")
    return make_study(folder / "study", make_data(folder / "data"), every_run())


def says(network=None, general=None, **outcomes):
    """An answer that keeps a network, and what it says of some AnB."""
    rows = tuple({"network": n, "bn": "inference", "outcome": o} for n, o in outcomes.items())
    return Answer("made", "balanced", 0.01, "", network=network, general=general, comparisons=rows)


def test_the_card_has_the_means_of_the_rows_and_of_the_measured_files(tmp_path):
    out = make_study(tmp_path / "study", make_data(tmp_path / "data"), every_run())
    rows = []
    for run, kind, n, size, ms in (
        ("sliced-4_s0", "sliced", 4, 20_000, 0.5),
        ("baseB_s0", "baseB", None, 90_000, 2),
    ):
        row = dict.fromkeys(COLUMNS, 1.0) | {"run": run, "kind": kind, "n": n, "seed": 0}
        row |= {"format": "litert", "file_bytes": size, "median_ms_1": ms, "input": "48x80"}
        rows.append(row | {"machine": "a"})
    pd.DataFrame(rows).to_csv(out / "deploy.csv", index=False)
    facts = read_facts(out)
    shown = {what: tuple(value for value, _ in values) for what, values in card(facts, 4)}
    means = facts.runs.groupby(["kind", "n"], dropna=False)["test_balanced_accuracy"].mean() * 100
    wanted = means["sliced", 4], means.xs("baseB").iloc[0]
    assert shown["balanced accuracy"] == tuple(f"{mean:.1f}" for mean in wanted)
    assert shown["weights"] == ("4 k", "13 k")
    assert shown["multiply-adds"] == ("400 k", "1.30 M")
    assert shown["file, float32, LiteRT"] == ("20 kB", "90 kB")
    assert shown["time an image"] == ("0.50 ms", "2.00 ms")


def test_bars_are_the_shares_of_blocks_between_the_slices_that_were_tried(study):
    found = segments(read_facts(study), says())
    assert [segment.blocks for segment in found] == ["1", "2-4", "5-7", "8-13"]
    assert [segment.weights for segment in found] == pytest.approx([1 / 13, 3 / 13, 3 / 13, 6 / 13])
    assert [segment.work for segment in found] == pytest.approx([1 / 13, 3 / 13, 3 / 13, 6 / 13])


@pytest.mark.parametrize(
    ("said", "findings"),
    [
        (says(), ["open", "open", "open", "open"]),
        (says("sliced-4"), ["open", "open", "cut", "cut"]),
        (says("sliced-7", 4), ["frozen", "frozen", "open", "cut"]),
        (says("sliced-7", 3), ["frozen", "open", "open", "cut"]),  # 2-4 is frozen in part only
        (says(None, 0, A1B="shown not"), ["tuned", "tuned", "tuned", "tuned"]),
        (says(None, 1, A1B="shown", A4B="shown not"), ["frozen", "tuned", "tuned", "tuned"]),
        (says(None, 1, A1B="shown", A4B="undecided"), ["frozen", "open", "open", "open"]),
        (says("sliced-1", 4), ["frozen", "cut", "cut", "cut"]),
    ],
)
def test_bars_are_coloured_by_what_was_found(study, said, findings):
    assert [segment.finding for segment in segments(read_facts(study), said)] == findings


@pytest.mark.parametrize("study", committed("predictions.npz"), ids=lambda path: path.name)
def test_bars_of_committed_studies_are_all_of_the_network(study):
    facts, said = read_facts(study), answer(study)
    found = segments(facts, said)
    if not found:
        assert "sliced" not in set(facts.whole["kind"])
        return
    for share in ("weights", "work"):
        assert sum(getattr(segment, share) for segment in found) == pytest.approx(1, abs=0.01)
    assert found[-1].blocks.split("-")[-1] == str(backbone_in(facts.runs).blocks)
    cut = [segment.blocks for segment in found if segment.finding == "cut"]
    keep = slice_of(said)
    assert bool(cut) == (keep is not None and keep < backbone_in(facts.runs).blocks)


def test_a_study_without_slices_has_no_bars_and_a_report_all_the_same(tmp_path):
    out = make_study(tmp_path / "study", make_data(tmp_path / "data"), every_run(("baseB", "AnB")))
    assert segments(read_facts(out), says()) == []
    page = write_report(out)[0].read_text()
    assert 'class="network"' not in page
