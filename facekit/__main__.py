"""`python -m facekit`: sort, crop, mask and fuse the faces of photos."""

import functools
import json
import os
import shutil
from pathlib import Path

import click

from facekit.commands import run

os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MAKER = click.option(
    "--identity",
    "maker",
    default="auto",
    help="Who is it: dlib, encoder, or auto (dlib where installed).",
)
WORKERS = click.option(
    "--workers", type=click.IntRange(1), help="Processes.  [default: one a core]"
)


@click.group(context_settings={"show_default": True})
def main():
    """Find, score, align, mask and fuse faces in photos.

    PHOTOS and IN are a photo or a folder of them.
    """


@main.command()
@click.argument("photos", type=Path)
@click.option("--top", type=click.IntRange(1), default=15, help="How many to list, and to copy.")
@click.option("--out", type=Path, help="Folder to copy the best photos to, numbered by rank.")
@click.option("--json", "json_file", type=Path, help="File for all scores.")
@MAKER
@WORKERS
def score(photos, top, out, json_file, maker, workers):
    """Rank the photos of a person, best first, and say why."""
    if json_file and json_file.suffix.lower() != ".json":
        raise ValueError(f"{json_file}: name the file .json.")
    scored, maker = _scored(photos, maker, workers, out, json_file)
    from facekit.pictures import write_bytes
    from facekit.score import as_records

    _table(scored, top, maker)
    if json_file:
        write_bytes((json.dumps(as_records(scored), indent=1) + "\n").encode(), json_file)
    if out:
        _copy_best(scored, top, out)
    _stop_without_faces(scored, photos)


