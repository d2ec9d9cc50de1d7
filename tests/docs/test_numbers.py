"""Every number with a decimal point in README and results page is that of a committed table.

A claim is a pattern of the text and what its groups must be, computed from the tables. A number
that no claim covers fails too, so that nobody adds one without its source.
"""

import functools
import re
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from transfer.answers.answer import answer
from transfer.statistics.comparison import against_base, read_tested

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments-results"
PAGES = ("README.md", "docs/results.md")
#: Numbers that are names: versions, widths, and what stands in code or addresses.
NAMES = re.compile(
    r"```.*?```|`[^`]*`|\]\([^)]*\)|Keras\s[\d.]+( to [\d.]+)?|Python\s[\d.]+|[Aa]lpha\s[\d.]+",
    re.DOTALL,
)
BEST, LAST = "test_balanced_accuracy", "last_test_balanced_accuracy"
BN, LANES = "donkey-bn", "lanes-bn"
FAST, REFERENCE = "donkey-imagenet-fast", "lanes-fractals-reference"
FIVE = (1, 4, 7, 10, 13)


@functools.cache
def runs(study):
    frame = pd.read_csv(RESULTS / study / "runs.csv").fillna({"bn": ""})
    return frame[frame["fraction"] == 1]


def points(study, network, bn="", column=BEST):
    """Mean over seeds of a network, of 100; ``network`` as ``A7B`` or ``baseB``."""
    frame = runs(study)
    kind, n = re.sub(r"\d+", "n", network), re.search(r"\d+", network)
    kind = "sliced" if kind == "sliced-n" else kind
    chosen = frame[(frame["kind"] == kind) & (frame["bn"] == bn)]
    chosen = chosen[chosen["n"] == int(n[0])] if n else chosen
    assert len(chosen), f"{study} has no {network} {bn}"
    return 100 * chosen[column].mean()


def above_base(study, kind, bn, blocks=range(1, 14), column=BEST):
    """A frozen kind minus baseB, in points, in the mean over n."""
    base = points(study, "baseB", column=column)
    return sum(points(study, kind.replace("n", str(n)), bn, column) - base for n in blocks) / len(
        blocks
    )


def worst_and_mean():
    """How far the published AnB lies below the published baseB: least, most, mean over n."""
    table = pd.read_csv(RESULTS / "published" / "all_experiments.csv")
    base = table.loc[table["network"] == "baseB", "test_accuracy"].item()
    below = 100 * (base - table.loc[table["network"] == "AnB", "test_accuracy"])
    return [below.min(), below.max(), below.mean()]


def baseline(study, name):
    table = pd.read_csv(RESULTS / study / "baselines.csv").set_index("baseline")
    return 100 * table.loc[name, "balanced_accuracy"]


def original(network, mode=""):
    table = pd.read_csv(ROOT / "benchmarks" / "results" / "original.csv").set_index("run")
    return 100 * table.loc[network, f"{BEST}{mode}"].mean()


def noise(dataset, network, epochs, weights="best"):
    """Balanced accuracy, of 100, by seed."""
    table = pd.read_csv(ROOT / "benchmarks" / "results" / "noise.csv")
    columns = ["dataset", "network", "epochs", "weights"]
    rows = table[(table[columns] == [dataset, network, epochs, weights]).all(axis=1)]
    return 100 * rows.set_index("seed")["balanced_accuracy"]


def moments(study, kind):
    """Points above baseB of ``legacy`` networks: rows n, a column a share of the target's moments.

    And the distance of the moments that each n brings along.
    """
    table = pd.read_csv(ROOT / "benchmarks" / "results" / "mechanism.csv")
    table = table[(table["study"] == study) & (table["kind"] == kind)]
    table["points"] = 100 * (table["balanced_accuracy"] - table["base"])
    return table.pivot_table("points", "n", "share"), table.groupby("n")["distance"].mean()


def moved(study, kind, share, *blocks):
    """Points below baseB with this share of the target's moments, in the mean over ``blocks``."""
    table = moments(study, kind)[0]
    return -table.loc[list(blocks) or table.index, share].mean()


