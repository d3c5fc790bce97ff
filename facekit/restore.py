"""Restoration: small, blurred, noisy and compressed pictures of faces, enlarged twice or four times
by a network that renders and textures have trained.

    restored = restore(image, scale=4)           # uint8 (4 H, 4 W, 3)

A picture of any size is done in tiles that overlap by what the network sees.
"""

import functools
from pathlib import Path

import cv2
import numpy as np

from common.devices import PRECISIONS, choose_precision, start_backend
from common.images import MAX_PIXELS
from facekit._checks import check_image
from facekit.degrade import SCALES

WEIGHTS = Path(__file__).parent.parent / "weights" / "restorer.weights.h5"
CELL = max(SCALES)  # pixels of the result, a side, to one of the network
TILE = 96  # pixels of the network a side, without what overlaps
MARGIN = 16  # of them, on each side; beyond, a pixel hardly tells
BATCH = 4


def restore(image, scale=4):
    """Enlarge a picture and take blur, noise and compression out.

    Args:
        image: uint8 (H, W, 3), RGB.
        scale: 4 or 2.

    Returns:
        uint8 (scale H, scale W, 3).

    Raises:
        ValueError: an array of another kind, another scale; missing or damaged weights.
    """
    return default_restorer()(image, scale)


@functools.cache
def default_restorer():
    """The shipped `Restorer`, loaded once."""
    return Restorer()


class Restorer:
    """The network with its weights.

    Args:
        path: the weights file.

    Raises:
        ValueError: it is missing or holds no restorer.
    """

    def __init__(self, path=WEIGHTS):
        start_backend()
        from facekit.parsing import dtype_policy
        from facekit.restorer import load_restorer, network_for

        with dtype_policy(PRECISIONS[choose_precision()]):
            network, self.settings = load_restorer(path)
            self.networks = {scale: network_for(network, scale) for scale in SCALES}

    def __call__(self, image, scale=4):
        """As `restore`."""
        image = check_image(image)
        if scale not in SCALES:
            raise ValueError(f"the scale is 2 or 4. Received: {scale!r}.")
        height, width = (scale * n for n in image.shape[:2])
        if height * width > MAX_PIXELS:
            raise ValueError(
                f"{height} x {width} pixels would come out; the most are "
                f"{MAX_PIXELS // 1_000_000} million: give a smaller picture or a smaller scale."
            )
        cell = CELL // scale  # pixels of the picture to one of the network
        rest = [-n % cell for n in image.shape[:2]]
        whole = cv2.copyMakeBorder(image, 0, rest[0], 0, rest[1], cv2.BORDER_REPLICATE)
        return self._tiled(whole, scale, cell)[:height, :width]

    def _tiled(self, image, scale, cell):
        """The whole picture, tile by tile; sides are multiples of `cell`."""
        height, width = (n // cell for n in image.shape[:2])
        margin, large = MARGIN * cell, (TILE + 2 * MARGIN) * cell
        border = cv2.BORDER_REFLECT_101 if min(image.shape[:2]) > margin else cv2.BORDER_REPLICATE
        spare = [-n % TILE * cell for n in (height, width)]
        wide = cv2.copyMakeBorder(
            image, margin, margin + spare[0], margin, margin + spare[1], border
        )
        corners = [
            (top * cell, left * cell)
            for top in range(0, height, TILE)
            for left in range(0, width, TILE)
        ]
        lacks = np.zeros(
            (*(scale * (n + s) for n, s in zip(image.shape[:2], spare, strict=True)), 3), np.float32
        )
        inner, kept = scale * margin, TILE * CELL
        for first in range(0, len(corners), BATCH):
            some = corners[first : first + BATCH]
            tiles = [wide[top : top + large, left : left + large] for top, left in some]
            tiles += [np.zeros_like(tiles[0])] * (BATCH - len(tiles))  # one compiled shape
            found = self.networks[scale].predict_on_batch(np.stack(tiles))
            for (top, left), tile in zip(some, found, strict=False):
                place = lacks[scale * top :, scale * left :][:kept, :kept]
                place[:] = tile[inner : inner + kept, inner : inner + kept]
        lacks = lacks[: scale * image.shape[0], : scale * image.shape[1]]
        return np.clip(np.rint(bicubic(image, scale) + lacks), 0, 255).astype(np.uint8)


def bicubic(image, scale):
    """Bicubic enlargement, not rounded: uint8 (H, W, 3) -> float32 (scale H, scale W, 3)."""
    size = scale * image.shape[1], scale * image.shape[0]
    return cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
