"""What the trainings of facekit's networks share: the loop, its rate, its log."""

import csv
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from facekit.network_files import load_checkpoint, save_checkpoint

AHEAD = 4  # batches prepared ahead of the step
BEGINNING = {"step": 0, "seconds": 0.0}
RUN_OPTIONS = (
    click.option("--out", type=Path, required=True, help="Run folder."),
    click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop by the clock."),
    click.option("--seed", type=click.IntRange(0), default=0, help="Of weights and augmentations."),
    click.option("--every", type=click.FloatRange(0), default=300, help="Seconds to a checkpoint."),
    click.option("--resume", is_flag=True, help="Go on where the run's checkpoint stands."),
)


def run_options(command):
    """Give a command the options that all run folders have."""
    for option in reversed(RUN_OPTIONS):
        command = option(command)
    return command


def checkpoint_of(out, resume):
    """The checkpoint's path in a run folder.

    Raises:
        ValueError: there is one already, and the run is not to go on.
    """
    path = out / "checkpoint.npz"
    if path.exists() and not resume:
        raise ValueError(f"{path} is there already: add --resume, or delete it.")
    return path


def compile_adamw(network, loss):
    """Compile a network for AdamW, weights decayed by 0.01, gradients clipped to a norm of 1; the
    rate is set at every step."""
    import keras

    network.compile(
        optimizer=keras.optimizers.AdamW(1e-3, weight_decay=0.01, clipnorm=1.0),
        loss=loss,
        jit_compile=keras.backend.backend() == "jax",
    )
    return network


class Averaged:
    """A compiled network and the moving average of its weights.

    Args:
        network: a compiled keras.Model.
        decay: of the average; less in the first steps, or it would remember the start.
    """

    def __init__(self, network, decay):
        self.network, self.decay, self.averages = network, decay, None

    @property
    def weights(self):
        """The averaged weights: list of arrays in the order of the network's."""
        return self.averages or self.network.get_weights()

    def step(self, inputs, targets, rate, number):
        """One step of the optimizer, the `number`-th from 0; the loss."""
        self.network.optimizer.learning_rate = rate
        loss = self.network.train_on_batch(inputs, targets)
        now = self.network.get_weights()
        decay = min(self.decay, (1 + number) / (10 + number))
        self.averages = [
            a + np.float32(1 - decay) * (w - a)
            for a, w in zip(self.averages or now, now, strict=True)
        ]
        return float(np.ravel(loss)[0])

    @contextmanager
    def averaged(self):
        """The network with the averaged weights, for as long as a block lasts."""
        now = self.network.get_weights()
        self.network.set_weights(self.weights)
        try:
            yield self.network
        finally:
            self.network.set_weights(now)

    def save(self, path, progress):
        """Write a checkpoint, whole or not at all."""
        save_checkpoint(self.network, path, progress, average=self.averages or [])

    def load(self, path):
        """Restore what `save` wrote; returns the progress.

        Raises:
            ValueError: the checkpoint is damaged or belongs to another network.
        """
        progress, self.averages = load_checkpoint(self.network, path, "average")
        return progress


@dataclass(frozen=True)
class Mark:
    """How a training stands when it is logged and saved.

    Attributes:
        step: steps taken.
        seconds: of training, those before an interruption included.
        loss: mean since the last mark; NaN without steps since.
        steps_per_second: since the last mark.
    """

    step: int
    seconds: float
    loss: float
    steps_per_second: float

    @property
    def progress(self):
        """What a checkpoint holds, for `train` to go on from."""
        return {"step": self.step, "seconds": self.seconds}


def train(step, make, keep, progress, steps, minutes=None, every=120.0):
    """Train until the count or the clock is reached, on batches prepared ahead.

    Args:
        step: (batch, number of the step from 0, share of the training done) -> loss.
        make: number of a step -> its batch.
        keep: (`Mark`) -> None: log and save.
        progress: of a checkpoint, or `BEGINNING`.
        steps: the count.
        minutes: the clock; None for none.
        every: seconds between two marks; one more is at the end.

    Returns:
        int: steps taken.
    """
    number, began = progress["step"], time.monotonic() - progress["seconds"]
    limit = 60 * minutes if minutes else np.inf
    losses, since = [], time.monotonic()

    def mark():
        now = time.monotonic()
        loss = float(np.mean(losses)) if losses else np.nan
        return Mark(number, now - began, loss, len(losses) / max(now - since, 1e-6))

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(make, number + i) for i in range(AHEAD)]
        while (done := max(number / steps, (time.monotonic() - began) / limit)) < 1:
            losses.append(step(waiting.pop(0).result(), number, done))
            number += 1
            waiting.append(pool.submit(make, number + AHEAD - 1))
            if time.monotonic() - since >= every:
                keep(mark())
                losses, since = [], time.monotonic()
        for future in waiting:
            future.cancel()
    keep(mark())
    return number


def learning_rate(done, peak, warm_up=0.03):
    """Linear warm-up, then cosine decay to 0; `done` is the share of the training done."""
    if done < warm_up:
        return peak * (done + 1e-4) / warm_up
    return peak * 0.5 * (1 + np.cos(np.pi * min(1.0, (done - warm_up) / (1 - warm_up))))


class Log:
    """Rows of numbers in a CSV file and, their first fields, on the screen.

    Args:
        path: the file; rows after the step that a run goes on from are left out.
        fields: names of the columns; the first is "step".
        step: that the run goes on from, 0 for a new one.
        shown: how many fields the screen shows.
    """

    def __init__(self, path, fields, step=0, shown=6):
        self.path, self.fields, self.shown, kept = path, fields, shown, []
        if step and path.exists():
            with open(path, newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, fields)
            writer.writeheader()
            writer.writerows(kept)

    def write(self, step, *values):
        """Add a row, a value a field."""
        values = [step, *(round(float(value), 4) for value in values)]
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerow(values)
        pairs = zip(self.fields[: self.shown], values, strict=False)
        click.echo("  ".join(f"{name} {value}" for name, value in pairs))
