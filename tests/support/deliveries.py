"""Deployments for tests of the metrics, told in hours: `Story().ships(1, commits=[0])` and so on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.dora.facts import Changes, CommitFact, DeploymentFact, WaitingCommit
from headway.dora.metric import Metric, MetricName, Window
from headway.dora.metrics import Report, measure

K, S = DeploymentKind, DeploymentState
START = datetime(2025, 6, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


@dataclass
class Story:
    """Deployments of one environment. Each takes 0.2 h from request to switch and 0.2 h from switch to its end."""

    service: str = "shop"
    environment: str = "production"
    facts: list[DeploymentFact] = field(default_factory=list)
    waiting: list[WaitingCommit] = field(default_factory=list)
    live: str | None = None
    #: Numbers count within a service, so a second environment's begin after the first one's.
    numbers_after: int = 0

    def add(
        self,
        hours: float,
        *,
        kind: DeploymentKind = K.PLANNED,
        state: DeploymentState = S.SUCCEEDED,
        release: str | None = None,
        commits: list[float] | None = None,
        shas: list[str] | None = None,
        switched: bool = True,
        automatic: bool = True,
        unknown: str | None = None,
    ) -> DeploymentFact:
        number = self.numbers_after + len(self.facts) + 1
        release = release or f"r{number}"
        names = shas or [f"{release}-{index}" for index in range(len(commits or []))]
        changes = Changes(
            self.live,
            None
            if unknown
            else tuple(CommitFact(s, at(h)) for s, h in zip(names, commits or [], strict=True)),
            unknown,
        )
        done = state in (S.SUCCEEDED, S.ROLLED_BACK, S.FAILED, S.CANCELLED)
        fact = DeploymentFact(
            id=f"{self.service}-{self.environment}-{number}",
            number=number,
            service=self.service,
            environment=self.environment,
            release=release,
            commit=f"c-{release}",
            kind=kind,
            state=state,
            requested_at=at(hours - 0.2),
            first_switched_at=at(hours) if switched else None,
            verified_at=at(hours + 0.2) if state is S.SUCCEEDED else None,
            finished_at=at(hours + 0.2) if done else None,
            restored_at=at(hours + 0.2) if state is S.ROLLED_BACK else None,
            automatic=automatic and state in (S.ROLLED_BACK, S.FAILED, S.ROLLING_BACK),
            changes=changes,
        )
        self.facts.append(fact)
        if state is S.SUCCEEDED:
            self.live = fact.commit
        return fact

    def rollback(self, hours: float, release: str, **more: object) -> DeploymentFact:
        return self.add(hours, kind=K.ROLLBACK, release=release, **more)  # type: ignore[arg-type]

    def report(self, now: float, *, since: float = -1, watched: float | None = None) -> Report:
        first = min((fact.requested_at for fact in self.facts), default=None)
        return measure(
            self.facts,
            self.waiting,
            Window(at(since), at(now)),
            at(watched) if watched is not None else first,
        )

    def metric(self, name: MetricName, now: float, **more: float) -> Metric:
        return self.report(now, **more)[name]


def rules(metric: Metric) -> dict[int | None, tuple[str, str]]:
    """Deployment -> (how it was counted, why), for metrics with one row a deployment."""
    return {row.deployment: (row.counted.value, row.rule) for row in metric.evidence}


def lines(metric: Metric) -> list[str]:
    """The rows behind a metric in their order, each as a line: when (h), where, which, how counted, how long, why."""
    return [
        f"{(row.at - START) / HOUR:g} {row.service}/{row.environment} {row.deployment} {row.commit} {row.counted}"
        f"{'' if row.value is None else f' {row.value / 3600:g} h'}: {row.rule}"
        for row in metric.evidence
    ]
