"""Repositories that a server knows, what their refs pointed to, and their cron triggers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.intake import ForgeKind, Repository, Schedule
from headway.store.database import Row, Transaction


def add_repository(tx: Transaction, repository: Repository) -> bool:
    """False when one of this name is there."""
    return bool(
        tx.execute(
            """
            INSERT INTO repositories (id, name, forge, url, web_url, service, team, default_branch, created_at,
                created_by, poll_every, due_at, checked_at, fault, faults)
            VALUES (:id, :name, :forge, :url, :web_url, :service, :team, :default_branch, :created_at,
                :created_by, :poll_every, :due_at, NULL, '', 0)
            ON CONFLICT DO NOTHING
            """,
            id=repository.id,
            name=repository.name,
            forge=repository.forge,
            url=repository.url,
            web_url=repository.web_url,
            service=repository.service,
            team=repository.team,
            default_branch=repository.default_branch,
            created_at=to_milliseconds(repository.created_at),
            created_by=repository.created_by,
            poll_every=repository.poll_every,
            due_at=None if repository.due_at is None else to_milliseconds(repository.due_at),
        )
    )


def remove_repository(tx: Transaction, id: str, now: datetime) -> bool:
    """Its runs stay. False when it was not there."""
    tx.execute("DELETE FROM schedules WHERE repository = :id", id=id)
    return bool(
        tx.execute(
            "UPDATE repositories SET removed_at = :now, due_at = NULL WHERE id = :id AND removed_at IS NULL",
            id=id,
            now=to_milliseconds(now),
        )
    )


def repository_by_id(tx: Transaction, id: str) -> Repository | None:
    row = tx.one("SELECT * FROM repositories WHERE id = :id AND removed_at IS NULL", id=id)
    return None if row is None else _repository(row)


def repository_by_name(tx: Transaction, name: str) -> Repository | None:
    row = tx.one("SELECT * FROM repositories WHERE name = :name AND removed_at IS NULL", name=name)
    return None if row is None else _repository(row)


def repository_of_service(tx: Transaction, service: str) -> Repository | None:
    """The one whose default branch declares this service; the oldest, should there be several."""
    row = tx.one(
        """
        SELECT * FROM repositories WHERE service = :service AND removed_at IS NULL ORDER BY created_at, id LIMIT 1
        """,
        service=service,
    )
    return None if row is None else _repository(row)


def repositories(tx: Transaction) -> list[Repository]:
    """By name."""
    rows = tx.all("SELECT * FROM repositories WHERE removed_at IS NULL ORDER BY name")
    return [_repository(row) for row in rows]


def due_repositories(tx: Transaction, now: datetime, *, limit: int = 20) -> list[Repository]:
    """Those to be asked for news."""
    rows = tx.all(
        """
        SELECT * FROM repositories WHERE due_at IS NOT NULL AND due_at <= :now AND removed_at IS NULL
        ORDER BY due_at LIMIT :limit
        """,
        now=to_milliseconds(now),
        limit=limit,
    )
    return [_repository(row) for row in rows]


def next_look(tx: Transaction) -> datetime | None:
    row = tx.one(
        "SELECT MIN(due_at) AS due_at FROM repositories WHERE due_at IS NOT NULL AND removed_at IS NULL"
    )
    return None if row is None or row["due_at"] is None else from_milliseconds(row["due_at"])


def looked(
    tx: Transaction, seen: Repository, *, now: datetime, due_at: datetime | None, fault: str = ""
) -> None:
    """It was asked: it answered, or why not. `seen` as it stood when the look began: who asked for one meanwhile
    (`look_soon`) wants another."""
    tx.execute(
        """
        UPDATE repositories SET fault = :fault,
            due_at = CASE WHEN due_at = CAST(:was AS BIGINT) OR due_at IS NULL THEN CAST(:due_at AS BIGINT)
                ELSE due_at END,
            checked_at = CASE WHEN :fault = '' THEN :now ELSE checked_at END,
            faults = CASE WHEN :fault = '' THEN 0 ELSE faults + 1 END
        WHERE id = :id AND removed_at IS NULL
        """,
        id=seen.id,
        was=_milliseconds(seen.due_at),
        now=to_milliseconds(now),
        due_at=_milliseconds(due_at),
        fault=fault,
    )


def look_soon(tx: Transaction, id: str, now: datetime) -> None:
    tx.execute(
        "UPDATE repositories SET due_at = :now WHERE id = :id AND removed_at IS NULL",
        id=id,
        now=to_milliseconds(now),
    )


def look_at_hosted(tx: Transaction, now: datetime) -> None:
    """All that are hosted here are due."""
    tx.execute(
        "UPDATE repositories SET due_at = :now WHERE forge = 'headway' AND removed_at IS NULL",
        now=to_milliseconds(now),
    )


def describe(
    tx: Transaction, id: str, *, service: str | None, team: str | None, default_branch: str | None
) -> None:
    """What its default branch says it is; None leaves what is known."""
    tx.execute(
        """
        UPDATE repositories SET service = COALESCE(CAST(:service AS TEXT), service), team = :team,
            default_branch = COALESCE(CAST(:default_branch AS TEXT), default_branch)
        WHERE id = :id
        """,
        id=id,
        service=service,
        team=team,
        default_branch=default_branch,
    )


def name_default_branch(tx: Transaction, id: str, branch: str) -> None:
    """As the repository itself names it. What another branch's file says of releases is not known."""
    tx.execute(
        "UPDATE repositories SET default_branch = :branch, follows = NULL WHERE id = :id",
        id=id,
        branch=branch,
    )


