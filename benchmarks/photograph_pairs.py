"""Pairs of renders that are hard to paint into each other, each with the true answer.

A pair is a template, a reference, and the truth: the reference's person in the template's view,
which is the template's pose, expression, light, backdrop and shot. Hair, glasses and the tone of
the skin are the template's, for they and the neck stay in a portrait; features, lips, brows and
beard are the reference's. Both people are of one sex, at most 20 years apart, and their skin of
nearly one tone. What is pasted on a template is on the truth as well.

The pairs' hard half is the reference in even pairs and the template in odd ones, except that
sunglasses are always the template's.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np

from common.files import atomic_write
from data.light.lights import sample_light
from data.light.render import Renderer
from data.people.looks import EXPRESSIONS
from data.people.person import sample_person
from data.people.view import sample_view
from facekit import occlusions
from facekit.parsing import PART

SIZE, SEED = 256, 20720
KINDS = (
    "easy",
    "rim light",
    "half shadow",
    "colour casts",
    "hair",
    "hands",
    "sunglasses",
    "beards",
    "closed eyes",
    "turned",
)
COVERS = {"hair": occlusions.strands, "hands": occlusions.hand}
GENTLE = ("soft light", "studio light", "overcast light", "hazy sunlight")
FACE = ("skin", "eyes", "nose", "lips")  # parts of the map in which the result is compared
TONES, YEARS = 0.15, 20  # two people differ by no more
COVERED = (0.1, 0.4)  # share of the face that is hidden by what is pasted on it
TURN = 30  # degrees of yaw
PICTURES = ("template", "reference", "clean", "truth", "labels")


@dataclass(frozen=True)
class Pair:
    """Pictures uint8 (S, S, 3) and a part map.

    Attributes:
        kind: a word of `KINDS`.
        template, reference: the photos.
        clean: the reference before something was pasted on it.
        truth: what should come out; `labels`: its part map, uint8 (S, S).
    """

    kind: str
    template: np.ndarray
    reference: np.ndarray
    clean: np.ndarray
    truth: np.ndarray
    labels: np.ndarray

    @property
    def face(self):
        """Where the result is compared with the truth: bool (S, S)."""
        return np.isin(self.labels, [PART[name] for name in FACE])


def render_all(kinds, n, folder, size=SIZE, seed=SEED):
    """Render pairs into a folder; those that are there are left alone. In a process of its own, for
    where TensorFlow is loaded, VTK's renderer crashes.

    Args:
        kinds: words of `KINDS`.
        n: how many of each.
        folder: of one .npz a pair.
        size: of the pictures, pixels.
        seed: of all of them.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(_render_all, kinds, n, folder, size, seed).result()


def _render_all(kinds, n, folder, size, seed):
    renderer = None
    for kind in kinds:
        for i in range(n):
            path = _path(folder, kind, i)
            if path.exists():
                continue
            renderer = renderer or Renderer(size)
            rng = np.random.default_rng([seed, KINDS.index(kind), i])
            pair = make(kind, i % 2 == 0, renderer, rng)
            with atomic_write(path) as partial, open(partial, "wb") as file:
                np.savez_compressed(file, **{name: getattr(pair, name) for name in PICTURES})


def read_pair(folder, kind, i):
    """A `Pair` that `render_all` made."""
    with np.load(_path(folder, kind, i)) as found:
        return Pair(kind, *(found[name] for name in PICTURES))


def _path(folder, kind, i):
    return Path(folder) / f"{kind.replace(' ', '_')}_{i}.npz"


def make(kind, hard_reference, renderer, rng):
    """Render a pair.

    Args:
        kind: a word of `KINDS`.
        hard_reference: whether it is the reference that is hard, or the template.
        renderer: `data.light.render.Renderer`.
        rng: numpy Generator.

    Returns:
        `Pair`.
    """
    people = _couple(rng, "man" if kind == "beards" else None)
    views = [plain(sample_view(person, rng), rng) for person in people]
    hard = 1 if hard_reference and kind != "sunglasses" else 0
    people[hard], views[hard] = _harder(kind, people[hard], views[hard], rng)
    template, reference = (renderer.render(*one) for one in zip(people, views, strict=True))
    truth = renderer.render(_dressed(people[1], people[0]), views[0])
    shown = template.image, reference.image, reference.image, truth.image, truth.labels
    if kind not in COVERS:
        return Pair(kind, *shown)
    covered = _covered((template, reference)[hard], COVERS[kind], rng)
    if hard == 1:
        return Pair(kind, template.image, covered, *shown[2:])
    changed = (covered != template.image).any(-1)
    answer = np.where(changed[..., None], covered, truth.image)
    labels = np.where(changed, np.uint8(PART["occluder"]), truth.labels)
    return Pair(kind, covered, reference.image, reference.image, answer, labels)


