"""Face verification by embeddings. Written to benchmarks/results/identity.json.

    python -m data --n 600 --identities 100 --size 160 --seed 777 --drawn 0 --out data/heldout160
    python -m benchmarks.identity --data data/heldout160
    python -m benchmarks.identity --photos FOLDER          # a folder of photos for each person

All pairs of pictures, of one person or of two. For each embedding that works here:

true_points      crops by the points that the renderer knows
detected_points  by those that `facekit.detect` finds, over the pictures where it finds a face
degraded         true points, but each picture in other light and colour, small, noisy and as JPEG

Use people outside the encoder's training set: another seed.
"""

import json
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, merge_json
from common.cli import sentences
from common.images import SUFFIXES, read_image
from facekit.identity import EMBEDDERS, EncoderEmbedder, load_embedder
from facekit.verification import report

SEED = 31337
SMALLEST = 40  # px a side, of a degraded picture


@click.command(context_settings={"show_default": True})
@click.option("--data", type=Path, help="Rendered people, a dataset of `python -m data`.")
@click.option("--photos", type=Path, help="A folder with a sub-folder of photos for each person.")
@click.option(
    "--maker", "names", type=click.Choice(EMBEDDERS), multiple=True, help="[default: all there are]"
)
@click.option("--weights", type=Path, help="Of the encoder.  [default: the shipped ones]")
@click.option(
    "--out", type=Path, default=RESULTS / "identity.json", help="JSON; other keys in it stay."
)
@sentences()
def main(data, photos, names, weights, out):
    """Measure face verification."""
    if not data and not photos:
        raise ValueError("Say what to measure: --data FOLDER, --photos FOLDER or both.")
    embedders = find_embedders(names, weights)
    if data:
        show(out, {"rendered": measure_rendered(data, embedders)})
    if photos:
        show(out, {"photos": measure_photos(photos, embedders)})


def find_embedders(names, weights):
    """The embedders asked for, or all that work here.

    Raises:
        ValueError: if one that was asked for, or all of them, cannot be had.
    """
    embedders, reasons = [], []
    for name in names or EMBEDDERS:
        try:
            own = name == "encoder" and weights
            embedders.append(EncoderEmbedder(weights) if own else load_embedder(name))
        except ValueError as error:
            if names:
                raise
            reasons.append(str(error))
    if not embedders:
        raise ValueError(" ".join(reasons))
    return embedders


def measure_rendered(folder, embedders):
    """All conditions for all embedders; dictionary of `facekit.verification.report`."""
    from facekit.train_identity import load_people

    people = load_people(folder)
    images, true = people.images, people.points5
    found = [detected(image, points) for image, points in zip(images, true, strict=True)]
    rng = np.random.default_rng(SEED)
    spoiled = [degraded(image, rng) for image in images]
    conditions = {
        "true_points": (images, true),
        "detected_points": (images, found),
        "degraded": (spoiled, true),
    }
    result = {"size": int(images.shape[1])}
    for embedder in embedders:
        result[embedder.name] = {
            name: measure(embedder, *condition, people.identity)
            for name, condition in conditions.items()
        }
    return result


def measure_photos(folder, embedders):
    """By detected points, of the largest face in each photo."""
    files = photos_of(folder)
    names = sorted({person for person, _ in files})
    who = np.array([names.index(person) for person, _ in files])
    images = [read_image(file) for _, file in files]
    found = [detected(image) for image in images]
    return {embedder.name: measure(embedder, images, found, who) for embedder in embedders}


def measure(embedder, images, points5, who):
    """`report` over the pictures that have points, and milliseconds a picture.

    Args:
        embedder: of `facekit.identity.load_embedder`.
        images: N pictures, uint8 (H, W, 3).
        points5: N times (5, 2) or None.
        who: (N,) integers.
    """
    use = [i for i, points in enumerate(points5) if points is not None]
    if not use:
        raise ValueError("No face was found in any of the pictures.")
    embedder.embed(np.asarray(images[use[0]]), points5[use[0]])  # the first one pays for the start
    start = time.perf_counter()
    embeddings = [embedder.embed(np.asarray(images[i]), points5[i]) for i in use]
    seconds = time.perf_counter() - start
    numbers = report(np.stack(embeddings), np.asarray(who)[use])
    ours = {"same": embedder.same, "not_found": len(who) - len(use)}
    return numbers | ours | {"milliseconds": 1000 * seconds / len(use)}


def detected(image, near=None):
    """points5 of the face whose points lie nearest to `near`, by default the largest; or None."""
    from facekit.detect import detect

    faces = detect(np.asarray(image))
    if near is None:
        faces = sorted(faces, key=lambda face: -face.box[2] * face.box[3])
    else:
        faces = sorted(faces, key=lambda face: np.abs(face.points5 - near).sum())
    return faces[0].points5 if faces else None


def degraded(image, rng):
    """Other light and colours, fewer pixels, noise, JPEG; points stay where they are."""
    from facekit import augment

    image = augment.colours(augment.slope_of_light(np.asarray(image), rng), rng)
    image = augment.low_resolution(image, rng, SMALLEST)
    return np.ascontiguousarray(augment.jpeg(augment.noise(image, rng), rng))


def photos_of(folder):
    """[(person, file)] of a folder with a sub-folder for each person.

    Raises:
        ValueError: if there are not two people with photos.
    """
    files = sorted(p for p in folder.glob("*/*") if p.suffix.lower() in SUFFIXES)
    if len({file.parent.name for file in files}) < 2:
        raise ValueError(
            f"{folder} must have a sub-folder of photos for each of two people or more."
        )
    return [(file.parent.name, file) for file in files]


def show(out, results):
    merge_json(results, out)
    click.echo(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
