"""Train the restorer: `python -m facekit train_restorer --data FOLDER --others FOLDER --out RUN`.

--data is a dataset as `python -m data` makes it, --others a folder of pictures that are no faces,
as `python -m data.textures` makes it: a network that has seen faces alone would find skin and hair
in leaves and letters. Pictures are cut, coloured and degraded on the fly. Every twentieth picture
is held out.
"""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from common.cli import check_finite, count, printable
from common.devices import PRECISIONS, choose_precision, start_backend
from common.files import folder_lock
from common.images import resize
from facekit import augment
from facekit.degrade import SCALES, Degradation
from facekit.restore import bicubic
from facekit.training import (
    BEGINNING,
    Averaged,
    Log,
    checkpoint_of,
    learning_rate,
    run_options,
    train,
)

HELD_OUT, MOST_HELD = 20, 64  # one in so many; pictures that are measured
OTHERS = 1 / 3  # share of pictures that are no faces
DECAY = 0.998  # of the averaged weights
SIDE = 128  # px of what is to come out, in training
FIELDS = ("step", "minutes", "loss", "images_per_second", *(f"gain_x{s}" for s in SCALES))


@dataclass(frozen=True)
class Pictures:
    """What there is to learn from.

    Attributes:
        faces, others: sequences of uint8 (H, W, 3), sides at least `SIDE`; `others` may be empty.
    """

    faces: object
    others: object

    def rows(self, held):
        """(set, number) of pictures that are held out, or of the others."""
        sets = (self.faces, self.others)
        return [
            np.array([i for i in range(len(one)) if (i % HELD_OUT == HELD_OUT - 1) == held], int)
            for one in sets
        ]


def load_pictures(data, others):
    """Pictures of two folders.

    Args:
        data: dataset folder of rendered people.
        others: folder of `python -m data.textures` or of any pictures; None for none.

    Raises:
        ValueError: a folder without pictures, or with pictures smaller than `SIDE`.
    """
    faces = _images(Path(data), "python -m data --n 6000 --identities 1500 --size 256")
    textures = _images(Path(others), "python -m data.textures --n 2000") if others else []
    for folder, images in ((data, faces), (others, textures)):
        if len(images) and min(images[0].shape[:2]) < SIDE:
            raise ValueError(f"{folder}: pictures must have at least {SIDE} pixels a side.")
    return Pictures(faces, textures)


def _images(folder, command):
    from common.images import find_images, read_image

    if (folder / "images.npy").is_file():
        images = np.load(folder / "images.npy", mmap_mode="r")
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"{folder / 'images.npy'} does not hold pictures, uint8 (N, H, W, 3).")
        return images
    try:
        return [read_image(path) for path in find_images(folder)]
    except ValueError as error:
        raise ValueError(f"{error} Make some with `{command} --out FOLDER`.") from None


def cut(image, rng):
    """A random square of `SIDE` pixels, at a random scale, mirrored or turned, in other colours:
    uint8 (SIDE, SIDE, 3)."""
    height, width = image.shape[:2]
    side = round(SIDE * np.exp(rng.uniform(0, np.log(min(height, width) / SIDE))))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    square = np.asarray(image[top : top + side, left : left + side])
    square = resize(square, SIDE)
    if rng.random() < 0.5:
        square = square[:, ::-1]
    if rng.random() < 0.1:
        square = np.rot90(square, rng.integers(1, 4))
    if rng.random() < 0.6:
        square = augment.colours(np.ascontiguousarray(square), rng)
    return np.ascontiguousarray(square)


def pair(image, scale, degradation, rng):
    """What goes in, and what its bicubic enlargement lacks: uint8 (SIDE / scale, SIDE / scale, 3)
    and float32 (SIDE, SIDE, 3)."""
    target = cut(image, rng)
    poor = degradation(target, scale, rng)
    return poor, target - bicubic(poor, scale)


def batch_of(pictures, rows, degradation, batch, seed, step):
    """Pairs of one step for each scale, from seed and step alone: a resumed run draws the same.

    Returns:
        ([uint8 (batch, SIDE / scale, SIDE / scale, 3)], [float32 (batch, SIDE, SIDE, 3)]), both in
        the order of `SCALES`.
    """
    rng = np.random.default_rng((seed, step))
    inputs, targets = [], []
    for scale in SCALES:
        made = []
        for _ in range(batch):
            other = len(rows[1]) and rng.random() < OTHERS
            images, own = (pictures.others, rows[1]) if other else (pictures.faces, rows[0])
            made.append(pair(images[own[rng.integers(len(own))]], scale, degradation, rng))
        inputs.append(np.stack([poor for poor, _ in made]))
        targets.append(np.stack([lack for _, lack in made]))
    return inputs, targets


