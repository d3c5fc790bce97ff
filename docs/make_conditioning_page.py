"""Make the page of words, framing and control: `python -m docs.make_conditioning_page`.

It runs the commands that docs/conditioning.md shows, draws docs/pictures/conditioning_*.png from
what they leave, and writes the tables between the page's markers from
benchmarks/results/conditioning.json. What is not between markers is written by hand.

The photograph is NASA's of Eileen Collins (from scikit-image), in the public domain.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.attributes import VALUES
from benchmarks.conditioning import STRENGTHS
from ddpm.hints import KINDS
from ddpm.pictures import labelled, save_png
from docs.make_faces_card import fill, table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conditioning.md"
PICTURES = ROOT / "docs" / "pictures"
RESULTS = ROOT / "benchmarks" / "results" / "conditioning.json"
OF_THEMSELVES = ("crops", "cost")  # small models of their own; seconds, which no weights change
SENTENCE = "a smiling woman with long straight black hair and glasses"


def run(words, folder):
    """Run a command of the page; results go into a folder of their own."""
    print("$ python", words, flush=True)
    arguments = [str(ROOT / word) if word == "sample.py" else word for word in shlex.split(words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True)


def sample(words, folder, weights):
    """Run sample.py and return its single pictures."""
    each = folder / "each"
    for old in each.glob("*.png") if each.exists() else ():
        old.unlink()
    run(f"sample.py {words} {weights} --each each", folder)
    return np.stack([np.asarray(Image.open(path)) for path in sorted(each.glob("*.png"))])


def prompts(folder, weights):
    """A labelled grid of the prompts in docs/prompts.txt."""
    out = PICTURES / "conditioning_prompts.png"
    run(
        f"sample.py --prompts {ROOT / 'docs' / 'prompts.txt'} --n 6 --zoom 2 --out {out} {weights}",
        folder,
    )


def guidance(folder, weights):
    """The same noise with more and more guidance."""
    rows, labels = [], []
    for words in ("1", "2", "4", "8", "8 --guidance-rescale 0.7", "8 --guidance-interval 0.2,0.8"):
        rows.append(sample(f'--n 6 --prompt "{SENTENCE}" --guidance {words}', folder, weights))
        labels.append(f"--guidance {words}")
    _save(rows, labels, "guidance")


def framing(folder, weights):
    """Crops around the middle, and originals from small to large."""
    rows, labels = [], []
    for crop in ("8,8", "0,8", "16,8", "8,0", "8,16"):
        words = f"--target-size 80,80 --crop {crop}"
        rows.append(sample(f"--n 6 --seed 1 {words}", folder, weights))
        labels.append(words)
    for side in (16, 32, 64, 128):
        words = f"--original-size {side},{side}"
        rows.append(sample(f"--n 6 --seed 1 {words}", folder, weights))
        labels.append(words)
    _save(rows, labels, "framing")


def control(folder, weights):
    """Each kind of hint by strength, for a photograph: source, hint, four samples each."""
    from skimage import data

    photograph = Image.fromarray(data.astronaut()[0:280, 90:370])
    photograph.save(folder / "photo.png")
    run("-m facekit control photo.png --out hints --size 64", folder)
    source = np.asarray(photograph.resize((64, 64), Image.Resampling.LANCZOS))
    for kind in KINDS:
        rows, labels = [], []
        hint = np.asarray(Image.open(folder / "hints" / f"photo_{kind}.png").convert("RGB"))
        for strength in (0, 0.5, 1):
            words = f"--control {kind}=hints/photo_{kind}.png:{strength}"
            drawn = sample(f"--n 4 --seed 2 {words}", folder, weights)
            rows.append(np.stack([source, hint, *drawn]))
            labels.append(f"{kind}, strength {strength}")
        _save(rows, labels, f"control_{kind}")
    rows, labels = [], []
    edges, colours = (
        "--control canny=hints/photo_canny.png",
        "--control colour=hints/photo_colour.png",
    )
    points = "--control points=hints/photo_points.png"
    for label, words in {
        "edges and colours": f"{edges} {colours}",
        "points and colours": f"{points} {colours}:0.7",
        f"points, and “{SENTENCE}”": f'{points} --prompt "{SENTENCE}"',
        "edges until half of the way, and “an elderly man with a full beard”": (
            f'{edges}:0.8:0-0.5 --prompt "an elderly man with a full beard"'
        ),
    }.items():
        rows.append(sample(f"--n 6 --seed 2 {words}", folder, weights))
        labels.append(label)
    _save(rows, labels, "together")


def _save(rows, labels, name):
    save_png(labelled(np.stack(rows), labels, zoom=2), PICTURES / f"conditioning_{name}.png")


# --- tables


def words_rows(result):
    rows = [["attribute", "values", "fresh renders", "prompted", "ratio"]]
    for name, values in VALUES.items():
        cells = [f"{result[key][name]:.1%}" for key in ("renders", "prompted")]
        rows.append([name, str(len(values)), *cells, f"{result['ratio'][name]:.2f}"])
    return rows


def unseen_rows(result):
    rows = [["prompt", "each alone", "both"]]
    for found in result:
        each = ", ".join(f"{k} {v:.0%}" for k, v in found["each"].items())
        rows.append([found["prompt"], each, f"{found['both']:.0%}"])
    return rows


def moved_rows(result):
    rows = [["told: right, down (px)", "seen", "faces measured"]]
    for found in result["moved"]:
        told, seen = (", ".join(f"{v:.1f}" for v in found[name]) for name in ("told", "seen"))
        rows.append([told, seen, str(found["faces"])])
    return rows


def sharp_rows(result):
    sharp = result["sharpness"]
    return [["original size", *sharp], ["sharpness", *(f"{v:.0f}" for v in sharp.values())]]


def control_rows(result):
    names = (
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
    rows = [["measure", *(f"strength {s}" for s in STRENGTHS), "another picture"]]
    for kind, key, title in names:
        cells = [f"{result[kind][str(s)][key]:.3g}" for s in STRENGTHS]
        other = result["canny"]["random picture"].get(key, "") if kind == "canny" else ""
        rows.append([title, *cells, f"{other:.3g}" if other != "" else ""])
    return rows


def crops_rows(result):
    arms = ("whole pictures", "crops, not told", "crops, told", "renders against renders")
    return [["training", "Fréchet distance"]] + [[arm, f"{result[arm]:.1f}"] for arm in arms]


def cost_rows(result):
    rows = [["step", "with", "ratio (quartiles)"]]
    for step in ("training", "sampling"):
        for name, found in result[step].items():
            low, high = found["quartiles"]
            rows.append([step, name, f"{found['ratio']:.2f} ({low:.2f}-{high:.2f})"])
    return rows


TABLES = {
    "words": words_rows,
    "unseen": unseen_rows,
    "framing": moved_rows,
    "control": control_rows,
    "crops": crops_rows,
    "cost": cost_rows,
}


def blocks(results):
    """The page's tables by marker.

    Raises:
        ValueError: if those that say what the weights do were not all measured with the same.
    """
    made = {part: about for part, about in results["made"].items() if part not in OF_THEMSELVES}
    digests = {about["weights_sha256"] for about in made.values()}
    if len(digests) > 1:
        raise ValueError(
            "the results are of several weights; run all parts of the benchmark again."
        )
    tables = {name: rows(results[name]) for name, rows in TABLES.items() if name in results}
    if "framing" in results:
        tables["sharpness"] = sharp_rows(results["framing"])
    return {name: table(rows[0], rows[1:]) for name, rows in tables.items()}


@click.command()
@click.option("--weights", type=Path, help="As sample.py.")
@click.option("--control-weights", type=Path, help="As sample.py.")
@click.option("--pictures/--no-pictures", default=True, help="Draw, or fill in the tables alone.")
@click.option("--only", multiple=True, help="prompts, guidance, framing, control.")
def main(weights, control_weights, pictures, only):
    """Make the page."""
    page = PAGE.read_text()  # fails before the pictures, not behind them
    words = f"--weights {weights.resolve()}" if weights else ""
    steering = (
        f"{words} --control-weights {control_weights.resolve()}" if control_weights else words
    )
    sheets = {"prompts": prompts, "guidance": guidance, "framing": framing, "control": control}
    with tempfile.TemporaryDirectory() as folder:
        for name, sheet in sheets.items() if pictures else ():
            if not only or name in only:
                sheet(Path(folder), steering if name == "control" else words)
    if RESULTS.exists():
        PAGE.write_text(fill(page, blocks(json.loads(RESULTS.read_text()))))


if __name__ == "__main__":
    main()
