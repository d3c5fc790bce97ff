"""A run folder and the one file that a trained model is.

A weights file is Keras' `.weights.h5` (arrays, no code) with the settings that rebuild the network
in its attributes, so that the file alone is enough to sample from. A control branch is a file of
its own, which names the kinds of its control pictures and the weights that it was trained over.
"""

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ddpm.checkpoint import replaced
from ddpm.presets import Preset

WEIGHTS = "model.weights.h5"
CONTROL = "control.weights.h5"
CONFIG = "config.json"
_OTHER = (
    "{} does not hold the weights of the model that it describes; it was written by another "
    "version or by other means."
)
_UNLIKELY = -54321.0  # no weight is that
_WORDS = "conditioner/text/words/vars/0"  # the word embedding in a weights file
_ATTRIBUTE = "portraits_from_scratch"
_CONTROL = "portraits_from_scratch_control"
_DIGEST = "portraits_from_scratch_sha256"
_CAPTIONS = "captions"  # the array of a weights file that holds captions, as JSON
MOST_CAPTIONS = 1000


@dataclass(frozen=True)
class Trained:
    """A trained network and what it was trained as.

    Args:
        network: (x_t, t, condition) -> prediction.
        preset: its settings.
        path: the weights file.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
        over: of a control branch, the digest of the weights that it was trained over.
        captions: some of those that the model learned from.
    """

    network: object
    preset: Preset
    path: Path
    digest: str
    over: str = ""
    captions: tuple = ()

    def denoiser(self, clip=True, xla=False, parts=1):
        """The network as a denoiser with its own schedule; see `denoiser.x0_denoiser`.

        One that takes framings is told whole pictures where nothing else is said.
        """
        from ddpm.denoiser import x0_denoiser
        from ddpm.framing import framing

        schedule = self.preset.make_schedule()
        denoise = x0_denoiser(self.network, schedule, self.preset.prediction, clip, xla, parts)
        whole = framing(self.preset.image_size)

        def denoise_whole(x_t, t, condition=None):
            told = {"framing": np.tile(whole, (len(x_t), 1)), **(condition or {})}
            return denoise(x_t, t, told)

        return denoise_whole if self.preset.framing else denoise

    def unasked(self, seed=0):
        """What pictures are told where nothing is asked for: a caption of the training set each.

        A model that learned each picture together with its caption has learned more about pictures
        with captions than about all of them at once, and draws them better.

        Args:
            seed: int, that chooses the captions.

        Returns:
            (denoise, pictures) -> denoise, for `pictures.draw`.
        """
        from ddpm.condition import choose_captions, untold
        from ddpm.guidance import conditioned

        tokenizer = self.preset.make_tokenizer()

        def wrap(denoise, pictures):
            condition = untold(self.preset, len(pictures))
            if self.captions:
                chosen = choose_captions(self.captions, seed, pictures)
                condition["tokens"] = tokenizer.encode_all(chosen)
            return conditioned(denoise, condition)

        return wrap


