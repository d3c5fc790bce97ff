"""Words, size and crop, and control: what a request of them draws, and the commands as a user runs
them, on a small run of each."""

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from conftest import (
    CONDITIONAL,
    CONTROL,
    ROOT,
    eager_training,
    finish,
    lines_of,
    start_train,
    train_run,
)
from PIL import Image
from test_resume import assert_same, checkpoint, killed_run

import sample
import train
from common.files import sha256
from ddpm import cli
from ddpm.conditions.hints import ControlImage
from ddpm.pipeline import Pipeline, Request

STEPS = 3  # of an epoch
FILE_OPTIONS = ("adapters", "weights", "list_words", "out", "each", "gif", "zoom")


@pytest.fixture(scope="module")
def hint(tmp_path_factory):
    path = tmp_path_factory.mktemp("hints") / "edges.png"
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[10:30, 10] = picture[10:30, 30] = 255
    Image.fromarray(picture).save(path)
    return path


def asked(*words):
    """The request that a command line of `sample.py` is read as."""
    options = sample.main.make_context("sample", [str(word) for word in words]).params
    return cli.read_request(**{k: v for k, v in options.items() if k not in FILE_OPTIONS})


def request(*words):
    """The same, of two pictures in three steps."""
    return asked("--n", 2, "--steps", 3, "--batch-size", 2, *words)


# --- options to a request


def test_options_are_read_as_a_request(hint, tmp_path):
    (tmp_path / "prompts.txt").write_text("# of discs\n\na red disc\na blue disc\n", "utf-8")
    found = asked(
        *("--prompts", tmp_path / "prompts.txt", "--prompt", "a green ground", "--negative", "red"),
        *("--guidance", 6, "--guidance-interval", "0.2,0.9", "--guidance-rescale", 0.5),
        *("--crop", "4,0", "--original-size", "12,13", "--target-size", "40,41", "--strict"),
        *("--control", f"canny={hint}:0.8:0-0.7", "--control", f"tile={hint}"),
        *("--control-weights", "x", "--init", hint, "--mask", hint, "--strength", 0.4),
        *("--inpaint", "project", "--sampler", "ddim", "--spacing", "uniform", "--steps", 7),
        *("--eta", 0.3, "--seed", 5, "--batch-size", 3, "--n", 2),
    )
    assert found.prompts == ("a green ground", "a red disc", "a blue disc")
    assert (found.n, found.total, found.negative, found.strict) == (2, 6, "red", True)
    assert (found.guidance, found.guidance_interval, found.guidance_rescale) == (6, (0.2, 0.9), 0.5)
    assert (found.crop, found.original_size, found.target_size) == ((4, 0), (12, 13), (40, 41))
    assert (found.sampler, found.spacing, found.steps, found.eta) == ("ddim", "uniform", 7, 0.3)
    assert (found.seed, found.batch_size, found.strength, found.inpaint) == (5, 3, 0.4, "project")
    assert found.image.shape == (40, 40, 3) and found.mask.shape == (40, 40)
    canny, tile = found.controls
    assert (canny.kind, canny.strength, canny.window) == ("canny", 0.8, (0, 0.7))
    assert (tile.kind, tile.strength, tile.window) == ("tile", 1, (0, 1))
    assert canny.name == "edges.png" and canny.sha256 == sha256(hint)


def test_options_that_are_not_given_are_those_of_an_empty_request(hint):
    found, empty = asked(), Request(n=64)
    for name in Request.__dataclass_fields__:
        assert getattr(found, name) == getattr(empty, name), name
    assert asked("--prompt", "a", "--prompt", "b").n == 6
    assert (asked("--init", hint).n, asked("--init", hint).batch_size) == (1, 1)
    assert asked("--init", hint, "--prompt", "a", "--prompt", "b").batch_size == 8
    assert asked("--init", hint, "--batch-size", 4).batch_size == 4


# --- a request to pictures, on one loaded pipeline


def test_whatever_is_asked_changes_the_pictures(pipeline, hint):
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
        "control": ("--control", f"canny={hint}:0.8:0-0.7"),
        "whole": ("--control", f"canny={hint}:0.8"),
        "stronger": ("--control", f"canny={hint}:1.6:0-0.7"),
        "two": ("--control", f"canny={hint}:0.8:0-0.7", "--control", f"tile={hint}"),
        "words and control": ("--prompt", "a red disc", "--control", f"canny={hint}"),
    }.items():
        pictures[name] = pipeline.draw(request(*words))
    same = [
        (a, b)
        for a in pictures
        for b in pictures
        if a < b and np.array_equal(pictures[a], pictures[b])
    ]
    assert same == []


