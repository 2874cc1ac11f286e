"""Commit statuses, against servers that answer as the forges do."""

import asyncio
import socket
import traceback
from datetime import timedelta

import httpx
import pytest

from headway.domain.intake import ForgeKind
from headway.drivers.forge.calls import Repository, wait_asked_for
from headway.drivers.forge.errors import (
    ForgeBusy,
    ForgeError,
    ForgeRefused,
    ForgeUnreachable,
    NotAtForge,
    TokenRefused,
)
from headway.drivers.forge.statuses import CommitState, send_status
from tests.support.http_peers import Answer, Asked, peer
from tests.support.servers import serving

GITHUB, GITLAB, GITEA = ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA
SHA = "b" * 40
TOKEN = "ghp_0123456789abcdef"
RUN = "https://headway.example/services/shop/runs/12"


async def send(
    client: httpx.AsyncClient,
    forge: ForgeKind,
    api: str,
    state: CommitState = CommitState.SUCCESS,
    *,
    description: str = "succeeded in 3m12s",
    token: str = TOKEN,
    timeout: float = 5,
) -> None:
    repository = Repository(forge, api, "team/shop", token)
    await send_status(
        client,
        repository,
        SHA,
        state,
        context="headway",
        description=description,
        target_url=RUN,
        timeout=timeout,
    )


@pytest.mark.parametrize(
    ("forge", "path", "token", "body"),
    [
        (
            GITHUB,
            f"/repos/team/shop/statuses/{SHA}",
            ("authorization", f"Bearer {TOKEN}"),
            {
                "state": "success",
                "context": "headway",
                "description": "succeeded in 3m12s",
                "target_url": RUN,
            },
        ),
        (
            GITEA,
            f"/repos/team/shop/statuses/{SHA}",
            ("authorization", f"token {TOKEN}"),
            {
                "state": "success",
                "context": "headway",
                "description": "succeeded in 3m12s",
                "target_url": RUN,
            },
        ),
        (
            GITLAB,
            f"/projects/team%2Fshop/statuses/{SHA}",
            ("private-token", TOKEN),
            {"state": "success", "name": "headway", "description": "succeeded in 3m12s", "target_url": RUN},
        ),
    ],
)
async def test_what_each_forge_is_told(
    client: httpx.AsyncClient, forge: ForgeKind, path: str, token: tuple[str, str], body: dict[str, str]
) -> None:
    async with peer(lambda _: Answer(201, {})) as server:
        await send(client, forge, server.url)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", path)
    assert asked.headers[token[0]] == token[1]
    assert asked.json == body
    assert asked.headers["user-agent"]


@pytest.mark.parametrize(
    ("state", "github", "gitlab"),
    [
        (CommitState.PENDING, "pending", "pending"),
        (CommitState.RUNNING, "pending", "running"),
        (CommitState.SUCCESS, "success", "success"),
        (CommitState.FAILURE, "failure", "failed"),
        (CommitState.ERROR, "error", "failed"),
        (CommitState.CANCELLED, "error", "canceled"),
    ],
)
async def test_each_forge_has_its_words(
    client: httpx.AsyncClient, state: CommitState, github: str, gitlab: str
) -> None:
    async with peer(lambda _: Answer(201, {})) as server:
        for forge in (GITHUB, GITEA, GITLAB):
            await send(client, forge, server.url, state)
    assert [asked.json["state"] for asked in server.asked] == [github, github, gitlab]


async def test_a_long_description_is_cut(client: httpx.AsyncClient) -> None:
    async with peer(lambda _: Answer(201, {})) as server:
        await send(client, GITHUB, server.url, description="line\x1b[31m\n" + "x" * 300)
    description = server.asked[0].json["description"]
    assert len(description) == 140
    assert description.isprintable()
    assert description.endswith("…")


