"""docs/facekit.md: pictures by the functions of facekit, and what was measured of them.

The photographs are NASA's of Eileen Collins (from scikit-image) and the US Navy's of Grace Hopper
(from matplotlib), both in the public domain; all other faces are rendered.
"""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.common import photographs
from benchmarks.facekit import in_lights
from data.faces import make_faces
from docs.shared import Page, save_picture, table
from facekit import colour, control, draw, fuse, identity, masks, relight, retouch
from facekit.align import align, paste
from facekit.detect import detect, largest
from facekit.quality import quality
from facekit.score import Measured, MeasuredFace, fingerprint, rank

SIDE, GAP, WORDS = 230, 6, 22  # px: a picture, the space between two, the line under it
EMBEDDERS = ("dlib", "encoder")
LIT = (2, 9, 14)  # people of the sheet `relight`
PAPER, INK = (250, 250, 248), (60, 60, 60)


# --- pictures


def fitted(image, side=SIDE):
    """A picture in a square of `side` pixels."""
    scale = side / max(image.shape[:2])
    size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, size, interpolation=way)
    square = np.full((side, side, 3), PAPER, np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square


def sheet(rows, side=SIDE):
    """Rows of (picture, words) as one picture, each in a square of `side` pixels."""
    columns = max(len(row) for row in rows)
    page = Image.new(
        "RGB",
        (columns * (side + GAP) - GAP, len(rows) * (side + WORDS + GAP) - GAP),
        PAPER,
    )
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for y, row in enumerate(rows):
        for x, (image, words) in enumerate(row):
            left, top = x * (side + GAP), y * (side + WORDS + GAP)
            page.paste(Image.fromarray(fitted(image, side)), (left, top))
            pen.text((left + 2, top + side + 3), words, INK, font)
    return page


def grey(mask):
    return np.repeat(np.round(mask * 255).astype(np.uint8)[..., None], 3, axis=2)


def head(image, face, widths=2.0):
    """The part of a picture round a head, and the face in it."""
    return draw.close_up(image, face, side=2 * SIDE, widths=widths)


def detection():
    (astronaut, face), (hopper, other) = scenes()
    people = renders()[0]
    wall = np.concatenate([np.concatenate(people[i : i + 4], 1) for i in (0, 4, 8)])
    turned = np.ascontiguousarray(np.rot90(astronaut))
    return [
        [
            (draw.boxes(astronaut, detect(astronaut)), "box and five points"),
            (draw.points(*head(hopper, other)), "478 points"),
            (draw.boxes(turned, detect(turned)), "a camera held sideways"),
            (draw.boxes(wall, detect(wall)), "twelve, from left to right"),
        ]
    ]


def aligned():
    image, face = scenes()[1]
    turn = cv2.getRotationMatrix2D((260, 230), 35, 0.9)
    spun = cv2.warpAffine(image, turn, (512, 600), borderMode=cv2.BORDER_REFLECT_101)
    found = largest(detect(spun))
    portrait = align(spun, found.points5, 256, "portrait")
    corner = spun[150:, 130:]
    crop = align(spun, found.points5, 256, "arcface")
    changed = retouch.smooth_skin(crop.image, np.ones((256, 256), np.float32), 1.0)
    changed = np.clip(changed * (1.15, 1.0, 0.85), 0, 255).astype(np.uint8)
    return [
        [
            (spun, "a tilted photo"),
            (crop.image, "arcface"),
            (portrait.image, "portrait"),
            (
                align(corner, found.moved(-130, -150).points5, 256, "portrait").image,
                "cut off: reflected",
            ),
            (changed, "the face, changed"),
            (paste(spun, changed, crop.matrix), "and put back"),
        ]
    ]


def masked():
    rendered = [(image, largest(detect(image))) for image in renders()[0][:3]]
    shown = [*scenes(), rendered[1]]
    rows = []
    for image, face in shown:
        image, face = head(image, face)
        parts = {**masks.regions(face, image.shape), "hair": masks.hair(image, face)}
        rows.append(
            [
                (draw.masks(image, parts), "skin, brows, eyes, lips, hair"),
                (grey(masks.regions(face, image.shape, 0.02)["skin"]), "skin, feathered"),
                (grey(parts["hair"]), "hair"),
                (grey(masks.person(image, face)), "person"),
                (grey(masks.inner(face, image.shape)), "inner: what is painted anew"),
                (grey(masks.ring(face, image.shape)), "ring: the border"),
            ]
        )
    return rows


def coloured():
    rows = []
    for (image, face), (target, other) in (scenes(), scenes()[::-1]):
        parts = masks.regions(face, image.shape, 0.01)
        wanted = masks.regions(other, target.shape)["skin"]
        mask = masks.inner(face, image.shape, close=0, dilate=0)
        protect = np.clip(parts["lips"] + parts["eyes"] + parts["inner mouth"], 0, 1)
        plain = colour.transfer(image, target, mask, wanted)
        kept = colour.transfer(image, target, mask, wanted, protect=protect)
        lit = colour.transfer(image, target, mask, wanted, protect=protect, relight=True)
        half = colour.transfer(image, target, mask, wanted, strength=0.5, protect=protect)
        rows.append(
            [
                (head(image, face)[0], "a face"),
                (head(target, other)[0], "whose colours are wanted"),
                (head(plain, face)[0], "lips and eyes dyed as well"),
                (head(kept, face)[0], "lips and eyes left alone"),
                (head(lit, face)[0], "in the new light"),
                (head(half, face)[0], "strength 0.5"),
            ]
        )
    return rows


def from_the_side(light, _):
    """A light from the picture's left, and the same from its right."""
    return [replace(light, azimuth=azimuth, elevation=20.0) for azimuth in (-55.0, 55.0)]


def relit():
    """Faces lit from the left, fused into pictures of others who are lit from the right."""
    people = [in_lights(number, from_the_side) for number in LIT]
    rows = []
    for (image, _), (_, template) in zip(people, people[1:] + people[:1], strict=True):
        face, there = largest(detect(image)), largest(detect(template))
        lights = relight.estimate(image, face), relight.estimate(template, there)
        lit = relight.relight(image, face, *lights)
        made = [fuse.fuse(template, there, one, face, 1.0, inset=0.03) for one in (image, lit)]
        words = ["a face", "relit for the template", "template", "fused as it is", "fused relit"]
        shown = [(image, face), (lit, face), (template, there), *((one, there) for one in made)]
        rows.append([(head(*one, 1.9)[0], w) for one, w in zip(shown, words, strict=True)])
    return rows


def fused():
    rendered = [(image, largest(detect(image))) for image in renders()[0][3:5]]
    rows = []
    for (image, face), (other, other_face) in (scenes(), scenes()[::-1], rendered):
        mask = fuse.inset_mask(face, image.shape)
        pasted = fuse.paste_by_points(image, face.points5, other, other_face.points5, mask)
        warped, _ = fuse.warp_face(other, other_face.mesh, face.mesh, image.shape)
        made = [
            fuse.fuse(image, face, other, other_face, share=share, border=border)
            for share, border in ((0.6, "multiband"), (1.0, "multiband"), (1.0, "poisson"))
        ]
        words = ["template", "face", "by five points", "warped by its mesh"]
        words += ["fused, share 0.6", "share 1", "share 1, Poisson"]
        shown = [image, None, pasted, warped, *made]
        row = [
            (head(picture, face)[0], text)
            if picture is not None
            else (head(other, other_face)[0], text)
            for picture, text in zip(shown, words, strict=True)
        ]
        rows.append(row)
    return rows


def controls():
    rows = []
    for image, face in scenes():
        image, face = head(image, face)
        rows.append(
            [
                (image, "photo"),
                (control.canny(image), "canny"),
                (control.colour_grid(image), "colour grid"),
                (control.tile(image, factor=12), "tile"),
                (control.face_points(image.shape, face.mesh), "face points"),
                (control.face_points(image.shape, face.mesh, size=64), "face points at 64 px"),
            ]
        )
    return rows


def retouched():
    rows = []
    for image, face in scenes():
        skin = masks.regions(face, image.shape, 0.02)["skin"]
        view = head(image, face, 1.4)[0]
        small = cv2.resize(view, (48, 48), interpolation=cv2.INTER_AREA)
        rows.append(
            [
                (view, "photo"),
                (head(retouch.smooth_skin(image, skin, 0.5), face, 1.4)[0], "skin, strength 0.5"),
                (head(retouch.smooth_skin(image, skin, 1.0), face, 1.4)[0], "skin, strength 1"),
                (head(retouch.sharpen(image, 1.5, 1.5), face, 1.4)[0], "sharpened"),
                (cv2.resize(small, (460, 460), interpolation=cv2.INTER_CUBIC), "48 px, cubic"),
                (retouch.upscale(small, size=(460, 460)), "48 px, upscale"),
            ]
        )
    return rows


def ranked():
    """An album of one rendered person, with a stranger, a copy and spoilt ones, as it is ranked."""
    people, person = renders()
    small = cv2.resize(person[0], (200, 200), interpolation=cv2.INTER_AREA)
    album = {
        "a.png": person[0],
        "a copy.png": cv2.resize(small, (256, 256)),
        "b.png": person[1],
        "c.png": person[2],
        "blurred.png": cv2.GaussianBlur(person[3], (0, 0), 3.5),
        "dark.png": np.uint8(person[4] * 0.3),
        "noisy.png": np.clip(
            person[5] + np.random.default_rng(0).normal(0, 30, person[5].shape), 0, 255
        ).astype(np.uint8),
        "tilted.png": np.ascontiguousarray(np.rot90(person[1])),
        "stranger.png": people[2],
        "wall.png": np.full((256, 256, 3), (150, 140, 120), np.uint8),
    }
    embedder = identity.load_embedder()
    photos = []
    for name, image in album.items():
        faces = tuple(
            MeasuredFace(face, quality(image, face), embedder.embed(image, face.points5))
            for face in detect(image)
        )
        photos.append(Measured(name, faces, fingerprint(image), "" if faces else "no face found"))
    cells = []
    for photo in rank(photos, embedder.same):
        score = f"{photo.best.total:.2f}" if photo.best else "-"
        why = photo.reason.split("; ")
        words = next((w for w in why if not w.startswith("the person (")), why[0])
        words = words.split(" (")[0].replace("nothing to complain of", "")
        words = "the reference" if photo.reference else words
        cells.append((album[photo.path], f"{photo.rank}: {score}  {words}"))
    return [cells[:5], cells[5:]]


@cache
def renders():
    """Twelve rendered people, and one of them six times; uint8 (256, 256, 3) each."""
    with tempfile.TemporaryDirectory() as folder:
        people = np.load(make_faces(Path(folder) / "a", 12, 12, 256, 7, drawn=0) / "images.npy")
        person = np.load(make_faces(Path(folder) / "b", 6, 1, 256, 12, drawn=0) / "images.npy")
    return list(people), list(person)


@cache
def scenes():
    """The two photographs, each with its face: a list of (picture, `Face`)."""
    return [(image, largest(detect(image))) for image in photographs().values()]


SHEETS = {
    "detect": detection,
    "align": aligned,
    "masks": masked,
    "colour": coloured,
    "relight": relit,
    "fuse": fused,
    "control": controls,
    "retouch": retouched,
    "score": ranked,
}


def drawer(name):
    """The function of `Models` that draws docs/pictures/facekit_NAME.png."""

    def draw_sheet(models):
        page = sheet(SHEETS[name]())
        if name != "control":  # whose few colours must be right
            page = page.quantize(255, dither=Image.Dither.FLOYDSTEINBERG)
        save_picture(page, f"facekit_{name}")

    return draw_sheet


# --- numbers


def measured_rows(results):
    """The table of what was asked for: (what, measured, target)."""
    rows = []
    for size, r in results["detection"].items():
        if size == "machine":
            continue
        least = "99%" if size == "256" else "97%"
        rows.append(
            (
                f"faces found, {r['pictures']} renders of {size} px",
                f"{r['found']:.1%}",
                f">= {least}",
            )
        )
        rows.append(
            (
                f"five points, median error, {size} px",
                f"{r['point_error_median']:.1f}% of the inter-eye distance",
                "<= 4%" if size == "256" else "",
            )
        )
    yaw, pitch, roll = results["detection"]["256"]["pose_error_median"]
    rows.append(
        ("yaw, pitch, roll, median error, 256 px", f"{yaw:.1f}°, {pitch:.1f}°, {roll:.1f}°", "")
    )
    names = ("align", "colour", "relight", "fuse", "quality")
    a, c, lit, f, q = (results[name] for name in names)
    rows += [
        (
            f"unchanged face pasted back, {a['crops']} crops: lowest PSNR inside",
            "no value changed" if a["psnr_least"] > 130 else f"{a['psnr_least']:.1f} dB",
            ">= 45 dB",
        ),
        ("values changed outside the pasted region", a["values_changed_outside"], "0"),
        (
            f"colour transfer, {c['pairs']} pairs: mean and deviation within 1 unit of LAB",
            f"{c['within_one_unit']:.1%} (at most {c['mean_off_most']:.2f} and "
            f"{c['deviation_off_most']:.2f} off)",
            "all",
        ),
        (
            f"faces put into another light, {lit['pairs']} renders: distance in LAB to the truth",
            f"median {lit['matched']:.1f} matched in colour, {lit['relit']:.1f} relit as well "
            f"(nearer in {lit['nearer']})",
            "",
        ),
        (
            f"gradient energy in the ring over the template's, {f['pairs']} fusions",
            f"median {f['energy_ratio_median']:.3f}, maximum {f['energy_ratio_most']:.3f}",
            "<= 1.1",
        ),
        ("values changed outside the fused face", f["values_changed_outside"], "0"),
        (
            "steps of " + ", ".join(q["steps"]) + " that did not lower the quality",
            f"{sum(q['not_fallen'].values())} of {sum(q['steps'].values())}",
            "0",
        ),
    ]
    for name, r in results["masks"].items():
        if name != "machine":
            rows.append(
                (
                    f"{name} mask, median IoU with the renderer's, {r['n']} renders",
                    f"{r['iou_median']:.2f}",
                    "",
                )
            )
    return rows


def speed_rows(results):
    """Milliseconds for a photo of 640 px: (what, the median of each photo)."""
    photos = {k: v for k, v in results["speed"].items() if k != "machine"}
    first = next(iter(photos.values()))
    return [
        (
            what,
            *(
                f"{r[what]['median']:.1f} ({r[what]['least']:.1f}-{r[what]['most']:.1f})"
                for r in photos.values()
            ),
        )
        for what in first
    ]


def identity_rows(results):
    """A row for each embedder and kind of picture."""
    rows = []
    for kind in ("rendered", "photos"):
        for embedder in EMBEDDERS:
            found = results.get(kind, {}).get(embedder, {})
            found = found if kind == "rendered" else {"photographs": found}
            for crops, r in found.items():
                if r:
                    rows.append((embedder, crops.replace("_", " "), *_verified(r)))
    return rows


def _verified(r):
    return (
        f"{r['pairs_same']:,} / {r['pairs_different']:,}",
        f"{r['auc']:.4f}",
        f"{r['tar_at_far_1e-2']:.1%}" if r["pairs_different"] >= 100 else "",
        f"{r['cosine_same_median']:.2f} / {r['cosine_different_median']:.2f}",
    )


def strangers_rows(found):
    """A row for each threshold: strangers taken for the person, pairs of one person accepted."""
    names = [name for name in EMBEDDERS if name in found]
    for i, threshold in enumerate(found[names[0]]["thresholds"]):
        cells = [f"{found[n][key][i]:.1%}" for n in names for key in ("false", "own_accepted")]
        yield [f"{threshold:.2f}", *cells]


def strangers_table(found):
    names = [name for name in EMBEDDERS if name in found]
    head = [f"{name}: {what}" for name in names for what in ("strangers", "own")]
    return table(["cosine above", *head], strangers_rows(found))


def context(results):
    found, verified = results["facekit"], results["identity"]
    photos = [name for name in found["speed"] if name != "machine"]
    return {
        "measured": table(["", "measured", "target"], measured_rows(found)),
        "speed": table(["milliseconds, median (range)", *photos], speed_rows(found)),
        "identity": table(
            [
                "embedding",
                "crops",
                "pairs: same / different",
                "AUC",
                "TAR at 1% FAR",
                "median cosines",
            ],
            identity_rows(verified),
        ),
        "strangers": strangers_table(verified["strangers"]),
        "pairs": {name: f"{r['strangers']:,}" for name, r in verified["strangers"].items()},
        "people": next(iter(verified["strangers"].values()))["people"],
        "far": {
            name: f"{found['threshold_at_far_1e-2']:.2f}"
            for name, found in verified["strangers"].items()
            if name in EMBEDDERS
        },
        "same": {one.name: one.same for one in (identity.DlibEmbedder, identity.EncoderEmbedder)},
    }


PAGE = Page(
    "docs/facekit.md",
    {"facekit": "facekit.json", "identity": "identity.json"},
    context,
    {f"facekit_{name}": drawer(name) for name in SHEETS},
)
