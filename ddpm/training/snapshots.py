"""Snapshots of a training: averages of two widths, half precision, in the run folder.

    snapshots/step-00012000.npz     "0.050/in0/blocks/0/conv1/kernel", ... float16

How long an average should be is known only at the end, and depends on the network, the rate and the
guidance. From a few stored ones, one of any width and at any earlier step is put together.

Reference:
    Karras et al. 2024 (EDM2, arXiv:2312.02696), section 3.
"""

import numpy as np

from common.files import atomic_write
from ddpm.core.averages import reconstruct

WIDTHS = (0.05, 0.10)  # sigma_rel of the averages that are stored, as in the paper
FOLDER = "snapshots"


def save_snapshot(run, step, names, profiles):
    """Write the averages of a step, whole or not at all.

    Args:
        run: the run folder, a `Path`.
        step: steps taken.
        names: of the weights.
        profiles: {sigma_rel: variables, in the order of the names}.

    Raises:
        OSError: if the disk is full; earlier snapshots stay.
    """
    arrays = {
        f"{width:.3f}/{name}": np.asarray(variable).astype(np.float16)
        for width, variables in profiles.items()
        for name, variable in zip(names, variables, strict=True)
    }
    path = run / FOLDER / f"step-{step:08d}.npz"
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def steps_of(run):
    """The steps of a run's snapshots, rising: a list of int."""
    return sorted(int(path.stem[5:]) for path in (run / FOLDER).glob("step-*.npz"))


def averaged_weights(run, sigma_rel, step=None):
    """The average of a width, put together from a run's snapshots.

    Args:
        run: the run folder, a `Path`.
        sigma_rel: its width, in shares of the training up to the step.
        step: its end, that of a snapshot; None for the last one.

    Returns:
        {name: float32 array}, not yet under the constraints of the weights.

    Raises:
        ValueError: if there is no snapshot of that step, or one cannot be read, or they hold no
            average of that width.
    """
    stored = steps_of(run)
    if not stored:
        raise ValueError(
            f"{run} holds no snapshots; train with a preset that keeps them (snapshot_epochs)."
        )
    if step is not None and step not in stored:
        raise ValueError(
            f"{run} holds no snapshot of step {step}; choose one of {', '.join(map(str, stored))}."
        )
    steps = [s for s in stored if step is None or s <= step]
    names, snapshots = None, []
    for s in steps:
        path = run / FOLDER / f"step-{s:08d}.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                for width in WIDTHS:
                    prefix = f"{width:.3f}/"
                    found = {k[len(prefix) :]: file[k] for k in file.files if k.startswith(prefix)}
                    names = names or list(found)
                    snapshots.append((width, s, [found[name] for name in names]))
        except Exception as error:  # damaged bytes surface as almost any type
            raise ValueError(f"{path} is damaged; delete it and try again.") from error
    return dict(zip(names, reconstruct(snapshots, sigma_rel, steps[-1]), strict=True))
