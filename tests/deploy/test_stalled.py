"""When a deployment counts as standing still: later than the longest of its steps, and never while it waits for a person."""

from datetime import timedelta

import pytest

from headway.deploy.stalled import patience, stands_still
from headway.domain.contract import (
    Amount,
    DeploySpec,
    Drain,
    HealthCheck,
    HealthKind,
    ProcessSpec,
    Strategy,
    StrategyKind,
)
from headway.domain.deployment import DeploymentState
from tests.deploy.examples import NOW, deploy_spec, deployment, environment, plan

D = DeploymentState
CANARY = Strategy(StrategyKind.CANARY, Amount(1), Amount(1), timedelta(minutes=5))
ROLLING = Strategy(StrategyKind.ROLLING, Amount(1), watch=timedelta(minutes=5))


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


def file(
    stop: int = 30, drain: int | None = None, checks: tuple[int, ...] = (), timeout: int = 600
) -> DeploySpec:
    process = ProcessSpec(
        "main",
        "start",
        drain=None if drain is None else Drain("drain", None, seconds(drain)),
        health=tuple(HealthCheck(HealthKind.TCP, "{address}:1", within=seconds(within)) for within in checks),
        stop_within=seconds(stop),
    )
    return deploy_spec(processes=(ProcessSpec("worker", "start"), process), timeout=seconds(timeout))


@pytest.mark.parametrize(
    ("now", "before", "strategy", "expected"),
    [
        # A step's own time, and the longest wait beside it.
        (file(), (), ROLLING, 600 + 30),
        (file(stop=40), (), ROLLING, 600 + 40),
        (file(drain=50), (), ROLLING, 600 + 50),
        (file(checks=(60, 45)), (), ROLLING, 600 + 60),
        (file(stop=70, drain=50, checks=(60,)), (), ROLLING, 600 + 70),
        (file(timeout=20), (), ROLLING, 20 + 30),
        # A canary's watch comes on top.
        (file(), (), CANARY, 600 + 30 + 300),
        # What ran before keeps to its own file's limits.
        (file(), (file(drain=90), file(timeout=900)), ROLLING, 900 + 90),
        (file(checks=(120,)), (file(timeout=60),), ROLLING, 600 + 120),
    ],
)
def test_the_longest_that_a_step_may_take(
    now: DeploySpec, before: tuple[DeploySpec, ...], strategy: Strategy, expected: int
) -> None:
    found = plan(deploy=now, files=before, environment=environment(strategy=strategy))
    assert patience(found) == seconds(expected)


@pytest.mark.parametrize(
    ("state", "asked", "silent", "stands"),
    [
        (D.RUNNING, None, 630, False),
        (D.RUNNING, None, 631, True),
        (D.ROLLING_BACK, None, 631, True),
        (D.RUNNING, "stay", 631, True),
        # A person has it wait, or it is over.
        (D.RUNNING, "pause", 9999, False),
        (D.HELD, None, 9999, False),
        (D.SUCCEEDED, None, 9999, False),
        (D.FAILED, None, 9999, False),
    ],
)
def test_what_stands_still(state: DeploymentState, asked: str | None, silent: int, stands: bool) -> None:
    found = stands_still(
        deployment(state=state, asked=asked),
        plan(deploy=file()),
        moved_at=NOW,
        now=NOW + seconds(silent),
    )
    assert found == (seconds(silent) if stands else None)
