"""Picture files of every kind to uint8 RGB arrays and back, and their resizing."""

import io
import os
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from common.files import write_bytes

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif")
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MAX_PIXELS = 90_000_000  # 270 MB once decoded; phones stop at 50 million in daily use
MAX_SIDE = 32_000  # px; OpenCV counts with 15 bits
# Of a damaged profile, or one of another colour space than the pixels.
PROFILE_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)
# Pillow's own guard against decompression bombs would warn first; ours is a sentence, and earlier.
Image.MAX_IMAGE_PIXELS = None

try:
    import pillow_heif
except ImportError:  # an optional package: only pictures from Apple's phones need it
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()


class ImageError(ValueError):
    """A picture file that cannot be used.

    Args:
        path: of the file.
        reason: why, without a full stop.
    """

    def __init__(self, path, reason):
        super().__init__(f"{path}: {reason}.")
        self.path, self.reason = path, reason

    def __reduce__(self):
        return type(self), (self.path, self.reason)


def read_image(path, background="white", draft=None):
    """Read a picture file.

    The first frame of an animation; turned as its EXIF orientation says; transparency laid on a
    background; 16 bits, grey, palette and CMYK brought to 8-bit RGB; an embedded colour profile
    applied.

    Args:
        path: a file.
        background: colour behind transparent pixels.
        draft: decode a larger JPEG at a fraction of its size, at least so many pixels a side; None
            for its own size.

    Returns:
        uint8 (H, W, 3), sRGB.

    Raises:
        ImageError: one sentence: the file is missing, empty, not a picture, truncated or too large.
    """
    return read_with_size(path, background, draft)[0]


def read_with_size(path, background="white", draft=None):
    """As `read_image`: (uint8 (H, W, 3), (height, width) of the whole file, upright)."""
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ImageError(path, "neither a file nor a folder")  # a pipe would be waited for
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks about odd metadata, of no use to a user
            with Image.open(path) as file:
                return _decode(path, file, background, draft)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(path, _why_unreadable(path)) from None
    except FileNotFoundError:
        raise ImageError(path, "no such file") from None
    except IsADirectoryError:
        raise ImageError(path, "a folder, not a picture") from None
    except PermissionError:
        raise ImageError(path, "may not be read; check its permissions") from None
    except MemoryError:
        raise ImageError(path, "too large for this machine's memory") from None
    # Decoders of a dozen formats raise whatever they like on damaged files.
    except Exception as error:
        raise ImageError(path, f"a damaged picture ({_first_line(error)})") from None


def check_size(path):
    """Find out whether a picture has more pixels than `read_image` takes, by its header alone.

    Raises:
        ImageError: one sentence: it has, or it is no picture.
    """
    try:
        with Image.open(path) as file:
            _check_size(path, file)
    except ImageError:
        raise
    except Exception:  # as when it is decoded
        raise ImageError(path, "not a picture") from None


def _check_size(path, file):
    width, height = file.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            path,
            f"{width} x {height} pixels are too many; reduce it to at most "
            f"{MAX_PIXELS // 1_000_000} million, {MAX_SIDE} a side",
        )


def _decode(path, file, background, draft):
    _check_size(path, file)
    width, height = file.size
    file.seek(0)
    if draft and file.format == "JPEG":
        file.draft("RGB", (draft, draft))
    small = file.size
    picture = upright(file)
    if picture.size != small:  # turned by a quarter
        width, height = height, width
    return np.asarray(_to_rgb(picture, background)), (height, width)


def read_named(path, what, background="white"):
    """As `read_image`, with a sentence that says what the picture is for.

    Args:
        path: a file.
        what: the picture's part, as in "the {what} a.png cannot be read".
        background: colour behind transparent pixels.

    Raises:
        ValueError: if it cannot be read.
    """
    if not Path(path).exists():
        raise ValueError(f"there is no {what} {path}.")
    try:
        return read_image(path, background)
    except ImageError as error:
        if "reduce it" in error.reason:
            raise
        raise ValueError(
            f"the {what} {path} cannot be read ({error.reason}); name a picture that opens in an "
            "image viewer."
        ) from None


