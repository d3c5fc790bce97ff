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

from data.shape.head import CENTRE, load_head
from data.shape.maths import step, unit
from data.shape.skull import Skull

# The hairline of a rest head: height over the angle round the skull, from the middle of the
# forehead (0) to the nape.
HAIRLINE_ANGLE = (0.0, 0.4, 0.62, 0.80, 0.98, 1.15, 1.32, 1.62, 1.90, 2.30, 3.15)
HAIRLINE_HEIGHT = (7.85, 7.79, 7.65, 7.44, 7.22, 7.05, 7.10, 7.20, 6.98, 6.76, 6.68)
DOWN = np.array([0, -1, 0], np.float32)
BRUSHED = np.array([0, -0.6, -0.35], np.float32)  # how short hair at the sides lies
# Where tied hair meets, as a direction from the middle of the skull.
KNOTS = {"bun": (0, 0.93, -0.37), "tail": (0, 0.5, -0.86), "braids": (0.72, -0.5, -0.42)}
# The way of a braid from its knot over the shoulder, and how far its three locks swing (dm).
BRAID_WAY = ((0, 0, 0), (0.10, -0.75, 0.12), (0.02, -1.5, 0.62), (-0.10, -2.5, 0.95))
BRAID_SWING = 0.085
ROOTS = 16000  # candidate roots on the whole head; a cut takes those on its scalp
BORDER = 0.20  # dm from the hairline over which hair becomes dense, long and thick
LOCKS = 260  # places on the scalp about which strands gather
LOOSE_SHARE = 0.1  # of the strands follow no lock and are finer: they catch the light
SHORT_SHARE = 0.24  # of the strands are the short fine hairs in front of the others
SHORT_LENGTH, SHORT_WIDTH = 0.13, 0.0055  # dm, of those at most
FRONT = 0.16  # dm from the hairline over which those stand
PARTING = 0.006  # dm on each side of a parting on which nothing grows
PARTING_FADE = 0.012  # dm over which the scalp is seen beside it


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


