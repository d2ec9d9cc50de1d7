"""A folder of images as people have them: of any size and mode, and one of them broken."""

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw

CLASSES = ("cup", "fork", "knife", "plate", "spoon")
ROOMS = 10


def drawn(label, rng):
    """Some shape of the class on noise, at some size and place."""
    width, height = (int(side) for side in rng.integers(40, 240, 2))
    noise = rng.integers(0, 120, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    draw = ImageDraw.Draw(image)
    box = [0.2 * width, 0.2 * height, 0.8 * width, 0.8 * height]
    colour = tuple(int(c) for c in rng.integers(150, 256, 3))
    if label == 0:
        draw.ellipse(box, fill=colour)
    elif label == 1:
        draw.rectangle(box, fill=colour)
    elif label == 2:
        draw.line(box, fill=colour, width=12)
    elif label == 3:
        draw.ellipse(box, outline=colour, width=8)
    else:
        draw.polygon([(box[0], box[3]), (width / 2, box[1]), (box[2], box[3])], fill=colour)
    return image


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Folder of five classes of 60 images: colour, grey, 16 bits, RGBA, palette, turned by EXIF.

    One file is broken. Beside the folders lies labels.csv, which names the same images.
    """
    folder = tmp_path_factory.mktemp("source") / "photos"
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    lines = ["path,label"]
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(60):
            image = drawn(label, rng)
            stem = folder / name / f"{'abcdefghij'[number % ROOMS]}-{number:02d}"
            kind = number % 6
            if kind == 0:
                image.convert("L").save(path := stem.with_suffix(".png"))
            elif kind == 1:
                image.convert("RGBA").save(path := stem.with_suffix(".png"))
            elif kind == 2:
                image.save(path := stem.with_suffix(".JPG"), exif=exif)
            elif kind == 3:
                deep = np.asarray(image.convert("L")).astype(np.uint16) * 257
                Image.fromarray(deep).save(path := stem.with_suffix(".png"))
            elif kind == 4:
                image.convert("P").save(path := stem.with_suffix(".png"))
            else:
                image.save(path := stem.with_suffix(".jpeg"))
            lines.append(f"{name}/{path.name},{name}")
    broken = folder / "cup" / "b-01.png"
    broken.write_bytes(broken.read_bytes()[:50])
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder
