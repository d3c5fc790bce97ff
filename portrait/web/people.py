"""What the tab "People" does: the way of `python -m portrait learn`, and a list of who is learned.

A training runs in a process of its own: it goes on when the page is closed, and is stopped and
saved when the server ends.
"""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from common.cli import STOPPED, count, printable
from common.files import folder_lock
from common.images import read_image
from portrait.web import drawing, markup, sorting
from portrait.web.drawing import View
from portrait.web.jobs import Watched

COMMAND = (sys.executable, "-m", "portrait")
LONGEST = 40  # characters of a name
HARDLY = 0.1  # a likeness less than this above other people's counts as hardly learned
_NAME = re.compile(r"[^\W_][\w '-]*")
# Names that Windows keeps for devices.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}
STATES = {"": "photos chosen, not learned yet", "begun": "learned in part", "finished": "learned"}
STARTED = "The training of {name} has begun; the page may be closed."
TAB = "people"  # in a browser's desk


@dataclass(frozen=True)
class PersonForm:
    """The fields of the tab.

    Args:
        files: paths of photos.
        name: what the person is called.
        noun: what they are, "woman"; may be empty.
        steps: of the training; None for its default.
    """

    files: tuple = ()
    name: str = ""
    noun: str = ""
    steps: float | None = None


