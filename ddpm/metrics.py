"""How far two sets of pictures are apart, given a vector of features for each picture."""

import numpy as np


def frechet_distance(a, b):
    """Fréchet distance between the Gaussians that two sets of features are taken for.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))

    Args:
        a, b: float (N, D) and (M, D), N and M well above D: with few pictures the distance is
            biased upward, so quote it beside that of two sets of real ones of the same sizes.

    Returns:
        float, at least 0.

    Raises:
        ValueError: if the features are not two matrices of equal width.

    Reference:
        Heusel et al. 2017 (arXiv:1706.08500), equation 6, there on Inception features.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            "two matrices of features of the same width are needed. "
            f"Received: shapes {a.shape} and {b.shape}."
        )
    cov_a, cov_b = np.atleast_2d(np.cov(a.T)), np.atleast_2d(np.cov(b.T))
    # tr((S_a S_b)^(1/2)) is the sum of the roots of the eigenvalues of S_a S_b, which are those of
    # the symmetric S_a^(1/2) S_b S_a^(1/2).
    root_a = _root(cov_a)
    eigenvalues = np.linalg.eigvalsh(root_a @ cov_b @ root_a)
    cross = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    shift = np.square(a.mean(0) - b.mean(0)).sum()
    return float(max(shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross, 0.0))


def _root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
