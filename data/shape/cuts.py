"""Ways to wear hair: each cut is a few numbers."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Cut:
    """A way to wear hair. Lengths in decimetres.

    Attributes:
        length: of a strand, and `spread` its relative variation.
        lift: how far strands stand off the skin: 0 lie flat, 1 stand up.
        fall: how soon gravity wins.
        comb: (sideways from the parting, back) pull on strands.
        parting: x of the parting line.
        curl: radius of curls and `turns` their number per decimetre; `wave` sways neighbours alike.
        fringe: share of the front that falls on the forehead.
        recede: how far the front hairline has gone up.
        strands: how many; `width` of a ribbon.
        tied: strands are drawn to a knot at the back, or to one behind each ear: "", "bun", "tail"
            or "braids".
        steps: segments of a strand.
        mess: how much strands differ in direction.
        fade: length at the sides and the nape, as a share of that on top.
        hug: how strongly strands keep to the skull.
        clump: how far the tips of a lock come together, 0 to 1.
        parted: whether the scalp shows along the parting.
    """

    length: float = 0.3
    spread: float = 0.25
    lift: float = 0.5
    fall: float = 0.3
    comb: tuple[float, float] = (0.0, 0.0)
    parting: float = 0.0
    curl: float = 0.0
    turns: float = 2.0
    wave: float = 0.0
    fringe: float = 0.0
    recede: float = 0.0
    strands: int = 3000
    width: float = 0.03
    tied: str = ""
    steps: int = 6
    mess: float = 0.1
    fade: float = 1.0
    hug: float = 0.0
    clump: float = 0.0
    parted: bool = False


CUTS = {
    "buzz": Cut(
        length=0.034, lift=0.22, fall=0.1, comb=(0.0, -0.3), mess=0.25, strands=8000, width=0.0055,
        steps=2, fade=0.6,
    ),
    "cropped": Cut(
        length=0.27, lift=0.42, fall=0.3, comb=(0.25, -0.4), mess=0.2, strands=6500, width=0.014,
        steps=4, fade=0.45, hug=0.4, clump=0.35,
    ),
    "side part": Cut(
        length=0.6, lift=0.34, fall=0.5, comb=(1.0, 0.35), parting=0.3, mess=0.09, strands=6500,
        width=0.015, steps=7, fade=0.35, hug=0.9, clump=0.45, parted=True,
    ),
    "swept back": Cut(
        length=0.8, lift=0.3, fall=0.3, comb=(0.0, 1.3), mess=0.09, strands=6500, width=0.015,
        steps=7, fade=0.4, hug=0.9, clump=0.4,
    ),
    "quiff": Cut(
        length=0.5, lift=0.85, fall=0.02, comb=(0.15, 0.45), mess=0.16, strands=6800, width=0.014,
        steps=5, fade=0.22, hug=0.25, clump=0.4,
    ),
    "receding": Cut(
        length=0.3, lift=0.4, fall=0.3, comb=(0.2, 0.4), mess=0.16, recede=0.34, strands=6000,
        width=0.013, steps=4, fade=0.5, hug=0.5, clump=0.3,
    ),
    "balding": Cut(
        length=0.2, lift=0.35, fall=0.4, mess=0.18, recede=1.3, strands=5000, width=0.011, steps=3,
        fade=0.8, hug=0.6,
    ),
    "bob": Cut(
        length=1.75, spread=0.06, lift=0.25, fall=1.0, comb=(0.8, 0.15), parting=0.15, mess=0.06,
        hug=0.5, steps=10, strands=5000, width=0.019, clump=0.45, parted=True,
    ),
    "fringed bob": Cut(
        length=1.7, spread=0.06, lift=0.25, fall=1.0, comb=(0.5, 0.05), mess=0.06, hug=0.5,
        fringe=1.0, steps=10, strands=5000, width=0.019, clump=0.45,
    ),
    "long straight": Cut(
        length=3.2, spread=0.1, lift=0.2, fall=1.0, comb=(0.8, 0.2), parting=0.1, mess=0.06,
        hug=0.4, steps=12, strands=5000, width=0.022, clump=0.4, parted=True,
    ),
    "long wavy": Cut(
        length=3.0, spread=0.12, lift=0.32, fall=0.9, comb=(0.8, 0.2), parting=-0.2, mess=0.07,
        hug=0.3, wave=0.085, turns=1.0, steps=16, strands=4600, width=0.024, clump=0.5,
        parted=True,
    ),
    "curly": Cut(
        length=1.25, spread=0.2, lift=0.55, fall=0.6, comb=(0.45, 0.1), mess=0.12, curl=0.065,
        turns=2.4, steps=20, strands=3800, width=0.02, clump=0.3,
    ),
    "afro": Cut(
        length=0.45, spread=0.1, lift=1.0, fall=0.0, mess=0.14, curl=0.05, turns=5.0, steps=13,
        strands=6000, width=0.017,
    ),
    "bun": Cut(
        length=1.6, lift=0.1, fall=0.1, comb=(0.0, 1.0), mess=0.03, tied="bun", steps=8,
        strands=5200, width=0.02, clump=0.15,
    ),
    "ponytail": Cut(
        length=1.6, lift=0.1, fall=0.1, comb=(0.0, 1.0), mess=0.03, tied="tail", steps=8,
        strands=5200, width=0.02, clump=0.15,
    ),
    "braids": Cut(
        length=1.6, lift=0.1, fall=0.1, comb=(0.6, 0.1), mess=0.03, tied="braids", steps=18,
        strands=3600, width=0.022, clump=0.15, parted=True,
    ),
    "bald": Cut(strands=0),
}  # fmt: skip

BEARDS = {
    "moustache": Cut(
        length=0.075, lift=0.16, fall=0.35, comb=(1.3, 0.0), mess=0.2, strands=3200, width=0.006,
        steps=2,
    ),
    "goatee": Cut(
        length=0.085, lift=0.3, fall=0.8, comb=(0.3, 0.0), mess=0.2, strands=3200, width=0.006,
        steps=2,
    ),
    "short beard": Cut(
        length=0.05, lift=0.35, fall=0.7, comb=(0.3, 0.0), mess=0.25, strands=6500, width=0.006,
        steps=2,
    ),
    "full beard": Cut(
        length=0.19, spread=0.35, lift=0.35, fall=1.0, comb=(0.3, 0.0), mess=0.2, wave=0.01,
        strands=6500, width=0.0075, steps=3,
    ),
}  # fmt: skip


def coarser(cut, detail):
    """A cut of fewer, wider strands of fewer segments, for small pictures: `detail` is the share of
    strands kept."""
    return replace(
        cut,
        strands=int(cut.strands * detail),
        width=cut.width / detail**0.7,
        steps=max(min(cut.steps, 2), round(cut.steps * detail**0.2)),
    )


def varied(name, rng):
    """A cut by its name with a person's own variation of length, parting and volume."""
    cut = CUTS[name]
    longer = math.exp(rng.normal(0, 0.12))
    parting = cut.parting * float(rng.choice([-1, 1]))
    return replace(
        cut,
        length=cut.length * longer,
        parting=parting,
        lift=cut.lift * float(rng.uniform(0.8, 1.2)),
    )
