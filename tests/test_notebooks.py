"""Notebooks: short, with results, and each runs from its first cell to its last."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
LARGEST_PICTURE, LARGEST_FILE = 90_000, 400_000  # bytes, base64


def named(function):
    return pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)(function)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_ten():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"0{number}" for number in range(10)]


@named
def test_a_notebook_is_short_and_shows_its_results(path):
    notebook = nbformat.read(path, 4)
    code = code_of(notebook)
    assert len(notebook.cells) < 25
    assert notebook.cells[0].source.startswith(f"# {int(path.name[:2])}. ")
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    assert any(cell.outputs for cell in code)
    assert not any(out.output_type == "error" for cell in code for out in cell.outputs)


@named
def test_a_notebook_was_executed_in_the_order_of_its_cells(path):
    counts = [cell.execution_count for cell in code_of(nbformat.read(path, 4))]
    assert counts == list(range(1, len(counts) + 1))


@named
def test_a_notebook_is_small(path):
    outputs = [out for cell in code_of(nbformat.read(path, 4)) for out in cell.outputs]
    pictures = [len(out.get("data", {}).get("image/png", "")) for out in outputs]
    assert max(pictures, default=0) < LARGEST_PICTURE
    assert path.stat().st_size < LARGEST_FILE


@named
def test_a_notebook_takes_what_it_needs_from_the_public_api_and_one_room(path):
    lines = [line for cell in code_of(nbformat.read(path, 4)) for line in cell.source.splitlines()]
    ours = [line for line in lines if line.startswith(("import transfer", "from transfer"))]
    assert ours[0] == "import transfer"
    assert len(ours) <= 3


@pytest.mark.slow
@named
def test_a_notebook_runs(path, small_data):
    notebook = nbformat.read(path, 4)
    place = next(
        number
        for number, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    )
    smoke = nbformat.v4.new_code_cell(f"data, epochs = {str(small_data)!r}, 1")
    if "\nn = [" in notebook.cells[place].source:
        smoke.source += "\nn = n[:1]"
    notebook.cells.insert(place + 1, smoke)
    folder = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=300, resources=folder).execute()
