"""Repositories: added, found, renewed, looked at, removed."""

from headway.domain.people import Role
from tests.support.called_api import CalledApi


async def test_one_that_headway_hosts(api: CalledApi) -> None:
    added = (await api.owner.post("/api/repositories", {"name": "team/shop"})).json()
    repository = added["repository"]
    assert repository["url"] == "http://headway.test/git/team/shop.git"
    assert repository["webhook_url"] is None
    assert await api.owner.document(f"/api/repositories/{repository['id']}") == repository
    found = await api.owner.document("/api/repositories?name=team/shop")
    assert found["items"] == [repository]


async def test_one_of_a_forge_tells_what_to_set_there(api: CalledApi) -> None:
    body = {"name": "shop", "url": "https://github.com/acme/shop.git"}
    added = (await api.owner.post("/api/repositories", body)).json()
    assert added["repository"]["forge"] == "github"
    assert added["repository"]["webhook_url"].startswith("http://headway.test/hooks/repo-")
    secret = added["webhook_secret"]
    renewed = await api.owner.post("/api/repositories/shop/webhook-secret")
    assert renewed.json()["webhook_secret"] not in ("", secret)


async def test_the_same_name_twice_and_a_name_that_cannot_be(api: CalledApi) -> None:
    await api.owner.post("/api/repositories", {"name": "shop"})
    assert (await api.owner.post("/api/repositories", {"name": "shop"})).status_code == 409
    assert (await api.owner.post("/api/repositories", {"name": "../etc"})).status_code == 400
    # Files of the server's machine are for who sits at it.
    administrator = await api.caller()
    assert (
        await administrator.post("/api/repositories", {"name": "x", "url": "file:///etc"})
    ).status_code == 400


async def test_what_it_told_and_what_became_of_it(api: CalledApi) -> None:
    sha = await api.shop("[jobs.test]\nrun = 'true'\n")
    [arrival] = (await api.owner.document("/api/repositories/shop/arrivals"))["items"]
    assert (arrival["ref"], arrival["after"], arrival["state"]) == ("refs/heads/main", sha, "done")
    assert arrival["run"].startswith("run-")


async def test_removed_and_unknown(api: CalledApi) -> None:
    await api.owner.post("/api/repositories", {"name": "shop"})
    developer = await api.caller(Role.DEVELOPER)
    assert (await developer.delete("/api/repositories/shop")).status_code == 403
    assert (await api.owner.delete("/api/repositories/shop")).status_code == 204
    assert (await api.owner.get("/api/repositories/shop")).status_code == 404
    assert (await api.owner.post("/api/repositories/shop/look")).status_code == 404


async def test_a_developer_of_its_team_has_it_looked_at(api: CalledApi) -> None:
    (api.folder / "org.toml").write_text(
        '[people.a-viewer]\n[teams.storefront]\nmembers = { a-viewer = "developer" }\n'
    )
    api.server.org.reload()
    viewer = await api.caller(Role.VIEWER)
    working = api.working()
    team = 'contract = 1\n[service]\nname = "shop"\nteam = "storefront"\n[jobs.test]\nrun = "true"\n'
    working.commit({"headway.toml": team})
    await api.add()
    assert (await viewer.post("/api/repositories/shop/look")).status_code == 403, (
        "whose it is nobody knows yet"
    )
    await api.look()
    assert (await viewer.post("/api/repositories/shop/look")).status_code == 403, "no push says so itself"
    given = await api.owner.post("/api/repositories/shop/team", {"team": "storefront"})
    assert given.json()["team"] == "storefront"
    assert (await viewer.post("/api/repositories/shop/look")).status_code == 202
    assert (await api.nobody().post("/api/repositories/shop/look")).status_code == 401
