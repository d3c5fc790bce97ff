"""docs/adapters.md: a person and a style learned from a few pictures, and what was measured."""

import numpy as np

from docs.shared import ROOT, Page, percent, read_results, save_picture, table

WORK = ROOT / "runs" / "adapters"  # where `benchmarks.adapters` keeps what it draws
ROWS = {
    "words": "the base, by the person's looks in words",
    "identity": "the base, by the identity condition",
    "inversion": "textual inversion",
    "dreambooth": "DreamBooth",
    "lora": "LoRA (dense layers)",
    "locon": "LoCon (convolutions, too)",
    "blocks": "LoCon on some blocks",
}
RUNS = {
    "before": "the base",
    "locon": "LoCon, with prior loss",
    "locon_alone": "LoCon, without",
    "dreambooth": "DreamBooth, with prior loss",
    "dreambooth_alone": "DreamBooth, without",
}
PARTS = ("full", "upper", "middle", "lower")
SHOWN = 8  # pictures a row
EMBEDDERS = {"encoder": "encoder", "dlib": "dlib"}
WANTED = 0.9  # of the likeness of two views, and of the base's obedience


# --- pictures


def draw_methods(models):
    """The views of the first person that were learned from, and what each way draws of them, from
    what the benchmark left in its folder."""
    from benchmarks.adapters_people import people
    from common.images import resize
    from common.sheets import labelled_grid

    found = read_results(PAGE)["adapters"]["methods"]
    person = people(WORK / found["set"])[0]
    folder = WORK / found["weights_sha256"] / "people00"
    labels, rows = ["the person: five views to learn from, three held out"], []
    first = np.load(folder / f"{next(iter(found['rows']))}.npy")
    rows.append(np.stack([resize(view, first.shape[1]) for view in person.images]))
    for name in found["rows"]:
        labels.append(ROWS[name])
        rows.append(np.load(folder / f"{name}.npy")[:SHOWN])
    save_picture(labelled_grid(np.stack(rows), labels, zoom=zoom_of(first)), "adapters_methods")


def draw_styles(models):
    """The first person and the first style: parts of the person's adapter by rows, of the style's
    by columns."""
    from benchmarks.adapters_people import style_trigger
    from common.sheets import labelled_grid

    found = read_results(PAGE)["adapters"]["styles"]
    style = next(iter(found["styles"]))
    folder = WORK / found["weights_sha256"] / "people00" / style_trigger(style)
    rows = [
        np.concatenate([np.load(folder / f"{part}_{other}.npy")[:2] for other in ("none", *PARTS)])
        for part in PARTS
    ]
    sheet = labelled_grid(np.stack(rows), [f"person: {part}" for part in PARTS], zoom_of(rows[0]))
    save_picture(sheet, "adapters_styles")


def zoom_of(images):
    """By how much small pictures are enlarged in a sheet."""
    return max(1, 128 // images.shape[1])


# --- tables


def value(pair, digits=2):
    """A mean with half of its interval: "0.43 ± 0.05"; "-" where nothing could be measured."""
    mean, half = pair
    if mean is None:
        return "-"
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if half else "")


def size_of(count):
    """Bytes in words: "0.92 MB", "1.5 kB"; nothing for none."""
    if not count:
        return ""
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def embedders(found):
    """The names of the embedders that were measured, the project's first."""
    near = next(iter(found["rows"].values()))["likeness"]
    return [name for name in EMBEDDERS if name in near]


def methods_table(found):
    names = embedders(found)
    rows = []
    for row, measured in found["rows"].items():
        cells = [value(measured["likeness"][name]) for name in names]
        cells += [value(measured["obedience"]["all"]), f"{measured['diversity'][0]:.0f}"]
        cells += [value(measured["not_found"], 1)]
        learned = measured["bytes"][0]
        cells += [
            f"{measured['seconds'][0]:.0f}" if learned else "",
            f"{measured['cpu_seconds'][0]:.0f}" if learned else "",
            size_of(learned),
        ]
        rows.append([ROWS[row], *cells])
    for row in ("two views", "two views at the model's size", "strangers"):
        if row in found["real"]:
            cells = [f"{found['real'][row][name]:.2f}" for name in names]
            rest = ["", f"{found['real']['diversity']:.0f}" if row == "two views" else ""]
            rows.append([f"*{row}*", *cells, *rest, "", "", "", ""])
    head = ["", *(f"likeness, {name}" for name in names), "obedience", "diversity", "no face"]
    return table([*head, "seconds", "CPU seconds", "learned"], rows)


