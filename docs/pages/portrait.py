"""docs/portrait.md: a face painted into a photograph, stage by stage, and holes filled.

Stages are drawn by the command that the page shows. The photographs are NASA's of Eileen Collins
(from scikit-image) and the US Navy's of Grace Hopper (from matplotlib), both in the public domain.
"""

import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.common import photographs
from common.images import read_image, write_image
from common.sheets import labelled_grid, save_png
from docs.shared import PICTURES, Page, percent, run, table

SIDE = 200  # px of a stage in the picture
MEASURES = {"psnr": "{:.1f} dB", "identity": "{:.2f}", "seam": "{:.2f}"}


# --- pictures


def draw_stages(models):
    """Each photograph's face painted into the other: the stages, and before beside after."""
    scenes = photographs()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, image in scenes.items():
            write_image(image, folder / f"{title}.png")
        for template, face in (tuple(scenes), tuple(scenes)[::-1]):
            words = ["-m", "portrait", "reconstruct", "--template", f"{template}.png"]
            words += ["--face", f"{face}.png", "--out", f"{template}_out.png"]
            words += ["--report", f"{template}.html", "--steps-dir", template]
            run(words + models.options(control=True), folder)
            _save_stages(folder / template / "face1", f"portrait_stages_{template}")
            pair = [read_image(folder / f"{template}{end}.png") for end in ("", "_out")]
            save_png(np.concatenate(pair, 1), PICTURES / f"portrait_{template}.png")


def _save_stages(folder, name):
    """The stages' pictures in two rows with a line under each."""
    from portrait.report import TITLES

    shown = [p for p in sorted(folder.glob("[0-9]_*.png")) if "retouched" not in p.name]
    columns, height = (len(shown) + 1) // 2, SIDE + 34
    page = Image.new("RGB", (columns * (SIDE + 6), 2 * height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for i, path in enumerate(shown):
        x, y = i % columns * (SIDE + 6), i // columns * height
        page.paste(Image.open(path).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
        title = TITLES[path.stem.split("_")[1]].replace(": ", ":\n")
        pen.multiline_text((x, y + SIDE + 2), title, "black", font, spacing=1)
    save_png(np.asarray(page), PICTURES / f"{name}.png")


def draw_holes(models, first=3):
    """Holes of each kind, filled by each method; needs renders, `models.fresh`."""
    from benchmarks.portrait import HOLES, METHODS, STEPS, cases_of, cut, fill
    from portrait.painter import Painter

    if models.fresh is None:
        print("portrait_holes: skipped, it needs --fresh.", flush=True)
        return
    pipeline = Painter(models.weights, models.control).pipeline
    images, rows = np.load(models.fresh / "images.npy", mmap_mode="r"), []
    cases = cases_of(map(np.array, islice(images, first, None)), len(HOLES), pipeline.size)
    for case, kind in zip(cases, HOLES, strict=True):
        small, mask = case[2][None], cut([case], kind)
        row = [small, np.where(mask[..., None] > 0, np.uint8(128), small)]
        row += [fill(pipeline, small, mask, method, STEPS)[0] for method in METHODS[2:]]
        rows.append(np.concatenate(row))
    sheet = labelled_grid(np.stack(rows), list(HOLES), zoom=2, width=60)
    save_png(sheet, PICTURES / "portrait_holes.png")


# --- tables


def holes_table(found):
    rows = []
    for kind, by_method in found["holes"].items():
        for i, (measure, form) in enumerate(MEASURES.items()):
            cells = [form.format(values[measure]) for values in by_method.values()]
            rows.append(["" if i else kind, measure, *cells])
    methods = list(next(iter(found["holes"].values())))
    rows.append(["", "NFE", *(found["nfe"].get(method, "") for method in methods)])
    return table(["hole", "measure", *methods], rows)


def nfe_table(found):
    rows = []
    for row in found["rows"]:
        repaint = row["method"] == "repaint"
        again = f"{row['jump_length']} x {row['resamplings']}" if repaint else ""
        numbers = [form.format(row[measure]) for measure, form in MEASURES.items()]
        rows.append([row["method"], row["steps"], again, row["nfe"], *numbers])
    return table(["method", "levels", "jump x resampling", "NFE", *MEASURES], rows)


def pairs_table(found):
    def share(name, most):
        return percent(np.mean([row[name] <= most for row in found["rows"]]))

    def angles(name, form):
        return ", ".join(form.format(value) for value in found[name])

    rows = [
        ["identity nearer to the reference", "95%", percent(found["nearer_to_reference"])],
        ["yaw, pitch, roll within 5 degrees", "all", angles("turned_within_5", "{:.1%}")],
        [
            "the detector itself, on renders of known pose",
            "",
            angles("detector_within_5", "{:.1%}"),
        ],
        ["yaw, pitch, roll turned, median degrees", "", angles("turned_median", "{:.1f}")],
        ["the detector itself", "", angles("detector_median", "{:.1f}")],
        ["no face found in the result", "0", found["no_face"]],
        ["seam energy over the template's, median", "1.1", f"{found['seam_median']:.2f}"],
        ["pairs with at most 1.1", "", share("seam", 1.1)],
        ["LAB difference to the template, median", "5", f"{found['colour_median']:.1f}"],
        ["pairs with at most 5", "", share("colour", 5)],
        ["with a pixel changed outside the mask", "0", found["changed_outside"]],
    ]
    return table([f"of {found['pairs']} pairs", "wanted", "measured"], rows)


def context(results):
    tables = {"holes": holes_table, "nfe": nfe_table, "pairs": pairs_table}
    return {part: make(results["portrait"][part]) for part, make in tables.items()}


PAGE = Page(
    "docs/portrait.md",
    {"portrait": "portrait.json"},
    context,
    {"portrait_stages": draw_stages, "portrait_holes": draw_holes},
)
