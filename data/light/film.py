"""From light to a picture: depth of field, vignette, white balance, the film's curve, grain."""

import cv2
import numpy as np

EXPOSURE = 0.84
CONTRAST = 1.2  # the film's own, before that of the shot
SATURATION = 0.92  # takes back what contrast adds to it
MIDDLE = 0.38  # the tone, linear, that contrast leaves alone
SHOULDER = 0.66  # the tone, linear, from which on light is rolled off towards white
OPEN_BLUR = 0.011  # deviation of the blur far from the focus at full aperture, share of the picture
SHARP, SOFT = 0.35, 1.5  # dm from the focus up to which all is sharp, and where the blur is full


def defocus(picture, depth, focus, aperture):
    """Soften what lies nearer or farther than the focus.

    Args:
        picture: float32 (H, H, 3), linear RGB.
        depth: float32 (H, H), dm; what is far behind has its own blur and is left alone.
        focus: distance of the eyes, dm.
        aperture: 0 to 1.

    Returns:
        float32 (H, H, 3).
    """
    sigma = OPEN_BLUR * aperture * len(picture)
    if sigma < 0.7:
        return picture
    off = np.clip((np.abs(depth - focus) - SHARP) / (SOFT - SHARP), 0, 1)
    off = cv2.GaussianBlur(off * (depth < focus + 20), (0, 0), 0.5 * sigma)[..., None]
    return picture + off * (cv2.GaussianBlur(picture, (0, 0), sigma) - picture)


def develop(picture, size, shot, seed):
    """Develop linear light: a soft shoulder, samples averaged, sRGB, a touch of grain.

    Args:
        picture: float32 (H, H, 3), linear RGB.
        size: width and height wanted, pixels.
        shot: a `data.people.view.Shot`.
        seed: of the grain.

    Returns:
        uint8 (size, size, 3).
    """
    x = picture * (EXPOSURE * np.float32(shot.white))
    x = x * (1 + x / 4.0) / (1 + 0.62 * x)  # Reinhard et al. 2002, eq. 4, gentler
    x = np.maximum(cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA), 0)
    x = MIDDLE * (x * _vignette(size, shot.vignette) / MIDDLE) ** (CONTRAST * shot.contrast)
    x = _rolled_off(x)
    grey = x @ np.float32([[0.2126], [0.7152], [0.0722]])
    x = np.clip(grey + SATURATION * shot.saturation * (x - grey), 0, 1)
    x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.clip((x + _grain(size, shot.grain, seed)) * 255 + 0.5, 0, 255).astype(np.uint8)


def _rolled_off(x):
    """Tones (H, H, 3), linear, which near white ever slower and never reach it: fair skin and white
    hair keep their shape in strong light."""
    room = np.float32(1 - SHOULDER)
    return np.where(x < SHOULDER, x, 1 - room * np.exp(-np.maximum(x - SHOULDER, 0) / room))


def _vignette(size, loss):
    """The share of light that is left: float32 (size, size, 1)."""
    axis = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    return (1 - 0.5 * loss * (axis[:, None] + axis) ** 1.5)[..., None]


def _grain(size, deviation, seed):
    """Grain (size, size, 1), a little coarser than a pixel where pictures are large."""
    grain = np.random.default_rng([seed, 2]).normal(0, 1, (size, size)).astype(np.float32)
    coarse = cv2.GaussianBlur(grain, (0, 0), max(0.3, size / 320))
    return deviation * (0.6 * grain + 0.8 * coarse / coarse.std())[..., None]
