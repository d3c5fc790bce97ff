"""Face detection: box, five points, mesh and pose, by MediaPipe, which only this file knows.

Both detectors of MediaPipe see the whole picture, and the full-range one also overlapping parts of
it: the short-range detector misses small faces, the full-range one misses close-ups. Each detection
is then turned upright, scaled, and given to the face mesh, which confirms it and marks 478 points.

References: Bazarevsky et al., BlazeFace, 2019; Kartynnik et al., Real-time Facial Surface Geometry
from Monocular Video on Mobile GPUs, 2019; Grishchenko et al., Attention Mesh, 2020.
"""

import contextlib
import functools
import os
import re
import sys
import threading
from dataclasses import dataclass, replace

import numpy as np

from common.devices import without_noise
from common.images import resize
from common.vectors import unit
from facekit.align import invert, transform, warp
from facekit.mesh import EYE_CENTRES, five_points

# Scores of MediaPipe's detectors, 0 to 1.
MIN_SCORE_WHOLE = 0.5  # of a detection in the whole picture; below, it is dropped
# Of a detection in a part of the picture or in a turned one; below, it is dropped. Where no face of
# the upright picture reaches it, the picture is searched turned by quarter turns as well.
MIN_SCORE_PART = 0.65
# Of a detection that goes to the mesh unchecked; below, the short-range detector must find it again
# in its upright crop, with MIN_SCORE_RECHECK: it does not find rockets again.
MIN_SCORE_UNCHECKED = 0.85
MIN_SCORE_RECHECK = 0.7
MIN_PART = 150  # px; side of the smallest parts that are searched
# Width of the smallest face over a part's side; below, smaller faces may be missed in such parts.
SMALL_FACE = 0.25
MAX_SIDE = 2048  # px; larger pictures are reduced before the search
MESH_SIZE = 256  # px; side of the mesh's crop; its network takes 192
# Sides of the mesh's crop over the detector's box. The second is tried if the first fails.
MESH_SIDES = (2.0, 1.5)
# Pairs of mesh points across the face's plane of symmetry, and pairs one above the other in it.
ACROSS = ((127, 356), (33, 263), (133, 362), (234, 454), (132, 361), (93, 323))
UPRIGHT = ((10, 152), (151, 200), (9, 199))
LEVEL_PITCH = -6.3  # degrees measured on rendered faces that look straight ahead


@dataclass(frozen=True)
class Face:
    """One face.

    Attributes:
        box: float32 (4,): x, y, width, height of the mesh, in pixels.
        points5: float32 (5, 2).
        mesh: float32 (478, 2): MediaPipe's mesh, the last ten points the irises.
        depth: float32 (478,): in pixels too, smaller is nearer.
        yaw: degrees, positive turns the face towards the picture's right.
        pitch: degrees, positive looks up.
        roll: degrees of the line through the eyes, positive clockwise as one looks at the picture.
        confidence: 0..1, the detector's score.
    """

    box: np.ndarray
    points5: np.ndarray
    mesh: np.ndarray
    depth: np.ndarray
    yaw: float
    pitch: float
    roll: float
    confidence: float

    def through(self, matrix):
        """The same face in a picture warped by a similarity matrix, (2, 3)."""
        matrix = np.asarray(matrix, float)
        mesh = transform(self.mesh, matrix)
        turn = float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
        return replace(
            self,
            box=_box_of(mesh),
            points5=transform(self.points5, matrix),
            mesh=mesh,
            depth=self.depth * np.float32(np.hypot(*matrix[:, 0])),
            roll=(self.roll + turn + 180) % 360 - 180,
        )

    def moved(self, dx, dy):
        """The same face in a picture whose origin is shifted by (-dx, -dy)."""
        return self.through([[1, 0, dx], [0, 1, dy]])


def detect(image, min_score=MIN_SCORE_WHOLE):
    """The faces of a picture, from left to right.

    Args:
        image: uint8 (H, W, 3).
        min_score: of a detection in the whole picture; below, it is dropped.

    Returns:
        list of Face; empty where there is none.

    Raises:
        ValueError: not a uint8 RGB picture.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"a picture is uint8 (H, W, 3). Received: {image.dtype} {image.shape}.")
    small, to_small = _reduced(image)
    with _LOCK, _without_remarks("faces"):
        faces = _faces(image, small, to_small, min_score)
        if max((face.confidence for face in faces), default=0) < MIN_SCORE_PART:
            # A camera held sideways whose file has no EXIF orientation; what was found upright is
            # then a false detection at most.
            tries = [faces, *(_turned_faces(image, small, to_small, turns) for turns in (1, 3, 2))]
            faces = max(tries, key=lambda some: max((f.confidence for f in some), default=0))
        if faces:
            _USED.add("faces")  # the mesh too, which runs only where there are candidates
    return sorted(faces, key=lambda face: float(face.points5[:, 0].mean()))


def largest(faces):
    """The face with the largest box, or None."""
    return max(faces, key=lambda face: float(face.box[2] * face.box[3]), default=None)


def person(image):
    """Probability that a pixel shows a person, by MediaPipe's selfie segmentation.

    Args:
        image: uint8 (H, W, 3).

    Returns:
        float32 (H, W) in [0, 1]. The network takes 256 x 256 pixels: pass a crop for detail.
    """
    with _LOCK, _without_remarks("person"):
        found = _segmenter().process(np.ascontiguousarray(image))
        _USED.add("person")
    return np.clip(found.segmentation_mask, 0, 1)


def tesselation():
    """The edges of the mesh's triangles: a set of pairs of point numbers."""
    return _solutions().face_mesh_connections.FACEMESH_TESSELATION


