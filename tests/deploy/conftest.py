"""A finished study of one small network, made by hand in a second."""

import functools
import shutil

import numpy as np
import pytest

from tests.study_files import call_for, write_study
from transfer.deploy.export.write import export
from transfer.folding import write_row
from transfer.networks.architecture import Architecture
from transfer.networks.network import random_weights
from transfer.networks.weights import hash_weights, write_weights
from transfer.results import RUN_COLUMNS
from transfer.runs import parse_run
from transfer.tasks.dataset import content_hash, load_dataset

RUN = "sliced-4_s0"
ARCHITECTURE = Architecture(n=4)


@pytest.fixture(scope="session")
def lively_weights():
    """Weights of an architecture as after training: its predictions differ between images."""

    def make(architecture):
        weights = random_weights(architecture, 5)
        rng = np.random.default_rng(28)
        for name, value in weights.items():
            weight = name.split("/")[1]
            if weight in ("moving_mean", "beta", "bias"):
                value += rng.normal(0, 0.3, value.shape).astype(np.float32)
            elif weight == "moving_variance":
                value *= rng.uniform(0.02, 0.1, value.shape).astype(np.float32)
        head = weights["predictions/kernel"]
        weights["predictions/kernel"] = head - head.mean(0)  # no class wins on all images
        return weights

    return make


@pytest.fixture(scope="session")
def weights(lively_weights):
    return lively_weights(ARCHITECTURE)


@pytest.fixture(scope="session")
def study(tmp_path_factory, small_data, weights):
    """Folder of a study with the finished run ``sliced-4_s0``, for reading."""
    out = tmp_path_factory.mktemp("study")
    data = load_dataset(small_data)
    call = call_for([parse_run(RUN)], str(small_data))
    described = {"dataset": data.name, "data_sha256": content_hash(data), "classes": data.classes}
    write_study(out, call, source=None, **described)
    write_weights(out / "models" / f"{RUN}.weights.h5", weights, ARCHITECTURE)
    row = dict.fromkeys(RUN_COLUMNS, 0)
    row.update(run=RUN, kind="sliced", n=4, bn="", source="none", dataset=data.name, alpha=0.25)
    row.update(input="48x80", protocol="fast", fraction=1.0)
    row.update(weights_sha256=hash_weights(weights))
    write_row(out, row)
    return out


@pytest.fixture
def own_study(study, tmp_path):
    """A copy of the study that a test may change."""
    return shutil.copytree(study, tmp_path / "study")


@pytest.fixture(scope="session")
def exported(study, tmp_path_factory):
    """Export the run to a file of this name (``q...``: int8), once for all tests."""
    folder = tmp_path_factory.mktemp("exported")
    return functools.cache(
        lambda name: export(study / RUN, folder / name, int8=name.startswith("q"))
    )
