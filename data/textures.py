"""Pictures of no face, made up: what an autoencoder has to see beside renders, because people bring
photographs to it.

    python -m data.textures --n 2000 --out data/textures256

Noise of many frequencies, stripes and checks, weaves, leaves, shapes with gradients, and text. No
photograph goes in.
"""

from pathlib import Path

import click
import numpy as np

from common.cli import progress, sentences

WORDS = (
    "light shadow portrait window garden river letter market quiet morning silver paper stone "
    "bridge winter copper orange violet 1987 2045 3.14 & % ? ! A B C D E F G"
).split()


def make_texture(size, rng):
    """One picture.

    Args:
        size: height and width, pixels.
        rng: NumPy generator.

    Returns:
        uint8 (size, size, 3).
    """
    kinds = (_clouds, _stripes, _weave, _leaves, _shapes, _text)
    x = kinds[rng.integers(len(kinds))](size, rng)
    if rng.random() < 0.4:  # one on another, through a mask of a third
        other = kinds[rng.integers(len(kinds))](size, rng)
        mask = _noise(size, rng, rng.uniform(1.5, 2.5)) > rng.uniform(-0.5, 0.5)
        x = np.where(mask[..., None], x, other)
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def _noise(size, rng, exponent):
    """Noise whose amplitude falls as 1 / frequency^exponent, mean 0 and deviation 1: (S, S)."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    f[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) / f**exponent
    spectrum[0, 0] = 0.0
    x = np.fft.irfft2(spectrum, s=(size, size))
    return x / x.std()


def _palette(rng, n):
    """n colours of one share of saturation, float (n, 3) in 0..255."""
    colours = rng.uniform(0, 255, (n, 3))
    grey = colours.mean(1, keepdims=True)
    return grey + rng.random() * (colours - grey)


def _blend(t, rng):
    """A map t, (S, S), to colours along a random palette."""
    colours = _palette(rng, 4)
    place = (t - t.min()) / max(float(np.ptp(t)), 1e-6) * (len(colours) - 1)
    low = np.minimum(place.astype(int), len(colours) - 2)
    share = (place - low)[..., None]
    return colours[low] * (1 - share) + colours[low + 1] * share


def _clouds(size, rng):
    return (
        _blend(_noise(size, rng, rng.uniform(0.5, 2.5)), rng)
        + 10 * rng.random() * _noise(size, rng, 0.0)[..., None]
    )


def _waves(size, rng, period):
    y, x = np.mgrid[:size, :size]
    angle = rng.uniform(0, np.pi)
    bend = rng.uniform(0, 2) * _noise(size, rng, 2.5)
    return (x * np.cos(angle) + y * np.sin(angle)) / period + bend


def _stripes(size, rng):
    a, b = _palette(rng, 2)
    wave = np.sin(2 * np.pi * _waves(size, rng, np.exp(rng.uniform(np.log(3), np.log(60)))))
    if rng.random() < 0.5:  # checks
        wave = wave * np.sin(2 * np.pi * _waves(size, rng, np.exp(rng.uniform(np.log(6), 4))))
    sharp = np.exp(rng.uniform(0, 3))
    t = (0.5 + 0.5 * np.tanh(sharp * wave))[..., None]
    return a * t + b * (1 - t)


def _weave(size, rng):
    period = rng.uniform(2.5, 12)
    y, x = np.mgrid[:size, :size] / period
    across, along = np.sin(np.pi * x) ** 2, np.sin(np.pi * y) ** 2
    over = (np.floor(x) + np.floor(y)) % 2 == 0
    t = np.where(over, across, along) * (1 + 0.1 * _noise(size, rng, 0.3))
    base = _blend(_noise(size, rng, 2.0), rng)
    return base * (0.5 + 0.5 * t[..., None])


def _leaves(size, rng):
    import cv2

    x = _blend(_noise(size, rng, 2.0), rng) * 0.4
    hue = rng.uniform(0, 255, 3)
    for _ in range(int(np.exp(rng.uniform(np.log(40), np.log(600))))):
        centre, length = rng.uniform(0, size, 2), np.exp(rng.uniform(np.log(3), np.log(size / 6)))
        axes = (max(1, int(length)), max(1, int(length * rng.uniform(0.1, 0.6))))
        colour = np.clip(hue * rng.uniform(0.3, 1.3) + rng.normal(0, 20, 3), 0, 255)
        place = (*map(int, centre),)
        cv2.ellipse(x, place, axes, rng.uniform(0, 360), 0, 360, colour.tolist(), -1, cv2.LINE_AA)
        if length > 8:
            tip = tuple(int(v) for v in centre + rng.normal(0, length / 2, 2))
            cv2.line(x, place, tip, (colour * 0.6).tolist(), 1, cv2.LINE_AA)
    return x


def _shapes(size, rng):
    import cv2

    x = np.ascontiguousarray(_blend(_waves(size, rng, size), rng))
    for _ in range(rng.integers(3, 25)):
        points = rng.uniform(0, size, 2) + rng.normal(0, size / 6, (rng.integers(3, 8), 2))
        layer = np.zeros((size, size), np.float32)
        kind = rng.integers(3)
        if kind == 0:
            cv2.fillPoly(layer, [np.int32(points)], 1.0, cv2.LINE_AA)
        elif kind == 1:
            thick = int(rng.integers(1, 6))
            cv2.polylines(layer, [np.int32(points)], False, 1.0, thick, cv2.LINE_AA)
        else:
            radius = int(rng.integers(1, size // 4))
            cv2.circle(layer, tuple(np.int32(points[0]).tolist()), radius, 1.0, -1, cv2.LINE_AA)
        if rng.random() < 0.3:
            layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(1, 6))
        shade = rng.uniform(0, 255, 3) * (1 + 0.15 * _noise(size, rng, 2.0)[..., None])
        x = x + layer[..., None] * (shade - x)
    return x


def _text(size, rng):
    from PIL import Image, ImageDraw, ImageFont

    ground, ink = _palette(rng, 2)
    page = Image.new("L", (size, size))
    draw, y = ImageDraw.Draw(page), 0.0
    while y < size:
        height = float(np.exp(rng.uniform(np.log(7), np.log(48))))
        line = " ".join(rng.choice(WORDS, 12))
        draw.text((rng.uniform(-20, 10), y), line, fill=255, font=ImageFont.load_default(height))
        y += 1.3 * height
    t = np.asarray(page.rotate(rng.choice((0, 0, 90, rng.uniform(-30, 30)))), np.float64) / 255
    paper = ground + 6 * _noise(size, rng, 1.0)[..., None]
    return paper * (1 - t[..., None]) + ink * t[..., None]


@click.command(context_settings={"show_default": True})
@click.option("--n", type=click.IntRange(1), default=2000, help="Number of pictures.")
@click.option("--size", type=click.IntRange(16, 1024), default=256, help="Pixels a side.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Same seed, same pictures.")
@click.option("--out", type=Path, default=Path("data/textures256"), help="Folder to make.")
@sentences()
def main(n, size, seed, out):
    """Make pictures of no face, for `python train.py vae --others`."""
    from common.images import write_image

    out.mkdir(parents=True, exist_ok=True)
    bar = progress(n, unit="picture")
    for i in range(n):
        path = out / f"{i:05d}.png"
        if not path.exists():
            write_image(make_texture(size, np.random.default_rng([seed, i])), path)
        bar.update()
    bar.close()
    click.echo(f"{n} pictures in {out}.")


if __name__ == "__main__":
    main()
