"""Captions: plain English that says only what can be seen, in varying words."""

from dataclasses import replace

from data.light.cloth import REPEATS, pattern_of
from data.light.colours import linear
from data.light.film import OPEN_BLUR
from data.people.wording import (
    AGE_WORDS,
    AMERICAN,
    BACKDROP_WORDS,
    BEARD_ADJECTIVES,
    BEARD_WORDS,
    CLEAR_ORIGIN,
    COARSE,
    CUT_WORDS,
    DECADES,
    EARRING_WORDS,
    FACE_WORDS,
    FRAMING_LEADS,
    FRAMING_WORDS,
    GARMENT_WORDS,
    GREY,
    HAIR_NAMES,
    HAT_WORDS,
    HIDDEN_CUT,
    LEADS,
    LIGHT_WORDS,
    MOODS,
    ORIGINS,
    PATTERN_WORDS,
    STYLE_KEYWORDS,
    TONES,
    TURNED,
    possessive,
)
from data.shape.parts import PART

P_KEYWORDS = 0.2  # share of captions that are short lists: "old man, beard, smiling"
P_AMERICAN = 0.35  # share in American spelling
P_PERSON = 0.07  # share that leave the sex open
# From when on a pattern can be made out: the share of the picture that clothes cover, how many
# pixels it takes to repeat itself, how many deviations of the blur at an open aperture that is, and
# for what only shades the cloth, how much light that gives back.
PATTERN_SHARE, PATTERN_PIXELS, PATTERN_BLURS, PATTERN_LIGHT = 0.02, 3.0, 4.0, 0.02


def describe(person, view, labels, rng):
    """Write a caption.

    Args:
        person, view: a `data.people` `Person` and `View`.
        labels: uint8 (S, S), the part map, so that nothing hidden is named.
        rng: numpy Generator for the wording.

    Returns:
        one sentence without a full stop, or a list of keywords.
    """
    seen = visible_parts(labels) | ({"pattern"} if pattern_seen(view, labels) else set())
    person, view = _as_drawn(person, view)
    write = _keywords if rng.random() < P_KEYWORDS else _sentence
    text = " ".join(write(person, view, seen, rng).split())
    return _american(text) if rng.random() < P_AMERICAN else text


def _sentence(person, view, seen, rng):
    before, nouns, after = MOODS[view.expression]
    form = rng.integers(3)
    withs = _features(person, view, seen, rng)
    if form == 1 and nouns and (view.expression != "neutral" or rng.random() < 0.3):
        withs.insert(0, pick(rng, nouns))
    mood = pick(rng, before) if form == 0 and before else ""
    lead, framing = _framing(view, rng)
    text = lead + with_article(_subject(person, view, mood, seen, rng))
    text = _with_decade(text, person, rng)
    if "bearded" in text:
        withs = [words for words in withs if "beard" not in words]
    if withs:
        text += " with " + _joined(withs)
    clauses = []
    if after and (form == 2 or (form == 0 and not before)):
        clauses.append(pick(rng, after).format(their=possessive(person.noun)))
    clauses += _direction(view, rng)
    worn = _worn(person, view, seen, rng)
    if worn:
        clauses.append(pick(rng, ("wearing ", "in ")) + _joined(worn))
    clauses += _surroundings(view, rng) + framing
    return ", ".join([text, *clauses])


def _keywords(person, view, seen, rng):
    """A short list, most of it left out: "old man, beard, glasses"."""
    before, nouns, after = MOODS[view.expression]
    moods = [_without_article(words) for words in (*before, *nouns)]
    moods += [words.format(their=possessive(person.noun)) for words in after]
    items = [_without_article(words) for words in _features(person, view, seen, rng)]
    items += [_without_article(words) for words in _worn(person, view, seen, rng)]
    if moods and (view.expression != "neutral" or rng.random() < 0.2):
        items.append(pick(rng, moods))
    items += _direction(view, rng) + _surroundings(view, rng)
    if view.shot.framing in FRAMING_WORDS:
        items.append(FRAMING_WORDS[view.shot.framing][0])
    kept = [items[i] for i in sorted(rng.permutation(len(items))[: rng.integers(1, 4)])]
    style = pick(rng, STYLE_KEYWORDS[view.style])
    subject = _subject(person, view, "", seen, rng)
    words = [subject, *kept, style] if rng.random() < 0.5 else [style, subject, *kept]
    return ", ".join(word for word in words if word)


