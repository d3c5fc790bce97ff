"""Drawn styles: the same scene by hand instead of by camera.

A drawing is made from what the renderer knows of each sample, not from its picture alone: ink runs
where parts or distances end, tone follows the light, strokes follow the form and the strands of
hair. Widths are in pixels of the finished picture, so that a style reads alike at every size.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from data.shape.maths import step
from data.shape.parts import PART

FAR = 99.0  # dm, the distance of what nothing covers
LUMA = np.float32([0.2126, 0.7152, 0.0722])
BARE = ("skin", "nose", "ears", "neck", "lips", "brows", "eyes", "inner mouth", "facial hair")


@dataclass(frozen=True, eq=False)
class Layers:
    """What the renderer knows of a picture of S pixels a side, at its H samples a side.

    Attributes:
        light: float32 (H, H, 3), linear RGB before development.
        photo: uint8 (S, S, 3), the developed picture.
        labels: uint8 (H, H), the part map.
        depth: float32 (H, H), distance from the camera, dm; FAR where nothing is.
        normal: float32 (H, H, 3), unit vectors (right, up, towards the camera); 0 where nothing is.
        lit: float32 (H, H) in [0, 1], how much of the key light falls on it.
        strand: float32 (H, H, 2), course of hair in the picture (right, down), at most of length 1;
            0 where there is none.
    """

    light: np.ndarray
    photo: np.ndarray
    labels: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    lit: np.ndarray
    strand: np.ndarray


def draw(style, layers, size, rng):
    """Draw a picture in a style.

    Args:
        style: one of `data.shape.parts.STYLES` but the photo.
        layers: a `Layers`.
        size: side of the picture wanted, pixels.
        rng: numpy Generator; the same state gives the same drawing.

    Returns:
        uint8 (size, size, 3), sRGB.
    """
    picture = DRAWN[style](layers, size, rng)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, -1)
    if len(picture) != size:
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def _blur(array, sigma):
    """A Gaussian blur; a wide one is made of fewer samples, for its cost grows with its width."""
    less = int(sigma / 2)
    if less < 2:
        return cv2.GaussianBlur(array, (0, 0), max(sigma, 0.2))
    side = len(array)
    small = _small(array, max(4, side // less))
    small = cv2.GaussianBlur(small, (0, 0), sigma * len(small) / side)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def _is(labels, *names):
    """bool (H, H): where one of some parts is."""
    return np.isin(labels, [PART[name] for name in names])


def _tone(light):
    """How light samples look: linear RGB (H, H, 3) to float32 (H, H) in [0, 1], about sRGB."""
    x = light @ LUMA
    return np.sqrt(np.clip(0.9 * x / (1 + 0.35 * x), 0, 1))


def _median(values, mask, otherwise, percent=50):
    """The median (or another percentile) of values where a mask is, or `otherwise` where it is
    nowhere."""
    return float(np.percentile(values[mask], percent)) if mask.any() else otherwise


def _grain(size, rng, *sigmas):
    """Noise float32 (size, size) of mean 0 and deviation 1, blurred and summed."""
    total = np.zeros((size, size), np.float32)
    for sigma in sigmas:
        small = max(4, int(size / max(1.0, sigma)))
        noise = rng.standard_normal((small, small), np.float32)
        noise = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
        total += noise / noise.std()
    return total / np.float32(np.sqrt(len(sigmas)))


def _outlines(layers, width):
    """Lines where things end: float32 (H, H), 1 on the ink, heavier away from the light.

    Args:
        layers: a `Layers`.
        width: of a line, samples.
    """
    labels, depth = layers.labels, layers.depth
    hair = _blur(_is(labels, "hair").astype(np.float32), 1.3 * width) > 0.5  # not every strand
    groups = _groups(np.where(labels == PART["hair"], PART["skin"], labels))
    groups[hair] = _groups(np.uint8(PART["hair"]))
    flat = np.where(hair, 0, np.minimum(depth, 30)).astype(np.float32)  # strands jump all over
    edge = np.zeros(labels.shape, np.float32)
    for axis in (0, 1):
        near, away = np.s_[:-1], np.s_[1:]
        if axis:
            near, away = np.s_[:, :-1], np.s_[:, 1:]
        jump = np.abs(flat[near] - flat[away]) > 0.13
        jump &= ~hair[near] & ~hair[away]
        edge[near] = np.maximum(edge[near], (groups[near] != groups[away]) | jump)
    shade = 1 - _blur(layers.lit, 2 * width)
    return step(0.16, 0.34, _blur(edge, 0.5 * width) * (0.75 + 0.9 * shade) * np.sqrt(width))


def _dark_lines(tone, width, low, high):
    """Where a picture is darker than round about: float32 (H, H), 1 on lines of about a width.

    Reference: Winnemoeller, Kyprianidis and Olsen 2012, difference of Gaussians as ink.
    """
    narrow, wide = _blur(tone, 0.45 * width), _blur(tone, 1.6 * width)
    return step(low, high, (wide - narrow) / (wide + 0.08))


def _dots(shape, pitch, coverage):
    """Screen tone: 1 where there is ink, in dots on a slanted lattice.

    Args:
        shape: (H, W).
        pitch: samples from dot to dot.
        coverage: float32 (H, W), share that is inked.
    """
    y, x = np.indices(shape, np.float32)
    k = np.float32(np.sqrt(2) * np.pi / pitch)
    lattice = 0.5 + 0.25 * (np.cos((x + y) * k) + np.cos((x - y) * k))
    # The lattice is highest on a dot's middle; its values are spread as a bell about 1/2.
    return step(-0.07, 0.07, lattice - (1 - coverage) * 1.0) * (coverage > 0.02)


def _hair_lines(layers, tone, width, rng):
    """Lines along the strands of hair: float32 (H, H) in [-1, 1], dark below 0."""
    noise = _grain(len(tone), rng, 0.6 * width) * 0.5 + 4 * (tone - _blur(tone, 3 * width))
    return np.clip(_along(noise, layers.strand, 4, 0.9 * width), -1, 1)


def _along(picture, flow, reach, stride):
    """Smear a picture (H, W) or (H, W, 3) along a flow (H, W, 2).

    Reference: Cabral and Leedom 1993, line integral convolution, with straight lines.
    """
    y, x = np.indices(flow.shape[:2], np.float32)
    length = np.maximum(np.hypot(flow[..., 0], flow[..., 1]), 0.3)
    right, down = flow[..., 0] / length * stride, flow[..., 1] / length * stride
    total = picture.copy()
    for k in range(1, reach + 1):
        for sign in (-k, k):
            total += cv2.remap(
                picture,
                x + sign * right,
                y + sign * down,
                cv2.INTER_NEAREST,
                borderMode=cv2.BORDER_REFLECT,
            )
    return total / (2 * reach + 1)


def _form(layers, sigma):
    """The way strokes run, float32 (H, H, 2): along strands, and else round the form, as contours
    of a height map run; steered smoothly (as double angles, for a stroke has no front)."""
    x, y = layers.normal[..., 0], -layers.normal[..., 1]
    strand = np.hypot(layers.strand[..., 0], layers.strand[..., 1])
    on = strand > 0.05
    u, v = np.where(on, layers.strand[..., 0], -y), np.where(on, layers.strand[..., 1], x)
    double = _blur(np.stack([u * u - v * v, 2 * u * v], -1), sigma)
    angle = 0.5 * np.arctan2(double[..., 1], double[..., 0] + 1e-6)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _manga(layers, size, rng):
    """Ink lines, solid blacks and screen tone: float32 (H, H) in [0, 1]."""
    labels, over = layers.labels, len(layers.labels) / size
    unit = over * max(1.0, size / 200)  # a line at 256 pixels is a little finer than at 64
    tone = _tone(layers.light)
    bare, hair, cloth = (
        _is(labels, *BARE),
        _is(labels, "hair", "facial hair"),
        labels == PART["clothes"],
    )
    coverage = np.zeros(tone.shape, np.float32)
    skin = _median(tone, _is(labels, "skin", "nose"), 0.6)
    shadow = step(0.4, 0.28, _blur(layers.lit, 3 * unit))
    coverage[bare] = (0.75 * np.clip(0.56 - skin, 0, 0.4) + 0.26 * shadow)[bare]
    lips, eyeballs = labels == PART["lips"], _is(labels, "eyes")
    coverage[lips] += np.clip(1.6 * (skin - _median(tone, lips, skin)) - 0.12, 0, 0.5)
    fabric = _median(tone, cloth, 0.5)
    coverage[cloth] = (np.round(4 * np.clip(0.95 - fabric, 0, 1)) / 4 + 0.2 * shadow)[cloth]
    lines = _hair_lines(layers, tone, unit, rng)
    mass = _median(_blur(tone, unit), hair, 0.3, 75)  # of its lit side
    if hair.any():
        coverage[hair] = _hair_coverage(mass, lines[hair], _blur(tone, 1.2 * unit)[hair])
    ground = labels == 0
    coverage[ground] = _manga_ground(len(tone), rng, over)[ground]
    ink = _dots(tone.shape, 3.4 * over if size > 128 else 2.6 * over, coverage)
    ink = np.maximum(ink, coverage > 0.93)
    if size <= 128:  # dots would be as large as eyes
        ink[bare] = 0.6 * coverage[bare]
    keen = np.where(_is(labels, "lips", "nose", "inner mouth"), 0.6, 1.0)
    fine = _dark_lines(tone, 1.1 * unit, 0.09 * keen, 0.2 * keen)
    fine = fine * (bare & ~_is(labels, "facial hair"))
    fine = np.maximum(fine, _mouth_line(layers, unit))
    relative = tone / max(skin, 0.35)
    solid = step(0.6, 0.45, relative) * eyeballs + step(1.02, 0.82, relative) * _is(labels, "brows")
    ink = np.where(eyeballs, solid, ink)
    for line in (fine, solid, _lids(eyeballs, 1.5 * unit), _outlines(layers, 1.15 * unit)):
        ink = np.maximum(ink, line)
    return 1 - 0.94 * ink


def _mouth_line(layers, width):
    """The line between closed lips: float32 (H, H). There the form turns from facing down to facing
    up within a width (samples)."""
    up, reach = _blur(layers.normal[..., 1], 0.5 * width), max(1, round(width))
    turns = np.zeros_like(up)
    turns[reach:-reach] = up[2 * reach :] - up[: -2 * reach]
    return step(0.35, 0.7, turns) * (layers.labels == PART["lips"])


def _lids(eyes, width):
    """The upper lids' line: a band of a width (samples) above eyes, bool (H, H)."""
    tall = cv2.dilate(eyes.astype(np.uint8), np.ones((2 * round(width) + 1, 1)))
    below = np.zeros_like(eyes)
    below[: -round(width)] = eyes[round(width) :]
    return (tall > 0) & below & ~eyes


