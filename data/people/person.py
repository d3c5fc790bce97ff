"""People, drawn from a seed: what stays from picture to picture.

A `Person`, like a `View` of one (`data.people.view`), is plain values: the renderer needs nothing
else.
"""

from dataclasses import dataclass, replace

import numpy as np

from data.light.colours import DYES, EYES, HAIR, SKIN, Colour, between, vary
from data.people.complexion import (
    Brows,
    Complexion,
    finish_brows,
    sample_brows,
    sample_complexion,
)
from data.people.looks import AGING, FEATURE_SPREAD, FREE_SPREAD, GENTLE, LEAN, LEAN_FEMALE
from data.people.wardrobe import sample_owned
from data.shape.cuts import CUTS
from data.shape.head import Shape, load_head
from data.shape.ratios import plausible


@dataclass(frozen=True)
class Person:
    """Somebody, whatever the view.

    Attributes:
        shape: the head.
        skin: sRGB of the skin's middle tone; `tone` is its place from fairest (0) to deepest (1).
        blush, freckles: 0 to 1; `marks`: rest (x, y) of moles.
        eyes, hair: a colour's name, and its sRGB with this person's variation.
        natural: sRGB of brows and beard, which are never dyed; `dyed`: whether the hair is.
        greying: share of the hairs that have lost their colour.
        brows, complexion: of this person; see `data.people.complexion`.
        lines: how deep the lines of age are for the age, about 1; `shadows`: how dark it is under
            the eyes, 0 to 1.
        beard: "", "stubble", "moustache", "goatee", "short beard" or "full beard".
        recede: dm that the front hairline has gone up.
        cuts: ways this person wears hair.
        seed: of everything fixed about them that is finer than this (noise of the skin, strands).
        glasses: "" or a shape of `wardrobe.GLASSES`; `frame`: their colour's name and sRGB;
            `dark_lenses`: whether they are sunglasses.
        headscarf: whether she always wears one.
        earrings: "" or a kind of `wardrobe.EARRINGS`, of `jewel`.
    """

    shape: Shape
    tone: float
    skin: Colour
    blush: float
    freckles: float
    marks: tuple[tuple[float, float], ...]
    eyes: str
    eye_colour: Colour
    hair: str
    hair_colour: Colour
    natural: Colour
    dyed: bool
    greying: float
    brows: Brows
    lines: float
    shadows: float
    beard: str
    recede: float
    cuts: tuple[str, ...]
    lipstick: float
    seed: int
    complexion: Complexion = Complexion()
    glasses: str = ""
    frame: str = ""
    frame_colour: Colour = (0.0, 0.0, 0.0)
    dark_lenses: bool = False
    headscarf: bool = False
    earrings: str = ""
    jewel: str = ""

    @property
    def noun(self):
        """ "man" or "woman", as the face is built."""
        return "man" if self.shape.male > 0.5 else "woman"


def sample_person(rng, age=None):
    """Draw a person: adults of 18 to 85, more of them young than old, both sexes, every origin and
    mixture evenly.

    Args:
        rng: numpy Generator.
        age: years; None draws it. The same state of `rng` gives the same person at another age.

    Returns:
        a `Person`.
    """
    origin = _sample_origin(rng)
    male = rng.random() < 0.5
    drawn = float(18 + 67 * rng.beta(1.15, 1.75))
    age = drawn if age is None else float(age)
    shape = _sample_shape(rng, origin, male, age)
    tone, skin = _sample_skin(rng, origin)
    hair, natural = _sample_hair_colour(rng, origin, age)
    hair, hair_colour, dyed = _sample_dye(rng, male, age, hair, natural)
    eyes = _sample_eyes(rng, origin)
    recede = float(np.clip(rng.normal(0.0015 * (age - 30), 0.08), 0, 0.3)) if male else 0.0
    person = Person(
        shape=shape,
        tone=tone,
        skin=skin,
        blush=float(rng.uniform(0.2, 1)),
        freckles=float(rng.beta(0.5, 3) * (1 - tone)),
        marks=_sample_marks(rng),
        eyes=eyes,
        eye_colour=vary(rng, EYES[eyes], 0.1),
        hair=hair,
        hair_colour=hair_colour,
        natural=natural,
        dyed=dyed,
        greying=float(np.clip(rng.normal((age - 45) / 50, 0.15), 0, 0.5)) if not dyed else 0.0,
        brows=sample_brows(rng, male),
        lines=float(np.exp(rng.normal(0, 0.3))),
        shadows=float(rng.beta(1.5, 2.5)),
        beard=_sample_beard(rng, male),
        recede=recede,
        cuts=_sample_cuts(rng, male, age, origin),
        lipstick=float(rng.uniform(0.3, 1) * (rng.random() < 0.4)) if not male else 0.0,
        seed=int(rng.integers(2**31)),
        **sample_owned(rng, male, age),
    )
    fine = np.random.default_rng([person.seed, 4])
    dark = 1 - min(1.0, float(np.mean(natural)) / 160)
    return replace(
        person,
        brows=finish_brows(fine, person.brows, male, age),
        complexion=sample_complexion(fine, origin, male, age, tone, dark),
    )


def _sample_origin(rng):
    """Weights of african, asian, caucasian: a third of people each mainly one, the rest
    mixtures."""
    if rng.random() < 0.6:
        main = np.eye(3)[rng.integers(3)]
        return 0.85 * main + 0.15 * rng.dirichlet((1, 1, 1))
    return rng.dirichlet((0.9, 0.9, 0.9))


