"""A hypernetwork in use: features of one face in, the adapter file of a person out.

python -m ddpm.hyper runs/hyper --out hyper.weights.h5    # in half the size, to pass on
"""

from pathlib import Path

import click
import numpy as np

from common.cli import printable, sentences
from common.devices import start_backend
from common.vectors import unit
from ddpm.adapters import save_light
from ddpm.bundle import load_hyper, save_hyper
from ddpm.conditions.text import SPECIAL, TABLE, tokenizer_of


def predict(hyper, faces):
    """The numbers of the light adapter of one person.

    Args:
        hyper: a `bundle.Hyper`.
        faces: float (M, F), features of one picture of the face.

    Returns:
        float32 (L, A + B).

    Raises:
        ValueError: if the hypernetwork was trained on other features.
    """
    if faces.shape != hyper.network.faces:
        raise ValueError(
            f"{hyper.path} was trained on other features of faces than this version finds; train "
            "it again: python train.py hyper"
        )
    numbers = hyper.network.predict_on_batch(np.asarray(faces, np.float32)[None])
    return np.asarray(numbers[0], np.float32)


def write_person(path, hyper_path, faces, model, trigger, noun=None):
    """Predict a person's adapter and write it.

    The word's vector is that of its noun: who the person is, is said by the adapter, and over a
    model with identities by the face beside it.

    Args:
        path: of the adapter file.
        hyper_path: of the hypernetwork's file.
        faces: as of `predict`.
        model: the `bundle.Model` that it was trained over.
        trigger: the word for the person.
        noun: what they are, a word that the model knows; None for the middle of all words.

    Raises:
        ValueError: one sentence, if the hypernetwork cannot be read or is another model's.
        OSError: if the disk is full; an earlier file stays.
    """
    hyper = load_hyper(hyper_path, model.network.dtype_policy)
    if hyper.base_digest != model.digest:
        raise ValueError(
            f"{hyper.path} was trained over other weights than {model.path}; name those that it "
            "was trained over."
        )
    about = {"trigger": trigger, "hyper": hyper.digest, "preset": model.preset.name}
    words = {trigger: _vector_of(model, noun)}
    numbers, form = predict(hyper, faces), hyper.network.form
    save_light(numbers, form, path, model.digest, about, words, _face_of(model, faces))


def _face_of(model, faces):
    """The face that a model with identities is told, float32 (D,), the last of the features; None
    of other models."""
    identity = model.preset.network.conditions.get("identity")
    if identity is None:
        return None
    return unit(np.float32(faces[-1, : identity.dimensions]))


def _vector_of(model, noun):
    """The vector of a word of a model, float32 (1, W)."""
    from ddpm.nets.layers import named_weights
    from ddpm.nets.tokens import first_vectors

    table = np.array(named_weights(model.network)[TABLE])[SPECIAL:]
    text = model.preset.network.conditions["text"]
    like = None if noun is None else int(tokenizer_of(text).encode(noun)[1]) - SPECIAL
    return first_vectors(table, 1, like)


@click.command()
@click.argument("hyper", type=Path)
@click.option("--out", type=Path, required=True, help="The weights file, ending in .weights.h5.")
@sentences()
def main(hyper, out):
    """Write a hypernetwork, a file or a run folder, as float16."""
    if not out.name.endswith(".weights.h5"):
        raise ValueError(f"{out} should be a file that ends in .weights.h5.")
    start_backend()
    found = load_hyper(hyper, "float32")
    save_hyper(found.network, found.preset, out, found.base_digest, half=True)
    click.echo(f"{printable(out)}: {out.stat().st_size / 1e6:.1f} MB, over {found.base_digest}.")


if __name__ == "__main__":
    main()
