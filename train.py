"""Faces in, a trained model out: `python train.py --epochs 800`."""

import errno
import hashlib
import os
import shlex
import shutil
import sys
from copy import copy
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from ddpm.checkpoint import replaced
from ddpm.commands import check_finite, one_core_a_part
from ddpm.presets import PRESETS, Preset
from ddpm.run import (
    CONFIG,
    check_control,
    default_weights,
    read_config,
    read_preset,
    write_config,
)

DEFAULT_PRESET = "faces64"
# The default set: as many portraits as the DDPM that started it had; a handful for the tiny preset.
FACES = {"n": 972, "identities": 243, "seed": 0, "drawn": 0}
FEW_FACES = {"n": 160, "identities": 80, "seed": 0, "drawn": 0}
FORMAT = 1
SHIPPED = Path(__file__).parent / "weights"
FACE_MASKS = 0.6  # share of masks that are parts of a face, where one is known
CONTROL_FORGETS = 0.3  # chance that words, framing, or both go: hints should suffice
CONFIG_KEYS = {"preset", "precision", "backend", "deterministic", "options", "data"}
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no pages of remarks when TensorFlow starts


def _with(*options):
    """A decorator that gives a command several options."""

    def decorate(command):
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


RUN_OPTIONS = _with(
    click.option(
        "--data",
        type=Path,
        help="Folder of pictures (a text file of the same name beside one is its caption), or a "
        "dataset made by `python -m data`.  [default: data/faces<size>, rendered when missing]",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(1),
        help="Passes over the pictures, counted from the run's start.  [default: the preset's]",
    ),
    click.option(
        "--batch-size", type=click.IntRange(1), help="Pictures a step.  [default: the preset's]"
    ),
    click.option(
        "--lr",
        type=click.FloatRange(0, min_open=True),
        help="Learning rate.  [default: the preset's]",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        help="auto takes bfloat16 where the machine multiplies in it.  [default: auto]",
    ),
    click.option(
        "--seed", type=click.IntRange(0), help="Of weights, noise and order.  [default: 0]"
    ),
    click.option("--resume", is_flag=True, help="Go on with the run in --out."),
    click.option("--dry-run", is_flag=True, help="Say what would be trained, and stop."),
    click.option(
        "--sample-epochs",
        type=click.IntRange(0),
        help="A sample grid every so many epochs; 0 is never.  [default: the preset's]",
    ),
    click.option(
        "--save-minutes", type=click.FloatRange(0), default=5.0, help="Save at least this often."
    ),
    click.option(
        "--deterministic/--fast",
        default=None,
        help="Same bits each time; costs speed on a GPU.  [default: deterministic on a CPU]",
    ),
)


@click.group(invoke_without_command=True, context_settings={"show_default": True})
@click.option(
    "--preset", type=str, help=f"One of {', '.join(PRESETS)}.  [default: {DEFAULT_PRESET}]"
)
@click.option("--out", type=Path, help="Run folder.  [default: runs/<preset>]")
@click.option(
    "--start-from", type=Path, help="Begin with the weights of this file or run, where they fit."
)
@RUN_OPTIONS
@click.pass_context
def main(context, **options):
    """Train a diffusion model on faces, or on any folder of pictures."""
    if context.invoked_subcommand is None:
        _finish(lambda: run(**options))
    elif any(context.get_parameter_source(name).name == "COMMANDLINE" for name in options):
        click.echo(f"Error: options belong behind the word {context.invoked_subcommand}.", err=True)
        sys.exit(2)


@main.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, help="The model to be controlled; it stays as it is.")
@click.option("--out", type=Path, default=Path("runs/control"), help="Run folder.")
@click.option(
    "--start-from", type=Path, help="Begin with this branch, trained over another such model."
)
@RUN_OPTIONS
def control(**options):
    """Train a control branch: edges, colours, coarse shapes and face points that a model obeys."""
    _finish(lambda: run(task="control", **options))


@main.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, help="The model to begin with.")
@click.option("--out", type=Path, default=Path("runs/inpaint"), help="Run folder.")
@RUN_OPTIONS
def inpaint(**options):
    """Teach a model to paint into pictures: it learns on, with mask and masked picture in sight."""
    _finish(lambda: run(task="inpaint", **options))


def _finish(action):
    """Run a command to its exit code, with errors as one sentence."""
    try:
        done = action()
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            error = "the disk is full; what was saved before is safe. Make room and add --resume."
        elif isinstance(error, OSError):
            error = f"cannot read or write {error.filename}: {error.strerror}."
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    sys.exit(0 if done else 130)  # 130: stopped by a signal, as shells have it


