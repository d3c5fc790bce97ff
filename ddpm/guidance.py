"""Wrappers round a denoiser that steer what is drawn. Each is a few lines and stacks on others:

    inner = scheduled(denoise, windows, schedule.T)      # control pictures, each in its window
    denoise = guided(inner, condition, negative, 4.0)    # words, by classifier-free guidance
    x0 = sample_heun(denoise, schedule, ...)             # any sampler: it sees (x_t, t) -> x0_hat

An inner denoiser is (x_t, t, condition) -> x0_hat; an outer one is (x_t, t) -> x0_hat. What changes
from step to step (strengths, windows, the scale) is a value in an array or in NumPy, never a
constant of the compiled step.
"""

import numpy as np


def conditioned(denoise, condition):
    """Tell a denoiser the same at every step, without guidance.

    Args:
        denoise: (x_t, t, condition) -> x0_hat.
        condition: a dict of arrays, a row a picture (`condition.py`).

    Returns:
        (x_t, t) -> x0_hat.
    """
    return lambda x_t, t: denoise(x_t, t, condition)


def guided(denoise, condition, negative, scale, interval=(0.0, 1.0), rescale=0.0, T=1000):
    """Classifier-free guidance: away from the negative condition, towards the positive one.

    D = D_negative + scale (D_positive - D_negative), both computed as one batch. As x0_hat and
    eps_hat are linear in each other, it is the same for both. Outside the interval D is D_positive,
    which costs half.

    Args:
        denoise: (x_t, t, condition) -> x0_hat, unclipped or clipped.
        condition: what to draw; a dict of arrays, a row a picture.
        negative: what to keep away from, with the same names and shapes; `condition.nothing` for
            plain guidance.
        scale: 1 is no guidance.
        interval: (from, to), shares of the way from noise, 0, to the picture, 1, where guidance is
            at work: at its beginning it costs variety, at its end it adds nothing.
        rescale: 0 to 1: how far to bring the deviation of each guided x0_hat back to that of the
            positive one, against burnt colours.
        T: timesteps of the schedule.

    Returns:
        (x_t, t) -> x0_hat in [-1, 1].

    Reference:
        Ho and Salimans 2022 (arXiv:2207.12598), equation 6, with their w = scale - 1;
        Kynkäänniemi et al. 2024 (arXiv:2404.07724), equation 5 (interval);
        Lin et al. 2023 (arXiv:2305.08891), equations 14 to 16 (rescale).
    """
    both = {name: np.concatenate([condition[name], negative[name]]) for name in condition}

    def denoise_guided(x_t, t):
        if scale == 1 or not _within(interval, way(t, T)):
            return np.clip(denoise(x_t, t, condition), -1, 1)
        x0_hats = denoise(np.concatenate([x_t, x_t]), np.concatenate([t, t]), both)
        positive, away_from = np.split(np.asarray(x0_hats), 2)
        x0_hat = away_from + np.float32(scale) * (positive - away_from)
        if rescale:
            ratio = _deviation(positive) / np.maximum(_deviation(x0_hat), 1e-6)
            x0_hat = x0_hat * np.float32(rescale) * ratio + x0_hat * np.float32(1 - rescale)
        return np.clip(x0_hat, -1, 1)

    return denoise_guided


def scheduled(denoise, windows, T=1000):
    """Let each control picture count only in its window of the way.

    Args:
        denoise: (x_t, t, condition) -> x0_hat.
        windows: K pairs (from, to), shares of the way from noise, 0, to the picture, 1.
        T: timesteps of the schedule.

    Returns:
        (x_t, t, condition) -> x0_hat.
    """

    def denoise_scheduled(x_t, t, condition):
        at = way(t, T)
        open_ = np.array([_within(window, at) for window in windows], np.float32)
        strengths = condition["strengths"] * open_
        return denoise(x_t, t, {**condition, "strengths": strengths})

    return denoise_scheduled


def way(t, T):
    """How far a batch is on its way: 0 where all is noise (t = T - 1), 1 at the picture (t = 0)."""
    return 1.0 - float(t[0]) / (T - 1)


def _within(window, at):
    """Whether a share of the way lies in (from, to), both ends included but for rounding."""
    return window[0] - 1e-6 <= at <= window[1] + 1e-6


def _deviation(x):
    return np.std(x, axis=(1, 2, 3), keepdims=True)
