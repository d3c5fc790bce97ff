"""Many files at once: each measured in a process of its own core, with a progress bar.

A file that cannot be used becomes a sentence and the rest goes on; so does one whose decoder takes
the whole process down with it.
"""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from tqdm import tqdm

from facekit import pictures
from facekit.detect import detect
from facekit.identity import embedder
from facekit.quality import quality
from facekit.score import Measured, MeasuredFace, fingerprint

ALONE = 6  # files; below that a second process takes longer to start than it saves


def measure(path, maker="auto"):
    """Everything that is known of one photo by itself.

    Args:
        path: a picture file.
        maker: name of the embedding, see `facekit.identity.embedder`.

    Returns:
        Measured; its `problem` says so where the file cannot be read or shows no face.
    """
    try:
        image = pictures.read(path)
    except ValueError as error:
        return Measured(str(path), problem=_without_path(error, path))
    found = detect(image)
    who = embedder(maker) if found else None
    faces = tuple(
        MeasuredFace(face, quality(image, face), who.embed(image, face.points5)) for face in found
    )
    return Measured(str(path), faces, fingerprint(image), "" if faces else "no face found")


def for_each(function, paths, workers=None, title="photos"):
    """Apply a function to each of many files, in several processes.

    Args:
        function: of one path; importable by name, as is what it returns.
        paths: list of files.
        workers: processes; by default one a core.
        title: what the progress bar calls the files.

    Yields:
        (path, result), as they become ready. A result is a ValueError where the function raised
        one or took its process down.
    """
    workers = min(workers or os.cpu_count() or 1, len(paths))
    bar = tqdm(total=len(paths), unit=" " + title, disable=not sys.stderr.isatty(), leave=False)
    with bar:
        results = (
            _alone(function, paths)
            if workers < 2 or len(paths) < ALONE
            else _pooled(function, paths, workers)
        )
        for path, result in results:
            bar.update()
            yield path, result


def _alone(function, paths):
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
        # Some file killed its process: each of the rest gets a process of its own.
        for path in list(left):
            try:
                yield from _in_pool(function, [path], 1)
            except BrokenProcessPool:
                yield path, ValueError(f"{path}: a damaged picture (its decoder crashed).")


def _in_pool(function, left, workers):
    """Takes paths off `left` as it yields their results."""
    context = multiprocessing.get_context("spawn")  # MediaPipe's threads do not survive a fork
    with ProcessPoolExecutor(workers, context, initializer=_one_core) as pool:
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
    if isinstance(error, OSError):
        return ValueError(f"{path}: cannot write {error.filename}: {error.strerror}.")
    return ValueError(str(error))


def _one_core():
    import cv2

    cv2.setNumThreads(1)


def _without_path(error, path):
    """The sentence without the path that it begins with: whoever shows it names the file."""
    return str(error).removeprefix(f"{path}: ").rstrip(".")
