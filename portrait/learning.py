"""The training half of a person: an adapter over a model, whose checkpoints are chosen by likeness.

    train.py lora on the squares, beside strangers
    every so many steps   a checkpoint, and validation pictures: strangers painted over with it
    at the end            the best pictures decide the checkpoints' shares; what these add to the
                          model is merged, or the best checkpoint kept where that is more like the
                          person; the best picture is kept as the face to paste

The steps are EasyPhoto's (Wu et al., EasyPhoto: Your Smart AI Photo Generator, 2023), which
averages the checkpoints' factors one by one: the mean of products is not the product of the means,
so here the products are merged (`ddpm.adapters.merge`).
"""

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from common.cli import above_bars, count
from common.files import folder_lock, sha256, write_text
from ddpm.bundle import default_weights, find_bundle, read_preset, vocabulary_of
from ddpm.conditions.text import word_of
from ddpm.training import tasks
from ddpm.training.run_folder import CONFIG, Options
from portrait import person, strangers
from portrait.supervision import mask_maker
from portrait.validation import Watcher, said

STEPS = 400
CHECKPOINTS = 8
BATCH = 10  # pictures a step, half of them strangers
RATE = 3e-3  # after 50 steps as alike as after 160 at a third of it
PLAN, STRANGERS = "plan.json", "strangers"  # in the training's folder


@dataclass(frozen=True)
class Plan:
    """What decides how a person is learned from their squares.

    Args:
        weights: of the model, as `ddpm.bundle.find_bundle` takes it: a path, or a shipped model's
            name.
        weights_sha256: of its file.
        steps: of the training.
        seed: of all noise.
        init_word: a word that the model knows, where the trigger word begins; None for none.
    """

    weights: str
    weights_sha256: str
    steps: int
    seed: int
    init_word: str | None = None

    @property
    def path(self):
        """The model's file."""
        return find_bundle(self.weights)


def make_plan(trigger, noun="", weights=None, steps=None, seed=None):
    """Settle how a person is to be learned, before anything is measured.

    Args:
        trigger, noun: as of `person.Wanted`.
        weights: a path or a name; None for the shipped model.
        steps, seed: None for `STEPS` and 0.

    Raises:
        ValueError: one sentence: there is no such model, it knows no words, or it knows this one.
    """
    path = find_bundle(weights or default_weights(words=True))
    vocabulary = vocabulary_of(read_preset(path))
    if not vocabulary:
        raise ValueError(
            f"{path} was trained without words, and a person is called by one; name a model with "
            "words, such as --weights portraits64."
        )
    if word_of(trigger) in vocabulary:
        raise ValueError(
            f"{path.name} knows the word {trigger!r} already, which would say two things; choose "
            f"another name for the person, such as my-{trigger}."
        )
    last = noun.lower().split()[-1:]
    init_word = last[0] if last and last[0] in vocabulary else None
    return Plan(_as_named(weights, path), sha256(path), steps or STEPS, seed or 0, init_word)


def _as_named(weights, path):
    """How a model is called in a record that may be moved: the name of a shipped one, else the
    file's full path."""
    shipped = path.name.removesuffix(".weights.h5")
    try:
        same = find_bundle(shipped).resolve() == path.resolve()
    except ValueError:
        same = False
    return shipped if same else str(path.resolve())


def state(out):
    """How far the training of a person is: "", "begun" or "finished".

    Args:
        out: a person's folder.
    """
    record = person.read_record(out)
    if record is not None and record.get("learned"):
        return "finished"
    return "begun" if (Path(out) / person.TRAINING / PLAN).exists() else ""


def begun_with(out):
    """The `Plan` of a training that has begun or is finished.

    Raises:
        ValueError: if it cannot be read.
    """
    out = Path(out)
    try:
        if state(out) == "finished":
            values = person.read_record(out)["learned"]["plan"]
        else:
            values = json.loads((out / person.TRAINING / PLAN).read_text("utf-8"))
        return Plan(**values)
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(
            f"{out} does not say how it was learned; begin again: --overwrite."
        ) from None


def differing(plan, weights=None, steps=None, seed=None):
    """The options that say something else than a plan does, in words; empty where none does."""
    told = {"steps": steps, "seed": seed}
    names = [name for name, value in told.items() if value not in (None, getattr(plan, name))]
    if weights is not None and sha256(find_bundle(weights)) != plan.weights_sha256:
        names.append("weights")
    return ", ".join(names)


