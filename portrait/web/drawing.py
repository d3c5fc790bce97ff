"""What the tab "Draw" does: from the fields of a form to pictures, step by step."""

import secrets
from dataclasses import dataclass, replace

import numpy as np

from common.cli import count, describe
from common.images import read_image
from common.sheets import fitting_zoom, grid, read_recipe
from ddpm import cli
from ddpm.bundle import vocabulary_of
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import SPACINGS
from ddpm.pipeline import Request, check_request
from portrait.web import framing, markup
from portrait.web.jobs import Clock, Watched

MAX_PICTURES = 64  # of a request
SEEDS = 2**31  # random ones are smaller
MAX_SEED = 2**53 - 1  # beyond, a browser's numbers are not exact
UNKNOWN = 128  # grey of a picture that has not begun
MAX_QUOTED = 60  # characters of a recipe's value in a sentence
WARMING = "warming up"  # the page of a job that no page has asked for
# What is taken over from a recipe, and its type.
RECIPE = {"prompt": str, "negative": str, "n": int, "seed": int, "steps": int}
RECIPE |= {"guidance": (int, float), "sampler": str, "spacing": str}


@dataclass(frozen=True)
class Form:
    """The fields of the tab, as a user has filled them in.

    Args:
        prompt, negative: text; an empty prompt leaves it open.
        n: number of pictures.
        seed: of the noise.
        new_seed: whether to take another one each time.
        guidance: of the words; 1 is none.
        steps, sampler, spacing: as of `Request`.
        framing: a word of `framing.FRAMINGS`.
        original_size, crop, target_size: text, two numbers each, of the framing "by numbers"; an
            empty one leaves it as trained.
    """

    prompt: str = ""
    negative: str = ""
    n: float = 4
    seed: float = 0
    new_seed: bool = False
    guidance: float = 3.0
    steps: float = 10
    sampler: str = "dpmpp_2m"
    spacing: str = "karras"
    framing: str = framing.AS_TRAINED
    original_size: str = ""
    crop: str = ""
    target_size: str = ""


@dataclass(frozen=True)
class View:
    """What is to be seen of a job.

    Args:
        status: a sentence; "" where there is nothing to say.
        share: how much is done, 0 to 1; None where no work goes on.
        preview: uint8 (H, W, 3), or None.
        files: paths of finished pictures.
        seed: that they are drawn with, or None.
        notes: sentences worth telling.
        problem: why nothing is drawn, or "".
    """

    status: str = ""
    share: float | None = None
    preview: np.ndarray | None = None
    files: tuple = ()
    seed: int | None = None
    notes: tuple = ()
    problem: str = ""


def explained(steps, shown=lambda view: view):
    """What a job yields, and at the end the sentence that a shell would show, where it failed.

    Args:
        steps: iterable of `View`, or of what `shown` makes of one.
        shown: makes of the last `View` what the others are.
    """
    try:
        yield from steps
    except (ValueError, OSError) as error:
        yield shown(View(problem=describe(error)))


def draw(studio, form, job):
    """Draw what a form asks for.

    Args:
        studio: `studio.Studio`.
        form: `Form`.
        job: `jobs.Job`.

    Yields:
        `View`: one a step, with x0_hat; then the files. Where the job was stopped, these hold
        x0_hat as it was.
    """
    yield from explained(_draw(studio, form, job))


def _draw(studio, form, job):
    pipeline = studio.pipeline
    form = settled(form)
    request = request_of(form, pipeline.size)
    check(studio, request)

    def save(images, recipe):
        texts, folder = pipeline.prompts(request)[: len(images)], studio.new_folder()
        cli.save_each(images, request, texts, folder, recipe)
        return sorted(folder.iterdir())

    yield from kept(studio, request, job, tuple(pipeline.notes(request)), save)


def warm_up(studio):
    """Draw what nobody sees, in a thread: the first drawing with a prompt and the first one without
    compile networks, for which nobody should have to wait.

    Args:
        studio: `studio.Studio`.
    """
    studio.jobs.exhaust(_warm_up(studio, studio.jobs.begin(WARMING)))


def _warm_up(studio, job):
    words = vocabulary_of(studio.pipeline.model.preset)
    try:
        for prompt in (*words[:1], ""):
            yield from steps_of(studio, request_of(Form(prompt=prompt, steps=1)), job)
    finally:
        studio.jobs.end(WARMING, job)


def settled(form):
    """The form with the seed that it asks for."""
    return replace(form, seed=secrets.randbelow(SEEDS)) if form.new_seed else form


def request_of(form, size=None):
    """A `Request` of a form.

    Args:
        form: `Form`.
        size: height and width of the model's pictures, pixels; not needed of a form whose framing
            is as trained or by numbers.

    Raises:
        ValueError: one sentence.
    """
    n, seed, steps = (_whole(value) for value in (form.n, form.seed, form.steps))
    prompt, negative = (form.prompt or "").strip(), (form.negative or "").strip()
    if negative and form.guidance == 1:
        raise ValueError("a negative prompt needs guidance other than 1, which is no guidance.")
    request = Request(
        n=n,
        prompts=(prompt,) if prompt else (),
        negative=negative,
        guidance=number("guidance", form.guidance),
        steps=steps,
        sampler=form.sampler,
        spacing=form.spacing,
        seed=seed,
        **framing.asked(form, size),
    )
    if seed > MAX_SEED:
        raise ValueError(f"seed lies between 0 and {MAX_SEED}. Received: {seed}.")
    if n > MAX_PICTURES:
        raise ValueError(f"at most {MAX_PICTURES} pictures are drawn at once. Received: {n}.")
    return replace(request, batch_size=batch_size(n))