def beard_mask(rest, kind, bald=False):
    """How much of a beard (a kind of `Person.beard`) grows at rest positions (P, 3): (P,) in
    [0, 1].
    On a `bald` head it ends below the ear, where there is no hair to meet."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    cheek_line = 6.60 + 0.66 * np.clip((x - 0.34) / 0.36, 0, 1) ** 1.5
    under = y + 0.45 * np.clip(z - 0.3, 0, 1.2)  # falls from the jaw to the throat
    jaw = step(0.17, -0.24, y - cheek_line) * step(6.36, 6.56, under) * step(0.3, 0.5, z)
    mouth = step(0.9, 1.2, np.hypot(x / 0.30, (y - 6.60) / 0.125))
    jaw = jaw * np.where(y > 6.47, mouth, 1) * step(0.76, 0.70, x)
    if bald:
        jaw = jaw * step(7.0, 6.7, y)
    low = 6.675 - 0.25 * np.clip(x - 0.14, 0, 1)  # it bends down round the corners of the mouth
    high = 6.875 - 0.12 * x - 0.8 * np.clip(x - 0.14, 0, 1)
    moustache = step(low, low + 0.05, y) * step(high, high - 0.115, y)
    moustache = moustache * step(0.40, 0.20, x) * (z > 1.2)
    moustache = moustache * (1 - 0.5 * np.exp(-((x / 0.025) ** 2)))  # thinner under the nose
    corner = step(0.13, 0.08, np.abs(x - 0.285)) * step(6.70, 6.64, y) * (z > 1.1) * mouth
    goatee = step(0.33, 0.15, x + 0.6 * np.clip(6.35 - y, 0, 1)) * step(6.50, 6.45, y) * jaw
    if kind == "moustache":
        return moustache
    return np.maximum(moustache, np.maximum(goatee, corner * jaw) if kind == "goatee" else jaw)


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


def grow(vertices, normals, cut, rng, where=None):
    """Grow a cut on somebody's head.

    Args:
        vertices, normals: float32 (V, 3), a neutral face.
        cut: a `Cut`.
        rng: numpy Generator; the same state gives the same hair.
        where: None for the scalp, or a function from rest positions (R, 3) to how much hair grows
            there (R,).

    Returns:
        `Strands`.
    """
    skull, count = Skull(vertices), cut.strands
    root, normal, rest, above = _roots(vertices, normals, cut, rng, where)
    top = np.clip((rest[:, 1] - 7.55) / 0.5, 0, 1).astype(np.float32)
    tint = (0.5 * rng.random(count) + 0.5 * _sway_phase(root) / (2 * np.pi)).astype(np.float32)
    length = cut.length * np.exp(cut.spread * np.clip(rng.normal(size=count), -1.7, 1.2))
    dense = np.clip(0.15 + above / BORDER, 0.15, 1)
    least = 0.2 if cut.length < 0.5 else 0.6  # long hair is long at the hairline as well
    length = length * (cut.fade + (1 - cut.fade) * top) * np.clip(dense + least, 0, 1)
    short = _short(count) if where is None else np.zeros(count, bool)
    own = SHORT_LENGTH * rng.uniform(0.3, 1, count) * np.clip(0.4 + above / FRONT, 0.4, 1)
    length = np.where(short, np.minimum(own, length), length)
    if where is not None:
        lip = np.minimum(0.5 * length, 0.07)  # a moustache leaves the mouth free
        length = np.where(rest[:, 1] > 6.66, lip, length)
    knot = _knot(skull, cut.tied, root) if cut.tied else None
    if cut.tied:
        length = 1.12 * np.linalg.norm(knot - root, axis=1)
    if where is not None:
        skull = (
            None  # a beard is too short to fall back on the face, and the skull too coarse for it
        )
    inner = np.clip(above / BORDER, 0, 1)
    points = _grow_steps(root, normal, length.astype(np.float32), top, inner, cut, knot, skull, rng)
    outward = points - (CENTRE + [0, -0.15, 0])
    outward[..., 1] *= np.where(outward[..., 1] < 0, 0.3, 1)  # lit like a curtain, not like a ball
    if cut.tied:
        loose, middle = LOOSE[cut.tied](knot, count // 6, cut.steps, rng)
        points, outward = np.concatenate([points, loose]), np.concatenate([outward, loose - middle])
        tint = np.concatenate([tint, rng.random(len(loose))])
    outward /= np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-6)
    width = cut.width * np.exp(rng.normal(0, 0.3, len(points)))
    width[:count] *= np.where(_loose(count), 0.45, 1) * np.clip(dense, 0.2, 1)
    fine = width[:count] * SHORT_WIDTH / cut.width
    width[:count] = np.where(short, np.minimum(fine, width[:count]), width[:count])
    return Strands(*(a.astype(np.float32) for a in (points, outward, width, tint)))


def _roots(vertices, normals, cut, rng, where):
    """Where strands leave the skin: root, normal and rest position, (N, 3) each, and how far inside
    the hair's border they are (N,), in decimetres."""
    head = load_head()
    triangle, weights, rest = _candidates()
    if where is None:
        stray = 0.025 + 0.07 * min(cut.recede, 0.6)  # a border that goes back is no line
        above = hairline_distance(rest, cut.recede) + rng.normal(0.06, stray, ROOTS)
        wide = BORDER * (1 + 1.5 * min(cut.recede, 0.6))  # hair that goes back thins out first
        share = np.clip(above / wide, 0, 1) * ~on_parting(rest, cut)
        front = step(-0.02, 0.10, above) * np.exp(-((above / FRONT) ** 2))
        front *= step(-0.2, 0.4, rest[:, 2]) * ~on_parting(rest, cut)
    else:
        above = (where(rest) - rng.uniform(0.05, 0.5, ROOTS)) * 0.4
        share = np.clip(where(rest), 0, 1) * (above > 0)
    chosen = rng.choice(ROOTS, cut.strands, p=share / share.sum())
    if where is None:
        short = _short(cut.strands)
        chosen[short] = rng.choice(ROOTS, short.sum(), p=front / front.sum())
    corner, exact = head.triangles[triangle[chosen]], weights[chosen]
    weights = exact + rng.normal(0, 0.1, exact.shape).astype(np.float32)
    weights /= weights.sum(1, keepdims=True)
    strayed = on_parting(np.einsum("rk,rkc->rc", weights, head.rest[corner]), cut)
    weights[strayed] = exact[strayed]
    root, normal = (np.einsum("rk,rkc->rc", weights, a[corner]) for a in (vertices, normals))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return root, normal, rest[chosen], above[chosen]


