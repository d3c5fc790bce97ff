"""Captions: what is said, how, and whether their words cover what visitors type."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.faces_words import PROMPTS, all_seen, met
from data.light.cloth import PATTERNS, pattern_of
from data.people.captions import describe, pattern_seen
from data.people.person import sample_person
from data.people.view import sample_view
from data.people.wording import PATTERN_WORDS
from data.shape.parts import PART, STYLES
from ddpm.conditions.text import Tokenizer
from ddpm.conditions.vocabulary import split

BEARDS = ("short beard", "full beard")


def drawn(seed, style="photo"):
    """Somebody, a view of them, and a part map in which all is seen that they wear."""
    rng = np.random.default_rng(seed)
    person = sample_person(rng)
    view = replace(sample_view(person, rng), style=style)
    return person, view, all_seen(person, view), rng


@pytest.fixture(scope="module")
def captions():
    """(person, view, caption) of 600 people, a fifth of them in other styles."""
    made = []
    for seed in range(600):
        style = STYLES[1 + seed // 5 % (len(STYLES) - 1)] if seed % 5 == 0 else "photo"
        person, view, labels, rng = drawn(seed, style)
        made.append((person, view, describe(person, view, labels, rng)))
    return made


def test_they_are_clean_english(captions):
    texts = [text for *_, text in captions]
    for text in texts:
        assert text == " ".join(text.split()) and not text.endswith((".", ","))
        assert ",," not in text and " ," not in text and "{" not in text
        words = text.replace(",", "").split()
        for article, word in zip(words, words[1:], strict=False):
            if article in ("a", "an"):
                vowel = word[0].lower() in "aeiou" and not word.startswith("Eu")
                assert (article == "an") == vowel, text
    assert len(set(texts)) > 0.97 * len(texts)
    lengths = [len(split(text)) for text in texts]
    assert max(lengths) < 48 and np.mean(np.array(lengths) < 9) > 0.08  # short ones too


def test_adults_only_and_words_that_are_true(captions):
    for person, view, text in captions:
        words = set(split(text))
        age, origin = person.shape.age, person.shape.origin
        assert not words & {"girl", "boy", "child", "kid"}
        assert not words & {"man", "woman"} - {person.noun}
        assert "young" not in words or age < 30
        assert not words & {"old", "elderly"} or age >= 68
        assert "middle-aged" not in words or 42 <= age < 60
        for k, name in enumerate(("african", "asian", "european")):
            assert name not in words or origin[k] > 0.75
        assert not words & {"bearded", "beard"} or person.beard in ("stubble", *BEARDS)
        assert "glasses" not in words or view.glasses


def test_things_are_said_in_several_ways(captions):
    every = " | ".join(text for *_, text in captions)
    groups = (
        ("grey", "gray"),
        ("moustache", "mustache"),
        ("old ", "elderly", "older"),
        ("smiling", "happy", "grinning"),
        ("blond ", "blonde"),
        ("African", "Asian", "European"),
        (" man", " woman", " person"),
        ("and glasses", "glasses, ", "wearing a", "in a"),
        ("striped", "checked", "patterned", "knitted", "close-up", "head and shoulders"),
    )
    for group in groups:
        assert all(word in every for word in group), group


def test_what_is_left_to_a_style(captions):
    for person, view, text in captions:
        if view.style in ("manga", "pencil"):
            assert f"{person.hair} hair" not in text and "skin" not in text


def test_patterns_and_framing_are_named_where_they_are(captions):
    every, named, said = {way for ways in PATTERN_WORDS.values() for way in ways}, set(), set()
    for _, view, text in captions:
        words, pattern = set(split(text)), pattern_of(view)
        wool = {"knitted"} if view.hat or view.scarf else set()
        false = every - set(PATTERN_WORDS.get(pattern, ())) - wool
        assert not words & false, text
        named |= words & every
        close, wide = "close-up" in words, "shoulders" in words
        assert not close or view.shot.framing == "close"
        assert not wide or view.shot.framing == "wide"
        said |= {view.shot.framing} if close or wide else set()
    assert len(named) > 8 and said == {"close", "wide"}
    assert {name for names in PATTERNS.values() for name in names} == {"plain", *PATTERN_WORDS}


def test_a_pattern_is_seen_where_pixels_clothes_and_light_are_enough():
    view = drawn(0)[1]
    shot = replace(view.shot, height=2.4, aperture=0.0)
    light, dark = (158.0, 184.0, 208.0), (22.0, 22.0, 22.0)
    view = replace(view, garment="V-neck top", seed=251 * 2, cloth_colour=light, shot=shot)
    assert pattern_of(view) == "knit"  # repeats itself after 0.06 dm

    def seen(view, size=256, share=0.2):
        labels = np.zeros((size, size), np.uint8)
        labels[size - int(share * size) :] = PART["clothes"]
        return pattern_seen(view, labels)

    assert seen(view) and not seen(view, size=64) and not seen(view, share=0.01)
    assert not seen(replace(view, cloth_colour=dark))
    assert not seen(replace(view, shot=replace(shot, aperture=1.0)))
    assert not seen(replace(view, style="manga")) and not seen(replace(view, seed=0))


def test_a_few_hundred_words_cover_what_visitors_type(captions):
    """200 prompts by somebody who knew nothing of the captions; what a renderer of faces cannot
    show (a cat on the shoulder, Mona Lisa) is in them too."""
    vocabulary = Tokenizer.of([text for *_, text in captions]).words
    assert len(vocabulary) < 400
    prompts = (PROMPTS / "first.txt").read_text("utf-8").splitlines()
    assert len(set(prompts)) == 200
    assert met(prompts, vocabulary)["met"] > 0.9


def test_words_are_met_as_typed_by_a_synonym_or_not(captions):
    vocabulary = ("man", "old", "with", "beard")
    found = met(["elderly man with beard", "zyzzyva"], vocabulary)
    assert found == {"words": 5, "as typed": 3 / 5, "met": 4 / 5}
