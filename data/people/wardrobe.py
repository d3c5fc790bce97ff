"""What people may wear: glasses, hats, earrings, scarves, and how often."""

import numpy as np

from data.light.colours import CLOTHES, FRAMES, JEWELS, STRAW
from data.shape.worn import METAL

GLASSES = ("round", "rectangular", "cat-eye", "aviator", "half-rim")
DARK_LENSES = 0.04  # share of glasses that are sunglasses
WORN = 0.7  # share of an owner's pictures
HATS = ("beanie", "baseball cap", "sun hat")
HAT_SHARE, HEADSCARF_SHARE = 0.07, 0.03  # of views, and of women

EARRINGS = ("studs", "hoops")
SCARF_SHARE = 0.04  # of views


def sample_owned(rng, male, age):
    """Draw what belongs to somebody: a dictionary of fields of `data.people.person.Person`.

    Args:
        rng: numpy Generator.
        male: bool.
        age: years.
    """
    owns = rng.random() < 0.2 + 0.2 * np.clip((age - 25) / 50, 0, 1)
    odds = np.array([1.0, 1.1, 0.15 if male else 0.8, 0.6, 0.6])
    glasses = str(rng.choice(GLASSES, p=odds / odds.sum()))
    metal = rng.random() < (0.9 if glasses == "aviator" else 0.4)
    frame = str(rng.choice(METAL if metal else [name for name in FRAMES if name not in METAL]))
    colour = np.clip(np.array(FRAMES[frame]) * np.exp(rng.normal(0, 0.08)), 0, 255)
    dark = rng.random() < DARK_LENSES
    wears = rng.random() < (0.06 if male else 0.5)
    earrings, jewel = str(rng.choice(EARRINGS)), str(rng.choice(list(JEWELS)))
    if jewel == "pearl":
        earrings = "studs"
    headscarf = rng.random() < HEADSCARF_SHARE and not male
    return {
        "glasses": glasses if owns else "",
        "frame": frame if owns else "",
        "frame_colour": tuple(map(float, colour)),
        "dark_lenses": bool(owns and dark),
        "headscarf": bool(headscarf),
        "earrings": earrings if wears else "",
        "jewel": jewel if wears else "",
    }


def sample_worn(person, rng):
    """Draw what somebody wears in a view: a dictionary of fields of `data.people.view.View`."""
    glasses = person.glasses and rng.random() < WORN
    hat = str(rng.choice(HATS)) if rng.random() < HAT_SHARE else ""
    hat = "headscarf" if person.headscarf else hat
    palette = STRAW if hat == "sun hat" else CLOTHES
    cloth = str(rng.choice(list(palette)))
    colour = np.clip(np.array(palette[cloth]) * np.exp(rng.normal(0, 0.08)), 0, 255)
    scarf = rng.random() < SCARF_SHARE and hat != "headscarf"
    wool = str(rng.choice(list(CLOTHES)))
    return {
        "glasses": bool(glasses),
        "hat": hat,
        "hat_cloth": cloth if hat else "",
        "hat_colour": tuple(map(float, colour)),
        "scarf": wool if scarf else "",
        "scarf_colour": tuple(map(float, CLOTHES[wool])),
    }
