"""The restorer's network: a plain one for enlarging. Convolutions at low resolution, then channels
moved to pixels; what it gives is added to the bicubic enlargement, at which it begins.

Pictures to be enlarged four times and twice share all layers but the first: squares of 2 x 2 pixels
of the latter are folded into channels, so that for both a pixel of the network is 4 x 4 of the
result.

References: Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPR
Workshops 2017 (no normalisation; residual branches made small). Shi et al., Real-Time Single Image
and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network, CVPR 2016.
"""

from dataclasses import dataclass

import keras

from facekit.degrade import SCALES
from facekit.network_files import load_network, save_network
from facekit.unet import ToPixels

CELL = max(SCALES)  # pixels of the result, a side, to one of the network
MIDDLE, UNIT = 127.5, 127.5  # pictures are (x - MIDDLE) / UNIT inside


@dataclass(frozen=True)
class RestorerSettings:
    """Architecture of a restorer.

    Attributes:
        width: channels.
        blocks: residual blocks.

    Raises:
        ValueError: a number below 1.
    """

    width: int = 48
    blocks: int = 10

    def __post_init__(self):
        if min(self.width, self.blocks) < 1:
            raise ValueError(
                "A restorer needs at least one channel and one block. "
                f"Received: width={self.width}, blocks={self.blocks}."
            )


@keras.saving.register_keras_serializable("facekit")
class ToChannels(keras.layers.Layer):
    """Squares of 2 x 2 pixels moved to channels: (B, 2 H, 2 W, C) -> (B, H, W, 4 C)."""

    def call(self, x):
        _, height, width, channels = keras.ops.shape(x)
        x = keras.ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))
        x = keras.ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return keras.ops.reshape(x, (-1, height // 2, width // 2, 4 * channels))

    def compute_output_shape(self, shape):
        halves = (n and n // 2 for n in shape[1:3])
        return (shape[0], *halves, 4 * shape[3])


def _conv(width, **kwargs):
    return keras.layers.Conv2D(width, 3, padding="same", **kwargs)


def make_restorer(settings=None):
    """The network, with fresh weights, in the current dtype policy.

    Args:
        settings: `RestorerSettings`; None takes the default.

    Returns:
        keras.Model: [(B, H, W, 3), (B, 2 H, 2 W, 3)], pictures to be enlarged four times and
        twice, numbers 0 to 255 of any dtype, to two of float32 (B, 4 H, 4 W, 3): what their
        bicubic enlargements lack, in the same unit. It is 0 at the start. `network_for` takes one
        of the two out.
    """
    settings = settings or RestorerSettings()
    inputs = [keras.Input((None, None, 3), name=f"times{scale}") for scale in SCALES]
    scaled = [keras.layers.Rescaling(1 / UNIT, offset=-MIDDLE / UNIT)(x) for x in inputs]
    stems = [_conv(settings.width, name=f"stem{scale}") for scale in SCALES]
    body = [
        (_conv(settings.width), _conv(settings.width, kernel_initializer=_small(settings)))
        for _ in range(settings.blocks)
    ]
    last = _conv(settings.width)
    tail = _conv(3 * CELL**2, kernel_initializer="zeros")
    outputs = []
    for stem, x in zip(stems, [scaled[0], ToChannels()(scaled[1])], strict=True):
        first = x = stem(x)
        for one, two in body:
            x = keras.layers.Add()([x, two(keras.layers.ReLU()(one(x)))])
        x = keras.layers.Add()([first, last(x)])
        x = ToPixels()(ToPixels()(tail(keras.layers.ReLU()(x))))
        outputs.append(keras.layers.Rescaling(UNIT, dtype="float32")(x))
    return keras.Model(inputs, outputs, name="restorer")


def _small(settings):
    """Kernels of a residual branch so small that the sum of all is as large as the stem's."""
    return keras.initializers.VarianceScaling(1.0 / settings.blocks)


def network_for(restorer, scale):
    """The part of a network of `make_restorer` that enlarges so many times: a keras.Model."""
    i = SCALES.index(scale)
    return keras.Model(restorer.inputs[i], restorer.outputs[i])


def save_restorer(weights, settings, path):
    """Write weights as float16 and the settings beside them, whole or not at all.

    Args:
        weights: arrays in the order of `make_restorer(settings).weights`.
        settings: `RestorerSettings`.
        path: the file, such as weights/restorer.weights.h5; its folder is made.
    """
    save_network(weights, settings, path)


def load_restorer(path):
    """Read what `save_restorer` wrote, in the current dtype policy.

    Returns:
        (network, settings).

    Raises:
        ValueError: if the file is missing or is not a restorer's.
    """
    command = "python -m facekit train_restorer"
    return load_network(path, RestorerSettings, make_restorer, "restorer", command)
