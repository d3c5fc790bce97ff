"""A user's words in the words of a model's captions: spelling, meaning, typing errors.

Only the standard library is imported. Words come out of `split`, so they hold letters, digits,
hyphens and apostrophes: whatever this module quotes can be printed on a terminal as it is.
"""

import difflib
import re
import unicodedata
from typing import NamedTuple

from ddpm.conditions.synonyms import KINDS, ORDINARY_WORDS, SYNONYMS

LONGEST_PHRASE = 5  # words
MAX_QUOTED = 60  # characters of a user's text in a sentence
_USE_NEGATIVE = "for what should not be there is said with --negative"
_WORD = re.compile(r"\w+(?:[-']\w+)*")
_BREAK = re.compile(r"[^\w\s'-]+|--+|\s-\s")  # punctuation: no phrase goes across it

# Words that say nothing of a picture: left out without a report where a vocabulary lacks them.
_FUNCTION = frozenset(
    "a an the and or but with of in on at to for from into onto over under off out about as than "
    "his her hers their theirs its my our your he she they him them it i we you me us who whom "
    "whose which that this these those there here is are was were be being been am has have had "
    "having do does did so very really quite rather too some any each every both also just then "
    "while when where please can could would should will like looks want see show draw paint make "
    "give made all always more most much about around "
    "little perhaps only across between if away lit".split()
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
    r"(\d{1,3}) years of age|([2-8]\d)"
)
_SPAN = re.compile(rf"(?:(?:early|mid|late)[ -])?(?:([2-8])0'?s|({'|'.join(_DECADES)}))")
_ENDING = re.compile(r"(?:ing|ed|s)$")


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


def only_word(text):
    """The word that a text consists of, as `split` has it; None if it is anything else."""
    text = _normal(text).lower()
    return text if _WORD.fullmatch(text) else None


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
        negated = _is_negation(first.split()[0])
        hint = _USE_NEGATIVE if negated else _nearest(first, lexicon.words)
        raise ValueError(f"the model knows none of the words in {_short(prompt)!r}; {hint}.")
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
    negated = [text for text in resolved.skipped if _is_negation(text.split()[0])]
    unknown = [text for text in resolved.skipped if text not in negated]
    if unknown:
        verbs = ("is", "was") if len(unknown) == 1 else ("are", "were")
        words = _listed([_quoted(prompt, word) for word in unknown])
        notes.append(f"{words} {verbs[0]} unknown and {verbs[1]} left out")
    if negated:
        words = _listed([_quoted(prompt, text) for text in negated])
        verb = "was" if len(negated) == 1 else "were"
        notes.append(f"{words} {verb} left out, {_USE_NEGATIVE}")
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
    kind_of = {word: kind for kind, words in KINDS.items() for word in words.split()}
    kinds = {kind: [] for kind in KINDS}
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
            raise ValueError(f"the model never met the word {_short(word)!r}; {near}.")
    return [word for word in words if word in lexicon.known]


def _short(text):
    """A text that fits a sentence."""
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…"


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
    fitting = " ".join(KINDS[kind] for kind in ("hair", "hair colour", "colours", "skin", "eyes"))
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
    if word in ORDINARY_WORDS or len(word) < 4:
        return None
    singulars = [word.removesuffix("'s").removesuffix("'"), *_stems(word, ("'s", "s", "es", "ly"))]
    for form in (*singulars, word + "s"):
        meant = (form,) if form in lexicon.known else lexicon.choose(form)
        if meant and form not in ORDINARY_WORDS:
            return meant
    stems = [word, *_stems(word, ("s", "ing", "ed", "ly", "er", "est", "ish"))]
    inflected = [stem.removesuffix("e") + ending for stem in stems for ending in ("ing", "ed")]
    for form in (*stems, *inflected, *(stem + "ly" for stem in stems)):
        if form in lexicon.known and form not in ORDINARY_WORDS:
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
    if head and head[-1] in KINDS["colours"].split():
        first = [part for part in first if part in ("light", "dark", "deep", "bright", "and")]
    said = [_word(part, lexicon) or () for part in first]
    return head and (*(w for words in said for w in words), *head)


def _typing_error(word, lexicon):
    """The known word that a user missed by one letter (4 to 7 letters) or two (8 and more, endings
    like "-ing" not counted); None for an ordinary word that means something else."""
    if word in ORDINARY_WORDS or word in SYNONYMS or len(word) < 4 or not word.isalpha():
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
    """Clauses in which "person" is "portrait" only where no picture is named, and a "doctor" no
    "person" beside a man or woman."""
    typed = {piece.typed for pieces in clauses for piece in pieces}
    pictured, kept = not _PICTURES.isdisjoint(typed), []
    for pieces in clauses:
        named = any(not _NOUNS.keys().isdisjoint(piece.meant or ()) for piece in pieces)
        kept.append([])
        for piece in pieces:
            if named and piece.changed and piece.meant and piece.meant[-1] == "person":
                piece = piece._replace(meant=piece.meant[:-1] or None)
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
        placed.append(front or _Piece(piece.typed, None))  # an article may stand before the gap
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
    article = "an" if word[0] in "aeiou" and not word.startswith("eu") else "a"
    if words and words[-1] in ("a", "an") and article in lexicon.known:
        words[-1] = article


def _listed(words):
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _quoted(prompt, words):
    """Words of a prompt in quotation marks, with the capitals that they have there."""
    typed = re.search(rf"(?<!\w){re.escape(words)}(?!\w)", _normal(prompt), re.IGNORECASE)
    return repr(_short(typed[0] if typed else words))
