"""Views: what changes from picture to picture, and the record of a picture."""

from dataclasses import dataclass

import numpy as np

from data.light.backdrops import Backdrop, sample_backdrop
from data.light.cloth import pattern_of
from data.light.colours import CLOTHES, Colour, vary
from data.light.lights import Light, light_for, sample_light
from data.people.looks import EXPRESSIONS, FRAMINGS, GARMENTS, TALL_CUTS
from data.people.wardrobe import sample_worn
from data.shape.hats import BRIMS
from data.shape.head import Pose

STIRRINGS = (
    "browInnerUp", "jawOpen", "jawLeft", "jawRight", "mouthStretchLeft", "mouthStretchRight"
)  # fmt: skip
# dm between the eyes of people, and before the middle of the head
EYES_APART, EYES_BEFORE = 0.546, 0.83


@dataclass(frozen=True)
class Shot:
    """How a camera is held and set.

    Attributes:
        framing: "close", "portrait" or "wide", a name in `looks.FRAMINGS`.
        distance: from the middle of the head, dm; `height`: what the picture spans there, dm.
        shift: how far the head's middle is from its usual place, across and up, dm.
        aperture: 0 (all is sharp) to 1 (shoulders and the back of the head are soft).
        grain: deviation of the grain, as a share of white.
        vignette: share of the light that is lost in the corners.
        white: linear RGB gains of the white balance.
        contrast: exponent about middle grey, about 1; `saturation`: about 1.
    """

    framing: str
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


def sample_view(person, rng):
    """Draw a view of a person.

    Args:
        person: a `Person`.
        rng: numpy Generator.

    Returns:
        a `View`.
    """
    odds = [share for _, _, share in EXPRESSIONS.values()]
    expression = str(rng.choice(list(EXPRESSIONS), p=np.array(odds) / sum(odds)))
    cloth, backdrop = str(rng.choice(list(CLOTHES))), sample_backdrop(rng)
    cut, worn = str(rng.choice(person.cuts)), sample_worn(person, rng)
    return View(
        pose=_sample_pose(rng),
        expression=expression,
        units=_sample_units(rng, expression),
        cut=cut,
        garment=str(rng.choice(GARMENTS)),
        cloth=cloth,
        cloth_colour=vary(rng, CLOTHES[cloth], 0.08),
        backdrop=backdrop,
        light=light_for(sample_light(rng, backdrop.outdoors), person.tone, worn["hat"] in BRIMS),
        shot=_sample_shot(rng, worn["hat"] or cut in TALL_CUTS),
        seed=int(rng.integers(2**31)),
        **worn,
    )


def _sample_pose(rng):
    """Mostly near frontal; yaw to 40 degrees, pitch to 20, roll to 15."""
    yaw = float(np.clip(rng.normal(0, 15), -40, 40))
    pitch = float(np.clip(rng.normal(0, 6), -20, 20))
    gaze = (0.0, 0.0) if rng.random() < 0.4 else (float(rng.normal(0, 6)), float(rng.normal(0, 3)))
    if rng.random() < 0.65:
        gaze = (float(np.clip(-yaw, -26, 26)), float(np.clip(-pitch, -14, 14)))  # at the camera
    return Pose(
        yaw=yaw,
        pitch=pitch,
        roll=float(np.clip(rng.normal(0, 4.5), -15, 15)),
        body_yaw=yaw * float(rng.uniform(0.2, 0.7)) + float(rng.normal(0, 6)),
        gaze=gaze,
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
    blink = max(0.0, rng.normal(0.06, 0.07))  # lids never stand quite the same
    for side in ("eyeBlinkLeft", "eyeBlinkRight"):
        drawn[side] = drawn.get(side, 0) + blink
    return tuple((name, round(float(np.clip(value, 0, 1.2)), 4)) for name, value in drawn.items())


def _sample_shot(rng, tall):
    """From near by to a long lens far off; with a hat or much hair, from a little farther and
    higher.

    Args:
        rng: numpy Generator.
        tall: whether what is on the head needs room.

    Returns:
        a `Shot`.
    """
    distance = float(np.exp(rng.uniform(np.log(9), np.log(20))))
    odds = [share for share, *_ in FRAMINGS.values()]
    framing = str(rng.choice(list(FRAMINGS), p=odds))
    if tall and framing == "close":
        framing = "portrait"  # both would leave no shoulder in the picture
    _, least, most = FRAMINGS[framing]
    eyes = rng.uniform(least, most) * (0.92 if tall else 1)
    return Shot(
        framing=framing,
        distance=distance,
        height=float(EYES_APART / eyes * distance / (distance - EYES_BEFORE)),
        shift=(
            float(np.clip(rng.normal(0, 0.07), -0.18, 0.18)),
            float(np.clip(rng.normal(0, 0.035), -0.08, 0.08)) - (0.1 if tall else 0),
        ),
        aperture=float(np.clip(rng.normal(0.35, 0.4), 0, 1)),
        grain=float(np.clip(np.exp(rng.normal(np.log(0.0045), 0.4)), 0.002, 0.011)),
        vignette=float(rng.uniform(0, 0.3)),
        white=_sample_white(rng),
        contrast=float(np.clip(np.exp(rng.normal(0.02, 0.1)), 0.8, 1.3)),
        saturation=float(np.clip(rng.normal(0.93, 0.1), 0.6, 1.2)),
    )


def _sample_white(rng):
    """Gains of the white balance: mostly warmer or colder, hardly ever greener."""
    warm, green, all_ = rng.normal(0, (0.035, 0.012, 0.05))
    return tuple(map(float, np.exp([all_ + warm, all_ + green, all_ - warm])))


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
        "pattern": pattern_of(view),
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
        "framing": shot.framing,
        "distance": round(shot.distance, 2),
        "focal_length": round(shot.focal_length),
        "aperture": round(shot.aperture, 2),
        "contrast": round(shot.contrast, 2),
        "saturation": round(shot.saturation, 2),
    }
