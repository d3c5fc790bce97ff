"""The network: an attention U-Net that predicts from a noisy picture and its timestep.

It knows nothing of schedules, losses or samplers: it is a function
(x_t, t, condition) -> prediction. Conditions (`ddpm.conditions`) enter in three ways: a vector
joins the time embedding, tokens are attended to, images join x_t.
"""

import keras
from keras import ops

from ddpm.conditions import CONDITIONS
from ddpm.nets.conditioner import BlockContext, Conditioner, UShape, input_images
from ddpm.nets.config import UNetConfig
from ddpm.nets.layers import (
    CrossAttention,
    Downsample,
    GroupNorm,
    ResidualBlock,
    SelfAttention,
    TimeEmbedding,
    Upsample,
    conv3x3,
    depth_to_space,
    space_to_depth,
)


@keras.saving.register_keras_serializable(package="ddpm")
class Block(keras.layers.Layer):
    """A residual block, then self-attention and cross-attention where the level has them.

    Args:
        width: channels of the result.
        attention: whether self-attention follows.
        cross_attention_layers: how many cross-attention layers follow.
        head_width, groups, dropout, scale_shift: see `ResidualBlock` and `SelfAttention`.
    """

    def __init__(
        self,
        width,
        attention=False,
        cross_attention_layers=0,
        head_width=64,
        groups=8,
        dropout=0.0,
        scale_shift=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.head_width = head_width
        self.residual = ResidualBlock(width, groups, dropout, scale_shift, dtype=self.dtype_policy)
        self.attention = (
            SelfAttention(head_width, groups, dtype=self.dtype_policy) if attention else None
        )
        self.cross_attention = [
            CrossAttention(head_width, groups, dtype=self.dtype_policy)
            for _ in range(cross_attention_layers)
        ]

    def build(self, x_shape, time_shape, tokens_shape=None):
        self.residual.build(x_shape, time_shape)
        shape = (*x_shape[:-1], self.width)
        if self.attention is not None:
            self.attention.build(shape)
        for layer in self.cross_attention:
            layer.build(shape, tokens_shape)

    def call(self, x, time, tokens=None, token_mask=None, training=False):
        """Args: x (B, H, W, C), and the fields of a `BlockContext`. Returns: (B, H, W, width)."""
        h = self.residual(x, time, training=training)
        if self.attention is not None:
            h = self.attention(h)
        for layer in self.cross_attention:
            h = layer(h, tokens, token_mask)
        return h

    def get_config(self):
        residual = self.residual
        return {
            **super().get_config(),
            "width": self.width,
            "attention": self.attention is not None,
            "cross_attention_layers": len(self.cross_attention),
            "head_width": self.head_width,
            "groups": residual.groups,
            "dropout": residual.dropout,
            "scale_shift": residual.scale_shift,
        }


@keras.saving.register_keras_serializable(package="ddpm")
class Level(keras.layers.Layer):
    """The blocks of one level on the way down or up, or in the middle.

    Args:
        blocks: list of `Block`.
        down: halve the grid before them.
        up: double it after them.
    """

    def __init__(self, blocks, down=False, up=False, **kwargs):
        super().__init__(**kwargs)
        self.down = Downsample(dtype=self.dtype_policy) if down else None
        self.blocks = blocks
        self.up = Upsample(dtype=self.dtype_policy) if up else None

    @property
    def width(self):
        """Channels of the result."""
        return self.blocks[-1].width

    def build_from(self, width, context_shapes, skips=()):
        """Build for `width` channels; each block on the way up takes the last of the skips too.
        Returns the channels of every step's result."""
        widths = []
        if self.down is not None:
            self.down.build((None, None, None, width))
            widths.append(width)
        for block in self.blocks:
            skip = skips.pop() if skips else 0
            block.build((None, None, None, width + skip), *context_shapes)
            width = block.width
            widths.append(width)
        if self.up is not None:
            self.up.build((None, None, None, width))
        self.built = True
        return widths

    def descend(self, h, context, training=False):
        """Features on the way down. Returns a list of what every step gives, the skips."""
        skips = []
        if self.down is not None:
            h = self.down(h)
            skips.append(h)
        for block in self.blocks:
            h = block(h, *context, training=training)
            skips.append(h)
        return skips

    def ascend(self, h, skips, context, training=False):
        """Features on the way up; each block takes one skip off the end of the list."""
        for block in self.blocks:
            h = ops.concatenate([h, skips.pop()], axis=-1)
            h = block(h, *context, training=training)
        return h if self.up is None else self.up(h)

    def call(self, h, context, training=False):
        """Features through the whole level, without skips: (B, H, W, C) -> (B, H', W', width)."""
        h = self.descend(h, context, training)[-1]
        return h if self.up is None else self.up(h)

    def get_config(self):
        return {
            **super().get_config(),
            "blocks": [block.get_config() for block in self.blocks],
            "down": self.down is not None,
            "up": self.up is not None,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "blocks": [Block.from_config(c) for c in config["blocks"]]})


