"""The functions of facekit. Written to benchmarks/results/facekit.json, one key a part.

    python -m benchmarks.facekit                      # all parts: about ten minutes
    python -m benchmarks.facekit --part speed

detection  share of rendered faces found at 256 and 64 px, how far their points and pose are off
align      take out an unchanged face and put it back: PSNR inside, bits changed outside
masks      overlap with the renderer's part maps
colour     how far mean and deviation of LAB are from the target's after a transfer
relight    how far a face is from itself in another light, matched in colour, and relit as well
fuse       gradient energy in the ring beside the template's, bits changed outside the face
quality    steps of blur, noise, JPEG, darkness and downscaling on which quality did not fall
speed      milliseconds for a photo of 640 px, models warm

Pictures are of a seed that nothing was tuned on. Face verification is measured by
`python -m benchmarks.identity`.
"""

import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.common import RESULTS, machine, merge_json, photographs, rendered
from benchmarks.faces_recognised import load, point_errors
from data.shape.parts import PARTS
from facekit import align, colour, fuse, identity, masks, relight
from facekit.detect import detect, largest
from facekit.quality import quality

SEED = 90210
SIZES = {256: 300, 64: 500}  # pixels: pictures
PAIRS = 60
LIT = 40  # people in two lights
ROUNDS, CALLS = 7, 15


def measure_detection():
    result = {}
    for size, n in SIZES.items():
        with rendered(n, n, size, SEED) as folder:
            images, records = load(folder)
            faces = [largest(detect(np.asarray(image))) for image in images]
        found = [i for i, face in enumerate(faces) if face is not None]
        errors = 100 * point_errors(
            [faces[i].points5 for i in found], [records[i]["points5"] for i in found]
        )
        true = np.array([records[i]["pose"] for i in found])
        pose = np.array([(faces[i].yaw, faces[i].pitch, faces[i].roll) for i in found])
        result[str(size)] = {
            "pictures": len(images),
            "found": len(found) / len(images),
            "point_error_median": float(np.median(errors)),
            "point_error_95": float(np.percentile(errors, 95)),
            "pose_error_median": np.median(np.abs(pose - true), 0).tolist(),
        }
    return result


def measure_align(scenes):
    inside, outside = [], 0
    for image, face in scenes:
        for template, size in itertools.product(align.TEMPLATES, (112, 256)):
            crop = align.align(image, face.points5, size, template)
            back = align.paste(image, crop.image, crop.matrix)
            oval = masks.regions(face, image.shape)["oval"] > 0.5
            error = np.square(back[oval].astype(float) - image[oval]).mean()
            inside.append(10 * np.log10(255**2 / max(error, 1e-9)))
            # A change in the middle of the crop must leave all else alone.
            mask = np.zeros((size, size), np.float32)
            mask[size // 4 : -size // 4, size // 4 : -size // 4] = 1
            changed = align.paste(image, 255 - crop.image, crop.matrix, mask)
            height, width = image.shape[:2]
            grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1) + 0.5
            at = align.transform(grid, crop.matrix)
            margin = 2 + 2 * np.sqrt(np.linalg.det(crop.matrix[:, :2]))
            low, high = size // 4 - margin, size - size // 4 + margin
            far = ((at < low) | (at > high)).any(-1)
            outside += int((changed[far] != image[far]).sum())
    return {
        "crops": len(inside),
        "psnr_least": float(min(inside)),
        "psnr_median": float(np.median(inside)),
        "values_changed_outside": outside,
    }


def measure_masks():
    shares = {name: [] for name in ("person", "hair", "lips", "eyes")}
    with rendered(PAIRS, PAIRS, 256, SEED) as folder:
        images, records = load(folder)
        labels = np.load(Path(folder) / "labels.npy")
    for image, label, record in zip(images, labels, records, strict=True):
        image = np.asarray(image)
        face = largest(detect(image))
        if face is None:
            continue
        named = {name: label == i for i, name in enumerate(PARTS)}
        parts = masks.regions(face, image.shape)
        pairs = {
            "person": (masks.person(image, face), label > 0),
            "lips": (parts["lips"] + parts["inner mouth"], named["lips"] | named["inner mouth"]),
            "eyes": (parts["eyes"], named["eyes"]),
        }
        if not record["attributes"]["hat"] and named["hair"].mean() > 0.02:
            pairs["hair"] = (masks.hair(image, face), named["hair"])
        for name, (mask, truth) in pairs.items():
            mask = mask > 0.5
            shares[name].append((mask & truth).sum() / max(1, (mask | truth).sum()))
    return {name: {"n": len(v), "iou_median": float(np.median(v))} for name, v in shares.items()}


def measure_colour(scenes):
    apart = []
    for (image, face), (target, other) in itertools.permutations(scenes[:12], 2):
        skin, wanted = (
            masks.regions(f, i.shape)["skin"] for i, f in ((image, face), (target, other))
        )
        result = colour.statistics(colour.transfer(image, target, skin, wanted), skin)
        goal = colour.statistics(target, wanted)
        apart.append([np.abs(a - b).max() for a, b in zip(result, goal, strict=True)])
    mean, deviation = np.array(apart).T
    return {
        "pairs": len(apart),
        "mean_off_most": float(mean.max()),
        "deviation_off_most": float(deviation.max()),
        "within_one_unit": float(((mean <= 1) & (deviation <= 1)).mean()),
    }


