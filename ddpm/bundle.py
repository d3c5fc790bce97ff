"""Bundles: weights files that hold everything needed to use them.

A bundle is an HDF5 file: one array for each weight, named by its attributes in the network
("in1/blocks/0/residual/conv1/kernel"), and a header, JSON in an attribute, that says what it is:
its kind, the settings that rebuild the network, and a checksum of the arrays. It holds no code.
Kinds:

    model      a network that samples; some captions of its training set besides
    control    a control branch, with the kinds of its hints and the digest of its model
    vae        an autoencoder, with the mean and deviation of its latents; where its decoder went on
               alone, also the digest of the file whose latents it shares
    guide      a weaker version of a model, for autoguidance, with the digest of the model
    hyper      a network that predicts light adapters of a model, with the digest of the model
"""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from common.files import sha256, write_bytes
from ddpm.codec import PIXELS, latent_codec
from ddpm.conditions.hints import HintSettings
from ddpm.conditions.text import SPECIAL, TABLE
from ddpm.presets import Preset

SHIPPED = Path(__file__).resolve().parent.parent / "weights"
FIRST = "portraits64.weights.h5"  # of the shipped models, the one taken when none is named
RUNS = Path("runs")
# In a run folder, by kind.
FILES = {
    "model": "model.weights.h5",
    "control": "control.weights.h5",
    "vae": "vae.weights.h5",
    "guide": "guide.weights.h5",
    "hyper": "hyper.weights.h5",
}
_CALLED = {
    "model": "a model",
    "control": "a control branch",
    "vae": "an autoencoder",
    "guide": "a weaker version of a model",
    "hyper": "a hypernetwork",
}
MAX_CAPTIONS = 1000  # kept in a model
_FORMAT = 2
_HEADER = "portraits_from_scratch"
_CAPTIONS = "captions"  # the array that holds captions, as JSON
_STEM = "stem/kernel"
_OTHER = (
    "{} does not hold the weights of the model that it describes; it was written by another "
    "version or by other means. Use that version, or train the model again."
)


@dataclass(frozen=True)
class Model:
    """A trained network and what it was trained as.

    Args:
        network: (x_t, t, condition) -> prediction.
        preset: its `Preset`.
        path: of its file, or None.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
        captions: some of those that it was trained on.
    """

    network: object
    preset: Preset
    path: Path | None = None
    digest: str = ""
    captions: tuple = ()

    @property
    def config(self):
        """The network's `UNetConfig`."""
        return self.preset.network

    @cached_property
    def codec(self):
        """What it diffuses: a `Codec`."""
        if self.preset.codec.kind == "pixels":
            return PIXELS
        path = find_vae(self.preset.codec.digest, self.path and self.path.parent)
        return latent_codec(load_vae(path, self.network.dtype_policy))


@dataclass(frozen=True)
class ControlAddOn:
    """A trained control branch: an add-on of a `Pipeline`.

    Args:
        path: of its file.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
        kinds: of its hints.
        base_digest: the digest of the model that it was trained over.
        stride: pixels of its hints a side to one cell of what the model diffuses.
    """

    path: Path
    digest: str
    kinds: tuple
    base_digest: str
    stride: int = 1

    @property
    def conditions(self):
        """The conditions that it adds to those of the model: {name: settings}."""
        return {"hints": HintSettings(self.kinds)}

    @property
    def words(self):
        """The words that it adds to the model's vocabulary: none."""
        return {}

    @property
    def recipe(self):
        """What the recipe of a picture says of it."""
        return {"control_weights": self.path.name, "control_sha256": self.digest}

    def note(self, model):
        """A sentence where it was trained over another model than this one, else None."""
        return note_of_base(self.path, self.base_digest, model)

    def apply(self, network):
        """The network with the branch on it.

        Raises:
            ValueError: if the file does not hold what it says.
        """
        from ddpm.nets.control import Controlled

        controlled = Controlled(network, self.kinds, self.stride)
        load_weights(controlled.branch, self.path)
        return controlled


