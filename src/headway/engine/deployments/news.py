"""What is told, in the same transaction, when a deployment, its hosts or a request change: events, and what ends with it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from headway.domain.deployment import Deployment, DeploymentStep, HostRow
from headway.domain.request import Request
from headway.store import requests
from headway.store.database import Transaction
from headway.store.events import add_event


def tell_deployment(tx: Transaction, deployment: Deployment, now: datetime) -> None:
    """It was stored anew. One that has ended takes its request with it, and whoever waits for it is looked at."""
    add_event(
        tx,
        "deployment.changed",
        service=deployment.service,
        subject=deployment.id,
        data={
            "number": deployment.number,
            "environment": deployment.environment,
            "release": deployment.release,
            "state": deployment.state,
            "reason": deployment.reason,
        },
        now=now,
    )
    if not deployment.state.is_final:
        return
    told = f"deployment {deployment.number} {str(deployment.state).replace('_', ' ')}: {deployment.reason}"
    done = requests.finish_by_deployment(tx, deployment.id, told, now)
    if done is not None:
        tell_request(tx, done, now)
    requests.look_soon(tx, deployment.service, None, now)


def tell_hosts(
    tx: Transaction,
    service: str,
    hosts: Sequence[HostRow],
    steps: Iterable[DeploymentStep],
    now: datetime,
) -> None:
    """One event a host: its state, or the last step that began or ended there."""
    news: dict[tuple[str, str], dict[str, Any]] = {}
    for step in steps:
        news[step.deployment, step.host] = {"step": step.step, "step_state": step.state}
    for row in hosts:
        told = news.setdefault((row.deployment, row.host), {})
        told |= {"state": row.state, "batch": row.batch, "reason": row.reason}
    for (deployment, host), data in news.items():
        add_event(
            tx, "host.changed", service=service, subject=deployment, data={"host": host, **data}, now=now
        )


def tell_request(tx: Transaction, request: Request, now: datetime) -> None:
    add_event(
        tx,
        "request.changed",
        service=request.service,
        subject=request.id,
        data={
            "environment": request.environment,
            "release": request.release,
            "state": request.state,
            "reason": request.reason,
            "deployment": request.deployment,
        },
        now=now,
    )
