"""Figures come from CSVs alone, and the same CSVs give the same bytes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.made_study import make_study, run_of
from transfer.cli import main
from transfer.errors import TransferError
from transfer.figures import draw as figures
from transfer.figures.accuracy import (
    accuracy_against_n,
    bn_semantics,
    gain_against_images,
    negative_transfer,
)
from transfer.figures.draw import draw_figures, left_out, published_table, read_published
from transfer.figures.style import METRIC
from transfer.results import read_runs, working
from transfer.runs import KINDS
from transfer.statistics.comparison import read_tested
from transfer.statistics.gain import gains, without_base
from transfer.statistics.intervals import with_intervals

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
    columns = ["kind", "n", "bn", "seed", "fraction", METRIC, "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_every_point_is_where_the_table_says():
    frame = runs(3)
    (axes,) = accuracy_against_n(frame).axes
    assert set(lines_of(axes)) == {"baseB", "AnB (transfer, frozen)"}
    expected = frame[(frame["bn"] == "inference")].groupby("n")[METRIC].mean()
    drawn = lines_of(axes)["AnB (transfer, frozen)"]
    np.testing.assert_allclose(drawn.get_ydata(), expected)
    assert axes.get_xlabel()
    assert axes.get_ylabel() == "balanced test accuracy"


@pytest.mark.parametrize(("backbone", "last"), [(None, 13), ("mobilenet_v2", 17)])
def test_the_axis_of_n_ends_at_the_last_block_and_names_the_stages(backbone, last):
    frame = runs(2) if backbone is None else runs(2).assign(backbone=backbone)
    for (axes,) in (accuracy_against_n(frame).axes, bn_semantics(frame).axes):
        assert list(axes.get_xticks()) == list(range(last + 1))
        assert axes.get_xlim() == (-0.5, last + 0.5)
        stages = [text.get_text() for text in axes.texts]
        assert stages == (["stage 1", "2", "3", "4", "5"] if backbone else [])


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
    expected = published[published["kind"] == "AnB"][METRIC]
    np.testing.assert_allclose(drawn.get_ydata(), expected)
    assert drawn.get_fillstyle() == "none"
    assert "published (hollow)" in lines_of(axes)


def test_each_semantics_is_a_line_of_its_own():
    frame = runs(3)
    (axes,) = bn_semantics(frame).axes
    for bn, label in (("inference", "Keras 3"), ("legacy", "Keras 2.1.3")):
        (line,) = (line for name, line in lines_of(axes).items() if label in name)
        expected = frame[frame["bn"] == bn].groupby("n")[METRIC].mean()
        np.testing.assert_allclose(line.get_ydata(), expected)
    with pytest.raises(TransferError, match="two semantics"):
        bn_semantics(frame[frame["bn"] != "legacy"])


def test_the_published_fall_is_drawn_beside_ours_as_differences_to_base_b():
    study, published = RESULTS / "donkey-bn", read_published(published_table())
    transfer, selffer = negative_transfer(study, published).axes
    frame = read_runs(study)
    base = frame.loc[frame["kind"] == "baseB", METRIC].mean()
    for axes, kind, label in (
        (transfer, "AnB", "frozen BatchNorm: legacy (Keras 2.1.3 to 2.3.1)"),
        (selffer, "BnB", "_BnB legacy"),
    ):
        of_kind = frame[(frame["kind"] == kind) & (frame["bn"] == "legacy")]
        expected = 100 * (of_kind.groupby("n")[METRIC].mean() - base)
        (drawn,) = (bars for bars in axes.containers if bars.get_label() == label)
        np.testing.assert_allclose(drawn[0].get_ydata(), expected, atol=0.02)
    hollow = next(line for line in transfer.lines if line.get_label() == "published (hollow)")
    assert hollow.get_ydata().mean() == pytest.approx(-20.4, abs=0.05)  # the protocol's figure
    with pytest.raises(TransferError, match="BnB under"):
        negative_transfer(RESULTS / "lanes-imagenet", published)


def test_baselines_are_lines_and_the_legend_says_where_those_outside_are():
    names = ["nearest_neighbours", "linear", "always_one_class"]
    table = pd.DataFrame({"baseline": names, "balanced_accuracy": [0.85, 0.84, 0.1]})
    axes = accuracy_against_n(runs(3), baselines=table).axes[-1]
    heights = {
        line.get_label(): line.get_ydata()[0] for line in axes.lines if len(line.get_ydata())
    }
    assert heights["_nearest_neighbours"] == 0.85
    assert "_always_one_class" not in heights
    labels = lines_of(axes)
    assert "nearest neighbours (0.850)" in labels
    assert "always one class (0.100, below)" in labels


def test_a_legend_with_long_names_stays_in_the_figure():
    names = ["nearest_neighbours", "linear", "always_one_class"]
    table = pd.DataFrame({"baseline": names, "balanced_accuracy": [0.3, 0.2, 0.1]})
    figure = accuracy_against_n(runs(3), baselines=table)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1


#: By kind, n and share of the training images; AnB gains on few images and loses on all.
SIZES = {
    ("baseB", None, 0.1): 0.6,
    ("AnB", 4, 0.1): 0.72,
    ("AnB", 8, 0.1): 0.68,
    ("baseB", None, 1.0): 0.9,
    ("AnB", 4, 1.0): 0.89,
    ("AnB", 8, 1.0): 0.87,
    ("AnB", 1, 1.0): 0.4,  # at one size only
}


def sizes(folder, without=()):
    """A study of three seeds on two shares of the training images."""
    accuracies = {
        run_of(kind, n, seed, fraction=fraction): accuracy
        for (kind, n, fraction), accuracy in SIZES.items()
        for seed in range(3)
    }
    left_out = {run_of(kind, n, seed, fraction=fraction) for kind, n, seed, fraction in without}
    return make_study(folder, {run: a for run, a in accuracies.items() if run not in left_out})


def test_gains_are_means_over_the_n_of_every_size(tmp_path):
    folder = sizes(tmp_path / "study")
    table = gains(folder)
    assert list(table["train_images"]) == [100, 1000]
    runs = read_runs(folder)
    for row, fraction in zip(table.itertuples(), (0.1, 1.0), strict=True):
        here = runs[runs["fraction"] == fraction]
        mine = here[(here["kind"] == "AnB") & here["n"].isin([4, 8])][METRIC].mean()
        base = here[here["kind"] == "baseB"][METRIC].mean()
        assert row.gain == pytest.approx(mine - base, abs=1e-5)
        assert row.low < row.gain < row.high
    assert set(table["n"]) == {"4, 8"}
    assert set(table["seeds"]) == {3}
    assert gain_against_images(table).axes[0].get_xscale() == "log"


def test_a_seed_that_lacks_an_n_does_not_enter_a_gain(tmp_path):
    table = gains(sizes(tmp_path / "study", [("AnB", 8, 0, 0.1)]))
    assert list(table["seeds"]) == [2, 3]


NO_BASE = [("baseB", None, seed, 0.1) for seed in range(3)]


def test_a_missing_base_b_is_said_and_how_to_add_it(tmp_path):
    assert without_base(read_runs(sizes(tmp_path / "all"))) == []
    (sentence,) = without_base(read_runs(sizes(tmp_path / "study", NO_BASE)))
    assert "--kinds baseB --train-fraction 0.1 --seeds 0,1,2" in sentence


def test_a_study_without_base_b_on_few_images_draws_the_rest_and_removes_nothing(tmp_path):
    folder = sizes(tmp_path / "study", NO_BASE)
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "own.png").write_bytes(b"mine")
    assert {path.stem for path in draw_figures(folder)} == {"accuracy_against_n"}
    assert "baseB is missing" in " ".join(left_out(folder))
    assert (folder / "figures" / "own.png").read_bytes() == b"mine"
    complete = sizes(tmp_path / "complete")
    assert {path.stem for path in draw_figures(complete)} == {
        "accuracy_against_n", "gain_against_images"
    }  # fmt: skip
    assert left_out(complete) == []


def test_runs_on_few_images_alone_draw_nothing_and_that_is_said(tmp_path):
    whole = [(kind, n, seed, f) for kind, n, f in SIZES for seed in range(3) if f == 1.0]
    folder = sizes(tmp_path / "study", whole)
    assert draw_figures(folder) == []
    assert "no run on all training images" in " ".join(left_out(folder))


def test_the_command_draws_published_points_on_request(tmp_path, capsys):
    folder = make_study(tmp_path / "study", {("baseB", None): 0.8, ("AnB", 4): 0.8})
    main(["figures", str(folder)])
    without = (folder / "figures/accuracy_against_n.svg").read_bytes()
    main(["figures", str(folder), "--published"])
    assert "accuracy_against_n.svg" in capsys.readouterr().out
    assert b"published (hollow)" in (folder / "figures/accuracy_against_n.svg").read_bytes()
    assert b"published" not in without


def test_published_points_outside_a_checkout_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "_PUBLISHED", tmp_path / "all_experiments.csv")
    with pytest.raises(TransferError, match="checkout"):
        published_table()


def test_gains_of_one_size_cannot_be_drawn(tmp_path):
    few = [(kind, n, seed, f) for kind, n, f in SIZES for seed in range(3) if f < 1.0]
    with pytest.raises(TransferError, match="train-fraction"):
        gains(sizes(tmp_path / "study", few))


def test_bands_are_the_intervals_of_the_statistics(tmp_path):
    folder = make_study(
        tmp_path / "study", {("baseB", None): 0.8, ("AnB", 4): 0.7, ("AnB", 7): 0.8}
    )
    frame = with_intervals(folder, read_runs(folder))
    seen = read_tested(folder).means
    for n in (4, 7):
        low, high = seen["AnB", n, "inference"].interval()
        rows = frame[frame["n"] == n]
        assert (rows["low"] == low).all()
        assert (rows["high"] == high).all()
    (axes,) = accuracy_against_n(frame).axes
    band = axes.collections[-1].get_paths()[0].vertices[:, 1]
    assert {low, high} <= set(band)


def test_without_predictions_there_are_points_and_no_intervals(tmp_path):
    folder = make_study(tmp_path / "study", {("baseB", None): 0.8, ("AnB", 4): 0.7})
    for path in working(folder, "predictions").glob("*.npz"):
        path.unlink()
    frame = with_intervals(folder, read_runs(folder))
    assert frame["low"].isna().all()
    assert {path.stem for path in draw_figures(folder)} == {"accuracy_against_n"}


def test_damaged_predictions_are_said_and_no_interval_is_left_out(tmp_path, capsys):
    folder = make_study(tmp_path / "study", {("baseB", None): 0.8, ("AnB", 4): 0.7})
    working(folder, "predictions", "A4B_s1.npz").write_bytes(b"cut off")
    with pytest.raises(TransferError, match="A4B_s1"):
        with_intervals(folder, read_runs(folder))
    with pytest.raises(SystemExit) as stopped:
        main(["figures", str(folder)])
    assert stopped.value.code == 1
    assert not (folder / "figures").exists()


def test_negative_transfer_is_drawn_of_the_runs_it_needs_and_its_errors_are_said(
    tmp_path, monkeypatch
):
    needed = {("baseB", None): 0.8, ("AnB", 4): 0.7}
    legacy = {run_of(kind, 4, s, "legacy"): 0.6 for kind in ("AnB", "BnB") for s in range(3)}
    folder = make_study(tmp_path / "study", needed | legacy)
    assert "negative_transfer" in {path.stem for path in draw_figures(folder)}
    of_transfer = {run: accuracy for run, accuracy in legacy.items() if run.kind == "AnB"}
    without = make_study(tmp_path / "without", needed | of_transfer)

    def fail(*_):
        raise TransferError("damaged")

    monkeypatch.setattr(figures.accuracy, "negative_transfer", fail)
    assert {p.stem for p in draw_figures(without)} == {"accuracy_against_n", "bn_semantics"}
    with pytest.raises(TransferError, match="damaged"):
        draw_figures(folder)
    monkeypatch.setattr(figures, "_PUBLISHED", tmp_path / "none.csv")
    assert {p.stem for p in draw_figures(folder)} == {"accuracy_against_n", "bn_semantics"}


def test_nothing_to_draw_is_said():
    with pytest.raises(TransferError, match="no|none"):
        accuracy_against_n(runs()[:0])


def test_published_numbers_are_drawn_by_the_same_code():
    published = read_published(RESULTS / "published/all_experiments.csv")
    assert len(published) == 52
    of_kind = published.set_index("kind")[METRIC]
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