def _hair_coverage(mass, lines, tone):
    """Ink on hair (P,): solid with a gleam when it is dark, screen tone and lines when it is not.

    Args:
        mass: how light its lit side is.
        lines, tone: float32 (P,), lines along the strands and how light each sample is.
    """
    if mass < 0.36:
        gleam = tone * (1 + 0.5 * lines)
        return 1 - step(*np.percentile(gleam, (90, 93)), gleam)
    return (0.42 if mass < 0.62 else 0.1) + step(0.1, 0.5, -lines) * 0.9


def _manga_ground(side, rng, over):
    """Tone behind the head, float32 (side, side): a fall of dots, or lines that run together."""
    y, x = np.indices((side, side), np.float32) / side
    if rng.random() < 0.3:
        angle = np.arctan2(y - 0.5, x - 0.5)
        rays = np.interp(angle, np.linspace(-np.pi, np.pi, 181), rng.random(181))
        inner = 0.50 + 0.22 * rays
        return ((np.hypot(x - 0.5, y - 0.5) > inner) * (rays > 0.25)).astype(np.float32)
    low, high = rng.uniform(0, 0.1), rng.uniform(0.2, 0.42)
    return np.float32(low) + np.float32(high - low) * (y if rng.random() < 0.5 else 1 - y)


