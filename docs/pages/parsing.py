"""docs/parsing.md: the networks that renders train for facekit: parser, restorer, retoucher.

The photographs are NASA's of Eileen Collins (from scikit-image) and the US Navy's of Grace Hopper
(from matplotlib), both in the public domain; all other faces are rendered.
"""

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from benchmarks.restoration import SEED, bicubic
from data.faces import make_faces
from docs.pages.facekit import head, scenes, sheet
from docs.shared import Page, save_picture, table
from facekit import cover, draw, masks, occlusions, parsing, restore, retouch, retoucher
from facekit.degrade import Degradation, reduced, reduced_size
from facekit.detect import detect, largest

WANTED = {
    "skin": 0.95,
    "hair": 0.92,
    "brows": 0.75,
    "eyes": 0.85,
    "lips": 0.88,
    "glasses": 0.75,
    "hat": 0.9,
}
MAKERS = ("bicubic", "upscaled", "restored")
COVERS = (occlusions.hand, occlusions.strands, occlusions.microphone, occlusions.glasses)


# --- pictures


@cache
def people():
    """Eight rendered people whom no network has seen: lists of uint8 (256, 256, 3) and of part maps
    uint8 (256, 256)."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_faces(Path(folder) / "a", 8, 8, 256, 784, drawn=0)
        return list(np.load(made / "images.npy")), list(np.load(made / "labels.npy"))


def draw_parts(_models):
    """Photographs and covered renders: the picture, its parts, and what the mesh takes for them."""
    shown, (images, labels) = list(scenes()), people()
    for i, cover_with in enumerate(COVERS):
        face = largest(detect(images[i]))
        rng = np.random.default_rng([784, i])
        hidden, _ = cover_with(images[i], labels[i], face.points5.astype(float), rng)
        shown.append((hidden, largest(detect(hidden)) or face))
    cells = []
    for image, face in shown:
        view, there = head(image, face, 2.0)
        cells.append([
            (view, "picture"),
            (draw.parts(view, parsing.parse(view, there)), "parts"),
            (draw.masks(view, masks.regions(there, view.shape)), "polygons of the mesh"),
        ])  # fmt: skip
    rows = [first + second for first, second in zip(cells[::2], cells[1::2], strict=True)]
    save_picture(sheet(rows), "parsing_parts")


def draw_restored(_models):
    """Small and spoiled faces, enlarged four times."""
    images, _ = people()
    rows = []
    for i, image in enumerate(images[4:7]):
        poor = Degradation(0.0)(image, 4, np.random.default_rng((SEED, i)))
        rows.append(_enlarged(image, poor))
    for image, face in scenes():
        view, _ = head(image, face, 2.0)
        view = cv2.resize(view, (256, 256), interpolation=cv2.INTER_AREA)
        rows.append(_enlarged(view, reduced(view, reduced_size(view, 4))))
    save_picture(sheet(rows), "parsing_restored")


def _enlarged(image, poor):
    near = cv2.resize(poor, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    words = ("a quarter of the side", "bicubic", "restored", "the original")
    return list(zip((near, bicubic(poor, 4), restore.restore(poor, 4), image), words, strict=True))


def draw_retouched(_models):
    """Renders and photographs: as they are, retouched as learned, smoothed, and the truth."""
    from facekit.train_retoucher import spotted

    rows = []
    for before, labels, after in _pairs_apart(3):
        face, rng = largest(detect(before)), np.random.default_rng(784)
        rows.append(_smooth(spotted(before, labels, face.points5, rng), face, after))
    for image, face in scenes():
        view, there = head(image, face, 1.6)
        rows.append(_smooth(view, there, None))
    save_picture(sheet(rows), "parsing_retouched")


def _pairs_apart(n):
    """Pairs that the retoucher has not seen: (picture, part map, the picture without blemishes).
    Rendered in a process of their own, for the renderer's drivers and TensorFlow do not go well
    together."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "pairs"
        words = ["--n", str(n), "--seed", "784", "--out", str(out)]
        subprocess.run([sys.executable, "-m", "data.blemishes", *words], check=True)
        made = [np.load(out / f"{name}.npy") for name in ("images", "labels", "retouched")]
        return list(zip(*made, strict=True))


def _smooth(image, face, truth):
    skin = cover.bare_skin(image, face)
    made = [
        (image, "picture"),
        (retoucher.default_retoucher()(image, face, skin), "retouched as learned"),
        (retouch.smooth_skin(image, skin, 1.0, masks.face_width(face)), "smoothed, strength 1"),
    ]
    return [*made, (truth, "rendered without")] if truth is not None else made


# --- numbers


def parts_table(found):
    """A row for each part: median intersection over union, and what was wanted."""
    rows = []
    for name in parsing.PARTS[1:]:
        cells = [found[kind].get(name) for kind in ("clean", "augmented")]
        shown = [f"{value:.2f}" if value is not None else "" for value in cells]
        rows.append([name, *shown, WANTED.get(name, "")])
    return table(["part", "renders", "augmented", "wanted on renders"], rows)


def restoration_table(found):
    """A row for each scale and kind of input."""
    rows = []
    for scale in ("x4", "x2"):
        for kind in ("clean", "degraded"):
            both = [found[kind][scale][maker] for maker in MAKERS]
            rows.append([scale, kind, _pair(both, "psnr", "{:.1f}"),
                         _pair(both, "features", "{:.3f}"), _pair(both, "encoder", "{:.2f}"),
                         _pair(both, "dlib", "{:.2f}")])  # fmt: skip
        for name, both in found["photographs"][scale].items():
            psnr = ", ".join(f"{both[maker]:.1f}" for maker in MAKERS)
            rows.append([scale, f"photograph {name.replace('_', ' ')}", psnr, "", "", ""])
    return table(["scale", "input", "PSNR, dB", "features", "encoder", "dlib"], rows)


def _pair(both, name, form):
    return ", ".join(form.format(one[name]) for one in both if name in one)


def retouching_table(found):
    names = {"learned": "as learned", "smoothed": "smoothed, strength 1"}
    rows = [
        [words, f"{one['left']:.2f}", f"{one['texture']:.2f}",
         *(f"{one[n]:.3f} ({one[f'{n}_least']:.3f})" if n in one else "" for n in
           ("encoder", "dlib"))]
        for key, words in names.items() for one in [found[key]]
    ]  # fmt: skip
    head_ = ["", "of the difference left", "texture kept", "encoder (least)", "dlib (least)"]
    return table(head_, rows)


def context(results):
    parser, mended = results["parsing"], results["restoration"]
    restored, retouched = mended["restoration"], mended["retouching"]
    return {
        "parts": parts_table(parser),
        "pictures": parser["pictures"],
        "milliseconds": f"{parser['milliseconds']:.0f}",
        "parameters": f"{parser['parameters'] / 1e6:.1f} M",
        "restoration": restoration_table(restored),
        "restored": restored["pictures"],
        "seconds": {scale: f"{value:.1f}" for scale, value in restored["seconds"].items()},
        "retouching": retouching_table(retouched),
        "pairs": retouched["pairs"],
    }


PAGE = Page(
    "docs/parsing.md",
    {"parsing": "parsing.json", "restoration": "restoration.json"},
    context,
    {
        "parsing_parts": draw_parts,
        "parsing_restored": draw_restored,
        "parsing_retouched": draw_retouched,
    },
)
