"""Puts the parts together with which a deployment is driven."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

from headway.base.secret import Secret
from headway.deploy.plan import Plan
from headway.deploy.rollout import Facts
from headway.domain.contract import StrategyKind
from headway.drivers.artifacts import ArtifactStore
from headway.engine.deployments.books import Books, DatabaseBooks, NoBooks
from headway.engine.deployments.drive import Drive
from headway.engine.deployments.hold import Begun, Hold, World
from headway.engine.hosts.jobs import HostJobs
from headway.engine.hosts.work import HostWork, Sources
from headway.engine.releases.projects import repository_id
from headway.engine.secrets.by_name import SecretsError, load_secrets
from headway.engine.settings import Settings


def make_drive(hold: Hold, begun: Begun) -> Drive:
    world, plan, lock = hold.world, begun.plan, hold.lock
    assert lock is not None
    books: Books = NoBooks()
    if hold.database is not None:
        books = DatabaseBooks(hold.database, hold.service, hold.claim_id, hold.token, world.clock)
    drive = Drive(
        deployment=begun.deployment,
        rows={row.host: row for row in begun.hosts},
        work={},
        lock=lock,
        books=books,
        clock=world.clock,
        facts=facts_of(plan),
        watcher=world.watcher,
        interruption=world.interruption,
    )
    secrets = _secrets_of(world, plan, begun.deployment.repository)
    maskable = _maskable(world.settings, plan, begun.deployment.repository)
    sources = Sources(ArtifactStore(world.settings.artifacts))
    drive.work = {
        link.name: HostWork(
            deployment=begun.deployment,
            plan=plan,
            host=plan.host(link.name),
            link=link,
            lock=lock,
            jobs=HostJobs(link, plan, lock.token, world.clock, maskable, drive.on_steps),
            clock=world.clock,
            sources=sources,
            secrets=secrets,
        )
        for link in begun.links
    }
    return drive


def facts_of(plan: Plan) -> Facts:
    """What of the plan the rollout decides by."""
    strategy, once = plan.environment.strategy, plan.deploy.once
    watched = strategy.kind is StrategyKind.CANARY and not plan.rollback
    return Facts(
        has_once=once is not None and not plan.rollback,
        once_compatible=once is None or once.rollback_compatible,
        watch=strategy.watch if watched else Facts().watch,
        without=plan.without,
    )


def _secrets_of(world: World, plan: Plan, repository: str) -> Callable[[], Sequence[Secret]]:
    @cache
    def load() -> tuple[Secret, ...]:
        return secrets_of(world.settings, plan, repository)

    return load


def secrets_of(
    settings: Settings, plan: Plan, repository: str, *, names: Sequence[str] | None = None
) -> tuple[Secret, ...]:
    """The environment's, or those of `names`, for code of this repository. Raises the errors of `engine.secrets.by_name` and
    `engine.secrets.vault`."""
    return load_secrets(
        plan.environment.secrets if names is None else names,
        plan.service,
        plan.environment.name,
        settings,
        team=plan.team,
        repository=repository_id(settings, repository),
    )


def _maskable(settings: Settings, plan: Plan, repository: str) -> tuple[Secret, ...]:
    """Those that outputs may hold, of the release and of what ran before, as far as they are known.

    Going back needs no secret of today: the hosts have the settings of then.
    """
    found: list[Secret] = []
    for name in (*plan.environment.secrets, *plan.masked):
        with suppress(SecretsError):
            found += secrets_of(settings, plan, repository, names=(name,))
    return tuple(found)
