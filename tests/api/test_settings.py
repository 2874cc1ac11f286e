"""People, secrets, webhooks, the organisation, the audit, hosts, the server itself, backups."""

import asyncio
import io
import tarfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from headway.api import system
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.people import Role, Scope
from headway.engine.keeping.disk import DiskWatch
from headway.engine.standing.stalled import Stalled
from headway.engine.troubles import Trouble
from headway.store.errors import DatabaseUnavailable
from headway.store.system import Counts
from tests.support.called_api import CalledApi

ORG = """
[people.a-viewer]
role = "viewer"
[teams.storefront]
members = { a-viewer = "operator" }
[hosts.web-1]
address = "192.0.2.1"
"""


async def test_people(api: CalledApi) -> None:
    added = await api.owner.post("/api/people", {"handle": "bo", "name": "Bo", "role": "developer"})
    assert (added.status_code, added.json()["role"]) == (201, "developer")
    assert (await api.owner.post("/api/people", {"handle": "bo"})).status_code == 409
    await api.owner.post("/api/people", {"handle": "ann", "role": "administrator"})
    changed = await api.owner.put("/api/people/bo/role", {"role": "operator"})
    assert changed.json()["role"] == "operator"
    link = (await api.owner.post("/api/people/bo/invite")).json()["link"]
    assert link.startswith("http://headway.test/sign-in/")
    assert (await api.owner.post("/api/people/bo/disable")).json()["disabled_at"]
    assert (await api.owner.post("/api/people/bo/enable")).json()["disabled_at"] is None
    assert [one["handle"] for one in (await api.owner.document("/api/people"))["items"]] == ["ann", "bo"]
    assert (await api.owner.put("/api/people/nobody/role", {"role": "viewer"})).status_code == 404


async def test_secrets_are_set_and_never_shown(api: CalledApi) -> None:
    value = {"value": "hunter2-hunter2"}
    made = await api.owner.put("/api/secrets/DATABASE_URL?service=shop&environment=production", value)
    assert (made.status_code, made.json()["owner"]) == (200, "shop/production")
    await api.owner.put("/api/secrets/TOKEN?team=storefront", value)
    listed = await api.owner.get("/api/secrets")
    assert [one["name"] for one in listed.json()["items"]] == ["TOKEN", "DATABASE_URL"] or len(
        listed.json()["items"]
    ) == 2
    assert "hunter2" not in listed.text
    of_shop = await api.owner.document("/api/secrets?service=shop")
    assert [one["name"] for one in of_shop["items"]] == ["DATABASE_URL"]
    for wrong in ("", "?service=a&team=b", "?service=a/b", "?environment=production"):
        assert (await api.owner.put(f"/api/secrets/A{wrong}", value)).status_code == 400
    assert (await api.owner.put("/api/secrets/A?service=shop", {"value": "x"})).status_code == 400
    assert (await api.owner.delete("/api/secrets/TOKEN?team=storefront")).status_code == 204
    assert (await api.owner.delete("/api/secrets/TOKEN?team=storefront")).status_code == 404
    reader = await api.caller(Role.ADMINISTRATOR, Scope.READ)
    assert (await reader.get("/api/secrets")).json()["scope"] == "secrets"


async def test_a_teams_operator_sets_its_secrets_and_sees_no_others(api: CalledApi) -> None:
    (api.folder / "org.toml").write_text(ORG)
    api.server.org.reload()
    member = await api.caller(Role.VIEWER)
    value = {"value": "hunter2-hunter2"}
    assert (await member.put("/api/secrets/A?team=storefront", value)).status_code == 200
    assert (await member.put("/api/secrets/A?team=other", value)).status_code == 403
    await api.owner.put("/api/secrets/B?service=shop", value)
    assert [one["name"] for one in (await member.document("/api/secrets"))["items"]] == ["A"]


