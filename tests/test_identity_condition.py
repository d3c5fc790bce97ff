"""The identity as a condition: another picture of the same person says who is to be seen."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import eager_training
from keras import ops
from PIL import Image

import sample
from common.images import read_image, write_image
from common.vectors import unit
from data import Pictures
from ddpm.bundle import Model, load_model, save_model
from ddpm.conditions import (
    CONDITIONS,
    DropRates,
    NoSettings,
    Source,
    drop_conditions,
    null_condition,
)
from ddpm.conditions.identity import EMBEDDINGS, PEOPLE, IdentitySettings, others_of
from ddpm.conditions.text import START, TextSettings
from ddpm.nets.identity import IdentityEncoder
from ddpm.nets.unet import UNet
from ddpm.pipeline import Pipeline, Request
from ddpm.presets import PRESETS
from ddpm.training import tasks
from ddpm.training.batches import BatchBuilder
from ddpm.training.run_folder import Options
from ddpm.training.tasks import DataSource
from facekit.identity import load_embedder
from portrait.supervision import find_embeddings

D = 6
SETTINGS = IdentitySettings(dimensions=D, tokens=4, width=16)
NOBODY = np.zeros(D, np.float32)
# Pictures 0, 2 and 5 are of one person, 1 and 3 of another, 4 of a third; no face is seen in 3.
PEOPLE_THERE = np.array([7, 2, 7, 2, 9, 7])


def vectors(n, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(n, D))).astype(np.float32)


def seen_embeddings():
    known = vectors(6)
    known[3] = np.nan
    return known


def preset(words=False):
    """A network small enough to be built twice."""
    small = PRESETS["tiny"].with_(
        network={
            "image_size": 16,
            "widths": (16,),
            "blocks": (1,),
            "attention": (),
            "middle_attention": False,
            "groups": 4,
            "head_width": 16,
            "cross_attention_layers": (1,),
        }
    )
    text = TextSettings(("man", "woman"), length=4, width=16, layers=1, head_width=16)
    conditions = {"text": text, "size_crop": NoSettings()} if words else {}
    return small.with_conditions(**conditions, identity=SETTINGS)


def randomised(network, seed=0):
    """Its layers that are zero at the start woken, so that every input shows."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape).astype("float32") * 0.2)
    return network


@pytest.fixture(scope="module")
def with_words():
    return preset(True), randomised(UNet(preset(True).network, dtype="float32"))


@pytest.fixture(scope="module")
def alone():
    return preset(), randomised(UNet(preset().network, dtype="float32"))


def predict(network, **condition):
    x_t = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    return ops.convert_to_numpy(network(x_t, np.array([30, 90]), condition))


# --- the data's side


def test_the_others_of_a_person_are_all_of_them_but_the_picture_itself():
    found = [others.tolist() for others in others_of(PEOPLE_THERE, seen_embeddings())]
    assert found == [[2, 5], [], [0, 5], [1], [], [0, 2]]


def test_a_picture_is_given_each_of_the_others_as_often(rng):
    known = seen_embeddings()
    source = Source(
        np.zeros((6, 16, 16, 3), np.uint8), columns={EMBEDDINGS: known, PEOPLE: PEOPLE_THERE}
    )
    build = BatchBuilder(source, preset())
    indices = np.repeat([0, 4, 3], (600, 3, 3))
    given = build(indices, np.zeros(606, bool), rng, drop=False)["identity"]
    of_first = [(given[:600] == known[i]).all(1).sum() for i in (0, 2, 5)]
    assert of_first[0] == 0 and sum(of_first) == 600
    assert abs(of_first[1] - 300) < 60  # five deviations
    np.testing.assert_array_equal(given[600:603], [NOBODY] * 3)  # a person of one picture
    np.testing.assert_array_equal(given[603:], [known[1]] * 3)  # a face that is not seen has others
    again = build(indices, np.zeros(606, bool), np.random.default_rng(0), drop=False)["identity"]
    np.testing.assert_array_equal(again, given)


def test_it_is_dropped_at_its_own_rate(rng):
    conditions = preset(True).network.conditions
    n = 20_000
    arrays = null_condition(conditions, n) | {
        "identity": vectors(n),
        "size_crop": np.ones((n, 6), np.float32),
    }
    kept = drop_conditions(conditions, arrays, rng, DropRates(0.1, 0.2))
    assert np.mean(~kept["identity"].any(1)) == pytest.approx(1 - 0.5 * 0.8, abs=0.015)
    assert np.mean(kept["size_crop"][:, 0] < 0) == pytest.approx(1 - 0.9 * 0.8, abs=0.015)


