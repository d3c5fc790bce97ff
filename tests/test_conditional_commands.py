"""The commands for words, framing and control, as a user runs them: on a small run of each."""

import json
import shutil
import signal

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, finish, start_train, train_run
from PIL import Image
from test_resume import assert_same, checkpoint, kill_after

import sample
import train
from ddpm.run import file_digest

NAMES = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (40, 60, 200)}
TOLD = ("--preset", "tiny_told", "--batch-size", "8", "--save-minutes", "0", "--sample-epochs", "0")
EPOCHS, STEPS = 4, 3


@pytest.fixture(scope="module")
def captioned(tmp_path_factory):
    """24 discs of several sizes of file, each with its caption beside it."""
    folder = tmp_path_factory.mktemp("captioned") / "discs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        name, ground = rng.choice(list(NAMES), 2)
        height, width = rng.integers(24, 90, 2)
        y, x = np.mgrid[:height, :width]
        disc = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 3
        picture = np.where(disc[..., None], NAMES[name], NAMES[ground]).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{i:02d}.png")
        (folder / f"{i:02d}.txt").write_text(f"A {name} disc, on a {ground} ground.\n")
    return folder


@pytest.fixture(scope="module")
def told(captioned, tmp_path_factory):
    words = ("--data", captioned, "--epochs", EPOCHS, "--precision", "float32")
    return train_run(tmp_path_factory.mktemp("told") / "run", *TOLD, *words)


@pytest.fixture(scope="module")
def branch(told, captioned, tmp_path_factory):
    words = ("control", "--weights", told, "--data", captioned, *CONTROL)
    return train_run(tmp_path_factory.mktemp("branch") / "run", *words)


CONTROL = ("--epochs", EPOCHS, "--batch-size", 8, "--save-minutes", 0, "--sample-epochs", EPOCHS)


@pytest.fixture(scope="module")
def hint(tmp_path_factory):
    path = tmp_path_factory.mktemp("hints") / "edges.png"
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[10:30, 10] = picture[10:30, 30] = 255
    Image.fromarray(picture).save(path)
    return path


def call(command, *words):
    result = CliRunner().invoke(command, [str(word) for word in words])
    return result.exit_code, result.output


def draw(*words, code=0):
    reached, said = call(sample.main, "--steps", 3, "--batch-size", 2, *words)
    assert reached == code, said
    return said


def refused(said):
    lines = [line for line in said.splitlines() if line.startswith("Error")]
    assert len(lines) == 1 and "Traceback" not in said
    return lines[0]


def test_words_framing_and_control_reach_the_picture_and_its_recipe(told, branch, hint, tmp_path):
    base = ("--weights", told, "--n", 2, "--each", tmp_path / "each", "--out", tmp_path / "a.png")
    draw(*base)  # the first drawing of a process may differ from later ones in its last bits
    pictures = {}
    for name, words in {
        "plain": ("--prompt", ""),
        "unasked": (),
        "words": ("--prompt", "a red disc", "--guidance", 6),
        "negative": ("--prompt", "a red disc", "--negative", "blue", "--guidance", 6),
        "unguided": ("--prompt", "a red disc", "--guidance", 1),
        "interval": ("--prompt", "a red disc", "--guidance", 6, "--guidance-interval", "0.6,1"),
        "rescale": ("--prompt", "a red disc", "--guidance", 6, "--guidance-rescale", 1),
        "crop": ("--crop", "4,0", "--target-size", "40,40"),
        "small": ("--original-size", "12,12"),
        "control": ("--control", f"canny={hint}:0.8:0-0.7", "--control-weights", branch),
        "silent": ("--control", f"canny={hint}:0", "--control-weights", branch),
    }.items():
        draw(*base, *words)
        pictures[name] = [
            np.asarray(Image.open(tmp_path / "each" / f"0000{i}.png")) for i in (0, 1)
        ]
    same = [
        (a, b)
        for a in pictures
        for b in pictures
        if a < b and np.array_equal(pictures[a], pictures[b])
    ]
    assert same == [("plain", "silent")]
    draw(*base, "--prompt", "a red disc", "--control", f"canny={hint}", "--control-weights", branch)
    with Image.open(tmp_path / "a.png") as picture:
        recipe = json.loads(picture.text["recipe"])
    assert recipe["prompts"] == ["a red disc"] and recipe["guidance"] == 3.0
    assert recipe["crop"] == [0, 0] and recipe["target_size"] == [32, 32]
    assert recipe["controls"][0]["kind"] == "canny" and recipe["controls"][0]["strength"] == 1
    assert len(recipe["control_sha256"]) == 12


