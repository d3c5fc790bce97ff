"""Painting into pictures: where it begins, what is kept, what a network conditioned on a mask
does."""

import numpy as np
import pytest
from keras import ops
from layer_checks import randomise

from ddpm.bundle import load_model, save_model, start_from
from ddpm.codec import PIXELS, Codec, to_float, to_uint8
from ddpm.conditions import CONDITIONS, DropRates, NoSettings, Source, Window, drop_conditions
from ddpm.conditions.hints import KINDS
from ddpm.conditions.inpaint import (
    always_same,
    composite,
    inpaint_condition,
    often_full,
    random_mask,
)
from ddpm.core.samplers import (
    SAMPLERS,
    PictureNoise,
    repaint_path,
    sample_repaint,
    sdedit_start,
)
from ddpm.core.schedule import SPACINGS, cosine_schedule, linear_schedule
from ddpm.core.wrappers import projected
from ddpm.nets.config import MPUNetConfig, UNetConfig
from ddpm.nets.control import Controlled
from ddpm.nets.unet import UNet
from ddpm.presets import PRESETS, ObjectiveConfig, Preset

RHO = 0.9  # correlation of the two pixels of `gauss`
SMALL = {
    "image_size": 16,
    "widths": (8, 16),
    "blocks": 1,
    "attention": (8,),
    "groups": 4,
    "head_width": 8,
}
INPAINT = {"inpaint": NoSettings()}


def gauss(schedule):
    """The exact denoiser of two pixels (height 1, width 2), normal with correlation RHO."""
    covariance = np.array([[1, RHO], [RHO, 1]])

    def denoise(x_t, t):
        a, s = schedule.alpha[t[0]], schedule.sigma[t[0]]
        gain = a * covariance @ np.linalg.inv(a * a * covariance + s * s * np.eye(2))
        return np.float32(np.einsum("ij,bhjc->bhic", gain, x_t))

    return denoise


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("soft", [False, True])
def test_what_is_known_stays_with_every_sampler(sampler, soft, rng):
    schedule = cosine_schedule(100)
    picture = rng.uniform(-1, 1, (3, 8, 8, 3)).astype(np.float32)
    mask = np.zeros((1, 8, 8, 1), np.float32)
    mask[:, 2:6, 2:6] = 1
    mask[:, 1, 2:6] = 0.25 * soft
    noise = PictureNoise(0, range(3), (8, 8, 3))
    timesteps = SPACINGS["uniform"](schedule, 10)
    denoise = projected(lambda x_t, t: np.tanh(x_t), picture, mask)
    x = SAMPLERS[sampler](denoise, schedule, timesteps, noise(), noise)
    known = (mask == 0)[..., 0][0]
    np.testing.assert_allclose(x[:, known], picture[:, known], atol=1e-5)
    assert np.abs(x - picture)[:, 2:6, 2:6].mean() > 0.1
    if soft:
        far = np.abs(x - picture)[:, 1, 2:6]
        assert 0 < far.max() <= 0.25 * 2 + 1e-5


def test_beginning_at_a_noise_level():
    schedule = linear_schedule(1000)
    timesteps = SPACINGS["uniform"](schedule, 50)
    picture = np.full((2, 4, 4, 3), 0.5, np.float32)
    eps = np.random.default_rng(0).standard_normal(picture.shape, np.float32)
    levels, x = sdedit_start(schedule, timesteps, picture, eps, 0.4)
    t = levels[0]
    assert t == 400 and np.all(np.diff(levels) < 0)
    np.testing.assert_array_equal(levels[1:], timesteps[timesteps < 400])
    np.testing.assert_allclose(
        x, schedule.alpha[t] * picture + schedule.sigma[t] * eps, rtol=1e-6, atol=1e-6
    )
    levels, x = sdedit_start(schedule, timesteps, picture, eps, 1.0)
    np.testing.assert_array_equal(levels, timesteps)
    np.testing.assert_array_equal(x, eps)
    for strength, first in ((1e-6, 0), (0.001, 1), (0.3, 300)):  # however few the levels
        levels, _ = sdedit_start(schedule, timesteps[-1:], picture, eps, strength)
        assert levels[0] == first and len(levels) == 1 + (timesteps[-1] < first)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_less_strength_the_nearer_the_picture(sampler, rng):
    schedule = cosine_schedule(100)
    picture = rng.uniform(-1, 1, (4, 4, 2, 1)).astype(np.float32)
    far = []
    for strength in (0.2, 0.5, 0.9):
        noise = PictureNoise(0, range(4), (4, 2, 1))
        levels, x = sdedit_start(
            schedule, SPACINGS["uniform"](schedule, 20), picture, noise(), strength
        )
        x = SAMPLERS[sampler](gauss(schedule), schedule, levels, x, noise)
        far.append(np.abs(x - picture).mean())
    assert far[0] < far[1] < far[2]


