"""From a trained network to uint8 pictures, grids, animations and PNG files with their recipe."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from ddpm.checkpoint import replaced
from ddpm.samplers import SAMPLERS, PictureNoise
from ddpm.schedule import SPACINGS


def draw(
    denoise,
    schedule,
    n,
    shape,
    sampler="ddim",
    spacing="uniform",
    steps=50,
    seed=0,
    batch_size=8,
    observe=None,
    wrap=None,
    period=None,
    start=None,
    **options,
):
    """Draw n pictures. Picture i depends on the seed and i alone, not on n.

    Every batch has the full size (spare places are computed and thrown away), because a network's
    last bits depend on the batch size.

    Args:
        denoise: (x_t, t) -> x0_hat.
        schedule: a `Schedule`.
        n: number of pictures, at least 1.
        shape: (H, W, C).
        sampler: a word of `SAMPLERS`, or a function of that form.
        spacing: a word of `SPACINGS`.
        steps: 1..T.
        seed: int, at least 0.
        batch_size: pictures computed at once.
        observe: optional (pictures, i, x0_hat) -> None: the indices of the batch's pictures, the
            step and what the network makes of them, float32 (len(pictures), H, W, C).
        wrap: optional (denoise, pictures) -> denoise: what is told of a batch, by a wrapper of
            `guidance.py`. In a last batch that is not full the indices go on beyond n.
        period: pictures i and i + period share their noise, to compare what they were told.
        start: optional (timesteps, eps) -> (timesteps, x): the levels to visit and where to begin,
            for pictures that do not begin as noise alone (`inpaint.begin`).
        options: the sampler's own (eta, s_churn, ...).

    Returns:
        uint8 (n, H, W, C).

    Raises:
        ValueError: for an unknown sampler or spacing, or steps beyond T.
    """
    sample = sampler if callable(sampler) else _word(SAMPLERS, "sampler", sampler)
    timesteps = _word(SPACINGS, "spacing", spacing)(schedule, steps)
    images = []
    for first in range(0, n, batch_size):
        indices = range(first, min(first + batch_size, n))
        places = range(first, first + batch_size)
        noise = PictureNoise(seed, [i % (period or n + batch_size) for i in places], shape)
        wrapped = denoise if wrap is None else wrap(denoise, places)
        tell = None
        if observe is not None:

            def tell(i, x0_hat, indices=indices):
                observe(indices, i, x0_hat[: len(indices)])

        levels, x = (timesteps, noise()) if start is None else start(timesteps, noise())
        x0 = sample(wrapped, schedule, levels, x, noise, observe=tell, **options)
        images.append(to_uint8(x0[: len(indices)]))
    return np.concatenate(images)


def to_uint8(x):
    """[-1, 1] to 0..255: float (..., H, W, C) -> uint8 of the same shape."""
    return np.rint(np.clip((np.asarray(x) + 1.0) * 127.5, 0, 255)).astype(np.uint8)


def to_float(images):
    """Undo `to_uint8`: uint8 (..., H, W, C) -> float32 in [-1, 1] of the same shape."""
    return images.astype(np.float32) / 127.5 - 1.0


def read_picture(path, what="picture", ground="white"):
    """Read a picture file of any kind, upright.

    Args:
        path: of the file.
        what: it is called in errors.
        ground: colour behind what is transparent.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        with Image.open(path) as file:
            return np.asarray(_opaque(ImageOps.exif_transpose(file), ground))
    except FileNotFoundError:
        raise ValueError(f"there is no {what} {path}.") from None
    except Image.DecompressionBombError:
        raise ValueError(f"the {what} {path} is too large; make it smaller.") from None
    except Exception as error:  # a damaged picture surfaces as almost any type
        raise ValueError(
            f"the {what} {path} cannot be read; name a picture that opens in an image viewer."
        ) from error


def _opaque(picture, ground):
    """A picture of any kind as RGB: what is transparent lies on a ground."""
    if picture.mode.startswith("I"):  # 16 bits; conversion would cut off what is above 255
        levels = np.asarray(picture).astype(np.float64)
        picture = Image.fromarray(np.uint8(levels / 257 if levels.max() > 255 else levels))
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, ground), picture).convert("RGB")


def middle(picture, size):
    """The largest part in a picture's middle that has the proportions of a size.

    Args:
        picture: uint8 (H, W, 3).
        size: (h, w).

    Returns:
        uint8 (H', W', 3).
    """
    height, width = picture.shape[:2]
    side = min(width / size[1], height / size[0])
    across, down = max(1, round(side * size[1])), max(1, round(side * size[0]))
    left, top = (width - across) // 2, (height - down) // 2
    return picture[top : top + down, left : left + across]


