"""What is diffused: a codec between pictures and the arrays that a network sees.

Today that is the pixels themselves, in [-1, 1]; an autoencoder's latents would be another record.
Only this file, and who is handed a `Codec`, knows the difference.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def to_uint8(x):
    """[-1, 1] to 0..255: float (..., H, W, C) -> uint8 of the same shape."""
    return np.rint(np.clip((np.asarray(x) + 1.0) * 127.5, 0, 255)).astype(np.uint8)


def to_float(images):
    """Undo `to_uint8`: uint8 (..., H, W, C) -> float32 in [-1, 1] of the same shape."""
    return images.astype(np.float32) / 127.5 - 1.0


@dataclass(frozen=True)
class Codec:
    """Pictures to x0 and back.

    Args:
        encode: uint8 (B, H, W, 3) -> x0, float32 (B, h, w, C).
        decode: x0 -> uint8 (B, H, W, 3).
        stride: pixels a side to one cell of x0.
        bounds: the range of x0, which x0_hat is clipped to; None for data without bounds.
    """

    encode: Callable
    decode: Callable
    stride: int = 1
    bounds: tuple | None = None


PIXELS = Codec(to_float, to_uint8, bounds=(-1.0, 1.0))
