"""docs/conditioning.md: prompts, size and crop, control; what is drawn, and what was measured.

Samples are drawn by commands that the page shows. The photograph is NASA's of Eileen Collins (from
scikit-image), in the public domain.
"""

import shlex
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import photographs
from common.images import read_image, write_image
from common.sheets import labelled_grid, save_png
from docs.shared import PICTURES, ROOT, Page, percent, pyplot, read_results, run, save_figure, table

KINDS = ("canny", "colour", "tile", "points")
OTHER_WEIGHTS = ("crops", "cost")  # parts that do not measure the shipped weights
SENTENCE = "a smiling woman with long straight black hair and glasses"


# --- pictures


def sample(words, folder, options):
    """The single pictures of a sample.py command: uint8 (N, H, W, 3)."""
    each = folder / "each"
    for old in each.glob("*.png"):
        old.unlink()
    run(["sample.py", *shlex.split(words), *options, "--each", "each"], folder)
    return np.stack([read_image(path) for path in sorted(each.glob("*.png"))])


def draw_prompts(models):
    """A labelled grid of the prompts in docs/prompts.txt."""
    prompts, out = ROOT / "docs" / "prompts.txt", PICTURES / "conditioning_prompts.png"
    words = ["--prompts", str(prompts), "--n", "6", "--zoom", "2", "--out", str(out)]
    run(["sample.py", *words, *models.options()], ROOT)


def draw_guidance(models):
    """The same noise with more and more guidance."""
    scales = ("1", "2", "4", "8", "8 --guidance-rescale 0.7", "8 --guidance-interval 0.2,0.8")
    rows = {f"--guidance {s}": f'--n 6 --prompt "{SENTENCE}" --guidance {s}' for s in scales}
    with tempfile.TemporaryDirectory() as folder:
        _draw_rows(rows, Path(folder), models.options(), "guidance")


def draw_size_crop(models):
    """Crops around the middle, and original sizes from small to large."""
    words = [f"--target-size 80,80 --crop {crop}" for crop in ("8,8", "0,8", "16,8", "8,0", "8,16")]
    words += [f"--original-size {side},{side}" for side in (16, 32, 64, 128)]
    rows = {w: f"--n 6 --seed 1 {w}" for w in words}
    with tempfile.TemporaryDirectory() as folder:
        _draw_rows(rows, Path(folder), models.options(), "size_crop")