def on_parting(rest, cut):
    """Which rest positions (N, 3) lie on a parting, where the scalp shows: bool (N,)."""
    if not cut.parted:
        return np.zeros(len(rest), bool)
    near = _beside_parting(rest, cut) < PARTING
    return near & (rest[:, 1] > 7.8) & (rest[:, 2] > 0.1)


def parting_share(rest, cut):
    """How much of the scalp shows at rest positions (N, 3) beside a parting: (N,) in [0, 1]."""
    where = step(7.8, 7.95, rest[:, 1]) * step(0.1, 0.5, rest[:, 2])
    return where * np.exp(-((_beside_parting(rest, cut) / PARTING_FADE) ** 2))


def _beside_parting(rest, cut):
    """How far rest positions (N, 3) lie from a gently curved parting, in decimetres: (N,)."""
    z = rest[:, 2]
    wander = 0.02 * np.sin(2.4 * z) + 0.004 * np.sin(31 * z) + 0.003 * np.sin(74 * z + 1)
    return np.abs(rest[:, 0] - cut.parting + wander)


def _loose(count):
    """Which of the strands follow no lock: bool (N,)."""
    return np.arange(count) < LOOSE_SHARE * count


def _short(count):
    """Which of the strands are short fine hairs at the front: bool (N,)."""
    return np.arange(count) >= (1 - SHORT_SHARE) * count


def _locks(root, rng):
    """Which strand each of the strands with these roots (N, 3) follows: int (N,)."""
    long = np.nonzero(~_short(len(root)))[0]
    leaders = rng.choice(long, min(LOCKS, len(long)), replace=False)
    apart = root @ root[leaders].T - 0.5 * (root[leaders] ** 2).sum(1)
    return leaders[apart.argmax(1)]  # that of the nearest root


def _gather(points, leader, clump, rng):
    """Draw strands (N, K, 3) to their leaders (N,), the more the farther from their roots, by
    `clump` (N,) at their tips.

    Reference: Yang, Xu, Yao and Zhou 2000, the cluster hair model, in one level.
    """
    follow, count = points[leader], len(points)
    s = np.linspace(0, 1, points.shape[1], dtype=np.float32)
    strength = clump * rng.uniform(0.5, 1, count).astype(np.float32) * ~_loose(count)
    strength *= ~_short(count)
    near = np.linalg.norm((follow - points)[:, 0], axis=1) < 0.3
    share = (strength * near)[:, None] * s**1.3
    return points + share[..., None] * (follow - points)


def _knot(skull, tied, root):
    """Where the tied hair of each root (N, 3) meets, a little off the skull: float32 (N, 3)."""
    direction = np.float32(KNOTS[tied]) / np.linalg.norm(KNOTS[tied])
    direction = direction * np.where(root[:, :1] < 0, np.float32([-1, 1, 1]), 1)
    place = CENTRE.astype(np.float32) + direction
    return place + direction * (0.12 - skull.gap(place))[:, None]


def _bun(knots, count, steps, rng):
    """Strands wound into a ball: float32 (count, steps + 1, 3), and the middle of the ball."""
    first, second = rng.normal(size=(2, count, 1, 3))
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    second -= (first * second).sum(-1, keepdims=True) * first
    second /= np.linalg.norm(second, axis=-1, keepdims=True)
    angle = np.linspace(0, 3.6, steps + 1)[None, :, None]
    radius = rng.uniform(0.19, 0.27, (count, 1, 1))
    wound = knots[0] + radius * (np.cos(angle) * first + np.sin(angle) * second)
    return wound.astype(np.float32), knots[0]


def _tail(knots, count, steps, rng):
    """Strands that hang from a knot down the back: float32 (count, steps + 1, 3), and the line
    that they hang round."""
    s = np.linspace(0, 1, steps + 1)[None, :]
    length, apart = rng.uniform(1.5, 2.1, (count, 1)), rng.normal(0, 1, (3, count, 1))
    spread = 0.05 + 0.09 * s
    path = [
        spread * apart[0],
        0.12 * np.sin(2.4 * s) - length * s**1.6 + 0.03 * apart[1],
        -0.3 * np.sin(1.7 * s) + 0.6 * spread * apart[2],
    ]
    hanging = (knots[0] + np.stack(path, -1)).astype(np.float32)
    return hanging, np.float32([0, 1, 0]) * hanging + [0, 0, CENTRE[2]]


