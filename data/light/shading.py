"""Light: what colour each pixel takes from its paint, its normal and the lamps.

All colours are linear RGB. A `Surface` holds, for the P pixels that something covers, where they
are and how much light can reach them; the functions here turn it and the paint of
`data.light.paint` into colour.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from data.light.colours import HAIR, JEWELS, linear
from data.light.eyes import covered, eye_light
from data.light.paint import around, beard_colour, skin_paint
from data.light.skin import teeth_paint
from data.light.texture import noise
from data.light.worn_paint import glasses_paint, hat_paint, scarf_paint
from data.shape import scene as sc
from data.shape.hats import BRIMS
from data.shape.maths import look_up, step, unit
from data.shape.parts import PART

TONGUE_COLOUR, LASH_COLOUR = (0.30, 0.10, 0.09), (0.012, 0.01, 0.009)
# How far red, green and blue light travel under the skin, in decimetres: red the farthest.
UNDER_SKIN = (0.055, 0.026, 0.016)
ONE_SURFACE = (
    0.1  # dm that a surface may lie before or behind its neighbourhood, which it is part of
)
# Creases: how wide a neighbourhood is looked at (dm), and how much one that lies nearer darkens.
CREASES = ((0.07, 3.2), (0.22, 1.3))
FROM_LIPS = np.float32([1.0, 0.91, 0.84])  # what lips and gums make of light on its way to teeth
OUTLINE = 0.05  # dm from the outline in which light from behind is seen
FINE = 60.0  # samples a decimetre from which pores are seen
FIBRES = 500.0  # rows of the noise texture over which strands are spread
JAW_SHADE = 0.34  # share of the light on the neck that the jaw takes
AROUND_HAIR = 0.014  # share of the light from all round that hair reflects uncoloured
GLEAM_REACH = 0.035  # dm over which hair gleams together
COMB_REACH = 0.022  # dm along a strand over which its colour is averaged, each way


def light_direction(light):
    """Unit vector float32 (3,) from the head to the key light."""
    a, e = np.radians([light.azimuth, light.elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)


@dataclass(frozen=True, eq=False)
class Surface:
    """What is known of the P pixels that something covers.

    Attributes:
        hit: bool (H, W), which pixels they are.
        material: uint8 (P,), a material of `data.shape.scene`.
        values: float32 (P, COLUMNS), what the vertices knew.
        normal, toward_eye: float32 (P, 3), unit vectors.
        lit: float32 (P,), how much of the key light arrives.
        open: float32 (P,), how much of the surrounding light arrives.
        decimetre: pixels that one is long at the head.
    """

    hit: np.ndarray
    material: np.ndarray
    values: np.ndarray
    normal: np.ndarray
    toward_eye: np.ndarray
    lit: np.ndarray
    open: np.ndarray
    decimetre: float

    def only(self, chosen):
        """The same of some pixels: `chosen` is bool (P,)."""
        hit = self.hit.copy()
        hit[hit] = chosen
        names = ("material", "values", "normal", "toward_eye", "lit", "open")
        return replace(self, hit=hit, **{name: getattr(self, name)[chosen] for name in names})


def make_surface(scene, triangle, hit, depth, values, lit, eye, decimetre):
    """Gather a `Surface` from what the rasteriser saw; `eye` is where the camera is."""
    material = scene.material[triangle]
    normal, toward_eye = unit(values[:, sc.NORMAL]), unit(eye - values[:, sc.POSITION])
    if decimetre > FINE:
        skin = material == sc.SKIN
        normal[skin] = _roughen(normal[skin], values[skin, sc.REST])
    away = (_dot(normal, toward_eye) < 0) & ~is_strand(material)
    normal[away] *= -1  # the inside of something: seen from behind
    return Surface(
        hit=hit,
        material=material,
        values=values,
        normal=normal,
        toward_eye=toward_eye,
        lit=lit,
        open=_openness(hit, depth, decimetre),
        decimetre=decimetre,
    )


def _roughen(normal, rest):
    """Perturb normals (P, 3) as pores and fine folds do.

    Reference: Blinn 1978, simulation of wrinkled surfaces.
    """
    u, v = around(rest, 230)
    fine = np.stack([noise(1, u, v), noise(1, u + 200, v + 100), noise(0, 2 * u, 2 * v)], 1)
    return unit(normal + fine * np.float32([0.035, 0.035, 0.02]))


def _dot(a, b):
    """Products of vectors (P, 3) with others, or with one (3,): (P,)."""
    return a @ b if b.ndim == 1 else np.einsum("pc,pc->p", a, b)


def is_strand(material):
    """bool: which materials are strands of hair."""
    return (material == sc.HAIR) | (material == sc.BEARD)


def shade(surface, scene, person, view):
    """Paint and light the pixels.

    Args:
        surface: a `Surface`.
        scene: the `data.shape.scene.Scene` it shows.
        person, view: a `data.people` `Person` and `View`.

    Returns:
        colour float32 (P, 3), linear, and part uint8 (P,).
    """
    material, lamps = surface.material, Lamps(view.light)
    albedo, gloss, soft, part = _paint(surface, scene, person, view)
    strand = is_strand(material)
    # Light comes through between strands, to those below and to the scalp.
    hairy = strand | (part == PART["hair"])
    surface = replace(
        surface,
        open=np.where(hairy, 0.4 + 0.6 * surface.open, surface.open),
        lit=np.where(hairy & ~strand, 0.4 + 0.6 * surface.lit, surface.lit),
    )
    wrap = np.where(soft > 0, 0.28, np.where(strand, 0.35, 0.08)).astype(np.float32)
    diffuse = lamps.diffuse(surface, wrap)
    if view.glasses:
        diffuse *= _beside_frames(surface, lamps)[:, None]
    if view.hat in BRIMS:
        diffuse *= _under_brim(surface)[:, None]
    diffuse *= _under_jaw(surface)[:, None]
    diffuse = _under_the_skin(diffuse, soft, surface)
    colour = albedo * diffuse + (0.012 + 0.085 * gloss)[:, None] * lamps.shine(
        surface, 14 + 26 * gloss
    )
    under = (part == PART["hair"]) & ~strand
    if under.any():
        # what hairs too short to be strands reflect of the light from all round
        colour[under] += 2 * AROUND_HAIR * surface.open[under, None] * lamps.around
    _add_outline(colour, surface, lamps)
    mouth = (material == sc.TEETH) | (material == sc.TONGUE)
    if mouth.any():
        colour[mouth] = _mouth_light(surface, albedo[mouth], diffuse, mouth, lamps)
    eye = material == sc.EYE
    if eye.any():
        colour[eye] = eye_light(surface, diffuse, scene, person, lamps)
    if strand.any():
        colour[strand] = _hair_light(surface.only(strand), diffuse[strand], person, lamps)
    return colour, part


def _beside_frames(surface, lamps):
    """The share of light (P,) that frames of glasses leave: a soft shadow on the skin below them
    and away from the key."""
    frames, dm = surface.material == sc.GLASSES, surface.decimetre
    mask = np.zeros(surface.hit.shape, np.float32)
    mask[surface.hit] = frames
    across, up = lamps.key_from[:2]
    move = np.float32([[1, 0, -0.07 * across * dm], [0, 1, (0.02 + 0.07 * max(up, 0.2)) * dm]])
    moved = cv2.warpAffine(mask, move, mask.shape[::-1])
    moved = cv2.GaussianBlur(moved, (0, 0), max(0.5, 0.02 * dm))[surface.hit]
    return 1 - 0.5 * moved * (surface.material == sc.SKIN)


def _under_brim(surface):
    """The share of light (P,) that a brim leaves on the face, the least on the forehead."""
    y, z = surface.values[:, sc.REST][:, 1:].T
    shade = 0.42 * step(7.05, 7.65, y) * step(0.3, 1.0, z)
    return 1 - shade * (surface.material == sc.SKIN)


def _under_jaw(surface):
    """The share of light (P,) that the jaw leaves on the neck, the least close below it."""
    y, z = surface.values[:, sc.REST][:, 1:].T
    below = y + 0.45 * np.clip(z - 0.3, 0, 1.2)
    shade = JAW_SHADE * step(6.56, 6.42, below) * step(5.7, 6.3, below) * step(-0.3, 0.3, z)
    return 1 - shade * (surface.material == sc.SKIN)


def _paint(surface, scene, person, view):
    """Paint and part of all pixels: albedo (P, 3), gloss (P,), soft (P,), part uint8 (P,)."""
    material, count = surface.material, len(surface.material)
    albedo, part = np.zeros((count, 3), np.float32), np.zeros(count, np.uint8)
    gloss, soft = np.zeros(count, np.float32), np.zeros(count, np.float32)
    body = material == sc.SKIN
    albedo[body], gloss[body], soft[body], part[body] = skin_paint(
        surface.values[body, sc.REST],
        surface.values[body, sc.KNOWN],
        person,
        view,
        scene.cut,
        surface.decimetre,
    )
    plain = {
        sc.TEETH: (TONGUE_COLOUR, "inner mouth"),
        sc.TONGUE: (TONGUE_COLOUR, "inner mouth"),
        sc.EYE: (LASH_COLOUR, "eyes"),
        sc.HAIR: (LASH_COLOUR, "hair"),
        sc.BEARD: (LASH_COLOUR, "facial hair"),
    }
    for kind, (colour, name) in plain.items():
        albedo[material == kind], part[material == kind] = colour, PART[name]
    teeth = material == sc.TEETH
    albedo[teeth] = teeth_paint(surface.values[teeth, sc.REST], person)
    _paint_worn(albedo, gloss, part, surface, person, view)
    return albedo, gloss, soft, part


def _paint_worn(albedo, gloss, part, surface, person, view):
    """Paint glasses, hats, jewels, scarves and collars, in place."""
    material, rest, known = (
        surface.material,
        surface.values[:, sc.REST],
        surface.values[:, sc.KNOWN],
    )
    worn = material == sc.GLASSES
    if worn.any():
        albedo[worn], gloss[worn] = glasses_paint(rest[worn], known[worn], person)
        part[worn] = PART["glasses"]
    worn = material == sc.HAT
    if worn.any():
        albedo[worn], gloss[worn] = hat_paint(rest[worn], known[worn], view)
        part[worn] = PART["hat"]
    jewel, scarf = material == sc.JEWEL, (material == sc.SCARF) | (material == sc.COLLAR)
    if jewel.any():
        albedo[jewel], gloss[jewel] = linear(JEWELS[person.jewel]), 1.0
        part[jewel] = PART["ears"]
    if scarf.any():
        albedo[scarf] = scarf_paint(known[scarf], view)
        gloss[scarf], part[scarf] = 0.1, PART["clothes"]


class Lamps:
    """The lamps of a view: a key, a fill from the other side, a rim from behind, light from all
    round."""

    def __init__(self, light):
        self.key, self.fill, self.rim_light, self.sky, self.ground = (
            np.float32(c) for c in (light.key, light.fill, light.rim, light.sky, light.ground)
        )
        self.softness = light.softness
        self.around = 0.5 * (self.sky + self.ground) + 0.15 * (self.key + self.fill)
        side = -np.sign(light.azimuth) or 1.0
        self.key_from = light_direction(light)
        self.fill_from, self.rim_from = unit(
            np.array([[0.75 * side, 0.15, 0.9], [0.9 * side, 0.35, -0.75]], np.float32)
        )

    def diffuse(self, surface, wrap):
        """Light that falls on a surface: (P, 3). `wrap` lets it reach round the edge of the
        shadow."""
        normal, wrap = surface.normal, wrap * (0.5 + self.softness)
        key = np.clip((normal @ self.key_from + wrap) / (1 + wrap), 0, 1)
        # Clefts that the shadow map is too coarse for shade the key as well.
        key *= surface.lit * (0.55 + 0.45 * surface.open)
        fill = np.clip((normal @ self.fill_from + 0.5) / 1.5, 0, 1) * (0.4 + 0.6 * surface.open)
        above = (0.5 + 0.5 * normal[:, 1:2]) * surface.open[:, None]
        below = (0.5 - 0.5 * normal[:, 1:2]) * surface.open[:, None]
        around = above * self.sky + below * self.ground
        return key[:, None] * self.key + fill[:, None] * self.fill + around

    def shine(self, surface, power):
        """Reflected key and fill: (P, 3). Reference: Blinn 1977, normalised roughly for energy."""
        strength = (power + 8) / 22
        key = _gleam(surface, self.key_from, power) * strength * surface.lit
        fill = _gleam(surface, self.fill_from, power) * strength * surface.open
        return key[:, None] * self.key + fill[:, None] * self.fill

    def rim(self, normal):
        """Light from behind: (P, 3)."""
        behind = np.clip(normal @ self.rim_from + 0.3, 0, 1)[:, None]
        return 4 * behind * self.rim_light + 0.25 * self.sky


def _gleam(surface, light_from, power):
    half = unit(surface.toward_eye + light_from)
    return np.clip(_dot(surface.normal, half), 0, 1) ** power


def _mouth_light(surface, albedo, diffuse, mouth, lamps):
    """Light on teeth and tongue (M, 3): in the shade of the upper lip and of the cheeks, wet."""
    dm = surface.decimetre
    shade = 1 - 0.24 * covered(surface, mouth, 0.03 * dm, 0.02 * dm)
    shade *= 1 - 0.2 * covered(surface, mouth, 0, 0.02 * dm)
    level = diffuse[mouth] / np.maximum(surface.open[mouth, None], 0.4)
    light = (0.4 * level + 0.6 * level.mean(0)) * FROM_LIPS
    gleam = _gleam(surface.only(mouth), lamps.key_from, 60)[:, None] * lamps.key
    return (albedo * light + 0.12 * gleam) * shade[:, None]


def _hair_light(surface, diffuse, person, lamps):
    """Light on hair: the mass is lit like cloth, strands gleam across their length: (P, 3).

    Reference: Kajiya and Kay 1989, eq. 14 for the gleam; Marschner et al. 2003 for its two bands,
    the nearer to the root in the lamp's colour, the other in the hair's.
    """
    across, along, tint = surface.values[:, sc.KNOWN].T
    tangent, outward = unit(surface.values[:, sc.REST]), surface.normal
    fibre = noise(2, along * 60, across * 7 + tint * FIBRES)
    base = _hair_colour(surface, person, tint, fibre)
    tone = (0.72 + 0.42 * tint) * (1 + 0.12 * fibre) * (0.7 + 0.3 * step(0, 0.3, along))
    albedo = base * tone[:, None]
    half = unit(surface.toward_eye + lamps.key_from)
    facing = np.clip(_dot(outward, half) + 0.1, 0, 1) * surface.lit * (0.4 + 0.6 * surface.open)
    lean = _dot(tangent, half)
    nearer, farther = (
        np.exp(-(((lean + shift) / width) ** 2)) * facing
        for shift, width in ((0.06 + 0.05 * fibre, 0.13), (-0.10 + 0.05 * fibre, 0.30))
    )
    nearer, farther = _spread_over(surface, np.stack([nearer, farther], 1)).T
    streaks = (0.75 + 0.35 * fibre.clip(-1, 1))[:, None]
    pale = 1 - 0.6 * step(0.1, 0.6, base.mean(1))  # light hair has no more light to give back
    pale *= np.where(surface.material == sc.BEARD, 0.4, 1)  # short hairs hold no band
    gleam = 0.075 * nearer[:, None] + (0.55 * nearer + 0.95 * farther)[:, None] * base
    gleam *= pale[:, None]
    edge = np.clip(1 - np.abs(_dot(outward, surface.toward_eye)), 0, 1) ** 2
    sheen = 0.035 * step(0.1, 0.9, outward[:, 1]) * surface.open * pale
    colour = 0.94 * albedo * diffuse + gleam * streaks * lamps.key + sheen[:, None] * lamps.sky
    # Each hair reflects its surroundings, in shade as well: black hair is never flat black.
    colour += (AROUND_HAIR * pale * (0.6 + tint) * surface.open)[:, None] * streaks * lamps.around
    colour += (0.18 * edge)[:, None] * (albedo + 0.006) * lamps.rim(outward)
    return _comb_light(surface, colour, tangent)


def _hair_colour(surface, person, tint, fibre):
    """The colour of each hair: (P, 3), linear. Hairs that have lost their colour lie among the
    others and are finer than a pixel, so that they lighten a lock rather than draw lines."""
    beard = (surface.material == sc.BEARD)[:, None]
    base = np.where(beard, beard_colour(person), linear(person.hair_colour))
    if not person.greying:
        return base
    lock = np.mod(tint * 389, 1)
    lost = person.greying * (1 + 0.45 * fibre.clip(-1.5, 1.5) + 0.5 * (lock - 0.5))
    pale = np.maximum(base, 0.4 * base + 0.6 * linear(HAIR["grey"]))
    return base + lost.clip(0, 1)[:, None] * (pale - base)


def _spread_over(surface, values):
    """Values (P, 2) of hair averaged with those of the hair about them: strands that lie together
    gleam together, in a band."""
    full = np.zeros((*surface.hit.shape, 3), np.float32)
    full[surface.hit] = np.concatenate([values, np.ones((len(values), 1), np.float32)], 1)
    full = cv2.GaussianBlur(full, (0, 0), max(0.5, GLEAM_REACH * surface.decimetre))[surface.hit]
    return 0.35 * values + 0.65 * full[:, :2] / full[:, 2:]


def _comb_light(surface, colour, tangent):
    """Average the colour of hair (P, 3) along the strands, whose tangents are (P, 3): strands
    thinner than a sample leave dots, which join into lines.

    Reference: Cabral and Leedom 1993, line integral convolution.
    """
    rows, columns = np.nonzero(surface.hit)
    top, left = rows.min(), columns.min()
    box = (slice(top, rows.max() + 1), slice(left, columns.max() + 1))
    full = np.zeros((*surface.hit.shape, 4), np.float32)[box]
    inside = surface.hit[box]
    full[inside] = np.concatenate([colour, np.ones((len(colour), 1), np.float32)], 1)
    way = tangent[:, :2] * np.float32([1, -1])
    way = (
        way
        * (COMB_REACH * surface.decimetre / np.maximum(np.linalg.norm(tangent, axis=1), 1e-6))[
            :, None
        ]
    )
    total = full[inside] * 1.5
    at = np.stack([columns - left, rows - top], 1).astype(np.float32)
    for share in (-1, -0.5, 0.5, 1):
        total += look_up(full, *(at + share * way).T, cv2.BORDER_CONSTANT)
    return total[:, :3] / total[:, 3:]


def blurred(picture, sigma):
    """A Gaussian blur of a picture (H, W) or (H, W, C), made on a smaller one where it is wide."""
    shrink = int(sigma // 2.5)
    if shrink < 2:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    height, width = picture.shape[:2]
    small = (max(1, width // shrink), max(1, height // shrink))
    small = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    # Averaging over a cell and interpolating between cells blur by themselves.
    rest = np.sqrt(max(0.1, (sigma / shrink) ** 2 - 1 / 12 - 1 / 6))
    small = cv2.GaussianBlur(small, (0, 0), rest)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def box_about(mask, sigma):
    """Where a mask (H, W) is not 0, with as much about it as `blurred` looks at: two slices.

    What a picture's part in this box gives there by `blurred` is, to the bit, what the whole one
    gives. So the box begins and ends between the cells of the smaller picture, and is the whole
    where these are no whole numbers of pixels.
    """
    cell = max(1, int(sigma // 2.5))
    if any(side % cell for side in mask.shape):
        return slice(None), slice(None)
    reach = int(np.ceil(4 * sigma)) + 3 * cell  # OpenCV ends its kernel of floats at 4 deviations
    spans = []
    for axis in (1, 0):
        at = np.nonzero(mask.any(axis))[0]
        first, last = max(0, at[0] - reach), min(mask.shape[1 - axis], at[-1] + 1 + reach)
        spans.append(slice(first // cell * cell, -(-last // cell) * cell))
    return tuple(spans)


def _openness(hit, depth, decimetre):
    """How open each pixel is: float32 (P,), below 1 where its neighbourhood lies nearer the camera.

    Reference: Luft, Colditz and Deussen 2006, unsharp masking of the depth buffer.
    """
    full, weight = np.zeros(hit.shape, np.float32), hit.astype(np.float32)
    full[hit] = depth
    result = np.ones(len(depth), np.float32)
    for reach, strength in CREASES:
        sigma = reach * decimetre
        covered = np.maximum(blurred(weight, sigma), 1e-3)
        behind = depth - (blurred(full, sigma) / covered)[hit]
        result *= 1 - np.clip(strength * np.clip(behind, 0, 0.35), 0, 0.55)
    return result


def _add_outline(colour, surface, lamps):
    """Add the light from behind to colours (P, 3), in place: where a surface turns away from the
    camera near the outline before the background."""
    inside = surface.hit.astype(np.float32)
    reach = 2 * int(1.7 * OUTLINE * surface.decimetre) + 1
    near = np.clip(2.2 * (1 - cv2.blur(inside, (reach, reach))[surface.hit]), 0, 1)
    at = np.nonzero(near > 0)[0]
    normal = surface.normal[at]
    edge = np.clip(1 - np.abs(_dot(normal, surface.toward_eye[at])), 0, 1) ** 4
    edge *= surface.open[at] * near[at]
    colour[at] += (0.12 * edge)[:, None] * lamps.rim(normal)


def _under_the_skin(diffuse, soft, surface):
    """Light that entered the skin comes out nearby: blurs it over the picture where `soft`, but not
    from a surface to one that only seems to be near, as from a cheek to the neck behind it.

    Reference: Jimenez, Sundstedt and Gutierrez 2009, screen-space subsurface scattering.
    """
    on, hit = soft > 0, surface.hit
    if not on.any():
        return diffuse
    full = np.zeros((*hit.shape, 5), np.float32)
    near = surface.values[:, sc.POSITION][:, 2:]  # the camera looks along it
    full[hit] = np.concatenate([diffuse, np.ones_like(near), near], 1) * on[:, None]
    result, same = diffuse.copy(), None
    for channel, reach in enumerate(UNDER_SKIN):
        sigma = max(0.3, reach * surface.decimetre)
        light, weight = (blurred(full[..., k], sigma)[hit][on] for k in (channel, 3))
        weight = np.maximum(weight, 1e-3)
        if same is None:  # red reaches farthest
            off = np.abs(blurred(full[..., 4], sigma)[hit][on] / weight - near[on, 0])
            same = 0.75 * step(2 * ONE_SURFACE, ONE_SURFACE, off)
        result[on, channel] += same * (light / weight - diffuse[on, channel])
    return result
