"""The parametric head: who somebody is and what the face does, in; vertices, out.

A head is MakeHuman's base mesh plus a weighted sum of morph targets (all of them offsets of the
same vertices): macro targets give origin, sex, age and weight, identity targets give single
features, expression units move the face. Units are decimetres; x points to the person's left, y up,
z out of the face. "Rest" positions are those of the base
mesh before any target: they say where on a face a vertex is, whatever the face, so paint is laid
out in them.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from data.shape.maths import step
from data.shape.nostrils import open_nostrils
from data.shape.proportions import BROW, BROW_SHIFT, proportion_targets

ASSET = Path(__file__).parents[1] / "assets" / "head.npz"

NECK = np.array([0.0, 5.75, 0.15])  # rest position about which head and shoulders turn
CENTRE = np.array([0.0, 7.35, 0.42])  # rest position of the middle of the skull
EYE_SIZE = 0.6  # everybody's: the base mesh's eyes are small beside those of photographs
BONE = 0.2  # share of a brow's height by which its bone moves; the rest is where its hairs grow
CLOSED_BROW = -0.025  # dm that brows may stand below their usual place over closed eyes
LIDS = (7.332, 7.24)  # rest heights of the middles of the lids' edges
CLEAR = 1.065  # radii of the eyeball from its middle that skin in front of it keeps
LEAST_GAP = 0.3  # of the base mesh's opening between the lids, that a blink closes at least
YOUNG, OLD = 25.0, 90.0  # years at which the macro targets were modelled

# A feature that is a pair of targets goes from -1 (first) to +1 (second).
PAIRS = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
# A feature that is moved whole has a pair for each of its directions.
MOVES = {"in": "across", "out": "across", "down": "height", "up": "height"}


@dataclass(frozen=True)
class Shape:
    """Who somebody is, as far as the mesh goes.

    Attributes:
        origin: weights of african, asian and caucasian, summing to 1.
        male: 0 (female) to 1 (male).
        age: years.
        weight: -1 (thin) to 1 (heavy).
        features: (feature name, value in [-1, 1]) pairs; names are those of `Head.features`.
        proportions: (name, value about -1 to 1) pairs; names are those of `Head.proportions`.
    """

    origin: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    male: float = 0.5
    age: float = 30.0
    weight: float = 0.0
    features: tuple[tuple[str, float], ...] = ()
    proportions: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Pose:
    """How the head is turned on the shoulders, in degrees, and where the eyes look.

    Attributes:
        yaw: positive turns the face towards the picture's right.
        pitch: positive looks up.
        roll: positive tilts the head towards the picture's right shoulder.
        body_yaw: how far the shoulders turn with it.
        gaze: (horizontal, vertical) turn of the eyes in the head, degrees; positive is right and up
            in the picture.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    body_yaw: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Head:
    """What the file holds, ready for use; made once a process by `load_head`.

    Attributes:
        rest: float32 (V, 3), the base mesh.
        triangles: int32 (F, 3).
        group: uint8 (F,), index into `group_names`.
        masks: name -> float32 (V,) in [0, 1], where on the skin a region is.
        targets: name -> (index, offset), the vertices that a target moves and by how much.
        features: feature name -> ((targets at -1), (targets at +1)); left and right move together.
        proportions: name -> (index, offset), as for targets.
        lids: the vertices in the middle of the upper and the lower lid, of the left and the right.
        around_eyes: int, the vertices of the skin in front of the left and of the right eyeball.
        turn: float32 (V,), 0 where a vertex belongs to the shoulders, 1 where it belongs to the
            head.
    """

    rest: np.ndarray
    triangles: np.ndarray
    group: np.ndarray
    group_names: tuple[str, ...]
    masks: dict[str, np.ndarray]
    targets: dict[str, tuple[np.ndarray, np.ndarray]]
    features: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    proportions: dict[str, tuple[np.ndarray, np.ndarray]]
    lids: tuple[tuple[int, int], tuple[int, int]]
    around_eyes: tuple[np.ndarray, np.ndarray]
    turn: np.ndarray
    _around: np.ndarray = field(repr=False)
    _vertices: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def in_group(self, name):
        """bool (F,): which triangles belong to a group."""
        return self.group == self.group_names.index(name)

    def of_group(self, name):
        """int (K,): the vertices of a group, not to be written to."""
        if name not in self._vertices:
            self._vertices[name] = np.unique(self.triangles[self.in_group(name)])
        return self._vertices[name]

    def normals(self, vertices):
        """Smooth vertex normals: float32 (V, 3), unit length, for vertices (V, 3)."""
        a, b, c = (vertices[self.triangles[:, k]] for k in range(3))
        flat = np.cross(b - a, c - a)  # twice the area: large faces count more
        flat = np.concatenate([flat, np.zeros((1, 3), flat.dtype)])
        total = flat[self._around].sum(1)
        return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(
            np.float32
        )


