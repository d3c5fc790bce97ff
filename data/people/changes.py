"""Captions of what differs from picture to picture of one person.

Who learns a person from such captions has to take from elsewhere what always is the same: nothing
here says an age, an origin, a face or hair.
"""

import numpy as np

from data.loading import read_records
from data.people.captions import direction_words, pick, with_article
from data.people.wording import (
    BACKDROP_WORDS,
    GARMENT_WORDS,
    GREY,
    HAT_WORDS,
    LEADS,
    LIGHT_WORDS,
    MOODS,
    TURNED,
    possessive,
)

P_WORN, P_LIGHT, P_BACKDROP = 0.5, 0.3, 0.7  # how often clothes, light and background are named
SEED = 3  # of the wording
P_NOUN = 0.5  # share that names the person by the noun before it says what they are


def captions_of(records):
    """Captions of what differs, of every picture of a dataset.

    Args:
        records: the dataset's faces.jsonl, a path; None of other pictures.

    Returns:
        list of N strings, the same whenever it is asked; None where nothing tells.
    """
    if records is None:
        return None
    try:
        return [
            describe_changes(record, np.random.default_rng([SEED, i]))
            for i, record in enumerate(read_records(records))
        ]
    except KeyError:  # records of another kind
        return None


def describe_changes(record, rng):
    """Write a caption of what else than the person is in a picture.

    Args:
        record: a line of faces.jsonl, as a dictionary.
        rng: numpy Generator for the wording.

    Returns:
        "a photo of a man, laughing, turned left, in a burgundy shirt, green background". Half of
        them say "a photo of man, a man, ...", the sentence in which a trigger word takes the place
        of the first noun.

    Raises:
        KeyError: if the record does not say what was drawn.
    """
    seen, style = record["attributes"], record["style"]
    noun, grey = seen["sex"], style in GREY
    who = f"{noun}, a {noun}" if rng.random() < P_NOUN else f"a {noun}"
    clauses = [pick(rng, LEADS[style]) + who, _mood(seen["expression"], noun, rng)]
    turned = direction_words(*record["pose"][:2])
    clauses.append(turned and pick(rng, TURNED) + turned)
    if seen["glasses"]:
        clauses.append("with sunglasses" if seen["sunglasses"] else "with glasses")
    if seen["hat"]:
        cloth = "" if grey else f"{seen['hat_cloth']} "
        clauses.append("with " + with_article(cloth + pick(rng, HAT_WORDS[seen["hat"]])))
    if seen["scarf"]:
        clauses.append("with a scarf")
    if rng.random() < P_WORN:
        cloth = "" if grey else f"{seen['cloth']} "
        clauses.append("in " + with_article(cloth + pick(rng, GARMENT_WORDS[seen["garment"]])))
    if style in ("photo", "3-D cartoon", "oil"):
        if rng.random() < P_LIGHT:
            clauses.append("in " + pick(rng, LIGHT_WORDS.get(seen["light"], (seen["light"],))))
        if rng.random() < P_BACKDROP:
            words = pick(rng, BACKDROP_WORDS[seen["backdrop"]])
            clauses.append(words.format(seen["backdrop_colour"]))
    return ", ".join(" ".join(clause.split()) for clause in clauses if clause)


def _mood(expression, noun, rng):
    """An expression in words, as a clause; a neutral one rarely."""
    before, nouns, after = MOODS[expression]
    if expression == "neutral":
        return f"with {pick(rng, nouns)}" if rng.random() < 0.3 else ""
    words = [*before, *(f"with {words}" for words in nouns), *after]
    return pick(rng, words).format(their=possessive(noun))