@pytest.mark.parametrize(("n", "jump", "again"), [(20, 5, 3), (23, 10, 10), (4, 10, 2), (1, 3, 4)])
def test_the_path_of_repaint(n, jump, again):
    path = list(repaint_path(n, jump, again))
    assert path[0][0] == 0 and path[-1][1] == n
    assert all(abs(i - j) == 1 for i, j in path)
    assert all(a[1] == b[0] for a, b in zip(path, path[1:], strict=False))
    down = [i for i, j in path if j > i]
    counts = np.bincount(down, minlength=n)
    # The step onto the clean picture cannot be taken back, so it is taken once.
    assert (counts[: n - 1] == again).all() and counts[n - 1] == 1
    assert list(repaint_path(n, jump, 1)) == [(i, i + 1) for i in range(n)]


def test_repaint_finds_what_belongs_to_what_is_known_where_projection_does_not():
    """The closed form: one pixel known as k, the other is normal about RHO k, 1 - RHO^2."""
    schedule, n = cosine_schedule(100), 4000
    known = np.float32(1.5)
    picture = np.full((1, 1, 2, 1), known, np.float32)
    mask = np.array([0, 1], np.float32).reshape(1, 1, 2, 1)
    timesteps = SPACINGS["uniform"](schedule, 25)
    found = {}
    for name in ("project", "repaint"):
        rng = np.random.default_rng(0)

        def noise(rng=rng):
            return rng.standard_normal((n, 1, 2, 1), np.float32)

        if name == "project":
            denoise = projected(gauss(schedule), picture, mask)
            x = SAMPLERS["ddpm"](denoise, schedule, timesteps, noise(), noise)
        else:
            x = sample_repaint(
                gauss(schedule), schedule, timesteps, noise(), noise, x0_known=picture, mask=mask
            )
        assert (x[:, 0, 0, 0] == known).all()
        found[name] = x[:, 0, 1, 0]
    miss = {
        name: (abs(x.mean() - RHO * known), abs(x.std() - np.sqrt(1 - RHO**2)))
        for name, x in found.items()
    }
    assert miss["repaint"][0] < 0.1 and miss["project"][0] > 4 * miss["repaint"][0]
    assert miss["repaint"][1] < 0.03 and miss["project"][1] > 4 * miss["repaint"][1]


@pytest.mark.parametrize("method", ["project", "repaint"])
def test_a_soft_mask_blends_once_and_outside_it_no_bit_changes(method, rng):
    """A denoiser that always says white: the result is picture + mask (white - picture)."""
    schedule = cosine_schedule(100)
    picture = rng.integers(0, 256, (5, 9, 9, 3), np.uint8)
    mask = np.zeros((9, 9, 1), np.float32)
    mask[3:6], mask[2], mask[6] = 1, 0.5, 0.01
    noise, x0 = PictureNoise(0, range(5), (9, 9, 3)), to_float(picture)

    def white(x_t, t):
        return np.ones_like(x_t)

    timesteps = SPACINGS["uniform"](schedule, 10)
    if method == "repaint":
        x = sample_repaint(
            white, schedule, timesteps, noise(), noise, x0_known=x0, mask=mask, jump_length=4
        )
    else:
        x = SAMPLERS["ddpm"](projected(white, x0, mask), schedule, timesteps, noise(), noise)
    result = composite(picture, to_uint8(x), mask)
    assert result.dtype == np.uint8
    outside = (mask == 0)[..., 0]
    np.testing.assert_array_equal(result[:, outside], picture[:, outside])
    expected = picture + mask * (255.0 - picture)
    assert np.abs(result - expected).max() <= 1


