"""The hypernetwork: what it begins as, how it refines, that it trains, and what is kept of it."""

from dataclasses import replace
from functools import partial
from unittest import mock

import keras
import numpy as np
import pytest
from conftest import eager_training
from keras import ops
from layer_checks import FEW_STEPS, randomise
from test_adapters import CONDITION, X_T, T, make, out

from data import Pictures
from ddpm.adapters import save_light
from ddpm.bundle import find_hyper, load_hyper, load_model, read_preset, save_hyper, save_model
from ddpm.hyper import main
from ddpm.nets.adapters import Adapted, LightAdapter, light_form
from ddpm.nets.hyper import HyperAdapted, HyperNetwork, HyperSettings
from ddpm.nets.lidb import KNOWN, REFERENCE
from ddpm.presets import PRESETS, ObjectiveConfig
from ddpm.training import tasks
from ddpm.training.batches import OfPeople
from ddpm.training.objectives import HyperObjective, delta_distances
from ddpm.training.run_folder import Options
from ddpm.training.tasks import DataSource
from facekit.align import align
from facekit.identity import EncoderEmbedder
from portrait.supervision import features_shape, find_features

FACES = (5, 6)  # tokens, and elements of each
SMALL = HyperSettings(width=16, blocks=2, head_width=8, refinements=3)
# Pictures 0 to 3 are one person's, 4 to 6 another's, 7 is a third's only one.
PEOPLE = np.array([7, 7, 7, 7, 2, 2, 2, 9])


def faces_of(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *FACES)).astype(np.float32)


def hyper_of(network, choice="attention", woken=True, settings=SMALL):
    keras.utils.set_random_seed(1)
    hyper = HyperNetwork(light_form(network, (("*", 1),), (6, 4), choice), FACES, settings)
    if woken:
        randomise(hyper, 0.3)
    return hyper


@pytest.fixture(scope="module")
def network():
    return make("mp_unet")


# --- the network


def test_an_untrained_one_changes_nothing(network):
    hyper = hyper_of(network, woken=False)
    numbers = ops.convert_to_numpy(hyper(faces_of(2)))
    np.testing.assert_allclose(numbers, np.stack([hyper.form.start()] * 2), atol=1e-6)
    given = {**CONDITION, REFERENCE: faces_of(2)}
    # Sums over a batch of another size may round otherwise: so row by row, a person each.
    rows = [network(X_T[[i]], T[[i]], {"tokens": CONDITION["tokens"][[i]]}) for i in range(2)]
    expected = np.concatenate([ops.convert_to_numpy(row) for row in rows])
    np.testing.assert_array_equal(out(HyperAdapted(network, hyper), given), expected)
    np.testing.assert_array_equal(out(HyperAdapted(network, hyper)), out(network))


def test_it_refines_its_own_prediction_with_the_same_weights(network):
    """k steps of a head that always says the same are k times as much; else they are not."""
    found = {}
    for k in (1, 3):
        hyper = hyper_of(network, woken=False, settings=replace(SMALL, refinements=k))
        hyper.head.bias.assign(np.ones(hyper.form.columns))
        constant = ops.convert_to_numpy(hyper(faces_of(1)))[0] - hyper.form.start()
        used = hyper.form.used()
        expected = used * np.repeat((SMALL.before, SMALL.behind), hyper.form.numbers)
        np.testing.assert_allclose(constant, k * expected, atol=1e-6)
        randomise(hyper, 0.3)
        found[k] = ops.convert_to_numpy(hyper(faces_of(1)))[0]
        weights = hyper.count_params()
    assert weights == hyper_of(network).count_params()
    start = hyper._start()
    assert np.abs(found[3] - start - 3 * (found[1] - start)).max() > 1e-3


def test_who_is_seen_decides_and_every_token_of_the_face_counts(network):
    hyper, faces = hyper_of(network), faces_of(2)
    numbers = ops.convert_to_numpy(hyper(faces))
    assert np.abs(numbers[0] - numbers[1]).max() > 1e-3
    np.testing.assert_allclose(hyper(faces[:1])[0], numbers[0], atol=1e-5)
    for token in range(FACES[0]):
        other = faces.copy()
        other[0, token] += 1
        assert np.abs(ops.convert_to_numpy(hyper(other))[0] - numbers[0]).max() > 1e-5


