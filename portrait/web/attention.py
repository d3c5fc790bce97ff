"""What "How it works" shows of attention: what a pixel looks at, and where a word is looked at."""

from dataclasses import dataclass

import cv2
import numpy as np

from common.images import resize
from ddpm.conditions.text import tokenizer_of
from portrait.web import drawing, markup
from portrait.web.lecture import source_of

SIDE = 160  # px of a picture under a map
TINT = np.array([255, 96, 0], np.float32)


@dataclass(frozen=True)
class Maps:
    """What attention layers look at, at one level of a picture's way.

    Args:
        picture: uint8 (S, S, 3), x0_hat there.
        pixels: list of float32 (H, W, H, W), of each self-attention: from a pixel to every pixel.
        words: {word: float32 (H, W)}: how much each pixel looks at the word, the mean of all
            cross-attention layers on the finest grid that has one.
        t: the timestep.
    """

    picture: np.ndarray
    pixels: list
    words: dict
    t: int


def look(studio, way, i, job):
    """Call the network at a level, with the prompt and without guidance, and note its attention.

    Args:
        studio: `studio.Studio`.
        way: `lecture.Way`, or None.
        i: step of it.
        job: `jobs.Job`.

    Yields:
        (`drawing.View`, `Maps` or None).
    """
    yield from drawing.explained(_look(studio, way, i, job), lambda view: (view, None))


def _look(studio, way, i, job):
    from ddpm.nets.attention_maps import attention_maps

    if way is None:
        raise ValueError("there is no way yet: press Draw its way.")
    i = int(np.clip(i or 0, 0, len(way.timesteps) - 1))
    pipeline = studio.pipeline
    with studio.model:
        if job.stopped:
            yield drawing.View("Stopped before it began."), None
            return
        yield drawing.View("Calling the network ...", 0.0), None
        condition = pipeline.condition(way.request)
        t = np.int32(way.timesteps[i : i + 1])
        inputs = (way.x_t[i : i + 1], t, *([condition] if condition else []))
        selves, crosses = attention_maps(pipeline.model.network, *inputs)
    if not selves and not crosses:
        raise ValueError("this model's network has no attention.")
    prompt = (way.request.prompts or ("",))[0]
    picture = resize(way.decode(way.x0_hat[i : i + 1])[0], SIDE, enlarge="nearest")
    words = _words(pipeline, prompt, crosses)
    maps = Maps(picture, [one[0] for one in selves], words, int(t[0]))
    without = () if words else ("No words were said, so there are none to look at.",)
    yield drawing.View(f"Attention at t = {maps.t}.", notes=without), maps


def _words(pipeline, prompt, crosses):
    """Each word's map: {word: float32 (H, W)}."""
    settings = pipeline.conditions.get("text")
    if not crosses or settings is None or not prompt:
        return {}
    tokenizer = tokenizer_of(settings)
    said = tokenizer.read(prompt)
    finest = max(one.shape[1:3] for one in crosses)
    mean = np.mean([one[0] for one in crosses if one.shape[1:3] == finest], axis=0)
    # The first token is START, which stands for the whole; then a token a word.
    return {word: mean[..., 1 + k] for k, word in enumerate(said) if 1 + k < mean.shape[-1]}


def shown(maps, across, down):
    """The maps over the picture: HTML.

    Args:
        maps: `Maps`.
        across, down: of the pixel, in shares of the picture.
    """
    from ddpm.nets.layers import attention_weights

    source, figures = source_of(attention_weights), []
    for layer, weights in enumerate(maps.pixels, 1):
        height, width = weights.shape[:2]
        row, column = min(int(down * height), height - 1), min(int(across * width), width - 1)
        picture = _marked(over(maps.picture, weights[row, column]), across, down)
        text = f"layer {layer}, {width} x {height}: what the marked pixel looks at"
        figures.append(markup.figure(markup.picture(picture, text), text, source))
    words = []
    for word, weights in maps.words.items():
        text = f"{word}: up to {weights.max():.0%} of a pixel's attention"
        picture = markup.picture(over(maps.picture, weights), text)
        words.append(markup.figure(picture, text))
    line = "softmax(q k^T / sqrt(d)), the mean of the heads"
    where = f"<p>{markup.escape(line)} <code>{source}</code></p>"
    return (
        f'<div class="equations">{where}</div><div class="cells">{"".join(figures)}</div>'
        f'<div class="cells">{"".join(words)}</div>'
    )


def over(picture, weights):
    """A map as a tint over a picture, full where its largest weight is.

    Args:
        picture: uint8 (S, S, 3).
        weights: float32 (H, W), at least 0.

    Returns:
        uint8 (S, S, 3).
    """
    low, high = float(weights.min()), float(weights.max())
    share = (weights - low) / max(high - low, 1e-9)
    share = cv2.resize(share.astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    grey = picture.mean(-1, keepdims=True) * 0.6
    mixed = grey + share[..., None] * (TINT - grey)
    return np.rint(mixed).clip(0, 255).astype(np.uint8)


def _marked(picture, across, down):
    """A picture with a ring round a place, in shares of it."""
    height, width = picture.shape[:2]
    place = (int(across * (width - 1)), int(down * (height - 1)))
    return cv2.circle(picture.copy(), place, 5, (60, 150, 255), 2, cv2.LINE_AA)
