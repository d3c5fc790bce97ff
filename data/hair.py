"""Hair that grows from the scalp: strands that leave the skin, follow a comb, fall and curl, as thin ribbons.

Each cut is a few numbers (`Cut`). Strands are grown in the upright head's frame, all at once, a step at a time; at
each step they are pushed out of the skull, which is known as a distance in each direction from its centre.
"""
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from .head import CENTRE, load_head
from .texture import look_up

# The hairline of a rest head: height over the angle round the skull, from the middle of the forehead (0) to the nape.
HAIRLINE = np.array([[0.0, 7.99], [0.4, 7.97], [0.62, 7.84], [0.80, 7.62], [0.98, 7.38], [1.15, 7.22], [1.32, 7.36],
                     [1.62, 7.28], [1.9, 6.98], [2.3, 6.76], [3.15, 6.68]])
DOWN = np.array([0, -1, 0], np.float32)
ROOTS = 9000            # candidate roots on the whole head; a cut takes those on its scalp
DIRECTIONS = (40, 64)   # grid of directions (up-down, round) in which the skull's size is kept


@dataclass(frozen=True)
class Cut:
    """A way to wear hair. Lengths in decimetres.

    Attributes:
        length: of a strand, and `spread` its relative variation.
        lift: how far strands stand off the skin: 0 lie flat, 1 stand up.
        fall: how soon gravity wins.
        comb: (sideways from the parting, back) pull on strands.
        parting: x of the parting line.
        curl: radius of curls and `turns` their number per decimetre; `wave` sways neighbours alike.
        fringe: share of the front that falls on the forehead.
        recede: how far the front hairline has gone up.
        strands: how many; `width` of a ribbon.
        tied: strands are drawn to a knot at the back: "", "bun" or "tail".
        steps: segments of a strand.
    """
    length: float = 0.3
    spread: float = 0.25
    lift: float = 0.5
    fall: float = 0.3
    comb: tuple[float, float] = (0.0, 0.0)
    parting: float = 0.0
    curl: float = 0.0
    turns: float = 2.0
    wave: float = 0.0
    fringe: float = 0.0
    recede: float = 0.0
    strands: int = 3000
    width: float = 0.03
    tied: str = ""
    steps: int = 6


CUTS = {
    "buzz": Cut(length=0.07, lift=0.9, fall=0.0, strands=3500, width=0.022, steps=2),
    "cropped": Cut(length=0.24, lift=0.75, fall=0.2, comb=(0.2, -0.25), strands=3600, width=0.024, steps=4),
    "side part": Cut(length=0.62, lift=0.42, fall=0.35, comb=(0.9, 0.35), parting=0.28, strands=3600, width=0.026),
    "swept back": Cut(length=0.85, lift=0.38, fall=0.25, comb=(0.0, 1.1), strands=3600, width=0.026, steps=7),
    "bob": Cut(length=1.75, spread=0.08, lift=0.3, fall=0.9, comb=(0.8, 0.15), parting=0.15, steps=10, width=0.034),
    "fringed bob": Cut(length=1.7, spread=0.08, lift=0.3, fall=0.9, comb=(0.5, 0.1), fringe=1.0, steps=10,
                       width=0.034),
    "long straight": Cut(length=3.3, spread=0.12, lift=0.25, fall=1.0, comb=(0.8, 0.2), parting=0.1, steps=14,
                         width=0.04),
    "long wavy": Cut(length=3.1, spread=0.15, lift=0.4, fall=0.9, comb=(0.8, 0.2), parting=-0.2, wave=0.09, turns=0.9,
                     steps=18, width=0.042),
    "curly": Cut(length=1.5, spread=0.3, lift=0.6, fall=0.55, comb=(0.5, 0.1), curl=0.085, turns=2.2, steps=18,
                 strands=2600, width=0.034),
    "afro": Cut(length=0.72, spread=0.06, lift=1.0, fall=0.0, curl=0.065, turns=3.2, steps=14, strands=4200,
                width=0.034),
    "bun": Cut(length=1.6, lift=0.12, fall=0.1, comb=(0.0, 1.0), tied="bun", steps=9, strands=3400, width=0.034),
    "ponytail": Cut(length=1.6, lift=0.12, fall=0.1, comb=(0.0, 1.0), tied="tail", steps=9, strands=3400, width=0.034),
    "bald": Cut(strands=0),
}


