"""The network of the face parser and of the retoucher: a compact U-Net from a square round a head
to numbers at each pixel, of its part or of what retouching adds to it.

Nearly all of its work is done at a quarter and an eighth of the side, where a processor does many
multiplications for each pass over memory. Half of the side has one shallow layer each way, which
keeps edges sharp, and the whole side only comes into being by moving channels to pixels. There is
no normalisation of activations, which took two fifths of a training step: kernels are standardised
instead, which costs nothing, and each picture is parsed alike whatever else is in its batch.

References: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation,
MICCAI 2015. Brock et al., Characterizing Signal Propagation to Close the Performance Gap in
Unnormalized ResNets, ICLR 2021. Shi et al., Real-Time Single Image and Video Super-Resolution Using
an Efficient Sub-Pixel Convolutional Neural Network, CVPR 2016 (the last layer).
"""

from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from keras import ops

from facekit.network_files import load_network, save_network

RELU_GAIN = float(np.sqrt(2 / (1 - 1 / np.pi)))  # 1 / the deviation of relu(normal numbers)
BRANCH_GAIN = 0.2 * RELU_GAIN  # with which a residual branch begins


@dataclass(frozen=True)
class UNetSettings:
    """Architecture of a parser, or of a retoucher.

    Attributes:
        size: side of the square in pixels, a multiple of 2 ** (1 + len(widths)).
        classes: number of parts; 3 of a retoucher, for red, green and blue.
        stem: channels at half of the side.
        widths: channels of the stages; the first is at a quarter of the side, each later one at
            half the side of the one before.
        blocks: residual blocks of each stage on the way down; on the way up each has one.
        leak: slope of the ReLUs below 0.

    Raises:
        ValueError: if the size cannot be halved so often, or widths and blocks differ in length.
    """

    size: int = 256
    classes: int = 15
    stem: int = 24
    widths: tuple = (48, 96, 160, 192)
    blocks: tuple = (1, 2, 2, 1)
    leak: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if len(self.widths) != len(self.blocks) or not self.widths:
            raise ValueError(
                "A parser needs as many widths as block counts, and at least one. "
                f"Received: widths={self.widths}, blocks={self.blocks}."
            )
        step = 2 ** (len(self.widths) + 1)
        if self.size < step or self.size % step:
            raise ValueError(
                f"The size of the squares must be a multiple of {step}. Received: size={self.size}."
            )


@keras.saving.register_keras_serializable("facekit")
class StandardizedConv(keras.layers.Conv2D):
    """A convolution whose kernels have mean 0 and unit gain: (B, H, W, C) -> (B, H/s, W/s, D).

    Each output channel's kernel less its mean, divided by its deviation times sqrt(fan-in), times
    a learned gain; so inputs of variance 1 give outputs of variance gain^2.

    Args:
        filters, kernel_size, **kwargs: as of `keras.layers.Conv2D`.
        gain: the learned gain to begin with; its default makes up for a ReLU before the layer.

    Reference: Brock et al. 2021, equation 1.
    """

    def __init__(self, filters, kernel_size=3, gain=RELU_GAIN, padding="same", **kwargs):
        super().__init__(filters, kernel_size, padding=padding, **kwargs)
        self.first_gain = gain

    def build(self, shape):
        super().build(shape)
        start = keras.initializers.Constant(self.first_gain)
        self.gain = self.add_weight(shape=(self.filters,), initializer=start, name="gain")

    def convolution_op(self, inputs, kernel):
        """The convolution by the standardised kernel, whose statistics are float32."""
        wide = ops.cast(kernel, "float32")
        mean = ops.mean(wide, axis=(0, 1, 2), keepdims=True)
        energy = ops.sum(ops.square(wide - mean), axis=(0, 1, 2), keepdims=True)
        wide = (wide - mean) * ops.rsqrt(energy + 1e-6) * ops.cast(self.gain, "float32")
        return super().convolution_op(inputs, ops.cast(wide, kernel.dtype))

    def get_config(self):
        return super().get_config() | {"gain": self.first_gain}


