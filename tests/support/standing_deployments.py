"""Deployments as values, for tests of what stands where."""

from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from tests.support.clocks import NOON


def deployment(release: str, *, number: int = 1) -> Deployment:
    return Deployment(
        id=f"dep-{number}",
        number=number,
        service="shop",
        repository="/srv/shop",
        environment="production",
        production=True,
        release=release,
        commit=f"{number:040x}",
        previous_release=None,
        kind=DeploymentKind.PLANNED,
        state=DeploymentState.RUNNING,
        reason="",
        requested_by="ana",
        requested_at=NOON,
        started_at=NOON,
    )
