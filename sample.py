"""A trained model in, pictures out: `python sample.py --n 64`."""

import errno
import functools
import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from ddpm.commands import check_finite, one_core_a_part
from ddpm.hints import Control, stack
from ddpm.inpaint import METHODS, begin, composite, projected, sample_repaint, seen
from ddpm.pictures import middle, read_picture, resize, to_float
from ddpm.samplers import SAMPLERS
from ddpm.schedule import SPACINGS

SHIPPED = Path(__file__).parent / "weights"
MOST_FRAMES = 20_000  # of an animation; they are held in memory
MOST_PROMPTS = 200

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no pages of remarks when TensorFlow starts


@click.command(context_settings={"show_default": True})
@click.option(
    "--n",
    type=click.IntRange(1),
    help="Number of pictures; with several prompts, of each.  [default: 64; 6; 8 with --init]",
)
@click.option(
    "--weights",
    type=Path,
    help="Run folder or weights file.  [default: the one in weights/, else the newest run]",
)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    help="What to draw; may be repeated; '' leaves it open.  [default: captions it learned from]",
)
@click.option("--prompts", "prompt_file", type=Path, help="File of prompts, one a line.")
@click.option("--negative", default="", help="What to keep away from.")
@click.option(
    "--guidance",
    type=click.FloatRange(0, 30),
    default=3.0,
    help="How strictly to keep to the words: 1 is no guidance.",
)
@click.option(
    "--guidance-interval",
    default="0,1",
    help="FROM,TO: shares of the way from noise to picture where guidance is at work.",
)
@click.option(
    "--guidance-rescale",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Against burnt colours: share of contrast to take back.",
)
@click.option("--crop", help="TOP,LEFT: corner of the window, pixels.  [default: 0,0]")
@click.option(
    "--original-size", help="HEIGHT,WIDTH: of the file it would come from.  [default: sharp]"
)
@click.option(
    "--target-size", help="HEIGHT,WIDTH: of the whole, windows are cut from it.  [default: all]"
)
@click.option(
    "--control",
    "controls",
    multiple=True,
    help="KIND=FILE[:STRENGTH[:FROM-TO]]; may be repeated. Kinds: canny, colour, tile, points.",
)
@click.option(
    "--control-weights",
    type=Path,
    help="Control branch.  [default: the one trained over the model]",
)
@click.option("--init", type=Path, help="Picture to begin with; its middle square is used.")
@click.option("--mask", type=Path, help="Where to paint, white, in --init; the rest stays.")
@click.option(
    "--strength",
    type=click.FloatRange(0, 1, min_open=True),
    help="How far back to noise --init is taken.  [default: 1 with --mask, else 0.6]",
)
@click.option(
    "--inpaint",
    "method",
    type=click.Choice(METHODS),
    help="How --mask is kept to.  [default: network where the model was trained to, else project]",
)
@click.option("--sampler", default="dpmpp_2m", help=f"One of {', '.join(SAMPLERS)}.")
@click.option("--spacing", default="karras", help=f"Which levels to visit: {', '.join(SPACINGS)}.")
@click.option("--steps", type=click.IntRange(1), default=10, help="Levels to visit.")
@click.option(
    "--eta", type=click.FloatRange(0, 1), default=0.0, help="Fresh noise of ddim: 0 none."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    help="Picture i depends on it and on i, not on --n.",
)
@click.option(
    "--batch-size", type=click.IntRange(1, 1024), default=8, help="Pictures computed at once."
)
@click.option("--out", type=Path, default="samples.png", help="The grid.")
@click.option("--each", type=Path, help="Folder for single pictures besides.")
@click.option("--gif", type=Path, help="Animation of the denoising besides.")
@click.option(
    "--zoom", type=click.IntRange(1, 16), default=1, help="Pixels of the grid to a pixel."
)
def main(**options):
    """Draw pictures with a trained model."""
    try:
        run(**options)
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            error = "the disk is full; make room and draw again."
        elif isinstance(error, OSError):
            error = f"cannot write {error.filename}: {error.strerror}."
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


