"""Predict: the study's own predictions again, from a run or a file, of a data set or of images."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from tests.deploy.test_export import FLOAT_FILES, RUN, needs_litert, trained_predictions
from tests.test_security import HOSTILE
from transfer.cli import main
from transfer.deploy.export.convert import to_keras, with_metadata
from transfer.deploy.export.open import open_network
from transfer.deploy.predict import predict
from transfer.errors import TransferError
from transfer.networks.backbone import BACKBONES, Architecture
from transfer.networks.network import build, random_weights
from transfer.networks.transplant import set_weights
from transfer.tasks.dataset import CLASSES, load_dataset
from transfer.tasks.imports.images import read_images
from transfer.tasks.imports.importers import import_data

COLUMNS = ["p(forward)", "p(left)", "p(right)"]


@pytest.fixture
def photographs(tmp_path):
    """A folder a class, with every oddity that an import takes or leaves out."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(4)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256, (60, 100, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    deep = rng.integers(0, 1 << 16, (60, 100), dtype=np.uint16)
    Image.fromarray(deep).save(folder / "left" / "deep.png")
    clear = rng.integers(0, 256, (60, 100, 4), dtype=np.uint8)
    Image.fromarray(clear).save(folder / "left" / "clear.png")
    turned = Image.fromarray(clear[..., :3])
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "right" / "turned.jpg", exif=exif)
    (folder / "right" / "damaged.jpg").write_bytes(b"no image")
    (folder / "right" / "link.jpg").symlink_to(folder / "right" / "turned.jpg")
    (folder / "notes.txt").write_text("not an image")
    return folder


def table(path):
    return pd.read_csv(path, dtype={"label": str, "predicted": str}, keep_default_na=False)


def test_a_run_repeats_its_predictions_of_the_test_images(study, small_data, weights, tmp_path):
    done = predict(study / RUN, small_data, tmp_path / "p.csv")
    test = load_dataset(small_data).test
    expected = trained_predictions(weights, test.images)
    rows = table(tmp_path / "p.csv")
    assert list(rows.columns) == ["index", "label", "predicted", *COLUMNS]
    assert rows["index"].tolist() == list(range(48))
    np.testing.assert_allclose(rows[COLUMNS], expected, atol=1e-5)
    assert rows["predicted"].tolist() == [CLASSES[i] for i in expected.argmax(1)]
    assert rows["label"].tolist() == [CLASSES[i] for i in test.labels]
    assert done.accuracy == pytest.approx(accuracy_score(rows["label"], rows["predicted"]))
    balanced = balanced_accuracy_score(rows["label"], rows["predicted"])
    assert done.balanced_accuracy == pytest.approx(balanced)


@pytest.mark.parametrize("name", FLOAT_FILES)
def test_an_exported_file_predicts_as_its_run(exported, study, small_data, tmp_path, name):
    for network, out in ((study / RUN, "run.csv"), (exported(name).path, "file.csv")):
        predict(network, small_data, tmp_path / out)
    run, file = table(tmp_path / "run.csv"), table(tmp_path / "file.csv")
    np.testing.assert_allclose(file[COLUMNS], run[COLUMNS], atol=1e-4)
    assert file["predicted"].equals(run["predicted"])


@needs_litert
@pytest.mark.slow
def test_an_int8_file_predicts(exported, small_data, tmp_path):
    done = predict(exported("q.tflite").path, small_data, tmp_path / "p.csv")
    assert done.accuracy == pytest.approx(exported("q.tflite").metadata["test_accuracy"], abs=1e-6)


def test_images_are_seen_as_an_import_sees_them(exported, weights, photographs, tmp_path):
    """The same files, imported as a data set: its arrays are what the network is given."""
    done = predict(exported("net.keras").path, photographs, tmp_path / "p.csv")
    rows = table(tmp_path / "p.csv")
    import_data(photographs, tmp_path / "data", stratified=True)
    data = load_dataset(tmp_path / "data")
    names = [
        name
        for split in data.splits
        for name in pd.read_csv(tmp_path / "data" / f"{split}_files.csv")["file"]
    ]
    images = np.concatenate([split.images for split in data.splits.values()])
    expected = pd.DataFrame(trained_predictions(weights, images), names, COLUMNS)
    assert {"left/deep.png", "left/clear.png", "right/turned.jpg"} <= set(names)
    found = rows.set_index("file")[COLUMNS]
    np.testing.assert_allclose(found.loc[names], expected, atol=1e-5)
    assert len(rows) == 63
    assert rows["label"].tolist() == [name.split("/")[0] for name in rows["file"]]
    assert done.accuracy == pytest.approx(accuracy_score(rows["label"], rows["predicted"]))
    assert {name for name, _ in done.left_out} == {"right/damaged.jpg", "right/link.jpg"}


def test_test_images_of_an_import_have_the_names_of_their_files(exported, photographs, tmp_path):
    import_data(photographs, tmp_path / "data", stratified=True)
    predict(exported("net.keras").path, tmp_path / "data", tmp_path / "p.csv")
    rows = table(tmp_path / "p.csv")
    assert list(rows.columns) == ["index", "file", "label", "predicted", *COLUMNS]
    for file, label in zip(rows["file"], rows["label"], strict=True):
        assert file.startswith(f"{label}/")
        assert (photographs / file).is_file()


