"""What a network is told, forgets, and does without."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import POLICIES, randomise

from ddpm.condition import Conditioner, drop, nothing, untold
from ddpm.framing import framing
from ddpm.presets import PRESETS
from ddpm.run import save_weights, start_from
from ddpm.conditions.text import PAD, START
from ddpm.nets.unet import Block, UNet

LENGTH = 6
TEXT = {"vocabulary": 12, "length": LENGTH, "width": 16, "layers": 1, "head_width": 8}
SMALL = {
    "image_size": 16,
    "widths": (8, 16),
    "blocks": 1,
    "attention": (),
    "groups": 4,
    "head_width": 8,
}
TOLD = {"text": TEXT, "cross_attention": (0, 1), "framing": True}
N = 20_000
TOKENS = np.array([[START, 5, 3, 7, PAD, PAD], [START, 4, 8, PAD, PAD, PAD]], np.int32)
FRAMING = np.array([[32, 32, 0, 0, 16, 16], [20, 30, 2, 5, 18, 27]], np.float32)
SAID = {"tokens": TOKENS, "framing": FRAMING}


def inputs(n=2):
    x_t = np.random.default_rng(0).normal(size=(n, 16, 16, 3)).astype("float32")
    return x_t, np.arange(n, dtype="int32") * 400 + 30


def predict(network, condition=None, x_t=None, t=None):
    if x_t is None:
        x_t, t = inputs()
    return ops.convert_to_numpy(network(x_t, t, condition))


@pytest.fixture(scope="module")
def told():
    """A U-Net that is told words and framing, every weight with a value of its own."""
    network = UNet(**SMALL, **TOLD, dtype="float32")
    randomise(network, 0.2)
    return network


def rows(n, kinds=("tokens", "framing")):
    """A condition whose every row says something."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(2, 12, (n, LENGTH)).astype(np.int32)
    tokens[:, 0] = START
    whole = {"tokens": tokens, "framing": rng.uniform(0, 64, (n, 6)).astype(np.float32)}
    return {kind: whole[kind] for kind in kinds}


def silent(condition):
    """Which rows say nothing, by kind."""
    tests = {
        "tokens": lambda v: (v == [START, *[PAD] * (LENGTH - 1)]).all(axis=1),
        "framing": lambda v: (v == -1).all(axis=1),
    }
    return {kind: tests[kind](value) for kind, value in condition.items()}


def check_share(rows, expected):
    """A share is the one expected, within four standard errors."""
    error = np.sqrt(expected * (1 - expected) / len(rows))
    assert abs(np.mean(rows) - expected) <= 4 * error, (np.mean(rows), expected)


@pytest.mark.parametrize(("each", "every"), [(0.1, 0.1), (0.3, 0.0), (0.0, 0.2), (0.5, 0.5)])
def test_each_kind_is_forgotten_as_often_as_asked_alone_and_together(rng, each, every):
    condition = rows(N)
    result = drop(condition, rng, each=each, all=every)
    gone = silent(result)
    words, framing = gone["tokens"], gone["framing"]
    heard = 1 - every
    check_share(words & framing, every + heard * each**2)
    check_share(words & ~framing, heard * each * (1 - each))
    check_share(framing & ~words, heard * each * (1 - each))
    check_share(~words & ~framing, heard * (1 - each) ** 2)
    # A row is forgotten as a whole or not at all.
    for kind in condition:
        kept = ~gone[kind]
        np.testing.assert_array_equal(result[kind][kept], condition[kind][kept])
        assert result[kind].dtype == condition[kind].dtype


@pytest.mark.parametrize("kind", ["tokens", "framing"])
def test_a_kind_that_is_told_alone_is_forgotten_too(rng, kind):
    result = drop(rows(N, (kind,)), rng, each=0.2, all=0.1)
    assert list(result) == [kind]
    check_share(silent(result)[kind], 1 - 0.8 * 0.9)


def test_forgetting_nothing_and_everything(rng):
    condition = rows(50)
    for kind, value in drop(condition, rng, each=0.0, all=0.0).items():
        np.testing.assert_array_equal(value, condition[kind])
    for chances in ({"each": 1.0, "all": 0.0}, {"each": 0.0, "all": 1.0}):
        result = drop(condition, rng, **chances)
        for kind, value in nothing(50, LENGTH, framing=True).items():
            np.testing.assert_array_equal(result[kind], value)


