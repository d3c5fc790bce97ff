"""Quality on every step of every way to spoil a photo; ranking with known people."""

import cv2
import numpy as np
import pytest

from facekit import score
from facekit.detect import detect, largest
from facekit.quality import WEIGHTS, Quality, blockiness, noise_sigma, quality
from facekit.score import Measured, MeasuredFace


def spoilt(image, width):
    """{way: the picture, ever worse}."""
    rng = np.random.default_rng(0)
    grain = rng.standard_normal(image.shape)
    scale = width / 100

    def jpeg(quality):
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)

    def smaller(share):
        return cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)

    return {
        "blur": [cv2.GaussianBlur(image, (0, 0), sigma * scale) for sigma in (0.8, 1.5, 3, 5)],
        "noise": [np.clip(image + s * grain, 0, 255).astype(np.uint8) for s in (8, 16, 30, 50)],
        "jpeg": [jpeg(q) for q in (50, 25, 12, 6)],
        "darkness": [np.uint8(image * gain) for gain in (0.7, 0.5, 0.3, 0.15)],
        "downscaling": [smaller(share) for share in (0.75, 0.5, 0.35, 0.25) if share * width > 24],
    }


WAYS = ("blur", "noise", "jpeg", "darkness", "downscaling")


def sources(photographs, rendered):
    """Photographs and three good renders: in a blurred one, a little noise passes for detail."""
    found = [(image, largest(detect(image))) for image in rendered[0][:12]]
    good = [(image, face) for image, face in found if face and quality(image, face).total > 0.55]
    return [(image, largest(detect(image))) for image in photographs.values()] + good[:3]


@pytest.fixture(scope="module")
def faces(photographs, rendered):
    return sources(photographs, rendered)


@pytest.mark.parametrize("way", WAYS)
def test_quality_falls_with_every_step(faces, way):
    steps = 0
    for image, face in faces:
        before = quality(image, face).total
        for worse in spoilt(image, face.box[2])[way]:
            found = largest(detect(worse))
            if found is None:
                break  # worse than any score
            after = quality(worse, found).total
            assert after < before, (way, steps)
            before, steps = after, steps + 1
    assert steps >= 12


FAULTS = {
    "blur": "blurred",
    "noise": "noisy",
    "jpeg": "compressed",
    "darkness": "dark",
    "downscaling": "small",
}


@pytest.mark.parametrize("way", WAYS)
def test_the_fault_is_called_by_its_name(photo_faces, way):
    image, face = photo_faces["hopper"]
    assert quality(image, face).faults() == []
    ways = spoilt(image, face.box[2])
    ways["downscaling"].append(
        cv2.resize(image, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
    )
    worst = next(w for w in reversed(ways[way]) if largest(detect(w)) is not None)
    faults = quality(worst, largest(detect(worst))).faults()
    assert any(FAULTS[way] in fault for fault in faults), faults


def test_a_face_cut_off_by_the_border_is_told(photo_faces):
    image, face = photo_faces["hopper"]
    x = int(face.points5[2, 0])
    cut = quality(image[:, :x], face)
    assert abs(cut.inside**0.5 - 0.5) < 0.1 and any("cut off" in fault for fault in cut.faults())


def test_a_hidden_face_is_told(photo_faces):
    image, face = photo_faces["astronaut"]
    masked = image.copy()
    low = np.int32([face.mesh[i] for i in (234, 454, 365, 152, 136)])
    cv2.fillConvexPoly(masked, cv2.convexHull(low), (60, 120, 220))
    assert quality(masked, face).unhidden < quality(image, face).unhidden - 0.15


def test_noise_is_measured_in_grey_levels(rng):
    for sigma in (2.0, 8.0, 20.0):
        found = noise_sigma(np.float32(128 + rng.normal(0, sigma, (200, 200))))
        assert abs(found - sigma) < 0.08 * sigma


def test_blocks_are_seen_where_jpeg_puts_them(photo_faces):
    image, _ = photo_faces["astronaut"]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    packed = cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], 0)
    part = packed[13:250, 21:300].astype(np.float32)
    assert blockiness(grey.astype(np.float32)) < 1.1
    assert blockiness(part, left=21, top=13) > 1.6
    assert blockiness(part, left=24, top=16) < 1.1  # the wrong place shows none


def test_angle_and_front():
    assert [score.angle_score(roll) for roll in (0, 45, -45, 90, 170)] == [1, 0.5, 0.5, 0, 0]
    assert score.frontal_score(0, 0) == 1 and abs(score.frontal_score(45, 0) - 0.5) < 1e-9
    assert score.frontal_score(90, 0) < 1e-9


