"""The training objective: the network's inputs, its targets, and that it learns."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from common.devices import use_xla
from ddpm.core.prediction import PREDICTIONS, loss_weights, target
from ddpm.core.schedule import cosine_schedule, linear_schedule
from ddpm.presets import PRESETS
from ddpm.training.objectives import DenoisingObjective


class Spy(keras.layers.Layer):
    """A network that records its inputs and answers with a function of them."""

    def __init__(self, answer=lambda x_t, t: ops.zeros_like(x_t), remembers=True):
        super().__init__()
        self.answer, self.remembers, self.shown, self.built = answer, remembers, [], True

    def call(self, x_t, t, training=None):
        if self.remembers:
            self.shown.append((ops.convert_to_numpy(x_t), ops.convert_to_numpy(t)))
        return self.answer(x_t, t)


def show(x0, schedule, times=1, **options):
    """What the network sees of x0: x_t and t of each call, and the losses."""
    spy = Spy()
    model = DenoisingObjective(spy, schedule, **options)
    losses = [ops.convert_to_numpy(model(x0)) for _ in range(times)]
    x_t, t = zip(*spy.shown, strict=True)
    return np.stack(x_t), np.stack(t), np.stack(losses)


def noise_in(x_t, t, x0, schedule):
    alpha, sigma = (v[t][..., None, None, None] for v in (schedule.alpha, schedule.sigma))
    return (x_t - alpha * x0) / sigma


def test_noisy_pictures_have_the_moments_of_the_closed_form(rng):
    schedule = cosine_schedule(8)
    x0 = rng.uniform(-1, 1, (2000, 4, 4, 3)).astype(np.float32)
    (x_t,), (t,), _ = show(x0, schedule)
    assert x_t.dtype == np.float32 and t.dtype == np.int32
    for level in range(8):
        here = t == level
        away = x_t[here] - schedule.alpha[level] * x0[here]
        n, sigma = away.size, schedule.sigma[level]
        assert abs(away.mean()) < 4.5 * sigma / math.sqrt(n)
        assert abs(away.var() / sigma**2 - 1) < 4.5 * math.sqrt(2 / n)
        # The noise knows nothing of the picture.
        assert abs((away * x0[here]).mean()) < 4.5 * sigma / math.sqrt(n)


def test_each_batch_draws_one_timestep_from_each_equal_part():
    schedule = linear_schedule(10)
    _, t, _ = show(np.zeros((30, 2, 2, 1), np.float32), schedule, times=20)
    assert all(np.bincount(row, minlength=10).tolist() == [3] * 10 for row in t)


def test_timesteps_are_uniform_over_all_levels_with_both_ends():
    schedule = linear_schedule(10)
    _, t, _ = show(np.zeros((3, 2, 2, 1), np.float32), schedule, times=300)
    counts = np.bincount(t.ravel(), minlength=10)
    assert len(counts) == 10
    assert np.abs(counts - 90).max() < 4.5 * math.sqrt(90)
    # Each place of the batch, too: a picture must not always see the same part of the range.
    places = [np.bincount(column, minlength=10) for column in t.T]
    assert np.abs(np.subtract(places, 30)).max() < 4.5 * math.sqrt(30)
    spread = np.sort(t, axis=1)
    gaps = np.diff(np.concatenate([spread, spread[:, :1] + 10], axis=1), axis=1)
    assert gaps.min() >= 3 and gaps.max() <= 4


def test_timesteps_of_a_normal_distribution_of_noise_levels():
    schedule = cosine_schedule(1000)
    _, t, _ = show(np.zeros((50, 2, 2, 1), np.float32), schedule, times=80, log_normal=(-0.4, 1.0))
    level = np.log(schedule.sigma_ve)[t.ravel()]
    assert abs(level.mean() + 0.4) < 0.02 and abs(level.std() - 1.0) < 0.03
    # Stratified: the quantiles of one batch are already those of the distribution.
    medians = np.median(np.log(schedule.sigma_ve)[t], axis=1)
    assert np.abs(medians + 0.4).max() < 0.1
    assert schedule.reached(-0.4, 1.0)[-1] == 1.0


def test_balanced_losses_count_alike_at_every_noise_level(rng):
    """Of a network whose error is ten times as large in the noisier half."""
    schedule = linear_schedule(100)
    x0 = np.zeros((40, 4, 4, 3), np.float32)

    def answer(x_t, t):
        alpha, sigma = (ops.take(v.astype(np.float32), t) for v in (schedule.alpha, schedule.sigma))
        size = 1.0 + 9.0 * ops.cast(t >= 50, "float32")
        exact = x_t / ops.reshape(sigma, (-1, 1, 1, 1))  # eps of a black picture
        return exact + ops.reshape(size, (-1, 1, 1, 1)) + 0.0 * alpha[:, None, None, None]

    model = DenoisingObjective(Spy(answer), schedule, "eps", "plain", balance=True)
    first = ops.convert_to_numpy(model(x0, training=False))
    assert first.max() > 50 * first.min()
    for _ in range(60):
        last = ops.convert_to_numpy(model(x0, training=True))
    np.testing.assert_allclose(last, 1, rtol=0.1)
    assert not any(v is model.level_loss for v in model.trainable_variables)


def test_each_step_sees_new_noise_and_new_timesteps():
    schedule = linear_schedule(1000)
    x0 = np.zeros((4, 8, 8, 3), np.float32)
    x_t, t, _ = show(x0, schedule, times=3)
    eps = noise_in(x_t, t, x0, schedule).reshape(12, -1)
    assert np.abs(np.corrcoef(eps) - np.eye(12)).max() < 0.4
    assert len(np.unique(t[:, 0])) == 3


def test_compiled_steps_see_new_noise_too():
    model = DenoisingObjective(Spy(remembers=False), linear_schedule(), "eps", "plain")
    model.compile(keras.optimizers.SGD(0.0))
    x0 = np.zeros((4, 8, 8, 3), np.float32)
    losses = model.fit(x0, epochs=3, batch_size=4, verbose=0).history["loss"]
    assert len(set(losses)) == 3  # without weights to learn, the noise alone makes a difference


def test_the_seed_decides_the_noise():
    x0 = np.zeros((2, 4, 4, 3), np.float32)
    draws = [show(x0, linear_schedule(), seed=seed)[0] for seed in (0, 0, 1)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def known_answer(prediction, schedule, x0, mistake=0.0):
    """A network that knows the one picture that there is, and answers its target plus a mistake."""

    def answer(x_t, t):
        alpha, sigma = (
            ops.reshape(ops.take(v.astype(np.float32), t), (-1, 1, 1, 1))
            for v in (schedule.alpha, schedule.sigma)
        )
        return target(prediction, x0, (x_t - alpha * x0) / sigma, alpha, sigma) + mistake

    return Spy(answer)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_exact_target_has_no_loss(prediction, rng):
    schedule = linear_schedule()
    x0 = np.repeat(rng.uniform(-1, 1, (1, 4, 4, 3)).astype(np.float32), 64, 0)
    network = known_answer(prediction, schedule, x0)
    loss = DenoisingObjective(network, schedule, prediction, "plain")(x0)
    assert ops.convert_to_numpy(loss).shape == (64,)
    assert ops.convert_to_numpy(loss).max() < 1e-8


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("weighting", ("plain", "min_snr"))
def test_a_mistake_is_weighed_by_its_timestep(prediction, weighting, rng):
    schedule = linear_schedule()
    x0 = np.repeat(rng.uniform(-1, 1, (1, 4, 4, 3)).astype(np.float32), 64, 0)
    network = known_answer(prediction, schedule, x0, mistake=0.5)
    model = DenoisingObjective(network, schedule, prediction, weighting, gamma=3.0)
    loss = ops.convert_to_numpy(model(x0))
    t = network.shown[0][1]
    weights = loss_weights(weighting, prediction, schedule.log_snr, 3.0)[t]
    np.testing.assert_allclose(loss, 0.25 * weights, rtol=1e-3, atol=1e-9)


def test_the_loss_of_fit_is_the_mean_over_the_batch():
    model = DenoisingObjective(Spy(), linear_schedule())
    assert float(model.compute_loss(y_pred=np.float32([1, 2, 6]))) == 3.0


def test_micro_batches_are_computed_alone_and_weigh_the_same(rng):
    x0 = rng.uniform(-1, 1, (6, 4, 4, 3)).astype(np.float32)
    schedule = cosine_schedule(20)
    whole, parted = (Spy(lambda x_t, t: 0.3 * x_t) for _ in range(2))
    expected = DenoisingObjective(whole, schedule, seed=5)(x0, training=True)
    found = DenoisingObjective(parted, schedule, seed=5, micro_batches=3)(x0, training=True)
    assert [len(x_t) for x_t, _ in parted.shown] == [2, 2, 2]
    assert np.array_equal(np.concatenate([t for _, t in parted.shown]), whole.shown[0][1])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_offset_noise_is_constant_over_each_pictures_channel():
    schedule, offset = linear_schedule(100), 0.5
    x0 = np.zeros((1000, 4, 4, 3), np.float32)
    (x_t,), (t,), _ = show(x0, schedule, offset_noise=offset)
    eps = noise_in(x_t, t, x0, schedule)
    n = 3 * len(x0)
    within, between = eps.var((1, 2)).mean() * 16 / 15, eps.mean((1, 2)).var()
    assert abs(within - 1) < 4.5 * math.sqrt(2 / (15 * n))
    expected = offset**2 + 1 / 16
    assert abs(between / expected - 1) < 4.5 * math.sqrt(2 / n)
    channels = np.corrcoef(eps.mean((1, 2)).T)
    assert np.abs(channels - np.eye(3)).max() < 0.15


def test_a_short_fit_learns(rng):
    preset = PRESETS["micro"].with_(network={"image_size": 16})
    schedule = preset.objective.make_schedule()
    model = DenoisingObjective(preset.make_network(), schedule, "x0", "min_snr")
    model.compile(keras.optimizers.Adam(2e-3), jit_compile=use_xla())
    colours = rng.uniform(-1, 1, (16, 1, 1, 3))
    x0 = np.broadcast_to(colours, (16, 16, 16, 3)).astype(np.float32)
    losses = model.fit(np.tile(x0, (10, 1, 1, 1)), batch_size=16, epochs=5, verbose=0).history
    assert losses["loss"][-1] < 0.5 * losses["loss"][0]


def test_the_timestep_bias_draws_noisy_levels_more_often():
    """t / T is 1 - (1 - u)^bias for u uniform: P(t / T < s) = 1 - (1 - s)^(1 / bias)."""
    schedule, x0 = linear_schedule(100), np.zeros((500, 1, 1, 1), np.float32)
    for bias in (1.0, 1.5, 3.0):
        t = np.sort(show(x0, schedule, times=10, timestep_bias=bias)[1].ravel())
        assert t.min() >= 0 and t.max() <= 99
        expected = 1 - (1 - (np.arange(100) + 1) / 100) ** (1 / bias)
        found = np.searchsorted(t, np.arange(100), "right") / len(t)
        assert np.abs(found - expected).max() < 0.01


def test_conditions_reach_the_network_row_by_row():
    seen = {}

    class Conditional(keras.layers.Layer):
        def call(self, x_t, t, condition, training=None):
            seen.update(condition)
            return ops.zeros_like(x_t)

    batch = {"x0": np.zeros((4, 2, 2, 3), np.float32), "tokens": np.arange(8).reshape(4, 2)}
    DenoisingObjective(Conditional(), linear_schedule())(batch)
    assert list(seen) == ["tokens"]
    np.testing.assert_array_equal(ops.convert_to_numpy(seen["tokens"]), batch["tokens"])
    assert set(batch) == {"x0", "tokens"}
