"""From a command line to a `Request`: reading files and numbers, refusing what cannot be drawn or
written before the work begins; and drawing it with a progress bar."""

import math
import re
from pathlib import Path

import click
import numpy as np

from common.cli import check_finite, progress
from common.devices import check_memory
from common.files import check_place
from common.images import read_named
from common.sheets import fitting_zoom, grid, grid_shape, labelled_grid, save_png
from ddpm.conditions.hints import ControlImage
from ddpm.conditions.text import spoken
from ddpm.conditions.vocabulary import by_kind
from ddpm.pipeline import Request

MAX_FRAMES = 20_000  # of an animation; they are held in memory
MAX_PROMPTS = 200
BATCH = 8  # pictures computed at once
# The pairs of `Request` that frame a picture, in the order of `size_crop`: form, least number.
SIZE_CROP = {
    "original_size": ("HEIGHT,WIDTH", 1),
    "crop": ("TOP,LEFT", 0),
    "target_size": ("HEIGHT,WIDTH", 1),
}

_GUIDANCE = (
    click.option(
        "--guidance",
        type=click.FloatRange(0, 30),
        default=3.0,
        help="How strictly to keep to the words: 1 is no guidance.",
    ),
    click.option(
        "--guidance-interval",
        default="0,1",
        help="FROM,TO: shares of the way from noise to picture where guidance is at work.",
    ),
    click.option(
        "--guidance-rescale",
        type=click.FloatRange(0, 1),
        default=0.0,
        help="Against burnt colours: share of contrast to take back.",
    ),
    click.option(
        "--autoguidance",
        type=click.FloatRange(1, 30),
        default=1.0,
        help="How far away from what a weaker version of the model draws: 1 is none.",
    ),
    click.option(
        "--autoguidance-interval",
        default="0,1",
        help="FROM,TO: shares of the way from noise to picture where that is at work.",
    ),
    click.option(
        "--guide-weights",
        type=Path,
        help="The weaker version.  [default: the one written for the model]",
    ),
)


def guidance_options(command):
    """Give a command the options of guidance, by words and by a weaker version of the model."""
    for option in reversed(_GUIDANCE):
        command = option(command)
    return command


def read_request(
    prompts,
    prompt_file,
    init,
    mask,
    padding,
    whole,
    controls,
    control_weights,
    guide_weights,
    n,
    batch_size,
    guidance_interval,
    autoguidance_interval,
    **options,
):
    """The options and the files that they name as a `Request`. Where in its picture is painted is
    the caller's: `padding` and `whole` are only checked.

    Raises:
        ValueError: one sentence, where they contradict each other or cannot be read.
    """
    prompts = (*prompts, *(_read_prompts(prompt_file) if prompt_file else ()))
    if len(prompts) > MAX_PROMPTS:
        raise ValueError(f"at most {MAX_PROMPTS} prompts make a grid. Received: {len(prompts)}.")
    interval = _interval("--guidance-interval", guidance_interval)
    autoguidance_interval = _interval("--autoguidance-interval", autoguidance_interval)
    numbers = ("guidance", "guidance_rescale", "autoguidance", "strength", "eta")
    check_finite(padding=padding, **{name: options[name] for name in numbers})
    for name, (form, least) in SIZE_CROP.items():
        if options[name]:
            option = f"--{name.replace('_', '-')}"
            options[name] = read_pair(option, options[name], form, least, 10_000, int)
    if options["negative"] and options["guidance"] == 1:
        raise ValueError("--negative needs --guidance other than 1, which is no guidance.")
    if guide_weights and options["autoguidance"] == 1:
        raise ValueError("--guide-weights needs --autoguidance other than 1, which is none.")
    if control_weights and not controls:
        raise ValueError("--control-weights needs a control picture: add --control KIND=FILE.")
    for name, value in (
        ("--mask", mask),
        ("--strength", options["strength"]),
        ("--whole", whole),
    ):
        if value and not init:
            raise ValueError(f"{name} needs a picture to begin with: add --init FILE.")
    if padding is not None and (whole or not mask):
        raise ValueError("--padding is the margin round a mask: add --mask FILE, leave --whole.")
    if options["inpaint"] and not mask:
        raise ValueError("--inpaint needs to know where: add --mask FILE.")
    n = n or (6 if len(prompts) > 1 else 1 if init else 64)
    most = n * max(1, len(prompts)) if init else BATCH
    return Request(
        n=n,
        prompts=prompts,
        batch_size=batch_size or min(most, BATCH),
        guidance_interval=interval,
        autoguidance_interval=autoguidance_interval,
        controls=tuple(ControlImage.parse(words) for words in controls),
        image=read_named(init, "picture to begin with") if init else None,
        mask=read_named(mask, "mask", "black")[..., 0] if mask else None,
        **options,
    )


def _read_prompts(path):
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ValueError(f"cannot read the prompts in {path}: {reason}.") from None
    lines = [line.strip() for line in lines]
    prompts = [line for line in lines if line and not line.startswith("#")]
    if not prompts:
        raise ValueError(f"there is no prompt in {path}; write one a line.")
    return prompts


