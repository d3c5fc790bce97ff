"""Checkpoints come back exactly, and survive damage, full disks and being written half."""

import errno
import json

import keras
import numpy as np
import pytest

from common.files import remove_partials
from ddpm.core.schedule import linear_schedule
from ddpm.training.checkpoint import Checkpoints
from ddpm.training.objectives import DenoisingObjective
from ddpm.training.optimizer import AveragedAdam

PICTURES = np.linspace(-1, 1, 8 * 4 * 4 * 3, dtype=np.float32).reshape(8, 4, 4, 3)


class Network(keras.layers.Layer):
    """The smallest network there is: one convolution that ignores the time."""

    def __init__(self, kernel=3):
        super().__init__()
        self.conv = keras.layers.Conv2D(3, kernel, padding="same")
        self.conv.build((None, 4, 4, 3))
        self.built = True

    def call(self, x_t, t, training=None):
        return self.conv(x_t)


def make_model(steps=0, kernel=3):
    keras.utils.set_random_seed(0)
    model = DenoisingObjective(Network(kernel), linear_schedule(10))
    model.compile(AveragedAdam(0.1), run_eagerly=True)
    model.build((None, 4, 4, 3))
    model.optimizer.build(model.trainable_variables)
    train(model, steps)
    return model


def train(model, steps):
    if steps:
        model.fit(PICTURES, batch_size=8, epochs=steps, verbose=0, shuffle=False)


def state(model):
    return [np.array(v) for v in [*model.variables, *model.optimizer.variables]]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture
def saved(tmp_path):
    """Checkpoints of steps 1 and 2, and the states that they hold."""
    checkpoints, model, states = Checkpoints(tmp_path), make_model(), []
    for _ in range(2):
        train(model, 1)
        checkpoints.save(model)
        states.append(state(model))
    return checkpoints, states


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_everything_comes_back_exactly(tmp_path):
    model = make_model(3)
    Checkpoints(tmp_path).save(model, note="hello", loss=0.25)
    other = make_model()
    assert not same(state(other), state(model))
    notes, damaged = Checkpoints(tmp_path).restore(other)
    assert notes == {"step": 3, "note": "hello", "loss": 0.25}
    assert damaged == []
    assert same(state(other), state(model))


def test_a_restored_model_goes_on_as_if_never_stopped(tmp_path):
    model, other = make_model(2), make_model()
    Checkpoints(tmp_path).save(model)
    Checkpoints(tmp_path).restore(other)
    train(model, 2)
    train(other, 2)
    assert same(state(other), state(model))


def test_what_is_saved_names_each_kind_of_state():
    """What a resumed run would silently repeat or forget if it were not among the variables."""
    model = make_model(1)
    paths = [v.path for v in [*model.variables, *model.optimizer.variables]]
    for word in ("conv", "seed_generator_state", "momentum", "velocity", "average", "iteration"):
        assert any(word in path for path in paths), word


def test_with_nothing_saved_there_is_nothing_to_restore(tmp_path):
    model = make_model()
    before = state(model)
    assert Checkpoints(tmp_path / "none").restore(model) == (None, [])
    assert same(state(model), before)


def test_the_newest_two_are_kept(saved):
    checkpoints, _ = saved
    checkpoints.save(make_model(3))
    assert files(checkpoints.folder) == ["step-00000002.npz", "step-00000003.npz"]


@pytest.mark.parametrize("share", (0, 0.01, 0.5, 0.99, 1))
def test_a_truncated_checkpoint_is_told_and_the_one_before_it_is_used(saved, share):
    checkpoints, states = saved
    newest = checkpoints.folder / "step-00000002.npz"
    content = newest.read_bytes()
    newest.write_bytes(content[: min(int(share * len(content)), len(content) - 1)])
    model = make_model()
    notes, damaged = checkpoints.restore(model)
    assert notes["step"] == 1
    assert damaged == [newest]
    assert same(state(model), states[0])


def test_no_flipped_bit_goes_unnoticed(saved):
    """Wherever a bit flips, what is restored is exactly one of the two states."""
    checkpoints, states = saved
    newest, model = checkpoints.folder / "step-00000002.npz", make_model()
    content = newest.read_bytes()
    rng = np.random.default_rng(0)
    tail = len(content) - 22  # the end record of the zip and what lies before it
    places = [*rng.integers(0, len(content), 60), *range(tail - 120, len(content), 3)]
    noticed = 0
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        newest.write_bytes(flipped)
        notes, damaged = checkpoints.restore(model)
        noticed += len(damaged)
        assert same(state(model), states[notes["step"] - 1])
        assert damaged == ([newest] if notes["step"] == 1 else [])
    assert noticed > 60


def test_when_all_are_damaged_all_are_named(saved):
    checkpoints, _ = saved
    for name in files(checkpoints.folder):
        (checkpoints.folder / name).write_bytes(b"not a zip")
    notes, damaged = checkpoints.restore(make_model())
    assert notes is None
    assert [path.name for path in damaged] == ["step-00000002.npz", "step-00000001.npz"]


def test_another_archive_under_the_name_of_a_checkpoint_is_damaged(saved):
    checkpoints, states = saved
    newest = checkpoints.folder / "step-00000002.npz"
    np.savez(newest, something=np.zeros(3))
    model = make_model()
    assert checkpoints.restore(model)[1] == [newest]
    assert same(state(model), states[0])


def test_a_damaged_checkpoint_does_not_push_out_whole_ones(saved):
    checkpoints, _ = saved
    (checkpoints.folder / "step-00000002.npz").rename(checkpoints.folder / "step-00000009.npz")
    (checkpoints.folder / "step-00000009.npz").write_bytes(b"not a zip")
    checkpoints.save(make_model(2))
    checkpoints.save(make_model(3))
    assert files(checkpoints.folder) == ["step-00000002.npz", "step-00000003.npz"]


def test_the_checkpoint_of_another_model_is_refused(saved):
    checkpoints, _ = saved
    model = make_model(kernel=1)
    before = state(model)
    with pytest.raises(ValueError, match="step-00000002.npz belongs to another model"):
        checkpoints.restore(model)
    assert same(state(model), before)


@pytest.mark.parametrize("broken", ("ddpm.training.checkpoint._write", "os.fsync"))
def test_a_full_disk_leaves_the_earlier_checkpoints_and_nothing_else(saved, monkeypatch, broken):
    checkpoints, states = saved

    def full(*args):
        if len(args) == 2:  # the arrays and their file, of which a part is written
            args[1].write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(broken, full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(make_model(3))
    assert files(checkpoints.folder) == ["step-00000001.npz", "step-00000002.npz"]
    model = make_model()
    checkpoints.restore(model)
    assert same(state(model), states[1])


def test_what_killed_writers_left_can_be_cleared_away(saved):
    checkpoints, _ = saved
    (checkpoints.folder / ".partial-1-step-00000003.npz").write_bytes(b"half")
    remove_partials(checkpoints.folder)
    assert files(checkpoints.folder) == ["step-00000001.npz", "step-00000002.npz"]


def test_a_checkpoint_holds_no_code(saved):
    checkpoints, _ = saved
    with np.load(checkpoints.folder / "step-00000002.npz", allow_pickle=False) as file:
        assert json.loads(str(file["meta"]))["step"] == 2
        assert all(file[name].dtype != object for name in file.files)