def settle(out, plan, resume=False, overwrite=False, **how):
    """What is to be done in a folder whose squares are there.

    Args:
        out: a person's folder.
        plan: `Plan` of a training that begins; None where none may.
        resume: whether one that has begun may go on.
        overwrite: whether what was learned otherwise may be replaced.
        how: what `make_plan` was told, by name.

    Returns:
        `Plan` to `train` by; None where the person is learned already.

    Raises:
        ValueError: one sentence: something else would be lost.
    """
    begun = state(out)
    if not begun:
        return plan
    known = begun_with(out)
    other = differing(known, **how)
    if begun == "finished" and not other:
        return None
    if overwrite:
        forget(out)
        return plan
    if begun == "finished":
        raise ValueError(
            f"{out} holds a person learned with other {other}; name another --out, or add "
            "--overwrite."
        )
    if other:
        raise ValueError(
            f"{out} was begun with other {other}; leave the option away to go on with --resume, or "
            "begin again with --overwrite."
        )
    if not resume:
        raise ValueError(
            f"{out} is learned in part; add --resume to go on, or --overwrite to begin again."
        )
    return known


def forget(out):
    """Remove what was learned; the squares and everything about the photos stay."""
    out, record = Path(out), person.read_record(out)
    with folder_lock(out / person.TRAINING):
        if record.pop("learned", None):
            person.write_record(out, record)  # first: what is half gone is not taken for a whole
        for name in (person.ADAPTER, person.FACE, person.SHEET):
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / person.TRAINING, ignore_errors=True)


def set_up_backend():
    """Settle what the backend reads when it starts, so that a training that was killed goes on to
    the same bits; to be called before anything starts it."""
    tasks.set_up(Options(), 1)


def begin(out, plan):
    """Write down how a person is to be learned, so that any process may go on with it.

    Args:
        out: a person's folder whose squares are there.
        plan: `Plan`.
    """
    path = Path(out) / person.TRAINING / PLAN
    write_text(json.dumps(asdict(plan), indent=1) + "\n", path)


def train(out, plan, workers=None):
    """Learn a person, from the first step or from where an earlier process has stopped.

    Args:
        out: a person's folder whose squares are there.
        plan: `Plan`.
        workers: processes that render; None for one a core.

    Returns:
        `Watcher.summary` of the result; None where a signal has stopped it, and all is saved.

    Raises:
        ValueError: one sentence.
        OSError: the disk refuses; what was saved stays.
    """
    out, folder = Path(out), Path(out) / person.TRAINING
    model = plan.path
    if sha256(model) != plan.weights_sha256:
        raise ValueError(f"{model} has changed since {out} was begun; bring it back.")
    record, preset = person.read_record(out), read_preset(model)
    if not (folder / PLAN).exists():
        begin(out, plan)
    others = folder / STRANGERS
    with folder_lock(folder):
        strangers.make(others, preset.size, workers)
    templates = strangers.templates(others, preset.size, record["noun"])
    watcher = Watcher(out, plan, record, templates)
    options, every = _options(out, plan, len(record["photos"]))
    source = tasks.DataSource(load_pictures, masks=mask_maker)
    if not tasks.lora(options, source, tasks.Watch(every, watcher.look)):
        return None
    above_bars("Merging the checkpoints ...")
    with folder_lock(folder):
        result = watcher.finish()
    shutil.rmtree(folder, ignore_errors=True)
    return result


def load_pictures(folder, preset):
    """The pictures of a folder as training takes them: (`data.Pictures`, folder)."""
    from data import load_images, load_uncut

    load = load_uncut if "size_crop" in preset.network.conditions else load_images
    return load(Path(folder), preset.size), folder


def _options(out, plan, squares):
    """`Options` of the training, and epochs between two checkpoints."""
    folder = out / person.TRAINING
    batch = min(BATCH, squares)
    epochs = math.ceil(plan.steps / (squares // batch))
    every = math.ceil(epochs / CHECKPOINTS)
    # The state is saved with each look, in a file as large as the model: no more often.
    often = {"save_minutes": math.inf, "out": folder}
    if (folder / CONFIG).exists():
        return Options(resume=True, **often), every
    return Options(
        data=(out / person.SQUARES).resolve(),
        prior=(folder / STRANGERS / strangers.CLASS).resolve(),
        weights=plan.path,
        trigger=person.read_record(out)["trigger"],
        init_word=plan.init_word,
        epochs=epochs,
        batch_size=batch,
        lr=RATE,
        seed=plan.seed,
        **often,
    ), every


def told(result, out):
    """The sentence at the end of a training.

    Args:
        result: of `Watcher.summary`.
        out: the person's folder.
    """
    size = (Path(out) / person.ADAPTER).stat().st_size / 1e6
    means = {one["step"]: one["mean"] for one in result["checkpoints"]}
    if result["instead"] is None:
        used = sum(bool(one["share"]) for one in result["checkpoints"])
        how, mean = f"{count(used, 'checkpoint')} merged", result["merged"]
    else:
        how, mean = f"step {result['instead']} kept", means[result["instead"]]
    return (
        f"{out}: learned in {count(result['step'], 'step')}, {how}: "
        f"{said(mean)}, {size:.2f} MB; see {Path(out) / person.PAGE}."
    )
