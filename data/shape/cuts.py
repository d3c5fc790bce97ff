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


CUTS = {
    "buzz": Cut(
        length=0.06, lift=0.6, fall=0.1, mess=0.25, strands=5000, width=0.018, steps=2, fade=0.6,
    ),
    "cropped": Cut(
        length=0.27, lift=0.5, fall=0.3, comb=(0.25, -0.4), mess=0.2, strands=4000, width=0.022,
        steps=4, fade=0.45, hug=0.3,
    ),
    "side part": Cut(
        length=0.6, lift=0.34, fall=0.5, comb=(1.0, 0.35), parting=0.3, mess=0.08, strands=4000,
        width=0.026, steps=7, fade=0.35, hug=0.9,
    ),
    "swept back": Cut(
        length=0.8, lift=0.3, fall=0.3, comb=(0.0, 1.3), mess=0.08, strands=4000, width=0.026,
        steps=8, fade=0.4, hug=0.9,
    ),
    "quiff": Cut(
        length=0.5, lift=0.85, fall=0.02, comb=(0.15, 0.45), mess=0.14, strands=4200, width=0.022,
        steps=6, fade=0.22, hug=0.25,
    ),
    "receding": Cut(
        length=0.3, lift=0.4, fall=0.3, comb=(0.2, 0.4), mess=0.16, recede=0.34, strands=3800,
        width=0.02, steps=4, fade=0.5, hug=0.5,
    ),
    "balding": Cut(
        length=0.22, lift=0.4, fall=0.4, mess=0.18, recede=1.3, strands=3000, width=0.018, steps=3,
        fade=0.8, hug=0.5,
    ),
    "bob": Cut(
        length=1.75, spread=0.06, lift=0.25, fall=1.0, comb=(0.8, 0.15), parting=0.15, mess=0.05,
        hug=0.5, steps=11, width=0.034,
    ),
    "fringed bob": Cut(
        length=1.7, spread=0.06, lift=0.25, fall=1.0, comb=(0.5, 0.05), mess=0.05, hug=0.5,
        fringe=1.0, steps=11, width=0.034,
    ),
    "long straight": Cut(
        length=3.2, spread=0.1, lift=0.2, fall=1.0, comb=(0.8, 0.2), parting=0.1, mess=0.04,
        hug=0.4, steps=14, width=0.04,
    ),
    "long wavy": Cut(
        length=3.0, spread=0.12, lift=0.32, fall=0.9, comb=(0.8, 0.2), parting=-0.2, mess=0.05,
        hug=0.3, wave=0.075, turns=0.75, steps=18, width=0.042,
    ),
    "curly": Cut(
        length=1.25, spread=0.2, lift=0.55, fall=0.6, comb=(0.45, 0.1), mess=0.1, curl=0.07,
        turns=2.4, steps=22, strands=2400, width=0.036,
    ),
    "afro": Cut(
        length=0.45, spread=0.1, lift=1.0, fall=0.0, mess=0.12, curl=0.075, turns=4.5, steps=16,
        strands=3600, width=0.036,
    ),
    "bun": Cut(
        length=1.6, lift=0.1, fall=0.1, comb=(0.0, 1.0), mess=0.03, tied="bun", steps=9,
        strands=3600, width=0.036,
    ),
    "ponytail": Cut(
        length=1.6, lift=0.1, fall=0.1, comb=(0.0, 1.0), mess=0.03, tied="tail", steps=9,
        strands=3600, width=0.036,
    ),
    "braids": Cut(
        length=1.6, lift=0.1, fall=0.1, comb=(0.6, 0.1), mess=0.03, tied="braids", steps=20,
        strands=2600, width=0.036,
    ),
    "bald": Cut(strands=0),
}  # fmt: skip

BEARDS = {
    "moustache": Cut(
        length=0.075, lift=0.16, fall=0.35, comb=(1.3, 0.0), mess=0.12, strands=1500, width=0.009,
        steps=3,
    ),
    "goatee": Cut(
        length=0.1, lift=0.35, fall=0.8, comb=(0.3, 0.0), mess=0.16, strands=2200, width=0.009,
        steps=3,
    ),
    "short beard": Cut(
        length=0.05, lift=0.45, fall=0.6, comb=(0.3, 0.0), mess=0.2, strands=4800, width=0.009,
        steps=2,
    ),
    "full beard": Cut(
        length=0.2, spread=0.35, lift=0.4, fall=1.0, comb=(0.3, 0.0), mess=0.16, wave=0.01,
        strands=4600, width=0.012, steps=4,
    ),
}  # fmt: skip


def coarser(cut, detail):
    """A cut of fewer, wider strands, for small pictures: `detail` is the share of strands kept."""
    return replace(cut, strands=int(cut.strands * detail), width=cut.width / detail**0.7)


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
