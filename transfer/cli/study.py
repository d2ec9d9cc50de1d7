"""``study``, ``run`` and ``status``: train networks, and see how far they are."""

import argparse
import contextlib
from pathlib import Path
from typing import Any

from transfer.cli.arguments import (
    NETWORK,
    STUDY,
    note,
    option,
    options,
    run_name,
    whole,
)
from transfer.program import say

_SETTINGS = (
    option("--out", type=Path, required=True, metavar="DIR", help="folder of the study"),
    option("--data", type=Path, metavar="DIR", help="a data set (default: simulated drives)"),
    *NETWORK,
    option(
        "--protocol",
        choices=("reference", "fast"),
        help="how a network is trained. reference: as published, at most 15 epochs, early "
        "stopping; fast (default): one cycle of the learning rate, 6 epochs (compared in "
        "benchmarks/results/protocols.csv)",
    ),
    option("--epochs", type=int, help="at most this many (default: the protocol's)"),
    option("--batch", type=int, help="images a step (default: the protocol's)"),
    option("--workers", type=whole(1), help="processes (default: one a core)"),
)


@options(
    option(
        "--preset",
        choices=("quick", "full", "paper"),
        default="quick",
        help="quick (default): baseB,baseB+,BnB,AnB,AnB+,sliced at n = 1,4,7,10,13, one seed, "
        "minutes; full: every kind, n = 0-13, three seeds, hours; paper: as published, alpha 1, "
        "224x224, reference protocol, n = 1-13, days on a CPU",
    ),
    option(
        "--kinds",
        help="of baseB,baseB+,BnB,BnB+,AnB,AnB+,RnB,A@nB,sliced (default: those of the preset)",
    ),
    option("--n", help="blocks kept from the base, e.g. 1,4,7 or 0-13 (default: the preset's)"),
    option(
        "--seeds",
        help="each network is trained once with each; every random choice follows from it; "
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
        help="of the Ray cluster, or auto (default: this machine alone)",
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
    from transfer.answers.answer import answer
    from transfer.studies.ask import ask
    from transfer.studies.study import perform
    from transfer.studies.watch.tensorboard import following

    asked = ask(
        given.preset,
        kinds=given.kinds,
        n=given.n,
        seeds=given.seeds,
        bn=given.bn,
        fractions=given.train_fraction,
        **_settings(given),
    )
    with following(given.out) if given.tensorboard else contextlib.nullcontext():
        perform(
            *(given.out, asked, given.data, given.preset, given.workers),
            engine=given.engine,
            address=given.address,
        )
    _draw_and_tell(given.out)
    say(f"\nVerdict\n{answer(given.out)}")


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

    In the folder of a study its data and settings are taken, and none needs to be given.
    """
    from transfer.studies.study import perform_run

    perform_run(given.out, given.name, given.data, given.workers, **_settings(given))
    _draw_and_tell(given.out)


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    names = ("source", "alpha", "input", "protocol", "epochs", "batch")
    return {name: getattr(given, name) for name in names}


def _draw_and_tell(study_dir: Path) -> None:
    from transfer.answers.table import print_table
    from transfer.figures.draw import draw_figures, left_out
    from transfer.results import read_runs
    from transfer.statistics.intervals import with_intervals

    drawn = draw_figures(study_dir)
    note(left_out(study_dir))
    print_table(with_intervals(study_dir, read_runs(study_dir)))
    say(f"Results: {study_dir / 'runs.csv'}")
    say(*(f"Figure:  {path}" for path in drawn if path.suffix == ".png"))


@options(STUDY)
def status(given: argparse.Namespace) -> None:
    """Say where a study stands that is running elsewhere, and how long it will take.

    Nothing is changed, also while it runs in another process or on another machine that shares
    the folder.
    """
    from transfer.studies.watch.status import print_status, status

    print_status(status(given.study))