def test_forgetting_leaves_its_argument_as_it_is(rng):
    condition = {
        **rows(64),
        "hints": np.ones((64, 4, 4, 6), np.float32),
        "strengths": np.ones((64, 2), np.float32),
    }
    before = {kind: value.copy() for kind, value in condition.items()}
    for value in condition.values():
        value.flags.writeable = False
    result = drop(condition, rng, each=0.5, all=0.5)
    assert set(result) == set(before)
    for kind, value in before.items():
        np.testing.assert_array_equal(condition[kind], value)
        assert result[kind].shape == value.shape
    assert any((result[kind] != before[kind]).any() for kind in ("tokens", "framing"))


def test_every_subset_of_the_hints_stays_as_often_as_it_should(rng):
    """One alone stays with chance 0.4; else each of 3 with chance u ~ U(0.2, 1), a set of k with
    E[u^k (1 - u)^(3 - k)]."""
    hints = np.zeros((N, 1, 1, 9), np.float32)
    result = drop({"hints": hints, "strengths": np.ones((N, 3), np.float32)}, rng)
    assert result["hints"] is hints and set(np.unique(result["strengths"])) == {0, 1}
    subsets = result["strengths"] @ [1, 2, 4]
    u = 0.2 + 0.8 * (np.arange(10_000) + 0.5) / 10_000
    for subset in range(8):
        k = subset.bit_count()
        expected = 0.6 * np.mean(u**k * (1 - u) ** (3 - k)) + 0.4 / 3 * (k == 1)
        check_share(subsets == subset, expected)


def test_a_strength_that_stays_keeps_its_value(rng):
    strengths = rng.uniform(0.1, 0.9, (500, 2)).astype(np.float32)
    result = drop({"strengths": strengths}, rng)["strengths"]
    stays = result > 0
    assert 0.4 < stays.mean() < 0.7
    np.testing.assert_array_equal(result[stays], strengths[stays])


def test_words_and_framing_are_forgotten_whatever_becomes_of_the_hints(rng):
    condition = {**rows(N), "strengths": np.ones((N, 2), np.float32)}
    result = drop(condition, rng, each=0.0, all=0.3)
    gone = silent({kind: result[kind] for kind in ("tokens", "framing")})["tokens"]
    kept = result["strengths"].mean(axis=1)
    assert abs(kept[gone].mean() - kept[~gone].mean()) < 0.03  # each mean is known to about 0.006


def test_the_same_generator_forgets_the_same():
    condition = rows(200)
    first, second = (drop(condition, np.random.default_rng(3), 0.5, 0.2) for _ in range(2))
    for kind in condition:
        np.testing.assert_array_equal(first[kind], second[kind])


def test_nothing_is_start_alone_and_minus_one():
    condition = nothing(3, length=4, framing=True)
    assert condition["tokens"].tolist() == 3 * [[START, PAD, PAD, PAD]]
    assert condition["framing"].tolist() == 3 * [6 * [-1.0]]
    assert condition["tokens"].dtype == np.int32 and condition["framing"].dtype == np.float32
    assert nothing(3) == {} and set(nothing(3, length=4)) == {"tokens"}
    assert set(nothing(3, framing=True)) == {"framing"}


def test_nothing_is_what_the_network_uses_when_it_is_told_nothing(told):
    expected = predict(told)
    assert np.abs(expected).max() > 0.1
    whole = nothing(2, LENGTH, framing=True)
    for condition in ({}, whole, {"tokens": whole["tokens"]}, {"framing": whole["framing"]}):
        np.testing.assert_array_equal(predict(told, condition), expected)


@pytest.mark.parametrize("kind", ["tokens", "framing"])
def test_what_is_missing_is_not_told(told, kind):
    other = {k: v for k, v in nothing(2, LENGTH, framing=True).items() if k != kind}
    alone = predict(told, {kind: SAID[kind]})
    np.testing.assert_array_equal(alone, predict(told, {kind: SAID[kind], **other}))
    assert np.abs(alone - predict(told)).max() > 1e-3
    assert np.abs(alone - predict(told, SAID)).max() > 1e-3


