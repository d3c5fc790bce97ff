"""Argument checks of colour, control and retouch: one sentence each that a user can act on."""

import numbers

import numpy as np

MAX_SIDE = 16_384  # px; a longer side is a typing error


def check_image(image, name="image"):
    """The picture itself where it is uint8 (H, W, 3) with a pixel or more; a ValueError else."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"{name} must be an RGB picture, uint8 (H, W, 3). Received: {image.dtype} {image.shape}"
        )
    # OpenCV takes no negative strides, as a mirrored view has them.
    return np.ascontiguousarray(image)


def check_mask(mask, shape, name="mask"):
    """A mask as float32 (H, W); ones where it is None.

    Args:
        mask: (H, W) in [0, 1], bool too, or None for the whole picture.
        shape: of the picture that the mask belongs to.
        name: of the argument, for the error.

    Raises:
        ValueError: another shape, or values outside [0, 1].
    """
    if mask is None:
        return np.ones(shape[:2], np.float32)
    mask = np.asarray(mask)
    if mask.shape != tuple(shape[:2]):
        raise ValueError(
            f"{name} must have the height and width of its picture, {tuple(shape[:2])}. "
            f"Received: shape {mask.shape}"
        )
    mask = mask.astype(np.float32)
    # A blurred mask ends a rounding above 1; written so that NaN fails too.
    if not (mask.min() >= -1e-3 and mask.max() <= 1.001):
        raise ValueError(
            f"{name} must lie in [0, 1]; divide by 255 first where it comes from a picture. "
            f"Received: values from {mask.min():g} to {mask.max():g}"
        )
    return np.clip(mask, 0, 1)


def check_number(value, name, lowest, highest=np.inf):
    """A float in [lowest, highest], or a ValueError."""
    if not isinstance(value, numbers.Real) or not lowest <= value <= highest:
        bounds = f"from {lowest:g} to {highest:g}" if np.isfinite(highest) else f">= {lowest:g}"
        raise ValueError(f"{name} must be a number {bounds}. Received: {value!r}")
    return float(value)


def check_size(size, shape=None):
    """(height, width) of a size: an int is a square, None the picture's own.

    Raises:
        ValueError: neither an int nor a pair of ints, or one outside 1..16384.
    """
    if size is None and shape is not None:
        return int(shape[0]), int(shape[1])
    pair = (size, size) if isinstance(size, numbers.Integral) else size
    try:
        height, width = pair
        good = all(isinstance(n, numbers.Integral) and 1 <= n <= MAX_SIDE for n in (height, width))
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            f"size must be an int or (height, width), from 1 to {MAX_SIDE} pixels. "
            f"Received: {size!r}"
        )
    return int(height), int(width)
