"""Painting in a photograph at its own size: the square of it that the model paints, and the way
back.

A model's pictures are small squares, a photograph is neither. So a square is cut out of it: round
the mask, or round the head, for a model of portraits knows faces as large as their heads in its
pictures. What was painted there goes back at the photograph's own resolution.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from common.cli import count
from common.images import read_named, resize
from common.squares import Square, box_of, middle_square, square_round
from facekit.align import laid_on
from facekit.detect import detect, largest
from facekit.head import head_square
from portrait.files import Template

PADDING = 0.5  # round a mask without a face: as much again on both sides
_FADE = 1 / 16  # of a square that is painted as a whole: its edge, in parts of the side


@dataclass(frozen=True, eq=False)
class Place:
    """Where in a photograph is painted.

    Args:
        photograph: uint8 (H, W, 3).
        square: the part that the model sees.
        mask: float32 (H, W) in [0, 1], 1 is painted; None: all of the square.
        path: of the photograph's file.
        notes: sentences worth telling.
    """

    photograph: np.ndarray
    square: Square
    mask: np.ndarray | None = None
    path: str = ""
    notes: tuple = ()

    def ask(self, request, size):
        """A request to paint in the square, at a model's size.

        A soft mask becomes a hard one, for it is blended in the photograph, and only there.
        """
        image, mask = resize(self.square.cut(self.photograph), size), None
        if self.mask is not None:
            # All pixels that the mask has a part of.
            method = cv2.INTER_AREA if self.square.side > size else cv2.INTER_LINEAR
            mask = cv2.resize(self._mask_there(), (size, size), interpolation=method) > 0
            mask = mask.astype(np.float32)
        return replace(request, image=image, mask=mask)

    def put_back(self, painted, cell=1):
        """The photograph with what was painted.

        Args:
            painted: uint8 (S, S, 3), the square.
            cell: pixels of the model a side to one of what it diffuses, see `ddpm.codec.Codec`.

        Returns:
            uint8 (H, W, 3): blended by the mask, and bit for bit the photograph where it is 0.
            Without a mask, bit for bit the photograph outside of the square; within it, its own
            pixels stay where painting changed nothing, for they may be finer.
        """
        size, side = len(painted), self.square.side
        there, own = self.square.inside(self.photograph.shape)
        result, window = self.photograph.copy(), self.photograph[there]
        new = resize(painted, side)[own].astype(np.float32)
        if self.mask is None:
            share = self._fading()[own][..., None]
            old = resize(resize(self.square.cut(self.photograph), size), side)[own]
            mixed = laid_on(window, new, old.astype(np.float32), share)
        else:
            share = self._share(cell * side / size)[own][..., None]
            mixed = window + share * (new - window)
        mixed = np.rint(mixed).clip(0, 255).astype(np.uint8)
        result[there] = np.where(share > 0, mixed, window)
        return result

    def save(self, image, path, recipe):
        """Write the painted photograph as `files.Template` does: what was not painted keeps the
        file's own pixels and their colour profile."""
        Template(self.path).write(image, path, recipe)

    @property
    def recipe(self):
        """The square, as JSON can hold it: [top, left, side], pixels of the photograph."""
        return [self.square.top, self.square.left, self.square.side]

    def _mask_there(self):
        """The mask in the square, 0 outside of the photograph: float32 (side, side)."""
        mask = np.zeros((self.square.side,) * 2, np.float32)
        there, own = self.square.inside(self.photograph.shape)
        mask[own] = self.mask[there]
        return mask

    def _share(self, rise):
        """How much of what was painted to take: the mask, but rising at its edge over as many
        pixels as the model knows of the photograph only as one: float32 (side, side)."""
        mask = self._mask_there()
        painted = np.pad(mask > 0, 1, "edge").astype(np.uint8)  # a mask may end with the photograph
        far = cv2.distanceTransform(painted, cv2.DIST_L2, 5)[1:-1, 1:-1]
        # As thin as a scratch, a mask must not lose all of its weight.
        rise = min(rise, far.max() / 2)
        return mask * np.clip(far / max(rise, 1), 0, 1)

    def _fading(self):
        """1 in the square, falling to 0 at its edges but for those where the photograph ends too:
        float32 (side, side)."""
        shape, side = self.photograph.shape, self.square.side
        ramps = []
        for start, length in zip((self.square.top, self.square.left), shape[:2], strict=True):
            at = (np.arange(side) + 0.5) / side / _FADE
            low = np.inf if start <= 0 else at
            high = np.inf if start + side >= length else at[::-1]
            ramps.append(np.minimum(low, high) * np.ones(side))
        down, across = ramps
        return np.minimum(down[:, None], across[None]).clip(0, 1).astype(np.float32)


