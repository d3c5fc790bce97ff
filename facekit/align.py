"""Face alignment: crop a face upright at a fixed size, and paste it back.

A crop is a similarity transform, a (2, 3) matrix from points of the picture to points of the crop,
which is invertible.

Reference: Umeyama, Least-squares estimation of transformation parameters between two point
patterns, IEEE PAMI 13(4), 1991.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from common.images import resize

# Where face recognition has agreed to put the five points in 112 x 112 pixels (Deng et al.,
# ArcFace, CVPR 2019).
_ARCFACE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
# A portrait shows the whole head, hair included, and some neck: the same points, smaller.
_PORTRAIT_SCALE, _PORTRAIT_EYES = 0.52, (0.5, 0.45)
# Difference in grey levels of 255 from which `paste` takes a pixel for changed.
_CHANGED = 12.0
MAX_SIZE = 4096  # px; the largest crop


def _unit_templates():
    arcface = (_ARCFACE + 0.5) / 112  # published for pixel centres at whole numbers
    eyes = arcface[:2].mean(0)
    portrait = (arcface - eyes) * _PORTRAIT_SCALE + _PORTRAIT_EYES
    return {"arcface": arcface, "portrait": portrait}


TEMPLATES = (
    _unit_templates()
)  # name: float64 (5, 2), the crop's side is 1, corners at (0, 0), (1, 1)


@dataclass(frozen=True)
class Crop:
    """An aligned crop of a face.

    Attributes:
        image: uint8 (S, S, 3).
        matrix: float64 (2, 3): picture to crop.
    """

    image: np.ndarray
    matrix: np.ndarray


def template_points(name, size):
    """float64 (5, 2): where a template wants the five points in a crop of `size` pixels.

    Raises:
        ValueError: for a name that is not in TEMPLATES, or a size outside 1..4096.
    """
    if name not in TEMPLATES:
        raise ValueError(f"a template is one of {', '.join(TEMPLATES)}. Received: {name!r}.")
    if not 1 <= size <= MAX_SIZE:
        raise ValueError(f"a crop has 1 to {MAX_SIZE} pixels a side. Received: size={size}.")
    return TEMPLATES[name] * size


def umeyama(source, target):
    """The similarity transform (turn, one scale, shift; no mirror) with the least squared error.

    Args:
        source, target: (N, 2), N >= 2.

    Returns:
        float64 (2, 3): `target ~ transform(source, matrix)`.

    Raises:
        ValueError: fewer than two points, different shapes, or all points of `source` in one place.

    Reference: Umeyama 1991, equations 39 to 43.
    """
    source, target = np.asarray(source, float), np.asarray(target, float)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise ValueError(
            "source and target must both be (N, 2) with N >= 2. "
            f"Received: {source.shape} and {target.shape}."
        )
    centre_s, centre_t = source.mean(0), target.mean(0)
    s, t = source - centre_s, target - centre_t
    variance = (s**2).sum() / len(s)
    if not np.isfinite(target).all() or not variance > 1e-12:
        raise ValueError("the source points all lie in one place, or are not finite numbers.")
    u, d, vt = np.linalg.svd(t.T @ s / len(s))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = u @ np.diag(sign) @ vt
    scale = (d * sign).sum() / variance
    return np.column_stack([scale * rotation, centre_t - scale * rotation @ centre_s])


def transform(points, matrix):
    """Points (..., 2) through a (2, 3) matrix; float32."""
    points, matrix = np.asarray(points, float), np.asarray(matrix, float)
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def invert(matrix):
    """The matrix that goes the other way; float64 (2, 3)."""
    return cv2.invertAffineTransform(np.asarray(matrix, np.float64))


def align(image, points5, size=112, template="arcface"):
    """Crop a face, turned upright.

    Args:
        image: uint8 (H, W, 3).
        points5: (5, 2).
        size: side of the crop in pixels.
        template: "arcface" (the face alone, as recognition wants it) or "portrait" (the head).

    Returns:
        Crop. Where the crop leaves the picture it shows the picture's reflection, ever more
        blurred, never black.

    Raises:
        ValueError: for an unknown template, an impossible size, or points in one place.
    """
    matrix = umeyama(points5, template_points(template, size))
    return Crop(warp(image, matrix, size), matrix)


def warp(image, matrix, size):
    """Warp a picture by a similarity matrix, without aliasing and without black borders.

    Args:
        image: uint8 (H, W, 3).
        matrix: (2, 3), picture to result.
        size: side of the result, or (height, width).

    Returns:
        uint8 (height, width, 3).
    """
    image, matrix = _shrunk(np.ascontiguousarray(image), np.asarray(matrix, float))
    return _blur_outside(_warped(image, matrix, size), matrix, image.shape)


def warp_map(values, matrix, size):
    """As `warp`, of a mask float32 (H, W): float32 (size, size), 0 for what lies outside of the
    picture."""
    values = np.ascontiguousarray(values, np.float32)
    return cv2.warpAffine(values, at_centres(matrix), (size, size), flags=cv2.INTER_LINEAR)


def warp_mirrored(image, matrix, size):
    """As `warp`, but for what lies outside of the picture: its mirror image, as sharp as the rest,
    in a third of the time."""
    return _warped(*_shrunk(np.ascontiguousarray(image), np.asarray(matrix, float)), size)


def _warped(image, matrix, size):
    height, width = (size, size) if np.isscalar(size) else size
    return cv2.warpAffine(
        image,
        at_centres(matrix),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _shrunk(image, matrix):
    """Average pixels down to at most twice the resolution that the matrix asks for."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale >= 0.75:
        return image, matrix
    height, width = image.shape[:2]
    share = max(scale / 0.75, 1 / min(height, width))
    small = resize(image, (max(1, round(height * share)), max(1, round(width * share))))
    sx, sy = small.shape[1] / width, small.shape[0] / height
    return small, matrix @ np.diag([1 / sx, 1 / sy, 1])


