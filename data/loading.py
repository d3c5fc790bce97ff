"""Pictures from folders: the datasets made here, and anyone's own pictures.

`common.images` is imported where it is used: it loads OpenCV, and importing `data` stays cheap.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

LONGEST = 8  # times as long as wide: no window of such a strip shows a face
DRAFT = 2  # a large JPEG is decoded at a fraction of its size, at least so many times that wanted


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
        labels: uint8 (N, H, W), the part maps of a dataset made here, memory-mapped; else None.
        sizes: int32 (N, 2), height and width of the pictures as they were found; None where all
            were cut to one size.
        records: a dataset's faces.jsonl, a path; None of other pictures. Whoever wants more of it
            than captions reads it again: its points take 24 KB of memory a picture.
    """

    images: np.ndarray
    captions: list | None
    identities: np.ndarray | None
    names: list
    skipped: list = field(default_factory=list)
    sizes: np.ndarray | None = None
    labels: np.ndarray | None = None
    records: Path | None = None

    def __len__(self):
        return len(self.images)


def load_images(folder, size):
    """Load a dataset made here, or every picture in a plain folder and the folders in it.

    Pictures of a plain folder are turned upright, brought to sRGB, laid on white where transparent,
    cropped to the square in their middle and resized. A text file of the same name beside a picture
    is its caption. Hidden files and folders are passed over.

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
    """Load pictures in their own shapes, for training that cuts windows out of them.

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
        maps = folder / "labels.npy"
        labels = np.load(maps, mmap_mode="r") if maps.exists() else None
        records = list(read_records(folder / "faces.jsonl"))
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
        from common.images import resize

        images = np.stack([resize(image, size) for image in images])
    return Pictures(
        images=images,
        captions=captions,
        identities=identities,
        names=[f"{i:06d}" for i in range(len(images))],
        labels=labels,
        records=folder / "faces.jsonl",
    )


def read_records(path):
    """The lines of a faces.jsonl, one dictionary after the other."""
    with open(path) as file:
        yield from map(json.loads, file)


def _load_plain(folder, read):
    """`Pictures` of a plain folder; `read` decodes a file, or raises ImageError."""
    paths = _picture_files(folder)
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda path: _try_decode(path, read), paths))
    found = [(p, r, str(p.relative_to(folder))) for p, r in zip(paths, results, strict=True)]
    good = [(path, image, name) for path, image, name in found if not isinstance(image, str)]
    skipped = [(name, reason) for _, reason, name in found if isinstance(reason, str)]
    if not good:
        raise ValueError(_none_readable(folder, skipped))
    captions = [_caption_beside(path) for path, _, _ in good]
    images = [image for _, image, _ in good]
    return Pictures(
        images=np.stack(images) if len({image.shape for image in images}) == 1 else images,
        captions=captions if any(captions) else None,
        identities=None,
        names=[name for _, _, name in good],
        skipped=skipped,
    )


def _picture_files(folder):
    from common.images import find_images

    try:
        return sorted(find_images(folder))
    except ValueError:
        raise ValueError(
            f"There are no pictures in {folder}. Put JPEG, PNG, WebP, BMP, GIF, TIFF or HEIC files "
            "there."
        ) from None


def _none_readable(folder, skipped):
    """A sentence about a folder whose pictures are all skipped."""
    name, reason = skipped[0]
    what = f"None of the {len(skipped)} pictures in {folder} can be read (the first, {name}"
    if len(skipped) == 1:
        what = f"The only picture in {folder} cannot be read ({name}"
    return f"{what}: {reason}). Name a folder with pictures that open in an image viewer."


def _caption_beside(path):
    """The text of a caption file beside a picture, on one line; empty where there is none."""
    try:
        text = path.with_suffix(".txt").read_text("utf-8", "replace")
    except OSError:
        return ""
    return " ".join(text.lstrip("\ufeff").split())


def _try_decode(path, read):
    """A decoded file, uint8 (H, W, 3), or the reason why not, str."""
    from common.images import ImageError

    try:
        return read(path)
    except ImageError as error:
        return error.reason


def decode(path, size):
    """Decode a picture file, upright, on white, cropped to its middle square.

    Args:
        path: of a file.
        size: width and height wanted, pixels.

    Returns:
        uint8 (size, size, 3), RGB.

    Raises:
        ImageError: it cannot be used; its `reason` says why.
    """
    from common.images import center_crop, read_image

    image = read_image(path, draft=DRAFT * size)
    return _lanczos(center_crop(image, (size, size)), size, size)


def decode_uncut(path, most):
    """Decode a picture file, upright, on white, in its own shape.

    Args:
        path: of a file.
        most: length of the shorter side, pixels, above which it is reduced to that.

    Returns:
        (picture, size): uint8 (H, W, 3), RGB, and (height, width) as it was found.

    Raises:
        ImageError: it cannot be used, or is a strip; its `reason` says why.
    """
    from common.images import ImageError, read_with_size

    image, size = read_with_size(path, draft=DRAFT * most)
    height, width = image.shape[:2]
    shorter = min(height, width)
    if max(height, width) > LONGEST * shorter:
        raise ImageError(path, f"more than {LONGEST} times as long as it is wide")
    if shorter > most:
        shrink = most / shorter
        height, width = (max(most, round(side * shrink)) for side in (height, width))
        image = _lanczos(image, height, width)
    return image, size


def _lanczos(image, height, width):
    """A picture (H, W, 3) resized by Pillow's Lanczos filter, not by `common.images.resize`: a run
    that goes on after an update must see the same pixels (training compares their checksum)."""
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
