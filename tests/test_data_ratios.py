"""Faces are drawn with the ratios asked for, the same ones each time, and framed as portraits."""

import numpy as np
import pytest

from benchmarks.faces_calibrate import moved_covariance, moved_mean
from benchmarks.faces_ratios import compare, mahalanobis, photographs
from data.light.render import Camera
from data.people.looks import FRAMINGS
from data.people.person import sample_person
from data.people.view import attributes, sample_view
from data.shape.head import CENTRE, Shape, express, eyeball, load_head, shape_vertices
from data.shape.proportions import PROPORTIONS
from data.shape.ratios import (
    FARTHEST,
    RATIOS,
    asked_ratios,
    calibration,
    face_ratios,
    optimal_map,
    plausible,
    shape_ratios,
    with_ratios,
)


@pytest.fixture(scope="module")
def people():
    return [sample_person(np.random.default_rng([11, k])) for k in range(300)]


@pytest.fixture(scope="module")
def ratios(people):
    return np.array([shape_ratios(person.shape) for person in people])


def test_ratios_are_lengths_over_the_width_of_the_face():
    mesh = np.zeros((478, 2))
    mesh[[234, 454]] = (10, 50), (110, 50)
    mesh[[10, 152]] = (60, 0), (60, 120)
    mesh[[33, 133, 159, 145]] = (30, 40), (50, 40), (40, 37), (40, 43)
    mesh[[362, 263, 386, 374]] = (70, 40), (90, 40), (80, 38), (80, 42)
    found = dict(zip(RATIOS, face_ratios(mesh), strict=True))
    assert found["face height"] == pytest.approx(1.2)
    assert found["between the eyes"] == pytest.approx(0.2)
    assert found["eye length"] == pytest.approx(0.2)
    assert found["eye opening"] == pytest.approx((0.3 + 0.2) / 2)
    assert face_ratios(np.stack([mesh, 3 * mesh + 7])) == pytest.approx(
        np.stack([face_ratios(mesh)] * 2), nan_ok=True
    )


def test_the_ratios_of_few_vertices_are_those_of_the_whole_mesh(people):
    """The widest and the longest lengths, found on the whole mesh by another way."""
    head = load_head()
    for person in people[:5]:
        face = shape_vertices(head, person.shape)
        at = face[:, :2] / (15.4 - face[:, 2:])
        place = {}
        for name, rest in {
            "side": (0.654, 7.142, 1.045),
            "corner": (0.25, 6.613, 1.426),
        }.items():
            for side in (1, -1):
                off = np.linalg.norm(head.rest - np.float32(rest) * [side, 1, 1], axis=1)
                place[name, side] = at[off.argmin()]
        width, mouth = (
            np.linalg.norm(place[name, 1] - place[name, -1]) for name in ("side", "corner")
        )
        # The eyes are brought back to their place last, which perspective hardly sees.
        found = shape_ratios(person.shape)[list(RATIOS).index("mouth width")]
        assert mouth / width == pytest.approx(found, rel=0.01)


def test_people_have_the_mean_and_the_spread_asked_for(ratios):
    known = calibration()
    deviation = np.sqrt(np.diag(known["covariance"]))
    assert np.abs((ratios.mean(0) - known["mean"]) / known["deviation"]).max() < 0.2
    assert np.abs(np.log(ratios.std(0) / deviation)).max() < np.log(1.3)


def test_people_have_the_correlations_asked_for(ratios):
    distance = mahalanobis(ratios, calibration()["mean"], calibration()["covariance"])
    assert 2.8 < np.median(distance) < 4.2  # of 13 independent normal numbers: 3.5


def test_a_face_gets_the_ratios_that_are_asked_of_it(people, ratios):
    asked = np.array([asked_ratios(person.shape) for person in people])
    off = np.abs(ratios - asked) / calibration()["deviation"]
    assert np.median(off) < 0.1 and np.percentile(off, 95) < 0.5
    values = np.array([[value for _, value in person.shape.proportions] for person in people])
    assert np.abs(values).max() <= FARTHEST and (np.abs(values) == FARTHEST).mean() < 0.03


