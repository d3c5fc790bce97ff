"""Drawn styles: the same scene by hand instead of by camera.

A drawing is made from what the renderer knows of each sample, not from its picture alone: ink runs
where parts or distances end, tone follows the light, strokes follow the form and the strands of
hair. Widths are in pixels of the finished picture, so that a style reads alike at every size.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .parts import PART
from .texture import step

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
    """Draws a picture in a style.

    Args:
        style: one of `data.parts.STYLES` but the photo.
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
    return cv2.GaussianBlur(array, (0, 0), max(sigma, 0.2))


def _is(labels, *names):
    """bool (H, H): where one of some parts is."""
    return np.isin(labels, [PART[name] for name in names])


def _tone(light):
    """How light samples look: linear RGB (H, H, 3) to float32 (H, H) in [0, 1], about sRGB."""
    x = light @ LUMA
    return np.sqrt(np.clip(0.9 * x / (1 + 0.35 * x), 0, 1))


def _median(values, mask, otherwise):
    """The median of values where a mask is, or `otherwise` where it is nowhere."""
    return float(np.median(values[mask])) if mask.any() else otherwise


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
    groups = _is(labels, *BARE) * 1 + _is(labels, "clothes") * 2 + _is(labels, "glasses") * 4
    groups = np.where(hair, 3, groups + _is(labels, "hat") * 5).astype(np.uint8)
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
    """Smears a picture (H, W) or (H, W, 3) along a flow (H, W, 2).

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
                cv2.INTER_LINEAR,
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
    bare, hair, cloth = _is(labels, *BARE), _is(labels, "hair", "facial hair"), labels == 11
    coverage = np.zeros(tone.shape, np.float32)
    skin = _median(tone, _is(labels, "skin", "nose"), 0.6)
    shadow = step(0.45, 0.25, _blur(layers.lit, 0.8 * unit))
    coverage[bare] = (0.75 * np.clip(0.56 - skin, 0, 0.4) + 0.26 * shadow)[bare]
    coverage[_is(labels, "eyes")] = 0
    fabric = _median(tone, cloth, 0.5)
    coverage[cloth] = (np.round(4 * np.clip(0.95 - fabric, 0, 1)) / 4 + 0.2 * shadow)[cloth]
    lines = _hair_lines(layers, tone, unit, rng)
    mass = _median(_blur(tone, unit), hair, 0.3)
    coverage[hair] = _hair_coverage(mass, lines, tone, unit)[hair]
    ground = labels == 0
    coverage[ground] = _manga_ground(len(tone), rng, over)[ground]
    ink = _dots(tone.shape, 3.4 * over if size > 128 else 2.6 * over, coverage)
    ink = np.maximum(ink, coverage > 0.93)
    fine = _dark_lines(tone, 1.1 * unit, 0.09, 0.2) * (bare & ~_is(labels, "facial hair"))
    eyes = step(0.62, 0.4, tone / max(skin, 0.35)) * _is(labels, "eyes", "brows", "inner mouth")
    ink = np.where(_is(labels, "eyes"), eyes, ink)
    ink = np.maximum(np.maximum(ink, np.maximum(fine, eyes)), _outlines(layers, 1.15 * unit))
    return 1 - 0.94 * ink


def _hair_coverage(mass, lines, tone, unit):
    """Ink on hair (H, H): solid with a gleam when it is dark, tone when it is middling, lines."""
    if mass < 0.36:
        local = _blur(tone, 1.5 * unit) / max(mass, 0.05)
        return 1.0 - step(1.35, 1.75, local + 0.5 * lines)
    return (0.42 if mass < 0.6 else 0.12) + step(0.1, 0.5, -lines) * 0.9


def _manga_ground(side, rng, over):
    """Tone behind the head, float32 (side, side): a fall of dots, or lines that run together."""
    y, x = np.indices((side, side), np.float32) / side
    if rng.random() < 0.3:
        angle = np.arctan2(y - 0.5, x - 0.5)
        rays = np.interp(angle, np.linspace(-np.pi, np.pi, 181), rng.random(181))
        inner = 0.50 + 0.22 * rays
        return ((np.hypot(x - 0.5, y - 0.5) > inner) * (rays > 0.25)).astype(np.float32)
    low, high = rng.uniform(0, 0.15), rng.uniform(0.25, 0.5)
    return np.float32(low) + np.float32(high - low) * (y if rng.random() < 0.5 else 1 - y)


def _pencil(layers, size, rng):
    """Graphite on paper: hatching round the form, darker where pressed: float32 (H, H)."""
    labels, over = layers.labels, len(layers.labels) / size
    unit = over * max(1.0, size / 200)
    tone = _blur(_tone(layers.light), 0.5 * unit)
    skin = _median(tone, _is(labels, "skin", "nose"), 0.6)
    paper = _grain(len(tone), rng, 0.7 * over, 1.6 * over)
    dark = np.clip(1.02 - tone / (0.45 + 0.65 * skin), 0, 1)
    around = _blur((labels != 0).astype(np.float32), 0.07 * len(tone))
    loose = _blur(paper, 6 * unit) * 8
    dark = np.where(labels == 0, 0.5 * around * step(-0.6, 1.2, loose), dark)
    flow = _form(layers, 2.2 * unit)
    flow[labels == 0] = np.float32([0.6, -0.8])
    across = np.stack([flow[..., 0] - flow[..., 1], flow[..., 0] + flow[..., 1]], -1) * 0.7071
    noise = _grain(len(tone), rng, 0.75 * unit)
    first, second = _along(noise, flow, 5, 0.9 * unit), _along(noise[::-1], across, 4, 0.9 * unit)
    first, second = first / first.std(), second / second.std()
    graphite = 0.62 * step(-0.9, 0.9, first + 4.6 * (dark - 0.34))
    graphite += 0.32 * step(-0.8, 0.8, second + 5 * (dark - 0.62))
    graphite = graphite * (0.35 + 0.75 * dark) * (0.85 + 0.13 * paper) + 0.12 * dark
    fine = _dark_lines(tone, 1.0 * unit, 0.05, 0.22) * (labels != 0)
    lines = np.maximum(0.75 * _outlines(layers, 0.85 * unit), 0.8 * fine)
    graphite = 1 - (1 - np.clip(graphite, 0, 0.92)) * (1 - lines * (0.82 + 0.12 * paper))
    return 0.965 + 0.012 * paper - 0.86 * np.clip(graphite, 0, 1)


def _small(array, size):
    """A layer (H, H) or (H, H, C) at the picture's own size."""
    return cv2.resize(array, (size, size), interpolation=cv2.INTER_AREA)


