"""Strangers: rendered people beside whom a person is learned.

    faces/    a dataset of them; those who look at the camera are the templates that validation
              pictures are painted over
    class/    the prior, against forgetting what other people look like: all of them as they are,
              and some cut out as the person's photos are

The latter share the background, the framing and the words for both with the person's squares, who
would else be learned as what those words mean, and not as what the trigger word does.
"""

import json
import shutil
from pathlib import Path

import numpy as np

from common.images import resize, write_image
from data import make_faces
from facekit.detect import detect, largest
from facekit.quality import quality
from portrait import photos as photos_of

N, SEED = 32, 1000003  # how many there are; of a dataset that no model here was trained on
CUT_OUT = 16  # of them, besides
LARGER = 3  # times a model's pictures: as large as photos are
TEMPLATES = 4
SEXES = ("woman", "man")
FACES, CLASS = "faces", "class"


def make(folder, size, workers=None):
    """Render the strangers and cut them out, or go on with it, or leave them alone.

    Args:
        folder: of both.
        size: of the model's pictures, pixels.
        workers: processes; None for one a core.
    """
    folder = Path(folder)
    make_faces(folder / FACES, N, N, LARGER * size, SEED, workers, drawn=0.0)
    if not (folder / CLASS).exists():
        _write_class(folder)


def _write_class(folder):
    """Write the prior, pictures with their captions beside them, whole or not at all."""
    partial = folder / f"{CLASS}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    images, records = _read(folder)
    pictures = [(image, record["caption"]) for image, record in zip(images, records, strict=True)]
    for image, record in list(zip(images, records, strict=True))[:CUT_OUT]:
        face = largest(detect(image))
        if face is not None:
            caption = photos_of.caption(f"a {record['attributes']['sex']}", "", face)
            pictures.append((_cut_out(image, face), caption))
    for i, (image, caption) in enumerate(pictures):
        write_image(image, partial / f"{i:03d}.png")
        (partial / f"{i:03d}.txt").write_text(caption + "\n", "utf-8")
    partial.rename(folder / CLASS)


def _read(folder):
    """The faces: list of uint8 (H, W, 3), and list of their records."""
    images = np.load(folder / FACES / "images.npy", mmap_mode="r")
    lines = (folder / FACES / "faces.jsonl").read_text("utf-8").splitlines()
    return [np.ascontiguousarray(image) for image in images], [json.loads(line) for line in lines]


def _cut_out(image, face):
    """The square of a stranger, as those of the person are: uint8 (S, S, 3)."""
    return photos_of.prepare(image, face, quality(image, face)).image


def templates(folder, size, noun=""):
    """Frontal strangers, cut out as a person's photos are: uint8 (n, size, size, 3), n at most
    `TEMPLATES`.

    Args:
        folder: of `make`.
        size: of the model's pictures, pixels.
        noun: what the person is: women are painted over women, where it says so.
    """
    images, records = _read(Path(folder))
    found = []
    for i in _frontal_first(records, noun):
        face = largest(detect(images[i]))
        if face is not None:
            found.append(resize(_cut_out(images[i], face), size))
        if len(found) == TEMPLATES:
            break
    return np.stack(found)


def _frontal_first(records, noun):
    """Numbers of the records, those first that fit and look at the camera: nothing hides their face
    or their hair."""
    sexes = set(noun.lower().split()).intersection(SEXES)

    def key(i):
        worn = records[i]["attributes"]
        other = bool(sexes) and worn["sex"] not in sexes
        return other, bool(worn["hat"] or worn["glasses"]), max(map(abs, records[i]["pose"]))

    return sorted(range(len(records)), key=key)
