"""What training makes of the faces in its pictures: control pictures, inpainting masks, who is
there, and features of them."""

from pathlib import Path

import numpy as np

from common.cli import progress
from common.files import atomic_write
from ddpm.conditions.inpaint import random_mask
from facekit.align import align
from facekit.control import canny, colour_grid, face_points, tile
from facekit.masks import random_part
from facekit.mesh import five_points

EMBEDDER = "encoder"  # the project's own: it is there on every machine, and knows rendered people
_AT_ONCE = 256  # faces that are cut out before they are embedded
P_FACE_MASK = 0.6  # share of masks that are parts of a face, where one is known


def hint_maker(images, cache):
    """What makes the control pictures of a training window: canny, colour grid, tile, face points.

    Args:
        images: sequence of N pictures, uint8 (H, W, 3).
        cache: file for the points of their faces.

    Returns:
        (`ddpm.conditions.Window`) -> (uint8 (S, S, 12), bool (4,)): the pictures, and which there
        are.
    """
    points = find_points(images, cache)

    def make(window):
        face = _face_in(window, points)
        pictures = (
            canny(window.image, sigma=window.rng.uniform(0.2, 0.5)),
            colour_grid(window.image),
            tile(window.image, factor=int(window.rng.choice((2, 4, 8)))),
            face_points(window.image.shape, [] if face is None else face),
        )
        present = np.array([True, True, True, face is not None])
        return np.concatenate(pictures, axis=-1), present

    return make


def mask_maker(images, cache, size):
    """What makes the masks to train on: parts of faces, where the points of one are known, strokes,
    boxes and halves.

    Args:
        images, cache: as `hint_maker`.
        size: side of the windows, pixels.

    Returns:
        (`ddpm.conditions.Window`) -> float32 (size, size, 1), 0 or 1.
    """
    points = find_points(images, cache)

    def make(window):
        face = _face_in(window, points)
        if face is not None and window.rng.random() < P_FACE_MASK:
            part = random_part(face, (size, size), window.rng)[..., None]
            if part.any():  # small faces have thin rings, and cuts may leave a face out
                return part
        return random_mask(size, window.rng)

    return make


def _face_in(window, points):
    """The mesh of a picture's face in a window of it, float (478, 2); None where there is none."""
    face = points[window.index]
    if not np.isfinite(face).all():
        return None
    return face @ window.matrix[:, :2].T + window.matrix[:, 2]


def find_points(images, cache):
    """The mesh of each picture's largest face: float32 (N, 478, 2), NaN where there is none. Found
    once, and kept in a file.

    Raises:
        ValueError: if the file is of other pictures.
    """
    known = _kept(cache, (len(images), 478, 2))
    if known is not None:
        return known
    from facekit.detect import detect, largest

    points = np.full((len(images), 478, 2), np.nan, np.float32)
    bar = progress(len(images), "finding faces", "picture")
    for i, image in enumerate(images):
        face = largest(detect(np.ascontiguousarray(image)))
        if face is not None:
            points[i] = face.mesh[:, :2]
        bar.update()
    bar.close()
    _keep(points, cache)
    return points


def find_embeddings(images, folder):
    """Who is seen in each picture: the unit vector of its largest face, float32 (N, D), NaN where
    there is none. Made once, and kept in a file beside the faces' points.

    Args:
        images: sequence of N pictures, uint8 (H, W, 3).
        folder: of both files.

    Raises:
        ValueError: if a file is of other pictures.
    """
    embedder = _embedder()
    make, shape = embedder.embed_crops, (embedder.dimensions,)
    return _of_faces(images, Path(folder), "identity.npy", shape, np.float32, make)


def find_features(images, folder):
    """What is seen of each picture's largest face, and of its mirror image: float16 (N, 2, M, F),
    NaN where there is none (`facekit.identity.EncoderEmbedder.features`). Made once, and kept in a
    file beside the faces' points.

    Args and errors as `find_embeddings`.
    """
    embedder = _embedder()
    make, shape = embedder.features, (2, *embedder.features_shape())
    return _of_faces(images, Path(folder), "face_features.npy", shape, np.float16, make)


def features_shape():
    """(M, F) of `find_features`."""
    return _embedder().features_shape()


def _embedder():
    from facekit.identity import load_embedder

    return load_embedder(EMBEDDER)


def _of_faces(images, folder, name, shape, dtype, make):
    """What is made of each picture's largest face, (N, *shape), NaN where there is none; kept in a
    file.

    Args:
        make: crops of faces, uint8 (n, S, S, 3) -> (n, *shape).
    """
    cache, points = folder / name, find_points(images, folder / "points.npy")
    size = _embedder().settings.size
    known = _kept(cache, (len(images), *shape))
    if known is not None:
        return known
    known = np.full((len(images), *shape), np.nan, dtype)
    seen = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    with progress(len(seen), "knowing faces", "picture") as bar:
        for first in range(0, len(seen), _AT_ONCE):
            some = seen[first : first + _AT_ONCE]
            crops = [
                align(np.ascontiguousarray(images[i]), five_points(points[i]), size).image
                for i in some
            ]
            known[some] = make(np.stack(crops))
            bar.update(len(some))
    _keep(known, cache)
    return known


def _kept(cache, shape):
    """What a cache holds; None where there is none.

    Raises:
        ValueError: if it has another shape.
    """
    if not Path(cache).exists():
        return None
    known = np.load(cache)
    if known.shape != shape:
        raise ValueError(f"{cache} is not of these pictures; remove it, and it is made again.")
    return known


def _keep(array, cache):
    """Write a cache, whole or not at all."""
    with atomic_write(Path(cache)) as partial, partial.open("wb") as file:
        np.save(file, array)
