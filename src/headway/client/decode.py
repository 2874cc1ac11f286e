"""From the API's JSON back to what it is made of, so that the same code draws both."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from headway.domain.deployment import Deployment, DeploymentStep, HostRow
from headway.domain.release import Artifact
from headway.domain.request import Request
from headway.domain.run import Job, Run, Step, TestCase
from headway.wire.shapes_hosts import as_bytes

if TYPE_CHECKING:
    from headway.dora.metrics import Report
    from headway.engine.hosts.remote_commands import Outcome

T = TypeVar("T")


def typed(value: Any, kind: type[T]) -> T:
    """With instants where the document has texts, and without what this version does not know."""
    return msgspec.convert(value, kind)


def run_of(document: Mapping[str, Any]) -> Run:
    # What it was begun for is told, not needed here.
    return msgspec.convert({**document, "trigger": None}, Run)


def job_of(document: Mapping[str, Any], run: str) -> Job:
    return msgspec.convert({**document, "run": run}, Job)


def step_of(document: Mapping[str, Any], job: str, attempt: int) -> Step:
    return msgspec.convert({**document, "index": document["number"], "job": job, "attempt": attempt}, Step)


def case_of(document: Mapping[str, Any]) -> tuple[str, TestCase]:
    """With the name of its job."""
    return document["job"], msgspec.convert({**document, "duration": document["seconds"]}, TestCase)


def artifact_of(document: Mapping[str, Any]) -> tuple[str, Artifact]:
    """With the id of its job."""
    return document["job"], msgspec.convert(document, Artifact)


def deployment_of(document: Mapping[str, Any]) -> Deployment:
    return msgspec.convert({"repository": "", **document}, Deployment)


def host_of(document: Mapping[str, Any], deployment: str) -> HostRow:
    return msgspec.convert({**document, "deployment": deployment}, HostRow)


def deployment_step_of(document: Mapping[str, Any], deployment: str) -> DeploymentStep:
    return msgspec.convert({**document, "deployment": deployment}, DeploymentStep)


def request_of(document: Mapping[str, Any]) -> Request:
    return msgspec.convert({"repository": "", "cause": "", **document}, Request)


def outcome_of(document: Mapping[str, Any]) -> "Outcome":
    from headway.domain.states import State
    from headway.engine.hosts.remote_commands import Outcome

    return Outcome(
        host=document["host"],
        state=State(document["state"]),
        reason=document["reason"],
        exit_code=document["exit_code"],
        signal=document["signal"],
        output=as_bytes(document),  # type: ignore[arg-type]
        dropped=document["dropped_bytes"],
        duration=timedelta(seconds=document["seconds"]),
        process=document.get("process"),
        hint=document.get("hint"),
    )


def report_of(document: Mapping[str, Any]) -> "Report":
    from headway.dora.metric import Evidence, Metric, MetricName, Unit, Window
    from headway.dora.metrics import Report
    from headway.wire.shapes_metrics import DeliveryDocument

    told = typed(document, DeliveryDocument)
    explained = told.get("explain")

    def evidence(name: str) -> tuple[Evidence, ...]:
        rows: Sequence[Any] = explained["rows"] if explained and explained["metric"] == name else ()
        return tuple(
            msgspec.convert(
                {**row, "value": row["seconds"], "environment": row["environment"] or ""}, Evidence
            )
            for row in rows
        )

    metrics = tuple(
        Metric(
            name=MetricName(name.replace("_", "-")),
            unit=Unit(metric["unit"]),
            value=metric["value"],
            interval=_interval(metric["interval"]),
            n=metric["n"],
            events=metric["events"],
            reason=metric["reason"],
            basis=metric["basis"],
            raw=tuple((one["seconds"], one["over"]) for one in metric["raw"]),
            details={key: number for key, number in metric["details"].items() if number is not None},
            evidence=evidence(name),
        )
        for name, metric in told["metrics"].items()
    )
    weeks = tuple((week["deployments"], week["watched"]) for week in told["weeks"])
    return Report(Window(told["since"], told["until"]), told["watched_since"], metrics, weeks)


def _interval(document: Any) -> Any:
    from headway.dora.intervals import Interval

    if document is None:
        return None
    low, high = (float("inf") if end is None else end for end in (document["low"], document["high"]))
    return Interval(low, high, document["method"], document["level"])