def _pencil(layers, size, rng):
    """Graphite on paper: hatching round the form, darker where pressed: float32 (H, H)."""
    labels, over = layers.labels, len(layers.labels) / size
    unit = over * max(1.0, size / 200)
    tone = _blur(_tone(layers.light), 0.5 * unit)
    skin = _median(tone, _is(labels, "skin", "nose"), 0.6)
    paper = _grain(len(tone), rng, 0.7 * over, 1.6 * over)
    dark = np.clip(1.02 - tone / (0.42 + 0.65 * skin), 0, 1)
    bare = _blur(_is(labels, "skin", "nose", "neck", "ears").astype(np.float32), 0.5 * unit)
    dark *= 1 - 0.35 * bare * step(0.75, 0.35, dark)  # skin stays light but for its shadows
    hair, seeing = _is(labels, "hair", "facial hair"), _is(labels, "eyes", "brows")
    mass = _median(tone, hair, 0.3)
    dark[hair] = np.clip(0.88 * dark - 2.2 * (tone - mass), 0.05, 0.95)[hair]
    dark[seeing] = np.maximum(dark, step(0.95, 0.45, tone / max(skin, 0.35)))[seeing]
    around = _blur((labels != 0).astype(np.float32), 0.07 * len(tone))
    loose = _blur(paper, 6 * unit) * 8
    dark = np.where(labels == 0, 0.5 * around * step(-0.6, 1.2, loose), dark)
    flow = _hatching(layers, unit)
    across = np.stack([flow[..., 0] - flow[..., 1], flow[..., 0] + flow[..., 1]], -1) * 0.7071
    noise = _grain(len(tone), rng, 0.75 * unit)
    first, second = _along(noise, flow, 3, 1.3 * unit), _along(noise[::-1], across, 3, 1.2 * unit)
    first, second = first / first.std(), second / second.std()
    graphite = 0.62 * step(-0.9, 0.9, first + 4.6 * (dark - 0.34))
    graphite += 0.32 * step(-0.8, 0.8, second + 5 * (dark - 0.62))
    graphite = graphite * (0.25 + 0.85 * dark) * (0.85 + 0.13 * paper) + 0.28 * dark
    fine = _dark_lines(tone, 1.0 * unit, 0.05, 0.22) * (labels != 0)
    lines = np.maximum(0.75 * _outlines(layers, 0.85 * unit), 0.8 * fine)
    lines = np.maximum(lines, 0.75 * _mouth_line(layers, 0.7 * unit))
    lines = np.maximum(lines, 0.7 * _lids(_is(labels, "eyes"), 0.8 * unit))
    graphite = 1 - (1 - np.clip(graphite, 0, 0.92)) * (1 - lines * (0.82 + 0.12 * paper))
    return 0.965 + 0.012 * paper - 0.86 * np.clip(graphite, 0, 1)


