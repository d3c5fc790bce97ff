"""The magnitude-preserving U-Net: what `unet.py` is, without normalisation layers.

With data of deviation 1 (latents are) and alpha^2 + sigma^2 = 1, predicting v is EDM's
preconditioning with sigma_data = 1: x_t = alpha x0 + sigma eps has deviation 1 (c_in), the target v
has deviation 1 (c_out), and x0_hat = alpha x_t - sigma v_hat is c_skip and c_out together. So the
network is given x_t as it is and predicts v; there is no second preconditioning.
"""

import math

import keras
from keras import ops

from ddpm.conditions import CONDITIONS
from ddpm.nets.conditioner import BlockContext, Conditioner, UShape, input_images
from ddpm.nets.config import MPUNetConfig
from ddpm.nets.layers import (
    affine_swish,
    attend,
    depth_to_space,
    halve,
    head_count,
    join_heads,
    sinusoidal_embedding,
    space_to_depth,
    split_heads,
)
from ddpm.nets.mp_layers import (
    SILU_DEVIATION,
    MPConv,
    mp_concatenate,
    mp_silu,
    mp_sum,
    unit_channels,
    with_ones,
)


@keras.saving.register_keras_serializable(package="ddpm")
class MPAttention(keras.layers.Layer):
    """mp_sum(x, out(softmax(q k / sqrt(d)) v)), with q, k and v of unit magnitude in every head.

    Args:
        head_width: wished channels of a head.

    Reference:
        Karras et al. 2024 (arXiv:2312.02696), section 2.3 (cosine attention) and figure 21.
    """

    def __init__(self, head_width=64, **kwargs):
        super().__init__(**kwargs)
        self.head_width = head_width

    def build(self, x_shape, tokens_shape=None):
        channels = x_shape[-1]
        self.heads = head_count(channels, self.head_width)
        self.q = MPConv(channels, size=0, dtype=self.dtype_policy)
        self.kv = MPConv(2 * channels, size=0, dtype=self.dtype_policy)
        self.out = MPConv(channels, size=0, dtype=self.dtype_policy)
        self.q.build(x_shape)
        self.kv.build(tokens_shape or x_shape)
        self.out.build(x_shape)

    def call(self, x, tokens=None, token_mask=None):
        """Attend to tokens (B, L, W), or to x itself: (B, H, W, C) -> the same shape."""
        _, height, width, channels = ops.shape(x)
        h = join_heads(attend(*self.project(x, tokens), token_mask))
        return mp_sum(x, ops.reshape(self.out(h), (-1, height, width, channels)))

    def project(self, x, tokens=None):
        """Queries, keys and values, of unit magnitude: three (B, heads, N or L, d)."""
        _, height, width, channels = ops.shape(x)
        h = ops.reshape(x, (-1, height * width, channels))
        (q,) = split_heads(self.q(h), 1, self.heads)
        k, v = split_heads(self.kv(h if tokens is None else tokens), 2, self.heads)
        return unit_channels(q), unit_channels(k), unit_channels(v)

    def get_config(self):
        return {**super().get_config(), "head_width": self.head_width}