@pytest.mark.parametrize(
    ("answer", "error", "permanent", "retry_after"),
    [
        (Answer(401, {"message": "Bad credentials"}), TokenRefused, True, None),
        (Answer(403, {"message": "Resource not accessible"}), TokenRefused, True, None),
        (Answer(404, {"message": "Not Found"}), NotAtForge, True, None),
        (Answer(422, {"message": "No commit found for SHA"}), ForgeRefused, True, None),
        (Answer(301, {}, {"location": "http://127.0.0.1:1/"}), ForgeRefused, True, None),
        (Answer(429, {}, {"retry-after": "17"}), ForgeBusy, False, 17),
        (Answer(403, {}, {"retry-after": "60"}), ForgeBusy, False, 60),
        (
            Answer(
                403,
                {"message": "API rate limit exceeded"},
                {
                    "x-ratelimit-remaining": "0",
                    "x-ratelimit-reset": "1777863781",
                    "date": "Mon, 04 May 2026 03:02:01 GMT",
                },
            ),
            ForgeBusy,
            False,
            60,
        ),
        (
            Answer(
                503,
                {},
                {
                    "retry-after": "Mon, 04 May 2026 03:04:01 GMT",
                    "date": "Mon, 04 May 2026 03:02:01 GMT",
                },
            ),
            ForgeBusy,
            False,
            120,
        ),
        (Answer(500, body=b"<html>oops</html>"), ForgeBusy, False, None),
        (Answer(409, {"message": "conflict"}), ForgeBusy, False, None),
    ],
)
@pytest.mark.parametrize("forge", [GITHUB, GITLAB, GITEA])
async def test_an_answer_that_is_no_success_becomes_a_typed_error(
    client: httpx.AsyncClient,
    forge: ForgeKind,
    answer: Answer,
    error: type[ForgeError],
    permanent: bool,
    retry_after: int | None,
) -> None:
    async with peer(lambda _: answer) as server:
        with pytest.raises(error) as caught:
            await send(client, forge, server.url)
    assert len(server.asked) == 1
    assert caught.value.permanent is permanent
    assert caught.value.retry_after == (None if retry_after is None else timedelta(seconds=retry_after))
    assert str(answer.status) in caught.value.message


async def test_gitlab_shows_it_already(client: httpx.AsyncClient) -> None:
    said = {"message": 'Cannot transition status via :run from :running (Reason(s): ... "run")'}
    async with peer(lambda _: Answer(400, said)) as server:
        await send(client, GITLAB, server.url, CommitState.RUNNING)
        with pytest.raises(ForgeRefused):
            await send(client, GITHUB, server.url, CommitState.RUNNING)


async def test_a_forge_that_does_not_answer(client: httpx.AsyncClient) -> None:
    gone = asyncio.Event()

    async def never(_: Asked) -> Answer:
        await gone.wait()
        return Answer()

    async with peer(never) as server:
        with pytest.raises(ForgeUnreachable, match=r"within 0\.2 s") as caught:
            await send(client, GITHUB, server.url, timeout=0.2)
        gone.set()
    assert not caught.value.permanent


async def test_a_forge_that_is_down(client: httpx.AsyncClient) -> None:
    with socket.socket() as taken:
        # Bound and not listening: a connection is refused.
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ForgeUnreachable) as caught:
            await send(client, GITHUB, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert not caught.value.permanent


async def test_a_forge_that_speaks_no_tls_is_unreachable(client: httpx.AsyncClient) -> None:
    heard = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(2**16))
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with serving(plain) as port:
        with pytest.raises(ForgeUnreachable):
            await send(client, GITHUB, f"https://127.0.0.1:{port}")
    assert heard
    assert TOKEN.encode() not in heard


async def test_an_endless_answer_is_read_to_a_limit_only(client: httpx.AsyncClient) -> None:
    async with peer(lambda _: Answer(400, body=b"[" * (8 * 2**20))) as server:
        with pytest.raises(ForgeRefused) as caught:
            await send(client, GITHUB, server.url)
    assert caught.value.message.endswith("answered 400")


@pytest.mark.parametrize("token", [TOKEN + "\n", "grüße", "a\x00b"])
async def test_a_token_that_fits_no_header_is_refused_and_shown_nowhere(
    client: httpx.AsyncClient, token: str
) -> None:
    with pytest.raises(TokenRefused) as caught:
        await send(client, GITHUB, "http://127.0.0.1:1", token=token)
    assert token.strip() not in "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)


async def test_no_error_holds_the_token(client: httpx.AsyncClient) -> None:
    async with peer(lambda _: Answer(401, {"message": "Bad credentials"})) as server:
        with pytest.raises(TokenRefused) as caught:
            await send(client, GITHUB, server.url)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert TOKEN not in repr(Repository(GITHUB, "https://api.github.com", "team/shop", TOKEN))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 30}, None),
        ({"retry-after": "999999"}, 6 * 3600),
        # Without the other side's own clock an instant of it says nothing.
        ({"retry-after": "Mon, 04 May 2026 03:04:01 GMT"}, None),
        ({"retry-after": "Mon, 04 May 2026 03:00:00 GMT", "date": "Mon, 04 May 2026 03:02:01 GMT"}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1777863781"}, None),
        ({"retry-after": "Mon, 99 May 2026 99:00:00 GMT", "date": "Mon, 04 May 2026 03:02:01 GMT"}, None),
    ],
)
def test_how_long_the_other_side_wants_us_to_wait(headers: dict[str, str], seconds: int | None) -> None:
    assert wait_asked_for(headers) == (None if seconds is None else timedelta(seconds=seconds))
