"""Models of latents: latents computed once, batches of them, masks on their grid, and pictures."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops
from micro import PRESETS, VAES

from common.files import sha256
from ddpm.bundle import Model, default_vae, find_vae, load_model, save_model, save_vae
from ddpm.codec import PIXELS, Codec, to_float
from ddpm.conditions import NoSettings, Source
from ddpm.conditions.inpaint import blended, inpaint_condition, mask_of_cells
from ddpm.conditions.size_crop import size_crop
from ddpm.pipeline import Pipeline, Request
from ddpm.presets import LATENTS, CodecConfig, Preset
from ddpm.training import latents as module
from ddpm.training.batches import BatchBuilder
from ddpm.training.latents import LatentWindows, compute_latents, cut_cached

N = 11
PRESET = replace(
    PRESETS["micro_latent"].with_(network={"channels": 3, "conditions": {}}),
    codec=replace(LATENTS, digest="0123456789ab"),
).with_conditions(size_crop=NoSettings())
PLAIN = PRESET.with_(data={"p_crop": 0.0, "p_downscale": 0.0})


def means(images):
    """Latents that are easy to tell: means of 8 x 8 pixels."""
    b, height, width, c = images.shape
    return to_float(images).reshape(b, height // 8, 8, width // 8, 8, c).mean((2, 4))


class Counting:
    """A codec that counts, and that fails at a chosen call."""

    def __init__(self, fail_at=None):
        self.calls, self.fail_at = 0, fail_at
        self.codec = Codec(self.encode, None, stride=8)

    def encode(self, images):
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.calls += 1
        return means(images)


@pytest.fixture
def source(rng):
    return Source(rng.integers(0, 256, (N, 48, 56, 3), np.uint8))


def compute(folder, source, preset=PRESET, key="set", counting=None):
    counting = counting or Counting()
    source = replace(source, codec=counting.codec)
    return compute_latents(folder, source, preset, key, quiet=True), counting.calls


def test_every_window_is_kept_as_it_is_and_mirrored(tmp_path, source):
    latents, _ = compute(tmp_path, source)
    assert latents.x0.shape == (N, 3, 2, 4, 4, 3) and latents.x0.dtype == np.float16
    for at in np.ndindex(N, 3, 2):
        image, numbers, matrix = cut_cached(source, *at, PRESET)
        np.testing.assert_allclose(latents.x0[at], means(image[None])[0], atol=1e-3)
        np.testing.assert_array_equal(latents.numbers[at][:6], numbers)
        np.testing.assert_array_equal(latents.numbers[at][6:].reshape(2, 3), matrix)


def test_the_first_window_is_whole_and_the_others_are_cut_or_made_smaller(source):
    whole = size_crop(32, (48, 56), (0, 2), (32, 37))
    for i in range(N):
        np.testing.assert_array_equal(cut_cached(source, i, 0, False, PRESET)[1], whole)
        for k in (1, 2):
            assert not np.array_equal(cut_cached(source, i, k, False, PRESET)[1], whole)


def test_without_random_windows_or_mirroring_there_is_one_of_each_picture(tmp_path, source):
    latents, _ = compute(tmp_path, source, PLAIN.with_(data={"flip": False}))
    assert latents.x0.shape[:3] == (N, 1, 1)


def test_what_is_done_is_found_and_what_was_interrupted_goes_on(tmp_path, source, monkeypatch):
    monkeypatch.setattr(module, "SAVE_EVERY", 3)
    with pytest.raises(KeyboardInterrupt):
        compute(tmp_path / "parts", source, counting=Counting(fail_at=7))
    assert json.loads((tmp_path / "parts" / "latents.json").read_text())["done"] == 6
    parts, calls = compute(tmp_path / "parts", source)
    assert calls == N - 6
    whole, _ = compute(tmp_path / "whole", source)
    assert np.array_equal(parts.x0, whole.x0) and np.array_equal(parts.numbers, whole.numbers)
    assert compute(tmp_path / "parts", source)[1] == 0


@pytest.mark.parametrize(
    ("preset", "key"),
    (
        (PRESET, "other pictures"),
        (PRESET.with_(data={"p_crop": 0.9}), "set"),
        (replace(PRESET, codec=replace(LATENTS, digest="another")), "set"),
    ),
)
def test_latents_of_something_else_are_told_and_made_anew(tmp_path, source, capsys, preset, key):
    compute(tmp_path, source)
    assert capsys.readouterr().out == ""
    assert compute(tmp_path, source, preset, key)[1] == N
    assert "computing them anew" in capsys.readouterr().out


@pytest.mark.parametrize("name", ("latents.npy", "windows.npy", "latents.json"))
def test_damaged_files_are_made_anew(tmp_path, source, capsys, name):
    whole, _ = compute(tmp_path, source)
    expected = np.array(whole.x0)
    (tmp_path / name).write_bytes(b"damage")
    again, calls = compute(tmp_path, source)
    assert calls == N and np.array_equal(again.x0, expected)
    assert "computing them anew" in capsys.readouterr().out


def test_a_full_disk_is_an_error_with_a_name_before_anything_is_computed(small_disk, source):
    counting = Counting()
    large = replace(source, images=np.zeros((1000, 32, 32, 3), np.uint8))
    with pytest.raises(OSError) as caught:
        compute(small_disk, large, counting=counting)
    assert "latents.npy" in str(caught.value) and counting.calls == 0
    assert not (small_disk / "latents.json").exists()


# --- batches


def test_a_batch_is_of_the_windows_and_says_how_they_were_cut(tmp_path, source, rng):
    latents, _ = compute(tmp_path, source)
    build = BatchBuilder(source, PRESET, windows=LatentWindows(latents, source, PRESET))
    indices, mirrored = rng.integers(0, N, 400), rng.random(400) < 0.5
    batch = build(indices, mirrored, rng, drop=False)
    assert batch["x0"].dtype == np.float32 and batch["x0"].shape == (400, 4, 4, 3)
    first = 0
    for x0, numbers, i, m in zip(batch["x0"], batch["size_crop"], indices, mirrored, strict=True):
        at = [k for k in range(3) if np.array_equal(latents.x0[i, k, int(m)], x0)]
        assert len(at) == 1
        np.testing.assert_array_equal(latents.numbers[i, at[0], int(m)][:6], numbers)
        first += at[0] == 0
    assert first / 400 == pytest.approx(0.7 * 0.8, abs=0.08)  # neither cropped nor made smaller


def test_conditions_that_look_at_the_window_see_the_one_of_the_latents(tmp_path, source, rng):
    preset = PRESET.with_conditions(inpaint=NoSettings())
    latents, _ = compute(tmp_path, source, preset)
    seen = []

    def make_mask(window):
        seen.append(window)
        mask = np.zeros((32, 32, 1), np.float32)
        mask[9, 9] = 1
        return mask

    codec = Codec(means, None, stride=8)
    source = replace(source, make_mask=make_mask, codec=codec)
    build = BatchBuilder(source, preset, windows=LatentWindows(latents, source, preset))
    batch = build(np.arange(N), np.arange(N) % 2 == 0, rng, drop=False)
    for x0, mask, known, window in zip(
        batch["x0"], batch["mask"], batch["masked_image"], seen, strict=True
    ):
        np.testing.assert_allclose(means(window.image[None])[0], x0, atol=1e-3)
        assert mask.shape == (4, 4, 1) and mask.sum() == 9 and mask[:3, :3].all()
        hidden = window.image.copy()
        hidden[9, 9] = 128
        kept = means(hidden[None])[0].astype(np.float16)  # as latents are
        np.testing.assert_array_equal(known, kept)


# --- masks


def test_a_painted_pixel_paints_its_cell_and_those_next_to_it():
    mask = np.zeros((3, 40, 48, 1), np.float32)
    mask[1, 16, 31] = 0.01
    mask[2, 0, 47] = 1
    cells = mask_of_cells(mask, 8)
    assert cells.shape == (3, 5, 6, 1) and cells.dtype == np.float32
    expected = np.zeros((3, 5, 6, 1))
    expected[1, 1:4, 2:5] = 1
    expected[2, :2, 4:] = 1
    np.testing.assert_array_equal(cells, expected)


def test_no_known_cell_knows_what_a_mask_covers(rng):
    codec = Codec(means, None, stride=8)
    mask = np.zeros((1, 32, 32, 1), np.float32)
    mask[:, 8:20, 8:20] = 1
    one, two = rng.integers(0, 256, (2, 1, 32, 32, 3), dtype=np.uint8)
    two = np.where(mask > 0, two, one)
    ours, theirs = (inpaint_condition(image, mask, codec) for image in (one, two))
    np.testing.assert_array_equal(ours["masked_image"], theirs["masked_image"])
    assert ours["mask"].shape == (1, 4, 4, 1)


def test_grey_masks_blend_pictures():
    picture, painted = np.uint8([[[[0, 100, 200]]]]), np.uint8([[[[255, 0, 100]]]])
    for mask, expected in ((0, [0, 100, 200]), (0.5, [128, 50, 150]), (1, [255, 0, 100])):
        assert (
            blended(picture, painted, np.full((1, 1, 1, 1), mask, np.float32)).ravel().tolist()
            == expected
        )


# --- presets and files


def test_a_preset_counts_in_pixels_and_its_network_in_cells():
    assert PRESET.size == 32 and PRESET.network.image_size == 4 and PRESETS["micro"].size == 32
    assert Preset.from_dict(json.loads(json.dumps(PRESET.to_dict()))) == PRESET
    assert "codec" not in PRESETS["micro"].to_dict()
    with pytest.raises(ValueError, match="pixels of stride 1"):
        CodecConfig("pixels", 8)


@pytest.fixture(scope="module")
def vae_file(tmp_path_factory):
    preset = VAES["micro_vae"]
    path = tmp_path_factory.mktemp("vae") / "vae.weights.h5"
    save_vae(preset.make_network("float32"), preset, path, np.zeros(4), np.ones(4))
    return path


@pytest.fixture(scope="module")
def latent_preset(vae_file):
    preset = PRESETS["micro_latent"].with_(network={"conditions": {}})
    return replace(preset, codec=replace(LATENTS, digest=sha256(vae_file)))


def test_a_model_finds_its_autoencoder_beside_it_or_among_the_runs(
    vae_file, latent_preset, tmp_path
):
    runs = tmp_path / "runs"
    (runs / "own").mkdir(parents=True)
    shutil.copy(vae_file, runs / "own")
    digest = latent_preset.codec.digest
    assert find_vae(digest, vae_file.parent, tmp_path, runs) == vae_file
    assert find_vae(digest, tmp_path, tmp_path, runs) == runs / "own" / "vae.weights.h5"
    assert default_vae(tmp_path, runs) == runs / "own" / "vae.weights.h5"
    with pytest.raises(ValueError, match=f"{digest}, is missing; put its file"):
        find_vae(digest, tmp_path, tmp_path, tmp_path)
    with pytest.raises(ValueError, match="python train.py vae"):
        default_vae(tmp_path, tmp_path)


def test_a_model_without_its_autoencoder_is_refused(latent_preset, tmp_path, monkeypatch):
    monkeypatch.setattr("ddpm.bundle.RUNS", tmp_path)
    path = tmp_path / "model.weights.h5"
    save_model(latent_preset.make_network("float32"), latent_preset, path)
    with pytest.raises(ValueError, match="autoencoder, .* is missing"):
        load_model(path)


# --- pictures


@pytest.fixture(scope="module")
def pipeline(vae_file, latent_preset):
    network = latent_preset.make_network("float32")
    return Pipeline(Model(network, latent_preset, vae_file.parent / "model.weights.h5"))


def test_pictures_are_as_large_as_the_preset_says(pipeline):
    images = pipeline.draw(Request(n=2, steps=2, batch_size=2))
    assert images.shape == (2, 32, 32, 3) and images.dtype == np.uint8 and pipeline.size == 32
    assert pipeline.model.codec is pipeline.model.codec is not PIXELS


@pytest.mark.parametrize("method", ("project", "repaint"))
def test_what_the_mask_leaves_out_keeps_every_bit(pipeline, rng, method):
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    mask = np.zeros((32, 32), np.float32)
    mask[8:19, 5:20] = 1
    mask[19, 5:20] = 0.5
    options = {"resamplings": 1} if method == "repaint" else {}
    request = Request(
        image=image, mask=mask, steps=2, batch_size=2, inpaint=method, sampler_options=options
    )
    (painted,) = pipeline.draw(request)
    np.testing.assert_array_equal(painted[mask == 0], image[mask == 0])
    assert (painted[mask == 1] != image[mask == 1]).mean() > 0.9


class Idle(keras.layers.Layer):
    """A network that gives back what it is given."""

    def call(self, x_t, t, training=None):
        return x_t + 0 * ops.cast(t, "float32")[:, None, None, None]


def test_a_picture_that_hardly_any_noise_touches_comes_back_as_the_autoencoder_gives_it(
    vae_file, latent_preset, rng
):
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    pipeline = Pipeline(Model(Idle(), latent_preset, vae_file.parent / "model.weights.h5"))
    codec = pipeline.model.codec
    (same,) = pipeline.draw(Request(image=image, strength=0.0, steps=2, batch_size=2))
    expected = codec.decode(codec.encode(image[None]))[0].astype(float)
    assert np.abs(same - expected).mean() < 0.1 * np.abs(expected - expected.mean()).mean()
