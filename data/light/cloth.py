"""The paint of garments: cloth with folds, a pattern, a hem or lapels, and what is worn under a
jacket."""

import numpy as np

from data.light.colours import CLOTHES, linear
from data.light.texture import noise
from data.shape.clothes import depth_below_neckline
from data.shape.maths import step
from data.shape.parts import PART

# What each garment may be made of; plain cloth is the most common.
PATTERNS = {
    "T-shirt": ("plain", "plain", "plain", "stripes", "print"),
    "V-neck top": ("plain", "plain", "knit", "knit", "print"),
    "polo neck": ("plain", "knit", "knit", "ribs"),
    "shirt": ("plain", "plain", "pinstripes", "checks"),
    "jacket": ("plain", "plain", "plain", "tweed"),
}
# After how many decimetres of cloth each pattern repeats itself, at the least.
REPEATS = {
    "stripes": 0.22,
    "pinstripes": 0.13,
    "checks": 0.2,
    "print": 0.2,
    "knit": 0.06,
    "ribs": 0.075,
    "tweed": 0.06,
}
UNDER_JACKET = ("white", "white", "light blue", "grey", "black")


def pattern_of(view):
    """The pattern of the garment of a `data.people.view.View`: one of those in `PATTERNS`."""
    choices = PATTERNS[view.garment]
    return choices[view.seed // 251 % len(choices)]


def cloth_paint(albedo, gloss, soft, part, rest, view):
    """Lay the garment over the skin, in place.

    Args:
        albedo: float32 (P, 3), linear; `gloss`, `soft` (P,) as in `data.light.paint.skin_paint`.
        part: uint8 (P,).
        rest: float32 (P, 3), rest positions.
        view: a `data.people.view.View`.
    """
    depth = depth_below_neckline(rest, view.garment)
    low = rest[:, 1] < 6.2
    on = (depth > 0) & low
    if view.garment == "jacket":
        under = (depth_below_neckline(rest, "T-shirt") > 0) & low & ~on
        name = UNDER_JACKET[view.seed // 7 % len(UNDER_JACKET)]
        x, y = rest[under, 0], rest[under, 1]
        near = np.clip(-depth[under] / 0.05, 0, 1)  # the jacket's shadow falls on it
        shade = (1 + 0.06 * noise(0, x * 90, y * 40)) * (0.6 + 0.4 * near)
        albedo[under] = linear(CLOTHES[name]) * shade[:, None]
        gloss[under], soft[under], part[under] = 0.12, 0, PART["clothes"]
    rest, depth = rest[on], depth[on]
    shade = folds(rest, view.seed) * _trim(view.garment, rest[:, 0], depth)
    albedo[on] = patterned(linear(view.cloth_colour), rest, pattern_of(view), view.seed)
    albedo[on] *= shade[:, None]
    gloss[on], soft[on], part[on] = 0.12, 0, PART["clothes"]


def folds(rest, seed):
    """How folds shade cloth at rest positions (P, 3): a factor (P,)."""
    x, y = rest[:, 0], rest[:, 1]
    broad = noise(0, x * 60 + seed % 251, y * 26)
    drawn = np.abs(x) + 0.9 * y  # from the shoulders down to the breast
    fine = noise(2, (np.abs(x) - 0.7 * y) * 26 + seed % 127, drawn * 30 * np.where(x < 0, 1, 1.07))
    return 1 + 0.06 * broad + 0.05 * fine + 0.02 * noise(1, x * 200, y * 200)


def patterned(colour, rest, pattern, seed):
    """The colour (3,), linear, of cloth with its pattern at rest positions (P, 3): (P, 3)."""
    x, y = rest[:, 0], rest[:, 1]
    grey = float(colour.mean())
    other = colour * 0.35 if grey > 0.25 else 0.45 * colour + 0.4  # what stands out on it
    amount = _PATTERNS[pattern](x, y, seed)
    if pattern in ("knit", "ribs", "tweed"):
        return colour * (1 + amount)[:, None]
    return colour + amount[:, None] * (other - colour)


def _stripes(x, y, seed):
    return step(0.1, 0.3, np.cos(2 * np.pi * (y + 0.03 * x**2) / (0.22 + 0.02 * (seed % 7)))) * 0.9


def _pinstripes(x, y, seed):
    return 0.6 * step(0.72, 0.92, np.cos(2 * np.pi * x / 0.13))


def _checks(x, y, seed):
    wide = 0.2 + 0.02 * (seed % 6)
    bands = [step(0.2, 0.4, np.cos(2 * np.pi * along / wide)) for along in (x, y)]
    return 0.36 * (bands[0] + bands[1])


def _print(x, y, seed):
    return step(0.7, 0.95, noise(0, x * 190 + seed % 401, y * 190)) * 0.8


def _knit(x, y, seed):
    across = np.mod(x / 0.06, 1) - 0.5
    stitches = np.cos(2 * np.pi * (y / 0.045 + 0.8 * np.abs(across)))  # each leans to its middle
    return 0.09 * np.cos(2 * np.pi * across) + 0.06 * stitches


def _ribs(x, y, seed):
    return 0.2 * np.cos(2 * np.pi * np.arcsin(np.clip(x, -1, 1)) / 0.075)


def _tweed(x, y, seed):
    slant = np.abs(np.mod(x, 0.16) - 0.08)
    return 0.12 * np.cos(2 * np.pi * (y + slant) / 0.06) + 0.09 * noise(1, x * 150, y * 150)


def _plain(x, y, seed):
    return np.zeros(len(x), np.float32)


_PATTERNS = {
    "plain": _plain,
    "stripes": _stripes,
    "pinstripes": _pinstripes,
    "checks": _checks,
    "print": _print,
    "knit": _knit,
    "ribs": _ribs,
    "tweed": _tweed,
}


def _trim(garment, x, depth):
    """What is sewn on cloth: a hem, a lapel's edge with its shadow, the strip under buttons: a
    factor (P,)."""
    x = np.abs(x)
    if garment in ("T-shirt", "V-neck top"):
        return 1 - 0.2 * np.exp(-(((depth - 0.07) / 0.012) ** 2))
    if garment == "polo neck":
        return 1 - 0.22 * np.exp(-(((depth - 0.24) / 0.02) ** 2))
    placket = 1 - 0.2 * np.exp(-(((x - 0.055) / 0.008) ** 2))
    if garment == "shirt":
        return placket  # its collar is a mesh of its own
    edge = 0.26 + 0.12 * step(0.2, 0.5, x)
    inside = step(edge + 0.008, edge - 0.008, depth)
    shadow = np.exp(-np.clip(depth - edge, 0, 1) / 0.035) * (1 - inside)
    return (0.97 + 0.09 * inside) * (1 - 0.33 * shadow) * (1 + (placket - 1) * (1 - inside))
