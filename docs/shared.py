"""What the generated pages share: result files, tables, numbers, rendering, pictures.

A page is a Jinja template, docs/pages/NAME.md.jinja, whose prose is written by hand, and a module,
docs/pages/NAME.py, that computes the template's values from benchmarks/results/*.json.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from PIL import Image

from common.files import atomic_write, write_text

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
TEMPLATES = ROOT / "docs" / "pages"
PICTURES = ROOT / "docs" / "pictures"


@dataclass(frozen=True)
class Page:
    """A generated page.

    Attributes:
        path: the file, relative to the repository.
        files: name -> file in benchmarks/results.
        context: {name: what the file holds} of the files that exist -> the template's values.
        pictures: name -> function of `Models` that draws docs/pictures/NAME*.png.
    """

    path: str
    files: Mapping[str, str]
    context: Callable[[dict], dict]
    pictures: Mapping[str, Callable] = field(default_factory=dict)


@dataclass(frozen=True)
class Models:
    """What pictures are drawn with; None: the shipped weights, or for `run` and `fresh`, nothing.

    Attributes:
        weights, control: weights files or run folders.
        run: a run folder whose samples/ show the progress of a training.
        fresh: a rendered dataset that the model was not trained on.
    """

    weights: Path | None = None
    control: Path | None = None
    run: Path | None = None
    fresh: Path | None = None

    def options(self, control=False):
        """The options of sample.py that name the weights: list of str."""
        words = ["--weights", str(self.weights.resolve())] if self.weights else []
        if control and self.control:
            words += ["--control-weights", str(self.control.resolve())]
        return words


# --- text


def read_results(page):
    """{name: content} of a page's result files, without those that do not exist."""
    paths = {name: RESULTS / file for name, file in page.files.items()}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def render(name, page, results=None):
    """A page's Markdown.

    Args:
        name: of the page; its template is docs/pages/NAME.md.jinja.
        page: `Page`.
        results: as `read_results`, which is asked when None.

    Raises:
        ValueError: a result that the page needs has not been measured.
    """
    results = read_results(page) if results is None else results
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    template = f"{name}.md.jinja"
    note = f"<!-- Made by `python -m docs {name}` from docs/pages/{template}: edit that. -->\n\n"
    try:
        values = page.context(results)
        return note + environment.get_template(template).render(values)
    except (KeyError, jinja2.UndefinedError) as error:
        files = ", ".join(page.files.values())
        raise ValueError(
            f"{page.path} needs a result that is not in {files} of benchmarks/results: {error}."
        ) from None


def write(name, page):
    """Write a page. Raises as `render`, and OSError."""
    write_text(render(name, page), ROOT / page.path)


def table(head, rows):
    """A Markdown table.

    Args:
        head: the columns' titles.
        rows: iterable of rows, each a sequence of cells that `str` can show.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def percent(share, digits=1):
    """0.5 -> "50.0%"."""
    return f"{100 * share:.{digits}f}%"


# --- pictures


def run(command, folder):
    """Run a Python command of a page in a folder.

    Args:
        command: list of words, "sample.py" or "-m" first.
        folder: where it runs.
    """
    print("$ python", shlex.join(command), flush=True)
    words = [str(ROOT / word) if word == "sample.py" else word for word in command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=True)


def save_picture(picture, name):
    """Write docs/pictures/NAME.png.

    Args:
        picture: uint8 (H, W, 3) or a Pillow image.
        name: str.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    with atomic_write(PICTURES / f"{name}.png") as partial:
        image.save(partial, format="PNG", optimize=True)
    print(f"docs/pictures/{name}.png: {image.width} x {image.height}", flush=True)


def pyplot():
    """Matplotlib's pyplot, without a display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def save_figure(figure, name, dpi=110):
    """Write a Matplotlib figure to docs/pictures/NAME.png and close it."""
    with atomic_write(PICTURES / f"{name}.png") as partial:
        figure.savefig(partial, format="png", dpi=dpi)
    pyplot().close(figure)