@keras.saving.register_keras_serializable("facekit")
class ToPixels(keras.layers.Layer):
    """Channels moved to a grid of twice the side: (B, H, W, 4 C) -> (B, 2 H, 2 W, C).

    Raises:
        ValueError: the number of channels is no multiple of 4.
    """

    def build(self, shape):
        if shape[-1] % 4:
            raise ValueError(f"Channels must be a multiple of 4. Received: {shape[-1]}.")
        super().build(shape)

    def call(self, x):
        _, height, width, _ = ops.shape(x)
        channels = x.shape[3] // 4
        x = ops.reshape(x, (-1, height, width, 2, 2, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, 2 * height, 2 * width, channels))

    def compute_output_shape(self, shape):
        height, width = (n and 2 * n for n in shape[1:3])
        return (shape[0], height, width, shape[3] // 4)


def residual(x, width, relu, strides=1):
    """x + conv(relu(conv(relu(x)))); (B, H, W, C) -> (B, H/s, W/s, width), with a convolution on
    the shortcut where the shape changes. What is added has no bias, which TensorFlow's graph
    optimizer would complain of.

    Reference: He et al., Identity Mappings in Deep Residual Networks, ECCV 2016, figure 4e.
    """
    h = relu()(x)
    if strides > 1 or x.shape[-1] != width:
        x = StandardizedConv(width, strides, strides=strides, use_bias=False)(h)
    h = relu()(StandardizedConv(width, strides=strides)(h))
    return keras.layers.Add()([x, StandardizedConv(width, gain=BRANCH_GAIN, use_bias=False)(h)])


def joined(x, skip, relu):
    """What comes from the coarser grid, enlarged, added to what was kept on the way down:
    (B, H, W, C) and (B, 2 H, 2 W, D) -> (B, 2 H, 2 W, D)."""
    x = StandardizedConv(skip.shape[-1], 1, use_bias=False)(relu()(x))
    return keras.layers.Add()([keras.layers.UpSampling2D(interpolation="bilinear")(x), skip])


def make_unet(settings=None):
    """The network, with fresh weights, in the current dtype policy.

    Args:
        settings: `UNetSettings`; None takes the default.

    Returns:
        keras.Model: squares (B, size, size, 3), numbers 0 to 255 of any dtype, to logits float32
        (B, size, size, classes).
    """
    settings = settings or UNetSettings()
    relu = partial(keras.layers.ReLU, negative_slope=settings.leak)
    squares = keras.Input((settings.size, settings.size, 3), name="squares")
    x = keras.layers.Rescaling(1 / 64.0, offset=-2.0)(squares)
    fine = x = StandardizedConv(settings.stem, gain=1.0, strides=2)(x)
    skips = []
    for width, blocks in zip(settings.widths, settings.blocks, strict=True):
        for block in range(blocks):
            x = residual(x, width, relu, strides=1 if block else 2)
        skips.append(x)
    for skip in skips[-2::-1]:
        x = residual(joined(x, skip, relu), skip.shape[-1], relu)
    x = relu()(StandardizedConv(settings.stem)(relu()(joined(x, fine, relu))))
    x = keras.layers.Conv2D(4 * settings.classes, 1, kernel_initializer="zeros")(x)
    x = ToPixels()(x)
    return keras.Model(squares, keras.layers.Activation("linear", dtype="float32")(x), name="unet")


def save_unet(weights, settings, path):
    """Write weights as float16 and the settings beside them, whole or not at all.

    Args:
        weights: arrays in the order of `make_unet(settings).weights`.
        settings: `UNetSettings`.
        path: the file, such as weights/parser.weights.h5; its folder is made.
    """
    save_network(weights, settings, path)


def load_unet(path):
    """Read what `save_unet` wrote, in the current dtype policy.

    Returns:
        (network, settings).

    Raises:
        ValueError: if the file is missing or is not a parser's.
    """
    command = "python -m facekit train_parser"
    return load_network(path, UNetSettings, make_unet, "face parser", command)


def load_retoucher(path):
    """As `load_unet`, of a retoucher."""
    command = "python -m facekit train_retoucher"
    return load_network(path, UNetSettings, make_unet, "retoucher", command)
