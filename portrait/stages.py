"""One function a stage. Pictures are uint8 (S, S, 3): the crop round the face."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from common.images import resize
from facekit import colour, cover, masks, relight, restore, retouch
from facekit import control as control_of
from facekit.align import fading_square, warp, warp_map
from facekit.detect import Face
from facekit.fuse import fuse, paste_by_points, reshaped, shaped
from facekit.head import head_box
from facekit.retoucher import default_retoucher

LEAST, MOST = 256, 1280  # px; the side of a crop that is worked on
_GREY = 8  # levels of 255 that channels of a grey photo may differ by
_REACH, _CONTRAST = 3, 20  # pixels of the model; levels of 255 from which an edge is kept to
_EXPLAINED = 0.3  # share of the skin's variance, from which light is trusted
LEANING = 20  # degrees of roll from which the crop is turned upright
STAGES = (
    "crop",
    "replaced",
    "fused",
    "reconstructed",
    "coloured",
    "likeness",
    "border",
    "retouched",
)

# The settings that each stage takes, so that it is known which of them a kept stage was made with.
USES = {
    "crop": ("crop", "below", "shape", "relight", "front"),
    "fused": ("share", "inset"),
    "reconstructed": (
        *("strength", "steps", "guidance", "canny", "points", "colour"),
        *("prompt", "negative", "seed", "adapter_strength"),
    ),
    "coloured": ("transfer",),
    "likeness": ("likeness", "inset"),
    "border": (
        *("border_strength", "border_steps", "border_canny", "border_tile"),
        *("seed", "adapter_strength"),
    ),
    "retouched": ("restore", "blemishes", "retouch"),
}


def used(stage, settings):
    """The settings that a stage takes: {name: value}."""
    return {name: getattr(settings, name) for name in USES.get(stage, ())}


@dataclass(frozen=True)
class Scene:
    """A face in its crop, and the face that is to replace it.

    Args:
        matrix: (2, 3), template to crop.
        view: the crop.
        face: in the crop.
        target: the same in the shape that it is to have.
        reference: uint8 (H, W, 3), the other photo.
        reference_face: in it.
        lit: the other photo in the template's light.
        inner: float32 (S, S): where the face is painted.
        ring: float32 (S, S): where its border is refined.
        hidden: float32 (H, W), what of the other face is hidden, and was not found on its other
            side: it does not travel; None for nothing.
        pasted: (uint8 (H, W, 3), face in it): another picture of the same person to lay on and to
            take the points from; None for the reference.
    """

    matrix: np.ndarray
    view: np.ndarray
    face: Face
    target: Face
    reference: np.ndarray
    reference_face: Face
    lit: np.ndarray
    inner: np.ndarray
    ring: np.ndarray
    hidden: np.ndarray | None = None
    pasted: tuple | None = None

    @property
    def mask(self):
        """Where anything may change: float32 (S, S)."""
        return np.maximum(self.inner, self.ring)

    @cached_property
    def skin(self):
        """The template's skin, whose colours are taken: float32 (S, S)."""
        return cover.bare_skin(self.view, self.face)

    def toned(self, picture):
        """A picture of the crop: outside the mask the template's, inside it without colours where
        the template has none."""
        if np.ptp(self.view, axis=-1).max() <= _GREY:
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
        return np.where(self.mask[..., None] > 0, picture, self.view)


