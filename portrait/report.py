"""A page that shows every stage of a portrait: one file that opens anywhere."""

from functools import cache
from importlib.resources import files

import jinja2
import numpy as np

from facekit.report import embedded

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
    return _page().render(
        before=embedded(template),
        after=embedded(result),
        faces=[
            {
                "reference": str(path),
                "photo": embedded(_square(portrait.scene)),
                "stages": [_stage(portrait, stage) for stage in portrait.pictures],
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
        shown["mask"] = embedded(_over(portrait.scene.view, mask))
    shown["scores"] = portrait.scores.get(stage, {})
    shown["seed"] = portrait.made[stage].get("seed")  # one of its own where the stage was kept
    return shown


def _over(view, mask):
    """A mask as a tint over the picture that it is for."""
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


@cache
def _page():
    text = (files("portrait") / "assets" / "report.html").read_text(encoding="utf-8")
    # Names of files come from users: escaped, always.
    return jinja2.Environment(autoescape=True, trim_blocks=True).from_string(text)
