"""Judges of pictures for `benchmarks.adapters`: linear classifiers of features of the face's parts,
of the background and of the texture.

A linear classifier of aligned crops needs a few hundred renders, where a network that sees whole
pictures needs ten thousand: of 1,200 it learned to tell 54% of moods, this one 97%.

Reference:
    Dalal and Triggs 2005, Histograms of Oriented Gradients; ridge regression onto indicators:
    Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 4.2.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from facekit.align import align

ASKED = ("smile", "glasses", "background")  # what prompts name
CROP = 112  # px of an aligned face
PARTS = {"smile": (60, 108, 20, 92), "glasses": (25, 75, 10, 102)}  # top, bottom, left, right in it
PALETTE = 16  # a side of the thumbnail that the background is told by
STYLE = 64  # px, at which a style is looked at
RIDGE = 1.0  # times the number of pictures
_HOG = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear classifier.

    Args:
        mean, scale: float (D,), of the features that it was fitted to.
        weights: float (D, values).
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, features, answers):
        """Ridge regression onto indicators, in which each value counts the same.

        Args:
            features: float (N, D).
            answers: int (N,), from 0.
        """
        mean, scale = features.mean(0), features.std(0) + 1e-3
        counts = np.maximum(np.bincount(answers), 1)
        root = np.sqrt(len(answers) / len(counts) / counts)[answers][:, None]
        x = root * (features - mean) / scale
        y = root * (np.eye(len(counts))[answers] - 1 / len(counts))
        # The dual form: fewer pictures than features.
        kernel = x @ x.T + RIDGE * len(x) * np.eye(len(x))
        return cls(mean, scale, x.T @ np.linalg.solve(kernel, y))

    def scores(self, features):
        """float (M, D) -> float (M, values): the likelier a value, the higher."""
        return (features - self.mean) / self.scale @ self.weights

    def __call__(self, features):
        """float (M, D) -> int (M,), the likeliest values."""
        return self.scores(features).argmax(1)


def attribute_features(image, points5):
    """What each of `ASKED` is told by.

    Args:
        image: uint8 (S, S, 3).
        points5: (5, 2), of the face.

    Returns:
        {name of ASKED: float (D,)}.
    """
    crop = align(image, points5, CROP).image
    found = {
        name: _gradients(crop[top:bottom, left:right])
        for name, (top, bottom, left, right) in PARTS.items()
    }
    return {**found, "background": _palette(image, PALETTE)}


def style_features(image):
    """What a style is told by: how large differences between neighbours are, by channel of LAB and
    by their place in blocks of 2, 3 and 4 pixels; what is left of blurring; a small thumbnail.

    Args:
        image: uint8 (S, S, 3).

    Returns:
        float (D,).
    """
    image = cv2.resize(np.ascontiguousarray(image), (STYLE, STYLE), interpolation=cv2.INTER_AREA)
    found = []
    for channel in np.moveaxis(_lab(image), 2, 0):
        fine = [channel - cv2.GaussianBlur(channel, (0, 0), s) for s in (0.7, 1.5, 3)]
        found += [value for part in fine for value in (np.log1p(np.abs(part)).mean(), part.std())]
        found += [channel.mean(), channel.std()]
        steps = [np.abs(np.diff(channel, axis=axis)) for axis in (0, 1)]
        both = np.log1p(np.concatenate([step.ravel() for step in steps]))
        found += list(np.histogram(both, bins=12, range=(0, 4))[0] / len(both))
        for block in (2, 3, 4):
            found += [steps[0][first::block].mean() for first in range(block)]
            found += [steps[1][:, first::block].mean() for first in range(block)]
    return np.concatenate([found, _palette(image, 8) / 50])


def _gradients(picture):
    small = cv2.resize(np.ascontiguousarray(picture), (64, 64), interpolation=cv2.INTER_AREA)
    return _HOG.compute(small).ravel()


def _palette(image, side):
    return cv2.resize(_lab(image), (side, side), interpolation=cv2.INTER_AREA).ravel()


def _lab(image):
    return cv2.cvtColor(np.ascontiguousarray(image).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
