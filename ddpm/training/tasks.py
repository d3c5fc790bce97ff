"""What can be trained: one function a task, `(options, data) -> whether it was finished`.

    base       a model of its own
    control    a control branch over a model, which stays as it is
    inpaint    a model goes on, conditioned on mask and masked picture
    vae        an autoencoder, whose latents a model can then be trained on
    lora       an adapter over a model, which stays as it is
    dreambooth a whole model goes on with a few pictures
    invert     a new word of a model, which stays as it is: textual inversion
    sharpen    an autoencoder's decoder goes on alone, for sharper pictures of the same latents
    hyper      a network that predicts light adapters from one picture of a face

Each settles its preset, then hands what is particular to it to `_train`. A new task is a new
function in `TASKS`. Pictures, and what is made of the faces in them, come from the caller
(`DataSource`): this package knows arrays.
"""

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import numpy as np

from common.cli import count, printable
from common.devices import (
    PRECISIONS,
    choose_precision,
    one_core_per_micro_batch,
    start_backend,
    use_xla,
)
from common.files import copy_file, folder_lock
from ddpm.adapters import load_adapter
from ddpm.bundle import (
    FILES,
    default_vae,
    default_weights,
    find_bundle,
    find_vae,
    latents_of,
    load_control,
    load_vae,
    load_weights,
    read_preset,
    read_vae,
    start_from,
    vocabulary_of,
)
from ddpm.conditions import NoSettings, Source
from ddpm.conditions.hints import KINDS, HintSettings
from ddpm.conditions.identity import EMBEDDINGS, FACE, PEOPLE
from ddpm.conditions.inpaint import always_same, often_full
from ddpm.conditions.text import SPECIAL, TABLE, Tokenizer, word_of
from ddpm.nets.lidb import ALL, ATTENTION, DENSE, NUMBERS, parse_numbers
from ddpm.nets.ranks import parse_ranks
from ddpm.presets import PRESETS, VAES
from ddpm.tensors import ENDING
from ddpm.tokens import new_words
from ddpm.training.parts import (
    ADAPTER,
    LEARNED,
    control_parts,
    hyper_parts,
    invert_parts,
    lora_parts,
    model_parts,
    sharpen_parts,
    spread,
    vae_parts,
)
from ddpm.training.run_folder import LASTING, check_still_new, open_run, write_config
from ddpm.training.triggers import PERSONAL, of_class, token_of, with_trigger

P_UNCOND_CONTROL = (
    0.3  # probability that words, size and crop, or both are dropped: hints should do
)
SHARPEN = {"epochs": 20, "learning_rate": 0.003, "warmup_steps": 50, "decay_steps": 1000}
# An adapter over a model: a few hundred steps, whatever the rate of the model's own training.
LORA = {
    "epochs": 300,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "warmup_steps": 20,
    "decay_steps": 0,
    "plain_rate": 1.0,
    "clip_norm": 1.0,
    "ema_decay": 0.98,
    "sample_epochs": 0,
    "snapshot_epochs": 0,
}
INVERT_RATE = 5e-3  # elements of a word's vector are 0.07 in root mean square
# A hypernetwork over a model: unlike an adapter it learns from many people.
HYPER = {
    **LORA,
    "batch_size": 16,
    "epochs": 20,
    "learning_rate": 3e-4,
    "warmup_steps": 200,
    "ema_decay": 0.999,
}
VIEWS = 4  # pictures of each person in a batch
RANKS, LIGHT_RANKS = "*=4", "*=1"
FINGERPRINTED = 4096  # pictures at most that a set's fingerprint is taken from


