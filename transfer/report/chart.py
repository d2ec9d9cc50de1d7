"""What an interactive chart is: plotly traces, what can be switched, and its colours.

A colour in a trace is a name such as ``@AnB`` or ``@AnB/0.15`` (with opacity); the page looks it
up in `PALETTES`, so that one chart is drawn for light paper, a dark screen and print.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_hex

from transfer.figures.style import KIND_LABELS, KIND_STYLE
from transfer.runs import BLOCKS

#: plotly's name of a matplotlib marker, and a character that looks like it.
SYMBOLS = {
    "o": ("circle", "●"),
    "D": ("diamond", "◆"),
    "s": ("square", "■"),
    "^": ("triangle-up", "▲"),
    "x": ("x", "✖"),
    "P": ("cross", "✚"),
    "v": ("triangle-down", "▼"),
}
_DARK_KINDS = {  # the same hues, light enough for a dark screen
    "BnB": "#2f8fd8",
    "BnB+": "#9ad5f7",
    "AnB": "#f0752a",
    "AnB+": "#1fc796",
    "RnB": "#a8a8a8",
    "A@nB": "#de93be",
    "sliced": "#f0b429",
}
_SEMANTICS = {  # as in the printed figure: transfer.figures.semantics
    "inference": ("#D55E00", "#f0752a"),
    "adapt": ("#0072B2", "#2f8fd8"),
    "legacy": ("#000000", "#f2f0ea"),
}


def _palettes() -> dict[str, dict[str, str]]:
    light = {
        "ink": "#1c1b19",
        "grid": "#e3dfd6",
        "paper": "#fffefa",
        "baseB": "#000000",
        "baseB+": "#777777",
        **{kind: colour for kind, (colour, _) in KIND_STYLE.items()},
        **{bn: colour for bn, (colour, _) in _SEMANTICS.items()},
    }
    dark = {
        "ink": "#e6e3dc",
        "grid": "#3a3936",
        "paper": "#191917",
        "baseB": "#f2f0ea",
        "baseB+": "#a5a39d",
        **_DARK_KINDS,
        **{bn: colour for bn, (_, colour) in _SEMANTICS.items()},
    }
    scale = mpl.colormaps["viridis"]
    for n in range(BLOCKS + 1):
        light[f"n{n}"] = to_hex(scale(0.9 * n / BLOCKS))
        dark[f"n{n}"] = to_hex(scale(0.3 + 0.7 * n / BLOCKS))
    return {"light": light, "dark": dark}


PALETTES = _palettes()


@dataclass(frozen=True)
class Switch:
    """What can be switched on and off, and at the same time the legend's entry for it."""

    key: str
    label: str
    colour: str  #: a key of `PALETTES`
    glyph: str


@dataclass(frozen=True)
class Choice:
    """A drop-down list: traces whose ``meta.when`` says another value are not drawn."""

    key: str
    label: str
    options: tuple[tuple[str, str], ...]  #: value, label


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes
    ----------
    id : str
        Letters only.
    label : str
        What is drawn against what, for those who hear it.
    traces : list of dict
        Of plotly, with ``meta = {"switch": key, "when": {choice: value}}``.
    layout : dict
        Of plotly, beyond what all charts share.
    layouts : dict
        More of it, by the value of a choice.
    """

    id: str
    label: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    switches: tuple[Switch, ...] = ()
    legend: str = ""  #: what the switches are
    choices: tuple[Choice, ...] = ()
    layouts: dict[str, dict[str, Any]] = field(default_factory=dict)


def kind_switch(kind: str, label: str = "") -> Switch:
    """The switch of a kind in its colour and marker; a dash for the bases."""
    if kind in ("baseB", "baseB+"):
        return Switch(kind, label or kind, kind, "━" if kind == "baseB" else "╍")
    return Switch(kind, label or KIND_LABELS[kind], kind, SYMBOLS[KIND_STYLE[kind][1]][1])


def number(value: float) -> float | None:
    """Six digits for the page; None, which JSON can hold, for NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def points_trace(
    x: Iterable[float],
    y: Iterable[float],
    *,
    colour: str,
    symbol: str,
    switch: str,
    dash: str = "solid",
    texts: Iterable[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """Markers joined by a line; ``texts`` are shown on hovering, one a point."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [number(value) for value in x],
        "y": [number(value) for value in y],
        "customdata": list(texts),
        "hovertemplate": "%{customdata}<extra></extra>",
        "line": {"color": f"@{colour}", "width": 1.6, "dash": dash},
        "marker": {"color": f"@{colour}", "symbol": symbol, "size": 8},
        "meta": {"switch": switch},
        **more,
    }


def band_trace(
    x: Iterable[float],
    low: Iterable[float],
    high: Iterable[float],
    colour: str,
    switch: str,
    opacity: float = 0.15,
) -> dict[str, Any]:
    """A band between ``low`` and ``high`` that hovering passes through."""
    across = list(x)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [number(value) for value in across + across[::-1]],
        "y": [number(value) for value in [*high, *list(low)[::-1]]],
        "fill": "toself",
        "fillcolor": f"@{colour}/{opacity}",
        "line": {"width": 0, "color": f"@{colour}/0"},
        "hoverinfo": "skip",
        "meta": {"switch": switch},
    }


def bars(low: Iterable[float], mean: Iterable[float], high: Iterable[float]) -> dict[str, Any]:
    """Error bars of plotly for a mean and its interval; none where there is no interval."""
    triples = list(zip(low, mean, high, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [number(h - m) for _, m, h in triples],
        "arrayminus": [number(m - low) for low, m, _ in triples],
        "thickness": 1,
        "width": 3,
    }
