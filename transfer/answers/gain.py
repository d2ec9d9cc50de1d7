"""What transfer gains over baseB when there are few training images, in sentences."""

from pathlib import Path

import pandas as pd

from transfer.errors import TransferError
from transfer.statistics.gain import gains, has_sizes, without_base
from transfer.wording import count_seeds, points


def gain_in_words(study_dir: Path, runs: pd.DataFrame, metric: str) -> list[str]:
    """One sentence a kind: the gain over baseB at every size; nothing if there are no sizes."""
    if not has_sizes(runs):
        return []
    try:
        table = gains(study_dir, metric)
    except TransferError:  # baseB is missing, which `without_base` says
        return without_base(runs)
    sentences = []
    for kind, group in table.groupby("kind"):
        parts = []
        for row in group.itertuples():
            bounds = f"{points(row.low)} to {points(row.high)}, {count_seeds(row.seeds)}"
            parts.append(f"{points(row.gain)} points with {row.train_images:,} ({bounds})")
        sentences.append(
            f"{kind} minus baseB by the number of training images, mean over n = "
            f"{group['n'].iloc[0]}: {'; '.join(parts)} (95 %)."
        )
    return sentences + without_base(runs)
