"""The two commands: what they make, and what they say when they cannot."""

import errno
import json
import shlex
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import EPOCHS, STEPS, draw_discs
from PIL import Image

import sample
import train
from ddpm.trainer import Trainer


def call(command, *words):
    return CliRunner().invoke(command.main, [str(word) for word in words])


def refused(result, *parts):
    """Exit code 2, and on stderr nothing but one sentence that holds the parts."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.strip().count("\n") == 0
    assert "Traceback" not in result.output and "object at 0x" not in result.stderr
    for part in parts:
        assert str(part) in result.stderr


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the trained run that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


@pytest.fixture
def no_training(monkeypatch):
    """Stand in for the training itself; what was asked for is noted."""
    asked = []

    def fit(self, images, epochs, save_seconds=300.0, quiet=False, compose=None):
        asked.append((self.step, epochs, save_seconds))
        return True

    monkeypatch.setattr(Trainer, "fit", fit)
    return asked


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
    assert config["preset"]["batch_size"] == 8


def test_a_dry_run_writes_nothing(discs, tmp_path):
    result = call(train, "--preset", "tiny", "--data", discs, "--out", tmp_path / "r", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "24 pictures of 32 px" in result.stdout and "M parameters" in result.stdout
    assert names(tmp_path) == []


def test_a_batch_larger_than_the_set_shrinks_to_it(discs, tmp_path, no_training):
    words = ("--preset", "tiny", "--data", discs, "--batch-size", 99, "--epochs", 2)
    result = call(train, *words, "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    assert "the batch size is 24" in result.stdout
    assert no_training == [(0, 2, 300)]


@pytest.mark.parametrize(
    "words, parts",
    [
        (["--preset", "huge"], ["unknown preset 'huge'", "tiny, tiny_told, classic64, faces64"]),
        (["--data", "NONE"], ["NONE"]),
        (["--data", "EMPTY"], ["EMPTY"]),
        (["--data", "FILE"], ["FILE"]),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, words, parts):
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("hello")
    words = [tmp_path / word if word.isupper() else word for word in words]
    before = names(tmp_path)
    defaults = [] if "--preset" in words else ["--preset", "tiny"]
    refused(call(train, *defaults, *words, "--out", tmp_path / "run"), *parts)
    assert names(tmp_path) == before


def test_a_folder_with_nothing_readable_names_each_file(tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "text.png").write_text("hello")
    (broken / "empty.jpg").write_bytes(b"")
    result = call(train, "--preset", "tiny", "--data", broken, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert "Error: " in result.stderr and "Traceback" not in result.stderr
    assert "text.png" in result.stderr or "2" in result.stderr
    assert not (tmp_path / "run").exists()


def test_unreadable_files_are_named_and_skipped(tmp_path):
    folder = draw_discs(tmp_path / "mixed", 4)
    (folder / "text.png").write_text("hello")
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:60])
    words = ("--preset", "tiny", "--data", folder, "--out", tmp_path / "run", "--dry-run")
    result = call(train, *words)
    assert result.exit_code == 0, result.output
    assert "4 pictures" in result.stdout
    for name in ("text.png", "cut.png"):
        assert f"Skipped {name}: " in result.stderr


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
def test_values_out_of_range_are_refused(tmp_path, words):
    result = call(train, "--preset", "tiny", "--out", tmp_path / "run", *words)
    assert result.exit_code == 2
    assert "Error: " in result.stderr and words[0] in result.stderr
    assert names(tmp_path) == []


def test_a_folder_that_holds_a_run_is_not_overwritten(trained, discs):
    before = {name: (trained / name).stat().st_mtime_ns for name in names(trained)}
    result = call(train, "--preset", "tiny", "--data", discs, "--out", trained)
    refused(result, trained, "--resume", "--out")
    assert {name: (trained / name).stat().st_mtime_ns for name in names(trained)} == before


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
def test_a_run_does_not_change_its_settings_on_the_way(trained, words):
    base = [] if words[0] == "--preset" else ["--preset", "tiny"]
    refused(call(train, *base, "--resume", "--out", trained, *words), words[0], trained)


def test_saying_again_what_a_run_was_started_with_is_no_conflict(trained, discs):
    words = ("--preset", "tiny", "--data", discs, "--batch-size", 8, "--precision", "float32")
    result = call(train, *words, "--seed", 0, "--lr", 0.002, "--resume", "--out", trained)
    assert result.exit_code == 0, result.output
    assert "is finished" in result.stdout


def test_changed_pictures_are_noticed(copy, tmp_path):
    config = json.loads((copy / "config.json").read_text())
    changed = draw_discs(tmp_path / "changed", 24)
    Image.new("RGB", (40, 40)).save(changed / "07.png")
    config["options"]["data"] = str(changed)
    (copy / "config.json").write_text(json.dumps(config))
    refused(call(train, "--preset", "tiny", "--resume", "--out", copy), changed, "--out")


@pytest.mark.parametrize("content", ("{", "[]", '{"format": 0}', "{}", '{"format": 1}'))
def test_a_damaged_config_stops_a_resume(copy, discs, no_training, content):
    (copy / "config.json").write_text(content)
    result = call(train, "--preset", "tiny", "--data", discs, "--resume", "--out", copy)
    refused(result, "config.json")
    assert no_training == []


def test_resuming_a_finished_run_says_so(trained, discs):
    before = {name: (trained / name).stat().st_mtime_ns for name in names(trained)}
    result = call(train, "--preset", "tiny", "--resume", "--out", trained)
    assert result.exit_code == 0, result.output
    assert f"is finished: {EPOCHS} epochs" in result.stdout and "--epochs" in result.stdout
    assert {name: (trained / name).stat().st_mtime_ns for name in names(trained)} == before


def test_resuming_takes_the_preset_from_the_run(trained):
    result = call(train, "--resume", "--out", trained)
    assert result.exit_code == 0, result.output
    assert "is finished" in result.stdout


def test_resuming_with_nothing_there_says_so_and_starts(discs, tmp_path, no_training):
    words = ("--preset", "tiny", "--data", discs, "--out", tmp_path / "run", "--resume")
    result = call(train, *words, "--epochs", 3)
    assert result.exit_code == 0, result.output
    assert "Nothing saved" in result.stdout and "afresh" in result.stdout
    assert no_training == [(0, 3, 300)]


def test_resuming_before_the_first_checkpoint_says_so_and_starts(copy, no_training):
    shutil.rmtree(copy / "checkpoint")
    result = call(train, "--preset", "tiny", "--resume", "--out", copy)
    assert result.exit_code == 0, result.output
    assert "Nothing saved" in result.stdout and "afresh" in result.stdout
    assert no_training == [(0, EPOCHS, 300)]


def test_more_epochs_go_on_where_the_run_ended(copy, no_training):
    result = call(train, "--preset", "tiny", "--resume", "--out", copy, "--epochs", EPOCHS + 2)
    assert result.exit_code == 0, result.output
    assert f"Resuming at step {EPOCHS * STEPS}" in result.stdout
    assert no_training == [(EPOCHS * STEPS, EPOCHS + 2, 300)]
    assert json.loads((copy / "config.json").read_text())["preset"]["epochs"] == EPOCHS + 2


def test_a_damaged_checkpoint_is_told_with_a_word(copy, no_training):
    newest = max((copy / "checkpoint").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1000])
    result = call(train, "--preset", "tiny", "--resume", "--out", copy)
    assert result.exit_code == 0, result.output
    assert newest.name in result.stderr and "the one before" in result.stderr
    assert no_training == [(EPOCHS * STEPS - 1, EPOCHS, 300)]


def test_a_checkpoint_of_another_model_stops_a_resume(copy):
    config = json.loads((copy / "config.json").read_text())
    config["preset"]["widths"] = [32, 32]
    (copy / "config.json").write_text(json.dumps(config))
    result = call(train, "--preset", "tiny", "--resume", "--out", copy)
    refused(result, "belongs to another model")


def test_a_full_disk_is_told_in_a_sentence(discs, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Trainer, "fit", full)
    words = ("--preset", "tiny", "--data", discs, "--out", tmp_path / "run")
    refused(call(train, *words), "the disk is full", "--resume")


def test_ctrl_c_saves_and_says_how_to_go_on(discs, tmp_path, monkeypatch):
    from ddpm.training import Progress

    told = Progress.on_train_batch_end

    def interrupted(self, batch, logs=None):
        told(self, batch, logs)
        if self.bar.n == 4:
            signal.raise_signal(signal.SIGINT)

    out = tmp_path / "a run"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
    with monkeypatch.context() as patched:
        patched.setattr(Progress, "on_train_batch_end", interrupted)
        words = ("--preset", "tiny", "--data", discs, "--batch-size", 8, "--epochs", 2)
        result = call(train, *words, "--out", out)
    assert result.exit_code == 130, result.output
    assert "saved at step 4" in result.stdout
    assert names(out / "checkpoint") == ["step-00000004.npz"]
    assert (out / "model.weights.h5").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    _, _, command = result.stdout.partition("python train.py ")
    result = call(train, *shlex.split(command))
    assert result.exit_code == 0, result.output
    assert "Resuming at step 4" in result.stdout and "Done" in result.stdout
    assert "step-00000006.npz" in names(out / "checkpoint")
    assert len((out / "log.csv").read_text().splitlines()) == 1 + 2


# sample.py


@pytest.fixture(scope="module")
def sampled(trained, tmp_path_factory):
    """A folder with a grid, single pictures and an animation of the trained run."""
    folder = tmp_path_factory.mktemp("sampled")
    words = ("--n", 5, "--steps", 4, "--batch-size", 4, "--seed", 3, "--weights", trained)
    files = ("--out", folder / "a" / "grid.png", "--each", folder / "each", "--gif")
    result = call(sample, *words, *files, folder / "b" / "noise.gif")
    assert result.exit_code == 0, result.output
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


def test_fewer_pictures_are_the_first_of_many(sampled, trained, tmp_path):
    words = ("--n", 1, "--steps", 4, "--batch-size", 4, "--seed", 3, "--weights", trained)
    result = call(sample, *words, "--out", tmp_path / "one.png", "--zoom", 2)
    assert result.exit_code == 0, result.output
    one = np.asarray(Image.open(tmp_path / "one.png"))
    assert one.shape == (64, 64, 3)
    assert np.array_equal(one[::2, ::2], np.asarray(Image.open(sampled / "each" / "00000.png")))


@pytest.mark.parametrize(
    "words, parts",
    [
        (["--sampler", "magic"], ["unknown sampler 'magic'", "ddpm, ddim, euler, heun, dpmpp_2m"]),
        (["--spacing", "odd"], ["unknown spacing 'odd'", "karras"]),
        (["--steps", "201"], ["1..200", "201"]),
        (["--eta", "0.5"], ["--eta", "dpmpp_2m"]),
        (["--eta", "0.5", "--sampler", "euler"], ["--eta", "euler"]),
        (["--out", "picture.jpg"], ["picture.jpg", ".png"]),
        (["--gif", "film.png"], ["film.png", ".gif"]),
        (["--gif", "film.gif", "--n", "100000"], ["20000", "--steps"]),
        (["--each", "FILE"], ["FILE", "is a file"]),
        (["--out", "FILE/x.png"], ["FILE", "is a file"]),
        (["--weights", "NONE"], ["NONE"]),
        (["--weights", "EMPTY"], ["EMPTY", "no weights file"]),
        (["--weights", "TEXT.weights.h5"], ["TEXT.weights.h5"]),
        (["--weights", "CUT.weights.h5"], ["CUT.weights.h5", "damaged"]),
        (["--weights", "FOREIGN.weights.h5"], ["FOREIGN.weights.h5", "not a weights file of this"]),
    ],
)
def test_what_cannot_be_sampled_is_refused(trained, tmp_path, words, parts):
    import h5py

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
    refused(call(sample, "--weights", trained, *base, *words), *parts)
    assert names(tmp_path) == before


def test_a_flipped_byte_in_the_weights_is_no_traceback(trained, tmp_path):
    weights = bytearray((trained / "model.weights.h5").read_bytes())
    path, rng = tmp_path / "flipped.weights.h5", np.random.default_rng(0)
    for place in rng.integers(0, 3000, 4):  # the head of the file, where its structure lies
        flipped = weights.copy()
        flipped[place] ^= 255
        path.write_bytes(flipped)
        words = ("--n", 1, "--steps", 1, "--weights", path, "--out", tmp_path / "a.png")
        result = call(sample, *words)
        assert result.exit_code in (0, 2), result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_without_weights_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sample.SHIPPED", tmp_path / "weights")
    refused(call(sample, "--n", 1), "train a model first", "--weights")


def test_without_weights_it_takes_the_newest_run(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sample.SHIPPED", tmp_path / "weights")
    shutil.copytree(trained, tmp_path / "runs" / "mine")
    result = call(sample, "--n", 1, "--steps", 1)
    assert result.exit_code == 0, result.output
    assert "runs/mine/model.weights.h5" in result.stdout
    assert (tmp_path / "samples.png").exists()


def test_a_full_disk_leaves_no_half_written_picture(trained, tmp_path, monkeypatch):
    def full(self, path, *args, **kwargs):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    words = ("--n", 1, "--steps", 1, "--weights", trained, "--out", tmp_path / "a.png")
    result = call(sample, *words)
    assert result.exit_code == 2
    assert "Error: " in result.stderr and "disk is full" in result.stderr
    assert names(tmp_path) == []
