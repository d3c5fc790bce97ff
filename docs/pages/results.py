"""docs/results.md: quality, speed to quality, samplers, speed of a step."""

from pathlib import Path

import numpy as np

from common.sheets import grid, save_png
from ddpm.core.samplers import SAMPLERS
from docs.drawing import draw_with
from docs.shared import PICTURES, Page, pyplot, read_results, save_figure, table

NAMES = {
    "frechet": "Fréchet",
    "kernel": "kernel x 1000",
    "precision": "precision",
    "recall": "recall",
}
FACTORS = {"frechet": 1, "kernel": 1000}
NEAR = 1.1  # a sampler's distance counts as the best one's within a tenth or its interval
OURS, THEIRS = "faces64", "classic64"
MEASURE = "shape and colour"
STEPS = (5, 10, 20, 50)  # columns of samplers.png


def with_interval(name, value):
    """A number and half of its interval, in the units of its kind."""
    if name not in FACTORS:
        return " ± ".join(f"{number:.3f}" for number in value)
    numbers = [FACTORS[name] * number for number in value]
    return " ± ".join(f"{n:,.0f}" if abs(n) >= 1000 else f"{n:.3g}" for n in numbers)


def share(value):
    """A share and half of its interval, in percent."""
    return f"{100 * value[0]:.1f}% ± {100 * value[1]:.1f}"


def goals(found):
    """What was aimed at and what was measured, each with its command."""
    rows = []
    quality, race, shell = (found.get(name) for name in ("quality", "race", "shell"))
    if quality:
        rows += [(*goal, "`benchmarks.quality`") for goal in quality_goals(quality)]
    if race:
        goal = f"`{OURS}` reaches what `{THEIRS}` ends with in a tenth of the time"
        measured = passed_words(*passing(race)) + ("; a caution below" if is_late(race) else "")
        rows.append((goal, measured, "`benchmarks.race`"))
    if shell:
        goal = "`sample.py --n 64` on two cores: under a minute"
        rows.append((goal, f"{shell['median']:.0f} s", "`benchmarks.shell`"))
    return table(["goal", "measured", "command"], rows)


def quality_goals(quality):
    """(goal, measured) of the shipped model."""
    model, floor = quality["models"][0], quality["floor"]
    ratios = ", ".join(
        f"{values['frechet'][0] / floor[name]['frechet'][0]:.2f} ({name})"
        for name, values in model["features"].items()
    )
    least = min(
        values["frechet"][0] / floor[name]["frechet"][0]
        for name, values in model["features"].items()
    )
    told = f"{ratios}{'' if least <= 2 else ': missed'}"
    near = ", ".join(
        f"{values['least']:.3g} and {quality['nearest_among_training'][space]['least']:.3g} "
        f"({space})"
        for space, values in model["nearest"].items()
    )
    faces = f"{share(model['faces'])} (renders: {share(quality['faces_held_out'])})"
    return (
        (f"Fréchet distance of {quality['samples']} samples, over the floor: at most 2", told),
        ("MediaPipe finds a face: at least 97%", faces),
        (
            "the nearest sample to a training picture no nearer than training pictures to each "
            "other",
            near,
        ),
    )


def quality_table(quality, samples="samples"):
    """Distances of the first model's samples beside the floor.

    Args:
        quality: a file of `benchmarks.quality`.
        samples: title of the samples' column.
    """
    model, rows = quality["models"][0], []
    for name, values in model["features"].items():
        for i, (measure, value) in enumerate(values.items()):
            floor = quality["floor"][name][measure]
            cells = (NAMES[measure], *(with_interval(measure, v) for v in (value, floor)))
            rows.append(["" if i else name, *cells])
    faces = (share(model["faces"]), f"{share(quality['faces_held_out'])} (held-out)")
    rows.append(["MediaPipe", "finds a face", *faces])
    return table(["features", "", samples, "training renders (floor)"], rows)


def nearest_table(quality):
    kinds = {
        "samples": quality["models"][0]["nearest"],
        "held-out renders": quality["nearest_of_held_out"],
        "training renders, to each other": quality["nearest_among_training"],
    }
    rows = [
        [kind, space, *(f"{number:.3g}" for number in values[space].values())]
        for space in ("pixels", "encoder")
        for kind, values in kinds.items()
    ]
    return table(["", "space", "nearest of all", "first percentile", "median"], rows)


def progress_table(progress):
    features = list(progress["floor"])

    def row(name, values, faces):
        cells = [with_interval("frechet", values[feature]["frechet"]) for feature in features]
        cells += [f"{values[MEASURE][part][0]:.2f}" for part in ("precision", "recall")]
        return [name, *cells, share(faces)]

    rows = [
        row(f"{Path(m['weights']).name} ({m['weights_sha256']})", m["features"], m["faces"])
        for m in progress["models"]
    ]
    rows.append(row("training renders", progress["floor"], progress["faces_held_out"]))
    titles = [f"Fréchet, {name}" for name in features]
    return table(["weights", *titles, "precision", "recall", "faces"], rows)


