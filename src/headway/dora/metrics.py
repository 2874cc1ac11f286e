"""The five delivery metrics of one window, from facts. Definitions and their reasons: docs/metrics.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.dora.facts import DeploymentFact, WaitingCommit
from headway.dora.history import tell
from headway.dora.metric import Metric, MetricName, Window
from headway.dora.rates import fail_rate, frequency, rework_rate, weekly
from headway.dora.times import lead_time, recovery_time


@dataclass(frozen=True, slots=True)
class Report:
    window: Window
    #: Since when Headway knows of deployments; None when there is none.
    watched_since: datetime | None
    metrics: tuple[Metric, ...]
    #: Deployments that succeeded in each week of the window, oldest first, and the watched share of that week.
    weeks: tuple[tuple[int, float], ...]

    def __getitem__(self, name: MetricName) -> Metric:
        return next(metric for metric in self.metrics if metric.name is name)


def measure(
    deployments: Sequence[DeploymentFact],
    waiting: Sequence[WaitingCommit],
    window: Window,
    watched_since: datetime | None,
) -> Report:
    """The five, in DORA's order.

    `deployments` are all to production, those before the window too: what was taken back, superseded or lasts
    is seen only from the whole history. `watched_since` is the first request of any deployment.
    """
    told = tell(deployments)
    often = frequency(told, window, watched_since)
    start = max(window.start, watched_since) if watched_since is not None else window.end
    times = [row.at for row in often.evidence if row.counted == "yes"]
    return Report(
        window,
        watched_since,
        (
            lead_time(told, waiting, window),
            often,
            fail_rate(told, window),
            recovery_time(told, window),
            rework_rate(told, window),
        ),
        tuple(weekly(times, start, window.end)),
    )