def test_words_are_dropped_beside_a_face_at_their_own_rate(rng):
    conditions = {**preset(True).network.conditions}
    conditions["identity"] = replace(conditions["identity"], p_alone=0.5)
    n = 20_000
    said = {"tokens": np.full_like(null_condition(conditions, n)["tokens"], 5)}
    arrays = null_condition(conditions, n) | {"identity": vectors(n), **said}
    kept = drop_conditions(conditions, arrays, rng, DropRates(0.1, 0.0))
    face, words = kept["identity"].any(1), (kept["tokens"] == 5).all(1)
    assert np.mean(words[face]) == pytest.approx(0.9 * 0.5, abs=0.02)
    assert np.mean(words[~face]) == pytest.approx(0.9, abs=0.02)


# --- the network's side


def test_a_person_is_four_tokens_and_nobody_is_none():
    layer = IdentityEncoder(D, 4, 16)
    face = vectors(3)
    face[1] = 0
    features, tokens, mask = layer(face)
    assert tokens.shape == (3, 4, 16)
    np.testing.assert_array_equal(mask, np.array([[True] * 4, [False] * 4, [True] * 4]))
    np.testing.assert_allclose(features, face * np.sqrt(D), rtol=1e-6)
    # norm(Dense(v sqrt(D)) + learned), by hand
    raw = (face[0] * np.sqrt(D)) @ ops.convert_to_numpy(layer.dense.kernel)
    raw = raw.reshape(4, 16) + ops.convert_to_numpy(layer.learned)
    expected = (raw - raw.mean(1, keepdims=True)) / raw.std(1, keepdims=True)
    np.testing.assert_allclose(tokens[0], expected, rtol=1e-3, atol=1e-3)


def test_the_tokens_of_nobody_are_not_attended_to(with_words):
    """Whatever they are, beside words: the learned tokens change nothing then."""
    _, network = with_words
    words = np.array([[START, 2, 0, 0], [START, 3, 0, 0]], np.int32)
    before = predict(network, tokens=words, identity=np.stack([NOBODY, vectors(1)[0]]))
    learned = network.conditioner.identity.learned
    value = ops.convert_to_numpy(learned)
    learned.assign(value + np.random.default_rng(3).normal(size=value.shape))
    after = predict(network, tokens=words, identity=np.stack([NOBODY, vectors(1)[0]]))
    learned.assign(value)
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).max() > 1e-3


def test_rows_without_any_token_are_numbers_and_missing_is_nobody(alone):
    _, network = alone
    one = np.stack([NOBODY, vectors(1)[0]])
    found, missing = predict(network, identity=one), predict(network)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], missing[0])
    assert np.abs(found[1] - missing[1]).max() > 1e-3


def test_the_tokens_of_text_and_identity_have_one_width():
    with pytest.raises(ValueError, match="one width"):
        preset(True).with_conditions(identity=IdentitySettings(D, 4, 8))


# --- a request


def test_a_face_decides_the_picture_and_guidance_leads_away_from_nobody(alone):
    small, network = alone
    pipeline = Pipeline(Model(network, small))
    faces = vectors(2)
    options = dict(n=2, batch_size=2, steps=2)

    def drawn(guidance=1.0, **asked):
        return pipeline.draw(Request(**options, guidance=guidance, **asked)).astype(int)

    given = drawn(face=faces)
    np.testing.assert_array_equal(given, drawn(arrays={"identity": faces}))
    np.testing.assert_array_equal(given[0], drawn(face=faces[0])[0])
    assert np.abs(given[1] - drawn(face=faces[0])[1]).max() > 0
    assert pipeline.nfe == 2
    stronger = drawn(3.0, face=faces)
    assert pipeline.nfe == 4 and np.abs(stronger - given).max() > 0
    arrays = CONDITIONS["identity"].negative(Request(face=faces[0]), SETTINGS, 3)
    np.testing.assert_array_equal(arrays["identity"], [NOBODY] * 3)
    assert pipeline.recipe(Request(face=faces[0]))["guidance"] == 3.0


def test_what_is_no_face_of_the_models_is_refused(alone):
    with pytest.raises(ValueError, match="length 1"):
        Request(face=np.ones(D))
    with pytest.raises(ValueError, match=r"\(D,\) or \(M, D\)"):
        Request(face=vectors(4).reshape(2, 2, D))
    pipeline = Pipeline(Model(*alone[::-1]))
    with pytest.raises(ValueError, match="knows a face by 6 numbers"):
        pipeline.draw(Request(face=unit(np.ones(5))))
    nameless = preset().with_(network={"conditions": {}, "cross_attention_layers": (0,)})
    with pytest.raises(ValueError, match="without identities; leave --face away"):
        Pipeline(Model(UNet(nameless.network), nameless)).draw(Request(face=vectors(1)[0]))


# --- training