def _couple(rng, noun=None):
    """Two people that are not too different, without beards: [template's, reference's]."""
    while True:
        first = sample_person(rng)
        if noun in (None, first.noun):
            break
    for _ in count():
        other = sample_person(rng)
        near = abs(other.tone - first.tone) < TONES
        near &= abs(other.shape.age - first.shape.age) < YEARS
        if near and other.noun == first.noun:
            return [replace(one, headscarf=False, beard="") for one in (other, first)]


def plain(view, rng):
    """A view in gentle light, nearly frontal, with open eyes and nothing worn on the head."""
    light = view.light
    while light.name not in GENTLE:
        light = sample_light(rng, bool(rng.random() < 0.5))
    expression, units = view.expression, dict(view.units)
    if expression == "eyes closed":
        expression = "neutral"
        units = {name: value for name, value in units.items() if "Blink" not in name}
    yaw, pitch = (float(v) for v in rng.normal(0, (6, 3)))
    pose = replace(view.pose, yaw=yaw, pitch=pitch, body_yaw=0.5 * yaw, gaze=(-yaw, -pitch))
    return replace(
        view, pose=pose, light=light, expression=expression, units=tuple(units.items()),
        glasses=False, hat="", scarf="", style="photo",
    )  # fmt: skip


def _harder(kind, person, view, rng):
    """A person and a view with what the kind is named after."""
    side = float(rng.choice([-1, 1]))
    if kind == "closed eyes":
        return person, expressing(view, "eyes closed")
    if kind == "turned":
        pose = replace(view.pose, yaw=side * TURN, body_yaw=0.5 * side * TURN, gaze=(0.0, 0.0))
        return person, replace(view, pose=pose)
    if kind == "beards":
        return replace(person, beard="full beard"), view
    if kind == "sunglasses":
        return in_sunglasses(person), replace(view, glasses=True)
    return person, replace(view, light=hard_light(kind, view.light, side, rng))


def in_sunglasses(person):
    """A person who owns black rectangular sunglasses; the view says whether they are worn."""
    dark = replace(person, glasses="rectangular", frame="black", dark_lenses=True)
    return replace(dark, frame_colour=(20.0, 20.0, 22.0))


def expressing(view, name):
    """A view with another expression, a word of `data.people.looks.EXPRESSIONS`."""
    units = dict(view.units) | EXPRESSIONS[name][0]
    return replace(view, expression=name, units=tuple(units.items()))


def hard_light(kind, light, side, rng):
    """A light of a kind, "rim light", "half shadow" or "colour casts", made of another; the light
    itself for other kinds.

    Args:
        kind: a word of `KINDS`.
        light: `data.light.lights.Light`.
        side: -1 or 1, from where it comes.
        rng: numpy Generator.
    """

    def scaled(colour, by):
        return tuple(float(v) for v in np.array(colour) * by)

    if kind == "rim light":
        return replace(
            light, azimuth=side * 60.0, key=scaled(light.key, 0.5), fill=scaled(light.fill, 0.5),
            rim=scaled(light.key, 4.0), sky=scaled(light.sky, 0.7),
        )  # fmt: skip
    if kind == "half shadow":
        return replace(
            light, azimuth=side * 85.0, elevation=12.0, key=scaled(light.key, 1.5),
            fill=scaled(light.fill, 0.1), rim=(0.0, 0.0, 0.0), sky=scaled(light.sky, 0.3),
            ground=scaled(light.ground, 0.3), softness=0.15,
        )  # fmt: skip
    if kind == "colour casts":
        one, other = ((1.5, 0.45, 1.3), (0.25, 0.6, 1.7)) if rng.random() < 0.5 else (
            (1.6, 0.9, 0.3), (0.3, 1.0, 1.2)
        )  # fmt: skip
        return replace(
            light, azimuth=side * 70.0, elevation=10.0, key=scaled(light.key, one),
            fill=scaled(light.key, np.array(other) * 0.6), sky=scaled(light.sky, other),
            ground=scaled(light.ground, other), softness=0.4,
        )  # fmt: skip
    return light


def _dressed(person, other):
    """A person with what stays of another in a portrait: hair, glasses, tone of the skin."""
    theirs = ("hair", "hair_colour", "dyed", "greying", "recede", "cuts", "glasses", "frame")
    theirs += ("frame_colour", "dark_lenses", "headscarf", "earrings", "jewel", "tone", "skin")
    return replace(person, **{name: getattr(other, name) for name in theirs})


def _covered(picture, cover, rng):
    """A picture with something pasted over a part of its face: uint8 (S, S, 3)."""
    face = np.isin(picture.labels, [PART[name] for name in FACE])
    while True:
        image, _ = cover(picture.image, picture.labels, picture.points5, rng)
        share = (image != picture.image).any(-1)[face].mean()
        if COVERED[0] < share < COVERED[1]:
            return image
