"""`python -m facekit`: sort, crop, mask and fuse the faces of photos."""

import functools
import importlib
import json
from pathlib import Path

import click

from common.cli import check_finite, count, printable, sentences
from common.files import check_writable, write_text

EMBEDDER = click.option(
    "--identity",
    "embedder",
    default="auto",
    help="Who is it: dlib, encoder, or auto (dlib where installed).",
)
WORKERS = click.option(
    "--workers", type=click.IntRange(1), help="Processes.  [default: one a core]"
)


TRAININGS = ("train_parser", "train_restorer", "train_retoucher")


class Commands(click.Group):
    """The commands, of which trainings are imported only when they are asked for: they take longer
    than all others together."""

    def list_commands(self, context):
        return [*super().list_commands(context), *TRAININGS]

    def get_command(self, context, name):
        if name not in TRAININGS:
            return super().get_command(context, name)
        return importlib.import_module(f"facekit.{name}").main


@click.group(cls=Commands, context_settings={"show_default": True})
def main():
    """Find, score, align, mask and fuse faces in photos.

    PHOTOS and IN are a photo or a folder of them.
    """


@main.command()
@click.argument("photos", type=Path)
@click.option("--top", type=click.IntRange(1), default=15, help="How many to list, and to copy.")
@click.option("--out", type=Path, help="Folder to copy the best photos to, numbered by rank.")
@click.option("--json", "json_file", type=Path, help="File for all scores.")
@EMBEDDER
@WORKERS
@sentences()
def score(photos, top, out, json_file, embedder, workers):
    """Rank the photos of a person, best first, and say why."""
    if json_file and json_file.suffix.lower() != ".json":
        raise ValueError(f"{json_file}: name the file .json.")
    scored, embedder = _scored(photos, embedder, workers, out, json_file)
    from facekit.folder import copy_best
    from facekit.score import as_records

    _table(scored, top, embedder)
    if json_file:
        write_text(json.dumps(as_records(scored), indent=1) + "\n", json_file)
    if out:
        _say(f"{out}: the best {copy_best(scored, top, out)}.")
    _stop_without_faces(scored, photos)


