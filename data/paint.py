"""Paint: what colour everything is before light falls on it, and which part of the picture it is.

Everything here works on the pixels that a material covers: rest positions (P, 3) say where on the head a pixel lies,
whatever the face's shape, so a brow stays on its brow bone. Colours are linear RGB in [0, 1].
"""
import numpy as np

from .clothes import depth_below_neckline
from .hair import hairline_distance
from .parts import PART
from .texture import NOISE, linear, noise, step


def around(rest, scale):
    """Lays the head out flat: texture places u, v (P,) at `scale` texels a decimetre."""
    angle = np.arctan2(rest[:, 0], rest[:, 2] - 0.3)
    return angle * 0.95 * scale, rest[:, 1] * scale


def brow_mask(rest, brows):
    """How much brow there is at rest positions (P, 3): float32 (P,) in [0, 1]."""
    thickness, arch, density = brows
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    t = np.clip((x - 0.10) / 0.50, 0, 1)
    centre = 7.475 + 0.034 * arch * np.sin(np.pi * np.clip(t * 0.78, 0, 1)) - 0.03 * t
    half = 0.047 * thickness * (1 - 0.62 * t ** 1.6) * (0.75 + 0.25 * step(0, 0.12, t))
    off = (y - centre) / half
    hairs = noise(2, (x + 0.6 * y) * 260, (y - 0.45 * x) * 420)      # hairs point up and out
    body = step(1.25, 0.55, np.abs(off) + 0.22 * hairs)
    ends = step(0.065, 0.13, x) * step(0.64, 0.52, x)
    return (body * ends * density * (z > 0.7)).astype(np.float32)


def beard_mask(rest):
    """Where a beard grows at rest positions (P, 3): (beard, moustache, goatee), each (P,) in [0, 1]."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    cheek_line = 6.66 + 0.62 * np.clip((x - 0.36) / 0.34, 0, 1) ** 1.3
    jaw = step(0.05, -0.06, y - cheek_line) * step(5.98, 6.12, y + 0.12 * z) * (z > 0.3)
    around_mouth = step(0.9, 1.15, np.hypot(x / 0.30, (y - 6.60) / 0.135))
    jaw = jaw * np.where(y > 6.47, around_mouth, 1) * (x < 0.74)
    moustache = step(6.675, 6.70, y - 0.16 * (0.25 - x)) * step(6.83, 6.77, y + 0.1 * x) * step(0.36, 0.28, x) * (z > 1.2)
    goatee = step(0.30, 0.20, x) * step(6.50, 6.44, y) * jaw
    beard = np.maximum(jaw, moustache)
    return beard, moustache, goatee


def skin_paint(rest, known, person, view, cut):
    """Paints the body: skin, lips, brows, stubble, scalp, cloth.

    Args:
        rest: float32 (P, 3).
        known: float32 (P, 3): the region masks lips, inside of the mouth, ears.
        person, view: as drawn.
        cut: the `Cut` worn.

    Returns:
        albedo (P, 3) linear, gloss (P,) in [0, 1], soft (P,) how much light travels under the surface, part uint8 (P,).
    """
    lips, inside, ears = known[:, 0], known[:, 1], known[:, 2]
    x, y, z = rest[:, 0], rest[:, 1], rest[:, 2]
    u, v = around(rest, 120)
    shift = person.seed % 509
    blotch, pores = noise(0, u + shift, v), noise(1, u * 1.6, v * 1.6 + shift)
    base = linear(person.skin)
    albedo = base * (1 + 0.035 * blotch + 0.03 * pores)[:, None]
    albedo = albedo * _blush(rest, person, blotch)
    albedo = _age_lines(albedo, rest, person)
    albedo = _freckles(albedo, rest, person, u, v)
    gloss = 0.5 + 0.25 * np.exp(-(x / 0.25) ** 2) * (z > 1) + 0.06 * pores
    soft = np.ones(len(rest), np.float32)
    part = _skin_part(rest, lips, inside, ears)
    albedo, gloss = _lip_paint(albedo, gloss, lips, person, base, rest)
    hair = linear(person.hair_colour)
    if view.cut != "bald" or person.recede < 0.2:
        albedo = _scalp_paint(albedo, rest, hair, cut, part)
    mask = brow_mask(rest, person.brows)
    brow = hair * 0.75 * (1 + 0.2 * pores)[:, None] if person.hair not in ("white", "grey", "blond") else hair * 0.6
    albedo += (mask * 0.92)[:, None] * (brow - albedo)
    part[(mask > 0.45) & (part == PART["skin"])] = PART["brows"]
    gloss *= 1 - 0.7 * mask
    if person.beard:
        albedo = _beard_paint(albedo, rest, person, hair, part, pores)
    albedo *= (1 - 0.78 * step(0.3, 0.9, inside) * (lips < 0.3))[:, None] * np.where(
        (inside > 0.5)[:, None], np.float32([1.0, 0.62, 0.58]), 1)
    _cloth_paint(albedo, gloss, soft, part, rest, view, u, v)
    return albedo, gloss, soft, part


def _blush(rest, person, blotch):
    """Redder cheeks, nose, ears and chin; darker round the eyes: a factor (P, 3)."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    cheek = np.exp(-((x - 0.42) / 0.2) ** 2 - ((y - 6.98) / 0.17) ** 2) * (z > 0.7)
    nose = np.exp(-(x / 0.16) ** 2 - ((y - 6.9) / 0.13) ** 2) * (z > 1.4)
    ear = np.exp(-((x - 0.8) / 0.12) ** 2 - ((y - 7.1) / 0.3) ** 2) * (z < 0.8)
    red = person.blush * (0.7 * cheek + 0.75 * nose + 0.6 * ear) * (1 + 0.2 * blotch)
    eye = np.exp(-((x - 0.32) / 0.17) ** 2 - ((y - 7.26) / 0.1) ** 2) * (z > 1)
    dark = eye * (0.16 + 0.10 * step(40, 80, person.shape.age))
    return (1 - red[:, None] * np.float32([0.03, 0.17, 0.15])) * (1 - dark[:, None] * np.float32([0.75, 1.0, 0.85]))