def test_different_words_give_different_predictions(told):
    seen = [predict(told, SAID)]
    for row in ([5, 3, 8], [3, 5, 7], [5, 3], []):  # another word, order and number
        tokens = TOKENS.copy()
        tokens[0] = [START, *row, *[PAD] * (LENGTH - 1 - len(row))]
        seen.append(predict(told, {**SAID, "tokens": tokens}))
        for earlier in seen[:-1]:
            assert np.abs(seen[-1][0] - earlier[0]).max() > 1e-4
        np.testing.assert_allclose(seen[-1][1], seen[0][1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", range(6))
def test_each_number_of_a_framing_matters_and_zero_is_a_number(told, number):
    expected = predict(told, SAID)
    for value in (7.0, 0.0, -1.0):
        framing = FRAMING.copy()
        framing[1, number] = value
        got = predict(told, {**SAID, "framing": framing})
        assert np.abs(got[1] - expected[1]).max() > 1e-4, value
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-4, atol=1e-5)


def test_words_reach_the_blocks_by_cross_attention_and_not_by_one_vector_alone(told):
    """With the vector of the whole silenced, the words are still heard."""
    network = UNet(**SMALL, **TOLD, dtype="float32")
    network.set_weights(told.get_weights())
    for weight in network.conditioner.dense2.weights:
        weight.assign(ops.zeros_like(weight))
    other = {**SAID, "tokens": TOKENS[:, [0, 2, 1, 3, 4, 5]]}
    assert np.abs(predict(network, SAID) - predict(network, other)).max() > 1e-4
    np.testing.assert_array_equal(
        predict(network, SAID), predict(network, {**SAID, "framing": FRAMING + 1})
    )


def test_pictures_of_a_batch_do_not_hear_what_others_are_told(told):
    x_t, t = inputs(2)
    together = predict(told, SAID, x_t, t)
    for i in range(2):
        own = {kind: value[i : i + 1] for kind, value in SAID.items()}
        alone = predict(told, own, x_t[i : i + 1], t[i : i + 1])
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-3, atol=1e-4)
    turned = predict(told, {kind: v[::-1] for kind, v in SAID.items()}, x_t[::-1], t[::-1])
    np.testing.assert_allclose(turned[::-1], together, rtol=1e-3, atol=1e-4)


def test_the_vector_of_a_framing_is_its_definition():
    layer = Conditioner(8, framing=True, dtype="float32")
    layer.build()
    randomise(layer)
    (a, a_bias), (b, b_bias) = layer.dense1.get_weights(), layer.dense2.get_weights()
    numbers = np.array([[640, 480, 0, 13, 64, -1], 6 * [-1]], np.float32)
    w = 10000.0 ** (-np.arange(32) / 31)
    parts = []
    for row in numbers:
        waves = [np.concatenate([np.sin(n * w), np.cos(n * w)]) * (n >= 0) for n in row]
        parts.append(np.concatenate(waves))
    z = np.stack(parts) @ a + a_bias
    expected = z / (1 + np.exp(-z)) @ b + b_bias
    t = np.zeros(2, "int32")
    vector, words, known = layer(t, {"framing": numbers})
    np.testing.assert_allclose(ops.convert_to_numpy(vector), expected, atol=1e-3)
    assert words is None and known is None


def test_sizes_are_not_rounded_under_bfloat16():
    """bfloat16 cannot tell 1001 from 1000; a network that is told them must."""
    network = UNet(**SMALL, **TOLD, dtype="mixed_bfloat16")
    randomise(network, 0.2)
    framing = np.array([[1000, 1000, 0, 0, 16, 16]] * 2, np.float32)
    other = framing + np.array([1, 0, 0, 0, 0, 0], np.float32)
    moved = predict(network, {"framing": framing}) - predict(network, {"framing": other})
    assert np.abs(moved).max() > 1e-3


def test_a_network_refuses_what_it_was_not_built_for():
    plain = UNet(**SMALL)
    with pytest.raises(ValueError, match="told nothing but the time. Received: framing, tokens"):
        predict(plain, SAID)
    framed = UNet(**SMALL, framing=True)
    with pytest.raises(ValueError, match="built to be told framing. Received: tokens"):
        predict(framed, {"tokens": TOKENS, "framing": FRAMING})
    worded = UNet(**SMALL, text=TEXT, cross_attention=(0, 1))
    with pytest.raises(ValueError, match="built to be told tokens. Received: hints"):
        predict(worded, {"hints": np.zeros((2, 16, 16, 3), "float32")})


def test_a_network_without_words_takes_an_empty_condition():
    plain = UNet(**SMALL)
    randomise(plain)
    np.testing.assert_array_equal(predict(plain, nothing(2)), predict(plain))