def crop(template, face, others, reference, reference_face, settings, pasted=None):
    """Cut out the surroundings of a face, upright, and the masks in them, and bring the reference
    into its light. What covers the template's face stays in front of what is painted, and what
    covers the reference's does not travel, where a face parser sees it (`facekit.cover`).

    Args:
        template: uint8 (H, W, 3).
        face: `Face` in it.
        others: faces in it that are to stay.
        reference, reference_face: the other photo and its face.
        settings: `Settings`.
        pasted: as of `Scene`.

    Returns:
        `Scene`.
    """
    left, top, width, _ = head_box(face, settings.crop, settings.below)
    side = int(np.clip(round(width), LEAST, MOST))
    scale = 1.0 if side == round(width) else side / width
    roll = np.radians(-face.roll if abs(face.roll) > LEANING else 0.0)
    turn = scale * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    middle = face.mesh.mean(0)  # of the face, round which the square is turned
    at = (middle - np.array([left, top])) * (side / width)
    matrix = np.column_stack([turn, at - turn @ middle])
    if scale == 1 and roll == 0:
        matrix[:, 2] = np.round(matrix[:, 2])  # no resampling: pixels stay pixels
    view = warp(template, matrix, side)
    here = face.through(matrix)
    free = fading_square(side, side)  # a mask that ends at the crop's edge would be seen there
    for other in others:
        there = other.through(matrix)
        free = np.minimum(free, 1 - masks.inner(there, view.shape))
    if settings.front:
        free = np.minimum(free, 1 - settings.front * _in_front(template, face, matrix, side))
    hidden = cover.covered(reference, reference_face)
    if hidden is not None:
        reference, hidden = cover.uncovered(reference, reference_face, hidden)
    target = shaped(here, reference_face, settings.shape)
    light = _light(view, here) if settings.relight else None
    lit = relit(reference, reference_face, light, settings.relight)
    if pasted is not None:
        pasted = relit(*pasted, light, settings.relight), pasted[1]
    inner, ring = (
        np.minimum(np.maximum(make(here, view.shape), make(target, view.shape)), free)
        for make in (masks.inner, masks.ring)
    )
    faces = here, target, reference, reference_face, lit
    return Scene(matrix, view, *faces, inner, ring, hidden, pasted)


def _in_front(template, face, matrix, side):
    """What covers a face, in its crop: float32 (side, side), 0 where nothing is known to."""
    front = cover.covered(template, face)
    if front is None:
        return np.zeros((side, side), np.float32)
    return warp_map(front, matrix, side)


def relit(image, face, light, strength):
    """A face in another light; as it is where its own is not known.

    Args:
        image: uint8 (H, W, 3).
        face: `Face` in it.
        light: `relight.Light` that is to fall on it; None leaves the picture as it is.
        strength: how far.

    Returns:
        uint8 (H, W, 3).
    """
    own = None if light is None else _light(image, face)
    return image if own is None else relight.relight(image, face, own, light, strength)


def _light(image, face):
    """The `relight.Light` on a face; None where the direction of the surface does not account for
    what is light and dark, as in drawings, or too little of the face is in the picture."""
    try:
        light = relight.estimate(image, face)
    except relight.NoLight:
        return None
    return light if light.explained >= _EXPLAINED else None


def replaced(scene):
    """The person's face laid on by a similarity transform of five points."""
    image, face = scene.pasted or (scene.lit, scene.reference_face)
    return paste_by_points(scene.view, scene.face.points5, image, face.points5, scene.inner)


def fused(scene, settings):
    """Template, brought into the new shape, and reference blended by their meshes."""
    if settings.share == 0:
        return scene.view.copy()
    # Else a cheek of the template would stand out beside a narrower face.
    below = reshaped(scene.view, scene.face.mesh, scene.target.mesh, scene.mask)
    return _laid_on(scene, below, settings.share, settings.inset)


def reconstructed(scene, fused, painter, settings, observe=None):
    """The face painted by the model, held by edges and colours of the fused picture and by the
    points of the shape that it is to have, or that the face laid on has."""
    small = resize(fused, painter.size)
    posed = scene.target
    if scene.pasted is not None:
        posed = shaped(scene.face, scene.pasted[1], settings.shape)
    points = control_of.face_points(scene.view.shape, posed.mesh, painter.size)
    painted = painter.paint(
        small,
        _small(scene.inner, painter.size),
        {
            "canny": (control_of.canny(small), settings.canny),
            "points": (points, settings.points),
            "colour": (control_of.colour_grid(small), settings.colour),
        },
        settings.strength,
        settings.steps,
        settings.guidance,
        settings.prompt,
        settings.negative,
        settings.seed,
        observe,
    )
    return detailed(fused, painted, scene.inner)