def head_pose(mesh, depth):
    """Yaw, pitch and roll of a face.

    The face's right-hand and upward axes are averaged over pairs of mesh points that mirror each
    other or lie one above the other, and made orthogonal.

    Args:
        mesh: (478, 2), pixels.
        depth: (478,), pixels, smaller is nearer.

    Returns:
        (yaw, pitch, roll) in degrees, in the senses of `Face`.
    """
    at = np.column_stack([mesh, depth]).astype(float)
    x = np.mean([unit(at[b] - at[a]) for a, b in ACROSS], axis=0)
    y = np.mean([unit(at[b] - at[a]) for a, b in UPRIGHT], axis=0)
    x = unit(x)
    y = unit(y - (y @ x) * x)
    z = np.cross(x, y)  # into the picture where the face looks at the camera
    yaw = np.degrees(np.arctan2(-z[0], np.hypot(z[1], z[2])))
    pitch = np.degrees(np.arctan2(z[1], z[2]))
    left, right = (mesh[list(eye)].mean(0) for eye in EYE_CENTRES)
    roll = np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0]))
    return float(yaw), float(pitch - LEVEL_PITCH), float(roll)


def _reduced(image):
    """The picture at the size that is searched, and the matrix from the picture to it."""
    scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
    if scale == 1:
        return image, np.eye(2, 3)
    small = resize(image, tuple(max(1, round(length * scale)) for length in image.shape[:2]))
    sy, sx = np.array(small.shape[:2]) / image.shape[:2]
    return small, np.array([[sx, 0, 0], [0, sy, 0]])


def _faces(image, small, to_small, min_score, min_part=MIN_PART):
    candidates = _distinct(_candidates(small, min_score, min_part))
    faces = [_face(image, to_small, candidate) for candidate in candidates]
    return _distinct([face for face in faces if face is not None])


