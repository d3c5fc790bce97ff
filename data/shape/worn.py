"""What people wear on the head and round the neck: glasses, earrings, scarves.

Everything is built on somebody's own head in the upright frame (decimetres, x to the person's
left), and turned with it by `data.shape.scene`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from data.shape.head import eyeball, load_head
from data.shape.maths import step, unit

METAL = ("gold", "silver", "black metal")  # frames of thin wire
SIDES, FLAT_SIDES = 6, 8  # of a tube that is round, and of one that is flat
RIM = 44  # places round a rim
# Lenses: half their width and height (dm), and how square they are (2 is an ellipse).
LENSES = {
    "round": (0.225, 0.215, 2.0),
    "rectangular": (0.262, 0.165, 4.5),
    "cat-eye": (0.258, 0.170, 2.8),
    "aviator": (0.268, 0.222, 2.5),
    "half-rim": (0.262, 0.165, 3.4),
}
TILT, WRAP = 0.14, 0.16  # a lens's top leans forward, its outer side goes back with x squared
NECK_AXIS = 0.1  # z of the middle of the neck
CLEAR = 0.022  # dm that frames stand off the face


@dataclass(frozen=True, eq=False)
class Mesh:
    """Something worn: points and unit normals float32 (N, 3), triangles int32 (F, 3), and for each
    vertex what its paint needs, float32 (N, 3)."""

    points: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray
    known: np.ndarray


def joined(meshes):
    """Several meshes as one."""
    start = np.cumsum([0] + [len(mesh.points) for mesh in meshes[:-1]])
    vertices = {
        name: np.concatenate([getattr(mesh, name) for mesh in meshes]).astype(np.float32)
        for name in ("points", "normals", "known")
    }
    triangles = [mesh.triangles + first for mesh, first in zip(meshes, start, strict=True)]
    return Mesh(triangles=np.concatenate(triangles), **vertices)


def grid_triangles(rows, columns, closed):
    """Triangles int32 (F, 3) of a grid of vertices (rows, columns), its last column joined to its
    first if `closed`."""
    r, c = np.mgrid[: rows - 1, : columns - (not closed)]
    a, b = r * columns + c, r * columns + (c + 1) % columns
    quads = np.stack([a, a + columns, b + columns, a, b + columns, b], -1)
    return quads.reshape(-1, 3).astype(np.int32)


def tube(path, half, up, closed=False, known=(0, 0, 0), flat=False):
    """A tube along a path.

    Args:
        path: (K, 3).
        half: (2,) half its extent across `up` and along it, or (K, 2).
        up: (3,) or (K, 3), a direction not along the path.
        closed: whether the end meets the beginning.
        flat: whether its section is a rounded rectangle, as of what is cut from a sheet.

    Returns:
        a `Mesh`.
    """
    along = np.gradient(path, axis=0)
    if closed:
        along = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    across = unit(np.cross(along, np.broadcast_to(up, path.shape)))
    over = unit(np.cross(across, along))
    half = np.broadcast_to(half, (len(path), 2))[:, None, :, None]
    section, outward = _section(FLAT_SIDES, 5.0) if flat else _section(SIDES, 2.0)
    across, over = across[:, None], over[:, None]
    x, y = section.T[..., None]
    points = path[:, None] + half[:, :, 0] * x * across + half[:, :, 1] * y * over
    x, y = outward.T[..., None]
    normals = unit(x * across / half[:, :, 0] + y * over / half[:, :, 1])
    if closed:
        points, normals = (np.concatenate([a, a[:1]]) for a in (points, normals))
    return Mesh(
        points=points.reshape(-1, 3),
        normals=normals.reshape(-1, 3),
        triangles=grid_triangles(len(points), len(section), True),
        known=np.broadcast_to(np.float32(known), (points.shape[0] * len(section), 3)),
    )


def _section(sides, square):
    """A section of a tube as a superellipse of half extents 1: corners (sides, 2), and vectors
    (sides, 2) across its edge there, not of unit length. `square` is 2 for a circle."""
    angle = (np.arange(sides) + 0.5 * (square > 2)) * 2 * np.pi / sides
    round_ = np.stack([np.cos(angle), np.sin(angle)], 1)
    corners = np.sign(round_) * np.abs(round_) ** (2 / square)
    return corners, np.sign(corners) * np.abs(corners) ** (square - 1)


def surface(points, known, inside):
    """A `Mesh` of a grid of points (R, C, 3) whose first and last columns are the same, with
    normals away from `inside` (3,)."""
    along = np.gradient(points, axis=0)
    wide = np.concatenate([points[:, -2:-1], points, points[:, 1:2]], 1)
    normals = np.cross(along, wide[:, 2:] - wide[:, :-2])
    away = ((points - inside) * normals).sum(-1, keepdims=True)
    normals = normals * np.where(away < 0, -1, 1)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    rows, columns = points.shape[:2]
    return Mesh(
        points=points.reshape(-1, 3),
        normals=normals.reshape(-1, 3),
        triangles=grid_triangles(rows, columns, False),
        known=np.broadcast_to(known, points.shape).reshape(-1, 3),
    )


def ball(centre, radius, known=(0, 0, 0)):
    """An ellipsoid about a centre (3,), with radii (3,) or one: a `Mesh`."""
    polar, round_ = np.linspace(0.02, np.pi - 0.02, 7)[:, None], np.linspace(-np.pi, np.pi, 11)
    sine = np.sin(polar)
    out = np.stack([sine * np.sin(round_), np.cos(polar) + 0 * round_, sine * np.cos(round_)], -1)
    return surface(centre + out * radius, np.float32(known), centre)


def _outline(shape, size):
    """The rim of a lens about its middle, x outwards from the nose: (RIM, 2), from the outer side
    over the top."""
    width, height, square = LENSES[shape]
    angle = np.linspace(0, 2 * np.pi, RIM, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    x = width * np.sign(cos) * np.abs(cos) ** (2 / square)
    y = height * np.sign(sin) * np.abs(sin) ** (2 / square)
    if shape == "cat-eye":
        y = y + 0.075 * np.clip(x / width, 0, 1) ** 2 * np.clip(0.4 + y / height, 0, 1)
    if shape == "aviator":
        low = np.clip(-y / height, 0, 1)
        x = x * (1 - 0.20 * low**1.5) - 0.018 * low
        y = np.where(y > 0, 0.72 * y, y)
    return size * np.stack([x, y], 1)


def _inside(outline, points):
    """Whether 2-D points (N, 2) are within a star-shaped outline (K, 2), widened a little."""
    angle = np.arctan2(outline[:, 1], outline[:, 0])
    order = np.argsort(angle)
    reach = np.interp(
        np.arctan2(points[:, 1], points[:, 0]),
        angle[order],
        np.linalg.norm(outline, axis=1)[order],
        period=2 * np.pi,
    )
    return np.linalg.norm(points, axis=1) < reach + 0.035


def glasses(person, vertices):
    """Somebody's glasses.

    Args:
        person: a `data.people.person.Person` who owns some.
        vertices: float32 (V, 3), their face in the upright frame, with its expression.

    Returns:
        a `Mesh`; `known` is whether it is a lens, then how far along a temple.
    """
    half = frame_half(person)
    front, face = _fit_front(person, vertices, half)
    outline, parts, forward = front.outline, [], np.array([0, 0, 1.0])
    flat = person.frame not in METAL
    for sign in (-1, 1):
        rim = front.place(sign, outline)
        if person.glasses == "half-rim":
            upper = np.r_[RIM - 3 : RIM, : RIM // 2 + 4]
            parts.append(tube(rim[upper], half[::-1], forward, flat=flat))
            parts.append(tube(rim[RIM // 2 + 3 : RIM - 2], (0.004, 0.004), forward))
        else:
            parts.append(tube(rim, half[::-1], forward, closed=True, flat=flat))
        if person.dark_lenses:
            parts.append(_lens(rim))
        parts.append(_temple(sign, rim, outline, half, vertices, flat))
    parts.append(_bridge(front, half, face, flat))
    return joined(parts)


def lenses(person, vertices):
    """The rims of the lenses of somebody's glasses: float32 (2, RIM, 3), of the right and the left.

    Args:
        person, vertices: as in `glasses`.
    """
    front, _ = _fit_front(person, vertices, frame_half(person))
    return np.stack([front.place(sign, front.outline) for sign in (-1, 1)]).astype(np.float32)


def frame_half(person):
    """Half the thickness of somebody's frame, (2,) dm: across, and from before to behind."""
    return np.array([0.011, 0.011] if person.frame in METAL else [0.021, 0.024])


