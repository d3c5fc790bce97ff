"""Write docs/results.md and its figures from the files in benchmarks/results/.

python -m benchmarks.report
"""

import json
from pathlib import Path

import click
import jinja2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results.md"
PICTURES = ROOT / "docs" / "pictures"
TEMPLATE = Path(__file__).with_name("results.md.jinja")
FILES = {
    "quality": "quality_portraits64.json",
    "progress": "quality_progress.json",
    "race": "race.json",
    "sampling": "sampling.json",
    "step": "step_cpu.json",
    "shell": "shell.json",
}
NAMES = {"frechet": "Fréchet", "kernel": "kernel x 1000", "precision": "precision"}
NAMES |= {"recall": "recall"}
TIMES = {"frechet": 1, "kernel": 1000}
NEAR = 1.1  # a sampler's distance counts as the best one's within a tenth or its interval
OURS, THEIRS = "faces64", "classic64"
MEASURE = "shape and colour"


def table(rows):
    """Lines of a Markdown table; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def shown(name, value):
    """A number with half of its interval, in the units of its kind."""
    if name not in TIMES:
        return " ± ".join(f"{number:.3f}" for number in value)
    numbers = [TIMES[name] * number for number in value]
    return " ± ".join(f"{n:,.0f}" if abs(n) >= 1000 else f"{n:.3g}" for n in numbers)


def percent(value):
    return f"{100 * value[0]:.1f}% ± {100 * value[1]:.1f}"


def goals(found):
    """What was aimed at and what was measured, each with its command."""
    rows = [["goal", "measured", "command"]]
    quality = found.get("quality")
    if quality:
        model = quality["models"][0]
        ratios = ", ".join(
            f"{values['frechet'][0] / quality['floor'][name]['frechet'][0]:.2f} ({name})"
            for name, values in model["features"].items()
        )
        command = "`benchmarks.quality`"
        rows.append(
            [f"Fréchet distance of {quality['samples']} samples, over the floor: at most 2", ratios,
             command],
        )  # fmt: skip
        rows.append(
            ["MediaPipe finds a face: at least 97%",
             f"{percent(model['faces'])} (renders: {percent(quality['faces_held_out'])})", command],
        )  # fmt: skip
        near = ", ".join(
            f"{values['least']:.3g} and {quality['nearest_among_training'][space]['least']:.3g} "
            f"({space})"
            for space, values in model["nearest"].items()
        )
        rows.append(
            ["the nearest sample to a training picture no nearer than training pictures to each "
             "other", near, command],
        )  # fmt: skip
    race = found.get("race")
    if race:
        rows.append(
            [f"`{OURS}` reaches what `{THEIRS}` ends with in a tenth of the time",
             passed_words(*passing(race)) + ("; a caution below" if late(race) else ""),
             "`benchmarks.race`"],
        )  # fmt: skip
    shell = found.get("shell")
    if shell:
        rows.append(
            ["`sample.py --n 64` on two cores: under a minute", f"{shell['median']:.0f} s",
             "`benchmarks.shell`"],
        )  # fmt: skip
    return table(rows)


def quality_rows(quality):
    model = quality["models"][0]
    rows = [["features", "", "samples", "training renders (floor)"]]
    for name, values in model["features"].items():
        for i, (measure, value) in enumerate(values.items()):
            floor = quality["floor"][name][measure]
            cells = (NAMES[measure], shown(measure, value), shown(measure, floor))
            rows.append(["" if i else name, *cells])
    faces = (percent(model["faces"]), f"{percent(quality['faces_held_out'])} (held-out)")
    return [*rows, ["MediaPipe", "finds a face", *faces]]


def nearest_rows(quality):
    kinds = {
        "samples": quality["models"][0]["nearest"],
        "held-out renders": quality["nearest_of_held_out"],
        "training renders, to each other": quality["nearest_among_training"],
    }
    rows = [["", "space", "nearest of all", "first percentile", "median"]]
    for space in ("pixels", "encoder"):
        for kind, values in kinds.items():
            rows.append([kind, space, *(f"{number:.3g}" for number in values[space].values())])
    return rows


def progress_rows(progress):
    features = list(progress["floor"])
    rows = [["weights", *(f"Fréchet, {name}" for name in features), "precision", "recall", "faces"]]

    def row(name, values, faces):
        cells = [shown("frechet", values[feature]["frechet"]) for feature in features]
        cells += [f"{values[MEASURE][part][0]:.2f}" for part in ("precision", "recall")]
        return [name, *cells, percent(faces)]

    for model in progress["models"]:
        name = f"{Path(model['weights']).name} ({model['weights_sha256']})"
        rows.append(row(name, model["features"], model["faces"]))
    return [*rows, row("training renders", progress["floor"], progress["faces_held_out"])]


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


def race_rows(race):
    names = list(race["runs"][OURS]["rows"][0]["features"])
    rows = [
        ["preset", "minutes", "pictures seen", *(f"kernel x 1000, {n}" for n in names), "faces"]
    ]
    for preset, run in race["runs"].items():
        for row in run["rows"]:
            cells = [shown("kernel", row["features"][name]["kernel"]) for name in names]
            minutes = f"{row['seconds'] / 60:.1f}"
            rows.append([preset, minutes, f"{row['seen']:,}", *cells, f"{row['faces']:.0%}"])
    floor = [shown("kernel", race["floor"][name]["kernel"]) for name in names]
    return [*rows, ["training renders", "", "", *floor, ""]]


def late(race):
    """Whether the distance that the slower preset ends with is that of no faces."""
    return race["runs"][THEIRS]["rows"][-1]["faces"] < 0.5


def race_words(race):
    lines = []
    for name in race["runs"][OURS]["rows"][0]["features"]:
        words = passed_words(*passing(race, name))
        lines.append(f"{name}: {words}")
    sizes = {name: f"{run['parameters'] / 1e6:.0f} M" for name, run in race["runs"].items()}
    last = race["runs"][THEIRS]["rows"][-1]
    if late(race):
        lines[-1] += (
            f". A caution: in this time `{THEIRS}` saw {last['seen']:,} pictures, and a face is "
            f"found in {last['faces']:.0%} of what it draws; the race says how late it starts on "
            "such a machine, not how the two compare once both have learned"
        )
    return (
        f"To the kernel distance that `{THEIRS}` ({sizes[THEIRS]} parameters) ends with, `{OURS}` "
        f"({sizes[OURS]}) takes, by features: " + "; ".join(lines) + "."
    )


def draw_race(race):
    """Distance against minutes, a panel a kind of features."""
    plt = _pyplot()
    names = list(race["floor"])
    figure, axes = plt.subplots(1, len(names), figsize=(4 * len(names), 3.4), layout="constrained")
    for axis, name in zip(axes, names, strict=True):
        for preset, run in race["runs"].items():
            seconds, distances = curve(run, name)
            axis.plot(seconds / 60, distances, "o-", label=preset, markersize=4)
        # The floor itself is 0 but for chance, which a logarithmic axis has no place for.
        highest = sum(race["floor"][name]["kernel"])
        axis.axhline(highest, color="grey", linestyle=":", label="training renders, at most")
        axis.set(xscale="log", yscale="log", title=name, xlabel="minutes")
    axes[0].set_ylabel("kernel distance to held-out renders")
    axes[0].legend()
    _save(figure, "results_race.png")


def sampling_rows(sampling):
    looks = sorted({row["looks"] for row in sampling["rows"]})
    rows = [["sampler", "spacing", *(f"{count} looks" for count in looks)]]
    found = {(row["sampler"], row["spacing"], row["looks"]): row for row in sampling["rows"]}
    for sampler, spacing in dict.fromkeys((r["sampler"], r["spacing"]) for r in sampling["rows"]):
        cells = [f"{1000 * found[sampler, spacing, count][MEASURE][0]:.1f}" for count in looks]
        rows.append([sampler, spacing, *cells])
    return rows


def cheapest(sampling):
    """The row with the fewest looks that is as good as the best one, in both kinds of features."""
    kinds = [name for name in sampling["floor"] if name in sampling["rows"][0]]

    def good(row):
        best = [min(other[k][0] for other in sampling["rows"]) for k in kinds]
        pairs = zip(kinds, best, strict=True)
        return all(row[k][0] <= max(NEAR * b, b + row[k][1]) for k, b in pairs)

    chosen = [row for row in sampling["rows"] if good(row)]
    fewest = min(row["looks"] for row in chosen)
    return min((row for row in chosen if row["looks"] == fewest), key=lambda row: row[MEASURE][0])


def sampling_words(sampling):
    row = cheapest(sampling)
    return (
        f"The fewest looks with which a sampler's distances are the best ones' (within a tenth or "
        f"their interval) are {row['looks']}, by {row['sampler']} with {row['spacing']} spacing: "
        "the default of `sample.py`."
    )


def draw_sampling(sampling):
    """Distance against looks, a panel a spacing and kind of features."""
    plt = _pyplot()
    spacings = list(dict.fromkeys(row["spacing"] for row in sampling["rows"]))
    kinds = list(sampling["floor"])
    figure, axes = plt.subplots(
        len(kinds), len(spacings), figsize=(3.6 * len(spacings), 3 * len(kinds)), sharex=True,
        sharey="row", layout="constrained", squeeze=False,
    )  # fmt: skip
    for line, kind in zip(axes, kinds, strict=True):
        for axis, spacing in zip(line, spacings, strict=True):
            rows = [row for row in sampling["rows"] if row["spacing"] == spacing]
            for sampler in dict.fromkeys(row["sampler"] for row in rows):
                points = [(r["looks"], r[kind][0]) for r in rows if r["sampler"] == sampler]
                # Euler's dots lie on DDIM's line: they are the same method.
                line_of = "o:" if sampler == "euler" else "o-"
                axis.plot(*zip(*points, strict=True), line_of, label=sampler, markersize=4)
            axis.set(xscale="log", yscale="log", title=f"{kind}, {spacing}")
            axis.set_xticks(sorted({row["looks"] for row in rows}), minor=False)
            axis.get_xaxis().set_major_formatter("{x:.0f}")
            axis.minorticks_off()
        line[0].set_ylabel("kernel distance")
    for axis in axes[-1]:
        axis.set_xlabel("looks of the network")
    axes[0, 0].legend()
    _save(figure, "results_samplers.png")


def step_rows(step):
    rows = [["step", "ours", "diffusers", "ratio (quartiles)"]]
    for name, result in step["steps"].items():
        seconds, (low, high) = result["median_seconds"], result["ratio_quartiles"]
        ratio = f"{result['ratio']:.2f} ({low:.2f}-{high:.2f})"
        rows.append([name, f"{seconds['ours']:.3f} s", f"{seconds['diffusers']:.3f} s", ratio])
    return rows


def command(result, weights, out):
    """The command that wrote a file of `benchmarks.quality`."""
    words = [*(f"--weights {path}" for path in weights), "--train data/faces160"]
    words += ["--held-out data/heldout", f"--n {result['samples']}", f"--steps {result['steps']}"]
    words += [f"--sampler {result['sampler']}", f"--spacing {result['spacing']}"]
    return " ".join(["python -m benchmarks.quality", *words, *out])


def page(found):
    """The page of what was found: dict by the names of `FILES` -> Markdown."""
    values = dict(found, goals=goals(found), step_table=table(step_rows(found["step"])))
    if "quality" in found:
        quality = found["quality"]
        values["quality_table"] = table(quality_rows(quality))
        values["nearest_table"] = table(nearest_rows(quality))
        values["quality_command"] = command(quality, [quality["models"][0]["weights"]], [])
    if "progress" in found:
        progress = found["progress"]
        values["progress_table"] = table(progress_rows(progress))
        paths = [Path(model["weights"]) for model in progress["models"]]
        shipped = [p if p.parts[0] == "weights" else Path("runs") / p.name for p in paths]
        out = ["--out benchmarks/results/quality_progress.json"]
        values["progress_command"] = command(progress, shipped, out)
    if "race" in found:
        values |= {"race_table": table(race_rows(found["race"]))}
        values |= {"race_words": race_words(found["race"])}
    if "sampling" in found:
        sampling = found["sampling"]
        spread = np.median([row[MEASURE][1] for row in sampling["rows"]])
        values["sampling_table"] = table(sampling_rows(sampling))
        values["sampling_words"] = sampling_words(sampling)
        values["sampling_interval"] = f"±{1000 * spread:.1f}"
        values["sampling_floor"] = f"{1000 * sampling['floor'][MEASURE]:.1f} in the table's units"
    template = jinja2.Template(TEMPLATE.read_text(), undefined=jinja2.StrictUndefined,
                               keep_trailing_newline=True)  # fmt: skip
    return template.render({name: None for name in FILES} | values)


def _pyplot():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _save(figure, name):
    figure.savefig(PICTURES / name, dpi=110)


@click.command()
@click.option("--out", type=Path, default=PAGE, show_default=True)
def main(out):
    """Write the page of results."""
    found = {
        name: json.loads((RESULTS / file).read_text())
        for name, file in FILES.items()
        if (RESULTS / file).exists()
    }
    if "race" in found:
        draw_race(found["race"])
    if "sampling" in found:
        draw_sampling(found["sampling"])
    out.write_text(page(found))
    click.echo(f"{out} says what {', '.join(FILES[name] for name in found)} hold.")


if __name__ == "__main__":
    main()
