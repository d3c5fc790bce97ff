"""Words: captions and prompts to tokens. One token a word, learned from the captions that a model
is trained on.
"""

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ddpm.conditions.record import Condition
from ddpm.conditions.vocabulary import describe, only_word, resolve, split

PAD, START = 0, 1  # a row of tokens is START, the words, then PAD up to the model's length
SPECIAL = 2  # the first word's token
MAX_VOCABULARY = 8192
MORE = "#"  # "anna#2" is the second vector of the word "anna"; no text has such a word
TABLE = "conditioner/text/token_embedding/embeddings"  # of vectors, by its name in a network
MAX_WORD = 40  # letters of a learned word
_MIRROR = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class TextSettings:
    """Settings of the text condition.

    Args:
        vocabulary: the words, in the order of their tokens; training fills it in. A word of
            several vectors (`with_word`) has an entry for each.
        length: tokens of a row, START included.
        width: elements of a token's vector.
        layers: transformer layers of the text encoder.
        head_width: elements of an attention head; divides `width`.
    """

    vocabulary: tuple = ()
    length: int = 48
    width: int = 128
    layers: int = 2
    head_width: int = 32


class Tokenizer:
    """Captions to rows of integers, a token a word.

    Case and punctuation do not count; hyphens within a word do ("t-shirt").

    Args:
        words: the words known, in the order of their tokens; as `TextSettings.vocabulary`.
        length: tokens of a row, START included.
    """

    def __init__(self, words, length=48):
        self.words = spoken(words)
        self.length, self._size = length, len(words) + SPECIAL
        self._tokens = {word: () for word in self.words}
        for i, entry in enumerate(words):
            self._tokens[entry.partition(MORE)[0]] += (i + SPECIAL,)

    @classmethod
    def of(cls, captions, length=48):
        """The tokenizer of a set of captions: all their words, the most frequent first.

        Args:
            captions: iterable of strings.
            length: see the class.
        """
        counts = Counter(word for caption in captions for word in split(caption))
        # Sorted by count, then by letters: the same captions in another order are the same words.
        words = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(words[:MAX_VOCABULARY], length)

    def __len__(self):
        """Number of different tokens."""
        return self._size

    def encode(self, prompt, strict=False):
        """The tokens of one prompt. Words that the model does not know are replaced by synonyms or
        left out (`vocabulary.resolve`).

        Args:
            prompt: a string; an empty one says nothing.
            strict: refuse unknown words instead.

        Returns:
            int32 (length,).

        Raises:
            ValueError: where no known word is left, for an unknown word if `strict`, for too many
                words.
        """
        words = self.read(prompt, strict)
        tokens = self._tokens_of(words)
        if len(tokens) >= self.length:
            raise ValueError(
                f"a prompt has at most {self.length - 1} words. Received: {len(tokens)} words, "
                f"{' '.join(words[:5])} ..."
            )
        return self._row(tokens)

    def read(self, prompt, strict=False):
        """The words of a prompt that the model is told, a tuple; args and errors as `encode`."""
        return resolve(prompt, self.words, strict).words

    def describe(self, prompt, strict=False):
        """What was replaced or left out of a prompt, in one line, or None."""
        return describe(prompt, resolve(prompt, self.words, strict))

    def encode_all(self, captions):
        """The tokens of training captions: unknown words are left out, long captions are cut.

        Args:
            captions: list of N strings.

        Returns:
            int32 (N, length).
        """
        known = ([w for w in split(caption) if w in self._tokens] for caption in captions)
        return np.stack([self._row(self._tokens_of(w)[: self.length - 1]) for w in known])

    def mirrored(self, tokens):
        """The tokens of the mirrored pictures' captions: left and right change places. Where the
        vocabulary has only one of them, it is left out.

        Args:
            tokens: int32 (N, length).

        Returns:
            int32 (N, length).
        """
        other = np.arange(len(self), dtype=np.int32)
        for word, opposite in _MIRROR.items():
            if word in self._tokens:
                (token,), (mirrored,) = self._tokens[word], self._tokens.get(opposite, (PAD,))
                other[token] = mirrored
        return other[tokens]

    def _tokens_of(self, words):
        return [token for word in words for token in self._tokens[word]]

    def _row(self, tokens):
        row = np.full(self.length, PAD, np.int32)
        row[: len(tokens) + 1] = [START, *tokens]
        return row


