"""The benchmark of denoising errors, against closed forms."""

import keras
import numpy as np
import pytest
from keras import ops

from benchmarks.denoising import BATCH, LEVELS, compare, errors, feature_cells, levels
from ddpm.bundle import Model
from ddpm.codec import to_float
from ddpm.presets import TINY


class Zero(keras.layers.Layer):
    """A network that predicts zero, whatever it is shown."""

    def call(self, x_t, t, condition=None, training=False):
        return ops.zeros_like(x_t)


def model(prediction):
    preset = TINY.with_(objective={"prediction": prediction})
    return Model(Zero(dtype="float32"), preset)


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8)


def test_predicting_x0_as_zero_errs_by_the_picture_over_sigma(images):
    found = errors(model("x0"), images, [""] * BATCH, seed=0)
    schedule = TINY.objective.make_schedule()
    square = np.mean(to_float(images) ** 2, axis=(1, 2, 3))
    for k, t in enumerate(levels(schedule.T)):
        np.testing.assert_allclose(found[k], square / schedule.sigma[t] ** 2, rtol=1e-4)


def test_predicting_v_as_zero_errs_by_v_itself(images):
    found = errors(model("v"), images, [""] * BATCH, seed=0).mean(1)
    schedule = TINY.objective.make_schedule()
    t = levels(schedule.T)
    square = np.mean(to_float(images) ** 2)
    expected = schedule.alpha[t] ** 2 + schedule.sigma[t] ** 2 * square
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_the_same_noise_for_every_network(images):
    a, b, other = (errors(model("v"), images, [""] * BATCH, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert (a != other).all()


def test_levels_are_apart_and_within():
    found = levels(1000)
    assert len(found) == LEVELS and found.min() >= 0 and found.max() < 1000
    assert len(set(np.diff(found))) == 1


def test_differences_are_taken_picture_by_picture():
    rng = np.random.default_rng(2)
    hard = rng.uniform(0, 10, 64)  # some pictures are far harder than others
    first = np.tile(hard, (LEVELS, 1))
    result = compare({"a": first, "b": first + 0.01 + 0.001 * rng.standard_normal(first.shape)})
    assert result["a"]["over_first"] == [0.0, 0.0]
    apart, half = result["b"]["over_first"]
    assert abs(apart - 0.01) < half < 0.001


def test_cells_that_count_alone_are_measured_alone(images):
    cells = np.zeros((BATCH, 32, 32, 1), np.float32)
    cells[:, 8:12, 4:30] = 1.0
    found = errors(model("x0"), images, [""] * BATCH, seed=0, cells=cells)
    square = np.mean(to_float(images)[:, 8:12, 4:30] ** 2, axis=(1, 2, 3))
    for k, t in enumerate(levels(TINY.objective.make_schedule().T)):
        sigma = TINY.objective.make_schedule().sigma[t]
        np.testing.assert_allclose(found[k], square / sigma**2, rtol=1e-4)


def test_features_are_found_on_maps_of_another_size():
    """A map of half the pictures' side; eyes are 3, skin 1."""
    labels = np.ones((2, 32, 32), np.uint8)
    labels[0, 8:12, 20:28] = 3
    cells = feature_cells(labels, 64, 8)
    assert cells.shape == (2, 8, 8, 1) and cells.dtype == np.float32
    assert cells[0].sum() == 2 and cells[0, 2, 5:7].all()
    assert cells[1].all()  # nothing to count: the whole picture
