"""Making the webhook at a forge, against a server that keeps hooks as the forges do."""

from typing import Any

import httpx
import pytest

from headway.domain.intake import ForgeKind
from headway.drivers.forge.calls import Repository
from headway.drivers.forge.errors import ForgeRefused, NotAtForge
from headway.drivers.forge.hooks import create_webhook
from tests.support.http_peers import Answer, Asked, peer

GITHUB, GITLAB, GITEA = ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA
HOOK = "https://headway.example/hooks/rep-1"


class Hooks:
    """What a forge keeps; it answers as the three do, ten hooks to a page."""

    def __init__(self, there: int = 0) -> None:
        self.hooks: list[dict[str, Any]] = [
            {"id": number, "url": f"https://other/{number}", "config": {"url": f"https://other/{number}"}}
            for number in range(1, there + 1)
        ]

    def answer(self, asked: Asked) -> Answer:
        path, _, query = asked.path.partition("?")
        if asked.method == "GET":
            page = int(query.rpartition("page=")[2])
            return Answer(200, self.hooks[(page - 1) * 10 : page * 10])
        if asked.method == "POST":
            self.hooks.append({"id": len(self.hooks) + 1} | asked.json)
            return Answer(201, self.hooks[-1])
        hook = self.hooks[int(path.rpartition("/")[2]) - 1]
        hook |= asked.json
        return Answer(200, hook)


async def create(client: httpx.AsyncClient, forge: ForgeKind, api: str, secret: str = "s3cret-word") -> str:
    repository = Repository(forge, api, "team/shop", "token")
    return await create_webhook(client, repository, hook_url=HOOK, secret=secret)


@pytest.mark.parametrize(
    ("forge", "path", "made"),
    [
        (
            GITHUB,
            "/repos/team/shop/hooks",
            {
                "name": "web",
                "active": True,
                "events": ["push", "pull_request"],
                "config": {"url": HOOK, "content_type": "json", "secret": "s3cret-word"},
            },
        ),
        (
            GITEA,
            "/repos/team/shop/hooks",
            {
                "type": "gitea",
                "active": True,
                "events": ["push", "delete", "pull_request", "pull_request_sync"],
                "config": {"url": HOOK, "content_type": "json", "secret": "s3cret-word"},
            },
        ),
        (
            GITLAB,
            "/projects/team%2Fshop/hooks",
            {
                "url": HOOK,
                "token": "s3cret-word",
                "push_events": True,
                "tag_push_events": True,
                "merge_requests_events": True,
                "enable_ssl_verification": True,
            },
        ),
    ],
)
async def test_a_hook_is_made(
    client: httpx.AsyncClient, forge: ForgeKind, path: str, made: dict[str, Any]
) -> None:
    hooks = Hooks()
    async with peer(hooks.answer) as server:
        assert await create(client, forge, server.url) == "1"
    assert (server.asked[-1].method, server.asked[-1].path) == ("POST", path)
    assert server.asked[-1].json == made


@pytest.mark.parametrize("forge", [GITHUB, GITLAB, GITEA])
async def test_a_hook_that_is_there_gets_the_new_secret(client: httpx.AsyncClient, forge: ForgeKind) -> None:
    hooks = Hooks(there=23)
    async with peer(hooks.answer) as server:
        first = await create(client, forge, server.url)
        second = await create(client, forge, server.url, secret="the-new-word")
    assert first == second == "24"
    assert len(hooks.hooks) == 24
    kept = hooks.hooks[-1]
    assert "the-new-word" in (kept.get("token"), kept.get("config", {}).get("secret"))


async def test_a_token_that_may_not_make_hooks(client: httpx.AsyncClient) -> None:
    async with peer(lambda _: Answer(404, {"message": "Not Found"})) as server:
        with pytest.raises(NotAtForge) as caught:
            await create(client, GITHUB, server.url)
    assert "team/shop" in str(caught.value.hint)


@pytest.mark.parametrize(
    "answer", [Answer(200, body=b"<html>"), Answer(200, {"id": "x"}), Answer(200, [1, None])]
)
async def test_an_answer_that_makes_no_sense(client: httpx.AsyncClient, answer: Answer) -> None:
    async with peer(lambda _: answer) as server:
        with pytest.raises(ForgeRefused):
            await create(client, GITHUB, server.url)
