"""Skin: its colours over the face, folds and lines, marks, sheen, lips, teeth.

Places are rest positions in decimetres. `Places` holds |x|, y, z of some pixels of the face; a map
is float32 (P,) over them.
"""

from dataclasses import dataclass

import numpy as np

from data.light.texture import noise
from data.shape import lids
from data.shape.hair import beard_mask
from data.shape.maths import step
from data.shape.nostrils import opening

# What absorbs light in skin, per unit of red, green and blue: blood, and pigment.
BLOOD, PIGMENT = np.float32([0.06, 0.31, 0.26]), np.float32([0.42, 0.72, 0.95])
# The edges of the lids at rest: x and y of the upper, then of the lower.
UPPER_LID = np.array(
    [[0.205, 0.237, 0.272, 0.312, 0.352, 0.384, 0.412, 0.43, 0.437],
     [7.285, 7.309, 7.323, 7.329, 7.327, 7.322, 7.314, 7.300, 7.288]],
)  # fmt: skip
LOWER_LID = np.array(
    [[0.205, 0.226, 0.246, 0.279, 0.312, 0.35, 0.384, 0.404, 0.42, 0.437],
     [7.27, 7.254, 7.25, 7.244, 7.242, 7.243, 7.252, 7.258, 7.267, 7.28]],
)  # fmt: skip
LIPSTICKS = (  # linear: red, rose, berry, coral, plum, brick
    (0.32, 0.02, 0.03), (0.40, 0.09, 0.13), (0.20, 0.02, 0.05),
    (0.45, 0.09, 0.07), (0.14, 0.02, 0.05), (0.24, 0.05, 0.04),
)  # fmt: skip
PARTING = 6.612  # rest y between closed lips


@dataclass(frozen=True, eq=False)
class Places:
    """Where pixels of the face lie: signed `side`, and x = |side|, y, z, float32 (P,) each."""

    side: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    @classmethod
    def of(cls, rest):
        """The places of rest positions (P, 3)."""
        return cls(rest[:, 0], np.abs(rest[:, 0]), rest[:, 1], rest[:, 2])

    def spot(self, x, y, wide, high):
        """A soft spot on both sides: a map."""
        return np.exp(-(((self.x - x) / wide) ** 2) - ((self.y - y) / high) ** 2)

    def along(self, ys, xs, width):
        """A soft line on both sides through points (ys rising, xs), its ends soft: a map and the
        signed distance across, dm, positive outwards."""
        off = self.x - np.interp(self.y, ys, xs)
        tip = (ys[-1] - ys[0]) * 0.2
        ends = step(ys[0] - tip, ys[0] + tip, self.y) * step(ys[-1] + tip, ys[-1] - tip, self.y)
        return np.exp(-((off / width) ** 2)) * ends, off, ends

    def across(self, xs, ys, width):
        """The same for lines that run across a face: points (xs rising, ys)."""
        off = self.y - np.interp(self.x, xs, ys)
        tip = (xs[-1] - xs[0]) * 0.15
        ends = step(xs[-1] + tip, xs[-1] - tip, self.x)
        if xs[0] > 0:
            ends = ends * step(xs[0] - tip, xs[0] + tip, self.x)
        return np.exp(-((off / width) ** 2)) * ends


def smile_of(view):
    """How much a view smiles: 0 to 1."""
    units = dict(view.units)
    return min(1.0, 0.5 * (units.get("mouthSmileLeft", 0) + units.get("mouthSmileRight", 0)))


def closed_lids(rest, view):
    """bool (P,): where the edges of closed lids lie among rest positions (P, 3): nowhere while
    eyes are open."""
    if lids.blink(view.units) < 0.6:
        return np.zeros(len(rest), bool)
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    edge = np.abs(y - np.interp(x, *UPPER_LID)) < 0.016
    return edge & (x > 0.2) & (x < 0.44) & (z > 1.3)