@dataclass(frozen=True, eq=False)
class _Front:
    """The front of glasses: the outline (RIM, 2) of a lens about its own middle; x of the nose, y
    of the lenses' middles and how far they are from the nose; z of the foremost place."""

    outline: np.ndarray
    nose: float
    low: float
    apart: float
    foremost: float = 0.0

    def back(self, x, y):
        """How far places of the front lie behind its foremost: (N,)."""
        return TILT * (y - self.low) - WRAP * (x - self.nose) ** 2

    def place(self, sign, flat):
        """Where places (N, 2) about a lens's middle are, on the side of a sign: (N, 3)."""
        x, y = self.nose + sign * (self.apart + flat[:, 0]), self.low + flat[:, 1]
        return np.stack([x, y, self.foremost + self.back(x, y)], 1)


def _fit_front(person, vertices, half):
    """The front of somebody's glasses, clear of the face (V, 3), and the vertices (N, 3) of the
    face that it could touch; `half` is the frame's half thickness (2,)."""
    head = load_head()
    rest = head.rest
    eyes = {sign: eyeball(head, vertices, side) for side, sign in (("r", -1), ("l", 1))}
    middle = np.mean([centre for centre, _ in eyes.values()], 0)
    wide = np.mean([at_place(vertices, (sign * 0.66, 7.30, 0.98))[0] * sign for sign in (-1, 1)])
    size = wide / 0.665 * (0.96 + 0.12 * (person.seed % 101) / 100)
    outline = _outline(person.glasses, size)
    apart = max(abs(eyes[1][0][0] - eyes[-1][0][0]) / 2 + 0.012, 0.10 - outline[:, 0].min())
    front = _Front(outline=outline, nose=middle[0], low=middle[1] - 0.025, apart=apart)
    near = (rest[:, 2] > 0.85) & (rest[:, 1] > 6.7) & (rest[:, 1] < 7.8)
    near &= np.isin(np.arange(len(rest)), _skin_and_lashes())
    face = vertices[near & (head.masks["inside-mouth"] < 0.5)]
    covered = np.zeros(len(face), bool)
    for sign in (-1, 1):
        flat = np.stack([sign * (face[:, 0] - front.nose) - apart, face[:, 1] - front.low], 1)
        covered |= _inside(outline, flat)
    under = face[covered]
    foremost = (under[:, 2] - front.back(under[:, 0], under[:, 1])).max() + CLEAR + half[0]
    return replace(front, foremost=foremost), face


