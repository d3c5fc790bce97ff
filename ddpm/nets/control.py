"""The control branch: control pictures (hints) that say what goes where.

A copy of the network's way down takes in the noisy picture and the hints; its features are added,
through layers that start at zero, to the skips and the middle of the network itself, which stays
frozen:

    hints -> HintEncoder --+
    x_t -> stem (copy) ----+-> in0 ... (copies) -> mid (copy)
                                 | zero layers       | zero layer
    x_t -> stem -> in0 ... -> skips + strength (.) , mid + strength (.) -> out0 ... -> prediction

One branch reads all kinds of hints at once, so that four cost what one does.
"""

import keras
import numpy as np
from keras import ops

from ddpm.conditions.hints import KINDS
from ddpm.nets.conditioner import check_inputs
from ddpm.nets.config import MPUNetConfig, UNetConfig
from ddpm.nets.layers import GroupNorm, conv3x3, space_to_depth
from ddpm.nets.mp_layers import with_ones
from ddpm.nets.mp_unet import MPUNet
from ddpm.nets.unet import UNet

NETWORKS = {UNetConfig: UNet, MPUNetConfig: MPUNet}


@keras.saving.register_keras_serializable(package="ddpm")
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
        self.width, self.patch, self.groups = width, patch, groups
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

    def get_config(self):
        config = {"width": self.width, "patch": self.patch, "groups": self.groups}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="ddpm")
