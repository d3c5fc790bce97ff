"""The autoencoder: its network, its objective, its file, and a run of it."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from keras import ops
from micro import VAES

from benchmarks.latent import frame_agreement
from ddpm.bundle import load_model, load_vae, save_model, save_vae
from ddpm.codec import latent_codec, to_float
from ddpm.presets import PRESETS, AutoencodingConfig, Preset
from ddpm.training.autoencoding import AutoencodingObjective, reconstruction_error
from ddpm.training.crops import CropBuilder, random_crop
from ddpm.training.reconstruction import reconstructions, statistics
from ddpm.training.trainer import Trainer

PRESET = VAES["micro_vae"]
PLAIN = AutoencodingConfig(gradients=0.0, coarse=0.0, equivariance=0.0, magnitude=0.0)


@pytest.fixture(scope="module")
def network():
    return PRESET.make_network("float32")


def pictures(rng, n=12, size=64):
    """Noise that is smooth enough to have something coarse in it."""
    coarse = rng.integers(0, 256, (n, size // 8, size // 8, 3))
    fine = rng.integers(-20, 21, (n, size, size, 3))
    return np.uint8(np.clip(coarse.repeat(8, 1).repeat(8, 2) + fine, 0, 255))


@pytest.mark.parametrize(("height", "width"), ((8, 8), (40, 24), (24, 104)))
def test_a_cell_is_eight_pixels_a_side_whatever_the_shape(network, height, width):
    z = network.encode(np.zeros((2, height, width, 3), np.float32))
    assert z.shape == (2, height // 8, width // 8, 4) and z.dtype == "float32"
    assert network.decode(z).shape == (2, height, width, 3)


def test_other_sides_are_refused_with_what_they_must_be(network):
    with pytest.raises(ValueError, match="multiples of 8"):
        network.encode(np.zeros((1, 20, 16, 3), np.float32))


def test_what_one_corner_shows_changes_nothing_in_another(network, rng):
    x = rng.normal(size=(1, 128, 256, 3)).astype(np.float32)
    other = x.copy()
    other[:, :, :8] = 0
    one, two = np.array(network.encode(x)), np.array(network.encode(other))
    assert np.abs(one - two)[:, :, 0].min() > 0
    np.testing.assert_allclose(one[:, :, 16:], two[:, :, 16:], atol=1e-5)


def test_latents_begin_at_about_unit_variance_without_normalisation(network, rng):
    z = np.array(network.encode(rng.normal(size=(4, 64, 64, 3)).astype(np.float32)))
    assert 0.5 < z.std() < 2


# --- the objective


def test_a_constant_error_costs_itself_at_every_scale_and_has_no_gradients():
    weights = AutoencodingConfig(gradients=7.0, coarse=0.25)
    x = np.zeros((2, 16, 16, 3), np.float32)
    y = x + np.array([0.5, -0.2], np.float32).reshape(2, 1, 1, 1)
    expected = np.array([0.5, 0.2]) * (1 + 2 * 0.25)
    np.testing.assert_allclose(reconstruction_error(x, y, weights), expected, rtol=1e-5)


def test_stripes_of_one_pixel_cost_their_differences_and_nothing_on_coarser_scales():
    x = np.zeros((1, 16, 16, 3), np.float32)
    y = x + np.resize([0.1, -0.1], 16).astype(np.float32)[None, None, :, None]
    found = reconstruction_error(x, y, AutoencodingConfig(gradients=3.0, coarse=9.0))
    np.testing.assert_allclose(found, 0.1 + 3.0 * 0.2, rtol=1e-5)


class Squares:
    """An autoencoder without weights: means of 8 x 8 pixels, and 0.1 too bright where it decodes
    pictures of another side than `side`."""

    def __init__(self, side, noise=0.0):
        self.side, self.config = side, PRESET.with_(network={"noise": noise}).network

    def encode(self, x):
        return ops.average_pool(x, 8, strides=8, padding="valid")

    def decode(self, z):
        x = ops.repeat(ops.repeat(z, 8, axis=1), 8, axis=2)
        return x if x.shape[1] == self.side else x + 0.1


def loss(network, x, **weights):
    objective = AutoencodingObjective(network, replace(PLAIN, **weights))
    return np.array(objective(x, training=True))


def test_halved_latents_are_held_against_the_halved_picture(rng):
    x = np.full((8, 32, 32, 3), 0.4, np.float32)
    np.testing.assert_allclose(loss(Squares(32), x), 0, atol=1e-6)
    # Two of the eight pictures are halved, and are 0.1 off; their term is spread over all.
    found = loss(Squares(32), x, equivariance=0.6)
    np.testing.assert_allclose(found.mean(), 0.6 * 0.1 / 4, rtol=1e-4)


def test_the_magnitude_of_latents_costs_their_mean_square():
    x = np.full((4, 16, 16, 3), 0.4, np.float32)
    np.testing.assert_allclose(loss(Squares(16), x, magnitude=2.0), 2 * 0.16, rtol=1e-5)


def test_the_noise_on_latents_has_the_deviation_that_is_set():
    x = np.zeros((16, 128, 128, 3), np.float32)
    mean_absolute = 0.3 * np.sqrt(2 / np.pi)
    assert loss(Squares(128, noise=0.3), x).mean() == pytest.approx(mean_absolute, rel=0.03)


# --- its data


def test_crops_come_from_faces_and_others_in_the_shares_asked_for(rng):
    faces, others = (np.full((4, 48, 40, 3), v, np.uint8) for v in (255, 0))
    build = CropBuilder(faces, list(others), 16, share=0.25)
    batch = build(np.zeros(2000, int), np.zeros(2000, bool), rng)["x0"]
    assert batch.shape == (2000, 16, 16, 3) and np.abs(batch).max() <= 1
    assert (batch.mean((1, 2, 3)) < 0).mean() == pytest.approx(0.25, abs=0.05)


def test_a_crop_of_a_picture_that_is_smaller_is_enlarged(rng):
    image = np.full((20, 12, 3), 9, np.uint8)
    assert all(np.array_equal(random_crop(image, 32, rng), np.full((32, 32, 3), 9)) for _ in "1234")


# --- latents of mean 0 and deviation 1, its file


def test_the_codec_brings_the_training_set_to_mean_0_and_deviation_1(network, tmp_path, rng):
    images = pictures(rng)
    path = tmp_path / "vae.weights.h5"
    save_vae(network, PRESET, path, *statistics(network, images))
    vae = load_vae(path, "float32")
    codec = latent_codec(vae, batch_size=5)
    z = codec.encode(images)
    assert z.shape == (12, 8, 8, 4) and codec.stride == 8 and codec.bounds is None
    np.testing.assert_allclose(z.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(z.std((0, 1, 2)), 1, atol=1e-4)
    back = codec.decode(z)
    assert back.dtype == np.uint8 and back.shape == images.shape
    direct = np.array(network(to_float(images[:3])))
    expected = np.clip((direct + 1) * 127.5, 0, 255)
    assert np.abs(back[:3] - expected).max() <= 1


def test_its_file_gives_it_back_to_the_last_bit(network, tmp_path, rng):
    mean, deviation = rng.normal(size=4), rng.uniform(1, 2, 4)
    save_vae(network, PRESET, tmp_path / "vae.weights.h5", mean, deviation)
    vae = load_vae(tmp_path, "float32")
    for ours, theirs in zip(vae.network.weights, network.weights, strict=True):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(vae.mean, np.float32(mean))
    assert np.array_equal(vae.deviation, np.float32(deviation))
    assert vae.preset == PRESET == Preset.from_dict(PRESET.to_dict()) and len(vae.latents) == 12


def test_a_model_is_no_autoencoder_nor_the_other_way_round(network, tmp_path):
    save_vae(network, PRESET, tmp_path / "v.weights.h5", np.zeros(4), np.ones(4))
    with pytest.raises(ValueError, match="cannot draw by itself"):
        load_model(tmp_path / "v.weights.h5")
    micro = PRESETS["micro"]
    save_model(micro.make_network("float32"), micro, tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="not an autoencoder"):
        load_vae(tmp_path / "m.weights.h5")


def test_the_sheet_shows_pictures_over_what_comes_back(network, rng):
    images = pictures(rng, 3)
    sheet = reconstructions(network, list(images))
    inner = [sheet[y : y + 64, x : x + 64] for y in range(0, 9) for x in range(0, 9)]
    assert any(np.array_equal(part, images[0]) for part in inner)


# --- a run


def run(folder, images, epochs, resume=False):
    preset = PRESET.with_(run={"batch_size": 4, "sample_epochs": 0, "learning_rate": 0.05})
    few = list(images[:4])

    def write(network):
        save_vae(network, preset, folder / "vae.weights.h5", *statistics(network, few))

    trainer = Trainer(
        lambda: preset.make_network("float32"),
        preset,
        folder,
        write,
        preview=lambda network: reconstructions(network, few),
    )
    if resume:
        trainer.restore()
    build = CropBuilder(images, None, preset.network.image_size)
    trainer.fit(images, epochs, quiet=True, build=build)
    return trainer


def test_a_run_that_goes_on_ends_as_one_that_never_stopped_and_has_learned(tmp_path, rng):
    images = np.zeros((16, 64, 64, 3), np.uint8) + rng.integers(0, 256, (16, 1, 1, 3), np.uint8)
    whole = run(tmp_path / "whole", images, 8)
    run(tmp_path / "parts", images, 5)
    parts = run(tmp_path / "parts", images, 8, resume=True)
    assert whole.step == parts.step == 32
    for one, other in zip(whole.model.variables, parts.model.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=one.path)
    with (tmp_path / "whole" / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.8 * losses[0], losses


def test_frames_agree_where_their_edges_are():
    there = np.zeros((64, 64), bool)
    there[20:44, 8:56] = True
    image = np.full((64, 64, 3), 200, np.uint8)
    image[30:33, 12:52] = 20
    assert frame_agreement(image, image, there) == 1
    assert frame_agreement(image, np.roll(image, 1, 0), there) == 1  # a pixel lower
    assert frame_agreement(image, np.roll(image, 6, 0), there) == 0
    assert frame_agreement(image, np.full_like(image, 200), there) == 0
    assert np.isnan(frame_agreement(image, image, ~there & False))
