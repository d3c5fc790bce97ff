"""A trained model in, pictures out: `python sample.py --n 64`. How a request is drawn is in
ddpm/pipeline.py; here are the options, and the files that are written."""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from common.cli import count, note, printable, sentences
from common.devices import one_core_per_micro_batch
from common.sheets import save_gif, save_png
from ddpm import cli
from ddpm.adapters import load_addon, parse_adapter
from ddpm.bundle import default_weights, find_bundle, read_preset, vocabulary_of
from ddpm.conditions.hints import parse_control
from ddpm.conditions.identity import check_face
from ddpm.conditions.inpaint import METHODS
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import SPACINGS
from ddpm.pipeline import Pipeline, check_request
from ddpm.tokens import preset_with_words

DISK_FULL = "the disk is full; make room and draw again."


@click.command(context_settings={"show_default": True})
@click.option(
    "--n",
    type=click.IntRange(1),
    help="Number of pictures; with several prompts, of each.  [default: 64; 6; 1 with --init]",
)
@click.option(
    "--weights",
    type=Path,
    help="Run folder, weights file, or a shipped model's name.  [default: portraits64]",
)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    help="What to draw; may be repeated; '' leaves it open.  [default: captions it learned from]",
)
@click.option("--prompts", "prompt_file", type=Path, help="File of prompts, one a line.")
@click.option("--negative", default="", help="What to keep away from.")
@click.option("--strict", is_flag=True, help="Refuse words that the model does not know.")
@click.option(
    "--words", "list_words", is_flag=True, help="List the words that the model knows, and stop."
)
@cli.guidance_options
@click.option("--crop", help="TOP,LEFT: corner of the window, pixels.  [default: 0,0]")
@click.option(
    "--original-size", help="HEIGHT,WIDTH: of the file it would come from.  [default: sharp]"
)
@click.option(
    "--target-size", help="HEIGHT,WIDTH: of the whole, windows are cut from it.  [default: all]"
)
@click.option(
    "--control",
    "controls",
    multiple=True,
    help="KIND=FILE[:STRENGTH[:FROM-TO]]; may be repeated. Kinds: canny, colour, tile, points.",
)
@click.option(
    "--control-weights",
    type=Path,
    help="Control branch.  [default: the one trained over the model]",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    help="FILE.safetensors[:STRENGTH]: of a person or a style; may be repeated. A file of learned "
    "words has no strength.",
)
@click.option("--face", type=Path, help="Photo of who is to be seen, of a model with identities.")
@click.option("--init", type=Path, help="Photo to paint in: in --mask, else in its head's square.")
@click.option("--mask", type=Path, help="Where to paint, white, in --init; the rest stays.")
@click.option(
    "--padding",
    type=click.FloatRange(0, 10),
    help="Margin to see round --mask, in parts of its longer side.  [default: the head's square; "
    "0.5 where there is none]",
)
@click.option("--whole", is_flag=True, help="See all of the middle of --init, not the head alone.")
@click.option(
    "--strength",
    type=click.FloatRange(0, 1, min_open=True),
    help="How far back to noise --init is taken.  [default: 1 with --mask, else 0.6]",
)
@click.option(
    "--inpaint",
    type=click.Choice(METHODS),
    help="How --mask is kept to.  [default: network where the model was trained to, else project]",
)
@click.option("--sampler", default="dpmpp_2m", help=f"One of {', '.join(SAMPLERS)}.")
@click.option("--spacing", default="karras", help=f"Which levels to visit: {', '.join(SPACINGS)}.")
@click.option("--steps", type=click.IntRange(1), default=10, help="Levels to visit.")
@click.option("--eta", type=click.FloatRange(0, 1), default=0.0, help="Fresh noise of ddim.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    help="Picture i depends on it and on i, not on --n.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 1024),
    help="Pictures computed at once.  [default: 8; with --init no more than are drawn]",
)
@click.option("--out", type=Path, default="samples.png", help="The grid.")
@click.option("--each", type=Path, help="Folder for single pictures besides.")
@click.option("--gif", type=Path, help="Animation of the denoising besides.")
@click.option(
    "--zoom",
    type=click.IntRange(1, 16),
    help="Pixels of the grid to a pixel.  [default: what fits a screen; 1 with --init]",
)
@sentences(DISK_FULL)
def main(weights, list_words, adapters, face, out, each, gif, zoom, **options):
    """Draw pictures with a trained model."""
    inputs = [path for path in (options["init"], options["mask"], face) if path]
    inputs += [parse_control(words)[1] for words in options["controls"]]
    cli.check_outputs(inputs, out, each, gif)
    request = cli.read_request(**options)
    addons = [load_addon(*parse_adapter(words)) for words in adapters]
    path = find_bundle(weights or default_weights(words=request.has_words or list_words))
    preset = preset_with_words(read_preset(path), addons, path)
    if list_words:
        cli.list_words(vocabulary_of(preset), path)
        return
    check_request(request, preset, path)
    size, place, notes = preset.size, None, []
    square_zoom = cli.check_sizes(request, (size, size), zoom, gif)
    zoom = zoom or (square_zoom if request.image is None else 1)
    if face:
        check_face(None, preset.network.conditions, path)
    if face or request.image is not None:
        from portrait import photograph  # here, for it loads the face detector
    if face:
        *person, notes = photograph.find_person(face)
    if request.image is not None:
        where = (options[key] for key in ("padding", "whole"))
        place = photograph.find_place(request, options["init"], size, *where)
        request, notes = place.ask(request, size), [*notes, *place.notes]
        cli.check_sizes(request, place.photograph.shape[:2], zoom, None)
    micro_batches = one_core_per_micro_batch(request.batch_size)  # before the backend starts
    control = (options["control_weights"] or "default") if request.effective().controls else None
    guide = (options["guide_weights"] or "default") if request.autoguidance != 1 else None
    pipeline = Pipeline.load(path, control, micro_batches=micro_batches, guide=guide, addons=addons)
    if face:
        request = replace(request, face=photograph.embed_person(*person))
    for sentence in (*notes, *pipeline.notes(request)):
        note(sentence)
    squares, frames = cli.draw(pipeline, request, bool(gif))
    cell = pipeline.model.codec.stride
    images = np.stack([place.put_back(s, cell) for s in squares]) if place else squares
    files = {"face": face, "init": options["init"], "mask": options["mask"]}
    recipe = pipeline.recipe(request)
    recipe |= {key: file.name for key, file in files.items() if file}
    recipe |= {"square": place.recipe} if place else {}

    save = place.save if place else save_png
    if zoom == request.total == 1:
        save(images[0], out, recipe)
    else:
        save_png(cli.sheet(images, request, zoom), out, recipe)
    if each:
        cli.save_each(images, request, pipeline.prompts(request), each, recipe, save)
    if gif:
        save_gif([cli.sheet(frame, request, square_zoom) for frame in (*frames, squares)], gif)
    written = ", ".join(printable(path) for path in (out, each, gif) if path)
    click.echo(f"{count(request.total, 'picture')} from {printable(path)}: {written}")


if __name__ == "__main__":
    main()