def face_paint(albedo, gloss, rest, person, view):
    """Paint the face over an even skin, in place.

    Args:
        albedo (P, 3), gloss (P,): of all skin.
        rest: float32 (P, 3).
        person, view: as drawn.
    """
    on = np.nonzero((rest[:, 2] > 0.35) & (rest[:, 1] > 5.9) & (rest[:, 1] < 8.2))[0]
    if not len(on):
        return
    at = Places.of(rest[on])
    shift = person.seed % 509
    blotch = noise(0, at.side * 150 + shift, at.y * 150)
    nostrils = _nostrils(at)
    red = _redness(at, person, blotch) + nostrils
    dark = _darkness(at, person, lids.closed(view.units)) + 3.4 * nostrils
    fold = _folds(at, person, view)
    paint = albedo[on] * np.exp(-red[:, None] * BLOOD - dark[:, None] * PIGMENT)
    paint *= 1 - np.clip(fold, -0.25, 0.8)[:, None] * np.float32([0.86, 1.0, 1.03])
    albedo[on] = _marks(paint, at, person)
    gloss[on] = _sheen(at, person) * (0.95 + 0.08 * blotch) * (1 - nostrils)


def _redness(at, person, blotch):
    """Blood under the skin: cheeks, nose, ears, chin, lids, and blotches: a map."""
    many = person.complexion.blotches
    front = step(0.5, 0.9, at.z)
    flush = 0.56 * at.spot(0.40, 6.97, 0.20, 0.19) * front
    flush += 0.75 * at.spot(0.0, 6.87, 0.13, 0.08) * step(1.3, 1.5, at.z)
    flush += 0.35 * at.spot(0.15, 6.86, 0.05, 0.07) * step(1.2, 1.4, at.z)
    flush += 0.55 * at.spot(0.82, 7.1, 0.13, 0.32) * step(0.85, 0.6, at.z)
    flush += 0.30 * at.spot(0.0, 6.33, 0.13, 0.09) * front
    flush += 0.25 * at.spot(0.0, 7.72, 0.35, 0.16) * front
    rims = 0.40 * at.spot(0.31, 7.25, 0.14, 0.05) * step(1.0, 1.2, at.z)
    uneven = 0.10 * many * blotch
    flush = (0.25 + person.blush) * flush * np.clip(1 + 0.15 * many * blotch, 0.8, 1.2)
    return flush + rims + uneven


def _nostrils(at):
    """The openings of the nose, almonds that lie obliquely under it, beside a columella that stays
    free: a map."""
    near = np.nonzero((at.x < 0.2) & (np.abs(at.y - 6.88) < 0.07) & (at.z > 1.4))[0]
    x, y, z = at.x[near], at.y[near], at.z[near]
    result = np.zeros(len(at.x), np.float32)
    inside = opening(x, z) * step(6.824, 6.842, y) * step(6.945, 6.925, y)
    result[near] = inside * step(1.40, 1.45, z)
    return result


def _under_nose(at):
    """The shade that the nose throws on its own underside and on the top of the philtrum: a map."""
    near = np.nonzero((at.x < 0.3) & (np.abs(at.y - 6.82) < 0.08) & (at.z > 1.42))[0]
    part = Places(*(value[near] for value in (at.side, at.x, at.y, at.z)))
    base = step(6.895, 6.862, part.y) * step(6.80, 6.83, part.y) * step(0.175, 0.13, part.x)
    lip = part.spot(0, 6.797, 0.12, 0.024)
    result = np.zeros(len(at.x), np.float32)
    result[near] = np.maximum(0.42 * base, 0.50 * lip) * step(1.42, 1.48, part.z)
    return result