def note_of_base(path, base_digest, model):
    """A sentence where a file was trained over another model than this one, else None."""
    if base_digest == model.digest:
        return None
    return f"{path} was trained over other weights than {model.path}."


@dataclass(frozen=True)
class VAE:
    """A trained autoencoder.

    Args:
        network: an `Autoencoder`.
        preset: its `Preset`.
        mean, deviation: float32 (C,), of each channel of the latents of its training set.
        path: of its file.
        latents: what names its latents: see `latents_of`.
    """

    network: object
    preset: Preset
    mean: np.ndarray
    deviation: np.ndarray
    path: Path
    latents: str


@dataclass(frozen=True)
class Hyper:
    """A trained hypernetwork.

    Args:
        network: a `HyperNetwork`.
        preset: of the model whose adapters it predicts, and of its training.
        base_digest: of that model.
        path: of its file.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
    """

    network: object
    preset: Preset
    base_digest: str
    path: Path
    digest: str


# --- writing


def save_model(network, preset, path, half=False, captions=()):
    """Write a model, whole or not at all.

    Args:
        network: a built network.
        preset: the `Preset` that makes it.
        path: ends in ".weights.h5".
        half: store float16, half the size.
        captions: of the training set; `MAX_CAPTIONS` of them, evenly spread, are kept, for samples
            of which nothing is requested.

    Raises:
        OSError: if the disk is full; an earlier file stays.
    """
    few = np.linspace(0, len(captions) - 1, min(len(captions), MAX_CAPTIONS)).astype(int)
    header = {"kind": "model", "preset": preset.to_dict()}
    _save(network, path, header, half, [captions[i] for i in few])


def save_control(branch, preset, path, base_digest, half=False):
    """Write a control branch, whole or not at all.

    Args:
        branch: a built `ControlBranch`.
        preset: of the model that it controls.
        path: ends in ".weights.h5".
        base_digest: of the model that it was trained over.
        half: store float16, half the size.

    Raises:
        OSError: if the disk is full; an earlier file stays.
    """
    header = {"kind": "control", "preset": preset.to_dict()}
    header |= {"kinds": branch.kinds, "base_digest": base_digest}
    _save(branch, path, header, half)


def save_guide(network, preset, path, base_digest, half=False):
    """Write a weaker version of a model, whole or not at all.

    Args:
        network: a built network.
        preset: the `Preset` that makes it.
        path: ends in ".weights.h5".
        base_digest: of the model that it is to guide.
        half: store float16, half the size.

    Raises:
        OSError: if the disk is full; an earlier file stays.
    """
    header = {"kind": "guide", "preset": preset.to_dict(), "base_digest": base_digest}
    _save(network, path, header, half)


def save_hyper(network, preset, path, base_digest, half=False):
    """Write a hypernetwork, whole or not at all.

    Args:
        network: a `HyperNetwork`.
        preset: of the model whose adapters it predicts.
        path: ends in ".weights.h5".
        base_digest: of that model.
        half: store float16, half the size.

    Raises:
        OSError: if the disk is full; an earlier file stays.
    """
    own = {key: network.get_config()[key] for key in ("form", "faces", "settings")}
    header = {"kind": "hyper", "preset": preset.to_dict(), "base_digest": base_digest, **own}
    _save(network, path, header, half)


def save_vae(network, preset, path, mean, deviation, half=False, latents=None):
    """Write an autoencoder, whole or not at all.

    Args:
        network: a built `Autoencoder`.
        preset: the `Preset` that makes it.
        path: ends in ".weights.h5".
        mean, deviation: float (C,), of each channel of the latents of its training set.
        half: store float16, half the size.
        latents: what names its latents, where they are those of another file; None: itself.

    Raises:
        OSError: if the disk is full; an earlier file stays.
    """
    header = {"kind": "vae", "preset": preset.to_dict()}
    header |= {"latents": latents} if latents else {}
    header |= {"latent_mean": np.asarray(mean, np.float64).tolist()}
    header |= {"latent_deviation": np.asarray(deviation, np.float64).tolist()}
    _save(network, path, header, half)


