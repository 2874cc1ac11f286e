"""Commands and logs on hosts, asked for through a server: whose hosts, what of it is masked, what is written down."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headway.base.errors import WrongUse
from headway.base.secret import Secret
from headway.domain.contract import Contract, HostSpec
from headway.domain.org import Org
from headway.domain.people import Actor
from headway.domain.selection import NoSuchHosts, select_hosts
from headway.engine.audit import record
from headway.engine.deployments.files import live_plan
from headway.engine.deployments.named_secrets import named_secrets
from headway.engine.hosts.remote_commands import Task, known_secrets
from headway.engine.hosts.service_logs import log_tasks
from headway.engine.permissions import Action, NotAllowed, allows, require
from headway.engine.projects import Project
from headway.engine.repositories.host_book import HostBook, book_of
from headway.engine.requests.gate import require_in, team_of
from headway.engine.requests.releases import UnknownService, repository_place
from headway.engine.requests.tools import RequestTools

_LONGEST_COMMAND = 500


class NoHosts(WrongUse):
    """Neither org.toml nor the service names one."""


@dataclass(frozen=True, slots=True)
class HostCall:
    tasks: tuple[Task, ...]
    #: Masked in every line.
    secrets: tuple[Secret, ...]


async def project_at_head(tools: RequestTools, service: str) -> Project:
    """As the service's default branch declares it, with the hosts of org.toml. Raises UnknownService and what reading
    it raises."""
    place = await tools.database.fetch(lambda tx: repository_place(tx, tools.settings, service))
    if place is None:
        raise UnknownService(f"there is no service {service} here", hint="connect its repository first")

    def read() -> Project:
        return tools.projects.of(place, tools.git.resolve(place, "HEAD"), service)

    return await asyncio.to_thread(read)


async def exec_call(
    tools: RequestTools,
    actor: Actor,
    *,
    service: str | None,
    selectors: Sequence[str],
    words: Sequence[str],
    user: str | None,
) -> HostCall:
    """On a service's own hosts, or (without one, and for who may so everywhere) on any of org.toml. Writes down who
    asked for what.

    Raises NotAllowed, UnknownService, NoHosts, and what `select_hosts` raises (HostsOfOthers among it).
    """
    if service is None:
        require(actor, Action.HOST_EXEC, team=None)
        org = tools.org()
        book = HostBook("", org.hosts, org.groups, ())
        if not org.hosts:
            raise NoHosts("org.toml names no host", hint="say whose hosts are meant: the service")
    else:
        team = await tools.database.fetch(lambda tx: team_of(tx, service))
        require(actor, Action.HOST_EXEC, team=team)
        contract = (await project_at_head(tools, service)).contract
        book = book_of(contract)
    hosts = select_hosts(book, [part for text in selectors for part in text.split(",") if part.strip()])
    if service is not None and not allows(actor, Action.HOST_EXEC, team=None):
        _require_own(contract, tools.org(), hosts)
    if user is not None:
        hosts = tuple(replace(host, user=user) for host in hosts)
    secrets = await _secrets(tools, book, None) if service else ()
    what = {"hosts": [host.name for host in hosts], "command": " ".join(words)[:_LONGEST_COMMAND]}
    subject, now = service or "org.toml", tools.clock.now()
    await tools.database.perform(lambda tx: record(tx, actor, Action.HOST_EXEC, subject, None, what, now))
    return HostCall(tuple(Task(host, tuple(words)) for host in hosts), secrets)


async def _secrets(tools: RequestTools, book: HostBook, environment: str | None) -> tuple[Secret, ...]:
    stored = await tools.database.fetch(lambda tx: named_secrets(tx, book.service, environment))
    return await asyncio.to_thread(known_secrets, book, tools.settings, environment, stored=stored)


def _require_own(contract: Contract, org: Org, hosts: Sequence[HostSpec]) -> None:
    """A role in a team reaches the hosts of the team's service, not all others that org.toml names beside them."""
    processes = contract.deploy.processes if contract.deploy else ()
    selectors = [selector for process in processes for selector in process.hosts]
    for environment in contract.environments.values():
        selectors += environment.hosts
        selectors += [selector for several in environment.processes.values() for selector in several]
    own = set(contract.hosts.keys() - org.hosts.keys())
    for selector in selectors:
        # What it names in vain is no host of its own, and no reason to be kept from the others.
        with suppress(NoSuchHosts):
            own |= {host.name for host in select_hosts(contract, [selector])}
    for host in hosts:
        if host.name not in own:
            raise NotAllowed(
                f"{host.name} is no host of {contract.service.name}, in whose team you are an operator",
                hint="an operator everywhere may; or name a host that an environment of the service names",
            )


async def tail_call(
    tools: RequestTools,
    actor: Actor,
    *,
    service: str,
    environment: str,
    age: timedelta,
    lines: int,
    follow: bool,
    now: datetime,
) -> HostCall:
    """The service's own logs. Raises NotAllowed, UnknownService, and what `log_tasks` raises."""
    await require_in(tools, actor, Action.SERVICE_LOGS, service, environment)
    contract = (await project_at_head(tools, service)).contract
    live = await tools.database.fetch(lambda tx: live_plan(tx, service, environment))
    tasks = log_tasks(contract, environment, since=now - age, lines=lines, follow=follow, live=live)
    secrets = await _secrets(tools, book_of(contract), environment)
    return HostCall(tuple(tasks), secrets)
