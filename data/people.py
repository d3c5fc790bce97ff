"""People and views, drawn from a seed.

A `Person` is what stays: shape, tone, eyes, brows, marks, natural hair. A `View` is what changes
from picture to
picture: expression, gaze, pose, light, clothes, background. Both are plain values: the renderer
needs nothing else.
"""

from dataclasses import dataclass

import numpy as np

from .backdrops import Backdrop, sample_backdrop
from .cuts import CUTS
from .head import PROPORTIONS, Pose, Shape, load_head
from .lights import Light, sample_light
from .looks import (
    AGING,
    CLOTHES,
    DYES,
    EXPRESSIONS,
    EYES,
    FEATURE_SPREAD,
    GARMENTS,
    GENTLE,
    HAIR,
    LEAN,
    LEAN_FEMALE,
    SKIN,
    Colour,
)
from .wardrobe import sample_owned, sample_worn

STIRRINGS = (
    "browInnerUp", "jawOpen", "jawLeft", "jawRight", "mouthStretchLeft", "mouthStretchRight"
)  # fmt: skip


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
        brows: (thickness, arch, density, height of the outer end), about 1, the last about 0.
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
    brows: tuple[float, float, float, float]
    lines: float
    shadows: float
    beard: str
    recede: float
    cuts: tuple[str, ...]
    lipstick: float
    seed: int
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


@dataclass(frozen=True)
class Shot:
    """How a camera is held and set.

    Attributes:
        distance: from the middle of the head, dm; `height`: what the picture spans there, dm.
        shift: how far the head's middle is from its usual place, across and up, dm.
        aperture: 0 (all is sharp) to 1 (shoulders and the back of the head are soft).
        grain: deviation of the grain, as a share of white.
        vignette: share of the light that is lost in the corners.
        white: linear RGB gains of the white balance.
        contrast: exponent about middle grey, about 1; `saturation`: about 1.
    """

    distance: float
    height: float
    shift: tuple[float, float]
    aperture: float
    grain: float
    vignette: float
    white: Colour
    contrast: float
    saturation: float

    @property
    def focal_length(self):
        """Millimetres, for a picture 24 mm high as on small-format film."""
        return 24 * self.distance / self.height


@dataclass(frozen=True)
class View:
    """A picture of somebody.

    Attributes:
        pose: how the head is turned; `expression`: its name, and `units` its ARKit units.
        cut: a name in `cuts.CUTS`.
        garment, cloth, cloth_colour: what is worn, its colour's name and sRGB.
        backdrop, light, shot: the place, the lamps, the camera.
        style: one of `parts.STYLES`.
        glasses: whether the person's own are worn.
        hat: "", one of `wardrobe.HATS` or "headscarf"; `hat_cloth`, `hat_colour` as for a garment.
        scarf: "" or its colour's name; `scarf_colour` its sRGB.
        seed: of everything finer.
    """

    pose: Pose
    expression: str
    units: tuple[tuple[str, float], ...]
    cut: str
    garment: str
    cloth: str
    cloth_colour: Colour
    backdrop: Backdrop
    light: Light
    shot: Shot
    seed: int
    style: str = "photo"
    glasses: bool = False
    hat: str = ""
    hat_cloth: str = ""
    hat_colour: Colour = (0.0, 0.0, 0.0)
    scarf: str = ""
    scarf_colour: Colour = (0.0, 0.0, 0.0)


