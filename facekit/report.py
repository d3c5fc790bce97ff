"""HTML page of ranked photos, their scores, points and masks: one file that opens anywhere."""

import base64
import io
from functools import cache
from importlib.resources import files

import jinja2
from PIL import Image

from common.cli import printable
from common.images import read_image, resize
from facekit import draw, masks
from facekit.quality import WEIGHTS

HIGH = 380  # px; shown at half of it, to be sharp on any screen
SHOWN = 200  # photos; more of them make a page of tens of megabytes


def render(scored, embedder, faces=True):
    """The page.

    Args:
        scored: list of `facekit.score.Scored`, best first.
        embedder: its name, as in `facekit.identity.EMBEDDERS`.
        faces: whether to draw points and masks, which takes half a second a photo.

    Returns:
        str: HTML with the pictures inside.
    """
    photos = [_photo(photo, faces) for photo in scored[:SHOWN]]
    left_out = max(0, len(scored) - SHOWN)
    return _template().render(
        photos=photos, count=len(photos), left_out=left_out, embedder=embedder
    )


def _photo(photo, faces):
    return {
        "name": printable(photo.path),
        "rank": photo.rank,
        "reference": photo.reference,
        "copy_of": photo.near_duplicate_of,
        "reason": printable(photo.reason),
        "pictures": _pictures(photo, faces),
        "faces": [_scores(face) for face in photo.faces],
    }


def _scores(scored):
    measured = scored.measured
    quality = measured.quality
    face = measured.face
    return {
        "reason": scored.reason,
        "pose": ", ".join(f"{round(angle)}°" for angle in (face.yaw, face.pitch, face.roll)),
        "scores": [
            ("total", scored.total),
            ("likeness (id)", scored.id),
            ("quality", quality.total),
            *((name, getattr(quality, name)) for name in WEIGHTS),
            ("angle", scored.angle),
            ("frontal", scored.frontal),
        ],
    }


def _pictures(photo, faces):
    """The photo with its boxes and, of the face that it is ranked by, points and masks."""
    try:
        image = read_image(photo.path)
    except ValueError:
        return []
    found = [scored.measured.face for scored in photo.faces]
    shown = [(draw.boxes(image, found), "photo")]
    if faces and photo.best is not None:
        view, face = draw.close_up(image, photo.best.measured.face)
        parts = {**masks.regions(face, view.shape), "hair": masks.hair(view, face)}
        shown += [(draw.points(view, face), "points"), (draw.masks(view, parts), "masks")]
    return [{"source": embedded(picture), "caption": caption} for picture, caption in shown]


def embedded(image):
    """A picture, uint8 (H, W, 3), as a data URL for an HTML page, `HIGH` px high."""
    width = max(1, min(2 * HIGH, round(image.shape[1] * HIGH / image.shape[0])))
    buffer = io.BytesIO()
    Image.fromarray(resize(image, (HIGH, width))).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


@cache
def _template():
    text = (files("facekit") / "assets" / "report.html").read_text(encoding="utf-8")
    # Names of files come from users: escaped, always.
    return jinja2.Environment(autoescape=True, trim_blocks=True).from_string(text)
