"""What the tests share: the repository on the path, a few pictures, and one small trained run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# A run of 24 steps that is saved after each of them.
SMALL_RUN = ("--preset", "tiny", "--batch-size", "8", "--save-minutes", "0")
PICTURES, STEPS, EPOCHS = 24, 3, 8


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def draw_discs(folder, n, seed=0):
    """Write n pictures of a coloured disc on a coloured ground."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :40]
    for i in range(n):
        ground, colour = rng.integers(0, 256, (2, 3), dtype=np.uint8)
        centre, radius = rng.uniform(12, 28, 2), rng.uniform(6, 12)
        disc = np.hypot(y - centre[0], x - centre[1]) < radius
        picture = np.where(disc[..., None], colour, ground)
        Image.fromarray(picture).save(folder / f"{i:02d}.png")
    return folder


def start_train(*words):
    """Start `python train.py ...` in a process of its own, as a user would."""
    return subprocess.Popen(
        [sys.executable, "train.py", *map(str, words)],
        cwd=ROOT,
        # A command that ran inside this process may have set threads: sums depend on their number.
        env={k: v for k, v in os.environ.items() if not k.startswith("TF_NUM_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, code=0):
    """Wait for a process that should end with an exit code, and return what it said."""
    out, err = process.communicate(timeout=1800)
    assert process.returncode == code, err
    return out + err


def train_run(out, *words):
    """Train a run into a folder, and return the folder."""
    finish(start_train(*words, "--out", out))
    return out


@pytest.fixture(scope="session")
def discs(tmp_path_factory):
    return draw_discs(tmp_path_factory.mktemp("pictures") / "discs", PICTURES)


@pytest.fixture(scope="session")
def trained(discs, tmp_path_factory):
    """A run that was never interrupted. Tests read it; who writes makes a copy."""
    words = ("--data", discs, "--epochs", EPOCHS, "--precision", "float32")
    return train_run(tmp_path_factory.mktemp("runs") / "whole", *SMALL_RUN, *words)


@pytest.fixture(scope="session")
def photographs():
    """Two photographs of people, both in the public domain: {name: uint8 (H, W, 3)}."""
    from matplotlib import cbook
    from PIL import Image
    from skimage import data

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = np.asarray(Image.open(file).convert("RGB"))
    return {"astronaut": data.astronaut(), "hopper": hopper}


@pytest.fixture(scope="session")
def photo_faces(photographs):
    """{name: (picture, its face)}."""
    from facekit.detect import detect, largest

    return {name: (image, largest(detect(image))) for name, image in photographs.items()}


def read_faces(folder):
    """A rendered dataset: images, part maps and records."""
    records = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    return np.load(folder / "images.npy"), np.load(folder / "labels.npy"), records


@pytest.fixture(scope="session")
def rendered_small(tmp_path_factory):
    """32 people at 64 px, photos only: images, part maps and records."""
    from data import make_faces

    folder = tmp_path_factory.mktemp("rendered") / "small"
    return read_faces(make_faces(folder, 32, 32, 64, 3, workers=2, progress=False, drawn=0))


@pytest.fixture(scope="session")
def half_drawn(tmp_path_factory):
    """48 people at 16 px, half of them drawn: the folder, made in one go by two processes."""
    from data import make_faces

    folder = tmp_path_factory.mktemp("rendered") / "half"
    return make_faces(folder, 48, 48, 16, 0, workers=2, progress=False, drawn=0.5)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """24 people at 256 px, photos only: images, part maps and records."""
    from data.faces import make_faces

    folder = tmp_path_factory.mktemp("rendered") / "faces"
    make_faces(folder, 24, 24, 256, 11, workers=2, progress=False, drawn=0)
    records = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    return np.load(folder / "images.npy"), np.load(folder / "labels.npy"), records


@pytest.fixture
def call(capfd):
    """Run a click command in this process: call(main, *words, code=0) -> (stdout, stderr)."""

    def run(main, *words, code=0):
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        out, complaints = capfd.readouterr()
        assert (end.value.code or 0) == code, complaints
        assert "Traceback" not in complaints
        return out, complaints

    return run


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a disk of 64 KiB; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a worker may still be ending
