"""A folder holds one study: its settings are written once, later calls are compared with them."""

import json
import shutil
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from tests.made_study import make_study, row_of
from tests.study_files import write_study
from transfer.errors import TransferError
from transfer.folding import write_row
from transfer.results import names_in, read_test_clusters
from transfer.studies import setup
from transfer.studies.ask import ask, ask_run
from transfer.studies.setup import prepare
from transfer.studies.study import _other_versions, perform
from transfer.study_file import planned_runs, read_calls, read_settings
from transfer.tasks.dataset import load_dataset

BASE_ONLY = ask("quick", kinds="baseB", epochs=2, batch=16)
WITH_SOURCE = ask("quick", kinds="baseB,AnB", n="3", epochs=2, batch=16)


@pytest.fixture
def out(tmp_path, small_data):
    """A study in which only baseB was asked for."""
    prepare(tmp_path / "study", BASE_ONLY, small_data, 2)
    return tmp_path / "study"


def test_a_study_knows_which_test_images_belong_together(out, small_data):
    recordings = load_dataset(small_data).test.recordings
    np.testing.assert_array_equal(read_test_clusters(out), recordings)


def test_a_call_says_what_was_asked_where_and_when(out, small_data):
    (call,) = read_calls(out)
    assert call["kinds"] == ["baseB"]
    assert call["data"] == str(small_data)
    assert (call["workers"], call["engine"]) == (2, "local")
    assert call["when"].endswith("+00:00")
    assert "keras" in call["versions"]
    settings = read_settings(out)
    assert settings.protocol.name == "fast-e2-b16"
    assert (settings.threads, settings.source) == (1, None)


def test_the_first_call_that_needs_a_source_adds_it_for_good(out, small_data, tmp_path):
    context = prepare(out, WITH_SOURCE, small_data, 1)
    source = read_settings(out).source
    assert source.name == "fractals"
    assert context.settings.source == source
    assert {run.name for run in planned_runs(out)} == {
        f"{n}_s{s}" for n in ("baseB", "A3B") for s in (0, 1)
    }
    prepare(out, BASE_ONLY, small_data, 1)
    assert read_settings(out).source == source
    assert len(read_calls(out)) == 3
    other = tmp_path / "other.weights.h5"
    content = bytearray(context.source_path.read_bytes())
    shutil.copy(context.source_path, other)
    other.write_bytes(bytes(content) + b"\0")  # the same weights in another file
    asked = ask("quick", kinds="AnB", n="3", epochs=2, batch=16, source=str(other))
    with pytest.raises(TransferError, match=r"the source fractals \(\w{8}\.\.\.\), not other"):
        prepare(out, asked, small_data, 1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"alpha": 0.5}, "the alpha 0.25, not 0.5"),
        ({"input": "32x32"}, "the input 48x80, not 32x32"),
        ({"epochs": 6}, "the protocol fast-e2-b16, not fast-b16"),
        ({"protocol": "reference"}, "the protocol fast-e2-b16, not reference-e2-b16"),
    ],
)
def test_another_setting_is_refused_and_nothing_is_written(out, small_data, asked, message):
    before = (out / "study.json").read_bytes()
    study = ask("quick", **{"kinds": "baseB", "epochs": 2, "batch": 16, **asked})
    with pytest.raises(TransferError, match=message):
        prepare(out, study, small_data, 1)
    assert (out / "study.json").read_bytes() == before


def test_another_data_set_is_refused_by_name_and_eight_digits(out, small_data):
    content = json.loads((out / "study.json").read_text())
    content["dataset"]["sha256"] = "ab" * 32
    (out / "study.json").write_text(json.dumps(content))
    words = r"the data set stripes \(abababab\.\.\.\), not stripes \(\w{8}\.\.\.\)\. Give another"
    with pytest.raises(TransferError, match=words):
        prepare(out, BASE_ONLY, small_data, 1)


def test_another_width_is_refused_before_weights_are_fetched(out, small_data, monkeypatch):
    def fetch(*_):
        raise AssertionError("fetched")

    monkeypatch.setattr(setup, "find_source", fetch)
    with pytest.raises(TransferError, match=r"the alpha 0\.25, not 0\.5"):
        prepare(out, ask_run("A1B_s0", out, source="imagenet", alpha=0.5), small_data)


@pytest.mark.parametrize("file", ["train_data.npy", "valid_data.npy", "test_labels.npy"])
def test_runs_trained_while_images_or_labels_changed_are_not_kept(
    tmp_path, small_data, monkeypatch, file
):
    data, out = shutil.copytree(small_data, tmp_path / "data"), tmp_path / "study"

    def change(missing, *_):
        array = np.load(data / file)
        array[:2] = array[1::-1]  # two images or two labels change places
        np.save(data / file, array)
        write_row(out, row_of(missing[0].name))
        return {}

    monkeypatch.setattr("transfer.studies.study.do_all", change)
    monkeypatch.setattr("transfer.studies.study.processes", lambda *_: nullcontext())
    with pytest.raises(TransferError, match="changed while the study ran, so the runs of this"):
        perform(out, BASE_ONLY, data)
    assert names_in(out, "rows") == []
    assert not (out / "runs.csv").exists()