def test_masks_to_train_on():
    rng = np.random.default_rng(0)
    masks = np.stack([random_mask(32, rng) for _ in range(300)])
    assert masks.shape == (300, 32, 32, 1) and masks.dtype == np.float32
    assert set(np.unique(masks)) == {0, 1}
    covered = masks.mean((1, 2, 3))
    assert covered.min() > 0 and covered.max() < 1 and covered.std() > 0.1
    assert (masks.mean(0) > 0.1).all()  # no corner is left out


def test_how_often_the_mask_covers_everything():
    mask = np.zeros((4000, 2, 2, 1), np.float32)
    mask[:, 0] = 1
    rates, rng = DropRates(full_mask=0.3), np.random.default_rng(0)
    gone = drop_conditions(INPAINT, {"mask": mask}, rng, rates)["mask"]
    whole = (gone == 1).all((1, 2, 3))
    assert abs(whole.mean() - 0.3) < 0.03
    np.testing.assert_array_equal(gone[~whole], mask[~whole])
    assert (mask[:, 1] == 0).all()


def test_the_condition_hides_no_grey_and_nothing_else():
    """A network meets no grey mask in training: what is painted at all is painted whole."""
    mask = np.array([0, 0.01, 0.5, 1], np.float32).reshape(1, 2, 2, 1)
    picture = np.full((1, 2, 2, 3), 200, np.uint8)
    condition = inpaint_condition(picture, mask, PIXELS)
    assert set(condition) == {"mask", "masked_image"}
    assert condition["mask"].ravel().tolist() == [0, 1, 1, 1]
    assert condition["mask"].dtype == np.float32 and np.all(
        condition["masked_image"] == to_float(picture)
    )


def test_a_network_that_is_to_inpaint_begins_as_the_one_it_grew_from(tmp_path, rng):
    preset = PRESETS["tiny"].with_(network={**SMALL, "patch": 1})
    plain = preset.make_network()
    randomise(plain, 0.2)
    save_model(plain, preset, tmp_path / "model.weights.h5")
    growing = preset.with_conditions(**INPAINT)
    network = growing.make_network()
    taken, total = start_from(network, tmp_path / "model.weights.h5")
    assert taken == plain.count_params() < total
    x, t = rng.normal(size=(2, 16, 16, 3)).astype(np.float32), np.array([3, 70])
    given = {"mask": random_mask(16, rng)[None].repeat(2, 0), "masked_image": x / 4}
    expected = ops.convert_to_numpy(plain(x, t))
    for condition in (None, given):
        np.testing.assert_array_equal(ops.convert_to_numpy(network(x, t, condition)), expected)
    save_model(network, growing, tmp_path / "grown.weights.h5")
    assert "inpaint" in load_model(tmp_path / "grown.weights.h5").config.conditions


def test_a_network_over_latents_grows_alike(tmp_path, rng):
    network = MPUNetConfig(
        image_size=8, channels=4, widths=(16,), blocks=(1,), attention=(), head_width=8
    )
    preset = Preset("small", network, ObjectiveConfig(prediction="v"))
    plain = preset.make_network("float32")
    plain.head.gain.assign(1.0)
    save_model(plain, preset, tmp_path / "model.weights.h5")
    grown = preset.with_conditions(**INPAINT).make_network("float32")
    taken, _ = start_from(grown, tmp_path / "model.weights.h5")
    assert taken == plain.count_params()
    kernel = ops.convert_to_numpy(grown.stem.kernel)
    np.testing.assert_allclose(np.mean(kernel**2, axis=(0, 1, 2)), 1, atol=1e-3)
    x, t = rng.normal(size=(2, 8, 8, 4)).astype(np.float32), np.array([3, 70])
    given = {"mask": np.zeros((2, 8, 8, 1), np.float32), "masked_image": x / 4}
    expected = ops.convert_to_numpy(plain(x, t))
    for condition in (None, given):
        np.testing.assert_allclose(grown(x, t, condition), expected, atol=1e-5)


