"""The training half of a person: an adapter over a model, whose checkpoints are chosen by likeness.

    train.py lora on the squares, beside strangers
    every so many steps   a checkpoint, and validation pictures: strangers painted over with it
    at the end            the best pictures decide the checkpoints' shares; what these add to the
                          model is merged; the best picture is kept as the face to paste

The steps are EasyPhoto's (Wu et al., EasyPhoto: Your Smart AI Photo Generator, 2023), which
averages the checkpoints' factors one by one: the mean of products is not the product of the means,
so here the products are merged (`ddpm.adapters.merge`).
"""

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from common.cli import above_bars, count
from common.files import copy_file, folder_lock, sha256, write_text
from common.images import read_image
from common.sheets import labelled_grid, save_png
from ddpm.adapters import AdapterAddOn, load_adapter, merge_checkpoints, save_adapter
from ddpm.bundle import default_weights, find_bundle, read_preset, vocabulary_of
from ddpm.conditions.text import word_of
from ddpm.pipeline import Pipeline, Request
from ddpm.training import tasks
from ddpm.training.parts import ADAPTER as RUN_ADAPTER
from ddpm.training.run_folder import CONFIG, Options
from facekit import retouch
from facekit.detect import detect, largest
from facekit.identity import load_embedder, similarity
from portrait import person, strangers
from portrait import photos as photos_of
from portrait.report import render_learned
from portrait.supervision import mask_maker

STEPS = 400
CHECKPOINTS = 8
BATCH = 10  # pictures a step, half of them strangers
RATE = 3e-3  # of few steps: three times that of a style that is learned at leisure
BEST = 10  # validation pictures that decide the shares
STRENGTH, LEVELS = (
    0.65,
    20,
)  # of validation pictures: how far back to noise; levels of the whole way
PLAN, STRANGERS, KEPT = "plan.json", "strangers", "checkpoints"  # in the training's folder


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
            f"{path.name} knows the word {trigger!r} already, which would say two things; give the "
            f"--out folder another name, such as my-{trigger}."
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
    said = {"steps": steps, "seed": seed}
    names = [name for name, value in said.items() if value not in (None, getattr(plan, name))]
    if weights is not None and sha256(find_bundle(weights)) != plan.weights_sha256:
        names.append("weights")
    return ", ".join(names)


def settle(out, plan, resume=False, overwrite=False, **said):
    """What is to be done in a folder whose squares are there.

    Args:
        out: a person's folder.
        plan: `Plan` of a training that begins.
        resume: whether one that has begun may go on.
        overwrite: whether what was learned otherwise may be replaced.
        said: what `make_plan` was told, by name.

    Returns:
        `Plan` to `train` by; None where the person is learned already.

    Raises:
        ValueError: one sentence: something else would be lost.
    """
    begun = state(out)
    if not begun:
        return plan
    known = begun_with(out)
    other = differing(known, **said)
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


