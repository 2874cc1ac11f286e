"""From a contract, a release and what the hosts say: the plan of a deployment."""

from collections.abc import Sequence
from dataclasses import replace

from headway.base.errors import WrongUse
from headway.base.near import nearest
from headway.deploy.layout import root_of
from headway.deploy.placeholders import Values
from headway.deploy.plan import HostPlan, Plan
from headway.deploy.strategy import batches
from headway.domain.contract import (
    Amount,
    Contract,
    DeploySpec,
    EnvironmentSpec,
    Strategy,
    StrategyKind,
)
from headway.domain.release import Artifact, Release
from headway.domain.selection import processes_by_host
from headway.engine.releases.releases import ArtifactNotThere

#: Going back by `headway rollback`: half of the hosts at once, nothing is watched.
HALF_AT_ONCE = Strategy(StrategyKind.ROLLING, Amount(50, percent=True))


class UnknownEnvironment(WrongUse):
    """headway.toml has no environment of this name."""


class NoSuchHost(WrongUse):
    """A host to be left out is none of the environment's."""


class NothingToDeploy(WrongUse):
    """headway.toml has no [deploy]."""


def environment_of(contract: Contract, name: str) -> EnvironmentSpec:
    if name in contract.environments:
        return contract.environments[name]
    near = nearest(name, contract.environments)
    known = ", ".join(contract.environments) or "none"
    raise UnknownEnvironment(
        f"there is no environment '{name}' in headway.toml; there are: {known}",
        hint=f"did you mean {near}?" if near else "write [environments." + name + "]",
    )


def deploy_of(contract: Contract) -> DeploySpec:
    if contract.deploy is None:
        raise NothingToDeploy("headway.toml has no [deploy]", hint="docs/deployments.md shows one")
    return contract.deploy


def compose(
    contract: Contract,
    environment: EnvironmentSpec,
    release: Release,
    *,
    deployment: str,
    requested_by: str,
    rollback: bool = False,
    settings_of: str | None = None,
    own: Plan | None = None,
    bring: bool = True,
    without: Sequence[str] = (),
) -> Plan:
    """The plan without predecessors; those are read from the hosts. Raises NoSuchHosts, ArtifactNotThere, NoSuchHost.

    `own` is how the release was deployed there when its settings were those of `settings_of`: where its hosts are the
    contract says, how it is run on them its own file. `bring=False`: there are no artifacts here, the release has to
    stand on the hosts.
    """
    deploy = own.deploy if own else deploy_of(contract)
    hosts = host_plans(contract, environment, strategy=HALF_AT_ONCE if rollback else None, without=without)
    masked = environment.secrets
    if own is not None:
        environment = replace(environment, env=own.environment.env, secrets=own.environment.secrets)
        hosts = tuple(replace(host, processes=_own_processes(own, host)) for host in hosts)
    return Plan(
        service=contract.service.name,
        environment=environment,
        release=release.id,
        commit=release.commit,
        deployment=deployment,
        requested_by=requested_by,
        deploy=deploy,
        hosts=hosts,
        artifact=_artifact(deploy, release) if bring else None,
        settings_of=settings_of,
        rollback=rollback,
        team=contract.service.team,
        masked=tuple(name for name in masked if name not in environment.secrets),
        without=tuple(dict.fromkeys(without)),
    )


def _own_processes(own: Plan, host: HostPlan) -> tuple[str, ...]:
    """Those that the release had on this host; on one that it never met, those that it has of today's."""
    known = next((one for one in own.hosts if one.spec.name == host.spec.name), None)
    names = known.processes if known else host.processes
    return tuple(process.name for process in own.deploy.processes if process.name in names)


def host_plans(
    contract: Contract,
    environment: EnvironmentSpec,
    *,
    strategy: Strategy | None = None,
    without: Sequence[str] = (),
) -> tuple[HostPlan, ...]:
    """The hosts of an environment in the order of their switch, cut into batches; but for those that are left out.

    Raises NoSuchHosts; NoSuchHost for what is left out and is none, or leaves none.
    """
    deploy = deploy_of(contract)
    every = processes_by_host(contract, deploy, environment)
    require_names(environment.name, [spec.name for spec, _ in every], without)
    running = [(spec, names) for spec, names in every if spec.name not in without]
    cut = batches([spec.name for spec, _ in running], strategy or environment.strategy)
    number = {name: index for index, batch in enumerate(cut) for name in batch}
    service = contract.service.name
    return tuple(
        HostPlan(
            spec,
            number[spec.name],
            names,
            root_of(
                deploy,
                environment,
                Values(spec.name, spec.address, "", service, environment.name, spec.labels),
            ),
        )
        for spec, names in running
    )


def require_names(environment: str, names: Sequence[str], without: Sequence[str]) -> None:
    """`without` are some of the hosts `names`, not all. Raises NoSuchHost."""
    if unknown := [name for name in without if name not in names]:
        raise NoSuchHost(
            f"{environment} has no host {', '.join(unknown)}", hint=f"its hosts are {', '.join(names)}"
        )
    if set(names) <= set(without):
        hint = (
            "leave one in" if len(names) > 1 else f"it is the only one: {environment} waits until it is back"
        )
        raise NoSuchHost(f"without {', '.join(names)} {environment} has no host left", hint=hint)


def _artifact(deploy: DeploySpec, release: Release) -> Artifact | None:
    if deploy.artifact is None:
        return None
    for artifact in release.artifacts:
        if artifact.path == deploy.artifact:
            return artifact
    held = ", ".join(artifact.path for artifact in release.artifacts) or "nothing"
    raise ArtifactNotThere(
        f"{release.id} has no artifact '{deploy.artifact}', which [deploy] names; it holds {held}",
        hint="headway run makes a release of the commit with it",
    )
