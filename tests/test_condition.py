"""Conditions: what a network is conditioned on, what training drops, and what null means."""

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import FEW_STEPS, POLICIES, randomise

from ddpm.bundle import load_model, save_model, start_from
from ddpm.conditions import (
    DropRates,
    NoSettings,
    array_names,
    default_condition,
    drop_conditions,
    null_condition,
)
from ddpm.conditions.hints import HintSettings
from ddpm.conditions.size_crop import size_crop
from ddpm.conditions.text import PAD, START, TextSettings, Tokenizer
from ddpm.nets.conditioner import Conditioner
from ddpm.nets.config import UNetConfig
from ddpm.nets.layers import named_weights
from ddpm.nets.unet import UNet
from ddpm.presets import PRESETS

LENGTH = 6
TEXT = TextSettings(tuple("abcdefghij"), length=LENGTH, width=16, layers=1, head_width=8)
SMALL = {
    "image_size": 16,
    "widths": (8, 16),
    "blocks": 1,
    "attention": (),
    "groups": 4,
    "head_width": 8,
}
CONDITIONS = {"text": TEXT, "size_crop": NoSettings()}
CONDITIONAL = {"conditions": CONDITIONS, "cross_attention_layers": (0, 1)}
N = 20_000
TOKENS = np.array([[START, 5, 3, 7, PAD, PAD], [START, 4, 8, PAD, PAD, PAD]], np.int32)
SIZE_CROP = np.array([[32, 32, 0, 0, 16, 16], [20, 30, 2, 5, 18, 27]], np.float32)
GIVEN = {"tokens": TOKENS, "size_crop": SIZE_CROP}


def inputs(n=2):
    x_t = np.random.default_rng(0).normal(size=(n, 16, 16, 3)).astype("float32")
    return x_t, np.arange(n, dtype="int32") * 400 + 30


def predict(network, condition=None, x_t=None, t=None):
    if x_t is None:
        x_t, t = inputs()
    return ops.convert_to_numpy(network(x_t, t, condition))


def unet(dtype="float32", **changes):
    return UNet(UNetConfig(**SMALL, **changes), dtype=dtype)


def drop(arrays, rng, each=0.1, all=0.1, full_mask=0.1):
    """Drop of the conditions whose arrays are there."""
    conditions = {**CONDITIONS, "inpaint": NoSettings(), "hints": HintSettings()}
    return drop_conditions(conditions, arrays, rng, DropRates(each, all, full_mask))


@pytest.fixture(scope="module")
def conditional():
    """A U-Net conditioned on text, and on size and crop; every weight has a value of its own."""
    network = unet(**CONDITIONAL)
    randomise(network, 0.2)
    return network


