"""A plan and its rows, for tests of the pure core."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from headway.deploy.host_states import HostState
from headway.deploy.plan import HostPlan, Plan, Predecessor
from headway.domain.contract import (
    Amount,
    DeployKind,
    DeploySpec,
    Drain,
    EnvironmentSpec,
    HealthCheck,
    HealthKind,
    HostSpec,
    Once,
    ProcessSpec,
    Strategy,
    StrategyKind,
)
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState, HostRow
from headway.domain.release import Artifact

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BEFORE = Predecessor("rel-a", "a" * 40, "dep-1")


def environment(**changes: object) -> EnvironmentSpec:
    values: dict[str, object] = {
        "name": "production",
        "hosts": ("group:web",),
        "strategy": Strategy(StrategyKind.ROLLING, Amount(1)),
        "production": True,
        "env": {"LOG_LEVEL": "info"},
        "secrets": ("TOKEN",),
    }
    return EnvironmentSpec(**{**values, **changes})  # type: ignore[arg-type]


def deploy_spec(**changes: object) -> DeploySpec:
    main = ProcessSpec(
        name="main",
        activate="systemctl restart shop",
        deactivate="systemctl stop shop",
        drain=Drain("touch {host}.draining", "./bin/idle {labels.zone}", timedelta(seconds=20)),
        undrain="rm -f {host}.draining",
        health=(HealthCheck(HealthKind.HTTP, "http://{address}:8080/health"),),
    )
    worker = ProcessSpec(name="worker", activate="systemctl restart worker")
    values: dict[str, object] = {
        "kind": DeployKind.FILES,
        "processes": (main, worker),
        "artifact": "dist/shop.tar.gz",
        "shared": ("uploads", "var/cache files"),
        "prepare": "./bin/install",
        "once": Once("./bin/migrate", rollback_compatible=True),
    }
    return DeploySpec(**{**values, **changes})  # type: ignore[arg-type]


def host(name: str, batch: int = 0, before: Predecessor | None = BEFORE) -> HostPlan:
    spec = HostSpec(name, "10.0.0.1", user="deploy", labels={"zone": "a b"})
    return HostPlan(spec, batch, ("main", "worker"), "headway/shop/production", before)


def plan(*hosts: HostPlan, **changes: object) -> Plan:
    values: dict[str, object] = {
        "service": "shop",
        "environment": environment(),
        "release": "rel-b",
        "commit": "b" * 40,
        "deployment": "dep-2",
        "requested_by": "ana@laptop",
        "deploy": deploy_spec(),
        "hosts": hosts or (host("web1"),),
        "artifact": Artifact("dist/shop.tar.gz", "c" * 64, 10),
    }
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


def deployment(**changes: object) -> Deployment:
    values: dict[str, object] = {
        "id": "dep-2",
        "number": 2,
        "service": "shop",
        "repository": "/shop",
        "environment": "production",
        "production": True,
        "release": "rel-b",
        "commit": "b" * 40,
        "previous_release": "rel-a",
        "kind": DeploymentKind.PLANNED,
        "state": DeploymentState.RUNNING,
        "reason": "",
        "requested_by": "ana",
        "requested_at": NOW,
    }
    return Deployment(**{**values, **changes})  # type: ignore[arg-type]


def rows(states: Sequence[HostState | str], batch: int = 1) -> list[HostRow]:
    """Hosts web1, web2 … in batches of `batch`."""
    return [
        HostRow("dep-2", f"web{number}", (number - 1) // batch, state, "", "rel-a")
        for number, state in enumerate(states, start=1)
    ]
