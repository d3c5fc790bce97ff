"""`train.py lora`, as a user runs it: an adapter that draws, goes on and is refused."""

import numpy as np
import pytest
from conftest import eager_training

import train
from ddpm.adapters import AdapterAddOn, load_adapter
from ddpm.bundle import load_model
from ddpm.nets.ranks import block_of
from ddpm.pipeline import Pipeline, Request
from ddpm.training.batches import WithPrior

COMMON = ("--batch-size", 8, "--precision", "float32")


@pytest.fixture
def learned(conditional, captioned, tmp_path, call):
    """A run of an adapter over a model with words."""
    out = tmp_path / "lora"
    words = ("lora", "--weights", conditional, "--data", captioned, "--out", out, *COMMON)
    with eager_training():
        told, _ = call(train.main, *words, "--epochs", 1, "--ranks", "in0=2,*=1", "--alpha", 2)
    assert "Adapter: 0.0 M parameters" in told and "--adapter" in told
    return out


def test_an_adapter_is_trained_draws_and_goes_on(learned, conditional, call):
    file, model = load_adapter(learned / "adapter.safetensors"), load_model(conditional, "float32")
    assert file.base_digest == model.digest
    assert {rank for name, rank in file.ranks.items() if block_of(name) == "in0"} == {2}
    assert {rank for name, rank in file.ranks.items() if block_of(name) != "in0"} == {1}
    assert all(alpha == 2 for *_, alpha in file.factors.values())
    assert any(np.abs(up).max() > 0 for _, up, _ in file.factors.values())
    request = Request(n=1, prompts=("",), steps=2)
    plain = Pipeline(model).draw(request)
    assert not np.array_equal(Pipeline(model, [AdapterAddOn(file, 4.0)]).draw(request), plain)
    with eager_training():
        told, _ = call(train.main, "lora", "--resume", "--out", learned, "--epochs", 2)
    assert "Resuming at step" in told
    assert load_adapter(learned / "adapter.safetensors").ranks == file.ranks


def test_only_dense_layers_are_adapted(conditional, captioned, tmp_path, call):
    out = tmp_path / "lora"
    words = ("lora", "--weights", conditional, "--data", captioned, "--out", out, *COMMON)
    with eager_training():
        call(train.main, *words, "--epochs", 1, "--ranks", "*=1", "--dense")
        call(train.main, "lora", "--resume", "--out", out, "--epochs", 2)
    factors = load_adapter(out / "adapter.safetensors").factors
    assert {down.ndim for down, _, _ in factors.values()} == {2}
    assert any("attention" in name for name in factors)


def test_ranks_that_mean_nothing_are_refused(conditional, captioned, tmp_path, call):
    out = tmp_path / "lora"
    words = ("lora", "--weights", conditional, "--data", captioned, "--out", out, *COMMON)
    for ranks, sentence in (
        ("in0", "BLOCK=RANK"),
        ("in9=2", "no block is called in9"),
        ("*=0", "every rank is 0"),
    ):
        _, complaint = call(train.main, *words, "--ranks", ranks, code=2)
        assert sentence in complaint and not (out / "adapter.safetensors").exists()


@pytest.mark.parametrize("task", ["lora", "dreambooth"])
def test_half_of_a_batch_is_of_the_class(task, conditional, captioned, discs, tmp_path, call):
    out = tmp_path / task
    words = (task, "--weights", conditional, "--data", captioned, "--prior", discs, "--out", out)
    with eager_training():
        told, _ = call(train.main, *words, *COMMON, "--epochs", 1)
        assert "Done." in told
        told, _ = call(train.main, task, "--resume", "--out", out, "--epochs", 2)
    assert "Resuming at step" in told
    _, complaint = call(train.main, task, "--resume", "--out", out, "--prior", captioned, code=2)
    assert "was started with --prior" in complaint


def test_batches_with_a_prior():
    def builder(name):
        def build(indices, mirrored, rng):
            return {"x0": np.array([[name, i] for i in indices])}

        return build

    build = WithPrior(builder(0), builder(1), 3)
    rng = np.random.default_rng(0)
    batch = build(np.arange(5, 12), np.zeros(7, bool), rng)["x0"]
    assert batch[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1] and batch[:4, 1].tolist() == [5, 6, 7, 8]
    seen = [build(np.arange(6), np.zeros(6, bool), rng)["x0"][3:, 1] for _ in range(40)]
    assert set(np.ravel(seen)) == {0, 1, 2}