def test_each_person_has_an_adapter_of_their_own(network):
    """As if each person's light adapter were on the network, rows grouped by person."""
    hyper = hyper_of(network, "all")
    x_t, t = np.concatenate([X_T, X_T[::-1]]), np.concatenate([T, T])
    tokens = np.concatenate([CONDITION["tokens"]] * 2)
    faces = faces_of(2)
    adapted = HyperAdapted(network, hyper)
    found = ops.convert_to_numpy(adapted(x_t, t, {"tokens": tokens, REFERENCE: faces}))
    for person, numbers in enumerate(ops.convert_to_numpy(hyper(faces))):
        light, own = LightAdapter(hyper.form), slice(2 * person, 2 * person + 2)
        light.down.assign(numbers[:, :6])
        light.up.assign(numbers[:, 6:])
        one = Adapted(network, [light])(x_t[own], t[own], {"tokens": tokens[own]})
        np.testing.assert_allclose(found[own], one, atol=1e-4)
        plain = network(x_t[own], t[own], {"tokens": tokens[own]})
        assert np.abs(found[own] - ops.convert_to_numpy(plain)).max() > 1e-3


# --- training


def objective(network, hyper, micro_batches, people=2, views=2):
    config = ObjectiveConfig("cosine", 50, prediction="v")
    cls = partial(HyperObjective, people=people, views=views)
    return config.make(HyperAdapted(network, hyper), 0, micro_batches, cls)


def batch():
    rng = np.random.default_rng(3)
    x0 = rng.normal(size=(4, 8, 8, 3)).astype(np.float32)
    tokens = np.concatenate([CONDITION["tokens"]] * 2)
    return {"x0": x0, "tokens": tokens, REFERENCE: faces_of(2)}


def test_gradients_reach_every_weight_and_parts_of_a_batch_give_the_same(network):
    frozen = [ops.convert_to_numpy(v).copy() for v in network.variables]
    found = []
    for micro_batches in (1, 2):
        hyper = hyper_of(network)
        before = [np.array(v) for v in hyper.trainable_variables]
        model = objective(network, hyper, micro_batches)
        model.compile(keras.optimizers.SGD(1.0), **FEW_STEPS)
        model.train_on_batch(batch())
        assert {id(v) for v in model.trainable_variables} == {
            id(v) for v in hyper.trainable_variables
        }
        moved = [
            np.array(v) - old for v, old in zip(hyper.trainable_variables, before, strict=True)
        ]
        still = [v.path for v, m in zip(hyper.trainable_variables, moved, strict=True)
                 if not m.any()]  # fmt: skip
        assert not still
        found.append(moved)
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-3 * max(np.abs(one).max(), 1e-3))
    for v, old in zip(network.variables, frozen, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(v), old)


