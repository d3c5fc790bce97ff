"""A portrait from its photos to the finished picture: choose -> reconstruct -> score -> keep.

`Session` is what the command line and the page call; the functions below are its steps.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from common.cli import count
from common.files import write_text
from common.images import find_images, read_image, write_image
from facekit import cover
from facekit import fuse as fuse_of
from facekit.align import paste
from facekit.colour import to_lab
from facekit.detect import detect, largest
from facekit.identity import load_embedder, similarity
from facekit.restore import default_restorer
from facekit.retoucher import default_retoucher
from portrait import checks, stages
from portrait.files import Template
from portrait.settings import Settings
from portrait.stages import STAGES
from portrait.verdict import Verdict, judge

MAX_FACES = 5
SKIP = "skip"
LARGE_TURN = 45  # degrees of yaw between two faces, from which likeness suffers
SMALL_FACE = 40  # px, a face's width from which on it is worked on as it is
STEPS_FILE = "steps.json"
_STEEP = 4  # a mask reaches 1 at a quarter of its way


@dataclass
class Portrait:
    """What became of one face.

    Args:
        scene: `stages.Scene`.
        pictures: {stage: uint8 (S, S, 3)}.
        made: {stage: settings that it was made with}.
        scores: {stage: {name: float}}.
        verdict: `verdict.Verdict` on the last stage.
    """

    scene: stages.Scene
    pictures: dict = field(default_factory=dict)
    made: dict = field(default_factory=dict)
    scores: dict = field(default_factory=dict)
    verdict: Verdict | None = None


class Session:
    """A template, its faces, and who is to be painted into each.

    Args:
        template: path of the photo to paint into.
        references: paths of photos of faces, one for each face of the template from left to right,
            or `SKIP` for a face that is to stay.
        faces_folder: folder of photos of one person; the best of them is a reference.
        embedder: name of the face embedding: "dlib", "encoder" or "auto".
        people: `known.Known` or `SKIP`, in place of references: learned people; paths of photos
            may stand among them.
        anyway: make a note of what `portrait.checks` doubts, and go on.

    Attributes:
        template: `files.Template`.
        pairs: list of (face, path, image, face there).
        people: list of `known.Known`, or None, of each pair.
        notes: sentences worth telling.

    Raises:
        ValueError: one sentence, where it cannot be done; no model has been loaded then.
    """

    def __init__(self, template, references=(), faces_folder=None, embedder="auto", people=(),
                 anyway=False):  # fmt: skip
        self.template, self.embedder = Template(template), embedder
        image = self.template.image
        if people:
            references = [one if isinstance(one, (str, Path)) else one.reference for one in people]
        self.pairs, found, self.notes = choose(
            image, references, faces_folder, str(template), embedder, anyway
        )
        self._others = [[face for face in found if face is not pair[0]] for pair in self.pairs]
        wanted = [one for one in people if one != SKIP]
        known = [None if isinstance(one, (str, Path)) else one for one in wanted]
        self.people = known or [None] * len(self.pairs)

    def settings_of(self, i, settings):
        """The settings for face i: where it is to be a learned person's, the prompt says so."""
        one = self.people[i]
        return settings if one is None else replace(settings, prompt=one.saying(settings.prompt))

    def paint(self, painters, settings, steps_dir=None, since=None, observe=None, show=None):
        """Paint all faces, one after another.

        Args:
            painters: list of `painter.Painter`, one for each pair.
            settings: `Settings`.
            steps_dir: folder to keep every stage in; None keeps nothing.
            since: take the stages before this one from `steps_dir`; None makes all of them.
            observe: optional (number of the face from 1, stage, done, of) -> None.
            show: optional (number of the face from 1, stage, `Portrait`) -> None: the portrait has
                that stage's picture, and those before it.

        Returns:
            (image, portraits): uint8 (H, W, 3); list of `Portrait` with scores.

        Raises:
            ValueError: kept stages that are not there, or of other photos or settings; missing
                weights of a stage.
        """
        if settings.restore:
            default_restorer()  # missing weights are said before hours of painting
        if settings.blemishes:
            default_retoucher()
        template = self.template.image
        pasted = [one and one.face for one in self.people]
        own = [self.settings_of(i, settings) for i in range(len(self.pairs))]
        keys = [
            fingerprint(template, *known)
            for known in zip(
                self.pairs, self._others, map(digest_of, painters), pasted, strict=True
            )
        ]
        earlier = [
            kept(steps_dir, i + 1, key, own[i], since) if since else None
            for i, key in enumerate(keys)
        ]
        embedder, image, portraits = load_embedder(self.embedder), template, []
        for i, (pair, others) in enumerate(zip(self.pairs, self._others, strict=True)):
            tell = None if observe is None else partial(observe, i + 1)
            seen = None if show is None else partial(show, i + 1)
            first, known = since or STAGES[0], (tell, pasted[i], seen)
            portrait = reconstruct(
                template, pair, others, own[i], painters[i], earlier[i], first, *known
            )
            portrait.scores = {stage: score(portrait, stage, embedder) for stage in STAGES}
            portrait.verdict = judge(portrait, embedder.name)
            image = put_back(image, portrait)
            if steps_dir:
                keep(steps_dir, portrait, i + 1, keys[i])
            portraits.append(portrait)
        return image, portraits

    def recipe(self, painters, settings, portraits=()):
        """How the picture is made, and what became of its faces, as JSON can hold it."""
        painter = painters[0]
        people = [one.folder.name for one in self.people if one is not None]
        adapters = [digest for one in painters for digest in one.adapters]
        return {
            "template": self.template.path.name,
            "faces": [Path(pair[1]).name for pair in self.pairs],
            "weights": painter.name,
            "weights_sha256": painter.digest,
            "control_sha256": painter.control_digest,
            **({"people": people, "adapters_sha256": adapters} if people else {}),
            **settings.to_dict(),
            **({"verdicts": [one.verdict.to_dict() for one in portraits]} if portraits else {}),
        }


