"""Datasets of faces: the same settings give the same bytes, however often they are stopped."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from data import faces, load_images, make_faces
from data.__main__ import main
from data.shape.parts import PARTS

ROOT = Path(__file__).parents[1]
FILES = ("images.npy", "labels.npy", "faces.jsonl", "dataset.json")


def contents(folder):
    return {name: (Path(folder) / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """18 pictures of 6 people: two chunks, so that two processes share the work."""
    return make_faces(
        tmp_path_factory.mktemp("faces") / "small", 18, 6, 32, 5, workers=1, progress=False
    )


def test_a_dataset_is_the_folder_that_the_design_names(small):
    images, labels = np.load(small / "images.npy"), np.load(small / "labels.npy")
    records = [json.loads(line) for line in (small / "faces.jsonl").read_text().splitlines()]
    about = json.loads((small / "dataset.json").read_text())
    assert images.shape == (18, 32, 32, 3) and images.dtype == np.uint8
    assert labels.shape == (18, 32, 32) and labels.max() < len(PARTS)
    assert sorted(os.listdir(small)) == sorted(FILES)
    assert [r["identity"] for r in records] == [i // 3 for i in range(18)]
    for key in ("style", "caption", "attributes", "points5", "points", "pose"):
        assert all(key in record for record in records), key
    assert about["parts"] == list(PARTS) and about["seed"] == 5 and about["n"] == 18
    assert images.std() > 20 and len({image.tobytes() for image in images}) == 18


def test_two_processes_write_the_same_bytes_as_one(small, tmp_path):
    again = make_faces(tmp_path / "again", 18, 6, 32, 5, workers=2, progress=False)
    assert contents(again) == contents(small)


def test_who_is_in_a_picture_depends_on_the_seed_and_not_on_how_many_follow():
    """The pictures themselves: test_styles.test_the_same_seed_draws_the_same."""
    settings = {"n": 18, "identities": 6, "seed": 5, "drawn": 0.5}
    for i in range(6):
        person, view, _ = faces.sample_face(i, settings)
        fewer = faces.sample_face(i, settings | {"n": 6, "identities": 2})
        other = faces.sample_face(i, settings | {"seed": 6})
        assert fewer[:2] == (person, view)
        assert other[0] != person and other[1] != view


def test_a_finished_dataset_is_left_alone(small):
    before = (small / "images.npy").stat().st_mtime_ns
    arguments = ["--n", "18", "--identities", "6", "--size", "32", "--seed", "5"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(small)])
    assert result.exit_code == 0 and "finished already" in result.output
    assert (small / "images.npy").stat().st_mtime_ns == before


def test_the_views_of_a_person_share_what_a_person_is(small):
    records = [json.loads(line) for line in (small / "faces.jsonl").read_text().splitlines()]
    fixed = ("sex", "age", "origin", "skin_tone", "eyes", "hair", "beard")
    people = {}
    for record in records:
        person = json.dumps([record["attributes"][key] for key in fixed])
        people.setdefault(record["identity"], set()).add(person)
    assert all(len(kinds) == 1 for kinds in people.values())
    assert len(set.union(*people.values())) == 6
    assert len({json.dumps(record["pose"]) for record in records}) == 18


def command(out, n=48):
    """The command that makes what the fixture `half_drawn` makes."""
    arguments = ["--n", str(n), "--identities", "48", "--size", "16", "--seed", "0"]
    arguments += ["--drawn", "0.5"]
    return [sys.executable, "-m", "data", *arguments, "--workers", "2", "--out", out, "--quiet"]


@pytest.mark.slow
def test_a_kill_at_any_moment_changes_no_byte(tmp_path, half_drawn):
    out, partial = tmp_path / "killed", tmp_path / "killed.partial"
    process = subprocess.Popen(command(out), cwd=ROOT)
    deadline = time.time() + 120
    while not list(partial.glob("records/*.jsonl")) and time.time() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists() and 1 <= len(list(partial.glob("records/*.jsonl"))) < 3
    subprocess.run(command(out), cwd=ROOT, check=True)
    assert contents(out) == contents(half_drawn)
    assert not partial.exists()


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path):
    words = command(tmp_path / "a", 4800)  # more than any machine draws in time
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "a.partial" / "dataset.json").exists():
        time.sleep(0.02)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Run the same command again" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--n", "0"], "n=0"),
        (["--n", "4", "--identities", "5"], "identities=5"),
        (["--n", "4", "--identities", "0"], "identities=0"),
        (["--n", "4", "--size", "8"], "size=8"),
        (["--n", "4", "--size", "2048"], "size=2048"),
        (["--n", "4", "--seed", "-1"], "seed=-1"),
        (["--n", "4", "--workers", "0"], "workers=0"),
    ],
)
def test_senseless_numbers_get_a_sentence(tmp_path, arguments, word):
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "x")])
    assert result.exit_code == 2 and result.output.startswith("Error: ") and word in result.output
    assert result.output.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_one_picture_is_called_one(tmp_path):
    words = ["--n", "1", "--size", "16", "--seed", "5", "--workers", "1", "--quiet"]
    result = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "x")])
    assert result.exit_code == 0 and result.output.endswith("is ready: 1 picture, 16 x 16.\n")


def test_a_folder_with_something_else_is_never_overwritten(small, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(ValueError, match="not a dataset"):
        make_faces(tmp_path / "notes", 2, 1, 32, 0)
    with pytest.raises(ValueError, match="other settings.*seed 5 instead of 6"):
        make_faces(small, 18, 6, 32, 6)
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"


def test_an_unfinished_dataset_with_other_settings_is_not_mixed(tmp_path):
    partial = tmp_path / "x.partial"
    partial.mkdir()
    (partial / "dataset.json").write_text(json.dumps({"seed": 1}))
    with pytest.raises(ValueError, match="unfinished dataset with other settings"):
        make_faces(tmp_path / "x", 2, 1, 32, 0)


def test_a_full_disk_gets_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(faces.os, "posix_fallocate", full)
    with pytest.raises(ValueError, match="disk is full.*run the same command again"):
        make_faces(tmp_path / "x", 2, 1, 32, 0)
    assert not any(tmp_path.iterdir())  # nothing was begun: nothing is left


def test_a_disk_that_fills_up_on_the_way_keeps_what_is_done(small_disk):
    """64 KiB hold the arrays of 32 pictures and the records of neither chunk."""
    words = ["--n", "32", "--identities", "32", "--size", "16", "--workers", "1", "--quiet"]
    result = CliRunner().invoke(main, [*words, "--out", str(small_disk / "x")])
    assert result.exit_code == 2 and "disk is full" in result.output
    assert result.output.count("\n") == 1 and "Traceback" not in result.output
    left = {path.name for path in (small_disk / "x.partial").rglob("*") if path.is_file()}
    assert left == {"dataset.json", "images.npy", "labels.npy"}


def test_the_loader_maps_a_dataset_and_resizes_it(small):
    pictures = load_images(small, 32)
    assert isinstance(pictures.images, np.memmap) and len(pictures) == 18
    assert len(pictures.captions) == 18 and pictures.identities.tolist() == [
        i // 3 for i in range(18)
    ]
    half = load_images(small, 16).images
    expected = pictures.images.astype(float).reshape(18, 16, 2, 16, 2, 3).mean((2, 4))
    assert half.shape == (18, 16, 16, 3) and np.abs(half - expected).max() <= 1


def test_importing_data_is_cheap():
    heavy = ("vtk", "tensorflow", "cv2")
    script = f"import sys, data; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
