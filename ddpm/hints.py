"""Control pictures from files: what `--control` says, read and resized for the control branch."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ddpm.pictures import middle, read_picture, resize, to_float

KINDS = ("canny", "colour", "tile", "points")
_ON_BLACK = ("canny", "points")  # kinds that are drawn on black
STRONGEST = 2
_NUMBER = r"\d*\.?\d+"
_FORM = re.compile(rf"^(\w+)=(.+?)(?::({_NUMBER})(?::({_NUMBER})-({_NUMBER}))?)?$")


@dataclass(frozen=True)
class Control:
    """One control picture of a sampling.

    Args:
        kind: a word of `KINDS`.
        path: of the picture.
        strength: 0 to 2; 1 is what was trained.
        window: (from, to), shares of the way from noise, 0, to the picture, 1.
    """

    kind: str
    path: Path
    strength: float = 1.0
    window: tuple = (0.0, 1.0)

    @classmethod
    def parse(cls, words):
        """Read "kind=file[:strength[:from-to]]", as `--control` has it.

        Raises:
            ValueError: for another form, or a number out of range.
        """
        match = _FORM.match(words)
        if not match:
            raise ValueError(
                "--control is KIND=FILE[:STRENGTH[:FROM-TO]], such as canny=edges.png:0.8 or "
                f"canny=edges.png:0.8:0-0.5. Received: {words!r}."
            )
        kind, path, strength, start, end = match.groups()
        if kind not in KINDS:
            raise ValueError(f"unknown kind of control {kind!r}; choose one of {', '.join(KINDS)}.")
        control = cls(kind, Path(path), float(strength or 1), (float(start or 0), float(end or 1)))
        if not 0 <= control.strength <= STRONGEST:
            raise ValueError(
                f"the strength of a control is from 0 to {STRONGEST}. Received: {words!r}."
            )
        if not 0 <= control.window[0] < control.window[1] <= 1:
            raise ValueError(
                f"the window of a control is FROM-TO with 0 <= FROM < TO <= 1. Received: {words!r}."
            )
        return control

    def load(self, size):
        """The picture as the network wants it.

        Args:
            size: (H, W).

        Returns:
            uint8 (H, W, 3): its middle, resized. Edges stay white however much they shrink.

        Raises:
            ValueError: if it cannot be read.
        """
        ground = "black" if self.kind in _ON_BLACK else "white"
        picture = middle(read_picture(self.path, "control picture", ground), size)
        if self.kind == "canny":
            # Each pixel shows the brightest of its cell; a mean, or one pixel, would lose lines.
            side = min(picture.shape[0] / size[0], picture.shape[1] / size[1])
            cell = np.ones((math.ceil(side),) * 2, np.uint8)
            picture = cv2.dilate(picture, cell, anchor=(0, 0))
            return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_NEAREST)
        return resize(picture, size, cells=self.kind == "colour")


def stack(controls, size):
    """Control pictures as a condition's arrays, and the windows of their kinds.

    Args:
        controls: list of `Control`, at most one of a kind.
        size: (H, W).

    Returns:
        (hints, strengths, windows): float32 (H, W, 3 K) in [-1, 1]; float32 (K,); K pairs.

    Raises:
        ValueError: if there are two of a kind, or a picture cannot be read.
    """
    hints = np.zeros((*size, 3 * len(KINDS)), np.float32)
    strengths, windows = np.zeros(len(KINDS), np.float32), [(0.0, 1.0)] * len(KINDS)
    kinds = [control.kind for control in controls]
    for control in controls:
        if kinds.count(control.kind) > 1:
            raise ValueError(f"there is more than one control of the kind {control.kind}.")
        k = KINDS.index(control.kind)
        hints[..., 3 * k : 3 * k + 3] = to_float(control.load(size))
        strengths[k], windows[k] = control.strength, control.window
    return hints, strengths, windows
