"""What the tab "Paint in" does: the way of `sample.py --init --mask`, for a picture and a brush,
held by control pictures of what was there."""

from dataclasses import dataclass, replace

import numpy as np

from common.cli import describe
from common.images import ImageError, check_size, resize, write_image
from ddpm.conditions.hints import ControlImage
from ddpm.pipeline import Request
from portrait.web import drawing, markup
from portrait.web.drawing import Form

# Control pictures that are made of a picture, and what each holds on to.
CONTROLS = {"canny": "edges", "colour": "colours", "points": "the face's points", "tile": "shapes"}


@dataclass(frozen=True)
class PaintForm(Form):
    """The fields of the tab: those of Draw, and more.

    Args:
        canvas: dict of a picture, "background", and "layers", which the brush has painted on:
            uint8 (H, W, 3 or 4) each; None without a picture. Or of a "problem", why it cannot be
            read.
        strength: how far back to noise, in (0, 1].
        whole: see all of the picture's middle, not the head alone.
        canny, colour, points, tile: strengths of control pictures, in [0, 2].
    """

    canvas: dict | None = None
    strength: float = 1.0
    whole: bool = False
    canny: float = 0.0
    colour: float = 0.0
    points: float = 0.0
    tile: float = 0.0


def paint(studio, form, job):
    """Paint into a picture where the brush was; without a stroke, in its head's square.

    Args:
        studio: `studio.Studio`.
        form: `PaintForm`.
        job: `jobs.Job`.

    Yields:
        `View`: one a step, with x0_hat of the square that the model paints; then the files.
    """
    yield from drawing.explained(_paint(studio, form, job))


def _paint(studio, form, job):
    from portrait import photograph  # here, for it loads the face detector

    form = drawing.settled(form)
    request, strengths = request_of(form, studio.pipeline.size), strengths_of(form)
    pipeline = _pipeline_for(studio, strengths)
    drawing.check(studio, request)
    place = photograph.find_place(request, "the picture", pipeline.size, whole=form.whole)
    folder = studio.new_folder()
    photo = folder / "photo.png"
    write_image(request.image, photo)
    place, request = replace(place, path=photo), place.ask(request, pipeline.size)
    made, missing = controls_of(place, pipeline.size, strengths)
    controls = tuple(ControlImage(kind, image, strengths[kind]) for kind, image in made.items())
    request = replace(request, controls=controls)

    def save(squares, recipe):
        recipe = recipe | {"init": photo.name, "square": place.recipe, "whole": bool(form.whole)}
        cell, files = pipeline.model.codec.stride, []
        for i, square in enumerate(squares):
            files.append(folder / f"{i:05d}.png")
            place.save(place.put_back(square, cell), files[-1], {**recipe, "picture": i})
        return files

    notes = (*place.notes, *missing, *pipeline.notes(request))
    yield from drawing.kept(studio, request, job, notes, save, pipeline)


def _pipeline_for(studio, strengths):
    """The `Pipeline` that paints: with the control branch where control pictures are wanted.

    Raises:
        ValueError: one sentence: there is no branch.
    """
    if not strengths:
        return studio.pipeline
    with studio.model:
        painter = studio.painter()
    if not painter.control_digest:
        raise ValueError(
            f"{painter.name} has no control branch, so it cannot be held by control pictures; set "
            "their strengths to 0."
        )
    return painter.pipeline


def strengths_of(form):
    """{kind: strength} of the control pictures that are wanted.

    Raises:
        ValueError: one sentence: a strength out of range.
    """
    found = {kind: drawing.number(f"the strength of {kind}", getattr(form, kind))
             for kind in CONTROLS}  # fmt: skip
    for kind, strength in found.items():
        if not 0 <= strength <= 2:
            raise ValueError(f"the strength of {kind} lies between 0 and 2. Received: {strength}.")
    return {kind: strength for kind, strength in found.items() if strength}


def controls_of(place, size, kinds):
    """Control pictures of the square that is painted, as it was.

    Args:
        place: `photograph.Place`.
        size: of the model's pictures.
        kinds: words of `CONTROLS`.

    Returns:
        ({kind: uint8 (size, size, 3)}, list of sentences about those that there are none of).
    """
    from facekit import control
    from facekit.detect import detect

    square = place.square.cut(place.photograph)
    made, missing = {}, []
    for kind in kinds:
        if kind == "points":
            meshes = [face.mesh for face in detect(square)]
            if meshes:
                made[kind] = control.face_points(square.shape, meshes, size)
            else:
                missing.append("no face is found in the square, so there are no points of one.")
        else:
            make = {"canny": control.canny, "colour": control.colour_grid, "tile": control.tile}
            made[kind] = make[kind](resize(square, size))
    return made, missing


