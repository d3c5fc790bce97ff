"""Simple clothes: cloth that covers the shoulders up to a neckline."""

import numpy as np

# How the neckline runs: height at the throat, height at the nape, depth of a V at the front, half
# its width (dm).
NECKLINES = {
    "T-shirt": (5.42, 5.74, 0.0, 0.3),
    "V-neck top": (5.46, 5.74, 0.75, 0.42),
    "polo neck": (5.93, 6.12, 0.0, 0.3),
    "shirt": (5.66, 5.90, 0.62, 0.2),
    "jacket": (5.62, 5.88, 1.5, 0.5),
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
    opening = cut * np.clip(1 - np.abs(x) / half, 0, 1) * np.clip((z - 0.2) / 0.3, 0, 1)
    return line - opening - y + 0.9 * np.clip(np.abs(x) - 0.55, 0, 1)


def dress(vertices, normals, rest, garment):
    """Lifts the cloth off the skin: float32 (V, 3)."""
    s = np.clip(depth_below_neckline(rest, garment) / 0.2, 0, 1)
    outside = (rest[:, 1] < 6.2)[:, None]
    return vertices + normals * outside * (s * s * (3 - 2 * s) * THICKNESS[garment])[
        :, None
    ].astype(np.float32)
