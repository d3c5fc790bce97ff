"""A scene: everything in a picture as one heap of triangles, standing in the world, with what each
vertex knows."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from data.shape import cartoon, clothes, hair, hats, lids, worn
from data.shape.cuts import BEARDS, CUTS, Cut, coarser, varied
from data.shape.hair import beard_mask
from data.shape.head import (
    CENTRE,
    NECK,
    brow_lift,
    express,
    eyeball,
    load_head,
    rotation,
    shape_vertices,
    turn,
    turn_weights,
)
from data.shape.parts import landmark_vertices

# Materials.
SKIN, EYE, TEETH, TONGUE, HAIR, BEARD, GLASSES, HAT, JEWEL, SCARF, COLLAR = range(11)

# Columns of what a vertex knows.
POSITION, NORMAL, REST, KNOWN = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
COLUMNS = 12
GUMS = 0.07  # dm that lower teeth and tongue are held back
LINING = 0.06  # dm that the mouth's lining is held back, so that thin lips do not show it


@dataclass(frozen=True, eq=False)
class Scene:
    """A person in a view as triangles.

    Attributes:
        attributes: float32 (N, COLUMNS). Position and unit normal in the world (dm); "rest" is the
            rest position on skin, the direction in the eye's own frame on an eye, the unit tangent
            on hair; "known" is the masks lips, inside of the mouth and ears on skin, and across,
            along and tint on hair.
        triangles: int32 (F, 3); `material`: uint8 (F,).
        cut: the `cuts.Cut` worn.
        landmarks: float32 (L, 3) in the world; `landmark_names`.
        eyes: float32 (2, 3), centres of the eyeballs (person's right, left);
            `gaze`: float32 (2, 3), unit, where each looks.
        lashes: float32 (2, 7, L, 3), of the upper lids: see `lids.lashes`.
        lenses: float32 (L, RIM, 3), the rims of the lenses of glasses; none without.
        middle: (3,), what the camera looks at.
    """

    attributes: np.ndarray
    triangles: np.ndarray
    material: np.ndarray
    cut: Cut
    landmarks: np.ndarray
    landmark_names: tuple[str, ...]
    eyes: np.ndarray
    gaze: np.ndarray
    lashes: np.ndarray
    lenses: np.ndarray
    middle: np.ndarray


@lru_cache(maxsize=1)
def _sphere(rows=14, columns=20):
    """A ball: unit directions float32 (N, 3) with its pole along z, and triangles int32 (F, 3)."""
    polar = np.linspace(0, np.pi * 0.75, rows)[:, None]
    round_ = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    points = np.stack(
        [
            np.sin(polar) * np.cos(round_),
            np.sin(polar) * np.sin(round_),
            np.cos(polar) + 0 * round_,
        ],
        -1,
    )
    r, c = np.mgrid[: rows - 1, :columns]
    a, b = r * columns + c, r * columns + (c + 1) % columns
    quads = np.stack([a, a + columns, b + columns, a, b + columns, b], -1)
    return points.reshape(-1, 3).astype(np.float32), quads.reshape(-1, 3).astype(np.int32)


@lru_cache(maxsize=1)
def _static():
    """What is the same for everybody: kept triangles, their materials, outer skin, landmarks."""
    head = load_head()
    material = {
        "body": SKIN,
        "upper-teeth": TEETH,
        "lower-teeth": TEETH,
        "tongue": TONGUE,
    }
    kept, kinds = [], []
    for group, kind in material.items():
        kept.append(head.triangles[head.in_group(group)])
        kinds.append(np.full(len(kept[-1]), kind, np.uint8))
    outer = head.of_group("body")
    outer = outer[head.masks["inside-mouth"][outer] < 0.9]
    names, vertices = landmark_vertices(head.rest, outer)
    return np.concatenate(kept), np.concatenate(kinds), names, vertices


@lru_cache(maxsize=2)
def _neutral(shape, style="photo"):
    """Somebody's neutral face in a style and its normals, kept because their pictures come one
    after another."""
    head = load_head()
    vertices = shape_vertices(head, shape)
    vertices = cartoon.exaggerate(head, vertices, vertices, style)
    return vertices, head.normals(vertices)


def build_scene(person, view, detail=1.0):
    """Build the scene of a view.

    Args:
        person, view: a `data.people` `Person` and `View`.
        detail: share of the strands of hair that are grown, fewer and wider for small pictures.

    Returns:
        a `Scene`.
    """
    head = load_head()
    triangles, material, names, landmarks = _static()
    plain, _ = _neutral(person.shape)
    landmarks = _with_nose_tip(names, landmarks, plain)
    landmarks = _with_brows(names, landmarks, brow_lift(person.shape, lids.closed(view.units)))
    neutral, normals = _neutral(person.shape, view.style)
    body = _dressed_body(head, plain, normals, person, view)
    parts = _Heap()
    posed = turn(body, head.turn, view.pose)
    known = np.stack([head.masks[name] for name in ("lips", "inside-mouth", "ears")], 1)
    parts.add(posed, head.normals(posed), head.rest, known, triangles, material)

    eyes, gaze = _add_eyes(parts, head, neutral, view)
    cut = _add_hair(parts, body, normals, person, view, detail)
    _add_jewels_and_collars(parts, body, person, view)
    middle = turn(CENTRE[None].astype(np.float32), np.ones(1, np.float32), view.pose)[0]
    return Scene(
        *parts.join(),
        cut=cut,
        landmarks=posed[landmarks],
        landmark_names=names,
        eyes=eyes,
        gaze=gaze,
        lashes=lids.lashes(posed, person.complexion.lashes, person.seed),
        lenses=_lenses(body, person, view),
        middle=middle,
    )


def _dressed_body(head, plain, normals, person, view):
    """Skin and cloth with an expression, upright: float32 (V, 3).

    Args:
        head: a `Head`.
        plain: float32 (V, 3), the neutral face, and `normals` of it in the view's style.
        person, view: a `Person` and a `View`.
    """
    units = dict(view.units) | _looking(view.pose.gaze[1])
    resting = lids.resting_lids(head, plain, person.complexion.lid)
    for unit, rest in resting.items():  # a blink goes on from where lids rest
        units[unit] = rest + (1 - rest) * units.get(unit, 0)
    body = express(head, plain, units)
    # Lower teeth stay behind the lip of a short chin when the jaw drops.
    body[head.of_group("lower-teeth")] += np.float32([0, 0.11, -0.14]) * dict(view.units)["jawOpen"]
    for group in ("lower-teeth", "tongue"):  # gums stood out of a short chin below the lip
        body[head.of_group(group)] -= np.float32([0, 0, GUMS])
    body[:, 2] -= LINING * np.where(head.masks["lips"] > 0.1, 0, head.masks["inside-mouth"])
    body = cartoon.exaggerate(head, body, plain, view.style)
    body = clothes.dress(body, normals, head.rest, view.garment)
    return hats.tucked(body) if view.hat == "headscarf" else body


def _add_jewels_and_collars(parts, body, person, view):
    """Add glasses, earrings, a shirt's collar, a scarf: what is worn of them."""
    if view.glasses:
        _add_worn(parts, worn.glasses(person, body), np.float32(1), GLASSES, view)
    if person.earrings and view.hat != "headscarf":
        _add_worn(parts, worn.earrings(person, body), np.float32(1), JEWEL, view)
    if view.garment == "shirt" and not view.scarf and view.hat != "headscarf":
        mesh = worn.collar(body)
        _add_worn(parts, mesh, turn_weights(mesh.points), COLLAR, view)
    if view.scarf:
        mesh = worn.scarf(body, view.seed)
        _add_worn(parts, mesh, turn_weights(mesh.points), SCARF, view)


def _lenses(body, person, view):
    """The rims of the lenses that are worn, turned with the head: float32 (L, RIM, 3)."""
    if not view.glasses:
        return np.zeros((0, worn.RIM, 3), np.float32)
    rims = worn.lenses(person, body)
    flat = rims.reshape(-1, 3)
    return turn(flat, np.ones(len(flat), np.float32), view.pose).reshape(rims.shape)


def _with_nose_tip(names, landmarks, neutral):
    """The landmarks' vertices (L,) with the one that stands out most, seen from a little below, as
    the tip of the nose."""
    x, y, z = load_head().rest.T
    ridge = np.nonzero((np.abs(x) < 0.01) & (y > 6.83) & (y < 6.98) & (z > 1.58))[0]
    landmarks = landmarks.copy()
    landmarks[names.index("nose tip")] = ridge[
        (neutral[ridge, 2] - 0.45 * neutral[ridge, 1]).argmax()
    ]
    return landmarks


def _with_brows(names, landmarks, lift):
    """The landmarks' vertices (L,) with those of the brows where their hairs grow, `lift` dm above
    their usual place."""
    head, landmarks = load_head(), landmarks.copy()
    skin = head.of_group("body")
    for k, name in enumerate(names):
        if " brow " in name:
            place = head.rest[landmarks[k]] + np.float32([0, lift, 0])
            landmarks[k] = skin[np.linalg.norm(head.rest[skin] - place, axis=1).argmin()]
    return landmarks


def _looking(up):
    """The units by which lids follow eyes that look `up` degrees."""
    unit = "eyeLookUp" if up > 0 else "eyeLookDown"
    return {unit + side: min(1.0, abs(up) / 22) for side in ("Left", "Right")}


class _Heap:
    """Meshes gathered into one."""

    def __init__(self):
        self.attributes, self.triangles, self.material, self.count = [], [], [], 0

    def add(self, position, normal, rest, known, triangles, material):
        self.attributes.append(
            np.concatenate([position, normal, rest, known], 1).astype(np.float32)
        )
        self.triangles.append(triangles + self.count)
        self.material.append(np.broadcast_to(np.uint8(material), len(triangles)))
        self.count += len(position)

    def join(self):
        return (
            np.concatenate(self.attributes),
            np.concatenate(self.triangles).astype(np.int32),
            np.concatenate(self.material),
        )


def _add_eyes(parts, head, neutral, view):
    """Add the eyeballs, which look at one place.

    Returns:
        their centres in the world (person's right, left) and their gaze (2, 3).
    """
    ball, triangles = _sphere()
    pose, looked_up = view.pose, cartoon.wide_iris(ball, view.style)
    one, frame = np.ones(1, np.float32), rotation(pose.yaw, pose.pitch, pose.roll)
    forward = rotation(pose.gaze[0], pose.gaze[1], 0)[:, 2]
    places = [eyeball(head, neutral, side) for side in ("r", "l")]
    target = np.mean([centre for centre, _ in places], 0) + view.shot.distance * forward
    bulge = 1 + 0.045 * np.clip((ball[:, 2:] - 0.86) / 0.14, 0, 1)  # the cornea
    centres, gazes = [], []
    for centre, radius in places:
        x, y, z = target - centre
        angles = np.degrees([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))])
        turned = frame @ rotation(*angles, 0)
        centre = turn(centre[None], one, pose)[0]
        normal = (ball @ turned.T).astype(np.float32)
        parts.add(
            centre + radius * bulge * normal, normal, looked_up, np.zeros_like(ball), triangles, EYE
        )
        centres.append(centre)
        gazes.append(turned[:, 2])
    return np.array(centres), np.array(gazes, np.float32)


