"""Schedules and spacings against exact arithmetic and the papers' equations."""

import math
from fractions import Fraction

import numpy as np
import pytest

from ddpm.core.schedule import (
    SCHEDULES,
    SPACINGS,
    Schedule,
    cosine_schedule,
    karras_sigmas,
    karras_timesteps,
    linear_schedule,
    linspace_timesteps,
    scaled_linear_schedule,
    uniform_timesteps,
)

LENGTHS = (1, 2, 7, 50, 200, 1000)
all_schedules = pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES.keys())
all_spacings = pytest.mark.parametrize("spacing", SPACINGS.values(), ids=SPACINGS.keys())


@all_schedules
@pytest.mark.parametrize("T", LENGTHS)
def test_alpha_and_sigma_lie_on_the_unit_circle(make, T):
    schedule = make(T)
    assert schedule.T == T == len(schedule.alpha) == len(schedule.sigma)
    assert np.abs(schedule.alpha**2 + schedule.sigma**2 - 1).max() <= 1e-15


@all_schedules
def test_alpha_bar_is_the_exact_product(make):
    schedule = make(1000)
    product, exact = Fraction(1), []
    for beta in schedule.beta.tolist():
        product *= 1 - Fraction(beta)
        # Fractions grow without end: 200 bits are far beyond what float64 can tell.
        product = Fraction(round(product * 2**200), 2**200)
        exact.append(float(product))
    assert np.abs(schedule.alpha_bar - exact).max() < 1e-14
    assert np.abs(schedule.alpha_bar / exact - 1).max() < 1e-12


@all_schedules
@pytest.mark.parametrize("T", LENGTHS)
def test_the_picture_only_gets_noisier(make, T):
    schedule = make(T)
    assert np.all(np.isfinite(schedule.log_snr))
    assert np.all(np.diff(schedule.log_snr) < 0)
    assert np.all(np.diff(schedule.sigma_ve) > 0)


@all_schedules
def test_noise_levels_say_the_same_in_every_convention(make):
    schedule = make(1000)
    snr = schedule.alpha_bar / (1 - schedule.alpha_bar)
    np.testing.assert_allclose(schedule.log_snr, np.log(snr), atol=1e-9)
    np.testing.assert_allclose(schedule.sigma_ve**-2, snr, rtol=1e-9)


def test_linear_has_the_numbers_of_the_ddpm_paper():
    schedule = linear_schedule()
    assert schedule.T == 1000
    assert schedule.beta[0] == 1e-4
    assert schedule.beta[-1] == 0.02
    assert schedule.beta[499] == pytest.approx(1e-4 + 499 / 999 * 0.0199, abs=1e-15)
    # Section 4: the last level is so noisy that KL(q(x_T | x_0) || N(0, I)) is about 1e-5 bits a
    # dimension; alpha_bar there is 4.04e-5.
    assert schedule.alpha_bar[-1] == pytest.approx(4.0358e-5, rel=1e-4)


@pytest.mark.parametrize("make", (linear_schedule, scaled_linear_schedule))
def test_fewer_levels_end_about_as_noisy(make):
    ends = [make(T).log_snr[-1] for T in (1000, 500, 250)]
    assert np.abs(np.subtract(ends, ends[0])).max() < 0.3


def test_scaled_linear_has_an_even_root():
    schedule = scaled_linear_schedule()
    assert schedule.beta[0] == pytest.approx(0.00085, abs=1e-15)
    assert schedule.beta[-1] == pytest.approx(0.012, abs=1e-15)
    assert np.ptp(np.diff(np.sqrt(schedule.beta))) < 1e-14
    assert schedule.alpha_bar[-1] == pytest.approx(0.00466, rel=1e-3)  # Stable Diffusion's


@pytest.mark.parametrize("T", (50, 200, 1000))
def test_cosine_follows_its_formula_until_beta_is_bounded(T):
    schedule = cosine_schedule(T)

    def f(t):
        return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2

    expected = [f(t) / f(0) for t in range(1, T + 1)]  # the paper's t = 1 is our 0
    assert np.abs(schedule.alpha_bar[:-1] - expected[:-1]).max() < 1e-12
    assert schedule.beta[-1] == 0.999
    assert np.all(schedule.beta[:-1] < 0.999)


def test_a_schedule_is_frozen():
    given = np.array([0.1, 0.2])
    schedule = Schedule(given)
    given[0] = 0.9
    assert schedule.beta[0] == 0.1
    with pytest.raises(ValueError):
        schedule.beta[0] = 0.5
    with pytest.raises(AttributeError):
        schedule.beta = given


