"""``study``, ``run`` and ``status``: train networks, and see how far they are."""

import argparse
import contextlib
from pathlib import Path
from typing import Any

from transfer.cli.arguments import (
    Commands,
    add_network,
    add_study,
    note,
    print_sentences,
    run_name,
    whole,
)
from transfer.program import say


def add_commands(commands: Commands) -> None:
    """Add the three commands."""
    study = commands.add_parser(
        "study",
        help="train every network of a study, then draw it and say what it shows",
        description="Train what is missing of a study and nothing else: it can be stopped at any "
        "time, and the same command goes on. The preset says what is run; options change it. "
        "Lists are written 1,4,7 and ranges 0-13.",
    )
    study.add_argument(
        "--preset",
        choices=("quick", "full", "paper"),
        default="quick",
        help="quick (default): baseB,baseB+,BnB,AnB,AnB+,sliced at n = 1,4,7,10,13, one seed, "
        "minutes; full: every kind, n = 0-13, three seeds, hours; paper: as published, alpha 1, "
        "224x224, reference protocol, n = 1-13, days on a CPU",
    )
    study.add_argument(
        "--kinds",
        help="of baseB,baseB+,BnB,BnB+,AnB,AnB+,RnB,A@nB,sliced (default: those of the preset)",
    )
    study.add_argument(
        "--n", help="blocks kept from the base, e.g. 1,4,7 or 0-13 (default: those of the preset)"
    )
    study.add_argument(
        "--seeds",
        help="each network is trained once with each; every random choice follows from it; "
        "e.g. 0,1,2 or 0-4 (default: those of the preset)",
    )
    study.add_argument(
        "--bn",
        help="what a frozen BatchNorm layer does: inference (default; Keras 3: it normalises by "
        "the statistics it brought along), legacy (Keras 2.1.3 to 2.3.1: so in evaluation, but in "
        "training by those of the batch), adapt (PyTorch: its statistics follow the images); "
        "e.g. inference,legacy",
    )
    study.add_argument(
        "--train-fraction",
        help="shares of the training images to train on, e.g. 0.1,0.25,1 (default: 1)",
    )
    _add_settings(study)
    study.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local (default): processes on this machine; ray: tasks on a Ray cluster, where "
        "--workers is how many runs share it (docs/cluster.md)",
    )
    study.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of the Ray cluster, or auto (default: this machine alone)",
    )
    study.add_argument(
        "--tensorboard",
        action="store_true",
        help="keep DIR/tensorboard up to date: curves of all runs, hyper-parameters "
        "(needs the package tensorboard)",
    )
    study.set_defaults(call=_study)
    run = commands.add_parser(
        "run",
        help="train one network by its name, e.g. A3B+_s1",
        description="Train one network, and the baseB it is copied from if that is missing.",
    )
    run.add_argument(
        "name",
        type=run_name,
        metavar="NAME",
        help="NETWORK[_BN][_fFRACTION]_sSEED: baseB_s0, A3B+_s1, A3B_legacy_s0, sliced-7_f0.25_s2",
    )
    _add_settings(run)
    run.set_defaults(call=_run, preset="quick")
    status = commands.add_parser(
        "status",
        help="where a study stands that is running elsewhere, and how long it will take",
        description="Read where a study stands and change nothing, also while it runs in another "
        "process or on another machine that shares the folder.",
    )
    add_study(status)
    status.set_defaults(call=_status)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the study"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="a data set (default: simulated drives)"
    )
    add_network(parser)
    parser.add_argument(
        "--protocol",
        choices=("reference", "fast"),
        help="how a network is trained. reference: as published, at most 15 epochs, early "
        "stopping; fast (default): one cycle of the learning rate, 3 epochs (compared in "
        "benchmarks/results/protocols.csv)",
    )
    parser.add_argument("--epochs", type=int, help="at most this many (default: the protocol's)")
    parser.add_argument("--batch", type=int, help="images a step (default: the protocol's)")
    parser.add_argument("--workers", type=whole(1), help="processes (default: one a core)")


def _study(options: argparse.Namespace) -> None:
    from transfer.studies.ask import ask
    from transfer.studies.study import perform
    from transfer.studies.watch.tensorboard import following

    study = ask(
        options.preset,
        kinds=options.kinds,
        n=options.n,
        seeds=options.seeds,
        bn=options.bn,
        fractions=options.train_fraction,
        **_settings(options),
    )
    with following(options.out) if options.tensorboard else contextlib.nullcontext():
        perform(
            *(options.out, study, options.data, options.preset, options.workers),
            engine=options.engine,
            address=options.address,
        )
    _draw_and_tell(options.out)
    _conclude(options.out)


def _run(options: argparse.Namespace) -> None:
    from transfer.runs import parse_run
    from transfer.studies.ask import ask
    from transfer.studies.study import perform

    run = parse_run(options.name)
    study = ask(
        options.preset,
        kinds=run.kind,
        n=str(run.n or 0),
        seeds=str(run.seed),
        bn=run.bn or None,
        fractions=str(run.fraction),
        **_settings(options),
    )
    perform(options.out, study, options.data, options.preset, options.workers)
    _draw_and_tell(options.out)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    names = ("source", "alpha", "input", "protocol", "epochs", "batch")
    return {name: getattr(options, name) for name in names}


def _draw_and_tell(study_dir: Path) -> None:
    from transfer.answers.table import print_table
    from transfer.figures.draw import draw_figures, left_out
    from transfer.results import read_runs

    drawn = draw_figures(study_dir)
    note(left_out(study_dir))
    print_table(read_runs(study_dir))
    say(f"Results: {study_dir / 'runs.csv'}")
    say(*(f"Figure:  {path}" for path in drawn if path.suffix == ".png"))


def _conclude(study_dir: Path) -> None:
    """The verdict in words, and what to do next."""
    from transfer.answers.next_step import next_step
    from transfer.answers.verdict import verdict

    say("\nVerdict")
    print_sentences(verdict(study_dir))
    say("\nNext step")
    print_sentences(next_step(study_dir))


def _status(options: argparse.Namespace) -> None:
    from transfer.studies.watch.status import print_status, status

    print_status(status(options.study))