@main.command()
@click.argument("photos", type=Path)
@click.option("--out", type=Path, required=True, help="The page, one HTML file.")
@click.option("--plain", is_flag=True, help="Leave points and masks out: four times as fast.")
@MAKER
@WORKERS
def report(photos, out, plain, maker, workers):
    """The same as a page with the photos, their scores, points and masks."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{out}: name the page .html.")
    scored, maker = _scored(photos, maker, workers, file=out)
    from facekit.pictures import write_bytes
    from facekit.report import render

    page = render(scored, maker, faces=not plain)
    write_bytes(page.encode(), out)
    click.echo(f"{out}: {len(scored)} photos.")
    _stop_without_faces(scored, photos)


@main.command()
@click.argument("photos", metavar="IN", type=Path)
@click.option("--out", type=Path, required=True, help="Folder for the crops.")
@click.option("--size", type=click.IntRange(16, 4096), default=256, help="Pixels a side.")
@click.option("--template", default="portrait", help="portrait (the head) or arcface (the face).")
@WORKERS
def align(photos, out, size, template, workers):
    """Cut every face out, upright and at one size; align.json says from where."""
    from facekit import jobs
    from facekit.align import template_points
    from facekit.pictures import write_bytes

    template_points(template, size)  # a wrong word is worth one sentence, not one a photo
    job = functools.partial(jobs.align, out=out, size=size, template=template)
    done = _run(job, photos, workers, out)
    rows = [row for path in sorted(done) for row in done[path]]
    write_bytes((json.dumps(rows, indent=1) + "\n").encode(), out / "align.json")
    click.echo(f"{out}: {len(rows)} faces from {len(done)} photos.")


@main.command()
@click.argument("photos", metavar="IN", type=Path)
@click.option("--out", type=Path, required=True, help="Folder for the masks.")
@click.option("--feather", type=click.FloatRange(0, 0.5), default=0.01, help="Of the face's width.")
@WORKERS
def masks(photos, out, feather, workers):
    """Every mask of every face as a grey PNG, and all of them over the photo as one picture."""
    from facekit import jobs

    done = _run(functools.partial(jobs.masks, out=out, feather=feather), photos, workers, out)
    click.echo(f"{out}: masks of {sum(done.values())} faces from {len(done)} photos.")


@main.command()
@click.argument("photos", metavar="IN", type=Path)
@click.option("--out", type=Path, required=True, help="Folder for the control pictures.")
@click.option(
    "--size",
    type=click.IntRange(1, 16384),
    help="Pixels a side, of the middle square.  [default: the whole photo's]",
)
@WORKERS
def control(photos, out, size, workers):
    """Canny edges, colour grid, tile and drawn face points of every photo."""
    from facekit import jobs

    done = _run(functools.partial(jobs.control, out=out, size=size), photos, workers, out)
    click.echo(f"{out}: control pictures of {len(done)} photos.")


@main.command()
@click.argument("template", type=Path)
@click.argument("face", type=Path)
@click.option("--out", type=Path, required=True, help="The picture.")
@click.option("--share", type=click.FloatRange(0, 1), default=0.6, help="How much of the new face.")
@click.option("--border", default="multiband", help="multiband, poisson or soft.")
@click.option(
    "--match", type=click.FloatRange(0, 1), default=1.0, help="Take the template's colours."
)
def fuse(template, face, out, share, border, match):
    """Put the face of one photo onto the largest face of another."""
    from facekit import pictures
    from facekit.fuse import BORDERS
    from facekit.fuse import fuse as fused

    pictures.check_suffix(out)
    pictures.check_writable(out)
    if out.resolve() in (template.resolve(), face.resolve()):
        raise ValueError(f"{out} is one of the two photos: choose another name for --out.")
    if border not in BORDERS:
        raise ValueError(f"--border is one of {', '.join(BORDERS)}. Received: {border!r}.")
    (image_to, face_to), (image_from, face_from) = _one_face(template), _one_face(face)
    result = fused(image_to, face_to, image_from, face_from, share, border, match)
    pictures.write(result, out)
    click.echo(f"{out}: {share:.0%} of the face in {face} on {template}.")


def _scored(photos, maker, workers, out=None, file=None):
    """Measure and rank; returns the photos and the name of the embedding."""
    from facekit import pictures
    from facekit.folder import for_each, measure
    from facekit.identity import embedder
    from facekit.score import Measured, rank

    paths = pictures.find(photos)
    if out is not None:
        paths = _without_results(paths, photos, out)
        pictures.check_writable(out / "photo")
    if file is not None:
        pictures.check_writable(file)
    chosen = embedder(maker)  # fails here, once, where its package is missing
    measured = {}
    for path, result in for_each(functools.partial(measure, maker=chosen.name), paths, workers):
        if isinstance(result, ValueError):
            result = Measured(str(path), problem=str(result).removeprefix(f"{path}: ").rstrip("."))
        measured[path] = result
    for path in paths:
        if measured[path].problem:
            click.echo(f"Skipped {path}: {measured[path].problem}.", err=True)
    # As they were found, not as they became ready: two equal photos keep their order.
    return rank([measured[path] for path in paths], chosen.same), chosen.name


def _table(scored, top, maker):
    width = max((len(_shown(photo.path)) for photo in scored[:top]), default=4)
    click.echo(f"rank  id    quality  total  {'photo':{width}}  verdict   (likeness by {maker})")
    for photo in scored[:top]:
        if photo.best is None:
            numbers = "   -        -      -"
        else:
            best = photo.best
            numbers = f"{best.id:4.2f}  {best.measured.quality.total:7.2f}  {best.total:5.2f}"
        mark = "  <- reference" if photo.reference else ""
        click.echo(f"{photo.rank:4}  {numbers}  {_shown(photo.path):{width}}  {photo.reason}{mark}")
    if len(scored) > top:
        click.echo(f"... and {len(scored) - top} more (--top, --json)")


def _shown(path):
    return str(path).encode("utf-8", "replace").decode()


def _copy_best(scored, top, out):
    """Copies, by rank, of the photos that show the person and repeat no better one."""
    best = [p for p in scored if p.best is not None and p.best.same and not p.near_duplicate_of]
    out.mkdir(parents=True, exist_ok=True)
    for place, photo in enumerate(best[:top], 1):
        source = Path(photo.path)
        partial = out / f".partial-{place}"
        shutil.copyfile(source, partial)
        partial.replace(out / f"{place:02d}_{source.name}")
    click.echo(f"{out}: the best {len(best[:top])}.")


def _one_face(path):
    from facekit import jobs
    from facekit.detect import largest

    image, faces = jobs.read_faces(path)
    return image, largest(faces)


def _names(paths, root):
    """{path: name} for what is made of each photo; no two share one, and none has a dot, which
    stands before the number of a face."""
    names = {}
    for path in paths:
        inside = path.relative_to(root) if root.is_dir() else Path(path.name)
        name = "_".join(inside.with_suffix("").parts).replace(".", "_")
        tries = (
            name,
            f"{name}_{path.suffix[1:].lower()}",
            *(f"{name}_{i}" for i in range(2, 10**6)),
        )
        taken = set(names.values())
        names[path] = next(one for one in tries if one not in taken)
    return names


def _without_results(paths, photos, out):
    """The photos that do not lie in the folder for the results, if it is a folder among them.

    Raises:
        ValueError: the results would lie beside the photos and could overwrite them.
    """
    out = out.resolve()
    if out == (photos if photos.is_dir() else photos.parent).resolve():
        raise ValueError(f"{out} holds the photos themselves: choose another folder for --out.")
    left = [path for path in paths if out not in path.resolve().parents]
    if not left:
        raise ValueError(f"{photos}: no pictures but those in {out}.")
    return left


def _run(job, photos, workers, out):
    """Do a job for each photo; {path: result} of those that went well, a line for each other.

    Raises:
        ValueError: none went well.
    """
    from facekit import pictures
    from facekit.folder import for_each

    paths = _without_results(pictures.find(photos), photos, out)
    pictures.check_writable(out / "photo")
    job = functools.partial(job, names=_names(paths, photos))
    done = {}
    for path, result in for_each(job, paths, workers):
        if not isinstance(result, ValueError):
            done[path] = result
        elif len(paths) == 1:
            raise result
        else:
            click.echo(f"Skipped {result}", err=True)
    if not done:
        raise ValueError(f"{photos}: none of the {len(paths)} photos could be used.")
    return done


def _stop_without_faces(scored, photos):
    if not any(photo.faces for photo in scored):
        reasons = {photo.reason for photo in scored}
        why = reasons.pop() if len(reasons) == 1 else "no face found in any photo"
        raise ValueError(f"{photos}: {why}.")


if __name__ == "__main__":
    run(main)