def recipe_table(found):
    names = embedders(found)
    rows = [
        [
            "the base, in words" if row == "words" else f"`{row}`",
            *(value(measured["likeness"][name]) for name in names),
            value(measured["obedience"]["all"]),
            f"{measured['diversity'][0]:.0f}",
            f"{measured['cpu_seconds'][0]:.0f}" if measured["bytes"][0] else "",
            size_of(measured["bytes"][0]),
        ]
        for row, measured in found["rows"].items()
    ]
    head = ["ranks, rate, steps", *(f"likeness, {name}" for name in names)]
    return table([*head, "obedience", "diversity", "CPU seconds", "learned"], rows)


def merging_table(found):
    names = embedders(found)
    steps = {f"checkpoint {i}": f"after {n} steps" for i, n in enumerate(found["steps"], 1)}
    rows = []
    for row, measured in found["rows"].items():
        title = steps.get(row, row.replace("merged", "**changes merged by shares**"))
        title = title.replace("averaged", "factors averaged by shares")
        cells = [value(measured["likeness"][name]) for name in names]
        rows.append([title, *cells, value(measured["obedience"]["all"])])
    return table(["", *(f"likeness, {name}" for name in names), "obedience"], rows)


def prior_table(found):
    names = [n for n in EMBEDDERS if n in found["rows"]["before"]["class_likeness"]]
    rows = []
    for row, measured in found["rows"].items():
        own = measured.get("likeness", {})
        rows.append(
            [
                RUNS[row],
                *(value(measured["class_likeness"][name]) for name in names),
                value([1000 * v for v in measured["kernel"]], 1),
                f"{measured['diversity'][0]:.0f}",
                *(value(own[name]) if name in own else "" for name in names),
            ]
        )
    head = ["", *(f"class like the person, {name}" for name in names), "kernel x 1000"]
    return table([*head, "diversity", *(f"person, {name}" for name in names)], rows)


def styles_table(rows, embedder="encoder"):
    """Likeness / share in the style, the person's parts by rows, the style's by columns."""
    lines = []
    for part in ("none", *PARTS):
        cells = []
        for other in ("none", *PARTS):
            row = rows.get(f"{part} + {other}")
            near, share = (row["likeness"][embedder], row["style"]) if row else (None, None)
            cells.append(f"{value(near)[:5].strip()} / {percent(share[0], 0)}" if row else "")
        lines.append([f"person: {part}", *cells])
    return table(["", *(f"style: {part}" for part in ("none", *PARTS))], lines)


# --- what they say


def methods_said(found):
    """How near the wanted shares each learned row comes: a list of sentences."""
    rows, real, said = found["rows"], found["real"]["two views"]["encoder"], []
    base = rows["words"]["obedience"]["all"][0]
    for row in ("lora", "locon", "blocks", "dreambooth", "inversion"):
        if row in rows:
            near = rows[row]["likeness"]["encoder"][0] / real
            heeds = rows[row]["obedience"]["all"][0] / base
            reached = [near >= WANTED, heeds >= WANTED]
            word = {2: "both reached", 1: "one reached", 0: "neither reached"}[sum(reached)]
            said.append(f"{ROWS[row]}: {percent(near, 0)} and {percent(heeds, 0)} ({word})")
    return "; ".join(said) + "."


def recipe_said(found):
    """The setting with the largest likeness, beside what is wanted: a sentence."""
    rows, real = dict(found["rows"]), found["real"]["two views"]["encoder"]
    base = rows.pop("words")["obedience"]["all"][0]
    name = max(rows, key=lambda row: rows[row]["likeness"]["encoder"][0])
    row = rows[name]
    near, heeds = row["likeness"]["encoder"][0] / real, row["obedience"]["all"][0] / base
    return (
        f"Nearest to the person is `{name}`: {percent(near, 0)} of the likeness of two views "
        f"({real:.2f}) and {percent(heeds, 0)} of the base's obedience, in "
        f"{row['cpu_seconds'][0]:.0f} CPU seconds and {size_of(row['bytes'][0])}."
    )


