"""The training objective: schedule and network coupled for `fit`, on any Keras backend."""

import keras
import numpy as np
from keras import ops

from ddpm.core.denoiser import in_micro_batches
from ddpm.core.prediction import loss_weights, target
from ddpm.nets.layers import depth_to_space
from ddpm.nets.lidb import KNOWN, PREDICTED, REFERENCE
from ddpm.nets.mp_layers import MPConv
from ddpm.training.part_maps import ARRAY

LEVELS = 20  # parts of the noise levels, each with a running mean of its losses
PARTS = 16  # labels of part maps are below
RENEWED = 0.02  # share of that mean that one picture renews


@keras.saving.register_keras_serializable(package="ddpm")
class DenoisingObjective(keras.Model):
    """Denoising as a regression: from x_t, predict eps, x0 or v.

    Written once for every backend: `call` draws t and eps from the model's own `SeedGenerator`
    (whose state a checkpoint must hold, or a resumed run would see the same noise again),
    `compute_loss` reduces. Each batch draws its timesteps stratified, one from each of B equal
    parts of 0..T-1 under a common shift (Kingma et al. 2021, arXiv:2107.00630, appendix I.1): the
    mean is that of independent draws, the variance of the loss is lower.

    Args:
        network: a function (x_t, t, condition) -> prediction, x_t and prediction (B, H, W, C), t
            int32 (B,); the condition is passed where there is one.
        schedule: a `Schedule`.
        prediction: what the network predicts: "eps", "x0" or "v".
        weighting: a word of `prediction.WEIGHTINGS`.
        gamma: upper bound of the min-SNR weights.
        offset_noise: deviation of an extra noise that is constant over each picture's channel; it
            lets a model learn the mean brightness (0.05 in SDXL, 0 is none).
        timestep_bias: 1 draws all timesteps alike; above, the noisier ones more often: t / T is
            1 - (1 - u)^timestep_bias for u uniform.
        log_normal: (mean, deviation) of ln sigma_ve, whose normal distribution timesteps are drawn
            from instead (Karras et al. 2022, arXiv:2206.00364, table 1); () is none.
        balance: divide each picture's loss by the running mean of the losses of its noise level, so
            that all levels count alike (Karras et al. 2024, EDM2, equations 21 and 22: what their
            learned uncertainty exp(u) is where it is best, the expected loss).
        seed: int, of the model's noise.
        micro_batches: compute a batch as so many independent parts (`in_micro_batches`).

    Reference:
        Ho et al. 2020 (arXiv:2006.11239), algorithm 1 and equation 14.
    """

    def __init__(
        self,
        network,
        schedule,
        prediction="x0",
        weighting="min_snr",
        gamma=5.0,
        offset_noise=0.0,
        timestep_bias=1.0,
        log_normal=(),
        balance=False,
        seed=0,
        micro_batches=1,
        **kwargs,
    ):
        # float32 whatever the network's own precision: x_t and the error are small differences.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.network = network
        self.schedule = schedule
        self.prediction = prediction
        self.offset_noise = offset_noise
        self.timestep_bias = timestep_bias
        self.micro_batches = micro_batches
        self.seed_generator = keras.random.SeedGenerator(seed)
        weights = loss_weights(weighting, prediction, schedule.log_snr, gamma)
        self._weights = weights.astype(np.float32)
        self._reached = schedule.reached(*log_normal).astype(np.float32) if log_normal else None
        self.level_loss = None
        if balance:
            self.level_loss = self.add_weight(
                shape=(LEVELS,), initializer="ones", trainable=False, name="level_loss"
            )
        self._alpha = schedule.alpha.astype(np.float32)
        self._sigma = schedule.sigma.astype(np.float32)

    def call(self, inputs, training=None):
        """One draw of the objective.

        Args:
            inputs: x0, float32 (B, H, W, C) in [-1, 1]; or a dict of "x0" and the arrays of the
                condition (`ddpm.conditions`).
            training: bool, passed to the network.

        Returns:
            float32 (B,): each picture's weighted mean squared error.
        """
        condition = dict(inputs) if isinstance(inputs, dict) else {"x0": inputs}
        x0 = condition.pop("x0")
        t = self.draw_t(ops.shape(x0)[0])
        eps = self.draw_eps(ops.shape(x0))
        alpha, sigma, weight = (
            ops.reshape(ops.take(table, t), (-1, 1, 1, 1))
            for table in (self._alpha, self._sigma, self._weights)
        )
        x_t = alpha * x0 + sigma * eps
        prediction, cells, besides = self.evaluate_network(x_t, t, condition, alpha, training)
        error = prediction - target(self.prediction, x0, eps, alpha, sigma)
        loss = ops.mean(weight * cells * ops.square(error), axis=(1, 2, 3))
        if self.level_loss is not None:
            loss = self._balanced(loss, t, training)
        return loss + besides

    def evaluate_network(self, x_t, t, condition, alpha, training):
        """The network's prediction, weights of the cells (B, H, W, 1) with a mean of 1, or 1, and
        what is added to each picture's loss (B,) besides."""
        return self._in_micro_batches(self.network, x_t, t, condition, training), 1.0, 0.0

    def _in_micro_batches(self, network, x_t, t, condition, training):
        micro_batches = self.micro_batches if training else 1
        inputs = (x_t, t, condition) if condition else (x_t, t)
        return in_micro_batches(network, micro_batches, *inputs, training=training)

    def _balanced(self, loss, t, training):
        """Losses (B,) over the running means of those of their noise levels."""
        level = t * LEVELS // self.schedule.T
        if training:
            here = ops.one_hot(level, LEVELS, dtype="float32")  # (B, LEVELS)
            count = ops.sum(here, axis=0)
            mean = ops.sum(here * ops.stop_gradient(loss)[:, None], axis=0) / ops.maximum(
                count, 1.0
            )
            kept = (1.0 - RENEWED) ** count
            self.level_loss.assign(kept * self.level_loss + (1.0 - kept) * mean)
        return loss / ops.stop_gradient(ops.take(self.level_loss, level))

    def draw_t(self, n):
        """Stratified timesteps, int32 (n,) in 0..T-1, biased by `timestep_bias`."""
        u = keras.random.uniform((1,), seed=self.seed_generator)
        u = u + ops.cast(ops.arange(n), "float32") / ops.cast(n, "float32")
        u = u - ops.floor(u)
        if self._reached is not None:
            t = ops.searchsorted(self._reached[:-1], u, side="right")
            return ops.cast(t, "int32")
        if self.timestep_bias != 1:
            u = 1.0 - (1.0 - u) ** self.timestep_bias
        t = ops.floor(u * self.schedule.T)
        return ops.clip(ops.cast(t, "int32"), 0, self.schedule.T - 1)

    def draw_eps(self, shape):
        """Standard normal noise, float32 `shape`, plus each channel's offset noise."""
        eps = keras.random.normal(shape, seed=self.seed_generator)
        if self.offset_noise:
            constant = keras.random.normal((shape[0], 1, 1, shape[3]), seed=self.seed_generator)
            eps = eps + self.offset_noise * constant
        return eps

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean over the batch of what `call` returned."""
        return ops.mean(y_pred)


@keras.saving.register_keras_serializable(package="ddpm")
class HyperObjective(DenoisingObjective):
    """Denoising of several pictures of each of several people, by a network that is told each
    person by features of another picture (`nets.hyper.HyperAdapted`).

    Args:
        people, views: of a batch: the first `views` rows are the first person's, and so on.
        regression: weight of the distance to adapters that were learned before, where a batch has
            such (`lidb.KNOWN`), in shares of their mean squared length.
        Others as `DenoisingObjective`.

    Reference:
        Ruiz et al. 2023, HyperDreamBooth (arXiv:2307.06949), equation 4. There the numbers are
        compared, of which 2 a and b / 2 say what a and b do; here, what they add.
    """

    def __init__(self, *args, people, views, regression=0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.people, self.views, self.regression = people, views, regression

    def draw_t(self, n):
        """As `DenoisingObjective.draw_t`, every person's pictures spread over all of it."""
        t = ops.reshape(super().draw_t(n), (self.views, -1))
        return ops.reshape(ops.transpose(t), (-1,))

    def evaluate_network(self, x_t, t, condition, alpha, training):
        if REFERENCE not in condition:
            return super().evaluate_network(x_t, t, condition, alpha, training)
        # `fit` leaves open how many rows a batch has.
        rows = {name: self.people * self.views for name in condition}
        rows |= {REFERENCE: self.people, KNOWN: self.people}
        condition = {
            name: ops.reshape(array, (rows[name], *array.shape[1:]))
            for name, array in condition.items()
        }
        size = self.people * self.views
        x_t, t = (ops.reshape(array, (size, *array.shape[1:])) for array in (x_t, t))
        known, besides = condition.pop(KNOWN, None), 0.0
        if known is not None:
            numbers = condition[PREDICTED] = self.network.hyper(condition.pop(REFERENCE))
            apart = delta_distances(numbers, known, self.network.hyper.form.numbers[0])
            besides = self.regression * ops.repeat(apart, self.views)
        prediction, cells, _ = super().evaluate_network(x_t, t, condition, alpha, training)
        return prediction, cells, besides


