"""Holes in faces and faces in templates, with known truth: numbers in
benchmarks/results/portrait.json.

    python -m data --n 400 --identities 400 --size 256 --seed 778 --drawn 0 --out data/fresh256
    python -m benchmarks.portrait --fresh data/fresh256

holes      eyes, mouth, half, whole face and ring cut out of renders, and filled by each method
pairs      the face of one rendered person painted into the picture of another
"""

import json
import os
import time
from pathlib import Path

import click
import cv2
import numpy as np

from facekit import fuse, masks
from facekit.control import resize
from facekit.detect import detect, largest
from facekit.identity import embedder, similarity

RESULTS = Path(__file__).parent / "results" / "portrait.json"
HOLES = ("eyes", "mouth", "half", "face", "ring")
METHODS = ("telea", "mean face", "project", "repaint", "network")
STEPS = 20  # of the samplers; RePaint walks them ten times


def hole(face, shape, kind):
    """A mask to cut out: float32 (H, W), 0 or 1."""
    parts = masks.regions(face, shape)
    width = masks.face_width(face)
    if kind == "face":
        found = masks.inner(face, shape, feather=0)
    elif kind == "ring":
        found = masks.ring(face, shape, feather=0)
    elif kind == "half":
        columns = np.arange(shape[1])[None] + 0.5
        found = masks.inner(face, shape, feather=0) * (columns > face.mesh[:, 0].mean())
    else:
        names = ("eyes", "brows") if kind == "eyes" else ("lips", "inner mouth")
        found = sum(parts[name] for name in names)
        found = masks.soften(found, 0.05 * width) > 0.08
    return (found > 0.5).astype(np.float32)


def mean_face(images, faces):
    """The mean of faces in one shape: (uint8 (S, S, 3), mesh)."""
    side = images[0].shape[0]
    mesh = np.mean([face.mesh for face in faces], axis=0)
    warped = [
        fuse.warp_face(image, face.mesh, mesh, (side, side))[0]
        for image, face in zip(images, faces, strict=True)
    ]
    return np.rint(np.mean(warped, axis=0)).astype(np.uint8), mesh


def holes(painter, images, others, n):
    """PSNR in the hole, identity to the truth and seam energy of each method."""
    who = embedder("encoder")
    size = painter.size
    known = [(image, largest(detect(image))) for image in others]
    known = [(image, face) for image, face in known if face is not None]
    mean, mean_mesh = mean_face(*zip(*known, strict=True))
    result, evaluations = {}, {}
    sets = [(image, largest(detect(image))) for image in images]
    sets = [(image, face) for image, face in sets if face is not None][:n]
    for kind in HOLES:
        result[kind] = {}
        cases = []
        for image, face in sets:
            side = image.shape[0]
            scale = size / side
            small = resize(image, size)
            mask = hole(face.through([[scale, 0, 0], [0, scale, 0]]), small.shape, kind)
            cases.append((image, face, small, mask))
        filled = {
            "telea": [
                cv2.inpaint(s, np.uint8(m * 255), 3, cv2.INPAINT_TELEA) for _, _, s, m in cases
            ],
            "mean face": [
                np.where(
                    m[..., None] > 0,
                    resize(fuse.warp_face(mean, mean_mesh, f.mesh, i.shape)[0], size),
                    s,
                )
                for i, f, s, m in cases
            ],
        }
        small = np.stack([case[2] for case in cases])
        mask = np.stack([case[3] for case in cases])
        for method in METHODS[2:]:
            filled[method], evaluations[method] = painter.fill(small, mask, method, STEPS)
        for method, found in filled.items():
            rows = [_measured(who, out, *case) for out, case in zip(found, cases, strict=True)]
            result[kind][method] = {
                name: float(np.nanmedian([row[name] for row in rows])) for name in rows[0]
            }
        print(kind, json.dumps(result[kind]), flush=True)
    return {"pictures": len(sets), "size": size, "evaluations": evaluations, "holes": result}


