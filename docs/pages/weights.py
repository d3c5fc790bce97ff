"""weights/README.md, the cards of the shipped weights, and the README's pictures of samples."""

import csv

import numpy as np

from common.images import read_image
from common.sheets import grid, save_png
from ddpm.bundle import read_preset
from docs.drawing import draw_with
from docs.pages.conditioning import CONTROL_MEASURES, control_table
from docs.pages.results import quality_table
from docs.shared import PICTURES, ROOT, Page, pyplot, run, save_figure

MOMENTS = 8


def draw_samples(models):
    """The README's grid by the README's command."""
    out = str(PICTURES / "samples.png")
    words = ["sample.py", "--n", "64", "--zoom", "2", "--out", out]
    run(words + models.options(), ROOT)


def draw_denoising(models):
    """Rows of x0_hat from pure noise to the picture."""
    frames = []
    images, recipe = draw_with(
        models, 4, steps=30, observe=lambda indices, i, pictures: frames.append(pictures)
    )
    moments = np.linspace(0, len(frames) - 1, MOMENTS).astype(int)
    rows = np.stack([frames[i] for i in moments], axis=1)
    rows[:, -1] = images
    flat = rows.reshape(-1, *rows.shape[2:])
    save_png(grid(flat, columns=MOMENTS, zoom=2), PICTURES / "denoising.png", recipe)


def draw_learning(models):
    """The first four pictures of a run's sample grids, a column each time the steps double."""
    if models.run is None:
        print("learning: skipped, it needs --run.", flush=True)
        return
    size = read_preset(models.run).size
    grids = {int(p.stem.split("-")[1]): p for p in (models.run / "samples").glob("step-*.png")}
    wanted = np.geomspace(min(grids), max(grids), MOMENTS)
    chosen = sorted({min(grids, key=lambda step, w=w: abs(step - w)) for w in wanted})
    zoom = max(1, 128 // size)
    columns = []
    for step in chosen:
        page = read_image(grids[step])
        starts = [x * (size * zoom + 2) for x in range(4)]
        cells = [page[: size * zoom : zoom, x : x + size * zoom : zoom] for x in starts]
        columns.append(np.stack(cells))
    flat = np.stack(columns, axis=1).reshape(-1, size, size, 3)
    sheet = grid(flat, columns=len(chosen), zoom=2)
    save_png(sheet, PICTURES / "learning.png", {"steps": chosen})


def plot_losses(models):
    """Loss against step, a panel a log; the lines of one log are the commands that ran in turn."""
    logs = sorted((ROOT / "weights").glob("*_log.csv"))
    figure, axes = pyplot().subplots(1, len(logs), figsize=(4 * len(logs), 3), layout="constrained")
    for axis, path in zip(np.atleast_1d(axes), logs, strict=True):
        for line in read_runs(path):
            axis.plot(*zip(*line, strict=True), "o-", markersize=3)
        axis.set(title=path.stem.removesuffix("_log"), xlabel="step", yscale="log")
    np.atleast_1d(axes)[0].set_ylabel("loss")
    save_figure(figure, "loss")


def read_runs(path):
    """The commands of a log, each a list of (step since the first command began, loss)."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    runs, before, last = [[]], 0, 0
    for row in rows:
        step = int(row["step"])
        if step < last:  # a command that counts from 0 again
            before, runs = before + last, [*runs, []]
        last = step
        runs[-1].append((before + step, float(row["loss"])))
    return runs


def identity_values(found):
    """What the card of the face encoder says."""
    rendered, photos = found["rendered"]["encoder"], found["photos"]
    return {
        "people": rendered["true_points"]["people"],
        "true": f"{rendered['true_points']['auc']:.4f}",
        "degraded": f"{rendered['degraded']['auc']:.4f}",
        "photos": f"{photos['encoder']['auc']:.2f}",
        "same": photos["encoder"]["pairs_same"],
        "different": photos["encoder"]["pairs_different"],
        "dlib": f"{photos['dlib']['auc']:.2f}",
        "threshold": photos["encoder"]["same"],
    }


def context(results):
    found, control = results["quality"], results["conditioning"]["control"]
    return {
        "identity": identity_values(results["identity"]),
        "quality": quality_table(found, f"{found['samples']} samples"),
        "control": control_table(control, ("0.0", "1.0"), CONTROL_MEASURES[:6], chance=False),
    }


PAGE = Page(
    "weights/README.md",
    {
        "quality": "quality_portraits64.json",
        "conditioning": "conditioning.json",
        "identity": "identity.json",
    },
    context,
    {
        "samples": draw_samples,
        "denoising": draw_denoising,
        "learning": draw_learning,
        "loss": plot_losses,
    },
)
