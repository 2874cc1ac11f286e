"""The story as one JSON object: what Headway's own rows say, beside what users met."""

from collections import Counter
from typing import Any

from headway.demo.layout import HOSTS
from headway.demo.stage import Stage
from headway.demo.watch import Counts


def outcome(stage: Stage, counts: Counts, *, seconds: float) -> dict[str, object]:
    """docs/json.md describes the shape. Raises Otherwise when a command gives no JSON."""
    tale = stage.tale
    deployments = list(tale.deployments.values())
    metrics = stage.ask("metrics")
    bad = counts.failures_of(tale.bad_release)
    return {
        "ssh": stage.layout.kind,
        "seconds": round(seconds, 1),
        "commits": _by(tale.commits.values()),
        "runs": _by(tale.runs.values()),
        "deployments": _by(deployment["state"] for deployment in deployments),
        "rolled_back_automatically": sum(
            bool(deployment["rolled_back_automatically"]) for deployment in deployments
        ),
        "resumed_after_kill": tale.resumed_after_kill,
        "requests_total": counts.total,
        "requests_failed_in_good_rollouts": len(counts.failures) - len(bad),
        "requests_failed_by_bad_release": len(bad),
        "requests_failed_by_bad_release_seconds": _span(bad),
        "recovery_seconds": _recovery(metrics),
        "hosts": {host: stage.world.live_release(host) for host in HOSTS},
        "commands": tale.commands,
        "metrics": metrics,
    }


def _by(states: Any) -> dict[str, int]:
    return dict(sorted(Counter(states).items()))


def _span(failures: list[dict[str, object]]) -> float:
    """Seconds from the first failed request's begin to the last one's end."""
    if not failures:
        return 0.0
    began = min(_number(failure["began"]) for failure in failures)
    return round(max(_number(failure["ended"]) for failure in failures) - began, 3)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _recovery(metrics: dict[str, Any]) -> float | None:
    """From the bad release's first switch to the last host verified on a good one, as Headway measured it.

    It is the first failure of the story; what a person takes back later counts as another one.
    """
    recoveries = metrics["metrics"]["recovery_time"]["raw"]
    over = [recovery["seconds"] for recovery in recoveries if recovery["over"]]
    return round(over[0], 2) if over else None
