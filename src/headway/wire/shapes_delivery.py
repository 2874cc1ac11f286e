"""The JSON of releases, requests, deployments and of what runs where, as docs/json.md describes it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypedDict

from headway.domain.commit import Commit
from headway.domain.deployment import Deployment, DeploymentStep, HostRow
from headway.domain.release import Artifact, Release
from headway.domain.request import Approval, Obstacle, Request
from headway.domain.standing import Standing


class ArtifactDocument(TypedDict):
    path: str
    sha256: str
    size: int
    executable: bool


class ReleaseDocument(TypedDict):
    id: str
    service: str
    repository: str
    commit: str
    subject: str | None
    author: str | None
    committed_at: datetime | None
    created_at: datetime
    created_by: str
    run: str | None
    run_number: int | None
    artifacts: list[ArtifactDocument]
    live_in: list[str]


class FoundReleaseDocument(ReleaseDocument):
    #: One sentence where several releases of a commit could be meant; else empty.
    chosen: str


class DeploymentDocument(TypedDict):
    id: str
    number: int
    service: str
    environment: str
    production: bool
    release: str
    commit: str
    previous_release: str | None
    kind: str
    state: str
    reason: str
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    approval_verified: bool
    started_at: datetime | None
    first_switched_at: datetime | None
    verified_at: datetime | None
    finished_at: datetime | None
    rolled_back_automatically: bool
    supersedes: str | None
    origin: str


class HostRowDocument(TypedDict):
    host: str
    batch: int
    state: str
    reason: str
    previous_release: str | None
    switched_at: datetime | None
    verified_at: datetime | None
    reverted_at: datetime | None


class DeploymentStepDocument(TypedDict):
    host: str
    step: str
    attempt: int
    state: str
    exit_code: int | None
    started_at: datetime
    finished_at: datetime | None
    output: str


class DeploymentWithHosts(DeploymentDocument):
    hosts: list[HostRowDocument]


class LockDocument(TypedDict):
    user: str
    machine: str
    pid: int
    reason: str
    since: str
    alive: bool | None


class StandingDocument(TypedDict):
    """What stands on a host, as far as is known; `null` for nothing."""

    host: str
    release: str | None
    commit: str | None
    deployment: int | None
    since: datetime | None
    #: serves, moving (a deployment is at work there), unclear (one failed there: `reason` says how).
    state: str
    reason: str
    #: When the host last said so itself; null: it was not asked since this is kept.
    asked_at: datetime | None
    #: Deployments have gone on without it since then, and why: not reached, or left out by a person.
    missed_since: datetime | None
    missed_why: str
    #: False: the last deployment's file did not name it any more.
    member: bool


class PlaceTroubleDocument(TypedDict):
    """Something that is wrong in an environment."""

    #: failed, unclear, differs, missed, left_over, taken_back.
    kind: str
    sentence: str
    #: False: it serves as it should, and somebody has to do something all the same.
    is_broken: bool


class EnvironmentDocument(TypedDict):
    name: str
    #: What runs there, in one sentence: a release, or which on how many hosts and what is the matter with the others.
    runs: str
    #: Every host serves the same, and none was missed.
    is_whole: bool
    #: What is wrong there, the worst first.
    troubles: list[PlaceTroubleDocument]
    #: Since then at least one of its hosts was not asked; null where one never was.
    asked_at: datetime | None
    hosts: list[StandingDocument]
    live: DeploymentDocument | None
    unfinished: list[DeploymentWithHosts]
    last: DeploymentDocument | None
    lock: LockDocument | None


class UnfinishedRunDocument(TypedDict):
    number: int
    id: str
    commit: str
    state: str
    reason: str


class ObstacleDocument(TypedDict):
    kind: str
    reason: str
    hint: str
    final: bool
    until: datetime | None


class ApprovalDocument(TypedDict):
    person: str
    yes: bool
    comment: str
    at: datetime
    expires_at: datetime


class RequestDocument(TypedDict):
    id: str
    service: str
    environment: str
    release: str
    commit: str
    kind: str
    force: bool
    requested_by: str
    requested_at: datetime
    origin: str
    state: str
    reason: str
    obstacles: list[ObstacleDocument]
    expires_at: datetime
    deployment: str | None
    ended_at: datetime | None
    without: list[str]


class StatusDocument(TypedDict):
    service: str
    environments: list[EnvironmentDocument]
    runs: list[UnfinishedRunDocument]
    #: What waits at gates, and what was refused with nothing asked for since.
    requests: list[RequestDocument]


class WholeRequest(RequestDocument):
    approvals: list[ApprovalDocument]


class PlannedCommandDocument(TypedDict):
    step: str
    directory: str
    settings: str | None
    script: str


class PlannedHostDocument(TypedDict):
    host: str
    address: str
    user: str | None
    batch: int
    root: str
    processes: list[str]
    before: str | None
    commands: list[PlannedCommandDocument]


class PlanDocument(TypedDict):
    """What `deploy --dry-run` shows: every command for every host."""

    service: str
    environment: str
    release: str
    commit: str
    settings: list[str]
    hosts: list[PlannedHostDocument]


def release_json(
    release: Release, *, commit: Commit | None, run_number: int | None, live_in: Sequence[str]
) -> ReleaseDocument:
    return {
        "id": release.id,
        "service": release.service,
        "repository": release.repository,
        "commit": release.commit,
        "subject": commit.subject if commit else None,
        "author": commit.author if commit else None,
        "committed_at": commit.committed_at if commit else None,
        "created_at": release.created_at,
        "created_by": release.created_by,
        "run": release.run,
        "run_number": run_number,
        "artifacts": [artifact_json(artifact) for artifact in release.artifacts],
        "live_in": list(live_in),
    }


def artifact_json(artifact: Artifact) -> ArtifactDocument:
    return {
        "path": artifact.path,
        "sha256": artifact.sha256,
        "size": artifact.size,
        "executable": artifact.executable,
    }


def deployment_json(deployment: Deployment) -> DeploymentDocument:
    return {
        "id": deployment.id,
        "number": deployment.number,
        "service": deployment.service,
        "environment": deployment.environment,
        "production": deployment.production,
        "release": deployment.release,
        "commit": deployment.commit,
        "previous_release": deployment.previous_release,
        "kind": deployment.kind,
        "state": deployment.state,
        "reason": deployment.reason,
        "requested_by": deployment.requested_by,
        "requested_at": deployment.requested_at,
        "approved_by": deployment.approved_by,
        "approval_verified": deployment.approval_verified,
        "started_at": deployment.started_at,
        "first_switched_at": deployment.first_switched_at,
        "verified_at": deployment.verified_at,
        "finished_at": deployment.finished_at,
        "rolled_back_automatically": deployment.rolled_back_automatically,
        "supersedes": deployment.supersedes,
        "origin": deployment.origin,
    }


def with_hosts_json(deployment: Deployment, hosts: Iterable[HostRow]) -> DeploymentWithHosts:
    return {**deployment_json(deployment), "hosts": [host_row_json(row) for row in hosts]}


def host_row_json(row: HostRow) -> HostRowDocument:
    return {
        "host": row.host,
        "batch": row.batch,
        "state": row.state,
        "reason": row.reason,
        "previous_release": row.previous_release,
        "switched_at": row.switched_at,
        "verified_at": row.verified_at,
        "reverted_at": row.reverted_at,
    }


def deployment_step_json(step: DeploymentStep) -> DeploymentStepDocument:
    return {
        "host": step.host,
        "step": step.step,
        "attempt": step.attempt,
        "state": step.state,
        "exit_code": step.exit_code,
        "started_at": step.started_at,
        "finished_at": step.finished_at,
        "output": step.output,
    }


def request_json(request: Request) -> RequestDocument:
    return {
        "id": request.id,
        "service": request.service,
        "environment": request.environment,
        "release": request.release,
        "commit": request.commit,
        "kind": request.kind,
        "force": request.force,
        "requested_by": request.requested_by,
        "requested_at": request.requested_at,
        "origin": request.origin,
        "state": request.state,
        "reason": request.reason,
        "obstacles": [obstacle_json(obstacle) for obstacle in request.obstacles],
        "expires_at": request.expires_at,
        "deployment": request.deployment,
        "ended_at": request.ended_at,
        "without": list(request.without),
    }


def standing_json(standing: Standing) -> StandingDocument:
    return {
        "host": standing.host,
        "release": standing.release,
        "commit": standing.commit or None,
        "deployment": standing.number,
        "since": standing.since,
        "state": standing.state,
        "reason": standing.reason,
        "asked_at": standing.asked_at,
        "missed_since": standing.missed_since,
        "missed_why": standing.missed_why,
        "member": standing.member,
    }


def obstacle_json(obstacle: Obstacle) -> ObstacleDocument:
    return {
        "kind": obstacle.kind,
        "reason": obstacle.reason,
        "hint": obstacle.hint,
        "final": obstacle.final,
        "until": obstacle.until,
    }


def approval_json(approval: Approval) -> ApprovalDocument:
    return {
        "person": approval.person,
        "yes": approval.yes,
        "comment": approval.comment,
        "at": approval.at,
        "expires_at": approval.expires_at,
    }
