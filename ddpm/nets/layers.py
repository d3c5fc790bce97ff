"""The layers of the networks: normalisation, residual, attention, down, up and embeddings.

Feature maps are (B, H, W, C) in a layer's compute dtype; what must not be rounded (statistics,
sinusoids, softmax) is computed in float32.
"""

import math

import keras
from keras import ops

from ddpm.conditions.record import Encoding

EPSILON = 1e-6  # of every normalisation; Keras' own default of 1e-3 flattens quiet channels


def sinusoidal_embedding(t, width, max_period=10000.0):
    """Turn a timestep into sines and cosines of falling frequency.

    Element i is sin(t w_i) and element i + width / 2 is cos(t w_i), where
    w_i = max_period^(-i / (width / 2 - 1)) falls from one radian a step to 1 / max_period.

    Args:
        t: (B,) timesteps, integer or float; read as float32, because bfloat16 cannot tell 999
            from 1000.
        width: even number of elements, at least 4.
        max_period: steps to a radian of the slowest wave.

    Returns:
        (B, width) float32.

    Raises:
        ValueError: if `width` is odd or below 4.

    Reference:
        Ho et al. 2020, Denoising Diffusion Probabilistic Models, appendix B;
        Vaswani et al. 2017, Attention Is All You Need, section 3.5.
    """
    if width % 2 or width < 4:
        raise ValueError(
            f"A sinusoidal embedding needs an even width of at least 4. Received: width={width}"
        )
    half = width // 2
    w = ops.exp(-math.log(max_period) / (half - 1) * ops.arange(half, dtype="float32"))
    angles = ops.cast(t, "float32")[:, None] * w[None, :]
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


