"""Lenses of glasses: clear, so they are known by what they reflect of the lamps and of the sky."""

import cv2
import numpy as np

from data.light.lashes import in_front
from data.light.shading import light_direction
from data.shape.maths import step

THROUGH = 0.94  # share of the light that comes through both faces of a lens
SKY, KEY = 0.07, 0.075  # shares of the sky's and the key's light that a lens sends back, at most
PANE = (0.2, 0.45)  # share of views in which the key is seen as a pane, and its strength in KEYs
PANE_ABOVE, PANE_HALF = np.float32([0, -0.22]), np.float32([0.30, 0.36])  # shares of a lens
BEHIND = 0.005  # dm that a lens may lie behind what is seen: less than its frame stands before it
FINE = 16  # parts of a sample in which corners are placed


def paint_lenses(picture, far, scene, camera, view):
    """Lay the reflections of lenses over a picture, in place.

    Args:
        picture: float32 (H, H, 3), linear.
        far: float32 (H, H), how far what is seen lies, dm.
        scene: a `data.shape.scene.Scene`; camera: what projects it; view: a `View`.
    """
    toward = light_direction(view.light)[:2] * np.float32([1, -1])  # on the screen
    toward = toward / max(float(np.hypot(*toward)), 1e-3)
    key, sky = np.float32(view.light.key), np.float32(view.light.sky)
    pane = PANE[1] * ((view.seed // 17 % 100) / 100 < PANE[0])
    for rim in scene.lenses:
        corners = camera.project(rim)
        low = np.maximum(np.floor(corners[:, :2].min(0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(corners[:, :2].max(0)).astype(int) + 1, len(far))
        if (high - low < 3).any():
            continue
        box = (slice(low[1], high[1]), slice(low[0], high[0]))
        seen = _cover(corners[:, :2] - low, high - low)
        seen = seen * in_front(corners, low, far[box], BEHIND)
        at = _places(corners[:, :2] - low, high - low)
        back = KEY * _of_key(at, toward, pane)[..., None] * key
        back = back + SKY * step(0.9, -0.9, at[..., 1])[..., None] * sky
        picture[box] += seen[..., None] * (back - (1 - THROUGH) * picture[box])


def _cover(corners, size):
    """The share of each sample within a polygon (K, 2): float32 (h, w)."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    at = np.rint((corners - 0.5) * FINE).astype(np.int32)
    cv2.fillPoly(mask, [at], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def _places(corners, size):
    """Where samples lie in a lens: x and y (h, w, 2), from -1 to 1 across the polygon (K, 2)."""
    low, high = corners.min(0), corners.max(0)
    row, column = np.mgrid[: size[1], : size[0]].astype(np.float32) + 0.5
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1)
    return np.stack([(column - middle[0]) / half[0], (row - middle[1]) / half[1]], -1)


def _of_key(at, toward, pane):
    """How bright the key is in a lens at places (h, w, 2): (h, w). A sheen grows to the side
    `toward` it (2,); a pane with soft edges, of a strength `pane`, lies there too."""
    along = at @ toward.astype(np.float32)
    sheen = 0.5 * step(-0.3, 1.2, along)
    off = np.abs(at - 0.42 * toward - PANE_ABOVE) / PANE_HALF
    inside = step(1.2, 0.7, off[..., 0]) * step(1.2, 0.7, off[..., 1])
    return sheen + pane * inside
