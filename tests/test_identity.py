"""Who is it: the network, its loss against the paper's equations, its training, both makers."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from conftest import ROOT

from facekit import identity
from facekit.align import align
from facekit.train_identity import batch_of, learning_rate, load_people, split, verification_auc


@pytest.fixture(scope="module")
def keras_():
    import keras

    return keras


def test_the_encoder_is_small_and_gives_unit_vectors(keras_, rng):
    from facekit.encoder import make_encoder

    encoder = make_encoder()
    assert encoder.count_params() <= 2_000_000
    crops = rng.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    found = np.asarray(encoder(crops, training=False))
    assert found.shape == (3, 128) and found.dtype == np.float32
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-5
    alone = np.concatenate(
        [np.asarray(encoder(crops[i : i + 1], training=False)) for i in range(3)]
    )
    assert np.abs(found - alone).max() < 1e-4  # crops do not see each other


def test_weights_go_to_disk_and_back(keras_, rng, tmp_path):
    from facekit.encoder import EncoderSettings, load_encoder, make_encoder, save_encoder

    settings = EncoderSettings(size=32, stem=8, widths=(8, 16), blocks=(1, 1), dimensions=24)
    encoder = make_encoder(settings)
    save_encoder(encoder, settings, tmp_path / "new" / "a.h5")
    again, read = load_encoder(tmp_path / "new" / "a.h5")
    crops = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    a, b = (np.asarray(one(crops, training=False)) for one in (encoder, again))
    assert read == settings and np.abs(a - b).max() < 0.02 and (a * b).sum(1).min() > 0.999
    with pytest.raises(ValueError, match="missing"):
        load_encoder(tmp_path / "none.h5")
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="does not hold"):
        load_encoder(tmp_path / "broken.h5")


def curricular_in_numpy(cosines, labels, t, s, m):
    """Equations 4, 5, 7 and 10 of the paper, one row at a time."""
    own = cosines[np.arange(len(labels)), labels]
    t = 0.99 * t + 0.01 * own.mean()
    result = np.empty_like(cosines)
    for row, (label, cosine) in enumerate(zip(labels, own, strict=True)):
        target = np.cos(np.arccos(cosine) + m)
        for person, other in enumerate(cosines[row]):
            hard = other > target
            result[row, person] = s * (other * (t + other) if hard else other)
        result[row, label] = s * target
    return result, t


def test_curricularface_is_the_papers(keras_, rng):
    from facekit.curricular import CurricularFace

    head = CurricularFace(7, scale=48.0, margin=0.4)
    vectors = rng.normal(0, 1, (12, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels, t = rng.integers(0, 7, 12), 0.0
    for _ in range(3):
        logits = np.asarray(head(vectors, labels.astype("int32"), training=True))
        centres = np.asarray(head.centres)
        centres = centres / np.linalg.norm(centres, axis=0)
        wanted, t = curricular_in_numpy(vectors @ centres, labels, t, 48.0, 0.4)
        assert np.abs(logits - wanted).max() < 2e-3
        assert abs(float(head.t) - t) < 1e-5
    plain = np.asarray(head(vectors, labels.astype("int32"), training=False))
    assert np.abs(plain - 48 * vectors @ centres).max() < 1e-3


def test_the_target_falls_over_the_whole_half_circle(keras_):
    from facekit.curricular import with_margin

    cosines = np.linspace(1, -1, 400).astype(np.float32)
    moved = np.asarray(with_margin(cosines, 0.5))
    assert (np.diff(moved) < 1e-6).all() and moved[0] == pytest.approx(np.cos(0.5), abs=1e-3)


def test_auc_is_the_share_of_pairs_in_order():
    vectors = np.eye(3)[[0, 0, 1, 1]]
    assert verification_auc(vectors, np.array([0, 0, 1, 1])) == 1
    assert verification_auc(vectors, np.array([0, 1, 0, 1])) == pytest.approx(0.25)
    assert verification_auc(np.ones((4, 2)) / 2**0.5, np.array([0, 0, 1, 1])) == 0.5


def test_the_rate_rises_and_falls():
    rates = [learning_rate(p, 1.0) for p in np.linspace(0, 1, 101)]
    assert rates[0] < 0.01 and max(rates) > 0.99 and rates[-1] < 1e-6
    assert np.argmax(rates) in (3, 4)


def write_people(folder, people=8, each=4, size=64):
    """A dataset of discs in the place of faces: each person a pattern, each picture a light."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True)
    images, lines = [], []
    points5 = np.array([[22, 26], [42, 26], [32, 37], [24, 49], [40, 49]], float)
    for person in range(people):
        pattern = cv2.resize(rng.integers(30, 220, (5, 5, 3), dtype=np.uint8), (size, size))
        for _ in range(each):
            light = pattern * rng.uniform(0.7, 1.2) + rng.normal(0, 4, pattern.shape)
            images.append(np.clip(light, 0, 255).astype(np.uint8))
            record = {"identity": person, "style": "photo", "points5": points5.tolist()}
            lines.append(json.dumps(record))
    np.save(folder / "images.npy", np.stack(images))
    (folder / "faces.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people") / "d")


def test_people_held_out_are_not_learned_from(dataset):
    people = load_people(dataset)
    (rows, identity), (held_rows, held_identity) = split(people)
    assert len(rows) + len(held_rows) == len(people) == 32
    assert not set(people.identity[rows]) & set(people.identity[held_rows])
    assert set(identity) == set(range(6)) and set(held_identity) == {0, 1}


