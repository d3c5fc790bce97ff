"""Learned words: the vectors of new tokens, in files as diffusers' `learned_embeds.safetensors`.

    <anna>      float32 (vectors, width)

A word of several vectors is written as one word and takes as many tokens of a prompt. The header
says over which model the vectors were trained, and how; the model itself stays as it is: its text
encoder's table gets more rows while such a file is in use.

Reference:
    Gal et al. 2022, An Image is Worth One Word (arXiv:2208.01618), equation 2.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from common.files import sha256
from ddpm.bundle import note_of_base, vocabulary_of
from ddpm.conditions.text import TABLE, with_word, word_of
from ddpm.tensors import OTHER, write_tensors

KIND = "token"


@dataclass(frozen=True, eq=False)
class TokenFile:
    """What a file of learned words holds.

    Args:
        words: {token: float32 (vectors, width)}.
        base_digest: of the model that they were trained over.
        about: what else its header says: trigger word, recipe.
        path: of the file, or None.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
    """

    words: dict
    base_digest: str
    about: dict = field(default_factory=dict)
    path: Path | None = None
    digest: str = ""


class LearnedAddOn:
    """What add-ons of a `Pipeline` have in common that come from a file of what was learned over a
    model: a mixin. They have `file`, with `words`, `base_digest`, `path` and `digest`."""

    @property
    def conditions(self):
        """The conditions that it adds to those of the model: none."""
        return {}

    @property
    def words(self):
        """The words that it adds to the model's vocabulary: {token: float32 (vectors, width)}."""
        return self.file.words

    @property
    def recipe(self):
        """What the recipe of a picture says of it."""
        own = {"file": self.file.path.name if self.file.path else None, "sha256": self.file.digest}
        own |= self.settings | ({"words": list(self.words)} if self.words else {})
        return {"adapters": [own]}

    @property
    def settings(self):
        """How it is used, for the recipe."""
        return {}

    def note(self, model):
        """A sentence where it was trained over another model than this one, else None."""
        return note_of_base(self.file.path, self.file.base_digest, model)


@dataclass(frozen=True, eq=False)
class TokenAddOn(LearnedAddOn):
    """Learned words: an add-on of a `Pipeline`.

    Args:
        file: `TokenFile`.
    """

    file: TokenFile

    def apply(self, network):
        """The network as it is: its table has the words already (`with_words`)."""
        return network


def save_tokens(words, path, base_digest, about=None):
    """Write learned words, whole or not at all.

    Args:
        words: as of `TokenFile`.
        path: ends in ".safetensors".
        base_digest: of the model that they were trained over.
        about: what else the header is to say, as JSON can hold it.

    Raises:
        ValueError: for another ending.
        OSError: if the disk is full; an earlier file stays.
    """
    arrays = {token: np.array(vectors, np.float32) for token, vectors in words.items()}
    header = {"kind": KIND, "base_digest": base_digest, "names": list(words)}
    write_tensors(arrays, {**header, "about": about or {}}, path)


def tokens_of(path, header, arrays):
    """Learned words of a file that `save_tokens` has written.

    Args:
        path: of the file.
        header, arrays: what `read_tensors` found in it.

    Returns:
        A `TokenFile`.

    Raises:
        ValueError: one sentence, if it is damaged or another's.
    """
    try:
        if header["kind"] != KIND:
            raise ValueError("another kind")
        words = checked_words(header["names"], arrays)
        base_digest, about = str(header["base_digest"]), dict(header["about"])
    except Exception as error:  # settings of another make surface as almost any type
        raise ValueError(OTHER.format(path)) from error
    return TokenFile(words, base_digest, about, Path(path), sha256(path))


