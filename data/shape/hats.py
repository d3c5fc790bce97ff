"""Hats: a knitted beanie, a baseball cap, a sun hat and a headscarf, each a surface laid over
somebody's own head in the upright frame (decimetres, x to the person's left)."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from data.shape.head import CENTRE, load_head
from data.shape.maths import look_up, step
from data.shape.skull import Skull
from data.shape.worn import Mesh, at_place, ball, joined, surface

ROWS, COLUMNS = 16, 49  # of a crown, from its top to its border and round it
# Where the border runs: dm above the middle of the forehead, above the ears, and of the nape above
# the ears; how far the cloth is from the skull; how much higher than the skull the top is.
FIT = {
    "beanie": (0.0, 0.05, -0.30, 0.075, 0.10),
    "baseball cap": (0.0, 0.07, -0.14, 0.06, 0.03),
    "sun hat": (0.03, 0.09, -0.06, 0.075, 0.12),
}
BRIMS = ("baseball cap", "sun hat")  # hats that shade the face
PRESSED = 0.035  # dm that hair under a hat stands off the skull
CROWN, BRIM, BUTTON = range(3)  # what a vertex of a hat belongs to
# The edge of a headscarf round the face: places on the rest head's left, from the forehead down.
EDGE = (
    (0, 7.88, 1.46), (0.36, 7.80, 1.33), (0.58, 7.58, 1.10), (0.655, 7.28, 1.00),
    (0.63, 6.95, 0.95), (0.54, 6.60, 0.95), (0.38, 6.32, 1.10), (0, 6.16, 1.34),
)  # fmt: skip
MIDDLE = np.array([0.0, 6.95, 0.40])  # from where a headscarf is seen as a radius
DIRECTIONS = (36, 72)
SCARF_THICKNESS = 0.055
EDGE_WIDTH = 0.12  # share of the way to the back in which it leaves the face
FLARE, NECK_DROP = 0.38, 0.55  # below the neck: widening, and how far under MIDDLE it begins (dm)


@dataclass(frozen=True, eq=False)
class Hat:
    """A hat on a head: its mesh, its skull, and the polar angle float32 (COLUMNS,) of its border
    round the head from the back over the person's right."""

    mesh: Mesh
    skull: Skull
    border: np.ndarray


def _directions(polar, round_):
    """Unit vectors (..., 3) at angles from straight up and round the head from the front."""
    sine = np.sin(polar)
    return np.stack([sine * np.sin(round_), np.cos(polar), sine * np.cos(round_)], -1)


def _reach(skull, polar, round_):
    """How far the skull reaches from its centre in directions: the shape of the angles."""
    within = _directions(polar, round_) * 0.5
    return 0.5 - skull.gap((CENTRE + within).reshape(-1, 3)).reshape(within.shape[:-1])


def _border(skull, vertices, kind, round_):
    """The polar angle of a hat's border at angles round the head (C,)."""
    front, ears, nape, _, _ = FIT[kind]
    ear = max(at_place(vertices, (side * 0.80, 7.33, 0.42))[1] for side in (-1, 1))
    forehead = at_place(vertices, (0, 7.73, 1.49))[1] + front
    ear = min(ear + ears, forehead + 0.02)
    height = np.interp(
        np.abs(round_), (0, 0.8, 1.5, 2.2, np.pi), (forehead, forehead, ear, ear - 0.05, ear + nape)
    )
    height = np.convolve(np.r_[height[-4:-1], height, height[1:4]], np.ones(7) / 7, "valid")
    polar = np.full_like(round_, np.pi / 2)
    for _ in range(6):
        reach = np.maximum(_reach(skull, polar, round_), 0.4)  # it is not known down in the neck
        polar = np.arccos(np.clip((height - CENTRE[1]) / reach, -0.7, 0.9))
    return polar


def hat(kind, vertices):
    """A hat of a kind of `FIT` on a neutral face (V, 3): a `Hat`; `known` of its mesh is the angle
    round the head, how far it is from the top (1 at the border, 2 at the end of a brim), and what
    it is."""
    skull = Skull(vertices)
    round_ = np.linspace(-np.pi, np.pi, COLUMNS)
    border = _border(skull, vertices, kind, round_)
    thick, top = FIT[kind][3:]
    down = np.linspace(0.02, 1, ROWS)[:, None]
    polar = down * border
    reach = _reach(skull, polar, np.broadcast_to(round_, polar.shape))
    reach[:] = cv2.blur(np.pad(reach, ((0, 0), (6, 6)), "wrap"), (3, 3))[:, 6:-6]
    reach[:, -1] = reach[:, 0]
    lifted = reach + thick + top * (1 - down**2)
    if kind == "beanie":
        lifted = lifted + 0.04 * step(0.74, 0.78, down)  # the cuff
    if kind == "sun hat":
        lifted = lifted + 0.05 * step(0.35, 0.6, down) * (1 - down)  # a crown with a flat top
    rows = [CENTRE + lifted[..., None] * _directions(polar, round_)]
    edge = CENTRE + (reach[-1] - 0.03)[:, None] * _directions(border, round_)
    points = np.concatenate([*rows, edge[None] - [0, 0.01, 0]])
    down = np.append(down[:, 0], 1.02)[:, None]
    known = np.stack(np.broadcast_arrays(round_, down, np.float32(CROWN)), -1)
    parts = [surface(points, known, CENTRE)]
    base = points[-2]
    if kind == "baseball cap":
        parts += [*_visor(base[np.abs(round_) < 1.0]), _button(points[0].mean(0))]
    if kind == "sun hat":
        parts += _wide_brim(base, round_)
    return Hat(mesh=joined(parts), skull=skull, border=border)