class People:
    """The folder of learned people, and the one training that may go on.

    Args:
        folder: of all of them, a folder each; made when somebody is learned.
        log: file for what a training says.
    """

    def __init__(self, folder, log):
        self.folder, self.log = Path(folder).absolute(), Path(log)
        self._lock, self._process, self._name = Lock(), None, ""
        self._asked = False  # to stop; a second signal would end it before it has saved

    # --- who is there

    def everybody(self):
        """{name: folder} of those whose photos are chosen, in order of name. A link is nobody: it
        could lead anywhere."""
        from portrait.person import read_record

        found = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return {
            path.name: path
            for path in found
            if not path.name.startswith(".")
            and path.is_dir()
            and not path.is_symlink()
            and read_record(path) is not None
        }

    def names(self):
        """The names of those who are learned to the end: list of str."""
        from portrait.learning import state

        return [name for name, path in self.everybody().items() if state(path) == "finished"]

    def find(self, name):
        """The folder of somebody who is there.

        Raises:
            ValueError: one sentence; no path is ever made of what was asked for.
        """
        if not name:
            raise ValueError("choose a person of the list first.")
        found = self.everybody().get(name)
        if found is None:
            raise ValueError(f"there is no person {str(name)[:LONGEST]!r}.")
        return found

    def known(self, name):
        """The `known.Known` of somebody who is learned to the end.

        Raises:
            ValueError: one sentence.
        """
        from portrait.known import load_person

        return load_person(self.find(name))

    def place_for(self, name):
        """The folder for somebody who is to be learned.

        Raises:
            ValueError: one sentence: it is no name.
        """
        from portrait.person import trigger_of

        name = " ".join((name or "").split())
        if not name:
            raise ValueError("give the person a name first: it is their word in prompts.")
        if not _NAME.fullmatch(name) or len(name) > LONGEST:
            raise ValueError(
                f"a name has letters, digits, spaces and hyphens, at most {LONGEST}. Received: "
                f"{name[:LONGEST]!r}."
            )
        word = trigger_of(self.folder / name)
        if word in _DEVICES:
            raise ValueError(f"{word!r} is a device's name on Windows; choose another name.")
        place = self.folder / word
        if place.is_symlink():
            raise ValueError(f"{word} is a link to another place; choose another name.")
        return place

    def check_free(self):
        """See that nobody is being learned.

        Raises:
            ValueError: somebody is; the sentence says who.
        """
        if self.is_running():
            raise ValueError(f"{self._name} is being learned; wait for it, or stop it.")

    def delete(self, name):
        """Remove all files of somebody.

        Raises:
            ValueError: one sentence: there is nobody of that name, or a training goes on.
            OSError: the disk refuses.
        """
        from portrait.person import CONTENTS, check_not_learning

        folder = self.find(name)
        if self.is_running(name):
            raise ValueError(f"{name} is being learned; stop that first.")
        check_not_learning(folder)  # by another program
        partial_folder = folder.with_name(f".{folder.name}.partial")
        if partial_folder.is_dir():
            with folder_lock(partial_folder):
                pass
        strange = [p.name for p in folder.iterdir() if p.name not in CONTENTS and p.name[0] != "."]
        if strange:
            raise ValueError(
                f"{name} would lose {printable(strange[0])}, which is not of the person; move it "
                "away."
            )
        shutil.rmtree(folder)
        for rest in ("partial", "replaced"):  # what a kill has left beside it
            shutil.rmtree(folder.with_name(f".{folder.name}.{rest}"), ignore_errors=True)

    # --- the training

    def is_running(self, name=None):
        """Whether a training goes on, of one person or of any."""
        running = self._process is not None and self._process.poll() is None
        return running and name in (None, self._name)

    @property
    def last(self):
        """Who was learned last by this studio, or "" for nobody."""
        return self._name

    def start(self, folder, *words, resume=True):
        """Begin a training, or go on with it, in a process of its own.

        Args:
            folder: of the person.
            words: further words of `python -m portrait learn`.
            resume: go on with what is in the folder: the squares are there.

        Raises:
            ValueError: another one goes on.
        """
        with self._lock:
            self.check_free()
            command = [*COMMAND, "learn", "--out", folder, *words, *(["--resume"] * resume)]
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with open(self.log, "wb") as log:
                self._process = subprocess.Popen(
                    list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            self._name, self._asked = folder.name, False

    def stop(self):
        """Ask the training to stop; it saves first.

        Returns:
            bool: whether one goes on.
        """
        running = self.is_running()
        if running and not self._asked:
            self._asked = True
            self._process.send_signal(signal.SIGTERM)
        return running

    def close(self):
        """Stop the training and wait until it is saved."""
        if self.stop():
            self._process.wait()

    def failure(self):
        """Why the last training ended, in the shell's sentence; "" where nothing was wrong."""
        if self._process is None or self._process.poll() in (None, 0):
            return ""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
        if errors or self._asked or self._process.returncode == STOPPED:
            return errors[-1] if errors else ""
        said = lines[-1] if lines else "it said nothing"
        return f"the training ended by itself (code {self._process.returncode}): {printable(said)}"


# --- the photos


def survey(studio, form, desk, job):
    """Look at photos: which count, and why the others do not.

    Args:
        studio: `studio.Studio`, with `People`.
        form: `PersonForm`.
        desk: dict of the browser's work: what was found is kept there.
        job: `jobs.Job`.

    Yields:
        (`View`, HTML or None): the table with the last.
    """
    yield from drawing.explained(_survey(studio, form, desk, job), lambda view: (view, None))


def _survey(studio, form, desk, job):
    from facekit.folder import ranked
    from facekit.identity import load_embedder
    from portrait import photos as photos_of

    folder = studio.new_folder() / "photos"
    paths = sorting.collect(form.files, folder)

    def work(tell):
        told = partial(sorting.tell_measured, tell, len(paths), "Measured")
        scored = ranked(paths, observe=told)
        return photos_of.choose(scored, load_embedder("auto").same)

    watched = Watched(work, job)
    yield View(f"Looking at {count(len(paths), 'photo')} ...", 0.0), None
    for view in watched:
        yield view, None
    choice = watched.result
    if choice is None:
        yield View("Stopped."), None
        return
    desk[TAB] = {"files": tuple(form.files), "folder": folder, "choice": choice}
    status = f"{len(choice.used)} of {count(len(paths), 'photo')} count."
    problem = f"{choice.problem}." if choice.problem else ""
    yield View(status, problem=problem), choice_shown(choice)


def choice_shown(choice):
    """Which photos count, ranked, and why the others do not: HTML.

    Args:
        choice: `photos.Choice`.
    """
    rows, place = [], 0
    for verdict in choice.verdicts:
        place += verdict.counts
        marks = [
            word
            for word, marked in (("reference", choice.reference), ("pivot", choice.pivot))
            if marked is verdict.photo
        ]
        said = "; ".join(filter(None, [verdict.reason, *marks]))
        rows.append([
            str(place) if verdict.counts else "-",
            sorting.thumbnail(verdict.photo.path) if len(rows) < sorting.SHOWN else "",
            markup.escape(printable(Path(verdict.photo.path).name)),
            *sorting.numbers_of(verdict.photo),
            "counts" if verdict.counts else "does not count",
            markup.escape(printable(said)),
        ])  # fmt: skip
    head = ["rank", "photo", "name", *sorting.NUMBERS, "verdict", "why"]
    return markup.table(head, rows, "Those that count, best first; then the others.")


def learn(studio, form, desk, job):
    """Choose the photos, where that is not done, prepare their squares, and begin to learn.

    Args:
        studio, form, desk, job: as of `survey`.

    Yields:
        (`View`, HTML or None).
    """
    yield from drawing.explained(_learn(studio, form, desk, job), lambda view: (view, None))


def _learn(studio, form, desk, job):
    from portrait import learning, person

    people = studio.people
    place, steps = people.place_for(form.name), _steps(form)
    people.check_free()
    weights, trigger = studio.pipeline.model.path, person.trigger_of(place)
    plan = learning.make_plan(trigger, form.noun, weights, steps)  # now, for it may refuse
    if desk.get(TAB, {}).get("files") != tuple(form.files):
        table = None
        for view, table in _survey(studio, form, desk, job):
            yield view, table
        if table is None or view.problem:
            return
    choice, folder = desk[TAB]["choice"], desk[TAB]["folder"]
    if choice.problem:
        raise ValueError(f"{choice.problem}.")
    wanted = person.want(folder, place, form.noun)
    if not job.stopped and not _is_chosen(place, wanted):
        yield View(f"Preparing {count(len(choice.used), 'square')} ...", 0.0), None
        person.keep(place, wanted, choice)
    if job.stopped:
        yield View("Stopped."), None
        return
    begun = learning.state(place)
    if begun == "finished":
        yield View(f"{place.name} is learned already."), None
        return
    if not begun:
        learning.begin(place, plan)  # so that it goes on as it was meant to, whoever continues it
    people.start(place)
    yield View(STARTED.format(name=place.name)), None


def learn_fast(studio, form, desk, job):
    """Begin to learn somebody from one photo, the only one or the best of several, by a
    hypernetwork (`portrait.fast`).

    Args:
        studio, form, desk, job: as of `survey`; steps are not asked for.

    Yields:
        (`View`, None).
    """
    yield from drawing.explained(_learn_fast(studio, form, job), lambda view: (view, None))


def can_learn_fast():
    """Whether there is a hypernetwork, and its model."""
    from ddpm.bundle import base_of, find_hyper

    try:
        base_of(find_hyper())
    except ValueError:
        return False
    return True


def _learn_fast(studio, form, job):
    from ddpm.bundle import find_hyper
    from portrait import learning, person

    people = studio.people
    place = people.place_for(form.name)
    people.check_free()
    find_hyper()  # now, for there may be none
    folder = studio.new_folder() / "photos"
    sorting.collect(form.files, folder)
    if job.stopped:
        yield View("Stopped."), None
        return
    if _is_chosen(place, person.want(folder, place, form.noun, 1)):
        if learning.state(place) == "finished":
            yield View(f"{place.name} is learned already."), None
            return
    noun = ("--noun", form.noun) if form.noun else ()
    people.start(place, folder, "--fast", *noun, resume=False)
    yield View(STARTED.format(name=place.name)), None


def _is_chosen(place, wanted):
    """Whether the squares of these photos are there; refuses to replace other ones."""
    from portrait import person

    try:
        return person.is_learned(place, wanted)
    except ValueError:
        if person.read_record(place) is None:
            raise
        raise ValueError(
            f"{place.name} is there already, chosen from other photos or as something else; choose "
            "another name, or delete what is there first."
        ) from None


def _steps(form):
    if form.steps is None:
        return None
    steps = drawing.number("steps", form.steps)
    if not 1 <= steps <= 100_000 or steps != int(steps):
        raise ValueError(f"steps must be a whole number from 1 to 100000. Received: {steps}.")
    return int(steps)


def resume(people, name):
    """Go on with a training that was stopped or killed.

    Args:
        people: `People`.
        name: of the person.

    Returns:
        A sentence.

    Raises:
        ValueError: one sentence.
    """
    from portrait.learning import state

    folder = people.find(name)
    if state(folder) == "finished":
        raise ValueError(
            f"{name} is learned to the end; to learn longer, delete {name} and learn once more "
            "with more steps."
        )
    people.start(folder)
    return STARTED.format(name=name)


# --- what is shown


def progress_of(people):
    """How far the training is that goes on, or the one that ended last: `View`.

    Its preview is the contact sheet so far.
    """
    name = people.last
    folder = people.everybody().get(name)
    if folder is None and people.is_running():
        return View(f"{name}: being learned from one photo.")
    if folder is None:
        return View(problem=people.failure())
    from portrait.person import SHEET

    step, steps = _progress(folder)
    sheet = read_image(folder / SHEET) if (folder / SHEET).exists() else None
    if people.is_running():
        said = f"{name}: step {step} of {steps}."
        if not step:
            said = f"{name}: drawing strangers to compare with, which takes some minutes."
        elif step == steps:
            said = f"{name}: step {step} of {steps}; now the pictures are judged."
        return View(said, step / steps if steps else 0.0, sheet)
    return View(f"{name}: {said_of(folder)}.", preview=sheet, problem=people.failure())


def said_of(folder):
    """How far somebody is learned, in words."""
    from portrait.learning import state

    how = state(folder)
    step, steps = _progress(folder)
    if how == "finished":
        return STATES[how] + _likeness_of(folder)
    return f"learned in part, step {step} of {steps}" if how == "begun" and step else STATES[how]


def _likeness_of(folder):
    """How like the person the pictures are of somebody who is learned to the end, in words; "" for
    one who is learned from one photo, which draws none."""
    from portrait.person import read_record
    from portrait.validation import summed

    learned = (read_record(folder) or {}).get("learned") or {}
    if "merged" not in learned:
        return ""
    kept, likeness = learned.get("instead"), learned["merged"]
    if kept is not None:  # a checkpoint was kept in place of the merged adapter
        likeness = next(one["likeness"] for one in learned["checkpoints"] if one["step"] == kept)
    mean, strangers = summed(likeness)["mean"], learned["before"] or 0
    if mean is None:
        return ", but no face is found in the pictures: learn once more with more steps"
    said = f", likeness {mean:.2f} (other people's {strangers:.2f}; 1 is the most)"
    if mean < strangers + HARDLY:
        said += ", hardly more than other people's: learn once more with more steps"
    return said


def _progress(folder):
    """(step, steps) of a training; zeros where nothing is known."""
    from portrait.learning import PLAN
    from portrait.person import TRAINING

    try:
        steps = json.loads((folder / TRAINING / PLAN).read_text("utf-8"))["steps"]
        with open(folder / TRAINING / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        step = int(rows[-1]["step"]) if rows else 0
    except (OSError, ValueError, KeyError):
        return 0, 0
    return step, max(steps, step)


def list_shown(people):
    """Everybody, each with a picture and how far they are learned: HTML."""
    from portrait.person import FACE, REFERENCE

    figures = []
    for name, folder in people.everybody().items():
        found = [folder / file for file in (FACE, REFERENCE) if (folder / file).exists()]
        image = sorting.thumbnail(found[0]) if found else ""
        said = "being learned" if people.is_running(name) else said_of(folder)
        figures.append(markup.figure(image, f"{printable(name)}: {said}"))
    if not figures:
        return markup.notice(["Nobody is learned yet."])
    return f'<div class="cells photos people">{"".join(figures)}</div>'
