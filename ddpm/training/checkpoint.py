"""Checkpoints: everything needed to go on as if never stopped, in files that survive a kill.

A checkpoint is one `step-00001234.npz` that holds each variable of the model (weights, noise
generators), each variable of the optimizer (moments, averages, step count) and a line of JSON. It
is written beside its final name, flushed to disk and renamed, so a file under its final name is
whole unless the disk damaged it later; the zip's checksums tell. The newest two are kept.

The order of the pictures needs no state: it follows from the seed and the step.
"""

import json
import zipfile
from pathlib import Path

import numpy as np

from common.files import atomic_write

KEEP = 2


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie; made when the first one is saved.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def save(self, model, **notes):
        """Write a checkpoint at the optimizer's step, and drop all but the newest two.

        Args:
            model: a compiled `DenoisingObjective` that has taken a step.
            notes: numbers and strings to have back at `restore`.

        Raises:
            OSError: if the disk is full; then no file is left and the earlier checkpoints stay.
        """
        step = int(model.optimizer.iterations)
        arrays = {f"{i:05d}": np.asarray(v) for i, v in enumerate(_variables(model))}
        arrays["meta"] = np.array(json.dumps({"step": step, "shapes": _shapes(model), **notes}))
        name = f"step-{step:08d}.npz"
        with atomic_write(self.folder / name, sync=True) as partial, partial.open("wb") as file:
            _write(arrays, file)
        # Later steps are damaged ones that `restore` passed over: they must not push out whole.
        mine = [path for path in self._newest_first() if path.name <= name]
        for other in set(self._newest_first()) - set(mine[:KEEP]):
            other.unlink()

    def restore(self, model):
        """Load the newest whole checkpoint into a compiled model whose optimizer is built.

        Args:
            model: a `DenoisingObjective` with the architecture that was saved.

        Returns:
            (notes, damaged): the notes of the one that was loaded with its "step", or None where
            there is none, and the paths of newer ones that could not be read.

        Raises:
            ValueError: if a readable checkpoint belongs to another model.
        """
        damaged = []
        for path in self._newest_first():
            try:
                arrays, meta = _read(path)
            except Exception:  # a flipped bit can make the zip reader raise nearly anything
                damaged.append(path)
                continue
            if meta.pop("shapes") != _shapes(model):
                raise ValueError(
                    f"{path} belongs to another model. Resume with the run's own settings."
                )
            for variable, name in zip(_variables(model), sorted(arrays), strict=True):
                variable.assign(arrays[name])
            return meta, damaged
        return None, damaged

    def _newest_first(self):
        return sorted(self.folder.glob("step-*.npz"), reverse=True)


def _variables(model):
    """Weights, generator states and metrics of the model, then all of the optimizer."""
    return [*model.variables, *model.optimizer.variables]


def _shapes(model):
    return [list(v.shape) for v in _variables(model)]


def _write(arrays, file):
    """As `np.savez`, which on a full disk leaves an open archive that complains at the exit."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read(path):
    with np.load(path, allow_pickle=False) as file:  # reading a member checks its checksum
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays.pop("meta")))
