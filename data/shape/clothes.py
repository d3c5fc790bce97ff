"""Simple clothes: cloth that covers the shoulders up to a neckline."""

import numpy as np

from data.shape.maths import step

# How the neckline runs: height at the throat, height at the nape, depth of a V at the front, half
# its width (dm).
NECKLINES = {
    "T-shirt": (5.57, 5.80, 0.0, 0.3),
    "V-neck top": (5.50, 5.74, 0.85, 0.62),
    "polo neck": (5.93, 6.12, 0.0, 0.3),
    "shirt": (5.80, 5.95, 0.25, 0.10),
    "jacket": (5.66, 5.88, 1.4, 0.62),
}
THICKNESS = {
    "T-shirt": 0.035,
    "V-neck top": 0.035,
    "polo neck": 0.07,
    "shirt": 0.05,
    "jacket": 0.09,
}


def depth_below_neckline(rest, garment):
    """How far below a garment's neckline rest positions (..., 3) lie, in decimetres; negative is
    bare skin."""
    front, back, cut, half = NECKLINES[garment]
    x, y, z = rest[..., 0], rest[..., 1], rest[..., 2]
    toward_front = np.clip((z + 0.45) / 1.3, 0, 1)
    line = back + (front - back) * toward_front
    # Nothing here may change fast with z: the chest's triangles are large, and a border that hangs
    # on their depth runs in steps.
    across = np.sqrt(x**2 + 0.02**2)
    opening = cut * _soft(1 - across / half, 0.06) * np.clip((z + 0.15) / 0.25, 0, 1)
    return line - opening - y + 0.9 * _soft(across - 0.55, 0.08)


def _soft(value, width):
    """A value where it is positive and 0 where it is not, with a round corner of a width."""
    return 0.5 * (value + np.sqrt(value**2 + width**2)) - 0.1 * width


def dress(vertices, normals, rest, garment):
    """Lift the cloth off the skin: float32 (V, 3)."""
    thick = step(-0.15, 0.15, depth_below_neckline(rest, garment)) * THICKNESS[garment]
    outside = (rest[:, 1] < 6.2)[:, None]
    return vertices + normals * outside * thick[:, None].astype(np.float32)
