"""The parts of `benchmarks.adapters`: each measures one person, in a file of its own; means over
people are taken from these."""

import json
import re

import numpy as np

from benchmarks.adapters_measured import diversity, likeness, vectors
from benchmarks.adapters_people import PROMPTS, style_trigger
from benchmarks.common import read_json, write_json
from benchmarks.faces_recognised import load
from common.images import resize
from ddpm.core.metrics import bootstrap, kernel_distance

NO_COST = {"seconds": 0.0, "cpu_seconds": 0.0, "bytes": 0}
# What each row of `methods` trains: a task of train.py, its options, steps as a share.
METHODS = {
    "words": None,
    "identity": None,
    "inversion": ("invert", ["--vectors", "2"], 1.0),
    "dreambooth": ("dreambooth", [], 1.0),
    "lora": ("lora", ["--dense", "--ranks", "*=8"], 1.0),
    "locon": ("lora", ["--ranks", "*=4"], 1.0),
    "blocks": ("lora", ["--ranks", "mid=4,out*=6,text=4,*=0"], 1.0),
}
# Settings of LoRA that `recipe` compares: options, steps as a share of --steps.
TRIED = {
    "*=4, rate 4e-3": (["--ranks", "*=4", "--lr", "4e-3"], 1.0),
    "*=4, rate 4e-3, 4 x the steps": (["--ranks", "*=4", "--lr", "4e-3"], 4.0),
}
VALIDATION, BEST = 8, 10  # pictures of each checkpoint; the best of all, which give the shares


# --- the parts: each measures one person, in a file of its own


def real(bench, persons):
    """Likeness of two real views, and of strangers; of views at the model's size, too.

    Returns:
        {"two views", "two views at the model's size", "strangers": {embedder: mean cosine}}.
    """
    size = bench.preset.size
    held, seen, small = zip(*map(bench.views, persons), strict=True)
    pairs = [(i, j) for i in range(len(persons)) for j in range(len(persons))]
    found = {
        "two views": (seen, [pair for pair in pairs if pair[0] == pair[1]]),
        "two views at the model's size": (small, [pair for pair in pairs if pair[0] == pair[1]]),
        "strangers": (seen, [pair for pair in pairs if pair[0] != pair[1]]),
    }
    rows = {
        row: {
            name: float(np.nanmean([likeness(own[i][name], held[j][name]) for i, j in chosen]))
            for name in bench.embedders
        }
        for row, (own, chosen) in found.items()
        if chosen
    }
    apart = [diversity(np.stack([resize(i, size) for i in p.images])) for p in persons]
    return {**rows, "diversity": float(np.mean(apart))}


def recipe(bench, person):
    """Settings of LoRA: {words of `TRIED`: row}."""
    folder, rows = bench.folder_of(person, "tried"), {}
    held = bench.held(person)
    for name, (options, share) in {"words": (None, 0), **TRIED}.items():
        run = re.sub(r"[^0-9a-z]+", "_", name)
        file, path = folder / f"{run}.json", folder / f"{run}.npy"
        if not file.exists():
            who, given, cost = person.looks, {}, NO_COST
            if options is not None:
                how = ("lora", options, share)
                given, cost = bench.learn(person, run, how, set_name="tried")
                who = person.subject
            images = bench.draw(path, who, seed=person.number, **given)
            write_json({**bench.measured(images, held), **cost}, file)
        rows[name] = read_json(file)
        print(person.number, name, json.dumps(rows[name]), flush=True)
    return rows


def methods(bench, person):
    """Each way to make pictures of a person: {row of `METHODS`: row}."""
    folder, rows = bench.folder_of(person), {}
    held = bench.held(person)
    for row, how in METHODS.items():
        if row == "identity" and "identity" not in bench.preset.network.conditions:
            continue
        file = folder / f"{row}.json"
        if not file.exists():
            who, given, cost = person.looks, {}, NO_COST
            if how is not None:
                given, cost = bench.learn(person, row, how)
                who = person.subject
            elif row == "identity":
                given = {"face": _face(bench, person)}
            images = bench.draw(folder / f"{row}.npy", who, seed=person.number, **given)
            write_json({**bench.measured(images, held), **cost}, file)
        rows[row] = read_json(file)
        print(person.number, row, json.dumps(rows[row]), flush=True)
    return rows


def _face(bench, person):
    """The mean vector of the views to learn from, as the identity condition takes it."""
    from facekit.identity import pivot

    found = vectors(person.training, {"encoder": bench.embedders["encoder"]})["encoder"]
    return pivot(found[~np.isnan(found[:, 0])])


