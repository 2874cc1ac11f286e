"""Hosts that an environment does not name any more: emptied, where they can be reached, or forgotten.

NotGone       2    the environment still names it, or nothing is known of it
"""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from headway.base.errors import Errored, WrongUse
from headway.base.ids import new_id
from headway.deploy.commands import Group, commands
from headway.deploy.plan import Plan
from headway.deploy.steps import HostStep
from headway.domain.deployment import Command
from headway.domain.people import Actor
from headway.domain.standing import Standing, StandingState
from headway.domain.states import State
from headway.engine.audit import record
from headway.engine.deployments.files import plan_of
from headway.engine.deployments.hold import Hold, World
from headway.engine.hosts.jobs import HostJobs, settle
from headway.store import deployments as rows
from headway.store.database import Database, Transaction
from headway.store.standings import forget_standing, get_standing, put_standing


class NotGone(WrongUse):
    http_status = 409


class NotEmptied(Errored):
    """What ends the release there failed; it is told as before."""


async def end_gone(  # noqa: PLR0917  (where, by whom, what)
    world: World,
    database: Database,
    actor: Actor,
    service: str,
    environment: str,
    host: str,
    what: Literal["empty", "forget"],
) -> Standing:
    """What was known of it. Raises what `forget_host` and `empty_host` raise."""
    if what == "empty":
        return await empty_host(world, database, actor, service, environment, host)
    now = world.clock.now()
    return await database.perform(lambda tx: forget_host(tx, actor, service, environment, host, now))


def forget_host(  # noqa: PLR0917  (who, what, where, when)
    tx: Transaction, actor: Actor, service: str, environment: str, host: str, now: datetime
) -> Standing:
    """It is not told any more; nothing is done on it. Raises NotGone."""
    known = _gone(tx, service, environment, host)
    forget_standing(tx, service, environment, host)
    what = {"host": host, "release": known.release}
    record(tx, actor, "deployment.forget_host", f"{service}/{environment} {host}", what, None, now)
    return known


async def empty_host(  # noqa: PLR0917  (where, by whom, what)
    world: World, database: Database, actor: Actor, service: str, environment: str, host: str
) -> Standing:
    """Ends what runs there as its own release says (`deactivate`), removes `current`, and forgets the host.

    Raises NotGone, NotEmptied, Held, HostsOfOthers, and what the host raises.
    """

    def find(tx: Transaction) -> tuple[Standing, Plan | None]:
        known = _gone(tx, service, environment, host)
        brought = rows.get_deployment(tx, known.deployment) if known.deployment else None
        return known, plan_of(brought, service, environment)

    hold = Hold(world, service, environment, f"empties {host}", database)
    await hold.claim()
    try:
        # Read only now: a deployment that came before us may have taken it in again.
        known, plan = await database.fetch(find)
        if plan is None or host not in [one.spec.name for one in plan.hosts]:
            raise NotGone(
                f"how {host} was deployed to is not known here any more",
                hint=f"end it there by hand, then: headway deployment forget {environment} {host}",
            )
        # As a deployment that goes back to nothing.
        alone = replace(plan.host(host), predecessor=None, running=None)
        plan = replace(plan, hosts=(alone,), without=())
        [link] = await world.links(service, [alone])
        lock = await hold.take_hosts([link], new_id("dep", world.clock.now()))
        jobs = HostJobs(link, plan, lock.token, world.clock, (), lambda steps: None)
        await settle(link, world.clock)
        ends = [await jobs.run(Group.BACK, commands(plan, alone, Group.BACK), again=True)]
        if ends[0].state is State.SUCCEEDED:
            rest = 'cd "$HEADWAY_ROOT"; rm -f deployed.json README.txt settings/current.env'
            ends.append(await jobs.quick(Command(host, HostStep.EMPTIED, rest)))
        if bad := [end for end in ends if end.state is not State.SUCCEEDED]:
            half = replace(known, state=StandingState.UNCLEAR, reason=f"half-emptied: {bad[0].reason}")
            await database.perform(lambda tx: put_standing(tx, half))
            raise NotEmptied(
                f"{host} could not be emptied: {bad[0].reason}",
                hint=f"mend it there and call it again: headway deployment empty {environment} {host}",
            )
        now = world.clock.now()
        await database.perform(lambda tx: forget_host(tx, actor, service, environment, host, now))
    finally:
        await hold.let_go()
    return known


def _gone(tx: Transaction, service: str, environment: str, host: str) -> Standing:
    known = get_standing(tx, service, environment, host)
    if known is None:
        raise NotGone(
            f"nothing is known of {host} in {environment} of {service}", hint="headway status names hosts"
        )
    if known.member:
        raise NotGone(
            f"{host} belongs to {environment}",
            hint="take it out of headway.toml and deploy; then it can be emptied or forgotten",
        )
    return known
