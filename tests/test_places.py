"""Light, places and the camera: what surrounds a face is sane, repeatable, and said truly."""

from dataclasses import replace

import numpy as np
import pytest

from data.light.backdrops import PLACES, paint_backdrop, sample_backdrop
from data.light.film import defocus, develop
from data.light.lights import EXPOSED, INDOORS, OUTDOORS, sample_light
from data.people.captions import BACKDROP_WORDS
from data.people.person import sample_person
from data.people.view import sample_view
from data.shape.parts import PART


@pytest.mark.parametrize("kind", PLACES)
def test_every_place_can_be_painted_and_said(kind):
    backdrop = replace(sample_backdrop(np.random.default_rng(1)), kind=kind)
    first, again = (paint_backdrop(backdrop, 64) for _ in range(2))
    other = paint_backdrop(replace(backdrop, seed=backdrop.seed + 1), 64)
    assert first.shape == (64, 64, 3) and first.dtype == np.float32
    assert np.isfinite(first).all() and first.min() >= 0 and 0.003 < first.mean() < 1.6
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert BACKDROP_WORDS[kind]


def test_a_wider_open_lens_blurs_more():
    backdrop = replace(sample_backdrop(np.random.default_rng(1)), kind="bookshelf")
    rough = [
        np.abs(np.diff(paint_backdrop(replace(backdrop, blur=blur), 128), axis=1)).mean()
        for blur in (0.0, 0.5, 1.0)
    ]
    assert rough[0] > 1.3 * rough[1] > 1.5 * rough[2]


def test_every_lamp_is_met_and_a_face_gets_its_light():
    names, arriving = set(), []
    for outdoors, setups in ((False, INDOORS), (True, OUTDOORS)):
        for k in range(300):
            light = sample_light(np.random.default_rng([k, outdoors]), outdoors)
            assert light.name in setups and 0 <= light.softness <= 1
            names.add(light.name)
            facing = np.cos(np.radians(light.azimuth)) * np.cos(np.radians(light.elevation))
            key, fill, sky = (np.mean(c) for c in (light.key, light.fill, light.sky))
            arriving.append(key * max(facing, 0.35) + 0.65 * fill + 0.8 * sky)
    assert names == set(INDOORS) | set(OUTDOORS)
    assert abs(np.median(arriving) / EXPOSED - 1) < 0.08
    assert 0.4 < np.min(arriving) / EXPOSED and np.max(arriving) / EXPOSED < 2.2


def test_light_follows_the_place():
    for k in range(80):
        person = sample_person(np.random.default_rng([3, k]))
        view = sample_view(person, np.random.default_rng([4, k]))
        assert view.light.name in (OUTDOORS if view.backdrop.outdoors else INDOORS)
        assert 40 < view.shot.focal_length < 250


def test_only_what_is_out_of_focus_is_softened():
    picture = np.random.default_rng(0).random((128, 128, 3), np.float32)
    depth = np.full((128, 128), 10, np.float32)
    depth[:, 64:] = 12.5
    soft = defocus(picture, depth, 10.0, 1.0)
    assert np.allclose(soft[:, :56], picture[:, :56], atol=2e-2)
    assert soft[:, 72:].std() < 0.5 * picture[:, 72:].std()
    assert defocus(picture, depth, 10.0, 0.0) is picture


def test_development_keeps_order_and_grey_stays_grey():
    person = sample_person(np.random.default_rng(0))
    shot = sample_view(person, np.random.default_rng(1)).shot
    plain = replace(shot, grain=0, vignette=0, white=(1, 1, 1), contrast=1.0, saturation=1.0)
    ramp = np.linspace(0, 1.5, 64, dtype=np.float32)[None, :, None] * np.ones(
        (64, 1, 3), np.float32
    )
    developed = develop(ramp, 64, plain, 0)
    assert (np.diff(developed[0, :, 0].astype(int)) >= 0).all()
    assert np.ptp(developed.astype(int), axis=2).max() == 0
    assert develop(ramp, 64, replace(plain, vignette=0.3), 0)[0, 40, 0] < developed[0, 40, 0]


@pytest.mark.parametrize("dataset", ["rendered", "rendered_small"])
def test_faces_are_neither_lost_in_the_dark_nor_burnt_out(dataset, request):
    for image, labels, record in zip(*request.getfixturevalue(dataset), strict=True):
        known = record["attributes"]
        skin = image[labels == PART["skin"]].mean()
        assert 45 - 20 * known["skin_tone"] < skin < 228, known["light"]
        assert known["outdoors"] == (known["light"] in OUTDOORS)
