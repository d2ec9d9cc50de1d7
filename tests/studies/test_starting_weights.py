"""Common random numbers: networks of one seed start alike in all that the comparison is not about.

The oracle is the protocol: a re-initialised weight is a function of seed, name and shape; baseB has
a stream of its own.
"""

import numpy as np
import pytest

from tests.made_study import row_of
from tests.study_files import SETTINGS
from transfer.errors import TransferError
from transfer.folding import write_row
from transfer.networks.architecture import Architecture, layers_of_block
from transfer.networks.sources import find_source
from transfer.networks.weights import hash_weights, read_weights, write_weights
from transfer.runs import parse_run
from transfer.studies.execute import architecture_of, starting_weights
from transfer.study_file import Context, model_path
from transfer.tasks.dataset import load_dataset

INDICES = np.arange(96)


@pytest.fixture(scope="module")
def context(small_data, tmp_path_factory):
    _, path = find_source("fractals", 0.25)
    return Context(tmp_path_factory.mktemp("study"), small_data, path, SETTINGS)


@pytest.fixture(scope="module")
def start_of(context):
    """Function from a run's name to its starting weights, keyed ``layer/weight``."""
    data, out = load_dataset(context.data), context.study_dir
    for seed in (0, 1):
        base = parse_run(f"baseB_s{seed}")
        weights = starting_weights(base, context, data, INDICES)
        write_weights(model_path(out, base), weights, architecture_of(base, context, data))
        write_row(out, row_of(base.name) | {"weights_sha256": hash_weights(weights)})
    return lambda name: starting_weights(parse_run(name), context, data, INDICES)


def kernels(weights, first, last=13):
    names = {
        name for block in range(first, last + 1) for name in layers_of_block(Architecture(), block)
    }
    return {k: v for k, v in weights.items() if k.split("/")[0] in names and k.endswith("/kernel")}


def shared(a, b, first, last=13):
    """For each kernel of these blocks: whether both start from the same values."""
    a, b = kernels(a, first, last), kernels(b, first, last)
    assert set(a) == set(b) != set()
    return {np.array_equal(a[name], b[name]) for name in a}


@pytest.mark.parametrize("other", ["A3B+_s0", "A3B_legacy_s0", "B7B_s0", "B7B+_s0", "R7B_s0"])
def test_new_layers_of_one_seed_start_from_the_same_values(start_of, other):
    ours, theirs = start_of("A7B_s0"), start_of(other)
    assert shared(ours, theirs, 8) == {True}
    assert (ours["predictions/kernel"] == theirs["predictions/kernel"]).all()


def test_heads_of_one_shape_are_one(start_of):
    whole, cut = start_of("baseB+_s0"), start_of("A7B_s0")
    assert (whole["predictions/kernel"] == cut["predictions/kernel"]).all()
    eight, nine = (start_of(f"sliced-{n}_s0")["predictions/kernel"] for n in (8, 9))
    assert eight.shape != whole["predictions/kernel"].shape
    assert (eight == nine).all()  # blocks 8 and 9 have as many channels


def test_baseb_has_a_stream_of_its_own(start_of):
    assert shared(start_of("baseB_s0"), start_of("B7B_s0"), 8) == {False}
    assert shared(start_of("baseB_s0"), start_of("B7B_s0"), 0, 7) == {True}  # copied


def test_another_seed_is_another_start(start_of):
    assert shared(start_of("A7B_s0"), start_of("A7B_s1"), 8) == {False}
    assert shared(start_of("baseB_s0"), start_of("baseB_s1"), 0) == {False}


def test_the_random_frozen_blocks_are_those_of_the_seed(start_of):
    assert shared(start_of("R3B_s0"), start_of("R7B_s0"), 0) == {True}
    assert shared(start_of("R3B_s0"), start_of("R3B_s1"), 0) == {False}
    assert shared(start_of("R3B_s0"), start_of("A3B_s0"), 0, 3) == {False}


def test_no_two_layers_of_a_network_start_from_the_same_values(start_of):
    start = kernels(start_of("baseB_s0"), 0)
    first = {float(value.flat[0]) for value in start.values()}
    assert len(first) == len(start)


def test_weights_of_base_b_that_are_not_those_of_its_row_are_refused(start_of, context):
    run = parse_run("baseB_s0")
    architecture = architecture_of(run, context, load_dataset(context.data))
    path = model_path(context.study_dir, run)
    whole = path.read_bytes()
    weights = read_weights(path, architecture, head=True)
    for name in ("conv_dw_2_bn/gamma", "predictions/bias"):
        altered = weights | {name: np.nextafter(weights[name], np.float32(9))}
        write_weights(path, altered, architecture)
        with pytest.raises(TransferError, match=r"B3B_s0 copies from baseB_s0, .* not those that"):
            start_of("B3B_s0")
    path.write_bytes(whole)
    start_of("B3B_s0")
