"""A person who has been learned, as painting uses them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.images import read_image
from ddpm.adapters import load_addon
from ddpm.conditions.text import word_of
from ddpm.conditions.vocabulary import split
from facekit.detect import detect, largest
from portrait import learning, person, photos

STRENGTH = 0.9  # of the adapter, EasyPhoto's


@dataclass(frozen=True)
class Known:
    """A learned person's folder.

    Args:
        folder: of `learning.train`.
        trigger, noun: the word that stands for the person, and what they are; may be empty.
        weights: the model that they were learned over, as `ddpm.bundle.find_bundle` takes it.
    """

    folder: Path
    trigger: str
    noun: str
    weights: str

    @property
    def reference(self):
        """The photo that shows the person best, a path."""
        return self.folder / person.REFERENCE

    @cached_property
    def face(self):
        """The face to paste: (uint8 (S, S, 3), its `facekit.detect.Face`), or None where no face
        can be found in it.

        Raises:
            ValueError: the file is missing or damaged.
        """
        image = read_image(self.folder / person.FACE)
        found = largest(detect(image))
        return None if found is None else (image, found)

    def addon(self, strength=STRENGTH):
        """The adapter, as an add-on of a `Pipeline`.

        Raises:
            ValueError: the file is missing or damaged.
        """
        return load_addon(self.folder / person.ADAPTER, strength)

    def says(self, prompt):
        """Whether a prompt has the person's word."""
        return word_of(self.trigger) in split(prompt)

    def saying(self, prompt=""):
        """A prompt that has the person's word: as it is where it has, else with it in front; an
        empty one becomes what the captions of calm photos say."""
        if not prompt.strip():
            return photos.plain_caption(self.trigger, self.noun)
        return prompt if self.says(prompt) else f"{self.trigger}, {prompt}"


def load_person(folder):
    """Read the folder of a learned person.

    Returns:
        `Known`.

    Raises:
        ValueError: one sentence: there is none, or they are not learned to the end.
    """
    folder = Path(folder)
    record = person.read_record(folder)
    if record is None:
        raise ValueError(
            f"{folder} holds no person; learn one with: python -m portrait learn PHOTOS --out "
            f"{folder}"
        )
    if learning.state(folder) != "finished":
        raise ValueError(
            f"{folder} is not learned to the end; go on with: python -m portrait learn --resume "
            f"--out {folder}"
        )
    known = Known(folder, record["trigger"], record["noun"], learning.begun_with(folder).weights)
    known.addon()  # what is missing or damaged is said now
    read_image(known.reference), read_image(folder / person.FACE)
    return known
