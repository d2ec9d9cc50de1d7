"""Pictures: frames side by side, filters of the stem, and what a network looks at."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def contact_sheet(
    images: np.ndarray, titles: Sequence[str] | None = None, columns: int = 8, height: float = 0.75
) -> Figure:
    """Images uint8 (N, H, W, 3) side by side, ``height`` inches high, in the order given."""
    rows = -(-len(images) // columns)
    width = height * images.shape[2] / images.shape[1]
    title_height = 0.18 if titles is not None else 0.03
    figure = Figure(figsize=(columns * (width + 0.05), rows * (height + title_height)), dpi=150)
    axes = figure.subplots(rows, columns, squeeze=False)
    for place, axis in enumerate(axes.flat):
        axis.axis("off")
        if place < len(images):
            axis.imshow(images[place], interpolation="nearest")
            if titles is not None:
                axis.set_title(titles[place], fontsize=6, pad=2)
    figure.subplots_adjust(0.005, 0.005, 0.995, 1 - title_height / (rows * height), 0.03, 0.08)
    return figure


def draw_filters(filters: Mapping[str, np.ndarray], columns: int = 4) -> Figure:
    """Stem filters of several networks side by side, as from `stem_filters`; grey is zero."""
    figure = Figure(figsize=(2.4 * len(filters), 1.6), dpi=150, layout="constrained")
    axes = figure.subplots(1, len(filters), squeeze=False)[0]
    for axis, (title, of_network) in zip(axes, filters.items(), strict=True):
        rows = -(-len(of_network) // columns)
        sheet = np.ones((rows * 4 + 1, columns * 4 + 1, 3))
        for number, weights in enumerate(of_network):
            top, left = number // columns * 4 + 1, number % columns * 4 + 1
            sheet[top : top + 3, left : left + 3] = 0.5 + weights / 2
        axis.imshow(sheet, interpolation="nearest")
        axis.set_title(title, fontsize=7)
        axis.axis("off")
    return figure


def draw_maps(images: np.ndarray, titles: Sequence[str], maps: Mapping[str, np.ndarray]) -> Figure:
    """Images in the first row, below them rows of class activation maps, as from `grad_cam`.

    Each map is scaled by its own maximum. A title of a row is broken after a comma.
    """
    count, (height, width) = len(images), images.shape[1:3]
    side = 1.2
    figure = Figure(
        figsize=(count * side, (1 + len(maps)) * (side * height / width + 0.08)),
        dpi=100,
        layout="constrained",
    )
    axes = figure.subplots(1 + len(maps), count, squeeze=False)
    extent = (0, width, height, 0)  # a map covers the image, whatever its resolution
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    for place, image in enumerate(images):
        axes[0, place].imshow(image, extent=extent)
        axes[0, place].set_title(titles[place], fontsize=6, pad=2)
        grey = np.repeat(image.mean(-1, keepdims=True) / 255, 3, -1)
        for row, (title, of_row) in enumerate(maps.items(), 1):
            axis, heat = axes[row, place], of_row[place]
            axis.imshow(grey, extent=extent)
            look: Any = {"cmap": "inferno", "vmin": 0, "vmax": heat.max() or 1, "alpha": 0.6}
            axis.imshow(heat, extent=extent, interpolation="bilinear", **look)
            axis.set_xlim(0, width)
            axis.set_ylim(height, 0)
            if place == 0:
                axis.set_ylabel(title.replace(", ", "\n"), fontsize=6)
    return figure
