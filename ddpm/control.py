"""The control branch: pictures that say what goes where.

A copy of the network's way down sees the noisy picture and the control pictures; what it finds is
added, through layers that start at zero, to the skips and the middle of the network itself, which
stays frozen:

    hints -> HintEncoder --+
    x_t -> stem (copy) ----+-> encoder (copy) -> middle (copy)
                                   | zero layers     | zero layer
    x_t -> stem -> encoder -> skips + strength (.) , middle + strength (.) -> decoder -> prediction

One branch reads all kinds of hints at once, so that four cost what one does.
"""

import keras
from keras import ops

from ddpm.hints import KINDS
from ddpm.layers import GroupNorm, conv3x3, space_to_depth
from ddpm.unet import Block, UNet, descend


class HintEncoder(keras.layers.Layer):
    """Control pictures to features on the first grid: three residual convolutions at full width.

    With patches, pixels are folded into channels first, as the network's stem does: nothing of a
    one-pixel line is lost. A single zero-initialised convolution in this place is known to be
    ignored by models that work on pixels; this one has a nonlinear path and starts small, not at
    zero (the zero layers behind the branch already make it begin as nothing).

    Args:
        width: channels of the result.
        patch: side of the squares that are folded.
        groups: of the normalisations.
    """

    def __init__(self, width, patch=1, groups=8, **kwargs):
        super().__init__(**kwargs)
        self.width, self.patch = width, patch
        dtype = self.dtype_policy
        self.first = conv3x3(width, dtype=dtype)
        self.norms = [GroupNorm(groups, swish=True, dtype=dtype) for _ in range(3)]
        self.convs = [conv3x3(width, dtype=dtype) for _ in range(3)]

    def build(self, input_shape):
        self.first.build((*input_shape[:-1], self.patch**2 * input_shape[-1]))
        for layer in (*self.norms, *self.convs):
            layer.build((*input_shape[:-1], self.width))

    def call(self, hints):
        """Args: hints (B, H, W, C). Returns: (B, H / patch, W / patch, width)."""
        h = self.first(space_to_depth(hints, self.patch))
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = h + conv(norm(h))
        return h


class ControlBranch(keras.Model):
    """The trainable part: hint encoder, copy of the way down, zero layers.

    Args:
        base: the `UNet` to be controlled; its weights are copied.
        kinds: names of the K kinds of control pictures.

    Reference:
        Zhang et al. 2023 (ControlNet, arXiv:2302.05543), section 3.
    """

    def __init__(self, base, kinds=KINDS, **kwargs):
        super().__init__(autocast=False, dtype=base.dtype_policy, **kwargs)
        self.kinds = len(kinds)
        twin = UNet.from_config(base.get_config())
        twin.set_weights(base.get_weights())
        self.patch = base.patch
        # The twin's way up is not kept, nor what it is told: the branch hears what the base hears.
        self.stem, self.encoder = twin.stem, twin.encoder
        self.middle_in, self.middle_out = twin.middle_in, twin.middle_out
        settings, dtype = base.settings, self.dtype_policy
        self.hints = HintEncoder(settings["widths"][0], self.patch, settings["groups"], dtype=dtype)
        widths = [settings["widths"][0]]
        for step in self.encoder:
            widths.append(step.width if isinstance(step, Block) else widths[-1])
        self.zeros = [
            keras.layers.Dense(width, kernel_initializer="zeros", dtype=dtype)
            for width in (*widths, widths[-1])
        ]
        self.hints.build((None, None, None, 4 * self.kinds))
        for layer in self.zeros:
            layer.build((None, None, None, layer.units))
        self.built = True

    def call(self, x_t, context, hints, strengths, training=False):
        """What to add to the base's skips and middle.

        The strongest hint sets how much is added, so that a single one works as its strength says;
        the others enter in proportion to it.

        Args:
            x_t: float32 (B, H, W, C).
            context: the base's `Context`.
            hints: float32 (B, H, W, 3 K) in [-1, 1].
            strengths: float32 (B, K).
            training: passed to the blocks.

        Returns:
            list of (B, H', W', C'), as many as the base has skips, and one for its middle.
        """
        strongest = ops.max(strengths, axis=1, keepdims=True)  # (B, 1)
        share = strengths / ops.maximum(strongest, 1e-6)
        hints = ops.cast(hints, self.compute_dtype)
        share = ops.cast(share, self.compute_dtype)[:, None, None, :]
        # Weighted hints, and who is there: black and absent are not the same.
        hints = hints * ops.repeat(share, 3, axis=-1)
        present = ops.broadcast_to(share, (*ops.shape(hints)[:-1], self.kinds))
        hints = self.hints(ops.concatenate([hints, present], axis=-1))
        x_t = ops.cast(x_t, self.compute_dtype)
        h = self.stem(space_to_depth(x_t, self.patch)) + hints
        found = descend(self.encoder, h, context, training)
        h = self.middle_in(found[-1], *context, training=training)
        found.append(self.middle_out(h, *context, training=training))
        amount = ops.cast(strongest, self.compute_dtype)[:, None, None, :]
        return [amount * zero(h) for zero, h in zip(self.zeros, found, strict=True)]


class Controlled(keras.Model):
    """A U-Net with its control branch: (x_t, t, condition) -> prediction.

    Without hints in the condition it is the U-Net itself; with all strengths 0 the result is the
    same, up to how a compiler fuses sums in half precision (`condition.heard` leaves the branch out
    then). Only the branch learns.

    Args:
        base: a built `UNet`.
        kinds: names of the K kinds of control pictures.
    """

    def __init__(self, base, kinds=KINDS, **kwargs):
        super().__init__(autocast=False, dtype=base.dtype_policy, **kwargs)
        self.base = base
        self.base.trainable = False
        self.branch = ControlBranch(base, kinds)
        self.built = True

    def call(self, x_t, t, condition=None, training=False):
        """Args and result as `UNet`; the condition may hold hints and strengths besides."""
        condition = dict(condition or {})
        hints, strengths = condition.pop("hints", None), condition.pop("strengths", None)
        if hints is None:
            return self.base(x_t, t, condition, training=training)
        base = self.base
        base.check(x_t, condition)
        context = base.embed(t, condition)
        added = self.branch(x_t, context, hints, strengths, training=training)
        h, skips = base.encode(base.enter(x_t, condition), context, training=training)
        h = base.middle(h, context, training=training) + added[-1]
        skips = [skip + more for skip, more in zip(skips, added[:-1], strict=True)]
        return base.decode(h, skips, context, training=training)