def test_masks_that_cover_everything_are_decided_first_and_coded_once(rng):
    coded = []

    def encode(images):
        coded.append(images)
        return to_float(images[:, ::2, ::2])

    def half(window):
        mask = np.zeros((8, 8, 1), np.float32)
        mask[:4] = 1
        return mask

    image = rng.integers(0, 256, (8, 8, 3), np.uint8)
    window = Window(image, 0, False, np.zeros(6), np.eye(3)[:2], rng)
    source = Source([image], make_mask=often_full(half, 0.6), codec=Codec(encode, None, 2))
    row = CONDITIONS["inpaint"].rows(source, NoSettings())
    rows = [row(window) for _ in range(400)]
    full = [r["mask"].all() for r in rows]
    assert abs(np.mean(full) - 0.6) < 0.08
    assert len(coded) == 2  # what is hidden as a whole, and this window with its hole
    assert all(r["masked_image"].shape == (4, 4, 3) for r in rows)


def test_a_window_has_one_mask_and_is_coded_once(rng):
    coded, images = [], rng.integers(0, 256, (3, 16, 16, 3), np.uint8)

    def encode(pictures):
        coded.append(pictures)
        return to_float(pictures[:, ::2, ::2])

    def windows(rng):
        for i, mirrored, left in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 3)):
            place = np.array([16, 16, 0, left, 16, 16], np.float32)
            yield Window(images[i], i, bool(mirrored), place, np.eye(3)[:2], rng)

    make = always_same(lambda window: random_mask(16, window.rng))
    source = Source(images, make_mask=make, codec=Codec(encode, None, 2))
    row = CONDITIONS["inpaint"].rows(source, NoSettings())
    first, second = ([row(w) for w in windows(np.random.default_rng(k))] for k in (0, 1))
    assert len(coded) == 4
    for a, b in zip(first, second, strict=True):
        for name in ("mask", "masked_image"):
            np.testing.assert_array_equal(a[name], b[name])
    masks = {r["mask"].tobytes() for r in first}
    assert len(masks) == 4
    fresh = CONDITIONS["inpaint"].rows(source, NoSettings())  # as after a kill
    again = [fresh(w) for w in windows(rng)]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a["masked_image"], b["masked_image"])


def test_what_the_mask_covers_is_not_seen_and_the_rest_is(rng):
    network = UNet(UNetConfig(**SMALL, conditions=INPAINT))
    randomise(network)
    x, t = rng.normal(size=(1, 16, 16, 3)).astype(np.float32), np.array([40])
    mask = np.zeros((1, 16, 16, 1), np.float32)
    mask[:, 4:12, 4:12] = 1

    def predict(known, mask=mask):
        return ops.convert_to_numpy(network(x, t, {"mask": mask, "masked_image": known}))

    known = rng.uniform(-1, 1, x.shape).astype(np.float32)
    other = np.where(mask == 1, -known, known)
    np.testing.assert_array_equal(predict(known), predict(other))
    assert np.abs(predict(known) - predict(-known)).max() > 1e-3
    # Without a mask, everything is to be painted.
    silent = ops.convert_to_numpy(network(x, t))
    np.testing.assert_array_equal(predict(known, np.ones_like(mask)), silent)
    assert np.abs(predict(known) - silent).max() > 1e-3


def test_control_goes_with_a_mask(rng):
    network = UNet(UNetConfig(**SMALL, conditions=INPAINT))
    randomise(network)
    controlled = Controlled(network)
    for weight in controlled.branch.weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape).astype(np.float32))
    x, t = rng.normal(size=(1, 16, 16, 3)).astype(np.float32), np.array([40])
    seen = {"mask": random_mask(16, rng)[None], "masked_image": x / 4}
    hints = rng.uniform(-1, 1, (1, 16, 16, 3 * len(KINDS))).astype(np.float32)

    def predict(**condition):
        return ops.convert_to_numpy(controlled(x, t, condition))

    both = predict(**seen, hints=hints, strengths=np.ones((1, len(KINDS)), np.float32))
    alone = predict(hints=hints, strengths=np.ones((1, len(KINDS)), np.float32))
    assert np.abs(both - alone).max() > 1e-3 and np.abs(both - predict(**seen)).max() > 1e-3
