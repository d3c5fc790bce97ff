import re
import unicodedata
from typing import NamedTuple


class Resolved(NamedTuple):
    words: tuple
    replaced: tuple = ()
    skipped: tuple = ()


_WORD = re.compile(r"\w+(?:[-']\w+)*")


def split(text):
    text = unicodedata.normalize("NFC", text).replace("’", "'")
    return _WORD.findall(text.lower())


def resolve(prompt, vocabulary, strict=False):
    return Resolved(tuple(w for w in split(prompt) if w in set(vocabulary)))


def describe(prompt, resolved):
    return None


def by_kind(vocabulary):
    return {"other": list(vocabulary)}