async def test_the_organisation_and_its_faults(api: CalledApi) -> None:
    file: Path = api.folder / "org.toml"
    file.write_text(ORG)
    api.server.org.reload()
    assert (await api.owner.document("/api/org"))["text"] == ORG
    [host] = (await api.owner.document("/api/hosts"))["items"]
    assert (host["name"], host["address"]) == ("web-1", "192.0.2.1")
    assert (await api.owner.get("/api/hosts/nothing")).status_code == 404
    file.write_text(ORG + "[teams.x]\nmemmbers = {}\n")
    api.server.org.reload()
    told = await api.owner.document("/api/org")
    assert told["text"] == ORG
    assert told["faults"][0]["key_path"].startswith("teams.x")


async def test_what_the_organisations_file_says_is_told_to_administrators_only(api: CalledApi) -> None:
    (api.folder / "org.toml").write_text(ORG)
    api.server.org.reload()
    whole = await api.owner.document("/api/org")
    callers = [await api.caller(role) for role in (Role.VIEWER, Role.DEVELOPER, Role.OPERATOR)]
    for one in callers:
        told = await one.document("/api/org")
        assert (told["path"], told["text"], told["faults"], told["fault"]) == ("", "", [], "")
        assert (told["teams"], told["read_at"]) == (whole["teams"], whole["read_at"])
    (api.folder / "org.toml").write_text(ORG + "[teams.x]\nmemmbers = {}\n")
    api.server.org.reload()
    told = await callers[0].document("/api/org")
    assert (told["faults"], "memmbers" in told["fault"]) == ([], False)
    assert "an administrator sees them" in told["fault"]


async def test_webhooks(api: CalledApi) -> None:
    body = {"url": "https://example.org/hook", "events": ["run.changed", "deployment.*"]}
    made = await api.owner.post("/api/webhooks", body)
    assert (made.status_code, bool(made.json()["secret"])) == (201, True)
    webhook = made.json()["webhook"]
    assert (await api.owner.document("/api/webhooks"))["items"] == [webhook]
    assert (await api.owner.post(f"/api/webhooks/{webhook['id']}/enable")).status_code == 200
    tried = (await api.owner.post(f"/api/webhooks/{webhook['id']}/test")).json()
    assert (tried["event"], tried["state"]) == ("webhook.test", "waiting")
    assert (await api.owner.document(f"/api/webhooks/{webhook['id']}/deliveries"))["items"] == [tried]
    assert (await api.owner.delete(f"/api/webhooks/{webhook['id']}")).status_code == 204
    assert (await api.owner.get(f"/api/webhooks/{webhook['id']}/deliveries")).status_code == 404
    assert (await api.owner.delete(f"/api/webhooks/{webhook['id']}")).status_code == 404
    assert (await api.owner.post("/api/webhooks", {"url": "ftp://x", "events": ["*"]})).status_code == 400


async def test_the_audit_says_who_did_what(api: CalledApi) -> None:
    administrator = await api.caller(Role.ADMINISTRATOR)
    await administrator.post("/api/people", {"handle": "bo"})
    page = await administrator.document("/api/audit?action=person.add&limit=1")
    [entry] = page["items"]
    assert (entry["actor"], entry["by"], entry["subject"]) == ("a-administrator", "token token 1", "bo")
    older = await administrator.document(f"/api/audit?action=person&limit=1&after={page['next']}")
    assert older["items"][0]["subject"] == "a-administrator"
    assert (await administrator.get("/api/audit?after=x")).status_code == 400
    assert (await administrator.get("/api/audit?since=2026-01-01T00:00:00")).status_code == 400


async def test_the_server_itself(api: CalledApi) -> None:
    system = await api.owner.document("/api/system")
    assert (system["slots"], system["database"]) == (2, "sqlite")
    assert {duty["name"] for duty in system["duties"]} >= {"intake", "runs", "janitor"}
    assert (await api.owner.document("/api/system/sizes"))["database"] > 0
    for path in ("/healthz", "/readyz"):
        assert (await api.nobody().get(path)).status_code == 200


