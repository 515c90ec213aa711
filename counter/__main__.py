"""`python -m counter`, `counter`."""

import sys

import click

from counter.cli import counter
from counter.errors import CounterError


def main() -> None:
    """Run a command; what went wrong on purpose is said in one line."""
    try:
        sys.exit(counter(standalone_mode=False))
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CounterError as error:
        click.echo(f"counter: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