def _interval(name, text):
    """Read two shares that rise."""
    interval = read_pair(name, text, "FROM,TO", 0, 1)
    if interval[0] >= interval[1]:
        raise ValueError(f"{name} must rise. Received: {text}.")
    return interval


def read_pair(name, text, form, least, most, kind=float):
    """Read two numbers with a comma between them.

    Args:
        name: of the option or the field, for the sentence.
        text: str.
        form: what it looks like, such as "TOP,LEFT".
        least, most: of each number.
        kind: int or float.

    Returns:
        Two of that kind.

    Raises:
        ValueError: one sentence.
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*,\s*(\d+\.?\d*)\s*", text)
    numbers = [float(word) for word in match.groups()] if match else []
    whole = kind is float or all(number == int(number) for number in numbers)
    if not numbers or not whole or not all(least <= number <= most for number in numbers):
        what = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"{name} is {form}, {what} from {least} to {most}. Received: {text!r}.")
    return tuple(kind(number) for number in numbers)


def check_outputs(inputs, out, each, gif):
    """Refuse at once what could not be written at the end, or only over what is read.

    Args:
        inputs: paths of the pictures that are read.
        out, each, gif: the grid, a folder for single pictures, an animation; None for none.

    Raises:
        ValueError: one sentence.
    """
    for path in inputs:
        there = path.resolve()
        single = each and there.parent == each.resolve() and re.fullmatch(r"\d{5,}\.png", path.name)
        if single or there in {p.resolve() for p in (out, gif) if p}:
            raise ValueError(f"{path} would be written over; choose another place for the results.")
    for path, ending in ((out, ".png"), (gif, ".gif")):
        if path and (path.suffix.lower() != ending or path.is_dir()):
            raise ValueError(f"{path} should be a file that ends in {ending}.")
    for path in (out, gif, each and each / "00000.png"):
        if path:
            check_place(path)


def check_sizes(request, shape, zoom, gif):
    """Refuse more pictures, or a larger sheet, than the memory holds.

    Args:
        request: a `Request`.
        shape: (height, width) of its pictures, pixels.
        zoom: of the sheet; None for what fits a screen.
        gif: whether an animation of them is wanted.

    Returns:
        int: the zoom.

    Raises:
        ValueError: one sentence that says the size.
    """
    frames = request.total * request.steps
    if gif and frames > MAX_FRAMES:
        raise ValueError(
            f"an animation holds at most {MAX_FRAMES} pictures, --n times --steps. "
            f"Received: {frames}."
        )
    columns = request.n if len(request.prompts) > 1 else None
    zoom = zoom or fitting_zoom(request.total, *shape, columns)
    height, width = grid_shape(request.total, *shape, columns, zoom=zoom)
    pages = 2 + (request.steps if gif else 0)  # of a sheet: its own bytes and the encoder's copy
    check_memory(
        3 * (2 * request.total * math.prod(shape) + pages * height * width),
        f"{request.total:,} pictures on a sheet of {width:,} x {height:,} pixels",
    )
    return zoom


def draw(pipeline, request, keep_frames):
    """Draw with a progress bar. Returns the pictures, uint8 (total, S, S, 3), and x0_hat of every
    step, uint8 (steps, total, S, S, 3), or none."""
    steps = pipeline.visited(request)
    shape = (steps if keep_frames else 0, request.total, pipeline.size, pipeline.size, 3)
    frames = np.zeros(shape, np.uint8)
    with progress(steps * request.total, "sampling", "step") as bar:

        def observe(indices, i, pictures):
            bar.update(len(indices))
            if keep_frames:
                frames[i, indices.start : indices.stop] = pictures

        return pipeline.draw(request, observe), frames


def sheet(pictures, request, zoom):
    """Pictures of a request as one: a grid, or a row for each prompt behind its words.

    Args:
        pictures: uint8 (request.total, H, W, 3).
        request: `Request`.
        zoom: whole number by which each pixel is repeated.

    Returns:
        uint8 (H', W', 3).
    """
    if len(request.prompts) < 2:
        return grid(pictures, zoom=zoom)
    rows = pictures.reshape(len(request.prompts), request.n, *pictures.shape[1:])
    return labelled_grid(rows, request.prompts, zoom)


def save_each(pictures, request, texts, folder, recipe, save=save_png):
    """Write the pictures of a request one by one.

    Args:
        pictures: as of `sheet`; `request`: likewise.
        texts: the prompt of each picture.
        folder: a `Path`.
        recipe: of all of them.
        save: (picture, path, recipe) -> None.
    """
    for i, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        own = {"prompt": text, "picture": i % request.n}
        save(picture, folder / f"{i:05d}.png", {**recipe, **own})


def list_words(vocabulary, name):
    """Print the words that a model knows, by kind.

    Raises:
        ValueError: if it knows none.
    """
    if not vocabulary:
        raise ValueError(f"{name} was trained without words.")
    for kind, words in by_kind(spoken(vocabulary)).items():
        click.echo(f"{kind}: {', '.join(words)}")
