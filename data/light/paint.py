"""Paint: what colour everything is before light falls on it, and which part of the picture it is.

Everything here works on the pixels that a material covers: rest positions (P, 3) say where on the
head a pixel lies, whatever the face's shape, so a brow stays on its brow bone. Colours are linear
RGB in [0, 1].
"""

from dataclasses import replace

import numpy as np

from data.light.cloth import cloth_paint
from data.light.colours import linear
from data.light.texture import NOISE, noise
from data.shape.hair import beard_mask, hairline_distance, on_parting
from data.shape.maths import step
from data.shape.parts import PART

LIPSTICKS = (  # linear: red, rose, berry, coral, plum, brick
    (0.32, 0.02, 0.03), (0.40, 0.09, 0.13), (0.20, 0.02, 0.05),
    (0.45, 0.09, 0.07), (0.14, 0.02, 0.05), (0.24, 0.05, 0.04),
)  # fmt: skip
TEETH_COLOUR = np.float32([0.86, 0.79, 0.68])
TOOTH = 0.088  # dm, the width of one


def around(rest, scale):
    """Cylindrical texture places u, v (P,) of rest positions, at `scale` texels a decimetre."""
    angle = np.arctan2(rest[:, 0], rest[:, 2] - 0.3)
    return angle * 0.95 * scale, rest[:, 1] * scale


def brow_mask(rest, brows):
    """How much brow there is at rest positions (P, 3): float32 (P,) in [0, 1]."""
    thickness, arch, density, outer = brows
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    t = np.clip((x - 0.10) / 0.50, 0, 1)
    centre = 7.499 + 0.026 * arch * np.sin(np.pi * np.clip(t * 0.85, 0, 1)) + (outer - 0.045) * t**2
    half = 0.046 * thickness * (1 - 0.62 * t**1.6) * (0.5 + 0.5 * step(0, 0.25, t))
    off = (y - centre) / half
    hairs = noise(2, (x + 0.6 * y) * 260, (y - 0.45 * x) * 420)  # hairs point up and out
    body = step(1.3, 0.5, np.abs(off) + 0.25 * hairs)
    ends = step(0.06, 0.16, x + 0.012 * hairs) * step(0.64, 0.50, x + 0.012 * hairs)
    return (body * ends * density * (z > 0.7)).astype(np.float32)


def skin_paint(rest, known, person, view, cut):
    """Paint the body: skin, lips, brows, stubble, scalp, cloth.

    Args:
        rest: float32 (P, 3).
        known: float32 (P, 3): the region masks lips, inside of the mouth, ears.
        person, view: as drawn.
        cut: the `Cut` worn.

    Returns:
        albedo (P, 3) linear, gloss (P,) in [0, 1], soft (P,) how much light travels under the
        surface, part uint8 (P,).
    """
    lips, inside, ears = known[:, 0], known[:, 1], known[:, 2]
    x, z = rest[:, 0], rest[:, 2]
    u, v = around(rest, 120)
    shift = person.seed % 509
    blotch, pores = noise(0, u + shift, v), noise(1, u * 1.6, v * 1.6 + shift)
    base = linear(person.skin) * np.float32([1, 0.975, 0.94])
    albedo = base * (1 + 0.04 * pores[:, None] + blotch[:, None] * np.float32([0.03, 0.055, 0.06]))
    own = noise(0, np.abs(x) * 150 + shift, v * 1.25 + person.seed % 383)  # alike on both sides
    albedo = albedo * np.exp((-0.05 * own * (z > 0.5))[:, None] * np.float32([0.8, 1.0, 1.15]))
    albedo = albedo * _blush(rest, person, blotch)
    albedo = _age_lines(albedo, rest, person)
    albedo = _freckles(albedo, rest, person, u, v)
    gloss = 0.5 + 0.25 * np.exp(-((x / 0.25) ** 2)) * (z > 1) + 0.06 * pores
    soft = np.ones(len(rest), np.float32)
    part = _skin_part(rest, lips, inside, ears)
    albedo, gloss = _lip_paint(albedo, gloss, lips, person, base, rest)
    hair = linear(person.hair_colour)
    albedo = _scalp_paint(albedo, rest, hair, cut, part, person.seed)
    gloss[part == PART["hair"]] = 0.05
    mask = brow_mask(rest, person.brows)
    natural = linear(person.natural)
    brow = natural * (0.62 + 0.1 * pores)[:, None]
    albedo += (mask * 0.92)[:, None] * (brow - albedo)
    part[(mask > 0.45) & (part == PART["skin"])] = PART["brows"]
    gloss *= 1 - 0.7 * mask
    if person.beard:
        albedo = _beard_paint(albedo, rest, person, natural, part)
        gloss[part == PART["facial hair"]] = 0.05
    albedo *= (1 - 0.78 * step(0.3, 0.9, inside) * (lips < 0.3))[:, None] * np.where(
        (inside > 0.5)[:, None], np.float32([1.0, 0.62, 0.58]), 1
    )
    cloth_paint(albedo, gloss, soft, part, rest, view)
    return albedo, gloss, soft, part


