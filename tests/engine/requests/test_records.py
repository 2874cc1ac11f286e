"""What other systems deployed: the same history and the same metrics, and no way back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.org import Floor, Freeze
from headway.domain.standing import Standing
from headway.dora.metric import MetricName
from headway.engine.audit import list_entries
from headway.engine.deployments.rollback import NotOurs
from headway.engine.metrics.reports import delivery_report
from headway.engine.permissions import NotAllowed
from headway.engine.requests.preview import what_it_would_do
from headway.engine.requests.records import (
    Record,
    RecordRefused,
    record_deployment,
    record_release,
    told_of,
)
from headway.store import deployments, follow_ups
from headway.store.database import Database, Transaction
from headway.store.standings import put_standing
from tests.support.delivery_line import ANA, EVE, LOU, Line, actor


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Line:
    return Line(tmp_path, database)


def record(line: Line, commit: str, **changes: object) -> Record:
    now = line.clock.now().replace(microsecond=0)
    values: dict[str, object] = {
        "service": "shop",
        "environment": "production",
        "commit": commit,
        "state": DeploymentState.SUCCEEDED,
        "source": "jenkins",
        "started_at": now - timedelta(minutes=5),
        "finished_at": now - timedelta(minutes=1),
        "version": "1.4.2",
        "url": "https://jenkins.example/job/shop/7",
        "key": "shop#7",
    }
    return Record(**{**values, **changes})  # type: ignore[arg-type]


async def test_it_stands_in_the_history_once_and_counts(line: Line) -> None:
    first, second = line.commit("one"), line.commit("two")
    await record_deployment(line.tools, ANA, record(line, first, key="shop#6"))
    later = record(line, "main", started_at=line.clock.now() - timedelta(minutes=2))
    told = await record_deployment(line.tools, ANA, later)
    assert told.is_new
    made = told.deployment
    assert (made.number, made.commit, made.origin, made.requested_by) == (2, second, "jenkins", "ana")
    assert made.reason == "deployed 1.4.2 by jenkins, which told of it"
    assert made.production and made.release.startswith("rel-")
    said = told_of(made)
    assert said is not None
    assert (said.version, said.url) == ("1.4.2", "https://jenkins.example/job/shop/7")
    assert "jenkins, not by Headway" in said.why_no_way_back
    again = await record_deployment(line.tools, ANA, later)
    assert not again.is_new
    assert again.deployment == made
    assert line.database.read(lambda tx: deployments.last_succeeded(tx, "shop", "production")) == made
    report = delivery_report(
        line.database,
        line.tools.git,
        service="shop",
        environment="production",
        since=timedelta(days=1),
        now=line.clock.now(),
    )
    assert (report[MetricName.LEAD_TIME].n, report[MetricName.FREQUENCY].events) == (1, 2)
    entries = line.database.read(list_entries).entries
    assert [entry.action for entry in entries] == ["deployment.record"] * 2


async def test_there_is_no_way_back_and_it_says_why(line: Line) -> None:
    await record_deployment(line.tools, ANA, record(line, line.commit("one")))
    with pytest.raises(NotOurs, match="put into production by jenkins, not by Headway"):
        await line.requests.request_rollback(EVE, service="shop", environment="production")
    # Nothing follows from it: who deploys by another system promotes by it.
    duty = line.duty(most=0)
    await duty.tick(line.clock.now())
    assert line.asked() == []
    assert line.database.read(follow_ups.unfollowed_deployments) == []


async def test_what_somebody_records_opens_no_gate(line: Line) -> None:
    """Else whoever may deploy to staging could say that a release was good there, and send it on untried."""
    release = line.green("one")
    await record_deployment(line.tools, ANA, record(line, release.commit, environment="staging"))
    asked = await line.requests.request_deployment(
        ANA, service="shop", environment="production", release=release.id
    )
    assert [one.kind for one in asked.obstacles] == ["after"]


@pytest.mark.slow
@pytest.mark.parametrize("state", [DeploymentState.FAILED, DeploymentState.ROLLED_BACK])
async def test_what_somebody_records_is_no_failure_that_a_hotfix_may_repair(
    line: Line, state: DeploymentState
) -> None:
    """Else whoever may deploy passes a freeze with a failure of their own making."""
    now = line.clock.now()
    night = Freeze("night", "not now", start=now - timedelta(hours=1), end=now + timedelta(hours=1))
    line.org = replace(line.org, freezes=(night,))
    release = line.green("one")
    for kind in (DeploymentKind.PLANNED, DeploymentKind.ROLLBACK):
        told = record(line, release.commit, environment="staging", state=state, kind=kind, key=f"{kind}")
        await record_deployment(line.tools, ANA, told)
        asked = await line.requests.request_deployment(
            ANA,
            service="shop",
            environment="staging",
            release=release.id,
            kind=DeploymentKind.HOTFIX,
        )
        [frozen] = asked.obstacles
        assert frozen.kind == "freeze"
        assert "there was none there" in frozen.reason


async def test_what_somebody_records_takes_no_way_back_from_where_the_hosts_are_known(line: Line) -> None:
    first, second = line.green("one"), line.green("two")
    now = line.clock.now() - timedelta(minutes=10)
    for number, release in enumerate((first, second), 11):
        good = Deployment(
            id=f"dep-{number}",
            number=number,
            service="shop",
            repository=release.repository,
            environment="production",
            production=True,
            release=release.id,
            commit=release.commit,
            previous_release=None,
            kind=DeploymentKind.PLANNED,
            state=DeploymentState.SUCCEEDED,
            reason="",
            requested_by="ana",
            requested_at=now + timedelta(minutes=number),
            started_at=now,
            first_switched_at=now,
            finished_at=now,
        )
        standing = Standing(
            "shop", "production", "web1", release.id, release.commit, good.id, number, since=now
        )

        def store(tx: Transaction, good: Deployment = good, standing: Standing = standing) -> None:
            deployments.insert_deployment(tx, good, [], token=1)
            put_standing(tx, standing)

        line.database.transact(store)
    await record_deployment(line.tools, ANA, record(line, line.commit("three")))
    going = await line.requests.request_rollback(EVE, service="shop", environment="production")
    assert going.request is not None
    assert going.request.release == first.id


async def test_who_may_not_deploy_there_may_not_record_there_either(line: Line) -> None:
    line.org = replace(line.org, floors=(Floor("few", deployers=("eve",)),))
    told = record(line, line.commit("one"))
    with pytest.raises(NotAllowed, match="the floor few"):
        await record_deployment(line.tools, ANA, told)
    assert (await record_deployment(line.tools, EVE, told)).is_new


async def test_a_release_of_headways_own_keeps_its_name(line: Line) -> None:
    release = line.green("one")
    told = await record_deployment(line.tools, ANA, record(line, release.commit))
    assert told.deployment.release == release.id


async def test_of_several_releases_of_the_commit_the_one_that_passed_before_is_meant(line: Line) -> None:
    passed = line.green("one")
    newer = line.green("one again", commit=passed.commit)
    assert newer.id != passed.id
    now = line.clock.now()
    good = Deployment(
        id="dep-staging",
        number=7,
        service="shop",
        repository=passed.repository,
        environment="staging",
        production=False,
        release=passed.id,
        commit=passed.commit,
        previous_release=None,
        kind=DeploymentKind.PLANNED,
        state=DeploymentState.SUCCEEDED,
        reason="",
        requested_by="ana",
        requested_at=now,
        finished_at=now,
    )
    line.database.transact(lambda tx: deployments.insert_deployment(tx, good, [], token=1))
    told = await record_deployment(line.tools, ANA, record(line, passed.commit))
    assert told.deployment.release == passed.id
    elsewhere = record(line, passed.commit, environment="staging", key="shop#8", source="script")
    assert (await record_deployment(line.tools, ANA, elsewhere)).deployment.release == passed.id


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": DeploymentState.RUNNING}, "has not ended"),
        ({"environment": "../etc"}, "cannot be the name of an environment"),
        ({"source": "<script>"}, "cannot be the name of who deployed"),
        ({"url": "javascript:alert(1)"}, "no address of the web"),
        ({"finished_at": datetime(2099, 1, 1, tzinfo=UTC)}, "in the future"),
        ({"started_at": datetime(2098, 1, 1, tzinfo=UTC)}, "cannot end before it begins"),
        ({"service": "cart", "commit": "main"}, "is no commit that is known here"),
    ],
)
async def test_what_cannot_be_is_refused(line: Line, changes: dict[str, object], said: str) -> None:
    whole = record(line, line.commit("one"))
    with pytest.raises(RecordRefused, match=said):
        await record_deployment(line.tools, EVE, replace(whole, **changes))  # type: ignore[arg-type]


async def test_a_service_without_a_repository_is_known_by_whole_ids(line: Line) -> None:
    told = await record_deployment(line.tools, EVE, record(line, "c" * 40, service="cart"))
    assert (told.deployment.service, told.deployment.commit) == ("cart", "c" * 40)


async def test_who_may(line: Line) -> None:
    with pytest.raises(NotAllowed):
        await record_deployment(line.tools, LOU, record(line, line.commit("one")))
    narrow = actor("ana", scopes=frozenset(), by="token jenkins")
    with pytest.raises(NotAllowed, match="token jenkins has not the scope 'release'"):
        await record_release(line.tools, narrow, service="shop", commit="main", files={})


async def test_a_release_that_another_system_built(line: Line, tmp_path: Path) -> None:
    sha = line.commit("one")
    file = tmp_path / "upload"
    file.write_bytes(b"bytes")
    files = {"app.tar.gz": file}
    made = await record_release(line.tools, ANA, service="shop", commit="main", files=files)
    assert (made.commit, made.created_by, made.artifacts[0].path) == (sha, "ana", "app.tar.gz")
    again = await record_release(line.tools, ANA, service="shop", commit=sha, files=files)
    assert again.id == made.id
    bare = await record_release(line.tools, ANA, service="shop", commit=sha, files={})
    assert bare.artifacts == () and bare.id != made.id
    # Its commit is on the default branch, so `when = "branch == 'main'"` holds for it, whoever built it.
    preview = await what_it_would_do(line.tools, ANA, service="shop", environment="staging", release=made.id)
    assert preview.obstacles == ()
    assert preview.sentence == f"deploys {made.id} to staging on 1 host"


async def test_what_a_button_says_beforehand(line: Line) -> None:
    line.deploy = 'once = { run = "./bin/migrate", rollback = "incompatible" }'
    old = line.green("one")
    new = line.green("two")
    await record_deployment(line.tools, ANA, record(line, old.commit, environment="staging"))
    preview = await what_it_would_do(line.tools, ANA, service="shop", environment="staging", release="HEAD")
    assert preview.sentence == f"deploys {new.id} to staging on 1 host, in place of {old.id}; brings 1 commit"
    assert [commit.sha for commit in preview.commits] == [new.commit]
    assert preview.batches == (("stage1",),)
    assert 'declared rollback = "incompatible"' in preview.notes[0]
    assert preview.is_possible
    blocked = await what_it_would_do(
        line.tools, ANA, service="shop", environment="production", release=new.id
    )
    assert [one.kind for one in blocked.obstacles] == ["after"]


async def test_a_record_opens_the_next_gate_where_that_says_so(line: Line) -> None:
    """Also one that was told before the commit was built here: what counts is the commit."""

    async def obstacles(release: str) -> list[str]:
        preview = await what_it_would_do(
            line.tools, ANA, service="shop", environment="production", release=release
        )
        return [one.reason for one in preview.obstacles]

    sha = line.commit("one")
    await record_deployment(line.tools, ANA, record(line, sha, environment="staging"))
    strict = line.green("one", commit=sha)
    [reason] = await obstacles(strict.id)
    assert reason.endswith("jenkins told of a deployment there, which counts with after_recorded = true")
    line.production = "after_recorded = true"
    open_, other = line.green("two"), line.green("three")
    failed = {"state": DeploymentState.FAILED, "environment": "staging"}
    await record_deployment(line.tools, ANA, record(line, open_.commit, key="a", environment="staging"))
    await record_deployment(line.tools, ANA, record(line, other.commit, key="b", **failed))
    assert await obstacles(open_.id) == []
    [reason] = await obstacles(other.id)
    assert reason.endswith("has not succeeded in staging, which comes before production")
