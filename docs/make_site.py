"""Build the documentation as a site, with the report of every committed study: make docs

The pages of the repository are copied with the folders around them, so that a link between them
leads to the same page here and on the site; mkdocs refuses a link that leads nowhere.
"""

import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from transfer.errors import TransferError
from transfer.report.write import write_report

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "site"
PICTURES = (".png", ".svg", ".gif")
GALLERY = "gallery.md"


def tracked() -> list[Path]:
    """The files under version control, below the repository."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [Path(name) for name in done.stdout.decode().split("\0") if name]


def copy_pages(pages: Path) -> None:
    """Copy every page and picture; a link to another file of the repository loses its address."""
    files = tracked()
    shown = {file for file in files if file.suffix in (".md", *PICTURES)}
    for file in shown:
        target = pages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix != ".md":
            shutil.copyfile(ROOT / file, target)
            continue

        def kept(link: re.Match[str], folder: Path = file.parent) -> str:
            to = link[2].partition("#")[0]
            place = (ROOT / folder / to).resolve()
            known = not to or "://" in to or place in {ROOT / page for page in shown}
            return link[0] if known else link[1]

        text = (ROOT / file).read_text(encoding="utf-8")
        target.write_text(re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]*)\)", kept, text), encoding="utf-8")


def write_gallery(pages: Path) -> None:
    """A page with the first figure of each committed study, and a link to its report."""
    lines = ["# Reports of the committed studies", ""]
    for table in sorted(file for file in tracked() if file.name == "runs.csv"):
        study = pages / table.parent
        shutil.copytree(ROOT / table.parent, study, dirs_exist_ok=True)
        try:
            with contextlib.chdir(pages):  # commands in a report name its folder
                write_report(table.parent)
        except TransferError as error:  # a study of another form
            print(f"{table.parent}: {error}", file=sys.stderr)
            continue
        lines += [
            f"## {study.name}",
            "",
            f"[The report]({table.parent.as_posix()}/report.html)",
            "",
        ]
        figure = table.parent / "figures" / "accuracy_against_n.png"
        if (pages / figure).exists():
            lines += [f"![Accuracy against n of {study.name}]({figure.as_posix()})", ""]
    (pages / GALLERY).write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    shutil.rmtree(BUILD, ignore_errors=True)
    pages = BUILD / "pages"
    copy_pages(pages)
    write_gallery(pages)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    subprocess.run([*command, "-f", "docs/mkdocs.yml", "-d", BUILD / "html"], cwd=ROOT, check=True)
    print(BUILD / "html" / "index.html")


if __name__ == "__main__":
    main()
