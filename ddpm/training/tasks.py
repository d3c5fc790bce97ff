"""What can be trained: one function a task, `(options, data) -> whether it was finished`.

    base       a model of its own
    control    a control branch over a model, which stays as it is
    inpaint    a model goes on, conditioned on mask and masked picture

Each settles its preset, then hands what is particular to it to `_train`. A new task is a new
function in `TASKS`. Pictures, and what is made of the faces in them, come from the caller
(`DataSource`): this package knows arrays.
"""

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from common.devices import one_core_per_micro_batch
from common.files import folder_lock
from ddpm.bundle import (
    FILES,
    default_weights,
    load_control,
    load_model,
    load_weights,
    read_preset,
    save_control,
    save_model,
    start_from,
    vocabulary_of,
)
from ddpm.conditions import NoSettings, Source
from ddpm.conditions.hints import HintSettings
from ddpm.conditions.text import Tokenizer
from ddpm.presets import PRESETS, Preset
from ddpm.training.run_folder import read_config, write_config

P_UNCOND_CONTROL = (
    0.3  # probability that words, size and crop, or both are dropped: hints should do
)
FINGERPRINTED = 4096  # pictures at most that a set's fingerprint is taken from


@dataclass(frozen=True)
class Options:
    """What a training is asked for; None leaves it to the preset, or to the run that goes on.

    Args:
        out: run folder.
        preset: a word of `PRESETS`.
        data: folder of pictures; None for the default set.
        weights: the model that a task begins with or trains over.
        start_from: weights to begin with, where they fit.
        epochs, batch_size, lr, sample_epochs: of the preset, otherwise.
        precision: "auto", "float32" or "bfloat16".
        seed: of weights, noise and order.
        resume: go on with the run in `out`.
        dry_run: say what would be trained, and stop.
        save_minutes: save at least this often.
        deterministic: same bits each time; None: on a processor.
    """

    out: Path | None = None
    preset: str | None = None
    data: Path | None = None
    weights: Path | None = None
    start_from: Path | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    sample_epochs: int | None = None
    precision: str | None = None
    seed: int | None = None
    resume: bool = False
    dry_run: bool = False
    save_minutes: float = 5.0
    deterministic: bool | None = None


# Options that a run is made of: it keeps them when it goes on.
LASTING = ("preset", "data", "weights", "start_from", "batch_size", "lr", "precision", "seed")


@dataclass(frozen=True)
class DataSource:
    """Where pictures come from, and what is made of the faces in them.

    Args:
        load: (folder or None, preset) -> (pictures, folder): pictures have `images`, `captions`,
            `sizes` as a `conditions.Source` wants them.
        hints: (images, path of a cache) -> `Source.make_hints`.
        masks: (images, path of a cache, side of the masks) -> `Source.make_mask`.
    """

    load: Callable
    hints: Callable | None = None
    masks: Callable | None = None


@dataclass(frozen=True)
class _Run:
    """A run that is about to begin or to go on: what every task settles first."""

    task: str
    options: Options
    preset: Preset
    out: Path
    config: dict | None  # of the run that goes on

    def settle(self, preset):
        """With the preset of the run that goes on, or this one, and the changes of the options."""
        if self.config:
            preset = Preset.from_dict(self.config["preset"])
        options = self.options
        changes = {
            "epochs": options.epochs,
            "batch_size": options.batch_size,
            "learning_rate": options.lr,
            "sample_epochs": options.sample_epochs,
        }
        changes = {name: value for name, value in changes.items() if value is not None}
        return replace(self, preset=preset.with_(run=changes))


# --- the tasks


def base(options, data):
    """Train a model of its own."""
    preset = _preset(options.preset or "faces64")
    run = _open("base", replace(options, out=options.out or Path("runs") / preset.name))
    if run.options.start_from and not run.config:
        read_preset(run.options.start_from)  # what cannot be read is told at once
    run = run.settle(preset)

    def begin(network, preset):
        return start_from(network, run.options.start_from, vocabulary_of(preset))

    return _train(
        run,
        data,
        begin=begin if run.options.start_from else None,
        use="Sample from it: python sample.py --n 64 --weights {}",
    )


