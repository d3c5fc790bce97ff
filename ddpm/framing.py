"""Pictures of any size to windows of one size, and the numbers that say how: original size, crop
corner and target size (Podell et al. 2023, SDXL, arXiv:2307.01952, section 2.2).

A picture of `original` pixels is resized to `target`, then a window of S x S is cut out whose upper
left corner lies at `crop`. A model that is told these six numbers need not take the accidents of
cutting for a property of faces: told (S, S) and (0, 0), it draws whole faces in the middle. Here
`target` is the size of the whole resized picture, so that the numbers say exactly where the window
lies: a point p of a whole S x S picture is seen at p target / S - crop.
"""

import numpy as np

from ddpm.pictures import resize

SHARP = 2  # side of a picture in windows beyond which its size is told no more
LARGEST = 1.4  # side of the resized picture in windows, at random crops
SMALLEST = 0.25  # side of a picture that is made small on purpose, in windows


def framing(size, original=None, crop=(0, 0), target=None):
    """The six numbers of one framing.

    Args:
        size: S, height and width of the window, pixels.
        original: (height, width) of the file, told up to twice the window, beyond which nothing
            gets sharper; None is that.
        crop: (top, left), pixels of the resized picture.
        target: (height, width) of the resized picture; None is the window: nothing is cut.

    Returns:
        float32 (6,).
    """
    height, width = original or (SHARP * size, SHARP * size)
    shrink = min(1.0, SHARP * size / min(height, width))
    numbers = (height * shrink, width * shrink, *crop, *(target or (size, size)))
    return np.rint(np.array(numbers)).astype(np.float32)


def check(size, original=None, crop=(0, 0), target=None):
    """See that a framing is one that a window can have.

    Args: as `framing`.

    Raises:
        ValueError: if the window would not lie within the resized picture.
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


def window(image, size, rng, original=None, mirror=False, crops=0.0, small=0.0):
    """Cut a training window out of a picture.

    Args:
        image: uint8 (H, W, 3), of any size.
        size: S of the window.
        rng: numpy Generator.
        original: (height, width) of the file where `image` is a reduced copy.
        mirror: mirror the picture first.
        crops: chance of a random place and scale; else the whole shorter side, in the middle.
        small: chance that the picture is made smaller first, and said to be: so a set whose
            pictures are all large teaches what a small one looks like.

    Returns:
        (window, framing, matrix): uint8 (S, S, 3); float32 (6,); float32 (2, 3), which takes the
        picture's points (pixels, corner at 0) to the window's.
    """
    height, width = image.shape[:2]
    matrix = np.array([[1, 0, 0], [0, 1, 0]], np.float64)
    original = original or (height, width)
    if mirror:
        image = image[:, ::-1]
        matrix[0] = -1, 0, width
    if rng.random() < small and min(height, width) > SMALLEST * size:
        share = (SMALLEST * size / min(height, width)) ** rng.random()
        original = _scaled((height, width), share)
        image = resize(image, original)
    zoom = 1.0
    cropped = rng.random() < crops
    if cropped:
        zoom = rng.uniform(1, LARGEST)
    target = _scaled((height, width), zoom * size / min(height, width))
    image = resize(image, target)
    spare = np.array(target) - size
    top, left = rng.integers(0, spare + 1) if cropped else spare // 2
    scale = np.array([[target[1] / width], [target[0] / height]])
    matrix = matrix * scale - np.array([[0, 0, left], [0, 0, top]])
    cut = image[top : top + size, left : left + size]
    return cut, framing(size, original, (top, left), target), matrix.astype(np.float32)


def _scaled(size, share):
    return tuple(max(1, round(side * share)) for side in size)
