"""Hair, beards and cloth: a soft border, fine strands in locks, greying without lines, patterns."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.light import cloth, paint, shading
from data.light.colours import HAIR, linear
from data.people.person import sample_person
from data.people.view import sample_view
from data.shape import scene as sc
from data.shape.cuts import BEARDS, CUTS
from data.shape.hair import SHORT_SHARE, beard_mask, grow, hairline_distance, on_parting
from data.shape.head import load_head
from data.shape.parts import PART

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bare():
    """The rest head and its normals, on which roots are rest positions."""
    head = load_head()
    return head.rest, head.normals(head.rest)


def grown(bare, cut, seed=0, where=None):
    return grow(*bare, cut, np.random.default_rng(seed), where)


def test_hair_thins_shortens_and_grows_finer_towards_the_hairline(bare):
    strands = grown(bare, CUTS["cropped"])
    root = strands.points[:, 0]
    front = (root[:, 2] > 1.0) & (np.abs(root[:, 0]) < 0.4) & ~short(root)
    above = hairline_distance(root)
    border, inside = front & (above < 0.05), front & (above > 0.2) & (above < 0.4)
    length = np.linalg.norm(np.diff(strands.points, axis=1), axis=-1).sum(1)
    assert border.sum() > 5
    assert border.sum() / (above[border].max() + 0.06) < 0.6 * inside.sum() / 0.2
    assert np.median(strands.width[border]) < 0.7 * np.median(strands.width[inside])
    assert np.median(length[border]) < 0.8 * np.median(length[inside])


def short(root):
    return np.arange(len(root)) >= (1 - SHORT_SHARE) * len(root)


@pytest.mark.parametrize("name", ["cropped", "curly", "long straight"])
def test_short_fine_hairs_lie_flat_before_the_others_along_the_front(bare, name):
    strands = grown(bare, CUTS[name])
    root = strands.points[:, 0]
    few, above = short(root), hairline_distance(root)
    length = np.linalg.norm(np.diff(strands.points, axis=1), axis=-1).sum(1)
    assert np.median(above[few]) < 0.4 * np.median(above[~few])
    assert np.quantile(length[few], 0.9) < 0.2 and np.median(strands.width[few]) < 0.0075
    assert root[few, 2].min() > -0.4  # none at the nape
    reach = np.abs(strands.points - root[:, None])[few].max((1, 2))
    assert np.quantile(reach, 0.9) < 0.15  # nor are they wound in curls wider than themselves


def test_a_head_of_curls_leaves_no_bare_wedge_in_its_middle(bare):
    """Strands that all left the middle line would cross nothing on it."""
    points = grown(bare, CUTS["curly"]).points
    middle = (np.abs(points[:, 0, 0]) < 0.2) & (points[:, 0, 1] > 7.9) & (points[:, 0, 2] > 0.6)
    points = points[middle & ~short(points)]
    crossed = np.sign(points[:, 0, 0]) != np.sign(points[:, points.shape[1] // 2, 0])
    assert crossed.mean() > 0.15


def test_scalp_is_painted_with_the_hair_that_stands_on_it():
    person = replace(
        sample_person(np.random.default_rng(0)), hair_colour=(78.0, 52.0, 34.0), greying=0.0
    )
    brown, hair = paint._under_hair(person), linear(person.hair_colour)
    assert (
        np.ptp(brown) < np.ptp(hair)
        and brown.argmax() == 0
        and np.isclose(brown.mean(), hair.mean())
    )
    grey = paint._under_hair(replace(person, greying=1.0))
    assert grey.mean() > 2 * brown.mean() and np.ptp(grey) / grey.mean() < 0.3


def test_the_scalp_fades_to_skin_over_millimetres_rather_than_at_a_rim():
    rng = np.random.default_rng(0)
    x = rng.uniform(-0.3, 0.3, 40000).astype(np.float32)
    rest = np.stack([x, rng.uniform(7.6, 8.4, 40000), np.full(40000, 1.35)], 1).astype(np.float32)
    above = hairline_distance(rest)
    part = np.full(len(rest), PART["skin"], np.uint8)
    painted = paint._scalp_paint(np.ones_like(rest), rest, np.zeros(3), CUTS["cropped"], part, 0)
    covered = 1 - painted[:, 0]
    steps = np.arange(-0.2, 0.4, 0.02)
    share = np.array([covered[(above > a) & (above < a + 0.02)].mean() for a in steps])
    assert share[0] < 0.02 and share[-1] > 0.85
    assert np.diff(share).max() < 0.25  # a cap's rim would take it all in 2 mm
    assert np.diff(share).min() > -0.05
    hair = part == PART["hair"]
    assert hair[above > 0.1].mean() > 0.95 and hair[above < -0.1].mean() < 0.05


def test_what_is_seen_between_strands_is_hair_in_shade_darker_in_dark_hair_than_in_light():
    rest = np.float32([[0.1, 8.3, 1.0]] * 50)
    shares = []
    for level in (0.01, 0.4):
        part = np.full(len(rest), PART["skin"], np.uint8)
        hair = np.full(3, level, np.float32)
        painted = paint._scalp_paint(np.zeros_like(rest), rest, hair, CUTS["cropped"], part, 0)
        assert (part == PART["hair"]).all()
        shares.append(painted.mean() / level)
    assert 0.4 < shares[0] < 0.6 and 0.75 < shares[1] < 0.95


def test_a_parting_shows_the_scalp(bare):
    cut = CUTS["side part"]
    on, off = (
        sum(
            on_parting(grown(bare, replace(cut, parted=parted), seed).points[:, 0], cut).sum()
            for seed in range(3)
        )
        for parted in (True, False)
    )
    assert off > 50 and on == 0


def test_strands_gather_in_locks(bare):
    def apart(cut):
        distances = []
        for seed in range(3):
            tips = grown(bare, cut, seed).points[:, -1]
            tips = tips[~short(tips)]
            near = np.linalg.norm(tips[::15, None] - tips[None], axis=-1)
            distances.append(np.median(np.sort(near, 1)[:, 5]))
        return np.mean(distances)

    cut = CUTS["long straight"]
    tight, free = (replace(cut, clump=clump) for clump in (0.9, 0.0))
    assert apart(tight) < 0.8 * apart(cut) < 0.8 * apart(free)


def test_the_same_seed_grows_the_same_hair(bare):
    first, second, other = (grown(bare, CUTS["long wavy"], seed) for seed in (3, 3, 4))
    assert np.array_equal(first.points, second.points)
    assert not np.array_equal(first.points, other.points)


@pytest.mark.parametrize("kind", BEARDS)
def test_a_beard_hangs_from_the_face_and_leaves_the_lips_free(bare, kind):
    strands = grown(bare, BEARDS[kind], where=lambda rest: beard_mask(rest, kind))
    root, tip = strands.points[:, 0], strands.points[:, -1]
    jaw = root[:, 1] < 6.5
    if jaw.any():
        assert (tip[jaw, 1] < root[jaw, 1]).mean() > 0.8
    upper = (root[:, 1] > 6.7) & (np.abs(root[:, 0]) < 0.1)  # above the middle of the mouth
    assert upper.any() and np.quantile(tip[upper, 1], 0.1) > 6.64
    assert BEARDS[kind].width < 0.01  # finer than a pixel of a close portrait at 256 px


def test_a_beard_thins_towards_the_cheek(bare):
    strands = grown(bare, BEARDS["full beard"], where=lambda rest: beard_mask(rest, "full beard"))
    mask = beard_mask(strands.points[:, 0], "full beard")
    assert ((mask > 0.05) & (mask < 0.5)).mean() > 0.03  # some stand in the border
    skin = load_head().rest[load_head().of_group("body")]
    grows = beard_mask(skin, "full beard")
    assert ((grows > 0.05) & (grows < 0.95)).sum() > 0.3 * (grows >= 0.95).sum()


@pytest.mark.parametrize("kind", ["full beard", "short beard", "goatee"])
def test_a_beard_has_no_hard_edge_on_the_cheek(kind):
    """Going up the cheek, its share falls over more than a centimetre and a half."""
    y = np.linspace(6.0, 7.6, 1601, dtype=np.float32)
    rest = np.stack([np.full_like(y, 0.22 if kind == "goatee" else 0.55), y, 0 * y + 1.25], 1)
    share = beard_mask(rest, kind)
    fade = ((share > 0.02) & (share < 0.98) & (y > 6.4)).sum() * 1e-3
    assert share.max() > 0.6 and np.abs(np.diff(share)).max() < 0.04
    assert kind == "goatee" or fade > 0.15


def test_black_hair_in_shade_still_shows_its_strands():
    surface = replace(hair_pixels(4000), lit=np.zeros(4000, np.float32))
    person = replace(
        sample_person(np.random.default_rng(0)), hair_colour=tuple(HAIR["black"]), greying=0.0
    )
    light = sample_view(person, np.random.default_rng(1)).light
    lamps = shading.Lamps(light)
    seen = shading._hair_light(surface, np.full((4000, 3), 0.05, np.float32), person, lamps)
    level = seen.mean(1)
    assert level.mean() > 1.5 * 0.05 * linear(HAIR["black"]).mean()
    assert level.std() > 0.1 * level.mean()


def test_the_jaw_shades_the_neck_below_it_and_not_the_face():
    surface = hair_pixels(4)
    values = surface.values.copy()
    values[:, sc.REST] = [(0, 6.3, 1.3), (0, 6.05, 0.75), (0, 5.4, 0.8), (0.5, 6.8, 1.1)]
    skin = replace(surface, values=values, material=np.full(4, sc.SKIN, np.uint8))
    chin, throat, chest, cheek = shading._under_jaw(skin)
    assert chin > 0.95 and cheek == 1 and chest == 1 and throat < 0.75


def hair_pixels(count):
    """A `Surface` of hair with as many pixels, each of a strand and place of its own."""
    rng = np.random.default_rng(1)
    values = np.zeros((count, sc.COLUMNS), np.float32)
    values[:, sc.KNOWN] = rng.random((count, 3))
    up = np.tile(np.float32([0, 0, 1]), (count, 1))
    one = np.ones(count, np.float32)
    return shading.Surface(
        hit=np.ones((1, count), bool),
        material=np.full(count, sc.HAIR, np.uint8),
        values=values,
        normal=up,
        toward_eye=up,
        lit=one,
        open=one,
        decimetre=50.0,
    )


def test_greying_hair_is_a_mixture_and_not_black_and_white_lines():
    surface = hair_pixels(4000)
    black = tuple(map(float, HAIR["black"]))
    person = replace(sample_person(np.random.default_rng(0)), hair_colour=black, greying=0.4)
    tint = surface.values[:, sc.KNOWN][:, 2]
    fibre = np.random.default_rng(2).normal(0, 1, len(tint)).astype(np.float32)
    level = shading._hair_colour(surface, person, tint, fibre).mean(1)
    dark, pale = linear(HAIR["black"]).mean(), 0.6 * linear(HAIR["grey"]).mean()
    share = (level - dark) / (pale - dark)
    assert 0.3 < share.mean() < 0.5
    assert share.std() < 0.25  # lines of either colour would have 0.49
    none = shading._hair_colour(surface, replace(person, greying=0.0), tint, fibre)
    assert np.allclose(none, linear(HAIR["black"]))


def test_cloth_has_patterns_in_its_own_colour():
    rng = np.random.default_rng(3)
    rest = rng.uniform((-1, 4.6, 0.3), (1, 5.5, 1.0), (3000, 3)).astype(np.float32)
    colour = linear((158, 184, 208))
    names = {name for choices in cloth.PATTERNS.values() for name in choices}
    for name in names:
        painted = cloth.patterned(colour, rest, name, 11)
        assert painted.shape == (3000, 3) and (painted >= 0).all() and (painted <= 1).all()
        assert (painted.std() > 0.01 + colour.std()) == (name != "plain") or name != "plain"
        plain = np.abs(painted - colour).max(1) < 0.25
        assert plain.mean() > 0.4, name  # the cloth's colour is what one sees
    view = sample_view(sample_person(np.random.default_rng(0)), rng)
    seen = {cloth.pattern_of(replace(view, garment="shirt", seed=s * 251)) for s in range(9)}
    assert seen == set(cloth.PATTERNS["shirt"])


MEMORY = """
import numpy as np
from data.light.raster import Rasteriser
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
window, rng, size = Rasteriser(64), np.random.default_rng(0), []
for call in range(600):
    count = int(rng.integers(1000, 3000))
    points = np.column_stack([rng.random((count, 2)) * 64, 10 + rng.random(count)])
    corner = rng.integers(0, count - 3, 2 * count)
    triangles = np.stack([corner, corner + 1, corner + 2], 1).astype(np.int32)
    window.triangle_ids(points.astype(np.float32), triangles)
    size.append(resident())
print(size[-1] - size[199])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_the_rasteriser_keeps_nothing_of_a_picture():
    run = subprocess.run([sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 400_000  # bytes in 400 pictures; a kept mesh would take 40 MB