def choose(template, references, faces_folder=None, template_name="", embedder="auto",
           anyway=False):  # fmt: skip
    """Find the faces, and which reference goes to which; before any model runs.

    Args:
        template: uint8 (H, W, 3).
        references: list of paths, or `SKIP` for a face that is to stay, from left to right.
        faces_folder: folder of photos of one person; the best of them is the reference.
        template_name: for the sentences.
        embedder: name of the embedding that sorts a folder.
        anyway: make a note of what `portrait.checks` doubts, and go on.

    Returns:
        (pairs, faces, notes): list of (face, path, image, face there); all faces of the template;
        sentences worth telling.

    Raises:
        ValueError: one sentence, where it cannot be done.
        checks.Doubt: likewise, where it may not come out.
    """
    notes, known, doubts = [], {}, []
    if faces_folder is not None:
        path, face, doubts = best_of(faces_folder, embedder)
        references, known[path] = [*references, path], face
        notes.append(f"The reference is {path}, the best of {faces_folder}.")
    if all(str(path) == SKIP for path in references):
        raise ValueError("there is nothing to paint: name a photo of a face with --face.")
    faces = detect(template)
    if not faces:
        raise ValueError(f"{template_name}: no face found.")
    shown = f"{template_name} shows {count(len(faces), 'face')}"
    if len(references) > len(faces):
        raise ValueError(f"{shown}, and {len(references)} were named; leave some --face away.")
    if len(references) > MAX_FACES:
        raise ValueError(f"at most {MAX_FACES} faces are painted. Received: {len(references)}.")
    chosen = faces[: len(references)]
    if len(faces) > 1 and len(references) == 1:
        chosen = [largest(faces)]
        notes.append(
            f"{shown}: the largest is painted. For others name one --face for each from left to "
            f"right, '{SKIP}' for one that is to stay."
        )
    pairs = []
    for face, path in zip(chosen, references, strict=True):
        if str(path) == SKIP:
            continue
        image = read_image(path)
        there = [known[path]] if path in known else detect(image)
        found = largest(there)
        if found is None:
            raise ValueError(f"{path}: no face found.")
        doubts = doubts + checks.of_template(template, face, template_name)
        doubts = doubts + checks.of_reference(image, found, template, face, path)
        notes += _notes_on(face, found, path, len(there), template_name)
        pairs.append((face, path, image, found))
    if doubts and not anyway:
        raise checks.Doubt(doubts[0])
    return pairs, faces, notes + doubts