class Training(Averaged):
    """The network, its averaged weights and the training step, in Keras alone."""

    def __init__(self, settings):
        start_backend()
        import keras

        from facekit.restorer import make_restorer

        network = make_restorer(settings)
        network.compile(
            optimizer=keras.optimizers.Adam(1e-3, beta_2=0.99, clipnorm=1.0),
            loss=["mae", "mae"],
            loss_weights=[1 / 255, 1 / 255],
            jit_compile=keras.backend.backend() == "jax",
        )
        super().__init__(network, DECAY)

    def gains(self, held):
        """Decibels of PSNR above bicubic by the averaged weights, the mean over pictures.

        Args:
            held: list of (inputs, targets) as of `batch_of`, of one picture each.

        Returns:
            list, in the order of `SCALES`.
        """
        with self.averaged() as network:
            found = [network.predict_on_batch(inputs) for inputs, _ in held]
        ratios = [
            [np.mean(np.square(lack)) / _error(lack, one) for one, lack in zip(*pair, strict=True)]
            for pair in zip(found, (targets for _, targets in held), strict=True)
        ]
        return (10 * np.log10(ratios)).mean(0).tolist()


def _error(lack, given):
    return np.mean(np.square(lack - np.asarray(given, np.float32))) + 1e-6


@click.command(context_settings={"show_default": True})
@click.option("--data", type=Path, required=True, help="Dataset folder of rendered people.")
@click.option("--others", type=Path, help="Folder of pictures that are no faces, a third of all.")
@click.option("--steps", type=click.IntRange(1), default=10_000, help="Stop by the count.")
@click.option("--batch-size", type=click.IntRange(1), default=8, help="Pairs of each scale a step.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=1e-3, help="Peak rate."
)
@run_options
def main(data, others, out, minutes, steps, batch_size, rate, seed, every, resume):
    """Train the restorer on rendered people and pictures that are no faces."""
    from common.cli import sentences

    with sentences(), folder_lock(out):
        check_finite(minutes=minutes, rate=rate, every=every)
        _train(data, others, out, minutes, steps, batch_size, rate, seed, every, resume)


def _train(data, others, out, minutes, steps, batch_size, rate, seed, every, resume):
    checkpoint = checkpoint_of(out, resume)
    pictures = load_pictures(data, others)
    rows, held_rows = pictures.rows(held=False), pictures.rows(held=True)
    if not len(rows[0]) or not len(held_rows[0]):
        raise ValueError(f"{data}: training needs at least {HELD_OUT} pictures.")
    start_backend()
    import keras

    from facekit.parsing import dtype_policy
    from facekit.restorer import RestorerSettings, save_restorer

    settings, degradation = RestorerSettings(), Degradation()
    keras.utils.set_random_seed(seed)
    with dtype_policy(PRECISIONS[choose_precision()]):
        training = Training(settings)
    progress = training.load(checkpoint) if checkpoint.exists() else BEGINNING
    held = [batch_of(pictures, held_rows, degradation, 1, 1, i) for i in range(MOST_HELD)]
    log = Log(out / "log.csv", FIELDS, progress["step"])
    click.echo(
        f"{count(sum(map(len, rows)), 'picture')}, {sum(map(len, held_rows))} held out; "
        f"{training.network.count_params():,} parameters"
    )

    def make(at):
        return batch_of(pictures, rows, degradation, batch_size, seed, at)

    def take(batch, number, done):
        return training.step(*batch, learning_rate(done, rate), number)

    def keep(mark):
        speed = mark.steps_per_second * batch_size * len(SCALES)
        log.write(mark.step, mark.seconds / 60, mark.loss, speed, *training.gains(held))
        training.save(checkpoint, mark.progress)

    step = train(take, make, keep, progress, steps, minutes, every)
    path = out / "restorer.weights.h5"
    save_restorer(training.weights, settings, path)
    click.echo(printable(f"{path}: trained for {count(step, 'step')} of {batch_size}."))