def sample_person(rng, age=None):
    """Draws a person: adults of 18 to 85, both sexes, every origin and mixture evenly.

    Args:
        rng: numpy Generator.
        age: years; None draws it. The same state of `rng` gives the same person at another age.

    Returns:
        a `Person`.
    """
    origin = _sample_origin(rng)
    male = rng.random() < 0.5
    drawn = float(rng.uniform(18, 85))
    age = drawn if age is None else float(age)
    shape = Shape(
        tuple(map(float, origin)),
        float(np.clip(rng.normal(0.93 if male else 0.07, 0.06), 0, 1)),
        age,
        float(np.clip(rng.normal(-0.2, 0.5), -1, 0.9)),
        _sample_features(rng, male, age),
        tuple((name, round(float(np.clip(rng.normal(0, 0.5), -1, 1)), 4)) for name in PROPORTIONS),
    )
    tone = float(
        np.clip(origin @ (rng.uniform(0.6, 1), rng.uniform(0.1, 0.5), rng.uniform(0, 0.4)), 0, 1)
    )
    skin = _between(SKIN, tone) * (1 + rng.normal(0, 0.02) + rng.normal(0, 0.008, 3))
    skin = skin * (1 + rng.normal(0, 1) * np.array([0.008, -0.016, 0.012]))  # rosy or golden
    hair, natural = _sample_hair_colour(rng, origin, age)
    hair, hair_colour, dyed = _sample_dye(rng, male, age, hair, natural)
    eyes = _sample_eyes(rng, origin)
    recede = float(np.clip(rng.normal(0.0015 * (age - 30), 0.08), 0, 0.3)) if male else 0.0
    return Person(
        shape,
        tone,
        tuple(np.clip(skin, 0, 255)),
        float(rng.uniform(0.2, 1)),
        float(rng.beta(0.5, 3) * (1 - tone)),
        _sample_marks(rng),
        eyes,
        _vary(rng, EYES[eyes], 0.1),
        hair,
        hair_colour,
        natural,
        dyed,
        float(np.clip(rng.normal((age - 45) / 50, 0.15), 0, 0.5)) if not dyed else 0.0,
        _sample_brows(rng, male),
        float(np.exp(rng.normal(0, 0.3))),
        float(rng.beta(1.5, 2.5)),
        _sample_beard(rng, male),
        recede,
        _sample_cuts(rng, male, age, origin),
        float(rng.uniform(0.3, 1) * (rng.random() < 0.4)) if not male else 0.0,
        int(rng.integers(2**31)),
        **sample_owned(rng, male, age),
    )


def _sample_origin(rng):
    """Weights of african, asian, caucasian: a third of people each mainly one, the rest
    mixtures."""
    if rng.random() < 0.6:
        main = np.eye(3)[rng.integers(3)]
        return 0.85 * main + 0.15 * rng.dirichlet((1, 1, 1))
    return rng.dirichlet((0.9, 0.9, 0.9))


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
    return name, _vary(rng, HAIR[name], 0.14)


def _sample_dye(rng, male, age, hair, natural):
    """The colour that hair has in the end: name, sRGB, whether it is dyed."""
    odds = {"auburn": 1.0, "copper": 0.8, "platinum": 0.8}
    if age < 55:
        odds |= {"pink": 0.5, "blue": 0.5, "green": 0.3, "purple": 0.5}
    if hair in ("grey", "white"):
        odds |= {"dark brown": 2.5, "brown": 1.5, "blond": 1.5}
    name = str(rng.choice(list(odds), p=np.array(list(odds.values())) / sum(odds.values())))
    colour = _vary(rng, (DYES | HAIR)[name], 0.1)
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