def _sheet(points, known, thick=0.016):
    """Both sides of a sheet, (R, C, 3), as meshes: lit from above and from below."""
    normals = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    normals = normals * np.sign(normals[..., 1:2] + 1e-9)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    above = surface(points, known, CENTRE)
    return [
        replace(above, points=above.points - [0, low, 0], normals=sign * normals.reshape(-1, 3))
        for sign, low in ((1, 0), (-1, thick))
    ]


def _visor(base):
    """A cap's visor on a piece of its border (C, 3)."""
    across = np.linspace(-1, 1, len(base))
    out = np.linspace(-0.06, 1, 7)[:, None]
    reach = 0.02 + 0.76 * np.sqrt(np.maximum(1 - across**2, 0)) ** 0.8
    way = np.stack([0.12 * across, np.full_like(across, -0.30), np.ones_like(across)], -1)
    points = base + (out * reach)[..., None] * way
    points[..., 1] += 0.08 * np.clip(out, 0, 1) * reach * (1 - 1.6 * across**2)
    known = np.stack(np.broadcast_arrays(across, 1 + out, np.float32(BRIM)), -1)
    return _sheet(points, known)


def _button(place):
    """The button on top of a cap."""
    return ball(place, (0.05, 0.028, 0.05), (0, 0, BUTTON))


def _wide_brim(base, round_):
    """A brim all round a border (C, 3)."""
    out = np.linspace(-0.05, 1, 8)[:, None]
    away = base - base.mean(0)
    away = away / np.linalg.norm(away[:, [0, 2]], axis=1, keepdims=True)
    away[:, 1] = -0.10 + 0.06 * np.cos(2 * round_) + 0.03 * np.sin(3 * round_)
    points = base + 0.62 * out[..., None] * away
    points[..., 1] -= 0.10 * np.clip(out, 0, 1) ** 2
    known = np.stack(np.broadcast_arrays(round_, 1 + out, np.float32(BRIM)), -1)
    return _sheet(points, known)


def press(strands, hat):
    """Strands of hair with what is under a hat pressed to the skull: `hair.Strands`."""
    offset = strands.points.reshape(-1, 3) - CENTRE
    radius = np.linalg.norm(offset, axis=1)
    polar = np.arccos(np.clip(offset[:, 1] / np.maximum(radius, 1e-6), -1, 1))
    round_ = np.arctan2(offset[:, 0], offset[:, 2])
    border = np.interp(round_, np.linspace(-np.pi, np.pi, COLUMNS), hat.border)
    below = np.clip((polar - border) * radius, 0, None)
    surface = radius - hat.skull.gap(strands.points.reshape(-1, 3))
    most = surface + PRESSED + 0.9 * below + 9 * (below > 0.9)
    scale = np.minimum(1, most / np.maximum(radius, 1e-6))[:, None]
    points = CENTRE + offset * scale
    return replace(strands, points=points.reshape(strands.points.shape).astype(np.float32))


def tucked(vertices):
    """A head (V, 3) with its ears laid flat, as tight cloth lays them."""
    ears = load_head().masks["ears"][:, None]
    flat = np.clip(vertices[:, :1], -0.62, 0.62)
    return vertices + ears * (flat - vertices[:, :1]) * np.float32([0.75, 0, 0])