def space_to_depth(x, patch):
    """Fold each square of p x p pixels into channels: (B, H, W, C) -> (B, H/p, W/p, p p C)."""
    if patch == 1:
        return x
    batch, height, width, channels = ops.shape(x)
    x = ops.reshape(x, (-1, height // patch, patch, width // patch, patch, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height // patch, width // patch, patch * patch * channels))


def depth_to_space(x, patch):
    """Undo `space_to_depth`: (B, H, W, p p C) -> (B, pH, pW, C)."""
    if patch == 1:
        return x
    batch, height, width, channels = ops.shape(x)
    x = ops.reshape(x, (-1, height, width, patch, patch, channels // patch**2))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height * patch, width * patch, channels // patch**2))


def halve(x):
    """The mean of each square of 2 x 2: (B, H, W, C) -> (B, H/2, W/2, C)."""
    return ops.average_pool(x, 2, strides=2)


def conv3x3(width, **kwargs):
    """A 3 x 3 convolution that keeps the grid."""
    return keras.layers.Conv2D(width, 3, padding="same", **kwargs)


@ops.custom_gradient
def moments(x):
    """Mean and mean square of each channel of each picture: (B, H, W, C) -> (2, B, C) float32.

    The gradient, (d mean + 2 x d square) / (H W), is written out so that the backward pass is one
    multiplication and one addition over the pixels; left alone, it is six passes.
    """
    x32 = ops.cast(x, "float32")
    both = ops.stack([ops.mean(x32, axis=(1, 2)), ops.mean(ops.square(x32), axis=(1, 2))])

    def grad(*args, upstream=None):
        d_mean, d_square = ops.unstack(_upstream(args, upstream) / _pixels(x), 2)
        dx = ops.cast(x, "float32") * broadcast_over_pixels(2.0 * d_square) + broadcast_over_pixels(
            d_mean
        )
        return ops.cast(dx, x.dtype)

    return both, grad


@ops.custom_gradient
def affine_swish(x, a, b):
    """swish(a x + b), with swish(z) = z sigmoid(z); x (B, H, W, C), a and b (B, C) float32.

    The gradient computes z anew from x, so that nothing but x is kept for the backward pass, and
    uses swish'(z) = y + s (1 - y), with s = sigmoid(z) and y = z s, in float32: the sigmoid of
    bfloat16 is several times slower on processors.

    Reference:
        Ramachandran et al. 2017, Searching for Activation Functions, section 4.
    """

    def grad(*args, upstream=None):
        x32 = ops.cast(x, "float32")
        z = x32 * broadcast_over_pixels(a) + broadcast_over_pixels(b)
        s = ops.sigmoid(z)
        y = z * s
        dz = ops.cast(_upstream(args, upstream), "float32") * (y + s * (1.0 - y))
        dx = ops.cast(dz * broadcast_over_pixels(a), x.dtype)
        return dx, ops.sum(dz * x32, axis=(1, 2)), ops.sum(dz, axis=(1, 2))

    return ops.silu(affine(x, a, b)), grad


def affine(x, a, b):
    """a x + b, in float32 and rounded once: x (B, H, W, C), a and b (B, C) -> dtype of x."""
    return ops.cast(
        ops.cast(x, "float32") * broadcast_over_pixels(a) + broadcast_over_pixels(b), x.dtype
    )


def broadcast_over_pixels(v):
    """One number a channel, for all pixels: (B, C) -> (B, 1, 1, C)."""
    return v[:, None, None, :]


def _pixels(x):
    _, height, width, _ = ops.shape(x)
    return ops.cast(height * width, "float32")


def _upstream(args, upstream):
    """The gradient from above: TensorFlow passes it by position, other backends may by name."""
    return args[0] if upstream is None else upstream


class GroupNorm(keras.layers.Layer):
    """Group normalisation as one scale and one shift for each channel of each picture.

    y = gamma (x - mean_g) / sqrt(var_g + epsilon) + beta, with mean and variance over the pixels
    and channels of group g. The pixels are only summed (x and x squared, float32), then multiplied
    and added once; the rest happens on (B, C) numbers. So what is added to a whole channel before
    (`bias`) or modulates it after (`scale`, `shift`) is folded in there, and costs nothing.

    Args:
        groups: number of groups; must divide the channels.
        swish: apply swish to the result, as all but the attention want; see `affine_swish`.
        epsilon: added to the variance.

    Raises:
        ValueError: if `groups` does not divide the channels.

    Reference:
        Wu and He 2018, Group Normalization, equations 1, 2 and 7.
    """

    def __init__(self, groups=8, swish=False, epsilon=EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups
        self.swish = swish
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                "groups must divide the number of channels. "
                f"Received: groups={self.groups}, channels={channels}"
            )
        # autocast=False: gamma and beta meet the float32 statistics, so they stay float32 too.
        self.gamma = self.add_weight(
            shape=(channels,), initializer="ones", name="gamma", autocast=False
        )
        self.beta = self.add_weight(
            shape=(channels,), initializer="zeros", name="beta", autocast=False
        )

    def call(self, x, bias=None, scale=None, shift=None):
        """Normalise x + bias, multiply by 1 + scale, add shift, then swish if asked for.

        Args:
            x: (B, H, W, C).
            bias, scale, shift: (B, C) or None.

        Returns:
            (B, H, W, C), dtype of x.
        """
        bias, scale, shift = (
            v if v is None else ops.cast(v, "float32") for v in (bias, scale, shift)
        )
        mean, square = ops.unstack(moments(x), 2)  # (B, C) each
        if bias is not None:
            square = square + bias * (2.0 * mean + bias)
            mean = mean + bias
        mean, square = self._pool(mean), self._pool(square)
        variance = ops.maximum(square - ops.square(mean), 0.0)
        a = ops.cast(self.gamma, "float32") * ops.rsqrt(variance + self.epsilon)
        b = ops.cast(self.beta, "float32") - a * (mean if bias is None else mean - bias)
        if scale is not None:
            a, b = a * (1.0 + scale), b * (1.0 + scale)
        if shift is not None:
            b = b + shift
        return affine_swish(x, a, b) if self.swish else affine(x, a, b)

    def _pool(self, v):
        """Average over each group, and give every channel its group's value: (B, C) -> (B, C)."""
        channels = v.shape[-1]
        v = ops.reshape(v, (-1, self.groups, channels // self.groups))
        v = ops.broadcast_to(ops.mean(v, axis=-1, keepdims=True), ops.shape(v))
        return ops.reshape(v, (-1, channels))

    def get_config(self):
        config = {"groups": self.groups, "swish": self.swish, "epsilon": self.epsilon}
        return {**super().get_config(), **config}


class TimeEmbedding(keras.layers.Layer):
    """Timestep to vector: sinusoid, Dense, swish, Dense.

    Args:
        width: elements of the result.
        sinusoid_width: elements of the sinusoidal embedding.

    Reference:
        Ho et al. 2020, appendix B.
    """

    def __init__(self, width, sinusoid_width, **kwargs):
        # autocast=False: a bfloat16 policy would round the timestep before the sinusoid sees it.
        super().__init__(autocast=False, **kwargs)
        self.width = width
        self.sinusoid_width = sinusoid_width
        self.dense1 = keras.layers.Dense(width, activation="swish", dtype=self.dtype_policy)
        self.dense2 = keras.layers.Dense(width, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.dense1.build((None, self.sinusoid_width))
        self.dense2.build((None, self.width))

    def call(self, t):
        return self.dense2(self.dense1(sinusoidal_embedding(t, self.sinusoid_width)))  # (B, width)

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "sinusoid_width": self.sinusoid_width,
        }


class NumberEmbedding(keras.layers.Layer):
    """Numbers to features: a sinusoidal embedding of each, concatenated; zeros for negative
    numbers, which stand for unknown ones.

    Args:
        count: numbers of a row.
        sinusoid_width: elements of each number's embedding.

    Reference:
        Podell et al. 2023 (SDXL, arXiv:2307.01952), section 2.2.
    """

    def __init__(self, count, sinusoid_width=64, **kwargs):
        # autocast=False: the numbers must reach their sinusoids unrounded.
        super().__init__(autocast=False, **kwargs)
        self.count = count
        self.sinusoid_width = sinusoid_width

    @property
    def feature_width(self):
        """Elements of the result."""
        return self.count * self.sinusoid_width

    def call(self, numbers):
        """Args: numbers float32 (B, count). Returns: `Encoding`, features (B, feature_width)."""
        waves = sinusoidal_embedding(ops.reshape(numbers, (-1,)), self.sinusoid_width)
        waves = ops.reshape(waves, (-1, self.count, self.sinusoid_width))
        waves = ops.where(numbers[:, :, None] < 0, 0.0, waves)
        features = ops.reshape(waves, (-1, self.feature_width))
        return Encoding(features=ops.cast(features, self.compute_dtype))

    def get_config(self):
        config = {"count": self.count, "sinusoid_width": self.sinusoid_width}
        return {**super().get_config(), **config}


class ResidualBlock(keras.layers.Layer):
    """x + conv(dropout(swish(norm(conv(swish(norm(x))) + time)))).

    The second convolution is zero at the start, so that the block begins as its shortcut.

    Args:
        width: channels of the result; where x has others, a 1 x 1 convolution carries it over.
        groups: groups of the normalisations.
        dropout: share of elements dropped before the second convolution.
        scale_shift: let the time modulate the second normalisation, (1 + scale) norm(h) + shift,
            instead of being added before it.

    Reference:
        Ho et al. 2020, appendix B (added); Dhariwal and Nichol 2021, section 3.1 (scale and shift).
    """

    def __init__(self, width, groups=8, dropout=0.0, scale_shift=False, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.groups = groups
        self.dropout = dropout
        self.scale_shift = scale_shift
        dtype = self.dtype_policy
        self.norm1 = GroupNorm(groups, swish=True, dtype=dtype)
        self.conv1 = conv3x3(width, dtype=dtype)
        self.time = keras.layers.Dense(2 * width if scale_shift else width, dtype=dtype)
        self.norm2 = GroupNorm(groups, swish=True, dtype=dtype)
        self.drop = keras.layers.Dropout(dropout, dtype=dtype)
        self.conv2 = conv3x3(width, kernel_initializer="zeros", dtype=dtype)
        self.shortcut = None

    def build(self, x_shape, time_shape):
        between = (*x_shape[:-1], self.width)
        self.norm1.build(x_shape)
        self.conv1.build(x_shape)
        self.time.build(time_shape)
        self.norm2.build(between)
        self.conv2.build(between)
        if x_shape[-1] != self.width:
            self.shortcut = keras.layers.Conv2D(self.width, 1, dtype=self.dtype_policy)
            self.shortcut.build(x_shape)

    def call(self, x, time, training=False):
        """Args: x (B, H, W, C); time (B, E), after a swish. Returns: (B, H, W, width)."""
        h = self.conv1(self.norm1(x))  # (B, H, W, width)
        time = self.time(time)
        if self.scale_shift:
            scale, shift = ops.split(time, 2, axis=-1)
            h = self.norm2(h, scale=scale, shift=shift)
        else:
            h = self.norm2(h, bias=time)
        h = self.conv2(self.drop(h, training=training))
        return h + (x if self.shortcut is None else self.shortcut(x))

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "groups": self.groups,
            "dropout": self.dropout,
            "scale_shift": self.scale_shift,
        }


class SelfAttention(keras.layers.Layer):
    """x + out(softmax(q k^T / sqrt(d)) v), where every pixel attends to every pixel.

    `out` is zero at the start, so that the layer begins as the identity.

    Args:
        head_width: wished channels of a head; there are max(1, C // head_width) heads.
        groups: groups of the normalisation.

    Raises:
        ValueError: if the number of heads does not divide the channels.

    Reference:
        Vaswani et al. 2017, Attention Is All You Need, equation 1; Ho et al. 2020, appendix B.
    """

    def __init__(self, head_width=64, groups=8, **kwargs):
        super().__init__(**kwargs)
        self.head_width = head_width
        self.groups = groups
        self.norm = GroupNorm(groups, dtype=self.dtype_policy)

    def build(self, input_shape):
        channels = input_shape[-1]
        self.heads = head_count(channels, self.head_width)
        self.norm.build(input_shape)
        self.qkv = keras.layers.Dense(3 * channels, dtype=self.dtype_policy)
        self.out = keras.layers.Dense(channels, kernel_initializer="zeros", dtype=self.dtype_policy)
        self.qkv.build(input_shape)
        self.out.build(input_shape)

    def call(self, x):
        _, height, width, channels = ops.shape(x)
        h = join_heads(attend(*self.project(x)))
        return x + self.out(ops.reshape(h, (-1, height, width, channels)))

    def project(self, x):
        """Queries, keys and values of (B, H, W, C): three (B, heads, N, d)."""
        _, height, width, channels = ops.shape(x)
        h = ops.reshape(self.norm(x), (-1, height * width, channels))  # (B, N, C)
        return split_heads(self.qkv(h), 3, self.heads)

    def get_config(self):
        return {**super().get_config(), "head_width": self.head_width, "groups": self.groups}


class CrossAttention(keras.layers.Layer):
    """x + out(softmax(q k^T / sqrt(d)) v), where every pixel attends to every token.

    `out` is zero at the start, so that the layer begins as the identity.

    Args:
        head_width, groups: as `SelfAttention`.

    Reference:
        Rombach et al. 2022 (arXiv:2112.10752), section 3.3.
    """

    def __init__(self, head_width=64, groups=8, **kwargs):
        super().__init__(**kwargs)
        self.head_width = head_width
        self.groups = groups
        self.norm = GroupNorm(groups, dtype=self.dtype_policy)

    def build(self, x_shape, tokens_shape):
        channels = x_shape[-1]
        self.heads = head_count(channels, self.head_width)
        dtype = self.dtype_policy
        self.norm.build(x_shape)
        self.q = keras.layers.Dense(channels, dtype=dtype)
        self.kv = keras.layers.Dense(2 * channels, dtype=dtype)
        self.out = keras.layers.Dense(channels, kernel_initializer="zeros", dtype=dtype)
        self.q.build(x_shape)
        self.kv.build(tokens_shape)
        self.out.build(x_shape)

    def call(self, x, tokens, token_mask):
        """Attend from pixels to tokens.

        Args:
            x: (B, H, W, C).
            tokens: (B, L, W').
            token_mask: bool (B, L), tokens that count.

        Returns:
            (B, H, W, C).
        """
        _, height, width, channels = ops.shape(x)
        h = join_heads(attend(*self.project(x, tokens), token_mask))
        return x + self.out(ops.reshape(h, (-1, height, width, channels)))

    def project(self, x, tokens):
        """Queries of (B, H, W, C), keys and values of tokens: (B, heads, N, d), twice (B, heads, L,
        d)."""
        _, height, width, channels = ops.shape(x)
        h = ops.reshape(self.norm(x), (-1, height * width, channels))  # (B, N, C)
        (q,) = split_heads(self.q(h), 1, self.heads)
        return (q, *split_heads(self.kv(tokens), 2, self.heads))

    def get_config(self):
        return {**super().get_config(), "head_width": self.head_width, "groups": self.groups}


def attend(q, k, v, mask=None):
    """softmax(q k^T / sqrt(d)) v; the softmax is taken in float32.

    Args:
        q: (B, heads, N, d).
        k, v: (B, heads, M, d).
        mask: optional bool (B, M): keys that count.

    Returns:
        (B, heads, N, d).

    Reference:
        Vaswani et al. 2017, equation 1.
    """
    return ops.matmul(ops.cast(attention_weights(q, k, mask), v.dtype), v)


def attention_weights(q, k, mask=None):
    """softmax(q k^T / sqrt(d)): how much each query looks at each key; args as `attend`.

    Returns:
        float32 (B, heads, N, M); each row sums to 1.
    """
    q = q * q.shape[-1] ** -0.5
    scores = ops.cast(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))), "float32")  # (B, heads, N, M)
    if mask is not None:
        scores = ops.where(mask[:, None, None, :], scores, -1e9)
    return ops.softmax(scores, axis=-1)


def split_heads(x, count, heads):
    """Split a Dense layer's output into `count` roles and their heads: (B, N, count C) -> count of
    (B, heads, N, d) with d = C / heads."""
    _, n, width = ops.shape(x)
    x = ops.reshape(x, (-1, n, count, heads, width // (count * heads)))
    return ops.unstack(ops.transpose(x, (2, 0, 3, 1, 4)), count)


def join_heads(h):
    """Concatenate the heads: (B, heads, N, d) -> (B, N, heads d)."""
    _, heads, n, d = ops.shape(h)
    return ops.reshape(ops.transpose(h, (0, 2, 1, 3)), (-1, n, heads * d))


def head_count(channels, head_width):
    """How many heads share the channels."""
    heads = max(1, channels // head_width)
    if channels % heads:
        raise ValueError(
            "The heads of an attention must share its channels evenly. Received: "
            f"channels={channels}, head_width={head_width}, hence heads={heads}"
        )
    return heads


class Downsample(keras.layers.Layer):
    """Halve the grid by a 3 x 3 convolution of stride 2: (B, H, W, C) -> (B, H/2, W/2, C)."""

    def build(self, input_shape):
        self.conv = conv3x3(input_shape[-1], strides=2, dtype=self.dtype_policy)
        self.conv.build(input_shape)

    def call(self, x):
        return self.conv(x)


class Upsample(keras.layers.Layer):
    """Double the grid (nearest neighbour), then convolve: (B, H, W, C) -> (B, 2H, 2W, C)."""

    def build(self, input_shape):
        self.conv = conv3x3(input_shape[-1], dtype=self.dtype_policy)
        self.conv.build(input_shape)

    def call(self, x):
        return self.conv(ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2))


def named_weights(layer):
    """The weights of a layer and all layers in it, by attribute: "in1/blocks/0/attention/q/kernel".

    Args:
        layer: a built Keras layer or model whose parts are public attributes, or in lists there.

    Returns:
        dict of Keras variables, in the order of `layer.weights`.
    """
    found = {}
    for name, value in vars(layer).items():
        if name.startswith("_"):
            continue
        parts = {name: value}
        if isinstance(value, (list, tuple)):
            parts = {f"{name}/{i}": part for i, part in enumerate(value)}
        for path, part in parts.items():
            if isinstance(part, keras.layers.Layer):
                found |= {f"{path}/{k}": v for k, v in named_weights(part).items()}
    inner = {id(v) for v in found.values()}
    found |= {v.name: v for v in layer.weights if id(v) not in inner}
    names = {id(v): name for name, v in found.items()}
    return {names[id(v)]: v for v in layer.weights}