@lru_cache(maxsize=1)
def _skin_and_lashes():
    head = load_head()
    return np.concatenate([head.of_group("body"), head.of_group("lashes")])


def at_place(vertices, place):
    """The vertex (3,) that lies nearest to a place on the rest head."""
    rest = load_head().rest
    return vertices[np.linalg.norm(rest - np.float32(place), axis=1).argmin()]


def _lens(rim):
    """A flat dark lens in a rim (RIM, 3)."""
    middle = rim.mean(0) - [0, 0, 0.004]
    points = np.concatenate([rim - [0, 0, 0.004], middle[None]])
    k = np.arange(len(rim))
    triangles = np.stack([k, (k + 1) % len(rim), np.full(len(rim), len(rim))], 1).astype(np.int32)
    bent = (points - middle) * np.float32([1.2, 1.2, 0]) + [0, 0.08, 1]  # lenses bulge
    known = np.broadcast_to(np.float32([1, 0, 0]), points.shape)
    return Mesh(points=points, normals=unit(bent), triangles=triangles, known=known)


def _bridge(front, half, face, flat):
    """The bridge over the nose, clear of it: of a flat frame it widens to the rims."""
    at, outline = np.linspace(-1, 1, 13), front.outline
    inner = outline[np.abs(outline[:, 1] - 0.4 * outline[:, 1].max()) < 0.08]
    inner = inner[inner[:, 0].argmin()]
    left, right = (front.place(sign, inner[None])[0] for sign in (1, -1))
    path = right + (left - right) * (at[:, None] + 1) / 2
    arch = 1 - at**2
    path[:, 1] += 0.025 * arch
    reach = np.linalg.norm((face[None] - path[:, None])[..., :2], axis=-1) < 0.06
    skin = np.where(reach, face[None, :, 2], -9).max(1) + 0.02 + half[0]
    path[:, 2] += np.sqrt(arch) * max(0.02, (skin - path[:, 2]).max())
    wide = 0.9 + 0.9 * at**2 if flat else np.ones(len(at))
    return tube(path, half[::-1] * np.stack([wide, 0 * at + 0.9], 1), (0, 0, 1.0), flat=flat)


