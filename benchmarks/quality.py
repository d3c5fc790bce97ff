"""How good are a model's pictures, beside real renders? Written to benchmarks/results/.

    python -m benchmarks.quality --weights runs/faces64 --train data/faces64 --held-out data/new

Two numbers, both computed the same way on held-out renders (the floor):

faces      the share in which MediaPipe (full-range detector, default threshold) finds a face after
           enlarging to 256 px. It says whether there is a face, not whether it is a good one.
distance   the Fréchet distance to the held-out renders, on features made for this: 48 principal
           components of a histogram of oriented gradients (shape) and 16 of an 8 x 8 LAB thumbnail
           (colour), components taken from the training pictures and scaled to variance 1 there.
"""

import json
import sys
from pathlib import Path

import click
import cv2
import numpy as np

from ddpm.metrics import frechet_distance

SHAPE, COLOUR = 48, 16
SIDE = 64
BATCH = 32


def raw_features(images):
    """Gradients and colours of pictures.

    Args:
        images: uint8 (N, S, S, 3).

    Returns:
        (float32 (N, 1764), float32 (N, 192)).
    """
    hog = cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (8, 8), (8, 8), 9)
    shape, colour = [], []
    for image in images:
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        shape.append(hog.compute(image).ravel())
        thumbnail = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA)
        colour.append(cv2.cvtColor(thumbnail, cv2.COLOR_RGB2LAB).ravel())
    return np.array(shape, np.float32), np.array(colour, np.float32)


class Features:
    """Principal components of a set of pictures, scaled to variance 1 there.

    Args:
        images: uint8 (N, S, S, 3): the training pictures.

    Calling it with pictures returns float32 (M, SHAPE + COLOUR).
    """

    def __init__(self, images):
        self.bases = []
        for raw, count in zip(raw_features(images), (SHAPE, COLOUR), strict=True):
            mean = raw.mean(0)
            _, singular, axes = np.linalg.svd(raw - mean, full_matrices=False)
            scale = np.sqrt(len(raw) - 1) / singular[:count]
            self.bases.append((mean, axes[:count].T * scale))

    def __call__(self, images):
        raws = raw_features(images)
        return np.hstack(
            [(raw - mean) @ axes for raw, (mean, axes) in zip(raws, self.bases, strict=True)]
        )


def face_share(images):
    """The share of pictures in which MediaPipe finds a face at 256 px.

    Args:
        images: uint8 (N, S, S, 3).

    Returns:
        float in [0, 1].
    """
    import mediapipe

    with mediapipe.solutions.face_detection.FaceDetection(model_selection=1) as detector:
        found = 0
        for image in images:
            image = cv2.resize(image, (256, 256), interpolation=cv2.INTER_CUBIC)
            found += bool(detector.process(image).detections)
    return found / len(images)


def draw_samples(weights, n, sampler, spacing, steps, seed):
    """Draw n pictures from a weights file: uint8 (n, S, S, 3), and the `Trained` model."""
    from ddpm.condition import untold
    from ddpm.guidance import conditioned
    from ddpm.pictures import draw
    from ddpm.run import load_weights
    from ddpm.runtime import PRECISIONS, choose_precision, use_xla

    trained = load_weights(weights, PRECISIONS[choose_precision("auto")])
    schedule, size = trained.preset.make_schedule(), trained.preset.image_size
    denoise = trained.denoiser(xla=use_xla())
    denoise = conditioned(denoise, untold(trained.preset, BATCH))
    images = draw(
        denoise, schedule, n, (size, size, 3), sampler, spacing, steps, seed, batch_size=BATCH
    )
    return images, trained


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, required=True, help="Run folder or weights file.")
@click.option("--train", type=Path, required=True, help="The pictures that it was trained on.")
@click.option("--held-out", type=Path, required=True, help="Renders of other people, other seed.")
@click.option("--n", type=click.IntRange(100), default=1000, help="Pictures on each side.")
@click.option("--sampler", default="dpmpp_2m")
@click.option("--spacing", default="uniform")
@click.option("--steps", type=click.IntRange(1), default=30)
@click.option("--seed", type=click.IntRange(0), default=1000)
@click.option("--out", type=Path, help="[default: benchmarks/results/quality_<preset>.json]")
def main(weights, train, held_out, n, sampler, spacing, steps, seed, out):
    """Measure a model's pictures against renders that it has not seen."""
    from data import load_images

    try:
        images, trained = draw_samples(weights, n, sampler, spacing, steps, seed)
        size = trained.preset.image_size
        real, held = (load_images(folder, size).images for folder in (train, held_out))
    except (ValueError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    features, held = Features(real), held[:n]
    reference = features(held)
    floor = frechet_distance(features(real[: len(held)]), reference)
    distance = frechet_distance(features(images), reference)
    result = {
        "weights_sha256": trained.digest, "preset": trained.preset.name, "pictures": n,
        "held_out": len(held), "sampler": sampler, "spacing": spacing, "steps": steps,
        "seed": seed, "faces": face_share(images), "faces_held_out": face_share(held),
        "distance": distance, "floor": floor, "distance_over_floor": distance / floor,
    }  # fmt: skip
    out = out or Path("benchmarks/results") / f"quality_{trained.preset.name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
