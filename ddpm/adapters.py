"""Adapter files: safetensors in the key convention of kohya's sd-scripts, with our block names.

    lora_unet_in1_blocks_0_residual_conv1.lora_down.weight    (r, I, k, k), or (r, I)
    lora_unet_in1_blocks_0_residual_conv1.lora_up.weight      (O, r, 1, 1), or (O, r)
    lora_unet_in1_blocks_0_residual_conv1.alpha               a number
    lora_te_...                                               of the text encoder
    bundle_emb.<anna>.string_to_param.*                       (vectors, W) of the trigger word

The header says which kernel each key means, over which model the adapter was trained, and how. The
trigger word is in the file where the model does not know it: a vocabulary of face words has none to
spare for a name, and an adapter of kernels alone could only bend a word that says something else.

A light adapter (`ddpm/nets/lidb.py`) is two arrays, whose rows are the kernels that the header
names with their shapes; seed and numbers, there too, say between which bases they stand. Read, it
is an adapter of rank 1 like others.

    lidb_down                                                 (L, A)
    lidb_up                                                   (L, B)

Over a model with identities, an adapter may say by the face itself whom it draws (`ddpm/hyper.py`):

    identity                                                  (D,), of length 1

Files of learned words (`ddpm/tokens.py`) are taken wherever adapters are, but have no strength.

    python -m ddpm.adapters show anna.safetensors
    python -m ddpm.adapters merge a.safetensors:0.6 b.safetensors:0.4 --rank 8 --out c.safetensors
    python -m ddpm.adapters extract tuned.weights.h5 --base model.weights.h5 --ranks "*=8" \
        --out d.safetensors
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np

from common.cli import count, printable, sentences
from common.files import sha256
from common.vectors import unit
from ddpm.nets.lidb import LightForm
from ddpm.nets.ranks import block_of
from ddpm.tensors import ENDING, OTHER, read_tensors, write_tensors
from ddpm.tokens import KIND as TOKEN
from ddpm.tokens import LearnedAddOn, TokenAddOn, checked_words, tokens_of, words_beyond

KIND, LIGHT = "adapter", "lidb"
_TEXT = "conditioner/text/"
_PARTS = ("lora_down.weight", "lora_up.weight", "alpha")
_LIGHT_PARTS = ("lidb_down", "lidb_up")
_FACE = "identity"
_BUNDLED = ("bundle_emb.", ".string_to_param.*")  # before and behind a token


@dataclass(frozen=True, eq=False)
class AdapterFile:
    """What an adapter file holds.

    Args:
        factors: {name of a kernel: (down (..., I, r), up (r, O), alpha)}, float32.
        base_digest: of the model that it was trained over.
        about: what else its header says: trigger word, recipe.
        path: of the file, or None.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
        words: {token: float32 (vectors, width)}, words that the model does not know.
        form: `LightForm` of a light adapter, else None.
        numbers: of a light adapter, float32 (L, A + B); its `factors` follow from them.
        face: float32 (D,), of length 1, whom a model with identities is to draw where it is used;
            None where the adapter alone says it.
    """

    factors: dict
    base_digest: str
    about: dict = field(default_factory=dict)
    path: Path | None = None
    digest: str = ""
    words: dict = field(default_factory=dict)
    form: LightForm | None = None
    numbers: np.ndarray | None = None
    face: np.ndarray | None = None

    @property
    def ranks(self):
        """{name of a kernel: rank}."""
        return {name: up.shape[0] for name, (_, up, _) in self.factors.items()}


@dataclass(frozen=True, eq=False)
class AdapterAddOn(LearnedAddOn):
    """An adapter at a strength: an add-on of a `Pipeline`.

    Args:
        file: `AdapterFile`.
        strength: 0 is as if it were not there.
    """

    file: AdapterFile
    strength: float = 1.0

    @property
    def settings(self):
        """How it is used, for the recipe."""
        return {"strength": self.strength}

    @property
    def face(self):
        """As of `AdapterFile`; None also where the strength is 0 or less."""
        return self.file.face if self.strength > 0 else None

    def apply(self, network):
        """The network with the adapter on it.

        Raises:
            ValueError: if it belongs to a network of another form.
        """
        from ddpm.nets.adapters import Adapted, innermost

        inside = innermost(network)
        adapters = layers_of(self.file, inside)
        return Adapted(network, adapters, [self.strength] * len(adapters), inside)


def layers_of(file, network):
    """The matrices of an adapter as layers: list of `nets.adapters.Adapter`, one for each alpha.

    Args:
        file: `AdapterFile`.
        network: whose kernels it changes.

    Raises:
        ValueError: if it belongs to a network of another form.
    """
    from ddpm.nets.adapters import Adapter
    from ddpm.nets.layers import named_weights

    weights, adapters = named_weights(network), []
    for name, (down, up, _) in file.factors.items():
        found = tuple(weights[name].shape) if name in weights else None
        if found != (*down.shape[:-1], up.shape[-1]):
            raise ValueError(
                f"{file.path} adapts networks of another form; use it with the model that "
                "it was trained over, or train one for this model: python train.py lora"
            )
    for alpha in dict.fromkeys(alpha for *_, alpha in file.factors.values()):
        own = {n: f for n, f in file.factors.items() if f[2] == alpha}
        shapes = {name: tuple(weights[name].shape) for name in own}
        adapter = Adapter(shapes, {n: file.ranks[n] for n in own}, alpha)
        for name, (down, up, _) in own.items():
            adapter.down[name].assign(down)
            adapter.up[name].assign(up)
        adapters.append(adapter)
    return adapters


def key_of(name):
    """The key of a kernel's matrices: "in1/blocks/0/residual/conv1/kernel" ->
    "lora_unet_in1_blocks_0_residual_conv1"."""
    name, prefix = name.removesuffix("/kernel"), "lora_unet_"
    if name.startswith(_TEXT):
        name, prefix = name.removeprefix(_TEXT), "lora_te_"
    return prefix + name.replace("/", "_")


def save_adapter(factors, path, base_digest, about=None, half=True, words=None, face=None):
    """Write an adapter, whole or not at all.

    Args:
        factors: as of `AdapterFile`.
        path: ends in ".safetensors".
        base_digest: of the model that it was trained over.
        about: what else the header is to say, as JSON can hold it.
        half: store float16; words are float32 all the same.
        words, face: as of `AdapterFile`.

    Raises:
        ValueError: for another ending.
        OSError: if the disk is full; an earlier file stays.
    """
    arrays, dtype = {}, np.float16 if half else np.float32
    for name, (down, up, alpha) in factors.items():
        key = key_of(name)
        if down.ndim == 4:  # (k, k, I, r) and (r, O), of convolutions as PyTorch has them
            down, up = down.transpose(3, 2, 0, 1), up.T[:, :, None, None]
        else:
            down, up = down.T, up.T
        values = (down.astype(dtype), up.astype(dtype), np.array(alpha, np.float32))
        for part, value in zip(_PARTS, values, strict=True):
            arrays[f"{key}.{part}"] = np.array(value, order="C")
    header = {"kind": KIND, "base_digest": base_digest, "about": about or {}}
    header |= {"names": {key_of(name): name for name in factors}}
    _write(arrays, header, words, face, path)


def save_light(numbers, form, path, base_digest, about=None, words=None, face=None):
    """Write a light adapter as float16, whole or not at all.

    Args:
        numbers: float (L, A + B).
        form: `LightForm` that says what they mean.
        Others and errors as `save_adapter`.
    """
    parts = np.split(np.asarray(numbers, np.float16), [form.numbers[0]], axis=1)
    arrays = {k: np.array(part, order="C") for k, part in zip(_LIGHT_PARTS, parts, strict=True)}
    header = {"kind": LIGHT, "base_digest": base_digest, "about": about or {}}
    header |= {"kernels": form.shapes, "seed": form.seed}
    header |= {"scales": form.scales} if form.scales else {}
    _write(arrays, header, words, face, path)


def _write(arrays, header, words, face, path):
    """Write arrays and, beside them, the vectors of words and of a face."""
    for token, vectors in (words or {}).items():
        arrays[token.join(_BUNDLED)] = np.array(vectors, np.float32)
    header |= {"words": list(words)} if words else {}
    if face is not None:
        arrays[_FACE] = np.array(face, np.float32)
    write_tensors(arrays, header, path)


def load_adapter(path):
    """Read an adapter.

    Args:
        path: a file written by `save_adapter`.

    Returns:
        An `AdapterFile`.

    Raises:
        ValueError: one sentence, if there is no such file, or it is damaged or another's.
    """
    return _adapter_of(path, *read_tensors(path))


def load_addon(path, strength=1.0):
    """Read an adapter or learned words, whichever a file holds.

    Args:
        path: a file written by `save_adapter` or `tokens.save_tokens`.
        strength: of an adapter.

    Returns:
        An `AdapterAddOn` or a `TokenAddOn`.

    Raises:
        ValueError: as `load_adapter`, and for words at another strength than 1.
    """
    found = _read(path)
    if isinstance(found, AdapterFile):
        return AdapterAddOn(found, strength)
    if strength != 1:
        raise ValueError(
            f"{path} holds {', '.join(found.words)}, and a word has no strength: it is in the "
            f"prompt or not; leave :{strength:g} away."
        )
    return TokenAddOn(found)


def _read(path):
    """The `AdapterFile` or `TokenFile` of a file."""
    header, arrays = read_tensors(path)
    read = tokens_of if header.get("kind") == TOKEN else _adapter_of
    return read(path, header, arrays)


def _adapter_of(path, header, arrays):
    """An `AdapterFile` of what `read_tensors` found."""
    if header.get("kind") == TOKEN:
        raise ValueError(f"{path} holds learned words, not an adapter's matrices.")
    try:
        if header["kind"] not in (KIND, LIGHT):
            raise ValueError("another kind")
        names = {token: token.join(_BUNDLED) for token in header.get("words", ())}
        bundled = {token: arrays.pop(key) for token, key in names.items()}
        words = checked_words(names, bundled) if names else {}
        face = _checked_face(arrays.pop(_FACE)) if _FACE in arrays else None
        form = numbers = None
        if header["kind"] == LIGHT:
            form, numbers = _light(header, arrays)
        factors = form.factors(numbers) if form else _factors(header["names"], arrays)
        base_digest, about = str(header["base_digest"]), dict(header["about"])
    except Exception as error:  # settings of another make surface as almost any type
        raise ValueError(OTHER.format(path)) from error
    digest = sha256(path)
    return AdapterFile(factors, base_digest, about, Path(path), digest, words, form, numbers, face)


def _checked_face(face):
    """A vector of length 1."""
    if face.ndim != 1 or not abs(np.linalg.norm(face.astype(np.float32)) - 1) < 1e-2:
        raise ValueError("no unit vector")
    return unit(face.astype(np.float32))


def _light(header, arrays):
    """Form and numbers of a light adapter, checked."""
    if set(arrays) != set(_LIGHT_PARTS):
        raise ValueError("other keys")
    down, up = (arrays[part].astype(np.float32) for part in _LIGHT_PARTS)
    form = LightForm(
        shapes=header["kernels"],
        scales=header.get("scales", {}),
        numbers=(down.shape[1], up.shape[1]),
        seed=int(header["seed"]),
    )
    if down.ndim != 2 or up.ndim != 2 or not len(down) == len(up) == form.rows:
        raise ValueError("other shapes")
    numbers = np.concatenate([down, up], axis=1)
    if not np.isfinite(numbers).all() or not np.isfinite([*form.scales.values()]).all():
        raise ValueError("not numbers")
    return form, np.where(form.used(), numbers, 0.0)


def _factors(names, arrays):
    """Matrices by kernel, checked."""
    wanted = {f"{key}.{part}" for key in names for part in _PARTS}
    if wanted != set(arrays) or not names:
        raise ValueError("other keys")
    factors = {}
    for key, name in names.items():
        down, up, alpha = (arrays[f"{key}.{part}"].astype(np.float32) for part in _PARTS)
        if down.ndim == 4:
            down, up = down.transpose(2, 3, 1, 0), up[:, :, 0, 0].T
        else:
            down, up = down.T, up.T
        good = up.ndim == 2 and down.ndim in (2, 4) and down.shape[-1] == up.shape[0] > 0
        if not good or key_of(str(name)) != key or alpha.shape != ():
            raise ValueError("other shapes")
        if not all(np.isfinite(array).all() for array in (down, up, alpha)):
            raise ValueError("not numbers")
        factors[str(name)] = (down, up, float(alpha))
    return factors


def by_block(factors):
    """Factors by the block that their kernels lie in: {block: factors}, as of `AdapterFile`."""
    blocks = {}
    for name, found in factors.items():
        blocks.setdefault(block_of(name), {})[name] = found
    return blocks


def length_of(factors):
    """The square root of the summed squares of what an adapter adds to its kernels."""
    deltas = (
        alpha / up.shape[0] * np.tensordot(down, up, 1) for down, up, alpha in factors.values()
    )
    return float(np.sqrt(sum(np.sum(delta**2) for delta in deltas)))


def merge(files, shares, rank):
    """Several adapters as one: the sum of share times delta, brought back to a rank.

    Args:
        files: list of `AdapterFile`.
        shares: a number for each.
        rank: of the result, at most; None for the largest of theirs.

    Returns:
        (factors as of `AdapterFile`, {name of a kernel: the share of the sum that is lost}).
    """
    rank, deltas = rank or max(max(file.ranks.values()) for file in files), {}
    for file, share in zip(files, shares, strict=True):
        for name, (down, up, alpha) in file.factors.items():
            deltas.setdefault(name, []).append((share * alpha / up.shape[0], down, up))
    return _of_ranks(deltas, dict.fromkeys(deltas, rank))


def joined(*parts):
    """The sum of what several adapters add, without loss: their factors side by side.

    Args:
        parts: factors as of `AdapterFile`.

    Returns:
        Likewise; ranks are added.
    """
    found = {}
    for name in dict.fromkeys(name for factors in parts for name in factors):
        own = [factors[name] for factors in parts if name in factors]
        down = np.concatenate([alpha / up.shape[0] * down for down, up, alpha in own], axis=-1)
        up = np.concatenate([up for _, up, _ in own], axis=0)
        found[name] = (down.astype(np.float32), up.astype(np.float32), float(up.shape[0]))
    return found


def mean_face(faces, shares):
    """The mean of faces by shares, again of length 1; None where none is known.

    Args:
        faces: list of float (D,), or None.
        shares: a number for each.
    """
    known = [share * np.float32(f) for f, share in zip(faces, shares, strict=True) if f is not None]
    total = np.sum(known, axis=0)
    return unit(total) if np.any(total) else None


def merge_checkpoints(files, shares, rank=None):
    """States of one training as one: what they add to kernels by `merge`, and each trigger
    word's vectors as their mean by shares.

    Args:
        files: list of `AdapterFile` with the same words.
        shares: a number for each, whose sum is not 0.
        rank: as of `merge`.

    Returns:
        (factors, words, lost): as of `AdapterFile`, and as `merge` has it.

    Raises:
        ValueError: if they are not of one training.
    """
    shapes = [{token: vectors.shape for token, vectors in file.words.items()} for file in files]
    if len({file.base_digest for file in files}) > 1 or any(s != shapes[0] for s in shapes):
        raise ValueError("the adapters are not checkpoints of one training.")
    factors, lost = merge(files, shares, rank)
    words = {
        token: np.average([file.words[token] for file in files], 0, shares).astype(np.float32)
        for token in shapes[0]
    }
    return factors, words, lost


def extract(tuned, base, ranks):
    """What a model differs by from the one that it was tuned from, as an adapter.

    Args:
        tuned, base: {name: array} of the weights.
        ranks: {name of a kernel: rank}.

    Returns:
        As `merge`.
    """
    deltas = {}
    for name in ranks:
        delta = np.asarray(tuned[name], np.float32) - np.asarray(base[name], np.float32)
        deltas[name] = [(1.0, delta, np.eye(delta.shape[-1], dtype=np.float32))]
    return _of_ranks(deltas, ranks)


def _of_ranks(deltas, ranks):
    """Sums of products, {name: what `nets.adapters.merged` takes}, brought to ranks by name; as
    `merge`."""
    from ddpm.nets.adapters import merged

    factors, lost = {}, {}
    for name, products in deltas.items():
        down, up, lost[name] = merged(products, ranks[name])
        factors[name] = (down, up, float(up.shape[0]))
    return factors, lost


def parse_adapter(words):
    """FILE[:STRENGTH] -> (`Path`, float).

    Raises:
        ValueError: for a strength that is no number from -4 to 4.
    """
    match = re.fullmatch(r"(.+\.safetensors)(?::([^:]*))?", words, re.IGNORECASE)
    try:
        path, strength = Path(match.group(1)), float(match.group(2) or 1.0)
    except (AttributeError, ValueError):
        path, strength = None, np.nan
    if not -4 <= strength <= 4:
        raise ValueError(
            f"an adapter is FILE{ENDING} or FILE{ENDING}:STRENGTH, a number from -4 to 4. "
            f"Received: {words!r}."
        )
    return path, strength


# --- the command


@click.group(context_settings={"show_default": True})
def main():
    """Look into adapters, merge several, take one out of a tuned model."""


OUT = click.option("--out", type=Path, required=True, help=f"Of the adapter, ending in {ENDING}.")


@main.command()
@click.argument("path", type=Path)
@sentences()
def show(path):
    """Say what is in an adapter, block by block, or in a file of learned words."""
    file = _read(path)
    factors = file.factors if isinstance(file, AdapterFile) else {}
    numbers = sum(down.size + up.size for down, up, _ in factors.values())
    if getattr(file, "form", None):
        numbers = int(file.form.used().sum())
    numbers += sum(vectors.size for vectors in file.words.values())
    size = path.stat().st_size / 1e6
    lines = [f"{path}: {numbers:,} numbers, {size:.2f} MB, over {file.base_digest}."]
    for key, value in file.about.items():
        inner = value.items() if isinstance(value, dict) else ()
        lines.append(f"{key}: {', '.join(f'{k} {v}' for k, v in inner) or value}")
    if getattr(file, "form", None):
        a, b = file.form.numbers
        lines.append(f"light: {a} + {b} numbers a kernel at most, seed {file.form.seed}")
    if getattr(file, "face", None) is not None:
        lines.append(f"face: {count(file.face.size, 'number')}, for the model's identities")
    for token, vectors in file.words.items():
        lengths = ", ".join(f"{length:.3g}" for length in np.linalg.norm(vectors, axis=1))
        rows = count(len(vectors), "vector")
        lines.append(f"word {token}: {rows} of {vectors.shape[1]} numbers, length {lengths}")
    for line in [*lines, *_blocks(factors)]:
        click.echo(printable(line))


def _blocks(factors):
    """A line about each block that an adapter changes."""
    for block, kernels in by_block(factors).items():
        ranks = ", ".join(map(str, sorted({up.shape[0] for _, up, _ in kernels.values()})))
        length = length_of(kernels)
        yield f"{block:12} {len(kernels):3} kernels, rank {ranks}, length {length:.3g}"


@main.command(name="merge")
@click.argument("adapters", nargs=-1, required=True, metavar="FILE[:SHARE]...")
@click.option("--rank", type=click.IntRange(1), help="Of the result.  [default: the largest]")
@OUT
@sentences()
def merge_command(adapters, rank, out):
    """Merge adapters by shares, as the sum of what they add to each kernel.

    Of adapters that have the same words, such as checkpoints of one training, a word becomes their
    mean by shares.
    """
    pairs = [parse_adapter(words) for words in adapters]
    files, shares = [load_adapter(path) for path, _ in pairs], [share for _, share in pairs]
    bases = sorted({file.base_digest for file in files})
    if len(bases) > 1:
        raise ValueError(f"the adapters were trained over several models: {', '.join(bases)}.")
    if all(set(file.words) == set(files[0].words) for file in files):
        if files[0].words and not sum(shares):
            raise ValueError("the shares' sum is 0, and leaves nothing of the adapters' word.")
        factors, words, lost = merge_checkpoints(files, shares, rank)
    else:
        tokens = [token for file in files for token in file.words]
        if len(set(tokens)) < len(tokens):
            raise ValueError(
                "two of the adapters have the same word, and one of them another one besides; a "
                "word can mean one of them only."
            )
        factors, lost = merge(files, shares, rank)
        words = {token: vectors for file in files for token, vectors in file.words.items()}
    about = {
        "merged": [{"sha256": f.digest, "share": s} for f, s in zip(files, shares, strict=True)]
    }
    faces = [file.face for file in files]
    if len({np.shape(face) for face in faces if face is not None}) > 1:
        raise ValueError("the adapters' faces are of several encoders, and have no mean.")
    save_adapter(factors, out, bases[0], about, words=words, face=mean_face(faces, shares))
    click.echo(f"{printable(out)}: {max(lost.values()):.1%} of a kernel's change lost at most.")


@main.command(name="extract")
@click.argument("tuned", type=Path)
@click.option("--base", type=Path, required=True, help="The model that it was tuned from.")
@click.option("--ranks", default="*=8", help="BLOCK=RANK, several with commas between them.")
@OUT
@sentences()
def extract_command(tuned, base, ranks, out):
    """Take what a tuned model differs by from its base, as an adapter."""
    from common.devices import start_backend
    from ddpm.bundle import load_model
    from ddpm.nets.adapters import ranks_of
    from ddpm.nets.layers import named_weights
    from ddpm.nets.ranks import parse_ranks

    start_backend()
    models = [load_model(path, "float32") for path in (tuned, base)]
    weights = [named_weights(model.network) for model in models]
    names = ranks_of(models[1].network, parse_ranks(ranks))
    if not names:
        raise ValueError("every rank is 0, so nothing would be taken; give --ranks some above 0.")
    if any(n not in weights[0] or weights[0][n].shape != weights[1][n].shape for n in names):
        raise ValueError(f"{tuned} is a network of another form than {base}.")
    factors, lost = extract(*weights, names)
    about, words = {"extracted": models[0].digest}, words_beyond(*models)
    save_adapter(factors, out, models[1].digest, about, words=words)
    click.echo(f"{printable(out)}: {max(lost.values()):.1%} of a kernel's change lost at most.")


if __name__ == "__main__":
    main()