def coloured(scene, picture, settings):
    """The face's colours brought to those of the template's, lips and eyes in their own."""
    if settings.transfer == 0:
        return picture.copy()
    parts, theirs = masks.regions(scene.target, scene.view.shape), scene.skin
    protect = np.clip(parts["eyes"] + parts["lips"] + parts["inner mouth"], 0, 1)
    width = masks.face_width(scene.face)
    soft = masks.soften(parts["skin"], 0.02 * width) * scene.inner
    if (soft * (1 - protect)).sum() < 16:
        return picture.copy()
    return colour.transfer(
        picture,
        scene.view,
        soft,
        theirs,
        strength=settings.transfer,
        protect=protect,
        relight=True,
    )


def likeness(scene, picture, settings):
    """The reference fused in once more."""
    if settings.likeness == 0:
        return picture.copy()
    return _laid_on(scene, picture, settings.likeness, settings.inset)


def border(scene, picture, painter, settings, observe=None):
    """The ring round the face painted anew, held by edges and coarse shapes."""
    small = resize(picture, painter.size)
    painted = painter.paint(
        small,
        _small(scene.ring, painter.size),
        {
            "canny": (control_of.canny(small), settings.border_canny),
            "tile": (control_of.tile(small), settings.border_tile),
        },
        settings.border_strength,
        settings.border_steps,
        seed=settings.seed,
        observe=observe,
    )
    return detailed(picture, painted, scene.ring)


def retouched(scene, picture, settings):
    """The face restored, blemishes taken off its skin and the skin smoothed, its texture kept."""
    if settings.restore:
        sharp = resize(restore.restore(picture, 2), len(picture)).astype(np.float32)
        share = settings.restore * scene.mask[..., None]
        picture = np.rint(picture + share * (sharp - picture)).astype(np.uint8)
    if settings.blemishes == settings.retouch == 0:
        return picture.copy()
    skin = cover.bare_skin(picture, scene.target) * scene.inner
    if skin.sum() < 16:
        return picture.copy()
    if settings.blemishes:
        picture = default_retoucher()(picture, scene.target, skin, settings.blemishes)
    width = masks.face_width(scene.face)
    return retouch.smooth_skin(picture, skin, settings.retouch, width)


def detailed(picture, painted, mask):
    """A picture with what was painted at a smaller size: its coarse part is what was painted, its
    fine part stays.

    Args:
        picture: uint8 (S, S, 3).
        painted: uint8 (s, s, 3): `picture` at s x s, painted upon and blended by the mask.
        mask: float32 (S, S): the same mask; only where it is 0 matters, to blend but once.

    Returns:
        uint8 (S, S, 3), `picture` bit for bit where the mask is 0.

    Reference: He, Sun and Tang 2013, Guided Image Filtering, section 5 (joint upsampling).
    """
    side = len(picture)
    if side <= len(painted):  # nothing of it is finer than what was painted
        return np.where(mask[..., None] > 0, resize(painted, side), picture)
    change = painted.astype(np.float32) - resize(picture, len(painted))
    change = cv2.resize(change, (side, side), interpolation=cv2.INTER_CUBIC)
    # Enlarged, what was painted on a cheek reaches over its edge; the picture knows where that is.
    radius = round(_REACH * side / len(painted))
    change = cv2.ximgproc.guidedFilter(picture, change, radius, _CONTRAST**2)
    result = np.rint(np.clip(picture + change, 0, 255)).astype(np.uint8)
    return np.where(mask[..., None] > 0, result, picture)


def _laid_on(scene, picture, share, inset):
    faces = scene.target, scene.lit, scene.reference_face
    return fuse(picture, *faces, share, inset=inset, hidden=scene.hidden, skin=scene.skin)


def _small(mask, size):
    return cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA)
