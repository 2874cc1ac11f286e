"""Releases, requests, deployments, what was deployed by others, metrics."""

from typing import Any

from headway.domain.people import Role, Scope
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
hosts = "web-1"
approval = { from = "role:operator" }
[hosts.web-1]
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
    assert look["batches"] == [["web-1"]]
    assert [one["kind"] for one in look["obstacles"]] == ["approval"]
    plan = await ana.document("/api/plan", params={**where, "release": "main"})
    assert plan["hosts"][0]["commands"][0]["step"]
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