def _braids(knots, count, steps, rng):
    """Two braids of three locks each: float32 (2 * count, steps + 1, 3), and their middle lines."""
    s = np.linspace(0, 1, steps + 1)
    way = np.stack(
        [np.interp(s, np.linspace(0, 1, 4), column) for column in np.transpose(BRAID_WAY)], -1
    )
    way = cv2.blur(way.astype(np.float32), (1, 5), borderType=cv2.BORDER_REPLICATE)
    both = []
    for side in (-1, 1):
        knot = knots[np.sign(knots[:, 0]) == side][:1].reshape(-1, 3)
        phase = 2 * np.pi * (3.2 * s[None] + rng.integers(0, 3, (count, 1)) / 3)
        thick = (1 - 0.35 * s) * np.where(s > 0.94, 0.6, 1)
        own = rng.normal(0, 0.024, (count, 3, 1)) * thick
        swing = BRAID_SWING * thick
        offset = [swing * np.sin(phase), 0 * phase, 0.6 * swing * np.sin(2 * phase)]
        middle = knot + way * np.float32([side, 1, 1])
        both.append(
            (middle + np.stack(offset, -1) + own.swapaxes(1, 2), 0 * phase[..., None] + middle)
        )
    locks, middle = (
        np.concatenate(arrays).astype(np.float32) for arrays in zip(*both, strict=True)
    )
    return locks, middle


LOOSE = {"bun": _bun, "tail": _tail, "braids": _braids}


def _grow_steps(root, normal, length, top, inner, cut, knot, skull, rng):
    """The points of the strands: float32 (N, steps + 1, 3). Those of a fringe and at the border,
    where `inner` (N,) is 0, hardly gather in locks, which would end in a row of teeth."""
    count = len(root)
    # Without a parting neighbours fall to either side, so that no bare wedge opens between them.
    astray = rng.normal(0, 0.03 if cut.parted else 0.22, count)
    side = np.sign(root[:, 0] - cut.parting + astray).astype(np.float32)
    fringe = _fringe(root, cut)
    short = (root[:, 1] - 7.58 + np.clip(1.45 - root[:, 2], 0, 1)) * 0.9  # ends above the eyes
    length = np.where(length < short, length, length + fringe * (short - length))
    grown = _spacing(cut)
    step = (length[:, None] * np.diff(grown)).astype(np.float32)
    comb = np.zeros((count, 3), np.float32)
    comb[:, 0], comb[:, 2] = side * cut.comb[0] * top, -cut.comb[1]
    comb += fringe[:, None] * (np.float32([0, 0, 0.9]) - comb)
    messy = cut.mess * np.where(_loose(count), 2.2, 1)[:, None]
    comb += messy * np.clip(rng.normal(size=(count, 3)), -2, 2)
    layer = (0.012 + 0.06 * rng.random(count) * (0.3 + cut.lift)).astype(np.float32)
    points, at = [root], root
    for k in range(cut.steps):
        outward = unit(at - CENTRE.astype(np.float32))
        gap = skull.gap(at) if skull else np.full(count, np.inf, np.float32)
        direction = knot - at if cut.tied else _pull(k, at, normal, comb, side, fringe, top, cut)
        far = np.clip((gap - layer) / 0.12, 0, 1) * (at[:, 1] > 6.6)
        hug = cut.hug + (0 if cut.tied else 0.7 * _before_the_face(at, fringe) * cut.fall)
        direction = unit(direction - outward * (hug * far)[:, None])
        inward = np.minimum((direction * outward).sum(1), 0) * (gap < layer + 0.06)
        direction = unit(direction - inward[:, None] * outward)  # what presses on it slides along
        at = at + direction * step[:, k : k + 1]
        if skull:
            at = skull.push_out(at, layer * min(1.0, 0.3 + k))
        points.append(at)
    phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    points, leader = np.stack(points, 1), np.arange(count)
    if cut.clump:
        leader = _locks(root, rng)
        points = _gather(points, leader, cut.clump * inner * (1 - 0.75 * fringe), rng)
    return _curl(points, length, cut, phase, _sway_phase(root[leader]), grown)


