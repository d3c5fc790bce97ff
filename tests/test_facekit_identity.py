"""The identity encoder: its loss against the paper's equations, its training, what it knows."""

import csv
import json
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from conftest import ROOT
from layer_checks import run_layer_test

from facekit import verification
from facekit.identity import WEIGHTS, EncoderEmbedder, load_embedder, pivot, similarity

SIZE, PEOPLE, VIEWS = 32, 8, 6
# Eyes, nose tip and mouth corners of all the patterns below.
POINTS = [[14, 18], [26, 18], [20, 25], [15, 32], [25, 32]]


@pytest.fixture(scope="session")
def small():
    """An encoder of 32 px with batch statistics that are not the ones it starts with."""
    from facekit.encoder import EncoderSettings, make_encoder

    settings = EncoderSettings(SIZE, stem=16, widths=(32, 64), blocks=(1, 1), squeeze=16)
    encoder, rng = make_encoder(settings), np.random.default_rng(0)
    # Means near 0: far from what the layers see, every ReLU would be dead and all crops alike.
    for weight in encoder.weights:
        if "moving_mean" in weight.path:
            weight.assign(rng.normal(0, 0.2, weight.shape))
        if "moving_variance" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return encoder, settings


@pytest.fixture
def crops(rng):
    return rng.integers(0, 256, (6, SIZE, SIZE, 3), dtype=np.uint8)


