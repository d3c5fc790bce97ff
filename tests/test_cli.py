"""Commands: one sentence and an exit code for what goes wrong, and text that terminals can show."""

import errno
import os

import click
import pytest

from common.cli import check_finite, count, note, printable, progress, sentences


@pytest.mark.parametrize(
    "error,code,says",
    [
        (ValueError("the size is odd."), 2, "Error: the size is odd.\n"),
        (ValueError("a\x1b[31m\nb"), 2, "Error: a\\x1b[31m\\nb\n"),
        (OSError(errno.EACCES, "Permission denied", "a.png"), 2,
         "Error: cannot write a.png: Permission denied.\n"),
        (OSError("odd"), 2, "Error: cannot write the result: odd.\n"),
        (OSError(errno.ENOSPC, "No space left", "a.png"), 2,
         "Error: the disk is full; make room and run it again.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence_and_an_exit_code(call, error, code, says):
    @click.command()
    @sentences()
    def command():
        """Fail."""
        raise error

    assert call(command, code=code) == ("", says)


def test_a_command_keeps_its_help_and_its_options(call):
    @click.command()
    @click.option("--size", type=int)
    @sentences("no room.")
    def command(size):
        """Do something."""
        if size:
            raise OSError(errno.EDQUOT, "quota")
        click.echo("done")

    assert "Do something." in call(command, "--help")[0]
    assert call(command) == ("done\n", "")
    assert call(command, "--size", 3, code=2)[1] == "Error: no room.\n"
    assert "Error: Invalid value" in call(command, "--size", "x", code=2)[1]


def test_bugs_are_not_hidden():
    with pytest.raises(KeyError), sentences():
        {}["missing"]


def test_text_for_a_terminal():
    assert printable("Zoë's photo (1).png") == "Zoë's photo (1).png"
    assert printable("\x1b[2J\r\n\t\x07\x9b") == "\\x1b[2J\\r\\n\\t\\x07\\x9b"
    assert printable(os.fsdecode(b"caf\xe9.png")) == "caf\\udce9.png"
    assert printable(None) == "None"


def test_a_note_stops_nothing(capfd):
    note("a\nb")
    assert capfd.readouterr().err == "Note: a\\nb\n"


def test_numbers_and_their_nouns():
    assert [count(n, "picture") for n in (0, 1, 2)] == ["0 pictures", "1 picture", "2 pictures"]
    assert count(2, "person", "people") == "2 people" and count(1, "person", "people") == "1 person"


def test_options_that_are_no_numbers_are_refused():
    check_finite(strength=0.5, guidance_scale=None)
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="--guidance-scale must be a number"):
            check_finite(guidance_scale=number)


def test_a_progress_bar_in_a_log_is_not_redrawn_at_every_step(capfd):
    with progress(1000, unit=" photos") as bar:
        for _ in range(1000):
            bar.update()
    log = capfd.readouterr().err
    assert "1000/1000" in log and log.endswith("\n") and log.count("\r") <= 3
