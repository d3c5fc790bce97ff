"""A person from one photograph, measured. Written to benchmarks/results/one_photo.json.

    python -m benchmarks.one_photo --hyper runs/hyper --people 50
    python -m benchmarks.one_photo --hyper runs/hyper --once runs/hyper1 --row hyper --row fast
    python -m benchmarks.one_photo --row hyper --snapshot 16000=A.weights.h5

Rendered people whom no model has seen: one view of each to learn from, three others held out. What
was trained, drawn and measured stays in --work, so the same command goes on where it was stopped,
and more --people add to those that are there.

words         the person in words, as who has seen the photo would describe them
identity      the photo's vector, by the identity condition, where the model has one
hyper         the hypernetwork's light adapter alone
hyper once    the same of a hypernetwork without refinement (k = 1), where --once names one
hyper after N the same of one that had seen so many pictures, where --snapshot names such
fast          the hypernetwork, then --fast-steps with a LoRA of rank 4 beside its adapter
light, lora   without a hypernetwork: as many steps of a light adapter or of a LoRA from zero
lora full, dreambooth, inversion
              --steps of each, and shares of them: likeness against seconds

likeness      mean cosine to the held-out views, of the project's encoder and, where installed,
              dlib's
picture       mean cosine to them of shape and colour (`benchmarks.features`)
obedience     share of what prompts ask for that a judge sees in the pictures
seconds       from the photo to what is learned, by the clock: of hyper with the model loaded, of
              whatever is trained with the start of train.py
"""

import json
import time
from functools import cached_property
from pathlib import Path

import click
import numpy as np

from benchmarks.adapters_bench import GUIDANCE, SEED, Bench, Settings
from benchmarks.adapters_measured import vectors
from benchmarks.adapters_parts import NO_COST, mean_rows
from benchmarks.adapters_people import people, write_pictures
from benchmarks.common import RESULTS, merge_json, read_json, write_json
from benchmarks.faces_recognised import load
from common.cli import sentences
from common.devices import core_count
from common.files import sha256
from common.images import resize
from ddpm.bundle import base_of, find_hyper
from ddpm.training.parts import ADAPTER, LEARNED
from portrait.fast import RANKS, RATE

COPIES = 4  # of the one picture, a batch: as many noise levels, some mirrored
SHARES = (0.1, 0.25, 0.5, 1.0)  # of --steps
# What is trained from zero: a task of train.py, its options, whether beside the class.
LONG = {
    "lora full": ("lora", ["--ranks", "*=4"], True),
    "dreambooth": ("dreambooth", [], True),
    "inversion": ("invert", ["--vectors", "2"], False),
}
SHORT = {
    "light": ("lora", ["--light"], False),
    "lora": ("lora", ["--ranks", "*=4"], False),
}
FAST = ["--ranks", RANKS, "--lr", str(RATE)]  # as `python -m portrait learn --fast` refines


