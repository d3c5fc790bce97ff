"""Batches in a fixed order, and their conditions."""

import itertools
import threading
import time

import numpy as np
import pytest

from ddpm.conditions import NoSettings, Source
from ddpm.conditions.hints import HintSettings
from ddpm.conditions.text import START, TextSettings, Tokenizer
from ddpm.presets import PRESETS
from ddpm.training.batches import BatchBuilder, Feed, batches


def numbered(n):
    """n pictures, each 4 x 4 in its own shade with a bright left edge."""
    images = np.zeros((n, 4, 4, 3), np.uint8) + np.arange(n, dtype=np.uint8)[:, None, None, None]
    images[:, :, 0] = 255
    return images


def take(n, *args, **kwargs):
    stream = batches(*args, **kwargs)
    return [next(stream)[0] for _ in range(n)]


def numbers(batch):
    """Which pictures a batch holds, and which of them are mirrored."""
    return np.rint((batch[:, 0, 1, 0] + 1) * 127.5).astype(int), batch[:, 0, 0, 0] < 1


def test_pictures_become_float32_in_minus_1_to_1():
    images = np.stack([np.full((2, 2, 3), v, np.uint8) for v in (0, 255)])
    (batch,) = take(1, images, 2, seed=0)
    assert batch.dtype == np.float32
    assert sorted(np.unique(batch)) == [-1, 1]


@pytest.mark.parametrize("start", (1, 4, 5, 23))
def test_starting_at_a_step_is_skipping_the_steps_before(start):
    images = numbered(43)  # 5 steps of 8 an epoch, 3 sit out
    whole = take(start + 12, images, 8, seed=3)
    late = take(12, images, 8, seed=3, start=start)
    assert all(np.array_equal(a, b) for a, b in zip(whole[start:], late, strict=True))


