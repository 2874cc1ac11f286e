"""`POST /hooks/{repository id}`: webhooks of forges. A bare ASGI application, because hundreds may come each second.

Signature first, then the body's meaning, then one durable row; the work comes after the answer.
"""

import logging
from collections.abc import Mapping

from headway.api.asgi import (
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    NoRoom,
    Receive,
    Room,
    Scope,
    Send,
    answer_json,
    answer_problem,
    headers_of,
    read_body,
)
from headway.base.errors import HeadwayError
from headway.domain.intake import Repository
from headway.engine.server.server import Server
from headway.wire.forges.door import read_webhook
from headway.wire.forges.errors import WebhookRefused

log = logging.getLogger("headway.hooks")

#: What GitHub sends at most.
MOST_BYTES = 25 * 2**20
#: Bodies that are held at a time, before anybody knows who sends them: common ones, and larger ones apart, so that the
#: large ones of whoever knows an address keep no common one out.
_COMMON = 256 * 1024
_COMMON_ROOM, _LARGE_ROOM = (32 * 2**20, 8 * 2**20), (4 * MOST_BYTES, 2 * MOST_BYTES)
#: Seconds for a whole body; forges themselves wait 10.
WITHIN = 10.0


class Hooks:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._common, self._large = (
            Room(most=most, most_of_one=of_one) for most, of_one in (_COMMON_ROOM, _LARGE_ROOM)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await answer_problem(send, 405, "webhooks are sent here by POST", headers={"allow": "POST"})
            return
        repository_id = scope["path"].removeprefix("/hooks/").strip("/")
        repository = await self._server.repositories.by_id(repository_id)
        if repository is None:
            hint = "headway repository list shows the addresses"
            await answer_problem(send, 404, "no repository has this webhook address", hint=hint)
            return
        try:
            headers = headers_of(scope)
            length = headers.get("content-length", "")
            most = min(int(length), MOST_BYTES + 1) if length.isdecimal() and len(length) < 19 else MOST_BYTES
            if most > MOST_BYTES:
                raise BodyTooLarge
            room = self._common if most <= _COMMON else self._large
            with room.take(most, repository.id):
                body = await read_body(scope, receive, most=most, within=WITHIN)
                told = await self._take(repository, headers, body)
            await answer_json(send, 202, told)
        except ClientGone:
            pass
        except BodyTooLarge:
            await answer_problem(send, 413, f"a webhook has at most {MOST_BYTES // 2**20} MiB")
        except NoRoom:
            busy = "too many webhooks come at this moment"
            again = {"retry-after": "10", "connection": "close"}
            await answer_problem(send, 503, busy, hint="send it again", headers=again)
        except BodyTooSlow:
            slow = f"the body took more than {WITHIN:.0f} s"
            await answer_problem(send, 408, slow, headers={"connection": "close"})
        except WebhookRefused as error:
            await answer_problem(send, error.status, error.message, hint=error.hint)
        except HeadwayError as error:
            # A forge that hears 503 sends again.
            log.warning("a webhook of %s was not stored: %s", repository.name, error.message)
            await answer_problem(send, 503, error.message, hint=error.hint, headers={"retry-after": "30"})

    async def _take(
        self, repository: Repository, headers: Mapping[str, str], body: bytes
    ) -> dict[str, int | str]:
        """Prove it, read it, store what it tells. Raises WebhookRefused and the errors of the store."""
        secrets = await self._server.repositories.hook_secrets(repository)
        webhook = read_webhook(repository.forge, headers, body, secrets)
        accepted = await self._server.arrivals.accept(
            repository.id, webhook.arrivals, delivery=webhook.delivery
        )
        known = len(webhook.arrivals) - len(accepted)
        return {"accepted": len(accepted), "known": known, "note": webhook.note}
