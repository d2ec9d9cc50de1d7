"""Figures come from CSVs alone, and the same CSVs give the same bytes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from transfer.answers.figures import accuracy_against_n, draw_figures, read_published
from transfer.answers.statistics import interval
from transfer.errors import TransferError

RESULTS = Path(__file__).parents[2] / "experiments-results"


def runs(seeds=1):
    rng = np.random.default_rng(0)
    rows = [
        ("baseB", np.nan, "", s, 1.0, 0.9 + rng.normal(0, 0.01), 0.88, 0.92) for s in range(seeds)
    ]
    for n in (1, 4, 7):
        for bn in ("inference", "legacy"):
            for s in range(seeds):
                rows.append(("AnB", n, bn, s, 1.0, 0.8 + rng.normal(0, 0.01), 0.78, 0.82))
    columns = ["kind", "n", "bn", "seed", "fraction", "test_accuracy", "test_low", "test_high"]
    return pd.DataFrame(rows, columns=columns)


def test_every_point_is_where_the_table_says():
    frame = runs(3)
    (axes,) = accuracy_against_n(frame).axes
    drawn = {container.get_label(): container for container in axes.containers}
    assert set(drawn) == {"AnB (transfer, frozen)", "AnB (transfer, frozen), legacy BatchNorm"}
    heights = drawn["AnB (transfer, frozen)"].lines[0].get_ydata()
    expected = frame[(frame["bn"] == "inference")].groupby("n")["test_accuracy"].mean()
    np.testing.assert_allclose(heights, expected)
    assert axes.get_xlabel()
    assert axes.get_ylabel() == "test accuracy"


def test_the_interval_over_seeds_is_students():
    group = runs(5)[:5]
    expected = stats.t.interval(
        0.95, 4, group["test_accuracy"].mean(), stats.sem(group["test_accuracy"])
    )
    assert interval(group) == pytest.approx(expected)


def test_the_interval_of_one_seed_is_that_of_its_test_images():
    assert interval(runs()[:1]) == (0.88, 0.92)


def test_nothing_to_draw_is_said():
    with pytest.raises(TransferError, match="no|none"):
        accuracy_against_n(runs()[:0])


def test_published_numbers_are_drawn_by_the_same_code():
    published = read_published(RESULTS / "published/all_experiments.csv")
    assert len(published) == 52
    of_kind = published.set_index("kind")["test_accuracy"]
    assert of_kind["baseB"] == 0.9089
    assert of_kind["AnB"].min() == pytest.approx(0.468, abs=5e-4)
    assert accuracy_against_n(published).axes


@pytest.mark.parametrize("study", ["published", "donkey-imagenet"])
def test_a_figure_is_the_same_bytes_again_and_needs_no_tensorflow(study, tmp_path):
    folder = tmp_path / study
    folder.mkdir()
    for path in (RESULTS / study).glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    first = {path: path.read_bytes() for path in draw_figures(folder)}
    script = (
        "import sys; from transfer.answers.figures import draw_figures;"
        f"draw_figures({str(folder)!r}); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert {path.suffix for path in first} == {".png", ".svg"}
    for path, content in first.items():
        assert path.read_bytes() == content


def test_a_folder_without_a_study_is_said(tmp_path):
    with pytest.raises(TransferError, match="study"):
        draw_figures(tmp_path)
