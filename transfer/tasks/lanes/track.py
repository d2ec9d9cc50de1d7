"""Closed tracks of the simulator: a centre line, two stripes of tape, a lookup.

The unit of length is the lane's half width: the tape begins at distance 1 from the centre line.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

SPACING = 0.1  #: between neighbouring points of a centre line
TAPE_INNER = 1.0  #: from the centre line to the inner edge of the tape
TAPE_WIDTH = (0.95, 1.35)
_SIZE = (6.5, 10.5)  # of the polygon a track is made of, from its middle to its corners
_CORNER_RADIUS = (1.4, 1.8)
_LEAST_TURN = np.radians(50)
_CELL = 0.25
_MARGIN = (5.0, 16.0)  # floor between the track and the walls
_REACH = TAPE_INNER + TAPE_WIDTH[1] + 0.5  # beyond this distance there is only floor
_FAR = 1e3


@dataclass(frozen=True, eq=False)
class Track:
    """A closed track on the floor of a rectangular room."""

    centre: np.ndarray  #: float64 (M, 2), the closed centre line in the direction of travel
    tangents: np.ndarray  #: float64 (M, 2), unit vectors in the direction of travel
    spacing: float  #: between neighbouring points of the centre line, close to `SPACING`
    tape_outer: float  #: distance of the tape's outer edge from the centre line
    room: np.ndarray  #: float64 (2, 2), lowest and highest x, y of the floor
    grid: tuple[int, int]  #: cells of the lookup table along x and y
    #: float32 (cells, 4), for each cell the nearest centre line's tangent (2), and the constants of
    #: the arc coordinate and of the signed distance; see `lookup`
    table: np.ndarray

    @property
    def length(self) -> float:
        """Length of one lap."""
        return len(self.centre) * self.spacing


def make_track(rng: np.random.Generator, clockwise: bool = False) -> Track:
    """Draw a closed track without crossings: straights of several half widths, narrow corners."""
    tape_outer = TAPE_INNER + rng.uniform(*TAPE_WIDTH)
    centre = _centre_line(rng, clearance=2 * tape_outer + 0.4)
    if clockwise:
        centre = np.ascontiguousarray(centre[::-1])
    low = centre.min(axis=0) - rng.uniform(*_MARGIN, size=2)
    high = centre.max(axis=0) + rng.uniform(*_MARGIN, size=2)
    return track_from_centre(centre, tape_outer, np.stack([low, high]))


def track_from_centre(centre: np.ndarray, tape_outer: float, room: np.ndarray) -> Track:
    """A track from a closed centre line (M, 2) of evenly spaced points; see `Track`."""
    step = np.roll(centre, -1, axis=0) - np.roll(centre, 1, axis=0)
    tangents = step / np.linalg.norm(step, axis=1, keepdims=True)
    spacing = float(np.mean(np.linalg.norm(np.diff(centre, axis=0), axis=1)))
    columns, rows = (int(cells) for cells in np.ceil((room[1] - room[0]) / _CELL))
    x = room[0, 0] + (np.arange(columns) + 0.5) * _CELL
    y = room[0, 1] + (np.arange(rows) + 0.5) * _CELL
    cells = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    distances, nearest = cKDTree(centre).query(cells, distance_upper_bound=_REACH)
    table = np.zeros((len(cells), 4), np.float32)
    table[:, 3] = _FAR
    near = np.isfinite(distances)
    point, tangent = centre[nearest[near]], tangents[nearest[near]]
    table[near, :2] = tangent
    table[near, 2] = nearest[near] * spacing - np.sum(point * tangent, axis=1)
    table[near, 3] = point[:, 0] * tangent[:, 1] - point[:, 1] * tangent[:, 0]
    return Track(centre, tangents, spacing, tape_outer, room, (columns, rows), table)


def lookup(track: Track, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Arc coordinate and signed distance (left positive), float32 (P,); error below 0.03.

    On a grid of cells, inside which the centre line is replaced by its tangent. Points outside the
    room count as the nearest cell; beyond the tape's reach the distance is a large number.
    """
    columns, rows = track.grid
    column = np.clip((x - np.float32(track.room[0, 0])) * np.float32(1 / _CELL), 0, columns - 1)
    row = np.clip((y - np.float32(track.room[0, 1])) * np.float32(1 / _CELL), 0, rows - 1)
    cell = column.astype(np.int32) * np.int32(rows) + row.astype(np.int32)
    tangent_x, tangent_y, along, across = np.take(track.table, cell, axis=0).T
    return along + x * tangent_x + y * tangent_y, across + y * tangent_x - x * tangent_y