def _blush(rest, person, blotch):
    """Redder cheeks, nose, ears and chin; darker round the eyes: a factor (P, 3)."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    cheek = np.exp(-(((x - 0.42) / 0.2) ** 2) - ((y - 6.98) / 0.17) ** 2) * (z > 0.7)
    nose = np.exp(-((x / 0.16) ** 2) - ((y - 6.9) / 0.13) ** 2) * (z > 1.4)
    ear = np.exp(-(((x - 0.8) / 0.12) ** 2) - ((y - 7.1) / 0.3) ** 2) * (z < 0.8)
    red = person.blush * (0.7 * cheek + 0.75 * nose + 0.6 * ear) * (1 + 0.2 * blotch)
    eye = np.exp(-(((x - 0.32) / 0.17) ** 2) - ((y - 7.26) / 0.1) ** 2) * (z > 1)
    dark = eye * (0.08 + 0.22 * person.shadows + 0.10 * step(40, 80, person.shape.age))
    nostril = np.exp(
        -((((x - 0.078) / 0.036) ** 2 + ((y - 6.828 - 0.25 * (x - 0.078)) / 0.02) ** 2) ** 2)
    ) * (z > 1.4)
    fold = 7.378 - 0.062 * ((x - 0.325) / 0.17) ** 2
    crease = np.exp(-(((y - fold) / 0.011) ** 2)) * step(0.155, 0.2, x) * step(0.5, 0.44, x)
    crease = crease * (z > 1.1) * (0.42 - 0.36 * person.shape.origin[1])
    reach = np.sqrt((x - 0.308) ** 2 + (y - 7.284) ** 2 + (z - 1.245) ** 2)
    woman, upper = person.noun == "woman", step(7.265, 7.30, y)
    lashes = step(0.193, 0.176, reach) * upper * (0.85 if woman else 0.6)
    shadow = (
        step(0.23, 0.185, reach) * upper * 0.35 * person.lipstick
    )  # who paints lips paints lids
    lid = 1 - np.maximum(lashes, shadow)
    dark = np.maximum(dark, np.maximum(0.72 * nostril, crease))
    return (1 - red[:, None] * np.float32([0.03, 0.17, 0.15])) * (
        lid[:, None] * (1 - dark[:, None] * np.float32([0.8, 1.0, 0.97]))
    )


def _age_lines(albedo, rest, person):
    """Lines of age on the forehead, beside the eyes and beside the mouth, painted as fine dark
    folds."""
    old = float(step(28, 74, person.shape.age)) * person.lines
    if old == 0:
        return albedo
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    wander = noise(0, x * 60 + person.seed % 97, y * 30)
    wave = np.cos((y - 7.62 + 0.02 * wander) * 2 * np.pi / 0.095)
    forehead = (
        step(0.55, 0.98, wave)
        * step(7.56, 7.62, y)
        * step(7.92, 7.84, y)
        * step(0.5, 0.3, x)
        * (z > 0.9)
    )
    fold = 0.265 + 0.10 * (6.9 - y) / 0.3
    laugh = (
        np.exp(-(((x - fold - 0.01 * wander) / 0.018) ** 2))
        * step(6.5, 6.6, y)
        * step(6.95, 6.85, y)
        * (z > 1)
    )
    crow = (
        step(0.7, 1, np.cos((y - 7.28) / (x - 0.40 + 0.05) * 9))
        * step(0.51, 0.55, x)
        * step(0.68, 0.6, x)
        * (np.abs(y - 7.27) < 0.13)
        * (z > 0.7)
    )
    return albedo * (
        1
        - old * np.float32([0.8, 1, 1.05]) * (0.22 * forehead + 0.3 * laugh + 0.26 * crow)[:, None]
    )


def _freckles(albedo, rest, person, u, v):
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    if person.freckles > 0.08:
        where = np.exp(-(((y - 7.05) / 0.22) ** 2)) * step(0.7, 0.4, x) * (z > 0.7)
        spots = (
            step(1.1, 2.0, noise(1, u * 0.55 + 31, v * 0.55))
            * where
            * min(1.0, 1.6 * person.freckles)
        )
        albedo = albedo * (1 - spots[:, None] * np.float32([0.22, 0.36, 0.45]))
    spotted = 0.2 * float(step(48, 82, person.shape.age)) * person.lines
    if spotted:
        spots = step(1.0, 1.9, noise(1, u * 0.3 + person.seed % 97, v * 0.3)) * (z > 0.5)
        albedo = albedo * (1 - spotted * spots[:, None] * np.float32([0.6, 0.9, 1.0]))
    for mx, my in person.marks:
        near = np.exp(-((((rest[:, 0] - mx) ** 2 + (y - my) ** 2) / 0.016**2) ** 2)) * (z > 0.8)
        albedo = albedo * (1 - 0.6 * near)[:, None]
    return albedo


def _skin_part(rest, lips, inside, ears):
    """Which part bare skin belongs to: uint8 (P,)."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    part = np.full(len(rest), PART["skin"], np.uint8)
    part[y + 0.45 * np.clip(z - 0.3, 0, 1.2) < 6.52] = PART["neck"]
    wing = 0.07 + 0.13 * np.clip((7.3 - y) / 0.4, 0, 1)
    part[(x < wing) & (y > 6.79) & (y < 7.34) & (z > 1.36)] = PART["nose"]
    part[ears > 0.5] = PART["ears"]
    part[lips > 0.4] = PART["lips"]
    part[(inside > 0.6) & (lips <= 0.4) & (y < 6.76) & (z < 1.56)] = PART["inner mouth"]
    return part


