"""The renderer: a person and a view in, a picture and the truth about it out."""
from dataclasses import dataclass

import cv2
import numpy as np

from . import scene as sc
from .paint import eye_paint, skin_paint
from .parts import PART
from .raster import Rasteriser, interpolate
from .scene import build_scene
from .texture import linear, noise, step

SHADOW_SIZE = 192       # side of the shadow map, pixels
SHADOW_SPAN = 6.0       # dm that it covers
EXPOSURE = 0.86


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered picture and what is known about it.

    Attributes:
        image: uint8 (S, S, 3), RGB.
        labels: uint8 (S, S), the part map; numbers are places in `parts.PARTS`.
        points5: float32 (5, 2), x and y in pixels: the eye on the picture's left, the eye on its right, nose tip, mouth
            corner on the left, mouth corner on the right.
        points: {name: (x, y, visible)} of the landmarks.
    """
    image: np.ndarray
    labels: np.ndarray
    points5: np.ndarray
    points: dict


class Renderer:
    """Renders pictures of one size, one after another, with the same window.

    Args:
        size: width and height of the pictures in pixels.
    """

    def __init__(self, size):
        self.size = size
        self.over = 3 if size <= 128 else 2          # samples a pixel, along each side
        self.detail = 0.5 if size <= 128 else 1.0
        self._window = Rasteriser(size * self.over)
        self._shadow = Rasteriser(SHADOW_SIZE)

    def render(self, person, view):
        """Renders a view of a person: a `Picture`."""
        scene = build_scene(person, view, self.detail)
        camera = _Camera(scene, view, self.size * self.over)
        screen = camera.project(scene.attributes[:, sc.POSITION])
        ids = self._window.triangle_ids(screen, scene.triangles)
        hit, triangle, depth, values = interpolate(ids, screen, scene.triangles, scene.attributes)
        lit = self._shadow_light(scene, view.light, values)
        colour, part = _shade(scene, person, view, camera, hit, triangle, depth, values, lit)
        picture = _background(view, self.size * self.over)
        picture[hit] = colour
        labels = np.zeros(hit.shape, np.uint8)
        labels[hit] = part
        image = _develop(picture, self.size, view.seed)
        middle = self.over // 2
        points5, points = _points(scene, camera, hit, depth, self.over)
        return Picture(image, labels[middle::self.over, middle::self.over].copy(), points5, points)

    def _shadow_light(self, scene, light, values):
        """How much of the key light reaches each pixel: float32 (P,) in [0, 1]."""
        toward = light_direction(light)
        right = np.cross([0, 1, 0], toward)
        right /= np.linalg.norm(right)
        frame = np.stack([right, -np.cross(toward, right), -toward]).astype(np.float32)   # x, y down, away from light
        scale = SHADOW_SIZE / SHADOW_SPAN

        def project(position):
            at = (position - scene.middle) @ frame.T
            at[:, :2] = at[:, :2] * scale + SHADOW_SIZE / 2
            at[:, 2] += 20
            return at

        at = project(scene.attributes[:, sc.POSITION])
        casting = _casting(scene)
        # Distances are linear here: a far-away light sees without perspective, so 1 / d may stand in for d.
        ids = self._shadow.triangle_ids(np.stack([at[:, 0], at[:, 1], 100 / (60 - at[:, 2])], 1), casting)
        mean = at[:, 2][casting].mean(1)
        nearest = np.where(ids >= 0, mean[np.maximum(ids, 0)], 1e3).astype(np.float32)
        where = project(values[:, sc.POSITION])
        bias = 0.07
        shaded = np.zeros(len(where), np.float32)
        offsets = ((-1.5, -0.5), (0.5, -1.5), (1.5, 0.5), (-0.5, 1.5), (0, 0), (2.6, 2.2), (-2.4, 2.6), (-2.6, -2.4), (2.2, -2.6))
        for dx, dy in offsets:
            column = np.clip(where[:, 0] + dx, 0, SHADOW_SIZE - 1).astype(int)
            row = np.clip(where[:, 1] + dy, 0, SHADOW_SIZE - 1).astype(int)
            shaded += np.clip((where[:, 2] - nearest[row, column] - bias) / 0.06, 0, 1)
        return 1 - shaded / len(offsets)


def _casting(scene):
    """The triangles that cast shadows: all, but only each third strand of hair, which is shade enough."""
    hair = (scene.material == sc.HAIR) | (scene.material == sc.BEARD)
    number = scene.attributes[scene.triangles[:, 0], sc.KNOWN][:, 2]            # a strand's tint, as good as random
    return scene.triangles[~hair | (number * 97 % 1 < 0.34)]


def light_direction(light):
    """Unit vector from the head to the key light."""
    a, e = np.radians([light.azimuth, light.elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)


class _Camera:
    """Looks along -z at the middle of the head, a little below it."""

    def __init__(self, scene, view, pixels):
        self.pixels = pixels
        self.eye = np.array([scene.middle[0] * 0.85, scene.middle[1] - 0.12, scene.middle[2] + view.distance], np.float32)
        self.focal = pixels * view.distance / view.height

    def project(self, position):
        """x, y in pixels (y down) and distance, for positions (N, 3): float32 (N, 3)."""
        from_eye = position - self.eye
        distance = np.maximum(-from_eye[:, 2], 1.0)
        return np.stack([self.pixels / 2 + self.focal * from_eye[:, 0] / distance,
                         self.pixels / 2 - self.focal * from_eye[:, 1] / distance, distance], 1).astype(np.float32)


def _shade(scene, person, view, camera, hit, triangle, depth, values, lit):
    """Colours the pixels hit: linear RGB (P, 3) and part uint8 (P,)."""
    material = scene.material[triangle]
    position, normal = values[:, sc.POSITION], values[:, sc.NORMAL].copy()
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    toward_eye = camera.eye - position
    toward_eye /= np.linalg.norm(toward_eye, axis=1, keepdims=True)
    facing = (normal * toward_eye).sum(1)
    strand = (material == sc.HAIR) | (material == sc.BEARD)
    normal[(facing < 0) & ~strand] *= -1
    open_ = _openness(hit, depth, camera)
    light = _Light(view.light, toward_eye, lit, open_)

    count = len(values)
    albedo = np.zeros((count, 3), np.float32)
    gloss, soft, part = np.zeros(count, np.float32), np.zeros(count, np.float32), np.zeros(count, np.uint8)
    body = material == sc.SKIN
    albedo[body], gloss[body], soft[body], part[body] = skin_paint(
        values[body, sc.REST], values[body, sc.KNOWN], person, view, scene.cut)
    teeth, tongue = material == sc.TEETH, material == sc.TONGUE
    albedo[teeth], gloss[teeth], part[teeth] = (0.82, 0.75, 0.66), 0.5, PART["inner mouth"]
    albedo[tongue], gloss[tongue], part[tongue] = (0.35, 0.12, 0.11), 0.5, PART["inner mouth"]
    lash = material == sc.LASH
    albedo[lash], part[lash] = (0.012, 0.010, 0.009), PART["eyes"]
    eye = material == sc.EYE
    albedo[eye], cornea = eye_paint(_unit(values[eye, sc.REST]), person)
    part[eye] = PART["eyes"]

    diffuse = light.diffuse(normal, np.where(soft > 0, 0.28, 0.08))
    diffuse = _under_the_skin(diffuse, soft, hit, camera)
    shine = light.shine(normal, 14 + 26 * gloss)
    colour = albedo * diffuse + (0.02 + 0.055 * gloss)[:, None] * shine
    rim = np.clip(1 - np.abs((normal * toward_eye).sum(1)), 0, 1) ** 4
    colour += (0.35 * rim * open_)[:, None] * albedo.mean() * light.rim(normal)
    mouth = (teeth | tongue)
    colour[mouth] = albedo[mouth] * (0.45 * diffuse[mouth] + 0.32) * (0.5 + 0.5 * open_[mouth, None])
    colour[eye] = _eye_light(colour[eye], albedo[eye], diffuse[eye], position[eye], normal[eye], cornea, scene, light,
                             toward_eye[eye])
    colour[strand] = _hair_light(values[strand], person, light, strand, normal[strand], position[strand])
    part[strand] = np.where(material[strand] == sc.HAIR, PART["hair"], PART["facial hair"])
    return colour, part


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


class _Light:
    """Light at the pixels of a picture."""

    def __init__(self, light, toward_eye, lit, open_):
        self.light, self.eye, self.lit, self.open = light, toward_eye, lit, open_
        self.key_from = light_direction(light)
        side = -np.sign(light.azimuth) or 1.0
        self.fill_from = _unit(np.array([[0.75 * side, 0.15, 0.9]], np.float32))[0]
        self.rim_from = _unit(np.array([[0.9 * side, 0.35, -0.75]], np.float32))[0]

    def diffuse(self, normal, wrap):
        """Light that falls on a surface: (P, 3). `wrap` lets it reach round the edge of the shadow."""
        key = np.clip((normal @ self.key_from + wrap) / (1 + wrap), 0, 1) * self.lit
        fill = np.clip((normal @ self.fill_from + 0.5) / 1.5, 0, 1)
        sky = 0.72 + 0.28 * normal[:, 1]
        return (key[:, None] * np.float32(self.light.key) + (fill * (0.4 + 0.6 * self.open))[:, None] * np.float32(self.light.fill)
                + (sky * self.open)[:, None] * np.float32(self.light.ambient))

    def shine(self, normal, power):
        """Reflected key, fill and sky light: (P, 3)."""
        half = _unit(self.eye + self.key_from)
        key = np.clip((normal * half).sum(1), 0, 1) ** power * (power + 8) / 22 * self.lit
        half = _unit(self.eye + self.fill_from)
        fill = np.clip((normal * half).sum(1), 0, 1) ** power * (power + 8) / 22 * self.open
        return key[:, None] * np.float32(self.light.key) + fill[:, None] * np.float32(self.light.fill)

    def rim(self, normal):
        """Light from behind: (P, 3)."""
        return np.clip(normal @ self.rim_from + 0.3, 0, 1)[:, None] * np.float32(self.light.rim) * 4 + 0.25 * np.float32(
            self.light.ambient)


def _eye_light(colour, albedo, diffuse, position, normal, cornea, scene, light, toward_eye):
    """Eyes are wet: a window of light on each, and the upper lid's shadow."""
    if not len(colour):
        return colour
    left = np.linalg.norm(position - scene.eyes[0], axis=1) > np.linalg.norm(position - scene.eyes[1], axis=1)
    height = (position[:, 1] - scene.eyes[left.astype(int), 1]) / scene.eye_radius
    shade = 1 - 0.6 * step(-0.05, 0.6, height)
    colour = albedo * (0.25 * diffuse + 0.75 * diffuse.mean()) * shade[:, None]
    half = _unit((light.key_from * np.float32([1, 0.55, 1]) + toward_eye))
    window = step(0.988, 0.994, (normal * half).sum(1))
    return colour + (window * (0.3 + 0.7 * cornea))[:, None] * 0.8