@keras.saving.register_keras_serializable(package="ddpm")
class UNet(UShape, keras.Model):
    """The attention U-Net of DDPM.

        x_t -> stem -> in0 -> in1 -> ... -> mid -> out0 -> out1 ... -> head
                 \\______\\______\\____skips____/______/______/

    Level i works on a grid of image_size / patch / 2^i with widths[i] channels. On the way down
    (in0, in1, ...; in0 is the finest) each level has blocks[i] blocks, on the way up (out0, out1,
    ...; out0 is the coarsest) blocks[i] + 1, and every step on the way down (stem, blocks,
    downsamplings) hands its result to one block on the way up. The last convolution starts at zero,
    so an untrained network predicts exactly 0.

    The network is fully convolutional: it also takes other heights and widths that its levels can
    halve. All weights exist as soon as it is constructed.

    Args:
        config: a `UNetConfig`.

    Reference:
        Ho et al. 2020, Denoising Diffusion Probabilistic Models, appendix B;
        Ronneberger et al. 2015, U-Net, figure 1;
        Podell et al. 2023 (SDXL, arXiv:2307.01952), table 1 and section 2.2, for the conditions.
    """

    def __init__(self, config, **kwargs):
        # autocast=False: the timestep must reach its sinusoid unrounded.
        super().__init__(autocast=False, **kwargs)
        self.config = config
        dtype, c = self.dtype_policy, config
        self.time = TimeEmbedding(c.time_width, c.widths[0], dtype=dtype)
        encoded = {n: s for n, s in c.conditions.items() if CONDITIONS[n].encoder}
        self.conditioner = Conditioner(c.time_width, encoded, dtype=dtype) if encoded else None
        self.stem = conv3x3(c.widths[0], dtype=dtype)
        self.image_conditions = tuple(n for n in c.conditions if CONDITIONS[n].input_image)
        # More input channels of the stem, in a convolution of their own: the sum is the same.
        self.condition_stem = (
            conv3x3(c.widths[0], kernel_initializer="zeros", use_bias=False, dtype=dtype)
            if self.image_conditions
            else None
        )
        for level in range(c.levels):
            blocks = [self._block(level) for _ in range(c.blocks[level])]
            setattr(self, f"in{level}", Level(blocks, down=level > 0, dtype=dtype))
        last = c.levels - 1
        middle = [self._block(last, c.middle_attention), self._block(last, False, cross=False)]
        self.mid = Level(middle, dtype=dtype)
        for level in reversed(range(c.levels)):
            blocks = [self._block(level) for _ in range(c.blocks[level] + 1)]
            setattr(self, f"out{last - level}", Level(blocks, up=level > 0, dtype=dtype))
        self.norm = GroupNorm(c.groups, swish=True, dtype=dtype)
        self.head = conv3x3(c.patch**2 * c.channels, kernel_initializer="zeros", dtype=dtype)
        self.build((None, c.image_size, c.image_size, c.channels))

    def _block(self, level, attention=None, cross=True):
        c = self.config
        return Block(
            c.widths[level],
            c.grids[level] in c.attention if attention is None else attention,
            c.cross_attention_at(level) if cross else 0,
            c.head_width,
            c.groups,
            c.dropout,
            c.scale_shift,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        if self.built:
            return
        c = self.config
        context = [(None, c.time_width)]
        if c.token_width:
            context.append((None, None, c.token_width))
        self.time.build((None,))
        if self.conditioner is not None:
            self.conditioner.build()
        self.stem.build((None, None, None, c.patch**2 * c.channels))
        if self.condition_stem is not None:
            extra = sum(CONDITIONS[name].input_channels(c) for name in self.image_conditions)
            self.condition_stem.build((None, None, None, c.patch**2 * extra))
        skips = [c.widths[0]]
        for level in self.down_levels():
            skips += level.build_from(skips[-1], context)
        width = self.mid.build_from(skips[-1], context)[-1]
        for level in self.up_levels():
            width = level.build_from(width, context, skips)[-1]
        self.norm.build((None, None, None, width))
        self.head.build((None, None, None, width))
        self.built = True

    def embed(self, t, condition=None):
        """The `BlockContext`: SiLU(time + pooled conditions), tokens, token mask."""
        time = self.time(t)
        if self.conditioner is None:
            return BlockContext(ops.silu(time))
        vector, tokens, token_mask = self.conditioner(t, condition)
        return BlockContext(ops.silu(time + vector), tokens, token_mask)

    def embed_input(self, x_t, condition=None):
        """The stem: x_t, and images of conditions that join it, to features of the first grid."""
        x_t = ops.cast(x_t, self.compute_dtype)
        h = self.stem(space_to_depth(x_t, self.config.patch))
        if self.condition_stem is None:
            return h
        images = input_images(self.image_conditions, condition, x_t)
        image = ops.concatenate(images, axis=-1) if len(images) > 1 else images[0]
        return h + self.condition_stem(space_to_depth(image, self.config.patch))

    def encode(self, h, context, training=False):
        """The way down. Returns the coarsest features, and the skips of the stem and each step."""
        skips = [h]
        for level in self.down_levels():
            skips += level.descend(skips[-1], context, training=training)
        return skips[-1], skips

    def decode(self, h, skips, context, training=False):
        """The way up, each block with the skip of its opposite. Returns the prediction, float32."""
        skips = list(skips)
        for level in self.up_levels():
            h = level.ascend(h, skips, context, training=training)
        h = self.head(self.norm(h))
        return ops.cast(depth_to_space(h, self.config.patch), "float32")

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": UNetConfig.from_dict(config["config"])})
