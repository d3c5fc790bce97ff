"""What all commands share: errors as one sentence, progress bars, text that a terminal can show."""

import math
import os
import sys
from contextlib import contextmanager

import click

from common.files import is_disk_full

FAILED, STOPPED = 2, 130  # exit codes: bad input or a full disk; stopped by a signal, as in shells
SECONDS_BETWEEN_LINES = 30  # of a progress bar that goes into a file


@contextmanager
def sentences(disk_full="the disk is full; make room and run it again."):
    """Turn what went wrong into one sentence and an exit code; also a decorator, `@sentences()`.

    ValueError and OSError: "Error: ..." and exit code 2. Ctrl-C: "Stopped." and 130.

    Args:
        disk_full: the sentence for a full disk.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
        sys.exit(STOPPED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(STOPPED)
    except (ValueError, OSError) as error:
        fail(describe(error, disk_full))


def describe(error, disk_full="the disk is full; make room and run it again."):
    """An exception as a sentence for a user."""
    if not isinstance(error, OSError):
        return str(error)
    if is_disk_full(error):
        return disk_full
    return f"cannot write {error.filename or 'the result'}: {error.strerror or error}."


def fail(sentence):
    """End the program with "Error: ..." on stderr and exit code 2."""
    click.echo(f"Error: {printable(sentence)}", err=True)
    sys.exit(FAILED)


def note(sentence):
    """Print "Note: ..." on stderr and go on."""
    click.echo(f"Note: {printable(sentence)}", err=True)


def above_bars(sentence):
    """Print a line on stderr, above a progress bar that is being shown."""
    from tqdm import tqdm

    tqdm.write(printable(sentence), file=sys.stderr)


def printable(text):
    """A text whose control characters (ESC, newlines) and undecodable bytes are escaped: file names
    can hold any, and a terminal obeys them."""
    text = str(text).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def count(n, noun, plural=None):
    """ "1 picture", "2 pictures": a number and its noun."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def check_finite(**numbers):
    """Refuse options that are no numbers: "nan" and "inf" pass for floats.

    Args:
        numbers: an option's value by its name, with underscores; None where it was not given.

    Raises:
        ValueError: naming the option.
    """
    for name, number in numbers.items():
        if number is not None and not math.isfinite(number):
            raise ValueError(f"--{name.replace('_', '-')} must be a number. Received: {number}.")


def progress(total=None, desc=None, unit="it", **options):
    """A progress bar (`tqdm`): lively on a terminal, a line every half minute in a log.

    Args:
        total, desc, unit, options: as `tqdm.tqdm` has them.
    """
    from tqdm import tqdm

    lively = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=desc,
        unit=unit,
        mininterval=0.5 if lively else SECONDS_BETWEEN_LINES,
        maxinterval=10.0 if lively else SECONDS_BETWEEN_LINES,
        dynamic_ncols=lively,
        **options,
    )