def test_one_ratio_can_be_changed_and_the_others_stay():
    plain = with_ratios(Shape(), calibration()["mean"])
    for k in range(1, len(RATIOS)):  # the height of the face is nearly the sum of others
        asked = shape_ratios(plain)
        asked[k] += calibration()["deviation"][k]
        off = (shape_ratios(with_ratios(plain, asked)) - asked) / calibration()["deviation"]
        assert np.abs(off).max() < 0.35, list(RATIOS)[k]


def test_a_shape_gets_the_same_proportions_each_time(people):
    for person in people[:20]:
        assert [name for name, _ in person.shape.proportions] == list(PROPORTIONS)
        assert plausible(person.shape) == plausible(person.shape)


def test_the_map_between_normal_distributions_gives_the_second(rng):
    first, second = (a @ a.T for a in rng.normal(size=(2, 5, 5)))
    found = optimal_map(first, second)
    assert found @ first @ found.T == pytest.approx(second)
    assert found == pytest.approx(found.T)
    assert optimal_map(first, first) == pytest.approx(np.eye(5))


def test_calibration_stays_where_the_photographs_are_met_and_moves_towards_them(rng):
    mean, covariance, _ = photographs()
    asked = 0.5 * covariance
    seen = rng.multivariate_normal(mean, covariance, 200_000)
    assert moved_covariance(asked, seen, covariance) == pytest.approx(asked, rel=0.05, abs=2e-5)
    assert moved_mean(mean, seen, seen, mean) == pytest.approx(mean, abs=1e-3)
    wide = mean + 1.5 * (seen - mean) + 0.01
    assert np.linalg.det(moved_covariance(asked, wide, covariance)) < np.linalg.det(asked)
    assert (moved_mean(mean, wide, wide, mean) < mean - 0.005).all()


def test_a_distribution_beside_itself_is_not_off(rng):
    mean, covariance, _ = photographs()
    seen = rng.multivariate_normal(mean, covariance, 20_000)
    found = compare(seen, ["a", "b"] * 10_000)
    assert max(abs(row["off"]) for row in found["ratios"].values()) < 0.05
    assert max(abs(row["spread"] - 1) for row in found["ratios"].values()) < 0.05
    assert found["mahalanobis"]["50%"] == pytest.approx(3.51, abs=0.05)  # chi, 13 dimensions
    assert found["groups"]["a"]["faces"] == 10_000


def test_lids_meet_when_they_close_and_the_eyes_stay_behind_them(people):
    head = load_head()
    for person in people[:40]:
        face = shape_vertices(head, person.shape)
        shut = express(head, face, {"eyeBlinkLeft": 0.93, "eyeBlinkRight": 0.93})
        for (upper, lower), side in zip(head.lids, "lr", strict=True):
            assert face[upper, 1] > face[lower, 1] + 0.03  # open
            assert shut[upper, 1] < shut[lower, 1] + 0.005
            centre, radius = eyeball(head, face, side)
            for lid in (upper, lower):
                assert 1.0 < np.linalg.norm(face[lid] - centre) / radius < 1.45


def test_the_eyes_stand_apart_as_in_portraits(people):
    head, shares, told = load_head(), [], []
    for k, person in enumerate(people):
        view = sample_view(person, np.random.default_rng([12, k]))
        face = shape_vertices(head, person.shape)
        eyes = np.array([eyeball(head, face, side)[0] for side in "rl"])
        at = Camera(CENTRE, view, 1).project(eyes)
        shares.append(at[1, 0] - at[0, 0])
        told.append(attributes(person, view)["framing"])
        assert 0.36 < at[:, 1].mean() < 0.6  # about the middle, lower where a hat needs room
    shares, told = np.array(shares), np.array(told)
    assert 0.22 < np.median(shares) < 0.245
    assert ((shares > 0.19) & (shares < 0.3)).mean() > 0.8
    assert set(told) == set(FRAMINGS) and 0.07 < (told == "wide").mean() < 0.18
    assert np.median(shares[told == "wide"]) < 0.2 < np.median(shares[told == "portrait"])
    assert np.median(shares[told == "close"]) > 0.245
