"""Train the face parser: `python -m facekit train_parser --data FOLDER --out RUN`.

The folder is a dataset as `python -m data` makes it: `images.npy`, `labels.npy`, `dataset.json`
with the names of the parts, and `faces.jsonl` with the five points and the `identity` of each
picture. The last twentieth of the people is held out; every second of their squares is augmented.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from common.cli import check_finite, count, printable
from common.devices import PRECISIONS, choose_precision, start_backend
from common.files import folder_lock
from facekit.parsing import PARTS, UNKNOWN, confusion, intersection_over_union, label_table
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

HELD_OUT, MOST_HELD = 0.05, 96  # share of the people; pictures that are measured
DECAY = 0.995  # of the averaged weights
FIELDS = ("step", "minutes", "loss", "images_per_second", "mean_iou", *PARTS)


@dataclass(frozen=True)
class Labelled:
    """Pictures with part maps.

    Attributes:
        images: uint8 (N, H, W, 3), memory-mapped.
        labels: uint8 (N, H, W), memory-mapped; numbers of the dataset's own parts.
        table: uint8 (256,), from those to numbers of `PARTS`.
        points5: float32 (N, 5, 2).
        identity: int (N,).
    """

    images: np.ndarray
    labels: np.ndarray
    table: np.ndarray
    points5: np.ndarray
    identity: np.ndarray

    def row(self, i):
        """Picture, part map in numbers of `PARTS`, and points of one row."""
        return np.asarray(self.images[i]), self.table[self.labels[i]], self.points5[i]


def load_labelled(folder):
    """A dataset folder, its pictures and part maps memory-mapped.

    Raises:
        ValueError: no such dataset, a damaged one, or parts that are not among `PARTS`.
    """
    folder = Path(folder)
    names = "images.npy", "labels.npy", "faces.jsonl", "dataset.json"
    if not all((folder / name).is_file() for name in names):
        raise ValueError(
            f"{folder} holds no images.npy, labels.npy, faces.jsonl and dataset.json; make a "
            "dataset with `python -m data --n 6000 --identities 1500 --size 256 --out FOLDER`."
        )
    try:
        images, labels = (np.load(folder / name, mmap_mode="r") for name in names[:2])
        records = [json.loads(line) for line in (folder / names[2]).read_text().splitlines()]
        points5 = np.array([record["points5"] for record in records], np.float32)
        identity = np.array([record["identity"] for record in records])
        table = label_table(json.loads((folder / names[3]).read_text())["parts"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ValueError(f"{folder} is not a dataset with part maps: {error}.") from None
    if images.shape != (len(records), *labels.shape[1:], 3) or len(labels) != len(records):
        raise ValueError(
            f"{folder} is a damaged dataset ({images.shape} pictures, {labels.shape} part maps, "
            f"{count(len(records), 'record')}); make it again."
        )
    return Labelled(images, labels, table, points5, identity)


def split(identity):
    """Rows to train on and rows of the last people, held out: two int (N,).

    Raises:
        ValueError: fewer than two people.
    """
    people = np.unique(identity)
    if len(people) < 2:
        raise ValueError(f"training needs at least two people. Received: {len(people)}.")
    first = people[-max(1, round(HELD_OUT * len(people)))]
    return np.flatnonzero(identity < first), np.flatnonzero(identity >= first)


def class_weights(data, rows, power=0.4):
    """Weights of the parts by their share of the pixels ** -power, so that thin parts count:
    float32 (15,), of mean 1 over the pixels; parts that are not there, as rare as the occluder.
    """
    chosen = rows[:: max(1, len(rows) // 200)]
    pixels = sum(np.bincount(data.row(i)[1].ravel(), minlength=len(PARTS)) for i in chosen)
    share = np.maximum(pixels / pixels.sum(), 0.003)
    weights = share**-power
    return np.float32(weights / (share * weights).sum() * share.sum())


def parser_loss(weights):
    """Weighted cross-entropy plus soft Dice over the batch, for `compile`.

    Args:
        weights: (C,), of the parts.

    Returns:
        function of labels int32 (B, H, W), `UNKNOWN` where nothing is asked, and logits float32
        (B, H, W, C).

    Reference: Milletari et al., V-Net, 3DV 2016, equation for the Dice coefficient.
    """
    from keras import ops

    def loss(labels, logits):
        labels = ops.cast(labels, "int32")
        known = ops.cast(ops.not_equal(labels, UNKNOWN), "float32")[..., None]
        truth = ops.one_hot(ops.where(labels == UNKNOWN, 0, labels), len(weights)) * known
        logs = ops.log_softmax(logits, axis=-1)
        weighted = truth * ops.convert_to_tensor(weights)
        entropy = -ops.sum(weighted * logs) / ops.maximum(ops.sum(weighted), 1.0)
        found, axes = ops.exp(logs) * known, (0, 1, 2)
        there = ops.sum(truth, axes)
        dice = (2 * ops.sum(found * truth, axes) + 1) / (ops.sum(found, axes) + there + 1)
        present = ops.cast(there > 0, "float32")
        return entropy + 1 - ops.sum(dice * present) / ops.maximum(ops.sum(present), 1.0)

    return loss


class Training(Averaged):
    """The network, its averaged weights and the training step, in Keras alone."""

    def __init__(self, settings, weights):
        start_backend()
        from facekit.unet import make_unet

        super().__init__(compile_adamw(make_unet(settings), parser_loss(weights)), DECAY)

    def measure(self, squares, labels):
        """Intersection over union of each part by the averaged weights: float (15,)."""
        with self.averaged() as network:
            found = [network.predict_on_batch(one[None])[0].argmax(-1) for one in squares]
        return intersection_over_union(confusion(labels, np.stack(found)))


def batch_of(data, rows, augmentation, size, batch, seed, step):
    """Squares and part maps of one step, from seed and step alone: a resumed run draws the same."""
    rng = np.random.default_rng((seed, step))
    chosen = rows[rng.integers(0, len(rows), batch)]
    made = [augmentation(*data.row(i), rng, size) for i in chosen]
    return np.stack([image for image, _ in made]), np.stack([labels for _, labels in made])


def held_out(data, rows, size):
    """Squares and part maps to measure on: as the parser cuts them, every second augmented."""
    from facekit.align import template_points, umeyama
    from facekit.augment_parts import PartsAugmentation, cut
    from facekit.parsing import TEMPLATE

    made = []
    for place, i in enumerate(rows[:: -(-len(rows) // MOST_HELD)]):
        image, labels, points5 = data.row(i)
        if place % 2:
            rng = np.random.default_rng((1, int(i)))
            made.append(PartsAugmentation()(image, labels, points5, rng, size))
        else:
            made.append(cut(image, labels, umeyama(points5, template_points(TEMPLATE, size)), size))
    return np.stack([image for image, _ in made]), np.stack([labels for _, labels in made])


@click.command(context_settings={"show_default": True})
@click.option("--data", type=Path, required=True, help="Dataset folder with part maps.")
@click.option("--epochs", type=click.IntRange(1), default=20, help="Stop by the count.")
@click.option("--batch-size", type=click.IntRange(1), default=16, help="Squares a step.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=2e-3, help="Peak rate."
)
@click.option("--size", type=click.IntRange(32), default=256, help="Side of the squares.")
@click.option("--start-from", "start", type=Path, help="Weights of a parser, of any size.")
@run_options
def main(data, out, minutes, epochs, batch_size, rate, size, start, seed, every, resume):
    """Train the face parser on rendered people with part maps.

    Squares of half the side take a quarter of the time: train on those first, and go on from them
    with --start-from.
    """
    from common.cli import sentences

    with sentences(), folder_lock(out):
        check_finite(minutes=minutes, rate=rate, every=every)
        _train(data, out, minutes, epochs, batch_size, rate, size, start, seed, every, resume)


def _train(folder, out, minutes, epochs, batch_size, rate, size, start, seed, every, resume):
    checkpoint = checkpoint_of(out, resume)
    data = load_labelled(folder)
    rows, held_rows = split(data.identity)
    start_backend()
    import keras

    from facekit.augment_parts import PartsAugmentation
    from facekit.parsing import dtype_policy
    from facekit.unet import UNetSettings, load_unet, save_unet

    settings, augmentation = UNetSettings(size=size), PartsAugmentation()
    first, found = load_unet(start) if start else (None, settings)
    if replace(found, size=size) != settings:
        raise ValueError(f"{start} holds no parser of this form; leave --start-from out.")
    keras.utils.set_random_seed(seed)
    with dtype_policy(PRECISIONS[choose_precision()]):
        training = Training(settings, class_weights(data, rows))
    if first is not None:
        training.network.set_weights(first.get_weights())
    progress = training.load(checkpoint) if checkpoint.exists() else BEGINNING
    held = held_out(data, held_rows, size)
    log = Log(out / "log.csv", FIELDS, progress["step"], shown=5)
    click.echo(
        f"{count(len(rows), 'picture')}, {len(held_rows)} held out; "
        f"{training.network.count_params():,} parameters"
    )

    def make(at):
        return batch_of(data, rows, augmentation, size, batch_size, seed, at)

    def take(batch, number, done):
        squares, labels = batch
        return training.step(squares, labels.astype(np.int32), learning_rate(done, rate), number)

    def keep(mark):
        ious, speed = training.measure(*held), mark.steps_per_second * batch_size
        log.write(mark.step, mark.seconds / 60, mark.loss, speed, np.nanmean(ious), *ious)
        training.save(checkpoint, mark.progress)

    steps = max(1, epochs * len(rows) // batch_size)
    step = train(take, make, keep, progress, steps, minutes, every)
    path = out / "parser.weights.h5"
    save_unet(training.weights, settings, path)
    click.echo(printable(f"{path}: trained for {count(step, 'step')} of {batch_size}."))
