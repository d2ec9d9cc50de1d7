"""The site of the documentation: every link of its pages leads to a page or picture of it."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site():
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("make_site", DOCS / "make_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_between_copied_pages_lead_somewhere(site, tmp_path):
    site.copy_pages(tmp_path)
    links = 0
    for page in tmp_path.rglob("*.md"):
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
        for to in re.findall(r"\]\(([^)\s#]+)", text):
            if "://" not in to:
                assert (page.parent / to).exists(), f"{page.relative_to(tmp_path)}: {to}"
                links += 1
    assert links > 30


def test_every_page_of_the_documentation_is_in_the_navigation():
    navigation = (DOCS / "mkdocs.yml").read_text()
    for page in DOCS.rglob("*.md"):
        assert f"docs/{page.relative_to(DOCS).as_posix()}" in navigation


@pytest.mark.slow
def test_mkdocs_takes_it_strictly(site, tmp_path, monkeypatch):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: make docs")
    pages = tmp_path / "pages"
    site.copy_pages(pages)
    (pages / site.GALLERY).write_text("# Reports\n")
    settings = (DOCS / "mkdocs.yml").read_text().replace("../build/site/pages", str(pages))
    (tmp_path / "mkdocs.yml").write_text(settings)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", tmp_path / "mkdocs.yml"]
    done = subprocess.run(
        [*command, "-d", tmp_path / "html"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "docs" / "results.html").exists()
