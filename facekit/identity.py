"""Face embeddings: unit vectors whose cosine says how alike two people look.

Two embedders with one interface. `dlib` is dlib's ResNet, trained on three million photographs; it
needs the extra `identity`. `encoder` is the project's own small network, trained on rendered people
only; it comes with the project and works anywhere.

    embedder = load_embedder()                   # dlib where it is installed, else the encoder
    a = embedder.embed(image, face.points5)      # float32 (D,), |a| = 1
    similarity(a, b) > embedder.same             # probably the same person
"""

import functools
import threading
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np

from common.cli import count, printable, sentences
from common.devices import start_backend
from common.vectors import unit
from facekit.align import align

WEIGHTS = Path(__file__).parent.parent / "weights" / "identity.weights.h5"
EMBEDDERS = ("dlib", "encoder")
# The box of dlib's detector: its side, and how far its middle lies below the eyes, in distances
# from eyes to mouth (medians over the rendered faces that it finds).
_BOX_SIDE, _BOX_DROP = 2.41, 0.39
_CHIP, _PADDING = 150, 0.25  # the crop that dlib's network takes, as in face_recognition
_BATCH = 32  # crops of the encoder's batches
_LOCK = threading.Lock()


def available():
    """Names of the embedders that work on this machine, the best for photographs first."""
    found = [
        name for name in ("dlib",) if find_spec("dlib") and find_spec("face_recognition_models")
    ]
    return [*found, *(["encoder"] if WEIGHTS.is_file() else [])]


def load_embedder(name="auto"):
    """An embedder; loaded once and reused.

    Args:
        name: "dlib", "encoder", or "auto": the first that is available.

    Returns:
        `DlibEmbedder` or `EncoderEmbedder`.

    Raises:
        ValueError: an unknown name, or an embedder whose package or weights are missing.
    """
    return {"dlib": _dlib, "encoder": _encoder}[embedder_name(name)]()


def embedder_name(name="auto"):
    """The embedder that `load_embedder` would load, which takes seconds: a word of `EMBEDDERS`.

    Raises:
        ValueError: an unknown name, or an embedder whose package is missing.
    """
    if name == "auto":
        name = next(iter(available()), "encoder")
    if name not in EMBEDDERS:
        words = ", ".join(EMBEDDERS)
        raise ValueError(f"an embedding is one of auto, {words}. Received: {name!r}.")
    if name == "dlib" and "dlib" not in available():
        raise ValueError(
            "dlib is not installed; run: pip install 'portraits-from-scratch[identity]', "
            "or use the project's own encoder."
        )
    return name


def similarity(a, b):
    """Cosine of embeddings (..., D) and (..., D); in [-1, 1]."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.clip((a * b).sum(-1) / np.maximum(lengths, 1e-12), -1, 1)


def pivot(embeddings):
    """The normalised mean of several embeddings of a person.

    Args:
        embeddings: (N, D), N >= 1.

    Returns:
        float32 (D,).
    """
    return _normalised(np.mean(np.asarray(embeddings, np.float64), axis=0))


class EncoderEmbedder:
    """The project's encoder, less the mean embedding of photographs.

    A network that was trained on renders maps all photographs near each other; subtracting the mean
    of a few dozen brings strangers back to a cosine near 0 (`python -m facekit.identity --help`).

    Attributes:
        name: "encoder".
        dimensions: 128.
        same: cosine above which two faces are taken for one person's; what passes for one person
            at it is measured by `benchmarks.identity --strangers`. It is lower than renders alone
            would have it: three photographs of one person have cosines of 0.46 in the median.
    """

    name = "encoder"
    same = 0.5

    def __init__(self, path=WEIGHTS):
        start_backend()
        from facekit.encoder import load_common, load_encoder

        self.network, self.settings = load_encoder(path)
        self.dimensions = self.settings.dimensions
        self.common = load_common(path, self.dimensions)
        self._seeing = None  # the network with its grid, made when it is asked for

    def embed(self, image, points5):
        """A face of uint8 (H, W, 3) at points (5, 2): float32 (D,) of unit length."""
        crop = align(image, points5, self.settings.size).image
        return self.embed_crops(crop[None])[0]

    def embed_crops(self, crops):
        """Crops of `facekit.align.align`, uint8 (N, 112, 112, 3): float32 (N, D).

        Each embedding is the normalised mean of those of the crop and of its mirror image.

        Raises:
            ValueError: crops of another shape or dtype.
        """
        both = self._with_mirrored(crops)
        if not len(both):
            return np.zeros((0, self.dimensions), np.float32)
        plain, mirrored = np.split(_in_batches(self.network, both), 2)
        return _normalised(_normalised(plain + mirrored) - self.common)

    def features_shape(self):
        """(M, F) of `features`."""
        side = self.settings.size // 2 ** (len(self.settings.widths) + 1)
        return side**2 + 1, max(self.settings.widths[-1], self.dimensions)

    def features(self, crops):
        """What the network sees in crops, before it says who it is.

        Args:
            crops: as `embed_crops`.

        Returns:
            float32 (N, 2, M, F), of each crop and of its mirror image: the cells of the last grid
            row by row, and the embedding, with elements of root mean square 1. Where one has fewer
            elements than the other, zeros are behind them.

        Raises:
            ValueError: as `embed_crops`.
        """
        from facekit.encoder import with_grid

        both, (tokens, width) = self._with_mirrored(crops), self.features_shape()
        if not len(both):
            return np.zeros((0, 2, tokens, width), np.float32)
        if self._seeing is None:
            self._seeing = with_grid(self.network)
        grids, who = _in_batches(self._seeing, both)
        found = np.zeros((len(both), tokens, width), np.float32)
        found[:, :-1, : grids.shape[-1]] = grids.reshape(len(both), tokens - 1, -1)
        found[:, -1, : self.dimensions] = _normalised(who - self.common) * self.dimensions**0.5
        return np.stack(np.split(found, 2), axis=1)

    def _with_mirrored(self, crops):
        """Crops, checked, and behind them their mirror images."""
        crops, size = np.asarray(crops), self.settings.size
        if crops.dtype != np.uint8 or crops.shape[1:] != (size, size, 3):
            raise ValueError(
                f"crops must be uint8 (N, {size}, {size}, 3). "
                f"Received: {crops.dtype} {crops.shape}."
            )
        return np.concatenate([crops, crops[:, :, ::-1]])


class DlibEmbedder:
    """dlib's network, less the mean embedding of many people.

    dlib compares by distance: its vectors all point roughly one way, with a cosine over 0.8 between
    any two. Without their mean, strangers have a cosine near 0.

    Attributes:
        name: "dlib".
        dimensions: 128.
        same: as of `EncoderEmbedder`. 0.65 is a distance of about 0.5 between dlib's own vectors;
            0.6, which dlib recommends, lets too many strangers of one sex and age pass.
    """

    name = "dlib"
    dimensions = 128
    same = 0.65

    def __init__(self):
        import dlib

        models = files("face_recognition_models") / "models"
        self.dlib = dlib
        self.predictor = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self.network = dlib.face_recognition_model_v1(
            str(models / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def embed(self, image, points5):
        """A face of uint8 (H, W, 3) at points (5, 2): float32 (128,) of unit length."""
        return _normalised(self.describe(image, points5) - COMMON)

    def describe(self, image, points5):
        """dlib's own vector, float32 (128,)."""
        # The network takes 150 pixels, and dlib reduces without averaging.
        crop = align(image, points5, 300, "portrait")
        points5 = np.asarray(points5, float) @ crop.matrix[:, :2].T + crop.matrix[:, 2]
        with _LOCK:
            points = self.predictor(crop.image, self._box(points5))
            chip = self.dlib.get_face_chip(crop.image, points, _CHIP, _PADDING)
            return np.array(self.network.compute_face_descriptor(chip), np.float32)

    def _box(self, points5):
        """The box of dlib's detector, estimated from five points."""
        eyes, mouth = points5[:2].mean(0), points5[3:].mean(0)
        long = max(float(np.linalg.norm(mouth - eyes)), 1.0)
        (x, y), half = eyes + (0, _BOX_DROP * long), _BOX_SIDE * long / 2
        return self.dlib.rectangle(*(int(v) for v in (x - half, y - half, x + half, y + half)))


