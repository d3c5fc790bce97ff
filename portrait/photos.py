"""The photos that a person is learned from: which count, each with its reason, and the squares that
are made of them.

    choose     photos ranked by id x quality -> which count, the pivot, the reference photo
    prepare    a photo -> its square: cut out, mended where it needs it, before a plain tone
    caption    what the square shows, in words

The steps are EasyPhoto's (Wu et al., EasyPhoto: Your Smart AI Photo Generator, 2023). It mends all
faces by their rank, in which it confuses best and worst; here each is mended by its own scores.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from common.cli import count
from common.images import read_image, resize
from common.squares import Square, square_round
from facekit import cover, expression, masks, restore, retouch
from facekit.folder import NO_FACE, for_each
from facekit.head import head_square
from facekit.quality import WORDS
from facekit.score import PROFILE, Scored, appearances

SIZE = 256  # px; side of the squares
TOP = 15  # photos at most
FEWEST = 5  # photos at least
# A photo does not count where one of these measures of `facekit.quality` is below.
LEAST = {"size": 0.5, "inside": 0.7, "exposure": 0.3, "sharpness": 0.4}
# Of the person's median likeness: a face below is someone else's. The mean of many faces is nearer
# to a stranger's than any one of them is, so some pass for the person's by the cosine alone.
ALIKE = 0.75
FRONTAL = 0.85  # of `score.frontal_score`, from which a face looks at the camera: 23 degrees
WIDER, LOWER = 0.30, 0.15  # the square: of the face's width on each side; of its height
CLEAN = 0.95  # noise and compression of `facekit.quality`, below which the skin is smoothed
SMOOTHING, DENOISING = 0.5, 0.6  # strengths, see `facekit.retouch`
HAZE = 0.3  # of the person's mask, up to which it is background
TONE = (204, 204, 202)  # sRGB of the renderer's light grey backdrop
BACKGROUND = "before a light grey background"
# What is wrong with photos, said of several, and what would help.
FAULTS = {
    "file": ("damaged", "name photos that open in an image viewer"),
    "face": ("without a face", "add photos that show the face"),
    "copy": ("near-duplicates", "add photos taken at other times"),
    "other": ("of someone else", "add photos of the person"),
    "size": ("too small", "add ones in which the face is larger"),
    "inside": ("cut off", "add ones that show the whole face"),
    "exposure": ("too dark or too bright", "add ones in better light"),
    "sharpness": ("blurred", "add sharp ones"),
    "turned": ("turned too far", "add ones that look at the camera"),
}
MORE = "more"  # a photo with no fault but that there are enough better ones


@dataclass(frozen=True)
class Verdict:
    """A photo, whether it counts, and why.

    Attributes:
        photo: `facekit.score.Scored`.
        fault: a word of `FAULTS`, or `MORE`; empty where it counts.
        reason: in words.
    """

    photo: Scored
    fault: str
    reason: str

    @property
    def counts(self):
        return not self.fault


@dataclass(frozen=True)
class Choice:
    """The photos that a person is learned from.

    Attributes:
        verdicts: tuple of Verdict: those that count, best first, then the others.
        pivot: the photo nearest to all others of the person; None without one.
        reference: the one to show the person by; None without one.
        problem: why nobody can be learned from them, and what to do; empty where somebody can.
    """

    verdicts: tuple
    pivot: Scored | None
    reference: Scored | None
    problem: str = ""

    @property
    def used(self):
        """The photos that count, best first: list of `facekit.score.Scored`."""
        return [verdict.photo for verdict in self.verdicts if verdict.counts]


def choose(scored, same, top=TOP):
    """Decide which photos count.

    Args:
        scored: list of `facekit.score.Scored`, best first.
        same: cosine above which two faces are one person's, as `facekit.identity` knows it.
        top: how many count at most.

    Returns:
        Choice.
    """
    verdicts, taken = [], 0
    ids = [photo.best.id for photo in scored if photo.best is not None and photo.best.same]
    alike = ALIKE * float(np.median(ids)) if ids else 1.0
    for photo in scored:
        fault, reason = _fault(photo, alike)
        if not fault:
            taken += 1
            if taken > top:
                fault, reason = MORE, f"not among the best {top}"
        verdicts.append(Verdict(photo, fault, reason or _praise(photo)))
    verdicts.sort(key=lambda verdict: not verdict.counts)
    used = [verdict.photo for verdict in verdicts if verdict.counts]
    frontal = [photo for photo in used if photo.best.frontal >= FRONTAL]
    return Choice(
        verdicts=tuple(verdicts),
        # The unit vector nearest to the mean of all is the one with the highest mean cosine to all.
        pivot=max(used, key=lambda photo: photo.best.id, default=None),
        reference=max(frontal, key=lambda photo: photo.best.as_reference, default=None),
        problem=_problem(verdicts, frontal, appearances(scored, same)),
    )


def _fault(photo, alike):
    """(word of `FAULTS`, reason) of a photo that does not count; ("", "") of one that does.

    Args:
        photo: `facekit.score.Scored`.
        alike: likeness from which on a face is the person's.
    """
    best = photo.best
    if best is None:
        return ("face" if photo.reason == NO_FACE else "file"), photo.reason
    if photo.near_duplicate_of:
        return "copy", f"near-duplicate of {Path(photo.near_duplicate_of).name}"
    seen = "someone else" if len(photo.faces) == 1 else f"{len(photo.faces)} other people"
    stranger = "other", f"{seen} (likeness {best.id:.2f})"
    face, quality = best.measured.face, best.measured.quality
    turned = max(abs(face.yaw), abs(face.pitch)) > PROFILE
    # Half turned away, nobody is much like themselves: it cannot be told who it is.
    if not best.same and not (turned and len(photo.faces) == 1):
        return stranger
    for name, least in LEAST.items():
        if getattr(quality, name) < least:
            return name, _with_measure(name, face, quality)
    if turned:
        return "turned", f"the face is turned too far ({_turn(face)})"
    # Last, for a face that is blurred or turned is less like itself.
    return stranger if best.id < alike else ("", "")


def _with_measure(name, face, quality):
    """A fault of a face's quality in words, with its measure."""
    text = WORDS[name]
    text = text if isinstance(text, str) else text[0 if quality.dark else 1]
    if name == "size":
        return f"{text} ({min(face.box[2:]):.0f} px)"
    return f"{text} ({name} {getattr(quality, name):.2f}, at least {LEAST[name]})"


