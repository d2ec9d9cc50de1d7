"""Write the table of ``README.md`` beside this file from ``benchmarks/results/original.csv``.

``python -m benchmarks.original.table``, in the project's own environment.
"""

from pathlib import Path

import pandas as pd

README = Path(__file__).parent / "README.md"
RESULTS = Path(__file__).parents[1] / "results" / "original.csv"
BEGIN, END = "<!-- table: python -m benchmarks.original.table -->\n", "<!-- end of table -->"
COLUMNS = {
    "epochs": ("epochs", ".1f"),
    "train_accuracy": ("training accuracy", ".3f"),
    "val_accuracy": ("validation accuracy", ".3f"),
    "test_accuracy": ("test accuracy", ".3f"),
    "test_balanced_accuracy": ("balanced", ".3f"),
    "test_balanced_accuracy_training_mode": ("balanced, in training mode", ".3f"),
}


def rewritten(readme: str, rows: pd.DataFrame) -> str:
    """``readme`` with the table between its marks made anew: means over seeds of each network."""
    names = [name for name, _ in COLUMNS.values()]
    lines = [
        "| network | setting | seeds | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * (1 + len(names)),
    ]
    rows = rows.assign(kind=pd.Categorical(rows["kind"], ["baseB", "BnB", "AnB"]))
    for (alpha, size, images, _, _, run), group in rows.groupby(
        ["alpha", "input", "train_images", "kind", rows["n"].fillna(0), "run"], observed=True
    ):
        means = [f"{group[column].mean():{digits}}" for column, (_, digits) in COLUMNS.items()]
        setting = f"alpha {alpha:g}, {size}, {images:,} images"
        lines.append(f"| {run} | {setting} | {len(group)} | " + " | ".join(means) + " |")
    before, rest = readme.split(BEGIN)
    return before + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(), pd.read_csv(RESULTS)))
