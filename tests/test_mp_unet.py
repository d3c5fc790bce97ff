"""The magnitude-preserving layers and U-Net: magnitudes in closed form, gradients, training."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from ddpm.conditions import NoSettings
from ddpm.core.wrappers import autoguided
from ddpm.nets.config import MPUNetConfig
from ddpm.nets.control import Controlled
from ddpm.nets.mp_layers import MPConv, UnitKernels, mp_concatenate, mp_silu, mp_sum, unit_channels
from ddpm.nets.mp_unet import MPUNet

CONFIG = MPUNetConfig(
    image_size=8, channels=4, widths=(32, 48), blocks=(1, 1), attention=(4,), head_width=16
)
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def rms(x):
    return float(np.sqrt(np.mean(np.square(ops.convert_to_numpy(x)))))


@pytest.mark.parametrize(
    "layer",
    [
        lambda a, b: mp_sum(a, b, 0.3),
        lambda a, b: mp_concatenate(a, b[..., :16], 0.5),
        lambda a, b: mp_silu(a),
        lambda a, b: unit_channels(3.0 * a),
        lambda a, b: MPConv(64, size=0)(a),
    ],
    ids=["sum", "concatenation", "silu", "pixel norm", "dense"],
)
def test_unit_magnitude_comes_out_for_unit_magnitude(layer):
    a, b = ops.convert_to_tensor(normal(512, 64)), ops.convert_to_tensor(normal(512, 64))
    assert rms(layer(a, b)) == pytest.approx(1, abs=0.02)


def test_kernels_are_put_back_to_unit_length_for_each_channel():
    w = ops.convert_to_numpy(UnitKernels()(ops.convert_to_tensor(7 * normal(3, 3, 8, 5) + 1)))
    np.testing.assert_allclose(np.sqrt(np.mean(w**2, axis=(0, 1, 2))), 1, atol=1e-4)


def test_the_tangent_of_a_gradient_is_the_gradient_through_the_normalisation():
    """Of f(w / rms(w)) for f(w) = sum(c w), by finite differences in float64."""
    c = RNG.normal(size=(3, 3, 4, 2))
    w = RNG.normal(size=c.shape)
    w /= np.sqrt(np.mean(w**2, axis=(0, 1, 2)))
    found = UnitKernels().tangent(ops.convert_to_tensor(c), ops.convert_to_tensor(w))

    def f(v):
        return float(np.sum(c * v / np.sqrt(np.mean(v**2, axis=(0, 1, 2)))))

    for at in ((0, 0, 0, 0), (1, 2, 3, 1), (2, 1, 0, 1)):
        step = np.zeros(c.shape)
        step[at] = 1e-5
        assert float(found[at]) == pytest.approx((f(w + step) - f(w - step)) / 2e-5, abs=1e-4)


def test_a_concatenation_counts_both_sides_alike_whatever_their_widths():
    joined = mp_concatenate(ops.ones((1, 48)), ops.ones((1, 16)), 0.5)
    energy = ops.convert_to_numpy(ops.square(joined))
    np.testing.assert_allclose([energy[:, :48].sum(), energy[:, 48:].sum()], [32, 32], rtol=1e-5)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return MPUNet(CONFIG, dtype="float32")


def test_an_untrained_network_predicts_zero_and_with_its_gain_at_one_unit_magnitude(network):
    x_t, t = normal(16, 8, 8, 4), np.arange(16, dtype="int32") * 60
    assert not np.any(ops.convert_to_numpy(network(x_t, t)))
    network.head.gain.assign(1.0)
    try:
        assert rms(network(x_t, t)) == pytest.approx(1, abs=0.25)
    finally:
        network.head.gain.assign(0.0)


def test_training_lowers_the_loss_and_keeps_kernels_at_unit_length():
    keras.utils.set_random_seed(0)
    config = MPUNetConfig(image_size=8, channels=4, widths=(32,), blocks=(1,), attention=())
    fresh = MPUNet(config, dtype="float32")

    class Probe(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = fresh

        def call(self, inputs):
            return self.network(*inputs)

    x_t, t = normal(4, 8, 8, 4), np.array([0, 300, 600, 900], "int32")
    probe = Probe()
    probe.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    losses = []
    for _ in range(16):
        probe.reset_metrics()  # or the loss would be the mean of all steps
        losses.append(float(probe.train_on_batch((x_t, t), 0.7 * x_t)))
    assert losses[-1] < 0.7 * losses[0]
    kernel = ops.convert_to_numpy(fresh.in0.blocks[0].conv1.kernel)
    np.testing.assert_allclose(np.sqrt(np.mean(kernel**2, axis=(0, 1, 2))), 1, atol=1e-3)


def test_the_time_modulates_once_the_gains_are_there(network):
    x_t = normal(1, 8, 8, 4)
    network.head.gain.assign(1.0)
    gains = [network.in0.blocks[0].time.gain, network.head.gain]
    try:
        early, late = (network(x_t, np.array([t], "int32")) for t in (10, 900))
        np.testing.assert_array_equal(ops.convert_to_numpy(early), ops.convert_to_numpy(late))
        gains[0].assign(1.0)
        early, late = (network(x_t, np.array([t], "int32")) for t in (10, 900))
        assert rms(early - late) > 0.02
    finally:
        for gain in gains:
            gain.assign(0.0)


def test_config_and_sentences(network):
    assert MPUNetConfig.from_dict(CONFIG.to_dict()) == CONFIG
    with pytest.raises(ValueError, match="multiples of 2"):
        network(normal(1, 7, 8, 4), np.array([0]))
    with pytest.raises(ValueError, match="attention must name"):
        MPUNetConfig(attention=(7,))


def test_autoguidance_extrapolates_from_the_weak_model_within_its_interval():
    def strong(x_t, t, condition):
        return x_t + condition["c"]

    def weak(x_t, t, condition):
        return 0.5 * x_t

    x_t, condition = normal(2, 1), {"c": np.float32(3)}
    denoise = autoguided(strong, weak, 1.5, interval=(0.0, 0.5), T=101)
    # D_weak + 1.5 (D - D_weak) = 1.5 (x + 3) - 0.25 x
    np.testing.assert_allclose(denoise(x_t, [80, 80], condition), 1.25 * x_t + 4.5, rtol=1e-5)
    np.testing.assert_allclose(denoise(x_t, [10, 10], condition), x_t + 3, rtol=1e-6)


def test_heads_that_do_not_share_the_channels_evenly_are_refused():
    with pytest.raises(ValueError, match="share its channels evenly"):
        MPUNet(MPUNetConfig(image_size=8, widths=(28,), blocks=1, attention=(8,), head_width=8))


@pytest.mark.parametrize("images", [False, True])
def test_a_new_branch_changes_nothing_and_a_trained_one_does(images):
    conditions = {"inpaint": NoSettings()} if images else {}
    base = MPUNet(replace(CONFIG, conditions=conditions), dtype="float32")
    base.head.gain.assign(1.0)
    controlled = Controlled(base, ("canny",), stride=2)
    x_t, t = normal(2, 8, 8, 4), np.array([3, 500], "int32")
    given = {"hints": normal(2, 16, 16, 3), "strengths": np.array([[1.0], [0.0]], "float32")}
    plain = ops.convert_to_numpy(base(x_t, t))
    np.testing.assert_array_equal(ops.convert_to_numpy(controlled(x_t, t, given)), plain)
    for zero in controlled.branch.zero_convs:
        zero.kernel.assign(0.1 * normal(*zero.kernel.shape))
    seen = ops.convert_to_numpy(controlled(x_t, t, given))
    assert np.abs(seen[0] - plain[0]).max() > 1e-2
    np.testing.assert_array_equal(seen[1], plain[1])
