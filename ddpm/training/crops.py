"""Crops for the autoencoder: of faces, and of what is no face, jittered as photographs differ.

An autoencoder that has seen renders alone gives photographs 16 to 26 dB: other frequencies, other
contrasts. So a share of each batch is of other pictures, and all get other colours, contrasts,
sharpness, noise and scales.
"""

import numpy as np

from common.images import resize
from ddpm.codec import to_float

SCALES = (0.5, 1.5)  # side of a crop's source, in crops
P_SCALE, P_COLOUR, P_SHARPNESS, P_NOISE = 0.5, 0.5, 0.25, 0.2  # how often each is changed
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class CropBuilder:
    """Batches of crops, for `batches`.

    Args:
        images: sequence of N pictures, uint8 (H, W, 3), of any sizes.
        others: sequence of pictures that are no faces, or None.
        size: side of the crops, pixels.
        share: of the others in a batch.
    """

    def __init__(self, images, others, size, share=1 / 3):
        self.images, self.others, self.size = images, others, size
        self.share = share if others is not None and len(others) else 0.0

    def __call__(self, indices, mirrored, rng):
        """One batch.

        Args:
            indices: int (B,), which pictures; some of them are replaced by others.
            mirrored: bool (B,), which crops are mirrored.
            rng: NumPy generator.

        Returns:
            {"x0": float32 (B, S, S, 3) in [-1, 1]}.
        """
        crops = []
        for i, mirror in zip(indices, mirrored, strict=True):
            if rng.random() < self.share:
                image = self.others[rng.integers(len(self.others))]
            else:
                image = self.images[i]
            crop = jittered(random_crop(np.asarray(image), self.size, rng), rng)
            crops.append(crop[:, ::-1] if mirror else crop)
        return {"x0": to_float(np.stack(crops))}


def random_crop(image, size, rng):
    """A square of a picture at a random place, and at times at another scale.

    Args:
        image: uint8 (H, W, 3).
        size: side of the result, pixels.
        rng: NumPy generator.

    Returns:
        uint8 (size, size, 3); enlarged where the picture is smaller.
    """
    scale = np.exp(rng.uniform(*np.log(SCALES))) if rng.random() < P_SCALE else 1.0
    side = min(*image.shape[:2], max(1, round(size * scale)))
    top, left = (rng.integers(0, length - side + 1) for length in image.shape[:2])
    return resize(image[top : top + side, left : left + side], size)


def jittered(image, rng):
    """A picture in other colours and contrasts, softer or sharper, with noise: each at times.

    Args:
        image: uint8 (H, W, 3).
        rng: NumPy generator.

    Returns:
        uint8 (H, W, 3).
    """
    x = image.astype(np.float32)
    if rng.random() < P_COLOUR:
        grey = x @ LUMA
        x = grey[..., None] + rng.uniform(0.0, 1.7) * (x - grey[..., None])
        x = (x - 127.5) * rng.uniform(0.5, 1.5) * rng.uniform(0.85, 1.15, 3)
        x = x + 127.5 + rng.normal(0, 20) + rng.normal(0, 10, 3)
    if rng.random() < P_SHARPNESS:
        import cv2

        soft = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 1.5))
        x = soft + rng.choice((0.0, 2.0)) * (x - soft)  # blurred, or sharpened
    if rng.random() < P_NOISE:
        x = x + rng.normal(0, rng.uniform(2, 12), x.shape)
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)
