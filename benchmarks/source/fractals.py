"""The formula-driven source task: every class is a fractal, no photograph is needed.

Kataoka et al., "Pre-training without Natural Images" (ACCV 2020): a class is a random iterated
function system; its images are drawn by the chaos game from perturbed parameters. The affine maps
are drawn through their singular values, as in Anderson and Farrell, "Improving Fractal
Pre-training" (WACV 2022), which keeps them contracting.
"""

from dataclasses import dataclass

import numpy as np

_CHAINS, _STEPS, _BURN_IN = 500, 28, 12
_LEAST_FILL = 0.12  # of a 24 x 24 grid over the attractor: thinner ones are near to lines
_PERTURBATION = 0.15


@dataclass(frozen=True, eq=False)
class System:
    """An iterated function system of m affine maps x -> A x + b in the plane.

    ``matrices``: float64 (m, 2, 2), contracting: singular values below 1.
    ``offsets``: float64 (m, 2).
    """

    matrices: np.ndarray
    offsets: np.ndarray


def sample_system(rng: np.random.Generator) -> System:
    """Draw a system of 2 to 5 maps whose attractor fills some of the plane."""
    while True:
        maps = int(rng.integers(2, 6))
        large = rng.uniform(0.4, 0.9, maps)
        small = large * rng.uniform(0.3, 1.0, maps)
        turns = _rotations(rng.uniform(0, 2 * np.pi, (2, maps)))
        stretch = np.zeros((maps, 2, 2))
        stretch[:, 0, 0] = large
        stretch[:, 1, 1] = small * rng.choice([-1, 1], maps)
        system = System(turns[0] @ stretch @ turns[1], rng.uniform(-1, 1, (maps, 2)))
        points = _normalised(attractor(system, rng))
        cells = np.unique((points * 23.999).astype(int) @ np.array([24, 1]))
        if len(cells) >= _LEAST_FILL * 24**2:
            return system


def _rotations(angles: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def attractor(system: System, rng: np.random.Generator) -> np.ndarray:
    """Points of the attractor, float64 (8000, 2), by the chaos game: many chains, maps chosen by
    area.
    """
    areas = np.abs(np.linalg.det(system.matrices)) + 0.02
    choices = rng.choice(len(areas), (_STEPS, _CHAINS), p=areas / areas.sum())
    x, y = np.zeros(_CHAINS), np.zeros(_CHAINS)
    a, b = system.matrices.reshape(-1, 4).T, system.offsets.T
    kept = np.empty((_STEPS - _BURN_IN, 2, _CHAINS))
    for number, chosen in enumerate(choices):
        x, y = (
            a[0][chosen] * x + a[1][chosen] * y + b[0][chosen],
            a[2][chosen] * x + a[3][chosen] * y + b[1][chosen],
        )
        if number >= _BURN_IN:
            kept[number - _BURN_IN] = x, y
    return kept.transpose(0, 2, 1).reshape(-1, 2)


def _normalised(points: np.ndarray) -> np.ndarray:
    """Points moved and scaled to 0..1 along both axes."""
    low, high = points.min(0), points.max(0)
    return (points - low) / np.maximum(high - low, 1e-9)


def render(system: System, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw one image of a class, uint8 (height, width, 3): perturbed, placed, coloured, on a
    background.
    """
    factors = rng.uniform(1 - _PERTURBATION, 1 + _PERTURBATION, system.matrices.shape)
    matrices = system.matrices * factors
    norms = np.linalg.norm(matrices, 2, axis=(1, 2))
    matrices *= np.minimum(1, 0.95 / norms)[:, None, None]
    points = _normalised(attractor(System(matrices, system.offsets), rng)) - 0.5
    points = points @ _rotations(rng.uniform(-0.4, 0.4, 1))[0]
    points[:, 0] *= rng.choice([-1, 1])
    size = rng.uniform(0.7, 1.2) * height
    stretch = np.array([1.0, rng.uniform(1.0, width / height)])
    centre = np.array([height, width]) * rng.uniform(0.4, 0.6, 2)
    rows, columns = (points * size * stretch + centre).astype(int).T
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    density = np.bincount(rows[inside] * width + columns[inside], minlength=height * width).reshape(
        height, width, 1
    )
    strength = np.log1p(density) / np.log1p(max(density.max(), 1))
    dark, light = rng.uniform(0, 255, (2, 3))
    cover = np.minimum(density, 2) / 2
    image = (1 - cover) * _background(rng, height, width)
    image += cover * (dark + (light - dark) * strength)
    image += rng.normal(0, rng.uniform(0, 8), image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A colour that runs into another, in a random direction, with coarse blotches."""
    first, second = rng.uniform(0, 255, (2, 3))
    down, across = rng.uniform(-1, 1, 2)
    ramp = down * np.linspace(0, 1, height)[:, None] + across * np.linspace(0, 1, width)
    ramp = (ramp - ramp.min()) / max(np.ptp(ramp), 1e-9)
    coarse = rng.normal(0, rng.uniform(0, 30), (6, 10))
    blotches = np.kron(coarse, np.ones((-(-height // 6), -(-width // 10))))[:height, :width]
    return first + (second - first) * ramp[..., None] + blotches[..., None]


def generate(
    classes: int, per_class: int, height: int, width: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images of many fractal classes, class by class.

    Image i of class c is a function of (seed, c, i) alone: more classes or more images leave the
    others as they are. Returns images, uint8 (classes * per_class, height, width, 3), and labels,
    int64.
    """
    images = np.empty((classes, per_class, height, width, 3), np.uint8)
    for number in range(classes):
        system = sample_system(np.random.default_rng([seed, number]))
        for image in range(per_class):
            rng = np.random.default_rng([seed, number, image])
            images[number, image] = render(system, rng, height, width)
    return images.reshape(-1, height, width, 3), np.repeat(np.arange(classes), per_class)
