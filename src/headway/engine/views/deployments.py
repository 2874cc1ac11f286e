"""The pages of deployments: the list with what waits at gates, one deployment, one request."""

from dataclasses import dataclass
from datetime import timedelta

from headway.domain.commit import Commit
from headway.domain.deployment import Deployment, DeploymentStep, HostRow
from headway.domain.release import Release
from headway.domain.request import Approval, Request
from headway.engine.standing.what_runs import live_deployment
from headway.engine.views.settings_difference import SettingChange, plan_of, settings_difference
from headway.store import deployments as rows
from headway.store.commits import commit_by_sha
from headway.store.database import Transaction
from headway.store.pages import cut, read_cursor
from headway.store.releases import get_release
from headway.store.requests import approvals_of, get_request, request_of_deployment, waiting_requests
from headway.store.views.deployments import (
    STATE_GROUPS,
    Brought,
    DeploymentLine,
    brought_by,
    deployment_lines,
    predecessor,
    usual_duration,
)

_PAGE = 50
_MOST_COMMITS = 50
#: Hosts whose steps stand on the page; those that went wrong come first.
_MOST_HOSTS_WITH_STEPS = 60


@dataclass(frozen=True, slots=True)
class DeploymentList:
    lines: tuple[DeploymentLine, ...]
    older: str | None
    #: What stands at gates; on the first page only.
    waiting: tuple[Request, ...]


def read_deployments(
    tx: Transaction, *, service: str = "", environment: str = "", group: str = "", before: str = ""
) -> DeploymentList:
    cursor = read_cursor(before)
    group = group if group in STATE_GROUPS else ""
    found = deployment_lines(
        tx,
        service=service or None,
        environment=environment or None,
        group=group,
        place=cursor,
        limit=_PAGE + 1,
    )
    page, older = cut(found, _PAGE, lambda line: (line.at, line.id))
    waits = group in ("", "waiting") and cursor is None
    waiting = waiting_requests(tx, service or None, limit=_PAGE) if waits else []
    return DeploymentList(
        tuple(page), older, tuple(one for one in waiting if environment in ("", one.environment))
    )


@dataclass(frozen=True, slots=True)
class HostSteps:
    host: HostRow
    steps: tuple[DeploymentStep, ...]


@dataclass(frozen=True, slots=True)
class DeploymentView:
    deployment: Deployment
    #: By batch, in the order of their switch.
    batches: tuple[tuple[HostRow, ...], ...]
    #: What went wrong or goes on first.
    steps: tuple[HostSteps, ...]
    #: Hosts whose steps are left out.
    more_hosts: int
    commit: Commit | None
    #: None where it was not looked for.
    brought: Brought | None
    #: None where it is not known: no plan, or none before it.
    settings: tuple[SettingChange, ...] | None
    #: The number of the one that the settings are compared with.
    compared_with: int | None
    request: Request | None
    approvals: tuple[Approval, ...]
    #: It is what is live there.
    is_live: bool
    #: How the hosts are cut into batches, in words; empty where it is not known.
    strategy: str

    @property
    def hosts_done(self) -> int:
        return sum(
            host.state in ("live", "finishing", "finished") for batch in self.batches for host in batch
        )

    @property
    def hosts(self) -> int:
        return sum(len(batch) for batch in self.batches)


def read_deployment(tx: Transaction, service: str, number: int) -> DeploymentView | None:
    found = rows.deployment_by_number(tx, service, number)
    if found is None:
        return None
    hosts = rows.hosts_of(tx, found.id)
    steps, more = _steps(hosts, rows.steps_of(tx, found.id))
    request = request_of_deployment(tx, found.id)
    before = predecessor(tx, service, found.environment, at=found.requested_at, number=number)
    plan, old = plan_of(found.plan), plan_of(before[2]) if before else None
    live = live_deployment(tx, service, found.environment)
    return DeploymentView(
        deployment=found,
        batches=_batches(hosts),
        steps=steps,
        more_hosts=more,
        commit=commit_by_sha(tx, found.repository, found.commit),
        brought=brought_by(tx, found.id, limit=_MOST_COMMITS),
        settings=settings_difference(old, plan) if old and plan else None,
        compared_with=before[1] if before else None,
        request=request,
        approvals=tuple(approvals_of(tx, request.id)) if request else (),
        is_live=live is not None and live.id == found.id,
        strategy=plan.strategy if plan else "",
    )


def _batches(hosts: list[HostRow]) -> tuple[tuple[HostRow, ...], ...]:
    found: dict[int, list[HostRow]] = {}
    for host in hosts:
        found.setdefault(host.batch, []).append(host)
    return tuple(tuple(found[batch]) for batch in sorted(found))


_WRONG = ("broken", "unprepared", "stuck", "left_out", "reverted", "reverting", "rechecking", "readmitting")
_CALM = ("waiting", "finished", "live")


def _steps(hosts: list[HostRow], steps: list[DeploymentStep]) -> tuple[tuple[HostSteps, ...], int]:
    by_host: dict[str, list[DeploymentStep]] = {}
    for step in steps:
        by_host.setdefault(step.host, []).append(step)
    failed = {step.host for step in steps if step.state in ("failed", "errored")}

    def place(host: HostRow) -> int:
        return 0 if host.host in failed or host.state in _WRONG else 2 if host.state in _CALM else 1

    ordered = sorted((host for host in hosts if host.host in by_host), key=place)
    shown = ordered[:_MOST_HOSTS_WITH_STEPS]
    return tuple(HostSteps(host, tuple(by_host[host.host])) for host in shown), len(ordered) - len(shown)


@dataclass(frozen=True, slots=True)
class RequestView:
    request: Request
    approvals: tuple[Approval, ...]
    release: Release | None
    commit: Commit | None
    live: Deployment | None
    #: The deployment that it became.
    deployment: Deployment | None
    usual: "Usual | None"


@dataclass(frozen=True, slots=True)
class Usual:
    """How long the last good deployment there took, which it was, and on how many hosts."""

    took: timedelta
    number: int
    hosts: int


def read_request(tx: Transaction, service: str, id: str) -> RequestView | None:
    request = get_request(tx, id)
    if request is None or request.service != service:
        return None
    return RequestView(
        request,
        tuple(approvals_of(tx, id)),
        get_release(tx, request.release),
        commit_by_sha(tx, request.repository, request.commit),
        live_deployment(tx, service, request.environment),
        rows.get_deployment(tx, request.deployment) if request.deployment else None,
        usual(tx, service, request.environment),
    )


def usual(tx: Transaction, service: str, environment: str) -> Usual | None:
    found = usual_duration(tx, service, environment)
    live = live_deployment(tx, service, environment)
    if found is None or live is None:
        return None
    return Usual(timedelta(milliseconds=found[0]), found[1], len(rows.hosts_of(tx, live.id)))
