"""A user's words in the words of a model's captions: spelling, meaning, typing errors.

Only the standard library is imported. Words come out of `split`, so they hold letters, digits,
hyphens and apostrophes: whatever this module quotes can be printed on a terminal as it is.
"""

import difflib
import re
import unicodedata
from typing import NamedTuple

LONGEST_PHRASE = 5  # words
_WORD = re.compile(r"\w+(?:[-']\w+)*")
_BREAK = re.compile(r"[^\w\s'-]+|--+|\s-\s")  # punctuation: no phrase goes across it

# Meaning: candidates, best first and divided by "|" -> the words and phrases that are read so.
# Hyphens in phrases count as blanks ("middle aged" stands for "middle-aged" too). A candidate that
# begins with "with" or "in" goes behind the noun: "a bearded man" -> "a man with a beard".
_MEANINGS = {
    # Who. The captions know men and women only; where the sex is open, nothing is said of it.
    "woman": "women, womans, lady, ladies, female, females, mother, mom, mum, mommy, mummy, wife, "
    "aunt, bride, queen, businesswoman, actress, waitress, housewife, saleswoman, policewoman",
    "man": "men, mans, guy, guys, male, males, gentleman, gentlemen, gent, dude, bloke, chap, "
    "fellow, fella, father, dad, daddy, husband, uncle, groom, king, businessman, actor, waiter, "
    "salesman, policeman, fireman, fisherman",
    "young woman": "girl, girls, lass, gal, daughter, princess, schoolgirl, teenage girl, "
    "little girl, young girl, young lady",
    "young man": "boy, boys, lad, son, prince, schoolboy, teenage boy, little boy, young boy, "
    "young guy",
    "elderly woman": "grandmother, grandma, granny, gran, nana, old lady, old girl",
    "elderly man": "grandfather, grandpa, granddad, grandad, old boy",
    "portrait | photograph | photo": "person, people, human, someone, somebody, adult, individual, "
    "headshot, head shot, close up, closeup, character",
    "young portrait | young": "child, children, kid, kids, baby, toddler, infant, young person, "
    "young people, teen, teens, teenager, teenagers, adolescent, youth",
    "elderly portrait | elderly": "old person, old people, elder, pensioner, senior citizen",
    # Age.
    "elderly": "old, older, aged, senior, ancient, oldest",
    "young": "younger, youngest, youthful, teenage, teenaged, juvenile",
    "in {their} forties | in {their} fifties": "middle aged, middle age",
    # Skin, the only thing that captions say of where somebody comes from.
    "with very fair skin": "pale, porcelain",
    "with tan skin": "tanned, suntanned, sun tanned",
    "very fair skin": "pale skin, porcelain skin, pale complexion",
    "fair skin": "white skin, ivory skin",
    "deep brown skin": "black skin, ebony skin",
    "with freckles": "freckled, freckly",
    "skin": "complexion",
    # Hair.
    "hair": "tresses, hairdo, hairstyle, hairstyles, haircut, wig",
    "with blond hair": "blonde, blondes",
    "blond": "dirty blond, dirty blonde, ash blond, ash blonde, strawberry blond, "
    "strawberry blonde, flaxen",
    "blond hair": "blonde hair, golden hair, yellow hair",
    "blond bob": "blonde bob",
    "curly blond hair": "curly blonde hair, blonde curly hair, blonde curls, blond curls",
    "wavy blond hair": "wavy blonde hair, blonde wavy hair",
    "blond afro": "blonde afro",
    "with red hair": "redhead, red head, redheaded, red headed, ginger, redheads",
    "red hair": "ginger hair",
    "copper hair | red hair": "orange hair",
    "with brown hair": "brunette, brunettes",
    "brown hair": "brunette hair, chestnut hair, chocolate hair",
    "black hair": "raven hair, jet black hair",
    "grey hair": "silver hair, silvery hair",
    "greying hair | grey hair": "salt and pepper hair",
    "greying": "graying, salt and pepper",
    "auburn": "mahogany",
    "platinum": "platinum blond, platinum blonde",
    "curly": "frizzy, kinky, coily, curled, permed",
    "curly hair": "curls, ringlets, perm, curly locks",
    "wavy": "waved",
    "wavy hair": "wavy locks",
    "straight": "sleek, straightened",
    "short": "cropped, shorter, close cropped",
    "short hair": "pixie cut, cropped hair",
    "long hair": "long locks",
    "long": "shoulder length, waist length, lengthy",
    "shaved hair": "buzz cut, buzzcut, crew cut, crewcut",
    "a fringe": "bangs, fringes",
    "bob": "bobbed hair, bob cut",
    "hair tied back": "ponytail, pony tail, ponytails",
    "hair in braids | braids": "dreadlocks, dreads, cornrows, pigtails, plaits, plait, box braids",
    "braids": "braided, plaited",
    "bun": "updo, up do, topknot, top knot, man bun, hair bun, chignon",
    "hair standing up at the front": "quiff, pompadour",
    "hair swept back": "slicked back hair, hair slicked back, combed back hair, hair combed back",
    "swept back": "slicked back, combed back, brushed back",
    "with thinning hair": "balding",
    "receding hair": "receding hairline",
    "bald": "hairless, bald headed",
    "a bald head": "bald pate",
    "dyed": "dye, bleached",
    # Beard.
    "a beard": "facial hair, whiskers",
    "full beard": "big beard, bushy beard, long beard, thick beard",
    "with a beard": "bearded",
    "moustache": "mustache, mustaches, moustaches, mustachio, tache, stache",
    "with a moustache": "mustached, moustached, mustachioed, moustachioed",
    "goatee": "goatie, goatees, van dyke",
    "stubble": "five o'clock shadow, 5 o'clock shadow, scruff",
    "with stubble": "unshaven, stubbly, scruffy, unshaved",
    # Eyes.
    "hazel eyes": "amber eyes",
    "dark brown eyes": "black eyes",
    "closed": "shut",
    "with closed eyes": "sleeping, asleep",
    # Expression.
    "smiling": "smiles, smiled, happy, cheerful, joyful, joyous, merry, grinning, "
    "beaming, friendly, smiley, glad",
    "broad smile": "grin, big smile, wide smile, huge smile, bright smile, toothy smile, "
    "toothy grin, big grin, wide grin, broad grin, open smile",
    "slight smile": "half smile, faint smile, gentle smile, soft smile, subtle smile, small smile",
    "smiling broadly": "smiling widely",
    "smiling faintly": "smiling slightly, smiling softly, smiling gently",
    "smile": "happiness, joy",
    "slight": "faint, subtle",
    "laughing": "laughs, laughed, giggling, chuckling",
    "laugh": "laughter, giggle, chuckle",
    "sad": "unhappy, sorrowful, gloomy, depressed, melancholy, melancholic, crying, upset, "
    "weeping, tearful, miserable",
    "angry": "mad, furious, annoyed, enraged, irate, grumpy",
    "angry look": "scowl",
    "surprised": "shocked, astonished, amazed, startled",
    "surprised look": "surprise",
    "serious": "stern, solemn, frowning, unsmiling, severe",
    "serious look": "frown",
    "calm": "neutral, relaxed, peaceful, serene, expressionless",
    "smirking": "smug, sneering",
    "crooked smile": "smirk, sneer",
    "look": "expression, facial expression",
    "with pursed lips": "pouting, kissing",
    "pursed lips": "pout, duck face",
    "with an open mouth": "singing, shouting, screaming, yelling, yawning, open mouthed",
    "talking": "speaking, chatting",
    # Clothes.
    "t-shirt": "tee, tshirt, tee shirt, teeshirt",
    "polo neck": "turtleneck, turtle neck, rollneck, roll neck, poloneck",
    "v-neck top": "v neck sweater, v neck jumper, v neck pullover",
    "top": "sweater, jumper, pullover, sweatshirt, cardigan, tank top, vest, dress, gown, clothes, "
    "clothing, outfit, robe",
    "shirt": "blouse, button up, button down, dress shirt",
    "jacket": "coat, blazer, suit, suit jacket, hoodie, hoody, overcoat, parka, anorak, raincoat",
    "scarf": "shawl, neckerchief, muffler, scarves",
    "wearing": "wears, wore, dressed in, clad in",
    # Glasses, hats, earrings.
    "glasses": "eyeglasses, eyeglass, eye glasses, spectacles, specs, eyewear, reading glasses, "
    "goggles, a pair of glasses, a pair of spectacles, pair of glasses",
    "sunglasses": "shades, dark glasses, sunglass, sunnies, a pair of sunglasses",
    "with glasses": "bespectacled, spectacled",
    "tortoiseshell": "horn rimmed, hornrimmed",
    "rectangular glasses": "square glasses, angular glasses",
    "aviator glasses": "aviators, pilot glasses",
    "black-framed glasses": "black glasses, dark framed glasses, black rimmed glasses",
    "gold-framed glasses": "gold glasses, golden glasses, gold rimmed glasses",
    "silver-framed glasses": "silver glasses, silver rimmed glasses, wire rimmed glasses",
    "red-framed glasses": "red glasses, red rimmed glasses",
    "blue-framed glasses": "blue glasses, blue rimmed glasses",
    "brown-framed glasses": "brown glasses, brown rimmed glasses",
    "clear-framed glasses": "clear glasses",
    "knitted hat | woolly hat | hat": "knit hat, knit cap, bobble hat, toque, tuque, woollen hat",
    "woolly": "woolen, woollen, wooly, wool",
    "knitted": "knit",
    "baseball cap": "baseball hat, ball cap, trucker hat, trucker cap",
    "wide-brimmed hat | hat": "fedora, cowboy hat, sombrero, panama hat, stetson",
    "sun hat | hat": "sunhat, sun bonnet, bonnet, summer hat",
    "hat": "top hat, bowler hat, bowler, trilby, headgear",
    "headscarf": "head scarf, kerchief, headcloth, veil, bandana, head covering",
    "hoop earrings | earrings": "hoops",
    "ear studs | earrings": "stud earrings, stud earring",
    "pearl earrings": "pearls",
    # Colours.
    "grey": "gray, grayish, greyish",
    "dark grey": "charcoal, dark gray",
    "light grey": "light gray, pale grey, pale gray",
    "coloured light": "neon light, neon lights, neon lighting, colored lights, coloured lights",
    "coloured": "colored, colorful, colourful, multicolored, multicoloured",
    "teal": "turquoise, cyan, aqua",
    "purple": "violet, lilac, lavender, mauve, indigo",
    "red": "crimson, scarlet, maroon, burgundy, ruby, cherry",
    "pink": "magenta, fuchsia, salmon, pale pink",
    "beige": "cream, khaki, sand",
    "white": "off white, snow white, snowy, ivory",
    "black": "jet black, pitch black, ebony",
    "brown": "chestnut, chocolate, pale brown",
    "light blue": "sky blue, baby blue, pale blue",
    "blue": "azure, sapphire, cobalt, bluish, blueish",
    "navy": "navy blue, midnight blue",
    "green": "emerald, pale green",
    "yellow": "pale yellow",
    "colour": "color, colors, colours",
    # Background.
    "background": "backdrop, backgrounds",
    "trees": "forest, woods, woodland, jungle",
    "among trees": "in a forest, in the forest, in the woods, in a jungle, in the jungle",
    "park": "garden, meadow",
    "by the sea": "on the beach, on a beach, at the beach, at a beach, at the sea, at the seaside, "
    "by the ocean, at the ocean, near the sea, near the ocean",
    "sea": "ocean, beach, seaside, shore, coast",
    "mountains": "hills, mountain, alps",
    "cafe": "bar, pub, restaurant, coffee shop, coffeehouse, diner, bistro",
    "room": "kitchen, bedroom, living room, office, classroom",
    "indoors": "inside, at home, indoor, interior",
    "outdoors": "outside, outdoor, in nature",
    "bookshelf": "bookcase, bookshelves, book shelves",
    "houses": "buildings, house, building",
    "city": "town, urban, downtown, skyline",
    "street": "road, alley, sidewalk, pavement",
    "brick wall": "brickwall, bricks",
    "blurred": "blurry, out of focus, unfocused, defocused",
    "blurred warm lights | blurred": "bokeh",
    "leaves": "leaf, foliage",
    "wooden": "wood",
    "by": "near, beside",
    "behind": "in the background",
    # Light.
    "light": "lighting, illumination",
    "sunlight": "sunshine, daylight",
    "bright sunlight": "sunny, sunny day, bright daylight",
    "in golden evening light": "at sunset, at dusk, at sunrise, at golden hour, during sunset",
    "in blue evening light": "at twilight",
    "golden evening light": "sunset, dusk, sunrise, golden hour, evening sun",
    "warm lamp light": "candlelight, lamplight, candle light, lamplit",
    "blue evening light": "moonlight, twilight, blue hour",
    "window light": "natural light, natural lighting",
    "studio light": "softbox, spotlight, flash",
    "overcast": "cloudy, rainy, grey sky",
    "hazy": "foggy, misty",
    "night": "nighttime, night time, midnight",
    "shade": "shadow, shadows, shady",
    "dramatic": "moody",
    # Where somebody looks.
    "up": "upwards, upward",
    "down": "downwards, downward",
    "left": "leftwards",
    "right": "rightwards",
    # Kinds of picture; which of them there are depends on the captions.
    "photo | photograph | portrait": "picture, pic, image, selfie, snapshot, snap, "
    "foto, photography",
    "photograph | photo": "photographic, photorealistic",
    "watercolour": "watercolor, aquarelle, water colour, water color",
    "manga": "anime",
    "3-d cartoon": "pixar",
    "drawing": "illustration",
    # Phrases of known words that mean something else as a whole and have no equivalent.
    "": "clean shaven, clean shave, smooth shaven, looking at the camera, looking at camera, "
    "facing the camera, facing camera, looking at the viewer, looking into the camera, "
    "looking straight ahead, facing forward, glass of wine, light bulb, bow tie, red carpet, "
    "close shaven, bald eagle, straight face, full body, full length, looking good, "
    "high neck, good looking, bad hair day, hair tie, hair band",
}
# "a black man": captions name the colour of skin, not a group of people.
_PEOPLE = {
    "man": "man, guy, dude, male, gentleman",
    "young man": "boy, lad",
    "woman": "woman, lady, female",
    "young woman": "girl",
    "portrait": "person, people",
}
_SKINS = {"black": "dark brown skin", "white": "fair skin"}


