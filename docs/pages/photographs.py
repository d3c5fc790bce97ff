"""docs/photographs.md: portraits of hard pairs beside the right answer, what is said of them."""

from pathlib import Path

import numpy as np

from benchmarks import photograph_cases
from benchmarks.photograph_pairs import read_pair, render_all
from benchmarks.photographs import (
    BROKEN_POINTS,
    BROKEN_SHARE,
    BROKEN_STEP,
    FAST,
    Copier,
    result_of,
)
from docs.pages.facekit import fitted, sheet
from docs.shared import Page, percent, save_picture, table
from portrait import checks, verdict
from portrait.settings import Settings

SHOWN = (("rim light", 1), ("half shadow", 0), ("colour casts", 0), ("hair", 0), ("sunglasses", 0))
STRENGTHS = ("0.0", "1.0")
LARGE = 300  # px, a picture of the five cases


def draw_pairs(_models):
    """Rows of template, reference, before, after and right answer."""
    rows, folder = [], Path("runs/photograph_pairs")
    render_all([kind for kind, _ in SHOWN], 2, folder)
    for kind, number in SHOWN:
        pair = read_pair(folder, kind, number)
        made = [
            result_of(pair, Settings(relight=float(strength), seed=number), Copier(), FAST)[0]
            for strength in STRENGTHS
        ]
        rows.append(np.concatenate([pair.template, pair.reference, *made, pair.truth], axis=1))
    save_picture(np.concatenate(rows), "photographs_pairs")


def draw_cases(_models):
    """A row for each of the five cases: template, reference, and what comes out."""
    rows = []
    for case in photograph_cases.cases():
        picture, _ = photograph_cases.result_of(case)
        shown = [(case.template, case.name), (case.references[0], "reference")]
        if len(case.references) > 1:
            shown[1] = (_album(case.references), "a folder of photos")
        if picture is not None:
            shown.append((picture, "what comes out"))
        rows.append(shown)
    save_picture(sheet(rows, LARGE), "photographs_cases")


def _album(images):
    """The first nine photos of a folder in one picture."""
    small = [fitted(image, LARGE // 3) for image in images[:9]]
    small += [np.full_like(small[0], 250)] * (9 - len(small))
    return np.concatenate([np.concatenate(small[i : i + 3], 1) for i in (0, 3, 6)])


def cases_table(found):
    """What becomes of each of the five cases, in words."""
    rows = []
    for name, one in found["rows"].items():
        said = "; ".join(one["said"]) or "nothing"
        rows.append([name, "a picture" if one["painted"] else "no picture", said])
    return table(["case", "what comes out", "what is said"], rows)


def kinds_table(found, before):
    """A row for each kind: before and after beside each other."""
    runs = [before["relight"][STRENGTHS[0]]["kinds"], found["relight"][STRENGTHS[1]]["kinds"]]
    rows = []
    for kind in runs[0]:
        both = [run[kind] for run in runs]
        rows.append([
            kind, _pair(both, "psnr", "{:.1f}"), _pair(both, "encoder", "{:.2f}"),
            _pair(both, "dlib", "{:.2f}"), _pair(both, "encoder_share", "{:.2f}"),
            _pair(both, "step", "{:.1f}"), _pair(both, "broken", "{}"),
        ])  # fmt: skip
    head = ["kind", "PSNR, dB", "encoder", "dlib", "share", "step", "far"]
    return table(head, rows)


def _pair(both, name, form):
    return ", ".join(form.format(one[name]) if name in one else "" for one in both)


def all_table(found, before):
    """What is wanted, and what was measured of all pairs: before, relit alone, with the parser."""
    rows = {
        "PSNR in the face, median": ("", lambda one: f"{one['psnr']:.1f} dB"),
        "pairs with at least 0.85 of the possible likeness, by the encoder": (
            "90%", lambda one: percent(one["encoder_enough"], 0)),
        "the same by dlib": (
            "90%", lambda one: percent(one["dlib_enough"], 0) if "dlib_enough" in one else ""),
        "step at the jaw, median": ("below 4", lambda one: f"{one['step']:.1f}"),
        "results that are far from the right answer": ("", lambda one: one["broken"]),
    }  # fmt: skip
    every = [before["relight"][strength]["all"] for strength in STRENGTHS]
    every.append(found["relight"][STRENGTHS[1]]["all"])
    cells = [[text, want, *map(show, every)] for text, (want, show) in rows.items()]
    return table(["all pairs", "wanted", "neither", "relit", "relit, with the parser"], cells)


def judged_table(found):
    """By kind: how many somebody would not keep, of how many of them and of the others a word is
    said."""
    relit = found["relight"][STRENGTHS[1]]
    rows = [
        [kind, one["broken"], one["broken_warned"], one["good"], one["good_warned"]]
        for kind, one in [*relit["judged_kinds"].items(), ("all", relit["judged"])]
    ]
    return table(["kind", "broken", "of these told", "others", "of these told"], rows)


def bounds_table():
    bounds = {name: f"above {bound}" for name, bound in verdict.BOUNDS.items()}
    least = " or ".join(f"{bound} ({name})" for name, bound in verdict.LIKE.items())
    bounds["likeness"] = f"below {least}"
    return table(["measure", "said", "when"], [(n, verdict.WORDS[n], bounds[n]) for n in bounds])


def context(results):
    found, before = (results["photographs"][name] for name in (FAST, "before"))
    model = found["painter"]
    rows = found["relight"][STRENGTHS[0]]["kinds"]
    return {
        "cases": cases_table(results["photographs"]["cases"]),
        "kinds": kinds_table(found, before),
        "all": all_table(found, before),
        "bounds": bounds_table(),
        "judged": judged_table(found),
        "n": next(iter(rows.values()))["pairs"],
        "stage": found["stage"],
        "about": "no model paints in it." if model == "none" else f"painted by {model}.",
        "broken": {"share": BROKEN_SHARE, "step": BROKEN_STEP, "points": BROKEN_POINTS},
        "checks": {
            "yaw": checks.MAX_YAW,
            "pitch": checks.MAX_PITCH,
            "seen": percent(checks.LEAST_SEEN, 0),
        },
    }


PAGE = Page(
    "docs/photographs.md",
    {"photographs": "photographs.json"},
    context,
    {"photographs_pairs": draw_pairs, "photographs_cases": draw_cases},
)
