"""Secrets as people set, remove and list them: who may, in whose team. Nobody is ever shown a value."""

from collections.abc import Sequence
from datetime import datetime

from headway.domain.people import Actor
from headway.domain.secrets import ScopeKind, SecretScope, StoredSecret
from headway.engine.permissions import Action, allows, require
from headway.engine.secrets.vault import FOR_JOBS, Vault
from headway.store.database import Database, Transaction
from headway.store.repositories import repositories, repository_of_service
from headway.store.secrets import all_secrets


async def set_secret(
    database: Database,
    vault: Vault,
    actor: Actor,
    scope: SecretScope,
    *,
    name: str,
    value: str,
    now: datetime,
) -> None:
    """Raises NotAllowed, SecretNameInvalid, KeyMissing."""

    def work(tx: Transaction) -> None:
        require(actor, Action.SECRET_SET, team=team_of_scope(tx, scope))
        vault.put(tx, scope, name, value, actor, now)

    await database.perform(work)


async def remove_secret(
    database: Database, vault: Vault, actor: Actor, scope: SecretScope, name: str, *, now: datetime
) -> bool:
    """False when there was none. Raises NotAllowed."""

    def work(tx: Transaction) -> bool:
        require(actor, Action.SECRET_SET, team=team_of_scope(tx, scope))
        return vault.remove(tx, scope, name, actor, now)

    return await database.perform(work)


def list_secrets(tx: Transaction, actor: Actor) -> Sequence[StoredSecret]:
    """Of jobs and deployments, those of teams in which the actor may see their names."""
    teams = {one.service: one.team for one in repositories(tx) if one.service}

    def team(scope: SecretScope) -> str | None:
        return scope.owner if scope.kind is ScopeKind.TEAM else teams.get(_service(scope))

    found = [secret.stored for secret in all_secrets(tx, kinds=FOR_JOBS)]
    return [one for one in found if allows(actor, Action.SECRET_LIST, team=team(one.scope))]


def team_of_scope(tx: Transaction, scope: SecretScope) -> str | None:
    """Where a team's role counts."""
    if scope.kind is ScopeKind.TEAM:
        return scope.owner
    repository = repository_of_service(tx, _service(scope))
    return None if repository is None else repository.team


def _service(scope: SecretScope) -> str:
    return scope.owner.rpartition("/")[0] if scope.kind is ScopeKind.ENVIRONMENT else scope.owner