def _add_hair(parts, body, normals, person, view, detail):
    """Add hair and beard; return the cut worn."""
    cut, strands = _grown_hair(person, view.cut, view.style, detail)
    hat = _add_hat(parts, body, person, view)
    if hat and strands is not None:
        strands = hats.press(strands, hat) if view.hat in hats.FIT else None
    if strands is not None:
        _add_strands(parts, strands, HAIR, view)
    if person.beard in BEARDS:
        beard = coarser(BEARDS[person.beard], detail)
        strands = hair.grow(
            body,
            normals,
            beard,
            np.random.default_rng([person.seed, 1]),
            lambda rest: beard_mask(rest, person.beard, not cut.strands),
        )
        _add_strands(parts, strands, BEARD, view)
    return cut


def _add_hat(parts, body, person, view):
    """Add the hat that is worn; return a `hats.Hat`, True for a headscarf, or None."""
    if view.hat == "headscarf":
        mesh = hats.headscarf(body, view.seed)
        _add_worn(parts, mesh, turn_weights(mesh.points), HAT, view)
        return True
    if not view.hat:
        return None
    hat = hats.hat(view.hat, _neutral(person.shape, view.style)[0])
    _add_worn(parts, hat.mesh, np.float32(1), HAT, view)
    return hat


@lru_cache(maxsize=1)
def _grown_hair(person, name, style, detail):
    """A cut as somebody wears it, and its strands on the neutral head, or None for a bald one."""
    rng = np.random.default_rng([person.seed, 0, list(CUTS).index(name)])
    cut = varied(name, rng)
    cut = replace(cut, recede=max(cut.recede, 0.6 * person.recede))
    if not cut.strands:
        return cut, None
    return cut, hair.grow(*_neutral(person.shape, style), coarser(cut, detail), rng)