def _darkness(at, person, closed):
    """Pigment and standing shade: round the eyes, under the nose, of a shaven beard: a map."""
    age = person.shape.age
    front = step(1.0, 1.2, at.z)
    ring = at.spot(0.29, 7.185, 0.13, 0.05) * (0.14 + 0.5 * person.shadows)
    inner = at.spot(0.185, 7.27, 0.035, 0.06) * (0.35 + 0.15 * float(step(40, 75, age)))
    lid = at.spot(0.33, 7.36, 0.13, 0.035) * (0.2 + 0.2 * person.tone) * (1 - 0.8 * closed)
    dark = (ring + inner + lid) * front
    dark += _under_nose(at)
    dark += 0.22 * at.spot(0.0, 6.455, 0.13, 0.028) * front  # under the lower lip
    dark += 0.30 * at.spot(0.238, 6.617, 0.022, 0.02) * front  # the corners of the mouth
    if person.complexion.shaven and not person.beard:
        grain = 1 + 0.3 * noise(1, at.side * 300, at.y * 300)
        mask = beard_mask(np.stack([at.side, at.y, at.z], 1), "full beard")
        dark += 0.55 * person.complexion.shaven * mask * grain
    return dark


def _folds(at, person, view):
    """Creases: of the lids, from nose to mouth, of age and of muscles, as shade: a map, below 0
    where the swelling beside a fold catches light."""
    own, age, smile = person.complexion, person.shape.age, smile_of(view)
    old = float(step(26, 76, age)) * min(1.3, person.lines)
    total = _lid_lines(at, person)
    depth = min(1.0, own.nasolabial * (0.16 + 0.62 * old) + 0.65 * smile)
    # One oblique line, which goes on beyond its ends in its own direction, where it has faded.
    off = at.x - np.interp(at.y, [6.50, 6.64, 6.76, 6.86, 6.95], [0.38, 0.315, 0.255, 0.19, 0.12])
    ends = step(6.58, 6.76, at.y) * step(6.93, 6.85, at.y)
    line = (
        np.exp(-((off / 0.02) ** 2))
        * ends
        * np.clip(0.9 + 0.25 * noise(0, 0 * off, at.y * 260), 0.4, 1.2)
    )
    side = np.exp(-(((off + 0.03) / 0.04) ** 2)) - 0.5 * np.exp(-(((off - 0.06) / 0.06) ** 2))
    front = step(0.95, 1.15, at.z)
    total += depth * (0.26 * line + 0.15 * side * ends) * front
    if old > 0.02:
        total += old * _age_lines(at, person, smile) * front
    total += _forehead(at, person, dict(view.units)) * front
    total += _wings(at)
    if own.dimples and smile > 0.2:
        total += 0.2 * own.dimples * smile * at.spot(0.40, 6.62, 0.024, 0.045) * front
    if own.cleft:
        total += 0.22 * own.cleft * np.exp(-((at.x / 0.016) ** 2)) * at.spot(0, 6.27, 1, 0.06)
    philtrum = np.exp(-((at.x / 0.022) ** 2)) - 0.7 * np.exp(-(((at.x - 0.050) / 0.016) ** 2))
    total += 0.15 * philtrum * at.spot(0, 6.745, 1, 0.035) * front
    return total


