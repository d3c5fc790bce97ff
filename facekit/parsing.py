"""Face parsing: which part of a person each pixel round a head shows.

    labels = parse(image, face)                  # uint8 (H, W), numbers of PARTS
    labels == PART["hair"]                       # bool (H, W)
    part_masks(image, face, ["skin", "nose"])    # soft masks, float32 (H, W)

The parts are those of the renderer's part maps, and one more for what hides a person from the
camera: a hand, a microphone, any object. Of glasses the frames count, and lenses where they hide
what is behind; behind a clear lens an eye is an eye. Lips and nose are not skin; a hat or headscarf
is a hat, not hair; beard and moustache are facial hair; teeth and tongue are the inner mouth.
"""

import functools
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from common.devices import PRECISIONS, choose_precision, start_backend
from facekit.align import placed_back, template_points, umeyama, warp_mirrored

WEIGHTS = Path(__file__).parent.parent / "weights" / "parser.weights.h5"
PARTS = (
    "background",
    "skin",
    "brows",
    "eyes",
    "nose",
    "lips",
    "inner mouth",
    "ears",
    "hair",
    "facial hair",
    "neck",
    "clothes",
    "glasses",
    "hat",
    "occluder",
)
UNKNOWN = 255  # in the part map of a square: outside of the picture
PART = {name: number for number, name in enumerate(PARTS)}
KEPT = 6  # heads whose parts are remembered, 4 MB each
TEMPLATE = "portrait"  # of `facekit.align`: the whole head and some neck


def parse(image, face):
    """The part map of a face's surroundings, at the picture's own size.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face`; of a picture of several people, only the square round this
            one's head is parsed.

    Returns:
        uint8 (H, W), numbers of `PARTS`; background outside of the square.

    Raises:
        ValueError: the weights are missing or damaged.
    """
    return load_parser().labels(image, face.points5)


def part_masks(image, face, parts=PARTS):
    """Soft masks of parts, at the picture's own size.

    Args:
        image, face: as of `parse`.
        parts: names.

    Returns:
        {name: float32 (H, W)}, probabilities; outside of the square 0, of the background 1.

    Raises:
        ValueError: a name that is not in `PARTS`; the weights are missing or damaged.
    """
    parts = list(parts)
    for name in parts:
        if name not in PART:
            raise ValueError(f"a part is one of {', '.join(PARTS)}. Received: {name!r}.")
    return load_parser().masks(image, face.points5, parts)


def label_table(names):
    """How numbers of another part map become numbers of `PARTS`.

    Args:
        names: list of str, the names of the other map's numbers 0, 1, 2, ..., such as "parts" in
            the dataset.json of a rendered dataset.

    Returns:
        uint8 (256,): number of the part of the same name; 0 for numbers without a name.

    Raises:
        ValueError: a name that is not in `PARTS`, or more than 256 names.
    """
    unknown = [name for name in names if name not in PART]
    if unknown or len(names) > 256:
        raise ValueError(
            f"parts of a part map are among {', '.join(PARTS)}. Received: {list(names)!r}."
        )
    table = np.zeros(256, np.uint8)
    table[: len(names)] = [PART[name] for name in names]
    return table


class Parser:
    """The network with its weights.

    Args:
        path: the weights file.

    Raises:
        ValueError: it is missing or holds no parser of `PARTS`.
    """

    def __init__(self, path=WEIGHTS):
        start_backend()
        from facekit.unet import load_unet

        with dtype_policy(PRECISIONS[choose_precision()]):
            self.network, self.settings = load_unet(path)
        # A portrait asks for the same few heads again and again.
        self._of_bytes = functools.lru_cache(KEPT)(self._of_bytes)
        if self.settings.classes != len(PARTS):
            raise ValueError(
                f"{path} does not hold a face parser of {len(PARTS)} parts, but of "
                f"{self.settings.classes}; train one with `python -m facekit train_parser`."
            )

    def probabilities(self, squares):
        """Probabilities of the parts in squares round a head, as `TEMPLATE` places it.

        Args:
            squares: uint8 (N, S, S, 3), S the settings' size.

        Returns:
            float32 (N, S, S, 15).

        Raises:
            ValueError: squares of another shape or dtype.
        """
        squares, size = np.asarray(squares), self.settings.size
        if squares.dtype != np.uint8 or squares.shape[1:] != (size, size, 3):
            raise ValueError(
                f"squares must be uint8 (N, {size}, {size}, 3). "
                f"Received: {squares.dtype} {squares.shape}."
            )
        # One at a time: batches of another size would be compiled anew, and are hardly faster.
        found = [softmax(self.network.predict_on_batch(one[None])) for one in squares]
        return np.concatenate(found) if found else np.zeros((*squares.shape[:3], len(PARTS)), "f4")

    def labels(self, image, points5):
        """The part map uint8 (H, W) of a picture, as `parse`, by five points (5, 2)."""
        rows, columns, found = self._placed(image, points5)
        labels = np.zeros(image.shape[:2], np.uint8)
        inside = found.sum(-1) > 0.5
        labels[rows, columns] = np.where(inside, found.argmax(-1), PART["background"])
        return labels

    def masks(self, image, points5, parts):
        """Soft masks {name: float32 (H, W)} of a picture, as `part_masks`, by five points."""
        rows, columns, found = self._placed(image, points5)
        masks = {name: np.zeros(image.shape[:2], np.float32) for name in parts}
        for name, mask in masks.items():
            mask[rows, columns] = found[..., PART[name]]
        if "background" in masks:
            masks["background"] += 1
            masks["background"][rows, columns] -= found.sum(-1)
        return {name: np.clip(mask, 0, 1) for name, mask in masks.items()}

    def _of_bytes(self, square):
        size = self.settings.size
        return self.probabilities(np.frombuffer(square, np.uint8).reshape(1, size, size, 3))[0]

    def _placed(self, image, points5):
        size = self.settings.size
        matrix = umeyama(points5, template_points(TEMPLATE, size))
        found = self._of_bytes(warp_mirrored(image, matrix, size).tobytes())
        return placed_back(found, matrix, image.shape)


@functools.cache
def load_parser():
    """The shipped `Parser`; loaded once and reused.

    Raises:
        ValueError: its weights are missing or damaged.
    """
    return Parser()


@contextmanager
def dtype_policy(name):
    """Keras' dtype policy within a block, and what it was before after it."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def softmax(logits):
    """exp(logits) over their sum along the last axis: float32."""
    logits = np.asarray(logits, np.float32)
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def confusion(truth, found):
    """How often each part was taken for each.

    Args:
        truth, found: uint8 of one shape, numbers of `PARTS`; truth may be `UNKNOWN`.

    Returns:
        int64 (15, 15): pixels of part i that were found to be j.
    """
    count, known = len(PARTS), np.asarray(truth) != UNKNOWN
    pairs = truth[known].astype(np.int64) * count + found[known]
    return np.bincount(pairs, minlength=count * count).reshape(count, count)


def intersection_over_union(matrix):
    """Intersection over union of each part of a `confusion` matrix: float64 (15,), NaN for parts
    that are neither there nor found."""
    matrix = np.asarray(matrix, float)
    both = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - both
    return np.where(union > 0, both / np.maximum(union, 1), np.nan)