def _hatching(layers, unit):
    """The way a pencil runs: along strands, and else one slant that yields to the form a little."""
    flow, strand = _form(layers, 3 * unit), _is(layers.labels, "hair", "facial hair")
    slant = np.float32([0.55, -0.83])
    side = np.where(flow @ slant < 0, -1, 1)[..., None].astype(np.float32)
    flow = np.where(strand[..., None], flow, 0.3 * side * flow + slant)
    return flow / np.linalg.norm(flow, axis=-1, keepdims=True)


def _small(array, size):
    """A layer (H, H) or (H, H, C) at the picture's own size."""
    return cv2.resize(array, (size, size), interpolation=cv2.INTER_AREA)


def _purer(picture, factor):
    """A picture (S, S, 3) with its distance from grey multiplied."""
    grey = picture.mean(-1, keepdims=True)
    return grey + factor * (picture - grey)


@dataclass(frozen=True)
class _Brush:
    """A brush: width of a stroke and its length (pixels of a picture of 256), how many strokes, and
    between which amounts of detail it is used."""

    width: float
    length: float
    count: int
    least: float
    most: float


@dataclass(frozen=True, eq=False)
class _Place:
    """Where strokes may go, (H, H) each: `flow` (H, H, 2), the way they run; uint8 `groups`, what
    is drawn as one thing; `detail` in [0, 1]; `room`, samples to the nearest edge of a group."""

    flow: np.ndarray
    groups: np.ndarray
    detail: np.ndarray
    room: np.ndarray


