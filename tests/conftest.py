"""What the tests share: the repository on the path, a few pictures, and small trained runs."""

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

# One thread a worker, before NumPy and TensorFlow read it: threads that wait for each other on
# cores which another worker keeps busy make a small matrix take five milliseconds.
if "PYTEST_XDIST_WORKER" in os.environ:
    for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
        os.environ.setdefault(f"{library}_THREADS", "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import micro  # noqa: E402, F401  (adds presets that compile in less time)

# A run of 12 steps that is saved after each of them.
SMALL_RUN = ("--preset", "micro", "--batch-size", "8", "--save-minutes", "0")
PICTURES, STEPS, EPOCHS = 24, 3, 4
# The same with words, and a branch over it: 6 steps.
CONDITIONAL = ("--preset", "micro_conditional", "--batch-size", "8", "--save-minutes", "0")
CONDITIONAL += ("--sample-epochs", "0")
CONDITIONAL_EPOCHS = 2
CONTROL = ("--epochs", CONDITIONAL_EPOCHS, "--batch-size", 8, "--save-minutes", 0)
CONTROL += ("--sample-epochs", CONDITIONAL_EPOCHS)
SQUARES, SIDE = 6, 192  # of a person: how many photos, and their pixels a side
COLOURS = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (40, 60, 200)}
# What a command sets for its backend: sums depend on the number of threads.
BACKEND_SETTINGS = ("TF_NUM_", "TF_DETERMINISTIC_OPS", "XLA_FLAGS")

# The files that take longest, longest first: the last file to begin must be a short one.
LONG_FILES = (
    *("conditional_commands", "resume", "commands", "portrait", "wrappers", "layers", "pipeline"),
    *("facekit_identity", "faces_dataset", "facekit_commands", "new_condition", "styles"),
    *("inpaint_commands", "painter", "unet", "objectives", "faces_render", "facekit_masks"),
    *("bundle", "shipped", "text", "condition"),
)


