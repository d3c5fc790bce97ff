"""docs/faces.md, the card of the rendered faces, and docs/pictures/faces_*.png."""

from dataclasses import replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from common.sheets import grid
from data.faces import VERSION, sample_face
from data.people.person import sample_person
from data.people.view import attributes, sample_view
from data.shape.cuts import CUTS
from data.shape.parts import PARTS, STYLES
from docs.shared import Page, percent, save_picture, table

SEED = 41
# A colour for each part, sRGB, in the order of `parts.PARTS`.
PART_COLOURS = np.uint8(
    [
        (235, 235, 232), (232, 190, 160), (90, 60, 40), (70, 130, 180), (222, 160, 120),
        (190, 80, 90), (110, 30, 40), (240, 210, 150), (120, 90, 140), (150, 120, 90),
        (205, 165, 135), (110, 150, 120), (40, 40, 40), (200, 120, 60),
    ]
)  # fmt: skip
AGES = (18, 30, 42, 54, 66, 80)
# What each number should reach: (least or most, bound).
TARGETS = {
    "found_either": ("least", 0.99),
    "error_median": ("most", 5.0),
    "auc": ("least", 0.95),
    "between_people": ("least", 0.65),
    "met": ("least", 0.95),
    "64": ("least", 20),
    "256": ("least", 5),
    "slope_per_1000": ("most", 1.0),
}


# --- pictures


@cache
def renderer(size):
    """The `data.light.render.Renderer` of a size; one process must not make two."""
    from data.light.render import Renderer

    return Renderer(size)


def shoot(person, view, size):
    """A `data.light.render.Picture`."""
    return renderer(size).render(person, view)


def dataset(n, people, size, seed):
    """The first pictures of a dataset, as photos: a list of `data.light.render.Picture`."""
    settings = {"n": n, "identities": people, "seed": seed}
    return [shoot(*sample_face(i, settings)[:2], size) for i in range(n)]


def tiled(images, columns):
    """Pictures in rows without gaps: uint8 (H', W', 3)."""
    return grid(np.stack(images), columns, gap=0)


def named(image, name):
    """A picture with a word in its lower left corner."""
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    box = draw.textbbox((4, canvas.height - 14), name)
    draw.rectangle((0, box[1] - 2, box[2] + 4, canvas.height), fill=(255, 255, 255))
    draw.text((4, canvas.height - 14), name, fill=(30, 30, 30))
    return np.asarray(canvas)


def with_points(picture):
    """A picture with its visible landmarks as white dots and its five points as red ones."""
    zoom = 2
    size = picture.image.shape[0]
    canvas = Image.fromarray(picture.image).resize((size * zoom, size * zoom), Image.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    visible = [(x, y) for x, y, seen in picture.points.values() if seen]
    for points, radius, colour in ((visible, 2.0, "white"), (picture.points5, 3.6, (230, 30, 40))):
        for x, y in np.array(points) * zoom:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour, "black")
    return np.asarray(canvas.resize((size, size), Image.LANCZOS))


def portraits():
    """25 people, a square of five."""
    return tiled([p.image for p in dataset(25, 25, 256, SEED)], 5)


def views():
    """Four people, a row of six views each."""
    return tiled([p.image for p in dataset(24, 4, 160, SEED + 1)], 6)


def truth():
    """Four people: the picture, the points on it, and the part map."""
    pictures = dataset(4, 4, 288, SEED + 2)
    maps = [PART_COLOURS[p.labels] for p in pictures]
    rows = tiled([p.image for p in pictures] + [with_points(p) for p in pictures] + maps, 4)
    return np.concatenate([rows, legend(rows.shape[1])])


def legend(width):
    """A strip with the name of each part beside its colour: uint8 (20, width, 3)."""
    strip = Image.new("RGB", (width, 20), "white")
    draw = ImageDraw.Draw(strip)
    for number, name in enumerate(PARTS):
        left = number * width // len(PARTS)
        colour = tuple(PART_COLOURS[number].tolist())
        draw.rectangle((left + 3, 5, left + 12, 14), colour, (90, 90, 90))
        draw.text((left + 15, 4), name, fill=(30, 30, 30))
    return np.asarray(strip)


def small():
    """96 pictures of 64 px, of 24 people."""
    return tiled([p.image for p in dataset(96, 24, 64, SEED + 3)], 16)


