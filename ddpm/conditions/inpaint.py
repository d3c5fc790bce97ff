"""Inpainting: painting inside a mask of a picture that is there. Three ways to keep what is known:

    project    needs nothing of the network: the known region of each x0_hat is the picture's
               (`core.wrappers.projected`)
    repaint    nothing, but about ten times the evaluations: the same, going back and forth until
               what is painted agrees with what is known (`core.samplers.sample_repaint`)
    network    a network conditioned on mask and masked picture (`python train.py inpaint`): this
               file's condition

A mask is float32 in [0, 1]: 1 is painted, 0 is known, between is mixed: painted like the rest, and
blended with the picture once: in x0 where that is pixels, else in the finished picture.
"""

import numpy as np

from ddpm.conditions.record import Condition

GREY = 128  # of what is hidden from an autoencoder
METHODS = ("project", "repaint", "network")
REMEMBERED = 40_000  # coded pictures with holes; of 32 x 32 cells of 8 numbers, 18 KiB each
_SEED = 0x3A5C  # of masks that are always the same


def inpaint_condition(picture, mask, codec):
    """The arrays of this condition. A mask has no grey values here, as in training.

    Args:
        picture: uint8 (B, H, W, 3), the known picture.
        mask: float32 (B, H, W, 1) in [0, 1].
        codec: `Codec` of the model.

    Returns:
        dict of "mask", float32 (B, h, w, 1), and "masked_image", x0, float32 (B, h, w, C) (the
        network hides what the mask covers itself). Where cells are coded from pixels around them,
        what the mask covers is grey first, so that no known cell knows of it.
    """
    if codec.stride > 1:
        picture = np.where(mask > 0, np.uint8(GREY), picture)
    return {"mask": mask_of_cells(mask, codec.stride), "masked_image": codec.encode(picture)}


