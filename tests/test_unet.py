"""The U-Net as a whole."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import FEW_STEPS, POLICIES, SignDescent, randomise

from ddpm.conditions import NoSettings
from ddpm.conditions.text import TextSettings
from ddpm.nets.config import UNetConfig
from ddpm.nets.control import ControlBranch
from ddpm.nets.layers import named_weights
from ddpm.nets.unet import UNet
from ddpm.presets import PRESETS

SMALL = {
    "image_size": 16,
    "widths": (8, 16),
    "blocks": (1, 2),
    "attention": (8,),
    "groups": 4,
    "head_width": 8,
}


def unet(dtype=None, **changes):
    return UNet(UNetConfig(**{**SMALL, **changes}), dtype=dtype)


def inputs(height=16, width=16, channels=3, batch=2):
    x_t = np.random.default_rng(0).normal(size=(batch, height, width, channels))
    return x_t.astype("float32"), np.arange(batch, dtype="int32") * 400


def predict(network, *arguments, **options):
    return ops.convert_to_numpy(network(*arguments, **options))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("patch", [1, 2])
def test_an_untrained_network_predicts_exactly_zero_in_float32(policy, patch):
    network = unet(policy, attention=(), patch=patch, channels=5)
    y = network(*inputs(channels=5))
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    np.testing.assert_array_equal(ops.convert_to_numpy(y), np.zeros((2, 16, 16, 5), "float32"))


def test_config_survives_json_and_carries_every_argument():
    settings = {
        **SMALL,
        "channels": 4,
        "middle_attention": False,
        "patch": 2,
        "attention": (4,),
        "dropout": 0.1,
        "embedding_width": 24,
        "scale_shift": True,
        "cross_attention_layers": (0, 2),
        "conditions": {"text": TextSettings(("a", "face")), "size_crop": NoSettings()},
    }
    network = UNet(UNetConfig(**settings), dtype="mixed_bfloat16")
    assert UNetConfig(**settings).to_dict() == network.get_config()["config"]
    assert settings.keys() - {"conditions"} <= network.get_config()["config"].keys()
    config = json.loads(json.dumps(network.get_config()))
    twin = UNet.from_config(config)
    assert twin.config == network.config == UNetConfig(**settings)
    assert twin.get_config() == network.get_config()
    assert [w.shape for w in twin.weights] == [w.shape for w in network.weights]


@pytest.mark.parametrize("policy", POLICIES)
def test_weights_exist_at_once_and_survive_a_file(tmp_path, policy):
    network, twin = (unet(policy) for _ in range(2))
    randomise(network)
    network.save_weights(tmp_path / "model.weights.h5")
    twin.load_weights(tmp_path / "model.weights.h5")
    expected = predict(network, *inputs())
    assert np.abs(expected).max() > 0.1
    np.testing.assert_array_equal(predict(twin, *inputs()), expected)


@pytest.mark.parametrize(("height", "width"), [(32, 16), (8, 24)])
def test_other_sizes_pass_through(height, width):
    network = unet()
    randomise(network)
    y = predict(network, *inputs(height, width))
    assert y.shape == (2, height, width, 3)
    # The pictures of a batch do not see each other.
    x_t, t = inputs(height, width)
    np.testing.assert_allclose(predict(network, x_t[1:], t[1:])[0], y[1], rtol=1e-3, atol=1e-4)


def test_symbolic_call_knows_its_shape():
    x_t = keras.KerasTensor((None, 16, 16, 3))
    y = unet()(x_t, keras.KerasTensor((None,), dtype="int32"))
    assert y.shape == (None, 16, 16, 3)
    assert y.dtype == "float32"


def test_encode_middle_and_decode_are_the_whole():
    """A control branch adds to the skips between these calls; adding zero must change nothing."""
    network = unet()
    randomise(network)
    x_t, t = inputs()
    time = network.embed(t)
    h, skips = network.encode(network.embed_input(x_t), time)
    assert len(skips) == 1 + 1 + 1 + 2  # stem, in0's block, in1's downsampling and two blocks
    y = network.decode(network.mid(h, time), [s + 0.0 for s in skips], time)
    np.testing.assert_array_equal(ops.convert_to_numpy(y), predict(network, x_t, t))
    for i in range(len(skips)):
        changed = [s + 1.0 * (i == j) for j, s in enumerate(skips)]
        z = network.decode(network.mid(h, time), changed, time)
        assert np.abs(ops.convert_to_numpy(z - y)).max() > 1e-4, f"skip {i} is not used"


class Denoise(keras.Model):
    """The least that `fit` needs to train a network on one batch."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, inputs, training=False):
        return self.network(*inputs, training=training)