async def test_the_server_names_the_variables_that_it_hands_to_jobs_and_no_value(api: CalledApi) -> None:
    """Of those listed the ones that are set: a job gets no other."""
    settings = api.server.settings
    assert (await api.owner.document("/api/system"))["job_variables"] == []
    handing = replace(
        settings,
        environment={**settings.environment, "JAVA_HOME": "/opt/java", "NPM_TOKEN": "x"},
        job_variables=frozenset({"JAVA_HOME", "NOT_SET"}),
    )
    api.server.tools = replace(api.server.tools, settings=handing)
    looker = await api.caller(Role.DEVELOPER)
    assert (await looker.document("/api/system"))["job_variables"] == ["JAVA_HOME"]


async def test_a_backup_holds_everything_but_the_key(api: CalledApi) -> None:
    await api.owner.put("/api/secrets/A?service=shop", {"value": "hunter2-hunter2"})
    answer = await api.owner.post("/api/backup")
    assert answer.headers["content-type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        names = archive.getnames()
    assert any("secrets" in name for name in names)
    assert not any("secret.key" in name for name in names)
    assert not list(api.settings.data.glob(".headway-sending-*"))
    operator = await api.caller(Role.OPERATOR)
    assert (await operator.post("/api/backup")).status_code == 403


async def test_nobody_learns_where_the_database_is(api: CalledApi, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: object) -> None:
        raise DatabaseUnavailable('connection to "10.0.0.5" failed: no password for user "headway"')

    monkeypatch.setattr(type(api.database), "fetch", lambda self, work: away(work))
    answer = await api.nobody().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["faults"][-1] == "the database does not answer; the server's log says why"


async def test_what_keeps_the_server_from_its_work_makes_it_not_ready(api: CalledApi) -> None:
    api.server.troubles.watch(
        lambda now: [Trouble("/srv/data has 3 MiB free", public="the disk is full"), Trouble("ada waits")]
    )
    answer = await api.nobody().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["faults"] == ["the disk is full"], "anybody may ask"


async def test_a_disk_that_is_full_makes_it_not_ready(api: CalledApi) -> None:
    free = [2**40, 0, 2**20]
    watch = DiskWatch(api.server.settings, usage=lambda _: (free[0], free[1], free[2]))
    api.server.troubles.watch(watch.troubles)
    answer = await api.nobody().get("/readyz")
    assert answer.json()["faults"] == ["the disk of its data is full: no new run begins"]
    free[2] = 2**39
    watch.look()
    assert (await api.nobody().get("/readyz")).json()["faults"] == []


async def test_a_deployment_that_stands_still_makes_it_not_ready_and_counts(api: CalledApi) -> None:
    going = Deployment(
        id="dep-1",
        number=7,
        service="shop",
        repository="/srv/shop",
        environment="production",
        production=True,
        release="rel-1",
        commit="0" * 40,
        previous_release=None,
        kind=DeploymentKind.PLANNED,
        state=DeploymentState.RUNNING,
        reason="batch 1 of 3",
        requested_by="ana",
        requested_at=api.server.now(),
    )
    api.server.stalled.found = (Stalled(going, timedelta(minutes=40), timedelta(minutes=10)),)
    answer = await api.nobody().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["faults"] == ["a deployment has not moved for longer than its timeout"]
    assert "headway_deployments_stalled 1.0" in (await api.nobody().get("/metrics")).text


async def test_whoever_asks_for_metrics_all_the_time_has_nothing_counted_anew(
    api: CalledApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(
        system, "count_all", lambda tx: counted.append(1) or Counts({"failed": 7}, {}, 0, 0, 0)
    )
    answers = await asyncio.gather(*(api.nobody().get("/metrics") for _ in range(5)))
    assert all('headway_runs_total{state="failed"} 7.0' in answer.text for answer in answers)
    assert counted == [1]
