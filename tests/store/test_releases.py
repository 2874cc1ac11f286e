"""Releases as rows: what is stored never changes, retention only marks it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headway.domain.release import Artifact, Release, release_id
from headway.store.database import Database
from headway.store.errors import ReleaseDiffers
from headway.store.releases import (
    get_release,
    mark_removed,
    put_release,
    releases_by_prefix,
    releases_of,
    releases_of_commit,
    renew_release,
)

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RELEASE = Release(
    id="rel-000000000001",
    service="shop",
    repository="/src/shop",
    commit="a" * 40,
    artifacts=(Artifact("dist/a", "1" * 64, 10), Artifact("dist/b", "2" * 64, 2**40, executable=True)),
    created_at=NOW,
    created_by="ana@laptop",
    run="run-1",
)


def put(database: Database, release: Release, now: datetime = NOW) -> Release:
    return database.transact(lambda tx: put_release(tx, release, now=now))


def test_what_is_put_comes_back(database: Database) -> None:
    assert put(database, RELEASE) == RELEASE
    assert database.read(lambda tx: get_release(tx, RELEASE.id)) == RELEASE
    assert database.read(lambda tx: get_release(tx, "rel-nowhere")) is None


def test_a_release_without_artifacts_is_one_too(database: Database) -> None:
    bare = replace(RELEASE, artifacts=(), run=None)
    assert put(database, bare) == bare


def test_the_same_content_again_is_the_release_that_stands(database: Database) -> None:
    put(database, RELEASE)
    again = replace(RELEASE, created_at=NOW + DAY, created_by="bo@server", run="run-2")
    assert put(database, again, NOW + DAY) == RELEASE


def test_a_removed_release_is_brought_back_by_the_same_content(database: Database) -> None:
    put(database, RELEASE)
    assert database.transact(lambda tx: mark_removed(tx, RELEASE.id, renewed_at=NOW, now=NOW + DAY))
    removed = database.read(lambda tx: get_release(tx, RELEASE.id))
    assert removed == replace(RELEASE, removed_at=NOW + DAY)
    assert put(database, RELEASE, NOW + 2 * DAY) == RELEASE


def test_what_was_renewed_since_the_decision_is_not_removed(database: Database) -> None:
    put(database, RELEASE)
    assert database.transact(lambda tx: renew_release(tx, RELEASE.id, now=NOW + DAY))
    assert not database.transact(lambda tx: mark_removed(tx, RELEASE.id, renewed_at=NOW, now=NOW + DAY))
    assert database.transact(lambda tx: mark_removed(tx, RELEASE.id, renewed_at=NOW + DAY, now=NOW + DAY))
    assert not database.transact(lambda tx: renew_release(tx, RELEASE.id, now=NOW + 2 * DAY))


def test_releases_are_found_by_beginnings(database: Database) -> None:
    other = replace(RELEASE, id="rel-0000000000ff", commit="ab" * 20, created_at=NOW + DAY)
    stranger = replace(RELEASE, id="rel-0000000000fe", service="mail")
    for release in (RELEASE, other, stranger):
        put(database, release)
    assert database.read(lambda tx: releases_by_prefix(tx, "shop", "rel-0000")) == [other, RELEASE]
    assert database.read(lambda tx: releases_by_prefix(tx, "shop", "rel-0000000000f")) == [other]
    assert database.read(lambda tx: releases_by_prefix(tx, "shop", "rel-%")) == []
    assert database.read(lambda tx: releases_of_commit(tx, "shop", "aa")) == [RELEASE]
    assert database.read(lambda tx: releases_of_commit(tx, "shop", "a")) == [other, RELEASE]


def test_of_a_commit_the_one_that_stands_comes_first(database: Database) -> None:
    newer = replace(RELEASE, id="rel-000000000002", created_at=NOW + DAY)
    put(database, RELEASE)
    put(database, newer, NOW + DAY)
    assert [each.id for each in database.read(lambda tx: releases_of_commit(tx, "shop", "a" * 40))] == [
        newer.id,
        RELEASE.id,
    ]
    database.transact(lambda tx: mark_removed(tx, newer.id, renewed_at=NOW + DAY, now=NOW + 2 * DAY))
    assert database.read(lambda tx: releases_of_commit(tx, "shop", "a" * 40))[0] == RELEASE


def test_the_list_is_newest_first_and_leaves_out_what_is_gone(database: Database) -> None:
    for number in range(5):
        put(database, replace(RELEASE, id=f"rel-{number:012}", created_at=NOW + number * DAY))
    database.transact(lambda tx: mark_removed(tx, "rel-000000000003", renewed_at=NOW, now=NOW))
    found = database.read(lambda tx: releases_of(tx, "shop", limit=3))
    assert [release.id[-1] for release in found] == ["4", "2", "1"]
    assert all(release.artifacts == RELEASE.artifacts for release in found)


# What the id promises


def test_an_id_that_holds_other_content_is_refused_and_nothing_of_it_is_written(database: Database) -> None:
    put(database, RELEASE)
    others = [
        replace(RELEASE, artifacts=(replace(RELEASE.artifacts[0], sha256="3" * 64), RELEASE.artifacts[1])),
        replace(RELEASE, artifacts=(*RELEASE.artifacts, Artifact("dist/c", "3" * 64, 1))),
        replace(RELEASE, artifacts=()),
        replace(RELEASE, artifacts=(replace(RELEASE.artifacts[0], executable=True), RELEASE.artifacts[1])),
        replace(RELEASE, commit="b" * 40),
        replace(RELEASE, service="mail"),
    ]
    for other in others:
        with pytest.raises(ReleaseDiffers, match=f"{RELEASE.id} is stored with another content"):
            put(database, other, NOW + DAY)
    assert database.read(lambda tx: get_release(tx, RELEASE.id)) == RELEASE


def test_a_short_id_of_before_stays_the_id_of_its_content(database: Database) -> None:
    whole = replace(RELEASE, id=release_id(RELEASE.service, RELEASE.commit, RELEASE.artifacts))
    stored = put(database, replace(whole, id=whole.id[:16]))
    assert put(database, whole, NOW + DAY) == stored
    assert database.read(lambda tx: get_release(tx, whole.id)) is None


def test_a_short_id_of_another_content_takes_no_new_release_in(database: Database) -> None:
    whole = replace(RELEASE, id=release_id(RELEASE.service, RELEASE.commit, RELEASE.artifacts))
    stored = put(database, replace(whole, id=whole.id[:16], artifacts=()))
    assert put(database, whole) == whole
    # Each is found by its whole id, though one is the other's beginning.
    assert database.read(lambda tx: releases_by_prefix(tx, "shop", stored.id)) == [stored]
    assert database.read(lambda tx: releases_by_prefix(tx, "shop", whole.id)) == [whole]
    assert len(database.read(lambda tx: releases_by_prefix(tx, "shop", whole.id[:9]))) == 2
