"""``study``, ``run``, ``status``, ``bench``: train networks, see how far they are and how fast."""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.cli.arguments import NETWORK, STUDY, note, option, options, run_name, whole
from transfer.errors import RunsFailed, TransferError, UsageError
from transfer.program import say, wrapped

if TYPE_CHECKING:
    from transfer.studies.adaptive import Stop

_SETTINGS = (
    option("--out", type=Path, required=True, metavar="DIR", help="folder of the study"),
    option("--data", type=Path, metavar="DIR", help="a data set (default: simulated drives)"),
    *NETWORK,
    option(
        "--protocol",
        choices=("reference", "fast"),
        help="how a network is trained. reference: as published, at most 15 epochs, early "
        "stopping; fast (default): one cycle of the learning rate, 6 epochs (3 were compared with "
        "reference in benchmarks/results/protocols.csv)",
    ),
    option("--epochs", type=int, help="largest number of epochs (default: the protocol's)"),
    option("--batch", type=int, help="images a step (default: the protocol's)"),
    option("--workers", type=whole(1), help="processes (default: one a core)"),
)


@options(
    option(
        "--preset",
        choices=("quick", "full", "paper"),
        default="quick",
        help="quick (default): baseB,baseB+,AnB,sliced at n = 1,4,7,10,13, two seeds, "
        "minutes; full: every kind, n = 0-13, three seeds, hours; paper: as published, alpha 1, "
        "224x224, reference protocol, n = 1-13, days on a CPU",
    ),
    option(
        "--kinds",
        help="kinds of network to train, of baseB,baseB+,BnB,BnB+,AnB,AnB+,RnB,A@nB,sliced "
        "(default: those of the preset)",
    ),
    option("--n", help="blocks kept from the base, e.g. 1,4,7 or 0-13 (default: the preset's)"),
    option(
        "--seeds",
        help="seeds: each network is trained once with each; every random choice follows from it; "
        "e.g. 0,1,2 or 0-4 (default: the preset's)",
    ),
    option(
        "--bn",
        help="what a frozen BatchNorm layer does: inference (default; Keras 3: it normalises by "
        "the statistics it brought along), legacy (Keras 2.1.3 to 2.3.1: so in evaluation, but in "
        "training by those of the batch), adapt (PyTorch: its statistics follow the images); "
        "e.g. inference,legacy",
    ),
    option(
        "--train-fraction",
        help="shares of the training images to train on, e.g. 0.1,0.25,1 (default: 1)",
    ),
    *_SETTINGS,
    option(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local (default): processes on this machine; ray: tasks on a Ray cluster, where "
        "--workers is how many runs share it (docs/cluster.md)",
    ),
    option(
        "--address",
        metavar="HOST:PORT",
        help="address of the Ray cluster, or auto (default: this machine alone)",
    ),
    option(
        "--until-decided",
        action="store_true",
        help="choose kinds, n and seeds by the results: train baseB, AnB and sliced-n round by "
        "round, until it is decided where to cut and how many blocks are general",
    ),
    option(
        "--margin",
        type=float,
        metavar="POINTS",
        help="with --until-decided: points of balanced accuracy that a network may lose and still "
        "count as good (default: 1)",
    ),
    option(
        "--budget",
        type=float,
        metavar="MINUTES",
        help="with --until-decided: begin no round that needs more than what is left of these "
        "minutes of training, the sum over all runs of the study (default: no limit)",
    ),
    option(
        "--tensorboard",
        action="store_true",
        help="keep DIR/tensorboard up to date: curves of all runs, hyper-parameters (needs the "
        "package tensorboard)",
    ),
)
def study(given: argparse.Namespace) -> None:
    """Train every network of a study, draw it, and say what it shows and what to do next.

    What is finished is kept: it can be stopped at any time, and the same command goes on. The
    preset says what is run; options change it. Lists are written 1,4,7 and ranges 0-13.
    """
    from transfer.studies.adaptive import perform_until_decided
    from transfer.studies.ask import ask, check_until_decided
    from transfer.studies.study import perform
    from transfer.studies.watch.tensorboard import following

    check_until_decided(**vars(given))

    asked = ask(
        given.preset,
        kinds=given.kinds,
        n=given.n,
        seeds=given.seeds,
        bn=given.bn,
        fractions=given.train_fraction,
        **_settings(given),
    )
    where = {name: vars(given)[name] for name in ("data", "preset", "workers", "engine", "address")}
    margin = 0.01 if given.margin is None else given.margin / 100
    stop = None
    try:
        with following(given.out) if given.tensorboard else contextlib.nullcontext():
            if given.until_decided:
                stop = perform_until_decided(given.out, asked, margin, given.budget, **where)
            else:
                perform(given.out, asked, **where)
    except RunsFailed:
        try:
            _draw_and_tell(given.out, with_verdict=True)
        except TransferError as error:
            note([str(error)])
        raise
    _draw_and_tell(given.out, with_verdict=True)
    if stop:
        say("")
        say(*wrapped(_why_it_stopped(given.out, stop)))


