"""Eyes, brows, skin and mouths: what the paint of a face promises, without rendering."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from data.light.brows import _place_along, brow_mask
from data.light.colours import EYES
from data.light.ears import ear_paint
from data.light.eyes import PUPIL, covered, eye_light, eye_paint
from data.light.lights import sample_light
from data.light.paint import skin_paint
from data.light.shading import Lamps, Surface, _under_the_skin, blurred, box_about
from data.light.skin import closed_lids, teeth_paint
from data.people.complexion import Brows
from data.people.person import sample_person
from data.people.view import sample_view
from data.shape import scene as sc
from data.shape.cuts import CUTS
from data.shape.head import express, eyeball, load_head, shape_vertices
from data.shape.lids import IRIS, LASHES, lashes, resting_lids
from data.shape.maths import unit
from data.shape.parts import PART

APART, RADIUS, DM = 0.62, 0.15, 160.0  # two eyes, dm, and samples a decimetre


def somebody(seed=0):
    person = sample_person(np.random.default_rng(seed))
    return person, sample_view(person, np.random.default_rng(seed))


def two_eyes(gaze):
    """Two bare eyeballs that look along `gaze`, seen from straight ahead: `Surface` and scene."""
    y, x = np.mgrid[-0.2:0.2:64j, -0.6:0.6:192j].astype(np.float32)
    centre = np.where(x < 0, -APART / 2, APART / 2)
    away = np.hypot(x - centre, y)
    hit = away < RADIUS
    normal = np.stack([x - centre, -y, np.sqrt(np.clip(RADIUS**2 - away**2, 0, 1))], -1)[hit]
    normal = unit(normal.astype(np.float32))
    side = unit(np.cross([0, 1, 0], gaze)).astype(np.float32)
    frame = np.stack([side, np.cross(gaze, side), gaze])
    values = np.zeros((len(normal), sc.COLUMNS), np.float32)
    middle = np.stack([centre[hit], 0 * x[hit], 0 * x[hit]], 1)
    values[:, sc.POSITION], values[:, sc.REST] = middle + RADIUS * normal, normal @ frame.T
    ones = np.ones(len(normal), np.float32)
    surface = Surface(
        hit=hit,
        material=np.full(len(normal), sc.EYE, np.uint8),
        values=values,
        normal=normal,
        toward_eye=np.tile(np.float32([0, 0, 1]), (len(normal), 1)),
        lit=ones,
        open=ones,
        decimetre=DM,
    )
    eyes = np.float32([[-APART / 2, 0, 0], [APART / 2, 0, 0]])
    scene = SimpleNamespace(eyes=eyes, gaze=np.float32([gaze, gaze]))
    return surface, scene


@pytest.mark.parametrize("seed", range(6))
def test_the_reflection_of_the_key_lies_at_the_same_place_in_both_eyes(seed):
    rng = np.random.default_rng(seed)
    gaze = unit(np.float32([rng.normal(0, 0.15), rng.normal(0, 0.08), 1]))
    surface, scene = two_eyes(gaze)
    lamps = Lamps(sample_light(rng, bool(seed % 2)))
    person = replace(sample_person(rng), eye_colour=(50.0, 30.0, 18.0))
    diffuse = np.ones((len(surface.normal), 3), np.float32)
    colour = eye_light(surface, diffuse, scene, person, lamps).mean(1)
    local = surface.values[:, sc.REST]
    places = []
    for side in (-1, 1):
        own = np.nonzero(
            (surface.values[:, 0] * side > 0) & (local[:, 2] > np.cos(np.radians(24)))
        )[0]
        brightest = own[colour[own] > 0.9 * colour[own].max()]
        places.append(local[brightest].mean(0))
    assert np.linalg.norm(places[0] - places[1]) < 0.03
    assert np.sign(places[0][0]) == np.sign(lamps.key_from[0] - gaze[0] * 2) or (
        abs(lamps.key_from[0] - 2 * gaze[0]) < 0.3
    )


def test_the_upper_lid_covers_the_top_of_the_iris_and_the_iris_is_seen():
    head = load_head()
    names, edge = (0.312, 7.329, 1.388), []
    for sign in (-1, 1):
        away = np.linalg.norm(head.rest - np.float32(names) * [sign, 1, 1], axis=1)
        away[np.setdiff1d(np.arange(len(away)), head.of_group("body"))] = np.inf
        edge.append(away.argmin())
    shares = []
    for seed in range(12):
        person, _ = somebody(seed)
        face = shape_vertices(head, person.shape)
        face = express(head, face, resting_lids(head, face, person.complexion.lid))
        for side, lid in zip(("r", "l"), edge, strict=True):
            centre, radius = eyeball(head, face, side)
            height = (face[lid, 1] - centre[1]) / (radius * np.sin(np.radians(IRIS)))
            shares.append(1 - height)
    assert 0.0 < np.min(shares) and np.max(shares) < 0.8
    assert 0.15 < np.median(shares) < 0.45


def test_lashes_taper_and_stand_before_the_lid():
    head = load_head()
    rows = lashes(head.rest, 0.06, 3)
    assert rows.shape == (2, 7, LASHES, 3) and np.isfinite(rows).all()
    assert lashes(head.rest, 0.08, 3)[..., 1].max() > rows[..., 1].max()
    assert (lashes(head.rest, 0.06, 3) == rows).all()
    root, root_, middle, middle_, tip, *_ = rows.transpose(1, 0, 2, 3)
    wide, narrow = (np.linalg.norm(a - b, axis=-1) for a, b in ((root, root_), (middle, middle_)))
    assert (narrow < 0.8 * wide).all()
    assert np.median(np.linalg.norm(tip - root, axis=-1) / wide) > 4


@pytest.mark.parametrize("colour", [(50, 30, 18), (88, 54, 28), (78, 108, 136)])
def test_an_iris_is_lighter_than_its_pupil_and_than_its_rim_even_where_it_is_brown(colour):
    person = replace(somebody(1)[0], eye_colour=colour)
    turn = np.linspace(0, 2 * np.pi, 90)
    pupil, iris, rim = [], [], []
    for degrees, ring in ((PUPIL - 3, pupil), (0.5 * (PUPIL + IRIS) - 1, iris), (IRIS - 2, rim)):
        a = np.radians(degrees)
        local = np.stack([np.sin(a) * np.cos(turn), np.sin(a) * np.sin(turn), 0 * turn], 1)
        local[:, 2] = np.cos(a)
        ring.append(eye_paint(local.astype(np.float32), person)[0].mean(0))
    assert iris[0].mean() > 8 * pupil[0].mean() and iris[0].mean() > 1.4 * rim[0].mean()
    assert iris[0].mean() > 0.04
    if colour[0] > colour[2]:
        assert iris[0][0] > 1.3 * iris[0][1] > 1.5 * iris[0][2]


def test_an_iris_of_dark_brown_is_darker_than_one_of_brown():
    person, local = somebody(1)[0], np.float32([[0, np.sin(0.3), np.cos(0.3)]])
    dark, brown = (
        eye_paint(local, replace(person, eye_colour=c))[0].mean()
        for c in (EYES["dark brown"], EYES["brown"])
    )
    assert dark < 0.85 * brown


def nose_places(places):
    """Skin paint's mean colour (K, 3) at vertices of the rest head nearest to places (K, 3)."""
    head = load_head()
    skin = head.of_group("body")
    near = [skin[np.linalg.norm(head.rest[skin] - p, axis=1).argmin()] for p in np.array(places)]
    person, view = somebody(6)
    person = replace(person, freckles=0.0, marks=(), beard="", shape=replace(person.shape, age=30))
    known = np.zeros((len(near), 3), np.float32)
    return skin_paint(head.rest[near], known, person, view, CUTS["bald"])[0]


