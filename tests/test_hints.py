"""Control pictures: how they are asked for, read, resized, and laid out as arrays."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpm.conditions.hints import KINDS, ControlImage, HintSettings, drop_inactive_hints, stack


def save(image, path):
    Image.fromarray(image).save(path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("canny=a.png", ("canny", "a.png", 1.0, (0.0, 1.0))),
        ("colour=b:c.jpg:0.8", ("colour", "b:c.jpg", 0.8, (0.0, 1.0))),
        ("points=x=y.png:.5:0.1-0.9", ("points", "x=y.png", 0.5, (0.1, 0.9))),
    ],
)
def test_the_form_of_a_control(tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    image = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    save(image, expected[1])
    control = ControlImage.parse(words)
    assert (control.kind, control.name, control.strength, control.window) == expected
    if expected[1].endswith("png"):
        np.testing.assert_array_equal(control.image, image)
    digest = hashlib.sha256(Path(expected[1]).read_bytes()).hexdigest()
    assert len(control.sha256) == 12 and digest.startswith(control.sha256)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("canny", "KIND=FILE"),
        ("canny=", "KIND=FILE"),
        ("depth=a.png", "unknown kind of control 'depth'.*canny"),
        ("canny=a.png:3", "strength of a control is from 0 to 2"),
        ("canny=a.png:1:0.5-0.5", "window of a control"),
        ("canny=a.png:1:0.5-1.5", "window of a control"),
    ],
)
def test_other_forms_of_a_control_are_refused(words, sentence):
    with pytest.raises(ValueError, match=sentence):
        ControlImage.parse(words)


def line(side, column, height=None):
    """A black picture with a white line, one pixel wide."""
    image = np.zeros((height or side, side, 3), np.uint8)
    image[:, column] = 255
    return image


def test_control_pictures_are_laid_out_by_kind():
    edges = ControlImage("canny", line(192, 70, height=128), 0.5, (0, 0.5))
    arrays, strengths, windows = stack([edges], KINDS, (16, 16))
    assert arrays.shape == (16, 16, 12) and strengths.tolist() == [0.5, 0, 0, 0]
    assert arrays.dtype == strengths.dtype == np.float32
    assert windows == [(0, 0.5), (0, 1), (0, 1), (0, 1)]
    # However much it shrinks, a line stays white: (70 - 32) / 8 is column 4.
    assert (arrays[..., 0].max(axis=1) == 1).all() and (arrays[:, 4, 0] == 1).all()
    with pytest.raises(ValueError, match="more than one control of the kind canny"):
        stack([edges, edges], KINDS, (16, 16))


def test_a_branch_is_fed_by_its_own_kinds():
    """In the order of its channels; kinds that others have are refused with those that it has."""
    depth = ControlImage("depth", np.full((16, 16, 3), 255, np.uint8), 0.75, (0.5, 1))
    kinds = ("tile", "depth", "canny")
    arrays, strengths, windows = stack([depth], kinds, (8, 8))
    assert arrays.shape == (8, 8, 9) and strengths.tolist() == [0, 0.75, 0]
    assert (arrays[..., 3:6] == 1).all() and (arrays[..., :3] == 0).all()
    assert windows == [(0, 1), (0.5, 1), (0, 1)]
    with pytest.raises(ValueError, match="knows no depth; it was trained with canny, colour"):
        stack([depth], KINDS, (8, 8))
    assert HintSettings().kinds == KINDS


@pytest.mark.parametrize("side", range(17, 60))
def test_a_line_stays_white_whatever_the_ratio(side):
    for column in (side // 3, side // 2):
        found = ControlImage("canny", line(side, column)).fit((16, 16))
        assert (found.max(axis=1) == 255).all(), column


def test_control_pictures_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    for name, sentence in (("text.png", "cannot be read"), ("none.png", "there is no control")):
        with pytest.raises(ValueError, match=sentence):
            ControlImage.parse(f"canny={tmp_path / name}")


def test_transparent_and_deep_control_pictures(tmp_path):
    clear = np.zeros((16, 16, 4), np.uint8)
    clear[8:] = (200, 100, 0, 255)
    save(clear, tmp_path / "clear.png")
    for kind, ground in (("canny", 0), ("points", 0), ("colour", 255), ("tile", 255)):
        found = ControlImage.parse(f"{kind}={tmp_path / 'clear.png'}").fit((16, 16))
        assert (found[:8] == ground).all() and (found[8:] == (200, 100, 0)).all()
    deep = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    save(deep, tmp_path / "deep.png")
    found = ControlImage.parse(f"tile={tmp_path / 'deep.png'}").fit((16, 16))
    assert np.abs(found[..., 0].ravel() - np.arange(256.0)).max() <= 1


def test_a_photograph_given_for_edges_has_a_warning(photographs):
    photo = photographs["astronaut"]
    for kind in ("canny", "points"):
        sentence = ControlImage(kind, photo, name="me.jpg").warning()
        assert sentence.startswith(f"me.jpg does not look like a {kind} picture")
    for control in (
        ControlImage("colour", photo),
        ControlImage("tile", photo),
        ControlImage("canny", line(64, 20)),
        ControlImage("points", line(64, 20)),
    ):
        assert control.warning() is None
    white = ControlImage("canny", 255 - line(64, 20))  # edges drawn in black on white
    assert "drawn on black" in white.warning()


def test_hints_of_strength_0_are_left_out_of_the_call():
    seen = []
    denoise = drop_inactive_hints(lambda x_t, t, condition=None: seen.append(condition))
    hints = {"tokens": 1, "hints": 2, "strengths": np.zeros((2, 3))}
    denoise(0, 0, hints)
    denoise(0, 0, {**hints, "strengths": np.eye(2, 3)})
    denoise(0, 0)
    denoise(0, 0, {"tokens": 1})
    assert [sorted(c or {}) for c in seen] == [
        ["tokens"],
        ["hints", "strengths", "tokens"],
        [],
        ["tokens"],
    ]
    assert sorted(hints) == ["hints", "strengths", "tokens"]
