"""Squares of pictures: where a model, whose pictures are square, works in a photograph."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Square:
    """A square of whole pixels of a picture, of which it may leave parts out or stick out.

    Attributes:
        top, left: of its corner in the picture, pixels; negative where it sticks out.
        side: pixels, at least 1.
    """

    top: int
    left: int
    side: int

    def cut(self, picture):
        """What the square shows: (H, W, ...) -> (side, side, ...), a mirror image where it sticks
        out of the picture."""
        rows, columns = (
            _reflected(np.arange(first, first + self.side), length)
            for first, length in zip((self.top, self.left), picture.shape[:2], strict=True)
        )
        return picture[np.ix_(rows, columns)]

    def inside(self, shape):
        """Where it lies in a picture of a shape (H, W, ...): slices of the picture's rows and
        columns, and slices of the square's own."""
        starts, length = (self.top, self.left), shape[:2]
        there = [
            slice(max(a, 0), min(a + self.side, n)) for a, n in zip(starts, length, strict=True)
        ]
        own = [slice(p.start - a, p.stop - a) for p, a in zip(there, starts, strict=True)]
        return tuple(there), tuple(own)

    def contains(self, box):
        """Whether a box (left, top, width, height) lies in it."""
        left, top, width, height = box
        across = self.left <= left and left + width <= self.left + self.side
        return across and self.top <= top and top + height <= self.top + self.side

    def matrix(self, size):
        """The similarity from the picture's points (pixels, corner at 0) to those of the square's
        picture at `size` pixels: float64 (2, 3)."""
        scale = size / self.side
        return np.array([[scale, 0, -scale * self.left], [0, scale, -scale * self.top]])


def square_round(box, shape, padding=0.0, least=1):
    """The square round a box of a picture: with a margin as far as the picture has one, and shifted
    into the picture where it can be.

    Args:
        box: (left, top, width, height), pixels; it lies within the square, always.
        shape: (H, W, ...) of the picture.
        padding: margin on each side, in parts of the box's longer side.
        least: side that the square should have where the picture is as large.

    Returns:
        `Square`. It sticks out of the picture only where the box is longer than the picture's
        shorter side, and then all of that side lies in it.
    """
    left, top, width, height = (float(v) for v in box)
    box_side = max(1, round(max(width, height)))
    wanted = max(round(box_side * (1 + 2 * padding)), least)
    side = max(box_side, min(wanted, *shape[:2]))
    starts = (
        _start(middle, side, length)
        for middle, length in zip((top + height / 2, left + width / 2), shape[:2], strict=True)
    )
    return Square(*starts, side)


def middle_square(shape):
    """The largest square in the middle of a picture of a shape (H, W, ...)."""
    height, width = shape[:2]
    side = min(height, width)
    return Square((height - side) // 2, (width - side) // 2, side)


def box_of(mask):
    """The box (left, top, width, height) of what is not 0 in a mask (H, W); None where all is."""
    rows, columns = (np.flatnonzero(np.any(mask, axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    top, left = rows[0], columns[0]
    return int(left), int(top), int(columns[-1] - left + 1), int(rows[-1] - top + 1)


def _start(middle, side, length):
    """Where a side begins that has its middle at a place, as far as it stays in the picture; of a
    side longer than the picture, as far as it covers the picture."""
    low, high = sorted((0, length - side))
    return int(np.clip(round(middle - side / 2), low, high))


def _reflected(places, length):
    """Places on a line of `length` pixels, those beyond an end mirrored at it."""
    places = places % (2 * length)
    return np.minimum(places, 2 * length - 1 - places)
