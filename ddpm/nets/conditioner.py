"""Conditions to what the blocks of a U-Net take in: a vector that joins the time embedding, and
tokens for cross-attention."""

from dataclasses import asdict
from typing import NamedTuple

import keras
from keras import ops

from ddpm.conditions import CONDITIONS, array_names
from ddpm.nets.config import conditions_from_dict


class BlockContext(NamedTuple):
    """What every block of a U-Net takes in beside its features.

    Args:
        time: (B, E), SiLU(time embedding + pooled conditions).
        tokens: (B, L, W), or None.
        token_mask: bool (B, L), tokens that count, or None.
    """

    time: object
    tokens: object = None
    token_mask: object = None


@keras.saving.register_keras_serializable(package="ddpm")
class Conditioner(keras.layers.Layer):
    """Encode conditions: Dense(swish(Dense(all features))), and all tokens.

    The last Dense is zero at the start, so that a network begins as the unconditional one.

    Args:
        width: elements of the time embedding.
        conditions: {name: settings}, as in a `UNetConfig`; those without an encoder are left out.

    Reference:
        Podell et al. 2023 (SDXL, arXiv:2307.01952), section 2.2 and algorithm 1.
    """

    def __init__(self, width, conditions, **kwargs):
        # autocast=False: sizes must reach their sinusoids unrounded.
        super().__init__(autocast=False, **kwargs)
        self.width = width
        self.conditions = conditions_from_dict(conditions)
        self.names = [name for name in self.conditions if CONDITIONS[name].encoder]
        for name in self.names:
            encoder = CONDITIONS[name].encoder(self.conditions[name], self.dtype_policy)
            setattr(self, name, encoder)
        dtype = self.dtype_policy
        self.dense1 = keras.layers.Dense(width, activation="swish", dtype=dtype)
        self.dense2 = keras.layers.Dense(width, kernel_initializer="zeros", dtype=dtype)

    def build(self, input_shape=None):
        features = 0
        for name in self.names:
            encoder, null = getattr(self, name), self._null(name)
            encoder.build(*((None, *array.shape[1:]) for array in null))
            features += encoder.feature_width
        self.dense1.build((None, features))
        self.dense2.build((None, self.width))
        self.built = True

    def call(self, t, condition=None):
        """Encode the conditions of a batch.

        Args:
            t: (B,), timesteps; only their number counts.
            condition: dict of arrays, a row a picture; arrays that are missing are null.

        Returns:
            (vector, tokens, token_mask): (B, width); (B, L, W) or None; bool (B, L) or None.
        """
        encodings = [self._encode(name, ops.shape(t)[0], condition or {}) for name in self.names]
        features = [e.features for e in encodings if e.features is not None]
        tokens = [e.tokens for e in encodings if e.tokens is not None]
        masks = [e.token_mask for e in encodings if e.tokens is not None]
        vector = self.dense2(self.dense1(_concatenate(features, -1)))
        return vector, _concatenate(tokens, 1), _concatenate(masks, 1)

    def _encode(self, name, n, condition):
        null = dict(zip(CONDITIONS[name].arrays, self._null(name), strict=True))
        arrays = [condition.get(array, null[array]) for array in null]
        return getattr(self, name)(*(ops.broadcast_to(a, (n, *a.shape[1:])) for a in arrays))

    def _null(self, name):
        """The null arrays of a condition, one row of each, in the order of their names."""
        null = CONDITIONS[name].null(self.conditions[name], 1)
        return [null[array] for array in CONDITIONS[name].arrays]

    def get_config(self):
        conditions = {name: asdict(settings) for name, settings in self.conditions.items()}
        return {**super().get_config(), "width": self.width, "conditions": conditions}


class UShape:
    """What networks of levels down and up have in common, whatever their layers: a mixin.

    They have `config`; levels in0, in1, ... (in0 is the finest), mid, and out0, out1, ... (out0 is
    the coarsest); `embed`, `embed_input`, `encode` and `decode`.
    """

    def down_levels(self):
        """The levels on the way down, in0 first."""
        return [getattr(self, f"in{i}") for i in range(self.config.levels)]

    def up_levels(self):
        """The levels on the way up, out0 first."""
        return [getattr(self, f"out{i}") for i in range(self.config.levels)]

    def call(self, x_t, t, condition=None, training=False):
        """Predict from noisy pictures and their timesteps.

        Args:
            x_t: float32 (B, H, W, channels), H and W multiples of the config's `stride`.
            t: int32 or float32 (B,).
            condition: dict of arrays (`ddpm.conditions`), a row a picture; what is missing is null.
            training: whether dropout is at work.

        Returns:
            float32 (B, H, W, channels).

        Raises:
            ValueError: if the levels cannot halve H or W, or it takes no such condition.
        """
        return self.with_middle(x_t, t, condition, training)[0]

    def with_middle(self, x_t, t, condition=None, training=False):
        """The prediction, and the features in the middle (B, h, w, C) that it was made of; as
        `call`."""
        check_inputs(self.config, x_t, condition)
        context = self.embed(t, condition)
        h, skips = self.encode(self.embed_input(x_t, condition), context, training=training)
        middle = self.mid(h, context, training=training)
        return self.decode(middle, skips, context, training=training), middle


def check_inputs(config, x_t, condition):
    """Refuse a condition or a size that a U-Net does not take.

    Args:
        config: the network's, with `conditions` and `stride`.
        x_t: (B, H, W, C).
        condition: dict of arrays, or None.

    Raises:
        ValueError: if the levels cannot halve H or W, or it takes no such condition.
    """
    if condition is not None and not isinstance(condition, dict):
        raise ValueError(f"A condition is a dict of arrays. Received: {type(condition).__name__}")
    takes = array_names(config.conditions)
    unknown = sorted(set(condition or {}) - set(takes))
    if unknown:
        raise ValueError(
            f"This U-Net is conditioned on {' and '.join(takes) or 'nothing but the time'}. "
            f"Received: {', '.join(unknown)}"
        )
    height, width = x_t.shape[1:3]
    if (height or 0) % config.stride or (width or 0) % config.stride:
        raise ValueError(
            f"Height and width must be multiples of {config.stride} (patch times 2 for each level "
            f"below the first). Received: x_t of shape {tuple(x_t.shape)}"
        )


def input_images(names, condition, x_t):
    """The images of conditions that join x_t, a list of (B, H, W, channels).

    Args:
        names: of the conditions.
        condition: dict of arrays, or None; arrays that are missing are null.
        x_t: (B, H, W, C).
    """
    condition = condition or {}
    return [
        CONDITIONS[name].input_image(
            {array: condition[array] for array in CONDITIONS[name].arrays if array in condition},
            x_t,
        )
        for name in names
    ]


def _concatenate(parts, axis):
    """The parts side by side; None where there are none."""
    return ops.concatenate(parts, axis=axis) if parts else None
