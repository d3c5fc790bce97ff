"""What an autoencoder keeps of a picture. Written to benchmarks/results/latent.json, one key an
autoencoder.

    python -m benchmarks.latent weights/vae8.weights.h5 --held-out data/held256

renders       of other people than it was trained on: decibels of the peak signal over the error
              (PSNR), the cosine of dlib's vectors of a face before and after, how far MediaPipe's
              five points move, in shares of the distance between the eyes
frames        how much of the edges of glasses is where it was (`frame_agreement`)
photographs   two in the public domain that it has not seen: decibels
speed         seconds for 64 pictures of 256 px, encoded and decoded
"""

import time
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.common import RESULTS, machine, merge_json, photographs, spread
from benchmarks.faces_recognised import point_errors
from common.cli import sentences
from common.devices import PRECISIONS, choose_precision, start_backend
from common.files import sha256
from data.shape.parts import PART

TIMED = 64  # pictures
SMALLEST = 0.002  # share of a picture that glasses cover
ROUNDS = 3


def psnr(images, back):
    """Peak signal over error, decibels: uint8 (B, H, W, 3) twice -> float64 (B,)."""
    error = np.square(images.astype(np.float64) - back).mean((1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(error, 1e-12))


def through(codec, images):
    """Pictures encoded and decoded; the sides are cut to what can be: (images, back)."""
    height, width = (side // codec.stride * codec.stride for side in images.shape[1:3])
    images = images[:, :height, :width]
    return images, codec.decode(codec.encode(images))


def measure_renders(codec, images):
    """Decibels, likeness and moved points of rendered faces."""
    from facekit.detect import detect, largest
    from facekit.identity import available, load_embedder, similarity

    images, back = through(codec, images)
    decibels = psnr(images, back)
    result = {
        "pictures": len(images),
        "psnr": float(decibels.mean()),
        "psnr_quantiles": np.percentile(decibels, (10, 50, 90)).tolist(),
    }
    pairs = [(largest(detect(a)), largest(detect(b))) for a, b in zip(images, back, strict=True)]
    both = [i for i, (a, b) in enumerate(pairs) if a is not None and b is not None]
    result["found_before"] = sum(a is not None for a, _ in pairs)
    result["found_after"] = sum(b is not None for _, b in pairs)
    if not both:
        return result
    errors = 100 * point_errors([pairs[i][1].points5 for i in both],
                                [pairs[i][0].points5 for i in both])  # fmt: skip
    result |= {
        "point_error_median": float(np.median(errors)),
        "point_error_90": float(np.percentile(errors, 90)),
    }
    if "dlib" in available():
        embedder = load_embedder("dlib")
        cosines = [
            similarity(*(embedder.embed(picture, pairs[i][0].points5) for picture in (a, b)))
            for i in both
            for a, b in [(images[i], back[i])]
        ]
        result |= {
            "dlib_cosine_median": float(np.median(cosines)),
            "dlib_cosine_10": float(np.percentile(cosines, 10)),
        }
    return result


def edges(image):
    """Edges of a picture by Canny's method: uint8 (H, W, 3) -> bool (H, W)."""
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 60, 150) > 0


def frame_agreement(image, back, glasses):
    """Intersection over union of the edges at glasses before and after, a pixel's displacement
    forgiven: of the edges of both pictures together, the share within a pixel of one of the other.

    Args:
        image, back: uint8 (H, W, 3).
        glasses: bool (H, W), where they are.

    Returns:
        float, NaN where neither picture has an edge there.
    """
    square = np.ones((3, 3), np.uint8)
    there = cv2.dilate(np.uint8(glasses), square) > 0
    a, b = (edges(picture) & there for picture in (image, back))
    near_a, near_b = (cv2.dilate(np.uint8(found), square) > 0 for found in (a, b))
    total = a.sum() + b.sum()
    return ((a & near_b).sum() + (b & near_a).sum()) / total if total else np.nan


def measure_frames(codec, images, labels):
    """Agreement of the frames of all glasses that are large enough to be looked at."""
    glasses = np.asarray(labels) == PART["glasses"]
    worn = np.flatnonzero(glasses.mean((1, 2)) > SMALLEST)
    if not len(worn):
        return {"pictures": 0}
    before, back = through(codec, images[worn])
    found = [frame_agreement(*each) for each in zip(before, back, glasses[worn], strict=True)]
    low, middle, high = np.nanpercentile(found, (10, 50, 90))
    return {"pictures": len(worn), "median": middle, "quantile_10": low, "quantile_90": high}


def measure_photographs(codec):
    """Decibels of the two photographs, at their own size."""
    return {
        name: float(psnr(*through(codec, image[None]))[0]) for name, image in photographs().items()
    }


def measure_speed(codec, images):
    """Median seconds to encode and to decode `TIMED` pictures."""
    images = images[np.arange(TIMED) % len(images)]
    z = codec.encode(images)
    codec.decode(z)
    seconds = {"encode": [], "decode": []}
    for _ in range(ROUNDS):
        for name, function, x in (("encode", codec.encode, images), ("decode", codec.decode, z)):
            began = time.perf_counter()
            function(x)
            seconds[name].append(time.perf_counter() - began)
    return {"pictures": TIMED} | {name: float(np.median(s)) for name, s in seconds.items()}


@click.command(context_settings={"show_default": True})
@click.argument("vae", type=Path)
@click.option("--held-out", type=Path, required=True, help="Renders of other people, 256 px.")
@click.option("--n", type=click.IntRange(8), default=200, help="Of them that are measured.")
@click.option("--name", help="Of the result.  [default: the file's]")
@click.option("--out", type=Path, default=RESULTS / "latent.json")
@sentences()
def main(vae, held_out, n, name, out):
    """Measure what an autoencoder keeps of renders and photographs."""
    start_backend()
    from data import load_images
    from ddpm.bundle import load_vae
    from ddpm.codec import latent_codec

    model = load_vae(vae, PRECISIONS[choose_precision()])
    codec = latent_codec(model)
    pictures = load_images(held_out, 256)
    images = np.asarray(pictures.images)
    labels = pictures.labels
    frames = {"pictures": 0} if labels is None else measure_frames(codec, images, labels)
    images = images[spread(images, n)]
    result = {
        "digest": sha256(model.path),
        "latents": model.latents,
        "parameters": int(model.network.count_params()),
        "bytes": model.path.stat().st_size,
        "latent_channels": model.preset.network.latent_channels,
        "renders": measure_renders(codec, images),
        "frames": frames,
        "photographs": measure_photographs(codec),
        "speed": measure_speed(codec, images) | {"machine": machine()},
    }
    merge_json({name or model.path.name.partition(".")[0]: result}, out)
    for part in ("renders", "frames", "photographs", "speed"):
        click.echo(f"{part}: {result[part]}")


if __name__ == "__main__":
    main()