def test_each_persons_pictures_are_spread_over_all_timesteps(network):
    model = objective(network, hyper_of(network), 1, people=4, views=3)
    for _ in range(5):
        t = ops.convert_to_numpy(model.draw_t(12)).reshape(4, 3)
        thirds = np.sort((t + (50 - t.max()) * 0) // 17, axis=1)
        assert (np.diff(np.sort(t, axis=1), axis=1) > 8).all() and len(np.unique(thirds)) >= 3


def test_it_learns_who_is_who_on_noise_that_it_is_always_given(network):
    """A target that the person alone decides: the loss of fixed noise falls below what a network
    reaches that is told nothing."""
    adapted = HyperAdapted(network, hyper_of(network, "all", woken=False))
    targets = np.stack([np.full((8, 8, 3), 0.5), np.full((8, 8, 3), -0.5)]).astype(np.float32)

    class Regression(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = adapted

        def call(self, x):
            given = {"tokens": x["tokens"], REFERENCE: x["faces"]}
            return self.network(x["x_t"], x["t"], given)

    model = Regression()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    inputs = {"x_t": np.stack([X_T[0]] * 2), "t": np.array([25, 25])}
    inputs |= {"tokens": CONDITION["tokens"][[0, 0]], "faces": faces_of(2)}
    losses = [float(model.train_on_batch(inputs, targets)) for _ in range(25)]
    assert losses[-1] < 0.5 * losses[0]
    first, second = ops.convert_to_numpy(adapted.hyper(inputs["faces"]))
    assert np.abs(first - second).max() > 1e-3


# --- batches


class Noting:
    """In the place of a `BatchBuilder`: what was asked for."""

    def __call__(self, indices, mirrored, rng):
        return {"x0": np.asarray(indices), "mirrored": np.asarray(mirrored)}


def known_faces(unseen=()):
    faces = np.zeros((len(PEOPLE), 2, *FACES), np.float16)
    faces += np.arange(len(PEOPLE))[:, None, None, None]
    faces[:, 1] += 100  # in the mirror
    faces[list(unseen)] = np.nan
    return faces


def test_batches_are_of_people_and_never_of_the_picture_that_tells_who(rng):
    build = OfPeople(Noting(), PEOPLE, known_faces(unseen=[2]), views=3)
    told, shown = set(), set()
    for step in range(300):
        indices = rng.permutation(8)[:6]
        found = build(indices, np.arange(6) % 2 > 0, np.random.default_rng(step))
        pictures, references = found["x0"].reshape(2, 3), found[REFERENCE]
        assert references.shape == (2, *FACES) and references.dtype == np.float32
        assert found["mirrored"].tolist() == [False, True] * 3
        for asked, row, reference in zip(indices[::3], pictures, references, strict=True):
            picture = int(reference[0, 0]) % 100
            assert len(np.unique(PEOPLE[row])) == 1 and PEOPLE[row[0]] == PEOPLE[picture]
            assert picture not in row and picture != 2
            assert PEOPLE[asked] in (PEOPLE[picture], 9)  # a person with one picture is replaced
            if PEOPLE[row[0]] == 7:
                assert len(set(row)) == 3
            told.add(int(reference[0, 0]))
            shown |= set(row)
    assert told == {p + m for p in (0, 1, 3, 4, 5, 6) for m in (0, 100)} and shown == set(range(7))


def test_people_of_one_picture_alone_are_refused():
    with pytest.raises(ValueError, match="nobody in the pictures has one with a face"):
        OfPeople(Noting(), np.arange(8), known_faces(), 2)
    with pytest.raises(ValueError, match="nobody in the pictures"):
        OfPeople(Noting(), PEOPLE, known_faces(unseen=range(7)), 2)


# --- the task


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A file of a small model of words whose gradients are not all zero."""
    preset = PRESETS["micro_conditional"].with_conditions(
        text=replace(
            PRESETS["micro_conditional"].network.conditions["text"],
            vocabulary=("man", "woman"),
            length=4,
        )  # fmt: skip
    )
    model, path = preset.make_network("float32"), tmp_path_factory.mktemp("base") / "a.weights.h5"
    randomise(model, 0.1)
    save_model(model, preset, path)
    return path


def pictures_of(people):
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    return Pictures(images, ["a man"] * 8, people, [str(i) for i in range(8)])


def run(base, out, epochs=2, people=PEOPLE, **given):
    data = DataSource(
        lambda folder, _: (pictures_of(people), folder),
        faces=lambda images, folder: np.random.default_rng(1).normal(size=(8, 2, *FACES)),
        face_shape=lambda: FACES,
    )
    options = {"batch_size": 4, "views": 2, "numbers": "5+3", "precision": "float32"}
    options |= {"refinements": 1}
    options = {"weights": base, "data": out.parent, "epochs": epochs, **options, **given}
    small = partial(HyperSettings, width=16, blocks=1, head_width=8)  # of seconds, not minutes
    with eager_training(), mock.patch("ddpm.nets.hyper.HyperSettings", small):
        return tasks.hyper(Options(out=out, **options), data)


def test_a_run_that_goes_on_ends_as_one_that_never_stopped(base, tmp_path):
    assert run(base, tmp_path / "whole", 2)
    assert run(base, tmp_path / "two", 1)
    kept = {"resume": True, "views": None, "numbers": None, "weights": None}
    assert run(base, tmp_path / "two", 2, **kept)
    ours, theirs = (load_hyper(tmp_path / name, "float32") for name in ("two", "whole"))
    for one, two in zip(ours.network.get_weights(), theirs.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    model = load_model(base, "float32")
    assert ours.base_digest == model.digest
    assert ours.network.form.numbers == (5, 3) and ours.network.faces == FACES
    assert np.array(ours.network.head.kernel).any()  # it began as zero
    assert find_hyper(None, tmp_path / "nowhere", tmp_path).parent.parent == tmp_path
    with pytest.raises(ValueError, match="predicts adapters of a model"):
        read_preset(ours.path)
    with pytest.raises(ValueError, match="is a model, not a hypernetwork"):
        load_hyper(base)


def test_what_it_cannot_learn_from_is_refused(base, tmp_path):
    for people in (None, np.arange(8)):
        with pytest.raises(ValueError, match="learns from several pictures of each"):
            run(base, tmp_path / "run", people=people)
    with pytest.raises(ValueError, match="a multiple of that"):
        run(base, tmp_path / "run", batch_size=5)
    assert not (tmp_path / "run").exists()
    run(base, tmp_path / "run", 1)
    with pytest.raises(ValueError, match="was started with --views 2"):
        run(base, tmp_path / "run", resume=True, views=4)


def test_files_come_back_and_broken_ones_get_a_sentence(network, tmp_path, call, refused):
    hyper, path = hyper_of(network), tmp_path / "hyper.weights.h5"
    save_hyper(hyper, PRESETS["tiny"], path, "0123456789ab", half=True)
    back = load_hyper(path).network
    np.testing.assert_allclose(back(faces_of(1)), hyper(faces_of(1)), atol=0.02)
    other = tmp_path / "copy.weights.h5"
    told, _ = call(main, path, "--out", other)
    assert "over 0123456789ab" in told and load_hyper(other).network.form == hyper.form
    refused(main, path, "--out", tmp_path / "a.bin", says="ends in .weights.h5")
    content, rng = path.read_bytes(), np.random.default_rng(0)
    path = tmp_path / "broken.weights.h5"
    for i in range(60):
        broken = bytearray(content[: rng.integers(len(content)) if i % 4 == 0 else None])
        for at in rng.integers(len(broken), size=3):
            broken[at] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            load_hyper(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)


# --- the features of a face


def test_features_of_faces_are_found_once(photo_faces, tmp_path, monkeypatch):
    (astronaut, face), (hopper, _) = photo_faces.values()
    nobody = np.zeros((64, 64, 3), np.uint8)
    found = find_features([astronaut, nobody, hopper], tmp_path)
    assert found.shape == (3, 2, *features_shape()) and found.dtype == np.float16
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2]]).all()
    embedder = EncoderEmbedder()
    crop = align(astronaut, face.points5, embedder.settings.size).image
    mirrored = embedder.features(crop[None, :, ::-1])[0]
    np.testing.assert_allclose(mirrored[::-1], found[0], atol=0.05)
    # The last token is the embedding; the others are what it is made of.
    who = found[0, :, -1, :128].astype(np.float32).sum(axis=0)
    assert who @ embedder.embed_crops(crop[None])[0] / np.linalg.norm(who) > 0.95
    assert np.abs(found[0, 0] - found[0, 1]).max() > 0.1
    monkeypatch.setattr("facekit.identity.EncoderEmbedder.features", None)
    np.testing.assert_array_equal(find_features([astronaut, nobody, hopper], tmp_path), found)


# --- adapters that were learned before


def test_the_distance_is_that_of_what_the_adapters_add(network):
    form = light_form(network, (("*", 1),), (6, 4), "all")
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(2, 1, form.rows, 10)).astype(np.float32) * form.used()
    found = float(delta_distances(ours.astype("float32"), theirs.astype("float32"), 6)[0])
    apart = whole = 0.0
    for name, factors in form.factors(ours[0]).items():
        deltas = [np.tensordot(*f[:2], 1) for f in (factors, form.factors(theirs[0])[name])]
        unit = form.scale(name) ** 2 * deltas[0].size
        apart += np.sum((deltas[0] - deltas[1]) ** 2) / unit
        whole += np.sum(deltas[1] ** 2) / unit
    assert found == pytest.approx(apart / whole, rel=1e-3)
    nothing = np.zeros_like(theirs, dtype="float32")
    assert float(delta_distances(ours.astype("float32"), nothing, 6)[0]) == 0


def test_a_run_comes_near_to_known_adapters(base, tmp_path):
    with pytest.raises(ValueError, match="holds no adapter of the people"):
        run(base, tmp_path / "none", regress=tmp_path)
    model = load_model(base, "float32")
    form = light_form(model.network, (("*", 1),), (5, 3), "attention")
    known = form.start() + 0.05 * form.used() * np.random.default_rng(0).normal(size=(form.rows, 8))
    folder = tmp_path / "known"
    save_light(known, form, folder / "7.safetensors", model.digest)
    assert run(base, tmp_path / "run", 1, regress=folder)
    other = light_form(model.network, (("*", 1),), (4, 3), "attention")
    save_light(other.start(), other, folder / "2.safetensors", model.digest)
    with pytest.raises(ValueError, match="no light adapter of the same kernels"):
        run(base, tmp_path / "other", regress=folder)


def test_predictions_come_near_to_known_adapters(network):
    """By the second loss alone: the denoising counts nothing."""
    hyper = hyper_of(network, woken=False)
    config = ObjectiveConfig("cosine", 50, prediction="v")
    cls = partial(HyperObjective, people=2, views=2, regression=1.0)
    model = config.make(HyperAdapted(network, hyper), 0, 2, cls)
    model._weights = 0 * model._weights
    model.compile(keras.optimizers.Adam(0.01), **FEW_STEPS)
    known = np.stack([hyper.form.start()] * 2)
    known[0, :, 6:], known[1] = 0.05 * hyper.form.used()[:, 6:], 0  # nothing of the second
    given = {**batch(), KNOWN: known}
    losses = [float(model.train_on_batch(given)) for _ in range(8)]
    assert losses[0] == pytest.approx(0.5, rel=1e-3) and losses[-1] < 0.5 * losses[0]