def spoken(vocabulary):
    """The words of a vocabulary that a prompt can say, a tuple: of a word of several vectors, the
    word alone."""
    return tuple(entry for entry in vocabulary if MORE not in entry)


def word_of(token):
    """A token as captions and prompts have it, which know neither case nor brackets: "<Anna>" ->
    "anna".

    Raises:
        ValueError: if it is not one word.
    """
    word = only_word(token.removeprefix("<").removesuffix(">"))
    if word is None or len(word) > MAX_WORD:
        raise ValueError(
            'a token is one word of letters, digits and hyphens, such as "<anna>". '
            f"Received: {token[:MAX_WORD]!r}."
        )
    return word


def with_word(settings, word, vectors=1):
    """`TextSettings` that know another word.

    Args:
        settings: `TextSettings`.
        word: as of `word_of`, not yet in the vocabulary.
        vectors: tokens that it takes in a row.
    """
    entries = (word, *(f"{word}{MORE}{i}" for i in range(2, vectors + 1)))
    return replace(settings, vocabulary=(*settings.vocabulary, *entries))


@lru_cache(maxsize=8)
def tokenizer_of(settings):
    """The `Tokenizer` of `TextSettings`, made once."""
    return Tokenizer(settings.vocabulary, settings.length)


def choose_captions(captions, seed, indices):
    """A caption for each picture, by the seed and the picture's number alone.

    Args:
        captions: sequence of strings, at least one.
        seed: int, at least 0.
        indices: numbers of pictures.

    Returns:
        list of str.
    """
    return [captions[np.random.default_rng((seed, i)).integers(len(captions))] for i in indices]


def prompts_of(request, captions, indices):
    """The text of each picture of a request.

    Where a request says nothing of words, nor anything else of the picture, each picture gets a
    caption of the training set: a model that learned each picture together with its caption has
    learned more about pictures with captions than about all of them at once, and draws them better.

    Args:
        request: a `Request`, as `Request.effective` gives it.
        captions: of the training set, kept in the weights file; may be empty.
        indices: numbers of pictures.

    Returns:
        list of str.
    """
    if captions and not request.asks:
        return choose_captions(captions, request.seed, indices)
    prompts = request.prompts or ("",)
    return [prompts[i // request.n % len(prompts)] for i in indices]


def _null(settings, n):
    return {"tokens": np.tile(np.eye(1, settings.length, dtype=np.int32) * START, (n, 1))}


def _from_request(request, settings, model, indices):
    tokenizer = tokenizer_of(settings)
    prompts = prompts_of(request, model.captions, indices)
    if not request.asks:
        return {"tokens": tokenizer.encode_all(prompts)}
    rows = {prompt: tokenizer.encode(prompt, request.strict) for prompt in set(prompts)}
    return {"tokens": np.stack([rows[prompt] for prompt in prompts])}


def _negative(request, settings, n):
    if not request.has_words:
        return None
    tokens = tokenizer_of(settings).encode(request.negative, request.strict)
    return {"tokens": np.tile(tokens, (n, 1))}


def _rows(source, settings):
    tokenizer = tokenizer_of(settings)
    tokens = tokenizer.encode_all(source.captions or [""] * len(source.images))
    mirrored = tokenizer.mirrored(tokens)

    def row(window):
        return {"tokens": (mirrored if window.mirrored else tokens)[window.index]}

    return row


def _encoder(settings, dtype):
    from ddpm.nets.text import TextEncoder  # here, for it starts a backend

    return TextEncoder(
        len(settings.vocabulary) + SPECIAL,
        settings.length,
        settings.width,
        settings.layers,
        settings.head_width,
        dtype=dtype,
    )


CONDITION = Condition(
    arrays=("tokens",),
    settings=TextSettings,
    null=_null,
    from_request=_from_request,
    negative=_negative,
    rows=_rows,
    encoder=_encoder,
    token_width=lambda settings: settings.width,
)
