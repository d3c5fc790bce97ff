"""A scene: everything in a picture as one heap of triangles, standing in the world, with what each vertex knows."""
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import clothes, hair
from .head import CENTRE, NECK, express, eyeball, load_head, shape_vertices, turn
from .parts import landmark_vertices

SKIN, EYE, LASH, TEETH, TONGUE, HAIR, CLOTH = range(7)     # materials

# Columns of what a vertex knows.
POSITION, NORMAL, REST, KNOWN = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
COLUMNS = 12


@dataclass(frozen=True, eq=False)
class Scene:
    """Attributes:
        attributes: float32 (N, COLUMNS). Position and unit normal in the world (dm); "rest" is the rest position on
            skin and cloth, the direction in the eye's own frame on an eye, the unit tangent on hair; "known" is the
            masks lips, inside of the mouth and ears on skin, and across, along and tint on hair.
        triangles: int32 (F, 3); `material`: uint8 (F,).
        cut: the `hair.Cut` worn.
        landmarks: float32 (L, 3) in the world; `landmark_names`.
        eyes: float32 (2, 3), centres of the eyeballs (person's right, left) and `eye_radius`.
        middle: (3,), what the camera looks at.
        pixel_hair: unused vertices never occur.
    """
    attributes: np.ndarray
    triangles: np.ndarray
    material: np.ndarray
    cut: hair.Cut
    landmarks: np.ndarray
    landmark_names: tuple[str, ...]
    eyes: np.ndarray
    eye_radius: float
    middle: np.ndarray


@lru_cache(maxsize=1)
def _sphere(rows=14, columns=20):
    """A ball: unit directions float32 (N, 3) with its pole along z, and triangles int32 (F, 3)."""
    polar = np.linspace(0, np.pi * 0.75, rows)[:, None]
    round_ = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    points = np.stack([np.sin(polar) * np.cos(round_), np.sin(polar) * np.sin(round_), np.cos(polar) + 0 * round_], -1)
    r, c = np.mgrid[: rows - 1, :columns]
    a, b = r * columns + c, r * columns + (c + 1) % columns
    quads = np.stack([a, a + columns, b + columns, a, b + columns, b], -1)
    return points.reshape(-1, 3).astype(np.float32), quads.reshape(-1, 3).astype(np.int32)


@lru_cache(maxsize=1)
def _static():
    """What is the same for everybody: kept triangles and their materials, outer skin, landmarks, lash hairs."""
    head = load_head()
    material = {"body": SKIN, "lashes": LASH, "upper-teeth": TEETH, "lower-teeth": TEETH, "tongue": TONGUE}
    kept, kinds = [], []
    for group, kind in material.items():
        if kind == LASH:
            continue
        kept.append(head.triangles[head.in_group(group)])
        kinds.append(np.full(len(kept[-1]), kind, np.uint8))
    outer = head.of_group("body")
    outer = outer[head.masks["inside-mouth"][outer] < 0.9]
    names, vertices = landmark_vertices(head.rest, outer)
    return np.concatenate(kept), np.concatenate(kinds), names, vertices


def build_scene(person, view, camera_distance):
    """Builds the scene of a view.

    Args:
        person, view: values of `data.people`.
        camera_distance: decimetres from the head to the camera, which looks along -z.

    Returns:
        a `Scene`.
    """
    head = load_head()
    triangles, material, names, landmarks = _static()
    neutral = shape_vertices(head, person.shape)
    normals = head.normals(neutral)
    parts = _Heap()

    body = express(head, neutral, dict(view.units))
    body = clothes.dress(body, normals, head.rest, view.garment)
    posed = turn(body, head.turn, view.pose)
    known = np.stack([head.masks[name] for name in ("lips", "inside-mouth", "ears")], 1)
    parts.add(posed, head.normals(posed), head.rest, known, triangles, material)

    eyes, radius = _add_eyes(parts, head, neutral, view.pose)
    _add_collar(parts, body, head, view)
    cut = _add_hair(parts, neutral, normals, person, view, camera_distance)
    middle = turn(CENTRE[None].astype(np.float32), np.ones(1, np.float32), view.pose)[0]
    return Scene(*parts.join(), cut, posed[landmarks], names, eyes, radius, middle)


class _Heap:
    """Gathers meshes into one."""

    def __init__(self):
        self.attributes, self.triangles, self.material, self.count = [], [], [], 0

    def add(self, position, normal, rest, known, triangles, material):
        self.attributes.append(np.concatenate([position, normal, rest, known], 1).astype(np.float32))
        self.triangles.append(triangles + self.count)
        self.material.append(np.broadcast_to(np.uint8(material), len(triangles)))
        self.count += len(position)

    def join(self):
        return (np.concatenate(self.attributes), np.concatenate(self.triangles).astype(np.int32),
                np.concatenate(self.material))


def _add_eyes(parts, head, neutral, pose):
    """Puts the eyeballs in: their centres (person's right, left) in the world and their radius."""
    from .head import rotation
    ball, triangles = _sphere()
    one = np.ones(1, np.float32)
    turned = rotation(pose.yaw, pose.pitch, pose.roll) @ rotation(pose.gaze[0], pose.gaze[1], 0)
    centres = []
    for side in ("r", "l"):
        centre, radius = eyeball(head, neutral, side)
        centre = turn(centre[None], one, pose)[0]
        normal = (ball @ turned.T).astype(np.float32)
        bulge = 1 + 0.045 * np.clip((ball[:, 2:] - 0.86) / 0.14, 0, 1)           # the cornea
        parts.add(centre + radius * bulge * normal, normal, ball, np.zeros_like(ball), triangles, EYE)
        centres.append(centre)
    return np.array(centres), radius


def _add_collar(parts, body, head, view):
    points, rest, triangles = clothes.collar(body, head.rest, view.garment)
    if len(points):
        weight = np.interp(points[:, 1], (5.4, 6.3), (0.05, 0.5)).astype(np.float32)
        posed = turn(points, weight, view.pose)
        normal = posed - turn(np.array([[0, 5.6, 0.15]], np.float32), np.zeros(1, np.float32), view.pose)
        normal[:, 1] = 0.25
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        parts.add(posed, normal, rest, np.zeros_like(rest), triangles, CLOTH)


def _add_hair(parts, neutral, normals, person, view, camera_distance):
    """Grows the hair of a view: the cut worn."""
    rng = np.random.default_rng([person.seed, list(hair.CUTS).index(view.cut)])
    cut = hair.varied(view.cut, rng)
    cut = hair.replace(cut, recede=person.recede)
    if not cut.strands:
        return cut
    strands = hair.grow(neutral, normals, cut, rng)
    flat = strands.points.reshape(-1, 3)
    weight = np.clip((flat[:, 1] - 5.2) / 1.1, 0, 1)
    posed = turn(flat, weight, view.pose)
    outward = turn(strands.outward.reshape(-1, 3) + NECK.astype(np.float32), weight, view.pose) - NECK
    shape = strands.points.shape
    strands = hair.Strands(posed.reshape(shape), outward.reshape(shape).astype(np.float32), strands.width, strands.tint)
    points, triangles, tangent, normal, known = hair.ribbons(strands, (0, 7.2, camera_distance))
    parts.add(points, normal, tangent, known, triangles, HAIR)
    return cut
