"""Drawn styles: each is what its name says, is told truly, and comes as often as asked."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import read_faces

from data import make_faces
from data.__main__ import main
from data.shape.parts import PART, STYLES

SIZE, N = 64, 32  # of the fixture `rendered_small`
COLOURS = ("black", "brown", "blond", "red", "grey", "white", "blue", "green", "pink", "yellow")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """One drawing each of 32 people."""
    out = tmp_path_factory.mktemp("styles") / "drawn"
    return read_faces(make_faces(out, N, N, SIZE, 3, workers=2, progress=False, drawn=1))


@pytest.fixture(scope="module")
def photos(rendered_small):
    """The same people in the same views, photographed."""
    return rendered_small


def of_style(dataset, style):
    images, labels, records = dataset
    chosen = [k for k, record in enumerate(records) if record["style"] == style]
    assert chosen, f"no {style} among {len(records)}"
    return images[chosen], labels[chosen], [records[k] for k in chosen]


def test_the_share_that_is_drawn_is_the_share_asked_for(drawn, photos, half_drawn):
    assert {record["style"] for record in drawn[2]} == set(STYLES[1:])
    assert {record["style"] for record in photos[2]} == {"photo"}
    share = np.mean([record["style"] != "photo" for record in read_faces(half_drawn)[2]])
    assert 0.3 < share < 0.7
    assert json.loads((half_drawn / "dataset.json").read_text())["drawn"] == 0.5


def test_drawings_do_not_change_who_is_shown(drawn, photos):
    for one, other in zip(drawn[2], photos[2], strict=True):
        assert one["attributes"] == other["attributes"] and one["pose"] == other["pose"]


@pytest.mark.parametrize("style", STYLES[1:])
def test_a_drawing_is_not_the_photo(drawn, photos, style):
    images, _, records = of_style(drawn, style)
    taken = photos[0][[record["identity"] for record in records]]
    assert np.abs(images.astype(int) - taken).mean() > 4
    assert images.std() > 15


@pytest.mark.parametrize("style", STYLES[1:])
def test_points_and_parts_stay_true(drawn, style):
    _, maps, records = of_style(drawn, style)
    for labels, record in zip(maps, records, strict=True):
        five = np.array(record["points5"])
        assert (five > 0).all() and (five < SIZE).all()
        left_eye, right_eye, nose, left_mouth, right_mouth = five
        assert left_eye[0] < right_eye[0] < SIZE and left_eye[1] < left_mouth[1]
        apart = np.linalg.norm(left_eye - right_eye)
        for point, names in ((nose, ("nose",)), (left_mouth, ("lips", "inner mouth"))):
            part = np.isin(labels, [PART[name] for name in (*names, "hair", "facial hair")])
            rows, columns = np.nonzero(part)
            assert np.hypot(columns + 0.5 - point[0], rows + 0.5 - point[1]).min() < 0.25 * apart
        assert 0.03 < np.isin(labels, [PART["skin"], PART["nose"]]).mean() < 0.65
        assert (labels == PART["background"]).mean() > 0.02


@pytest.mark.parametrize("style", ["manga", "pencil"])
def test_ink_and_graphite_are_grey(drawn, style):
    images, _, records = of_style(drawn, style)
    assert (np.ptp(images, axis=-1) == 0).all()
    for record in records:
        words = record["caption"].replace("black and white", "").replace(",", "").split()
        assert not set(words) & set(COLOURS), record["caption"]


def test_pixel_art_has_few_colours_in_squares(drawn):
    for image in of_style(drawn, "pixel art")[0]:
        squares = image.reshape(32, 2, 32, 2, 3).transpose(0, 2, 1, 3, 4).reshape(32, 32, 4, 3)
        assert (squares == squares[:, :, :1]).all()
        assert len(np.unique(image.reshape(-1, 3), axis=0)) <= 36


def test_a_cartoon_has_larger_eyes(drawn, photos):
    _, maps, records = of_style(drawn, "3-D cartoon")
    taken = photos[1][[record["identity"] for record in records]]
    assert (maps == PART["eyes"]).sum() > 1.3 * (taken == PART["eyes"]).sum()


def test_captions_name_the_style(drawn):
    names = {"oil": ("oil",), "pencil": ("pencil",), "3-D cartoon": ("3-D cartoon",)}
    names["watercolour"] = ("watercolour", "watercolor")
    for record in drawn[2]:
        style, caption = record["style"], record["caption"]
        assert any(name in caption for name in names.get(style, (style,))), caption
        assert "photo" not in caption and "  " not in caption


def test_the_same_seed_draws_the_same(drawn, tmp_path):
    """With one process instead of two, and fewer pictures after them."""
    fewer = make_faces(tmp_path / "again", 24, 24, SIZE, 3, workers=1, progress=False, drawn=1)
    images, labels, records = read_faces(fewer)
    assert {record["style"] for record in records} == set(STYLES[1:])
    assert np.array_equal(images, drawn[0][:24]) and np.array_equal(labels, drawn[1][:24])
    assert records == drawn[2][:24]


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_outside_0_to_1_is_refused(tmp_path, share):
    with pytest.raises(ValueError, match="drawn must be from 0 to 1"):
        make_faces(tmp_path / "x", 2, 1, 32, 0, drawn=share)
    answer = CliRunner().invoke(main, ["--drawn", str(share), "--out", str(tmp_path / "x")])
    assert answer.exit_code == 2 and "drawn must be from 0 to 1" in answer.output
