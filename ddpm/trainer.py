"""A training run from its first step to its last, through any number of interruptions."""

import signal
from contextlib import contextmanager

import keras
from keras import ops

from ddpm.checkpoint import Checkpoints, remove_partials
from ddpm.control import Controlled
from ddpm.denoiser import x0_denoiser
from ddpm.diffusion import Diffusion
from ddpm.guidance import conditioned
from ddpm.hints import KINDS
from ddpm.pictures import draw, grid, save_png
from ddpm.run import CONTROL, WEIGHTS, load_branch, save_weights, start_from
from ddpm.runtime import PRECISIONS, use_xla
from ddpm.training import AveragedAdam, Every, Log, Progress, StopAtNaN, StopWhen, WarmUp, batches

GRID = 16  # pictures in a run's sample grids
GRID_STEPS = 25


class Trainer:
    """The model, the optimizer and the averaged copy of one run.

    Args:
        preset: a `Preset`.
        folder: the run folder, a `Path`.
        precision: "float32" or "bfloat16".
        seed: int, of weights, noise and data order.
        base: a `Trained` whose control branch is to be trained, while it stays as it is; None
            trains a network of its own.
        parts: see `Diffusion`.
    """

    def __init__(self, preset, folder, precision="float32", seed=0, base=None, parts=1):
        keras.utils.set_random_seed(seed)
        self.preset, self.folder, self.seed, self.base = preset, folder, seed, base
        self.schedule = preset.make_schedule()

        def network():
            if base is not None:
                return Controlled(base.network)
            return preset.make_network(PRECISIONS[precision])

        self.model = Diffusion(
            network(),
            self.schedule,
            preset.prediction,
            preset.weighting,
            offset_noise=preset.offset_noise,
            noisy=preset.noisy,
            seed=seed,
            parts=parts,
        )
        self.model.compile(optimizer=_optimizer(preset), jit_compile=use_xla())
        # Built now, so that a checkpoint has somewhere to go before the first step.
        self.model.build((None, preset.image_size, preset.image_size, 3))
        self.model.optimizer.build(self.model.trainable_variables)
        self.averaged = network()
        self.denoise = x0_denoiser(self.averaged, self.schedule, preset.prediction, xla=use_xla())
        self.shown = None  # what the pictures of the sample grids are told: a condition
        self.checkpoints = Checkpoints(folder / "checkpoint")
        self.captions = ()  # that the pictures have, for the weights file
        self.notes = {}  # what the checkpoint that the run goes on from says besides

    @property
    def step(self):
        """Steps taken so far."""
        return int(self.model.optimizer.iterations)

    def start_from(self, path):
        """Begin with the weights of another run where they fit; see `run.start_from`. A control
        branch begins with another one of its form, whatever model that was trained over."""
        if self.base is not None:
            load_branch(self.model.network, path)
            taken = (1, 1)
        else:
            taken = start_from(self.model.network, path, self.preset.vocabulary)
        self.model.optimizer.restart_averages()
        return taken

    def restore(self):
        """Go back to the newest whole checkpoint.

        Returns:
            (notes, damaged) as `Checkpoints.restore`.
        """
        notes, damaged = self.checkpoints.restore(self.model)
        self.notes = notes or {}
        return notes, damaged

    def save(self):
        """Write a checkpoint and, from the averaged weights, the run's weights file.

        Raises:
            OSError: if the disk is full; what was there before stays.
        """
        self.checkpoints.save(self.model, epoch_loss=self.log.loss, seconds=self.log.seconds)
        self._average()
        if self.base is None:
            path = self.folder / WEIGHTS
            save_weights(self.averaged, self.preset, path, captions=self.captions)
        else:
            control = {"kinds": KINDS, "over": self.base.digest}
            save_weights(self.averaged.branch, self.preset, self.folder / CONTROL, control=control)

    def sample(self):
        """Write a grid drawn with the averaged weights, always from the same noise."""
        self._average()
        size, steps = self.preset.image_size, min(GRID_STEPS, self.schedule.T)
        denoise = self.denoise if self.shown is None else conditioned(self.denoise, self.shown)
        images = draw(
            denoise,
            self.schedule,
            GRID,
            (size, size, 3),
            steps=steps,
            seed=self.seed,
            batch_size=GRID,
        )
        recipe = {"step": self.step, "seed": self.seed, "sampler": "ddim", "steps": steps}
        path = self.folder / "samples" / f"step-{self.step:07d}.png"
        save_png(grid(images, zoom=max(1, 128 // size)), path, recipe)

    def fit(self, images, epochs, save_seconds=300.0, quiet=False, compose=None):
        """Train until `epochs` are done or a signal asks to stop, saving along the way.

        Args:
            images: uint8 (N, S, S, 3), N at least the preset's batch size; with `compose`, any
                sequence of N pictures.
            epochs: the last epoch, counted from the run's very start.
            save_seconds: save at the latest after so many seconds.
            quiet: no progress bar.
            compose: makes batches for a model that is told something; see `training.Composer`.

        Returns:
            bool: whether all epochs are done.

        Raises:
            OSError: if the disk is full.
        """
        for folder in (self.folder, self.checkpoints.folder, self.folder / "samples"):
            remove_partials(folder)
        size, start = self.preset.batch_size, self.step
        steps = len(images) // size
        before = (self.notes.get("epoch_loss", 0.0), self.notes.get("seconds", 0.0))
        self.log = Log(self.folder, steps, size, start, *before)
        progress = Progress(start, steps * epochs, size, quiet)
        with _stop_on_signal() as asked:
            callbacks = [
                progress,
                StopAtNaN(),
                self.log,
                Every(self.sample, epochs=self.preset.sample_epochs),
                Every(self.save, seconds=save_seconds),
                StopWhen(asked),
            ]
            while self.step < steps * epochs and not asked():
                # fit counts whole epochs: one that was cut short is finished by a fit of its own.
                epoch, done = divmod(self.step, steps)
                self.model.fit(
                    batches(images, size, self.seed, self.step, self.preset.flip, compose),
                    initial_epoch=epoch,
                    epochs=epoch + 1 if done else epochs,
                    steps_per_epoch=steps - done,
                    callbacks=callbacks,
                    shuffle=False,
                    verbose=0,
                )
            progress.close()
            self.save()
        done, every = self.step >= steps * epochs, self.preset.sample_epochs
        if done and every and epochs % every:
            self.sample()
        return done

    def _average(self):
        averages = self.model.optimizer.averages
        for weight, average in zip(self.averaged.trainable_variables, averages, strict=True):
            weight.assign(ops.copy(average))


def _optimizer(preset):
    rate = WarmUp(preset.learning_rate, preset.warmup_steps, preset.decay_steps)
    return AveragedAdam(rate, average=preset.average, global_clipnorm=preset.clip_norm)


@contextmanager
def _stop_on_signal():
    """Ctrl-C and SIGTERM ask to stop; the step in hand is finished first, so that what is saved is
    the state between two steps. A second Ctrl-C interrupts at once."""
    asked = []

    def ask(number, frame):
        asked.append(number)
        signal.signal(number, previous[number])

    previous = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
