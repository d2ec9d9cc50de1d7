"""Every notebook runs from its first cell to its last, on a small data set."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
OPTIONS = {"n": "1", "epochs": 1, "batch": 16}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_shows_its_results(path):
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(notebook.cells) < 25
    assert any(cell.outputs for cell in code)
    assert not any(out.output_type == "error" for cell in code for out in cell.outputs)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, small_data, tmp_path):
    notebook = nbformat.read(path, 4)
    place = next(
        number
        for number, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    )
    smoke = (
        f"data = {str(small_data)!r}\nstudy_dir = {str(tmp_path / 'study')!r}\n"
        f"run_missing = True\noptions = {OPTIONS!r}"
    )
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(smoke))
    folder = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=300, resources=folder).execute()