def at_centres(matrix):
    """The same transform in OpenCV's coordinates, where pixel centres are whole numbers."""
    matrix = np.array(matrix, float)
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return matrix


def _blur_outside(result, matrix, shape):
    height, width = result.shape[:2]
    corners = transform([[0, 0], [width, 0], [width, height], [0, height]], invert(matrix))
    if (corners >= 0).all() and (corners <= (shape[1], shape[0])).all():
        return result
    inside = cv2.warpAffine(
        np.full(shape[:2], 255, np.uint8),
        at_centres(matrix),
        (width, height),
        flags=cv2.INTER_NEAREST,
    )
    if not inside.any():
        return result
    far = cv2.distanceTransform(255 - inside, cv2.DIST_L2, 3) / max(height, width)
    for blur, begins in ((0.01, 0.0), (0.03, 0.03), (0.08, 0.1)):
        soft = cv2.GaussianBlur(result, (0, 0), max(0.5, blur * max(height, width)))
        share = np.clip((far - begins) / 0.05, 0, 1)[..., None]
        result = np.round(result * (1 - share) + soft * share).astype(np.uint8)
    return result


def paste(image, crop, matrix, mask=None):
    """Paste a crop, changed or not, back to its place in the picture.

    Where the crop still shows what it showed when it was taken out, the picture keeps its own
    pixels, which may be finer than the crop's; elsewhere it takes the crop's.

    Args:
        image: uint8 (H, W, 3): the picture.
        crop: uint8 (S, S, 3).
        matrix: (2, 3): picture to crop, as `align` returned it.
        mask: float (S, S) in [0, 1]: how much of the crop to use. By default all of it, fading out
            over the last sixteenth of its side.

    Returns:
        uint8 (H, W, 3); bit for bit the picture where the mask is 0 and outside the crop.

    Raises:
        ValueError: the crop is not a uint8 picture, or the mask has another size.
    """
    crop = np.asarray(crop)
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3:
        raise ValueError(f"a crop is uint8 (S, S, 3). Received: {crop.dtype} {crop.shape}.")
    mask = fading_square(*crop.shape[:2]) if mask is None else np.asarray(mask, np.float32)
    if mask.shape != crop.shape[:2]:
        raise ValueError(f"the mask must be {crop.shape[:2]}, as the crop. Received: {mask.shape}.")
    (top, bottom, left, right), to_window = _window(matrix, crop.shape, image.shape)
    result = image.copy()
    if top >= bottom or left >= right:
        return result
    size = (right - left, bottom - top)
    window = image[top:bottom, left:right]
    before = warp(image, matrix, crop.shape[:2])
    new, old = (_back(part, to_window, size) for part in (crop, before))
    weight = np.clip(_back(mask, to_window, size), 0, 1)[..., None]
    mixed = laid_on(window, new, old, weight)
    weight = np.broadcast_to(weight > 0, window.shape)
    result[top:bottom, left:right][weight] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)[
        weight
    ]
    return result


