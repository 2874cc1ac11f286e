"""The words in braces that `[deploy]`, processes and health checks may hold: `{host}`, `{labels.zone}`, …

A brace after a dollar sign is the shell's own (`${HOME}`); braces round anything that is not a plain
name (`{ echo; }`, `{1..3}`) are the shell's too. A plain name that stands here for nothing is an error.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from headway.base.errors import WrongUse

_PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z][a-z0-9_]*(?:\.[A-Za-z0-9_-]+)?)\}")
NAMES = ("host", "address", "release", "service", "environment")


class UnknownPlaceholder(WrongUse):
    """A name in braces that stands for nothing on this host."""


@dataclass(frozen=True, slots=True)
class Values:
    """What the placeholders stand for on one host."""

    host: str
    address: str
    release: str
    service: str
    environment: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Raises UnknownPlaceholder, naming what would have been allowed."""
        kind, dot, label = name.partition(".")
        if kind == "labels" and dot:
            if label in self.labels:
                return self.labels[label]
            raise UnknownPlaceholder(
                f"{{{name}}} is used, but the host {self.host} has no label '{label}'",
                hint=f'add it: [hosts.{self.host}] labels = {{ {label} = "…" }}',
            )
        if name in NAMES:
            return str(getattr(self, name))
        allowed = ", ".join(f"{{{known}}}" for known in (*NAMES, "labels.NAME"))
        raise UnknownPlaceholder(
            f"{{{name}}} is no placeholder; allowed are {allowed}",
            hint="if the braces are the shell's, put spaces inside them or a $ before them",
        )


def names_in(text: str) -> tuple[str, ...]:
    """The names of all placeholders in `text`, known or not, in their order."""
    return tuple(match[1] for match in _PLACEHOLDER.finditer(text))


def fill_command(text: str, values: Values) -> str:
    """`text` with each placeholder as one quoted word of a shell."""
    return _fill(text, values, shlex.quote)


def fill_url(text: str, values: Values) -> str:
    """`text` with each placeholder as a part of a URL."""
    return _fill(text, values, lambda value: quote(value, safe=":[]"))


def fill_path(text: str, values: Values) -> str:
    """`text` with each placeholder as it is; for paths, which are quoted as a whole where they are used."""
    return _fill(text, values, lambda value: value)


def _fill(text: str, values: Values, form: Callable[[str], str]) -> str:
    return _PLACEHOLDER.sub(lambda match: form(values.get(match[1])), text)
