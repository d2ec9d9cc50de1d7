"""Figures come from CSVs alone, and the same CSVs give the same bytes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.study_files import write_study
from transfer.cli import main
from transfer.errors import TransferError
from transfer.figures import draw as figures
from transfer.figures.accuracy import accuracy_against_n
from transfer.figures.draw import draw_figures, left_out, published_table, read_published
from transfer.figures.gain import gain_against_images
from transfer.figures.semantics import bn_semantics
from transfer.folding import write_row
from transfer.results import RUN_COLUMNS
from transfer.runs import KINDS, Run
from transfer.statistics.gain import gains, without_base
from transfer.statistics.intervals import interval

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


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_every_point_is_where_the_table_says():
    frame = runs(3)
    (axes,) = accuracy_against_n(frame).axes
    assert set(lines_of(axes)) == {"baseB", "AnB (transfer, frozen)"}
    expected = frame[(frame["bn"] == "inference")].groupby("n")["test_accuracy"].mean()
    drawn = lines_of(axes)["AnB (transfer, frozen)"]
    np.testing.assert_allclose(drawn.get_ydata(), expected)
    assert axes.get_xlabel()
    assert axes.get_ylabel() == "test accuracy"


def test_many_kinds_are_drawn_in_two_panels():
    base = runs(2)
    others = [base[base["bn"] == "inference"].assign(kind=kind) for kind in list(KINDS)[2:]]
    frozen, tuned = accuracy_against_n(pd.concat([base, *others])).axes
    assert {label.split(" ")[0] for label in lines_of(frozen)} == {
        "baseB", "BnB", "AnB", "RnB", "A@nB"
    }  # fmt: skip
    assert {label.split(" ")[0] for label in lines_of(tuned)} == {"BnB+", "AnB+", "sliced-n"}


def test_published_points_are_drawn_on_request():
    published = read_published(RESULTS / "published/all_experiments.csv")
    (axes,) = accuracy_against_n(runs(3), published=published).axes
    drawn = next(line for line in axes.lines if line.get_label() == "_published AnB")
    expected = published[published["kind"] == "AnB"]["test_accuracy"]
    np.testing.assert_allclose(drawn.get_ydata(), expected)
    assert drawn.get_fillstyle() == "none"
    assert "published (hollow)" in lines_of(axes)


def test_each_semantics_is_a_line_of_its_own():
    frame = runs(3)
    (axes,) = bn_semantics(frame).axes
    for bn, label in (("inference", "Keras 3"), ("legacy", "Keras 2.1.3")):
        (line,) = (line for name, line in lines_of(axes).items() if label in name)
        expected = frame[frame["bn"] == bn].groupby("n")["test_accuracy"].mean()
        np.testing.assert_allclose(line.get_ydata(), expected)
    with pytest.raises(TransferError, match="two semantics"):
        bn_semantics(frame[frame["bn"] != "legacy"])


def sizes():
    """Two sizes, three seeds; AnB gains 10 points on few images and loses 2 on all."""
    rows = []
    for fraction, images, gain in ((0.1, 100, 0.1), (1.0, 1000, -0.02)):
        for seed in range(3):
            accuracy = 0.6 + 0.3 * fraction + 0.01 * seed
            rows.append(("baseB", np.nan, "", seed, fraction, images, accuracy))
            for n, more in ((4, 0.01), (8, -0.01)):
                own = accuracy + gain + more
                rows.append(("AnB", n, "inference", seed, fraction, images, own))
            rows.append(("AnB", 1, "inference", seed, 1.0, 1000, 0.1))  # at one size only
    columns = ["kind", "n", "bn", "seed", "fraction", "train_images", "test_accuracy"]
    return pd.DataFrame(rows, columns=columns).drop_duplicates().astype({"n": "Int64"})


def test_gains_are_paired_by_seed_and_of_the_same_n_at_every_size():
    table = gains(sizes())
    assert list(table["train_images"]) == [100, 1000]
    np.testing.assert_allclose(table["gain"], [0.1, -0.02])
    np.testing.assert_allclose(table["low"], table["gain"])  # the same gain for every seed
    assert set(table["n"]) == {"4, 8"}
    assert gain_against_images(sizes()).axes[0].get_xscale() == "log"


def test_a_seed_that_lacks_an_n_or_its_base_b_does_not_enter_a_gain():
    frame = sizes()
    few = frame["fraction"] == 0.1
    lost = few & (
        ((frame["kind"] == "AnB") & (frame["n"] == 8) & (frame["seed"] == 0))
        | ((frame["kind"] == "baseB") & (frame["seed"] == 1))
    ).fillna(False)
    table = gains(frame[~lost])
    assert list(table["seeds"]) == [1, 3]
    np.testing.assert_allclose(table["gain"], [0.1, -0.02])
    assert table["low"].isna().tolist() == [True, False]


def test_a_missing_base_b_is_said_and_how_to_add_it():
    frame = sizes()
    assert without_base(frame) == []
    (sentence,) = without_base(frame[(frame["kind"] != "baseB") | (frame["fraction"] == 1.0)])
    assert "--kinds baseB --train-fraction 0.1 --seeds 0,1,2" in sentence


def study_of(folder, frame):
    """A folder with these runs and no more than figures need."""
    write_study(folder)
    blank = {c: "" if d == "string" else 0 for c, d in RUN_COLUMNS.items()}
    for row in frame.to_dict("records"):
        n = None if pd.isna(row["n"]) else int(row["n"])
        run = Run(row["kind"], n, row["seed"], row["bn"], row["fraction"])
        write_row(folder, blank | row | {"run": run.name, "n": n})
    return folder


def test_a_study_without_base_b_on_few_images_draws_the_rest_and_removes_nothing(tmp_path):
    frame = sizes()
    folder = study_of(tmp_path / "study", frame[(frame["kind"] != "baseB")])
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "own.png").write_bytes(b"mine")
    assert {path.stem for path in draw_figures(folder)} == {"accuracy_against_n"}
    assert "baseB is missing" in " ".join(left_out(folder))
    assert (folder / "figures" / "own.png").read_bytes() == b"mine"
    complete = study_of(tmp_path / "complete", frame)
    assert {path.stem for path in draw_figures(complete)} == {
        "accuracy_against_n", "gain_against_images"
    }  # fmt: skip
    assert left_out(complete) == []


def test_runs_on_few_images_alone_draw_nothing_and_that_is_said(tmp_path):
    frame = sizes()
    folder = study_of(tmp_path, frame[frame["fraction"] < 1.0])
    assert draw_figures(folder) == []
    assert "no run on all training images" in " ".join(left_out(folder))


def test_the_command_draws_published_points_on_request(tmp_path, capsys):
    folder = study_of(tmp_path, sizes()[lambda frame: frame["fraction"] == 1.0])
    main(["figures", str(folder)])
    without = (folder / "figures/accuracy_against_n.svg").read_bytes()
    main(["figures", str(folder), "--published"])
    assert "accuracy_against_n.svg" in capsys.readouterr().out
    assert b"published (hollow)" in (folder / "figures/accuracy_against_n.svg").read_bytes()
    assert b"published" not in without


def test_published_points_outside_a_checkout_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "__file__", str(tmp_path / "transfer/figures/draw.py"))
    with pytest.raises(TransferError, match="checkout"):
        published_table()


def test_gains_of_one_size_cannot_be_drawn():
    one = sizes()
    with pytest.raises(TransferError, match="train-fraction"):
        gains(one[one["fraction"] == 1.0])


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


@pytest.mark.parametrize(
    "study", [pytest.param("published", marks=pytest.mark.slow), "donkey-imagenet"]
)
def test_a_figure_is_the_same_bytes_again_and_needs_no_tensorflow(study, tmp_path):
    folder = tmp_path / study
    folder.mkdir()
    for path in (RESULTS / study).glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    first = {path: path.read_bytes() for path in draw_figures(folder)}
    script = (
        "import sys; from transfer.figures.draw import draw_figures;"
        f"draw_figures({str(folder)!r}); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert {path.suffix for path in first} == {".png", ".svg"}
    for path, content in first.items():
        assert path.read_bytes() == content


def test_a_folder_without_a_study_is_said(tmp_path):
    with pytest.raises(TransferError, match="study"):
        draw_figures(tmp_path)
