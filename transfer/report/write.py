"""A report, section by section; the page says what a study lacks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from transfer.answers.answer import answer
from transfer.deploy.costs.pareto import COLUMNS, candidates
from transfer.deploy.costs.table import read_costs
from transfer.errors import TransferError
from transfer.figures.style import METRIC_NAME, interval_note
from transfer.files import write_atomically
from transfer.report.charts import accuracy_chart, gain_chart, semantics_chart
from transfer.report.costs import cost_chart
from transfer.report.curves import learning_curves, score_chart
from transfer.report.facts import Facts, calls_in_words, hashes, read_facts, settings_in_words
from transfer.report.frames import drawings, examples, most_confident_mistakes, open_dataset
from transfer.report.page import render
from transfer.report.tables import class_shares, confusion_matrices, network_rows, recommended
from transfer.statistics.gain import without_base
from transfer.tasks.checks.baselines import read_baselines

T = TypeVar("T")


def write_report(
    study_dir: str | Path, data: str | Path | None = None, beside: Sequence[str | Path] = ()
) -> tuple[Path, list[str]]:
    """Write ``STUDY_DIR/report.html``; the same study gives the same bytes.

    ``study_dir``: folder of a study.
    ``data``: folder of its data set, if it is not where the study found it.
    ``beside``: as for `transfer.answers.answer.answer`.
    Returns the file, and a sentence for everything that the study lacks.
    Raises `TransferError` if the folder holds no study, none of its runs is finished, or the file
    cannot be written.
    """
    facts = read_facts(study_dir)
    left_out: list[str] = []
    content = _contents(facts, data, beside, left_out)
    path = facts.folder / "report.html"
    write_atomically(path, render(content, left_out))
    return path, left_out


def _contents(
    facts: Facts,
    data: str | Path | None,
    beside: Sequence[str | Path],
    left_out: list[str],
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
    found = content["answer"] = make(lambda: answer(facts.folder, beside=beside))
    content["accuracy"] = make(lambda: accuracy_chart(runs, read_baselines(facts.folder)))
    content["intervals"] = interval_note(runs) if not runs.empty else ""
    content["semantics"] = make(lambda: semantics_chart(runs))
    content["gain"] = make(lambda: gain_chart(facts.folder, facts.runs))
    left_out += without_base(facts.runs)
    files = make(lambda: candidates(facts.folder, beside=beside))
    if files is None:  # damaged, which is noted
        files = pd.DataFrame(columns=list(COLUMNS))
    content["machines"] = []
    if not files.empty:
        content["machines"] = sorted(map(str, read_costs(facts.folder)["machine"].unique()))
    content["cost"] = make(lambda: cost_chart(runs, files))
    content["curves"], content["logs_missing"] = make(lambda: learning_curves(facts)) or (None, 0)
    content["scores"], content["agreement"] = make(lambda: score_chart(facts)) or (None, [])
    content["drawings"] = make(lambda: drawings(facts.folder))
    dataset = make(lambda: open_dataset(facts, data))
    chosen, why = make(lambda: recommended(facts, found)) or (runs[:0], "")
    content["matrices"] = content["mistakes"] = None
    if not chosen.empty:
        content["matrices"] = make(lambda: confusion_matrices(facts, chosen))
        content["mistakes"] = make(lambda: most_confident_mistakes(facts, chosen, why, dataset))
    content["shares"] = class_shares(facts, dataset, make(lambda: facts.test_labels))
    content["examples"] = examples(dataset) if dataset is not None else []
    content["size"] = f"{dataset.height} x {dataset.width}" if dataset is not None else ""
    content["networks"] = network_rows(facts.runs)
    content["command"], content["versions"] = make(lambda: calls_in_words(facts)) or ("", [])
    content["settings"], content["hashes"] = settings_in_words(facts), hashes(facts)
    return content