def _table():
    """`SYNONYMS` out of the tables above, a key a word or phrase."""
    synonyms = {}
    for candidates, keys in _MEANINGS.items():
        for key in keys.split(", "):
            synonyms.setdefault(key, tuple(c for c in candidates.split(" | ") if c))
    for noun, keys in _PEOPLE.items():
        for key in keys.split(", "):
            for colour, skin in _SKINS.items():
                synonyms[f"{colour} {key}"] = (f"{noun} with {skin}",)
                for young in ("old", "elderly", "young"):
                    age = "young" if young == "young" else "elderly"
                    meant = f"{age} {noun.removeprefix('young ')} with {skin}"
                    synonyms[f"{colour} {young} {key}"] = (meant,)
    return synonyms


SYNONYMS = _table()

# Words that say nothing of a picture: left out without a report where a vocabulary lacks them.
_FUNCTION = frozenset(
    "a an the and or but with of in on at to for from into onto over under off out about as than "
    "his her hers their theirs its my our your he she they him them it i we you me us who whom "
    "whose which that this these those there here is are was were be being been am has have had "
    "having do does did so very really quite rather too some any each every both also just then "
    "while when where please".split()
)
_TWINS = dict(
    pair.split("/")
    for pair in "grey/gray colour/color coloured/colored moustache/mustache "
    "watercolour/watercolor woollen/woolen greying/graying cosy/cozy jewellery/jewelry".split()
)
_TWINS |= {american: british for british, american in _TWINS.items()}
_NEGATIONS = frozenset(
    "without no not non never minus sans isn't aren't hasn't doesn't don't".split()
)
_NEGATIVE_PREFIXES = ("non", "un", "anti", "ex", "no", "not")
# Connectives, which are left out with the word that they lead to.
_ARTICLES = frozenset("a an the very his her their some".split())
_LINKS = frozenset("with and of in on at by from before above behind among wearing under".split())
_LEADING = _ARTICLES | _LINKS | {"front", "looking", "facing"}
_NOUNS = {"man": "his", "woman": "her"}
_PICTURES = frozenset(("portrait", "photo", "photograph"))
_UNCOUNTED = frozenset(
    "hair skin glasses sunglasses freckles stubble eyes earrings braids trees leaves houses "
    "mountains".split()
)
_PARTS = {"haired": "hair", "eyed": "eyes", "skinned": "skin", "bearded": "beard"}
_QUALITIES = frozenset(
    "black white grey brown red green blue yellow pink purple orange beige navy teal rose gold "
    "silver golden light dark deep bright long short round straight curly wavy broad full".split()
)
_DECADES = "twenties thirties forties fifties sixties seventies eighties".split()
_AGE = re.compile(
    r"(\d{1,3})[ -]?(?:years?|yrs?)[ -]?olds?|(\d{1,3})[ -]?(?:yo|y o)|aged? (\d{1,3})|"
    r"(\d{1,3}) years of age"
)
_SPAN = re.compile(rf"(?:(?:early|mid|late)[ -])?(?:([2-8])0'?s|({'|'.join(_DECADES)}))")
_ENDING = re.compile(r"(?:ing|ed|s)$")
# Ordinary words that look like a typing error or a form of another one and are neither.
_OTHER_WORDS = frozenset(
    "aback aviation backed backer backing balling banana bang bard bars basketball beached "
    "bead beaded bear bearing beating behinds blacking blaming blight blood blues blurted "
    "board boarded bobbing bond book boots brad brains braised branded brands breached bread "
    "bricked brighten broadway brow cape capping chanting charting chopped chopper chucking "
    "clam cloned close closely closer closest closet closing clot clothe clothed clotting "
    "coasts color colors colour colours completion cooked cooper copier copped copter crapped "
    "croaked crook crooks depresses downed downer downing dread drown earnings eighteen "
    "engaged enrage even evenly evens face faces fading fairy faking faring faxing fellows "
    "flair flashes font foreman form fridge fronted fronting fully gasses gently glass good "
    "gracing grading grasses grating grazing greens grinding hairy headed header heading "
    "heady heard herring hill hiss hisses hissing horses hoses housed inferior jacked kingly "
    "knitting knotted lasses leases leave lefts lefty length lengths lighted lightning "
    "literary loaves locking longed longing longs looker looming looping looting maintains "
    "manned manner manning mommies moth mouthy muffle muffled mummies necking neural nigh "
    "oils oliver outsider overcame pain pained paint painter painting paintings paints parked "
    "parker parking part partied parting partly parts pasted patted peal pear phonograph "
    "photon plaid plan planes plans planted plants plated pointed polio pool posting potting "
    "pouring pranks princely printed pulsing punk purged purging purring purse purses pursued "
    "pursuing reds related relaxes relayed rightly rights rooming rosie rounded rounding "
    "rounds rouse rubies sailing saved scar scares scouting seeping selves seventeen shacked "
    "shamed shaped shared shave shaver sheaves shelve shirking shit shooter shooting shores "
    "shorted shorten shorting shorts shot shoved sided sight signing sinking sinning skinned "
    "skinning skirt skylight slaved sleight slide slinging sliver sneaking sneezing snide "
    "socked soiling sort spec spectacle spending spouting squabble stand stands starlet "
    "starlight started startle starves steering stepson stinging stocked straighten streaming "
    "striking stubby stud stumble stunning suites sunshiny surprising sweated sweeping "
    "sweeter swinging taking tanner tasking thinking thirteen threes tide ties timed tired "
    "toddle topped topper topping tried tuned turn turner turns twentieth walk walled wally "
    "wearer weaving weeding whispers whit wholly widow width wifely wiggly witch wither "
    "yelping".split()
)

