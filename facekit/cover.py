"""What is in front of a face: hair, glasses, a hat, a hand; and the face behind it.

    hidden = covered(image, face)                        # float32 (H, W), or None
    image, hidden = uncovered(image, face, hidden)       # from the face's other side
    skin = bare_skin(image, face)                        # float32 (H, W)

`covered` and `bare_skin` ask the face parser (`facekit.parsing`). Where no trained one is there,
nothing is known to cover a face.
"""

import cv2
import numpy as np

from facekit import masks, parsing
from facekit.detect import detect
from facekit.fuse import mix, warp_face, warp_mask

FRONT = ("hair", "glasses", "hat", "occluder")  # parts that are in front of skin
_SURE = (0.4, 0.7)  # probability up to which nothing is in front, and from which something is
_REACH = 0.02  # of the face's width: how far the rim of what is in front darkens the skin
_AROUND, _LEAST = 0.1, 0.01  # of the width: from how far the light is taken; of the known share
_NEAR = 0.25  # of the face's width, by which a face found again may lie elsewhere


def covered(image, face):
    """How surely something is in front of a face.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face` in it.

    Returns:
        float32 (H, W) in [0, 1], 0 outside the face's oval; None where there is no trained parser.
    """
    if not parsing.WEIGHTS.exists():
        return None
    parts = parsing.part_masks(image, face, FRONT)
    oval = masks.regions(face, image.shape)["oval"]
    doubt, sure = _SURE  # what is half believed everywhere would dim the whole face
    front = np.clip((sum(parts.values()) - doubt) / (sure - doubt), 0, 1)
    return (front * oval).astype(np.float32)


def bare_skin(image, face):
    """The skin of a face that is seen: that of the mesh, without what is in front of it and
    without beard.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face` in it.

    Returns:
        float32 (H, W) in [0, 1]; all skin of `facekit.masks.regions` where there is no trained
        parser.
    """
    skin = masks.regions(face, image.shape)["skin"]
    if not parsing.WEIGHTS.exists():
        return skin
    parts = parsing.part_masks(image, face, (*FRONT, "facial hair"))
    return (skin * (1 - np.clip(sum(parts.values()), 0, 1))).astype(np.float32)


def uncovered(image, face, hidden):
    """A face with what is hidden of it taken from its other side, as far as that is seen.

    The mirrored picture's face is warped onto the face, and brought into its light.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face` in it.
        hidden: float32 (H, W) in [0, 1], as `covered` tells.

    Returns:
        (uint8 (H, W, 3), float (H, W)): the picture, bit for bit as it was where nothing is
        hidden, and what is still hidden, its rim included.
    """
    if not hidden.any():
        return image, hidden
    mirrored = np.ascontiguousarray(image[:, ::-1])
    other = _found_again(mirrored, face)
    if other is None:
        return image, hidden
    wide = _widened(hidden, face)
    warped, seen = warp_face(mirrored, other.mesh, face.mesh, image.shape)
    there = warp_mask(wide[:, ::-1], other.mesh, face.mesh, image.shape)
    fill = wide * seen * (1 - there)
    known = ((seen > 0) & (wide == 0)).astype(np.float32)
    return mix(image, _in_its_light(warped, image, known, face), fill), wide - fill


def _in_its_light(warped, image, known, face):
    """The other side in the light of this one: moved by what it differs by from the picture where
    that is known, averaged over the neighbourhood (normalised convolution, Knutsson and Westin
    1993)."""
    sigma = _AROUND * masks.face_width(face)
    apart = (image.astype(np.float32) - warped) * known[..., None]
    weight = cv2.GaussianBlur(known, (0, 0), sigma)[..., None]
    moved = warped + cv2.GaussianBlur(apart, (0, 0), sigma) / (weight + _LEAST)
    return np.rint(moved).clip(0, 255).astype(np.uint8)


def _widened(hidden, face):
    """A mask that reaches over the rim of what is in front, its edge soft."""
    reach = max(1, round(_REACH * masks.face_width(face)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    wide = masks.soften(cv2.dilate(hidden.astype(np.float32), kernel), reach / 2)
    return np.where(wide < 1 / 255, 0, wide).astype(np.float32)


def _found_again(mirrored, face):
    """The same face in the mirrored picture; None where what hides it keeps it from being found."""
    width = mirrored.shape[1]
    middle = face.mesh.mean(0) * (-1, 1) + (width, 0)
    apart = [(np.linalg.norm(one.mesh.mean(0) - middle), one) for one in detect(mirrored)]
    near = [pair for pair in apart if pair[0] < _NEAR * masks.face_width(face)]
    return min(near, key=lambda pair: pair[0])[1] if near else None
