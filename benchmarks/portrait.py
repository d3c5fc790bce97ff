"""Inpainting and portraits with known ground truth. Written to benchmarks/results/portrait.json.

    python -m data --n 400 --identities 400 --size 256 --seed 778 --drawn 0 --out data/fresh256
    python -m data --n 400 --identities 400 --size 256 --seed 779 --drawn 0 --out data/other256
    python -m benchmarks.portrait --fresh data/fresh256 --part holes --part nfe
    python -m benchmarks.portrait --fresh data/other256 --part pairs

Strengths and sizes of the portrait were tried on the first set, so pairs are of the second.

holes      eyes, mouth, half, whole face and ring cut out of renders and filled by each method
nfe        whole faces, filled with few and many network evaluations, RePaint in several settings
pairs      the face of one rendered person painted into the picture of another
"""

import json
import os
import time
from itertools import islice
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.common import RESULTS, merge_json, read_json
from common.images import resize
from ddpm.pipeline import Request
from facekit import fuse, masks
from facekit.align import warp
from facekit.detect import detect, largest
from facekit.identity import load_embedder, similarity

OUT = RESULTS / "portrait.json"
HOLES = ("eyes", "mouth", "half", "face", "ring")
METHODS = ("telea", "mean face", "project", "repaint", "network")
STEPS = 20  # of the samplers; RePaint walks them ten times
SETTINGS = (  # of `nfe`: method, levels, RePaint's settings
    *(("network", steps, {}) for steps in (5, 10, 20, 50)),
    ("project", 20, {}),
    ("project", 200, {}),
    ("repaint", 10, {"jump_length": 5, "resamplings": 2}),
    ("repaint", 20, {"jump_length": 2, "resamplings": 10}),
    ("repaint", 20, {"jump_length": 10, "resamplings": 10}),
    ("repaint", 50, {"jump_length": 10, "resamplings": 10}),
)


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


def cases_of(images, n, size):
    """Faces to cut holes into: list of (picture, its face, the picture at the model's size)."""
    found = ((image, largest(detect(image))) for image in images)
    return list(islice(((i, f, resize(i, size)) for i, f in found if f is not None), n))


def cut(cases, kind):
    """The holes of all cases: float32 (N, S, S)."""
    result = []
    for image, face, small in cases:
        scale = len(small) / len(image)
        result.append(hole(face.through([[scale, 0, 0], [0, scale, 0]]), small.shape, kind))
    return np.stack(result)


def fill(pipeline, images, masks, method, steps, **options):
    """Fill holes in many pictures of which nothing else is requested, as one batch.

    Args:
        pipeline: a `Pipeline`.
        images: uint8 (N, S, S, 3), S the model's size.
        masks: float32 (N, S, S), 1 in the hole.
        method: a word of `inpaint.METHODS`.
        steps: levels to visit.
        options: RePaint's `jump_length` and `resamplings`.

    Returns:
        (uint8 (N, S, S, 3), network evaluations of each picture).
    """
    request = Request(
        n=len(images),
        prompts=("",),
        image=images,
        mask=masks,
        strength=1.0,
        inpaint=method,
        spacing="uniform",
        steps=steps,
        batch_size=len(images),
        sampler_options=options,
    )
    return pipeline.draw(request), round(pipeline.nfe)


def holes(pipeline, images, others, n):
    """PSNR in the hole, identity to the truth and seam energy of each method."""
    known = [(image, face) for image, face, _ in cases_of(others, len(others), pipeline.size)]
    mean, mean_mesh = mean_face(*zip(*known, strict=True))
    cases = cases_of(images, n, pipeline.size)
    small = np.stack([case[2] for case in cases])
    result, nfe = {}, {}
    for kind in HOLES:
        mask = cut(cases, kind)
        filled = {
            "telea": [
                cv2.inpaint(s, np.uint8(m * 255), 3, cv2.INPAINT_TELEA)
                for s, m in zip(small, mask, strict=True)
            ]
        }
        filled["mean face"] = [
            _mean_in(mean, mean_mesh, *case, m, telea)
            for case, m, telea in zip(cases, mask, filled["telea"], strict=True)
        ]
        for method in METHODS[2:]:
            filled[method], nfe[method] = fill(pipeline, small, mask, method, STEPS)
        result[kind] = {method: measured(found, cases, mask) for method, found in filled.items()}
        print(kind, json.dumps(result[kind]), flush=True)
    return {"pictures": len(cases), "size": pipeline.size, "nfe": nfe, "holes": result}


def _mean_in(mean, mean_mesh, image, face, small, mask, around):
    """The mean face in a hole; `around` outside it."""
    warped, covered = fuse.warp_face(mean, mean_mesh, face.mesh, image.shape)
    covered = (resize(np.uint8(covered * 255)[..., None].repeat(3, 2), len(small)) > 127) & (
        mask[..., None] > 0
    )
    return np.where(covered, resize(warped, len(small)), around)