def merging(bench, person):
    """Checkpoints of one adapter, and both ways to make one of them: {file: row}."""
    folder = bench.folder_of(person)
    file, held = folder / "merging.json", bench.held(person)
    if file.exists():
        return read_json(file)
    files, steps = bench.learn_in_stages(person, METHODS["locon"])
    known = vectors(person.training, bench.embedders)["encoder"]
    scores = []
    for path in files:
        seen, seed = path.with_suffix(".validation.npy"), 1000 + person.number
        one = [(path, 1.0)]
        images = bench.draw(seen, person.subject, one, prompts=PROMPTS[:VALIDATION], seed=seed)
        found = vectors(images, {"encoder": bench.embedders["encoder"]})["encoder"]
        scores.append([likeness(row[None], known) for row in found])
    shares = shares_of(np.array(scores), BEST)
    made = {"merged": folder / "merged.safetensors", "averaged": folder / "averaged.safetensors"}
    lost = merge_files(files, shares, *made.values())
    result = {"shares": shares.tolist(), "validation": np.nanmean(scores, axis=1).tolist()}
    result |= {"steps": steps, "lost": lost, "rows": {}}
    for name, path in {**{p.stem: p for p in files}, **made}.items():
        drawn, one = path.with_suffix(".npy"), [(path, 1.0)]
        images = bench.draw(drawn, person.subject, one, seed=person.number)
        result["rows"][name] = bench.measured(images, held)
        print(person.number, name, json.dumps(result["rows"][name]), flush=True)
    write_json(result, file)
    return result


def shares_of(scores, best):
    """Each checkpoint's share of the best pictures.

    Args:
        scores: float (checkpoints, pictures), NaN where no face was found.
        best: how many of all pictures count.

    Returns:
        float (checkpoints,): they sum to 1.

    Raises:
        ValueError: if no picture shows a face.
    """
    from portrait.validation import shares

    if np.isnan(scores).all():
        raise ValueError("no face was found in any validation picture.")
    rows = [[None if np.isnan(score) else score for score in row] for row in scores]
    return np.array(shares(rows, best))


def merge_files(paths, shares, merged, averaged):
    """Write the sum of the checkpoints' changes by shares, brought back to their rank, and beside
    it the product of their averaged factors.

    Args:
        paths: of the checkpoints' adapters, of one form.
        shares: float, for each.
        merged, averaged: files to write.

    Returns:
        float: the largest share of a kernel's change that the first has lost.
    """
    from ddpm.adapters import load_adapter, merge_checkpoints, save_adapter

    files = [load_adapter(path) for path in paths]
    factors, words, lost = merge_checkpoints(files, shares)
    save_adapter(factors, merged, files[0].base_digest, words=words)
    mean = {
        name: (
            sum(s * file.factors[name][0] for file, s in zip(files, shares, strict=True)),
            sum(s * file.factors[name][1] for file, s in zip(files, shares, strict=True)),
            alpha,
        )
        for name, (_, _, alpha) in files[0].factors.items()
    }
    save_adapter(mean, averaged, files[0].base_digest, words=words)
    return max(lost.values())


def prior(bench, person):
    """The class after a person was learned, with pictures of the class and without: {run: row}."""
    folder = bench.folder_of(person)
    file, held = folder / "prior.json", bench.held(person)
    if file.exists():
        return read_json(file)
    who, places = f"a {person.noun}", _places(bench)
    prompts = (*PROMPTS, *PROMPTS)
    first = bench.draw(folder / "class_before.npy", who, prompts=prompts, seed=2000)
    again = bench.draw(folder / "class_again.npy", who, prompts=prompts, seed=3000)
    known, rows = places(first), {}
    drawn = {"before": (again, None)}
    for row in ("locon", "dreambooth"):
        for beside in (True, False):
            name = row if beside else f"{row}_alone"
            given, _ = bench.learn(person, name, METHODS[row], prior=beside)
            path = folder / f"class_{name}.npy"
            images = bench.draw(path, who, prompts=prompts, seed=3000, **given)
            own = bench.draw(folder / f"{name}.npy", person.subject, seed=person.number, **given)
            drawn[name] = images, own
    for name, (images, own) in drawn.items():
        found = vectors(images, bench.embedders)
        rows[name] = {
            "class_likeness": {n: likeness(found[n], held[n]) for n in found},
            "kernel": kernel_distance(places(images), known),
            "diversity": diversity(images),
        }
        if own is not None:
            found = vectors(own, bench.embedders)
            rows[name]["likeness"] = {n: likeness(found[n], held[n]) for n in found}
        print(person.number, name, json.dumps(rows[name]), flush=True)
    write_json(rows, file)
    return rows


def _places(bench):
    """What makes features of pictures, for distances between sets of them."""
    from benchmarks.features import Faces

    images = np.stack([resize(i, bench.preset.size) for i in load(bench.set("class"))[0]])
    return Faces("encoder", images)


def block_parts(levels, rank):
    """Ranks by part of a network: each level of the way down with its opposite on the way up.

    Args:
        levels: of the U-Net, at least 3.
        rank: of what is adapted.

    Returns:
        {"full", "upper", "middle", "lower": ranks as train.py takes them}.
    """

    def of(chosen):
        pairs = [f"in{level}={rank},out{levels - 1 - level}={rank}" for level in chosen]
        return ",".join([*pairs, "*=0"])

    last = levels - 1
    parts = {"upper": of([0]), "middle": of(range(1, last)), "lower": of([last])}
    return {"full": f"*={rank}", **parts}


