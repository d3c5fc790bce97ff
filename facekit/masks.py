"""Soft masks of a face and of the person around it.

Masks of the face come from the mesh; the person's from MediaPipe's selfie segmentation, sharpened
along the picture's own edges; hair from the face parser. All are float32 (H, W) in [0, 1], and
every width is a share of the face's, so that they mean the same at any size.
"""

import cv2
import numpy as np

from facekit import mesh as points_of
from facekit import parsing
from facekit.align import invert, warp
from facekit.detect import person as person_of_crop
from facekit.triangles import triangles

CLOSE, DILATE = 0.1, 0.1  # of the face's width: k in dilate_k(close_k(F))
RING_OUT, RING_IN = 0.19, 0.095  # dilate_32(F) - erode_16(F) where a face is 170 px wide
FEATHER = 0.03
FRINGE = 20  # a picture's side over the deviation in which colours beside a fringe are averaged
REGIONS = ("oval", "skin", "brows", "eyes", "nose", "lips", "inner mouth")
_SHIFT = 4  # OpenCV's polygons in sixteenths of a pixel
_HEAD = 256  # px; a person is segmented at this size
# The parser's probability up to which a pixel is no hair, from which it is fully hair, and above
# which a region of hair may start; and how near to the face it must start, in widths of the face.
_HAIR, _NEAR = (0.2, 0.5, 0.7), 0.35
_HEAD_WIDTHS = 3.2  # how many faces wide the picture round a head is


def face_width(face):
    """Width of the face's oval in pixels, along the line of the eyes."""
    oval = face.mesh[list(points_of.OVAL)]
    angle = np.radians(face.roll)
    along = oval @ (np.cos(angle), np.sin(angle))
    return float(max(along.max() - along.min(), 1.0))


def regions(face, shape, feather=0.0):
    """The parts of a face.

    Args:
        face: `facekit.detect.Face`.
        shape: (H, W, ...) of the picture.
        feather: softness of the borders, a share of the face's width (the sigma of a blur).

    Returns:
        dictionary of float32 (H, W): "oval" (all of the face), "brows", "eyes" (the openings),
        "nose", "lips" (without what is between them), "inner mouth", and "skin" (the oval without
        brows, eyes, lips and inner mouth; the nose is skin too).
    """
    at = face.mesh
    hard = {
        "oval": _oval(shape, at),
        "brows": _polygon(shape, at[list(points_of.BROW_LEFT)], at[list(points_of.BROW_RIGHT)]),
        "eyes": _polygon(shape, at[list(points_of.EYE_LEFT)], at[list(points_of.EYE_RIGHT)]),
        "nose": _polygon(shape, cv2.convexHull(at[list(points_of.NOSE)])[:, 0]),
        "inner mouth": _polygon(shape, at[list(points_of.LIPS_INNER)]),
    }
    lips = _polygon(shape, at[list(points_of.LIPS_OUTER)])
    hard["lips"] = np.clip(lips - hard["inner mouth"], 0, 1)
    hard["skin"] = hard["oval"].copy()
    for name in ("brows", "eyes"):
        hard["skin"] = np.clip(hard["skin"] - hard[name], 0, 1)
    hard["skin"] = np.clip(hard["skin"] - lips, 0, 1)
    return {name: soften(hard[name], feather * face_width(face)) for name in REGIONS}


def inner(face, shape, close=CLOSE, dilate=DILATE, feather=FEATHER):
    """Mask of the face to reconstruct: dilate_k(close_k(F)), F the face.

    Args:
        face, shape: as for `regions`.
        close, dilate, feather: shares of the face's width; 0 leaves a step out.

    Returns:
        float32 (H, W).
    """
    width = face_width(face)
    mask = _oval(shape, face.mesh)
    mask = _morph(mask, cv2.MORPH_CLOSE, close * width / 2)
    return soften(_morph(mask, cv2.MORPH_DILATE, dilate * width / 2), feather * width)