def _spacing(cut):
    """Where along a strand its points lie, from 0 to 1: float32 (steps + 1,). Near the root, where
    it bends over the skull, they lie closer."""
    part = np.linspace(0.4, 1.6, cut.steps) if cut.steps > 5 and not cut.curl else None
    part = np.ones(cut.steps) if part is None else part
    return np.concatenate([[0], np.cumsum(part) / part.sum()]).astype(np.float32)


def _fringe(root, cut):
    """Which strands (N, 3) belong to a fringe: float32 (N,) in [0, 1]."""
    front = np.clip((root[:, 2] - 0.80) / 0.3, 0, 1) * np.clip((root[:, 1] - 7.7) / 0.15, 0, 1)
    return (front * cut.fringe * (np.abs(root[:, 0]) < 0.52)).astype(np.float32)


def _pull(k, at, normal, comb, side, fringe, top, cut):
    """Where strands want to go at step k: (N, 3), not of unit length."""
    s = (k + 0.5) / cut.steps
    front = _before_the_face(at, fringe) if cut.length > 0.5 and cut.fall else None
    early = np.float32((1 - s) ** 2 if cut.fall else 1)
    weight = cut.fall * (0.4 + 3.2 * min(1.0, cut.length * s / 0.6))
    sides = (1 - cut.fade) * (1 - top)[:, None]  # clipped short, they are brushed down
    lift = (cut.lift * early + (0.4 if k == 0 else 0)) * (1 - 0.75 * sides)
    pull = normal * lift + comb * max(early, 0.04)
    held = 1  # where it lies on the skull
    if front is not None:
        held = 1 - 0.9 * (front * np.clip((at[:, 1] - 7.5) / 0.3, 0, 1))[:, None]
    pull = pull + DOWN * (weight * held) + sides * BRUSHED
    if cut.length > 1:  # below the chin it hangs to the neck, not like a tent
        low = np.clip(7.2 - at[:, 1], 0, 1.2)
        pull[:, 0] -= 0.18 * weight * low * at[:, 0]
    return pull if front is None else pull + _off_the_face(at, side, front, cut)


def _before_the_face(at, fringe):
    """How far places (N, 3) lie in front of the face, but for those of a fringe: (N,) in [0, 1]."""
    return (
        np.clip((at[:, 2] - 0.95) / 0.3, 0, 1)
        * np.clip((8.15 - at[:, 1]) / 0.2, 0, 1)
        * (1 - fringe)
    )


def _off_the_face(at, side, in_front, cut):
    """A sideways push on what hangs in front of the face."""
    push = np.zeros_like(at)
    push[:, 0] = np.sign(np.where(np.abs(at[:, 0]) > 0.25, at[:, 0], side)) * in_front
    push[:, 0] *= 1.5 if cut.curl else 3  # curls keep their volume
    push[:, 2] = -in_front * 1.2
    return push


def _sway_phase(root):
    """A phase that is alike for neighbours, so that they wave together as locks."""
    cells = np.floor(root * 7).astype(np.int64)
    return (cells @ np.array([12.9898, 78.233, 37.719]) % (2 * np.pi)).astype(np.float32)


def _curl(points, length, cut, phase, sway, s):
    """Wind strands round their own course (curls) and sway locks together (waves)."""
    if not cut.curl and not cut.wave:
        return points
    turn = 2 * np.pi * cut.turns * length[:, None] * s
    grown = np.minimum(1, 2 * s)[None, :, None]
    along = np.gradient(points, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    across = np.cross(along, np.array([0.31, 0.11, 0.94], np.float32))
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 0.1)
    outward = np.cross(across, along)
    grown = grown * np.minimum(1, length / 0.4)[:, None, None]  # short hairs have no room to wind
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
    """Turn strands into ribbons that face the camera.

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
    pointed = (1 - 0.85 * s**3) * np.minimum(1, 0.5 + 4 * s)  # thin at the root and at the tip
    half = 0.5 * strands.width[:, None] * pointed
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
