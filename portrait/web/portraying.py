"""What the tab "Portrait" does: the way of `python -m portrait reconstruct`, stage by stage."""

from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path

import numpy as np

from common.images import read_image, resize, write_image
from portrait import stages
from portrait.settings import Settings, range_of
from portrait.stages import STAGES
from portrait.web import drawing, markup
from portrait.web.drawing import View
from portrait.web.jobs import Watched

SHOWN = 1200  # px; the longer side of what the page shows of a photo
STAY = "leave as it is"
TAB = "portrait"  # in a browser's desk
NAME = "portrait.png"


@dataclass(frozen=True)
class Seen:
    """A photo as the page shows it.

    Args:
        picture: uint8 (h, w, 3), with its faces framed and numbered; None where it cannot be read.
        sentences: one about each face, from left to right; or why there is none.
        widths: of the faces, pixels.
    """

    picture: np.ndarray | None
    sentences: tuple
    widths: tuple = ()


@dataclass(frozen=True)
class PortraitForm:
    """The fields of the tab.

    Args:
        template: path of the photo to paint into, or None.
        references: paths of photos of faces.
        picks: who each face of the template becomes, from left to right: `STAY`, or a word of
            `choices`; a face beyond them stays.
        settings: {name: value}, of `Settings`.
    """

    template: str | None
    references: tuple = ()
    picks: tuple = ()
    settings: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """What is to be seen of a portrait.

    Args:
        faces: a list of (title, picture, mask) for each face: what `stages_of` makes.
        before, after: paths of the template and the result, made smaller.
        file: path of the result at full resolution.
        middle: of the first face that was painted, across, in percent of the photo.
    """

    faces: tuple = ()
    before: Path | None = None
    after: Path | None = None
    file: Path | None = None
    middle: float = 50


# --- before anything runs


