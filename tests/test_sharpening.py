"""The decoder that goes on alone: what learns, what stays, and what its file says."""

import keras
import numpy as np
import pytest
from conftest import eager_training
from keras import ops
from micro import VAES

import train
from common.files import sha256
from ddpm.bundle import find_vae, latents_of, load_vae, save_vae
from ddpm.training import sharpening
from ddpm.training.sharpening import LIMIT, PatchCritic, SharpeningObjective

PRESET = VAES["micro_vae"].with_(objective={"sharpen": True})


@pytest.fixture
def objective(monkeypatch):
    monkeypatch.setattr(sharpening, "LATE", 2)
    keras.utils.set_random_seed(0)
    return PRESET.objective.make(PRESET.make_network("float32"))


def pictures(n=4, side=16):
    return np.random.default_rng(0).uniform(-1, 1, (n, side, side, 3)).astype(np.float32)


def values(variables):
    return [ops.convert_to_numpy(v).copy() for v in variables]


def test_decoder_and_critic_learn_and_the_encoder_stays(objective):
    network = objective.network
    encoder = [v for layer in network.encoder_layers() for v in layer.variables]
    before, learning = values(encoder), objective.trainable_variables
    assert isinstance(objective, SharpeningObjective)
    assert not {id(v) for v in encoder} & {id(v) for v in learning}
    own = len(network.trainable_variables)
    assert len(learning) == own + len(objective.critic.trainable_variables) > own > 0
    # The averaged copy is taken from the first of them.
    assert all(a is b for a, b in zip(learning, network.trainable_variables, strict=False))
    old = values(learning)
    objective.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    for _ in range(3):
        objective.train_on_batch({"x0": pictures()})
    for v, was in zip(encoder, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(v), was)
    assert all(
        np.abs(ops.convert_to_numpy(v) - was).max() > 0
        for v, was in zip(learning, old, strict=True)
    )


def test_the_decoder_hears_the_critic_only_later_and_only_up_to_a_bound(objective):
    """The loss with and without: the difference is the critic's mean number, cut at LIMIT."""
    x = pictures()

    def loss():
        objective.seed_generator.state.assign([7, 7])
        return ops.convert_to_numpy(objective(x))

    early = loss()
    objective.steps.assign(2.0)
    objective.seed_generator.state.assign([7, 7])
    z = objective.network.encode(x)
    noise = keras.random.normal(ops.shape(z), seed=objective.seed_generator)
    y = objective.network.decode(z + PRESET.network.noise * noise)
    number = ops.convert_to_numpy(objective.critic(y))
    expected = sharpening.WEIGHT * np.minimum(number, LIMIT).mean((1, 2, 3))
    np.testing.assert_allclose(early - loss(), expected, atol=1e-5)
    assert np.abs(expected).min() > 0


def test_the_critic_sees_patches():
    critic = PatchCritic(dtype="float32")
    x = pictures(1, 64)
    changed = x.copy()
    changed[:, :8, :8] *= -1
    apart = np.abs(ops.convert_to_numpy(critic(x) - critic(changed)))[0, ..., 0] > 1e-6
    assert apart[0, 0] and not apart[4:].any() and not apart[:, 4:].any()


def test_its_file_names_the_latents_that_it_shares(tmp_path):
    network, other = PRESET.make_network("float32"), tmp_path / "other.weights.h5"
    first = tmp_path / "first.weights.h5"
    save_vae(network, PRESET, first, np.zeros(4), np.ones(4))
    save_vae(network, PRESET, other, np.zeros(4), np.ones(4), latents=sha256(first))
    assert latents_of(first) == sha256(first) == latents_of(other) == load_vae(other).latents
    digest = sha256(first)
    first.unlink()
    assert find_vae(digest, tmp_path, shipped=tmp_path, runs=tmp_path) == other


def test_the_command(tmp_path, captioned, call):
    vae = tmp_path / "vae" / "vae.weights.h5"
    vae.parent.mkdir()
    plain = VAES["micro_vae"]
    save_vae(plain.make_network("float32"), plain, vae, np.zeros(4), np.ones(4))
    out = tmp_path / "run"
    words = ("--data", captioned, "--vae", vae, "--out", out, "--precision", "float32")
    words += ("--epochs", 1, "--sample-epochs", 1, "--batch-size", 8)
    with eager_training():
        told, _ = call(train.main, "sharpen", *words)
    assert "of the same latents" in told
    assert latents_of(out) == sha256(vae) != sha256(out / "vae.weights.h5")
    old, new = (load_vae(path, "float32") for path in (vae, out))
    x = pictures(1, 32)
    same = [ops.convert_to_numpy(v.network.encode(x)) for v in (old, new)]
    np.testing.assert_array_equal(*same)
    apart = ops.convert_to_numpy(old.network(x)) - ops.convert_to_numpy(new.network(x))
    assert np.abs(apart).max() > 0
