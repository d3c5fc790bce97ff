"""How much of what visitors type the words of the captions cover, without rendering."""

from pathlib import Path

import numpy as np

from data.faces import sample_face
from data.people.captions import describe
from data.shape.parts import PART, PARTS
from ddpm.conditions.text import Tokenizer
from ddpm.conditions.vocabulary import resolve, split

# 200 prompts each, by writers who knew nothing of the captions. The synonyms were extended with
# the first list at hand; the other two were opened afterwards. The writer of the third was shown
# what a portrait can be described by, and nothing of what cannot be drawn.
PROMPTS = Path(__file__).with_name("prompts")


def all_seen(person, view):
    """A part map uint8 (1, N) in which everything is seen that a person wears in a view."""
    labels = np.repeat(np.arange(len(PARTS), dtype=np.uint8), 20)[None]
    for part, on in (("glasses", view.glasses), ("hat", view.hat), ("facial hair", person.beard)):
        if not on:
            labels[labels == PART[part]] = PART["background"]
    return labels


def caption_of(i, settings):
    """The caption of a picture in which everything that is worn is seen: a string."""
    person, view, rng = sample_face(i, settings)
    return describe(person, view, all_seen(person, view), rng)


def met(prompts, vocabulary):
    """What a vocabulary makes of prompts.

    Args:
        prompts: strings.
        vocabulary: words, the most frequent first.

    Returns:
        dictionary: "words", how many there are; "as typed", the share of them that are in the
        vocabulary; "met", the share that is not reported as left out.
    """
    typed = known = skipped = 0
    for prompt in prompts:
        words = split(prompt)
        typed += len(words)
        known += sum(word in vocabulary for word in words)
        try:
            skipped += sum(len(split(text)) for text in resolve(prompt, vocabulary).skipped)
        except ValueError:  # nothing of it is left
            skipped += len(words)
    return {"words": typed, "as typed": known / typed, "met": 1 - skipped / typed}


def words(n, settings):
    """The vocabulary of n captions, and what it makes of the lists of prompts.

    Args:
        n: how many.
        settings: of the dataset they would be in, as `data.faces.sample_face` takes them.

    Returns:
        dictionary: "captions" and "vocabulary", numbers; "lists", name -> `met`.
    """
    vocabulary = Tokenizer.of([caption_of(i, settings) for i in range(n)]).words
    lists = {
        path.stem: met(path.read_text("utf-8").splitlines(), vocabulary)
        for path in sorted(PROMPTS.glob("*.txt"))
    }
    return {"captions": n, "vocabulary": len(vocabulary), "lists": lists}
