"""The state of the world in one line: what moves, what waits, what is wrong; or that all is quiet, and when we looked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from headway.deploy.trouble import PlaceTrouble
from headway.engine.standing.troubles import Where, read_troubles
from headway.store.database import Transaction
from headway.store.views.world import count_everything

if TYPE_CHECKING:
    from headway.engine.server.server import Server

#: Tries after which an effect that was not sent is worth a word.
_TRIES_BEFORE_SAID = 3


@dataclass(frozen=True, slots=True)
class Part:
    text: str
    #: Where the rows behind it are; empty where there is nothing to see.
    href: str
    #: loud, waits, moving; empty: said calmly.
    tone: str = ""


@dataclass(frozen=True, slots=True)
class World:
    parts: tuple[Part, ...]
    #: When the loop that looked longest ago did; None before all have.
    checked_at: datetime | None
    #: Sentences that every page shows in full.
    warnings: tuple[str, ...]

    @property
    def wrong(self) -> tuple[Part, ...]:
        """What somebody has to look at."""
        return tuple(part for part in self.parts if part.tone == "loud")

    @property
    def others(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.tone != "loud")

    @property
    def is_quiet(self) -> bool:
        return not self.parts and not self.warnings


def read_world(tx: Transaction, server: "Server", now: datetime) -> World:
    counts = count_everything(tx, tries=_TRIES_BEFORE_SAID)
    parts = [Part(trouble.sentence, trouble.href, "loud") for trouble in server.troubles.at(now)]
    parts += _places(read_troubles(tx))
    if counts.unsent:
        parts.append(Part(f"{_count(counts.unsent, 'message')} not sent", "/settings/system", "loud"))
    if counts.unreachable:
        said = _count(counts.unreachable, "repository", "repositories")
        parts.append(Part(f"{said} unreachable", "/settings/repositories", "loud"))
    if counts.held + counts.asked:
        waits = counts.held + counts.asked
        verb = "waits" if waits == 1 else "wait"
        parts.append(
            Part(f"{_count(waits, 'deployment')} {verb} at a gate", "/deployments?state=waiting", "waits")
        )
    if counts.held_runs:
        verb = "waits" if counts.held_runs == 1 else "wait"
        parts.append(Part(f"{_count(counts.held_runs, 'run')} {verb} for approval", "/queue", "waits"))
    if counts.deploying:
        parts.append(
            Part(f"{_count(counts.deploying, 'deployment')} running", "/deployments?state=running", "moving")
        )
    if counts.running:
        parts.append(Part(f"{_count(counts.running, 'run')} running", "/runs?state=running", "moving"))
    if counts.queued > counts.held_runs:
        parts.append(Part(f"{counts.queued - counts.held_runs} queued", "/queue"))
    return World(tuple(parts), server.duties.looked_at(), tuple(server.warnings.values()))


#: Letters of a name that somebody gave.
_LONGEST_NAME = 30


def _places(wrong: Mapping[Where, tuple[PlaceTrouble, ...]]) -> list[Part]:
    """One environment by its name and the worst of it; of several how many, for the page of services begins with them."""
    if not wrong:
        return []
    (service, environment), said = next(iter(wrong.items()))
    tone = "loud" if said[0].is_broken else "waits"
    if len(wrong) > 1:
        return [Part(f"{len(wrong)} environments in trouble", "/", tone)]
    text = f"{_short(service)} {_short(environment)}: {said[0].sentence}"
    return [Part(text, f"/services/{quote(service, safe='')}", tone)]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _count(count: int, noun: str, nouns: str = "") -> str:
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"
