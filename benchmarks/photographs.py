"""Portraits of renders that are hard on purpose, beside the true answer. Written to
benchmarks/results/photographs.json.

    python -m benchmarks.photographs --relight 0 --relight 1                 # as users get it
    python -m benchmarks.photographs --n 6 --stage coloured --relight 0 --relight 1    # no network

The pairs are those of `benchmarks.photograph_pairs`. Of each result, beside the truth:

psnr       in the face: skin, eyes, nose and lips, without what hides them
identity   cosine to the truth by each embedder; `possible` is that of the truth to the reference,
           `likeness` that of the result to it: their ratio is the share of what is possible
step       difference between the colour's change across the jaw in the result and in the truth, LAB
faults     the verdict's words (`portrait.verdict`), and whether the pair would have been refused

A result is far from the truth (`broken`) with less than BROKEN_SHARE of the possible likeness by
the encoder, a step above BROKEN_STEP, or features that lie BROKEN_POINTS of the face's width away
from the truth's. What a person calls broken is not the same: the numbers of JUDGED are those of the
first six pairs of each kind, relit, of the stage `coloured`, that somebody who looked at all of
them would not keep. The bounds of `portrait.verdict` were set by the results of an earlier version,
without a face parser; what that version made of the same pairs stands beside ("before").
"""

import json
import os
from pathlib import Path

import click
import numpy as np

from benchmarks.common import RESULTS, machine, merge_json
from benchmarks.photograph_pairs import KINDS, SEED, SIZE, read_pair, render_all
from common.cli import sentences
from common.images import write_image
from facekit import masks
from facekit.detect import detect, largest
from facekit.identity import available, load_embedder, similarity
from portrait import checks, verdict
from portrait.session import put_back, reconstruct, score
from portrait.settings import Settings
from portrait.stages import STAGES

OUT = RESULTS / "photographs.json"
FAST = "coloured"  # the last stage of a run without a network
JUDGED = {
    "half shadow": (4, 5),
    "colour casts": (0, 5),
    "hair": (2, 4),
    "hands": (2, 4),
    "closed eyes": (0, 2, 4),
    "turned": (3, 5),
}
SEEN = 6  # pairs of each kind that were looked at
BROKEN_SHARE, BROKEN_STEP, BROKEN_POINTS = 0.5, 8.0, 0.06


class Copier:
    """In place of a painter: returns the picture as it is, so that the model's stages change
    nothing."""

    size, name, digest, control_digest, adapters = 64, "none", "", None, ()

    def paint(self, picture, *_, **__):
        return picture


def result_of(pair, settings, painter, stage):
    """The portrait of a pair.

    Args:
        pair: `Pair`.
        settings: `Settings`.
        painter: `portrait.painter.Painter` or `Copier`.
        stage: the last one that is made.

    Returns:
        (uint8 (S, S, 3), `session.Portrait`); (None, None) where a face is not found.
    """
    face, other = (largest(detect(image)) for image in (pair.template, pair.reference))
    if face is None or other is None:
        return None, None
    made = reconstruct(pair.template, (face, "", pair.reference, other), [], settings, painter)
    for later in STAGES[STAGES.index(stage) + 1 :]:
        made.pictures[later] = made.pictures[stage]
    return put_back(pair.template, made), made


def measured(pair, result, made, embedders):
    """The numbers of a result.

    Args:
        pair, result, made: see `result_of`.
        embedders: {name: embedder}.

    Returns:
        {name: float, or list of str}.
    """
    truth_face, clean_face = (largest(detect(image)) for image in (pair.truth, pair.clean))
    error = np.square(result.astype(float) - pair.truth)[pair.face].mean()
    row = {"psnr": float(10 * np.log10(255**2 / max(error, 1e-9)))}
    found = largest(detect(result)) or truth_face
    for name, embedder in embedders.items():
        who = embedder.embed(result, found.points5)
        truth = embedder.embed(pair.truth, truth_face.points5)
        reference = embedder.embed(pair.clean, clean_face.points5)
        row[name] = {
            "identity": float(similarity(who, truth)),
            "likeness": float(similarity(who, reference)),
            "possible": float(similarity(truth, reference)),
        }
    row["step"] = verdict.step_beside(result, found, pair.truth, truth_face)
    apart = np.linalg.norm(found.mesh - truth_face.mesh, axis=1).mean()
    row["points"] = float(apart / masks.face_width(truth_face))
    made.scores = {STAGES[-1]: score(made, STAGES[-1], embedders["encoder"])}
    said = verdict.judge(made, "encoder")
    return row | {"verdict": said.to_dict(), "broken": is_broken(row)}


def share(row, name):
    """The likeness of a result to its reference, in parts of what the truth has."""
    return row[name]["likeness"] / max(row[name]["possible"], 0.1)


def is_broken(row):
    """Whether a person would call a result broken; see the module."""
    return bool(
        share(row, "encoder") < BROKEN_SHARE
        or row["step"] > BROKEN_STEP
        or row["points"] > BROKEN_POINTS
    )


