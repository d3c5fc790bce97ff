"""Ranking of a person's photos by likeness and quality, and the choice of a reference photo.

    id       cosine between a face and the mean embedding of that person's photos
    quality  0 to 1, see `facekit.quality`
    angle    (90 - |roll|) / 90: 1 upright, 0 lying down
    total    id x quality: the ranking
    reference photo: the best id x quality x angle

The formulae are EasyPhoto's (Wu et al., EasyPhoto: Your Smart AI Photo Generator, 2023).
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from facekit.detect import Face
from facekit.identity import pivot, similarity
from facekit.quality import Quality

BITS = 16  # a fingerprint has BITS x BITS of them
DUPLICATE = 24  # bits; unrelated pictures differ in about half of the 255
PROFILE = 40  # degrees of yaw from which a face counts as turned away


@dataclass(frozen=True)
class MeasuredFace:
    """A face of a photo: its place, quality and embedding, float32 (D,) of unit length."""

    face: Face
    quality: Quality
    embedding: np.ndarray


@dataclass(frozen=True)
class Measured:
    """Measurements of one photo, before it is compared with others.

    Attributes:
        path: as the user gave it.
        faces: tuple of MeasuredFace, from left to right.
        fingerprint: bool (255,), of `fingerprint`; None where the file could not be read.
        problem: why there is nothing to score; empty where there is.
    """

    path: str
    faces: tuple = ()
    fingerprint: np.ndarray = None
    problem: str = ""


@dataclass(frozen=True)
class ScoredFace:
    """Scores of a face: `id`, `total` and `frontal` in 0..1, and the verdict in words."""

    measured: MeasuredFace
    id: float
    total: float
    angle: float
    frontal: float
    same: bool
    reason: str

    @property
    def as_reference(self):
        """How well it shows the person: id x quality x angle."""
        return self.total * self.angle


@dataclass(frozen=True)
class Scored:
    """A ranked photo: rank 1 is best; `reference` marks the reference photo."""

    path: str
    faces: tuple
    rank: int
    reference: bool
    reason: str
    near_duplicate_of: str = ""
    best: ScoredFace = field(default=None)


def angle_score(roll):
    """(90 - |roll|) / 90, at least 0; roll in degrees."""
    return max(0.0, (90 - abs(roll)) / 90)


def frontal_score(yaw, pitch):
    """cos(yaw) cos(pitch), squared: 1 looking into the camera, 0.5 at 45 degrees, 0 in profile."""
    seen = np.cos(np.radians(np.clip([yaw, pitch], -90, 90))).prod()
    return float(seen**2)


def fingerprint(image):
    """Perceptual hash of a picture; equal or nearly so after resizing and recompression.

    Args:
        image: uint8 (H, W, 3).

    Returns:
        bool (255,): whether each of the lowest cosine coefficients exceeds their median.

    Reference: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.
    """
    small = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    lowest = cv2.dct(grey)[:BITS, :BITS].ravel()[1:]  # the first is the mean brightness
    return lowest > np.median(lowest)


def main_person(photos, same):
    """Mean embedding of the person who is on most photos.

    The face with matches in the most other photos is the start; the mean is then taken, twice, over
    the best match of each photo. Strangers do not enter it.

    Args:
        photos: list of lists of embeddings (D,), one list a photo.
        same: cosine above which two faces are one person's.

    Returns:
        float32 (D,), or None without a single face.
    """
    owner = np.array([i for i, faces in enumerate(photos) for _ in faces], int)
    if not len(owner):
        return None
    every = np.array([e for faces in photos for e in faces], np.float64)
    alike = every @ every.T
    alike[owner[:, None] == owner[None]] = -1
    friends = np.where(alike > same, alike, 0)
    # By count first; the sum of the cosines decides between equal counts.
    found = (friends > 0).sum(1) + friends.sum(1) / (len(owner) + 1)
    middle = every[int(np.argmax(found))]
    for _ in range(2):
        best = [max(faces, key=lambda e: e @ middle) for faces in photos if len(faces)]
        members = [e for e in best if e @ middle > same]
        if not members:
            break
        middle = pivot(members)
    return np.asarray(middle, np.float32)


def rank(photos, same):
    """Score and sort photos.

    Args:
        photos: list of Measured.
        same: cosine above which two faces are one person's, as `facekit.identity` knows it.

    Returns:
        list of Scored, best first: photos of the person by total, near-duplicates of a better photo
        after them, then photos of other people, then those without a face.
    """
    middle = main_person([[f.embedding for f in photo.faces] for photo in photos], same)
    rows = []
    for photo in photos:
        faces = tuple(_score(face, middle, same) for face in photo.faces)
        rows.append((photo, faces, max(faces, key=lambda f: (f.same, f.total), default=None)))
    rows.sort(key=lambda row: _order(row[2]))
    copies = _near_duplicates(rows)
    rows.sort(key=lambda row: (_group(row[2], row[0].path in copies), _order(row[2])))
    eligible = [r for r in rows if r[2] is not None and r[2].same and r[0].path not in copies]
    chosen = max(eligible, key=lambda r: r[2].as_reference, default=None)
    return [
        Scored(
            path=photo.path,
            faces=faces,
            rank=place,
            reference=chosen is not None and photo is chosen[0],
            reason=_photo_reason(photo, best, copies.get(photo.path, "")),
            near_duplicate_of=copies.get(photo.path, ""),
            best=best,
        )
        for place, (photo, faces, best) in enumerate(rows, 1)
    ]


def appearances(scored, same):
    """On how many photos the person is, and on how many whoever else is on the most of them; a
    near-duplicate does not count.

    Args:
        scored: list of Scored, of `rank`.
        same: as for `rank`.

    Returns:
        (int, int).
    """
    photos = [p for p in scored if p.faces and not p.near_duplicate_of]
    person = sum(any(face.same for face in photo.faces) for photo in photos)
    others = [[f.measured.embedding for f in photo.faces if not f.same] for photo in photos]
    middle = main_person(others, same)
    if middle is None:
        return person, 0
    return person, sum(any(similarity(e, middle) > same for e in faces) for faces in others)


def as_records(scored):
    """Content of `score --json`: a list of dictionaries, best first."""
    return [
        {
            "path": photo.path,
            "faces": [_face_record(face) for face in photo.faces],
            "rank": photo.rank,
            "reference": photo.reference,
            "reason": photo.reason,
            "near_duplicate_of": photo.near_duplicate_of or None,
        }
        for photo in scored
    ]


def _face_record(scored):
    face = scored.measured.face
    return {
        "box": [round(float(v), 1) for v in face.box],
        "points5": [[round(float(v), 2) for v in point] for point in face.points5],
        "yaw": round(face.yaw, 1),
        "pitch": round(face.pitch, 1),
        "roll": round(face.roll, 1),
        "id": round(scored.id, 4),
        "quality": round(scored.measured.quality.total, 4),
        "angle": round(scored.angle, 4),
        "frontal": round(scored.frontal, 4),
        "total": round(scored.total, 4),
        "confidence": round(face.confidence, 3),
        "reason": scored.reason,
    }


def _score(measured, middle, same):
    id = max(0.0, float(similarity(measured.embedding, middle)))
    face = measured.face
    return ScoredFace(
        measured=measured,
        id=id,
        total=id * measured.quality.total,
        angle=angle_score(face.roll),
        frontal=frontal_score(face.yaw, face.pitch),
        same=id > same,
        reason=_face_reason(measured, id, id > same),
    )


def _face_reason(measured, id, same):
    who = "the person" if same else "someone else"
    words = [f"{who} (likeness {id:.2f})"]
    faults = measured.quality.faults()
    if abs(measured.face.yaw) > PROFILE:
        faults.append("the face is turned away")
    if angle_score(measured.face.roll) < 2 / 3:
        faults.append("the head is tilted")
    words += faults or ["nothing to complain of"]
    return "; ".join(words)


def _photo_reason(photo, best, copy_of):
    if photo.problem:
        return photo.problem
    text = best.reason
    if len(photo.faces) > 1:
        text += f"; {len(photo.faces)} faces"
    return f"near-duplicate of {copy_of}; {text}" if copy_of else text


def _order(best):
    return (1.0, 0.0) if best is None else (-float(best.same), -best.total)


def _group(best, is_copy):
    if best is None:
        return 3
    return int(is_copy) if best.same else 2


def _near_duplicates(rows):
    """{path: path of the better photo that it repeats}; rows come best first."""
    kept, copies = [], {}
    for photo, _, _ in rows:
        if photo.fingerprint is None:
            continue
        match = next(
            (k for k in kept if np.sum(k.fingerprint != photo.fingerprint) <= DUPLICATE), None
        )
        if match is None:
            kept.append(photo)
        else:
            copies[photo.path] = match.path
    return copies