def _save(network, path, header, half, captions=()):
    from ddpm.nets.layers import named_weights

    dtype = np.float16 if half else np.float32
    # In memory first: on a full disk HDF5 prints tracebacks, raises errors without a number, and
    # may take the process down.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, weight in named_weights(network).items():
            file[name] = np.asarray(weight).astype(dtype)
        if captions:
            data = np.frombuffer(json.dumps(captions).encode(), np.uint8)
            file.create_dataset(_CAPTIONS, data=data, compression="gzip")
        header = {"format": _FORMAT, **header, "checksum": _checksum(file)}
        file.attrs[_HEADER] = json.dumps(header)
    write_bytes(content.getbuffer(), path)


def _checksum(file):
    """SHA-256 over the names and bytes of an HDF5 file's arrays: HDF5 itself checks nothing."""
    digest = hashlib.sha256()
    for name, array in _arrays(file).items():
        digest.update(name.encode())
        digest.update(array[()].tobytes())
    return digest.hexdigest()


def _arrays(file):
    """The arrays of an HDF5 file by name, in the order in which HDF5 visits them."""
    found = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(add)
    return found


# --- reading


def load_model(path, dtype=None):
    """Rebuild a model from its file or a run folder.

    Args:
        path: a file written by `save_model`, or a folder that holds one.
        dtype: a Keras dtype policy for the network; None is the global one.

    Returns:
        A `Model`.

    Raises:
        ValueError: if there is no such file, or it is damaged, or not one of this project's.
    """
    path, preset = find_bundle(path), read_preset(path)
    if preset.codec.kind == "vae":
        find_vae(preset.codec.digest, path.parent)  # fails early where it is missing
    network = _make_network(preset, path, dtype)
    return Model(network, preset, path, sha256(path), read_captions(path))


def _make_network(preset, path, dtype):
    """The network of a preset with the weights of a file."""
    try:
        network = preset.make_network(dtype)
    except Exception as error:  # settings of another make surface as almost any type
        raise ValueError(_OTHER.format(path)) from error
    load_weights(network, path)
    return network


def load_weights(network, path):
    """Load a bundle's arrays into a network that has exactly these.

    Raises:
        ValueError: if it has others.
    """
    from ddpm.nets.layers import named_weights

    weights = named_weights(network)
    try:
        with h5py.File(path, "r") as file:
            for name, weight in weights.items():
                weight.assign(file[name][()].astype(np.float32))
            others = set(_arrays(file)) - set(weights) - {_CAPTIONS}
    except Exception as error:  # a name or shape that is not there; damaged bytes
        raise ValueError(_OTHER.format(path)) from error
    if others:
        raise ValueError(_OTHER.format(path))


def read_preset(path):
    """A model's `Preset`, without its network.

    Args and errors as `load_model`.
    """
    path = find_bundle(path)
    header = _read_header(path)
    if header["kind"] == "control":
        raise ValueError(
            f"{path} is a control branch, not a model; name the model with --weights and this file "
            "with --control-weights."
        )
    if header["kind"] == "vae":
        raise ValueError(
            f"{path} is an autoencoder, which cannot draw by itself; name a model that was trained "
            "on its latents."
        )
    if header["kind"] == "guide":
        raise ValueError(
            f"{path} is a weaker version of a model, to guide it; name the model with --weights "
            "and this file with --guide-weights."
        )
    if header["kind"] == "hyper":
        raise ValueError(
            f"{path} predicts adapters of a model and cannot draw by itself; name the model with "
            "--weights and this file with --hyper."
        )
    return _preset_of(header, path)


def _preset_of(header, path):
    try:
        return Preset.from_dict(header["preset"])
    except Exception as error:  # settings of another make surface as almost any type
        raise ValueError(_OTHER.format(path)) from error


