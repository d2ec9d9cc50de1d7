"""From sections to one self-contained page: the template, its style and scripts put in line.

All that comes from a study (class names, paths, versions) is foreign: the template escapes it, and
the page runs no script but the two whose hashes its content security policy names.
"""

import base64
import hashlib
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from transfer.report.chart import PALETTES, Chart


def render(content: dict[str, Any], left_out: list[str]) -> str:
    """The page as HTML.

    ``content``: what ``page.html`` shows, by name; its `Chart` are drawn in their order.
    ``left_out``: a sentence for everything that is not there.
    """
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    scripts = [_read("plotly-basic.min.js"), _read("page.js")]
    drawn = {
        chart.id: {"traces": chart.traces, "layout": chart.layout, "layouts": chart.layouts}
        for chart in content.values()
        if isinstance(chart, Chart)
    }
    template = environment.from_string(_read("page.html"))
    return template.render(
        **content,
        left_out=left_out,
        style=Markup(_palette_css() + _read("page.css")),
        scripts=[Markup(script) for script in scripts],
        policy=" ".join(f"'{_hash(script)}'" for script in scripts),
        drawn=_plain({"charts": drawn, "palettes": PALETTES}),
        variable=variable,
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


def variable(colour: str) -> str:
    """The CSS variable of a colour of `PALETTES`; kinds have characters CSS does not."""
    return "--c-" + colour.replace("+", "-plus").replace("@", "-one-")


def _palette_css() -> str:
    """The palettes as CSS variables; print is on paper, whatever the screen is."""

    def variables(name: str) -> str:
        return "".join(f"{variable(key)}:{value};" for key, value in PALETTES[name].items())

    return (
        f":root{{{variables('light')}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{variables('dark')}}}}}\n"
    )
