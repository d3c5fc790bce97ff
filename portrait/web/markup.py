"""HTML of what the page shows. Every text is escaped here, and pictures travel within the HTML."""

import base64
import io
from html import escape
from pathlib import Path

from PIL import Image

NONE = ""  # what a place shows before there is anything
MAX_TEXT = 2000  # characters of a value of a recipe; a file from elsewhere can hold anything


def notice(sentences, problem=False):
    """Sentences for the user, one a line.

    Args:
        sentences: iterable of str.
        problem: whether they say why nothing was done; a screen reader then reads them at once.
    """
    lines = "".join(f"<p>{escape(text)}</p>" for text in sentences)
    if not lines:
        return NONE
    role, kind = ("alert", "problem") if problem else ("status", "note")
    return f'<div class="notice {kind}" role="{role}">{lines}</div>'


def picture(image, text, css=""):
    """An image element.

    Args:
        image: uint8 (H, W, 3).
        text: for whoever cannot see it.
        css: names of classes.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img class="{escape(css)}" alt="{escape(text)}" src="data:image/png;base64,{data}">'


def progress(share, text):
    """A bar and what it means.

    Args:
        share: 0 to 1.
        text: such as "Step 3 of 10".
    """
    return (
        f'<div class="work" role="status"><progress max="1" value="{share:.3f}" '
        f'aria-label="how much is done"></progress><p>{escape(text)}</p></div>'
    )


def duration(seconds):
    """Seconds in words: "3 s", "2 min"."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def record(values):
    """A dict as a list of names and values."""
    rows = "".join(
        f"<dt>{escape(str(name)[:MAX_TEXT])}</dt><dd>{escape(_said(value))}</dd>"
        for name, value in values.items()
    )
    return f'<dl class="recipe">{rows}</dl>'


def _said(value):
    if isinstance(value, list):
        return ", ".join(map(_said, value))[:MAX_TEXT]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return "; ".join(f"{name} {_said(one)}" for name, one in value.items())[:MAX_TEXT]
    return str(value)[:MAX_TEXT] or "-"


def figure(content, caption, source=""):
    """Content with a line under it, and where in the code it is made.

    Args:
        content: HTML.
        caption, source: text.
    """
    where = f"<code>{escape(source)}</code>" if source else ""
    return f"<figure>{content}<figcaption>{escape(caption)} {where}</figcaption></figure>"


def photo(image, text):
    """An image element of a photograph, of which small losses are not seen: JPEG.

    Args:
        image: uint8 (H, W, 3).
        text: for whoever cannot see it.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(text)}" src="data:image/jpeg;base64,{data}">'


def without_folder(sentence, *paths):
    """A sentence in which files are called by their names alone: where the studio keeps them says
    nothing to a user."""
    for path in paths:
        sentence = sentence.replace(str(path), Path(path).name)
    return sentence


def table(head, rows, caption):
    """A table that can be scrolled.

    Args:
        head: list of text.
        rows: list of lists of HTML.
        caption: text.
    """
    cells = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll rows"><table><caption>{escape(caption)}</caption>'
        f"<tr>{cells}</tr>{lines}</table></div>"
    )
