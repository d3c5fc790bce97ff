"""Averages of weights by a power of the time, and any of them from a few that were stored.

The average of profile gamma at time t weighs the weights of time tau in [0, t] by
(gamma + 1) tau^gamma / t^(gamma + 1). sigma_rel is that profile's deviation over t: its width.

Reference:
    Karras et al. 2024 (EDM2, arXiv:2312.02696), section 3 and appendix C.
"""

import numpy as np

LOST = 0.05  # of the weights' sum, at most, in an average that is put together


def power_of(sigma_rel):
    """gamma of a relative width: sigma_rel^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3)).

    Raises:
        ValueError: for a width outside (0, 0.28].
    """
    if not 0 < sigma_rel <= 0.28:
        raise ValueError(f"sigma_rel must lie in (0, 0.28]. Received: {sigma_rel}")
    inverse = sigma_rel**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def decay(gamma, step):
    """What an average keeps at a step, 1 being the first: (1 - 1 / step)^(gamma + 1)."""
    return (1.0 - 1.0 / step) ** (gamma + 1.0)


def coefficients(snapshots, sigma_rel, t):
    """Weights of snapshots whose sum is closest to the wanted profile, by least squares.

    Args:
        snapshots: pairs (sigma_rel, t) of the stored averages, no two alike.
        sigma_rel, t: of the wanted average.

    Returns:
        float64 (len(snapshots),).
    """
    gammas = np.array([power_of(width) for width, _ in snapshots])
    times = np.array([time for _, time in snapshots], np.float64)
    A = _products(gammas[:, None], times[:, None], gammas[None, :], times[None, :])
    b = _products(gammas, times, power_of(sigma_rel), float(t))
    return np.linalg.lstsq(A, b, rcond=None)[0]


def reconstruct(snapshots, sigma_rel, t):
    """An average of any width from stored ones.

    Args:
        snapshots: triples (sigma_rel, t, list of arrays), the arrays of every snapshot alike.
        sigma_rel, t: of the wanted average.

    Returns:
        list of float32 arrays.

    Raises:
        ValueError: the stored ones hold no average like that one: their shares, whose sum should be
            1, would be off by more than LOST.
    """
    shares = coefficients([(width, time) for width, time, _ in snapshots], sigma_rel, t)
    if abs(shares.sum() - 1.0) > LOST:
        raise ValueError(
            f"the snapshots hold no average of width {sigma_rel} that ends at step {t}; choose a "
            "width nearer to 0.05 or 0.1."
        )
    columns = zip(*(arrays for _, _, arrays in snapshots), strict=True)
    return [
        sum(
            share * np.asarray(a, np.float64) for share, a in zip(shares, column, strict=True)
        ).astype(np.float32)
        for column in columns
    ]


def _products(gamma_a, t_a, gamma_b, t_b):
    """The integral of the product of two profiles, in logarithms, for powers are large."""
    log = (gamma_a + gamma_b + 1) * np.log(np.minimum(t_a, t_b))
    log = log - (gamma_a + 1) * np.log(t_a) - (gamma_b + 1) * np.log(t_b)
    return (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1) * np.exp(log)
