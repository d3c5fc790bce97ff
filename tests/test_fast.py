"""A person from one photo: what is refused, what is written, and that both adapters are in it."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import eager_training
from layer_checks import randomise

from common.images import read_image, write_image
from data import Pictures
from ddpm.adapters import joined, load_adapter, save_light
from ddpm.bundle import FILES, base_of, find_hyper, load_model, save_hyper, save_model
from ddpm.conditions.text import SPECIAL, TABLE
from ddpm.nets.adapters import light_form
from ddpm.nets.hyper import HyperNetwork, HyperSettings
from ddpm.nets.layers import named_weights
from ddpm.presets import PRESETS
from ddpm.training import tasks
from ddpm.training.run_folder import Options
from portrait import fast, person
from portrait.__main__ import main
from portrait.known import load_person
from portrait.supervision import features_shape

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small model of words and a hypernetwork over it: (folder of the model, of the other)."""
    folder = tmp_path_factory.mktemp("hyper")
    micro = PRESETS["micro_conditional"]
    words = ("woman", "man", "a", "photo", "of")
    text = replace(micro.network.conditions["text"], vocabulary=words, length=24)
    preset = micro.with_conditions(text=text)
    network, path = preset.make_network("float32"), folder / "base" / FILES["model"]
    randomise(network, 0.1)
    save_model(network, preset, path)
    form = light_form(network, (("*", 1),), (6, 4), "all")
    settings = HyperSettings(width=16, blocks=1, head_width=8, refinements=1)
    hyper = HyperNetwork(form, features_shape(), settings)
    randomise(hyper, 0.3)
    save_hyper(hyper, preset, folder / "hyper" / FILES["hyper"], load_model(path).digest)
    return folder / "base", folder / "hyper"


@pytest.fixture
def photo(photographs, tmp_path):
    path = tmp_path / "photos" / "astronaut.png"
    write_image(photographs["astronaut"], path)
    return path


def words_of(trained, *more):
    base, hyper = trained
    return ("--fast", "--weights", base, "--hyper", hyper, *more)


def test_a_photo_becomes_a_person_of_a_few_kilobytes(trained, photo, tmp_path, call, refused):
    out = tmp_path / "people" / "anna"
    words = ("learn", photo, *words_of(trained, "--noun", "woman", "--out", out))
    call(main, *words, "--steps", 0)
    file = load_adapter(out / person.ADAPTER)
    assert (out / person.ADAPTER).stat().st_size <= 16_384
    model = load_model(trained[0], "float32")
    assert file.form.numbers == (6, 4) and file.base_digest == model.digest
    # The word means its noun; who the person is, the adapter alone says.
    noun = np.array(named_weights(model.network)[TABLE])[SPECIAL]
    np.testing.assert_array_equal(file.words["anna"], noun[None])
    known = load_person(out)
    assert (known.trigger, known.noun, known.weights) == ("anna", "woman", str(model.path))
    head = read_image(known.reference)
    assert known.face is not None and np.array_equal(known.face[0], head)
    assert not [path for path in out.iterdir() if path.name in (person.TRAINING, fast.PREDICTED)]
    told, _ = call(main, *words, "--steps", 0)
    assert "is ready already" in told
    refused(main, *words, "--steps", 7, says="learned with other steps; name another --out, or")
    drawn = tmp_path / "drawn.png"
    call(main, "paint", "--person", out, "--n", 1, "--steps", 2, "--out", drawn)
    assert drawn.exists()
    other = tmp_path / "photos" / "other.png"
    write_image(read_image(photo)[:, ::-1], other)
    changed = ("learn", other, *words_of(trained, "--noun", "woman", "--out", out))
    refused(main, *changed, says="learned with other photos")


def test_refining_keeps_the_prediction_and_writes_both(trained, photo, tmp_path, call):
    out, plain = tmp_path / "anna", tmp_path / "plain" / "anna"
    for where, steps in ((plain, 0), (out, 3)):
        with eager_training():
            call(main, "learn", photo, *words_of(trained, "--steps", steps, "--out", where))
    predicted, both = (load_adapter(where / person.ADAPTER) for where in (plain, out))
    assert load_person(out).trigger == "anna"
    np.testing.assert_array_equal(both.words["anna"], predicted.words["anna"])
    for name, (down, up, _) in predicted.factors.items():
        mine = both.factors[name]
        np.testing.assert_array_equal(mine[0][..., :1], down)  # as it was, bit for bit
        np.testing.assert_array_equal(mine[1][:1], up)
        assert mine[2] == mine[1].shape[0] > 1
    moved = [np.abs(up[1:]).max() for _, up, _ in both.factors.values()]
    assert max(moved) > 0


