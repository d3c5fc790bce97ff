"""Likeness of samples to a person by the identity condition. Written to
benchmarks/results/likeness.json.

    python -m benchmarks.likeness --weights runs/portraits256    # or the shipped one

Unseen rendered people, three views each. The project's encoder makes a vector of the first view,
the model draws one picture by it, and that is compared with the other two views, by the cosine of
the encoder's vectors and, where installed, of dlib's:

sample     of the picture drawn to the two held-out views
real       of the first view to them: what could be reached
nobody     of a picture drawn from the same noise without a vector
others     of the picture drawn to the held-out views of everybody else
first      the share of people whose held-out views are nearer to their picture than anybody
           else's

Pictures in which no face is found are left out and counted.
"""

import json
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, photos, write_json
from benchmarks.identity import detected
from common.cli import sentences
from common.devices import one_core_per_micro_batch
from common.images import resize
from ddpm.pipeline import Pipeline, Request

SEED = 20251
VIEWS, BATCH = 3, 8
SIZE = 256


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, default="portraits256")
@click.option("--people", type=click.IntRange(2), default=100)
@click.option("--guidance", type=click.FloatRange(0, 30), multiple=True, default=(1.0, 2.5))
@click.option("--steps", type=click.IntRange(1), default=20)
@click.option("--seed", type=click.IntRange(0), default=SEED)
@click.option("--out", type=Path, default=RESULTS / "likeness.json")
@sentences()
def main(weights, people, guidance, steps, seed, out):
    """Measure how like a person samples are."""
    from data import load_images
    from facekit.identity import available, load_embedder

    pipeline = Pipeline.load(weights, micro_batches=one_core_per_micro_batch(BATCH))
    with photos(None, people * VIEWS, people, seed) as folder:
        images = np.asarray(load_images(folder, SIZE).images)
    embedders = {name: load_embedder(name) for name in available()}
    views = vectors(images, embedders)
    known = ~np.isnan(views["encoder"][::VIEWS, 0])
    faces = views["encoder"][::VIEWS][known]
    request = {"n": len(faces), "steps": steps, "seed": seed, "spacing": "uniform"}
    request |= {"batch_size": BATCH, "prompts": ("",)}
    nobody = vectors(pipeline.draw(Request(**request, guidance=1.0)), embedders)
    held = {name: v.reshape(people, VIEWS, -1)[known] for name, v in views.items()}
    result = {"weights": pipeline.model.path.name, "weights_sha256": pipeline.model.digest}
    result |= {"people": len(faces), "steps": steps, "seed": seed, "guidance": {}}
    for scale in guidance:
        drawn = vectors(pipeline.draw(Request(**request, face=faces, guidance=scale)), embedders)
        result["guidance"][scale] = {
            name: likeness(held[name], drawn[name], nobody[name]) for name in embedders
        }
    write_json(result, out)
    click.echo(json.dumps(result, indent=1))


def vectors(images, embedders):
    """The vectors of the largest faces: {name: float (N, D)}, NaN where none is found."""
    images = [resize(image, SIZE) for image in images]
    points = [detected(image) for image in images]
    found = {}
    for name, embedder in embedders.items():
        rows = [
            None if p is None else embedder.embed(np.ascontiguousarray(image), p)
            for image, p in zip(images, points, strict=True)
        ]
        length = next((len(row) for row in rows if row is not None), 0)
        if not length:
            raise ValueError("no face was found in any picture; nothing can be compared.")
        found[name] = np.array([np.full(length, np.nan) if r is None else r for r in rows])
    return found


def likeness(views, drawn, nobody):
    """The numbers of one embedder.

    Args:
        views: float (P, VIEWS, D), unit vectors, NaN where no face was found.
        drawn, nobody: (P, D), of the pictures drawn with and without a vector.

    Returns:
        dict of medians and shares.
    """
    held = views[:, 1:]
    cosines = np.nanmean(np.einsum("pd,qvd->pqv", drawn, held), axis=2)  # (P, P)
    own = np.diag(cosines)
    apart = cosines[~np.eye(len(cosines), dtype=bool)]
    first = [
        np.nanargmax(row) == i for i, row in enumerate(cosines) if not np.isnan(row).all()
    ]  # a picture without a face has no row
    return {
        "sample": float(np.nanmedian(own)),
        "real": float(np.nanmedian(np.einsum("pd,pvd->pv", views[:, 0], held))),
        "nobody": float(np.nanmedian(np.einsum("pd,pvd->pv", nobody, held))),
        "others": float(np.nanmedian(apart)),
        "first": float(np.mean(first)),
        "not_found": int(np.isnan(drawn[:, 0]).sum()),
    }


if __name__ == "__main__":
    main()
