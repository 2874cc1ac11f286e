"""A server asks its hosts from time to time what they have: others may have been there without its database."""

import asyncio
import logging
from datetime import datetime, timedelta

from headway.base.errors import HeadwayError
from headway.deploy.plan import HostPlan, Plan
from headway.domain.deployment import Deployment
from headway.drivers.ssh.connections import Connections
from headway.engine.deployments.files import plans_on_hosts
from headway.engine.deployments.hold import World
from headway.engine.deployments.look import Known, keep_look, what_is_known
from headway.engine.hosts.link import look_at_all
from headway.engine.requests.tools import RequestTools
from headway.engine.standing.what_runs import live_deployment
from headway.engine.work_faults import WorkFaults
from headway.store.database import Transaction
from headway.store.standings import asked_before

log = logging.getLogger("headway.hosts")

#: After this an environment's hosts are asked anew; one that nobody could reach as well.
LOOK_EVERY = timedelta(minutes=10)
#: Environments that are asked at once.
_MOST = 4


class HostsDuty:
    """For the event loop's thread. Each look is a task of its own: a host that does not answer keeps nobody waiting."""

    def __init__(self, tools: RequestTools) -> None:
        self._tools = tools
        self._asked: dict[tuple[str, str], datetime] = {}
        self._looks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._is_stopping = False
        #: By service and environment.
        self.faults = WorkFaults("hosts cannot be asked what they have")

    async def tick(self, now: datetime) -> datetime | None:
        """Late is fine: what is told says when it was asked."""
        self._asked = {key: at for key, at in self._asked.items() if at + LOOK_EVERY > now}
        for key in await self._tools.database.fetch(lambda tx: asked_before(tx, now - LOOK_EVERY)):
            if self._is_stopping or len(self._looks) >= _MOST:
                break
            if key not in self._asked and key not in self._looks:
                self._asked[key] = now
                self._looks[key] = asyncio.create_task(self._look(key), name=f"ask {'/'.join(key)}")
        return None

    async def settle(self) -> None:
        """Until all that it asked have answered, or were given up."""
        await asyncio.gather(*self._looks.values())

    async def stop(self) -> None:
        self._is_stopping = True
        looks = list(self._looks.values())
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    async def _look(self, key: tuple[str, str]) -> None:
        """This task never fails."""
        service, environment = key
        began_at = self._tools.clock.now()
        try:
            if await self._ask(*key):
                log.info("%s/%s: its hosts have something else than was known here; it is known now", *key)
        except HeadwayError as error:
            log.info("%s/%s: %s", *key, error.message)
        except Exception as error:
            log.exception("the hosts of %s/%s cannot be asked", *key)
            self.faults.note(
                "/".join(key),
                error,
                what=f"the hosts of {service} in {environment} cannot be asked what they have",
                href="/hosts",
                began_at=began_at,
                now=self._tools.clock.now(),
                rest=LOOK_EVERY,
            )
        else:
            self.faults.over("/".join(key))
        finally:
            self._looks.pop(key, None)

    async def _ask(self, service: str, environment: str) -> bool:
        tools, now = self._tools, self._tools.clock.now()

        def read(tx: Transaction) -> tuple[Known | None, Deployment | None, list[Plan]]:
            known = what_is_known(tx, service, environment, now)
            live = live_deployment(tx, service, environment)
            return known, live, plans_on_hosts(tx, service, environment)

        known, live, plans = await tools.database.fetch(read)
        if known is None or not plans:
            return False
        hosts = _hosts(known, plans)
        async with Connections(tools.settings.ssh) as connections:
            world = World(tools.settings, tools.clock, connections, require_reach=tools.require_reach)
            links = await world.links(service, hosts)
            unreachable = await look_at_all(links)
        for error in unreachable.values():
            log.info("%s/%s: %s", service, environment, error.message)
        reached = [link for link in links if link.name not in unreachable]
        repository = live.repository if live is not None else ""
        return await keep_look(
            tools.database,
            known,
            environment=plans[0].environment,
            repository=repository,
            links=reached,
            hosts=len(links),
            now=tools.clock.now(),
        )


def _hosts(known: Known, plans: list[Plan]) -> list[HostPlan]:
    """Those of the environment, each as the first plan that names it says where it is."""
    found: dict[str, HostPlan] = {}
    for plan in plans:
        for host in plan.hosts:
            found.setdefault(host.spec.name, host)
    return [found[one.host] for one in known.standings if one.member and one.host in found]
