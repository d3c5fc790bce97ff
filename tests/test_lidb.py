"""Light adapters: what their numbers mean, that they train, and what their files hold."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from broken_files import broken_copies
from conftest import eager_training
from keras import ops
from test_adapters import CONDITION, X_T, T, adapter_of, make, out

from data import Pictures
from ddpm.adapters import AdapterAddOn, load_adapter, load_addon, main, save_light
from ddpm.bundle import save_model
from ddpm.nets.adapters import Adapted, LightAdapter, light_form
from ddpm.nets.layers import named_weights
from ddpm.nets.lidb import LightForm, parse_numbers
from ddpm.presets import PRESETS
from ddpm.training import tasks
from ddpm.training.run_folder import Options
from ddpm.training.tasks import DataSource

KERNELS = {"in1/attention/q/kernel": (12, 20), "in1/conv/kernel": (3, 3, 4, 6)}
FORM = LightForm(KERNELS, {"in1/conv/kernel": 0.3}, numbers=(8, 7), seed=5)


def numbers_of(form, seed=0):
    return np.random.default_rng(seed).normal(size=(form.rows, form.columns)).astype(np.float32)


def light_of(network, choice="attention", numbers=(6, 4), seed=0, filled=True):
    adapter = LightAdapter(light_form(network, (("*", 1),), numbers, choice, seed))
    if filled:
        adapter.up.assign(0.5 * np.random.default_rng(seed).normal(size=adapter.up.shape))
    return adapter


# --- what the numbers mean


def test_bases_are_orthogonal_and_always_the_same():
    for name, shape in KERNELS.items():
        n, o = int(np.prod(shape[:-1])), shape[-1]
        before, behind = FORM.bases(name)
        assert before.shape == (n, 8) and behind.shape == (min(7, o), o)
        np.testing.assert_allclose(before.T @ before, n * np.eye(8), atol=1e-4)
        np.testing.assert_allclose(behind @ behind.T, o * np.eye(len(behind)), atol=1e-4)
    first, other = (FORM.bases(name)[0] for name in KERNELS)
    # As drawn by NumPy's generator on any machine: files would mean something else with others.
    np.testing.assert_allclose(first[0, :3], (0.07599841, -0.59770244, 0.97229177), atol=1e-5)
    again = LightForm(KERNELS, {}, (8, 7), seed=6).bases("in1/attention/q/kernel")[0]
    assert np.abs(again - first).max() > 0.1 and np.abs(other[:12] - first).max() > 0.1


def test_a_delta_is_the_product_that_the_paper_defines():
    numbers = numbers_of(FORM)
    adapter = LightAdapter(FORM)
    adapter.down.assign(numbers[:, :8])
    adapter.up.assign(numbers[:, 8:])
    for strength in (1.0, -0.4):
        deltas, factors = adapter.deltas(strength), FORM.factors(numbers)
        for row, (name, shape) in zip(numbers, KERNELS.items(), strict=True):
            (before, behind), (a, b) = FORM.bases(name), FORM.own(name)
            expected = FORM.scale(name) * np.outer(before @ row[:a], row[8 : 8 + b] @ behind)
            delta = ops.convert_to_numpy(deltas[name])
            np.testing.assert_allclose(delta, strength * expected.reshape(shape), atol=1e-4)
            down, up, alpha = factors[name]
            np.testing.assert_allclose(np.tensordot(down, up, 1) * alpha, expected.reshape(shape),
                                       atol=1e-4)  # fmt: skip
            size = FORM.scale(name) * np.linalg.norm(row[:a]) * np.linalg.norm(row[8 : 8 + b])
            assert np.sqrt(np.mean(expected**2)) == pytest.approx(size, rel=1e-4)


def test_a_kernel_with_short_sides_has_fewer_numbers_and_others_count_for_nothing():
    used = FORM.used()
    assert used.sum(axis=1).tolist() == [15, 14] and not used[1, -1]
    numbers = numbers_of(FORM)
    other = np.where(used, numbers, 99.0)
    for name, factors in FORM.factors(numbers).items():
        for ours, theirs in zip(factors, FORM.factors(other)[name], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    start = FORM.start()
    np.testing.assert_allclose(np.linalg.norm(start[:, :8], axis=1), 1, rtol=1e-6)
    assert not start[:, 8:].any()


MANY = dict.fromkeys("abcd", (65_000, 65_000))  # kernels whose bases would fill the memory


def test_what_is_no_form_and_what_are_no_numbers_is_refused():
    for changes in ({"shapes": {}}, {"shapes": {"a": (3,)}}, {"shapes": {"a": (0, 3)}},
                    {"shapes": {"a": (70_000, 3)}}, {"scales": {"b": 1.0}}, {"numbers": (0, 3)},
                    {"numbers": (3, 999)}, {"seed": -1},
                    {"shapes": MANY, "numbers": (256, 256)}):  # fmt: skip
        with pytest.raises(ValueError, match="a light adapter has kernels"):
            LightForm(**{"shapes": KERNELS, "scales": {}, "numbers": (8, 7), **changes})
    assert parse_numbers("64 + 32") == (64, 32)
    for words in ("64", "a+b", "0+3", "3+-1", "999+1"):
        with pytest.raises(ValueError, match=r"BEFORE\+BEHIND"):
            parse_numbers(words)


# --- over a network


@pytest.mark.parametrize("kind", ["unet", "mp_unet"])
def test_it_begins_as_the_network_and_goes_with_other_adapters(kind):
    network = make(kind)
    plain = out(network)
    np.testing.assert_array_equal(out(Adapted(network, [light_of(network, filled=False)])), plain)
    light, other = light_of(network), adapter_of(network, "in1=2")
    adapted = Adapted(network, [light, other], (0.0, 0.0))
    np.testing.assert_array_equal(out(adapted), plain)
    adapted.strengths.assign((0.8, 0.5))
    found = out(adapted)
    assert np.abs(found - plain).max() > 1e-2
    weights = named_weights(network)
    for part, strength in ((light, 0.8), (other, 0.5)):
        for name, delta in part.deltas(strength).items():
            weights[name].assign(ops.convert_to_tensor(weights[name]) + delta)
    np.testing.assert_allclose(found, out(network), atol=1e-5)


def test_choices_of_layers():
    network = make("mp_unet")
    shapes = {choice: light_of(network, choice).form.shapes for choice in
              ("attention", "dense", "all")}  # fmt: skip
    assert set(shapes["attention"]) < set(shapes["dense"]) < set(shapes["all"])
    assert all("attention" in name for name in shapes["attention"])
    assert {len(shape) for shape in shapes["dense"].values()} == {2}
    assert light_of(network, "all").form.scales.keys() == {
        name for name in shapes["all"] if name.startswith("conditioner/")
    }  # all others are of unit length
    some = light_form(network, (("in1", 1), ("*", 0)), (6, 4), "attention")
    assert some.shapes and all(name.startswith("in1/") for name in some.shapes)
    with pytest.raises(ValueError, match="nothing would be trained: every rank is 0"):
        light_form(network, (("*", 0),), (6, 4), "attention")


def test_training_moves_its_numbers_alone():
    network = make("mp_unet")
    before = [ops.convert_to_numpy(v).copy() for v in network.variables]
    adapter = light_of(network, filled=False)
    start = adapter.numbers()

    class Regression(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = Adapted(network, [adapter])

        def call(self, x):
            return self.network(x["x_t"], x["t"], {"tokens": x["tokens"]})

    model = Regression()
    model.compile(keras.optimizers.Adam(0.02), "mse")
    inputs = {"x_t": X_T, "t": T, **CONDITION}
    losses = [float(model.train_on_batch(inputs, 0.5 * X_T)) for _ in range(12)]
    assert losses[-1] < losses[0]
    assert {id(v) for v in model.trainable_variables} == {id(adapter.down), id(adapter.up)}
    for v, old in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(v), old)
    moved = np.abs(adapter.numbers() - start)
    assert (moved > 0)[adapter.form.used()].all() and not moved[~adapter.form.used()].any()


# --- files


@pytest.fixture
def light_file(tmp_path):
    path = tmp_path / "light.safetensors"
    words = {"anna": np.ones((1, 8), np.float32)}
    save_light(numbers_of(FORM), FORM, path, "0123456789ab", {"trigger": "anna"}, words)
    return path


def test_what_is_written_comes_back_and_is_an_adapter_of_rank_1(light_file, tmp_path, call):
    found = load_adapter(light_file)
    assert found.form == FORM and found.base_digest == "0123456789ab"
    expected = np.where(FORM.used(), numbers_of(FORM).astype(np.float16), 0).astype(np.float32)
    np.testing.assert_array_equal(found.numbers, expected)
    assert set(found.ranks.values()) == {1} and list(found.words) == ["anna"]
    told, _ = call(main, "show", light_file)
    assert "37 numbers" in told and "light: 8 + 7" in told and "trigger: anna" in told
    merged = tmp_path / "merged.safetensors"
    call(main, "merge", f"{light_file}:0.5", f"{light_file}:0.25", "--out", merged)
    for name, (down, up, alpha) in load_adapter(merged).factors.items():
        whole = 0.75 * np.tensordot(*found.factors[name][:2], 1)
        np.testing.assert_allclose(alpha / up.shape[0] * np.tensordot(down, up, 1), whole,
                                   atol=0.02)  # fmt: skip


def test_a_person_is_at_most_16_kb_and_draws_as_it_was_trained(tmp_path):
    network = make("mp_unet")
    light = light_of(network, "all")
    path = tmp_path / "a.safetensors"
    save_light(light.numbers(), light.form, path, "")
    from_file = load_addon(path, 0.7).apply(network)
    np.testing.assert_allclose(out(from_file), out(Adapted(network, [light], [0.7])), atol=1e-2)
    with pytest.raises(ValueError, match="adapts networks of another form"):
        AdapterAddOn(load_adapter(path)).apply(make("unet"))
    shapes = {f"in{i}/blocks/1/cross_attention/0/out/kernel": (192, 384) for i in range(54)}
    form, about = LightForm(shapes, {}), {"trigger": "anna-smith", "recipe": {"task": "lora"}}
    save_light(form.start(), form, path, "0123456789ab", about, {"anna": np.ones((1, 128))})
    assert path.stat().st_size <= 16_384


def test_broken_files_get_a_sentence(light_file, tmp_path):
    """2,000 copies cut short or changed: a sentence, or an adapter of finite numbers."""
    content, rng, path = (
        light_file.read_bytes(),
        np.random.default_rng(0),
        tmp_path / "b.safetensors",
    )
    refused = 0
    for broken in broken_copies(content, rng):
        path.write_bytes(broken)
        try:
            found = load_adapter(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
            continue
        assert all(np.isfinite(a).all() for f in found.factors.values() for a in f)
    assert refused > 500


def test_numbers_that_are_none_and_other_shapes_are_refused(tmp_path):
    path, numbers = tmp_path / "a.safetensors", numbers_of(FORM)
    numbers[0, 0] = np.nan
    for wrong in (numbers, numbers_of(FORM)[:1]):
        save_light(wrong, FORM, path, "")
        with pytest.raises(ValueError, match="does not hold the matrices"):
            load_adapter(path)


# --- the task


def test_a_run_trains_one(tmp_path):
    preset = PRESETS["micro"].with_(run={"batch_size": 4})
    base = preset.make_network("float32")
    for weight in base.weights:
        weight.assign(
            np.asarray(weight) + 0.05 * np.random.default_rng(0).normal(size=weight.shape)
        )
    save_model(base, preset, tmp_path / "base.weights.h5")
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    pictures = Pictures(images, None, None, [str(i) for i in range(8)])
    data = DataSource(lambda folder, _: (pictures, folder))
    given = {"weights": tmp_path / "base.weights.h5", "data": tmp_path, "precision": "float32"}
    given |= {"epochs": 2, "light": True, "numbers": "5+3"}
    with eager_training():
        assert tasks.lora(Options(out=tmp_path / "run", kernels="all", **given), data)
    found = load_adapter(tmp_path / "run" / "adapter.safetensors")
    assert found.form.numbers == (5, 3) and np.abs(found.numbers[:, 5:]).max() > 0
    assert found.about["recipe"]["task"] == "lora"
    with pytest.raises(ValueError, match="nothing would be trained"):  # it has no attention
        tasks.lora(Options(out=tmp_path / "other", **given), data)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"numbers": "5+3"}, "add --light"),
        ({"light": True, "numbers": "5"}, r"BEFORE\+BEHIND"),
        ({"light": True, "alpha": 2.0}, "no --alpha"),
        ({"light": True, "dense": True}, "--kernels dense"),
    ],
)
def test_options_that_contradict_each_other_are_refused(given, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        tasks.lora(Options(out=tmp_path / "run", **given), SimpleNamespace())