def _lid_lines(at, person):
    """The edge of the lids with the roots of the lashes, the fold above, the pouch below: a map."""
    own, age = person.complexion, person.shape.age
    near = np.nonzero((np.abs(at.x - 0.32) < 0.2) & (np.abs(at.y - 7.28) < 0.16) & (at.z > 1.15))[0]
    result = np.zeros(len(at.x), np.float32)
    part = Places(*(value[near] for value in (at.side, at.x, at.y, at.z)))
    upper = part.y - np.interp(part.x, *UPPER_LID)
    lower = part.y - np.interp(part.x, *LOWER_LID)
    ends = step(0.19, 0.225, part.x) * step(0.475, 0.43, part.x)
    heavy = 0.66 if person.noun == "woman" else 0.46
    heavy += 0.15 * person.lipstick  # who paints lips paints lids
    edge = heavy * step(0.019, 0.009, upper) * step(-0.02, -0.004, upper) * ends
    below = 0.22 * step(-0.02, -0.004, lower) * step(0.006, -0.002, lower) * ends
    painted = 0.35 * person.lipstick * step(0.06, 0.015, upper) * step(-0.01, 0.01, upper) * ends
    fold = 7.374 + own.crease_height - 0.062 * ((part.x - 0.325) / 0.17) ** 2
    crease = np.exp(-(((part.y - fold) / 0.010) ** 2)) - 0.3 * np.exp(
        -(((part.y - fold - 0.026) / 0.018) ** 2)
    )
    crease = 0.5 * own.crease * crease * step(0.19, 0.24, part.x) * step(0.50, 0.45, part.x)
    pouch = float(step(30, 75, age)) * (0.25 + 0.2 * person.shadows)
    bag = part.y - (7.175 + 0.35 * (part.x - 0.30) ** 2)
    under = pouch * (np.exp(-((bag / 0.016) ** 2)) - 0.5 * np.exp(-(((bag - 0.04) / 0.022) ** 2)))
    under = under * step(0.18, 0.24, part.x) * step(0.46, 0.38, part.x)
    result[near] = np.maximum(np.maximum(edge, below), painted) + crease + under
    return result


def _age_lines(at, person, smile):
    """The lines of age at their deepest: frown, crow's feet, marionette, lips: a map."""
    wander = noise(0, at.side * 75 + person.seed % 97, at.y * 40)
    total = 0.26 * at.spot(0.055, 7.47, 0.012, 0.05)  # between the brows
    fan = (at.y - 7.27 + 0.006 * wander) / np.maximum(at.x - 0.36, 0.03)
    feet = _ripple(fan * 1.9) * step(0.485, 0.53, at.x) * step(0.67, 0.56, at.x)
    total += (0.18 + 0.25 * smile) * feet * step(0.15, 0.07, np.abs(at.y - 7.26))
    sad = at.along([6.36, 6.45, 6.56], [0.30, 0.275, 0.255], 0.018)[0]
    total += 0.12 * sad * min(1.5, person.complexion.nasolabial)
    total += 0.10 * _ripple(at.side / 0.038) * at.spot(0, 6.725, 0.15, 0.02)  # above the lip
    under = at.across([0.2, 0.3, 0.45], [7.215, 7.195, 7.215], 0.006)
    return total + 0.15 * under + 0.018 * noise(2, at.side * 160 + 60 * at.y, at.y * 200)


def _forehead(at, person, units):
    """Lines across the forehead from about 45 years on, or under raised brows: a few at uneven
    heights, each with its own middle and reach, broken, a lit swelling above: a map."""
    raised = max(units.get("browInnerUp", 0), units.get("browOuterUpLeft", 0)) - 0.25
    depth = float(step(42, 78, person.shape.age)) * min(1.3, person.lines)
    depth = max(depth, min(0.5, max(0.0, raised)))
    total = np.zeros(len(at.x), np.float32)
    if depth < 0.03:
        return total
    on = np.nonzero((at.y > 7.54) & (at.y < 7.98) & (at.x < 0.55))[0]
    side, y = at.side[on], at.y[on]
    rng = np.random.default_rng([person.seed, 6])
    wander = 0.022 * noise(0, side * 70 + person.seed % 97, y * 30)
    broken = np.clip(0.55 + 0.6 * noise(0, side * 130, y * 200 + person.seed % 61), 0, 1.2)
    for height in 7.62 + np.cumsum(rng.uniform(0.045, 0.11, 3)):
        middle, reach, deep = rng.normal(0, 0.07), rng.uniform(0.18, 0.36), rng.uniform(0.4, 1)
        bent = y - height + wander - rng.uniform(0.1, 0.5) * side**2
        fade = deep * np.exp(-(((side - middle) / reach) ** 2)) * broken
        fold = np.exp(-((bent / 0.013) ** 2)) - 0.45 * np.exp(-(((bent - 0.03) / 0.022) ** 2))
        total[on] += (0.26 * depth * fade * fold).astype(np.float32)
    return total


