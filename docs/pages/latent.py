"""docs/latent.md: the autoencoder, what it keeps and what it loses."""

import numpy as np

from benchmarks.common import photographs
from common.sheets import grid
from docs.shared import Page, save_picture, table

RENDERS = 4
SEED = 77
SIDE = 256
SQUARES = {"astronaut": (0, 96), "grace_hopper": (75, 130)}  # top and left of the faces
BRIGHTER = 4  # times, that errors are shown


def draw_kept(models):
    """Pictures, what comes back of them, and the error, of renders and of photographs."""
    from ddpm.bundle import default_vae, load_vae
    from ddpm.codec import latent_codec
    from docs.pages.faces import dataset

    codec = latent_codec(load_vae(default_vae(), "float32"))
    images = [picture.image for picture in dataset(RENDERS, RENDERS, SIDE, SEED)]
    for name, image in photographs().items():
        top, left = SQUARES[name]
        images.append(image[top : top + SIDE, left : left + SIDE])
    images = np.stack(images)
    back = codec.decode(codec.encode(images))
    error = np.abs(images.astype(int) - back).clip(0, 255 // BRIGHTER) * BRIGHTER
    rows = np.concatenate([images, back, np.uint8(error)])
    save_picture(grid(rows, columns=len(images)), "latent_kept")


def _rows(found):
    """A line of the table of autoencoders."""
    renders, speed = found["renders"], found["speed"]
    return [
        found["latent_channels"],
        f"{found['parameters'] / 1e6:.1f} M",
        f"{renders['psnr']:.1f} dB",
        f"{renders['dlib_cosine_median']:.3f}",
        f"{renders['point_error_median']:.1f}%",
        " / ".join(f"{value:.1f} dB" for value in found["photographs"].values()),
        f"{speed['decode']:.1f} s",
    ]


def context(results):
    """The template's values."""
    head = ["channels", "parameters", "renders", "dlib cosine", "points off", "photographs"]
    head.append("64 pictures decoded")
    found = results.get("latent", {})
    return {"kept": table(head, map(_rows, found.values())) if found else None}


PAGE = Page(
    path="docs/latent.md",
    files={"latent": "latent.json"},
    context=context,
    pictures={"latent_kept": draw_kept},
)
