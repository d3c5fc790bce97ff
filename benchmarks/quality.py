"""Sample quality against held-out renders. Written to benchmarks/results/.

    python -m benchmarks.quality --weights runs/faces64 --train data/faces64 --held-out data/new

Several --weights, checkpoints of one training for instance, are measured alike. Samples are
compared with held-out renders, of other people and another seed; the floor, which a perfect model
would reach without memorising, is that of the training pictures.

distances   Fréchet and kernel distance, precision and recall (ddpm/core/metrics.py) on features of
            `benchmarks/features.py`, each with half of its 95% bootstrap interval
faces       share in which MediaPipe finds a face after enlargement to 256 px
nearest     distances of samples to their nearest training pictures, mirror images included, at 32
            px and in the encoder's features; the same of held-out and of training pictures
"""

import json
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, common_size, spread, write_json
from benchmarks.features import available, face_share, features
from common.cli import sentences
from common.devices import one_core_per_micro_batch
from common.images import resize
from common.sheets import grid, save_png
from ddpm.bundle import read_preset
from ddpm.core.metrics import (
    bootstrap,
    frechet_distance,
    kernel_distance,
    nearest,
    precision_recall,
)
from ddpm.pipeline import Pipeline, Request

BATCH = 32
ROUNDS = 40  # of a bootstrap
PIXELS = 32  # side at which pictures are compared
PAIRS = 8


def draw_samples(weights, n, sampler, spacing, steps, seed, observe=None, guide=None, **options):
    """Draw n pictures from a weights file, as sample.py does without further options.

    Args:
        guide: weights file of a weaker version, for autoguidance.
        options: of the `Request` besides.

    Returns:
        (uint8 (n, S, S, 3), the `Model`).
    """
    pipeline = Pipeline.load(weights, micro_batches=one_core_per_micro_batch(BATCH), guide=guide)
    request = Request(
        n=n, sampler=sampler, spacing=spacing, steps=steps, seed=seed, batch_size=BATCH, **options
    )
    return pipeline.draw(request, observe), pipeline.model


def compare(drawn, held):
    """Distances between two sets of features.

    Args:
        drawn: float (N, D).
        held: float (M, D), of held-out renders.

    Returns:
        dict of [value, half of its interval].
    """
    precise, recalled = precision_recall(held, drawn)
    return {
        name: [float(statistic(*sets)), bootstrap(statistic, *sets, rounds=ROUNDS)]
        for name, statistic, sets in (
            ("frechet", frechet_distance, (drawn, held)),
            ("kernel", kernel_distance, (drawn, held)),
            ("precision", np.mean, (precise,)),
            ("recall", np.mean, (recalled,)),
        )
    }


def distances_to(train, held_out, size):
    """What compares pictures with held-out renders.

    Args:
        train, held_out: folders of the pictures that a model was trained on, and of others.
        size: width and height of all, pixels.

    Returns:
        (function, pictures): uint8 (n, S, S, 3) -> {features: what `compare` finds}; and the
        training pictures, uint8 (N, S, S, 3).
    """
    from data import load_images

    real, held = (np.asarray(load_images(path, size).images) for path in (train, held_out))
    makers = features(available(), real)
    known = {name: make(held) for name, make in makers.items()}

    def distances(images):
        return {name: compare(make(images), known[name]) for name, make in makers.items()}

    return distances, real


def share(found):
    """A share as [value, half of its interval]."""
    return [float(np.mean(found)), bootstrap(np.mean, found, rounds=400)]


class Closest:
    """Distances to the nearest training picture, mirror images included.

    Args:
        train: uint8 (N, S, S, 3).
        make: uint8 (M, S, S, 3) -> float (M, D).
    """

    def __init__(self, train, make):
        self.make, self.n = make, len(train)
        self.known = np.concatenate([make(train), make(train[:, :, ::-1])])

    def __call__(self, images):
        """Distances (M,) and indices (M,) of the nearest; from N on mirrored."""
        distances, indices = nearest(self.make(images), self.known)
        return distances[:, 0], indices[:, 0]

    def among(self, chosen):
        """Distances (M,) of chosen training pictures to the nearest other one."""
        distances, indices = nearest(self.known[chosen], self.known, 3)
        own = indices % self.n == np.asarray(chosen)[:, None]
        return np.where(own, np.inf, distances).min(1)


