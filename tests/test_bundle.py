"""Bundles, which are enough to rebuild a model; presets, and the run folder."""

import errno
import json
import os
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from ddpm import bundle
from ddpm.bundle import (
    MAX_CAPTIONS,
    default_control,
    default_weights,
    find_bundle,
    load_control,
    load_model,
    load_weights,
    read_captions,
    read_preset,
    save_control,
    save_model,
    vocabulary_of,
)
from ddpm.conditions.text import TextSettings
from ddpm.nets.control import ControlBranch
from ddpm.nets.layers import named_weights
from ddpm.presets import PRESETS, ObjectiveConfig, Preset
from ddpm.training.run_folder import read_config, write_config

SMALL = PRESETS["tiny"].with_(
    network={"image_size": 16, "widths": (16,), "blocks": (1,), "attention": (8,)}
)
X_T = np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype(np.float32)
TIMES = np.array([3, 150], np.int32)


def random_network(preset=SMALL):
    """A network whose every weight has a value of its own (heads start at zero)."""
    network, rng = preset.make_network("float32"), np.random.default_rng(1)
    for weight in network.weights:
        weight.assign(0.2 * rng.standard_normal(weight.shape))
    return network


def answer(network):
    return ops.convert_to_numpy(network(X_T, TIMES))


@pytest.fixture(scope="module")
def network():
    return random_network()


@pytest.fixture
def saved(network, tmp_path):
    path = tmp_path / "model.weights.h5"
    save_model(network, SMALL, path)
    return path


def test_the_file_alone_rebuilds_the_network(network, saved):
    model = load_model(saved, "float32")
    assert model.preset == SMALL == read_preset(saved)
    assert model.config == SMALL.network
    assert model.path == saved
    assert np.abs(answer(network)).max() > 0.1
    assert np.array_equal(answer(model.network), answer(network))


def test_the_digest_is_that_of_the_file(saved, network):
    digest = load_model(saved).digest
    assert len(digest) == 12 and int(digest, 16)
    assert load_model(saved).digest == digest
    network.weights[0].assign(network.weights[0] + 1)
    save_model(network, SMALL, saved)
    network.weights[0].assign(network.weights[0] - 1)
    assert load_model(saved).digest != digest


@pytest.mark.parametrize("half", (False, True))
def test_captions_come_back_from_the_file_and_are_guarded(network, saved, half):
    assert load_model(saved).captions == ()
    said = [f"a person number {i}, très près" for i in range(2 * MAX_CAPTIONS)]
    save_model(network, SMALL, saved, half, captions=said)
    captions = load_model(saved).captions
    assert len(captions) == MAX_CAPTIONS
    assert captions[0] == said[0] and captions[-1] == said[-1]
    assert read_captions(saved) == captions
    with h5py.File(saved, "a") as file:
        file["captions"][0] = 32
    with pytest.raises(ValueError, match="damaged"):
        load_model(saved)


def test_half_precision_is_half_as_large_and_close(network, saved):
    half = saved.with_name("half.weights.h5")
    save_model(network, SMALL, half, half=True)
    with h5py.File(half) as file:
        types = []
        file.visititems(lambda _, item: types.append(getattr(item, "dtype", None)))
    assert np.float16 in types and np.float32 not in types
    model = load_model(half, "float32")
    for ours, theirs in zip(model.network.weights, network.weights, strict=True):
        assert ours.dtype == "float32"
        np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-3, atol=1e-6)
    difference = np.abs(answer(model.network) - answer(network)).max()
    assert 0 < difference < 0.02 * np.abs(answer(network)).max()


@pytest.mark.parametrize("half", (False, True))
def test_a_full_disk_leaves_the_earlier_weights(network, saved, monkeypatch, half):
    before = saved.read_bytes()

    def full(path, content):
        path.open("wb").write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left") as error:
            save_model(network, SMALL, saved, half)
    assert error.value.filename == str(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def refused(path, match):
    with pytest.raises(ValueError, match=match) as error:
        load_model(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_truncated_file_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[:5000])
    refused(saved, "damaged")


def test_a_file_that_is_no_hdf5_is_refused(tmp_path):
    for name, content in (("a.weights.h5", b"hello"), ("b.weights.h5", b""), ("c.png", b"\x89PNG")):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "not a readable weights file")