def _hair_light(values, person, light, strand, outward, position):
    """Light on hair: the mass is lit like cloth, strands gleam across their length (Kajiya and Kay 1989)."""
    across, along, tint = values[:, sc.KNOWN].T
    tangent = _unit(values[:, sc.REST])
    base = linear(person.hair_colour)
    fibre = noise(2, along * 90, across * 5 + tint * NOISE_ROWS)
    tone = (0.62 + 0.5 * tint) * (1 + 0.16 * fibre) * (0.6 + 0.4 * step(0, 0.35, along))
    albedo = base * tone[:, None]
    lit, open_ = light.lit[strand], light.open[strand]
    local = _Light(light.light, light.eye[strand], lit, open_)
    diffuse = local.diffuse(outward, 0.35)
    half = _unit(local.eye + local.key_from)
    sine = np.sqrt(np.clip(1 - (tangent * half).sum(1) ** 2, 0, 1))
    facing = np.clip((outward * half).sum(1), 0, 1)
    gleam = (0.5 * sine ** 60 + 0.3 * sine ** 14) * facing * lit * (0.6 + 0.5 * fibre.clip(-1, 1))
    shine = gleam[:, None] * (0.05 + 0.35 * base) * np.float32(light.light.key)
    rim = np.clip(1 - np.abs((outward * local.eye).sum(1)), 0, 1) ** 2
    return albedo * diffuse + shine + 0.25 * rim[:, None] * albedo * local.rim(outward)


