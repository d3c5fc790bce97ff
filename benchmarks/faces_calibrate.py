"""Calibrate the ratios that faces are drawn with: a step towards what photographs have, written to
`data/assets/ratios.json`.

    python -m data --n 400 --identities 400 --size 256 --seed 7 --drawn 0 --out data/calibrate
    python -m benchmarks.faces_calibrate data/calibrate       # and again with fresh pictures

What MediaPipe measures in a picture differs from the ratios of the neutral mesh: by what its points
mean, by expression, pose and lens, by errors. So the mean and the covariance asked of meshes are
moved until those measured are the photographs'. The mean goes as far as it is off, over the slope
of what is measured on what was asked. The covariance is stretched in each direction by half of
what is missing, in coordinates in which that of the photographs is the unit matrix, then along
each ratio by what its spread lacks.
"""

import json
from pathlib import Path

import click
import numpy as np

from benchmarks.faces_ratios import measure, photographs
from benchmarks.faces_recognised import load
from common.files import write_text
from data.faces import sample_face
from data.people.person import sample_person
from data.shape.ratios import (
    ASSET,
    RATIOS,
    calibration,
    optimal_map,
    shape_ratios,
    without_proportions,
)

SLOPES = (0.7, 1.0)  # between which a slope is believed
GAIN = 0.5
VARIANCES = (0.05, 1.5)  # of the photographs' in any direction, that may be asked of a mesh
LACKING = (0.85, 1.5)  # between which a ratio's spread is stretched in a step
DRAWN = 3000  # shapes that the distribution before the map is taken from


def moved_mean(asked, mesh, seen, mean):
    """The mean to ask for.

    Args:
        asked: (13,), that asked for so far.
        mesh, seen: (N, 13), the ratios of meshes and those measured of them.
        mean: (13,), that of the photographs.

    Returns:
        (13,).
    """
    dx, dy = mesh - mesh.mean(0), seen - seen.mean(0)
    slope = np.clip((dx * dy).sum(0) / (dx * dx).sum(0), *SLOPES)
    return asked + (mean - seen.mean(0)) / slope


def moved_covariance(asked, seen, covariance):
    """The covariance to ask for.

    Args:
        asked, covariance: (13, 13), that asked for so far and that of the photographs.
        seen: (N, 13), ratios measured.

    Returns:
        (13, 13).
    """
    shape = np.linalg.cholesky(covariance)
    back = np.linalg.inv(shape)
    missing = np.eye(len(asked)) - back @ np.cov(seen.T) @ back.T
    root = np.linalg.cholesky(back @ asked @ back.T)
    # A change of sign would be no covariance: one direction shrinks to a tenth at most.
    values, vectors = np.linalg.eigh(missing)
    stretch = (vectors * np.maximum(1 + GAIN * values, 0.1)) @ vectors.T
    values, vectors = np.linalg.eigh(root @ stretch @ root.T)
    moved = shape @ (vectors * np.clip(values, *VARIANCES)) @ vectors.T @ shape.T
    lacking = np.sqrt(np.diag(covariance)) / seen.std(0)
    return moved * np.clip(lacking, *LACKING) * np.clip(lacking, *LACKING)[:, None]


def drawn_ratios(count, seed):
    """Ratios (count, 13) of shapes as they are drawn, before their proportions are changed."""
    people = (sample_person(np.random.default_rng([seed, k])) for k in range(count))
    return np.array([shape_ratios(without_proportions(person.shape)) for person in people])


def measured_folder(folder):
    """The ratios of meshes and those measured: (N, 13) each, of a rendered dataset."""
    settings = json.loads((Path(folder) / "dataset.json").read_text())
    images, _ = load(folder)
    seen, _ = measure(images)
    used = np.flatnonzero(~np.isnan(seen[:, 0]))
    people = [sample_face(k, settings)[0] for k in used]
    return np.array([shape_ratios(person.shape) for person in people]), seen[used]


@click.command(context_settings={"show_default": True})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the shapes drawn.")
@click.option("--out", type=click.Path(path_type=Path), default=ASSET)
def main(folder, seed, out):
    """Calibrate the ratios that faces are drawn with, from a rendered dataset of 256 px."""
    mesh, seen = measured_folder(folder)
    mean, covariance, _ = photographs()
    known, drawn = calibration(), drawn_ratios(DRAWN, seed)
    asked = moved_covariance(known["covariance"], seen, covariance)
    found = {
        "drawn mean": drawn.mean(0),
        "map": optimal_map(np.cov(drawn.T), asked),
        "mean": moved_mean(known["mean"], mesh, seen, mean),
        "covariance": asked,
        "deviation": np.sqrt(np.diag(covariance)),
    }
    # How far eyes are open is the lids' to say, which rest on the iris (`data.shape.lids`).
    lids = list(RATIOS).index("eye opening")
    found["mean"][lids] = known["mean"][lids]
    plain = {name: np.round(value, 6).tolist() for name, value in found.items()}
    write_text(json.dumps({"names": list(RATIOS)} | plain, indent=1) + "\n", out)
    click.echo(f"{out}: from {len(seen)} faces")


if __name__ == "__main__":
    main()