BRUSHES = (
    _Brush(width=18, length=54, count=320, least=0.0, most=0.2),
    _Brush(width=9, length=24, count=800, least=0.0, most=0.38),
    _Brush(width=5, length=14, count=1700, least=0.12, most=2.0),
    _Brush(width=2.6, length=9, count=1700, least=0.3, most=2.0),
    _Brush(width=1.5, length=4, count=1100, least=0.6, most=2.0),
)


def _oil(layers, size, rng):
    """Strokes from broad to fine that follow the form, with bristles and a raised edge.

    Reference: Hertzmann 1998, strokes of several sizes laid over each other.
    """
    side = 2 * size
    photo = cv2.resize(layers.photo, (side, side), interpolation=cv2.INTER_LINEAR)
    flow = cv2.resize(_form(layers, len(layers.labels) / 45), (side, side))
    groups = cv2.resize(_groups(layers.labels), (side, side), interpolation=cv2.INTER_NEAREST)
    ground = groups == 0
    sweep = 0.8 * _grain(side, rng, side / 5)[ground] + 0.6
    flow[ground] = np.stack([np.cos(sweep), np.sin(sweep)], -1)
    detail = _detail(layers, side)
    inner = cv2.morphologyEx(groups, cv2.MORPH_GRADIENT, np.ones((3, 3))) == 0
    room = cv2.distanceTransform(inner.astype(np.uint8), cv2.DIST_L2, 3)
    place = _Place(flow=flow, groups=groups, detail=detail, room=room)
    scale = side / 256 if size > 128 else side / 200  # coarser where there is less room
    canvas = np.zeros((side, side, 4), np.uint8)
    canvas[..., :3] = _blur(photo, 2.5 * scale)
    for brush in BRUSHES:
        few = 1.0 if size > 128 else 0.3
        brush = replace(
            brush,
            width=max(1.0, brush.width * scale),
            length=brush.length * scale,
            count=int(brush.count * few),
        )
        _strokes(canvas, _blur(photo, 0.2 * brush.width), place, brush, rng)
    glaze = (0.8 * step(0.48, 0.95, detail))[..., None]  # eyes and mouth: the finest work
    colour = (canvas[..., :3] + glaze * (photo.astype(np.float32) - canvas[..., :3])) / 255
    bristle = _along(_grain(side, rng, 0.9 * scale), flow, 3, scale)
    height = canvas[..., 3].astype(np.float32) / 255 + 0.35 * bristle
    relief = _blur(height, 0.4 * scale)
    away = np.float32([[1, 0, 0.8 * scale], [0, 1, 0.8 * scale]])
    slope = relief - cv2.warpAffine(relief, away, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(_purer(colour, 1.2) * (1 + 0.15 * np.clip(slope, -1, 1))[..., None], 0, 1)


def _groups(labels):
    """What is drawn as one thing: uint8, 0 behind, 1 bare skin, 2 clothes, 3 hair, 4 glasses, 5
    hat."""
    table = np.zeros(256, np.uint8)
    table[[PART[name] for name in BARE]] = 1
    for number, name in enumerate(("clothes", "hair", "glasses", "hat"), 2):
        table[PART[name]] = number
    return table[labels]


def _detail(layers, side):
    """Where a painter takes a fine brush, float32 (side, side) in [0, 1]: eyes, lips, edges."""
    fine = _is(layers.labels, "eyes", "lips", "inner mouth", "brows").astype(np.float32)
    some = _is(layers.labels, "nose", "glasses").astype(np.float32)
    unit = len(fine) / 256
    edge = cv2.morphologyEx(np.minimum(layers.depth, 32), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    face = _is(layers.labels, *BARE, "hair").astype(np.float32)
    total = np.maximum(_blur(fine, 1.3 * unit) * 1.6, 0.62 * _blur(some, 2 * unit))
    total = np.maximum(total, 0.36 * _blur(face, 2 * unit))
    total = np.maximum(total, 0.4 * np.clip(_blur((edge > 0.3).astype(np.float32), unit), 0, 1))
    return np.clip(cv2.resize(total, (side, side)), 0, 1)


def _strokes(canvas, source, place, brush, rng):
    """Lay strokes of one brush on a canvas uint8 (H, H, 4), in place; its fourth channel is how
    thick the paint lies. A stroke takes the colour under its middle, bends with the flow and ends
    where its part ends.

    Args:
        source: uint8 (H, H, 3), the colours.
        place: `_Place`.
        brush: a `_Brush`.
    """
    side = len(canvas)
    at = rng.random((2, 6 * brush.count), np.float32) * (side - 1)
    column, row = at.astype(int)
    found = place.detail[row, column] * rng.uniform(0.7, 1.3, len(row))
    wanted = (found >= brush.least) & (found < brush.most)
    wanted &= place.room[row, column] > 0.35 * brush.width - 1
    at = at[:, wanted][:, : brush.count]
    column, row = at.astype(int)
    path = _paths(at, place.flow, place.groups, brush.length)
    colours = source[row, column] + rng.normal(0, 4, (len(row), 1))
    colours += rng.normal(0, 2.5, (len(row), 3))
    colours = np.clip(np.column_stack([colours, rng.uniform(40, 255, len(row))]), 0, 255)
    points = np.ascontiguousarray(np.round(path * 8), np.int32)  # eighths of a pixel
    thick = np.maximum(1, np.round(brush.width * rng.uniform(0.7, 1.15, len(row)))).astype(int)
    for line, colour, across in zip(points, colours.tolist(), thick.tolist(), strict=True):
        cv2.polylines(canvas, [line], False, colour, across, cv2.LINE_8, 3)


def _paths(at, flow, groups, length):
    """Courses of strokes through places (2, N) that keep to a part: float32 (N, 5, 2), x and y."""
    side, points = len(flow), [at]
    column, row = at.astype(int)
    own = groups[row, column]
    for sign in (-1, 1):
        place, last = at, flow[row, column].T * sign
        for _ in range(2):
            x, y = place.astype(int)
            way = flow[y, x].T
            way = way * np.where((way * last).sum(0) < 0, -1, 1)
            ahead = np.clip(place + way * np.float32(length / 4), 0, side - 1)
            x, y = ahead.astype(int)
            place, last = np.where(groups[y, x] == own, ahead, place), way
            points.append(place)
    return np.stack([points[k] for k in (2, 1, 0, 3, 4)]).transpose(2, 0, 1)


def _watercolour(layers, size, rng):
    """Washes on white paper: float32 (S, S, 3).

    Reference: Bousseau et al. 2006, pigment density from paper, turbulence and wash edges.
    """
    unit, over = max(size / 256, 0.4), len(layers.labels) / size
    paper = _grain(size, rng, 1.0, 2.0)
    turbulence = _grain(size, rng, size / 4, size / 10, size / 22)
    shares = _shares(layers.labels, size)
    photo = layers.photo.astype(np.float32) / 255
    wash = _in_parts(photo, shares, 1.5 * unit)
    fine = _is(layers.labels, "eyes", "brows", "lips", "inner mouth").astype(np.float32)
    wash += 0.85 * _blur(_small(fine, size), 0.5 * unit)[..., None] * (photo - wash)
    level = wash.mean(-1)
    steps = 5.5
    soft = np.floor(level * steps + 0.1 * turbulence)
    soft = (soft + step(0.25, 0.75, level * steps + 0.1 * turbulence - soft)) / steps
    wash = wash * ((0.35 * level + 0.65 * soft + 0.03) / (level + 0.03))[..., None]
    wash = _purer(np.clip(0.17 + 0.95 * wash, 0, 1), 1.25)
    ground, rim = shares[0], _wash_edges(shares, soft, unit)
    y, x = np.indices((size, size), np.float32) / size
    border = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)) + 0.03 * turbulence
    fade = step(0.49, 0.40, border) * (1 - ground * (0.2 + 0.5 * step(-1.5, 1.7, turbulence)))
    density = 1 + 0.16 * turbulence + 0.13 * paper + 0.75 * rim
    wash = np.clip(wash, 0.02, 1)
    inked = np.clip(wash - (wash - wash * wash) * (density - 1)[..., None], 0, 1)
    white = np.float32([0.985, 0.978, 0.96]) * (1 + 0.012 * paper)[..., None]
    pencil = _small(_dark_lines(_tone(layers.light), 1.2 * over * max(1, unit), 0.1, 0.3), size)
    pencil = pencil * (1 - ground)
    picture = white * (1 - fade[..., None] * (1 - inked))
    return picture * (1 - 0.5 * pencil)[..., None]


