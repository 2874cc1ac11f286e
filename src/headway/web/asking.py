"""Before a deed: what exactly will happen, as a value that one template shows; and whom deployments are asked of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.engine.requests.requests import Requests
    from headway.engine.server.server import Server


@dataclass(frozen=True, slots=True)
class Field:
    """Something to fill in. `choices`: (value, word) of a selection; `ticks`: values to tick, any number of them, sent with
    blanks between them; `rows`: lines of a text."""

    name: str
    label: str
    hint: str = ""
    value: str = ""
    choices: Sequence[tuple[str, str]] = ()
    ticks: Sequence[str] = ()
    rows: int = 0
    required: bool = False


_MOST_TICKS = 60


def without(hosts: Sequence[str], left: str = "") -> Field:
    """What a person may leave out of a deployment or of a way back: to tick, where the hosts are known and not too many."""
    if not hosts or len(hosts) > _MOST_TICKS:
        hint = "Names of hosts that are away, with blanks between them. "
        return Field("without", "Without hosts", hint + _CAUGHT_UP, value=left)
    return Field("without", "Without hosts", "Tick those that are away. " + _CAUGHT_UP, left, ticks=hosts)


_CAUGHT_UP = "It goes on without them, and the next deployment brings them to what the others have."


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
    #: (word, address, is chosen) of sheets to choose from, each with facts of its own; and what is chosen.
    choices: Sequence[tuple[str, str, bool]] = ()
    choose: str = ""

    def filled(self, form: Mapping[str, str]) -> "Consequence":
        """As it was sent: nobody types it again."""
        fields = [replace(one, value=form.get(one.name, "")) for one in self.fields]
        return replace(self, fields=fields)


def requests_of(server: "Server") -> "Requests | None":
    """None where this server leaves deployments to another one."""
    return server.deployments.requests if server.deployments is not None else None
