"""The paint of what is worn: glasses, hats, scarves and collars; jewels have one colour each."""

import numpy as np

from data.light.cloth import pattern_of, patterned
from data.light.colours import linear
from data.light.texture import noise
from data.shape.hats import CROWN
from data.shape.maths import step
from data.shape.worn import METAL


def glasses_paint(position, known, person):
    """Paint glasses.

    Args:
        position: float32 (P, 3), in the upright frame.
        known: float32 (P, 3), as in `glasses`.

    Returns:
        albedo (P, 3) linear, gloss (P,).
    """
    albedo = np.tile(linear(person.frame_colour), (len(position), 1))
    if person.frame == "tortoiseshell":
        mottle = noise(0, position[:, 0] * 190 + person.seed % 97, position[:, 1] * 190)
        albedo *= (1.5 - 1.25 * step(-0.2, 0.7, mottle))[:, None]
    gloss = np.full(len(position), 0.9 if person.frame in METAL else 0.7, np.float32)
    lens = known[:, 0] > 0.5
    albedo[lens], gloss[lens] = (0.012, 0.012, 0.014), 1.0
    return albedo.astype(np.float32), gloss


def hat_paint(position, known, view):
    """Paint a hat.

    Args:
        position: float32 (P, 3), in the upright frame.
        known: float32 (P, 3), as in `hat`.
        view: a `data.people.view.View`.

    Returns:
        albedo (P, 3) linear, gloss (P,).
    """
    round_, down, kind = known.T
    weave = noise(1, position[:, 0] * 180 + position[:, 2] * 90, position[:, 1] * 180)
    shade = 1 + 0.03 * weave
    if view.hat == "beanie":
        ribs = np.cos(round_ * 52) * step(0.1, 0.4, down)
        rows = np.cos(down * 150 + 1.5 * ribs)
        shade = (0.88 + 0.2 * ribs + 0.03 * rows) * shade
        shade = shade * (1 - 0.35 * np.exp(-(((down - 0.745) / 0.012) ** 2)))
    if view.hat == "headscarf":  # folds run along the edge about the face
        drawn = noise(2, round_ * 34 + view.seed % 97, down * 90)
        shade = shade * (1 + 0.07 * drawn + 0.06 * noise(0, round_ * 40, down * 60))
        shade = shade * (1 - 0.25 * np.exp(-(((down - 0.035) / 0.006) ** 2)))  # a sewn hem
    if view.hat == "baseball cap":
        seam = np.abs(np.mod(round_ / (np.pi / 3) + 0.5, 1) - 0.5) * np.sin(down * np.pi / 2)
        shade = shade * np.where(kind == CROWN, 1 - 0.3 * np.exp(-((seam / 0.02) ** 2)), 1)
    albedo = linear(view.hat_colour) * shade[:, None]
    if view.hat == "sun hat":
        straw = 1 + 0.07 * np.cos(down * 90) + 0.05 * noise(1, round_ * 80, down * 60)
        band = (kind == CROWN) & (down > 0.76)
        albedo *= straw[:, None]
        albedo[band] = linear((52, 40, 36)) * (1 + 0.03 * weave[band, None])
    return albedo.astype(np.float32), np.full(len(position), 0.1, np.float32)


def scarf_paint(known, view):
    """Paint a scarf, or a collar in the garment's colour: albedo (P, 3) linear."""
    if known[0, 2] > 0.5:
        seam = 1 - 0.12 * np.exp(-(((known[:, 1] - 0.9) / 0.02) ** 2))
        place = np.stack([known[:, 0] * 0.55, 0.4 * known[:, 1], known[:, 1]], 1)
        colour = patterned(linear(view.cloth_colour), place, pattern_of(view), view.seed)
        weave = 1 + 0.025 * noise(1, known[:, 0] * 130, known[:, 1] * 60)
        return colour * (seam * weave)[:, None]
    weave = noise(1, known[:, 0] * 220, known[:, 1] * 60)
    stripes = np.where(np.mod(known[:, 1] * 4 / np.pi + view.seed % 5, 2) < 0.35, 0.72, 1)
    shade = (1 + 0.05 * weave) * (stripes if view.seed % 3 == 0 else 1)
    return linear(view.scarf_colour) * shade[:, None]