@pytest.mark.parametrize(("policy", "scale_shift"), [("float32", True), ("mixed_bfloat16", False)])
def test_training_reaches_every_weight_and_time_comes_to_matter(policy, scale_shift):
    # By steps of one length a bias may come back to 0: which do depends on how weights begin.
    keras.utils.set_random_seed(0)
    network = unet(policy, blocks=1, scale_shift=scale_shift)
    x_t, t = inputs()
    before = network.get_weights()
    model = Denoise(network)
    model.compile(SignDescent(1e-2), loss="mse", **FEW_STEPS)
    target = np.stack([x_t[0], -x_t[1]])  # what is asked for depends on the time
    # Zero-initialised layers hide what is before them: the head opens first, the blocks after it.
    losses = model.fit((x_t, t), target, batch_size=2, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for weight, old in zip(network.weights, before, strict=True):
        assert np.any(ops.convert_to_numpy(weight) != old), weight.path
    moved = predict(network, x_t, t) - predict(network, x_t, t[::-1].copy())
    assert np.abs(moved).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_size": 17}, r"image_size must be a multiple.*Received: image_size=17"),
        ({"patch": 3}, "image_size must be a multiple"),
        ({"groups": 3}, r"groups must divide every width. Received: groups=3"),
        ({"attention": (5,)}, r"attention must name grid sizes.*\[16, 8\].*Received"),
        ({"blocks": (1, 2, 3)}, "one number of blocks for each width"),
        ({"widths": ()}, "one number of blocks for each width"),
    ],
)
def test_contradictions_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        UNetConfig(**{**SMALL, **changes})


def test_bad_calls_are_refused():
    network = unet()
    with pytest.raises(ValueError, match="multiples of 2.*Received: x_t of shape"):
        network(*inputs(15, 16))
    with pytest.raises(ValueError, match="nothing but the time"):
        network(*inputs(), condition={"tokens": np.ones((2, 4), "int32")})
    with pytest.raises(ValueError, match="A condition is a dict"):
        network(*inputs(), condition=np.ones((2, 4), "float32"))


def test_classic_network_has_63_million_parameters():
    assert PRESETS["classic64"].network == UNetConfig()
    assert UNet(UNetConfig()).count_params() == 63_151_235


