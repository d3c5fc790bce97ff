"""A plain `pip install .`: commands, packages and weights, without the checkout."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

COMMANDS = ("train", "sample", "faces", "facekit", "portrait")
NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".ci", ".venv*", "runs", "build", "*.egg-info", "__pycache__", "tests", "docs",
    "benchmarks", "images.npy", "labels.npy",
)  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A virtual environment with the project installed in it and its requirements beside it:
    (its folder, a function that runs one of its commands in a folder of its own)."""
    base = tmp_path_factory.mktemp("installed")
    # Built from a copy, for a build leaves its own folders beside the sources.
    source = shutil.copytree(ROOT, base / "source", ignore=NOT_SOURCES)
    subprocess.run([sys.executable, "-m", "venv", base / "venv"], check=True)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    python = base / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--no-deps", "--quiet", source]
    done = subprocess.run(pip, env=environment, capture_output=True, text=True)
    if done.returncode:
        offline = "No matching distribution" in done.stderr or "Connection" in done.stderr
        if offline:
            pytest.skip("the build's requirements cannot be downloaded here")
        pytest.fail(done.stderr)
    (packages,) = (base / "venv" / "lib").glob("python*/site-packages")
    (site,) = [path for path in sys.path if path.endswith("site-packages")][:1]
    (packages / "requirements.pth").write_text(site + "\n")

    def run(command, *words):
        path = base / "venv" / "bin" / f"portraits-{command}"
        return subprocess.run(
            [path, *map(str, words)], cwd=base, env=environment, capture_output=True, text=True
        )

    return packages, run


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_there(installed, command):
    done = installed[1](command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout and done.stderr == ""


@pytest.mark.slow
def test_the_shipped_weights_are_found(installed):
    packages, run = installed
    done = run("sample", "--n", 1, "--steps", 2, "--out", "a.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"1 picture from {packages}/weights/portraits64.weights.h5: a.png\n"


@pytest.mark.slow
def test_faces_are_rendered_found_and_learned_from(installed):
    run = installed[1]
    done = run("faces", "--n", 2, "--identities", 2, "--size", 256, "--out", "faces", "--quiet")
    assert done.returncode == 0, done.stderr
    done = run("train", "--preset", "tiny", "--data", "faces", "--out", "run", "--dry-run")
    assert done.returncode == 0 and "2 pictures of 32 px" in done.stdout, done.stderr
    from skimage import data

    from common.images import write_image

    write_image(data.astronaut(), installed[0].parents[2] / "photo.png")
    done = run("facekit", "score", installed[0].parents[2] / "photo.png", "--identity", "encoder")
    assert done.returncode == 0 and "photo.png" in done.stdout, done.stderr