def put_follows(tx: Transaction, id: str, services: Sequence[str] | None) -> None:
    """The services whose releases begin a run here; None: not known, the file has to be read."""
    follows = None if services is None else json.dumps(sorted(services))
    tx.execute("UPDATE repositories SET follows = :follows WHERE id = :id", id=id, follows=follows)


def possible_followers(tx: Transaction, service: str) -> list[Repository]:
    """Those that may wait for releases of this service, by name; their files say for sure."""
    rows = tx.all(
        """
        SELECT * FROM repositories WHERE removed_at IS NULL AND service IS NOT NULL AND service <> :service
            AND (follows IS NULL OR follows LIKE '%"' || :service || '"%')
        ORDER BY name
        """,
        service=service,
    )
    return [_repository(row) for row in rows]


def refs_of(tx: Transaction, repository: str) -> dict[str, str]:
    """Ref -> sha, as taken in the last time."""
    rows = tx.all("SELECT ref, sha FROM refs WHERE repository = :repository", repository=repository)
    return {row["ref"]: row["sha"] for row in rows}


def ref_of(tx: Transaction, repository: str, ref: str) -> str | None:
    row = tx.one(
        "SELECT sha FROM refs WHERE repository = :repository AND ref = :ref", repository=repository, ref=ref
    )
    return None if row is None else row["sha"]


def move_refs(tx: Transaction, repository: str, refs: Mapping[str, str | None], now: datetime) -> None:
    """What they point to now; None for those that are gone."""
    for ref, sha in refs.items():
        if sha is None:
            tx.execute(
                "DELETE FROM refs WHERE repository = :repository AND ref = :ref",
                repository=repository,
                ref=ref,
            )
        else:
            tx.execute(
                """
                INSERT INTO refs (repository, ref, sha, changed_at) VALUES (:repository, :ref, :sha, :now)
                ON CONFLICT (repository, ref) DO UPDATE SET sha = :sha, changed_at = :now
                """,
                repository=repository,
                ref=ref,
                sha=sha,
                now=to_milliseconds(now),
            )