def run(
    out,
    epochs,
    resume,
    dry_run,
    sample_epochs,
    save_minutes,
    deterministic,
    task="",
    **options,
):
    """What the commands do, with errors as exceptions. Returns False if it was stopped.

    The task "control" trains a control branch over the option `weights`, "inpaint" a model that
    begins with them, and none a model of its own.
    """
    controls = task == "control"
    preset = _preset(options.get("preset") or DEFAULT_PRESET)
    out = out or Path("runs") / preset.name
    check_finite(lr=options["lr"], save_minutes=save_minutes)
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; name a folder for the run with --out.")
    config = _config(out, resume)
    if config:
        started = config.get("task", "")
        if started != task:
            command = f"python train.py {started}".strip()
            raise ValueError(f"{out} was started with {command}; go on with that.")
        _same_as(config, {k: v for k, v in options.items() if v is not None}, out)
        options = {**options, **config["options"]}
        deterministic = config["deterministic"] if deterministic is None else deterministic
    if task and not config:
        options["weights"] = options["weights"] or default_weights(SHIPPED)
        preset = read_preset(options["weights"])
        if controls:
            # Mirrored faces would show their left eye in the colour of the right one.
            preset = replace(preset, flip=False, forget=CONTROL_FORGETS)
        else:
            preset = replace(preset, inpainting=True)
            options["start_from"] = options["weights"]
    if options.get("start_from") and not config:  # what cannot be read is told at once
        if controls:
            check_control(options["start_from"], preset)
        else:
            read_preset(options["start_from"])
    preset = _settled(preset, config, options, epochs=epochs, sample_epochs=sample_epochs)
    pictures, data = _pictures(options["data"], preset)
    fingerprint = _fingerprint(pictures)
    if config and config["data"]["fingerprint"] != fingerprint:
        raise ValueError(
            f"the pictures in {data} are not those that {out} was trained on; bring them "
            "back, or start another run with --out."
        )
    if preset.cross_attention and not preset.vocabulary:
        preset = replace(preset, vocabulary=_vocabulary(pictures, data, preset))
    _announce(preset, pictures, data, out)
    if len(pictures) < preset.batch_size:
        preset = replace(preset, batch_size=len(pictures))
        click.echo(f"Fewer pictures than a batch: the batch size is {preset.batch_size}.")
    deterministic = _be_deterministic(deterministic)
    parts = 1 if deterministic else one_core_a_part(preset.batch_size)

    # Imported here: a backend takes seconds to start, and bad input should not wait for it.
    import keras

    from ddpm.run import load_weights
    from ddpm.runtime import PRECISIONS, choose_precision, use_xla
    from ddpm.trainer import Trainer

    if config and config["backend"] != keras.backend.backend():
        raise ValueError(
            f"{out} was trained on the {config['backend']} backend; go on with "
            f"KERAS_BACKEND={config['backend']}."
        )
    precision = config["precision"] if config else choose_precision(options["precision"] or "auto")
    base = load_weights(options["weights"], PRECISIONS[precision]) if controls else None
    if base and config and config["over"] != base.digest:
        raise ValueError(
            f"{base.path} is not the model that {out} was trained over; bring it back."
        )
    parts = 1 if use_xla() else parts
    trainer = Trainer(preset, out, precision, options["seed"] or 0, base, parts)
    network = trainer.averaged.branch if base else trainer.averaged
    click.echo(
        f"{'Control branch' if base else 'Network'}: {network.count_params() / 1e6:.1f} M "
        f"parameters, {precision}, {keras.backend.backend()} backend."
    )
    if dry_run:
        return True
    _resume(trainer, resume, config)
    # Also where a run was stopped before its first checkpoint.
    if options.get("start_from") and trainer.step == 0:
        taken, wanted = trainer.start_from(options["start_from"])
        click.echo(f"{taken / wanted:.0%} of them begin as in {options['start_from']}.")
    steps = len(pictures) // preset.batch_size
    if trainer.step >= steps * preset.epochs:
        click.echo(
            f"{out} is finished: {trainer.step // steps} epochs. Nothing to do; more --epochs "
            "would go on."
        )
        return True
    write_config(
        out,
        {
            "format": FORMAT,
            "preset": preset.to_dict(),
            "precision": precision,
            "backend": keras.backend.backend(),
            "deterministic": deterministic,
            "options": {k: str(v) if isinstance(v, Path) else v for k, v in options.items()},
            "task": task,
            "over": base.digest if base else None,
            "data": {
                "folder": str(data),
                "pictures": len(pictures),
                "fingerprint": fingerprint,
            },
        },
    )
    hints = masks = None
    if base or preset.inpainting:
        points = _points(pictures.images, out / "points.npy")
        hints = _hints(points) if base else None
        masks = _masks(points, preset.image_size) if preset.inpainting else None
    compose = _composer(preset, pictures, hints, masks)
    if compose:
        trainer.shown = _shown(compose, len(pictures))
    trainer.captions = (preset.vocabulary and pictures.captions) or ()
    click.echo("The first step is slow: it compiles the network.")
    done = trainer.fit(pictures.images, preset.epochs, 60 * save_minutes, compose=compose)
    name = shlex.quote(str(out))
    if done and base:
        click.echo(
            f"Done. Use it: python sample.py --control canny=edges.png --control-weights {name}"
        )
    elif done and task:
        click.echo(
            f"Done. Use it: python sample.py --init photo.jpg --mask mask.png --weights {name}"
        )
    elif done:
        click.echo(f"Done. Sample from it: python sample.py --n 64 --weights {name}")
    else:
        click.echo(
            f"Stopped and saved at step {trainer.step}. "
            f"Go on with: python train.py {task + ' ' if task else ''}--resume --out {name}"
        )
    return done