def most_moved(study):
    """How far BnB moves at most from what it is with its own moments, at any n and share."""
    table = moments(study, "BnB")[0]
    return table.sub(table[0.0], axis=0).abs().to_numpy().max()


def rank_correlation(*groups):
    """Of the distance of the moments and the fall, over the n of these studies and kinds."""
    parts = [moments(*group) for group in groups]
    falls = pd.concat([-table[0.0] for table, _ in parts])
    return stats.spearmanr(pd.concat([distance for _, distance in parts]), falls).statistic


@functools.cache
def cut(study):
    """The recommended network and baseB, and by how much it is at worst below, in points."""
    found = answer(RESULTS / study)
    n = int(found.network.removeprefix("sliced-"))
    comparison = against_base(read_tested(RESULTS / study), found.margin)["sliced", n, ""]
    worst = -100 * comparison.at_least
    return points(study, found.network), points(study, "baseB"), worst


@functools.cache
def frozen(study):
    """The deepest AnB that is shown to be as good, baseB, and the bound between, in points."""
    network = f"A{answer(RESULTS / study).general}B"
    comparison = against_base(read_tested(RESULTS / study))["AnB", int(network[1:-1]), "inference"]
    bound = abs(100 * comparison.at_least)
    return points(study, network, "inference"), points(study, "baseB"), bound