@pytest.mark.parametrize("beta", ([], [0.0, 0.1], [0.1, 1.0], [0.1, -0.1], [np.nan], [[0.1]]))
def test_a_beta_that_is_no_variance_is_refused(beta):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        Schedule(beta)


@all_schedules
@pytest.mark.parametrize("T", (0, -1))
def test_a_schedule_without_levels_is_refused(make, T):
    with pytest.raises(ValueError, match=f"at least 1. Received: T={T}"):
        make(T)


@all_schedules
def test_nearest_t_finds_each_level_and_what_lies_between(make):
    schedule = make(100)
    assert schedule.nearest_t(schedule.sigma_ve).tolist() == list(range(100))
    assert schedule.nearest_t(schedule.sigma_ve * 1.0001).tolist() == list(range(100))
    between = np.sqrt(schedule.sigma_ve[3] * schedule.sigma_ve[4])
    assert schedule.nearest_t(between * 0.999) == 3
    assert schedule.nearest_t(between * 1.001) == 4
    assert schedule.nearest_t([1e-9, 1e9]).tolist() == [0, 99]


@all_spacings
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("T", LENGTHS)
def test_spacings_visit_each_level_once_noisiest_first(spacing, name, T):
    schedule = SCHEDULES[name](T)
    for n in {1, 2, 3, T // 3, T // 2, T - 1, T} & set(range(1, T + 1)):
        t = spacing(schedule, n)
        assert t.dtype == np.int32
        assert len(t) == n
        assert np.all(np.diff(t) < 0)
        assert 0 <= t[-1] and t[0] <= T - 1
    assert spacing(schedule, T).tolist() == list(range(T))[::-1]


@pytest.mark.parametrize("T", LENGTHS)
def test_uniform_starts_from_pure_noise_with_even_steps(T):
    schedule = linear_schedule(T)
    for n in range(1, T + 1, max(1, T // 60)):
        t = uniform_timesteps(schedule, n)
        steps = -np.diff([*t.tolist(), -1])  # the clean picture lies one below level 0
        assert t[0] == T - 1
        assert steps.max() - steps.min() <= 1


def test_uniform_is_the_trailing_spacing_of_the_paper():
    # Lin et al. 2024, table 2: T = 1000, 10 steps: 999, 899, ..., 99
    assert uniform_timesteps(linear_schedule(), 10).tolist() == list(range(999, 0, -100))


@pytest.mark.parametrize("T", LENGTHS[1:])
def test_linspace_reaches_both_ends(T):
    schedule = linear_schedule(T)
    for n in {2, 3, T // 2, T} & set(range(2, T + 1)):
        t = linspace_timesteps(schedule, n)
        assert (t[0], t[-1]) == (T - 1, 0)
        assert np.diff(t).max() - np.diff(t).min() <= 1
    assert linspace_timesteps(schedule, 1).tolist() == [T - 1]


def test_karras_sigmas_follow_the_equation():
    n, low, high, rho = 18, 0.002, 80.0, 7.0
    expected = [
        (high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho
        for i in range(n)
    ]
    sigmas = karras_sigmas(n, low, high)
    np.testing.assert_allclose(sigmas, expected, rtol=1e-12)
    assert sigmas[0] == pytest.approx(80)
    assert sigmas[-1] == pytest.approx(0.002)


def test_karras_with_rho_1_is_even_in_sigma():
    assert np.ptp(np.diff(karras_sigmas(9, 0.1, 5.0, rho=1))) < 1e-12


def test_karras_timesteps_are_the_levels_nearest_to_the_equation():
    schedule = linear_schedule()
    t = karras_timesteps(schedule, 10)
    wished = karras_sigmas(10, schedule.sigma_ve[0], 80.0)
    between = schedule.sigma_ve[1:] / schedule.sigma_ve[:-1]
    off = np.abs(np.log(schedule.sigma_ve[t] / wished))
    # Where the schedule is coarser than the equation, near the clean end, a neighbour is taken.
    assert np.all(off[:8] <= np.log(between[np.minimum(t[:8], 998)]))
    assert t[-1] == 0
    assert schedule.sigma_ve[t[0]] == pytest.approx(80, rel=0.02)


@pytest.mark.parametrize("name", SCHEDULES)
def test_karras_is_denser_where_the_picture_is_nearly_clean(name):
    schedule = SCHEDULES[name](1000)
    below = [np.sum(schedule.sigma_ve[s(schedule, 30)] < 0.5) for s in SPACINGS.values()]
    uniform, _, karras = below
    assert karras > uniform


@all_spacings
@pytest.mark.parametrize("n", (0, -3, 51))
def test_more_steps_than_levels_are_refused(spacing, n):
    with pytest.raises(ValueError, match=rf"1\.\.50.*Received: {n}"):
        spacing(linear_schedule(50), n)
