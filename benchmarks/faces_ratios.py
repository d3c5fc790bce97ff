"""Ratios of rendered faces beside those of photographs, by MediaPipe's mesh. Written to
benchmarks/results/faces_ratios.json, one key a version of the faces.

    python -m benchmarks.faces_ratios                            # about ten minutes
    python -m benchmarks.faces_ratios --pictures FOLDER          # a dataset of 256 px

Thirteen ratios of lengths (`data.shape.ratios`), means and deviations, and the Mahalanobis distance
of each face to the distribution of 77 photographs (photograph_ratios.json). Faces count that turn
less than 18 degrees, as those of the photographs do.
"""

import json
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, merge_json, photos
from benchmarks.faces_recognised import kind, load
from data.shape.ratios import RATIOS, face_ratios
from facekit.detect import detect, largest

PHOTOGRAPHS = Path(__file__).parent / "photograph_ratios.json"
SEED = 4720  # neither calibrated on nor looked at before the measurement
FARTHEST = 18.0  # degrees of yaw and pitch


def photographs():
    """Mean (13,), covariance (13, 13) and number of the photographs' ratios."""
    known = json.loads(PHOTOGRAPHS.read_text())
    return np.array(known["mean"]), np.array(known["covariance"]), known["n"]


def measure(images):
    """Ratios of the faces in pictures.

    Args:
        images: uint8 (N, S, S, 3).

    Returns:
        ratios float (N, 13), nan where no face is found or it turns too far; the number of faces
        found.
    """
    ratios, found = np.full((len(images), len(RATIOS)), np.nan), 0
    for k, image in enumerate(images):
        face = largest(detect(np.ascontiguousarray(image)))
        found += face is not None
        if face is not None and max(abs(face.yaw), abs(face.pitch)) < FARTHEST:
            ratios[k] = face_ratios(face.mesh)
    return ratios, found


def mahalanobis(ratios, mean, covariance):
    """Distances (N,) of ratios (N, 13) to a distribution."""
    off = ratios - mean
    return np.sqrt(np.einsum("ni,ij,nj->n", off, np.linalg.inv(covariance), off))


def compare(ratios, groups=()):
    """Ratios beside those of photographs.

    Args:
        ratios: (N, 13).
        groups: a word for each face, or none.

    Returns:
        dictionary: for each ratio its mean and deviation here and on photographs, how far the mean
        is off in deviations of the photographs, and the deviation over theirs; quantiles of the
        Mahalanobis distance; and for each group the means that are off, in the same measure.
    """
    mean, covariance, _ = photographs()
    deviation = np.sqrt(np.diag(covariance))
    ours, spread = ratios.mean(0), ratios.std(0, ddof=1)
    rows = {
        name: {
            "photographs": [float(mean[k]), float(deviation[k])],
            "renders": [float(ours[k]), float(spread[k])],
            "off": float((ours[k] - mean[k]) / deviation[k]),
            "spread": float(spread[k] / deviation[k]),
        }
        for k, name in enumerate(RATIOS)
    }
    distance = mahalanobis(ratios, mean, covariance)
    groups = np.array(groups)
    return {
        "faces": len(ratios),
        "ratios": rows,
        "mahalanobis": {f"{q}%": float(np.percentile(distance, q)) for q in (10, 50, 90)},
        "groups": {
            group: {
                "faces": int((groups == group).sum()),
                "mahalanobis": float(np.median(distance[groups == group])),
                "off": dict(
                    zip(
                        RATIOS,
                        ((ratios[groups == group].mean(0) - mean) / deviation).round(3).tolist(),
                        strict=True,
                    )
                ),
            }
            for group in sorted(set(groups.tolist()))
        },
    }


def words(attributes):
    """The groups of a face: sex and main origin, and a third of adult life."""
    age = attributes["age"]
    return kind(attributes), "to 39" if age < 40 else "40 to 62" if age < 63 else "63 and older"


def measure_folder(folder):
    """What `compare` tells of a rendered dataset, by sex and main origin and by age."""
    images, records = load(folder)
    ratios, found = measure(images)
    used = ~np.isnan(ratios[:, 0])
    told = [words(record["attributes"]) for record, use in zip(records, used, strict=True) if use]
    result = compare(ratios[used], [origin for origin, _ in told])
    result["groups"] |= compare(ratios[used], [age for _, age in told])["groups"]
    settings = json.loads((Path(folder) / "dataset.json").read_text())
    known = {name: settings[name] for name in ("version", "seed", "size")}
    return known | {"pictures": len(images), "found": found} | result


@click.command(context_settings={"show_default": True})
@click.option("--n", type=click.IntRange(20), default=1500, help="People rendered, a picture each.")
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A rendered dataset, instead of a fresh one.",
)
@click.option("--seed", type=click.IntRange(0), default=SEED)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "faces_ratios.json")
def main(n, pictures, seed, out):
    """Measure the ratios of rendered faces beside those of photographs."""
    with photos(pictures, n, n, seed) as folder:
        result = measure_folder(folder)
    merge_json({str(result["version"]): result}, out)
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
