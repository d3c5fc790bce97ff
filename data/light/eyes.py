"""Eyes: iris and white, the shade of the lids on them, the lamps' reflections."""

import cv2
import numpy as np

from data.light.colours import linear
from data.light.texture import noise
from data.shape import scene as sc
from data.shape.lids import IRIS
from data.shape.maths import step, unit

PUPIL = 8.6
READABLE = 0.062  # mean linear colour to which a dark iris is raised: lids shade all of it
SEEN_HIGHEST = 13.0  # degrees from the gaze up to which a reflection stays on the cornea
WINDOW = 3.6  # radius of the key's reflection, degrees on the ball
LID_SHADE = ((0.020, 0.012, 0.42), (0.050, 0.024, 0.22))  # drop, spread (dm), strength
WATERLINE = 0.007  # dm


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
    shift = person.seed % 211
    around = np.cos(turn), np.sin(turn)
    spokes = noise(1, around[0] * 26 + shift, around[1] * 26) * 0.10
    spokes += noise(0, around[0] * 60 + shift, around[1] * 60 + angle) * 0.08
    spokes += noise(2, angle * 7, turn / (2 * np.pi) * 512) * 0.10
    white = _white(local, angle, person)
    iris = _iris(angle, spokes, local[:, 1], linear(person.eye_colour))
    albedo = white + step(IRIS + 1.2, IRIS - 1.6, angle)[:, None] * (iris - white)
    albedo = albedo * (1 - 0.97 * step(PUPIL + 0.8, PUPIL - 0.8, angle))[:, None]
    return albedo.astype(np.float32), step(IRIS + 4, IRIS - 3, angle)


def _iris(angle, spokes, height, colour):
    """The iris (P, 3): a warmer ring round the pupil, fibres, a dark ring at its edge."""
    inner = np.exp(-(((angle - PUPIL - 2.5) / 3.5) ** 2))[:, None]
    colour = colour * max(1.0, (READABLE / max(colour.mean(), 1e-3)) ** 0.8)
    warm = colour * np.float32([1.25, 1.0, 0.75]) + np.float32([0.025, 0.012, 0.0])
    edge = 1 - 0.75 * step(IRIS - 5.5, IRIS - 0.5, angle)
    low = 1 - 0.45 * height / np.sin(np.radians(IRIS))  # light gathers opposite the window
    tone = (1.0 + spokes * (1 + 1.2 * step(0.1, 0.02, colour.mean()))) * edge * low
    return (colour + 0.45 * inner * (warm - colour)) * tone[:, None]


def _white(local, angle, person):
    """The white of the eye (P, 3): ivory, redder and darker to the corners, a hint of veins."""
    age = float(step(40, 80, person.shape.age))
    colour = np.float32([0.50, 0.455, 0.42]) - np.float32([0.02, 0.03, 0.07]) * age
    colour = colour * (1 - 0.45 * person.tone * np.float32([0.6, 0.9, 1.3]))
    veins = person.complexion.veins
    out = step(28, 66, angle)
    thread = step(0.9, 2.2, noise(2, local[:, 0] * 150, local[:, 1] * 420 + 55 * local[:, 0]))
    red = out * (0.25 + 0.35 * veins) + 0.5 * veins * thread * step(30, 46, angle)
    shade = 1 - 0.3 * out
    return colour * np.exp(-red[:, None] * np.float32([0.12, 0.62, 0.55])) * shade[:, None]


