"""What a study leaves, made comparable: every result without the columns that hold a time."""

import json
from pathlib import Path


def results(study: Path) -> dict[str, bytes]:
    """Content of the tables, rows, logs, weights and predictions, by their path in the study."""
    found = {}
    for pattern in ("*.csv", "rows/*", "logs/*", "models/*", "predictions/*"):
        for path in study.glob(pattern):
            content = path.read_bytes()
            if path.suffix == ".csv":
                lines = [line.split(b",") for line in content.splitlines()]
                timed = lines[0].index(b"seconds") if b"seconds" in lines[0] else None
                kept = [[c for i, c in enumerate(line) if i != timed] for line in lines]
                content = b"\n".join(map(b",".join, kept))
            elif path.suffix == ".json":
                content = json.dumps({**json.loads(content), "seconds": None}).encode()
            found[str(path.relative_to(study))] = content
    return found


def files(study: Path) -> set[str]:
    """All files below the study, hidden ones included."""
    return {str(path.relative_to(study)) for path in study.rglob("*") if path.is_file()}
