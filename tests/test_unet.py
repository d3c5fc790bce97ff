"""The U-Net as a whole."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import POLICIES, randomise

from ddpm.nets.unet import UNet

SMALL = {
    "image_size": 16,
    "widths": (8, 16),
    "blocks": (1, 2),
    "attention": (8,),
    "groups": 4,
    "head_width": 8,
}


def inputs(height=16, width=16, channels=3, batch=2):
    x_t = np.random.default_rng(0).normal(size=(batch, height, width, channels))
    return x_t.astype("float32"), np.arange(batch, dtype="int32") * 400


def predict(network, *arguments, **options):
    return ops.convert_to_numpy(network(*arguments, **options))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("patch", [1, 2])
def test_an_untrained_network_predicts_exactly_zero_in_float32(policy, patch):
    network = UNet(**{**SMALL, "attention": (), "patch": patch, "out_channels": 5}, dtype=policy)
    y = network(*inputs())
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    np.testing.assert_array_equal(ops.convert_to_numpy(y), np.zeros((2, 16, 16, 5), "float32"))


def test_config_survives_json_and_carries_every_argument():
    settings = {
        **SMALL,
        "channels": 4,
        "out_channels": 6,
        "middle_attention": False,
        "patch": 2,
        "attention": (4,),
        "dropout": 0.1,
        "embedding_width": 24,
        "scale_shift": True,
    }
    network = UNet(**settings, dtype="mixed_bfloat16")
    assert settings.items() <= network.get_config().items()
    config = json.loads(json.dumps(network.get_config()))
    twin = UNet.from_config(config)
    assert twin.get_config() == network.get_config()
    assert [w.shape for w in twin.weights] == [w.shape for w in network.weights]


@pytest.mark.parametrize("policy", POLICIES)
def test_weights_exist_at_once_and_survive_a_file(tmp_path, policy):
    network, twin = (UNet(**SMALL, dtype=policy) for _ in range(2))
    randomise(network)
    network.save_weights(tmp_path / "model.weights.h5")
    twin.load_weights(tmp_path / "model.weights.h5")
    expected = predict(network, *inputs())
    assert np.abs(expected).max() > 0.1
    np.testing.assert_array_equal(predict(twin, *inputs()), expected)


@pytest.mark.parametrize(("height", "width"), [(32, 16), (8, 24)])
def test_other_sizes_pass_through(height, width):
    network = UNet(**SMALL)
    randomise(network)
    y = predict(network, *inputs(height, width))
    assert y.shape == (2, height, width, 3)
    # The pictures of a batch do not see each other.
    x_t, t = inputs(height, width)
    np.testing.assert_allclose(predict(network, x_t[1:], t[1:])[0], y[1], rtol=1e-3, atol=1e-4)


def test_symbolic_call_knows_its_shape():
    x_t = keras.KerasTensor((None, 16, 16, 3))
    y = UNet(**SMALL)(x_t, keras.KerasTensor((None,), dtype="int32"))
    assert y.shape == (None, 16, 16, 3)
    assert y.dtype == "float32"


def test_encode_middle_and_decode_are_the_whole():
    """A control branch adds to the skips between these calls; adding zero must change nothing."""
    network = UNet(**SMALL)
    randomise(network)
    x_t, t = inputs()
    time = network.embed(t)
    h, skips = network.encode(network.enter(x_t), time)
    assert len(skips) == 1 + len(network.encoder)
    y = network.decode(network.middle(h, time), [s + 0.0 for s in skips], time)
    np.testing.assert_array_equal(ops.convert_to_numpy(y), predict(network, x_t, t))
    for i in range(len(skips)):
        changed = [s + 1.0 * (i == j) for j, s in enumerate(skips)]
        z = network.decode(network.middle(h, time), changed, time)
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
    network = UNet(**{**SMALL, "blocks": 1}, scale_shift=scale_shift, dtype=policy)
    x_t, t = inputs()
    before = network.get_weights()
    model = Denoise(network)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse", jit_compile=False)
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
        UNet(**{**SMALL, **changes})


def test_bad_calls_are_refused():
    network = UNet(**SMALL)
    with pytest.raises(ValueError, match="multiples of 2.*Received: x_t of shape"):
        network(*inputs(15, 16))
    with pytest.raises(ValueError, match="nothing but the time"):
        network(*inputs(), condition={"tokens": np.ones((2, 4), "int32")})
    with pytest.raises(ValueError, match="A condition is a dict"):
        network(*inputs(), condition=np.ones((2, 4), "float32"))


def test_classic_network_has_63_million_parameters():
    assert UNet().count_params() == 63_151_235


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
    ours = UNet(32, widths=(16, 32), blocks=1, attention=(16,), head_width=32)
    assert ours.count_params() == sum(p.numel() for p in theirs.parameters())
