"""Detection and recognition of rendered faces by models trained on photographs: MediaPipe's
detector and mesh, dlib's embedding.

MediaPipe must not run in a process that has opened a `data.light.render.Renderer`. `make_faces`
renders in processes of its own, so calling it first does no harm.
"""

import itertools
import json
from importlib.resources import files
from pathlib import Path

import numpy as np

from facekit import verification

POINTS = ("left eye", "right eye", "nose tip", "left mouth corner", "right mouth corner")
# Indices of MediaPipe's face mesh: corners and middles of the lids of the eye on the picture's left
# and on its right, nose tip, mouth corners.
MESH_EYES = ([33, 133, 159, 145], [362, 263, 386, 374])
MESH_REST = [1, 61, 291]
# The box that dlib's detector gives a face: its side and how far its middle lies below the eyes, in
# distances between eyes and mouth (medians over rendered faces that it did find).
BOX_SIDE, BOX_DROP = 2.41, 0.39
# dlib's network wants 150 px and a quarter of padding, as face_recognition cuts them.
CHIP, PADDING = 150, 0.25


def load(folder, styles=("photo",)):
    """The pictures of a rendered dataset that are of some styles, by default photographs: images
    uint8 (N, S, S, 3) and N records."""
    folder = Path(folder)
    lines = (folder / "faces.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    chosen = [i for i, record in enumerate(records) if record["style"] in styles]
    return np.load(folder / "images.npy", mmap_mode="r")[chosen], [records[i] for i in chosen]


def point_errors(found, true):
    """How far points are off.

    Args:
        found, true: (..., 5, 2): eye on the picture's left, eye on its right, nose tip, mouth
            corners left and right; pixels.

    Returns:
        (..., 5): distances, in parts of the true distance of the eyes.
    """
    found, true = np.asarray(found, float), np.asarray(true, float)
    eyes = np.linalg.norm(true[..., 0, :] - true[..., 1, :], axis=-1)
    return np.linalg.norm(found - true, axis=-1) / eyes[..., None]


def auc(same, different):
    """The chance that a pair of the same person lies closer than a pair of different people.

    Args:
        same, different: (A,), (B,): distances.

    Returns:
        float in [0, 1]: the area under the receiver's operating curve; ties count half.
    """
    return verification.auc(-np.asarray(same), -np.asarray(different))


def detection(folder):
    """Detection by MediaPipe, and the error of its points.

    Args:
        folder: a rendered dataset.

    Returns:
        dictionary: shares of pictures in which a face is found, and the errors of the mesh's points
        in percent of the eye distance.
    """
    import mediapipe

    images, records = load(folder)
    short, mesh, errors = [], [], []
    with (
        mediapipe.solutions.face_detection.FaceDetection(model_selection=0) as detector,
        mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True) as marker,
    ):
        for image, record in zip(images, records, strict=True):
            short.append(bool(detector.process(image).detections))
            marked = marker.process(image).multi_face_landmarks
            mesh.append(bool(marked))
            if marked:
                at = np.array([(p.x, p.y) for p in marked[0].landmark]) * image.shape[0]
                theirs = [at[eye].mean(0) for eye in MESH_EYES] + list(at[MESH_REST])
                errors.append(point_errors(theirs, record["points5"]))
    short, mesh, errors = np.array(short), np.array(mesh), 100 * np.array(errors)
    return {
        "pictures": len(images),
        "size": int(images.shape[1]),
        "found_short_range": float(short.mean()),
        "found_mesh": float(mesh.mean()),
        "found_either": float((short | mesh).mean()),
        "missed_by_both": np.flatnonzero(~(short | mesh)).tolist(),
        "error_median": float(np.median(errors)),
        "error_95": float(np.percentile(errors, 95)),
        "error_median_by_point": dict(zip(POINTS, np.median(errors, 0).tolist(), strict=True)),
    }


