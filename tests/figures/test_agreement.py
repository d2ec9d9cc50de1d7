"""The figure of agreement shows its table."""

import numpy as np
import pandas as pd
import pytest

from transfer.errors import TransferError
from transfer.figures.draw import draw_figures, left_out
from transfer.figures.measured import agreement_figure
from transfer.scores.agreement import COLUMNS
from transfer.scores.table import DEPTH
from transfer.tables import write_table

SCORES = ("logme_positions", "ridge_probe", DEPTH)


@pytest.fixture(scope="module")
def table():
    """Two studies, AnB and sliced-n, every tau another."""
    keys = [(s, k, study) for study in ("one", "two") for k in ("AnB", "sliced") for s in SCORES]
    frame = pd.DataFrame(keys, columns=["score", "kind", "study"])
    frame = frame.reindex(columns=["study", *COLUMNS])
    frame[["blocks", "seeds"]] = 13, 3
    frame["tau"] = np.linspace(-0.8, 0.8, len(frame))
    for width, ending in ((0.1, ""), (0.2, "_n")):
        frame[f"tau_low{ending}"] = frame["tau"] - width
        frame[f"tau_high{ending}"] = frame["tau"] + width
    return frame


def test_the_figure_shows_the_table(table):
    figure = agreement_figure(table)
    assert [axes.get_title().split(" ")[0] for axes in figure.axes] == ["AnB", "sliced-n"]
    axes = figure.axes[1]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["ridge probe", "LogME, positions", "n itself (control)"]
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 3]
    rows = table[table["kind"] == "sliced"].set_index(["study", "score"])
    for line, study in zip(drawn, ("one", "two"), strict=True):
        expected = rows.loc[study].loc[["ridge_probe", "logme_positions", DEPTH]]
        assert line.get_xdata() == pytest.approx(expected["tau"].to_numpy())
    spans = {tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2}
    for row in rows.itertuples():
        assert {(row.tau_low, row.tau_high), (row.tau_low_n, row.tau_high_n)} <= spans


def test_the_command_figures_draws_it_from_its_table(table, tmp_path):
    write_table(tmp_path / "agreement/agreement.csv", table.fillna(0.0))
    paths = draw_figures(tmp_path / "agreement")
    assert {path.name for path in paths} == {"agreement.png", "agreement.svg"}
    assert left_out(tmp_path / "agreement") == []


def test_no_table_no_figure(table):
    with pytest.raises(TransferError, match="at least one"):
        agreement_figure(table.iloc[:0])