def _turn(face):
    angle = max(face.yaw, face.pitch, key=abs)
    return f"{abs(angle):.0f} degrees, at most {PROFILE}"


def _praise(photo):
    """What is said of a photo that counts."""
    faults = photo.best.measured.quality.faults()
    said = [f"though {', '.join(faults)}"] if faults else []
    if len(photo.faces) > 1:
        place = next(i for i, face in enumerate(photo.faces, 1) if face is photo.best)
        said.insert(0, f"{len(photo.faces)} faces, of which no. {place} from the left is taken")
    return "; ".join(said)


def _problem(verdicts, frontal, appearances):
    """Why nobody can be learned from photos, and what to do; empty where somebody can."""
    used = sum(verdict.counts for verdict in verdicts)
    person, other = appearances
    if person == other > 1:
        return (
            f"two people are on {person} photos each, so it is not clear who is meant; leave out "
            "the photos of one of them"
        )
    if used < FEWEST:
        return _too_few(verdicts, used)
    if not frontal:
        return "no photo shows the face from the front; add one that looks at the camera"
    return ""


def _too_few(verdicts, used):
    faults = Counter(verdict.fault for verdict in verdicts if verdict.fault)
    if not faults:
        return f"{count(used, 'photo')} can be used, and it takes {FEWEST}; add more"
    ((worst, most), *_) = faults.most_common()
    if most == len(verdicts):
        only = "the only photo is" if most == 1 else f"all {most} photos are"
        return f"{only} {FAULTS[worst][0]}; {FAULTS[worst][1]}, at least {FEWEST}"
    why = ", ".join(f"{n} {FAULTS[fault][0]}" for fault, n in faults.most_common())
    return (
        f"{used} of {len(verdicts)} photos can be used, and it takes {FEWEST} ({why}); "
        f"{FAULTS[worst][1]}"
    )


# --- a photo's square


def enlarged(picture, size):
    """A small face at the squares' size: by `facekit.restore` where it has to become more than
    twice as large, else by `retouch.upscale`, which is as good there (docs/parsing.md)."""
    if 2 * len(picture) < size and restore.WEIGHTS.exists():
        picture = restore.restore(picture, 4)
        if len(picture) >= size:
            return resize(picture, size)
    return retouch.upscale(picture, size=size)


def smoothed(picture, skin, width):
    """A face without noise and with its skin smoothed, by `retouch`."""
    return retouch.smooth_skin(retouch.denoise(picture, DENOISING), skin, SMOOTHING, width)


