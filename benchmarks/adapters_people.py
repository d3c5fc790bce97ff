"""Rendered people and styles for `benchmarks.adapters`: pictures with captions, and prompts.

A person has TRAINING views that are learned from and HELD views that likeness is measured by.
Captions say what differs from view to view, so that it is not learned as part of the person.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.attributes import VALUES, labels
from benchmarks.faces_recognised import load
from common.files import write_text
from common.images import write_image
from data.shape.parts import STYLES

TRAINING, HELD = 5, 3
VIEWS = TRAINING + HELD
TURNED = 15  # degrees of yaw, from which a caption says that a face is turned
NAMES = {"woman": "anna", "man": "boris"}  # trigger words, which captions of renders never say
# What prompts ask for: mood, glasses or nothing, background; each background twice or three times.
_BACKGROUNDS = VALUES["background"]
PROMPTS = tuple(
    {
        "smile": VALUES["smile"][(i + i // len(_BACKGROUNDS)) % 2],
        "glasses": "glasses" if i % 5 in (1, 3) else None,
        "background": _BACKGROUNDS[i % len(_BACKGROUNDS)],
    }
    for i in range(20)
)


@dataclass(frozen=True, eq=False)
class Person:
    """A rendered person.

    Args:
        number: among the people of the set.
        noun: "woman" or "man".
        looks: in words: "a young woman with short brown hair".
        images: uint8 (VIEWS, S, S, 3), those to learn from first.
        captions: list of TRAINING strings with {} for the trigger word.
    """

    number: int
    noun: str
    looks: str
    images: np.ndarray
    captions: list

    @property
    def trigger(self):
        """The word that stands for the person."""
        return NAMES[self.noun]

    @property
    def subject(self):
        """What prompts call them: "anna, a woman"."""
        return f"{self.trigger}, a {self.noun}"

    @property
    def training(self):
        """uint8 (TRAINING, S, S, 3)."""
        return self.images[:TRAINING]

    @property
    def held(self):
        """uint8 (HELD, S, S, 3)."""
        return self.images[TRAINING:]


def people(folder):
    """The people of a set of VIEWS pictures each: a list of `Person`.

    Args:
        folder: made by `data.faces.make_faces` with as many pictures a person, none drawn.
    """
    images, records = load(folder)
    found = []
    for first in range(0, len(records), VIEWS):
        own = records[first : first + VIEWS]
        known = own[:TRAINING]
        noun = known[0]["attributes"]["sex"]
        captions = [caption(record) for record in known]
        looks = looks_of([record["attributes"] for record in known])
        pictures = np.array(images[first : first + VIEWS])
        found.append(Person(first // VIEWS, noun, looks, pictures, captions))
    return found


def said(attributes):
    """The labels of a view that prompts and captions name: {attribute: value or None}."""
    row = labels(attributes)
    return {
        name: values[row[i]] if row[i] >= 0 else None
        for i, (name, values) in enumerate(VALUES.items())
    }


def caption(record):
    """What differs in a view: "a photo of {}, a woman, smiling, facing left, with glasses, before a
    blue background", with {} for the trigger word.

    Args:
        record: a line of `faces.jsonl`.
    """
    found = said(record["attributes"])
    noun, yaw = record["attributes"]["sex"], record["pose"][0]
    words = [f"a photo of {{}}, a {noun}", found["smile"]]
    words.append(abs(yaw) > TURNED and f"facing {side(yaw)}")
    return _joined(words, found)


def side(yaw):
    """The side of the picture to which a face of a yaw in degrees is turned: "left" or "right"."""
    return "left" if yaw < 0 else "right"


def prompt(who, asked):
    """A prompt for somebody: "a photo of anna, a woman, smiling, with glasses, before a blue
    background".

    Args:
        who: in words, with an article where it needs one.
        asked: of `PROMPTS`.
    """
    return _joined([f"a photo of {who}", asked["smile"]], asked)


def _joined(words, found):
    words.append(found["glasses"] == "glasses" and "with glasses")
    words.append(found["background"] and f"before a {found['background']} background")
    return ", ".join(word for word in words if word)


def looks_of(views):
    """What stays the same of a person, in words: "an elderly man with a full beard".

    Args:
        views: list of attributes, of which each value is taken from the first that has it.
    """
    found = {}
    for attributes in views:
        known = said(attributes).items()
        found = {k: v for k, v in known if v is not None} | found
    sex = found["sex"]
    who = {"young": f"a young {sex}", "old": f"an elderly {sex}"}.get(found.get("age"), f"a {sex}")
    colour, length = found.get("hair colour"), found.get("hair length")
    if length == "bald":
        features = ["a bald head"]
    elif length == "bob":
        features = [_spaced("a", colour, "bob")]
    else:
        features = [_spaced(length, colour, "hair")] if length or colour else []
    features += ["a full beard"] if found.get("beard") == "full beard" else []
    return who + (" with " + " and ".join(features) if features else "")


def _spaced(*words):
    return " ".join(word for word in words if word)


def asked_labels(prompts=PROMPTS):
    """What prompts ask for, as the attribute judge says it: int (N, 8), -1 for nothing."""
    rows = [
        [values.index(asked[k]) if asked.get(k) else -1 for k, values in VALUES.items()]
        for asked in prompts
    ]
    return np.array(rows, np.int32)


def write_pictures(images, captions, folder):
    """Lay pictures and their captions into a folder, as a user's photographs would lie there."""
    folder = Path(folder)
    for i, (image, text) in enumerate(zip(images, captions, strict=True)):
        write_image(np.asarray(image), folder / f"{i:03d}.png")
        write_text(text + "\n", folder / f"{i:03d}.txt")
    return folder


def style_trigger(style):
    """The word for a style: "pixel art" -> "pixel-art-style"."""
    return style.replace(" ", "-") + "-style"


def of_style(images, records, style, n):
    """The first n pictures of a style: uint8 (n, S, S, 3), and their captions.

    Raises:
        ValueError: if there are fewer, or the renderer has no such style.
    """
    if style not in STYLES:
        raise ValueError(f"unknown style {style!r}; choose one of {', '.join(STYLES[1:])}.")
    chosen = [i for i, record in enumerate(records) if record["style"] == style][:n]
    if len(chosen) < n:
        raise ValueError(f"there are {len(chosen)} pictures of the style {style}, not {n}.")
    return np.array(images[chosen]), [records[i]["caption"] for i in chosen]