def merging_said(found):
    rows = {name: row["likeness"]["encoder"][0] for name, row in found["rows"].items()}
    best, merged, averaged = (rows[k] for k in ("best by validation", "merged", "averaged"))
    than = "at least" if merged >= best else "below"
    beside = "below" if averaged < merged else "not below"
    return (
        f"The merged adapter is {than} the checkpoint that validation prefers on average "
        f"({merged:.3f} and {best:.3f}), for {found['merged_at_least_best_by_validation']} of "
        f"{found['people']} people; the averaged factors are {beside} it ({averaged:.3f})."
    )


def styles_said(found):
    """Which part of the network carries the style, of all styles: a sentence."""
    shares, near = {}, {}
    for part in PARTS:
        rows = [one[f"full + {part}"] for one in found["styles"].values()]
        shares[part] = float(np.mean([row["style"][0] for row in rows]))
        near[part] = float(np.mean([row["likeness"]["encoder"][0] for row in rows]))
    best = max(PARTS[1:], key=lambda part: shares[part])
    listed = ", ".join(f"{p} {percent(shares[p], 0)} at likeness {near[p]:.2f}" for p in PARTS)
    paper = "as in the paper" if best == "upper" else "not the upper one, as in the paper"
    if min(shares.values()) >= 0.75:
        return (
            f"Beside a full person every part carries the style: {listed}. It is not confined to "
            "the upper blocks, as it is in the paper's Stable Diffusion; why was not looked into. "
            "What the parts differ in is how much of the person they leave."
        )
    if max(shares.values()) < 0.3:
        return f"No combination carries the style here: beside a full person, {listed}."
    return (
        f"Beside a full person, of the single parts the {best} one carries most of the style, "
        f"{paper}: {listed}."
    )


def newcomer_table(found):
    """Whose the pictures were taken for, by embedder."""
    rows = [
        [
            name,
            f"{one['right']} of {found['people']}",
            f"{sum(one['right_pictures'])} of {found['people'] * found['pictures']}",
            f"{one['right_photographs']} of {found['people']}",
        ]
        for name, one in found["by"].items()
    ]
    return table(["by", "people told right", "single pictures", "their own photographs"], rows)


def newcomer(found):
    """The values of the section on the newcomer's trial."""
    costs = found["costs"]
    wrong = {
        name: [
            f"{found['names'][i]} for {found['names'][other]}" if other >= 0 else found["names"][i]
            for i, other in enumerate(one["taken_for"])
            if other != i
        ]
        for name, one in found["by"].items()
    }
    said = "; ".join(f"by {name} {', '.join(names)}" for name, names in wrong.items() if names)
    return {
        **found,
        "table": newcomer_table(found),
        "wrong": said,
        "cpu": float(np.median([one["cpu_seconds"] for one in costs])),
        "size": size_of(float(np.median([one["bytes"] for one in costs]))),
    }


def context(results):
    """The template's values; None for a part that has not been measured."""
    found = results.get("adapters", {})
    parts = {
        "recipe": lambda r: {"table": recipe_table(r), "said": recipe_said(r)},
        "methods": lambda r: {"table": methods_table(r), "said": methods_said(r)},
        "merging": lambda r: {"table": merging_table(r), "said": merging_said(r)},
        "prior": lambda r: {"table": prior_table(r)},
        "styles": lambda r: {
            "tables": {style: styles_table(rows) for style, rows in r["styles"].items()},
            "said": styles_said(r),
            "right": ", ".join(
                f"{percent(share, 0)} ({style})" for style, share in r["style_accuracy"].items()
            ),
        },
    }
    made = {}
    for part, make in parts.items():
        known = found.get(part)
        made[part] = known and {**known, **make(known)}
    measured = next((found[part] for part in parts if part in found), None)
    judges = measured and {k: percent(v, 0) for k, v in measured["judges"].items()}
    picture = (ROOT / "docs" / "pictures" / "adapters_styles.png").exists()
    few = "With so few people these are numbers of them, hardly of the methods."
    trial = results.get("newcomer")
    made["newcomer"] = trial and newcomer(trial)
    return {**made, "few": few, "judges": judges, "drawn_styles": picture}


PAGE = Page(
    "docs/adapters.md",
    {"adapters": "adapters.json", "newcomer": "newcomer.json"},
    context,
    {"adapters_methods": draw_methods, "adapters_styles": draw_styles},
)
