"""What a condition is: one record of functions. `ddpm.conditions` has a table of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ddpm.codec import PIXELS, Codec


@dataclass(frozen=True)
class NoSettings:
    """Settings of a condition that has none."""


class DropRates(NamedTuple):
    """How often training drops conditions.

    Args:
        each: probability that one condition of a picture is dropped.
        all: probability that all of them are at once.
        full_mask: probability that a picture's mask covers everything.
    """

    each: float = 0.1
    all: float = 0.1
    full_mask: float = 0.1


class Window(NamedTuple):
    """One training picture: a window cut out of a picture of the set.

    Args:
        image: uint8 (S, S, 3); None where latents are at hand and no condition looks at pictures.
        index: of the picture in the set.
        mirrored: whether it is mirrored.
        size_crop: float32 (6,), see `size_crop.py`.
        matrix: float32 (2, 3), from the picture's points (pixels, corner at 0) to the window's.
        rng: NumPy generator for whatever else is drawn for this picture.
    """

    image: np.ndarray | None
    index: int
    mirrored: bool
    size_crop: np.ndarray
    matrix: np.ndarray
    rng: np.random.Generator


@dataclass(frozen=True)
class Source:
    """What training draws pictures and their conditions from.

    Args:
        images: sequence of N pictures, uint8 (H, W, 3), of any sizes.
        captions: N strings, or None.
        sizes: int (N, 2), (height, width) of the files; None where they are the pictures' own.
        columns: further arrays of N rows by name, for conditions that need them.
        make_hints: (Window) -> (uint8 (S, S, 3 K), bool (K,)): control pictures of a window, and
            which of the K kinds there are; None where none are wanted.
        make_mask: (Window) -> float32 (S, S, 1): an inpainting mask; None where none is wanted.
        codec: what the known part of a picture becomes.
        labels: uint8 (N, H, W), part maps of the pictures (`data.Pictures`); None where unknown.
    """

    images: object
    captions: list | None = None
    sizes: np.ndarray | None = None
    columns: dict = field(default_factory=dict)
    make_hints: Callable | None = None
    make_mask: Callable | None = None
    codec: Codec = PIXELS
    labels: np.ndarray | None = None


class Encoding(NamedTuple):
    """What a condition's encoder gives to the network.

    Args:
        features: (B, F), concatenated with those of other conditions into the vector that joins the
            time embedding; or None.
        tokens: (B, L, W), attended to by cross-attention; or None.
        token_mask: bool (B, L), the tokens that count; or None.
    """

    features: object = None
    tokens: object = None
    token_mask: object = None


def drop_rows(arrays, null, drop_all, rng, rates):
    """Replace a condition by its null value in some rows.

    Args:
        arrays: the condition's arrays, a row a picture.
        null: its null value, one row or as many.
        drop_all: bool (B,), rows in which every condition is dropped.
        rng: NumPy generator.
        rates: `DropRates`.

    Returns:
        dict of arrays; those given are left as they are.
    """
    dropped = drop_all | (rng.random(len(drop_all)) < rates.each)

    def choose(name, value):
        return np.where(dropped.reshape(-1, *[1] * (value.ndim - 1)), null[name], value)

    return {name: choose(name, value) for name, value in arrays.items()}


@dataclass(frozen=True)
class Condition:
    """One thing that a network can be conditioned on, as functions.

    Args:
        arrays: names of its arrays in a condition, a dict with a row a picture.
        settings: type of its settings, a frozen dataclass.
        null: (settings, n) -> arrays of n rows that say nothing: what dropping leaves, and what
            a network is given where the arrays are missing.
        default: (settings, size, n) -> arrays for pictures of `size` pixels a side of which nothing
            is requested; None for the null value.
        from_request: (request, settings, model, indices) -> arrays for these pictures of a request,
            or None where it asks for nothing; None for a condition that is only given by
            `Request.arrays`.
        negative: (request, settings, n) -> arrays of the negative side of guidance, or None where
            the request does not ask for guidance by this condition; None: never.
        rows: (source, settings) -> (window) -> arrays of one picture, for training.
        drop: as `drop_rows`.
        p_drop: (settings) -> `DropRates.each` of this condition; None for that of all.
        p_alone: (settings) -> probability that the words of a picture that is told this are
            dropped besides; None: never.
        encoder: (settings, dtype) -> Keras layer, called with the arrays in the order of their
            names, that gives an `Encoding`, and whose `feature_width` is that of its features. None
            for a condition that enters elsewhere.
        token_width: (settings) -> elements of a token of the encoder, 0 for none.
        input_channels: (config) -> number of channels that join x_t; None for none.
        input_image: (arrays or {}, x_t) -> (B, H, W, input_channels).
    """

    arrays: tuple
    rows: Callable
    null: Callable = lambda settings, n: {}
    settings: type = NoSettings
    default: Callable | None = None
    from_request: Callable | None = None
    negative: Callable | None = None
    drop: Callable = drop_rows
    p_drop: Callable | None = None
    p_alone: Callable | None = None
    encoder: Callable | None = None
    token_width: Callable = lambda settings: 0
    input_channels: Callable | None = None
    input_image: Callable | None = None
