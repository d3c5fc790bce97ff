"""Control pictures: edges, colour grid, coarse shapes and face points of a picture.

They guide models such as ControlNet (Zhang et al., 2023).

Each takes uint8 RGB (H, W, 3) and gives uint8 RGB (h, w, 3) of any size asked for.
"""

import cv2
import numpy as np

from common.images import resize
from facekit import mesh as points_of
from facekit._checks import check_image, check_number, check_size

# Sobel's |x| + |y| of a step of 3 of 255: JPEG blocks make such.
FAINT = 12.0
# Where the median says too little of a picture's contrast, strong edges are 4 to 15 of 100 pixels.
LOWEST_SHARE, HIGHEST_SHARE = 85, 96
# Canny's smoothing, in parts of the shorter side: grain grows with the picture, a face does too.
SMOOTHING = 1 / 400
# Colours of the parts of a drawn face; far apart, so that a small network can tell them.
PARTS = (
    ("oval", points_of.OVAL, (255, 255, 255), True),
    ("brows", points_of.BROW_LEFT, (255, 160, 0), True),
    ("brows", points_of.BROW_RIGHT, (255, 220, 0), True),
    ("eyes", points_of.EYE_LEFT, (0, 200, 255), True),
    ("eyes", points_of.EYE_RIGHT, (0, 90, 255), True),
    ("nose", (168, 6, 197, 195, 5, 4), (0, 220, 60), False),
    ("nose", (64, 98, 97, 2, 326, 327, 294), (0, 220, 60), False),
    ("lips", points_of.LIPS_OUTER, (255, 0, 60), True),
    ("lips", points_of.LIPS_INNER, (255, 0, 200), True),
    ("irises", points_of.IRIS_LEFT[1:], (160, 255, 255), True),
    ("irises", points_of.IRIS_RIGHT[1:], (160, 200, 255), True),
)
_FIVE = ((0, 200, 255), (0, 90, 255), (0, 220, 60), (255, 0, 60), (255, 0, 200))


def canny(image, size=None, sigma=0.33):
    """Edges, white on black.

    The thresholds are (1 - sigma) and (1 + sigma) times the median of the grey picture. In a night
    scene or in snow that would show all noise or nothing, so the upper one is kept between the 85th
    and 96th percentile of the gradient, and above a faint one.

    Args:
        image: uint8 (H, W, 3), RGB.
        size: of the result; the picture is resized first, so lines are a pixel wide at any size.
        sigma: in [0, 1]; a larger one finds weaker edges that touch strong ones.

    Returns:
        uint8 (h, w, 3), 0 or 255.

    Raises:
        ValueError: an array of another kind, or a size or sigma out of range.

    Reference:
        Canny 1986, A computational approach to edge detection.
    """
    image = check_image(image)
    sigma = check_number(sigma, "sigma", 0, 1)
    grey = cv2.cvtColor(resize(image, check_size(size, image.shape)), cv2.COLOR_RGB2GRAY)
    smoothing = SMOOTHING * min(grey.shape)
    if smoothing > 0.4:
        grey = cv2.GaussianBlur(grey, (0, 0), smoothing)
    low, high = canny_thresholds(grey, sigma)
    return cv2.cvtColor(cv2.Canny(grey, low, high), cv2.COLOR_GRAY2RGB)


def canny_thresholds(grey, sigma=0.33):
    """The two thresholds of `canny` for a grey picture, uint8 (H, W), in units of |Sobel|."""
    median = float(np.median(grey))
    steps = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    gradient = sum(np.abs(step) for step in steps)
    high = np.clip((1 + sigma) * median, *np.percentile(gradient, (LOWEST_SHARE, HIGHEST_SHARE)))
    high = max(float(high), FAINT)
    return high * (1 - sigma) / (1 + sigma), high


def colour_grid(image, size=None, cells=8):
    """The mean colour of each cell of a grid.

    Args:
        image: uint8 (H, W, 3).
        size: pixels a side or (height, width); None is the picture's.
        cells: along the shorter side; the longer one has as many more as it takes to be square.

    Returns:
        uint8 (h, w, 3).
    """
    image = check_image(image)
    cells = int(check_number(cells, "cells", 1, 1024))
    height, width = check_size(size, image.shape)
    side = min(height, width) / cells
    rows, columns = (max(1, round(length / side)) for length in (height, width))
    means = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    return cv2.resize(means, (width, height), interpolation=cv2.INTER_NEAREST)


def tile(image, size=None, factor=4):
    """The picture without fine detail: reduced by `factor` and enlarged again.

    Args:
        image: uint8 (H, W, 3).
        size: pixels a side or (height, width); None is the picture's.
        factor: 1 or more.

    Returns:
        uint8 (h, w, 3).
    """
    image = check_image(image)
    factor = check_number(factor, "factor", 1, 4096)
    height, width = check_size(size, image.shape)
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def face_points(shape, faces, size=None, parts=None):
    """Faces drawn as lines: oval, brows, eyes with irises, nose, lips, each in a colour of its own.

    Args:
        shape: (H, W, ...) of the picture that the points belong to.
        faces: points of one face or a list of them: (478, 2) meshes or (5, 2) five points.
        size: pixels a side or (height, width); None is the picture's.
        parts: names to draw, of "oval", "brows", "eyes", "nose", "lips", "irises"; None is all.

    Returns:
        uint8 (h, w, 3) on black.

    Raises:
        ValueError: neither 478 nor 5 points, or an unknown part.
    """
    known = {name for name, *_ in PARTS}
    unknown = set(parts or ()) - known
    if unknown:
        raise ValueError(f"parts are {', '.join(sorted(known))}. Received: {sorted(unknown)}.")
    height, width = check_size(size, shape)
    faces = [faces] if isinstance(faces, np.ndarray) and faces.ndim == 2 else faces
    over = 2 if max(height, width) <= 1024 else 1  # drawn larger and averaged: smooth at 64 px too
    picture = np.zeros((height * over, width * over, 3), np.uint8)
    scale = np.array([width / shape[1], height / shape[0]]) * over
    for points in faces:
        _draw_face(picture, np.asarray(points, float) * scale, parts)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _draw_face(picture, points, parts):
    if points.shape == (5, 2):
        radius = max(1.0, 0.09 * np.linalg.norm(points[1] - points[0]))
        for point, colour in zip(points, _FIVE, strict=True):
            cv2.circle(picture, _fixed(point), int(radius * 16), colour, -1, cv2.LINE_AA, 4)
        return
    if points.shape != (478, 2):
        raise ValueError(f"a face has 478 or 5 points (x, y). Received: {points.shape}.")
    thick = max(1, round(0.012 * np.ptp(points[:, 0])))
    for name, indices, colour, closed in PARTS:
        if parts is None or name in parts:
            line = np.array([_fixed(points[i]) for i in indices], np.int32)
            cv2.polylines(picture, [line], closed, colour, thick, cv2.LINE_AA, 4)


def _fixed(point):
    """A point for OpenCV: in sixteenths of a pixel, whole numbers at the pixels' centres."""
    return tuple(int(v) for v in np.round((np.clip(point, -2e4, 2e4) - 0.5) * 16))