def _add_worn(parts, mesh, weight, material, view):
    """Turn a `worn.Mesh` with the head, as far as `weight` says, and add it."""
    weight = np.broadcast_to(weight, len(mesh.points))
    posed = turn(mesh.points, weight, view.pose)
    normals = turn(mesh.normals + NECK.astype(np.float32), weight, view.pose) - NECK
    parts.add(posed, normals, mesh.points, mesh.known, mesh.triangles, material)


def _add_strands(parts, strands, material, view):
    """Turn strands with the head, what hangs low with the shoulders, and add them as ribbons."""
    flat = strands.points.reshape(-1, 3)
    weight = np.clip((flat[:, 1] - 5.2) / 1.1, 0, 1) if material == HAIR else np.ones(len(flat))
    posed = turn(flat, weight, view.pose)
    outward = (
        turn(strands.outward.reshape(-1, 3) + NECK.astype(np.float32), weight, view.pose) - NECK
    )
    shape = strands.points.shape
    strands = hair.Strands(
        points=posed.reshape(shape),
        outward=outward.reshape(shape).astype(np.float32),
        width=strands.width,
        tint=strands.tint,
    )
    points, triangles, tangent, normal, known = hair.ribbons(strands, (0, 7.2, view.shot.distance))
    parts.add(points, normal, tangent, known, triangles, material)
