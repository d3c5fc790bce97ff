"""Captions: plain English that says only what can be seen, in varying words."""

from dataclasses import replace

from data.shape.parts import PART

DECADES = ("", "", "twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties")
# How an expression is said: before the noun, after "with", or as a clause; any may be missing.
MOODS = {
    "neutral": (None, "a calm look", None),
    "slight smile": (None, "a slight smile", "smiling faintly"),
    "smile": ("smiling", "a smile", "smiling"),
    "open smile": ("smiling", "a broad smile", "smiling broadly"),
    "laugh": ("laughing", "a laugh", "laughing"),
    "smirk": ("smirking", "a crooked smile", "smirking"),
    "surprised": ("surprised", "a surprised look", "looking surprised"),
    "serious": ("serious", "a serious look", "looking serious"),
    "angry": ("angry", "an angry look", "looking angry"),
    "sad": ("sad", "a sad look", "looking sad"),
    "pursed lips": (None, "pursed lips", "pursing {their} lips"),
    "eyes closed": (None, "closed eyes", "with {their} eyes closed"),
    "talking": (None, "an open mouth", "talking"),
}
CUT_WORDS = {
    "buzz": "shaved {} hair",
    "cropped": "short {} hair",
    "side part": "{} hair parted at the side",
    "swept back": "{} hair swept back",
    "quiff": "{} hair standing up at the front",
    "receding": "receding {} hair",
    "balding": "thinning {} hair",
    "bob": "a {} bob",
    "fringed bob": "a {} bob and a fringe",
    "long straight": "long straight {} hair",
    "long wavy": "long wavy {} hair",
    "curly": "curly {} hair",
    "afro": "a {} afro",
    "bun": "{} hair tied in a bun",
    "ponytail": "{} hair tied back",
    "braids": "{} hair in braids",
    "bald": "a bald head",
}
HIDDEN_CUT = "{} hair"  # what can be said of hair under a hat
HAT_WORDS = {
    "beanie": ("beanie", "knitted hat", "woolly hat"),
    "baseball cap": ("baseball cap", "cap"),
    "sun hat": ("sun hat", "wide-brimmed hat", "straw hat"),
    "headscarf": ("headscarf", "hijab"),
}
EARRING_WORDS = {"studs": ("ear studs", "earrings"), "hoops": ("hoop earrings", "earrings")}
BEARD_WORDS = {
    "stubble": "stubble",
    "moustache": "a moustache",
    "goatee": "a goatee",
    "short beard": "a short beard",
    "full beard": "a full beard",
}
_PAPER = ("before a {} background", "in front of a {} background", "a {} background")
BACKDROP_WORDS = {
    "sweep": _PAPER,
    "gradient": _PAPER,
    "muslin": ("before a mottled {} background", "before painted {} cloth"),
    "room": ("in a room", "indoors", "in a blurred room"),
    "bookshelf": ("in front of a bookshelf", "before shelves of books", "in a library"),
    "cafe": ("in a dim cafe", "before blurred warm lights"),
    "brick wall": ("in front of a brick wall", "by a brick wall"),
    "plaster wall": ("in front of a {} wall", "before a plain {} wall"),
    "wooden wall": ("in front of a wooden wall", "before wooden planks"),
    "trees": ("among trees", "before green leaves", "with trees behind"),
    "park": ("in a park", "outdoors in a park"),
    "street": ("in a street", "in a city street", "before blurred houses"),
    "sea": ("by the sea", "before the sea"),
    "mountains": ("in the mountains", "before mountains"),
    "night city": ("in a city at night", "before the lights of a city at night"),
}
TONES = ("very fair", "fair", "light", "olive", "tan", "brown", "dark brown", "deep brown")
# How a caption may begin in each style.
LEADS = {
    "photo": ("", "", "a photo of ", "a portrait of ", "a photograph of "),
    "manga": ("a manga drawing of ", "a manga portrait of ", "black and white manga of "),
    "pencil": ("a pencil sketch of ", "a pencil drawing of ", "a pencil portrait of "),
    "oil": ("an oil painting of ", "an oil portrait of ", "a portrait in oil of "),
    "watercolour": (
        "a watercolour of ",
        "a watercolour portrait of ",
        "a watercolour painting of ",
    ),
    "pixel art": ("pixel art of ", "a pixel art portrait of ", "a pixel art picture of "),
    "3-D cartoon": ("a 3-D cartoon of ", "a 3-D cartoon portrait of ", "a 3-D cartoon picture of "),
}
GREY = ("manga", "pencil")  # styles that show no colour
COARSE = (*GREY, "pixel art")  # styles that show neither freckles nor the colour of eyes


