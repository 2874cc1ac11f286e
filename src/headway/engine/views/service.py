"""The page of one service: its row, what runs where, and one timeline of everything."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from headway.domain.intake import Repository
from headway.engine.views.cursor import read_cursor, write_cursor
from headway.engine.views.services import ServiceRow, read_service_row
from headway.store.database import Transaction
from headway.store.releases import releases_of
from headway.store.repositories import repository_of_service
from headway.store.views.timeline import KINDS, Happening, happenings

_PAGE = 50


@dataclass(frozen=True, slots=True)
class ServiceView:
    row: ServiceRow
    #: None where nothing but a command on this machine knows of it.
    repository: Repository | None
    timeline: tuple[Happening, ...]
    #: For the page of older ones; None: this was the last.
    older: str | None
    #: That stands, made last; None where there is none.
    newest_release: str | None

    @property
    def team(self) -> str | None:
        return self.row.line.team


def read_service(
    tx: Transaction,
    service: str,
    *,
    kind: str = "",
    before: str = "",
    hidden: Collection[str] = (),
    now: datetime,
) -> ServiceView | None:
    """`kind` is one of KINDS, empty for all but the `hidden` ones. None when nothing is known of the service."""
    row = read_service_row(tx, service)
    if row is None:
        return None
    kinds = [name for name in KINDS if name not in hidden and kind in ("", name)]
    timeline, older = read_timeline(tx, service, kinds, before=before, now=now)
    newest = releases_of(tx, service, limit=1)
    return ServiceView(
        row, repository_of_service(tx, service), timeline, older, newest[0].id if newest else None
    )


def read_timeline(
    tx: Transaction, service: str, kinds: Collection[str], *, before: str, now: datetime, limit: int = _PAGE
) -> tuple[tuple[Happening, ...], str | None]:
    """The newest first, from the cursor `before` on, and the cursor of the next page."""
    cursor = read_cursor(before)
    # A clock that was set back leaves rows ahead of now; they are shown all the same.
    until = cursor[0] if cursor else datetime.max.replace(tzinfo=now.tzinfo, year=3000)
    found: list[Happening] = []
    for kind in kinds:
        # Two more than a page: whether there is more, and the one that the cursor itself names.
        found += happenings(tx, kind, service, until=until, limit=limit + 2)
    found.sort(key=lambda one: (one.at, f"{one.kind}-{one.key}"), reverse=True)
    if cursor:
        found = [one for one in found if (one.at, f"{one.kind}-{one.key}") < cursor]
    page = tuple(found[:limit])
    more = len(found) > limit
    return page, write_cursor(page[-1].at, f"{page[-1].kind}-{page[-1].key}") if more else None