_KINDS = {
    "sex": "man woman men women male female",
    "age": "young elderly old middle-aged child teenager twenties thirties forties fifties "
    "sixties seventies eighties nineties",
    "hair": "hair bob fringe curly wavy straight afro bun braids parted swept tied receding "
    "thinning bald shaved short long head standing ponytail",
    "hair colour": "blond auburn copper platinum dyed greying ginger",
    "beard": "beard stubble goatee moustache full",
    "skin": "skin olive fair tan freckles",
    "eyes": "eyes hazel closed",
    "expression": "smiling smile broadly broad faintly slight serious surprised laughing laugh "
    "sad angry calm talking smirking crooked pursing pursed lips mouth open look neutral",
    "clothes": "jacket polo neck shirt t-shirt v-neck top scarf dress coat sweater wearing",
    "glasses and hats": "glasses sunglasses rectangular round aviator cat-eye half-rim "
    "tortoiseshell hat cap baseball beanie woolly knitted wide-brimmed straw headscarf hijab",
    "jewellery": "earrings ear studs hoop pearl necklace",
    "colours": "black white grey brown red green blue yellow pink purple orange beige navy teal "
    "rose gold silver light dark deep",
    "background": "background wall brick wooden planks cloth painted mottled plain blurred trees "
    "leaves park sea mountains street city houses cafe room library bookshelf books shelves "
    "indoors outdoors lights",
    "light": "studio window sunlight sun evening night lamp golden warm soft bright hazy dim "
    "overcast dramatic coloured shade",
    "direction": "left right up down front side back turned facing looking",
    "picture": "portrait photograph photo picture manga drawing sketch pencil oil painting "
    "watercolour pixel art cartoon 3-d",
    "small words": "a an the and with of in at on by to from before above behind among his her "
    "their very",
}


