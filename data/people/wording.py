"""What captions say for each value of a person and a view: several ways each, as people say it."""

DECADES = ("", "", "twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties")
# Words for an age from the first number on, below the second.
AGE_WORDS = (
    (18, 30, ("young",)),
    (42, 60, ("middle-aged",)),
    (62, 73, ("older",)),
    (68, 100, ("old", "elderly", "old")),
)
# Origins of which a mixture is clearly one, and from which share on it is.
ORIGINS = ("African", "Asian", "European")
CLEAR_ORIGIN = 0.75
# How an expression is said: before the noun, after "with", as a clause.
MOODS = {
    "neutral": ((), ("a calm look", "a neutral expression"), ()),
    "slight smile": (
        (),
        ("a slight smile", "a gentle smile", "a faint smile"),
        ("smiling faintly", "smiling slightly", "with a slight smile"),
    ),
    "smile": (("smiling", "happy", "friendly"), ("a smile", "a friendly smile"), ("smiling",)),
    "open smile": (
        ("smiling", "happy", "cheerful"),
        ("a broad smile", "a big smile"),
        ("smiling broadly", "smiling", "grinning"),
    ),
    "laugh": (("laughing",), ("a laugh",), ("laughing",)),
    "smirk": (("smirking",), ("a crooked smile", "a smirk"), ("smirking",)),
    "surprised": (("surprised",), ("a surprised look",), ("looking surprised", "surprised")),
    "serious": (
        ("serious", "stern"),
        ("a serious look", "a serious expression"),
        ("looking serious",),
    ),
    "angry": (("angry",), ("an angry look", "an angry face"), ("looking angry", "frowning")),
    "sad": (("sad",), ("a sad look", "a sad face"), ("looking sad",)),
    "pursed lips": ((), ("pursed lips",), ("pursing {their} lips",)),
    "eyes closed": ((), ("closed eyes",), ("with {their} eyes closed", "eyes closed")),
    "talking": ((), ("an open mouth",), ("talking", "speaking")),
}
# {} is the hair's colour, with what else is said of it.
CUT_WORDS = {
    "buzz": ("shaved {} hair", "a {} buzz cut", "very short {} hair"),
    "cropped": ("short {} hair",),
    "side part": ("{} hair parted at the side", "short {} hair with a side parting"),
    "swept back": ("{} hair swept back", "slicked-back {} hair", "{} hair combed back"),
    "quiff": ("{} hair standing up at the front", "a {} quiff"),
    "receding": ("receding {} hair", "a receding hairline and {} hair"),
    "balding": ("thinning {} hair", "balding {} hair"),
    "bob": ("a {} bob", "{} hair in a bob", "chin-length {} hair"),
    "fringed bob": ("a {} bob and a fringe", "a {} bob with bangs"),
    "long straight": ("long straight {} hair", "long {} hair", "straight {} hair"),
    "long wavy": ("long wavy {} hair", "wavy {} hair", "long {} hair"),
    "curly": ("curly {} hair", "{} curls"),
    "afro": ("a {} afro", "{} afro hair"),
    "bun": ("{} hair tied in a bun", "{} hair in a bun"),
    "ponytail": ("{} hair tied back", "a {} ponytail", "{} hair in a ponytail"),
    "braids": ("{} hair in braids", "{} braids"),
    "bald": ("a bald head", "a shaved head"),
}
HIDDEN_CUT = ("{} hair",)  # what can be said of hair under a hat
# Other names of hair colours, as often as they stand here.
HAIR_NAMES = {
    "blond": ("blond", "blonde"),
    "red": ("red", "red", "ginger"),
    "dark brown": ("dark brown", "dark brown", "dark"),
    "light brown": ("light brown", "light brown", "light"),
    "platinum": ("platinum", "platinum blonde"),
    "grey": ("grey", "grey", "silver"),
}
HAT_WORDS = {
    "beanie": ("beanie", "knitted hat", "woolly hat", "hat"),
    "baseball cap": ("baseball cap", "cap"),
    "sun hat": ("sun hat", "wide-brimmed hat", "straw hat", "hat"),
    "headscarf": ("headscarf", "hijab"),
}
EARRING_WORDS = {
    "studs": ("ear studs", "stud earrings", "earrings"),
    "hoops": ("hoop earrings", "hoops", "earrings"),
}
BEARD_WORDS = {
    "stubble": ("stubble", "stubble", "a stubbly beard"),
    "moustache": ("a moustache",),
    "goatee": ("a goatee",),
    "short beard": ("a short beard", "a beard", "a trimmed beard"),
    "full beard": ("a full beard", "a beard", "a long beard", "a big beard"),
}
BEARD_ADJECTIVES = {
    "": ("clean-shaven",),
    "stubble": ("unshaven",),
    "short beard": ("bearded",),
    "full beard": ("bearded",),
}
GARMENT_WORDS = {
    "T-shirt": ("T-shirt", "T-shirt", "top"),
    "V-neck top": ("V-neck top", "V-neck sweater", "top"),
    "polo neck": ("polo neck", "turtleneck", "sweater", "jumper"),
    "shirt": ("shirt", "shirt", "blouse"),
    "jacket": ("jacket", "blazer", "suit", "coat"),
}
# What cloth with a pattern of `data.light.cloth` is called; plain cloth is not called anything.
PATTERN_WORDS = {
    "stripes": ("striped", "striped", "stripy"),
    "pinstripes": ("pinstriped", "pinstripe", "striped"),
    "checks": ("checked", "plaid", "checkered"),
    "print": ("patterned", "patterned", "printed"),
    "knit": ("knitted", "knitted", "knit"),
    "ribs": ("ribbed", "ribbed", "knitted"),
    "tweed": ("tweed",),
}
_PAPER = ("before a {} background", "in front of a {} background", "{} background")
BACKDROP_WORDS = {
    "sweep": _PAPER,
    "gradient": _PAPER,
    "muslin": ("before a mottled {} background", "before painted {} cloth", "{} background"),
    "room": ("in a room", "indoors", "in a blurred room", "at home"),
    "bookshelf": ("in front of a bookshelf", "before shelves of books", "in a library"),
    "cafe": ("in a dim cafe", "before blurred warm lights", "in a bar"),
    "brick wall": ("in front of a brick wall", "by a brick wall", "brick wall background"),
    "plaster wall": ("in front of a {} wall", "before a plain {} wall", "{} wall"),
    "wooden wall": ("in front of a wooden wall", "before wooden planks"),
    "trees": ("among trees", "before green leaves", "with trees behind", "in the forest"),
    "park": ("in a park", "outdoors in a park", "outdoors", "in a garden"),
    "street": ("in a street", "in a city street", "before blurred houses", "outdoors"),
    "sea": ("by the sea", "before the sea", "at the beach"),
    "mountains": ("in the mountains", "before mountains", "mountains in the background"),
    "night city": (
        "in a city at night",
        "before the lights of a city at night",
        "city lights at night",
    ),
}
LIGHT_WORDS = {
    "soft light": ("soft light", "soft lighting", "soft light"),
    "studio light": ("studio light", "studio lighting"),
    "studio light from above": ("studio light from above", "light from above"),
    "dramatic side light": ("dramatic side light", "dramatic light", "dramatic lighting"),
    "window light": ("window light", "natural light"),
    "warm lamp light": ("warm lamp light", "warm light", "candlelight"),
    "coloured light": ("coloured light", "neon light"),
    "bright sunlight": ("bright sunlight", "bright sun", "sunlight"),
    "hazy sunlight": ("hazy sunlight", "sunlight"),
    "golden evening light": ("golden evening light", "warm evening light", "sunset light"),
    "blue evening light": ("blue evening light", "evening light"),
}
# Single features, told where they stand out, of about one person in ten each: name in
# `Shape.features` or `Shape.proportions`, whether more (1) or less (-1) of it is told, from which
# value on, and words.
FACE_WORDS = (
    ("nose size", 1, 0.65, ("a big nose", "a large nose")),
    ("nose size", -1, -0.65, ("a small nose",)),
    ("nose width", 1, 2.0, ("a broad nose",)),
    ("nose width", -1, -0.2, ("a narrow nose",)),
    ("midface height", 1, -0.3, ("a long nose",)),
    ("mouth width", 1, 0.5, ("a wide mouth",)),
    ("lip height", 1, 0.25, ("full lips",)),
    ("lip height", -1, -0.95, ("thin lips",)),
    ("jaw width", 1, 0.3, ("a strong jaw", "a square jaw")),
    ("chin height", 1, 2.2, ("a long chin", "a big chin")),
    ("eye size", 1, 0.7, ("big eyes",)),
    ("eye size", -1, -1.0, ("small eyes", "narrow eyes")),
    ("forehead height", 1, 2.0, ("a high forehead",)),
    ("cheek width", 1, 0.45, ("a round face", "a wide face")),
    ("cheek width", -1, -0.65, ("a narrow face", "hollow cheeks")),
    ("cheek/cheek-bones", 1, 0.55, ("high cheekbones",)),
    ("head/head-oval", 1, 0.4, ("an oval face",)),
)
# From the fairest to the deepest: one name of a tone, and other ways to say it.
TONES = (
    ("very fair", "pale", "fair"),
    ("fair", "pale", "light"),
    ("light", "fair", "light"),
    ("olive", "light", "olive"),
    ("tan", "tanned", "light brown"),
    ("brown", "brown", "brown"),
    ("dark brown", "dark", "brown"),
    ("deep brown", "dark", "black"),
)
TURNED = ("facing ", "turned ", "looking ")  # before the side
# How a caption may begin in each style; "" leaves it open.
LEADS = {
    "photo": ("", "", "", "a photo of ", "a portrait of ", "a photograph of ", "a picture of "),
    "manga": (
        "a manga drawing of ",
        "a manga portrait of ",
        "black and white manga of ",
        "manga style, ",
    ),
    "pencil": ("a pencil sketch of ", "a pencil drawing of ", "a pencil portrait of "),
    "oil": ("an oil painting of ", "an oil portrait of ", "a portrait in oil of "),
    "watercolour": (
        "a watercolour of ",
        "a watercolour portrait of ",
        "a watercolour painting of ",
    ),
    "pixel art": ("pixel art of ", "a pixel art portrait of ", "a pixel art picture of "),
    "3-D cartoon": (
        "a 3-D cartoon of ",
        "a 3-D cartoon portrait of ",
        "a 3-D cartoon picture of ",
    ),
}
# How much of somebody a picture shows, where it is out of the ordinary: how a caption of a photo
# may begin, and what is said at its end or in a list of keywords.
FRAMING_LEADS = {
    "close": ("a close-up of ", "a close-up portrait of ", "a close-up photo of "),
    "wide": ("a head and shoulders portrait of ", "a head and shoulders photo of "),
}
FRAMING_WORDS = {
    "close": ("close-up", "close-up view"),
    "wide": ("head and shoulders", "head and shoulders in view"),
}
# The names in a list of keywords: "old man, beard, oil painting".
STYLE_KEYWORDS = {
    "photo": ("photo", "portrait", ""),
    "manga": ("manga", "black and white manga"),
    "pencil": ("pencil sketch", "pencil drawing"),
    "oil": ("oil painting",),
    "watercolour": ("watercolour",),
    "pixel art": ("pixel art",),
    "3-D cartoon": ("3-D cartoon",),
}
AMERICAN = {
    "grey": "gray",
    "greying": "graying",
    "moustache": "mustache",
    "watercolour": "watercolor",
    "coloured": "colored",
}
GREY = ("manga", "pencil")  # styles that show no colour
COARSE = (*GREY, "pixel art")  # styles that show neither freckles nor the colour of eyes


def possessive(noun):
    """The possessive of "man" or "woman"."""
    return "his" if noun == "man" else "her"