def _turned_faces(image, small, to_small, turns):
    """Faces of the picture turned by quarter turns, in the unturned picture's coordinates."""
    height, width = small.shape[:2]
    turned = np.ascontiguousarray(np.rot90(small, turns))
    turn = {
        1: [[0, 1, 0], [-1, 0, width]],
        2: [[-1, 0, width], [0, -1, height]],
        3: [[0, -1, height], [1, 0, 0]],
    }[turns]
    to_turned = np.asarray(turn, float) @ np.vstack([to_small, [0, 0, 1]])
    coarse = max(MIN_PART, max(height, width) // 2)  # a sideways crowd is rare
    return _faces(image, turned, to_turned, MIN_SCORE_PART, coarse)


@dataclass(frozen=True)
class _Candidate:
    box: np.ndarray  # x, y, width, height
    eyes: np.ndarray  # (2, 2)
    confidence: float


def _candidates(image, min_score, min_part):
    height, width = image.shape[:2]
    found = _detections(image, (0, 0, width, height), (False, True), min_score)
    finer = 2
    while _part_side(width, height, finer) >= min_part:
        for part in _parts(width, height, finer):
            found += _detections(image, part, (True,), max(min_score, MIN_SCORE_PART))
        smallest = min((c.box[2] for c in found), default=0)
        if smallest > SMALL_FACE * _part_side(width, height, finer):
            break  # smaller faces would have been found in these parts: there are none
        finer *= 2
    return found


def _part_side(width, height, finer):
    return int(np.ceil(max(width, height) / finer * 1.25))


def _parts(width, height, finer):
    """Overlapping parts (left, top, width, height), about `finer` of them along the longer side."""
    side = _part_side(width, height, finer)
    lefts, tops = _starts(width, side), _starts(height, side)
    return [(x, y, min(side, width), min(side, height)) for y in tops for x in lefts]


def _starts(length, side):
    if side >= length:
        return [0]
    count = int(np.ceil((length - side) / (0.75 * side))) + 1
    return np.linspace(0, length - side, count).round().astype(int).tolist()


def _detections(image, part, ranges, min_score):
    """Candidates in a part (left, top, width, height), by the short-range detector (False) or the
    full-range one (True)."""
    left, top, width, height = part
    view = np.ascontiguousarray(image[top : top + height, left : left + width])
    found = []
    for full_range in ranges:
        for detection in _detector(full_range).process(view).detections or ():
            if detection.score[0] >= min_score:
                found.append(_candidate(detection, part))
    inner = (left > 0, top > 0, left + width < image.shape[1], top + height < image.shape[0])
    return [c for c in found if not _cut_by_part(c, part, inner)]


def _candidate(detection, part):
    left, top, width, height = part
    data = detection.location_data
    r = data.relative_bounding_box
    box = np.array(
        [left + r.xmin * width, top + r.ymin * height, r.width * width, r.height * height]
    )
    eyes = np.array([(left + k.x * width, top + k.y * height) for k in data.relative_keypoints[:2]])
    return _Candidate(box, eyes, float(detection.score[0]))


def _cut_by_part(candidate, part, inner):
    """Whether an edge of the part that lies inside the picture cuts the face: another part has it
    whole."""
    x, y, w, h = candidate.box
    left, top, width, height = part
    over = (left - x, top - y, x + w - left - width, y + h - top - height)
    return any(edge and beyond > 0.05 * w for edge, beyond in zip(inner, over, strict=True))


def _distinct(found):
    """Non-maximum suppression: the most confident of those that overlap."""
    kept = []
    for one in sorted(found, key=lambda c: -c.confidence):
        if all(_overlap(one.box, other.box) < 0.45 for other in kept):
            kept.append(one)
    return kept


def _overlap(a, b):
    """Shared area over the smaller box's."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    shared = np.prod(np.maximum(high - low, 0))
    return shared / max(1e-9, min(a[2] * a[3], b[2] * b[3]))


def _face(image, to_small, candidate):
    """`Face`, in the picture's pixels, of a candidate of the small picture; None without a mesh."""
    for sides in MESH_SIDES:
        x, y = candidate.eyes[1] - candidate.eyes[0]
        angle = np.arctan2(y, x)
        scale = MESH_SIZE / (sides * max(candidate.box[2:].max(), 1.0))
        centre = candidate.box[:2] + candidate.box[2:] / 2
        turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        to_crop = np.column_stack([turn, MESH_SIZE / 2 - turn @ centre])
        matrix = to_crop @ np.vstack([to_small, [0, 0, 1]])
        view = warp(image, matrix, MESH_SIZE)
        if candidate.confidence < MIN_SCORE_UNCHECKED and not _found_again(view):
            continue
        marked = _mesher().process(view).multi_face_landmarks
        if marked:
            return _face_of(marked[0].landmark, matrix, candidate.confidence)
    return None


def _found_again(view):
    found = _detector(False).process(view).detections or ()
    return any(detection.score[0] >= MIN_SCORE_RECHECK for detection in found)


def _face_of(landmarks, matrix, confidence):
    at = np.array([(p.x, p.y, p.z) for p in landmarks], np.float64) * MESH_SIZE
    back = invert(matrix)
    mesh = transform(at[:, :2], back)
    depth = (at[:, 2] * np.sqrt(abs(np.linalg.det(back[:, :2])))).astype(np.float32)
    yaw, pitch, roll = head_pose(mesh, depth)
    return Face(
        box=_box_of(mesh),
        points5=five_points(mesh),
        mesh=mesh,
        depth=depth,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        confidence=confidence,
    )


def _box_of(mesh):
    low, high = mesh.min(0), mesh.max(0)
    return np.concatenate([low, high - low]).astype(np.float32)


_LOCK = threading.RLock()  # MediaPipe's graphs take one picture at a time
_USED = set()  # models that have run
# Information and warnings of MediaPipe's C++ code, which no setting turns off. Its threads write at
# once, so that lines can be torn.
_REMARKS = re.compile(r"^(INFO|WARNING): |[IW]\d{4} \d\d:\d\d:|XNNPACK delegate|^\s*$")


def _without_remarks(model):
    """Hold back MediaPipe's remarks on standard error, which come with a model's first use."""
    return contextlib.nullcontext() if model in _USED else without_noise(_REMARKS)


@functools.cache
def _detector(full_range):
    return _solutions().face_detection.FaceDetection(
        model_selection=int(full_range), min_detection_confidence=0.3
    )


@functools.cache
def _mesher():
    return _solutions().face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.2
    )


@functools.cache
def _segmenter():
    return _solutions().selfie_segmentation.SelfieSegmentation(model_selection=0)


@functools.cache
def _solutions():
    """MediaPipe's solutions; imported on first use, for that takes a second.

    MediaPipe imports TensorFlow for its documentation's decorators only, and works without: hiding
    it saves three seconds on each command that needs no TensorFlow.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")
    absent = "tensorflow" not in sys.modules
    if absent:
        sys.modules["tensorflow"] = None  # an import of it now fails as if it were not installed
    try:
        import mediapipe
    finally:
        if absent:
            del sys.modules["tensorflow"]
    return mediapipe.solutions