class Resolved(NamedTuple):
    """A prompt in a model's words.

    words: what the model is told, in order, every word of the vocabulary.
    replaced: pairs of what was typed and what was read, in order.
    skipped: what was left out, in order.
    """

    words: tuple[str, ...]
    replaced: tuple[tuple[str, str], ...]
    skipped: tuple[str, ...]


class _Piece(NamedTuple):
    """A word or phrase of a prompt; `meant` is None where it was skipped."""

    typed: str
    meant: tuple[str, ...] | None

    @property
    def changed(self):
        return self.meant is None or " ".join(self.meant) != self.typed


class _Vocabulary:
    """A model's words, with the views of them that spelling needs."""

    def __init__(self, words):
        self.words = tuple(words)
        self.known = frozenset(self.words)
        # Several words that differ in hyphens only: the most frequent, which comes first.
        self.unhyphened = {word.replace("-", ""): word for word in reversed(self.words)}

    def choose(self, key):
        """The first candidate of a synonym that can be said: its words, () for a phrase without an
        equivalent, None if there is none."""
        candidates = SYNONYMS.get(key)
        if candidates == ():
            return ()
        for candidate in candidates or ():
            words = tuple(candidate.split())
            if all(word in self.known or word == "{their}" for word in words):
                return words
        return None