def nearest(track: Track, x: float, y: float) -> tuple[int, float]:
    """Index of the nearest point of the centre line, and the signed distance, left positive."""
    offset = np.array([x, y]) - track.centre
    index = int(np.argmin(np.einsum("ij,ij->i", offset, offset)))
    tangent, (dx, dy) = track.tangents[index], offset[index]
    return index, float(tangent[0] * dy - tangent[1] * dx)


def _centre_line(rng: np.random.Generator, clearance: float) -> np.ndarray:
    """Counter-clockwise centre line (M, 2): a random polygon whose corners are arcs."""
    while True:
        corners = int(rng.integers(4, 8))
        angles = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
        radii = rng.uniform(*_SIZE) * rng.uniform(0.5, 1.0, corners)
        stretch = rng.uniform(0.7, 1.3)
        polygon = np.stack([np.cos(angles) * radii * stretch, np.sin(angles) * radii / stretch], 1)
        rounded = _round_corners(polygon, rng.uniform(*_CORNER_RADIUS))
        if rounded is None:
            continue
        centre = _resample(rounded)
        if _is_drivable(centre, clearance):
            return centre


def _round_corners(polygon: np.ndarray, radius: float) -> np.ndarray | None:
    """The polygon with an arc in each corner; None where one does not fit or turns too little."""
    side = np.roll(polygon, -1, axis=0) - polygon
    length = np.linalg.norm(side, axis=1)
    heading = np.arctan2(side[:, 1], side[:, 0])
    turn = np.remainder(heading - np.roll(heading, 1) + np.pi, 2 * np.pi) - np.pi
    reach = radius * np.tan(np.abs(turn) / 2)
    if np.abs(turn).min() < _LEAST_TURN or (reach + np.roll(reach, -1) > length).any():
        return None
    arcs = []
    for corner, before, angle, distance in zip(
        polygon, np.roll(heading, 1), turn, reach, strict=True
    ):
        begin = corner - distance * np.array([np.cos(before), np.sin(before)])
        along = before + np.linspace(0, angle, max(2, round(radius * abs(angle) / SPACING)))
        sign = np.sign(angle)
        arc = np.stack([np.sin(along) - np.sin(before), np.cos(before) - np.cos(along)], 1)
        arcs.append(begin + sign * radius * arc)
    return np.concatenate(arcs)


def _resample(polygon: np.ndarray) -> np.ndarray:
    """Points `SPACING` apart, or nearly so, along a closed polygon."""
    closed = np.concatenate([polygon, polygon[:1]])
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    count = max(8, round(arc[-1] / SPACING))
    at = np.arange(count) * (arc[-1] / count)
    return np.stack([np.interp(at, arc, closed[:, axis]) for axis in range(2)], axis=1)


def _is_drivable(centre: np.ndarray, clearance: float) -> bool:
    """No corner tighter than the lane, no two stretches nearer than ``clearance``."""
    step = np.roll(centre, -5, axis=0) - centre
    heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    turn = np.abs(heading[5:] - heading[:-5]) / (5 * SPACING)
    if turn.max() > 1 / 1.3:
        return False
    sparse = centre[::4]
    distance = np.linalg.norm(sparse[:, None] - sparse[None], axis=-1)
    apart = np.abs(np.arange(len(sparse))[:, None] - np.arange(len(sparse)))
    apart = np.minimum(apart, len(sparse) - apart) * 4 * SPACING
    return bool(distance[apart > 1.7 * clearance].min(initial=np.inf) > clearance)
