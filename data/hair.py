"""Hair that grows from the scalp: strands that leave the skin, follow a comb, fall and curl, as
thin ribbons.

Each cut is a few numbers (`Cut`). Strands are grown in the upright head's frame, all at once, a
step at a time; at each step they are pushed out of the skull, which is known as a distance in each
direction from its centre.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .head import CENTRE, load_head
from .texture import look_up

# The hairline of a rest head: height over the angle round the skull, from the middle of the
# forehead (0) to the nape.
HAIRLINE_ANGLE = (0.0, 0.4, 0.62, 0.80, 0.98, 1.15, 1.32, 1.62, 1.90, 2.30, 3.15)
HAIRLINE_HEIGHT = (7.99, 7.97, 7.84, 7.62, 7.38, 7.22, 7.36, 7.28, 6.98, 6.76, 6.68)
DOWN = np.array([0, -1, 0], np.float32)
ROOTS = 9000  # candidate roots on the whole head; a cut takes those on its scalp
DIRECTIONS = (40, 64)  # grid of directions (up-down, round) in which the skull's size is kept


@dataclass(frozen=True, eq=False)
class Strands:
    """Grown hair: points float32 (N, K, 3), outward float32 (N, K, 3) unit (for light), width (N,),
    tint (N,) in [0, 1]."""

    points: np.ndarray
    outward: np.ndarray
    width: np.ndarray
    tint: np.ndarray


def hairline_distance(rest, recede=0.0):
    """How far above the hairline rest positions (..., 3) lie, in decimetres; negative below it."""
    angle = np.arctan2(np.abs(rest[..., 0]), rest[..., 2] - CENTRE[2])
    line = np.interp(angle, HAIRLINE_ANGLE, HAIRLINE_HEIGHT)
    corner = 0.7 + np.exp(-(((angle - 0.5) / 0.22) ** 2))  # it goes back at the temples first
    line = line + recede * corner * np.clip((1.15 - angle) / 0.5, 0, 1)
    return rest[..., 1] - line


@lru_cache(maxsize=1)
def _candidates():
    """Fixed root places, evenly over the skin of the head: (triangle (R,), weights (R, 3), rest (R,
    3))."""
    head = load_head()
    rest = head.rest
    triangle = np.nonzero(
        head.in_group("body")
        & (rest[head.triangles][..., 1].min(1) > 6.1)
        & (head.masks["inside-mouth"][head.triangles].max(1) < 0.1)
        & (head.masks["ears"][head.triangles].max(1) < 0.3)
    )[0]
    a, b, c = (rest[head.triangles[triangle, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    rng = np.random.default_rng(20)
    chosen = rng.choice(triangle, ROOTS, p=area / area.sum())
    weights = rng.dirichlet((1, 1, 1), ROOTS).astype(np.float32)
    return chosen, weights, np.einsum("rk,rkc->rc", weights, rest[head.triangles[chosen]])


class Skull:
    """How far the surface is from the centre of the skull in each direction, ears left out.

    Args:
        vertices: float32 (V, 3), a neutral face.
    """

    def __init__(self, vertices):
        head = load_head()
        near = (head.rest[:, 1] > 6.25) & (head.masks["ears"] < 0.3)
        near &= np.isin(np.arange(len(near)), head.of_group("body"))
        offset = vertices[near] - CENTRE
        rows, columns, radius = self._cell(offset)
        table = np.zeros(DIRECTIONS, np.float32)
        np.maximum.at(table, (rows.astype(int), columns.astype(int) % DIRECTIONS[1]), radius)
        for _ in range(12):  # directions no vertex lies in take a neighbour's
            wide = cv2.copyMakeBorder(table, 1, 1, 1, 1, cv2.BORDER_WRAP)
            table = np.where(table > 0, table, cv2.dilate(wide, np.ones((3, 3)))[1:-1, 1:-1])
        table[:3] = table[1:3].mean()  # at the pole all columns meet
        wide = cv2.copyMakeBorder(table, 4, 4, 4, 4, cv2.BORDER_REPLICATE)
        wide[:, :4], wide[:, -4:] = wide[:, -8:-4], wide[:, 4:8]
        self.table = cv2.GaussianBlur(wide, (0, 0), 0.9)[4:-4, 4:-4]

    @staticmethod
    def _cell(offset):
        """Row and column (fractional) of directions, and the lengths of (N, 3) offsets."""
        radius = np.linalg.norm(offset, axis=-1)
        row = np.arccos(np.clip(offset[..., 1] / np.maximum(radius, 1e-6), -1, 1)) / np.pi
        column = np.arctan2(offset[..., 0], offset[..., 2]) / (2 * np.pi) + 0.5
        return row * (DIRECTIONS[0] - 1e-3), column * (DIRECTIONS[1] - 1e-3), radius

    def gap(self, points):
        """How far points (N, 3) are above the surface, in decimetres; negative inside."""
        row, column, radius = self._cell(points - CENTRE)
        surface = look_up(self.table, column - 0.5, row - 0.5)
        return radius - np.where(points[:, 1] > 6.35, surface, 0)

    def push_out(self, points, clearance):
        """Moves points (N, 3) that are nearer than `clearance` to the surface, or inside it,
        outwards."""
        offset = points - CENTRE.astype(np.float32)
        out = offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-6)
        return points + out * np.maximum(clearance - self.gap(points), 0)[:, None]


def grow(vertices, normals, cut, rng, where=None):
    """Grows a cut on somebody's head.

    Args:
        vertices, normals: float32 (V, 3), a neutral face.
        cut: a `Cut`.
        rng: numpy Generator; the same state gives the same hair.
        where: None for the scalp, or a function from rest positions (R, 3) to how much hair grows
            there (R,).

    Returns:
        `Strands`.
    """
    head = load_head()
    triangle, weights, rest = _candidates()
    if where is None:
        above = hairline_distance(rest, cut.recede) + rng.normal(0, 0.025, ROOTS)
    else:
        above = (where(rest) - rng.uniform(0.15, 0.6, ROOTS)) * 0.4
    chosen = np.nonzero(above > 0)[0]
    wanted = cut.strands
    repeat = rng.integers(0, len(chosen), wanted)
    chosen = chosen[repeat]
    weights = weights[chosen] + rng.normal(0, 0.1, (wanted, 3)).astype(np.float32)
    weights /= weights.sum(1, keepdims=True)
    corner = head.triangles[triangle[chosen]]
    root = np.einsum("rk,rkc->rc", weights, vertices[corner])
    normal = np.einsum("rk,rkc->rc", weights, normals[corner])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    top = np.clip((rest[chosen, 1] - 7.55) / 0.5, 0, 1)
    length = (
        cut.length
        * np.exp(cut.spread * np.clip(rng.normal(size=wanted), -1.7, 1.2))
        * (cut.fade + (1 - cut.fade) * top)
    )
    length *= np.clip(0.55 + above[chosen] / 0.25, 0.35, 1)
    tint = (0.45 * rng.random(wanted) + 0.55 * _sway_phase(root) / (2 * np.pi)).astype(np.float32)
    points = _grow_steps(
        root, normal, length.astype(np.float32), top.astype(np.float32), cut, Skull(vertices), rng
    )
    outward = points - (CENTRE + [0, -0.15, 0])
    outward[..., 1] *= np.where(
        outward[..., 1] < 0, 0.3, 1
    )  # hanging hair is lit like a curtain, not a ball
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    width = cut.width * np.exp(rng.normal(0, 0.3, wanted))
    return Strands(
        points.astype(np.float32), outward.astype(np.float32), width.astype(np.float32), tint
    )


def _grow_steps(root, normal, length, top, cut, skull, rng):
    """The points of the strands: float32 (N, steps + 1, 3)."""
    count = len(root)
    side = np.sign(root[:, 0] - cut.parting + rng.normal(0, 0.03, count)).astype(np.float32)
    front = np.clip((root[:, 2] - 0.80) / 0.3, 0, 1) * np.clip((root[:, 1] - 7.7) / 0.15, 0, 1)
    fringe = (front * cut.fringe * (np.abs(root[:, 0]) < 0.52)).astype(np.float32)
    length = (
        length * (1 - fringe)
        + fringe * (root[:, 1] - 7.52 + np.clip(1.45 - root[:, 2], 0, 1)) * 0.9
    )
    step = (length / cut.steps)[:, None].astype(np.float32)
    comb = np.zeros((count, 3), np.float32)
    comb[:, 0], comb[:, 2] = side * cut.comb[0] * top, -cut.comb[1]
    comb += fringe[:, None] * (np.array([0, 0, 0.9], np.float32) - comb)
    jitter = np.clip(rng.normal(0, cut.mess, (count, 3)), -2 * cut.mess, 2 * cut.mess).astype(
        np.float32
    )
    layer = (0.012 + 0.06 * rng.random(count) * (0.3 + cut.lift)).astype(np.float32)
    points, at = [root], root
    for k in range(cut.steps):
        s = np.float32((k + 0.5) / cut.steps)
        gap = skull.gap(at)
        outward = at - CENTRE.astype(np.float32)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        direction = _pull(k, s, at, root, normal, comb, jitter, side, fringe, cut)
        direction -= (
            outward * (cut.hug * np.clip((gap - layer) / 0.12, 0, 1) * (at[:, 1] > 6.6))[:, None]
        )
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
        inward = np.minimum((direction * outward).sum(1), 0) * (gap < layer + 0.06)
        direction = (
            direction - inward[:, None] * outward
        )  # what presses on the skull slides along it
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
        at = skull.push_out(at + direction * step, layer * min(1.0, 0.3 + k))
        points.append(at)
    return _curl(
        np.stack(points, 1),
        length,
        cut,
        rng.uniform(0, 2 * np.pi, count).astype(np.float32),
        _sway_phase(root),
    )


def _pull(k, s, at, root, normal, comb, jitter, side, fringe, cut):
    """Where strands want to go at step k, a share s of their way: (N, 3), not of unit length."""
    if cut.tied:
        return KNOT - at + jitter
    early = np.float32((1 - s) ** 2 if cut.fall else 1)
    weight = cut.fall * (0.4 + 3.2 * min(1.0, cut.length * s / 0.6))
    pull = (
        normal * (cut.lift * early + (0.4 if k == 0 else 0))
        + comb * max(early, 0.04)
        + jitter
        + DOWN * weight
    )
    return pull + _off_the_face(at, side, fringe) if cut.length > 0.5 and cut.fall else pull


KNOT = np.array([0.0, 7.6, -0.72], np.float32)


def _off_the_face(at, side, fringe):
    """A sideways push on what hangs in front of the face, but for a fringe."""
    in_front = (
        np.clip((at[:, 2] - 0.95) / 0.3, 0, 1)
        * np.clip((8.15 - at[:, 1]) / 0.2, 0, 1)
        * (1 - fringe)
    )
    push = np.zeros_like(at)
    push[:, 0] = np.sign(np.where(np.abs(at[:, 0]) > 0.2, at[:, 0], side)) * in_front * 3
    push[:, 2] = -in_front * 1.2
    return push


def _sway_phase(root):
    """A phase that is alike for neighbours, so that they wave together as locks."""
    cells = np.floor(root * 7).astype(np.int64)
    return (cells @ np.array([12.9898, 78.233, 37.719]) % (2 * np.pi)).astype(np.float32)


def _curl(points, length, cut, phase, sway):
    """Winds strands round their own course (curls) and sways locks together (waves)."""
    if not cut.curl and not cut.wave:
        return points
    s = np.linspace(0, 1, points.shape[1], dtype=np.float32)
    turn = 2 * np.pi * cut.turns * length[:, None] * s
    grown = np.minimum(1, 2 * s)[None, :, None]
    along = np.gradient(points, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    across = np.cross(along, np.array([0.31, 0.11, 0.94], np.float32))
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 0.1)
    outward = np.cross(across, along)
    curl = cut.curl * (
        np.cos(turn + phase[:, None])[..., None] * across
        + np.sin(turn + phase[:, None])[..., None] * outward
    )
    wave = cut.wave * (
        np.sin(turn + sway[:, None])[..., None] * across
        + 0.5 * np.cos(turn + sway[:, None])[..., None] * outward
    )
    return points + grown * (curl + wave)


def ribbons(strands, camera):
    """Turns strands into ribbons that face the camera.

    Args:
        strands: `Strands`, as they lie in the world.
        camera: (3,), where the camera is.

    Returns:
        vertices (M, 3), triangles int32 (T, 3), tangent (M, 3), outward (M, 3), and (M, 3) of:
        across the ribbon (-1 to 1), along it (0 at the root to 1) and the strand's tint.
    """
    points = strands.points
    count, steps = points.shape[:2]
    tangent = np.gradient(points, axis=1)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=-1, keepdims=True), 1e-6)
    across = np.cross(tangent, np.asarray(camera, np.float32) - points)
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    s = np.linspace(0, 1, steps, dtype=np.float32)
    half = 0.5 * strands.width[:, None] * (1 - 0.85 * s**3)
    edges = [points + sign * across * half[..., None] for sign in (-1, 1)]
    vertices = np.stack(edges, 2).reshape(-1, 3)
    base = (np.arange(count)[:, None] * steps + np.arange(steps - 1)) * 2
    quads = np.stack([base, base + 1, base + 3, base, base + 3, base + 2], -1)
    known = np.empty((count, steps, 2, 3), np.float32)
    known[..., 0] = (-1, 1)
    known[..., 1] = s[None, :, None]
    known[..., 2] = strands.tint[:, None, None]
    twice = [np.repeat(a[:, :, None], 2, 2).reshape(-1, 3) for a in (tangent, strands.outward)]
    return vertices, quads.reshape(-1, 3).astype(np.int32), *twice, known.reshape(-1, 3)