def test_a_foreign_hdf5_file_is_refused(tmp_path, network):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["temperature"] = np.arange(5)
    refused(tmp_path / "foreign.h5", "not a weights file of this project")
    network.save_weights(tmp_path / "keras.weights.h5")
    refused(tmp_path / "keras.weights.h5", "lacks the model's settings")


def set_header(path, change):
    with h5py.File(path, "a") as file:
        header = json.loads(file.attrs["portraits_from_scratch"])
        file.attrs["portraits_from_scratch"] = change(header)


def with_preset(**changes):
    """A change of a header: other values in its preset, by part; None removes a key."""

    def change(header):
        for name, value in changes.items():
            if isinstance(value, dict):
                header["preset"][name] |= value
            elif value is None:
                del header["preset"][name]
            else:
                header["preset"][name] = value
        return json.dumps(header)

    return change


@pytest.mark.parametrize(
    "change",
    [
        with_preset(colour="red"),
        with_preset(network={"colour": "red"}),
        with_preset(network={"widths": [32]}),
        with_preset(network={"widths": [16, 32]}),
        with_preset(network={"widths": "wide"}),
        with_preset(network={"image_size": 17}),
        with_preset(network={"conditions": {"smell": {}}}),
        with_preset(objective="eps"),
        with_preset(name=None),
        with_preset(objective=None),
        lambda header: json.dumps({**header, "preset": 5}),
        lambda header: json.dumps({**header, "format": 1}),
        lambda header: json.dumps({**header, "kind": "hat"}),
        lambda header: json.dumps([1, 2]),
        lambda header: json.dumps(5),
        lambda header: "not json",
    ],
)
def test_a_header_that_does_not_fit_the_weights_is_refused(saved, change):
    set_header(saved, change)
    refused(saved, "does not hold the weights of the model that it describes")


