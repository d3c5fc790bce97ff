"""Small tools of painting: colour spaces, smooth steps, pictures read between their pixels, noise
that repeats."""

from functools import lru_cache

import cv2
import numpy as np

NOISE = 512  # side of the noise textures, which repeat


def linear(srgb):
    """sRGB 0 to 255 to linear 0 to 1."""
    value = np.asarray(srgb, np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def step(low, high, value):
    """Smoothstep: 0 below `low`, 1 above `high`."""
    s = np.clip((value - low) / (high - low), 0, 1)
    return s * s * (3 - 2 * s)


@lru_cache(maxsize=1)
def _noise_textures():
    """Three repeating noises float32 (NOISE, NOISE), mean 0 and deviation 1: blotches, pores, hairs
    (along x)."""
    rng = np.random.default_rng(7)

    def blurred(sx, sy):
        white = rng.normal(size=(NOISE, NOISE)).astype(np.float32)
        wide = cv2.copyMakeBorder(white, 64, 64, 64, 64, cv2.BORDER_WRAP)
        soft = cv2.GaussianBlur(wide, (0, 0), sx, sigmaY=sy)[64:-64, 64:-64]
        return (soft / soft.std()).astype(np.float32)

    return blurred(18, 18) * 0.7 + blurred(7, 7) * 0.7, blurred(1.1, 1.1), blurred(7, 0.9)


def look_up(texture, u, v, border=cv2.BORDER_REPLICATE):
    """Reads a picture (H, W) at fractional columns u and rows v (P,), smoothly: float32 (P,)."""
    count = len(u)
    if not count:
        return np.zeros(0, np.float32)
    where = np.zeros(
        (2, -(-count // 4096) * 4096), np.float32
    )  # OpenCV takes no row longer than 32767
    where[0, :count], where[1, :count] = u, v
    return cv2.remap(
        texture, *where.reshape(2, -1, 4096), cv2.INTER_LINEAR, borderMode=border
    ).ravel()[:count]


def noise(kind, u, v):
    """Noise of a kind (0 blotches, 1 pores, 2 hairs) at texture places (P,), in texels; it
    repeats."""
    return look_up(_noise_textures()[kind], np.mod(u, NOISE), np.mod(v, NOISE), cv2.BORDER_WRAP)
