"""Face verification by embeddings. Written to benchmarks/results/identity.json.

    python -m data --n 600 --identities 100 --size 160 --seed 777 --drawn 0 --out data/heldout160
    python -m benchmarks.identity --data data/heldout160
    python -m benchmarks.identity --photos FOLDER          # a folder of photos for each person
    python -m data --n 3200 --identities 800 --size 256 --seed 2727 --out data/people256
    python -m benchmarks.identity --strangers data/people256

All pairs of pictures, of one person or of two. For each embedding that works here:

true_points      crops by the points that the renderer knows
detected_points  by those that `facekit.detect` finds, over the pictures where it finds a face
degraded         true points, but each picture in other light and colour, small, noisy and as JPEG

strangers        which share of pairs of strangers of one sex, at most 10 years apart, passes for
                 one person, by threshold; two pictures of each person in the photo style, at most
                 400 people, by detected points

Use people outside the encoder's training set: another seed.
"""

import json
import time
from collections import Counter
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, merge_json
from common.cli import sentences
from common.images import SUFFIXES, read_image
from facekit.identity import EMBEDDERS, EncoderEmbedder, load_embedder
from facekit.verification import report, strangers_taken

SEED = 31337
THRESHOLDS = (0.4, 0.5, 0.55, 0.6, 0.63, 0.65, 0.7, 0.75, 0.8)
YEARS, PEOPLE, VIEWS = 10, 400, 2  # of `strangers`
SMALLEST = 40  # px a side, of a degraded picture


@click.command(context_settings={"show_default": True})
@click.option("--data", type=Path, help="Rendered people, a dataset of `python -m data`.")
@click.option("--photos", type=Path, help="A folder with a sub-folder of photos for each person.")
@click.option("--strangers", type=Path, help="A dataset of many people, to set thresholds by.")
@click.option(
    "--maker", "names", type=click.Choice(EMBEDDERS), multiple=True, help="[default: all there are]"
)
@click.option("--weights", type=Path, help="Of the encoder.  [default: the shipped ones]")
@click.option(
    "--out", type=Path, default=RESULTS / "identity.json", help="JSON; other keys in it stay."
)
@sentences()
def main(data, photos, strangers, names, weights, out):
    """Measure face verification."""
    if not data and not photos and not strangers:
        raise ValueError("Say what to measure: --data, --photos or --strangers FOLDER.")
    embedders = find_embedders(names, weights)
    if data:
        show(out, {"rendered": measure_rendered(data, embedders)})
    if photos:
        show(out, {"photos": measure_photos(photos, embedders)})
    if strangers:
        show(out, {"strangers": measure_strangers(strangers, embedders)})


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


def measure_strangers(folder, embedders):
    """`verification.strangers_taken` for all embedders, of a dataset with several views of each."""
    images = np.load(folder / "images.npy", mmap_mode="r")
    records = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    seen, chosen, points = Counter(), [], []
    for i, record in enumerate(records):
        who = record["identity"]
        if record["style"] != "photo" or who >= PEOPLE or seen[who] == VIEWS:
            continue
        seen[who] += 1
        found = detected(np.ascontiguousarray(images[i]))
        if found is not None:
            chosen.append(i)
            points.append(found)
    result = {}
    for embedder in embedders:
        vectors = [
            embedder.embed(np.ascontiguousarray(images[i]), at)
            for i, at in zip(chosen, points, strict=True)
        ]
        result[embedder.name] = taken_for_others(vectors, [records[i] for i in chosen])
    return result


def taken_for_others(vectors, records):
    """`verification.strangers_taken` of people of one sex and nearly one age.

    Args:
        vectors: list of (D,).
        records: the dataset's, of the same pictures.
    """
    who = np.array([record["identity"] for record in records])
    sex = np.array([record["attributes"]["sex"] for record in records])
    age = np.array([record["attributes"]["age"] for record in records])
    alike = (sex[:, None] == sex) & (np.abs(age[:, None] - age) <= YEARS)
    people = {"pictures": len(who), "people": len(set(who.tolist()))}
    return people | strangers_taken(np.stack(vectors), who, alike, THRESHOLDS)


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
