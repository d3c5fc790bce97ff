"""A cartoon's own proportions: the head is changed before anything is rendered, so that every
point and part stays true.

The change is a sum of stretches, each about a centre of the person's own face and with a weight
that depends on the rest position alone. It is linear in the vertices, so a blink still closes an
eye that has grown.
"""

import numpy as np

from data.shape.head import eyeball
from data.shape.maths import step

# How far each style goes towards a cartoon's proportions.
STRENGTH = {"3-D cartoon": 1.0, "manga": 0.7}
EYE_GROWTH = 0.34
LIDS_OPEN = 1.4
INSIDE = ("upper-teeth", "lower-teeth", "tongue")  # kept well behind lips that move
IRIS_GROWTH = 0.2  # of the angle that the iris fills
EYES_APART, EYES_BACK = 0.05, 0.06  # dm that each eye goes outwards and inwards
NOSE = (0.0, 6.90, 1.40)  # rest position about which the nose shrinks
NOSE_SHRINKS = (-0.3, -0.25, -0.25)
CHEEKS = (0.0, 6.85, 0.80)
CHEEKS_GROW = (0.10, 0.0, 0.05)
CHIN_RISES = 0.085
BODY_SHRINKS = (-0.22, 0.0, -0.14)  # of shoulders and neck, about the spine
SKULL_GROWS = (0.05, 0.05, 0.04)


def exaggerate(head, vertices, neutral, style):
    """Give a head the proportions of a cartoon.

    Args:
        head: a `data.shape.head.Head`.
        vertices: float32 (V, 3), somebody's face, with or without an expression.
        neutral: float32 (V, 3), the same face without one, to measure.
        style: one of `data.shape.parts.STYLES`.

    Returns:
        float32 (V, 3), decimetres.
    """
    strength = STRENGTH.get(style, 0.0)
    if not strength:
        return vertices
    x, y, z = head.rest.T
    front = step(0.55, 0.95, z)
    moved = vertices.copy()
    body = step(6.35, 5.75, y + 0.45 * np.clip(z - 0.3, 0, 1.2))
    _stretch(moved, vertices, body, (0, 5.75, 0.1), BODY_SHRINKS)
    skull = step(6.9, 7.7, y)
    _stretch(moved, vertices, skull, (0, 7.3, 0.42), SKULL_GROWS)
    cheeks = np.exp(-(((y - 6.85) / 0.34) ** 2)) * step(6.0, 6.3, y) * step(0.2, 0.7, z)
    _stretch(moved, vertices, cheeks, CHEEKS, CHEEKS_GROW)
    moved[:, 1] += CHIN_RISES * step(6.62, 6.2, y) * step(5.7, 6.1, y) * step(0.2, 0.9, z)
    nose = step(0.30, 0.08, np.abs(x)) * step(6.66, 6.82, y) * step(7.42, 7.0, y) * front
    _stretch(moved, vertices, nose, NOSE, NOSE_SHRINKS)
    inner = np.concatenate([head.of_group(name) for name in INSIDE])
    moved[inner] += vertices[inner] * np.float32([-0.1, 0, 0]) - np.float32([0, 0, 0.03])
    for side, sign in (("r", -1), ("l", 1)):
        _widen_eye(moved, vertices, head, neutral, side, sign)
    return (vertices + strength * (moved - vertices)).astype(np.float32)


def _widen_eye(moved, vertices, head, neutral, side, sign):
    """Add to `moved` what an eye and its surroundings move; `sign` is -1 or 1, the side's in x."""
    x, y, z = head.rest.T
    place, radius = eyeball(head, head.rest, side)
    centre, _ = eyeball(head, neutral, side)
    away = np.hypot(x - place[0], (y - place[1]) * 1.1)
    weight = step(3.2 * radius, 1.3 * radius, away) * step(0.5, 0.9, z)
    ball = head.of_group(f"{side}-eye")
    bridge = step(0.02, 0.15, sign * x)  # the nose between the eyes stays
    bridge[ball] = weight[ball] = 1
    weight *= bridge
    _stretch(moved, vertices, weight, centre, (EYE_GROWTH,) * 3)
    moved += weight[:, None] * np.float32([sign * EYES_APART, 0, -EYES_BACK])
    # The lids open along the ball: taller about its middle, as far from it as before.
    offset = vertices - centre
    opened = offset * np.float32([1, LIDS_OPEN, 1])
    opened *= np.linalg.norm(offset, axis=1, keepdims=True) / np.linalg.norm(
        opened, axis=1, keepdims=True
    )
    lids = step(1.9 * radius, 1.2 * radius, away) * weight
    lids[ball] = 0
    moved += lids[:, None] * (1 + EYE_GROWTH) * (opened - offset)


def _stretch(moved, vertices, weight, centre, growth):
    """Add to `moved` what vertices (V, 3) move when they grow about a centre, by weights (V,)."""
    moved += weight[:, None] * (vertices - np.float32(centre)) * np.float32(growth)


def wide_iris(directions, style):
    """Directions (N, 3) in an eye's own frame at which its paint is looked up: nearer to the gaze,
    so that iris and pupil come out larger."""
    strength = STRENGTH.get(style, 0.0)
    if not strength:
        return directions
    polar = np.arccos(np.clip(directions[:, 2:], -1, 1)) / (1 + IRIS_GROWTH * strength)
    around = directions[:, :2] / np.maximum(
        np.linalg.norm(directions[:, :2], axis=1, keepdims=True), 1e-6
    )
    return np.concatenate([around * np.sin(polar), np.cos(polar)], 1).astype(np.float32)
