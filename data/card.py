"""Renders the pictures that the documentation shows.

python -m data.card
"""

import tempfile
from pathlib import Path

import click
import numpy as np
from PIL import Image

from .faces import make_faces

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SEED = 41
# A colour for each part, sRGB, in the order of `parts.PARTS`.
PART_COLOURS = np.uint8(
    [
        (235, 235, 232), (232, 190, 160), (90, 60, 40), (70, 130, 180), (222, 160, 120),
        (190, 80, 90), (110, 30, 40), (240, 210, 150), (120, 90, 140), (150, 120, 90),
        (205, 165, 135), (110, 150, 120), (40, 40, 40), (200, 120, 60),
    ]
)  # fmt: skip


def grid(images, columns):
    """Lays pictures (N, S, S, 3) out in rows: uint8 (N / columns * S, columns * S, 3)."""
    rows = [np.concatenate(images[k : k + columns], 1) for k in range(0, len(images), columns)]
    return np.concatenate(rows)


def render(n, identities, size, seed):
    """Pictures uint8 (n, size, size, 3) and part maps uint8 (n, size, size) of a fresh dataset."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_faces(Path(folder) / "faces", n, identities, size, seed, drawn=0)
        return np.load(made / "images.npy"), np.load(made / "labels.npy")


def save(array, name):
    """Writes a picture under docs/pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(PICTURES / name, optimize=True)
    click.echo(f"docs/pictures/{name}: {array.shape[1]} x {array.shape[0]}")


@click.command(help=__doc__.splitlines()[0])
def main():
    portraits, _ = render(15, 15, 256, SEED)
    save(grid(portraits, 5), "faces_256.png")
    views, labels = render(12, 2, 160, SEED + 1)
    colours = PART_COLOURS[labels]
    rows = (views[:6], colours[:6], views[6:], colours[6:])
    save(grid(np.concatenate(rows), 6), "faces_truth.png")
    small, _ = render(96, 24, 64, SEED + 2)
    save(grid(small, 16), "faces_small.png")


if __name__ == "__main__":
    main()
