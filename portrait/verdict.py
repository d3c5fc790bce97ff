"""Whether a portrait came out, in words: what a person would see at a glance, measured without
knowing the right answer.

    seam       energy of edges in the ring round the face, over the template's
    step       the colour's step from the cheek to below the jaw, against the template's, in LAB
    shading    which side of the face is lighter, and in which colour, against the template's
    rough      how rough the skin is, over the reference's
    points     how far the mesh that is found again lies from where the face was laid
    likeness   cosine between the result and the reference

A portrait with one of them beyond its bound gets a word of it. The bounds were set by the good and
the broken results of `benchmarks.photographs`, see docs/photographs.md.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from facekit import cover, masks, relight
from facekit.align import align, warp_map
from facekit.colour import to_lab
from facekit.detect import detect
from facekit.mesh import LIPS_OUTER

# Points of the mesh along the jaw, from below one ear over the chin to below the other.
JAW = (172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397)
INSIDE, BELOW = 0.12, 0.08  # how far from the jaw colours are compared, in widths of the face
_BLUR = 0.025  # of the face's width: deviation of the blur before that
_SIDE, _AROUND = 160, 6.0  # px: the upright face, and the blur that fine differences are left by
_SIDES = np.array([(-0.7, 0.0, 0.7), (0.7, 0.0, 0.7)])  # surfaces that face left and right
# The largest value of a measure that needs no word, and the least likeness, by embedding.
BOUNDS = {"seam": 1.2, "step": 11.0, "shading": 0.7, "rough": 1.7, "points": 0.035}
LIKE = {"dlib": 0.55, "encoder": 0.45}
WORDS = {
    "seam": "a seam shows round the face",
    "step": "the skin ends in a step at the jaw",
    "shading": "the face is lit from another side than the template",
    "rough": "the skin is blotched",
    "points": "the features are not where they should be",
    "likeness": "it is not much like the reference",
}
NO_FACE = "no face is found in it any more"


@dataclass(frozen=True)
class Verdict:
    """What is measured of a portrait, and what is wrong with it.

    Attributes:
        measures: {word of `WORDS`: float}; NaN where it cannot be told, infinite `points` where
            no face is found.
        faults: list of str, one of `WORDS` each; empty where nothing is wrong.
    """

    measures: dict
    faults: list = field(default_factory=list)

    def to_dict(self):
        """As JSON can hold it: what cannot be told is None."""
        told = {n: round(v, 3) if np.isfinite(v) else None for n, v in self.measures.items()}
        return {"measures": told, "faults": self.faults}


def judge(portrait, embedder):
    """The verdict on a portrait's last picture.

    Args:
        portrait: `portrait.session.Portrait` with scores.
        embedder: name of the embedding that they were made with.

    Returns:
        `Verdict`.
    """
    scene, stage = portrait.scene, list(portrait.pictures)[-1]
    picture, scores = portrait.pictures[stage], portrait.scores[stage]
    measures = {
        "seam": scores["seam"],
        "step": step_beside(picture, scene.target, scene.view, scene.face),
        "shading": shading_beside(picture, scene.target, scene.view, scene.face),
        "rough": roughness(picture, scene.target)
        / max(roughness(scene.reference, scene.reference_face), 1e-6),
        "points": points_off(picture, scene.target),
        "likeness": scores["reference"],
    }
    return Verdict(measures, faults(measures, embedder))


def faults(measures, embedder):
    """What is wrong, in words: list of str, in the order of `WORDS`.

    Args:
        measures: as of `Verdict`.
        embedder: name of the embedding of its likeness.
    """
    if np.isinf(measures["points"]):
        return [NO_FACE]
    wrong = {name for name, bound in BOUNDS.items() if measures[name] > bound}
    if measures["likeness"] < LIKE[embedder]:
        wrong.add("likeness")
    return [text for name, text in WORDS.items() if name in wrong]


def jaw_step(image, face):
    """How the colour changes across the jaw, from above it to below it.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face` in it.

    Returns:
        float (13, 3): LAB at each point of `JAW`, inside less below; NaN outside of the picture.
    """
    width, jaw = masks.face_width(face), face.mesh[list(JAW)].astype(float)
    lab = to_lab(cv2.GaussianBlur(image, (0, 0), max(_BLUR * width, 0.5)))
    outwards = jaw - face.mesh[list(LIPS_OUTER)].mean(0)
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    inside, below = (_at(lab, jaw + far * width * outwards) for far in (-INSIDE, BELOW))
    return inside - below


def step_beside(image, face, other, other_face):
    """How much more the colour changes across the jaw than in another picture.

    Args:
        image, face: as for `jaw_step`.
        other, other_face: the picture that it is compared with.

    Returns:
        float, distance in LAB of the medians along the jaw; NaN where too little of it is seen.
    """
    apart = jaw_step(image, face) - jaw_step(other, other_face)
    apart = apart[np.isfinite(apart).all(1)]
    return float(np.linalg.norm(np.median(apart, 0))) if len(apart) > len(JAW) // 2 else np.nan


def sides(light):
    """How much more light falls on a face's right half in the picture than on its left.

    Args:
        light: `facekit.relight.Light`.

    Returns:
        float (3,): natural logarithm of the ratio, of linear red, green and blue.
    """
    left, right = np.maximum(light.on(_SIDES), relight.DARKEST)
    return np.log(right / left)


def shading_beside(image, face, other, other_face):
    """How far the light's balance between a face's halves is from that of another face.

    Returns:
        float: the largest difference of `sides`; NaN where the light cannot be told.
    """
    try:
        lights = relight.estimate(image, face), relight.estimate(other, other_face)
    except relight.NoLight:
        return np.nan
    return float(np.abs(sides(lights[0]) - sides(lights[1])).max())


def roughness(image, face):
    """How far the skin's colours are from those around: mean distance in LAB, on the upright face
    at a fixed size; NaN where no skin is seen."""
    crop = align(image, face.points5, _SIDE)
    lab = to_lab(crop.image)
    skin = warp_map(cover.bare_skin(image, face), crop.matrix, _SIDE)
    skin = masks.soften(skin, 2.0) > 0.9
    fine = np.linalg.norm(lab - cv2.GaussianBlur(lab, (0, 0), _AROUND), axis=-1)
    return float(fine[skin].mean()) if skin.any() else np.nan


def points_off(image, face):
    """How far the mesh that is found in a picture lies from where a face was meant to be.

    Returns:
        float: mean distance in widths of the face; infinite where no face is found.
    """
    apart = [np.linalg.norm(one.mesh - face.mesh, axis=1).mean() for one in detect(image)]
    return float(min(apart, default=np.inf) / masks.face_width(face))


def _at(lab, places):
    """Colours at the nearest pixels to places (N, 2): (N, 3), NaN outside of the picture."""
    columns, rows = np.floor(places).astype(int).T
    inside = (columns >= 0) & (rows >= 0) & (columns < lab.shape[1]) & (rows < lab.shape[0])
    found = np.full((len(places), 3), np.nan)
    found[inside] = lab[rows[inside], columns[inside]]
    return found
