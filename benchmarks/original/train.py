"""The published networks in the software they were published with: Keras 2.2.4, TensorFlow 1.12.

``make original`` sets the environment up and runs
``python train.py DATA WEIGHTS TABLE.csv --runs baseB A1B B1B --seeds 0``.
Runs that TABLE.csv has already are skipped. BnB copies from the baseB of its seed, whose weights
are kept in a folder beside the table. Only one process may write to a table.

A run is not repeated bit by bit: that TensorFlow may update a layer before the gradients of the
layers below it are computed. Initial weights and the order of images do follow from the seed.
"""

import argparse
import csv
import hashlib
import os
import re
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K

BATCH, EPOCHS = 64, 15
KEY = ("run", "seed", "alpha", "input")


def load(folder, split):
    """Images (N, 45, 80, 3) uint8 and labels (N,) of a data set in the published layout."""
    images = np.load(os.path.join(folder, split + "_data.npy")).reshape(-1, 45, 80, 3)
    return images, np.load(os.path.join(folder, split + "_labels.npy")).reshape(-1).astype(int)


def content_hash(data, classes):
    """SHA-256 of images and labels: the ``dataset.sha256`` that a study.json of ours records."""
    digest = hashlib.sha256(b"45 80 %d\n" % classes)
    for split, (images, labels) in data.items():
        digest.update(b"%s %d\n" % (split.encode(), len(labels)))
        digest.update(images.tobytes())
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def prepare(images, size):
    """Images resized to (height, width) by nearest neighbour, as PIL does it; -1..1 float32."""
    rows, columns = (
        ((np.arange(to) + 0.5) * by / to).astype(int) for to, by in zip(size, images.shape[1:3])
    )
    return images[:, rows][:, :, columns].astype("float32") / 127.5 - 1


def batches(split, size, random=None):
    """Endless batches of images and one-hot labels; a ``random`` shuffles them anew each epoch."""
    images, labels = split
    while True:
        order = random.permutation(len(labels)) if random else np.arange(len(labels))
        for i in np.split(order, range(BATCH, len(order), BATCH)):
            yield prepare(images[i], size), np.eye(labels.max() + 1, dtype="float32")[labels[i]]


def predict(model, images, size, order, training):
    """Probabilities (N, classes), computed in batches of ``order``.

    With ``training`` = 1 every layer behaves as in training, with 0 as in evaluation.
    """
    forward = K.function([model.input, K.learning_phase()], [model.output])
    probabilities = np.zeros((len(images), model.output_shape[-1]))
    for i in np.split(order, range(BATCH, len(order), BATCH)):
        probabilities[i] = forward([prepare(images[i], size), training])[0]
    return probabilities


def balanced(probabilities, labels):
    """Balanced accuracy: the mean over classes of the share of their images that was found."""
    found = probabilities.argmax(1) == labels
    return np.mean([found[labels == label].mean() for label in np.unique(labels)])


def network(alpha, size, classes):
    """MobileNet v1 with a new head, and the same without a head. They share their layers."""
    body = keras.applications.MobileNet(
        alpha=alpha, include_top=False, weights=None, input_shape=(*size, 3)
    )
    x = keras.layers.GlobalAveragePooling2D()(body.output)
    x = keras.layers.Dropout(1e-3)(x)
    return keras.Model(body.input, keras.layers.Dense(classes, activation="softmax")(x)), body


def copy_and_freeze(body, weights, n):
    """Stem and first ``n`` blocks: weights of the file ``weights``, and ``trainable = False``."""
    random = [layer.get_weights() for layer in body.layers]
    body.load_weights(weights, by_name=True)
    end = [layer.name for layer in body.layers].index(f"conv_pw_{n}_relu") + 1
    for layer, start in zip(body.layers[:end], random):
        layer.trainable = False
        if any(np.array_equal(*pair) for pair in zip(start, layer.get_weights())):
            sys.exit(f"error: {weights} has no weights for {layer.name}")  # by_name says nothing
    for layer, start in zip(body.layers[end:], random[end:]):
        layer.set_weights(start)


def frozen_weights(model):
    """All weights of layers that are not trainable."""
    return [w for layer in model.layers if not layer.trainable for w in layer.get_weights()]


