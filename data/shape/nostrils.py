"""Nostrils: openings in the base mesh, whose nose is nearly flat below."""

import numpy as np

from data.shape.maths import step

MIDDLE = (0.093, 1.563)  # rest x and z of the middle of the left one, dm
LONG, WIDE = 0.062, 0.033  # half its length, from the tip outwards to the wing, and its width, dm
DEEPER, HIGHER = 0.045, 0.020  # dm that the openings go up, and that the rims of the wings arch


def plan(x, z):
    """Where rest places lie under the nose: (P,) each, along an opening and across it, over half
    its length and half its width. `x` is the distance (P,) from the middle of the face, dm."""
    dx, dz = x - MIDDLE[0], z - MIDDLE[1]
    return (0.60 * dx - 0.80 * dz) / LONG, (0.80 * dx + 0.60 * dz) / WIDE


def opening(x, z):
    """1 in the openings of the nose seen from below, softly 0 round them: a map (P,)."""
    along, across = plan(x, z)
    return np.exp(-((along**2 + across**2) ** 2))


def open_nostrils(rest):
    """Give the base mesh's nose openings that are seen from the front, and wings that arch over
    them beside a columella that stays.

    Args:
        rest: float32 (V, 3), dm.

    Returns:
        float32 (V, 3), a copy.
    """
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    along, across = plan(x, z)
    inside = opening(x, z) * step(6.845, 6.868, y) * step(6.90, 6.885, y)
    rim = np.exp(-((along / 1.4) ** 2) - (across / 1.8) ** 2) * step(0.05, 0.085, x)
    rim = rim * step(6.835, 6.862, y) * step(6.97, 6.885, y)
    lifted = rest.copy()
    lifted[:, 1] += (z > 1.45) * np.maximum(DEEPER * inside, HIGHER * rim)
    return lifted
