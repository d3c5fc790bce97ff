"""Make the generated pages of the documentation.

python -m docs                         all pages, from benchmarks/results/*.json
python -m docs faces facekit           these two
python -m docs faces --pictures        draw its pictures anew, too
"""

from pathlib import Path

import click

from common.cli import sentences
from docs.pages import PAGES
from docs.shared import Models, write


@click.command(epilog=f"Pages: {', '.join(PAGES)}.")
@click.argument("names", nargs=-1, metavar="[PAGE]...")
@click.option("--pictures", is_flag=True, help="Draw the pictures of these pages anew, too: slow.")
@click.option("--picture", "chosen", multiple=True, help="Draw this picture only; may be repeated.")
@click.option("--weights", type=Path, help="A weights file or run folder.  [default: shipped]")
@click.option("--control-weights", "control", type=Path, help="Of the control branch; likewise.")
@click.option("--run", type=Path, help="A run folder, for the picture `learning`.")
@click.option("--fresh", type=Path, help="Renders of new people, for the picture `portrait_holes`.")
@sentences()
def main(names, pictures, chosen, **models):
    """Make all generated pages of the documentation, or those named, from the result files."""
    pages = {name: find(name, PAGES, "page") for name in names or PAGES}
    sheets = {key: draw for page in pages.values() for key, draw in page.pictures.items()}
    wanted = {key: find(key, sheets, "picture") for key in chosen or (sheets if pictures else ())}
    for name, page in pages.items():
        write(name, page)
        click.echo(page.path)
    for draw in wanted.values():
        draw(Models(**models))


def find(word, found, what):
    """What a word names.

    Raises:
        ValueError: it names nothing; the sentence lists what there is.
    """
    if word not in found:
        raise ValueError(f"there is no {what} {word!r}; there are {', '.join(found) or 'none'}.")
    return found[word]


if __name__ == "__main__":
    main(prog_name="python -m docs")