@lru_cache(maxsize=32)  # small pictures; an upload's path holds its checksum
def look(path):
    """Find the faces of a photo: `Seen`."""
    from facekit import draw
    from facekit.detect import detect

    try:
        image = read_image(path)
    except ValueError as error:
        return Seen(None, (markup.without_folder(str(error), path),))
    faces = detect(image)
    if not faces:
        return Seen(smaller(image), ("No face found; name a photo that shows one clearly.",))
    said = tuple(sentence_of(i, face, len(faces)) for i, face in enumerate(faces, 1))
    widths = tuple(float(face.box[2]) for face in faces)
    return Seen(smaller(draw.boxes(image, faces), SHOWN // 2), said, widths)


def sentence_of(number, face, of=1):
    """What is seen of a face: "Face 1: 131 px wide, smiling, facing left."

    Args:
        number: from 1, from the left.
        face: `facekit.detect.Face`.
        of: how many there are.
    """
    from facekit.expression import words

    name = f"Face {number}" if of > 1 else "One face"
    seen = words(face)
    turned = any(word.startswith("facing") for word in seen)
    seen = seen if turned else [*seen, "looking at the camera"]
    return f"{name}: {face.box[2]:.0f} px wide, {', '.join(seen)}."


def choices(references, people=()):
    """What a face can become, in words: list of str.

    Args:
        references: paths of photos.
        people: names of learned people.
    """
    photos = [f"photo {i}: {Path(path).name}" for i, path in enumerate(references or (), 1)]
    return [STAY, *photos, *(f"person: {name}" for name in people)]


def matched(widths, given):
    """Who each face of a template becomes before anybody has chosen: a single one the largest
    face, several from left to right.

    Args:
        widths: of the faces, from left to right.
        given: words of `choices`.

    Returns:
        list of str, one a face.
    """
    from portrait.session import MAX_FACES

    result = [STAY] * min(len(widths), MAX_FACES)
    if len(given) == 1 and result:
        result[int(np.argmax(widths[: len(result)]))] = given[0]
    for i, one in enumerate(given[: len(result)] if len(given) > 1 else ()):
        result[i] = one
    return result


def session_of(studio, form):
    """The `session.Session` of a form: who is painted where, before a model is loaded.

    Raises:
        ValueError: one sentence.
    """
    from portrait.session import SKIP, Session

    if not form.template:
        raise ValueError("there is no photo to paint into; drop one as the template.")
    there = max(1, len(look(form.template).widths))
    picks = form.picks[:there]  # the page has fields for more
    wanted = [SKIP if pick in (None, STAY) else _picked(studio, form, pick) for pick in picks]
    if all(one == SKIP for one in wanted):
        raise ValueError(_why_nobody(studio, form))
    while len(wanted) > 2 and wanted[-1] == SKIP:
        del wanted[-1]
    try:
        # What is doubted of the photos is said before anything is painted.
        return Session(form.template, people=wanted, anyway=True)
    except ValueError as error:
        raise ValueError(
            markup.without_folder(str(error), form.template, *form.references)
        ) from None


def _why_nobody(studio, form):
    """Why no face of a form's template is to change, and what to do: a sentence."""
    if not look(form.template).widths:
        return f"{Path(form.template).name}: no face found; drop another photo as the template."
    if not form.references and not list(studio.people.everybody()):
        return "there is nobody to paint; drop a photo of a face, or learn a person."
    return "no face of the template is to change; choose who it becomes."


def _picked(studio, form, pick):
    """A path, or a `known.Known`, of a word of `choices`."""
    given = choices(form.references)
    if pick in given:
        return form.references[given.index(pick) - 1]
    kind, _, name = pick.partition(": ")
    if kind != "person":
        raise ValueError(
            f"there is no {pick[: drawing.MAX_QUOTED]!r}; choose who the face becomes."
        )
    return studio.people.known(name)


def check(studio, form):
    """What there is to know of a form before it is painted.

    Returns:
        (sentences, problem): list of str; a sentence, or "".
    """
    try:
        session = session_of(studio, form)
    except (ValueError, OSError) as error:
        return [], drawing.describe(error)
    names = (form.template, *(one for _, one, *_ in session.pairs))
    return [markup.without_folder(sentence, *names) for sentence in session.notes], ""


# --- the settings


def sliders():
    """The numbers of `Settings` by the first stage that takes them: {stage: list of names}."""
    found, seen = {}, {"prompt", "negative", "seed"}
    for stage in STAGES:
        names = [name for name in stages.USES.get(stage, ()) if name not in seen]
        seen.update(names)
        found |= {stage: names} if names else {}
    return found


def settings_of(values):
    """`Settings` of the fields' values.

    Raises:
        ValueError: one sentence.
    """
    known, result = {one.name: one.type for one in fields(Settings)}, {}
    for name, value in values.items():
        if known[name] is str:
            result[name] = (value or "").strip()
            continue
        value = drawing.number(name.replace("_", "-"), value)
        if known[name] is int and not float(value).is_integer():
            raise ValueError(f"{name.replace('_', '-')} must be a whole number. Received: {value}.")
        low, high = range_of(name)
        if not low <= value <= high:  # before int(), which knows no infinity
            raise ValueError(
                f"{name.replace('_', '-')} lies between {low} and {high}. Received: {value}."
            )
        result[name] = known[name](value)
    return Settings(**result)


def settings_in(recipe):
    """The `Settings` that a portrait's recipe holds; those that it lacks are as a page begins.

    Args:
        recipe: dict, of any file.

    Raises:
        ValueError: one sentence.
    """
    values = Settings().to_dict()
    values |= {name: recipe[name] for name in values if name in recipe}
    for name in ("prompt", "negative"):
        if not isinstance(values[name], str):
            shown = str(values[name])[: drawing.MAX_QUOTED]
            raise ValueError(f"the recipe's {name} is {shown!r}.")
    return settings_of(values)


# --- painting


def paint(studio, form, desk, job, since=None):
    """Paint a portrait, or a part of its stages anew.

    Args:
        studio: `studio.Studio`.
        form: `PortraitForm`.
        desk: dict of the browser's work: what was painted last is kept there.
        job: `jobs.Job`.
        since: the first stage to make; those before are taken from what was painted last, where
            their settings are as they were. None makes all of them.

    Yields:
        (`View`, `Shown` or None): None where what is shown stays.
    """
    yield from drawing.explained(_paint(studio, form, desk, job, since), lambda view: (view, None))


def _paint(studio, form, desk, job, since):
    settings = settings_of(form.settings)
    session, last = session_of(studio, form), desk.get(TAB, {})
    photos = (form.template, form.references, form.picks)
    if since and last.get("photos") != photos:
        raise ValueError("the photos are other ones than those painted last; press Paint.")
    names = (form.template, *(one for _, one, *_ in session.pairs))
    notes = [markup.without_folder(sentence, *names) for sentence in session.notes]
    folder = last["folder"] if since else studio.new_folder()
    if since:
        since, more = _earliest(session, folder, settings, since)
        notes += more
    with studio.model:
        if job.stopped:
            yield View("Stopped before it began."), None
            return
        yield View("Beginning ...", 0.0, notes=tuple(notes)), Shown()
        strength = settings.adapter_strength
        painters = [studio.painter(one, strength) for one in session.people]
        for i, painter in enumerate(painters):
            own = session.settings_of(i, settings)
            notes += [one for one in painter.check(own.prompt, own.negative) if one not in notes]
        faces = [[] for _ in session.pairs]

        def work(tell):
            def observe(*event):
                tell((event, None))

            def show(number, stage, portrait):
                tell(((number, stage, 1, 1), stages_of(portrait)))

            steps = folder / "stages"
            return session.paint(painters, settings, steps, since, observe, show)

        watched, view = Watched(work, job), View()
        for (number, stage, done, of), made in watched:
            view = _view(number, stage, done, of, len(session.pairs), notes)
            if made is not None:
                faces[number - 1] = made
            yield view, None if made is None else Shown(tuple(faces))
    if watched.result is None:
        yield View(f"Stopped at {view.status.removesuffix(' ...')}.", notes=tuple(notes)), None
        return
    image, portraits = watched.result
    shown = _written(session, folder, image, session.recipe(painters, settings, portraits), faces)
    desk[TAB] = {"photos": photos, "folder": folder, "shown": shown, "form": form}
    yield View("The portrait is ready.", notes=(*notes, *_scored(portraits))), shown


def _earliest(session, folder, settings, since):
    """The stage to begin with: (stage or None for all, sentences)."""
    changed = [
        stage
        for i in range(len(session.pairs))
        if (stage := _changed(session, folder, settings, i)) is not None
    ]
    first = min([since, *changed], key=STAGES.index)
    said = [] if first == since else [
        f"Begun with '{first}', for a setting of that stage was changed, too."
    ]  # fmt: skip
    return (None if first == STAGES[0] else first), said


def _changed(session, folder, settings, i):
    from portrait.session import first_changed

    return first_changed(folder / "stages", i + 1, session.settings_of(i, settings))


def _view(number, stage, done, of, faces, notes):
    """How far the painting is, as `View`."""
    before = (number - 1) * len(STAGES) + STAGES.index(stage)
    who = f"face {number} of {faces}, " if faces > 1 else ""
    at = f"{who}{stage}" + (f", step {done} of {of}" if of > 1 else "")
    share = (before + done / of) / (faces * len(STAGES))
    return View(f"{at} ...", share, notes=tuple(notes))


def stages_of(portrait):
    """The stages that a portrait has so far: list of (title, picture, mask or None), uint8."""
    from portrait.report import PAINTED, TITLES, over

    scene, found = portrait.scene, []
    for stage, picture in portrait.pictures.items():
        mask = over(scene.view, getattr(scene, PAINTED[stage])) if stage in PAINTED else None
        found.append((TITLES[stage], picture, mask))
    return found


def _written(session, folder, image, recipe, faces):
    """The result at full resolution and, smaller, before and after: `Shown`."""
    file, template = folder / NAME, session.template
    template.write(image, file, recipe)
    sides = {"before": template.image, "after": image}
    paths = {name: folder / f"{name}.png" for name in sides}
    for name, picture in sides.items():
        write_image(smaller(picture), paths[name])
    left, _, width, _ = session.pairs[0][0].box
    middle = float(np.clip(100 * (left + width / 2) / image.shape[1], 0, 100))
    return Shown(tuple(faces), **paths, file=file, middle=middle)


def _scored(portraits):
    """What was measured of each portrait, and what is wrong with it, in words."""
    said = []
    for i, portrait in enumerate(portraits, 1):
        one = portrait.scores[STAGES[-1]]
        said.append(
            f"Face {i}: likeness {one['reference']:.2f} to the reference, {one['template']:.2f} to "
            f"the template; seam {one['seam']:.2f}, colour {one['colour']:.1f}."
        )
        said += [f"Face {i}: look at the result, for {fault}." for fault in portrait.verdict.faults]
    return said


def smaller(image, side=SHOWN):
    """A picture whose longer side has at most so many pixels: uint8."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    return resize(image, (max(1, round(scale * height)), max(1, round(scale * width))))
