"""Small tools of painting: colour spaces, smooth steps, pictures read between their pixels, noise
that repeats."""

from functools import lru_cache

import cv2
import numpy as np

from data.shape.maths import look_up

NOISE = 512  # side of the noise textures, which repeat


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


def noise(kind, u, v):
    """Noise of a kind (0 blotches, 1 pores, 2 hairs) at texture places (P,), in texels; it
    repeats."""
    return look_up(_noise_textures()[kind], np.mod(u, NOISE), np.mod(v, NOISE), cv2.BORDER_WRAP)
