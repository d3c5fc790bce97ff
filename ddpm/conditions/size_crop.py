"""Size and crop: how a picture was cut out of its file, in six numbers: original size, crop corner
and target size (Podell et al. 2023, SDXL, arXiv:2307.01952, section 2.2).

A picture of `original` pixels is resized to `target`, then a window of S x S is cut out whose upper
left corner lies at `crop`. A network that is conditioned on these six numbers need not take the
accidents of cutting for a property of faces: given (S, S) and (0, 0), it draws whole faces in the
middle. Here `target` is the size of the whole resized picture, so that the numbers say exactly
where the window lies: a point p of a whole S x S picture is seen at p target / S - crop.
"""

import numpy as np

from ddpm.conditions.record import Condition

NUMBERS = 6
UNKNOWN = -1.0  # all six of them, in the null condition
MAX_ORIGINAL = 2  # side of a file in windows beyond which its size is given no larger


def size_crop(size, original=None, crop=(0, 0), target=None):
    """The six numbers of one window.

    Args:
        size: S, height and width of the window, pixels.
        original: (height, width) of the file, given up to twice the window, beyond which nothing
            gets sharper; None is that.
        crop: (top, left), pixels of the resized picture.
        target: (height, width) of the resized picture; None is the window: nothing is cut.

    Returns:
        float32 (6,).
    """
    height, width = original or (MAX_ORIGINAL * size, MAX_ORIGINAL * size)
    shrink = min(1.0, MAX_ORIGINAL * size / min(height, width))
    numbers = (height * shrink, width * shrink, *crop, *(target or (size, size)))
    return np.rint(np.array(numbers)).astype(np.float32)


def check_size_crop(size, original=None, crop=(0, 0), target=None):
    """Check that a window lies within the resized picture.

    Args: as `size_crop`.

    Raises:
        ValueError: if it does not.
    """
    target = target or (size, size)
    if min(target) < size:
        raise ValueError(
            f"the target size is at least {size},{size}, the window itself. Received: "
            f"{target[0]},{target[1]}."
        )
    if min(original or (1,)) < 1 or min(crop) < 0:
        raise ValueError(
            f"sizes are at least 1 pixel and crops at least 0. Received: original={original}, "
            f"crop={crop}."
        )
    if any(corner + size > side for corner, side in zip(crop, target, strict=True)):
        raise ValueError(
            f"a window of {size} pixels at {crop[0]},{crop[1]} does not lie within a picture of "
            f"{target[0]},{target[1]}; raise --target-size to {crop[0] + size},{crop[1] + size} or "
            "more."
        )


def _null(settings, n):
    return {"size_crop": np.full((n, NUMBERS), UNKNOWN, np.float32)}


def _default(settings, size, n):
    return {"size_crop": np.tile(size_crop(size), (n, 1))}


def _from_request(request, settings, model, indices):
    numbers = requested(request, model.preset.size)
    return {"size_crop": np.tile(numbers, (len(indices), 1))}


def requested(request, size):
    """The six numbers that a request asks for, whole pictures where it asks for none: float32 (6,).

    Raises:
        ValueError: if no window can have them.
    """
    asked = {
        "original": request.original_size,
        "crop": request.crop,
        "target": request.target_size,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    check_size_crop(size, **asked)
    return size_crop(size, **asked)


def _encoder(settings, dtype):
    from ddpm.nets.layers import NumberEmbedding  # here, for it starts a backend

    return NumberEmbedding(NUMBERS, dtype=dtype)


CONDITION = Condition(
    arrays=("size_crop",),
    null=_null,
    default=_default,
    from_request=_from_request,
    rows=lambda source, settings: lambda window: {"size_crop": window.size_crop},
    encoder=_encoder,
)
