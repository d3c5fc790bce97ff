"""A training run from its first step to its last, through any number of interruptions."""

import signal
from contextlib import contextmanager
from functools import cached_property, partial

import keras
from keras import ops

from common.devices import use_xla
from common.files import remove_partials
from common.sheets import grid, save_png
from ddpm.bundle import FILES, Model
from ddpm.nets.layers import named_weights
from ddpm.pipeline import Pipeline, Request
from ddpm.training.batches import Feed, batches
from ddpm.training.callbacks import Every, Log, Progress, StopAtNaN, StopWhen
from ddpm.training.checkpoint import Checkpoints
from ddpm.training.optimizer import OPTIMIZERS, WarmUp
from ddpm.training.snapshots import WIDTHS, save_snapshot

GRID = 16  # pictures in a run's sample grids
GRID_STEPS = 25


class Trainer:
    """The model, the optimizer and the averaged copy of one run.

    Args:
        make_network: () -> network, called twice: what is trained, and its averaged copy.
        preset: a `Preset`.
        folder: the run folder, a `Path`.
        write: (averaged network) -> None: writes the run's weights file.
        seed: int, of weights, noise and data order.
        micro_batches: see `DenoisingObjective`.
        preview: (averaged network) -> uint8 (H, W, 3): the run's sample sheet, of what does not
            sample; None draws `GRID` pictures.
        objective: makes the objective where it is another than the preset's own; see
            `ObjectiveConfig.make`.
    """

    def __init__(
        self,
        make_network,
        preset,
        folder,
        write,
        seed=0,
        micro_batches=1,
        preview=None,
        objective=None,
    ):
        keras.utils.set_random_seed(seed)
        self.preset, self.folder, self.write, self.seed = preset, folder, write, seed
        config = preset.network
        other = () if objective is None else (objective,)
        self.model = preset.objective.make(make_network(), seed, micro_batches, *other)
        self.model.compile(optimizer=_optimizer(preset.run), jit_compile=use_xla())
        # Built now, so that a checkpoint has somewhere to go before the first step.
        self.model.build((None, config.image_size, config.image_size, config.channels))
        self.model.optimizer.build(self.model.trainable_variables)
        self.averaged = make_network()
        self.preview = preview
        self.preview_condition = {}  # arrays of GRID rows, for the sample grids
        self.checkpoints = Checkpoints(folder / "checkpoint")
        self.notes = {}  # what the checkpoint that the run goes on from says besides

    @cached_property
    def pipeline(self):
        """A `Pipeline` of the averaged network."""
        return Pipeline(Model(self.averaged, self.preset, self.folder / FILES["model"]))

    @property
    def step(self):
        """Steps taken so far."""
        return int(self.model.optimizer.iterations)

    def begin_with(self, load):
        """Begin with other weights: `load(network)` puts them into what is trained. Returns what it
        returns."""
        result = load(self.model.network)
        self.model.optimizer.restart_averages()
        return result

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
        self.update_average()
        self.write(self.averaged)

    def snapshot(self):
        """Write the power-function averages as they are; see `snapshots.py`."""
        names = {id(v): name for name, v in named_weights(self.averaged).items()}
        names = [names[id(v)] for v in self.averaged.trainable_variables]
        optimizer = self.model.optimizer
        # What an objective trains besides, such as a critic, comes behind the network.
        profiles = (profile[: len(names)] for profile in optimizer.profiles)
        profiles = dict(zip(optimizer.widths, profiles, strict=True))
        save_snapshot(self.folder, self.step, names, profiles)

    def sample(self):
        """Draw a sheet with the averaged weights, for the folder and for TensorBoard."""
        self.update_average()
        if self.preview is None:
            sheet, recipe = self._grid()
        else:
            sheet, recipe = self.preview(self.averaged), {}
        recipe = {"step": self.step, **recipe}
        save_png(sheet, self.folder / "samples" / f"step-{self.step:07d}.png", recipe)
        self.log.add_image(sheet)

    def _grid(self):
        """Pictures that are always drawn from the same noise: (grid, recipe)."""
        steps = min(GRID_STEPS, self.pipeline.schedule.T)
        request = Request(
            n=GRID,
            guidance=1.0,
            sampler="ddim",
            spacing="uniform",
            steps=steps,
            seed=self.seed,
            batch_size=GRID,
            arrays=self.preview_condition,
        )
        zoom = max(1, 128 // self.preset.size)
        sheet = grid(self.pipeline.draw(request), zoom=zoom)
        return sheet, {"seed": self.seed, "sampler": "ddim", "steps": steps}

    def fit(self, images, epochs, save_seconds=300.0, quiet=False, build=None, watch=None):
        """Train until `epochs` are done or a signal asks to stop, saving along the way.

        Args:
            images: uint8 (N, S, S, 3), N at least the preset's batch size; with `build`, any
                sequence of N pictures.
            epochs: the last epoch, counted from the run's very start.
            save_seconds: save at the latest after so many seconds.
            quiet: no progress bar.
            build: makes batches with conditions; see `batches.BatchBuilder`.
            watch: `tasks.Watch`, or None.

        Returns:
            bool: whether all epochs are done.

        Raises:
            OSError: if the disk is full.
        """
        for folder in (self.folder, self.checkpoints.folder, self.folder / "samples"):
            remove_partials(folder)
        run, start = self.preset.run, self.step
        steps = len(images) // run.batch_size
        before = (self.notes.get("epoch_loss", 0.0), self.notes.get("seconds", 0.0))
        self.log = Log(self.folder, steps, run.batch_size, start, *before)
        progress = Progress(start, steps * epochs, run.batch_size, quiet)
        with _stop_on_signal() as asked:
            callbacks = [
                progress,
                StopAtNaN(),
                self.log,
                Every(self.sample, epochs=run.sample_epochs, steps=steps),
                Every(self.snapshot, epochs=run.snapshot_epochs, steps=steps),
                Every(partial(self._show, watch), watch.epochs if watch else 0, steps=steps),
                Every(self.save, seconds=save_seconds),
                StopWhen(asked),
            ]
            try:
                self._fit(images, epochs, steps, callbacks, build, asked)
            finally:
                progress.close()
            if watch and self.step >= steps * epochs and epochs % watch.epochs:
                watch.look(self._averaged_now())
            self.save()
        done, every = self.step >= steps * epochs, run.sample_epochs
        if done and every and epochs % every:
            self.sample()
        return done

    def _show(self, watch):
        watch.look(self._averaged_now())
        self.save()

    def _averaged_now(self):
        self.update_average()
        return self

    def _fit(self, images, epochs, steps, callbacks, build, asked):
        flip, size = self.preset.data.flip, self.preset.run.batch_size
        while self.step < steps * epochs and not asked():
            # fit counts whole epochs: one that was cut short is finished by a fit of its own.
            epoch, done = divmod(self.step, steps)
            feed = Feed(batches(images, size, self.seed, self.step, flip, build))
            try:
                self.model.fit(
                    iter(feed),
                    initial_epoch=epoch,
                    epochs=epoch + 1 if done else epochs,
                    steps_per_epoch=steps - done,
                    callbacks=callbacks,
                    shuffle=False,
                    verbose=0,
                )
            finally:
                feed.stop()

    def update_average(self):
        """Copy the averaged weights from the optimizer into `averaged`, under the constraints that
        they have: an average of unit kernels is shorter than they are."""
        weights = self.averaged.trainable_variables
        averages = self.model.optimizer.averages[: len(weights)]
        for weight, average in zip(weights, averages, strict=True):
            average = ops.copy(average)
            weight.assign(weight.constraint(average) if weight.constraint else average)


def _optimizer(run):
    rate = WarmUp(run.learning_rate, run.warmup_steps, run.decay_steps)
    return OPTIMIZERS[run.optimizer](
        rate,
        ema_decay=run.ema_decay,
        plain_rate=run.plain_rate,
        widths=WIDTHS if run.snapshot_epochs else (),
        global_clipnorm=run.clip_norm or None,
    )


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
