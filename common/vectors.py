"""Vectors."""

import numpy as np


def unit(vectors, least=1e-12):
    """Vectors divided by their lengths.

    Args:
        vectors: float (..., D).
        least: the divisor of vectors that are shorter, 0 included.

    Returns:
        (..., D) of the same dtype.
    """
    vectors = np.asarray(vectors)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), least)
