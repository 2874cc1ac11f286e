"""Before a deed: what exactly will happen, as a value that one template shows; and whom deployments are asked of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.engine.requests import Requests
    from headway.engine.server import Server


@dataclass(frozen=True, slots=True)
class Field:
    """Something to fill in. `choices`: (value, word) of a selection; `rows`: lines of a text."""

    name: str
    label: str
    hint: str = ""
    value: str = ""
    choices: Sequence[tuple[str, str]] = ()
    rows: int = 0
    required: bool = False


#: What a person may leave out of a deployment or of a way back.
WITHOUT = Field(
    "without",
    "Without hosts",
    "Names of hosts that are away, with blanks between them. It goes on without them, and the next deployment brings them "
    "to what the others have.",
)


def left_out(form: Mapping[str, str]) -> list[str]:
    return form.get("without", "").replace(",", " ").split()


@dataclass(frozen=True, slots=True)
class Consequence:
    title: str
    sentence: str
    #: Named after the deed, never "OK".
    button: str
    facts: Sequence[tuple[str, str]] = ()
    fields: Sequence[Field] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    danger: bool = False


def requests_of(server: "Server") -> "Requests | None":
    """None where this server leaves deployments to another one."""
    return server.deployments.requests if server.deployments is not None else None