NOISE_ROWS = 500.0


def _openness(hit, depth, camera):
    """How open to the sky each pixel is: float32 (P,), below 1 where the neighbourhood lies nearer the camera."""
    full = np.zeros(hit.shape, np.float32)
    full[hit] = depth
    weight = hit.astype(np.float32)
    decimetre = camera.focal / float(np.median(depth)) if len(depth) else 1.0
    result = np.ones(len(depth), np.float32)
    for reach, strength in ((0.07, 3.2), (0.22, 1.3)):
        sigma = reach * decimetre
        mean = cv2.GaussianBlur(full, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
        behind = np.clip(depth - mean[hit], 0, 0.35)
        result *= 1 - np.clip(strength * behind, 0, 0.55)
    return result


def _under_the_skin(diffuse, soft, hit, camera):
    """Light that entered the skin comes out nearby, red the farthest: blurs it where `soft`."""
    on = soft > 0
    if not on.any():
        return diffuse
    full = np.zeros((*hit.shape, 4), np.float32)
    full[hit] = np.concatenate([diffuse, np.ones((len(diffuse), 1), np.float32)], 1) * on[:, None]
    result = diffuse.copy()
    decimetre = camera.focal / 12.0
    for channel, reach in enumerate((0.055, 0.026, 0.016)):
        sigma = max(0.3, reach * decimetre)
        light = cv2.GaussianBlur(full[..., channel], (0, 0), sigma)[hit]
        weight = cv2.GaussianBlur(full[..., 3], (0, 0), sigma)[hit]
        result[on, channel] = 0.25 * diffuse[on, channel] + 0.75 * (light / np.maximum(weight, 1e-3))[on]
    return result


def _background(view, pixels):
    """What is behind the head: a studio sweep, or a place far out of focus: float32 (pixels, pixels, 3), linear."""
    rng = np.random.default_rng([view.seed, 1])
    y, x = np.mgrid[:64, :64].astype(np.float32) / 64
    centre = rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.6)
    glow = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / rng.uniform(0.15, 0.4))
    slope = (x - 0.5) * rng.normal(0, 0.15) - (y - 0.5) * rng.uniform(0, 0.3)
    base = linear(view.backdrop_colour)
    small = base * (0.62 + 0.5 * glow + slope)[..., None].astype(np.float32)
    if view.blurred:
        small = small * 0.8
        for _ in range(rng.integers(8, 20)):
            spot = np.exp(-(((x - rng.random()) / rng.uniform(0.05, 0.2)) ** 2
                            + ((y - rng.random()) / rng.uniform(0.05, 0.35)) ** 2) ** 2)
            colour = base * np.exp(rng.normal(-0.1, 0.5)) * np.exp(rng.normal(0, 0.07, 3))
            small = small + 0.6 * spot[..., None] * (colour - small)
        small = cv2.GaussianBlur(small.astype(np.float32), (0, 0), rng.uniform(2, 4))
    return np.clip(cv2.resize(small.astype(np.float32), (pixels, pixels), interpolation=cv2.INTER_CUBIC), 0, 4)