def run(n, weights, sampler, spacing, steps, eta, seed, batch_size, out, each, gif, zoom, **wishes):
    """What the command does, with errors as exceptions."""
    _check_words(sampler, spacing, eta)
    wishes = _read_wishes(**wishes)
    n = n or (6 if len(wishes.prompts) > 1 else 8 if wishes.init else 64)
    total = n * len(wishes.prompts)
    _check_outputs(total * steps, out, each, gif, wishes.inputs)

    from ddpm.run import default_weights, read_preset

    path = weights or default_weights(SHIPPED, words=wishes.words)
    preset = read_preset(path)
    parts = one_core_a_part(batch_size)
    steering = Steering(wishes, preset, n, path, seed)

    # Imported here: a backend takes seconds to start, and bad input should not wait for it.
    from tqdm import tqdm

    from ddpm.pictures import draw, grid, labelled, save_gif, save_png, to_uint8
    from ddpm.run import default_control, load_control, load_weights
    from ddpm.runtime import PRECISIONS, choose_precision, use_xla

    trained = base = load_weights(path, PRECISIONS[choose_precision("auto")])
    if wishes.controls:
        branch = wishes.control_weights or default_control(base, SHIPPED)
        trained = load_control(branch, base)
        if trained.over != base.digest:
            click.echo(f"Note: {branch} was trained over other weights than {base.path}.", err=True)
    schedule = preset.make_schedule()
    # Too many steps are told before the progress bar opens.
    visited = len(steering.start(schedule)(SPACINGS[spacing](schedule, steps), 0.0)[0])
    denoise = trained.denoiser(
        clip=not steering.guided, xla=use_xla(), parts=1 if use_xla() else parts
    )
    size = (preset.image_size, preset.image_size)
    frames = np.zeros((visited if gif else 0, total, *size, 3), np.uint8)
    bar = tqdm(total=visited * total, unit="step", desc="sampling")

    def observe(indices, i, x0_hat):
        bar.update(len(indices))
        if gif:
            frames[i, indices.start : indices.stop] = to_uint8(x0_hat)

    images = draw(
        denoise,
        schedule,
        total,
        (*size, 3),
        steering.sampler(sampler),
        spacing,
        steps,
        seed,
        batch_size,
        observe,
        steering,
        n,
        steering.start(schedule),
        **({"eta": eta} if sampler == "ddim" and wishes.method != "repaint" else {}),
    )
    bar.close()
    images = steering.finish(images)
    recipe = {
        "sampler": sampler,
        "spacing": spacing,
        "steps": steps,
        "eta": eta,
        "seed": seed,
        "preset": preset.name,
        "weights": base.path.name,
        "weights_sha256": base.digest,
        **steering.recipe(),
    }
    if wishes.controls:
        recipe |= {"control_weights": trained.path.name, "control_sha256": trained.digest}

    def page(pictures):
        if len(wishes.prompts) == 1:
            return grid(pictures, zoom=zoom)
        rows = pictures.reshape(len(wishes.prompts), n, *pictures.shape[1:])
        return labelled(rows, wishes.prompts, zoom=zoom)

    save_png(page(images), out, {**recipe, "prompts": wishes.prompts, "n": n})
    for i, image in enumerate(images if each else ()):
        which = {"prompt": steering.prompts([i])[0], "picture": i % n}
        save_png(image, each / f"{i:05d}.png", {**recipe, **which})
    if gif:
        save_gif([page(frame) for frame in frames] + [page(images)], gif)
    click.echo(
        f"{total} pictures from {base.path}: {', '.join(str(p) for p in (out, each, gif) if p)}"
    )


@dataclass(frozen=True)
class Wishes:
    """What the command line says of the picture, read but not yet held against a model."""

    prompts: list
    asked: bool
    negative: str
    guidance: float
    interval: tuple
    rescale: float
    framing: dict
    controls: list
    control_weights: Path | None
    init: Path | None
    mask: Path | None
    strength: float
    method: str | None

    @property
    def words(self):
        """Whether anything is said."""
        return any(self.prompts) or bool(self.negative)

    @property
    def inputs(self):
        """The picture files that are shown."""
        return [p for p in (self.init, self.mask, *(c.path for c in self.controls)) if p]


def _read_wishes(
    prompts,
    prompt_file,
    negative,
    guidance,
    guidance_interval,
    guidance_rescale,
    crop,
    original_size,
    target_size,
    controls,
    control_weights,
    init,
    mask,
    strength,
    method,
):
    prompts = [*prompts, *(_read_prompts(prompt_file) if prompt_file else ())]
    if len(prompts) > MOST_PROMPTS:
        raise ValueError(f"at most {MOST_PROMPTS} prompts make a grid. Received: {len(prompts)}.")
    interval = _numbers("--guidance-interval", guidance_interval, "FROM,TO", 0, 1)
    if interval[0] >= interval[1]:
        raise ValueError(f"--guidance-interval must rise. Received: {guidance_interval}.")
    check_finite(guidance=guidance, guidance_rescale=guidance_rescale)
    framing = {}
    if crop:
        framing["crop"] = _numbers("--crop", crop, "TOP,LEFT", 0, 10_000, int)
    if original_size:
        framing["original"] = _numbers(
            "--original-size", original_size, "HEIGHT,WIDTH", 1, 10_000, int
        )
    if target_size:
        framing["target"] = _numbers("--target-size", target_size, "HEIGHT,WIDTH", 1, 10_000, int)
    if negative and guidance == 1:
        raise ValueError("--negative needs --guidance other than 1, which is no guidance.")
    if control_weights and not controls:
        raise ValueError("--control-weights needs a control picture: add --control KIND=FILE.")
    for name, value in (("--mask", mask), ("--strength", strength)):
        if value and not init:
            raise ValueError(f"{name} needs a picture to begin with: add --init FILE.")
    if method and not mask:
        raise ValueError("--inpaint needs to know where: add --mask FILE.")
    if controls:
        controls = [Control.parse(words) for words in controls]
    return Wishes(
        prompts or [""],
        bool(prompts or negative or init or controls),
        negative,
        guidance,
        interval,
        guidance_rescale,
        framing,
        list(controls),
        control_weights,
        init,
        mask,
        strength or (1.0 if mask else 0.6),
        method,
    )


