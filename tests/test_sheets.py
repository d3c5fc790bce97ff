"""Pictures on sheets, and the files that say how they were made."""

import errno
import json

import numpy as np
import pytest
from PIL import Image

from common.sheets import (
    LARGEST_ZOOM,
    SCREEN,
    fitting_zoom,
    grid,
    grid_shape,
    labelled_grid,
    read_recipe,
    save_gif,
    save_png,
)


def shades(n, height=3, width=4):
    shade = np.arange(1, n + 1, dtype=np.uint8)[:, None, None, None]
    return np.zeros((n, height, width, 3), np.uint8) + shade


def test_a_grid_reads_like_a_page():
    page = grid(shades(5), columns=2, gap=1)
    assert page.shape == (3 * 4 - 1, 2 * 5 - 1, 3)
    corners = page[::4, ::5, 0]
    assert corners.tolist() == [[1, 2], [3, 4], [5, 255]]
    assert np.all(page[3] == 255) and np.all(page[:, 4] == 255)  # the gaps are white
    assert np.all(page[4:7, 5:9] == 4)


@pytest.mark.parametrize("n, rows, columns", [(1, 1, 1), (2, 1, 2), (5, 2, 3), (64, 8, 8)])
def test_a_grid_is_nearly_square(n, rows, columns):
    assert grid(shades(n), gap=0).shape == (rows * 3, columns * 4, 3)


def test_a_grid_has_no_more_columns_than_pictures():
    assert grid(shades(2), columns=9, gap=0).shape == (3, 8, 3)


def test_zoom_repeats_each_pixel():
    picture = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert np.array_equal(grid(picture, zoom=3), np.kron(picture[0], np.ones((3, 3, 1), np.uint8)))


def test_a_png_holds_its_picture_and_its_recipe(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    path, recipe = tmp_path / "new" / "a.png", {"seed": 3, "sampler": "ddim", "prompt": "naïve ☺"}
    save_png(picture, path, recipe)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), picture)
        assert json.loads(image.text["recipe"]) == recipe
        assert "Generated" in image.text["Comment"]


def test_a_recipe_is_read_back(tmp_path):
    path = tmp_path / "a.png"
    save_png(shades(1)[0], path, {"seed": 7, "prompts": ["a hat"]})
    assert read_recipe(path) == {"seed": 7, "prompts": ["a hat"]}


def test_what_has_no_recipe_gets_a_sentence(tmp_path):
    bare, text = tmp_path / "bare.png", tmp_path / "text.png"
    Image.fromarray(shades(1)[0]).save(bare)
    text.write_text("no picture")
    with pytest.raises(ValueError, match="bare.png has no recipe; choose a PNG"):
        read_recipe(bare)
    with pytest.raises(ValueError, match="text.png cannot be read; choose a PNG"):
        read_recipe(text)
    with pytest.raises(FileNotFoundError):
        read_recipe(tmp_path / "nothing.png")


def test_damaged_pictures_get_a_sentence_or_their_recipe(tmp_path):
    path, recipe = tmp_path / "a.png", {"seed": 7, "prompts": ["a hat"] * 9}
    save_png(shades(1, 32, 32)[0], path, recipe)
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(300):
        data = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        data[rng.integers(len(data))] ^= rng.integers(1, 256)
        path.write_bytes(data)
        try:
            assert isinstance(read_recipe(path), dict)
        except ValueError as error:
            refused += str(error).startswith("a.png ")
    assert refused > 100


def test_a_gif_shows_its_frames_and_stays_on_the_last(tmp_path):
    frames = [np.full((4, 4, 3), v, np.uint8) for v in (0, 90, 180, 255)]
    save_gif(frames, tmp_path / "a.gif", seconds=2, hold=1)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 4
        assert image.info["loop"] == 0
        shown, durations = [], []
        for i in range(4):
            image.seek(i)
            shown.append(int(np.asarray(image.convert("RGB")).mean()))
            durations.append(image.info["duration"])
    assert np.abs(np.subtract(shown, (0, 90, 180, 255))).max() <= 2
    assert durations == [500, 500, 500, 1000]


def test_a_long_gif_is_no_faster_than_players_allow(tmp_path):
    frames = [np.full((4, 4, 3), v, np.uint8) for v in range(250)]
    save_gif(frames, tmp_path / "a.gif", seconds=1)
    with Image.open(tmp_path / "a.gif") as image:
        image.seek(10)
        assert image.info["duration"] == 20


def test_equal_frames_take_their_time(tmp_path):
    frames = [np.zeros((4, 4, 3), np.uint8)] * 3 + [np.full((4, 4, 3), 255, np.uint8)]
    save_gif(frames, tmp_path / "a.gif", seconds=4, hold=1)
    with Image.open(tmp_path / "a.gif") as image:
        durations = []
        for i in range(image.n_frames):
            image.seek(i)
            durations.append(image.info["duration"])
    assert sum(durations) == 4000


@pytest.mark.parametrize("save, name", [(save_png, "a.png"), (save_gif, "a.gif")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, save, name):
    (tmp_path / name).write_bytes(b"old")

    def full(self, path, *args, **kwargs):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    picture = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(OSError, match="No space left"):
        save([picture] if name == "a.gif" else picture, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


@pytest.mark.parametrize("n, columns, zoom", [(1, None, 1), (5, 2, 3), (64, None, 2), (3, 9, 1)])
def test_the_size_of_a_sheet_is_known_before_it_is_made(n, columns, zoom):
    shape = grid(shades(n), columns, zoom=zoom).shape[:2]
    assert grid_shape(n, 3, 4, columns, zoom=zoom) == shape


@pytest.mark.parametrize("n, side", [(1, 32), (1, 64), (16, 64), (64, 64), (400, 64), (1, 2000)])
def test_the_zoom_is_the_largest_that_fits_a_screen(n, side):
    zoom = fitting_zoom(n, side, side)
    assert 1 <= zoom <= LARGEST_ZOOM
    assert zoom == 1 or max(grid_shape(n, side, side, zoom=zoom)) <= SCREEN
    assert zoom == LARGEST_ZOOM or max(grid_shape(n, side, side, zoom=zoom + 1)) > SCREEN


def test_a_labelled_grid_has_a_text_beside_each_row():
    rows = np.stack([shades(3, 20, 24), 100 + shades(3, 20, 24)])
    sheet = labelled_grid(rows, ["a long label that goes over two lines", "short"], gap=2, width=90)
    assert sheet.shape == (2 * 20 + 2, 90 + 3 * 24 + 2 * 2, 3) and sheet.dtype == np.uint8
    assert np.array_equal(sheet[:20, 90:], grid(rows[0], columns=3))
    assert np.array_equal(sheet[22:, 90:], grid(rows[1], columns=3))
    for top in (0, 22):
        assert (sheet[top : top + 20, :90] < 128).any()  # something is written there
    blank = labelled_grid(rows, ["", ""], gap=2, width=90)
    assert (blank[:, :90] == 255).all()