def save_weights(network, preset, path, half=False, control=None, captions=()):
    """Write a weights file, whole or not at all.

    Args:
        network: a built network, or a `ControlBranch`.
        preset: the `Preset` that makes it, or the network that it controls.
        path: ends in ".weights.h5".
        half: store float16, half the size.
        control: of a control branch, {"kinds": names, "over": digest of the controlled weights}.
        captions: of the pictures that the model learned from; `MOST_CAPTIONS` of them, evenly
            spread, are kept, for samples that nobody asked anything of.

    Raises:
        OSError: if the disk is full; an earlier file stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as partial:
        network.save_weights(partial)
        if half:
            _halve(partial)
        with h5py.File(partial, "a") as file:
            if len(captions):
                few = np.linspace(0, len(captions) - 1, min(len(captions), MOST_CAPTIONS))
                text = json.dumps([captions[i] for i in few.astype(int)]).encode()
                data = np.frombuffer(text, np.uint8)
                file.create_dataset(_CAPTIONS, data=data, compression="gzip")
            if control is None:
                file.attrs[_ATTRIBUTE] = json.dumps(preset.to_dict())
            else:
                file.attrs[_CONTROL] = json.dumps({**control, "preset": preset.to_dict()})
            file.attrs[_DIGEST] = _digest(file)


def load_weights(path, dtype=None):
    """Rebuild a network from a weights file or a run folder.

    Args:
        path: a ".weights.h5" file written by `save_weights`, or a folder that holds one.
        dtype: a Keras dtype policy for the network; None is the global one.

    Returns:
        A `Trained`.

    Raises:
        ValueError: if there is no such file, or it is damaged, or not one of this project's.
    """
    path, preset = weights_file(path), read_preset(path)
    try:
        network = preset.make_network(dtype)
        network.load_weights(path)
    except Exception as error:  # likewise, and Keras' own
        raise ValueError(_OTHER.format(path)) from error
    return Trained(network, preset, path, file_digest(path), captions=read_captions(path))


def read_captions(path):
    """The captions in a weights file, a tuple of strings; empty where it holds none.

    Args and errors as `load_weights`.
    """
    path = weights_file(path)
    try:
        with h5py.File(path, "r") as file:
            text = bytes(file[_CAPTIONS][()]) if _CAPTIONS in file else b"[]"
        return tuple(json.loads(text))
    except Exception as error:  # damaged bytes surface as almost any type from HDF5
        raise ValueError(_OTHER.format(path)) from error


def read_preset(path):
    """A weights file's `Preset`, without its network.

    Args and errors as `load_weights`.
    """
    path = weights_file(path)
    settings, kind = _settings(path)
    if kind == _CONTROL:
        raise ValueError(
            f"{path} is a control branch, not a model; name the model with --weights and this file "
            "with --control-weights."
        )
    try:
        return Preset.from_dict(json.loads(settings))
    except Exception as error:  # settings of another make surface as almost any type
        raise ValueError(_OTHER.format(path)) from error


def load_control(path, base):
    """Put a trained control branch on a trained network.

    Args:
        path: a file written by `save_weights` with `control`, or a folder that holds one.
        base: the `Trained` to be controlled.

    Returns:
        A `Trained` whose network is a `Controlled`.

    Raises:
        ValueError: if the file cannot be read, or belongs to a network of another form.
    """
    from ddpm.control import Controlled

    path = weights_file(path, CONTROL)
    settings = check_control(path, base.preset)
    network = Controlled(base.network, settings["kinds"])
    load_branch(network, path)
    return Trained(network, base.preset, path, file_digest(path), settings["over"])


def check_control(path, preset):
    """Read a control branch's settings, if it fits networks of a preset's form.

    Args:
        path: as `load_control`.
        preset: the `Preset` of what is to be controlled.

    Returns:
        dict of "kinds", "over" and "preset".

    Raises:
        ValueError: if the file cannot be read, or belongs to a network of another form.
    """
    path = weights_file(path, CONTROL)
    settings, kind = _settings(path)
    if kind != _CONTROL:
        raise ValueError(
            f"{path} is a model, not a control branch; train one with: python train.py control "
            "--weights MODEL"
        )
    settings = json.loads(settings)
    if Preset.from_dict(settings["preset"]).form != preset.form:
        raise ValueError(f"{path} controls networks of another form than {preset.name}.")
    return settings


def load_branch(network, path):
    """Load a control branch's weights into a `Controlled` of its form. Errors as `load_control`."""
    try:
        network.branch.load_weights(weights_file(path, CONTROL))
    except Exception as error:  # Keras' own
        raise ValueError(_OTHER.format(path)) from error