def checked_words(names, arrays):
    """{token: float32 (vectors, width)} of arrays by token, checked.

    Raises:
        ValueError: if there are others than those named, or anything but finite vectors of one
            width, or a token that is no word of its own.
    """
    if set(names) != set(arrays) or len({word_of(token) for token in names}) != len(arrays):
        raise ValueError("other keys")
    words = {token: arrays[token].astype(np.float32) for token in names}
    if not words or any(array.ndim != 2 or not array.size for array in words.values()):
        raise ValueError("other shapes")
    if len({array.shape[1] for array in words.values()}) != 1:
        raise ValueError("several widths")
    if not all(np.isfinite(array).all() for array in words.values()):
        raise ValueError("not numbers")
    return words


# --- in use


def preset_with_words(preset, addons, name):
    """A preset whose vocabulary has the words of add-ons behind its own.

    Args:
        preset: a model's `Preset`.
        addons: list, each with `words` as of `TokenAddOn`, and where it has some, `file`.
        name: of the model, for the sentences.

    Returns:
        A `Preset`; the same where there are no words.

    Raises:
        ValueError: one sentence, if they do not fit the model or each other.
    """
    for addon in addons:
        for token, vectors in addon.words.items():
            text = preset.network.conditions.get("text")
            _check(token, vectors, text, addon.file.path, name)
            preset = preset.with_conditions(text=with_word(text, word_of(token), len(vectors)))
    return preset


def _check(token, vectors, text, path, name):
    """Refuse a word that a model has no room for."""
    if text is None:
        raise ValueError(f"{path} holds the word {token}, and {name} was trained without words.")
    if vectors.shape[1] != text.width or len(vectors) >= text.length:
        raise ValueError(
            f"{path} holds {len(vectors)} x {vectors.shape[1]} numbers for {token}, and the text "
            f"encoder of {name} takes vectors of {text.width}, fewer than {text.length}; use it "
            "with the model that it was trained over, or train one for this model: "
            "python train.py invert"
        )
    if word_of(token) in text.vocabulary:
        raise ValueError(
            f"{path} teaches the word {word_of(token)!r}, which {name} or another file knows "
            "already; use one of them, or train it again under another name."
        )


def with_words(model, addons):
    """A model that knows the words of add-ons besides.

    Args:
        model: a `bundle.Model`.
        addons: as `preset_with_words`.

    Returns:
        A `bundle.Model` with path and digest of the one given; that itself where there are no
        words.

    Raises:
        ValueError: as `preset_with_words`.
    """
    preset = preset_with_words(model.preset, addons, model.path or model.preset.name)
    vectors = [rows for addon in addons for rows in addon.words.values()]
    return grown(model, preset, np.concatenate(vectors)) if vectors else model


def grown(model, preset, vectors):
    """A model whose text encoder's table has more rows.

    Args:
        model: a `bundle.Model`, which stays as it is.
        preset: its `Preset` with a longer vocabulary.
        vectors: float32 (rows, width), of the words that are behind the model's own.
    """
    from ddpm.nets.layers import named_weights

    network = preset.make_network(model.network.dtype_policy)
    old = named_weights(model.network)
    for name, weight in named_weights(network).items():
        value = np.asarray(old[name])
        weight.assign(np.concatenate([value, vectors]) if name == TABLE else value)
    return replace(model, network=network, preset=preset)


def words_beyond(model, base):
    """The words that a model has learned beyond those of the one it was tuned from: {word: float32
    (1, width)}; none where the two count their words differently.

    Args:
        model, base: `bundle.Model`s.
    """
    from ddpm.nets.layers import named_weights

    new, known = new_words(model.preset, base.preset), vocabulary_of(base.preset)
    vocabulary = vocabulary_of(model.preset)
    if new <= 0 or vocabulary[:-new] != known:
        return {}
    rows = np.asarray(named_weights(model.network)[TABLE])[-new:]
    return {word: rows[i : i + 1] for i, word in enumerate(vocabulary[-new:])}


def new_words(preset, base):
    """How many rows the vocabulary of a preset has beyond that of the one it was made of."""
    return len(vocabulary_of(preset)) - len(vocabulary_of(base))
