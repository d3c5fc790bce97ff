"""Words that the model knows, offered while a prompt is typed."""

import re

OFFERED = 12  # words at a time
_LAST = re.compile(r"[^\s,.;]+$")


def completions(vocabulary, text):
    """Words that go on with the last one of a text: list of str, the most frequent first.

    Args:
        vocabulary: words, the most frequent first.
        text: a prompt so far; one that ends with a space or a comma has no word to go on with.
    """
    found = _LAST.search(text or "")
    if found is None:
        return []
    begun = found[0].lower()
    return [word for word in vocabulary if word.startswith(begun) and word != begun][:OFFERED]


def completed(text, word):
    """A prompt whose last word is replaced by a whole one."""
    return _LAST.sub("", text or "") + word + " "
