"""Lists in pages: every row once, also where one moment has more of them than a page."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.base.clock import from_milliseconds
from headway.domain.run_history import RunFilter
from headway.store import deployments, releases, requests, run_history, runs
from headway.store.database import Database, Transaction
from headway.store.pages import Place, cut, read_cursor, write_cursor
from headway.store.views.deployments import deployment_lines
from headway.store.views.releases import release_lines
from headway.store.views.timeline import happenings
from tests.deploy.examples import NOW, deployment
from tests.store.test_releases import RELEASE
from tests.store.test_requests import request
from tests.store.test_runs import RUN

#: Seven of the first moment, one of the next, one before: pages of two and of three end in the middle of the seven.
MOMENTS = [0, 0, 0, 1, 0, 0, 0, -1, 0]


def fill(database: Database) -> None:
    def work(tx: Transaction) -> None:
        for number, moment in enumerate(MOMENTS):
            at = NOW + timedelta(milliseconds=moment)
            run = replace(RUN, id=f"run-{number}", number=number + 1, tree=f"{number:040}", created_at=at)
            assert runs.add_run(tx, run, plan="{}", token=1)
            release = replace(RELEASE, id=f"rel-{number}", created_at=at, artifacts=())
            releases.put_release(tx, release, now=at)
            requests.insert_request(tx, request(number, environment=f"env-{number}", requested_at=at))
            made = deployment(id=f"dep-{number}", number=number + 1, requested_at=at)
            deployments.insert_deployment(tx, made, [], token=1)

    database.transact(work)


def list_of(name: str, tx: Transaction, place: Place | None, limit: int) -> Sequence[Any]:
    if name == "runs":
        return run_history.list_runs(tx, RunFilter(service="shop"), place=place, limit=limit)
    if name == "releases":
        return release_lines(tx, "shop", place=place, limit=limit)
    if name == "requests":
        return requests.requests_of(tx, "shop", place=place, limit=limit)
    if name == "waiting":
        return requests.waiting_requests(tx, place=place, limit=limit)
    if name == "deployments":
        return deployment_lines(tx, service="shop", place=place, limit=limit)
    return happenings(tx, name.removeprefix("timeline "), "shop", place=place, limit=limit)


def place_of(row: Any) -> Place:
    at = next(getattr(row, name) for name in ("requested_at", "created_at", "at") if getattr(row, name, None))
    return at, getattr(row, "id", None) or row.key


LISTS = [
    "runs",
    "releases",
    "requests",
    "waiting",
    "deployments",
    *[f"timeline {kind}" for kind in ("run", "release", "deployment", "request")],
]


@pytest.mark.parametrize("limit", [1, 2, 3, 20])
@pytest.mark.parametrize("name", LISTS)
def test_rows_of_one_moment_at_a_border_are_all_shown_once(database: Database, name: str, limit: int) -> None:
    fill(database)
    read: Callable[..., Sequence[Any]] = partial(list_of, name)
    seen: list[Any] = []
    after: str | None = ""
    while after is not None:
        place = read_cursor(after)
        found = database.read(lambda tx, place=place: read(tx, place, limit + 1))  # type: ignore[misc]
        page, after = cut(found, limit, place_of)
        seen += page
    assert len(seen) == len(MOMENTS)
    places = [place_of(row) for row in seen]
    assert places == sorted(set(places), reverse=name != "waiting")


@given(st.integers(0, 4_000_000_000_000), st.text("abc-123:", min_size=1, max_size=30))
def test_a_cursor_comes_back_as_it_went(milliseconds: int, key: str) -> None:
    place = (from_milliseconds(milliseconds), key)
    assert read_cursor(write_cursor(place)) == place


@given(st.text(max_size=50))
@pytest.mark.parametrize("head", ["", "123."])
def test_a_cursor_that_is_none_is_none(head: str, text: str) -> None:
    place = read_cursor(head + text)
    assert place is None or read_cursor(write_cursor(place)) == place


@pytest.mark.parametrize("text", ["123.a\0b", "123.", ".", "²3.a", "123.'; --"])
def test_what_no_key_is_made_of_never_reaches_a_statement(text: str) -> None:
    assert read_cursor(text) is None
