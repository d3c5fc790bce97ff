"""Finding faces: in photographs, and in renders whose points and pose are known."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from conftest import ROOT

from facekit.detect import detect, largest, person
from facekit.mesh import LIPS_OUTER, OVAL
from facekit.triangles import triangles


def test_both_photographs_show_one_face_looking_ahead(photographs, photo_faces):
    for name, image in photographs.items():
        faces = detect(image)
        assert len(faces) == 1, name
        assert faces[0].mesh.shape == (478, 2) and faces[0].points5.shape == (5, 2)
        assert abs(faces[0].yaw) < 15 and abs(faces[0].roll) < 10 and faces[0].confidence > 0.8
        x, y, w, h = faces[0].box
        assert 0 <= x < x + w <= image.shape[1] and 0 <= y < y + h <= image.shape[0]
    eyes = photo_faces["astronaut"][1].points5[:2]
    assert np.abs(eyes - [(204, 102), (247, 104)]).max() < 5  # seen with one's own eyes


def test_a_face_stays_where_it_is_when_the_picture_grows(photo_faces):
    image, face = photo_faces["hopper"]
    wide = cv2.copyMakeBorder(image, 200, 50, 600, 90, cv2.BORDER_CONSTANT, value=(90, 110, 120))
    found = largest(detect(wide))
    eyes = np.linalg.norm(face.points5[1] - face.points5[0])
    assert np.linalg.norm(found.points5 - face.points5 - (600, 200), axis=1).max() < 0.06 * eyes


def test_faces_are_told_from_left_to_right(photographs):
    parts = [photographs["hopper"][:512], photographs["astronaut"], photographs["hopper"][:512]]
    row = np.hstack(parts)
    faces = detect(row)
    assert [int(face.points5[2, 0] // 512) for face in faces] == [0, 1, 2]


@pytest.mark.parametrize("eyes", [8, 14])
def test_small_faces_in_a_crowd_are_found(photo_faces, eyes):
    """A wall of faces of 20 and 35 px, far from what either detector sees of a whole picture."""
    image, face = photo_faces["hopper"]
    scale = eyes / np.linalg.norm(face.points5[1] - face.points5[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    wall = np.full((900, 1200, 3), (120, 130, 140), np.uint8)
    corners = [(x, y) for y in range(40, 800, 250) for x in range(50, 1100, 270)]
    for x, y in corners:
        wall[y : y + height, x : x + width] = small
    faces = detect(wall)
    true = np.array([face.points5 * scale + corner for corner in corners]).mean(1)
    near = [np.linalg.norm(true - f.points5.mean(0), axis=1).min() < eyes / 2 for f in faces]
    assert sum(near) >= 0.8 * len(corners)
    assert len(faces) - sum(near) <= 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_camera_held_sideways_is_forgiven(photo_faces, turns):
    image, face = photo_faces["astronaut"]
    found = largest(detect(np.ascontiguousarray(np.rot90(image, turns))))
    x, y = face.points5[2]
    side = image.shape[0]
    nose = {1: (y, side - x), 2: (side - x, side - y), 3: (side - y, x)}[turns]
    assert np.linalg.norm(found.points5[2] - nose) < 5
    assert abs((found.roll + 90 * turns - face.roll + 180) % 360 - 180) < 8


def test_no_faces_where_there_are_none(rng):
    from skimage import data

    assert detect(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)) == []
    for name in ("cat", "coffee", "rocket", "brick", "moon", "page"):
        image = getattr(data, name)()
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, 2)
        assert detect(np.ascontiguousarray(image)) == [], name


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (3, 2), (40, 40)])
def test_tiny_and_thin_pictures_do_no_harm(shape):
    assert detect(np.full((*shape, 3), 127, np.uint8)) == []


def test_other_arrays_are_refused(photographs):
    image = photographs["hopper"]
    for wrong in (image / 255.0, image[..., 0], np.dstack([image, image[..., :1]]), image[:0]):
        with pytest.raises(ValueError, match="uint8"):
            detect(wrong)


def test_renders_are_found_with_their_points_and_pose(rendered):
    images, _, records = rendered
    found = [largest(detect(image)) for image in images]
    assert None not in found
    true = np.array([record["points5"] for record in records])
    eyes = np.linalg.norm(true[:, 1] - true[:, 0], axis=1)
    errors = np.linalg.norm([f.points5 for f in found] - true, axis=2) / eyes[:, None]
    assert np.median(errors) <= 0.04
    yaw, pitch, roll = np.array([record["pose"] for record in records]).T
    assert np.median(np.abs([f.yaw for f in found] - yaw)) < 3
    assert np.median(np.abs([f.roll for f in found] - roll)) < 2
    assert np.median(np.abs([f.pitch for f in found] - pitch)) < 6
    assert np.corrcoef([f.pitch for f in found], pitch)[0, 1] > 0.3


def test_renders_of_64_pixels_are_found(rendered):
    images, _, _ = rendered
    small = [cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA) for image in images]
    assert sum(bool(detect(image)) for image in small) >= 0.95 * len(images)


def test_a_face_seen_through_a_matrix_is_the_face_in_that_picture(photo_faces):
    from facekit.align import warp

    image, face = photo_faces["hopper"]
    c, s = np.cos(0.4), np.sin(0.4)
    matrix = np.array([[c, -s, 180.0], [s, c, -60.0]])
    seen, told = largest(detect(warp(image, matrix, 700))), face.through(matrix)
    eyes = np.linalg.norm(face.points5[1] - face.points5[0])
    assert np.linalg.norm(seen.points5 - told.points5, axis=1).max() < 0.06 * eyes
    assert abs(seen.roll - told.roll) < 4
    assert np.linalg.norm(seen.box - told.box) < 0.2 * eyes


def test_the_person_is_told_from_the_wall(photo_faces):
    image, face = photo_faces["hopper"]
    mask = person(image)
    assert mask.shape == image.shape[:2] and mask.dtype == np.float32
    x, y = face.points5[2].astype(int)
    assert mask[y, x] > 0.9 and mask[:40, -40:].max() < 0.1


def test_the_triangles_cover_a_face_once(photo_faces):
    _, face = photo_faces["hopper"]
    corners = face.mesh[triangles()]
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2
    oval = cv2.contourArea(face.mesh[list(OVAL)])
    assert (areas > 0).mean() > 0.97  # seen from the front nearly all show their faces
    assert abs(areas.sum() - oval) < 0.02 * oval
    assert len(np.unique(triangles())) == 468 and not set(LIPS_OUTER) - set(triangles().ravel())


def test_facekit_stands_alone_and_finds_faces_without_tensorflow(photographs, tmp_path):
    """Nothing of the other packages, and none of the seconds that TensorFlow takes to load."""
    from common.images import write_image

    write_image(photographs["astronaut"], tmp_path / "a.png")
    code = (
        "import sys; from facekit import draw, fuse, jobs, report, retouch, score;"
        "from facekit.folder import measure; from facekit.detect import detect;"
        "from common.images import read_image;"
        f"assert len(detect(read_image({str(tmp_path / 'a.png')!r}))) == 1;"
        "print({'ddpm', 'data', 'tensorflow', 'keras', 'train'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.stdout == "set()\n", done.stderr
    assert done.stderr == ""  # MediaPipe's remarks are kept from the user