def _develop(picture, size, seed):
    """Linear light to an 8-bit picture: a soft shoulder, samples averaged, sRGB, a touch of grain."""
    x = picture * EXPOSURE
    x = x * (1 + x / 4.0) / (1 + 0.62 * x)
    x = cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA)
    x = np.clip(x, 0, 1)
    x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    grain = np.random.default_rng([seed, 2]).normal(0, 0.006, (size, size, 1))
    return np.clip((x + grain) * 255 + 0.5, 0, 255).astype(np.uint8)


def _points(scene, camera, hit, depth, over):
    """The five points and the landmarks of a picture, in its own pixels."""
    screen = camera.project(scene.landmarks)
    nearest = np.full(hit.shape, np.inf, np.float32)
    nearest[hit] = depth
    nearest = cv2.erode(-nearest, np.ones((3, 3)))                     # the farthest surface within a sample
    column = np.clip(screen[:, 0].astype(int), 0, camera.pixels - 1)
    row = np.clip(screen[:, 1].astype(int), 0, camera.pixels - 1)
    inside = (screen[:, :2] >= 0).all(1) & (screen[:, :2] < camera.pixels).all(1)
    seen = inside & (screen[:, 2] < -nearest[row, column] + 0.06)
    at = screen[:, :2] / over
    points = {name: (round(float(x), 2), round(float(y), 2), bool(v))
              for name, (x, y), v in zip(scene.landmark_names, at, seen, strict=True)}
    named = dict(zip(scene.landmark_names, at, strict=True))
    eyes = [np.mean([named[f"{side} {lid}"] for lid in ("eye outer", "eye inner", "upper lid", "lower lid")], 0)
            for side in ("right", "left")]
    five = [*eyes, named["nose tip"], named["right mouth corner"], named["left mouth corner"]]
    return np.array(five, np.float32), points
