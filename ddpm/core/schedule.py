"""Noise schedules and timestep spacings: frozen float64 NumPy values.

A schedule is values: `x_t = alpha_t x0 + sigma_t eps` with `alpha_t^2 + sigma_t^2 = 1` (variance
preserving). `t` runs over 0..T-1, where 0 is the least noisy. What the DDIM paper calls alpha and
diffusers calls `alphas_cumprod` is `alpha_bar` here; EDM's noise level is `sigma_ve`.

Everything is computed in float64 and cast by whoever uses it: a float32 `cumprod` loses 1e-4 and
more of `1 - alpha_bar`.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Schedule:
    """The forward process q(x_t | x_0) as values.

    Args:
        beta: float64 (T,), each in (0, 1): the variance that step t adds.

    Raises:
        ValueError: if `beta` is not a vector of numbers strictly between 0 and 1.

    Reference:
        Ho et al. 2020 (arXiv:2006.11239), equations 2 and 4.
    """

    beta: np.ndarray

    def __post_init__(self):
        beta = np.array(self.beta, np.float64)
        if beta.ndim != 1 or not len(beta) or not np.all((beta > 0) & (beta < 1)):
            raise ValueError(
                "beta must be a vector of numbers strictly between 0 and 1. "
                f"Received: beta of shape {beta.shape}."
            )
        beta.setflags(write=False)
        object.__setattr__(self, "beta", beta)

    @property
    def T(self):
        """Number of noise levels."""
        return len(self.beta)

    @cached_property
    def alpha_bar(self):
        """float64 (T,): the product of 1 - beta up to and including t (Ho et al. 2020, eq. 4)."""
        return np.cumprod(1.0 - self.beta)

    @cached_property
    def alpha(self):
        """float64 (T,): the share of the signal, sqrt(alpha_bar)."""
        return np.sqrt(self.alpha_bar)

    @cached_property
    def sigma(self):
        """float64 (T,): the share of the noise, sqrt(1 - alpha_bar)."""
        return np.sqrt(1.0 - self.alpha_bar)

    @cached_property
    def log_snr(self):
        """float64 (T,): log(alpha^2 / sigma^2), falling with t."""
        return np.log(self.alpha_bar) - np.log1p(-self.alpha_bar)

    @cached_property
    def sigma_ve(self):
        """float64 (T,): sigma / alpha, the noise level of `x_t / alpha_t` (Karras et al. 2022)."""
        return self.sigma / self.alpha

    def reached(self, mean, deviation):
        """The share of a normal distribution of ln sigma_ve that lies at or below each timestep.

        Args:
            mean, deviation: of ln sigma_ve.

        Returns:
            float64 (T,), rising to 1. Each timestep has what is nearer to its level than to others.
        """
        level = np.log(self.sigma_ve)
        edges = np.append((level[1:] + level[:-1]) / 2, np.inf)
        return np.array([0.5 * math.erfc((mean - e) / (deviation * math.sqrt(2))) for e in edges])

    def nearest_t(self, sigma_ve):
        """The timesteps whose noise level is nearest on a log scale.

        Args:
            sigma_ve: float (...,), positive noise levels in EDM's convention.

        Returns:
            int32 (...,), timesteps in 0..T-1.
        """
        distance = np.log(self.sigma_ve) - np.log(np.asarray(sigma_ve, np.float64))[..., None]
        return np.abs(distance).argmin(-1).astype(np.int32)


def linear_schedule(T=1000, beta_start=1e-4, beta_end=0.02):
    """beta rises linearly (Ho et al. 2020, section 4). For T other than 1000, beta is scaled by
    1000 / T so that the last level is about as noisy as in the paper (Dhariwal & Nichol 2021), for
    T above 20.

    Args:
        T: number of noise levels, at least 1.
        beta_start, beta_end: the first and last variance at T = 1000.

    Returns:
        A `Schedule`.
    """
    scale = 1000 / _checked(T)
    return Schedule(np.linspace(scale * beta_start, min(scale * beta_end, 0.999), T))


def scaled_linear_schedule(T=1000, beta_start=8.5e-4, beta_end=0.012):
    """sqrt(beta) rises linearly (Rombach et al. 2022, the schedule of Stable Diffusion).

    Args and Returns: as `linear_schedule`.
    """
    scale = 1000 / _checked(T)
    root = np.linspace(np.sqrt(scale * beta_start), np.sqrt(min(scale * beta_end, 0.999)), T)
    return Schedule(root**2)


def cosine_schedule(T=1000, s=0.008, beta_max=0.999):
    """alpha_bar falls as a squared cosine (Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17).

    Args:
        T: number of noise levels, at least 1.
        s: offset that keeps beta from vanishing at t = 0.
        beta_max: the bound on beta, so that the last level keeps a trace of signal.

    Returns:
        A `Schedule`.
    """
    u = np.arange(_checked(T) + 1) / T
    f = np.cos((u + s) / (1 + s) * np.pi / 2) ** 2
    return Schedule(np.clip(1 - f[1:] / f[:-1], 1e-8, beta_max))


SCHEDULES = {
    "linear": linear_schedule,
    "scaled-linear": scaled_linear_schedule,
    "cosine": cosine_schedule,
}


def _checked(T):
    if T < 1:
        raise ValueError(f"T must be at least 1. Received: T={T}.")
    return T


# Spacings: which of the T levels a sampler visits, noisiest first, as int32 (n,).


def uniform_timesteps(schedule, n):
    """n levels evenly apart that end with T - 1 ("trailing", Lin et al. 2024, arXiv:2305.08891,
    table 2): the first step starts from pure noise, the last one removes a full share of it.

    Args:
        schedule: a `Schedule`.
        n: number of levels, 1..T.

    Returns:
        int32 (n,), strictly falling, first element T - 1.

    Raises:
        ValueError: if n is not in 1..T.
    """
    _check_steps(schedule, n)
    return (np.ceil(np.arange(n, 0, -1) * (schedule.T / n) - 1e-9) - 1).astype(np.int32)


def linspace_timesteps(schedule, n):
    """n levels evenly apart from T - 1 down to 0, both included (a single one is T - 1).

    Args, Returns and Raises: as `uniform_timesteps`.
    """
    _check_steps(schedule, n)
    return np.rint(np.linspace(schedule.T - 1, 0, n)).astype(np.int32)


def karras_timesteps(schedule, n, rho=7.0, sigma_max=80.0):
    """The levels nearest to Karras et al. 2022 (arXiv:2206.00364), equation 5: dense where the
    picture is nearly clean. A level is used once: where the curve is denser than the schedule, its
    neighbours are taken.

    Args:
        schedule: a `Schedule`.
        n: number of levels, 1..T.
        rho: 1 spaces sigma_ve evenly, larger values favour low noise.
        sigma_max: the noise level to start from where the schedule goes higher.

    Returns:
        int32 (n,), strictly falling.

    Raises:
        ValueError: if n is not in 1..T.
    """
    _check_steps(schedule, n)
    sigma = karras_sigmas(n, schedule.sigma_ve[0], min(sigma_max, schedule.sigma_ve[-1]), rho)
    t = schedule.nearest_t(sigma)
    t = np.minimum.accumulate(t + np.arange(n)) - np.arange(n)  # strictly falling ...
    return np.maximum(t, np.arange(n - 1, -1, -1)).astype(np.int32)  # ... and not below 0


def karras_sigmas(n, sigma_min, sigma_max, rho=7.0):
    """Noise levels of Karras et al. 2022, equation 5, without the final zero.

    Args:
        n: number of levels.
        sigma_min, sigma_max: the last and the first level, positive.
        rho: curvature.

    Returns:
        float64 (n,), falling from sigma_max to sigma_min.
    """
    ramp = np.linspace(0, 1, n)
    return (
        sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))
    ) ** rho


SPACINGS = {
    "uniform": uniform_timesteps,
    "linspace": linspace_timesteps,
    "karras": karras_timesteps,
}


def _check_steps(schedule, n):
    if not 1 <= n <= schedule.T:
        raise ValueError(
            f"the number of steps must lie in 1..{schedule.T}, one a level. Received: {n}."
        )