def _measured(who, out, image, face, small, mask):
    inside = mask > 0
    error = np.mean((out[inside].astype(float) - small[inside]) ** 2)
    at = face.points5 * len(small) / image.shape[0]
    border = cv2.dilate(mask, np.ones((3, 3))) - cv2.erode(mask, np.ones((3, 3)))
    return {
        "psnr": 10 * np.log10(255**2 / max(error, 1e-9)),
        "identity": float(similarity(who.embed(out, at), who.embed(small, at))),
        "seam": fuse.seam_energy(out, border) / max(fuse.seam_energy(small, border), 1e-9),
    }


def pairs(painter, images, n, maker):
    """One rendered person painted into the picture of another."""
    from portrait import studio
    from portrait.settings import Settings
    from portrait.stages import STAGES

    who, rows = embedder(maker), []
    found = [(image, largest(detect(image))) for image in images]
    found = [(image, face) for image, face in found if face is not None]
    for i in range(min(n, len(found) // 2)):
        (template, face), (reference, other) = found[2 * i], found[2 * i + 1]
        made = studio.reconstruct(
            template, (face, "", reference, other), [], Settings(seed=i), painter
        )
        result = studio.put_back(template, made)
        again = largest(detect(result))
        turned = np.nan
        if again is not None:
            turned = max(abs(again.yaw - face.yaw), abs(again.pitch - face.pitch))
        mask = _possible(made.scene, template.shape)
        row = studio.score(made, STAGES[-1], who)
        row |= {
            "fused_reference": studio.score(made, "fused", who)["reference"],
            "turned": float(turned),
            "changed_outside": int(((result != template).any(-1) & ~mask).sum()),
        }
        rows.append(row)
        if i % 20 == 19:
            print(i + 1, "pairs", flush=True)
    nearer = [row["reference"] > row["template"] for row in rows]
    return {
        "pairs": len(rows),
        "identity": maker,
        "nearer_to_reference": float(np.mean(nearer)),
        "turned_within_5": float(np.mean([row["turned"] <= 5 for row in rows])),
        "seam_median": float(np.median([row["seam"] for row in rows])),
        "colour_median": float(np.median([row["colour"] for row in rows])),
        "changed_outside": int(sum(row["changed_outside"] > 0 for row in rows)),
        "rows": rows,
    }


def _possible(scene, shape):
    """Where the mask of a crop can reach in the template."""
    from facekit.align import invert

    mask = (scene.mask > 0).astype(np.uint8)
    back = cv2.warpAffine(mask * 255, invert(scene.matrix), shape[1::-1], flags=cv2.INTER_LINEAR)
    return cv2.dilate(back, np.ones((3, 3))) > 0


@click.command(context_settings={"show_default": True})
@click.option("--fresh", type=Path, required=True, help="Renders that the model has not seen.")
@click.option("--weights", type=Path)
@click.option("--control-weights", type=Path)
@click.option("--part", "parts", multiple=True, default=("holes", "pairs"))
@click.option("--n", default=50, help="Pictures of `holes`.")
@click.option("--pairs", "count", default=200)
@click.option("--identity", "maker", default="encoder")
def main(fresh, weights, control_weights, parts, n, count, maker):
    """Measure, and add to the results."""
    from portrait.painter import Painter

    painter = Painter(weights, control_weights)
    images = np.load(fresh / "images.npy", mmap_mode="r")
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in parts:
        began = time.monotonic()
        if part == "holes":
            half = len(images) // 2
            others = [np.array(image) for image in images[half : half + 100]]
            result[part] = holes(painter, [np.array(i) for i in images[:half]], others, n)
        else:
            result[part] = pairs(painter, [np.array(i) for i in images], count, maker)
        result.setdefault("made", {})[part] = {
            "weights": painter.name,
            "weights_sha256": painter.digest,
            "minutes": round((time.monotonic() - began) / 60, 1),
        }
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    shown = {k: v for k, v in result.get("pairs", {}).items() if k != "rows"}
    print(json.dumps(shown, indent=1))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