def test_as_many_parameters_as_the_oracle():
    """diffusers' U-Net of the same widths, blocks and attention (the `bench` extra)."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.UNet2DModel(
        sample_size=32,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        attention_head_dim=32,
    )
    ours = UNet(UNetConfig(32, widths=(16, 32), blocks=1, attention=(16,), head_width=32))
    assert ours.count_params() == sum(p.numel() for p in theirs.parameters())


def conditional(words=10, width=16, **changes):
    text = TextSettings(tuple(f"w{i}" for i in range(words)), width=width, layers=1, head_width=8)
    conditions = {"text": text, "size_crop": NoSettings(), "inpaint": NoSettings()}
    return UNetConfig(
        **{**SMALL, "cross_attention_layers": (0, 1), "conditions": conditions, **changes}
    )


def test_one_more_word_leaves_the_architecture_key_as_it_is():
    """A control branch never sees the embedding of the words: it fits a model that learned more."""
    assert conditional(words=11).architecture_key == conditional(words=10).architecture_key
    without = {"text": conditional().conditions["text"]}  # nor does it see size and crop, or masks
    assert conditional(conditions=without).architecture_key == conditional().architecture_key
    fewer, more = (ControlBranch(conditional(words=n), ("canny",)) for n in (10, 11))
    assert [w.shape for w in fewer.weights] == [w.shape for w in more.weights]


@pytest.mark.parametrize(
    "changes",
    [
        {"widths": (8, 24)},
        {"blocks": 2},
        {"attention": ()},
        {"patch": 2, "attention": (8,)},
        {"scale_shift": True},
        {"embedding_width": 24},
        {"channels": 4},
        {"head_width": 4},
        {"groups": 2},
        {"middle_attention": False},
        {"cross_attention_layers": (1, 1)},
        {"width": 24},  # of the tokens
        {"conditions": {}},
        {"image_size": 32, "attention": (16,)},
    ],
    ids=str,
)
def test_another_way_down_is_another_architecture_key(changes):
    assert conditional(**changes).architecture_key != conditional().architecture_key


def test_the_key_is_that_of_the_network_and_not_of_how_it_was_written_down():
    config = conditional()
    back = UNetConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert back == config and back.architecture_key == config.architecture_key
    # The last number of cross-attention layers stands for all levels below.
    deep = {"widths": (8, 16, 16), "blocks": 1, "attention": ()}
    short, long = (conditional(**deep, cross_attention_layers=n) for n in ((0, 1), (0, 1, 1)))
    assert short.architecture_key == long.architecture_key


def test_conditions_that_contradict_each_other_or_are_unknown_are_refused():
    values = conditional().to_dict()
    with pytest.raises(ValueError, match="unknown condition 'smell'; known are text, size_crop"):
        UNetConfig.from_dict({**values, "conditions": {"smell": {}}})
    with pytest.raises(ValueError, match=r"settings of a TextSettings.*Unknown: \['colour'\]"):
        UNetConfig.from_dict({**values, "conditions": {"text": {"colour": 1}}})
    with pytest.raises(ValueError, match=r"settings of a UNetConfig.*Unknown: \['colour'\]"):
        UNetConfig.from_dict({**values, "colour": 1})


def test_weights_are_named_by_level_and_part():
    network = UNet(conditional(attention=(8,)))
    names = named_weights(network)
    assert len(names) == len(network.weights)
    for found, weight in zip(names.values(), network.weights, strict=True):
        assert found is weight
    levels = {name.partition("/")[0] for name in names}
    assert levels == {
        *("time", "conditioner", "stem", "condition_stem"),
        *("in0", "in1", "mid", "out0", "out1", "norm", "head"),
    }
    assert {
        "in0/blocks/0/residual/conv1/kernel",
        "in1/down/conv/kernel",
        "in1/blocks/1/attention/qkv/kernel",
        "mid/blocks/0/cross_attention/0/q/kernel",
        "out0/up/conv/kernel",
        "out1/blocks/1/residual/shortcut/bias",
        "conditioner/text/token_embedding/embeddings",
        "conditioner/text/transformer/0/qkv/bias",
        "norm/gamma",
    } <= set(names)


def test_names_do_not_depend_on_what_was_built_before():
    first, second = (list(named_weights(UNet(conditional()))) for _ in range(2))
    assert first == second


def test_a_branch_has_the_names_of_the_levels_that_it_copies():
    config = conditional()
    network, branch = UNet(config), ControlBranch(config, ("canny", "depth"))
    names, base = named_weights(branch), named_weights(network)
    assert len(names) == len(branch.weights)
    copied = {n for n in base if n.split("/")[0] in ("stem", "in0", "in1", "mid")}
    assert copied <= set(names)
    own = {name.split("/")[0] for name in set(names) - copied}
    assert own == {"hint_encoder", "zero_convs"}
    branch.copy_weights(network)
    for name in copied:
        np.testing.assert_array_equal(
            ops.convert_to_numpy(names[name]), ops.convert_to_numpy(base[name])
        )
