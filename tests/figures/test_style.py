"""What meets in a figure is told apart, with red-green vision and without, by colour and by shape.

Oracles: Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of
color vision deficiency" (severity 1.0); CIELAB of the International Commission on Illumination.
"""

import itertools
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import transfer
from transfer.figures import style
from transfer.figures.style import BASES, FORMATS, KINDS, SEMANTICS, STUDIES, Look, styled

VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
LEAST_DISTANCE = 15  # of CIELAB; 2.3 is just noticeable side by side
TOGETHER = {  # what meets in a figure or chart
    "kinds": BASES | KINDS,
    "semantics": {"baseB": BASES["baseB"], **SEMANTICS},
    "formats": FORMATS,
    "studies": {m: Look(m, colour, colour, m) for colour, m in STUDIES},
}


def linear(colour):
    """Linear sRGB of a hex colour, 0..1."""
    value = np.array(mpl.colors.to_rgb(colour))
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_distance_is_that_of_cielab():
    assert lab(linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.01)
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
    assert lab(linear("#0000ff")) == pytest.approx([32.30, 79.19, -107.86], abs=0.02)


@pytest.mark.parametrize("shade", ["colour", "dark"])
@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("looks", TOGETHER.values(), ids=TOGETHER)
def test_colours_that_meet_are_told_apart(looks, vision, shade):
    for (name, a), (other, b) in itertools.combinations(looks.items(), 2):
        seen = [lab(VISION[vision] @ linear(getattr(look, shade))) for look in (a, b)]
        assert np.linalg.norm(seen[0] - seen[1]) >= LEAST_DISTANCE, (name, other)


@pytest.mark.parametrize("looks", TOGETHER.values(), ids=TOGETHER)
def test_what_meets_differs_in_marker_or_dash_too(looks):
    shapes = [(look.marker, look.dash) for look in looks.values()]
    assert len(set(shapes)) == len(shapes)


def test_a_figure_does_not_change_the_style_of_the_caller():
    before = dict(mpl.rcParams)
    size = styled(lambda: mpl.rcParams["font.size"])()
    assert size == 7
    assert dict(mpl.rcParams) == before


def test_colours_stand_in_one_place():
    for path in Path(transfer.__file__).parent.rglob("*.py"):
        colours = re.findall(r"#[0-9a-fA-F]{6}\b", path.read_text(encoding="utf-8"))
        assert not colours or path == Path(style.__file__), path
