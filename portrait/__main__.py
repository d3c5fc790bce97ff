"""`python -m portrait`: faces painted from one photo into another, people learned from photos and
drawn."""

import os
import shlex
import sys
from dataclasses import fields
from pathlib import Path

import click
import numpy as np

from common.cli import STOPPED, count, note, printable, progress, sentences
from common.devices import start_backend
from common.files import check_writable, write_text
from common.images import find_images, image_format
from portrait.settings import HELP, Settings

os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _settings(command):
    """Give a command an option for every setting."""
    for field in reversed(fields(Settings)):
        name = f"--{field.name.replace('_', '-')}"
        said = HELP[field.name][0].upper() + HELP[field.name][1:] + "."
        command = click.option(name, type=field.type, default=field.default, help=said)(command)
    return command


@click.group(context_settings={"show_default": True})
def main():
    """Learn people from photos, draw them, and paint portraits into photographs."""


@main.command()
@click.option("--template", "photo", type=Path, required=True, help="The photo to paint into.")
@click.option(
    "--face",
    "references",
    multiple=True,
    help="Photo of the face to paint; for several faces one each, from left to right; 'skip' "
    "leaves a face as it is.",
)
@click.option("--faces", type=Path, help="Folder of photos of one person; the best is taken.")
@click.option(
    "--person",
    "people",
    multiple=True,
    help="Folder of a learned person, in place of --face; for several faces one each, from left to "
    "right, or 'skip'.",
)
@click.option("--out", type=Path, default=Path("portrait.png"))
@click.option("--report", "page", type=Path, help="HTML page of all stages.")
@click.option("--steps-dir", type=Path, help="Folder for every stage's picture.")
@click.option(
    "--since",
    help="Take the stages before this one from --steps-dir, as with another --seed: one of "
    "replaced, fused, reconstructed, coloured, likeness, border, retouched.",
)
@click.option("--weights", type=Path, help="Model.  [default: portraits64]")
@click.option("--control-weights", type=Path, help="Its control branch.  [default: its own]")
@click.option("--identity", default="auto", help="Of the scores: dlib, encoder or auto.")
@click.option("--anyway", is_flag=True, help="Paint, whatever is doubted of the photos.")
@_settings
@sentences()
def reconstruct(photo, references, faces, people, out, page, steps_dir, since, weights,
                control_weights, identity, anyway, **numbers):  # fmt: skip
    """Paint the face of one photo, or a learned person's, into another photo; in a PNG, what is not
    painted keeps every bit."""
    # Here, so that --help does not wait for the face detector.
    from portrait.checks import Doubt
    from portrait.known import load_person
    from portrait.painter import Painter
    from portrait.report import render
    from portrait.session import SKIP, Session
    from portrait.stages import STAGES

    settings = Settings(**numbers)
    _check(photo, references, faces, out, page, steps_dir, since)
    if people and (references or faces):
        raise ValueError("name photos, or learned people with --person, but not both.")
    people = [one if one == SKIP else load_person(one) for one in people]
    try:
        session = Session(photo, references, faces, identity, people, anyway)
    except Doubt as doubt:
        raise ValueError(f"{str(doubt).removesuffix('.')}, or add --anyway to go on.") from None
    for sentence in session.notes:
        note(sentence)
    start_backend()  # only now: it takes seconds, and bad input should not wait for it
    painters = []
    for i, one in enumerate(session.people):
        if one is not None:
            own = weights or one.weights
            painter = Painter(own, control_weights, [one.addon(settings.adapter_strength)])
        elif i == 0:
            painter = Painter(weights, control_weights)
        painters.append(painter)
        own = session.settings_of(i, settings)
        for sentence in painter.check(own.prompt, own.negative):
            note(sentence)
    with progress(len(session.pairs) * len(STAGES), "painting", "stage") as bar:

        def observe(number, stage, done, of):
            at = f"face {number}: {stage}" + (f" {done}/{of}" if of > 1 else "")
            bar.set_postfix_str(at, refresh=False)
            bar.update((number - 1) * len(STAGES) + STAGES.index(stage) + (done == of) - bar.n)

        image, portraits = session.paint(painters, settings, steps_dir, since, observe)
    for pair, portrait in zip(session.pairs, portraits, strict=True):
        last = portrait.scores[STAGES[-1]]
        click.echo(
            f"{printable(pair[1])}: identity {last['reference']:.2f} to the reference, "
            f"{last['template']:.2f} to the template; seam {last['seam']:.2f}, colour "
            f"{last['colour']:.1f}."
        )
        for fault in portrait.verdict.faults:
            note(f"{pair[1]}: look at the result, for {fault}.")
    session.template.write(image, out, session.recipe(painters, settings, portraits))
    if page:
        names = [pair[1] for pair in session.pairs]
        template = session.template.image
        write_text(render(template, image, portraits, names, settings, painters[0].name), page)
    click.echo(", ".join(printable(path) for path in (out, page, steps_dir) if path))