def test_one_image_and_a_flat_folder_have_no_labels(exported, weights, photographs, tmp_path):
    network = exported("net.keras").path
    done = predict(network, photographs / "left/deep.png", tmp_path / "one.csv")
    (row,) = table(tmp_path / "one.csv").to_dict("records")
    seen = read_images([photographs / "left/deep.png"], 45, 80).images
    assert [row[name] for name in COLUMNS] == pytest.approx(
        trained_predictions(weights, seen)[0].tolist(), abs=1e-5
    )
    assert row["file"] == "deep.png"
    assert np.isnan(done.accuracy)
    predict(network, photographs / "left", tmp_path / "flat.csv")
    rows = table(tmp_path / "flat.csv")
    assert len(rows) == 22
    assert "label" not in rows


@pytest.mark.parametrize("what", ["nothing", "empty", "damaged", "classes", "size"])
def test_images_at_fault_end_with_one_line_and_no_table(
    exported, photographs, small_data, tmp_path, capsys, what
):
    (tmp_path / "empty").mkdir()
    images = {"nothing": tmp_path / "nowhere", "empty": tmp_path / "empty"}
    images["damaged"] = photographs / "right" / "damaged.jpg"
    if what in ("classes", "size"):
        images[what] = tmp_path / what
        if what == "classes":
            (photographs / "right").rename(photographs / "back")
        import_data(photographs, images[what], height=45 if what == "classes" else 20, width=80)
    out = tmp_path / "p.csv"
    with pytest.raises(SystemExit) as stopped:
        main(["predict", str(exported("net.keras").path), str(images[what]), "--out", str(out)])
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: Expected")
    assert not out.exists()
    assert not list(tmp_path.glob(".p.csv*"))


def test_what_is_left_out_is_listed_by_the_command(exported, photographs, tmp_path, capsys):
    out = tmp_path / "p.csv"
    main(["predict", str(exported("net.keras").path), str(photographs), "--out", str(out)])
    said = capsys.readouterr()
    assert "left out: right/damaged.jpg: " in said.err
    assert "left out: right/link.jpg: a link" in said.err
    assert "63 images: " in said.out
    assert "balanced over 3 classes" in said.out


@pytest.mark.parametrize("cve", HOSTILE)
def test_the_configuration_of_a_keras_file_is_never_looked_at(exported, small_data, tmp_path, cve):
    """With its metadata and weights it is our network, whatever its configuration would run."""
    marker = tmp_path / "marker"
    hostile = tmp_path / "net.keras"
    with (
        zipfile.ZipFile(exported("net.keras").path) as honest,
        zipfile.ZipFile(hostile, "w") as archive,
    ):
        for name in honest.namelist():
            content = honest.read(name)
            if name == "config.json":
                content = json.dumps(HOSTILE[cve](marker)).encode()
            archive.writestr(name, content)
    predict(hostile, small_data, tmp_path / "hostile.csv")
    predict(exported("net.keras").path, small_data, tmp_path / "honest.csv")
    assert (tmp_path / "hostile.csv").read_bytes() == (tmp_path / "honest.csv").read_bytes()
    assert not marker.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"run": "../x"},
        {"image_size": None},
        {"image_size": [45]},
        {"image_size": [45, 10**9]},
        {"classes": ["a"]},
        {"classes": ["a", "b"]},
        {"alpha": "wide"},
        {"alpha": 0.5},
        {"input_size": [1, 2, 3]},
        {"input_size": [10**6, 10**6]},
    ],
)
def test_a_keras_file_that_is_none_of_ours_is_refused(exported, small_data, tmp_path, change):
    foreign = tmp_path / "net.keras"
    with (
        zipfile.ZipFile(exported("net.keras").path) as honest,
        zipfile.ZipFile(foreign, "w") as archive,
    ):
        archive.writestr("model.weights.h5", honest.read("model.weights.h5"))
        about = json.loads(honest.read("transfer.json")) | change
        archive.writestr("transfer.json", json.dumps(about))
    with pytest.raises(TransferError, match="Expected"):
        predict(foreign, small_data, tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


def test_class_names_and_files_are_no_formulas(exported, photographs, tmp_path):
    (photographs / "left" / "=1+1.png").write_bytes((photographs / "left/0.png").read_bytes())
    predict(exported("net.keras").path, photographs / "left", tmp_path / "p.csv")
    assert "./=1+1.png" in (tmp_path / "p.csv").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_keras_file_of_any_backbone_is_built_from_its_metadata(tmp_path, backbone):
    alpha = BACKBONES[backbone].alpha or 1.0
    architecture = Architecture(2, alpha, (48, 80), (45, 80), 3, backbone)
    trained = build(architecture)
    set_weights(trained, random_weights(architecture, 3))
    about = {"run": "sliced-2_s0", "backbone": backbone, "alpha": alpha, "input_size": [48, 80]}
    about |= {"image_size": [45, 80], "classes": list(CLASSES)}
    (tmp_path / "net.keras").write_bytes(with_metadata(to_keras(trained), "keras", about))
    images = np.random.default_rng(6).integers(0, 256, (4, 45, 80, 3), dtype=np.uint8)
    found = open_network(tmp_path / "net.keras").predict(images)
    np.testing.assert_allclose(found, trained.predict(images, verbose=0), atol=1e-6)
