"""Batches, the learning rate, averaged weights and the callbacks of `fit`."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from ddpm.presets import PRESETS
from common.devices import use_xla
from ddpm.training import AveragedAdam, Composer, Every, Log, StopWhen, WarmUp, batches


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


def test_the_rate_rises_stays_and_falls_as_the_root_of_the_step():
    rate = WarmUp(0.5, warmup_steps=10, decay_steps=40)
    steps = np.arange(200)
    expected = 0.5 * np.minimum(1, (steps + 1) / 10) / np.sqrt(np.maximum(1, steps / 40))
    np.testing.assert_allclose([float(rate(step)) for step in steps], expected, rtol=1e-6)
    assert float(rate(0)) == pytest.approx(0.05)
    assert float(rate(40)) == 0.5
    assert float(rate(160)) == pytest.approx(0.25)


def test_without_warm_up_and_decay_the_rate_is_constant():
    assert {float(WarmUp(0.25)(step)) for step in (0, 1, 10**6)} == {0.25}


def test_the_rate_can_be_saved():
    rate = WarmUp(0.5, warmup_steps=10, decay_steps=40)
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert [float(back(s)) for s in (0, 20, 99)] == [float(rate(s)) for s in (0, 20, 99)]


def take_steps(optimizer, n, rng):
    """n steps on two variables along gradients of their own; the value after each step."""
    starts = (rng.standard_normal((3, 2)), np.ones(4))
    variables = [keras.Variable(start, dtype="float32") for start in starts]
    values = [[np.array(v) for v in variables]]
    optimizer.build(variables)
    for _ in range(n):
        grads = [ops.convert_to_tensor(rng.standard_normal(v.shape), "float32") for v in variables]
        optimizer.apply(grads, variables)
        values.append([np.array(v) for v in variables])
    return values


def test_the_average_is_the_exponential_one_with_its_warm_up():
    optimizer = AveragedAdam(0.1, average=0.5)
    history = take_steps(optimizer, 20, np.random.default_rng(0))
    for i in range(2):
        average = history[0][i].astype(np.float64)
        for n, values in enumerate(history[1:], start=1):
            decay = min(0.5, (1 + n) / (10 + n))
            average = decay * average + (1 - decay) * values[i]
        assert np.abs(np.array(optimizer.averages[i]) - average).max() < 1e-6


def test_a_long_average_follows_its_own_decay_in_the_end():
    optimizer = AveragedAdam(0.1, average=0.2)
    take_steps(optimizer, 3, np.random.default_rng(0))
    average = np.array(optimizer.averages[0])
    variables = optimizer._trainable_variables
    optimizer.apply([ops.zeros(v.shape) for v in variables], variables)
    expected = 0.2 * average + 0.8 * np.array(variables[0])
    assert np.abs(np.array(optimizer.averages[0]) - expected).max() < 1e-6


def test_averaging_leaves_adam_as_it_is():
    averaged = AveragedAdam(0.1, average=0.9, global_clipnorm=1.0)
    plain = keras.optimizers.Adam(0.1, epsilon=1e-8, global_clipnorm=1.0)
    ours = take_steps(averaged, 10, np.random.default_rng(0))
    theirs = take_steps(plain, 10, np.random.default_rng(0))
    for a, b in zip(ours, theirs, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_optimizer_can_be_saved():
    optimizer = AveragedAdam(WarmUp(0.5, 10), average=0.7, global_clipnorm=1.0)
    back = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (back.average, back.global_clipnorm, back.epsilon) == (0.7, 1.0, 1e-8)


MODEL = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.1))


def log_steps(log, losses):
    """Tell a log of steps as `fit` would, with its running mean since the epoch or `fit` began."""
    log.set_model(MODEL)
    seen, epoch = [], log.step // log.steps
    for loss in losses:
        if not seen:
            log.on_epoch_begin(epoch)
        seen.append(loss)
        log.on_train_batch_end(len(seen) - 1, {"loss": np.mean(seen)})
        if log.step % log.steps == 0:
            log.on_epoch_end(epoch, {})
            seen, epoch = [], epoch + 1
    if seen:
        log.on_epoch_end(epoch, {})
    log.on_train_end()


def rows(folder):
    with (folder / "log.csv").open() as file:
        return [(int(r["epoch"]), int(r["step"]), float(r["loss"])) for r in csv.DictReader(file)]


def test_the_log_has_a_row_an_epoch_with_its_mean_loss(tmp_path):
    log_steps(Log(tmp_path, steps=2, batch_size=4), [1, 3, 5, 7, 9])
    assert rows(tmp_path) == [(1, 2, 2.0), (2, 4, 6.0)]


def test_an_epoch_in_two_parts_is_logged_once_with_all_its_steps(tmp_path):
    first = Log(tmp_path, steps=4, batch_size=4)
    log_steps(first, [1, 1, 1, 1, 1])
    log_steps(Log(tmp_path, 4, 4, step=5, loss_before=first.loss), [5, 5, 5, 2])
    assert rows(tmp_path) == [(1, 4, 1.0), (2, 8, 4.0)]


def test_the_time_of_an_interrupted_epoch_counts(tmp_path):
    log_steps(Log(tmp_path, 2, 4, step=1, loss_before=1.0, seconds_before=500.0), [1])
    with (tmp_path / "log.csv").open() as file:
        assert [row["seconds"] for row in csv.DictReader(file)] == ["500"]


def test_rows_behind_the_step_that_a_run_resumes_from_are_dropped(tmp_path):
    log_steps(Log(tmp_path, steps=2, batch_size=4), [1, 1, 2, 2, 3, 3])
    log_steps(Log(tmp_path, 2, 4, step=3, loss_before=2.0), [4, 5, 5])
    assert rows(tmp_path) == [(1, 2, 1.0), (2, 4, 3.0), (3, 6, 5.0)]


def test_a_row_is_written_before_anything_can_be_saved_at_its_step(tmp_path):
    """Else a run killed right after that checkpoint would never write the row."""
    log = Log(tmp_path, steps=2, batch_size=4)
    log.set_model(MODEL)
    log.on_epoch_begin(0)
    log.on_train_batch_end(0, {"loss": 1.0})
    assert rows(tmp_path) == []
    log.on_train_batch_end(1, {"loss": 1.0})
    assert rows(tmp_path) == [(1, 2, 1.0)]


def test_a_row_that_was_cut_short_is_dropped(tmp_path):
    log_steps(Log(tmp_path, steps=2, batch_size=4), [1, 1])
    with (tmp_path / "log.csv").open("a") as file:
        file.write("2,4")
    log_steps(Log(tmp_path, 2, 4, step=4), [3, 3])
    assert rows(tmp_path) == [(1, 2, 1.0), (3, 6, 3.0)]


def test_every_so_many_epochs_an_action_is_called():
    calls = []
    every = Every(lambda: calls.append(epoch), epochs=3)
    model = SimpleNamespace(stop_training=False)
    every.set_model(model)
    for epoch in range(7):
        every.on_train_batch_end(0)
        every.on_epoch_end(epoch)
    model.stop_training = True  # in the ninth epoch, which `fit` then ends as if it were whole
    every.on_epoch_end(8)
    assert calls == [2, 5]


def test_an_action_is_called_between_steps_when_its_time_has_come(monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    every = Every(lambda: calls.append(now[0]), seconds=10)
    every.set_model(MODEL)
    for second in (4, 9, 11, 15, 20, 22):
        now[0] = second
        every.on_train_batch_end(0)
    assert calls == [11, 22]


def test_what_an_action_reads_between_steps_is_up_to_date():
    model = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
    model.compile(AveragedAdam(0.1), loss="mse", jit_compile=use_xla())
    seen = []

    def read():
        seen.append((int(model.optimizer.iterations), float(np.array(model.weights[0])[0, 0])))

    every = Every(read, seconds=0)
    model.fit(np.ones((8, 1)), np.zeros((8, 1)), batch_size=2, callbacks=[every], verbose=0)
    assert [step for step, _ in seen] == [1, 2, 3, 4]
    assert len({weight for _, weight in seen}) == 4
    assert seen[-1][1] == float(np.array(model.weights[0])[0, 0])


def test_training_stops_at_the_next_step_once_asked():
    model, asked = SimpleNamespace(stop_training=False), []
    stop = StopWhen(lambda: bool(asked))
    stop.set_model(model)
    stop.on_train_batch_end(0)
    assert not model.stop_training
    asked.append(True)
    stop.on_train_batch_end(1)
    assert model.stop_training


def test_masks_of_windows_come_with_the_pictures_that_they_cover(rng):
    images = rng.integers(0, 256, (8, 20, 20, 3), np.uint8)
    preset = replace(PRESETS["tiny"], image_size=16, crops=0.5, inpainting=True, unmasked=0.5)
    asked = []

    def masks(i, matrix, rng):
        asked.append((i, matrix.shape))
        return (rng.random((16, 16, 1)) < 0.5).astype(np.float32)

    composer = Composer(images, preset, masks=masks)
    indices = np.arange(200) % 8
    batch = composer(indices, np.zeros(200, bool), np.random.default_rng(0))
    assert [i for i, _ in asked] == indices.tolist() and asked[0][1] == (2, 3)
    np.testing.assert_array_equal(batch["known"], batch["x0"])
    whole = (batch["mask"] == 1).all((1, 2, 3))
    assert 0.35 < whole.mean() < 0.65
    told = composer(indices, np.zeros(200, bool), np.random.default_rng(0), forget=False)
    assert not (told["mask"] == 1).all((1, 2, 3)).any()
