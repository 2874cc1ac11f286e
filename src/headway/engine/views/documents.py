"""What several rooms make together, as JSON documents: the same for commands with --json and for the API."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headway.wire.shapes_delivery import (
    EnvironmentDocument,
    PlaceTroubleDocument,
    PlanDocument,
    ReleaseDocument,
    StatusDocument,
    deployment_json,
    release_json,
    request_json,
    standing_json,
    with_hosts_json,
)

if TYPE_CHECKING:
    from headway.deploy.plan import Plan
    from headway.deploy.trouble import PlaceTrouble
    from headway.dora.metric import Evidence, Metric
    from headway.dora.metrics import Report
    from headway.engine.releases.releases import ReleaseView
    from headway.engine.standing.status import EnvironmentStatus, Status
    from headway.wire.shapes_metrics import (
        DeliveryDocument,
        EvidenceDocument,
        IntervalDocument,
        MetricDocument,
    )


def release_document(view: "ReleaseView") -> ReleaseDocument:
    return release_json(view.release, commit=view.commit, run_number=view.run_number, live_in=view.live_in)


def status_document(status: "Status") -> StatusDocument:
    return {
        "service": status.service,
        "environments": [_environment(environment) for environment in status.environments],
        "runs": [
            {
                "number": run.number,
                "id": run.id,
                "commit": run.commit,
                "state": run.state,
                "reason": run.reason,
            }
            for run in status.runs
        ],
        "requests": [request_json(one) for one in status.requests],
    }


def trouble_json(trouble: "PlaceTrouble") -> PlaceTroubleDocument:
    return {"kind": trouble.kind, "sentence": trouble.sentence, "is_broken": trouble.is_broken}


def _environment(environment: "EnvironmentStatus") -> EnvironmentDocument:
    lock = environment.lock
    return {
        "name": environment.name,
        "runs": environment.runs.sentence,
        "is_whole": environment.runs.is_whole,
        "troubles": [trouble_json(one) for one in environment.troubles],
        "asked_at": environment.runs.asked_at,
        "hosts": [standing_json(one) for one in (*environment.runs.hosts, *environment.runs.gone)],
        "live": deployment_json(environment.live) if environment.live else None,
        "unfinished": [with_hosts_json(found, hosts) for found, hosts in environment.unfinished],
        "last": deployment_json(environment.last) if environment.last else None,
        "lock": {
            "user": lock.user,
            "machine": lock.machine,
            "pid": lock.pid,
            "reason": lock.reason,
            "since": lock.since,
            "alive": lock.alive,
        }
        if lock
        else None,
    }


def plan_document(plan: "Plan") -> PlanDocument:
    from headway.deploy.commands import Group, commands

    groups = (Group.PREPARE, Group.ONCE, Group.SWITCH, Group.UNDRAIN)
    return {
        "service": plan.service,
        "environment": plan.environment.name,
        "release": plan.release,
        "commit": plan.commit,
        "settings": [*plan.environment.env, *plan.environment.secrets],
        "hosts": [
            {
                "host": host.spec.name,
                "address": host.spec.address,
                "user": host.spec.user,
                "batch": host.batch,
                "root": host.root,
                "processes": list(host.processes),
                "before": host.predecessor.release if host.predecessor else None,
                "commands": [
                    {
                        "step": command.step,
                        "directory": command.directory,
                        "settings": command.settings,
                        "script": command.script,
                    }
                    for group in groups
                    for command in commands(plan, host, group)
                ],
            }
            for host in plan.hosts
        ],
    }


def delivery_document(
    report: "Report", service: str | None, environment: str | None, explain: str | None
) -> "DeliveryDocument":
    """`explain` names the metric whose rows are told, as on the command line: `lead-time`."""
    document: DeliveryDocument = {
        "service": service,
        "environment": environment,
        "since": report.window.start,
        "until": report.window.end,
        "watched_since": report.watched_since,
        "weeks": [{"deployments": count, "watched": share} for count, share in report.weeks],
        "metrics": {metric.name.replace("-", "_"): _metric(metric) for metric in report.metrics},
    }
    if explain:
        found = next(metric for metric in report.metrics if metric.name == explain)
        document["explain"] = {"metric": explain.replace("-", "_"), "rows": _rows(found.evidence)}
    return document


def _metric(metric: "Metric") -> "MetricDocument":
    interval: IntervalDocument | None = None
    if metric.interval is not None:
        interval = {
            "low": _finite(metric.interval.low),
            "high": _finite(metric.interval.high),
            "level": metric.interval.level,
            "method": metric.interval.method,
        }
    return {
        "value": metric.value,
        "unit": metric.unit,
        "interval": interval,
        "n": metric.n,
        "events": metric.events,
        "reason": metric.reason,
        "basis": metric.basis,
        "raw": [{"seconds": seconds, "over": over} for seconds, over in metric.raw],
        "details": dict(metric.details),
    }


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _rows(evidence: "Sequence[Evidence]") -> "list[EvidenceDocument]":
    return [
        {
            "at": row.at,
            "counted": row.counted,
            "rule": row.rule,
            "service": row.service,
            "environment": row.environment or None,
            "deployment": row.deployment,
            "commit": row.commit,
            "seconds": row.value,
        }
        for row in evidence
    ]