def curve(run, feature, measure="kernel"):
    """Seconds and distances of a run."""
    seconds = [row["seconds"] for row in run["rows"]]
    return np.array(seconds), np.array(
        [row["features"][feature][measure][0] for row in run["rows"]]
    )


def passing(race, feature=MEASURE):
    """When the one preset stays below what the other ends with.

    Returns:
        (seconds, whether that is an upper bound only, seconds of the whole); seconds is None if
        it never does.
    """
    seconds, distances = curve(race["runs"][OURS], feature)
    whole, ends = (values[-1] for values in curve(race["runs"][THEIRS], feature))
    above = np.flatnonzero(distances > ends)
    if not len(above):
        return seconds[0], True, whole
    last = above[-1]
    if last == len(seconds) - 1:
        return None, False, whole
    # Between two marks distances fall about evenly in the logarithm of time.
    (t0, t1), (d0, d1) = np.log(seconds[last : last + 2]), distances[last : last + 2]
    return float(np.exp(t0 + (t1 - t0) * (d0 - ends) / (d0 - d1))), False, whole


def passed_words(seconds, bound, whole):
    if seconds is None:
        return "not reached"
    return (
        f"in {'at most ' if bound else ''}{seconds:.0f} s of {whole:.0f}, 1/{whole / seconds:.0f}"
    )


def race_table(race):
    names = list(race["floor"])
    rows = []
    for preset, run in race["runs"].items():
        for row in run["rows"]:
            cells = [with_interval("kernel", row["features"][name]["kernel"]) for name in names]
            about = [preset, f"{row['seconds'] / 60:.1f}", f"{row['pictures_seen']:,}"]
            rows.append([*about, *cells, f"{row['faces']:.0%}"])
    floor = [with_interval("kernel", race["floor"][name]["kernel"]) for name in names]
    rows.append(["training renders", "", "", *floor, ""])
    titles = [f"kernel x 1000, {name}" for name in names]
    return table(["preset", "minutes", "pictures seen", *titles, "faces"], rows)


def is_late(race):
    """Whether the distance that the slower preset ends with is that of no faces."""
    return race["runs"][THEIRS]["rows"][-1]["faces"] < 0.5


def race_values(race):
    """The race's values of the template."""
    runs = {"ours": race["runs"][OURS], "theirs": race["runs"][THEIRS]}
    passed = {name: passed_words(*passing(race, name)) for name in race["floor"]}
    return {
        "table": race_table(race),
        "names": {"ours": OURS, "theirs": THEIRS},
        "millions": {side: f"{run['parameters'] / 1e6:.0f} M" for side, run in runs.items()},
        "passed": "; ".join(f"{name}: {words}" for name, words in passed.items()),
        "late": is_late(race),
        "last_seen": f"{runs['theirs']['rows'][-1]['pictures_seen']:,}",
        "last_faces": f"{runs['theirs']['rows'][-1]['faces']:.0%}",
    }


def sampling_table(sampling):
    counts = sorted({row["nfe"] for row in sampling["rows"]})
    found = {(row["sampler"], row["spacing"], row["nfe"]): row for row in sampling["rows"]}
    pairs = dict.fromkeys((row["sampler"], row["spacing"]) for row in sampling["rows"])
    rows = [
        [*pair, *(f"{1000 * found[*pair, count][MEASURE][0]:.1f}" for count in counts)]
        for pair in pairs
    ]
    return table(["sampler", "spacing", *(f"NFE {count}" for count in counts)], rows)


def cheapest(sampling):
    """The row with the fewest evaluations that is as good as the best one, in both kinds of
    features."""
    kinds = [name for name in sampling["floor"] if name in sampling["rows"][0]]

    def good(row):
        best = [min(other[k][0] for other in sampling["rows"]) for k in kinds]
        pairs = zip(kinds, best, strict=True)
        return all(row[k][0] <= max(NEAR * b, b + row[k][1]) for k, b in pairs)

    chosen = [row for row in sampling["rows"] if good(row)]
    fewest = min(row["nfe"] for row in chosen)
    return min((row for row in chosen if row["nfe"] == fewest), key=lambda row: row[MEASURE][0])


def sampling_values(sampling):
    """The samplers' values of the template."""
    interval = np.median([row[MEASURE][1] for row in sampling["rows"]])
    return {
        "table": sampling_table(sampling),
        "cheapest": cheapest(sampling),
        "interval": f"±{1000 * interval:.1f}",
        "floor": f"{1000 * sampling['floor'][MEASURE]:.1f}",
    }


def step_table(step):
    rows = []
    for name, result in step["steps"].items():
        seconds, (low, high) = result["median_seconds"], result["ratio_quartiles"]
        ratio = f"{result['ratio']:.2f} ({low:.2f}-{high:.2f})"
        rows.append([name, f"{seconds['ours']:.3f} s", f"{seconds['diffusers']:.3f} s", ratio])
    return table(["step", "ours", "diffusers", "ratio (quartiles)"], rows)


