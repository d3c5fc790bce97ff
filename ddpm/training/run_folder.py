"""A run folder (`config.json`, weights file, `checkpoint/`, `log.csv`, `events/`, `samples/`), and
how a run is begun or gone on with."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import click

from common.files import LOCK, folder_lock, write_text
from ddpm.presets import Preset

CONFIG = "config.json"
FORMAT = 2
_KEYS = {"format", "task", "preset", "precision", "backend", "deterministic", "options", "data"}


@dataclass(frozen=True)
class Options:
    """What a training is asked for; None leaves it to the preset, or to the run that goes on.

    Args:
        out: run folder.
        preset: a word of `PRESETS`.
        data: folder of pictures; None for the default set.
        weights: the model that a task begins with or trains over.
        start_from: weights to begin with, where they fit.
        others: folder of pictures that are no faces, for an autoencoder.
        vae: the autoencoder whose latents a model is trained on.
        prior: folder of other pictures of the class.
        ranks, alpha: of an adapter; `dense`: of dense layers only.
        light: train a light adapter; `numbers` of a kernel.
        kernels: a word of `nets.lidb.CHOICES`: of which layers.
        views: pictures of each person in a batch, for a hypernetwork; `refinements` of its
            prediction; `regress`, folder of adapters that were learned before.
        trigger: the word that captions call the person or the style by.
        token: the word that is learned; `vectors` it takes.
        init_word: a known word that is near to it.
        epochs, batch_size, lr, sample_epochs: of the preset, otherwise.
        precision: "auto", "float32" or "bfloat16".
        seed: of weights, noise and order.
        resume: go on with the run in `out`.
        dry_run: say what would be trained, and stop.
        save_minutes: save at least this often.
        deterministic: same bits each time; None: on a processor.
    """

    out: Path | None = None
    preset: str | None = None
    data: Path | None = None
    weights: Path | None = None
    start_from: Path | None = None
    others: Path | None = None
    vae: Path | None = None
    prior: Path | None = None
    ranks: str | None = None
    dense: bool | None = None
    alpha: float | None = None
    light: bool | None = None
    numbers: str | None = None
    kernels: str | None = None
    views: int | None = None
    refinements: int | None = None
    regress: Path | None = None
    trigger: str | None = None
    token: str | None = None
    vectors: int | None = None
    init_word: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    sample_epochs: int | None = None
    precision: str | None = None
    seed: int | None = None
    resume: bool = False
    dry_run: bool = False
    save_minutes: float = 5.0
    deterministic: bool | None = None


# Options that a run is made of: it keeps them when it goes on.
LASTING = ("preset", "data", "weights", "start_from", "others", "batch_size", "lr", "precision")
LASTING += ("seed", "vae", "prior", "ranks", "dense", "alpha", "trigger", "token", "vectors")
LASTING += ("init_word", "light", "numbers", "kernels", "views", "refinements", "regress")


@dataclass(frozen=True)
class Run:
    """A run that is about to begin or to go on.

    Args:
        task: a word of `tasks.TASKS`.
        options: `Options`; of a run that goes on, with those that it was started with.
        preset: `Preset`; None until it is settled.
        out: the run folder.
        config: of the run that goes on; None for a new one.
    """

    task: str
    options: Options
    preset: Preset
    out: Path
    config: dict | None

    def settle(self, preset):
        """With the preset of the run that goes on, or this one, and the changes of the options."""
        if self.config:
            preset = Preset.from_dict(self.config["preset"])
        options = self.options
        changes = {
            "epochs": options.epochs,
            "batch_size": options.batch_size,
            "learning_rate": options.lr,
            "sample_epochs": options.sample_epochs,
        }
        changes = {name: value for name, value in changes.items() if value is not None}
        return replace(self, preset=preset.with_(run=changes))


def open_run(task, options):
    """A new run, or the one in `options.out` that goes on: a `Run`.

    Args:
        task: a word of `tasks.TASKS`.
        options: `Options` with `out`.

    Raises:
        ValueError: one sentence: the folder holds another run, or none to go on with.
    """
    out = options.out
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; name a folder for the run with --out.")
    if (out / LOCK).exists() and not options.dry_run:
        with folder_lock(out):  # a run that is in use is refused before anything is loaded
            pass
    config = read_config(out)
    if config is not None and not options.resume:
        raise _taken(out)
    if config is None and options.resume:
        if not out.exists():
            raise ValueError(f"there is no run in {out}; check --out, or leave --resume away.")
        click.echo(f"Nothing saved in {out} yet: starting afresh.")
    if config is not None:
        _same_task(config, task, out)
        _same_options(config, options, out)
        kept = {name: config["options"].get(name) for name in LASTING}
        if options.deterministic is None:
            kept["deterministic"] = config["deterministic"]
        options = replace(options, **kept)
    return Run(task, options, None, out, config)


def _same_task(config, task, out):
    if config["task"] != task:
        command = "python train.py" + (f" {config['task']}" if config["task"] != "base" else "")
        raise ValueError(f"{out} was started with {command}; go on with that.")


def _same_options(config, options, out):
    """Refuse an option that a run is made of and that says something else than the run does."""
    said, preset = config["options"], config["preset"]
    started = {
        "preset": (preset["name"],),
        "data": (Path(config["data"]["folder"]).resolve(),),
        "batch_size": (preset["run"]["batch_size"], said["batch_size"]),
        "lr": (preset["run"]["learning_rate"],),
        "precision": (config["precision"], said["precision"] or "auto"),
        "seed": (said["seed"] or 0,),
        "start_from": (said["start_from"],),
        "others": (said.get("others"),),
        "vae": (said.get("vae"),),
        "prior": (said.get("prior"),),
        "ranks": (said.get("ranks"),),
        "dense": (said.get("dense"),),
        "alpha": (said.get("alpha"),),
        **{name: (said.get(name),) for name in ("light", "numbers", "kernels")},
        **{name: (said.get(name),) for name in ("views", "refinements", "regress")},
        "trigger": (said.get("trigger"),),
        "token": (said.get("token"),),
        "vectors": (said.get("vectors") or 1,),
        "init_word": (said.get("init_word"),),
        "weights": (said["weights"] and Path(said["weights"]).resolve(),),
    }
    for name, values in started.items():
        given = getattr(options, name)
        if given is None:
            continue
        if name in ("data", "weights"):
            given = Path(given).resolve()
        if str(given) not in map(str, values):
            raise ValueError(
                f"{out} was started with --{name.replace('_', '-')} {values[0]}; leave the option "
                "away to resume, or start another run with --out."
            )


def check_still_new(run):
    """Refuse a new run whose folder another process has used while this one was loading.

    Raises:
        ValueError: if it holds a run by now.
    """
    if run.config is None and read_config(run.out) is not None:
        raise _taken(run.out)


def _taken(out):
    return ValueError(
        f"{out} already holds a run; add --resume to go on with it, or name another folder with "
        "--out."
    )


def write_config(folder, config):
    """Write `config.json`, whole or not at all.

    Args:
        folder: the run folder; made if missing.
        config: what JSON can hold, but for its format.
    """
    text = json.dumps({"format": FORMAT, **config}, indent=2)
    write_text(text + "\n", Path(folder) / CONFIG)


def read_config(folder):
    """Read `config.json`.

    Returns:
        The dict, or None where there is no such file.

    Raises:
        ValueError: if it is damaged, or another version's.
    """
    path = Path(folder) / CONFIG
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text())
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); restore it or start another run."
        ) from error
    if config.get("format") != FORMAT:
        raise ValueError(f"{path} was written by another version; start another run with --out.")
    if not set(config) >= _KEYS:
        raise ValueError(f"{path} is damaged; restore it or start another run with --out.")
    return config