@pytest.mark.parametrize("side", [-1, 1])
def test_nostrils_are_dark_beside_a_lighter_columella_and_the_wings_have_a_crease_behind(side):
    nostril, columella, tip, wing, crease, cheek_ = nose_places(
        [
            (side * 0.095, 6.868, 1.560),
            (0, 6.854, 1.640),
            (0, 6.938, 1.680),
            (side * 0.158, 6.900, 1.542),
            (side * 0.176, 6.890, 1.469),
            (side * 0.237, 6.913, 1.455),
        ]
    ).mean(1)
    assert nostril < 0.3 * columella and nostril < 0.2 * tip
    assert columella > 0.45 * tip  # between the nostrils skin goes on, in the nose's shade
    assert crease < 0.8 * wing and crease < 0.8 * cheek_


def test_the_white_of_an_eye_is_neither_white_nor_flat():
    person, _ = somebody(1)
    turn = np.linspace(0, 2 * np.pi, 60)
    rings = []
    for degrees in (33, 60):
        a = np.radians(degrees)
        local = np.stack([np.sin(a) * np.cos(turn), np.sin(a) * np.sin(turn), 0 * turn], 1)
        local[:, 2] = np.cos(a)
        rings.append(eye_paint(local.astype(np.float32), person)[0].mean(0))
    near, far = rings
    assert near.max() < 0.75 and far.mean() < 0.9 * near.mean()
    assert far[0] / far[1] > near[0] / near[1]