def inpaint(options, data):
    """Teach a model to paint into pictures: it goes on, conditioned on mask and masked picture."""
    run = _open("inpaint", options)
    if not run.config:
        weights = run.options.weights or default_weights()
        run = replace(run, options=replace(run.options, weights=weights, start_from=weights))
    run = run.settle(
        read_preset(run.options.weights).with_conditions(inpaint=NoSettings())
        if not run.config
        else None
    )

    def begin(network, preset):
        return start_from(network, run.options.start_from, vocabulary_of(preset))

    return _train(
        run,
        data,
        begin=begin,
        use="Use it: python sample.py --init photo.jpg --mask mask.png --weights {}",
    )


def control(options, data):
    """Train a control branch: edges, colours, coarse shapes and face points that a model obeys."""
    run = _open("control", options)
    if not run.config:
        run = replace(
            run, options=replace(run.options, weights=run.options.weights or default_weights())
        )
    preset = None
    if not run.config:
        # Mirrored faces would show their left eye in the colour of the right one.
        preset = read_preset(run.options.weights).with_(
            data={"flip": False}, objective={"p_uncond": P_UNCOND_CONTROL}
        )
        if run.options.start_from:
            load_control(run.options.start_from, preset)  # what does not fit is told at once
    run = run.settle(preset)
    begin = None
    if run.options.start_from:

        def begin(network, preset):
            load_weights(network.branch, load_control(run.options.start_from, preset).path)
            return 1, 1

    return _train(
        run,
        data,
        begin=begin,
        make=_control_parts,
        hints=HintSettings(),
        use="Use it: python sample.py --control canny=edges.png --control-weights {}",
    )


TASKS = {"base": base, "control": control, "inpaint": inpaint}


# --- opening a run


def _open(task, options):
    """A new run, or the one in `options.out` that goes on."""
    out = options.out
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; name a folder for the run with --out.")
    config = read_config(out)
    if config is not None and not options.resume:
        raise ValueError(
            f"{out} already holds a run; add --resume to go on with it, or name another "
            "folder with --out."
        )
    if config is None and options.resume:
        if not out.exists():
            raise ValueError(f"there is no run in {out}; check --out, or leave --resume away.")
        click.echo(f"Nothing saved in {out} yet: starting afresh.")
    if config is not None:
        _same_task(config, task, out)
        _same_options(config, options, out)
        kept = {name: config["options"].get(name) for name in LASTING}
        if options.deterministic is None:
            kept["deterministic"] = config["deterministic"]
        options = replace(options, **kept)
    return _Run(task, options, None, out, config)


def _same_task(config, task, out):
    if config["task"] != task:
        command = "python train.py" + (f" {config['task']}" if config["task"] != "base" else "")
        raise ValueError(f"{out} was started with {command}; go on with that.")


def _same_options(config, options, out):
    """Refuse an option that a run is made of and that says something else than the run does."""
    said, preset = config["options"], config["preset"]
    started = {
        "preset": (preset["name"],),
        "data": (Path(config["data"]["folder"]).resolve(),),
        "batch_size": (preset["run"]["batch_size"], said["batch_size"]),
        "lr": (preset["run"]["learning_rate"],),
        "precision": (config["precision"], said["precision"] or "auto"),
        "seed": (said["seed"] or 0,),
        "start_from": (said["start_from"],),
        "weights": (said["weights"] and Path(said["weights"]).resolve(),),
    }
    for name, values in started.items():
        given = getattr(options, name)
        if given is None:
            continue
        if name in ("data", "weights"):
            given = Path(given).resolve()
        if str(given) not in map(str, values):
            raise ValueError(
                f"{out} was started with --{name.replace('_', '-')} {values[0]}; leave the option "
                "away to resume, or start another run with --out."
            )


