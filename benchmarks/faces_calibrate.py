"""Calibrate the ratios that faces are drawn with: makes `data/assets/ratios.json`.

    python -m data --n 400 --identities 400 --size 256 --seed 7 --drawn 0 --out data/calibrate
    python -m benchmarks.faces_calibrate data/calibrate       # and again with fresh pictures

What MediaPipe measures in a picture differs from the ratios of the neutral mesh: by what its points
mean, by expression, pose and lens, by errors. On renders both are known, so a line is fitted from
the mesh's ratios to the measured ones, with the covariance of what it leaves. The neutral
ratios asked for are those whose line and remainder give the photographs' mean and covariance.
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
from data.shape.ratios import ASSET, RATIOS, optimal_map, shape_ratios, without_proportions

PRIOR = 40.0  # faces' worth of belief that a mesh's ratio is measured as it is
LEAST = 0.15  # of the photographs' deviations: the smallest spread asked for in any direction
DRAWN = 3000  # shapes that the distribution before the map is taken from


def fit_line(mesh, seen, scale):
    """Fit seen = offset + line @ mesh, the line near the unit matrix.

    Args:
        mesh, seen: (N, 13).
        scale: (13,), deviations by which ratios are made comparable.

    Returns:
        line (13, 13), offset (13,), covariance of the remainder (13, 13).
    """
    x, y = mesh / scale, seen / scale
    dx, dy = x - x.mean(0), y - y.mean(0)
    weigh = np.linalg.inv(dx.T @ dx + PRIOR * np.eye(len(scale)))
    line = np.eye(len(scale)) + (weigh @ dx.T @ (dy - dx)).T
    left = dy - dx @ line.T
    remainder = left.T @ left / (len(x) - 1)
    line = line * scale[:, None] / scale
    offset = seen.mean(0) - line @ mesh.mean(0)
    return line, offset, remainder * scale[:, None] * scale


def wanted_covariance(line, remainder, covariance, scale):
    """The covariance of the mesh's ratios that gives `covariance` when measured, as far as there
    is one."""
    back = np.linalg.inv(line * scale / scale[:, None])
    unexplained = (covariance - remainder) / scale / scale[:, None]
    # What is measured varies no less than the remainder does.
    values, vectors = np.linalg.eigh(unexplained)
    possible = (vectors * np.maximum(values, LEAST**2)) @ vectors.T
    return (back @ possible @ back.T) * scale * scale[:, None]


def drawn_ratios(count, seed):
    """Ratios (count, 13) of shapes as they are drawn, before their proportions are changed."""
    people = (sample_person(np.random.default_rng([seed, k])) for k in range(count))
    return np.array([shape_ratios(without_proportions(person.shape)) for person in people])


@click.command(context_settings={"show_default": True})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the shapes drawn.")
@click.option("--out", type=click.Path(path_type=Path), default=ASSET)
def main(folder, seed, out):
    """Calibrate the ratios that faces are drawn with, from a rendered dataset of 256 px."""
    settings = json.loads((Path(folder) / "dataset.json").read_text())
    images, records = load(folder)
    seen, _ = measure(images)
    used = ~np.isnan(seen[:, 0])
    people = [
        sample_face(r["identity"], settings)[0] for r, use in zip(records, used, strict=True) if use
    ]
    mesh = np.array([shape_ratios(person.shape) for person in people])
    mean, covariance, _ = photographs()
    scale = np.sqrt(np.diag(covariance))
    line, offset, remainder = fit_line(mesh, seen[used], scale)
    asked = wanted_covariance(line, remainder, covariance, scale)
    drawn = drawn_ratios(DRAWN, seed)
    found = {
        "drawn mean": drawn.mean(0),
        "map": optimal_map(np.cov(drawn.T), asked),
        "mean": np.linalg.solve(line, mean - offset),
        "covariance": asked,
        "deviation": scale,
    }
    plain = {name: np.round(value, 6).tolist() for name, value in found.items()}
    write_text(json.dumps({"names": list(RATIOS)} | plain, indent=1) + "\n", out)
    click.echo(f"{out}: from {used.sum()} faces")


if __name__ == "__main__":
    main()
