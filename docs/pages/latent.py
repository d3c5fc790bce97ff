"""docs/latent.md: the autoencoder, what it keeps and what it loses; the networks on its latents."""

import shlex
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import photographs
from common.images import read_image
from common.sheets import grid
from docs.pages.results import plot_distances, with_interval
from docs.shared import (
    ROOT,
    Page,
    pyplot,
    read_results,
    save_figure,
    save_picture,
    table,
)
from docs.shared import run as run_command

RENDERS = 4
SEED = 77
SIDE = 256
SQUARES = {"astronaut": (0, 96), "grace_hopper": (75, 130)}  # top and left of the faces
SHOWN = 8  # samples of each network
BRIGHTER = 4  # times, that errors are shown
BESIDE = 0.04  # of a weight, between the marks of two lines


def draw_kept(models):
    """Pictures, what comes back of them, and the error, of renders and of photographs."""
    from ddpm.bundle import default_vae, load_vae
    from ddpm.codec import latent_codec

    codec = latent_codec(load_vae(default_vae(), "float32"))
    images = _with_and_without_glasses()
    for name, image in photographs().items():
        top, left = SQUARES[name]
        images.append(image[top : top + SIDE, left : left + SIDE])
    images = np.stack(images)
    back = codec.decode(codec.encode(images))
    error = np.abs(images.astype(int) - back).clip(0, 255 // BRIGHTER) * BRIGHTER
    rows = np.concatenate([images, back, np.uint8(error)])
    save_picture(grid(rows, columns=len(images)), "latent_kept")


def _with_and_without_glasses():
    """`RENDERS` photographs, half of them the first of a dataset without glasses, half with."""
    from data.faces import sample_face
    from docs.pages.faces import shoot

    settings = {"n": 1000, "identities": 1000, "seed": SEED}
    found = {False: [], True: []}
    for i in range(settings["n"]):
        person, view, _ = sample_face(i, settings)
        chosen = found[view.glasses]
        if len(chosen) < RENDERS // 2:
            chosen.append(shoot(person, view, SIDE).image)
        if min(map(len, found.values())) == RENDERS // 2:
            break
    return found[False] + found[True]


def plot_race(models):
    """Distance against minutes of the race over latents."""
    plot_distances(read_results(PAGE)["race"], "latent_race")


def plot_heat(models):
    """Distance against minutes of the race of optimisers and noise levels."""
    plot_distances(read_results(PAGE)["heat"], "latent_heat")


def draw_race(models):
    """Samples of each network at the end of the race, below them the same noise guided by its own
    version at a quarter of the time; from what the race left in its folder."""
    race, folder = read_results(PAGE)["race"], ROOT / "runs" / "race"
    rows = []
    for name, run in race["runs"].items():
        last = Path(run["rows"][-1]["weights"]).with_suffix("").with_suffix(".npy")
        best = _best_weight(run, list(race["floor"])[0])
        for path in (last, f"{name}_autoguided_{best}.npy"):
            rows.append(np.load(folder / path)[:SHOWN])
    save_picture(grid(np.concatenate(rows)[:, ::2, ::2], columns=SHOWN), "latent_race_samples")


def _best_weight(run, feature):
    found = run["autoguided"]
    return min(found, key=lambda weight: found[weight][feature]["kernel"][0])


def plot_autoguidance(models):
    """Distance against the weight of autoguidance, a panel a kind of features."""
    found = read_results(PAGE)["autoguidance"]
    plain, *cells = found["cells"]
    names = list(found["floor"])
    figure, axes = pyplot().subplots(
        1, len(names), figsize=(4 * len(names), 3.4), layout="constrained"
    )
    for axis, name in zip(axes, names, strict=True):
        lines = _lines(cells)
        for k, (label, line) in enumerate(lines.items()):
            values = [
                plain["features"][name]["kernel"],
                *(c["features"][name]["kernel"] for c in line),
            ]
            middle, half = np.array(values).T
            apart = BESIDE * (k - (len(lines) - 1) / 2)  # intervals at one weight, side by side
            at = [weight + apart for weight in (1, *(c["weight"] for c in line))]
            axis.errorbar(at, middle, half, marker="o", label=label, capsize=3)
        axis.set(title=name, xlabel="weight")
    axes[0].set_ylabel("kernel distance to held-out renders")
    axes[0].legend(fontsize="small")
    save_figure(figure, "latent_autoguidance")


def _lines(cells):
    """The cells of a grid by guide and interval, by increasing weight."""
    lines = {}
    for cell in sorted(cells, key=lambda c: c["weight"]):
        label = f"{cell['guide'].removesuffix('.weights.h5')}, {_interval(cell)}"
        lines.setdefault(label, []).append(cell)
    return lines


def _interval(cell):
    low, high = cell["interval"]
    return "always" if (low, high) == (0, 1) else f"{low:.0%} to {high:.0%}"


def draw_autoguidance(models):
    """The same noise without a guide, and at each weight, always; from what the grid left."""
    found = read_results(PAGE)["autoguidance"]
    best = min(found["cells"][1:], key=lambda c: c["features"]["shape and colour"]["kernel"])
    guide = best["guide"]
    chosen = [c for c in found["cells"] if c["guide"] in (None, guide) and c["interval"] == [0, 1]]
    rows = [np.load(ROOT / "runs" / "autoguidance" / c["picture"])[:SHOWN] for c in chosen]
    save_picture(grid(np.concatenate(rows)[:, ::2, ::2], columns=SHOWN), "latent_autoguidance_grid")


def _autoguidance(found):
    """The grid's values of the template."""
    head = ["guide", "weight", "over", "faces found"]
    head += [f"kernel x 1000, {name}" for name in found["floor"]]
    rows = [
        [
            (cell["guide"] or "none").removesuffix(".weights.h5"),
            f"{cell['weight']:g}",
            _interval(cell),
            f"{cell['faces']:.0%}",
            *(with_interval("kernel", cell["features"][n]["kernel"]) for n in found["floor"]),
        ]
        for cell in found["cells"]
    ]
    return {"table": table(head, rows), "samples": found["samples"], "steps": found["steps"]}


def _likeness(found):
    """The identity condition's values of the template."""
    head = ["embedding", "guidance", "picture drawn", "another view of the person"]
    head += ["drawn without a face", "other people", "nearest is the right person"]
    rows = [
        [
            name,
            scale,
            *(f"{values[key]:.2f}" for key in ("sample", "real", "nobody", "others")),
            f"{values['first']:.0%}",
        ]
        for scale, embeddings in found["guidance"].items()
        for name, values in embeddings.items()
    ]
    return {"table": table(head, rows), "people": found["people"], "steps": found["steps"]}


def draw_samples(models):
    """64 samples of the shipped model by the command that was timed, at half their size, and the
    first eight as they are."""
    command = read_results(PAGE)["samples"]["command"]
    with tempfile.TemporaryDirectory() as folder:
        run_command([*command, "--out", f"{folder}/samples.png", "--each", f"{folder}/each"], ROOT)
        pictures = np.stack([read_image(p) for p in sorted(Path(folder, "each").glob("*.png"))])
    save_picture(grid(pictures[:, ::2, ::2], columns=8), "latent_samples")
    save_picture(grid(pictures[:8], columns=4), "latent_samples_full")


def _samples(found):
    """The values of the samples' section."""
    return {**found, "command": shlex.join(found["command"])}


def _channels(found):
    """The table of autoencoders after equal time, with and without averages."""
    head = ["channels", "crops seen", "weights", "renders", "dlib cosine", "points off"]
    head.append("photographs")
    rows = [
        [
            run["latent_channels"],
            f"{run['crops']:,}",
            name,
            f"{run[key]['renders']['psnr']:.2f} dB",
            f"{run[key]['renders'].get('dlib_cosine_median', np.nan):.3f}",
            f"{run[key]['renders']['point_error_median']:.1f}%",
            " / ".join(f"{value:.1f} dB" for value in run[key]["photographs"].values()),
        ]
        for run in sorted(found["autoencoders"].values(), key=lambda r: r["latent_channels"])
        for key, name in (("last", "of the last step"), ("averaged", "averaged"))
    ]
    return {"table": table(head, rows), "minutes": found["minutes"]}


def _race_rows(race):
    """A line for each network, and one for it guided by itself."""
    names = list(race["floor"])
    for preset, run in race["runs"].items():
        last = run["rows"][-1]
        about = [preset, f"{run['parameters'] / 1e6:.1f} M", f"{last['pictures_seen']:,}"]
        yield [*about, *(with_interval("kernel", last["features"][n]["kernel"]) for n in names)]
        for weight, distances in run["autoguided"].items():
            cells = (with_interval("kernel", distances[n]["kernel"]) for n in names)
            yield [f"{preset}, autoguidance {weight}", "", "", *cells]
    cells = (with_interval("kernel", race["floor"][n]["kernel"]) for n in names)
    yield ["training renders", "", "", *cells]


def _step_rows(steps, compared):
    """A line for each network: pictures a second and operations a second."""
    for preset, report in steps.items():
        cells = [preset, f"{report['steps']['train']['facts']['ours']['parameters'] / 1e6:.1f} M"]
        for step in ("train", "sample"):
            found = report["steps"][step]
            pictures = report["settings"]["batch"] / found["median_seconds"]["ours"]
            rate = found["operations_per_second"] / 1e9
            cells += [f"{pictures:.0f}", f"{rate:.0f} ({found['share_of_peak']:.0%})"]
            if compared:
                cells.append(f"{found['ratio']:.2f}" if "ratio" in found else "")
        yield cells


def _steps(steps):
    compared = any("ratio" in s for r in steps.values() for s in r["steps"].values())
    head = ["network", "parameters"]
    for step in ("training", "sampling"):
        head += [f"{step}, pictures a second", "GFLOP/s (share of the peak)"]
        head += ["over diffusers"] * compared
    peaks = [s["facts"]["ours"]["peak"] for r in steps.values() for s in r["steps"].values()]
    return {
        "table": table(head, _step_rows(steps, compared)),
        "peak": f"{np.median(peaks) / 1e9:.0f}",
        "compared": compared,
    }


def _race(race):
    """The race's values of the template."""
    head = ["network", "parameters", "pictures seen"]
    head += [f"kernel x 1000, {name}" for name in race["floor"]]
    about = {name: race[name] for name in ("minutes", "samples", "steps", "cores_each")}
    return {
        "table": table(head, _race_rows(race)),
        "presets": " ".join(f"--preset {name}" for name in race["runs"]),
        **about,
    }


def _errors(networks):
    """A table of errors of denoising, each beside the first network's."""
    rows = [
        [name, f"{found['mean']:.4f}", *([f"{apart:+.4f} ± {half:.4f}"] if half else [""])]
        for name, found in networks.items()
        for apart, half in [found["over_first"]]
    ]
    return table(["network", "error of v", "less that of the first"], rows)


def _batches(race):
    """The values of the race of what is predicted, and of batches."""
    return {**_race(race), "errors": _errors(race["denoising"])}


def _rates(found):
    """The values of a section on errors of denoising."""
    return {"table": _errors(found["networks"]), "pictures": found["pictures"]}


def _kept(name, found):
    """A line of the table of autoencoders."""
    renders, speed, frames = found["renders"], found["speed"], found["frames"]
    return [
        name,
        f"{renders['psnr']:.1f} dB",
        f"{renders['dlib_cosine_median']:.3f}",
        f"{renders['point_error_median']:.1f}%",
        f"{frames['median']:.2f}" if frames["pictures"] else "",
        " / ".join(f"{value:.1f} dB" for value in found["photographs"].values()),
        f"{speed['decode']:.1f} s",
    ]


def context(results):
    """The template's values."""
    head = ["autoencoder", "renders", "dlib cosine", "points off", "frames", "photographs"]
    head.append("64 pictures decoded")
    found = results.get("latent", {})
    kept = table(head, [_kept(*each) for each in found.items()]) if found else None
    parts = {
        "race": _race,
        "heat": _race,
        "parts": _race,
        "batches": _batches,
        "rates": _rates,
        "cells": _rates,
        "features": _rates,
        "channels": _channels,
        "samples": _samples,
        "autoguidance": _autoguidance,
        "likeness": _likeness,
        "steps": _steps,
    }
    made = {name: name in results and make(results[name]) for name, make in parts.items()}
    return {"kept": kept, **made}


PAGE = Page(
    path="docs/latent.md",
    files={
        "latent": "latent.json",
        "race": "race_latent.json",
        "heat": "race_latent_muon.json",
        "parts": "race_latent_parts.json",
        "batches": "race_latent_x0.json",
        "rates": "denoising_rates.json",
        "cells": "denoising_cells.json",
        "features": "denoising_features.json",
        "steps": "step_latent.json",
        "channels": "latent_channels.json",
        "samples": "shell_portraits256.json",
        "autoguidance": "autoguidance.json",
        "likeness": "likeness.json",
    },
    context=context,
    pictures={
        "latent_kept": draw_kept,
        "latent_race": plot_race,
        "latent_race_samples": draw_race,
        "latent_heat": plot_heat,
        "latent_samples": draw_samples,
        "latent_autoguidance": plot_autoguidance,
        "latent_autoguidance_grid": draw_autoguidance,
    },
)