def write_dataset(folder, people=PEOPLE, drop=(), seed=0):
    """People as patterns of coarse squares, each view in other light and noise."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(30, 226, (people, 5, 5, 3)).repeat(8, axis=1).repeat(8, axis=2)
    who = np.repeat(np.arange(people), VIEWS)
    images = patterns[who] * rng.uniform(0.7, 1.1, (len(who), 1, 1, 1))
    images = images + rng.normal(0, 8, images.shape)
    folder.mkdir()
    np.save(folder / "images.npy", np.clip(images, 0, 255).astype(np.uint8))
    records = [{"style": "photo", "identity": int(k), "points5": POINTS} for k in who]
    records = [{k: v for k, v in record.items() if k not in drop} for record in records]
    (folder / "faces.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def test_the_encoder_is_small():
    from facekit.encoder import make_encoder

    assert make_encoder().count_params() <= 2_000_000


def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch(small, crops):
    together = small[0].predict_on_batch(crops)
    assert together.dtype == np.float32 and together.shape == (6, 128)
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-5
    alone = np.concatenate([small[0].predict_on_batch(crop[None]) for crop in crops])
    among_others = small[0].predict_on_batch(np.concatenate([crops[:1], 255 - crops[1:]]))
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[0] - among_others[0]).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 1e-3


@pytest.mark.parametrize("count", [0, 1, 2, 17, 40])
def test_any_number_of_crops_gets_the_embeddings_of_the_plain_network(small, tmp_path, rng, count):
    """The embedder pads its batches, without a trace in the results."""
    from facekit.encoder import save_encoder

    save_encoder(*small, tmp_path / "a.weights.h5")
    embedder = EncoderEmbedder(tmp_path / "a.weights.h5")
    crops = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    got = embedder.embed_crops(crops)
    assert got.shape == (count, 128) and got.dtype == np.float32
    if count:
        plain, mirrored = (
            np.asarray(embedder.network(c, training=False)) for c in (crops, crops[:, :, ::-1])
        )
        assert similarity(got, plain + mirrored).min() > 1 - 1e-5


def test_what_photographs_have_in_common_can_be_taken_off(small, photo_faces, tmp_path, call):
    from common.images import write_image
    from facekit.encoder import load_encoder, save_encoder
    from facekit.identity import main

    weights = tmp_path / "a.weights.h5"
    save_encoder(*small, weights)
    for name, (image, _) in photo_faces.items():
        write_image(image, tmp_path / "photos" / f"{name}.png")

    def embeddings():
        embedder = EncoderEmbedder(weights)
        return [embedder.embed(image, face.points5) for image, face in photo_faces.values()]

    before = np.array(embeddings())
    for _ in range(2):  # the second time comes to the same
        said, _ = call(main, tmp_path / "photos", "--weights", weights)
        assert "mean of 2 faces" in said
        after = np.array(embeddings())
        wanted = before - before.mean(0)
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        assert np.abs(after - wanted).max() < 1e-3
    assert load_encoder(weights)[1] == small[1]
    _, complaint = call(main, tmp_path / "nowhere", "--weights", weights, code=2)
    assert complaint.startswith("Error: ")


def test_crops_of_another_size_are_refused(small, tmp_path):
    from facekit.encoder import save_encoder

    save_encoder(*small, tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match=r"uint8 \(N, 32, 32, 3\)"):
        EncoderEmbedder(tmp_path / "a.weights.h5").embed_crops(np.zeros((1, 16, 16, 3), np.uint8))


def test_weights_survive_as_half_the_bytes(small, crops, tmp_path):
    from facekit.encoder import load_encoder, save_encoder

    encoder, settings = small
    save_encoder(encoder, settings, tmp_path / "new" / "a.weights.h5")
    again, its_settings = load_encoder(tmp_path / "new" / "a.weights.h5")
    assert its_settings == settings
    alike = similarity(encoder.predict_on_batch(crops), again.predict_on_batch(crops))
    assert alike.min() > 0.9999
    assert (tmp_path / "new" / "a.weights.h5").stat().st_size < 2.2 * encoder.count_params()


def test_weights_that_are_missing_or_damaged_are_named(tmp_path):
    from facekit.encoder import load_encoder

    with pytest.raises(ValueError, match="missing.*nothing.h5"):
        load_encoder(tmp_path / "nothing.h5")
    (tmp_path / "bad.h5").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="bad.h5 does not hold"):
        load_encoder(tmp_path / "bad.h5")


@pytest.mark.parametrize(
    "changes,word", [({"size": 40}, "multiple of 16"), ({"blocks": (1, 1)}, "as many widths")]
)
def test_impossible_encoders_are_refused(changes, word):
    from facekit.encoder import EncoderSettings

    with pytest.raises(ValueError, match=word):
        EncoderSettings(**changes)


def curricular(x, centres, own, t, s, m, momentum=0.99):
    """Huang et al. 2020: logits by equations 4, 5 and 7, pair by pair, and t by equation 10."""
    cosines = x @ (centres / np.linalg.norm(centres, axis=0))
    t = momentum * t + (1 - momentum) * np.mean([cosines[i, y] for i, y in enumerate(own)])
    logits = np.empty_like(cosines)
    for i, y in enumerate(own):
        theta = np.arccos(cosines[i, y])
        target = np.cos(theta + m) if theta + m < np.pi else cosines[i, y] - m * np.sin(m)
        for j, cosine in enumerate(cosines[i]):
            hard = cosine > target
            logits[i, j] = s * (target if j == y else cosine * (t + cosine) if hard else cosine)
    return logits, t


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_the_layers_keep_the_contract(rng):
    """Their arithmetic is float32 under every policy: they say so in their configuration."""
    from facekit.curricular import CurricularFace
    from facekit.encoder import UnitLength

    x = rng.normal(size=(6, 5)).astype("float32")
    run_layer_test(UnitLength, {}, (x,), (6, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    own = np.arange(6, dtype="int32") % 4
    arguments = {"people": 4, "scale": 8.0, "margin": 0.2, "momentum": 0.5}
    run_layer_test(CurricularFace, arguments, (x, own), (6, 4))


def test_curricularface_follows_the_paper_step_by_step(rng):
    from facekit.curricular import CurricularFace

    layer, t = CurricularFace(7, scale=20.0, margin=0.5), 0.0
    hard = 0
    for _ in range(4):
        x = rng.normal(size=(12, 5))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        own = rng.integers(0, 7, 12)
        got = np.asarray(layer(x.astype(np.float32), own, training=True))
        expected, t = curricular(x, np.asarray(layer.centres, float), own, t, 20.0, 0.5)
        assert np.abs(got - expected).max() < 2e-4
        assert abs(float(layer.t) - t) < 1e-6
        plain = np.asarray(layer(x.astype(np.float32), own))
        hard += (np.abs(got - plain) > 1e-3).sum() - len(own)
    assert hard > 20  # strangers were reweighted, so that branch was compared as well
    assert abs(float(layer.t) - t) < 1e-6  # which looking without training does not move


def test_the_logit_of_the_own_person_falls_with_the_angle():
    from facekit.curricular import with_margin

    cosines = np.cos(np.linspace(0.0, np.pi, 1000)).astype(np.float32)
    assert (np.diff(np.asarray(with_margin(cosines, 0.5))) < 1e-6).all()


@pytest.mark.parametrize("wrong", [{"people": 1}, {"scale": 0}, {"margin": 1.6}, {"momentum": 1}])
def test_impossible_losses_are_refused(wrong):
    from facekit.curricular import CurricularFace

    with pytest.raises(ValueError, match="Received"):
        CurricularFace(**{"people": 3, **wrong})


def test_crops_of_a_step_depend_on_the_step_alone(tmp_path):
    from facekit.augment import Augmentation
    from facekit.train_identity import batch_of, load_people, split

    people = load_people(write_dataset(tmp_path / "set"))
    (rows, own), (held, _) = split(people)
    assert len(held) == 2 * VIEWS and not set(rows) & set(held)

    def make(step):
        return batch_of(people, rows, own, Augmentation(), SIZE, 8, 3, step)

    (a, who_a), (b, who_b), (c, _) = make(5), make(5), make(6)
    assert a.dtype == np.uint8 and a.shape == (8, SIZE, SIZE, 3)
    assert (a == b).all() and (who_a == who_b).all() and (a != c).any()


def command(*words):
    return [sys.executable, "-m", "facekit.train_identity", *map(str, words)]


@pytest.fixture
def keras_policy():
    """Put the dtype policy back, which trainings set for the whole process."""
    import keras

    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.slow
def test_a_killed_training_goes_on_and_learns(tmp_path, call, keras_policy):
    """kill -9 as soon as there is a checkpoint; what --resume makes of it knows the people."""
    from facekit.train_identity import load_people, main

    folder, out = write_dataset(tmp_path / "set"), tmp_path / "run" / "a.weights.h5"
    words = ["--data", folder, "--out", out, "--size", SIZE, "--batch-size", 16, "--scale", 16]
    words += ["--steps", 80, "--margin", 0.2, "--rate", 3e-3]
    process = subprocess.Popen(command(*words, "--every", 0.5), cwd=ROOT, stdout=subprocess.DEVNULL)
    checkpoint, deadline = out.with_suffix(".checkpoint.npz"), time.monotonic() + 60
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and checkpoint.exists() and not out.exists()
    with np.load(checkpoint) as file:
        step = json.loads(str(file["progress"]))["step"]

    assert "--resume" in call(main, *words, code=2)[1]
    said, _ = call(main, *words, "--resume", "--every", 600)
    assert said.endswith("trained for 80 steps of 16.\n")
    steps = [int(row["step"]) for row in csv.DictReader(out.with_suffix(".csv").open())]
    assert 0 < step < 80 and step in steps and steps[-1] == 80
    assert not checkpoint.exists()

    people, embedder = load_people(folder), EncoderEmbedder(out)
    crops = people.images[:, 4:36, 4:36]
    learnt = people.identity < PEOPLE - 2
    same, different = verification.pair_cosines(
        embedder.embed_crops(crops[learnt]), people.identity[learnt]
    )
    assert verification.auc(same, different) > 0.8


@pytest.mark.parametrize(
    "people,drop,word",
    [
        (0, (), "make a dataset"),
        (PEOPLE, ("identity",), "identities"),
        (PEOPLE, ("points5",), "points"),
        (1, (), "at least two people"),
        (3, (), "at least four people"),
    ],
)
def test_bad_datasets_get_one_sentence_and_exit_code_2(tmp_path, call, people, drop, word):
    from facekit.train_identity import main

    folder = tmp_path / "set"
    if people:
        write_dataset(folder, people, drop)
    words = ["--data", folder, "--out", tmp_path / "run" / "a.weights.h5"]
    said, complaint = call(main, *words, code=2)
    assert said == "" and word in complaint and complaint.count("\n") == 1


def test_measures_of_verification_in_closed_form():
    same, different = np.array([0.9, 0.5, 0.3]), np.array([0.1, 0.3, 0.4, -0.2])
    assert verification.auc(same, different) == pytest.approx((4 + 4 + 2.5) / 12)
    assert verification.tar_at_far(same, different, 0.3) == (pytest.approx(2 / 3), 0.4)
    threshold, accuracy = verification.best_threshold(same, different)
    assert 0.4 <= threshold < 0.5 and accuracy == pytest.approx((2 / 3 + 1) / 2)
    with pytest.raises(ValueError, match="at least two people"):
        verification.pair_cosines(np.eye(3), [0, 1, 2])


def test_pivot_and_similarity_in_closed_form():
    assert similarity([1, 0], [[0, 1], [3, 0]]).tolist() == [0, 1]
    assert np.allclose(pivot([[1, 0], [0, 1]]), [2**-0.5, 2**-0.5])


def test_another_embedder_is_refused():
    with pytest.raises(ValueError, match="Received: 'arcface'"):
        load_embedder("arcface")


@pytest.mark.parametrize("name", ["dlib", "encoder"])
def test_a_person_in_other_light_stays_more_alike_than_other_people(name, rendered, rng):
    """What ships, on people whom it was not trained on."""
    if name == "encoder" and not WEIGHTS.is_file():
        pytest.skip("no weights yet")
    if name == "dlib":
        pytest.importorskip("dlib")
        pytest.importorskip("face_recognition_models")
    images, _, records = rendered
    images, points = images[:8], [record["points5"] for record in records[:8]]
    spoiled = np.clip(images * 0.6 + rng.normal(10, 8, images.shape), 0, 255).astype(np.uint8)
    embedder = load_embedder(name)
    a, b = (
        np.stack([embedder.embed(image, p) for image, p in zip(pictures, points, strict=True)])
        for pictures in (images, spoiled)
    )
    assert a.dtype == np.float32 and np.abs(np.linalg.norm(a, axis=1) - 1).max() < 1e-5
    alike = similarity(a[:, None], b[None])
    own = np.diag(alike)
    strangers = alike[~np.eye(len(alike), dtype=bool)]
    assert own.min() > embedder.same and own.min() > np.quantile(strangers, 0.95)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="for KERAS_BACKEND=jax")
def test_network_and_loss_run_on_jax_too():
    from facekit.encoder import EncoderSettings
    from facekit.train_identity import Training

    settings = EncoderSettings(size=16, stem=4, widths=(4, 8), blocks=(1, 1), squeeze=4)
    training = Training(3, settings, 16.0, 0.2, 0.05)
    crops = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    own = np.array([0, 1, 2, 0, 1, 2], np.int32)
    losses = [training.step(crops, own, 1e-2) for _ in range(30)]
    length = np.linalg.norm(training.embed(crops), axis=1)
    assert np.abs(length - 1).max() < 1e-5 and losses[-1] < losses[0]
    assert float(training.head.t) > 0
