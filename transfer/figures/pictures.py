"""Frames as a person looks at them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure


def contact_sheet(
    images: np.ndarray, titles: Sequence[str] | None = None, columns: int = 8, height: float = 0.75
) -> Figure:
    """Images side by side, in the order given.

    Parameters
    ----------
    images : uint8 (N, H, W, 3), N of 1 or more
    titles : one a picture, or None
    columns : int
    height : float
        Of one picture, in inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
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
