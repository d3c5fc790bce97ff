"""A person and a style from a few pictures, measured. Written to benchmarks/results/adapters.json.

    python -m benchmarks.adapters                          # all parts, over the shipped model
    python -m benchmarks.adapters --part methods --people 6
    python -m benchmarks.adapters --weights runs/portraits256 --out adapters256.json

Rendered people whom no model has seen: five views of each to learn from, three held out. What was
trained, drawn and measured stays in --work, so the same command goes on where it was stopped, and
more --people add to those that are there.

recipe    ranks, rates and steps of LoRA, on people of their own
methods   likeness, obedience to prompts and diversity by words alone, by the identity condition
          where the model has one, and by each way to learn a person; seconds and bytes
merging   checkpoints of one adapter merged by their shares of the best pictures
prior     how far the class drifts with pictures of the class in each batch and without
styles    a person and a style together, on all blocks or on some

likeness    mean cosine to the held-out views, of the project's encoder and, where installed, dlib's
obedience   share of what prompts ask for (mood, glasses, background) that a judge, trained on
            renders, sees in the pictures
diversity   mean difference of a person's pictures, see `adapters_measured.diversity`
"""

import json
from pathlib import Path

import click

from benchmarks.adapters_bench import GUIDANCE, STYLE_SHARE, Bench, Settings
from benchmarks.adapters_parts import MEASURES, real, summary
from benchmarks.adapters_people import people
from benchmarks.common import RESULTS, merge_json
from common.cli import sentences
from common.devices import core_count
from data.shape.parts import STYLES


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, help="[default: the shipped model]")
@click.option("--people", "count", type=click.IntRange(1), default=20)
@click.option("--tried", type=click.IntRange(1), default=2, help="People of the part recipe.")
@click.option(
    "--part", "parts", type=click.Choice(MEASURES), multiple=True, default=tuple(MEASURES)
)
@click.option(
    "--style",
    "learned",
    type=click.Choice(STYLES[1:]),
    multiple=True,
    default=("pencil", "pixel art"),
    help="Of the part styles.",
)
@click.option("--steps", type=click.IntRange(4), default=320, help="Of a training.")
@click.option("--sampling", type=click.IntRange(2), default=12, help="Steps of the sampler.")
@click.option("--rate", default="4e-3", help="Learning rate of adapters, but in recipe.")
@click.option("--work", type=Path, default=Path("runs") / "adapters", help="What is kept.")
@click.option("--out", type=Path, default=RESULTS / "adapters.json")
@sentences()
def main(weights, count, tried, parts, learned, steps, sampling, rate, work, out):
    """Measure adapters, and add to the results part by part."""
    bench = Bench(weights, work, Settings(steps, sampling, rate))
    for part in parts:
        name, n = ("tried", tried) if part == "recipe" else ("people", count)
        persons = people(bench.set(name, n))
        if part == "styles":
            persons = persons[: max(1, count // 4)]
        more, found = (learned,) if part == "styles" else (), []
        for done, person in enumerate(persons, 1):
            found.append(MEASURES[part](bench, person, *more))
            result = {"people": done, "set": f"{name}{n}", **summary(part, found)}
            if part in ("recipe", "methods"):
                result["real"] = real(bench, persons[:done])
            result |= {"training_steps": steps, "sampling": sampling, "guidance": GUIDANCE}
            result |= {"weights": bench.weights.name, "weights_sha256": bench.own.name}
            result |= {"judges": bench.judges.accuracy(), "cores": core_count()}
            if part != "recipe":
                result["rate"] = rate
            if part == "styles":
                result["style_steps"] = round(steps * STYLE_SHARE)
                result["style_accuracy"] = {s: bench.judges.style_accuracy(s) for s in learned}
            merge_json({part: result}, out)
        click.echo(json.dumps({part: result}, indent=1))


if __name__ == "__main__":
    main()