def _as_drawn(person, view):
    """The person and the view without what their style does not show."""
    if view.style in COARSE:
        person = replace(person, eyes="", freckles=0.0)
    if view.style in GREY:
        person = replace(person, hair="", lipstick=0.0)
        view = replace(view, cloth="", hat_cloth="")
        view = replace(view, scarf=view.scarf and "knitted")
    return person, view


def visible_parts(labels):
    """Which parts that captions name cover enough of a part map (S, S) to be seen: a set."""
    least = {
        "hair": 0.01,
        "facial hair": 0.004,
        "eyes": 0.0004,
        "clothes": 0.01,
        "glasses": 0.001,
        "hat": 0.01,
        "ears": 0.003,
    }
    return {
        name for name, share in least.items() if (labels == PART[name]).sum() > share * labels.size
    }


def pattern_seen(view, labels):
    """Whether the pattern of what a `View` wears can be made out in its picture.

    Args:
        view: as drawn.
        labels: uint8 (S, S), the part map.
    """
    pattern, size = pattern_of(view), labels.shape[1]
    if pattern == "plain" or view.style not in ("photo", "3-D cartoon"):
        return False
    pixels = REPEATS[pattern] * size / view.shot.height
    blur = OPEN_BLUR * view.shot.aperture * size * (view.style == "photo")
    fine = pattern in ("knit", "ribs", "tweed")
    return bool(
        (labels == PART["clothes"]).mean() > PATTERN_SHARE
        and pixels > max(PATTERN_PIXELS, PATTERN_BLURS * blur)
        and not (fine and linear(view.cloth_colour).mean() < PATTERN_LIGHT)
    )


def direction_words(yaw, pitch):
    """Where a face is turned, as the picture shows it; empty when it faces the camera."""
    across = "right" if yaw > 14 else "left" if yaw < -14 else ""
    along = "up" if pitch > 9 else "down" if pitch < -9 else ""
    return " and ".join(word for word in (across, along) if word)


def _subject(person, view, mood, seen, rng):
    """Who it is, without an article: "smiling old Asian man"."""
    words = [mood] if mood else []
    words += _age_words(person.shape.age, rng)
    if person.shape.weight > 0.45 and rng.random() < 0.35:
        words.append(pick(rng, ("heavy", "plump", "fat")))
    elif person.shape.weight < -0.75 and rng.random() < 0.35:
        words.append(pick(rng, ("thin", "slim")))
    beard = BEARD_ADJECTIVES.get(person.beard) if person.noun == "man" else None
    shown = "facial hair" in seen if "beard" in person.beard else "hat" not in seen
    if beard and shown and rng.random() < 0.15:
        words.append(pick(rng, beard))
    if view.cut == "bald" and not view.hat and rng.random() < 0.4:
        words.append("bald")
    share, origin = max(zip(person.shape.origin, ORIGINS, strict=True))
    if share > CLEAR_ORIGIN and view.style != "manga" and rng.random() < 0.3:
        words.append(origin)
    noun = "person" if rng.random() < P_PERSON else person.noun
    return " ".join([*words, noun])


def _framing(view, rng):
    """How a sentence begins, and the clauses that say how much of somebody is seen, if any."""
    framing = view.shot.framing
    if framing not in FRAMING_WORDS or rng.random() < 0.4:
        return pick(rng, LEADS[view.style]), []
    if view.style == "photo" and rng.random() < 0.6:
        return pick(rng, FRAMING_LEADS[framing]), []
    return pick(rng, LEADS[view.style]), [pick(rng, FRAMING_WORDS[framing])]


