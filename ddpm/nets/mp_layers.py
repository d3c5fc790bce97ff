"""Magnitude-preserving layers: convolutions, sums, concatenations and activations that give unit
variance for unit variance, so that a network needs no normalisation layers.

Each pass over the pixels that a normalisation would take is saved, and weights of fixed length make
the learning rate alone decide how fast a network turns.

Reference:
    Karras et al. 2024, Analyzing and Improving the Training Dynamics of Diffusion Models (EDM2,
    arXiv:2312.02696), section 2.3 and appendix B; equations are theirs.
"""

import math

import keras
from keras import ops

EPSILON = 1e-4  # added to lengths
SILU_DEVIATION = 0.596  # of silu(z) for z of deviation 1 (equation 81)


def normalize(x, axes):
    """x with root mean square 1 over some axes: x / (rms + EPSILON), dtype of x (equation 47)."""
    square = ops.mean(ops.square(x), axis=axes, keepdims=True)
    return x / (ops.sqrt(square) + EPSILON)


def mp_sum(a, b, t=0.3):
    """((1 - t) a + t b) / sqrt((1 - t)^2 + t^2): unit variance for independent a and b (eq. 88)."""
    scale = 1.0 / math.hypot(1.0 - t, t)
    return a * ((1.0 - t) * scale) + b * (t * scale)


def mp_concatenate(a, b, t=0.5):
    """a beside b, weighted so that both count as t says whatever their widths (equation 103).

    Args:
        a, b: (..., Na) and (..., Nb), unit variance.
        t: 0 is a alone, 1 is b alone.

    Returns:
        (..., Na + Nb), unit variance.
    """
    n_a, n_b = a.shape[-1], b.shape[-1]
    scale = math.sqrt((n_a + n_b) / ((1.0 - t) ** 2 + t**2))
    a = a * (scale * (1.0 - t) / math.sqrt(n_a))
    return ops.concatenate([a, b * (scale * t / math.sqrt(n_b))], axis=-1)


@ops.custom_gradient
def mp_silu(x):
    """silu(x) / 0.596 (equation 81), with its gradient written out: x alone is kept for it.

    Computed in float32, for bfloat16's sigmoid is several times slower on processors.

    Args:
        x: (...,) of any float dtype.

    Returns:
        As x.
    """

    def grad(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        x32 = ops.cast(x, "float32")
        s = ops.sigmoid(x32)
        slope = s * (1.0 + x32 * (1.0 - s)) * (1.0 / SILU_DEVIATION)
        return ops.cast(ops.cast(upstream, "float32") * slope, x.dtype)

    x32 = ops.cast(x, "float32")
    return ops.cast(x32 * ops.sigmoid(x32) * (1.0 / SILU_DEVIATION), x.dtype), grad


class UnitKernels(keras.constraints.Constraint):
    """Kernels put back to root mean square 1 for each output channel after every optimizer step
    ("forced weight normalisation", equation 66), so that they do not grow and learn slower and
    slower.

    EDM2 normalises them once more in every forward pass, which takes from each gradient its part
    along the kernel (equation 47). Here the optimizer does that (`tangent`): once a step instead of
    four passes over all kernels for every part of a batch.
    """

    def __call__(self, w):
        return normalize(w, _all_but_last(w))

    def tangent(self, gradient, w):
        """A gradient without its part along the kernel of each output channel.

        Args:
            gradient, w: (..., C), w of root mean square 1 in each channel.

        Returns:
            (..., C).
        """
        along = ops.mean(gradient * w, axis=_all_but_last(w), keepdims=True)
        return gradient - w * along


def _all_but_last(w):
    return tuple(range(len(w.shape) - 1))


class UnitInitializer(keras.initializers.Initializer):
    """Normal numbers, normalised as `UnitKernels` does."""

    def __init__(self, seed=None):
        self.seed = seed
        self.generator = keras.initializers.RandomNormal(stddev=1.0, seed=seed)

    def __call__(self, shape, dtype=None, **kwargs):
        w = self.generator(shape, dtype)
        return normalize(w, _all_but_last(w))

    def get_config(self):
        return {"seed": self.seed}


@keras.saving.register_keras_serializable(package="ddpm")
class MPConv(keras.layers.Layer):
    """A convolution, or a dense layer, without bias, whose kernels have unit length: y = gain w * x
    with w of root mean square 1 / sqrt(fan-in) in each output channel (`UnitKernels`).

    Args:
        width: channels of the result.
        size: side of the kernel; 0 is a dense layer over the last axis.
        gain: where a learned factor starts that multiplies the result, for last layers; None for
            none.
    """

    def __init__(self, width, size=3, gain=None, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.size = size
        self.first_gain = gain
        self.gain = None

    def build(self, input_shape):
        grid = (self.size, self.size) if self.size else ()
        # autocast=False: scaled in float32, then rounded once.
        self.kernel = self.add_weight(
            shape=(*grid, input_shape[-1], self.width),
            initializer=UnitInitializer(),
            constraint=UnitKernels(),
            name="kernel",
            autocast=False,
        )
        if self.first_gain is not None:
            start = keras.initializers.Constant(self.first_gain)
            self.gain = self.add_weight(shape=(), initializer=start, name="gain", autocast=False)

    def call(self, x, gain=None):
        """Args: x (..., C); gain: a number to multiply by, folded into the kernel, or None."""
        scale = 1.0 / math.sqrt(math.prod(self.kernel.shape[:-1]))
        for factor in (self.gain, gain):
            if factor is not None:
                scale = scale * ops.cast(factor, "float32")
        w = ops.cast(ops.convert_to_tensor(self.kernel) * scale, self.compute_dtype)
        x = ops.cast(x, self.compute_dtype)
        if not self.size:
            return ops.matmul(x, w)
        return ops.conv(x, w, padding="same")

    def get_config(self):
        config = {"width": self.width, "size": self.size, "gain": self.first_gain}
        return {**super().get_config(), **config}


def unit_channels(x):
    """Each pixel's channels with root mean square 1 ("pixel norm", equation 30), dtype of x."""
    x32 = ops.cast(x, "float32")
    scale = ops.rsqrt(ops.mean(ops.square(x32), axis=-1, keepdims=True) + EPSILON**2)
    return ops.cast(x32 * scale, x.dtype)


def with_ones(x):
    """x with a channel of ones: what takes the place of biases (section 2.3, config C)."""
    return ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
