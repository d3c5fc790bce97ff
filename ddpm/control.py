"""The control branch: pictures that say what goes where.

A copy of the network's way down sees the noisy picture and the control pictures; what it finds is
added, through layers that start at zero, to the skips and the middle of the network itself, which
stays frozen:

    hints -> HintEncoder --+
    x_t -> stem (copy) ----+-> encoder (copy) -> middle (copy)
                                   | zero layers     | zero layer
    x_t -> stem -> encoder -> skips + strength (.) , middle + strength (.) -> decoder -> prediction

One branch reads all kinds of hints at once, so that four cost what one does.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops
from PIL import Image, ImageFilter, ImageOps

from ddpm.layers import Downsample, GroupNorm, conv3x3, space_to_depth
from ddpm.unet import Block, UNet

KINDS = ("canny", "colour", "tile", "points")
KINDS_COUNT = len(KINDS)
STRONGEST = 2
_NUMBER = r"\d*\.?\d+"
_FORM = re.compile(rf"^(\w+)=(.+?)(?::({_NUMBER})(?::({_NUMBER})-({_NUMBER}))?)?$")


class HintEncoder(keras.layers.Layer):
    """Control pictures to features on the first grid: two residual convolutions at full width.

    With patches, pixels are folded into channels first, as the network's stem does: nothing of a
    one-pixel line is lost. A single zero-initialised convolution in this place is known to be
    ignored by models that work on pixels; this one has a nonlinear path and starts small, not at
    zero (the zero layers behind the branch already make it begin as nothing).

    Args:
        width: channels of the result.
        patch: side of the squares that are folded.
        groups: of the normalisations.
    """

    def __init__(self, width, patch=1, groups=8, **kwargs):
        super().__init__(**kwargs)
        self.width, self.patch = width, patch
        dtype = self.dtype_policy
        self.first = conv3x3(width, dtype=dtype)
        self.norms = [GroupNorm(groups, swish=True, dtype=dtype) for _ in range(3)]
        self.convs = [conv3x3(width, dtype=dtype) for _ in range(3)]

    def build(self, input_shape):
        self.first.build((*input_shape[:-1], self.patch**2 * input_shape[-1]))
        for layer in (*self.norms, *self.convs):
            layer.build((*input_shape[:-1], self.width))

    def call(self, hints):
        """Args: hints (B, H, W, C). Returns: (B, H / patch, W / patch, width)."""
        h = self.first(space_to_depth(hints, self.patch) if self.patch > 1 else hints)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = h + conv(norm(h))
        return h


class ControlBranch(keras.Model):
    """The trainable part: hint encoder, copy of the way down, zero layers.

    Args:
        base: the `UNet` to be controlled; its weights are copied.
        kinds: K, kinds of control pictures.

    Reference:
        Zhang et al. 2023 (ControlNet, arXiv:2302.05543), section 3.
    """

    def __init__(self, base, kinds=KINDS_COUNT, **kwargs):
        super().__init__(autocast=False, dtype=base.dtype_policy, **kwargs)
        self.kinds = kinds
        twin = UNet.from_config(base.get_config())
        twin.set_weights(base.get_weights())
        self.patch = base.patch
        # The twin's way up is not kept, nor what it is told: the branch hears what the base hears.
        self.stem, self.encoder = twin.stem, twin.encoder
        self.middle_in, self.middle_out = twin.middle_in, twin.middle_out
        settings, dtype = base.settings, self.dtype_policy
        self.hints = HintEncoder(settings["widths"][0], self.patch, settings["groups"], dtype=dtype)
        widths = [settings["widths"][0]]
        for step in self.encoder:
            widths.append(step.width if isinstance(step, Block) else widths[-1])
        self.zeros = [
            keras.layers.Dense(width, kernel_initializer="zeros", dtype=dtype)
            for width in (*widths, widths[-1])
        ]
        self.hints.build((None, None, None, 4 * kinds))
        for layer in self.zeros:
            layer.build((None, None, None, layer.units))
        self.built = True

    def call(self, x_t, told, hints, strengths, training=False):
        """What to add to the base's skips and middle.

        The strongest hint sets how much is added, so that a single one works as its strength says;
        the others enter in proportion to it.

        Args:
            x_t: float32 (B, H, W, C).
            told: the base's `Told`.
            hints: float32 (B, H, W, 3 K) in [-1, 1].
            strengths: float32 (B, K).
            training: passed to the blocks.

        Returns:
            list of (B, H', W', C'), as many as the base has skips, and one for its middle.
        """
        strongest = ops.max(strengths, axis=1, keepdims=True)  # (B, 1)
        share = strengths / ops.maximum(strongest, 1e-6)
        hints = ops.cast(hints, self.compute_dtype)
        share = ops.cast(share, self.compute_dtype)[:, None, None, :]
        # Weighted hints, and who is there: black and absent are not the same.
        hints = hints * ops.repeat(share, 3, axis=-1)
        present = ops.broadcast_to(share, (*ops.shape(hints)[:-1], self.kinds))
        hints = self.hints(ops.concatenate([hints, present], axis=-1))
        x_t = ops.cast(x_t, self.compute_dtype)
        h = self.stem(space_to_depth(x_t, self.patch) if self.patch > 1 else x_t) + hints
        found = [h]
        for step in self.encoder:
            h = step(h) if isinstance(step, Downsample) else step(h, told, training=training)
            found.append(h)
        h = self.middle_out(self.middle_in(h, told, training=training), told, training=training)
        found.append(h)
        amount = ops.cast(strongest, self.compute_dtype)[:, None, None, :]
        return [amount * zero(h) for zero, h in zip(self.zeros, found, strict=True)]


class Controlled(keras.Model):
    """A U-Net with its control branch: (x_t, t, condition) -> prediction.

    Without hints in the condition it is the U-Net itself; with all strengths 0 the result is the
    same, bit for bit. Only the branch learns.

    Args:
        base: a built `UNet`.
        kinds: K, kinds of control pictures.
    """

    def __init__(self, base, kinds=KINDS_COUNT, **kwargs):
        super().__init__(autocast=False, dtype=base.dtype_policy, **kwargs)
        self.base = base
        self.base.trainable = False
        self.branch = ControlBranch(base, kinds)
        self.built = True

    def call(self, x_t, t, condition=None, training=False):
        """Args and result as `UNet`; the condition may hold hints and strengths besides."""
        told = dict(condition or {})
        hints, strengths = told.pop("hints", None), told.pop("strengths", None)
        if hints is None:
            return self.base(x_t, t, told, training=training)
        base = self.base
        base.check(x_t, told)
        told = base.embed(t, told)
        added = self.branch(x_t, told, hints, strengths, training=training)
        h, skips = base.encode(x_t, told, training=training)
        h = base.middle(h, told, training=training) + added[-1]
        skips = [skip + more for skip, more in zip(skips, added[:-1], strict=True)]
        return base.decode(h, skips, told, training=training)


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
        try:
            with Image.open(self.path) as file:
                picture = ImageOps.exif_transpose(file).convert("RGB")
        except FileNotFoundError:
            raise ValueError(f"there is no control picture {self.path}.") from None
        except Exception as error:  # a damaged picture surfaces as almost any type
            raise ValueError(
                f"the control picture {self.path} cannot be read; name a picture that opens in an "
                "image viewer."
            ) from error
        way = Image.Resampling.BOX
        if self.kind == "canny":
            shrink = min(picture.size) // min(size)
            if shrink > 1:
                picture = picture.filter(ImageFilter.MaxFilter(shrink | 1))
            way = Image.Resampling.NEAREST
        return np.asarray(ImageOps.fit(picture, size[::-1], way))


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
        hints[..., 3 * k : 3 * k + 3] = control.load(size).astype(np.float32) / 127.5 - 1
        strengths[k], windows[k] = control.strength, control.window
    return hints, strengths, windows
