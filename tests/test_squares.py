"""Squares of pictures: where they lie, what they show."""

import numpy as np
import pytest

from common.squares import Square, box_of, middle_square, square_round


def picture(height, width):
    """Each pixel says where it is."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns], axis=-1)


def some_boxes(n=400):
    rng = np.random.default_rng(0)
    for _ in range(n):
        height, width = (int(v) for v in rng.integers(1, 90, 2))
        left, top = (int(rng.integers(0, side)) for side in (width, height))
        across, down = rng.integers(1, width - left + 1), rng.integers(1, height - top + 1)
        yield (left, top, int(across), int(down)), (height, width), rng


def test_a_box_always_lies_in_its_square_and_the_square_in_the_picture_if_it_can():
    sticking_out = 0
    for box, shape, rng in some_boxes():
        padding, least = rng.uniform(0, 2), int(rng.integers(1, 100))
        square = square_round(box, shape, padding, least)
        longer = max(box[2:])
        assert square.contains(box)
        wanted = max(round(longer * (1 + 2 * padding)), least)
        assert square.side == max(longer, min(wanted, *shape))
        for start, length in zip((square.top, square.left), shape, strict=True):
            low, high = sorted((0, length - square.side))
            assert low <= start <= high
        sticking_out += square.side > min(shape)
    assert sticking_out > 20


def test_where_there_is_room_the_box_lies_in_the_middle():
    square = square_round((40, 50, 20, 10), (200, 300), padding=0.5)
    assert square == Square(top=35, left=30, side=40)
    # Near a border it is shifted by as little as it takes.
    assert square_round((0, 50, 20, 10), (200, 300), padding=0.5) == Square(35, 0, 40)
    assert square_round((270, 195, 20, 5), (200, 300), padding=0.5) == Square(160, 260, 40)


def test_a_square_shows_the_picture_and_beyond_its_border_the_mirror_image():
    there = picture(10, 20)
    np.testing.assert_array_equal(Square(2, 5, 6).cut(there), there[2:8, 5:11])
    wide = Square(-5, 0, 20).cut(there)
    padded = np.pad(there, ((5, 5), (0, 0), (0, 0)), "symmetric")
    np.testing.assert_array_equal(wide, padded)
    # Even where it sticks out by more than the picture is long.
    strip = Square(-20, 0, 41).cut(picture(1, 41))
    np.testing.assert_array_equal(strip, np.repeat(picture(1, 41), 41, axis=0))


def test_the_parts_of_picture_and_square_are_the_same_pixels():
    for box, shape, rng in some_boxes(100):
        square = square_round(box, shape, rng.uniform(0, 2))
        there, own = square.inside(shape)
        np.testing.assert_array_equal(square.cut(picture(*shape))[own], picture(*shape)[there])
        rows, columns = (range(n)[s] for n, s in zip(shape, there, strict=True))
        assert len(rows) == min(square.side, shape[0] - max(square.top, 0))
        assert len(columns) == min(square.side, shape[1] - max(square.left, 0))


def test_the_matrix_takes_corners_to_corners():
    square = Square(top=-3, left=7, side=50)
    corners = np.array([[7, -3, 1], [57, -3, 1], [57, 47, 1]])
    np.testing.assert_allclose(corners @ square.matrix(64).T, [[0, 0], [64, 0], [64, 64]])


@pytest.mark.parametrize(("shape", "expected"), [((5, 9), (0, 2, 5)), ((8, 3), (2, 0, 3))])
def test_the_middle_is_the_largest_square_there(shape, expected):
    assert middle_square(shape) == Square(*expected)


def test_the_box_of_a_mask_holds_all_of_it_and_no_more():
    mask = np.zeros((9, 12))
    assert box_of(mask) is None
    mask[3, 4] = mask[6, 10] = 0.01
    assert box_of(mask) == (4, 3, 7, 4)
