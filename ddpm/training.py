"""Training: batches in a fixed order, averaged weights, and what `fit` calls along the way."""

import csv
import math
import sys
import time

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from ddpm.checkpoint import replaced
from ddpm.condition import drop
from ddpm.framing import window
from ddpm.pictures import to_float


def batches(images, batch_size, seed, start=0, flip=True, compose=None):
    """Endless batches in an order that depends on the seed and the step alone.

    Args:
        images: uint8 (N, H, W, C), may be memory-mapped, or, with `compose`, any sequence; N at
            least `batch_size`.
        batch_size: pictures a batch. The rest of N / batch_size sits out an epoch, a different rest
            each time.
        seed: int.
        start: the step to begin with, so that a resumed run sees what it would have seen.
        flip: mirror each picture with probability 1/2.
        compose: what makes a batch of chosen pictures, (indices, mirrored, rng) -> dict, for models
            that are told something; see `Composer`.

    Yields:
        (x0,): float32 (batch_size, H, W, C) in [-1, 1], or what `compose` returns, in the tuple
        that `fit` expects.
    """
    steps = len(images) // batch_size
    epoch, first = divmod(start, steps)
    while True:
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(len(images))
        mirrored = rng.random(len(images)) < 0.5 * flip
        for step in range(first, steps):
            at = slice(step * batch_size, (step + 1) * batch_size)
            if compose is not None:
                rng = np.random.default_rng((seed, epoch, step))
                yield (compose(order[at], mirrored[at], rng),)
                continue
            batch = np.asarray(images[np.sort(order[at])])
            batch = np.where(mirrored[at, None, None, None], batch[:, :, ::-1], batch)
            yield (to_float(batch),)
        epoch, first = epoch + 1, 0


class Composer:
    """Batches for a model that is told something: windows of the pictures, and the condition.

    Args:
        images: sequence of N pictures, uint8 (H, W, 3), of any sizes.
        preset: the `Preset`, for its crops and what it is told.
        tokens: int32 (N, L) of the captions, or None.
        mirrored_tokens: of the mirrored pictures' captions.
        sizes: int (N, 2), (height, width) of the files; None is the pictures' own.
        hints: what makes control pictures of a window, or None: (window, i, matrix, rng) -> (hints,
            there), uint8 (H, W, 3 K) and bool (K,); `matrix` takes picture i's points to the
            window's.
        masks: what makes the mask of a window, or None: (i, matrix, rng) -> float32 (H, W, 1).
    """

    def __init__(
        self,
        images,
        preset,
        tokens=None,
        mirrored_tokens=None,
        sizes=None,
        hints=None,
        masks=None,
    ):
        self.images, self.preset, self.sizes = images, preset, sizes
        self.hints, self.masks = hints, masks
        self.tokens = (tokens, mirrored_tokens)

    def __call__(self, indices, mirrored, rng, forget=True):
        """One batch.

        Args:
            indices: int (B,), which pictures.
            mirrored: bool (B,), which of them are mirrored.
            rng: numpy Generator.
            forget: drop some of what is told, as training wants.

        Returns:
            {"x0": float32 (B, S, S, 3), and the condition's arrays}, some of them forgotten
            (`condition.drop`).
        """
        preset = self.preset
        windows, framings, hints, masks, condition = [], [], [], [], {}
        for i, mirror in zip(indices, mirrored, strict=True):
            image = np.asarray(self.images[i])
            cut, framing, matrix = window(
                image,
                preset.image_size,
                rng,
                None if self.sizes is None else tuple(self.sizes[i]),
                mirror,
                preset.crops,
                preset.small,
            )
            windows.append(cut)
            framings.append(framing)
            if self.hints is not None:
                hints.append(self.hints(cut, i, matrix, rng))
            if self.masks is not None:
                masks.append(self.masks(i, matrix, rng))
        if self.tokens[0] is not None:
            tokens, other = self.tokens
            condition["tokens"] = np.where(mirrored[:, None], other[indices], tokens[indices])
        if preset.framing:
            condition["framing"] = np.stack(framings)
        if hints:
            pictures, there = zip(*hints, strict=True)
            condition["hints"] = to_float(np.stack(pictures))
            condition["strengths"] = np.stack(there).astype(np.float32)
        x0 = to_float(np.stack(windows))
        if masks:
            condition |= {"mask": np.stack(masks), "known": x0}
        if condition and forget:
            condition = drop(condition, rng, preset.forget, preset.forget, preset.unmasked)
        return {"x0": x0, **condition}