def read_captions(path):
    """The captions in a model's file, a tuple of strings; empty where it holds none.

    Args and errors as `load_model`.
    """
    path = find_bundle(path)
    try:
        with h5py.File(path, "r") as file:
            text = bytes(file[_CAPTIONS][()]) if _CAPTIONS in file else b"[]"
        return tuple(json.loads(text))
    except Exception as error:  # damaged bytes surface as almost any type from HDF5
        raise ValueError(_OTHER.format(path)) from error


def load_vae(path, dtype=None):
    """Rebuild an autoencoder from its file or a run folder.

    Args:
        path: a file written by `save_vae`, or a folder that holds one.
        dtype: a Keras dtype policy; None is the global one.

    Returns:
        A `VAE`.

    Raises:
        ValueError: if there is no such file, or it is damaged, or not an autoencoder.
    """
    path = find_bundle(path, "vae")
    header, preset = _read_vae_header(path)
    try:
        network = preset.make_network(dtype)
        mean, deviation = (
            np.array(header[f"latent_{name}"], np.float32).reshape(-1)
            for name in ("mean", "deviation")
        )
    except Exception as error:  # settings of another make surface as almost any type
        raise ValueError(_OTHER.format(path)) from error
    load_weights(network, path)
    return VAE(network, preset, mean, deviation, path, header.get("latents") or sha256(path))


def latents_of(path):
    """What names the latents of an autoencoder: the first 12 hexadecimal digits of the SHA-256 of
    its file, or of that whose encoder it shares.

    Args and errors as `load_vae`.
    """
    path = find_bundle(path, "vae")
    return _read_vae_header(path)[0].get("latents") or sha256(path)


def read_vae(path):
    """An autoencoder's `Preset`, without its network.

    Args and errors as `load_vae`.
    """
    return _read_vae_header(find_bundle(path, "vae"))[1]


def _read_vae_header(path):
    """The header of an autoencoder's file, and its `Preset`."""
    header = _read_header(path)
    if header["kind"] != "vae":
        raise ValueError(
            f"{path} is {_CALLED[header['kind']]}, not an autoencoder (python train.py vae)."
        )
    return header, _preset_of(header, path)


def load_guide(path, model, dtype=None):
    """Rebuild a weaker version of a model.

    Args:
        path: a file written by `save_guide`, another model's, or a folder that holds one.
        model: the `Model` that it is to guide.
        dtype: a Keras dtype policy; None is the global one.

    Returns:
        A `Model`.

    Raises:
        ValueError: if there is no such file, or it is damaged, or diffuses something else, or
            under other conditions.
    """
    path = find_bundle(path, "guide" if (Path(path) / FILES["guide"]).exists() else "model")
    header = _read_header(path)
    if header["kind"] not in ("guide", "model"):
        raise ValueError(f"{path} is {_CALLED[header['kind']]}, not a model; it cannot guide one.")
    preset, network = _preset_of(header, path), model.preset.network
    same = preset.codec == model.preset.codec and preset.network.conditions == network.conditions
    shapes = [(n.image_size, n.channels) for n in (preset.network, network)]
    levels = [p.objective.make_schedule().alpha for p in (preset, model.preset)]
    if not same or shapes[0] != shapes[1] or not np.array_equal(*levels):
        raise ValueError(
            f"{path} draws something else than {model.path}, or under other conditions; a guide is "
            "an earlier or smaller version of the same model (python -m ddpm.average)."
        )
    return Model(_make_network(preset, path, dtype), preset, path, sha256(path))


