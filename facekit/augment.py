"""Augmentation of the crops that the encoder is trained on.

Rendered faces have clean light and focus; photographs do not. So all that does not depend on the
person (light, colour, sharpness, noise, occlusion) is drawn at random each time. All functions take
and give uint8 (H, W, 3) RGB and draw from a `numpy.random.Generator`.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from facekit.align import template_points, umeyama, warp

SIZE = 112  # px; the crop that blurs and sizes below are given for


@dataclass(frozen=True)
class Augmentation:
    """Probabilities and strengths of the augmentations.

    Attributes:
        point_jitter: standard deviation of the five points, in parts of the eyes' distance.
        zoom, shift, turn: standard deviations of the logarithm of the scale, of the place in parts
            of the crop, and of the angle in degrees.
        light: probability of a slope of light across the face.
        colour: probability of gamma, contrast, saturation and colour temperature.
        grey: probability of no colour at all.
        small: probability of a low resolution, down to `smallest` pixels a side.
        smallest: pixels.
        blur, noise, jpeg, hide: probabilities.
    """

    point_jitter: float = 0.025
    zoom: float = 0.04
    shift: float = 0.015
    turn: float = 3.0
    light: float = 0.4
    colour: float = 0.8
    grey: float = 0.15
    small: float = 0.3
    smallest: int = 20
    blur: float = 0.2
    noise: float = 0.3
    jpeg: float = 0.35
    hide: float = 0.25

    def __call__(self, image, points5, rng, size=SIZE):
        """Cut and augment a crop at random.

        Args:
            image: uint8 (H, W, 3).
            points5: (5, 2), its five points.
            rng: numpy.random.Generator.
            size: side of the crop.

        Returns:
            uint8 (size, size, 3).
        """
        crop = self.cut(image, np.asarray(points5, float), rng, size)
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if rng.random() < self.light:
            crop = slope_of_light(crop, rng)
        if rng.random() < self.colour:
            crop = colours(crop, rng)
        if rng.random() < self.grey:
            crop = np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        if rng.random() < self.hide:
            crop = hide(crop, rng)
        if rng.random() < self.blur:
            crop = blur(crop, rng)
        if rng.random() < self.small:
            crop = low_resolution(crop, rng, self.smallest * size / SIZE)
        if rng.random() < self.noise:
            crop = noise(crop, rng)
        if rng.random() < self.jpeg:
            crop = jpeg(crop, rng)
        return crop

    def cut(self, image, points5, rng, size):
        """Aligned crop from jittered points, for a detector's points are never exact."""
        eyes = np.linalg.norm(points5[1] - points5[0])
        points5 = points5 + rng.normal(0, self.point_jitter * eyes, (5, 2))
        matrix = umeyama(points5, template_points("arcface", size))
        turn, zoom = np.deg2rad(rng.normal(0, self.turn)), np.exp(rng.normal(0, self.zoom))
        c, s, middle = zoom * np.cos(turn), zoom * np.sin(turn), size / 2
        about = np.array([(c, -s), (s, c)])
        matrix = about @ matrix
        matrix[:, 2] += middle - about @ (middle, middle) + rng.normal(0, self.shift * size, 2)
        return warp(image, matrix, size)


def table(crop, curve):
    """Apply a curve, float (256,) or (256, 3) in [0, 1], to every value."""
    values = np.clip(curve * 255 + 0.5, 0, 255).astype(np.uint8)
    return cv2.LUT(np.ascontiguousarray(crop), values.reshape(1, 256, -1))


def colours(crop, rng):
    """Random gamma, brightness, contrast, colour temperature and saturation."""
    x = np.linspace(0, 1, 256)[:, None]
    warmth, tint = rng.normal(0, 0.07), rng.normal(0, 0.03)
    gains = np.exp([warmth, tint, -warmth])
    curve = x ** np.exp(rng.normal(0, 0.3)) * np.exp(rng.normal(0, 0.15)) * gains
    curve = 0.5 + (curve - 0.5) * np.exp(rng.normal(0, 0.2))
    crop = table(crop, curve)
    saturation = np.exp(rng.normal(0, 0.35))
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(crop, saturation, grey, 1 - saturation, 0)


def slope_of_light(crop, rng):
    """Multiply by the exponential of a plane: light from one side."""
    size = crop.shape[0]
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.9)
    along = np.linspace(-1, 1, size, dtype=np.float32)
    plane = np.exp(np.float32(depth * np.cos(angle)) * along)[None, :]
    plane = plane * np.exp(np.float32(depth * np.sin(angle)) * along)[:, None]
    return np.clip(crop * plane[:, :, None], 0, 255).astype(np.uint8)


def hide(crop, rng):
    """Occlude a random rectangle or ellipse by a colour, the crop's own pixels or noise."""
    size = crop.shape[0]
    crop = np.array(crop)
    width, height = (rng.uniform(0.12, 0.45, 2) * size).astype(int) + 1
    x, y = rng.integers(0, size - width), rng.integers(0, size - height)
    place = crop[y : y + height, x : x + width]
    kind = rng.integers(3)
    if kind == 0:
        cover = np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), place.shape)
    elif kind == 1:
        u, v = rng.integers(0, size - width), rng.integers(0, size - height)
        cover = crop[v : v + height, u : u + width].copy()
    else:
        cover = rng.integers(0, 256, place.shape, dtype=np.uint8)
    if rng.random() < 0.5:
        mask = np.zeros((height, width), np.uint8)
        middle, half = (int(width // 2), int(height // 2)), (int(width // 2), int(height // 2))
        cv2.ellipse(mask, middle, half, 0, 0, 360, 1, -1)
        cover = np.where(mask[:, :, None], cover, place)
    crop[y : y + height, x : x + width] = cover
    return crop


def blur(crop, rng):
    """Defocus (Gaussian) or motion blur."""
    size = crop.shape[0]
    if rng.random() < 0.7:
        return cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 2.0) * size / SIZE)
    length = max(3, int(rng.uniform(3, 9) * size / SIZE))
    kernel = np.zeros((length, length), np.float32)
    middle, angle = (length - 1) / 2, rng.uniform(0, np.pi)
    reach = middle * np.array([np.cos(angle), np.sin(angle)])
    ends = [tuple(int(v) for v in np.rint(middle + sign * reach)) for sign in (-1, 1)]
    cv2.line(kernel, *ends, 1.0)
    return cv2.filter2D(crop, -1, kernel / kernel.sum())


def low_resolution(crop, rng, smallest):
    """Reduce to a log-uniform size from `smallest` to the crop's side, and enlarge again."""
    size = crop.shape[0]
    small = max(2, int(np.exp(rng.uniform(np.log(smallest), np.log(0.8 * size)))))
    down = (cv2.INTER_AREA, cv2.INTER_LINEAR)[rng.integers(2)]
    up = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.choice(3, p=(0.5, 0.4, 0.1))]
    crop = cv2.resize(crop, (small, small), interpolation=down)
    return cv2.resize(crop, (size, size), interpolation=up)


def noise(crop, rng):
    """Gaussian noise, alike in all channels (grain) or not."""
    channels = 1 if rng.random() < 0.3 else 3
    grain = rng.standard_normal((*crop.shape[:2], channels), dtype=np.float32)
    return np.clip(crop + grain * np.float32(rng.uniform(2, 16)), 0, 255).astype(np.uint8)


def jpeg(crop, rng):
    """JPEG compression of quality 25 to 90; the order of the channels is kept."""
    quality = int(rng.integers(25, 91))
    _, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(crop[:, :, ::-1]), (cv2.IMWRITE_JPEG_QUALITY, quality)
    )
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]
