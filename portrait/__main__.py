"""`python -m portrait reconstruct`: a face of one photo painted into another."""

import os
from dataclasses import fields
from pathlib import Path

import click

from common.cli import sentences
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
    """Paint portraits into photographs."""


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
@click.option("--identity", "maker", default="auto", help="Of the scores: dlib, encoder or auto.")
@_settings
@sentences()
def reconstruct(photo, references, faces, out, page, steps_dir, since, weights, control_weights,
                maker, **numbers):  # fmt: skip
    """Paint the face of one photo into another; in a PNG, what is not painted keeps every bit."""
    from portrait import studio
    from portrait.files import Template
    from portrait.stages import STAGES

    settings = Settings(**numbers)
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
    template = Template(photo)
    pairs, found, notes = studio.choose(template.image, references, faces, str(photo), maker)
    for note in notes:
        click.echo(f"Note: {note}", err=True)
    # Imported here: a backend takes seconds to start, and bad input should not wait for it.
    from tqdm import tqdm

    from facekit.identity import load_embedder
    from portrait.painter import Painter

    painter = Painter(weights, control_weights)
    for note in painter.check(settings.prompt, settings.negative):
        click.echo(f"Note: {note}", err=True)
    others = [[face for face in found if face is not pair[0]] for pair in pairs]
    keys = [
        studio.fingerprint(template.image, pair, rest, painter.digest + painter.control_digest)
        for pair, rest in zip(pairs, others, strict=True)
    ]
    earlier = [
        studio.kept(steps_dir, i, key, settings, since) if since else None
        for i, key in enumerate(keys, 1)
    ]
    who, image, portraits = load_embedder(maker), template.image, []
    for i, pair in enumerate(pairs, 1):
        with tqdm(total=len(STAGES), desc=f"face {i} of {len(pairs)}", unit="stage") as bar:

            def tell(stage, done, of, bar=bar):
                bar.set_postfix_str(stage + (f" {done}/{of}" if of > 1 else ""))
                bar.n = STAGES.index(stage) + (done == of)
                bar.refresh()

            portrait = studio.reconstruct(
                template.image,
                pair,
                others[i - 1],
                settings,
                painter,
                earlier[i - 1],
                since or STAGES[0],
                tell,
            )
        portrait.scores = {stage: studio.score(portrait, stage, who) for stage in STAGES}
        image = studio.put_back(image, portrait)
        if steps_dir:
            studio.keep(steps_dir, portrait, i, keys[i - 1])
        portraits.append(portrait)
        last = portrait.scores[STAGES[-1]]
        click.echo(
            f"{pair[1]}: identity {last['reference']:.2f} to the reference, {last['template']:.2f} "
            f"to the template; seam {last['seam']:.2f}, colour {last['colour']:.1f}."
        )
    recipe = {
        "template": photo.name,
        "faces": [Path(pair[1]).name for pair in pairs],
        "weights": painter.name,
        "weights_sha256": painter.digest,
        "control_sha256": painter.control_digest,
        **settings.to_dict(),
    }
    template.write(image, out, recipe)
    if page:
        from portrait.report import render

        names = [pair[1] for pair in pairs]
        text = render(template.image, image, portraits, names, settings, painter.name)
        write_text(text, page)
    click.echo(", ".join(str(path) for path in (out, page, steps_dir) if path))


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