def load_hyper(path, dtype=None):
    """Rebuild a hypernetwork from its file or a run folder.

    Args:
        path: a file written by `save_hyper`, or a folder that holds one.
        dtype: a Keras dtype policy; None is the global one.

    Returns:
        A `Hyper`.

    Raises:
        ValueError: if there is no such file, or it is damaged, or not a hypernetwork.
    """
    from ddpm.nets.hyper import HyperNetwork

    path = find_bundle(path, "hyper")
    header = _read_hyper_header(path)
    preset = _preset_of(header, path)
    try:
        own = {key: header[key] for key in ("form", "faces", "settings")}
        network = HyperNetwork(**own, dtype=dtype)
    except Exception as error:  # settings of another make surface as almost any type
        raise ValueError(_OTHER.format(path)) from error
    load_weights(network, path)
    return Hyper(network, preset, header["base_digest"], path, sha256(path))


def _read_hyper_header(path):
    header = _read_header(path)
    if header["kind"] != "hyper":
        raise ValueError(
            f"{path} is {_CALLED[header['kind']]}, not a hypernetwork (python train.py hyper)."
        )
    if not isinstance(header.get("base_digest"), str):
        raise ValueError(_OTHER.format(path))
    return header


def load_control(path, preset):
    """Read a control branch for models of a preset's architecture.

    Args:
        path: a file written by `save_control`, or a folder that holds one.
        preset: the `Preset` of the model to be controlled.

    Returns:
        A `ControlAddOn`.

    Raises:
        ValueError: if the file cannot be read, or belongs to another architecture.
    """
    path = find_bundle(path, "control")
    header = _read_header(path)
    if header["kind"] != "control":
        raise ValueError(
            f"{path} is a model, not a control branch; train one with: python train.py control "
            "--weights MODEL"
        )
    try:
        trained_over = Preset.from_dict(header["preset"])
        kinds, base_digest = tuple(header["kinds"]), header["base_digest"]
    except Exception as error:  # settings of another make surface as almost any type
        raise ValueError(_OTHER.format(path)) from error
    if (trained_over.network.architecture_key, trained_over.codec.stride) != (
        preset.network.architecture_key,
        preset.codec.stride,
    ):
        raise ValueError(
            f"{path} controls networks of another form than {preset.name}; train a branch for it "
            "with: python train.py control --weights MODEL"
        )
    return ControlAddOn(path, sha256(path), kinds, base_digest, preset.codec.stride)


def _read_header(path):
    """The JSON of a bundle, once its arrays have been found whole."""
    try:
        with h5py.File(path, "r") as file:
            header = file.attrs.get(_HEADER)
            checksum = _checksum(file) if header else None
            old = any(name.startswith(_HEADER) for name in file.attrs)  # a branch of version 0.1
    except Exception as error:  # damaged bytes surface as almost any type from HDF5
        raise ValueError(f"{path} is not a readable weights file (damaged or not HDF5).") from error
    if header is None and old:
        raise ValueError(_OTHER.format(path))
    if header is None:
        raise ValueError(
            f"{path} is not a weights file of this project: it lacks the model's settings."
        )
    try:
        header = json.loads(header)
        known = header["format"] == _FORMAT and header["kind"] in FILES
    except Exception:  # a flipped bit in the text, or the JSON of another version
        known = False
    if not known:
        raise ValueError(_OTHER.format(path))
    if header["checksum"] != checksum:
        raise ValueError(f"{path} is damaged: its arrays are not those that were written.")
    return header


def start_from(network, path, vocabulary=()):
    """Take over every weight that a file has and a network has room for; the rest stays as it is.

    So a model that was trained without words can go on with them: new layers keep their initial
    values. One that was trained on other captions keeps the words that both know.

    Args:
        network: a built network.
        path: a model's file, or a run folder.
        vocabulary: the network's words, in the order of their tokens.

    Returns:
        (taken, all): numbers of parameters.

    Raises:
        ValueError: if the file cannot be read, or nothing in it fits.
    """
    from ddpm.nets.layers import named_weights

    path = find_bundle(path)
    old = read_preset(path)
    old_words = old.network.conditions["text"].vocabulary if vocabulary_of(old) else ()
    taken = total = 0
    with h5py.File(path, "r") as file:
        for name, weight in named_weights(network).items():
            total += int(np.prod(weight.shape))
            if name not in file:
                continue
            value = file[name][()].astype(np.float32)
            if name == TABLE and old_words != tuple(vocabulary):
                taken += _take_words(weight, value, vocabulary, old_words)
            elif value.shape == tuple(weight.shape):
                weight.assign(value)
                taken += value.size
            elif name == _STEM and weight.constraint and value.shape[2] < weight.shape[2]:
                weight.assign(_grown(value, weight.shape[2]))
                taken += value.size
    if not taken:
        raise ValueError(f"nothing in {path} fits the network; name weights of the same form.")
    return taken, total


