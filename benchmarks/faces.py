"""The rendered faces. Written to benchmarks/results/faces.json, one key a part.

    python -m benchmarks.faces                                  # all parts: about an hour
    python -m benchmarks.faces --part identity --people 40
    python -m benchmarks.faces --part detection --pictures data/faces256

detection  the share of pictures in which MediaPipe finds a face, and how far its points are off
identity   verification of people by dlib's embedding
words      the share of the words in prompts by strangers that captions have, or a synonym of
balance    shares and quantiles of the attributes of people and views, without rendering
speed      pictures a second with two processes, without start-up, and CPU seconds a picture
memory     memory growth of a process over a run of --n pictures of 64 px
kill       the bytes of such a run, and of one that is killed twice and started again

Pictures are of a seed that nothing was tuned on. `memory` and `kill` share a run.
"""

import inspect
import json
import tempfile
from pathlib import Path

import click

from benchmarks import faces_making, faces_recognised
from benchmarks.common import RESULTS, machine, merge_json, photos
from benchmarks.faces_balance import balance
from benchmarks.faces_words import words
from data.faces import VERSION, make_faces

SEED = 31337
VIEWS = 4
DRAWN = inspect.signature(make_faces).parameters["drawn"].default
KILLS = 2
# What each part takes when --n does not say: pictures, or people for balance.
NUMBERS = {"detection": 500, "words": 3000, "balance": 5000, "memory": 20_000, "kill": 20_000}
SPEED_SIZES = {64: 640, 256: 160}  # pixels: pictures a round


def measure_detection(n, pictures, seed):
    n = n or NUMBERS["detection"]
    with photos(pictures, n, n, seed) as folder:
        return about(folder) | faces_recognised.detection(folder)


def measure_identity(people, pictures, seed):
    with photos(pictures, people * VIEWS, people, seed) as folder:
        return about(folder) | faces_recognised.identity(folder)


def about(folder):
    """What the dataset says of itself."""
    settings = json.loads((Path(folder) / "dataset.json").read_text())
    return {name: settings[name] for name in ("version", "seed")}


def measure_sampled(measure, n, seed):
    """What needs no picture: `balance` or `words`."""
    settings = {"n": n, "identities": n, "seed": seed, "drawn": DRAWN}
    return {"version": VERSION, "seed": seed} | measure(n, settings)


def measure_speed(rounds, seed):
    facts = {"version": VERSION, "machine": machine(), "workers": faces_making.WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        return facts | {"sizes": faces_making.speed(folder, SPEED_SIZES, rounds, seed)}


def measure_long(n, seed, parts):
    """The parts "memory" and "kill", which share a run."""
    n = n or max(NUMBERS[part] for part in parts)
    facts = {"version": VERSION, "seed": seed, "workers": faces_making.WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        found = faces_making.endure(folder, n, 64, seed, KILLS if "kill" in parts else 0)
    return {part: facts | found[part] for part in parts}


PARTS = ("detection", "identity", "words", "balance", "speed", "memory", "kill")


@click.command(context_settings={"show_default": True})
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="[default: all]")
@click.option("--n", type=click.IntRange(1), help=f"Pictures of a part.  [default: {NUMBERS}]")
@click.option("--people", type=click.IntRange(2), default=100, help="For identity, 4 views each.")
@click.option("--rounds", type=click.IntRange(1), default=5, help="For speed.")
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A rendered dataset for detection or identity, instead of a fresh one.",
)
@click.option("--seed", type=click.IntRange(0), default=SEED)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "faces.json")
def main(parts, n, people, rounds, pictures, seed, out):
    """Measure the rendered faces: recognition, composition, cost."""
    measures = {
        "detection": lambda: measure_detection(n, pictures, seed),
        "identity": lambda: measure_identity(people, pictures, seed),
        "words": lambda: measure_sampled(words, n or NUMBERS["words"], seed),
        "balance": lambda: measure_sampled(balance, n or NUMBERS["balance"], seed),
        "speed": lambda: measure_speed(rounds, seed),
    }
    parts = parts or PARTS
    for part in [part for part in measures if part in parts]:
        show(out, {part: measures[part]()})
    long = [part for part in ("memory", "kill") if part in parts]
    if long:
        show(out, measure_long(n, seed, long))


def show(out, results):
    merge_json(results, out)
    click.echo(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
