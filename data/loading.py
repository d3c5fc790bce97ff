"""Pictures from folders: the datasets made here, and anyone's own pictures."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
LARGEST = 64_000_000  # pixels; a small file can hold many more than memory does
LONGEST = 8  # times as long as wide: no window of such a strip shows a face


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures ready for training.

    Attributes:
        images: uint8 (N, S, S, 3), RGB; memory-mapped where the dataset has this size. From
            `load_uncut`, pictures of any shape, a list where they differ.
        captions: list of N strings, or None where there are none at all.
        identities: int32 (N,), who is in each picture, or None where that is not known.
        names: list of N, where each picture came from.
        skipped: list of (name, reason) of files that could not be used.
        sizes: int32 (N, 2), height and width of the pictures as they were found; None where all
            were cut to one size.
    """

    images: np.ndarray
    captions: list | None
    identities: np.ndarray | None
    names: list
    skipped: list = field(default_factory=list)
    sizes: np.ndarray | None = None

    def __len__(self):
        return len(self.images)


def load_images(folder, size):
    """Loads a dataset made here, or every picture in a plain folder and the folders in it.

    Pictures of a plain folder are turned upright, laid on white where transparent, cropped to the
    square in their middle and resized. A text file of the same name beside a picture is its
    caption.

    Args:
        folder: a path.
        size: width and height wanted, pixels.

    Returns:
        `Pictures`.

    Raises:
        ValueError: if there is no such folder, or no picture in it can be read.
    """
    folder = _checked(folder, size)
    if _is_dataset(folder):
        return _load_dataset(folder, size)
    return _load_plain(folder, lambda path: decode(path, size))


def load_uncut(folder, size):
    """Loads pictures in their own shapes, for training that cuts windows out of them.

    What is larger than needed is reduced, so that the shorter side has one and a half times `size`,
    as much as windows take; what is smaller stays as it is.

    Args:
        folder: as `load_images`.
        size: side of the windows, pixels.

    Returns:
        `Pictures` with `sizes`.

    Raises:
        ValueError: as `load_images`.
    """
    folder = _checked(folder, size)
    if _is_dataset(folder):
        pictures = _load_dataset(folder, None)
        height, width = pictures.images.shape[1:3]
        return replace(pictures, sizes=np.full((len(pictures), 2), (height, width), np.int32))
    sizes = {}

    def reduced(path):
        picture, sizes[path] = decode_uncut(path, 3 * size // 2)
        return picture

    pictures = _load_plain(folder, reduced)
    found = [sizes[folder / name] for name in pictures.names]
    return replace(pictures, sizes=np.array(found, np.int32))


def _is_dataset(folder):
    return (folder / "dataset.json").exists() and (folder / "images.npy").exists()


def _checked(folder, size):
    folder = Path(folder)
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel. Received: size={size}.")
    if folder.is_file():
        raise ValueError(f"{folder} is a file. Name the folder of pictures that it lies in.")
    if not folder.is_dir():
        raise ValueError(
            f"There is no folder {folder}. Name a folder of pictures, or make faces with: "
            f"python -m data --out {folder}"
        )
    return folder


def _load_dataset(folder, size):
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
        with open(folder / "faces.jsonl") as file:
            records = [json.loads(line) for line in file]
        captions = [record["caption"] for record in records]
        identities = np.array([record["identity"] for record in records], np.int32)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ValueError(
            f"{folder} is a damaged dataset ({error}). Delete it and make it again."
        ) from None
    if (
        images.ndim != 4
        or images.dtype != np.uint8
        or len(images) != len(records)
        or not len(images)
    ):
        raise ValueError(
            f"{folder} is a damaged dataset ({images.shape} pictures, {len(records)} records). "
            "Delete it and make it again."
        )
    if size is not None and images.shape[1] != size:
        images = np.stack([_resize(image, size) for image in images])
    return Pictures(
        images=images,
        captions=captions,
        identities=identities,
        names=[f"{i:06d}" for i in range(len(images))],
    )


def _resize(image, size):
    import cv2

    shrink = size < image.shape[0]
    return cv2.resize(
        image, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
    )


def _load_plain(folder, read):
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise ValueError(
            f"There are no pictures in {folder}. Put JPEG, PNG, WebP, BMP, GIF or TIFF files there."
        )
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda path: _try_decode(path, read), paths))
    good = [
        (path, result)
        for path, result in zip(paths, results, strict=True)
        if not isinstance(result, str)
    ]
    skipped = [
        (str(p.relative_to(folder)), r)
        for p, r in zip(paths, results, strict=True)
        if isinstance(r, str)
    ]
    if not good:
        name, reason = skipped[0]
        raise ValueError(
            f"None of the {len(paths)} pictures in {folder} can be read (the first, {name}: "
            f"{reason}). Name a folder with pictures that open in an image viewer."
        )
    captions = [_caption_beside(path) for path, _ in good]
    images = [image for _, image in good]
    return Pictures(
        images=np.stack(images) if len({image.shape for image in images}) == 1 else images,
        captions=captions if any(captions) else None,
        identities=None,
        names=[str(path.relative_to(folder)) for path, _ in good],
        skipped=skipped,
    )