def test_unasked_each_picture_is_told_a_caption_of_the_training_set(told, captioned, tmp_path):
    base = ("--weights", told, "--n", 4, "--each", tmp_path / "each", "--out", tmp_path / "a.png")
    draw(*base, "--seed", 3)
    prompts, pictures = [], []
    for i in range(4):
        with Image.open(tmp_path / "each" / f"{i:05d}.png") as file:
            prompts.append(json.loads(file.text["recipe"])["prompt"])
            pictures.append(np.asarray(file))
    known = {path.read_text().strip() for path in captioned.glob("*.txt")}
    assert set(prompts) <= known and len(set(prompts)) > 1
    draw(*base, "--seed", 3, "--prompt", prompts[1], "--guidance", 1)
    asked = np.asarray(Image.open(tmp_path / "each" / "00001.png"))
    assert np.array_equal(asked, pictures[1])
    draw(*base, "--seed", 4)
    with Image.open(tmp_path / "each" / "00000.png") as file:
        assert not np.array_equal(np.asarray(file), pictures[0])


def test_several_prompts_make_a_labelled_grid_of_the_same_noise(told, tmp_path):
    (tmp_path / "prompts.txt").write_text("# of discs\n\na red disc\na blue disc\n", "utf-8")
    words = ("--weights", told, "--n", 3, "--each", tmp_path / "each", "--out", tmp_path / "g.png")
    said = draw(*words, "--prompts", tmp_path / "prompts.txt", "--prompt", "a green ground")
    assert "9 pictures" in said
    with Image.open(tmp_path / "g.png") as page:
        width, height = page.size
        label = np.asarray(page)[:, : width - 3 * 34 + 2]
        assert json.loads(page.text["recipe"])["prompts"][1] == "a red disc"
    assert height == 3 * 34 - 2 and width > 250
    for row in range(3):  # each label is written at its own row
        assert (label[row * 34 : row * 34 + 32] < 128).any()
    # The first row alone is the same pictures: noise goes by the copy, not by the prompt.
    whole = np.asarray(Image.open(tmp_path / "each" / "00004.png"))
    draw(*words, "--prompt", "a red disc")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "each" / "00001.png")), whole)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--prompt", "a rod disc"), ("'rod'", "never met", "red")),
        (("--prompt", "a red disc", "--negative", "glases"), ("'glases'", "never met")),
        (("--prompt", "red " * 48), ("at most 47 words", "48 words")),
        (("--prompts", "nowhere.txt"), ("nowhere.txt", "No such file")),
        (("--crop", "4"), ("--crop is TOP,LEFT", "'4'")),
        (("--crop", "4,4"), ("does not lie within", "36,36")),
        (("--target-size", "16,64"), ("at least 32,32",)),
        (("--original-size", "0,5"), ("--original-size is HEIGHT,WIDTH", "1 to")),
        (("--guidance-interval", "1,0"), ("must rise",)),
        (("--guidance", "nan", "--prompt", "red"), ("nan",)),
        (("--control", "edges.png"), ("KIND=FILE", "'edges.png'")),
        (("--control", "depth=a.png"), ("unknown kind", "canny, colour, tile, points")),
        (("--control", "canny=none.png"), ("there is no control picture none.png",)),
        (("--control", f"canny={ROOT / 'README.md'}"), ("cannot be read", "image viewer")),
        (("--control-weights", "x"), ("--control",)),
    ],
)
def test_what_cannot_be_told_is_one_sentence(told, tmp_path, words, parts):
    out = tmp_path / "out.png"
    code, said = call(sample.main, "--weights", told, "--out", out, *words)
    assert code == 2 and not out.exists()
    if "Usage" not in said:
        said = refused(said)
    assert all(part in said for part in parts), said


