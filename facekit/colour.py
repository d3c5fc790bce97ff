"""Colour transfer between pictures, by mean and deviation in CIELAB within masks."""

import cv2
import numpy as np

from facekit._checks import check_image, check_mask, check_number

# Past these a transfer no longer grades a picture, it invents one: flat areas turn to noise.
LOWEST_GAIN, HIGHEST_GAIN = 0.2, 6.0
# Lightness bends towards white and black from here on, so that highlights keep their shape.
SHOULDER, TOE = 88.0, 8.0
# How far the plain statistics may stay from the target's, in units of LAB, and how long to try.
TOLERANCE, ROUNDS = 0.3, 20
# The feather of what is protected, in parts of the square root of the mask's area.
FEATHER = 0.012
# How far protected colours follow the mean: at half, lips turn orange in a paler face and violet in
# a redder one; at all of it, teeth and the whites of eyes take the skin's colour.
FOLLOWED = 0.75


def transfer(image, target, mask=None, target_mask=None, strength=1.0, protect=None, relight=False):
    """Match a picture's colours to those of another, by mean and deviation in LAB.

    A gain and a shift for each of L, a, b. Both begin at statistics that leave highlights and
    crushed blacks out (the same rule on either side), then move just as far as it takes for the
    plain mean and deviation over the mask to come within 0.3 of the target's, clipping and rounding
    to uint8 included. That can fail only where a gain would have to leave [0.2, 6] or where the
    target's colours do not exist at this lightness.

    Args:
        image: uint8 (H, W, 3), RGB (taken as sRGB).
        target: uint8 (h, w, 3), whose colours are wanted; any size.
        mask: (H, W) in [0, 1], where to change the picture and what to measure: changed in full
            from 0.6 on, blended below; None is the whole picture.
        target_mask: (h, w) in [0, 1], what to measure of the target; None is the whole.
        strength: 0 leaves the picture as it is, 1 goes all the way.
        protect: (H, W) in [0, 1], what not to dye and not to measure, for lips and eyes;
            1 protects in full. The edge is feathered outwards. Leave the lips and eyes out of
            `target_mask` as well, so that skin is compared with skin.
        relight: protected pixels follow the lightness of the rest and most of its shift in colour,
            without a gain: lips of the old light glare, or gape, in a face of the new one. False
            leaves them as they are, bit by bit.

    Returns:
        uint8 (H, W, 3). Where the mask is 0 the values of `image`.

    Raises:
        ValueError: an array of another kind, a strength outside [0, 1], or a mask without a pixel.

    Reference:
        Reinhard et al. 2001, Color transfer between images, section "Statistics and color
        correction"; here in CIELAB rather than in their l-alpha-beta.
    """
    image, target = check_image(image), check_image(target, "target")
    weight = check_mask(mask, image.shape)
    target_weight = _with_weight(check_mask(target_mask, target.shape, "target_mask"))
    kept = np.zeros(image.shape[:2], np.float32)
    if protect is not None:
        kept = _feather(check_mask(protect, image.shape, "protect"), weight)
    if check_number(strength, "strength", 0, 1) == 0:
        return image.copy()
    box = _box(_with_weight(weight * (1 - kept)))
    image, result, weight, kept = image[box], image.copy(), weight[box], kept[box]
    measured, alpha = weight * (1 - kept), _alpha(weight)
    if not relight:
        alpha = alpha * (1 - kept)
    changed = _transfer(image, target, measured, target_weight, alpha, kept)
    result[box] = _blend(image, changed, strength * alpha)
    return result


def statistics(image, mask=None):
    """Mean and deviation of a picture's LAB, weighted by a mask.

    Args:
        image: uint8 (H, W, 3), RGB (taken as sRGB).
        mask: (H, W) in [0, 1]; None is the whole picture.

    Returns:
        float64 (3,) and (3,): the means of L (0 to 100), a and b (about -100 to 100), and their
        standard deviations (of the population).

    Raises:
        ValueError: an array of another kind, or a mask without a pixel.
    """
    image = check_image(image)
    return _moments(to_lab(image), _with_weight(check_mask(mask, image.shape)))


def to_lab(image):
    """uint8 (H, W, 3) sRGB to float32 (H, W, 3) CIELAB of D65: L in 0..100, a and b unscaled."""
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def from_lab(lab):
    """float32 (H, W, 3) CIELAB to float32 (H, W, 3) sRGB in [0, 255], clipped."""
    return np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB), 0, 1) * 255