def _vocabulary(pictures, data, preset):
    """The words of the captions, which the preset wants."""
    from ddpm.text import Tokenizer

    words = Tokenizer.of(pictures.captions or (), preset.text_length).words
    if not words:
        raise ValueError(
            f"there are no captions in {data}, and the preset {preset.name} learns from words. Put "
            "a text file of the same name beside each picture, or choose --preset faces64."
        )
    return words


def _composer(preset, pictures, hints=None, masks=None):
    """What makes batches for a model that is told something; None for one that is not."""
    from ddpm.training import Composer

    if not (preset.told or preset.crops or hints or masks):
        return None
    tokens = [None, None]
    if preset.vocabulary:
        tokenizer = preset.make_tokenizer()
        row = tokenizer.encode_all(pictures.captions or [""] * len(pictures))
        tokens = [row, tokenizer.mirrored(row)]
    return Composer(pictures.images, preset, *tokens, pictures.sizes, hints, masks)


def _shown(compose, n):
    """What the run's sample grids are told: of pictures spread over the set, whole ones."""
    from ddpm.trainer import GRID

    whole = copy(compose)
    whole.preset, whole.masks = replace(compose.preset, crops=0.0, small=0.0), None
    indices = np.linspace(0, n - 1, GRID).astype(int)
    shown = whole(indices, np.zeros(GRID, bool), np.random.default_rng(0), forget=False)
    del shown["x0"]
    return shown or None


def _hints(points):
    """What makes the control pictures of a training window, by `facekit.control`: points are those
    of `_points`."""
    from facekit.control import canny, colour_grid, face_points, tile

    def make(window, i, matrix, rng):
        found = bool(np.isfinite(points[i]).all())
        face = [points[i] @ matrix[:, :2].T + matrix[:, 2]] if found else []
        pictures = (
            canny(window, sigma=rng.uniform(0.2, 0.5)),
            colour_grid(window),
            tile(window, factor=int(rng.choice((2, 4, 8)))),
            face_points(window.shape, face),
        )
        return np.concatenate(pictures, axis=-1), np.array([True, True, True, found])

    return make


def _masks(points, size):
    """What makes the masks to train on: parts of faces, where points of one are known, and others.

    Points are those of `_points`; size is the windows'.
    """
    from ddpm.inpaint import random_mask
    from facekit.masks import random_part

    def make(i, matrix, rng):
        if np.isfinite(points[i]).all() and rng.random() < FACE_MASKS:
            at = points[i] @ matrix[:, :2].T + matrix[:, 2]
            part = random_part(at, (size, size), rng)[..., None]
            if part.any():  # small faces have thin rings, and cuts may leave a face out
                return part
        return random_mask(size, rng)

    return make


def _points(images, path):
    """The mesh of each picture's largest face: float32 (N, 478, 2), NaN where there is none. Found
    once, and kept in the run folder."""
    if path.exists():
        points = np.load(path)
        if points.shape != (len(images), 478, 2):
            raise ValueError(f"{path} is not of these pictures; remove it, and it is made again.")
        return points
    from tqdm import tqdm

    from facekit.detect import detect, largest

    points = np.full((len(images), 478, 2), np.nan, np.float32)
    for i in tqdm(range(len(images)), desc="finding faces", mininterval=5):
        face = largest(detect(np.ascontiguousarray(images[i])))
        if face is not None:
            points[i] = face.mesh[:, :2]
    with replaced(path) as partial, partial.open("wb") as file:
        np.save(file, points)
    return points


