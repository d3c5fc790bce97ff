"""A page that shows how photos were ranked and why: one file that opens anywhere."""

import base64
from functools import cache
from importlib.resources import files

import cv2
import jinja2
import numpy as np

from facekit import draw, masks, pictures
from facekit.quality import WEIGHTS

HIGH = 380  # px; shown at half of it, so that it is sharp on any screen
SHOWN = 200  # photos; a page of more is of no use, and of tens of megabytes


def render(scored, maker, faces=True):
    """The page.

    Args:
        scored: list of `facekit.score.Scored`, best first.
        maker: name of the embedding.
        faces: whether to draw points and masks, which takes half a second a photo.

    Returns:
        str: HTML with the pictures inside.
    """
    photos = [_photo(photo, faces) for photo in scored[:SHOWN]]
    return _template().render(
        photos=photos, count=len(photos), left_out=max(0, len(scored) - SHOWN), maker=maker
    )


def _photo(photo, faces):
    return {
        "name": photo.path,
        "rank": photo.rank,
        "reference": photo.reference,
        "copy_of": photo.near_duplicate_of,
        "reason": photo.reason,
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
        image = pictures.read(photo.path)
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
    """A picture, uint8 (H, W, 3), as the address of an HTML page's image, `HIGH` px high."""
    scale = HIGH / image.shape[0]
    width = max(1, min(2 * HIGH, round(image.shape[1] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, (width, HIGH), interpolation=way)
    _, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 85]
    )
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


@cache
def _template():
    text = (files("facekit") / "assets" / "report.html").read_text(encoding="utf-8")
    # Names of files come from users: escaped, always.
    return jinja2.Environment(autoescape=True, trim_blocks=True).from_string(text)
