"""Adapters that carry a face: what is in the file, what is drawn, what is trained beside it."""

from functools import partial
from unittest import mock

import numpy as np
import pytest
from conftest import eager_training
from layer_checks import randomise
from test_identity_condition import D, preset, randomised, vectors

from common.vectors import unit
from data import Pictures
from ddpm.adapters import AdapterAddOn, load_adapter, main, mean_face, save_adapter, save_light
from ddpm.bundle import Model, load_model, save_hyper, save_model
from ddpm.hyper import write_person
from ddpm.nets.adapters import light_form
from ddpm.nets.hyper import HyperNetwork, HyperSettings
from ddpm.nets.unet import UNet
from ddpm.pipeline import Pipeline, Request
from ddpm.training import tasks
from ddpm.training.run_folder import Options
from ddpm.training.tasks import DataSource

PEOPLE = np.array([7, 7, 7, 7, 2, 2])
FACES = (3, 8)  # tokens, and elements of each; the last token begins with the face
HYPER = HyperSettings(width=16, blocks=1, head_width=8, refinements=1)


@pytest.fixture(scope="module")
def knowing(tmp_path_factory):
    """A model of words and identities: (its file, the model)."""
    small = preset(True).with_(run={"batch_size": 2, "epochs": 1, "sample_epochs": 0})
    path = tmp_path_factory.mktemp("knowing") / "model.weights.h5"
    save_model(randomised(UNet(small.network, dtype="float32")), small, path)
    return path, load_model(path, "float32")


def adapter_of(model, path, face, numbers=None):
    """A light adapter's file, which changes nothing but who is drawn."""
    form = light_form(model.network, (("*", 1),), (4, 3), "attention")
    save_light(form.start() if numbers is None else numbers, form, path, model.digest, face=face)
    return load_adapter(path)


def test_the_face_comes_back_and_is_shown(knowing, tmp_path, call):
    face = vectors(2)
    file = adapter_of(knowing[1], tmp_path / "a.safetensors", face[0])
    np.testing.assert_allclose(file.face, face[0], atol=1e-6)
    assert "face: 6 numbers" in call(main, "show", file.path)[0]
    assert adapter_of(knowing[1], tmp_path / "none.safetensors", None).face is None
    other = adapter_of(knowing[1], tmp_path / "b.safetensors", face[1])
    merged = tmp_path / "c.safetensors"
    call(main, "merge", f"{file.path}:3", f"{other.path}:1", "--out", merged)
    expected = unit(3 * face[0] + face[1])
    np.testing.assert_allclose(load_adapter(merged).face, expected, atol=1e-5)
    assert mean_face([None], [1.0]) is None


@pytest.mark.parametrize("face", (np.ones(D), np.full(D, np.nan), np.eye(D)))
def test_what_is_no_face_is_a_damaged_file(knowing, tmp_path, face):
    with pytest.raises(ValueError, match="a.safetensors"):
        adapter_of(knowing[1], tmp_path / "a.safetensors", face)


def test_a_face_in_an_adapter_draws_as_one_that_is_asked_for(knowing, tmp_path):
    model, faces = knowing[1], vectors(3)
    files = [adapter_of(model, tmp_path / f"{i}.safetensors", face) for i, face in enumerate(faces)]
    options = {"n": 2, "batch_size": 2, "steps": 2, "prompts": ("man",)}

    def drawn(*addons, **asked):
        pipeline = Pipeline(model, [AdapterAddOn(*addon) for addon in addons])
        return pipeline.draw(Request(**options, **asked)).astype(int)

    wanted = drawn(face=faces[0])
    assert np.abs(wanted - drawn()).max() > 0
    np.testing.assert_array_equal(drawn((files[0], 1.0)), wanted)
    np.testing.assert_array_equal(drawn((files[1], 1.0), face=faces[0]), wanted)
    np.testing.assert_array_equal(drawn((files[1], 1.0), (files[2], 1.0)),
                                  drawn(face=unit(faces[1] + faces[2])))  # fmt: skip
    np.testing.assert_array_equal(drawn((files[0], 0.0)), drawn())