@keras.saving.register_keras_serializable(package="ddpm")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """The rate rises linearly, stays, then falls as 1 / sqrt(step) (Karras et al. 2024, EDM2,
    arXiv:2312.02696, equation 67): it needs no end in sight, so a run can be made longer.

    Args:
        learning_rate: the plateau.
        warmup_steps: steps of the rise; 0 is none.
        decay_steps: where the fall begins; 0 is never.
    """

    def __init__(self, learning_rate, warmup_steps=0, decay_steps=0):
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.decay_steps = decay_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = self.learning_rate
        if self.warmup_steps:
            rate = rate * ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        if self.decay_steps:
            rate = rate / ops.sqrt(ops.maximum(1.0, step / self.decay_steps))
        return rate

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
        }


@keras.saving.register_keras_serializable(package="ddpm")
class AveragedAdam(keras.optimizers.Adam):
    """Adam that also keeps an exponential moving average of the weights, in the compiled step.

    Keras' own `use_ema` has a fixed decay and ends `fit` by overwriting the weights; here the decay
    warms up as min(average, (1 + n) / (10 + n)) (the rule of TensorFlow's
    ExponentialMovingAverage), so that early averages forget the random start, and the weights stay
    what they are.

    Args:
        average: the decay, in [0, 1).
        Others as `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate=1e-3, average=0.999, epsilon=1e-8, **kwargs):
        super().__init__(learning_rate, epsilon=epsilon, **kwargs)
        self.average = average

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.averages = [
            self.add_variable_from_reference(v, name="average", initializer="zeros")
            for v in variables
        ]
        self.restart_averages()

    def restart_averages(self):
        """Let the averages be the weights as they are."""
        for average, v in zip(self.averages, self._trainable_variables, strict=True):
            average.assign(ops.copy(v))  # a buffer of its own: a compiled step gives up its inputs

    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        n = ops.cast(self.iterations, "float32")
        decay = ops.minimum(self.average, (1.0 + n) / (10.0 + n))
        for average, v in zip(self.averages, self._trainable_variables, strict=True):
            average.assign(average + (1.0 - decay) * (v - average))

    def get_config(self):
        return {**super().get_config(), "average": self.average}


class Progress(keras.callbacks.Callback):
    """One bar over all steps: loss, pictures a second, time left.

    Args:
        start, total: the step to begin with and the last one.
        batch_size: pictures a step.
        quiet: show nothing.
    """

    def __init__(self, start, total, batch_size, quiet=False):
        super().__init__()
        self.batch_size = batch_size
        self.bar = tqdm(
            total=total,
            initial=start,
            unit="step",
            disable=quiet,
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 30,
        )

    def on_epoch_begin(self, epoch, logs=None):
        self.bar.set_description(f"epoch {epoch + 1}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        rate = self.bar.format_dict["rate"] or 0.0
        self.bar.set_postfix_str(
            f"loss {logs['loss']:.4f}, {rate * self.batch_size:.0f} images/s", refresh=False
        )
        self.bar.update()

    def close(self):
        """Leave the bar as it stands."""
        self.bar.close()


class Log(keras.callbacks.Callback):
    """One line an epoch in `log.csv` and in TensorBoard's event file.

    An epoch that was interrupted is logged once, with the mean loss of all its steps. Rows behind
    the step that a run resumes from are dropped, for they will be written again.

    Args:
        folder: the run folder, a `Path`.
        steps: steps an epoch.
        batch_size: pictures a step.
        step: the step to begin with.
        loss_before: mean loss of the steps that the first epoch has behind it.
        seconds_before: how long the run took up to `step`.
    """

    FIELDS = ("epoch", "step", "loss", "learning_rate", "images_per_second", "seconds")

    def __init__(self, folder, steps, batch_size, step=0, loss_before=0.0, seconds_before=0.0):
        super().__init__()
        from tensorboard.summary import Writer  # here, for it takes a second to import

        self.path = folder / "log.csv"
        self.steps, self.batch_size = steps, batch_size
        self.step, self.loss_before = step, loss_before
        self.loss = 0.0
        self.seconds_before = seconds_before
        self._write(self._rows_until(step))
        self.writer = Writer(str(folder / "events"))
        self.began = time.monotonic()

    @property
    def seconds(self):
        """How long the run has taken, interruptions apart."""
        return self.seconds_before + time.monotonic() - self.began

    def on_epoch_begin(self, epoch, logs=None):
        self.behind = self.step % self.steps
        self.epoch_began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        done = batch + 1
        self.loss = (self.loss_before * self.behind + logs["loss"] * done) / (self.behind + done)
        # Written here, not in on_epoch_end: before a checkpoint of this step, which would drop it.
        if self.step % self.steps == 0:
            self._write_row()

    def on_train_end(self, logs=None):
        self.writer.flush()

    def _write_row(self):
        rate = (self.steps - self.behind) * self.batch_size / (time.monotonic() - self.epoch_began)
        row = {
            "epoch": self.step // self.steps,
            "step": self.step,
            "loss": f"{self.loss:.6f}",
            "learning_rate": f"{float(self.model.optimizer.learning_rate):.3e}",
            "images_per_second": f"{rate:.1f}",
            "seconds": f"{self.seconds:.0f}",
        }
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.FIELDS).writerow(row)
        for name in ("loss", "learning_rate", "images_per_second"):
            self.writer.add_scalar(name, float(row[name]), self.step)
        self.writer.flush()
        self.loss_before = 0.0

    def _rows_until(self, step):
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            whole = [row for row in csv.DictReader(file) if all(row.get(f) for f in self.FIELDS)]
        return [row for row in whole if int(row["step"]) <= step]

    def _write(self, rows):
        with replaced(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.FIELDS)
            writer.writeheader()
            writer.writerows(rows)


class Every(keras.callbacks.Callback):
    """Call a function now and then, between two steps.

    Args:
        action: () -> None.
        epochs: call it at the end of every so many epochs; 0 is never.
        seconds: call it between any two steps when so much time has passed; None is never.
    """

    def __init__(self, action, epochs=0, seconds=None):
        super().__init__()
        self.action, self.epochs, self.seconds = action, epochs, seconds
        self.called = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.seconds is not None and time.monotonic() - self.called >= self.seconds:
            self._call()

    def on_epoch_end(self, epoch, logs=None):
        whole = not self.model.stop_training  # fit ends an epoch that was cut short, too
        if whole and self.epochs and (epoch + 1) % self.epochs == 0:
            self._call()

    def _call(self):
        _ = self.model  # reading it brings the variables up to date on JAX, where steps keep them
        self.action()
        self.called = time.monotonic()


class StopAtNaN(keras.callbacks.Callback):
    """Refuse to go on, and to save, once the loss is not a number.

    Raises:
        ValueError: from within `fit`, before any callback behind this one sees the step.
    """

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise ValueError(
                "the loss is not a finite number any more; what was saved before is untouched. "
                "Try a lower --lr in another run."
            )


class StopWhen(keras.callbacks.Callback):
    """End `fit` at the next border between two steps once `asked()` is true."""

    def __init__(self, asked):
        super().__init__()
        self.asked = asked

    def on_train_batch_end(self, batch, logs=None):
        if self.asked():
            self.model.stop_training = True
