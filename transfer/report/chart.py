"""What an interactive chart is: plotly traces, what can be switched, and its colours.

A colour in a trace is a name such as ``@AnB`` or ``@AnB/0.15`` (with opacity); the page looks it up
in `PALETTES`, so that one chart is drawn for light paper, a dark screen and print.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_hex

from transfer.figures.style import BASELINES, BASES, FINDINGS, KINDS, PAGE, SEMANTICS
from transfer.networks.backbone import BACKBONES

Numbers = Iterable[float]
Trace = dict[str, Any]  # of plotly
#: All that traces are coloured by, but for the values of n.
LOOKS = BASES | BASELINES | KINDS | SEMANTICS | FINDINGS
#: plotly's name of a matplotlib marker, and a character that looks like it.
_SYMBOLS = {
    "o": ("circle", "●"),
    "D": ("diamond", "◆"),
    "s": ("square", "■"),
    "^": ("triangle-up", "▲"),
    "x": ("x", "✖"),
    "P": ("cross", "✚"),
    "v": ("triangle-down", "▼"),
    "": ("circle", "━"),
}
_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_SCALE = mpl.colormaps["viridis"]
_MOST = max(backbone.blocks for backbone in BACKBONES.values())
#: Colours by their names, on light paper and on a dark screen: of the page, of looks, of n.
PALETTES = {
    "light": PAGE["light"]
    | {name: look.colour for name, look in LOOKS.items()}
    | {f"n{n}": to_hex(_SCALE(0.9 * n / _MOST)) for n in range(_MOST + 1)},
    "dark": PAGE["dark"]
    | {name: look.dark for name, look in LOOKS.items()}
    | {f"n{n}": to_hex(_SCALE(0.3 + 0.7 * n / _MOST)) for n in range(_MOST + 1)},
}


@dataclass(frozen=True)
class Switch:
    """What can be switched on and off, and at the same time the legend's entry for it."""

    key: str  #: of `PALETTES`: its colour
    label: str
    glyph: str


@dataclass(frozen=True)
class Choice:
    """A drop-down list: traces whose ``meta.when`` says another value are not drawn."""

    key: str
    label: str
    options: tuple[tuple[str, str], ...]  #: value, label


@dataclass(frozen=True)
class Chart:
    """One chart. Traces have ``meta = {"switch": key, "when": {choice: value}}``."""

    id: str  #: letters only
    label: str  #: what is drawn against what, for those who hear it
    traces: list[Trace]  #: of plotly
    layout: dict[str, Any]  #: of plotly, beyond what all charts share
    switches: tuple[Switch, ...] = ()
    legend: str = ""  #: what the switches are
    choices: tuple[Choice, ...] = ()
    layouts: dict[str, dict[str, Any]] = field(default_factory=dict)  #: by the value of a choice


def switch(key: str, label: str = "") -> Switch:
    """The switch of one of `LOOKS` in its colour and marker."""
    look = LOOKS[key]
    glyph = "╍" if key == "baseB+" else _SYMBOLS[look.marker][1]
    return Switch(key, label or look.label, glyph)


def switches_of(traces: list[Trace], labels: Mapping[str, str] = {}) -> tuple[Switch, ...]:
    """A switch for every key of ``traces``, in their order; ``labels`` in place of usual names."""
    keys = dict.fromkeys(trace["meta"]["switch"] for trace in traces)
    return tuple(switch(key, labels.get(key, "")) for key in keys)


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis of plotly."""
    return {"title": {"text": title}, **more}


def axis_of_n(title: str, last: int) -> dict[str, Any]:
    """The axis of blocks, up to the last."""
    return axis(title, range=[-0.5, last + 0.5], dtick=1)


def line(key: str, x: Numbers, y: Numbers, texts: Iterable[str], **more: Any) -> Trace:
    """Markers joined by a line, as one of `LOOKS`; ``texts`` are shown on hovering, one a point."""
    look = LOOKS[key]
    return {
        "type": "scatter",
        "mode": "lines+markers" if look.marker else "lines",
        "x": list(x),
        "y": list(y),
        "customdata": list(texts),
        "hovertemplate": "%{customdata}<extra></extra>",
        "line": {"color": f"@{key}", "width": 1.6, "dash": _DASHES[look.dash]},
        "marker": {"color": f"@{key}", "symbol": _SYMBOLS[look.marker][0], "size": 8},
        "meta": {"switch": key},
        **more,
    }


def band(key: str, x: Numbers, low: Numbers, high: Numbers, opacity: float = 0.15) -> Trace:
    """A band between ``low`` and ``high`` that hovering passes through."""
    across = list(x)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": across + across[::-1],
        "y": [*high, *list(low)[::-1]],
        "fill": "toself",
        "fillcolor": f"@{key}/{opacity}",
        "line": {"width": 0, "color": f"@{key}/0"},
        "hoverinfo": "skip",
        "meta": {"switch": key},
    }


def ring(x: float, y: float, key: str, when: Mapping[str, str] = {}) -> Trace:
    """A ring around the point of the recommended network, switched with ``key``."""
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [x],
        "y": [y],
        "text": ["recommended"],
        "textposition": "bottom center",
        "textfont": {"color": "@ink"},
        "hoverinfo": "skip",
        "marker": {"color": "@ink", "symbol": "circle-open", "size": 18, "line": {"width": 2}},
        "meta": {"switch": key, "when": dict(when)},
    }


def bars(low: Numbers, mean: Numbers, high: Numbers, colour: str) -> Trace:
    """Error bars of plotly for means and their intervals; none where there is no interval."""
    triples = list(zip(low, mean, high, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [h - m for _, m, h in triples],
        "arrayminus": [m - low for low, m, _ in triples],
        "thickness": 1,
        "width": 3,
        "color": f"@{colour}",
    }
