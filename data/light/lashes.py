"""Lashes: laid over the picture by the share of each sample that they cover, as they are finer."""

import cv2
import numpy as np

from data.light.colours import linear
from data.light.eyes import lash_colour
from data.shape.maths import step
from data.shape.parts import PART

GRID = 4  # places a sample, along each side, at which coverage is counted
BEHIND = 0.07  # dm that lashes may lie behind what the picture shows and still be seen
LINE, FRINGE = 0.82, 0.30  # how dark the lid's edge and the lashes together are
OUTER = 0.62  # share of the lid, from the nose, past which lashes are seen singly
SINGLE = (90.0, 160.0)  # pixels a decimetre from which lashes begin to be seen singly, and are


def paint_lashes(picture, labels, far, scene, camera, person, over):
    """Darken a picture where lashes lie, and note the edges of the lids as eyes, in place.

    Args:
        picture: float32 (H, H, 3), linear; `labels` uint8 (H, H); `far` float32 (H, H), dm.
        scene: a `data.shape.scene.Scene`; camera: what projects it; person: a `Person`.
        over: samples a pixel, along each side.
    """
    left = np.clip(lash_colour(person) / linear(person.skin), 0.05, 0.6)  # light that is left
    single = step(*SINGLE, camera.focal / over / -(scene.eyes[0] - camera.eye)[2])
    rows = scene.lashes.shape
    for eye in camera.project(scene.lashes.reshape(-1, 3)).reshape(rows):
        low = np.maximum(np.floor(eye[..., :2].min((0, 1))).astype(int) - 2, 0)
        high = np.minimum(np.ceil(eye[..., :2].max((0, 1))).astype(int) + 2, len(far))
        if (high - low < 3).any():
            continue
        box = (slice(low[1], high[1]), slice(low[0], high[0]))
        seen = in_front(eye.reshape(-1, 3), low, far[box], BEHIND)
        line, fringe = _coverage(eye[..., :2] - low, high - low, single)
        line, fringe = line * seen, fringe * seen
        dark = np.maximum(LINE * line, fringe)[..., None]
        picture[box] *= 1 - dark * (1 - left)
        labels[box][(line > 0.5) & (labels[box] == PART["skin"])] = PART["eyes"]


def in_front(points, low, far, behind):
    """Where a plane through points on the screen lies before what is seen.

    Args:
        points: (N, 3), x and y in samples and distance, dm.
        low: (2,), x and y of the first sample of `far`, float32 (h, w), how far what is seen lies.
        behind: dm that the plane may lie behind that.

    Returns:
        float32 (h, w), 1 where it does and 0 elsewhere.
    """
    x, y, distance = points.T
    plane = np.linalg.lstsq(np.stack([x, y, 0 * x + 1], 1), distance, rcond=None)[0]
    row, column = np.mgrid[: far.shape[0], : far.shape[1]] + 0.5
    own = plane[0] * (column + low[0]) + plane[1] * (row + low[1]) + plane[2]
    return (far > own - behind).astype(np.float32)


def _coverage(eye, size, single):
    """Shares of samples that the lid's edge and the lashes cover: float32 (h, w) each.

    Args:
        eye: (7, L, 2), places in samples, in the order of `data.shape.lids.lashes`.
        size: width and height, samples.
        single: 0 to 1, how far the outer lashes are drawn singly too, not only as a soft fringe.
    """
    edge_, edge, side_, side, end, root, top = eye
    line = _fill([_strip(root, top)], size)
    fringe = np.zeros_like(line)
    middle = top + 0.55 * (end - top)
    soft = 0.85 * _fill([_strip(root, middle)], size)
    fringe += FRINGE * cv2.GaussianBlur(soft, (0, 0), 0.8)
    if single > 0:
        hairs = np.stack([edge_, side_, end, side, edge], 1)[round(OUTER * len(end)) :]
        fringe = np.maximum(fringe, single * 0.7 * _fill(hairs, size))
    return line, fringe


def _strip(below, above):
    """The polygon between two rows (L, 2)."""
    return np.concatenate([below, above[::-1]])


def _fill(polygons, size):
    """The share of each sample that polygons cover: float32 (h, w)."""
    width, height = size
    mask = np.zeros((GRID * height, GRID * width), np.uint8)
    for polygon in polygons:
        at = np.rint((GRID * polygon - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(mask, [at], 255, shift=4)
    return cv2.resize(mask.astype(np.float32) / 255, (width, height), interpolation=cv2.INTER_AREA)
