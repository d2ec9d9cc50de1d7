"""A report, section by section; what a study does not have is left out, and said."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from transfer.answers.verdict import verdict
from transfer.deploy.costs.table import COLUMNS, read_costs
from transfer.errors import TransferError
from transfer.figures.style import METRIC_NAME, interval_note
from transfer.files import write_atomically
from transfer.report.chart import Chart
from transfer.report.charts import accuracy_chart, gain_chart, semantics_chart
from transfer.report.costs import cost_chart
from transfer.report.curves import learning_curves, score_chart
from transfer.report.facts import Facts, calls_in_words, hashes, read_facts, settings_in_words
from transfer.report.frames import drawings, examples, most_confident_mistakes, open_dataset
from transfer.report.page import render
from transfer.report.tables import class_shares, confusion_matrices, network_rows, recommended
from transfer.statistics.gain import without_base

T = TypeVar("T")
_HEADLINES = ("General up to", "No n is shown", "Cut after", "No cut is shown")


def write_report(
    study_dir: str | Path, data: str | Path | None = None, beside: Sequence[str | Path] = ()
) -> tuple[Path, list[str]]:
    """Write ``STUDY_DIR/report.html``; the same study gives the same bytes.

    Parameters
    ----------
    study_dir : path
        Folder of a study.
    data : path or None
        Folder of its data set, if it is not where the study found it.
    beside : sequence of path
        As for `transfer.answers.verdict.verdict`.

    Returns
    -------
    The file, and a sentence for everything that the study lacks.

    Raises
    ------
    TransferError
        If the folder holds no study, none of its runs is finished, or the file cannot be written.
    """
    facts = read_facts(study_dir)
    sections = _Sections()
    content = _contents(facts, sections, data, beside)
    path = facts.folder / "report.html"
    write_atomically(path, render(content, sections.charts, sections.left_out))
    return path, sections.left_out


class _Sections:
    """Collects what could be made and the sentences of what could not."""

    def __init__(self) -> None:
        self.charts: list[Chart] = []
        self.left_out: list[str] = []

    def make(self, section: Callable[[], T]) -> T | None:
        """The section, or None if the study has nothing for it, which is noted."""
        try:
            return section()
        except TransferError as error:
            self.left_out.append(str(error))
            return None

    def chart(self, chart: Callable[[], Chart]) -> Chart | None:
        made = self.make(chart)
        self.charts += [made] if made else []
        return made


def _contents(
    facts: Facts, sections: _Sections, data: str | Path | None, beside: Sequence[str | Path]
) -> dict[str, Any]:
    """What the template shows, by name."""
    runs, make = facts.whole, sections.make
    content: dict[str, Any] = {"facts": facts, "metric": METRIC_NAME}
    sentences = make(lambda: verdict(facts.folder, beside=beside))
    content["verdict"] = [_headline(sentence) for sentence in sentences or []]
    content["accuracy"] = sections.chart(lambda: accuracy_chart(runs))
    content["intervals"] = interval_note(runs) if not runs.empty else ""
    content["semantics"] = sections.chart(lambda: semantics_chart(runs))
    content["gain"] = sections.chart(lambda: gain_chart(facts.runs))
    sections.left_out += without_base(facts.runs)
    deploy = make(lambda: read_costs(facts.folder))
    if deploy is None:  # damaged, which is noted
        deploy = pd.DataFrame(columns=list(COLUMNS))
    content["machines"] = sorted({str(machine) for machine in deploy["machine"]})
    content["cost"] = sections.chart(lambda: cost_chart(runs, deploy))
    content["curves"], content["logs_missing"] = make(lambda: learning_curves(facts)) or (None, 0)
    content["scores"], content["agreement"] = make(lambda: score_chart(facts)) or (None, [])
    sections.charts += [chart for name in ("curves", "scores") if (chart := content[name])]
    content["drawings"] = make(lambda: drawings(facts.folder))
    dataset = make(lambda: open_dataset(facts, data))
    chosen, why = make(lambda: recommended(facts)) or (runs[:0], "")
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


def _headline(paragraph: str) -> tuple[str, str]:
    """The first sentence of a paragraph if it is an answer, and the rest."""
    if paragraph.startswith(_HEADLINES):
        answer, _, evidence = paragraph.partition(". ")
        return f"{answer}.", evidence
    return "", paragraph