def test_class_names_that_were_swapped_are_refused(out, small_data, tmp_path):
    swapped = shutil.copytree(small_data, tmp_path / "swapped")
    described = json.loads((swapped / "dataset.json").read_text())
    described["classes"][1:] = described["classes"][:0:-1]
    (swapped / "dataset.json").write_text(json.dumps(described))
    with pytest.raises(TransferError, match="the list of classes forward, left, right"):
        prepare(out, BASE_ONLY, swapped, 1)


def test_a_study_file_that_is_none_is_refused(out, small_data):
    (out / "study.json").write_text("{}")
    with pytest.raises(TransferError, match="Expected the settings of a study"):
        prepare(out, BASE_ONLY, small_data, 1)


def test_an_old_study_that_does_not_say_its_threads_goes_on_with_one(out, small_data):
    content = json.loads((out / "study.json").read_text())
    for held, used in ((None, 1), (3, 3)):
        content["threads"] = held
        (out / "study.json").write_text(json.dumps(content))
        assert prepare(out, BASE_ONLY, small_data, 1).threads == used
        assert read_settings(out).threads == held


def test_one_run_takes_every_setting_from_the_study(tmp_path, small_data):
    asked = ask("quick", kinds="baseB", alpha=0.5, input="32x64", protocol="reference", epochs=2)
    prepare(tmp_path / "study", asked, small_data, 1)
    run = ask_run("A3B_legacy_f0.5_s4", tmp_path / "study")
    assert (run.alpha, run.input_size, run.protocol) == (0.5, (32, 64), asked.protocol)
    assert [one.name for one in run.runs()] == ["A3B_legacy_f0.5_s4"]
    needed = ask_run("B3B_s4", tmp_path / "study").runs()
    assert [one.name for one in needed] == ["baseB_s4", "B3B_s4"]
    assert ask_run("baseB_s0", tmp_path / "new").protocol.name == "fast"
    with pytest.raises(TransferError, match=r"the alpha 0\.5, not 0\.25"):
        prepare(
            tmp_path / "study", ask_run("baseB_s0", tmp_path / "study", alpha=0.25), small_data, 1
        )


def test_one_run_takes_the_source_that_was_named_before_any_run_needed_it(tmp_path, small_data):
    asked = ask("quick", kinds="baseB", source="imagenet", epochs=2, batch=16)
    prepare(tmp_path / "study", asked, small_data, 1)
    assert read_settings(tmp_path / "study").source is None
    assert ask_run("sliced-3_s0", tmp_path / "study").source == "imagenet"


def test_one_run_takes_the_source_that_was_given_to_the_study(tmp_path, small_data):
    context = prepare(tmp_path / "first", WITH_SOURCE, small_data, 1)
    path = str(shutil.copy(context.source_path, tmp_path / "own.weights.h5"))
    asked = ask("quick", kinds="AnB", n="3", source=path)
    prepare(tmp_path / "study", asked, small_data, 1)
    prepare(tmp_path / "study", ask("quick", kinds="baseB"), small_data, 1)
    assert ask_run("A4B_s0", tmp_path / "study").source == path


def test_a_source_that_is_called_like_a_formula_is_refused(tmp_path, small_data):
    context = prepare(tmp_path / "first", WITH_SOURCE, small_data, 1)
    path = str(shutil.copy(context.source_path, tmp_path / "=cmd.weights.h5"))
    with pytest.raises(TransferError, match="not called like a formula: =cmd.weights.h5"):
        prepare(tmp_path / "study", ask("quick", kinds="AnB", n="3", source=path), small_data)
    assert not (tmp_path / "study").exists()


def test_predictions_too_large_to_keep_are_refused_before_anything_is_trained(
    tmp_path, small_data, monkeypatch
):
    data = load_dataset(small_data)
    values = len(data.test.labels) * len(data.classes)
    monkeypatch.setattr(setup, "MAX_ARRAY_BYTES", 2 * values)
    prepare(tmp_path / "fits", BASE_ONLY, small_data)
    monkeypatch.setattr(setup, "MAX_ARRAY_BYTES", 2 * values - 1)
    with pytest.raises(TransferError, match="test images times classes"):
        prepare(tmp_path / "study", BASE_ONLY, small_data)
    assert not (tmp_path / "study").exists()


def test_another_tensorflow_than_that_of_the_rows_is_a_warning(tmp_path):
    study = make_study(tmp_path / "study", {("baseB", None): 0.8}, seeds=(0, 1))
    (sentence,) = _other_versions(study)
    assert "trained with TensorFlow of a version not recorded, new ones will be" in sentence
    rows = sorted((study / "working" / "rows").glob("*.json"))
    for path, version in zip(rows, (tf.__version__, "2.15.1"), strict=True):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"tensorflow": version}))
    (sentence,) = _other_versions(study)
    assert "trained with TensorFlow 2.15.1, new ones will be" in sentence
    write_study(study, threads=None)
    (sentence,) = _other_versions(study)
    assert "with TensorFlow 2.15.1 and a number of threads not recorded, new ones" in sentence
    old = make_study(tmp_path / "old", {("baseB", None): 0.8}, seeds=(0,))
    write_study(old, threads=None)
    (sentence,) = _other_versions(old)
    assert "of a version not recorded and a number of threads not recorded, new" in sentence
