"""What was measured on exported files, in the simulator and by re-estimation, in sentences."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from transfer.deploy.costs.pareto import candidates
from transfer.deploy.costs.table import FORMAT_LABELS, read_costs
from transfer.deploy.driving.table import by_network, read_drives
from transfer.deploy.reestimation.table import gains_of_reestimation
from transfer.results import on_all_images, read_runs
from transfer.runs import parse_runs
from transfer.wording import count_seeds, file_size, points, spans, within


def choice_in_words(
    study_dir: str | Path, margin: float = 0.01, beside: Sequence[str | Path] = ()
) -> list[str]:
    """The exported file to choose, in a sentence with its numbers; nothing if none was measured.

    It is the smallest file that is shown to be not worse than baseB, of the networks that share the
    most seeds with baseB: one seed can be lucky.
    """
    if read_costs(study_dir).empty:
        return []
    tested = candidates(study_dir, margin, beside)
    tested = tested[tested["outcome"] != ""]
    if tested.empty:
        return ["No exported file shares a seed with baseB: which to choose is not answered."]
    tested = tested[tested["compared_seeds"] == tested["compared_seeds"].max()]
    passed = tested[tested["outcome"] == "shown"].sort_values(["file_bytes", "median_ms"])
    if passed.empty:
        return [f"None of {len(tested)} exported files is shown to be {within(margin)} of baseB."]
    smallest = passed.iloc[0]
    sentences = [
        f"On a device: {_describe(smallest)}. Of {len(tested)} exported files (networks and number "
        f"formats) {len(passed)} are shown to be {within(margin)} of baseB, all of one format "
        "tested at once; this is the smallest of them."
    ]
    timed = passed.dropna(subset=["median_ms"])
    if not timed.empty:
        fastest = timed.sort_values(["median_ms", "file_bytes"]).iloc[0]
        if fastest["median_ms"] < 0.95 * smallest["median_ms"]:
            sentences.append(f"The fastest of these is {_describe(fastest)}.")
    return sentences


def _describe(candidate: pd.Series) -> str:
    """``sliced-8 int8 (LiteRT, alpha 0.25): 0.21 MB, 0.40 ms a frame, ...``"""
    parts = [file_size(candidate["file_bytes"])]
    if np.isfinite(candidate["median_ms"]):
        parts.append(f"{candidate['median_ms']:.2f} ms a frame")
    parts.append(f"accuracy {candidate['accuracy']:.3f}")
    parts.append(
        f"{points(candidate['difference'])} points against baseB, at least "
        f"{points(candidate['at_least'])} (95 %, {count_seeds(candidate['compared_seeds'])})"
    )
    numbers, runtime = FORMAT_LABELS[candidate["format"]].split(", ")
    network = f"{candidate['network']} {numbers} ({runtime}, alpha {candidate['alpha']:g})"
    return f"{network}: {', '.join(parts)}"


def driving_in_words(study_dir: str | Path) -> list[str]:
    """How networks drive, and whether that agrees with accuracy; nothing if none has driven."""
    path = Path(study_dir) / "driving.csv"
    if not path.exists():
        return []
    table = by_network(read_drives(path))
    networks = table[(table["kind"] != "") & (table["format"] == "")]
    if networks.empty:
        return []
    parts = [_rate(table[table["network"] == "baseB"])]
    sliced = networks[networks["kind"] == "sliced"].sort_values(["per_lap", "offset"])
    if not sliced.empty:
        parts += [_rate(sliced.head(1)), _rate(sliced.tail(1))]
    parts += [_rate(table[table["network"] == "forward"])]
    rates = "; ".join(dict.fromkeys(part for part in parts if part))
    free = networks["per_lap"] == 0
    sentences = [
        f"Driving, interventions a lap (95 %) and distance from the centre line (half widths of "
        f"the lane): {rates}. {int(free.sum())} of {len(networks)} networks needed no intervention."
    ]
    runs = on_all_images(read_runs(study_dir))
    runs = runs.assign(network=[run.family for run in parse_runs(runs["run"], study_dir)])
    accuracy = networks["network"].map(runs.groupby("network")["test_balanced_accuracy"].mean())
    known = accuracy.notna().to_numpy()
    if known.sum() > 4:
        ranks = []
        for column, name in (("per_lap", "interventions"), ("offset", "distance")):
            if networks[column][known].nunique() > 1:
                rank = stats.spearmanr(accuracy[known], networks[column][known])
                ranks.append(f"{name} {rank.statistic:+.2f} (p = {rank.pvalue:.2g})")
        sentences.append(
            f"Spearman's rank correlation with balanced accuracy over {known.sum()} networks: "
            f"{', '.join(ranks)}; -1: the more accurate network always drives better."
        )
    return sentences


def _rate(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    row = rows.iloc[0]
    seeds = f", {count_seeds(row['seeds'])}" if row["kind"] else ""
    bounds = f"{row['low']:.2f} to {row['high']:.2f}{seeds}"
    return f"{row['network']} {row['per_lap']:.2f} ({bounds}), {row['offset']:.2f}"


def reestimation_in_words(frame: pd.DataFrame) -> list[str]:
    """One sentence a kind and semantics: the gain on average over n, and where it is shown."""
    table = gains_of_reestimation(frame)
    sentences = []
    for (kind, bn, layers), group in table.groupby(["kind", "bn", "layers"], sort=False):
        name = f"{kind} ({bn})" if bn else "baseA under a ridge probe" if kind == "probe" else kind
        up = [int(n) for n in group.loc[group["low"] > 0, "n"].dropna()]
        down = [int(n) for n in group.loc[group["high"] < 0, "n"].dropna()]
        shown = [f"up at n = {spans(up)}"] if up else []
        shown += [f"down at n = {spans(down)}"] if down else []
        which = "its frozen layers'" if layers == "frozen" else "all"
        least, most = group["seeds"].min(), group["seeds"].max()
        seeds = count_seeds(least) if least == most else f"{least} to {most} seeds"
        sentences.append(
            f"{name}, {which} statistics re-estimated: {points(group['gain'].mean())} points of "
            f"accuracy (share of all images) on average ({group['before'].mean():.3f} to "
            f"{group['after'].mean():.3f}, {seeds}"
            + (f"; 95 % over seeds, each n by itself: {', '.join(shown)})." if shown else ").")
        )
    return sentences
