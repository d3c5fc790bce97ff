"""What hides a face in photographs, painted over pictures and their part maps: hands, objects,
microphones, strands of hair, glasses.

All functions take a picture uint8 (S, S, 3), its part map uint8 (S, S) with numbers of
`facekit.parsing.PARTS`, and the five points (5, 2) of the face, and return both anew, drawing from
a `numpy.random.Generator`. Where a cover hides more than half of a pixel, the pixel's part changes.
Shapes are plain, for what counts is that they have edges, tones and textures which are not a
face's.
"""

import cv2
import numpy as np

from facekit.parsing import PART

_SHIFT = 4  # OpenCV's points in sixteenths of a pixel
SKIN_TONES = np.float32([(236, 200, 178), (214, 164, 132), (170, 116, 84), (112, 74, 54)])
HAIR_TONES = np.float32(
    [(24, 20, 18), (70, 46, 32), (132, 92, 56), (196, 164, 116), (170, 168, 164)]
)


def lay(image, labels, cover, colour, part):
    """A cover over a picture and its part map.

    Args:
        image: uint8 (S, S, 3).
        labels: uint8 (S, S).
        cover: uint8 (S, S), how much it hides: 0 to 255.
        colour: (S, S, 3) or (3,), 0 to 255.
        part: the name of what it is; None where the parts stay, as behind a clear lens.

    Returns:
        (image, labels), new arrays.
    """
    share = (cover.astype(np.float32) / 255)[..., None]
    mixed = image + share * (np.asarray(colour, np.float32) - image)
    image = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    if part is not None:
        labels = np.where(cover > 127, np.uint8(PART[part]), labels)
    return image, labels


def smooth_noise(size, cells, rng, channels=1):
    """Noise of mean 0 and deviation 1 on a grid of `cells`, enlarged: float32 (S, S, channels)."""
    coarse = rng.standard_normal((cells, cells, channels), dtype=np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).reshape(size, size, -1)


def texture(size, rng):
    """A surface of one or two colours, with stains, stripes or a weave: float32 (S, S, 3)."""
    first, second = rng.uniform(0, 255, (2, 3)).astype(np.float32)
    if rng.random() < 0.4:  # much in the world is grey
        first, second = np.repeat(first.mean(), 3), np.repeat(second.mean(), 3)
    kind = rng.integers(3)
    if kind == 0:
        share = 0.3 * smooth_noise(size, int(rng.integers(2, 24)), rng)
    else:
        y, x = np.mgrid[:size, :size].astype(np.float32) * np.float32(rng.uniform(0.05, 1.0))
        angle = rng.uniform(0, np.pi)
        share = np.sin(x * np.cos(angle) + y * np.sin(angle))
        if kind == 2:
            share = share * np.sin(y * np.cos(angle) - x * np.sin(angle))
        share = (0.5 + 0.5 * share)[..., None] * rng.uniform(0.1, 1.0)
    surface = first + np.clip(share, 0, 1) * (second - first)
    return surface + rng.uniform(0, 25) * smooth_noise(size, int(rng.integers(2, 6)), rng)


def somewhere_on_face(points5, rng):
    """A random place near the middle of a face, (2,), and the face's scale: the length from eyes
    to mouth, pixels."""
    eyes, mouth = points5[:2].mean(0), points5[3:].mean(0)
    scale = max(float(np.linalg.norm(mouth - eyes)), 4.0)
    return points5.mean(0) + rng.normal(0, 0.7, 2) * scale, scale


def hand(image, labels, points5, rng):
    """A hand: a palm and fingers, each shaded towards its edges."""
    size = len(image)
    place, scale = somewhere_on_face(points5, rng)
    cover, tone = np.zeros((2, size, size), np.uint8)
    turn, width = rng.uniform(0, 2 * np.pi), rng.uniform(0.22, 0.34) * scale
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    palm = place - along * scale * rng.uniform(0.3, 1.0)
    wrist = palm - along * 4 * scale
    _rounded(cover, tone, [palm, wrist], width * rng.uniform(2.4, 3.2))
    spread, first = rng.uniform(0.85, 1.5), rng.integers(0, 2)
    for finger in range(first, 4):
        start = palm + across * (finger - 1.5) * width * spread
        bend = rng.normal(0, 0.15) + 0.12 * (finger - 1.5)
        middle = start + (along + across * bend) * scale * rng.uniform(0.4, 0.7)
        tip = middle + (along + across * (bend + rng.normal(0, 0.3))) * scale * 0.5
        _rounded(cover, tone, [start, middle, tip], width)
    return lay(image, labels, cover, _skin(image, labels, tone, rng), "occluder")