def pytest_collection_modifyitems(items):
    """Put the tests of `LONG_FILES` first, for workers that take whole files in turn, and mark
    those that visit the page."""
    for item in items:
        if "visit" in item.fixturenames:
            item.add_marker("browser")
    place = {f"test_{name}": i for i, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


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


def draw_captioned(folder):
    """Write 24 discs of several sizes of file, each with its caption beside it."""
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        name, ground = rng.choice(list(COLOURS), 2)
        height, width = rng.integers(24, 90, 2)
        y, x = np.mgrid[:height, :width]
        disc = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 3
        picture = np.where(disc[..., None], COLOURS[name], COLOURS[ground]).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{i:02d}.png")
        (folder / f"{i:02d}.txt").write_text(f"A {name} disc, on a {ground} ground.\n")


def start(script, *words, more=None):
    """Start `python SCRIPT ...` in a process of its own, as a user would; the presets of `micro`
    are known there too, and more variables of the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(BACKEND_SETTINGS)}
    return subprocess.Popen(
        [sys.executable, "tests/micro.py", script, *map(str, words)],
        cwd=ROOT,
        env={k: v for k, v in environment.items() if k != "TF_CPP_MIN_LOG_LEVEL"} | (more or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_train(*words):
    """Start `python train.py ...` in a process of its own."""
    return start("train.py", *words)


def finish(process, code=0):
    """Wait for a process that should end with an exit code, and return what it said."""
    out, err = process.communicate(timeout=1800)
    assert process.returncode == code, err
    return out + err


def invoke(main, *words):
    """Run a click command in this process, for fixtures; tests have `call`."""
    from click.testing import CliRunner

    with mock.patch.dict(os.environ):
        result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output


def train_run(out, *words):
    """Train a run into a folder, in this process, and return the folder."""
    import train

    invoke(train.main, *words, "--out", out)
    return out


@contextmanager
def eager_training():
    """Train without compiling, which takes longer than a dozen steps; what is compiled is trained
    by the fixtures `trained` and `branch`, and in processes of its own."""
    import keras

    from ddpm.training.objectives import DenoisingObjective

    def compile_eagerly(self, **options):
        keras.Model.compile(self, **options, run_eagerly=True)

    with mock.patch.object(DenoisingObjective, "compile", compile_eagerly):
        yield


def names(folder):
    """What a folder holds, hidden files too, but for the lock of a run."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(name for name in found if not name.endswith(".lock"))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """`made_once(name, make)`: a folder that `make(folder)` makes, once for all the processes that
    share a run of the tests. Tests read it; who writes makes a copy."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def find(name, make):
        with open(base / f"{name}.made", "a+") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            mark.seek(0)
            if not mark.read():
                make(base / name)
                mark.write("made")
        return base / name

    return find


@pytest.fixture(scope="session")
def discs(made_once):
    return made_once("discs", lambda folder: draw_discs(folder, PICTURES))


@pytest.fixture(scope="session")
def trained(discs, made_once):
    """A run that was never interrupted."""
    words = (*SMALL_RUN, "--data", discs, "--epochs", EPOCHS, "--precision", "float32")
    return made_once("trained", lambda out: train_run(out, *words))


@pytest.fixture(scope="session")
def captioned(made_once):
    """Discs with captions; see `draw_captioned`."""
    return made_once("captioned", draw_captioned)


@pytest.fixture(scope="session")
def conditional(captioned, made_once):
    """A run with words, size and crop."""
    words = ("--data", captioned, "--epochs", CONDITIONAL_EPOCHS, "--precision", "float32")
    with eager_training():
        return made_once("conditional", lambda out: train_run(out, *CONDITIONAL, *words))


@pytest.fixture(scope="session")
def branch(conditional, captioned, made_once):
    """A control branch over `conditional`."""
    words = ("control", "--weights", conditional, "--data", captioned, *CONTROL)
    return made_once("branch", lambda out: train_run(out, *words))


@pytest.fixture(scope="session")
def pipeline(conditional, branch):
    """`conditional` with its branch, ready to draw."""
    from ddpm.pipeline import Pipeline

    return Pipeline.load(conditional, branch, precision="float32")


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


def render(folder, *arguments, drawn):
    """A dataset made by two processes: the folder."""
    from data import make_faces

    return make_faces(folder, *arguments, workers=2, progress=False, drawn=drawn)


@pytest.fixture(scope="session")
def rendered_small(made_once):
    """32 people at 64 px, photos only: images, part maps and records."""
    return read_faces(made_once("small", lambda out: render(out, 32, 32, 64, 3, drawn=0)))


@pytest.fixture(scope="session")
def half_drawn(made_once):
    """48 people at 16 px, half of them drawn: the folder, made in one go by two processes."""
    return made_once("half", lambda out: render(out, 48, 48, 16, 0, drawn=0.5))


@pytest.fixture(scope="session")
def rendered(made_once):
    """24 people at 256 px, photos only: images, part maps and records."""
    return read_faces(made_once("faces", lambda out: render(out, 24, 24, 256, 11, drawn=0)))


@pytest.fixture(scope="session")
def chosen(made_once):
    """A folder with `photos`, six pictures of one person, and `eva`, their squares."""

    def make(folder):
        from common.images import write_image
        from portrait.__main__ import main

        images = read_faces(render(folder / "set", SQUARES, 1, SIDE, 23, drawn=0))[0]
        for i, image in enumerate(images):
            write_image(image, folder / "photos" / f"{i}.png")
        words = ("--identity", "encoder", "--workers", 1, "--noun", "woman", "--choose-only")
        invoke(main, "learn", folder / "photos", "--out", folder / "eva", *words)

    return made_once("chosen", make)


@pytest.fixture
def call(capfd):
    """Run a click command in this process: call(main, *words, code=0) -> (stdout, stderr)."""

    def run(main, *words, code=0):
        with pytest.raises(SystemExit) as end, mock.patch.dict(os.environ):
            main([str(word) for word in words])
        out, complaints = capfd.readouterr()
        assert (end.value.code or 0) == code, complaints
        assert "Traceback" not in complaints
        return out, complaints

    return run


# A line of a progress bar: "sampling: 100%|###| 12/12 [00:01<00:00, 9.5step/s]"
PROGRESS = re.compile(r"^ *(sampling: +|epoch \d+: +)?\d+%\|.*\d+/\d+ \[.*(step/s|s/step)")


def lines_of(complaints):
    """What was written to stderr: (lines of progress bars, other lines)."""
    lines = re.split(r"[\r\n]+", complaints.strip("\r\n"))
    bars = [line for line in lines if PROGRESS.search(line)]
    return bars, [line for line in lines if not PROGRESS.search(line)]


def check_progress(complaints, seconds):
    """Check what a command that took so long wrote to stderr: nothing but progress, and not a
    redraw for every step, of which a log would be full."""
    bars, others = lines_of(complaints)
    assert others == []
    assert len(bars) <= 3 + seconds / 30 and complaints.endswith("\n")
    assert ", 0 images/s" not in bars[-1]


@pytest.fixture
def refused(call):
    """refused(main, *words, says=parts): exit code 2, and nothing but one sentence, which holds
    the parts."""

    def run(main, *words, says=()):
        out, complaints = call(main, *words, code=2)
        (line,) = lines_of(complaints)[1]
        assert line.startswith("Error: ") and "object at 0x" not in line
        for part in says if isinstance(says, (list, tuple)) else [says]:
            assert str(part) in line
        return out

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


# --- the studio, visited by a browser


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for_answer(url, process):
    """Wait until a server answers."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            return urllib.request.urlopen(url).status
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no answer: {process.stderr.read() if process.poll() else ''}")


def alone(noted):
    """Variables of the environment under which Python processes reach no other machine, and note in
    a file where they try; see `tests/alone`."""
    found = [str(ROOT / "tests" / "alone"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(found), "ASKED_ELSEWHERE": str(noted)}


@pytest.fixture
def served(conditional, tmp_path):
    """The address of a studio in a process of its own, with `people` beside the test's files. It
    reaches no other machine, and must not have tried to."""
    pytest.importorskip("gradio", reason="the page needs gradio: pip install -e '.[studio]'")
    port = free_port()
    words = ("studio", "--no-browser", "--port", port, "--weights", conditional)
    words += ("--people", tmp_path / "people")
    noted = tmp_path / "asked_elsewhere"
    process = start("portrait/__main__.py", *words, more=alone(noted))
    try:
        wait_for_answer(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert not noted.exists(), noted.read_text()


# What a page may ask for; in the words of JavaScript, too.
ELSEWHERE = re.compile(r"^(?!http://127\.0\.0\.1[:/]|data:|blob:)")


def new_visitor(browser, foreign, **options):
    """A page of a browser that has seen nothing yet, and reaches no other machine.

    Args:
        browser: Playwright's.
        foreign: list that gets the addresses elsewhere that the page asks for.
        options: of Playwright's `new_context`.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)

    def refuse(route):
        foreign.append(route.request.url)
        route.abort()

    context.route(ELSEWHERE, refuse)
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.on("websocket", lambda socket: foreign.append(socket.url))  # the page has none
    return page


@pytest.fixture
def visit():
    """A page of a real browser, and the addresses elsewhere that it asked for, in vain."""
    from docs.pages.studio import BROWSER

    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(BROWSER))
        foreign = []
        yield new_visitor(browser, foreign), foreign
        browser.close()
