"""The answer of a study: what to keep, how sure that is, what it saves, what speaks against it.

Two questions are answered, each with an error of 5 % for all that is claimed: where to cut, the
smallest sliced-n that is shown to be as good as baseB; and what is general, the largest n for which
AnB is. *As good* is not worse by more than the margin.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transfer.answers import sentences
from transfer.answers.details import details, table
from transfer.answers.reading import Reading, read
from transfer.program import command, how_to_install, wrapped
from transfer.statistics.comparison import BASE, LEVEL, LOOKS, Key
from transfer.statistics.differences import seeds_to_decide
from transfer.study_file import recorded_margin, rounds


@dataclass(frozen=True)
class Answer:
    """What a study says.

    Attributes
    ----------
    study : str
        Name of the data set.
    metric : str
        ``balanced`` or ``accuracy``.
    margin : float
        How much worse than baseB still counts as good, 0..1 units.
    recommendation : str
        What to keep, in a sentence.
    warnings : tuple of str
        What makes the rest doubtful; the first things to be read.
    network : str or None
        The network to keep, such as ``sliced-7``; None where none is shown to be as good as baseB.
    confidence : float or None
        Probability, given the data, that it is, taken alone: not adjusted for the other slices.
    against : str
        What it is compared with.
    saves : dict
        ``parameters``, ``multiply_adds`` and, where files were measured, ``bytes``: those of the
        network as a share of baseB's.
    general : int or None
        Blocks that can stay frozen; 0 if every AnB that was run is shown to be worse than baseB;
        None if that is open, or AnB was not run.
    sentences : tuple of str
        Why, in a person's words.
    next_step : tuple of str
        Sentences and commands.
    details : tuple of str
        The numbers behind the sentences, and what else was measured.
    comparisons : tuple of dict
        Every network against baseB: ``network``, ``bn``, ``accuracy``, ``difference``, ``low``,
        ``high`` (95 %), ``probability`` (that it is as good) and ``outcome``.
    """

    study: str
    metric: str
    margin: float
    recommendation: str
    warnings: tuple[str, ...] = ()
    network: str | None = None
    confidence: float | None = None
    against: str = "baseB"
    saves: dict[str, float] = dataclasses.field(default_factory=dict)
    general: int | None = None
    sentences: tuple[str, ...] = ()
    next_step: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    comparisons: tuple[dict[str, Any], ...] = ()

    def paragraphs(self) -> list[str]:
        """Warnings, then the answer: what a person reads first."""
        return [*self.warnings, " ".join([self.recommendation, *self.sentences])]

    def __str__(self) -> str:
        parts = {"": self.paragraphs(), "Next step": self.next_step, "Details": self.details}
        lines: list[str] = []
        for title, texts in parts.items():
            if texts:
                lines += ([f"\n{title}"] if title else []) + wrapped(texts)
        return "\n".join(lines)


def answer(
    study_dir: str | Path,
    margin: float | None = None,
    metric: str = "balanced",
    beside: Sequence[str | Path] = (),
) -> Answer:
    """The answer of a study.

    Parameters
    ----------
    study_dir : path
        Folder of a study.
    margin : float, optional
        How much worse than baseB still counts as good, 0..1 units. None: that of a study that went
        on until it was decided, and one point (0.01) for others.
    metric : str
        ``balanced``: the mean over classes of the share of images found. ``accuracy``: of all.
    beside : sequence of path
        Other measured studies of the same data set, whose exported files enter the choice.

    Raises
    ------
    TransferError
        If the folder holds no study, its predictions do not belong to its ``runs.csv``, or the
        margin or metric is none.
    """
    folder = Path(study_dir)
    margin = recorded_margin(folder) if margin is None else margin
    if not (folder / "runs.csv").exists() and (folder / "all_experiments.csv").exists():
        return Answer(
            folder.name,
            metric,
            margin,
            f"{folder.name} holds accuracies without predictions. Which images each network gets "
            "right is not known, so no two networks can be compared.",
        )
    study = read(folder, margin, metric)
    if BASE not in study.tested.right:
        return Answer(
            study.name,
            metric,
            margin,
            "Nothing can be compared: baseB on all training images is missing. --kinds baseB adds "
            "it.",
        )
    n, cut = sentences.cut_in_words(study)
    general, frozen = sentences.general_in_words(study, (study.semantics or ["inference"])[0])
    key: Key | None = None if n is None else ("sliced", n, "")
    common: dict[str, Any] = {
        "study": study.name,
        "metric": metric,
        "margin": margin,
        "warnings": tuple(sentences.warnings(study)),
        "details": tuple(details(study, beside)),
        "comparisons": tuple(table(study)),
    }
    if learnt := sentences.nothing_learnt(study) or sentences.base_has_not_learnt(study):
        rest = tuple(warning for warning in common["warnings"] if warning != learnt)
        return Answer(**common | {"recommendation": learnt, "warnings": rest})
    return Answer(
        **common,
        recommendation=cut[0],
        network=None if key is None else f"sliced-{n}",
        confidence=None if key is None else study.compared[key].probability,
        saves={} if key is None else sentences.saves(study, key),
        general=general,
        sentences=tuple(
            filter(None, (*cut[1:], sentences.best_in_words(study, key or BASE), frozen))
        ),
        next_step=tuple(_next_step(study, key)),
    )


def _next_step(study: Reading, key: Key | None) -> list[str]:
    """The command that exports the network to keep, or that would show which it is."""
    if key is not None:
        runs = study.runs_of(key).sort_values("seed")
        run = str(runs["run"].loc[runs["val_accuracy"].idxmax()])
        lines = [command("export", study.folder / run, "--out", f"sliced-{key[1]}.tflite")]
        if find_spec("ai_edge_litert") is None:
            lines.append(f"(needs once: {how_to_install('export')})")
        return ["To take it away:", *lines]
    slices = study.of_kind("sliced", "")
    if not slices:
        return ["To learn where to cut, repeat the command with --kinds baseB,sliced."]
    left = [c for c in slices.values() if c.outcome == "undecided"]
    if not left:
        return ["Other --n or another --source may have a slice that is as good."]
    if study.tested.error < LEVEL:  # of a study that chose its runs by its results
        if rounds(study.folder) >= LOOKS:
            return ["To learn where, add test images, or allow a greater --margin in a new study."]
        return ["To learn where, repeat the command with a greater --budget, or add test images."]
    near = max(left, key=lambda comparison: comparison.probability)
    n = next(n for n, comparison in slices.items() if comparison is near)
    now = int(near.difference.fewest_seeds)
    seeds = seeds_to_decide(near.difference, -near.margin, near.level)
    if seeds is None and now >= 3:
        return ["More seeds would not decide it. Add test images, or allow a greater --margin."]
    seeds = seeds or max(3, 2 * now)
    return [
        f"To learn where, repeat the command with --kinds baseB,sliced --n {n} --seeds "
        f"0-{seeds - 1}: what is finished is kept. To look again and again raises the error; "
        "--until-decided accounts for it."
    ]
