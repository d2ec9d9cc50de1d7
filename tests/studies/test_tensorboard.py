"""TensorBoard's own reader finds in the events what the logs and rows say."""

import subprocess
import sys

import pytest

from tests.reported_study import every_run, make_data, make_study
from transfer.cli import main
from transfer.errors import TransferError
from transfer.folding import write_log
from transfer.results import read_log, read_runs
from transfer.studies.watch import tensorboard as ours
from transfer.studies.watch.tensorboard import Events, following

pytest.importorskip("tensorboard", reason="the package tensorboard is missing")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("tensorboard") / "data")


@pytest.fixture
def study(tmp_path, data):
    return make_study(tmp_path / "study", data, every_run(n=(1, 4)))


def reader(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def scalars(found, tag):
    """Steps and values of a tag, whichever way the reader keeps it."""
    return [(event.step, pytest.approx(event.value, abs=1e-5)) for event in found.Scalars(tag)]


def test_the_curves_of_a_run_are_those_of_its_log(study):
    found = reader(Events(study).write() / "AnB legacy" / "n04" / "A4B_legacy_s1")
    log = read_log(study, "A4B_legacy_s1")
    for tag, column in (("train/loss", "loss"), ("validation/accuracy", "val_accuracy")):
        assert scalars(found, tag) == list(zip(log["epoch"], log[column], strict=True))
    times = [event.wall_time for event in found.Scalars("train/loss")]
    assert times == [2, 4, 6]  # seconds since the run began


def test_accuracy_against_n_has_n_as_its_step(study):
    runs = read_runs(study)
    rows = runs[runs["kind"] == "sliced"]
    found = reader(Events(study).write() / "by n" / "sliced")
    means = rows.groupby("n")["test_accuracy"].mean()
    assert scalars(found, "test_accuracy") == list(means.items())


def test_hyper_parameters_are_those_of_the_run(study):
    from tensorboard.plugins.hparams import metadata

    root = Events(study).write()
    found = reader(root / "AnB" / "n04" / "A4B_s1")
    content = found.PluginTagToContent(metadata.PLUGIN_NAME)
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    assert start.group_name == "A4B"  # the seeds are repetitions of one trial
    assert start.hparams["kind"].string_value == "AnB"
    assert start.hparams["n"].number_value == 4
    assert start.hparams["bn"].string_value == "inference"
    assert metadata.SESSION_END_INFO_TAG in content
    accuracy = read_runs(study).set_index("run").loc["A4B_s1", "test_accuracy"]
    assert scalars(found, "result/test_accuracy") == [(3, accuracy)]


def test_the_table_of_hyper_parameters_holds_every_network_with_its_seeds(study):
    from tensorboard import context
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    root = Events(study).write()
    events = plugin_event_multiplexer.EventMultiplexer()
    events.AddRunsFromDirectory(str(root))
    events.Reload()
    provider = data_provider.MultiplexerDataProvider(events, str(root))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request = context.RequestContext()
    metadata = backend.hparams_metadata(request, "study")
    found = backend.experiment_from_metadata(request, "study", True, metadata, [])
    assert {info.name for info in found.hparam_infos} >= {"kind", "n", "bn"}
    asked = api_pb2.ListSessionGroupsRequest(
        slice_size=100, allowed_statuses=[api_pb2.STATUS_SUCCESS]
    )
    groups = list_session_groups.Handler(request, backend, "study", asked).run().session_groups
    networks = {name.rsplit("_s", 1)[0] for name in read_runs(study)["run"]}
    assert {group.name for group in groups} == networks
    (group,) = (group for group in groups if group.name == "A4B_legacy")
    assert len(group.sessions) == 2
    accuracy = next(v.value for v in group.metric_values if v.name.tag == "result/test_accuracy")
    runs = read_runs(study).set_index("run")["test_accuracy"]
    assert accuracy == pytest.approx(runs[["A4B_legacy_s0", "A4B_legacy_s1"]].mean(), abs=1e-5)


def test_tensorflow_reads_the_records_too(study):
    tensorflow = pytest.importorskip("tensorflow")
    path = Events(study).write() / "baseB" / "baseB_s0" / ours._FILE
    events = list(tensorflow.compat.v1.train.summary_iterator(str(path)))
    assert events[0].file_version == "brain.Event:2"
    assert len(events) == 2 + 3 * 6 + 6 + 1  # version, start; epochs; results; end


def test_written_again_nothing_changes(study):
    files = {path: path.read_bytes() for path in Events(study).write().rglob("events.*")}
    times = {path: path.stat().st_mtime_ns for path in files}
    Events(study).write()
    assert {path: path.read_bytes() for path in files} == files
    assert {path: path.stat().st_mtime_ns for path in files} == times


def test_a_growing_log_only_adds_to_its_file(study):
    epochs = read_log(study, "A4B_s1").to_dict("records")
    whole_table = (study / "runs.csv").read_text()
    write_log(study, "A4B_s1", epochs[:1])
    (study / "runs.csv").write_text(
        "".join(line for line in whole_table.splitlines(True) if "A4B_s1," not in line)
    )
    events = Events(study)
    path = events.write() / "AnB" / "n04" / "A4B_s1" / ours._FILE
    first, inode = path.read_bytes(), path.stat().st_ino
    assert len(reader(path.parent).Scalars("train/loss")) == 1
    write_log(study, "A4B_s1", epochs)
    (study / "runs.csv").write_text(whole_table)
    events.write()
    assert path.read_bytes().startswith(first)
    assert path.stat().st_ino == inode  # whoever has the file open goes on reading it
    assert len(reader(path.parent).Scalars("train/loss")) == 3


def test_half_a_record_is_written_anew(study):
    path = Events(study).write() / "baseB" / "baseB_s0" / ours._FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    Events(study).write()
    assert path.read_bytes() == whole


def test_events_follow_a_study_while_it_runs_and_need_no_tensorflow(study):
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from transfer.studies.watch import tensorboard\n"
        "tensorboard._SECONDS_BETWEEN_LOOKS = 0.01\n"
        f"path = Path({str(study)!r})\n"
        "with tensorboard.following(path):\n"
        "    while not (path / 'tensorboard' / 'by n').exists():\n"
        "        time.sleep(0.01)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_the_error_of_the_study_is_the_one_that_is_told(tmp_path):
    with pytest.raises(TransferError, match="the study failed"), following(tmp_path):
        raise TransferError("the study failed")


def test_without_the_package_nothing_is_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stopped:
        main(["study", "--out", str(tmp_path / "out"), "--tensorboard"])
    assert stopped.value.code == 1
    assert "not installed: make extras" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
