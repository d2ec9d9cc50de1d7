"""The benchmarks' figures, each from its CSV: ``python -m benchmarks.figures`` redraws them."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from transfer.figures.style import COLUMN, GUIDE, KINDS, RC, legend_below, save

RESULTS = Path(__file__).parent / "results"


def draw_steps(path: Path) -> list[Path]:
    """Bars of images a second, a panel an alpha and a number of threads, from ``steps.csv``."""
    table = pd.read_csv(path)
    table["networks"] = table["peer"].str.extract(r", (A1B to A13B)$")[0].fillna("baseB")
    table["peer"] = table["peer"].str.removesuffix(", A1B to A13B")
    panels = [
        (f"{networks}, alpha {alpha:g}, {threads} thread{'s' if threads > 1 else ''}", rows)
        for (networks, alpha, threads), rows in table.groupby(["networks", "alpha", "threads"])
    ]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN, 0.35 + 0.17 * sum(len(r) + 2 for _, r in panels)))
        figure.set_layout_engine("constrained")
        heights = [len(rows) + 1 for _, rows in panels]
        axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
        for axis, (title, rows) in zip(axes, panels, strict=True):
            ours = rows["peer"].str.startswith("ours")
            errors = [
                rows["images_per_second"] - rows["lowest"],
                rows["highest"] - rows["images_per_second"],
            ]
            axis.barh(
                rows["peer"],
                rows["images_per_second"],
                xerr=errors,
                color=["#0072B2" if own else "#BBBBBB" for own in ours],
                error_kw={"linewidth": 0.6},
            )
            axis.set_title(title, fontsize=7, loc="left")
            axis.invert_yaxis()
        axes[-1].set_xlabel("images a second")
        return save(figure, path.with_suffix(""))


def draw_growth(path: Path) -> list[Path]:
    """Time and memory against images, and time against networks, from ``growth.csv``."""
    table = pd.read_csv(path)
    images, runs = table[table["axis"] == "images"], table[table["axis"] == "runs"]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(2 * COLUMN, 2.6), layout="constrained")
        seconds, memory, networks = figure.subplots(1, 3)
        styles = zip("os^", ("#0072B2", "#D55E00", "#009E73"), strict=True)
        for (kind, size), rows in images.groupby(["kind", "input"]):
            marker, color = next(styles)
            drawn = {"marker": marker, "color": color}
            label = f"{'A7B' if kind == 'AnB' else kind}, {size}"
            seconds.loglog(rows["images"], rows["network_seconds"], label=label, **drawn)
            memory.semilogx(rows["images"], rows["worker_mib"], **drawn)
        for (workers, rows), line in zip(runs.groupby("workers"), ("--", "-"), strict=False):
            label = f"{workers} worker{'s' if workers > 1 else ''}"
            networks.plot(rows["networks"], rows["seconds"], f"k.{line}", label=label)
        seconds.set(xlabel="training images", ylabel="seconds of a network, one epoch")
        memory.set(xlabel="training images", ylabel="peak memory of a worker, MiB")
        memory.set_ylim(bottom=0)
        networks.set(xlabel="networks", ylabel="seconds of the study", ylim=(0, None))
        legend_below(figure, 5)
        return save(figure, path.with_suffix(""))


_RULES = {
    "old": ("o", "#999999", "the rules before"),
    "sequence": ("x", "#E69F00", "a fixed sequence"),
    "new": ("D", "#0072B2", "the rules of today"),
}


def draw_verdicts(path: Path) -> list[Path]:
    """Shares of simulated studies with a false and with a true verdict, from ``verdicts.csv``."""
    table = pd.read_csv(path)
    alike = table["frames"].map({"independent": ", independent"}).fillna("")
    noise = table["variances"].map({"equal": ""}).fillna(", " + table["variances"])
    table["cell"] = table["seeds"].astype(str) + " seeds, "
    table["cell"] += table["images"].map("{:,}".format) + " images" + alike + noise
    with mpl.rc_context(RC):
        figure = Figure(figsize=(2 * COLUMN, 4.2), layout="constrained")
        axes = figure.subplots(2, 3, sharey=True)
        for row, (statement, varied) in enumerate((("general", "equal up to 6"), ("cut", "hump"))):
            panels = (("at the margin", "false"), ("all equal", "true"), (varied, "true"))
            for axis, (scenario, column) in zip(axes[row], panels, strict=True):
                shown = table[table["statement"].eq(statement) & table["scenario"].eq(scenario)]
                for rule, (marker, color, label) in _RULES.items():
                    cells = shown[shown["rule"] == rule]
                    axis.plot(cells[column], cells["cell"], marker, color=color, label=label)
                if column == "false":
                    axis.axvline(0.05, color="black", linewidth=0.6, linestyle=":")
                title = f"{statement}, {scenario}:\na {column} verdict"
                axis.set_title(title, fontsize=7, loc="left")
                axis.tick_params(axis="y", labelsize=5.5)
                axis.set_xlim(-0.02, 0.35 if column == "false" else 1.02)
                axis.grid(axis="x", linewidth=0.4, alpha=0.5)
        axes[0, 0].invert_yaxis()  # shared
        for axis in axes[1]:
            axis.set_xlabel("share of studies")
        handles, labels = axes[1, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return save(figure, path.with_suffix(""))


def draw_mechanism(path: Path) -> list[Path]:
    """Accuracy against the target's share of the statistics, and the fall against the distance."""
    table = pd.read_csv(path)
    table["points"] = 100 * (table["balanced_accuracy"] - table["base"])
    named = table["study"].str.split("-").str[0]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(2 * COLUMN, 2.4), layout="constrained")
        dose, distance = figure.subplots(1, 2)
        looks = {("AnB", True): "o", ("AnB", False): "s", ("BnB", True): "^", ("BnB", False): "v"}
        for (kind, study), rows in table.groupby(["kind", named]):
            marker = looks[kind, study == named.iloc[0]]
            drawn = {"color": KINDS[kind].colour, "marker": marker, "label": f"{kind}, {study}"}
            mean = rows.groupby("share")["points"].mean()
            filled = "full" if study == named.iloc[0] else "none"
            dose.plot(mean.index, mean, fillstyle=filled, **drawn)
            ends = rows[rows["share"] == 0].groupby("n")[["distance", "points"]].mean()
            distance.semilogx(
                ends["distance"], ends["points"], linestyle="", fillstyle=filled, **drawn
            )
        for axis in (dose, distance):
            axis.axhline(0, color=GUIDE, linewidth=0.6)
        dose.set(xlabel="share of the target's statistics", ylabel="points above baseB")
        distance.set(xlabel="distance of the statistics brought along, nats")
        handles, labels = dose.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        return save(figure, path.with_suffix(""))


def main() -> None:
    """Redraw every figure whose CSV is there."""
    figures = (
        ("steps.csv", draw_steps),
        ("growth.csv", draw_growth),
        ("verdicts.csv", draw_verdicts),
        ("mechanism.csv", draw_mechanism),
    )
    for name, draw in figures:
        if (RESULTS / name).exists():
            print(*draw(RESULTS / name))


if __name__ == "__main__":
    main()
