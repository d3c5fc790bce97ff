"""Snapshots of power-function averages, and an average of another length put together from them."""

import numpy as np
import pytest
from micro import PRESETS

from ddpm.average import main
from ddpm.bundle import default_guide, load_guide, load_model
from ddpm.conditions import Source
from ddpm.core.averages import decay, power_of
from ddpm.nets.layers import named_weights
from ddpm.training.batches import BatchBuilder
from ddpm.training.snapshots import FOLDER, WIDTHS, averaged_weights, save_snapshot, steps_of
from ddpm.training.trainer import Trainer

STEPS = 400


def path(step):
    """Weights that wander: (3,)."""
    return np.array([step / 100, np.sin(step / 30), 1.0])


@pytest.fixture(scope="module")
def wandered(tmp_path_factory):
    """Snapshots of two averages of `path`, every 50 steps: the run folder."""
    run = tmp_path_factory.mktemp("run")
    averages = {width: np.zeros(3) for width in WIDTHS}
    for step in range(1, STEPS + 1):
        for width, average in averages.items():
            kept = decay(power_of(width), step)
            averages[width] = kept * average + (1 - kept) * path(step)
        if step % 50 == 0:
            save_snapshot(run, step, ["a"], {w: [average] for w, average in averages.items()})
    return run


@pytest.mark.parametrize(("sigma_rel", "step"), [(0.05, 400), (0.07, 400), (0.12, 350)])
def test_an_average_of_another_length_is_that_which_would_have_been_kept(wandered, sigma_rel, step):
    direct = np.zeros(3)
    for s in range(1, step + 1):
        kept = decay(power_of(sigma_rel), s)
        direct = kept * direct + (1 - kept) * path(s)
    found = averaged_weights(wandered, sigma_rel, step)["a"]
    assert found == pytest.approx(direct, abs=0.02)  # half precision, and few snapshots


def test_without_snapshots_it_says_so(wandered, tmp_path):
    assert steps_of(wandered) == list(range(50, STEPS + 1, 50))
    with pytest.raises(ValueError, match="holds no snapshots"):
        averaged_weights(tmp_path, 0.1)
    for step in (20, 120, 450):  # between two, or beyond the last, nothing is stored
        with pytest.raises(ValueError, match=f"no snapshot of step {step}; choose one of 50, 100"):
            averaged_weights(wandered, 0.1, step=step)


def test_an_average_that_the_snapshots_do_not_hold_is_refused(wandered):
    with pytest.raises(ValueError, match="hold no average of width 0.28 that ends at step 50"):
        averaged_weights(wandered, 0.28, step=50)


def test_a_run_keeps_them_and_the_command_makes_a_model_of_them(discs, tmp_path, call, refused):
    preset = PRESETS["micro"].with_(run={"snapshot_epochs": 1, "batch_size": 8, "sample_epochs": 0})
    from ddpm.bundle import save_model

    run = tmp_path / "run"

    def write(network):
        save_model(network, preset, run / "model.weights.h5")

    trainer = Trainer(lambda: preset.make_network("float32"), preset, run, write)
    trainer.model.run_eagerly = True
    images = (
        np.zeros((16, 32, 32, 3), np.uint8) + np.arange(16, dtype=np.uint8)[:, None, None, None]
    )
    trainer.fit(images, epochs=2, quiet=True)
    assert steps_of(run) == [2, 4]
    out = tmp_path / "long.weights.h5"
    call(main, run, "--sigma-rel", 0.1, "--out", out)
    made = named_weights(load_model(out, "float32").network)
    kept = trainer.model.optimizer.profiles[WIDTHS.index(0.1)]
    own = named_weights(trainer.averaged)
    for variable, average in zip(trainer.averaged.trainable_variables, kept, strict=True):
        (name,) = (n for n, v in own.items() if v is variable)
        np.testing.assert_allclose(made[name], average, atol=2e-3)
    guide = tmp_path / "early.weights.h5"
    call(main, run, "--step", 2, "--guide-of", out, "--out", guide)
    assert default_guide(out, tmp_path, tmp_path) == guide
    load_guide(guide, load_model(out, "float32"))
    refused(main, run, "--out", tmp_path / "a.txt", says="ends in .weights.h5")
    (run / FOLDER / "step-00000004.npz").write_bytes(b"nothing")
    refused(main, run, "--out", out, says="is damaged")


def test_snapshots_are_of_the_network_alone(tmp_path):
    preset = PRESETS["micro"].with_(
        run={"snapshot_epochs": 1, "batch_size": 8, "sample_epochs": 0},
        objective={"part_weight": 0.1},
    )
    trainer = Trainer(lambda: preset.make_network("float32"), preset, tmp_path, lambda network: 0)
    trainer.model.run_eagerly = True
    images = np.zeros((8, 32, 32, 3), np.uint8)
    build = BatchBuilder(Source(images, labels=images[..., 0]), preset)
    trainer.fit(images, epochs=1, quiet=True, build=build)
    names = set(named_weights(trainer.averaged))
    assert set(averaged_weights(tmp_path, 0.1, step=1)) <= names
