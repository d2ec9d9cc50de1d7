"""Re-estimation of a finished run: a network with foreign statistics is itself again."""

import json

import numpy as np
import pytest

from transfer.cli import main
from transfer.deploy.export.runtimes import open_exported
from transfer.deploy.export.write import chosen_images, export
from transfer.deploy.reestimation.measure import measure_reestimation
from transfer.deploy.reestimation.table import read_reestimation
from transfer.errors import TransferError
from transfer.folding import write_row
from transfer.networks.architecture import Architecture
from transfer.networks.network import build, random_weights
from transfer.networks.transplant import set_weights
from transfer.networks.weights import write_weights
from transfer.results import working
from transfer.runs import Protocol
from transfer.tasks.dataset import Split, content_hash, load_dataset, write_dataset
from transfer.training.evaluation import accuracy
from transfer.training.loop import Images, batch_norm_momentum, fit
from transfer.training.reestimate import reestimate
from transfer.training.step import Setting, Trainer

NAME = "sliced-2_s0"
ARCHITECTURE = Architecture(n=2)


@pytest.fixture(scope="module")
def tinted_data(tmp_path_factory):
    """Noise of one of three tints: what two blocks and pooling can tell apart."""
    out = tmp_path_factory.mktemp("tinted") / "data"
    splits = {}
    for seed, (name, count) in enumerate({"train": 96, "valid": 36, "test": 48}.items()):
        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 3
        images = rng.integers(0, 160, (count, 45, 80, 3), dtype=np.uint8)
        images[np.arange(count), :, :, labels] += 90
        splits[name] = Split(images, labels.astype(np.int64), np.full(count, seed))
    classes = ("red", "green", "blue")
    write_dataset(out, splits, name="tinted", height=45, width=80, classes=classes, recipe={})
    return out


@pytest.fixture(scope="module")
def trained(tinted_data, tmp_path_factory):
    """Weights of a small network that has learnt the tints."""
    data = load_dataset(tinted_data)
    protocol = Protocol("one_cycle", 0.1, 0.9, True, 16, 12)
    momentum = batch_norm_momentum(len(data.train.images), 16)
    trainer = Trainer(Setting(ARCHITECTURE, (), "", momentum, 0.9, True, 16))
    start = random_weights(ARCHITECTURE, 0)
    indices = np.arange(len(data.train.labels))
    images = Images(
        data.train.images, data.train.labels, indices, data.valid.images, data.valid.labels
    )
    checkpoint = tmp_path_factory.mktemp("checkpoint") / "c"
    return fit(trainer, start, images, protocol, 0, checkpoint, lambda epochs: None)[1]


@pytest.fixture
def spoilt(own_study, trained, tinted_data):
    """A study whose run has learnt the target and normalises by statistics of something else."""
    study = json.loads((own_study / "study.json").read_text())
    study["calls"][-1]["data"] = str(tinted_data)
    study["dataset"]["sha256"] = content_hash(load_dataset(tinted_data))
    (own_study / "study.json").write_text(json.dumps(study))
    weights = dict(trained)
    rng = np.random.default_rng(3)
    for name, value in trained.items():
        if name.endswith("moving_mean"):
            weights[name] = value + rng.normal(0, 1.0, value.shape).astype(np.float32)
        elif name.endswith("moving_variance"):
            weights[name] = value * rng.uniform(0.1, 10, value.shape).astype(np.float32)
    write_weights(own_study / "models" / f"{NAME}.weights.h5", weights, ARCHITECTURE)
    row = json.loads(working(own_study, "rows", "sliced-4_s0.json").read_text())
    write_row(own_study, row | {"run": NAME, "n": 2})
    return own_study