class OnePhoto(Bench):
    """What `Bench` is, with a hypernetwork and the first view of each person.

    Args:
        hypers: {row: path of a hypernetwork's file}.
        fast_steps: of what is refined, or trained as shortly.
        Others as `Bench`.
    """

    def __init__(self, weights, work, settings, hypers, fast_steps):
        super().__init__(weights, work, settings)
        self.hypers, self.fast_steps = hypers, fast_steps

    @cached_property
    def model(self):
        """The model, loaded."""
        from ddpm.bundle import load_model

        return load_model(self.weights)

    @cached_property
    def picture_features(self):
        """What makes features of whole pictures, fitted to renders of other people."""
        from benchmarks.features import Features

        return Features(np.stack([resize(i, self.preset.size) for i in load(self.set("class"))[0]]))

    def folder_of(self, person, name="one"):
        """Where what belongs to a person lies; copies of the one photograph are laid there."""
        folder = self.own / f"{name}{person.number:02d}"
        photos = folder / "photos"
        if not photos.exists():
            caption = person.captions[0].format(person.trigger)
            pictures = [person.training[0]] * COPIES
            write_pictures(pictures, [caption] * COPIES, folder / "new").rename(photos)
        return folder

    def key(self, row):
        """What files of a row are called: those of a hypernetwork by it, too."""
        path = self.hypers.get("hyper" if row == "fast" else row)
        return "_".join([*row.split(), *([sha256(path)] if path else [])])

    def features_of(self, image):
        """Features of the largest face, or None where there is none."""
        from facekit.detect import detect, largest
        from portrait.fast import features_of

        face = largest(detect(image))
        return None if face is None else features_of(image, face.points5)

    def predict(self, person, row):
        """A person's light adapter, predicted once: (path, what it cost), None without a face."""
        from ddpm.hyper import write_person

        folder = self.folder_of(person) / self.key(row)
        path, times = folder / ADAPTER, folder / "times.json"
        if not times.exists():
            model, began, before = self.model, time.monotonic(), time.process_time()
            features = self.features_of(person.training[0])
            if features is None:
                return None
            write_person(path, self.hypers[row], features, model, person.trigger, person.noun)
            cost = {"seconds": time.monotonic() - began}
            cost |= {"cpu_seconds": time.process_time() - before, "bytes": path.stat().st_size}
            write_json(cost, times)
        return path, read_json(times)

    def train_one(self, person, run, how, steps):
        """Learn a person from the one photo: (what `draw` takes, what `train` returns)."""
        task, options, beside = how
        folder = self.folder_of(person)
        out = folder / run.replace(" ", "_")
        words = [*options, *self._naming(person, task, options, beside)]
        cost = self.train(out, task, folder / "photos", words, steps, COPIES, COPIES)
        if task == "dreambooth":
            return {"weights": out}, cost
        return {"adapters": [(out / (LEARNED if task == "invert" else ADAPTER), 1.0)]}, cost

    def refine(self, person):
        """Train a LoRA beside the predicted adapter; as `train_one`, with the cost of both."""
        found = self.predict(person, "hyper")
        if found is None:
            return None
        path, before = found
        folder = self.folder_of(person)
        out, words = folder / self.key("fast"), [*FAST, "--start-from", str(path)]
        photos, steps = folder / "photos", self.fast_steps
        cost = dict(self.train(out, "lora", photos, words, steps, COPIES, COPIES))
        for name in ("seconds", "cpu_seconds"):
            cost[name] += before[name]
        return {"adapters": [(out / ADAPTER, 1.0)]}, cost

    def face_of(self, person):
        """The vector of the one photo, as the identity condition takes it; None without a face."""
        one = vectors(person.training[:1], {"encoder": self.embedders["encoder"]})["encoder"][0]
        return None if np.isnan(one[0]) else one


def made(bench, person, row):
    """How a row draws a person: (what the prompt calls them, what `Bench.draw` takes, the cost);
    None where it cannot, for the photo shows no face or the model has no such condition."""
    if row == "words":
        return person.looks, {}, NO_COST
    if row == "identity":
        there = "identity" in bench.preset.network.conditions
        face = bench.face_of(person) if there else None
        return None if face is None else (f"a {person.noun}", {"face": face}, NO_COST)
    if row.startswith("hyper"):
        found = bench.predict(person, row) if row in bench.hypers else None
        given = found and ({"adapters": [(found[0], 1.0)]}, found[1])
    elif row == "fast":
        given = bench.refine(person)
    elif row in SHORT:
        given = bench.train_one(person, row, SHORT[row], bench.fast_steps)
    else:
        name, share = split(row)
        steps = max(1, round(bench.settings.steps * share))
        given = bench.train_one(person, row, LONG[name], steps)
    return given and (person.subject, *given)


def rows_of(shares=SHARES):
    """The names of all rows; of what is trained from zero one for each share of the steps."""
    long = [f"{name} {share:g}" for name in LONG for share in shares]
    return ["words", "identity", "hyper", "hyper once", "fast", *SHORT, *long]


