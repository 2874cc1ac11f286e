"""What the shape of org.toml cannot say: names that must exist or be unique, forms of a freeze, calendars."""

from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headway.wire.contract.meaning_hosts import host_problems
from headway.wire.org.shape import FloorTable
from headway.wire.org.values import END_OF_DAY
from headway.wire.strict.faults import Path, Problem, listing, show, unknown
from headway.wire.strict.raw import Table, table, tables, text, texts, twice, unreadable

#: Says what is wrong with the calendar that a freeze names, in its zone; None: nothing.
CheckCalendar = Callable[[str, str], str | None]
_FORMS = {"start": "start and end", "end": "start and end", "days": "days", "calendar": "calendar"}


def problems_of_meaning(document: Table, check_calendar: CheckCalendar) -> Iterator[Problem]:
    """All faults of meaning, in no order."""
    yield from _people(document)
    for team, held in tables(document, "teams").items():
        for member in table(held, "members"):
            yield from _known_person(document, ("teams", team, "members", member), member, at_key=True)
    yield from host_problems(document)
    for host, held in tables(document, "hosts").items():
        path = ("hosts", host, "teams")
        yield from twice(held.get("teams"), path)
        for place, team in texts(held.get("teams"), path):
            yield from _known_team(document, place, team)
    yield from _floors(document)
    yield from _freezes(document, check_calendar)


def _people(document: Table) -> Iterator[Problem]:
    """One alias is one person, and nobody's handle."""
    people = tables(document, "people")
    owners = {name.casefold(): name for name in people}
    for name, person in people.items():
        path = ("people", name)
        named = [
            *texts(text(person, "email"), (*path, "email")),
            *texts(person.get("aliases"), (*path, "aliases")),
        ]
        for place, alias in named:
            owner = owners.setdefault(alias.casefold(), name)
            if owner != name:
                message = f"{show(alias)} stands for {owner} as well; it can be one person only"
                yield Problem(place, message, show(alias))
        yield from twice(person.get("aliases"), (*path, "aliases"))


def _known_person(document: Table, path: Path, name: str, *, at_key: bool = False) -> Iterator[Problem]:
    people = table(document, "people")
    if name not in people:
        none = f"there is nobody; write [people.{name}]"
        yield unknown(path, name, "no person of this file", people, none=none, at_key=at_key)


def _known_people(document: Table, value: object, path: Path) -> Iterator[Problem]:
    """`team:NAME` and handles must exist; roles always do."""
    yield from twice(value, path)
    for place, named in texts(value, path):
        kind, colon, name = named.partition(":")
        if not colon:
            yield from _known_person(document, place, named)
        elif kind == "team":
            yield from _known_team(document, place, name)


def _known_team(document: Table, path: Path, name: str) -> Iterator[Problem]:
    if name not in table(document, "teams"):
        none = f"there is no team; write [teams.{name}]"
        yield unknown(path, name, "no team", table(document, "teams"), none=none)


def _listed(document: Table, key: str) -> Iterator[tuple[Path, Table]]:
    """The tables of an array of tables; a name that stands there twice is a fault of its own."""
    value = document.get(key)
    for number, held in enumerate(value if isinstance(value, list) else ()):
        if isinstance(held, dict):
            yield (key, number), held


def _names(document: Table, key: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for path, held in _listed(document, key):
        name = text(held, "name")
        if name is not None and name in seen:
            yield Problem((*path, "name"), f"{show(name)} stands in {key} twice", show(name), "each once")
        seen.add(name or "")


def _floors(document: Table) -> Iterator[Problem]:
    yield from _names(document, "floors")
    for path, floor in _listed(document, "floors"):
        for key in ("services", "environments", "branches"):
            yield from _globs(floor.get(key), (*path, key))
        for key in ("deployers", "rollback", "logs"):
            yield from _known_people(document, floor.get(key), (*path, key))
        approvals = table(floor, "approvals")
        yield from _known_people(document, approvals.get("from"), (*path, "approvals", "from"))
        yield from _enough(document, approvals, (*path, "approvals"))
        rules = tuple(
            key for key in FloorTable.model_fields if key not in ("name", "services", "environments")
        )
        if not any(key in floor for key in rules):
            message = f"asks for nothing; write one of {listing(rules)}"
            yield Problem(path, message, allowed=listing(rules), at_key=True)


def _enough(document: Table, approvals: Table, path: Path) -> Iterator[Problem]:
    """More people than are named can never agree; how many a role has is not known here."""
    named = [name for _, name in texts(approvals.get("from"), ())]
    if not named or any(name.startswith("role:") for name in named):
        return
    people: set[str] = set()
    for name in named:
        team = name.removeprefix("team:")
        people.update(table(table(table(document, "teams"), team), "members") if team != name else [name])
    count = approvals.get("count", 1)
    if isinstance(count, int) and count > len(people):
        place = (*path, "count" if "count" in approvals else "from")
        message = f"asks for {count} approval{'s' if count != 1 else ''}, and {listing(named)} "
        message += f"{'is' if len(people) == 1 else 'are'} {len(people)} {'person' if len(people) == 1 else 'people'}"
        yield Problem(place, message, str(count), f"up to {len(people)}")


def _globs(value: object, path: Path) -> Iterator[Problem]:
    yield from twice(value, path)
    yield from unreadable(value, path)
    first = next(texts(value, path), None)
    if first is not None and first[1].startswith("!"):
        message = f"{show(first[1])} takes out of an empty list; write first what is taken in, such as '*'"
        yield Problem(first[0], message, show(first[1]), "a glob without '!' first")


def _freezes(document: Table, check_calendar: CheckCalendar) -> Iterator[Problem]:
    yield from _names(document, "freezes")
    for path, freeze in _listed(document, "freezes"):
        for key in ("services", "environments"):
            yield from _globs(freeze.get(key), (*path, key))
        yield from twice(freeze.get("days"), (*path, "days"))
        forms = list(dict.fromkeys(form for key, form in _FORMS.items() if key in freeze))
        if len(forms) != 1:
            found = " and ".join(forms) or "none of them"
            allowed = "exactly one of start and end, days, calendar"
            yield Problem(path, f"has {found}; allowed is {allowed}", found, allowed, at_key=True)
        for key in ("from", "until"):
            if key in freeze and "days" not in freeze:
                yield Problem(
                    (*path, key), "belongs to days, which are missing", show(freeze[key]), at_key=True
                )
        if freeze.get("from") == END_OF_DAY:
            yield Problem((*path, "from"), "'24:00' begins no day; write '00:00'", "'24:00'", "'00:00'")
        yield from _order(path, freeze)
        calendar = text(freeze, "calendar")
        if calendar is not None and (fault := check_calendar(calendar, text(freeze, "zone") or "UTC")):
            yield Problem((*path, "calendar"), f"{show(calendar)} {fault}", show(calendar))


def _order(path: Path, freeze: Table) -> Iterator[Problem]:
    zone = _zone(text(freeze, "zone") or "UTC")
    start, end = (_moment(freeze.get(key), zone) for key in ("start", "end"))
    if start is not None and end is not None and end <= start:
        message = f"{show(str(freeze['end']))} is not after the start"
        yield Problem((*path, "end"), message, show(str(freeze["end"])), "a later moment")


def _moment(value: object, zone: ZoneInfo) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value)[:64])
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _zone(name: str) -> ZoneInfo:
    """One that is not known is a fault of shape."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
