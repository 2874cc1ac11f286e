"""A deployment that was left half-way, and whose hosts somebody else changed since: it is over, and nothing of it goes on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from headway.base.errors import Held
from headway.deploy.plan import Plan
from headway.deploy.since import Since, since
from headway.domain.deployment import Deployment, DeploymentState, HostRow
from headway.engine.deployments.adopt import adopt
from headway.engine.deployments.hold import Hold
from headway.engine.deployments.news import tell_deployment, tell_hosts
from headway.engine.hosts.jobs import settle_all
from headway.engine.hosts.link import HostLink
from headway.engine.standing.what_runs import note_found
from headway.store import deployments as rows
from headway.store.database import Transaction


class ActedSince(Held):
    """The deployment that was left has ended, because others acted on its hosts since. What stands there is stored."""

    def __init__(self, deployment: Deployment, found: Since) -> None:
        super().__init__(
            f"deployment {deployment.number} of {deployment.release} does not go on: {found.told}",
            hint=f"headway status {deployment.environment} shows what runs; ask for what you want there",
        )
        self.deployment = deployment
        self.since = found


async def require_as_left(
    hold: Hold,
    deployment: Deployment,
    hosts: Sequence[HostRow],
    plan: Plan,
    links: Sequence[HostLink],
    *,
    going_back: bool,
    patience: float | None,
) -> None:
    """Under the hosts' lock, whose looks are compared with the rows. Raises ActedSince when somebody acted there."""

    def compare() -> Since:
        return since(plan, hosts, {link.name: link.record for link in links}, going_back=going_back)

    if compare().is_ours:
        return
    world = hold.world
    # What is under way there still changes what stands there.
    await settle_all(links, world.clock, world.watcher.note, patience)
    found = compare()
    if found.is_ours:
        return
    assert hold.database is not None
    now = world.clock.now()
    await adopt(
        hold.database,
        now,
        service=plan.service,
        environment=plan.environment,
        repository=deployment.repository,
        links=links,
    )

    def work(tx: Transaction) -> Deployment:
        over = rows.get_deployment(tx, deployment.id)
        assert over is not None
        over = _over(over, found, now)
        if rows.save_deployment(tx, over, hold.token):
            for row in found.corrected:
                rows.save_host(tx, row, hold.token)
            records = {link.name: link.record for link in links}
            note_found(tx, plan.service, plan.environment.name, records, now)
            tell_hosts(tx, plan.service, found.corrected, [], now)
            tell_deployment(tx, over, now)
        return over

    over = await hold.database.perform(work)
    world.interruption.forget()
    for row in found.corrected:
        world.watcher.host(row)
    world.watcher.note(f"deployment {over.number} of {over.release} is over: {found.told}")
    raise ActedSince(over, found)


def _over(deployment: Deployment, found: Since, now: datetime) -> Deployment:
    return replace(
        deployment,
        state=DeploymentState.CANCELLED,
        reason=f"left half-way, then {'superseded' if found.another else 'overtaken'}: {found.told}",
        finished_at=now,
    )