@pytest.mark.parametrize(
    "changes", [{"framing": True}, {"text": TEXT, "cross_attention": (0, 1)}, TOLD]
)
def test_an_untrained_network_does_not_yet_listen(changes):
    """What is new begins as nothing, however the weights before it were trained."""
    network = UNet(**SMALL, **changes)
    new = {id(w) for w in network.conditioner.weights}
    for block in [*network.encoder, network.middle_in, *network.decoder]:
        if isinstance(block, Block):
            new |= {id(w) for layer in block.cross_attention for w in layer.weights}
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if id(weight) not in new:
            weight.assign(weight + 0.2 * rng.normal(size=weight.shape).astype("float32"))
    said = {kind: SAID[kind] for kind in network.conditioner.takes}
    expected = predict(network)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_array_equal(predict(network, said), expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_told_network_begins_as_the_one_whose_weights_it_took(tmp_path, policy):
    preset = replace(
        PRESETS["tiny"], image_size=16, widths=(8, 16), blocks=(1, 1), groups=4, head_width=8
    )
    plain = preset.make_network(policy)
    randomise(plain, 0.2)
    path = tmp_path / "model.weights.h5"
    save_weights(plain, preset, path)
    telling = replace(
        preset,
        cross_attention=(0, 1),
        vocabulary=tuple("abcdefghij"),
        text_length=LENGTH,
        text_width=32,
        text_layers=1,
        framing=True,
    )
    network = telling.make_network(policy)
    taken, whole = start_from(network, path)
    assert taken == plain.count_params() and whole == network.count_params() > taken
    expected = predict(plain)
    assert np.abs(expected).max() > 0.1
    for condition in (None, SAID):
        np.testing.assert_array_equal(predict(network, condition), expected)


class Listen(keras.Model):
    """A told network as `fit` can train it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, inputs, training=False):
        x_t, t, tokens, framing = inputs
        condition = {"tokens": tokens, "framing": framing}
        return self.network(x_t, t, condition, training=training)


def test_what_is_told_is_learnt_by_every_weight():
    network = UNet(**SMALL, **TOLD, dtype="float32")
    randomise(network, 0.2)
    before = network.get_weights()
    model = Listen(network)
    # Eagerly: one step takes less time than compiling it.
    model.compile(keras.optimizers.Adam(1e-2), loss="mse", run_eagerly=True)
    x_t, t = inputs()
    model.fit((x_t, t, TOKENS, FRAMING), x_t, batch_size=2, epochs=1, verbose=0)
    for weight, old in zip(network.weights, before, strict=True):
        assert np.any(ops.convert_to_numpy(weight) != old), weight.path


def test_words_are_taken_over_by_word_and_not_by_place(tmp_path):
    preset = replace(
        PRESETS["tiny"],
        image_size=16,
        widths=(8, 16),
        blocks=(1, 1),
        groups=4,
        head_width=8,
        cross_attention=(0, 1),
        vocabulary=("red", "disc", "blue"),
        text_length=8,
        text_width=32,
        text_layers=1,
    )
    network = preset.make_network()
    randomise(network, 0.2)
    path = tmp_path / "model.weights.h5"
    save_weights(network, preset, path)
    other = replace(preset, vocabulary=("blue", "green", "red"))
    follower = other.make_network()
    before = follower.conditioner.text.words.get_weights()[0]
    taken, whole = start_from(follower, path, other.vocabulary)
    old = network.conditioner.text.words.get_weights()[0]
    new = follower.conditioner.text.words.get_weights()[0]
    # Rows: PAD, START, then the words.
    np.testing.assert_array_equal(new[[0, 1, 2, 4]], old[[0, 1, 4, 2]])
    np.testing.assert_array_equal(new[3], before[3])  # "green" is new
    assert whole - taken == 32
    x, t = np.zeros((1, 16, 16, 3), "float32"), np.array([5])
    said = [
        n(x, t, {"tokens": p.make_tokenizer().encode("red")[None]})
        for n, p in ((network, preset), (follower, other))
    ]
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, said))


def test_what_is_told_where_nothing_is_asked_for():
    preset = replace(PRESETS["tiny_told"], vocabulary=("a", "face"))
    told = untold(preset, 3)
    np.testing.assert_array_equal(told["framing"], [framing(preset.image_size)] * 3)
    np.testing.assert_array_equal(told["tokens"], nothing(3, preset.text_length)["tokens"])
    assert untold(PRESETS["tiny"], 3) == {}
