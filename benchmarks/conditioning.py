"""How well samples follow their conditions. Written to benchmarks/results/conditioning.json.

    python -m data --n 18000 --identities 3000 --size 160 --seed 4242 --drawn 0 --out data/faces160
    python -m data --n 1200 --identities 600 --size 160 --seed 777 --drawn 0 --out data/fresh160
    python -m benchmarks.conditioning --train data/faces160 --fresh data/fresh160

words      accuracy of a classifier, trained on renders, on prompted samples and on fresh renders
unseen     prompts with pairs of attributes that no training picture has
size_crop  where the face lies for off-centre crops; sharpness by original size
control    edges, colours and face points of samples against their control images, by strength
crops      small models trained alike but for random crops, conditioned on them or not
cost       seconds of a conditional training step over an unconditional one's, and of a sampling
           step with control over one without
"""

import json
import os
import time
from functools import cached_property, partial
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.attributes import VALUES, accuracies, labels, prompt, prompts, train
from benchmarks.common import RESULTS, merge_json, ratios, read_json
from common.devices import PRECISIONS, one_core_per_micro_batch, use_xla
from common.images import resize
from data import load_images
from ddpm.bundle import default_control, load_control
from ddpm.codec import to_float
from ddpm.conditions import NoSettings, Source
from ddpm.conditions.hints import KINDS
from ddpm.conditions.size_crop import size_crop
from ddpm.conditions.text import tokenizer_of
from ddpm.core.metrics import frechet_distance
from ddpm.core.wrappers import clipped, conditioned
from ddpm.pipeline import Pipeline, Request
from ddpm.presets import PRESETS

OUT = RESULTS / "conditioning.json"
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# The first two of each are a pair that no training picture has (`unseen` counts).
UNSEEN = (
    {"sex": "man", "hair length": "bob", "beard": "full beard", "hair colour": "black"},
    {"sex": "woman", "hair length": "bald", "glasses": "glasses"},
)
BATCH = 32  # of sampling
LARGE = 256  # pixels to which pictures are enlarged where a point or a line is measured


class Model:
    """A trained model, without and with its control branch.

    Args:
        weights, control_weights: files or run folders.
        steps, guidance: of sampling.
        micro_batches: see `Pipeline`.
    """

    def __init__(self, weights, control_weights, steps, guidance, micro_batches=1):
        self.base = Pipeline.load(weights, micro_batches=micro_batches)
        self.control_weights, self.micro_batches = control_weights, micro_batches
        self.steps, self.guidance = steps, guidance
        self.size = self.base.size
        self.tokenizer = tokenizer_of(self.base.model.config.conditions["text"])

    @cached_property
    def branch(self):
        """The control branch, which not every part needs."""
        model = self.base.model
        return load_control(self.control_weights or default_control(model.path), model.preset)

    @cached_property
    def controlled(self):
        """The pipeline with the control branch."""
        return Pipeline(self.base.model, (self.branch,), self.micro_batches)

    def draw(self, n, words=None, size_crop=None, hints=None, strength=1.0, seed=0):
        """n pictures, uint8; words: n prompts, each with noise of its own; size_crop: six numbers;
        hints: float (n, H, W, 3 K) and strengths (n, K)."""
        arrays = {"size_crop": size_crop[None]} if size_crop is not None else {}
        if words:
            arrays["tokens"] = self.encode(words)
        if hints:
            arrays |= {"hints": hints[0], "strengths": strength * hints[1]}
        request = Request(
            n=n,
            prompts=("",),  # no words where the arrays have none
            guidance=self.guidance,
            spacing="uniform",
            steps=self.steps,
            seed=seed,
            batch_size=BATCH,
            arrays=arrays,
        )
        return (self.controlled if hints else self.base).draw(request)

    def encode(self, words):
        """The tokens of a list of prompts: int32 (N, L)."""
        return np.stack([self.tokenizer.encode(prompt, strict=True) for prompt in words])


