"""Drawing pictures, laying them out, and the files that say how they were made."""

import errno
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ddpm.core.denoiser import x0_denoiser
from ddpm.pictures import draw, grid, save_gif, save_png, to_uint8
from ddpm.presets import PRESETS
from common.devices import use_xla
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import SPACINGS, linear_schedule

SHAPE = (4, 5, 3)


def stub(x_t, t):
    """A denoiser that keeps something of what it is shown, each picture for itself."""
    return np.tanh(x_t * 0.7 + 0.1 * np.cos(t)[:, None, None, None].astype(np.float32))


def draw_stub(n, **options):
    return draw(stub, linear_schedule(50), n, SHAPE, **{"steps": 10, **options})


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_picture_is_the_same_however_many_are_drawn(sampler, spacing):
    many = draw_stub(64, sampler=sampler, spacing=spacing)
    assert many.shape == (64, *SHAPE) and many.dtype == np.uint8
    assert len(np.unique(many.reshape(64, -1), axis=0)) == 64
    for n in (1, 7, 8, 9):
        assert np.array_equal(draw_stub(n, sampler=sampler, spacing=spacing), many[:n])


def test_the_batch_size_changes_no_picture():
    pictures = [draw_stub(10, sampler="ddpm", batch_size=size) for size in (1, 4, 10, 32)]
    assert all(np.array_equal(pictures[0], other) for other in pictures[1:])


def test_the_seed_changes_every_picture():
    first, second = draw_stub(8, seed=0), draw_stub(8, seed=1)
    assert np.array_equal(first, draw_stub(8, seed=0))
    assert all(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("sampler", ("dpmpp_2m", "ddpm"))
def test_a_real_network_draws_the_same_picture_to_the_last_bit(sampler):
    preset = replace(PRESETS["tiny"], image_size=16, attention=(4,))
    network, rng = preset.make_network("float32"), np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(0.1 * rng.standard_normal(weight.shape))
    schedule = preset.make_schedule()
    denoise = x0_denoiser(network, schedule, "x0", xla=use_xla())
    one, many = (draw(denoise, schedule, n, (16, 16, 3), sampler=sampler, steps=3) for n in (1, 64))
    assert np.array_equal(one[0], many[0])
    assert many[1:].std(0).mean() > 1


def test_observers_see_every_picture_at_every_step():
    seen = np.zeros((10, 11))
    sizes = []

    def observe(indices, i, x0_hat):
        seen[i, indices] += 1
        sizes.append(len(indices) == len(x0_hat))

    draw_stub(11, batch_size=4, observe=observe)
    assert np.all(seen == 1)
    assert all(sizes)


def test_options_reach_the_sampler():
    assert not np.array_equal(draw_stub(2, sampler="ddim", eta=1.0), draw_stub(2, sampler="ddim"))
    with pytest.raises(TypeError):
        draw_stub(2, sampler="euler", eta=1.0)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"sampler": "magic"}, "unknown sampler 'magic'; choose one of ddpm, ddim"),
        ({"spacing": "odd"}, "unknown spacing 'odd'; choose one of uniform"),
        ({"steps": 51}, r"1\.\.50.*Received: 51"),
        ({"steps": 0}, r"1\.\.50.*Received: 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        draw_stub(2, **options)


def test_levels_of_grey_are_rounded_and_clipped():
    x = np.array([-2, -1, -1 + 0.9 / 255, -1 + 1.1 / 255, 0.999, 1, 7, 1 - 2.2 / 255])
    assert to_uint8(x).tolist() == [0, 0, 0, 1, 255, 255, 255, 254]
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_uint8(every.astype(np.float32) / 127.5 - 1), every)


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
