"""What each task trains, and how it is written: `(run, dtype policy, pictures) -> Parts`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ddpm.adapters import joined, layers_of, load_adapter, save_adapter, save_light
from ddpm.bundle import (
    FILES,
    load_model,
    load_vae,
    save_control,
    save_hyper,
    save_model,
    save_vae,
    vocabulary_of,
)
from ddpm.conditions.hints import KINDS
from ddpm.conditions.text import SPECIAL, TABLE, word_of
from ddpm.tokens import grown, new_words, save_tokens
from ddpm.training.triggers import token_of

# In a run folder.
ADAPTER, LEARNED = "adapter.safetensors", "learned_embeds.safetensors"
REGRESSION = 0.02  # weight of the distance to adapters that were learned before
MEASURED, PREVIEWED = 128, 8  # pictures: of which latents are measured, and that are shown


@dataclass(frozen=True)
class Parts:
    """What a task trains, and how it is written.

    Args:
        make_network: () -> network, see `Trainer`.
        write: (averaged network) -> None.
        trained: (network) -> the part of it that is trained.
        what: it is called.
        preview: see `Trainer`.
        base_digest: of the model that it is trained over, or None.
        objective: see `Trainer`.
    """

    make_network: Callable
    write: Callable
    trained: Callable = lambda network: network
    what: str = "Network"
    preview: Callable | None = None
    base_digest: str | None = None
    objective: Callable | None = None


def model_parts(run, dtype, pictures):
    """A model of its own."""
    path, preset = run.out / FILES["model"], run.preset
    captions = pictures.captions or () if vocabulary_of(preset) else ()
    return Parts(
        make_network=lambda: preset.make_network(dtype),
        write=lambda network: save_model(network, preset, path, captions=captions),
    )


def control_parts(run, dtype, pictures):
    """A control branch over a model that stays as it is."""
    from ddpm.nets.control import Controlled

    base = _unchanged_base(run, dtype)
    path, preset = run.out / FILES["control"], run.preset
    return Parts(
        make_network=lambda: Controlled(base.network, KINDS, preset.codec.stride),
        write=lambda network: save_control(network.branch, preset, path, base.digest),
        trained=lambda network: network.branch,
        what="Control branch",
        base_digest=base.digest,
    )


def vae_parts(run, dtype, pictures):
    """An autoencoder."""
    from ddpm.training.reconstruction import reconstructions, statistics

    path, preset = run.out / FILES["vae"], run.preset
    few = [np.asarray(pictures.images[i]) for i in spread(len(pictures.images), MEASURED)]
    return Parts(
        make_network=lambda: preset.make_network(dtype),
        write=lambda network: save_vae(network, preset, path, *statistics(network, few)),
        preview=lambda network: reconstructions(network, few[:PREVIEWED]),
        what="Autoencoder",
    )


def lora_parts(run, dtype, pictures, ranks, choice, numbers=None):
    """An adapter over a model that stays as it is.

    Args:
        ranks: pairs (pattern, rank), as of `nets.ranks.parse_ranks`.
        choice: a word of `nets.lidb.CHOICES`.
        numbers: (A, B) of a light adapter; None for another.
    """
    from ddpm.nets.adapters import Adapted

    start = None if run.options.start_from is None else load_adapter(run.options.start_from)
    base, make_words = _with_room(run, dtype, start)
    kind = partial(_low_rank, start=start) if numbers is None else partial(_light, numbers=numbers)
    make_adapter, save = kind(run, base, ranks, choice)

    def make_network():
        stays = [] if start is None else layers_of(start, base.network)
        for layer in stays:
            layer.trainable = False
        return Adapted(base.network, [make_adapter(), *make_words(), *stays])

    def write(network):
        learned = {} if start is None else dict(start.words)
        if make_words is not list:
            learned = {run.options.trigger: np.array(network.adapters[1].vectors)}
        about = _about(run, pictures)
        save(network.adapters[0], run.out / ADAPTER, base.digest, about, words=learned)

    return Parts(
        make_network=make_network,
        write=write,
        trained=lambda network: network.adapters[0],
        what="Adapter",
        base_digest=base.digest,
    )


def _low_rank(run, base, ranks, choice, start=None):
    """What makes and what writes an adapter of low rank: () -> `Adapter`, and (adapter, path, ...)
    -> None.

    Args:
        start: `AdapterFile` that it is written together with, or None.
    """
    from ddpm.nets.adapters import Adapter, ranks_of
    from ddpm.nets.layers import named_weights

    found = ranks_of(base.network, ranks, choice)
    if not found:
        raise ValueError("every rank is 0: nothing would be trained; give --ranks some above 0.")
    shapes = {name: tuple(named_weights(base.network)[name].shape) for name in found}

    def make_adapter():
        adapter = Adapter(shapes, found, run.options.alpha)
        adapter.begin(base.network)
        return adapter

    def save(adapter, *where, **words):
        factors = {
            name: (
                np.array(adapter.down[name]),
                np.array(adapter.up[name]),
                adapter.scale(name) * found[name],
            )
            for name in found
        }
        if start is None:
            save_adapter(factors, *where, **words)
        else:  # float32, for what it began with is to be in it as it was
            factors = joined(start.factors, factors)
            save_adapter(factors, *where, half=False, face=start.face, **words)

    return make_adapter, save


def _light(run, base, ranks, choice, numbers):
    """As `_low_rank`, of a light adapter."""
    from ddpm.nets.adapters import LightAdapter, light_form

    form = light_form(base.network, ranks, numbers, choice, run.options.seed or 0)

    def save(adapter, *where, **words):
        save_light(adapter.numbers(), form, *where, **words)

    return lambda: LightAdapter(form), save


def hyper_parts(run, dtype, pictures, numbers, choice, face_shape, views):
    """A hypernetwork over a model that stays as it is.

    Args:
        numbers: (A, B), of each kernel.
        choice: a word of `nets.lidb.CHOICES`.
        face_shape: () -> (M, F), see `tasks.DataSource`.
        views: pictures of each person in a batch.
    """
    from ddpm.nets.adapters import light_form
    from ddpm.nets.hyper import HyperAdapted, HyperNetwork, HyperSettings
    from ddpm.training.objectives import HyperObjective

    base = _unchanged_base(run, dtype)
    form = light_form(base.network, (("*", 1),), numbers, choice, run.options.seed or 0)
    refinements = run.options.refinements or HyperSettings.refinements
    settings, shape = HyperSettings(refinements=refinements), face_shape()

    def make_network():
        return HyperAdapted(base.network, HyperNetwork(form, shape, settings, dtype=dtype))

    def write(network):
        save_hyper(network.hyper, run.preset, run.out / FILES["hyper"], base.digest)

    people = run.preset.run.batch_size // views
    return Parts(
        make_network=make_network,
        write=write,
        trained=lambda network: network.hyper,
        what="Hypernetwork",
        base_digest=base.digest,
        objective=partial(HyperObjective, people=people, views=views, regression=REGRESSION),
    )


def invert_parts(run, dtype, pictures):
    """The vectors of a new word of a model that stays as it is."""
    from ddpm.nets.adapters import Adapted

    base, make_words = _with_room(run, dtype)

    def write(network):
        (words,) = network.adapters
        learned = {run.options.token: np.array(words.vectors)}
        save_tokens(learned, run.out / LEARNED, base.digest, _about(run, pictures))

    return Parts(
        make_network=lambda: Adapted(base.network, make_words()),
        write=write,
        trained=lambda network: network.adapters[0],
        what="Word",
        base_digest=base.digest,
    )


def _with_room(run, dtype, start=None):
    """The unchanged base of a run with rows for the words that the run adds, and what makes the
    part that learns them: () -> list of `nets.tokens.Words`, at most one; `list` where nothing is
    to be learned of them.

    Args:
        start: `AdapterFile` whose word stays as it is, or None.

    Raises:
        ValueError: if that was trained over another model, or has another word.
    """
    from ddpm.nets.layers import named_weights
    from ddpm.nets.tokens import Words, first_vectors

    base = _unchanged_base(run, dtype)
    new = new_words(run.preset, base.preset)
    if start is not None:
        _check_start(run, base, start, new)
    if not new:
        return base, list
    if start is not None and start.words:
        (vectors,) = start.words.values()
        return grown(base, run.preset, vectors), list
    table = np.array(named_weights(base.network)[TABLE])
    like = token_of(base.preset, run.options.init_word)
    start = first_vectors(table[SPECIAL:], new, like and like - SPECIAL)

    def make_words():
        words = Words(len(table), new, table.shape[1])
        words.vectors.assign(start)
        return [words]

    return grown(base, run.preset, np.zeros_like(start)), make_words


def _check_start(run, base, start, new):
    """Refuse an adapter that a run cannot go on from.

    Raises:
        ValueError: if it was trained over another model, or has another word.
    """
    if start.base_digest != base.digest:
        raise ValueError(
            f"{start.path} was trained over other weights than {base.path}; name with --weights "
            "those that it was trained over."
        )
    words = [word_of(token) for token in start.words]
    rows = sum(map(len, start.words.values()))
    if words and (words != [word_of(run.options.trigger or "")] or rows != new):
        raise ValueError(
            f"{start.path} holds {', '.join(words)}; leave --trigger away, and --start-from takes "
            "the word from there."
        )


def _about(run, pictures):
    """What the header of a learned file says of its training."""
    options, run_config = run.options, run.preset.run
    recipe = {
        "task": run.task,
        "epochs": run_config.epochs,
        "batch_size": run_config.batch_size,
        "learning_rate": run_config.learning_rate,
        "seed": options.seed or 0,
        "init_word": options.init_word,
    }
    about = {"trigger": options.trigger, "pictures": len(pictures.images)}
    about |= {"preset": run.preset.name, "recipe": recipe}
    return {key: value for key, value in about.items() if value is not None}


def _unchanged_base(run, dtype):
    """The model that a run trains something over.

    Raises:
        ValueError: if it is another than the run began with.
    """
    base = load_model(run.options.weights, dtype)
    if run.config and run.config["base_digest"] != base.digest:
        raise ValueError(
            f"{base.path} is not the model that {run.out} was trained over; bring it back."
        )
    return base


def sharpen_parts(run, dtype, pictures):
    """An autoencoder whose encoder stays as it is."""
    from ddpm.training.reconstruction import reconstructions

    base = load_vae(run.options.vae, dtype)
    if run.config and run.config["base_digest"] != base.latents:
        raise ValueError(
            f"{base.path} is not the autoencoder that {run.out} goes on from; bring it back."
        )
    path, preset = run.out / FILES["vae"], run.preset
    few = [np.asarray(pictures.images[i]) for i in spread(len(pictures.images), PREVIEWED)]

    return Parts(
        make_network=lambda: load_vae(base.path, dtype).network.freeze_encoder(),
        write=lambda network: save_vae(
            network, preset, path, base.mean, base.deviation, latents=base.latents
        ),
        preview=lambda network: reconstructions(network, few),
        what="Autoencoder",
        base_digest=base.latents,
    )


def spread(count, n):
    """At most n numbers of pictures, evenly spread over a set of so many: int (min(count, n),)."""
    return np.linspace(0, count - 1, min(count, n)).astype(int)
