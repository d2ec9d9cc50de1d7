"""The vocabulary: a ``Run`` is a name; everything else is a function of it.

>>> parse_run("A3B+_s1")
Run(kind='AnB+', n=3, seed=1, bn='', fraction=1.0)
>>> parse_run("A3B+_s1").name
'A3B+_s1'

The grammar of a name is ``NETWORK[_BN][_fFRACTION]_sSEED``: the network in the notation of
Yosinski et al. 2014, the BatchNorm semantics if a part is frozen and it is not ``inference``,
the fraction of the training images if it is not 1, and the seed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from transfer.errors import TransferError

BLOCKS = 13  #: of MobileNet v1, the usual backbone
_MOST_BLOCKS = 99  # of any backbone; `transfer.networks.backbone.check_run` knows each

#: The kinds of network, in the order of protocol and tables.
KINDS: dict[str, str] = {
    "baseB": "random start, all trained on the target",
    "baseB+": "started from baseA, all trained on the target",
    "BnB": "selffer: first n blocks from baseB, frozen",
    "BnB+": "first n blocks from baseB, all trained",
    "AnB": "transfer: first n blocks from baseA, frozen",
    "AnB+": "first n blocks from baseA, all trained",
    "RnB": "first n blocks random, frozen: the control",
    "A@nB": "all blocks from baseA, only block n and the head trained",
    "sliced": "baseA cut after block n, all trained: layer pruning",
}
FROZEN_KINDS = ("BnB", "AnB", "RnB", "A@nB")
BN_SEMANTICS = ("inference", "legacy", "adapt")
KERAS_3 = ("", "inference")  #: nothing is frozen, or it is frozen as Keras 3 freezes it

_NAME = re.compile(
    r"(?P<network>[^_]+)(_(?P<bn>legacy|adapt))?(_f(?P<fraction>0\.\d{1,6}))?_s(?P<seed>\d{1,9})"
)


@dataclass(frozen=True)
class Run:
    """One network trained once.

    ``kind``: a key of `KINDS`.
    ``n``: blocks kept from the base, from 0 (``sliced``: from 1); None for baseB and
    baseB+. `transfer.networks.backbone.check_run` knows how many there are.
    ``seed``: 0 or more; every random choice of the run is a function of it.
    ``bn``: BatchNorm semantics of the frozen part; "" where nothing is frozen.
    ``fraction``: share of the training images used, in (0, 1].
    Raises `TransferError` if the attributes do not describe a network of the protocol.
    """

    kind: str
    n: int | None = None
    seed: int = 0
    bn: str = ""
    fraction: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TransferError(f"Expected a kind of {', '.join(KINDS)}. Received: {self.kind!r}.")
        lowest = 1 if self.kind == "sliced" else 0
        if self.kind in ("baseB", "baseB+"):
            if self.n is not None:
                raise TransferError(f"{self.kind} has no n. Received: n={self.n}.")
        elif self.n is None or not lowest <= self.n <= _MOST_BLOCKS:
            raise TransferError(f"Expected n of {lowest} or more for {self.kind}: n={self.n}.")
        if self.kind in FROZEN_KINDS and self.bn not in BN_SEMANTICS:
            raise TransferError(f"Expected bn of {', '.join(BN_SEMANTICS)}. Received: {self.bn!r}.")
        if self.kind not in FROZEN_KINDS and self.bn:
            raise TransferError(f"Nothing is frozen in {self.kind}: bn={self.bn!r} has no meaning.")
        if self.seed < 0:
            raise TransferError(f"Expected a seed of 0 or more. Received: {self.seed}.")
        if not 0 < self.fraction <= 1 or round(self.fraction, 6) != self.fraction:
            raise TransferError(
                "Expected a training fraction in (0, 1] with at most six decimals. "
                f"Received: {self.fraction}."
            )

    @property
    def network(self) -> str:
        """The network, without semantics, fraction and seed: ``A3B+``, ``baseB``, ``sliced-8``."""
        if self.kind == "sliced":
            return f"sliced-{self.n}"
        return self.kind if self.n is None else self.kind.replace("n", str(self.n))

    @property
    def family(self) -> str:
        """The name without the seed: ``A3B_legacy_f0.25``. Runs of one family differ by seed."""
        bn = f"_{self.bn}" if self.bn not in KERAS_3 else ""
        fraction = f"_f{self.fraction:.6f}".rstrip("0") if self.fraction < 1 else ""
        return f"{self.network}{bn}{fraction}"

    @property
    def name(self) -> str:
        """The run's full name, unique within a study: ``A3B_legacy_f0.25_s1``."""
        return f"{self.family}_s{self.seed}"

    @property
    def depth(self) -> int | None:
        """Blocks of the network: n if it is sliced; None: all of the backbone's."""
        return self.n if self.kind == "sliced" else None

    @property
    def needs_base_a(self) -> bool:
        """Whether the run starts from the source task's network."""
        return self.kind in ("baseB+", "AnB", "AnB+", "A@nB", "sliced")

    @property
    def depends_on(self) -> tuple["Run", ...]:
        """The runs whose weights this one copies: BnB of seed s needs baseB of seed s."""
        if self.kind in ("BnB", "BnB+"):
            return (Run("baseB", seed=self.seed, fraction=self.fraction),)
        return ()


