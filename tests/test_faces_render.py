"""Rendered faces: the truth beside a picture agrees with it, and a detector sees a face there."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from data.light.colours import HAIR
from data.people.wording import HAIR_NAMES
from data.shape.parts import PART


@pytest.fixture(params=["rendered", "rendered_small"])
def dataset(request):
    """24 people at 256 px and 32 at 64 px: images, part maps and records."""
    return request.getfixturevalue(request.param)


def distance_to(labels, part, point):
    """Pixels from a point to the nearest pixel of a part."""
    rows, columns = np.nonzero(labels == PART[part])
    if not len(rows):
        return np.inf
    return np.hypot(columns + 0.5 - point[0], rows + 0.5 - point[1]).min()


def test_the_five_points_lie_on_their_parts(rendered):
    _, maps, records = rendered  # at 64 px closed eyes have no pixel
    for labels, record in zip(maps, records, strict=True):
        left_eye, right_eye, nose, left_mouth, right_mouth = np.array(record["points5"])
        apart = np.linalg.norm(left_eye - right_eye)
        covered = {"hair", "facial hair", "glasses", "hat"}
        for point, part in (
            (left_eye, "eyes"),
            (right_eye, "eyes"),
            (nose, "nose"),
            (left_mouth, "lips"),
            (right_mouth, "lips"),
        ):
            near = distance_to(labels, part, point) < 0.12 * apart
            hidden = any(distance_to(labels, name, point) < 2 for name in covered)
            turned_away = abs(record["pose"][0]) > 30
            assert near or hidden or turned_away, (record["identity"], part, point)


def test_left_is_left_in_the_picture(dataset):
    for record in dataset[2]:
        left_eye, right_eye, _, left_mouth, right_mouth = np.array(record["points5"])
        assert left_eye[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
        assert record["points"]["right eye outer"][0] < record["points"]["left eye outer"][0]


def test_the_pose_has_the_signs_it_says(dataset):
    for record in dataset[2]:
        left_eye, right_eye, nose, *_ = np.array(record["points5"])
        yaw, _, roll = record["pose"]
        across = (right_eye - left_eye) / np.linalg.norm(right_eye - left_eye)
        along = (nose - (left_eye + right_eye) / 2) @ across / np.linalg.norm(right_eye - left_eye)
        if abs(yaw) > 8:
            assert np.sign(along) == np.sign(yaw)
        if abs(roll) > 4:
            assert np.sign(across[1]) == np.sign(roll)


def test_parts_stand_where_parts_stand(dataset):
    _, maps, _ = dataset
    for labels in maps:
        share = {name: (labels == number).mean() for name, number in PART.items()}
        assert 0.04 < share["skin"] < 0.6 and share["background"] > 0.02
        assert share["clothes"] + share["neck"] > 0.002  # a full beard hides the neck
        assert share["lips"] > 0.0005 and share["nose"] > 0.002
        nose, lips, neck = (
            np.nonzero(labels == PART[name])[0].mean() for name in ("nose", "lips", "neck")
        )
        assert nose < lips < neck
        assert (labels[-1] == PART["clothes"]).any() or (labels[-1] == PART["neck"]).any()


def test_no_picture_is_black_or_blown_out(dataset):
    images, maps, _ = dataset
    for image, labels in zip(images, maps, strict=True):
        skin = image[labels == PART["skin"]].mean(1)
        assert skin.max() < 256 and np.percentile(skin, 5) > 12 and np.percentile(skin, 95) < 250
        assert np.percentile(skin, 50) > 35


def test_captions_say_what_the_record_says(dataset):
    for record in dataset[2]:
        caption, known = record["caption"], record["attributes"]
        other = "man" if known["sex"] == "woman" else "woman"
        words = caption.replace(",", "").split()
        assert (known["sex"] in words or "person" in words) and other not in words
        assert "beard" not in words or known["beard"] in ("stubble", "short beard", "full beard")
        if abs(record["pose"][0]) < 14 and abs(record["pose"][1]) < 9:
            assert "turned" not in words
        named = [words[k - 1] for k, word in enumerate(words) if word == "hair" and k]
        for colour in set(named) & set(HAIR):
            assert colour in known["hair"] or colour in HAIR_NAMES.get(known["hair"], ())


def test_mediapipe_sees_a_face_where_we_say_it_is(rendered):
    """The five points of a detector that has never seen a render, against ours."""
    mediapipe = pytest.importorskip("mediapipe")
    images, _, records = rendered
    errors = []
    with mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True) as mesh:
        for image, record in zip(images, records, strict=True):
            found = mesh.process(image).multi_face_landmarks
            if not found:
                continue
            at = np.array([(p.x, p.y) for p in found[0].landmark]) * 256
            eyes = [at[[33, 133, 159, 145]].mean(0), at[[362, 263, 386, 374]].mean(0)]
            theirs = np.array([*eyes, at[1], at[61], at[291]])
            apart = np.linalg.norm(theirs[0] - theirs[1])
            errors.append(np.linalg.norm(theirs - record["points5"], axis=1) / apart)
    assert len(errors) >= 23
    assert np.median(errors) < 0.06


def rasterise():
    """Two overlapping triangles, in a process of its own: (numbers, interpolated values)."""
    from data.light.raster import Rasteriser, interpolate

    points = np.float32([[2, 2, 10], [30, 2, 10], [2, 30, 10], [0, 0, 5], [12, 0, 5], [0, 12, 5]])
    triangles = np.int32([[0, 1, 2], [3, 4, 5]])
    ids = Rasteriser(32).triangle_ids(points, triangles)
    return ids, interpolate(ids, points, triangles, points)


def test_the_rasteriser_shows_the_nearer_triangle_and_interpolates_exactly():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        ids, (hit, triangle, distance, values) = pool.submit(rasterise).result()
    assert ids[3, 3] == 1 and ids[10, 10] == 0 and ids[31, 31] == -1
    rows, columns = np.nonzero(hit)
    inside = np.abs(values[:, 0] - columns - 0.5) < 1e-3
    assert inside.mean() > 0.97  # but for pixels whose middle is just outside
    assert np.allclose(values[inside, 1], rows[inside] + 0.5, atol=1e-3)
    assert np.allclose(distance, np.where(triangle == 0, 10, 5), atol=1e-3)
