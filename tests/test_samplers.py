"""Samplers against a Gaussian mixture whose best denoiser is known, and against each other."""

import math

import numpy as np
import pytest
from mixture import Mixture, draw_start

from ddpm.core.samplers import (
    SAMPLERS,
    PictureNoise,
    sample_ddim,
    sample_ddpm,
    sample_dpmpp_2m,
    sample_euler,
    sample_heun,
)
from ddpm.core.schedule import (
    SCHEDULES,
    SPACINGS,
    Schedule,
    cosine_schedule,
    linear_schedule,
    uniform_timesteps,
)

DETERMINISTIC = ("ddim", "euler", "heun", "dpmpp_2m")
FACES = Mixture([0.5, 0.3, 0.2], [[-0.7, -0.5], [0.8, 0.1], [-0.2, 0.9]], [0.1, 0.2, 0.05])

every_sampler = pytest.mark.parametrize("sample", SAMPLERS.values(), ids=SAMPLERS.keys())
deterministic = pytest.mark.parametrize("sample", [SAMPLERS[w] for w in DETERMINISTIC])


def silence():
    raise AssertionError("a deterministic sampler asked for noise")


def draw_mixture(sample, n=4000, steps=None, spacing="uniform", T=1000, **options):
    schedule = linear_schedule(T)
    timesteps = SPACINGS[spacing](schedule, steps or T)
    x, noise = draw_start(n)
    return sample(FACES.denoiser(schedule), schedule, timesteps, x, noise, **options)


def check_mixture(x, bias=0.01):
    """Shares, means and deviations of the modes, within four standard errors and a bias."""
    n, modes = len(x), FACES.nearest(x)
    for k, (weight, mean, deviation) in enumerate(
        zip(FACES.weights, FACES.means, FACES.deviations, strict=True)
    ):
        mode = x[modes == k].reshape(-1, 2)
        share_error = math.sqrt(weight * (1 - weight) / n)
        assert abs(len(mode) / n - weight) < 4 * share_error + bias
        mean_error = deviation / math.sqrt(len(mode))
        assert np.abs(mode.mean(0) - mean).max() < 4 * mean_error + bias
        spread_error = deviation / math.sqrt(2 * len(mode))
        assert np.abs(mode.std(0) - deviation).max() < 4 * spread_error + bias


def test_the_denoiser_of_the_mixture_is_the_posterior_mean():
    schedule = linear_schedule()
    rng = np.random.default_rng(1)
    k = rng.choice(3, 400_000, p=FACES.weights)
    x0 = FACES.means[k] + FACES.deviations[k, None] * rng.standard_normal((len(k), 2))
    for t in (50, 300, 700):
        x_t = schedule.alpha[t] * x0 + schedule.sigma[t] * rng.standard_normal(x0.shape)
        here = np.array([0.3, 0.2])
        near = np.abs(x_t - here).max(1) < 0.05
        answer = FACES.denoiser(schedule)(here.reshape(1, 1, 2, 1), np.array([t]))
        error = x0[near].std(0) / math.sqrt(near.sum())
        assert near.sum() > 50
        assert np.all(np.abs(x0[near].mean(0) - answer.ravel()) < 4 * error + 0.02)


@pytest.mark.parametrize(
    "sample, steps, options",
    [
        (sample_ddpm, 1000, {}),
        (sample_ddim, 200, {}),
        (sample_ddim, 1000, {"eta": 0.5}),
        (sample_euler, 200, {}),
        (sample_heun, 40, {"spacing": "karras"}),
        (sample_dpmpp_2m, 40, {"spacing": "karras"}),
        (sample_euler, 500, {"s_churn": 40}),
        (sample_heun, 200, {"s_churn": 40, "s_min": 0.05, "s_max": 50}),
    ],
)
def test_pictures_are_distributed_as_the_data(sample, steps, options):
    check_mixture(draw_mixture(sample, steps=steps, **options))


def test_the_ancestral_sampler_can_skip_levels():
    check_mixture(draw_mixture(sample_ddpm, steps=250), bias=0.03)


def even_log_levels(T, low=0.01, high=50.0):
    """A schedule whose log sigma_ve is even, so that grids of any coarseness nest in it."""
    alpha_bar = 1 / (1 + np.geomspace(low, high, T) ** 2)
    return Schedule(1 - alpha_bar / np.concatenate([[1.0], alpha_bar[:-1]]))