def check(studio, request):
    """Refuse what the studio's model cannot do.

    Args:
        studio: `studio.Studio`.
        request: `Request`.

    Raises:
        ValueError: one sentence.
    """
    preset = studio.pipeline.model.preset
    if request.has_size_crop and "size_crop" not in preset.network.conditions:
        raise ValueError(
            f"{studio.name} was trained without framing; choose the framing {framing.AS_TRAINED!r}."
        )
    check_request(request, preset, studio.name)


def batch_size(n):
    """Pictures computed at once: the next power of two, so that few networks are compiled."""
    return min(1 << (n - 1).bit_length(), cli.BATCH)


def _whole(value):
    """A field's number as int where it is whole; `Request` refuses others."""
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def number(name, value):
    """A field's number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a number. Received: {value!r}.")
    return value


def steps_of(studio, request, job, pipeline=None):
    """Draw a request and say how far it is.

    Args:
        studio: `studio.Studio`.
        request: `Request`.
        job: `jobs.Job`.
        pipeline: `Pipeline` that draws it; None for the studio's.

    Yields:
        (`View`, pictures): uint8 (total, S, S, 3) with the last view, those that had begun where
        the job was stopped; else None.
    """
    if studio.model.locked():
        yield View("Waiting for the model ...", 0.0), None
    with studio.model:
        if job.stopped:
            yield View("Stopped before it began."), None
            return
        pipeline, total = pipeline or studio.pipeline, request.total
        steps, size, shown = pipeline.visited(request), pipeline.size, 0
        frames = np.full((total, size, size, 3), UNKNOWN, np.uint8)
        zoom = fitting_zoom(total, size, size)
        clock, view = Clock(steps * total), View("Beginning ...", 0.0)
        yield view, None

        def work(tell):
            return pipeline.draw(request, lambda *event: tell(event))

        watched = Watched(work, job)
        for indices, i, pictures in watched:
            frames[indices.start : indices.stop] = pictures
            shown = max(shown, indices.stop)
            clock.step(len(indices))
            status = f"Step {i + 1} of {steps}"
            if total > request.batch_size:
                status += f", pictures {indices.start + 1} to {indices.stop} of {total}"
            left = clock.seconds_left()
            if left is not None:
                status += f", about {markup.duration(left)} left"
            sheet = grid(frames, zoom=zoom)
            view = View(f"{status}.", clock.done / clock.total, sheet)
            yield view, None
        if watched.result is None:
            said = f"Stopped at step {i + 1} of {steps}." if shown else "Stopped."
            yield View(said), frames[:shown] if shown else None
        else:
            yield View(f"{count(total, 'picture')}."), watched.result


def kept(studio, request, job, notes, save, pipeline=None):
    """Draw a request as `steps_of`, and keep what came of it.

    Args:
        studio, request, job, pipeline: as of `steps_of`.
        notes: sentences worth telling.
        save: (uint8 (total, S, S, 3), recipe) -> paths of the files that it has written.

    Yields:
        `View`: one a step, then the files, if there are any.
    """
    images = None
    for view, pictures in steps_of(studio, request, job, pipeline):
        images = pictures
        yield replace(view, seed=request.seed, notes=notes)
    if images is None:
        return
    stopped = {"stopped": view.status} if job.stopped else {}
    files = tuple(save(images, (pipeline or studio.pipeline).recipe(request) | stopped))
    status = view.status if job.stopped else f"{count(len(files), 'picture')}."
    yield View(status, files=files, seed=request.seed, notes=notes)


# --- pictures that say how they were made


def look(path):
    """A picture made here: (uint8 (H, W, 3), its recipe).

    Raises:
        ValueError: one sentence.
    """
    recipe = read_recipe(path)
    return read_image(path), recipe


def form_of(recipe):
    """The form that draws a recipe's picture again.

    Args:
        recipe: dict, of any file.

    Returns:
        `Form`.

    Raises:
        ValueError: one sentence, where "Draw" cannot make it.
    """
    made_otherwise = {
        "template": "a portrait",
        "init": "painted into a photograph",
        "varied_from": "a variation of another picture",
        "grid": "a grid of two settings",
    }
    for key, what in made_otherwise.items():
        if key in recipe:
            raise ValueError(f"the picture is {what}; Draw begins with noise alone.")
    return read_form(recipe, "Draw")


def read_form(recipe, tab):
    """The form of a recipe, whatever else the recipe says.

    Args:
        recipe: dict, of any file.
        tab: its name, for the sentences.

    Returns:
        `Form`.

    Raises:
        ValueError: one sentence.
    """
    prompts = recipe.get("prompts")
    found = {"prompt": prompts[0]} if isinstance(prompts, list) and prompts else {}
    found |= {name: recipe[name] for name in RECIPE if name in recipe}
    if "prompts_from" in recipe:  # its caption was chosen by the seed, and will be again
        found["prompt"] = ""
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, RECIPE[name]):
            raise ValueError(f"the recipe's {name} is {str(value)[:MAX_QUOTED]!r}.")
    form = Form(**found, **framing.of_recipe(recipe))
    if form.sampler not in SAMPLERS or form.spacing not in SPACINGS:
        raise ValueError(
            f"{tab} does not know the sampler {form.sampler[:MAX_QUOTED]!r} with the spacing "
            f"{form.spacing[:MAX_QUOTED]!r}."
        )
    request_of(form, framing.size_of(recipe))
    return form
