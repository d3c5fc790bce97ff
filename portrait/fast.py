"""A person from one photo: a hypernetwork predicts a light adapter from the face, and a few
steps of training refine it.

    python -m portrait learn --fast photo.jpg --out people/anna

The folder is that of any learned person (`portrait.person`): everything with --person takes it. The
face to paste is the photo's own.

Reference:
    Ruiz et al. 2023, HyperDreamBooth (arXiv:2307.06949): section 4.2, the prediction; section 4.3,
    rank-relaxed fast fine-tuning, where the predicted change stays and an adapter of a higher rank
    is trained from there.
"""

import math
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from common.cli import count
from common.files import copy_file, sha256
from common.images import read_image
from ddpm.bundle import base_of, find_hyper, load_model
from ddpm.training import tasks
from ddpm.training.parts import ADAPTER
from ddpm.training.run_folder import Options
from facekit import folder as photo_folder
from facekit.align import align
from facekit.identity import load_embedder
from facekit.score import appearances
from portrait import checks, learning, person
from portrait import photos as photos_of
from portrait.supervision import EMBEDDER, mask_maker

STEPS = 40
BATCH = 4  # of the one picture at as many noise levels, some mirrored
RATE = 1e-3
RANKS = "*=4"  # of the adapter that refines the prediction
PREDICTED = "predicted.safetensors"


def make_plan(wanted, hyper=None, weights=None, steps=None, seed=None):
    """Settle how a person is to be learned, before anything is measured.

    Args:
        wanted: `person.Wanted`.
        hyper: the hypernetwork's file or run folder; None for the shipped one.
        weights: the model that it was trained over; None looks for it.
        steps, seed: None for `STEPS` and 0.

    Returns:
        (`learning.Plan`, path of the hypernetwork).

    Raises:
        ValueError: one sentence: one of them is missing, or the word is taken.
    """
    hyper = find_hyper(hyper)
    base = weights or base_of(hyper)
    plan = learning.make_plan(wanted.trigger, wanted.noun, base, None, seed)
    return replace(plan, steps=STEPS if steps is None else steps), hyper


def choose(wanted):
    """The photo to learn from: the only one, or of several the one that shows the person best.

    Args:
        wanted: `person.Wanted`.

    Returns:
        `photos.Choice` of that one photo.

    Raises:
        ValueError: one sentence: it shows no face or several, or none that can be learned from.
    """
    scored = photo_folder.ranked(wanted.paths, wanted.embedder)
    choice = photos_of.choose(scored, load_embedder(wanted.embedder).same)
    if len(scored) == 1:
        _check_one(choice.verdicts[0], wanted)
    elif not choice.used:
        raise ValueError(
            f"{wanted.photos}: none of {count(len(scored), 'photo')} can be learned from; the best "
            f"is {wanted.name_of(choice.verdicts[0].photo.path)}: {choice.verdicts[0].reason}."
        )
    else:
        _check_whose(scored, wanted)
    best = choice.reference or choice.used[0]
    if checks.is_drawn(read_image(best.path), best.best.measured.face):
        raise ValueError(
            f"{wanted.name_of(best.path)} seems to be a drawing, and a person is learned from "
            "photos; name a photo."
        )
    verdict = next(v for v in choice.verdicts if v.photo is best)
    return photos_of.Choice((verdict,), best, best)


def _check_one(verdict, wanted):
    """Refuse a photo that no person can be learned from."""
    faces = len(verdict.photo.faces)
    if faces > 1:
        raise ValueError(
            f"{wanted.photos} shows {faces} faces, so it is not clear who is meant; cut out one."
        )
    if verdict.fault:
        helps = photos_of.FAULTS.get(verdict.fault, ("", "name another photo"))[1]
        raise ValueError(f"{wanted.photos}: {verdict.reason}; {_of_one(helps)}.")


def _of_one(helps):
    """What would help, said of one photo."""
    words = {"add photos that show": "name a photo that shows", "add ones": "name one"}
    words |= {"add sharp ones": "name a sharp one", "that show the": "that shows the"}
    words |= {"that look at": "that looks at", "name photos that open": "name a photo that opens"}
    for several, one in words.items():
        helps = helps.replace(several, one)
    return helps


def _check_whose(scored, wanted):
    """Refuse photos of two people who are on as many of them."""
    own, other = appearances(scored, load_embedder(wanted.embedder).same)
    if own == other > 0:
        raise ValueError(
            f"{wanted.photos}: two people are on {count(own, 'photo')} each, so it is not clear "
            "who is meant; leave out the photos of one of them, or name one photo."
        )