def eye_light(surface, diffuse, scene, person, lamps):
    """Light on the eyes, which are wet: the key's reflection on each, the shade of the lids.

    Args:
        surface: a `data.light.shading.Surface` of the whole picture; `diffuse` (P, 3) light on it.
        scene: the `data.shape.scene.Scene`; `person`; `lamps`: a `data.light.shading.Lamps`.

    Returns:
        (E, 3), the colour of the pixels on eyes.
    """
    eye = surface.material == sc.EYE
    position, normal = surface.values[eye, sc.POSITION], surface.normal[eye]
    albedo, cornea = eye_paint(unit(surface.values[eye, sc.REST]), person)
    second = np.linalg.norm(position[:, None] - scene.eyes[None], axis=-1).argmin(1)
    light = diffuse[eye].copy()
    for k in np.unique(second):
        light[second == k] = 0.35 * light[second == k] + 0.65 * light[second == k].mean(0)
    shade, rim = _lids(surface, eye)
    colour = albedo * light * shade[:, None]
    toward = unit(surface.toward_eye[eye].mean(0))
    window, strength = np.zeros(len(position), np.float32), lamps.key.mean()
    size = np.radians(WINDOW * (0.75 + 0.5 * lamps.softness))
    for k, gaze in enumerate(scene.gaze):
        spot = _reflection(lamps.key_from, toward, gaze)
        off = np.arccos(np.clip(normal @ spot, -1, 1))
        window[second == k] = step(1.2 * size, 0.7 * size, off)[second == k]
    window *= 0.15 + 0.85 * cornea
    gleam = 0.8 * min(1.6, 0.4 + 0.6 * strength) * lamps.key / max(strength, 1e-3)
    sky = 0.035 * cornea * np.clip(normal[:, 1], 0, 1) * shade
    colour += window[:, None] * gleam + sky[:, None] * lamps.sky
    wet = rim * (0.02 + 0.08 * np.clip(lamps.key_from @ toward, 0, 1))
    return colour + wet[:, None] * light


def lash_colour(person):
    """The colour (3,) of lashes: darker than the hair, black where they are painted."""
    own = 0.35 * np.minimum(linear(person.natural), 0.25) + np.float32([0.006, 0.005, 0.004])
    return own * (1 - 0.7 * person.lipstick)


def _reflection(key_from, toward, gaze):
    """The direction float32 (3,) from an eye's middle at which the key is seen in it: half-way
    between lamp and camera, but no farther from the gaze than the cornea reaches."""
    half = unit(key_from * np.float32([0.8, 0.6, 1]) + toward)
    across = half - (half @ gaze) * gaze
    far = np.degrees(np.arccos(np.clip(half @ gaze, -1, 1)))
    angle = np.radians(min(far, SEEN_HIGHEST))
    return unit(np.cos(angle) * gaze + np.sin(angle) * unit(across)).astype(np.float32)


def _lids(surface, eye):
    """What the lids do to the pixels of eyes.

    Returns:
        shade (E,) in [0, 1], the light that is left under the upper lid and in the corners; rim
        (E,) in [0, 1], the wet line on the lower lid.
    """
    shade, dm = np.ones(int(eye.sum()), np.float32), surface.decimetre
    for drop, spread, strength in LID_SHADE:
        shade *= 1 - strength * covered(surface, eye, drop * dm, spread * dm)
    shade *= 1 - 0.4 * covered(surface, eye, 0, 0.012 * dm)
    below = covered(surface, eye, -1.3 * WATERLINE * dm, 0.8 * WATERLINE * dm)
    return shade, below * step(0.25, 0.8, below)


def covered(surface, chosen, drop, spread):
    """How much lies over pixels: the share of others `drop` pixels above each, softly.

    Args:
        surface: a `Surface`.
        chosen: bool (P,), its pixels that are asked about.
        drop: how far above them, pixels; negative is below.
        spread: deviation of the softness, pixels.

    Returns:
        float32 (K,) in [0, 1] for the K chosen.
    """
    mask = np.zeros(surface.hit.shape, np.float32)
    mask[surface.hit] = chosen
    left, top, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    pad = int(abs(drop) + 3 * spread) + 2
    part = mask[top : top + height, left : left + width]
    part = cv2.copyMakeBorder(part, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    move = np.float32([[1, 0, 0], [0, 1, drop]])
    moved = cv2.warpAffine(part, move, part.shape[::-1])
    soft = cv2.GaussianBlur(moved, (0, 0), max(spread, 0.3))
    soft = soft[pad : pad + height, pad : pad + width]
    return 1 - soft[mask[top : top + height, left : left + width] > 0]
