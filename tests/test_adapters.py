"""Adapters: what is added, where, what is trained, and how several become one."""

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import randomise

from ddpm.conditions.text import TextSettings
from ddpm.nets.adapters import Adapted, Adapter, merged, ranks_of
from ddpm.nets.config import MPUNetConfig, UNetConfig
from ddpm.nets.control import Controlled
from ddpm.nets.layers import named_weights
from ddpm.nets.mp_unet import MPUNet
from ddpm.nets.ranks import block_of, parse_ranks
from ddpm.nets.unet import UNet

TEXT = TextSettings(("a", "red", "disc"), length=5, width=16, layers=1, head_width=8)
SMALL = {
    "image_size": 8,
    "channels": 3,
    "widths": (8, 16),
    "blocks": (1, 1),
    "attention": (4,),
    "cross_attention_layers": (0, 1),
    "head_width": 8,
    "conditions": {"text": TEXT},
}
RNG = np.random.default_rng(0)
X_T = RNG.normal(size=(2, 8, 8, 3)).astype(np.float32)
T = np.array([5, 400], np.int32)
CONDITION = {"tokens": np.array([[1, 2, 4, 0, 0], [1, 3, 4, 0, 0]], np.int32)}


def make(kind, policy="float32"):
    keras.utils.set_random_seed(0)
    if kind == "unet":
        network = UNet(UNetConfig(**SMALL, groups=4), dtype=policy)
        randomise(network, 0.2)
    else:
        network = MPUNet(MPUNetConfig(**SMALL), dtype=policy)
        for name, weight in named_weights(network).items():
            if name.endswith("gain"):
                weight.assign(0.7)
    return network


def adapter_of(network, ranks="*=2", filled=True, seed=0, **options):
    found = ranks_of(network, parse_ranks(ranks), **options)
    weights = named_weights(network)
    adapter = Adapter({name: tuple(weights[name].shape) for name in found}, found)
    adapter.begin(network)
    if filled:
        rng = np.random.default_rng(seed)
        for up in adapter.up.values():
            up.assign(rng.normal(0, 0.3, up.shape))
    return adapter


def out(network, condition=CONDITION):
    return ops.convert_to_numpy(network(X_T, T, condition))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["unet", "mp_unet"])
def test_at_strength_0_it_is_the_network_bit_for_bit_and_else_as_if_kernels_were_changed(
    kind, policy
):
    network = make(kind, policy)
    plain, weights = out(network), named_weights(network)
    adapter, other = adapter_of(network), adapter_of(network, "in1=3", seed=1)
    adapted = Adapted(network, [adapter, other], (0.0, 0.0))
    np.testing.assert_array_equal(out(adapted), plain)
    adapted.strengths.assign((0.7, -1.2))
    found = out(adapted)
    assert np.abs(found - plain).max() > 1e-2
    np.testing.assert_array_equal(out(network), plain)  # the network itself is as it was
    for part, strength in ((adapter, 0.7), (other, -1.2)):
        for name, delta in part.deltas(strength).items():
            weights[name].assign(ops.convert_to_tensor(weights[name]) + delta)
    np.testing.assert_allclose(found, out(network), atol=1e-5 if policy == "float32" else 0.1)


def test_a_delta_is_the_product_that_the_papers_define():
    """Of a convolution: k x k down to rank r, then 1 x 1 up, as two convolutions in a row."""
    shape = (3, 3, 4, 6)
    adapter = Adapter({"conv/kernel": shape}, {"conv/kernel": 2}, alpha=1.0)
    down, up = RNG.normal(size=(3, 3, 4, 2)), RNG.normal(size=(2, 6))
    adapter.down["conv/kernel"].assign(down)
    adapter.up["conv/kernel"].assign(up)
    x = RNG.normal(size=(1, 5, 5, 4)).astype(np.float32)
    one = ops.conv(x, adapter.deltas(0.5)["conv/kernel"], padding="same")
    first = ops.conv(x, down.astype(np.float32), padding="same")
    two = ops.conv(first, up[None, None].astype(np.float32), padding="same")
    np.testing.assert_allclose(one, 0.5 * 0.5 * ops.convert_to_numpy(two), atol=1e-4)


def test_an_adapter_comes_back_from_its_config():
    adapter = adapter_of(make("unet"), "mid=2")
    back = Adapter.from_config(adapter.get_config())
    assert back.get_config() == adapter.get_config() and back.dtype == "float32"
    back.set_weights(adapter.get_weights())
    for name, delta in adapter.deltas().items():
        np.testing.assert_array_equal(back.deltas()[name], delta)


