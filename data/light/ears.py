"""Ears: the shade in their hollows, which light under the skin would wash out."""

from functools import lru_cache

import cv2
import numpy as np

from data.shape.head import load_head
from data.shape.maths import look_up, step

CELLS = 300.0  # a decimetre, of the map of heights
BACK, FRONT, LOW, HIGH = 0.28, 0.74, 6.78, 7.42  # z and y that the map spans
FINE, ABOUT = 0.006, 0.045  # dm, deviations between which a hollow lies
DEEP = 0.035  # dm below what lies about it at which a hollow is as dark as it gets
SHADE = np.float32([1.0, 1.45, 1.5])  # what is lost there: light that comes back from skin is red


def ear_paint(albedo, rest, ears):
    """Darken the hollows of ears (P, 3) and lighten their ridges, in place.

    Args:
        albedo: float32 (P, 3), linear.
        rest: float32 (P, 3), rest positions.
        ears: float32 (P,), 1 on ears.
    """
    on = np.nonzero(ears > 0.05)[0]
    if not len(on):
        return
    _, y, z = rest[on].T
    depth = look_up(_hollows(), (FRONT - z) * CELLS, (HIGH - y) * CELLS)
    depth *= step(0.05, 0.6, ears[on]) * step(6.9, 7.0, y)  # a lobe has none
    albedo[on] *= np.exp(-depth[:, None] * SHADE)


@lru_cache(maxsize=1)
def _hollows():
    """How far the outer side of the rest head's ear lies below what is about it, seen from beside:
    float32, rows down and columns backwards, 1 in its deepest hollows, below 0 on its ridges."""
    head = load_head()
    outer = (head.masks["ears"] > 0.3) & (head.rest[:, 0] > 0)
    corners = head.rest[head.triangles[outer[head.triangles].all(1)]]
    corners = corners[corners[..., 0].mean(1).argsort()]  # the outermost is painted last
    places = np.stack([FRONT - corners[..., 2], HIGH - corners[..., 1]], -1) * CELLS
    height = np.zeros((round((HIGH - LOW) * CELLS), round((FRONT - BACK) * CELLS)), np.float32)
    for place, x in zip(places, corners[..., 0].mean(1), strict=True):
        cv2.fillConvexPoly(height, np.rint(place).astype(np.int32), float(x))
    fine, about = (_blurred_inside(height, deviation * CELLS) for deviation in (FINE, ABOUT))
    return np.clip((about - fine) / DEEP, -0.25, 1).astype(np.float32)


def _blurred_inside(height, sigma):
    """A blur of a map (H, W) that takes nothing from where it is 0, and leaves 0 there."""
    inside = (height > 0).astype(np.float32)
    weight = cv2.GaussianBlur(inside, (0, 0), sigma)
    return inside * cv2.GaussianBlur(height, (0, 0), sigma) / np.maximum(weight, 1e-3)
