"""Baselines are what closed forms, brute force and scikit-learn say they are."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from transfer.errors import TransferError
from transfer.tasks.checks import baselines as module
from transfer.tasks.checks.baselines import baselines, read_baselines, write_baselines
from transfer.tasks.dataset import SPLITS, Dataset, Split, content_hash

SIZES = {"train": 240, "valid": 90, "test": 150}


def overlapping(count, seed):
    """Three classes of unequal size whose grey levels overlap."""
    rng = np.random.default_rng(seed)
    labels = np.where(
        np.arange(count) < 3, np.arange(count), rng.choice(3, count, p=[0.5, 0.3, 0.2])
    )
    images = rng.integers(0, 150, (count, 9, 16, 3), dtype=np.uint8)
    images[:, :, 4:10] += (labels * 12).astype(np.uint8)[:, None, None, None]
    return Split(images, labels)


@pytest.fixture
def data(tmp_path):
    splits = {name: overlapping(SIZES[name], seed) for seed, name in enumerate(SPLITS)}
    return Dataset(tmp_path, "overlapping", 9, 16, ("a", "b", "c"), **splits)


def grey(split):
    """The pictures of images of 9x16 are the images themselves, in grey."""
    return (split.images.astype(float) @ [0.299, 0.587, 0.114]).reshape(len(split.images), -1)


def by_name(data):
    return {one.name: one for one in baselines(data)}


def test_always_one_class_is_a_closed_form(data):
    always = by_name(data)["always_one_class"]
    shares = np.bincount(data.test.labels) / SIZES["test"]
    assert np.bincount(data.train.labels).argmax() == 0
    assert (always.predictions == 0).all()
    assert always.accuracy == pytest.approx(shares[0])
    assert always.balanced_accuracy == pytest.approx(1 / 3)
    assert always.setting == "a"


def brute_force(train, queries, k):
    distances = ((grey(queries)[:, None] - grey(train)) ** 2).sum(axis=2)
    votes = train.labels[np.argsort(distances, axis=1)[:, :k]]
    return np.array([np.bincount(row).argmax() for row in votes])


def test_nearest_neighbours_are_brute_force_and_k_is_chosen_on_validation(data):
    found = by_name(data)["nearest_neighbours"]
    right = {
        k: (brute_force(data.train, data.valid, k) == data.valid.labels).mean() for k in (1, 5, 15)
    }
    k = max(right, key=right.get)
    assert len(set(right.values())) == 3  # the choice is no tie
    assert found.setting == f"{k} of 1, 5, 15 neighbours by validation accuracy; 9x16 grey"
    np.testing.assert_array_equal(found.predictions, brute_force(data.train, data.test, k))


def test_the_linear_classifier_is_the_ridge_that_validates_best(data):
    found = by_name(data)["linear"]
    train, valid, test = (grey(split) for split in data.splits.values())
    scale = train.std()
    models = [
        RidgeClassifier(alpha=penalty * scale**2).fit(train, data.train.labels)
        for penalty in (1, 10, 100, 1000, 10_000)
    ]
    scores = [accuracy_score(data.valid.labels, model.predict(valid)) for model in models]
    assert max(scores) > min(scores)
    best = models[int(np.argmax(scores))]
    np.testing.assert_array_equal(found.predictions, best.predict(test))
    assert found.balanced_accuracy > 0.5


def test_both_accuracies_are_those_of_scikit_learn(data):
    for one in baselines(data):
        assert one.predictions.shape == data.test.labels.shape
        assert one.accuracy == pytest.approx(accuracy_score(data.test.labels, one.predictions))
        assert one.balanced_accuracy == pytest.approx(
            balanced_accuracy_score(data.test.labels, one.predictions)
        )


def test_of_many_training_images_a_sample_is_used_and_named(data, monkeypatch):
    monkeypatch.setattr(module, "_MOST_IMAGES", 100)
    first, second = by_name(data), by_name(data)
    assert "100 of 240 train images" in first["linear"].setting
    assert "valid" not in first["linear"].setting.split(";")[1]
    for name in first:
        np.testing.assert_array_equal(first[name].predictions, second[name].predictions)
        assert len(first[name].predictions) == SIZES["test"]


def test_few_training_images_have_fewer_neighbours(data):
    few = dataclasses.replace(data, train=Split(data.train.images[:6], np.arange(6) % 3))
    assert " of 1, 5 neighbours" in by_name(few)["nearest_neighbours"].setting


def test_the_table_is_written_once_for_a_data_set(data, tmp_path, monkeypatch):
    assert read_baselines(tmp_path).empty
    write_baselines(tmp_path, data)
    table = read_baselines(tmp_path)
    assert table["baseline"].tolist() == ["always_one_class", "nearest_neighbours", "linear"]
    expected = [one.balanced_accuracy for one in baselines(data)]
    np.testing.assert_allclose(table["balanced_accuracy"], expected, atol=1e-6)
    monkeypatch.setattr(module, "baselines", lambda dataset: pytest.fail("computed again"))
    write_baselines(tmp_path, data)
    monkeypatch.undo()
    other = dataclasses.replace(data, test=overlapping(SIZES["test"], 7))
    write_baselines(tmp_path, other)
    assert set(read_baselines(tmp_path)["dataset_sha256"]) == {content_hash(other)}


def test_another_table_is_refused(data, tmp_path):
    write_baselines(tmp_path, data)
    table = pd.read_csv(tmp_path / "baselines.csv")
    table["accuracy"] = 1.5
    table.to_csv(tmp_path / "baselines.csv")
    with pytest.raises(TransferError, match="accuracies of 0..1"):
        read_baselines(tmp_path)
    (tmp_path / "baselines.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TransferError, match="Expected a table"):
        read_baselines(tmp_path)
