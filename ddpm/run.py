"""A run folder and the one file that a trained model is.

A weights file is Keras' `.weights.h5` (arrays, no code) with the settings that rebuild the network
in its attributes, so that the file alone is enough to sample from.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import h5py

from ddpm.checkpoint import replaced
from ddpm.presets import Preset

WEIGHTS = "model.weights.h5"
CONFIG = "config.json"
_ATTRIBUTE = "portraits_from_scratch"
_DIGEST = "portraits_from_scratch_sha256"


@dataclass(frozen=True)
class Trained:
    """A trained network and what it was trained as.

    Args:
        network: (x_t, t) -> prediction.
        preset: its settings.
        path: the weights file.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
    """

    network: object
    preset: Preset
    path: Path
    digest: str


def save_weights(network, preset, path, half=False):
    """Write a weights file, whole or not at all.

    Args:
        network: a built network.
        preset: the `Preset` that makes it.
        path: ends in ".weights.h5".
        half: store float16, half the size.

    Raises:
        OSError: if the disk is full; an earlier file stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as partial:
        network.save_weights(partial)
        if half:
            _halve(partial)
        with h5py.File(partial, "a") as file:
            file.attrs[_ATTRIBUTE] = json.dumps(preset.to_dict())
            file.attrs[_DIGEST] = _digest(file)


def load_weights(path, dtype=None):
    """Rebuild a network from a weights file or a run folder.

    Args:
        path: a ".weights.h5" file written by `save_weights`, or a folder that holds one.
        dtype: a Keras dtype policy for the network; None is the global one.

    Returns:
        A `Trained`.

    Raises:
        ValueError: if there is no such file, or it is damaged, or not one of this project's.
    """
    path = weights_file(path)
    try:
        with h5py.File(path, "r") as file:
            settings, digest = file.attrs.get(_ATTRIBUTE), file.attrs.get(_DIGEST)
            whole = digest is None or digest == _digest(file)
    except Exception as error:  # damaged bytes surface as almost any type from HDF5
        raise ValueError(f"{path} is not a readable weights file (damaged or not HDF5).") from error
    if settings is None:
        raise ValueError(
            f"{path} is not a weights file of this project: it lacks the model's settings."
        )
    if not whole:
        raise ValueError(f"{path} is damaged: its arrays are not those that were written.")
    try:
        preset = Preset.from_dict(json.loads(settings))
        network = preset.make_network(dtype)
        network.load_weights(path)
    except Exception as error:  # likewise, and Keras' own
        raise ValueError(
            f"{path} does not hold the weights of the model that it describes; it was written by "
            "another version or by other means."
        ) from error
    return Trained(network, preset, path, hashlib.sha256(path.read_bytes()).hexdigest()[:12])


def weights_file(path):
    """The weights file that a path means: itself, or the one in a run folder.

    Raises:
        ValueError: if there is none.
    """
    path = Path(path)
    if path.is_dir():
        files = [path / WEIGHTS] if (path / WEIGHTS).exists() else sorted(path.glob("*.weights.h5"))
        if len(files) != 1:
            raise ValueError(
                f"{path} holds {len(files) or 'no'} weights file{'s' * (len(files) > 1)}; "
                "name one, or a run folder that has finished its first epoch."
            )
        return files[0]
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}.")
    return path


def default_weights(shipped="weights", runs="runs"):
    """What to sample from when nothing is named: the shipped weights, else the newest run.

    Args:
        shipped: folder of shipped weights files.
        runs: folder of run folders.

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if there is neither.
    """
    files = sorted(Path(shipped).glob("*.weights.h5"))
    files = files or sorted(Path(runs).glob(f"*/{WEIGHTS}"), key=lambda p: -p.stat().st_mtime)
    if not files:
        raise ValueError(
            "there are no weights yet: train a model first (python train.py --preset tiny takes a "
            "minute), or name a file with --weights."
        )
    return files[0]


def write_config(folder, config):
    """Write `config.json`, whole or not at all.

    Args:
        folder: the run folder; made if missing.
        config: what JSON can hold.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replaced(folder / CONFIG) as partial:
        partial.write_text(json.dumps(config, indent=2) + "\n")


def read_config(folder):
    """Read `config.json`.

    Returns:
        The dict, or None where there is no such file.

    Raises:
        ValueError: if it cannot be read.
    """
    path = Path(folder) / CONFIG
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text())
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
        return config
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); restore it or start another run."
        ) from error


def _digest(file):
    """SHA-256 over the names and bytes of an HDF5 file's arrays: HDF5 itself checks nothing."""
    digest = hashlib.sha256()

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode())
            digest.update(item[()].tobytes())

    file.visititems(add)
    return digest.hexdigest()


def _halve(path):
    """Rewrite every float32 array of an HDF5 file as float16."""
    with (
        replaced(path) as smaller,
        h5py.File(path, "r") as source,
        h5py.File(smaller, "w") as result,
    ):
        result.attrs.update(source.attrs)

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                data = item[()].astype("float16") if item.dtype == "float32" else item[()]
                result.create_dataset(name, data=data).attrs.update(item.attrs)
            else:
                result.require_group(name).attrs.update(item.attrs)

        source.visititems(copy)