def _shares(labels, size):
    """Share of each pixel that is ground, bare skin, cloth, hair, the rest: float32 (S, S) each."""
    groups = np.minimum(_groups(labels), 4)
    return [_small((groups == k).astype(np.float32), size) for k in range(5)]


def _in_parts(picture, shares, sigma):
    """Blur a picture (S, S, 3) within its parts, so that no wash runs over an edge."""
    result = np.zeros_like(picture)
    for share in shares:
        weight = np.maximum(_blur(share, sigma), 1e-3)
        result += (share / weight)[..., None] * _blur(picture * share[..., None], sigma)
    return result


def _wash_edges(shares, level, unit):
    """Where pigment gathers at the edge of a wash: float32 (S, S) in [0, 1]."""
    gathered = [np.clip(2 * share * (1 - _blur(share, 1.6 * unit)), 0, 1) for share in shares[1:]]
    steps = cv2.morphologyEx(level.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    return np.maximum(np.max(gathered, 0), np.clip(1.2 * steps, 0, 0.45))


# How many colours a pixel picture has for what is behind, skin, clothes,
# hair, glasses and hat, and for eyes and mouth.
COLOURS = (4, 7, 4, 5, 3, 6)


def _pixel_art(layers, size, rng):
    """Big square pixels of a small palette with dark outlines: float32 (S, S, 3)."""
    cells = max(16, min(size // 2, 64 if size >= 128 else 32))
    labels = _cell_labels(layers.labels, cells)
    light = _cell_colours(layers, labels, cells)
    y, x = np.indices((cells, cells))
    light[labels == 0] += (((x + y) % 2 - 0.5) * 0.03)[labels == 0][:, None]
    light[labels == PART["eyes"]] *= 0.65 if cells < 64 else 0.85  # dark, to be seen at all
    groups = np.minimum(_groups(labels), 4)
    groups[_is(labels, "eyes", "lips", "inner mouth")] = 5
    picture = np.zeros_like(light)
    for group, count in enumerate(COLOURS):
        own = groups == group
        if own.any():
            picture[own] = _few_colours(light[own], count, rng)
    picture = _pixel_lines(picture, labels)
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_NEAREST)


def _cell_labels(labels, cells):
    """The part that each cell shows, uint8 (cells, cells): the commonest, but eyes and lips come
    before the skin round them."""
    best, chosen = np.full((cells, cells), -1.0, np.float32), np.zeros((cells, cells), np.uint8)
    keen = {"eyes": 1.9, "brows": 1.5, "lips": 1.4, "inner mouth": 1.5, "glasses": 2.0}
    for name, number in PART.items():
        mask = (labels == number).astype(np.float32)
        share = _small(mask, cells) * keen.get(name, 1.0)
        chosen[share > best] = number
        best = np.maximum(best, share)
    return chosen


def _cell_colours(layers, labels, cells):
    """The colour of each cell, float32 (cells, cells, 3): the mean over its own part, a little
    purer and with more contrast."""
    photo = layers.photo.astype(np.float32) / 255
    whole = cv2.resize(photo, (cells, cells), interpolation=cv2.INTER_AREA)
    size = len(photo)
    full = cv2.resize(layers.labels, (size, size), interpolation=cv2.INTER_NEAREST)
    own = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST) == full
    weight = _small(own.astype(np.float32), cells)[..., None]
    mean = _small(photo * own[..., None], cells)
    colour = np.where(weight > 0.1, mean / np.maximum(weight, 0.1), whole)
    return np.clip(_purer(0.5 + 1.12 * (colour - 0.5), 1.3), 0, 1).astype(np.float32)


def _few_colours(colours, count, rng):
    """Colours (N, 3) drawn to `count` of their own, by k-means from the most different ones:
    float32 (N, 3)."""
    centres = [colours[rng.integers(len(colours))]]
    nearest = np.full(len(colours), np.inf, np.float32)
    for _ in range(count - 1):
        nearest = np.minimum(nearest, ((colours - centres[-1]) ** 2).sum(1))
        centres.append(colours[nearest.argmax()])
    centres = np.array(centres)
    for _ in range(4):
        own = ((colours[:, None] - centres) ** 2).sum(-1).argmin(1)
        total = np.stack([np.bincount(own, colours[:, k], count) for k in range(3)], 1)
        number = np.bincount(own, minlength=count)[:, None]
        centres = np.where(number > 0, total / np.maximum(number, 1), centres)
    return centres[own].astype(np.float32)


def _pixel_lines(picture, labels):
    """Outlines of cells round the figure, its hair and its clothes, in a darker shade of what they
    bound."""
    groups = _is(labels, *BARE) * 1 + _is(labels, "clothes") * 2 + _is(labels, "hair") * 3
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] |= (groups[:, 1:] != groups[:, :-1]) & (groups[:, 1:] > groups[:, :-1])
    edge[:, :-1] |= (groups[:, 1:] != groups[:, :-1]) & (groups[:, :-1] > groups[:, 1:])
    edge[1:] |= (groups[1:] != groups[:-1]) & (groups[1:] > groups[:-1])
    edge[:-1] |= (groups[1:] != groups[:-1]) & (groups[:-1] > groups[1:])
    for group, depth in ((1, 0.5), (2, 0.4), (3, 0.35)):
        line = edge & (groups == group)
        if line.any():
            picture[line] = depth * np.median(picture[groups == group], 0)
    return picture