def _sample_brows(rng, male):
    thick = rng.normal(1.1 if male else 0.75, 0.25)
    return (
        float(np.clip(thick, 0.4, 1.8)),
        float(np.clip(rng.normal(0.7 if male else 1.1, 0.5), -0.3, 2.2)),
        float(rng.uniform(0.75, 1)),
        float(np.clip(rng.normal(0, 0.018), -0.035, 0.035)),
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


def sample_view(person, rng):
    """Draws a view of a person.

    Args:
        person: a `Person`.
        rng: numpy Generator.

    Returns:
        a `View`.
    """
    odds = [share for _, _, share in EXPRESSIONS.values()]
    expression = str(rng.choice(list(EXPRESSIONS), p=np.array(odds) / sum(odds)))
    cloth, backdrop = str(rng.choice(list(CLOTHES))), sample_backdrop(rng)
    return View(
        _sample_pose(rng),
        expression,
        _sample_units(rng, expression),
        str(rng.choice(person.cuts)),
        str(rng.choice(GARMENTS)),
        cloth,
        _vary(rng, CLOTHES[cloth], 0.08),
        backdrop,
        sample_light(rng, backdrop.outdoors),
        _sample_shot(rng),
        int(rng.integers(2**31)),
        **sample_worn(person, rng),
    )


def _sample_pose(rng):
    """Mostly near frontal; yaw to 40 degrees, pitch to 20, roll to 15."""
    yaw = float(np.clip(rng.normal(0, 15), -40, 40))
    pitch = float(np.clip(rng.normal(0, 6), -20, 20))
    gaze = (0.0, 0.0) if rng.random() < 0.4 else (float(rng.normal(0, 6)), float(rng.normal(0, 3)))
    if rng.random() < 0.5:
        gaze = (float(np.clip(-yaw, -18, 18)), float(np.clip(-pitch, -12, 12)))  # at the camera
    return Pose(
        yaw,
        pitch,
        float(np.clip(rng.normal(0, 4.5), -15, 15)),
        yaw * float(rng.uniform(0.2, 0.7)) + float(rng.normal(0, 6)),
        gaze,
    )


def _sample_units(rng, expression):
    units, (low, high), _ = EXPRESSIONS[expression]
    strength = rng.uniform(low, high)
    drawn = {
        name: value * strength * float(np.exp(rng.normal(0, 0.1))) for name, value in units.items()
    }
    if expression == "smirk" and rng.random() < 0.5:
        drawn = {name.replace("Left", "Right"): value for name, value in drawn.items()}
    for name in STIRRINGS:  # a face is never quite at rest
        drawn[name] = drawn.get(name, 0) + max(0.0, rng.normal(0, 0.07))
    blink = max(0.0, rng.normal(0.04, 0.07))  # lids never stand quite the same
    for side in ("eyeBlinkLeft", "eyeBlinkRight"):
        drawn[side] = drawn.get(side, 0) + blink
    return tuple((name, round(float(np.clip(value, 0, 1.2)), 4)) for name, value in drawn.items())


def _sample_shot(rng):
    """From a moderate wide angle near by to a long lens far off."""
    return Shot(
        float(np.exp(rng.uniform(np.log(7), np.log(24)))),
        float(np.clip(rng.normal(3.2, 0.13), 2.95, 3.6)),
        (float(np.clip(rng.normal(0, 0.08), -0.2, 0.2)), float(rng.normal(0, 0.04))),
        float(np.clip(rng.normal(0.35, 0.4), 0, 1)),
        float(np.clip(np.exp(rng.normal(np.log(0.0045), 0.4)), 0.002, 0.011)),
        float(rng.uniform(0, 0.3)),
        tuple(map(float, np.exp(rng.normal(0, 0.05, 3)))),
        float(np.clip(np.exp(rng.normal(0.02, 0.1)), 0.8, 1.3)),
        float(np.clip(rng.normal(0.95, 0.13), 0.6, 1.3)),
    )


def _between(palette, place):
    """A colour of a palette (K, 3) at `place` in [0, 1]."""
    at = place * (len(palette) - 1)
    return np.array([np.interp(at, np.arange(len(palette)), palette[:, k]) for k in range(3)])


def _vary(rng, colour, spread):
    """A colour lighter or darker, and a little off."""
    colour = (
        np.array(colour) * np.exp(rng.normal(0, spread)) * np.exp(rng.normal(0, spread / 14, 3))
    )
    return tuple(map(float, np.clip(colour, 0, 255)))


def attributes(person, view):
    """What is recorded of a picture: a dictionary of plain values."""
    african, asian, caucasian = (round(share, 3) for share in person.shape.origin)
    light, shot = view.light, view.shot
    return {
        "sex": person.noun,
        "age": round(person.shape.age),
        "origin": [african, asian, caucasian],
        "skin_tone": round(person.tone, 3),
        "eyes": person.eyes,
        "hair": person.hair,
        "dyed": person.dyed,
        "greying": round(person.greying, 2),
        "cut": view.cut,
        "beard": person.beard,
        "freckles": person.freckles > 0.3,
        "lipstick": person.lipstick > 0.3,
        "glasses": person.glasses if view.glasses else "",
        "frame": person.frame if view.glasses else "",
        "hat": view.hat,
        "hat_cloth": view.hat_cloth,
        "scarf": view.scarf,
        "earrings": person.earrings,
        "jewel": person.jewel,
        "sunglasses": view.glasses and person.dark_lenses,
        "expression": view.expression,
        "gaze": [round(angle, 1) for angle in view.pose.gaze],
        "garment": view.garment,
        "cloth": view.cloth,
        "backdrop": view.backdrop.kind,
        "backdrop_colour": view.backdrop.colour_name,
        "backdrop_blur": round(view.backdrop.blur, 2),
        "outdoors": view.backdrop.outdoors,
        "light": light.name,
        "light_from": [round(light.azimuth, 1), round(light.elevation, 1)],
        "light_softness": round(light.softness, 2),
        "light_strengths": {
            name: [round(part, 3) for part in getattr(light, name)]
            for name in ("key", "fill", "rim", "sky", "ground")
        },
        "distance": round(shot.distance, 2),
        "focal_length": round(shot.focal_length),
        "aperture": round(shot.aperture, 2),
        "contrast": round(shot.contrast, 2),
        "saturation": round(shot.saturation, 2),
    }
