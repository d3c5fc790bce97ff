"""A newcomer's trial: people learned by the command alone, and told apart in what is drawn of them.
Written to benchmarks/results/newcomer.json.

    python -m benchmarks.newcomer                         # over the shipped model of 64 px
    python -m benchmarks.newcomer --weights portraits256 --work runs/newcomer256

Ten rendered people whom no model has seen, ten views of each in a folder without a word about
them, as a newcomer's photographs would lie there; three more are held out. Each is learned by

    python -m portrait learn PHOTOS --noun woman --out people/NAME

and drawn by `python -m portrait paint`, eight pictures of one plain prompt. Whose pictures they are
is decided as a stranger would: by whose held-out views they are most like, the mean cosine of the
vectors of dlib, where it is installed, and of the project's encoder, among all of the people.

What was learned and drawn stays in --work, so the same command goes on where it was stopped.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.adapters_measured import vectors
from benchmarks.common import PICTURES, RESULTS, ROOT, cpu_seconds, read_json, write_json
from benchmarks.faces_recognised import load
from common.cli import sentences
from common.devices import core_count
from common.images import find_images, read_image, resize, write_image
from common.sheets import labelled_grid, save_png
from portrait.person import ADAPTER

LEARNED, HELD = 10, 3
VIEWS = LEARNED + HELD
SEED = 31337
DRAWN = 8  # pictures of each
NAMES = tuple(
    "anna boris clara david elsa felix greta hugo iris jonas klara leon mira noah olga paul rosa "
    "simon tilda victor".split()
)  # trigger words; the sex is the renderer's
SHOWN = 3  # photographs of each on the sheet


def matched(drawn, held):
    """Whose pictures they are: of each set of pictures, who is the nearest.

    Args:
        drawn: list of float (N, D), unit vectors of a person's pictures, NaN where no face is seen.
        held: list of float (M, D), likewise, of each person's held-out views.

    Returns:
        (people, pictures, cosines): int (P,), whose views are nearest to all pictures of a person
        together, -1 where no face is seen; list of int arrays (N,), likewise for single pictures;
        float (P, P), mean cosines of person i's pictures to person j's views.
    """
    held = [views[np.isfinite(views).all(1)] for views in held]
    # (N, P) of each: the mean over a person's views.
    single = [np.stack([(rows @ v.T).mean(1) for v in held], axis=1) for rows in drawn]
    cosines = np.stack([_mean(rows) for rows in single])
    pictures = [np.where(np.isnan(r).any(1), -1, np.nan_to_num(r).argmax(1)) for r in single]
    nobody = np.isnan(cosines).any(1)
    return np.where(nobody, -1, np.nan_to_num(cosines).argmax(1)), pictures, cosines


def _mean(rows):
    seen = rows[~np.isnan(rows).any(1)]
    return seen.mean(0) if len(seen) else np.full(rows.shape[1], np.nan)


class Trial:
    """Photographs, people's folders and pictures.

    Args:
        weights: of the model, as `portrait learn --weights` takes it; None for its default.
        work: folder in which everything is kept.
        steps: of each training; None for the command's default.
        people: how many.
    """

    def __init__(self, weights, work, steps, people):
        from data.faces import make_faces

        self.work, self.weights, self.steps = Path(work).resolve(), weights, steps
        made = make_faces(self.work / f"people{people}", VIEWS * people, people, 256, SEED, drawn=0)
        images, records = load(made)
        self.views = [np.array(images[i * VIEWS : (i + 1) * VIEWS]) for i in range(people)]
        self.nouns = [records[i * VIEWS]["attributes"]["sex"] for i in range(people)]

    def folder(self, i):
        """The folder of a person who is learned."""
        return self.work / "people" / NAMES[i]

    def learn(self, i):
        """Learn a person by the command: {"seconds", "cpu_seconds", "bytes"}."""
        out, photos = self.folder(i), self.work / "photographs" / NAMES[i]
        cost = out.with_name(f"{NAMES[i]}.json")
        if cost.exists():
            return read_json(cost)
        for k, view in enumerate(self.views[i][:LEARNED]):
            write_image(view, photos / f"{k}.png")
        words = [str(photos), "--noun", self.nouns[i], "--out", str(out)]
        words += ["--weights", str(self.weights)] if self.weights else []
        words += ["--steps", str(self.steps)] if self.steps else []
        words += ["--resume"] if out.exists() else []
        began, before = time.monotonic(), cpu_seconds()
        self._run("learn", *words)
        found = {"seconds": time.monotonic() - began, "cpu_seconds": cpu_seconds() - before}
        found["bytes"] = (out / ADAPTER).stat().st_size
        write_json(found, cost)
        return found

    def draw(self, i):
        """The pictures of a person: list of uint8 (S, S, 3)."""
        folder, sheet = self.work / "drawn" / NAMES[i], self.work / "drawn" / f"{NAMES[i]}.png"
        if not (sheet.exists() and folder.exists()):
            words = ["--person", str(self.folder(i)), "--n", str(DRAWN), "--each", str(folder)]
            self._run("paint", *words, "--out", str(sheet))
        return [read_image(path) for path in sorted(find_images(folder))]

    def _run(self, *words):
        command = [sys.executable, "-m", "portrait", *words]
        with open(self.work / "commands.log", "a") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True, cwd=ROOT)


def sheet(trial, drawn):
    """Photographs and pictures, a row a person: uint8 (H, W, 3)."""
    size = len(drawn[0][0])
    rows = [
        np.stack([*(resize(view, size) for view in views[:SHOWN]), *pictures])
        for views, pictures in zip(trial.views, drawn, strict=False)
    ]
    zoom = max(1, 96 // size)
    return labelled_grid(np.stack(rows), NAMES[: len(rows)], zoom)


@click.command(context_settings={"show_default": True})
@click.option("--weights", help="Model.  [default: that of portrait learn]")
@click.option("--people", "count", type=click.IntRange(2, len(NAMES)), default=10)
@click.option("--steps", type=click.IntRange(1), help="Of a training.  [default: the command's]")
@click.option("--work", type=Path, default=Path("runs") / "newcomer", help="What is kept.")
@click.option("--out", type=Path, default=RESULTS / "newcomer.json")
@click.option("--picture", type=Path, default=PICTURES / "adapters_newcomer.png")
@sentences()
def main(weights, count, steps, work, out, picture):
    """Learn people by the command, draw them, and ask whom the pictures show."""
    from facekit.identity import available, load_embedder

    trial, costs, drawn = Trial(weights, work, steps, count), [], []
    for i in range(count):
        costs.append(trial.learn(i))
        drawn.append(trial.draw(i))
        click.echo(f"{NAMES[i]}: {costs[-1]['seconds']:.0f} s", err=True)
    save_png(sheet(trial, drawn), picture)
    embedders = {name: load_embedder(name) for name in available()}
    seen = [vectors(pictures, embedders) for pictures in drawn]
    held = [vectors(views[LEARNED:], embedders) for views in trial.views]
    known = [vectors(views[:LEARNED], embedders) for views in trial.views]
    result = {"people": count, "photographs": LEARNED, "held": HELD, "pictures": DRAWN}
    result |= {"weights": weights or "default", "cores": core_count(), "by": {}}
    result["names"], result["costs"] = list(NAMES[:count]), costs
    for name in embedders:
        whose, single, cosines = matched([v[name] for v in seen], [v[name] for v in held])
        views, *_ = matched([v[name] for v in known], [v[name] for v in held])
        result["by"][name] = {
            "right": int(np.sum(whose == np.arange(count))),
            "right_pictures": [int(np.sum(rows == i)) for i, rows in enumerate(single)],
            "right_photographs": int(np.sum(views == np.arange(count))),
            "taken_for": [int(one) for one in whose],
            "cosines": cosines.round(3).tolist(),
        }
    write_json(result, out)
    click.echo(json.dumps(result["by"], indent=1))


if __name__ == "__main__":
    main()
