"""The two commands: what they make, and what they say when they cannot."""

import errno
import io
import json
import shlex
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import (
    EPOCHS,
    STEPS,
    check_progress,
    draw_discs,
    eager_training,
    invoke,
    lines_of,
    names,
    start,
)
from PIL import Image

import sample
import train
from common import devices
from ddpm import bundle
from ddpm.pipeline import Pipeline, Request
from ddpm.training.trainer import Trainer


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the trained run that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


@pytest.fixture
def no_training(monkeypatch):
    """Stand in for the training itself; what was asked for is noted."""
    asked = []

    def fit(self, images, epochs, save_seconds=300.0, quiet=False, build=None, watch=None):
        asked.append((self.step, epochs, save_seconds))
        return True

    monkeypatch.setattr(Trainer, "fit", fit)
    return asked


@pytest.fixture
def no_drawing(monkeypatch):
    """Stand in for the drawing itself: every picture is black."""

    def draw(self, request, observe=None):
        return np.zeros((request.total, self.size, self.size, 3), np.uint8)

    monkeypatch.setattr(Pipeline, "draw", draw)


# train.py


def test_a_run_leaves_what_a_run_folder_holds(trained):
    held = names(trained)
    assert {"config.json", "log.csv", "model.weights.h5"} <= set(held)
    assert [n for n in held if n.startswith("checkpoint/")] == [
        f"checkpoint/step-{s:08d}.npz" for s in (EPOCHS * STEPS - 1, EPOCHS * STEPS)
    ]
    assert any(name.startswith("events/") for name in held)
    assert not any("partial" in name for name in held)
    config = json.loads((trained / "config.json").read_text())
    assert config["precision"] == "float32"
    assert config["preset"]["run"]["batch_size"] == 8


def test_samples_and_losses_are_shown_in_tensorboard(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "events"), size_guidance={"images": 0}).Reload()
    assert {"loss", "learning_rate", "images_per_second"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("loss")] == [
        STEPS * (epoch + 1) for epoch in range(EPOCHS)
    ]
    (event,) = events.Images("samples")
    assert event.step == EPOCHS * STEPS
    (path,) = (trained / "samples").glob("*.png")
    shown = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    np.testing.assert_array_equal(shown, np.asarray(Image.open(path)))


def test_a_dry_run_writes_nothing(call, discs, tmp_path):
    words = ("--preset", "tiny", "--data", discs, "--out", tmp_path / "r", "--dry-run")
    said, _ = call(train.main, *words)
    assert "24 pictures of 32 px" in said and "M parameters" in said
    assert names(tmp_path) == []


def test_a_batch_larger_than_the_set_shrinks_to_it(call, discs, tmp_path, no_training):
    words = ("--preset", "tiny", "--data", discs, "--batch-size", 99, "--epochs", 2)
    said, _ = call(train.main, *words, "--out", tmp_path / "r")
    assert "the batch size is 24" in said
    assert no_training == [(0, 2, 300)]


@pytest.mark.parametrize(
    "words, parts",
    [
        (
            ["--preset", "huge"],
            ["unknown preset 'huge'", "tiny, tiny_conditional, classic64, faces64"],
        ),
        (["--data", "NONE"], ["NONE"]),
        (["--data", "EMPTY"], ["EMPTY"]),
        (["--data", "FILE"], ["FILE"]),
    ],
)
def test_what_cannot_be_trained_is_refused(refused, tmp_path, words, parts):
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("hello")
    words = [tmp_path / word if word.isupper() else word for word in words]
    before = names(tmp_path)
    defaults = [] if "--preset" in words else ["--preset", "tiny"]
    refused(train.main, *defaults, *words, "--out", tmp_path / "run", says=parts)
    assert names(tmp_path) == before


def test_a_folder_with_nothing_readable_names_each_file(call, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "text.png").write_text("hello")
    (broken / "empty.jpg").write_bytes(b"")
    words = ("--preset", "tiny", "--data", broken, "--out", tmp_path / "run")
    _, complaints = call(train.main, *words, code=2)
    assert "Error: " in complaints
    assert "text.png" in complaints or "2" in complaints
    assert not (tmp_path / "run").exists()


