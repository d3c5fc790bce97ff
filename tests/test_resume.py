"""A run that is killed and resumed ends with exactly what one that never stopped has. Each side is
trained in processes of its own: sums depend on how a process begins."""

import csv
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import SMALL_RUN, STEPS, check_progress, finish, start_train

import train

pytestmark = pytest.mark.slow
EPOCHS = 8  # long enough to be killed on the way


def checkpoint(folder, step=EPOCHS * STEPS):
    with np.load(folder / "checkpoint" / f"step-{step:08d}.npz") as file:
        return {name: file[name] for name in file.files if name != "meta"}


def weights(folder):
    arrays = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(note)
    return arrays


def log(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys() and len(ours) > 50
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []


def assert_same_run(interrupted, whole):
    for read in (weights, checkpoint):
        assert_same(read(interrupted), read(whole))
    assert [row["epoch"] for row in log(interrupted)] == [str(e + 1) for e in range(EPOCHS)]
    for ours, theirs in zip(log(interrupted), log(whole), strict=True):
        assert (ours["epoch"], ours["step"]) == (theirs["epoch"], theirs["step"])
        assert abs(float(ours["loss"]) - float(theirs["loss"])) < 1e-5
        assert ours["learning_rate"] == theirs["learning_rate"]
    assert [path for path in interrupted.rglob(".partial-*")] == []


def newest(folder):
    steps = [int(path.stem[5:]) for path in (folder / "checkpoint").glob("step-*.npz")]
    return max(steps, default=0)


def killed_run(words, folder, step, delay):
    """Train, and `kill -9` it a while after a step was saved.

    Args:
        words: of `train.py`, but for the folder.
        folder: of the run; anew where a run ended before it was killed, as on a busy machine.
        step: that is waited for.
        delay: seconds from there to the kill.

    Returns:
        The step that is saved in the end.
    """
    for _ in range(5):
        process = start_train(*words, "--out", folder)
        while newest(folder) < step and process.poll() is None:
            time.sleep(0.01)
        try:
            _, complaints = process.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            process.kill()
            _, complaints = process.communicate()
        if process.returncode == -signal.SIGKILL:
            return newest(folder)
        assert process.returncode == 0, complaints
        shutil.rmtree(folder)
    raise AssertionError("it ended before it could be killed, five times")


class Whole(NamedTuple):
    """A run that nothing interrupted, what it said, and what became of a second one: while it ran,
    another process was asked to go on with it."""

    folder: Path
    out: str
    complaints: str
    seconds: float
    other: Result
    reached: int  # step of the first when the second had ended


@pytest.fixture(scope="module")
def whole(discs, tmp_path_factory):
    folder, began = tmp_path_factory.mktemp("whole") / "run", time.monotonic()
    words = ("--data", discs, "--epochs", EPOCHS, "--precision", "float32")
    process = start_train(*SMALL_RUN, *words, "--out", folder)
    while newest(folder) < 1 and process.poll() is None:
        time.sleep(0.01)
    other = CliRunner().invoke(train.main, ["--resume", "--out", str(folder)])
    reached = newest(folder)
    out, complaints = process.communicate(timeout=1800)
    assert process.returncode == 0, complaints
    return Whole(folder, out, complaints, time.monotonic() - began, other, reached)


def test_the_script_runs_to_its_end_and_prints_no_line_that_is_not_its_own(whole):
    assert [line.split()[0] for line in whole.out.splitlines()] == [
        "Preset",
        "Network:",
        "The",
        "Done.",
    ]
    check_progress(whole.complaints, whole.seconds)


def test_a_run_that_is_being_trained_is_left_alone_by_a_second_one(whole):
    folder, other = whole.folder, whole.other
    assert whole.reached < EPOCHS * STEPS  # it was still running
    assert other.exit_code == 2
    assert f"Error: {folder} is in use by another process" in other.stderr
    assert "Traceback" not in other.output and "Resuming" not in other.output
    assert newest(folder) == EPOCHS * STEPS
    assert [row["epoch"] for row in log(folder)] == [str(e + 1) for e in range(EPOCHS)]


def test_a_kill_and_a_damaged_checkpoint_change_nothing(whole, discs, tmp_path):
    """Kills of a run that was resumed are in `test_many_kills_at_any_moment_change_nothing`."""
    out, rng = tmp_path / "killed", np.random.default_rng(int(time.time()))
    first = ("--data", discs, "--precision", "float32")
    # Fewer epochs at first: how long a run is meant to be must not change what it learns.
    words = (*SMALL_RUN, *first, "--epochs", EPOCHS - 1)
    reached = killed_run(words, out, 2, rng.uniform(0, 0.5))
    assert reached < EPOCHS * STEPS
    broken = out / "checkpoint" / f"step-{reached:08d}.npz"
    broken.write_bytes(broken.read_bytes()[:-5000])
    said = finish(start_train(*SMALL_RUN, "--out", out, "--epochs", EPOCHS, "--resume"))
    assert f"Resuming at step {reached - 1}" in said and broken.name in said
    assert_same_run(out, whole.folder)


@pytest.mark.parametrize("precision", ("float32", "bfloat16"))
def test_many_kills_at_any_moment_change_nothing(discs, tmp_path, precision):
    words = ("--data", discs, "--precision", precision, "--epochs", EPOCHS)
    whole = tmp_path / "whole"
    began = time.monotonic()
    finish(start_train(*SMALL_RUN, *words, "--out", whole))
    long = time.monotonic() - began
    rng, kills = np.random.default_rng(int(time.time())), 0
    for i in range(5):  # on a busy machine a run may end before its first kill
        out = tmp_path / f"killed{i}"
        out.mkdir()  # --resume begins a run in an empty folder, not in one that is missing
        kills = kills_of_a_run((*SMALL_RUN, *words, "--out", out, "--resume"), long, rng)
        if kills:
            break
    assert kills
    finish(start_train(*SMALL_RUN, *words, "--out", out, "--resume"))
    assert_same_run(out, whole)


def kills_of_a_run(words, long, rng):
    """Start a run that takes so many seconds up to six times, and kill it on the way each time,
    unless it ends first. Returns the number of kills."""
    for kills in range(6):
        process = start_train(*words)
        try:
            process.communicate(timeout=rng.uniform(0.1, 0.9) * long)
            return kills
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    return 6


def test_ctrl_c_of_a_real_process_saves_all_steps_that_were_taken(whole, discs, tmp_path):
    out = tmp_path / "stopped"
    words = ("--data", discs, "--precision", "float32", "--epochs", EPOCHS)
    process = start_train(*SMALL_RUN, *words, "--out", out)
    while newest(out) < 5 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = finish(process, code=130)
    assert f"saved at step {newest(out)}" in said and newest(out) < EPOCHS * STEPS
    finish(start_train(*SMALL_RUN, "--out", out, "--resume"))
    assert_same_run(out, whole.folder)
