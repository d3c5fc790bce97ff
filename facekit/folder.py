"""Many files at once: a process a core, a progress bar, and errors that stay with their files.

A file that cannot be used, or whose decoder crashes its process, becomes a sentence; the rest goes
on.
"""

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from common.cli import progress
from common.devices import core_count
from common.files import is_disk_full
from common.images import ImageError, read_image
from facekit.detect import detect
from facekit.identity import load_embedder
from facekit.quality import quality
from facekit.score import Measured, MeasuredFace, fingerprint

MIN_PARALLEL = 6  # files; with fewer a second process takes longer to start than it saves


def measure(path, embedder="auto"):
    """Faces, quality and embeddings of one photo.

    Args:
        path: a picture file.
        embedder: its name, as for `facekit.identity.load_embedder`.

    Returns:
        Measured; its `problem` says why where the file cannot be read or shows no face.
    """
    try:
        image = read_image(path)
    except ImageError as error:
        return Measured(str(path), problem=error.reason)
    found = detect(image)
    who = load_embedder(embedder) if found else None
    faces = tuple(
        MeasuredFace(face, quality(image, face), who.embed(image, face.points5)) for face in found
    )
    return Measured(str(path), faces, fingerprint(image), "" if faces else "no face found")


def for_each(function, paths, workers=None, unit=" photos"):
    """Apply a function to each of many files, in several processes.

    Args:
        function: of one path; importable by name, as is what it returns.
        paths: list of files.
        workers: processes; by default one a core.
        unit: of the progress bar.

    Yields:
        (path, result), as they become ready. A result is a ValueError where the function raised
        one or crashed its process.

    Raises:
        OSError: the disk is full.
    """
    workers = min(workers or core_count(), len(paths))
    parallel = workers > 1 and len(paths) >= MIN_PARALLEL
    results = _pooled(function, paths, workers) if parallel else _one_by_one(function, paths)
    with progress(len(paths), unit=unit, disable=len(paths) == 1) as bar:
        for path, result in results:
            bar.update()
            yield path, result


def _one_by_one(function, paths):
    for path in paths:
        try:
            result = function(path)
        except (ValueError, OSError) as error:
            result = _sentence(error, path)
        yield path, result


def _pooled(function, paths, workers):
    left = list(paths)
    try:
        yield from _in_pool(function, left, workers)
    except BrokenProcessPool:
        # A file has crashed its process: each of the rest gets a process of its own.
        for path in list(left):
            try:
                yield from _in_pool(function, [path], 1)
            except BrokenProcessPool:
                yield path, ValueError(f"{path}: a damaged picture (its decoder crashed).")


def _in_pool(function, left, workers):
    """Results of the files in `left`, which it removes from there."""
    context = multiprocessing.get_context("spawn")  # MediaPipe's threads do not survive a fork
    with ProcessPoolExecutor(workers, context, initializer=_start_worker) as pool:
        waiting = {pool.submit(function, path): path for path in left}
        try:
            for done in as_completed(waiting):
                path = waiting[done]
                try:
                    result = done.result()
                except (ValueError, OSError) as error:
                    result = _sentence(error, path)
                left.remove(path)
                yield path, result
        finally:
            for future in waiting:
                future.cancel()


def _sentence(error, path):
    """The ValueError of a file; raises the error itself where the disk is full."""
    if is_disk_full(error):
        raise error
    if isinstance(error, OSError):
        return ValueError(f"{path}: cannot write {error.filename}: {error.strerror}.")
    return ValueError(str(error))


def _start_worker():
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which says so once