def upright(picture):
    """A Pillow picture, turned as its EXIF orientation says."""
    try:
        return ImageOps.exif_transpose(picture)
    except (OSError, MemoryError):
        raise  # the pixels cannot be decoded
    except Exception:  # only the metadata are damaged: the picture is still worth having
        return picture.copy()


def _to_rgb(picture, background):
    profile = picture.info.get("icc_profile")
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        picture = _eight_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, background)
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        picture = _to_srgb(picture, profile)
    return picture.convert("RGB")


def _eight_bits(picture):
    """16-bit grey by its upper byte, floating values by their own range if that is beyond 1."""
    values = np.asarray(picture, np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if picture.mode.startswith("I"):
        largest = 65535.0 if values.max(initial=0) > 255 else 255.0
    else:
        largest = max(float(values.max(initial=0)), 1.0)
    return Image.fromarray(np.clip(values / largest * 255, 0, 255).astype(np.uint8))


def _to_srgb(picture, profile):
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except PROFILE_ERRORS:
        return picture


def _why_unreadable(path):
    if path.stat().st_size == 0:
        return "an empty file"
    if path.suffix.lower() in (".heic", ".heif") and pillow_heif is None:
        return "HEIC pictures need one more package: pip install pillow-heif"
    return "not a picture"


def _first_line(error):
    text = str(error).strip().splitlines()
    return text[0][:120] if text else type(error).__name__


def find_images(path):
    """The picture files at a path, in order of name.

    Args:
        path: a file, or a folder (searched with its sub-folders; hidden ones are passed over).

    Returns:
        list of Path.

    Raises:
        ValueError: no such path, or a folder without pictures.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder.")
    if not path.is_dir():
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(folder) / name
            for name in sorted(names)
            if not name.startswith(".")
            and Path(name).suffix.lower() in SUFFIXES
            and (Path(folder) / name).is_file()
        ]
    if not found:
        raise ValueError(f"{path}: no pictures in this folder ({', '.join(SUFFIXES)}).")
    return found


def write_image(image, path):
    """Write a picture, whole or not at all.

    Args:
        image: uint8 (H, W, 3), or (H, W) for a mask.
        path: the file; its folder is made. The suffix chooses the format.

    Raises:
        ValueError: the suffix is no picture format's.
        OSError: the disk refuses.
    """
    file_format, buffer = image_format(path), io.BytesIO()
    quality = {"quality": 95} if file_format in ("JPEG", "WEBP") else {}
    Image.fromarray(image).save(buffer, format=file_format, **quality)
    write_bytes(buffer.getvalue(), path)


def image_format(path):
    """The format that a file's suffix asks for: "PNG", "JPEG" or "WEBP".

    Raises:
        ValueError: one sentence, where it is no picture's.
    """
    file_format = FORMATS.get(Path(path).suffix.lower())
    if file_format is None:
        raise ValueError(f"{path}: name the file {', '.join(FORMATS)}.")
    return file_format


def center_crop(image, size):
    """The largest part in a picture's middle that has the proportions of a size.

    Args:
        image: (H, W, ...).
        size: (height, width).

    Returns:
        (H', W', ...), a view.
    """
    height, width = image.shape[:2]
    side = min(width / size[1], height / size[0])
    across, down = max(1, round(side * size[1])), max(1, round(side * size[0]))
    left, top = (width - across) // 2, (height - down) // 2
    return image[top : top + down, left : left + across]


def resize(image, size, enlarge="cubic"):
    """A picture at another size: averaged down, or enlarged.

    Args:
        image: uint8 or float32 (H, W) or (H, W, C).
        size: pixels a side, or (height, width).
        enlarge: "cubic" or "nearest" interpolation.

    Returns:
        (h, w) or (h, w, C) of the same dtype; the picture itself where it has that size.
    """
    height, width = (size, size) if isinstance(size, (int, np.integer)) else size
    if image.shape[:2] == (height, width):
        return image
    smaller = height * width < image.shape[0] * image.shape[1]
    larger = {"cubic": cv2.INTER_CUBIC, "nearest": cv2.INTER_NEAREST}[enlarge]
    method = cv2.INTER_AREA if smaller else larger
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)