def test_ranks_by_block_name():
    network = make("unet")
    found = ranks_of(network, parse_ranks("in0=1, out*=3, text=4, *=0"))
    blocks = {block_of(name): set() for name in found}
    for name, rank in found.items():
        blocks[block_of(name)].add(rank)
    assert blocks == {"in0": {1}, "out0": {3}, "out1": {3}, "text": {4}}
    assert any("attention" in name for name in found) and any("conv" in name for name in found)
    dense = ranks_of(network, parse_ranks("*=2"), "dense")
    shapes = {name: named_weights(network)[name].shape for name in dense}
    assert dense and all(len(shape) == 2 for shape in shapes.values())
    for words in ("in0", "in0=x", "=3", "in0=-1", "in0=9999"):
        with pytest.raises(ValueError, match="BLOCK=RANK"):
            parse_ranks(words)
    with pytest.raises(ValueError, match="no block is called in7; there are"):
        ranks_of(network, parse_ranks("in7=2"))


@pytest.mark.parametrize("kind", ["unet", "mp_unet"])
def test_training_moves_the_adapter_alone_and_every_matrix_of_it(kind):
    network = make(kind)
    before = [ops.convert_to_numpy(v).copy() for v in network.variables]
    adapter = adapter_of(network, filled=False)
    adapted = Adapted(network, [adapter])
    np.testing.assert_array_equal(out(adapted), out(network))  # up begins at zero

    class Regression(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = adapted

        def call(self, x):
            return self.network(x["x_t"], x["t"], {"tokens": x["tokens"]})

    model = Regression()
    model.compile(keras.optimizers.Adam(0.02), "mse")
    inputs = {"x_t": X_T, "t": T, **CONDITION}
    losses = [float(model.train_on_batch(inputs, 0.5 * X_T)) for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]
    assert {id(v) for v in model.trainable_variables} == {id(v) for v in adapter.variables}
    for v, old in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(v), old)
    still = [n for n, up in adapter.up.items() if not np.abs(ops.convert_to_numpy(up)).max()]
    assert not still


def test_another_strength_compiles_nothing_anew():
    network, traces = make("mp_unet"), []

    class Traced(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = Adapted(network, [adapter_of(network)])

        def call(self, x):
            traces.append(1)
            return self.network(x["x_t"], x["t"], {"tokens": x["tokens"]})

    model = Traced()
    inputs = {"x_t": X_T, "t": T, **CONDITION}
    model.predict_on_batch(inputs)
    first, count = model.predict_on_batch(inputs), len(traces)
    model.network.strengths.assign([0.2])
    assert np.abs(model.predict_on_batch(inputs) - first).max() > 1e-3
    assert len(traces) == count


def test_adapters_go_with_a_control_branch():
    base = make("mp_unet")
    controlled = Controlled(base, ("canny",), stride=2)
    adapted = Adapted(controlled, [adapter_of(base)], inside=base)
    given = {"hints": RNG.normal(size=(2, 16, 16, 3)).astype(np.float32)}
    given |= {"strengths": np.ones((2, 1), np.float32), **CONDITION}
    free = Adapted(base, [adapter_of(base)])
    np.testing.assert_allclose(out(adapted, given), out(free), atol=1e-5)  # a new branch: nothing
    assert np.abs(out(adapted, given) - out(controlled, given)).max() > 1e-2


def test_merging_merges_products_and_says_what_is_lost():
    rng = np.random.default_rng(0)
    shares = (0.5, 0.3, 0.2)
    factors = [(share, rng.normal(size=(3, 3, 4, 2)), rng.normal(size=(2, 10))) for share in shares]
    whole = sum(share * np.tensordot(down, up, 1) for share, down, up in factors)
    down, up, error = merged(factors, 6)
    np.testing.assert_allclose(np.tensordot(down, up, 1), whole, atol=1e-5)
    assert error < 1e-12
    down, up, error = merged(factors, 2)
    assert down.shape == (3, 3, 4, 2) and up.shape == (2, 10)
    flat = whole.reshape(36, 10)
    u, s, v = np.linalg.svd(flat, full_matrices=False)
    np.testing.assert_allclose(np.tensordot(down, up, 1).reshape(36, 10), u[:, :2] * s[:2] @ v[:2],
                               atol=1e-4)  # fmt: skip
    assert error == pytest.approx((s[2:] ** 2).sum() / (s**2).sum(), rel=1e-4)
    averaged = np.tensordot(
        sum(share * down for share, down, _ in factors),
        sum(share * up for share, _, up in factors), 1)  # fmt: skip
    lost = np.sum((np.tensordot(down, up, 1) - whole) ** 2)
    assert np.sum((averaged - whole) ** 2) > 1.5 * lost  # averaged factors are another product
