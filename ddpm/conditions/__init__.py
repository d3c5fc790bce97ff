"""What a network can be conditioned on besides the time, one file each:

    text        tokens         int32 (B, L)            a caption, by `text.Tokenizer`
    size_crop   size_crop      float32 (B, 6)          original size, crop corner, target size
    identity    identity       float32 (B, D)          a unit vector of the person; 0 is nobody
    inpaint     mask           float32 (B, H, W, 1)    1 is to be painted, 0 is known
                masked_image   float32 (B, H, W, C)    the picture, hidden by the mask
    hints       hints          float32 (B, H, W, 3 K)  control pictures in [-1, 1], by kind
                strengths      float32 (B, K)          how much each of them counts, 0 to 1

A condition of a batch is a dict of such arrays, a row a picture; arrays that are missing are null.
Each file has one record of functions (`record.Condition`); this module has the table of them and
what is done with all of them at once. A new condition is a new record in the table.
"""

import numpy as np

from ddpm.conditions import hints, identity, inpaint, size_crop, text
from ddpm.conditions.record import Condition, DropRates, Encoding, NoSettings, Source, Window

__all__ = [
    "CONDITIONS",
    "Condition",
    "DropRates",
    "Encoding",
    "NoSettings",
    "Source",
    "Window",
    "array_names",
    "default_condition",
    "drop_conditions",
    "null_condition",
]

CONDITIONS = {
    "text": text.CONDITION,
    "size_crop": size_crop.CONDITION,
    "identity": identity.CONDITION,
    "inpaint": inpaint.CONDITION,
    "hints": hints.CONDITION,
}


def array_names(conditions):
    """The names of the arrays of some conditions, an iterable of their names: a tuple."""
    return tuple(array for name in conditions for array in CONDITIONS[name].arrays)


def null_condition(conditions, n):
    """The condition that says nothing: what guidance compares with.

    Args:
        conditions: {name: settings}, as in a `UNetConfig`.
        n: pictures.

    Returns:
        dict of arrays of n rows.
    """
    result = {}
    for name, settings in conditions.items():
        result |= CONDITIONS[name].null(settings, n)
    return result


def default_condition(preset, n):
    """The condition of pictures of which nothing is requested: no words, whole pictures.

    Args:
        preset: the model's `Preset`.
        n: pictures.

    Returns:
        dict of arrays of n rows; empty for a network without conditions.
    """
    result = {}
    for name, settings in preset.network.conditions.items():
        record = CONDITIONS[name]
        if record.default is None:
            result |= record.null(settings, n)
        else:
            result |= record.default(settings, preset.size, n)
    return result


def drop_conditions(conditions, arrays, rng, rates):
    """Drop some conditions of a training batch, so that a network also learns to do without: all of
    them at once, each by itself, and the words beside a condition that is to do without them.

    Args:
        conditions: {name: settings}.
        arrays: dict of arrays, a row a picture.
        rng: NumPy generator.
        rates: `DropRates`.

    Returns:
        dict of arrays; those given are left as they are.

    Reference:
        Ho and Salimans 2022, Classifier-Free Diffusion Guidance (arXiv:2207.12598), algorithm 1.
    """
    n = len(next(iter(arrays.values())))
    drop_all = rng.random(n) < rates.all
    result = dict(arrays)
    for name, settings in conditions.items():
        record = CONDITIONS[name]
        own = {array: arrays[array] for array in record.arrays if array in arrays}
        if own:
            own_rates = rates._replace(each=record.p_drop(settings)) if record.p_drop else rates
            result |= record.drop(own, record.null(settings, n), drop_all, rng, own_rates)
    for name, settings in conditions.items():
        record = CONDITIONS[name]
        share = record.p_alone(settings) if record.p_alone else 0
        if share and "text" in conditions:
            alone = _told(result, record, settings) & (rng.random(n) < share)
            words = {array: result[array] for array in text.CONDITION.arrays}
            null = text.CONDITION.null(conditions["text"], n)
            result |= text.CONDITION.drop(words, null, alone, rng, rates._replace(each=0.0))
    return result


def _told(arrays, record, settings):
    """The rows of a batch in which a condition says something: bool (B,)."""
    n = len(arrays[record.arrays[0]])
    null = record.null(settings, n)
    differ = [arrays[array] != null[array] for array in record.arrays]
    return np.any([d.reshape(n, -1).any(axis=1) for d in differ], axis=0)
