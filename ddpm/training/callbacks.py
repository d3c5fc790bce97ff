"""What `fit` calls along the way: progress, log, samples and saving, and two ways to stop."""

import csv
import io
import math
import time

import keras
from PIL import Image

from common.cli import progress
from common.files import atomic_write


class Progress(keras.callbacks.Callback):
    """One bar over all steps: loss, pictures a second, time left.

    Args:
        start, total: the step to begin with and the last one.
        batch_size: pictures a step.
        quiet: show nothing.
    """

    def __init__(self, start, total, batch_size, quiet=False):
        super().__init__()
        self.start, self.batch_size = start, batch_size
        self.bar = progress(total, unit="step", initial=start, disable=quiet)
        self.began = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self.bar.set_description(f"epoch {epoch + 1}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
        # Over the whole run: tqdm's own rate is None until it has redrawn the bar once.
        rate = (self.bar.n - self.start) * self.batch_size / (time.monotonic() - self.began)
        rate = f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"  # slow is not 0
        self.bar.set_postfix_str(f"loss {logs['loss']:.4f}, {rate} images/s", refresh=False)

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
        # Here, for it takes a second to import.
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.path = folder / "log.csv"
        self.steps, self.batch_size = steps, batch_size
        self.step, self.loss_before = step, loss_before
        self.loss = 0.0
        self.seconds_before = seconds_before
        self._write(self._rows_until(step))
        self.events = EventFileWriter(str(folder / "events"))
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
        self.events.flush()

    def add_image(self, image, tag="samples"):
        """Show a picture, uint8 (H, W, 3), in TensorBoard at the present step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        height, width = image.shape[:2]
        png = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=_png(image)
        )
        self._add_event(Summary.Value(tag=tag, image=png))

    def _add_event(self, *values):
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=values)
        self.events.add_event(Event(wall_time=time.time(), step=self.step, summary=summary))
        self.events.flush()

    def _write_row(self):
        from tensorboard.compat.proto.summary_pb2 import Summary

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
        names = ("loss", "learning_rate", "images_per_second")
        self._add_event(*(Summary.Value(tag=n, simple_value=float(row[n])) for n in names))
        self.loss_before = 0.0

    def _rows_until(self, step):
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            whole = [row for row in csv.DictReader(file) if all(row.get(f) for f in self.FIELDS)]
        return [row for row in whole if int(row["step"]) <= step]

    def _write(self, rows):
        with atomic_write(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.FIELDS)
            writer.writeheader()
            writer.writerows(rows)


def _png(image):
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


class Every(keras.callbacks.Callback):
    """Call a function now and then, between two steps.

    Args:
        action: () -> None.
        epochs: call it at the end of every so many epochs; 0 is never.
        seconds: call it between any two steps when so much time has passed; None is never.
        steps: of an epoch.
    """

    def __init__(self, action, epochs=0, seconds=None, steps=1):
        super().__init__()
        self.action, self.epochs, self.seconds, self.steps = action, epochs, seconds, steps
        self.called = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.seconds is not None and time.monotonic() - self.called >= self.seconds:
            self._call()

    def on_epoch_end(self, epoch, logs=None):
        # `fit` ends an epoch that was cut short, too.
        whole = int(self.model.optimizer.iterations) % self.steps == 0
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