# Half way between the mean of 300 rendered faces and that of 26 faces in photographs.
COMMON = np.array(
    (
        "-.08 .08 .06 -.07 -.09 -.02 -.06 -.10 .15 -.11 .20 -.05 -.22 -.02 -.05 .18 "
        "-.15 -.13 -.08 -.05 .02 .02 .03 .06 -.12 -.30 -.07 -.07 .01 -.08 -.00 .06 "
        "-.18 -.00 .02 .08 -.05 -.09 .18 .01 -.22 -.01 .04 .24 .19 -.01 .03 -.09 "
        ".09 -.25 .01 .15 .06 .06 .03 -.14 .04 .13 -.18 .02 .07 -.06 -.03 -.06 "
        ".21 .12 -.14 -.15 .15 -.16 -.04 .07 -.12 -.19 -.27 -.01 .37 .14 -.14 .05 "
        "-.08 .00 .03 .10 -.05 .01 -.06 .04 .19 -.04 -.01 .22 -.01 -.01 .00 .05 "
        "-.09 -.00 -.10 -.02 -.00 -.05 .02 .10 -.18 .17 -.02 -.01 .01 .02 -.07 -.05 "
        ".14 -.24 .18 .18 .05 .12 .08 .08 -.00 -.02 -.15 -.06 .03 -.04 .04 .02"
    ).split(),
    np.float32,
)


def _in_batches(network, crops):
    """What a network makes of crops, in batches of two or of 32: each other size would be compiled
    anew."""
    batch = 2 if len(crops) == 2 else _BATCH
    padding = np.zeros((-len(crops) % batch, *crops.shape[1:]), crops.dtype)
    parts = np.split(np.concatenate([crops, padding]), (len(crops) + len(padding)) // batch)
    found = [network.predict_on_batch(part) for part in parts]
    if isinstance(found[0], (list, tuple)):
        return [np.concatenate(arrays)[: len(crops)] for arrays in zip(*found, strict=True)]
    return np.concatenate(found)[: len(crops)]


@functools.cache
def _dlib():
    return DlibEmbedder()


@functools.cache
def _encoder():
    return EncoderEmbedder()


@click.command()
@click.argument("photos", type=Path)
@click.option("--weights", type=Path, default=WEIGHTS, help="Of the encoder; changed in place.")
@sentences()
def main(photos, weights):
    """Take the mean of the faces in PHOTOS off all of the encoder's embeddings from now on.

    A few dozen photographs of as many people will do.
    """
    start_backend()
    from common.images import find_images, read_image
    from facekit.detect import detect
    from facekit.encoder import set_common

    embedder = EncoderEmbedder(weights)
    embedder.common = np.zeros(embedder.dimensions, np.float32)
    found = []
    for path in find_images(photos):
        image = read_image(path)
        found += [embedder.embed(image, face.points5) for face in detect(image)]
    if not found:
        raise ValueError(f"{photos}: no face found in any photo.")
    set_common(weights, np.mean(found, axis=0))
    click.echo(printable(f"{weights}: the mean of {count(len(found), 'face')} is taken off."))


def _normalised(vectors):
    return unit(np.asarray(vectors, np.float64)).astype(np.float32)


if __name__ == "__main__":
    main()
