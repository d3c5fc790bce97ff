"""Nostrils: openings beside a columella, alike on both sides, and nothing else moved."""

import numpy as np

from data.shape.head import ASSET
from data.shape.nostrils import DEEPER, HIGHER, open_nostrils, opening


def test_the_openings_go_up_on_both_sides_and_the_columella_and_the_face_stay():
    rest = np.load(ASSET)["vertices"].astype(np.float32)
    moved = open_nostrils(rest) - rest
    assert (moved[:, [0, 2]] == 0).all() and moved[:, 1].min() == 0
    x, y, z = rest.T
    roof = (opening(np.abs(x), z) > 0.9) & (y > 6.868) & (y < 6.886) & (z > 1.45)
    for side in (-1, 1):
        assert (moved[roof & (side * x > 0), 1] > 0.9 * DEEPER).sum() >= 5
    far = (np.abs(x) < 0.03) | (np.abs(x) > 0.2) | (y < 6.83) | (y > 6.97)
    assert (moved[far] < 0.1 * HIGHER).all()
