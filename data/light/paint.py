"""Paint: what colour everything is before light falls on it, and which part of the picture it is.

Everything here works on the pixels that a material covers: rest positions (P, 3) say where on the
head a pixel lies, whatever the face's shape, so a brow stays on its brow bone. Colours are linear
RGB in [0, 1].
"""

from dataclasses import replace

import numpy as np

from data.light.brows import brow_mask
from data.light.cloth import cloth_paint
from data.light.colours import HAIR, linear
from data.light.ears import ear_paint
from data.light.skin import closed_lids, face_paint, lip_paint
from data.light.texture import noise
from data.shape import lids
from data.shape.hair import beard_mask, hairline_distance, parting_share
from data.shape.head import brow_lift
from data.shape.maths import step
from data.shape.parts import PART

WARMER = np.float32([-0.02, 0.04, 0.075])  # what blood takes from the light of fair skin


def around(rest, scale):
    """Cylindrical texture places u, v (P,) of rest positions, at `scale` texels a decimetre."""
    angle = np.arctan2(rest[:, 0], rest[:, 2] - 0.3)
    return angle * 0.95 * scale, rest[:, 1] * scale


def skin_paint(rest, known, person, view, cut, decimetre=300.0):
    """Paint the body: skin, lips, brows, stubble, scalp, cloth.

    Args:
        rest: float32 (P, 3).
        known: float32 (P, 3): the region masks lips, inside of the mouth, ears.
        person, view: as drawn.
        cut: the `Cut` worn.
        decimetre: samples that one is long at the head.

    Returns:
        albedo (P, 3) linear, gloss (P,) in [0, 1], soft (P,) how much light travels under the
        surface, part uint8 (P,).
    """
    lips, inside, ears = known.T
    u, v = around(rest, 120)
    shift = person.seed % 509
    blotch, pores = noise(0, u + shift, v), noise(1, u * 1.6, v * 1.6 + shift)
    fair = 1 - float(step(0.25, 0.7, person.tone))  # blood keeps fair skin from looking like chalk
    base = linear(person.skin) * (np.float32([1, 0.985, 0.965]) - fair * WARMER)
    albedo = base * (1 + 0.035 * pores + 0.03 * blotch)[:, None]
    gloss = np.full(len(rest), 0.3 * person.complexion.shine, np.float32)
    soft = np.ones(len(rest), np.float32)
    part = _skin_part(rest, lips, inside, ears)
    part[closed_lids(rest, view)] = PART["eyes"]
    face_paint(albedo, gloss, rest, person, view)
    ear_paint(albedo, rest, ears)
    gloss *= 1 + 0.12 * pores
    lip_paint(albedo, gloss, lips, inside, rest, person, base)
    hair = _under_hair(person)
    albedo = _scalp_paint(albedo, rest, hair, cut, part, person.seed)
    gloss[part == PART["hair"]] = 0.05
    natural = linear(person.natural)
    brow = np.minimum(0.6 * natural, 0.38 * base) * (1 + 0.1 * pores)[:, None]
    fine = step(150, 400, decimetre)
    _brow_paint(albedo, gloss, part, rest, person, brow, fine, lids.closed(view.units))
    if person.beard:
        albedo = _beard_paint(albedo, rest, person, part, not cut.strands)
        gloss[part == PART["facial hair"]] = 0.05
    albedo *= (1 - 0.78 * step(0.3, 0.9, inside) * (lips < 0.3))[:, None] * np.where(
        (inside > 0.5)[:, None], np.float32([1.0, 0.62, 0.58]), 1
    )
    cloth_paint(albedo, gloss, soft, part, rest, view)
    return albedo, gloss, soft, part


def _brow_paint(albedo, gloss, part, rest, person, colour, fine, closed):
    """Lay the brows of a colour (P, 3) over the skin, in place: a shade, and strands on it as far
    as samples are `fine`, 0 to 1, enough for single hairs; eyes are `closed`, 0 to 1."""
    lifted = rest - np.float32([0, brow_lift(person.shape, closed), 0])
    hair, ground = brow_mask(lifted, person.brows, fine)
    amount = ((1 - closed * (1 - _off_the_lid(rest))) * np.maximum(0.95 * hair, 0.58 * ground))[
        :, None
    ]
    albedo += amount * (colour - albedo)
    part[(amount[:, 0] > 0.2) & (ground > 0.45 * person.brows.density) & (part == PART["skin"])] = (
        PART["brows"]
    )
    gloss *= 1 - 0.7 * amount[:, 0]


