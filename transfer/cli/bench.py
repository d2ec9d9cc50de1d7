"""``bench``: training speed, ours and others' side by side."""

import argparse

from transfer.cli.arguments import option, options, whole
from transfer.errors import TransferError, UsageError


@options(
    option("--threads", default="1,2", help="numbers of threads, e.g. 1,2 (default: %(default)s)"),
    option("--repetitions", type=whole(1), default=3, help="measurements of each (default: 3)"),
    option("--seconds", type=whole(1), default=5, help="seconds of a measurement (default: 5)"),
)
def bench(given: argparse.Namespace) -> None:
    """Measure how many images a second a training step takes in, ours and others' side by side.

    The others are plain Keras and PyTorch on the same work. The machine should be idle. Needs a
    checkout of the repository.
    """
    try:
        from benchmarks import steps
    except ModuleNotFoundError as error:
        raise TransferError(
            "Expected the folder benchmarks of the repository. Run make bench in a checkout."
        ) from error
    threads = given.threads.split(",")
    if not all(count.isdecimal() and int(count) for count in threads):
        raise UsageError(f"Expected --threads such as 1,2. Received: {given.threads!r}.")
    steps.run([int(count) for count in threads], given.repetitions, given.seconds)