@main.command()
@click.option("--person", "folder", type=Path, required=True, help="Folder of a learned person.")
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    help="What to draw, with the person's word; may be repeated.  [default: a photo of them]",
)
@click.option("--negative", default="", help="What to keep away from.")
@click.option("--n", type=click.IntRange(1), default=8, help="Pictures of each prompt.")
@click.option("--out", type=Path, default=Path("painted.png"), help="The grid, a PNG.")
@click.option("--each", type=Path, help="Folder for single pictures besides.")
@click.option("--strength", type=click.FloatRange(0, 4), default=0.9, help="Of the adapter.")
@click.option("--guidance", type=click.FloatRange(0, 100), default=3.0, help="Of the words.")
@click.option("--steps", type=click.IntRange(1), default=20, help="Levels to visit.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of all noise.")
@click.option("--weights", type=Path, help="Model.  [default: that of the person]")
@sentences()
def paint(folder, prompts, negative, n, out, each, strength, weights, **how):
    """Draw a learned person from words alone."""
    from common.sheets import save_png
    from ddpm import cli
    from ddpm.bundle import find_bundle, read_preset
    from ddpm.pipeline import Pipeline, Request, check_request
    from ddpm.tokens import preset_with_words
    from portrait.known import load_person

    cli.check_outputs((), out, each, None)
    person = load_person(folder)
    prompts = prompts or (person.saying(),)
    for prompt in prompts:
        if not person.says(prompt):
            note(f"the prompt does not say {person.trigger}: drawn as {person.saying(prompt)!r}.")
    prompts = tuple(map(person.saying, prompts))
    request = Request(n=n, prompts=prompts, negative=negative, **how)
    path, addon = find_bundle(weights or person.weights), person.addon(strength)
    preset = preset_with_words(read_preset(path), [addon], path)
    check_request(request, preset, path)
    zoom = cli.check_sizes(request, (preset.size, preset.size), None, None)
    pipeline = Pipeline.load(path, addons=[addon])
    for sentence in pipeline.notes(request):
        note(sentence)
    pictures, _ = cli.draw(pipeline, request, False)
    recipe = {**pipeline.recipe(request), "person": person.trigger}
    save_png(cli.sheet(pictures, request, zoom), out, recipe)
    if each:
        cli.save_each(pictures, request, np.repeat(prompts, n).tolist(), each, recipe)
    written = ", ".join(printable(path) for path in (out, each) if path)
    click.echo(f"{count(request.total, 'picture')} of {person.trigger}: {written}")


