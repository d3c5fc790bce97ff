"""Captions: plain English that says only what can be seen, in varying words."""
from .parts import PART

DECADES = {1: "teens", 2: "twenties", 3: "thirties", 4: "forties", 5: "fifties", 6: "sixties", 7: "seventies",
           8: "eighties"}
MOODS = {
    "neutral": ("", "with a calm look", "with a neutral expression"),
    "slight smile": ("with a slight smile", "smiling faintly", "with a faint smile"),
    "smile": ("smiling", "with a smile", "who is smiling"),
    "open smile": ("with an open smile", "smiling broadly", "with a broad smile"),
    "surprised": ("looking surprised", "with a surprised look"),
    "serious": ("looking serious", "with a serious look"),
    "sad": ("looking sad", "with a sad look"),
}
CUT_WORDS = {
    "buzz": "{} hair shaved short", "cropped": "short {} hair", "side part": "{} hair parted at the side",
    "swept back": "{} hair swept back", "bob": "a {} bob", "fringed bob": "a {} bob with a fringe",
    "long straight": "long straight {} hair", "long wavy": "long wavy {} hair", "curly": "curly {} hair",
    "afro": "a {} afro", "bun": "{} hair tied in a bun", "ponytail": "{} hair tied back", "bald": "a bald head",
}
BEARD_WORDS = {"stubble": "stubble", "moustache": "a moustache", "goatee": "a goatee", "beard": "a beard"}
TONES = ("very fair", "fair", "light", "olive", "tan", "brown", "dark brown", "deep brown")


def age_words(age):
    """How a caption says an age in years."""
    if age < 28:
        return "young"
    return "elderly" if age >= 74 else ""


def tone_word(tone):
    """The name of a skin tone from 0 (fairest) to 1 (deepest)."""
    return TONES[min(int(tone * len(TONES)), len(TONES) - 1)]


def direction_words(yaw, pitch):
    """Where a face is turned, as the picture shows it; empty when it faces the camera."""
    across = "right" if yaw > 14 else "left" if yaw < -14 else ""
    along = "up" if pitch > 9 else "down" if pitch < -9 else ""
    return " and ".join(word for word in (across, along) if word)


def visible_parts(labels):
    """Which of the parts that captions name cover enough of a part map to be seen: a set of names."""
    area = labels.size
    return {name for name, least in (("hair", 0.01), ("facial hair", 0.004), ("eyes", 0.0004), ("clothes", 0.01))
            if (labels == PART[name]).sum() > least * area}


def describe(person, view, labels, rng):
    """Writes a caption.

    Args:
        person, view: values of `data.people`.
        labels: uint8 (S, S), the part map, so that nothing hidden is named.
        rng: numpy Generator for the wording.

    Returns:
        one sentence without a full stop.
    """
    seen = visible_parts(labels)
    subject = _subject(person, rng)
    mood = str(rng.choice(MOODS[view.expression]))
    features = _features(person, view, seen, rng)
    middle = [mood] if mood else []
    if features:
        joined = features[0] if len(features) == 1 else ", ".join(features[:-1]) + " and " + features[-1]
        middle.append("with " + joined)
    turned = direction_words(view.pose.yaw, view.pose.pitch)
    if turned:
        middle.append(rng.choice(["looking ", "turned ", "facing "]) + turned)
    if "clothes" in seen and rng.random() < 0.6:
        middle.append(rng.choice(["wearing ", "in "]) + _with_article(f"{view.cloth} {view.garment}"))
    text = str(rng.choice(["", "a photo of ", "a portrait of ", "a photograph of "])) + ", ".join([subject, *middle][:2])
    text = text.replace(", with", " with").replace(", who", " who") if len(middle) == 1 else text
    text = ", ".join([text, *middle[1:]])
    return text + _surroundings(view, rng)


def _subject(person, rng):
    age = person.shape.age
    words = age_words(age)
    if rng.random() < 0.4 and age >= 20:
        pronoun = "his" if person.noun == "man" else "her"
        return f"a {person.noun} in {pronoun} {DECADES[int(age // 10)]}"
    return _with_article(f"{words} {person.noun}".strip())


def _features(person, view, seen, rng):
    """Hair, beard, eyes, skin: those seen, some of them."""
    features = []
    if (view.cut == "bald" or "hair" in seen) and rng.random() < 0.9:
        features.append(_article_fixed(CUT_WORDS[view.cut].format(person.hair)))
    if person.beard and ("facial hair" in seen or person.beard == "stubble") and rng.random() < 0.9:
        features.append(BEARD_WORDS[person.beard])
    if "eyes" in seen and rng.random() < 0.35:
        features.append(f"{person.eyes} eyes")
    if rng.random() < 0.3:
        features.append(f"{tone_word(person.tone)} skin")
    if person.freckles > 0.3 and rng.random() < 0.7:
        features.append("freckles")
    return features


def _surroundings(view, rng):
    """Light and background, sometimes."""
    text = ""
    if rng.random() < 0.3 and view.light.name != "light":
        text += f", in {view.light.name}"
    if rng.random() < 0.3:
        background = _with_article(("blurred " if view.blurred else "") + view.backdrop + " background")
        text += f", {background} behind" if rng.random() < 0.5 else f", before {background}"
    return text


def _with_article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def _article_fixed(words):
    return "an " + words[2:] if words.startswith("a ") and words[2] in "aeiou" else words
