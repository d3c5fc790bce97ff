"""The template's file: painted into without touching what is not painted.

Work is done in sRGB, upright. What is written back goes through the file's own colour profile, and
only where something was painted; every other pixel is the file's.
"""

import io

import numpy as np
from PIL import Image, ImageCms

from ddpm.pictures import png_text
from facekit import pictures

COMMENT = "A face in it was painted by a diffusion model; not a photograph as it was taken."


class Template:
    """A photo to be painted into.

    Args:
        path: of the file.

    Attributes:
        image: uint8 (H, W, 3), sRGB, upright: what to work on.

    Raises:
        ValueError: if it cannot be read.
    """

    def __init__(self, path):
        self.image = pictures.read(path)
        with Image.open(path) as opened:
            upright = pictures.upright(opened)
            self.profile = upright.info.get("icc_profile")
            # Only what is RGB as it stands has pixels to keep; the rest is what was read.
            plain = upright.mode == "RGB" and "transparency" not in upright.info
            self.own = np.asarray(upright) if plain and self.profile else self.image
        if self.own is self.image:
            self.profile = None

    def write(self, image, path, recipe=None):
        """Write the painted picture as PNG, JPEG or WebP; lossless as PNG.

        Args:
            image: uint8 (H, W, 3), sRGB: `image` with something painted.
            path: the file.
            recipe: how it was made, what JSON can hold; a PNG carries it.

        Raises:
            OSError: if it cannot be written.
        """
        format = pictures.check_suffix(path)
        changed = (image != self.image).any(-1, keepdims=True)
        if self.profile:
            image = _from_srgb(image, self.profile)
        buffer = io.BytesIO()
        extra = {"icc_profile": self.profile} if self.profile else {}
        if format == "PNG":
            extra["pnginfo"] = png_text(recipe, COMMENT)
        else:
            extra["quality"] = 95
        if format == "JPEG":
            extra["comment"] = COMMENT
        merged = Image.fromarray(np.where(changed, image, self.own))
        merged.save(buffer, format=format, **extra)
        pictures.write_bytes(buffer.getvalue(), path)


def _from_srgb(image, profile):
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    try:
        converted = ImageCms.profileToProfile(
            Image.fromarray(image), ImageCms.createProfile("sRGB"), target, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):  # as in reading: a profile that cannot be used
        return image
    return np.asarray(converted)
