"""Files of facekit's networks: weights with the settings that rebuild a network, and checkpoints of
a training."""

import io
import json
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from common.files import write_bytes

SETTINGS = "settings"  # the attribute of a weights file that holds the architecture, as JSON


def save_network(weights, settings, path):
    """Write weights as float16 and the settings beside them, whole or not at all.

    Args:
        weights: arrays in the order of the network's `weights`.
        settings: a dataclass, from which the network can be made again.
        path: the file; its folder is made.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs[SETTINGS] = json.dumps(asdict(settings))
        for i, weight in enumerate(weights):
            # Keras' names differ from one model to the next; the order does not.
            file[f"{i:03d}"] = np.asarray(weight).astype(np.float16)
    write_bytes(buffer.getvalue(), path)


def load_network(path, settings, make, what, command):
    """Read what `save_network` wrote, in the current dtype policy.

    Args:
        path: the weights file.
        settings: the class of its settings.
        make: settings -> network.
        what: of the network, in words: "face parser".
        command: that trains one.

    Returns:
        (network, settings).

    Raises:
        ValueError: if the file is missing or holds no such network.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"The {what}'s weights are missing; train them with `{command}`. Received: {path}."
        )
    try:
        with h5py.File(path, "r") as file:
            found = settings(**json.loads(file.attrs[SETTINGS]))
            values = [file[name][()].astype(np.float32) for name in sorted(file)]
        network = make(found)
        network.set_weights(values)
    except (OSError, KeyError, TypeError, ValueError) as error:
        article = "an" if what[0] in "aeiou" else "a"
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} does not hold {article} {what}: {reason}") from error
    return network, found


def save_checkpoint(model, path, progress, **others):
    """Write a compiled model's weights and optimizer, whole or not at all.

    Args:
        model: a compiled `keras.Model`.
        path: the file, .npz.
        progress: what JSON can hold.
        others: further lists of arrays, by name.
    """
    parts = {"model": model.weights, "optimizer": model.optimizer.variables, **others}
    values = {
        f"{name}_{i:03d}": np.asarray(value)
        for name, part in parts.items()
        for i, value in enumerate(part)
    }
    buffer = io.BytesIO()
    np.savez(buffer, progress=json.dumps(progress), **values)
    write_bytes(buffer.getvalue(), path)


def load_checkpoint(model, path, *others):
    """Restore what `save_checkpoint` wrote.

    Args:
        model: a compiled `keras.Model` of the same form.
        path: the file.
        others: names of the further lists.

    Returns:
        (progress, *others).

    Raises:
        ValueError: the checkpoint is damaged or belongs to another network or dataset.
    """
    try:
        with np.load(path) as file:
            weights, state, *found = (
                [file[key] for key in sorted(file.files) if key.startswith(f"{name}_")]
                for name in ("model", "optimizer", *others)
            )
            progress = json.loads(str(file["progress"]))
        model.set_weights(weights)
        model.optimizer.build(model.trainable_variables)
        for variable, value in zip(model.optimizer.variables, state, strict=True):
            variable.assign(value)
    except Exception as error:  # damaged bytes surface as almost any type
        raise ValueError(
            f"{path} does not fit this training ({str(error).splitlines()[0][:100]}); "
            "delete it to begin anew."
        ) from None
    return progress, *found
