"""What TensorBoard shows of a study: curves of all runs by kind and n, and hyper-parameters.

Times are seconds from the start of a run, so that the same study gives the same bytes. The writer
of ``tensorboard`` is not used: it imports TensorFlow and names files by time and process.
"""

import contextlib
import importlib.util
import io
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.errors import TransferError
from transfer.files import Version, read_bytes, version_of, write_atomically
from transfer.program import how_to_install
from transfer.results import folded_runs, names_in, read_log, read_runs, working
from transfer.runs import KERAS_3, Run, parse_run, parse_runs

FOLDER = "tensorboard"
_FILE = "events.out.tfevents.study"
_VERSION = "brain.Event:2"  # the first event of every file
_MAX_FILE_BYTES = 64 << 20
_SECONDS_BETWEEN_LOOKS = 10.0
_TAGS = {
    "loss": "train/loss",
    "accuracy": "train/accuracy",
    "val_loss": "validation/loss",
    "val_accuracy": "validation/accuracy",
    "learning_rate": "train/learning_rate",
    "seconds": "time/seconds_an_epoch",
}
#: Columns of a row that TensorBoard's table of hyper-parameters compares runs by.
_RESULTS = (
    *("test_accuracy", "test_balanced_accuracy", "val_accuracy", "best_epoch", "parameters"),
    "multiply_adds",
)


@contextlib.contextmanager
def following(study_dir: str | Path) -> Iterator[None]:
    """Keep the events of a study up to date while the block runs, and once more at its end."""
    if importlib.util.find_spec("tensorboard") is None:
        raise TransferError(
            "Expected the package tensorboard for --tensorboard. It is not installed: "
            f"{how_to_install('tensorboard')}"
        )
    events, stop = Events(study_dir), threading.Event()

    def follow() -> None:
        while not stop.wait(_SECONDS_BETWEEN_LOOKS):
            with contextlib.suppress(TransferError):  # said at the end, if it lasts
                events.write()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        stop.set()
        thread.join()
        with contextlib.suppress(TransferError):  # what is said is why the study failed
            events.write()
        raise
    stop.set()
    thread.join()
    events.write()


class Events:
    """The events of one study; remembers what it has seen, so that looking again is cheap."""

    def __init__(self, study_dir: str | Path) -> None:
        self._study_dir = Path(study_dir)
        self._seen: dict[str, tuple[Version | None, bool]] = {}  # run: version of its log, finished

    def write(self) -> Path:
        """Write what ``STUDY/tensorboard`` lacks; returns that folder."""
        folder, out = self._study_dir, self._study_dir / FOLDER
        rows = _rows(folder)
        changed = False
        for run in parse_runs(sorted({*rows, *names_in(folder, "logs")}), folder):
            done = run.name in rows
            log = None if done else version_of(working(folder, "logs", f"{run.name}.csv"))
            if self._seen.get(run.name) == (log, done):
                continue
            events = _events_of_run(run, read_log(folder, run.name), rows.get(run.name))
            _bring_up_to_date(_folder_of(out, run) / _FILE, events)
            self._seen[run.name], changed = (log, done), True
        if changed and rows:
            _write_overview(out, rows)
        return out


def _write_overview(out: Path, rows: dict[str, dict[str, Any]]) -> None:
    """Mean test accuracy over seeds against n, by kind, which a new row may change."""
    points = [
        (_folder_of(Path(), run).parts[0], run.n, rows[run.name]["test_accuracy"])
        for run in map(parse_run, rows)
        if run.n is not None
    ]
    table = pd.DataFrame(points, columns=["kind", "n", "accuracy"])
    for kind, of_kind in table.groupby("kind"):
        means = of_kind.groupby("n")["accuracy"].mean()
        events = [_scalar("test_accuracy", mean, n) for n, mean in means.items()]
        _bring_up_to_date(out / "by n" / str(kind) / _FILE, events)


def _rows(folder: Path) -> dict[str, dict[str, Any]]:
    if not folded_runs(folder) and not names_in(folder, "rows"):
        return {}
    return {str(row["run"]): row for row in read_runs(folder).to_dict("records")}


def _folder_of(root: Path, run: Run) -> Path:
    """Kind, then n: what TensorBoard's tree of runs can be filtered by."""
    kind = run.kind if run.bn in KERAS_3 else f"{run.kind} {run.bn}"
    kind = f"{kind} of {run.fraction:g}" if run.fraction < 1 else kind
    return root / kind / run.name if run.n is None else root / kind / f"n{run.n:02}" / run.name


def _events_of_run(run: Run, log: pd.DataFrame, row: dict[str, Any] | None) -> list[Any]:
    """All events of a run so far, in the order they came about."""
    from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo

    events = [_session_start(run)]
    seconds = 0.0
    for _, epoch in log.iterrows():
        seconds += float(epoch["seconds"])
        events += [
            _scalar(tag, float(epoch[column]), int(epoch["epoch"]), seconds)
            for column, tag in _TAGS.items()
        ]
    if row is not None:
        events += [
            _scalar(f"result/{name}", float(row[name]), int(row["epochs"]), seconds)
            for name in _RESULTS
        ]
        events.append(_hparams(session_end_info=SessionEndInfo(status=STATUS_SUCCESS)))
    return events


def _session_start(run: Run) -> Any:
    """Hyper-parameters of a run; the seeds of one network are repetitions of one trial."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionStartInfo

    start = SessionStartInfo(group_name=run.family)
    start.hparams["kind"].string_value = run.kind
    start.hparams["bn"].string_value = run.bn or "nothing frozen"
    start.hparams["fraction"].number_value = run.fraction
    if run.n is not None:
        start.hparams["n"].number_value = run.n
    return _hparams(session_start_info=start)


def _scalar(tag: str, value: float, step: int, seconds: float = 0.0) -> Any:
    """A number at a step, ``seconds`` after the start."""
    from tensorboard.compat.proto import event_pb2, summary_pb2

    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
    return event_pb2.Event(wall_time=seconds, step=step, summary=summary)


def _hparams(**content: Any) -> Any:
    """An event of the plugin of hyper-parameters, which looks for it by its tag."""
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**content))
    value = summary_pb2.Summary.Value(
        tag=f"_hparams_/{next(iter(content))}", metadata=about, tensor=metadata.NULL_TENSOR
    )
    return event_pb2.Event(summary=summary_pb2.Summary(value=[value]))


def _bring_up_to_date(path: Path, events: Iterable[Any]) -> None:
    """Append what the file lacks of these events; write it anew if it begins otherwise."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    writer = RecordWriter(buffer := io.BytesIO())
    for event in (event_pb2.Event(file_version=_VERSION), *events):
        writer.write(event.SerializeToString(deterministic=True))
    content = buffer.getvalue()
    try:
        written = read_bytes(path, _MAX_FILE_BYTES)
    except OSError:
        written = None
    if written is None or not content.startswith(written):
        write_atomically(path, content)
    elif len(written) < len(content):
        try:
            with open(path, "ab") as stream:
                stream.write(content[len(written) :])
        except OSError as error:
            raise TransferError(f"Cannot write {path}: {error.strerror or error}.") from error
