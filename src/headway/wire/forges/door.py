"""The door for webhooks: one function, whichever forge sent it. First the proof, then the reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

import msgspec

from headway.domain.intake import Arrival, ForgeKind
from headway.wire.forges.errors import MalformedWebhook
from headway.wire.forges.gitlab import gitlab_delivery, read_gitlab
from headway.wire.forges.hub import read_hub
from headway.wire.forges.parts import Told, cut
from headway.wire.forges.signatures import check_signature

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One delivery, checked and read."""

    #: The forge's own id of the delivery; empty where it gave none.
    delivery: str
    #: What the forge calls it: `push`, `pull_request`, `merge_request`.
    event: str
    arrivals: tuple[Arrival, ...]
    #: The repository as its forge names it: `team/shop`.
    forge_repository: str
    clone_urls: tuple[str, ...]
    #: The forge only tries the door.
    ping: bool
    #: Why nothing arrived; empty where something did.
    note: str


def read_webhook(
    forge: ForgeKind, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
) -> Webhook:
    """What this delivery tells. `headers` have names in small letters; any of `secrets` may have signed it.

    Raises BadSignature (401) and MalformedWebhook (400). The size of `body` is the caller's to bound. An event that
    Headway does not act on brings no arrivals and a note. Nothing is parsed before its signature was checked.
    """
    check_signature(forge, headers, body, secrets)
    try:
        told = _read(forge, headers, _json_of(headers, body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedWebhook(
            f"the body is not what {forge} sends: {cut(str(error), 200)}",
            hint="the webhook's content type has to be application/json",
        ) from error
    return Webhook(
        delivery=_delivery(forge, headers),
        event=told.event,
        arrivals=told.arrivals,
        forge_repository=told.repository,
        clone_urls=told.clone_urls,
        ping=told.ping,
        note=told.note,
    )


def _read(forge: ForgeKind, headers: Mapping[str, str], body: bytes) -> Told:
    if forge is ForgeKind.GITLAB:
        return read_gitlab(body)
    names = ("x-github-event",) if forge is ForgeKind.GITHUB else ("x-forgejo-event", "x-gitea-event")
    event = next((headers[name] for name in names if headers.get(name)), "")
    if not event:
        raise MalformedWebhook(f"the header {names[-1].title()} is missing")
    told = read_hub(forge, event, body)
    return replace(told, event=cut(event, 60))


def _delivery(forge: ForgeKind, headers: Mapping[str, str]) -> str:
    match forge:
        case ForgeKind.GITLAB:
            told = gitlab_delivery(headers)
        case ForgeKind.GITEA:
            told = headers.get("x-forgejo-delivery") or headers.get("x-gitea-delivery") or ""
        case _:
            told = headers.get("x-github-delivery", "")
    return cut(told, 100)


def _json_of(headers: Mapping[str, str], body: bytes) -> bytes:
    """GitHub and Gitea offer a form with one field as well, and somebody will have chosen it."""
    if not headers.get("content-type", "").lower().startswith(_FORM):
        return body
    try:
        return parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=4)["payload"][0].encode()
    except (ValueError, KeyError) as error:
        raise MalformedWebhook("the form has no readable field 'payload'") from error
