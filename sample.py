"""A trained model in, pictures out: `python sample.py --n 64`."""

import errno
import math
import os
import sys
from pathlib import Path

import click
import numpy as np

from ddpm.samplers import SAMPLERS
from ddpm.schedule import SPACINGS

SHIPPED = Path(__file__).parent / "weights"
MOST_FRAMES = 20_000  # of an animation; they are held in memory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no pages of remarks when TensorFlow starts


@click.command(context_settings={"show_default": True})
@click.option("--n", type=click.IntRange(1), default=64, help="Number of pictures.")
@click.option(
    "--weights",
    type=Path,
    help="Run folder or weights file.  [default: the one in weights/, else the newest run]",
)
@click.option("--sampler", default="dpmpp_2m", help=f"One of {', '.join(SAMPLERS)}.")
@click.option("--spacing", default="uniform", help=f"Which levels to visit: {', '.join(SPACINGS)}.")
@click.option("--steps", type=click.IntRange(1), default=30, help="Levels to visit.")
@click.option(
    "--eta", type=click.FloatRange(0, 1), default=0.0, help="Fresh noise of ddim: 0 none."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    help="Picture i depends on it and on i, not on --n.",
)
@click.option(
    "--batch-size", type=click.IntRange(1, 1024), default=8, help="Pictures computed at once."
)
@click.option("--out", type=Path, default="samples.png", help="The grid.")
@click.option("--each", type=Path, help="Folder for single pictures besides.")
@click.option("--gif", type=Path, help="Animation of the denoising besides.")
@click.option(
    "--zoom", type=click.IntRange(1, 16), default=1, help="Pixels of the grid to a pixel."
)
def main(**options):
    """Draw pictures with a trained model."""
    try:
        run(**options)
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            error = "the disk is full; make room and draw again."
        elif isinstance(error, OSError):
            error = f"cannot write {error.filename}: {error.strerror}."
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


def run(n, weights, sampler, spacing, steps, eta, seed, batch_size, out, each, gif, zoom):
    """What the command does, with errors as exceptions."""
    _check_words(sampler, spacing, eta)
    _check_outputs(n * steps, out, each, gif)

    from ddpm.run import default_weights

    path = weights or default_weights(SHIPPED)

    parts = _one_core_a_part(batch_size)

    # Imported here: a backend takes seconds to start, and bad input should not wait for it.
    from tqdm import tqdm

    from ddpm.denoiser import x0_denoiser
    from ddpm.pictures import draw, grid, save_gif, save_png, to_uint8
    from ddpm.run import load_weights
    from ddpm.runtime import PRECISIONS, choose_precision, use_xla

    trained = load_weights(path, PRECISIONS[choose_precision("auto")])
    preset, schedule = trained.preset, trained.preset.make_schedule()
    SPACINGS[spacing](schedule, steps)  # too many steps are told before the progress bar opens
    denoise = x0_denoiser(
        trained.network, schedule, preset.prediction, xla=use_xla(), parts=1 if use_xla() else parts
    )
    frames = np.zeros((steps if gif else 0, n, preset.image_size, preset.image_size, 3), np.uint8)
    bar = tqdm(total=steps * n, unit="step", desc="sampling")

    def observe(indices, i, x0_hat):
        bar.update(len(indices))
        if gif:
            frames[i, indices.start : indices.stop] = to_uint8(x0_hat)

    images = draw(
        denoise,
        schedule,
        n,
        (preset.image_size, preset.image_size, 3),
        sampler,
        spacing,
        steps,
        seed,
        batch_size,
        observe,
        **({"eta": eta} if sampler == "ddim" else {}),
    )
    bar.close()
    recipe = {
        "sampler": sampler,
        "spacing": spacing,
        "steps": steps,
        "eta": eta,
        "seed": seed,
        "preset": preset.name,
        "weights": trained.path.name,
        "weights_sha256": trained.digest,
    }
    save_png(grid(images, zoom=zoom), out, {**recipe, "n": n})
    for i, image in enumerate(images if each else ()):
        save_png(image, each / f"{i:05d}.png", {**recipe, "picture": i})
    if gif:
        pages = [grid(frame, zoom=zoom) for frame in frames] + [grid(images, zoom=zoom)]
        save_gif(pages, gif)
    click.echo(
        f"{n} pictures from {trained.path}: {', '.join(str(p) for p in (out, each, gif) if p)}"
    )


def _one_core_a_part(batch_size):
    """Give each core its own part of a batch: on processors that is faster than all cores at each
    operation (benchmarks/README.md). TensorFlow reads this once, when it is imported."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = math.gcd(batch_size, cores)
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(cores // parts))
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(parts))
    return parts


def _check_outputs(frames, out, each, gif):
    """Refuse at once what could not be written at the end."""
    for path, ending in ((out, ".png"), (gif, ".gif")):
        if path and (path.suffix.lower() != ending or path.is_dir()):
            raise ValueError(f"{path} should be a file that ends in {ending}.")
    for folder in {path.parent for path in (out, gif) if path} | ({each} if each else set()):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise ValueError(f"{there} is a file; a folder is needed there.")
        if not os.access(there, os.W_OK):
            raise ValueError(f"nothing can be written into {there}; name another place.")
    if gif and frames > MOST_FRAMES:
        raise ValueError(
            f"an animation holds at most {MOST_FRAMES} pictures, --n times --steps. "
            f"Received: {frames}."
        )


def _check_words(sampler, spacing, eta):
    for what, word, table in (("sampler", sampler, SAMPLERS), ("spacing", spacing, SPACINGS)):
        if word not in table:
            raise ValueError(f"unknown {what} {word!r}; choose one of {', '.join(table)}.")
    if eta and sampler != "ddim":
        raise ValueError(f"--eta belongs to the ddim sampler. Received: --sampler {sampler}.")


if __name__ == "__main__":
    main()