#: A sentence of a page with # for each number, and a function that gives them from the tables.
CLAIMS = (
    ("lost # points against a network trained from scratch", lambda: worst_and_mean()[2:]),
    ("We lose # points", lambda: [-above_base(BN, "AnB", "legacy", FIVE)]),
    (
        "lay # to # points below a network trained from scratch (baseB), # in the mean",
        worst_and_mean,
    ),
    (
        "`legacy` lies # points below baseB in the mean over n, lower than under `inference` at "
        "every n, by # in the mean",
        lambda: [
            -above_base(BN, "AnB", "legacy", FIVE),
            above_base(BN, "AnB", "inference", FIVE) - above_base(BN, "AnB", "legacy", FIVE),
        ],
    ),
    (
        "shows no fall: # points in the mean, between # and # at every n, and in the mean # away",
        lambda: [
            above_base(BN, "BnB", "legacy", FIVE),
            min(above_base(BN, "BnB", "legacy", (n,)) for n in FIVE),
            max(above_base(BN, "BnB", "legacy", (n,)) for n in FIVE),
            above_base(BN, "BnB", "legacy", FIVE) - above_base(BN, "BnB", "inference", FIVE),
        ],
    ),
    (
        "shows no such fall before n = 13: # in the mean over n = 1, 4, 7, 10. A1B is # below, "
        "which is undecided. At n = 13 it falls by #",
        lambda: [
            above_base(BN, "AnB", "inference", FIVE[:-1]),
            -above_base(BN, "AnB", "inference", (1,)),
            -above_base(BN, "AnB", "inference", FIVE[-1:]),
        ],
    ),
    (
        'AnB under `legacy` lies # below baseB, and answers "forward" to every image (#)',
        lambda: [
            -above_base(BN, "AnB", "legacy", FIVE, LAST),
            points(BN, "A1B", "legacy", LAST),
        ],
    ),
    (
        "A1B, A4B and A7B end at # to #, B1B, B4B and B7B at #, # and #, baseB at #",
        lambda: [original(name) for name in ("A1B", "A7B", "B1B", "B4B", "B7B", "baseB")],
    ),
    (
        "by the statistics of the batch, as in training, the same A1B, A4B and A7B find #, # and #",
        lambda: [original(name, "_training_mode") for name in ("A1B", "A4B", "A7B")],
    ),
    (
        "on real drives rises from # to # points below baseB in the mean over n, and A7B to # "
        "below",
        lambda: [moved(BN, "AnB", 0), moved(BN, "AnB", 1), moved(BN, "AnB", 1, 7)],
    ),
    (
        "rises with every share, from # to # points below baseB. A1B, A4B and A10B end at most # "
        "below. A7B gains nothing (# below at the end), and A13B halves its fall, from # to #",
        lambda: [
            moved(LANES, "AnB", 0),
            moved(LANES, "AnB", 1),
            max(moved(LANES, "AnB", 1, n) for n in (1, 4, 10)),
            moved(LANES, "AnB", 1, 7),
            moved(LANES, "AnB", 0, 13),
            moved(LANES, "AnB", 1, 13),
        ],
    ),
    (
        "BnB moves by at most # points on real drives (B13B, which loses) and # on simulated ones",
        lambda: [most_moved(BN), most_moved(LANES)],
    ),
    (
        "together, yes (rank correlation #). On simulated drives AnB falls further the further "
        "away its statistics are (#, five n)",
        lambda: [
            rank_correlation(*((study, kind) for study in (BN, LANES) for kind in ("AnB", "BnB"))),
            rank_correlation((LANES, "AnB")),
        ],
    ),
    ("most AnB lie near # there, below", lambda: [100 / 3]),
    (
        "AnB under `legacy` lies # below AnB under `inference` in the mean, BnB under `legacy` # "
        "from BnB under `inference`",
        lambda: [
            above_base("lanes-bn", "AnB", "inference", FIVE)
            - above_base("lanes-bn", "AnB", "legacy", FIVE),
            above_base("lanes-bn", "BnB", "legacy", FIVE)
            - above_base("lanes-bn", "BnB", "inference", FIVE),
        ],
    ),
    ("So B1B is # below baseB there", lambda: [original("baseB") - original("B1B")]),
    (
        "at most # points at any n",
        lambda: [max(abs(above_base(BN, "BnB", "legacy", (n,))) for n in FIVE)],
    ),
    (
        "one seed): # under `legacy`, # under `inference`",
        lambda: [above_base("donkey-imagenet", "AnB", bn) for bn in ("legacy", "inference")],
    ),
    (
        "its baseB is # below that of `fast`",
        lambda: [points("lanes-fractals", "baseB") - points(REFERENCE, "baseB")],
    ),
    (
        "all thirteen n: # under `legacy`, # under `inference`",
        lambda: [above_base(FAST, "AnB", bn) for bn in ("legacy", "inference")],
    ),
    (
        "fall is smaller: # and # with ImageNet, # and # with fractals",
        lambda: [
            above_base(study, "AnB", bn)
            for study in ("lanes-imagenet", "lanes-fractals")
            for bn in ("legacy", "inference")
        ],
    ),
    ("thirteen blocks frozen, has #, baseB #: at least # more", lambda: frozen(BN)),
    ("A13B is worse by #", lambda: [-above_base(BN, "AnB", "inference", (13,))]),
    ("ten blocks: # against #, at worst # less", lambda: frozen(FAST)),
    ("A7B+ lies # above baseB", lambda: [points(BN, "A7B+") - points(BN, "baseB")]),
    ("since A1B is # below baseB", lambda: [-above_base(BN, "AnB", "inference", (1,))]),
    ("has #, the whole network trained from scratch #, at worst # less", lambda: cut(BN)),
    ("grey pictures find #", lambda: [baseline(BN, "nearest_neighbours")]),
    ("six blocks too, # against #", lambda: cut(FAST)[:2]),
    ("with fractals (# against #, at worst # less", lambda: cut("lanes-fractals")),
    ("with ImageNet (# against #, at worst # less", lambda: cut("lanes-imagenet")),
    (
        "baseB rises from # (`donkey-imagenet-fast`) to # (`donkey-bn`). Nearest neighbours find #",
        lambda: [points(FAST, "baseB"), points(BN, "baseB"), baseline(BN, "nearest_neighbours")],
    ),
    *(
        (
            f"| {epochs} | #, sd # | #, sd # |",
            lambda epochs=epochs: [
                getattr(noise(dataset, "baseB", epochs), of)()
                for dataset in ("donkey", "lanes")
                for of in ("mean", "std")
            ],
        )
        for epochs in (3, 6, 15)
    ),
    (
        "standard deviation falls from # to #, not to half; on simulated drives it rises from # to "
        "#. Averaging the weights over the last steps lowers baseB by # on real drives and raises "
        "it by # on simulated ones",
        lambda: [
            *(
                (noise(dataset, "A7B", epochs) - noise(dataset, "baseB", epochs)).std()
                for dataset in ("donkey", "lanes")
                for epochs in (3, 6)
            ),
            (noise("donkey", "baseB", 6) - noise("donkey", "baseB", 6, "averaged")).mean(),
            (noise("lanes", "baseB", 6, "averaged") - noise("lanes", "baseB", 6)).mean(),
        ],
    ),
    (
        "baseB has # (MobileNet v1: #). AnB lies # below it at n = 1, above it at "
        "n = 5, 9 and 13 (#, # and #), and # below at n = 17",
        lambda: [
            points("donkey-v2", "baseB"),
            points(BN, "baseB"),
            -above_base("donkey-v2", "AnB", "inference", (1,)),
            *(above_base("donkey-v2", "AnB", "inference", (n,)) for n in (5, 9, 13)),
            -above_base("donkey-v2", "AnB", "inference", (17,)),
        ],
    ),
    ("where A13B lies # below", lambda: [-above_base(BN, "AnB", "inference", (13,))]),
    ("six rounds): keep 4 blocks, # against #", lambda: cut("donkey-decided")[:2]),
    (
        "five rounds): keep 4 blocks, # against #, at worst # less",
        lambda: cut("lanes-decided"),
    ),
    (
        "A10B has #, too. sliced-3 lies # below baseB",
        lambda: [
            frozen("lanes-decided")[0],
            points("lanes-decided", "baseB") - points("lanes-decided", "sliced-3"),
        ],
    ),
    (
        "A1B lies # above baseB, A11B #. A13B lies # above",
        lambda: [above_base("trashnet-v1", "AnB", "inference", (n,)) for n in (1, 11, 13)],
    ),
    (
        "is sliced-7 with #; the whole network started from ImageNet, baseB+, has #",
        lambda: [points("trashnet-v1", name) for name in ("sliced-7", "baseB+")],
    ),
    (
        "A7B lies # points below baseB with `fast` (3 epochs), and # above with `reference`, whose "
        "baseB is lower (# against #)",
        lambda: [
            -above_base("lanes-fractals", "AnB", "inference", (7,)),
            above_base(REFERENCE, "AnB", "inference", (7,)),
            points(REFERENCE, "baseB"),
            points("lanes-fractals", "baseB"),
        ],
    ),
)