def _grown(kernel, inputs):
    """The kernel of an `MPUNet`'s stem (h, w, I, O), whose last input is a channel of ones, with
    more inputs before that, which do nothing at first. It keeps unit length, and is divided by the
    root of its inputs where it is used."""
    h, w, own, width = kernel.shape
    nothing = np.zeros((h, w, inputs - own, width), np.float32)
    grown = np.concatenate([kernel[:, :, :-1], nothing, kernel[:, :, -1:]], axis=2)
    return grown * np.sqrt(inputs / own)


def vocabulary_of(preset):
    """The words that a preset's network knows: a tuple, empty for one without words."""
    text = preset.network.conditions.get("text")
    return text.vocabulary if text else ()


def _take_words(weight, rows, vocabulary, old_words):
    """Take over the embeddings of the words that both vocabularies have: rows are words, so an
    equal number of them says nothing. Returns the number of parameters."""
    value = np.array(weight)
    if rows.shape[1] != value.shape[1]:
        return 0
    old = {word: i for i, word in enumerate(old_words)}
    pairs = [(i, i) for i in range(-SPECIAL, 0)]
    pairs += [(i, old[word]) for i, word in enumerate(vocabulary) if word in old]
    to, of = np.array(pairs).T + SPECIAL
    value[to] = rows[of]
    weight.assign(value)
    return value[to].size


# --- finding


def find_bundle(path, kind="model"):
    """The weights file that a path means: itself, the one in a run folder, or a shipped one by its
    name ("portraits256").

    Args:
        path: of a file or a folder, or a name.
        kind: a word of `FILES`.

    Raises:
        ValueError: if there is none.
    """
    path = Path(path)
    if path.is_dir():
        own = path / FILES[kind]
        files = [own] if own.exists() else sorted(path.glob("*.weights.h5"))
        if len(files) != 1:
            raise ValueError(
                f"{path} holds {len(files) or 'no'} weights file{'s' * (len(files) > 1)}; "
                "name one, or a run folder that has finished its first epoch."
            )
        return files[0]
    if not path.exists():
        shipped = SHIPPED / f"{path.name}.weights.h5"
        if len(path.parts) != 1 or not shipped.exists():
            raise ValueError(f"there is no file or folder {path}.")
        return shipped
    return path


def default_weights(words=False, shipped=None, runs=None):
    """What to sample from when nothing is named: the shipped weights, else the newest run.

    Args:
        words: prefer a model that knows words, where there is one.
        shipped: folder of shipped weights files; None for the project's.
        runs: folder of run folders; None for "runs".

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if there is neither.
    """
    files = _candidates("model", shipped, runs)
    if not files:
        raise ValueError(
            "there are no weights yet: train a model first (python train.py --preset tiny takes a "
            "minute), or name a file with --weights."
        )
    return next((path for path in files if words and vocabulary_of(read_preset(path))), files[0])


def default_control(model_path, shipped=None, runs=None):
    """The control branch of a model when none is named: the one trained over its very weights,
    shipped or among the runs.

    Args:
        model_path: the file of the model to be controlled.
        shipped, runs: as `default_weights`.

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if there is none.
    """
    missing = (
        f"no control branch has been trained over {model_path}; train one (python train.py control "
        f"--weights {model_path}) or name a file with --control-weights."
    )
    return _made_for(model_path, "control", shipped, runs, missing)


