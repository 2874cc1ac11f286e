"""What `exec` and `tail` share: lines with their host before them, and a Ctrl-C that ends what runs on the hosts."""

import sys
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import click

from headway.base.errors import Cancelled
from headway.cli.terminal import clean

T = TypeVar("T")
_COLOURS = ("cyan", "green", "yellow", "blue", "magenta", "bright_cyan", "bright_green", "bright_blue")


class HostLines:
    """Prints lines with aligned, coloured names before them."""

    def __init__(self, names: Sequence[str]) -> None:
        names = list(dict.fromkeys(names))
        self._colour = sys.stdout.isatty()
        width = max((len(name) for name in names), default=0)
        self._prefixes = {}
        for number, name in enumerate(names):
            text = f"{name:<{width}} │ "
            if self._colour:
                text = click.style(text, fg=_COLOURS[number % len(_COLOURS)])
            self._prefixes[name] = text.encode()

    def show(self, name: str, line: bytes) -> None:
        """One line as it came, with or without its newline."""
        click.echo(self._prefixes[name] + self.safe(line.removesuffix(b"\n")) + b"\n", nl=False)

    def safe(self, data: bytes) -> bytes:
        """Without what could move the cursor or make the terminal answer; colours only where somebody looks."""
        return clean(data + b"\n", colour=self._colour).removesuffix(b"\n")


def run_interruptibly(work: Coroutine[Any, Any, T], ended: str) -> T:
    """Runs it to its end. Ctrl-C, SIGTERM and SIGHUP cancel it, so that what it started on hosts is ended too.

    Raises Cancelled with the sentence `ended`; a second signal does not wait for the hosts.
    """
    import asyncio
    import signal

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await work
        except asyncio.CancelledError:
            if task.cancelling() > 1:
                raise Cancelled(
                    "cancelled without waiting for the hosts: the command may still go on there"
                ) from None
            raise Cancelled(ended) from None
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)

    return asyncio.run(main())


def as_text(data: bytes) -> dict[str, str]:
    """Output for JSON: `output`, and `output_base64` beside it where bytes are no UTF-8."""
    try:
        return {"output": data.decode()}
    except UnicodeDecodeError:
        import base64

        return {
            "output": data.decode("utf-8", "replace"),
            "output_base64": base64.b64encode(data).decode(),
        }


def seconds(text: str, option: str) -> float:
    """A duration option in seconds. Raises a usage error that says what is allowed."""
    from headway.base.durations import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error