def styles():
    """Three people, a row each: the photo and each of the other styles of the same view."""
    rows = [
        named(shoot(person, replace(view, style=style), 192).image, style)
        for person, view in sample(3, SEED + 4)
        for style in STYLES
    ]
    return tiled(rows, len(STYLES))


def cuts():
    """Every hair cut, on the first person drawn who wears it without a hat and faces us."""
    first = {}
    for person, view in sample(2000, SEED + 5):
        bare = not attributes(person, view).get("hat")
        if view.cut not in first and bare and abs(view.pose.yaw) < 25:
            first[view.cut] = person, view
    images = [named(shoot(*first[cut], 192).image, cut) for cut in CUTS if cut in first]
    columns = min(range(5, 9), key=lambda columns: -len(images) % columns)
    images += [np.full_like(images[0], 255)] * (-len(images) % columns)
    return tiled(images, columns)


def ages():
    """Four people from 18 to 80, drawn with the same luck and in the view of the youngest."""
    images = []
    for number in range(4):
        view = None
        for age in AGES:
            person = sample_person(np.random.default_rng([SEED, 6, number]), age)
            view = view or sample_view(person, np.random.default_rng([SEED, 7, number]))
            picture = shoot(replace(person, headscarf=False), replace(view, hat=""), 192)
            images.append(named(picture.image, f"{age} years"))
    return tiled(images, len(AGES))


def sample(n, seed):
    """People and views, one each, all photos."""
    for i in range(n):
        yield sample_face(i, {"n": n, "identities": n, "seed": seed})[:2]


SHEETS = {
    "256": portraits, "views": views, "truth": truth, "small": small, "styles": styles,
    "cuts": cuts, "ages": ages,
}  # fmt: skip


def drawer(name):
    """The function of `Models` that draws docs/pictures/faces_NAME.png."""
    return lambda models: save_picture(SHEETS[name](), f"faces_{name}")


# --- tables


def judged(name, value, unit=""):
    """The target of a number in words, and whether it is met."""
    word, bound = TARGETS[name]
    met = value >= bound if word == "least" else value <= bound
    shown = f"{100 * bound:g}%" if name in ("found_either", "met") else f"{bound:g}{unit}"
    return f"at {word} {shown}: {'met' if met else '**missed**'}"


def detection_rows(r):
    what = f"MediaPipe finds a face ({r['pictures']} people, {r['size']} px)"
    found = (
        f"{percent(r['found_either'])} (short-range detector {percent(r['found_short_range'])}, "
        f"mesh {percent(r['found_mesh'])})"
    )
    points = ", ".join(f"{name} {e:.1f}%" for name, e in r["error_median_by_point"].items())
    return [
        (what, found, judged("found_either", r["found_either"])),
        (
            "error of the mesh's five points (median, of the inter-eye distance)",
            f"{r['error_median']:.1f}% ({points})",
            judged("error_median", r["error_median"], "%"),
        ),
    ]


def identity_rows(r):
    def distances(name):
        d = r[name]
        return f"{d['median']:.2f} (1% to 99%: {d['1%']:.2f} to {d['99%']:.2f})"

    views = r["pictures"] // r["people"]
    return [
        (
            f"dlib's embedding, {r['people']} people, {views} views each, {r['size']} px: AUC, "
            "all pairs",
            f"{r['auc']:.4f}",
            judged("auc", r["auc"]),
        ),
        (
            "AUC against people of the same sex and main origin only",
            f"{r['auc_same_sex_and_main_origin']:.4f}",
            "",
        ),
        (
            "nearest neighbour is of the same person",
            percent(r["nearest_is_same_person"]),
            "",
        ),
        (
            "distance between pictures of one person, median",
            distances("within_a_person"),
            "below dlib's 0.6",
        ),
        (
            "distance between pictures of two people, median (photographs: 0.80)",
            distances("between_people"),
            judged("between_people", r["between_people"]["median"]),
        ),
        (
            "faces missed by dlib's own detector (box from the true points instead)",
            f"{r['not_found_by_detector']} of {r['pictures']}",
            "",
        ),
    ]


def speed_rows(r):
    return [
        (
            f"speed at {size} px, {r['workers']} processes, without start-up",
            f"{s['pictures_per_second']:.1f} pictures/s "
            f"({s['processor_seconds_per_picture']:.3f} CPU seconds each)",
            judged(size, s["pictures_per_second"], " a second"),
        )
        for size, s in r["sizes"].items()
    ]


