"""Painting in a photograph at its own size."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from common.images import resize
from common.squares import Square, middle_square
from ddpm.pipeline import Request
from facekit.head import head_square
from portrait.photograph import Place, find_person, find_place

SIZE = 64


def smooth(height, width, seed=0):
    """A picture without any detail finer than a sixth of it."""
    coarse = np.random.default_rng(seed).integers(40, 215, (6, 6, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def mask_of(shape, top, bottom, left, right):
    mask = np.zeros(shape[:2], np.float32)
    mask[top:bottom, left:right] = 1
    return mask


def asked(picture, mask=None, **options):
    return find_place(Request(image=picture, mask=mask), "a.png", SIZE, **options)


# --- the way there and back


@pytest.mark.parametrize("shape", [(300, 500), (500, 300), (40, 50), (64, 64)], ids=str)
@pytest.mark.parametrize("where", ["middle", "corner", "all", "strip"])
def test_outside_the_mask_every_bit_stays_whatever_is_painted(shape, where):
    height, width = shape
    box = {
        "middle": (height // 3, height // 2, width // 3, width // 2),
        "corner": (height - 9, height, 0, 13),
        "all": (0, height, 0, width),
        "strip": (5, 9, 0, width),
    }[where]
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    mask = mask_of(shape, *box)
    place = asked(picture, mask, padding=0.3)
    painted = np.full((SIZE, SIZE, 3), 7, np.uint8)
    result = place.put_back(painted)
    assert result.shape == picture.shape and result.dtype == np.uint8
    assert_array_equal(result[mask == 0], picture[mask == 0])
    assert (result[mask > 0] == 7).all(-1).mean() > 0.4 and np.ptp(painted) == 0
    deep = cv2.erode(np.pad(mask, 1, "edge"), np.ones((3, 3)), iterations=1)[1:-1, 1:-1] > 0
    if shape == (40, 50) and deep.any():  # a pixel of the model is smaller than one of these
        assert (result[deep] == 7).all()


def test_a_soft_mask_blends_and_blends_once():
    picture = np.full((200, 200, 3), 200, np.uint8)
    mask = np.zeros((200, 200), np.float32)
    mask[60:140, 60:140] = 1
    mask = cv2.GaussianBlur(mask, (0, 0), 12)
    mask[mask < 0.01] = 0
    place = asked(picture, mask, padding=0.2)
    request = place.ask(Request(image=picture, mask=mask), SIZE)
    assert set(np.unique(request.mask)) == {0, 1}  # or it would be blended twice
    result = place.put_back(np.full((SIZE, SIZE, 3), 100, np.uint8))
    expected = 200 - 100 * mask[..., None]
    inside = mask > 0.1  # farther in than a pixel of the model
    assert np.abs(result - expected)[inside].max() <= 0.51


def test_what_the_model_sees_and_gives_back_lies_in_its_place():
    """A picture that the model returns as it was is the photograph, at any scale and place."""
    for shape in ((300, 420), (90, 60), (30, 45)):
        picture = smooth(*shape)
        height, width = shape
        mask = mask_of(shape, height // 4, height // 2, width // 2, width - 3)
        place = asked(picture, mask, padding=0.4)
        request = place.ask(Request(image=picture, mask=mask), SIZE)
        assert request.image.shape == (SIZE, SIZE, 3) and request.mask.shape == (SIZE, SIZE)
        seen = place.square.cut(picture)
        assert_array_equal(request.image, resize(seen, SIZE))
        # All of the mask is painted, and hardly more.
        fine = cv2.resize(request.mask, (place.square.side,) * 2, interpolation=cv2.INTER_NEAREST)
        there = place.square.cut(mask)
        assert (fine[there > 0] > 0).mean() > 0.99
        assert fine.sum() < 1.5 * there.sum() + 4 * place.square.side
        back = place.put_back(request.image)
        assert np.abs(back.astype(int) - picture).max() <= 6, shape
        shifted = place.put_back(np.roll(request.image, 4, axis=1))
        assert np.abs(shifted.astype(int) - picture)[mask > 0].mean() > 4


def test_at_a_hard_edge_what_is_painted_rises_over_one_of_the_models_cells():
    picture = np.full((640, 640, 3), 200, np.uint8)
    place = asked(picture, mask_of((640, 640), 100, 540, 100, 540), whole=True)
    for cell in (1, 4):  # of 10 pixels each
        row = place.put_back(np.zeros((SIZE, SIZE, 3), np.uint8), cell)[320, :320, 0].astype(int)
        assert (row[:100] == 200).all() and (row[100 + 10 * cell :] == 0).all()
        np.testing.assert_allclose(
            row[100 : 100 + 10 * cell][4::10],
            200 - 200 * (np.arange(5, 10 * cell, 10) / 10 / cell),
            atol=4,
        )


def test_a_thin_mask_is_painted_all_the_same():
    picture = np.full((640, 640, 3), 200, np.uint8)
    mask = mask_of((640, 640), 300, 303, 100, 500)  # ten pixels are one of the model's
    result = asked(picture, mask, padding=0.3).put_back(np.full((SIZE, SIZE, 3), 10, np.uint8))
    assert (result[301, 110:490] < 30).all()


def test_without_a_mask_the_square_fades_out_but_not_at_the_photographs_own_border():
    picture = np.full((100, 160, 3), 200, np.uint8)
    place = asked(picture, whole=True)
    assert place.square == middle_square((100, 160)) == Square(0, 30, 100)
    result = place.put_back(np.zeros((SIZE, SIZE, 3), np.uint8))
    assert_array_equal(result[:, :30], picture[:, :30])
    assert_array_equal(result[:, 130:], picture[:, 130:])
    assert (result[:, 40:120] == 0).all()  # up to the upper and lower border
    row = result[50, 28:42, 0].astype(int)
    assert (np.diff(row) <= 0).all() and np.abs(np.diff(row)).max() < 60


def test_where_nothing_was_changed_the_photograph_keeps_its_finer_pixels(photographs):
    picture = photographs["astronaut"]
    place = asked(picture)
    request = place.ask(Request(image=picture), SIZE)
    assert_array_equal(place.put_back(request.image), picture)


# --- where it is


def test_the_square_is_the_heads_where_a_face_is_meant(photographs, photo_faces):
    picture, face = photo_faces["astronaut"]
    head = head_square(face, picture.shape)
    assert head.contains((*face.box[:2], *face.box[2:]))
    assert asked(picture).square == head  # no mask: the face that is there
    x, y, w, h = face.box.astype(int)
    mouth = mask_of(picture.shape, y + h // 2, y + h, x, x + w)
    assert asked(picture, mouth).square == head
    # A mask that reaches out of the head takes both; one that is elsewhere, itself.
    down = mask_of(picture.shape, y, 400, x, x + w)
    both = asked(picture, down).square
    assert both.side > head.side and both.contains((x, y, w, 400 - y))
    assert both.contains((head.left, head.top, head.side, head.side))
    rocket = mask_of(picture.shape, 100, 180, 380, 420)
    assert asked(picture, rocket).square == Square(60, 320, 160)
    assert asked(picture, mouth, padding=0.1).square.side == max(round(1.2 * w), SIZE)
    assert asked(picture, mouth, whole=True).square == Square(0, 0, 512)


def test_a_face_has_the_same_place_in_every_square_of_a_head(photo_faces):
    """Its middle 0.078 of the side under the square's, where the picture has room for it."""
    for name, (picture, face) in photo_faces.items():
        square = head_square(face, picture.shape)
        x, y = (face.mesh.mean(0) - (square.left, square.top)) / square.side
        assert abs(x - 0.5) < 0.01, name
        assert abs(y - 0.578) < (0.06 if name == "hopper" else 0.01), name  # shifted in from above


