"""Datasets of rendered faces: many processes, the same bytes for the same settings, resumable at
any moment.

While it is made, everything lies in a folder beside the final one, named "<out>.partial": the
arrays at their full size, and one small file of records for each finished chunk of pictures. A
chunk counts once its records are there, and they come last, under their final name in one rename.
At the end the folder itself is renamed. So a process killed at any moment leaves either nothing, or
a folder from which the same command goes on, or the finished dataset.
"""

import ctypes
import errno
import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from common import cli
from common.devices import core_count
from common.files import atomic_write
from data.light.raster import MISSING
from data.shape.parts import PARTS, STYLES

VERSION = 5  # raised whenever the same seed would give other pictures or captions
CHUNK = 16  # pictures between two records
SIZES = (16, 1024)
# Each process draws with one thread: the processes are the parallelism, and sums come out the same
# on every machine.
ONE_THREAD = {
    "LP_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def make_faces(out, n=972, identities=243, size=64, seed=0, workers=None, progress=True, drawn=0.1):
    """Render a dataset of faces, go on with an unfinished one, or leave a finished one alone.

    Args:
        out: folder to make; its parent is made too.
        n: number of pictures.
        identities: number of people; each has n / identities pictures, one after another.
        size: width and height in pixels.
        seed: the dataset's seed. Picture i depends on the seed, its own and its person's number,
            the size and `VERSION` alone.
        workers: processes; None for one a processor.
        progress: whether to show a progress bar.
        drawn: share of the pictures that are drawn in one of the styles, evenly, instead of
            photographed; who is shown and how does not depend on it.

    Returns:
        `Path` of the folder.

    Raises:
        ValueError: if a number makes no sense, the folder holds something else, or nothing can be
            rendered or written.
    """
    settings = _settings(n, identities, size, seed, drawn)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1. Received: workers={workers}.")
    out = Path(out)
    if is_finished(out, settings):
        return out
    partial = out.with_name(out.name + ".partial")
    try:
        chunks = _prepare(partial, settings)
        if chunks:
            _render_chunks(partial, settings, chunks, workers or core_count(), progress)
        _finish(partial, out, settings)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            size = max(1, round(_bytes_needed(settings) / 2**20))
            raise ValueError(
                f"The disk is full: {out} needs {size} MiB. Make room and run the same command "
                "again: it goes on where it stopped."
            ) from None
        raise ValueError(f"Cannot write {out}: {error.strerror or error}.") from None
    return out


def _settings(n, identities, size, seed, drawn):
    """What dataset.json holds. Raises ValueError where a number makes no sense."""
    if n < 1:
        raise ValueError(f"A dataset has at least one picture. Received: n={n}.")
    if not 1 <= identities <= n:
        raise ValueError(
            "identities must be from 1 to n, the number of pictures. "
            f"Received: identities={identities}, n={n}."
        )
    if not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(
            f"size must be from {SIZES[0]} to {SIZES[1]} pixels. Received: size={size}."
        )
    if seed < 0:
        raise ValueError(f"seed must not be negative. Received: seed={seed}.")
    if not 0 <= drawn <= 1:
        raise ValueError(f"drawn must be from 0 to 1. Received: drawn={drawn}.")
    return {
        "kind": "rendered faces",
        "version": VERSION,
        "n": int(n),
        "identities": int(identities),
        "size": int(size),
        "seed": int(seed),
        "drawn": float(drawn),
        "parts": list(PARTS),
        "styles": list(STYLES),
    }


def is_finished(out, settings):
    """Whether `out` is the finished dataset of these settings.

    Raises:
        ValueError: if it is something else, which is never overwritten.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    found = _read_json(out / "dataset.json")
    if found == settings:
        return True
    if found is None:
        raise ValueError(
            f"{out} holds something that is not a dataset of faces. Name another folder with --out."
        )
    raise ValueError(
        f"{out} holds a dataset with other settings ({_difference(found, settings)}). Name another "
        "folder with --out, or delete that one."
    )


def _difference(found, settings):
    """In words, how two settings differ."""
    names = [name for name in settings if found.get(name) != settings[name]]
    return ", ".join(
        f"{name} {found.get(name)} instead of {settings[name]}"
        for name in names
        if name not in ("parts", "styles")
    ) or ", ".join(names)


def _read_json(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _bytes_needed(settings):
    return settings["n"] * (4 * settings["size"] ** 2 + 4096)


def _prepare(partial, settings):
    """Make or open the unfinished folder: the numbers of the chunks that are still to be
    rendered."""
    found = _read_json(partial / "dataset.json")
    if partial.exists() and found != settings:
        if found is not None:
            raise ValueError(
                f"{partial} is an unfinished dataset with other settings "
                f"({_difference(found, settings)}). Delete it, or run its own command to finish it."
            )
        names = {path.name for path in partial.iterdir() if not path.name.startswith(".partial-")}
        if names - {"images.npy", "labels.npy", "records"}:
            raise ValueError(
                f"{partial} is in the way and is not an unfinished dataset of faces. Move it away."
            )
        shutil.rmtree(partial)
    if not partial.exists():
        try:
            _begin(partial, settings)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    done = {int(p.stem) for p in (partial / "records").glob("*.jsonl")}
    return [k for k in range(-(-settings["n"] // CHUNK)) if k not in done]


def _begin(partial, settings):
    """Make an unfinished folder; dataset.json, which says that it is one, comes last."""
    n, size = settings["n"], settings["size"]
    (partial / "records").mkdir(parents=True)
    _allocate(partial / "images.npy", (n, size, size, 3))
    _allocate(partial / "labels.npy", (n, size, size))
    _write(json.dumps(settings, indent=1), partial / "dataset.json")


def _allocate(path, shape):
    """Make a uint8 array file and take its room on the disk now: a full disk later would kill a
    mapped write."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    del array
    with open(path, "r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _write(text, path):
    """Write a text, whole or not at all, and make sure that it is on the disk."""
    with atomic_write(path, sync=True) as partial:
        partial.write_text(text)


def _render_chunks(partial, settings, chunks, workers, progress):
    """Render chunks in worker processes; on Ctrl-C stop them and pass the interrupt on."""
    n = settings["n"]
    left = sum(min(CHUNK, n - k * CHUNK) for k in chunks)
    context = multiprocessing.get_context("spawn")
    with _environment(ONE_THREAD):
        pool = ProcessPoolExecutor(
            min(workers, len(chunks)), context, _start_worker, (os.getpid(),)
        )
        jobs = {pool.submit(_render_chunk, str(partial), settings, k): k for k in chunks}
    try:
        with cli.progress(
            total=n, initial=n - left, unit="picture", disable=not progress, smoothing=0.05
        ) as bar:
            for job in as_completed(jobs):
                bar.update(job.result())
    except BrokenProcessPool:
        some_done = any(job.done() and not job.exception() for job in jobs)
        raise ValueError(_why_died(some_done)) from None
    finally:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            if any(not job.done() for job in jobs):
                process.terminate()


def _why_died(some_done):
    """A sentence about worker processes that died."""
    if some_done:
        return (
            "A process that renders died (killed, or out of memory). Run the same command again: "
            "it goes on where it stopped; --workers 1 takes the least memory."
        )
    return f"Rendering died before the first pictures were done. Most likely {MISSING}"


@contextmanager
def _environment(values):
    """Set environment variables for the processes started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _start_worker(parent):
    """Prepare a worker: Ctrl-C is the parent's business, and a worker does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


_renderers = {}


def _render_chunk(partial, settings, chunk):
    """Render one chunk into the unfinished folder: the number of its pictures."""
    partial = Path(partial)
    size, n = settings["size"], settings["n"]
    if size not in _renderers:
        _renderers[size] = _start_renderer(size)
    images = np.lib.format.open_memmap(partial / "images.npy", "r+")
    labels = np.lib.format.open_memmap(partial / "labels.npy", "r+")
    lines = []
    for i in range(chunk * CHUNK, min(n, (chunk + 1) * CHUNK)):
        picture, record = render_face(_renderers[size], i, settings)
        images[i], labels[i] = picture.image, picture.labels
        lines.append(json.dumps(record) + "\n")
    images.flush()
    labels.flush()
    _write("".join(lines), partial / "records" / f"{chunk:06d}.jsonl")
    give_back_memory()
    return len(lines)


def give_back_memory():
    """Give memory that is free back to the system where the C library can (glibc): pictures differ
    in how much they need, and what is free between kept pieces would add up."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass


def _start_renderer(size):
    """A renderer for this process.

    Raises:
        ValueError: if a system library is missing that OpenCV or VTK needs.
    """
    try:
        import cv2

        from data.light.render import Renderer
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        raise ValueError(f"OpenCV or VTK cannot be loaded ({error}): {MISSING}") from None
    cv2.setNumThreads(1)
    return Renderer(size)


def _identity(i, settings):
    return i * settings["identities"] // settings["n"]


def sample_face(i, settings):
    """Who is in picture `i` of a dataset, and how: a `Person`, a `View`, and the generator that
    goes on to choose the caption's words."""
    from data.people.person import sample_person
    from data.people.view import sample_view

    person = sample_person(np.random.default_rng([settings["seed"], 0, _identity(i, settings)]))
    rng = np.random.default_rng([settings["seed"], 1, i])
    style = _sample_style(np.random.default_rng([settings["seed"], 2, i]), settings)
    return person, replace(sample_view(person, rng), style=style), rng


def render_face(renderer, i, settings):
    """Render picture `i` of a dataset.

    Args:
        renderer: a `data.light.render.Renderer`.
        i: its number.
        settings: with n, identities and seed, and perhaps drawn.

    Returns:
        a `data.light.render.Picture` and its line of faces.jsonl as a dictionary.
    """
    from data.people.captions import describe
    from data.people.view import attributes

    person, view, rng = sample_face(i, settings)
    picture = renderer.render(person, view)
    pose = view.pose
    record = {
        "identity": _identity(i, settings),
        "style": view.style,
        "caption": describe(person, view, picture.labels, rng),
        "attributes": attributes(person, view),
        "points5": [[round(float(x), 2) for x in p] for p in picture.points5],
        "points": picture.points,
        "pose": [round(pose.yaw, 2), round(pose.pitch, 2), round(pose.roll, 2)],
    }
    return picture, record


def _sample_style(rng, settings):
    """The style of a picture: a photo, or evenly one of the others."""
    drawn = rng.random() < settings.get("drawn", 0)
    return str(rng.choice(STYLES[1:])) if drawn else STYLES[0]


def _finish(partial, out, settings):
    """Join the records and give the folder its name."""
    records = sorted(partial.glob("records/*.jsonl"))
    if records:  # else a process was killed after it had joined them
        _write("".join(path.read_text() for path in records), partial / "faces.jsonl")
        shutil.rmtree(partial / "records")
    os.replace(partial, out)