def _age_lines(albedo, rest, person):
    """Lines of age on the forehead, beside the eyes and beside the mouth, painted as fine dark folds."""
    old = float(step(38, 78, person.shape.age))
    if old == 0:
        return albedo
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    wander = noise(0, x * 60 + person.seed % 97, y * 30)
    wave = np.cos((y - 7.62 + 0.02 * wander) * 2 * np.pi / 0.095)
    forehead = step(0.55, 0.98, wave) * step(7.56, 7.62, y) * step(7.92, 7.84, y) * step(0.5, 0.3, x) * (z > 0.9)
    fold = 0.265 + 0.10 * (6.9 - y) / 0.3
    laugh = np.exp(-((x - fold - 0.01 * wander) / 0.018) ** 2) * step(6.5, 6.6, y) * step(6.95, 6.85, y) * (z > 1)
    crow = step(0.7, 1, np.cos((y - 7.28) / (x - 0.40 + 0.05) * 9)) * step(0.51, 0.55, x) * step(0.68, 0.6, x) * (
        np.abs(y - 7.27) < 0.13) * (z > 0.7)
    return albedo * (1 - old * (0.13 * forehead + 0.2 * laugh + 0.1 * crow))[:, None]


def _freckles(albedo, rest, person, u, v):
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    if person.freckles > 0.08:
        where = np.exp(-((y - 7.05) / 0.22) ** 2) * step(0.7, 0.4, x) * (z > 0.7)
        spots = step(1.1, 2.0, noise(1, u * 0.55 + 31, v * 0.55)) * where * min(1.0, 1.6 * person.freckles)
        albedo = albedo * (1 - spots[:, None] * np.float32([0.22, 0.36, 0.45]))
    for mx, my in person.marks:
        near = np.exp(-(((rest[:, 0] - mx) ** 2 + (y - my) ** 2) / 0.016 ** 2) ** 2) * (z > 0.8)
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
    natural = base * np.float32([0.88, 0.60, 0.60]) + np.float32([0.012, 0.0, 0.002])
    stick = np.float32([0.34, 0.045, 0.06]) * (0.35 + 0.75 * base[:1])
    colour = natural + 0.75 * person.lipstick * (stick - natural)
    lines = noise(2, rest[:, 1] * 240, rest[:, 0] * 300)
    amount = step(0.12, 0.75, lips) * 0.9
    albedo = albedo + amount[:, None] * (colour * (1 + 0.06 * lines)[:, None] - albedo)
    return albedo, gloss + amount * 0.35


