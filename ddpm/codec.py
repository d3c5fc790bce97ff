"""What is diffused: a codec between pictures and the arrays that a network sees.

That is the pixels themselves, in [-1, 1], or an autoencoder's latents, of mean 0 and deviation 1.
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


def latent_codec(vae, batch_size=8):
    """The codec of an autoencoder: latents brought to mean 0 and deviation 1 in each channel.

    Args:
        vae: a `bundle.VAE`.
        batch_size: pictures that are computed at once.

    Returns:
        A `Codec`.
    """
    encoder, decoder = (_Compiled(f) for f in (vae.network.encode, vae.network.decode))

    def encode(images):
        z = _in_batches(lambda x: encoder(to_float(x)), images, batch_size)
        return (z - vae.mean) / vae.deviation

    def decode(z):
        z = np.asarray(z, np.float32) * vae.deviation + vae.mean
        return _in_batches(lambda part: to_uint8(decoder(part)), z, batch_size)

    return Codec(encode, decode, stride=vae.preset.network.stride)


class _Compiled:
    """A function of one array, compiled by whichever backend there is: array -> NumPy array."""

    def __init__(self, function):
        import keras

        class Step(keras.Model):
            def call(self, x):
                return function(x)

        self.step = Step(dtype="float32")
        self.step.jit_compile = keras.backend.backend() == "jax"

    def __call__(self, x):
        return np.asarray(self.step.predict_on_batch(x))


def _in_batches(function, x, size):
    """A function of (B, ...) in parts of one size, the last filled up, so that it is compiled
    once for each shape."""
    results = []
    for first in range(0, len(x), size):
        part = x[first : first + size]
        spare = np.zeros((size - len(part), *x.shape[1:]), x.dtype)
        results.append(function(np.concatenate([part, spare]))[: len(part)])
    return np.concatenate(results)
