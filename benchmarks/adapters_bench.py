"""What `benchmarks.adapters` trains and draws, each once: a model, people, and the folder in which
everything is kept."""

import gc
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.adapters_measured import Judges, diversity, likeness, vectors
from benchmarks.adapters_people import (
    PROMPTS,
    TRAINING,
    VIEWS,
    of_style,
    prompt,
    style_trigger,
    write_pictures,
)
from benchmarks.common import ROOT, cpu_seconds, read_json, write_json
from benchmarks.faces_recognised import load
from common.files import copy_file, sha256
from common.images import resize
from data.shape.parts import STYLES
from ddpm.bundle import default_weights, find_bundle, read_preset
from ddpm.tensors import ENDING
from ddpm.training.parts import ADAPTER, LEARNED

SEED = 90125
SETS = {"people": 0, "tried": 1, "class": 2, "judged": 3, "styled": 4}  # added to SEED
CLASS, JUDGED, STYLED = 300, 3000, 180  # renders of others
PRIOR = 24  # of them, of the person's sex, beside a training
STYLE_PICTURES = 20
BATCH = 5  # pictures a step: all views of a person, of which the class takes the place of two
STYLE_SHARE = 4.0  # of a person's steps, that a style is trained for: at 1 none was seen
GUIDANCE = 3.0
CHECKPOINTS = (0.25, 0.5, 0.75, 1.0)  # shares of the steps, at which the adapter is kept


@dataclass(frozen=True)
class Settings:
    """What the numbers depend on.

    Args:
        steps: of a training.
        sampling: steps of the sampler.
        rate: learning rate of adapters, as train.py takes it.
    """

    steps: int
    sampling: int
    rate: str


