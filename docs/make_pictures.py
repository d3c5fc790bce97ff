"""Make the pictures of the documentation: `python -m docs.make_pictures [--run runs/faces64]`.

docs/pictures/samples.png       64 samples of the shipped weights, none picked
docs/pictures/denoising.png     what the network makes of four pictures on the way
docs/pictures/samplers.png      the same noise through each sampler, by number of steps
docs/pictures/learning.png      the same noise along a training run (with --run)
docs/pictures/loss.png          the losses in weights/*_log.csv
weights/README.md               its tables, from quality_portraits64.json and conditioning.json in
                                benchmarks/results/
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.report import quality_rows
from ddpm.pictures import draw, grid, save_png, to_uint8
from ddpm.run import default_weights, load_weights
from ddpm.runtime import PRECISIONS, choose_precision, use_xla
from ddpm.samplers import SAMPLERS
from docs.make_conditioning_page import control_rows
from docs.make_faces_card import fill, table

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
QUALITY = ROOT / "benchmarks" / "results" / "quality_portraits64.json"
CONDITIONING = QUALITY.with_name("conditioning.json")
CARD = ROOT / "weights" / "README.md"
STEPS = (5, 10, 20, 50)
MOMENTS = 8


def samples(weights):
    """The README's grid by the README's command."""
    command = f"sample.py --n 64 --zoom 2 --weights {weights} --out {PICTURES / 'samples.png'}"
    subprocess.run([sys.executable, *command.split()], cwd=ROOT, check=True)


def denoising(pictures, recipe):
    """Rows of x0_hat from pure noise to the picture."""
    frames = []
    images = pictures(4, steps=30, observe=lambda batch, i, x0_hat: frames.append(to_uint8(x0_hat)))
    moments = np.linspace(0, len(frames) - 1, MOMENTS).astype(int)
    rows = np.stack([frames[i] for i in moments], axis=1)
    rows[:, -1] = images
    flat = rows.reshape(-1, *rows.shape[2:])
    save_png(grid(flat, columns=MOMENTS, zoom=2), PICTURES / "denoising.png", recipe)


def samplers(pictures, recipe):
    """A row a sampler, four columns of two pictures each: 5, 10, 20 and 50 steps."""
    rows = [pictures(2, steps=steps, sampler=sampler) for sampler in SAMPLERS for steps in STEPS]
    save_png(grid(np.concatenate(rows), columns=8, zoom=2), PICTURES / "samplers.png", recipe)


def learning(run, size):
    """The first four pictures of the run's sample grids, a column each time the steps double."""
    grids = {int(p.stem.split("-")[1]): p for p in sorted((run / "samples").glob("step-*.png"))}
    wanted = np.geomspace(min(grids), max(grids), MOMENTS)
    chosen = sorted({min(grids, key=lambda step, w=w: abs(step - w)) for w in wanted})
    columns = []
    for step in chosen:
        page = np.asarray(Image.open(grids[step]))
        zoom = max(1, 128 // size)
        cells = [
            page[: size * zoom : zoom, x * (size * zoom + 2) :][:, : size * zoom : zoom]
            for x in range(4)
        ]
        columns.append(np.stack(cells))
    flat = np.stack(columns, axis=1).reshape(-1, size, size, 3)
    save_png(grid(flat, columns=len(chosen), zoom=2), PICTURES / "learning.png", {"steps": chosen})


def losses():
    """Loss against step, a panel a log; the lines of one log are the commands that ran in turn."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    logs = sorted(CARD.parent.glob("*_log.csv"))
    figure, axes = plt.subplots(1, len(logs), figsize=(4 * len(logs), 3), layout="constrained")
    for axis, path in zip(np.atleast_1d(axes), logs, strict=True):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        runs, before, last = [[]], 0, 0
        for row in rows:
            step = int(row["step"])
            if step < last:  # a command that counts from 0 again
                before, runs = before + last, [*runs, []]
            last = step
            runs[-1].append((before + step, float(row["loss"])))
        for run in runs:
            axis.plot(*zip(*run, strict=True), "o-", markersize=3)
        axis.set(title=path.stem.removesuffix("_log"), xlabel="step", yscale="log")
    np.atleast_1d(axes)[0].set_ylabel("loss")
    figure.savefig(PICTURES / "loss.png", dpi=110)


def card():
    """The tables of the weights' card."""
    found = json.loads(QUALITY.read_text())
    head, *rows = quality_rows(found)
    head[2] = f"{found['samples']} samples"
    blocks = {"quality": table(head, rows)}
    names, *rows = control_rows(json.loads(CONDITIONING.read_text())["control"])
    ends = [names.index(f"strength {strength}") for strength in (0.0, 1.0)]
    head, *rows = [[row[i] for i in (0, *ends)] for row in (names, *rows[:6])]
    blocks["control"] = table(head, rows)
    CARD.write_text(fill(CARD.read_text(), blocks))


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, help="[default: as sample.py]")
@click.option("--run", type=Path, help="A run folder, for learning.png.")
def main(weights, run):
    """Make the pictures of the documentation."""
    trained = load_weights(weights or default_weights(), PRECISIONS[choose_precision("auto")])
    schedule, size = trained.preset.make_schedule(), trained.preset.image_size
    denoise = trained.denoiser(xla=use_xla())

    def pictures(n, steps, sampler="dpmpp_2m", observe=None):
        batch = min(n, 8)
        return draw(
            denoise, schedule, n, (size, size, 3), sampler, "uniform", steps, 0, batch, observe,
            trained.unasked(0),
        )  # fmt: skip

    recipe = {"weights": trained.path.name, "weights_sha256": trained.digest, "seed": 0}
    samples(trained.path.resolve())
    for make in (denoising, samplers):
        make(pictures, recipe)
    losses()
    if run:
        learning(run, size)
    if QUALITY.exists():
        card()


if __name__ == "__main__":
    main()
