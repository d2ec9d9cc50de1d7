"""Classify the frames of a folder with an exported network: numpy, Pillow and LiteRT, no more.

python -m transfer export experiments-results/quick/sliced-7_s0 --out net.tflite --int8
python examples/classify.py net.tflite FOLDER
"""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

network, folder = sys.argv[1:]
about = json.loads(zipfile.ZipFile(network).read("transfer.json"))
height, width = about["image_size"]
interpreter = Interpreter(model_path=network)
interpreter.allocate_tensors()
given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
scale = result["quantization"][0] or 1.0  # an int8 network answers in 256ths

for path in sorted(Path(folder).iterdir()):
    if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
        try:  # turned as its EXIF says, as the training images were
            image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        except OSError:
            print(f"{path.name} cannot be read", file=sys.stderr)
            continue
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        interpreter.set_tensor(given["index"], np.asarray(image)[None])
        interpreter.invoke()
        probabilities = interpreter.get_tensor(result["index"])[0] * scale
        best = int(probabilities.argmax())
        print(f"{path.name} {about['classes'][best]} {probabilities[best]:.3f}")
