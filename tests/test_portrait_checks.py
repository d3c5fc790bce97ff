"""What is doubted of photos before anything is painted."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from common.images import write_image
from facekit import masks
from facekit.detect import detect, head_pose, largest
from portrait import checks, session
from portrait.__main__ import main
from portrait.session import Session


def turned_face(face, degrees):
    """A face turned about the vertical axis through its middle, as its mesh is in space."""
    angle, middle = np.radians(degrees), face.mesh.mean(0)
    x, y = (face.mesh - middle).T
    z = face.depth - face.depth.mean()
    across = x * np.cos(angle) - z * np.sin(angle)
    mesh = np.column_stack([across, y]) + middle
    depth = x * np.sin(angle) + z * np.cos(angle)
    yaw, pitch, roll = head_pose(mesh, depth)
    return replace(face, mesh=mesh, depth=depth, yaw=yaw, pitch=pitch, roll=roll)


def with_lids(face, opening):
    """A face whose lids stand that many times as far apart."""
    mesh = face.mesh.copy()
    for top, bottom in ((159, 145), (386, 374)):
        middle = (mesh[top] + mesh[bottom]) / 2
        mesh[[top, bottom]] = middle + opening * (mesh[[top, bottom]] - middle)
    return replace(face, mesh=mesh)


def doubts(image, face, other=None):
    return checks.of_reference(image, face, image, other or face, "anna.jpg")


def test_nothing_is_doubted_of_photographs(photo_faces):
    for image, face in photo_faces.values():
        assert doubts(image, face) == [] and checks.of_template(image, face, "t.jpg") == []
        assert checks.seen(face, image.shape) > 0.9


def test_less_is_seen_of_a_face_the_more_it_is_turned(photo_faces):
    image, face = photo_faces["hopper"]
    shares = [checks.seen(turned_face(face, angle), image.shape) for angle in (0, 30, 60, 85)]
    assert shares == sorted(shares, reverse=True) and shares[1] > 0.7 and shares[3] < 0.6


def test_what_is_outside_or_hidden_is_not_seen(photo_faces):
    image, face = photo_faces["hopper"]
    whole = checks.seen(face, image.shape)
    middle = face.mesh[:, 0].mean()
    half = face.moved(-middle, 0)
    assert checks.seen(half, image.shape) == pytest.approx(whole / 2, abs=0.08)
    hidden = np.zeros(image.shape[:2], np.float32)
    hidden[:, int(middle) :] = 1
    assert checks.seen(face, image.shape, hidden) == pytest.approx(whole / 2, abs=0.08)
    assert checks.seen(face.moved(9999, 0), image.shape) == 0
    (sentence,) = doubts(image, half)
    assert "of the face is seen" in sentence


def test_a_face_turned_too_far_is_doubted_once(photo_faces):
    image, face = photo_faces["hopper"]
    (sentence,) = doubts(image, replace(face, yaw=-70.0))
    assert "turned to the left by 70 degrees" in sentence
    (sentence,) = checks.of_template(image, replace(face, pitch=40.0), "t.jpg")
    assert sentence.startswith("t.jpg: the face is turned up by 40 degrees")
    assert not doubts(image, replace(face, yaw=45.0, pitch=-20.0))


def test_closed_eyes_are_doubted_where_the_template_has_open_ones(photo_faces):
    image, face = photo_faces["astronaut"]
    closed = with_lids(face, 0.2)
    (sentence,) = doubts(image, closed, face)
    assert "the eyes are closed" in sentence
    assert not doubts(image, closed, closed) and not doubts(image, face, closed)
    assert not checks.of_template(image, closed, "t.jpg")


def test_closed_eyes_do_not_matter_behind_sunglasses(photo_faces, monkeypatch):
    image, face = photo_faces["astronaut"]
    closed = with_lids(face, 0.2)
    glasses = masks.soften(masks.regions(face, image.shape)["eyes"], 2.0)
    for strength, count in ((1.0, 0), (0.3, 1)):
        monkeypatch.setattr(checks.cover, "covered", lambda *_, s=strength: s * glasses)
        assert sum("eyes are closed" in one for one in doubts(image, closed, face)) == count


def test_lines_and_flat_colours_are_drawings(photo_faces):
    image, face = photo_faces["astronaut"]
    grey = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    smooth = cv2.bilateralFilter(image, 9, 40, 9)
    packed = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 1)
    for photo in (image, grey, smooth, packed):
        assert not checks.is_drawn(photo, face)
    lines = np.where(cv2.adaptiveThreshold(grey[..., 0], 255, 0, 0, 9, 8)[..., None], 255, grey)
    assert checks.is_drawn(lines.astype(np.uint8), face)
    flat = cv2.medianBlur(image, 15) // 64 * 64 + 32  # few colours, with edges between them
    assert "drawing" in doubts(flat, face)[0]


@pytest.fixture
def half(photographs, tmp_path):
    """Files: a template, and a face of which the picture's border has cut off nearly half."""
    image = photographs["hopper"]
    face = largest(detect(image))
    cut = image[:, int(face.mesh[:, 0].mean() - 0.05 * face.box[2]) :]
    write_image(photographs["astronaut"], tmp_path / "t.png")
    write_image(np.ascontiguousarray(cut), tmp_path / "half.png")
    return tmp_path


def test_the_command_stops_at_a_doubt_before_a_model_is_loaded(half, call, monkeypatch):
    def never(*_):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("portrait.painter.Painter", never)
    out = half / "out.png"
    words = ("reconstruct", "--template", half / "t.png", "--face", half / "half.png", "--out", out)
    _, said = call(main, *words, code=2)
    assert said.count("\n") == 1 and "half.png" in said
    assert said.endswith(", or add --anyway to go on.\n")
    assert not out.exists()
    noted = Session(half / "t.png", [half / "half.png"], anyway=True).notes
    assert any("half.png" in note for note in noted)


def test_strangers_among_the_photos_of_a_folder_are_named(photographs, tmp_path):
    image = photographs["hopper"]
    for i in range(3):
        mirrored = image[:, ::-1] if i == 2 else image
        write_image(np.ascontiguousarray(mirrored[i * 9 :, i * 14 :]), tmp_path / f"{i}.png")
    path, _, found = session.best_of(tmp_path, "encoder")
    assert found == [] and path.parent == tmp_path
    write_image(photographs["astronaut"], tmp_path / "eileen.png")
    _, _, (sentence,) = session.best_of(tmp_path, "encoder")
    assert "1 of 4 photos" in sentence and "(eileen.png)" in sentence