def test_a_model_without_identities_passes_it_over(knowing, tmp_path):
    small = preset(True)
    conditions = {k: v for k, v in small.network.conditions.items() if k != "identity"}
    small = small.with_(network={"conditions": conditions})
    model = Model(randomised(UNet(small.network, dtype="float32")), small)
    addons = [AdapterAddOn(adapter_of(model, tmp_path / "a.safetensors", vectors(1)[0]))]
    request = Request(n=1, batch_size=1, steps=1)
    plain = Pipeline(model).draw(request)
    np.testing.assert_array_equal(Pipeline(model, addons).draw(request), plain)


# --- training


def pictures(people=PEOPLE):
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    return Pictures(images, ["man"] * 6, people, [str(i) for i in range(6)])


def built(task, options, data):
    """Run a task, and what its batches told of identity: a list of float32 (B, D)."""
    seen, real = [], tasks._batch_builder

    def spied(*args):
        build = real(*args)

        def noting(*given, **named):
            seen.append((batch := build(*given, **named))["identity"])
            return batch

        for name in ("source", "conditions", "windows", "preset"):
            setattr(noting, name, getattr(build, name))
        return noting

    small = partial(HyperSettings, width=16, blocks=1, head_width=8)  # of seconds, not minutes
    with eager_training(), mock.patch.object(tasks, "_batch_builder", spied):
        with mock.patch.object(tasks, "_preview_condition", lambda *_: {}):
            with mock.patch("ddpm.nets.hyper.HyperSettings", small):
                assert task(options, data)
    return np.concatenate(seen)


def test_what_goes_on_from_a_prediction_is_told_its_face(knowing, tmp_path):
    path, model = knowing
    face = vectors(1)[0]
    start = adapter_of(model, tmp_path / "start.safetensors", face)
    data = DataSource(lambda folder, _: (pictures(None), folder))
    options = Options(out=tmp_path / "run", weights=path, data=tmp_path, trigger="anna",
                      start_from=start.path, precision="float32", epochs=8)  # fmt: skip
    told = built(tasks.lora, options, data)
    same = np.all(np.isclose(told, face, atol=1e-6), axis=1)
    assert 0.5 < same.mean() < 1 and not told[~same].any()  # the others are nobody
    np.testing.assert_allclose(load_adapter(tmp_path / "run/adapter.safetensors").face, face,
                               atol=1e-6)  # fmt: skip


def test_a_hypernetworks_people_are_told_by_their_faces_too(knowing, tmp_path):
    path, _ = knowing
    known, features = vectors(6), np.random.default_rng(1).normal(size=(6, 2, *FACES))
    data = DataSource(
        lambda folder, _: (pictures(), folder),
        embeddings=lambda images, folder: known,
        faces=lambda images, folder: features,
        face_shape=lambda: FACES,
    )
    options = Options(out=tmp_path / "run", weights=path, data=tmp_path, epochs=8, batch_size=4,
                      views=2, numbers="5+3", refinements=1, precision="float32")  # fmt: skip
    told = built(tasks.hyper, options, data)
    somebody = told.any(axis=1)
    assert 0.5 < somebody.mean() < 1
    assert all(np.isclose(known, face, atol=1e-6).all(1).any() for face in told[somebody])


def test_a_predicted_person_has_the_face_of_the_photo(knowing, tmp_path):
    path, model = knowing
    form = light_form(model.network, (("*", 1),), (4, 3), "attention")
    hyper = HyperNetwork(form, FACES, HYPER)
    randomise(hyper, 0.3)
    save_hyper(hyper, model.preset, tmp_path / "hyper.weights.h5", model.digest)
    features = np.random.default_rng(2).normal(size=FACES).astype(np.float32)
    out = tmp_path / "anna.safetensors"
    write_person(out, tmp_path / "hyper.weights.h5", features, model, "anna", "man")
    file = load_adapter(out)
    np.testing.assert_allclose(file.face, unit(features[-1, :D]), atol=1e-6)
    both = tmp_path / "both.safetensors"
    save_adapter(file.factors, both, model.digest, words=file.words, face=file.face)
    np.testing.assert_allclose(load_adapter(both).face, file.face, atol=1e-6)