def _notes_on(face, found, path, faces_there, template_name):
    """Sentences worth telling about a face and its reference.

    Args:
        face: of the template.
        found: of the reference.
        path: of the reference.
        faces_there: number of faces in the reference.
        template_name: for the sentences.
    """
    notes, turned = [], abs(face.yaw - found.yaw)
    if faces_there > 1:
        notes.append(f"{path} shows {count(faces_there, 'face')}: the largest is the reference.")
    if turned > LARGE_TURN:
        notes.append(
            f"{path} looks {turned:.0f} degrees away from where the face in {template_name} does: "
            "expect less likeness."
        )
    if min(face.box[2:]) < SMALL_FACE:
        notes.append(
            f"A face in {template_name} is {min(face.box[2:]):.0f} px wide: it is painted larger "
            "and made small again."
        )
    return notes


def best_of(folder, embedder="auto"):
    """The photo of a folder to take as reference: by likeness to the others, quality and angle.

    Returns:
        (path, the person's face in it, doubts); others may be there too; of `checks.of_folder`.

    Raises:
        ValueError: if there is none with a face.
    """
    from facekit.folder import ranked

    photos = ranked(find_images(folder), embedder)
    best = next((photo for photo in photos if photo.reference), None)
    if best is None:
        raise ValueError(f"{folder}: no face found in any photo.")
    doubts = checks.of_folder(folder, photos, load_embedder(embedder).same)
    return Path(best.path), best.best.measured.face, doubts


def reconstruct(
    template,
    pair,
    others,
    settings,
    painter,
    kept=None,
    since=STAGES[0],
    observe=None,
    pasted=None,
    show=None,
):
    """All stages for one face.

    Args:
        template: uint8 (H, W, 3).
        pair: (face, path, reference image, its face).
        others: faces of the template that are to stay.
        settings: `Settings`.
        painter: `Painter`.
        kept: {stage: (picture, settings that it was made with)} of an earlier time.
        since: the first stage to do again; those before are taken from `kept`.
        observe: optional (stage, done, of) -> None.
        pasted: as of `stages.Scene`.
        show: optional (stage, `Portrait`) -> None.

    Returns:
        `Portrait`.
    """
    face, _, image, found = pair
    tell = observe or (lambda *_: None)
    scene = stages.crop(template, face, others, image, found, settings, pasted)
    result = Portrait(scene)
    steps = {
        "crop": lambda: scene.view,
        "replaced": lambda: stages.replaced(scene),
        "fused": lambda: stages.fused(scene, settings),
        "reconstructed": lambda: stages.reconstructed(
            scene, result.pictures["fused"], painter, settings, _of_stage(tell, "reconstructed")
        ),
        "coloured": lambda: stages.coloured(scene, result.pictures["reconstructed"], settings),
        "likeness": lambda: stages.likeness(scene, result.pictures["coloured"], settings),
        "border": lambda: stages.border(
            scene, result.pictures["likeness"], painter, settings, _of_stage(tell, "border")
        ),
        "retouched": lambda: stages.retouched(scene, result.pictures["border"], settings),
    }
    for stage, make in steps.items():
        tell(stage, 0, 1)
        if kept and STAGES.index(stage) < STAGES.index(since):
            result.pictures[stage], result.made[stage] = kept[stage]
        else:
            result.pictures[stage] = scene.toned(make())
            result.made[stage] = stages.used(stage, settings)
        if show is not None:
            show(stage, result)
        tell(stage, 1, 1)
    return result


def _of_stage(tell, stage):
    return lambda done, of: tell(stage, done, of)


def put_back(template, portrait):
    """The template with a portrait in it, at full resolution.

    Returns:
        uint8 (H, W, 3), bit for bit the template where the mask is 0.
    """
    scene = portrait.scene
    # The stages have blended by their masks already; this hides only that the crop is resampled.
    edge = np.minimum(_STEEP * scene.mask, 1)
    return paste(template, portrait.pictures[STAGES[-1]], scene.matrix, edge)


def score(portrait, stage, embedder):
    """What can be measured of a stage's picture.

    Args:
        portrait: `Portrait`.
        stage: a word of `STAGES`.
        embedder: of `facekit.identity`.

    Returns:
        {"reference", "template": cosine of the identity; "seam": energy in the ring over the
        template's; "colour": LAB distance of the skin's mean to that of the template's}.
    """
    scene, picture = portrait.scene, portrait.pictures[stage]
    # Until the faces are fused the face in the picture has the template's shape.
    face = scene.face if stage in ("crop", "replaced") else scene.target
    who = embedder.embed(picture, face.points5)
    reference = embedder.embed(scene.reference, scene.reference_face.points5)
    means = [_skin_colour(picture, face), _skin_colour(scene.view, scene.face)]
    return {
        "reference": float(similarity(who, reference)),
        "template": float(similarity(who, embedder.embed(scene.view, scene.face.points5))),
        "seam": fuse_of.seam_energy(picture, scene.ring)
        / max(fuse_of.seam_energy(scene.view, scene.ring), 1e-9),
        "colour": float(np.linalg.norm(means[0] - means[1])),
    }