@main.command()
@click.argument("photos", type=Path)
@click.option("--out", type=Path, required=True, help="The page, one HTML file.")
@click.option("--plain", is_flag=True, help="Leave points and masks out: four times as fast.")
@EMBEDDER
@WORKERS
@sentences()
def report(photos, out, plain, embedder, workers):
    """The same as a page with the photos, their scores, points and masks."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{out}: name the page .html.")
    scored, embedder = _scored(photos, embedder, workers, file=out)
    from facekit.report import render

    _say("Drawing the page ...", err=True)
    write_text(render(scored, embedder, faces=not plain), out)
    _say(f"{out}: {count(len(scored), 'photo')}.")
    _stop_without_faces(scored, photos)


@main.command()
@click.argument("photos", metavar="IN", type=Path)
@click.option("--out", type=Path, required=True, help="Folder for the crops.")
@click.option("--size", type=click.IntRange(16, 4096), default=256, help="Pixels a side.")
@click.option("--template", default="portrait", help="portrait (the head) or arcface (the face).")
@WORKERS
@sentences()
def align(photos, out, size, template, workers):
    """Cut every face out, upright and at one size; align.json says from where."""
    from facekit import jobs
    from facekit.align import template_points

    template_points(template, size)  # a wrong word gets one sentence, not one a photo
    job = functools.partial(jobs.align, out=out, size=size, template=template)
    done = _run(job, photos, workers, out)
    rows = [row for path in sorted(done) for row in done[path]]
    write_text(json.dumps(rows, indent=1) + "\n", out / "align.json")
    _say(f"{out}: {count(len(rows), 'face')} from {count(len(done), 'photo')}.")


@main.command()
@click.argument("photos", metavar="IN", type=Path)
@click.option("--out", type=Path, required=True, help="Folder for the masks.")
@click.option("--feather", type=click.FloatRange(0, 0.5), default=0.01, help="Of the face's width.")
@WORKERS
@sentences()
def masks(photos, out, feather, workers):
    """Every mask of every face as a grey PNG, and all of them over the photo as one picture."""
    from facekit import jobs

    check_finite(feather=feather)
    done = _run(functools.partial(jobs.masks, out=out, feather=feather), photos, workers, out)
    faces = count(sum(done.values()), "face")
    _say(f"{out}: masks of {faces} from {count(len(done), 'photo')}.")


@main.command()
@click.argument("photos", metavar="IN", type=Path)
@click.option("--out", type=Path, required=True, help="Folder for the control pictures.")
@click.option(
    "--size",
    type=click.IntRange(1, 16384),
    help="Pixels a side.  [default: as many as the photo has there]",
)
@click.option(
    "--whole", is_flag=True, help="Of the whole photo; with --size, of its middle square."
)
@WORKERS
@sentences()
def control(photos, out, size, whole, workers):
    """Canny edges, colour grid, tile and drawn face points of the largest head of every photo: of
    the square in which sample.py --init paints."""
    from facekit import jobs

    job = functools.partial(jobs.control, out=out, size=size, whole=whole)
    done = _run(job, photos, workers, out)
    _say(f"{out}: control pictures of {count(len(done), 'photo')}.")
    without = sum(not faces for faces in done.values())
    if without and not whole:
        _say(f"Note: {count(without, 'photo')} without a face: shown whole.", err=True)


@main.command()
@click.argument("template", type=Path)
@click.argument("face", type=Path)
@click.option("--out", type=Path, required=True, help="The picture.")
@click.option("--share", type=click.FloatRange(0, 1), default=0.6, help="How much of the new face.")
@click.option("--border", default="multiband", help="multiband, poisson or soft.")
@click.option(
    "--match", type=click.FloatRange(0, 1), default=1.0, help="Take the template's colours."
)
@sentences()
def fuse(template, face, out, share, border, match):
    """Put the face of one photo onto the largest face of another."""
    check_finite(share=share, match=match)
    from common.images import image_format, write_image
    from facekit.fuse import BORDERS
    from facekit.fuse import fuse as fused

    image_format(out)
    check_writable(out)
    if out.resolve() in (template.resolve(), face.resolve()):
        raise ValueError(f"{out} is one of the two photos: choose another name for --out.")
    if border not in BORDERS:
        raise ValueError(f"--border is one of {', '.join(BORDERS)}. Received: {border!r}.")
    (image_to, face_to), (image_from, face_from) = _one_face(template), _one_face(face)
    result = fused(image_to, face_to, image_from, face_from, share, border, match)
    write_image(result, out)
    _say(f"{out}: {share:.0%} of the face in {face} on {template}.")


@main.command()
@click.argument("photo", type=Path)
@click.option("--out", type=Path, required=True, help="The picture.")
@sentences()
def parse(photo, out):
    """Draw the parts of every face of a photo over it, each in its colour."""
    from common.images import image_format, write_image
    from facekit import draw, jobs
    from facekit.parsing import load_parser
    from facekit.parsing import parse as parsed

    image_format(out)
    check_writable(out)
    if out.resolve() == photo.resolve():
        raise ValueError(f"{out} is the photo itself: choose another name for --out.")
    load_parser()  # missing weights are said before the search
    image, faces = jobs.read_faces(photo)
    picture = image
    for face in faces:
        picture = draw.parts(picture, parsed(image, face))
    write_image(picture, out)
    _say(f"{out}: {count(len(faces), 'face')}.")


@main.command()
@click.argument("photos", metavar="IN", type=Path)
@click.option("--out", type=Path, required=True, help="Folder for the pictures.")
@click.option("--scale", type=click.Choice(["2", "4"]), default="4", help="How many times larger.")
@sentences()
def restore(photos, out, scale):
    """Enlarge photos, and take blur, noise and compression out of them."""
    from facekit.restore import default_restorer

    restored = default_restorer()  # missing weights are said before anything is read
    done = _each(photos, out, lambda image: restored(image, int(scale)))
    _say(f"{out}: {count(done, 'photo')}, {scale} times as large.")


@main.command()
@click.argument("photos", metavar="IN", type=Path)
@click.option("--out", type=Path, required=True, help="Folder for the pictures.")
@click.option(
    "--blemishes", type=click.FloatRange(0, 1), default=1.0, help="How much of them is taken off."
)
@click.option("--smooth", type=click.FloatRange(0, 1), default=0.0, help="How much it is smoothed.")
@sentences()
def retouch(photos, out, blemishes, smooth):
    """Retouch the skin of every face: blemishes, blotches and lines, as learned from renders, and
    smoothing by frequencies."""
    check_finite(blemishes=blemishes, smooth=smooth)
    from facekit import cover
    from facekit.detect import detect
    from facekit.masks import face_width
    from facekit.retouch import smooth_skin
    from facekit.retoucher import default_retoucher

    # Missing weights are said before anything is read.
    learned = default_retoucher() if blemishes else None

    def retouched(image):
        faces = detect(image)
        if not faces:
            raise ValueError("no face found.")
        for face in faces:
            skin = cover.bare_skin(image, face)
            image = learned(image, face, skin, blemishes) if learned else image
            image = smooth_skin(image, skin, smooth, face_width(face))
        return image

    done = _each(photos, out, retouched)
    _say(f"{out}: {count(done, 'photo')}.")


def _each(photos, out, change):
    """Change each photo in this process, where the network is, and keep it as a PNG; how many were.

    Args:
        photos: path of a photo or a folder.
        out: folder.
        change: uint8 (H, W, 3) -> uint8 (h, w, 3); raises ValueError for one that cannot be.

    Raises:
        ValueError: none of them could be.
    """
    return len(_run(functools.partial(_change, out=out, change=change), photos, 1, out))


def _change(path, names, out, change):
    from common.images import read_image, write_image

    image = read_image(path)
    try:
        image = change(image)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    write_image(image, out / f"{names[path]}.png")


def _say(text, err=False):
    """Print a line with control characters escaped, for file names can hold any."""
    click.echo(printable(text), err=err)


def _scored(photos, embedder, workers, out=None, file=None):
    """Measure and rank; returns the photos and the name of the embedder."""
    from facekit.folder import photos_but_results, ranked

    paths = photos_but_results(photos, out)
    if out is not None:
        check_writable(out / "photo")
    if file is not None:
        check_writable(file)
    _say(f"Measuring {count(len(paths), 'photo')} ...", err=True)
    from facekit.identity import load_embedder

    scored = ranked(paths, embedder, workers)
    reasons = {photo.path: photo.reason for photo in scored if photo.best is None}
    for path in map(str, paths):
        if path in reasons:
            _say(f"Skipped {path}: {reasons[path]}.", err=True)
    return scored, load_embedder(embedder).name


def _table(scored, top, embedder):
    width = max((len(printable(photo.path)) for photo in scored[:top]), default=4)
    click.echo(f"rank  id    quality  total  {'photo':{width}}  verdict   (likeness by {embedder})")
    for photo in scored[:top]:
        if photo.best is None:
            numbers = "   -        -      -"
        else:
            best = photo.best
            numbers = f"{best.id:4.2f}  {best.measured.quality.total:7.2f}  {best.total:5.2f}"
        mark = "  <- reference" if photo.reference else ""
        path = f"{printable(photo.path):{width}}"
        _say(f"{photo.rank:4}  {numbers}  {path}  {photo.reason}{mark}")
    if len(scored) > top:
        click.echo(f"... and {len(scored) - top} more (--top, --json)")


def _one_face(path):
    from facekit import jobs
    from facekit.detect import largest

    image, faces = jobs.read_faces(path)
    return image, largest(faces)


def _run(job, photos, workers, out):
    """Run a job on each photo: {path: result} of those that succeeded, a line for each other.

    Raises:
        ValueError: none went well.
    """
    from facekit.folder import for_each, names_of, photos_but_results

    paths = photos_but_results(photos, out)
    check_writable(out / "photo")
    job = functools.partial(job, names=names_of(paths, photos))
    done, skipped = {}, {}
    for path, result in for_each(job, paths, workers):
        if not isinstance(result, ValueError):
            done[path] = result
        elif len(paths) == 1:
            raise result
        else:
            skipped[path] = result
    for path in filter(skipped.get, paths):  # after the progress bar has ended
        _say(f"Skipped {skipped[path]}", err=True)
    if not done:
        raise ValueError(f"{photos}: none of the {len(paths)} photos could be used.")
    return done


def _stop_without_faces(scored, photos):
    if not any(photo.faces for photo in scored):
        reasons = {photo.reason for photo in scored}
        why = reasons.pop() if len(reasons) == 1 else "no face found in any photo"
        raise ValueError(f"{photos}: {why}.")


if __name__ == "__main__":
    main(prog_name="python -m facekit")