@pytest.mark.parametrize(
    "sample, order",
    [(sample_ddim, 1), (sample_euler, 1), (sample_heun, 2), (sample_dpmpp_2m, 2)],
)
def test_the_order_of_convergence_is_the_papers(sample, order):
    finest = 4096
    schedule = even_log_levels(finest + 1)
    smooth = Mixture([0.6, 0.4], [[-0.5, -0.3], [0.5, 0.4]], [0.4, 0.6])
    denoise = smooth.denoiser(schedule)
    x, _ = draw_start(16)

    def solve(sample, n):
        timesteps = np.arange(finest, -1, -finest // n)
        return sample(denoise, schedule, timesteps, x, silence)

    truth = solve(sample_heun, finest)
    errors = [np.abs(solve(sample, n) - truth).max() for n in (32, 64, 128, 256)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.abs(orders - order).max() < 0.25, orders


@every_sampler
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("n", (5, 10, 20, 50))
def test_few_steps_on_a_cosine_schedule_stay_near_the_data(sample, spacing, n):
    """Its noisiest level is 20,000 times as noisy as its picture: a step from there can explode."""
    schedule = cosine_schedule(1000)
    x, noise = draw_start(500)
    timesteps = SPACINGS[spacing](schedule, n)
    x0 = sample(FACES.denoiser(schedule), schedule, timesteps, x, noise)
    away = np.abs(x0.reshape(len(x0), -1) - FACES.means[FACES.nearest(x0)]).max(1)
    deviation = FACES.deviations[FACES.nearest(x0)]
    assert np.abs(x0).max() < 10
    if n >= 20:  # fewer are too coarse to end on a mode, and may overshoot
        assert np.abs(x0).max() < 2
        assert np.mean(away < 4 * deviation) > 0.9


def test_euler_is_ddim_without_fresh_noise():
    ddim = draw_mixture(sample_ddim, n=64, steps=30)
    euler = draw_mixture(sample_euler, n=64, steps=30)
    assert np.abs(ddim - euler).max() < 1e-12


@pytest.mark.parametrize("steps", (1000, 40))
def test_ddim_at_eta_1_is_the_ddpm_posterior(steps):
    ddim = draw_mixture(sample_ddim, n=64, steps=steps, eta=1.0)
    ddpm = draw_mixture(sample_ddpm, n=64, steps=steps)
    assert np.abs(ddim - ddpm).max() < 1e-10


@pytest.mark.parametrize("sample, options", [(sample_ddpm, {}), (sample_ddim, {"eta": 1.0})])
@pytest.mark.parametrize("name", SCHEDULES)
def test_ancestral_sampling_is_the_posterior_of_the_ddpm_paper(sample, options, name):
    """Ho et al. 2020, equations 6 and 7, in the paper's own symbols."""
    schedule = SCHEDULES[name](300)
    denoise = FACES.denoiser(schedule)
    beta = schedule.beta
    alpha, alpha_bar = 1 - beta, np.cumprod(1 - beta)
    x, noise = draw_start(64, seed=5)
    result = sample(denoise, schedule, uniform_timesteps(schedule, 300), x, noise, **options)

    x, noise = draw_start(64, seed=5)
    for t in reversed(range(300)):
        x0 = denoise(x, np.full(64, t))
        before = alpha_bar[t - 1] if t else 1.0
        mean = (
            np.sqrt(before) * beta[t] / (1 - alpha_bar[t]) * x0
            + np.sqrt(alpha[t]) * (1 - before) / (1 - alpha_bar[t]) * x
        )
        variance = (1 - before) / (1 - alpha_bar[t]) * beta[t]
        x = mean + (np.sqrt(variance) * noise() if t else 0)
    assert np.abs(result - x).max() < 1e-9


def test_dpmpp_2m_is_the_update_of_its_paper():
    """Lu et al. 2022, algorithm 2, in the paper's own symbols, up to the last visited level."""
    schedule = linear_schedule()
    denoise = FACES.denoiser(schedule)
    t = uniform_timesteps(schedule, 12)
    seen = []
    x_T, _ = draw_start(8)
    sample_dpmpp_2m(lambda x, t: seen.append(x) or denoise(x, t), schedule, t, x_T, silence)

    a, s = schedule.alpha[t], schedule.sigma[t]
    lam = np.log(a / s)
    x, D, before = x_T, None, None
    for i in range(1, 12):
        x0 = denoise(x, np.full(8, t[i - 1]))
        h = lam[i] - lam[i - 1]
        if before is None:
            D = x0
        else:
            r = (lam[i - 1] - lam[i - 2]) / h
            D = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * before
        x, before = s[i] / s[i - 1] * x - a[i] * (np.exp(-h) - 1) * D, x0
        assert np.abs(seen[i] - x).max() < 1e-12


@every_sampler
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("n", (1, 2, 3, 19, 20))
def test_any_number_of_steps_ends_at_what_the_denoiser_sees(sample, spacing, n):
    schedule = linear_schedule(20)
    timesteps = SPACINGS[spacing](schedule, n)
    picture = np.float32([[[[0.25], [-0.5]]]])
    seen = []

    def denoise(x_t, t):
        assert x_t.dtype == np.float32 and t.dtype == np.int32 and t.shape == (3,)
        seen.append(int(t[0]))
        return np.broadcast_to(picture, x_t.shape)

    noise = PictureNoise(0, range(3), (1, 2, 1))
    x = sample(denoise, schedule, timesteps, noise(), noise)
    assert x.dtype == np.float32
    # x / alpha is up to 200 times as large, which costs float32 two digits.
    assert np.abs(x - picture).max() < 2e-4
    assert sorted(set(seen), reverse=True) == timesteps.tolist()


@every_sampler
def test_the_denoiser_is_shown_pictures_of_unit_variance(sample):
    """Data and noise of variance 1: then x_t has variance 1 at each level, in every variable."""
    schedule = linear_schedule()
    whole = Mixture([1.0], [[0.0, 0.0]], [1.0])
    denoise = whole.denoiser(schedule)
    spreads = []

    def watch(x_t, t):
        spreads.append(x_t.std())
        return denoise(x_t, t)

    x, noise = draw_start(4000)
    sample(watch, schedule, uniform_timesteps(schedule, 100), x, noise)
    assert np.abs(np.subtract(spreads, 1)).max() < 0.05


@deterministic
def test_deterministic_samplers_never_ask_for_noise(sample):
    schedule = linear_schedule(50)
    x, _ = draw_start(4)
    sample(FACES.denoiser(schedule), schedule, uniform_timesteps(schedule, 50), x, silence)


@pytest.mark.parametrize("sample", (sample_euler, sample_heun))
def test_churn_stays_out_of_the_levels_that_it_is_not_meant_for(sample):
    plain = draw_mixture(sample, n=8, steps=20)
    elsewhere = draw_mixture(sample, n=8, steps=20, s_churn=40, s_min=1e6)
    everywhere = draw_mixture(sample, n=8, steps=20, s_churn=40)
    assert np.array_equal(plain, elsewhere)
    assert np.abs(plain - everywhere).max() > 0.01


@every_sampler
def test_observers_see_each_step_once_from_noise_to_picture(sample):
    schedule = linear_schedule(100)
    x, noise = draw_start(4)
    seen = []
    result = sample(
        FACES.denoiser(schedule),
        schedule,
        uniform_timesteps(schedule, 10),
        x,
        noise,
        observe=lambda i, x0_hat: seen.append((i, x0_hat)),
    )
    assert [i for i, _ in seen] == list(range(10))
    assert np.abs(seen[0][1] - result).max() > np.abs(seen[-1][1] - result).max()


def test_the_noise_of_a_picture_depends_on_its_seed_and_number_alone():
    shape = (4, 4, 3)
    alone, crowd = PictureNoise(7, [13], shape), PictureNoise(7, range(64), shape)
    for _ in range(3):
        assert np.array_equal(alone()[0], crowd()[13])
    first, second = crowd(), crowd()
    assert first.shape == (64, *shape) and first.dtype == np.float32
    assert len(np.unique(np.concatenate([first, second]).reshape(128, -1), axis=0)) == 128
    assert not np.array_equal(PictureNoise(7, [1], shape)(), PictureNoise(8, [1], shape)())
    assert not np.array_equal(PictureNoise(0, [1], shape)(), PictureNoise(1, [0], shape)())


def test_the_noise_is_standard_normal():
    noise = PictureNoise(0, range(100), (16, 16, 3))()
    assert abs(noise.mean()) < 4 / math.sqrt(noise.size)
    assert abs(noise.var() - 1) < 4 * math.sqrt(2 / noise.size)
    assert abs((noise**4).mean() - 3) < 4 * math.sqrt(96 / noise.size)
