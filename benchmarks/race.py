"""Speed to quality: presets trained side by side for the same time. Written to
benchmarks/results/race.json.

    python -m benchmarks.race --train data/faces160 --held-out data/new --minutes 45
    python -m benchmarks.race --train data/faces160 --held-out data/new --measure    # once more

Each preset trains in a process of its own, on its own share of the cores, on the same pictures, all
at once, so that whatever else the machine does falls on all alike. At each mark, doubling, the
averaged weights are saved; the clock includes compilation but not saving. Samples of each
checkpoint are then compared with held-out renders.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, machine, spread, write_json
from common.cli import sentences
from common.devices import (
    PRECISIONS,
    choose_precision,
    one_core_per_micro_batch,
    start_backend,
    use_xla,
)
from ddpm.bundle import save_model
from ddpm.presets import PRESETS

FOLDER = Path("runs/race")
MARKS = 7  # of them, the last is the end


def marks(minutes):
    """Seconds at which weights are kept."""
    return [60 * minutes / 2**i for i in reversed(range(MARKS))]


def train(name, data, folder, minutes, seed):
    """Train one preset for so long and keep its weights at the marks."""
    preset = PRESETS[name]
    batch_size = preset.run.batch_size
    micro_batches = one_core_per_micro_batch(batch_size)
    start_backend()
    from data import load_images
    from ddpm.training.batches import batches
    from ddpm.training.trainer import Trainer

    images = load_images(data, preset.network.image_size).images
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
    for batch in batches(images, batch_size, seed, 0, preset.data.flip):
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


def race(presets, data, folder, minutes, seed):
    """Train all presets at once, each on its share of the cores."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cores = sorted(os.sched_getaffinity(0))
    each = len(cores) // len(presets)
    if not each:
        raise ValueError(f"{len(presets)} presets need as many cores. Received: {len(cores)}.")
    children = []
    for i, name in enumerate(presets):
        own = ",".join(map(str, cores[i * each : (i + 1) * each]))
        words = [sys.executable, "-m", "benchmarks.race", "--arm", name, "--train", data]
        words += ["--folder", folder, "--minutes", minutes, "--seed", seed, "--cores", own]
        children.append(subprocess.Popen([str(word) for word in words]))
    while not all((folder / f"{name}.ready").exists() for name in presets):
        if any(child.poll() for child in children):
            raise ValueError("a training ended early; its error stands above.")
        time.sleep(0.2)
    (folder / "go").touch()
    if any([child.wait() for child in children]):
        raise ValueError("a training ended early; its error stands above.")


def measure(presets, folder, data, held_out, n, steps, seed):
    """Distances of what each kept weights file draws to held-out renders."""
    from benchmarks.features import available, face_share, features
    from benchmarks.quality import compare, draw_samples
    from data import load_images

    size = PRESETS[presets[0]].network.image_size
    real = np.asarray(load_images(data, size).images)
    held = np.asarray(load_images(held_out, size).images)
    makers = features(available(), real)
    held_features = {name: make(held) for name, make in makers.items()}
    chosen = real[spread(real, n)]

    def distances(images):
        return {name: compare(make(images), held_features[name]) for name, make in makers.items()}

    result = {"floor": distances(chosen), "runs": {}}
    for name in presets:
        run = json.loads((folder / f"{name}.json").read_text())
        for row in run["rows"]:
            path = folder / row["weights"]
            images, model = draw_samples(path, n, "dpmpp_2m", "uniform", steps, seed)
            row |= {"features": distances(images), "faces": float(face_share(images).mean())}
            shape = row["features"]["shape and colour"]
            print(name, round(row["seconds"]), row["pictures_seen"], shape, flush=True)
            np.save(path.with_suffix("").with_suffix(".npy"), images[:64])
        result["runs"][name] = {**run, "parameters": model.network.count_params()}
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
@click.option("--out", type=Path, default=RESULTS / "race.json")
@click.option("--arm", hidden=True)
@click.option("--cores", hidden=True)
@sentences()
def main(data, held_out, minutes, presets, n, steps, seed, folder, again, out, arm, cores):
    """Train presets side by side for the same time and compare what they draw."""
    if arm:
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
        train(arm, data, folder, minutes, seed)
        return
    if held_out is None:
        raise click.UsageError("Missing option '--held-out'.")
    if not again:
        race(presets, data, folder, minutes, seed)
    result = measure(presets, folder, data, held_out, n, steps, seed)
    about = {"minutes": minutes, "samples": n, "steps": steps, "seed": seed, "machine": machine()}
    about["cores_each"] = max(1, (os.cpu_count() or 1) // len(presets))
    write_json({**about, **result}, out)


if __name__ == "__main__":
    main()
