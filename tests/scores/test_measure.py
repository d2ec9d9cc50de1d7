"""The table of scores against scores computed from all features at once."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tests.made_features import moments
from transfer.cli import main
from transfer.errors import TransferError
from transfer.scores.closed_form import MOMENT_SCORES, STRENGTHS, class_separation, leep, nce
from transfer.scores.measure import measure_scores, read_inputs
from transfer.scores.representation import feature_function, source_probabilities
from transfer.scores.table import read_scores, write_scores
from transfer.tasks.dataset import load_dataset

RNG = np.random.default_rng(0)
KERNELS = [RNG.standard_normal((3, channels)).astype(np.float32) for channels in (4, 6, 5)]
CLASSIFIER = RNG.standard_normal((5, 8)), RNG.standard_normal(8)


def network(images):
    """Three "blocks": columns of the image, 16 positions, mapped to channels and rectified."""
    columns = images.reshape(len(images), 45, 16, 5, 3).mean((1, 3), dtype=np.float32) / 64
    return [np.maximum(columns @ kernel, 0) for kernel in KERNELS]


def pooled_network(images):
    return [positions.mean(1) for positions in network(images)]


@pytest.fixture(scope="module")
def data(small_data):
    return load_dataset(small_data)


@pytest.fixture(scope="module")
def scores(data):
    return measure_scores(data, network, CLASSIFIER, batch=20)


def value(scores, name, block):
    return scores.set_index(["score", "block"])["value"].loc[name, block]


def test_every_block_has_every_score_and_the_last_those_of_the_classifier(scores):
    assert list(scores.columns) == ["block", "score", "value", "seconds"]
    blocks = scores.groupby("score")["block"].apply(list)
    assert blocks.pop("leep") == blocks.pop("nce") == [2]
    assert all(of_score == [0, 1, 2] for of_score in blocks)
    assert len(blocks) == 2 * len(MOMENT_SCORES) + 2
    assert (scores["seconds"] >= 0).all()


@pytest.mark.parametrize("block", [0, 1, 2])
@pytest.mark.parametrize("name", MOMENT_SCORES)
def test_pooled_features_and_positions_are_scored_as_all_at_once(data, scores, name, block):
    score, labels = MOMENT_SCORES[name], data.train.labels
    positions = network(np.asarray(data.train.images))[block]
    expected = score(moments(positions.mean(1), labels, 3))
    assert value(scores, name, block) == pytest.approx(expected, rel=1e-4)
    expected = score(moments(positions, labels, 3))
    assert value(scores, f"{name}_positions", block) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("block", [0, 1, 2])
def test_rules_are_measured_on_the_validation_images(data, scores, block):
    train, valid = (
        pooled_network(np.asarray(split.images))[block].astype(float)
        for split in (data.train, data.valid)
    )
    labels, truth = data.train.labels, data.valid.labels
    centroids = np.stack([train[labels == label].mean(0) for label in range(3)])
    nearest = ((valid[:, None] - centroids) ** 2).sum(2).argmin(1)
    assert value(scores, "nearest_centroid", block) == np.mean(nearest == truth)
    unit = ((train - train.mean(0)) ** 2).sum() / train.shape[1]
    probes = [Ridge(alpha=s * unit).fit(train, np.eye(3)[labels]) for s in STRENGTHS]
    expected = max(np.mean(probe.predict(valid).argmax(1) == truth) for probe in probes)
    assert value(scores, "ridge_probe", block) == pytest.approx(expected)


def test_leep_and_nce_are_those_of_the_classifier_on_the_last_block(data, scores):
    said = source_probabilities(pooled_network(np.asarray(data.train.images))[2], CLASSIFIER)
    for name, score in {"leep": leep, "nce": nce}.items():
        expected = score(said, data.train.labels, 3)
        assert value(scores, name, 2) == pytest.approx(expected, abs=1e-5)


def test_without_classifier_or_positions_there_are_no_scores_of_them(data, scores):
    found = measure_scores(data, pooled_network)
    assert set(found["score"]) == {*MOMENT_SCORES, "ridge_probe", "nearest_centroid"}
    for row in found.itertuples():
        assert row.value == pytest.approx(value(scores, row.score, row.block), rel=1e-4)


def test_a_written_table_can_be_read_and_no_other(tmp_path, scores):
    write_scores(tmp_path, scores)
    assert read_scores(tmp_path)["value"].to_numpy() == pytest.approx(scores["value"], rel=1e-5)
    for content in ("", "block,score\n1,logme\n", "block,score,value,seconds\nx,logme,1,1\n"):
        (tmp_path / "scores.csv").write_text(content)
        with pytest.raises(TransferError, match="missing or malformed"):
            read_scores(tmp_path)
    with pytest.raises(TransferError, match="missing or malformed"):
        read_scores(tmp_path / "nowhere")


def test_the_command_writes_the_scores_of_14_cuts_and_prints_a_line_for_each(
    small_data, tmp_path, capsys
):
    main(["scores", "--data", str(small_data), "--out", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    first = next(i for i, line in enumerate(lines) if line.split()[0] == "stem")
    assert [line.split()[0] for line in lines[first + 1 : first + 14]] == list(
        map(str, range(1, 14))
    )
    assert any(line.startswith("LEEP of block 13") for line in lines)
    found = read_scores(tmp_path / "out")
    data, architecture, weights, _ = read_inputs(small_data, "fractals", 0.25, (48, 80))
    features = feature_function(architecture, weights)(np.asarray(data.train.images))
    for block, of_block in enumerate(features):
        expected = class_separation(moments(of_block, data.train.labels, 3))
        assert value(found, "class_separation", block) == pytest.approx(expected, rel=1e-3)


def test_what_the_command_needs_is_checked_first(small_data, tmp_path):
    with pytest.raises(TransferError, match="no file"):
        read_inputs(small_data, str(tmp_path / "weights.h5"), 0.25, (48, 80))
    with pytest.raises(TransferError, match="folder of a data set"):
        read_inputs(tmp_path / "nowhere", "fractals", 0.25, (48, 80))
