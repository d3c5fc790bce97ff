"""Read any picture file that a phone or the web produces; write without leaving halves behind."""

import errno
import io
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif")
WRITTEN = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MOST_PIXELS = 90_000_000  # 270 MB once decoded; phones stop at 50 million in daily use
LONGEST = 32_000  # px; OpenCV counts with 15 bits
# Of a damaged profile, or one of another colour space than the pixels.
PROFILE_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)
# Pillow's own guard against bombs would warn first; ours is a sentence and comes earlier.
Image.MAX_IMAGE_PIXELS = None

try:
    import pillow_heif
except ImportError:  # an optional package: only pictures from Apple's phones need it
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()


def read(path):
    """A picture file as an array.

    The first frame of an animation; turned as its EXIF orientation says; alpha laid on white; 16
    bits, grey, palette and CMYK brought to 8-bit RGB; an embedded colour profile applied.

    Args:
        path: a file.

    Returns:
        uint8 (H, W, 3), sRGB.

    Raises:
        ValueError: one sentence saying why the file cannot be used: missing, empty, not a picture,
            truncated, or more than 90 million pixels.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path}: neither a file nor a folder.")  # a pipe would be waited for
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks about odd metadata, of no use to a user
            with Image.open(path) as opened:
                _check_size(path, *opened.size)
                opened.seek(0)
                return np.asarray(_to_rgb(upright(opened)))
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: a damaged picture ({_first_line(error)}).") from None
    except UnidentifiedImageError:
        raise ValueError(_why_unreadable(path)) from None
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: a folder, not a picture.") from None
    except PermissionError:
        raise ValueError(f"{path}: may not be read; check its permissions.") from None
    except MemoryError:
        raise ValueError(f"{path}: too large for this machine's memory.") from None
    # Decoders of a dozen formats raise whatever they like on damaged files.
    except Exception as error:
        raise ValueError(f"{path}: a damaged picture ({_first_line(error)}).") from None


def _check_size(path, width, height):
    if width * height > MOST_PIXELS or max(width, height) > LONGEST:
        raise ValueError(
            f"{path}: {width} x {height} pixels are too many; reduce it to at most "
            f"{MOST_PIXELS // 1_000_000} million, {LONGEST} a side."
        )


def upright(opened):
    """A Pillow picture, turned as its EXIF orientation says."""
    try:
        return ImageOps.exif_transpose(opened)
    except (OSError, MemoryError):
        raise  # the pixels cannot be decoded
    except Exception:  # only the metadata are damaged: the picture is still worth having
        return opened.copy()


def _to_rgb(picture):
    profile = picture.info.get("icc_profile")
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        picture = _eight_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        picture = _to_srgb(picture, profile)
    return picture.convert("RGB")


def _eight_bits(picture):
    """16-bit grey by its upper byte, floating values by their own range if that is beyond 1."""
    values = np.asarray(picture, np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if picture.mode.startswith("I"):
        most = 65535.0 if values.max(initial=0) > 255 else 255.0
    else:
        most = max(float(values.max(initial=0)), 1.0)
    return Image.fromarray(np.clip(values / most * 255, 0, 255).astype(np.uint8))


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
        return f"{path}: an empty file."
    if path.suffix.lower() in (".heic", ".heif") and pillow_heif is None:
        return f"{path}: HEIC pictures need one more package: pip install pillow-heif."
    return f"{path}: not a picture."


def _first_line(error):
    text = str(error).strip().splitlines()
    return text[0][:120] if text else type(error).__name__


def find(path):
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


def write(image, path):
    """Write a picture, whole or not at all.

    Args:
        image: uint8 (H, W, 3), or (H, W) for a mask.
        path: the file; its folder is made. The suffix chooses the format.

    Raises:
        ValueError: the suffix is no picture format's.
        OSError: the disk refuses.
    """
    path, buffer = Path(path), io.BytesIO()
    format = check_suffix(path)
    quality = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    Image.fromarray(image).save(buffer, format=format, **quality)
    write_bytes(buffer.getvalue(), path)


def check_suffix(path):
    """The format that a file's suffix asks for.

    Raises:
        ValueError: one sentence, where it is no picture's.
    """
    format = WRITTEN.get(Path(path).suffix.lower())
    if format is None:
        raise ValueError(f"{path}: name the file {', '.join(WRITTEN)}.")
    return format


def write_bytes(content, path):
    """Write a file beside its place and move it there, so that a kill leaves no half of it."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(partial, 0o644)
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise
    except OSError as error:  # of the user's file, not of the one beside it
        raise OSError(error.errno, error.strerror, str(path)) from None


def check_writable(path):
    """Find out whether a file can be written, before the work that it is for.

    Raises:
        OSError: it, or its folder, cannot.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path.parent)) from None