def _preset(word):
    if word not in PRESETS:
        raise ValueError(f"unknown preset {word!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[word]


def _config(out, resume):
    """The run's own settings, or None where it starts afresh."""
    config = read_config(out)
    if config is not None and not resume:
        raise ValueError(
            f"{out} already holds a run; add --resume to go on with it, or name another "
            "folder with --out."
        )
    if config is not None and config.get("format") != FORMAT:
        raise ValueError(
            f"{out}/{CONFIG} was written by another version; start another run with --out."
        )
    if config is not None and not CONFIG_KEYS <= set(config):
        raise ValueError(f"{out}/{CONFIG} is damaged; restore it or start another run with --out.")
    if resume and not config:
        click.echo(f"Nothing saved in {out} yet: starting afresh.")
    return config


def _same_as(config, given, out):
    """Refuse an option that a run is made of and that says something else than the run does."""
    said, preset = config["options"], config["preset"]
    started = {
        "preset": (preset["name"],),
        "data": (Path(config["data"]["folder"]).resolve(),),
        "batch_size": (preset["batch_size"], said["batch_size"]),
        "lr": (preset["learning_rate"],),
        "precision": (config["precision"], said["precision"] or "auto"),
        "seed": (said["seed"] or 0,),
        "start_from": (said.get("start_from"),),
    }
    if said.get("weights"):
        started["weights"] = (Path(said["weights"]).resolve(),)
    for name in {"data", "weights"} & set(given):
        given[name] = Path(given[name]).resolve()
    for name, values in started.items():
        if name in given and str(given[name]) not in map(str, values):
            raise ValueError(
                f"{out} was started with --{name.replace('_', '-')} {values[0]}; leave the option "
                "away to resume, or start another run with --out."
            )


def _settled(preset, config, options, **changes):
    """The preset with what the command line or the run says otherwise."""
    if config:
        preset = Preset.from_dict(config["preset"])
    changes |= {"batch_size": options["batch_size"], "learning_rate": options["lr"]}
    return replace(preset, **{k: v for k, v in changes.items() if v is not None})


def _pictures(folder, preset):
    """Load the pictures; render the default set first where it is missing."""
    from data import load_images, load_uncut, make_faces

    # Windows of several places and scales want larger pictures than one that is always whole.
    uncut = preset.framing or preset.crops
    size = preset.image_size * 3 // 2 if uncut else preset.image_size
    if folder is None:
        folder = Path("data") / f"faces{size}"
        faces = FEW_FACES if preset.name.startswith("tiny") else FACES
        if not (folder / "dataset.json").exists():
            click.echo(f"Rendering {faces['n']} faces into {folder} (once).")
            make_faces(folder, size=size, **faces)
    load = load_uncut if uncut else load_images
    pictures = load(folder, preset.image_size)
    for name, reason in pictures.skipped:
        click.echo(f"Skipped {name}: {reason}", err=True)
    return pictures, folder


def _fingerprint(pictures):
    """A hash of the pictures, or of 4,096 of them spread evenly where there are more, and of their
    captions where they are kept in their own shapes."""
    images = pictures.images
    chosen = np.linspace(0, len(images) - 1, min(len(images), 4096)).astype(int)
    digest = hashlib.sha256(str(getattr(images, "shape", len(images))).encode())
    for i in chosen:
        digest.update(np.ascontiguousarray(images[i]))
    if pictures.sizes is not None:
        digest.update("\n".join(pictures.captions or ()).encode())
    return digest.hexdigest()[:16]


def _be_deterministic(wanted):
    """Ask the backends for the same bits each time, before they are imported. Returns the answer.

    On processors two things make TensorFlow's sums differ in their last bits: kernels that are
    free to (the flag), and operations that run side by side, for `AddN` begins its sum with
    whichever input's memory has come free first (hence one operation at a time, on all cores).
    """
    wanted = not shutil.which("nvidia-smi") if wanted is None else wanted
    if wanted:
        os.environ["TF_DETERMINISTIC_OPS"] = "1"
        os.environ["TF_NUM_INTEROP_THREADS"] = "1"
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    return wanted


def _resume(trainer, resume, config):
    if not resume:
        return
    notes, damaged = trainer.restore()
    for path in damaged:
        click.echo(f"Damaged checkpoint {path}: using the one before it.", err=True)
    if notes:
        click.echo(f"Resuming at step {trainer.step}.")
    elif damaged:
        click.echo("No whole checkpoint is left: starting afresh.", err=True)
    elif config:
        click.echo(f"Nothing saved in {trainer.folder} yet: starting afresh.")


def _announce(preset, pictures, data, out):
    n, size = len(pictures), preset.image_size
    click.echo(
        f"Preset {preset.name}: {n} pictures of {size} px from {data}, "
        f"{preset.epochs} epochs of {max(1, n // preset.batch_size)} steps, into {out}."
    )


if __name__ == "__main__":
    main()