def put_schedules(tx: Transaction, repository: str, schedules: Sequence[Schedule]) -> None:
    """Those of the default branch's headway.toml, in place of what was there; one that did not change keeps its time."""
    kept = {row["name"]: row for row in _schedule_rows(tx, repository)}
    tx.execute("DELETE FROM schedules WHERE repository = :repository", repository=repository)
    for schedule in schedules:
        before = kept.get(schedule.name)
        same = before is not None and (before["cron"], before["zone"]) == (schedule.cron, schedule.zone)
        due_at = before["due_at"] if before is not None and same else _milliseconds(schedule.due_at)
        tx.execute(
            """
            INSERT INTO schedules (repository, name, service, cron, zone, branch, parameters, due_at)
            VALUES (:repository, :name, :service, :cron, :zone, :branch, :parameters, :due_at)
            """,
            repository=repository,
            name=schedule.name,
            service=schedule.service,
            cron=schedule.cron,
            zone=schedule.zone,
            branch=schedule.branch,
            parameters=json.dumps(dict(schedule.parameters)),
            due_at=due_at,
        )


def due_schedules(tx: Transaction, now: datetime, *, limit: int = 100) -> list[Schedule]:
    rows = tx.all(
        "SELECT * FROM schedules WHERE due_at IS NOT NULL AND due_at <= :now ORDER BY due_at LIMIT :limit",
        now=to_milliseconds(now),
        limit=limit,
    )
    return [_schedule(row) for row in rows]


def schedules_of(tx: Transaction, repository: str) -> list[Schedule]:
    return [_schedule(row) for row in _schedule_rows(tx, repository)]


def all_schedules(tx: Transaction) -> list[Schedule]:
    return [_schedule(row) for row in tx.all("SELECT * FROM schedules ORDER BY repository, name")]


def next_schedule(tx: Transaction) -> datetime | None:
    row = tx.one("SELECT MIN(due_at) AS due_at FROM schedules WHERE due_at IS NOT NULL")
    return None if row is None or row["due_at"] is None else from_milliseconds(row["due_at"])


def schedule_again(tx: Transaction, schedule: Schedule, due_at: datetime | None) -> None:
    tx.execute(
        "UPDATE schedules SET due_at = :due_at WHERE repository = :repository AND name = :name",
        repository=schedule.repository,
        name=schedule.name,
        due_at=_milliseconds(due_at),
    )


def services_of_teams(tx: Transaction, services: Iterable[str]) -> dict[str, str | None]:
    """Service -> its team, of those that a repository declares."""
    wanted = set(services)
    rows = tx.all("SELECT service, team FROM repositories WHERE service IS NOT NULL AND removed_at IS NULL")
    return {row["service"]: row["team"] for row in rows if row["service"] in wanted}


def _schedule_rows(tx: Transaction, repository: str) -> list[Row]:
    return tx.all(
        "SELECT * FROM schedules WHERE repository = :repository ORDER BY name", repository=repository
    )


def _schedule(row: Row) -> Schedule:
    return Schedule(
        repository=row["repository"],
        service=row["service"],
        name=row["name"],
        cron=row["cron"],
        zone=row["zone"],
        branch=row["branch"],
        parameters=json.loads(row["parameters"]),
        due_at=None if row["due_at"] is None else from_milliseconds(row["due_at"]),
    )


def _repository(row: Row) -> Repository:
    return Repository(
        id=row["id"],
        name=row["name"],
        forge=ForgeKind(row["forge"]),
        url=row["url"],
        web_url=row["web_url"],
        service=row["service"],
        team=row["team"],
        default_branch=row["default_branch"],
        created_at=from_milliseconds(row["created_at"]),
        created_by=row["created_by"],
        poll_every=row["poll_every"],
        due_at=None if row["due_at"] is None else from_milliseconds(row["due_at"]),
        checked_at=None if row["checked_at"] is None else from_milliseconds(row["checked_at"]),
        fault=row["fault"],
        faults=row["faults"],
    )


def _milliseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_milliseconds(instant)