def _temple(sign, rim, outline, half, vertices, flat):
    """The arm from the outer side of a rim over the ear."""
    head = load_head()
    rest = head.rest
    side = sign * rest[:, 0]
    high = 0.45 * outline[:, 1].max()
    hinge = rim[np.hypot(outline[:, 0] - outline[:, 0].max(), outline[:, 1] - high).argmin()]
    ear = at_place(vertices, (sign * 0.80, 7.33, 0.42))
    skin = np.isin(np.arange(len(rest)), head.of_group("body")) & (side > 0.35)
    skin &= (head.masks["ears"] < 0.03) & (rest[:, 1] > 6.9) & (rest[:, 1] < 7.8)
    skin = vertices[skin]
    s = np.linspace(0, 1, 15)
    z = hinge[2] - 0.02 + s * (ear[2] - 0.16 - hinge[2])
    y = hinge[1] + s * (ear[1] - 0.04 - hinge[1])
    near = np.hypot(skin[None, :, 1] - y[:, None], skin[None, :, 2] - z[:, None]) < 0.1
    outer = np.where(near, sign * skin[None, :, 0], -9).max(1) + 0.015 + half[0]
    # From the hinge in to the skin at the temple, so that hair falls over the arm.
    free = sign * hinge[0] + 0.02 * np.minimum(1, 12 * s)
    x = outer + np.maximum(free - outer, 0) * step(0.4, 0.05, s)
    arm = np.stack([sign * x, y, z], 1)
    tip = arm[-1] + np.float32([[-0.01 * sign, -0.06, -0.10], [-0.03 * sign, -0.22, -0.18]])
    path = np.concatenate([hinge[None] + [0, 0, -0.005], arm, tip])
    thick = np.array([half[0] * 0.8, half[1]])
    return tube(path, thick, (0, 1.0, 0), known=(0, 1, 0), flat=flat)


def earrings(person, vertices):
    """Somebody's earrings, on the face (V, 3) that wears them: a `Mesh`."""
    ears = load_head().masks["ears"] > 0.5
    fine = (person.seed % 89) / 88
    parts = []
    for sign in (-1, 1):
        ear = vertices[ears & (sign * load_head().rest[:, 0] > 0)]
        lobe = ear[ear[:, 1] < ear[:, 1].min() + 0.07]
        place = lobe[(sign * lobe[:, 0] + 0.5 * lobe[:, 2]).argmax()] + [sign * 0.01, 0.015, 0.005]
        if person.earrings == "studs":
            parts.append(ball(place, 0.022 + 0.014 * fine + 0.012 * (person.jewel == "pearl")))
            continue
        radius, angle = 0.07 + 0.10 * fine, np.linspace(0, 2 * np.pi, 28, endpoint=False)
        flat = np.float32([sign * 0.55, 0, 0.83])
        ring = np.cos(angle)[:, None] * flat + np.sin(angle)[:, None] * np.float32([0, 1, 0])
        across = np.cross(flat, [0, 1, 0])
        parts.append(tube(place - [0, radius, 0] + radius * ring, (0.013, 0.013), across, True))
    return joined(parts)


