"""Text: captions to tokens, and tokens to vectors."""

import re

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import POLICIES, numpy_of, randomise

from common.devices import use_xla
from ddpm.conditions.text import PAD, SPECIAL, START, Tokenizer
from ddpm.conditions.vocabulary import split
from ddpm.nets.text import TextEncoder

CAPTIONS = [
    "a woman with red hair, looking left",
    "a man with a hat, lit from the right",
    "a man in a t-shirt with a beard",
]
SMALL = {"vocabulary_size": 12, "length": 12, "width": 16, "layers": 2, "head_width": 8}
ROW = [START, 5, 9, 3, 7]


def rows(*captions, length=12):
    """Lists of tokens, filled up with PAD."""
    return np.array([[*row, *[PAD] * (length - len(row))] for row in captions], np.int32)


def encoder(scale=0.3, dtype="float32", **changes):
    """A text encoder whose every weight has a value of its own."""
    layer = TextEncoder(**{**SMALL, **changes}, dtype=dtype)
    layer.build((None, layer.length))
    randomise(layer, scale)
    return layer


def words_of(tokenizer, row):
    """Tokens back to words, without START and PAD."""
    return [tokenizer.words[token - SPECIAL] for token in row if token >= SPECIAL]


def test_the_most_frequent_word_comes_first_and_letters_decide_between_equals():
    tokenizer = Tokenizer.of(["pear fig apple", "fig pear", "fig kiwi"])
    assert tokenizer.words == ("fig", "pear", "apple", "kiwi")
    assert len(tokenizer) == 4 + 2  # PAD and START are tokens too
    assert list(tokenizer.encode("kiwi fig")[:3]) == [START, SPECIAL + 3, SPECIAL]


def test_the_order_of_captions_does_not_matter():
    assert Tokenizer.of(CAPTIONS).words == Tokenizer.of(CAPTIONS[::-1]).words
    assert Tokenizer.of(iter(CAPTIONS)).words == Tokenizer.of(CAPTIONS).words


def test_the_rarest_words_of_too_many_are_left_out(monkeypatch):
    monkeypatch.setattr("ddpm.conditions.text.MAX_VOCABULARY", 2)
    assert Tokenizer.of(["c b a", "c b", "c"]).words == ("c", "b")


def test_case_and_punctuation_do_not_count():
    tokenizer = Tokenizer.of(CAPTIONS)
    plain = tokenizer.encode("a woman with red hair looking left")
    loud = tokenizer.encode("  A WOMAN -- with (red) hair; Looking left!\n")
    np.testing.assert_array_equal(loud, plain)


def test_hyphens_and_apostrophes_within_a_word_count():
    assert split("A t-shirt, 'the' man's -- half-") == ["a", "t-shirt", "the", "man's", "half"]
    tokenizer = Tokenizer.of(CAPTIONS)
    assert words_of(tokenizer, tokenizer.encode("T-shirt")) == ["t-shirt"]
    with pytest.raises(ValueError, match="never met the word 't'"):
        tokenizer.encode("t shirt", strict=True)


def test_words_of_other_scripts_are_words():
    tokenizer = Tokenizer.of(["Ein Mann mit Brille, größer", "улыбка"])
    row = tokenizer.encode("GRÖßER УЛЫБКА")
    assert words_of(tokenizer, row) == ["größer", "улыбка"]


def test_an_empty_prompt_is_start_then_padding():
    tokenizer = Tokenizer.of(CAPTIONS, length=6)
    for prompt in ("", "  "):
        row = tokenizer.encode(prompt)
        assert row.dtype == np.int32 and row.tolist() == [START, PAD, PAD, PAD, PAD, PAD]


def test_every_word_has_a_token_of_its_own_and_comes_back():
    tokenizer = Tokenizer.of(CAPTIONS)
    tokens = [tokenizer.encode(word)[1] for word in tokenizer.words]
    assert sorted(tokens) == list(range(SPECIAL, len(tokenizer)))
    assert not {PAD, START} & set(tokens)
    for caption in CAPTIONS:
        row = tokenizer.encode(caption)
        assert words_of(tokenizer, row) == re.findall(r"[\w-]+", caption)
        assert row[0] == START and row.shape == (48,)


def test_strict_names_an_unknown_word_with_the_nearest():
    tokenizer = Tokenizer.of(CAPTIONS)
    with pytest.raises(ValueError, match="'beerd'.*nearest.*beard"):
        tokenizer.encode("a man with a beerd", strict=True)
    # Where nothing is near, the most frequent words show what may be said.
    with pytest.raises(ValueError, match="'zyzzyva'.*among others: a, "):
        tokenizer.encode("a zyzzyva", strict=True)


