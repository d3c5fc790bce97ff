"""Boxes, points and masks, drawn on a picture."""

import cv2
import numpy as np

from facekit.align import warp
from facekit.mesh import OVAL
from facekit.triangles import triangles

COLOURS = {
    "hair": (150, 90, 210),
    "skin": (255, 190, 120),
    "brows": (120, 80, 30),
    "eyes": (60, 150, 255),
    "lips": (235, 50, 90),
    "inner mouth": (120, 10, 40),
}
PARTS_COLOURS = (  # in the order of `facekit.parsing.PARTS`
    *((0, 0, 0), (255, 190, 120), (120, 80, 30), (60, 150, 255), (255, 140, 90), (235, 50, 90)),
    *((120, 10, 40), (240, 220, 60), (150, 90, 210), (60, 190, 190), (200, 130, 110)),
    *((90, 110, 160), (20, 60, 220), (130, 130, 30), (255, 0, 0)),
)
GREEN = (40, 220, 90)


def boxes(image, faces):
    """uint8 (H, W, 3): a frame round each face, numbered from the left, and its five points."""
    picture = image.copy()
    thick = max(1, round(max(image.shape[:2]) / 300))
    for number, face in enumerate(faces, 1):
        x, y, w, h = (int(round(float(v))) for v in face.box)
        cv2.rectangle(picture, (x, y), (x + w, y + h), GREEN, thick)
        for point in face.points5:
            cv2.circle(picture, _whole(point), max(1, round(w / 40)), GREEN, -1, cv2.LINE_AA)
        if len(faces) > 1:
            size = max(0.4, w / 130)
            cv2.putText(
                picture,
                str(number),
                (x, y - 2 * thick),
                cv2.FONT_HERSHEY_SIMPLEX,
                size,
                GREEN,
                max(1, round(2 * size)),
                cv2.LINE_AA,
            )
    return picture


def points(image, face):
    """uint8 (H, W, 3): the face's mesh and, larger, its five points."""
    picture = image.copy()
    lines = np.round(face.mesh[triangles()] * 16 - 8).astype(np.int32)
    cv2.polylines(picture, list(lines), True, GREEN, 1, cv2.LINE_AA, 4)
    picture = cv2.addWeighted(picture, 0.4, image, 0.6, 0)
    radius = max(2, round(0.018 * float(face.box[2])))
    for point in face.points5:
        cv2.circle(picture, _whole(point), radius, (255, 60, 60), -1, cv2.LINE_AA)
    return picture


def masks(image, found):
    """uint8 (H, W, 3): a dictionary of masks, of those named in COLOURS, each in its colour."""
    picture = image.astype(np.float32)
    for name in [name for name in COLOURS if name in found]:  # in this order: the mouth is last
        weight = 0.55 * found[name][..., None]
        picture += weight * (np.array(COLOURS[name], np.float32) - picture)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def parts(image, labels):
    """uint8 (H, W, 3): a part map uint8 (H, W) of `facekit.parsing`, each part in its colour; the
    background as it was."""
    palette = np.zeros((256, 3), np.float32)
    palette[: len(PARTS_COLOURS)] = PARTS_COLOURS
    share = 0.55 * (labels > 0)[..., None]
    picture = image + share * (palette[labels] - image)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def close_up(image, face, side=380, widths=2.2):
    """The head alone: uint8 (side, side, 3), upright as in the picture, and the face in it."""
    low, high = face.mesh[list(OVAL)].min(0), face.mesh[list(OVAL)].max(0)
    scale = side / (widths * float((high - low).max()))
    centre = (low + high) / 2
    matrix = np.column_stack([scale * np.eye(2), (side / 2, side * 0.54) - scale * centre])
    return warp(image, matrix, side), face.through(matrix)


def _whole(point):
    return tuple(int(v) for v in np.clip(np.round(np.asarray(point) - 0.5), -20000, 20000))
