"""Commands that destroy something ask before they do."""

import sys

import click


def confirm(question: str, *, yes: bool) -> None:
    """Return when the answer is yes. Without a terminal nobody can be asked: raises UsageError unless `yes`."""
    if yes:
        return
    if not is_terminal():
        raise click.UsageError("there is no terminal to ask on: say --yes")
    click.confirm(question, abort=True)


def is_terminal() -> bool:
    return sys.stdin.isatty()