def describe(person, view, labels, rng):
    """Write a caption.

    Args:
        person, view: a `data.people` `Person` and `View`.
        labels: uint8 (S, S), the part map, so that nothing hidden is named.
        rng: numpy Generator for the wording.

    Returns:
        one sentence without a full stop.
    """
    seen = visible_parts(labels)
    person, view = _as_drawn(person, view)
    before, noun, clause = MOODS[view.expression]
    form = rng.integers(3)
    withs = _features(person, view, seen, rng)
    if form == 1 and noun and (view.expression != "neutral" or rng.random() < 0.3):
        withs.insert(0, noun)
    text = str(rng.choice(LEADS[view.style])) + _subject(person, before if form == 0 else None, rng)
    if withs:
        text += " with " + _joined(withs)
    clauses = [clause] if clause and (form == 2 or (form == 0 and not before)) else []
    clauses = [words.format(their=_possessive(person)) for words in clauses]
    turned = direction_words(view.pose.yaw, view.pose.pitch)
    if turned:
        clauses.append(rng.choice(["facing ", "turned "]) + turned)
    worn = []
    if "clothes" in seen and rng.random() < 0.6:
        worn.append(_a(f"{view.cloth} {view.garment}"))
    if view.hat and "hat" in seen and rng.random() < 0.9:
        worn.append(_a(f"{view.hat_cloth} {rng.choice(HAT_WORDS[view.hat])}"))
    if view.scarf and rng.random() < 0.9:
        worn.append(_a(f"{view.scarf} scarf"))
    if worn:
        clauses.append(str(rng.choice(["wearing ", "in "])) + _joined(worn))
    clauses += _surroundings(view, rng) if view.style in ("photo", "3-D cartoon", "oil") else []
    return " ".join(", ".join([text, *clauses]).split())


def _as_drawn(person, view):
    """The person and the view without what their style does not show."""
    if view.style in COARSE:
        person = replace(person, eyes="", freckles=0.0)
    if view.style in GREY:
        person, view = replace(person, hair=""), replace(view, cloth="", hat_cloth="")
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


def direction_words(yaw, pitch):
    """Where a face is turned, as the picture shows it; empty when it faces the camera."""
    across = "right" if yaw > 14 else "left" if yaw < -14 else ""
    along = "up" if pitch > 9 else "down" if pitch < -9 else ""
    return " and ".join(word for word in (across, along) if word)


def tone_word(tone):
    """The name of a skin tone from 0 (fairest) to 1 (deepest)."""
    return TONES[min(int(tone * len(TONES)), len(TONES) - 1)]


def _subject(person, mood, rng):
    """Who it is: a man or a woman, perhaps with a mood and an age."""
    age, words = person.shape.age, [mood] if mood else []
    decade = DECADES[int(age // 10)]
    if decade and rng.random() < 0.45:
        return f"{_a(' '.join([*words, person.noun]))} in {_possessive(person)} {decade}"
    words += ["young"] if age < 28 else ["elderly"] if age >= 74 else []
    return _a(" ".join([*words, person.noun]))


def _possessive(person):
    return "his" if person.noun == "man" else "her"


def _features(person, view, seen, rng):
    """Hair, beard, eyes, skin: some of those that are seen."""
    features = []
    bald = view.cut == "bald" and not view.hat
    if (bald or "hair" in seen) and rng.random() < 0.9:
        state = "dyed " if person.dyed and rng.random() < 0.4 else ""
        if person.greying > 0.18 and person.hair not in ("", "grey", "white"):
            state = "greying "
        words = (HIDDEN_CUT if view.hat else CUT_WORDS[view.cut]).format(state + person.hair)
        features.append(_a(words[2:]) if words.startswith("a ") else words)
    if person.beard and (person.beard == "stubble" or "facial hair" in seen) and rng.random() < 0.9:
        features.append(BEARD_WORDS[person.beard])
    shut = view.expression == "eyes closed" or (view.glasses and person.dark_lenses)
    if "eyes" in seen and person.eyes and not shut and rng.random() < 0.35:
        features.append(f"{person.eyes} eyes")
    if view.style not in GREY and rng.random() < 0.3:
        features.append(f"{tone_word(person.tone)} skin")
    if person.freckles > 0.3 and rng.random() < 0.7:
        features.append("freckles")
    if "glasses" in seen and view.glasses and rng.random() < 0.9:
        features.append(_glasses_words(person, view, rng))
    if person.earrings and "ears" in seen and rng.random() < 0.8:
        jewel = "" if view.style in GREY else f"{person.jewel} "
        features.append(f"{jewel}{rng.choice(EARRING_WORDS[person.earrings])}")
    return features


def _glasses_words(person, view, rng):
    """What glasses are called: by their shape, by their frame, or neither."""
    if person.dark_lenses:
        return "sunglasses"
    frame = person.frame.removesuffix(" metal")
    by_frame = f"{frame} glasses" if frame == "tortoiseshell" else f"{frame}-framed glasses"
    words = ["glasses", f"{person.glasses} glasses"]
    return str(rng.choice(words if view.style in GREY else [*words, by_frame]))


def _surroundings(view, rng):
    """Light and background, sometimes; a model learns only what is said often enough."""
    clauses = []
    if rng.random() < 0.3:
        clauses.append(f"in {view.light.name}")
    if rng.random() < 0.5:
        words = BACKDROP_WORDS[view.backdrop.kind]
        words = words[rng.integers(len(words))].format(view.backdrop.colour_name)
        clauses.append(words)
    return clauses


def _joined(words):
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _a(words):
    words = words.strip()
    return ("an " if words[0] in "aeiou" else "a ") + words
