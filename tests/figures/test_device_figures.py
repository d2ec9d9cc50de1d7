"""Figures and sentences of what was measured besides accuracy: driving and re-estimation."""

import numpy as np
import pandas as pd
import pytest

import transfer.deploy.driving.table as driving
import transfer.deploy.reestimation.table as reestimation
from tests.measured_study import measured_study
from transfer.answers.answer import answer
from transfer.answers.deployed import driving_in_words, reestimation_in_words
from transfer.deploy.driving.table import read_drives
from transfer.deploy.reestimation.table import (
    gains_of_reestimation,
    read_reestimation,
)
from transfer.errors import TransferError
from transfer.figures.draw import draw_figures
from transfer.figures.measured import driving_against_n, reestimation_against_n
from transfer.results import read_runs
from transfer.statistics.intervals import t_interval, with_intervals

NETWORKS = {("baseB", None): (0.80, None, 800_000, 4.0, 9e6)} | {
    ("sliced", n): (accuracy, None, 1000 * n, 0.1 * n, 1e5 * n)
    for n, accuracy in {2: 0.6, 4: 0.7, 7: 0.8, 8: 0.81, 10: 0.82}.items()
}
COUNTS = {"baseB": 2, "sliced-2": 9, "sliced-4": 6, "sliced-7": 3, "sliced-8": 2, "sliced-10": 1}


@pytest.fixture
def driven(tmp_path):
    study = measured_study(tmp_path / "own", NETWORKS)
    rows = []
    for name, count in COUNTS.items():
        for seed in range(3):
            for track in range(2):
                rows.append((f"{name}_s{seed}", track, 0, False, 9, 50.0, count + seed, 0.9))
    rows += [("forward", 0, 0, False, 9, 50.0, 20, 0.1)]
    rows += [(f"sliced-7_s{seed}_litert-int8", 0, 0, False, 9, 50.0, 8, 0.9) for seed in (0, 1)]
    frame = pd.DataFrame(rows, columns=list(driving.COLUMNS[:8]))
    frame.assign(offset=0.2, laps=2.0, clean_laps=0).to_csv(study / "driving.csv", index=False)
    return study


def test_interventions_are_drawn_where_the_drives_say(driven):
    runs = with_intervals(driven, read_runs(driven))
    figure = driving_against_n(read_drives(driven / "driving.csv"), runs)
    above, below, _ = figure.axes
    sliced = below.containers[0]
    x, y = sliced.lines[0].get_data()
    np.testing.assert_allclose(x, [2, 4, 7, 8, 10])
    expected = [(COUNTS[f"sliced-{n}"] + 1) / 2 for n in (2, 4, 7, 8, 10)]
    np.testing.assert_allclose(y, expected)
    base = next(line for line in below.lines if len(set(line.get_ydata())) == 1)
    assert base.get_ydata()[0] == (COUNTS["baseB"] + 1) / 2
    assert any("int8" in container.get_label() for container in below.containers)
    assert above.get_ylabel() == "balanced test accuracy"
    assert "driving_against_n.png" in {path.name for path in draw_figures(driven)}


def test_driving_is_put_beside_accuracy_in_words(driven):
    rates, rank = driving_in_words(driven)
    assert "baseB 1.50 (" in rates
    assert "sliced-10 1.00 (0.00 to 2.24, 3 seeds), 0.20" in rates
    assert "0 of 6 networks needed no intervention" in rates
    assert "forward 10.00" in rates
    # Ranks of accuracy and interventions are exactly opposite but for one tie.
    assert "over 6 networks: interventions -0.9" in rank
    assert "distance" not in rank  # the same for all
    assert any("Driving, interventions a lap" in sentence for sentence in answer(driven).details)


def test_seeds_without_an_intervention_still_have_an_upper_bound(driven):
    frame = read_drives(driven / "driving.csv").assign(interventions=0)
    table = driving.by_network(frame).set_index(["network", "format"])
    pooled = driving.summarise(frame[frame["network"].str.startswith("baseB")]).per_lap
    assert table.loc[("baseB", ""), "high"] == pooled[2] > 0


def test_no_drives_are_no_words(tmp_path):
    assert driving_in_words(measured_study(tmp_path / "own", NETWORKS)) == []


@pytest.mark.parametrize("name", ["sliced-7", "nonsense_s0", "sliced-7_s0_tflite"])
def test_drives_of_an_unknown_network_are_said(driven, name):
    frame = pd.read_csv(driven / "driving.csv").replace("forward", name)
    with pytest.raises(TransferError, match="Expected the name"):
        driving.by_network(frame)


def reestimated():
    rows = [
        (f"A{n}B_legacy_s{seed}", "AnB", n, "legacy", seed, layers, 512, "test", 0.6, after)
        for n in (1, 4)
        for seed, noise in enumerate((-0.01, 0.0, 0.01))
        for layers, after in (("frozen", 0.7 + 0.01 * n + noise), ("all", 0.65))
    ]
    rows += [(f"probe-{n}", "probe", n, "", 0, "all", 512, "validation", 0.5, 0.55) for n in (0, 1)]
    return pd.DataFrame(rows, columns=list(reestimation.COLUMNS))


def test_gains_are_paired_by_seed():
    table = gains_of_reestimation(reestimated()).set_index(["kind", "layers", "n"])
    line = table.loc[("AnB", "frozen", 4)]
    assert (line["gain"], line["low"], line["high"]) == pytest.approx(
        t_interval([0.13, 0.14, 0.15])
    )
    assert np.isnan(table.loc[("probe", "all", 1), "low"])


def test_reestimation_in_words_says_what_was_reestimated_and_where_it_is_shown():
    frozen, everything, probe = reestimation_in_words(reestimated())
    assert "AnB (legacy), its frozen layers' statistics re-estimated: +12.5 points" in frozen
    assert "up at n = 1, 4" in frozen
    assert "all statistics" in everything
    assert "baseA under a ridge probe" in probe
    assert "one seed" in probe


def test_reestimation_is_drawn_and_read_back(tmp_path):
    figure = reestimation_against_n(reestimated())
    above, below = figure.axes
    before, after = (line.get_ydata() for line in above.lines)
    np.testing.assert_allclose(before, [0.6, 0.6])
    np.testing.assert_allclose(after, [0.71, 0.74])
    assert "probe" in below.get_ylabel()
    study = measured_study(tmp_path / "own", NETWORKS)
    reestimated().to_csv(study / "reestimation.csv", index=False)
    assert "reestimation_against_n.svg" in {path.name for path in draw_figures(study)}
    pd.testing.assert_frame_equal(
        read_reestimation(study / "reestimation.csv")[["run", "before", "after"]],
        reestimated()[["run", "before", "after"]],
        check_dtype=False,
    )


@pytest.mark.parametrize("text", ["", "a\n1\n", ",".join(reestimation.COLUMNS) + "\n" + "x," * 9])
def test_a_table_that_is_not_ours_is_said(tmp_path, text):
    (tmp_path / "reestimation.csv").write_text(text)
    with pytest.raises(TransferError, match="Expected a table"):
        read_reestimation(tmp_path / "reestimation.csv")
