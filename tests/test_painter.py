"""The studio's painter: a small model with its branch behind one call."""

import numpy as np
import pytest

from portrait.painter import Painter

SIZE = 32


@pytest.fixture(scope="module")
def painter(conditional, branch):
    return Painter(conditional, branch)


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (8, 8, 3), np.uint8), np.ones((4, 4, 1), np.uint8))


@pytest.fixture(scope="module")
def mask():
    """Nothing outside, everything in the middle, a half between."""
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[6:26, 6:26], mask[10:22, 10:22] = 0.5, 1
    return mask


@pytest.fixture(scope="module")
def edges():
    edges = np.zeros((SIZE, SIZE, 3), np.uint8)
    edges[8:24, 16] = 255
    return edges


def test_it_says_what_it_is(painter, conditional, branch):
    from common.files import sha256

    assert (painter.size, painter.name) == (SIZE, "model.weights.h5")
    assert painter.digest == sha256(conditional / "model.weights.h5")
    assert painter.control_digest == sha256(branch / "control.weights.h5")


def test_it_paints_inside_the_mask_and_blends_at_its_border(painter, picture, mask, edges):
    hints = {"canny": (edges, 0.8)}
    painted = painter.paint(picture, mask, hints, strength=0.6, steps=8)
    assert painted.shape == picture.shape and painted.dtype == np.uint8
    np.testing.assert_array_equal(painted[mask == 0], picture[mask == 0])
    change = np.abs(painted.astype(int) - picture).mean(-1)
    assert change[mask == 1].mean() > change[mask == 0.5].mean() > 1
    again = painter.paint(picture, mask, hints, strength=0.6, steps=8)
    np.testing.assert_array_equal(painted, again)


def test_all_that_it_is_asked_changes_the_picture(painter, picture, mask, edges):
    def paint(hints=None, strength=0.8, **more):
        hints = {"canny": (edges, 1.0)} if hints is None else hints
        return painter.paint(picture, mask, hints, strength, 4, **more)

    words = {"prompt": "a red disc", "guidance": 6.0}
    painted = [
        paint(),
        paint({}),
        paint({"canny": (edges, 0.4)}),
        paint(strength=0.5),
        paint(seed=1),
        paint(**words),
        paint(**words, negative="blue"),
    ]
    for i, one in enumerate(painted):
        for other in painted[i + 1 :]:
            assert (one != other).any()
    np.testing.assert_array_equal(paint({"canny": (edges, 0.0)}), painted[1])
    np.testing.assert_array_equal(paint(guidance=6.0), painted[0])  # without words there is none


def test_it_tells_how_far_it_is(painter, picture, mask):
    told = []
    painter.paint(picture, mask, {}, 0.5, 8, observe=lambda step, of: told.append((step, of)))
    last = told[-1][1]
    assert told == [(i + 1, last) for i in range(last)] and 3 <= last < 8


def test_words_are_checked_before_anything_is_painted(painter):
    assert painter.check("a red disc", "blue") == [] and painter.check("") == []
    (sentence,) = painter.check("a frobnicating red disc")
    assert "'frobnicating'" in sentence
    with pytest.raises(ValueError, match="none of the words"):
        painter.check("frobnicating")


def test_files_that_do_not_belong_together_are_refused(conditional, branch, trained):
    with pytest.raises(ValueError, match="another form"):
        Painter(trained, branch)


def test_a_model_without_a_control_branch_paints_without_hints_and_says_so(
    conditional, painter, picture, mask
):
    alone = Painter(conditional)
    (sentence,) = alone.check("")
    assert "no control branch" in sentence and alone.control_digest is None
    hint = {"canny": (np.full((*picture.shape[:2], 3), 255, np.uint8), 1.0)}
    painted = alone.paint(picture, mask, hint, 1.0, 4)
    np.testing.assert_array_equal(painted, painter.paint(picture, mask, {}, 1.0, 4))