def _sample_shape(rng, origin, male, age):
    drawn = Shape(
        origin=tuple(map(float, origin)),
        male=float(np.clip(rng.normal(0.93 if male else 0.07, 0.06), 0, 1)),
        age=age,
        weight=float(np.clip(rng.normal(-0.2, 0.5), -1, 0.9)),
        features=_sample_features(rng, male, age),
        proportions=tuple(
            (name, float(np.clip(rng.normal(0, spread), -2 * spread, 2 * spread)))
            for name, spread in FREE_SPREAD.items()
        ),
    )
    return plausible(drawn)


def _sample_features(rng, male, age):
    drawn = []
    lean, old = LEAN if male else LEAN | LEAN_FEMALE, np.clip((age - 30) / 55, 0, 1)
    for name in load_head().features:
        spread = FEATURE_SPREAD[name.partition("/")[0]] * GENTLE.get(name, 1.0)
        middle = lean.get(name, 0.0) + old * AGING.get(name, 0.0)
        value = float(np.clip(rng.normal(middle, spread), -1, 1))
        if spread:
            drawn.append((name, round(value, 4)))
    return tuple(drawn)


def _sample_skin(rng, origin):
    """The tone from fairest (0) to deepest (1), and its sRGB."""
    tone = float(
        np.clip(origin @ (rng.uniform(0.6, 1), rng.uniform(0.1, 0.5), rng.uniform(0, 0.4)), 0, 1)
    )
    skin = between(SKIN, tone) * (1 + rng.normal(0, 0.02) + rng.normal(0, 0.008, 3))
    skin = skin * (1 + rng.normal(0, 1) * np.array([0.008, -0.016, 0.012]))  # rosy or golden
    return tone, tuple(np.clip(skin, 0, 255))


def _sample_hair_colour(rng, origin, age):
    african, asian, caucasian = origin
    fair = caucasian**1.5
    odds = {
        "black": african + 0.8 * asian + 0.06,
        "dark brown": 0.35 * african + 0.6 * asian + 0.3 * caucasian,
        "brown": 0.5 * fair,
        "light brown": 0.35 * fair,
        "blond": 0.45 * fair,
        "red": 0.16 * fair,
    }
    old = np.clip((age - 48) / 36, 0, 1)
    odds = {name: weight * (1 - 0.85 * old) for name, weight in odds.items()}
    odds |= {"grey": 1.2 * old, "white": 0.9 * old * max(0, (age - 58) / 25) if age > 58 else 0.0}
    weights = np.array(list(odds.values()))
    name = str(rng.choice(list(odds), p=weights / weights.sum()))
    return name, vary(rng, HAIR[name], 0.14)


def _sample_dye(rng, male, age, hair, natural):
    """The colour that hair has in the end: name, sRGB, whether it is dyed."""
    odds = {"auburn": 1.0, "copper": 0.8, "platinum": 0.8}
    if age < 55:
        odds |= {"pink": 0.5, "blue": 0.5, "green": 0.3, "purple": 0.5}
    if hair in ("grey", "white"):
        odds |= {"dark brown": 2.5, "brown": 1.5, "blond": 1.5}
    name = str(rng.choice(list(odds), p=np.array(list(odds.values())) / sum(odds.values())))
    colour = vary(rng, (DYES | HAIR)[name], 0.1)
    if rng.random() < (0.04 if male else 0.16):
        return name, colour, True
    return hair, natural, False


def _sample_eyes(rng, origin):
    fair = origin[2] ** 1.5
    weights = np.array([1.2 - origin[2], 0.7, 0.3 * fair, 0.25 * fair, 0.6 * fair, 0.2 * fair])
    return str(rng.choice(list(EYES), p=weights / weights.sum()))


def _sample_marks(rng):
    count = rng.poisson(0.8)
    return tuple(
        (round(float(rng.uniform(-0.5, 0.5)), 3), round(float(rng.uniform(6.3, 7.8)), 3))
        for _ in range(count)
    )


def _sample_beard(rng, male):
    if not male:
        return ""
    return str(
        rng.choice(
            ["", "stubble", "moustache", "goatee", "short beard", "full beard"],
            p=[0.46, 0.2, 0.07, 0.07, 0.12, 0.08],
        )
    )


def _sample_cuts(rng, male, age, origin):
    """The cuts that somebody wears: one, sometimes two."""
    old = float(np.clip((age - 30) / 40, 0, 1))
    if male:
        odds = {
            "buzz": 0.16,
            "cropped": 0.22,
            "side part": 0.2,
            "swept back": 0.12,
            "quiff": 0.14 * (1 - old),
            "curly": 0.04,
            "receding": 0.05 + 0.14 * old,
            "balding": 0.1 * old,
            "bald": 0.05 + 0.08 * old,
            "long straight": 0.02,
            "long wavy": 0.03,
        }
    else:
        odds = {
            "cropped": 0.06,
            "side part": 0.05,
            "swept back": 0.05,
            "bob": 0.18,
            "fringed bob": 0.13,
            "long straight": 0.16,
            "long wavy": 0.16,
            "curly": 0.09,
            "bun": 0.09,
            "ponytail": 0.09,
            "braids": 0.08 + 0.06 * origin[0],
        }
    odds = dict(odds, afro=0.5 * origin[0] ** 2, curly=odds["curly"] + 0.25 * origin[0])
    weights = np.array([odds.get(name, 0) for name in CUTS])
    count = 1 if male or rng.random() < 0.6 else 2
    return tuple(map(str, rng.choice(list(CUTS), count, replace=False, p=weights / weights.sum())))
