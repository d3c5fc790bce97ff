"""Light: where lamps and sun stand, how strong, soft and warm they are.

Each `Setup` is a way to light a portrait, with ranges; `sample_light` draws one and exposes it as a
camera would, so that a face is neither lost in the dark nor burnt out.
"""

from dataclasses import dataclass, replace

import numpy as np

from data.light.colours import Colour
from data.shape.maths import step

EXPOSED = 1.42  # light on a face turned to the camera, after exposure
ADAPTED = 0.65  # share of the light's colour that the camera's white balance takes away
UNEVEN = 0.12  # deviation of the exposure's logarithm
OPENED = 0.8  # stops that the lens is opened for the deepest skin
CLOSED = 0.2  # stops that it is closed for the fairest
BRIM_LIGHT = 34.0  # degrees, the least elevation of a key that reaches under a brim


@dataclass(frozen=True)
class Light:
    """A key light with shadow, a soft fill from the other side, a rim from behind, and light from
    all round.

    Attributes:
        azimuth, elevation: of the key, degrees; positive is from the picture's right, from above.
        key, fill, rim: linear RGB strengths.
        sky, ground: linear RGB of the light from all round, from above and from below.
        softness: 0 (a point: shadows have hard edges) to 1 (as large as a window).
        name: what a caption may call it.
    """

    azimuth: float
    elevation: float
    key: Colour
    fill: Colour
    rim: Colour
    sky: Colour
    ground: Colour
    softness: float
    name: str


@dataclass(frozen=True)
class Setup:
    """A way to light a portrait; pairs are ranges.

    Attributes:
        azimuth, elevation: of the key, degrees; the side is drawn.
        key, fill, rim, around: strengths; `around` is the light from all round.
        tint, shade: linear RGB of the key, and of the light from all round.
        softness: see `Light`.
        share: how often, among the setups indoors or outdoors.
    """

    azimuth: tuple[float, float]
    elevation: tuple[float, float]
    key: tuple[float, float]
    fill: tuple[float, float]
    rim: tuple[float, float]
    around: tuple[float, float]
    tint: Colour = (1.0, 0.98, 0.95)
    shade: Colour = (1.0, 1.0, 1.0)
    softness: tuple[float, float] = (0.3, 0.7)
    share: float = 1.0


INDOORS = {
    "soft light": Setup(
        azimuth=(15, 45), elevation=(15, 40), key=(0.8, 1.05), fill=(0.15, 0.3), rim=(0, 0.3),
        around=(0.26, 0.4), softness=(0.7, 1), share=2.5,
    ),
    "studio light": Setup(
        azimuth=(18, 42), elevation=(25, 48), key=(1.1, 1.3), fill=(0.1, 0.35), rim=(0.3, 0.9),
        around=(0.14, 0.3), share=3,
    ),
    "studio light from above": Setup(
        azimuth=(0, 12), elevation=(38, 55), key=(1.1, 1.3), fill=(0.05, 0.2), rim=(0.2, 0.7),
        around=(0.2, 0.32), softness=(0.4, 0.8), share=1,
    ),
    "dramatic side light": Setup(
        azimuth=(60, 80), elevation=(10, 30), key=(1.3, 1.5), fill=(0.02, 0.08), rim=(0.2, 0.7),
        around=(0.1, 0.16), softness=(0.2, 0.5), share=1,
    ),
    "window light": Setup(
        azimuth=(40, 72), elevation=(8, 30), key=(1.1, 1.3), fill=(0.08, 0.2), rim=(0, 0.2),
        around=(0.2, 0.32), tint=(0.97, 0.99, 1.03), shade=(1.04, 1.0, 0.94), softness=(0.7, 1),
        share=3,
    ),
    "warm lamp light": Setup(
        azimuth=(15, 60), elevation=(0, 35), key=(1.0, 1.2), fill=(0.05, 0.2), rim=(0, 0.4),
        around=(0.14, 0.26), tint=(1.2, 0.98, 0.72), shade=(1.1, 0.98, 0.84), softness=(0.2, 0.6),
        share=1.5,
    ),
    "coloured light": Setup(
        azimuth=(35, 65), elevation=(10, 35), key=(0.9, 1.1), fill=(0.25, 0.4), rim=(0.5, 0.9),
        around=(0.12, 0.2), tint=(1.15, 0.86, 1.05), shade=(0.8, 0.92, 1.3), softness=(0.3, 0.6),
        share=0.5,
    ),
}  # fmt: skip
OUTDOORS = {
    "bright sunlight": Setup(
        azimuth=(10, 60), elevation=(25, 55), key=(1.3, 1.6), fill=(0.03, 0.12), rim=(0.1, 0.6),
        around=(0.26, 0.38), tint=(1.06, 1.0, 0.9), shade=(0.88, 0.98, 1.14), softness=(0, 0.2),
        share=2,
    ),
    "hazy sunlight": Setup(
        azimuth=(15, 55), elevation=(20, 50), key=(0.85, 1.05), fill=(0.08, 0.2), rim=(0.1, 0.5),
        around=(0.28, 0.4), tint=(1.05, 1.0, 0.92), shade=(0.94, 1.0, 1.08), softness=(0.4, 0.8),
        share=2,
    ),
    "overcast light": Setup(
        azimuth=(10, 45), elevation=(40, 58), key=(0.55, 0.75), fill=(0.06, 0.14), rim=(0, 0.1),
        around=(0.42, 0.55), tint=(0.99, 1.0, 1.01), shade=(0.97, 1.0, 1.04), softness=(1, 1),
        share=2,
    ),
    "golden evening light": Setup(
        azimuth=(20, 70), elevation=(4, 16), key=(1.2, 1.4), fill=(0.05, 0.2), rim=(0.3, 0.9),
        around=(0.22, 0.34), tint=(1.22, 0.96, 0.68), shade=(0.98, 0.98, 1.06), softness=(0.2, 0.6),
        share=2,
    ),
    "shade": Setup(
        azimuth=(15, 50), elevation=(30, 55), key=(0.55, 0.75), fill=(0.06, 0.16), rim=(0.1, 0.5),
        around=(0.36, 0.48), tint=(0.97, 1.0, 1.04), shade=(0.94, 1.0, 1.07), softness=(0.8, 1),
        share=1,
    ),
    "blue evening light": Setup(
        azimuth=(20, 60), elevation=(5, 30), key=(0.8, 1.0), fill=(0.05, 0.2), rim=(0.3, 0.8),
        around=(0.26, 0.4), tint=(1.12, 0.98, 0.82), shade=(0.82, 0.95, 1.22), softness=(0.3, 0.7),
        share=0.7,
    ),
}  # fmt: skip