def default_guide(model_path, shipped=None, runs=None):
    """The weaker version of a model when none is named: the one written for its very weights.

    Args:
        model_path: the file of the model to be guided.
        shipped, runs: as `default_weights`.

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if there is none.
    """
    missing = (
        f"there is no weaker version of {model_path} to guide it; name one with --guide-weights, "
        "or leave --autoguidance away."
    )
    return _made_for(model_path, "guide", shipped, runs, missing)


def find_hyper(path=None, shipped=None, runs=None):
    """A hypernetwork's file: the one that is named, else the shipped one, else the newest run's.

    Args:
        path: of a file or a run folder; None where none is named.
        shipped, runs: as `default_weights`.

    Returns:
        A `Path`.

    Raises:
        ValueError: if there is none.
    """
    if path is not None:
        return find_bundle(path, "hyper")
    files = _candidates("hyper", shipped, runs)
    if not files:
        raise ValueError(
            "there is no hypernetwork yet; train one (python train.py hyper --weights portraits256 "
            "--data SET), or name a file with --hyper."
        )
    return files[0]


def base_of(hyper_path, shipped=None, runs=None):
    """The model that a hypernetwork was trained over, wherever it lies.

    Args:
        hyper_path: the hypernetwork's file.
        shipped, runs: as `default_weights`.

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if it is nowhere, or the file is none of a hypernetwork.
    """
    digest = _read_hyper_header(hyper_path)["base_digest"]
    for path in _candidates("model", shipped, runs):
        if sha256(path) == digest:
            return path
    raise ValueError(
        f"the model that {hyper_path} was trained over, {digest}, is missing; name it with "
        "--weights."
    )


def _made_for(model_path, kind, shipped, runs, missing):
    """The first file of a kind that was made for a model.

    Raises:
        ValueError: with the sentence `missing`, if there is none.
    """
    digest = sha256(model_path)
    for path in _candidates(kind, shipped, runs):
        if _read_header(path)["base_digest"] == digest:
            return path
    raise ValueError(missing)


def default_vae(shipped=None, runs=None):
    """The autoencoder to train on when none is named: the shipped one, else the newest run's.

    Args:
        shipped, runs: as `default_weights`.

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if there is none.
    """
    files = _candidates("vae", shipped, runs)
    if not files:
        raise ValueError(
            "there is no autoencoder yet: train one first (python train.py vae), or name a file "
            "with --vae."
        )
    return files[0]


def find_vae(digest, folder=None, shipped=None, runs=None):
    """The autoencoder whose latents a model was trained on, wherever it lies.

    Args:
        digest: of its file.
        folder: where to look first: the model's own.
        shipped, runs: as `default_weights`.

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if it is nowhere.
    """
    own = [] if folder is None else sorted(Path(folder).glob("*.weights.h5"))
    for path in (*(path for path in own if _is(path, "vae")), *_candidates("vae", shipped, runs)):
        try:
            if latents_of(path) == digest:
                return path
        except ValueError:  # a damaged file among others
            continue
    raise ValueError(
        f"the model's autoencoder, {digest or 'of no digest'}, is missing; put its file "
        f"({FILES['vae']}) beside the model."
    )


def _candidates(kind, shipped, runs):
    """Files of one kind: the shipped ones, `FIRST` before others, then those in run folders, the
    newest first."""
    files = Path(SHIPPED if shipped is None else shipped).glob("*.weights.h5")
    files = sorted(files, key=lambda path: (path.name != FIRST, path.name))
    found = Path(RUNS if runs is None else runs).glob(f"*/{FILES[kind]}")
    files += sorted(found, key=lambda path: -path.stat().st_mtime)
    return [path for path in files if _is(path, kind)]


def _is(path, kind):
    try:
        with h5py.File(path, "r") as file:
            header = file.attrs.get(_HEADER)
        return header is not None and json.loads(header).get("kind", "model") == kind
    except (OSError, ValueError, AttributeError):  # damaged: as a model, whose loading says so
        return kind == "model"