def evaluations(pipeline, images, n):
    """Whole faces filled with few and many network evaluations."""
    cases = cases_of(images, n, pipeline.size)
    small, mask, rows = np.stack([case[2] for case in cases]), cut(cases, "face"), []
    for method, steps, options in SETTINGS:
        found, nfe = fill(pipeline, small, mask, method, steps, **options)
        row = {"method": method, "steps": steps, **options, "nfe": nfe}
        rows.append(row | measured(found, cases, mask))
        print(json.dumps(rows[-1]), flush=True)
    return {"pictures": len(cases), "rows": rows}


def measured(filled, cases, masks_of):
    """Medians over the cases, of PSNR in the hole, identity to the truth and energy of the seam."""
    who = load_embedder("encoder")
    rows = [
        _measured(who, out, *case, mask)
        for out, case, mask in zip(filled, cases, masks_of, strict=True)
    ]
    return {name: float(np.nanmedian([row[name] for row in rows])) for name in rows[0]}


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


def pairs(painter, images, poses, n, maker):
    """One rendered person painted into the picture of another; poses are the renderer's."""
    from portrait import session
    from portrait.settings import Settings
    from portrait.stages import STAGES

    who, rows = load_embedder(maker), []
    found = [
        (image, largest(detect(image)), pose) for image, pose in zip(images, poses, strict=True)
    ]
    found = [triple for triple in found if triple[1] is not None]
    off = np.array([np.subtract(_pose(face), pose) for _, face, pose in found])
    for i in range(min(n, len(found) // 2)):
        (template, face, _), (reference, other, _) = found[2 * i], found[2 * i + 1]
        made = session.reconstruct(
            template, (face, "", reference, other), [], Settings(seed=i), painter
        )
        result = session.put_back(template, made)
        again = largest(detect(result))
        turned = [float("nan")] * 3
        if again is not None:
            turned = np.subtract(_pose(again), _pose(face)).tolist()
        mask = _possible(made.scene, template.shape)
        # What is judged is the file that comes out, not the crop before it is put back.
        made.pictures[STAGES[-1]] = warp(result, made.scene.matrix, len(made.scene.view))
        row = session.score(made, STAGES[-1], who)
        row |= {
            "fused_reference": session.score(made, "fused", who)["reference"],
            "turned": turned,
            "changed_outside": int(((result != template).any(-1) & ~mask).sum()),
        }
        rows.append(row)
        if i % 20 == 19:
            print(i + 1, "pairs", flush=True)
    turns = np.array([row["turned"] for row in rows])
    nearer = [row["reference"] > row["template"] for row in rows]
    return {
        "pairs": len(rows),
        "identity": maker,
        "nearer_to_reference": float(np.mean(nearer)),
        "turned_median": np.nanmedian(np.abs(turns), 0).tolist(),
        "turned_within_5": np.mean(np.abs(turns) <= 5, 0).tolist(),
        "detector_median": np.median(np.abs(off), 0).tolist(),
        "detector_within_5": np.mean(np.abs(off) <= 5, 0).tolist(),
        "no_face": int(np.isnan(turns).any(1).sum()),
        "seam_median": float(np.median([row["seam"] for row in rows])),
        "colour_median": float(np.median([row["colour"] for row in rows])),
        "changed_outside": int(sum(row["changed_outside"] > 0 for row in rows)),
        "rows": rows,
    }


def _pose(face):
    return face.yaw, face.pitch, face.roll


def _possible(scene, shape):
    """Where the mask of a crop can reach in the template."""
    from facekit.align import invert

    mask = (scene.mask > 0).astype(np.uint8)
    back = cv2.warpAffine(mask * 255, invert(scene.matrix), shape[1::-1], flags=cv2.INTER_LINEAR)
    return cv2.dilate(back, np.ones((3, 3))) > 0


@click.command(context_settings={"show_default": True})
@click.option("--fresh", type=Path, required=True, help="Renders outside the training set.")
@click.option("--weights", type=Path)
@click.option("--control-weights", type=Path)
@click.option("--part", "parts", multiple=True, default=("holes", "nfe", "pairs"))
@click.option("--n", default=20, help="Pictures of `holes` and `nfe`.")
@click.option("--pairs", "count", default=200)
@click.option("--identity", "maker", default="encoder")
def main(fresh, weights, control_weights, parts, n, count, maker):
    """Measure, and add to the results."""
    from portrait.painter import Painter

    painter = Painter(weights, control_weights)
    images = list(np.load(fresh / "images.npy"))
    for part in parts:
        began = time.monotonic()
        if part == "holes":
            others = images[len(images) // 2 :][:100]
            found = holes(painter.pipeline, images, others, n)
        elif part == "nfe":
            found = evaluations(painter.pipeline, images, n)
        else:
            lines = (fresh / "faces.jsonl").read_text().splitlines()
            poses = [json.loads(line)["pose"] for line in lines]
            found = pairs(painter, images, poses, count, maker)
        about = {
            "weights": painter.name,
            "weights_sha256": painter.digest,
            "minutes": round((time.monotonic() - began) / 60, 1),
        }
        # Read only now: another process may have added a part.
        made = read_json(OUT).get("made", {}) | {part: about}
        merge_json({part: found, "made": made}, OUT)
        if part == "pairs":
            print(json.dumps({k: v for k, v in found.items() if k != "rows"}, indent=1))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