def _skin_colour(picture, face):
    """Mean LAB of a face's skin; NaN where none of it is seen."""
    skin = cover.bare_skin(picture, face) > 0.5
    return to_lab(picture)[skin].mean(0) if skin.any() else np.full(3, np.nan)


# --- stages kept in a folder


def digest_of(painter):
    """Which weights a painter paints with: str."""
    return "".join((painter.digest, painter.control_digest or "", *painter.adapters))


def fingerprint(template, pair, others, digest, pasted=None):
    """What kept stages belong to: the pictures, their faces, who else is there, the weights."""
    result = hashlib.sha256(digest.encode())
    faces = (pair[0], pair[3], *others)
    more = () if pasted is None else (pasted[0],)
    for array in (template, pair[2], *more, *(face.points5 for face in faces)):
        result.update(np.ascontiguousarray(array).tobytes())
    return result.hexdigest()[:16]


def keep(folder, portrait, number, key):
    """Write each stage's picture, and what they were made of.

    Args:
        folder: each face gets one of its own in it.
        portrait: `Portrait`.
        number: of the face, from 1.
        key: of `fingerprint`.
    """
    folder = Path(folder) / f"face{number}"
    (folder / STEPS_FILE).unlink(missing_ok=True)  # first and last: it says that all are there
    for i, (stage, picture) in enumerate(portrait.pictures.items(), 1):
        write_image(picture, folder / f"{i}_{stage}.png")
    for name in ("inner", "ring"):
        mask = np.rint(getattr(portrait.scene, name) * 255).astype(np.uint8)
        write_image(mask, folder / f"mask_{name}.png")
    text = json.dumps({"key": key, "stages": portrait.made}, indent=2)
    write_text(text, folder / STEPS_FILE)


def kept(folder, number, key, settings, since):
    """What `keep` wrote, for the stages before one.

    Args:
        folder, number, key: as for `keep`.
        settings: `Settings`, which the stages must have been made with; but for the seed.
        since: the first stage that is to be made again.

    Returns:
        {stage: (uint8 (S, S, 3), settings that it was made with)}.

    Raises:
        ValueError: if there are none, or they are of other photos or settings.
    """
    folder, result = Path(folder) / f"face{number}", {}
    try:
        found = json.loads((folder / STEPS_FILE).read_text())
        if found["key"] != key:
            raise ValueError(
                f"{folder} holds the stages of other photos or weights; name another --steps-dir."
            )
        for i, stage in enumerate(STAGES[: STAGES.index(since)], 1):
            made = dict(found["stages"][stage])
            result[stage] = read_image(folder / f"{i}_{stage}.png"), made
    except (OSError, KeyError, TypeError, json.JSONDecodeError):
        raise ValueError(f"{folder} does not hold the stages of an earlier time.") from None
    for stage, (_, made) in result.items():
        for name, value in _differing(made, stage, settings).items():
            raise ValueError(
                f"{folder} holds '{stage}' made with {name.replace('_', '-')} "
                f"{made.get(name)!r}, not {value!r}: begin with --since {stage}, or keep to it."
            )
    return result


def _differing(made, stage, settings):
    """The settings that a kept stage was not made with, but for the seed: {name: value wanted}."""
    # A setting that is newer than the stages was as it is by default.
    return {
        name: value
        for name, value in stages.used(stage, settings).items()
        if name != "seed" and made.get(name, getattr(Settings(), name)) != value
    }


def first_changed(folder, number, settings):
    """The first stage of those that `keep` wrote which other settings, but for the seed, change.

    Args:
        folder, number: as for `keep`.
        settings: `Settings`.

    Returns:
        A word of `STAGES`; the first of all where nothing is kept; None where nothing changes.
    """
    try:
        found = json.loads((Path(folder) / f"face{number}" / STEPS_FILE).read_text())["stages"]
    except (OSError, KeyError, TypeError, json.JSONDecodeError):
        return STAGES[0]
    return next((s for s in STAGES if _differing(found.get(s, {}), s, settings)), None)