def _cartoon(layers, size, rng):
    """A cartoon's render: smooth skin, hair in locks, pure colours, a clean rim of light."""
    over = len(layers.labels) / size
    unit = max(size / 256, 0.3)
    labels = layers.labels[int(over) // 2 :: int(over), int(over) // 2 :: int(over)]
    picture = layers.photo.astype(np.float32) / 255
    skin, sigma = _is(labels, "skin", "nose", "ears", "neck"), 1.6 * unit
    weight = _blur(skin.astype(np.float32), sigma)
    smooth = _blur(picture * skin[..., None], sigma) / np.maximum(weight, 1e-3)[..., None]
    picture[skin] = (0.2 * picture + 0.8 * smooth)[skin]
    strand = _small(layers.strand, size)
    hair = _is(labels, "hair", "facial hair")
    locks = _along(cv2.GaussianBlur(picture, (0, 0), 0.9 * unit + 0.2), strand, 3, 1.2 * unit)
    picture[hair] = (0.25 * picture + 0.75 * locks)[hair]
    normal = _small(layers.normal, size)
    rim = step(0.55, 0.15, normal[..., 2]) * step(-0.2, 0.6, normal[..., 1]) * (labels != 0)
    picture = _purer(picture, 1.25)
    picture = np.clip(picture, 0, 1)
    picture = picture + 0.22 * picture * (1 - picture)  # lighter middle tones
    return np.clip(picture + 0.10 * rim[..., None] * np.float32([1, 0.97, 0.9]), 0, 1)


DRAWN = {
    "manga": _manga,
    "pencil": _pencil,
    "oil": _oil,
    "watercolour": _watercolour,
    "pixel art": _pixel_art,
    "3-D cartoon": _cartoon,
}
