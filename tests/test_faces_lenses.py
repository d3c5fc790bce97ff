"""Lenses of glasses: what they reflect, and where."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from data.light.lenses import THROUGH, paint_lenses
from data.people.person import sample_person
from data.people.view import sample_view
from data.shape.worn import RIM

SIZE, FAR = 120, 10.0
CAMERA = SimpleNamespace(project=lambda points: points)  # they are on the screen already


def lens(x, distance, tilt=0.0):
    """A round lens of 25 samples about (x, 60): float32 (RIM, 3); `tilt` is dm a sample."""
    angle = np.linspace(0, 2 * np.pi, RIM, endpoint=False)
    across = 25 * np.cos(angle)
    rim = [x + across, 60 + 25 * np.sin(angle), distance + tilt * across]
    return np.stack(rim, 1).astype(np.float32)


@pytest.fixture(scope="module")
def view():
    rng = np.random.default_rng(0)
    view = sample_view(sample_person(rng), rng)
    light = replace(view.light, azimuth=40.0, elevation=10.0, key=(2.0, 1.0, 0.5), sky=(0, 0, 1.0))
    return replace(view, light=light, seed=17 * 99)  # no pane


def painted(view, rims, far=None, level=0.5):
    picture = np.full((SIZE, SIZE, 3), level, np.float32)
    far = np.full((SIZE, SIZE), FAR, np.float32) if far is None else far
    paint_lenses(picture, far, SimpleNamespace(lenses=np.float32(rims)), CAMERA, view)
    return picture


def test_a_lens_changes_what_lies_behind_it_and_nothing_beside_it(view):
    column, row = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    away = np.hypot(column - 60, row - 60)
    changed = (painted(view, [lens(60, 9.8)]) != 0.5).any(-1)
    assert changed[away < 23].all() and not changed[away > 27].any()
    assert not (painted(view, np.zeros((0, RIM, 3))) != 0.5).any()


def test_a_lens_takes_little_and_sends_back_key_and_sky_from_their_sides(view):
    dark, bright = (painted(view, [lens(60, 9.8)], level=level) for level in (0.0, 1.0))
    assert np.allclose(bright[60, 60] - dark[60, 60], THROUGH, atol=1e-5)
    key = dark[..., 0]  # the sky has no red
    assert key[60, 80] > 2 * key[60, 40] + 0.01  # the key stands on the picture's right
    sky = dark[..., 2] - dark[..., 0] / 4  # what the key adds to blue is taken away
    assert sky[40, 60] > 2 * sky[80, 60] + 0.01
    with_pane = painted(replace(view, seed=0), [lens(60, 9.8)], level=0.0)[..., 0]
    assert with_pane.max() > 1.2 * key.max() and with_pane[60, 37] == key[60, 37]


def test_what_lies_before_a_lens_hides_it_however_it_is_turned(view):
    far = np.full((SIZE, SIZE), FAR, np.float32)
    far[:, 60:] = 9.0
    half = painted(view, [lens(60, 9.8)], far)
    assert (half[60, 40:59] != 0.5).any(-1).all() and (half[:, 60:] == 0.5).all()
    column = np.arange(SIZE, dtype=np.float32) + 0.5
    skin = np.broadcast_to(9.8 + 0.03 * (column - 60) + 0.05, (SIZE, SIZE))
    turned = painted(view, [lens(60, 9.8, 0.03)], skin)
    assert (turned[60, 38:82] != 0.5).any(-1).all()
