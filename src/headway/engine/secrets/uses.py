"""What names a secret: the jobs and environments of a headway.toml, for the list that people look at."""

from headway.domain.contract import Contract
from headway.domain.secrets import ScopeKind, StoredSecret


def uses_of(secret: StoredSecret, contract: Contract) -> tuple[str, ...]:
    """Who is given it by this contract: `job test`, `environment production`. What a nearer scope hides is not looked at."""
    service, scope = contract.service, secret.scope
    jobs = [f"job {job.name}" for job in contract.jobs.values() if secret.name in job.secrets]
    environments = {
        environment.name: f"environment {environment.name}"
        for environment in contract.environments.values()
        if secret.name in environment.secrets
    }
    match scope.kind:
        case ScopeKind.TEAM if scope.owner == service.team:
            return (*jobs, *environments.values())
        case ScopeKind.SERVICE if scope.owner == service.name:
            return (*jobs, *environments.values())
        case ScopeKind.ENVIRONMENT:
            return tuple(
                told for name, told in environments.items() if scope.owner == f"{service.name}/{name}"
            )
        case _:
            return ()
