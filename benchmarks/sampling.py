"""Distance against the number of steps, for each sampler and spacing. Written to
benchmarks/results/sampling.json.

    python -m benchmarks.sampling --train data/faces160 --held-out data/new

All draw the same pictures: the same noise, the same captions. Steps are counted in looks of the
network, so that Heun's method, which looks twice a step, takes half as many. The kernel distance is
shown, for it does not depend on how many samples there are.
"""

import json
import sys
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.features import features
from benchmarks.quality import BATCH
from ddpm.metrics import bootstrap, kernel_distance

RESULTS = Path("benchmarks/results/sampling.json")
LOOKS = (5, 10, 20, 40)
FEATURES = ("shape and colour", "encoder")


def steps_of(sampler, looks):
    """The steps that a sampler takes with so many looks: Heun's last step needs one only."""
    return (looks + 1) // 2 if sampler == "heun" else looks


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, help="[default: as sample.py]")
@click.option("--train", type=Path, required=True, help="The pictures that it was trained on.")
@click.option("--held-out", type=Path, required=True, help="Renders of other people, other seed.")
@click.option("--n", type=click.IntRange(64), default=256, help="Samples.")
@click.option("--looks", type=int, multiple=True, default=LOOKS)
@click.option("--sampler", "samplers", multiple=True, help="[default: all]")
@click.option("--spacing", "spacings", multiple=True, help="[default: all]")
@click.option("--seed", type=click.IntRange(0), default=2000)
@click.option("--out", type=Path, default=RESULTS)
def main(weights, train, held_out, n, looks, samplers, spacings, seed, out):
    """Measure every sampler and spacing at several numbers of steps."""
    from ddpm.commands import one_core_a_part

    parts = one_core_a_part(BATCH)
    from data import load_images
    from ddpm.pictures import draw
    from ddpm.run import default_weights, load_weights
    from ddpm.runtime import PRECISIONS, choose_precision, use_xla
    from ddpm.samplers import SAMPLERS
    from ddpm.schedule import SPACINGS

    try:
        weights = weights or default_weights()
        trained = load_weights(weights, PRECISIONS[choose_precision("auto")])
        schedule, size = trained.preset.make_schedule(), trained.preset.image_size
        real, held = (np.asarray(load_images(folder, size).images) for folder in (train, held_out))
        denoise = trained.denoiser(xla=use_xla(), parts=1 if use_xla() else parts)
        makers = features(FEATURES, real)
        held = {name: make(held) for name, make in makers.items()}
        rows = []
        for spacing in spacings or SPACINGS:
            for sampler in samplers or SAMPLERS:
                for count in looks:
                    began = time.monotonic()
                    images = draw(
                        denoise, schedule, n, (size, size, 3), sampler, spacing,
                        steps_of(sampler, count), seed, BATCH, wrap=trained.unasked(seed),
                    )  # fmt: skip
                    row = {"sampler": sampler, "spacing": spacing, "looks": count}
                    for name, make in makers.items():
                        sets = make(images), held[name]
                        interval = bootstrap(kernel_distance, *sets, rounds=10)
                        row[name] = [kernel_distance(*sets), interval]
                    row["seconds"] = time.monotonic() - began
                    rows.append(row)
                    print(json.dumps(row), flush=True)
    except (ValueError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    spread = real[np.linspace(0, len(real) - 1, n).astype(int)]
    floor = {name: kernel_distance(make(spread), held[name]) for name, make in makers.items()}
    about = {"weights_sha256": trained.digest, "preset": trained.preset.name, "samples": n}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**about, "seed": seed, "floor": floor, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