def in_lights(number, change=None, size=256):
    """A rendered person in two lights, alike in all else: two of uint8 (S, S, 3).

    Args:
        number: which person.
        change: (the person's light, another one) -> two of `data.light.lights.Light`; None for
            these.
        size: of the pictures.
    """
    from data.light.render import Renderer
    from data.people.person import sample_person
    from data.people.view import sample_view

    person = sample_person(np.random.default_rng((SEED, 5, number)))
    rng = np.random.default_rng((SEED, 6, number))
    view, other = (sample_view(person, rng) for _ in range(2))
    view, lights = replace(view, glasses=False, hat=""), (view.light, other.light)
    lights, renderer = change(*lights) if change else lights, Renderer(size)
    return [renderer.render(person, replace(view, light=light)).image for light in lights]


def measure_relight():
    """Distance in LAB, mean over the skin, to the face that was rendered in the other light."""
    rows = []
    for number in range(LIT):
        pictures = in_lights(number)
        faces = [largest(detect(picture)) for picture in pictures]
        if None in faces:
            continue
        (image, truth), face = pictures, faces[0]
        skin = (masks.regions(face, image.shape)["skin"] > 0.5).astype(np.float32)
        lit = relight.relight(image, face, *map(relight.estimate, pictures, faces))
        shown = [image, *(colour.transfer(x, truth, skin, skin) for x in (image, lit))]
        away = [np.linalg.norm(colour.to_lab(x) - colour.to_lab(truth), axis=-1) for x in shown]
        rows.append([float(one[skin > 0].mean()) for one in away])
    plain, matched, relit = np.median(rows, axis=0).tolist()
    nearer = int(sum(row[2] < row[1] for row in rows))
    return {"pairs": len(rows), "as it is": plain, "matched": matched, "relit": relit,
            "nearer": nearer}  # fmt: skip


def measure_fuse(scenes):
    ratios, outside = [], 0
    for (image, face), (other, other_face) in itertools.permutations(scenes[:9], 2):
        ring = masks.ring(face, image.shape, feather=0)
        before = fuse.seam_energy(image, ring)
        result = fuse.fuse(image, face, other, other_face, share=1.0)
        ratios.append(fuse.seam_energy(result, ring) / before)
        away = masks.regions(face, image.shape)["oval"] == 0
        outside += int((result[away] != image[away]).sum())
    return {
        "pairs": len(ratios),
        "energy_ratio_median": float(np.median(ratios)),
        "energy_ratio_most": float(np.max(ratios)),
        "values_changed_outside": outside,
    }


def worse(image, width):
    """{way: the picture, ever worse}; sigmas follow the face's width."""
    grain = np.random.default_rng(0).standard_normal(image.shape)
    scale = width / 100

    def jpeg(q):
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, q])[1], 1)

    def smaller(share):
        return cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)

    return {
        "blur": [cv2.GaussianBlur(image, (0, 0), s * scale) for s in (0.7, 1, 2, 3, 4.5)],
        "noise": [np.clip(image + s * grain, 0, 255).astype(np.uint8) for s in (6, 12, 20, 35)],
        "jpeg": [jpeg(q) for q in (60, 35, 20, 10, 5)],
        "darkness": [np.uint8(image * gain) for gain in (0.75, 0.5, 0.35, 0.2, 0.1)],
        "downscaling": [smaller(s) for s in (0.75, 0.5, 0.35, 0.25) if s * width > 22],
    }


def measure_quality(scenes):
    steps = dict.fromkeys(worse(np.zeros((9, 9, 3), np.uint8), 9), 0)
    failed = dict(steps)
    for image, face in scenes:
        for way, ones in worse(image, float(face.box[2])).items():
            before = quality(image, face).total
            for one in ones:
                found = largest(detect(one))
                if found is None:
                    break
                after = quality(one, found).total
                steps[way] += 1
                failed[way] += after >= before
                before = after
    return {"steps": steps, "not_fallen": failed}


def measure_speed():
    result = {}
    for name, image in photographs().items():
        scale = 640 / max(image.shape[:2])
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        face = largest(detect(image))
        calls = {
            "detection and mesh": lambda image=image: detect(image),
            "quality": lambda image=image, face=face: quality(image, face),
            "hair": lambda image=image, face=face: masks.hair(image, face),
        }
        for name in identity.available():
            calls[f"embedding by {name}"] = lambda image=image, face=face, name=name: (
                identity.load_embedder(name).embed(image, face.points5)
            )
        result[name] = {label: _milliseconds(call) for label, call in calls.items()}
    return result


def _milliseconds(call):
    call()
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append(1000 * (time.perf_counter() - began) / CALLS)
    return {"median": float(np.median(rounds)), "least": min(rounds), "most": max(rounds)}


PARTS_MEASURED = (
    "detection", "align", "masks", "colour", "relight", "fuse", "quality", "speed",
)  # fmt: skip


@click.command()
@click.option(
    "--part", "parts", multiple=True, type=click.Choice(PARTS_MEASURED), help="Default all."
)
@click.option(
    "--out", type=Path, default=RESULTS / "facekit.json", help="JSON file; parts not measured stay."
)
def main(parts, out):
    """Measure facekit."""
    parts = parts or PARTS_MEASURED
    scenes = []
    if set(parts) & {"align", "colour", "fuse", "quality"}:
        with rendered(10, 10, 256, SEED + 2) as folder:
            images = [*photographs().values(), *np.load(Path(folder) / "images.npy")]
        scenes = [(image, largest(detect(image))) for image in images]
        scenes = [scene for scene in scenes if scene[1] is not None]
    measures = {
        "detection": measure_detection,
        "align": lambda: measure_align(scenes),
        "masks": measure_masks,
        "colour": lambda: measure_colour(scenes),
        "relight": measure_relight,
        "fuse": lambda: measure_fuse(scenes),
        "quality": lambda: measure_quality(scenes),
        "speed": measure_speed,
    }
    for part in parts:
        found = measures[part]() | {"machine": machine()}
        click.echo(f"{part}: {json.dumps(found)}")
        merge_json({part: found}, out)


if __name__ == "__main__":
    main()
