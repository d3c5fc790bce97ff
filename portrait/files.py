"""The template's file: painted into without touching what is not painted.

Work is done in sRGB, upright. What is written back goes through the file's own colour profile, and
only where something was painted; every other pixel is the file's.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from common.files import write_bytes
from common.images import PROFILE_ERRORS, image_format, read_image, upright
from common.sheets import png_text

COMMENT = "A part of it was painted by a diffusion model; not a photograph as it was taken."
_DESCRIPTION = 0x010E  # EXIF's ImageDescription


class Template:
    """A photo to be painted into.

    Pixels and profile of RGB files are kept. Grey, CMYK, palette and transparent ones become the
    sRGB picture that `common.images.read_image` makes of them.

    Args:
        path: of the file.

    Attributes:
        path: of the file.
        image: uint8 (H, W, 3), sRGB, upright: what to work on.
        own: uint8 (H, W, 3), the file's pixels in its own colours.
        profile: bytes, its colour profile; None for sRGB.

    Raises:
        ValueError: if it cannot be read.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.image = self.own = read_image(path)
        self.profile = None
        with Image.open(path) as opened:
            whole = upright(opened)
            if whole.mode == "RGBA" and whole.getchannel("A").getextrema() == (255, 255):
                whole = whole.convert("RGB")
            profile = whole.info.get("icc_profile")
            if profile and whole.mode == "RGB" and "transparency" not in whole.info:
                self.own, self.profile = np.asarray(whole), profile

    def write(self, image, path, recipe=None):
        """Write the painted picture. A PNG keeps every pixel; JPEG and WebP store all of them anew,
        at quality 95.

        Args:
            image: uint8 (H, W, 3), sRGB: `image` with something painted.
            path: the file.
            recipe: how it was made, what JSON can hold; a PNG carries it.

        Raises:
            OSError: if it cannot be written.
        """
        format = image_format(path)
        changed = (image != self.image).any(-1, keepdims=True)
        extra = {}
        if self.profile:
            image = _from_srgb(image, self.profile)
            extra["icc_profile"] = self.profile
        if format == "PNG":
            extra["pnginfo"] = png_text(recipe, COMMENT)
        else:
            said = Image.Exif()
            said[_DESCRIPTION] = COMMENT
            extra |= {"quality": 95, "exif": said.tobytes()}
        merged, buffer = Image.fromarray(np.where(changed, image, self.own)), io.BytesIO()
        merged.save(buffer, format=format, **extra)
        write_bytes(buffer.getvalue(), path)


def _from_srgb(image, profile):
    try:
        target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            Image.fromarray(image), ImageCms.createProfile("sRGB"), target, outputMode="RGB"
        )
    except PROFILE_ERRORS:  # reading could not use it either
        return image
    return np.asarray(converted)
