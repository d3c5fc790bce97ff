"""Lids: how far they cover the eyes at rest, and the lashes on them."""

from functools import lru_cache

import numpy as np

from data.shape.head import express, eyeball, load_head
from data.shape.maths import step, unit

BLINKS = ("eyeBlinkRight", "eyeBlinkLeft")
LASHES = 52  # an eye
IRIS = 25.0  # degrees between the gaze and the edge of the iris
MIDDLE_OF_LID = (0.312, 7.329, 1.388)  # rest position on the edge of the left upper lid
RAISED, LOWERED = -2.2, 0.6  # how far lids may be moved to where they should rest
LIFT = np.float32([0, 0.003, 0.020])  # dm that the dark edge of a lid stands before its skin


def resting_lids(head, vertices, covered):
    """The strength of the units eyeBlinkLeft and eyeBlinkRight at which each upper lid covers a
    share of its iris.

    Args:
        head: a `Head`.
        vertices: float32 (V, 3), a neutral face.
        covered: share of the iris' radius.

    Returns:
        {unit: number about 0}, below where the lid has to be raised.
    """
    closed = express(head, vertices, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    moves = {}
    for side, name, lid in zip("rl", BLINKS, _edge_vertices(), strict=True):
        centre, radius = eyeball(head, vertices, side)
        wanted = centre[1] + radius * np.sin(np.radians(IRIS)) * (1 - covered)
        move = (vertices[lid, 1] - wanted) / (vertices[lid, 1] - closed[lid, 1])
        moves[name] = float(np.clip(move, RAISED, LOWERED))
    return moves


def closed(units):
    """How far eyes are closed by units, (name, strength) pairs: 0 (open or half closed) to 1."""
    return float(step(0.4, 0.8, blink(units)))


def blink(units):
    """The strength of a blink that both eyes share, of units, (name, strength) pairs."""
    units = dict(units)
    return min(units.get("eyeBlinkLeft", 0), units.get("eyeBlinkRight", 0))


@lru_cache(maxsize=1)
def _edge_vertices():
    """The vertices at the middle of the upper lids' edges: of the person's right and left."""
    head = load_head()
    body = head.of_group("body")
    places = np.float32(MIDDLE_OF_LID) * np.float32([[-1, 1, 1], [1, 1, 1]])
    away = np.linalg.norm(head.rest[body][None] - places[:, None], axis=-1)
    return tuple(body[away.argmin(1)])


@lru_cache(maxsize=1)
def _lash_rows():
    """Where upper lashes grow: for roots and for tips, two vertices and the share of the second, (2
    * LASHES,) each."""
    head = load_head()
    lashes, rows = head.of_group("lashes"), []
    for side in ("r", "l"):
        centre, _ = eyeball(head, head.rest, side)
        own = lashes[np.sign(head.rest[lashes, 0]) == np.sign(centre[0])]
        own = own[head.rest[own, 1] > centre[1] - 0.01]
        reach = np.linalg.norm(head.rest[own] - centre, axis=1)
        rows.append(
            [_spread(head.rest, own[reach < 0.160]), _spread(head.rest, own[reach > 0.188])]
        )
    return [
        tuple(np.concatenate(parts) for parts in zip(*pair, strict=True))
        for pair in zip(*rows, strict=True)
    ]


def _spread(rest, row):
    """Spread LASHES places evenly along a row of vertices: first vertex, second vertex, share of
    the second."""
    row = row[np.argsort(np.abs(rest[row, 0]))]
    along = np.linspace(0.9, len(row) - 2.6, LASHES)  # none in the very corners
    first = along.astype(int)
    return row[first], row[first + 1], (along - first).astype(np.float32)


def lashes(posed, length, seed):
    """Upper lashes and the dark edge of the lid that they stand on.

    Args:
        posed: float32 (V, 3), the head's vertices in the world.
        length: of the lashes, dm; `seed`: of how they stray.

    Returns:
        float32 (2, 7, LASHES, 3), for the eyes of the person's right and left, and each lash from
        the nose outwards: both sides of its root, both of its middle, its tip, and the lower and
        the upper border of the lid's edge.
    """
    root, tip = (posed[a] + (posed[b] - posed[a]) * f[:, None] for a, b, f in _lash_rows())
    stray = np.random.default_rng([seed, 6]).normal(0, 1, (2, LASHES, 2)).astype(np.float32)
    eyes = zip(root.reshape(2, -1, 3), tip.reshape(2, -1, 3), stray, strict=True)
    return np.stack([_one_eye(*eye, length) for eye in eyes]).astype(np.float32)


def _one_eye(root, tip, stray, length):
    """One eye's lashes (7, LASHES, 3): roots and tips (LASHES, 3) are the head's own."""
    along = unit(np.gradient(root, axis=0))  # outwards: the rows start at the nose
    forward = unit(tip - root)
    up = np.cross(forward, along)
    up = unit(up * np.sign(up[:, 1:2].mean()))
    place = np.linspace(0, 1, LASHES, dtype=np.float32)[:, None]
    long = length * (0.45 + 0.55 * np.sin(np.pi * place**0.8)) * (1 + 0.22 * stray[:, :1])
    fan = (-0.35 + 1.05 * place + 0.22 * stray[:, 1:]) * along
    thick = min(1.0, length / 0.05)  # short lashes are fine ones, whose roots draw a thin line
    edge = root + (tip - root) * thick * (0.10 + 0.26 * place) + LIFT
    middle = edge + long * (0.5 * forward + 0.14 * up + 0.3 * fan)
    end = edge + long * (0.75 * forward + 0.55 * up + 0.65 * fan)
    half = along * 0.0042
    points = [edge - half, edge + half, middle - 0.7 * half, middle + 0.7 * half, end]
    return np.stack([*points, root + 0.5 * LIFT, edge])
