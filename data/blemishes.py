"""Pairs of renders for the retoucher: the same face with its blemishes, and without them.

    python -m data.blemishes --n 800 --out data/blemishes256

The folder holds images.npy and retouched.npy, uint8 (N, S, S, 3), labels.npy, the part maps uint8
(N, S, S), faces.jsonl with `identity` and `points5` of each pair, and dataset.json with the names
of the parts. Shape, light, hair and noise of the camera are the same in both pictures of a pair;
only the skin differs.
"""

import json
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from common.cli import count, printable, progress, sentences
from common.files import check_writable, write_text
from data.people.person import sample_person
from data.people.view import sample_view

MARKS = 14  # moles and spots of a face, at most
# Of the complexion and the lines of a person: what is left of them by retouching.
BLOTCHES, LINES, SHADOWS, FOLDS = 0.3, 0.45, 0.4, 0.75


def blemished(person, rng):
    """A person with more spots, blotches and lines than most: `Person`."""
    spots = rng.uniform((-0.5, 6.3), (0.5, 7.9), (rng.integers(MARKS + 1), 2))
    marks = (*person.marks, *(tuple(map(float, place)) for place in spots))
    blotches = float(min(2.8, person.complexion.blotches * np.exp(rng.uniform(0.3, 1.0))))
    return replace(
        person,
        marks=marks[:MARKS],
        lines=float(person.lines * np.exp(rng.uniform(0, 0.5))),
        shadows=float(min(1.0, person.shadows + rng.uniform(0, 0.4))),
        complexion=replace(person.complexion, blotches=blotches),
    )


def retouched(person):
    """The same person without moles, scars and blotches, lines of age and shadows under the eyes
    weaker: `Person`. Freckles stay: they are a face's own."""
    return replace(
        person,
        marks=(),
        lines=LINES * person.lines,
        shadows=SHADOWS * person.shadows,
        complexion=replace(
            person.complexion,
            scar=(),
            blotches=BLOTCHES * person.complexion.blotches,
            nasolabial=FOLDS * person.complexion.nasolabial,
        ),
    )


def render_pair(renderer, i, seed):
    """One pair.

    Args:
        renderer: `data.light.render.Renderer`.
        i: its number.
        seed: of the set.

    Returns:
        (before, after): two `data.light.render.Picture`.
    """
    rng = np.random.default_rng([seed, i])
    person = blemished(sample_person(rng), rng)
    view = replace(sample_view(person, rng), style="photo")
    return renderer.render(person, view), renderer.render(retouched(person), view)


def render_pairs(n, size, seed):
    """The first `n` pairs of a set, one after another, as `render_pair`."""
    from data.light.render import Renderer

    renderer = Renderer(size)
    for i in range(n):
        yield render_pair(renderer, i, seed)


@click.command(context_settings={"show_default": True})
@click.option("--n", type=click.IntRange(1), default=800, help="Number of pairs.")
@click.option("--size", type=click.IntRange(32, 1024), default=256, help="Pixels a side.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Same seed, same pairs.")
@click.option("--out", type=Path, default=Path("data/blemishes256"), help="Folder to make.")
@sentences()
def main(n, size, seed, out):
    """Render pairs of faces with and without blemishes, for `facekit train_retoucher`."""
    from data.shape.parts import PARTS

    if out.exists():
        raise ValueError(f"{out} is there already: choose another folder for --out.")
    partial = out.with_name(out.name + ".partial")
    check_writable(partial / "images.npy")
    shape, records = (n, size, size), []
    names = {"images": (*shape, 3), "retouched": (*shape, 3), "labels": shape}
    made = {name: np.zeros(whole, np.uint8) for name, whole in names.items()}
    bar = progress(n, unit="pair")
    for i, (before, after) in enumerate(render_pairs(n, size, seed)):
        made["images"][i], made["labels"][i] = before.image, before.labels
        made["retouched"][i] = after.image
        points5 = np.round(before.points5.astype(float), 2).tolist()
        records.append(json.dumps({"identity": i, "points5": points5}) + "\n")
        bar.update()
    bar.close()
    for name, values in made.items():
        np.save(partial / f"{name}.npy", values)
    write_text("".join(records), partial / "faces.jsonl")
    settings = {"n": n, "size": size, "seed": seed, "parts": list(PARTS)}
    write_text(json.dumps(settings, indent=1) + "\n", partial / "dataset.json")
    partial.rename(out)
    click.echo(f"{printable(out)}: {count(n, 'pair')}, {size} x {size}.")


if __name__ == "__main__":
    main()
