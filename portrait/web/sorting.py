"""What the tab "Faces" does: the way of `python -m facekit score`, `align` and `report`, for photos
that were dropped onto the page; and what is shown of photos in tables."""

import json
import re
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common.cli import count, printable
from common.files import atomic_write, copy_file, write_text
from common.images import SUFFIXES, read_image, resize
from portrait.web import drawing, markup
from portrait.web.drawing import View
from portrait.web.jobs import Watched

MAX_PHOTOS = 500
SHOWN, HIGH = 60, 96  # rows of a table that have a picture; pixels of its height
WORKS = {
    "score": "Sort them, best first, and copy the best",
    "align": "Cut the heads out, upright and at one size",
    "report": "Write a page of scores, points and masks",
}
ZIP = "faces.zip"
# Text that stands for a number in a table.
NUMBERS = ("likeness", "quality", "total")


@dataclass(frozen=True)
class FacesForm:
    """The fields of the tab.

    Args:
        files: paths of photos.
        works: words of `WORKS`.
        top: how many of the best are copied.
        size: of the heads that are cut out, pixels a side.
        template: how they are cut out: "portrait" or "arcface".
    """

    files: tuple = ()
    works: tuple = tuple(WORKS)
    top: float = 15
    size: float = 256
    template: str = "portrait"


def sort(studio, form, job):
    """Measure photos, and put into one file what was asked for.

    Args:
        studio: `studio.Studio`.
        form: `FacesForm`.
        job: `jobs.Job`.

    Yields:
        (`View`, HTML or None, path or None): the table of scores, and the zip file, with the last.
    """
    yield from drawing.explained(_sort(studio, form, job), lambda view: (view, None, None))


def _sort(studio, form, job):
    check(form)
    folder = studio.new_folder()
    paths, out = collect(form.files, folder / "photos"), folder / "result"

    def work(tell):
        table, notes = None, []
        if "score" in form.works or "report" in form.works:
            table, more = _scored(form, paths, out, tell)
            notes += more
        if "align" in form.works:
            notes += _aligned(form, paths, out / "heads", tell)
        return table, tuple(notes)

    watched = Watched(work, job)
    yield View(f"Measuring {count(len(paths), 'photo')} ...", 0.0), None, None
    for view in watched:
        yield view, None, None
    if watched.result is None:
        yield View("Stopped."), None, None
        return
    table, notes = watched.result
    file = packed(out, folder / ZIP)
    yield View(f"{count(len(paths), 'photo')} done.", notes=notes), table, file


def check(form):
    """Refuse a form that cannot be used.

    Raises:
        ValueError: one sentence.
    """
    from facekit.align import template_points

    if not form.works:
        raise ValueError("there is nothing to do; tick what is wanted.")
    for name, least, most in (("top", 1, MAX_PHOTOS), ("size", 16, 4096)):
        value = drawing.number(name, getattr(form, name))
        if not least <= value <= most or value != int(value):
            raise ValueError(
                f"{name} must be a whole number from {least} to {most}. Received: {value}."
            )
    template_points(form.template, int(form.size))


def collect(files, folder):
    """Copy photos that were dropped into one folder, with names that are safe.

    Args:
        files: paths, as the page keeps them.
        folder: for the copies.

    Returns:
        list of Path, in the order of their names.

    Raises:
        ValueError: there are none, or too many.
    """
    files = [Path(file) for file in files or ()]
    if not files:
        raise ValueError("there are no photos; drop some first.")
    if len(files) > MAX_PHOTOS:
        raise ValueError(f"at most {MAX_PHOTOS} photos are taken at once. Received: {len(files)}.")
    paths = []
    for file in sorted(files, key=lambda file: file.name):
        name, ending = safe_name(file.stem), file.suffix.lower()
        ending = ending if ending in SUFFIXES else ".png"  # its content says what it is
        tries = (folder / f"{name}{n}{ending}" for n in ("", *(f"_{i}" for i in range(2, 10**6))))
        paths.append(next(path for path in tries if path not in paths))
        copy_file(file, paths[-1])
    return paths


