"""The optimizer: Adam with averaged weights, and the learning rate over the steps."""

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
