"""Thirteen ratios of a face, and the proportions that give it those of people.

Ratios are taken between vertices of the neutral mesh that correspond to points of MediaPipe's mesh:
for each point, the vertex that lies nearest to it on average over frontal renders. Lengths are
over the width of the face, seen from `DISTANCE`. The features of a head are drawn one by one, so
their ratios have neither the means nor the correlations of people. `plausible` carries them, as a
normal distribution, to one that was calibrated on photographs (`data/assets/ratios.json`, written
by benchmarks/faces_calibrate.py), by the linear map that moves them least.

References: Olkin and Pukelsheim 1982, the optimal map between normal distributions. Levenberg 1944,
damped steps.
"""

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from data.shape.head import EYE_SIZE, load_head, shape_weights
from data.shape.proportions import PROPORTIONS

ASSET = Path(__file__).parents[1] / "assets" / "ratios.json"
DISTANCE = 15.0  # dm, from where a face is seen
# Ratios: pairs of points of MediaPipe's mesh, whose distances are averaged.
RATIOS = {
    "face height": ((10, 152),),
    "jaw width": ((172, 397),),
    "forehead width": ((54, 284),),
    "between the eyes": ((133, 362),),
    "eye length": ((33, 133), (263, 362)),
    "eye opening": ((159, 145), (386, 374)),  # over the eye's length
    "nose width": ((129, 358),),
    "nose length": ((168, 2),),
    "mouth width": ((61, 291),),
    "philtrum": ((2, 0),),
    "lips' height": ((0, 17),),
    "chin height": ((17, 152),),
    "brow above eye": ((105, 159), (334, 386)),
}
WIDTH = (234, 454)
# The rest position (dm) of the vertex of a point; pairs are given for the person's left.
PLACES = {
    (10,): (0, 7.719, 1.514), (152,): (0, 6.177, 1.403), (168,): (0, 7.351, 1.507),
    (2,): (0, 6.83, 1.604), (0,): (0, 6.696, 1.597), (17,): (0, 6.488, 1.556),
    (454, 234): (0.654, 7.142, 1.045), (397, 172): (0.554, 6.579, 0.969),
    (284, 54): (0.644, 7.621, 1.042), (362, 133): (0.193, 7.28, 1.375),
    (263, 33): (0.43, 7.314, 1.378), (386, 159): (0.347, 7.338, 1.408),
    (374, 145): (0.311, 7.242, 1.393), (358, 129): (0.19, 6.894, 1.465),
    (291, 61): (0.25, 6.613, 1.426), (334, 105): (0.423, 7.518, 1.373),
}  # fmt: skip
# These stay as they were drawn: no ratio asks for them.
FREE = ("eye height", "nose size")
# How far a proportion may go, and how near the asked ratios must be met, in their deviations.
FARTHEST, SLACK, STEPS = 2.6, 0.12, 4
RAREST = 4.4  # Mahalanobis distance; that of a tenth of a normal distribution's draws is larger


_PAIRS = [pair for pairs in RATIOS.values() for pair in pairs] + [WIDTH]
_MEANS = np.array([[(pair in pairs) / len(pairs) for pair in _PAIRS] for pairs in RATIOS.values()])
_OPENING, _LENGTH = (list(RATIOS).index(name) for name in ("eye opening", "eye length"))


def face_ratios(points):
    """Ratios of faces.

    Args:
        points: (..., 478, 2), MediaPipe's mesh.

    Returns:
        (..., 13), in the order of `RATIOS`.
    """
    first, second = np.transpose(_PAIRS)
    return _ratios(points[..., first, :] - points[..., second, :])


def _ratios(between):
    """Ratios (..., 13) of the differences (..., len(_PAIRS), 2) between points of pairs."""
    apart = np.sqrt(between[..., 0] ** 2 + between[..., 1] ** 2)
    lengths = apart @ _MEANS.T
    over = np.repeat(apart[..., -1:], len(RATIOS), axis=-1)
    over[..., _OPENING] = lengths[..., _LENGTH]
    return lengths / over


@dataclass(frozen=True, eq=False)
class _Few:
    """The few vertices that ratios need.

    Attributes:
        first, second: (pairs,), the rows of the points of each pair.
        rest: (K, 3).
        targets: (T, K, 3), offsets; `row`: target name -> T.
        proportions: (P, K, 3), likewise, in the order of `PROPORTIONS`.
    """

    first: np.ndarray
    second: np.ndarray
    rest: np.ndarray
    targets: np.ndarray
    row: dict[str, int]
    proportions: np.ndarray