@dataclass(frozen=True)
class Tools:
    """What mends a face: whoever has a better restorer or retoucher passes it to `prepare`.

    Args:
        restore: (uint8 (S, S, 3), size) -> uint8 (size, size, 3): a small face, enlarged.
        retouch: (uint8 (S, S, 3), skin float32 (S, S), width of the face in pixels) -> uint8
            (S, S, 3): a noisy face, with its skin smoothed.
    """

    restore: Callable = enlarged
    retouch: Callable = smoothed


@dataclass(frozen=True)
class Prepared:
    """The square made of a photo.

    Attributes:
        image: uint8 (SIZE, SIZE, 3).
        square: `common.squares.Square` of the photo.
        restored: whether it was smaller than that, and was enlarged.
        retouched: whether the skin was smoothed.
    """

    image: np.ndarray
    square: Square
    restored: bool
    retouched: bool


def face_box(face):
    """The part of a photo that is learned from: the face's box, widened and moved down.

    Args:
        face: `facekit.detect.Face`.

    Returns:
        (left, top, width, height), float pixels of the photo; may reach out of it.
    """
    left, top, width, height = (float(value) for value in face.box)
    return left - WIDER * width, top + LOWER * height, (1 + 2 * WIDER) * width, height


def prepare(image, face, quality, tools=None):
    """Make the square of a photo.

    Args:
        image: uint8 (H, W, 3).
        face: `facekit.detect.Face` in it.
        quality: its `facekit.quality.Quality`, which decides what is mended.
        tools: `Tools`; None takes what facekit has.

    Returns:
        Prepared.
    """
    tools = tools or Tools()
    square = square_round(face_box(face), image.shape)
    there = face.through(square.matrix(SIZE))
    picture = square.cut(image)
    retouched = min(quality.noise, quality.compression) < CLEAN
    if retouched:  # first, for noise that is enlarged passes for structure
        here = face.moved(-square.left, -square.top)
        skin = _within(square, cover.bare_skin(image, face))
        picture = tools.retouch(picture, skin, masks.face_width(here))
    restored = square.side < SIZE
    picture = tools.restore(picture, SIZE) if restored else resize(picture, SIZE)
    person = resize(_within(square, masks.person(image, face)), SIZE)
    # Half a haze round the hair would be learned; and a face is never cut into, whatever the
    # segmentation thinks of it.
    person = np.clip((person - HAZE) / (1 - 2 * HAZE), 0, 1)
    person = np.maximum(person, masks.regions(there, picture.shape)["oval"])
    return Prepared(masks.cut_out(picture, person, TONE), square, restored, retouched)


def _within(square, mask):
    """What a square shows of a mask (H, W), 0 where it sticks out of the picture."""
    result = np.zeros((square.side, square.side), np.float32)
    there, own = square.inside(mask.shape)
    result[own] = mask[there]
    return result


def prepare_all(photos, tools=None, workers=None):
    """Make the squares of several photos, in several processes.

    Args:
        photos: list of `facekit.score.Scored`.
        tools, workers: as `prepare` and `facekit.folder.for_each` take them.

    Returns:
        list of Prepared, in the order of `photos`.

    Raises:
        ValueError: a photo cannot be read any more.
    """
    faces = {photo.path: photo.best.measured for photo in photos}
    made = dict(for_each(partial(_prepare_file, faces=faces, tools=tools), list(faces), workers))
    for result in made.values():
        if isinstance(result, ValueError):
            raise result
    return [made[photo.path] for photo in photos]


def _prepare_file(path, faces, tools):
    measured = faces[path]
    return prepare(read_image(path), measured.face, measured.quality, tools)


def head(image, face):
    """The whole head as the photo has it: uint8 (S, S, 3), to paint into other photos."""
    return head_square(face, image.shape).cut(image)


def caption(trigger, noun, face):
    """What a square shows: "a photo of anna, a woman, smiling, facing left, before a light grey
    background". What is said is not learned as part of the person.

    Args:
        trigger: the word for the person.
        noun: what the person is; empty says nothing of it.
        face: `facekit.detect.Face`.
    """
    return _caption(trigger, noun, expression.words(face))


def plain_caption(trigger, noun):
    """What the square of a calm face that looks at the camera is said to show; as `caption`."""
    return _caption(trigger, noun, ())


def _caption(trigger, noun, seen):
    article = "an" if noun[:1].lower() in tuple("aeiou") else "a"
    who = [f"{article} {noun}"] if noun else []
    return ", ".join([f"a photo of {trigger}", *who, *seen, BACKGROUND])
