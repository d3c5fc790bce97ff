"""The square of a photograph that shows a head, as models of portraits are used to seeing one."""

import numpy as np

from common.squares import square_round
from facekit.masks import face_width

WIDTHS = 2.3  # side of the square in widths of the face
BELOW = 0.078  # how far under its middle the face's middle lies, in parts of the side


def head_box(face, widths=WIDTHS, below=BELOW):
    """Where a head is.

    Args:
        face: `detect.Face`.
        widths: side of the square in widths of the face.
        below: how far under the square's middle the face's middle lies, in parts of the side.

    Returns:
        (left, top, side, side), float pixels of the face's picture; may lie outside of it.
    """
    side = widths * face_width(face)
    left, top = face.mesh.mean(0) - np.array([0.5, 0.5 + below]) * side
    return float(left), float(top), side, side


def head_square(face, shape):
    """The same in whole pixels, shifted into a picture of a shape (H, W, ...): `squares.Square`."""
    return square_round(head_box(face), shape)


def surroundings(face, shape):
    """The part of a picture that holds a face, with a quarter of its size round it.

    Args:
        face: `facekit.detect.Face`.
        shape: (H, W, ...) of the picture.

    Returns:
        left, top, right, bottom: ints inside of the picture.
    """
    low, high = face.mesh.min(0), face.mesh.max(0)
    margin = 0.25 * (high - low).max()
    left, top = np.clip(np.floor(low - margin), 0, (shape[1], shape[0])).astype(int)
    right, bottom = np.clip(np.ceil(high + margin), 0, (shape[1], shape[0])).astype(int)
    return left, top, right, bottom
