"""Execute the notebooks where they lie, and make their pictures small.

    python notebooks/execute.py              all of them
    python notebooks/execute.py 03 07        those whose names begin so

A notebook that fails keeps the outputs it had. Pictures are reduced to 128 colours: a quarter of
the bytes, which a history of them needs.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
COLOURS = 128


def execute(path: Path) -> None:
    """Run every cell of a notebook in its folder and write it back with its outputs."""
    notebook = nbformat.read(path, 4)
    resources = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran changes at every call
        if cell.cell_type == "code":
            # What libraries say of themselves on standard error is no result.
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    output["data"]["image/png"] = smaller(output["data"]["image/png"])
    nbformat.write(notebook, path)


def smaller(png: str) -> str:
    """A picture, base64, with `COLOURS` colours."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    reduced = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not sys.argv[1:] or path.name.startswith(tuple(sys.argv[1:])):
            execute(path)
            print(path.name, flush=True)