def rows(n, kinds=("tokens", "size_crop")):
    """A condition whose every row says something."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(2, 12, (n, LENGTH)).astype(np.int32)
    tokens[:, 0] = START
    whole = {"tokens": tokens, "size_crop": rng.uniform(0, 64, (n, 6)).astype(np.float32)}
    return {kind: whole[kind] for kind in kinds}


def is_null(condition):
    """Which rows are null, by array."""
    tests = {
        "tokens": lambda v: (v == [START, *[PAD] * (LENGTH - 1)]).all(axis=1),
        "size_crop": lambda v: (v == -1).all(axis=1),
    }
    return {kind: tests[kind](value) for kind, value in condition.items()}


def check_share(rows, expected):
    """A share is the one expected, within four standard errors."""
    error = np.sqrt(expected * (1 - expected) / len(rows))
    assert abs(np.mean(rows) - expected) <= 4 * error, (np.mean(rows), expected)


@pytest.mark.parametrize(("each", "every"), [(0.1, 0.1), (0.3, 0.0), (0.0, 0.2), (0.5, 0.5)])
def test_each_condition_is_dropped_at_its_rate_alone_and_together(rng, each, every):
    condition = rows(N)
    result = drop(condition, rng, each=each, all=every)
    gone = is_null(result)
    text, numbers = gone["tokens"], gone["size_crop"]
    rest = 1 - every
    check_share(text & numbers, every + rest * each**2)
    check_share(text & ~numbers, rest * each * (1 - each))
    check_share(numbers & ~text, rest * each * (1 - each))
    check_share(~text & ~numbers, rest * (1 - each) ** 2)
    # A row is dropped as a whole or not at all.
    for kind in condition:
        kept = ~gone[kind]
        np.testing.assert_array_equal(result[kind][kept], condition[kind][kept])
        assert result[kind].dtype == condition[kind].dtype


@pytest.mark.parametrize("kind", ["tokens", "size_crop"])
def test_a_condition_that_is_given_alone_is_dropped_too(rng, kind):
    result = drop(rows(N, (kind,)), rng, each=0.2, all=0.1)
    assert list(result) == [kind]
    check_share(is_null(result)[kind], 1 - 0.8 * 0.9)


def test_dropping_nothing_and_everything(rng):
    condition = rows(50)
    for kind, value in drop(condition, rng, each=0.0, all=0.0).items():
        np.testing.assert_array_equal(value, condition[kind])
    for chances in ({"each": 1.0, "all": 0.0}, {"each": 0.0, "all": 1.0}):
        result = drop(condition, rng, **chances)
        for kind, value in null_condition(CONDITIONS, 50).items():
            np.testing.assert_array_equal(result[kind], value)


def test_dropping_leaves_its_argument_as_it_is(rng):
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
    assert any((result[kind] != before[kind]).any() for kind in ("tokens", "size_crop"))


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


def test_text_and_size_crop_are_dropped_whatever_becomes_of_the_hints(rng):
    condition = {**rows(N), "strengths": np.ones((N, 2), np.float32)}
    result = drop(condition, rng, each=0.0, all=0.3)
    gone = is_null({kind: result[kind] for kind in ("tokens", "size_crop")})["tokens"]
    kept = result["strengths"].mean(axis=1)
    assert abs(kept[gone].mean() - kept[~gone].mean()) < 0.03  # each mean is known to about 0.006


def test_the_same_generator_drops_the_same():
    condition = rows(200)
    first, second = (drop(condition, np.random.default_rng(3), 0.5, 0.2) for _ in range(2))
    for kind in condition:
        np.testing.assert_array_equal(first[kind], second[kind])


def test_the_null_condition_is_start_alone_and_minus_one():
    text = {"text": TextSettings(length=4)}
    condition = null_condition({**text, "size_crop": NoSettings()}, 3)
    assert condition["tokens"].tolist() == 3 * [[START, PAD, PAD, PAD]]
    assert condition["size_crop"].tolist() == 3 * [6 * [-1.0]]
    assert condition["tokens"].dtype == np.int32 and condition["size_crop"].dtype == np.float32
    assert null_condition({}, 3) == {} and set(null_condition(text, 3)) == {"tokens"}
    assert set(null_condition({"size_crop": NoSettings()}, 3)) == {"size_crop"}
    # Hints and masks that are null are arrays that are missing.
    assert null_condition({"inpaint": NoSettings(), "hints": HintSettings()}, 3) == {}


def test_arrays_have_names_by_condition():
    assert array_names(["text", "size_crop"]) == ("tokens", "size_crop")
    assert array_names(["hints", "inpaint"]) == ("hints", "strengths", "mask", "masked_image")
    assert array_names([]) == ()


def test_arrays_that_are_missing_are_null(conditional):
    expected = predict(conditional)
    assert np.abs(expected).max() > 0.1
    whole = null_condition(CONDITIONS, 2)
    for condition in ({}, whole, {"tokens": whole["tokens"]}, {"size_crop": whole["size_crop"]}):
        np.testing.assert_array_equal(predict(conditional, condition), expected)


@pytest.mark.parametrize("kind", ["tokens", "size_crop"])
def test_one_array_that_is_missing_is_null(conditional, kind):
    other = {k: v for k, v in null_condition(CONDITIONS, 2).items() if k != kind}
    alone = predict(conditional, {kind: GIVEN[kind]})
    np.testing.assert_array_equal(alone, predict(conditional, {kind: GIVEN[kind], **other}))
    assert np.abs(alone - predict(conditional)).max() > 1e-3
    assert np.abs(alone - predict(conditional, GIVEN)).max() > 1e-3


def test_different_words_give_different_predictions(conditional):
    seen = [predict(conditional, GIVEN)]
    for row in ([5, 3, 8], [3, 5, 7], [5, 3], []):  # another word, order and number
        tokens = TOKENS.copy()
        tokens[0] = [START, *row, *[PAD] * (LENGTH - 1 - len(row))]
        seen.append(predict(conditional, {**GIVEN, "tokens": tokens}))
        for earlier in seen[:-1]:
            assert np.abs(seen[-1][0] - earlier[0]).max() > 1e-4
        np.testing.assert_allclose(seen[-1][1], seen[0][1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", range(6))
def test_each_number_of_size_crop_matters_and_zero_is_a_number(conditional, number):
    expected = predict(conditional, GIVEN)
    for value in (7.0, 0.0, -1.0):
        numbers = SIZE_CROP.copy()
        numbers[1, number] = value
        got = predict(conditional, {**GIVEN, "size_crop": numbers})
        assert np.abs(got[1] - expected[1]).max() > 1e-4, value
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-4, atol=1e-5)


def test_text_reaches_the_blocks_by_cross_attention_and_not_by_one_vector_alone(conditional):
    """With the pooled vector set to zero, the words still matter."""
    network = unet(**CONDITIONAL)
    network.set_weights(conditional.get_weights())
    for weight in network.conditioner.dense2.weights:
        weight.assign(ops.zeros_like(weight))
    other = {**GIVEN, "tokens": TOKENS[:, [0, 2, 1, 3, 4, 5]]}
    assert np.abs(predict(network, GIVEN) - predict(network, other)).max() > 1e-4
    np.testing.assert_array_equal(
        predict(network, GIVEN), predict(network, {**GIVEN, "size_crop": SIZE_CROP + 1})
    )


def test_pictures_of_a_batch_are_conditioned_each_by_its_own_row(conditional):
    x_t, t = inputs(2)
    together = predict(conditional, GIVEN, x_t, t)
    for i in range(2):
        own = {kind: value[i : i + 1] for kind, value in GIVEN.items()}
        alone = predict(conditional, own, x_t[i : i + 1], t[i : i + 1])
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-3, atol=1e-4)
    turned = predict(conditional, {kind: v[::-1] for kind, v in GIVEN.items()}, x_t[::-1], t[::-1])
    np.testing.assert_allclose(turned[::-1], together, rtol=1e-3, atol=1e-4)


def test_the_vector_of_size_crop_is_its_definition():
    layer = Conditioner(8, {"size_crop": NoSettings()}, dtype="float32")
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
    vector, tokens, token_mask = layer(t, {"size_crop": numbers})
    np.testing.assert_allclose(ops.convert_to_numpy(vector), expected, atol=1e-3)
    assert tokens is None and token_mask is None


def test_sizes_are_not_rounded_under_bfloat16():
    """bfloat16 cannot tell 1001 from 1000; a network that is conditioned on them must."""
    network = unet("mixed_bfloat16", **CONDITIONAL)
    randomise(network, 0.2)
    numbers = np.array([[1000, 1000, 0, 0, 16, 16]] * 2, np.float32)
    other = numbers + np.array([1, 0, 0, 0, 0, 0], np.float32)
    moved = predict(network, {"size_crop": numbers}) - predict(network, {"size_crop": other})
    assert np.abs(moved).max() > 1e-3


def test_a_network_refuses_conditions_that_it_was_not_built_for():
    plain = unet()
    with pytest.raises(ValueError, match="nothing but the time. Received: size_crop, tokens"):
        predict(plain, GIVEN)
    sized = unet(conditions={"size_crop": NoSettings()})
    with pytest.raises(ValueError, match="conditioned on size_crop. Received: tokens"):
        predict(sized, GIVEN)
    worded = unet(conditions={"text": TEXT}, cross_attention_layers=(0, 1))
    with pytest.raises(ValueError, match="conditioned on tokens. Received: hints"):
        predict(worded, {"hints": np.zeros((2, 16, 16, 3), "float32")})


def test_an_unconditional_network_takes_an_empty_condition():
    plain = unet()
    randomise(plain)
    np.testing.assert_array_equal(predict(plain, null_condition({}, 2)), predict(plain))


@pytest.mark.parametrize(
    "changes",
    [
        {"conditions": {"size_crop": NoSettings()}},
        {"conditions": {"text": TEXT}, "cross_attention_layers": (0, 1)},
        CONDITIONAL,
    ],
    ids=["size_crop", "text", "both"],
)
def test_an_untrained_network_begins_as_the_unconditional_one(changes):
    """What is new begins as nothing, however the weights before it were trained."""
    network = unet(**changes)
    rng = np.random.default_rng(0)
    for name, weight in named_weights(network).items():
        if "conditioner/" not in name and "cross_attention/" not in name:
            weight.assign(weight + 0.2 * rng.normal(size=weight.shape).astype("float32"))
    given = {array: GIVEN[array] for array in array_names(changes["conditions"])}
    expected = predict(network)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_array_equal(predict(network, given), expected)


def preset(**network):
    """A preset of a small network."""
    small = {**SMALL, "blocks": (1, 1), "attention": (8,), "patch": 1}
    return PRESETS["tiny"].with_(network={**small, **network})


@pytest.mark.parametrize("policy", POLICIES)
def test_a_conditional_network_begins_as_the_one_whose_weights_it_took(tmp_path, policy):
    plain = preset().make_network(policy)
    randomise(plain, 0.2)
    path = tmp_path / "model.weights.h5"
    save_model(plain, preset(), path)
    network = preset(**CONDITIONAL).make_network(policy)
    taken, total = start_from(network, path)
    assert taken == plain.count_params() and total == network.count_params() > taken
    expected = predict(plain)
    assert np.abs(expected).max() > 0.1
    for condition in (None, GIVEN):
        np.testing.assert_array_equal(predict(network, condition), expected)


def test_weights_are_taken_over_by_name_whatever_their_values(tmp_path):
    """Once a weight was taken to be missing in a file if it was -54321 after loading."""
    source, before = preset().make_network("float32"), preset(**CONDITIONAL)
    for weight in source.weights:
        weight.assign(ops.full(weight.shape, -54321.0))
    save_model(source, preset(), tmp_path / "model.weights.h5")
    network = before.make_network("float32")
    fresh = {name: np.array(v) for name, v in named_weights(network).items()}
    taken, _ = start_from(network, tmp_path / "model.weights.h5")
    assert taken == source.count_params()
    old = named_weights(source)
    for name, weight in named_weights(network).items():
        expected = old[name] if name in old else fresh[name]
        np.testing.assert_array_equal(np.array(weight), np.array(expected), err_msg=name)


def test_weights_of_another_shape_stay_as_they_are(tmp_path):
    source, other = preset(), preset(head_width=4, embedding_width=24)
    save_model(source.make_network("float32"), source, tmp_path / "model.weights.h5")
    network = other.make_network("float32")
    fresh = {name: np.array(v) for name, v in named_weights(network).items()}
    taken, total = start_from(network, tmp_path / "model.weights.h5")
    assert 0 < taken < total
    for name in ("time/dense1/kernel", "in0/blocks/0/residual/time/kernel"):
        np.testing.assert_array_equal(np.array(named_weights(network)[name]), fresh[name])
    stranger = preset(widths=(12, 24), blocks=(2, 2), channels=1, attention=(), groups=3)
    with pytest.raises(ValueError, match="nothing in .* fits the network"):
        start_from(stranger.make_network("float32"), tmp_path / "model.weights.h5")


class WithCondition(keras.Model):
    """A conditional network as `fit` can train it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, inputs, training=False):
        x_t, t, tokens, numbers = inputs
        condition = {"tokens": tokens, "size_crop": numbers}
        return self.network(x_t, t, condition, training=training)