def light_for(light, tone, brim):
    """A light as a photographer sets it for somebody.

    Args:
        light: a `Light`.
        tone: of the skin, from fairest (0) to deepest (1): deeper skin is exposed longer,
            fair skin shorter.
        brim: whether a hat with a brim is worn: the key stands high, so that its shadow shows.

    Returns:
        a `Light`.
    """
    gain = 2.0 ** (OPENED * float(step(0.45, 0.95, tone)) - CLOSED * float(step(0.4, 0.0, tone)))
    lamps = ("key", "fill", "rim", "sky", "ground")
    lit = {lamp: tuple(gain * value for value in getattr(light, lamp)) for lamp in lamps}
    elevation = max(light.elevation, BRIM_LIGHT) if brim else light.elevation
    return replace(light, elevation=elevation, **lit)


def sample_light(rng, outdoors):
    """Draw the light of a picture.

    Args:
        rng: numpy Generator.
        outdoors: whether the picture is taken outdoors.

    Returns:
        a `Light`.
    """
    setups = OUTDOORS if outdoors else INDOORS
    share = np.array([setup.share for setup in setups.values()])
    name = str(rng.choice(list(setups), p=share / share.sum()))
    setup = setups[name]
    tint, shade = (np.array(c) * np.exp(rng.normal(0, 0.02, 3)) for c in (setup.tint, setup.shade))
    azimuth = float(rng.choice([-1, 1]) * rng.uniform(*setup.azimuth))
    elevation = float(rng.uniform(*setup.elevation))
    key, fill, rim, around = (
        rng.uniform(*pair) for pair in (setup.key, setup.fill, setup.rim, setup.around)
    )
    bounce = np.array([1.0, 0.94, 0.86]) * rng.uniform(0.45, 0.85)  # what the ground sends back
    facing = np.cos(np.radians(azimuth)) * np.cos(np.radians(elevation))
    arriving = key * max(facing, 0.35) + 0.65 * fill + 0.8 * around
    gain = EXPOSED / arriving * float(np.exp(rng.normal(0, UNEVEN)))
    cast = key * tint * max(facing, 0.35) + (0.65 * fill + 0.8 * around) * shade
    gain = gain * (cast / cast.mean()) ** -ADAPTED
    strengths = {
        "key": key * tint,
        "fill": fill * shade,
        "rim": rim * tint,
        "sky": around * shade,
        "ground": around * shade * bounce,
    }
    return Light(
        azimuth=azimuth,
        elevation=elevation,
        **{lamp: tuple(map(float, gain * colour)) for lamp, colour in strengths.items()},
        softness=float(rng.uniform(*setup.softness)),
        name=name,
    )
