"""Event files of TensorBoard: events, and a file of them that only grows.

An event file is a TFRecord of ``Event`` messages. The messages and the writer of records are those
of the package ``tensorboard``. Its writer of whole files is not used: it imports TensorFlow where
that is installed, and names files by time and process.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transfer.errors import TransferError
from transfer.files import read_bytes, write_atomically

_VERSION = "brain.Event:2"  # the first event of every file
_MAX_FILE_BYTES = 64 << 20


def scalar_event(tag: str, value: float, step: int, seconds: float = 0.0) -> Any:
    """A number at a step, ``seconds`` after the start."""
    from tensorboard.compat.proto import event_pb2, summary_pb2

    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
    return event_pb2.Event(wall_time=seconds, step=step, summary=summary)


def hparams_event(tag: str, content: Any) -> Any:
    """A message ``HParamsPluginData`` under the tag its plugin looks for."""
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.plugins.hparams import metadata

    value = summary_pb2.Summary.Value(
        tag=tag, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR
    )
    return event_pb2.Event(summary=summary_pb2.Summary(value=[value]))


def bring_up_to_date(path: Path, events: Iterable[Any]) -> None:
    """Append what the file lacks of these events; write it anew if it begins otherwise.

    The same events are the same bytes, so a file cut off anywhere is continued where it ends.

    Raises `TransferError` if the file cannot be written.
    """
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
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