def safe_name(text):
    """A text as a name for a file: letters, digits, "-" and "_", at most 60."""
    return re.sub(r"[^\w-]+", "_", text)[:60].strip("_") or "photo"


def tell_measured(tell, total, what, done):
    """Tell how many of all photos are done: "Measured: 2 of 4 photos ..."."""
    tell(View(f"{what}: {done} of {count(total, 'photo')} ...", done / total))


def _scored(form, paths, out, tell):
    """Scores, the best photos and the page: (HTML, sentences)."""
    from facekit.folder import copy_best, ranked
    from facekit.identity import load_embedder
    from facekit.report import render
    from facekit.score import as_records

    scored = ranked(paths, observe=partial(tell_measured, tell, len(paths), "Measured"))
    embedder = load_embedder("auto").name
    if "score" in form.works:
        text = json.dumps(_by_name(as_records(scored)), indent=1)
        write_text(text + "\n", out / "scores.json")
        copy_best(scored, int(form.top), out / "best")
    if "report" in form.works:
        tell(View("Drawing the page ...", 1.0))
        page = render(scored, embedder)
        write_text(page.replace(str(paths[0].parent) + "/", ""), out / "report.html")
    without = sum(photo.best is None for photo in scored)
    notes = [f"{count(without, 'photo')} without a face."] if without else []
    return scores_shown(scored, embedder), notes


def _by_name(records):
    """Records whose paths are names: where the studio keeps photos says nothing to a user."""
    paths = ("path", "near_duplicate_of")
    return [
        {key: Path(value).name if key in paths and value else value for key, value in one.items()}
        for one in records
    ]


def _aligned(form, paths, out, tell):
    """The heads, cut out: sentences about photos that have none."""
    from facekit import jobs
    from facekit.folder import for_each, names_of

    cut = partial(jobs.align, out=out, size=int(form.size), template=form.template)
    rows, notes, done = {}, [], 0
    for path, result in for_each(partial(cut, names=names_of(paths, paths[0].parent)), paths):
        done += 1
        tell_measured(tell, len(paths), "Cut out", done)
        if isinstance(result, ValueError):
            notes.append(markup.without_folder(str(result), path))
        else:
            rows[path] = result
    if not rows:
        raise ValueError(f"none of the {count(len(paths), 'photo')} shows a face.")
    kept = _by_name([row for path in sorted(rows) for row in rows[path]])
    write_text(json.dumps(kept, indent=1) + "\n", out / "align.json")
    return notes


def packed(folder, file):
    """Everything in a folder as one zip file: its path."""
    with atomic_write(file) as partial_file, zipfile.ZipFile(partial_file, "w") as packing:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packing.write(path, path.relative_to(folder))
    return file


# --- tables of photos


def scores_shown(scored, embedder):
    """Ranked photos as a table: HTML.

    Args:
        scored: list of `facekit.score.Scored`, best first.
        embedder: name of the face embedding.
    """
    rows = [
        [
            str(photo.rank),
            thumbnail(photo.path) if place < SHOWN else "",
            markup.escape(printable(Path(photo.path).name)),
            *numbers_of(photo),
            markup.escape(printable(photo.reason) + (" (reference)" if photo.reference else "")),
        ]
        for place, photo in enumerate(scored)
    ]
    head = ["rank", "photo", "name", *NUMBERS, "verdict"]
    caption = f"Best first. Each number is from 0, poor, to 1, good; likeness by {embedder}."
    return markup.table(head, rows, caption)


def numbers_of(photo):
    """Likeness, quality and total of a `facekit.score.Scored`: list of text."""
    best = photo.best
    if best is None:
        return ["-"] * len(NUMBERS)
    return [f"{value:.2f}" for value in (best.id, best.measured.quality.total, best.total)]


def thumbnail(path):
    """A small picture of a photo: HTML; empty where it cannot be read."""
    try:
        image = read_image(path, draft=2 * HIGH)
    except ValueError:
        return ""
    width = max(1, min(3 * HIGH, round(image.shape[1] * HIGH / image.shape[0])))
    return markup.photo(resize(image, (HIGH, width)), Path(path).name)
