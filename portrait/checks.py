"""Whether photos can be painted with, told before any model is loaded: one sentence for each doubt.

    reference  closed eyes, turned too far, too little of the face seen, a drawing
    template   the same, but that its eyes may be closed
    folder     photos of someone else among those of one person

A doubt stops the work (`Doubt`), but for whoever wants to go on anyway: then it is a note. What
hides a face inside the picture (hair, a hand, sunglasses) a face parser tells, where there is a
trained one (`facekit.cover`).
"""

from pathlib import Path

import cv2
import numpy as np

from common.cli import count
from facekit import cover, expression, masks
from facekit.align import align
from facekit.triangles import triangles
from portrait import photos

MAX_YAW = 60  # degrees: beyond, half of the face cannot be seen
MAX_PITCH = 35
LEAST_SEEN = 0.6  # share of the face's surface
NAMED = 3  # photos that a sentence names
_SIDE = 160  # px; the upright face at which drawings are told
_STEADY = 0.05  # change of lightness from pixel to pixel, below which a surface is flat
# Share of skin that is flat, from which a picture is drawn; chroma below which it is without
# colours, and the lightness of skin from which it is then lines on paper.
_FLAT, _GREY, _PAPER = 0.25, 2.0, 81.0


class Doubt(ValueError):
    """One sentence: what is doubted of the photos, and what to do."""


def of_reference(image, face, template, template_face, path):
    """Doubts about a photo of the face to paint.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face` in it.
        template: uint8 (H, W, 3), the photo to paint into.
        template_face: the face in it that is to be replaced.
        path: of the photo, for the sentences.

    Returns:
        list of str, sentences.
    """
    doubts = _of_photo(image, face, path)
    open_there = not eyes_closed(template_face) and not eyes_hidden(template, template_face)
    if eyes_closed(face) and open_there:
        doubts.append(
            f"{path}: the eyes are closed, and in the template they are open; choose a photo with "
            "open eyes."
        )
    return doubts


def of_template(image, face, path):
    """Doubts about the photo to paint into; as `of_reference`."""
    return _of_photo(image, face, path)


def of_folder(folder, scored, same):
    """Doubts about a folder of photos of one person.

    Args:
        folder: path, for the sentence.
        scored: list of `facekit.score.Scored`.
        same: cosine above which two faces are one person's.

    Returns:
        list of str, sentences.
    """
    verdicts = photos.choose(scored, same).verdicts
    others = [Path(one.photo.path).name for one in verdicts if one.fault == "other"]
    if not others:
        return []
    named = ", ".join(sorted(others)[:NAMED]) + (", ..." if len(others) > NAMED else "")
    return [
        f"{folder}: {len(others)} of {count(len(scored), 'photo')} seem to show someone else "
        f"({named}); leave them out."
    ]


def eyes_closed(face):
    """Whether both eyes are closed: of 377 rendered faces with open eyes none is taken for closed,
    of 7 with closed eyes 6 are found."""
    return expression.eye_opening(face) < expression.CLOSED


def eyes_hidden(image, face):
    """Whether something is in front of most of a face's eyes, such as sunglasses, as far as the
    face parser sees."""
    hidden, eyes = cover.covered(image, face), masks.regions(face, image.shape)["eyes"]
    return hidden is not None and bool((hidden * eyes).sum() > 0.5 * max(eyes.sum(), 1e-6))


def seen(face, shape, hidden=None):
    """How much of a face is seen.

    Args:
        face: `facekit.detect.Face`.
        shape: (H, W, ...) of the picture.
        hidden: float32 (H, W), 1 where something is in front of it, as a face parser tells; None
            for nowhere.

    Returns:
        float in [0, 1]: the share of the mesh's surface that is turned to the camera, inside the
        picture and not hidden. About 0.95 of a whole face from the front.
    """
    corners = np.column_stack([face.mesh, face.depth]).astype(float)[triangles()]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    across = np.cross(b - a, c - a)
    area = np.linalg.norm(across, axis=1)
    columns, rows = np.floor(corners.mean(1)[:, :2]).astype(int).T
    inside = (columns >= 0) & (rows >= 0) & (columns < shape[1]) & (rows < shape[0])
    shown = ((across[:, 2] > 0) & inside).astype(float)  # as in `relight.normals`
    if hidden is not None:
        shown[inside] *= 1 - hidden[rows[inside], columns[inside]]
    return float((shown * area).sum() / max(area.sum(), 1e-9))


def is_drawn(image, face):
    """Whether a face is drawn with lines or in flat colours: its skin is flat, or as light as paper
    without a colour.

    Measured on renders: all of 25 manga, pencil and pixel-art faces are found, none of 80 in the
    photo style and neither of two photographs is, also not in grey, smoothed, reduced to a third or
    as JPEG of quality 15; when they are overexposed by half, 3 of 82 are. Oil, watercolour and
    cartoons with shading pass for photographs.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face` in it.
    """
    crop = align(image, face.points5, _SIDE)
    lab = cv2.cvtColor(crop.image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    parts = masks.regions(face.through(crop.matrix), lab.shape)
    skin = masks.soften(parts["skin"], 2.0) > 0.9
    if not skin.any():
        return False
    light = lab[..., 0]
    steps = [cv2.Sobel(light, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    flat = (np.hypot(*steps)[skin] < _STEADY).mean()
    chroma = np.median(np.hypot(lab[..., 1], lab[..., 2])[skin])
    return bool(flat > _FLAT or chroma < _GREY and np.median(light[skin]) > _PAPER)


def _of_photo(image, face, path):
    doubts = []
    if max(abs(face.yaw) / MAX_YAW, abs(face.pitch) / MAX_PITCH) > 1:
        doubts.append(
            f"{path}: the face is {turned(face)}, too far to be turned; choose a photo that shows "
            "it from the front."
        )
    share = seen(face, image.shape, cover.covered(image, face))
    if not doubts and share < LEAST_SEEN:
        doubts.append(
            f"{path}: only {share:.0%} of the face is seen; choose a photo that shows all of it."
        )
    if is_drawn(image, face):
        doubts.append(
            f"{path}: it seems to be a drawing, and faces are painted from photos and into them; "
            "choose a photo."
        )
    return doubts


def turned(face):
    """Where and how far a face is turned, in words: "turned to the left by 62 degrees"."""
    if abs(face.yaw) / MAX_YAW >= abs(face.pitch) / MAX_PITCH:
        return f"turned to the {'right' if face.yaw > 0 else 'left'} by {abs(face.yaw):.0f} degrees"
    return f"turned {'up' if face.pitch > 0 else 'down'} by {abs(face.pitch):.0f} degrees"
