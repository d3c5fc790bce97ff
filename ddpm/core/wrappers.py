"""Wrappers round a denoiser that steer what is drawn. Each is a few lines and stacks on others:

    inner = scheduled(denoise, windows, T)                  # control pictures, each in its window
    inner = autoguided(inner, weak, 1.6, T=T)               # away from a weaker version
    denoise = guided(inner, condition, negative, 4.0, T=T)  # classifier-free guidance
    denoise = clipped(denoise, (-1, 1))                     # pixels have a range, latents have none
    denoise = projected(denoise, x0_known, mask)            # inpainting
    x0 = sample_heun(denoise, schedule, ...)                # any sampler sees (x_t, t) -> x0_hat

An inner denoiser is (x_t, t, condition) -> x0_hat; an outer one is (x_t, t) -> x0_hat. What changes
from step to step (strengths, windows, the scale) is a value in an array or in NumPy, never a
constant of the compiled step.
"""

import numpy as np


def conditioned(denoise, condition):
    """A denoiser with the same condition at every step, without guidance.

    Args:
        denoise: (x_t, t, condition) -> x0_hat.
        condition: a dict of arrays, a row a picture (`ddpm.conditions`).

    Returns:
        (x_t, t) -> x0_hat.
    """
    return lambda x_t, t: denoise(x_t, t, condition)


def clipped(denoise, bounds):
    """A denoiser whose x0_hat is kept within the range of the data.

    Ho et al. 2020 clip pixels; with few steps it prevents overshoot. It comes after guidance, which
    extrapolates.

    Args:
        denoise: (x_t, t) -> x0_hat.
        bounds: (low, high), or None for data without bounds, such as latents.

    Returns:
        (x_t, t) -> x0_hat.
    """
    if bounds is None:
        return denoise
    return lambda x_t, t: np.clip(denoise(x_t, t), *bounds)


def guided(denoise, condition, negative, scale, interval=(0.0, 1.0), rescale=0.0, T=1000):
    """Classifier-free guidance: away from the negative condition, towards the positive one.

    D = D_negative + scale (D_positive - D_negative), both computed as one batch. As x0_hat and
    eps_hat are linear in each other, it is the same for both. Outside the interval D is D_positive,
    which costs half.

    Args:
        denoise: (x_t, t, condition) -> x0_hat, not clipped.
        condition: what to draw; a dict of arrays, a row a picture.
        negative: what to move away from, with the same names and shapes; the null condition
            (`ddpm.conditions.null_condition`) for plain guidance.
        scale: 1 is no guidance.
        interval: (from, to), within which guidance applies, in shares of the progress from noise,
            0, to the picture, 1: at its beginning it costs variety, at its end it adds nothing.
        rescale: 0 to 1: how far to bring the deviation of each guided x0_hat back to that of the
            positive one, against burnt colours.
        T: timesteps of the schedule.

    Returns:
        (x_t, t) -> x0_hat, not clipped.

    Reference:
        Ho and Salimans 2022 (arXiv:2207.12598), equation 6, with their w = scale - 1;
        Kynkäänniemi et al. 2024 (arXiv:2404.07724), equation 5 (interval);
        Lin et al. 2023 (arXiv:2305.08891), equations 14 to 16 (rescale).
    """
    both = {name: np.concatenate([condition[name], negative[name]]) for name in condition}

    def denoise_guided(x_t, t):
        if scale == 1 or not _within(interval, progress(t, T)):
            return denoise(x_t, t, condition)
        x0_hats = denoise(np.concatenate([x_t, x_t]), np.concatenate([t, t]), both)
        D_positive, D_negative = np.split(np.asarray(x0_hats), 2)
        D = D_negative + np.float32(scale) * (D_positive - D_negative)
        if rescale:
            ratio = _deviation(D_positive) / np.maximum(_deviation(D), 1e-6)
            D = D * np.float32(rescale) * ratio + D * np.float32(1 - rescale)
        return D

    return denoise_guided


def autoguided(denoise, weak, weight, interval=(0.0, 1.0), T=1000):
    """Autoguidance: away from what a weaker version of the same model draws.

    D = D_weak + weight (D_strong - D_weak). The weak one is smaller or trained for less time, on
    the same pictures and conditions: where the two differ, it is an error that the strong one
    makes too, only less. Outside the interval D is D_strong.

    Args:
        denoise, weak: (x_t, t, condition) -> x0_hat, not clipped; both are told the same.
        weight: 1 is no guidance.
        interval, T: as in `guided`.

    Returns:
        (x_t, t, condition) -> x0_hat, not clipped: `guided` can take it, to guide by the condition
        as well.

    Reference:
        Karras et al. 2024, Guiding a Diffusion Model with a Bad Version of Itself
        (arXiv:2406.02507), section 3.
    """

    def denoise_autoguided(x_t, t, condition=None):
        D = denoise(x_t, t, condition)
        if weight == 1 or not _within(interval, progress(t, T)):
            return D
        D_weak = weak(x_t, t, condition)
        return D_weak + np.float32(weight) * (D - D_weak)

    return denoise_autoguided


def scheduled(denoise, windows, T=1000):
    """Control pictures that apply only in their windows.

    Args:
        denoise: (x_t, t, condition) -> x0_hat.
        windows: K pairs (from, to), shares of the progress from noise, 0, to the picture, 1.
        T: timesteps of the schedule.

    Returns:
        (x_t, t, condition) -> x0_hat.
    """

    def denoise_scheduled(x_t, t, condition):
        at = progress(t, T)
        open_ = np.array([_within(window, at) for window in windows], np.float32)
        strengths = condition["strengths"] * open_
        return denoise(x_t, t, {**condition, "strengths": strengths})

    return denoise_scheduled


def projected(denoise, x0_known, mask):
    """Inpainting by projection: outside the mask x0_hat is the known picture.

    Samplers compute their noise from x_t and x0_hat, so the known region follows the path from its
    own noise to the picture in every one of them.

    Args:
        denoise: (x_t, t) -> x0_hat.
        x0_known: float32 (B or 1, H, W, C).
        mask: float32 (B or 1, H, W, 1) in [0, 1], 1 where something is to be painted.

    Returns:
        (x_t, t) -> x0_hat.

    Reference:
        Song et al. 2021 (arXiv:2011.13456), appendix I.2, which replaces x_t; here x0_hat is.
    """
    return lambda x_t, t: mask * denoise(x_t, t) + (1 - mask) * x0_known


def progress(t, T):
    """How far a batch is on its way: 0 where all is noise (t = T - 1), 1 at the picture (t = 0)."""
    return 1.0 - float(t[0]) / (T - 1)


def _within(window, at):
    """Whether `at` lies in (from, to), both ends included but for rounding."""
    return window[0] - 1e-6 <= at <= window[1] + 1e-6


def _deviation(x):
    return np.std(x, axis=(1, 2, 3), keepdims=True)