def pictures(identities):
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    return Pictures(images, None, identities, [str(i) for i in range(6)])


def test_a_run_learns_from_who_is_in_its_pictures(tmp_path, monkeypatch):
    small = preset().with_(run={"batch_size": 3, "epochs": 2, "sample_epochs": 0})
    monkeypatch.setitem(PRESETS, "tiny", small)
    folders = []

    def embeddings(images, folder):
        folders.append(folder)
        return seen_embeddings()

    data = DataSource(lambda folder, _: (pictures(PEOPLE_THERE), folder), embeddings=embeddings)
    options = Options(out=tmp_path / "run", preset="tiny", data=tmp_path, precision="float32")
    with eager_training():
        assert tasks.base(options, data)
    assert folders == [tmp_path / "run"]
    model = load_model(tmp_path / "run", "float32")
    assert model.preset.network.conditions == {"identity": SETTINGS}
    assert np.abs(model.network.conditioner.dense2.get_weights()[0]).max() > 0  # it began as zero


def test_a_model_that_knows_people_goes_on_with_pictures_of_nobody_in_particular(alone, tmp_path):
    weights = tmp_path / "base.weights.h5"
    small, network = alone
    save_model(
        network, small.with_(run={"batch_size": 3, "epochs": 1, "sample_epochs": 0}), weights
    )
    everything = np.ones((16, 16, 1), np.float32)
    data = DataSource(
        lambda folder, _: (pictures(None), folder),
        masks=lambda images, cache, size: lambda window: everything,
    )
    options = Options(out=tmp_path / "run", weights=weights, data=tmp_path, precision="float32")
    with eager_training():
        assert tasks.inpaint(options, data)
    conditions = load_model(tmp_path / "run", "float32").preset.network.conditions
    assert set(conditions) == {"identity", "inpaint"}


def test_a_set_that_does_not_say_who_is_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", preset())
    data = DataSource(lambda folder, _: (pictures(None), folder))
    options = Options(out=tmp_path / "run", preset="tiny", data=tmp_path)
    with pytest.raises(ValueError, match="nothing says who is in the pictures"):
        tasks.base(options, data)
    assert not list(tmp_path.rglob("*.h5"))


def test_who_is_seen_is_found_once(photo_faces, tmp_path, monkeypatch):
    (astronaut, face), (hopper, _) = photo_faces.values()
    nobody = np.zeros((64, 64, 3), np.uint8)
    found = find_embeddings([astronaut, nobody, hopper], tmp_path)
    assert found.shape == (3, 128) and np.isnan(found[1]).all()
    np.testing.assert_allclose(np.linalg.norm(found[[0, 2]], axis=1), 1, rtol=1e-5)
    own = load_embedder("encoder").embed(astronaut, face.points5)
    assert found[0] @ own > 0.999 and found[2] @ own < 0.9
    monkeypatch.setattr("facekit.identity.EncoderEmbedder.embed_crops", None)
    again = find_embeddings([astronaut, nobody, hopper], tmp_path)
    np.testing.assert_array_equal(again, found)
    np.save(tmp_path / "identity.npy", found[:2])
    with pytest.raises(ValueError, match="is not of these pictures; remove it"):
        find_embeddings([astronaut, nobody, hopper], tmp_path)


# --- the command


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A model that knows faces by the project's own encoder."""
    known = preset().with_conditions(identity=IdentitySettings(width=16))
    network = randomised(UNet(known.network, dtype="float32"))
    path = tmp_path_factory.mktemp("model") / "a.weights.h5"
    save_model(network, known, path)
    return path


def test_a_photo_of_a_face_says_who_is_drawn(call, refused, model_file, photographs, tmp_path):
    for name, image in photographs.items():
        write_image(image, tmp_path / f"{name}.png")
    write_image(np.full((90, 90, 3), 99, np.uint8), tmp_path / "none.png")
    words = ("--weights", model_file, "--n", 1, "--batch-size", 1, "--steps", 1, "--zoom", 1)
    drawn = {}
    for name in photographs:
        out = tmp_path / f"{name}_out.png"
        call(sample.main, *words, "--face", tmp_path / f"{name}.png", "--out", out)
        drawn[name] = read_image(out).astype(int)
    with Image.open(out) as result:
        recipe = json.loads(result.text["recipe"])
    assert recipe["face"] == f"{name}.png" and recipe["guidance"] == 3.0
    assert np.abs(drawn["astronaut"] - drawn["hopper"]).max() > 0
    out = tmp_path / "none_out.png"
    for file, sentence in (("none.png", "no face found"), ("missing.png", "no photo of a face")):
        refused(sample.main, *words, "--face", tmp_path / file, "--out", out, says=sentence)
    assert not out.exists()