def _lip_paint(albedo, gloss, lips, person, base, rest):
    natural = base * np.float32([0.80, 0.50, 0.50]) + np.float32([0.012, 0.0, 0.003])
    stick = np.float32(LIPSTICKS[person.seed % len(LIPSTICKS)]) * (0.35 + 0.75 * base[:1])
    colour = natural + 0.75 * person.lipstick * (stick - natural)
    lines = noise(2, rest[:, 1] * 240, rest[:, 0] * 300)
    amount = step(0.12, 0.75, lips) * (0.72 + 0.2 * person.lipstick)
    albedo = albedo + amount[:, None] * (colour * (1 + 0.06 * lines)[:, None] - albedo)
    return albedo, gloss + amount * 0.3


def _scalp_paint(albedo, rest, hair, cut, part, seed):
    """Colour the scalp under the hair: dense on top, single short hairs at the border, bare along a
    parting."""
    u, v = around(rest, 120)
    if not cut.strands:
        return _shaven(albedo, rest, hair, cut, seed, u, v)
    hairs = noise(2, v * 2.1, u * 3.4)  # along the hairs that stand on it
    line = hairline_distance(rest, cut.recede) + 0.03 * noise(0, u * 2, v * 2)
    dense = step(-0.07, 0.15, line + 0.04 * hairs)
    short = cut.length < 0.1
    amount = dense * (0.8 + 0.06 * hairs.clip(-1.5, 1.5) if short else 0.93)
    if cut.parted:
        amount = amount * (1 - 0.7 * on_parting(rest, cut))
    amount = amount * (part != PART["ears"]) * (rest[:, 1] > 6.4)
    part[(line > -0.02) & (amount > 0.3) & (part != PART["ears"])] = PART["hair"]
    shade = 0.85 if short else 0.55
    return albedo + amount[:, None] * (hair * shade - albedo)


def _shaven(albedo, rest, hair, cut, seed, u, v):
    """A bald head: skin stretched over the skull, and where hair still grows its shaven stubble."""
    bare = (0.0, 0.35, 1.3)[seed % 3]  # dm that hair had gone up before it was shaved
    line = hairline_distance(rest, max(cut.recede, bare)) + 0.03 * noise(0, u, v)
    grain = noise(1, u * 1.9 + 29, v * 1.9)
    amount = step(-0.05, 0.2, line) * (0.10 + 0.14 * (seed % 17) / 16) * (1 + 0.4 * grain)
    amount = np.clip(amount, 0, 1) * (rest[:, 1] > 6.4)
    return albedo + amount[:, None] * (hair * 0.9 - albedo)


