"""Secrets as they are kept: where each belongs, and all of it that may be shown. Values are `base.secret.Secret`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ScopeKind(StrEnum):
    TEAM = "team"
    SERVICE = "service"
    ENVIRONMENT = "environment"
    #: What Headway itself needs for a repository: the webhook's secret, the forge's token.
    REPOSITORY = "repository"
    #: The signing secret of an outgoing webhook.
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class SecretScope:
    """To whom a secret belongs; made by the functions below, so that names cannot be mixed up."""

    kind: ScopeKind
    #: `storefront`, `shop`, `shop/production`, the id of a repository or of a webhook.
    owner: str

    def __str__(self) -> str:
        return self.owner if self.kind is ScopeKind.ENVIRONMENT else f"{self.kind} {self.owner}"


def team_scope(team: str) -> SecretScope:
    return SecretScope(ScopeKind.TEAM, team)


def service_scope(service: str) -> SecretScope:
    return SecretScope(ScopeKind.SERVICE, service)


def environment_scope(service: str, environment: str) -> SecretScope:
    return SecretScope(ScopeKind.ENVIRONMENT, f"{service}/{environment}")


def repository_scope(repository_id: str) -> SecretScope:
    return SecretScope(ScopeKind.REPOSITORY, repository_id)


def webhook_scope(webhook_id: str) -> SecretScope:
    return SecretScope(ScopeKind.WEBHOOK, webhook_id)


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A row without its value."""

    scope: SecretScope
    name: str
    #: Of the key that opens it.
    key_id: str
    updated_at: datetime
    updated_by: str
