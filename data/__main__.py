"""python -m data: render a dataset of faces."""

import sys
from pathlib import Path

import click

from common.cli import STOPPED, count, printable, sentences
from data.faces import make_faces


@click.command(
    help="Render a dataset of faces: people who do not exist, with the truth about every picture."
)
@click.option("--n", default=972, show_default=True, help="Number of pictures.")
@click.option(
    "--identities", default=None, type=int, help="Number of people.  [default: a quarter of --n]"
)
@click.option("--size", default=64, show_default=True, help="Width and height in pixels.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same pictures.")
@click.option("--out", default="data/faces64", show_default=True, help="Folder to make.")
@click.option("--workers", default=None, type=int, help="Processes.  [default: one a processor]")
@click.option(
    "--drawn", default=0.1, show_default=True, help="Share of pictures drawn, not photographed."
)
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
@sentences()
def main(n, identities, size, seed, out, workers, drawn, quiet):
    finished = Path(out, "dataset.json").exists()
    people = max(1, n // 4) if identities is None else identities
    try:
        make_faces(out, n, people, size, seed, workers, progress=not quiet, drawn=drawn)
    except KeyboardInterrupt:
        click.echo("\nStopped. Run the same command again to go on where it stopped.", err=True)
        sys.exit(STOPPED)
    state = "was finished already" if finished else "is ready"
    click.echo(f"{printable(out)} {state}: {count(n, 'picture')}, {size} x {size}.")


if __name__ == "__main__":
    main()
