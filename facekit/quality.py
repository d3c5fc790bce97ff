"""Quality of a photo of a face, 0 to 1, and its faults in words.

Eight things are measured, each 0 to 1, and multiplied with exponents for how much they matter, so
that one bad one is enough. The measures of sharpness and contrast are taken on the face turned
upright at a fixed size, so that they mean the same in any photo; those of noise and compression on
the photo's own pixels.

References: Donoho and Johnstone, Ideal spatial adaptation by wavelet shrinkage, 1994 (noise); Wang,
Sheikh and Bovik, No-reference perceptual quality assessment of JPEG compressed images, 2002.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from facekit import mesh as points_of
from facekit.align import align, transform

SIDE = 320  # px; the upright face that is looked at: 100 px from eye to eye
# Exponents: how much each measure matters.
WEIGHTS = {
    "size": 0.7,
    "sharpness": 0.7,
    "noise": 0.6,
    "compression": 0.6,
    "exposure": 0.7,
    "contrast": 0.3,
    "inside": 1.0,
    "unhidden": 0.2,
}
# Points of the mesh where a face shows skin: forehead, temples, cheeks, beside and on the nose,
# under the eyes.
PLACES = (151, 67, 297, 50, 280, 205, 425, 6, 195, 4, 119, 348)
STEEP = 0.075  # the steepness at which a face is neither sharp nor blurred
# A measure below these is named as a fault; so is the worst one of a face whose total is below.
POOR, POOR_ELSE, POOR_TOTAL = {"inside": 0.9, "size": 0.5}, 0.6, 0.5
WORDS = {
    "size": "the face is small",
    "sharpness": "the face is blurred",
    "noise": "the picture is noisy",
    "compression": "the picture is heavily compressed",
    "exposure": ("the face is too dark", "the face is too bright"),
    "contrast": "the face has little contrast",
    "inside": "the face is cut off by the picture's border",
    "unhidden": "a part of the face is hidden",
}


@dataclass(frozen=True)
class Quality:
    """Measures of quality; each from 0 (useless) to 1 (no fault).

    Attributes:
        total: the weighted product.
        size: by the distance of the eyes in pixels.
        sharpness: by how steep the strongest edges are.
        noise: by the deviation of the finest diagonal detail.
        compression: by the steps at JPEG's blocks.
        exposure: by the brightest parts of the face, and how much of it is blown out.
        contrast: by the range of the face's lightness.
        inside: share of the face inside the picture.
        unhidden: share of the places on the face whose colour is that of its skin.
        dark: whether `exposure` is low for too little light rather than too much.
    """

    total: float
    size: float
    sharpness: float
    noise: float
    compression: float
    exposure: float
    contrast: float
    inside: float
    unhidden: float
    dark: bool

    def faults(self):
        """Faults in words, the worst first: list of str."""
        measured = sorted((getattr(self, name), name) for name in WEIGHTS)
        named = [name for value, name in measured if value < POOR.get(name, POOR_ELSE)]
        if not named and self.total < POOR_TOTAL:
            named = [measured[0][1]]  # nothing bad by itself: the worst of it
        words = []
        for name in named:
            text = WORDS[name]
            words.append(text if isinstance(text, str) else text[0 if self.dark else 1])
        return words


def quality(image, face):
    """Measure the quality of a face.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face` in it.

    Returns:
        Quality.
    """
    crop = align(image, face.points5, SIDE)
    at = transform(face.mesh, crop.matrix)
    light = _luma(crop.image)
    oval = np.zeros(light.shape, np.uint8)
    cv2.fillConvexPoly(oval, np.round(at[list(points_of.OVAL)]).astype(np.int32), 1)
    smooth = cv2.GaussianBlur(light, (0, 0), 4)  # noise is neither light nor contrast
    of_face = smooth[oval > 0] if oval.any() else smooth.ravel()
    native, left, top = _native(image, face)
    eyes = float(np.linalg.norm(face.points5[1] - face.points5[0]))
    exposure, dark = _exposure(of_face)
    low, high = np.percentile(of_face, (5, 95))
    blocks = max(blockiness(native, left, top) - 1.15, 0)
    measured = {
        "size": eyes / (eyes + 20),
        "sharpness": 1 - np.exp(-((steepness(light) / STEEP) ** 1.3)),
        "noise": np.exp(-((noise_sigma(native) / 22) ** 2)),
        "compression": 1 / (1 + (blocks / 1.5) ** 1.2),
        "exposure": exposure,
        "contrast": (high - low) / (high - low + 15),
        "inside": _inside(image, face) ** 2,
        "unhidden": _unhidden(crop.image, at),
    }
    measured = {name: float(np.clip(value, 0, 1)) for name, value in measured.items()}
    total = np.exp(sum(WEIGHTS[name] * np.log(max(v, 1e-3)) for name, v in measured.items()))
    return Quality(total=float(total), dark=dark, **measured)


def noise_sigma(light):
    """The deviation of white noise in a grey picture, in grey levels.

    Args:
        light: float32 (H, W).

    Returns:
        float: the median absolute diagonal detail over 0.6745 (Donoho and Johnstone 1994).
    """
    light = light[: light.shape[0] // 2 * 2, : light.shape[1] // 2 * 2]
    if light.size < 16:
        return 0.0
    diagonal = light[::2, ::2] - light[1::2, ::2] - light[::2, 1::2] + light[1::2, 1::2]
    return float(np.median(np.abs(diagonal)) / 2 / 0.6745)


def blockiness(light, left=0, top=0):
    """Ratio of the steps between JPEG's blocks to those inside them.

    Args:
        light: float32 (H, W), a part of a picture.
        left, top: where it lies in the picture, whose blocks begin at 0.

    Returns:
        float, about 1 without compression.
    """
    between = inside = 0.0
    for axis, start in ((1, left), (0, top)):
        steps = np.abs(np.diff(light, axis=axis)).mean(1 - axis)
        place = (np.arange(len(steps)) + start) % 8
        if len(steps) < 8:
            return 1.0
        between += steps[place == 7].mean()
        inside += steps[(place >= 2) & (place <= 4)].mean()
    return float(between / (inside + 0.5))


def steepness(light):
    """Steepness of the strongest edges, in parts of the picture's range of grey.

    Args:
        light: float32 (H, W), an upright face of 320 px.

    Returns:
        float: 0.1 to 0.2 in a sharp photo, under 0.06 in one that is plainly blurred.
    """
    smooth = cv2.GaussianBlur(light, (0, 0), 1.0)  # noise makes no edges here
    dx, dy = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    coarse = cv2.GaussianBlur(light, (0, 0), 8.0)
    low, high = np.percentile(coarse, (3, 97))
    return float(np.percentile(np.hypot(dx, dy), 98) / (high - low + 30))


def _exposure(face_light):
    """Score of the exposure, and whether darkness lowers it most.

    The brightest spots of a face (eyes' whites, teeth, glints) tell the light it stands in; its
    middle would call dark skin badly lit.
    """
    bright = np.percentile(face_light, 97)
    lit = 1 - np.exp(-((bright / 130) ** 2))
    unblown = 1 - np.clip(2 * (face_light > 250).mean() - 0.1, 0, 0.9)
    return lit * unblown, bool(lit <= unblown)


def _inside(image, face):
    """The share of the face's oval that lies in the picture."""
    oval = face.mesh[list(points_of.OVAL)]
    low, high = np.floor(oval.min(0)), np.ceil(oval.max(0)) + 1
    size = np.minimum(high - low, 4000).astype(int)
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(mask, [np.round(oval - low).astype(np.int32)], 1)
    (left, top), (width, height) = -low.astype(int), (image.shape[1], image.shape[0])
    rows, columns = np.nonzero(mask)
    seen = (columns >= left) & (columns < left + width) & (rows >= top) & (rows < top + height)
    return float(seen.mean()) if len(seen) else 0.0


def _unhidden(crop, at):
    """The share of places on the face that look like the rest of its skin.

    Occlusion is recognised by colour: hair over the forehead, a mask, dark glasses. A hand has the
    colour of skin and is missed.

    Args:
        crop: uint8 (S, S, 3), the upright face.
        at: (478, 2), its mesh in the crop.
    """
    lab = cv2.cvtColor(
        cv2.GaussianBlur(crop, (0, 0), 2).astype(np.float32) / 255, cv2.COLOR_RGB2LAB
    )
    places = np.clip(at[list(PLACES)].astype(int), 0, crop.shape[0] - 1)
    colours = np.array(
        [
            np.median(lab[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4], axis=(0, 1))
            for x, y in places
        ]
    )
    middle = np.median(colours, axis=0)
    hue = np.linalg.norm(colours[:, 1:] - middle[1:], axis=1)
    dark = middle[0] / np.maximum(colours[:, 0], 1)
    odd = np.maximum(np.clip((hue - 14) / 10, 0, 1), np.clip((dark - 2.2) / 0.8, 0, 1))
    return 1 - float(odd.mean())


def _luma(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _native(image, face):
    """The face's part of the picture at its own resolution, grey, and its upper left corner."""
    x, y, w, h = face.box
    left, top = int(np.clip(x, 0, image.shape[1] - 1)), int(np.clip(y, 0, image.shape[0] - 1))
    right, bottom = int(max(x + w, left + 1)), int(max(y + h, top + 1))
    return _luma(np.ascontiguousarray(image[top:bottom, left:right])), left, top