def _age_words(age, rng):
    fitting = [words for low, high, words in AGE_WORDS if low <= age < high]
    if not fitting or rng.random() < 0.45:
        return []
    return [pick(rng, fitting[-1])]


def _with_decade(text, person, rng):
    """A sentence's beginning with the decade of the age, where no other word says the age."""
    decade = DECADES[int(person.shape.age // 10)]
    said = {word for _, _, words in AGE_WORDS for word in words}
    if not decade or said.intersection(text.split()) or rng.random() < 0.4:
        return text
    return f"{text} in {possessive(person.noun)} {decade}"


def _features(person, view, seen, rng):
    """Hair, beard, eyes, skin: some of those that are seen."""
    features = []
    bald = view.cut == "bald" and not view.hat
    if (bald or "hair" in seen) and rng.random() < 0.85:
        features.append(_hair_words(person, view, rng))
    features = [words for words in features if words != "hair"]
    if person.beard and (person.beard == "stubble" or "facial hair" in seen) and rng.random() < 0.9:
        features.append(pick(rng, BEARD_WORDS[person.beard]))
    if person.blush > 0.85 and view.style not in GREY and rng.random() < 0.3:
        features.append("rosy cheeks")
    shut = view.expression == "eyes closed" or (view.glasses and person.dark_lenses)
    if "eyes" in seen and person.eyes and not shut and rng.random() < 0.35:
        dark = person.eyes == "dark brown" and rng.random() < 0.4
        features.append("dark eyes" if dark else f"{person.eyes} eyes")
    if view.style not in GREY and rng.random() < 0.3:
        tone = TONES[min(int(person.tone * len(TONES)), len(TONES) - 1)]
        features.append(f"{pick(rng, tone)} skin")
    features += _face_words(person, rng)
    if person.freckles > 0.3 and rng.random() < 0.7:
        features.append("freckles")
    if person.shape.age > 62 and person.lines > 0.9 and view.style in ("photo", "pencil", "oil"):
        features += ["wrinkles"] * (rng.random() < 0.3)
    brows = person.brows
    thick, thin = brows.thickness > 1.35 or brows.bushy > 0.65, brows.thickness < 0.6
    if (thick or thin) and rng.random() < 0.25:
        features.append(pick(rng, ("bushy", "thick") if thick else ("thin",)) + " eyebrows")
    if person.complexion.dimples > 0.6 and "smile" in view.expression and rng.random() < 0.4:
        features.append("dimples")
    if person.shadows > 0.7 and "eyes" in seen and not shut and rng.random() < 0.25:
        features.append("tired eyes")
    if person.lipstick > 0.5 and rng.random() < 0.5:
        features.append("lipstick")
    if "glasses" in seen and view.glasses and rng.random() < 0.9:
        features.append(_glasses_words(person, view, rng))
    if person.earrings and "ears" in seen and rng.random() < 0.8:
        jewel = "" if view.style in GREY else f"{person.jewel} "
        features.append(f"{jewel}{pick(rng, EARRING_WORDS[person.earrings])}")
    return features


def _face_words(person, rng):
    """One feature that stands out, sometimes: "a big nose"."""
    values = dict(person.shape.features) | dict(person.shape.proportions)
    found = [
        words
        for name, sign, bound, words in FACE_WORDS
        if sign * values.get(name, 0.0) > sign * bound
    ]
    return [pick(rng, _one_of(rng, found))] if found and rng.random() < 0.3 else []


def _hair_words(person, view, rng):
    """Cut and colour, or one of the two."""
    colour = pick(rng, HAIR_NAMES.get(person.hair, (person.hair,)))
    if person.dyed and rng.random() < 0.4:
        colour = f"dyed {colour}"
    if person.greying > 0.18 and person.hair not in ("", "grey", "white"):
        colour = f"greying {colour}"
    cuts = HIDDEN_CUT if view.hat or rng.random() < 0.15 else CUT_WORDS[view.cut]
    cuts = CUT_WORDS["bald"] if view.cut == "bald" and not view.hat else cuts
    words = pick(rng, cuts).format(colour if rng.random() < 0.85 else "")
    if not words.strip().removeprefix("hair"):
        words = f"{colour} hair"
    return with_article(words[2:]) if words.startswith("a ") else words


def _glasses_words(person, view, rng):
    """What glasses are called: by their shape, by their frame, or neither."""
    if person.dark_lenses:
        return "sunglasses"
    frame = person.frame.removesuffix(" metal")
    by_frame = (f"{frame}-framed glasses", f"{frame} glasses")
    by_frame = by_frame[1:] if frame == "tortoiseshell" else by_frame
    words = ["glasses", "glasses", f"{person.glasses} glasses"]
    return pick(rng, words if view.style in GREY else [*words, pick(rng, by_frame)])


def _direction(view, rng):
    """Where the face is turned, or that it looks at the camera: at most one clause."""
    turned = direction_words(view.pose.yaw, view.pose.pitch)
    if turned:
        return [pick(rng, TURNED) + turned]
    away = max(abs(view.pose.gaze[0] + view.pose.yaw), abs(view.pose.gaze[1] + view.pose.pitch))
    if away < 4 and view.expression != "eyes closed" and rng.random() < 0.2:
        return [pick(rng, ("looking at the camera", "facing the camera"))]
    return []


def _worn(person, view, seen, rng):
    """Clothes, hat and scarf, some of those that are seen."""
    worn = []
    if "clothes" in seen and rng.random() < 0.6:
        garment = pick(rng, GARMENT_WORDS[view.garment])
        garment = "shirt" if garment == "blouse" and person.noun == "man" else garment
        pattern = ""
        if "pattern" in seen and rng.random() < 0.7:
            pattern = pick(rng, PATTERN_WORDS[pattern_of(view)])
        worn.append(with_article(f"{view.cloth} {pattern} {garment}"))
    if view.hat and "hat" in seen and rng.random() < 0.9:
        worn.append(with_article(f"{view.hat_cloth} {pick(rng, HAT_WORDS[view.hat])}"))
    if view.scarf and rng.random() < 0.9:
        worn.append(with_article(f"{view.scarf} scarf"))
    return worn


def _surroundings(view, rng):
    """Light and background, sometimes; a model learns only what is said often enough."""
    if view.style not in ("photo", "3-D cartoon", "oil"):
        return []
    clauses = []
    if rng.random() < 0.3:
        words = pick(rng, LIGHT_WORDS.get(view.light.name, (view.light.name,)))
        clauses.append(pick(rng, ("in ", "")) + words)
    if rng.random() < 0.5:
        words = pick(rng, BACKDROP_WORDS[view.backdrop.kind])
        clauses.append(words.format(view.backdrop.colour_name))
    return clauses


def _american(text):
    """A text in American spelling."""
    words = text.split(" ")
    bare = [word.rstrip(",") for word in words]
    return " ".join(
        AMERICAN.get(own, own) + word[len(own) :] for own, word in zip(bare, words, strict=True)
    )


def _one_of(rng, choices):
    return choices[rng.integers(len(choices))]


def pick(rng, words):
    """One of several ways to say something."""
    return str(_one_of(rng, words))


def _joined(words):
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def with_article(words):
    """Words behind "a" or "an"."""
    words = words.strip()
    vowel = words[0].lower() in "aeiou" and not words.startswith("Eu")
    return ("an " if vowel else "a ") + words


def _without_article(words):
    return words.removeprefix("a ").removeprefix("an ")