@options(
    option(
        "name",
        type=run_name,
        metavar="NAME",
        help="NETWORK[_BN][_fFRACTION]_sSEED: baseB_s0, A3B+_s1, A3B_legacy_s0, sliced-7_f0.25_s2",
    ),
    *_SETTINGS,
)
def run(given: argparse.Namespace) -> None:
    """Train one network by its name, e.g. A3B+_s1, and the baseB it is copied from if missing.

    In the folder of a study, its data and settings are used.
    """
    from transfer.studies.study import perform_run

    perform_run(given.out, given.name, given.data, given.workers, **_settings(given))
    _draw_and_tell(given.out)


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    names = ("source", "backbone", "alpha", "input", "protocol", "epochs", "batch")
    return {name: getattr(given, name) for name in names}


def _why_it_stopped(study_dir: Path, stop: "Stop") -> list[str]:
    """Whether both verdicts are decided; if not, what is open and what would decide it."""
    from transfer.answers.reading import name_of, read
    from transfer.answers.sentences import what_would_decide
    from transfer.statistics.comparison import LOOKS
    from transfer.study_file import recorded_margin, rounds
    from transfer.wording import percent, spans

    study = read(study_dir, recorded_margin(study_dir), "balanced")
    spent = (
        f"{len(study.every_run)} runs, {study.every_run['seconds'].sum() / 60:.0f} min of "
        f"training, {rounds(study_dir)} of {LOOKS} rounds"
    )
    if not stop.open:
        return [f"Both verdicts are decided ({spent})."]
    lines = [f"Stopped ({spent}): {stop.reason}."]
    for kind, what in (("sliced", "Where to cut"), ("AnB", "How many blocks are general")):
        left = [key for key in stop.open if key[0] == kind]
        if not left:
            lines.append(f"{what} is decided.")
            continue
        lines.append(f"{what} is open at n = {spans(sorted(key[1] or 0 for key in left))}.")
        tried = next((key for key in left if key in study.compared), None)
        if tried:
            comparison = study.compared[tried]
            lines[-1] += (
                f" {name_of(tried)} is as good as baseB with a probability of "
                f"{percent(comparison.probability)}; "
                f"{what_would_decide(study, tried, comparison)}."
            )
    return lines


def _draw_and_tell(study_dir: Path, with_verdict: bool = False) -> None:
    """Draw a study and print its table, and its verdict."""
    from transfer.answers.answer import answer
    from transfer.figures.draw import draw_figures, left_out
    from transfer.report.summary import print_table
    from transfer.results import read_runs
    from transfer.statistics.intervals import with_intervals

    drawn = draw_figures(study_dir)
    note(left_out(study_dir))
    print_table(with_intervals(study_dir, read_runs(study_dir)))
    say(f"Results: {study_dir / 'runs.csv'}")
    say(*(f"Figure:  {path}" for path in drawn if path.suffix == ".png"))
    if with_verdict:
        say(f"\nVerdict\n{answer(study_dir)}")


@options(STUDY)
def status(given: argparse.Namespace) -> None:
    """Show how far a running study is and how long it will take.

    Nothing is changed, also while it runs in another process or on another machine that shares
    the folder.
    """
    from transfer.studies.watch.status import print_status, status

    print_status(status(given.study))


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
