"""Simple clothes: cloth that covers the shoulders up to a neckline, and a collar."""
import numpy as np

# How the neckline runs: height at the throat, height at the nape, depth of a V at the front, half its width (dm).
NECKLINES = {"T-shirt": (5.42, 5.74, 0.0, 0.3), "V-neck top": (5.46, 5.74, 0.75, 0.42), "polo neck": (5.66, 5.86, 0.0, 0.3),
             "shirt": (5.52, 5.80, 0.62, 0.26), "jacket": (5.48, 5.78, 1.3, 0.46)}
THICKNESS = {"T-shirt": 0.035, "V-neck top": 0.035, "polo neck": 0.05, "shirt": 0.045, "jacket": 0.09}
# Collars: how high they stand, how far they lean out, and the angle (from the front) at which they open.
COLLARS = {"polo neck": (0.30, 0.02, 0.0), "shirt": (0.17, 0.09, 0.30), "jacket": (0.20, 0.12, 0.55)}
ROUND = 48              # corners of a collar
AXIS_Z = 0.16           # where the neck's axis is


def depth_below_neckline(rest, garment):
    """How far below a garment's neckline rest positions (..., 3) lie, in decimetres; negative is bare skin."""
    front, back, cut, half = NECKLINES[garment]
    x, y, z = rest[..., 0], rest[..., 1], rest[..., 2]
    toward_front = np.clip((z + 0.45) / 1.3, 0, 1)
    line = back + (front - back) * toward_front
    opening = cut * np.clip(1 - np.abs(x) / half, 0, 1) * np.clip((z - 0.2) / 0.3, 0, 1)
    return line - opening - y + 0.9 * np.clip(np.abs(x) - 0.55, 0, 1)


def dress(vertices, normals, rest, garment):
    """Lifts the cloth off the skin: float32 (V, 3)."""
    s = np.clip(depth_below_neckline(rest, garment) / 0.08, 0, 1)
    outside = (rest[:, 1] < 6.1)[:, None]
    return vertices + normals * outside * (s * s * (3 - 2 * s) * THICKNESS[garment])[:, None].astype(np.float32)


def collar(vertices, rest, garment):
    """A band round the neck that follows the person's own neck.

    Args:
        vertices: float32 (V, 3), the dressed neutral body.
        rest: float32 (V, 3).
        garment: a name.

    Returns:
        vertices float32 (M, 3), rest positions (M, 3) and triangles int32 (T, 3); all empty for a garment without.
    """
    if garment not in COLLARS:
        empty = np.zeros((0, 3), np.float32)
        return empty, empty, np.zeros((0, 3), np.int32)
    height, lean, opening = COLLARS[garment]
    front, back, _, _ = NECKLINES[garment]
    angle = np.linspace(opening, 2 * np.pi - opening, ROUND)
    toward_front = 0.5 + 0.5 * np.cos(angle)
    bottom = back + (front - back) * toward_front - 0.1
    near_front = np.exp(-(np.minimum(angle - opening, 2 * np.pi - opening - angle) / 0.35) ** 2)
    radius = _neck_radius(vertices, rest, angle)
    rows = []
    for up, out in ((0.0, 0.10), (0.45, 0.055), (1.0, 0.05), (1.04, 0.085), (0.9, 0.10 + lean), (0.35, 0.13 + 1.6 * lean)):
        r = radius + out
        y = bottom + height * up * (1 - 0.15 * toward_front) - (0.12 * near_front * (up > 0.5) if lean > 0.05 else 0)
        rows.append(np.stack([np.sin(angle) * r, y, AXIS_Z + np.cos(angle) * r * 1.02], 1))
    if lean <= 0.05:
        rows = rows[:5]
    points = np.stack(rows, 1).astype(np.float32)                    # (ROUND, R, 3)
    per = points.shape[1]
    base = (np.arange(ROUND - 1)[:, None] * per + np.arange(per - 1)).ravel()
    quads = np.stack([base, base + per, base + per + 1, base, base + per + 1, base + 1], 1)
    flat = points.reshape(-1, 3)
    return flat, flat.copy(), quads.reshape(-1, 3).astype(np.int32)


def _neck_radius(vertices, rest, angle):
    """How far the neck reaches from its axis at each angle from the front: float (A,)."""
    ring = (rest[:, 1] > 5.5) & (rest[:, 1] < 5.95) & (np.abs(rest[:, 0]) < 0.62) & (rest[:, 2] < 0.9)
    around = np.arctan2(vertices[ring, 0], vertices[ring, 2] - AXIS_Z)
    reach = np.hypot(vertices[ring, 0], vertices[ring, 2] - AXIS_Z)
    apart = np.abs((around[None] - angle[:, None] + np.pi) % (2 * np.pi) - np.pi)
    weight = np.exp(-(apart / 0.3) ** 2)
    return (weight * reach).sum(1) / np.maximum(weight.sum(1), 1e-9) + 0.02
