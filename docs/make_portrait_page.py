"""Make the page of the portrait: `python -m docs.make_portrait_page`.

It runs the commands that docs/portrait.md shows, draws docs/pictures/portrait_*.png from what they
leave, and writes the tables between the page's markers from benchmarks/results/portrait.json.

The photographs are NASA's of Eileen Collins (from scikit-image) and the US Navy's of Grace Hopper
(from matplotlib), both in the public domain.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.portrait import HOLES, METHODS, RESULTS, STEPS, cases_of, cut
from ddpm.pictures import labelled, save_png
from docs.make_faces_card import fill, table
from portrait.report import TITLES

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "portrait.md"
PICTURES = ROOT / "docs" / "pictures"
SIDE = 200  # px of a stage in the picture


def photographs(folder):
    """Write the two photographs into a folder."""
    import matplotlib.cbook
    from skimage import data

    Image.fromarray(data.astronaut()).save(folder / "astronaut.png")
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        Image.open(file).convert("RGB").save(folder / "grace_hopper.png")


def stages(folder, words):
    """Each photograph's face painted into the other, stage by stage."""
    names = ("astronaut", "grace_hopper")
    for template, face in (names, names[::-1]):
        command = (
            f"-m portrait reconstruct --template {template}.png --face {face}.png "
            f"--out {template}_out.png --report {template}.html --steps-dir {template} {words}"
        )
        print("$ python", command, flush=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, *command.split()], cwd=folder, env=environment, check=True)
        found = sorted((folder / template / "face1").glob("[0-9]_*.png"))
        shown = [path for path in found if "retouched" not in path.name]
        rows = [Image.open(path).resize((SIDE, SIDE), Image.Resampling.LANCZOS) for path in shown]
        tiles = np.stack([np.asarray(row) for row in rows])
        titles = [TITLES[path.stem.split("_")[1]] for path in shown]
        save_png(_captioned(tiles, titles), PICTURES / f"portrait_stages_{template}.png")
        before, after = (
            np.asarray(Image.open(folder / name))
            for name in (f"{template}.png", f"{template}_out.png")
        )
        save_png(np.concatenate([before, after], 1), PICTURES / f"portrait_{template}.png")


def _captioned(tiles, titles):
    """Pictures in two rows with a line under each."""
    from PIL import ImageDraw, ImageFont

    columns = (len(tiles) + 1) // 2
    high = SIDE + 34
    page = Image.new("RGB", (columns * (SIDE + 6), 2 * high), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for i, (tile, title) in enumerate(zip(tiles, titles, strict=True)):
        x, y = i % columns * (SIDE + 6), i // columns * high
        page.paste(Image.fromarray(tile), (x, y))
        pen.multiline_text((x, y + SIDE + 2), title.replace(": ", ":\n"), "black", font, spacing=1)
    return np.asarray(page)


def holes(fresh, weights, control_weights, seed=3):
    """Holes of each kind, filled by each method."""
    from portrait.painter import Painter

    painter = Painter(weights, control_weights)
    images, rows = np.load(fresh / "images.npy", mmap_mode="r"), []
    cases = cases_of((np.array(image) for image in images[seed:]), len(HOLES), painter.size)
    for case, kind in zip(cases, HOLES, strict=True):
        small, mask = case[2][None], cut([case], kind)
        row = [small, np.where(mask[..., None] > 0, np.uint8(128), small)]
        row += [painter.fill(small, mask, method, STEPS)[0] for method in METHODS[2:]]
        rows.append(np.concatenate(row))
    save_png(
        labelled(np.stack(rows), list(HOLES), zoom=2, width=60), PICTURES / "portrait_holes.png"
    )


def holes_rows(result):
    rows = [["hole", "measure", *METHODS]]
    for kind in HOLES:
        for name, form in (("psnr", "{:.1f} dB"), ("identity", "{:.2f}"), ("seam", "{:.2f}")):
            cells = [form.format(result["holes"][kind][method][name]) for method in METHODS]
            rows.append([kind if name == "psnr" else "", name, *cells])
    looks = result["evaluations"]
    rows.append(["", "looks of the network", *(str(looks.get(method, "")) for method in METHODS)])
    return rows


def looks_rows(result):
    rows = [["method", "levels", "jump x resampling", "looks", "psnr", "identity", "seam"]]
    for row in result["rows"]:
        repaint = row["method"] == "repaint"
        again = f"{row['jump_length']} x {row['resamplings']}" if repaint else ""
        numbers = (f"{row['psnr']:.1f} dB", f"{row['identity']:.2f}", f"{row['seam']:.2f}")
        rows.append([row["method"], str(row["steps"]), again, str(row["looks"]), *numbers])
    return rows


def pairs_rows(result):
    n = result["pairs"]

    def share(name, most):
        return f"{np.mean([row[name] <= most for row in result['rows']]):.1%}"

    def angles(name, form):
        return ", ".join(form.format(value) for value in result[name])

    return [
        [f"of {n} pairs", "wanted", "measured"],
        ["identity nearer to the reference", "95%", f"{result['nearer_to_reference']:.1%}"],
        ["yaw, pitch, roll within 5 degrees", "all", angles("turned_within_5", "{:.1%}")],
        [
            "the detector itself, on renders of known pose",
            "",
            angles("detector_within_5", "{:.1%}"),
        ],
        ["yaw, pitch, roll turned, median degrees", "", angles("turned_median", "{:.1f}")],
        ["the detector itself", "", angles("detector_median", "{:.1f}")],
        ["no face found in the result", "0", str(result["no_face"])],
        ["seam energy over the template's, median", "1.1", f"{result['seam_median']:.2f}"],
        ["pairs with at most 1.1", "", share("seam", 1.1)],
        ["LAB difference to the template, median", "5", f"{result['colour_median']:.1f}"],
        ["pairs with at most 5", "", share("colour", 5)],
        ["with a pixel changed outside the mask", "0", str(result["changed_outside"])],
    ]


def blocks(results):
    """The page's tables by marker."""
    made = {"holes": holes_rows, "looks": looks_rows, "pairs": pairs_rows}
    rows = {name: make(results[name]) for name, make in made.items() if name in results}
    return {name: table(found[0], found[1:]) for name, found in rows.items()}


@click.command()
@click.option("--fresh", type=Path, help="Renders for the picture of holes; none leaves it out.")
@click.option("--weights", type=Path)
@click.option("--control-weights", type=Path)
@click.option("--pictures/--no-pictures", default=True, help="Draw, or fill in the tables alone.")
def main(fresh, weights, control_weights, pictures):
    """Make the page."""
    page = PAGE.read_text()  # fails before the pictures, not behind them
    words = f"--weights {weights.resolve()} " if weights else ""
    words += f"--control-weights {control_weights.resolve()}" if control_weights else ""
    if pictures:
        with tempfile.TemporaryDirectory() as folder:
            photographs(Path(folder))
            stages(Path(folder), words)
    if fresh:
        holes(fresh, weights, control_weights)
    if RESULTS.exists():
        PAGE.write_text(fill(page, blocks(json.loads(RESULTS.read_text()))))


if __name__ == "__main__":
    main()
