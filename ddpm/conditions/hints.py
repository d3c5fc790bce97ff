"""Hints: control pictures for the control branch (`nets/control.py`), by kind.

`--control canny=edges.png:0.8:0-0.5` is a `ControlImage`: a kind, a picture, a strength, a window.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ddpm.codec import to_float
from ddpm.conditions.record import Condition

KINDS = ("canny", "colour", "tile", "points")  # that a new branch is trained with
ON_BLACK = ("canny", "points")  # kinds that are drawn on black
MAX_STRENGTH = 2
_P_SINGLE = 0.4  # share of training pictures that keep one hint
_NUMBER = r"\d*\.?\d+"
_FORM = re.compile(rf"^(\w+)=(.+?)(?::({_NUMBER})(?::({_NUMBER})-({_NUMBER}))?)?$")


@dataclass(frozen=True)
class HintSettings:
    """Settings of the hints.

    Args:
        kinds: names of the K kinds of control pictures, in the order of their channels.
    """

    kinds: tuple = KINDS


@dataclass(frozen=True, eq=False)
class ControlImage:
    """One control picture of a request.

    Args:
        kind: one of the branch's kinds, such as `KINDS`.
        image: uint8 (H, W, 3) of any size, whose middle is used.
        strength: 0 to 2; 1 is what was trained; 0 is as if it were not given.
        window: (from, to), shares of the progress from noise, 0, to the picture, 1.
        name: of its file, for the recipe.
        sha256: the first digits of that file's checksum, for the recipe.
    """

    kind: str
    image: np.ndarray
    strength: float = 1.0
    window: tuple = (0.0, 1.0)
    name: str = ""
    sha256: str = ""

    @classmethod
    def parse(cls, words):
        """Read "kind=file[:strength[:from-to]]", as `--control` has it, and the file.

        Raises:
            ValueError: for another form, a number out of range, or a picture that cannot be read.
        """
        kind, path, strength, window = parse_control(words)
        # Here, so that networks can be had without a reader of pictures.
        from common.images import read_named

        image = read_named(path, "control picture", "black" if kind in ON_BLACK else "white")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        return cls(kind, image, strength, window, path.name, digest)

    def fit(self, size):
        """The picture at a network's size.

        Args:
            size: (H, W).

        Returns:
            uint8 (H, W, 3): its middle, resized. Edges stay white however much they shrink.
        """
        from common.images import center_crop, resize

        image = center_crop(self.image, size)
        if self.kind == "canny":
            return _shrink_lines(image, size)
        return resize(image, size, "nearest" if self.kind == "colour" else "cubic")

    def warning(self):
        """A sentence where the picture is hardly one of its kind, such as a photograph given for
        edges; else None."""
        darkest, brightest = self.image.min(-1), self.image.max(-1)
        if self.kind == "canny":
            odd = np.mean((brightest > 40) & (darkest < 215)) > 0.25 or np.mean(darkest > 127) > 0.5
        else:
            odd = self.kind == "points" and np.mean(brightest < 40) < 0.5
        if not odd:
            return None
        return (
            f"{self.name or 'the picture'} does not look like a {self.kind} picture, which is "
            "drawn on black; make one of a photo with: python -m facekit control PHOTO --out hints"
        )


def parse_control(words):
    """What "kind=file[:strength[:from-to]]" says: (kind, `Path`, strength, window).

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
    strength, window = float(strength or 1), (float(start or 0), float(end or 1))
    if not 0 <= strength <= MAX_STRENGTH:
        raise ValueError(
            f"the strength of a control is from 0 to {MAX_STRENGTH}. Received: {words!r}."
        )
    if not 0 <= window[0] < window[1] <= 1:
        raise ValueError(
            f"the window of a control is FROM-TO with 0 <= FROM < TO <= 1. Received: {words!r}."
        )
    return kind, Path(path), strength, window


def _shrink_lines(image, size):
    """Each pixel shows the brightest of its cell; a mean, or one pixel, would lose lines."""
    import cv2

    side = min(image.shape[0] / size[0], image.shape[1] / size[1])
    cell = np.ones((math.ceil(side),) * 2, np.uint8)
    image = cv2.dilate(image, cell, anchor=(0, 0))
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST)


def stack(controls, kinds, size):
    """Control pictures as the arrays of one picture, and the windows of their kinds.

    Args:
        controls: sequence of `ControlImage`, at most one of a kind.
        kinds: names of the branch's K kinds.
        size: (H, W).

    Returns:
        (hints, strengths, windows): float32 (H, W, 3 K) in [-1, 1]; float32 (K,); K pairs.

    Raises:
        ValueError: if there are two of a kind, or a kind that the branch lacks.
    """
    hints = np.zeros((*size, 3 * len(kinds)), np.float32)
    strengths = np.zeros(len(kinds), np.float32)
    named = [control.kind for control in controls]
    for control in controls:
        if named.count(control.kind) > 1:
            raise ValueError(f"there is more than one control of the kind {control.kind}.")
        if control.kind not in kinds:
            raise ValueError(
                f"the control branch knows no {control.kind}; it was trained with "
                f"{', '.join(kinds)}."
            )
        k = kinds.index(control.kind)
        hints[..., 3 * k : 3 * k + 3] = to_float(control.fit(size))
        strengths[k] = control.strength
    return hints, strengths, control_windows(controls, kinds)


def control_windows(controls, kinds):
    """The window of each kind: K pairs (from, to), the whole way for kinds without a picture."""
    windows = {control.kind: control.window for control in controls}
    return [windows.get(kind, (0.0, 1.0)) for kind in kinds]


def drop_inactive_hints(denoise):
    """A denoiser that leaves the control branch out where no hint counts: it costs nothing then,
    and the result is the base's to the last bit in every precision.

    Args:
        denoise: (x_t, t, condition) -> x0_hat.

    Returns:
        (x_t, t, condition) -> x0_hat.
    """

    def denoise_active(x_t, t, condition=None):
        if condition and "strengths" in condition and not np.any(condition["strengths"]):
            condition = {k: v for k, v in condition.items() if k not in CONDITION.arrays}
        return denoise(x_t, t, condition)

    return denoise_active


def _from_request(request, settings, model, indices):
    if not request.controls:
        return None
    size = (model.preset.size, model.preset.size)
    hints, strengths, _ = stack(request.controls, settings.kinds, size)
    n = len(indices)
    return {"hints": np.tile(hints, (n, 1, 1, 1)), "strengths": np.tile(strengths, (n, 1))}


def _rows(source, settings):
    def row(window):
        hints, present = source.make_hints(window)
        return {"hints": to_float(hints), "strengths": np.float32(present)}

    return row


def _drop(arrays, null, drop_all, rng, rates):
    """Keep a random subset of the hints, often a single one, so that every subset occurs."""
    shape = arrays["strengths"].shape
    some = rng.random(shape) < rng.uniform(0.2, 1, (shape[0], 1))
    # Beside a hint that says more the others teach little; alone each must do.
    one = rng.permuted(np.tile(np.arange(shape[1]), (shape[0], 1)), axis=1) == 0
    kept = np.where(rng.random((shape[0], 1)) < _P_SINGLE, one, some)
    return {**arrays, "strengths": arrays["strengths"] * kept}


CONDITION = Condition(
    arrays=("hints", "strengths"),
    settings=HintSettings,
    from_request=_from_request,
    rows=_rows,
    drop=_drop,
)
