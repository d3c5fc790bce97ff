"""`train.py inpaint` and `sample.py --init --mask`, as a user runs them."""

import json

import numpy as np
import pytest
from conftest import train_run
from PIL import Image
from test_told_commands import call, draw, refused

import train
from ddpm.run import load_weights, read_preset

EPOCHS = 2


@pytest.fixture(scope="module")
def inpainter(trained, discs, tmp_path_factory):
    out = tmp_path_factory.mktemp("inpaint") / "run"
    words = ("inpaint", "--weights", trained, "--data", discs, "--epochs", EPOCHS)
    return train_run(out, *words, "--precision", "float32", "--batch-size", 8)


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
    assert preset.inpainting and not before.inpainting
    assert json.loads((inpainter / "config.json").read_text())["task"] == "inpaint"
    old, new = load_weights(trained).network, load_weights(inpainter).network
    assert new.count_params() > old.count_params()
    assert np.abs(new.known.get_weights()[0]).max() > 0  # it has learned to look


@pytest.mark.parametrize("method", ["project", "repaint", "network"])
def test_what_lies_outside_the_mask_stays_bit_for_bit(inpainter, photo, method):
    words = ("--weights", inpainter, "--n", 2, "--each", photo / "each", "--out", photo / "g.png")
    where = ("--init", photo / "photo.png", "--mask", photo / "mask.png", "--inpaint", method)
    draw(*words, *where)
    pictures = drawn(photo)
    small = source(photo)
    hole = np.zeros((32, 32), bool)
    hole[8:20, 8:24] = True
    assert pictures.shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(pictures[:, ~hole], np.stack([small[~hole]] * 2))
    assert np.abs(pictures[0].astype(int) - pictures[1])[hole].mean() > 1
    recipe = json.loads(Image.open(photo / "g.png").text["recipe"])
    assert recipe["inpaint"] == method and recipe["init"] == "photo.png"
    assert recipe["sampler"] == ("repaint" if method == "repaint" else "dpmpp_2m")


def test_strength_says_where_to_begin(trained, photo):
    words = ("--weights", trained, "--n", 2, "--each", photo / "each", "--out", photo / "g.png")
    draw(*words)  # the first drawing of a process may differ from later ones in its last bits
    found = {}
    for strength in (None, 0.2, 0.6, 1):
        where = ("--init", photo / "photo.png", "--strength", strength) if strength else ()
        draw(*words, *where, "--steps", 10)
        found[strength] = drawn(photo)
    np.testing.assert_array_equal(found[1], found[None])  # noise alone: nothing of it is seen
    assert np.abs(found[0.2].astype(int) - found[0.6]).mean() > 1
    assert np.abs(found[0.6].astype(int) - found[1]).mean() > 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--mask", "mask.png"), "--mask needs a picture"),
        (("--strength", "0.5"), "--strength needs a picture"),
        (("--init", "photo.png", "--inpaint", "project"), "--inpaint needs to know where"),
        (("--init", "none.png"), "no picture to begin with"),
        (("--init", "text.png"), "cannot be read"),
        (("--init", "photo.png", "--mask", "small.png"), "make them the same"),
        (("--init", "photo.png", "--mask", "black.png"), "is white nowhere"),
        (("--init", "photo.png", "--mask", "side.png"), "is white outside the picture's middle"),
        (("--init", "photo.png", "--out", "photo.png"), "photo.png would be written over"),
        (("--init", "00001.png", "--each", "."), "00001.png would be written over"),
        (
            ("--init", "photo.png", "--mask", "mask.png", "--inpaint", "network"),
            "train it with: python train.py inpaint",
        ),
    ],
)
def test_what_cannot_be_painted_is_one_sentence(trained, photo, monkeypatch, words, sentence):
    monkeypatch.chdir(photo)
    (photo / "text.png").write_text("no picture")
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save("small.png")
    black = np.zeros((128, 192), np.uint8)
    Image.fromarray(black).save("black.png")
    black[:, :20] = 255
    Image.fromarray(black).save("side.png")
    (photo / "00001.png").write_bytes((photo / "photo.png").read_bytes())
    before = {path: path.read_bytes() for path in photo.glob("*.png")}
    assert sentence in refused(draw("--weights", trained, *words, code=2))
    assert {path: path.read_bytes() for path in photo.glob("*.png")} == before


def test_a_run_goes_on_with_the_command_that_began_it(inpainter, trained, discs, tmp_path):
    code, said = call(train.main, "--resume", "--out", inpainter)
    assert code == 2 and "was started with python train.py inpaint" in refused(said)
    code, said = call(train.main, "inpaint", "--resume", "--out", trained)
    assert code == 2 and "was started with python train.py;" in refused(said)
    code, said = call(train.main, "inpaint", "--resume", "--out", inpainter)
    assert code == 0 and "is finished" in said
