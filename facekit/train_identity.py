"""Train the identity encoder on rendered people: `python -m facekit.train_identity --data FOLDER`.

The folder is a dataset as `python -m data` makes it: `images.npy` and `faces.jsonl` with the five
points and the `identity` of each picture. The last twentieth of the people is held out and measures
how well strangers are told apart.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from common.cli import check_finite, count, printable, sentences
from common.devices import PRECISIONS, choose_precision, start_backend
from facekit.network_files import load_checkpoint, save_checkpoint
from facekit.training import BEGINNING, Log, learning_rate, train
from facekit.verification import auc, pair_cosines

HELD_OUT = 0.05
LOG_FIELDS = ("step", "minutes", "loss", "own_cosine", "held_out_auc", "images_per_second")


@dataclass(frozen=True)
class People:
    """Pictures of people.

    Attributes:
        images: uint8 (N, S, S, 3).
        points5: float32 (N, 5, 2).
        identity: int32 (N,), 0 to the number of people less one.
    """

    images: np.ndarray
    points5: np.ndarray
    identity: np.ndarray

    def __len__(self):
        return len(self.identity)


def load_people(folder):
    """The photos, not the drawings, of a dataset folder.

    Raises:
        ValueError: no such dataset, one without identities, or fewer than two people.
    """
    folder = Path(folder)
    files = folder / "images.npy", folder / "faces.jsonl"
    if not all(file.is_file() for file in files):
        raise ValueError(
            f"{folder} holds no images.npy and faces.jsonl; make a dataset with "
            "`python -m data --n 18000 --identities 3000 --size 160 --drawn 0 --out FOLDER`."
        )
    try:
        images = np.load(files[0], mmap_mode="r")
        records = [json.loads(line) for line in files[1].read_text().splitlines()]
        photos = [i for i, record in enumerate(records) if record.get("style") == "photo"]
        points5 = np.array([records[i]["points5"] for i in photos], np.float32)
        names = np.array([records[i]["identity"] for i in photos])
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{folder} is not a dataset with identities and points: {error}."
        ) from None
    if len(images) != len(records) or len(np.unique(names)) < 2:
        photos = count(len(names), "photo")
        raise ValueError(f"{folder} must show at least two people. Received: {photos}.")
    if len(photos) < len(images):
        images = images[photos]
    return People(images, points5, np.unique(names, return_inverse=True)[1].astype(np.int32))


def split(people, held_out=HELD_OUT):
    """Rows and identities of the people to train on, and of the last ones, held out (at least two).

    Returns:
        two pairs (rows int64 (N,), identity int32 (N,) counted from 0).
    """
    total = int(people.identity.max()) + 1
    first = total - max(2, round(held_out * total))
    if first < 2:
        raise ValueError(f"training needs at least four people. Received: {total}.")
    parts = []
    for where in (people.identity < first, people.identity >= first):
        rows = np.flatnonzero(where)
        identity = np.unique(people.identity[rows], return_inverse=True)[1].astype(np.int32)
        parts.append((rows, identity))
    return parts


class Training:
    """The network, its loss and the training step, in Keras alone."""

    def __init__(self, people_count, settings, scale, margin, weight_decay):
        start_backend()
        import keras

        from facekit.curricular import CurricularFace
        from facekit.encoder import make_encoder

        self.encoder = make_encoder(settings)
        head = CurricularFace(people_count, scale=scale, margin=margin)
        crops = self.encoder.input
        own = keras.Input((), dtype="int32", name="identity")
        logits = head(self.encoder(crops), own)
        self.model = keras.Model([crops, own], logits)
        self.model.compile(
            optimizer=keras.optimizers.AdamW(
                1e-3, weight_decay=weight_decay, epsilon=1e-8, clipnorm=5.0
            ),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=keras.backend.backend() == "jax",
        )
        self.head = head

    def step(self, crops, identity, learning_rate):
        """One step of AdamW; the loss."""
        self.model.optimizer.learning_rate = learning_rate
        return float(self.model.train_on_batch([crops, identity], identity))

    def embed(self, crops, batch=64):
        """Embeddings of crops as the network stands: float32 (N, D)."""
        from keras import ops

        parts = [crops[i : i + batch] for i in range(0, len(crops), batch)]
        found = [ops.convert_to_numpy(self.encoder(part, training=False)) for part in parts]
        return np.concatenate(found).astype(np.float32)

    def save(self, path, progress):
        """Write a checkpoint, whole or not at all: weights, optimizer, progress."""
        save_checkpoint(self.model, path, progress)

    def load(self, path):
        """Restore what `save` wrote; returns the progress.

        Raises:
            ValueError: the checkpoint is damaged or belongs to another network or dataset.
        """
        return load_checkpoint(self.model, path)[0]


def batch_of(people, rows, identity, augmentation, size, batch, seed, step):
    """Crops and identities of one step, from seed and step alone: a resumed run draws the same."""
    rng = np.random.default_rng((seed, step))
    chosen = rng.integers(0, len(rows), batch)
    crops = np.stack(
        [augmentation(people.images[rows[i]], people.points5[rows[i]], rng, size) for i in chosen]
    )
    return crops, identity[chosen]


@click.command(context_settings={"show_default": True})
@click.option("--data", type=Path, required=True, help="Dataset folder with identities.")
@click.option("--out", type=Path, default="weights/identity.weights.h5", help="The weights.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop by the clock.")
@click.option("--steps", type=click.IntRange(1), default=20_000, help="Stop by the count.")
@click.option("--batch-size", type=click.IntRange(2), default=96, help="Crops a step.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=1e-3, help="Peak rate."
)
@click.option("--scale", type=click.FloatRange(min=1), default=48.0, help="s of CurricularFace.")
@click.option("--margin", type=click.FloatRange(0, 1), default=0.4, help="m of CurricularFace.")
@click.option("--weight-decay", type=click.FloatRange(0), default=0.05, help="Of AdamW.")
@click.option("--size", type=int, default=112, help="Side of the crops.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of weights and augmentations.")
@click.option("--every", type=click.FloatRange(min=0), default=120, help="Seconds to a checkpoint.")
@click.option("--resume", is_flag=True, help="Go on where the checkpoint beside --out stands.")
@sentences()
def main(
    data,
    out,
    minutes,
    steps,
    batch_size,
    rate,
    scale,
    margin,
    weight_decay,
    size,
    seed,
    every,
    resume,
):
    """Train the identity encoder on rendered people."""
    check_finite(minutes=minutes, rate=rate, scale=scale, weight_decay=weight_decay, every=every)
    checkpoint = out.with_suffix(".checkpoint.npz")
    if checkpoint.exists() and not resume:
        raise ValueError(f"{checkpoint} is there already: add --resume, or delete it.")
    people = load_people(data)
    (rows, identity), (held_rows, held_identity) = split(people)

    start_backend()
    import keras

    from facekit.augment import Augmentation
    from facekit.encoder import EncoderSettings, save_encoder

    settings = EncoderSettings(size=size)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(PRECISIONS[choose_precision()])
    training = Training(int(identity.max()) + 1, settings, scale, margin, weight_decay)
    progress = training.load(checkpoint) if checkpoint.exists() else BEGINNING
    click.echo(
        f"{len(rows)} pictures of {identity.max() + 1} people, {held_identity.max() + 1} held out; "
        f"{training.encoder.count_params():,} parameters"
    )
    held, augmentation = np.stack([_cut(people, row, size) for row in held_rows]), Augmentation()
    log = Log(out.with_suffix(".csv"), LOG_FIELDS, progress["step"])

    def make(at):
        return batch_of(people, rows, identity, augmentation, size, batch_size, seed, at)

    def take(batch, number, done):
        return training.step(*batch, learning_rate(done, rate))

    def keep(mark):
        held_out = auc(*pair_cosines(training.embed(held), held_identity))
        own, speed = float(training.head.t), mark.steps_per_second * batch_size
        log.write(mark.step, mark.seconds / 60, mark.loss, own, held_out, speed)
        training.save(checkpoint, mark.progress)

    step = train(take, make, keep, progress, steps, minutes, every)
    save_encoder(training.encoder, settings, out)
    checkpoint.unlink()
    click.echo(printable(f"{out}: trained for {count(step, 'step')} of {batch_size}."))


def _cut(people, row, size):
    from facekit.align import align

    return align(np.asarray(people.images[row]), people.points5[row], size).image


if __name__ == "__main__":
    main()