def test_a_network_with_foreign_statistics_is_rescued_without_training(spoilt):
    frame = measure_reestimation(spoilt, [NAME], 64)
    (row,) = frame.to_dict("records")
    assert (row["kind"], row["n"], row["layers"], row["images"]) == ("sliced", 2, "all", 64)
    assert row["after"] > 0.9 > 0.8 > row["before"]
    again = measure_reestimation(spoilt, [NAME], 96)  # replaces the row
    assert len(again) == 1
    assert read_reestimation(spoilt / "reestimation.csv")["images"].tolist() == [96]


def test_the_accuracy_written_is_that_of_the_reestimated_network(spoilt, tinted_data):
    from transfer.deploy.export.open import read_finished

    data = load_dataset(tinted_data)
    weights = reestimate(
        ARCHITECTURE, read_finished(spoilt / NAME).weights(), chosen_images(data, 64)
    )
    network = build(ARCHITECTURE)
    set_weights(network, weights)
    expected = network(np.array(data.test.images), training=False).numpy()
    frame = measure_reestimation(spoilt, [NAME], 64)
    assert frame["after"].iloc[0] == pytest.approx(accuracy(expected, data.test.labels), abs=1e-5)


def test_an_export_can_be_reestimated_and_says_so(spoilt, tmp_path, tinted_data):
    data = load_dataset(tinted_data)
    plain = export(spoilt / NAME, tmp_path / "plain.keras")
    main(["export", str(spoilt / NAME), "--out", str(tmp_path / "net.keras"), "--reestimate", "64"])
    opened = open_exported(tmp_path / "net.keras")
    assert opened.metadata["reestimated_on"] == 64
    assert opened.metadata["weights_sha256"] != plain.metadata["weights_sha256"]
    assert "reestimated_on" not in plain.metadata
    found = accuracy(opened.predict(np.array(data.test.images)), data.test.labels)
    assert found > 0.9 > plain.metadata["test_accuracy"]


@pytest.mark.parametrize("images", [0, 97])
def test_more_images_than_there_are_is_refused(spoilt, images):
    with pytest.raises(TransferError, match="Expected 1 to 96 training images"):
        measure_reestimation(spoilt, [NAME], images)
    assert not (spoilt / "reestimation.csv").exists()


def test_another_source_than_that_of_the_study_is_refused(spoilt):
    with pytest.raises(TransferError, match="Expected the source of"):
        measure_reestimation(spoilt, [NAME], 64, source="fractals")


def test_a_study_with_its_source_gets_a_probe_of_every_block(spoilt):
    from transfer.files import sha256_of
    from transfer.networks.sources import find_source

    study = json.loads((spoilt / "study.json").read_text())
    study["source"] = {"name": "fractals", "sha256": sha256_of(find_source("fractals", 0.25)[1])}
    (spoilt / "study.json").write_text(json.dumps(study))
    frame = measure_reestimation(spoilt, [NAME], 64, source="fractals")
    probe = frame[frame["kind"] == "probe"]
    assert probe["n"].tolist() == list(range(14))
    assert probe[["before", "after"]].stack().between(0, 1).all()
    assert (probe["before"] != probe["after"]).any()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["reestimate", "{study}", NAME, "--images", "0"], 2),
        (["reestimate", "{study}", "A100B_s0"], 2),
        (["reestimate", "{study}", "A3B_s0"], 1),
        (["reestimate", "{study}", NAME, "--images", "64", "--source", "fractals"], 1),
        (["export", "{study}/" + NAME, "--out", "{study}/x.keras", "--reestimate", "-1"], 2),
        (["measure", "{study}", "--formats", "tflite"], 2),
        (["measure", "{study}", "A3B_s0", "--formats", "keras"], 1),
    ],
)
def test_mistakes_of_the_command_line_end_with_one_line(spoilt, capsys, arguments, code):
    with pytest.raises(SystemExit) as stopped:
        main([argument.format(study=spoilt) for argument in arguments])
    assert stopped.value.code == code
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(lines) == 1
    assert not any((spoilt / name).exists() for name in ("reestimation.csv", "deploy.csv"))