def _preset(word):
    if word not in PRESETS:
        raise ValueError(f"unknown preset {word!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[word]


# --- running it


@dataclass(frozen=True)
class _Parts:
    """What a task trains, and how it is written."""

    make_network: Callable
    write: Callable
    trained: Callable  # (what make_network gives) -> the part whose parameters are trained
    what: str = "Network"
    base_digest: str | None = None


def _model_parts(run, preset, precision, pictures):
    captions = (vocabulary_of(preset) and pictures.captions) or ()
    return _Parts(
        make_network=lambda: preset.make_network(precision),
        write=lambda network: save_model(
            network, preset, run.out / FILES["model"], captions=captions
        ),
        trained=lambda network: network,
    )


def _control_parts(run, preset, precision, pictures):
    from ddpm.nets.control import Controlled

    base = load_model(run.options.weights, precision)
    if run.config and run.config["base_digest"] != base.digest:
        raise ValueError(
            f"{base.path} is not the model that {run.out} was trained over; bring it back."
        )
    return _Parts(
        make_network=lambda: Controlled(base.network),
        write=lambda network: save_control(
            network.branch, preset, run.out / FILES["control"], base.digest
        ),
        trained=lambda network: network.branch,
        what="Control branch",
        base_digest=base.digest,
    )


def _train(run, data, use, begin=None, make=_model_parts, hints=None):
    """Train to the end, or to a signal.

    Args:
        run: `_Run`.
        data: `DataSource`.
        use: the sentence that says how to use the result, with {} for its folder.
        begin: (network, preset) -> (taken, all) parameters: other weights to begin with.
        make: (run, preset, dtype policy, pictures) -> `_Parts`.
        hints: `HintSettings` where control pictures are trained.

    Returns:
        bool: whether all epochs are done.
    """
    pictures, folder = data.load(run.options.data, run.preset)
    fingerprint = _fingerprint(pictures)
    if run.config and run.config["data"]["fingerprint"] != fingerprint:
        raise ValueError(
            f"the pictures in {folder} are not those that {run.out} was trained on; bring them "
            "back, or start another run with --out."
        )
    preset = _fit_to_pictures(run, pictures, folder)
    deterministic, micro_batches = _set_up(run.options, preset.run.batch_size)

    # Imported here: a backend takes seconds to start, and bad input should not wait for it.
    from common.devices import PRECISIONS, choose_precision, start_backend, use_xla

    start_backend()
    import keras

    from ddpm.training.trainer import Trainer

    backend = keras.backend.backend()
    if run.config and run.config["backend"] != backend:
        raise ValueError(
            f"{run.out} was trained on the {run.config['backend']} backend; go on with "
            f"KERAS_BACKEND={run.config['backend']}."
        )
    asked = run.options.precision or "auto"
    precision = run.config["precision"] if run.config else choose_precision(asked)
    parts = make(run, preset, PRECISIONS[precision], pictures)
    trainer = Trainer(
        parts.make_network,
        preset,
        run.out,
        parts.write,
        run.options.seed or 0,
        1 if use_xla() else micro_batches,
    )
    parameters = parts.trained(trainer.averaged).count_params()
    click.echo(
        f"{parts.what}: {parameters / 1e6:.1f} M parameters, {precision}, {backend} backend."
    )
    if run.options.dry_run:
        return True
    with folder_lock(run.out):
        _restore(trainer, run)
        if begin is not None and trainer.step == 0:  # also if stopped before its first checkpoint
            taken, total = trainer.begin_with(lambda network: begin(network, preset))
            click.echo(f"{taken / total:.0%} of them begin as in {run.options.start_from}.")
        if _is_finished(trainer, pictures, preset, run.out):
            return True
        options = {name: getattr(run.options, name) for name in LASTING}
        write_config(
            run.out,
            {
                "task": run.task,
                "preset": preset.to_dict(),
                "precision": precision,
                "backend": backend,
                "deterministic": deterministic,
                "options": {k: str(v) if isinstance(v, Path) else v for k, v in options.items()},
                "base_digest": parts.base_digest,
                "data": {
                    "folder": str(folder),
                    "pictures": len(pictures.images),
                    "fingerprint": fingerprint,
                },
            },
        )
        build = _batch_builder(run, preset, pictures, data, hints)
        if build:
            trainer.preview_condition = _preview_condition(build, len(pictures.images))
        click.echo("The first step is slow: it compiles the network.")
        seconds = 60 * run.options.save_minutes
        done = trainer.fit(pictures.images, preset.run.epochs, seconds, build=build)
    _say_goodbye(run, done, trainer.step, use)
    return done


def _fit_to_pictures(run, pictures, folder):
    """The run's preset with the words of the captions, and no batch larger than the set."""
    preset, n = run.preset, len(pictures.images)
    text = preset.network.conditions.get("text")
    if text is not None and not text.vocabulary:
        words = Tokenizer.of(pictures.captions or (), text.length).words
        if not words:
            raise ValueError(
                f"there are no captions in {folder}, and the preset {preset.name} learns from "
                "words. Put a text file of the same name beside each picture, or choose --preset "
                "faces64."
            )
        preset = preset.with_conditions(text=replace(text, vocabulary=words))
    batch_size = preset.run.batch_size
    click.echo(
        f"Preset {preset.name}: {n} pictures of {preset.network.image_size} px from {folder}, "
        f"{preset.run.epochs} epochs of {max(1, n // batch_size)} steps, into {run.out}."
    )
    if n < batch_size:
        preset = preset.with_(run={"batch_size": n})
        click.echo(f"Fewer pictures than a batch: the batch size is {n}.")
    return preset


def _fingerprint(pictures):
    """A hash of the pictures, or of some spread evenly where there are many, and of their captions
    where they are kept in their own shapes."""
    images = pictures.images
    chosen = np.linspace(0, len(images) - 1, min(len(images), FINGERPRINTED)).astype(int)
    digest = hashlib.sha256(str(getattr(images, "shape", len(images))).encode())
    for i in chosen:
        digest.update(np.ascontiguousarray(images[i]))
    if pictures.sizes is not None:
        digest.update("\n".join(pictures.captions or ()).encode())
    return digest.hexdigest()[:16]


def _set_up(options, batch_size):
    """Settle what the backends read when they are imported. Returns (deterministic, micro-batches).

    On processors two things make TensorFlow's sums differ in their last bits: kernels that are
    free to (the flag), and operations that run side by side, for `AddN` begins its sum with
    whichever input's memory has come free first (hence one operation at a time, on all cores).
    """
    wanted = options.deterministic
    if wanted is None:
        wanted = not shutil.which("nvidia-smi")
    if not wanted:
        return False, one_core_per_micro_batch(batch_size)
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    return True, 1


def _restore(trainer, run):
    if not run.options.resume:
        return
    notes, damaged = trainer.restore()
    for path in damaged:
        click.echo(f"Damaged checkpoint {path}: using the one before it.", err=True)
    if notes:
        click.echo(f"Resuming at step {trainer.step}.")
    elif damaged:
        click.echo("No whole checkpoint is left: starting afresh.", err=True)
    elif run.config:
        click.echo(f"Nothing saved in {run.out} yet: starting afresh.")


def _is_finished(trainer, pictures, preset, out):
    steps = len(pictures.images) // preset.run.batch_size
    if trainer.step < steps * preset.run.epochs:
        return False
    click.echo(
        f"{out} is finished: {trainer.step // steps} epochs. Nothing to do; more --epochs would go "
        "on."
    )
    return True


def _batch_builder(run, preset, pictures, data, hints):
    """What makes batches with conditions or crops; None where there are none."""
    from ddpm.training.batches import BatchBuilder

    conditions = dict(preset.network.conditions)
    cache = run.out / "points.npy"
    source = Source(pictures.images, pictures.captions, pictures.sizes)
    if hints is not None:
        conditions["hints"] = hints
        source = replace(source, make_hints=data.hints(pictures.images, cache))
    if "inpaint" in conditions:
        size = preset.network.image_size
        source = replace(source, make_mask=data.masks(pictures.images, cache, size))
    if not conditions and not preset.data.p_crop:
        return None
    return BatchBuilder(source, preset, conditions)


def _preview_condition(build, n):
    """The condition of the run's sample grids: of whole pictures, spread over the set."""
    from ddpm.training.trainer import GRID

    preset = build.preset.with_(data={"p_crop": 0.0, "p_downscale": 0.0})
    conditions = {k: v for k, v in build.conditions.items() if k != "inpaint"}
    whole = type(build)(build.source, preset, conditions)
    indices = np.linspace(0, n - 1, GRID).astype(int)
    batch = whole(indices, np.zeros(GRID, bool), np.random.default_rng(0), drop=False)
    del batch["x0"]
    return batch


def _say_goodbye(run, done, step, use):
    name = shlex.quote(str(run.out))
    if done:
        click.echo(f"Done. {use.format(name)}")
        return
    task = f"{run.task} " if run.task != "base" else ""
    click.echo(
        f"Stopped and saved at step {step}. Go on with: python train.py {task}--resume --out {name}"
    )