class ControlBranch(keras.Model):
    """The trainable part: hint encoder, copy of the way down, zero layers.

    Args:
        config: `UNetConfig` or `MPUNetConfig` of the network to be controlled.
        kinds: names of the K kinds of control pictures.
        stride: pixels of these a side to one cell of x_t.

    Reference:
        Zhang et al. 2023 (ControlNet, arXiv:2302.05543), section 3.
    """

    def __init__(self, config, kinds=KINDS, stride=1, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.config, self.kinds, self.stride = config, tuple(kinds), stride
        dtype = self.dtype_policy
        # The copy's way up and conditioner are not kept: the branch gets the base's context.
        twin = NETWORKS[type(config)](config.without_images(), dtype=dtype)
        self.stem = twin.stem
        for i, level in enumerate(twin.down_levels()):
            setattr(self, f"in{i}", level)
        self.mid = twin.mid
        patch = config.patch * stride
        self.hint_encoder = HintEncoder(config.widths[0], patch, config.groups, dtype=dtype)
        self.zero_convs = [
            keras.layers.Dense(width, kernel_initializer="zeros", dtype=dtype)
            for width in (*config.skip_widths, config.widths[-1])
        ]
        self.hint_encoder.build((None, None, None, 4 * len(self.kinds)))
        for layer in self.zero_convs:
            layer.build((None, None, None, layer.units))
        self.built = True

    def down_levels(self):
        """The copies of the levels on the way down, in0 first."""
        return [getattr(self, f"in{i}") for i in range(self.config.levels)]

    def copy_weights(self, network):
        """Take over the weights of a network's way down."""
        kernel, *bias = network.stem.get_weights()
        own = self.stem.get_weights()[0].shape[2]
        if kernel.shape[2] > own:  # an `MPUNet`'s: x_t, images of conditions, ones
            kernel = np.concatenate([kernel[:, :, : own - 1], kernel[:, :, -1:]], axis=2)
        self.stem.set_weights([kernel, *bias])
        self.mid.set_weights(network.mid.get_weights())
        for copy, level in zip(self.down_levels(), network.down_levels(), strict=True):
            copy.set_weights(level.get_weights())

    def call(self, x_t, context, hints, strengths, training=False):
        """What to add to the network's skips and middle.

        The strongest hint sets how much is added, so that a single one works as its strength says;
        the others enter in proportion to it.

        Args:
            x_t: float32 (B, H, W, C).
            context: the network's `BlockContext`.
            hints: float32 (B, stride H, stride W, 3 K) in [-1, 1].
            strengths: float32 (B, K).
            training: passed to the blocks.

        Returns:
            list of (B, H', W', C'), as many as the network has skips, and one for its middle.
        """
        strongest = ops.max(strengths, axis=1, keepdims=True)  # (B, 1)
        share = strengths / ops.maximum(strongest, 1e-6)
        hints = ops.cast(hints, self.compute_dtype)
        share = ops.cast(share, self.compute_dtype)[:, None, None, :]
        # Weighted hints, and which kinds there are: black and absent are not the same.
        hints = hints * ops.repeat(share, 3, axis=-1)
        present = ops.broadcast_to(share, (*ops.shape(hints)[:-1], len(self.kinds)))
        hints = self.hint_encoder(ops.concatenate([hints, present], axis=-1))
        x_t = ops.cast(x_t, self.compute_dtype)
        x_t = space_to_depth(x_t, self.config.patch)
        if isinstance(self.config, MPUNetConfig):
            h, features = self.stem(with_ones(x_t)) + hints, []
        else:
            h = self.stem(x_t) + hints
            features = [h]  # the stem is a skip as well
        for level in self.down_levels():
            features += level.descend(h, context, training=training)
            h = features[-1]
        features.append(self.mid(h, context, training=training))
        amount = ops.cast(strongest, self.compute_dtype)[:, None, None, :]
        return [amount * zero(h) for zero, h in zip(self.zero_convs, features, strict=True)]

    def get_config(self):
        config = {"config": self.config.to_dict(), "kinds": list(self.kinds)}
        return {**super().get_config(), **config, "stride": self.stride}

    @classmethod
    def from_config(cls, config):
        values = config["config"]
        return cls(**{**config, "config": _kind(values).from_dict(values)})


@keras.saving.register_keras_serializable(package="ddpm")
class Controlled(keras.Model):
    """A network with its control branch: (x_t, t, condition) -> prediction.

    Without hints in the condition it is the U-Net itself; with all strengths 0 the result is the
    same, up to how a compiler fuses sums in half precision (`hints.drop_inactive_hints` leaves the
    branch out then). Only the branch is trained.

    Args:
        base: a built `UNet` or `MPUNet`, whose weights the branch begins with.
        kinds: names of the K kinds of control pictures.
        stride: pixels of these a side to one cell of x_t.
    """

    def __init__(self, base, kinds=KINDS, stride=1, **kwargs):
        super().__init__(autocast=False, **{"dtype": base.dtype_policy, **kwargs})
        self.base = base
        self.base.trainable = False
        self.branch = ControlBranch(base.config, kinds, stride, dtype=base.dtype_policy)
        self.branch.copy_weights(base)
        self.built = True

    def call(self, x_t, t, condition=None, training=False):
        """Args and result as `UNet`; the condition may hold hints and strengths besides."""
        condition = dict(condition or {})
        hints, strengths = condition.pop("hints", None), condition.pop("strengths", None)
        if hints is None:
            return self.base(x_t, t, condition, training=training)
        base = self.base
        check_inputs(base.config, x_t, condition)
        context = base.embed(t, condition)
        added = self.branch(x_t, context, hints, strengths, training=training)
        h, skips = base.encode(base.embed_input(x_t, condition), context, training=training)
        h = base.mid(h, context, training=training) + added[-1]
        skips = [skip + more for skip, more in zip(skips, added[:-1], strict=True)]
        return base.decode(h, skips, context, training=training)

    def get_config(self):
        config = {"kinds": list(self.branch.kinds), "stride": self.branch.stride}
        return {**super().get_config(), "base": self.base.get_config(), **config}

    @classmethod
    def from_config(cls, config):
        network = NETWORKS[_kind(config["base"]["config"])]
        return cls(**{**config, "base": network.from_config(config["base"])})


def _kind(values):
    """The class of a configuration of a network, by its values."""
    return UNetConfig if "groups" in values else MPUNetConfig
