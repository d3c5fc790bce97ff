"""A grid of weights and intervals of autoguidance. Written to benchmarks/results/autoguidance.json.

    python -m benchmarks.autoguidance --weights runs/portraits256 --guide old.weights.h5 \\
        --train data/faces256 --held-out data/heldout256

The model draws the same noise and captions without a guide and with each of some weaker versions of
itself, at each weight, over each interval of the progress from noise, 0, to the picture, 1.
Distances are to held-out renders (`benchmarks.quality`). The first pictures of every cell stay in
the folder, for the page.
"""

from itertools import product
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, machine, spread, write_json
from common.cli import sentences
from ddpm.bundle import read_preset

WEIGHTS = (1.5, 2.0, 2.5)
INTERVALS = ((0.0, 1.0), (0.0, 0.6))
SHOWN = 16
FOLDER = Path("runs/autoguidance")


def cells(weights, guides, weight, interval, n, steps, seed, folder, distances):
    """Distances of every cell of the grid, the first without a guide.

    Args:
        weights: of the model; `guides`: files of weaker versions.
        weight, interval: those of the grid.
        n, steps, seed: of what is drawn.
        folder: of the first pictures of each cell.
        distances: uint8 (n, S, S, 3) -> {features: distances}.

    Yields:
        dictionaries.
    """
    from benchmarks.features import face_share
    from benchmarks.quality import draw_samples

    plain = (None, 1.0, (0.0, 1.0))
    for k, (guide, w, where) in enumerate([plain, *product(guides, weight, interval)]):
        how = {"guide": guide, "autoguidance": w, "autoguidance_interval": where}
        images, model = draw_samples(weights, n, "dpmpp_2m", "uniform", steps, seed, **how)
        picture = f"{k:02d}.npy"
        np.save(folder / picture, images[:SHOWN])
        row = {"guide": guide and guide.name, "weight": w, "interval": list(where)}
        row |= {"picture": picture, "faces": float(face_share(images).mean())}
        row["features"] = distances(images)
        click.echo(f"{row['guide']} {w} {where}: {row['features']['shape and colour']['kernel']}")
        yield row | {"weights_sha256": model.digest}


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, required=True)
@click.option("--guide", "guides", type=Path, multiple=True, required=True, help="Weaker versions.")
@click.option("--weight", type=click.FloatRange(1), multiple=True, default=WEIGHTS)
@click.option("--interval", type=(float, float), multiple=True, default=INTERVALS)
@click.option("--train", type=Path, required=True, help="The pictures that it was trained on.")
@click.option("--held-out", type=Path, required=True, help="Renders of other people, other seed.")
@click.option("--n", type=click.IntRange(100), default=128, help="Samples of each cell.")
@click.option("--steps", type=click.IntRange(1), default=20)
@click.option("--seed", type=click.IntRange(0), default=3000)
@click.option("--folder", type=Path, default=FOLDER, help="Of the pictures that are kept.")
@click.option("--out", type=Path, default=RESULTS / "autoguidance.json")
@sentences()
def main(weights, guides, weight, interval, train, held_out, n, steps, seed, folder, out):
    """Measure autoguidance by weight and interval."""
    from benchmarks.quality import distances_to

    distances, real = distances_to(train, held_out, read_preset(weights).size)
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(cells(weights, guides, weight, interval, n, steps, seed, folder, distances))
    floor = distances(real[spread(real, n)])
    about = {"samples": n, "steps": steps, "seed": seed, "machine": machine()}
    write_json({**about, "floor": floor, "cells": rows}, out)


if __name__ == "__main__":
    main()
