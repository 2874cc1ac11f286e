"""What people ask of a deployment that goes on: to pause, to go on, to stay, to go back, to leave hosts alone.

DeploymentIsOver   4    it has ended: there is nothing to stop
"""

from collections.abc import Sequence
from datetime import datetime

from headway.base.errors import Held
from headway.deploy.plan import from_json
from headway.deploy.rollout import Asked
from headway.domain.deployment import Deployment
from headway.domain.people import Actor
from headway.engine.audit import record
from headway.engine.deployments.news import tell_deployment
from headway.engine.deployments.plan import require_names
from headway.store import deployments
from headway.store.database import Transaction


class DeploymentIsOver(Held):
    http_status = 409


def ask_of_deployment(
    tx: Transaction, actor: Actor, deployment_id: str, asked: Asked | None, now: datetime
) -> Deployment:
    """Into its row, which whoever drives it reads between steps. Raises DeploymentIsOver."""
    before = deployments.wishes_of(tx, deployment_id).asked
    is_open = deployments.ask(tx, deployment_id, asked, actor.name)
    fresh = _fresh(tx, deployment_id, is_open=is_open)
    record(
        tx, actor, f"deployment.{asked or 'go_on'}", _subject(fresh), {"asked": before}, {"asked": asked}, now
    )
    tell_deployment(tx, fresh, now)
    return fresh


def leave_hosts(
    tx: Transaction, actor: Actor, deployment: Deployment, without: Sequence[str], now: datetime
) -> Deployment:
    """Hosts that whoever drives it does not try any more, now or after a kill. Raises NoSuchHost, DeploymentIsOver."""
    known = deployments.wishes_of(tx, deployment.id).without
    names = tuple(dict.fromkeys([*known, *without]))
    if names == known:
        return deployment
    plan = from_json(deployment.plan)
    hosts = [host.spec.name for host in plan.hosts]
    require_names(deployment.environment, [*hosts, *plan.without], [*plan.without, *names])
    is_open = deployments.leave_out(tx, deployment.id, names)
    fresh = _fresh(tx, deployment.id, is_open=is_open)
    what = {"number": fresh.number, "release": fresh.release, "without": list(names)}
    record(tx, actor, "deployment.without", _subject(fresh), None, what, now)
    return fresh


def _fresh(tx: Transaction, deployment_id: str, *, is_open: bool) -> Deployment:
    fresh = deployments.get_deployment(tx, deployment_id)
    assert fresh is not None
    if not is_open:
        raise DeploymentIsOver(
            f"deployment {fresh.number} of {fresh.service} has ended; there is nothing to stop",
            hint="roll back, if it is to go",
        )
    return fresh


def _subject(deployment: Deployment) -> str:
    return f"{deployment.service}/{deployment.environment} deployment {deployment.number}"