def test_files_that_are_not_what_they_should_be(told, branch, trained, hint, tmp_path):
    control = ("--control", f"canny={hint}")
    for words, part in (
        (("--weights", trained, "--prompt", "a red disc"), "trained without words"),
        (("--weights", trained, "--crop", "0,0"), "trained without framing"),
        (("--weights", told, *control), "no control branch has been trained over"),
        (
            ("--weights", told, *control, "--control-weights", told / "model.weights.h5"),
            "is a model",
        ),
        (("--weights", branch / "control.weights.h5"), "is a control branch"),
        (("--weights", trained, *control, "--control-weights", branch), "another form"),
    ):
        code, said = call(sample.main, "--out", tmp_path / "o.png", *words)
        assert code == 2 and part in refused(said)


def test_training_words_without_captions_says_what_to_do(captioned, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(captioned, bare)
    for path in bare.glob("*.txt"):
        path.unlink()
    code, said = call(train.main, *TOLD, "--data", bare, "--out", tmp_path / "run")
    assert code == 2 and "no captions" in refused(said) and not (tmp_path / "run").exists()


def test_a_branch_trains_over_a_model_that_stays_as_it_is(told, branch):
    config = json.loads((branch / "config.json").read_text())
    assert config["over"] and config["preset"]["flip"] is False
    assert (branch / "control.weights.h5").exists() and not (branch / "model.weights.h5").exists()
    assert list((branch / "samples").glob("*.png"))
    code, said = call(train.main, "--resume", "--out", branch)
    assert code == 2 and "started with python train.py control" in refused(said)
    code, said = call(train.main, "control", "--resume", "--out", told)
    assert code == 2 and "started with python train.py;" in refused(said)
    code, said = call(train.main, "--preset", "tiny", "control", "--out", branch)
    assert code == 2 and "behind the word control" in refused(said)


def test_a_branch_goes_on_over_another_model(trained, told, branch, captioned, tmp_path):
    # The same model after more steps: another file, other weights, the same form.
    words = ("--start-from", told, "--data", captioned, "--epochs", 1)
    other = train_run(tmp_path / "model", *TOLD, *words)
    control = ("control", "--weights", other, "--data", captioned, *CONTROL)
    run = train_run(tmp_path / "on", *control, "--start-from", branch, "--lr", "1e-9")
    old, new = (load_control_arrays(folder) for folder in (branch, run))
    assert all(np.allclose(old[name], new[name], atol=1e-6) for name in old)
    settings = json.loads((run / "config.json").read_text())
    assert settings["over"] == file_digest(other / "model.weights.h5")
    code, said = call(train.main, *control, "--out", tmp_path / "no", "--start-from", trained)
    assert code == 2 and "not a control branch" in refused(said)
    code, said = call(train.main, *control, "--out", tmp_path / "no", "--start-from", tmp_path)
    assert code == 2 and refused(said)


def load_control_arrays(folder):
    with h5py.File(folder / "control.weights.h5") as file:
        arrays = {}

        def add(name, item):
            if isinstance(item, h5py.Dataset):
                arrays[name] = item[()]

        file.visititems(add)
    return arrays


def test_a_model_goes_on_from_other_weights(trained, told, captioned, tmp_path):
    out = tmp_path / "grown"
    words = ("--data", captioned, "--out", out, "--epochs", 1, "--precision", "float32")
    code, said = call(train.main, *TOLD, *words, "--start-from", trained, "--dry-run")
    assert code == 0 and not out.exists()
    code, said = call(train.main, *TOLD, *words, "--start-from", tmp_path / "nothing")
    assert code == 2 and "there is no file or folder" in refused(said)


@pytest.mark.parametrize("which", (pytest.param("words", marks=pytest.mark.slow), "control"))
def test_a_kill_changes_nothing_for_words_and_control(told, branch, captioned, tmp_path, which):
    out = tmp_path / "killed"
    if which == "words":
        whole, first = (
            told,
            (*TOLD, "--data", captioned, "--epochs", EPOCHS, "--precision", "float32"),
        )
        again = ()
    else:
        whole, first = branch, ("control", "--weights", told, "--data", captioned, *CONTROL)
        again = ("control",)
    process = start_train(*first, "--out", out)
    reached = kill_after(process, out, 2, 0.1)
    assert 2 <= reached < EPOCHS * STEPS and process.returncode == -signal.SIGKILL
    finish(start_train(*again, "--resume", "--out", out, "--save-minutes", 0))
    assert_same(checkpoint(out, EPOCHS * STEPS), checkpoint(whole, EPOCHS * STEPS))
