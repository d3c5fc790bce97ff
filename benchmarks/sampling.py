"""Distance against the number of steps, for each sampler and spacing. Written to
benchmarks/results/sampling.json.

    python -m benchmarks.sampling --train data/faces160 --held-out data/new

All draw the same pictures: the same noise, the same captions. Steps are counted in network
function evaluations (NFE), so that Heun's method, which takes two a step, has half as many steps.
The kernel distance is shown, for it does not depend on the number of samples.
"""

import json
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, spread, write_json
from benchmarks.features import features
from benchmarks.quality import BATCH
from common.cli import sentences
from common.devices import one_core_per_micro_batch
from ddpm.core.metrics import bootstrap, kernel_distance
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import SPACINGS
from ddpm.pipeline import Pipeline, Request

NFE = (5, 10, 20, 40)
FEATURES = ("shape and colour", "encoder")


def steps_of(sampler, nfe):
    """The steps that a sampler takes with so many evaluations: Heun's last step needs one only."""
    return (nfe + 1) // 2 if sampler == "heun" else nfe


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, help="[default: as sample.py]")
@click.option("--train", type=Path, required=True, help="The pictures that it was trained on.")
@click.option("--held-out", type=Path, required=True, help="Renders of other people, other seed.")
@click.option("--n", type=click.IntRange(64), default=256, help="Samples.")
@click.option("--nfe", "counts", type=int, multiple=True, default=NFE)
@click.option("--sampler", "samplers", multiple=True, help="[default: all]")
@click.option("--spacing", "spacings", multiple=True, help="[default: all]")
@click.option("--seed", type=click.IntRange(0), default=2000)
@click.option("--out", type=Path, default=RESULTS / "sampling.json")
@sentences()
def main(weights, train, held_out, n, counts, samplers, spacings, seed, out):
    """Measure every sampler and spacing at several numbers of steps."""
    from data import load_images

    pipeline = Pipeline.load(weights, micro_batches=one_core_per_micro_batch(BATCH))
    real, held = (
        np.asarray(load_images(folder, pipeline.size).images) for folder in (train, held_out)
    )
    makers = features(FEATURES, real)
    held = {name: make(held) for name, make in makers.items()}
    rows = []
    for spacing in spacings or SPACINGS:
        for sampler in samplers or SAMPLERS:
            for count in counts:
                began = time.monotonic()
                steps = steps_of(sampler, count)
                request = Request(
                    n=n, sampler=sampler, spacing=spacing, steps=steps, seed=seed, batch_size=BATCH
                )
                images = pipeline.draw(request)
                row = {"sampler": sampler, "spacing": spacing, "nfe": count}
                for name, make in makers.items():
                    sets = make(images), held[name]
                    interval = bootstrap(kernel_distance, *sets, rounds=10)
                    row[name] = [kernel_distance(*sets), interval]
                row["seconds"] = time.monotonic() - began
                rows.append(row)
                print(json.dumps(row), flush=True)
    chosen = real[spread(real, n)]
    floor = {name: kernel_distance(make(chosen), held[name]) for name, make in makers.items()}
    model = pipeline.model
    about = {"weights_sha256": model.digest, "preset": model.preset.name, "samples": n}
    write_json({**about, "seed": seed, "floor": floor, "rows": rows}, out)


if __name__ == "__main__":
    main()