def test_weights_that_are_missing_inside_are_refused(saved):
    with h5py.File(saved, "a") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if "kernel" in name else None)
        del file[names[len(names) // 2]]
    refused(saved, "damaged")


def test_weights_that_are_missing_from_the_start_are_refused(network, saved):
    """A file that is whole, but not of the network that its header describes."""
    deeper = SMALL.with_(network={"blocks": (2,)})
    save_model(network, deeper, saved)
    refused(saved, "does not hold the weights of the model that it describes")
    with pytest.raises(ValueError, match="does not hold"):
        load_weights(deeper.make_network(), saved)


def test_weights_beyond_those_of_the_network_are_refused(saved):
    """A file whose header describes a smaller network than the one that it holds."""
    deeper = SMALL.with_(network={"blocks": (2,)}).make_network()
    save_model(deeper, SMALL, saved)
    refused(saved, "does not hold the weights of the model that it describes")


def test_one_flipped_byte_anywhere_is_refused(saved):
    content, whole = saved.read_bytes(), load_model(saved).network.get_weights()
    for at in np.linspace(0, len(content) - 1, 60).astype(int):
        saved.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            loaded = load_model(saved)
        except ValueError:
            continue
        # A byte of padding between HDF5's structures: nothing that is read has changed.
        for ours, theirs in zip(loaded.network.get_weights(), whole, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_bytes_flipped_throughout_are_refused(saved):
    content = bytearray(saved.read_bytes())
    content[2000::997] = bytes(b ^ 0x55 for b in content[2000::997])
    saved.write_bytes(content)
    refused(saved, "damaged")


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    refused(tmp_path / "none.weights.h5", "there is no file or folder")


def test_a_folder_means_its_find_bundle(saved):
    folder = saved.parent
    assert find_bundle(folder) == saved == load_model(folder).path
    (folder / "other.weights.h5").write_bytes(b"")
    assert find_bundle(folder) == saved  # a run's own name comes first
    saved.rename(folder / "mine.weights.h5")
    refused(folder, "holds 2 weights files; name one")
    (folder / "other.weights.h5").unlink()
    assert find_bundle(folder) == folder / "mine.weights.h5"
    (folder / "mine.weights.h5").unlink()
    refused(folder, "holds no weights file; name one")


def test_the_default_is_what_is_shipped_then_the_newest_run(tmp_path):
    shipped, runs = tmp_path / "weights", tmp_path / "runs"
    with pytest.raises(ValueError, match="train a model first"):
        default_weights(False, shipped, runs)
    for age, name in enumerate(("new", "older", "oldest")):
        (runs / name).mkdir(parents=True)
        (runs / name / "model.weights.h5").write_bytes(b"")
        os.utime(runs / name / "model.weights.h5", (10**9 - age, 10**9 - age))
    (runs / "unfinished").mkdir()
    assert default_weights(False, shipped, runs) == runs / "new" / "model.weights.h5"
    shipped.mkdir()
    assert default_weights(False, shipped, runs) == runs / "new" / "model.weights.h5"
    (shipped / "faces64.weights.h5").write_bytes(b"")
    assert default_weights(False, shipped, runs) == shipped / "faces64.weights.h5"
    (shipped / "portraits64.weights.h5").write_bytes(b"")  # though it comes after by its name
    assert default_weights(False, shipped, runs) == shipped / "portraits64.weights.h5"


def test_a_shipped_model_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bundle, "SHIPPED", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine256.weights.h5").write_bytes(b"")
    assert find_bundle("mine256") == tmp_path / "weights" / "mine256.weights.h5"
    for path in ("mine64", "elsewhere/mine256"):
        with pytest.raises(ValueError, match=f"there is no file or folder {path}"):
            find_bundle(path)
    (tmp_path / "mine256").mkdir()  # what lies here comes first
    with pytest.raises(ValueError, match="holds no weights file"):
        find_bundle("mine256")


def test_the_config_comes_back(tmp_path):
    config = {"preset": SMALL.to_dict(), "options": {"seed": None}, "task": "base"}
    config |= {key: None for key in ("precision", "backend", "deterministic", "data")}
    assert read_config(tmp_path) is None
    write_config(tmp_path / "run", config)
    back = read_config(tmp_path / "run")
    assert back["options"] == {"seed": None}
    assert Preset.from_dict(back["preset"]) == SMALL


@pytest.mark.parametrize("content", (b'{"format": 1', b"", b"\xff\xfe\x00", b"[1]", b"5"))
def test_a_damaged_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match="config.json is damaged"):
        read_config(tmp_path)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    preset = PRESETS[name]
    assert preset.name == name
    assert Preset.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset
    assert preset.objective.make_schedule().T == preset.objective.timesteps


def test_the_settings_of_a_preset_reach_its_network():
    changes = {"scale_shift": True, "head_width": 8, "groups": 4, "dropout": 0.25}
    preset = SMALL.with_(network=changes)
    network = preset.make_network("mixed_bfloat16")
    assert network.dtype_policy.name == "mixed_bfloat16"
    assert network.config == preset.network
    block = network.in0.blocks[0].get_config()
    assert changes.items() <= block.items()
    assert (network.config.widths, network.config.patch) == ((16,), 2)


def test_presets_are_changed_by_part():
    changed = SMALL.with_(run={"epochs": 3}, objective={"p_uncond": 0.3})
    assert (changed.run.epochs, changed.objective.p_uncond) == (3, 0.3)
    assert changed.network == SMALL.network and changed.data == SMALL.data
    worded = SMALL.with_conditions(text=TextSettings(("a",)))
    assert vocabulary_of(worded) == ("a",) and vocabulary_of(SMALL) == ()
    assert Preset.from_dict(json.loads(json.dumps(worded.to_dict()))) == worded
    with pytest.raises(TypeError):
        SMALL.with_(objective={"colour": "red"})
    assert SMALL.objective == ObjectiveConfig("cosine", 200, "x0", "min_snr")


def test_a_config_of_another_version_is_refused(tmp_path):
    config = {key: None for key in ("task", "preset", "precision", "backend", "deterministic")}
    write_config(tmp_path, config | {"options": {}, "data": {}})
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text.replace('"format": 2', '"format": 1'))
    with pytest.raises(ValueError, match="written by another version; start another run"):
        read_config(tmp_path)
    write_config(tmp_path, {"task": "base"})
    with pytest.raises(ValueError, match="config.json is damaged"):
        read_config(tmp_path)


def test_a_global_precision_does_not_change_what_is_loaded(saved, network):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        loaded = load_model(saved, "float32").network
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.array_equal(answer(loaded), answer(network))


# --- arrays by name, and control branches


def test_arrays_are_named_by_their_attributes(network, saved):
    with h5py.File(saved) as file:
        for name, weight in named_weights(network).items():
            np.testing.assert_array_equal(file[name][()], np.array(weight), err_msg=name)
        arrays = []
        file.visititems(
            lambda n, item: arrays.append(n) if isinstance(item, h5py.Dataset) else None
        )
    assert sorted(arrays) == sorted(named_weights(network))
    assert "in0/blocks/0/residual/conv1/kernel" in arrays


@pytest.fixture
def branch():
    """A control branch over `SMALL` with kinds of its own, every weight with its own value."""
    branch = ControlBranch(SMALL.network, ("depth", "canny"), dtype="float32")
    rng = np.random.default_rng(2)
    for weight in branch.weights:
        weight.assign(0.2 * rng.standard_normal(weight.shape))
    return branch


@pytest.mark.parametrize("half", (False, True))
def test_a_branch_comes_back(network, branch, saved, half):
    path = saved.with_name("control.weights.h5")
    digest = load_model(saved).digest
    save_control(branch, SMALL, path, digest, half=half)
    addon = load_control(path, SMALL)
    assert (addon.kinds, addon.base_digest) == (("depth", "canny"), digest)
    applied = addon.apply(network)
    assert applied.base is network and applied.branch.kinds == ("depth", "canny")
    tolerance = {"rtol": 1e-3, "atol": 1e-6} if half else {"rtol": 0, "atol": 0}
    for ours, theirs in zip(applied.branch.weights, branch.weights, strict=True):
        np.testing.assert_allclose(np.array(ours), np.array(theirs), **tolerance)


def test_models_and_branches_are_not_taken_for_each_other(branch, saved):
    path = saved.with_name("control.weights.h5")
    save_control(branch, SMALL, path, "0123456789ab")
    with pytest.raises(ValueError, match="is a control branch, not a model"):
        load_model(path)
    with pytest.raises(ValueError, match="is a model, not a control branch"):
        load_control(saved, SMALL)
    folder = saved.parent
    assert find_bundle(folder) == saved and find_bundle(folder, "control") == path


def test_a_branch_goes_with_models_of_its_architecture_alone(branch, saved):
    path = saved.with_name("control.weights.h5")
    save_control(branch, SMALL, path, "0123456789ab")
    worded = SMALL.with_conditions(text=TextSettings(("a",)))
    for other in (SMALL.with_(network={"widths": (32,)}), worded):
        with pytest.raises(ValueError, match="controls networks of another form than tiny"):
            load_control(path, other)
    # What does not concern the way down is free to change.
    assert load_control(path, SMALL.with_(run={"epochs": 1}, objective={"prediction": "v"}))


def test_the_default_branch_is_the_one_over_the_very_weights(branch, saved, network, tmp_path):
    shipped, runs = tmp_path / "weights", tmp_path / "runs"
    with pytest.raises(ValueError, match="no control branch has been trained over"):
        default_control(saved, shipped, runs)
    digest = load_model(saved).digest
    for name, base in (("other", "0123456789ab"), ("mine", digest)):
        save_control(branch, SMALL, runs / name / "control.weights.h5", base)
    assert default_control(saved, shipped, runs) == runs / "mine" / "control.weights.h5"
    save_control(branch, SMALL, shipped / "c.weights.h5", digest)
    assert default_control(saved, shipped, runs) == shipped / "c.weights.h5"
    # A branch is no model to sample from.
    save_model(network, SMALL, runs / "base" / "model.weights.h5")
    assert default_weights(False, shipped, runs) == runs / "base" / "model.weights.h5"


def test_a_model_that_knows_words_is_preferred_where_words_are_wanted(network, tmp_path):
    shipped = tmp_path / "weights"
    worded = SMALL.with_conditions(text=TextSettings(("a",), width=32, layers=1))
    save_model(network, SMALL, shipped / "a.weights.h5")
    save_model(worded.make_network(), worded, shipped / "b.weights.h5")
    assert default_weights(False, shipped, tmp_path) == shipped / "a.weights.h5"
    assert default_weights(True, shipped, tmp_path) == shipped / "b.weights.h5"
