"""`train.py inpaint` and `sample.py --init --mask`, as a user runs them."""

import json

import numpy as np
import pytest
from conftest import train_run
from PIL import Image
from test_portrait import _other_profile

import sample
import train
from common.images import read_image
from ddpm.bundle import load_model, read_preset
from ddpm.pipeline import Pipeline, Request

EPOCHS = 2


@pytest.fixture(scope="module")
def inpainter(trained, discs, tmp_path_factory):
    out = tmp_path_factory.mktemp("inpaint") / "run"
    words = ("inpaint", "--weights", trained, "--data", discs, "--epochs", EPOCHS)
    words += ("--precision", "float32", "--batch-size", 8, "--sample-epochs", 0)
    return train_run(out, *words)


@pytest.fixture(scope="module")
def inpainting(inpainter):
    return Pipeline.load(inpainter, precision="float32")


@pytest.fixture
def photo(tmp_path):
    """The folder of a picture and its mask, whose pixels are squares of 4: the model's are 32."""
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (32, 48, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
    Image.fromarray(picture).save(tmp_path / "photo.png")
    mask = np.zeros((128, 192), np.uint8)
    mask[32:80, 64:128] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def drawn(folder):
    return np.stack([np.asarray(Image.open(p)) for p in sorted((folder / "each").glob("*.png"))])


def source(folder):
    """The picture's middle square at the model's size."""
    return np.asarray(Image.open(folder / "photo.png"))[2::4, 34:160:4]


def test_a_run_of_its_own_that_goes_on_from_the_model(inpainter, trained):
    preset, before = read_preset(inpainter), read_preset(trained)
    assert "inpaint" in preset.network.conditions and not before.network.conditions
    assert json.loads((inpainter / "config.json").read_text())["task"] == "inpaint"
    old, new = load_model(trained).network, load_model(inpainter).network
    assert new.count_params() > old.count_params()
    assert np.abs(new.condition_stem.get_weights()[0]).max() > 0  # it has learned to look


HOLE = np.zeros((32, 32), bool)
HOLE[8:20, 8:24] = True


@pytest.mark.parametrize("method", ["project", "repaint", "network"])
def test_what_lies_outside_the_mask_stays_bit_for_bit(inpainting, photo, method):
    mask = np.asarray(Image.open(photo / "mask.png"))
    request = Request(
        n=2,
        image=read_image(photo / "photo.png"),
        mask=mask,
        inpaint=method,
        steps=3,
        batch_size=2,
    )
    pictures, small = inpainting.draw(request), source(photo)
    assert pictures.shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(pictures[:, ~HOLE], np.stack([small[~HOLE]] * 2))
    assert np.abs(pictures[0].astype(int) - pictures[1])[HOLE].mean() > 1
    recipe = inpainting.recipe(request)
    assert recipe["inpaint"] == method and recipe["strength"] == 1
    assert recipe["sampler"] == ("repaint" if method == "repaint" else "dpmpp_2m")


def test_a_photo_and_its_mask_go_from_files_to_files(call, inpainter, photo):
    where = ("--init", photo / "photo.png", "--mask", photo / "mask.png", "--steps", 3)
    files = ("--each", photo / "each", "--out", photo / "g.png", "--gif", photo / "g.gif")
    call(sample.main, "--weights", inpainter, "--n", 2, *where, *files)
    pictures, picture = drawn(photo), read_image(photo / "photo.png")
    hole = read_image(photo / "mask.png")[..., 0] > 0
    assert pictures.shape == (2, 128, 192, 3)  # the photo's own size
    np.testing.assert_array_equal(pictures[:, ~hole], np.stack([picture[~hole]] * 2))
    assert np.abs(pictures[0].astype(int) - pictures[1])[hole].mean() > 1
    recipe = json.loads(Image.open(photo / "g.png").text["recipe"])
    assert recipe["init"] == "photo.png" and recipe["mask"] == "mask.png"
    assert recipe["inpaint"] == "network"  # what the model was trained to, unless another is named
    # There is no face: half a mask's longer side round the mask of 64 x 48, which begins at 64, 32.
    assert recipe["square"] == [0, 32, 128]
    assert Image.open(photo / "g.png").size == (2 * 192 + 2, 128)
    assert Image.open(photo / "g.gif").size[1] < 32 * 16  # the square, as the model sees it


def test_a_photo_keeps_its_own_colours_where_nothing_is_painted(call, trained, photo):
    """Its pixels mean what its profile says; they go through it only where they are painted."""
    picture = np.asarray(Image.open(photo / "photo.png"))
    profile = _other_profile()
    Image.fromarray(picture).save(photo / "own.png", icc_profile=profile)
    assert np.abs(read_image(photo / "own.png").astype(int) - picture).mean() > 10
    hole = read_image(photo / "mask.png")[..., 0] > 0
    words = ("--init", photo / "own.png", "--mask", photo / "mask.png", "--steps", 1)
    words += ("--each", photo / "each", "--out", photo / "o.png")
    call(sample.main, "--weights", trained, *words)
    for file in (photo / "o.png", photo / "each" / "00000.png"):
        with Image.open(file) as result:
            assert (
                result.info["icc_profile"] == profile
                and "a part of it" in result.text["Comment"].lower()
            )
            np.testing.assert_array_equal(np.asarray(result)[~hole], picture[~hole])


def test_padding_and_whole_choose_the_square(call, trained, photo):
    words = ("--weights", trained, "--init", photo / "photo.png", "--steps", 1)
    words += ("--out", photo / "o.png", "--strength", 0.5)
    mask = ("--mask", photo / "mask.png")
    for more, square in (
        ((*mask, "--padding", 0), [24, 64, 64]),
        ((*mask, "--padding", 0.25), [8, 48, 96]),
        ((*mask, "--whole"), [0, 32, 128]),
        (("--whole",), [0, 32, 128]),
    ):
        call(sample.main, *words, *more)
        with Image.open(photo / "o.png") as result:
            assert json.loads(result.text["recipe"])["square"] == square
            assert result.size == (192, 128)  # one picture, as large as the photo


def test_a_photo_without_a_face_or_mask_is_painted_in_its_middle(call, trained, photo):
    words = ("--weights", trained, "--init", photo / "photo.png", "--steps", 2)
    complaints = call(sample.main, *words, "--out", photo / "o.png")[1]
    assert "no face found" in complaints and "its middle square is painted" in complaints
    result, picture = read_image(photo / "o.png"), read_image(photo / "photo.png")
    np.testing.assert_array_equal(result[:, :32], picture[:, :32])
    np.testing.assert_array_equal(result[:, 160:], picture[:, 160:])
    assert np.abs(result.astype(int) - picture)[:, 40:150].mean() > 5


def test_strength_says_where_to_begin(inpainting, photo):
    picture = read_image(photo / "photo.png")
    found = {None: inpainting.draw(Request(n=2, batch_size=2))}
    for strength in (0.2, 0.6, 1):
        request = Request(n=2, image=picture, strength=strength, batch_size=2)
        found[strength] = inpainting.draw(request)
    np.testing.assert_array_equal(found[1], found[None])  # noise alone: nothing of it is seen
    assert np.abs(found[0.2].astype(int) - found[0.6]).mean() > 1
    assert np.abs(found[0.6].astype(int) - found[1]).mean() > 1
    plain = Request(n=2, image=picture, batch_size=2)
    np.testing.assert_array_equal(inpainting.draw(plain), found[0.6])  # the default
    assert inpainting.visited(plain) < inpainting.visited(Request())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--mask", "mask.png"), "--mask needs a picture"),
        (("--strength", "0.5"), "--strength needs a picture"),
        (("--init", "photo.png", "--strength", "nan"), "--strength must be a number"),
        (("--init", "photo.png", "--inpaint", "project"), "--inpaint needs to know where"),
        (("--init", "none.png"), "no picture to begin with"),
        (("--init", "text.png"), "cannot be read"),
        (("--init", "photo.png", "--mask", "small.png"), "make them the same"),
        (("--init", "photo.png", "--mask", "black.png"), "is white nowhere"),
        (
            ("--init", "photo.png", "--mask", "side.png", "--whole"),
            "lies outside the picture's middle square",
        ),
        (("--whole",), "--whole needs a picture"),
        (("--init", "photo.png", "--padding", "1"), "--padding is the margin round a mask"),
        (
            ("--init", "photo.png", "--mask", "mask.png", "--padding", "1", "--whole"),
            "leave --whole",
        ),
        (("--face", "photo.png"), "was trained without identities; leave --face away"),
        (("--face", "00001.png", "--each", "."), "00001.png would be written over"),
        (("--init", "photo.png", "--out", "photo.png"), "photo.png would be written over"),
        (("--init", "00001.png", "--each", "."), "00001.png would be written over"),
        (("--control", "canny=photo.png:0.5", "--out", "photo.png"), "photo.png would be written"),
        (
            ("--init", "photo.png", "--mask", "mask.png", "--inpaint", "network"),
            "train it with: python train.py inpaint",
        ),
    ],
)
def test_what_cannot_be_painted_is_one_sentence(
    refused, trained, photo, monkeypatch, words, sentence
):
    monkeypatch.chdir(photo)
    (photo / "text.png").write_text("no picture")
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save("small.png")
    black = np.zeros((128, 192), np.uint8)
    Image.fromarray(black).save("black.png")
    black[:, :20] = 255
    Image.fromarray(black).save("side.png")
    (photo / "00001.png").write_bytes((photo / "photo.png").read_bytes())
    before = {path: path.read_bytes() for path in photo.glob("*.png")}
    refused(sample.main, "--weights", trained, *words, says=sentence)
    assert {path: path.read_bytes() for path in photo.glob("*.png")} == before


def test_a_run_goes_on_with_the_command_that_began_it(call, refused, inpainter, trained):
    words = ("--resume", "--out", inpainter)
    refused(train.main, *words, says="was started with python train.py inpaint")
    words = ("inpaint", "--resume", "--out", trained)
    refused(train.main, *words, says="was started with python train.py;")
    assert "is finished" in call(train.main, "inpaint", "--resume", "--out", inpainter)[0]