def _transfer(image, target, weight, target_weight, alpha, kept):
    """The picture at full strength, float32 (H, W, 3) in [0, 255], not yet blended."""
    lab, target_lab = to_lab(image), to_lab(target)
    goal_mean, goal_deviation = _moments(target_lab, target_weight)
    centre, deviation = _moments(lab, _trust(image, weight))
    mean, wanted = _moments(target_lab, _trust(target, target_weight))
    gain = _limit(wanted / np.maximum(deviation, 1e-6))
    for _ in range(ROUNDS):
        changed = _bend((lab - centre) * gain + mean)
        changed = from_lab(_protect(changed, lab, kept, mean - centre))
        now = _moments(to_lab(_blend(image, changed, alpha)), weight)
        miss = _beyond(goal_mean - now[0]), _beyond(goal_deviation - now[1])
        if not np.any(miss):
            break
        mean = mean + miss[0]
        gain = _limit(gain * (now[1] + miss[1] + 1e-6) / (now[1] + 1e-6))
    return changed


def _moments(lab, weight):
    """Weighted mean and deviation of each channel, float64 (3,) and (3,)."""
    weight = weight.astype(np.float64)[..., None] / weight.sum(dtype=np.float64)
    mean = (lab * weight).sum((0, 1))
    return mean, np.sqrt((np.square(lab - mean) * weight).sum((0, 1)))


def _trust(image, weight):
    """The weights without highlights and crushed blacks, which do not show a surface's colour.

    They fall off along ramps: with a hard limit a slightly brighter picture would jump.
    """
    brightest = image.max(axis=2).astype(np.float32)
    trusted = weight * np.clip((255 - brightest) / 20, 0, 1) * np.clip(brightest / 10, 0, 1)
    return trusted if trusted.sum() > 0.2 * weight.sum() else weight


def _limit(gain):
    return np.clip(gain, LOWEST_GAIN, HIGHEST_GAIN)


def _beyond(miss):
    """The part of a deviation beyond the tolerance."""
    return np.sign(miss) * np.maximum(np.abs(miss) - TOLERANCE, 0)


def _bend(lab):
    """Soft clipping of the lightness at 0 and 100, which keeps its order."""
    lightness, room = lab[..., 0], 100 - SHOULDER
    high = SHOULDER + room * np.tanh((lightness - SHOULDER) / room)
    low = TOE + TOE * np.tanh((lightness - TOE) / TOE)
    bent = np.where(lightness > SHOULDER, high, np.where(lightness < TOE, low, lightness))
    return np.concatenate([bent[..., None], lab[..., 1:]], axis=2)


def _protect(changed, lab, kept, shift):
    """Where protected, the new lightness with the old colour, shifted by the mean.

    Less light on a surface scales L + 16, a and b by one factor (the cube root of CIELAB). More
    light is not let to: in a brightened face the whites of the eyes turned red.
    """
    exposure = np.minimum((changed[..., :1] + 16) / (lab[..., :1] + 16), 1)
    colour = lab[..., 1:] * exposure + FOLLOWED * shift[1:]
    colour = changed[..., 1:] + kept[..., None] * (colour - changed[..., 1:])
    return np.concatenate([changed[..., :1], colour], axis=2)


def _alpha(weight):
    """Blending weight of a pixel: 1 from a mask of 0.6 on, smoothly less towards its edge.

    With the mask itself the unchanged half of the edge would have to be made up for in its middle.
    """
    part = np.minimum(weight / 0.6, 1)
    return part * part * (3 - 2 * part)


def _blend(image, changed, weight):
    mixed = image + weight[..., None] * (changed - image)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _feather(protect, weight):
    """Protection blurred outwards only: full protection stays full."""
    blurred = cv2.GaussianBlur(protect, (0, 0), max(0.6, FEATHER * float(np.sqrt(weight.sum()))))
    return np.clip(np.maximum(protect, blurred), 0, 1)


def _with_weight(weight):
    if not weight.sum() > 0:
        raise ValueError(
            "a mask, less what is protected, must leave a pixel. Received: none above 0"
        )
    return weight


def _box(weight):
    """The slices that hold all of a mask."""
    rows, columns = np.flatnonzero(weight.any(1)), np.flatnonzero(weight.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