@dataclass(frozen=True)
class DataSource:
    """Where pictures come from, and what is made of the faces in them.

    Args:
        load: (folder or None, preset) -> (pictures, folder): pictures have `images`, `captions`,
            `sizes` as a `conditions.Source` wants them.
        hints: (images, path of a cache) -> `Source.make_hints`.
        masks: (images, path of a cache, side of the masks) -> `Source.make_mask`.
        others: (folder, preset) -> pictures that are no faces, as `images`.
        embeddings: (images, folder of its caches) -> float32 (N, D), unit vectors of who is in each
            picture, NaN where no face was found.
        faces: (images, folder of its caches) -> float16 (N, 2, M, F): features of the face in each
            picture and in its mirror image, M tokens of which the last one is the whole face's, NaN
            where no face was found.
        face_shape: () -> (M, F).
        changes: pictures -> captions of what differs between pictures of one person, a list of N
            strings, or None where nothing tells.
    """

    load: Callable
    hints: Callable | None = None
    masks: Callable | None = None
    others: Callable | None = None
    embeddings: Callable | None = None
    faces: Callable | None = None
    face_shape: Callable | None = None
    changes: Callable = lambda pictures: None


@dataclass(frozen=True)
class Watch:
    """Somebody who looks at a training now and then, and tells how it went.

    Args:
        epochs: between two looks.
        look: (trainer) -> None: what to do with the averaged weights, `trainer.averaged`. The state
            is saved when it returns: after a kill every look that was cut short is taken again.
    """

    epochs: int
    look: Callable


# --- the tasks


def base(options, data):
    """Train a model of its own."""
    preset = _preset(options.preset or "faces64")
    run = open_run("base", replace(options, out=options.out or Path("runs") / preset.name))
    if run.options.start_from and not run.config:
        read_preset(run.options.start_from)  # fails early where it cannot be read
    if not run.config:
        run, preset = _with_vae(run, preset)
    run = run.settle(preset)
    return _train(
        run,
        data,
        begin=_starting_from(run.options.start_from),
        use="Sample from it: python sample.py --n 64 --weights {}",
    )


def inpaint(options, data):
    """Teach a model to paint into pictures: it goes on, conditioned on mask and masked picture."""
    run = _open_over_model("inpaint", options, lambda p: p.with_conditions(inpaint=NoSettings()))
    return _train(
        run,
        data,
        begin=_starting_from(run.options.weights),
        use="Use it: python sample.py --init photo.jpg --mask mask.png --weights {}",
    )


def control(options, data):
    """Train a control branch: edges, colours, coarse shapes and face points that a model obeys."""

    def change(preset):
        if options.start_from:
            _check_kinds(load_control(options.start_from, preset))  # fails early, if it does
        # Mirrored faces would show their left eye in the colour of the right one.
        return preset.with_(
            data={"flip": False},
            objective={"p_uncond": P_UNCOND_CONTROL},
            run={"snapshot_epochs": 0},  # which `ddpm.average` could make no model of
        )

    run = _open_over_model("control", options, change)
    return _train(
        run,
        data,
        begin=_branch_from(run.options.start_from),
        make=control_parts,
        hints=HintSettings(),
        use="Use it: python sample.py --control canny=edges.png --control-weights {}",
    )


def vae(options, data):
    """Train an autoencoder: pictures to an eighth of their side and back."""
    preset = options.preset or "vae8"
    if preset not in VAES:
        raise ValueError(f"unknown autoencoder {preset!r}; choose one of {', '.join(VAES)}.")
    run = open_run("vae", options).settle(VAES[preset])
    return _train(
        run,
        data,
        begin=_vae_from(run.options.start_from),
        make=vae_parts,
        use="Train a model on its latents: python train.py --preset portraits256 --vae {}",
    )


def sharpen(options, data):
    """Let an autoencoder's decoder go on alone, for sharper pictures of the same latents."""
    run, preset = open_run("sharpen", options), None
    if not run.config:
        path = find_bundle(run.options.vae or default_vae(), "vae")
        run = replace(run, options=replace(run.options, vae=path))
        preset = read_vae(path).with_(objective={"sharpen": True}, run=SHARPEN)
    return _train(
        run.settle(preset),
        data,
        make=sharpen_parts,
        use="Put it beside a model of the same latents, in place of the other autoencoder: {}",
    )


def lora(options, data, watch=None):
    """Train an adapter: a few low-rank matrices that teach a model a person or a style."""
    parse_ranks(options.ranks or RANKS)  # fails early, if it does
    _check_light(options)
    options = _going_on(options)
    run = _open_over_model("lora", options, lambda p: p.with_(run=LORA, data={"p_crop": 0.0}))
    light = run.options.light
    return _train(
        run,
        data,
        make=partial(
            lora_parts,
            ranks=parse_ranks(run.options.ranks or (LIGHT_RANKS if light else RANKS)),
            choice=_kernels_of(run.options),
            numbers=_numbers_of(run.options) if light else None,
        ),
        use=f"Draw with it: python sample.py{_named(run)} --adapter {{}}/{ADAPTER}",
        watch=watch,
    )