def test_an_epoch_shows_no_picture_twice_and_each_epoch_leaves_out_others():
    epochs = np.array([numbers(b)[0] for b in take(60, numbered(43), 8, seed=0)]).reshape(12, 40)
    assert all(len(set(epoch)) == 40 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 12
    assert len({tuple(sorted(epoch)) for epoch in epochs}) > 6
    assert set(epochs.ravel()) == set(range(43))


def test_the_order_depends_on_the_seed():
    first, again, other = (take(5, numbered(40), 8, seed=s) for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_half_of_the_pictures_are_mirrored_and_not_always_the_same():
    mirrored = np.zeros((50, 40), bool)
    for epoch in range(50):
        for batch in take(5, numbered(40), 8, seed=0, start=5 * epoch):
            which, flipped = numbers(batch)
            mirrored[epoch, which] = flipped
    assert abs(mirrored.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(mirrored.size)
    assert np.all((mirrored.mean(0) > 0.15) & (mirrored.mean(0) < 0.85))
    assert np.all((mirrored.mean(1) > 0.15) & (mirrored.mean(1) < 0.85))


def test_mirroring_swaps_left_and_right_alone(rng):
    images = rng.integers(0, 256, (8, 5, 6, 3), dtype=np.uint8)
    (batch,) = take(1, images, 8, seed=1)
    seen = np.rint((batch + 1) * 127.5).astype(np.uint8).tolist()
    upright, mirrored = images.tolist(), images[:, :, ::-1].tolist()
    assert all((b in upright) != (b in mirrored) for b in seen)
    assert any(b in mirrored for b in seen) and any(b in upright for b in seen)


def test_without_flips_no_picture_is_mirrored():
    assert not any(numbers(b)[1].any() for b in take(20, numbered(40), 8, seed=0, flip=False))


def test_memory_mapped_pictures_give_the_same_batches(tmp_path):
    np.save(tmp_path / "images.npy", numbered(20))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert np.array_equal(take(6, mapped, 8, seed=0), take(6, numbered(20), 8, seed=0))


def preset(**conditions):
    """Windows of 16 px with conditions."""
    tiny = PRESETS["tiny"].with_(network={"image_size": 16, "widths": (32,), "blocks": 1})
    return tiny.with_conditions(**conditions)


def test_masks_of_windows_come_with_the_pictures_that_they_cover(rng):
    images = rng.integers(0, 256, (8, 20, 20, 3), np.uint8)
    asked = []

    def make_mask(window):
        asked.append((window.index, window.matrix.shape))
        return (window.rng.random((16, 16, 1)) < 0.5).astype(np.float32)

    source = Source(images, make_mask=make_mask)
    inpaint = preset(inpaint=NoSettings()).with_(
        data={"p_crop": 0.5}, objective={"p_full_mask": 0.5}
    )
    build = BatchBuilder(source, inpaint)
    indices = np.arange(200) % 8
    batch = build(indices, np.zeros(200, bool), np.random.default_rng(0))
    assert [i for i, _ in asked] == indices.tolist() and asked[0][1] == (2, 3)
    np.testing.assert_array_equal(batch["masked_image"], batch["x0"])
    whole = (batch["mask"] == 1).all((1, 2, 3))
    assert 0.35 < whole.mean() < 0.65
    kept = build(indices, np.zeros(200, bool), np.random.default_rng(0), drop=False)
    assert not (kept["mask"] == 1).all((1, 2, 3)).any()


CAPTIONS = ["a disc on the left", "a red disc", "the right one"]


def source(rng, n=3, **options):
    captions = CAPTIONS[:n]
    return Source(rng.integers(0, 256, (n, 20, 25, 3), np.uint8), captions, **options)


def test_captions_are_mirrored_with_their_pictures(rng):
    text = TextSettings(Tokenizer.of(CAPTIONS).words, length=8)
    build = BatchBuilder(source(rng), preset(text=text))
    indices, mirrored = np.array([0, 0, 1, 2, 2]), np.array([False, True, True, False, True])
    batch = build(indices, mirrored, rng, drop=False)
    assert set(batch) == {"x0", "tokens"} and batch["x0"].shape == (5, 16, 16, 3)
    tokenizer = Tokenizer(text.vocabulary, 8)
    said = ["a disc on the left", "a disc on the right", "a red disc", "the right one"]
    said.append("the left one")
    np.testing.assert_array_equal(batch["tokens"], tokenizer.encode_all(said))
    np.testing.assert_array_equal(batch["x0"][0], batch["x0"][1][:, ::-1])


def test_size_and_crop_are_those_of_the_window(rng):
    sizes = np.array([[200, 250], [20, 25], [24, 30]])
    build = BatchBuilder(source(rng, sizes=sizes), preset(size_crop=NoSettings()))
    batch = build(np.arange(3), np.zeros(3, bool), rng, drop=False)
    expected = [[32, 40, 0, 2, 16, 20], [20, 25, 0, 2, 16, 20], [24, 30, 0, 2, 16, 20]]
    np.testing.assert_array_equal(batch["size_crop"], expected)


def test_hints_are_made_of_the_window_and_dropped_in_training(rng):
    def make_hints(window):
        hints = np.concatenate([window.image, 255 - window.image], axis=-1)
        return hints, np.array([True, window.index != 1])

    conditions = {"hints": HintSettings(("one", "two"))}
    build = BatchBuilder(source(rng, make_hints=make_hints), preset(), conditions)
    batch = build(np.arange(3), np.zeros(3, bool), rng, drop=False)
    np.testing.assert_array_equal(batch["hints"][..., :3], batch["x0"])
    np.testing.assert_allclose(batch["hints"][..., 3:], -batch["x0"], atol=1e-6)
    assert batch["strengths"].tolist() == [[1, 1], [1, 0], [1, 1]]
    assert batch["strengths"].dtype == batch["hints"].dtype == np.float32
    indices = np.arange(300) % 3
    dropped = build(indices, np.zeros(300, bool), rng)["strengths"]
    assert (dropped[indices == 1, 1] == 0).all()
    assert 0.4 < dropped[:, 0].mean() < 0.8


def test_conditions_are_dropped_at_the_rate_of_the_preset(rng):
    text = TextSettings(Tokenizer.of(CAPTIONS).words, length=8)
    rarely = preset(text=text, size_crop=NoSettings()).with_(objective={"p_uncond": 0.3})
    build = BatchBuilder(source(rng), rarely)
    batch = build(np.zeros(1000, int), np.zeros(1000, bool), rng)
    expected = 1 - 0.7**2  # alone, or all at once
    for gone in ((batch["tokens"] == 0)[:, 1], (batch["size_crop"] == -1).all(1)):
        assert abs(gone.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 1000)
    assert (batch["tokens"][:, 0] == START).all()


def test_a_builder_of_nothing_but_crops_gives_pictures_alone(rng):
    build = BatchBuilder(source(rng), preset().with_(data={"p_crop": 1.0}))
    batch = build(np.arange(3), np.zeros(3, bool), rng)
    assert set(batch) == {"x0"} and batch["x0"].dtype == np.float32


def test_built_batches_follow_the_seed_and_the_step(rng):
    text = TextSettings(Tokenizer.of(CAPTIONS).words, length=8)
    build = BatchBuilder(source(rng), preset(text=text).with_(data={"p_crop": 0.5}))
    whole = take(6, build.source.images, 2, seed=3, build=build)
    late = take(3, build.source.images, 2, seed=3, start=3, build=build)
    for a, b in zip(whole[3:], late, strict=True):
        for name in ("x0", "tokens"):
            np.testing.assert_array_equal(a[name], b[name])


def test_a_feed_that_is_stopped_makes_no_more_and_waits_for_the_one_in_hand():
    """As TensorFlow asks for batches: from a thread of its own, ahead of who trains."""
    began, made, taken = threading.Event(), [], []

    def slowly():
        for i in itertools.count():
            if i == 2:
                began.set()
                time.sleep(0.3)
            made.append(i)
            yield i

    feed = Feed(slowly())
    thread = threading.Thread(target=lambda: taken.extend(iter(feed)))
    thread.start()
    assert began.wait(10)
    feed.stop()
    assert made == [0, 1, 2]  # the third was waited for
    thread.join(10)
    assert not thread.is_alive() and taken == [0, 1, 2] and made == [0, 1, 2]


def test_a_feed_that_nobody_asks_any_more_is_stopped_all_the_same():
    feed = Feed(itertools.count())
    batches_of = iter(feed)
    assert [next(batches_of), next(batches_of)] == [0, 1]
    feed.stop(patience=0.01)
    assert list(batches_of) == []
