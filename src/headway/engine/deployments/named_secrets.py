"""Names of secrets that hosts may print, though the file at hand names them no more."""

from headway.domain.secrets import ScopeKind
from headway.engine.deployments.files import plans_on_hosts
from headway.engine.secrets.vault import FOR_JOBS
from headway.store.database import Transaction
from headway.store.deployments import environments_of
from headway.store.repositories import repository_of_service
from headway.store.secrets import all_secrets


def named_secrets(
    tx: Transaction, service: str, environment: str | None = None
) -> list[tuple[str | None, str]]:
    """Environment (None: all) and name: what the vault has for the service and its team, and what the plans name by
    which its hosts were deployed to. Of one environment, or of all."""
    repository = repository_of_service(tx, service)
    team = repository.team if repository is not None else None
    environments = [environment] if environment is not None else environments_of(tx, service)
    found: list[tuple[str | None, str]] = [
        (name, secret)
        for name in environments
        for plan in plans_on_hosts(tx, service, name)
        for secret in (*plan.environment.secrets, *plan.masked)
    ]
    for secret in all_secrets(tx, kinds=FOR_JOBS):
        scope, name = secret.stored.scope, secret.stored.name
        if scope.kind is ScopeKind.ENVIRONMENT:
            of, _, place = scope.owner.rpartition("/")
            if of == service and environment in (None, place):
                found.append((place, name))
        elif scope.owner == (team if scope.kind is ScopeKind.TEAM else service):
            found.append((None, name))
    return found