def _check_light(options):
    """Refuse options of one kind of adapter beside those of the other.

    Raises:
        ValueError: if there are some.
    """
    if options.light:
        _numbers_of(options)
        if options.alpha:
            raise ValueError("a light adapter has no --alpha; leave it away.")
    elif options.numbers and not options.resume:
        raise ValueError("--numbers are those of a light adapter; add --light.")
    if options.light and options.start_from:
        raise ValueError("a light adapter begins anew; leave --start-from or --light away.")
    if options.dense and (options.kernels or options.light):
        raise ValueError("say --kernels dense in place of --dense.")


def _going_on(options):
    """Options of an adapter that stands beside another one, with that one's word.

    Raises:
        ValueError: if that cannot be read, or has several words.
    """
    if options.start_from is None or options.trigger:
        return options
    words = list(load_adapter(options.start_from).words)
    if len(words) > 1:
        raise ValueError(
            f"{options.start_from} holds {', '.join(words)}; say with --trigger which is meant."
        )
    return replace(options, trigger=words[0]) if words else options


def _numbers_of(options):
    """(A, B), numbers of each kernel that a light adapter learns or a hypernetwork predicts."""
    return parse_numbers(options.numbers) if options.numbers else NUMBERS


def _kernels_of(options):
    """Of which layers kernels are adapted: a word of `lidb.CHOICES`."""
    if options.light or options.kernels:
        return options.kernels or ATTENTION
    return DENSE if options.dense else ALL


def hyper(options, data):
    """Train a network that predicts a light adapter from one picture of a face."""
    _numbers_of(options)  # fails early, if it does
    if options.sample_epochs:
        raise ValueError(
            "sample grids know no face, and would show the model without adapters; leave "
            "--sample-epochs away."
        )
    change = {"data": {"p_crop": 0.0, "p_downscale": 0.0}, "run": HYPER}
    run = _open_over_model("hyper", options, lambda p: p.with_(**change))
    views = run.options.views or VIEWS
    batch_size = run.preset.run.batch_size
    if batch_size % views:
        raise ValueError(
            f"a batch is made of people with {views} pictures each (--views); --batch-size should "
            f"be a multiple of that. Received: {batch_size}."
        )
    return _train(
        run,
        data,
        make=partial(
            hyper_parts,
            numbers=_numbers_of(run.options),
            choice=run.options.kernels or ATTENTION,
            face_shape=data.face_shape,
            views=views,
        ),
        use="Learn a person from one photo: python -m portrait learn --fast PHOTO "
        "--hyper {} --out people/anna",
    )


def dreambooth(options, data):
    """Teach a whole model a person or a style by a few pictures, beside others of the class."""
    change = {"data": {"p_crop": 0.0}, "run": {**LORA, "learning_rate": 2e-4, "ema_decay": 0.9}}
    run = _open_over_model("dreambooth", options, lambda p: p.with_(**change))
    return _train(
        run,
        data,
        begin=_knowing_more(run.options),
        use="Sample from it: python sample.py --weights {}",
    )


def invert(options, data):
    """Learn a word: vectors of a new token that make a model draw a person or a style."""
    # Nothing is dropped: what a picture without words teaches is none of the word's.
    change = {"data": {"p_crop": 0.0}, "run": {**LORA, "learning_rate": INVERT_RATE}}
    change |= {"objective": {"p_uncond": 0.0}}
    run = _open_over_model("invert", options, lambda p: p.with_(**change))
    if run.options.token is None:
        raise ValueError('name the word to learn, such as --token "<anna>".')
    word = word_of(run.options.token)
    return _train(
        run,
        data,
        make=invert_parts,
        use=f'Draw with it: python sample.py{_named(run)} --prompt "a photo of {word}" '
        f"--adapter {{}}/{LEARNED}",
    )


