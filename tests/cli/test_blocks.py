"""``blocks``: the table of cuts, printed and as CSV."""

from pathlib import Path

import pandas as pd
import pytest

from transfer.cli import main

CUTS = pd.read_csv(Path(__file__).parents[2] / "benchmarks/results/cuts.csv")


def test_the_table_is_the_committed_one(tmp_path, capsys):
    size = ["--alpha", "1", "--input", "224x224"]
    main(["blocks", "--backbone", "mobilenet_v2", *size, "--csv", str(tmp_path / "cuts.csv")])
    committed = CUTS[CUTS["backbone"] == "mobilenet_v2"].reset_index(drop=True)
    written = pd.read_csv(tmp_path / "cuts.csv")
    pd.testing.assert_frame_equal(written, committed, check_dtype=False)
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [int(row[0]) for row in rows] == list(range(18))
    assert [row[1] for row in rows] == committed["layer"].tolist()
    shown = [int(row[6].replace(",", "")) for row in rows]
    assert shown == committed["multiply_adds"].tolist()
    assert [row[7] for row in rows] == [f"{s:.1%}" for s in committed["multiply_adds_up_to"]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--backbone", "vgg16"], "Expected a backbone of mobilenet, mobilenet_v2"),
        (["--backbone", "resnet50", "--alpha", "0.5"], "resnet50 has one width"),
        (["--input", "20x20"], "Expected an input of 32 to 1024 pixels"),
    ],
)
def test_what_is_no_backbone_is_the_command_lines_fault(wrong, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["blocks", *wrong])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
