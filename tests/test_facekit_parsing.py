"""The face parser: part maps, augmentation that moves them with the pixels, network, training."""

import json

import keras
import numpy as np
import pytest
from layer_checks import run_layer_test

from facekit import occlusions
from facekit.augment_parts import PartsAugmentation, cut
from facekit.parsing import (
    PART,
    PARTS,
    UNKNOWN,
    Parser,
    confusion,
    intersection_over_union,
    label_table,
)
from facekit.train_parser import FIELDS, Training, batch_of, class_weights, load_labelled

SIZE = 64
POINTS = np.array([[26, 28], [38, 28], [32, 35], [27, 41], [37, 41]], float)
COLOURS = np.random.default_rng(5).integers(0, 256, (256, 3)).astype(np.uint8)


def tiny():
    from facekit.unet import UNetSettings

    return UNetSettings(SIZE, stem=8, widths=(16, 24), blocks=(1, 1))


def patterned():
    """A part map of blocks, and a picture that shows each part in its own colour."""
    labels = np.random.default_rng(3).integers(0, 13, (4, 4)).repeat(16, 0).repeat(16, 1)
    return COLOURS[labels], labels.astype(np.uint8)


def write_set(folder, people=8):
    from data.shape.parts import PARTS as RENDERED

    folder.mkdir()
    made = [patterned() for _ in range(people)]
    np.save(folder / "images.npy", np.stack([image for image, _ in made]))
    np.save(folder / "labels.npy", np.stack([labels for _, labels in made]))
    records = [{"identity": i, "points5": POINTS.tolist()} for i in range(people)]
    (folder / "faces.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "dataset.json").write_text(json.dumps({"parts": list(RENDERED)}))
    return folder


def test_parts_are_the_renderers_and_the_occluder():
    from data.shape.parts import PARTS as RENDERED

    assert PARTS == (*RENDERED, "occluder") and len(PARTS) == 15
    assert label_table(RENDERED)[: len(RENDERED)].tolist() == list(range(len(RENDERED)))
    assert label_table(["hat", "skin"])[:2].tolist() == [PART["hat"], PART["skin"]]
    with pytest.raises(ValueError, match="scarf"):
        label_table(["scarf"])


def test_the_part_map_moves_with_the_pixels():
    image, labels = patterned()
    augmentation = PartsAugmentation(stretch=0.2, turn=30)
    for seed in range(8):
        matrix = augmentation.matrix(POINTS, np.random.default_rng(seed), SIZE)
        moved, found = cut(image, labels, matrix, SIZE)
        wrong = np.abs(COLOURS[found].astype(int) - moved).max(-1) > 40
        known = found != UNKNOWN
        assert known.any() and wrong[known].mean() < 0.25  # the edges of blocks alone


@pytest.mark.parametrize("kind", occlusions.KINDS)
def test_parts_change_only_where_something_is_painted(kind):
    image, labels = np.full((SIZE, SIZE, 3), 120, np.uint8), np.ones((SIZE, SIZE), np.uint8)
    part = {"strands": "hair", "glasses": "glasses"}.get(kind.__name__, "occluder")
    changed = 0
    for seed in range(10):
        painted, found = kind(image, labels, POINTS, np.random.default_rng(seed))
        again, same = kind(image, labels, POINTS, np.random.default_rng(seed))
        assert (painted == again).all() and (found == same).all()
        assert set(np.unique(found)) <= {1, PART[part]}
        there = found == PART[part]
        untouched = (painted == image).all(-1)
        assert not there.any() or untouched[there].mean() < 0.1
        changed += there.sum()
    assert changed > 0 and (image == 120).all() and (labels == 1).all()


def test_intersection_over_union_in_closed_form():
    truth = np.array([0, 0, 1, 1, UNKNOWN], np.uint8)
    found = np.array([0, 1, 1, 1, 7], np.uint8)
    ious = intersection_over_union(confusion(truth, found))
    assert ious[:2].tolist() == [0.5, 2 / 3] and np.isnan(ious[2:]).all()


def test_the_shipped_architecture_is_small():
    from facekit.unet import make_unet

    network = make_unet()
    assert network.count_params() <= 3_000_000 and network.output_shape == (None, 256, 256, 15)


def test_layers_keep_the_contract(rng):
    from facekit.unet import ToPixels

    x = rng.normal(size=(2, 4, 4, 8)).astype("float32")
    run_layer_test(ToPixels, {}, (x,), (2, 8, 8, 2))


def test_a_resumed_training_has_the_same_weights_and_training_learns(tmp_path):
    data = load_labelled(write_set(tmp_path / "set"))
    rows, plain = np.arange(8), PartsAugmentation(hide=0, light=0, lamps=0, shadow=0, colour=0)

    def started():
        keras.utils.set_random_seed(0)
        return Training(tiny(), class_weights(data, rows))

    def train(training, steps):
        for step in steps:
            training.step(*batch_of(data, rows, plain, SIZE, 4, 0, step), 5e-3, step)

    whole, first = started(), started()
    train(whole, range(4))
    train(first, range(2))
    first.save(tmp_path / "a.npz", {"step": 2})
    second = started()
    assert second.load(tmp_path / "a.npz") == {"step": 2}
    train(second, range(2, 4))
    for a, b in zip(whole.averages, second.averages, strict=True):
        assert np.allclose(a, b, atol=1e-5)
    train(whole, range(4, 60))
    squares, labels = batch_of(data, rows, plain, SIZE, 4, 1, 0)
    assert np.nanmean(whole.measure(squares, labels)) > 0.25
    (tmp_path / "a.npz").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="delete it"):
        second.load(tmp_path / "a.npz")


