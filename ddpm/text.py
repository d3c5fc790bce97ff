"""Words to tokens to vectors: a tokenizer of whole words and a small transformer, both learned from
the captions that a model is trained on.
"""

import difflib
import re
import unicodedata
from collections import Counter

import keras
import numpy as np
from keras import ops

from ddpm.layers import EPSILON, attend, join_heads, split_heads

PAD, START = 0, 1  # a caption is START, its words, then PAD up to the model's length
SPECIAL = 2  # the first word's token
MOST_WORDS = 8192
NEIGHBOURS = 7  # words that a convolution sees, its own in the middle
_WORD = re.compile(r"\w+(?:[-']\w+)*")
_MIRROR = {"left": "right", "right": "left"}


class Tokenizer:
    """Captions to rows of integers, a token a word.

    Case and punctuation do not count; hyphens within a word do ("t-shirt").

    Args:
        words: the words known, in the order of their tokens.
        length: tokens of a row, START included.
    """

    def __init__(self, words, length=48):
        self.words = tuple(words)
        self.length = length
        self._tokens = {word: i + SPECIAL for i, word in enumerate(self.words)}

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
        return cls(words[:MOST_WORDS], length)

    def __len__(self):
        """Number of different tokens."""
        return len(self.words) + SPECIAL

    def encode(self, prompt):
        """One prompt, every word of which must be known.

        Args:
            prompt: a string; an empty one says nothing.

        Returns:
            int32 (length,).

        Raises:
            ValueError: for a word that the model never met, with the nearest that it knows, for
                too many words, or for signs without one.
        """
        words = split(prompt)
        if prompt.strip() and not words:
            raise ValueError(f"there is no word in the prompt {prompt!r}.")
        for word in words:
            if word not in self._tokens:
                raise ValueError(f"the model never met the word {word!r}; {self._nearest(word)}.")
        if len(words) >= self.length:
            raise ValueError(
                f"a prompt has at most {self.length - 1} words. Received: {len(words)} words, "
                f"{' '.join(words[:5])} ..."
            )
        return self._row(words)

    def encode_all(self, captions):
        """Captions to learn from: words beyond the vocabulary are left out, long ones are cut.

        Args:
            captions: list of N strings.

        Returns:
            int32 (N, length).
        """
        known = ([w for w in split(caption) if w in self._tokens] for caption in captions)
        return np.stack([self._row(words[: self.length - 1]) for words in known])

    def mirrored(self, tokens):
        """What rows say of the mirrored pictures: left and right change places. A model that
        knows but one of them is told nothing there.

        Args:
            tokens: int32 (N, length).

        Returns:
            int32 (N, length).
        """
        other = np.arange(len(self), dtype=np.int32)
        for word, opposite in _MIRROR.items():
            if word in self._tokens:
                other[self._tokens[word]] = self._tokens.get(opposite, PAD)
        return other[tokens]

    def _row(self, words):
        row = np.full(self.length, PAD, np.int32)
        row[: len(words) + 1] = [START, *(self._tokens[word] for word in words)]
        return row

    def _nearest(self, word):
        near = difflib.get_close_matches(word, self.words, n=3, cutoff=0.5)
        if near:
            return "the nearest that it knows: " + ", ".join(near)
        return "it knows, among others: " + ", ".join(self.words[:8])


def split(text):
    """The words of a text, in lower case, however their accents and apostrophes are typed."""
    text = unicodedata.normalize("NFC", text).replace("’", "'")
    return _WORD.findall(text.lower())


class TextEncoder(keras.layers.Layer):
    """Tokens to vectors: embeddings, a convolution over neighbours, then pre-norm transformer
    layers in which every word sees every word.

    The convolution says at once what attention would have to find out: that in "short black hair,
    in a red jacket" black belongs to hair. It is zero at the start.

    Args:
        vocabulary: number of different tokens.
        length: tokens of a row.
        width: elements of a vector.
        layers: number of transformer layers.
        head_width: elements of an attention head; divides `width`.

    Reference:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3; the normalisation before each part as in
        Radford et al. 2021 (CLIP, arXiv:2103.00020).
    """

    def __init__(self, vocabulary, length=48, width=128, layers=2, head_width=32, **kwargs):
        super().__init__(**kwargs)
        self.length, self.width = length, width
        dtype = self.dtype_policy
        small = keras.initializers.RandomNormal(0.02)
        self.words = keras.layers.Embedding(vocabulary, width, small, dtype=dtype)
        self.places = keras.layers.Embedding(length, width, small, dtype=dtype)
        self.neighbours = keras.layers.Conv1D(
            width, NEIGHBOURS, padding="same", kernel_initializer="zeros", dtype=dtype
        )
        self.layers = [TransformerLayer(width, head_width, dtype=dtype) for _ in range(layers)]
        self.norm = _norm(dtype)

    def build(self, input_shape):
        self.words.build(input_shape)
        self.places.build((self.length,))
        shape = (None, self.length, self.width)
        self.neighbours.build(shape)
        for layer in self.layers:
            layer.build(shape)
        self.norm.build(shape)

    def call(self, tokens):
        """Read rows of tokens.

        Args:
            tokens: int32 (B, length).

        Returns:
            (sequence, pooled, known): (B, length, width); (B, width), the vector of START, which
            stands for the whole; bool (B, length), true where there is a token.
        """
        known = ops.not_equal(tokens, PAD)
        words = self.words(tokens) * ops.cast(known, self.compute_dtype)[:, :, None]
        h = words + self.neighbours(words) + self.places(ops.arange(self.length))
        for layer in self.layers:
            h = layer(h, known)
        h = self.norm(h)
        return h, h[:, 0], known


class TransformerLayer(keras.layers.Layer):
    """h + attention(norm(h)), then h + dense(swish(dense(norm(h)))): (B, N, C) -> (B, N, C)."""

    def __init__(self, width, head_width, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads = width, width // head_width
        dtype = self.dtype_policy
        self.norm1, self.norm2 = _norm(dtype), _norm(dtype)
        self.qkv = keras.layers.Dense(3 * width, dtype=dtype)
        self.out = keras.layers.Dense(width, dtype=dtype)
        self.dense1 = keras.layers.Dense(4 * width, activation="swish", dtype=dtype)
        self.dense2 = keras.layers.Dense(width, dtype=dtype)

    def build(self, input_shape):
        for layer in (self.norm1, self.norm2, self.qkv, self.out, self.dense1):
            layer.build(input_shape)
        self.dense2.build((*input_shape[:-1], 4 * self.width))

    def call(self, h, known):
        q, k, v = split_heads(self.qkv(self.norm1(h)), 3, self.heads)
        h = h + self.out(join_heads(attend(q, k, v, known)))
        return h + self.dense2(self.dense1(self.norm2(h)))


def _norm(dtype):
    return keras.layers.LayerNormalization(epsilon=EPSILON, dtype=dtype)