def quality_command(result, weights, out=None):
    """The command that wrote a file of `benchmarks.quality`."""
    words = [*(f"--weights {path}" for path in weights), "--train data/faces160"]
    words += ["--held-out data/heldout", f"--n {result['samples']}", f"--steps {result['steps']}"]
    words += [f"--sampler {result['sampler']}", f"--spacing {result['spacing']}"]
    words += [f"--out {out}"] if out else []
    return " ".join(["python -m benchmarks.quality", *words])


def quality_values(quality):
    return {
        "table": quality_table(quality),
        "nearest": nearest_table(quality),
        "command": quality_command(quality, [quality["models"][0]["weights"]]),
    }


def progress_values(progress):
    paths = [Path(model["weights"]) for model in progress["models"]]
    named = [p if p.parts[0] == "weights" else Path("runs") / p.name for p in paths]
    out = "benchmarks/results/quality_progress.json"
    return {
        "table": progress_table(progress),
        "command": quality_command(progress, named, out),
    }


def context(found):
    """The template's values; of a file that does not exist, None."""
    makers = {
        "quality": quality_values,
        "progress": progress_values,
        "race": race_values,
        "sampling": sampling_values,
    }
    values = {name: found.get(name) for name in FILES}
    for name, make in makers.items():
        if found.get(name):
            values[name] = found[name] | {"page": make(found[name])}
    return values | {"goals": goals(found), "step_table": step_table(found["step"])}


# --- pictures


def plot_race(models):
    """Distance against minutes of the race over pixels."""
    plot_distances(read_results(PAGE)["race"], "results_race")


def plot_distances(race, picture):
    """Distance against minutes, a panel a kind of features.

    Args:
        race: what `benchmarks.race` wrote.
        picture: name of the figure.
    """
    names = list(race["floor"])
    figure, axes = pyplot().subplots(
        1, len(names), figsize=(4 * len(names), 3.4), layout="constrained"
    )
    for axis, name in zip(axes, names, strict=True):
        for preset, run in race["runs"].items():
            seconds, distances = curve(run, name)
            axis.plot(seconds / 60, distances, "o-", label=preset, markersize=4)
        # The floor itself is 0 but for chance, which a logarithmic axis has no place for.
        highest = sum(race["floor"][name]["kernel"])
        axis.axhline(highest, color="grey", linestyle=":", label="training renders, at most")
        axis.set(xscale="log", yscale="log", title=name, xlabel="minutes")
        marks = sorted(seconds / 60)[:: -1 - (len(seconds) > 4)]
        axis.set_xticks(marks, [f"{minutes:.2g}" for minutes in marks])
        axis.minorticks_off()
    axes[0].set_ylabel("kernel distance to held-out renders")
    axes[0].legend()
    save_figure(figure, picture)


def plot_samplers(models):
    """Distance against NFE, a panel a spacing and kind of features."""
    sampling = read_results(PAGE)["sampling"]
    spacings = list(dict.fromkeys(row["spacing"] for row in sampling["rows"]))
    kinds = list(sampling["floor"])
    figure, axes = pyplot().subplots(
        len(kinds), len(spacings), figsize=(3.6 * len(spacings), 3 * len(kinds)), sharex=True,
        sharey="row", layout="constrained", squeeze=False,
    )  # fmt: skip
    for line, kind in zip(axes, kinds, strict=True):
        for axis, spacing in zip(line, spacings, strict=True):
            rows = [row for row in sampling["rows"] if row["spacing"] == spacing]
            for sampler in dict.fromkeys(row["sampler"] for row in rows):
                points = [(r["nfe"], r[kind][0]) for r in rows if r["sampler"] == sampler]
                # Euler's dots lie on DDIM's line: they are the same method.
                line_of = "o:" if sampler == "euler" else "o-"
                axis.plot(*zip(*points, strict=True), line_of, label=sampler, markersize=4)
            axis.set(xscale="log", yscale="log", title=f"{kind}, {spacing}")
            axis.set_xticks(sorted({row["nfe"] for row in rows}), minor=False)
            axis.get_xaxis().set_major_formatter("{x:.0f}")
            axis.minorticks_off()
        line[0].set_ylabel("kernel distance")
    for axis in axes[-1]:
        axis.set_xlabel("NFE")
    axes[0, 0].legend()
    save_figure(figure, "results_samplers")


def draw_samplers(models):
    """A row a sampler, four columns of two pictures each: 5, 10, 20 and 50 steps."""
    drawn = [draw_with(models, 2, steps, sampler) for sampler in SAMPLERS for steps in STEPS]
    images, recipe = np.concatenate([images for images, _ in drawn]), drawn[0][1]
    save_png(grid(images, columns=8, zoom=2), PICTURES / "samplers.png", recipe)


FILES = {
    "quality": "quality_portraits64.json",
    "progress": "quality_progress.json",
    "race": "race.json",
    "sampling": "sampling.json",
    "step": "step_cpu.json",
    "shell": "shell.json",
}
PAGE = Page(
    "docs/results.md",
    FILES,
    context,
    {"results_race": plot_race, "results_samplers": plot_samplers, "samplers": draw_samplers},
)
