"""How far two sets of pictures are apart, given a vector of features for each picture.

Fréchet and kernel distance say how different the two sets are as wholes; precision and recall say
which half of it is amiss: pictures that could not be real ones, or real ones that are never drawn.
The features are the caller's: any of these is only as good as what they see.
"""

import numpy as np

BLOCK = 2048  # rows of a matrix of distances that are held at once


def frechet_distance(a, b):
    """Fréchet distance between the Gaussians that two sets of features are taken for.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))

    Args:
        a, b: float (N, D) and (M, D), N and M well above D: with few pictures the distance is
            biased upward, so quote it beside that of two sets of real ones of the same sizes.

    Returns:
        float, at least 0, in the features' units squared.

    Raises:
        ValueError: if the features are not two matrices of equal width.

    Reference:
        Heusel et al. 2017 (arXiv:1706.08500), equation 6, there on Inception features.
    """
    a, b = _pair(a, b, least=2)
    cov_a, cov_b = np.atleast_2d(np.cov(a.T)), np.atleast_2d(np.cov(b.T))
    # tr((S_a S_b)^(1/2)) is the sum of the roots of the eigenvalues of S_a S_b, which are those of
    # the symmetric S_a^(1/2) S_b S_a^(1/2).
    root_a = _root(cov_a)
    eigenvalues = np.linalg.eigvalsh(root_a @ cov_b @ root_a)
    cross = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    shift = np.square(a.mean(0) - b.mean(0)).sum()
    return float(max(shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross, 0.0))


def kernel_distance(a, b):
    """Squared maximum mean discrepancy of two sets of features, unbiased at any number of pictures.

    mean k(a, a') + mean k(b, b') - 2 mean k(a, b) with k(x, y) = (x . y / D + 1)^3, the first two
    means over pairs of different pictures.

    Args:
        a, b: float (N, D) and (M, D), N and M at least 2.

    Returns:
        float; about 0, and as often below as above it, for two sets from one distribution.

    Raises:
        ValueError: if the features are not two matrices of equal width.

    Reference:
        Binkowski et al. 2018 (arXiv:1801.01401), section 4: the kernel inception distance.
    """
    a, b = _pair(a, b, least=2)

    def total(x, y):
        return sum(
            ((x[i : i + BLOCK] @ y.T / x.shape[1] + 1) ** 3).sum() for i in range(0, len(x), BLOCK)
        )

    def among(x):
        own = ((np.square(x).sum(1) / x.shape[1] + 1) ** 3).sum()
        return (total(x, x) - own) / (len(x) * (len(x) - 1))

    return float(among(a) + among(b) - 2 * total(a, b) / (len(a) * len(b)))


def precision_recall(real, drawn, k=3):
    """Improved precision and recall: who lies within reach of the other set?

    A set's manifold is taken to be the union of balls round its pictures, each as large as the
    distance to its k-th nearest neighbour in the same set. Precision is the share of drawn pictures
    within the real manifold, recall the share of real ones within the drawn one.

    Args:
        real, drawn: float (N, D) and (M, D), N and M above k; of about equal numbers, for balls
            shrink as pictures become more.
        k: neighbours.

    Returns:
        (inside_real, inside_drawn): bool (M,) and (N,); their means are precision and recall.

    Raises:
        ValueError: if the features are not two matrices of equal width, or hold too few pictures.

    Reference:
        Kynkäänniemi et al. 2019 (arXiv:1904.06991), equations 1 and 2.
    """
    real, drawn = _pair(real, drawn, least=k + 1)
    real_reach, drawn_reach = (nearest(x, x, k, others=True)[0][:, -1] for x in (real, drawn))
    inside_real, inside_drawn = np.zeros(len(drawn), bool), np.zeros(len(real), bool)
    for start in range(0, len(drawn), BLOCK):
        rows = slice(start, start + BLOCK)
        apart = _distances(drawn[rows], real)
        inside_real[rows] = (apart <= real_reach).any(1)
        inside_drawn |= (apart <= drawn_reach[rows, None]).any(0)
    return inside_real, inside_drawn


def nearest(a, b, k=1, others=False):
    """The k nearest of b to each of a.

    Args:
        a, b: float (N, D) and (M, D).
        k: how many, at most M.
        others: a and b begin with the same pictures, and none is its own neighbour.

    Returns:
        (distances, indices): float64 and int (N, k), Euclidean, nearest first.
    """
    a, b = _pair(a, b, least=1)
    distances, indices = [], []
    for start in range(0, len(a), BLOCK):
        apart = _distances(a[start : start + BLOCK], b)
        if others:
            rows = np.arange(len(apart))
            apart[rows, start + rows] = np.inf
        found = np.argpartition(apart, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(apart, found, 1)
        order = np.argsort(near, axis=1, kind="stable")
        distances.append(np.take_along_axis(near, order, 1))
        indices.append(np.take_along_axis(found, order, 1))
    return np.concatenate(distances), np.concatenate(indices)


def bootstrap(statistic, *sets, rounds=100, seed=0):
    """How far chance alone moves a statistic: 1.96 deviations of it over resampled sets.

    The deviation, not the quantiles: a picture that is drawn twice makes a Fréchet distance larger
    than any set of that size would have it, so that the quantiles would lie off the statistic.

    Args:
        statistic: (*sets) -> float.
        sets: arrays whose first axis is resampled with replacement, each by itself.
        rounds: resamplings.
        seed: int.

    Returns:
        float: half of a 95% interval's width round the statistic.

    Reference:
        Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.
    """
    rng = np.random.default_rng(seed)
    values = [
        statistic(*(x[rng.integers(len(x), size=len(x))] for x in sets)) for _ in range(rounds)
    ]
    return float(1.96 * np.std(values, ddof=1))


def _pair(a, b, least):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < least:
        raise ValueError(
            f"two matrices of features of the same width and at least {least} rows are needed. "
            f"Received: shapes {a.shape} and {b.shape}."
        )
    return a, b


def _distances(a, b):
    """Euclidean distances (N, M) of rows."""
    square = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0, out=square), out=square)


def _root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
