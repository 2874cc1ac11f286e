"""Who has which root on which host: by the records of deployments, and by the file of the service's default branch."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from headway.base.errors import HeadwayError, WrongUse
from headway.deploy.plan import from_json
from headway.deploy.roots import Claim, claims_of, why_taken
from headway.domain.contract import Contract, EnvironmentSpec
from headway.domain.request import Request
from headway.engine.deployments.plan import host_plans
from headway.engine.releases.projects import bare_of
from headway.engine.requests.tools import RequestTools
from headway.store.database import Transaction
from headway.store.deployments import latest_of_each
from headway.store.repositories import repository_of_service


class NotDeclared(WrongUse):
    """No default branch says what the service is."""

    http_status = 404


def roots_on_record(tx: Transaction) -> tuple[Claim, ...]:
    """Of every environment that has hosts: those of what stands there, and of what was tried there last.

    A service that a repository declares today keeps its own; another one yields to what a default branch declares.
    """
    found: list[Claim] = []
    for service, environment, plan in latest_of_each(tx):
        found += _of_plan(service, environment, plan)
    known = {one.service: repository_of_service(tx, one.service) is not None for one in found}
    return tuple(Claim(one.service, one.environment, one.host, one.root, known[one.service]) for one in found)


def root_taken(
    tools: RequestTools,
    request: Request,
    contract: Contract,
    environment: EnvironmentSpec,
    on_record: tuple[Claim, ...],
) -> str:
    """Why a root that the release's file names is another environment's, in one clause; empty: none is. Blocks."""
    wanted = tuple(_of_file(contract, environment, declared=False))
    # Of the service's own environments its default branch says which there are.
    recorded = [
        Claim(
            one.service, one.environment, one.host, one.root, one.declared and one.service != request.service
        )
        for one in on_record
    ]
    return why_taken(wanted, [*recorded, *_of_default_branch(tools, request)])


def _of_default_branch(tools: RequestTools, request: Request) -> Iterator[Claim]:
    """Nothing where it cannot be read: then only the records count."""
    try:
        contract = _of_today(tools, request.repository, request.service)
    except HeadwayError:
        return
    if contract is None:
        return
    for environment in contract.environments.values():
        yield from _of_file(contract, environment, declared=True)


def declared_today(tools: RequestTools, service: str) -> Contract:
    """The headway.toml of the service's default branch. Blocks. Raises NotDeclared, and what reading it raises."""
    owner = tools.database.read(lambda tx: repository_of_service(tx, service))
    folder = tools.settings.data / "repositories" / f"{owner.id}.git" if owner is not None else None
    contract = _of_today(tools, str(folder), service) if folder is not None else None
    if contract is None:
        raise NotDeclared(f"no repository here declares {service}", hint="headway repository list shows them")
    return contract


def _of_today(tools: RequestTools, repository: str, service: str) -> Contract | None:
    bare = bare_of(Path(repository), tools.settings.environment)
    head = bare.refs().get(f"refs/heads/{bare.default_branch}")
    return tools.projects.of(repository, head, service).contract if head is not None else None


def _of_file(contract: Contract, environment: EnvironmentSpec, *, declared: bool) -> tuple[Claim, ...]:
    try:
        hosts = host_plans(contract, environment)
    except HeadwayError:
        # Without hosts it has no root; whoever deploys there is told so.
        return ()
    return claims_of(contract.service.name, environment.name, hosts, declared=declared)


@lru_cache(maxsize=256)
def _of_plan(service: str, environment: str, plan: str) -> tuple[Claim, ...]:
    return claims_of(service, environment, from_json(plan).hosts)
