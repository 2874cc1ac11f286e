"""Going back because a person asks: to the last good release before the live one, or to one that is named."""

from collections.abc import Iterable, Sequence

from headway.base.errors import Held, WrongUse
from headway.deploy.history import Live, before_live, came_of, good_history, in_the_way
from headway.deploy.plan import from_json
from headway.deploy.strategy import has_majority
from headway.domain.deployment import Deployment, DeploymentKind
from headway.engine.deployments.adopt import adopt
from headway.engine.deployments.deployments import Deployments, Result, Wish
from headway.engine.deployments.left import ActedSince
from headway.engine.deployments.plan import environment_of
from headway.engine.hosts.link import HostLink, look_at_all
from headway.engine.releases.releases import ReleaseGone, UnknownRelease
from headway.engine.standing.what_runs import live_deployment, read_what_runs
from headway.store import deployments as rows
from headway.store.database import Transaction
from headway.store.releases import get_release


class NothingBefore(WrongUse):
    """There is no good release before the live one."""


def go_direct(environment: str) -> str:
    """What a person can do whose database does not know the way back."""
    return (
        f"the hosts know what they had: headway status {environment} --from-hosts shows it, "
        f"headway rollback {environment} --direct goes back by it"
    )


class NotOurs(WrongUse):
    """What is live was put there by another system."""


class CannotPass(Held):
    """A `once` that is declared rollback = "incompatible" lies between here and there."""


async def rollback(
    deployments: Deployments,
    environment: str,
    *,
    to: str | None,
    force: bool = False,
    request: str | None = None,
    without: Sequence[str] = (),
) -> Result:
    """Back to its end. An unfinished deployment is taken back to what was before it, unless `to` names another.

    `to` is a release's whole id. `force` passes a `once` that is declared incompatible. `request` is the server's that
    this fulfils. `without` are hosts that are not even tried. Raises NothingBefore, NotOurs, CannotPass, UnknownRelease, ReleaseGone, Held and what the hosts raise.
    """
    database, service = deployments.database, deployments.service
    unfinished = await database.fetch(lambda tx: rows.unfinished(tx, service, environment))
    if unfinished and to in (None, unfinished[0].release):
        # A rollback that was left goes on; anything else that was left goes back.
        is_rollback = unfinished[0].kind is DeploymentKind.ROLLBACK
        if is_rollback or to is None:
            try:
                return await deployments.go_on(unfinished[0], back=not is_rollback, without=without)
            except ActedSince as over:
                if not over.since.finished:
                    # What is live is still what was live before it: that, and not the one before, is gone back to.
                    left = over.deployment
                    to = left.release if is_rollback else left.previous_release
    if to is None:
        await database.fetch(lambda tx: _require_ours(tx, service, environment))
    links = await _links(deployments, environment, without)
    world = deployments.world
    world.given_up |= await look_at_all(
        links, world.watcher.note, enough=lambda answered: has_majority(answered, len(links))
    )
    reached = [link for link in links if link.name not in world.given_up]
    adopted = await adopt(
        database,
        deployments.world.clock.now(),
        service=service,
        environment=environment_of(deployments.project.contract, environment),
        repository=str(deployments.project.root),
        links=reached,
    )
    if adopted is not None:
        deployments.world.watcher.note(
            f"the hosts tell of {adopted.release}, put there without this database"
        )
    try:
        target = await database.fetch(lambda tx: target_of(tx, service, environment, to=to, force=force))
    except (NothingBefore, UnknownRelease) as error:
        live = await database.fetch(lambda tx: live_deployment(tx, service, environment))
        if live is None or not live.has_plan:
            # Put there without this database: an earlier one that was lost, or another laptop's.
            error.hint = go_direct(environment)
        raise
    release = await database.fetch(lambda tx: get_release(tx, target.release))
    if release is None:
        # Put there without this database: only the hosts have it, and know the way back to it.
        raise UnknownRelease(f"{target.release} is not known here", hint=go_direct(environment))
    if release.removed_at:
        again = f"make it anew: git checkout {release.commit[:12]}, headway run, then deploy it"
        require_on_all(reached, release.id, f"its artifacts are gone here; {again}")
    wish = Wish(
        environment,
        release,
        DeploymentKind.ROLLBACK,
        settings_of=target.deployment,
        request=request,
        without=tuple(without),
    )
    return await deployments.deploy(wish)


def require_on_all(links: Sequence[HostLink], release: str, otherwise: str) -> None:
    """A release that can't be brought has to stand on every host before the first is switched. Raises ReleaseGone."""
    without = [link.name for link in links if release not in link.record.releases]
    if not without:
        return
    everywhere = set[str].intersection(*(set(link.record.releases) for link in links))
    names = ", ".join(sorted(everywhere))
    raise ReleaseGone(
        f"{release} is not on {', '.join(without)}, or not whole there; no host was switched",
        hint=f"{otherwise}; on all hosts stand: {names or 'none'} (--to names one); --without {without[0]} leaves that host out",
    )


def choose(good: list[Live], environment: str, *, to: str | None, force: bool) -> Live:
    """The target of a rollback. Raises NothingBefore, UnknownRelease, CannotPass."""
    if to is not None:
        target = next((live for live in reversed(good) if live.release == to), None)
        if target is None:
            raise UnknownRelease(
                f"{to} has not been good in {environment}, or was rolled back from since: there is nothing to go back to",
                hint=f"headway deploy {environment} --release {to} takes it there as a new deployment",
            )
    else:
        target = before_live(good)
        if target is None:
            raise NothingBefore(
                f"there is no good release before the live one in {environment}",
                hint=f"deploy a good one: headway deploy {environment}; "
                f"headway status {environment} --from-hosts shows what the hosts have",
            )
    blocker = in_the_way(good, target.release)
    if blocker is not None and not force:
        raise CannotPass(
            f'{blocker.release} ran a `once` that is declared rollback = "incompatible"; '
            f"{target.release} is from before it",
            hint="repair forward with a new release; --force goes back all the same",
        )
    return target


def target_of(tx: Transaction, service: str, environment: str, *, to: str | None, force: bool) -> Live:
    """What a rollback goes to, as far as this database knows. Raises NotOurs and what `choose` raises."""
    if to is None:
        _require_ours(tx, service, environment)
    return choose(
        good_history(lives(rows.history(tx, service, environment))), environment, to=to, force=force
    )


def _require_ours(tx: Transaction, service: str, environment: str) -> None:
    live = live_deployment(tx, service, environment)
    if live is not None and live.origin and not read_what_runs(tx, service, environment).hosts:
        raise NotOurs(
            f"{live.release} was put into {environment} by {live.origin}, not by Headway, which does not know the way "
            "back from there",
            hint=f"go back with {live.origin}; or name a release that Headway has deployed there: --to RELEASE",
        )


def lives(deployments: Iterable[Deployment]) -> list[Live]:
    """Deployments of Headway's own, as the history knows them."""
    return [
        Live(one.id, one.release, one.commit, one.kind, _passable(one), came)
        for one in deployments
        if not one.origin and (came := came_of(one)) is not None
    ]


def _passable(deployment: Deployment) -> bool:
    if not deployment.has_plan:
        return True
    plan = from_json(deployment.plan)
    return plan.rollback or plan.deploy.once is None or plan.deploy.once.rollback_compatible


async def _links(deployments: Deployments, environment: str, without: Sequence[str]) -> list[HostLink]:
    from headway.engine.deployments.plan import host_plans

    contract = deployments.project.contract
    plans = host_plans(contract, environment_of(contract, environment), without=without)
    return await deployments.world.links(contract.service.name, plans)
