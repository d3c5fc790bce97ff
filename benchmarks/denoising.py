"""Error of denoising held-out renders. Written to benchmarks/results/denoising.json.

    python -m benchmarks.denoising --weights runs/a --weights runs/b --held-out data/new

All networks see the same pictures with the same noise at the same levels, and are told the same
captions, so that trainings are told apart by differences far smaller than those that samples show.
The error is that of v = alpha eps - sigma x0, whatever a network predicts: (x0 - x0_hat) / sigma.
With --features it is that of the cells which show brows, eyes, nose, mouth or glasses.
"""

import json
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, common_size, spread, write_json
from common.cli import sentences
from common.devices import PRECISIONS, choose_precision, one_core_per_micro_batch, start_backend
from ddpm.bundle import load_model, read_preset
from ddpm.conditions import CONDITIONS, default_condition
from ddpm.pipeline import Request
from ddpm.training.part_maps import cell_labels

BATCH = 32
FEATURES = ("brows", "eyes", "nose", "lips", "inner mouth", "glasses")
LEVELS = 8  # evenly apart in t, in the middle of equal parts


def levels(T, n=LEVELS):
    """The middles of n equal parts of the timesteps, int32 (n,)."""
    return ((np.arange(n) + 0.5) * T / n).astype(np.int32)


def feature_cells(labels, size, stride):
    """Which cells show a feature of a face in their middle.

    Args:
        labels: sequence of uint8 (H, W), part maps of square pictures.
        size: side of the pictures, pixels, as the networks see them.
        stride: pixels a side to a cell.

    Returns:
        float32 (N, size / stride, size / stride, 1), 0 or 1; all 1 where no cell does.
    """
    from data.shape.parts import PART

    of_face = [PART[name] for name in FEATURES]
    shown = []
    for picture in labels:
        matrix = np.eye(2, 3) * size / len(picture)
        cells = np.isin(cell_labels(picture, matrix, size, stride), of_face)
        shown.append(cells if cells.any() else ~cells)
    return np.float32(shown)[..., None]


def errors(model, images, captions, seed, micro_batches=1, cells=None):
    """Squared errors of v.

    Args:
        model: a `bundle.Model`.
        images: uint8 (N, S, S, 3), N a multiple of `BATCH`.
        captions: N strings, used where the model takes words.
        seed: of the noise.
        micro_batches: see `denoiser.x0_denoiser`.
        cells: float (N, H, W, 1), how much each cell counts; None is alike.

    Returns:
        float64 (LEVELS, N): the mean over a picture's values.
    """
    from ddpm.core.denoiser import x0_denoiser

    preset = model.preset
    schedule = preset.objective.make_schedule()
    denoise = x0_denoiser(
        model.network, schedule, preset.objective.prediction, micro_batches=micro_batches
    )
    rng = np.random.default_rng(seed)
    found = np.empty((LEVELS, len(images)))
    for first in range(0, len(images), BATCH):
        at = slice(first, first + BATCH)
        x0 = np.float32(model.codec.encode(images[at]))
        counts = 1.0
        if cells is not None:
            counts = cells[at] / cells[at].mean(axis=(1, 2), keepdims=True)
        condition = _condition(model, captions[at])
        for k, t in enumerate(levels(schedule.T)):
            alpha, sigma = schedule.alpha[t], schedule.sigma[t]
            x_t = np.float32(alpha * x0 + sigma * rng.standard_normal(x0.shape))
            x0_hat = denoise(x_t, np.full(len(x0), t, np.int32), condition)
            found[k, at] = np.mean(counts * ((x0_hat - x0) / sigma) ** 2, axis=(1, 2, 3))
    return found


def _condition(model, captions):
    """Told the captions and nothing else."""
    condition = default_condition(model.preset, len(captions))
    settings = model.config.conditions.get("text")
    if settings is not None:
        request = Request(prompts=tuple(captions))
        condition |= CONDITIONS["text"].from_request(request, settings, model, range(len(captions)))
    return condition


def compare(rows):
    """Means, and how far each network is from the first, picture by picture.

    Args:
        rows: {name: float (LEVELS, N)}.

    Returns:
        {name: {"mean": float, "levels": list of LEVELS, "over_first": [mean of the differences,
        half of its 95% interval]}}.
    """
    first = next(iter(rows.values()))
    result = {}
    for name, found in rows.items():
        apart = (found - first).mean(0)
        half = 1.96 * apart.std(ddof=1) / np.sqrt(len(apart))
        result[name] = {
            "mean": float(found.mean()),
            "levels": [float(v) for v in found.mean(1)],
            "over_first": [float(apart.mean()), float(half)],
        }
    return result


def measure(paths, held_out, n, seed, features=False):
    """Errors of several networks on the same held-out pictures.

    Args:
        paths: {name: weights file or run folder}.
        held_out: folder of renders.
        n: pictures, rounded down to whole batches.
        seed: of the noise.
        features: count the cells of faces' features alone.

    Returns:
        (what `compare` finds, the number of pictures).

    Raises:
        ValueError: if the folder holds less than a batch or, with `features`, no part maps, or if
            the networks' sizes differ.
    """
    from data import load_images

    size = common_size([read_preset(path) for path in paths.values()])
    pictures = load_images(held_out, size)
    chosen = spread(pictures.images, n)
    chosen = chosen[: len(chosen) // BATCH * BATCH]
    if not len(chosen):
        raise ValueError(f"{held_out} must hold at least {BATCH} pictures.")
    if features and pictures.labels is None:
        raise ValueError(f"{held_out} holds no part maps; make a set that does: python -m data")
    captions = [(pictures.captions or [""] * len(pictures))[i] for i in chosen]
    images = np.asarray(pictures.images[chosen])
    start_backend()
    dtype, rows = PRECISIONS[choose_precision("auto")], {}
    for name, path in paths.items():
        model = load_model(path, dtype)
        cells = None
        if features:
            labels = (np.asarray(pictures.labels[i]) for i in chosen)
            cells = feature_cells(labels, size, model.codec.stride)
        micro_batches = one_core_per_micro_batch(BATCH)
        rows[name] = errors(model, images, captions, seed, micro_batches, cells)
    return compare(rows), len(chosen)


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, multiple=True, required=True, help="May be repeated.")
@click.option("--held-out", type=Path, required=True, help="Renders of other people, other seed.")
@click.option("--n", type=click.IntRange(BATCH), default=256, help="Pictures.")
@click.option("--seed", type=click.IntRange(0), default=0)
@click.option("--features", is_flag=True, help="Of brows, eyes, nose, mouth and glasses alone.")
@click.option("--out", type=Path, default=RESULTS / "denoising.json")
@sentences()
def main(weights, held_out, n, seed, features, out):
    """Measure how well networks denoise pictures that they have not seen."""
    paths = {path.name: path for path in weights}
    if len(paths) < len(weights):
        raise ValueError("two of the --weights have the same name; rename one of the folders.")
    networks, pictures = measure(paths, held_out, n, seed, features)
    result = {"pictures": pictures, "seed": seed, "levels": LEVELS, "features": features}
    result["networks"] = networks
    write_json(result, out)
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