def test_a_step_sees_the_same_crops_whenever_it_is_made(dataset):
    from facekit.augment import Augmentation

    people = load_people(dataset)
    (rows, identity), _ = split(people)
    args = people, rows, identity, Augmentation(), 48, 6
    crops, own = batch_of(*args, seed=1, step=9)
    again, _ = batch_of(*args, seed=1, step=9)
    other, _ = batch_of(*args, seed=1, step=10)
    assert crops.shape == (6, 48, 48, 3) and crops.dtype == np.uint8 and own.shape == (6,)
    assert (crops == again).all() and (crops != other).any()


def train(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "facekit.train_identity", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


SMALL = ("--size", 48, "--batch-size", 16, "--rate", 3e-3, "--margin", 0.2, "--scale", 16)


def test_training_learns_and_survives_a_kill(dataset, tmp_path):
    out = tmp_path / "w.weights.h5"
    words = ("--data", dataset, "--out", out, "--steps", 60, "--every", 0, *SMALL)
    first = train(*words)
    log = out.with_suffix(".csv")
    deadline = time.time() + 240
    while not (log.exists() and len(log.read_text().splitlines()) > 12):
        assert first.poll() is None and time.time() < deadline, first.communicate()
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not out.exists()
    checkpoint = out.with_suffix(".checkpoint.npz")
    with np.load(checkpoint) as saved:
        at = json.loads(str(saved["progress"]))["step"]
    assert at >= 10
    _, complaint = train(*words).communicate(timeout=240)  # not without being told
    assert "--resume" in complaint and checkpoint.exists()
    second = train(*words, "--resume")
    said, complaint = second.communicate(timeout=400)
    assert second.returncode == 0, complaint
    rows = [line.split(",") for line in log.read_text().splitlines()[1:]]
    steps = [int(row[0]) for row in rows]
    assert steps[-1] == 60 and not checkpoint.exists() and out.exists()
    assert min(s for s in steps[steps.index(max(s for s in steps if s <= at)) + 1 :]) > at
    losses = [float(row[2]) for row in rows if float(row[2])]
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:4])


@pytest.mark.parametrize("case", ["missing", "nameless", "alone", "few"])
def test_datasets_that_do_not_do_are_told(case, tmp_path):
    from click.testing import CliRunner

    from facekit.train_identity import main

    folder = tmp_path / "d"
    if case != "missing":
        write_people(folder, people={"alone": 1, "few": 3}.get(case, 8))
    if case == "nameless":
        lines = (folder / "faces.jsonl").read_text().replace('"identity"', '"name"')
        (folder / "faces.jsonl").write_text(lines)
    result = CliRunner().invoke(main, ["--data", str(folder), "--out", str(tmp_path / "w.h5")])
    assert result.exit_code == 2 and result.output.startswith("Error: ")
    assert len(result.output.splitlines()) == 1 and not (tmp_path / "w.h5").exists()


def alike_pairs(maker, photo_faces, rendered):
    """Cosines of a face with itself in another light, and with other people."""
    images, _, records = rendered
    faces = [(image, record["points5"]) for image, record in zip(images[:8], records, strict=False)]
    faces += [(image, face.points5) for image, face in photo_faces.values()]
    plain = np.array([maker.embed(image, points) for image, points in faces])
    dim = np.array(
        [
            maker.embed(np.uint8(cv2.GaussianBlur(image, (0, 0), 0.8) * 0.7), points)
            for image, points in faces
        ]
    )
    assert np.abs(np.linalg.norm(plain, axis=1) - 1).max() < 1e-5
    every = plain @ dim.T
    return np.diag(every), every[~np.eye(len(every), dtype=bool)]


@pytest.mark.parametrize("name", identity.MAKERS)
def test_both_makers_tell_people_apart(name, photo_faces, rendered):
    if name not in identity.available():
        pytest.skip(f"{name} is not on this machine")
    maker = identity.embedder(name)
    assert maker is identity.embedder(name) and maker.dimensions == 128
    same, different = alike_pairs(maker, photo_faces, rendered)
    assert same.min() > maker.same and np.mean(different < maker.same) > 0.9
    assert np.median(same) > 0.8


def test_the_shipped_encoder_is_what_its_card_says():
    if "encoder" not in identity.available():
        pytest.skip("the weights are not in this clone")
    maker = identity.embedder("encoder")
    assert maker.network.count_params() <= 2_000_000
    assert identity.WEIGHTS.stat().st_size < 5_000_000


def test_a_mirrored_face_is_the_same_person(photo_faces):
    if "encoder" not in identity.available():
        pytest.skip("the weights are not in this clone")
    image, face = photo_faces["hopper"]
    crop = align(image, face.points5).image
    plain, mirrored = identity.embedder("encoder").embed_crops(np.stack([crop, crop[:, ::-1]]))
    assert np.abs(plain - mirrored).max() < 1e-5


def test_the_middle_of_embeddings_and_wrong_names(rng):
    vectors = rng.normal(0, 1, (5, 128))
    middle = identity.pivot(vectors)
    assert middle == pytest.approx(vectors.mean(0) / np.linalg.norm(vectors.mean(0)), abs=1e-6)
    assert identity.similarity(vectors, vectors) == pytest.approx(np.ones(5))
    assert identity.similarity(vectors[0], -vectors[0]) == pytest.approx(-1)
    with pytest.raises(ValueError, match="one of auto"):
        identity.embedder("fingerprint")