def parse_run(name: str) -> Run:
    """The inverse of `Run.name`: ``parse_run(name).name == name``, or an error."""
    match = _NAME.fullmatch(name) if len(name) <= 64 else None
    if match:
        digits = re.search(r"\d+", match["network"])
        kind = re.sub(r"\d+", "n", match["network"]).replace("sliced-n", "sliced")
        if kind in KINDS and bool(digits) != kind.startswith("baseB"):
            run = Run(
                kind,
                int(digits[0]) if digits else None,
                int(match["seed"]),
                match["bn"] or ("inference" if kind in FROZEN_KINDS else ""),
                float(match["fraction"] or 1),
            )
            if run.name == name:
                return run
    raise TransferError(
        "Expected the name of a run such as baseB_s0, A3B+_s1 or A3B_legacy_s0. "
        f"Received: {name[:80]!r}."
    )


def parse_runs(names: Iterable[object], where: object) -> list[Run]:
    """`parse_run` of the names that the file ``where`` holds; the error names the file."""
    try:
        return [parse_run(str(name)) for name in names]
    except TransferError as error:
        raise TransferError(f"In {where}: {error}") from error


@dataclass(frozen=True)
class Protocol:
    """How a network is trained; see `PROTOCOLS` for the two that are used.

    ``schedule``: "inverse_time": ``learning_rate / (1 + decay * step)``; "one_cycle": up from a
    tenth of ``learning_rate`` to ``learning_rate`` during the first 30 % of the steps, then a
    cosine down to zero (Smith and Topin 2017).
    ``patience``: epochs without a gain of ``min_delta`` in validation accuracy before training
    stops; None to train all epochs.
    """

    schedule: str
    learning_rate: float
    momentum: float
    nesterov: bool
    batch: int
    epochs: int
    decay: float = 0.0
    patience: int | None = None
    min_delta: float = 0.0

    @property
    def name(self) -> str:
        """``fast`` or ``reference``, with what differs from it: ``fast-e9``, ``fast-e500-b16``.

        ``custom`` where more than the epochs and the batch differ from both.
        """
        for name, usual in PROTOCOLS.items():
            if replace(usual, epochs=self.epochs, batch=self.batch) == self:
                epochs = f"-e{self.epochs}" if self.epochs != usual.epochs else ""
                batch = f"-b{self.batch}" if self.batch != usual.batch else ""
                return f"{name}{epochs}{batch}"
        return "custom"

    def values(self) -> dict[str, Any]:
        """Name and attributes, as they stand in study.json."""
        return {"name": self.name, **asdict(self)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Protocol":
        """The inverse of `values`; a `TypeError` if an attribute is missing or unknown."""
        return cls(**{key: value for key, value in values.items() if key != "name"})


PROTOCOLS: dict[str, Protocol] = {
    "reference": Protocol(
        "inverse_time", 0.01, 0.9, False, 64, 15, 0.0005, patience=3, min_delta=1e-4
    ),
    "fast": Protocol("one_cycle", 0.1, 0.9, True, 32, 6),
}


@dataclass(frozen=True)
class Study:
    """What is asked of a study; `runs` expands it into runs in an order that can be executed.

    With ``listed``, these runs are asked for, in place of all of these kinds, n and seeds.
    """

    kinds: tuple[str, ...]
    n: tuple[int, ...]
    seeds: tuple[int, ...]
    protocol: Protocol
    bn: tuple[str, ...] = ("inference",)
    fractions: tuple[float, ...] = (1.0,)
    alpha: float = 0.25
    input_size: tuple[int, int] = (48, 80)
    source: str = "fractals"
    listed: tuple[Run, ...] = ()
    backbone: str = "mobilenet"

    def runs(self) -> list[Run]:
        """All runs asked for and those they depend on, dependencies first, none twice."""
        parts = product(self.seeds, self.fractions, self.kinds)
        asked = self.listed or [
            run for seed, fraction, kind in parts for run in self._runs_of(kind, seed, fraction)
        ]
        return list(dict.fromkeys(part for run in asked for part in (*run.depends_on, run)))

    def _runs_of(self, kind: str, seed: int, fraction: float) -> Iterable[Run]:
        if kind in ("baseB", "baseB+"):
            yield Run(kind, seed=seed, fraction=fraction)
            return
        semantics = self.bn if kind in FROZEN_KINDS else ("",)
        for n, bn in product(self.n, semantics):
            if not (kind == "sliced" and n == 0):  # nothing is left to slice
                yield Run(kind, n, seed, bn, fraction)


@dataclass(frozen=True)
class Preset:
    """A named study, and how many simulated images a split has if no data set is given."""

    study: Study
    images: dict[str, int]


PRESETS: dict[str, Preset] = {
    "quick": Preset(
        Study(("baseB", "baseB+", "AnB", "sliced"), (1, 4, 7, 10, 13), (0, 1), PROTOCOLS["fast"]),
        {"train": 6000, "valid": 1500, "test": 2000},
    ),
    "full": Preset(
        Study(tuple(KINDS), tuple(range(BLOCKS + 1)), (0, 1, 2), PROTOCOLS["fast"]),
        {"train": 6000, "valid": 1500, "test": 4000},
    ),
    "paper": Preset(
        Study(
            ("baseB", "baseB+", "BnB", "AnB", "AnB+", "sliced"),
            tuple(range(1, BLOCKS + 1)),
            (0,),
            PROTOCOLS["reference"],
            bn=("inference", "legacy"),
            alpha=1.0,
            input_size=(224, 224),
            source="imagenet",
        ),
        {"train": 56172, "valid": 7022, "test": 7022},
    ),
}
