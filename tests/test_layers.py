"""The layers of the networks: under the contract, against plain NumPy and against Keras' own."""

import importlib
import pkgutil

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import POLICIES, numpy_of, randomise, run_layer_test

import ddpm
from ddpm.conditions import NoSettings
from ddpm.conditions.text import TextSettings
from ddpm.nets import layers
from ddpm.nets.conditioner import Conditioner
from ddpm.nets.config import MPUNetConfig, UNetConfig, VAEConfig
from ddpm.nets.control import ControlBranch, Controlled, HintEncoder
from ddpm.nets.hyper import HyperNetwork, HyperSettings, TokenCrossAttention
from ddpm.nets.identity import IdentityEncoder
from ddpm.nets.lidb import LightForm
from ddpm.nets.mp_layers import MPConv
from ddpm.nets.mp_unet import MPAttention, MPLevel, MPUNet, MPUNetBlock
from ddpm.nets.text import TextEncoder, TransformerLayer
from ddpm.nets.unet import Block, Level, UNet
from ddpm.nets.vae import Autoencoder, MPBlock
from ddpm.training.sharpening import PatchCritic


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def group_norm(x, groups, gamma, beta, epsilon):
    """Group normalisation in float64, straight from its definition."""
    x = x.astype("float64")
    grouped = x.reshape(len(x), -1, groups, x.shape[-1] // groups)
    mean = grouped.mean(axis=(1, 3), keepdims=True)
    variance = grouped.var(axis=(1, 3), keepdims=True)
    return ((grouped - mean) / np.sqrt(variance + epsilon)).reshape(x.shape) * gamma + beta


def swish(z):
    return z / (1 + np.exp(-z))


TIME, TOKENS = normal(2, 12), normal(2, 5, 10)  # (B, E) and (B, L, W) of a `BlockContext`
TOKEN_MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
BLOCK = {"width": 16, "cross_attention_layers": 1, "head_width": 8, "groups": 4}
TEXT = TextSettings(tuple("abcdefghij"), length=6, width=16, layers=1, head_width=8)
CONFIG = UNetConfig(
    image_size=16,
    widths=(8,),
    blocks=1,
    attention=(),
    cross_attention_layers=(1,),
    groups=4,
    head_width=8,
    conditions={"text": TEXT, "size_crop": NoSettings(), "inpaint": NoSettings()},
)
CONDITION = {
    "tokens": np.array([[1, 5, 3, 7, 0, 0], [1, 4, 8, 0, 0, 0]], "int32"),
    "size_crop": np.array([[32, 32, 0, 0, 16, 16], [20, 30, 2, 5, 18, 27]], "float32"),
}
IMAGES = {"mask": np.float32(normal(2, 16, 16, 1) > 0), "masked_image": normal(2, 16, 16, 3)}
X_T, T = normal(2, 16, 16, 3), np.array([30, 430], "int32")
BRANCH_SHAPES = [(2, 16, 16, 8)] * 3  # for the stem, in0's block and mid
HINTS, STRENGTHS = normal(2, 16, 16, 6), np.array([[1, 0.5], [0.25, 0]], "float32")
MP_CONFIG = MPUNetConfig(
    image_size=8,
    channels=4,
    widths=(16,),
    blocks=(1,),
    attention=(),
    cross_attention_layers=(1,),
    head_width=8,
    conditions={"text": TEXT, "size_crop": NoSettings()},
)
TIME_16, TOKENS_16 = normal(2, 64), normal(2, 6, 16)  # of a `BlockContext` of MP_CONFIG
VAE = VAEConfig(
    image_size=16,
    latent_channels=4,
    encoder_widths=(8, 8),
    encoder_blocks=(1, 1),
    decoder_widths=(8, 8, 8),
    decoder_blocks=(1, 1, 1),
)
# Whole networks, in the harder precision: both have tests of their own.
LARGE = {"steps": 2, "policies": ("mixed_bfloat16",)}


def blocks(policy):
    return [Block(16, groups=4, dtype=policy), Block(**BLOCK, dtype=policy)]


def case(cls, arguments, inputs, shape, **options):
    """What the layer contract takes, under the name of the class."""
    return pytest.param(cls, arguments, inputs, shape, options, id=cls.__name__)


CONTRACT = [
    case(layers.GroupNorm, {"groups": 4}, (normal(2, 6, 4, 8),), (2, 6, 4, 8)),
    case(layers.GroupNorm, {"groups": 2, "swish": True}, (normal(2, 6, 4, 8),), (2, 6, 4, 8)),
    case(
        layers.TimeEmbedding,
        {"width": 24, "sinusoid_width": 8},
        (np.array([0, 7, 999], "int32"),),
        (3, 24),
    ),
    case(
        layers.NumberEmbedding,
        {"count": 3, "sinusoid_width": 8},
        (np.array([[640, 0, -1], [1, 2, 3]], "float32"),),
        (2, 24),
    ),
    case(
        layers.ResidualBlock,
        {"width": 16, "groups": 4, "dropout": 0.1},
        (normal(2, 6, 4, 8), TIME),
        (2, 6, 4, 16),
    ),
    case(
        layers.ResidualBlock,
        {"width": 8, "groups": 4, "scale_shift": True},
        (normal(2, 6, 4, 8), TIME),
        (2, 6, 4, 8),
    ),
    case(
        layers.SelfAttention,
        {"head_width": 4, "groups": 2},
        (normal(2, 4, 6, 8),),
        (2, 4, 6, 8),
    ),
    case(
        layers.CrossAttention,
        {"head_width": 4, "groups": 2},
        (normal(2, 4, 6, 8), TOKENS, TOKEN_MASK),
        (2, 4, 6, 8),
    ),
    case(
        Block,
        {"width": 16, "attention": True, "head_width": 8, "groups": 4},
        (normal(2, 4, 6, 8), TIME),
        (2, 4, 6, 16),
    ),
    case(
        Block,
        {**BLOCK, "cross_attention_layers": 2, "dropout": 0.1, "scale_shift": True},
        (normal(2, 4, 6, 8), TIME, TOKENS, TOKEN_MASK),
        (2, 4, 6, 16),
    ),
    case(layers.Downsample, {}, (normal(2, 6, 4, 8),), (2, 3, 2, 8)),
    case(layers.Upsample, {}, (normal(2, 3, 2, 8),), (2, 6, 4, 8)),
    case(
        Level,
        lambda policy: {"blocks": blocks(policy), "down": True},
        (normal(2, 4, 6, 8), (TIME, TOKENS, TOKEN_MASK)),
        (2, 2, 3, 16),
    ),
    case(
        Level,
        lambda policy: {"blocks": blocks(policy), "up": True},
        (normal(2, 4, 6, 8), (TIME, TOKENS, TOKEN_MASK)),
        (2, 8, 12, 16),
    ),
    case(
        TransformerLayer,
        {"width": 16, "head_width": 8},
        (normal(2, 5, 16), TOKEN_MASK),
        (2, 5, 16),
    ),
    case(
        TextEncoder,
        {"vocabulary_size": 12, "length": 6, "width": 16, "layers": 2, "head_width": 8},
        (CONDITION["tokens"],),
        [(2, 16), (2, 6, 16), (2, 6)],
    ),
    case(
        Conditioner,
        {"width": 24, "conditions": {"text": TEXT, "size_crop": NoSettings()}},
        (T, CONDITION),
        [(2, 24), (2, 6, 16), (2, 6)],
    ),
    case(
        HintEncoder,
        {"width": 8, "patch": 2, "groups": 4},
        (normal(2, 8, 4, 6),),
        (2, 4, 2, 8),
    ),
    case(
        IdentityEncoder,
        {"dimensions": 12, "tokens": 3, "width": 16},
        (np.array([np.eye(12)[3], np.zeros(12)], "float32"),),
        [(2, 12), (2, 3, 16), (2, 3)],
    ),
    case(
        TokenCrossAttention,
        {"head_width": 8},
        (normal(2, 4, 16), normal(2, 5, 10)),
        (2, 4, 16),
    ),
    case(
        HyperNetwork,
        {
            "form": LightForm({"a/kernel": (6, 8), "b/kernel": (3, 3, 4, 2)}, {}, (5, 3)),
            "faces": (4, 6),
            "settings": HyperSettings(width=16, blocks=1, head_width=8, refinements=2),
        },
        (normal(2, 4, 6),),
        (2, 2, 8),
        output_dtype="float32",
        **LARGE,
    ),
    case(MPConv, {"width": 16, "gain": 0.5}, (normal(2, 6, 4, 8),), (2, 6, 4, 16)),
    case(MPConv, {"width": 16, "size": 0}, (normal(2, 5, 8),), (2, 5, 16)),
    case(MPBlock, {"width": 8}, (normal(2, 6, 4, 8),), (2, 6, 4, 8)),
    case(MPAttention, {"head_width": 8}, (normal(2, 4, 6, 16),), (2, 4, 6, 16)),
    case(
        MPUNetBlock,
        {"width": 16, "cross_attention_layers": 1, "head_width": 8, "normalize": True},
        (normal(2, 4, 6, 8), TIME, TOKENS, TOKEN_MASK),
        (2, 4, 6, 16),
    ),
    case(
        MPLevel,
        lambda policy: {"blocks": [MPUNetBlock(16, head_width=8, dtype=policy)], "down": True},
        (normal(2, 4, 6, 16), (TIME,)),
        (2, 2, 3, 16),
    ),
    case(
        MPLevel,
        lambda policy: {"blocks": [MPUNetBlock(16, head_width=8, dtype=policy)], "up": True},
        (normal(2, 4, 6, 16), (TIME,)),
        (2, 8, 12, 16),
    ),
    case(
        MPUNet,
        {"config": MP_CONFIG},
        (normal(2, 8, 8, 4), T, CONDITION),
        (2, 8, 8, 4),
        output_dtype="float32",
        **LARGE,
    ),
    case(
        PatchCritic,
        {"widths": [8, 8]},
        (normal(2, 16, 8, 3),),
        (2, 4, 2, 1),
        output_dtype="float32",
    ),
    case(
        Autoencoder,
        {"config": VAE},
        (normal(2, 16, 16, 3),),
        (2, 16, 16, 3),
        output_dtype="float32",
        **LARGE,
    ),
    case(
        UNet,
        {"config": CONFIG},
        (X_T, T, {**CONDITION, **IMAGES}),
        (2, 16, 16, 3),
        output_dtype="float32",
        **LARGE,
    ),
    case(
        ControlBranch,
        {"config": CONFIG, "kinds": ["canny", "depth"]},
        (X_T, (normal(2, 32), normal(2, 6, 16), CONDITION["tokens"] > 0), HINTS, STRENGTHS),
        BRANCH_SHAPES,
        **LARGE,
    ),
    case(
        Controlled,
        lambda policy: {"base": UNet(CONFIG, dtype=policy), "kinds": ["canny", "depth"]},
        (X_T, T, {**CONDITION, **IMAGES, "hints": HINTS, "strengths": STRENGTHS}),
        (2, 16, 16, 3),
        output_dtype="float32",
        **LARGE,
    ),
    case(
        ControlBranch,
        {"config": MP_CONFIG, "kinds": ["canny", "depth"], "stride": 2},
        (normal(2, 8, 8, 4), (TIME_16, TOKENS_16, CONDITION["tokens"] > 0), HINTS, STRENGTHS),
        [(2, 8, 8, 16)] * 2,  # for in0's block and mid
        **LARGE,
    ),
    case(
        Controlled,
        lambda policy: {
            "base": MPUNet(MP_CONFIG, dtype=policy),
            "kinds": ["canny", "depth"],
            "stride": 2,
        },
        (normal(2, 8, 8, 4), T, {**CONDITION, "hints": HINTS, "strengths": STRENGTHS}),
        (2, 8, 8, 4),
        output_dtype="float32",
        **LARGE,
    ),
]
# Not layers of a network: they hold one, to train it and to draw with it, and are never saved; and
# an adapter's matrices or numbers and the vectors of new words, which see no pictures
# (test_adapters.py, test_lidb.py, test_adapter_words.py).
HOLDERS = {
    "Adapted",
    "Adapter",
    "AutoencodingObjective",
    "DenoisingObjective",
    "DenoisingStep",
    "HyperAdapted",
    "HyperObjective",
    "LightAdapter",
    "PartsObjective",
    "SharpeningObjective",
    "Words",
}


@pytest.mark.parametrize(("cls", "arguments", "inputs", "shape", "options"), CONTRACT)
def test_layer_contract(cls, arguments, inputs, shape, options):
    run_layer_test(cls, arguments, inputs, shape, **options)
    for policy in POLICIES:
        own = arguments(policy) if callable(arguments) else arguments
        expected = keras.DTypePolicy(policy).compute_dtype
        assert cls(**own, dtype=policy).compute_dtype == expected


def test_every_layer_is_under_the_contract():
    defined = set()
    for module in pkgutil.walk_packages(ddpm.__path__, "ddpm."):
        for cls in vars(importlib.import_module(module.name)).values():
            own = isinstance(cls, type) and cls.__module__ == module.name
            if own and issubclass(cls, keras.layers.Layer):
                defined.add(cls.__name__)
    assert defined - HOLDERS == {parameters.values[0].__name__ for parameters in CONTRACT}
    assert HOLDERS <= defined


class Scale(keras.layers.Layer):
    """A layer that keeps the contract, but for what a subclass breaks: x times a weight."""

    def __init__(self, units=1, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        return x * self.scale

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Idle(Scale):
    """One weight is never used."""

    def build(self, input_shape):
        super().build(input_shape)
        self.idle = self.add_weight(shape=(1,), initializer="ones", name="idle")


class Forgetful(Scale):
    """An argument is not in the config."""

    def get_config(self):
        return {k: v for k, v in super().get_config().items() if k != "units"}


class Wrong(Scale):
    """An argument is another one in the config."""

    def get_config(self):
        return {**super().get_config(), "units": 1}


class Float32(Scale):
    """The result is float32 under every policy."""

    def call(self, x):
        return ops.cast(super().call(x), "float32")


class Rounded(Scale):
    """The weights are kept in the compute dtype."""

    def build(self, input_shape):
        self.scale = self.add_weight(
            shape=(input_shape[-1],), initializer="ones", dtype=self.compute_dtype
        )


class Fixed(Scale):
    """The batch size is fixed."""

    def call(self, x):
        return ops.reshape(super().call(x), (2, 3))


@pytest.mark.parametrize("cls", [Idle, Forgetful, Wrong, Float32, Rounded, Fixed])
def test_the_contract_finds_what_is_broken(cls):
    x = normal(2, 3)
    run_layer_test(Scale, {"units": 5}, (x,), (2, 3))
    with pytest.raises((AssertionError, TypeError)):  # JAX itself refuses `Fixed`
        run_layer_test(cls, {"units": 5}, (x,), (2, 3))


def test_sinusoidal_embedding_is_its_closed_form():
    t, width = np.array([0, 1, 500, 999]), 32
    w = 10000.0 ** (-np.arange(16) / 15)
    expected = np.concatenate([np.sin(np.outer(t, w)), np.cos(np.outer(t, w))], axis=1)
    got = numpy_of(layers.sinusoidal_embedding(t.astype("int32"), width))
    assert np.abs(got - expected).max() < 2e-4  # float32 angles of up to 999 radians


def test_sinusoidal_embedding_tells_neighbours_apart_under_bfloat16():
    layer = layers.TimeEmbedding(16, 32, dtype="mixed_bfloat16")
    a, b = numpy_of(layer(np.array([998, 999], "float32")))
    assert np.abs(a - b).max() > 0


@pytest.mark.parametrize("width", [2, 7])
def test_sinusoidal_embedding_refuses_odd_or_tiny_widths(width):
    with pytest.raises(ValueError, match="even width"):
        layers.sinusoidal_embedding(np.zeros(1, "int32"), width)


def test_group_norm_is_its_definition():
    x = 3 * normal(2, 5, 7, 12) + 2
    layer = layers.GroupNorm(3)
    layer.build(x.shape)
    randomise(layer)
    gamma, beta = layer.get_weights()
    expected = group_norm(x, 3, gamma, beta, layers.EPSILON)
    assert np.abs(numpy_of(layer(x)) - expected).max() < 1e-5
    layer.swish = True
    assert np.abs(numpy_of(layer(x)) - swish(expected)).max() < 1e-5


def test_group_norm_agrees_with_keras():
    x = normal(2, 6, 4, 8) + 1
    ours = layers.GroupNorm(4, epsilon=1e-3)
    theirs = keras.layers.GroupNormalization(4, epsilon=1e-3)
    ours.build(x.shape)
    theirs.build(x.shape)
    randomise(ours)
    theirs.set_weights(ours.get_weights())
    assert np.abs(numpy_of(ours(x)) - numpy_of(theirs(x))).max() < 1e-5


def test_group_norm_folds_bias_scale_and_shift():
    x, (bias, scale, shift) = normal(2, 5, 7, 12), normal(3, 2, 12, seed=1)
    layer = layers.GroupNorm(3)
    expected = group_norm(x + bias[:, None, None], 3, 1.0, 0.0, layers.EPSILON)
    expected = expected * (1 + scale[:, None, None]) + shift[:, None, None]
    assert np.abs(numpy_of(layer(x, bias, scale, shift)) - expected).max() < 1e-5


def test_group_norm_keeps_float32_statistics_under_bfloat16():
    """2,048 numbers near 1, summed in bfloat16, would stop at 256."""
    x = (1 + 0.1 * normal(1, 32, 64, 8)).astype("float32")
    x = numpy_of(ops.cast(x, "bfloat16"))
    layer = layers.GroupNorm(8, dtype="mixed_bfloat16")
    y = numpy_of(layer(ops.cast(x, "bfloat16")))
    expected = group_norm(x, 8, 1.0, 0.0, layers.EPSILON)
    assert np.abs(y - expected).max() < 0.02  # half a unit in bfloat16's last place at 4


def test_group_norm_of_a_constant_is_zero():
    y = numpy_of(layers.GroupNorm(2)(np.full((1, 4, 4, 4), 7.0, "float32")))
    assert np.abs(y).max() < 1e-2


def test_group_norm_refuses_groups_that_do_not_divide():
    with pytest.raises(ValueError, match=r"groups must divide.*Received: groups=3"):
        layers.GroupNorm(3).build((None, 4, 4, 8))


@pytest.mark.parametrize("activate", [False, True])
def test_hand_written_gradients_agree_with_differences(activate):
    """The derivative of <w, layer(x + h d)> at h = 0, against a central difference in float64."""
    x, d, w, bias = normal(4, 2, 3, 4, 6)  # (2, 3, 4, 6) each
    bias = bias[:, 0, 0]
    gamma, beta = 1 + 0.3 * normal(6, seed=1), normal(6, seed=2)

    def exact(h):
        moved = x.astype("float64") + h * d + bias[:, None, None]
        y = group_norm(moved, 2, gamma, beta, layers.EPSILON)
        return np.sum(w * (swish(y) if activate else y))

    layer = layers.GroupNorm(2, swish=activate)
    layer.build(x.shape)
    layer.set_weights([gamma, beta])
    gradient = gradient_of(lambda v: ops.sum(w * layer(v, bias=bias)), x)
    expected = (exact(1e-5) - exact(-1e-5)) / 2e-5
    assert abs(np.sum(gradient * d) - expected) < 1e-4 * np.abs(gradient * d).sum()


def gradient_of(f, x):
    """The gradient of a scalar function at x, by the backend's own machinery."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(f)(x))
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    return tape.gradient(y, x).numpy()


def test_attention_is_a_plain_softmax():
    q, k, v = normal(3, 2, 3, 5, 4)  # (B, heads, N, d) each
    scores = np.einsum("bhnd,bhmd->bhnm", q, k).astype("float64") / 2
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    expected = np.einsum("bhnm,bhmd->bhnd", weights, v)
    got = numpy_of(layers.attend(*map(ops.convert_to_tensor, (q, k, v))))
    assert np.abs(got - expected).max() < 1e-5


def test_attention_carries_pixels_with_their_positions():
    """Permuting the pixels permutes the result: nothing is mixed up by reshapes of heads."""
    layer = layers.SelfAttention(head_width=4, groups=2)
    x = normal(2, 3, 4, 8)
    layer.build(x.shape)
    randomise(layer)
    order = np.random.default_rng(3).permutation(12)
    shuffled = x.reshape(2, 12, 8)[:, order].reshape(x.shape)
    y = numpy_of(layer(x)).reshape(2, 12, 8)
    assert np.abs(numpy_of(layer(shuffled)).reshape(2, 12, 8) - y[:, order]).max() < 1e-5
    assert np.abs(y - y[:, order]).max() > 0.1


def test_attention_refuses_heads_that_do_not_divide():
    with pytest.raises(ValueError, match="share its channels"):
        layers.SelfAttention(head_width=4, groups=2).build((None, 4, 4, 14))


def test_blocks_begin_as_the_identity():
    x, time = normal(2, 4, 6, 8), normal(2, 12)
    for layer, inputs in [
        (layers.ResidualBlock(8, groups=2), (x, time)),
        (layers.SelfAttention(groups=2), (x,)),
    ]:
        np.testing.assert_array_equal(numpy_of(layer(*inputs)), x)


def test_dropout_is_at_work_only_in_training():
    layer = layers.ResidualBlock(8, groups=2, dropout=0.5)
    x, time = normal(2, 4, 6, 8), normal(2, 12)
    layer(x, time)
    randomise(layer)
    quiet = numpy_of(layer(x, time))
    np.testing.assert_array_equal(numpy_of(layer(x, time)), quiet)
    assert np.abs(numpy_of(layer(x, time, training=True)) - quiet).max() > 1e-3


def test_space_to_depth_and_back():
    x = normal(2, 6, 9, 2)
    folded = layers.space_to_depth(x, 3)
    assert tuple(folded.shape) == (2, 2, 3, 18)
    np.testing.assert_array_equal(numpy_of(folded)[1, 1, 2], x[1, 3:6, 6:9].ravel())
    np.testing.assert_array_equal(numpy_of(layers.depth_to_space(folded, 3)), x)


def test_upsample_is_nearest_neighbour_then_convolution():
    layer = layers.Upsample()
    x = normal(1, 2, 3, 4)
    layer(x)
    randomise(layer)
    doubled = x.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(
        numpy_of(layer(x)), numpy_of(layer.conv(doubled)), rtol=1e-5, atol=1e-5
    )
