"""What is drawn of a face beyond its shape: brows, lashes, skin, folds, teeth."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Brows:
    """The brows of somebody.

    Attributes:
        thickness, arch: about 1.
        density: share of the skin that hairs cover at the middle, 0 to 1.
        outer: dm that the tail stands above its usual height.
        height: dm that the whole brow does.
        length: how far the tail reaches, about 1; `joined`: 0 to 1, how much hair stands between.
        bushy: 0 (combed flat) to 1 (long hairs in all directions).
    """

    thickness: float = 1.0
    arch: float = 1.0
    density: float = 0.8
    outer: float = 0.0
    height: float = 0.0
    length: float = 1.0
    joined: float = 0.0
    bushy: float = 0.3


@dataclass(frozen=True)
class Complexion:
    """Skin, lids, lips and teeth of somebody.

    Attributes:
        shine: how strongly the skin gleams, about 1.
        blotches: how uneven its colour is, about 1.
        veins: redness of the whites of the eyes, 0 to 1.
        crease: how deep the fold of the upper lid is, 0 to 1; `crease_height`: dm above its usual
            place.
        lid: share of the iris' radius that the upper lid covers.
        lashes: length of the upper lashes, dm.
        nasolabial: depth of the folds from nose to mouth, about 1.
        dimples, cleft: of cheeks and chin, 0 to 1.
        shaven: how dark the shadow of a shaven beard is, 0 to 1.
        scar: rest x, y and direction in radians of a scar, or nothing.
        lips: how much redder the lips are than the skin, about 1.
        teeth: how light and white they are, 0 to 1; `tooth`: width of one, dm.
    """

    shine: float = 1.0
    blotches: float = 1.0
    veins: float = 0.3
    crease: float = 0.5
    crease_height: float = 0.0
    lid: float = 0.25
    lashes: float = 0.06
    nasolabial: float = 1.0
    dimples: float = 0.0
    cleft: float = 0.0
    shaven: float = 0.0
    scar: tuple[float, ...] = ()
    lips: float = 1.0
    teeth: float = 0.6
    tooth: float = 0.088


def sample_brows(rng, male):
    """Draw the main lines of `Brows`: heavier in men."""
    return Brows(
        thickness=_normal(rng, 1.12 if male else 0.78, 0.2, 0.6, 1.7),
        arch=_normal(rng, 0.6 if male else 1.1, 0.5, -0.3, 2.2),
        density=float(rng.uniform(0.65, 0.95)),
        outer=_normal(rng, 0.0, 0.016, -0.035, 0.03),
    )


def finish_brows(rng, brows, male, age):
    """`Brows` with all that is finer: sparser and bushier with age, some thin, some joined."""
    old = float(np.clip((age - 45) / 40, 0, 1))
    kind = rng.random()
    return replace(
        brows,
        density=brows.density * (1 - 0.2 * old) * (0.8 if kind < 0.1 else 1.0),
        height=_normal(rng, -0.014 if male else 0.006, 0.012, -0.035, 0.03),
        length=_normal(rng, 1.0, 0.06, 0.85, 1.1),
        joined=float(rng.uniform(0.3, 0.8)) if kind > (0.9 if male else 0.96) else 0.0,
        bushy=_normal(rng, (0.4 if male else 0.2) + 0.35 * old * male, 0.2, 0, 1),
    )


def sample_complexion(rng, origin, male, age, tone, dark):
    """Draw a `Complexion`.

    Args:
        rng: numpy Generator.
        origin: weights of african, asian and caucasian.
        male: whether it is a man; `age`: years.
        tone: of the skin, from fairest (0) to deepest (1); `dark`: of the hair, 0 to 1.
    """
    old = float(np.clip((age - 35) / 45, 0, 1))
    asian = origin[1]
    single = rng.random() < 0.45 * asian  # lids without a fold
    return Complexion(
        shine=float(np.clip(np.exp(rng.normal(0, 0.3)), 0.5, 1.6)) * (1 + 0.25 * tone),
        blotches=float(np.clip(np.exp(rng.normal(0.1 * old, 0.35)), 0.4, 2.2)),
        veins=float(np.clip(rng.beta(1.6, 4) + 0.15 * old, 0, 1)),
        crease=0.1 if single else _normal(rng, 0.75 - 0.25 * asian, 0.2, 0.15, 1.0),
        crease_height=_normal(rng, -0.010 * asian - 0.012 * old, 0.006, -0.03, 0.012),
        lid=_normal(rng, 0.41 + 0.10 * old + 0.05 * asian, 0.15, 0.06, 0.72),
        lashes=_normal(rng, 0.022 if male else 0.046, 0.006, 0.014, 0.062),
        nasolabial=float(np.clip(np.exp(rng.normal(0, 0.4)), 0.4, 2.2)),
        dimples=float(rng.uniform(0.4, 1)) if rng.random() < 0.15 else 0.0,
        cleft=float(rng.uniform(0.3, 1)) if rng.random() < (0.2 if male else 0.07) else 0.0,
        shaven=dark * float(rng.beta(2, 2)) * (1 - 0.6 * tone) if male else 0.0,
        scar=_sample_scar(rng),
        lips=_normal(rng, 0.72 if male else 1.0, 0.18, 0.45, 1.5),
        teeth=float(np.clip(rng.beta(3, 2) - 0.25 * old, 0, 1)),
        tooth=_normal(rng, 0.086, 0.005, 0.075, 0.098),
    )


def _sample_scar(rng):
    place = rng.uniform(-0.5, 0.5), rng.uniform(6.3, 7.9), rng.uniform(0, np.pi)
    return tuple(round(float(value), 3) for value in place) if rng.random() < 0.02 else ()


def _normal(rng, middle, spread, low, high):
    """A number drawn about a middle, kept in a range."""
    return float(np.clip(rng.normal(middle, spread), low, high))
