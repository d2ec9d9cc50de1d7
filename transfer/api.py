"""The public API: what ``import transfer`` offers. TensorFlow is imported by the functions that
build or train a network, and by no other."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from transfer.answers.answer import Answer, answer
from transfer.deploy.costs.pareto import candidates
from transfer.deploy.driving.table import read_drives
from transfer.deploy.reestimation.table import read_reestimation
from transfer.errors import TransferError
from transfer.figures import accuracy
from transfer.figures.draw import published_table, read_published, runs_of
from transfer.figures.measured import driving_against_n, reestimation_against_n
from transfer.figures.pareto import pareto_figure
from transfer.files import exclusively
from transfer.results import read_runs
from transfer.runs import Run, parse_run
from transfer.statistics.gain import gains
from transfer.studies.ask import ask, ask_run
from transfer.studies.setup import prepare
from transfer.studies.study import perform
from transfer.study_file import Context, model_path
from transfer.tasks.checks.baselines import read_baselines
from transfer.tasks.dataset import Dataset, load_dataset
from transfer.tasks.lanes.generate import generate

if TYPE_CHECKING:
    import keras

# TensorFlow's notes at its start are not shown.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

#: What can be drawn of runs, and of the folder of a study with more tables.
_OF_RUNS: dict[str, Callable[..., Figure]] = {
    "accuracy_against_n": accuracy.accuracy_against_n,
    "bn_semantics": accuracy.bn_semantics,
}
_OF_FOLDER: dict[str, Callable[[Path, str], Figure]] = {
    "gain_against_images": lambda folder, title: accuracy.gain_against_images(gains(folder), title),
    "pareto": lambda folder, title: pareto_figure(candidates(folder), title),
    "driving_against_n": lambda folder, title: driving_against_n(
        read_drives(folder / "driving.csv"), read_study(folder), title
    ),
    "reestimation_against_n": lambda folder, title: reestimation_against_n(
        read_reestimation(folder / "reestimation.csv"), title
    ),
    "negative_transfer": lambda folder, title: accuracy.negative_transfer(
        folder, read_published(published_table()), title
    ),
}


def load_data(path: str | Path, simulate: int | None = None) -> Dataset:
    """Open a data set; the images stay on disk until they are used.

    Parameters
    ----------
    path : path
        Folder of a data set, as ``python -m transfer data`` makes it.
    simulate : int or None
        If there is no such folder: how many training images of simulated drives to make there,
        with a quarter as many for validation and half as many for the test.

    Returns
    -------
    Dataset
        With ``train``, ``valid`` and ``test``: ``images``, uint8 (N, height, width, 3), and
        ``labels``, int64 (N,); and with ``classes``, their names.

    Raises
    ------
    TransferError
        If there is no data set, or it is damaged.

    Examples
    --------
    >>> data = transfer.load_data("data/mytub")
    >>> data.train.images.shape, data.classes
    ((96, 45, 80, 3), ('forward', 'left', 'right'))
    """
    folder = Path(path)
    if simulate is not None and not folder.exists():
        with exclusively(folder.with_name(f".{folder.name}.lock")):  # another may be making it
            if not folder.exists():
                generate(folder, train=simulate, valid=simulate // 4, test=simulate // 2)
    return load_dataset(folder)


def network(
    name: str,
    data: str | Path | Dataset,
    source: str = "fractals",
    alpha: float | None = None,
    input: tuple[int, int] = (48, 80),
    seed: int = 0,
    backbone: "str | keras.Model" = "mobilenet",
    cuts: Sequence[str] = (),
    base: "keras.Model | None" = None,
) -> "keras.Model":
    """A network before training: its blocks copied, and frozen as its name says.

    It holds Keras' own layers only. It compiles, fits and saves as any other, and its file opens
    where this package is not installed.

    Parameters
    ----------
    name : str
        Of the network, as ``baseB``, ``A5B``, ``A5B_legacy``, ``A5B+``, ``sliced-8``.
    data : path or Dataset
        The target task: it gives the size of the images and the number of classes.
    source : str
        Where baseA comes from: ``fractals`` (shipped), ``imagenet``, or a weight file.
    alpha : float or None
        Width multiplier, above 0 and at most 2; None: the usual one of the backbone.
    input : (int, int)
        Height and width that the network resizes images to; at least 32 each.
    seed : int
        Of the initial weights of what is not copied.
    backbone : str or keras.Model
        A key of `transfer.networks.backbone.BACKBONES`; or baseA itself, any functional model from
        images of 0..255 (source, alpha and input are then its own).
    cuts : sequence of str
        With a model: names of the layers whose outputs end the stem, block 1, block 2, ...
    base : keras.Model or None
        A trained baseB, from which BnB and BnB+ copy; other networks need none.

    Returns
    -------
    keras.Model
        From uint8 images (N, height, width, 3) to class probabilities float32 (N, classes).

    Raises
    ------
    TransferError
        If the name is not that of a network; data, source or base do not fit; or a cut is none,
        since a shortcut jumps over it.

    Examples
    --------
    >>> model = transfer.network("A5B", "data/mytub")
    >>> frozen = [layer.name for layer in model.layers if layer.weights and not layer.trainable]
    >>> frozen[0], frozen[-1]
    ('conv1', 'conv_pw_5_bn')
    """
    from transfer.networks.transplant import get_weights
    from transfer.networks.weights import write_weights
    from transfer.studies.execute import architecture_of, starting_weights
    from transfer.tasks.dataset import stratified_fraction

    run, data = _run(name, seed), _opened(data)
    if not isinstance(backbone, str):
        from transfer.networks.own import cut_from

        size = (data.height, data.width)
        return cut_from(run, backbone, cuts, size, len(data.classes), base)
    with _context(run, data, source=source, backbone=backbone, alpha=alpha, input=input) as (
        context,
        _,
    ):
        for needed in run.depends_on:
            if base is None:
                raise TransferError(
                    f"{name} copies from a trained baseB. Give one: "
                    "base=transfer.train('baseB', data)[0]."
                )
            shape = architecture_of(needed, context, data)
            write_weights(model_path(context.study_dir, needed), get_weights(base), shape)
        used = stratified_fraction(data.train.labels, run.fraction, run.seed)
        return _model(run, context, data, starting_weights(run, context, data, used), len(used))


def train(
    name: str,
    data: str | Path | Dataset,
    source: str = "fractals",
    alpha: float | None = None,
    input: tuple[int, int] = (48, 80),
    seed: int = 0,
    backbone: str = "mobilenet",
    protocol: str = "fast",
    epochs: int | None = None,
    batch: int | None = None,
) -> "tuple[keras.Model, pd.DataFrame, pd.Series]":
    """Train one network as a study does, and evaluate it on the test images.

    What it copies is trained before it: ``B5B`` trains baseB first. A study's workers use one
    thread each and TensorFlow's deterministic operations; here both are as you have set them.
    Differences of rounding grow in training, so the numbers are not those of a study to the digit,
    and on few images not close to them. After
    ``transfer.training.loop.use_deterministic_cpu(1)`` they are the same.

    Parameters
    ----------
    name, data, source, alpha, input, seed, backbone
        As in `network`.
    protocol : {"fast", "reference"}
    epochs, batch : int or None
        Epochs at most, and images a step; None: the protocol's.

    Returns
    -------
    model : keras.Model
        With the weights of the best validation epoch; as from `network` otherwise.
    history : pandas.DataFrame
        One row an epoch: loss, accuracy, val_loss, val_accuracy, ...
    row : pandas.Series
        The row of ``runs.csv``: test_accuracy, test_balanced_accuracy, parameters, ...

    Raises
    ------
    TransferError
        As `network`; if there are fewer images than a batch, or training diverges.

    Examples
    --------
    >>> model, history, row = transfer.train("sliced-3", "data/mytub", epochs=1, batch=16)
    >>> row["run"], len(history), int(row["parameters"])
    ('sliced-3_s0', 1, 3059)
    """
    from transfer.networks.weights import read_weights
    from transfer.studies.execute import architecture_of, execute

    logging.getLogger("tensorflow").setLevel("ERROR")  # a graph a network is intended
    run, data = _run(name, seed), _opened(data)
    options: dict[str, Any] = {"protocol": protocol, "epochs": epochs, "batch": batch}
    logged: list[dict[str, float]] = []
    options |= {"source": source, "backbone": backbone, "alpha": alpha, "input": input}
    with _context(run, data, **options) as (context, runs):
        for each in runs:  # those it copies from, then itself
            row = execute(each, context, lambda so_far: logged.__setitem__(slice(None), so_far))
        shape = architecture_of(run, context, data)
        weights = read_weights(model_path(context.study_dir, run), shape, head=True)
        model = _model(run, context, data, weights, row["train_images"])
    return model, pd.DataFrame(logged).set_index("epoch"), pd.Series(row)


def study(
    out: str | Path,
    data: str | Path | Dataset | None = None,
    preset: str = "quick",
    workers: int | None = None,
    **asked: Any,
) -> pd.DataFrame:
    """Train what is missing of a study, on all cores, and return all of its runs.

    In a script, call it below ``if __name__ == "__main__":``, since it starts processes.

    Parameters
    ----------
    out : path
        Folder of the study. Finished runs in it are kept.
    data : path, Dataset or None
        The target task; None: simulated drives of the preset's size.
    preset : {"quick", "full", "paper"}
    workers : int or None
        Processes; None: one a core.
    **asked
        What differs from the preset, as on the command line: ``kinds``, ``n``, ``seeds``, ``bn``,
        ``fractions``, ``source``, ``backbone``, ``alpha``, ``input``, ``protocol``, ``epochs``,
        ``batch``. Text as there (``n="1-3,7"``), or lists (``n=[1, 2, 3, 7]``, ``input=(48, 80)``).

    Returns
    -------
    pandas.DataFrame
        As from `read_study`.

    Raises
    ------
    TransferError
        If something asked for, the data, the source or the folder is at fault, or a run fails.

    Examples
    --------
    >>> runs = transfer.study(
    ...     "experiments-results/mytub", "data/mytub", kinds=["baseB", "AnB"], n=[4, 8], seeds=[0]
    ... )  # doctest: +SKIP
    """
    words = {key: _in_words(key, value) for key, value in asked.items()}
    folder = data.path if isinstance(data, Dataset) else data
    perform(out, ask(preset, **words), folder, preset, workers)
    return read_study(out)


def read_study(path: str | Path) -> pd.DataFrame:
    """The finished runs of a study, one row each.

    Parameters
    ----------
    path : path
        Folder of a study, or of the published accuracies (``all_experiments.csv`` alone).

    Returns
    -------
    pandas.DataFrame
        Columns: run, kind, n, seed, bn, ..., test_accuracy, test_balanced_accuracy, ...; and low
        and high, the 95 % interval of the mean balanced accuracy of the run's network.

    Raises
    ------
    TransferError
        If the folder holds no study, or a damaged one.

    Examples
    --------
    >>> runs = transfer.read_study("experiments-results/lanes-fractals")
    >>> bool(runs["test_balanced_accuracy"].between(0, 1).all())
    True
    """
    return runs_of(Path(path))


def verdict(path: str | Path, margin: float | None = None, metric: str = "balanced") -> Answer:
    """The answer of a study: where to cut, what can stay frozen, and how sure that is.

    Parameters
    ----------
    path : path
        Folder of a study.
    margin : float, optional
        How much below baseB still counts as good, 0..1. None: that of a study that went on until
        it was decided, and one point (0.01) for others.
    metric : {"balanced", "accuracy"}
        Balanced: the mean over classes of the share of images found.

    Returns
    -------
    Answer
        Its fields are `recommendation`, `network`, `confidence`, `saves`, `warnings`, ...;
        ``print`` shows all of it in words.

    Raises
    ------
    TransferError
        If the folder holds no study, or a damaged one.

    Examples
    --------
    >>> answer = transfer.verdict("experiments-results/donkey-imagenet-fast")
    >>> answer.recommendation
    'Keep 6 of 13 blocks (sliced-6).'
    """
    return answer(path, margin, metric)


def plot(
    study: str | Path | pd.DataFrame,
    figure: str = "accuracy_against_n",
    kinds: Sequence[str] | None = None,
    title: str = "",
    published: bool = False,
) -> Figure:
    """Draw a study.

    Parameters
    ----------
    study : path or pandas.DataFrame
        Folder of a study, or runs as from `read_study`.
    figure : str
        Of runs: ``accuracy_against_n``, ``bn_semantics``. Of a folder that has what they need,
        also ``gain_against_images``, ``pareto``, ``driving_against_n``,
        ``reestimation_against_n``, ``negative_transfer``.
    kinds : sequence of str or None
        Kinds of network to draw of runs, as ``["baseB", "AnB"]``; None: all.
    title : str
        Above the figure; "": the name of the folder.
    published : bool
        Whether the published accuracies are drawn beside runs, as hollow markers.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TransferError
        If there is no such figure, or the study lacks what it shows.

    Examples
    --------
    >>> drawn = transfer.plot("experiments-results/lanes-fractals", kinds=["baseB", "AnB"])
    >>> drawn.savefig("accuracy.png")
    """
    if isinstance(study, pd.DataFrame):
        runs = study
    else:
        title = title or Path(study).resolve().name
        runs = read_study(study)
        if figure in _OF_FOLDER:
            read_runs(study)  # says it where there is no study
            return _OF_FOLDER[figure](Path(study), title)
    if figure not in _OF_RUNS:
        known = ", ".join(_OF_RUNS), ", ".join(_OF_FOLDER)
        raise TransferError(
            f"Expected a figure of {known[0]}, or of a folder {known[1]}. Received: {figure!r}."
        )
    if kinds is not None:
        runs = runs[runs["kind"].isin(kinds)]
    points = read_published(published_table()) if published else None
    if points is not None and kinds is not None:
        points = points[points["kind"].isin(kinds)]
    if figure == "accuracy_against_n" and not isinstance(study, pd.DataFrame):
        return accuracy.accuracy_against_n(runs, title, points, read_baselines(study))
    return _OF_RUNS[figure](runs, title, points)


def _run(name: str, seed: int) -> Run:
    """The run of a network's name, which says no seed."""
    if "_s" in name:
        raise TransferError(f"Expected a name without a seed, and seed=... Received: {name!r}.")
    return parse_run(f"{name}_s{seed}")