def ring(face, shape, outwards=RING_OUT, inwards=RING_IN, feather=FEATHER):
    """Mask of the face's border, where a seam would be: dilate(F) - erode(F).

    Args:
        face, shape: as for `regions`.
        outwards, inwards, feather: shares of the face's width.

    Returns:
        float32 (H, W).
    """
    width = face_width(face)
    mask = _oval(shape, face.mesh)
    outside = _morph(mask, cv2.MORPH_DILATE, outwards * width / 2)
    inside = _morph(mask, cv2.MORPH_ERODE, inwards * width / 2)
    return soften(np.clip(outside - inside, 0, 1), feather * width)


def random_part(mesh, shape, rng):
    """Random mask of a part of a face for inpainting: all of it, its border, eyes, mouth or a half.

    Args:
        mesh: (478, 2), pixels.
        shape: (H, W, ...).
        rng: numpy Generator.

    Returns:
        float32 (H, W), 1 in the hole.
    """
    oval = _filled(mesh[list(points_of.OVAL)], shape)
    width = np.ptp(mesh[list(points_of.OVAL), 0])
    kind = rng.choice(("face", "ring", "eyes", "mouth", "half"))
    if kind == "face":
        return _morph(oval, cv2.MORPH_DILATE, rng.uniform(0, 0.2) * width)
    if kind == "ring":
        outside = _morph(oval, cv2.MORPH_DILATE, rng.uniform(0.03, 0.2) * width)
        return np.clip(outside - _morph(oval, cv2.MORPH_ERODE, rng.uniform(0, 0.15) * width), 0, 1)
    if kind in ("eyes", "mouth"):
        names = ("BROW_LEFT", "BROW_RIGHT", "EYE_LEFT", "EYE_RIGHT")
        chosen = names if kind == "eyes" else ("LIPS_OUTER",)
        points = np.concatenate([mesh[list(getattr(points_of, name))] for name in chosen])
        hull = cv2.convexHull(points.astype(np.float32))[:, 0]
        return _morph(_filled(hull, shape), cv2.MORPH_DILATE, rng.uniform(0.02, 0.12) * width)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    turn = rng.integers(4) * np.pi / 2 + rng.uniform(-0.3, 0.3)
    middle = mesh.mean(0)
    side = (columns - middle[0]) * np.cos(turn) + (rows - middle[1]) * np.sin(turn) > 0
    return _morph(oval, cv2.MORPH_DILATE, 0.1 * width) * side.astype(np.float32)


def _filled(points, shape):
    mask = np.zeros(shape[:2], np.float32)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1.0)
    return mask


def person(image, face=None):
    """Mask of the people in a picture, with single strands of hair where the picture shows them.

    Args:
        image: uint8 (H, W, 3).
        face: if given, only its surroundings are segmented, in more detail; the rest is 0.

    Returns:
        float32 (H, W).
    """
    if face is None:
        return _refined(image, person_of_crop(image))
    crop, matrix = _head(image, face)
    return _spread(_refined(crop, person_of_crop(crop)), matrix, image.shape)


def cut_out(image, mask, tone):
    """What a mask holds of a picture, before a plain tone.

    Where the mask is soft a pixel shows both what is in front and what is behind; what is in front
    is estimated, so that no fringe of the old background stays.

    Args:
        image: uint8 (H, W, 3).
        mask: float32 (H, W) in [0, 1].
        tone: sRGB, three numbers from 0 to 255.

    Returns:
        uint8 (H, W, 3).

    Reference: Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021, equations 4 to 7.
    """
    part, picture = mask[..., None].astype(np.float32), image.astype(np.float32)
    sigma = max(image.shape[:2]) / FRINGE

    def around(sure):
        weight = sure.astype(np.float32)
        total, near = (cv2.GaussianBlur(a, (0, 0), sigma) for a in (picture * weight, weight))
        near = near[..., None]
        return np.where(near > 1e-4, total / np.maximum(near, 1e-4), picture)

    front, behind = around(part > 0.95), around(part < 0.05)
    front = np.clip(front + part * (picture - part * front - (1 - part) * behind), 0, 255)
    front = np.where(part > 0.95, picture, front)
    return np.rint(part * front + (1 - part) * np.float32(tone)).astype(np.uint8)


