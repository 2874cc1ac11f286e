"""What commands share of their faces: --json, colours by state, tables. Rich is imported only when a table is drawn."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from headway.cli.terminal import clean

F = TypeVar("F", bound=Callable[..., Any])

STATE_STYLE = {
    "succeeded": "green",
    "running": "cyan",
    "rolling_back": "yellow",
    "rolled_back": "yellow",
    "queued": "bright_black",
    "held": "yellow",
    "skipped": "bright_black",
    "failed": "red",
    "errored": "magenta",
    "cancelled": "bright_black",
}


def json_option(function: F) -> F:
    """`--json`: exactly one JSON document on standard output (docs/json.md gives its shape); talk goes to standard error."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(
        function
    )


def shown(text: str) -> str:
    """`text` as a terminal may have it: colours pass, whatever could move its cursor, rename its window or make it
    answer does not. Subjects of commits, branches, names of tests and what hosts say hold whatever somebody wrote.
    """
    plain = text.replace("\r", "").encode("utf-8", "backslashreplace")
    return clean(plain, colour=True).decode("utf-8", "replace")


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """A line for people; every text that commands print goes this way."""
    click.echo(shown(text), err=err, nl=nl)


def emit_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if hasattr(value, "total_seconds"):
        return value.total_seconds()
    return str(value)


def styled(state: str) -> str:
    """The state's word in its colour (click drops colours when nobody looks)."""
    return click.style(state, fg=STATE_STYLE.get(state))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Left-aligned columns, as wide as they need; plain text, so that it can be cut and piped."""
    lines = [[shown(cell) for cell in line] for line in (columns, *rows)]
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        cells = [
            cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(line, widths, strict=True)
        ]
        text = "  ".join(cells).rstrip()
        click.echo(click.style(text, bold=True) if number == 0 else text)