def thumbnails(images):
    """Pictures at PIXELS x PIXELS as vectors whose distance is the root mean square difference of
    their values, 0 to 255: float32 (N, D)."""
    small = np.stack([resize(image, PIXELS) for image in images])
    flat = small.reshape(len(small), -1).astype(np.float32)
    return flat / np.sqrt(flat.shape[1])


def summary(distances):
    """The smallest, the first percentile and the median."""
    low, middle = np.quantile(distances, (0.01, 0.5))
    return {"least": float(distances.min()), "percentile_1": float(low), "median": float(middle)}


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, multiple=True, required=True, help="May be repeated.")
@click.option("--train", type=Path, required=True, help="The pictures that it was trained on.")
@click.option("--held-out", type=Path, required=True, help="Renders of other people, other seed.")
@click.option("--n", type=click.IntRange(100), default=1000, help="Samples.")
@click.option("--sampler", default="dpmpp_2m")
@click.option("--spacing", default="karras")
@click.option("--steps", type=click.IntRange(1), default=10)
@click.option("--seed", type=click.IntRange(0), default=1000)
@click.option("--pictures", type=Path, help="PNG of the samples nearest to training pictures.")
@click.option("--out", type=Path, help="[default: benchmarks/results/quality_<preset>.json]")
@sentences()
def main(weights, train, held_out, n, sampler, spacing, steps, seed, pictures, out):
    """Measure samples against held-out renders."""
    from tqdm import tqdm

    from data import load_images

    size = common_size([read_preset(path) for path in weights])
    real, held = (np.asarray(load_images(path, size).images) for path in (train, held_out))
    drawn = []
    for path in weights:
        bar = tqdm(total=n, unit="picture", desc=f"drawing from {path}", mininterval=5)

        def done(indices, i, pictures, bar=bar):
            bar.update(len(indices) / steps)

        drawn.append(draw_samples(path, n, sampler, spacing, steps, seed, done))
        bar.close()
    result = measure(drawn, real, held, pictures)
    result |= {"sampler": sampler, "spacing": spacing, "steps": steps, "seed": seed}
    out = out or RESULTS / f"quality_{drawn[0][1].preset.name}.json"
    write_json(result, out)
    click.echo(json.dumps(result, indent=1))


def measure(drawn, real, held, pictures=None):
    """All numbers of some models' samples.

    Args:
        drawn: list of (uint8 (n, S, S, 3), `Model`).
        real: uint8 (N, S, S, 3), training pictures.
        held: uint8 (M, S, S, 3), held-out ones.
        pictures: PNG of the samples nearest to training pictures, or None.

    Returns:
        what JSON can hold.
    """
    n = len(drawn[0][0])
    chosen = spread(real, n)  # as many as there are samples
    makers = features(available(), real)
    held_features = {name: make(held) for name, make in makers.items()}
    result = {
        "samples": n,
        "held_out": len(held),
        "training_pictures": len(real),
        "floor": {
            name: compare(make(real[chosen]), held_features[name]) for name, make in makers.items()
        },
        "faces_held_out": share(face_share(held)),
        "models": [],
    }
    closest = {
        "pixels": Closest(real, thumbnails),
        "encoder": Closest(real, makers["encoder"]),
    }
    result["nearest_among_training"] = {k: summary(c.among(chosen)) for k, c in closest.items()}
    result["nearest_of_held_out"] = {k: summary(c(held)[0]) for k, c in closest.items()}
    for images, model in drawn:
        row = {"weights": str(model.path), "weights_sha256": model.digest}
        row |= {"preset": model.preset.name, "faces": share(face_share(images))}
        row["features"] = {
            name: compare(make(images), held_features[name]) for name, make in makers.items()
        }
        near = {name: find(images) for name, find in closest.items()}
        row["nearest"] = {name: summary(distances) for name, (distances, _) in near.items()}
        result["models"].append(row)
        print(json.dumps(row, indent=1), flush=True)
    if pictures:
        images, _ = drawn[0]
        distances, indices = closest["pixels"](images)
        first = np.argsort(distances)[:PAIRS]
        both = [np.stack([images[i], _shown(real, indices[i])]) for i in first]
        save_png(grid(np.concatenate(np.stack(both, 1)), columns=PAIRS, zoom=2), pictures)
    return result


def _shown(real, index):
    """A training picture by its number, mirrored from N on."""
    return real[index] if index < len(real) else real[index - len(real)][:, ::-1]


if __name__ == "__main__":
    main()