def split(text):
    """The words of a text, in lower case, however their accents and apostrophes are typed."""
    return _WORD.findall(_normal(text).lower())


def resolve(prompt, vocabulary, strict=False):
    """A prompt in the words of a vocabulary.

    Known words stay. Others are read by the first of these that applies: a synonym (the longest
    phrase first), another spelling, another form ("smiles"), a part of a hyphened word, a typing
    error. What is still unknown is skipped, with the small words that lead to it; unknown function
    words are dropped without a report. What follows "without" or "no" is skipped too.

    Args:
        prompt: a string; an empty one gives no words.
        vocabulary: the known words in lower case, the most frequent first.
        strict: refuse unknown words instead; function words are dropped all the same.

    Returns:
        `Resolved`.

    Raises:
        ValueError: for a prompt of signs only, for one of which nothing is left, and with `strict`
            for the first unknown word.
    """
    lexicon = _Vocabulary(vocabulary)
    words = split(prompt)
    if not words:
        if prompt.strip():
            raise ValueError(f"there is no word in the prompt {prompt!r}.")
        return Resolved((), (), ())
    if strict:
        pieces, said = [], _strictly(words, lexicon)
    else:
        pieces, said = _resolved(prompt, lexicon, whole=True)
        if not said:
            pieces, said = _resolved(prompt, lexicon, whole=False)
    changed = [piece for piece in pieces if piece.changed]
    replaced = [
        (piece.typed, " ".join(piece.meant).removeprefix("with "))
        for piece in changed
        if piece.meant
    ]
    skipped = [piece.typed for piece in changed if not piece.meant]
    if not said:
        first = skipped[0] if skipped else words[0]
        raise ValueError(
            f"the model knows none of the words in {prompt!r}; {_nearest(first, lexicon.words)}."
        )
    return Resolved(tuple(said), tuple(dict.fromkeys(replaced)), tuple(dict.fromkeys(skipped)))


def describe(prompt, resolved):
    """What `resolve` changed in a prompt, in one line for its author.

    Args:
        prompt: the prompt, for its capital letters.
        resolved: what `resolve` made of it.

    Returns:
        a sentence of printable characters; None if nothing changed.
    """
    notes = []
    if resolved.replaced:
        read = [f"{_quoted(prompt, old)} as {new!r}" for old, new in resolved.replaced]
        notes.append(_listed(read).replace(" as ", " was read as ", 1))
    if resolved.skipped:
        verbs = ("is", "was") if len(resolved.skipped) == 1 else ("are", "were")
        skipped = _listed([_quoted(prompt, word) for word in resolved.skipped])
        notes.append(f"{skipped} {verbs[0]} unknown and {verbs[1]} left out")
    if not notes:
        return None
    return f'{"; ".join(notes)}: drawn as "{" ".join(resolved.words)}".'


def by_kind(vocabulary):
    """A vocabulary by what its words are about.

    Args:
        vocabulary: words, the most frequent first.

    Returns:
        dict of a kind's name to its words, in their order; every word is in exactly one, and no
        kind is empty.
    """
    kind_of = {word: kind for kind, words in _KINDS.items() for word in words.split()}
    kinds = {kind: [] for kind in _KINDS}
    kinds["other"] = []
    for word in vocabulary:
        framed = "glasses and hats" if word.endswith("-framed") else "other"
        kinds[kind_of.get(word, framed)].append(word)
    return {kind: words for kind, words in kinds.items() if words}