def laid_on(picture, new, old, weight):
    """A changed crop laid on the picture that it was taken from, which keeps its own pixels where
    the crop still shows what it showed: they may be finer.

    Args:
        picture: uint8 (H, W, 3).
        new, old: float32 (H, W, 3): the crop as it is and as it was, at the picture's resolution.
        weight: float32 (H, W, 1) in [0, 1], how much to take.

    Returns:
        float32 (H, W, 3), not rounded.
    """
    changed = cv2.GaussianBlur(np.abs(new - old).max(-1), (0, 0), 1.0) / _CHANGED
    keep = np.clip(1 - changed, 0, 1)[..., None]
    return picture + weight * (new - old * keep - picture * (1 - keep))


def placed_back(maps, matrix, shape):
    """Maps of a crop at the resolution of the picture that the crop was taken from.

    Args:
        maps: float32 (S, S, C), such as probabilities.
        matrix: (2, 3): picture to crop, as `align` returned it.
        shape: (H, W, ...) of the picture.

    Returns:
        (rows, columns, values): slices of the picture, the part under the crop, and float32
        (h, w, C) there, 0 where the crop does not reach.
    """
    (top, bottom, left, right), to_window = _window(matrix, maps.shape, shape)
    rows, columns = slice(top, max(top, bottom)), slice(left, max(left, right))
    size = (columns.stop - columns.start, rows.stop - rows.start)
    if not all(size):
        return rows, columns, np.zeros((size[1], size[0], maps.shape[2]), np.float32)
    channels = [_back(maps[..., i], to_window, size) for i in range(maps.shape[2])]
    return rows, columns, np.stack(channels, axis=-1)


def _window(matrix, crop_shape, shape):
    """The part of the picture under the crop, and the matrix from crop to it."""
    back = invert(matrix)
    height, width = crop_shape[:2]
    corners = transform(
        [[-1, -1], [width + 1, -1], [width + 1, height + 1], [-1, height + 1]], back
    )
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int) + 1
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (shape[1], shape[0]))
    return (top, bottom, left, right), back - np.array([[0, 0, left], [0, 0, top]])


def _back(part, to_window, size):
    """A crop resampled to the window's pixels, float32."""
    scale = float(np.sqrt(abs(np.linalg.det(to_window[:, :2]))))
    border = cv2.BORDER_CONSTANT if part.ndim == 2 else cv2.BORDER_REPLICATE
    part = part.astype(np.float32)
    if scale < 0.75 and part.ndim == 3:
        part = cv2.GaussianBlur(part, (0, 0), 0.4 / scale)
    flags = cv2.INTER_LINEAR if part.ndim == 2 else cv2.INTER_CUBIC
    return cv2.warpAffine(part, at_centres(to_window), size, flags=flags, borderMode=border)


def fading_square(height, width):
    """A mask that fades out over the last sixteenth of the shorter side: float32 (H, W)."""
    edge = max(1.0, min(height, width) / 16)
    y = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5)
    x = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5)
    near = np.minimum(y[:, None], x[None]) / edge
    return np.clip(near, 0, 1).astype(np.float32)
