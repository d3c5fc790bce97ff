"""Pages: every stage of a portrait, and the photos that a person is learned from; each is one file
that opens anywhere."""

import base64
import io
from functools import cache
from importlib.resources import files

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from common.cli import printable
from common.images import read_image
from facekit import draw
from facekit.report import SHOWN, embedded

TITLES = {
    "crop": "the template's face",
    "replaced": "replaced: the reference by five points",
    "fused": "fused: blended by the mesh",
    "reconstructed": "reconstructed by the model",
    "coloured": "in the template's colours",
    "likeness": "fused again",
    "border": "border refined by the model",
    "retouched": "retouched",
}
# Where a person's page tells of the training, which is written later than the rest.
SLOT = ("<!-- learned -->", "<!-- end of learned -->")
PAINTED = {"reconstructed": "inner", "border": "ring"}  # stages that show their mask


def render(template, result, portraits, references, settings, model):
    """The page.

    Args:
        template, result: uint8 (H, W, 3): before and after.
        portraits: list of `session.Portrait`.
        references: paths, one a portrait.
        settings: `Settings`.
        model: name of the weights.

    Returns:
        str: HTML with the pictures inside.
    """
    return _page("report.html").render(
        before=embedded(template),
        after=embedded(result),
        faces=[
            {
                "reference": str(path),
                "photo": embedded(_square(portrait.scene)),
                "stages": [_stage(portrait, stage) for stage in portrait.pictures],
                "faults": portrait.verdict.faults if portrait.verdict else [],
            }
            for portrait, path in zip(portraits, references, strict=True)
        ],
        settings=settings.to_dict(),
        model=model,
    )


def _stage(portrait, stage):
    shown = {"title": TITLES[stage], "picture": embedded(portrait.pictures[stage])}
    if stage in PAINTED:
        mask = getattr(portrait.scene, PAINTED[stage])
        shown["mask"] = embedded(over(portrait.scene.view, mask))
    shown["scores"] = portrait.scores.get(stage, {})
    shown["seed"] = portrait.made[stage].get("seed")  # one of its own where the stage was kept
    return shown


def over(view, mask):
    """A mask, float32 (S, S), as a tint over the picture that it is for: uint8 (S, S, 3)."""
    tint = view * (1 - 0.6 * mask[..., None]) + 0.6 * mask[..., None] * (230, 60, 40)
    return tint.astype(np.uint8)


def _square(scene):
    """The reference's face and what is around it."""
    low, high = scene.reference_face.mesh.min(0), scene.reference_face.mesh.max(0)
    margin = 0.4 * (high - low).max()
    height, width = scene.reference.shape[:2]
    left, top = np.clip(low - margin, 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(high + margin, 1, (width, height)).astype(int)
    return scene.reference[top:bottom, left:right]


def render_person(wanted, choice, prepared=(), captions=()):
    """The page of a person.

    Args:
        wanted: `person.Wanted`.
        choice: `photos.Choice`.
        prepared, captions: `photos.Prepared` and str of each photo that counts; none where nobody
            can be learned.

    Returns:
        str: HTML with the pictures inside.
    """
    squares = [
        {"picture": embedded(made.image), "caption": caption, "mended": _mended(made)}
        for made, caption in zip(prepared, captions, strict=True)
    ]
    return _page("person.html").render(
        trigger=wanted.trigger,
        embedder=wanted.embedder,
        problem=printable(choice.problem),
        squares=squares,
        used=len(choice.used),
        photos=[_photo(verdict, wanted, choice) for verdict in choice.verdicts[:SHOWN]],
        left_out=max(0, len(choice.verdicts) - SHOWN),
        slot=Markup("".join(SLOT)),
    )


def render_learned(page, learned, sheet, face=None):
    """The page of a person with what has been learned so far.

    Args:
        page: str, of `render_person` or of this.
        learned: what is known of the training, as `Watcher.summary` has it.
        sheet: uint8 (H, W, 3), the contact sheet.
        face: uint8 (H, W, 3), the picture that is kept; None while it is not decided.

    Returns:
        str: the page; a page that has no place for it, as it is.
    """
    before, begun, rest = page.partition(SLOT[0])
    _, ended, after = rest.partition(SLOT[1])
    if not begun or not ended:
        return page
    section = _page("learned.html").render(
        **learned,
        curve=_curve(learned["checkpoints"]),
        sheet=_as_png(sheet),
        face=None if face is None else _as_png(face),
    )
    return f"{before}{SLOT[0]}\n{section}\n{SLOT[1]}{after}"


def _curve(checkpoints):
    """Likeness by step as a curve in a field of 600 x 160: {"mean", "best": list of (x, y, step,
    value)}, and "low" and "high", the values at the field's edges; None without a face."""
    seen = [c for c in checkpoints if c["mean"] is not None]
    if not seen:
        return None
    values = [c[name] for c in seen for name in ("mean", "best")]
    low, high = min(0.0, *values), max(0.1, *values)
    last = max(c["step"] for c in checkpoints)

    def place(c, name):
        y = 160 * (high - c[name]) / (high - low)
        return round(600 * c["step"] / last, 1), round(y, 1), c["step"], c[name]

    lines = {name: [place(c, name) for c in seen] for name in ("mean", "best")}
    return {**lines, "low": low, "high": high}


def _as_png(image):
    """A small picture whose pixels are to be seen as they are, as a data URL."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _photo(verdict, wanted, choice):
    photo, best = verdict.photo, verdict.photo.best
    scores = [] if best is None else [
        ("likeness", best.id),
        ("quality", best.measured.quality.total),
        ("angle", best.angle),
        ("total", best.total),
    ]  # fmt: skip
    return {
        "name": printable(wanted.name_of(photo.path)),
        "counts": verdict.counts,
        "reason": printable(verdict.reason),
        "picture": _framed(photo),
        "scores": scores,
        "marks": [
            word
            for word, marked in (("reference", choice.reference), ("pivot", choice.pivot))
            if marked is photo
        ],
    }


def _framed(photo):
    """A photo with its faces framed, as a data URL; empty where it cannot be read."""
    try:
        image = read_image(photo.path)
    except ValueError:
        return ""
    return embedded(draw.boxes(image, [scored.measured.face for scored in photo.faces]))


def _mended(made):
    words = (("enlarged", made.restored), ("skin smoothed", made.retouched))
    return ", ".join(word for word, done in words if done)


@cache
def _page(name):
    text = (files("portrait") / "assets" / name).read_text(encoding="utf-8")
    # Names of files come from users: escaped, always.
    return jinja2.Environment(autoescape=True, trim_blocks=True).from_string(text)