def test_what_has_no_effect_changes_no_bit(pipeline, hint):
    """A control of strength 0 and a picture under all of the noise are as if they were not given;
    so is what guidance does without words, or with an interval that no step lies in."""
    silent = ("--control", f"canny={hint}:0")
    for words in ((), ("--prompt", "a red disc"), ("--crop", "4,0", "--target-size", "40,40")):
        plain = pipeline.draw(request(*words))
        for more in (silent, ("--init", hint, "--strength", 1), ("--init", hint, *silent)):
            more = (*more, "--strength", 1) if "--strength" not in more and len(more) > 2 else more
            np.testing.assert_array_equal(pipeline.draw(request(*words, *more)), plain)
    plain = pipeline.draw(request())
    np.testing.assert_array_equal(pipeline.draw(request("--guidance", 9)), plain)
    loud = request("--control", f"canny={hint}")
    with_silent = request("--control", f"canny={hint}", "--control", f"tile={hint}:0")
    np.testing.assert_array_equal(pipeline.draw(loud), pipeline.draw(with_silent))
    unguided = request("--prompt", "a red disc", "--guidance", 1)
    negative = replace(unguided, negative="blue")
    np.testing.assert_array_equal(pipeline.draw(unguided), pipeline.draw(negative))


def test_a_branch_that_is_not_asked_changes_no_bit(pipeline, conditional):
    alone = Pipeline.load(conditional, precision="float32")
    for words in ((), ("--prompt", "a red disc")):
        np.testing.assert_array_equal(alone.draw(request(*words)), pipeline.draw(request(*words)))


def test_each_picture_depends_on_its_number_alone(pipeline, hint):
    """Neither on how many there are, nor on which others are in its batch."""
    controls = (ControlImage.parse(f"canny={hint}:0.8"),)
    for few in (
        Request(n=2, steps=3, batch_size=2),
        Request(n=2, steps=3, batch_size=2, prompts=("a red disc",), controls=controls),
    ):
        first = pipeline.draw(few)
        np.testing.assert_array_equal(pipeline.draw(replace(few, n=5))[:2], first)
        np.testing.assert_array_equal(pipeline.draw(replace(few, n=1)), first[:1])
        other = pipeline.draw(replace(few, batch_size=4))
        assert np.abs(other.astype(int) - first).max() <= 2  # last bits, on the way
    assert pipeline.nfe == 2 * 3  # guided: twice a step


def test_rows_of_prompts_are_the_rows_alone(pipeline):
    """Noise goes by the copy, not by the prompt; batches go across rows."""
    prompts = ("a green ground", "a red disc", "a blue disc")
    whole = pipeline.draw(Request(n=3, prompts=prompts, steps=3, batch_size=2))
    assert len(whole) == 9
    for i, prompt in enumerate(prompts):
        row = pipeline.draw(Request(n=3, prompts=(prompt,), steps=3, batch_size=2))
        np.testing.assert_array_equal(whole[3 * i : 3 * i + 3], row)


def test_unasked_each_picture_gets_a_caption_of_the_training_set(pipeline, captioned):
    plain = Request(n=4, seed=3, steps=3, batch_size=2)
    prompts, pictures = pipeline.prompts(plain), pipeline.draw(plain)
    known = {path.read_text().strip() for path in captioned.glob("*.txt")}
    assert set(prompts) <= known and len(set(prompts)) > 1
    said = pipeline.draw(replace(plain, prompts=(prompts[1],), guidance=1.0))
    np.testing.assert_array_equal(said[1], pictures[1])
    assert not np.array_equal(pipeline.draw(replace(plain, seed=4))[0], pictures[0])
    # As soon as anything else is asked of the picture, nothing is said of it unasked.
    assert pipeline.prompts(replace(plain, prompts=("",))) == [""] * 4


def test_unknown_words_are_replaced_or_left_out_with_a_note(pipeline):
    odd = request("--prompt", "a red disc, frobnicating, on a groud")
    plain = request("--prompt", "a red disc on a ground")
    (sentence,) = pipeline.notes(odd)
    assert all(word in sentence for word in ("'groud'", "'ground'", "'frobnicating'"))
    assert pipeline.notes(plain) == []
    np.testing.assert_array_equal(pipeline.draw(odd), pipeline.draw(plain))


