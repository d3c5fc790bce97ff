"""Retouching: skin smoothing that keeps pores, sharpening without halos, enlarging, denoising."""

import cv2
import numpy as np

from common.images import resize
from facekit._checks import check_image, check_mask, check_number, check_size
from facekit.colour import from_lab, to_lab

# Scales in parts of the face's width: pores and fine hair lie below the first, blotches, shine and
# soft shadows of blemishes between the two, the shape of the face above.
PORES, BLOTCHES = 0.007, 0.05
# What is taken of each band at strength 1. All of the middle would be plastic, and all of the fine.
LESS_MIDDLE, LESS_FINE = 0.9, 0.3
# Differences of L, and of a and b, below which the guided filter takes structure for a blotch.
BLOTCH_L, BLOTCH_COLOUR = 7.0, 5.0
# The difference of L within a band at which half of it counts as an edge, and stays.
EDGE = 6.0


def smooth_skin(image, mask, strength=0.5, face_width=None):
    """Smooth skin, but keep its texture and the edges of the face.

    Frequency separation in LAB: pores (fine), blotches (middle) and the shape of the face, which a
    guided filter finds as it is blind to weak structure only. The middle band loses most, the fine
    band little. All filters weigh by the mask, so eyes and hair do not bleed into the skin.

    Args:
        image: uint8 (H, W, 3), RGB.
        mask: (H, W) in [0, 1], the skin without eyes, brows and lips; its edge is blended.
        strength: 0 leaves the picture as it is; 0.3 to 0.6 is seen only beside the original.
        face_width: in pixels; None takes the diameter of a disc of the mask's area.

    Returns:
        uint8 (H, W, 3). Where the mask is 0 the values of `image`.

    Raises:
        ValueError: an array of another kind, or a strength or width out of range.

    Reference:
        He, Sun and Tang 2013, Guided image filtering, equations 5, 6 and 8.
    """
    image = check_image(image)
    mask = check_mask(mask, image.shape)
    strength = check_number(strength, "strength", 0, 1)
    if face_width is None:
        face_width = 2 * np.sqrt(float(mask.sum()) / np.pi)
    face_width = check_number(face_width, "face_width", 0)
    if strength == 0 or not mask.any():
        return image.copy()
    box = _box(mask, round(3 * BLOTCHES * face_width) + 1)
    result = image.copy()
    result[box] = _smooth(image[box], mask[box], strength, face_width)
    return result


def sharpen(image, amount=0.5, radius=1.0, threshold=2.0):
    """Unsharp masking of the lightness that makes no halos and leaves noise alone.

    What a blur takes away is added where there is more of it than the threshold (noise stays as it
    is), and never beyond the darkest and brightest pixel around: edges get steeper, not higher.

    Args:
        image: uint8 (H, W, 3), RGB.
        amount: 0 or more; 0.3 to 1 is usual.
        radius: of the blur, its deviation in pixels, above 0.
        threshold: of 255; nothing is added where what the blur takes away has a deviation below it,
            and all from twice of it on.

    Returns:
        uint8 (H, W, 3); each pixel's channels move by the same, but for clipping.

    Raises:
        ValueError: an array of another kind, or a number out of range.
    """
    image = check_image(image)
    amount = check_number(amount, "amount", 0)
    radius = check_number(radius, "radius", 0.1, 100)
    threshold = check_number(threshold, "threshold", 0)
    if amount == 0:
        return image.copy()
    light = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY)
    detail = light - cv2.GaussianBlur(light, (0, 0), radius)
    # How much goes on around a pixel, not its own difference: that is nought on an edge's middle.
    busy = np.sqrt(cv2.GaussianBlur(np.square(detail), (0, 0), 2 * radius))
    detail *= np.clip(busy / max(threshold, 1e-6) - 1, 0, 1)
    around = np.ones((2 * int(np.ceil(radius)) + 1,) * 2, np.uint8)
    sharp = np.clip(light + amount * detail, cv2.erode(light, around), cv2.dilate(light, around))
    return _to_uint8(image + (sharp - light)[..., None])


def upscale(image, factor=None, size=None, sharpness=0.4):
    """Enlarge a picture: Lanczos in steps of at most two, each sharpened a little.

    It adds no detail that was not there. One large Lanczos step rings and stays soft; here each
    step is kept between its neighbours, as in `sharpen`.

    Args:
        image: uint8 (H, W, 3), RGB.
        factor: above 0; or
        size: an int (a square) or (height, width). What would shrink, shrinks by area.
        sharpness: the amount of `sharpen` after each doubling; 0 is none.

    Returns:
        uint8 (h, w, 3).

    Raises:
        ValueError: neither or both of factor and size, or a number out of range.
    """
    image = check_image(image)
    sharpness = check_number(sharpness, "sharpness", 0)
    if (factor is None) == (size is None):
        raise ValueError(f"give a factor or a size, one of them. Received: {factor!r}, {size!r}")
    if factor is not None:
        factor = check_number(factor, "factor", 1e-3)
        size = tuple(max(1, round(n * factor)) for n in image.shape[:2])
    height, width = check_size(size)
    while image.shape[0] < height or image.shape[1] < width:
        # Half-steps come first and are sharpened as well: the last step lands on the size.
        step = _next(image.shape[0], height), _next(image.shape[1], width)
        image = sharpen(_lanczos(image, step), sharpness, 1.0, 1.0)
    return resize(image, (height, width)) if image.shape[:2] != (height, width) else image.copy()


