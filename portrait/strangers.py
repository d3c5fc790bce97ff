"""Strangers: rendered people beside whom a person is learned. All of them are the prior, against
forgetting what other people look like; those who look at the camera are the templates that
validation pictures are painted over.
"""

import json
from pathlib import Path

import numpy as np

from common.images import resize
from data import make_faces
from facekit.detect import detect, largest
from facekit.quality import quality
from portrait import photos as photos_of

N, SEED = 32, 1000003  # how many there are; of a dataset that no model here was trained on
LARGER = 3  # times a model's pictures: as large as photos are
TEMPLATES = 4
SEXES = ("woman", "man")


def make(folder, size, workers=None):
    """Render the strangers, or go on with it, or leave them alone: `python -m data`.

    Args:
        folder: of the dataset.
        size: of the model's pictures, pixels.
    """
    make_faces(folder, N, N, LARGER * size, SEED, workers, drawn=0.0)


def templates(folder, size, noun=""):
    """Frontal strangers, cut out as a person's photos are: uint8 (TEMPLATES, size, size, 3).

    Args:
        folder: of `make`.
        size: of the model's pictures, pixels.
        noun: what the person is: women are painted over women, where it says so.
    """
    images = np.load(Path(folder) / "images.npy", mmap_mode="r")
    lines = (Path(folder) / "faces.jsonl").read_text("utf-8").splitlines()
    order = _frontal_first([json.loads(line) for line in lines], noun)
    found = []
    for i in order:
        image = np.ascontiguousarray(images[i])
        face = largest(detect(image))
        if face is not None:
            made = photos_of.prepare(image, face, quality(image, face))
            found.append(resize(made.image, size))
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