@dataclass(frozen=True, eq=False)
class Strands:
    """Grown hair: points float32 (N, K, 3), outward float32 (N, K, 3) unit (for light), width (N,), tint (N,) in [0, 1]."""
    points: np.ndarray
    outward: np.ndarray
    width: np.ndarray
    tint: np.ndarray


def hairline_distance(rest, recede=0.0):
    """How far above the hairline rest positions (..., 3) lie, in decimetres; negative below it."""
    angle = np.arctan2(np.abs(rest[..., 0]), rest[..., 2] - CENTRE[2])
    line = np.interp(angle, HAIRLINE[:, 0], HAIRLINE[:, 1])
    corner = 0.7 + np.exp(-((angle - 0.5) / 0.22) ** 2)              # it goes back at the temples first
    line = line + recede * corner * np.clip((1.15 - angle) / 0.5, 0, 1)
    return rest[..., 1] - line


@lru_cache(maxsize=1)
def _candidates():
    """Fixed root places, evenly over the skin of the head: (triangle (R,), weights (R, 3), rest (R, 3))."""
    head = load_head()
    rest = head.rest
    triangle = np.nonzero(head.in_group("body") & (rest[head.triangles][..., 1].min(1) > 6.1)
                          & (head.masks["inside-mouth"][head.triangles].max(1) < 0.1)
                          & (head.masks["ears"][head.triangles].max(1) < 0.3))[0]
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
        for _ in range(12):                                          # directions no vertex lies in take a neighbour's
            wide = cv2.copyMakeBorder(table, 1, 1, 1, 1, cv2.BORDER_WRAP)
            table = np.where(table > 0, table, cv2.dilate(wide, np.ones((3, 3)))[1:-1, 1:-1])
        wide = cv2.copyMakeBorder(table, 4, 4, 4, 4, cv2.BORDER_WRAP)
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
        """Moves points (N, 3) that are nearer than `clearance` to the surface, or inside it, outwards."""
        offset = points - CENTRE.astype(np.float32)
        out = offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-6)
        return points + out * np.maximum(clearance - self.gap(points), 0)[:, None]


def grow(vertices, normals, cut, rng, density=1.0):
    """Grows a cut on somebody's head.

    Args:
        vertices, normals: float32 (V, 3), a neutral face.
        cut: a `Cut`.
        rng: numpy Generator; the same state gives the same hair.
        density: share of the strands.

    Returns:
        `Strands`.
    """
    head = load_head()
    triangle, weights, rest = _candidates()
    above = hairline_distance(rest, cut.recede) + rng.normal(0, 0.025, ROOTS)
    chosen = np.nonzero(above > 0)[0]
    wanted = int(cut.strands * density)
    repeat = rng.integers(0, len(chosen), wanted)
    chosen = chosen[repeat]
    weights = weights[chosen] + rng.normal(0, 0.1, (wanted, 3)).astype(np.float32)
    weights /= weights.sum(1, keepdims=True)
    corner = head.triangles[triangle[chosen]]
    root = np.einsum("rk,rkc->rc", weights, vertices[corner])
    normal = np.einsum("rk,rkc->rc", weights, normals[corner])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    length = cut.length * np.exp(rng.normal(0, cut.spread, wanted)) * np.clip(0.45 + above[chosen] / 0.25, 0.3, 1)
    tint = rng.random(wanted).astype(np.float32)
    points = _grow_steps(root, normal, length.astype(np.float32), cut, Skull(vertices), rng)
    outward = points - (CENTRE + [0, -0.15, 0])
    outward[..., 1] *= np.where(outward[..., 1] < 0, 0.3, 1)         # hanging hair is lit like a curtain, not a ball
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    width = cut.width * np.exp(rng.normal(0, 0.3, wanted))
    return Strands(points.astype(np.float32), outward.astype(np.float32), width.astype(np.float32), tint)