def train(name, seed, alpha, size, source, folder, data):
    """Train one network, keep its last epoch. Its row, and test probabilities (N, classes)."""
    started = time.time()
    own = os.path.join(folder, f"baseB-{seed}.h5")
    if name[0] == "B" and not os.path.exists(own):
        sys.exit(f"error: {own} is missing. Train baseB of seed {seed} first.")
    one = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    K.clear_session()
    K.set_session(tf.Session(config=one))
    np.random.seed([seed, name != "baseB"])  # where Keras takes the seeds of initial values from
    tf.set_random_seed(seed)
    model, body = network(alpha, size, data["train"][1].max() + 1)
    if name != "baseB":
        copy_and_freeze(body, source if name[0] == "A" else own, int(name[1:-1]))
    frozen = frozen_weights(model)
    model.compile(
        keras.optimizers.SGD(lr=0.01, momentum=0.9, decay=0.0005),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    steps = {split: -(-len(labels) // BATCH) for split, (_, labels) in data.items()}
    log = model.fit_generator(
        batches(data["train"], size, np.random.RandomState(seed)),
        steps["train"],
        EPOCHS,
        validation_data=batches(data["valid"], size),
        validation_steps=steps["valid"],
        callbacks=[keras.callbacks.EarlyStopping("val_acc", min_delta=1e-4, patience=3)],
        workers=0,
        verbose=2,
    ).history
    assert all(map(np.array_equal, frozen, frozen_weights(model))), "a frozen weight moved"
    if name == "baseB":
        model.save_weights(own)
    images, labels = data["test"]
    probabilities = predict(model, images, size, np.arange(len(labels)), 0)
    mixed = np.random.RandomState(seed).permutation(len(labels))
    in_training = predict(model, images, size, mixed, 1)
    row = {
        "run": name,
        "kind": "baseB" if name == "baseB" else name[0] + "nB",
        "n": "" if name == "baseB" else name[1:-1],
        "seed": seed,
        "alpha": alpha,
        "input": "{}x{}".format(*size),
        "epochs": len(log["acc"]),
        "train_accuracy": log["acc"][-1],
        "val_accuracy": log["val_acc"][-1],
        "val_best": max(log["val_acc"]),
        "val_best_epoch": np.argmax(log["val_acc"]) + 1,
        "test_accuracy": np.mean(probabilities.argmax(1) == labels),
        "test_balanced_accuracy": balanced(probabilities, labels),
        "test_balanced_accuracy_training_mode": balanced(in_training, labels),
        "train_images": len(data["train"][1]),
        "seconds": round(time.time() - started),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
    texts = {k: f"{v:.6g}" if isinstance(v, np.floating) else str(v) for k, v in row.items()}
    return texts, probabilities


def finished(table):
    """The rows of ``table``; none where there is no table yet."""
    if not os.path.exists(table):
        return []
    with open(table, newline="") as file:
        return [dict(row) for row in csv.DictReader(file)]


def add(table, row, probabilities):
    """Add probabilities (float16) to the archive beside ``table``, then the row to ``table``."""
    archive = os.path.splitext(table)[0] + ".npz"
    arrays = dict(np.load(archive)) if os.path.exists(archive) else {}
    arrays["{run}-{seed}-alpha{alpha}-{input}".format(**row)] = probabilities.astype(np.float16)
    np.savez_compressed(archive + ".new.npz", **arrays)
    os.replace(archive + ".new.npz", archive)
    with open(table + ".new", "w", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*finished(table), row])
    os.replace(table + ".new", table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="folder with train_data.npy, train_labels.npy, ...")
    parser.add_argument("weights", help="ImageNet weights of MobileNet v1, Keras HDF5")
    parser.add_argument("table", help="the CSV that gets a row for each run")
    parser.add_argument("--runs", nargs="+", default=["baseB", "A1B", "B1B"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--alpha", type=float, default=0.25)
    parser.add_argument("--input", default="48x80", help="height x width")
    arguments = parser.parse_args()
    for name in arguments.runs:
        if not re.match(r"(baseB|[AB]([1-9]|1[0-3])B)$", name):
            parser.error(f"expected baseB, A1B to A13B or B1B to B13B, received {name}")
    table, alpha, size = arguments.table, arguments.alpha, arguments.input
    folder = f"{os.path.splitext(table)[0]}-weights-alpha{alpha}-{size}"
    os.makedirs(folder, exist_ok=True)
    data = {split: load(arguments.data, split) for split in ("train", "valid", "test")}
    with open(arguments.weights, "rb") as file:
        source = hashlib.sha256(file.read()).hexdigest()
    classes = data["train"][1].max() + 1
    sources = {"dataset_sha256": content_hash(data, classes), "source_sha256": source}
    for row in finished(table):
        if (row["alpha"], row["input"]) == (
            str(alpha),
            size,
        ) and not row.items() >= sources.items():
            sys.exit(f"error: {table} has runs of other data or weights. Give another table.")
    done = [tuple(row[k] for k in KEY) for row in finished(table)]
    for seed in arguments.seeds:
        for name in arguments.runs:
            if (name, str(seed), str(alpha), size) in done:
                continue
            print(name, "seed", seed, flush=True)
            sides = [int(side) for side in size.split("x")]
            row, probabilities = train(name, seed, alpha, sides, arguments.weights, folder, data)
            add(table, {**row, **sources}, probabilities)
            print(row, flush=True)


if __name__ == "__main__":
    main()