def test_unreadable_files_are_named_and_skipped(call, tmp_path):
    folder = draw_discs(tmp_path / "mixed", 4)
    (folder / "text.png").write_text("hello")
    (folder / "an\x1b[31m\nodd one.png").write_text("hello")
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:60])
    words = ("--preset", "tiny", "--data", folder, "--out", tmp_path / "run", "--dry-run")
    said, complaints = call(train.main, *words)
    assert "4 pictures" in said
    for name in ("text.png", "cut.png", r"an\x1b[31m\nodd one.png"):
        assert f"Skipped {name}: " in complaints
    assert complaints.count("\n") == 3 and "\x1b" not in complaints


def test_captions_that_a_preset_cannot_use_are_mentioned(call, captioned, tmp_path):
    words = ("--preset", "tiny", "--data", captioned, "--out", tmp_path / "run", "--dry-run")
    _, complaints = call(train.main, *words)
    assert complaints.startswith("Note: 24 captions beside the pictures will not be used")
    assert "--preset portraits64" in complaints


@pytest.mark.parametrize(
    "words",
    [
        ["--epochs", "0"],
        ["--epochs", "many"],
        ["--batch-size", "0"],
        ["--lr", "0"],
        ["--lr", "nan"],
        ["--lr", "inf"],
        ["--save-minutes", "nan"],
        ["--seed", "-1"],
        ["--precision", "float16"],
        ["--colour", "red"],
    ],
)
def test_values_out_of_range_are_refused(call, tmp_path, words):
    _, complaints = call(train.main, "--preset", "tiny", "--out", tmp_path / "run", *words, code=2)
    assert "Error: " in complaints and words[0] in complaints
    assert names(tmp_path) == []


def times(folder):
    return {name: (folder / name).stat().st_mtime_ns for name in names(folder)}


def test_a_folder_that_holds_a_run_is_not_overwritten(refused, trained, discs):
    before = times(trained)
    words = ("--preset", "micro", "--data", discs, "--out", trained)
    refused(train.main, *words, says=[trained, "--resume", "--out"])
    assert times(trained) == before


@pytest.mark.parametrize(
    "words",
    [
        ["--preset", "classic64"],
        ["--data", "elsewhere"],
        ["--batch-size", "4"],
        ["--lr", "0.1"],
        ["--precision", "bfloat16"],
        ["--seed", "7"],
    ],
)
def test_a_run_does_not_change_its_settings_on_the_way(refused, trained, words):
    base = [] if words[0] == "--preset" else ["--preset", "micro"]
    refused(train.main, *base, "--resume", "--out", trained, *words, says=[words[0], trained])


def test_saying_again_what_a_finished_run_was_started_with_is_no_conflict(call, trained, discs):
    before = times(trained)
    words = ("--preset", "micro", "--data", discs, "--batch-size", 8, "--precision", "float32")
    said, _ = call(train.main, *words, "--seed", 0, "--lr", 0.002, "--resume", "--out", trained)
    assert f"is finished: {EPOCHS} epochs" in said and "--epochs" in said
    assert times(trained) == before


def test_resuming_takes_the_preset_from_the_run(call, trained):
    assert "is finished" in call(train.main, "--resume", "--out", trained)[0]


def test_changed_pictures_are_noticed(refused, copy, tmp_path):
    config = json.loads((copy / "config.json").read_text())
    changed = draw_discs(tmp_path / "changed", 24)
    Image.new("RGB", (40, 40)).save(changed / "07.png")
    config["options"]["data"] = str(changed)
    (copy / "config.json").write_text(json.dumps(config))
    refused(train.main, "--preset", "micro", "--resume", "--out", copy, says=[changed, "--out"])


@pytest.mark.parametrize("content", ("{", "[]", '{"format": 0}', "{}", '{"format": 1}'))
def test_a_damaged_config_stops_a_resume(refused, copy, discs, no_training, content):
    (copy / "config.json").write_text(content)
    words = ("--preset", "micro", "--data", discs, "--resume", "--out", copy)
    refused(train.main, *words, says="config.json")
    assert no_training == []


def test_a_run_that_is_not_there_cannot_go_on(refused, discs, tmp_path, no_training):
    words = ("--preset", "tiny", "--data", discs, "--out", tmp_path / "TYPO", "--resume")
    refused(train.main, *words, says=["there is no run in", tmp_path / "TYPO", "--out"])
    assert names(tmp_path) == [] and no_training == []