def _normal(text):
    return unicodedata.normalize("NFC", text).replace("’", "'")


def _clauses(prompt):
    """The words of a prompt between its punctuation marks: lists, none empty."""
    parts = _BREAK.split(_normal(prompt))
    return [words for words in map(split, parts) if words]


def _resolved(prompt, lexicon, whole):
    """(pieces, words) of a prompt. `whole`: a skipped noun takes its colour along, as nothing else
    in the prompt would be that colour."""
    clauses = [_read(clause, lexicon) for clause in _clauses(prompt)]
    if whole:
        clauses = [_without_its_colour(pieces) for pieces in clauses]
    clauses = _with_owners(_with_one_picture(clauses), lexicon)
    said = [word for pieces in clauses for word in _said(pieces, lexicon)]
    if said[:1] and said[0] in ("with", "of", "and") and said[0] != split(prompt)[0]:
        said = said[1:]  # "a redhead" is "red hair"
    return [piece for pieces in clauses for piece in pieces], said


def _strictly(words, lexicon):
    for word in words:
        if word not in lexicon.known and word not in _FUNCTION:
            near = _nearest(word, lexicon.words)
            raise ValueError(f"the model never met the word {word!r}; {near}.")
    return [word for word in words if word in lexicon.known]


def _nearest(word, words):
    near = difflib.get_close_matches(word, words, n=3, cutoff=0.5)
    if near:
        return "the nearest that it knows: " + ", ".join(near)
    return "it knows, among others: " + ", ".join(words[:8])


# Reading: pieces of a clause, each known, replaced or skipped.


def _read(words, lexicon):
    """The pieces of a clause; function words that are unknown are left out."""
    pieces, i = [], 0
    while i < len(words):
        n, meant = _read_at(words[i:], lexicon)
        if meant != ():
            pieces.append(_Piece(" ".join(words[i : i + n]), meant))
        i += n
    return pieces


def _without_its_colour(pieces):
    """Pieces in which a skipped noun takes its colour or length along: "pink mohawk"."""
    kept = []
    for i, piece in enumerate(pieces):
        ends = i + 1 == len(pieces) or (pieces[i + 1].meant or ("",))[0] in _LINKS
        if piece.meant is None and ends and not _is_negation(piece.typed.split()[0]):
            while kept and kept[-1].meant and _QUALITIES.issuperset(kept[-1].meant):
                piece = _Piece(f"{kept.pop().typed} {piece.typed}", None)
        kept.append(piece)
    return kept


def _read_at(words, lexicon):
    """The piece that begins a list of words: (number of words, `_Piece.meant`); () for a function
    word that is to be dropped."""
    if _is_negation(words[0]) and words[0] not in lexicon.known:
        return _negated(words), None
    for n in range(min(LONGEST_PHRASE, len(words)), 1, -1):
        meant = _phrase(words[:n], lexicon)
        if meant is not None:
            return n, meant or None  # a phrase without an equivalent is skipped as a whole
    word = words[0]
    if word in _FUNCTION and word not in lexicon.known and lexicon.choose(word) is None:
        return 1, ()
    return 1, _word(word, lexicon) or _typing_error(word, lexicon)


def _is_negation(word):
    return word in _NEGATIONS or len(word) > 5 and _distance(word, "without") < 2


def _negated(words):
    """How many words a negation takes away, itself included: "no beard", "not wearing a hat"."""
    n = 1
    while n < len(words) and words[n] in _FUNCTION | {"wearing"}:
        n += 1
    while n < len(words) and words[n] not in _LINKS | _NEGATIONS:
        n += 1
    return n


def _phrase(words, lexicon):
    """Several words as one: a synonym, an age, "curly haired", "head scarf"; None if not."""
    text = " ".join(words).replace("-", " ")
    meant = lexicon.choose(text)
    if lexicon.known.issuperset(words) and (meant == () or not SYNONYMS.keys().isdisjoint(words)):
        meant = None  # captions that have "girl" mean something by "young girl"
    if meant is None:
        meant = _age(" ".join(words), lexicon)
    *qualities, part = text.split()
    if meant is None and part in _PARTS:
        meant = _having(qualities, part, lexicon)
    if meant is None and not _FUNCTION.intersection(words):
        joined = lexicon.unhyphened.get("".join(words))
        meant = (joined,) if joined else None
    return meant


def _word(word, lexicon):
    """One word in the model's words; None if there are none."""
    for same in (word, _TWINS.get(word)):
        if same in lexicon.known:
            return (same,)
    bare, spaced = word.replace("-", ""), word.replace("-", " ")
    for key in (word, spaced, bare):
        meant = lexicon.choose(key)
        if meant is not None:
            return meant or None
    meant = _age(word, lexicon)
    if meant:
        return meant
    plain = _without_accents(bare)
    if plain in lexicon.unhyphened:
        return (lexicon.unhyphened[plain],)
    return _form(word, lexicon) or _compound(word, lexicon)


