"""A Gaussian mixture, whose best denoiser is known in closed form: the oracle of the samplers.

Pictures are points of R^D, shaped (B, 1, D, 1), with

    p(x0) = sum_k w_k N(mu_k, s_k^2 I),   hence   p(x_t) = sum_k w_k N(alpha mu_k, v_k I)

where v_k = alpha^2 s_k^2 + sigma^2, and E[x0 | x_t] is the mean of each component's own linear
regression, mu_k + alpha s_k^2 / v_k (x_t - alpha mu_k), weighed by its responsibility for x_t.
Everything is float64.
"""

import numpy as np


class Mixture:
    """Args: weights (K,), means (K, D), deviations (K,)."""

    def __init__(self, weights, means, deviations):
        self.weights = np.array(weights, np.float64)
        self.means = np.array(means, np.float64)
        self.deviations = np.array(deviations, np.float64)

    def denoiser(self, schedule):
        """The exact (x_t, t) -> E[x0 | x_t] under a schedule."""

        def denoise(x_t, t):
            alpha, sigma = schedule.alpha[t][:, None], schedule.sigma[t][:, None]  # (B, 1)
            variance = alpha**2 * self.deviations**2 + sigma**2  # (B, K)
            away = x_t.reshape(len(x_t), 1, -1) - alpha[:, :, None] * self.means  # (B, K, D)
            logits = (
                np.log(self.weights)
                - np.square(away).sum(-1) / (2 * variance)
                - self.means.shape[1] / 2 * np.log(variance)
            )
            share = np.exp(logits - logits.max(1, keepdims=True))
            share /= share.sum(1, keepdims=True)
            gain = (alpha * self.deviations**2 / variance)[:, :, None]
            return (share[:, :, None] * (self.means + gain * away)).sum(1).reshape(x_t.shape)

        return denoise

    def nearest(self, x):
        """(B, 1, D, 1) -> (B,): the component whose mean is nearest."""
        away = x.reshape(len(x), 1, -1) - self.means
        return np.square(away).sum(-1).argmin(1)


def draw_start(n, pixels=2, seed=0):
    """Standard normal float64 (n, 1, pixels, 1), and a function that draws more of it."""
    rng = np.random.default_rng(seed)

    def noise():
        return rng.standard_normal((n, 1, pixels, 1))

    return noise(), noise
