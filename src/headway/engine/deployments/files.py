"""By which headway.toml the releases on a host are run: the database's plans know, else the host itself."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from headway.base.errors import HeadwayError
from headway.deploy.own_files import (
    Found,
    OwnFile,
    checks_of,
    own_files_script,
    read_own_files,
    with_own_files,
)
from headway.deploy.plan import Plan, Predecessor, from_json
from headway.deploy.record import finished_on, predecessor, running
from headway.domain.contract import Contract, EnvironmentSpec
from headway.domain.deployment import Deployment
from headway.domain.release import Release
from headway.drivers.git import Git
from headway.engine.deployments.plan import deploy_of, host_plans
from headway.engine.hosts.link import HostLink
from headway.engine.projects import Project
from headway.engine.releases.projects import ReleaseProjects
from headway.engine.standing.what_runs import finished_there, live_deployment
from headway.store import deployments as rows
from headway.store.database import Database, Transaction
from headway.store.standings import standings_of


def contract_for(project: Project, git: Git, release: Release, environment: str) -> tuple[Contract, str]:
    """Where the hosts are by the file at hand, how the release is run by its own, that of its commit; and a sentence
    where that is another one, or cannot be had. Blocks.

    The file at hand stands for that of the commit one is on, with what was changed in it since.
    """
    contract = project.contract
    if project.commit == release.commit:
        return contract, ""
    try:
        if not project.commit and git.resolve(project.root, "HEAD") == release.commit:
            return contract, ""
    except HeadwayError:
        return contract, ""
    try:
        own = ReleaseProjects(git.environment, lambda _: None).declared(
            str(project.root), release.commit, contract.service.name
        )
    except HeadwayError as error:
        said = f"the headway.toml of {release.id} cannot be read ({error.message}): the one here is used"
        return contract, said
    its, ours = own.contract.environments.get(environment), contract.environments.get(environment)
    if own.contract.deploy is None or its is None or ours is None:
        return (
            contract,
            f"the headway.toml of {release.id} does not deploy to {environment}: the one here is used",
        )
    merged = replace(ours, env=its.env, secrets=its.secrets, processes={**its.processes, **ours.processes})
    environments = {**contract.environments, environment: merged}
    said = f"{release.id} is run by the headway.toml of its own commit {release.commit[:12]}"
    # The root is where on its hosts it is.
    deploy = replace(own.contract.deploy, root=deploy_of(contract).root)
    return (
        replace(contract, deploy=deploy, environments=environments),
        said if own.text != project.text else "",
    )


def at_hand(contract: Contract, environment: EnvironmentSpec) -> dict[str, OwnFile]:
    """What the file here says of each host: for what stands there and nobody knows the file of."""
    deploy = deploy_of(contract)
    return {host.spec.name: OwnFile(deploy, host.processes) for host in host_plans(contract, environment)}


def plan_of(found: Deployment | None, service: str, environment: str) -> Plan | None:
    """How a deployment of this service to this environment was done; None when that is not known here."""
    if found is None or not found.has_plan or (found.service, found.environment) != (service, environment):
        return None
    try:
        plan = from_json(found.plan)
        # It may have been renamed since.
        return replace(plan, environment=replace(plan.environment, name=environment))
    except (ValueError, TypeError, KeyError, AttributeError):
        # Of a version of Headway that wrote other plans.
        return None


def live_plan(tx: Transaction, service: str, environment: str) -> Plan | None:
    """How what is live there was put there, as far as this database knows."""
    return plan_of(live_deployment(tx, service, environment), service, environment)


def plans_on_hosts(tx: Transaction, service: str, environment: str) -> list[Plan]:
    """Of all that stands on some host there, or is under way, as far as this database knows."""
    found = {one.id: one for one in rows.unfinished(tx, service, environment)}
    if (live := live_deployment(tx, service, environment)) is not None:
        found[live.id] = live
    for standing in standings_of(tx, service, environment):
        if standing.deployment and standing.deployment not in found:
            brought = rows.get_deployment(tx, standing.deployment)
            if brought is not None:
                found[brought.id] = brought
    plans = [plan for one in found.values() if (plan := plan_of(one, service, environment)) is not None]
    if not plans:
        # All of it was put there without this database, to where the last deployment of before was.
        before = (
            plan_of(one, service, environment) for one in reversed(rows.history(tx, service, environment))
        )
        plans = [plan for plan in before if plan is not None][:1]
    return plans


def own_file_of(plan: Plan | None, host: str) -> OwnFile | None:
    """What a plan says of its own release on a host."""
    found = next((one for one in plan.hosts if one.spec.name == host), None) if plan else None
    if plan is None or found is None:
        return None
    standing = plan.new(found)
    return OwnFile(standing.deploy, tuple(process.name for process in standing.processes))


async def by_own_files(
    plan: Plan,
    links: Sequence[HostLink],
    database: Database | None,
    here: Mapping[str, OwnFile],
    note: Callable[[str], None],
) -> Plan:
    """The plan with what each of `links` has, looked at under the lock, and by which file that is run.

    `here` is the file at hand, by host. Without a database the hosts alone are asked.
    """
    wanted = {plan.settings_of} if plan.settings_of else set()
    stands = {link.name: running(link.record) for link in links}
    finished = await _finished(database, links)
    before = {link.name: predecessor(link.record, finished[link.name]) for link in links}
    for one in (*before.values(), *stands.values()):
        wanted |= {one.deployment} if one else set()
    known = await _known(database, plan, wanted)
    found = await asyncio.gather(
        *(
            _on_host(plan, link, before[link.name], stands[link.name], known, here.get(link.name))
            for link in links
        )
    )
    unknown = [link.name for link, (_, complete) in zip(links, found, strict=True) if not complete]
    if unknown:
        note(
            f"{', '.join(unknown)}: nobody knows any more by which headway.toml the release there is run; "
            "the commands of the one here are used"
        )
    return with_own_files(plan, {link.name: one for link, (one, _) in zip(links, found, strict=True)}, here)


async def _finished(database: Database | None, links: Sequence[HostLink]) -> dict[str, dict[str, str]]:
    records = {link.name: link.record for link in links}
    if database is None:
        return dict.fromkeys(records, finished_on(records.values()))
    return await database.fetch(lambda tx: finished_there(tx, records))


async def _known(
    database: Database | None, plan: Plan, wanted: Iterable[str]
) -> dict[str, tuple[Deployment, Plan]]:
    if database is None:
        return {}

    def work(tx: Transaction) -> dict[str, tuple[Deployment, Plan]]:
        found = {}
        for one in wanted:
            deployment = rows.get_deployment(tx, one)
            read = plan_of(deployment, plan.service, plan.environment.name)
            if deployment is not None and read is not None:
                found[one] = (deployment, read)
        return found

    return await database.fetch(work)


async def _on_host(  # noqa: PLR0917  (what stands there, and what is known of it)
    plan: Plan,
    link: HostLink,
    before: Predecessor | None,
    now: Predecessor | None,
    known: Mapping[str, tuple[Deployment, Plan]],
    here: OwnFile | None,
) -> tuple[Found, bool]:
    """What is known of a host, and whether that is all that was asked for."""
    if before is not None and now is not None and before.deployment == now.deployment:
        now = None
    asked = {one.deployment for one in (before, now) if one} | (
        {plan.settings_of} if plan.settings_of else set()
    )
    files = {one: own for one in asked if one in known and (own := own_file_of(known[one][1], link.name))}
    if missing := asked - files.keys():
        reply = await link.call(own_files_script(link.root, missing))
        files |= read_own_files(reply.output, checks_of(here.deploy) if here else ())
    new = files.get(plan.settings_of) if plan.settings_of else None
    if new is not None and new.deploy == plan.deploy and new.processes == plan.host(link.name).processes:
        new = None
    found = Found(
        before,
        now,
        files.get(before.deployment) if before else None,
        files.get(now.deployment) if now else None,
        new,
    )
    return found, asked <= files.keys()