def _wings(at):
    """The wings of the nose as round forms: the crease behind them, sharp at the wing and fading
    over the cheek, the groove that parts them from the tip, light on their swelling: a map."""
    near = (at.x < 0.3) & (np.abs(at.y - 6.9) < 0.16) & (at.z > 1.3)
    result = np.zeros(len(at.x), np.float32)
    part = Places(*(value[near] for value in (at.side, at.x, at.y, at.z)))
    heights = [6.82, 6.845, 6.87, 6.90, 6.93, 6.955, 6.985]
    off = part.x - np.interp(part.y, heights, [0.138, 0.157, 0.171, 0.179, 0.181, 0.174, 0.150])
    ends = step(6.80, 6.85, part.y) * step(7.0, 6.94, part.y)
    width = np.where(off > 0, 0.025, 0.011)
    behind = np.exp(-((off / width) ** 2)) * ends
    groove = part.x - np.interp(part.y, [6.88, 6.92, 6.96], [0.110, 0.118, 0.135])
    groove = np.exp(-((groove / 0.016) ** 2)) * step(6.875, 6.90, part.y) * step(6.99, 6.94, part.y)
    round_ = part.spot(0.150, 6.903, 0.022, 0.028)
    result[near] = 0.42 * behind + 0.16 * groove - 0.12 * round_
    return result


def _ripple(place):
    """Folds at whole numbers of `place`, a lit swelling under each: a map."""
    turn = 2 * np.pi * place
    return step(0.72, 1.0, np.cos(turn)) - 0.3 * step(0.3, 1.0, np.cos(turn + 1.1))


def _marks(paint, at, person):
    """Freckles, spots of age, moles and a scar: `paint` (P, 3) with them."""
    if person.freckles > 0.08:
        where = at.spot(0.15, 7.05, 0.4, 0.22) * step(0.7, 1.0, at.z)
        many = 1.6 - 0.9 * min(1.0, 1.3 * person.freckles)
        spots = (
            step(many, many + 0.8, noise(1, at.side * 75 + person.seed % 193, at.y * 75)) * where
        )
        spots = spots * (0.7 + 0.4 * noise(0, at.side * 300, at.y * 300))
        paint = paint * np.exp(-0.75 * np.clip(spots, 0, 1.3)[:, None] * PIGMENT)
    spotted = float(step(50, 85, person.shape.age)) * person.lines
    if spotted > 0.05:
        spots = step(1.2, 2.2, noise(1, at.side * 36 + person.seed % 97, at.y * 36))
        paint = paint * np.exp(-0.3 * spotted * spots[:, None] * PIGMENT)
    for number, (mx, my) in enumerate(person.marks):
        if abs(mx) < 0.16 and 6.8 < my < 7.5:
            continue  # moles on the nose look like dirt
        size = 0.008 + 0.009 * ((person.seed >> 3 * number) % 8) / 7
        near = np.exp(-((((at.side - mx) ** 2 + (at.y - my) ** 2) / size**2) ** 2)) * (at.z > 0.8)
        paint = paint * np.exp(-1.1 * near[:, None] * PIGMENT)
    if person.complexion.scar:
        sx, sy, turn = person.complexion.scar
        dx, dy = at.side - sx, at.y - sy
        along, off = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        scar = step(0.09, 0.05, np.abs(along)) * np.exp(-((off / 0.007) ** 2)) * (at.z > 0.8)
        paint = paint * (1 + scar[:, None] * np.float32([0.15, 0.10, 0.11]))
    return paint


