"""Vectors in closed form."""

import numpy as np

from common.vectors import unit


def test_vectors_of_unit_length():
    assert unit([3.0, 4.0]).tolist() == [0.6, 0.8]
    found = unit(np.array([[[0, 2]], [[0, 0]], [[-1, 0]]], np.float32))
    assert found.tolist() == [[[0, 1]], [[0, 0]], [[-1, 0]]] and found.dtype == np.float32
    assert unit([0.0, 1e-3], least=1e-2).tolist() == [0, 0.1]
