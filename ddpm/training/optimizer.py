"""The optimizers: Adam with averaged weights, Muon for kernels, and the rate over the steps."""

import math

import keras
from keras import ops

from ddpm.core.averages import decay, power_of


@keras.saving.register_keras_serializable(package="ddpm")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """The rate rises linearly, stays, then falls as 1 / sqrt(step) (Karras et al. 2024, EDM2,
    arXiv:2312.02696, equation 67): it needs no end in sight, so a run can be made longer.

    Args:
        learning_rate: the plateau.
        warmup_steps: steps of the rise; 0 is none.
        decay_steps: where the fall begins; 0 is never.
    """

    def __init__(self, learning_rate, warmup_steps=0, decay_steps=0):
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.decay_steps = decay_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = self.learning_rate
        if self.warmup_steps:
            rate = rate * ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        if self.decay_steps:
            rate = rate / ops.sqrt(ops.maximum(1.0, step / self.decay_steps))
        return rate

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
        }


@keras.saving.register_keras_serializable(package="ddpm")
class AveragedAdam(keras.optimizers.Adam):
    """Adam that also keeps an exponential moving average of the weights, in the compiled step.

    Keras' own `use_ema` has a fixed decay and ends `fit` by overwriting the weights; here the decay
    warms up as min(ema_decay, (1 + n) / (10 + n)) (the rule of TensorFlow's
    ExponentialMovingAverage), so that early averages forget the random start, and the weights stay
    what they are.

    Args:
        ema_decay: the decay, in [0, 1).
        plain_rate: the share of the rate at which weights without a constraint learn: kernels of
            unit length (`nets.mp_layers.UnitKernels`) want one that is much too high for others.
        widths: of power-function averages that are kept besides (`core.averages`), from which any
            other can be put together afterwards.
        Others as `keras.optimizers.Adam`.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        ema_decay=0.999,
        plain_rate=1.0,
        widths=(),
        epsilon=1e-8,
        **kwargs,
    ):
        super().__init__(learning_rate, epsilon=epsilon, **kwargs)
        self.ema_decay = ema_decay
        self.plain_rate = plain_rate
        self.widths = tuple(widths)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        # Of each variable: the share of the rate, and what a constraint makes of its gradient.
        self.rules = [
            (
                self.plain_rate if v.constraint is None else 1.0,
                getattr(v.constraint, "tangent", None),
            )
            for v in variables
        ]
        self.averages = self._copies(variables)
        self.profiles = [self._copies(variables) for _ in self.widths]
        self.restart_averages()

    def _copies(self, variables):
        return [
            self.add_variable_from_reference(v, name="average", initializer="zeros")
            for v in variables
        ]

    def restart_averages(self):
        """Let the averages be the weights as they are."""
        for averages in (self.averages, *self.profiles):
            for average, v in zip(averages, self._trainable_variables, strict=True):
                # A buffer of its own: a compiled step gives up its inputs.
                average.assign(ops.copy(v))

    def update_step(self, gradient, variable, learning_rate):
        share, tangent = self.rules[self._get_variable_index(variable)]
        if tangent is not None:
            gradient = tangent(gradient, ops.convert_to_tensor(variable))
        super().update_step(gradient, variable, learning_rate * share)

    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        n = ops.cast(self.iterations, "float32")
        self._update(self.averages, ops.minimum(self.ema_decay, (1.0 + n) / (10.0 + n)))
        for width, averages in zip(self.widths, self.profiles, strict=True):
            self._update(averages, decay(power_of(width), n))

    def _update(self, averages, kept):
        for average, v in zip(averages, self._trainable_variables, strict=True):
            average.assign(average + (1.0 - kept) * (v - average))

    def get_config(self):
        config = {"ema_decay": self.ema_decay, "plain_rate": self.plain_rate}
        config["widths"] = self.widths
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="ddpm")
class AveragedMuon(AveragedAdam):
    """Muon for kernels of unit length, `AveragedAdam` for all other weights.

    The momentum of a kernel, as a matrix of inputs by outputs, is brought to a near orthogonal one:
    every direction that it has counts alike. It is scaled as Adam's steps are long.

    Args:
        As `AveragedAdam`; beta_1 is that of the momentum, too.

    Reference:
        Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks
        (kellerjordan.github.io/posts/muon), for convolutions as matrices;
        Liu et al. 2025 (arXiv:2502.16982), section 2.2, for the scale.
    """

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        share, tangent = self.rules[i]
        if tangent is None:
            super().update_step(gradient, variable, learning_rate)
            return
        gradient = ops.cast(tangent(gradient, ops.convert_to_tensor(variable)), variable.dtype)
        momentum = self._momentums[i]
        self.assign(momentum, self.beta_1 * momentum + gradient)
        ahead = gradient + self.beta_1 * momentum  # Nesterov's
        inputs, outputs = math.prod(variable.shape[:-1]), variable.shape[-1]
        direction = orthogonalized(ops.reshape(ahead, (inputs, outputs)))
        length = 0.2 * math.sqrt(max(inputs, outputs))
        step = learning_rate * share * length
        self.assign_sub(variable, step * ops.reshape(direction, variable.shape))


def orthogonalized(matrix, steps=5):
    """U V^T of a matrix U S V^T, nearly: singular values between 0.7 and 1.2.

    Args:
        matrix: float (M, N).
        steps: of the Newton-Schulz iteration.

    Returns:
        float32 (M, N).

    Reference:
        Jordan et al. 2024, see `AveragedMuon`: a quintic polynomial of the singular values.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.shape[0] <= matrix.shape[1]
    x = ops.cast(matrix if wide else ops.transpose(matrix), "float32")
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
    x = ops.cast(x, "bfloat16")
    for _ in range(steps):
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    x = ops.cast(x, "float32")
    return x if wide else ops.transpose(x)


OPTIMIZERS = {"adam": AveragedAdam, "muon": AveragedMuon}
