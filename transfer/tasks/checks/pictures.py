"""Small grey pictures of images: what all checks and baselines compare."""

import numpy as np

ROWS, COLUMNS = 12, 20  #: of the pictures the checks compare
_BATCH = 128
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def small_grey(images: np.ndarray, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """uint8 (N, H, W, 3) averaged over areas: float32 (N, at most rows * columns), 0..255."""
    height, width = images.shape[1:3]
    down = _averages(height, min(height, rows))  # (rows, H)
    across = _averages(width, min(width, columns)).T  # (W, columns)
    small = np.empty((len(images), down.shape[0] * across.shape[1]), dtype=np.float32)
    for start in range(0, len(images), _BATCH):
        grey = images[start : start + _BATCH].astype(np.float32) @ _LUMA  # (b, H, W)
        small[start : start + _BATCH] = (down @ grey @ across).reshape(len(grey), -1)
    return small


def _averages(length: int, parts: int) -> np.ndarray:
    """Matrix (parts, length) that averages a line over equal parts, broken pixels by area."""
    edges = np.linspace(0, length, parts + 1)
    left, right = edges[:-1, None], edges[1:, None]
    pixel = np.arange(length)
    overlap = np.minimum(right, pixel + 1) - np.maximum(left, pixel)
    return (np.maximum(overlap, 0) * parts / length).astype(np.float32)


def sample(count: int, limit: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``limit`` of the numbers below ``count``, in order."""
    return np.sort(rng.choice(count, size=min(count, limit), replace=False))
