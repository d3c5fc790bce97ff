"""A person, learned from photos: what is learned, from which photos, and the folder that keeps it.

    people/anna/
        photos/01.png, 01.txt ...   the squares to train on, each with its caption beside it
        reference.png               the head on the photo that shows the person best
        person.json                 choices, scores, checksums of the photos, versions
        index.html                  which photos count, and why the others do not

and, once an adapter has been trained on the squares (`learning.py`),

        adapter.safetensors         what the model has learned of them
        face.png                    the best validation picture: the face to paste
        validation.png              all validation pictures, a row a checkpoint
        training/                   while it goes on

`python train.py lora --data people/anna/photos` trains on the squares as on any folder of pictures.
"""

import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from common.files import check_place, folder_lock, remove_partials, sha256, write_text
from common.images import read_image, write_image
from facekit import folder as photo_folder
from facekit.identity import embedder_name, load_embedder, pivot
from portrait import photos as photos_of
from portrait.report import render_person

VERSION = 1  # raised whenever the same photos would give other squares or captions
RECORD, PAGE, REFERENCE, SQUARES = "person.json", "index.html", "reference.png", "photos"
ADAPTER, FACE, SHEET, TRAINING = "adapter.safetensors", "face.png", "validation.png", "training"
CONTENTS = (RECORD, PAGE, REFERENCE, SQUARES, ADAPTER, FACE, SHEET, TRAINING)
MADE_WITH = ("mediapipe", "numpy", "opencv-contrib-python")
_NOUN = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*")


@dataclass(frozen=True)
class Wanted:
    """Who is to be learned, and from what.

    Args:
        photos: the photos as the user named them.
        paths: tuple of their files, in order of name.
        trigger: the word that will stand for the person in prompts.
        noun: what the person is, "woman"; empty says nothing of it.
        top: how many photos count at most.
        embedder: name of the face embedding.
    """

    photos: Path
    paths: tuple
    trigger: str
    noun: str
    top: int
    embedder: str

    def name_of(self, path):
        """A photo's name within the photos' folder."""
        path = Path(path)
        return path.relative_to(self.photos).as_posix() if self.photos.is_dir() else path.name

    @cached_property
    def inputs(self):
        """Checksums of the photos, by their names."""
        return {self.name_of(path): _checksum(path) for path in self.paths}

    def record(self):
        """What decides on the result, as JSON can hold it."""
        return {
            "version": VERSION,
            "trigger": self.trigger,
            "noun": self.noun,
            "top": self.top,
            "embedder": self.embedder,
            "inputs": self.inputs,
        }


def want(photos, out, noun="", top=photos_of.TOP, embedder="auto"):
    """Read what a user wants, before anything is measured.

    Args:
        photos: a folder of photos.
        out: the person's folder, whose name is the trigger word.
        noun, top, embedder: as `Wanted`; "auto" is the best embedder that is there.

    Returns:
        Wanted.

    Raises:
        ValueError: one sentence.
    """
    photos, out = Path(photos), Path(out)
    noun = " ".join(noun.split())
    if noun and not _NOUN.fullmatch(noun):
        raise ValueError(f"--noun is what the person is, such as woman. Received: {noun!r}.")
    return Wanted(
        photos=photos,
        paths=tuple(photo_folder.photos_but_results(photos, out)),
        trigger=trigger_of(out),
        noun=noun,
        top=top,
        embedder=embedder_name(embedder),
    )


def _checksum(path):
    try:
        return sha256(path)
    except OSError:  # may not be read: the table says so
        return ""


def trigger_of(out):
    """The word for a person by the name of their folder: "Anna Lena" is "anna-lena".

    Raises:
        ValueError: a name without letters.
    """
    word = "-".join(re.findall(r"[^\W_]+", Path(out).resolve().name.lower()))
    if not any(letter.isalpha() for letter in word):
        raise ValueError(f"{out}: its name is the word for the person; name it with letters.")
    return word


def is_learned(out, wanted, overwrite=False):
    """Whether a folder has the result already.

    Args:
        out: the person's folder.
        wanted: `Wanted`.
        overwrite: whether a person learned from other photos may be replaced.

    Raises:
        ValueError: there is something else that would be lost.
    """
    out = Path(out)
    _bring_back(out)
    check_place(out / RECORD)
    if not out.exists():
        return False
    found = read_record(out)
    strange = sorted(path.name for path in out.iterdir() if _is_strange(path))
    if found is None and (strange or any((out / name).exists() for name in (SQUARES, REFERENCE))):
        raise ValueError(f"{out} holds something that is not a person; name another --out.")
    if found is None:
        return False
    differing = _differing(found, wanted.record())
    if not differing:
        return True
    if not overwrite:
        raise ValueError(
            f"{out} holds a person learned with other {differing}; name another --out, or add "
            "--overwrite."
        )
    if strange:
        raise ValueError(f"{out} would lose {strange[0]}, which is not of photos; move it away.")
    return False


def _is_strange(path):
    return path.name not in CONTENTS and not path.name.startswith(".")


def _differing(found, wanted):
    """What of a record is not as wanted, in words."""
    if found.get("inputs") != wanted["inputs"]:
        return "photos"
    return ", ".join(name for name, value in wanted.items() if found.get(name) != value)


