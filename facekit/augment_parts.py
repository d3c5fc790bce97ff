"""Augmentation of the squares that the face parser is trained on: place, occlusions, light, camera.

Pictures are uint8 (S, S, 3), part maps uint8 (S, S) with numbers of `facekit.parsing.PARTS`. Where
pixels move, the part map moves with them; light and camera leave it alone.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from facekit import augment
from facekit.align import at_centres, template_points, transform, umeyama, warp_mirrored
from facekit.occlusions import KINDS, smooth_noise, texture
from facekit.parsing import PART, TEMPLATE, UNKNOWN


@dataclass(frozen=True)
class PartsAugmentation:
    """Probabilities and strengths of the augmentations.

    Attributes:
        point_jitter: standard deviation of the five points, in parts of the eyes' distance.
        closer: mean of the logarithm of the scale: squares in training show a little less than
            those of `facekit.parsing`, for renders end not far round the head.
        zoom, stretch, shift, turn: standard deviations of the logarithm of the scale, of that of
            height over width, of the place in parts of the square, and of the angle in degrees.
        mirror, backdrop: probabilities of the mirror image, and of another background.
        hide: probability of one occlusion; of a second one, its square.
        light, lamps, shadow: probabilities of a slope of light, of two coloured lights, and of a
            shadow with an edge.
        colour, grey, small, blur, noise, jpeg: probabilities, as in `facekit.augment`.
        smallest: the lowest resolution, in parts of the square.
    """

    point_jitter: float = 0.03
    closer: float = 0.15
    zoom: float = 0.16
    stretch: float = 0.05
    shift: float = 0.03
    turn: float = 9.0
    mirror: float = 0.5
    backdrop: float = 0.25
    hide: float = 0.5
    light: float = 0.3
    lamps: float = 0.12
    shadow: float = 0.15
    colour: float = 0.7
    grey: float = 0.06
    small: float = 0.25
    blur: float = 0.12
    noise: float = 0.25
    jpeg: float = 0.35
    smallest: float = 0.25

    def __call__(self, image, labels, points5, rng, size):
        """Cut and augment a square at random.

        Args:
            image: uint8 (H, W, 3).
            labels: uint8 (H, W).
            points5: (5, 2).
            rng: numpy.random.Generator.
            size: side of the square.

        Returns:
            (uint8 (size, size, 3), uint8 (size, size)), the latter `UNKNOWN` outside of the
            picture.
        """
        matrix = self.matrix(np.asarray(points5, float), rng, size)
        image, labels = cut(image, labels, matrix, size)
        points5 = transform(points5, matrix).astype(float)
        if rng.random() < self.backdrop:
            image = other_backdrop(image, labels, rng)
        chance = self.hide
        while rng.random() < chance:
            kind = KINDS[rng.integers(len(KINDS))]
            image, labels = kind(image, labels, points5, rng)
            chance *= chance
        if rng.random() < self.mirror:
            image, labels = image[:, ::-1], labels[:, ::-1]
        image = self.photographed(self.lit(image, rng), rng)
        return np.ascontiguousarray(image), np.ascontiguousarray(labels)

    def matrix(self, points5, rng, size):
        """A random (2, 3) from picture to square, near the one by which `parsing` cuts."""
        eyes = np.linalg.norm(points5[1] - points5[0])
        points5 = points5 + rng.normal(0, self.point_jitter * eyes, (5, 2))
        matrix = umeyama(points5, template_points(TEMPLATE, size))
        turn, zoom = np.deg2rad(rng.normal(0, self.turn)), rng.normal(self.closer, self.zoom)
        stretch = rng.normal(0, self.stretch) / 2
        c, s, middle = np.cos(turn), np.sin(turn), size / 2
        about = np.exp([[zoom - stretch], [zoom + stretch]]) * np.array([(c, -s), (s, c)])
        matrix = about @ matrix
        matrix[:, 2] += middle - about @ (middle, middle) + rng.normal(0, self.shift * size, 2)
        return matrix

    def lit(self, image, rng):
        """Light of other directions and colours."""
        if rng.random() < self.light:
            image = augment.slope_of_light(image, rng)
        if rng.random() < self.lamps:
            image = two_lamps(image, rng)
        if rng.random() < self.shadow:
            image = shadow(image, rng)
        if rng.random() < self.colour:
            image = augment.colours(image, rng)
        if rng.random() < self.grey:
            image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        return image

    def photographed(self, image, rng):
        """Blur, a low resolution, noise and compression."""
        if rng.random() < self.blur:
            image = augment.blur(image, rng)
        if rng.random() < self.small:
            image = augment.low_resolution(image, rng, self.smallest * len(image))
        if rng.random() < self.noise:
            image = augment.noise(image, rng)
        if rng.random() < self.jpeg:
            image = augment.jpeg(image, rng)
        return image


def cut(image, labels, matrix, size):
    """A square of a picture and of its part map by one matrix (2, 3).

    Returns:
        (uint8 (size, size, 3), uint8 (size, size)): outside of the picture its mirror image, and
        `UNKNOWN`, for the parser's answers there are not used.
    """
    labels = cv2.warpAffine(
        np.ascontiguousarray(labels),
        at_centres(matrix),
        (size, size),
        flags=cv2.INTER_NEAREST,
        borderValue=UNKNOWN,
    )
    return warp_mirrored(image, matrix, size), labels


def other_backdrop(image, labels, rng):
    """Another background: a texture, sharp or blurred."""
    size = len(image)
    colour = texture(size, rng)
    if rng.random() < 0.6:
        colour = cv2.GaussianBlur(colour, (0, 0), rng.uniform(1, 12))
    cover = cv2.GaussianBlur(np.uint8(255) * (labels == PART["background"]), (0, 0), 0.7)
    share = (cover.astype(np.float32) / 255)[..., None]
    return np.clip(image + share * (colour - image), 0, 255).astype(np.uint8)


def two_lamps(image, rng):
    """Two coloured lights from opposite sides, as of neon signs."""
    size = len(image)
    first, second = np.exp(rng.normal(0, 0.4, (2, 3))).astype(np.float32)
    side = _side(size, 0.3, rng)
    side = _logistic(rng.uniform(1, 8) * side)
    gain = first + side[..., None] * (second - first)
    return np.clip(image * gain, 0, 255).astype(np.uint8)


def shadow(image, rng):
    """A shadow with an edge, hard or soft, wavy or nearly straight; or light as bright as that."""
    size = len(image)
    side = _side(size, 0.4, rng)
    side = side + np.float32(rng.uniform(0, 0.4)) * smooth_noise(size, 4, rng)[..., 0]
    side = _logistic(np.exp(rng.uniform(1, 4)) * side)
    gain = np.exp(side * np.float32(rng.uniform(-1.2, 0.5)))[..., None]
    return np.clip(image * gain, 0, 255).astype(np.uint8)


def _side(size, spread, rng):
    """How far each pixel lies beyond a random line near the middle, in halves of the square:
    float (S, S). `spread` is the deviation of the line from the middle."""
    angle, middle = rng.uniform(0, 2 * np.pi), rng.normal(0, spread)
    along = np.linspace(-1, 1, size, dtype=np.float32)
    return along * np.cos(angle) + (along * np.sin(angle))[:, None] - middle


def _logistic(x):
    """1 / (1 + exp(-x)), float32; x so far out that exp would overflow is 0 or 1 anyway."""
    return 1 / (1 + np.exp(-np.clip(x, -60, 60).astype(np.float32)))
