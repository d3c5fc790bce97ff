"""A 3-D cartoon's own proportions: the head is changed before anything is rendered, so that every
point and part stays true.

The change is a sum of stretches, each about a centre of the person's own face and with a weight
that depends on the rest position alone. It is linear in the vertices, so a blink still closes an
eye that has grown.
"""

from dataclasses import replace

import numpy as np

from .head import eyeball
from .texture import step

EYE_GROWTH = 0.42
IRIS_GROWTH = 1.22  # of the angle that the iris fills
EYES_APART, EYES_BACK = 0.045, 0.045  # dm that each eye goes outwards and inwards
NOSE = (0.0, 6.90, 1.40)  # rest position about which the nose shrinks
NOSE_SHRINKS = (-0.26, -0.22, -0.42)
CHEEKS = (0.0, 6.85, 0.80)
CHEEKS_GROW = (0.10, 0.0, 0.05)
CHIN_RISES = 0.085
BODY_SHRINKS = (-0.22, 0.0, -0.14)  # of shoulders and neck, about the spine
SKULL_GROWS = (0.05, 0.05, 0.04)


def exaggerate(head, vertices, neutral):
    """Gives a head the proportions of a cartoon.

    Args:
        head: a `data.head.Head`.
        vertices: float32 (V, 3), somebody's face, with or without an expression.
        neutral: float32 (V, 3), the same face without one, to measure.

    Returns:
        float32 (V, 3), decimetres.
    """
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
    for side, sign in (("r", -1), ("l", 1)):
        place, radius = eyeball(head, head.rest, side)
        centre, _ = eyeball(head, neutral, side)
        away = np.hypot(x - place[0], (y - place[1]) * 1.1)
        weight = step(3.4 * radius, 1.35 * radius, away) * front
        _stretch(moved, vertices, weight, centre, (EYE_GROWTH,) * 3)
        moved += weight[:, None] * np.float32([sign * EYES_APART, 0, -EYES_BACK])
    return moved.astype(np.float32)


def _stretch(moved, vertices, weight, centre, growth):
    """Adds to `moved` what vertices (V, 3) move when they grow about a centre, by weights (V,)."""
    moved += weight[:, None] * (vertices - np.float32(centre)) * np.float32(growth)


def wide_iris(directions):
    """Directions (N, 3) in an eye's own frame at which its paint is looked up: nearer to the gaze,
    so that iris and pupil come out larger."""
    polar = np.arccos(np.clip(directions[:, 2:], -1, 1)) / IRIS_GROWTH
    around = directions[:, :2] / np.maximum(
        np.linalg.norm(directions[:, :2], axis=1, keepdims=True), 1e-6
    )
    return np.concatenate([around * np.sin(polar), np.cos(polar)], 1).astype(np.float32)


def painted(person):
    """The same person in a cartoon's paint: fewer lines and spots, stronger brows, purer colours."""
    age = min(person.shape.age, 25 + 0.3 * (person.shape.age - 25))
    thickness, arch, density = person.brows
    return replace(
        person,
        shape=replace(person.shape, age=age),
        skin=_purer(person.skin, 1.22),
        blush=min(1.0, person.blush + 0.3),
        marks=(),
        eye_colour=_purer(np.array(person.eye_colour) * 1.25, 1.4),
        hair_colour=_purer(np.array(person.hair_colour) * 1.1, 1.3),
        brows=(thickness * 1.2, arch, density),
    )


def _purer(colour, factor):
    """A colour (3,), sRGB, with its distance from grey multiplied."""
    colour = np.asarray(colour, float)
    return tuple(map(float, np.clip(colour.mean() + factor * (colour - colour.mean()), 0, 255)))