class Bench:
    """The model, the people, and the folder in which everything is kept.

    Args:
        weights: a weights file or run folder.
        work: the folder.
        settings: `Settings`.
    """

    def __init__(self, weights, work, settings):
        self.weights = find_bundle(weights or default_weights(words=True))
        self.preset, self.settings = read_preset(self.weights), settings
        self.work = Path(work).resolve()
        self.own = self._own_folder()
        self._views = {}  # by person
        self.judges = Judges(self.set("judged"), self.work / "judges")

    def _own_folder(self):
        """Where this model's things lie.

        Raises:
            ValueError: if what lies there was made with other settings.
        """
        own = self.work / sha256(self.weights)
        made = asdict(self.settings)
        found = read_json(own / "settings.json") or made
        if found != made:
            raise ValueError(
                f"{own} was measured with {found}, not {made}; name another folder with --work."
            )
        write_json(made, own / "settings.json")
        return own

    # --- pictures

    def set(self, name, n=None):
        """The folder of a rendered set, made where it is missing."""
        from data.faces import make_faces

        side = max(96, self.preset.size)
        count, persons, size, drawn = {
            "people": (VIEWS * (n or 1), n or 1, 256, 0),
            "tried": (VIEWS * (n or 1), n or 1, 256, 0),
            "class": (CLASS, CLASS, side, 0),
            "judged": (JUDGED, JUDGED, 64, 0.5),
            "styled": (STYLED, STYLED, side, 1.0),
        }[name]
        folder = self.work / (f"{name}{n}" if n else name)
        return make_faces(folder, count, persons, size, SEED + SETS[name], drawn=drawn)

    @cached_property
    def embedders(self):
        """{name: embedder} of all that work here."""
        from facekit.identity import available, load_embedder

        return {name: load_embedder(name) for name in available()}

    def folder_of(self, person, name="people"):
        """Where what belongs to a person lies; their photographs are laid there."""
        folder = self.own / f"{name}{person.number:02d}"
        photos = folder / "photos"
        if not photos.exists():
            captions = [text.format(person.trigger) for text in person.captions]
            write_pictures(person.training, captions, folder / "new").rename(photos)
        return folder

    def prior(self, noun=None):
        """Pictures of the class with their captions, a plain folder.

        Args:
            noun: "woman" or "man"; None for both.
        """
        folder = self.work / f"class_{noun or 'people'}"
        if not folder.exists():
            images, records = load(self.set("class"))
            chosen = [i for i, r in enumerate(records) if noun in (None, r["attributes"]["sex"])][
                :PRIOR
            ]
            new = folder.with_name(folder.name + ".new")
            captions = [records[i]["caption"] for i in chosen]
            write_pictures([images[i] for i in chosen], captions, new).rename(folder)
        return folder

    def draw(self, path, who, adapters=(), weights=None, prompts=PROMPTS, seed=0, face=None):
        """Pictures of prompts, each from noise of its own; drawn once.

        Args:
            path: .npy in which they are kept.
            who: in words, the prompts' subject; a function of the prompt for other forms.
            adapters: pairs (file, strength).
            weights: another model, such as one that was tuned.
            prompts: of `PROMPTS`.
            seed: of the noise.
            face: float (D,), of a model with identities.

        Returns:
            uint8 (len(prompts), S, S, 3).
        """
        if path.exists():
            return np.load(path)
        from ddpm.conditions.text import tokenizer_of
        from ddpm.pipeline import Pipeline, Request

        pipeline = Pipeline.load(weights or self.weights, adapters=adapters)
        tokenizer = tokenizer_of(pipeline.model.config.conditions["text"])
        texts = [who(asked) if callable(who) else prompt(who, asked) for asked in prompts]
        request = Request(
            n=len(prompts),
            prompts=("",),  # the words are in the arrays: so each picture has its own noise
            arrays={"tokens": np.stack([tokenizer.encode(text) for text in texts])},
            guidance=GUIDANCE,
            steps=self.settings.sampling,
            seed=seed,
            batch_size=min(len(prompts), len(PROMPTS)),
            face=face,
        )
        images = pipeline.draw(request)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, images)
        part.rename(path)
        del pipeline
        gc.collect()
        return images

    # --- training

    def train(self, out, task, data, options, steps, pictures=TRAINING, batch=BATCH):
        """Run train.py, once; a training that was cut short begins anew.

        Args:
            out: the run folder.
            task: a word of train.py.
            data: folder of pictures.
            options: list of words.
            steps: of training.
            pictures: in the folder.
            batch: pictures a step.

        Returns:
            {"seconds": by the clock, "cpu_seconds": of all cores, "bytes": of what was learned}.
        """
        times = out / "times.json"
        if times.exists():
            return read_json(times)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        words = ["--weights", str(self.weights), "--data", str(data), *options]
        found = self._run(out, task, words, steps, pictures, batch)
        write_json(found, times)
        shutil.rmtree(out / "checkpoint", ignore_errors=True)  # it is finished
        return found

    def _run(self, out, task, words, steps, pictures, batch):
        """Run train.py until so many steps are done: what `train` returns."""
        batch = min(batch, pictures)
        epochs = max(1, round(steps / (pictures // batch)))
        command = [sys.executable, str(ROOT / "train.py"), task, *words, "--out", str(out)]
        command += ["--epochs", str(epochs), "--fast"]
        if "--resume" not in words:
            command += ["--batch-size", str(batch)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        began, before = time.monotonic(), cpu_seconds()
        with open(out / "train.log", "a") as log:
            subprocess.run(command, stdout=log, stderr=log, env=environment, check=True)
        learned = [out / name for name in (ADAPTER, LEARNED, "model.weights.h5")]
        size = next(path.stat().st_size for path in learned if path.exists())
        seconds = {"seconds": time.monotonic() - began, "cpu_seconds": cpu_seconds() - before}
        return {**seconds, "bytes": size}

    def learn(self, person, name, how, prior=True, set_name="people"):
        """Learn a person in one way.

        Args:
            person: `Person`.
            name: of the run.
            how: (a word of train.py, its options, steps as a share of the settings').
            prior: with pictures of the class.
            set_name: that the person is of.

        Returns:
            (what `draw` takes to draw with it: a dict; what `train` returns).
        """
        task, options, share = how
        folder = self.folder_of(person, set_name)
        out, words = folder / name, [*options, *self._naming(person, task, options, prior)]
        cost = self.train(out, task, folder / "photos", words, round(self.settings.steps * share))
        if task == "dreambooth":
            return {"weights": out}, cost
        file = LEARNED if task == "invert" else ADAPTER
        return {"adapters": [(out / file, 1.0)]}, cost

    def learn_in_stages(self, person, how):
        """As `learn`, and the adapter is kept at the shares `CHECKPOINTS` of the steps: (their
        files, their steps)."""
        task, options, share = how
        folder = self.folder_of(person)
        counts = [round(self.settings.steps * share * part) for part in CHECKPOINTS]
        out = folder / "stages"
        files = [out / f"step{count}{ENDING}" for count in counts]
        if not files[-1].exists():
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            words = ["--weights", str(self.weights), "--data", str(folder / "photos")]
            words += [*options, *self._naming(person, task, options, True)]
            for count, file in zip(counts, files, strict=True):
                self._run(out, task, words, count, TRAINING, BATCH)
                copy_file(out / ADAPTER, file)
                words = ["--resume"]
            shutil.rmtree(out / "checkpoint", ignore_errors=True)
        return files, counts

    def _naming(self, person, task, options, prior):
        """The options that say who is learned, how fast, and beside whom."""
        words = ["--init-word", person.noun]
        if task == "invert":  # a word alone changes nothing of the class
            return [*words, "--token", f"<{person.trigger}>"]
        words += ["--trigger", person.trigger]
        words += ["--lr", self.settings.rate] if task == "lora" and "--lr" not in options else []
        return [*words, "--prior", str(self.prior(person.noun))] if prior else words

    def learn_style(self, style, name, options):
        """Learn a style from pictures that the renderer drew, once: its adapter's path.

        Args:
            style: of `data.shape.parts.STYLES`.
            name: of the run.
            options: of train.py lora.
        """
        trigger = style_trigger(style)
        folder = self.own / trigger
        photos = folder / "pictures"
        if not photos.exists():
            images, records = load(self.set("styled"), STYLES)
            images, captions = of_style(images, records, style, STYLE_PICTURES)
            captions = [f"{trigger}, {caption}" for caption in captions]
            write_pictures(images, captions, folder / "new").rename(photos)
        words = [*options, "--lr", self.settings.rate]
        words += ["--trigger", trigger, "--prior", str(self.prior())]
        steps = round(self.settings.steps * STYLE_SHARE)
        self.train(folder / name, "lora", photos, words, steps, STYLE_PICTURES)
        return folder / name / ADAPTER

    # --- what is measured

    def views(self, person):
        """Vectors, by embedder, of a person's held-out views, of those to learn from, and of the
        latter at the model's size."""
        if person not in self._views:
            small = [resize(image, self.preset.size) for image in person.training]
            sets = (person.held, person.training, small)
            self._views[person] = tuple(vectors(images, self.embedders) for images in sets)
        return self._views[person]

    def held(self, person):
        """{embedder: vectors of the held-out views}."""
        return self.views(person)[0]

    def measured(self, images, held):
        """Likeness, obedience, diversity of pictures of all prompts, as JSON can hold them."""
        found = vectors(images, self.embedders)
        near = {name: likeness(found[name], held[name]) for name in self.embedders}
        lost = int(np.isnan(next(iter(found.values()))[:, 0]).sum())
        row = {"likeness": near, "not_found": lost, "diversity": diversity(images)}
        return row | {"obedience": self.judges.obedience(images)}
