"""Pictures as poor cameras and networks leave them: blurred, reduced, noisy, compressed.

What the restorer learns to undo. All functions draw from a `numpy.random.Generator`.

Reference: Zhang et al., Designing a Practical Degradation Model for Deep Blind Image
Super-Resolution, ICCV 2021 (BSRGAN): blur, reduction by one of several filters, noise and JPEG,
each of random strength.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from facekit import augment
from facekit._checks import check_image

SCALES = (4, 2)  # how many times smaller pictures become, and are made larger again
FILTERS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Degradation:
    """Probabilities and strengths of what is done to a picture.

    Attributes:
        clean: probability that it is only reduced, by area.
        blur, softer, noise, jpeg: probabilities of each of the others.
        deviation: of the blur, at most, in pixels of the result.
        smaller: how much smaller than the result it becomes before it is brought to its size, at
            most.
    """

    clean: float = 0.4
    blur: float = 0.6
    softer: float = 0.3
    noise: float = 0.6
    jpeg: float = 0.6
    deviation: float = 1.2
    smaller: float = 2.0

    def __call__(self, image, scale, rng):
        """Reduce a picture, and spoil it at random.

        Args:
            image: uint8 (H, W, 3), sides multiples of the scale.
            scale: 4 or 2.
            rng: numpy.random.Generator.

        Returns:
            uint8 (H / scale, W / scale, 3).
        """
        size = reduced_size(image, scale)
        if rng.random() < self.clean:
            return reduced(image, size)
        if rng.random() < self.blur:
            image = cv2.GaussianBlur(image, (0, 0), scale * rng.uniform(0.1, self.deviation))
        if rng.random() < self.softer:
            share = np.exp(-rng.uniform(0, np.log(self.smaller)))
            image = reduced(image, [max(1, round(share * n)) for n in size], FILTERS[0])
        image = reduced(image, size, FILTERS[rng.integers(len(FILTERS))])
        if rng.random() < self.noise:
            image = augment.noise(image, rng)
        if rng.random() < self.jpeg:
            image = augment.jpeg(image, rng)
        return np.ascontiguousarray(image)


def reduced_size(image, scale):
    """(height, width) of a picture reduced so many times.

    Raises:
        ValueError: a side that is no multiple of the scale.
    """
    height, width = check_image(image).shape[:2]
    if height % scale or width % scale:
        raise ValueError(f"both sides must be multiples of {scale}. Received: {height} x {width}.")
    return height // scale, width // scale


def reduced(image, size, by=cv2.INTER_AREA):
    """A picture at another size (height, width) by one of OpenCV's filters; where one shrinks by
    more than a half and does not average, a blur comes first, as of a lens."""
    factor = image.shape[0] / size[0]
    if by != cv2.INTER_AREA and factor > 1:
        image = cv2.GaussianBlur(image, (0, 0), 0.35 * factor)
    return cv2.resize(image, (size[1], size[0]), interpolation=by)
