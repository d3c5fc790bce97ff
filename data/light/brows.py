"""Brows: strands of hair on the brow bone, with skin between them."""

import numpy as np

from data.light.texture import noise
from data.shape.maths import step

FROM, TO = 0.105, 0.60  # rest x between which a brow stands, dm
LEVEL = 7.492  # rest y of its middle line
FINE = 430.0  # texels of the noise a decimetre, across the strands


def brow_mask(rest, brows, fine=1.0):
    """How much brow there is at rest positions.

    Args:
        rest: float32 (P, 3).
        brows: a `data.people.complexion.Brows`.
        fine: 0 to 1, how far single hairs are drawn; below, their mean.

    Returns:
        hair float32 (P,) in [0, 1], 1 on a strand; ground (P,) in [0, 1], where brows are at all,
        without strands.
    """
    hair, ground = np.zeros((2, len(rest)), np.float32)
    near = np.nonzero((rest[:, 2] > 0.7) & (np.abs(rest[:, 1] - LEVEL) < 0.2))[0]
    if len(near):
        hair[near], ground[near] = _strands(rest[near], brows, fine)
    return hair, ground


def _strands(rest, brows, fine):
    """Hair and ground (P,) near the brows: see `brow_mask`."""
    x, y = np.abs(rest[:, 0]), rest[:, 1]
    reach = (TO - FROM) * brows.length
    t = (x - FROM) / reach  # 0 at the head, 1 at the tail
    on = np.clip(t, 0, 1)
    # Up from the head to the arch at two thirds, down to the tail.
    arch = 0.034 * brows.arch * np.sin(np.pi * np.clip(on / 1.32, 0, 1)) ** 1.4
    arch += 0.014 * (1 - on) ** 2  # the head does not sink to the nose: that would be a frown
    middle = LEVEL + brows.height + arch + (brows.outer - 0.052) * on**1.8
    half = 0.044 * brows.thickness * (0.62 + 0.38 * step(0, 0.22, on)) * (1 - 0.78 * on**2.2)
    up = y - middle
    side = np.where(rest[:, 0] > 0, 37.0, 0.0)  # left and right are not alike
    q = _place_along(x, up, half, reach)
    strands = noise(2, 75 * (up + 0.35 * x) + side, FINE * q)
    stray = noise(2, 120 * x + side, FINE * (0.55 * x - 0.5 * up) + 211)
    single = noise(2, 190 * (up + 0.35 * x) + side, 2.3 * FINE * q)
    strands = 0.55 * strands + 0.25 * (1 + brows.bushy) * stray + 0.55 * single
    strands = strands * (0.45 + 0.55 * fine)
    off = np.abs(up / half - 0.08)
    ragged = 0.25 + 0.35 * brows.bushy
    body = step(1.2 + 0.5 * ragged, 0.35, off - 0.6 * ragged * strands)
    ends = step(-0.08, 0.14, t + 0.04 * stray) * step(1.06, 0.66, t + 0.03 * strands)
    between = brows.joined * step(0.16, 0.05, x) * step(1.4, 0.4, off) * 0.7
    amount = np.maximum(body * ends, between) * brows.density
    hair = np.minimum(1.15 * amount, 1) * step(0.85 - 2.0 * amount, 1.45 - 1.85 * amount, strands)
    mean = 0.80 * amount * step(1.7, 0.3, off) * np.clip(1 + 0.22 * strands, 0.5, 1.2)
    even = 0.82 * brows.density * ends * step(1.15, 0.35, off)
    # Below the hairs that are seen lie others, so that a brow is a mass and no row of strokes.
    hair = mean + fine * (np.maximum(0.95 * hair, even) - mean)
    return hair, amount * step(1.5, 0.6, off)


def _place_along(x, up, half, reach):
    """How far along the middle line the hair stands that goes through a place: float32 (P,).

    Counted so that hairs are as far apart, across them, at the head, where they are steep, as at
    the tail, where they lie along the brow.

    Args:
        x: (P,), from the middle of the face, dm.
        up: (P,), above the middle line of the brow, dm; half: (P,), half its height there.
        reach: length of the brow, dm.
    """
    lying = _lean((x - FROM) / reach) * (1 - 0.3 * step(-0.5, 1.0, up / half))
    places = np.linspace(-0.2, 1.0, 121)
    apart = 1 / np.hypot(1, _lean((places - FROM) / reach))
    along = np.cumsum(apart) * (places[1] - places[0])
    return np.interp(x - lying * up, places, along).astype(np.float32)


def _lean(t):
    """How far hairs lie over, outwards over upwards, from a brow's head (0) to its tail (1)."""
    return 0.3 + 2.1 * step(0.0, 0.8, t)