def test_joined_factors_are_the_sum():
    one = {"a": (RNG.normal(size=(4, 2)), RNG.normal(size=(2, 3)), 1.0)}
    two = {"a": (RNG.normal(size=(4, 1)), RNG.normal(size=(1, 3)), 1.0),
           "b": (RNG.normal(size=(3, 3, 2, 2)), RNG.normal(size=(2, 5)), 4.0)}  # fmt: skip
    for name, (down, up, alpha) in joined(one, two).items():
        expected = sum(
            f[name][2] / f[name][1].shape[0] * np.tensordot(f[name][0], f[name][1], 1)
            for f in (one, two)
            if name in f
        )
        np.testing.assert_allclose(np.tensordot(down, up, 1), expected, atol=1e-5)
        assert alpha == up.shape[0]


def test_an_adapter_to_start_from_belongs_to_the_model(trained, tmp_path):
    model = load_model(trained[0], "float32")
    form = light_form(model.network, (("*", 1),), (6, 4), "all")
    path = tmp_path / "a.safetensors"
    save_light(form.start(), form, path, "0123456789ab")
    images = RNG.integers(0, 255, (2, 32, 32, 3), np.uint8)
    pictures = Pictures(images, None, None, ["a", "b"])
    data = tasks.DataSource(lambda folder, _: (pictures, folder))
    options = Options(out=tmp_path / "anna", weights=trained[0], data=tmp_path, start_from=path)
    with pytest.raises(ValueError, match="trained over other weights"):
        tasks.lora(replace(options, trigger="anna"), data)
    with pytest.raises(ValueError, match="begins anew"):
        tasks.lora(replace(options, light=True), data)


def test_bad_input_gets_its_sentence_before_anything_runs(
    trained, photographs, tmp_path, refused, monkeypatch
):
    monkeypatch.setattr(fast, "learn", None)
    astronaut = photographs["astronaut"]
    posterised = (astronaut // 64 * 64 + 32).astype(np.uint8)
    pictures = {
        "drawing": (
            cv2.medianBlur(posterised, 9),
            "seems to be a drawing, and a person is learned",
        ),
        "none": (np.full((90, 90, 3), 99, np.uint8), "no face found; name a photo that shows"),
        "two": (np.concatenate([astronaut, astronaut], 1), "shows 2 faces, so it is not clear"),
        "small": (astronaut[::9, ::9], "no face found"),
    }
    out = tmp_path / "people" / "anna"
    for name, (image, says) in pictures.items():
        write_image(image, tmp_path / f"{name}.png")
        words = ("learn", tmp_path / f"{name}.png", *words_of(trained, "--out", out))
        refused(main, *words, says=says)
    words = ("learn", tmp_path / "missing.png", *words_of(trained, "--out", out))
    refused(main, *words, says="no such file")
    refused(main, "learn", "--fast", "--out", out, says="name a photo")
    refused(main, "learn", tmp_path, "--steps", 0, "--out", out, says="add --fast")
    refused(main, "learn", tmp_path, "--fast", "--resume", "--out", out, says="--resume")
    model = ("--hyper", trained[0], "--out", out)
    refused(main, "learn", tmp_path, "--fast", *model, says="not a hypernetwork")
    assert not out.exists()


def test_a_profile_is_refused():
    turned = SimpleNamespace(fault="turned", reason="the face is turned too far (60 degrees)")
    turned.photo = SimpleNamespace(faces=(1,))
    with pytest.raises(ValueError, match="turned too far .*; name one that looks at the camera"):
        fast._check_one(turned, SimpleNamespace(photos="a.png"))


def test_the_hypernetwork_and_its_model_are_found(trained, tmp_path):
    base, hyper = trained
    found = find_hyper(None, shipped=tmp_path, runs=hyper.parent)
    assert found == hyper / FILES["hyper"]
    assert base_of(found, shipped=tmp_path, runs=base.parent) == base / FILES["model"]
    with pytest.raises(ValueError, match="python train.py hyper"):
        find_hyper(None, shipped=tmp_path, runs=tmp_path)
    with pytest.raises(ValueError, match="is missing; name it with --weights"):
        base_of(found, shipped=tmp_path, runs=tmp_path)
