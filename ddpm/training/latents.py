"""A training set's latents, computed once: an epoch of a network is then no epoch of the encoder.

Of each picture there are several windows, each as it is and mirrored: first the whole picture, then
random ones (`DataConfig`). Three files lie in the run folder:

    latents.npy     float16 (N, windows, 1 or 2, h, w, C), memory-mapped
    windows.npy     float32 (N, windows, 1 or 2, 12): size and crop, then the window's matrix
    latents.json    what they were made of, and how many pictures are done

A killed process leaves what it had done; what was made of something else is made anew.
"""

import json
import os
from dataclasses import asdict, dataclass

import click
import numpy as np

from common.cli import printable, progress
from common.files import write_text
from ddpm.conditions import Window
from ddpm.training.batches import cut_window

ARRAYS, STATE = ("latents.npy", "windows.npy"), "latents.json"
FORMAT = 1
SAVE_EVERY = 64  # pictures after which what is done is written down
_SEED = 0x1A7E  # of the windows: those of a set are the same in every run


@dataclass(frozen=True, eq=False)
class Latents:
    """The latents of a training set.

    Args:
        x0: float16 (N, K, M, h, w, C): pictures, windows, and as they are or mirrored.
        numbers: float32 (N, K, M, 12): `size_crop` (6,), then the matrix (2, 3) of a `Window`.
        size: of the windows, pixels.
    """

    x0: np.ndarray
    numbers: np.ndarray
    size: int


def compute_latents(folder, source, preset, key, quiet=False):
    """Compute the latents of a set, or go on with it, or find them done.

    Args:
        folder: a `Path`, where the files lie.
        source: a `conditions.Source`, whose codec is that of an autoencoder.
        preset: the `Preset`: windows' size and places.
        key: str, of the pictures: other latents than those of this key are not used.
        quiet: no progress bar.

    Returns:
        `Latents`, read-only.

    Raises:
        OSError: if the disk is full; nothing that was done is lost.
    """
    shape = _shape(source, preset)
    wanted = {"format": FORMAT, "pictures": key, "vae": preset.codec.digest, "size": preset.size}
    wanted |= {"data": asdict(preset.data), "shape": list(shape)}
    done = _done(folder, wanted)
    paths = [folder / name for name in ARRAYS]
    if done == 0:
        _reserve(paths[0], shape, np.float16)
        _reserve(paths[1], (*shape[:3], 12), np.float32)
        _write_state(folder, wanted, 0)
    if done < shape[0]:
        _fill(folder, source, preset, done, quiet)
    return Latents(*(np.load(path, mmap_mode="r") for path in paths), preset.size)


def _shape(source, preset):
    data, network = preset.data, preset.network
    windows = max(1, data.windows) if data.p_crop or data.p_downscale else 1
    cells = (network.image_size, network.image_size, network.channels)
    return (len(source.images), windows, 1 + data.flip, *cells)


def _done(folder, wanted):
    """How many pictures are done already; 0 where the files are missing, damaged or of others."""
    if not (folder / STATE).exists():
        return 0
    try:
        found = json.loads((folder / STATE).read_text())
        done = found.pop("done")
        latents = np.load(folder / ARRAYS[0], mmap_mode="r")
        numbers = np.load(folder / ARRAYS[1], mmap_mode="r")
        fits = list(latents.shape) == wanted["shape"] and numbers.shape[:3] == latents.shape[:3]
    except Exception:  # damaged bytes surface as almost any type
        found, fits, done = None, False, 0
    if found == wanted and fits:
        return int(done)
    click.echo(
        f"The latents in {printable(folder)} are of other pictures or windows, or of another "
        "autoencoder: computing them anew."
    )
    return 0


def _reserve(path, shape, dtype):
    """Make an array file whose place on the disk is taken: a full disk is an error here, and would
    be the end of the process in a memory-mapped one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    size = array.offset + array.nbytes
    del array
    try:
        with path.open("r+b") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None


def _fill(folder, source, preset, done, quiet):
    """Compute what is not done yet, picture after picture."""
    latents, numbers = (np.load(folder / name, mmap_mode="r+") for name in ARRAYS)
    state = json.loads((folder / STATE).read_text())
    state.pop("done")
    at = list(np.ndindex(latents.shape[1:3]))
    bar = progress(len(latents), unit="picture", initial=done, disable=quiet)
    bar.set_description("latents")
    try:
        for i in range(done, len(latents)):
            cuts = [cut_cached(source, i, k, bool(m), preset) for k, m in at]
            x0 = source.codec.encode(np.stack([image for image, _, _ in cuts]))
            latents[i] = x0.reshape(latents.shape[1:])
            rows = np.stack([np.concatenate([n, matrix.ravel()]) for _, n, matrix in cuts])
            numbers[i] = rows.reshape(numbers.shape[1:])
            bar.update()
            if (i + 1) % SAVE_EVERY == 0 or i + 1 == len(latents):
                latents.flush()
                numbers.flush()
                _write_state(folder, state, i + 1)
    finally:
        bar.close()


def _write_state(folder, state, done):
    write_text(json.dumps({**state, "done": done}), folder / STATE)


def cut_cached(source, i, k, mirrored, preset):
    """Window k of picture i, always the same: 0 is the whole picture; the others are cropped, or
    made smaller first, or both, in the shares in which the preset's probabilities would.

    Args:
        source: a `conditions.Source`.
        i, k: int.
        mirrored: bool.
        preset: the `Preset`.

    Returns:
        As `batches.cut_window`.
    """
    data, rng = preset.data, np.random.default_rng((_SEED, i, k))
    crop = downscale = 0.0
    if k:
        both = data.p_crop * data.p_downscale
        weights = np.array([data.p_crop - both, data.p_downscale - both, both])
        crop, downscale = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0))[
            rng.choice(3, p=weights / weights.sum())
        ]
    original = None if source.sizes is None else tuple(source.sizes[i])
    image = np.asarray(source.images[i])
    return cut_window(image, preset.size, rng, original, mirrored, crop, downscale)


class LatentWindows:
    """Windows whose latents are at hand, for `BatchBuilder`.

    Args:
        latents: `Latents`.
        source: a `conditions.Source`; its pictures are cut again where hints or masks are made.
        preset: the `Preset` that the latents were made for.
    """

    def __init__(self, latents, source, preset):
        self.latents, self.source, self.preset = latents, source, preset
        self._look = bool(source.make_hints or source.make_mask)

    def __call__(self, i, mirrored, rng, data):
        """One window: the whole picture, or a random one as often as `data` says.

        Args and result as `PixelWindows`, x0 float32 (h, w, C).
        """
        windows = self.latents.x0.shape[1]
        random = rng.random() >= (1 - data.p_crop) * (1 - data.p_downscale)
        k = int(rng.integers(1, windows)) if random and windows > 1 else 0
        at = (i, k, int(mirrored))
        numbers = self.latents.numbers[at]
        image = cut_cached(self.source, *at, self.preset)[0] if self._look else None
        matrix = numbers[6:].reshape(2, 3)
        window = Window(image, i, bool(mirrored), numbers[:6], matrix, rng)
        return self.latents.x0[at].astype(np.float32), window