def test_resuming_with_nothing_there_says_so_and_starts(call, discs, tmp_path, no_training):
    (tmp_path / "run").mkdir()
    words = ("--preset", "tiny", "--data", discs, "--out", tmp_path / "run", "--resume")
    said, _ = call(train.main, *words, "--epochs", 3)
    assert said.count("Nothing saved") == 1 and "afresh" in said
    assert no_training == [(0, 3, 300)]


def test_resuming_before_the_first_checkpoint_says_so_and_starts(call, copy, no_training):
    shutil.rmtree(copy / "checkpoint")
    said, _ = call(train.main, "--preset", "micro", "--resume", "--out", copy)
    assert said.count("Nothing saved") == 1 and "afresh" in said
    assert no_training == [(0, EPOCHS, 300)]


def test_more_epochs_go_on_where_the_run_ended(call, copy, no_training):
    words = ("--preset", "micro", "--resume", "--out", copy, "--epochs", EPOCHS + 2)
    assert f"Resuming at step {EPOCHS * STEPS}" in call(train.main, *words)[0]
    assert no_training == [(EPOCHS * STEPS, EPOCHS + 2, 300)]
    config = json.loads((copy / "config.json").read_text())
    assert config["preset"]["run"]["epochs"] == EPOCHS + 2


def test_a_damaged_checkpoint_is_mentioned(call, copy, no_training):
    newest = max((copy / "checkpoint").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1000])
    _, complaints = call(train.main, "--preset", "micro", "--resume", "--out", copy)
    assert newest.name in complaints and "the one before" in complaints
    assert no_training == [(EPOCHS * STEPS - 1, EPOCHS, 300)]


def test_a_checkpoint_of_another_model_stops_a_resume(refused, copy):
    config = json.loads((copy / "config.json").read_text())
    config["preset"]["network"]["widths"] = [64]
    (copy / "config.json").write_text(json.dumps(config))
    words = ("--preset", "micro", "--resume", "--out", copy)
    refused(train.main, *words, says="belongs to another model")


def test_a_full_disk_is_one_sentence(refused, discs, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Trainer, "fit", full)
    words = ("--preset", "tiny", "--data", discs, "--out", tmp_path / "run")
    refused(train.main, *words, says=["the disk is full", "--resume"])


@pytest.mark.slow
def test_a_disk_that_fills_up_is_one_sentence_and_leaves_nothing_half_written(discs, small_disk):
    """In a process of its own: writers in threads and at the exit complain there as well."""
    words = ("--preset", "micro", "--data", discs, "--epochs", 1, "--sample-epochs", 0)
    process = start("train.py", *words, "--out", small_disk / "run")
    _, complaints = process.communicate(timeout=600)
    assert process.returncode == 2
    assert lines_of(complaints)[1] == [
        "Error: the disk is full; what was saved before is safe. Make room and add --resume."
    ]
    assert not any("partial" in name for name in names(small_disk))


def test_ctrl_c_saves_and_says_how_to_go_on(call, discs, tmp_path, monkeypatch):
    from ddpm.training.callbacks import Progress

    advance = Progress.on_train_batch_end

    def interrupted(self, batch, logs=None):
        advance(self, batch, logs)
        if self.bar.n == 4:
            signal.raise_signal(signal.SIGINT)

    out = tmp_path / "a run"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
    with monkeypatch.context() as patched, eager_training():
        patched.setattr(Progress, "on_train_batch_end", interrupted)
        words = ("--preset", "micro", "--data", discs, "--batch-size", 8, "--epochs", 2)
        said, _ = call(train.main, *words, "--sample-epochs", 0, "--out", out, code=130)
    assert "saved at step 4" in said
    assert names(out / "checkpoint") == ["step-00000004.npz"]
    assert (out / "model.weights.h5").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    _, _, command = said.partition("python train.py ")
    with eager_training():
        said, _ = call(train.main, *shlex.split(command))
    assert "Resuming at step 4" in said and "Done" in said
    assert "step-00000006.npz" in names(out / "checkpoint")
    assert len((out / "log.csv").read_text().splitlines()) == 1 + 2


# sample.py


@pytest.fixture(scope="module")
def sampled(trained, tmp_path_factory):
    """A folder with a grid, single pictures and an animation of the trained run."""
    folder = tmp_path_factory.mktemp("sampled")
    words = ("--n", 5, "--steps", 4, "--batch-size", 4, "--seed", 3, "--weights", trained)
    files = ("--out", folder / "a" / "grid.png", "--each", folder / "each", "--gif")
    invoke(sample.main, *words, *files, folder / "b" / "noise.gif", "--zoom", 1)
    return folder


