"""The report: what it shows is what the CSVs say, it fetches nothing, and it trusts no name."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix

from tests.reported_study import CLASSES, IMAGES, every_run, make_data, make_study
from transfer.cli import main
from transfer.deploy.costs.table import COLUMNS as COST_COLUMNS
from transfer.errors import TransferError
from transfer.report.charts import accuracy_chart
from transfer.report.classes import confusion_matrices, most_confident_mistakes, open_dataset
from transfer.report.summary import calls_in_words, read_facts
from transfer.report.write import write_report
from transfer.results import read_predictions, read_runs, read_test_labels
from transfer.runs import Run
from transfer.statistics.comparison import image_clusters
from transfer.statistics.intervals import with_intervals

PACKAGE = Path(__file__).parents[2] / "transfer" / "report"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("report") / "data")


@pytest.fixture(scope="module")
def study(tmp_path_factory, data):
    """A study with every section but scores; reports are not written into it."""
    return make_study(tmp_path_factory.mktemp("report") / "study", data, every_run())


@pytest.fixture(scope="module")
def page(study):
    path, _ = write_report(study)
    return path.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Elements and the text in them, as a browser without scripts would have them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts, self.text, self._within = [], [], "", ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._within = tag

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, content):
        if self._within == "script":
            self.scripts.append(content)
        elif self._within != "style":
            self.text += content


def drawn(page):
    (content,) = re.findall(r'<script type="application/json" id="drawn">(.*?)</script>', page)
    return json.loads(content)["charts"]


def lines(chart, **when):
    """Traces with points by what switches them."""
    return {
        trace["meta"]["switch"]: trace
        for trace in chart["traces"]
        if "markers" in trace["mode"] and when.items() <= trace["meta"].get("when", {}).items()
    }


def test_every_point_is_the_mean_of_the_rows(study, page):
    runs = read_runs(study)
    chart = drawn(page)["accuracy"]
    seen = lines(chart)
    assert set(seen) == {"AnB", "AnB+", "RnB", "sliced"}
    for kind, trace in seen.items():
        rows = runs[(runs["kind"] == kind) & runs["bn"].isin(["", "inference"])]
        means = rows.groupby("n")["test_balanced_accuracy"].mean()
        assert trace["x"] == list(means.index)
        np.testing.assert_allclose(trace["y"], means, atol=1e-6)


def test_bands_are_the_intervals_of_the_statistics(study, page):
    runs = with_intervals(study, read_runs(study))
    rows = runs[(runs["kind"] == "sliced")]
    band = next(
        trace
        for trace in drawn(page)["accuracy"]["traces"]
        if trace["meta"]["switch"] == "sliced" and trace.get("fill") == "toself"
    )
    bounds = rows.groupby("n")[["low", "high"]].first().to_numpy()
    np.testing.assert_allclose(band["y"], [*bounds[:, 1], *bounds[::-1, 0]], atol=1e-5)


def test_hovering_tells_run_interval_epochs_and_semantics(page):
    text = lines(drawn(page)["accuracy"])["AnB"]["customdata"][1]
    assert "A4B" in text
    assert "A4B_s1" in text
    assert "95 %" in text
    assert "best epoch 3 of 3" in text
    assert "BatchNorm inference" in text


def test_where_a_few_fall_far_below_the_axis_can_stay_near_base_b():
    frame = pd.DataFrame(
        [("baseB", None, 0.9)] + [("sliced", n, 0.89) for n in range(2, 9)] + [("sliced", 1, 0.3)],
        columns=["kind", "n", "test_balanced_accuracy"],
    )
    frame = frame.assign(seed=0, bn="", low=0.2, high=0.95, best_epoch=1, epochs=1)
    frame["run"] = [
        Run(k, None if pd.isna(n) else int(n)).name for k, n in frame[["kind", "n"]].to_numpy()
    ]
    baselines = pd.DataFrame(columns=["baseline", "balanced_accuracy"])
    chart = accuracy_chart(frame, baselines)
    assert chart.layouts["near"]["yaxis"]["range"] == pytest.approx([0.85, 0.95])
    assert not accuracy_chart(frame[frame["test_balanced_accuracy"] > 0.5], baselines).choices


def test_learning_curves_are_those_of_the_logs(page):
    chart = drawn(page)["curves"]
    curve = lines(chart, kind="AnB legacy", value="val_loss")["n4"]
    assert curve["x"] == [1, 2, 3]
    np.testing.assert_allclose(curve["y"], [2, 1, 2 / 3], atol=1e-5)
    assert lines(chart, value="val_loss")["baseB"]["y"] == curve["y"]


def test_cost_takes_parameters_and_measured_files(tmp_path, study, data):
    out = make_study(tmp_path / "study", data, every_run(("baseB", "sliced"), seeds=(0,)))
    row = dict.fromkeys(COST_COLUMNS, 1.0)
    row |= {"run": "sliced-4_s0", "kind": "sliced", "n": 4, "seed": 0, "format": "litert"}
    row |= {"input": "48x80", "file_bytes": 20_000, "test_accuracy": 0.77, "median_ms_1": 0.5}
    row |= {"machine": "<i>box</i>"}
    text = ",".join(COST_COLUMNS) + "\n" + ",".join(str(row[c]) for c in COST_COLUMNS) + "\n"
    (out / "deploy.csv").write_text(text)
    content = write_report(out)[0].read_text()
    chart = drawn(content)["cost"]
    assert lines(chart, cost="parameters")["sliced"]["x"] == [1000, 4000, 7000]
    assert lines(chart, cost="file_bytes litert")["sliced"]["x"] == [20_000]
    runs = read_runs(out)
    expected = runs.loc[runs["run"] == "sliced-4_s0", "test_balanced_accuracy"].to_numpy()
    seen = lines(chart, cost="median_ms litert")["sliced"]["y"]
    np.testing.assert_allclose(seen, expected, atol=1e-6)
    assert "&lt;i&gt;box&lt;/i&gt;" in content
    front = lines(chart, cost="parameters")["sliced"]["marker"]["symbol"]
    assert front[0] == "triangle-down"  # nothing is cheaper than the cheapest


def test_scores_are_drawn_block_by_block(tmp_path, data):
    out = make_study(tmp_path / "study", data, every_run(n=(1, 2, 3, 4), bn=("inference",)))
    values = {"logme": [0.1, 0.5, 0.4, 0.3, 0.2], "</script>": [1, 2, 3, 4, 5]}
    rows = [f"{i},{name},{v},0" for name, of in values.items() for i, v in enumerate(of)]
    (out / "scores.csv").write_text("block,score,value,seconds\n" + "\n".join(rows) + "\n")
    path, left_out = write_report(out)
    assert left_out == ["The comparison of BatchNorm semantics is left out: AnB was not run under "
                        "two of them (--bn inference,legacy adds one).",
                        *[s for s in left_out if s.startswith("The gain")]]  # fmt: skip
    (trace,) = drawn(path.read_text())["scores"]["traces"]
    assert trace["y"] == values["logme"]
    assert "Kendall" in path.read_text()


def test_nothing_is_fetched_and_only_our_scripts_run(page):
    elements = Elements(page)
    for _, attributes in elements.tags:
        for name in ("src", "href", "action", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))
    assert "@import" not in page.split("<script")[0]
    (policy,) = [a["content"] for t, a in elements.tags if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; img-src data:;")
    scripts = [script for script in elements.scripts if not script.startswith("{")]
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_foreign_names_are_text_and_nothing_else(page):
    elements = Elements(page)
    tags = [tag for tag, _ in elements.tags]
    assert tags.count("script") == 3
    assert "<script>alert" not in page
    for name in CLASSES:
        assert name in elements.text
    assert "made <b>up</b>" in elements.text


def test_the_charting_library_is_the_one_that_was_published():
    content = (PACKAGE / "plotly-basic.min.js").read_bytes()
    published = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"
    assert hashlib.sha256(content).hexdigest() == published
    assert b"plotly.js (basic - minified) v4.1.1" in content[:100]


def test_a_study_of_few_rows_leaves_out_what_it_lacks_and_says_so(tmp_path, data):
    out = make_study(tmp_path / "study", data, [Run("AnB", 4, 0, "inference")])
    (out / "epochs.csv").unlink()
    path, left_out = write_report(out)
    page = path.read_text()
    assert set(drawn(page)) == {"accuracy"}
    for word in ("BatchNorm semantics", "Learning curves", "cost", "scores.csv", "number of train"):
        assert any(word in sentence for sentence in left_out), word
    for sentence in left_out:
        assert sentence in Elements(page).text
    assert "baseB on all training images is missing" in page


def test_a_study_that_was_interrupted_has_a_report(tmp_path, data):
    out = make_study(tmp_path / "study", data, every_run(("baseB", "sliced")), finished=False)
    assert not (out / "runs.csv").exists()
    path, _ = write_report(out)
    assert set(drawn(path.read_text())) >= {"accuracy", "cost", "curves"}


def test_without_predictions_the_report_says_why_there_is_no_verdict(tmp_path, data):
    out = make_study(tmp_path / "study", data, every_run(("baseB", "sliced")))
    (out / "predictions.npz").unlink()
    path, left_out = write_report(out)
    assert "There is no verdict" in path.read_text()
    assert any("predictions" in sentence for sentence in left_out)
    assert "accuracy" in drawn(path.read_text())


def test_the_same_study_gives_the_same_bytes(study, page):
    assert write_report(study)[0].read_text(encoding="utf-8") == page


def mistakes_of(facts, network, dataset=None):
    chosen = facts.runs[facts.runs["run"].str.startswith(f"{network}_s")]
    return most_confident_mistakes(facts, chosen, "it is the smallest", dataset)


def test_mistakes_are_wrong_sure_and_not_neighbours(study):
    facts = read_facts(study)
    labels = read_test_labels(study)
    mistakes = mistakes_of(facts, "sliced-4")
    best = facts.runs.set_index("run").loc[["sliced-4_s0", "sliced-4_s1"], "val_accuracy"].idxmax()
    assert mistakes.run == best
    probabilities = read_predictions(study, mistakes.run)
    assert mistakes.wrong == (probabilities.argmax(1) != labels).sum()
    assert mistakes.others == len(facts.whole) - 1
    segments = image_clusters(study)
    assert len(np.unique(segments)) < len(labels)
    for mistake in mistakes.shown:
        i = mistake.number
        assert CLASSES[labels[i]] == mistake.label != mistake.answer
        neighbours = np.flatnonzero((segments == segments[i]) & (probabilities.argmax(1) != labels))
        assert mistake.probability == pytest.approx(probabilities[neighbours].max())
    assert len({segments[m.number] for m in mistakes.shown}) == len(mistakes.shown) > 0
    sure = [mistake.probability for mistake in mistakes.shown]
    assert sure == sorted(sure, reverse=True)


def test_mistakes_are_named_by_the_files_they_were_imported_from(tmp_path, data):
    known = shutil.copytree(data, tmp_path / "data")
    rows = [f"{i},left/<{i}>.jpg" for i in range(IMAGES["test"])]
    (known / "test_files.csv").write_text("index,file\n" + "\n".join(rows) + "\n")
    out = make_study(tmp_path / "study", known, every_run(("baseB",)))
    facts = read_facts(out)
    for mistake in mistakes_of(facts, "baseB", open_dataset(facts)).shown:
        assert mistake.file == f"left/<{mistake.number}>.jpg"
    page = write_report(out)[0].read_text()
    assert f"left/&lt;{mistake.number}&gt;.jpg" in page


def test_pictures_are_the_test_images_themselves(study):
    facts = read_facts(study)
    for mistake in mistakes_of(facts, "A4B", open_dataset(facts)).shown[:4]:
        content = base64.b64decode(mistake.picture.removeprefix("data:image/jpeg;base64,"))
        image = np.asarray(Image.open(io.BytesIO(content)))
        assert image.shape == (12, 16, 3)
        assert abs(image.mean() - 10 * mistake.number % 250) < 3


def test_images_of_another_data_set_are_not_shown(tmp_path, data):
    out = make_study(tmp_path / "study", data, every_run(("baseB",)))
    other = make_data(tmp_path / "other", CLASSES[:2])
    path, left_out = write_report(out, other)
    assert any("another data set" in sentence for sentence in left_out)
    assert "data:image/" not in path.read_text().split("<main>")[1].split("<script")[0]


def test_data_that_moved_are_found_where_they_are_said_to_be(tmp_path, data, capsys):
    moved = tmp_path / "first"
    shutil.copytree(data, moved)
    out = make_study(tmp_path / "study", moved, every_run(("baseB",)))
    moved.rename(tmp_path / "second")
    main(["report", str(out)])
    assert "Images are left out" in capsys.readouterr().err
    main(["report", str(out), "--data", str(tmp_path / "second")])
    captured = capsys.readouterr()
    assert "Images are left out" not in captured.err
    assert str(out / "report.html") in captured.out


def test_a_report_without_tensorflow(study):
    script = (
        "import sys; from transfer.cli import main\n"
        f"main(['report', {str(study)!r}])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_command_is_one_that_the_command_line_takes(tmp_path, data):
    strange = tmp_path / "a --data b; rm"
    out = make_study(strange, data, every_run(("baseB", "AnB")))
    command, _ = calls_in_words(read_facts(out))
    script = 'shift 3; for word in "$@"; do printf "%s\\0" "$word"; done'
    words = command.replace("python -m transfer study", "", 1)
    done = subprocess.run(
        ["bash", "-c", f"set -- python -m transfer study {words}\n{script}"],
        capture_output=True,
        text=True,
    )
    found = done.stdout.split("\0")[:-1]
    assert found[0] == "study"
    options = dict(zip(found[1::2], found[2::2], strict=True))
    assert options["--out"] == str(strange)
    assert options["--data"] == str(data)
    assert options["--kinds"] == "AnB,baseB"
    assert options["--n"] == "1,4,7"
    assert options["--bn"] == "inference,legacy"


@pytest.mark.parametrize("cut", ["dataset", "protocol", "calls", "source", "alpha", "input"])
@pytest.mark.parametrize("value", [None, [], 7, "x", {"sha256": []}])
def test_a_damaged_study_ends_in_one_sentence_or_says_what_it_lacks(tmp_path, data, cut, value):
    out = make_study(tmp_path / "study", data, [Run("baseB")])
    content = json.loads((out / "study.json").read_text())
    content[cut] = value
    (out / "study.json").write_text(json.dumps(content))
    said = ""
    try:
        write_report(out)
    except TransferError as error:
        said = str(error)
    assert (out / "report.html").exists() != bool(said)
    assert "\n" not in said


def test_confusion_is_that_of_scikit_learn_mean_over_seeds(study):
    facts = read_facts(study)
    chosen = facts.runs[facts.runs["run"].isin(["A4B_s0", "A4B_s1"])]
    matrix = confusion_matrices(facts, chosen)[0]
    labels = read_test_labels(study)
    answers = [read_predictions(study, run).argmax(1) for run in chosen["run"]]
    expected = np.mean([confusion_matrix(labels, of_run) for of_run in answers], axis=0)
    assert matrix.network == "A4B"
    assert [name for name, _ in matrix.rows] == list(CLASSES)
    shown = [[float(cell.images) for cell in cells] for _, cells in matrix.rows]
    np.testing.assert_allclose(shown, expected, atol=0.5)
    shares = [[cell.share for cell in cells] for _, cells in matrix.rows]
    np.testing.assert_allclose(shares, expected / expected.sum(1, keepdims=True))


def test_predictions_of_other_classes_are_left_out(tmp_path, data):
    out = make_study(tmp_path / "study", data, [Run("baseB")])
    content = json.loads((out / "study.json").read_text())
    content["dataset"]["classes"] = ["a", "b"]
    (out / "study.json").write_text(json.dumps(content))
    _, left_out = write_report(out)
    assert any("test labels in 0..1" in sentence for sentence in left_out)


def test_confusion_of_many_classes_names_the_commonest_mistakes(tmp_path):
    names = tuple(f"class {i}" for i in range(30))
    data = make_data(tmp_path / "data", names)
    out = make_study(tmp_path / "study", data, every_run(("baseB",)))
    page = write_report(out)[0].read_text()
    assert '<th scope="col">answer</th>' in page
    assert "class 29" in page


def test_a_full_disk_leaves_no_half_report(tmp_path, data, monkeypatch, capsys):
    out = make_study(tmp_path / "study", data, [Run("baseB")])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(out)])
    assert stopped.value.code == 1
    assert "No space left" in capsys.readouterr().err
    assert not list(out.glob("*report.html*"))


def test_a_folder_that_is_no_study_ends_with_1(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(tmp_path)])
    assert stopped.value.code == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