def _read_prompts(path):
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ValueError(f"cannot read the prompts in {path}: {reason}.") from None
    lines = [line.strip() for line in lines]
    prompts = [line for line in lines if line and not line.startswith("#")]
    if not prompts:
        raise ValueError(f"there is no prompt in {path}; write one a line.")
    return prompts


def _numbers(name, text, form, least, most, kind=float):
    """Read two numbers with a comma between them."""
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*,\s*(\d+\.?\d*)\s*", text)
    numbers = [float(word) for word in match.groups()] if match else []
    whole = kind is float or all(number == int(number) for number in numbers)
    if not numbers or not whole or not all(least <= number <= most for number in numbers):
        what = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"{name} is {form}, {what} from {least} to {most}. Received: {text!r}.")
    return tuple(kind(number) for number in numbers)


class Steering:
    """What each batch is told: called by `draw` with (denoise, pictures), it wraps the denoiser.

    Raises:
        ValueError: if the model cannot be told that; the sentence says why.
    """

    def __init__(self, wishes, preset, n, path, seed):
        from ddpm.framing import check, framing
        from ddpm.run import read_captions

        self.wishes, self.preset, self.n, self.seed = wishes, preset, n, seed
        self.captions = () if wishes.asked else read_captions(path)
        self.guided = wishes.words and wishes.guidance != 1
        tokenizer = preset.make_tokenizer()
        if wishes.words and tokenizer is None:
            raise ValueError(
                f"{path} was trained without words; leave --prompt and --negative away, or train "
                "with --preset portraits64."
            )
        if wishes.framing and not preset.framing:
            raise ValueError(
                f"{path} was trained without framing; leave --crop, --original-size and "
                "--target-size away, or train with --preset portraits64."
            )
        check(preset.image_size, **wishes.framing)
        self.framing = framing(preset.image_size, **wishes.framing)
        self.tokenizer = tokenizer
        if tokenizer:
            self.negative = tokenizer.encode(wishes.negative)
            for prompt in wishes.prompts:
                tokenizer.encode(prompt)  # a word that it never met is told at once
        size = (preset.image_size, preset.image_size)
        if wishes.controls:
            self.hints, self.strengths, self.windows = stack(wishes.controls, size)
            self.digests = [_digest(control.path) for control in wishes.controls]
        self.method = wishes.method or ("network" if preset.inpainting else "project")
        if self.method == "network" and wishes.method and not preset.inpainting:
            raise ValueError(
                f"{path} was not trained to inpaint; choose --inpaint project or repaint, or train "
                f"it with: python train.py inpaint --weights {path}"
            )
        self.picture = self.mask = None
        if wishes.init:
            picture = read_picture(wishes.init, "picture to begin with")
            self.picture = resize(middle(picture, size), size)
        if wishes.mask:
            mask = read_picture(wishes.mask, "mask", "black")
            if mask.shape != picture.shape:
                raise ValueError(
                    f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels and the picture "
                    f"{picture.shape[1]} x {picture.shape[0]}; make them the same."
                )
            self.mask = resize(middle(mask, size), size)[..., :1].astype(np.float32) / 255
            if not self.mask.any():
                where = "outside the picture's middle square" if mask.any() else "nowhere"
                raise ValueError(f"the mask {wishes.mask} is white {where}: nothing is painted.")

    def prompts(self, pictures):
        """What each of the pictures is told in words. Where nothing is asked for, that is a caption
        of the training set; see `Trained.unasked`."""
        if self.captions:
            from ddpm.condition import choose_captions

            return choose_captions(self.captions, self.seed, pictures)
        prompts = self.wishes.prompts
        return [prompts[i // self.n % len(prompts)] for i in pictures]

    def sampler(self, word):
        """The sampler: RePaint has one of its own."""
        if self.mask is None or self.method != "repaint":
            return word
        return functools.partial(
            sample_repaint, picture=to_float(self.picture[None]), mask=self.mask[None]
        )

    def start(self, schedule):
        """Where a batch begins: see `draw`."""
        if self.picture is None:
            return lambda timesteps, eps: (timesteps, eps)
        picture, strength = to_float(self.picture[None]), self.wishes.strength
        return lambda timesteps, eps: begin(schedule, timesteps, picture, eps, strength)

    def finish(self, images):
        """What lies outside the mask, as it was."""
        return images if self.mask is None else composite(self.picture, images, self.mask)

    def __call__(self, denoise, pictures):
        denoise = self._told(denoise, pictures)
        if self.mask is None or self.method == "repaint":  # which keeps to the picture itself
            return denoise
        return projected(denoise, to_float(self.picture[None]), self.mask[None])

    def _told(self, denoise, pictures):
        from ddpm.guidance import conditioned, guided, scheduled

        T, wishes = self.preset.timesteps, self.wishes
        positive = self._condition(pictures)
        if not positive:
            return denoise
        if wishes.controls:
            denoise = scheduled(denoise, self.windows, T)
        if not self.guided:
            return conditioned(denoise, positive)
        negative = dict(positive, tokens=np.tile(self.negative, (len(pictures), 1)))
        return guided(
            denoise, positive, negative, wishes.guidance, wishes.interval, wishes.rescale, T
        )

    def _condition(self, pictures):
        condition = {}
        if self.preset.vocabulary:
            condition["tokens"] = self.tokenizer.encode_all(self.prompts(pictures))
        if self.preset.framing:
            condition["framing"] = np.tile(self.framing, (len(pictures), 1))
        if self.wishes.controls:
            condition["hints"] = np.tile(self.hints, (len(pictures), 1, 1, 1))
            condition["strengths"] = np.tile(self.strengths, (len(pictures), 1))
        if self.mask is not None and self.method == "network":
            alike = (len(pictures), 1, 1, 1)
            condition |= seen(np.tile(to_float(self.picture), alike), np.tile(self.mask, alike))
        return condition

    def recipe(self):
        """What a picture's file says of it."""
        wishes, recipe = self.wishes, {}
        if self.captions:
            recipe["prompts_from"] = "the captions in the weights file, by seed"
        if wishes.words:
            recipe |= {
                "negative": wishes.negative,
                "guidance": wishes.guidance,
                "guidance_interval": wishes.interval,
                "guidance_rescale": wishes.rescale,
            }
        if self.preset.framing:
            names = ("original_size", "crop", "target_size")
            pairs = self.framing.astype(int).reshape(3, 2).tolist()
            recipe |= dict(zip(names, pairs, strict=True))
        if wishes.init:
            recipe |= {"init": wishes.init.name, "strength": wishes.strength}
        if wishes.mask:
            recipe |= {"mask": wishes.mask.name, "inpaint": self.method}
            if self.method == "repaint":
                recipe["sampler"] = "repaint"
        if wishes.controls:
            recipe["controls"] = [
                {
                    "kind": control.kind,
                    "file": control.path.name,
                    "sha256": digest,
                    "strength": control.strength,
                    "window": control.window,
                }
                for control, digest in zip(wishes.controls, self.digests, strict=True)
            ]
        return recipe


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _check_outputs(frames, out, each, gif, inputs):
    """Refuse at once what could not be written at the end, or only over what is read."""
    for path in inputs:
        there = path.resolve()
        single = each and there.parent == each.resolve() and re.fullmatch(r"\d{5,}\.png", path.name)
        if single or there in {p.resolve() for p in (out, gif) if p}:
            raise ValueError(f"{path} would be written over; choose another place for the results.")
    for path, ending in ((out, ".png"), (gif, ".gif")):
        if path and (path.suffix.lower() != ending or path.is_dir()):
            raise ValueError(f"{path} should be a file that ends in {ending}.")
    for folder in {path.parent for path in (out, gif) if path} | ({each} if each else set()):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise ValueError(f"{there} is a file; a folder is needed there.")
        if not os.access(there, os.W_OK):
            raise ValueError(f"nothing can be written into {there}; name another place.")
    if gif and frames > MOST_FRAMES:
        raise ValueError(
            f"an animation holds at most {MOST_FRAMES} pictures, --n times --steps. "
            f"Received: {frames}."
        )


def _check_words(sampler, spacing, eta):
    for what, word, table in (("sampler", sampler, SAMPLERS), ("spacing", spacing, SPACINGS)):
        if word not in table:
            raise ValueError(f"unknown {what} {word!r}; choose one of {', '.join(table)}.")
    if eta and sampler != "ddim":
        raise ValueError(f"--eta belongs to the ddim sampler. Received: --sampler {sampler}.")


if __name__ == "__main__":
    main()