@main.command()
@click.argument("photos", type=Path, required=False)
@click.option("--out", type=Path, required=True, help="The person's folder; its name is the word.")
@click.option("--noun", default="", help="What the person is: woman or man")
@click.option("--top", type=click.IntRange(5), default=15, help="How many photos at most.")
@click.option("--identity", "embedder", default="auto", help="Who is it: dlib, encoder or auto.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one a core]")
@click.option(
    "--weights",
    type=Path,
    help="Run folder, weights file, or a shipped model's name.  [default: portraits64]",
)
@click.option(
    "--steps",
    type=click.IntRange(0),
    help="Of the training; 0 only --fast.  [default: 400, and 40 --fast]",
)
@click.option("--seed", type=click.IntRange(0), help="Of all noise.  [default: 0]")
@click.option(
    "--fast", is_flag=True, help="Learn from one photo, the best of PHOTOS, by a hypernetwork."
)
@click.option(
    "--hyper", type=Path, help="With --fast: its file or run.  [default: the newest run's]"
)
@click.option("--choose-only", is_flag=True, help="Choose and prepare the photos, and stop.")
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped or killed.")
@click.option("--overwrite", is_flag=True, help="Replace what was learned otherwise before.")
@sentences("the disk is full; what was saved before is safe. Make room and add --resume.")
def learn(photos, out, noun, top, embedder, workers, choose_only, resume, overwrite, fast, hyper,
          **how):  # fmt: skip
    """Learn a person from PHOTOS, a folder: choose among them, train an adapter on those that
    count, and keep what is most like the person. To --resume, PHOTOS need not be named. With --fast
    PHOTOS may be one photo: a hypernetwork predicts the adapter, and a few steps refine it."""
    from portrait import learning, person

    if fast:
        _learn_fast(photos, out, noun, embedder, hyper, overwrite, resume or choose_only, **how)
        return
    if hyper or how["steps"] == 0:
        raise ValueError("--hyper and --steps 0 are for learning from one photo; add --fast.")
    if resume and (overwrite or choose_only):
        raise ValueError("--resume goes on with what there is; leave the other option away.")
    learning.set_up_backend()  # before who is seen in photos is asked of it
    begins, plan = not choose_only and (overwrite or not learning.state(out)), None
    if photos is None:
        record = person.read_record(out)
        if not resume or record is None:
            raise ValueError(f"name the folder of photos; {out} holds no person to go on with.")
        if begins:
            plan = learning.make_plan(record["trigger"], record["noun"], **how)
    else:
        wanted = person.want(photos, out, noun, top, embedder)
        if begins:
            plan = learning.make_plan(wanted.trigger, wanted.noun, **how)
        if not person.is_learned(out, wanted, overwrite):
            _choose(out, wanted, workers)
        elif choose_only:
            _say_ready(out)
    if choose_only:
        return
    plan = learning.settle(out, plan, resume, overwrite, **how)
    if plan is None:
        _say_ready(out)
        return
    result = learning.train(out, plan, workers)
    if result is None:
        again = f"python -m portrait learn --resume --out {shlex.quote(str(out))}"
        click.echo(printable(f"Stopped and saved. Go on with: {again}"))
        sys.exit(STOPPED)
    click.echo(printable(learning.told(result, out)))


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=7860, help="Of this machine.")
@click.option("--no-browser", is_flag=True, help="Only say where the page is.")
@click.option("--weights", type=Path, help="Model.  [default: portraits64]")
@click.option("--people", type=Path, default=Path("people"), help="Folder of learned people.")
@click.option("--listen", is_flag=True, help="Let other machines in, who know the password.")
@click.option(
    "--password",
    default="",
    show_default=False,
    envvar="PORTRAITS_PASSWORD",
    help="With --listen; the environment variable PORTRAITS_PASSWORD hides it from other users.",
)
@sentences()
def studio(port, no_browser, weights, people, listen, password):
    """Open the studio: a page in the browser that draws, paints, learns people and shows how it
    works. Only this machine can open it, and it asks nothing of any other."""
    from portrait.web import server

    server.check_password(listen, password)
    with server.reserve(port, listen) as place:  # before the model is loaded, which takes seconds
        server.check_installed()
        start_backend()
        server.run(place, weights, not no_browser, people, password)


def _say_ready(out):
    from portrait import person

    record = person.read_record(out)
    squares, learned = count(len(record["photos"]), "square"), record.get("learned")
    how = f", learned in {count(learned['checkpoints'][-1]['step'], 'step')}" if learned else ""
    click.echo(printable(f"{out} is ready already: {squares} of {record['trigger']}{how}."))


