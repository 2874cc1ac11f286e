"""One call of a forge's API: bounded in time and size, no redirect followed, its answer turned into a typed error.

The token goes into a header and nowhere else: no message, no address and no note holds it.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from headway.domain.intake import ForgeKind
from headway.drivers.forge.errors import (
    ForgeBusy,
    ForgeError,
    ForgeRefused,
    ForgeUnreachable,
    NotAtForge,
    TokenRefused,
)

#: Seconds for one whole call.
TIMEOUT = 10.0
#: Bytes of an answer that are read; the longest we ask for is a hundred webhooks.
_ANSWER_LIMIT = 2**20
_SAID_LIMIT = 200
_LONGEST_WAIT = timedelta(hours=6)
_AGENT = "headway"


def forge_client() -> httpx.AsyncClient:
    """The client for forges and webhooks: certificates are checked, no redirect is followed."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(TIMEOUT, connect=5.0),
        follow_redirects=False,
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=8),
        headers={"user-agent": _AGENT},
    )


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at its forge, and the token that speaks for us there."""

    forge: ForgeKind
    api: str
    full_name: str
    token: str = field(repr=False)

    @property
    def url(self) -> str:
        if self.forge is ForgeKind.GITLAB:
            return f"{self.api}/projects/{quote(self.full_name, safe='')}"
        return f"{self.api}/repos/{quote(self.full_name)}"

    @property
    def headers(self) -> dict[str, str]:
        match self.forge:
            case ForgeKind.GITHUB:
                return {
                    "authorization": f"Bearer {self.token}",
                    "accept": "application/vnd.github+json",
                    "x-github-api-version": "2022-11-28",
                }
            case ForgeKind.GITLAB:
                return {"private-token": self.token}
            case _:
                return {"authorization": f"token {self.token}"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def json(self) -> Any:
        """Raises ForgeRefused when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ForgeRefused("the forge's answer is no JSON") from error

    @property
    def said(self) -> str:
        """What a person would want to read of it: one short line."""
        try:
            told = json.loads(self.body)
            text = told.get("message") or told.get("error") or "" if isinstance(told, dict) else ""
        except (ValueError, RecursionError):
            text = ""
        line = " ".join(str(text).split())[:_SAID_LIMIT]
        return "".join(character for character in line if character.isprintable())


async def call(
    client: httpx.AsyncClient,
    repository: Repository,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    *,
    timeout: float = TIMEOUT,
) -> Answer:
    """Any 2xx answer. Raises the errors of `drivers.forge.errors`."""
    host = urlsplit(repository.api).netloc
    if not (repository.token.isascii() and repository.token.isprintable()):
        # Refused here: what refuses it below us writes the token into its message.
        raise TokenRefused(
            "the token holds characters that no token has", hint="copy it again, without line breaks"
        )
    try:
        async with asyncio.timeout(timeout):
            answer = await _exchange(client, repository, method, path, body)
    except TimeoutError as error:
        raise ForgeUnreachable(f"{host} did not answer within {timeout:g} s") from error
    except httpx.HTTPError as error:
        # Its text may hold the address, never a header.
        raise ForgeUnreachable(f"{host} could not be reached: {_reason(error)}") from error
    except httpx.InvalidURL as error:
        raise ForgeRefused(f"'{host}' is no address that can be called") from error
    if 200 <= answer.status < 300:
        return answer
    raise _error(host, repository, answer)


async def _exchange(
    client: httpx.AsyncClient,
    repository: Repository,
    method: str,
    path: str,
    body: Mapping[str, object] | None,
) -> Answer:
    request = client.build_request(method, repository.url + path, json=body, headers=repository.headers)
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        kept = bytearray()
        async for piece in response.aiter_bytes():
            kept += piece
            if len(kept) > _ANSWER_LIMIT:
                break
        return Answer(response.status_code, response.headers, bytes(kept[:_ANSWER_LIMIT]))
    finally:
        await response.aclose()


def _error(host: str, repository: Repository, answer: Answer) -> ForgeError:
    status = answer.status
    said = f"{host} answered {status}" + (f": {answer.said}" if answer.said else "")
    wait = wait_asked_for(answer.headers)
    # GitHub answers 403 as well when there were too many requests.
    limited = status == 403 and (
        "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    )
    if limited or status in (408, 409, 423, 425, 429) or status >= 500:
        return ForgeBusy(said, retry_after=wait)
    if status in (401, 403):
        return TokenRefused(said, hint=f"give a token that may do this in {repository.full_name}")
    if status == 404:
        return NotAtForge(
            said,
            hint=f"{repository.full_name} is not there, or the token may not see it; forges do not say which",
        )
    return ForgeRefused(said)


def wait_asked_for(headers: Mapping[str, str]) -> timedelta | None:
    """How long the other side wants us to wait: seconds, or an instant measured by *its* clock. At most 6 hours."""
    told = headers.get("retry-after", "").strip()
    if told.isdecimal() and len(told) < 10:
        return min(timedelta(seconds=int(told)), _LONGEST_WAIT)
    there = _date(headers.get("date"))
    until = _date(told)
    if until is None and headers.get("x-ratelimit-remaining") == "0":
        until = _epoch(headers.get("x-ratelimit-reset", ""), there)
    if there is None or until is None:
        return None
    return min(max(until - there, timedelta()), _LONGEST_WAIT)


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found is not None and found.tzinfo is not None else None


def _epoch(text: str, there: datetime | None) -> datetime | None:
    if there is None or not text.isdecimal() or len(text) > 11:
        return None
    return datetime.fromtimestamp(int(text), there.tzinfo)


def _reason(error: httpx.HTTPError) -> str:
    text = str(error).strip() or type(error).__name__
    return "".join(character for character in text[:_SAID_LIMIT] if character.isprintable())