@lru_cache(maxsize=1)
def _few():
    head = load_head()
    places = {}
    for numbers, (x, y, z) in PLACES.items():
        for number, side in zip(numbers, (1, -1), strict=False):
            places[number] = (side * x, y, z)
    skin = head.of_group("body")
    at = np.array(list(places.values()))
    vertices = skin[np.linalg.norm(head.rest[skin] - at[:, None], axis=-1).argmin(1)]
    row = {name: k for k, name in enumerate(head.targets)}
    numbers = list(places)
    first, second = np.array([[numbers.index(n) for n in pair] for pair in _PAIRS]).T
    return _Few(
        first,
        second,
        head.rest[vertices].astype(float),
        _gathered(head, head.targets.values(), vertices),
        row,
        _gathered(head, (head.proportions[name] for name in PROPORTIONS), vertices),
    )


def _gathered(head, targets, vertices):
    full = np.zeros(head.rest.shape)
    rows = []
    for index, offset in targets:
        full[index] = offset
        rows.append(full[vertices])
        full[index] = 0
    return np.array(rows)


def _seen(vertices):
    """Ratios (..., 13) of few vertices (..., K, 3)."""
    flat = (vertices[..., :2] - [0, 7.2]) / (DISTANCE + 0.4 - vertices[..., 2:])
    return _ratios(flat[..., _few().first, :] - flat[..., _few().second, :])


def _plain(shape):
    """The few vertices (K, 3) of a shape without its own proportions."""
    few = _few()
    weights = np.zeros(len(few.targets))
    for name, weight in shape_weights(load_head(), shape):
        if name in few.row:
            weights[few.row[name]] += weight
    size = EYE_SIZE * few.proportions[PROPORTIONS.index("eye size")]
    return few.rest + size + np.tensordot(weights, few.targets, 1)


def _moved(values):
    """How far values (..., P) of proportions move the few vertices: (..., K, 3)."""
    few = _few()
    flat = values @ few.proportions.reshape(len(PROPORTIONS), -1)
    return flat.reshape(*values.shape[:-1], -1, 3)


def shape_ratios(shape):
    """The ratios of the neutral face of a `Shape`: (13,), in the order of `RATIOS`."""
    values = dict(shape.proportions)
    moved = np.array([values.get(name, 0.0) for name in PROPORTIONS])
    return _seen(_plain(shape) + _moved(moved))


@lru_cache(maxsize=1)
def calibration():
    """What `data/assets/ratios.json` holds: "drawn mean", "map", "mean", "covariance" and
    "deviation", arrays; and "names"."""
    return {name: np.array(value) for name, value in json.loads(ASSET.read_text()).items()}


def optimal_map(first, second):
    """The linear map (N, N) that carries a normal distribution of covariance `first` (N, N) to one
    of covariance `second` and moves it least."""
    root = _root(first)
    back = np.linalg.inv(root)
    return back @ _root(root @ second @ root) @ back


def _root(matrix):
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def without_proportions(shape):
    """A shape as its targets make it."""
    return replace(shape, proportions=())


def asked_ratios(shape):
    """The ratios (13,) that a shape is to get; its proportions do not count. The most unusual tenth
    of faces comes in to `RAREST`: expression and view will add to how unusual a picture is."""
    known, drawn = calibration(), shape_ratios(without_proportions(shape))
    apart = known["map"] @ (drawn - known["drawn mean"])
    unusual = np.sqrt(apart @ np.linalg.solve(known["covariance"], apart))
    return known["mean"] + apart * min(1.0, RAREST / unusual)


def plausible(shape):
    """A shape with its proportions changed so that the face has ratios as people have them.

    Args:
        shape: a `Shape`; its proportions, if any, are where the search begins.

    Returns:
        a `Shape`, the same for the same argument.
    """
    return with_ratios(shape, asked_ratios(shape))


def with_ratios(shape, asked):
    """A shape whose ratios are nearly those asked for (13,), by the least change of proportions
    that does it, none farther than `FARTHEST`."""
    begin = dict(shape.proportions)
    start = np.array([begin.get(name, 0.0) for name in PROPORTIONS])
    plain, scale, values = _plain(shape), calibration()["deviation"], start
    solved = np.array([name not in FREE for name in PROPORTIONS])
    nudge = 0.05 * np.eye(len(PROPORTIONS))[solved]
    for _ in range(STEPS):
        probes = np.concatenate([values[None], values + nudge])
        ratios = _seen(plain + _moved(probes)) / scale
        slope = (ratios[1:] - ratios[0]).T / 0.05  # (13, P)
        wanted = asked / scale - ratios[0] + slope @ (values - start)[solved]
        damped = slope @ slope.T + SLACK**2 * np.eye(len(wanted))
        change = slope.T @ np.linalg.solve(damped, wanted)
        values = start.copy()
        values[solved] = np.clip(start[solved] + change, -FARTHEST, FARTHEST)
    pairs = zip(PROPORTIONS, values, strict=True)
    return replace(shape, proportions=tuple((name, round(float(v), 4)) for name, v in pairs))