def denoise(image, strength=0.3):
    """Non-local means denoising; about a second a megapixel and core.

    Args:
        image: uint8 (H, W, 3), RGB.
        strength: 0 leaves the picture as it is; 0.5 suits noise of about 6 of 255, 1 twice
            of it. What is less noisy turns to plastic.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: an array of another kind, or a strength outside [0, 1].

    Reference:
        Buades, Coll and Morel 2011, Non-local means denoising (IPOL); OpenCV's fastNlMeans.
    """
    image = check_image(image)
    strength = check_number(strength, "strength", 0, 1)
    if strength == 0:
        return image.copy()
    # OpenCV takes BGR: its own LAB inside weighs the channels.
    blurred = cv2.fastNlMeansDenoisingColored(
        np.ascontiguousarray(image[..., ::-1]), None, 6 * strength, 6 * strength, 7, 21
    )
    return np.ascontiguousarray(blurred[..., ::-1])


def _smooth(image, mask, strength, face_width):
    lab = to_lab(image)
    base = _weighted_blur(lab, mask, PORES * face_width)
    fine = lab - base
    radius = max(1, round(BLOTCHES * face_width))
    scales = (BLOTCH_L, BLOTCH_COLOUR, BLOTCH_COLOUR)
    shape = np.stack([_guided(base[..., c], mask, radius, s) for c, s in enumerate(scales)], 2)
    middle = base - shape
    smooth = lab - strength * (LESS_MIDDLE * _weak(middle) + LESS_FINE * _weak(fine))
    return _to_uint8(image + mask[..., None] * (from_lab(smooth) - image))


def _weak(band):
    """Attenuate strong values of a band: a blemish stays, a nostril's edge hardly does."""
    return band / (1 + np.square(band[..., :1] / EDGE))


def _guided(channel, weight, radius, scale):
    """The guided filter of a channel by itself, where only pixels of the mask count.

    Args:
        channel, weight: float32 (H, W).
        radius: of the windows, pixels.
        scale: deviation below which a window is taken for flat, the root of the paper's epsilon.
    """
    mean = _box_mean(channel, weight, radius)
    variance = np.maximum(_box_mean(np.square(channel), weight, radius) - np.square(mean), 0)
    kept = variance / (variance + scale**2)
    offset = (1 - kept) * mean
    return _box_mean(kept, weight, radius) * channel + _box_mean(offset, weight, radius)


def _box_mean(values, weight, radius):
    window = (2 * radius + 1,) * 2
    # Float64: a variance is the small difference of large means.
    total = cv2.boxFilter((values * weight).astype(np.float64), -1, window, normalize=False)
    count = cv2.boxFilter(weight.astype(np.float64), -1, window, normalize=False)
    mean = np.where(count > 1e-3, total / np.maximum(count, 1e-3), values)
    return mean.astype(np.float32)


def _weighted_blur(lab, weight, deviation):
    if deviation < 0.3:  # the kernel would be a single pixel
        return lab
    total = cv2.GaussianBlur(lab * weight[..., None], (0, 0), deviation)
    count = cv2.GaussianBlur(weight, (0, 0), deviation)[..., None]
    return np.where(count > 1e-3, total / np.maximum(count, 1e-3), lab)


def _lanczos(image, size):
    """Lanczos resampling, clamped to the 3x3 pixels around against ringing."""
    height, width = size
    large = cv2.resize(image, (width, height), interpolation=cv2.INTER_LANCZOS4)
    around = np.ones((3, 3), np.uint8)
    low, high = (
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
        for picture in (cv2.erode(image, around), cv2.dilate(image, around))
    )
    return np.clip(large, low, high)


def _next(now, goal):
    """Size after the next of equal steps from `now` to `goal`, each at most a doubling."""
    if goal <= now:
        return now
    steps = int(np.ceil(np.log2(goal / now) - 1e-9))
    return goal if steps <= 1 else round(now * (goal / now) ** (1 / steps))


def _box(mask, margin):
    """The slices that hold a mask and a margin around it."""
    slices = []
    for axis, n in ((1, mask.shape[0]), (0, mask.shape[1])):
        where = np.flatnonzero(mask.any(axis))
        slices.append(slice(max(0, where[0] - margin), min(n, where[-1] + margin + 1)))
    return tuple(slices)


def _to_uint8(image):
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