def headscarf(vertices, seed):
    """A headscarf that frames a face with its expression (V, 3): a `Mesh`; `known` as in `hat`."""
    head = load_head()
    skin = head.of_group("body")
    table = _envelope(vertices[skin[head.rest[skin, 1] > 4.9]])
    round_ = np.linspace(-np.pi, np.pi, 97)
    start = _face_edge(vertices, round_)
    along = np.linspace(0, 1, 34)[:, None] ** 1.25
    polar = start + along * (0.97 * np.pi - start)
    wide = np.broadcast_to(round_, polar.shape)
    reach = look_up(table, *_cells(polar, wide)[::-1]).reshape(polar.shape)
    reach = np.minimum(reach + SCARF_THICKNESS, _wrapped(_from_face(polar, wide)))
    low = step(1.2, 2.4, np.abs(wide))
    phase = seed % 101
    folds = np.sin(11 * wide + 9 * along + phase) + 0.6 * np.sin(17 * wide - 5 * along + 2 * phase)
    reach = reach + 0.02 * folds * (0.2 + 1.6 * low) * step(0, 0.15, along)
    face = vertices[skin[(head.rest[skin, 1] > 6.0) & (head.rest[skin, 2] > 0.4)]]
    near = along[:, 0] < EDGE_WIDTH
    touching = _touching(face, _from_face(polar[near], wide[near])) + 0.03
    reach[near] = touching + step(0, EDGE_WIDTH, along[near]) * (reach[near] - touching)
    points = MIDDLE + reach[..., None] * _from_face(polar, wide)
    inner = points[:1] - 0.035 * _from_face(polar[:1], wide[:1])
    points = np.concatenate([inner, points])
    down = np.concatenate([[[0.0]], along])
    known = np.stack(np.broadcast_arrays(round_, down, np.float32(CROWN)), -1)
    return surface(points, known, MIDDLE)


def _from_face(polar, round_):
    """Unit vectors (..., 3) at angles from straight ahead, and round that from the top."""
    sine = np.sin(polar)
    return np.stack([sine * np.sin(round_), sine * np.cos(round_), np.cos(polar)], -1)


def _cells(polar, round_):
    """Row and column (fractional) of directions in an envelope, (N,) each."""
    row = polar / np.pi * DIRECTIONS[0] - 0.5
    column = (round_ / (2 * np.pi) + 0.5) * DIRECTIONS[1] - 0.5 + 6
    return row.ravel(), column.ravel()


def _angles(points):
    """Angles from straight ahead and round that from the top, and distances, of (N, 3) from
    MIDDLE."""
    offset = points - MIDDLE
    radius = np.linalg.norm(offset, axis=1)
    return np.arccos(offset[:, 2] / radius), np.arctan2(offset[:, 0], offset[:, 1]), radius


def _envelope(points):
    """How far the outermost points are in each direction, as tight cloth spans them: a table with
    six columns more on each side."""
    polar, round_, radius = _angles(points)
    table = np.zeros(DIRECTIONS, np.float32)
    row = np.minimum((polar / np.pi * DIRECTIONS[0]).astype(int), DIRECTIONS[0] - 1)
    column = ((round_ / (2 * np.pi) + 0.5) * DIRECTIONS[1]).astype(int) % DIRECTIONS[1]
    np.maximum.at(table, (row, column), radius.astype(np.float32))
    wide = np.pad(table, ((0, 0), (6, 6)), "wrap")
    for _ in range(10):
        wide = np.where(wide > 0, wide, cv2.dilate(wide, np.ones((3, 3))))
    wide = cv2.dilate(wide, np.ones((3, 3)))
    return cv2.GaussianBlur(wide, (0, 0), 1.3)


def _wrapped(direction):
    """How far cloth that is wrapped round the neck and flares below it may be from MIDDLE in
    directions (..., 3)."""
    flat, down = np.hypot(direction[..., 0], direction[..., 2]), -direction[..., 1]
    ahead = direction[..., 2] / np.maximum(flat, 1e-6)
    radius = np.where(ahead > 0, 0.80 + 0.12 * ahead**2, 0.80 + 0.30 * ahead**2)
    cone = (radius - NECK_DROP * FLARE) / np.maximum(flat - FLARE * down, 0.05)
    most = np.maximum(radius / np.maximum(flat, 0.05), cone)
    return most + 3 * step(0.15, -0.25, down)


def _face_edge(vertices, round_):
    """The headscarf's edge at angles round the face (C,): its angles from straight ahead."""
    places = [(side * x, y, z) for x, y, z in EDGE for side in ((1, -1) if x else (1,))]
    polar, angle, _ = _angles(np.array([at_place(vertices, place) for place in places]))
    order, kernel = np.argsort(angle), np.hanning(9) / np.hanning(9).sum()
    edge = np.interp(round_, angle[order], polar[order], period=2 * np.pi)
    return np.convolve(np.r_[edge[-5:-1], edge, edge[1:5]], kernel, "valid")


def _touching(face, direction):
    """How far the outermost of the vertices (N, 3) that lie about each direction (R, C, 3) is from
    MIDDLE: (R, C), smooth."""
    offset = face - MIDDLE
    radius = np.linalg.norm(offset, axis=1)
    near = direction.reshape(-1, 3) @ (offset / radius[:, None]).T > np.cos(0.10)
    reach = np.where(near, radius, 0).max(1).reshape(direction.shape[:2])
    reach = np.where(reach > 0, reach, np.median(reach[reach > 0]))
    return cv2.blur(np.pad(reach, ((0, 0), (4, 4)), "wrap"), (5, 1))[:, 4:-4]