def summary(rows):
    """Medians and shares of rows of one kind, or of all."""
    done = [row for row in rows if "psnr" in row]
    if not done:
        return {"pairs": len(rows), "done": 0}
    broken = [row for row in done if row["broken"]]
    good = [row for row in done if not row["broken"]]
    names = [name for name in done[0] if isinstance(done[0][name], dict) and name != "verdict"]
    return {
        "pairs": len(rows),
        "done": len(done),
        "psnr": float(np.median([row["psnr"] for row in done])),
        "step": float(np.nanmedian([row["step"] for row in done])),
        **{n: float(np.median([row[n]["identity"] for row in done])) for n in names},
        **{f"{n}_share": float(np.median([share(row, n) for row in done])) for n in names},
        **{f"{n}_enough": float(np.mean([share(r, n) >= 0.85 for r in done])) for n in names},
        "broken": len(broken),
        "broken_warned": sum(is_told(row) for row in broken),
        "good_warned": sum(is_told(row) for row in good),
    }


def judged(rows):
    """How many of the results that somebody looked at are broken, and of how many the user heard:
    {"broken", "broken_warned", "good", "good_warned"}; only for results made as those were."""
    rows = [row for row in rows if row["number"] < SEEN and "psnr" in row]
    broken = [row for row in rows if row["number"] in JUDGED.get(row["kind"], ())]
    good = [row for row in rows if row not in broken]
    return {
        "broken": len(broken),
        "broken_warned": sum(is_told(row) for row in broken),
        "good": len(good),
        "good_warned": sum(is_told(row) for row in good),
    }


def is_told(row):
    """Whether the user heard of it: refused beforehand, or a fault in the verdict."""
    return bool(row.get("refused") or row["verdict"]["faults"])


@click.command(context_settings={"show_default": True})
@click.option("--n", type=click.IntRange(1), default=20, help="Pairs of each kind.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, default=KINDS)
@click.option("--relight", "strengths", type=float, multiple=True, default=(1.0,))
@click.option("--set", "others", multiple=True, help="Another setting, such as transfer=0.5.")
@click.option("--stage", type=click.Choice(STAGES[2:]), default=STAGES[-1], help="The last one.")
@click.option("--weights", type=Path)
@click.option("--pairs", "folder", type=Path, default=Path("runs/photograph_pairs"))
@click.option("--results", "kept", type=Path, help="Folder for each result, a PNG.")
@click.option("--out", type=Path, default=OUT)
@sentences()
def main(n, kinds, strengths, others, stage, weights, folder, kept, out):
    """Paint all pairs with each strength of relighting, measure, and add to the results."""
    more = {name: type(getattr(Settings(), name))(value) for name, value in _split(others)}
    render_all(kinds, n, folder)
    painter = Copier()
    if STAGES.index(stage) > STAGES.index(FAST) or stage == "reconstructed":
        from portrait.painter import Painter

        painter = Painter(weights)
    embedders = {name: load_embedder(name) for name in available()}
    rows = {str(strength): [] for strength in strengths}
    for kind in kinds:
        for i in range(n):
            pair = read_pair(folder, kind, i)
            for strength in strengths:
                settings = Settings(relight=strength, seed=i, **more)
                row, picture = _row(pair, i, settings, painter, stage, embedders)
                rows[str(strength)].append(row)
                if kept and picture is not None:
                    write_image(picture, kept / result_name(kind, i, strength))
        told = {s: summary(_of(found, kind)) for s, found in rows.items()}
        print(kind, json.dumps(told), flush=True)
    result = {"size": SIZE, "seed": SEED, "stage": stage, "painter": painter.name}
    result |= {"settings": more, "machine": machine()}
    result["relight"] = {s: summaries(found, stage, float(s)) for s, found in rows.items()}
    merge_json({stage: result}, out)


def summaries(rows, stage, strength):
    """All that is told of a run with one strength of relighting."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    result = {"all": summary(rows), "kinds": {kind: summary(_of(rows, kind)) for kind in kinds}}
    if stage == FAST and strength == 1:
        result["judged"] = judged(rows)
        result["judged_kinds"] = {kind: judged(_of(rows, kind)) for kind in kinds}
    return result | {"rows": rows}


def result_name(kind, i, strength):
    """The file of a result in the folder --results."""
    return f"{kind.replace(' ', '_')}_{i}_relight{strength:g}.png"


def _row(pair, i, settings, painter, stage, embedders):
    """(row of a pair, its result or None)."""
    row = {"kind": pair.kind, "number": i}
    result, made = result_of(pair, settings, painter, stage)
    if made is None:
        return row, None
    face, other = largest(detect(pair.template)), made.scene.reference_face
    row["refused"] = checks.of_template(pair.template, face, "template")
    row["refused"] += checks.of_reference(pair.reference, other, pair.template, face, "reference")
    return row | measured(pair, result, made, embedders), result


def _of(rows, kind):
    return [row for row in rows if row["kind"] == kind]


def _split(pairs_of):
    for text in pairs_of:
        name, _, value = text.partition("=")
        if not hasattr(Settings, name):
            raise ValueError(f"there is no setting {name!r}.")
        yield name, value


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
