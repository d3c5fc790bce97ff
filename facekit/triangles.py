"""Triangles of the face mesh, from the edges that MediaPipe publishes."""

import functools

import cv2
import numpy as np

from facekit.detect import tesselation
from facekit.mesh import EYE_LEFT, EYE_RIGHT, LIPS_INNER

_FOREHEAD = (10, 338, 151)  # a triangle, clockwise in the picture of a face seen from the front


@functools.cache
def triangles():
    """int32 (T, 3): the mesh's triangles, with the eyes and the mouth's opening closed.

    Their corners run clockwise in the picture of a face that looks at the camera. Three points
    that are joined by three edges make a triangle.
    """
    near = {}
    for a, b in tesselation():
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    found = {tuple(sorted((a, b, c))) for a in near for b in near[a] for c in near[a] & near[b]}
    for ring in (EYE_LEFT, EYE_RIGHT, LIPS_INNER):
        found |= {tuple(sorted(corners)) for corners in _strip(ring)}
    result = np.array(_oriented(sorted(found)), np.int32)
    result.setflags(write=False)
    return result


def rasterised(corners, shape):
    """Which triangle each pixel shows.

    Args:
        corners: (T, 3, 2), pixels.
        shape: (H, W, ...) of the picture.

    Returns:
        int32 (H, W), -1 where there is none.

    Where a turned face folds over itself, the larger triangles, which face the camera, are on top.
    """
    which = np.full(shape[:2], -1, np.int32)
    at = np.round((corners - 0.5) * 16).astype(np.int32)
    area = _areas(corners)
    for index in np.argsort(area, kind="stable"):
        if area[index] > 0:
            cv2.fillConvexPoly(which, at[index], int(index), cv2.LINE_8, 4)
    return which


def _areas(corners):
    """Signed areas of triangles (T, 3, 2); those that show their back are negative."""
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2


def _oriented(corners):
    """Orient the triangles alike, from one on the forehead: neighbours run along their common edge
    in opposite directions."""
    at_edge = {}
    for index, (a, b, c) in enumerate(corners):
        for edge in ((a, b), (b, c), (a, c)):
            at_edge.setdefault(edge, []).append(index)
    first = corners.index(tuple(sorted(_FOREHEAD)))
    oriented, waiting = {first: _FOREHEAD}, [first]
    while waiting:
        a, b, c = oriented[waiting.pop()]
        for one, other in ((a, b), (b, c), (c, a)):
            for index in at_edge[tuple(sorted((one, other)))]:
                if index not in oriented:
                    (third,) = set(corners[index]) - {one, other}
                    oriented[index] = (other, one, third)
                    waiting.append(index)
    return [oriented[index] for index in sorted(oriented)]


def _strip(ring):
    """Triangles that fill a closed ring of points, from one end to the other."""
    low, high = 0, len(ring) - 1
    while high - low > 1:
        yield ring[low], ring[low + 1], ring[high]
        low += 1
        if high - low > 1:
            yield ring[low], ring[high - 1], ring[high]
        high -= 1
