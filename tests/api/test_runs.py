"""Runs: listed page by page, shown with all they made, started, repeated, cancelled, tried; their logs and artifacts."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from headway.domain.people import Role, Scope
from headway.drivers.git import Git
from headway.drivers.git.proposals import make_proposal
from tests.support.called_api import CalledApi
from tests.support.repositories import ENVIRONMENT

CONTRACT = """
[jobs.test]
run = "echo one; echo zwei; mkdir dist; echo bytes > dist/shop.txt; test ! -e bad"
artifacts = ["dist/*"]
[parameters.colour]
type = "choice"
choices = ["red", "blue"]
"""


async def ran(api: CalledApi, contract: str = CONTRACT) -> dict[str, Any]:
    await api.shop(contract)
    await api.drive()
    [run] = (await api.owner.document("/api/runs"))["items"]
    return run


async def test_a_run_with_all_it_made(api: CalledApi) -> None:
    run = await ran(api)
    document = await api.owner.document("/api/services/shop/runs/1")
    assert document == await api.owner.document(f"/api/runs/{run['id']}")
    assert document["run"] == run
    assert (run["state"], run["trigger"]["event"]) == ("succeeded", "push")
    [job] = document["jobs"]
    [artifact] = document["artifacts"]
    assert (artifact["path"], artifact["job"]) == ("dist/shop.txt", job["id"])
    answer = await api.owner.get(f"/api/runs/{run['id']}/artifact", params={"path": "dist/shop.txt"})
    assert answer.content == b"bytes\n"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''shop.txt"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "dist/other", ""])
async def test_artifacts_are_found_by_name_only(api: CalledApi, path: str) -> None:
    run = await ran(api)
    answer = await api.owner.get(f"/api/runs/{run['id']}/artifact", params={"path": path})
    assert answer.status_code == 404


async def test_a_log_as_bytes(api: CalledApi) -> None:
    run = await ran(api)
    [job] = (await api.owner.document(f"/api/runs/{run['id']}/logs"))["jobs"]
    assert job["log_size"] == 9
    assert job["steps"][0]["log_start"] == 0
    path = f"/api/jobs/{job['id']}/log"
    assert job["log"] == f"http://headway.test{path}"
    whole = await api.owner.get(path)
    assert (whole.content, whole.headers["headway-over"]) == (b"one\nzwei\n", "true")
    assert (await api.owner.get(f"{path}?offset=4")).content == b"zwei\n"
    assert (await api.owner.get(f"{path}?offset=4&limit=2")).content == b"zw"
    assert (await api.owner.get(f"{path}?offset=99")).content == b""
    assert (await api.owner.get(f"{path}?follow=true&offset=2")).content == b"e\nzwei\n"
    part = await api.owner.get(path, headers={"Range": "bytes=0-2"})
    assert (part.status_code, part.content) == (206, b"one")
    assert part.headers["content-range"] == "bytes 0-2/9"
    assert (await api.owner.get(path, headers={"Range": "bytes=99-"})).status_code == 416
    assert (await api.owner.get(f"{path}?attempt=2")).status_code == 404
    assert (await api.owner.get("/api/jobs/job-none/log")).status_code == 404


async def test_lists_come_in_pages(api: CalledApi) -> None:
    await api.shop(CONTRACT)
    for _ in range(4):
        await api.owner.post("/api/services/shop/runs", {"parameters": {"colour": "red"}})
    seen, after = [], ""
    for _ in range(3):
        page = await api.owner.document(f"/api/runs?service=shop&limit=2{after}")
        seen += [run["number"] for run in page["items"]]
        after = f"&after={page['next']}"
    assert seen == [5, 4, 3, 2, 1]
    assert page["next"] is None
    assert (await api.owner.get("/api/runs?after=nonsense")).status_code == 400
    manual = await api.owner.document("/api/runs?event=manual&state=queued&branch=main")
    assert len(manual["items"]) == 4
    assert (await api.owner.document("/api/runs?state=failed"))["items"] == []


async def test_started_by_hand_with_parameters(api: CalledApi) -> None:
    await api.shop(CONTRACT)
    developer = await api.caller(Role.DEVELOPER, Scope.RUN, Scope.READ)
    wrong = await developer.post("/api/services/shop/runs", {"parameters": {"colour": "green", "size": "1"}})
    assert wrong.status_code == 400
    assert len(wrong.json()["faults"]) == 2
    key = {"Idempotency-Key": "x"}
    body = {"branch": "main", "parameters": {"colour": "blue"}, "only": ["test"]}
    made = await developer.post("/api/services/shop/runs", body, headers=key)
    assert made.status_code == 201
    assert made.json()["parameters"] == {"colour": "blue"}
    assert (await developer.post("/api/services/shop/runs", body, headers=key)).json() == made.json()
    assert (await developer.post("/api/services/shop/runs", {"branch": "none"})).status_code == 404
    assert (await developer.post("/api/services/none/runs", {})).status_code == 404


async def test_a_key_finds_its_run_whatever_has_changed_since(api: CalledApi) -> None:
    """As after a server that was killed before it answered: the answer is lost, the run is not."""
    await api.shop(CONTRACT)
    working = api.working()
    working.git("switch", "--quiet", "-c", "topic")
    working.commit({"more": "of it"})
    await api.look()
    key, body = {"Idempotency-Key": "x"}, {"branch": "topic"}
    begun = await api.owner.post("/api/services/shop/runs", body, headers=key)
    assert begun.status_code == 201, begun.text
    made = begun.json()
    key_of_rerun = {"Idempotency-Key": "y"}
    too_early = await api.owner.post(f"/api/runs/{made['id']}/rerun", {}, headers={"Idempotency-Key": "z"})
    assert too_early.status_code == 409
    assert "has not ended" in too_early.text
    await api.owner.post(f"/api/runs/{made['id']}/cancel")
    again = (await api.owner.post(f"/api/runs/{made['id']}/rerun", {}, headers=key_of_rerun)).json()
    working.git("switch", "--quiet", "main")
    working.git("branch", "-D", "topic")
    await api.look()
    api.database.transact(lambda tx: tx.execute("DELETE FROM idempotency"))
    assert (await api.owner.post("/api/services/shop/runs", body)).status_code == 404
    assert (await api.owner.post("/api/services/shop/runs", body, headers=key)).json()["id"] == made["id"]
    assert (await api.owner.post(f"/api/runs/{made['id']}/rerun", {}, headers=key_of_rerun)).json() == again


async def test_repeated_and_cancelled(api: CalledApi) -> None:
    run = await ran(api)
    assert (await api.owner.post(f"/api/runs/{run['id']}/rerun", {"only_failed": True})).status_code == 409
    again = (await api.owner.post(f"/api/runs/{run['id']}/rerun")).json()
    assert again["trigger"]["rerun_of"] == run["id"]
    cancelled = await api.owner.post(f"/api/runs/{again['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (await api.owner.post(f"/api/runs/{run['id']}/cancel")).status_code == 409
    assert (await api.owner.post(f"/api/runs/{run['id']}/approve")).status_code == 409
    assert (await api.owner.document(f"/api/runs/{again['id']}/waits")) == {"waits": {}}


async def test_a_working_tree_is_tried(api: CalledApi, tmp_path: Path) -> None:
    sha = await api.shop(CONTRACT)
    working = api.working()
    working.write({"bad": "", "new": "file"})
    known = await api.owner.post("/api/services/shop/commits/known", {"commits": [sha, "0" * 40]})
    assert known.json() == {"known": [sha]}
    commit = await api.owner.document(f"/api/services/shop/commits/{sha}")
    assert (commit["is_here"], commit["branches"], commit["run"]["number"]) == (True, ["main"], 1)
    git = Git(dict(ENVIRONMENT), tmp_path / "mirrors")
    proposal = await asyncio.to_thread(make_proposal, git, working.folder, [sha])
    headers = {"Content-Type": "application/x-git-bundle", "Idempotency-Key": "try-1"}
    path = "/api/services/shop/tries?branch=main&dirty=true"
    made = await api.owner.client.post(path, content=proposal.bundle, headers=headers)
    assert made.status_code == 201, made.text
    run = made.json()
    assert (run["trigger"]["event"], run["dirty"], run["branch"]) == ("try", True, "main")
    await api.drive()
    tried = await api.owner.document(f"/api/runs/{run['id']}")
    assert (tried["run"]["state"], tried["run"]["release"]) == ("failed", None)
    # Its changes do not count as the commit's own run.
    assert (await api.owner.document(f"/api/services/shop/commits/{sha}"))["run"]["number"] == 1
    assert (await api.owner.document(f"/api/services/shop/commits/{run['commit']}"))["run"] is None


@pytest.mark.parametrize("bundle", [b"", b"no bundle", b"# v2 git bundle\n" + b"0" * 40 + b" x\n\nPACK"])
async def test_what_is_no_bundle_is_refused(api: CalledApi, bundle: bytes) -> None:
    await api.shop(CONTRACT)
    answer = await api.owner.client.post("/api/services/shop/tries", content=bundle)
    assert answer.status_code == 400
    assert (await api.owner.client.post("/api/services/none/tries", content=bundle)).status_code == 404