def _neck(vertices, heights, round_):
    """How far the neck reaches between two rest heights at angles round it from the front (C,)."""
    rest = load_head().rest
    near = (rest[:, 1] > heights[0]) & (rest[:, 1] < heights[1])
    near &= np.hypot(rest[:, 0], rest[:, 2]) < 0.95
    offset = vertices[near] - np.float32([0, 0, NECK_AXIS])
    angle, far = np.arctan2(offset[:, 0], offset[:, 2]), np.hypot(offset[:, 0], offset[:, 2])
    places = np.linspace(-np.pi, np.pi, 73)
    apart = np.abs((angle - places[:, None] + np.pi) % (2 * np.pi) - np.pi)
    neck = np.where(apart < 0.3, far, 0).max(1)
    neck = np.convolve(np.r_[neck[-7:-1], neck, neck[1:7]], np.ones(13) / 13, "valid")
    return np.interp(round_, places, neck, period=2 * np.pi)


def _throat(vertices):
    """How far a throat lies above that of the rest head, in decimetres."""
    return at_place(vertices, (0, 5.78, 0.69))[1] - 5.78


def scarf(vertices, seed):
    """A scarf wound round the neck of a dressed body (V, 3) in the upright frame: a `Mesh`; `known`
    is the angle round the neck and that round the scarf."""
    round_ = np.linspace(-np.pi, np.pi, 73)
    neck = _neck(vertices, (5.5, 6.05), round_)
    section, phase = np.linspace(-np.pi, np.pi, 33)[:, None], seed % 97
    folds = np.sin(7 * section + 1.2 * np.sin(2 * round_ + phase) + 3 * round_)
    folds = 1 + 0.10 * folds + 0.08 * np.sin(2 * round_ + section + phase)
    radius = neck + 0.10 + 0.17 * folds * np.cos(section)
    height = 0.5 * _throat(vertices) + 5.80 - 0.20 * np.cos(round_) + 0.26 * folds * np.sin(section)
    points = np.stack(
        [radius * np.sin(round_), height, NECK_AXIS + radius * np.cos(round_)], -1
    ).astype(np.float32)
    middle = np.stack([neck * np.sin(round_), 5.8 + 0 * round_, neck * np.cos(round_)], -1)
    known = np.stack(np.broadcast_arrays(round_, section, np.float32(0)), -1)
    return surface(points, known, middle + [0, 0, NECK_AXIS])


def collar(vertices):
    """A shirt's collar on a dressed body (V, 3) in the upright frame, open at the throat: a `Mesh`;
    `known` is the angle round the neck, how far down the leaf, and 1."""
    round_ = np.linspace(0.08, 2 * np.pi - 0.08, 61)
    neck = _neck(vertices, (5.82, 6.08), round_)
    front = step(1.1, 0.1, np.minimum(round_, 2 * np.pi - round_))
    foot = 5.86 - 0.19 * np.cos(round_)
    foot = foot + 0.6 * _throat(vertices) * np.clip(np.cos(round_), 0, 1)
    fall = 0.24 + 0.16 * front**2  # the points of the collar
    rows = [  # out from the neck and up from the foot: along the stand, over the fold
        (0.02, -0.06), (0.03, 0.08), (0.04, 0.19), (0.06, 0.215), (0.085, 0.20),
    ]  # fmt: skip
    rows = [(neck + out, foot + up) for out, up in rows]
    rows += [
        (neck + 0.09 + (0.10 + 0.10 * front) * share, foot + 0.20 - fall * share)
        for share in (0.35, 0.7, 1.0)
    ]
    radius, height = (np.stack(column) for column in zip(*rows, strict=True))
    leaf = np.float32([0, 0, 0, 0, 0.1, 0.4, 0.7, 1])[:, None]
    spread = np.pi + (round_ - np.pi) * (1 - 0.09 * leaf * front)
    points = [radius * np.sin(spread), height, NECK_AXIS + radius * np.cos(spread)]
    points = np.stack(points, -1).astype(np.float32)
    normals = unit(np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0)))
    known = np.stack(np.broadcast_arrays(round_, leaf, np.float32(1)), -1).reshape(-1, 3)
    triangles = grid_triangles(*radius.shape, False)
    return Mesh(
        points=points.reshape(-1, 3),
        normals=normals.reshape(-1, 3),
        triangles=triangles,
        known=known,
    )