def test_training_on_conditions_moves_every_weight():
    network = unet(**CONDITIONAL)
    randomise(network, 0.2)
    before = network.get_weights()
    model = WithCondition(network)
    model.compile(keras.optimizers.Adam(1e-2), loss="mse", **FEW_STEPS)
    x_t, t = inputs()
    model.fit((x_t, t, TOKENS, SIZE_CROP), x_t, batch_size=2, epochs=1, verbose=0)
    for weight, old in zip(network.weights, before, strict=True):
        assert np.any(ops.convert_to_numpy(weight) != old), weight.path


def test_embeddings_are_taken_over_by_word_and_not_by_row(tmp_path):
    def with_words(*words):
        text = TextSettings(words, length=8, width=32, layers=1)
        return preset(conditions={"text": text}, cross_attention_layers=(0, 1))

    source, target = with_words("red", "disc", "blue"), with_words("blue", "green", "red")
    network = source.make_network()
    randomise(network, 0.2)
    path = tmp_path / "model.weights.h5"
    save_model(network, source, path)
    follower = target.make_network()
    before = follower.conditioner.text.token_embedding.get_weights()[0]
    taken, total = start_from(follower, path, ("blue", "green", "red"))
    old = network.conditioner.text.token_embedding.get_weights()[0]
    new = follower.conditioner.text.token_embedding.get_weights()[0]
    # Rows: PAD, START, then the words.
    np.testing.assert_array_equal(new[[0, 1, 2, 4]], old[[0, 1, 4, 2]])
    np.testing.assert_array_equal(new[3], before[3])  # "green" is new
    assert total - taken == 32
    x, t = np.zeros((1, 16, 16, 3), "float32"), np.array([5])
    predictions = []
    for net, own in ((network, source), (follower, target)):
        tokenizer = Tokenizer(own.network.conditions["text"].vocabulary, 8)
        condition = {"tokens": tokenizer.encode("red")[None]}
        predictions.append(ops.convert_to_numpy(net(x, t, condition)))
    np.testing.assert_array_equal(*predictions)