def _rounded(cover, tone, places, width):
    """A thick line, and in `tone` how it curves away from the eye: bright along its middle."""
    points = np.int32(np.rint(np.stack(places) * 2**_SHIFT))[None]
    for step in range(5):
        thick = max(1, round(width * (1 - 0.18 * step)))
        value = 130 + 30 * step
        cv2.polylines(tone, points, False, value, thick, cv2.LINE_AA, _SHIFT)
    cv2.polylines(cover, points, False, 255, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _skin(image, labels, tone, rng):
    """Skin of the picture's own tone, or of any, darker where `tone` is low: float32 (S, S, 3)."""
    own = image[labels == PART["skin"]]
    colour = SKIN_TONES[rng.integers(len(SKIN_TONES))]
    if len(own) > 50 and rng.random() < 0.7:
        colour = np.median(own, axis=0)
    colour = colour * np.exp(rng.normal(0, 0.15)) + rng.normal(0, 6, 3)
    shade = 0.45 + 0.55 * cv2.GaussianBlur(tone, (0, 0), 1.0).astype(np.float32) / 250
    return colour.astype(np.float32) * shade[..., None] + 3 * smooth_noise(len(image), 40, rng)


def thing(image, labels, points5, rng):
    """An object: a polygon, an ellipse or a rounded box with a texture and one side darker."""
    size = len(image)
    place, scale = somewhere_on_face(points5, rng)
    cover = np.zeros((size, size), np.uint8)
    turn, half = rng.uniform(0, 180), scale * np.exp(rng.uniform(np.log(0.25), np.log(1.1), 2))
    kind = rng.integers(3)
    if kind == 0:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        corners = place + np.stack([np.cos(angles), np.sin(angles)], 1) * half
        _filled(cover, corners)
    elif kind == 1:
        _filled(cover, place + _oval(half, 2.0) @ _turned(turn))
    else:
        _filled(cover, place + _oval(half, rng.uniform(3, 8)) @ _turned(turn))
    colour = texture(size, rng)
    slope = rng.normal(0, 0.35, 2) @ np.mgrid[:size, :size].reshape(2, -1).astype(float) / size
    return lay(image, labels, cover, colour * np.exp(slope.reshape(size, size, 1)), "occluder")


def microphone(image, labels, points5, rng):
    """A microphone before the mouth: a head of mesh or foam on a stick that leaves the picture."""
    size = len(image)
    mouth, (_, scale) = points5[3:].mean(0), somewhere_on_face(points5, rng)
    place = mouth + rng.normal(0, 0.5, 2) * scale + (0, 0.35 * scale)
    radius = scale * rng.uniform(0.18, 0.5)
    cover, tone = np.zeros((2, size, size), np.uint8)
    turn = np.pi / 2 + rng.normal(0, 0.6)
    along = np.array([np.cos(turn), np.sin(turn)])
    _rounded(cover, tone, [place, place + along * 6 * scale], radius * rng.uniform(0.5, 1.1))
    centre = tuple(int(v) for v in np.rint(place * 2**_SHIFT))
    for step in range(5):
        at = int(radius * (1 - 0.18 * step) * 2**_SHIFT)
        cv2.circle(tone, centre, at, 110 + 30 * step, -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(cover, centre, int(radius * 2**_SHIFT), 255, -1, cv2.LINE_AA, _SHIFT)
    grey = rng.uniform(15, 190) + rng.normal(0, 8, 3)
    if rng.random() < 0.2:
        grey = rng.uniform(0, 255, 3)
    y, x = np.mgrid[:size, :size] * rng.uniform(0.9, 2.2)
    mesh = 1 + rng.uniform(0, 0.5) * np.sin(x + y) * np.sin(x - y)
    colour = grey * (tone / 190.0 * mesh)[..., None]
    return lay(image, labels, cover, colour, "occluder")


def strands(image, labels, points5, rng):
    """Hair over the face: locks of curved strands that fall from above the eyes."""
    size = len(image)
    _, scale = somewhere_on_face(points5, rng)
    eyes = points5[:2].mean(0)
    own = image[labels == PART["hair"]]
    colour = HAIR_TONES[rng.integers(len(HAIR_TONES))] * np.exp(rng.normal(0, 0.2))
    if len(own) > 50 and rng.random() < 0.8:
        colour = np.median(own, axis=0)
    cover, tone = np.zeros((size, size), np.uint8), np.full((size, size), 128, np.uint8)
    for _ in range(rng.integers(1, 4)):
        _lock(cover, tone, eyes, scale, rng)
    shade = (0.4 + 0.6 * tone.astype(np.float32) / 128)[..., None]
    return lay(image, labels, cover, np.asarray(colour, np.float32) * shade, "hair")


def _lock(cover, tone, eyes, scale, rng):
    """Strands that run side by side, from above the eyes down to anywhere on the face."""
    root = eyes + rng.normal(0, 0.9, 2) * scale * (1, 0.2) - (0, rng.uniform(1.0, 1.8) * scale)
    end = root + (rng.normal(0, 0.5) * scale, rng.uniform(0.8, 3.2) * scale)
    bend = rng.normal(0, 0.35) * scale
    count, wide = int(rng.integers(3, 45)), rng.uniform(0.05, 0.6) * scale
    t = np.linspace(0, 1, 12)[:, None]
    for _ in range(count):
        a = root + (rng.normal(0, 0.5) * wide, 0)
        b = end + rng.normal(0, 0.5, 2) * wide
        middle = (a + b) / 2 + (bend + rng.normal(0, 0.2) * wide, 0)
        curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b
        points = np.int32(np.rint(curve * 2**_SHIFT))[None]
        thick = 1 if rng.random() < 0.6 else int(rng.integers(2, 4))
        cv2.polylines(cover, points, False, 255, thick, cv2.LINE_AA, _SHIFT)
        cv2.polylines(tone, points, False, int(rng.integers(70, 200)), thick, cv2.LINE_AA, _SHIFT)


def glasses(image, labels, points5, rng):
    """Glasses: frames of some shape before clear, tinted or dark lenses. Dark lenses are glasses
    themselves; what lies behind clear ones keeps its part. Faces that wear some stay as they are.
    """
    if np.count_nonzero(labels == PART["glasses"]) > 20:
        return image, labels
    left, right = points5[:2]
    across = right - left
    apart = max(float(np.linalg.norm(across)), 4.0)
    turn = _turned(np.degrees(np.arctan2(across[1], across[0])))
    half = apart * np.array([rng.uniform(0.34, 0.46), rng.uniform(0.2, 0.42)])
    outline = _oval(half, rng.choice([2.0, 2.6, 4.0, 8.0])) @ turn
    drop = np.array([0, rng.uniform(-0.02, 0.14) * apart]) @ turn
    lenses = [eye + drop + outline for eye in (left, right)]
    image, labels = _lenses(image, labels, lenses, rng)
    frame = np.zeros(labels.shape, np.uint8)
    thick = max(1, round(apart * rng.uniform(0.02, 0.11)))
    out, up = across / apart, np.array([0, -0.1 * apart]) @ turn
    lines = [np.concatenate([lens, lens[:1]]) for lens in lenses]
    lines.append(np.stack([left + drop + out * half[0], right + drop - out * half[0]]) + up)
    for eye, way in ((left, -1), (right, 1)):
        hinge = eye + drop + way * out * half[0] + up
        lines.append(np.stack([hinge, hinge + way * out * apart * rng.uniform(0.1, 0.6)]))
    for line in lines:
        points = np.int32(np.rint(line * 2**_SHIFT))[None]
        cv2.polylines(frame, points, False, 255, thick, cv2.LINE_AA, _SHIFT)
    colour = rng.uniform(0, 255, 3) if rng.random() < 0.4 else rng.uniform(0, 70) + np.zeros(3)
    gleam = np.exp(0.3 * smooth_noise(len(image), 5, rng))
    return lay(image, labels, frame, colour * gleam, "glasses")


def _lenses(image, labels, lenses, rng):
    """Dark, tinted or clear lenses, the last with a streak of reflected light at times."""
    size = len(image)
    cover = np.zeros((size, size), np.uint8)
    for lens in lenses:
        _filled(cover, lens)
    if rng.random() < 0.4:
        dark = rng.uniform(0, 70) + rng.normal(0, 10, 3)
        if rng.random() < 0.25:  # mirrored
            dark = rng.uniform(60, 220, 3)
        slope = np.linspace(rng.uniform(-60, 60), rng.uniform(-60, 60), size)[:, None, None]
        solid = np.uint8(cover * rng.uniform(0.9, 1.0))
        return lay(image, labels, solid, dark + slope + np.zeros((size, size, 3)), "glasses")
    tint = np.uint8(cover * rng.uniform(0, 0.3))
    image, labels = lay(image, labels, tint, rng.uniform(0, 255, 3), None)
    if rng.random() < 0.4:
        y, x = np.mgrid[:size, :size]
        angle = rng.uniform(0, np.pi)
        band = np.sin((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(0.03, 0.2)) > 0.5
        image, labels = lay(
            image, labels, np.uint8(cover * band * rng.uniform(0.1, 0.45)), 255, None
        )
    return image, labels


def _filled(cover, corners):
    points = np.int32(np.rint(corners * 2**_SHIFT))
    cv2.fillPoly(cover, [points], 255, cv2.LINE_AA, _SHIFT)


def _oval(half, power):
    """Points of a superellipse about 0, (40, 2): an ellipse for a power of 2, a box for a large
    one."""
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    shape = np.stack([np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)])
    return shape.T * half


def _turned(degrees):
    """A (2, 2) by which rows of points are turned clockwise as one looks at the picture."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([(c, s), (-s, c)])


KINDS = (hand, thing, microphone, strands, glasses)
