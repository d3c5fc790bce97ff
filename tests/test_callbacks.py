"""What `fit` calls along the way: the log, saving, stopping."""

import csv
import io
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from common.devices import use_xla
from ddpm.training.callbacks import Every, Log, Progress, StopAtNaN, StopWhen
from ddpm.training.optimizer import AveragedAdam

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
    every = Every(lambda: calls.append(epoch), epochs=3, steps=4)
    optimizer = SimpleNamespace(iterations=0)
    model = SimpleNamespace(stop_training=False, optimizer=optimizer)
    every.set_model(model)
    for epoch in range(8):
        optimizer.iterations += 4
        every.on_train_batch_end(0)
        every.on_epoch_end(epoch)
    epoch, model.stop_training = 8, True
    optimizer.iterations += 3  # the ninth is cut short, and `fit` ends it as if it were whole
    every.on_epoch_end(8)
    assert calls == [2, 5]
    optimizer.iterations += 1  # stopped at the very last step of the epoch, which is whole
    every.on_epoch_end(8)
    assert calls == [2, 5, 8]


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


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_training_stops_at_a_loss_that_is_no_number(loss):
    StopAtNaN().on_train_batch_end(0, {"loss": 1.5})
    with pytest.raises(ValueError, match="not a finite number.*lower --lr"):
        StopAtNaN().on_train_batch_end(0, {"loss": loss})


def test_pictures_and_numbers_of_the_log_are_in_tensorboard(tmp_path, rng):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path, steps=2, batch_size=4)
    log_steps(log, [1, 3])
    image = rng.integers(0, 256, (6, 9, 3), np.uint8)
    log.add_image(image)
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(2, 2.0)]
    assert {"loss", "learning_rate", "images_per_second"} <= set(events.Tags()["scalars"])
    (shown,) = events.Images("samples")
    assert (shown.step, shown.height, shown.width) == (2, 6, 9)
    with Image.open(io.BytesIO(shown.encoded_image_string)) as png:
        np.testing.assert_array_equal(np.asarray(png), image)


def test_the_bar_says_how_fast_the_whole_run_went(monkeypatch):
    """From the first step on and at its very end: never 0 pictures a second."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    bar = Progress(start=5, total=9, batch_size=8, quiet=True)
    said = []
    bar.bar = SimpleNamespace(
        n=5, update=lambda: None, set_postfix_str=lambda text, refresh: said.append(text)
    )
    for step in range(4):
        now[0] += 2
        bar.bar.n += 1
        bar.on_train_batch_end(step, {"loss": 0.25})
    assert said == ["loss 0.2500, 4 images/s"] * 4
