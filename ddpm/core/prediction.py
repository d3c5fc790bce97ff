"""What a network may predict, and how its error is weighted: pure functions of arrays.

With `x_t = alpha x0 + sigma eps` and `alpha^2 + sigma^2 = 1`, any one of eps, x0 and
`v = alpha eps - sigma x0` (Salimans & Ho 2022, arXiv:2202.00512) gives the other two. The functions
use operators alone, so they take NumPy arrays and the tensors of any Keras backend.
"""

import numpy as np

PREDICTIONS = ("eps", "x0", "v")
WEIGHTINGS = ("plain", "min_snr", "clamped_snr")
MIN_SNR_WEIGHT = 0.5  # of "clamped_snr"


def target(prediction, x0, eps, alpha, sigma):
    """The regression target of a network.

    Args:
        prediction: "eps", "x0" or "v".
        x0, eps: (B, H, W, C), clean pictures and the noise.
        alpha, sigma: broadcastable to x0, of the same timesteps.

    Returns:
        (B, H, W, C).

    Raises:
        ValueError: for another prediction.
    """
    _check(prediction)
    if prediction == "eps":
        return eps
    if prediction == "x0":
        return x0
    return alpha * eps - sigma * x0


def to_x0(prediction, output, x_t, alpha, sigma):
    """The clean picture that a network's output implies.

    Args:
        prediction: "eps", "x0" or "v": what `output` is.
        output: (B, H, W, C), the network's output.
        x_t: (B, H, W, C), the noisy picture.
        alpha, sigma: broadcastable to x_t.

    Returns:
        x0_hat, (B, H, W, C). For eps, the error of `output` is magnified by sigma / alpha.

    Raises:
        ValueError: for another prediction.
    """
    _check(prediction)
    if prediction == "eps":
        return (x_t - sigma * output) / alpha
    if prediction == "x0":
        return output
    return alpha * x_t - sigma * output


def to_eps(x_t, x0_hat, alpha, sigma):
    """The noise that a clean picture implies: eps_hat = (x_t - alpha x0_hat) / sigma.

    Args:
        x_t, x0_hat: (B, H, W, C).
        alpha, sigma: broadcastable to x_t.

    Returns:
        eps_hat, (B, H, W, C).
    """
    return (x_t - alpha * x0_hat) / sigma


def loss_weights(weighting, prediction, log_snr, gamma=5.0):
    """Weight of the squared error of `prediction`, for each timestep.

    "plain" is 1. "min_snr" weighs the error of x0 by min(SNR, gamma); in terms of the network's own
    output that is min(SNR, gamma) / SNR for eps and min(SNR, gamma) / (SNR + 1) for v.
    "clamped_snr" lets that weight of x0 fall no lower than 0.5: where all is noise the conditions
    are all that a network has to go by, and with hardly any weight there it learns words slowly,
    since elsewhere the picture itself shows what they say.

    Args:
        weighting: "plain", "min_snr" or "clamped_snr".
        prediction: "eps", "x0" or "v".
        log_snr: float64 (T,).
        gamma: upper bound of the weight.

    Returns:
        float64 (T,).

    Raises:
        ValueError: for another weighting or prediction.

    Reference:
        Hang et al. 2023 (arXiv:2303.09556), section 3.4; Salimans and Ho 2022 (arXiv:2202.00512),
        section 4, "truncated SNR" with a bound of 1, for the lower one.
    """
    _check(prediction)
    if weighting not in WEIGHTINGS:
        raise ValueError(
            f"weighting must be one of {', '.join(WEIGHTINGS)}. Received: {weighting!r}."
        )
    if weighting == "plain":
        return np.ones_like(log_snr)
    snr = np.exp(log_snr)
    divisor = {"eps": snr, "x0": 1.0, "v": snr + 1.0}[prediction]
    least = MIN_SNR_WEIGHT if weighting == "clamped_snr" else 0.0
    return np.clip(snr, least, gamma) / divisor


def _check(prediction):
    if prediction not in PREDICTIONS:
        raise ValueError(
            f"prediction must be one of {', '.join(PREDICTIONS)}. Received: {prediction!r}."
        )