def skin_places(n=220):
    """A grid over the forehead's left half and the nose bridge: rest (P, 3) and its shape."""
    y, x = np.mgrid[7.62:7.36:200j, -0.7:0.7:560j]
    return np.stack([x, y, 0 * x + 1.4], -1).reshape(-1, 3).astype(np.float32), x.shape


def test_brows_are_a_mass_in_which_hairs_are_seen_that_thins_to_the_tail():
    rest, shape = skin_places()
    hair, ground = (part.reshape(shape) for part in brow_mask(rest, Brows(density=0.8)))
    x = rest[:, 0].reshape(shape)
    body = (np.abs(x) > 0.2) & (np.abs(x) < 0.4) & (ground > 0.5)
    assert (hair[body] > 0.25).mean() > 0.9  # no gaps of skin: a row of strokes has them
    low, high = np.quantile(hair[body], (0.1, 0.9))
    assert high - low > 0.2
    high = [
        (ground * ((np.abs(x) > low) & (np.abs(x) < low + 0.06))).sum() for low in (0.2, 0.35, 0.52)
    ]
    assert high[0] > high[2] and high[1] > high[2]
    assert ground[np.abs(x) > 0.68].max() < 0.05


def test_hairs_of_brows_all_lean_outwards_and_none_crosses_another():
    half, reach = 0.044, 0.495
    up, x = np.mgrid[-half:half:60j, 0.105:0.6:200j]
    place = _place_along(x.ravel(), up.ravel(), half, reach).reshape(x.shape)
    along, above = np.diff(place, axis=1), np.diff(place, axis=0)
    assert (along > 0).all() and (above < 0).all()
    # Across hairs their number grows evenly: its slope is about 1 at the head and at the tail.
    dx, dy = x[0, 1] - x[0, 0], up[1, 0] - up[0, 0]
    slope = np.hypot(along[30, :-1] / dx, above[30, :-2] / dy)
    assert 0.85 < slope[5] < 1.15 and 0.85 < slope[-5] < 1.15


def test_brows_differ_in_thickness_height_and_between():
    rest, shape = skin_places()
    y, between = rest[:, 1], np.abs(rest[:, 0]) < 0.05

    def ground(**values):
        return brow_mask(rest, Brows(**values))[1]

    assert ground(thickness=1.5).sum() > 1.3 * ground(thickness=0.8).sum()
    low, high = ((ground(height=h) * y).sum() / ground(height=h).sum() for h in (-0.03, 0.03))
    assert 0.04 < high - low < 0.08
    assert ground(joined=0.8)[between].max() > 0.3 and ground()[between].max() < 0.05


def test_teeth_are_not_a_white_bar():
    person, _ = somebody(2)
    x = np.linspace(-0.28, 0.28, 400)
    z = 1.5 - 4 * x**2
    row = teeth_paint(np.stack([x, 0 * x + 6.68, z], 1).astype(np.float32), person).mean(1)
    middle, corner = row[np.abs(x) < 0.1], row[np.abs(x) > 0.26]
    assert middle.max() > 1.2 * middle.min() and middle.mean() > 1.1 * corner.mean()
    dips = (row[1:-1] < row[:-2]) & (row[1:-1] < row[2:])
    assert 5 <= dips.sum() <= 9


def cheek(person, view):
    """Paint of the middle of a cheek, of the forehead, and of the lower lip: (3, 3) linear."""
    rest = np.float32([[0.40, 6.97, 1.3], [0.3, 7.62, 1.35], [0.05, 6.56, 1.56]])
    rest = np.repeat(rest, 200, 0) + np.random.default_rng(0).normal(0, 0.012, (600, 3))
    known = np.zeros((600, 3), np.float32)
    known[400:, 0] = 1
    albedo, _, _, part = skin_paint(rest.astype(np.float32), known, person, view, CUTS["bald"])
    assert (part[400:] == PART["lips"]).all()
    return albedo.reshape(3, 200, 3).mean(1)


def test_blood_reddens_cheeks_and_lips_of_fair_and_of_deep_skin():
    fair, deep, redder = 0, 0, []
    for seed in range(40):
        person, view = somebody(seed)
        if person.beard or person.lipstick:
            continue
        cheek_, forehead, lips = cheek(person, view)
        assert lips[0] / lips[1] > forehead[0] / forehead[1]
        redder.append(cheek_[0] / cheek_[1] / (forehead[0] / forehead[1]))
        fair, deep = fair + (person.tone < 0.3), deep + (person.tone > 0.6)
    assert fair and deep and np.median(redder) > 1.03