def _learn_fast(photos, out, noun, embedder, hyper, overwrite, other, **how):
    """Learn a person from one photo."""
    from portrait import fast, learning, person

    if other:
        raise ValueError("--fast takes seconds; leave --resume and --choose-only away.")
    if photos is None:
        raise ValueError("name a photo, or a folder of photos.")
    learning.set_up_backend()
    # The best one: so it is told from a person who was learned from all of these photos.
    wanted = person.want(photos, out, noun, 1, embedder)
    plan, hyper = fast.make_plan(wanted, hyper, **how)
    if person.is_learned(out, wanted, overwrite) and not overwrite:
        other = fast.differing(out, plan, hyper)
        if other:
            raise ValueError(
                f"{out} holds a person learned with other {other}; name another --out, or add "
                "--overwrite."
            )
        _say_ready(out)
        return
    choice = fast.choose(wanted)
    best = printable(wanted.name_of(choice.reference.path))
    click.echo(f"{best} shows {wanted.trigger} best.", err=True)
    if not fast.learn(out, wanted, choice, plan, hyper):
        click.echo("Stopped; nothing was kept.")
        sys.exit(STOPPED)
    click.echo(printable(fast.told(out)))


def _choose(out, wanted, workers):
    """Choose and prepare the photos of a person, and write their folder.

    Raises:
        ValueError: nobody can be learned from them; the page says why.
    """
    from portrait import person

    click.echo(f"Measuring {count(len(wanted.paths), 'photo')} ...", err=True)
    choice = person.survey(wanted, workers)
    _table(choice, wanted)
    if choice.problem:
        page = person.refuse(out, wanted, choice)
        seen = f"; see {page}." if page else "."
        raise ValueError(f"{wanted.photos}: {choice.problem}{seen}")
    click.echo(f"Preparing {count(len(choice.used), 'square')} ...", err=True)
    made = person.keep(out, wanted, choice, workers=workers)
    mended = [sum(one.restored for one in made), sum(one.retouched for one in made)]
    click.echo(
        printable(
            f"{out}: {count(len(made), 'square')} of {wanted.trigger}, {mended[0]} enlarged, "
            f"{mended[1]} smoothed; see {out / person.PAGE}."
        )
    )


def _table(choice, wanted):
    """Print which photos count, and why the others do not."""
    rows = [(printable(wanted.name_of(v.photo.path)), v) for v in choice.verdicts]
    width = max(len(name) for name, _ in rows)
    click.echo(f"rank  id    quality  total  {'photo':{width}}  (likeness by {wanted.embedder})")
    for place, (name, verdict) in enumerate(rows, 1):
        best = verdict.photo.best
        numbers = "   -        -      -"
        if best is not None:
            numbers = f"{best.id:4.2f}  {best.measured.quality.total:7.2f}  {best.total:5.2f}"
        marks = [
            f"<- {word}"
            for word, marked in (("reference", choice.reference), ("pivot", choice.pivot))
            if marked is verdict.photo
        ]
        said = "  ".join(filter(None, [verdict.reason, *marks]))
        rank = f"{place:4}" if verdict.counts else "   -"
        click.echo(f"{rank}  {numbers}  {name:{width}}  {printable(said)}".rstrip())


def _check(photo, references, faces, out, page, steps_dir, since):
    """Refuse what could not be written at the end, and stages that are not there.

    Raises:
        ValueError, OSError: one sentence.
    """
    from portrait.stages import STAGES

    image_format(out)
    for path in filter(None, (out, page, steps_dir and steps_dir / "stage")):
        check_writable(path)
    if page and page.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{page}: name the page .html.")
    _spare([photo, *references, *(find_images(faces) if faces else ())], out, page, steps_dir)
    if since and since not in STAGES[1:]:
        raise ValueError(f"--since is one of {', '.join(STAGES[1:])}. Received: {since!r}.")
    if since and not steps_dir:
        raise ValueError("--since needs the earlier stages: add --steps-dir DIR.")


def _spare(photos, out, page, steps_dir):
    """Refuse to write over a photo."""
    photos = {Path(path).resolve() for path in photos}
    for path in filter(None, (out, page)):
        if path.resolve() in photos:
            raise ValueError(f"{path} is one of the photos: choose another name for it.")
    if steps_dir and steps_dir.resolve() in {path.parent.parent for path in photos}:
        raise ValueError(f"{steps_dir} holds photos in its folders: name another --steps-dir.")


if __name__ == "__main__":
    main(prog_name="python -m portrait")
