"""The parametric head: targets move what they say, left and right together, and the neck bends."""

import dataclasses

import numpy as np
import pytest

from data.people.person import sample_person
from data.people.view import sample_view
from data.shape.head import (
    NECK,
    Pose,
    Shape,
    brow_lift,
    express,
    eyeball,
    load_head,
    rotation,
    shape_vertices,
    turn,
)
from data.shape.parts import landmark_vertices
from data.shape.proportions import PROPORTIONS


@pytest.fixture(scope="module")
def head():
    return load_head()


def mirrored(head):
    """For each vertex of the base mesh, the vertex that is its mirror image."""
    flipped = head.rest * [-1, 1, 1]
    return np.array([np.linalg.norm(head.rest - p, axis=1).argmin() for p in flipped[::7]])


def test_the_asset_holds_a_head(head):
    assert set(head.group_names) >= {"body", "lashes", "upper-teeth", "tongue", "l-eye", "r-eye"}
    assert head.triangles.max() == len(head.rest) - 1
    units = [name for name in head.targets if name.startswith("unit/")]
    assert len(units) >= 50 and len(head.features) > 120


def test_every_feature_moves_left_and_right_alike(head):
    other = mirrored(head)
    for name, (_, high) in head.features.items():
        if name.startswith("asym") or not high or "trans" in name:
            continue
        moved = shape_vertices(head, Shape(features=((name, 0.5),))) - shape_vertices(head, Shape())
        off = np.abs(moved[::7] - moved[other] * [-1, 1, 1]).max()
        assert off < 0.05 * max(np.abs(moved).max(), 0.05), name


def test_every_proportion_moves_its_region_and_keeps_the_face_symmetric(head):
    other, shoulders = mirrored(head), head.rest[:, 1] < 4.8
    for name in PROPORTIONS:
        shapes = [Shape(proportions=((name, value),)) for value in (-1.0, 1.0)]
        low, high = (shape_vertices(head, shape) for shape in shapes)
        moved, hairs = high - low, brow_lift(shapes[1]) - brow_lift(shapes[0])
        assert np.linalg.norm(moved, axis=1).max() + hairs > 0.05, name
        assert np.abs(moved[::7] - moved[other] * [-1, 1, 1]).max() < 0.01, name
        assert np.linalg.norm(moved[shoulders] - moved[shoulders].mean(0), axis=1).max() < 1e-3


def test_a_proportion_of_nothing_changes_nothing(head):
    plain = shape_vertices(head, Shape())
    none = shape_vertices(head, Shape(proportions=tuple((name, 0.0) for name in PROPORTIONS)))
    assert np.allclose(none, plain, atol=1e-6)


def test_larger_eyes_have_larger_lids_round_them(head):
    low, high = (Shape(proportions=(("eye size", value),)) for value in (-1.0, 1.0))
    radii, openings = [], []
    names, vertices = landmark_vertices(head.rest, head.of_group("body"))
    outer, inner = (vertices[names.index(f"left eye {end}")] for end in ("outer", "inner"))
    for shape in (low, high):
        face = shape_vertices(head, shape)
        radii.append(eyeball(head, face, "l")[1])
        openings.append(np.linalg.norm(face[outer] - face[inner]))
    assert radii[1] > 1.15 * radii[0] and openings[1] > 1.1 * openings[0]


def test_origins_ages_sexes_and_weights_differ(head):
    base = Shape((1, 0, 0), 0.0, 25, 0.0)
    kinds = [
        dataclasses.replace(base, origin=(0, 1, 0)),
        dataclasses.replace(base, origin=(0, 0, 1)),
        dataclasses.replace(base, male=1.0),
        dataclasses.replace(base, age=80.0),
        dataclasses.replace(base, weight=0.8),
    ]
    neutral = shape_vertices(head, base)
    for kind in kinds:
        assert np.abs(shape_vertices(head, kind) - neutral).max() > 0.03, kind


def test_the_eyes_stay_where_the_camera_expects_them(head):
    eyes = np.concatenate([head.of_group("l-eye"), head.of_group("r-eye")])
    for seed in range(5):
        vertices = shape_vertices(head, sample_person(np.random.default_rng(seed)).shape)
        assert np.allclose(vertices[eyes].mean(0), head.rest[eyes].mean(0), atol=1e-3)


def test_an_expression_moves_the_mouth_and_not_the_skull(head):
    neutral = shape_vertices(head, Shape())
    moved = np.linalg.norm(express(head, neutral, {"jawOpen": 1.0}) - neutral, axis=1)
    assert moved[head.rest[:, 1] > 7.8].max() == 0 and moved[head.masks["lips"] > 0.5].max() > 0.05


def test_normals_point_outwards_and_have_length_one(head):
    normals = head.normals(head.rest)
    top = head.rest[:, 1] > 8.3
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
    assert normals[top, 1].mean() > 0.5


def test_turning_moves_the_head_rigidly_and_leaves_the_shoulders(head):
    pose = Pose(yaw=30, pitch=-10, roll=5)
    turned = turn(head.rest, head.turn, pose)
    skull, chest = head.turn == 1, head.turn == 0
    expected = (head.rest[skull] - NECK) @ rotation(30, -10, 5).T + NECK
    assert np.allclose(turned[skull], expected, atol=2e-3)
    assert np.allclose(turned[chest], head.rest[chest], atol=1e-4)


def test_positive_angles_turn_right_up_and_to_the_right_shoulder():
    forward, up = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    assert (rotation(20, 0, 0) @ forward)[0] > 0 and (rotation(0, 20, 0) @ forward)[1] > 0
    assert (rotation(0, 0, 20) @ up)[0] > 0


def test_people_differ_and_cover_the_range():
    people = [sample_person(np.random.default_rng([9, k])) for k in range(400)]
    ages = np.array([p.shape.age for p in people])
    origins = np.array([p.shape.origin for p in people])
    assert ages.min() < 24 and ages.max() > 79 and ages.min() >= 18 and ages.max() <= 85
    assert np.abs(origins.mean(0) - 1 / 3).max() < 0.07
    assert 0.4 < np.mean([p.noun == "woman" for p in people]) < 0.6
    assert len({p.hair for p in people}) >= 7 and len({c for p in people for c in p.cuts}) >= 12
    assert not any(p.beard for p in people if p.noun == "woman")


def test_somebody_can_be_drawn_at_any_age():
    person = sample_person(np.random.default_rng(4))
    assert sample_person(np.random.default_rng(4), person.shape.age) == person
    young, old = (sample_person(np.random.default_rng(4), age) for age in (20, 80))
    assert young.shape.age == 20 and old.shape.age == 80
    assert young.shape.origin == old.shape.origin and young.skin == old.skin
    assert young.greying == 0


def test_views_stay_within_their_bounds():
    person = sample_person(np.random.default_rng(0))
    poses = [sample_view(person, np.random.default_rng([1, k])).pose for k in range(500)]
    yaw, pitch, roll = (np.abs([getattr(p, n) for p in poses]) for n in ("yaw", "pitch", "roll"))
    assert yaw.max() <= 40 and pitch.max() <= 20 and roll.max() <= 15
    assert np.median(yaw) < 15
