"""What the commands share."""

import sys

import click


def run(main):
    """Run a group of commands, with errors as one sentence and exit code 2.

    Args:
        main: a click group.
    """
    try:
        main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (ValueError, OSError) as error:
        if isinstance(error, OSError):
            error = f"cannot write {error.filename or 'the result'}: {error.strerror}."
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