def read_record(folder):
    """What a person's folder says of itself: a dictionary; None where there is no such thing."""
    try:
        found = json.loads((Path(folder) / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == "person" else None


def write_record(folder, record):
    """Write person.json, whole or not at all."""
    write_text(json.dumps(record, indent=1) + "\n", Path(folder) / RECORD)


def survey(wanted, workers=None):
    """Measure the photos and choose among them.

    Args:
        wanted: `Wanted`.
        workers: processes; by default one a core.

    Returns:
        `photos.Choice`.
    """
    scored = photo_folder.ranked(wanted.paths, wanted.embedder, workers)
    return photos_of.choose(scored, load_embedder(wanted.embedder).same, wanted.top)


def refuse(out, wanted, choice):
    """Write the page that shows why nobody can be learned, where no person would lose theirs.

    Returns:
        Path of the page, or None.
    """
    out = Path(out)
    if read_record(out) is not None:
        return None
    page = out / PAGE
    write_text(render_person(wanted, choice), page)
    return page


def keep(out, wanted, choice, tools=None, workers=None):
    """Make the squares of the photos that count, and write the person's folder, whole or not at
    all: it is written beside its place and moved there when everything is in it.

    Args:
        out: the person's folder; what `is_learned` lets pass is replaced.
        wanted: `Wanted`.
        choice: `photos.Choice` without a problem.
        tools: `photos.Tools`; None takes what facekit has.
        workers: processes; by default one a core.

    Returns:
        list of `photos.Prepared`, best first.

    Raises:
        ValueError: a photo cannot be read any more, or another process learns into the folder.
        OSError: the disk refuses.
    """
    with whole(out) as folder:
        return write(folder, wanted, choice, tools, workers)


@contextmanager
def whole(out):
    """A folder beside a person's own, empty and held by this process, that takes its place when all
    is well with what is written into it, and goes where it is not.

    Args:
        out: the person's folder; what `is_learned` lets pass is replaced.

    Yields:
        Path.

    Raises:
        ValueError: another process learns into the folder.
    """
    out = Path(out)
    with folder_lock(_beside(out, "partial")) as lock:
        try:
            _clear(lock.folder)
            check_not_learning(out)
            yield lock.folder
            check_not_learning(out)  # what was written took a while
            _put(lock.folder, out)
        finally:
            if lock.folder.exists():
                shutil.rmtree(lock.folder, ignore_errors=True)


def check_not_learning(out):
    """Refuse to change a person whom a training of another process goes on with.

    Raises:
        ValueError: one does.
    """
    if (Path(out) / TRAINING).is_dir():
        with folder_lock(Path(out) / TRAINING):
            pass


def write(folder, wanted, choice, tools=None, workers=None):
    """Make the squares of the photos that count, and write all of a person but what is learned.

    Args:
        folder: that is to become the person's.
        Others, result and errors as `keep`.
    """
    made = photos_of.prepare_all(choice.used, tools, workers)
    captions = [
        photos_of.caption(wanted.trigger, wanted.noun, photo.best.measured.face)
        for photo in choice.used
    ]
    _write(folder, wanted, choice, made, captions)
    return made


def _write(folder, wanted, choice, made, captions):
    for number, (prepared, caption) in enumerate(zip(made, captions, strict=True), 1):
        square = folder / SQUARES / f"{number:02d}.png"
        write_image(prepared.image, square)
        write_text(caption + "\n", square.with_suffix(".txt"))
    reference = choice.reference
    face = reference.best.measured.face
    write_image(photos_of.head(read_image(reference.path), face), folder / REFERENCE)
    write_text(render_person(wanted, choice, made, captions), folder / PAGE)
    write_record(folder, _record(wanted, choice, made, captions))


def _record(wanted, choice, made, captions):
    """Content of person.json."""
    used = [
        {
            "file": f"{SQUARES}/{number:02d}.png",
            "source": wanted.name_of(photo.path),
            "caption": caption,
            "square": asdict(prepared.square),
            "restored": prepared.restored,
            "retouched": prepared.retouched,
            "id": round(photo.best.id, 4),
            "quality": round(photo.best.measured.quality.total, 4),
            "angle": round(photo.best.angle, 4),
            "total": round(photo.best.total, 4),
        }
        for number, (photo, prepared, caption) in enumerate(
            zip(choice.used, made, captions, strict=True), 1
        )
    ]
    return {
        "kind": "person",
        **wanted.record(),
        "size": photos_of.SIZE,
        "pivot": wanted.name_of(choice.pivot.path),
        "reference": wanted.name_of(choice.reference.path),
        "person": _mean(choice),
        "photos": used,
        "left_out": [
            {"source": wanted.name_of(verdict.photo.path), "reason": verdict.reason}
            for verdict in choice.verdicts
            if not verdict.counts
        ],
        "made_with": {name: version(name) for name in MADE_WITH},
    }


def _mean(choice):
    """The mean embedding of the photos that count, with which pictures of the person are compared:
    list of float."""
    mean = pivot([photo.best.measured.embedding for photo in choice.used])
    return [round(float(value), 5) for value in mean]


# --- a folder that is there as a whole


def _beside(out, word):
    """A hidden folder beside another: no search for photos looks into it."""
    return out.with_name(f".{out.name}.{word}")


def _bring_back(out):
    """Undo the half of a replacement that a kill has left."""
    old = _beside(out, "replaced")
    if old.exists() and not out.exists():
        old.rename(out)
    elif old.exists():
        shutil.rmtree(old)


def _put(whole, out):
    """Move a folder to its place; what is there goes once it has moved."""
    old = _beside(out, "replaced")
    if out.exists():
        out.rename(old)
    whole.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _clear(folder):
    """Remove what a killed process has left in a folder that is held."""
    remove_partials(folder)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("."):
            path.unlink()