def words(model, training, fresh, n, epochs):
    """Balanced accuracy of the classifier on fresh renders and on prompted samples."""
    classify = classifier(model, training, epochs)
    images, truth = _renders(fresh, model.size)
    on_renders = accuracies(classify(images), truth)
    sentences, asked = prompts(n, np.random.default_rng(1))
    said = classify(model.draw(n, sentences, seed=1))
    on_samples = accuracies(said, asked)
    return {
        "samples": n,
        "fresh_renders": len(images),
        "counted": {k: int((truth[:, i] >= 0).sum()) for i, k in enumerate(VALUES)},
        "renders": on_renders,
        "prompted": on_samples,
        "ratio": {k: on_samples[k] / on_renders[k] for k in VALUES},
        "chance": {k: 1 / len(v) for k, v in VALUES.items()},
    }


def unseen(model, training, n, epochs):
    """Pairs of attributes that no training picture has: the share of samples with both."""
    classify = classifier(model, training, epochs)
    _, truth = _renders(training, None)
    result = []
    for face in UNSEEN:
        places = {list(VALUES).index(k): VALUES[k].index(v) for k, v in face.items()}
        pair = dict(list(places.items())[:2])
        present = int(np.all([truth[:, i] == v for i, v in pair.items()], axis=0).sum())
        if present:
            raise ValueError(f"{present} pictures of the training set show {prompt(face)}.")
        said = classify(model.draw(n, [prompt(face)] * n, seed=2))
        right = {list(VALUES)[i]: float((said[:, i] == v).mean()) for i, v in places.items()}
        both = float(np.all([said[:, i] == v for i, v in pair.items()], axis=0).mean())
        result.append({"prompt": prompt(face), "each": right, "both": both, "n": n})
    return result


_CLASSIFIER = {}


def classifier(model, training, epochs):
    """The classifier, trained once."""
    if not _CLASSIFIER:
        images, truth = _renders(training, model.size)
        began = time.monotonic()
        _CLASSIFIER["it"] = train(images, truth, epochs)
        print(f"classifier: {time.monotonic() - began:.0f} s", flush=True)
    return _CLASSIFIER["it"]


def _renders(folder, size):
    with open(folder / "faces.jsonl") as file:
        truth = np.stack([labels(json.loads(line)["attributes"]) for line in file])
    return load_images(folder, size).images if size else None, truth


