"""Retouching as pairs of renders teach it: what is to be taken off a face's skin, and no more.

    image = default_retoucher()(image, face, skin, strength=0.8)     # skin float32 (H, W)

A small U-Net (`facekit.unet`) sees a head at 256 px and gives the difference between its skin
retouched and as it is. The difference is enlarged and added, so pores and single hairs, which are
finer than that, stay as they are.
"""

import functools
from pathlib import Path

import numpy as np

from common.devices import PRECISIONS, choose_precision, start_backend
from facekit._checks import check_image, check_mask, check_number
from facekit.align import placed_back, template_points, umeyama, warp_mirrored
from facekit.parsing import TEMPLATE, dtype_policy

WEIGHTS = Path(__file__).parent.parent / "weights" / "retoucher.weights.h5"
UNIT = 8.0  # levels of 255 to 1 of the network's output


class Retoucher:
    """The network with its weights.

    Args:
        path: the weights file.

    Raises:
        ValueError: it is missing or holds no retoucher.
    """

    def __init__(self, path=WEIGHTS):
        start_backend()
        from facekit.unet import load_retoucher

        with dtype_policy(PRECISIONS[choose_precision()]):
            self.network, self.settings = load_retoucher(path)
        if self.settings.classes != 3:
            raise ValueError(
                f"{path} does not hold a retoucher; train one with "
                "`python -m facekit train_retoucher`."
            )

    def difference(self, squares):
        """What retouching adds to squares round a head, as `facekit.parsing.TEMPLATE` places it.

        Args:
            squares: uint8 (N, S, S, 3), S the settings' size.

        Returns:
            float32 (N, S, S, 3), levels of 255.
        """
        found = [self.network.predict_on_batch(one[None])[0] for one in squares]
        return UNIT * np.stack(found).astype(np.float32)

    def __call__(self, image, face, skin, strength=1.0):
        """A picture with a face's skin retouched.

        Args:
            image: uint8 (H, W, 3), RGB.
            face: `facekit.detect.Face` in it.
            skin: (H, W) in [0, 1]: where it may change.
            strength: 0 leaves it as it is, 1 does what was learned.

        Returns:
            uint8 (H, W, 3), `image` bit for bit where the mask is 0.

        Raises:
            ValueError: an array of another kind, or a strength outside [0, 1].
        """
        image = check_image(image)
        skin = check_mask(skin, image.shape)
        if check_number(strength, "strength", 0, 1) == 0:
            return image.copy()
        size = self.settings.size
        matrix = umeyama(face.points5, template_points(TEMPLATE, size))
        added = self.difference(warp_mirrored(image, matrix, size)[None])[0]
        rows, columns, added = placed_back(added, matrix, image.shape)
        result = image.copy()
        part = image[rows, columns] + strength * skin[rows, columns, None] * added
        result[rows, columns] = np.clip(np.rint(part), 0, 255)
        return result


@functools.cache
def default_retoucher():
    """The shipped `Retoucher`, loaded once.

    Raises:
        ValueError: its weights are missing or damaged.
    """
    return Retoucher()
