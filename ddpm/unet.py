"""The network: an attention U-Net that sees a noisy picture and its timestep.

    x_t -> stem -> [blocks, down] ... blocks -> middle -> blocks ... [up, blocks] -> head
             \_________\_______________ skips _____________/____________/

It knows nothing of schedules, losses or samplers: it is a function
(x_t, t, condition) -> prediction. What it may be told besides the time is in `condition.py`: a
vector joins the time embedding, and words are looked at by cross-attention.
"""

from typing import NamedTuple

import keras
from keras import ops

from ddpm.condition import Conditioner
from ddpm.layers import (
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


class Block(keras.layers.Layer):
    """One step of the U-Net: a residual block, then attention where the level has it.

    Args:
        width: channels of the result.
        attention: whether self-attention follows.
        cross_attention: how often the block then looks at the words.
        head_width, groups, dropout, scale_shift: see `ResidualBlock` and `SelfAttention`.
    """

    def __init__(
        self,
        width,
        attention=False,
        cross_attention=0,
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
            for _ in range(cross_attention)
        ]

    def build(self, x_shape, time_shape, words_shape=None):
        self.residual.build(x_shape, time_shape)
        shape = (*x_shape[:-1], self.width)
        if self.attention is not None:
            self.attention.build(shape)
        for layer in self.cross_attention:
            layer.build(shape, words_shape)

    def call(self, x, time, words=None, known=None, training=False):
        """Args: x (B, H, W, C), and what a `Context` holds. Returns: (B, H, W, width)."""
        h = self.residual(x, time, training=training)
        if self.attention is not None:
            h = self.attention(h)
        for layer in self.cross_attention:
            h = layer(h, words, known)
        return h

    def get_config(self):
        residual = self.residual
        return {
            **super().get_config(),
            "width": self.width,
            "attention": self.attention is not None,
            "cross_attention": len(self.cross_attention),
            "head_width": self.head_width,
            "groups": residual.groups,
            "dropout": residual.dropout,
            "scale_shift": residual.scale_shift,
        }


class UNet(keras.Model):
    """The attention U-Net of DDPM.

    Level i works on a grid of image_size / patch / 2^i with widths[i] channels. On the way down
    each level has blocks[i] blocks, on the way up blocks[i] + 1, and every step on the way down
    (stem, blocks, downsamplings) hands its result to one block on the way up. The last convolution
    starts at zero, so an untrained network predicts exactly 0.

    The network is fully convolutional: it also takes other heights and widths that its levels can
    halve. All weights exist as soon as it is constructed.

    Args:
        image_size: height and width it is meant for; says where the `attention` grids are.
        channels: channels of x_t.
        out_channels: channels of the prediction.
        widths: channels of each level, finest first.
        blocks: residual blocks a level: one number, or one for each level.
        attention: grid sizes, after the patch stem, at which blocks have self-attention.
        middle_attention: whether self-attention stands between the two middle blocks.
        groups: groups of every group normalisation.
        head_width: wished channels of an attention head.
        patch: side of the squares that the stem folds into channels and the head unfolds.
        dropout: share dropped inside residual blocks.
        embedding_width: elements of the time embedding; None for 4 widths[0].
        scale_shift: let the time modulate the normalisations instead of being added.
        text: settings of the `TextEncoder`, a dict; None for a network without words.
        cross_attention: how often a block of each level looks at the words, finest first; none at
            the highest resolution, where it costs most and tells least.
        framing: whether the network is told size and crop.
        inpainting: whether it is shown what is to be painted, and the picture around.

    Raises:
        ValueError: if the arguments contradict each other; the sentence says which.

    Reference:
        Ho et al. 2020, Denoising Diffusion Probabilistic Models, appendix B;
        Ronneberger et al. 2015, U-Net, figure 1;
        Podell et al. 2023 (SDXL, arXiv:2307.01952), table 1 and section 2.2, for words and framing.
    """

    def __init__(
        self,
        image_size=64,
        channels=3,
        out_channels=3,
        widths=(64, 128, 256, 512),
        blocks=2,
        attention=(16, 8),
        middle_attention=True,
        groups=8,
        head_width=64,
        patch=1,
        dropout=0.0,
        embedding_width=None,
        scale_shift=False,
        text=None,
        cross_attention=(0,),
        framing=False,
        inpainting=False,
        **kwargs,
    ):
        # autocast=False: the timestep must reach its sinusoid unrounded.
        super().__init__(autocast=False, **kwargs)
        widths = tuple(widths)
        blocks = (blocks,) * len(widths) if isinstance(blocks, int) else tuple(blocks)
        looks = tuple(cross_attention) if text else (0,)
        looks += (looks[-1],) * (len(widths) - len(looks))
        grids = _check(image_size, widths, blocks, tuple(attention), groups, patch)
        self.settings = {
            "image_size": image_size,
            "channels": channels,
            "out_channels": out_channels,
            "widths": widths,
            "blocks": blocks,
            "attention": tuple(attention),
            "middle_attention": middle_attention,
            "groups": groups,
            "head_width": head_width,
            "patch": patch,
            "dropout": dropout,
            "embedding_width": embedding_width,
            "scale_shift": scale_shift,
            "text": text,
            "cross_attention": looks,
            "framing": framing,
            "inpainting": inpainting,
        }
        self.patch = patch
        self.stride = patch * 2 ** (len(widths) - 1)  # pixels to a cell of the coarsest grid
        dtype = self.dtype_policy

        def block(width, attend, looks=0):
            return Block(
                width, attend, looks, head_width, groups, dropout, scale_shift, dtype=dtype
            )

        self.time = TimeEmbedding(embedding_width or 4 * widths[0], widths[0], dtype=dtype)
        self.conditioner = (
            Conditioner(self.time.width, text, framing, dtype=dtype) if text or framing else None
        )
        self.stem = conv3x3(widths[0], dtype=dtype)
        # More input channels of the stem, in a convolution of their own: the sum is the same.
        self.known = (
            conv3x3(widths[0], kernel_initializer="zeros", use_bias=False, dtype=dtype)
            if inpainting
            else None
        )

        # On the way down every step leaves a skip; on the way up every Block takes one.
        self.encoder, self.decoder = [], []
        for level, (width, count, grid) in enumerate(zip(widths, blocks, grids, strict=True)):
            if level > 0:
                self.encoder.append(Downsample(dtype=dtype))
            self.encoder += [block(width, grid in attention, looks[level]) for _ in range(count)]
        self.middle_in = block(widths[-1], middle_attention, looks[-1])
        self.middle_out = block(widths[-1], False)
        for level in reversed(range(len(widths))):
            self.decoder += [
                block(widths[level], grids[level] in attention, looks[level])
                for _ in range(blocks[level] + 1)
            ]
            if level > 0:
                self.decoder.append(Upsample(dtype=dtype))

        self.norm = GroupNorm(groups, swish=True, dtype=dtype)
        self.head = conv3x3(patch**2 * out_channels, kernel_initializer="zeros", dtype=dtype)
        self.build((None, image_size, image_size, channels))

    def build(self, input_shape):
        if self.built:
            return
        settings = self.settings
        context = [(None, self.time.width)]
        if settings["text"]:
            context.append((None, self.conditioner.text.length, self.conditioner.text.width))
        self.time.build((None,))
        if self.conditioner is not None:
            self.conditioner.build()
        width = settings["patch"] ** 2 * input_shape[-1]
        self.stem.build((None, None, None, width))
        if self.known is not None:
            self.known.build((None, None, None, width + settings["patch"] ** 2))
        width = settings["widths"][0]
        skips = [width]
        for step in self.encoder:
            width = _build_step(step, width, context)
            skips.append(width)
        for step in (self.middle_in, self.middle_out):
            width = _build_step(step, width, context)
        for step in self.decoder:
            skip = skips.pop() if isinstance(step, Block) else 0
            width = _build_step(step, width + skip, context)
        self.norm.build((None, None, None, width))
        self.head.build((None, None, None, width))
        self.built = True

    def call(self, x_t, t, condition=None, training=False):
        """Predict from noisy pictures and their timesteps.

        Args:
            x_t: float32 (B, H, W, channels), H and W multiples of `stride`.
            t: int32 or float32 (B,).
            condition: what it is told besides, a dict of arrays (`condition.py`); what is missing
                is not told, None tells nothing.
            training: whether dropout is at work.

        Returns:
            float32 (B, H, W, out_channels).

        Raises:
            ValueError: if the levels cannot halve H or W, or it is told what it cannot take.
        """
        self.check(x_t, condition)
        context = self.embed(t, condition)
        h, skips = self.encode(self.enter(x_t, condition), context, training=training)
        h = self.middle(h, context, training=training)
        return self.decode(h, skips, context, training=training)

    def embed(self, t, condition=None):
        """What blocks are told, its vector after the swish that each would begin with."""
        time = self.time(t)
        if self.conditioner is None:
            return Context(ops.silu(time))
        vector, words, known = self.conditioner(t, condition)
        return Context(ops.silu(time + vector), words, known)

    def enter(self, x_t, condition=None):
        """What the stem makes of x_t and, where the network inpaints, of mask and masked picture.

        Told of no mask it is shown that all is to be painted.
        """
        x_t = ops.cast(x_t, self.compute_dtype)
        h = self.stem(space_to_depth(x_t, self.patch))
        if self.known is None:
            return h
        mask = (condition or {}).get("mask")
        if mask is None:
            mask, known = ops.ones_like(x_t[..., :1]), ops.zeros_like(x_t)
        else:
            mask = ops.cast(mask, self.compute_dtype)
            known = (1 - mask) * ops.cast(condition["known"], self.compute_dtype)
        seen = ops.concatenate([mask, known], axis=-1)
        return h + self.known(space_to_depth(seen, self.patch))

    def encode(self, h, context, training=False):
        """Go down. Returns the coarsest features, and the skips of the stem and of each step."""
        skips = descend(self.encoder, h, context, training)
        return skips[-1], skips

    def middle(self, h, context, training=False):
        """The two blocks at the bottom, with attention between them."""
        h = self.middle_in(h, *context, training=training)
        return self.middle_out(h, *context, training=training)

    def decode(self, h, skips, context, training=False):
        """Go up, each block with the skip of its opposite. Returns the prediction, float32."""
        skips = list(skips)
        for step in self.decoder:
            if isinstance(step, Block):
                h = ops.concatenate([h, skips.pop()], axis=-1)
                h = step(h, *context, training=training)
            else:
                h = step(h)
        h = self.head(self.norm(h))
        return ops.cast(depth_to_space(h, self.patch), "float32")

    def check(self, x_t, condition):
        if condition is not None and not isinstance(condition, dict):
            raise ValueError(
                f"A condition is a dict of arrays. Received: {type(condition).__name__}"
            )
        takes = self.conditioner.takes if self.conditioner is not None else ()
        takes += ("mask", "known") if self.known is not None else ()
        beyond = sorted(set(condition or {}) - set(takes))
        if beyond:
            raise ValueError(
                f"This U-Net was built to be told {' and '.join(takes) or 'nothing but the time'}. "
                f"Received: {', '.join(beyond)}"
            )
        height, width = x_t.shape[1:3]
        if (height or 0) % self.stride or (width or 0) % self.stride:
            raise ValueError(
                f"Height and width must be multiples of {self.stride} (patch times 2 for each "
                f"level below the first). Received: x_t of shape {tuple(x_t.shape)}"
            )

    def get_config(self):
        return {**super().get_config(), **self.settings}


def descend(steps, h, context, training=False):
    """Go down from features h: [h, what each step gives]; the last is the coarsest."""
    skips = [h]
    for step in steps:
        h = step(h, *context, training=training) if isinstance(step, Block) else step(h)
        skips.append(h)
    return skips


class Context(NamedTuple):
    """What every block is told.

    Args:
        time: (B, E), the timestep and what is told as one vector.
        words: (B, L, W), or None.
        known: bool (B, L), where there is a word.
    """

    time: object
    words: object = None
    known: object = None


def _build_step(step, width, context_shapes):
    """Build a step for `width` channels, and return the channels that it gives."""
    shape = (None, None, None, width)
    if isinstance(step, Block):
        step.build(shape, *context_shapes)
        return step.width
    step.build(shape)
    return width


def _check(image_size, widths, blocks, attention, groups, patch):
    """Return the grid size of each level, or say what does not fit."""
    if not widths or len(blocks) != len(widths):
        raise ValueError(
            "There must be one number of blocks for each width. "
            f"Received: widths={widths}, blocks={blocks}"
        )
    stride = patch * 2 ** (len(widths) - 1)
    if image_size % stride:
        raise ValueError(
            f"image_size must be a multiple of patch * 2^(levels - 1) = {stride}. "
            f"Received: image_size={image_size}, patch={patch}, widths={widths}"
        )
    if any(width % groups for width in widths):
        raise ValueError(
            f"groups must divide every width. Received: groups={groups}, widths={widths}"
        )
    grids = [image_size // patch // 2**level for level in range(len(widths))]
    if not set(attention) <= set(grids):
        raise ValueError(
            f"attention must name grid sizes that the levels have: {grids}. "
            f"Received: attention={attention}"
        )
    return grids