def start_from(network, path, vocabulary=()):
    """Take over every weight that a file has and a network has room for; the rest stays as it is.

    So a model that was trained without words goes on with them: what is new begins as nothing. One
    that was trained on other captions keeps the words that both know.

    Args:
        network: a built network.
        path: a weights file, or a run folder.
        vocabulary: the network's words, in the order of their tokens.

    Returns:
        (taken, all): numbers of parameters.

    Raises:
        ValueError: if the file cannot be read, or nothing in it fits.
    """
    from keras import ops  # here, so that reading a run folder does not start a backend

    from ddpm.text import SPECIAL

    path = weights_file(path)
    old = read_preset(path)
    found = [ops.convert_to_numpy(v) for v in network.variables]
    # What is taken over no longer holds this number; what is not gets its own value back.
    for v in network.variables:
        v.assign(ops.full(v.shape, _UNLIKELY, v.dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras lists each layer that is not there
        network.load_weights(path, skip_mismatch=True)
    table = network.conditioner.text.words.embeddings if vocabulary and old.vocabulary else None
    taken = 0
    for v, value in zip(network.variables, found, strict=True):
        if v is table and old.vocabulary != vocabulary:
            # Rows are words, so they go by word: an equal number of them says nothing.
            with h5py.File(path, "r") as file:
                rows = file[_WORDS][()]
            if rows.shape[1] == value.shape[1]:
                at = {word: i for i, word in enumerate(old.vocabulary)}
                both = [(i, at[word]) for i, word in enumerate(vocabulary) if word in at]
                to, of = np.array([(i, i) for i in range(-SPECIAL, 0)] + both).T + SPECIAL
                value = np.array(value)
                value[to] = rows[of]
                taken += len(to) * value.shape[1]
            v.assign(value)
        elif (ops.convert_to_numpy(v) == _UNLIKELY).all():
            v.assign(value)
        else:
            taken += value.size
    if not taken:
        raise ValueError(f"nothing in {path} fits the network; name weights of the same form.")
    return taken, sum(value.size for value in found)


def file_digest(path):
    """The first 12 hexadecimal digits of a file's SHA-256."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def _settings(path):
    """A whole weights file's settings, and which kind of file they say it is."""
    try:
        with h5py.File(path, "r") as file:
            found = [
                (file.attrs[kind], kind) for kind in (_ATTRIBUTE, _CONTROL) if kind in file.attrs
            ]
            digest = file.attrs.get(_DIGEST)
            whole = digest is None or digest == _digest(file)
    except Exception as error:  # damaged bytes surface as almost any type from HDF5
        raise ValueError(f"{path} is not a readable weights file (damaged or not HDF5).") from error
    if not found:
        raise ValueError(
            f"{path} is not a weights file of this project: it lacks the model's settings."
        )
    if not whole:
        raise ValueError(f"{path} is damaged: its arrays are not those that were written.")
    return found[0]


def weights_file(path, name=WEIGHTS):
    """The weights file that a path means: itself, or the one in a run folder.

    Args:
        path: of a file or a folder.
        name: what the file is called in a run folder.

    Raises:
        ValueError: if there is none.
    """
    path = Path(path)
    if path.is_dir():
        files = [path / name] if (path / name).exists() else sorted(path.glob("*.weights.h5"))
        if len(files) != 1:
            raise ValueError(
                f"{path} holds {len(files) or 'no'} weights file{'s' * (len(files) > 1)}; "
                "name one, or a run folder that has finished its first epoch."
            )
        return files[0]
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}.")
    return path


def default_weights(shipped="weights", runs="runs", words=False):
    """What to sample from when nothing is named: the shipped weights, else the newest run.

    Args:
        shipped: folder of shipped weights files.
        runs: folder of run folders.
        words: prefer a model that knows words, where there is one.

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if there is neither.
    """
    files = _candidates(_ATTRIBUTE, WEIGHTS, shipped, runs)
    if not files:
        raise ValueError(
            "there are no weights yet: train a model first (python train.py --preset tiny takes a "
            "minute), or name a file with --weights."
        )
    return next((path for path in files if words and read_preset(path).vocabulary), files[0])


def default_control(base, shipped="weights", runs="runs"):
    """The control branch of a model when none is named: the one trained over its very weights,
    shipped or among the runs.

    Args:
        base: the `Trained` to be controlled.
        shipped: folder of shipped weights files.
        runs: folder of run folders.

    Returns:
        A `Path` to a weights file.

    Raises:
        ValueError: if there is none.
    """
    for path in _candidates(_CONTROL, CONTROL, shipped, runs):
        if json.loads(_settings(path)[0])["over"] == base.digest:
            return path
    raise ValueError(
        f"no control branch has been trained over {base.path}; train one (python train.py control "
        f"--weights {base.path}) or name a file with --control-weights."
    )


def _candidates(kind, name, shipped, runs):
    """Files of one kind: the shipped ones, then those that runs call `name`, the newest first."""
    files = sorted(Path(shipped).glob("*.weights.h5"))
    files += sorted(Path(runs).glob(f"*/{name}"), key=lambda p: -p.stat().st_mtime)
    return [path for path in files if _is(path, kind)]


def _is(path, kind):
    try:
        with h5py.File(path, "r") as file:
            return kind in file.attrs
    except OSError:  # damaged; taken for a model, so that loading it says so
        return kind == _ATTRIBUTE


def write_config(folder, config):
    """Write `config.json`, whole or not at all.

    Args:
        folder: the run folder; made if missing.
        config: what JSON can hold.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replaced(folder / CONFIG) as partial:
        partial.write_text(json.dumps(config, indent=2) + "\n")


def read_config(folder):
    """Read `config.json`.

    Returns:
        The dict, or None where there is no such file.

    Raises:
        ValueError: if it cannot be read.
    """
    path = Path(folder) / CONFIG
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text())
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
        return config
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); restore it or start another run."
        ) from error


def _digest(file):
    """SHA-256 over the names and bytes of an HDF5 file's arrays: HDF5 itself checks nothing."""
    digest = hashlib.sha256()

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode())
            digest.update(item[()].tobytes())

    file.visititems(add)
    return digest.hexdigest()


def _halve(path):
    """Rewrite every float32 array of an HDF5 file as float16."""
    with (
        replaced(path) as smaller,
        h5py.File(path, "r") as source,
        h5py.File(smaller, "w") as result,
    ):
        result.attrs.update(source.attrs)

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                data = item[()].astype("float16") if item.dtype == "float32" else item[()]
                result.create_dataset(name, data=data).attrs.update(item.attrs)
            else:
                result.require_group(name).attrs.update(item.attrs)

        source.visititems(copy)