def photo(path, *people, quality=0.8, roll=0.0, mark=None, face=None):
    """A photo as if measured: embeddings near the axes that stand for people."""
    seed = sum(map(ord, path))
    rng = np.random.default_rng(seed)
    found = []
    for person in people:
        vector = np.zeros(128, np.float32)
        vector[person] = 1
        vector += rng.normal(0, 0.04, 128)
        parts = dict.fromkeys(WEIGHTS, 0.9)
        measured = Quality(total=quality, dark=False, **parts)
        turned = face.__class__(**{**face.__dict__, "roll": roll})
        found.append(MeasuredFace(turned, measured, vector / np.linalg.norm(vector)))
    bits = np.random.default_rng(seed if mark is None else mark).random(255) > 0.5
    return Measured(path, tuple(found), bits, "" if found else "no face found")


@pytest.fixture
def make(photo_faces):
    return lambda *args, **kwargs: photo(*args, face=photo_faces["hopper"][1], **kwargs)


def test_someone_else_comes_last_however_good_the_photo(make):
    photos = [make("stranger.jpg", 5, quality=1.0), make("nobody.jpg")]
    photos += [make(f"{i}.jpg", 0, quality=0.2 + 0.05 * i) for i in range(8)]
    ranked = score.rank(photos, same=0.5)
    assert [p.path for p in ranked] == [f"{i}.jpg" for i in range(7, -1, -1)] + [
        "stranger.jpg",
        "nobody.jpg",
    ]
    assert [p.rank for p in ranked] == list(range(1, 11))
    assert "someone else" in ranked[8].reason and "no face" in ranked[9].reason
    assert ranked[9].faces == () and not ranked[9].reference


def test_the_person_is_who_is_on_most_photos_not_on_most_faces(make):
    photos = [make(f"{i}.jpg", 0, 10 + i, 30 + i) for i in range(5)]
    photos += [make("crowd.jpg", 7, 7, 7, 7, 7, 7, 7)]
    ranked = score.rank(photos, same=0.5)
    assert all(p.best.measured.embedding.argmax() == 0 for p in ranked[:5])
    assert ranked[-1].path == "crowd.jpg"


def test_the_reference_is_the_best_upright_one(make):
    photos = [make("tilted.jpg", 0, quality=0.9, roll=60), make("upright.jpg", 0, quality=0.7)]
    ranked = score.rank(photos + [make("poor.jpg", 0, quality=0.3)], same=0.5)
    assert ranked[0].path == "tilted.jpg"
    assert [p.path for p in ranked if p.reference] == ["upright.jpg"]
    assert "tilted" in ranked[0].reason


def test_near_duplicates_are_marked_and_stand_back(make):
    photos = [
        make("first.jpg", 0, quality=0.9, mark=1),
        make("again.jpg", 0, quality=0.8, mark=1),
        make("other.jpg", 0, quality=0.4, mark=2),
    ]
    ranked = score.rank(photos, same=0.5)
    assert [p.path for p in ranked] == ["first.jpg", "other.jpg", "again.jpg"]
    assert ranked[2].near_duplicate_of == "first.jpg" and "near-duplicate" in ranked[2].reason


def test_the_reference_is_no_near_duplicate(make):
    photos = [
        make("tilted.jpg", 0, quality=0.9, mark=1, roll=80),
        make("upright copy.jpg", 0, quality=0.8, mark=1),
        make("other.jpg", 0, quality=0.4, mark=2),
    ]
    ranked = score.rank(photos, same=0.5)
    assert [p.path for p in ranked if p.reference] == ["other.jpg"]


def test_fingerprints_survive_what_messengers_do_and_tell_pictures_apart(photographs, rendered):
    image = photographs["hopper"]
    small = cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    packed = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1)
    brighter = np.clip(packed * 1.1 + 5, 0, 255).astype(np.uint8)
    for copy in (small, packed, brighter):
        assert np.sum(score.fingerprint(copy) != score.fingerprint(image)) <= score.DUPLICATE
    prints = [score.fingerprint(one) for one in [*rendered[0], image, photographs["astronaut"]]]
    apart = [np.sum(a != b) for i, a in enumerate(prints) for b in prints[:i]]
    assert min(apart) > score.DUPLICATE


def test_no_photo_and_no_face_are_no_reason_to_fail(make):
    assert score.rank([], 0.5) == []
    ranked = score.rank([make("a.jpg"), make("b.jpg")], 0.5)
    assert [p.rank for p in ranked] == [1, 2] and not any(p.reference for p in ranked)


def test_the_records_are_as_documented(make):
    import json

    records = json.loads(json.dumps(score.as_records(score.rank([make("a.jpg", 0)], 0.5))))
    assert set(records[0]) >= {"path", "faces", "rank", "reference", "reason"}
    face = records[0]["faces"][0]
    assert len(face["box"]) == 4 and np.shape(face["points5"]) == (5, 2)
    for key in ("yaw", "pitch", "roll", "id", "quality", "angle", "total"):
        assert isinstance(face[key], float), key
    assert abs(face["total"] - face["id"] * face["quality"]) < 1e-3
