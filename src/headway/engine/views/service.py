"""The page of one service: its row, what runs where, and one timeline of everything."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from headway.base.clock import MOMENT
from headway.deploy.standing import WhatRuns
from headway.domain.intake import Repository
from headway.engine.standing.what_runs import read_what_runs
from headway.engine.views.services import ServiceRow, read_service_row
from headway.store.database import Transaction
from headway.store.pages import Place, cut, read_cursor
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
    #: Environment -> what runs there, host by host.
    runs: Mapping[str, WhatRuns]

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
) -> ServiceView | None:
    """`kind` is one of KINDS, empty for all but the `hidden` ones. None when nothing is known of the service."""
    row = read_service_row(tx, service)
    if row is None:
        return None
    kinds = [name for name in KINDS if name not in hidden and kind in ("", name)]
    timeline, older = read_timeline(tx, service, kinds, before=before)
    newest = releases_of(tx, service, limit=1)
    return ServiceView(
        row,
        repository_of_service(tx, service),
        timeline,
        older,
        newest[0].id if newest else None,
        {name: read_what_runs(tx, service, name) for name in row.places},
    )


def read_timeline(
    tx: Transaction, service: str, kinds: Collection[str], *, before: str, limit: int = _PAGE
) -> tuple[tuple[Happening, ...], str | None]:
    """The newest first, from the cursor `before` on, and the cursor of the next page."""
    cursor = read_cursor(before)
    found: list[Happening] = []
    for kind in kinds:
        found += happenings(tx, kind, service, place=_place_in(kind, cursor), limit=limit + 1)
    found.sort(key=lambda one: (one.at, one.kind, one.key), reverse=True)
    page, older = cut(found, limit, lambda one: (one.at, f"{one.kind}:{one.key}"))
    return tuple(page), older


def _place_in(kind: str, cursor: Place | None) -> Place | None:
    """Where the page begins among the rows of one kind: those of one moment are told by kind, then by key."""
    if cursor is None:
        return None
    at, (last, _, key) = cursor[0], cursor[1].partition(":")
    if kind < last:
        # None of that moment was shown yet.
        return at + MOMENT, ""
    return at, key if kind == last else ""