def pattern(sentence):
    """Words of a page may be parted by a line's end."""
    words = re.escape(sentence).replace(r"\#", r"([-+]?\d+\.\d+)")
    return re.compile(re.sub(r"(\\ )+", r"\\s+", words))


def text_of(page):
    """The page, with numbers that are names blanked out."""

    def blank(name):
        return " " * len(name[0]) if re.search(r"\d\.\d|\]\(|```", name[0]) else name[0]

    return NAMES.sub(blank, (ROOT / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_number_of_a_page_is_that_of_a_table(page):
    text, covered = text_of(page), set()
    for sentence, expected in CLAIMS:
        for match in pattern(sentence).finditer(text):
            numbers = [float(group) for group in match.groups()]
            assert numbers == [pytest.approx(value, abs=0.0501) for value in expected()], match[0]
            covered |= {match.span(group) for group in range(1, len(match.groups()) + 1)}
    stray = [
        text[max(0, number.start() - 60) : number.end() + 20]
        for number in re.finditer(r"[-+]?\d+\.\d+", text)
        if number.span() not in covered
    ]
    assert not stray, f"Numbers of {page} that no claim covers: {stray}"


def test_every_claim_is_made_somewhere():
    pages = [text_of(page) for page in PAGES]
    for sentence, _ in CLAIMS:
        assert any(pattern(sentence).search(page) for page in pages), sentence


def test_the_answer_that_the_readme_shows_is_that_of_the_committed_study():
    shown = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for paragraph in answer(RESULTS / BN).paragraphs():
        assert paragraph in shown
