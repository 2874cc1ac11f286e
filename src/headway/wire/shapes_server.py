"""The JSON of what only a server has: repositories, people, tokens, secrets, webhooks, hosts, what waits, the audit."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from headway.domain.access import Token
from headway.domain.intake import ForgeKind, Repository
from headway.domain.outbox import Effect
from headway.domain.people import AuditEntry, Person, Role
from headway.domain.secrets import StoredSecret
from headway.domain.webhook import OutgoingWebhook


class RepositoryDocument(TypedDict):
    id: str
    name: str
    forge: str
    url: str
    web_url: str | None
    webhook_url: str | None
    service: str | None
    team: str | None
    default_branch: str | None
    poll_every: int
    checked_at: datetime | None
    fault: str | None
    created_at: datetime
    created_by: str


class PersonDocument(TypedDict):
    handle: str
    name: str
    email: str
    role: str
    #: The account's alone, without what org.toml adds.
    own_role: str
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool


class TokenDocument(TypedDict):
    id: str
    name: str
    person: str
    prefix: str
    scopes: list[str]
    in_force: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    #: Where it was made, this once.
    text: NotRequired[str]


class SecretDocument(TypedDict):
    name: str
    scope: str
    owner: str
    key: str
    updated_at: datetime
    updated_by: str
    named_by: list[str] | None


class WebhookDocument(TypedDict):
    id: str
    url: str
    events: list[str]
    services: list[str]
    created_by: str
    created_at: datetime
    disabled_at: datetime | None
    disabled_why: str
    failures: int
    fault: str
    sent_at: datetime | None


class DeliveryDocument(TypedDict):
    """One event on its way to a webhook."""

    id: str
    event: str
    subject: str
    #: waiting, sent, failed, obsolete
    state: str
    attempts: int
    #: How the last attempt ended.
    note: str
    created_at: datetime
    due_at: datetime | None
    sent_at: datetime | None


class AuditDocument(TypedDict):
    id: int
    at: datetime
    actor: str
    by: str
    address: str
    action: str
    subject: str
    before: Any
    after: Any


def repository_json(repository: Repository, base_url: str) -> RepositoryDocument:
    """`base_url` is where the server is reached."""
    hosted = repository.forge is ForgeKind.HEADWAY
    return {
        "id": repository.id,
        "name": repository.name,
        "forge": repository.forge,
        "url": f"{base_url}/git/{repository.name}.git" if hosted else repository.url,
        "web_url": repository.web_url or None,
        "webhook_url": None if hosted else f"{base_url}/hooks/{repository.id}",
        "service": repository.service,
        "team": repository.team,
        "default_branch": repository.default_branch,
        "poll_every": repository.poll_every,
        "checked_at": repository.checked_at,
        "fault": repository.fault or None,
        "created_at": repository.created_at,
        "created_by": repository.created_by,
    }


def person_json(person: Person, role: Role) -> PersonDocument:
    return {
        "handle": person.name,
        "name": person.display_name,
        "email": person.email,
        "role": role,
        "own_role": person.role,
        "created_at": person.created_at,
        "disabled_at": person.disabled_at,
        "has_password": person.has_password,
    }


def token_json(token: Token, now: datetime, *, text: str | None = None) -> TokenDocument:
    document: TokenDocument = {
        "id": token.id,
        "name": token.name,
        "person": token.person,
        "prefix": token.prefix,
        "scopes": sorted(token.scopes),
        "in_force": token.is_in_force(now),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }
    if text is not None:
        document["text"] = text
    return document


def secret_json(secret: StoredSecret, uses: Sequence[str] | None) -> SecretDocument:
    """Its value is in none."""
    return {
        "name": secret.name,
        "scope": secret.scope.kind,
        "owner": secret.scope.owner,
        "key": secret.key_id,
        "updated_at": secret.updated_at,
        "updated_by": secret.updated_by,
        "named_by": None if uses is None else list(uses),
    }


def webhook_json(webhook: OutgoingWebhook) -> WebhookDocument:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "services": list(webhook.services),
        "created_by": webhook.created_by,
        "created_at": webhook.created_at,
        "disabled_at": webhook.disabled_at,
        "disabled_why": webhook.disabled_why,
        "failures": webhook.failures,
        "fault": webhook.fault,
        "sent_at": webhook.sent_at,
    }


def delivery_json(effect: Effect) -> DeliveryDocument:
    event = json.loads(effect.body)["event"]
    return {
        "id": effect.id,
        "event": event["kind"],
        "subject": event["subject"],
        "state": effect.state,
        "attempts": effect.attempts,
        "note": effect.note,
        "created_at": effect.created_at,
        "due_at": effect.due_at,
        "sent_at": effect.sent_at,
    }


def audit_json(entry: AuditEntry) -> AuditDocument:
    return {
        "id": entry.id,
        "at": entry.at,
        "actor": entry.actor,
        "by": entry.by,
        "address": entry.address,
        "action": entry.action,
        "subject": entry.subject,
        "before": json.loads(entry.before) if entry.before else None,
        "after": json.loads(entry.after) if entry.after else None,
    }
