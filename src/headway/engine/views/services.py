"""The page of all services: who needs somebody first, then by name."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from headway.deploy.trouble import PlaceTrouble
from headway.domain.request import Request
from headway.engine.standing.troubles import Where, read_troubles
from headway.store.database import Transaction
from headway.store.requests import waiting_requests
from headway.store.views.services import (
    HeldRun,
    PlaceLine,
    ServiceLine,
    held_runs,
    place_lines,
    service_lines,
)

#: Rows before the fold, and environments that get a column.
FOLD = 50
_MOST_COLUMNS = 4


class Need(IntEnum):
    """Why a row stands where it does: something is broken, something waits for a person, nothing of both."""

    BROKEN = 0
    WAITS = 1
    NOTHING = 2


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that waits at a gate: what, and why in a sentence. `path` is below the service's own address."""

    text: str
    reason: str
    path: str
    for_person: bool


@dataclass(frozen=True, slots=True)
class ServiceRow:
    line: ServiceLine
    #: Environment -> what runs there.
    places: Mapping[str, PlaceLine]
    #: Environment -> what is wrong there, the worst first; only those where something is.
    troubles: Mapping[str, tuple[PlaceTrouble, ...]]
    waits: tuple[Wait, ...]
    need: Need


@dataclass(frozen=True, slots=True)
class Services:
    rows: tuple[ServiceRow, ...]
    #: Environments with a column of their own, what is before production first; those of the rest share one.
    columns: tuple[str, ...]
    others: tuple[str, ...]
    #: All that match, and how many of them are folded away.
    total: int
    folded: int


def read_services(tx: Transaction, *, search: str = "", everything: bool = False) -> Services:
    lines = service_lines(tx, like=search or None)
    wanted = {line.name for line in lines}
    places: dict[str, dict[str, PlaceLine]] = {}
    for place in place_lines(tx):
        if place.service in wanted:
            places.setdefault(place.service, {})[place.environment] = place
    waits = waits_by_service(waiting_requests(tx), held_runs(tx))
    wrong = _by_service(read_troubles(tx))
    rows = [
        _row(line, places.get(line.name, {}), wrong.get(line.name, {}), waits.get(line.name, ()))
        for line in lines
    ]
    rows.sort(key=lambda row: (row.need, row.line.name.lower()))
    needing = sum(row.need is not Need.NOTHING for row in rows)
    shown = rows if everything else rows[: max(FOLD, min(needing, 2 * FOLD))]
    columns, others = _columns(shown)
    return Services(tuple(shown), columns, others, len(rows), len(rows) - len(shown))


def read_service_row(tx: Transaction, service: str) -> ServiceRow | None:
    """That of one; None when nothing is known of it."""
    lines = service_lines(tx, service=service)
    if not lines:
        return None
    places = {place.environment: place for place in place_lines(tx, service=service)}
    waits = waits_by_service(waiting_requests(tx, service), held_runs(tx, service=service))
    wrong = _by_service(read_troubles(tx, service))
    return _row(lines[0], places, wrong.get(service, {}), waits.get(service, ()))


def waits_by_service(requests: Iterable[Request], runs: Iterable[HeldRun]) -> dict[str, tuple[Wait, ...]]:
    found: dict[str, tuple[Wait, ...]] = {}
    for request in requests:
        person = any(obstacle.kind == "approval" for obstacle in request.obstacles)
        wait = Wait(f"{request.environment} gate", request.reason, f"/requests/{request.id}", person)
        found[request.service] = (*found.get(request.service, ()), wait)
    for run in runs:
        wait = Wait(f"run {run.number}", run.held_for, f"/runs/{run.number}", for_person=True)
        found[run.service] = (*found.get(run.service, ()), wait)
    return found


def ordered_environments(places: Iterable[PlaceLine]) -> list[str]:
    """What is before production first, then the more used ones, then by name."""
    count = Counter(place.environment for place in places)
    production = {place.environment for place in places if place.production}
    return sorted(count, key=lambda name: (name in production, -count[name], name))


def _by_service(
    wrong: Mapping[Where, tuple[PlaceTrouble, ...]],
) -> dict[str, dict[str, tuple[PlaceTrouble, ...]]]:
    found: dict[str, dict[str, tuple[PlaceTrouble, ...]]] = {}
    for (service, environment), said in wrong.items():
        found.setdefault(service, {})[environment] = said
    return found


def _row(
    line: ServiceLine,
    places: Mapping[str, PlaceLine],
    troubles: Mapping[str, tuple[PlaceTrouble, ...]],
    waits: Sequence[Wait],
) -> ServiceRow:
    broken = line.state in ("failed", "errored") or bool(troubles)
    person = any(wait.for_person for wait in waits) or any(place.state == "held" for place in places.values())
    need = Need.BROKEN if broken else Need.WAITS if person else Need.NOTHING
    return ServiceRow(line, places, troubles, tuple(waits), need)


def _columns(rows: Sequence[ServiceRow]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    every = [place for row in rows for place in row.places.values()]
    names = ordered_environments(every)
    if len(names) <= _MOST_COLUMNS:
        return tuple(names), ()
    count = Counter(place.environment for place in every)
    common = {name for name, _ in count.most_common(_MOST_COLUMNS - 1)}
    return tuple(name for name in names if name in common), tuple(
        name for name in names if name not in common
    )