def differing(out, plan, hyper):
    """What would be learned in another way than a person was, in words; "" where nothing would.

    Args:
        out: the person's folder, learned to the end from one photo.
        plan, hyper: of `make_plan`.
    """
    known, learned = learning.begun_with(out), person.read_record(out)["learned"]
    told = {"steps": plan.steps, "seed": plan.seed, "weights": plan.weights_sha256}
    were = {"steps": known.steps, "seed": known.seed, "weights": known.weights_sha256}
    told["hyper"], were["hyper"] = sha256(hyper), learned.get("hyper_sha256")
    return ", ".join(name for name, value in told.items() if value != were[name])


def learn(out, wanted, choice, plan, hyper):
    """Learn a person, and write their folder, whole or not at all.

    Args:
        out: the person's folder; what `person.is_learned` lets pass is replaced.
        wanted, choice: of `choose`.
        plan, hyper: of `make_plan`.

    Returns:
        bool: False where a signal has stopped it; then nothing is kept.

    Raises:
        ValueError: one sentence.
        OSError: the disk refuses.
    """
    from ddpm.hyper import write_person

    model = load_model(plan.path)
    face = choice.reference.best.measured.face
    image = read_image(choice.reference.path)
    try:
        with person.whole(out) as folder:
            person.write(folder, wanted, choice)
            predicted = folder / PREDICTED
            features = features_of(image, face.points5)
            write_person(predicted, hyper, features, model, wanted.trigger, plan.init_word)
            if plan.steps:
                _refine(folder, predicted, plan)
                predicted.unlink()
            else:
                predicted.rename(folder / person.ADAPTER)
            copy_file(folder / person.REFERENCE, folder / person.FACE)
            _note(folder, plan, hyper)
    except _StoppedError:
        return False
    return True


class _StoppedError(Exception):
    """A signal has stopped the training."""


def features_of(image, points5):
    """What a hypernetwork is given of a face: float32 (M, F).

    Args:
        image: uint8 (H, W, 3).
        points5: float (5, 2), of the face.
    """
    embedder = load_embedder(EMBEDDER)
    crop = align(image, points5, embedder.settings.size).image
    return embedder.features(crop[None])[0, 0]


def _refine(folder, predicted, plan):
    """Train from a predicted adapter, and write both as one."""
    run = folder / person.TRAINING
    options = Options(
        out=run,
        data=folder / person.SQUARES,
        weights=plan.path,
        start_from=predicted,
        ranks=RANKS,
        epochs=plan.steps,
        batch_size=BATCH,
        lr=RATE,
        seed=plan.seed,
        save_minutes=math.inf,
    )
    source = tasks.DataSource(_load_several, masks=mask_maker)
    quietly = tasks.Watch(plan.steps, lambda trainer: None)
    if not tasks.lora(options, source, quietly):
        raise _StoppedError
    copy_file(run / ADAPTER, folder / person.ADAPTER)
    shutil.rmtree(run)


def _load_several(folder, preset):
    """The one picture of a folder as a batch of it."""
    pictures, folder = learning.load_pictures(folder, preset)
    sizes = pictures.sizes
    several = replace(
        pictures,
        images=[pictures.images[0]] * BATCH,
        captions=list(pictures.captions) * BATCH,
        names=list(pictures.names) * BATCH,
        sizes=None if sizes is None else np.repeat(sizes, BATCH, axis=0),
    )
    return several, folder


def _note(folder, plan, hyper):
    """Write into the record how the person was learned: the last of all, for then it is whole."""
    record, kept = person.read_record(folder), {"of": person.REFERENCE}
    end = {"step": plan.steps, "likeness": [], "mean": None, "best": None, "share": 1.0}
    learned = {
        "plan": asdict(plan),
        "hyper_sha256": sha256(hyper),
        "checkpoints": [end],
        "kept": kept,
        "adapter_sha256": sha256(folder / person.ADAPTER),
    }
    person.write_record(folder, {**record, "learned": learned})


def told(out):
    """The sentence at the end.

    Args:
        out: the person's folder.
    """
    learned = person.read_record(out)["learned"]
    size = (Path(out) / person.ADAPTER).stat().st_size / 1e3
    steps = learned["plan"]["steps"]
    how = f"and refined in {count(steps, 'step')}" if steps else "from one photo"
    return (
        f"{out}: predicted {how}, {size:.0f} KB. Draw them: python -m portrait paint --person {out}"
    )
