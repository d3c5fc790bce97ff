"""The results: curves that cross, copies that are planted."""

import cv2
import numpy as np
import pytest

from benchmarks.features import Features
from benchmarks.quality import Closest, compare, summary, thumbnails
from docs.pages import results


def race(ours, theirs, seconds=(10, 100, 1000)):
    def run(values):
        rows = [
            {
                "seconds": s,
                "pictures_seen": 16 * s,
                "faces": 0.5,
                "features": {results.MEASURE: {"kernel": [v, 0.1]}},
            }
            for s, v in zip(seconds, values, strict=True)
        ]
        return {"parameters": 1e6, "rows": rows}

    floor = {results.MEASURE: {"kernel": [0.001, 0.001]}}
    return {"floor": floor, "runs": {results.OURS: run(ours), results.THEIRS: run(theirs)}}


def test_a_curve_passes_between_two_marks():
    seconds, bound, whole = results.passing(race(ours=(3, 1, 0.5), theirs=(4, 3, 2)))
    assert seconds == pytest.approx(np.sqrt(10 * 100)) and not bound and whole == 1000
    assert results.passed_words(seconds, bound, whole) == "in 32 s of 1000, 1/32"


def test_a_curve_that_is_below_from_the_start_has_a_bound():
    seconds, bound, _ = results.passing(race(ours=(1, 1, 1), theirs=(4, 3, 2)))
    assert seconds == 10 and bound
    assert results.passed_words(seconds, bound, 1000) == "in at most 10 s of 1000, 1/100"


@pytest.mark.parametrize("ours", ((3, 3, 3), (3, 1, 3)))
def test_a_curve_that_does_not_stay_below_has_not_passed(ours):
    seconds, bound, whole = results.passing(race(ours=ours, theirs=(4, 3, 2)))
    assert seconds is None
    assert results.passed_words(seconds, bound, whole) == "not reached"


def test_the_cheapest_sampler_is_as_good_as_the_best_in_everything():
    def row(sampler, nfe, shape, face):
        where = {"sampler": sampler, "spacing": "uniform", "nfe": nfe}
        return {**where, "shape and colour": [shape, 0.01], "encoder": [face, 0.01]}

    rows = [
        row("a", 5, 1.0, 0.2), row("b", 5, 0.5, 1.0), row("a", 10, 0.53, 0.21),
        row("b", 10, 0.52, 0.21), row("a", 20, 0.5, 0.2),
    ]  # fmt: skip
    found = results.cheapest({"floor": {"shape and colour": 0, "encoder": 0}, "rows": rows})
    assert (found["sampler"], found["nfe"]) == ("b", 10)


@pytest.fixture
def scenes(rng):
    """Smooth pictures, each of its own."""
    coarse = rng.integers(0, 255, (300, 4, 4, 3)).astype(np.uint8)
    return np.stack([cv2.resize(c, (64, 64), interpolation=cv2.INTER_CUBIC) for c in coarse])


def test_a_copy_of_a_training_picture_is_found_mirrored_or_not(scenes, rng):
    train, fresh = scenes[:40], scenes[40:60]
    closest = Closest(train, thumbnails)
    distances, indices = closest(np.concatenate([fresh, train[7:8], train[9:10, :, ::-1]]))
    assert distances[-2:].max() < 1e-2 and indices[-2:].tolist() == [7, 40 + 9]
    assert distances[:-2].min() > 10
    among = closest.among(np.arange(40))
    expected = min(
        np.sqrt(np.square(x.astype(float) - y).mean())
        for i, a in enumerate(thumbnails(train) * np.sqrt(3072))
        for j, b in enumerate(train)
        for x, y in ((a, cv2.resize(b, (32, 32), interpolation=cv2.INTER_AREA).ravel()),)
        if i != j
    )
    assert summary(among)["least"] <= expected + 1e-3
    assert summary(among)["least"] > 1


def test_two_scenes_have_the_root_mean_square_of_their_difference(scenes):
    a, b = thumbnails(scenes[:2])
    black, white = thumbnails(np.stack([np.zeros_like(scenes[0]), np.full_like(scenes[0], 255)]))
    assert np.linalg.norm(black - white) == pytest.approx(255, rel=1e-5)
    assert 0 < np.linalg.norm(a - b) < 255


def test_spoilt_pictures_are_further_from_held_out_ones(scenes):
    features = Features(scenes)
    held = features(scenes[1::2])
    half = scenes[::2]
    grey = half.mean(-1, keepdims=True).repeat(3, -1).astype(np.uint8)
    bright = np.clip(half.astype(int) + 60, 0, 255).astype(np.uint8)
    few = half[np.arange(150) % 10]
    plain = compare(features(half), held)
    for spoilt in (grey, bright, few):
        found = compare(features(spoilt), held)
        assert found["kernel"][0] > 10 * abs(plain["kernel"][0])
        assert found["frechet"][0] > 1.1 * plain["frechet"][0]
