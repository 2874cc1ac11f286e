"""The words in braces that `[deploy]`, processes and health checks may hold, replaced: `{host}`, `{labels.zone}`, …

Which braces are ours and which the shell's is said in `domain.placeholders`.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from headway.base.errors import WrongUse
from headway.domain.placeholders import PLACEHOLDER, PLACEHOLDERS


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
        if name in PLACEHOLDERS:
            return str(getattr(self, name))
        allowed = ", ".join(f"{{{known}}}" for known in (*PLACEHOLDERS, "labels.NAME"))
        raise UnknownPlaceholder(
            f"{{{name}}} is no placeholder; allowed are {allowed}",
            hint="if the braces are the shell's, put spaces inside them or a $ before them",
        )


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
    return PLACEHOLDER.sub(lambda match: form(values.get(match[1])), text)
