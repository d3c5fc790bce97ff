"""The restorer and the retoucher on unseen renders and on photographs. Written to
benchmarks/results/restoration.json.

    python -m data --n 600 --identities 600 --size 256 --seed 780 --out data/held256
    python -m data.blemishes --n 60 --seed 781 --out data/blemishes_held
    python -m benchmarks.restoration --data data/held256 --pairs data/blemishes_held

Restoration, each beside bicubic enlargement and `facekit.retouch.upscale` (Lanczos, sharpened):

clean       renders that were only reduced: decibels of PSNR, and the distance of the face encoder's
            grid of features (1 - cosine, the mean over cells), as LPIPS takes features of a network
degraded    renders blurred, reduced, noisy and compressed at random: the same, and the cosine of
            the face's embedding to that of the original
photographs two, reduced: decibels
seconds     of a result of two megapixels

Retouching, learned and by `facekit.retouch.smooth_skin` at strength 1: the share of the difference
between the two renders of a pair that is left on the skin, the cosine of the face's embedding
before and after, and how much of the skin's fine texture is there afterwards. Medians, but where
"least" is said.
"""

import json
import time
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.common import RESULTS, machine, merge_json, photographs, spread
from common.cli import sentences
from facekit import masks, restore, retouch, retoucher
from facekit.align import align
from facekit.degrade import SCALES, Degradation, reduced, reduced_size
from facekit.detect import detect, largest
from facekit.identity import available, load_embedder, similarity
from facekit.parsing import PART
from facekit.train_parser import load_labelled
from facekit.train_retoucher import SKIN, load_pairs

SEED = 31338
MEGAPIXELS = (1224, 1632)  # of the result that is timed
TEXTURE = 1.0  # px: what a blur of this deviation takes away is texture


@click.command(context_settings={"show_default": True})
@click.option("--data", type=Path, help="Unseen renders; without it no restoration.")
@click.option("--pairs", type=Path, help="Unseen pairs; without it no retouching.")
@click.option("--n", type=click.IntRange(1), default=100, help="Renders at most.")
@click.option("--restorer", type=Path, default=restore.WEIGHTS)
@click.option("--retoucher", "second", type=Path, default=retoucher.WEIGHTS)
@click.option("--out", type=Path, default=RESULTS / "restoration.json", help="JSON.")
@sentences()
def main(data, pairs, n, restorer, second, out):
    """Measure the restorer and the retoucher."""
    result, embedders = {}, {name: load_embedder(name) for name in available()}
    if data:
        result["restoration"] = restoration(restore.Restorer(restorer), data, n, embedders)
    if pairs:
        result["retouching"] = retouching(retoucher.Retoucher(second), pairs, embedders)
    for part in result.values():
        part["machine"] = machine()
    merge_json(result, out)
    click.echo(json.dumps(result, indent=1))


# --- restoration


def restoration(restorer, data, n, embedders):
    """All numbers of a `facekit.restore.Restorer`."""
    images = load_labelled(data).images
    chosen = [np.asarray(images[i]) for i in spread(images, n)]
    chosen = [(image, face) for image in chosen if (face := largest(detect(image)))]
    if not chosen:
        raise ValueError(f"{data}: no face is found in its pictures; name renders of faces.")
    result = {"pictures": len(chosen), "clean": {}, "degraded": {}, "photographs": {}}
    for scale in SCALES:
        makers = {"bicubic": bicubic, "upscaled": _upscaled, "restored": restorer}
        for name, degradation in (("clean", Degradation(clean=1)), ("degraded", Degradation(0))):
            rows = {maker: [] for maker in makers}
            for i, (image, face) in enumerate(chosen):
                poor = degradation(image, scale, np.random.default_rng((SEED, i)))
                for maker, make in makers.items():
                    rows[maker].append(_beside(make(poor, scale), image, face, embedders))
            result[name][f"x{scale}"] = {maker: _medians(r) for maker, r in rows.items()}
        result["photographs"][f"x{scale}"] = {
            name: {maker: psnr(make(poor, scale), image) for maker, make in makers.items()}
            for name, image, poor in _reduced_photographs(scale)
        }
    result["seconds"] = {f"x{scale}": seconds(restorer, scale) for scale in SCALES}
    return result