@lru_cache(maxsize=1)
def load_head():
    """Read `data/assets/head.npz`.

    Returns:
        a `Head`.
    Raises:
        ValueError: if the file is missing.
    """
    if not ASSET.exists():
        raise ValueError(f"{ASSET} is missing. Make it with: python -m data.shape.build_head")
    with np.load(ASSET) as file:
        arrays = {name: file[name] for name in file.files}
    rest = open_nostrils(arrays["vertices"].astype(np.float32))
    triangles = arrays["triangles"].astype(np.int32)
    start = arrays["target_start"]
    offsets = arrays["target_offset"].astype(np.float32)
    index = arrays["target_index"].astype(np.int64)
    targets = {
        str(name): (index[a:b], offsets[a:b])
        for name, a, b in zip(arrays["target_names"], start[:-1], start[1:], strict=True)
    }
    masks = {
        str(name): mask.astype(np.float32)
        for name, mask in zip(arrays["mask_names"], arrays["masks"], strict=True)
    }
    return Head(
        rest=rest,
        triangles=triangles,
        group=arrays["group"],
        group_names=tuple(map(str, arrays["group_names"])),
        masks=masks,
        targets=targets,
        features=_pair_features(targets),
        proportions=proportion_targets(rest, targets),
        lids=tuple(
            tuple(
                int(np.linalg.norm(rest - (side * 0.311, y, 1.41), axis=1).argmin()) for y in LIDS
            )
            for side in (1, -1)
        ),
        around_eyes=_around_eyes(
            rest, triangles, arrays["group"], [str(name) for name in arrays["group_names"]]
        ),
        turn=turn_weights(rest),
        _around=_faces_around(triangles, len(rest)),
    )


def _around_eyes(rest, triangles, group, names):
    skin = np.unique(triangles[group == names.index("body")])
    found = []
    for side in "lr":
        ball = rest[np.unique(triangles[group == names.index(f"{side}-eye")])]
        centre, radius = (ball.max(0) + ball.min(0)) / 2, np.ptp(ball[:, 0]) / 2
        offset = rest[skin] - centre
        share = np.linalg.norm(offset, axis=1) / radius
        # The folds behind the lids, which touch the eye, are nearer.
        found.append(skin[(share > CLEAR) & (share < 1.8) & (offset[:, 2] > 0.4 * radius)])
    return tuple(found)


def _pair_features(targets):
    """Join opposite targets, and left with right, into features named "folder/name"."""
    features = {}
    for name in targets:
        folder, _, rest = name.partition("/")
        if folder in ("macro", "unit"):
            continue
        stem, sign = rest, 1
        for low, high in PAIRS:
            if rest.endswith("-" + low) or rest.endswith("-" + high):
                stem, word = rest.rsplit("-", 1)
                sign = 1 if word == high else -1
                if stem.endswith("-trans"):
                    stem += "-" + MOVES.get(word, "depth")
        if folder != "asym" and stem[:2] in ("l-", "r-"):
            stem = stem[2:]
        low, high = features.get(f"{folder}/{stem}", ((), ()))
        features[f"{folder}/{stem}"] = (low, (*high, name)) if sign > 0 else ((*low, name), high)
    return features


def turn_weights(rest):
    """How much each vertex follows the head rather than the shoulders: float32 (V,)."""
    # The chin hangs in front of the throat.
    along = rest[:, 1] + 0.45 * np.clip(rest[:, 2] - 0.3, 0, 1.2)
    return step(5.3, 6.5, along).astype(np.float32)


def _faces_around(triangles, count):
    """int32 (V, D): the triangles that meet at each vertex, padded with the number of triangles."""
    vertex = triangles.ravel()
    order = np.argsort(vertex, kind="stable")
    degree = np.bincount(vertex, minlength=count)
    table = np.full((count, degree.max()), len(triangles), np.int32)
    slot = np.arange(len(vertex)) - np.repeat(np.cumsum(degree) - degree, degree)
    table[vertex[order], slot] = order // 3
    return table


def shape_vertices(head, shape):
    """The neutral face of somebody.

    Args:
        head: a `Head`.
        shape: a `Shape`.

    Returns:
        float32 (V, 3) in decimetres, moved so that the eyes stand where those of the base mesh do.
    """
    vertices = head.rest.copy()
    for name, weight in shape_weights(head, shape):
        _add(vertices, head, name, weight)
    eyes = np.concatenate([head.of_group("l-eye"), head.of_group("r-eye")])
    for name, value in {"eye size": 0.0, **dict(shape.proportions)}.items():
        index, offset = head.proportions[name]
        value += EYE_SIZE if name == "eye size" else 0
        vertices[index] += (value * BONE if name == BROW else value) * offset
    return vertices + (head.rest[eyes].mean(0) - vertices[eyes].mean(0))


def brow_lift(shape, closed=0.0):
    """How far the hairs of the brows stand above their usual place on the skin, dm: low brows reach
    the skin that folds when eyes open, which they leave to the lids as eyes are `closed`, 0 to 1.
    """
    lift = (1 - BONE) * BROW_SHIFT * dict(shape.proportions).get(BROW, 0.0)
    return lift + closed * (max(lift, CLOSED_BROW) - lift)


