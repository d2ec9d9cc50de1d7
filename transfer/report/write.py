"""A report, section by section, and the one self-contained page they become.

All that comes from a study is foreign: the template escapes it, and the page runs no script but the
two whose hashes its content security policy names.
"""

import base64
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from transfer.answers.answer import answer
from transfer.deploy.costs.pareto import COLUMNS, candidates
from transfer.deploy.costs.table import read_costs
from transfer.errors import TransferError
from transfer.figures.style import FINDINGS, METRIC_NAME, interval_note
from transfer.files import write_atomically
from transfer.networks.backbone import backbone_in
from transfer.program import command
from transfer.report import classes
from transfer.report.chart import PALETTES, Chart
from transfer.report.charts import accuracy_chart, gain_chart, semantics_chart
from transfer.report.costs import cost_chart
from transfer.report.curves import learning_curves, score_chart
from transfer.report.summary import (
    Facts,
    calls_in_words,
    card,
    hashes,
    network_rows,
    read_facts,
    segments,
    settings_in_words,
    slice_of,
)
from transfer.statistics.gain import without_base
from transfer.tasks.checks.baselines import read_baselines

T = TypeVar("T")


def write_report(
    study_dir: str | Path, data: str | Path | None = None, beside: Sequence[str | Path] = ()
) -> tuple[Path, list[str]]:
    """Write ``STUDY_DIR/report.html``; the same study gives the same bytes.

    Returns the file, and a sentence for everything that the study lacks. ``beside``: as for
    `answer`.
    """
    facts = read_facts(study_dir)
    left_out: list[str] = []
    path = facts.folder / "report.html"
    write_atomically(path, _render(_contents(facts, data, beside, left_out), left_out))
    return path, left_out


def _contents(
    facts: Facts, data: str | Path | None, beside: Sequence[str | Path], left_out: list[str]
) -> dict[str, Any]:
    """What the template shows, by name; to ``left_out`` goes a sentence for what is missing."""
    runs = facts.whole

    def make(section: Callable[[], T]) -> T | None:
        try:
            return section()
        except TransferError as error:
            left_out.append(str(error))
            return None

    content: dict[str, Any] = {"facts": facts, "metric": METRIC_NAME}
    content["backbone"] = backbone_in(facts.runs).title
    shown_answer = content["answer"] = make(lambda: answer(facts.folder, beside=beside))
    keep = slice_of(shown_answer)
    content["card"] = None if keep is None else make(lambda: card(facts, keep))
    content["segments"] = [] if shown_answer is None else segments(facts, shown_answer)
    content["findings"], content["command_start"] = FINDINGS, command()
    content["accuracy"] = make(lambda: accuracy_chart(runs, read_baselines(facts.folder), keep))
    content["intervals"] = interval_note(runs) if not runs.empty else ""
    content["semantics"] = make(lambda: semantics_chart(runs))
    content["gain"] = make(lambda: gain_chart(facts.folder, facts.runs))
    left_out += without_base(facts.runs)
    files = make(lambda: candidates(facts.folder, beside=beside))
    if files is None:  # damaged, which is noted
        files = pd.DataFrame(columns=list(COLUMNS))
    machines = [] if files.empty else read_costs(facts.folder)["machine"].unique()
    content["machines"] = sorted(map(str, machines))
    content["cost"] = make(lambda: cost_chart(runs, files, keep))
    content["curves"], content["logs_missing"] = make(lambda: learning_curves(facts, keep)) or (
        None,
        0,
    )
    content["scores"], content["agreement"] = make(lambda: score_chart(facts, keep)) or (None, [])
    content["drawings"] = make(lambda: classes.drawings(facts.folder))
    dataset = make(lambda: classes.open_dataset(facts, data))
    chosen, why = make(lambda: classes.recommended(facts, shown_answer)) or (runs[:0], "")
    content["matrices"] = content["mistakes"] = None
    if not chosen.empty:
        content["matrices"] = make(lambda: classes.confusion_matrices(facts, chosen))
        content["mistakes"] = make(
            lambda: classes.most_confident_mistakes(facts, chosen, why, dataset)
        )
    content["shares"] = classes.class_shares(facts, dataset, make(lambda: facts.test_labels))
    content["examples"] = classes.examples(dataset) if dataset is not None else []
    content["size"] = f"{dataset.height} x {dataset.width}" if dataset is not None else ""
    content["networks"] = network_rows(facts.runs)
    content["command"], content["versions"] = make(lambda: calls_in_words(facts)) or ("", [])
    content["settings"], content["hashes"] = settings_in_words(facts), hashes(facts)
    return content


def _render(content: dict[str, Any], left_out: list[str]) -> str:
    """The page as HTML, from what the template shows by name; charts are drawn in their order."""
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    scripts = [_read("plotly-basic.min.js"), _read("page.js")]
    drawn = {
        chart.id: {"traces": chart.traces, "layout": chart.layout, "layouts": chart.layouts}
        for chart in content.values()
        if isinstance(chart, Chart)
    }
    return environment.from_string(_read("page.html")).render(
        **content,
        left_out=left_out,
        style=Markup(_palette_css() + _read("page.css")),
        scripts=[Markup(script) for script in scripts],
        policy=" ".join(f"'{_hash(script)}'" for script in scripts),
        drawn=_plain({"charts": drawn, "palettes": PALETTES}),
        variable=_variable,
    )


def _plain(value: Any) -> Any:
    """As JSON can hold it: six digits, null for NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _variable(colour: str) -> str:
    """The CSS variable of a colour of `PALETTES`; kinds have characters CSS does not."""
    return "--c-" + colour.replace("+", "-plus").replace("@", "-one-")


def _palette_css() -> str:
    """The palettes as CSS variables; print always takes the light one."""

    light, dark = (
        "".join(f"{_variable(key)}:{value};" for key, value in PALETTES[name].items())
        for name in ("light", "dark")
    )
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
