"""A trained network as a denoiser: a function (x_t, t, condition) -> x0_hat, one compiled step.

Everything that steers sampling wraps such a function and is one again.
"""

import keras
import numpy as np
from keras import ops

from ddpm.condition import heard
from ddpm.prediction import to_x0


def x0_denoiser(network, schedule, prediction, clip=True, xla=False, parts=1):
    """Compile a network into a denoiser.

    Args:
        network: a function (x_t, t, condition) -> prediction, a Keras layer or model.
        schedule: the `Schedule` it was trained with.
        prediction: what it answers: "eps", "x0" or "v".
        clip: keep x0_hat in [-1, 1] (Ho et al. 2020 do; with few steps it prevents overshoot).
        xla: compile with XLA.
        parts: compute a batch as so many independent parts, which must divide it. With a core for
            each part and one thread for each operation, no core waits for another.

    Returns:
        `denoise(x_t, t, condition=None)`: float32 (B, H, W, C), int32 (B,) and a dict of arrays
        (`condition.py`) -> x0_hat, float32 (B, H, W, C), NumPy. Everything is passed as arrays:
        other words, strengths or steps are other values for the same compiled step.
    """
    step = Step(network, schedule, prediction, clip, parts)
    step.jit_compile = xla

    def denoise(x_t, t, condition=None):
        # predict_on_batch, not predict: predict builds a data pipeline at every call.
        condition = heard(condition or {})
        return step.predict_on_batch((x_t, t, condition) if condition else (x_t, t))

    return denoise


class Step(keras.Model):
    """The compiled part of `x0_denoiser`: (x_t, t) or (x_t, t, condition) -> x0_hat."""

    def __init__(self, network, schedule, prediction, clip, parts=1):
        super().__init__(dtype="float32")
        self.network = network
        self.prediction = prediction
        self.clip = clip
        self.parts = parts
        self._alpha = schedule.alpha.astype(np.float32)
        self._sigma = schedule.sigma.astype(np.float32)

    def call(self, inputs):
        x_t, t, *told = inputs
        alpha, sigma = (
            ops.reshape(ops.take(table, t), (-1, 1, 1, 1)) for table in (self._alpha, self._sigma)
        )
        output = in_parts(self.network, self.parts, x_t, t, *told, training=False)
        x0_hat = to_x0(self.prediction, output, x_t, alpha, sigma)
        return ops.clip(x0_hat, -1.0, 1.0) if self.clip else x0_hat


def in_parts(network, parts, *inputs, training=False):
    """What a network makes of a batch, as so many independent parts of it.

    With a core for each part and one thread for each operation no core waits for another.

    Args:
        network: a function of the inputs.
        parts: how many; must divide the batch.
        inputs: arrays, or dicts of arrays, with a row a picture.
        training: passed to the network.

    Returns:
        What the network returns for the whole.
    """

    def split(value):
        if not isinstance(value, dict):
            return ops.split(value, parts)
        each = {name: ops.split(array, parts) for name, array in value.items()}
        return [{name: some[i] for name, some in each.items()} for i in range(parts)]

    if parts == 1:
        return network(*inputs, training=training)
    pieces = zip(*(split(value) for value in inputs), strict=True)
    return ops.concatenate([network(*piece, training=training) for piece in pieces])