def _scalp_paint(albedo, rest, hair, cut, part):
    """Colours the scalp under the hair, softly to the hairline, so that no skin shines through."""
    if not cut.strands:
        return albedo
    u, v = around(rest, 120)
    above = hairline_distance(rest, cut.recede) + 0.03 * noise(1, u * 1.1, v * 1.1) + 0.02 * noise(0, u * 2, v * 2)
    amount = step(-0.02, 0.09, above) * (0.86 if cut.length > 0.1 else 0.74)
    amount = amount * (part != PART["ears"]) * (rest[:, 1] > 6.4)
    part[(amount > 0.4) & (part != PART["ears"])] = PART["hair"]
    return albedo + amount[:, None] * (hair * 0.8 - albedo)


def _beard_paint(albedo, rest, person, hair, part, pores):
    beard, moustache, goatee = beard_mask(rest)
    u, v = around(rest, 120)
    grain = noise(1, u * 1.9 + 13, v * 1.9)
    strength = {"stubble": 0.34, "moustache": 0.9, "goatee": 0.9, "beard": 0.9}[person.beard]
    mask = {"stubble": beard, "moustache": moustache, "goatee": np.maximum(goatee, moustache), "beard": beard}[person.beard]
    mask = mask * (part != PART["lips"]) * (part != PART["inner mouth"]) * (part != PART["nose"])
    amount = np.clip(mask * strength * (1 + 0.3 * grain), 0, 1)
    if person.beard != "stubble":
        part[(mask > 0.5)] = PART["facial hair"]
    return albedo + amount[:, None] * (hair * 0.85 - albedo)


def _cloth_paint(albedo, gloss, soft, part, rest, view, u, v):
    """Lays the garment over the skin, in place."""
    depth = depth_below_neckline(rest, view.garment)
    on = (depth > 0) & (rest[:, 1] < 6.1)
    colour = linear(view.cloth_colour)
    weave = noise(1, rest[on, 0] * 200, rest[on, 1] * 200)
    folds = noise(0, rest[on, 0] * 60 + view.seed % 251, rest[on, 1] * 26)
    hem = 1 - 0.18 * np.exp(-((depth[on] - 0.05) / 0.012) ** 2)
    albedo[on] = colour * ((1 + 0.03 * weave + 0.05 * folds) * hem)[:, None]
    gloss[on], soft[on], part[on] = 0.12, 0, PART["clothes"]


def eye_paint(local, person):
    """Paints an eyeball.

    Args:
        local: float32 (P, 3), unit directions in the eye's own frame, z along the gaze.
        person: a `Person`.

    Returns:
        albedo (P, 3), cornea (P,) 1 where the surface is the wet dome over the iris.
    """
    angle = np.degrees(np.arccos(np.clip(local[:, 2], -1, 1)))
    turn = np.arctan2(local[:, 1], local[:, 0])
    iris = linear(person.eye_colour)
    spokes = 0.16 * noise(2, angle * 9, (turn / (2 * np.pi)) * NOISE)
    ring = np.exp(-((angle - 13.5) / 4.0) ** 2)
    colour = iris * (1.15 + spokes + 0.35 * ring)[:, None] * (1 - 0.62 * step(20.5, 25.5, angle))[:, None]
    white = np.float32([0.72, 0.67, 0.63]) * (1 - 0.25 * step(35, 75, angle))[:, None]
    white = white * (1 - step(30, 80, angle)[:, None] * np.float32([0.02, 0.16, 0.14]))
    albedo = white + step(27.5, 25, angle)[:, None] * (colour - white)
    albedo = albedo * (1 - 0.985 * step(11.2, 9.6, angle))[:, None]
    return albedo.astype(np.float32), step(32, 24, angle)
