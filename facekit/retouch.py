"""Retouch: calmer skin that is still skin, sharper edges without halos, larger pictures."""

import cv2
import numpy as np

from facekit._checks import check_image, check_mask, check_number, check_size

# Of the skin's extent, sigmas: what is coarser is form and stays, what lies between is blotches and
# lines, what is finer is texture.
COARSE, FINE = 0.08, 0.008
FEATURE = 9.0  # LAB units; between the bands, differences this large are features and stay
LEFT = 0.15  # share of the smallest ones that stays
TEXTURE = 0.8  # share of the finest that stays


def smooth_skin(image, mask, strength=0.5):
    """Take blotches and shine out of skin and keep its texture.

    Lightness and colours are split in three bands. In the middle one small differences are blotches
    and are nearly taken out, large ones are features and stay; the finest, pores, stays as well.

    Args:
        image: uint8 (H, W, 3).
        mask: float (H, W) in [0, 1]: the skin, as `facekit.masks.regions` finds it.
        strength: 0..1.

    Returns:
        uint8 (H, W, 3), bit for bit the picture where the mask is 0.
    """
    image, mask = check_image(image), check_mask(mask, image.shape)
    strength = check_number(strength, "strength", 0, 1)
    if strength == 0 or not (mask > 0).any():
        return image.copy()
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    extent = max(len(rows), len(columns))
    margin = int(np.ceil(3 * COARSE * extent))
    box = tuple(
        slice(max(0, found[0] - margin), found[-1] + margin + 1) for found in (rows, columns)
    )
    result = image.copy()
    view, weight = image[box], mask[box][..., None] * strength
    lab = cv2.cvtColor(view.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    wanted = _calm(lab, extent)
    changed = cv2.cvtColor(lab + weight * (wanted - lab), cv2.COLOR_LAB2RGB)
    changed = np.clip(np.round(changed * 255), 0, 255).astype(np.uint8)
    result[box] = np.where(weight > 0, changed, view)
    return result


def _calm(lab, extent):
    form = cv2.GaussianBlur(lab, (0, 0), max(1.2, COARSE * extent))
    even = cv2.GaussianBlur(lab, (0, 0), max(0.6, FINE * extent))
    middle, fine = even - form, lab - even
    large = np.clip(np.abs(middle) / FEATURE, 0, 1)
    return form + middle * (LEFT + (1 - LEFT) * large * large) + TEXTURE * fine


def sharpen(image, amount=0.6, radius=1.2, threshold=2.0):
    """Unsharp masking of the lightness that makes neither halos nor grain.

    Args:
        image: uint8 (H, W, 3).
        amount: 0..5, how much of the detail is added once more.
        radius: pixels, the sigma of the blur that tells detail; 0.1 to 50.
        threshold: grey levels (0..255) of detail that is taken for noise and not enhanced.

    Returns:
        uint8 (H, W, 3); no pixel is lighter or darker than its neighbourhood was.
    """
    image = check_image(image)
    amount = check_number(amount, "amount", 0, 5)
    radius = check_number(radius, "radius", 0.1, 50)
    threshold = check_number(threshold, "threshold", 0, 255)
    light = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    y = light[..., 0].astype(np.float32)
    detail = y - cv2.GaussianBlur(y, (0, 0), radius)
    detail = np.sign(detail) * np.maximum(np.abs(detail) - threshold, 0)
    near = np.ones((2 * int(np.ceil(radius)) + 1,) * 2, np.uint8)
    sharp = np.clip(y + amount * detail, cv2.erode(y, near), cv2.dilate(y, near))
    # Added to all three channels alike: colours stay what they were, and 0 changes nothing.
    change = np.round(sharp - y)[..., None]
    return np.clip(image + change, 0, 255).astype(np.uint8)


def upscale(image, size):
    """Enlarge by Lanczos resampling in steps of two at most, each mildly sharpened.

    Args:
        image: uint8 (H, W, 3).
        size: a factor (float, over 0), or (height, width) in pixels.

    Returns:
        uint8 (h, w, 3). What is smaller than the picture is averaged down.

    Raises:
        ValueError: a result of no pixel, or one of more than 16384 a side.
    """
    image = check_image(image)
    if np.isscalar(size):
        size = tuple(round(length * float(size)) for length in image.shape[:2])
    height, width = check_size(size)
    while image.shape[0] < height or image.shape[1] < width:
        step = (min(2 * image.shape[1], width), min(2 * image.shape[0], height))
        step = (max(step[0], min(image.shape[1], width)), max(step[1], min(image.shape[0], height)))
        image = cv2.resize(image, step, interpolation=cv2.INTER_LANCZOS4)
        image = sharpen(image, amount=0.5, radius=1.0, threshold=1.0)
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return image.copy()
