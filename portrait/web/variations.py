"""What "Draw" does with a picture that is there, and with two settings at once: a variation by
image-to-image, an enlargement, a grid of two settings."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.cli import count
from common.files import sha256
from common.images import read_image
from common.sheets import fitting_zoom, labelled_grid, read_recipe, save_png
from ddpm import cli
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import SPACINGS
from portrait.web import drawing
from portrait.web.drawing import View

ENLARGED = 4  # times as large
MOST = 8  # values of a setting in a grid
# What can be varied in a grid, and how a value is read.
AXES = {"guidance": float, "steps": int, "seed": int, "sampler": str, "spacing": str}
AXES |= {"prompt": str, "negative": str}


@dataclass(frozen=True)
class Plot:
    """Two settings of a grid.

    Args:
        across, down: words of `AXES`.
        columns, rows: their values, separated by commas; of prompts by "|".
    """

    across: str = "guidance"
    columns: str = "1, 2, 4, 8"
    down: str = "steps"
    rows: str = "4, 8, 16"


def vary(studio, form, path, strength, job):
    """Draw variations of a picture: take it back to noise in part, and on from there.

    Args:
        studio: `studio.Studio`.
        form: `drawing.Form`.
        path: of a picture, or None.
        strength: how far back, in (0, 1).
        job: `jobs.Job`.

    Yields:
        `View`, as `drawing.draw`.
    """
    yield from drawing.explained(_vary(studio, form, path, strength, job))


def _vary(studio, form, path, strength, job):
    if path is None:
        raise ValueError("choose a picture first: click on it.")
    if not 0 < drawing.number("strength", strength) < 1:
        raise ValueError(f"strength lies between 0 and 1. Received: {strength}.")
    pipeline, form = studio.pipeline, drawing.settled(form)
    image = read_image(path)
    request = drawing.request_of(form, pipeline.size)
    request = replace(request, image=image, strength=strength)
    drawing.check(studio, request)
    varied = {"varied_from": Path(path).name, "varied_sha256": sha256(path)}

    def save(images, recipe):
        texts, folder = pipeline.prompts(request)[: len(images)], studio.new_folder()
        cli.save_each(images, request, texts, folder, recipe | varied)
        return sorted(folder.iterdir())

    yield from drawing.kept(studio, request, job, tuple(pipeline.notes(request)), save)


def enlarge(studio, path):
    """Enlarge a picture, without the model: it gets no detail that was not there.

    Args:
        studio: `studio.Studio`.
        path: of a PNG made here, or None.

    Returns:
        Path of the larger one, which carries the recipe.

    Raises:
        ValueError: one sentence.
    """
    from facekit import retouch

    if path is None:
        raise ValueError("choose a picture first: click on it.")
    recipe, file = read_recipe(path), studio.new_folder() / "enlarged.png"
    if "enlarged" in recipe:
        raise ValueError("the picture is enlarged already.")
    larger = retouch.upscale(read_image(path), factor=ENLARGED)
    save_png(larger, file, {**recipe, "enlarged": ENLARGED})
    return file


# --- a grid of two settings


def plot(studio, form, axes, job):
    """Draw one picture for each pair of two settings' values, from the same noise.

    Args:
        studio: `studio.Studio`.
        form: `drawing.Form`; its number is not used.
        axes: `Plot`.
        job: `jobs.Job`.

    Yields:
        `View`: the grid so far; then its file.
    """
    yield from drawing.explained(_plot(studio, form, axes, job))


def _plot(studio, form, axes, job):
    columns, rows = values_of(axes.across, axes.columns), values_of(axes.down, axes.rows)
    if axes.across == axes.down:
        raise ValueError("the two settings of a grid must be different ones.")
    form = replace(drawing.settled(form), n=1, new_seed=False)
    size = studio.pipeline.size
    cells = {
        (i, j): drawing.request_of(replace(form, **{axes.across: column, axes.down: row}), size)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    }
    for request in cells.values():  # all of them, before the first is drawn
        drawing.check(studio, request)
    pictures = np.full((len(rows), len(columns), size, size, 3), drawing.UNKNOWN, np.uint8)
    for done, ((i, j), request) in enumerate(cells.items()):
        *_, (_, drawn) = drawing.steps_of(studio, request, job)
        if job.stopped:
            yield View("Stopped.")
            return
        pictures[i, j] = drawn[0]
        status = f"{done + 1} of {count(len(cells), 'picture')}."
        yield View(status, (done + 1) / len(cells), _sheet(pictures, axes, columns, rows))
    recipe = studio.pipeline.recipe(request)
    for name in (axes.across, axes.down):
        recipe.pop({"prompt": "prompts"}.get(name, name), None)
    recipe["grid"] = {"across": [axes.across, columns], "down": [axes.down, rows]}
    file = studio.new_folder() / "grid.png"
    save_png(_sheet(pictures, axes, columns, rows), file, recipe)
    yield View(f"{count(len(cells), 'picture')}.", files=(file,), seed=int(form.seed))


def _sheet(pictures, axes, columns, rows):
    """The grid with its axes: uint8 (H, W, 3)."""
    size = pictures.shape[2]
    zoom = max(1, fitting_zoom(len(rows) * len(columns), size, size, len(columns)))
    labels = [f"{axes.down} {_said(value)}" for value in rows]
    heads = [f"{axes.across} {_said(value)}" for value in columns]
    return labelled_grid(pictures, labels, zoom, heads=heads, width=120)


def _said(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def values_of(name, text):
    """The values of a setting: list.

    Args:
        name: a word of `AXES`.
        text: as of `Plot`.

    Raises:
        ValueError: one sentence.
    """
    if name not in AXES:
        raise ValueError(f"a grid's setting is one of {', '.join(AXES)}.")
    mark = "|" if name in ("prompt", "negative") else ","
    words = [word.strip() for word in (text or "").split(mark)]
    words = [word for word in words if word]
    if not 1 <= len(words) <= MOST:
        raise ValueError(f"{name} takes 1 to {MOST} values, separated by {mark!r}.")
    known = {"sampler": SAMPLERS, "spacing": SPACINGS}.get(name, words)
    values = []
    for word in words:
        try:
            values.append(AXES[name](word))
        except ValueError:
            values.append(None)
        if values[-1] is None or word not in known:
            raise ValueError(f"{name} cannot be {word[: drawing.MAX_QUOTED]!r}.")
    return values