def draw_control(models):
    """Each kind of control by strength: photograph, control image, four samples; then several
    together."""
    options = models.options(control=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photograph = photographs()["astronaut"][0:280, 90:370]
        write_image(photograph, folder / "photo.png")
        run(
            ["-m", "facekit", "control", "photo.png", "--out", "hints", "--size", "64", "--whole"],
            folder,
        )
        small = Image.fromarray(photograph).resize((64, 64), Image.Resampling.LANCZOS)
        for kind in KINDS:
            hint = read_image(folder / "hints" / f"photo_{kind}.png")
            rows = {
                f"{kind}, strength {s}": f"--n 4 --seed 2 --control {_hint(kind)}:{s}"
                for s in (0, 0.5, 1)
            }
            shown = np.stack([np.asarray(small), hint])
            _draw_rows(rows, folder, options, f"control_{kind}", shown)
        edges, colours, points = map(_hint, ("canny", "colour", "points"))
        old = "an elderly man with a full beard"
        rows = {
            "edges and colours": f"--control {edges} --control {colours}",
            "points and colours": f"--control {points} --control {colours}:0.7",
            f"points, and “{SENTENCE}”": f'--control {points} --prompt "{SENTENCE}"',
            f"edges until half of the way, and “{old}”": (
                f'--control {edges}:0.8:0-0.5 --prompt "{old}"'
            ),
        }
        rows = {label: f"--n 6 --seed 2 {words}" for label, words in rows.items()}
        _draw_rows(rows, folder, options, "together")


def _hint(kind):
    """A control image as --control names it."""
    return f"{kind}=hints/photo_{kind}.png"


def _draw_rows(commands, folder, options, name, first=None):
    """A labelled grid, a row a command: {label: words}; `first` is shown before each row."""
    rows = [sample(words, folder, options) for words in commands.values()]
    if first is not None:
        rows = [np.concatenate([first, row]) for row in rows]
    sheet = labelled_grid(np.stack(rows), list(commands), zoom=2)
    save_png(sheet, PICTURES / f"conditioning_{name}.png")


def plot_strength(models):
    """Agreement with the control images against their strength."""
    found = read_results(PAGE)["conditioning"]["control"]
    panels = (
        ("canny", "f1_256_within_2", "edges: F1 within 2 px at 256 px"),
        ("colour", "lab", "colour: mean LAB difference"),
        ("points", "mesh", "points: distance / eye distance"),
    )
    figure, axes = pyplot().subplots(1, 3, figsize=(9, 2.8))
    for axis, (kind, measure, title) in zip(axes, panels, strict=True):
        strengths = strengths_of(found)
        axis.plot(list(map(float, strengths)), [found[kind][s][measure] for s in strengths], "o-")
        axis.set(title=title, xlabel="strength", ylim=(0, None))
        axis.title.set_fontsize(9)
    figure.tight_layout()
    save_figure(figure, "conditioning_strength", dpi=90)


def plot_words(models):
    """Accuracy by attribute: of renders, of prompted samples, and by chance."""
    found = read_results(PAGE)["conditioning"]["words"]
    names = list(found["chance"])
    figure, axis = pyplot().subplots(figsize=(8, 2.8))
    at = np.arange(len(names))
    axis.bar(at - 0.2, [found["renders"][k] for k in names], 0.4, label="fresh renders")
    axis.bar(at + 0.2, [found["prompted"][k] for k in names], 0.4, label="prompted samples")
    axis.plot(at, [found["chance"][k] for k in names], "k_", label="chance")
    axis.set_xticks(at, names, fontsize=8)
    axis.legend(fontsize=8, loc="lower left")
    axis.set_ylabel("accuracy")
    figure.tight_layout()
    save_figure(figure, "conditioning_words", dpi=90)


# --- tables


def words_table(found):
    rows = [
        [
            name,
            round(1 / chance),
            *(percent(found[key][name]) for key in ("renders", "prompted")),
            f"{found['ratio'][name]:.2f}",
        ]
        for name, chance in found["chance"].items()
    ]
    return table(["attribute", "values", "fresh renders", "prompted", "ratio"], rows)


def unseen_table(found):
    rows = []
    for pair in found:
        each = ", ".join(f"{name} {share:.0%}" for name, share in pair["each"].items())
        rows.append([pair["prompt"], each, f"{pair['both']:.0%}"])
    return table(["prompt", "each alone", "both"], rows)


def crop_table(found):
    rows = [
        [
            *(", ".join(f"{v:.1f}" for v in m[name]) for name in ("requested", "measured")),
            m["faces"],
        ]
        for m in found["moved"]
    ]
    return table(["requested: right, down (px)", "measured", "faces"], rows)


def sharpness_table(found):
    sharp = found["sharpness"]
    return table(["original size", *sharp], [["sharpness", *(f"{v:.0f}" for v in sharp.values())]])


CONTROL_MEASURES = (
    ("canny", "f1_256_within_2", "edges: F1 within 2 px, at 256 px"),
    ("canny", "f1_within_0", "edges: F1, same pixel, at 64 px"),
    ("canny", "f1_within_2", "edges: F1 within 2 px, at 64 px"),
    ("colour", "lab", "colour: mean LAB difference, 8 x 8 cells"),
    ("tile", "lab", "tile: mean LAB difference, 16 x 16 cells"),
    ("points", "mesh", "points: mesh distance / eye distance"),
    ("points", "no_face", "points: no face found"),
    ("canny 1 and colour", "lab", "edges at 1, colour by strength: LAB difference"),
    ("canny 1 and colour", "f1_within_0", "edges at 1, colour by strength: F1, same pixel"),
)


def strengths_of(found):
    """The strengths that were measured: list of str."""
    return list(found["colour"])


def control_table(found, strengths=None, measures=CONTROL_MEASURES, chance=True):
    """Agreement with the control images.

    Args:
        found: the part "control" of conditioning.json.
        strengths: columns; all when None.
        measures: rows.
        chance: add the column of another person's picture.
    """
    strengths = strengths or strengths_of(found)
    rows = []
    for kind, key, title in measures:
        cells = [f"{found[kind][s][key]:.3g}" for s in strengths]
        other = found[kind].get("random picture", {}).get(key)
        cells += ["" if other is None else f"{other:.3g}"] if chance else []
        rows.append([title, *cells])
    head = ["measure", *(f"strength {s}" for s in strengths)]
    return table(head + ["another picture"] * chance, rows)


def crops_table(found):
    arms = ("whole pictures", "random crops, not conditioned", "random crops, conditioned",
            "renders against renders")  # fmt: skip
    return table(["training", "Fréchet distance"], [[arm, f"{found[arm]:.1f}"] for arm in arms])


def cost_table(found):
    rows = []
    for step in ("training", "sampling"):
        for name, side in found[step].items():
            low, high = side["quartiles"]
            rows.append([step, name, f"{side['ratio']:.2f} ({low:.2f}-{high:.2f})"])
    return table(["step", "with", "ratio (quartiles)"], rows)


def context(results):
    """The page's tables.

    Raises:
        ValueError: the parts that measure the shipped weights were not all measured with the same.
    """
    found = results["conditioning"]
    made = {part: about for part, about in found["made"].items() if part not in OTHER_WEIGHTS}
    if len({about["weights_sha256"] for about in made.values()}) > 1:
        raise ValueError(
            "the results are of several weights; run all parts of the benchmark again."
        )
    return {
        "words": words_table(found["words"]),
        "unseen": unseen_table(found["unseen"]),
        "crop": crop_table(found["size_crop"]),
        "sharpness": sharpness_table(found["size_crop"]),
        "control": control_table(found["control"]),
        "crops": crops_table(found["crops"]),
        "cost": cost_table(found["cost"]),
    }


PAGE = Page(
    "docs/conditioning.md",
    {"conditioning": "conditioning.json"},
    context,
    {
        "conditioning_prompts": draw_prompts,
        "conditioning_guidance": draw_guidance,
        "conditioning_size_crop": draw_size_crop,
        "conditioning_control": draw_control,
        "conditioning_strength": plot_strength,
        "conditioning_words": plot_words,
    },
)
