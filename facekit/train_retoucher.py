"""Train the retoucher: `python -m facekit train_retoucher --data FOLDER --out RUN`.

The folder is one that `python -m data.blemishes` makes: the same faces with blemishes and without.
Pimples, spots and red patches, of which the renderer's people have few, are painted on the first.
Then both pictures of a pair are cut, lit and spoiled in the same way, so that the difference
between them is the skin's alone; the difference is taken before compression, whose errors differ
between the two. The network is convolutions alone, so it can learn from 128 px parts of the 256 px
squares that it will see: four times as many steps in the same time. Every twentieth pair is held
out.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from common.cli import check_finite, count, printable
from common.devices import PRECISIONS, choose_precision, start_backend
from common.files import folder_lock
from facekit.augment_parts import PartsAugmentation, cut
from facekit.parsing import PART, UNKNOWN, dtype_policy
from facekit.retoucher import UNIT
from facekit.train_parser import load_labelled
from facekit.training import (
    BEGINNING,
    Averaged,
    Log,
    checkpoint_of,
    compile_adamw,
    learning_rate,
    run_options,
    train,
)

HELD_OUT, MOST_HELD = 20, 48  # one in so many; pairs that are measured
SIDE = 128  # px of a part that is learned from
DECAY = 0.995  # of the averaged weights
FIELDS = ("step", "minutes", "loss", "images_per_second", "left")
# Of the network: three numbers a pixel, where a parser gives one for each part.
# Leaky ReLUs: the targets are nearly all 0, and plain ones before the last layer died while the
# large outputs of the beginning were trained away.
FORM = {"classes": 3, "stem": 16, "widths": (32, 64, 96), "blocks": (1, 1, 1), "leak": 0.2}
# Of what is painted: radii in distances between the eyes, and the strength; how many, on average.
SPOTS, PATCHES = (0.008, 0.035, 0.6), (0.08, 0.4, 0.18)
MANY_SPOTS, MANY_PATCHES = 12.0, 1.5
# Absorption of red, green and blue: inflamed, and brown.
PIGMENTS = np.float32([(0.05, 0.75, 0.7), (0.15, 0.8, 0.75), (0.5, 0.85, 1.0)])
ELSEWHERE = 0.2  # weight of what is no skin, where nothing is to change
SKIN = ("skin", "nose", "neck", "ears")


@dataclass(frozen=True)
class Pairs:
    """Faces with blemishes and without.

    Attributes:
        before: `facekit.train_parser.Labelled`.
        after: uint8 (N, H, W, 3), memory-mapped.
    """

    before: object
    after: np.ndarray

    def rows(self, held):
        """Numbers of the pairs that are held out, or of the others."""
        numbers = np.arange(len(self.after))
        return numbers[(numbers % HELD_OUT == HELD_OUT - 1) == held]


def load_pairs(folder):
    """A folder of `python -m data.blemishes`.

    Raises:
        ValueError: no such folder, a damaged one, or fewer than `HELD_OUT` pairs.
    """
    path = Path(folder) / "retouched.npy"
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no pairs (retouched.npy); make them with "
            "`python -m data.blemishes --out FOLDER`."
        )
    before = load_labelled(folder)
    try:
        after = np.load(path, mmap_mode="r")
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read: {error}.") from None
    if after.shape != before.images.shape or len(after) < HELD_OUT:
        raise ValueError(
            f"{folder} needs at least {HELD_OUT} pairs of the same size; it holds "
            f"{before.images.shape} and {after.shape}: make it again."
        )
    return Pairs(before, after)


def spotted(image, labels, points5, rng):
    """A face with spots and patches painted on its skin.

    Args:
        image: uint8 (H, W, 3).
        labels: uint8 (H, W), numbers of `facekit.parsing.PARTS`.
        points5: (5, 2).
        rng: numpy.random.Generator.

    Returns:
        uint8 (H, W, 3): as the picture where there is no skin.
    """
    skin = np.isin(labels, [PART[name] for name in SKIN])
    places = np.argwhere(skin & (labels != PART["neck"]))
    if not len(places):
        return image
    eyes = max(float(np.linalg.norm(np.subtract(points5[1], points5[0]))), 8.0)
    density = np.zeros((*skin.shape, 3), np.float32)
    kinds = [SPOTS] * rng.poisson(MANY_SPOTS * rng.random()) + [PATCHES] * rng.poisson(MANY_PATCHES)
    for least, most, strength in kinds:
        y, x = places[rng.integers(len(places))]
        radius = eyes * np.exp(rng.uniform(np.log(least), np.log(most)))
        squeeze = np.exp(rng.normal(0, 0.2))
        pigment = PIGMENTS[rng.integers(len(PIGMENTS))] * rng.uniform(0.4, 1) * strength
        reach = int(np.ceil(4 * radius))
        top, left = max(0, y - reach), max(0, x - reach)
        part = density[top : y + reach + 1, left : x + reach + 1]
        down, along = (np.arange(n, dtype=np.float32) for n in part.shape[:2])
        down = np.exp(-np.square(down + top - y) * squeeze / (2 * radius**2))
        along = np.exp(-np.square(along + left - x) / (squeeze * 2 * radius**2))
        part += (down[:, None] * along)[..., None] * pigment
    painted = np.rint(image * np.exp(-density)).astype(np.uint8)
    return np.where(skin[..., None], painted, image)


def alike(pairs, i, rng, size, augmentation, side):
    """One pair, spots painted on the first, cut and spoiled alike.

    Args:
        pairs: `Pairs`.
        i: number of the pair.
        rng: numpy.random.Generator.
        size: of the square that the network will see.
        augmentation: `PartsAugmentation`.
        side: of a random part of it, round a place on the skin, that is cut out.

    Returns:
        (uint8 (side, side, 3), float32 (side, side, 4)): what goes in; what retouching adds to it
        in levels of 255, and the weight of each pixel.
    """
    image, labels, points5 = pairs.before.row(i)
    matrix = augmentation.matrix(np.asarray(points5, float), rng, size)
    matrix[:, 2] -= _corner(matrix, labels, rng, size, side)
    mirror, state = rng.random() < augmentation.mirror, int(rng.integers(2**31))
    uncompressed = replace(augmentation, jpeg=0.0)

    def cut_and_lit(picture):
        square, parts = cut(picture, labels, matrix, side)
        if mirror:
            square, parts = square[:, ::-1], parts[:, ::-1]
        same = np.random.default_rng(state)
        return augmentation.lit(np.ascontiguousarray(square), same), parts, same.integers(2**31)

    def spoiled(lit, camera):
        lit, _, state = lit
        return camera.photographed(lit, np.random.default_rng(state))

    before = cut_and_lit(spotted(image, labels, points5, rng))
    after = cut_and_lit(np.asarray(pairs.after[i]))
    parts = before[1]
    skin = np.isin(parts, [PART[name] for name in SKIN])
    weight = np.where(skin, 1.0, ELSEWHERE) * (parts != UNKNOWN)
    added = spoiled(after, uncompressed).astype(np.float32) - spoiled(before, uncompressed)
    wanted = np.concatenate([added * skin[..., None], weight[..., None]], -1)
    return spoiled(before, augmentation), wanted.astype(np.float32)


def _corner(matrix, labels, rng, size, side):
    """Upper left of a random part of a square, round a place on the skin if there is any: (2,)."""
    places = np.argwhere(np.isin(labels, [PART[name] for name in SKIN]))
    y, x = places[rng.integers(len(places))] if len(places) else np.array(labels.shape) / 2
    corner = matrix @ (x, y, 1) - side * rng.random(2)
    return np.clip(np.rint(corner), 0, size - side)


def batch_of(pairs, rows, augmentation, size, batch, seed, step):
    """What goes in and what is wanted of one step, from seed and step alone: a resumed run draws
    the same."""
    rng = np.random.default_rng((seed, step))
    chosen = rows[rng.integers(0, len(rows), batch)]
    made = [alike(pairs, i, rng, size, augmentation, min(SIDE, size)) for i in chosen]
    return np.stack([one for one, _ in made]), np.stack([wanted for _, wanted in made])


def retouching_loss(wanted, given):
    """Weighted mean of squared errors in units of the network, for `compile`. Not of absolute ones:
    most skin is even, and the median of what is to be added stays 0 until a spot is certain.

    Args:
        wanted: float32 (B, H, W, 4), the difference in levels of 255, and the weight of a pixel.
        given: float32 (B, H, W, 3), in units of `UNIT` levels.
    """
    from keras import ops

    weight = wanted[..., 3:]
    off = ops.square(wanted[..., :3] / UNIT - given)
    return ops.sum(off * weight) / ops.maximum(3 * ops.sum(weight), 1.0)


class Training(Averaged):
    """The network, its averaged weights and the training step, in Keras alone."""

    def __init__(self, settings):
        start_backend()
        from facekit.unet import make_unet

        super().__init__(compile_adamw(make_unet(settings), retouching_loss), DECAY)

    def left(self, squares, wanted):
        """How much of the difference is left on the skin by the averaged weights: the ratio of
        roots of mean squares, below 1 where it is of use."""
        skin = wanted[..., 3] == 1
        with self.averaged() as network:
            given = [UNIT * network.predict_on_batch(one[None])[0] for one in squares]
        off = np.square(wanted[..., :3] - np.stack(given))[skin].sum()
        return float(np.sqrt(off / max(np.square(wanted[..., :3])[skin].sum(), 1e-6)))


@click.command(context_settings={"show_default": True})
@click.option("--data", type=Path, required=True, help="Folder of `python -m data.blemishes`.")
@click.option("--steps", type=click.IntRange(1), default=6000, help="Stop by the count.")
@click.option("--batch-size", type=click.IntRange(1), default=16, help="Pairs a step.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=7e-4, help="Peak rate."
)
@run_options
def main(data, out, minutes, steps, batch_size, rate, seed, every, resume):
    """Train the retoucher on rendered faces with and without blemishes."""
    from common.cli import sentences

    with sentences(), folder_lock(out):
        check_finite(minutes=minutes, rate=rate, every=every)
        _train(data, out, minutes, steps, batch_size, rate, seed, every, resume)


def _train(folder, out, minutes, steps, batch_size, rate, seed, every, resume):
    checkpoint = checkpoint_of(out, resume)
    pairs = load_pairs(folder)
    rows, held_rows = pairs.rows(held=False), pairs.rows(held=True)[:MOST_HELD]
    start_backend()
    import keras

    from facekit.unet import UNetSettings, save_unet

    settings, augmentation = UNetSettings(**FORM), PartsAugmentation()
    size = settings.size
    keras.utils.set_random_seed(seed)
    with dtype_policy(PRECISIONS[choose_precision()]):
        training = Training(replace(settings, size=SIDE))
    progress = training.load(checkpoint) if checkpoint.exists() else BEGINNING
    draws = [np.random.default_rng((1, i)) for i in held_rows]
    made = [
        alike(pairs, i, rng, size, augmentation, SIDE)
        for i, rng in zip(held_rows, draws, strict=True)
    ]
    held = np.stack([one for one, _ in made]), np.stack([wanted for _, wanted in made])
    log = Log(out / "log.csv", FIELDS, progress["step"])
    click.echo(
        f"{count(len(rows), 'pair')}, {len(held_rows)} held out; "
        f"{training.network.count_params():,} parameters"
    )

    def make(at):
        return batch_of(pairs, rows, augmentation, size, batch_size, seed, at)

    def take(batch, number, done):
        return training.step(*batch, learning_rate(done, rate), number)

    def keep(mark):
        speed = mark.steps_per_second * batch_size
        log.write(mark.step, mark.seconds / 60, mark.loss, speed, training.left(*held))
        training.save(checkpoint, mark.progress)

    step = train(take, make, keep, progress, steps, minutes, every)
    path = out / "retoucher.weights.h5"
    save_unet(training.weights, settings, path)
    click.echo(printable(f"{path}: trained for {count(step, 'step')} of {batch_size}."))