def _caption_beside(path):
    """The text of a caption file beside a picture, on one line; empty where there is none."""
    try:
        return " ".join(
            path.with_suffix(".txt").read_text("utf-8", "replace").lstrip("\ufeff").split()
        )
    except OSError:
        return ""


def _try_decode(path, read):
    """Decodes a file: uint8 (H, W, 3), or the reason why not."""
    try:
        return read(path)
    except (OSError, ValueError, SyntaxError, MemoryError, EOFError) as error:
        return str(error) or type(error).__name__


def decode(path, size):
    """Decodes a picture file, upright, on white, cropped to its middle square.

    Args:
        path: of a file.
        size: width and height wanted, pixels.

    Returns:
        uint8 (size, size, 3), RGB.

    Raises:
        ValueError, OSError: if it cannot be used; the message says why.
    """
    from PIL import Image

    picture, _ = _opened(path, size)
    with picture:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = _as_rgb(picture.crop((left, top, left + side, top + side)))
        return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def decode_uncut(path, most):
    """Decodes a picture file, upright, on white, in its own shape.

    Args:
        path: of a file.
        most: length of the shorter side, pixels, above which it is reduced to that.

    Returns:
        (picture, size): uint8 (H, W, 3), RGB, and (height, width) as it was found.

    Raises:
        ValueError, OSError: if it cannot be used; the message says why.
    """
    from PIL import Image

    picture, (width, height) = _opened(path, most)
    with picture:
        picture = _as_rgb(picture)
        if max(picture.size) > LONGEST * min(picture.size):
            raise ValueError(f"more than {LONGEST} times as long as it is wide")
        shrink = most / min(picture.size)
        if shrink < 1:
            reduced = (max(most, round(side * shrink)) for side in picture.size)
            picture = picture.resize(tuple(reduced), Image.Resampling.LANCZOS)
        return np.asarray(picture), (height, width)


def _opened(path, size):
    """A picture file, read and upright, and its (width, height) as it was found; a large JPEG is
    read at a fraction of its size, but at least twice `size`."""
    from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    try:
        picture = Image.open(path)
    except UnidentifiedImageError:
        raise ValueError("not a picture, or damaged") from None
    except Image.DecompressionBombError:
        raise ValueError(f"more than {LARGEST // 10**6} megapixels") from None
    with picture:
        if picture.width * picture.height > LARGEST:
            raise ValueError(
                f"{picture.width} x {picture.height} is more than {LARGEST // 10**6} megapixels"
            )
        width, height = picture.size
        if picture.format == "JPEG":
            picture.draft("RGB", (2 * size, 2 * size))
        picture.load()
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5  # by a quarter
        upright = ImageOps.exif_transpose(picture)
        return upright, (height, width) if turned else (width, height)


def _as_rgb(picture):
    """Any mode to RGB: 16 bits scaled to 8, transparency laid on white."""
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, np.float64)
        top = 65535 if picture.mode.startswith("I") else max(1.0, values.max())
        if picture.mode == "I" and values.max() <= 255:
            top = 255
        return Image.fromarray(np.clip(values / top * 255 + 0.5, 0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")
