"""The face parser on unseen renders. Written to benchmarks/results/parsing.json.

    python -m data --n 600 --identities 600 --size 256 --seed 780 --out data/held256
    python -m benchmarks.parsing --data data/held256

For each part, the median over the pictures that show it (on at least `LEAST` pixels) of the
intersection over union:

clean      the part map of each picture as it is, by true points, at the picture's own size
augmented  squares in other light, places and sharpness, and with occlusions, as in training

and milliseconds a face, the median over single ones, and the number of parameters. Use people
outside of the parser's training set: another seed.
"""

import json
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, machine, merge_json, spread
from common.cli import sentences
from facekit.augment_parts import PartsAugmentation
from facekit.parsing import PARTS, WEIGHTS, Parser, confusion, intersection_over_union
from facekit.train_parser import load_labelled

SEED = 31337
LEAST = 20  # px of a part in a picture


@click.command(context_settings={"show_default": True})
@click.option("--data", type=Path, required=True, help="Rendered people with part maps.")
@click.option("--weights", type=Path, default=WEIGHTS, help="Of the parser.")
@click.option("--n", type=click.IntRange(1), default=600, help="Pictures at most.")
@click.option(
    "--out", type=Path, default=RESULTS / "parsing.json", help="JSON; other keys in it stay."
)
@sentences()
def main(data, weights, n, out):
    """Measure the face parser."""
    parser, data = Parser(weights), load_labelled(data)
    rows = spread(data.images, n)
    result = {
        "clean": medians(clean(parser, data, rows)),
        "augmented": medians(augmented(parser, data, rows)),
        "milliseconds": milliseconds(parser),
        "parameters": int(parser.network.count_params()),
        "pictures": len(rows),
        "machine": machine(),
    }
    merge_json(result, out)
    click.echo(json.dumps(result, indent=1))


def clean(parser, data, rows):
    """(truth, found) part maps of pictures as they are."""
    for i in rows:
        image, labels, points5 = data.row(i)
        yield labels, parser.labels(image, points5)


def augmented(parser, data, rows):
    """(truth, found) part maps of augmented squares."""
    for i in rows:
        rng = np.random.default_rng((SEED, int(i)))
        square, labels = PartsAugmentation()(*data.row(i), rng, parser.settings.size)
        yield labels, parser.probabilities(square[None])[0].argmax(-1)


def medians(pairs):
    """{part: median intersection over union, over the pictures that show it}; None for none."""
    found = {name: [] for name in PARTS}
    for truth, guess in pairs:
        matrix = confusion(truth, guess)
        ious = intersection_over_union(matrix)
        for i in np.flatnonzero(matrix.sum(1) >= LEAST):
            found[PARTS[i]].append(ious[i])
    return {name: float(np.median(v)) if v else None for name, v in found.items()}


def milliseconds(parser, rounds=40):
    """Median time of one square through the network and its softmax."""
    size = parser.settings.size
    square = np.random.default_rng(SEED).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    times = []
    for _ in range(rounds + 2):
        began = time.perf_counter()
        parser.probabilities(square)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times[2:]))


if __name__ == "__main__":
    main()