def resize(picture, size, cells=False):
    """A picture at another size: averaged down, or enlarged by cubic interpolation.

    Args:
        picture: uint8 (H, W, 3).
        size: (h, w).
        cells: enlarge without interpolation.

    Returns:
        uint8 (h, w, 3).
    """
    if picture.shape[:2] == tuple(size):
        return picture
    enlarge = cv2.INTER_NEAREST if cells else cv2.INTER_CUBIC
    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    way = cv2.INTER_AREA if smaller else enlarge
    return cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=way)


def grid(images, columns=None, gap=2, zoom=1):
    """Lay pictures out in rows on white.

    Args:
        images: uint8 (N, H, W, 3).
        columns: pictures a row; as near to a square as it goes when None.
        gap: pixels between pictures.
        zoom: whole number by which each pixel is repeated.

    Returns:
        uint8 (H', W', 3).
    """
    n, height, width, channels = images.shape
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    rows = math.ceil(n / columns)
    images = images.repeat(zoom, 1).repeat(zoom, 2)
    height, width = height * zoom, width * zoom
    page = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8
    )
    for i, image in enumerate(images):
        y, x = i // columns * (height + gap), i % columns * (width + gap)
        page[y : y + height, x : x + width] = image
    return page


def labelled(images, labels, zoom=1, gap=2, width=190):
    """Rows of pictures with what they show to the left of each.

    Args:
        images: uint8 (R, N, H, W, 3): R rows of N pictures.
        labels: R strings.
        zoom: whole number by which each pixel is repeated.
        gap: pixels between pictures.
        width: of the labels, pixels.

    Returns:
        uint8 (H', W', 3).
    """
    rows = [grid(row, columns=len(row), gap=gap, zoom=zoom) for row in images]
    page = Image.new("RGB", (width + rows[0].shape[1], sum(len(r) + gap for r in rows)), "white")
    pen = ImageDraw.Draw(page)
    top = 0
    for row, label in zip(rows, labels, strict=True):
        page.paste(Image.fromarray(row), (width, top))
        size = 13
        while True:  # smaller letters where the row is low, then fewer
            font = ImageFont.load_default(size)
            text = _wrapped(label, width - 10, lambda words, font=font: pen.textlength(words, font))
            box = pen.multiline_textbbox((0, 0), text, font, spacing=2)
            if box[3] <= len(row) or size <= 8:
                break
            size -= 1
        while box[3] > len(row) and len(text) > 1:
            text = text[:-2] + "…"
            box = pen.multiline_textbbox((0, 0), text, font, spacing=2)
        place = (4, top + max(0, (len(row) - box[3]) // 2))
        pen.multiline_text(place, text, "black", font, spacing=2)
        top += len(row) + gap
    return np.asarray(page)[: top - gap]


def _wrapped(text, width, length):
    """A text in lines that are at most `width` long, where its words are."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and length(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def save_png(image, path, recipe=None):
    """Write a PNG, whole or not at all, that says how it was made.

    Args:
        image: uint8 (H, W, 3).
        path: the file; its folder is made.
        recipe: what JSON can hold, stored as text under "recipe" beside the note that the picture
            is generated.

    Raises:
        OSError: if it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = png_text(recipe, "Generated by a diffusion model; not a photograph of a person.")
    with replaced(path) as partial:
        Image.fromarray(image).save(partial, format="PNG", pnginfo=text)


def png_text(recipe, comment):
    """What a PNG of ours says of itself: Pillow's `PngInfo` of a recipe, what JSON can hold, and a
    comment."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "Portraits from scratch")
    text.add_text("Comment", comment)
    text.add_text("recipe", json.dumps(recipe or {}))
    return text


def save_gif(frames, path, seconds=4.0, hold=1.5):
    """Write an animation that ends on its last frame for a while.

    Args:
        frames: list of uint8 (H, W, 3).
        path: the file; its folder is made.
        seconds: of the whole but its end.
        hold: seconds on the last frame.

    Raises:
        OSError: if it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pages = [Image.fromarray(frame) for frame in frames]
    # GIF counts in hundredths of a second, and players slow down what is faster than two of them.
    each = max(20, round(1000 * seconds / len(pages) / 10) * 10)
    durations = [each] * (len(pages) - 1) + [round(1000 * hold)]
    with replaced(path) as partial:
        pages[0].save(
            partial,
            format="GIF",
            save_all=True,
            append_images=pages[1:],
            duration=durations,
            loop=0,
        )


def _word(table, what, word):
    if word not in table:
        raise ValueError(f"unknown {what} {word!r}; choose one of {', '.join(table)}.")
    return table[word]