def psnr(image, truth):
    """Decibels between two uint8 pictures."""
    error = np.square(image.astype(float) - truth).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def seconds(restorer, scale, rounds=3):
    """Median seconds to a result of two megapixels, the network compiled before."""
    height, width = (n // scale for n in MEGAPIXELS)
    image = np.random.default_rng(SEED).integers(0, 256, (height, width, 3), dtype=np.uint8)
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        restorer(image, scale)
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))


def bicubic(image, scale):
    """Bicubic enlargement of a picture: uint8 (H, W, 3) -> uint8 (scale H, scale W, 3)."""
    return np.clip(np.rint(restore.bicubic(image, scale)), 0, 255).astype(np.uint8)


def _upscaled(image, scale):
    return retouch.upscale(image, factor=scale)


def _reduced_photographs(scale):
    for name, image in photographs().items():
        height, width = (n // scale * scale for n in image.shape[:2])
        whole = image[:height, :width]
        yield name, whole, reduced(whole, reduced_size(whole, scale))


def _beside(made, image, face, embedders):
    """The numbers of one enlargement beside the original."""
    encoder, row = embedders["encoder"], {"psnr": psnr(made, image)}
    crops = [align(one, face.points5, encoder.settings.size).image for one in (made, image)]
    grids = np.asarray(encoder.features(np.stack(crops))[:, :, :-1], float)
    first, second = (g / np.linalg.norm(g, axis=-1, keepdims=True) for g in grids)
    row["features"] = float(1 - (first * second).sum(-1).mean())
    for name, embedder in embedders.items():
        found = (embedder.embed(one, face.points5) for one in (made, image))
        row[name] = float(similarity(*found))
    return row


def _medians(rows):
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}


# --- retouching


def retouching(learned, folder, embedders):
    """All numbers of a `facekit.retoucher.Retoucher`, beside smoothing."""
    pairs, rows = load_pairs(folder), {"learned": [], "smoothed": []}
    for i in range(len(pairs.after)):
        image, labels, _ = pairs.before.row(i)
        face = largest(detect(image))
        if face is None:
            continue
        skin = masks.regions(face, image.shape)["skin"]
        made = {
            "learned": learned(image, face, skin),
            "smoothed": retouch.smooth_skin(image, skin, 1.0, masks.face_width(face)),
        }
        where = (skin > 0.99) & np.isin(labels, [PART[name] for name in SKIN])
        for name, one in made.items():
            rows[name].append(_retouched(one, image, pairs.after[i], where, face, embedders))
    result = {"pairs": len(rows["learned"])}
    for name, found in rows.items():
        least = {f"{n}_least": min(row[n] for row in found) for n in embedders}
        result[name] = _medians(found) | least
    return result


def _retouched(made, image, truth, where, face, embedders):
    made_, image_, truth_ = (one.astype(float)[where] for one in (made, image, truth))
    row = {"left": float(np.abs(made_ - truth_).sum() / max(np.abs(image_ - truth_).sum(), 1.0))}
    row["texture"] = texture(made, where) / max(texture(image, where), 1e-6)
    for name, embedder in embedders.items():
        found = (embedder.embed(one, face.points5) for one in (made, image))
        row[name] = float(similarity(*found))
    return row


def texture(image, where):
    """Mean absolute value of what a blur takes away, in a mask bool (H, W)."""
    fine = image.astype(np.float32) - cv2.GaussianBlur(image, (0, 0), TEXTURE).astype(np.float32)
    return float(np.abs(fine)[where].mean())


if __name__ == "__main__":
    main()