def _grow_steps(root, normal, length, cut, skull, rng):
    """The points of the strands: float32 (N, steps + 1, 3)."""
    count, step = len(root), (length / cut.steps)[:, None]
    side = np.sign(root[:, 0] - cut.parting + rng.normal(0, 0.03, count)).astype(np.float32)
    comb = np.zeros((count, 3), np.float32)
    comb[:, 0], comb[:, 2] = side * cut.comb[0], -cut.comb[1]
    front = np.clip((root[:, 2] - 0.75) / 0.4, 0, 1) * np.clip((root[:, 1] - 7.6) / 0.2, 0, 1)
    fringe = front * cut.fringe * (np.abs(root[:, 0]) < 0.55)
    comb += fringe[:, None] * (np.array([0, 0, 0.35], np.float32) - comb)
    jitter = rng.normal(0, 0.12, (count, 3)).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    sway = _sway_phase(root)
    layer = 0.012 + 0.05 * rng.random(count).astype(np.float32) * (0.4 + cut.lift)
    points, at = [root], root
    for k in range(cut.steps):
        s = np.float32((k + 0.5) / cut.steps)
        outward = at - CENTRE
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        early = np.float32((1 - s) ** 2) if cut.fall else np.float32(1)
        travelled = np.float32(cut.length * s)
        weight = cut.fall * (0.4 + 3.2 * min(1.0, travelled / 0.6))
        direction = normal * (cut.lift * early + (0.4 if k == 0 else 0)) + comb * max(early, 0.12) + jitter + DOWN * weight
        if cut.length > 0.5 and not cut.tied:
            direction = direction + _off_the_face(at, side, fringe)
        if cut.tied:
            direction = KNOT - at
        direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
        inward = np.minimum((direction * outward).sum(1), 0) * (skull.gap(at) < layer + 0.06)
        direction = direction - inward[:, None] * outward
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
        at = at + direction * step
        at = skull.push_out(at, layer * min(1.0, 0.3 + k))
        points.append(at)
    points = np.stack(points, 1)
    return _curl(points, length, cut, phase, sway)


KNOT = np.array([0.0, 7.55, -0.75], np.float32)


def _off_the_face(at, side, fringe):
    """A sideways push on what hangs in front of the face, but for a fringe above the brows."""
    in_front = np.clip((at[:, 2] - 0.95) / 0.3, 0, 1) * np.clip((8.15 - at[:, 1]) / 0.2, 0, 1)
    in_front *= np.where(at[:, 1] > 7.6, 1 - fringe, 1)
    push = np.zeros_like(at)
    push[:, 0] = np.sign(np.where(np.abs(at[:, 0]) > 0.2, at[:, 0], side)) * in_front * 3
    push[:, 2] = -in_front * 1.0
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
    grown = np.minimum(1, 3 * s)[None, :, None]
    outward = points - CENTRE
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    along = np.gradient(points, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    across = np.cross(along, outward)
    curl = cut.curl * (np.cos(turn + phase[:, None])[..., None] * across
                       + np.sin(turn + phase[:, None])[..., None] * outward)
    wave = cut.wave * (np.sin(turn + sway[:, None])[..., None] * across
                       + 0.5 * np.cos(turn + sway[:, None])[..., None] * outward)
    return points + grown * (curl + wave)


def ribbons(strands, camera):
    """Turns strands into ribbons that face the camera.

    Args:
        strands: `Strands`, as they lie in the world.
        camera: (3,), where the camera is.

    Returns:
        vertices (M, 3), triangles int32 (T, 3), tangent (M, 3), outward (M, 3), and (M, 3) of: across the ribbon
        (-1 to 1), along it (0 at the root to 1) and the strand's tint.
    """
    points = strands.points
    count, steps = points.shape[:2]
    tangent = np.gradient(points, axis=1)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=-1, keepdims=True), 1e-6)
    across = np.cross(tangent, np.asarray(camera, np.float32) - points)
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    s = np.linspace(0, 1, steps, dtype=np.float32)
    half = 0.5 * strands.width[:, None] * (1 - 0.85 * s ** 3)
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


def varied(name, rng):
    """A cut by its name with a person's own variation of length, parting and volume."""
    cut = CUTS[name]
    return replace(cut, length=cut.length * float(np.exp(rng.normal(0, 0.12))),
                   parting=cut.parting * float(rng.choice([-1, 1])), lift=cut.lift * float(rng.uniform(0.8, 1.2)))
