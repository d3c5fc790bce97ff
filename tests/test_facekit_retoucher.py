"""The retoucher: pairs of renders, training, what it changes and what it leaves alone."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from common.images import read_image, write_image
from data.blemishes import blemished, main, render_pair, retouched
from data.people.person import sample_person
from facekit import cover, masks, parsing, train_retoucher
from facekit.augment_parts import PartsAugmentation
from facekit.parsing import PART
from facekit.retoucher import UNIT, Retoucher
from facekit.train_retoucher import (
    FIELDS,
    FORM,
    Training,
    alike,
    batch_of,
    load_pairs,
    spotted,
)

SIZE = 64
POINTS = [[26, 28], [38, 28], [32, 35], [27, 41], [37, 41]]
STILL = PartsAugmentation(
    point_jitter=0, closer=0, zoom=0, stretch=0, shift=0, turn=0, mirror=0, light=0, lamps=0,
    shadow=0, colour=0, grey=0, small=0, blur=0, noise=0, jpeg=0,
)  # fmt: skip


def tiny():
    from facekit.unet import UNetSettings

    return UNetSettings(SIZE, classes=3, stem=8, widths=(16, 24), blocks=(1, 1))


def write_set(folder, n=24):
    """Faces of one tone with dark spots, and without."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    after = np.full((n, SIZE, SIZE, 3), (200, 150, 130), np.uint8)
    before = after.copy()
    for image in before:
        for y, x in rng.integers(8, SIZE - 8, (6, 2)):
            image[y - 2 : y + 3, x - 2 : x + 3] = 90
    labels = np.full((n, SIZE, SIZE), PART["skin"], np.uint8)
    labels[:, :, :20] = PART["hair"]
    for name, values in (("images", before), ("retouched", after), ("labels", labels)):
        np.save(folder / f"{name}.npy", values)
    records = [{"identity": i, "points5": POINTS} for i in range(n)]
    (folder / "faces.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "dataset.json").write_text(json.dumps({"parts": list(parsing.PARTS[:-1])}))
    return folder


def test_retouching_takes_blemishes_and_leaves_the_face():
    rng = np.random.default_rng(4)
    person = sample_person(rng)
    spotted = blemished(person, rng)
    assert len(spotted.marks) >= len(person.marks)
    clean = retouched(spotted)
    assert clean.marks == () and clean.lines < spotted.lines and clean.shadows < spotted.shadows
    assert clean.complexion.blotches < spotted.complexion.blotches
    same = ("shape", "skin", "freckles", "eyes", "hair_colour", "cuts", "seed", "brows")
    assert all(getattr(clean, name) == getattr(spotted, name) for name in same)
    assert replace(clean.complexion, scar=(), blotches=1, nasolabial=1) == replace(
        spotted.complexion, scar=(), blotches=1, nasolabial=1
    )


def test_a_rendered_pair_differs_on_the_skin_alone():
    from data.light.render import Renderer

    before, after = render_pair(Renderer(96), 3, 0)
    assert (before.labels == after.labels).all()
    apart = np.abs(before.image.astype(int) - after.image).max(-1)
    skin = np.isin(before.labels, [PART[name] for name in ("skin", "nose", "lips", "neck", "ears")])
    assert (apart[skin] > 1).mean() > 0.2
    far = ~np.isin(before.labels, [PART[name] for name in ("skin", "nose", "lips", "neck")])
    assert (apart[far] > 1).mean() < 0.05  # soft edges beside the skin


def test_the_command_writes_pairs(tmp_path, call):
    call(main, "--n", 20, "--size", 32, "--out", tmp_path / "pairs")
    pairs = load_pairs(tmp_path / "pairs")
    assert pairs.after.shape == (20, 32, 32, 3)
    assert len(pairs.rows(held=True)) == 1 and len(pairs.rows(held=False)) == 19
    assert (pairs.after != pairs.before.images).any()


def test_a_folder_that_is_there_is_left_alone(tmp_path, refused):
    (tmp_path / "images.npy").write_text("mine")
    refused(main, "--n", 20, "--size", 32, "--out", tmp_path, says="is there already")
    assert (tmp_path / "images.npy").read_text() == "mine"


def test_both_pictures_of_a_pair_are_spoiled_alike(tmp_path, monkeypatch):
    pairs = load_pairs(write_set(tmp_path / "set"))
    monkeypatch.setattr(train_retoucher, "spotted", lambda image, *_: image)
    image, wanted = alike(pairs, 0, np.random.default_rng(0), SIZE, STILL, SIZE)
    assert image.shape == (SIZE, SIZE, 3) and wanted.shape == (SIZE, SIZE, 4)
    spots = (image == 90).all(-1)
    skin = wanted[..., 3] == 1
    assert (spots & skin).any()
    np.testing.assert_array_equal(wanted[spots & skin][0, :3], (110, 60, 40))
    assert not wanted[~skin][..., :3].any()
    noisy = replace(STILL, noise=1.0)
    image, wanted = alike(pairs, 0, np.random.default_rng(0), SIZE, noisy, SIZE)
    assert image.std() > 2 and (np.abs(wanted[..., :3]).max(-1) <= 1).mean() > 0.7
    packed, same = alike(pairs, 0, np.random.default_rng(0), SIZE, replace(noisy, jpeg=1.0), SIZE)
    np.testing.assert_array_equal(same, wanted)
    assert (packed != image).mean() > 0.5


def test_parts_are_cut_where_there_is_skin(tmp_path):
    pairs = load_pairs(write_set(tmp_path / "set"))
    skinned = []
    for i in range(20):
        image, wanted = alike(pairs, i, np.random.default_rng(i), SIZE, STILL, SIZE // 4)
        assert image.shape == (SIZE // 4, SIZE // 4, 3) and wanted.shape[:2] == image.shape[:2]
        skinned.append((wanted[..., 3] == 1).any())
    assert np.mean(skinned) > 0.9


def test_spots_are_painted_on_skin_alone():
    image = np.full((SIZE, SIZE, 3), 200, np.uint8)
    labels = np.full((SIZE, SIZE), PART["hair"], np.uint8)
    labels[10:50, 10:50] = PART["skin"]
    made = [spotted(image, labels, POINTS, np.random.default_rng(i)) for i in range(6)]
    changed = np.mean([(one != image).any(-1) for one in made], 0)
    assert not changed[labels != PART["skin"]].any() and changed[labels == PART["skin"]].max() > 0
    assert all((one <= image).all() for one in made)
    assert spotted(image, 0 * labels, POINTS, np.random.default_rng(0)) is image


def test_training_takes_spots_away(tmp_path):
    pairs = load_pairs(write_set(tmp_path / "set"))
    keras.utils.set_random_seed(0)
    training = Training(tiny())
    batch = batch_of(pairs, np.arange(8), STILL, SIZE, 8, 0, 0)
    losses = [training.step(*batch, 4e-3, i) for i in range(160)]
    assert losses[-1] < 0.5 * losses[0] and training.left(*batch) < 0.8
    again = batch_of(pairs, np.arange(8), STILL, SIZE, 8, 0, 0)
    assert all((a == b).all() for a, b in zip(batch, again, strict=True))


@pytest.fixture
def brighter(tmp_path):
    """A retoucher that makes all skin ten levels brighter."""
    from facekit.unet import make_unet, save_unet

    values = make_unet(tiny()).get_weights()
    values[-2:] = [np.zeros_like(values[-2]), np.full_like(values[-1], 10 / UNIT)]
    save_unet(values, tiny(), tmp_path / "brighter.weights.h5")
    return Retoucher(tmp_path / "brighter.weights.h5")


def test_only_the_skin_changes_and_by_the_strength(brighter, photo_faces):
    image, face = photo_faces["astronaut"]
    image = np.clip(image, 0, 240).astype(np.uint8)
    skin = masks.regions(face, image.shape)["skin"]
    full, half = (brighter(image, face, skin, share) for share in (1.0, 0.5))
    np.testing.assert_array_equal(full[skin == 0], image[skin == 0])
    for made, by in ((full, 10), (half, 5)):
        apart = made.astype(int) - image
        assert np.abs(apart[skin == 1] - by).max() <= 1
    np.testing.assert_array_equal(brighter(image, face, skin, 0.0), image)
    with pytest.raises(ValueError, match="strength"):
        brighter(image, face, skin, 1.5)


def test_a_parser_is_no_retoucher(tmp_path):
    from facekit.unet import make_unet, save_unet

    settings = replace(tiny(), classes=15)
    save_unet(make_unet(settings).get_weights(), settings, tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="train_retoucher"):
        Retoucher(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="retoucher's weights are missing"):
        Retoucher(tmp_path / "none.weights.h5")


def test_hair_glasses_and_beard_are_not_skin(photo_faces, monkeypatch, tmp_path):
    image, face = photo_faces["astronaut"]
    whole = masks.regions(face, image.shape)["skin"]
    monkeypatch.setattr(parsing, "WEIGHTS", tmp_path)
    there = np.zeros(image.shape[:2], np.float32)
    there[int(face.points5[3, 1]) :] = 1
    for part in ("facial hair", "hair", "glasses", "hat", "occluder", "skin"):
        monkeypatch.setattr(
            parsing, "part_masks", lambda _, __, names, p=part: {n: there * (n == p) for n in names}
        )
        bare = cover.bare_skin(image, face)
        assert bare[there == 1].any() == (part == "skin") and whole[there == 1].any()
        np.testing.assert_array_equal(bare[there == 0], whole[there == 0])


def test_the_commands_train_resume_and_retouch(tmp_path, monkeypatch, call, refused, brighter):
    from facekit import retoucher
    from facekit.__main__ import main as facekit

    for name, value in {"stem": 8, "widths": (16, 24), "blocks": (1, 1)}.items():
        monkeypatch.setitem(FORM, name, value)
    folder = write_set(tmp_path / "set")
    words = ["train_retoucher", "--data", folder, "--out", tmp_path / "run", "--batch-size", 1]
    call(facekit, *words, "--steps", 2)
    call(facekit, *words, "--steps", 3, "--resume")
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert log[0].split(",") == list(FIELDS) and [r.split(",")[0] for r in log[1:]] == ["2", "3"]
    assert Retoucher(tmp_path / "run" / "retoucher.weights.h5").settings.classes == 3
    monkeypatch.setattr(retoucher, "default_retoucher", lambda: brighter)
    write_image(np.full((90, 90, 3), 99, np.uint8), tmp_path / "wall.png")
    out = tmp_path / "out"
    refused(facekit, "retouch", tmp_path / "wall.png", "--out", out, says="no face found")
    assert not list(out.glob("*.png"))


def test_a_face_is_retouched_by_the_command(tmp_path, monkeypatch, call, brighter, photo_faces):
    from facekit import retoucher
    from facekit.__main__ import main as facekit

    image, face = photo_faces["astronaut"]
    write_image(image, tmp_path / "a.png")
    monkeypatch.setattr(retoucher, "default_retoucher", lambda: brighter)
    call(facekit, "retouch", tmp_path / "a.png", "--out", tmp_path / "out", "--blemishes", 1)
    made = read_image(tmp_path / "out" / "a.png").astype(int) - image
    skin = masks.regions(face, image.shape)["skin"] == 1
    assert np.median(made[skin]) == 10 and (made[:50] == 0).all()


def test_folders_without_pairs_get_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="make them with"):
        load_pairs(tmp_path)
    folder = write_set(tmp_path / "set", n=3)
    with pytest.raises(ValueError, match="at least 20 pairs"):
        load_pairs(folder)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="for KERAS_BACKEND=jax")
def test_the_retoucher_runs_on_jax_too(tmp_path):
    test_training_takes_spots_away(tmp_path)
