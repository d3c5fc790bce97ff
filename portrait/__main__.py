"""`python -m portrait`: faces painted from one photo into another, people learned from photos."""

import os
import shlex
import sys
from dataclasses import fields
from pathlib import Path

import click

from common.cli import STOPPED, count, note, printable, progress, sentences
from common.devices import start_backend
from common.files import check_writable, write_text
from common.images import find_images, image_format
from portrait.settings import Settings

os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _settings(command):
    """Give a command an option for every setting."""
    for field in reversed(fields(Settings)):
        name = f"--{field.name.replace('_', '-')}"
        command = click.option(name, type=field.type, default=field.default)(command)
    return command


@click.group(context_settings={"show_default": True})
def main():
    """Learn people from photos, and paint portraits into photographs."""


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
@click.option("--out", type=Path, default=Path("portrait.png"))
@click.option("--report", "page", type=Path, help="HTML page of all stages.")
@click.option("--steps-dir", type=Path, help="Folder for every stage's picture.")
@click.option(
    "--since",
    help="Take the stages before this one from --steps-dir, as with another --seed: one of "
    "replaced, fused, reconstructed, coloured, likeness, border, retouched.",
)
@click.option("--weights", type=Path, help="Model.  [default: the shipped one]")
@click.option("--control-weights", type=Path, help="Its control branch.  [default: its own]")
@click.option("--identity", default="auto", help="Of the scores: dlib, encoder or auto.")
@_settings
@sentences()
def reconstruct(photo, references, faces, out, page, steps_dir, since, weights, control_weights,
                identity, **numbers):  # fmt: skip
    """Paint the face of one photo into another; in a PNG, what is not painted keeps every bit."""
    # Here, so that --help does not wait for the face detector.
    from portrait.painter import Painter
    from portrait.report import render
    from portrait.session import Session
    from portrait.stages import STAGES

    settings = Settings(**numbers)
    _check(photo, references, faces, out, page, steps_dir, since)
    session = Session(photo, references, faces, identity)
    for sentence in session.notes:
        note(sentence)
    start_backend()  # only now: it takes seconds, and bad input should not wait for it
    painter = Painter(weights, control_weights)
    for sentence in painter.check(settings.prompt, settings.negative):
        note(sentence)
    with progress(len(session.pairs) * len(STAGES), "painting", "stage") as bar:

        def observe(number, stage, done, of):
            at = f"face {number}: {stage}" + (f" {done}/{of}" if of > 1 else "")
            bar.set_postfix_str(at, refresh=False)
            bar.update((number - 1) * len(STAGES) + STAGES.index(stage) + (done == of) - bar.n)

        image, portraits = session.paint(painter, settings, steps_dir, since, observe)
    for pair, portrait in zip(session.pairs, portraits, strict=True):
        last = portrait.scores[STAGES[-1]]
        click.echo(
            f"{printable(pair[1])}: identity {last['reference']:.2f} to the reference, "
            f"{last['template']:.2f} to the template; seam {last['seam']:.2f}, colour "
            f"{last['colour']:.1f}."
        )
    session.template.write(image, out, session.recipe(painter, settings))
    if page:
        names = [pair[1] for pair in session.pairs]
        template = session.template.image
        write_text(render(template, image, portraits, names, settings, painter.name), page)
    click.echo(", ".join(printable(path) for path in (out, page, steps_dir) if path))


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
@click.option("--steps", type=click.IntRange(1), help="Of the training.  [default: 400]")
@click.option("--seed", type=click.IntRange(0), help="Of all noise.  [default: 0]")
@click.option("--choose-only", is_flag=True, help="Choose and prepare the photos, and stop.")
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped or killed.")
@click.option("--overwrite", is_flag=True, help="Replace what was learned otherwise before.")
@sentences("the disk is full; what was saved before is safe. Make room and add --resume.")
def learn(photos, out, noun, top, embedder, workers, choose_only, resume, overwrite, **how):
    """Learn a person from PHOTOS, a folder: choose among them, train an adapter on those that
    count, and keep what is most like the person. To --resume, PHOTOS need not be named."""
    from portrait import learning, person

    if resume and (overwrite or choose_only):
        raise ValueError("--resume goes on with what there is; leave the other option away.")
    learning.set_up_backend()  # before who is seen in photos is asked of it
    if photos is None:
        record = person.read_record(out)
        if not resume or record is None:
            raise ValueError(f"name the folder of photos; {out} holds no person to go on with.")
        plan = learning.make_plan(record["trigger"], record["noun"], **how)
    else:
        wanted = person.want(photos, out, noun, top, embedder)
        plan = None if choose_only else learning.make_plan(wanted.trigger, noun, **how)
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


def _say_ready(out):
    from portrait import person

    record = person.read_record(out)
    squares, learned = count(len(record["photos"]), "square"), record.get("learned")
    how = f", learned in {count(learned['checkpoints'][-1]['step'], 'step')}" if learned else ""
    click.echo(printable(f"{out} is ready already: {squares} of {record['trigger']}{how}."))


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