def parse_snapshot(words):
    """PICTURES=FILE -> (row, `Path`).

    Raises:
        ValueError: one sentence, for anything else.
    """
    pictures, found, file = words.partition("=")
    if not (found and file and pictures.isdecimal()):
        raise ValueError(f"a snapshot is PICTURES=FILE, such as 16000=a.h5. Received: {words!r}.")
    return f"hyper after {int(pictures)}", find_hyper(Path(file))


def split(row):
    """The name and the share of a row of `LONG`: "dreambooth 0.1" -> ("dreambooth", 0.1)."""
    name, _, share = row.rpartition(" ")
    return name, float(share)


def picture_similarity(drawn, held):
    """How like the held-out views pictures are as a whole: the mean cosine of their features,
    float (N, D) and (M, D), over all pairs."""
    drawn, held = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (drawn, held))
    return float((drawn @ held.T).mean())


def measure(bench, person, rows):
    """One person: {row: measures}, of the rows that there are."""
    folder, found, held = bench.folder_of(person), {}, bench.held(person)
    views = np.stack([resize(image, bench.preset.size) for image in person.held])
    for row in rows:
        file = folder / f"{bench.key(row)}.json"
        if not file.exists():
            how = made(bench, person, row)
            if how is None:
                continue
            who, given, cost = how
            images = bench.draw(file.with_suffix(".npy"), who, seed=person.number, **given)
            near = picture_similarity(bench.picture_features(images), bench.picture_features(views))
            write_json({**bench.measured(images, held), "picture": near, **cost}, file)
        found[row] = read_json(file)
        print(person.number, row, json.dumps(found[row]), flush=True)
    return found


@click.command(context_settings={"show_default": True})
@click.option("--hyper", type=Path, help="Hypernetwork.  [default: the shipped one]")
@click.option("--once", type=Path, help="One that was trained with --refinements 1.")
@click.option(
    "--snapshot", "snapshots", multiple=True, metavar="PICTURES=FILE",
    help="One after so many pictures; may be repeated.",
)  # fmt: skip
@click.option("--weights", type=Path, help="[default: the model that it was trained over]")
@click.option("--people", "count", type=click.IntRange(1), default=50)
@click.option("--row", "rows", type=click.Choice(rows_of()), multiple=True, default=rows_of())
@click.option("--steps", type=click.IntRange(4), default=320, help="Of a training at full length.")
@click.option("--fast-steps", type=click.IntRange(1), default=40)
@click.option("--sampling", type=click.IntRange(2), default=12, help="Steps of the sampler.")
@click.option("--rate", default="4e-3", help="Learning rate of adapters from zero.")
@click.option("--work", type=Path, default=Path("runs") / "one_photo", help="What is kept.")
@click.option("--out", type=Path, default=RESULTS / "one_photo.json")
@sentences()
def main(
    hyper, once, snapshots, weights, count, rows, steps, fast_steps, sampling, rate, work, out
):
    """Measure ways to learn a person from one photograph."""
    hypers = {"hyper": find_hyper(hyper)}
    if once:
        hypers["hyper once"] = find_hyper(once)
    after = dict(parse_snapshot(words) for words in snapshots)
    hypers, rows = hypers | after, [*rows, *after]
    settings = Settings(steps, sampling, rate)
    bench = OnePhoto(weights or base_of(hypers["hyper"]), work, settings, hypers, fast_steps)
    found = []
    folder = bench.set("people", count)
    persons = people(folder)
    for done, person in enumerate(persons, 1):
        found.append(measure(bench, person, rows))
        result = {"people": done, "seed": SEED, "rows": mean_rows(found)}
        result |= {"training_steps": steps, "fast_steps": fast_steps, "sampling": sampling}
        result |= {"rate": rate, "guidance": GUIDANCE, "copies": COPIES}
        result |= {"weights": bench.weights.name, "weights_sha256": bench.own.name}
        result |= {"weights_bytes": bench.weights.stat().st_size, "set": Path(folder).name}
        result |= {"hyper": {row: path.name for row, path in hypers.items()}}
        result |= {"judges": bench.judges.accuracy(), "cores": core_count()}
        merge_json(result, out)
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