TASKS = {
    "base": base,
    "control": control,
    "inpaint": inpaint,
    "vae": vae,
    "sharpen": sharpen,
    "lora": lora,
    "dreambooth": dreambooth,
    "invert": invert,
    "hyper": hyper,
}


def _open_over_model(task, options, change):
    """The run of a task that has a model: `options.weights`, or the default one.

    Args:
        task: a word of `TASKS`.
        options: `Options`.
        change: (the model's preset) -> the run's preset.
    """
    run, preset = open_run(task, options), None
    if not run.config:
        weights = run.options.weights or default_weights()
        run = replace(run, options=replace(run.options, weights=weights))
        preset = change(read_preset(weights))
    return run.settle(preset)


def _named(run):
    """The option that names the model of a run, where it is not the one that is taken anyway."""
    weights = run.options.weights
    try:
        known = find_bundle(weights).resolve() == default_weights().resolve()
    except ValueError:  # there is no default
        known = False
    return "" if known else f" --weights {shlex.quote(str(weights))}"


def _with_vae(run, preset):
    """A new run and its preset with the autoencoder that is named, or else the default one.

    Raises:
        ValueError: if the preset has no use for one, or it has other latents.
    """
    path = run.options.vae
    if preset.codec.kind == "pixels":
        if path is None:
            return run, preset
        raise ValueError(
            f"the preset {preset.name} diffuses pixels; leave --vae away, or choose a --preset "
            "that diffuses latents."
        )
    path = find_bundle(path or default_vae(), "vae")
    config = read_vae(path).network
    if config.latent_channels != preset.network.channels:
        raise ValueError(
            f"{path} has latents of {config.latent_channels} channels, and the preset "
            f"{preset.name} wants {preset.network.channels}; name another with --vae."
        )
    run = replace(run, options=replace(run.options, vae=path))
    return run, replace(preset, codec=replace(preset.codec, digest=latents_of(path)))


def _starting_from(path):
    """Begin with the weights of a model where they fit: see `_train`; None without a path."""
    if path is None:
        return None
    return lambda network, preset: start_from(network, path, vocabulary_of(preset))


def _knowing_more(options):
    """Begin with the weights of a model, and the vector of a new word where its like is."""
    begin_with_model = _starting_from(options.weights)

    def begin(network, preset):
        from ddpm.nets.layers import named_weights
        from ddpm.nets.tokens import first_vectors

        taken, base = begin_with_model(network, preset), read_preset(options.weights)
        new = new_words(preset, base)
        if new:
            weight = named_weights(network)[TABLE]
            table, like = np.array(weight), token_of(base, options.init_word)
            known = table[SPECIAL:-new]
            table[-new:] = first_vectors(known, new, like and like - SPECIAL)
            weight.assign(table)
        return taken

    return begin


def _check_kinds(branch):
    """Refuse to go on from a branch with other hints than those that training makes.

    Raises:
        ValueError: if it has others.
    """
    if branch.kinds != KINDS:
        raise ValueError(
            f"{branch.path} was trained with {', '.join(branch.kinds)}; a branch to start from has "
            f"{', '.join(KINDS)}."
        )


def _branch_from(path):
    """Begin with a control branch of the same architecture; None without a path."""
    if path is None:
        return None

    def begin(network, preset):
        load_weights(network.branch, load_control(path, preset).path)
        return 1, 1

    return begin


def _vae_from(path):
    """Begin with the weights of another autoencoder of the same form; None without a path."""
    if path is None:
        return None

    def begin(network, preset):
        read_vae(path)  # refuses what is none
        load_weights(network, find_bundle(path, "vae"))
        return 1, 1

    return begin