def test_a_photograph_given_for_edges_gets_a_note(pipeline, hint, photographs):
    picture = photographs["astronaut"]
    for kind, image, odd in (
        ("canny", picture, True),
        ("canny", np.full((40, 40, 3), 255, np.uint8), True),
        ("points", picture, True),
        ("tile", picture, False),
        ("colour", picture, False),
        ("canny", np.asarray(Image.open(hint)), False),
    ):
        notes = pipeline.notes(Request(controls=(ControlImage(kind, image, name="a.jpg"),)))
        assert len(notes) == odd, kind
        if odd:
            assert f"a.jpg does not look like a {kind} picture" in notes[0]


# --- the commands


def test_words_and_control_go_from_options_to_files(call, conditional, branch, hint, tmp_path):
    """Two prompts beside a control picture: a labelled grid, single pictures, recipes, notes."""
    picture = Image.open(hint).convert("RGB")
    photo = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(60, 200, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(photo)
    files = ("--each", tmp_path / "each", "--out", tmp_path / "g.png", "--zoom", 1)
    said, complaints = call(
        sample.main,
        *("--weights", conditional, "--control-weights", branch, "--n", 3, *files),
        *("--prompt", "a rod disc", "--prompt", "a blue disc", "--steps", 3, "--batch-size", 2),
        *("--control", f"canny={photo}", "--crop", "0,0", "--target-size", "40,40"),
    )
    assert said.startswith("6 pictures from ")
    _, notes = lines_of(complaints)
    assert len(notes) == 2
    assert all(line.startswith("Note: ") for line in notes)
    assert "rod" in notes[0] and "photo.png does not look like a canny picture" in notes[1]
    with Image.open(tmp_path / "g.png") as page:
        width, height = page.size
        label = np.asarray(page)[:, : width - 3 * 34 + 2]
        recipe = json.loads(page.text["recipe"])
    assert height == 2 * 34 - 2 and width > 250
    for row in range(2):  # each label is written at its own row
        assert (label[row * 34 : row * 34 + 32] < 128).any()
    assert recipe["prompts"] == ["a rod disc", "a blue disc"] and recipe["guidance"] == 3.0
    assert recipe["crop"] == [0, 0] and recipe["target_size"] == [40, 40]
    (control,) = recipe["controls"]
    assert (control["kind"], control["strength"], control["file"]) == ("canny", 1, "photo.png")
    assert recipe["control_sha256"] == sha256(branch / "control.weights.h5")
    with Image.open(tmp_path / "each" / "00004.png") as fifth:
        recipe = json.loads(fifth.text["recipe"])
        assert (recipe["prompt"], recipe["picture"]) == ("a blue disc", 1)
        np.testing.assert_array_equal(
            np.asarray(page := Image.open(tmp_path / "g.png"))[34:66, page.width - 66 : -34],
            np.asarray(fifth),
        )
    assert picture.size == (40, 40)


def test_unasked_the_caption_of_each_picture_is_in_its_recipe(
    call, pipeline, conditional, tmp_path
):
    words = ("--weights", conditional, "--n", 4, "--seed", 3, "--steps", 3, "--batch-size", 2)
    call(sample.main, *words, "--each", tmp_path / "each", "--out", tmp_path / "a.png")
    plain = Request(n=4, seed=3, steps=3, batch_size=2)
    for i, prompt in enumerate(pipeline.prompts(plain)):
        with Image.open(tmp_path / "each" / f"{i:05d}.png") as file:
            recipe = json.loads(file.text["recipe"])
            assert recipe["prompt"] == prompt and "captions" in recipe["prompts_from"]


def test_the_words_that_a_model_knows_are_listed(call, refused, conditional, trained):
    said, complaints = call(sample.main, "--words", "--weights", conditional)
    listed = {word for line in said.splitlines() for word in line.partition(": ")[2].split(", ")}
    assert listed == {"a", "red", "green", "blue", "disc", "on", "ground"} and complaints == ""
    assert any("red" in line and "blue" in line for line in said.splitlines())
    refused(sample.main, "--words", "--weights", trained, says="trained without words")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--prompt", "a rod disc", "--strict"), ("'rod'", "never met", "red")),
        (
            ("--prompt", "a red disc", "--negative", "glases", "--strict"),
            ("'glases'", "never met"),
        ),
        (("--prompt", "frobnicating"), ("none of the words", "'frobnicating'")),
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
def test_what_cannot_be_asked_is_one_sentence(refused, conditional, tmp_path, words, parts):
    out = tmp_path / "out.png"
    refused(sample.main, "--weights", conditional, "--out", out, *words, says=parts)
    assert not out.exists()


def test_files_that_are_not_what_they_should_be(
    refused, conditional, branch, trained, hint, tmp_path
):
    control = ("--control", f"canny={hint}")
    for words, part in (
        (("--weights", trained, "--prompt", "a red disc"), "trained without words"),
        (("--weights", trained, "--crop", "0,0"), "trained without framing"),
        (("--weights", conditional, *control), "no control branch has been trained over"),
        (
            ("--weights", conditional, *control, "--control-weights")
            + (conditional / "model.weights.h5",),
            "is a model",
        ),
        (("--weights", branch / "control.weights.h5"), "is a control branch"),
        (("--weights", trained, *control, "--control-weights", branch), "another form"),
    ):
        refused(sample.main, "--out", tmp_path / "o.png", *words, says=part)


def test_training_words_without_captions_says_what_to_do(refused, captioned, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(captioned, bare)
    for path in bare.glob("*.txt"):
        path.unlink()
    words = (*CONDITIONAL, "--data", bare, "--out", tmp_path / "run")
    refused(train.main, *words, says="no captions")
    assert not (tmp_path / "run").exists()


def test_a_branch_trains_over_a_model_that_stays_as_it_is(refused, conditional, branch):
    config = json.loads((branch / "config.json").read_text())
    assert config["base_digest"] == sha256(conditional / "model.weights.h5")
    assert config["preset"]["data"]["flip"] is False
    assert (branch / "control.weights.h5").exists() and not (branch / "model.weights.h5").exists()
    assert list((branch / "samples").glob("*.png"))
    words = ("--resume", "--out", branch)
    refused(train.main, *words, says="started with python train.py control")
    words = ("control", "--resume", "--out", conditional)
    refused(train.main, *words, says="started with python train.py;")
    words = ("--preset", "micro", "control", "--out", branch)
    refused(train.main, *words, says="behind the word control")


def arrays_of(path):
    with h5py.File(path) as file:
        arrays = {}

        def add(name, item):
            if isinstance(item, h5py.Dataset):
                arrays[name] = item[()]

        file.visititems(add)
    return arrays


@pytest.mark.slow
def test_a_branch_goes_on_over_another_model(
    call, refused, trained, conditional, branch, captioned, tmp_path
):
    # The same model a little changed: another file, other weights, the same form.
    other = tmp_path / "other.weights.h5"
    shutil.copy(conditional / "model.weights.h5", other)
    from ddpm.bundle import load_model, save_model

    model = load_model(other)
    first = model.network.trainable_variables[0]
    first.assign(np.asarray(first) + 0.01)
    save_model(model.network, model.preset, other, captions=model.captions)
    control = ("control", "--weights", other, "--data", captioned, "--epochs", 1)
    control += ("--batch-size", 8, "--sample-epochs", 0)
    with eager_training():
        run = train_run(tmp_path / "on", *control, "--start-from", branch, "--lr", "1e-9")
    old, new = (arrays_of(folder / "control.weights.h5") for folder in (branch, run))
    assert old.keys() == new.keys()
    assert all(np.allclose(old[name], new[name], atol=1e-6) for name in old)
    settings = json.loads((run / "config.json").read_text())
    assert settings["base_digest"] == sha256(other)
    words = (*control, "--out", tmp_path / "no", "--start-from")
    refused(train.main, *words, trained, says="not a control branch")
    refused(train.main, *words, tmp_path)


def test_a_model_goes_on_from_other_weights(call, refused, trained, captioned, tmp_path):
    out = tmp_path / "grown"
    words = ("--data", captioned, "--out", out, "--epochs", 1, "--precision", "float32")
    call(train.main, *CONDITIONAL, *words, "--start-from", trained, "--dry-run")
    assert not out.exists()
    words = (*CONDITIONAL, *words, "--start-from", tmp_path / "nothing")
    refused(train.main, *words, says="there is no file or folder")


@pytest.mark.slow
@pytest.mark.parametrize("which", ("words", "control"))
def test_a_kill_changes_nothing_for_words_and_control(conditional, captioned, tmp_path, which):
    """Each side in processes of its own."""
    out, whole = tmp_path / "killed", tmp_path / "whole"
    epochs = ("--epochs", 4)  # long enough to be killed on the way
    if which == "words":
        words = (*epochs, "--precision", "float32")
        first, again = (*CONDITIONAL, "--data", captioned, *words), ()
    else:
        first = ("control", "--weights", conditional, "--data", captioned, *CONTROL, *epochs)
        again = ("control",)
    finish(start_train(*first, "--out", whole))
    reached, last = killed_run(first, out, 2, 0.1), 4 * STEPS
    assert 2 <= reached < last
    finish(start_train(*again, "--resume", "--out", out, "--save-minutes", 0))
    assert_same(checkpoint(out, last), checkpoint(whole, last))
