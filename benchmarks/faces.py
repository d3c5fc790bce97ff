"""Measures the rendered faces. Written to benchmarks/results/faces.json, one key a part.

    python -m benchmarks.faces --part identity --part balance

detection  the share of pictures in which MediaPipe finds a face, and how far its points are off
identity   how well dlib's face recognition tells the people apart
"""

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path

import click

from benchmarks import faces_recognised
from data.faces import VERSION, make_faces

RESULTS = Path(__file__).parent / "results" / "faces.json"
SEED = 2026  # of no dataset that anything was tuned on
VIEWS = 4


@contextmanager
def rendered(pictures, n, people, size, seed):
    """A folder of rendered faces: `pictures` if it is given, else a fresh one that goes away."""
    if pictures:
        yield pictures
        return
    with tempfile.TemporaryDirectory() as folder:
        yield make_faces(Path(folder) / "faces", n, people, size, seed)


def merge(path, part, result):
    """Puts one part's result into a JSON file and leaves the others."""
    path = Path(path)
    known = json.loads(path.read_text()) if path.exists() else {}
    known[part] = result
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


@click.command(context_settings={"show_default": True})
@click.option("--part", "parts", multiple=True, type=click.Choice(["identity"]))
@click.option("--people", type=click.IntRange(2), default=100)
@click.option("--pictures", type=click.Path(exists=True, path_type=Path))
@click.option("--seed", default=SEED)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
def main(parts, people, pictures, seed, out):
    with rendered(pictures, people * VIEWS, people, 256, seed) as folder:
        result = faces_recognised.identity(folder)
    merge(out, "identity", {"version": VERSION, **result})
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