def show_controls(studio, form):
    """The control pictures of a form, whatever their strengths: (HTML of sentences, {kind: HTML}),
    those that cannot be made empty."""
    from portrait import photograph

    try:
        form = replace(form, strength=0.5)  # which plays no part here
        request = request_of(form, studio.pipeline.size)
        place = photograph.find_place(
            request, "the picture", studio.pipeline.size, whole=form.whole
        )
        made, missing = controls_of(place, studio.pipeline.size, CONTROLS)
    except (ValueError, OSError) as error:
        return markup.notice([describe(error)], problem=True), dict.fromkeys(CONTROLS, markup.NONE)
    shown = {
        kind: markup.picture(made[kind], f"control picture: {CONTROLS[kind]}", "control")
        if kind in made
        else markup.NONE
        for kind in CONTROLS
    }
    return markup.notice(missing), shown


def request_of(form, size=None):
    """A `Request` of a form: the picture at its own size, and the mask where there is one.

    Args:
        form: `PaintForm`.
        size: as of `drawing.request_of`.

    Raises:
        ValueError: one sentence.
    """
    problem = (form.canvas or {}).get("problem")
    if problem:
        raise ValueError(problem)
    if form.canvas is None or form.canvas.get("background") is None:
        raise ValueError("there is no picture to paint into; drop one onto the canvas.")
    image, mask = opaque(form.canvas["background"]), mask_of(form.canvas["layers"])
    strength = drawing.number("strength", form.strength)
    if not strength > 0:
        raise ValueError("strength 0 leaves the picture as it is; choose more.")
    if mask is None and strength == 1:
        raise ValueError(
            "strength 1 leaves nothing of the picture: paint where it is to change, or choose less."
        )
    request: Request = drawing.request_of(form, size)
    return replace(request, image=image, mask=mask, strength=strength)


def form_of(recipe):
    """The form of a picture that was painted into, without that picture and the strokes.

    Args:
        recipe: dict, of any file.

    Returns:
        `PaintForm`.

    Raises:
        ValueError: one sentence, where "Paint in" cannot make it.
    """
    form, strength = drawing.read_form(recipe, "Paint in"), recipe.get("strength", 1.0)
    if not 0 < drawing.number("the recipe's strength", strength) <= 1:
        raise ValueError(f"the recipe's strength is {strength}; it lies between 0 and 1.")
    controls = recipe.get("controls", [])
    own = isinstance(controls, list) and all(
        isinstance(one, dict) and one.get("kind") in list(CONTROLS) and not one.get("file")
        for one in controls
    )
    if not own:
        raise ValueError(
            "the picture was held by control pictures from files; Paint in makes them of the "
            "picture itself."
        )
    held = {one["kind"]: one.get("strength") for one in controls}
    whole = recipe.get("whole") is True
    form = PaintForm(**vars(form), strength=strength, whole=whole, **held)
    strengths_of(form)
    return form


def bounded(read):
    """A reader of the canvas that looks at the size of each picture before any is decoded.

    Args:
        read: (what the browser has sent) -> canvas of a `PaintForm`.

    Returns:
        The same; of pictures that are too large, or none, {"problem": a sentence}.
    """

    def read_bounded(sent):
        parts = [sent and sent.background, *(sent.layers if sent else ()), sent and sent.composite]
        for part in filter(None, parts):
            try:
                check_size(part.path)
            except (ImageError, TypeError) as error:
                name = getattr(error, "path", "")
                return {"problem": markup.without_folder(str(error), *filter(None, [name]))}
        return read(sent)

    return read_bounded


def mask_of(layers):
    """Where the brush was.

    Args:
        layers: list of uint8 (H, W, 4).

    Returns:
        uint8 (H, W), 255 where any layer is not transparent; None where all are.
    """
    touched = [layer[..., 3] > 0 for layer in layers if layer.shape[-1] == 4]
    mask = np.any(touched, axis=0) if touched else np.zeros(1, bool)
    return 255 * mask.astype(np.uint8) if mask.any() else None


def opaque(picture):
    """uint8 (H, W, 3 or 4) on white: uint8 (H, W, 3)."""
    if picture.shape[-1] == 3:
        return picture
    share = picture[..., 3:] / 255
    return np.rint(share * picture[..., :3] + (1 - share) * 255).astype(np.uint8)
