"""Relighting: the light that falls on a face, estimated and replaced.

    light = estimate(image, face)                # Light: second-order spherical harmonics
    relit = relight(image, face, light, other)   # as if the other light fell on the face

Skin is taken for a matte surface of one colour: what varies over it with the direction of the
surface is light. So cast shadows, shine and freckles stay where they are; what goes is light from
one side, from above, and two colours from two sides.

Reference: Ramamoorthi and Hanrahan, An Efficient Representation for Irradiance Environment Maps,
SIGGRAPH 2001: nine harmonics give 99% of what a matte surface reflects.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from common.images import resize
from facekit import cover, masks
from facekit._checks import check_image, check_number
from facekit.head import surroundings
from facekit.triangles import rasterised, triangles

HARMONICS = 9
ROUNDS = 6  # of reweighting: what is no skin is lost on the way
RIDGE = 0.02  # of the pixels' number: directions that no pixel shows stay dark neither nor bright
SPREAD = 0.08  # difference from the fit, in parts of the mean, above which a pixel counts less
DARKEST = 0.2  # of the mean: light is not divided by less
MOST = 3.0  # times brighter or darker
SIDE = 160  # px, width of the face at which light is looked at: it varies slowly
_SKIN_LEFT = 64  # pixels; fewer say nothing about light


@dataclass(frozen=True)
class Light:
    """The light on a face, by the direction of its surface.

    Attributes:
        harmonics: float64 (9, 3): of linear red, green and blue, for `basis`; their mean over the
            skin that they were fitted to is 1 in each channel.
        mean: float64 (3,): what they are to be multiplied by: mean linear colour of that skin.
        explained: 0 to 1, the share of the skin's variance that they account for.
    """

    harmonics: np.ndarray
    mean: np.ndarray
    explained: float

    def on(self, normals):
        """Brightness of surfaces, in parts of the mean: (..., 3) unit vectors to (..., 3)."""
        return basis(normals) @ self.harmonics


def basis(normals):
    """The nine harmonics of first three orders, without their constants.

    Args:
        normals: (..., 3), unit vectors: to the picture's right, up, towards the camera.

    Returns:
        float64 (..., 9).
    """
    x, y, z = np.moveaxis(np.asarray(normals, float), -1, 0)
    parts = np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1
    return np.stack(parts, axis=-1)


def normals(face, shape):
    """Directions of a face's surface, from its mesh.

    Args:
        face: `facekit.detect.Face`.
        shape: (H, W, ...) of the picture.

    Returns:
        float32 (H, W, 3), unit vectors (right, up, towards the camera) that vary smoothly, and bool
        (H, W), where the mesh is; elsewhere the vectors are 0.
    """
    corners = triangles()
    points = np.column_stack([face.mesh, face.depth]).astype(float)
    a, b, c = (points[corners[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)  # as long as twice the triangle's area
    # Clockwise corners point away from the camera, where depth grows; rows run downwards.
    across[:, 0] *= -1
    across[across[:, 2] < 0] = 0  # seen from behind
    summed = np.zeros((len(points), 3))
    for i in range(3):
        np.add.at(summed, corners[:, i], across)
    which = rasterised(face.mesh[corners], shape)
    rows, columns = np.nonzero(which >= 0)
    here = corners[which[rows, columns]]
    shares = _barycentric(face.mesh[here], np.column_stack([columns, rows]) + 0.5)
    found = np.zeros((*shape[:2], 3), np.float32)
    found[rows, columns] = np.einsum("pi,pij->pj", shares, _unit(summed)[here])
    there = (which >= 0).astype(np.float32)
    sigma = 0.02 * masks.face_width(face)  # the mesh's edges are none of the face's
    found, share = (cv2.GaussianBlur(one, (0, 0), sigma) for one in (found, there))
    inside = which >= 0
    found = _unit(found / np.maximum(share, 1e-6)[..., None])
    return np.where(inside[..., None], found, 0).astype(np.float32), inside


class NoLight(ValueError):
    """The light on a face cannot be told."""


def estimate(image, face):
    """The light on a face.

    Args:
        image: uint8 (H, W, 3), RGB.
        face: `facekit.detect.Face` in it.

    Returns:
        `Light`.

    Raises:
        ValueError: an array of another kind; damaged weights of the face parser.
        NoLight: too little skin in the picture.
    """
    bare = cover.bare_skin(check_image(image), face)
    box, image, face = _near(image, face)
    bare = cv2.resize(bare[box], image.shape[1::-1], interpolation=cv2.INTER_AREA)
    directions, inside = normals(face, image.shape)
    parts = masks.regions(face, image.shape)
    other = sum(parts[name] for name in ("eyes", "brows", "lips", "inner mouth"))
    skin = inside & (bare > 0.5) & (masks.soften(other, 1.0) < 0.1)
    if skin.sum() < _SKIN_LEFT:
        raise NoLight("too little of the face is in the picture to tell its light.")
    colours, design = to_linear(image[skin]), basis(directions[skin])
    weights = np.ones(len(colours))
    for _ in range(ROUNDS):
        weighted = design * weights[:, None]
        ridge = RIDGE * weights.sum() * np.diag([0.0, *np.ones(HARMONICS - 1)])
        found = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ colours)
        mean = (weights[:, None] * colours).sum(0) / weights.sum()
        off = np.abs((colours - design @ found) / np.maximum(mean, 1e-4)).max(1)
        weights = 1 / np.maximum(off / SPREAD, 1)
    mean = np.maximum((design @ found).mean(0), 1e-4)
    left = weights[:, None] * np.square(colours - design @ found)
    total = weights[:, None] * np.square(colours - colours.mean(0))
    explained = 1 - float(left.sum() / max(total.sum(), 1e-12))
    return Light(found / mean, mean, float(np.clip(explained, 0, 1)))


def relight(image, face, light, other, strength=1.0):
    """A face in another light, as bright and of the same colour on the whole.

    Args:
        image: uint8 (H, W, 3), RGB.
        face: `facekit.detect.Face` in it.
        light: `Light` that falls on it.
        other: `Light` that should.
        strength: 0 leaves the picture as it is.

    Returns:
        uint8 (H, W, 3). Outside of the mesh the change fades out within a tenth of the face's
        width.

    Raises:
        ValueError: an array of another kind, or a strength outside [0, 1].
    """
    image = check_image(image)
    if check_number(strength, "strength", 0, 1) == 0:
        return image.copy()
    box, small, small_face = _near(image, face)
    directions, inside = normals(small_face, small.shape)
    gain = np.zeros(small.shape, np.float32)
    now, then = (np.maximum(one.on(directions[inside]), DARKEST) for one in (light, other))
    gain[inside] = strength * np.log(np.clip(then / now, 1 / MOST, MOST))
    gain[inside] -= _mean_gain(small[inside], gain[inside])
    gain = _faded(gain, inside, masks.face_width(small_face))
    result, view = image.copy(), image[box]
    gain = cv2.resize(gain, (view.shape[1], view.shape[0]), interpolation=cv2.INTER_LINEAR)
    relit = from_linear(to_linear(view) * np.exp(gain))
    result[box] = np.where(np.any(gain != 0, axis=-1, keepdims=True), relit, view)
    return result


def _near(image, face):
    """A face's surroundings, reduced to `SIDE` where they are larger.

    Returns:
        (slices of the picture, uint8 (h, w, 3), the face in it).

    Raises:
        ValueError: the face lies outside of the picture.
    """
    left, top, right, bottom = surroundings(face, image.shape)
    box = slice(top, bottom), slice(left, right)
    view = image[box]
    if not view.size:
        raise ValueError("the face lies outside of the picture.")
    scale = min(1.0, SIDE / masks.face_width(face))
    size = [max(1, round(scale * n)) for n in view.shape[:2]]
    matrix = np.array([[scale, 0, -scale * left], [0, scale, -scale * top]])
    return box, resize(view, tuple(size)), face.through(matrix)


def to_linear(image):
    """sRGB of 0 to 255 to linear light of 0 to 1 (IEC 61966-2-1), float64."""
    x = np.asarray(image, float) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def from_linear(linear):
    """Linear light to sRGB, uint8; what is brighter than white is white."""
    x = np.clip(linear, 0, 1)
    x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.rint(255 * x).astype(np.uint8)


def _mean_gain(colours, gain):
    """The logarithm by which gains would change the mean linear colour: (3,)."""
    linear = to_linear(colours) + 1e-4
    return np.log((linear * np.exp(gain)).mean(0) / linear.mean(0))


def _faded(gain, inside, width):
    """A map continued beyond the mesh, where it fades to 0."""
    there = inside.astype(np.float32)
    near = 0.05 * width
    total, share = (cv2.GaussianBlur(one, (0, 0), near) for one in (gain, there))
    beyond = total / np.maximum(share, 1e-4)[..., None]
    away = cv2.distanceTransform(np.uint8(~inside), cv2.DIST_L2, 5)
    fade = np.clip(1 - away / (2 * near), 0, 1)[..., None]
    return np.where(inside[..., None], gain, beyond * fade * fade * (3 - 2 * fade))


def _barycentric(corners, points):
    """Shares of the corners (P, 3, 2) in points (P, 2): (P, 3), which sum to 1."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = _cross(b - a, c - a)
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    one, two = _cross(points - a, c - a) / area, _cross(b - a, points - a) / area
    return np.clip(np.column_stack([1 - one - two, one, two]), 0, 1)


def _cross(a, b):
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