def test_weights_that_are_missing_or_damaged_get_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="missing; train them with"):
        Parser(tmp_path / "none.h5")
    (tmp_path / "bad.h5").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="bad.h5 does not hold a face parser"):
        Parser(tmp_path / "bad.h5")


def test_the_part_map_has_the_size_of_the_picture(tmp_path, rng):
    from facekit.unet import make_unet, save_unet

    save_unet(make_unet(tiny()).get_weights(), tiny(), tmp_path / "a.h5")
    parser, image = Parser(tmp_path / "a.h5"), rng.integers(0, 256, (90, 130, 3), dtype=np.uint8)
    labels = parser.labels(image, POINTS)
    assert labels.shape == (90, 130) and labels.dtype == np.uint8 and labels.max() < 15
    assert (labels[:, 110:] == 0).all()
    masks = parser.masks(image, POINTS, PARTS)
    total = sum(masks.values())
    assert total.shape == (90, 130) and np.abs(total - 1).max() < 2e-2


def test_a_training_goes_on_from_one_on_smaller_squares(tmp_path, monkeypatch, call):
    from facekit import unet
    from facekit.__main__ import main
    from facekit.unet import UNetSettings

    form = {"stem": 8, "widths": (16, 24), "blocks": (1, 1)}
    monkeypatch.setattr(
        unet, "UNetSettings", lambda **given: UNetSettings(**{**form, **given}), raising=True
    )
    folder, half, whole = write_set(tmp_path / "set", 24), tmp_path / "half", tmp_path / "whole"
    words = ["train_parser", "--data", folder, "--epochs", 1, "--batch-size", 8]
    call(main, *words, "--size", 32, "--out", half)
    words += ["--seed", 1, "--start-from", half / "parser.weights.h5", "--rate", 1e-9]
    call(main, *words, "--out", whole, "--size", 64)
    first, second = (Parser(path / "parser.weights.h5") for path in (half, whole))
    assert (first.settings.size, second.settings.size) == (32, 64)
    for a, b in zip(first.network.get_weights(), second.network.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-3)


def test_bad_datasets_get_one_sentence(tmp_path, refused):
    from facekit.__main__ import main

    words = ["train_parser", "--data", tmp_path, "--out", tmp_path / "run"]
    refused(main, *words, says="make a dataset")
    assert not list(tmp_path.glob("run/*.csv"))
    assert FIELDS[-1] == "occluder"


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="for KERAS_BACKEND=jax")
def test_the_parser_runs_on_jax_too():
    training = Training(tiny(), np.ones(15, np.float32))
    image, labels = patterned()
    losses = [training.step(image[None], labels[None], 5e-3, i) for i in range(8)]
    assert losses[-1] < losses[0]
