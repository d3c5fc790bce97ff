"""Checkpoints of a person's training, judged by validation pictures: strangers painted over with
the adapter as it is, and compared with the person's photos.

The best pictures decide the checkpoints' shares of the adapter, which the best single checkpoint
replaces where it is more like the person; the best picture of all is kept as the face to paste.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from common.cli import above_bars
from common.files import copy_file, sha256, write_text
from common.images import read_image
from common.sheets import labelled_grid, save_png
from ddpm.adapters import (
    AdapterAddOn,
    load_adapter,
    mean_face,
    merge_checkpoints,
    save_adapter,
)
from ddpm.pipeline import Pipeline, Request
from ddpm.training.parts import ADAPTER
from facekit import retouch
from facekit.detect import detect, largest
from facekit.identity import load_embedder, similarity
from portrait import person
from portrait import photos as photos_of
from portrait.report import render_learned

BEST = 10  # validation pictures that decide the shares
STRENGTH, LEVELS = 0.65, 20  # of them: how far back to noise; levels of the whole way
KEPT = "checkpoints"  # in the training's folder


def prompt_of(record):
    """What is asked of validation pictures, by a person's record."""
    return photos_of.plain_caption(record["trigger"], record["noun"])


@dataclass
class Watcher:
    """Who looks at the training, and decides at its end.

    Args:
        out: the person's folder.
        plan: `learning.Plan`.
        record: content of its person.json.
        templates: uint8 (N, S, S, 3).
    """

    out: Path
    plan: object
    record: dict
    templates: np.ndarray

    def __post_init__(self):
        self.folder = self.out / person.TRAINING / KEPT
        self.embedder = load_embedder(self.record["embedder"])
        self.who = np.array(self.record["person"])

    @cached_property
    def before(self):
        """Mean likeness of the strangers as they are; None without a face."""
        return summed(self.likeness(self.templates))["mean"]

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
        copy_file(trainer.folder / ADAPTER, self._adapter(step))
        pictures = trainer.pipeline.draw(self.request)
        for i, picture in enumerate(pictures):
            save_png(picture, self._picture(step, i), {"step": step, "template": i})
        scores = self.likeness(pictures)
        write_text(json.dumps(scores), where.with_suffix(".json"))
        found = [c for c in self.checkpoints() if c["step"] <= step]
        self._show(found)
        best = max((c["best"] for c in found if c["best"] is not None), default=None)
        if best is None:
            news = "no validation picture shows a face yet"
        else:
            mean = found[-1]["mean"]
            news = f"likeness {mean or 0:.2f}, the best picture so far {best:.2f}"
        above_bars(f"step {step} of {self.plan.steps}: {news}; see {self.out / person.SHEET}.")

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
            found.append({"step": int(path.stem), **summed(scores), "share": None})
        return found

    def finish(self):
        """Merge the checkpoints, or keep the best of them where the merged adapter is less like the
        person; keep the best picture; write all of it: its `summary`."""
        found = self.checkpoints()
        for one, share in zip(found, shares([c["likeness"] for c in found]), strict=True):
            one["share"] = share
        used = [one for one in found if one["share"]]
        files = [load_adapter(self._adapter(one["step"])) for one in used]
        used_shares = [one["share"] for one in used]
        factors, words, lost = merge_checkpoints(files, used_shares)
        about = {
            **files[-1].about,
            "merged": [{"step": one["step"], "share": one["share"]} for one in used],
        }
        adapter = self.out / person.ADAPTER
        who = mean_face([file.face for file in files], used_shares)
        save_adapter(factors, adapter, files[0].base_digest, about, words=words, face=who)
        pipeline = Pipeline.load(self.plan.path, addons=[AdapterAddOn(load_adapter(adapter))])
        pictures = pipeline.draw(self.request)
        merged = summed(self.likeness(pictures))
        instead = better_alone(found, merged["mean"])
        if instead is not None:
            copy_file(self._adapter(instead), adapter)
        face, kept = self._best(found)
        save_png(face, self.out / person.FACE, kept)
        result = self.summary(found, merged, instead)
        sheet = self._sheet(found, (pictures, merged["mean"]))
        save_png(sheet, self.out / person.SHEET, result)
        self._page(result, sheet, face)
        learned = {
            "plan": asdict(self.plan),
            "prompt": prompt_of(self.record),
            "strength": STRENGTH,
            "before": self.before,
            "checkpoints": found,
            "merged": merged["likeness"],
            "instead": instead,
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

    def _adapter(self, step):
        return self.folder / f"{step:06d}.safetensors"

    def _picture(self, step, i):
        return self.folder / f"{step:06d}_{i + 1}.png"

    def _sheet(self, found, merged=None):
        """The contact sheet: the templates, then a row a checkpoint."""
        rows, labels = [self.templates], [f"templates: {said(self.before)}"]
        for one in found:
            n = range(len(self.templates))
            rows.append(np.stack([read_image(self._picture(one["step"], i)) for i in n]))
            share = f", share {one['share']:.0%}" if one["share"] else ""
            labels.append(f"step {one['step']}: {said(one['mean'])}{share}")
        if merged is not None:
            rows.append(merged[0])
            labels.append(f"merged: {said(merged[1])}")
        return labelled_grid(np.stack(rows), labels, max(1, 128 // self.templates.shape[1]))

    def _show(self, found):
        """Write contact sheet and page anew."""
        so_far = self.summary(found)
        sheet = self._sheet(found)
        save_png(sheet, self.out / person.SHEET, so_far)
        self._page(so_far, sheet)

    def summary(self, found, merged=None, instead=None):
        """What a page says of the training.

        Args:
            found: of `checkpoints`.
            merged: {"likeness", "mean", "best"} of the merged adapter; None while it goes on.
            instead: step of the checkpoint that is kept in place of the merged adapter, or None.
        """
        step = found[-1]["step"]
        return {
            "step": step,
            "steps": max(self.plan.steps, step),
            "weights": Path(self.plan.weights).name,
            "templates": len(self.templates),
            "prompt": prompt_of(self.record),
            "strength": STRENGTH,
            "embedder": self.embedder.name,
            "same": self.embedder.same,
            "before": self.before,
            "checkpoints": found,
            "finished": merged is not None,
            "best": min(BEST, sum(len(c["likeness"]) for c in found)),
            "merged": merged and merged["mean"],
            "instead": instead,
        }

    def _page(self, result, sheet, face=None):
        page = self.out / person.PAGE
        write_text(render_learned(page.read_text("utf-8"), result, sheet, face), page)


def shares(likeness, best=None):
    """Each checkpoint's share of the merged adapter: that of the best pictures which are its own.

    Args:
        likeness: list of lists of float or None, a list a checkpoint.
        best: how many of all pictures count; None for `BEST`.

    Returns:
        list of float, together 1; all of it the last one's where no picture shows a face.
    """
    scored = [(value, i) for i, row in enumerate(likeness) for value in row if value is not None]
    # Of equal pictures those of the longer training.
    chosen = sorted(scored, reverse=True)[: best or BEST]
    if not chosen:
        chosen = [(0.0, len(likeness) - 1)]
    return [sum(i == j for _, j in chosen) / len(chosen) for i in range(len(likeness))]


def better_alone(found, merged):
    """The checkpoint whose pictures are more like the person than those of the merged adapter.

    Args:
        found: of `Watcher.checkpoints`.
        merged: mean likeness of the merged adapter; None without a face.

    Returns:
        int, its step, of equal ones the last; None where there is none.
    """
    alone = max(found, key=lambda one: (one["mean"] or 0, one["step"]))
    return alone["step"] if (alone["mean"] or 0) > (merged or 0) else None


def summed(likeness):
    """Scores of a checkpoint's pictures, their mean and the best of them. A picture without a face
    counts as one of a stranger."""
    seen = [value for value in likeness if value is not None]
    mean = round(sum(seen) / len(likeness), 4) if seen else None
    return {"likeness": likeness, "mean": mean, "best": max(seen, default=None)}


def said(mean):
    """A mean likeness in words."""
    return "no face" if mean is None else f"likeness {mean:.2f}"


def _enlarged(picture):
    """A picture in which a face can be found: uint8 (S, S, 3), S at least that of the squares."""
    if len(picture) >= photos_of.SIZE:
        return picture
    return retouch.upscale(picture, size=photos_of.SIZE)
