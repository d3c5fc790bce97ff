"""Relighting: harmonics, the mesh's normals, light on renders whose other light is known."""

from dataclasses import replace

import numpy as np
import pytest

from facekit import colour, masks, parsing
from facekit.detect import detect, largest
from facekit.relight import (
    HARMONICS,
    Light,
    basis,
    estimate,
    from_linear,
    normals,
    relight,
    to_linear,
)


@pytest.fixture(scope="module")
def pair():
    """The same face in two lights, from the left and from the right: pictures, faces."""
    from data.light.render import Renderer
    from data.people.person import sample_person
    from data.people.view import sample_view

    person = sample_person(np.random.default_rng([9, 2]))
    view = sample_view(person, np.random.default_rng([8, 2]))
    view = replace(view, glasses=False, hat="", pose=replace(view.pose, yaw=5.0))
    renderer = Renderer(192)
    lights = [replace(view.light, azimuth=a, elevation=20.0) for a in (-60.0, 60.0)]
    pictures = [renderer.render(person, replace(view, light=light)).image for light in lights]
    return pictures, [largest(detect(picture)) for picture in pictures]


def difference(a, b, where):
    """Mean distance in LAB."""
    return float(np.linalg.norm(colour.to_lab(a) - colour.to_lab(b), axis=-1)[where].mean())


def skin(face, shape):
    return masks.regions(face, shape)["skin"] > 0.5


def test_harmonics_are_orthogonal_over_the_sphere(rng):
    points = rng.normal(size=(200_000, 3))
    found = basis(points / np.linalg.norm(points, axis=1, keepdims=True))
    products = found.T @ found / len(points)
    root = np.sqrt(np.diag(products))
    assert found.shape[1] == HARMONICS
    assert np.abs(products / np.outer(root, root) - np.eye(HARMONICS)).max() < 0.02


def test_linear_light_and_back():
    every = np.arange(256, dtype=np.uint8)
    assert (from_linear(to_linear(every)) == every).all()
    assert to_linear(188) == pytest.approx(0.5, abs=0.01)


def test_normals_point_where_the_face_does(pair):
    (picture, _), (face, _) = pair
    found, inside = normals(face, picture.shape)
    assert np.linalg.norm(found[inside], axis=1) == pytest.approx(1, abs=1e-3)
    assert not found[~inside].any() and (found[inside][:, 2] > 0).mean() > 0.97
    left, right, top, chin = (found[tuple(face.mesh[i][::-1].astype(int))] for i in
                              (123, 352, 10, 175))  # fmt: skip
    assert left[0] < -0.4 and right[0] > 0.4 and top[1] > 0.1 and chin[1] < -0.1


def test_the_light_of_a_painted_surface_is_found(pair, monkeypatch, tmp_path):
    # What is painted in one colour is no skin to a face parser.
    monkeypatch.setattr(parsing, "WEIGHTS", tmp_path / "none")
    (picture, _), (face, _) = pair
    found, inside = normals(face, picture.shape)
    truth = np.zeros((HARMONICS, 3))
    truth[0], truth[1], truth[3] = 0.3, (0.15, 0.1, 0.0), 0.1
    painted = np.where(inside[..., None], from_linear(basis(found) @ truth), picture)
    light = estimate(painted, face)
    shown = found[inside & skin(face, picture.shape)]
    wanted = basis(shown) @ truth
    assert np.abs(light.on(shown) * light.mean - wanted).mean() < 0.02 * wanted.mean()
    assert light.explained > 0.97


def test_a_relit_face_is_nearer_to_the_face_rendered_in_that_light(pair):
    (left, right), faces = pair
    lights = [estimate(picture, face) for picture, face in zip((left, right), faces, strict=True)]
    assert lights[0].harmonics[1, 1] < -0.1 and lights[1].harmonics[1, 1] > 0.1
    relit, where = relight(left, faces[0], *lights), skin(faces[0], left.shape)
    weight = where.astype(np.float32)
    plain, matched = (colour.transfer(x, right, weight, weight) for x in (left, relit))
    assert difference(matched, right, where) < 0.5 * difference(plain, right, where)


def test_the_same_light_and_no_strength_change_nothing(pair):
    (picture, other), (face, there) = pair
    light, another = estimate(picture, face), estimate(other, there)
    assert (relight(picture, face, light, another, 0.0) == picture).all()
    same = relight(picture, face, light, light).astype(int)
    assert np.abs(same - picture).max() <= 1
    relit = relight(picture, face, light, another)
    corner = np.s_[:8, :8]
    assert (relit[corner] == picture[corner]).all() and (relit != picture).any()
    back = relight(relit, face, another, light)
    where = skin(face, picture.shape)
    assert difference(back, picture, where) < 0.4 * difference(relit, picture, where)


def test_brightness_on_the_whole_stays(pair):
    (picture, other), (face, there) = pair
    relit = relight(picture, face, estimate(picture, face), estimate(other, there))
    _, inside = normals(face, picture.shape)
    means = [to_linear(x[inside]).mean(0) for x in (picture, relit)]
    assert means[1] == pytest.approx(means[0], rel=0.05)


def test_a_large_picture_is_relit_as_a_small_one(pair):
    (picture, other), (face, there) = pair
    lights = estimate(picture, face), estimate(other, there)
    large = picture.repeat(6, 0).repeat(6, 1)
    large_face = face.through([[6, 0, 0], [0, 6, 0]])
    relit = relight(large, large_face, *lights)[3::6, 3::6].astype(int)
    assert np.abs(relit - relight(picture, face, *lights))[skin(face, picture.shape)].mean() < 3


def test_a_face_outside_of_the_picture_and_bad_strengths_are_refused(pair):
    (picture, _), (face, _) = pair
    with pytest.raises(ValueError, match="outside of the picture"):
        estimate(picture, face.moved(5000, 0))
    light = Light(np.eye(HARMONICS, 3), np.ones(3), 1.0)
    with pytest.raises(ValueError, match="strength"):
        relight(picture, face, light, light, 2.0)
