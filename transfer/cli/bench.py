"""``bench``: training speed, ours and others' side by side."""

import argparse

from transfer.cli.arguments import Commands, whole
from transfer.errors import TransferError, UsageError


def add_commands(commands: Commands) -> None:
    """Add the command."""
    bench = commands.add_parser(
        "bench",
        help="images a second, ours and others' side by side",
        description="Measure how many images a second a training step takes in, here and in plain "
        "Keras and PyTorch on the same work; the machine should be idle. Needs a checkout.",
    )
    bench.add_argument(
        "--threads", default="1,2", help="numbers of threads, e.g. 1,2 (default: %(default)s)"
    )
    bench.add_argument(
        "--repetitions", type=whole(1), default=3, help="of every measurement (default: 3)"
    )
    bench.add_argument("--seconds", type=whole(1), default=5, help="of a measurement (default: 5)")
    bench.set_defaults(call=_bench)


def _bench(options: argparse.Namespace) -> None:
    try:
        from benchmarks import steps
    except ModuleNotFoundError as error:
        raise TransferError(
            "Expected the folder benchmarks of the repository. Run make bench in a checkout."
        ) from error
    threads = options.threads.split(",")
    if not all(count.isdecimal() and int(count) for count in threads):
        raise UsageError(f"Expected --threads such as 1,2. Received: {options.threads!r}.")
    steps.run([int(count) for count in threads], options.repetitions, options.seconds)
