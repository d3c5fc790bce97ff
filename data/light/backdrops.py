"""What is behind the head: studio sweeps, rooms, walls, gardens, streets, the sea.

A place is painted far to near, in linear RGB on a small canvas, then blurred with the disc of a
lens out of focus, so that lamps and gaps between leaves become discs of light.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data.light.colours import BACKDROPS, Colour, linear

CANVAS = 112  # side of the canvas, pixels
BOOKS = ((120, 40, 36), (40, 62, 92), (66, 84, 60), (168, 138, 92), (92, 66, 50), (196, 188, 172))
CLOTHS = (
    (150, 60, 50),
    (60, 80, 120),
    (190, 180, 160),
    (60, 60, 64),
    (200, 160, 80),
    (90, 120, 90),
)


@dataclass(frozen=True)
class Backdrop:
    """A place behind somebody.

    Attributes:
        kind: a name in `PLACES`.
        colour_name, colour: of the wall or the paper, sRGB; places outdoors have their own colours.
        blur: how far out of focus it is, 0 to 1.
        seed: of everything finer.
    """

    kind: str
    colour_name: str
    colour: Colour
    blur: float
    seed: int

    @property
    def outdoors(self):
        """Whether daylight falls there."""
        return PLACES[self.kind][1]


def sample_backdrop(rng):
    """Draw a `Backdrop`: two fifths studio, a quarter indoors, the rest outdoors."""
    share = np.array([share for _, _, share in PLACES.values()])
    kind = str(rng.choice(list(PLACES), p=share / share.sum()))
    name = str(rng.choice(list(BACKDROPS)))
    colour = np.array(BACKDROPS[name]) * np.exp(rng.normal(0, 0.07))
    sharper = kind.endswith("wall")
    blur = rng.uniform(0.0, 0.5) if sharper else rng.uniform(0.25, 1)
    return Backdrop(
        kind=kind,
        colour_name=name,
        colour=tuple(map(float, np.clip(colour, 0, 255))),
        blur=float(blur),
        seed=int(rng.integers(2**31)),
    )


def paint_backdrop(backdrop, pixels):
    """Paint a backdrop.

    Args:
        backdrop: a `Backdrop`.
        pixels: side of the picture.

    Returns:
        float32 (pixels, pixels, 3), linear RGB, not negative.
    """
    rng = np.random.default_rng([backdrop.seed, 1])
    canvas = PLACES[backdrop.kind][0](rng, linear(backdrop.colour), backdrop.blur)
    large = cv2.resize(canvas.astype(np.float32), (pixels, pixels), interpolation=cv2.INTER_CUBIC)
    return np.clip(large, 0, 4)


# --- tools


def _places():
    """Canvas places from 0 to 1: x and y (down), float32 (CANVAS, CANVAS)."""
    y, x = np.mgrid[:CANVAS, :CANVAS].astype(np.float32) / CANVAS
    return x, y


def _plain(colour):
    return np.ones((CANVAS, CANVAS, 1), np.float32) * np.float32(colour)


def _lens(canvas, radius):
    """Blur with a disc of `radius` pixels: highlights become discs."""
    side = int(np.ceil(radius)) * 2 + 1
    offset = np.arange(side) - side // 2
    disc = np.clip(radius + 0.5 - np.hypot(offset[:, None], offset), 0, 1).astype(np.float32)
    return cv2.filter2D(canvas, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)


def _box(canvas, left, top, right, bottom, colour):
    """Fill a rectangle given in shares of the canvas, in place."""
    ends = [(int(x * CANVAS), int(y * CANVAS)) for x, y in ((left, top), (right, bottom))]
    cv2.rectangle(canvas, *ends, tuple(map(float, colour)), -1)


def _ball(canvas, x, y, radius, colour):
    """Fill a circle given in shares of the canvas, in place."""
    middle = int(x * CANVAS), int(y * CANVAS)
    cv2.circle(canvas, middle, max(1, round(radius * CANVAS)), tuple(map(float, colour)), -1)


def _any(rng, colours):
    """One of some sRGB colours, a little varied, linear."""
    return linear(colours[rng.integers(len(colours))]) * np.exp(rng.normal(0, 0.25))


def _cloudy(rng, grain):
    """Soft noise of mean 0 and deviation 1: float32 (CANVAS, CANVAS, 1)."""
    white = rng.normal(size=(CANVAS, CANVAS)).astype(np.float32)
    soft = cv2.GaussianBlur(white, (0, 0), grain * CANVAS, borderType=cv2.BORDER_REFLECT)
    return ((soft - soft.mean()) / soft.std())[..., None]


# --- studio


def _sweep(rng, base, blur):
    """Paper that sweeps from floor to wall, with a pool of light behind the head."""
    x, y = _places()
    at = rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.6)
    glow = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / rng.uniform(0.12, 0.4))
    slope = (x - 0.5) * rng.normal(0, 0.2) - (y - 0.5) * rng.uniform(0, 0.35)
    return base * (0.55 + 0.6 * glow + slope)[..., None]


def _gradient(rng, base, blur):
    """One colour running into another."""
    x, y = _places()
    angle = rng.uniform(0, 2 * np.pi)
    s = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    other = base * np.exp(rng.normal(0, 0.4)) * np.exp(rng.normal(0, 0.2, 3))
    return base * (1 - s) + other * s


def _muslin(rng, base, blur):
    """Painted cloth: clouds of lighter and darker colour."""
    x, y = _places()
    edge = ((x - 0.5) ** 2 + (y - 0.5) ** 2)[..., None]
    return base * np.exp(0.16 * _cloudy(rng, 0.11) + 0.1 * _cloudy(rng, 0.04) - 0.9 * edge)


# --- indoors


def _room(rng, base, blur):
    """A wall with pictures, a window, a lamp, furniture."""
    x, y = _places()
    canvas = _plain(base) * (0.75 + 0.35 * np.exp(-((x - rng.random()) ** 2) / 0.2))[..., None]
    canvas = np.ascontiguousarray(canvas, np.float32)
    if rng.random() < 0.6:
        left, wide = rng.uniform(-0.1, 0.75), rng.uniform(0.25, 0.4)
        _box(canvas, left - 0.04, 0, left + wide + 0.04, 0.62, base * 0.5)
        _box(
            canvas, left, 0, left + wide, 0.58, np.float32([1.5, 1.65, 1.9]) * rng.uniform(0.8, 1.3)
        )
        for k in range(1, 3):
            _box(canvas, left + wide * k / 3 - 0.008, 0, left + wide * k / 3, 0.58, (0.3, 0.3, 0.3))
        curtain = _any(rng, CLOTHS)
        _box(canvas, left - 0.1, 0, left + 0.03, 0.8, curtain)
        _box(canvas, left + wide - 0.03, 0, left + wide + 0.1, 0.8, curtain)
    for _ in range(rng.integers(1, 4)):
        left, top = rng.uniform(-0.1, 0.95), rng.uniform(0.02, 0.35)
        wide, high = rng.uniform(0.1, 0.22), rng.uniform(0.12, 0.25)
        _box(canvas, left, top, left + wide, top + high, linear((52, 40, 32)))
        _box(
            canvas,
            left + 0.02,
            top + 0.02,
            left + wide - 0.02,
            top + high - 0.02,
            _any(rng, CLOTHS),
        )
    _box(canvas, 0, 0.76 + rng.uniform(0, 0.12), 1, 1, linear((96, 68, 48)) * rng.uniform(0.5, 1.2))
    left = rng.uniform(-0.2, 0.7)
    _box(canvas, left, rng.uniform(0.6, 0.75), left + rng.uniform(0.3, 0.6), 1, _any(rng, CLOTHS))
    if rng.random() < 0.6:
        _lamp(canvas, rng.choice([0.1, 0.9]) + rng.normal(0, 0.05), rng.uniform(0.3, 0.5))
    return _lens(canvas, 1.5 + 5.5 * blur)


def _lamp(canvas, x, y):
    """A shaded lamp and its glow on the wall, in place."""
    px, py = _places()
    canvas += (0.5 * np.exp(-((px - x) ** 2 + (py - y) ** 2) / 0.03))[..., None] * np.float32(
        [1.0, 0.7, 0.4]
    )
    _box(canvas, x - 0.06, y - 0.06, x + 0.06, y + 0.06, (2.6, 1.9, 1.1))


def _shelves(rng, base, blur):
    """Shelves full of books."""
    canvas = _plain(linear((60, 42, 30)))
    top, high = -rng.uniform(0, 0.15), rng.uniform(0.2, 0.28)
    while top < 1:
        left = -0.02
        while left < 1:
            wide, tall = rng.uniform(0.018, 0.05), high * rng.uniform(0.6, 0.88)
            if rng.random() < 0.9:
                _box(
                    canvas,
                    left,
                    top + high - tall,
                    left + wide * 0.92,
                    top + high,
                    _any(rng, BOOKS),
                )
            left += wide
        _box(canvas, 0, top + high, 1, top + high + 0.025, linear((96, 68, 46)))
        top += high + 0.025
    x, y = _places()
    canvas *= (0.55 + 0.6 * np.exp(-((x - rng.random()) ** 2 + (y - 0.2) ** 2) / 0.4))[..., None]
    return _lens(canvas, 0.8 + 3.7 * blur)


def _cafe(rng, base, blur):
    """A dim warm room with many small lamps."""
    canvas = _plain(linear((58, 44, 36))) * np.exp(0.35 * _cloudy(rng, 0.1))
    canvas = np.ascontiguousarray(canvas, np.float32)
    for _ in range(rng.integers(4, 9)):
        left, top = rng.uniform(-0.1, 1), rng.uniform(0.3, 0.9)
        right, bottom = left + rng.uniform(0.05, 0.25), top + rng.uniform(0.1, 0.5)
        _box(canvas, left, top, right, bottom, 0.5 * _any(rng, CLOTHS))
    _bulbs(rng, canvas, rng.integers(9, 22), (2.6, 1.8, 0.9), 0.55)
    return _lens(canvas, 3 + 5 * blur)


def _bulbs(rng, canvas, count, colour, lowest):
    """Small bright lamps, in place."""
    for _ in range(count):
        tint = np.float32(colour) * np.exp(rng.normal(0, 0.15, 3)) * rng.uniform(0.8, 3)
        _ball(canvas, rng.random(), rng.uniform(0, lowest), rng.uniform(0.006, 0.014), tint)


# --- walls


def _bricks(rng, base, blur):
    """A brick wall."""
    canvas = _plain(linear((150, 140, 128)) * 0.8)
    clay = linear(((150, 84, 64), (120, 72, 58), (186, 176, 164))[rng.integers(3)])
    high, wide = 0.052, 0.145
    for row in range(21):
        for column in range(-1, 8):
            left = (column + 0.5 * (row % 2)) * wide
            colour = clay * np.exp(rng.normal(0, 0.16)) * np.exp(rng.normal(0, 0.03, 3))
            _box(canvas, left, row * high, left + wide - 0.014, (row + 1) * high - 0.016, colour)
    canvas *= np.exp(0.1 * _cloudy(rng, 0.15) + 0.05 * _cloudy(rng, 0.01))
    return _lens(canvas, 0.6 + 3 * blur)


def _plaster(rng, base, blur):
    """A plastered or painted wall."""
    x, _ = _places()
    shade = np.exp(
        0.07 * _cloudy(rng, 0.2) + 0.05 * _cloudy(rng, 0.03) + 0.03 * _cloudy(rng, 0.008)
    )
    return base * shade * (0.8 + 0.35 * (x if rng.random() < 0.5 else 1 - x))[..., None]


def _planks(rng, base, blur):
    """A wall of planks."""
    canvas = _plain((0.02, 0.015, 0.01))
    wood, left = linear(((140, 104, 74), (96, 70, 52), (182, 160, 132))[rng.integers(3)]), -0.05
    while left < 1:
        wide = rng.uniform(0.1, 0.15)
        _box(canvas, left, 0, left + wide - 0.012, 1, wood * np.exp(rng.normal(0, 0.15)))
        left += wide
    grain = cv2.GaussianBlur(_cloudy(rng, 0.006)[..., 0], (0, 0), 0.4, sigmaY=14)[..., None]
    return _lens(canvas * np.exp(0.25 * grain), 0.6 + 3 * blur)


# --- outdoors


def _sky(rng):
    """A sky, paler towards the horizon, with clouds."""
    _, y = _places()
    blue = linear((96, 142, 196)) * rng.uniform(0.9, 1.3)
    pale = linear((214, 224, 232)) * rng.uniform(0.9, 1.15)
    if rng.random() < 0.25:
        pale = linear((246, 206, 160))  # evening
    sky = blue + (pale - blue) * np.clip(y * rng.uniform(1.2, 2), 0, 1)[..., None]
    cloud = np.clip(_cloudy(rng, 0.09) * 0.5 + rng.uniform(-0.5, 0.4), 0, 1)
    return np.ascontiguousarray(sky + cloud * (1.05 - sky), np.float32)


def _leaves(rng, canvas, count, lowest, size, green):
    """Scatter leaves in lit and shaded greens, in place."""
    for _ in range(count):
        light = np.exp(rng.normal(0, 0.55))
        colour = green * light * np.exp(rng.normal(0, 0.12, 3))
        _ball(canvas, rng.random(), rng.uniform(0, lowest), size * rng.uniform(0.5, 1.4), colour)


def _trees(rng, base, blur):
    """Leaves in several depths, with the sky shining through."""
    canvas = _plain(linear((196, 212, 214)) * rng.uniform(1.0, 1.8))
    green = linear(((64, 92, 48), (84, 104, 44), (52, 84, 58), (150, 110, 48))[rng.integers(4)])
    _leaves(rng, canvas, 420, 1.0, 0.038, green * 0.55)
    canvas = _lens(canvas, 2 + 3 * blur)
    for _ in range(rng.integers(0, 4)):
        left = rng.random()
        _box(canvas, left, 0, left + rng.uniform(0.02, 0.06), 1, linear((62, 52, 44)) * 0.6)
    _leaves(rng, canvas, 150, 1.0, 0.03, 1.3 * green)
    _bulbs(rng, canvas, rng.integers(4, 20), (1.2, 1.35, 1.0), 0.8)
    return _lens(canvas, 1.5 + 4.5 * blur)


def _park(rng, base, blur):
    """A lawn, a path and trees under the sky."""
    canvas, x = _sky(rng), _places()[0]
    horizon = rng.uniform(0.5, 0.68)
    green = linear(((78, 104, 52), (94, 112, 56))[rng.integers(2)])
    for _ in range(rng.integers(8, 16)):
        middle, radius = rng.random(), rng.uniform(0.06, 0.2)
        colour = green * rng.uniform(0.3, 0.9)
        _ball(canvas, middle, horizon - radius * rng.uniform(0.4, 1.2), radius, colour)
    _leaves(rng, canvas, 120, horizon, 0.02, green * 0.8)
    _box(canvas, 0, horizon, 1, 1, green * rng.uniform(0.9, 1.5))
    if rng.random() < 0.6:
        left = rng.uniform(0, 0.7)
        corners = [(left + 0.1, horizon), (left + 0.16, horizon), (left + 0.5, 1), (left - 0.2, 1)]
        shape = (np.array(corners) * CANVAS).astype(np.int32)
        cv2.fillPoly(canvas, [shape], tuple(map(float, linear((190, 176, 152)))))
    return _lens(canvas * (0.9 + 0.2 * x)[..., None], 1.5 + 4.5 * blur)


def _street(rng, base, blur):
    """Houses, windows and a pavement."""
    canvas, left = _sky(rng), -0.05
    while left < 1:
        wide, top = rng.uniform(0.15, 0.35), rng.uniform(0.0, 0.35)
        wall = (
            linear((176, 158, 138)) * np.exp(rng.normal(-0.3, 0.35)) * np.exp(rng.normal(0, 0.1, 3))
        )
        _box(canvas, left, top, left + wide, 0.85, wall)
        for row in np.arange(top + 0.05, 0.75, 0.12):
            for column in np.arange(left + 0.03, left + wide - 0.04, 0.08):
                glass = linear((110, 130, 150)) * np.exp(rng.normal(-0.6, 0.7))
                _box(canvas, column, row, column + 0.04, row + 0.07, glass)
        left += wide
    _box(canvas, 0, 0.82, 1, 1, linear((124, 122, 120)))
    for _ in range(rng.integers(2, 7)):
        middle = rng.random()
        _box(canvas, middle, rng.uniform(0.68, 0.78), middle + 0.1, 0.86, _any(rng, CLOTHS))
    return _lens(canvas, 1.5 + 4.5 * blur)


def _sea(rng, base, blur):
    """The sea under the sky, perhaps a beach."""
    canvas, horizon = _sky(rng), rng.uniform(0.45, 0.65)
    _, y = _places()
    water = linear((58, 104, 132)) * rng.uniform(0.8, 1.5)
    wave = np.repeat(rng.normal(size=(CANVAS, 1, 1)), CANVAS, 1).astype(np.float32)
    wave = cv2.GaussianBlur(wave[..., 0], (0, 0), 0.8)[..., None]
    below = (y > horizon)[..., None]
    canvas = np.where(below, water * np.exp(0.2 * wave + 0.12 * _cloudy(rng, 0.02)), canvas)
    canvas = np.ascontiguousarray(canvas, np.float32)
    if rng.random() < 0.6:
        _box(canvas, 0, rng.uniform(0.75, 0.9), 1, 1, linear((208, 186, 150)))
    return _lens(canvas, 0.8 + 3.5 * blur)


def _mountains(rng, base, blur):
    """Ranges of hills, paler the farther they are."""
    canvas, haze = _sky(rng), linear((170, 190, 210))
    near = linear(((62, 84, 62), (88, 92, 84), (206, 214, 222))[rng.integers(3)])
    x, y = _places()
    for k in range(3):
        waves = sum(
            rng.normal(0, 0.05) / m * np.sin(2 * np.pi * (m * x + rng.random()))
            for m in (1, 2, 3, 5)
        )
        ridge = 0.35 + 0.15 * k + waves
        share = (k + 1) / 3
        colour = (haze * (1 - share) + near * share) * np.exp(0.12 * _cloudy(rng, 0.03))
        canvas = np.where((y > ridge)[..., None], colour, canvas)
    return _lens(np.ascontiguousarray(canvas, np.float32), 0.8 + 3.5 * blur)


def _night(rng, base, blur):
    """A city at dusk: dark shapes and many lights."""
    _, y = _places()
    dusk = linear((52, 66, 104)) + (linear((150, 104, 96)) - linear((52, 66, 104))) * y[..., None]
    canvas, left = np.ascontiguousarray(0.6 * dusk, np.float32), -0.05
    while left < 1:
        wide = rng.uniform(0.1, 0.3)
        _box(canvas, left, rng.uniform(0.05, 0.5), left + wide, 1, linear((34, 36, 46)))
        left += wide
    for _ in range(rng.integers(30, 70)):
        lamps = (
            (2.4, 1.7, 0.8),
            (2.4, 1.9, 1.4),
            (1.2, 1.6, 2.4),
            (2.4, 0.5, 0.4),
            (0.6, 2.0, 1.2),
        )
        colour = np.float32(lamps[rng.integers(len(lamps))]) * rng.uniform(0.5, 2.5)
        _ball(canvas, rng.random(), rng.uniform(0.2, 0.95), rng.uniform(0.004, 0.012), colour)
    return _lens(canvas, 3 + 5 * blur)


# How each place is painted, whether it is outdoors, and how often it is seen.
PLACES = {
    "sweep": (_sweep, False, 0.2),
    "gradient": (_gradient, False, 0.1),
    "muslin": (_muslin, False, 0.08),
    "room": (_room, False, 0.13),
    "bookshelf": (_shelves, False, 0.06),
    "cafe": (_cafe, False, 0.05),
    "brick wall": (_bricks, True, 0.04),
    "plaster wall": (_plaster, False, 0.05),
    "wooden wall": (_planks, False, 0.03),
    "trees": (_trees, True, 0.1),
    "park": (_park, True, 0.06),
    "street": (_street, True, 0.06),
    "sea": (_sea, True, 0.04),
    "mountains": (_mountains, True, 0.03),
    "night city": (_night, True, 0.03),
}