def shape_weights(head, shape):
    """(target name, weight) of the targets of the file that a shape mixes; a few macro targets that
    move nothing are not in it."""
    yield from _macro_weights(shape)
    for name, value in shape.features:
        low, high = head.features[name]
        for target in high if value > 0 else low:
            yield target, abs(value)


def _macro_weights(shape):
    old = float(np.clip((shape.age - YOUNG) / (OLD - YOUNG), 0, 1))
    heavy = abs(shape.weight)
    body = "maxweight" if shape.weight > 0 else "minweight"
    for sex, by_sex in (("female", 1 - shape.male), ("male", shape.male)):
        for age, by_age in (("young", 1 - old), ("old", old)):
            for origin, share in zip(("african", "asian", "caucasian"), shape.origin, strict=True):
                yield f"macro/{origin}-{sex}-{age}", share * by_sex * by_age
            stem = f"macro/universal-{sex}-{age}-averagemuscle-"
            yield stem + "averageweight", (1 - heavy) * by_sex * by_age
            yield stem + body, heavy * by_sex * by_age


def _add(vertices, head, name, weight):
    if weight and name in head.targets:  # files that move nothing were not kept
        index, offset = head.targets[name]
        vertices[index] += weight * offset


def express(head, vertices, units):
    """Add an expression.

    Args:
        head: a `Head`.
        vertices: float32 (V, 3), a neutral face.
        units: {ARKit unit name: strength in [0, 1]}. Those of the eyes go as far as the eye is
            large; lids close as far as they are open, so that they meet on every face, but can
            still be moved where a narrow mesh has them shut.

    Returns:
        float32 (V, 3), a copy.
    """
    moved = vertices.copy()
    for name, strength in units.items():
        larger = 1.0
        if name.startswith("eyeBlink"):
            larger = max(_gap(head, vertices, name) / _gap(head, head.rest, name), LEAST_GAP)
        elif name.startswith("eye"):
            larger = _eye_width(head, vertices, name) / _eye_width(head, head.rest, name)
        _add(moved, head, "unit/" + name, strength * larger)
    _clear_eyes(head, vertices, moved)
    return moved


def _clear_eyes(head, neutral, moved):
    """Keep the skin round the eyes in front of the eyeballs, in place: units are straight lines,
    and several together would cut through."""
    for side, around in zip("lr", head.around_eyes, strict=True):
        centre, radius = eyeball(head, neutral, side)
        offset = moved[around] - centre
        distance = np.linalg.norm(offset, axis=1)
        inside = distance < CLEAR * radius
        moved[around[inside]] = centre + offset[inside] * (
            CLEAR * radius / distance[inside, None]
        ).astype(np.float32)


def _gap(head, vertices, unit):
    """How far the lids are open on the side of a unit, dm."""
    upper, lower = head.lids[unit.endswith("Right")]
    return max(0.0, float(vertices[upper, 1] - vertices[lower, 1]))


def _eye_width(head, vertices, unit):
    """The eyeball's radius on the side of a unit, dm."""
    return eyeball(head, vertices, "r" if unit.endswith("Right") else "l")[1]


def rotation(yaw, pitch, roll):
    """float64 (3, 3): roll, then pitch, then yaw, in degrees, in the senses of `Pose`."""
    y, p, r = np.radians([yaw, -pitch, -roll])
    cy, sy, cp, sp, cr, sr = np.cos(y), np.sin(y), np.cos(p), np.sin(p), np.cos(r), np.sin(r)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def turn(vertices, weight, pose):
    """Turn the head on the shoulders, bending the neck smoothly.

    Args:
        vertices: float32 (N, 3) in the upright head's frame.
        weight: float32 (N,), 1 where a point goes with the head, 0 where it goes with the
            shoulders.
        pose: a `Pose`.

    Returns:
        float32 (N, 3).
    """
    body = rotation(pose.body_yaw, 0, 0)
    relative = body.T @ rotation(pose.yaw, pose.pitch, pose.roll)
    axis, angle = _axis_angle(relative)
    from_neck = (vertices - NECK).astype(np.float32)
    part = (angle * weight)[:, None].astype(np.float32)
    cos, sin = np.cos(part), np.sin(part)
    along = (from_neck @ axis)[:, None] * axis
    bent = from_neck * cos + np.cross(axis, from_neck) * sin + along * (1 - cos)  # Rodrigues
    return (bent @ body.T + NECK).astype(np.float32)


def _axis_angle(matrix):
    """The unit axis float32 (3,) and angle in radians of a rotation matrix."""
    angle = np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))
    axis = np.array(
        [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]
    )
    length = np.linalg.norm(axis)
    return (axis / length if length > 1e-9 else np.array([0.0, 1, 0])).astype(np.float32), angle


def eyeball(head, vertices, side):
    """Centre float32 (3,) and radius of an eye ("l" or "r") of a neutral face."""
    points = vertices[head.of_group(f"{side}-eye")]
    centre = (points.max(0) + points.min(0)) / 2
    return centre, float(np.ptp(points[:, 0]) / 2)