@keras.saving.register_keras_serializable(package="ddpm")
class MPUNetBlock(keras.layers.Layer):
    """mp_sum(x, conv(silu((1 + c) conv(silu(x))))), c from the embedding; then attention.

    The modulation 1 + c is part of the pass of the swish, and the swish's 1 / 0.596 of the next
    kernel, so that between the convolutions there is one pass over the pixels.

    Args:
        width: channels of the result; where x has others, a 1 x 1 convolution carries it over.
        attention: whether self-attention follows.
        cross_attention_layers: how many cross-attention layers follow.
        head_width: wished channels of a head.
        dropout: share dropped before the second convolution.
        normalize: give x unit magnitude first, as on the way down.

    Reference:
        Karras et al. 2024 (arXiv:2312.02696), figure 21, config G.
    """

    def __init__(
        self,
        width,
        attention=False,
        cross_attention_layers=0,
        head_width=64,
        dropout=0.0,
        normalize=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.head_width = head_width
        self.normalize = normalize
        dtype = self.dtype_policy
        self.conv1 = MPConv(width, dtype=dtype)
        self.time = MPConv(width, size=0, gain=0.0, dtype=dtype)
        self.drop = keras.layers.Dropout(dropout, dtype=dtype)
        self.conv2 = MPConv(width, dtype=dtype)
        self.shortcut = None
        self.attention = MPAttention(head_width, dtype=dtype) if attention else None
        self.cross_attention = [
            MPAttention(head_width, dtype=dtype) for _ in range(cross_attention_layers)
        ]

    def build(self, x_shape, time_shape, tokens_shape=None):
        shape = (*x_shape[:-1], self.width)
        if x_shape[-1] != self.width:
            self.shortcut = MPConv(self.width, size=1, dtype=self.dtype_policy)
            self.shortcut.build(x_shape)
        self.conv1.build(shape if self.normalize else x_shape)
        self.time.build(time_shape)
        self.conv2.build(shape)
        if self.attention is not None:
            self.attention.build(shape)
        for layer in self.cross_attention:
            layer.build(shape, tokens_shape)

    def call(self, x, time, tokens=None, token_mask=None, training=False):
        """Args: x (B, H, W, C), and the fields of a `BlockContext`. Returns: (B, H, W, width)."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        if self.normalize:
            x = shortcut = unit_channels(shortcut)
        h = self.conv1(mp_silu(x))
        scale = 1.0 + ops.cast(self.time(time), "float32")
        h = affine_swish(h, scale, ops.zeros_like(scale))
        h = self.conv2(self.drop(h, training=training), gain=1.0 / SILU_DEVIATION)
        h = mp_sum(shortcut, h)
        if self.attention is not None:
            h = self.attention(h)
        for layer in self.cross_attention:
            h = layer(h, tokens, token_mask)
        return h

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "attention": self.attention is not None,
            "cross_attention_layers": len(self.cross_attention),
            "head_width": self.head_width,
            "dropout": self.drop.rate,
            "normalize": self.normalize,
        }


@keras.saving.register_keras_serializable(package="ddpm")
class MPLevel(keras.layers.Layer):
    """The blocks of one level on the way down or up, or in the middle.

    Args:
        blocks: list of `MPUNetBlock`.
        down: halve the grid before them, by means of 2 x 2.
        up: double it before them, by repetition.
    """

    def __init__(self, blocks, down=False, up=False, **kwargs):
        super().__init__(**kwargs)
        self.blocks, self.down, self.up = blocks, down, up

    def get_config(self):
        blocks = [block.get_config() for block in self.blocks]
        return {**super().get_config(), "blocks": blocks, "down": self.down, "up": self.up}

    @classmethod
    def from_config(cls, config):
        blocks = [MPUNetBlock.from_config(c) for c in config["blocks"]]
        return cls(**{**config, "blocks": blocks})

    def build_from(self, width, context_shapes, skips=()):
        """Build for `width` channels; each block on the way up takes the last of the skips too.
        Returns the channels of every block's result."""
        widths = []
        for block in self.blocks:
            block.build((None, None, None, width + (skips.pop() if skips else 0)), *context_shapes)
            width = block.width
            widths.append(width)
        self.built = True
        return widths

    def descend(self, h, context, training=False):
        """Features on the way down. Returns a list of what every block gives, the skips."""
        h, skips = halve(h) if self.down else h, []
        for block in self.blocks:
            h = block(h, *context, training=training)
            skips.append(h)
        return skips

    def ascend(self, h, skips, context, training=False):
        """Features on the way up; each block takes one skip off the end of the list."""
        h = double(h) if self.up else h
        for block in self.blocks:
            h = block(mp_concatenate(h, skips.pop()), *context, training=training)
        return h

    def call(self, h, context, training=False):
        """Features through the whole level, without skips: (B, H, W, C) -> (B, H', W', width)."""
        return self.descend(double(h) if self.up else h, context, training)[-1]


@keras.saving.register_keras_serializable(package="ddpm")
class MPUNet(UShape, keras.Model):
    """A U-Net whose every layer keeps unit magnitude, so that it needs no normalisation layers.

    Levels are named as in `UNet` (in0, in1, ..., mid, out0, ...). Every block on the way up takes
    the result of one block on the way down. Grids are halved by means of 2 x 2 and doubled by
    repetition. The gain of the head starts at zero, so an untrained network predicts exactly 0.

    Args:
        config: an `MPUNetConfig`.

    Reference:
        Karras et al. 2024 (EDM2, arXiv:2312.02696), section 2 and appendix B, config G.
    """

    def __init__(self, config, **kwargs):
        # autocast=False: the timestep must reach its sinusoid unrounded.
        super().__init__(autocast=False, **kwargs)
        self.config = config
        dtype, c = self.dtype_policy, config
        self.time = MPConv(c.time_width, size=0, dtype=dtype)
        encoded = {n: s for n, s in c.conditions.items() if CONDITIONS[n].encoder}
        self.conditioner = Conditioner(c.time_width, encoded, dtype=dtype) if encoded else None
        self.image_conditions = tuple(n for n in c.conditions if CONDITIONS[n].input_image)
        self.stem = MPConv(c.widths[0], dtype=dtype)
        last = c.levels - 1
        for level in range(c.levels):
            blocks = [self._block(level, normalize=True) for _ in range(c.blocks[level])]
            setattr(self, f"in{level}", MPLevel(blocks, down=level > 0, dtype=dtype))
        self.mid = MPLevel([self._block(last)], dtype=dtype)
        for level in reversed(range(c.levels)):
            blocks = [self._block(level) for _ in range(c.blocks[level])]
            setattr(self, f"out{last - level}", MPLevel(blocks, up=level < last, dtype=dtype))
        self.head = MPConv(c.patch**2 * c.channels, gain=0.0, dtype=dtype)
        self.build((None, c.image_size, c.image_size, c.channels))

    def _block(self, level, normalize=False):
        c = self.config
        return MPUNetBlock(
            c.widths[level],
            c.grids[level] in c.attention,
            c.cross_attention_at(level),
            c.head_width,
            c.dropout,
            normalize,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        if self.built:
            return
        c = self.config
        context = [(None, c.time_width)]
        if c.token_width:
            context.append((None, None, c.token_width))
        self.time.build((None, c.widths[0]))
        if self.conditioner is not None:
            self.conditioner.build()
        extra = sum(CONDITIONS[name].input_channels(c) for name in self.image_conditions)
        self.stem.build((None, None, None, c.patch**2 * (c.channels + extra) + 1))
        width, skips = c.widths[0], []
        for level in self.down_levels():
            skips += level.build_from(width, context)
            width = skips[-1]
        width = self.mid.build_from(width, context)[-1]
        for level in self.up_levels():
            width = level.build_from(width, context, skips)[-1]
        self.head.build((None, None, None, width))
        self.built = True

    def embed(self, t, condition=None):
        """The `BlockContext`: silu(time + pooled conditions), tokens, token mask.

        Sines and cosines of the time have mean square 1/2, whatever the time: times sqrt(2).
        """
        waves = math.sqrt(2) * sinusoidal_embedding(t, self.config.widths[0])
        time = self.time(waves)
        if self.conditioner is None:
            return BlockContext(mp_silu(time))
        vector, tokens, token_mask = self.conditioner(t, condition)
        return BlockContext(mp_silu(time + vector), tokens, token_mask)

    def embed_input(self, x_t, condition=None):
        """The stem: x_t, images of conditions that join it, and a channel of ones."""
        x_t = ops.cast(x_t, self.compute_dtype)
        images = input_images(self.image_conditions, condition, x_t)
        images = [x_t, *(ops.cast(image, x_t.dtype) for image in images)]
        folded = [space_to_depth(image, self.config.patch) for image in images]
        return self.stem(with_ones(ops.concatenate(folded, axis=-1)))

    def encode(self, h, context, training=False):
        """The way down. Returns the coarsest features, and the skips of each block."""
        skips = []
        for level in self.down_levels():
            skips += level.descend(skips[-1] if skips else h, context, training=training)
        return skips[-1], skips

    def decode(self, h, skips, context, training=False):
        """The way up, each block with the skip of its opposite. Returns the prediction, float32."""
        skips = list(skips)
        for level in self.up_levels():
            h = level.ascend(h, skips, context, training=training)
        return ops.cast(depth_to_space(self.head(h), self.config.patch), "float32")

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": MPUNetConfig.from_dict(config["config"])})


def double(x):
    """Each cell four times: (B, H, W, C) -> (B, 2H, 2W, C)."""
    return ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2)