def test_a_model_with_words_goes_on_with_one_more(tmp_path):
    """A longer vocabulary takes over all other weights, and the rows of the old words."""
    source, more = preset(**CONDITIONAL), TextSettings((*TEXT.vocabulary, "new"), LENGTH, 16, 1, 8)
    network = source.make_network("float32")
    randomise(network, 0.2)
    save_model(network, source, tmp_path / "model.weights.h5")
    target = source.with_conditions(text=more)
    follower = target.make_network("float32")
    taken, total = start_from(follower, tmp_path / "model.weights.h5", more.vocabulary)
    assert total - taken == 16
    np.testing.assert_array_equal(predict(follower, GIVEN), predict(network, GIVEN))
    save_model(follower, target, tmp_path / "longer.weights.h5")
    longer = load_model(tmp_path / "longer.weights.h5", "float32")
    assert longer.config.conditions["text"] == more


def test_the_default_condition_is_whole_pictures_and_no_words():
    preset = PRESETS["tiny_conditional"]
    config = preset.network
    condition = default_condition(preset, 3)
    np.testing.assert_array_equal(condition["size_crop"], [size_crop(config.image_size)] * 3)
    null = null_condition(config.conditions, 3)
    np.testing.assert_array_equal(condition["tokens"], null["tokens"])
    assert set(condition) == set(null) == {"tokens", "size_crop"}
    assert default_condition(PRESETS["tiny"], 3) == {}