def _beard_paint(albedo, rest, person, hair, part):
    """Colour the skin under a beard, grained by the hairs that stand on it; its part is noted in
    place."""
    u, v = around(rest, 120)
    mask = beard_mask(rest, person.beard)
    mask = mask * (part != PART["lips"]) * (part != PART["inner mouth"]) * (part != PART["nose"])
    grain = noise(1, u * 1.9 + 13, v * 1.9)
    if person.beard == "stubble":
        amount, colour = mask * 0.25 * (1 + 0.35 * grain), 0.85 * hair
    else:
        hairs = noise(2, v * 2.4, u * 3.6)  # they point down
        amount = step(0.05, 0.7, mask + 0.05 * hairs * (mask > 0.02)) * (0.8 + 0.06 * grain)
        colour = 0.7 * hair
        part[mask > 0.5] = PART["facial hair"]
    return albedo + np.clip(amount, 0, 1)[:, None] * (colour - albedo)


def teeth_paint(rest):
    """Paint teeth, darker towards the back and where one meets the next: albedo (P, 3)."""
    x, z = np.abs(rest[:, 0]), rest[:, 2]
    between = np.abs(np.mod(x / TOOTH + 0.5, 1) - 0.5) * TOOTH
    gap = 0.45 * np.exp(-((between / 0.006) ** 2))
    return TEETH_COLOUR * ((1 - gap) * (0.45 + 0.55 * step(1.15, 1.42, z)))[:, None]


def eye_paint(local, person):
    """Paint an eyeball.

    Args:
        local: float32 (P, 3), unit directions in the eye's own frame, z along the gaze.
        person: a `Person`.

    Returns:
        albedo (P, 3), cornea (P,) 1 where the surface is the wet dome over the iris.
    """
    angle = np.degrees(np.arccos(np.clip(local[:, 2], -1, 1)))
    turn = np.arctan2(local[:, 1], local[:, 0])
    iris = linear(person.eye_colour)
    spokes = 0.2 * noise(2, angle * 9, (turn / (2 * np.pi)) * NOISE)
    ring = np.exp(-(((angle - 13.5) / 4.0) ** 2))
    lower = 1 - 0.35 * local[:, 1] / np.sin(np.radians(25))  # light gathers opposite the window
    colour = (
        iris
        * ((1.25 + spokes + 0.4 * ring) * lower)[:, None]
        * (1 - 0.7 * step(20.5, 25.5, angle))[:, None]
    )
    white = np.float32([0.66, 0.61, 0.575]) * (1 - 0.25 * step(35, 75, angle))[:, None]
    white = white * (1 - step(30, 80, angle)[:, None] * np.float32([0.02, 0.16, 0.14]))
    albedo = white + step(27.5, 25, angle)[:, None] * (colour - white)
    albedo = albedo * (1 - 0.985 * step(11.2, 9.6, angle))[:, None]
    return albedo.astype(np.float32), step(32, 24, angle)


def cartoon_paint(person):
    """The same person in a cartoon's paint: fewer lines and spots, stronger brows, pure colours."""
    age = min(person.shape.age, 25 + 0.3 * (person.shape.age - 25))
    thickness, arch, density, outer = person.brows
    return replace(
        person,
        shape=replace(person.shape, age=age),
        skin=_purer(np.array(person.skin) * 1.04, 1.06),
        blush=min(1.0, person.blush + 0.3),
        marks=(),
        eye_colour=_purer(np.array(person.eye_colour) * 1.25, 1.4),
        hair_colour=_purer(np.array(person.hair_colour) * 1.1, 1.25),
        natural=_purer(np.array(person.natural) * 1.1, 1.25),
        brows=(thickness * 1.2, arch, density, outer),
        lines=0.5 * person.lines,
    )


def _purer(colour, factor):
    """A colour (3,), sRGB, with its distance from grey multiplied."""
    colour = np.asarray(colour, float)
    return tuple(map(float, np.clip(colour.mean() + factor * (colour - colour.mean()), 0, 255)))
