"""Proportions: smooth displacements of the base mesh, each of which changes one ratio of a face.

They are morph targets like those of the file, made from rest positions: a face with a value of a
proportion has that multiple of its displacement added. Lengths are decimetres of the rest head.
"""

import numpy as np

from data.shape.maths import step

EYE = (0.308, 7.284, 1.245)  # the middle of the left eyeball
# What lies round a place moves, wholly up to the first distance and not at all past the second: it
# stretches about the place by the first triple and shifts by the second. The other side does the
# same; a place in the middle has no other side.
LOCAL = {
    "eye size": (EYE, 0.20, 0.50, (0.13, 0.13, 0.13), (0, 0, 0)),
    "eye spacing": (EYE, 0.22, 0.55, (0, 0, 0), (0.03, 0, 0)),
    "eye height": (EYE, 0.22, 0.50, (0, 0, 0), (0, 0.045, 0)),
    "nose size": ((0, 6.93, 1.50), 0.16, 0.50, (0.10, 0.10, 0.22), (0, 0, 0)),
    "nose width": ((0, 6.89, 1.48), 0.20, 0.42, (0.12, 0, 0), (0, 0, 0)),
    "mouth width": ((0, 6.60, 1.45), 0.24, 0.60, (0.10, 0, 0), (0, 0, 0)),
    "forehead height": ((0, 7.95, 1.15), 0.35, 0.85, (0, 0, 0), (0, 0.045, 0.007)),
}
# The front of the head stretches between two heights, and all below moves down by so much.
STACKED = {
    "midface height": (7.20, 6.86, 0.055),
    "philtrum height": (6.83, 6.70, 0.045),
    "lip height": (6.705, 6.485, 0.04),
    "chin height": (6.48, 6.20, 0.065),
}
# The sides of the head move apart by so much each: the height of the middle, how far from it
# the displacement is whole and how far there is none, and the depths where it begins and is whole.
WIDTHS = {
    "temple width": (7.68, 0.18, 0.50, (-0.4, 0.6), 0.03),
    "cheek width": (7.12, 0.20, 0.52, (-0.6, 0.4), 0.03),
    "jaw width": (6.50, 0.20, 0.50, (0.1, 0.6), 0.03),
}
BROW = "brow height"  # all of the brow alike, or the face would frown or plead
BROW_SHIFT = 0.075
OPENING = "eye opening"  # against the closing of the lids, by a quarter of it
OPEN_SHARE = 0.25
PROPORTIONS = (*LOCAL, *STACKED, *WIDTHS, BROW, OPENING)


def proportion_targets(rest, targets):
    """Make the morph targets of `PROPORTIONS`.

    Args:
        rest: float32 (V, 3), the base mesh.
        targets: those of the file, by name.

    Returns:
        {name: (index int (K,), offset float32 (K, 3))}: what moves at a value of 1.
    """
    fields = {name: _local(rest, *values) for name, values in LOCAL.items()}
    fields |= {name: _stacked(rest, *values) for name, values in STACKED.items()}
    fields |= {name: _apart(rest, *values) for name, values in WIDTHS.items()}
    fields[BROW] = _brow(rest)
    fields[OPENING] = _opening(rest, targets)
    found = {}
    for name in PROPORTIONS:
        index = np.nonzero(np.abs(fields[name]).max(1) > 1e-5)[0]
        found[name] = index, fields[name][index].astype(np.float32)
    return found


def _local(rest, place, near, far, stretch, shift):
    field = np.zeros_like(rest)
    for side in (1, -1) if place[0] else (1,):
        mirror = np.float32([side, 1, 1])
        offset = rest - np.float32(place) * mirror
        weight = step(far, near, np.linalg.norm(offset, axis=1))[:, None]
        field += weight * (offset * np.float32(stretch) + np.float32(shift) * mirror)
    return field


def _stacked(rest, top, bottom, amount):
    _, y, z = rest.T
    down = step(top, bottom, y) * step(0.3, 1.0, z) * step(5.2, 6.15, y)  # the neck takes it up
    return -amount * down[:, None] * np.float32([0, 1, 0])


def _apart(rest, middle, near, far, depths, amount):
    x, y, z = rest.T
    weight = step(far, near, np.abs(y - middle)) * step(*depths, z) * step(0.25, 0.62, np.abs(x))
    return amount * (np.sign(x) * weight)[:, None] * np.float32([1, 0, 0])


def _brow(rest):
    x, y, z = rest.T
    weight = step(0.85, 0.6, np.abs(x)) * (0.6 + 0.4 * step(0, 0.15, np.abs(x)))
    weight *= step(7.35, 7.47, y) * step(7.95, 7.60, y) * step(0.7, 1.1, z)
    return BROW_SHIFT * weight[:, None] * np.float32([0, 1, 0])


def _opening(rest, targets):
    field = np.zeros_like(rest)
    for side in ("Left", "Right"):
        index, offset = targets["unit/eyeBlink" + side]
        field[index] -= OPEN_SHARE * offset
    return field