def size_and_crop(model, n):
    """How far the face moves for off-centre crops, beside the shift that was requested."""
    size = model.size
    room = size // 4
    target = (size + room, size + room)
    sets = {}
    for crop in ((0, 0), (0, room), (room, 0), (room, room), (room // 2, room // 2)):
        numbers = size_crop(size, None, crop, target)
        sets[crop] = _centres(model.draw(n, size_crop=numbers, seed=3))
    moved = []
    middle = sets.pop((room // 2, room // 2))
    for (top, left), found in sets.items():
        requested = np.array([room // 2 - left, room // 2 - top])
        both = np.isfinite(found[:, 0]) & np.isfinite(middle[:, 0])
        shift = np.median(found[both] - middle[both], axis=0)
        row = {"requested": requested.tolist(), "measured": shift.round(2).tolist()}
        moved.append(row | {"faces": int(both.sum())})
    sharpness = {}
    for original in (16, 24, 32, 48, 64, 96, 128):
        drawn = model.draw(n, size_crop=size_crop(size, (original, original)), seed=3)
        sharpness[original] = float(np.median([_sharpness(image) for image in drawn]))
    return {"target": target[0], "window": size, "moved": moved, "sharpness": sharpness}


def _centres(images):
    """The middle of each picture's face in its pixels, NaN where none is found: (N, 2)."""
    from facekit.detect import detect, largest

    scale = LARGE / images.shape[1]
    found = []
    for image in images:
        face = largest(detect(resize(image, LARGE)))
        found.append([np.nan] * 2 if face is None else face.points5.mean(0) / scale)
    return np.array(found)


def _sharpness(image):
    """Variance of the Laplacian of the grey picture."""
    return cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var()


def control(model, fresh, n):
    """Results against their hints, one kind at a time, by strength."""
    from facekit.control import canny, colour_grid, face_points, tile
    from facekit.detect import detect, largest

    size = model.size
    images = np.load(fresh / "images.npy", mmap_mode="r")
    sources, meshes = [], []
    for image in images[:: max(1, len(images) // (2 * n))]:
        face = largest(detect(np.asarray(image)))
        if face is not None and len(sources) < n:
            sources.append(np.asarray(image))
            meshes.append(face.mesh[:, :2] * size / image.shape[0])
    small = np.stack([resize(image, size) for image in sources])
    pictures = {
        "canny": [canny(image) for image in small],
        "colour": [colour_grid(image) for image in small],
        "tile": [tile(image) for image in small],
        "points": [face_points(image.shape, [m]) for image, m in zip(small, meshes, strict=True)],
    }
    measures = {
        "canny": lambda out, i: edge_agreement(out, small[i]),
        "colour": lambda out, i: {"lab": grid_difference(out, small[i])},
        "tile": lambda out, i: {"lab": grid_difference(out, small[i], 16)},
        "points": lambda out, i: {"mesh": mesh_distance(out, meshes[i])},
    }
    result = {"pictures": len(sources)}
    stacked = {}
    for k, kind in enumerate(KINDS):
        hint, result[kind] = pictures[kind], {}
        arrays = np.zeros((len(sources), size, size, 3 * len(KINDS)), np.float32)
        arrays[..., 3 * k : 3 * k + 3] = to_float(np.stack(hint))
        present = np.tile(np.eye(len(KINDS), dtype=np.float32)[k], (len(sources), 1))
        stacked[kind] = (arrays, present)
        for strength in STRENGTHS:
            drawn = model.draw(len(sources), hints=(arrays, present), strength=strength, seed=4)
            found = [measures[kind](out, i) for i, out in enumerate(drawn)]
            result[kind][str(strength)] = {
                name: float(np.nanmedian([f[name] for f in found])) for name in found[0]
            }
            if kind == "points":
                lost = float(np.isnan([f["mesh"] for f in found]).mean())
                result[kind][str(strength)]["no_face"] = lost
        print(kind, json.dumps(result[kind]), flush=True)
    # Two at once, the second of them less and less.
    (edges, one), (colours, other) = stacked["canny"], stacked["colour"]
    result["canny 1 and colour"] = {}
    for strength in STRENGTHS:
        hints = (edges + colours, one + strength * other)
        drawn = model.draw(len(sources), hints=hints, seed=4)
        result["canny 1 and colour"][str(strength)] = {
            "f1_within_0": float(
                np.median(
                    [edge_agreement(out, small[i])["f1_within_0"] for i, out in enumerate(drawn)]
                )
            ),
            "lab": float(np.median([grid_difference(o, small[i]) for i, o in enumerate(drawn)])),
        }
    others = [edge_agreement(small[i - 1], small[i]) for i in range(len(small))]
    result["canny"]["random picture"] = {
        name: float(np.median([f[name] for f in others])) for name in others[0]
    }
    return result


def edge_agreement(image, truth):
    """F1 of edges: at the picture's own size and enlarged to 256 px, where 2 px are half a pixel of
    a 64 px picture; at its own size 2 px leave little that does not agree by chance."""
    from facekit.control import canny

    pairs = {
        "own": [canny(p)[..., 0] > 0 for p in (image, truth)],
        "large": [canny(resize(p, LARGE))[..., 0] > 0 for p in (image, truth)],
    }
    return {
        "f1_256_within_2": f1(*pairs["large"], 2),
        "f1_within_0": f1(*pairs["own"], 0),
        "f1_within_1": f1(*pairs["own"], 1),
        "f1_within_2": f1(*pairs["own"], 2),
    }


def f1(edges, truth, within):
    """Harmonic mean of precision and recall of edge pixels that have one of the other's near."""
    if not edges.any() or not truth.any():
        return 0.0
    to_truth, to_edges = (
        cv2.distanceTransform((~e).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for e in (truth, edges)
    )
    precision, recall = (to_truth[edges] <= within).mean(), (to_edges[truth] <= within).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def grid_difference(image, truth, cells=8):
    """Mean distance in LAB between the cells' mean colours of two pictures."""
    small = [cv2.resize(p, (cells, cells), interpolation=cv2.INTER_AREA) for p in (image, truth)]
    lab = [cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in small]
    return float(np.linalg.norm(lab[0] - lab[1], axis=-1).mean())


def mesh_distance(image, mesh):
    """Mean distance of a picture's mesh to another, in parts of the eye distance; NaN: no face."""
    from facekit.detect import detect, largest
    from facekit.mesh import IRIS_LEFT, IRIS_RIGHT

    face = largest(detect(resize(image, LARGE)))
    if face is None:
        return np.nan
    found = face.mesh[:, :2] * image.shape[0] / LARGE
    eyes = np.linalg.norm(mesh[IRIS_LEFT[0]] - mesh[IRIS_RIGHT[0]])
    return float(np.linalg.norm(found - mesh, axis=1).mean() / eyes)


def crops(training, minutes, n):
    """Three small models alike but for their windows: how far their faces are from renders."""
    from benchmarks.features import Features
    from ddpm.training.batches import BatchBuilder, batches
    from ddpm.training.trainer import Trainer

    plain = PRESETS["tiny_conditional"].with_(
        network={"conditions": {}}, data={"p_crop": 0.0, "p_downscale": 0.0}
    )
    cropped = plain.with_(data={"p_crop": 0.7})
    arms = {
        "whole pictures": plain,
        "random crops, not conditioned": cropped,
        "random crops, conditioned": cropped.with_conditions(size_crop=NoSettings()),
    }
    images = np.load(training / "images.npy", mmap_mode="r")
    size = plain.network.image_size
    whole = np.stack([resize(image, size) for image in images[:: max(1, len(images) // 4000)]])
    features = Features(whole)
    # Halves, since neighbours are pictures of one person.
    reference, others = whole[: len(whole) // 2][:n], whole[len(whole) // 2 :][:n]
    result = {"minutes_each": minutes, "samples": n, "pictures_seen": None}
    steps, batch_size = None, plain.run.batch_size
    for name, preset in arms.items():
        make_network = partial(preset.make_network, PRECISIONS["bfloat16"])
        # Nothing is written to the folder: only `fit` would.
        trainer = Trainer(make_network, preset, Path("runs") / "crops", None)
        build = BatchBuilder(Source(images), preset)
        began, done = time.monotonic(), 0
        for (batch,) in batches(images, batch_size, 0, 0, True, build):
            trainer.model.train_on_batch(batch)
            done += 1
            # The first arm's minutes are the steps of all.
            if done == steps or (steps is None and time.monotonic() - began > 60 * minutes):
                break
        steps = done
        trainer.update_average()
        drawn = trainer.pipeline.draw(Request(n=n, spacing="uniform", steps=20, batch_size=BATCH))
        result[name] = float(frechet_distance(features(drawn), features(reference)))
        print(name, result[name], flush=True)
    result["pictures_seen"] = steps * batch_size
    result["renders against renders"] = float(
        frechet_distance(features(others), features(reference))
    )
    return result


def cost(model, rounds):
    """Seconds of a conditional training step over an unconditional one's, and of a sampling step
    with control over one without."""
    from ddpm.core.denoiser import x0_denoiser
    from ddpm.nets.control import Controlled
    from ddpm.training.objectives import DenoisingObjective
    from ddpm.training.optimizer import AveragedAdam

    preset, schedule = model.base.model.preset, model.base.schedule
    objective = preset.objective
    rng = np.random.default_rng(0)
    size, batch = model.size, preset.run.batch_size
    x0 = rng.uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)
    tokens = model.encode(prompts(batch, rng)[0])
    condition = {"tokens": tokens, "size_crop": np.tile(size_crop(size), (batch, 1))}
    hints = rng.uniform(-1, 1, (batch, size, size, 3 * len(KINDS))).astype(np.float32)
    hinted = {**condition, "hints": hints, "strengths": np.ones((batch, len(KINDS)), np.float32)}
    network = model.base.model.network
    dtype = network.dtype_policy

    def training_step(network, batch):
        step = DenoisingObjective(network, schedule, objective.prediction, objective.weighting)
        step.compile(AveragedAdam(1e-5, global_clipnorm=1.0), jit_compile=use_xla())
        return lambda: step.train_on_batch(batch)

    def sampling_step(network, condition):
        denoise = x0_denoiser(network, schedule, objective.prediction, xla=use_xla())
        denoise = clipped(conditioned(denoise, condition), model.base.model.codec.bounds)
        return lambda: denoise(x0, np.full(batch, 500, np.int32))

    unconditional = preset.with_(network={"conditions": {}})
    controlled = Controlled(preset.make_network(dtype))
    sides = {
        "unconditional": training_step(unconditional.make_network(dtype), x0),
        "text, size and crop": training_step(preset.make_network(dtype), {"x0": x0, **condition}),
        "control branch": training_step(controlled, {"x0": x0, **hinted}),
    }
    training = ratios(sides, "unconditional", rounds)
    sides = {
        "text, size and crop": sampling_step(network, condition),
        "text, size, crop and control": sampling_step(model.branch.apply(network), hinted),
    }
    sampling = ratios(sides, "text, size and crop", rounds)
    return {"rounds": rounds, "batch": batch, "training": training, "sampling": sampling}


@click.command(context_settings={"show_default": True})
@click.option("--train", "training", type=Path, help="The set that the model learned from.")
@click.option("--fresh", type=Path, help="Renders of other people.")
@click.option("--weights", type=Path, help="[default: as sample.py]")
@click.option("--control-weights", type=Path, help="[default: as sample.py]")
@click.option(
    "--part",
    "parts",
    multiple=True,
    default=("words", "unseen", "size_crop", "control", "crops", "cost"),
)
@click.option("--n", default=1000, help="Prompted samples.")
@click.option("--hints", default=64, help="Control pictures of each kind.")
@click.option("--steps", default=24, help="Of sampling.")
@click.option("--guidance", default=4.0)
@click.option("--epochs", default=8, help="Of the classifier.")
@click.option("--minutes", default=2.0, help="Of each small model of `crops`.")
@click.option("--rounds", default=12, help="Of `cost`.")
def main(training, fresh, weights, control_weights, parts, n, hints, steps, guidance, epochs,
         minutes, rounds):  # fmt: skip
    """Measure, and add to the results."""
    # Micro-batches are faster, but not how training runs.
    trains = {"cost", "crops"} & set(parts)
    micro_batches = 1 if trains else one_core_per_micro_batch(BATCH)
    model = Model(weights, control_weights, steps, guidance, micro_batches)
    actions = {
        "words": lambda: words(model, training, fresh, n, epochs),
        "unseen": lambda: unseen(model, training, 100, epochs),
        "size_crop": lambda: size_and_crop(model, hints),
        "control": lambda: control(model, fresh, hints),
        "crops": lambda: crops(training, minutes, 1000),
        "cost": lambda: cost(model, rounds),
    }
    for part in parts:
        found = actions[part]()
        made = read_json(OUT).get("made", {})
        made[part] = {
            "weights": model.base.model.path.name,
            "weights_sha256": model.base.model.digest,
            "steps": steps,
            "guidance": guidance,
        }
        print(json.dumps(found, indent=1), flush=True)
        merge_json({part: found, "made": made}, OUT)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