def test_what_lies_above_is_found_above():
    hit = np.ones((20, 20), bool)
    chosen = np.zeros((20, 20), bool)
    chosen[8:16, 4:16] = True
    surface = SimpleNamespace(hit=hit)
    result = np.zeros((20, 20))
    result[chosen] = covered(surface, chosen.ravel(), 2, 0.5)
    assert result[8, 10] > 0.9 and result[15, 10] < 0.1
    result[chosen] = covered(surface, chosen.ravel(), -2, 0.5)
    assert result[8, 10] < 0.1 and result[15, 10] > 0.9


def test_closed_eyes_are_a_line_in_the_part_map_and_open_ones_are_not():
    rest = np.float32([[0.31, 7.329, 1.39], [-0.35, 7.327, 1.39], [0.31, 7.45, 1.4]])
    _, view = somebody()
    closed = replace(view, units=(("eyeBlinkLeft", 0.9), ("eyeBlinkRight", 0.9)))
    assert closed_lids(rest, closed).tolist() == [True, True, False]
    assert not closed_lids(rest, replace(view, units=())).any()


@pytest.mark.parametrize(("side", "sigma"), [(96, 1.0), (96, 5.2), (200, 8.0), (96, 10.4)])
def test_a_blur_in_the_box_of_a_mask_is_that_of_the_whole_picture_to_the_bit(side, sigma):
    rng = np.random.default_rng(3)
    picture = rng.random((side, side, 4)).astype(np.float32)
    mask = np.zeros((side, side), np.float32)
    mask[side // 2 : side // 2 + 3, 5:9] = 1
    box = box_about(mask, sigma)
    whole, part = blurred(picture, sigma)[mask > 0], blurred(picture[box], sigma)[mask[box] > 0]
    assert np.array_equal(part, whole)
    if side % max(1, int(sigma // 2.5)) == 0:
        assert mask[box].size < 0.75 * mask.size


def test_the_hollows_of_ears_are_darker_than_their_rims_on_both_sides():
    hollow, rim, lobe = (7.05, 0.54), (7.26, 0.41), (6.89, 0.53)  # y and z
    places = [(side * 0.8, *place) for side in (-1, 1) for place in (hollow, rim, lobe)]
    rest, ears = np.float32(places), np.ones(6, np.float32)
    albedo = np.full((6, 3), 0.5, np.float32)
    ear_paint(albedo, rest, ears)
    assert np.array_equal(albedo[:3], albedo[3:])
    deep, high, low = albedo[:3]
    assert (deep < 0.6 * high).all() and (deep < 0.7 * low).all() and deep[0] > 1.2 * deep[2]
    bare = np.full((6, 3), 0.5, np.float32)
    ear_paint(bare, rest, 0 * ears)
    assert (bare == 0.5).all()


def test_the_upper_lip_is_darker_than_the_lower_and_teeth_are_warmer_than_grey():
    rest = np.float32([[0.05, 6.65, 1.58], [0.05, 6.56, 1.56]])
    known = np.float32([[1, 0, 0], [1, 0, 0]])
    for seed in range(8):
        person, view = somebody(seed)
        many = np.repeat(rest, 100, 0) + np.random.default_rng(0).normal(0, 0.008, (200, 3))
        albedo = skin_paint(
            many.astype(np.float32), np.repeat(known, 100, 0), person, view, CUTS["bald"]
        )[0]
        upper, lower = albedo.reshape(2, 100, 3).mean((1, 2))
        assert 0.6 * lower < upper < 0.85 * lower
        tooth = teeth_paint(np.float32([[0.02, 6.68, 1.5]]), person)[0]
        assert tooth[0] > 1.1 * tooth[1] > 1.2 * tooth[2]


@pytest.mark.parametrize(("behind", "spreads"), [(0.0, True), (0.6, False)])
def test_light_spreads_under_one_skin_but_not_to_another_behind_it(behind, spreads):
    hit = np.ones((64, 64), bool)
    left = (np.arange(64) < 32)[None].repeat(64, 0).ravel()
    values = np.zeros((64 * 64, sc.COLUMNS), np.float32)
    values[:, sc.POSITION][:, 2] = np.where(left, 0, -behind)
    surface = SimpleNamespace(hit=hit, values=values, decimetre=100.0)
    diffuse = np.where(left, 1.0, 0.1).astype(np.float32)[:, None].repeat(3, 1)
    light = _under_the_skin(diffuse, np.ones(64 * 64, np.float32), surface).reshape(64, 64, 3)
    red, green, blue = light[32, 33]
    assert np.allclose(light[32, [4, 60]], diffuse.reshape(64, 64, 3)[32, [4, 60]], atol=1e-3)
    assert (red > 0.3 and red > green > blue) if spreads else max(red, green, blue) < 0.11
