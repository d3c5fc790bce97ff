"""LiDB: adapters of rank 1 between two random bases, so that a person is a few thousand numbers.

    delta W = scale (A_aux a) (b B_aux)

A_aux and B_aux are drawn from a seed and the kernel's name and are the same wherever they are made:
they are never trained and never saved. Starts no backend.

Reference:
    Ruiz et al. 2023, HyperDreamBooth (arXiv:2307.06949), section 4.1, "Lightweight DreamBooth".
"""

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

NUMBERS = (64, 32)  # of a kernel: before and behind
MAX_NUMBERS = 256
MAX_SIDE = 1 << 16  # of a kernel; more is no kernel, but a damaged file
MAX_SEED = 1 << 32
MAX_BASES = 50_000_000  # numbers of all bases together; a damaged file could ask for more memory
# Which kernels an adapter changes; see `is_of`.
ATTENTION, DENSE, ALL = CHOICES = ("attention", "dense", "all")
# Arrays of a batch: features of faces; numbers of light adapters, predicted or known before.
REFERENCE, PREDICTED, KNOWN = "reference", "predicted", "known"


def parse_numbers(words):
    """Numbers of a kernel: "64+32" -> (64, 32).

    Raises:
        ValueError: one sentence, for anything else.
    """
    parts = [part.strip() for part in words.split("+")]
    if len(parts) != 2 or not all(p.isdecimal() and 0 < int(p) <= MAX_NUMBERS for p in parts):
        raise ValueError(
            f"numbers of a kernel are BEFORE+BEHIND, from 1 to {MAX_NUMBERS} each, such as 64+32. "
            f"Received: {words!r}."
        )
    return int(parts[0]), int(parts[1])


def is_of(name, shape, choice):
    """Whether a kernel is one of a choice.

    Args:
        name: of the kernel: "in1/blocks/0/attention/q/kernel".
        shape: of the kernel.
        choice: "attention": those of self- and cross-attention; "dense": of all dense layers;
            "all": of convolutions, too.
    """
    if choice == ATTENTION:
        return any(part.endswith("attention") for part in name.split("/")[:-1])
    return choice == ALL or len(shape) == 2


@dataclass(frozen=True)
class LightForm:
    """What the numbers of a light adapter mean.

    Args:
        shapes: {name of a kernel: its shape, (..., I, O)}, L of them.
        scales: {name of a kernel: root mean square of the base's kernel}; 1 for those that are
            missing.
        numbers: (A, B), of each kernel; of one with a shorter side, as many as that is long.
        seed: of the bases.

    Raises:
        ValueError: if one of them is out of its range.
    """

    shapes: dict
    scales: dict
    numbers: tuple = NUMBERS
    seed: int = 0

    def __post_init__(self):
        shapes = {str(name): tuple(map(int, shape)) for name, shape in self.shapes.items()}
        object.__setattr__(self, "shapes", shapes)
        object.__setattr__(self, "scales", {n: float(s) for n, s in self.scales.items()})
        object.__setattr__(self, "numbers", tuple(map(int, self.numbers)))
        sides = [side for shape in shapes.values() for side in shape]
        good = all(len(shape) in (2, 4) for shape in shapes.values()) and shapes
        good = good and all(0 < side <= MAX_SIDE for side in sides)
        good = good and all(_inputs(shape) <= MAX_SIDE for shape in shapes.values())
        good = good and len(self.numbers) == 2 and 0 <= self.seed < MAX_SEED
        good = good and all(0 < number <= MAX_NUMBERS for number in self.numbers)
        if good:
            a, b = self.numbers
            sides = ((_inputs(shape), shape[-1]) for shape in shapes.values())
            good = sum(before * a + behind * b for before, behind in sides) <= MAX_BASES
        if not good or not set(self.scales) <= set(shapes):
            raise ValueError(
                "a light adapter has kernels with sides above 0, numbers from 1 to "
                f"{MAX_NUMBERS} and a seed. Received: {self.to_dict()}."
            )

    @property
    def rows(self):
        """L, how many kernels."""
        return len(self.shapes)

    @property
    def columns(self):
        """A + B, numbers of a kernel."""
        return sum(self.numbers)

    def scale(self, name):
        """Root mean square of the base's kernel."""
        return self.scales.get(name, 1.0)

    def own(self, name):
        """(A, B) of one kernel: at most its sides."""
        shape = self.shapes[name]
        return min(self.numbers[0], _inputs(shape)), min(self.numbers[1], shape[-1])

    def bases(self, name):
        """A_aux (n, A) and B_aux (B, O) of a kernel, float32, n = prod(..., I).

        The columns of A_aux and the rows of B_aux are orthogonal, and as long as it takes for
        A_aux a and b B_aux to have elements of root mean square 1 for vectors of length 1.
        """
        a, b = self.own(name)
        return _bases(name, _inputs(self.shapes[name]), self.shapes[name][-1], a, b, self.seed)

    def used(self):
        """Which of the numbers count: bool (L, A + B); those of kernels with shorter sides do not
        all."""
        used = np.zeros((self.rows, self.columns), bool)
        for row, name in zip(used, self.shapes, strict=True):
            a, b = self.own(name)
            row[:a] = row[self.numbers[0] : self.numbers[0] + b] = True
        return used

    def start(self):
        """Numbers that change nothing: float32 (L, A + B), a of length 1 and b = 0."""
        start = self.used().astype(np.float32)
        start[:, self.numbers[0] :] = 0.0
        return start / np.linalg.norm(start, axis=1, keepdims=True)

    def factors(self, numbers):
        """What numbers mean, as products of matrices.

        Args:
            numbers: float (L, A + B).

        Returns:
            {name of a kernel: (down (..., I, 1), up (1, O), 1.0)}, float32: the `factors` of an
            `adapters.AdapterFile`.
        """
        found = {}
        for row, (name, shape) in zip(np.asarray(numbers), self.shapes.items(), strict=True):
            (before, behind), (a, b) = self.bases(name), self.own(name)
            down = before @ row[:a].astype(np.float32) * np.float32(self.scale(name))
            up = row[self.numbers[0] : self.numbers[0] + b].astype(np.float32) @ behind
            found[name] = (down.reshape(*shape[:-1], 1), up[None], 1.0)
        return found

    def to_dict(self):
        """The form as JSON can hold it."""
        return {
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "scales": dict(self.scales),
            "numbers": list(self.numbers),
            "seed": self.seed,
        }


def _inputs(shape):
    return int(np.prod(shape[:-1], dtype=np.int64))


@lru_cache(maxsize=512)
def _bases(name, inputs, outputs, a, b, seed):
    """See `LightForm.bases`."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    before = _orthogonal(rng, inputs, a) * np.sqrt(inputs)
    behind = _orthogonal(rng, outputs, b).T * np.sqrt(outputs)
    return before.astype(np.float32), behind.astype(np.float32)


def _orthogonal(rng, rows, columns):
    """Columns of length 1 at right angles to each other, uniformly random: float64 (rows, columns).

    The signs of a QR decomposition are the library's choice; with a positive diagonal it is unique
    (Mezzadri 2007, How to generate random matrices from the classical compact groups).
    """
    q, r = np.linalg.qr(rng.normal(size=(rows, columns)))
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)
