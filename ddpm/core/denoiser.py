"""A trained network as a denoiser: a function (x_t, t, condition) -> x0_hat, one compiled step.

Everything that steers sampling wraps such a function and is one again (`wrappers.py`).
"""

import keras
import numpy as np
from keras import ops

from ddpm.core.prediction import to_x0


def x0_denoiser(network, schedule, prediction, xla=False, micro_batches=1):
    """Compile a network into a denoiser.

    Args:
        network: a function (x_t, t, condition) -> prediction, a Keras layer or model.
        schedule: the `Schedule` it was trained with.
        prediction: what it predicts: "eps", "x0" or "v".
        xla: compile with XLA.
        micro_batches: compute a batch as so many independent parts, which must divide it. With a
            core for each part and one thread for each operation, no core waits for another.

    Returns:
        `denoise(x_t, t, condition=None)`: float32 (B, H, W, C), int32 (B,) and a dict of arrays
        (`ddpm.conditions`) -> x0_hat, float32 (B, H, W, C), NumPy, not clipped. Everything is
        passed as arrays: other words, strengths or steps are other values for the same compiled
        step.
    """
    step = DenoisingStep(network, schedule, prediction, micro_batches)
    step.jit_compile = xla

    def denoise(x_t, t, condition=None):
        # predict_on_batch, not predict: predict builds a data pipeline at every call.
        return step.predict_on_batch((x_t, t, condition) if condition else (x_t, t))

    return denoise


class DenoisingStep(keras.Model):
    """The compiled part of `x0_denoiser`: (x_t, t) or (x_t, t, condition) -> x0_hat."""

    def __init__(self, network, schedule, prediction, micro_batches=1):
        super().__init__(dtype="float32")
        self.network = network
        self.prediction = prediction
        self.micro_batches = micro_batches
        self._alpha = schedule.alpha.astype(np.float32)
        self._sigma = schedule.sigma.astype(np.float32)

    def call(self, inputs):
        x_t, t, *condition = inputs
        alpha, sigma = (
            ops.reshape(ops.take(table, t), (-1, 1, 1, 1)) for table in (self._alpha, self._sigma)
        )
        output = in_micro_batches(
            self.network, self.micro_batches, x_t, t, *condition, training=False
        )
        return to_x0(self.prediction, output, x_t, alpha, sigma)


def in_micro_batches(network, micro_batches, *inputs, training=False):
    """The output of a network for a batch, computed as so many independent parts of it.

    With a core for each part and one thread for each operation no core waits for another.

    Args:
        network: a function of the inputs.
        micro_batches: number of parts; must divide the batch.
        inputs: arrays, or dicts of arrays, with a row a picture.
        training: passed to the network.

    Returns:
        What the network returns for the whole batch.
    """

    def split(value):
        if not isinstance(value, dict):
            return ops.split(value, micro_batches)
        pieces = {name: ops.split(array, micro_batches) for name, array in value.items()}
        return [{name: p[i] for name, p in pieces.items()} for i in range(micro_batches)]

    if micro_batches == 1:
        return network(*inputs, training=training)
    pieces = zip(*(split(value) for value in inputs), strict=True)
    return ops.concatenate([network(*piece, training=training) for piece in pieces])