def test_unknown_words_are_replaced_or_left_out_with_a_note():
    tokenizer = Tokenizer.of(CAPTIONS)
    row = tokenizer.encode("a guy with a beard and zyzzyva")
    assert words_of(tokenizer, row) == ["a", "man", "with", "a", "beard"]
    line = tokenizer.describe("a guy with a beard and zyzzyva")
    assert all(f"'{word}'" in line for word in ("guy", "man", "zyzzyva")) and "\n" not in line
    assert tokenizer.describe("a man with a beard") is None
    with pytest.raises(ValueError, match="knows none of the words in 'zyzzyva'"):
        tokenizer.encode("zyzzyva")


def test_a_prompt_that_is_too_long_is_refused():
    tokenizer = Tokenizer.of(CAPTIONS, length=5)
    assert (tokenizer.encode("a man with hair") != PAD).all()
    with pytest.raises(ValueError, match="at most 4 words. Received: 5 words, a man with red hair"):
        tokenizer.encode("a man with red hair")


def test_captions_to_learn_from_lose_unknown_words_and_what_is_too_long():
    tokenizer = Tokenizer.of(CAPTIONS, length=4)
    tokens = tokenizer.encode_all(["a green man", "zyzzyva", "", "a man with red hair"])
    assert tokens.dtype == np.int32 and tokens.shape == (4, 4)
    assert [words_of(tokenizer, row) for row in tokens] == [
        ["a", "man"],
        [],
        [],
        ["a", "man", "with"],
    ]
    assert (tokens[:, 0] == START).all()
    # An unknown word leaves no hole, and takes no place from a known one.
    whole = tokenizer.encode_all(["one a two man three with four"])[0]
    np.testing.assert_array_equal(whole, tokenizer.encode("a man with"))


def test_mirroring_swaps_left_and_right_only_and_undoes_itself():
    tokenizer = Tokenizer.of(CAPTIONS)
    tokens = tokenizer.encode_all([*CAPTIONS, "left right left"])
    mirrored = tokenizer.mirrored(tokens)
    other = {"left": "right", "right": "left"}
    for row, mirror in zip(tokens, mirrored, strict=True):
        words = words_of(tokenizer, row)
        assert words_of(tokenizer, mirror) == [other.get(word, word) for word in words]
        np.testing.assert_array_equal(mirror < SPECIAL, row < SPECIAL)
    assert (mirrored != tokens).sum() == 5 and mirrored.dtype == np.int32
    np.testing.assert_array_equal(tokenizer.mirrored(mirrored), tokens)


def test_mirroring_without_the_opposite_word_says_nothing_false():
    tokenizer = Tokenizer.of(["looking left"])
    tokens = tokenizer.encode_all(["looking left"])
    assert words_of(tokenizer, tokens[0]) == ["looking", "left"]
    mirrored = tokenizer.mirrored(tokens)[0]
    assert tokenizer.encode("left")[1] not in mirrored
    assert tokenizer.encode("looking")[1] in mirrored


@pytest.mark.parametrize("prompt", ["!!!", " - "])
def test_a_prompt_without_a_word_is_refused(prompt):
    with pytest.raises(ValueError, match="there is no word in the prompt"):
        Tokenizer.of(["a face"]).encode(prompt)


@pytest.mark.parametrize("policy", POLICIES)
def test_shapes_types_and_the_pooled_vector(policy):
    layer = encoder(dtype=policy)
    tokens = rows(ROW, [START])
    pooled, sequence, token_mask = layer(tokens)
    assert sequence.shape == (2, 12, 16) and pooled.shape == (2, 16)
    assert keras.backend.standardize_dtype(sequence.dtype) == layer.compute_dtype
    assert {v.dtype for v in layer.weights} == {"float32"}
    assert np.isfinite(numpy_of(sequence)).all()
    np.testing.assert_array_equal(numpy_of(pooled), numpy_of(sequence)[:, 0])
    np.testing.assert_array_equal(ops.convert_to_numpy(token_mask), tokens != PAD)


def test_both_policies_nearly_agree():
    keras.utils.set_random_seed(0)  # the largest of so few errors is now and then above
    exact, rough = (encoder(dtype=policy) for policy in POLICIES)
    rough.set_weights(exact.get_weights())
    a, b = (numpy_of(layer(rows(ROW)).tokens) for layer in (exact, rough))
    assert 0 < np.abs(a - b).max() < 0.03 * np.abs(a).max()


def norm(x, gamma, beta):
    variance = x.var(axis=-1, keepdims=True)
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance + 1e-6) * gamma + beta


