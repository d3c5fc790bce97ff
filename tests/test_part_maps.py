"""Part maps of rendered pictures: on the grid of a window's cells, and read from a network."""

import keras
import numpy as np
import pytest
from keras import ops
from micro import PRESETS

from ddpm.conditions import Source
from ddpm.core.schedule import cosine_schedule
from ddpm.training.batches import BatchBuilder, cut_window
from ddpm.training.objectives import DenoisingObjective, PartsObjective
from ddpm.training.part_maps import ARRAY, cell_labels

SIZE, STRIDE = 32, 4


@pytest.fixture
def squares(rng):
    """Part maps of 48 px whose labels change every 16 px, uint8 (6, 48, 48), and pictures that show
    them in grey."""
    labels = np.kron(rng.integers(0, 14, (6, 3, 3)), np.ones((16, 16))).astype(np.uint8)
    return labels, np.repeat(labels[..., None] * np.uint8(18), 3, axis=-1)


@pytest.mark.parametrize("mirror", (False, True))
def test_each_cell_has_the_label_that_its_middle_shows(squares, rng, mirror):
    for labels, image in zip(*squares, strict=True):
        window, _, matrix = cut_window(image, SIZE, rng, mirror=mirror, p_crop=0.7)
        cells = cell_labels(labels, matrix, SIZE, STRIDE)
        assert cells.shape == (SIZE // STRIDE,) * 2 and cells.dtype == np.uint8
        middles = window[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE, 0]
        # Where a label ends within the cell, its middle is a mixture.
        whole = window.reshape(SIZE // STRIDE, STRIDE, SIZE // STRIDE, STRIDE, 3)
        whole = np.ptp(whole, axis=(1, 3)).max(-1) == 0
        assert whole.mean() > 0.3
        np.testing.assert_array_equal(cells[whole], middles[whole] // 18)


def test_batches_have_part_maps_only_where_they_are_asked_for(squares, rng):
    labels, images = squares
    preset = PRESETS["tiny"].with_(network={"image_size": SIZE}, data={"p_crop": 0.0})
    indices, mirrored = np.arange(2), np.array([False, True])
    for weight, size in ((0.0, 48), (0.1, 48), (0.1, 96)):
        source = Source(images.repeat(size // 48, 1).repeat(size // 48, 2), labels=labels)
        asked = preset.with_(objective={"part_weight": weight})
        batch = BatchBuilder(source, asked, {})(indices, mirrored, rng)
        assert (ARRAY in batch) == (weight > 0)
    # Maps may be smaller than the pictures that they are of.
    assert batch[ARRAY].shape == (2, SIZE, SIZE)
    assert (batch[ARRAY][0][2::10, 2::10] == labels[0][3::15, 3::15]).mean() > 0.9
    assert (batch[ARRAY][1][2::10, ::-1][:, 2::10] == labels[1][3::15, 3::15]).mean() > 0.9


@pytest.fixture
def batch(rng):
    """Eight pictures of 4 x 4 cells, whose sign says which of two parts they show."""
    parts = rng.integers(0, 2, (8, 4, 4)).astype(np.uint8)
    x0 = np.repeat(np.float32(parts[..., None]) * 2 - 1, 4, axis=-1)
    return {"x0": x0, ARRAY: parts}


def network():
    return PRESETS["micro_latent"].with_(network={"conditions": {}}).make_network("float32")


def test_before_the_head_has_learned_it_knows_nothing_of_sixteen_parts(batch):
    schedule = cosine_schedule(8)
    plain = DenoisingObjective(network(), schedule, "v", "plain", seed=1)
    parts = PartsObjective(plain.network, schedule, "v", "plain", seed=1, part_weight=0.5)
    t = ops.convert_to_numpy(DenoisingObjective(network(), schedule, seed=1).draw_t(8))
    without = ops.convert_to_numpy(plain({"x0": batch["x0"]}))
    difference = ops.convert_to_numpy(parts(batch)) - without
    np.testing.assert_allclose(difference, 0.5 * np.log(16) * schedule.alpha[t] ** 2, atol=1e-5)


@pytest.mark.parametrize("micro_batches", (1, 2))
def test_a_short_fit_learns_to_read_the_parts(batch, micro_batches):
    keras.utils.set_random_seed(0)
    options = {"part_weight": 1.0, "micro_batches": micro_batches}
    model = PartsObjective(network(), cosine_schedule(100), "v", "plain", **options)
    model.compile(keras.optimizers.Adam(0.01))
    middle = model.network.mid.trainable_variables[0]
    before = ops.convert_to_numpy(middle).copy()
    model.fit(((batch,) for _ in range(40)), steps_per_epoch=40, verbose=0)
    x_t, t = np.float32(batch["x0"]), np.zeros(8, np.int32)
    logits = ops.convert_to_numpy(model._with_logits(x_t, t))[..., 4:]
    assert (logits.argmax(-1) == batch[ARRAY]).mean() > 0.9
    assert np.abs(ops.convert_to_numpy(middle) - before).max() > 0.01


def test_cells_count_by_the_part_that_is_read_in_them(batch):
    """With the parts read for certain, a picture's loss is the mean error weighted by the table."""
    schedule, by_part = cosine_schedule(8), (1.0, 3.0)
    plain = DenoisingObjective(network(), schedule, "v", "plain", seed=1)
    options = {"seed": 1, "part_weight": 0.0, "cells_by_part": by_part}
    weighted = PartsObjective(plain.network, schedule, "v", "plain", **options)
    # Before the head has learned, all cells count alike.
    np.testing.assert_allclose(
        ops.convert_to_numpy(weighted(batch)),
        ops.convert_to_numpy(plain({"x0": batch["x0"]})),
        1e-5,
    )
    logits = np.float32(50 * (np.arange(16) == batch[ARRAY][..., None]))
    cells = ops.convert_to_numpy(weighted._weigh_cells(logits))
    wanted = np.where(batch[ARRAY] == 1, 3.0, 1.0)
    wanted = wanted / wanted.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(cells[..., 0], wanted, rtol=1e-5)
    # An untrained network predicts 0, so the error is v itself.
    weighted._weigh_cells = lambda logits: np.float32(wanted[..., None])
    x0, t, eps = batch["x0"], *_draws(batch, schedule)
    alpha, sigma = (s[t][:, None, None, None] for s in (schedule.alpha, schedule.sigma))
    v = alpha * eps - sigma * x0
    expected = (wanted[..., None] * v**2).mean((1, 2, 3))
    weighted.seed_generator.state.assign(_state(1))
    np.testing.assert_allclose(ops.convert_to_numpy(weighted(batch)), expected, rtol=1e-4)


def _state(seed):
    return keras.random.SeedGenerator(seed).state


def _draws(batch, schedule):
    """Timesteps and noise as an objective of seed 1 draws them first."""
    objective = DenoisingObjective(network(), schedule, seed=1)
    t = ops.convert_to_numpy(objective.draw_t(len(batch["x0"])))
    return t, ops.convert_to_numpy(objective.draw_eps(batch["x0"].shape))


def test_weights_of_the_cells_send_no_gradient_into_the_head(batch):
    """Else the head would learn to look away from what is hard."""
    keras.utils.set_random_seed(0)
    options = {"part_weight": 0.0, "cells_by_part": (1.0, 9.0)}
    model = PartsObjective(network(), cosine_schedule(100), "v", "plain", **options)
    model.part_head.gain.assign(1.0)
    before = ops.convert_to_numpy(model.part_head.kernel).copy()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(((batch,) for _ in range(4)), steps_per_epoch=4, verbose=0)
    # Put back to unit length after each step; a step of Adam's would be 0.01.
    assert np.abs(ops.convert_to_numpy(model.part_head.kernel) - before).max() < 1e-3
