"""Who may call: tokens, their scopes, roles, and the owner of the socket."""

import re

import pytest
from litestar.routes import HTTPRoute

from headway.api.app import routes
from headway.domain.people import Role, Scope
from headway.engine.access.sessions import COOKIE
from tests.support.called_api import CalledApi


async def test_nobody_is_let_in_without_a_token_and_only_learns_that(api: CalledApi) -> None:
    for caller in (api.nobody(),):
        answer = await caller.get("/api/runs")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await caller.post("/api/people", {"handle": "eve"})).status_code == 401


async def test_every_route_is_closed_but_those_that_the_manual_names(api: CalledApi) -> None:
    """400 is said of an address or a body that no route takes, which stands in the manual."""
    somebody, stranger = {"path": "x", "str": "x", "int": "1"}, api.nobody()
    answers = {}
    for route in routes().routes:
        assert isinstance(route, HTTPRoute)
        if route.path.startswith("/openapi"):
            continue  # the framework's own: no address of a server leads there, see main.faces
        path = re.sub(r"\{\w+:(\w+)\}", lambda found: somebody[found[1]], route.path)
        for method in route.methods - {"OPTIONS", "HEAD"}:
            answer = await stranger.client.request(method, path)
            answers[f"{method} {route.path}"] = answer.status_code
    assert len(answers) > 50
    is_open = {name for name, status in answers.items() if status not in (400, 401)}
    assert is_open == {"GET /healthz", "GET /readyz", "GET /metrics"}


async def test_the_document_is_read_by_who_is_signed_in(api: CalledApi) -> None:
    caller, stranger = await api.caller(Role.VIEWER, Scope.READ), api.nobody()
    for path in ("/api/openapi.json", "/api/docs"):
        assert (await stranger.get(path)).status_code == 401
        assert (await caller.get(path)).status_code == 200
    browser = await stranger.get("/api/docs", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (browser.status_code, browser.headers["location"]) == (303, "/sign-in?next=%2Fapi%2Fdocs")
    link = await api.server.people.ensure_first_link(api.server.now())
    assert link is not None
    signed_in = await api.server.people.sign_in_by_link(link, address="", user_agent="", handle="ada")
    cookie = {"Cookie": f"{COOKIE}={signed_in.value}"}
    for path in ("/api/openapi.json", "/api/docs"):
        assert (await stranger.get(path, headers=cookie)).status_code == 200
    # A session opens nothing else here: what acts is shown a token.
    assert (await stranger.get("/api/runs", headers=cookie)).status_code == 401


async def test_a_missing_scope_is_named(api: CalledApi) -> None:
    caller = await api.caller(Role.ADMINISTRATOR, Scope.READ)
    assert (await caller.get("/api/runs")).status_code == 200
    answer = await caller.post("/api/services/shop/runs")
    assert answer.status_code == 403
    assert answer.json()["scope"] == "run"
    assert "headway token create" in answer.json()["hint"]


async def test_a_role_that_does_not_reach_is_said(api: CalledApi) -> None:
    caller = await api.caller(Role.VIEWER)
    answer = await caller.post("/api/people", {"handle": "eve"})
    assert answer.status_code == 403
    assert "a-viewer is a viewer" in answer.json()["detail"]


async def test_a_token_is_over_when_it_is_revoked(api: CalledApi) -> None:
    caller = await api.caller(Role.DEVELOPER, Scope.READ)
    [token] = (await api.owner.document("/api/tokens?everybody=true"))["items"]
    revoked = await api.owner.delete(f"/api/tokens/{token['id']}")
    assert revoked.json()["in_force"] is False
    assert (await caller.get("/api/runs")).status_code == 401


async def test_a_token_ends_itself_and_no_other_without_the_scope_that_makes_them(api: CalledApi) -> None:
    strong = await api.caller(Role.DEVELOPER)
    weak = await api.caller(Role.DEVELOPER, Scope.READ)
    ids = {
        token["name"]: token["id"] for token in (await api.owner.document("/api/tokens?everybody=1"))["items"]
    }
    refused = await weak.delete(f"/api/tokens/{ids['token 1']}")
    assert (refused.status_code, refused.json()["scope"]) == (403, "admin")
    assert (await strong.get("/api/runs")).status_code == 200
    assert (await weak.delete(f"/api/tokens/{ids['token 2']}")).status_code == 200
    assert (await weak.get("/api/runs")).status_code == 401
    deployer = await api.caller(Role.DEVELOPER, Scope.DEPLOY)
    assert (await deployer.get("/api/tokens")).json()["scope"] == "read"


async def test_the_owner_of_the_socket_needs_no_token(api: CalledApi) -> None:
    me = await api.owner.document("/api/me")
    assert (me["role"], me["by"], me["scopes"]) == ("administrator", "socket", None)


async def test_only_the_socket_makes_tokens_for_others(api: CalledApi) -> None:
    await api.owner.post("/api/people", {"handle": "ana"})
    mine = {"name": "ci", "scopes": ["run"], "person": "ana"}
    made = await api.owner.post("/api/tokens", mine)
    assert made.status_code == 201
    assert made.json()["text"].startswith("hw_")
    administrator = await api.caller(Role.ADMINISTRATOR)
    assert (await administrator.post("/api/tokens", mine)).status_code == 403


@pytest.mark.parametrize(
    ("path", "role"),
    [("/api/audit", Role.OPERATOR), ("/api/people", Role.OPERATOR), ("/api/webhooks", Role.OPERATOR)],
)
async def test_what_only_administrators_see(api: CalledApi, path: str, role: Role) -> None:
    assert (await (await api.caller(role)).get(path)).status_code == 403
    assert (await (await api.caller(Role.ADMINISTRATOR)).get(path)).status_code == 200


async def test_commands_on_hosts_are_for_operators_with_the_scope(api: CalledApi) -> None:
    body = {"hosts": ["web-1"], "command": ["true"], "service": "shop"}
    await api.shop('[jobs.test]\nrun = "true"\n[hosts.web-1]\n')
    developer = await api.caller(Role.DEVELOPER)
    assert (await developer.post("/api/exec", body)).status_code == 403
    operator = await api.caller(Role.OPERATOR, Scope.READ, Scope.DEPLOY)
    assert (await operator.post("/api/exec", body)).json()["scope"] == "hosts"
    tail = "/api/services/shop/environments/production/logs"
    assert (await operator.get(tail)).json()["scope"] == "hosts"
    able = await api.caller(Role.OPERATOR, Scope.HOSTS)
    assert (await able.post("/api/exec", {**body, "hosts": ["nobody"]})).status_code == 400
    reader = await api.caller(Role.DEVELOPER, Scope.HOSTS)
    assert (await reader.get(tail)).status_code == 400, "there is no such environment; the role is enough"
    assert (await able.get(tail)).status_code == 400
