"""Whether a deployment stands still: nothing of it changed for longer than any of its steps may take."""

from datetime import datetime, timedelta

from headway.deploy.plan import Plan
from headway.deploy.rollout import Asked
from headway.domain.contract import StrategyKind
from headway.domain.deployment import Deployment, DeploymentState


def patience(plan: Plan) -> timedelta:
    """How long it may be without news: a step may take `timeout`, and then there are drains, stops, checks, a watch."""
    waits = [timedelta()]
    # What ran before is drained and stopped within its own file's limits.
    deploys = (plan.deploy, *plan.files)
    for process in (process for deploy in deploys for process in deploy.processes):
        waits.append(process.stop_within)
        waits += [process.drain.within] if process.drain else []
        waits += [check.within for check in process.health]
    strategy = plan.environment.strategy
    watch = strategy.watch if strategy.kind is StrategyKind.CANARY else timedelta()
    return max(deploy.timeout for deploy in deploys) + max(waits) + watch


def stands_still(deployment: Deployment, plan: Plan, moved_at: datetime, now: datetime) -> timedelta | None:
    """For how long, when that is longer than it may; None while it moves, or where a person has it wait."""
    if deployment.state is DeploymentState.HELD or deployment.state.is_final:
        return None
    if deployment.asked == Asked.PAUSE:
        return None
    silent = now - moved_at
    return silent if silent > patience(plan) else None
