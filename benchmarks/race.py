"""Speed to quality: presets trained side by side for the same time. Written to
benchmarks/results/race.json.

    python -m benchmarks.race --train data/faces160 --held-out data/new --minutes 45
    python -m benchmarks.race --train data/faces160 --held-out data/new --measure    # once more

Each preset trains in a process of its own, on its own share of the cores, on the same pictures, all
at once, so that whatever else the machine does falls on all alike. At each mark, doubling, the
averaged weights are saved; the clock includes compilation but not saving. Samples of each
checkpoint are then compared with held-out renders. Where there are fewer cores than presets, all
presets share all cores, one thread each.

With --vae, networks race over an autoencoder's latents, which are computed beforehand:

    python -m benchmarks.race --vae weights/vae8.weights.h5 --preset latent_unet --preset latent_mp

and the last weights of each are also sampled with autoguidance, guided by those of a quarter of the
time, and their errors of denoising are compared (`denoising.py`).
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks import denoising
from benchmarks.common import RESULTS, machine, spread, write_json
from common.cli import sentences
from common.devices import (
    PRECISIONS,
    choose_precision,
    one_core_per_micro_batch,
    start_backend,
    use_xla,
)
from ddpm.bundle import FILES, latents_of, save_model
from ddpm.conditions import NoSettings
from ddpm.nets.config import MPUNetConfig, UNetConfig
from ddpm.presets import LATENTS, PORTRAITS256, PRESETS, UNIT_RATES, Preset, RunConfig

FOLDER = Path("runs/race")
MARKS = 7  # of them, the last is the end
WEIGHTS = (1.3, 1.6, 2.0)  # of autoguidance


def _latent(name, network, objective=None, **run):
    """A candidate that learns v of the windows of `portraits256`, told size and crop alone."""
    return Preset(
        name=name,
        network=network,
        objective=replace(PORTRAITS256.objective, **(objective or {})),
        data=PORTRAITS256.data,
        run=RunConfig(**{"batch_size": 16, "warmup_steps": 100, "decay_steps": 2000, **run}),
        codec=LATENTS,
    ).with_conditions(size_crop=NoSettings())


MP = MPUNetConfig(widths=(64, 128, 192), blocks=(2, 2, 2), attention=(16, 8), head_width=32)
# Networks for latents of 32 x 32 x 8: the U-Net, and magnitude-preserving ones on two grids, the
# finer one also in other trainings: with Muon, part maps, EDM2's noise levels and weights, x0 as
# what is predicted, larger batches.
CANDIDATES = {
    preset.name: preset
    for preset in (
        _latent(
            "latent_unet",
            UNetConfig(
                image_size=32,
                channels=8,
                widths=(64, 128, 192),
                blocks=(1, 2, 2),
                attention=(16, 8),
                head_width=32,
                scale_shift=True,
            ),
            learning_rate=4e-4,
        ),
        _latent("latent_mp", MP, **UNIT_RATES),
        _latent("latent_mp_muon", MP, optimizer="muon", **UNIT_RATES),
        _latent("latent_mp_parts", MP, {"part_weight": 0.1}, **UNIT_RATES),
        _latent("latent_mp_x0", MP, {"prediction": "x0", "weighting": "min_snr"}, **UNIT_RATES),
        _latent("latent_mp_32", MP, batch_size=32, **UNIT_RATES),
        _latent("latent_mp_levels", MP, {"log_normal": (-0.4, 1.0), "balance": True}, **UNIT_RATES),
        _latent(
            "latent_mp_coarse",
            MPUNetConfig(
                widths=(192, 256), blocks=(2, 2), attention=(16, 8), patch=2, head_width=64
            ),
            **UNIT_RATES,
        ),
    )
}


def marks(minutes):
    """Seconds at which weights are kept."""
    return [60 * minutes / 2**i for i in reversed(range(MARKS))]


def find_preset(name, vae):
    """A preset or candidate by its name, with the digest of the autoencoder."""
    preset = (PRESETS | CANDIDATES)[name]
    if preset.codec.kind == "pixels":
        return preset
    return preset.with_(codec={"digest": latents_of(vae)})


def latent_windows(preset, data, folder, vae):
    """The latents of a set, computed once for all networks: a maker of batches."""
    from data import load_uncut
    from ddpm.bundle import load_vae
    from ddpm.codec import latent_codec
    from ddpm.conditions import Source
    from ddpm.training.batches import BatchBuilder
    from ddpm.training.latents import LatentWindows, compute_latents

    pictures = load_uncut(data, preset.size)
    images = pictures.images
    dtype = PRECISIONS[choose_precision("auto")]
    codec = latent_codec(load_vae(vae, dtype), 2)
    source = Source(images, codec=codec, labels=pictures.labels)
    folder.mkdir(parents=True, exist_ok=True)
    latents = compute_latents(folder, source, preset, key=str(data))
    return images, BatchBuilder(source, preset, windows=LatentWindows(latents, source, preset))


def train(name, data, folder, minutes, seed, vae, shared):
    """Train one preset for so long and keep its weights at the marks; in one thread, where cores
    are shared."""
    preset, build = find_preset(name, vae), None
    batch_size = preset.run.batch_size
    micro_batches = 1 if shared else one_core_per_micro_batch(batch_size)
    if shared:
        os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    start_backend()
    from data import load_images
    from ddpm.training.batches import batches
    from ddpm.training.trainer import Trainer

    if preset.codec.kind == "vae":
        images, build = latent_windows(preset, data, folder / "latents", vae)
    else:
        images = load_images(data, preset.size).images
    ready = folder / f"{name}.ready"
    ready.touch()
    while not (folder / "go").exists():
        time.sleep(0.05)
    began, pictures, rows = time.monotonic(), 0, []
    micro_batches = 1 if use_xla() else micro_batches
    precision = choose_precision("auto")
    make_network = partial(preset.make_network, PRECISIONS[precision])
    # It writes nothing by itself: only `fit` would.
    trainer = Trainer(make_network, preset, folder / name, None, seed, micro_batches)
    waiting = marks(minutes)
    for batch in batches(images, batch_size, seed, 0, preset.data.flip, build):
        trainer.model.train_on_batch(*batch)
        pictures += batch_size
        took = time.monotonic() - began
        if took < waiting[0]:
            continue
        while waiting and took >= waiting[0]:
            waiting.pop(0)
        trainer.update_average()
        path = folder / f"{name}_{took:06.0f}.weights.h5"
        save_model(trainer.averaged, preset, path, half=True)
        rows.append({"seconds": took, "pictures_seen": pictures, "weights": path.name})
        (folder / f"{name}.json").write_text(json.dumps({"precision": precision, "rows": rows}))
        began += time.monotonic() - began - took  # writing is not training
        if not waiting:
            return


def race(presets, data, folder, minutes, seed, vae):
    """Train all presets at once, each on its share of the cores."""
    for path in folder.glob("*"):
        if path.name != "latents":  # which say themselves what they are of
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    latent = [preset for preset in presets if find_preset(preset, vae).codec.kind == "vae"]
    if latent:  # before any clock starts
        start_backend()
        shutil.copy(vae, folder / FILES["vae"])
        latent_windows(find_preset(latent[0], vae), data, folder / "latents", vae)
    cores = sorted(os.sched_getaffinity(0))
    each, children = len(cores) // len(presets), []
    for i, name in enumerate(presets):
        own = ",".join(map(str, cores[i * each : (i + 1) * each] or cores))
        words = [sys.executable, "-m", "benchmarks.race", "--arm", name, "--train", data]
        words += ["--folder", folder, "--minutes", minutes, "--seed", seed, "--cores", own]
        words += ["--vae", vae] if vae else []
        words += [] if each else ["--shared"]
        children.append(subprocess.Popen([str(word) for word in words]))
    while not all((folder / f"{name}.ready").exists() for name in presets):
        if any(child.poll() for child in children):
            raise ValueError("a training ended early; its error stands above.")
        time.sleep(0.2)
    (folder / "go").touch()
    if any([child.wait() for child in children]):
        raise ValueError("a training ended early; its error stands above.")


def measure(presets, folder, data, held_out, n, steps, seed, vae, last, guided):
    """Distances of what each kept weights file draws to held-out renders, at the last marks, and of
    what the last one draws at these weights of autoguidance."""
    from benchmarks.features import face_share
    from benchmarks.quality import distances_to, draw_samples

    distances, real = distances_to(data, held_out, find_preset(presets[0], vae).size)
    result = {"floor": distances(real[spread(real, n)]), "runs": {}}
    for name in presets:
        run = json.loads((folder / f"{name}.json").read_text())
        kept = [folder / row["weights"] for row in run["rows"]]
        run["rows"] = run["rows"][-last:]
        for row in run["rows"]:
            path = folder / row["weights"]
            images, model = draw_samples(path, n, "dpmpp_2m", "uniform", steps, seed)
            row |= {"features": distances(images), "faces": float(face_share(images).mean())}
            shape = row["features"]["shape and colour"]
            print(name, round(row["seconds"]), row["pictures_seen"], shape, flush=True)
            np.save(path.with_suffix("").with_suffix(".npy"), images[:64])
        result["runs"][name] = {**run, "parameters": model.network.count_params()}
        if vae:
            result["runs"][name]["autoguided"] = {}
            for weight in guided:
                options = {"guide": kept[-3], "autoguidance": weight}
                images, _ = draw_samples(kept[-1], n, "dpmpp_2m", "uniform", steps, seed, **options)
                result["runs"][name]["autoguided"][weight] = distances(images)
                print(name, "autoguided", weight, flush=True)
                np.save(folder / f"{name}_autoguided_{weight}.npy", images[:64])
    if vae:
        ends = {name: folder / run["rows"][-1]["weights"] for name, run in result["runs"].items()}
        result["denoising"], _ = denoising.measure(ends, held_out, n, seed)
    return result


@click.command(context_settings={"show_default": True})
@click.option("--train", "data", type=Path, required=True, help="The pictures to learn from.")
@click.option("--held-out", type=Path, help="Renders of other people, other seed.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=45.0)
@click.option("--preset", "presets", multiple=True, default=("faces64", "classic64"))
@click.option("--n", type=click.IntRange(100), default=128, help="Samples of each weights file.")
@click.option("--steps", type=click.IntRange(1), default=20, help="Of DPM-Solver++(2M).")
@click.option("--seed", type=click.IntRange(0), default=0)
@click.option("--folder", type=Path, default=FOLDER, help="Of the weights that are kept.")
@click.option("--measure", "again", is_flag=True, help="Measure what an earlier race left.")
@click.option("--marks", "last", type=click.IntRange(1, MARKS), default=MARKS, help="Measured.")
@click.option("--unguided", is_flag=True, help="Measure no autoguidance.")
@click.option("--out", type=Path, default=RESULTS / "race.json")
@click.option("--vae", type=Path, help="The autoencoder, for presets of latents.")
@click.option("--arm", hidden=True)
@click.option("--cores", hidden=True)
@click.option("--shared", is_flag=True, hidden=True)
@sentences()
def main(
    data,
    held_out,
    minutes,
    presets,
    n,
    steps,
    seed,
    folder,
    again,
    last,
    unguided,
    out,
    vae,
    arm,
    cores,
    shared,
):
    """Train presets side by side for the same time and compare what they draw."""
    if arm:
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
        train(arm, data, folder, minutes, seed, vae, shared)
        return
    if held_out is None:
        raise click.UsageError("Missing option '--held-out'.")
    if not again:
        race(presets, data, folder, minutes, seed, vae)
    guided = () if unguided else WEIGHTS
    result = measure(presets, folder, data, held_out, n, steps, seed, vae, last, guided)
    about = {"minutes": minutes, "samples": n, "steps": steps, "seed": seed, "machine": machine()}
    about["cores_each"] = (os.cpu_count() or 1) / len(presets)
    write_json({**about, **result}, out)


if __name__ == "__main__":
    main()