def _purer(picture, factor):
    """A picture (S, S, 3) with its distance from grey multiplied."""
    grey = picture.mean(-1, keepdims=True)
    return grey + factor * (picture - grey)


# Oil: width of a stroke (pixels of 256), its length, how many per picture, and where it may go.
BRUSHES = (
    (20, 3.2, 420, 0.0),
    (9, 3.4, 1100, 0.02),
    (4.2, 3.6, 1900, 0.12),
    (2.0, 3.5, 1500, 0.35),
)


def _oil(layers, size, rng):
    """Strokes from broad to fine that follow the form, with bristles and a raised edge.

    Reference: Hertzmann 1998, strokes of several sizes laid over each other.
    """
    side = 2 * size
    photo = cv2.resize(layers.photo, (side, side), interpolation=cv2.INTER_LINEAR)
    flow = cv2.resize(_form(layers, len(layers.labels) / 40), (side, side))
    ground = cv2.resize(layers.labels, (side, side), interpolation=cv2.INTER_NEAREST) == 0
    sweep = 0.8 * _grain(side, rng, side / 5)[ground] + 0.6
    flow[ground] = np.stack([np.cos(sweep), np.sin(sweep)], -1)
    detail = _detail(layers, side)
    canvas = np.zeros((side, side, 4), np.uint8)
    canvas[..., :3] = cv2.blur(photo, (side // 16 | 1,) * 2)
    scale = side / 256
    for width, length, count, least in BRUSHES:
        width = max(width * scale, 2.0) if size > 128 else max(width * scale, 1.6)
        source = cv2.GaussianBlur(photo, (0, 0), max(0.3 * width, 0.3))
        many = count if size > 128 else int(count * 0.45)
        _strokes(canvas, source, flow, detail, width, length * width, many, least, rng)
    colour = canvas[..., :3].astype(np.float32) / 255
    bristle = _along(_grain(side, rng, 0.9 * scale), flow, 3, scale)
    height = canvas[..., 3].astype(np.float32) / 255 + 0.35 * bristle
    relief = _blur(height, 0.4 * scale)
    slope = relief - cv2.warpAffine(
        relief, np.float32([[1, 0, 0.8 * scale], [0, 1, 0.8 * scale]]), (side, side), borderMode=2
    )
    return np.clip(_purer(colour, 1.22) * (1 + 0.16 * np.clip(slope, -1, 1))[..., None], 0, 1)


def _detail(layers, side):
    """Where a painter takes a fine brush, float32 (side, side) in [0, 1]: eyes, lips, edges."""
    fine = _is(layers.labels, "eyes", "lips", "inner mouth", "brows").astype(np.float32)
    some = _is(layers.labels, "nose", "glasses").astype(np.float32)
    unit = len(fine) / 256
    edge = cv2.morphologyEx(np.minimum(layers.depth, 25), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    face = _is(layers.labels, *BARE, "hair").astype(np.float32)
    total = np.maximum(_blur(fine, 2 * unit) * 1.3, 0.45 * _blur(some, 2 * unit))
    total = np.maximum(total, 0.25 * _blur(face, 2 * unit))
    total = np.maximum(total, 0.4 * np.clip(_blur((edge > 0.3).astype(np.float32), unit), 0, 1))
    return np.clip(cv2.resize(total, (side, side)), 0, 1)


def _strokes(canvas, source, flow, detail, width, length, count, least, rng):
    """Lays strokes of one brush on a canvas uint8 (H, H, 4), in place; its fourth channel is how
    thick the paint lies. A stroke takes the colour under its middle and bends with the flow."""
    side = len(canvas)
    at = rng.random((2, count * (1 + 3 * (least > 0.05))), np.float32) * (side - 1)
    column, row = at.astype(int)
    wanted = detail[row, column] > least * (0.6 + 0.8 * rng.random(len(row)))
    at = at[:, wanted][:, :count]
    path = _paths(at, flow, length)
    column, row = at.astype(int)
    colours = source[row, column].astype(np.float32)
    colours += rng.normal(0, 5, (len(row), 1)) + rng.normal(0, 2.5, (len(row), 3))
    colours = np.clip(np.column_stack([colours, rng.uniform(40, 255, len(row))]), 0, 255)
    points = np.ascontiguousarray(np.round(path * 8), np.int32)  # eighths of a pixel
    thick = np.maximum(1, np.round(width * rng.uniform(0.7, 1.15, len(row)))).astype(int)
    for line, colour, across in zip(points, colours.tolist(), thick.tolist(), strict=True):
        cv2.polylines(canvas, [line], False, colour, across, cv2.LINE_8, 3)


def _paths(at, flow, length):
    """Courses of strokes through places (2, N): float32 (N, 5, 2), x and y."""
    side, points = len(flow), [at]
    for sign in (-1, 1):
        place, last = at, None
        for _ in range(2):
            column, row = np.clip(place, 0, side - 1).astype(int)
            way = flow[row, column].T * sign
            if last is not None:
                way = way * np.where((way * last).sum(0) < 0, -1, 1)
            place, last = place + way * np.float32(length / 4), way
            points.append(place)
    order = [points[k] for k in (2, 1, 0, 3, 4)]
    return np.stack(order, 0).transpose(2, 0, 1)


def _watercolour(layers, size, rng):
    """Washes on white paper: float32 (S, S, 3).

    Reference: Bousseau et al. 2006, pigment density from paper, turbulence and wash edges.
    """
    unit, over = max(size / 256, 0.4), len(layers.labels) / size
    paper = _grain(size, rng, 1.0, 2.0)
    turbulence = _grain(size, rng, size / 4, size / 10, size / 22)
    labels = layers.labels[int(over) // 2 :: int(over), int(over) // 2 :: int(over)]
    photo = layers.photo.astype(np.float32) / 255
    wash = _in_parts(photo, labels, 1.6 * unit)
    level = wash.mean(-1)
    steps = 5.5
    soft = np.floor(level * steps + 0.18 * turbulence)
    soft = (soft + step(0.25, 0.75, level * steps + 0.18 * turbulence - soft)) / steps
    wash = wash * ((0.35 * level + 0.65 * soft + 0.03) / (level + 0.03))[..., None]
    wash = _purer(np.clip(0.16 + 0.92 * wash, 0, 1), 1.35)
    ground = (labels == 0).astype(np.float32)
    rim = _wash_edges(labels, soft, unit)
    y, x = np.indices((size, size), np.float32) / size
    border = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)) + 0.03 * turbulence
    fade = step(0.49, 0.40, border) * (1 - ground * (0.35 + 0.35 * step(-0.4, 0.8, turbulence)))
    density = 1 + 0.16 * turbulence + 0.13 * paper + 0.75 * rim
    wash = np.clip(wash, 0.02, 1)
    inked = np.clip(wash - (wash - wash * wash) * (density - 1)[..., None], 0, 1)
    white = np.float32([0.985, 0.978, 0.96]) * (1 + 0.012 * paper)[..., None]
    pencil = _small(_dark_lines(_tone(layers.light), 1.2 * over * max(1, unit), 0.1, 0.3), size)
    pencil = pencil * (1 - ground)
    picture = white * (1 - fade[..., None] * (1 - inked))
    return picture * (1 - 0.5 * pencil)[..., None]


def _in_parts(picture, labels, sigma):
    """Blurs a picture (S, S, 3) within its parts, so that no wash runs over an edge."""
    result = picture.copy()
    for names in (("background",), ("hair", "facial hair", "brows"), ("clothes",), BARE[:4]):
        mask = _is(labels, *names)
        weight = _blur(mask.astype(np.float32), sigma)
        soft = _blur(picture * mask[..., None], sigma) / np.maximum(weight, 1e-3)[..., None]
        result[mask] = soft[mask]
    return result


def _wash_edges(labels, level, unit):
    """Where pigment gathers at the edge of a wash: float32 (S, S) in [0, 1]."""
    parts = _is(labels, "hair") * 1 + _is(labels, *BARE) * 2 + _is(labels, "clothes") * 3
    total = np.zeros(labels.shape, np.float32)
    for k in (1, 2, 3):
        mask = (parts == k).astype(np.float32)
        inside = mask * (1 - _blur(mask, 1.6 * unit)) * 2
        total = np.maximum(total, np.clip(inside, 0, 1))
    steps = cv2.morphologyEx(level.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    return np.maximum(total, np.clip(1.2 * steps, 0, 0.45))


COLOURS = 20  # of a pixel picture


def _pixel_art(layers, size, rng):
    """Big square pixels of a small palette with dark outlines: float32 (S, S, 3)."""
    cells = max(16, min(size // 2, 64 if size >= 128 else 32))
    labels = _cell_labels(layers.labels, cells)
    light = _cell_colours(layers, labels, cells)
    palette = _palette(light.reshape(-1, 3), COLOURS, rng)
    y, x = np.indices((cells, cells))
    dither = ((x + y) % 2 - 0.5)[..., None] * 0.035 * (labels == 0)[..., None]
    apart = ((light + dither)[:, :, None] - palette) ** 2 @ np.float32([0.35, 0.5, 0.15])
    picture = palette[apart.argmin(-1)]
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


def _palette(colours, count, rng):
    """A few colours (count, 3) for many (N, 3), by k-means from the most different ones."""
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
    return centres.astype(np.float32)


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
    picture = _purer(picture, 1.42)
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