def mask_of_cells(mask, stride):
    """A mask for what is diffused: every cell that a painted pixel lies in, and those next to them,
    whose latents also show a part of it. Of pixels, the mask as training has it, without grey.

    Args:
        mask: float32 (B, H, W, 1) in [0, 1].
        stride: pixels a side to one cell.

    Returns:
        float32 (B, H / stride, W / stride, 1), 0 or 1.
    """
    if stride == 1:
        return np.float32(mask > 0)
    batch, height, width, _ = mask.shape
    cells = mask.reshape(batch, height // stride, stride, width // stride, stride) > 0
    cells = np.pad(cells.any((2, 4)), ((0, 0), (1, 1), (1, 1)))
    grown = np.lib.stride_tricks.sliding_window_view(cells, (3, 3), (1, 2)).any((3, 4))
    return np.float32(grown)[..., None]


def blended(picture, painted, mask):
    """The painted picture over the known one by the mask, for latents: a cell has no borders.

    Args:
        picture, painted: uint8 (..., H, W, 3).
        mask: float32 (..., H, W, 1) in [0, 1].

    Returns:
        uint8 (..., H, W, 3).
    """
    return np.rint(picture + mask * (painted.astype(np.float32) - picture)).astype(np.uint8)


def composite(picture, painted, mask):
    """The painted picture, and where the mask is 0 the original, bit for bit. Nothing is blended
    here: x0 (`core.wrappers.projected`) or the picture (`blended`) has been by the mask.

    Args:
        picture, painted: uint8 (..., H, W, 3).
        mask: float32 (..., H, W, 1) in [0, 1].

    Returns:
        uint8 (..., H, W, 3).
    """
    return np.where(mask > 0, painted, picture)


def random_mask(size, rng):
    """A mask to train on: strokes, a box or a half.

    Args:
        size: H = W.
        rng: numpy Generator.

    Returns:
        float32 (size, size, 1), 0 or 1.
    """
    mask = np.zeros((size, size), np.float32)
    kind = rng.integers(3)
    if kind == 0:
        _strokes(mask, rng)
    elif kind == 1:
        height, width = rng.integers(size // 6, size * 3 // 4, 2)
        top, left = rng.integers(0, size - height), rng.integers(0, size - width)
        mask[top : top + height, left : left + width] = 1
    else:
        cut = rng.integers(size // 4, size * 3 // 4)
        mask[: int(cut)] = 1
        mask = np.rot90(mask, rng.integers(4))
    return np.ascontiguousarray(mask)[..., None]


def _strokes(mask, rng):
    """One to four thick crooked lines."""
    import cv2

    size = len(mask)
    for _ in range(rng.integers(1, 5)):
        points = np.cumsum(
            np.concatenate([rng.uniform(0, size, (1, 2)), rng.normal(0, size / 4, (4, 2))]), axis=0
        )
        thick = int(rng.integers(max(2, size // 16), max(3, size // 4)))
        cv2.polylines(mask, [np.int32(np.clip(points, 0, size))], False, 1.0, thick)


def _from_request(request, settings, model, indices):
    if request.mask is None or request.inpaint != "network":
        return None
    rows = np.array(indices)
    picture, mask = (array[rows % len(array)] for array in (request.image, request.mask))
    return inpaint_condition(picture, mask, model.codec)


def often_full(make_mask, share):
    """A maker of masks of which a share covers everything (`Source.make_mask`)."""

    def make(window):
        if window.rng.random() < share:
            return np.ones((*window.image.shape[:2], 1), np.float32)
        return make_mask(window)

    return make


def always_same(make_mask):
    """A maker of masks that gives the same window of a picture the same mask each time, so that
    what it hides is coded once (`_rows`)."""

    def make(window):
        numbers = np.uint32(np.rint(window.size_crop + 1))
        rng = np.random.default_rng((_SEED, window.index, window.mirrored, *numbers))
        return make_mask(window._replace(rng=rng))

    return make


def _rows(source, settings):
    remembered = {}

    def row(window):
        mask, picture = source.make_mask(window), window.image
        if source.codec.stride == 1:  # pixels are not coded
            return _condition_of(picture, mask, source.codec)
        if mask.all():  # the same for all pictures of a size
            key = picture.shape
        else:
            hidden = np.packbits(mask > 0).tobytes()
            key = window.index, window.mirrored, window.size_crop.tobytes(), hidden
        coded = remembered.get(key)
        if coded is None:
            arrays = _condition_of(picture, mask, source.codec)
            coded = {name: array.astype(np.float16) for name, array in arrays.items()}
            if len(remembered) < REMEMBERED:
                remembered[key] = coded
        return {name: array.astype(np.float32) for name, array in coded.items()}

    return row


def _condition_of(picture, mask, codec):
    """`inpaint_condition` of one picture."""
    arrays = inpaint_condition(picture[None], mask[None], codec)
    return {name: array[0] for name, array in arrays.items()}


def _drop(arrays, null, drop_all, rng, rates):
    """Nothing of a picture is known where its mask covers everything."""
    full = rng.random((len(drop_all), 1, 1, 1)) < rates.full_mask
    return {**arrays, "mask": np.where(full, np.float32(1), arrays["mask"])}


def _input_image(arrays, x_t):
    """Mask and masked picture; without a mask, everything is to be painted."""
    from keras import ops  # here, for it starts a backend

    mask = arrays.get("mask")
    if mask is None:
        return ops.concatenate([ops.ones_like(x_t[..., :1]), ops.zeros_like(x_t)], axis=-1)
    mask = ops.cast(mask, x_t.dtype)
    return ops.concatenate(
        [mask, (1 - mask) * ops.cast(arrays["masked_image"], x_t.dtype)], axis=-1
    )


CONDITION = Condition(
    arrays=("mask", "masked_image"),
    from_request=_from_request,
    rows=_rows,
    drop=_drop,
    input_channels=lambda config: 1 + config.channels,
    input_image=_input_image,
)
