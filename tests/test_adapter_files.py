"""Files of adapters: what is written comes back, what is broken is refused, what commands do."""

import json

import numpy as np
import pytest
from broken_files import broken_copies
from keras import ops
from test_adapters import CONDITION, SMALL, X_T, T, adapter_of, make

import sample
from ddpm.adapters import AdapterAddOn, key_of, load_adapter, main, parse_adapter, save_adapter
from ddpm.bundle import load_model, save_model
from ddpm.nets.config import UNetConfig
from ddpm.nets.layers import named_weights
from ddpm.pipeline import Pipeline, Request
from ddpm.presets import ObjectiveConfig, Preset

PRESET = Preset(
    "small", UNetConfig(**SMALL, groups=4), ObjectiveConfig("linear", 50, prediction="x0")
)


def factors_of(adapter):
    return {
        name: (np.array(adapter.down[name]), np.array(adapter.up[name]), 3.0)
        for name in adapter.shapes
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model and two adapters over it: (model, path, path)."""
    folder, network = tmp_path_factory.mktemp("adapters"), make("unet")
    save_model(network, PRESET, folder / "model.weights.h5")
    model = load_model(folder / "model.weights.h5", "float32")
    paths = []
    for seed, ranks in enumerate(("*=2", "in1=3,text=2,*=0")):
        path = folder / f"{seed}.safetensors"
        factors = factors_of(adapter_of(network, ranks, seed=seed))
        save_adapter(factors, path, model.digest, {"trigger": "anna"}, half=False)
        paths.append(path)
    return model, *paths


def test_what_is_written_comes_back(files):
    model, path, _ = files
    found = load_adapter(path)
    expected = factors_of(adapter_of(make("unet")))
    assert found.base_digest == model.digest and found.about == {"trigger": "anna"}
    assert set(found.factors) == set(expected)
    for name, (down, up, alpha) in found.factors.items():
        np.testing.assert_array_equal(down, expected[name][0])
        np.testing.assert_array_equal(up, expected[name][1])
        assert alpha == 3.0


def test_keys_and_shapes_are_those_of_the_convention(files):
    """Read with safetensors alone, and applied as PyTorch would apply them."""
    from safetensors.numpy import load_file

    arrays, found = load_file(files[1]), load_adapter(files[1])
    name = next(n for n, (down, *_) in found.factors.items() if down.ndim == 4 and "in1" in n)
    key = "lora_unet_" + name.removesuffix("/kernel").replace("/", "_")
    assert key == key_of(name)
    assert key_of("conditioner/text/transformer/0/qkv/kernel") == "lora_te_transformer_0_qkv"
    down, up = arrays[f"{key}.lora_down.weight"], arrays[f"{key}.lora_up.weight"]
    assert down.ndim == up.ndim == 4 and up.shape[2:] == (1, 1) and down.shape[0] == up.shape[1]
    delta = np.einsum("or,rikl->klio", up[..., 0, 0], down)
    ours = np.tensordot(*found.factors[name][:2], 1)
    np.testing.assert_allclose(delta, ours, atol=1e-6)


def test_a_pipeline_draws_with_it_and_at_strength_0_as_without(files):
    model, first, second = files
    request = Request(n=2, prompts=("a red disc",), steps=3)
    plain = Pipeline(model).draw(request)
    off = Pipeline(model, [AdapterAddOn(load_adapter(first), 0.0)])
    assert np.array_equal(off.draw(request), plain)
    both = Pipeline.load(model.path, precision="float32", adapters=[(first, 0.7), (second, -0.5)])
    drawn = both.draw(request)
    assert not np.array_equal(drawn, plain) and both.notes(request) == []
    recipe = json.loads(json.dumps(both.recipe(request)))
    assert [a["strength"] for a in recipe["adapters"]] == [0.7, -0.5]
    assert recipe["adapters"][0]["sha256"] == load_adapter(first).digest
    # By hand: kernels plus both deltas.
    network = make("unet")
    weights = named_weights(network)
    for path, strength in ((first, 0.7), (second, -0.5)):
        for name, (down, up, alpha) in load_adapter(path).factors.items():
            delta = strength * alpha / up.shape[0] * np.tensordot(down, up, 1)
            weights[name].assign(np.array(weights[name]) + delta)
    condition = {"tokens": CONDITION["tokens"]}
    adapted = model.network
    for addon in both.addons:
        adapted = addon.apply(adapted)
    np.testing.assert_allclose(
        ops.convert_to_numpy(adapted(X_T, T, condition)),
        ops.convert_to_numpy(network(X_T, T, condition)),
        atol=1e-4,
    )


def test_another_base_is_told_and_another_form_refused(files, tmp_path):
    model, path, _ = files
    file = load_adapter(path)
    other = tmp_path / "other.safetensors"
    save_adapter(file.factors, other, "0123456789ab")
    pipeline = Pipeline.load(model.path, precision="float32", adapters=[(other, 1.0)])
    assert "trained over other weights" in pipeline.notes(Request(prompts=("a",)))[0]
    with pytest.raises(ValueError, match="adapts networks of another form"):
        AdapterAddOn(file).apply(make("mp_unet"))


def test_broken_files_get_a_sentence(files, tmp_path):
    """Every cut and 2,000 mutations: a sentence, or an adapter all of whose numbers are finite."""
    content, rng = files[1].read_bytes(), np.random.default_rng(0)
    path = tmp_path / "broken.SafeTensors"
    for broken in broken_copies(content, rng):
        path.write_bytes(broken)
        try:
            found = load_adapter(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            continue
        assert all(np.isfinite(a).all() for f in found.factors.values() for a in f)


def test_numbers_that_are_none_and_other_endings_are_refused(files, tmp_path):
    file = load_adapter(files[1])
    name, (down, up, alpha) = next(iter(file.factors.items()))
    bad = tmp_path / "bad.safetensors"
    save_adapter({name: (down * np.nan, up, alpha)}, bad, "")
    with pytest.raises(ValueError, match="does not hold the matrices"):
        load_adapter(bad)
    with pytest.raises(ValueError, match="ends in .safetensors"):
        save_adapter(file.factors, tmp_path / "a.bin", "")
    with pytest.raises(ValueError, match="there is no file"):
        load_adapter(tmp_path / "nothing.safetensors")


def test_words_of_an_adapter():
    assert parse_adapter("a/b.safetensors")[1] == 1.0
    path, strength = parse_adapter("a:b.safetensors:-0.5")
    assert (str(path), strength) == ("a:b.safetensors", -0.5)
    for words in ("a.pt", "a.safetensors:x", "a.safetensors:9", "a.safetensors:nan"):
        with pytest.raises(ValueError, match="an adapter is FILE"):
            parse_adapter(words)


def test_the_commands(files, tmp_path, call, refused):
    model, first, second = files
    told, _ = call(main, "show", first)
    assert "trigger: anna" in told and "in1" in told and "rank 2" in told
    out = tmp_path / "both.safetensors"
    told, _ = call(main, "merge", f"{first}:0.6", f"{second}:0.4", "--rank", 64, "--out", out)
    one = load_adapter(out)
    parts = [(load_adapter(first), 0.6), (load_adapter(second), 0.4)]
    for name, (down, up, alpha) in one.factors.items():
        whole = sum(
            share * f.factors[name][2] / f.factors[name][1].shape[0]
            * np.tensordot(*f.factors[name][:2], 1)
            for f, share in parts
            if name in f.factors
        )  # fmt: skip
        delta = alpha / up.shape[0] * np.tensordot(down, up, 1)
        np.testing.assert_allclose(delta, whole, atol=0.01)  # half precision
    tuned = tmp_path / "tuned.weights.h5"
    network = AdapterAddOn(load_adapter(second)).apply(make("unet"))
    weights = named_weights(network.network)
    for name, delta in network.adapters[0].deltas().items():
        weights[name].assign(np.array(weights[name]) + np.array(delta))
    save_model(network.network, PRESET, tuned)
    back = tmp_path / "back.safetensors"
    words = ("--base", model.path, "--ranks", "in1=3,text=2,*=0", "--out", back)
    told, _ = call(main, "extract", tuned, *words)
    assert "0.0% of a kernel's change lost" in told
    picture = tmp_path / "a.png"
    words = (
        "--weights",
        model.path,
        "--n",
        1,
        "--steps",
        2,
        "--prompt",
        "a disc",
        "--out",
        picture,
    )
    call(sample.main, *words, "--adapter", f"{back}:0.5", "--adapter", first)
    assert picture.exists()
    refused(sample.main, *words, "--adapter", "a.pt", says="an adapter is FILE")
    refused(main, "show", tuned, says="is not a readable adapter")
