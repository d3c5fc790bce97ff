"""Faces in, a trained model out: `python train.py --epochs 800`. The tasks themselves are in
ddpm/training/tasks.py; here are their options and where pictures come from."""

import sys
from dataclasses import fields
from pathlib import Path

import click

from common.cli import STOPPED, check_finite, count, note, printable, sentences
from ddpm.training.options import COMMON, OWN, OWN_OF_OTHERS
from ddpm.training.run_folder import Options
from ddpm.training.tasks import TASKS, DataSource

# The default set: as many portraits as the DDPM that started it had; a handful for tiny presets.
FACES = {"n": 972, "identities": 243, "seed": 0, "drawn": 0}
FEW_FACES = {"n": 160, "identities": 80, "seed": 0, "drawn": 0}
DISK_FULL = "the disk is full; what was saved before is safe. Make room and add --resume."


class Tasks(click.Group):
    """`python train.py TASK ...`: a command for each task; without a word the task is base."""

    def list_commands(self, context):
        return [word for word in TASKS if word != "base"]

    def get_command(self, context, word):
        return task_command(word) if word in self.list_commands(context) else None


def task_command(word):
    """The command of a task: its options, and its function's first sentence as help."""
    return click.Command(
        word,
        params=[*OWN.get(word, OWN_OF_OTHERS), *COMMON],
        callback=lambda **options: run(word, options),
        help=TASKS[word].__doc__,
        context_settings={"show_default": True},
    )


@sentences(DISK_FULL)
def run(word, options):
    """Run a task to its exit code."""
    check_finite(lr=options["lr"], save_minutes=options["save_minutes"])
    if word != "base":
        options["out"] = options["out"] or Path("runs") / word
    known = {field.name for field in fields(Options)}
    options = Options(**{name: value for name, value in options.items() if name in known})
    source = DataSource(
        load_pictures, hints, masks, load_others, embeddings, faces, face_shape, changes
    )
    done = TASKS[word](options, source)
    sys.exit(0 if done else STOPPED)


@click.pass_context
def start(context, **options):
    """Train a diffusion model on faces, or on any folder of pictures."""
    if context.invoked_subcommand is None:
        run("base", options)
    elif any(context.get_parameter_source(name).name == "COMMANDLINE" for name in options):
        click.echo(f"Error: options belong behind the word {context.invoked_subcommand}.", err=True)
        sys.exit(2)


main = Tasks(
    "train",
    params=[*OWN["base"], *COMMON],
    callback=start,
    help=start.__doc__,
    invoke_without_command=True,
    context_settings={"show_default": True},
)


def load_pictures(folder, preset):
    """The pictures of a folder; the default set where none is named, rendered if missing.

    Returns:
        (`data.Pictures`, folder).
    """
    from data import load_images, load_uncut, make_faces

    # Windows of several places and scales want larger pictures than one that is always whole.
    size = preset.size
    uncut = "size_crop" in preset.network.conditions or preset.data.p_crop
    if preset.kind == "vae":  # crops are a part of each picture
        size, uncut = 2 * size, True
    if folder is None:
        rendered = size * 3 // 2 if uncut else size
        folder = Path("data") / f"faces{rendered}"
        faces = FEW_FACES if preset.name.startswith("tiny") else FACES
        if not (folder / "dataset.json").exists():
            click.echo(f"Rendering {faces['n']} faces into {folder} (once).")
            make_faces(folder, size=rendered, **faces)
    pictures = (load_uncut if uncut else load_images)(Path(folder), size)
    for name, reason in pictures.skipped:
        click.echo(printable(f"Skipped {name}: {reason}"), err=True)
    captions = sum(map(bool, pictures.captions or ()))
    if captions and pictures.identities is None and "text" not in preset.network.conditions:
        note(
            f"{count(captions, 'caption')} beside the pictures will not be used: the preset "
            f"{preset.name} has no words. --preset portraits64 learns them."
        )
    return pictures, folder


def load_others(folder, preset):
    """Pictures of a folder in their own shapes, for crops."""
    from data import load_uncut

    return load_uncut(folder, 2 * preset.network.image_size).images


def hints(images, cache):
    """Control pictures for training; see `portrait.supervision.hint_maker`."""
    from portrait.supervision import hint_maker  # here, for it loads the face detector

    return hint_maker(images, cache)


def masks(images, cache, size):
    """Inpainting masks for training; see `portrait.supervision.mask_maker`."""
    from portrait.supervision import mask_maker  # here, for it loads the face detector

    return mask_maker(images, cache, size)


def embeddings(images, folder):
    """Who is in the training pictures; see `portrait.supervision.find_embeddings`."""
    from portrait.supervision import find_embeddings  # here, for it loads the face detector

    return find_embeddings(images, folder)


def faces(images, folder):
    """What is seen of the faces in the pictures; see `portrait.supervision.find_features`."""
    from portrait.supervision import find_features  # here, for it loads the face detector

    return find_features(images, folder)


def face_shape():
    """The shape of one face's features; see `portrait.supervision.features_shape`."""
    from portrait.supervision import features_shape

    return features_shape()


def changes(pictures):
    """Captions of what differs between pictures of one person; see `data.people.changes`."""
    from data.people.changes import captions_of

    return captions_of(pictures.records)


if __name__ == "__main__":
    main()