def _preset(word):
    if word not in PRESETS:
        raise ValueError(f"unknown preset {word!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[word]


# --- running it


@dataclass(frozen=True)
class _Machine:
    """How a run is computed.

    Args:
        deterministic: same bits each time.
        micro_batches: see `DenoisingObjective`.
        precision: a key of `devices.PRECISIONS`.
        backend: of Keras.
    """

    deterministic: bool
    micro_batches: int
    precision: str
    backend: str

    @property
    def dtype(self):
        """The Keras dtype policy."""
        return PRECISIONS[self.precision]


def _train(run, data, use, begin=None, make=model_parts, hints=None, watch=None):
    """Train to the end, or to a signal.

    Args:
        run: `Run`.
        data: `DataSource`.
        use: the sentence that says how to use the result, with {} for its folder.
        begin: (network, preset) -> (taken, all) parameters: other weights to begin with.
        make: (run, dtype policy, pictures) -> `Parts`.
        hints: `HintSettings` where control pictures are trained.
        watch: `Watch`; who watches also says how it ended.

    Returns:
        bool: whether all epochs are done.
    """
    pictures, folder = data.load(run.options.data, run.preset)
    fingerprint = _fingerprint(run, pictures, folder)
    if run.task in PERSONAL:
        run, pictures = with_trigger(run, pictures, folder)
    changes = data.changes(pictures) if run.task == "hyper" else None
    if changes:  # who it is, the face alone is to say
        pictures = replace(pictures, captions=changes)
    run = replace(run, preset=_fit_to_pictures(run, pictures, folder))
    machine = _start_backend(run)
    parts = make(run, machine.dtype, pictures)
    trainer = _make_trainer(run, machine, parts)
    if run.options.dry_run:
        return True
    with folder_lock(run.out):
        check_still_new(run)
        _restore(trainer, run)
        if begin is not None and trainer.step == 0:  # also if stopped before its first checkpoint
            taken, total = trainer.begin_with(lambda network: begin(network, run.preset))
            source = run.options.start_from or run.options.weights
            click.echo(f"{taken / total:.0%} of them begin as in {printable(source)}.")
        if _is_finished(trainer, pictures, run):
            return True
        found = {"folder": str(folder), "pictures": len(pictures.images)}
        found["fingerprint"] = fingerprint
        _write_config(run, machine, parts.base_digest, found)
        _bring_vae(run)
        build = _batch_builder(
            run, run.out, pictures, data, hints, fingerprint, machine.dtype, _known_face(run)
        )
        if build and parts.preview is None:
            trainer.preview_condition = _preview_condition(build, len(pictures.images))
        if run.options.prior:
            build = _with_prior(run, build, data, machine.dtype)
        if run.task == "hyper":
            form = trainer.averaged.hyper.form
            build = _of_people(run, build, pictures, data, form, parts.base_digest)
        click.echo("The first step is slow: it compiles the network.")
        seconds = 60 * run.options.save_minutes
        epochs = run.preset.run.epochs
        done = trainer.fit(pictures.images, epochs, seconds, build=build, watch=watch)
    if watch is None:
        _report_end(run, done, trainer.step, use)
    return done


def _make_trainer(run, machine, parts):
    from ddpm.training.trainer import Trainer  # here, for it needs the backend

    seed = run.options.seed or 0
    trainer = Trainer(
        parts.make_network,
        run.preset,
        run.out,
        parts.write,
        seed,
        machine.micro_batches,
        parts.preview,
        parts.objective,
    )
    parameters = parts.trained(trainer.averaged).count_params()
    click.echo(
        f"{parts.what}: {parameters / 1e6:.1f} M parameters, {machine.precision}, "
        f"{machine.backend} backend."
    )
    return trainer


def _write_config(run, machine, base_digest, pictures):
    options = {name: getattr(run.options, name) for name in LASTING}
    write_config(
        run.out,
        {
            "task": run.task,
            "preset": run.preset.to_dict(),
            "precision": machine.precision,
            "backend": machine.backend,
            "deterministic": machine.deterministic,
            "options": {k: str(v) if isinstance(v, Path) else v for k, v in options.items()},
            "base_digest": base_digest,
            "data": pictures,
        },
    )


def _fit_to_pictures(run, pictures, folder):
    """The run's preset with the words of the captions, no part maps where the set has none or where
    a model goes on, and no batch larger than the set."""
    preset, n = run.preset, len(pictures.images)
    text = preset.network.conditions.get("text")
    if text is not None and not text.vocabulary:
        words = Tokenizer.of(pictures.captions or (), text.length).words
        if not words:
            raise ValueError(
                f"there are no captions in {folder}, and the preset {preset.name} learns from "
                "words. Put a text file of the same name beside each picture, or choose --preset "
                "faces64."
            )
        preset = preset.with_conditions(text=replace(text, vocabulary=words))
    unknown = "identity" in preset.network.conditions and pictures.identities is None
    if unknown and run.task == "base":
        raise ValueError(
            f"nothing says who is in the pictures of {folder}, and the preset {preset.name} learns "
            "from it. Make a set that does with: python -m data"
        )
    if run.task == "hyper":
        _check_people(pictures, folder)
    batch_size = preset.run.batch_size
    click.echo(
        f"Preset {preset.name}: {count(n, 'picture')} of {preset.size} px from "
        f"{printable(folder)}, {count(preset.run.epochs, 'epoch')} of "
        f"{count(max(1, n // batch_size), 'step')}, into {printable(run.out)}."
    )
    if preset.kind != "vae" and (run.task != "base" or pictures.labels is None):
        preset = preset.with_(objective={"part_weight": 0.0})  # nothing to read parts from
    if n < batch_size:
        most = n - n % _together(run)
        if not most:
            raise ValueError(
                f"{folder} holds fewer pictures than are taken of each person; give --views less."
            )
        preset, batch_size = preset.with_(run={"batch_size": most}), most
        click.echo(f"Fewer pictures than a batch: the batch size is {most}.")
    if run.options.prior and batch_size < 2:
        raise ValueError(
            "with --prior half of each batch is of the class, so it has two pictures at least; add "
            "one, or give --batch-size 2."
        )
    return preset


def _together(run):
    """Pictures that no part of a batch may separate: those of a person for a hypernetwork."""
    return (run.options.views or VIEWS) if run.task == "hyper" else 1


def _check_people(pictures, folder):
    """Refuse a set without several pictures of its people.

    Raises:
        ValueError: if it is one.
    """
    people = pictures.identities
    if people is None or np.bincount(np.unique(people, return_inverse=True)[1]).max() < 2:
        raise ValueError(
            f"a hypernetwork learns from several pictures of each of many people, and nothing says "
            f"that {folder} has such. Make a set that does with: python -m data"
        )


def _fingerprint(run, pictures, folder):
    """A hash of the pictures, or of some spread evenly where there are many, and of their captions
    where they are kept in their own shapes.

    Raises:
        ValueError: if a run that goes on was trained on others.
    """
    images = pictures.images
    digest = hashlib.sha256(str(getattr(images, "shape", len(images))).encode())
    for i in spread(len(images), FINGERPRINTED):
        digest.update(np.ascontiguousarray(images[i]))
    if pictures.sizes is not None:
        digest.update("\n".join(pictures.captions or ()).encode())
    fingerprint = digest.hexdigest()[:16]
    if run.config and run.config["data"]["fingerprint"] != fingerprint:
        raise ValueError(
            f"the pictures in {folder} are not those that {run.out} was trained on; bring them "
            "back, or start another run with --out."
        )
    return fingerprint


def _start_backend(run):
    """Set what the backend reads when it is imported, and import it. Returns `_Machine`.

    Raises:
        ValueError: if a run that goes on was trained on another backend.
    """
    size = run.preset.run.batch_size // _together(run)
    deterministic, micro_batches = set_up(run.options, size)
    start_backend()
    import keras

    backend, config = keras.backend.backend(), run.config
    if config and config["backend"] != backend:
        raise ValueError(
            f"{run.out} was trained on the {config['backend']} backend; go on with "
            f"KERAS_BACKEND={config['backend']}."
        )
    asked = run.options.precision or "auto"
    precision = config["precision"] if config else choose_precision(asked)
    return _Machine(deterministic, 1 if use_xla() else micro_batches, precision, backend)


def set_up(options, batch_size):
    """Settle what the backends read when they are imported. Returns (deterministic, micro-batches).

    A program that starts the backend for something else before it trains calls this first.

    On processors two things make TensorFlow's sums differ in their last bits: kernels that are
    free to (the flag), and operations that run side by side, for `AddN` begins its sum with
    whichever input's memory has come free first (hence one operation at a time, on all cores).
    """
    wanted = options.deterministic
    if wanted is None:
        wanted = not shutil.which("nvidia-smi")
    if not wanted:
        return False, one_core_per_micro_batch(batch_size)
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    return True, 1


def _restore(trainer, run):
    if not run.options.resume:
        return
    notes, damaged = trainer.restore()
    for path in damaged:
        click.echo(f"Damaged checkpoint {path}: using the one before it.", err=True)
    if notes:
        click.echo(f"Resuming at step {trainer.step}.")
    elif damaged:
        click.echo("No whole checkpoint is left: starting afresh.", err=True)
    elif run.config:
        click.echo(f"Nothing saved in {run.out} yet: starting afresh.")


def _is_finished(trainer, pictures, run):
    steps = len(pictures.images) // run.preset.run.batch_size
    if trainer.step < steps * run.preset.run.epochs:
        return False
    click.echo(
        f"{run.out} is finished: {count(trainer.step // steps, 'epoch')}. Nothing to do; more "
        "--epochs would go on."
    )
    return True


def _bring_vae(run):
    """Lay the autoencoder of a model's latents beside the model, which is of no use without it.

    Raises:
        ValueError: if it is missing.
    """
    digest, ours = run.preset.codec.digest, run.out / FILES["vae"]
    if run.preset.codec.kind == "pixels" or ours.exists():
        return
    named, model = run.options.vae, run.options.weights
    if named and Path(named).is_file() and latents_of(named) == digest:
        copy_file(named, ours)
    else:
        copy_file(find_vae(digest, model and find_bundle(model).parent), ours)


def _with_prior(run, build, data, dtype):
    """What makes batches of which half are pictures of the class."""
    from ddpm.training.batches import WithPrior

    pictures, folder = data.load(run.options.prior, run.preset)
    if "text" in run.preset.network.conditions:
        captions = of_class(pictures.captions, len(pictures.images), run.options.init_word)
        pictures = replace(pictures, captions=captions)
    own = replace(run, config=None)  # the pictures are not those that the run is made of
    place = run.out / "prior"
    place.mkdir(exist_ok=True)
    fingerprint = _fingerprint(own, pictures, folder)
    identity = build.conditions.get("identity")  # there where the person's face is told
    nobody = None if identity is None else np.zeros(identity.dimensions, np.float32)
    prior = _batch_builder(own, place, pictures, data, None, fingerprint, dtype, nobody)
    return WithPrior(build, prior, len(pictures.images))


def _of_people(run, build, pictures, data, form, base_digest):
    """What makes batches of people, with the features of another picture of each."""
    from ddpm.training.batches import OfPeople

    people, known = np.asarray(pictures.identities), None
    if run.options.regress:
        known = _known_adapters(run.options.regress, people, form, base_digest)
    faces = data.faces(pictures.images, run.out)
    return OfPeople(build, people, faces, _together(run), known)


def _known_adapters(folder, people, form, base_digest):
    """Numbers of light adapters in a folder, {person: float32 (L, A + B)}.

    Raises:
        ValueError: if there are none of these people, or of another form or model.
    """
    paths = {who: Path(folder) / f"{who}{ENDING}" for who in np.unique(people).tolist()}
    files = {who: load_adapter(path) for who, path in paths.items() if path.exists()}
    if not files:
        raise ValueError(
            f"{folder} holds no adapter of the people in the pictures; they are called by their "
            f"numbers in the set, such as {next(iter(paths.values())).name}."
        )
    for file in files.values():
        if file.base_digest != base_digest:
            raise ValueError(
                f"{file.path} was learned over another model; learn it over the one that --weights "
                "names."
            )
        if file.form != form:
            raise ValueError(
                f"{file.path} is no light adapter of the same kernels, numbers and seed; learn it "
                "with the same --numbers, --kernels and --seed: python train.py lora --light"
            )
    return {who: file.numbers for who, file in files.items()}


def _known_face(run):
    """The face of whom a run goes on to learn, float32 (D,), where the adapter that it starts from
    has one, else None."""
    start = run.options.start_from if run.task == "lora" else None
    return None if start is None else load_adapter(start).face


def _batch_builder(run, place, pictures, data, hints, fingerprint, dtype, face=None):
    """What makes batches with conditions, crops or latents, with its caches in a place; None where
    there are none of these.

    Args:
        face: float32 (D,), who is in all of the pictures; None where that is not known.
    """
    from ddpm.training.batches import BatchBuilder

    preset = run.preset
    if preset.kind == "vae":
        from ddpm.training.crops import CropBuilder

        others = data.others(run.options.others, preset) if run.options.others else None
        return CropBuilder(pictures.images, others, preset.network.image_size)
    conditions = dict(preset.network.conditions)
    cache = place / "points.npy"
    source = Source(pictures.images, pictures.captions, pictures.sizes, labels=pictures.labels)
    if hints is not None:
        conditions["hints"] = hints
        source = replace(source, make_hints=data.hints(pictures.images, cache))
    # Of a person, what is learned is to say who it is; of pictures of anybody, nothing does. Of a
    # hypernetwork's people and of those whom one has predicted, adapter and face say it together.
    told = run.task == "hyper" or face is not None
    if not told and (run.task in PERSONAL or pictures.identities is None):
        conditions.pop("identity", None)
    elif told and "identity" in conditions:
        conditions["identity"] = replace(conditions["identity"], p_drop=0.0, p_alone=0.0)
    if run.task == "hyper":  # the adapter is to know the person, whatever is known of a picture
        conditions.pop("inpaint", None)
    if "inpaint" in conditions:
        source = replace(source, make_mask=data.masks(pictures.images, cache, preset.size))
    if "identity" in conditions and face is not None:
        source = replace(source, columns={FACE: face})
    elif "identity" in conditions:
        known = data.embeddings(pictures.images, place)
        source = replace(source, columns={EMBEDDINGS: known, PEOPLE: pictures.identities})
    if preset.codec.kind == "vae":
        return _latent_builder(run, place, source, conditions, fingerprint, dtype)
    asked = conditions or preset.data.p_crop or preset.objective.part_weight
    if not asked and run.task not in (*PERSONAL, "hyper"):
        return None
    return BatchBuilder(source, preset, conditions)


def _latent_builder(run, place, source, conditions, fingerprint, dtype):
    """What makes batches of latents, which are computed first."""
    from ddpm.codec import latent_codec
    from ddpm.training.batches import BatchBuilder
    from ddpm.training.latents import LatentWindows, compute_latents

    preset = run.preset
    if source.make_mask:  # decided first: what is hidden as a whole need not be encoded
        share = preset.objective.p_full_mask
        masks = often_full(always_same(source.make_mask), share)
        source = replace(source, make_mask=masks)
        preset = preset.with_(objective={"p_full_mask": 0.0})
    vae = load_vae(find_vae(preset.codec.digest, run.out), dtype)
    # All windows of a picture at once; afterwards, of what is known of it, one.
    many = latent_codec(vae, preset.data.windows * (1 + preset.data.flip))
    latents = compute_latents(place, replace(source, codec=many), preset, fingerprint)
    source = replace(source, codec=latent_codec(vae, 1))
    return BatchBuilder(source, preset, conditions, LatentWindows(latents, source, preset))


def _preview_condition(build, n):
    """The condition of the run's sample grids: of whole pictures, spread over the set."""
    from ddpm.training.trainer import GRID

    whole = {"p_crop": 0.0, "p_downscale": 0.0}
    preset = build.preset.with_(data=whole, objective={"part_weight": 0.0})
    conditions = {k: v for k, v in build.conditions.items() if k != "inpaint"}
    if not conditions:
        return {}
    build = type(build)(build.source, preset, conditions, build.windows)
    indices = np.linspace(0, n - 1, GRID).astype(int)
    batch = build(indices, np.zeros(GRID, bool), np.random.default_rng(0), drop=False)
    del batch["x0"]
    return batch


def _report_end(run, done, step, use):
    name = shlex.quote(str(run.out))
    if done:
        click.echo(f"Done. {use.format(name)}")
        return
    task = f"{run.task} " if run.task != "base" else ""
    click.echo(
        f"Stopped and saved at step {step}. Go on with: python train.py {task}--resume --out {name}"
    )
