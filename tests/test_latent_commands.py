"""The commands over latents: an autoencoder, a model of its latents, pictures."""

import shutil

import numpy as np
import pytest
from conftest import eager_training
from micro import PRESETS, VAES
from PIL import Image

import sample
import train
from common.files import sha256
from ddpm import bundle
from ddpm.bundle import read_preset, save_vae

COMMON = ("--epochs", 1, "--batch-size", 8, "--sample-epochs", 0, "--precision", "float32")


@pytest.fixture
def vae(tmp_path, monkeypatch):
    """An untrained autoencoder, in a run folder of its own."""
    monkeypatch.setattr(bundle, "RUNS", tmp_path / "nowhere")
    preset = VAES["micro_vae"]
    path = tmp_path / "vae" / "vae.weights.h5"
    path.parent.mkdir()
    save_vae(preset.make_network("float32"), preset, path, np.zeros(4), np.ones(4))
    return path


def test_a_model_is_trained_on_latents_goes_on_and_draws_without_the_first_file(
    vae, captioned, tmp_path, call
):
    out = tmp_path / "run"
    words = ("--data", captioned, "--preset", "micro_latent", "--out", out, *COMMON)
    with eager_training():
        told, _ = call(train.main, *words, "--vae", vae.parent)
    assert "of 32 px" in told and "Done." in told
    preset = read_preset(out)
    assert preset.codec.digest == sha256(vae) == sha256(out / "vae.weights.h5")
    assert preset.network.image_size == 4 and preset.size == 32
    latents = (out / "latents.npy").stat()

    shutil.rmtree(vae.parent)
    with eager_training():
        told, _ = call(train.main, "--resume", "--out", out, "--epochs", 2)
    assert "Resuming at step" in told and "Done." in told and "anew" not in told
    assert (out / "latents.npy").stat().st_mtime_ns == latents.st_mtime_ns

    picture = tmp_path / "picture.png"
    call(sample.main, "--weights", out, "--n", 1, "--steps", 2, "--zoom", 1, "--out", picture)
    assert Image.open(picture).size == (32, 32)


@pytest.mark.parametrize(
    ("preset", "sentence"),
    (("micro", "diffuses pixels; leave --vae away"), ("micro_latent", "latents of 4 channels")),
)
def test_an_autoencoder_that_does_not_fit_is_refused(
    vae, captioned, tmp_path, call, monkeypatch, preset, sentence
):
    monkeypatch.setitem(
        PRESETS, "micro_latent", PRESETS["micro_latent"].with_(network={"channels": 8})
    )
    words = ("--data", captioned, "--preset", preset, "--out", tmp_path / "run", *COMMON)
    _, complaint = call(train.main, *words, "--vae", vae, code=2)
    assert sentence in complaint and not (tmp_path / "run").exists()


def test_without_any_autoencoder_the_sentence_says_how_to_get_one(
    captioned, tmp_path, call, monkeypatch
):
    for name in ("RUNS", "SHIPPED"):
        monkeypatch.setattr(bundle, name, tmp_path / "nowhere")
    words = ("--data", captioned, "--preset", "micro_latent", "--out", tmp_path / "run")
    _, complaint = call(train.main, *words, code=2)
    assert "python train.py vae" in complaint and not (tmp_path / "run").exists()


def test_an_autoencoder_is_trained_and_shows_what_comes_back(captioned, tmp_path, call):
    out = tmp_path / "vae"
    words = ("--data", captioned, "--others", captioned, "--preset", "micro_vae")
    told, _ = call(train.main, "vae", *words, "--out", out, *COMMON[:-4], "--sample-epochs", 1)
    assert "Train a model on its latents" in told
    assert (out / "vae.weights.h5").exists() and len(list((out / "samples").glob("*.png"))) == 1
