"""Small tools of geometry: smooth steps, unit vectors, tables read between their cells."""

import cv2
import numpy as np


def step(low, high, value):
    """Smoothstep: 0 below `low`, 1 above `high`."""
    s = np.clip((value - low) / (high - low), 0, 1)
    return s * s * (3 - 2 * s)


def unit(vectors):
    """Vectors (..., 3) scaled to length 1; zero stays zero."""
    length = np.sqrt(np.einsum("...c,...c->...", vectors, vectors))[..., None]
    return vectors / np.maximum(length, 1e-6)


def look_up(texture, u, v, border=cv2.BORDER_REPLICATE):
    """Read a picture (H, W) or (H, W, C) at fractional columns u and rows v (P,), smoothly: float32
    (P,) or (P, C)."""
    count, channels = len(u), texture.shape[2:]
    if not count:
        return np.zeros((0, *channels), np.float32)
    where = np.zeros(
        (2, -(-count // 4096) * 4096), np.float32
    )  # OpenCV takes no row longer than 32767
    where[0, :count], where[1, :count] = u, v
    read = cv2.remap(texture, *where.reshape(2, -1, 4096), cv2.INTER_LINEAR, borderMode=border)
    return read.reshape(-1, *channels)[:count]