def hair(image, face):
    """Mask of a head's hair, no hat and no beard: what the face parser takes for hair, of the
    people in the picture, where it is joined to what is hair for certain and near the face.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face`.

    Returns:
        float32 (H, W).

    Raises:
        ValueError: the parser's weights are missing or damaged.
    """
    found = parsing.part_masks(image, face, ["hair"])["hair"]
    crop, matrix = _head(image, face)
    people = _spread(person_of_crop(crop), matrix, image.shape)
    doubt, believed, certain = _HAIR
    mask = np.clip((found - doubt) / (believed - doubt), 0, 1) * np.minimum(1, people * 1.5)
    outside = (_oval(image.shape, face.mesh) < 0.5).astype(np.uint8)
    near = cv2.distanceTransform(outside, cv2.DIST_L2, 3) <= _NEAR * face_width(face)
    _, parts = cv2.connectedComponents((mask > 0).astype(np.uint8), connectivity=8)
    joined = np.setdiff1d(parts[(found > certain) & (mask > 0) & near], [0])
    return (mask * np.isin(parts, joined)).astype(np.float32)


def soften(mask, sigma):
    """A mask blurred by a Gaussian of `sigma` pixels; 0 leaves it as it is."""
    if sigma < 0.25:
        return mask
    return np.clip(cv2.GaussianBlur(mask, (0, 0), sigma), 0, 1)


def _polygon(shape, *outlines):
    """float32 (H, W): polygons, with the shares of the pixels on their border."""
    mask = np.zeros(shape[:2], np.uint8)
    for outline in outlines:
        at = np.round((np.asarray(outline, float) - 0.5) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [at], 255, cv2.LINE_AA, _SHIFT)
    return mask.astype(np.float32) / 255


def _oval(shape, at):
    """float32 (H, W): the visible face, all triangles of its mesh; in a turned face they reach
    beyond the points of the oval."""
    mask = np.zeros(shape[:2], np.uint8)
    corners = np.round((at[triangles()] - 0.5) * (1 << _SHIFT)).astype(np.int32)
    for triangle in corners:
        cv2.fillConvexPoly(mask, triangle, 255, cv2.LINE_AA, _SHIFT)
    return mask.astype(np.float32) / 255


def _morph(mask, operation, radius):
    """Erode, dilate or close with a disc of `radius` pixels."""
    radius = int(round(radius))
    if radius < 1:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    wide = cv2.copyMakeBorder(mask, *[2 * radius] * 4, cv2.BORDER_REPLICATE)
    return cv2.morphologyEx(wide, operation, disc)[
        2 * radius : -2 * radius, 2 * radius : -2 * radius
    ]


def _head(image, face):
    """The picture round a head, upright, and the matrix that leads there."""
    low, high = face.mesh.min(0), face.mesh.max(0)
    angle = np.radians(face.roll)
    scale = _HEAD / (_HEAD_WIDTHS * face_width(face))
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, (_HEAD / 2, 0.47 * _HEAD) - turn @ ((low + high) / 2)])
    return warp(image, matrix, _HEAD), matrix


def _spread(mask, matrix, shape):
    """A mask of the head's crop on the whole picture."""
    back = invert(matrix)
    back[:, 2] += back[:, :2] @ (0.5, 0.5) - 0.5
    size = (shape[1], shape[0])
    return np.clip(cv2.warpAffine(mask, back, size, flags=cv2.INTER_LINEAR), 0, 1)


def _refined(image, mask):
    """Snap a mask's border to the picture's edges (He et al., Guided Image Filtering, 2010)."""
    radius = max(2, round(max(image.shape[:2]) / 60))
    guide = image.astype(np.float32) / 255
    soft = cv2.ximgproc.guidedFilter(guide, mask.astype(np.float32), radius, 1e-3)
    return np.clip((soft - 0.1) / 0.8, 0, 1).astype(np.float32)
