"""Write small Donkeycar tubs whose pictures are their own numbers."""

import json

from PIL import Image

FRAMES = 400  # 20 seconds at 20 frames a second


def angle_of(index):
    return (0.0, -0.5, 0.5, 0.05)[index % 4]


def picture(index):
    return Image.new("RGB", (16, 12), (index % 256, index // 256, 7))


def records_of_v2():
    return [
        {
            "_index": index,
            "_session_id": "s",
            "_timestamp_ms": 1_000_000 + 50 * index,
            "cam/image_array": f"{index}_cam_image_array_.png",
            "user/angle": angle_of(index),
            "user/mode": "user",
        }
        for index in range(FRAMES)
    ]


def write_v2(folder, records=None, deleted=(), paths=("catalog_0.catalog",)):
    (folder / "images").mkdir(parents=True)
    records = records_of_v2() if records is None else records
    for record in records_of_v2():
        picture(record["_index"]).save(folder / "images" / record["cam/image_array"])
    text = "\n".join(map(json.dumps, records)) + "\n"
    (folder / "catalog_0.catalog").write_text(text)
    last = {"paths": list(paths), "current_index": FRAMES, "deleted_indexes": list(deleted)}
    lines = [["cam/image_array"], ["image_array"], {}, {}, last]
    (folder / "manifest.json").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


def write_v1(folder, clock):
    folder.mkdir()
    for index in range(FRAMES):
        name = f"{index}_cam-image_array_.png"
        picture(index).save(folder / name)
        record = {"cam/image_array": name, "user/angle": angle_of(index), "user/mode": "user"}
        if clock:
            record["milliseconds"] = 50 * index
        (folder / f"record_{index}.json").write_text(json.dumps(record))
    return folder