def _opened(data: str | Path | Dataset) -> Dataset:
    return data if isinstance(data, Dataset) else load_dataset(data)


def _in_words(option: str, value: Any) -> Any:
    """A list, array or single number as the command line writes it; anything else as it is."""
    value = value.tolist() if hasattr(value, "tolist") else value  # of numpy
    if option in ("n", "seeds", "fractions") and isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return ("x" if option == "input" else ",").join(map(str, value))


@contextlib.contextmanager
def _context(run: Run, data: Dataset, **asked: Any) -> Iterator[tuple[Context, list[Run]]]:
    """A study of one network in a temporary folder: what its runs share, and its runs."""
    words = {key: _in_words(key, value) for key, value in asked.items()}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "study"
        study = ask_run(run.name, out, **words)
        yield prepare(out, study, data.path), study.runs()


def _model(
    run: Run, context: Context, data: Dataset, weights: dict[str, Any], images: int
) -> "keras.Model":
    """The network with these weights, of Keras' own layers, frozen as its name says."""
    from transfer.networks.network import build
    from transfer.networks.transplant import freeze, frozen_layers, set_weights, with_keras_layers
    from transfer.studies.execute import architecture_of
    from transfer.training.loop import batch_norm_momentum

    momentum = batch_norm_momentum(images, min(context.settings.protocol.batch, images))
    architecture = architecture_of(run, context, data)
    model = build(architecture, momentum)
    set_weights(model, weights)
    model = with_keras_layers(model)
    freeze(model, frozen_layers(run, architecture), run.bn)
    return model