def find_place(request, name, size, padding=None, whole=False):
    """Where a request paints in its picture.

    With a mask: the square round the mask and the head that it touches; with `padding`, or where it
    touches none, round the mask alone. Without a mask: the largest head's square; of a picture
    without a face, the middle.

    Args:
        request: a `Request` with an image (H, W, 3), and perhaps a mask (H, W).
        name: the picture's file.
        size: of the model's pictures.
        padding: margin round the mask, in parts of its longer side; None: see above.
        whole: take the picture's middle square, whatever there is.

    Returns:
        `Place`.

    Raises:
        ValueError: one sentence, where the mask does not fit or nothing is painted.
    """
    picture, mask = request.image, request.mask
    shape, box = picture.shape, None
    if mask is not None:
        box = _checked_box(mask, shape)
        mask = mask.astype(np.float32) / (255 if mask.dtype == np.uint8 else 1)
    if whole:
        square = middle_square(shape)
        if mask is not None and box_of(mask[square.inside(shape)[0]]) is None:
            raise ValueError(
                "the mask lies outside the picture's middle square: paint within it, or leave "
                "--whole."
            )
        return Place(picture, square, mask, name)
    if padding is not None:
        return Place(picture, square_round(box, shape, padding, size), mask, name)
    faces, notes = detect(picture), []
    if mask is None and len(faces) > 1:
        notes.append(
            f"{name} shows {count(len(faces), 'face')}: the largest is painted; a mask chooses."
        )
    touched = faces if mask is None else [f for f in faces if _touches(mask, f)]
    face = largest(touched)
    if face is not None:
        head = head_square(face, shape)
        square = head if box is None else _round_both(head, box, shape)
    elif mask is None:
        notes.append(f"no face found in {name}: its middle square is painted.")
        square = middle_square(shape)
    else:
        square = square_round(box, shape, PADDING, size)
    if request.controls and (face is None or square != head):
        notes.append(
            "the control pictures are laid on the square that is painted, which is not the one "
            "round the head that python -m facekit control shows."
        )
    return Place(picture, square, mask, name, tuple(notes))


def _checked_box(mask, shape):
    if mask.shape != shape[:2]:
        raise ValueError(
            f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels and the picture "
            f"{shape[1]} x {shape[0]}; make them the same."
        )
    box = box_of(mask)
    if box is None:
        raise ValueError("the mask is white nowhere: nothing is painted.")
    return box


def _touches(mask, face):
    """Whether a mask has something in a face's box."""
    x, y, width, height = face.box
    rows, columns = slice(max(0, int(y)), int(y + height)), slice(max(0, int(x)), int(x + width))
    return bool(mask[rows, columns].any())


def _round_both(head, box, shape):
    """The head's square; where a mask's box reaches out of it, a square round both."""
    if head.contains(box):
        return head
    left, top = min(head.left, box[0]), min(head.top, box[1])
    right = max(head.left + head.side, box[0] + box[2])
    bottom = max(head.top + head.side, box[1] + box[3])
    return square_round((left, top, right - left, bottom - top), shape)


def find_person(path):
    """The face in a photo of somebody who is to be drawn.

    Args:
        path: a picture file.

    Returns:
        (image, points5, notes): uint8 (H, W, 3); float32 (5, 2) of its largest face; sentences
        worth telling.

    Raises:
        ValueError: if it cannot be read, or shows no face.
    """
    image = read_named(path, "photo of a face")
    faces = detect(image)
    if not faces:
        raise ValueError(f"{path}: no face found; name a photo that shows one clearly.")
    notes = []
    if len(faces) > 1:
        notes.append(f"{path} shows {count(len(faces), 'face')}: the largest is meant.")
    return image, largest(faces).points5, notes


def embed_person(image, points5):
    """Who is seen at five points of a picture, for a model with identities: float32 (D,), of
    length 1, by the encoder that they are trained with."""
    from facekit.identity import load_embedder  # here, for it starts a backend
    from portrait.supervision import EMBEDDER

    return load_embedder(EMBEDDER).embed(image, points5)