def memory_rows(r):
    return [
        (
            f"memory of a process over {r['pictures']:,} pictures of {r['size']} px",
            f"{r['start']:.0f} MB at the start, {r['end']:.0f} at the end, maximum "
            f"{r['maximum']:.0f}; {r['slope_per_1000']:+.2f} MB per 1000 pictures",
            judged("slope_per_1000", r["slope_per_1000"], " MB per 1000"),
        )
    ]


def kill_rows(r):
    at = " and ".join(f"{k:,}" for k in r["killed_at_picture"])
    found = "all files identical" if r["equal"] else "**files differ**"
    what = f"{r['pictures']:,} pictures in one run, and with `kill -9` after {at}"
    return [(what, found, "identical files: " + ("met" if r["equal"] else "**missed**"))]


def words_rows(r):
    def shares(found):
        return f"{percent(found['met'])} ({percent(found['as typed'])} as typed)"

    typed = ", ".join(f"{name} {shares(found)}" for name, found in r["lists"].items())
    what = (
        f"words of prompts by strangers, three lists of 200, that the {r['vocabulary']} words of "
        f"{r['captions']:,} captions meet, as they are or by a synonym"
    )
    return [(what, typed, judged("met", r["lists"]["first"]["met"]))]


ROWS = {
    "detection": detection_rows, "identity": identity_rows, "words": words_rows,
    "speed": speed_rows,
    "memory": memory_rows, "kill": kill_rows,
}  # fmt: skip


def balance_tables(r):
    """Tables of shares and quantiles."""
    shares = [
        (name, ", ".join(f"{value} {percent(share)}" for value, share in values.items()))
        for name, values in r["shares"].items()
    ]
    percents = list(next(iter(r["quantiles"].values())))
    numbers = [
        (name, *(f"{value:.4g}" for value in values.values()))
        for name, values in r["quantiles"].items()
    ]
    head = ["", *("least" if p == "0" else "most" if p == "100" else f"{p}%" for p in percents)]
    return {
        "people": r["people"],
        "shares": table(["", "share"], shares),
        "quantiles": table(head, numbers),
    }


def measured(faces):
    """The table of what was measured: rows of (what, result, target)."""
    rows = []
    for part, make in ROWS.items():
        if part not in faces:
            rows.append((part, "not measured yet", ""))
            continue
        version = faces[part].get("version")
        earlier = "" if version == VERSION else f" (version {version}, not measured again yet)"
        rows += [(what + earlier, *rest) for what, *rest in make(faces[part])]
    return table(["", "measured", "target"], rows)


def ratio_tables(versions):
    """Tables of the ratios of faces, from {version: what `benchmarks.faces_ratios` measured}."""
    names = sorted(versions, key=int)
    last = versions[names[-1]]
    rows = []
    for ratio, known in last["ratios"].items():
        cells = [ratio, spread_of(known["photographs"])]
        for name in names:
            of = versions[name]["ratios"][ratio]
            cells += [spread_of(of["renders"]), f"{of['off']:+.2f}", f"{of['spread']:.2f}"]
        rows.append(cells)
    head = ["length over the face's width", "photographs"]
    for name in names:
        head += [f"version {name}", "off by", "spread"]
    distances = [
        (f"version {name}", of["faces"], *(f"{of['mahalanobis'][q]:.2f}" for q in ("50%", "90%")))
        for name, of in ((name, versions[name]) for name in names)
    ]
    groups = [
        (group, of["faces"], f"{of['mahalanobis']:.2f}", *(f"{x:+.1f}" for x in of["off"].values()))
        for group, of in last["groups"].items()
    ]
    return {
        "version": names[-1],
        "rows": table(head, rows),
        "distances": table(["", "faces", "median", "90%"], distances),
        "groups": table(["", "faces", "distance", *last["ratios"]], groups),
    }


def spread_of(pair):
    """A mean and a deviation."""
    return f"{pair[0]:.3f} ± {pair[1]:.3f}"


def context(results):
    faces, ratios = results["faces"], results.get("ratios")
    balance = balance_tables(faces["balance"]) if "balance" in faces else None
    return {
        "measured": measured(faces),
        "balance": balance,
        "ratios": ratio_tables(ratios) if ratios else None,
    }


FILES = {"faces": "faces.json", "ratios": "faces_ratios.json"}
PAGE = Page("docs/faces.md", FILES, context, {f"faces_{name}": drawer(name) for name in SHEETS})
