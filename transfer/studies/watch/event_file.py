"""Event files of TensorBoard: events, and a file of them that only grows.

An event file is a TFRecord of ``Event`` messages. The messages and the writer of records are those
of the package ``tensorboard``, which needs no TensorFlow for them.
"""

import struct
from pathlib import Path
from typing import Any

from transfer.errors import TransferError
from transfer.files import open_atomically, read_bytes

_VERSION = "brain.Event:2"  # the first event of every file
_HEADER = struct.Struct("<QI")  # of a TFRecord: length, checksum of the length
_MAX_EVENT_BYTES = 1 << 20
_MAX_FILE_BYTES = 64 << 20


def version_event() -> Any:
    """The event that begins a file."""
    from tensorboard.compat.proto import event_pb2

    return event_pb2.Event(file_version=_VERSION)


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


def bring_up_to_date(path: Path, events: list[Any]) -> None:
    """Append what the file lacks; write it anew if it begins otherwise or is damaged."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    records = [event.SerializeToString(deterministic=True) for event in events]
    there = _records(path)
    if there == records:
        return
    if there is not None and there == records[: len(there)]:
        try:
            with open(path, "ab") as stream:
                writer = RecordWriter(stream)
                for record in records[len(there) :]:
                    writer.write(record)
                writer.flush()
        except OSError as error:
            raise TransferError(f"Cannot write {path}: {error.strerror or error}.") from error
        return
    with open_atomically(path) as stream:
        writer = RecordWriter(stream)
        for record in records:
            writer.write(record)


def _records(path: Path) -> list[bytes] | None:
    """The records of a TFRecord file; None if there is no such file or it ends in half a record."""
    try:
        content = read_bytes(path, _MAX_FILE_BYTES)
    except OSError:
        return None
    found, place = [], 0
    while place < len(content):
        if place + _HEADER.size > len(content):
            return None
        length, _ = _HEADER.unpack_from(content, place)
        end = place + _HEADER.size + length + 4  # and the checksum of the record
        if length > _MAX_EVENT_BYTES or end > len(content):
            return None
        found.append(content[place + _HEADER.size : end - 4])
        place = end
    return found
