"""The restorer: degradation, network, tiles, training, the command."""

import cv2
import keras
import numpy as np
import pytest

from common.images import read_image, write_image
from facekit.degrade import SCALES, Degradation, reduced, reduced_size
from facekit.restore import MARGIN, TILE, Restorer, bicubic
from facekit.restorer import (
    RestorerSettings,
    load_restorer,
    make_restorer,
    network_for,
    save_restorer,
)
from facekit.train_restorer import FIELDS, SIDE, Pictures, Training, batch_of, load_pictures

TINY = RestorerSettings(width=8, blocks=1)


def picture(height, width, seed=0):
    """Soft shapes: what has detail at several scales."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    layers = [cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1, 3, 9)]
    return np.clip(128 + 60 * sum(layers), 0, 255).astype(np.uint8)


@pytest.fixture
def weights(tmp_path):
    """A file of random weights whose last layer is not zero."""
    network = make_restorer(TINY)
    rng = np.random.default_rng(1)
    values = [rng.normal(0, 0.1, w.shape).astype(np.float32) for w in network.weights]
    save_restorer(values, TINY, tmp_path / "restorer.weights.h5")
    return tmp_path / "restorer.weights.h5"


# --- degradation


@pytest.mark.parametrize("scale", SCALES)
def test_a_degraded_picture_is_so_many_times_smaller_and_the_same_for_a_seed(scale):
    image = picture(64, 96)
    first, again = (Degradation()(image, scale, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (64 // scale, 96 // scale, 3) and first.dtype == np.uint8
    assert (first == again).all()


def test_a_clean_one_is_the_mean_of_the_squares():
    image = picture(32, 32)
    found = Degradation(clean=1.0)(image, 4, np.random.default_rng(0))
    means = image.reshape(8, 4, 8, 4, 3).mean((1, 3))
    assert np.abs(found - means).max() <= 0.51


def test_reduction_by_any_filter_keeps_the_mean_and_no_stripes_of_two_pixels():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None].repeat(3, 2)
    for by in (cv2.INTER_LINEAR, cv2.INTER_CUBIC):
        small = reduced(stripes, (16, 16), by)[2:-2, 2:-2]
        assert abs(float(small.mean()) - 127.5) < 4 and small.std() < 8


def test_sides_that_the_scale_does_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiples of 4"):
        reduced_size(picture(30, 32), 4)


# --- the network


def test_the_network_begins_with_bicubic_and_has_few_parameters():
    network = make_restorer()
    assert 300_000 < network.count_params() < 1_500_000
    given = network.predict_on_batch([np.full((1, 8, 8, 3), 9), np.full((1, 16, 16, 3), 200)])
    assert all(one.shape == (1, 32, 32, 3) and not one.any() for one in given)


def test_the_scales_share_all_layers_but_the_first(weights):
    network, _ = load_restorer(weights)
    sizes = [network_for(network, scale).count_params() for scale in SCALES]
    stems = [9 * c * TINY.width + TINY.width for c in (3, 12)]
    assert network.count_params() == sizes[0] + stems[1] == sizes[1] + stems[0]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="train_restorer"):
        Restorer(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(ValueError, match="does not hold a restorer"):
        Restorer(tmp_path / "text.h5")


# --- any size


@pytest.mark.parametrize("scale", SCALES)
def test_tiles_give_what_the_whole_picture_would(weights, scale):
    restorer, image = Restorer(weights), picture(TILE * 4 // scale + 36, TILE * 8 // scale + 28)
    found = restorer(image, scale)
    assert found.shape == (scale * image.shape[0], scale * image.shape[1], 3)
    margin = MARGIN * 4 // scale
    border = cv2.copyMakeBorder(image, *4 * [margin], cv2.BORDER_REFLECT_101)
    lacks = restorer.networks[scale].predict_on_batch(border[None])[0]
    inner = scale * margin
    whole = bicubic(image, scale) + lacks[inner:-inner, inner:-inner]
    apart = np.abs(np.clip(whole, 0, 255) - found)[inner:-inner, inner:-inner]
    assert apart.mean() < 0.6 and np.percentile(apart, 99.9) < 3  # bfloat16 and rounding


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (17, 33)])
def test_small_and_odd_pictures_are_enlarged(weights, shape):
    restorer = Restorer(weights)
    for scale in SCALES:
        assert restorer(picture(*shape), scale).shape == (scale * shape[0], scale * shape[1], 3)
    with pytest.raises(ValueError, match="2 or 4"):
        restorer(picture(8, 8), 3)


# --- training


def write_sets(folder, n=40):
    (folder / "faces").mkdir()
    (folder / "others").mkdir()
    np.save(folder / "faces" / "images.npy", np.stack([picture(160, 160, i) for i in range(n)]))
    for i in range(3):
        write_image(picture(SIDE, 2 * SIDE, 99 + i), folder / "others" / f"{i}.png")
    return folder / "faces", folder / "others"


def test_a_batch_holds_what_bicubic_lacks():
    pictures = Pictures([picture(160, 160, i) for i in range(4)], [])
    rows = [np.arange(4), np.arange(0)]
    inputs, targets = batch_of(pictures, rows, Degradation(clean=1.0), 3, 0, 5)
    for scale, poor, lack in zip(SCALES, inputs, targets, strict=True):
        assert poor.shape == (3, SIDE // scale, SIDE // scale, 3)
        whole = lack[0] + bicubic(poor[0], scale)
        means = whole.reshape(SIDE // scale, scale, SIDE // scale, scale, 3).mean((1, 3))
        assert np.abs(means - poor[0]).max() <= 0.51
    again, _ = batch_of(pictures, rows, Degradation(clean=1.0), 3, 0, 5)
    assert all((a == b).all() for a, b in zip(inputs, again, strict=True))


def test_training_gains_on_bicubic():
    keras.utils.set_random_seed(0)  # gains of eight seeds at 80 steps: 2.7 to 11.3 dB
    training = Training(TINY)
    edges = np.uint8(255 * (np.indices((SIDE, SIDE)).sum(0) // 24 % 2))
    pictures = Pictures([edges[..., None].repeat(3, 2)] * 2, [])
    batch = batch_of(pictures, [np.arange(2), np.arange(0)], Degradation(clean=1.0), 2, 0, 0)
    held = [([one[:1] for one in batch[0]], [one[:1] for one in batch[1]])]
    assert training.gains(held) == pytest.approx([0, 0], abs=1e-3)
    losses = [training.step(*batch, 3e-3, i) for i in range(80)]
    assert losses[-1] < 0.5 * losses[0] and min(training.gains(held)) > 1


def test_the_commands_train_resume_and_restore(tmp_path, monkeypatch, call):
    from facekit import restore as module
    from facekit import restorer
    from facekit.__main__ import main

    monkeypatch.setattr(restorer, "RestorerSettings", lambda **_: TINY)
    faces, others = write_sets(tmp_path)
    words = ["train_restorer", "--data", faces, "--others", others, "--out", tmp_path / "run"]
    call(main, *words, "--steps", 3, "--batch-size", 1)
    call(main, *words, "--steps", 5, "--batch-size", 1, "--resume")
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert log[0].split(",") == list(FIELDS) and [r.split(",")[0] for r in log[1:]] == ["3", "5"]
    module.default_restorer.cache_clear()
    trained = Restorer(tmp_path / "run" / "restorer.weights.h5")
    monkeypatch.setattr(module, "default_restorer", lambda: trained)
    write_image(picture(20, 30), tmp_path / "small.png")
    call(main, "restore", tmp_path / "small.png", "--out", tmp_path / "out", "--scale", 2)
    assert read_image(tmp_path / "out" / "small.png").shape == (40, 60, 3)


def test_folders_without_pictures_get_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="no pictures .* Make some with"):
        load_pictures(tmp_path, None)
    np.save(tmp_path / "images.npy", np.zeros((2, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match=f"at least {SIDE} pixels"):
        load_pictures(tmp_path, None)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="for KERAS_BACKEND=jax")
def test_the_restorer_runs_on_jax_too():
    test_training_gains_on_bicubic()