def test_sampling_makes_a_grid_pictures_and_an_animation(sampled):
    assert names(sampled) == sorted(
        ["a", "a/grid.png", "b", "b/noise.gif", "each", *(f"each/{i:05d}.png" for i in range(5))]
    )
    pictures = [np.asarray(Image.open(sampled / "each" / f"{i:05d}.png")) for i in range(5)]
    page = np.asarray(Image.open(sampled / "a" / "grid.png"))
    assert all(picture.shape == (32, 32, 3) for picture in pictures)
    assert page.shape == (2 * 34 - 2, 3 * 34 - 2, 3)
    assert np.array_equal(page[34:66, 34:66], pictures[4])
    assert np.all(page[34:, 68:] == 255)
    with Image.open(sampled / "b" / "noise.gif") as gif:
        assert gif.n_frames in (4, 5)  # the writer joins the last two, which are alike
        gif.seek(gif.n_frames - 1)
        last = np.asarray(gif.convert("RGB"), np.float32)
    assert np.abs(last - page).mean() < 12  # up to the palette, it ends on the pictures


def test_a_picture_carries_its_recipe(sampled, trained):
    import hashlib

    digest = hashlib.sha256((trained / "model.weights.h5").read_bytes()).hexdigest()
    expected = {"sampler": "dpmpp_2m", "steps": 4, "seed": 3, "spacing": "karras"}
    for path, more in ((sampled / "a/grid.png", {"n": 5}), (sampled / "each/00002.png", {})):
        with Image.open(path) as image:
            recipe = json.loads(image.text["recipe"])
            assert "Generated" in image.text["Comment"]
        assert {**recipe, **expected, **more} == recipe
        assert digest.startswith(recipe["weights_sha256"]) and len(recipe["weights_sha256"]) >= 8
    assert recipe["picture"] == 2


def test_fewer_pictures_are_the_first_of_many(sampled, trained):
    many = [np.asarray(Image.open(sampled / "each" / f"{i:05d}.png")) for i in range(5)]
    pipeline = Pipeline.load(trained, micro_batches=2)
    request = Request(n=1, steps=4, seed=3, batch_size=4)
    np.testing.assert_array_equal(pipeline.draw(request), many[:1])
    np.testing.assert_array_equal(pipeline.draw(replace(request, n=5)), many)


def test_a_sheet_fits_the_screen_unless_a_zoom_is_given(call, trained, tmp_path, no_drawing):
    words = ("--weights", trained, "--out", tmp_path / "a.png")
    for n, zoom, side in ((1, None, 256), (1, 2, 64), (64, None, 8 * 98 - 2), (900, None, 1018)):
        call(sample.main, *words, "--n", n, *(("--zoom", zoom) if zoom else ()))
        assert Image.open(tmp_path / "a.png").size == (side, side)