def train(out, plan, workers=None):
    """Learn a person, from the first step or from where an earlier process has stopped.

    Args:
        out: a person's folder whose squares are there.
        plan: `Plan`.
        workers: processes that render; None for one a core.

    Returns:
        `summary` of the result; None where a signal has stopped it, and everything is saved.

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
        write_text(json.dumps(asdict(plan), indent=1) + "\n", folder / PLAN)
    others = folder / STRANGERS
    strangers.make(others, preset.size, workers)
    templates = strangers.templates(others, preset.size, record["noun"])
    watcher = Watcher(out, plan, record, templates)
    options, every = _options(out, plan, len(record["photos"]))
    source = tasks.DataSource(load_pictures, masks=mask_maker)
    if not tasks.lora(options, source, tasks.Watch(every, watcher.look)):
        return None
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


def prompt_of(record):
    """What is asked of validation pictures: what captions say of a calm face."""
    noun = record["noun"]
    article = "an" if noun[:1].lower() in tuple("aeiou") else "a"
    who = [f"a photo of {record['trigger']}", *([f"{article} {noun}"] if noun else [])]
    return ", ".join([*who, photos_of.BACKGROUND])


@dataclass
class Watcher:
    """Who looks at the training, and decides at its end.

    Args:
        out: the person's folder.
        plan: `Plan`.
        record: content of its person.json.
        templates: uint8 (N, S, S, 3).
    """

    out: Path
    plan: Plan
    record: dict
    templates: np.ndarray

    def __post_init__(self):
        self.folder = self.out / person.TRAINING / KEPT
        self.embedder = load_embedder(self.record["embedder"])
        self.who = np.array(self.record["person"])

    @property
    def request(self):
        """What is drawn at a checkpoint."""
        return Request(
            n=len(self.templates),
            prompts=(prompt_of(self.record),),
            image=self.templates,
            strength=STRENGTH,
            steps=LEVELS,
            seed=self.plan.seed,
            batch_size=len(self.templates),
        )

    def look(self, trainer):
        """Keep a checkpoint: the adapter, its validation pictures, and last their scores."""
        step, where = trainer.step, self.folder / f"{trainer.step:06d}"
        trainer.write(trainer.averaged)
        copy_file(trainer.folder / RUN_ADAPTER, where.with_suffix(".safetensors"))
        pictures = trainer.pipeline.draw(self.request)
        for i, picture in enumerate(pictures):
            save_png(picture, self._picture(step, i), {"step": step, "template": i})
        scores = self.likeness(pictures)
        write_text(json.dumps(scores), where.with_suffix(".json"))
        found = [c for c in self.checkpoints() if c["step"] <= step]
        self._show(found)
        best = max((c["best"] for c in found if c["best"] is not None), default=None)
        if best is None:
            said = "no validation picture shows a face yet"
        else:
            mean = found[-1]["mean"]
            said = f"likeness {mean or 0:.2f}, the best picture so far {best:.2f}"
        above_bars(f"step {step} of {self.plan.steps}: {said}; see {self.out / person.SHEET}.")

    def likeness(self, pictures):
        """Cosine of who is seen to the mean of the person's photos: list of float, None without a
        face."""
        found = []
        for picture in pictures:
            large = _enlarged(picture)
            face = largest(detect(large))
            if face is not None:
                who = self.embedder.embed(large, face.points5)
                face = round(float(similarity(who, self.who)), 4)
            found.append(face)
        return found

    def checkpoints(self):
        """Those that are kept: list of {"step", "likeness", "mean", "best", "share"}."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            scores = json.loads(path.read_text("utf-8"))
            found.append({"step": int(path.stem), **_summed(scores), "share": None})
        return found

    def finish(self):
        """Merge the checkpoints, keep the best picture, and write all of it. Returns `summary`."""
        found = self.checkpoints()
        for one, share in zip(found, shares([c["likeness"] for c in found]), strict=True):
            one["share"] = share
        used = [one for one in found if one["share"]]
        files = [load_adapter(self.folder / f"{one['step']:06d}.safetensors") for one in used]
        factors, words, lost = merge_checkpoints(files, [one["share"] for one in used])
        about = {
            **files[-1].about,
            "merged": [{"step": one["step"], "share": one["share"]} for one in used],
        }
        adapter = self.out / person.ADAPTER
        save_adapter(factors, adapter, files[0].base_digest, about, words=words)
        pipeline = Pipeline.load(self.plan.path, addons=[AdapterAddOn(load_adapter(adapter))])
        pictures = pipeline.draw(self.request)
        merged = _summed(self.likeness(pictures))
        face, kept = self._best(found)
        save_png(face, self.out / person.FACE, kept)
        result = summary(self.plan, self.record, found, len(self.templates), merged, self.embedder)
        sheet = self._sheet(found, (pictures, merged["mean"]))
        save_png(sheet, self.out / person.SHEET, result)
        self._page(result, sheet, face)
        learned = {
            "plan": asdict(self.plan),
            "prompt": prompt_of(self.record),
            "strength": STRENGTH,
            "checkpoints": found,
            "merged": merged["likeness"],
            "lost": round(max(lost.values()), 6),
            "kept": kept,
            "adapter_sha256": sha256(adapter),
        }
        person.write_record(self.out, {**self.record, "learned": learned})  # last: it is whole now
        return result

    def _best(self, found):
        """The picture that is most like the person, enlarged, and where it comes from; without a
        face in any, the reference."""
        scored = [
            (value, one["step"], i)
            for one in found
            for i, value in enumerate(one["likeness"])
            if value is not None
        ]
        if not scored:
            return read_image(self.out / person.REFERENCE), {"of": person.REFERENCE}
        value, step, i = max(scored, key=lambda s: s[0])
        kept = {"step": step, "template": i, "likeness": value, "seed": self.plan.seed}
        return _enlarged(read_image(self._picture(step, i))), kept

    def _picture(self, step, i):
        return self.folder / f"{step:06d}_{i + 1}.png"

    def _sheet(self, found, merged=None):
        """The contact sheet: the templates, then a row a checkpoint."""
        rows, labels = [self.templates], ["templates"]
        for one in found:
            n = range(len(self.templates))
            rows.append(np.stack([read_image(self._picture(one["step"], i)) for i in n]))
            share = f", share {one['share']:.0%}" if one["share"] else ""
            labels.append(f"step {one['step']}: {_said(one['mean'])}{share}")
        if merged is not None:
            rows.append(merged[0])
            labels.append(f"merged: {_said(merged[1])}")
        return labelled_grid(np.stack(rows), labels, max(1, 128 // self.templates.shape[1]))

    def _show(self, found):
        """Write contact sheet and page anew."""
        so_far = summary(self.plan, self.record, found, len(self.templates), None, self.embedder)
        sheet = self._sheet(found)
        save_png(sheet, self.out / person.SHEET, so_far)
        self._page(so_far, sheet)

    def _page(self, result, sheet, face=None):
        page = self.out / person.PAGE
        write_text(render_learned(page.read_text("utf-8"), result, sheet, face), page)


def summary(plan, record, checkpoints, templates, merged, embedder):
    """What a page says of a training.

    Args:
        plan: `Plan`.
        record: content of person.json.
        checkpoints: of `Watcher.checkpoints`.
        templates: how many there are.
        merged: {"likeness", "mean", "best"} of the merged adapter; None while it goes on.
        embedder: of `facekit.identity`.
    """
    return {
        "step": checkpoints[-1]["step"],
        "steps": max(plan.steps, checkpoints[-1]["step"]),
        "weights": Path(plan.weights).name,
        "templates": templates,
        "prompt": prompt_of(record),
        "strength": STRENGTH,
        "embedder": embedder.name,
        "same": embedder.same,
        "checkpoints": checkpoints,
        "finished": merged is not None,
        "best": min(BEST, sum(len(c["likeness"]) for c in checkpoints)),
        "merged": merged and merged["mean"],
    }


def shares(likeness):
    """Each checkpoint's share of the merged adapter: that of the best pictures which are its own.

    Args:
        likeness: list of lists of float or None, a list a checkpoint.

    Returns:
        list of float, together 1; all of it the last one's where no picture shows a face.
    """
    scored = [(value, i) for i, row in enumerate(likeness) for value in row if value is not None]
    # Of equal pictures those of the longer training.
    best = sorted(scored, reverse=True)[:BEST]
    if not best:
        best = [(0.0, len(likeness) - 1)]
    return [sum(i == j for _, j in best) / len(best) for i in range(len(likeness))]


def _summed(likeness):
    """Scores of a checkpoint's pictures, their mean and the best of them. A picture without a face
    counts as one of a stranger."""
    seen = [value for value in likeness if value is not None]
    mean = round(sum(seen) / len(likeness), 4) if seen else None
    return {"likeness": likeness, "mean": mean, "best": max(seen, default=None)}


def _said(mean):
    return "no face" if mean is None else f"likeness {mean:.2f}"


def _enlarged(picture):
    """A picture in which a face can be found: uint8 (S, S, 3), S at least that of the squares."""
    if len(picture) >= photos_of.SIZE:
        return picture
    return retouch.upscale(picture, size=photos_of.SIZE)


def told(result, out):
    """The sentence at the end of a training.

    Args:
        result: of `summary`.
        out: the person's folder.
    """
    used = sum(bool(c["share"]) for c in result["checkpoints"])
    size = (Path(out) / person.ADAPTER).stat().st_size / 1e6
    return (
        f"{out}: learned in {count(result['step'], 'step')}, {count(used, 'checkpoint')} merged: "
        f"{_said(result['merged'])}, {size:.2f} MB; see {Path(out) / person.PAGE}."
    )