def reference(layer, caption):
    """One caption without padding in float64, head by head, straight from the paper."""
    d = 8  # elements of a head
    words = np.float64(layer.token_embedding.get_weights()[0])[caption]
    kernel, bias = map(np.float64, layer.conv.get_weights())
    room = len(kernel) // 2
    around = np.pad(words, ((room, room), (0, 0)))  # beyond the caption there is nothing
    conv = [around[i : i + len(words)] @ kernel[i] for i in range(len(kernel))]
    h = words + sum(conv) + bias
    h = h + np.float64(layer.position_embedding.get_weights()[0])[: len(caption)]
    for one in layer.transformer:
        (qkv, qkv_bias), (out, out_bias) = one.qkv.get_weights(), one.out.get_weights()
        q, k, v = np.split(norm(h, *one.norm1.get_weights()) @ qkv + qkv_bias, 3, axis=-1)
        heads = []
        for i in range(0, h.shape[1], d):
            scores = np.exp(q[:, i : i + d] @ k[:, i : i + d].T / np.sqrt(d))
            heads.append(scores / scores.sum(axis=1, keepdims=True) @ v[:, i : i + d])
        h = h + np.concatenate(heads, axis=1) @ out + out_bias
        (up, up_bias), (down, down_bias) = one.dense1.get_weights(), one.dense2.get_weights()
        z = norm(h, *one.norm2.get_weights()) @ up + up_bias
        h = h + z / (1 + np.exp(-z)) @ down + down_bias
    return norm(h, *layer.norm.get_weights())


def test_the_text_encoder_is_its_definition():
    layer = encoder()
    sequence = numpy_of(layer(rows(ROW)).tokens)
    np.testing.assert_allclose(sequence[0, : len(ROW)], reference(layer, ROW), atol=2e-4)


@pytest.mark.parametrize("policy", POLICIES)
def test_padding_does_not_reach_the_words(policy):
    """The same weights in a longer row: more PAD, with positions of their own."""
    short, long = encoder(dtype=policy), encoder(length=40, dtype=policy)
    positions = long.position_embedding.get_weights()[0]
    positions[:12] = short.position_embedding.get_weights()[0]
    long.set_weights(
        [
            positions
            if weight is short.position_embedding.weights[0]
            else ops.convert_to_numpy(weight)
            for weight in short.weights
        ]
    )
    (pooled_a, a, _), (pooled_b, b, _) = (
        layer(rows(ROW, ROW[:3], length=layer.length)) for layer in (short, long)
    )
    tolerance = 1e-5 if policy == "float32" else 0.05
    for i, n in ((0, 5), (1, 3)):
        np.testing.assert_allclose(numpy_of(a)[i, :n], numpy_of(b)[i, :n], atol=tolerance)
    np.testing.assert_allclose(numpy_of(pooled_a), numpy_of(pooled_b), atol=tolerance)


def test_the_vector_of_padding_itself_does_not_reach_the_words():
    layer = encoder()
    before = numpy_of(layer(rows(ROW)).tokens)[0, :5]
    table = layer.token_embedding.get_weights()[0]
    table[PAD] += 100
    layer.token_embedding.set_weights([table])
    np.testing.assert_allclose(numpy_of(layer(rows(ROW)).tokens)[0, :5], before, atol=1e-5)


def test_the_order_of_words_matters():
    pooled = numpy_of(encoder()(rows(ROW, [START, 9, 5, 3, 7])).features)
    assert np.abs(pooled[0] - pooled[1]).max() > 0.01


def test_captions_of_a_batch_do_not_see_each_other():
    layer = encoder()
    together = numpy_of(layer(rows(ROW, [START, 2, 4], [START])).tokens)
    alone = numpy_of(layer(rows([START, 2, 4])).tokens)
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)


class Classifier(keras.Model):
    """The pooled vector of a caption as one number."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.head = keras.layers.Dense(1)

    def call(self, tokens):
        return self.head(self.layer(tokens).features)


@pytest.mark.parametrize("policy", POLICIES)
def test_it_learns_which_of_two_words_a_caption_has_and_every_weight_moves(policy):
    rng = np.random.default_rng(0)
    tokens = np.full((128, 12), PAD, np.int32)
    has = rng.integers(0, 2, 128)
    for row, word in zip(tokens, has, strict=True):
        n = rng.integers(3, 12)
        row[:n] = [START, *rng.integers(4, 12, n - 1)]
        row[rng.integers(1, n)] = 2 + word
    keras.utils.set_random_seed(0)
    layer = TextEncoder(**SMALL, dtype=policy)
    model = Classifier(layer)
    model(tokens[:1])
    before = layer.get_weights()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss=loss, jit_compile=use_xla())
    train, test = slice(0, 96), slice(96, None)
    model.fit(tokens[train], has[train, None], batch_size=48, epochs=16, verbose=0)
    found = numpy_of(model(tokens[test]))[:, 0]
    assert ((found > 0) == has[test]).all()
    for weight, old in zip(layer.weights, before, strict=True):
        assert np.any(ops.convert_to_numpy(weight) != old), weight.path
