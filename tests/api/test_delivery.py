"""Releases, requests, deployments, what was deployed by others, metrics."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from headway.deploy.plan import to_json
from headway.domain.deployment import DeploymentState
from headway.domain.people import Role, Scope
from headway.domain.standing import Standing
from headway.drivers.ssh.settings import SshSettings
from headway.store.database import Transaction
from headway.store.deployments import insert_deployment
from headway.store.standings import put_standing, standings_of
from tests.deploy.examples import deployment, host, plan
from tests.support.called_api import CalledApi

CONTRACT = """
[jobs.image]
run = "mkdir dist; echo bytes > dist/shop.tar.gz"
artifacts = ["dist/shop.tar.gz"]
[deploy]
kind = "files"
artifact = "dist/shop.tar.gz"
activate = "true"
[environments.production]
hosts = ["web-1", "web-2"]
approval = { from = "role:operator" }
[hosts.web-1]
address = "127.0.0.1"
[hosts.web-2]
address = "127.0.0.1"
"""


async def released(api: CalledApi) -> dict[str, Any]:
    await api.shop(CONTRACT)
    await api.drive()
    [release] = (await api.owner.document("/api/services/shop/releases"))["items"]
    return release


async def test_releases(api: CalledApi) -> None:
    release = await released(api)
    assert release["run_number"] == 1
    assert await api.owner.document(f"/api/releases/{release['id']}") == release
    for name in (release["id"], release["commit"][:8], "main"):
        found = await api.owner.document(
            f"/api/services/shop/releases/find?name={name}&environment=production"
        )
        assert found == {**release, "chosen": ""}
    assert (await api.owner.get("/api/services/shop/releases/find?name=nothing")).status_code == 400
    assert (await api.owner.get("/api/releases/rel-none")).status_code == 404
    assert (await api.owner.get("/api/services/none/releases")).status_code == 404
    file = await api.owner.get(f"/api/releases/{release['id']}/artifact?path=dist/shop.tar.gz")
    assert file.content == b"bytes\n"


async def test_a_release_that_another_system_built(api: CalledApi) -> None:
    sha = await api.shop(CONTRACT)
    caller = await api.caller(Role.DEVELOPER, Scope.RELEASE, Scope.READ)
    fields = {"service": "shop", "commit": sha, "executable": "bin/start"}
    files = [("dist/shop.tar.gz", ("x", b"built elsewhere")), ("bin/start", ("start", b"#!/bin/sh\n"))]
    made = await caller.client.post("/api/releases", data=fields, files=files)
    assert made.status_code == 201, made.text
    release = made.json()
    assert [(file["path"], file["size"], file["executable"]) for file in release["artifacts"]] == [
        ("bin/start", 10, True),
        ("dist/shop.tar.gz", 15, False),
    ]
    assert release["created_by"] == "a-developer"
    # The same content is the same release.
    assert (await caller.client.post("/api/releases", data=fields, files=files)).json()["id"] == release["id"]
    plain = await caller.post("/api/releases", {"service": "shop", "commit": "main"})
    assert (plain.status_code, plain.json()["artifacts"]) == (201, [])


async def test_uploads_that_cannot_be(api: CalledApi) -> None:
    await api.shop(CONTRACT)
    files = [("../../etc/passwd", ("x", b"")), ("/abs", ("y", b"")), ("a/./b", ("z", b""))]
    wrong = await api.owner.client.post("/api/releases", data={"service": "shop", "shoe": "44"}, files=files)
    assert wrong.status_code == 400
    assert len(wrong.json()["faults"]) == 5
    assert (await api.owner.post("/api/releases", {"service": "shop"})).json()["faults"] == [
        "commit: is missing"
    ]
    assert (await api.owner.post("/api/releases", {"service": "none", "commit": "main"})).status_code == 404


async def test_a_request_stands_at_the_gate_until_it_is_approved(api: CalledApi) -> None:
    release = await released(api)
    ana = await api.caller(Role.DEVELOPER, Scope.DEPLOY, Scope.READ)
    where = {"service": "shop", "environment": "production"}
    look = await ana.document("/api/preview", params={**where, "release": "main"})
    assert release["id"] in look["sentence"]
    assert look["batches"] == [["web-1"], ["web-2"]]
    assert [one["kind"] for one in look["obstacles"]] == ["approval"]
    plan = await ana.document("/api/plan", params={**where, "release": "main"})
    assert plan["hosts"][0]["commands"][0]["step"]
    assert plan["hosts"][1]["host"] == "web-2"
    for path in ("/api/preview", "/api/plan"):
        left_out = await ana.document(path, params={**where, "release": "main", "without": "web-2"})
        assert "web-2" not in str(left_out.get("batches", left_out.get("hosts"))), path
        unknown = await ana.get(path, params={**where, "release": "main", "without": "web-2,web-9"})
        assert (unknown.status_code, "no host web-9" in unknown.text) == (400, True), path
    noted = await ana.document("/api/preview", params={**where, "release": "main", "without": "web-2"})
    assert noted["notes"][-1].startswith("left out: web-2")
    made = await ana.post("/api/requests", {**where, "release": "main"}, headers={"Idempotency-Key": "a"})
    request = made.json()
    assert (made.status_code, request["state"], request["origin"]) == (201, "waiting", "api")
    assert (await ana.document("/api/requests"))["items"] == [request]
    queue = await ana.document("/api/queue")
    assert queue["requests"] == [request]
    said = await api.owner.post(
        f"/api/requests/{request['id']}/approve", {"yes": False, "comment": "not yet"}
    )
    assert (said.status_code, said.json()["state"]) == (200, "refused")
    whole = await ana.document(f"/api/requests/{request['id']}")
    assert whole["approvals"][0]["comment"] == "not yet"
    assert (await ana.post(f"/api/requests/{request['id']}/withdraw")).status_code == 409
    assert (await ana.get("/api/requests/req-none")).status_code == 404
    again = (await ana.post("/api/requests", {**where, "release": "main"})).json()
    page = await ana.document("/api/requests?service=shop&limit=1")
    assert [one["id"] for one in page["items"]] == [again["id"]]
    older = await ana.document(f"/api/requests?service=shop&limit=1&after={page['next']}")
    assert ([one["id"] for one in older["items"]], older["next"]) == ([request["id"]], None)


async def test_what_stands_in_the_way_for_good_is_said_at_once(api: CalledApi) -> None:
    await released(api)
    wrong = {"service": "shop", "environment": "nowhere", "release": "main"}
    assert (await api.owner.post("/api/requests", wrong)).status_code == 400
    back = await api.owner.post("/api/rollbacks", {"service": "shop", "environment": "production"})
    assert back.status_code in (400, 409)
    viewer = await api.caller(Role.VIEWER)
    refused = await viewer.post("/api/requests", {**wrong, "environment": "production"})
    assert refused.status_code == 403


async def test_what_something_else_deployed_is_recorded_once(api: CalledApi) -> None:
    sha = await api.shop(CONTRACT)
    jenkins = await api.caller(Role.DEVELOPER, Scope.DEPLOY, Scope.READ)
    told = {"service": "shop", "environment": "production", "commit": sha, "source": "jenkins"}
    first = await jenkins.post("/api/deployments", {**told, "key": "build 7"})
    assert (first.status_code, first.json()["is_new"]) == (201, True)
    assert (await jenkins.post("/api/deployments", {**told, "key": "build 7"})).json()["is_new"] is False
    deployment = first.json()["deployment"]
    assert (deployment["origin"], deployment["production"]) == ("jenkins", True)
    listed = await jenkins.document("/api/deployments?service=shop&environment=production&state=succeeded")
    assert listed["items"] == [deployment]
    whole = await jenkins.document(f"/api/deployments/{deployment['id']}")
    assert whole == await jenkins.document("/api/services/shop/deployments/1")
    assert (whole["deployment"], whole["hosts"], whole["steps"]) == (deployment, [], [])
    assert (await jenkins.post(f"/api/deployments/{deployment['id']}/pause")).status_code == 409
    assert (await jenkins.post(f"/api/deployments/{deployment['id']}/dance")).status_code in (400, 404)
    status = await jenkins.document("/api/services/shop/status")
    assert status["environments"][0]["live"] == deployment
    metrics = await jenkins.document("/api/delivery?service=shop&explain=frequency")
    assert metrics["metrics"]["frequency"]["n"] == 1
    assert len(metrics["explain"]["rows"]) == 1
    timeline = await jenkins.document("/api/services/shop/timeline?kind=deployment")
    assert [one["number"] for one in timeline["items"]] == [1]


async def test_records_that_cannot_be(api: CalledApi) -> None:
    told = {"service": "shop", "environment": "production", "commit": "f" * 40, "source": "jenkins"}
    future = {**told, "finished_at": "2999-01-01T00:00:00Z"}
    assert (await api.owner.post("/api/deployments", future)).status_code == 422
    naive = {**told, "finished_at": "2026-01-01T00:00:00"}
    assert (await api.owner.post("/api/deployments", naive)).status_code == 400
    assert (await api.owner.post("/api/deployments", {**told, "state": "running"})).status_code == 400
    assert (await api.owner.get("/api/deployments?after=x")).status_code == 400


async def test_a_host_that_the_file_does_not_name_any_more_is_emptied_or_forgotten(
    api: CalledApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.engine.settings.SshSettings", partial(SshSettings, connect_within=0.2))
    release = await released(api)
    web9 = host("web-9")
    at_nobody = replace(web9, spec=replace(web9.spec, address="127.0.0.1", port=1))
    brought = deployment(
        id="dep-9",
        service="shop",
        environment="production",
        release=release["id"],
        state=DeploymentState.SUCCEEDED,
        plan=to_json(plan(at_nobody, service="shop")),
    )
    gone = Standing("shop", "production", "web-9", release["id"], release["commit"], "dep-9", member=False)

    def stands(tx: Transaction) -> None:
        insert_deployment(tx, brought, [], token=1)
        for name, one in (("web-9", gone), ("web-8", replace(gone, deployment=None))):
            put_standing(tx, replace(one, host=name))
        put_standing(tx, replace(gone, host="web-1", member=True))

    api.server.database.transact(stands)
    hosts = "/api/services/shop/environments/production/hosts"
    viewer = await api.caller(Role.VIEWER)
    operator = await api.caller(Role.OPERATOR)
    for what in ("empty", "forget"):
        assert (await viewer.post(f"{hosts}/web-9/{what}")).status_code == 403
        named = await operator.post(f"{hosts}/web-1/{what}")
        assert (named.status_code, "web-1 belongs to production" in named.text) == (409, True)
        assert (await operator.post(f"{hosts}/web-7/{what}")).status_code == 409
    assert (await operator.post(f"{hosts}/web-9/burn")).status_code in (400, 404)
    # How that was deployed to is known nowhere; that other host is asked, and is not there.
    unknown = await operator.post(f"{hosts}/web-8/empty")
    assert (unknown.status_code, "headway deployment forget production web-8" in unknown.text) == (409, True)
    away = await operator.post(f"{hosts}/web-9/empty")
    assert (away.status_code >= 500, "web-9" in away.text) == (True, True), away.text
    for name in ("web-9", "web-8"):
        answer = await operator.post(f"{hosts}/{name}/forget")
        assert (answer.status_code, answer.json()) == (200, {"host": name, "release": release["id"]})
    left = api.server.database.read(lambda tx: standings_of(tx, "shop", "production"))
    assert [one.host for one in left] == ["web-1"]


async def test_who_may_not_deploy_to_both_names_does_not_rename_an_environment(api: CalledApi) -> None:
    path, new = "/api/services/shop/environments/production/rename", {"to": "live"}
    viewer = await api.caller(Role.VIEWER)
    operator = await api.caller(Role.OPERATOR)
    assert (await viewer.post(path, new)).status_code == 403
    assert (await operator.post(path, {**new, "hosts": ["web1"]})).status_code == 400
    answer = await operator.post(path.replace("shop", "nowhere"), new)
    assert (answer.status_code, "no repository here declares nowhere" in answer.text) == (404, True)
