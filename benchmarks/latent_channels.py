"""Autoencoders of 4, 8 and 16 numbers a cell after equal time, with and without averaged weights.
Written to benchmarks/results/latent_channels.json.

    python -m benchmarks.latent_channels --train data/crops256 --others data/textures256 \\
        --held-out data/heldout256 --minutes 10

One process trains all of them in turns of a few seconds, so that whatever else the machine does
falls on all alike; each has as many minutes of its own, compilation and making batches included.
"""

import time
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, machine, spread, write_json
from benchmarks.latent import measure_photographs, measure_renders
from common.cli import sentences
from common.devices import (
    PRECISIONS,
    choose_precision,
    one_core_per_micro_batch,
    start_backend,
    use_xla,
)
from ddpm.presets import VAES

TURN = 15.0  # seconds
MEASURED = 128  # training pictures that the latents' mean and deviation are taken of


class Arm:
    """One autoencoder in training.

    Args:
        preset: a `Preset` of `VAES`.
        images, others: pictures, see `CropBuilder`.
        seed: int.
        micro_batches: see `Trainer`.
    """

    def __init__(self, preset, images, others, seed, micro_batches):
        from ddpm.training.batches import batches
        from ddpm.training.crops import CropBuilder
        from ddpm.training.trainer import Trainer

        make_network = partial(preset.make_network, PRECISIONS[choose_precision("auto")])
        # It writes nothing by itself: only `fit` would.
        self.trainer = Trainer(make_network, preset, Path(), None, seed, micro_batches)
        build = CropBuilder(images, others, preset.network.image_size)
        self.batches = batches(images, preset.run.batch_size, seed, build=build)
        self.preset, self.seconds, self.crops = preset, 0.0, 0

    def train(self, seconds):
        """Train for at least so many seconds."""
        began = time.monotonic()
        while (took := time.monotonic() - began) < seconds:
            self.trainer.model.train_on_batch(*next(self.batches))
            self.crops += self.preset.run.batch_size
        self.seconds += took

    def measure(self, few, held_out):
        """What it keeps of pictures, by the weights of the last step and by their average."""
        from ddpm.bundle import VAE
        from ddpm.codec import latent_codec
        from ddpm.training.reconstruction import statistics

        self.trainer.update_average()
        found = {"latent_channels": self.preset.network.latent_channels, "crops": self.crops}
        found["seconds"] = self.seconds
        networks = {"last": self.trainer.model.network, "averaged": self.trainer.averaged}
        for name, network in networks.items():
            vae = VAE(network, self.preset, *statistics(network, few), path=None, latents="")
            codec = latent_codec(vae)
            found[name] = {
                "renders": measure_renders(codec, held_out),
                "photographs": measure_photographs(codec),
            }
        return found


@click.command(context_settings={"show_default": True})
@click.option("--train", "data", type=Path, required=True, help="Renders to learn from, 256 px.")
@click.option("--others", type=Path, help="Pictures of no face to learn from besides.")
@click.option("--held-out", type=Path, required=True, help="Renders of other people, 256 px.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=10.0, help="Of each.")
@click.option("--preset", "presets", type=click.Choice(list(VAES)), multiple=True, default=VAES)
@click.option("--n", type=click.IntRange(8), default=100, help="Renders that are measured.")
@click.option("--seed", type=click.IntRange(0), default=0)
@click.option("--out", type=Path, default=RESULTS / "latent_channels.json")
@sentences()
def main(data, others, held_out, minutes, presets, n, seed, out):
    """Train autoencoders of several numbers a cell for the same time, and measure them."""
    batch_size = VAES[presets[0]].run.batch_size
    micro_batches = one_core_per_micro_batch(batch_size)
    start_backend()
    from data import load_images, load_uncut

    images = load_uncut(data, 256).images
    rest = load_uncut(others, 256).images if others else None
    micro_batches = 1 if use_xla() else micro_batches
    arms = [Arm(VAES[name], images, rest, seed, micro_batches) for name in presets]
    while any(arm.seconds < 60 * minutes for arm in arms):
        for arm in sorted(arms, key=lambda arm: arm.seconds):
            arm.train(min(TURN, 60 * minutes - arm.seconds))
        print([round(arm.seconds) for arm in arms], [arm.crops for arm in arms], flush=True)
    few = [np.asarray(images[i]) for i in spread(images, MEASURED)]
    held = np.asarray(load_images(held_out, 256).images)
    held = held[spread(held, n)]
    result = {arm.preset.name: arm.measure(few, held) for arm in arms}
    about = {"minutes": minutes, "seed": seed, "machine": machine()}
    write_json({**about, "autoencoders": result}, out)


if __name__ == "__main__":
    main()