@pytest.mark.parametrize(
    "words, parts",
    [
        (["--sampler", "magic"], ["unknown sampler 'magic'", "ddpm, ddim, euler, heun, dpmpp_2m"]),
        (["--spacing", "odd"], ["unknown spacing 'odd'", "karras"]),
        (["--steps", "201"], ["1..200", "201"]),
        (["--eta", "0.5"], ["--eta", "dpmpp_2m"]),
        (["--eta", "0.5", "--sampler", "euler"], ["--eta", "euler"]),
        (["--eta", "nan"], ["--eta must be a number", "nan"]),
        (["--guidance", "nan"], ["--guidance must be a number", "nan"]),
        (["--guidance-rescale", "nan"], ["--guidance-rescale must be a number", "nan"]),
        (["--out", "picture.jpg"], ["picture.jpg", ".png"]),
        (["--gif", "film.png"], ["film.png", ".gif"]),
        (["--gif", "film.gif", "--n", "100000"], ["20000", "--steps"]),
        (["--n", "1000000000"], ["1,000,000,000 pictures", "x 1,075,", "GiB", "fewer"]),
        (["--n", "5000", "--zoom", "16"], ["5,000 pictures", "36,492 x 36,492 pixels", "GiB"]),
        (["--each", "FILE"], ["FILE", "is a file"]),
        (["--out", "FILE/x.png"], ["FILE", "is a file"]),
        (["--weights", "NONE"], ["NONE"]),
        (["--weights", "EMPTY"], ["EMPTY", "no weights file"]),
        (["--weights", "TEXT.weights.h5"], ["TEXT.weights.h5"]),
        (["--weights", "CUT.weights.h5"], ["CUT.weights.h5", "damaged"]),
        (["--weights", "FOREIGN.weights.h5"], ["FOREIGN.weights.h5", "not a weights file of this"]),
    ],
)
def test_what_cannot_be_sampled_is_refused(refused, trained, tmp_path, monkeypatch, words, parts):
    import h5py

    monkeypatch.setattr(devices, "available_memory", lambda: 4 * 2**30)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("hello")
    (tmp_path / "TEXT.weights.h5").write_text("hello")
    weights = (trained / "model.weights.h5").read_bytes()
    (tmp_path / "CUT.weights.h5").write_bytes(weights[: len(weights) // 2])
    with h5py.File(tmp_path / "FOREIGN.weights.h5", "w") as file:
        file["x"] = [1, 2]
    words = [tmp_path / w if w[:2].isupper() else w for w in words]
    base = ["--n", 2, "--steps", 2, "--out", tmp_path / "grid.png", "--each", tmp_path / "each"]
    before = names(tmp_path)
    refused(sample.main, "--weights", trained, *base, *words, says=parts)
    assert names(tmp_path) == before


def test_a_flipped_byte_in_the_weights_is_no_traceback(trained, tmp_path, no_drawing):
    from click.testing import CliRunner

    weights = bytearray((trained / "model.weights.h5").read_bytes())
    path, rng = tmp_path / "flipped.weights.h5", np.random.default_rng(0)
    for place in rng.integers(0, 3000, 4):  # the head of the file, where its structure lies
        flipped = weights.copy()
        flipped[place] ^= 255
        path.write_bytes(flipped)
        words = ("--n", 1, "--steps", 1, "--weights", path, "--out", tmp_path / "a.png")
        result = CliRunner().invoke(sample.main, [str(word) for word in words])
        assert result.exit_code in (0, 2), result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.fixture
def nothing_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bundle, "SHIPPED", tmp_path / "weights")


def test_without_weights_it_says_what_to_do(refused, nothing_shipped):
    refused(sample.main, "--n", 1, says=["train a model first", "--weights"])


def test_without_weights_it_takes_the_newest_run(
    call, trained, tmp_path, nothing_shipped, no_drawing
):
    shutil.copytree(trained, tmp_path / "runs" / "mine")
    said, _ = call(sample.main, "--n", 1, "--steps", 1)
    assert said == "1 picture from runs/mine/model.weights.h5: samples.png\n"
    assert (tmp_path / "samples.png").exists()


def test_odd_names_reach_no_terminal(call, trained, tmp_path, no_drawing):
    out = tmp_path / "an\x1b[31m\nodd one.png"
    said, complaints = call(sample.main, "--n", 1, "--weights", trained, "--out", out)
    assert out.exists() and r"an\x1b[31m\nodd one.png" in said
    assert said.count("\n") == 1 and "\x1b" not in said + complaints


def test_a_full_disk_leaves_no_half_written_picture(
    refused, trained, tmp_path, monkeypatch, no_drawing
):
    def full(self, path, *args, **kwargs):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    words = ("--n", 1, "--steps", 1, "--weights", trained, "--out", tmp_path / "a.png")
    refused(sample.main, *words, says="disk is full")
    assert names(tmp_path) == []


def test_a_real_full_disk_leaves_no_half_written_picture(refused, trained, small_disk, monkeypatch):
    def draw(self, request, observe=None):
        shape = (request.total, self.size, self.size, 3)
        return np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    monkeypatch.setattr(Pipeline, "draw", draw)
    words = ("--n", 64, "--weights", trained, "--out", small_disk / "a.png", "--zoom", 1)
    refused(sample.main, *words, says="the disk is full; make room and draw again.")
    assert names(small_disk) == []


def test_the_script_runs_to_its_end_and_prints_no_line_that_is_not_its_own(trained, tmp_path):
    """In a process of its own; `train.py` is one in test_resume.py."""
    words = ("--n", 3, "--steps", 4, "--weights", trained, "--out", tmp_path / "a.png")
    began = time.monotonic()
    process = start("sample.py", *words)
    out, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints
    assert out.startswith("3 pictures from ") and out.count("\n") == 1
    check_progress(complaints, time.monotonic() - began)