def _sheen(at, person):
    """How much the skin gleams: most on forehead, nose, cheekbones and chin: a map."""
    oily = 0.30 * at.spot(0, 7.70, 0.30, 0.16) + 0.42 * at.spot(0, 6.93, 0.07, 0.17)
    oily += 0.26 * at.spot(0.47, 7.08, 0.12, 0.08) + 0.18 * at.spot(0, 6.30, 0.10, 0.07)
    oily += 0.35 * at.spot(0, 6.925, 0.035, 0.035)
    oily += 0.12 * at.spot(0.32, 7.39, 0.12, 0.03) + 0.10 * at.spot(0, 6.74, 0.08, 0.04)
    return (0.30 + 1.25 * oily) * person.complexion.shine


def lip_paint(albedo, gloss, lips, inside, rest, person, base):
    """Paint lips whose border is soft: redder than the skin, the upper darker; and the line
    between them.

    Args:
        albedo (P, 3), gloss (P,): of all skin, changed in place.
        lips, inside: float32 (P,), the masks.
        rest: float32 (P, 3); person; base: (3,), the skin's linear colour.
    """
    on = np.nonzero(lips > 0.02)[0]
    if not len(on):
        return
    at, tone, own = Places.of(rest[on]), person.tone, person.complexion
    fair, deep = np.float32([0.70, 0.40, 0.46]), np.float32([0.92, 0.74, 0.95])
    natural = base * (fair + tone * (deep - fair)) ** own.lips + np.float32([0.006, 0, 0.002])
    stick = np.float32(LIPSTICKS[person.seed % len(LIPSTICKS)]) * (0.35 + 0.75 * base[:1])
    colour = natural + 0.75 * person.lipstick * (stick - natural)
    lines = noise(2, at.y * 150, at.side * 320)
    upper = step(PARTING - 0.01, PARTING + 0.01, at.y)
    shade = (1.06 - 0.27 * upper) * (1 + 0.07 * lines)
    rough = lips[on] + 0.06 * noise(1, at.side * 130, at.y * 130)
    painted = person.lipstick
    amount = step(0.05, 0.95 - 0.35 * painted, rough) * (0.82 + 0.13 * painted)
    # Bare lips end softly below and at the corners.
    bare = 1 - 0.45 * step(6.545, 6.495, at.y) - 0.35 * step(0.17, 0.25, at.x)
    amount *= bare + painted * (1 - bare)
    albedo[on] += amount[:, None] * (colour * shade[:, None] - albedo[on])
    gap = np.exp(-(((at.y - PARTING) / 0.011) ** 2)) * step(1.60, 1.54, at.z + 0.45 * at.x)
    gap = 0.6 * gap * step(0.27, 0.2, at.x)
    albedo[on] *= 1 - np.maximum(gap, 0.5 * inside[on])[:, None] * np.float32([0.85, 1, 1])
    gloss[on] += amount * (0.12 + 0.4 * painted - gloss[on] * 0.3) * (1 + 0.4 * lines)


def teeth_paint(rest, person):
    """Paint teeth: darker to the back and where one meets the next, pink at the gum: (P, 3)."""
    own = person.complexion
    at = Places.of(rest)
    place = at.x / own.tooth
    narrow = place + 0.10 * step(1.0, 1.3, place)  # the second is narrower than the first
    between = np.abs(np.mod(narrow + 0.5, 1) - 0.5) * own.tooth
    # A gap shows dark where teeth are rounded, at their edges.
    gap = 0.24 * np.exp(-((between / 0.005) ** 2)) + 0.12 * np.exp(-((between / 0.022) ** 2))
    old, light = np.float32([0.70, 0.56, 0.38]), np.float32([0.92, 0.81, 0.65])
    colour = old + own.teeth * (light - old)
    shade = 0.25 + 0.75 * step(1.18, 1.42, at.z)
    upper = at.y > 6.60
    arch = np.where(upper, 6.775, 6.475) + np.where(upper, -0.03, 0.03) * (between / 0.044)
    gum = np.where(upper, step(arch, arch + 0.02, at.y), step(arch, arch - 0.02, at.y))
    colour = colour + gum[:, None] * (np.float32([0.36, 0.13, 0.12]) - colour)
    return colour * ((1 - gap * (1 - gum)) * shade)[:, None]
