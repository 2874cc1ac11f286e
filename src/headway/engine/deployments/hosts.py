"""What runs where, from the hosts themselves: nothing is changed on them, and no database is needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.deploy.lock import holders, told
from headway.deploy.record import finished_on, is_half_way, live_facts, predecessor
from headway.engine.deployments.hold import World
from headway.engine.deployments.look import Known, keep_look, what_is_known
from headway.engine.deployments.plan import environment_of, host_plans
from headway.engine.hosts.link import in_the_way, look_at_all
from headway.store.database import Database

if TYPE_CHECKING:
    from headway.engine.projects import Project


@dataclass(frozen=True, slots=True)
class HostStatus:
    host: str
    environment: str
    #: What `current` points to.
    release: str | None
    #: What is known of that release: `commit`, `at`, `by`, as far as it is.
    live: Mapping[str, Any]
    #: deployed.json: the last deployment that was finished there.
    deployed: Mapping[str, Any] | None
    #: `current` is not what was finished last: a deployment is under way, was left, or somebody went back by hand.
    unfinished: bool
    lock: str | None
    #: Directories of jobs without a result.
    going: tuple[str, ...]
    #: Why the host says nothing.
    error: str | None = None
    #: What stands where a link of Headway's has to, in words: there is no telling what is live.
    in_the_way: tuple[str, ...] = ()


async def read_hosts(
    world: World, project: "Project", environment: str | None = None, database: Database | None = None
) -> tuple[list[HostStatus], list[str]]:
    """Every host of the environment, or of all. One that cannot be reached says why in its row.

    With a database what they say is written there; the second answer names the environments in which that was news.
    """
    contract = project.contract
    news: list[str] = []
    names = [environment_of(contract, environment).name] if environment else list(contract.environments)
    found: list[HostStatus] = []
    for name in names:
        links = await world.links(contract.service.name, host_plans(contract, contract.environments[name]))
        known = await _known(database, world, contract.service.name, name)
        unreachable = await look_at_all(links)
        if database is not None and known is not None:
            reached = [link for link in links if link.name not in unreachable]
            is_news = await keep_look(
                database,
                known,
                environment=contract.environments[name],
                repository=str(project.root),
                links=reached,
                hosts=len(links),
                now=world.clock.now(),
            )
            if is_news:
                news.append(name)
        finished = finished_on(link.record for link in links if link.name not in unreachable)
        for link in links:
            if link.name in unreachable:
                error = unreachable[link.name].message
                found.append(HostStatus(link.name, name, None, {}, None, False, None, (), error))
                continue
            record = link.record
            lock = [told(holder) for holder in holders({link.name: record})]
            found.append(
                HostStatus(
                    host=link.name,
                    environment=name,
                    release=record.live_release,
                    live=live_facts(record),
                    deployed=record.deployed,
                    unfinished=is_half_way(record, predecessor(record, finished)),
                    lock=lock[0] if lock else None,
                    going=record.going(),
                    in_the_way=tuple(in_the_way(link.root, name) for name in record.in_the_way),
                )
            )
    return found, news


async def _known(database: Database | None, world: World, service: str, environment: str) -> Known | None:
    if database is None:
        return None
    now = world.clock.now()
    return await database.fetch(lambda tx: what_is_known(tx, service, environment, now))