def test_what_there_is_to_know_is_said(photographs):
    a, b = photographs["astronaut"], photographs["hopper"]
    pair = np.concatenate([a[:300], b[:300]], axis=1)
    place = asked(pair)
    assert place.square.left > 512 and "2 faces: the largest is painted" in place.notes[0]
    left = mask_of(pair.shape, 100, 170, 190, 260)  # the mask chooses
    assert asked(pair, left).square.left < 512 and not asked(pair, left).notes
    place = asked(smooth(90, 120))
    assert place.square == Square(0, 15, 90) and "no face found in a.png" in place.notes[0]
    hint = Request(image=a, mask=mask_of(a.shape, 100, 180, 380, 420), controls=(object(),))
    assert "control pictures are laid on the square" in find_place(hint, "a.png", SIZE).notes[0]


@pytest.mark.parametrize(
    ("mask", "options", "sentence"),
    [
        (np.ones((30, 40), np.uint8), {}, "is 40 x 30 pixels and the picture 60 x 50"),
        (np.zeros((50, 60), np.uint8), {}, "white nowhere"),
        (mask_of((50, 60), 0, 50, 0, 4), {"whole": True}, "outside the picture's middle square"),
    ],
)
def test_a_mask_that_paints_nothing_is_refused(mask, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        asked(smooth(50, 60), mask, **options)


def test_the_recipe_says_where():
    assert Place(smooth(9, 9), Square(1, 2, 3)).recipe == [1, 2, 3]


def test_somebody_is_found_in_a_photo_or_it_is_said_why_not(photographs, photo_faces, tmp_path):
    from common.images import write_image

    a, b = photographs["astronaut"], photographs["hopper"]
    write_image(np.concatenate([a[:300], b[:300]], axis=1), tmp_path / "pair.png")
    image, points5, notes = find_person(tmp_path / "pair.png")
    assert image.shape == (300, 1024, 3) and "2 faces: the largest is meant" in notes[0]
    expected = photo_faces["hopper"][1].points5 + (512, 0)
    assert np.abs(points5 - expected).max() < 8
    write_image(smooth(90, 120), tmp_path / "none.png")
    with pytest.raises(ValueError, match="no face found; name a photo"):
        find_person(tmp_path / "none.png")
