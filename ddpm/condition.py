"""What a network may be told besides the time. A condition is a dict of arrays, one row a picture:

    tokens     int32 (B, L)            a caption, by `text.Tokenizer`
    framing    float32 (B, 6)          original size, crop corner, target size, by `framing.py`
    mask       float32 (B, H, W, 1)    1 where is to be painted, 0 where the picture is known
    known      float32 (B, H, W, 3)    that picture, in [-1, 1]; what the mask covers is not seen
    hints      float32 (B, H, W, 3 K)  control pictures in [-1, 1], by kind, for `control.py`
    strengths  float32 (B, K)          how much each of them counts, 0 to 1

What is missing is not told. A caption that says nothing is START alone, a framing that says nothing
is -1.
"""

import keras
import numpy as np
from keras import ops

from ddpm.framing import framing
from ddpm.layers import sinusoidal_embedding
from ddpm.text import START, TextEncoder

FRAMING = 6  # numbers
_WAVES = 64  # elements of each number's sinusoid
_LONE_HINT = 0.4  # share of pictures that keep one hint


def nothing(n, length=None, framing=False):
    """A condition that tells nothing: what guidance compares with.

    Args:
        n: pictures.
        length: tokens of a row; None for a network without words.
        framing: whether the network is told framings.

    Returns:
        A condition of n rows.
    """
    condition = {}
    if length:
        condition["tokens"] = np.tile(np.eye(1, length, dtype=np.int32) * START, (n, 1))
    if framing:
        condition["framing"] = np.full((n, FRAMING), -1, np.float32)
    return condition


def untold(preset, n):
    """What a model is told where nothing is asked for: no words, and to draw whole pictures.

    Args:
        preset: of the model.
        n: pictures.

    Returns:
        A condition of n rows; empty for a model that can be told nothing.
    """
    condition = nothing(n, preset.text_length if preset.vocabulary else None)
    if preset.framing:
        condition["framing"] = np.tile(framing(preset.image_size), (n, 1))
    return condition


def choose_captions(captions, seed, pictures):
    """A caption for each picture, by the seed and the picture's number alone.

    Args:
        captions: sequence of strings, at least one.
        seed: int, at least 0.
        pictures: numbers of pictures.

    Returns:
        list of str.
    """
    return [captions[np.random.default_rng((seed, i)).integers(len(captions))] for i in pictures]


def heard(condition):
    """A condition without its hints where none of them counts, so that the control branch is left
    out: it costs nothing then, and the result is the base's to the last bit in every precision.
    """
    if "strengths" in condition and not np.any(condition["strengths"]):
        return {k: v for k, v in condition.items() if k not in ("hints", "strengths")}
    return condition


def drop(condition, rng, each=0.1, all=0.1, unmasked=0.1):
    """Forget some of what is told, so that a network learns to do without: words and framing all at
    once, and each alone. Of the hints often one stays, else a random number, so that every subset
    occurs.

    Args:
        condition: a dict of arrays.
        rng: numpy Generator.
        each: chance that a picture's one kind is forgotten.
        all: chance that words and framing both are.
        unmasked: chance that a picture's mask covers everything, so that nothing of it is known.

    Returns:
        A condition; the one given is left as it is.

    Reference:
        Ho and Salimans 2022, Classifier-Free Diffusion Guidance (arXiv:2207.12598), algorithm 1.
    """
    n = len(next(iter(condition.values())))
    everything = rng.random(n) < all
    result = dict(condition)
    silent = nothing(n, condition["tokens"].shape[1] if "tokens" in condition else None, True)
    for kind in ("tokens", "framing"):
        if kind in condition:
            gone = everything | (rng.random(n) < each)
            result[kind] = np.where(gone[:, None], silent[kind], condition[kind])
    if "mask" in condition:
        whole = rng.random((n, 1, 1, 1)) < unmasked
        result["mask"] = np.where(whole, np.float32(1), condition["mask"])
    if "strengths" in condition:
        shape = condition["strengths"].shape
        some = rng.random(shape) < rng.uniform(0.2, 1, (n, 1))
        # Beside a hint that says more the others teach little; alone each must do.
        one = rng.permuted(np.tile(np.arange(shape[1]), (n, 1)), axis=1) == 0
        kept = np.where(rng.random((n, 1)) < _LONE_HINT, one, some)
        result["strengths"] = condition["strengths"] * kept
    return result


class Conditioner(keras.layers.Layer):
    """Words and framing to what the blocks are told: a vector that joins the time embedding, and
    the words' vectors for cross-attention.

    The vector is Dense(swish(Dense(pooled text, the six numbers' sinusoids))); the last Dense is
    zero at the start, so that a network begins as the one that is told nothing.

    Args:
        width: elements of the time embedding.
        text: settings of the `TextEncoder`, or None.
        framing: whether framings are told.

    Reference:
        Podell et al. 2023 (SDXL, arXiv:2307.01952), section 2.2 and algorithm 1.
    """

    def __init__(self, width, text=None, framing=False, **kwargs):
        # autocast=False: sizes must reach their sinusoids unrounded.
        super().__init__(autocast=False, **kwargs)
        dtype = self.dtype_policy
        self.text = TextEncoder(**text, dtype=dtype) if text else None
        self.framing = framing
        self.takes = (("tokens",) if text else ()) + (("framing",) if framing else ())
        self.dense1 = keras.layers.Dense(width, activation="swish", dtype=dtype)
        self.dense2 = keras.layers.Dense(width, kernel_initializer="zeros", dtype=dtype)

    def build(self):
        width = _WAVES * FRAMING if self.framing else 0
        if self.text is not None:
            self.text.build((None, self.text.length))
            width += self.text.width
        self.dense1.build((None, width))
        self.dense2.build((None, self.dense1.units))
        self.built = True

    def call(self, t, condition=None):
        """Args: t (B,); a condition. Returns: vector (B, width), words, known (or None)."""
        n = ops.shape(t)[0]
        silent = nothing(1, self.text.length if self.text is not None else None, self.framing)
        condition = {**silent, **(condition or {})}
        words = known = None
        parts = []
        if self.text is not None:
            tokens = ops.broadcast_to(condition["tokens"], (n, self.text.length))
            words, pooled, known = self.text(tokens)
            parts.append(pooled)
        if self.framing:
            numbers = ops.broadcast_to(condition["framing"], (n, FRAMING))
            waves = sinusoidal_embedding(ops.reshape(numbers, (-1,)), _WAVES)
            waves = ops.reshape(waves, (-1, FRAMING, _WAVES))
            waves = ops.where(numbers[:, :, None] < 0, 0.0, waves)
            parts.append(ops.cast(ops.reshape(waves, (-1, FRAMING * _WAVES)), self.compute_dtype))
        return self.dense2(self.dense1(ops.concatenate(parts, axis=-1))), words, known
