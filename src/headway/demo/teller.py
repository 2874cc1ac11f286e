"""How the demo is told: acts, commands as they are typed, their output, and a small picture of hosts and releases."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

#: One colour a release, in the order in which they appear.
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")


@dataclass(frozen=True, slots=True)
class HostView:
    name: str
    #: Release id, None for a host that has none.
    release: str | None
    #: Takes requests; None for a host that has no balancer before it.
    included: bool | None


@dataclass(frozen=True, slots=True)
class View:
    """What the picture shows."""

    hosts: tuple[HostView, ...] = ()
    answered: int = 0
    failed: int = 0


@dataclass(slots=True)
class Teller:
    console: Console
    #: Release id -> the letter by which it is told.
    letters: dict[str, str] = field(default_factory=dict)
    _view: View = field(default_factory=View)

    def letter(self, release: str) -> str:
        return self.letters.setdefault(release, chr(ord("A") + len(self.letters)))

    def title(self, text: str, below: str) -> None:
        self.console.print()
        self.console.print(Text(text, style="bold"))
        self.console.print(Text(below, style="dim"))

    def act(self, number: int, title: str, text: str) -> None:
        self.console.print()
        self.console.rule(Text(f"{number}  {title}", style="bold"), align="left", style="dim")
        self.say(text)

    def say(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)

    def typed(self, command: str) -> None:
        self.console.print(Text.assemble(("$ ", "green"), (command, "bold")), soft_wrap=True)

    def output(self, line: str) -> None:
        self.console.print(Text.assemble(("  │ ", "dim"), (line, "dim")), soft_wrap=True)

    def last_lines(self, output: str, count: int) -> None:
        """The end of an output that was not shown as it came."""
        lines = output.splitlines()
        if len(lines) > count:
            self.output(f"… {len(lines) - count} lines")
        for line in lines[-count:]:
            self.output(line)

    def changed(self, lines: Iterable[str]) -> None:
        for line in lines:
            style = "green" if line.startswith("+") else "red"
            self.console.print(Text("    " + line, style=style), soft_wrap=True)

    def good(self, text: str) -> None:
        self.console.print(Text.assemble(("✓ ", "green"), text), soft_wrap=True)

    def bad(self, text: str) -> None:
        self.console.print(Text.assemble(("✗ ", "bold red"), (text, "red")), soft_wrap=True)

    def see(self, view: View) -> None:
        """The newest state of the world; called from a thread, drawn when it suits."""
        self._view = view

    def picture(self) -> None:
        self.console.print(self._picture(), soft_wrap=True)

    @contextlib.contextmanager
    def under_way(self, what: str) -> Iterator[None]:
        """Below what is told meanwhile: a spinner and the moving picture, where somebody watches."""
        if not self.console.is_terminal:
            yield
            return
        spinner = Spinner("dots", Text(what, style="dim"))

        def draw() -> RenderableType:
            return Group(self._picture(), spinner)

        with Live(
            get_renderable=draw,
            console=self.console,
            refresh_per_second=8,
            transient=True,
            # Commands write through us; what Python itself prints stays where it is.
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield

    def _picture(self) -> Text:
        view = self._view
        text = Text("  ")
        for host in view.hosts:
            text.append(f"{host.name} ")
            text.append_text(self._host(host))
            text.append("   ")
        text.append(f"{view.answered:,} answered, ")
        text.append(f"{view.failed:,} failed", style="red" if view.failed else "")
        return text

    def _host(self, host: HostView) -> Text:
        if host.release is None:
            return Text("○ -", style="dim")
        letter = self.letter(host.release)
        colour = _COLOURS[(ord(letter) - ord("A")) % len(_COLOURS)]
        if host.included is False:
            return Text(f"◌ {letter}", style=colour)
        return Text(f"● {letter}", style=f"bold {colour}")
