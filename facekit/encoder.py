"""The identity encoder: a small residual network from a face crop to a unit vector.

All convolutions are dense, because depthwise ones leave a CPU's multipliers idle. After the stem
all layers work at a quarter of the crop's side or less, for large grids cost the most time.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import ops

from common.files import write_bytes
from facekit.network_files import load_network, save_network

COMMON = "common"  # the attribute that holds the mean embedding of photographs
EPSILON = 1e-3


@dataclass(frozen=True)
class EncoderSettings:
    """Architecture of an encoder.

    Attributes:
        size: side of the crop in pixels, a multiple of 16.
        stem: channels of the first convolution, at half the crop's side.
        widths: channels of the stages; the first is at a quarter of the side, each later one at
            half the side of the one before.
        blocks: residual blocks of each stage.
        squeeze: channels of the last grid, which is then flattened.
        dimensions: length of the embedding.

    Raises:
        ValueError: if the size cannot be halved so often, or widths and blocks differ in length.
    """

    size: int = 112
    stem: int = 24
    widths: tuple = (48, 96, 160)
    blocks: tuple = (2, 3, 2)
    squeeze: int = 32
    dimensions: int = 128

    def __post_init__(self):
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if len(self.widths) != len(self.blocks) or not self.widths:
            raise ValueError(
                "An encoder needs as many widths as block counts, and at least one. "
                f"Received: widths={self.widths}, blocks={self.blocks}."
            )
        step = 2 ** (len(self.widths) + 1)
        if self.size < step or self.size % step:
            raise ValueError(
                f"The size of the crops must be a multiple of {step}. Received: size={self.size}."
            )


def conv(width, size=3, strides=1):
    """A convolution without bias, for a normalisation follows."""
    return keras.layers.Conv2D(
        width, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal"
    )


def norm(**kwargs):
    """Batch normalisation: at inference a fixed scale and shift, independent of the batch."""
    return keras.layers.BatchNormalization(momentum=0.95, epsilon=EPSILON, **kwargs)


def residual(x, width, strides):
    """x + norm(conv(act(norm(conv(x))))), activated; (B, H, W, C) -> (B, H/s, W/s, width).

    Reference:
        He et al. 2016, Deep Residual Learning for Image Recognition, figure 2, with the strides in
        the first convolution and a convolution on the shortcut where the shape changes.
    """
    h = keras.layers.ReLU()(norm()(conv(width, strides=strides)(x)))
    h = norm()(conv(width)(h))
    if strides > 1 or x.shape[-1] != width:
        x = norm()(conv(width, size=strides, strides=strides)(x))
    return keras.layers.ReLU()(keras.layers.Add()([x, h]))


@keras.saving.register_keras_serializable("facekit")
class UnitLength(keras.layers.Layer):
    """x / |x| in float32: (B, D) -> (B, D)."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, x):
        return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)


def make_encoder(settings=None):
    """The network, with fresh weights, in the current dtype policy.

    Args:
        settings: `EncoderSettings`; None takes the default.

    Returns:
        keras.Model: crops (B, size, size, 3), numbers 0 to 255 of any dtype, to float32
        (B, dimensions) of unit length.
    """
    settings = settings or EncoderSettings()
    crops = keras.Input((settings.size, settings.size, 3), name="crops")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(crops)
    x = keras.layers.ReLU()(norm()(conv(settings.stem, strides=2)(x)))
    x = keras.layers.ReLU()(norm()(conv(settings.widths[0], strides=2)(x)))
    for stage, (width, blocks) in enumerate(zip(settings.widths, settings.blocks, strict=True)):
        for block in range(blocks):
            x = residual(x, width, strides=2 if stage and not block else 1)
    # Flattened, not pooled: on an aligned crop the place of a feature carries meaning.
    x = keras.layers.Flatten()(norm()(conv(settings.squeeze, size=1)(x)))
    x = keras.layers.Dense(settings.dimensions, use_bias=False)(x)
    x = norm(scale=False, dtype="float32")(x)
    return keras.Model(crops, UnitLength()(x), name="identity_encoder")


def with_grid(encoder):
    """An encoder that also gives the last grid of features before it is squeezed and flattened.

    Args:
        encoder: a model of `make_encoder`.

    Returns:
        keras.Model: crops to (grid (B, h, w, widths[-1]), embedding (B, dimensions)).
    """
    flat = next(i for i, layer in enumerate(encoder.layers) if layer.name.startswith("flatten"))
    squeeze = encoder.layers[flat - 2]  # a normalisation lies between
    return keras.Model(encoder.input, [squeeze.input, encoder.output], name="face_features")


def save_encoder(encoder, settings, path):
    """Write the weights as float16 and the settings beside them, whole or not at all.

    Args:
        encoder: a model of `make_encoder`.
        settings: its `EncoderSettings`.
        path: the file, such as weights/identity.weights.h5; its folder is made.
    """
    save_network(encoder.weights, settings, path)


def set_common(path, common):
    """Store the mean embedding of photographs, float (dimensions,), in a weights file."""
    buffer = io.BytesIO(Path(path).read_bytes())
    with h5py.File(buffer, "r+") as file:
        file.attrs[COMMON] = np.asarray(common, np.float32)
    write_bytes(buffer.getvalue(), path)


def load_common(path, dimensions):
    """The mean embedding that `set_common` stored, float32 (dimensions,); else zeros."""
    with h5py.File(path, "r") as file:
        return np.asarray(file.attrs.get(COMMON, np.zeros(dimensions)), np.float32)


def load_encoder(path):
    """Read what `save_encoder` wrote.

    Args:
        path: the weights file.

    Returns:
        (encoder, settings).

    Raises:
        ValueError: if the file is missing or is not an encoder's.
    """
    command = "python -m facekit.train_identity"
    return load_network(path, EncoderSettings, make_encoder, "identity encoder", command)