def delta_distances(numbers, known, middle):
    """Squared distances between what light adapters add to kernels of size 1, their mean over the
    kernels, over that of the known ones' squared lengths: float32 (P,), 0 where none is known.

    Between orthogonal bases, |a b - a' b'|^2 = |a|^2 |b|^2 - 2 (a a') (b b') + |a'|^2 |b'|^2.

    Args:
        numbers, known: float32 (P, L, A + B); all 0 where nothing is known of a person.
        middle: A.
    """

    def product(one, two):
        a = ops.sum(one[..., :middle] * two[..., :middle], axis=-1)
        return ops.mean(a * ops.sum(one[..., middle:] * two[..., middle:], axis=-1), axis=-1)

    length = product(known, known)
    apart = product(numbers, numbers) - 2.0 * product(numbers, known) + length
    return ops.where(length > 0, apart / ops.maximum(length, 1e-12), 0.0)


@keras.saving.register_keras_serializable(package="ddpm")
class PartsObjective(DenoisingObjective):
    """Denoising, and the cross-entropy of the parts of a face that a linear head reads from the
    features in the middle of the network.

    Where eyes and mouth will be, in a noisy picture, is what the middle of a network learns slowly
    by denoising alone. Rendered pictures come with their part maps; the head, which is thrown away
    after the training, asks for them. A picture's cross-entropy counts alpha_t^2: from noise alone
    nothing can be read.

    Eyes and a mouth are a few cells of a thousand, and what a face is judged by. With
    `cells_by_part` the error counts more where the head reads such parts. It reads them from x_t,
    so for each x_t the weights are constants, and the best prediction is E[x0 | x_t] as before;
    weights by the true parts would draw it towards pictures that have an eye in the place.

    Args:
        network: a network of levels (`nets.conditioner.UShape`).
        schedule: a `Schedule`.
        part_weight: of the cross-entropy.
        cells_by_part: how much the error of a cell counts by the number of its part, which may be
            up to 15; parts beyond the last one count 1. () lets all cells count alike.
        Others as `DenoisingObjective`.

    Reference:
        Yu et al. 2025, REPA (arXiv:2410.06940), which aligns the features with another network's.
    """

    def __init__(self, network, schedule, *args, part_weight=0.1, cells_by_part=(), **kwargs):
        super().__init__(network, schedule, *args, **kwargs)
        self.part_weight = part_weight
        self._by_part = None
        if cells_by_part:
            ones = [1.0] * (PARTS - len(cells_by_part))
            self._by_part = np.float32([*cells_by_part, *ones])
        config = network.config
        self.cells = config.image_size // config.grids[-1]  # a side, to one of the middle
        self.part_head = MPConv(PARTS * self.cells**2, size=1, gain=0.0, dtype=network.dtype_policy)
        self.part_head.build((None, None, None, config.widths[-1]))

    def evaluate_network(self, x_t, t, condition, alpha, training):
        """The prediction, weights of the cells, and the weighted cross-entropy of the parts (B,).
        The condition has `part_maps.ARRAY`, uint8 (B, h, w), besides what the network takes."""
        condition = dict(condition)
        labels = condition.pop(ARRAY)
        both = self._in_micro_batches(self._with_logits, x_t, t, condition, training)
        prediction, logits = both[..., : x_t.shape[-1]], both[..., x_t.shape[-1] :]
        wrong = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        wrong = ops.mean(wrong, axis=(1, 2)) * ops.reshape(alpha, (-1,)) ** 2
        return prediction, self._weigh_cells(logits), self.part_weight * wrong

    def _weigh_cells(self, logits):
        """Weights of the cells by the parts that the head expects there, of mean 1."""
        if self._by_part is None:
            return 1.0
        expected = ops.softmax(ops.stop_gradient(logits), axis=-1) * self._by_part
        cells = ops.sum(expected, axis=-1, keepdims=True)
        return cells / ops.mean(cells, axis=(1, 2), keepdims=True)

    def _with_logits(self, x_t, t, condition=None, training=False):
        prediction, middle = self.network.with_middle(x_t, t, condition, training=training)
        logits = ops.cast(depth_to_space(self.part_head(middle), self.cells), "float32")
        return ops.concatenate([prediction, logits], axis=-1)
