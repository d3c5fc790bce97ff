"""What training knows of an autoencoder's latents: their statistics, and how pictures come back."""

import numpy as np

from common.sheets import grid
from ddpm.codec import to_float, to_uint8
from ddpm.nets.config import VAE_STRIDE


def statistics(network, images):
    """Mean and deviation of each channel of the latents of some pictures.

    Args:
        network: an `Autoencoder`.
        images: sequence of uint8 (H, W, 3), of any sizes.

    Returns:
        (mean, deviation): float64 (C,) each.
    """
    n, total, square = 0, 0.0, 0.0
    for image in images:
        z = np.asarray(network.encode(to_float(_whole(image)[None])), np.float64)
        n += z[..., 0].size
        total = total + z.sum((0, 1, 2))
        square = square + np.square(z).sum((0, 1, 2))
    mean = total / n
    return mean, np.sqrt(np.maximum(square / n - mean**2, 1e-12))


def reconstructions(network, images):
    """A sheet of pictures over what comes back of them.

    Args:
        network: an `Autoencoder`.
        images: sequence of uint8 (H, W, 3); all are cut to the squares of the smallest.

    Returns:
        uint8 (H', W', 3).
    """
    side = min(min(image.shape[:2]) for image in images) // VAE_STRIDE * VAE_STRIDE
    squares = np.stack([_whole(image, side) for image in images])
    back = [to_uint8(network(to_float(image[None])))[0] for image in squares]
    return grid(np.concatenate([squares, back]), columns=len(squares))


def _whole(image, side=None):
    """The middle of a picture, as much of it as can be encoded, or a square of some side."""
    size = (side, side)
    if side is None:
        size = tuple(max(1, length // VAE_STRIDE) * VAE_STRIDE for length in image.shape[:2])
    top, left = ((length - wanted) // 2 for length, wanted in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]