def _age(text, lexicon):
    """A number of years, or "mid-thirties", in the model's words."""
    span, age = _SPAN.fullmatch(text), _AGE.fullmatch(text)
    if span:
        decade = span[2] or _DECADES[int(span[1]) - 2]
        return (decade,) if decade in lexicon.known else None
    if not age:
        return None
    years = int(next(group for group in age.groups() if group))
    if 20 <= years < 90 and _DECADES[years // 10 - 2] in lexicon.known:
        return ("in", "{their}", _DECADES[years // 10 - 2])
    word = "young" if years < 28 else "elderly" if years >= 70 else ""
    return (word,) if word in lexicon.known else None


def _having(qualities, part, lexicon):
    """ "curly haired" -> with curly hair; None unless hair can be said to be so."""
    if _PARTS[part] not in lexicon.known:
        return None
    fitting = " ".join(_KINDS[kind] for kind in ("hair", "hair colour", "colours", "skin", "eyes"))
    fitting = {"very", *fitting.split()}
    said = []
    for quality in qualities:
        meant = _word(quality, lexicon)
        if not meant or not fitting.issuperset(meant):
            meant = meant and tuple(w for w in meant if w not in {"with", "hair"})
        if not meant or not fitting.issuperset(meant):
            return None
        said += meant
    return ("with", *(["a"] if part == "bearded" else []), *said, _PARTS[part])


def _without_accents(word):
    parts = unicodedata.normalize("NFD", word)
    return "".join(c for c in parts if not unicodedata.combining(c))


def _form(word, lexicon):
    """Another form of a known word: a plural, "-ing", "-ed", "-ly", "-er", "-est", "-ish"; of a
    synonym, its plural or "-ly"."""
    if word in _OTHER_WORDS or len(word) < 4:
        return None
    singulars = [word.removesuffix("'s").removesuffix("'"), *_stems(word, ("'s", "s", "es", "ly"))]
    for form in (*singulars, word + "s"):
        meant = (form,) if form in lexicon.known else lexicon.choose(form)
        if meant and form not in _OTHER_WORDS:
            return meant
    stems = [word, *_stems(word, ("s", "ing", "ed", "ly", "er", "est", "ish"))]
    inflected = [stem.removesuffix("e") + ending for stem in stems for ending in ("ing", "ed")]
    for form in (*stems, *inflected, *(stem + "ly" for stem in stems)):
        if form in lexicon.known and form not in _OTHER_WORDS:
            return (form,)
    return None


def _stems(word, endings):
    """A word without its ending, as far as four letters are left (three before an "s")."""
    stems = []
    for ending in endings:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < (3 if ending in ("'s", "s") else 4):
            continue
        stems += [stem, stem + "e"] if ending in ("ing", "ed", "er", "est", "ish") else [stem]
        if stem[-1] == stem[-2]:
            stems.append(stem[:-1])  # "redder", "tanned"
        if stem[-1] == "i":
            stems.append(stem[:-1] + "y")  # "curlier", "angrily"
    return stems


def _compound(word, lexicon):
    """A hyphened word by its parts: "curly-haired", "ice-blue", "light-brown"; None if the last
    part is unknown."""
    *first, last = word.split("-")
    if not first or first[0] in _NEGATIVE_PREFIXES:
        return None
    if last in _PARTS:
        return _having(first, last, lexicon)
    head = _word(last, lexicon)
    if head and head[-1] in _KINDS["colours"].split():
        first = [part for part in first if part in ("light", "dark", "deep", "bright", "and")]
    said = [_word(part, lexicon) or () for part in first]
    return head and (*(w for words in said for w in words), *head)


def _typing_error(word, lexicon):
    """The known word that a user missed by one letter (4 to 7 letters) or two (8 and more, endings
    like "-ing" not counted); None for an ordinary word that means something else."""
    if word in _OTHER_WORDS or word in SYNONYMS or len(word) < 4 or not word.isalpha():
        return None
    allowed = 1 if len(_ENDING.sub("", word)) < 8 else 2
    # In short words a changed letter mostly makes another word: "skirt", "blood", "plaid".
    change = 2 if len(word) < 6 else 1
    keys = [key for key in SYNONYMS if len(key) > 6 and key.isalpha() and lexicon.choose(key)]
    best, nearest = allowed + 1, None
    for other in (*lexicon.words, *keys):
        if len(other) < 4 or abs(len(other) - len(word)) > allowed:
            continue
        if other[0] != word[0] and other[:2] != word[1::-1]:  # or the first two change places
            continue
        distance = _distance(word, other, change)
        if distance < (best if other in lexicon.known else min(best, 2)):
            best, nearest = distance, other
    return _word(nearest, lexicon) if nearest else None


def _distance(a, b, change=1):
    """Damerau-Levenshtein distance (optimal string alignment): letters added, left out, changed
    (at the cost of `change`), or neighbours that change places."""
    before, last = None, list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + change * (x != y))
            if before and j > 1 and x == b[j - 2] and y == a[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


# Order and grammar: one clause's pieces to words.


def _with_one_picture(clauses):
    """Clauses in which "person" is "portrait" only where no picture is named."""
    typed = {piece.typed for pieces in clauses for piece in pieces}
    pictured, kept = not _PICTURES.isdisjoint(typed), []
    for pieces in clauses:
        kept.append([])
        for piece in pieces:
            if piece.meant and piece.changed and pictured:
                meant = tuple(word for word in piece.meant if word not in _PICTURES)
                piece = piece._replace(meant=meant or None)
            pictured = pictured or not _PICTURES.isdisjoint(piece.meant or ())
            kept[-1].append(piece)
    return kept


def _with_owners(clauses, lexicon):
    """Clauses whose "{their}" is "his" or "her", as their noun says or the last one before; left
    out where there is none."""
    their, kept = None, []
    for pieces in clauses:
        words = [word for piece in pieces for word in piece.meant or ()]
        their = next((_NOUNS[word] for word in words if word in _NOUNS), their)
        kept.append([])
        for piece in pieces:
            if piece.meant and "{their}" in piece.meant:
                meant = [their if word == "{their}" else word for word in piece.meant]
                piece = piece._replace(meant=tuple(w for w in meant if w in lexicon.known))
            kept[-1].append(piece)
    return kept


def _said(pieces, lexicon):
    """The words of a clause: what goes behind its noun put there, no small word left dangling."""
    return _agreeing(_without_danglers(_tokens(_placed(pieces), lexicon)), lexicon)


def _placed(pieces):
    """Pieces of which "with a beard" and "in his forties" stand behind the noun they go with."""
    placed, waiting = [], []
    for i, piece in enumerate(pieces):
        front, tail = _parted(piece)
        placed += [front] if front else []
        waiting += [tail] if tail else []
        if not _noun_follows(pieces[i + 1 :]):
            # A sort is stable: ages first, as captions have it.
            placed += sorted(waiting, key=lambda tail: tail.meant[0] == "with")
            waiting = []
    return placed


def _parted(piece):
    """(front, tail) of a piece: "man with dark skin" in two; either may be None."""
    if not piece.meant or not piece.changed:
        return piece, None
    at = next((i for i, word in enumerate(piece.meant) if word == "with"), len(piece.meant))
    if _is_age(piece):
        at = 0
    front, tail = piece.meant[:at], piece.meant[at:]
    return front and piece._replace(meant=front), tail and piece._replace(meant=tail)


def _is_age(piece):
    return piece.meant[0] == "in" and piece.meant[-1] in _DECADES


def _noun_follows(pieces):
    """Whether a "man" or "woman" comes before the next connective."""
    for i, piece in enumerate(pieces):
        meant = piece.meant or ("",)
        if meant[0] in _LINKS and not piece.changed:
            return False
        ends = i + 1 == len(pieces) or (pieces[i + 1].meant or ("",))[0] in _LINKS
        if not _NOUNS.keys().isdisjoint(meant) or ends and _is_somebody(piece):
            return True
    return False


def _is_somebody(piece):
    """Whether a piece stands for "a child" or "a person", of which captions do not say more."""
    return piece.changed and piece.meant and piece.meant[-1] in {"young", "elderly", *_PICTURES}


def _tokens(pieces, lexicon):
    """Words of a clause, each with whether it was read for another one; (None, True) is a gap."""
    tokens, listing = [], False
    for piece in pieces:
        words = list(piece.meant or (None,))
        if listing and words[0] == "with" and "and" in lexicon.known:
            words[0] = "and"  # "with red hair with freckles"
        listing = listing or piece.changed and words[0] == "with"
        listing = listing and words[0] in ("with", "and") and piece.changed
        if piece.changed and words[0] in ("with", "in", "and"):
            tokens.append((None, True))  # a noun may be missing before it
        tokens += [(word, piece.changed) for word in words]
    return tokens


def _without_danglers(tokens):
    """Tokens without the small words that lead to a gap: "with a wizard" goes as a whole."""
    kept = []
    for i, (word, changed) in enumerate(tokens):
        if word is None:
            following = next((w for w, _ in tokens[i:] if w is not None), None)
            leading = _LEADING if following != "and" else _ARTICLES
            if following is None or following in _LINKS:
                while kept and (kept[-1][0] is None or kept[-1][0] in leading):
                    kept.pop()
            kept += [(None, True)] if following is not None else []
            continue
        words = [w for w, _ in kept if w is not None]
        if word == "and" and (not words or words[-1] in _LINKS) and kept[-1:] == [(None, True)]:
            continue
        kept.append((word, changed))
    return kept


def _agreeing(tokens, lexicon):
    """Words out of tokens, whose articles agree with what was read: no "a hair", no "an woman"."""
    words, gap = [], False
    for word, changed in tokens:
        if word is None:
            gap = True
            continue
        if changed and word == "a" and words and words[-1] not in _LINKS:
            continue  # "bangs" is "a fringe", "long bangs" is "long fringe"
        if changed and words[-1:] == [word]:
            continue  # "a teenage girl" is no "young young woman"
        if changed and word in _UNCOUNTED:
            _drop_article(words)
        if changed or gap:
            _choose_article(words, word, lexicon)
        words.append(word)
        gap = False
    return words


def _drop_article(words):
    """Removes the article of the noun that comes next, in place."""
    for i in range(len(words) - 1, -1, -1):
        if words[i] in ("a", "an"):
            del words[i]
        if i >= len(words) or words[i] in _LINKS or words[i] in _NOUNS:
            return


def _choose_article(words, word, lexicon):
    """Makes the last word "a" or "an" as the next word wants it, in place."""
    article = "an" if word[0] in "aeiou" else "a"
    if words and words[-1] in ("a", "an") and article in lexicon.known:
        words[-1] = article


def _listed(words):
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _quoted(prompt, words):
    """Words of a prompt in quotation marks, with the capitals that they have there."""
    typed = re.search(rf"(?<!\w){re.escape(words)}(?!\w)", _normal(prompt), re.IGNORECASE)
    return repr(typed[0] if typed else words)
