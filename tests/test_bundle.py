"""The run folder and the weights file that is enough to rebuild a model."""

import json
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from ddpm.presets import PRESETS, Preset
from ddpm.run import (
    MOST_CAPTIONS,
    default_weights,
    load_weights,
    read_captions,
    read_config,
    save_weights,
    weights_file,
    write_config,
)

SMALL = replace(PRESETS["tiny"], image_size=16, widths=(16,), blocks=(1,), attention=(8,))
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
    save_weights(network, SMALL, path)
    return path


def test_the_file_alone_rebuilds_the_network(network, saved):
    trained = load_weights(saved, "float32")
    assert trained.preset == SMALL
    assert trained.path == saved
    assert np.abs(answer(network)).max() > 0.1
    assert np.array_equal(answer(trained.network), answer(network))


def test_the_digest_is_that_of_the_file(saved, network):
    digest = load_weights(saved).digest
    assert len(digest) == 12 and int(digest, 16)
    assert load_weights(saved).digest == digest
    network.weights[0].assign(network.weights[0] + 1)
    save_weights(network, SMALL, saved)
    network.weights[0].assign(network.weights[0] - 1)
    assert load_weights(saved).digest != digest


@pytest.mark.parametrize("half", (False, True))
def test_captions_come_back_from_the_file_and_are_guarded(network, saved, half):
    assert load_weights(saved).captions == ()
    said = [f"a person number {i}, très près" for i in range(2 * MOST_CAPTIONS)]
    save_weights(network, SMALL, saved, half, captions=said)
    captions = load_weights(saved).captions
    assert len(captions) == MOST_CAPTIONS
    assert captions[0] == said[0] and captions[-1] == said[-1]
    assert read_captions(saved) == captions
    with h5py.File(saved, "a") as file:
        file["captions"][0] = 32
    with pytest.raises(ValueError, match="damaged"):
        load_weights(saved)


def test_half_precision_is_half_as_large_and_close(network, saved):
    half = saved.with_name("half.weights.h5")
    save_weights(network, SMALL, half, half=True)
    with h5py.File(half) as file:
        types = []
        file.visititems(lambda _, item: types.append(getattr(item, "dtype", None)))
    assert np.float16 in types and np.float32 not in types
    trained = load_weights(half, "float32")
    for ours, theirs in zip(trained.network.weights, network.weights, strict=True):
        assert ours.dtype == "float32"
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-6)
    difference = np.abs(answer(trained.network) - answer(network)).max()
    assert 0 < difference < 0.02 * np.abs(answer(network)).max()


def test_a_full_disk_leaves_the_earlier_weights(network, saved, monkeypatch):
    before = saved.read_bytes()

    def full(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    for half in (False, True):
        with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
            if half:
                patched.setattr("ddpm.run._halve", full)
            else:
                patched.setattr(network, "save_weights", full)
            save_weights(network, SMALL, saved, half)
        assert saved.read_bytes() == before
        assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def refused(path, match):
    with pytest.raises(ValueError, match=match) as error:
        load_weights(path)
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


def set_settings(path, change):
    with h5py.File(path, "a") as file:
        settings = json.loads(file.attrs["portraits_from_scratch"])
        file.attrs["portraits_from_scratch"] = change(settings)


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: json.dumps({**settings, "colour": "red"}),
        lambda settings: json.dumps({**settings, "widths": [32]}),
        lambda settings: json.dumps({**settings, "widths": [16, 32]}),
        lambda settings: json.dumps({**settings, "widths": "wide"}),
        lambda settings: json.dumps({**settings, "image_size": 17}),
        lambda settings: json.dumps({k: v for k, v in settings.items() if k != "name"}),
        lambda settings: json.dumps([1, 2]),
        lambda settings: json.dumps(5),
        lambda settings: "not json",
    ],
)
def test_settings_that_do_not_fit_the_weights_are_refused(saved, change):
    set_settings(saved, change)
    refused(saved, "does not hold the weights of the model that it describes")


def test_weights_that_are_missing_inside_are_refused(saved):
    with h5py.File(saved, "a") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if "vars/0" in name else None)
        del file[names[len(names) // 2]]
    refused(saved, "damaged")


def test_one_flipped_byte_anywhere_is_refused(saved):
    content = saved.read_bytes()
    for at in np.linspace(0, len(content) - 1, 60).astype(int):
        saved.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            loaded = load_weights(saved)
        except ValueError:
            continue
        # A byte of padding between HDF5's structures: nothing that is read has changed.
        saved.write_bytes(content)
        for ours, theirs in zip(
            loaded.network.get_weights(), load_weights(saved).network.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_bytes_flipped_throughout_are_refused(saved):
    content = bytearray(saved.read_bytes())
    content[2000::997] = bytes(b ^ 0x55 for b in content[2000::997])
    saved.write_bytes(content)
    refused(saved, "damaged")


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    refused(tmp_path / "none.weights.h5", "there is no file or folder")


def test_a_folder_means_its_weights_file(saved):
    folder = saved.parent
    assert weights_file(folder) == saved == load_weights(folder).path
    (folder / "other.weights.h5").write_bytes(b"")
    assert weights_file(folder) == saved  # a run's own name comes first
    saved.rename(folder / "mine.weights.h5")
    refused(folder, "holds 2 weights files; name one")
    (folder / "other.weights.h5").unlink()
    assert weights_file(folder) == folder / "mine.weights.h5"
    (folder / "mine.weights.h5").unlink()
    refused(folder, "holds no weights file; name one")


def test_the_default_is_what_is_shipped_then_the_newest_run(tmp_path):
    import os

    shipped, runs = tmp_path / "weights", tmp_path / "runs"
    with pytest.raises(ValueError, match="train a model first"):
        default_weights(shipped, runs)
    for age, name in enumerate(("new", "older", "oldest")):
        (runs / name).mkdir(parents=True)
        (runs / name / "model.weights.h5").write_bytes(b"")
        os.utime(runs / name / "model.weights.h5", (10**9 - age, 10**9 - age))
    (runs / "unfinished").mkdir()
    assert default_weights(shipped, runs) == runs / "new" / "model.weights.h5"
    shipped.mkdir()
    assert default_weights(shipped, runs) == runs / "new" / "model.weights.h5"
    (shipped / "faces64.weights.h5").write_bytes(b"")
    assert default_weights(shipped, runs) == shipped / "faces64.weights.h5"


def test_the_config_comes_back(tmp_path):
    config = {"format": 1, "preset": SMALL.to_dict(), "options": {"seed": None}}
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
    assert preset.make_schedule().T == preset.timesteps


def test_the_settings_of_a_preset_reach_its_network():
    preset = replace(SMALL, scale_shift=True, head_width=8, groups=4, dropout=0.25)
    network = preset.make_network("mixed_bfloat16")
    assert network.dtype_policy.name == "mixed_bfloat16"
    settings = preset.to_dict()
    shared = set(settings) & set(network.get_config()) - {"name", "cross_attention"}
    assert {"widths", "blocks", "attention", "patch", "dropout", "scale_shift"} <= shared
    for key in shared:
        assert network.get_config()[key] in (settings[key], tuple(np.atleast_1d(settings[key])))


def test_a_global_precision_does_not_change_what_is_loaded(saved, network):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        loaded = load_weights(saved, "float32").network
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.array_equal(answer(loaded), answer(network))