def _off_the_lid(rest):
    """0 on the upper lid and in the fold above, which opens when eyes close, 1 above it: (P,)."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    floor = 1.385 - 0.75 * np.maximum(x - 0.34, 0) - 0.3 * step(0.5, 0.56, x)
    return step(7.385, 7.415, y) * step(floor - 0.02, floor + 0.01, z)


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


def _under_hair(person):
    """The colour of hair that others cover, linear (3,): greyed as they are, and duller, since what
    makes strands pale is the gleam on those that lie on top."""
    hair = linear(person.hair_colour)
    grey = np.maximum(hair, 0.4 * hair + 0.6 * linear(HAIR["grey"]))
    hair = hair + min(1.0, person.greying) * (grey - hair)
    return hair + 0.5 * float(step(0.2, 0.02, hair.mean())) * (hair.mean() - hair)


def _scalp_paint(albedo, rest, hair, cut, part, seed):
    """Colour the scalp under the hair: dense on top, single short hairs at the border, bare along a
    parting."""
    u, v = around(rest, 120)
    if not cut.strands:
        return _shaven(albedo, rest, hair, cut, seed, u, v)
    hairs = noise(2, v * 2.1, u * 3.4)  # along the hairs that stand on it
    uneven = 0.03 + 0.05 * min(cut.recede, 0.6)
    line = hairline_distance(rest, cut.recede) + uneven * noise(0, u * 2, v * 2)
    dense = step(-0.02, 0.24 + 0.3 * min(cut.recede, 0.6), line + 0.015 * hairs)
    short = cut.length < 0.1
    amount = dense * (0.8 + 0.06 * hairs.clip(-1.5, 1.5) if short else 0.985)
    if cut.parted:
        amount = amount * (1 - 0.75 * parting_share(rest, cut))
    amount = amount * (part != PART["ears"]) * (rest[:, 1] > 6.4)
    part[(line > -0.02) & (amount > 0.3) & (part != PART["ears"])] = PART["hair"]
    # Between long hairs others are seen in their shade, which is less dark where hair is light.
    shade = 0.85 if short else 0.58 + 0.32 * step(0.02, 0.35, hair.mean())
    return albedo + amount[:, None] * (hair * shade - albedo)


def _shaven(albedo, rest, hair, cut, seed, u, v):
    """A bald head: skin stretched over the skull, and where hair still grows its shaven stubble."""
    bare = (0.0, 0.35, 1.3)[seed % 3]  # dm that hair had gone up before it was shaved
    line = hairline_distance(rest, max(cut.recede, bare)) + 0.03 * noise(0, u, v)
    grain = noise(1, u * 1.9 + 29, v * 1.9)
    amount = step(-0.05, 0.2, line) * (0.10 + 0.14 * (seed % 17) / 16) * (1 + 0.4 * grain)
    amount = np.clip(amount, 0, 1) * (rest[:, 1] > 6.4)
    return albedo + amount[:, None] * (hair * 0.9 - albedo)


def beard_colour(person):
    """The colour of the hairs of a beard, linear (3,): darker and warmer than hair, never lighter
    than the skin that it stands on."""
    hair = 0.8 * linear(person.natural) * np.float32([1.06, 0.98, 0.9])
    return np.minimum(hair, 0.62 * linear(person.skin)).astype(np.float32)


def _beard_paint(albedo, rest, person, part, bald):
    """Colour the skin under a beard, grained by the hairs that stand on it; its part is noted in
    place."""
    u, v = around(rest, 120)
    mask = beard_mask(rest, person.beard, bald)
    hair = beard_colour(person)
    mask = mask * (part != PART["lips"]) * (part != PART["inner mouth"]) * (part != PART["nose"])
    grain = noise(1, u * 1.9 + 13, v * 1.9)
    if person.beard == "stubble":
        amount, colour = mask * 0.3 * (1 + 0.35 * grain), hair
    else:
        hairs = noise(2, v * 2.4, u * 3.6)  # they point down
        amount = step(0.1, 1.0, mask + 0.08 * hairs * (mask > 0.02)) * (0.72 + 0.07 * grain)
        grey = np.minimum(linear(HAIR["grey"]), 0.7 * linear(person.skin))
        colour = 0.8 * hair + 0.4 * person.greying * np.maximum(grey - hair, 0)
        part[mask > 0.5] = PART["facial hair"]
    return albedo + np.clip(amount, 0, 1)[:, None] * (colour - albedo)


def cartoon_paint(person):
    """The same person in a cartoon's paint: fewer lines and spots, stronger brows, pure colours."""
    age = min(person.shape.age, 25 + 0.3 * (person.shape.age - 25))
    return replace(
        person,
        shape=replace(person.shape, age=age),
        skin=_purer(np.array(person.skin) * 1.04, 1.06),
        blush=min(1.0, person.blush + 0.3),
        marks=(),
        eye_colour=_purer(np.array(person.eye_colour) * 1.25, 1.4),
        hair_colour=_purer(np.array(person.hair_colour) * 1.1, 1.25),
        natural=_purer(np.array(person.natural) * 1.1, 1.25),
        brows=replace(person.brows, thickness=1.2 * person.brows.thickness),
        lines=0.5 * person.lines,
    )


def _purer(colour, factor):
    """A colour (3,), sRGB, with its distance from grey multiplied."""
    colour = np.asarray(colour, float)
    return tuple(map(float, np.clip(colour.mean() + factor * (colour - colour.mean()), 0, 255)))
