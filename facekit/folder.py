"""Many files at once: a process a core, a progress bar, and errors that stay with their files.

A file that cannot be used, or whose decoder crashes its process, becomes a sentence; the rest goes
on.
"""

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from common.cli import progress
from common.devices import core_count
from common.files import copy_file, is_disk_full
from common.images import ImageError, find_images, read_image
from facekit.detect import detect
from facekit.identity import load_embedder
from facekit.quality import quality
from facekit.score import Measured, MeasuredFace, fingerprint, rank

NO_FACE = "no face found"
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
    return Measured(str(path), faces, fingerprint(image), "" if faces else NO_FACE)


def ranked(paths, embedder="auto", workers=None, observe=None):
    """Photos measured and sorted, see `facekit.score.rank`. One that cannot be used is a photo
    without faces, whose reason says why.

    Args:
        paths: list of files.
        embedder: its name, as for `facekit.identity.load_embedder`.
        workers: processes; by default one a core.
        observe: optional (number of photos that are measured) -> None.

    Returns:
        list of `facekit.score.Scored`, best first; of equal ones in the order of `paths`.

    Raises:
        ValueError: an embedder that is unknown or missing.
        OSError: the disk is full.
    """
    chosen = load_embedder(embedder)  # fails here, once, where its package is missing
    measured = {}
    for path, found in for_each(partial(measure, embedder=chosen.name), paths, workers):
        if isinstance(found, ValueError):
            found = Measured(str(path), problem=str(found).removeprefix(f"{path}: ").rstrip("."))
        measured[path] = found
        if observe is not None:
            observe(len(measured))
    return rank([measured[path] for path in paths], chosen.same)


def photos_but_results(photos, out):
    """The photos at a path, but for those in the folder for the results, where it lies among them.

    Args:
        photos: a file, or a folder.
        out: folder for the results; None where there is none.

    Returns:
        list of Path, in order of name.

    Raises:
        ValueError: no photos; or the results would lie beside them and could overwrite them.
    """
    paths = find_images(photos)
    if out is None:
        return paths
    out = out.resolve()
    if out == (photos if photos.is_dir() else photos.parent).resolve():
        raise ValueError(f"{out} holds the photos themselves: choose another folder for --out.")
    left = [path for path in paths if out not in path.resolve().parents]
    if not left:
        raise ValueError(f"{photos}: no pictures but those in {out}.")
    return left


def names_of(paths, root):
    """{path: name} of each photo's results: all different, and without dots, which stand before
    the number of a face.

    Args:
        paths: of the photos.
        root: the folder that they were found in, or the only photo.
    """
    names = {}
    for path in paths:
        inside = path.relative_to(root) if root.is_dir() else Path(path.name)
        name = "_".join(inside.with_suffix("").parts).replace(".", "_")
        tries = (
            name,
            f"{name}_{path.suffix[1:].lower()}",
            *(f"{name}_{i}" for i in range(2, 10**6)),
        )
        taken = set(names.values())
        names[path] = next(one for one in tries if one not in taken)
    return names


def copy_best(scored, top, out):
    """Copy the best photos of the person, without near-duplicates, numbered by rank.

    Args:
        scored: list of `facekit.score.Scored`, best first.
        top: how many at most.
        out: the folder to copy to.

    Returns:
        int, how many were copied.
    """
    best = [p for p in scored if p.best is not None and p.best.same and not p.near_duplicate_of]
    out.mkdir(parents=True, exist_ok=True)
    for place, photo in enumerate(best[:top], 1):
        source = Path(photo.path)
        copy_file(source, out / f"{place:02d}_{source.name}")
    return len(best[:top])


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
