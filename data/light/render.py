"""The renderer: a person and a view in, a picture and the truth about it out."""

from dataclasses import dataclass

import cv2
import numpy as np

from data.light.backdrops import paint_backdrop
from data.light.film import defocus, develop
from data.light.lashes import paint_lashes
from data.light.lenses import paint_lenses
from data.light.paint import cartoon_paint
from data.light.raster import NEAR, Rasteriser, interpolate
from data.light.shading import (
    blurred,
    box_about,
    is_strand,
    light_direction,
    make_surface,
    shade,
)
from data.light.styles import FAR, Layers, draw
from data.shape import scene as sc
from data.shape.maths import step
from data.shape.scene import build_scene

SHADOW_SIZE = 192  # side of the shadow map, pixels
SHADOW_SPAN = 6.0  # dm that it covers
SHADOW_FAR = 20.0  # dm from the lamp to the head in it
SHADOW_EDGE = 6  # pixels about the shadow map, so that it can be asked beside its border
# Where the shadow map is asked for each pixel, in its pixels: several places make the edge soft.
SHADOW_TAPS = (
    (-1.5, -0.5),
    (0.5, -1.5),
    (1.5, 0.5),
    (-0.5, 1.5),
    (0, 0),
    (2.6, 2.2),
    (-2.4, 2.6),
    (-2.6, -2.4),
    (2.2, -2.6),
)
SMALL = 128  # pixels; up to this size there are more samples a pixel and fewer, wider strands
FINER = 0.8  # samples, deviation of the blur of hair
BEARD_COVER = 0.75  # of a sample, at most: the skin is seen between the hairs of a beard
SPARSE = 0.024  # dm, deviation of the neighbourhood over which strands are counted
EYE_POINTS = ("eye outer", "eye inner", "upper lid", "lower lid")


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered picture and what is known about it.

    Attributes:
        image: uint8 (S, S, 3), RGB.
        labels: uint8 (S, S), the part map; numbers are places in `parts.PARTS`.
        points5: float32 (5, 2), x and y in pixels: the eye on the picture's left, the eye on its
            right, nose tip, mouth corner on the left, mouth corner on the right.
        points: {name: (x, y, visible)} of the landmarks.
    """

    image: np.ndarray
    labels: np.ndarray
    points5: np.ndarray
    points: dict


class Renderer:
    """A renderer of pictures of one size, which keeps its windows from one to the next.

    Args:
        size: width and height of the pictures in pixels.
    """

    def __init__(self, size):
        self.size = size
        self.over = 3 if size <= SMALL else 2  # samples a pixel, along each side
        self.detail = 0.3 if size <= SMALL else 1.0
        self._window = Rasteriser(size * self.over)
        self._shadow = Rasteriser(SHADOW_SIZE)

    def render(self, person, view):
        """A `Picture` of a view of a person."""
        scene = build_scene(person, view, self.detail)
        camera = Camera(scene.middle, view, self.size * self.over)
        screen = camera.project(scene.attributes[:, sc.POSITION])
        ids = self._window.triangle_ids(screen, scene.triangles)
        hit, triangle, depth, values = interpolate(ids, screen, scene.triangles, scene.attributes)
        lit = self._key_light(scene, view.light, values[:, sc.POSITION])
        surface = make_surface(
            scene, triangle, hit, depth, values, lit, camera.eye, camera.focal / view.shot.distance
        )
        shaded = cartoon_paint(person) if view.style == "3-D cartoon" else person
        colour, part = shade(surface, scene, shaded, view)
        picture = paint_backdrop(view.backdrop, self.size * self.over)
        labels = np.zeros(hit.shape, np.uint8)
        picture[hit], labels[hit] = colour, part
        _soften(picture, hit, surface)
        middle = slice(self.over // 2, None, self.over)
        points5, points = _points(scene, camera, hit, depth, self.over)
        far = np.full(hit.shape, FAR, np.float32)
        far[hit] = depth
        paint_lashes(picture, labels, far, scene, camera, shaded, self.over)
        paint_lenses(picture, far, scene, camera, view)
        focus = camera.eye[2] - scene.eyes[:, 2].max()
        sharp = (
            picture if view.style != "photo" else defocus(picture, far, focus, view.shot.aperture)
        )
        image = develop(sharp, self.size, view.shot, view.seed)
        if view.style != "photo":
            layers = _layers(picture, image, labels, far, surface, view)
            image = draw(view.style, layers, self.size, np.random.default_rng([view.seed, 3]))
        return Picture(
            image=image, labels=labels[middle, middle].copy(), points5=points5, points=points
        )

    def _key_light(self, scene, light, places):
        """How much of the key light reaches places (P, 3): float32 (P,) in [0, 1], by a shadow map.

        Reference: Williams 1978, with several taps as in Reeves, Salesin and Cook 1987.
        """
        toward = light_direction(light)
        right = np.cross([0, 1, 0], toward) / np.hypot(toward[0], toward[2])
        frame = np.stack([right, -np.cross(toward, right), -toward]).astype(
            np.float32
        )  # right, down, away
        scale, shift = (
            np.float32([SHADOW_SIZE / SHADOW_SPAN] * 2 + [1]),
            np.float32([SHADOW_SIZE / 2] * 2 + [SHADOW_FAR]),
        )

        turned = (frame * scale[:, None]).T
        origin = (shift - scene.middle @ turned).astype(np.float32)

        def seen_from_lamp(points):
            return points @ turned + origin

        at, casting = seen_from_lamp(scene.attributes[:, sc.POSITION]), _casting(scene)
        # A far lamp sees without perspective: the depth buffer gets the distance itself, not its
        # inverse.
        straight = np.column_stack([at[:, :2], NEAR / (3 * SHADOW_FAR - at[:, 2])])
        ids, edge = self._shadow.triangle_ids(straight, casting), SHADOW_EDGE
        nearest = np.full((SHADOW_SIZE + 2 * edge,) * 2, 1e3, np.float32)
        inner = nearest[edge:-edge, edge:-edge]
        inner[ids >= 0] = at[:, 2][casting[ids[ids >= 0]]].mean(1)
        where = seen_from_lamp(places)
        column, row = np.clip(where[:, :2], 0, SHADOW_SIZE - 1).astype(np.int32).T + edge
        place, depth = row * len(nearest) + column, where[:, 2] - 0.055  # 5.5 mm: its own surface
        shaded = np.zeros(len(where), np.float32)
        apart = 0.35 + 1.5 * light.softness  # a large lamp casts soft edges
        for across, down in np.rint(apart * np.float32(SHADOW_TAPS)).astype(int):
            behind = depth - nearest.ravel()[place + (down * len(nearest) + across)]
            shaded += np.clip(behind / 0.06, 0, 1)
        return 1 - shaded / len(SHADOW_TAPS)


def _soften(picture, hit, surface):
    """Blur a picture (H, H, 3) by less than a pixel in and beside hair, whose strands are finer
    than a sample, and let what is behind them through where they stand apart: in place."""
    strand, many = np.zeros(hit.shape, np.float32), np.zeros(hit.shape, np.float32)
    strand[hit] = is_strand(surface.material)
    if not strand.any():
        return
    many[hit] = np.where(
        surface.material == sc.BEARD, BEARD_COVER, 1 - 0.3 * surface.values[:, sc.KNOWN][:, 1] ** 4
    )
    sigma = max(1.0, SPARSE * surface.decimetre)
    box = box_about(strand, sigma)  # the two blurs by FINER look no farther
    inside = _let_through(picture[box], strand[box], many[box], sigma)
    near = np.clip(2 * cv2.GaussianBlur(strand[box], (0, 0), FINER), 0, 1)[..., None]
    picture[box] = inside + near * (cv2.GaussianBlur(inside, (0, 0), FINER) - inside)


def _let_through(picture, strand, many, sigma):
    """Mix strands with what lies about them, by how much of a sample they cover: all of it where
    they are many, little where they are few or end.

    Args:
        picture: float32 (H, W, 3).
        strand: float32 (H, W), 1 on strands.
        many: float32 (H, W), the share of a sample that they cover among others.
        sigma: deviation of the neighbourhood over which they are counted, samples.

    Returns:
        float32 (H, W, 3).

    Reference: Porter and Duff 1984, compositing by coverage.
    """
    bare = 1 - strand[..., None]
    about = blurred(np.concatenate([picture * bare, bare], 2).astype(np.float32), sigma)
    few = 1 - about[..., 3]
    cover = 0.2 + 0.8 * step(0.25, 0.85, few)
    cover = np.where(few > 0.97, 1, cover * many)[..., None]
    behind = about[..., :3] / np.maximum(about[..., 3:], 1e-3)
    return picture + strand[..., None] * (1 - cover) * (behind - picture)


def _layers(picture, image, labels, far, surface, view):
    """What a drawing is made from: the `Layers` of a rendered picture."""
    hit = surface.hit
    normal = np.zeros((*hit.shape, 3), np.float32)
    lit, strand = np.ones(hit.shape, np.float32), np.zeros((*hit.shape, 2), np.float32)
    normal[hit] = surface.normal
    facing = surface.normal @ light_direction(view.light)
    lit[hit] = surface.lit * np.clip(0.15 + facing, 0, 1)
    tangent = surface.values[:, sc.REST][:, :2] * np.float32([1, -1])  # down in a picture
    strand[hit] = tangent * is_strand(surface.material)[:, None]
    return Layers(
        light=picture, photo=image, labels=labels, depth=far, normal=normal, lit=lit, strand=strand
    )


def _casting(scene):
    """The triangles that cast shadows: all, but a third of the strands, which is shade enough."""
    tint = scene.attributes[scene.triangles[:, 0], sc.KNOWN][
        :, 2
    ]  # a strand's own number, as good as random
    return scene.triangles[~is_strand(scene.material) | (tint * 97 % 1 < 0.3)]


class Camera:
    """A pinhole camera that looks along -z at the head, which stands a little above the middle of
    the picture.

    Args:
        middle: (3,), the middle of the head.
        view: a `data.people.view.View`.
        pixels: side of the picture.
    """

    def __init__(self, middle, view, pixels):
        self.pixels = pixels
        shot = view.shot
        across, up = shot.shift
        self.eye = np.float32(
            [middle[0] * 0.85 - across, middle[1] - 0.17 - up, middle[2] + shot.distance]
        )
        self.focal = pixels * shot.distance / shot.height

    def project(self, position):
        """x, y in pixels (y down) and distance, of positions (N, 3): float32 (N, 3)."""
        x, y, z = (position - self.eye).T
        distance = np.maximum(-z, 1.0)
        half, scale = self.pixels / 2, self.focal / distance
        return np.stack([half + scale * x, half - scale * y, distance], 1).astype(np.float32)


def _points(scene, camera, hit, depth, over):
    """The five points float32 (5, 2) and the landmarks {name: (x, y, visible)}, in the picture's
    pixels."""
    screen = camera.project(scene.landmarks)
    farthest = np.full(hit.shape, np.inf, np.float32)
    farthest[hit] = depth
    farthest = cv2.dilate(farthest, np.ones((3, 3)))  # within a sample: a point on an edge counts
    column, row = np.clip(screen[:, :2].astype(int), 0, camera.pixels - 1).T
    inside = ((screen[:, :2] >= 0) & (screen[:, :2] < camera.pixels)).all(1)
    seen = inside & (screen[:, 2] < farthest[row, column] + 0.06)
    named = dict(zip(scene.landmark_names, screen[:, :2] / over, strict=True))
    points = {
        name: (round(float(x), 2), round(float(y), 2), bool(v))
        for (name, (x, y)), v in zip(named.items(), seen, strict=True)
    }
    eyes = [
        np.mean([named[f"{side} {name}"] for name in EYE_POINTS], 0) for side in ("right", "left")
    ]
    five = [*eyes, named["nose tip"], named["right mouth corner"], named["left mouth corner"]]
    return np.array(five, np.float32), points