def styled_prompt(trigger, person):
    """What makes the prompt of a person in a style: asked -> text."""
    mood = {"smiling": ", smiling", "serious": ", serious"}
    return lambda asked: f"{trigger}, a portrait of {person.subject}{mood[asked['smile']]}"


def styles(bench, person, learned, n=8):
    """A person and a style: {style: {"person part + style part": row}}.

    Rows hold the likeness and the share of pictures that the style judge takes for the style.

    Args:
        bench: `Bench`.
        person: `Person`.
        learned: styles of the renderer.
        n: pictures of each pair.
    """
    folder, held, rows = bench.folder_of(person), bench.held(person), {}
    parts = block_parts(bench.preset.network.levels, 4)
    for style in learned:
        file = folder / f"{style_trigger(style)}.json"
        if file.exists():
            rows[style] = read_json(file)
            continue
        found = {}
        for part, ranks in parts.items():
            how = ("lora", ["--ranks", ranks], METHODS["locon"][2])
            run = "locon" if part == "full" else f"person_{part}"
            own, _ = bench.learn(person, run, how)
            for style_part in ("none", *parts):
                pair = [own["adapters"][0]]
                if style_part != "none":
                    pair.append((styled(bench, style, style_part, parts), 1.0))
                name = f"{part} + {style_part}"
                path = folder / style_trigger(style) / f"{part}_{style_part}.npy"
                who = styled_prompt(style_trigger(style), person)
                images = bench.draw(path, who, pair, prompts=PROMPTS[:n], seed=person.number)
                found[name] = _styled_row(bench, images, held, style)
                print(person.number, style, name, json.dumps(found[name]), flush=True)
        for style_part in parts:
            path = folder / style_trigger(style) / f"none_{style_part}.npy"
            pair = [(styled(bench, style, style_part, parts), 1.0)]
            trigger = style_trigger(style)
            images = bench.draw(
                path, lambda asked, t=trigger: f"{t}, a portrait of a {person.noun}", pair,
                prompts=PROMPTS[:n], seed=person.number,
            )  # fmt: skip
            found[f"none + {style_part}"] = _styled_row(bench, images, held, style)
        write_json(found, file)
        rows[style] = found
    return rows


def styled(bench, style, part, parts):
    """The adapter of a style on a part of the blocks: its path."""
    return bench.learn_style(style, part, ["--ranks", parts[part]])


def _styled_row(bench, images, held, style):
    found = vectors(images, bench.embedders)
    return {
        "likeness": {name: likeness(found[name], held[name]) for name in found},
        "style": float(bench.judges.style(images, style).mean()),
        "not_found": int(np.isnan(next(iter(found.values()))[:, 0]).sum()),
    }


MEASURES = {
    "recipe": recipe,
    "methods": methods,
    "merging": merging,
    "prior": prior,
    "styles": styles,
}


# --- means over people


def mean_rows(people_rows):
    """Means over people, with half of their 95% bootstrap interval.

    Args:
        people_rows: list of {row: {measure: number or {name: number}}}, one for each person.

    Returns:
        {row: {measure: [mean, half interval] or {name: the same}}} of the rows that all have.
    """
    names = [name for name in people_rows[0] if all(name in rows for rows in people_rows)]
    return {name: _means([rows[name] for rows in people_rows]) for name in names}


def _means(values):
    first = values[0]
    if isinstance(first, dict):
        return {k: _means([v[k] for v in values]) for k in first if all(k in v for v in values)}
    values = np.array([v for v in values if v is not None and np.isfinite(v)], float)
    if not len(values):
        return [None, None]
    spread = bootstrap(np.mean, values, rounds=400) if len(values) > 1 else 0.0
    return [float(values.mean()), float(spread)]


def merging_summary(found):
    """Means over people of the checkpoints, the best of them, and both ways to merge.

    Args:
        found: list of what `merging` returns.
    """
    rows = []
    for one in found:
        single = [row for name, row in one["rows"].items() if name not in ("merged", "averaged")]
        own = {f"checkpoint {i}": row for i, row in enumerate(single, 1)}
        chosen = int(np.argmax(one["validation"]))
        own["best by validation"] = single[chosen]
        own["best by the held-out views"] = max(single, key=lambda r: r["likeness"]["encoder"])
        rows.append({**own, "merged": one["rows"]["merged"], "averaged": one["rows"]["averaged"]})
    return {
        "rows": mean_rows(rows),
        "shares": np.mean([one["shares"] for one in found], axis=0).tolist(),
        "steps": found[0]["steps"],
        "lost": float(np.max([one["lost"] for one in found])),
        "merged_at_least_best_by_validation": int(
            sum(r["merged"]["likeness"]["encoder"]
                >= r["best by validation"]["likeness"]["encoder"] for r in rows)
        ),
    }  # fmt: skip


def summary(part, found):
    """What a part says over all people."""
    if part == "merging":
        return merging_summary(found)
    if part == "styles":
        return {"styles": {style: mean_rows([one[style] for one in found]) for style in found[0]}}
    return {"rows": mean_rows(found)}