class Recogniser:
    """dlib's face detector, its five-point predictor and its 128 numbers a face.

    Calling it with a picture and its true points5 returns the numbers, float64 (128,), and whether
    the detector found the face; where it did not, the box is made from the points.
    """

    def __init__(self):
        import dlib

        models = files("face_recognition_models") / "models"
        self.dlib = dlib
        self.detector = dlib.get_frontal_face_detector()
        self.predictor = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self.network = dlib.face_recognition_model_v1(
            str(models / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def __call__(self, image, points5):
        points5 = np.array(points5)
        box = self.find(image, points5)
        points = self.predictor(image, box or self.box_of(points5))
        chip = self.dlib.get_face_chip(image, points, CHIP, PADDING)
        return np.array(self.network.compute_face_descriptor(chip)), box is not None

    def find(self, image, points5):
        """The detector's box around the true nose tip, or None."""
        nose = self.dlib.point(*(int(x) for x in points5[2]))
        return next((box for box in self.detector(image, 1) if box.contains(nose)), None)

    def box_of(self, points5):
        """The box that the detector would have given."""
        eyes, mouth = points5[:2].mean(0), points5[3:].mean(0)
        long = np.linalg.norm(mouth - eyes)
        (x, y), half = eyes + (0, BOX_DROP * long), BOX_SIDE * long / 2
        return self.dlib.rectangle(*(int(v) for v in (x - half, y - half, x + half, y + half)))


def identity(folder):
    """Verification by dlib's embedding.

    Args:
        folder: a rendered dataset with several views of each person.

    Returns:
        dictionary: the area under the curve over all pairs of pictures, quantiles of distances, how
        many people look alike, and the closest pairs of people.
    """
    images, records = load(folder)
    recognise = Recogniser()
    described = [recognise(i, r["points5"]) for i, r in zip(images, records, strict=True)]
    numbers, detected = map(np.array, zip(*described, strict=True))
    who = np.array([record["identity"] for record in records])
    distance = np.linalg.norm(numbers[:, None] - numbers[None], axis=-1)
    first, second = np.triu_indices(len(who), 1)
    same = who[first] == who[second]
    apart = distance[first, second]
    kinds = np.array([kind(record["attributes"]) for record in records])
    alike = ~same & (kinds[first] == kinds[second])
    np.fill_diagonal(distance, np.inf)
    return {
        "pictures": len(images),
        "people": len(set(who)),
        "size": int(images.shape[1]),
        "auc": auc(apart[same], apart[~same]),
        "auc_same_sex_and_main_origin": auc(apart[same], apart[alike]),
        "nearest_is_same_person": float((who[distance.argmin(1)] == who).mean()),
        "within_a_person": spread(apart[same]),
        "between_people": spread(apart[~same]),
        "between_people_same_sex_and_main_origin": spread(apart[alike]),
        "not_found_by_detector": int((~detected).sum()),
        "closest_people": closest_people(distance, who, records),
    }


def kind(attributes):
    """Sex and main origin in a word, such as "woman, asian"."""
    main = ("african", "asian", "caucasian")[int(np.argmax(attributes["origin"]))]
    return f"{attributes['sex']}, {main}"


def spread(values):
    """Median and the middle 98%."""
    low, middle, high = np.percentile(values, (1, 50, 99))
    return {"1%": float(low), "median": float(middle), "99%": float(high)}


def closest_people(distance, who, records, count=6):
    """The pairs of people with the smallest mean distance over their pictures, and what stays the
    same in every picture of a person and is the same or differs between the two."""
    people = sorted(set(who.tolist()))
    known = {
        k: [r["attributes"] for r, w in zip(records, who, strict=True) if w == k] for k in people
    }
    lasting = [
        name
        for name in records[0]["attributes"]
        if all(own[name] == views[0][name] for views in known.values() for own in views)
    ]
    means = {
        (a, b): float(distance[np.ix_(who == a, who == b)].mean())
        for a, b in itertools.combinations(people, 2)
    }
    return [
        {
            "people": [a, b],
            "distance": means[a, b],
            "attributes": {name: [known[k][0][name] for k in (a, b)] for name in lasting},
        }
        for a, b in sorted(means, key=means.get)[:count]
    ]
